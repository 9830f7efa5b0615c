/*-------------------------------------------------------------------------
 *
 * batch_rank.c
 *	  From the values of a block of rows to byte planes: keys, and their ranks
 *	  among the thresholds.
 *
 * A rank is found by the same number of steps down a search tree for every
 * value, without branches.  The plain version does it for some values side by
 * side, because a step waits for the one before it; AVX-512 keeps the whole
 * search tree in registers and looks sixteen values up at a time.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/forest_internal.h"

#ifdef MLOPS_SIMD_X86
#include <immintrin.h>
#endif

/* values that are searched side by side */
#define LANES	8

/* what planes hold instead of 0 */
#define BIAS	128

/* the rank of a missing value that goes right */
#define RIGHTMOST	(MLOPS_CHUNK_KEYS - BIAS)

/*
 * MLOPS_BLOCK_UNIT values to keys; a loop that a compiler makes vectors of.
 */
static void
make_keys(uint32 *keys)
{
	for (int i = 0; i < MLOPS_BLOCK_UNIT; i++)
	{
		float		value;
		uint32		bits;

		memcpy(&value, &keys[i], sizeof(value));
		/* -0 is 0 */
		value += 0.0f;
		memcpy(&bits, &value, sizeof(bits));
		/* a missing value's bits without the sign are above infinity's */
		keys[i] = (bits ^ ((uint32) ((int32) bits >> 31) | 0x80000000)) &
			-(uint32) ((int32) (bits & 0x7FFFFFFF) <= 0x7F800000);
	}
}

/*
 * The keys of MLOPS_KEY_COLUMNS columns of a block; rows beyond num_rows repeat
 * the last.
 */
void
mlops_keys(const float *rows, uint32 num_features, uint32 num_rows,
		   const MlopsBatchColumn *columns, uint32 *keys, uint32 stride, uint32 padded)
{
	uint32		feature[MLOPS_KEY_COLUMNS];

	for (int k = 0; k < MLOPS_KEY_COLUMNS; k++)
		feature[k] = columns[k].feature;
	for (uint32 i = 0; i < padded; i++)
	{
		const float *row = rows + (size_t) Min(i, num_rows - 1) * num_features;
		uint32	   *key = keys + i;

		for (int k = 0; k < MLOPS_KEY_COLUMNS; k++, key += stride)
			memcpy(key, &row[feature[k]], sizeof(uint32));
	}
	for (int k = 0; k < MLOPS_KEY_COLUMNS; k++)
	{
		for (uint32 i = 0; i < padded; i += MLOPS_BLOCK_UNIT)
			make_keys(keys + k * stride + i);
	}
}

/*
 * The same for a wide forest, whose columns say what is missing.
 */
void
mlops_keys_wide(const double *rows, uint32 num_features, uint32 num_rows,
				const MlopsBatchColumn *columns, uint64 *keys, uint32 stride, uint32 padded)
{
	for (int k = 0; k < MLOPS_KEY_COLUMNS; k++)
	{
		bool		none = columns[k].missing == MLOPS_MISSING_NONE;
		bool		zero = columns[k].missing == MLOPS_MISSING_ZERO;

		for (uint32 i = 0; i < padded; i++)
		{
			double		value = rows[(size_t) Min(i, num_rows - 1) * num_features +
									 columns[k].feature];

			/* what is about zero is zero, and NaN is where it is not missing */
			if (fabs(value) <= MLOPS_WIDE_ZERO || (none && isnan(value)))
				value = 0.0;
			keys[k * stride + i] = isnan(value) || (zero && value == 0.0) ?
				MLOPS_KEY_MISSING : mlops_wide_key(value);
		}
	}
}

/* the lanes of a search */
#define EACH(DO)	DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

/*
 * One level down, to the right unless the key there is above the value's;
 * written so, it becomes a comparison and a subtraction with borrow.
 */
