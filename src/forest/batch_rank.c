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
 * The keys of some columns of a block; rows beyond num_rows repeat the last.
 */
void
mlops_keys(const float *rows, uint32 num_features, uint32 num_rows,
		   const MlopsBatchColumn *columns, uint32 num_columns,
		   uint32 *keys, uint32 stride, uint32 padded)
{
	for (uint32 i = 0; i < padded; i++)
	{
		const float *row = rows + (size_t) Min(i, num_rows - 1) * num_features;

		for (uint32 k = 0; k < num_columns; k++)
		{
			float		value = row[columns[k].feature];
			uint32		key = mlops_narrow_key(value);

			keys[k * stride + i] = isnan(value) ? MLOPS_KEY_MISSING : key;
		}
	}
}

/*
 * The same for a wide forest, whose columns say what is missing.
 */
void
mlops_keys_wide(const double *rows, uint32 num_features, uint32 num_rows,
				const MlopsBatchColumn *columns, uint32 num_columns,
				uint64 *keys, uint32 stride, uint32 padded)
{
	for (uint32 k = 0; k < num_columns; k++)
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

/*
 * Search LANES keys; place gets where each ends, counted from the first of the
 * places below the last level.
 */
#define SEARCH(type) \
	for (int k = 0; k < LANES; k++) \
		place[k] = 1; \
	for (uint32 level = 0; level < levels; level++) \
	{ \
		for (int k = 0; k < LANES; k++) \
			place[k] = 2 * place[k] + (table[place[k]] <= keys[i + k]); \
	}

/* store the ranks of LANES keys */
#define STORE_RANKS \
	for (int k = 0; k < LANES; k++) \
	{ \
		int8		rank = (int8) ((int) (place[k] - (1u << levels)) - BIAS); \
		\
		if (left != NULL) \
			left[i + k] = rank; \
		if (right != NULL) \
			right[i + k] = keys[i + k] == MLOPS_KEY_MISSING ? RIGHTMOST : rank; \
	}

void
mlops_rank_plain(const uint32 *table, uint32 levels, const uint32 *keys,
				 uint32 rows, int8 *left, int8 *right)
{
	for (uint32 i = 0; i < rows; i += LANES)
	{
		uint32		place[LANES];

		SEARCH(uint32)
		STORE_RANKS
	}
}

void
mlops_rank_wide_plain(const uint64 *table, uint32 levels, const uint64 *keys,
					  uint32 rows, int8 *left, int8 *right)
{
	for (uint32 i = 0; i < rows; i += LANES)
	{
		uint32		place[LANES];

		SEARCH(uint64)
		STORE_RANKS
	}
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