#define START(k)	p##k = 1;
#define DOWN_ONE(k)	p##k = 2 * p##k + 1 - (keys[i + k] < table[p##k]);
#define STORE(k) \
	{ \
		int8		rank = (int8) (p##k - bias); \
		\
		if (left != NULL) \
			left[i + k] = rank; \
		if (right != NULL) \
			right[i + k] = keys[i + k] == MLOPS_KEY_MISSING ? RIGHTMOST : rank; \
	}

/* where a search ends is the rank, counted from the first place of that level */
#define SEARCH_ALL \
	uint32		bias = (1u << levels) + BIAS; \
	\
	for (uint32 i = 0; i < rows; i += LANES) \
	{ \
		size_t		p0, p1, p2, p3, p4, p5, p6, p7; \
		\
		EACH(START) \
		for (uint32 level = levels; level > 0; level--) \
		{ \
			EACH(DOWN_ONE) \
		} \
		EACH(STORE) \
	}

void
mlops_rank_plain(const uint32 *table, uint32 levels, const uint32 *keys,
				 uint32 rows, int8 *left, int8 *right)
{
	SEARCH_ALL
}

void
mlops_rank_wide_plain(const uint64 *table, uint32 levels, const uint64 *keys,
					  uint32 rows, int8 *left, int8 *right)
{
	SEARCH_ALL
}

#ifdef MLOPS_SIMD_X86

/* the keys at 16 places of a table of 32, 64 or 128 keys in registers */
#define AT32(t, place)	_mm512_permutex2var_epi32((t)[0], place, (t)[1])
#define AT64(t, place) \
	_mm512_mask_blend_epi32(_mm512_test_epi32_mask(place, _mm512_set1_epi32(32)), \
							AT32(t, place), AT32((t) + 2, place))
#define AT128(t, place) \
	_mm512_mask_blend_epi32(_mm512_test_epi32_mask(place, _mm512_set1_epi32(64)), \
							AT64(t, place), AT64((t) + 4, place))

/* one level down: twice the place, and one more if the key there is not above */
#define DOWN(threshold) \
	{ \
		__mmask16	above = _mm512_cmple_epu32_mask(threshold, key); \
		\
		place = _mm512_add_epi32(place, place); \
		place = _mm512_mask_add_epi32(place, above, place, one); \
	}

/*
 * The ranks by a table of a number of levels that the compiler knows.
 */
static inline __attribute__((always_inline)) MLOPS_TARGET_AVX512 void
rank_levels(const uint32 *table, int levels, const uint32 *keys,
			uint32 rows, int8 *left, int8 *right)
{
	const __m512i one = _mm512_set1_epi32(1);
	const __m512i bias = _mm512_set1_epi32((1 << levels) + BIAS);
	const __m128i rightmost = _mm_set1_epi8(RIGHTMOST);
	__m512i		t[16];

	for (int k = 0; k < 1 << (levels - 4); k++)
		t[k] = _mm512_loadu_si512(table + 16 * k);
	for (uint32 i = 0; i < rows; i += 16)
	{
		__m512i		key = _mm512_load_si512(keys + i);
		__m512i		place = one;
		__m128i		rank;

		DOWN(AT32(t, place))
		DOWN(AT32(t, place))
		DOWN(AT32(t, place))
		DOWN(AT32(t, place))
		DOWN(AT32(t, place))
		if (levels > 5)
			DOWN(AT32(t + 2, place))
		if (levels > 6)
			DOWN(AT64(t + 4, place))
		if (levels > 7)
			DOWN(AT128(t + 8, place))
		rank = _mm512_cvtepi32_epi8(_mm512_sub_epi32(place, bias));
		if (left != NULL)
			_mm_store_si128((__m128i *) (left + i), rank);
		if (right != NULL)
		{
			__m512i		missing =
				_mm512_maskz_mov_epi32(_mm512_testn_epi32_mask(key, key), _mm512_set1_epi32(-1));

			_mm_store_si128((__m128i *) (right + i),
							_mm_blendv_epi8(rank, rightmost, _mm512_cvtepi32_epi8(missing)));
		}
	}
}

MLOPS_TARGET_AVX512 void
mlops_rank_avx512(const uint32 *table, uint32 levels, const uint32 *keys,
				  uint32 rows, int8 *left, int8 *right)
{
	switch (levels)
	{
		case 5:
			rank_levels(table, 5, keys, rows, left, right);
			break;
		case 6:
			rank_levels(table, 6, keys, rows, left, right);
			break;
		case 7:
			rank_levels(table, 7, keys, rows, left, right);
			break;
		default:
			rank_levels(table, 8, keys, rows, left, right);
			break;
	}
}

#endif							/* MLOPS_SIMD_X86 */
