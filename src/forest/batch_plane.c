/*-------------------------------------------------------------------------
 *
 * batch_plane.c
 *	  Trees by byte planes, see batch.h: the operations of a tree, and adding
 *	  what its leaves give.
 *
 * Every row has its own place in a vector, from the planes to the sums; no
 * instruction adds numbers of different rows, or of different trees.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/forest_internal.h"

#ifdef MLOPS_SIMD_X86
#include <immintrin.h>
#endif

/*
 * Bytes that the plain kernel does at a time: as vectors of the compiler's own,
 * which it turns into what the processors that it compiles for all have.
 */
#ifdef __GNUC__
typedef uint8 Bytes __attribute__((vector_size(16), may_alias));
typedef int8 SignedBytes __attribute__((vector_size(16), may_alias));

#define ABOVE(a, b)		((Bytes) ((a) > (b)))
#else
typedef uint8 Bytes;
typedef int8 SignedBytes;

#define ABOVE(a, b)		((Bytes) -((a) > (b)))
#endif

void
mlops_evaluate_plain(const MlopsPlaneOp *ops, uint32 num_ops, const int8 *planes,
					 uint8 *results, uint32 stride, uint32 rows)
{
	for (const MlopsPlaneOp *op = ops; op < ops + num_ops; op++)
	{
		const int8 *plane = planes + (size_t) op->plane * stride;
		const uint8 *left = results + op->left * stride;
		const uint8 *right = results + op->right * stride;
		uint8	   *out = results + op->out * stride;
		int8		threshold = op->threshold;
		uint8		add = op->add;

		for (uint32 i = 0; i < rows; i += sizeof(Bytes))
		{
			Bytes		mask = ABOVE(*(const SignedBytes *) (plane + i), threshold);
			Bytes		a = *(const Bytes *) (left + i);
			Bytes		b = *(const Bytes *) (right + i) + add;

			*(Bytes *) (out + i) = (a & ~mask) | (b & mask);
		}
	}
}

void
mlops_add_plain(const float *leaves, uint32 num_leaves, const uint8 *numbers,
				uint32 rows, float *sums)
{
	for (uint32 i = 0; i < rows; i++)
		sums[i] += leaves[numbers[i]];
}

void
mlops_add_wide_plain(const double *leaves, uint32 num_leaves, const uint8 *numbers,
					 uint32 rows, double *sums)
{
	for (uint32 i = 0; i < rows; i++)
		sums[i] += leaves[numbers[i]];
}

#ifdef MLOPS_SIMD_X86

MLOPS_TARGET_AVX2 void
mlops_evaluate_avx2(const MlopsPlaneOp *ops, uint32 num_ops, const int8 *planes,
					uint8 *results, uint32 stride, uint32 rows)
{
	for (const MlopsPlaneOp *op = ops; op < ops + num_ops; op++)
	{
		const int8 *plane = planes + (size_t) op->plane * stride;
		const uint8 *left = results + op->left * stride;
		const uint8 *right = results + op->right * stride;
		uint8	   *out = results + op->out * stride;
		__m256i		threshold = _mm256_set1_epi8(op->threshold);
		__m256i		add = _mm256_set1_epi8((char) op->add);

		for (uint32 i = 0; i < rows; i += 32)
		{
			__m256i		mask = _mm256_cmpgt_epi8(_mm256_load_si256((const __m256i *) (plane + i)),
												 threshold);
			__m256i		a = _mm256_load_si256((const __m256i *) (left + i));
			__m256i		b = _mm256_add_epi8(_mm256_load_si256((const __m256i *) (right + i)), add);

			_mm256_store_si256((__m256i *) (out + i), _mm256_blendv_epi8(a, b, mask));
		}
	}
}

MLOPS_TARGET_AVX512 void
mlops_evaluate_avx512(const MlopsPlaneOp *ops, uint32 num_ops, const int8 *planes,
					  uint8 *results, uint32 stride, uint32 rows)
{
	for (const MlopsPlaneOp *op = ops; op < ops + num_ops; op++)
	{
		const int8 *plane = planes + (size_t) op->plane * stride;
		const uint8 *left = results + op->left * stride;
		const uint8 *right = results + op->right * stride;
		uint8	   *out = results + op->out * stride;
		__m512i		threshold = _mm512_set1_epi8(op->threshold);
		__m512i		add = _mm512_set1_epi8((char) op->add);

		for (uint32 i = 0; i < rows; i += 64)
		{
			__mmask64	mask = _mm512_cmpgt_epi8_mask(_mm512_load_si512(plane + i), threshold);
			__m512i		a = _mm512_load_si512(left + i);
			__m512i		b = _mm512_load_si512(right + i);

			_mm512_store_si512(out + i, _mm512_mask_add_epi8(a, mask, b, add));
		}
	}
}

/* entries 16 * k and further of so many, as far as there are any */
static inline __attribute__((always_inline)) MLOPS_TARGET_AVX512 __m512
part_of(const float *leaves, uint32 num_leaves, uint32 k)
{
	uint32		there = num_leaves > 16 * k ? num_leaves - 16 * k : 0;

	return _mm512_maskz_loadu_ps(there >= 16 ? 0xFFFF : (1 << there) - 1, leaves + 16 * k);
}

/* of 16 rows: the leaf of each in a table of 32, 64 or 128 in registers */
#define LEAF32(t, n)	_mm512_permutex2var_ps((t)[0], n, (t)[1])
#define LEAF64(t, n) \
	_mm512_mask_blend_ps(_mm512_test_epi32_mask(n, _mm512_set1_epi32(32)), \
						 LEAF32(t, n), LEAF32((t) + 2, n))
#define LEAF128(t, n) \
	_mm512_mask_blend_ps(_mm512_test_epi32_mask(n, _mm512_set1_epi32(64)), \
						 LEAF64(t, n), LEAF64((t) + 4, n))
#define LEAF256(t, n) \
	_mm512_mask_blend_ps(_mm512_test_epi32_mask(n, _mm512_set1_epi32(128)), \
						 LEAF128(t, n), LEAF128((t) + 8, n))

/*
 * Add from a table that has so many leaves at most, which the compiler knows.
 */
static inline __attribute__((always_inline)) MLOPS_TARGET_AVX512 void
add_most(const float *leaves, uint32 num_leaves, uint32 most, const uint8 *numbers,
		 uint32 rows, float *sums)
{
	__m512		t[16];

	for (uint32 k = 0; k < most / 16; k++)
		t[k] = part_of(leaves, num_leaves, k);
	for (uint32 i = 0; i < rows; i += 16)
	{
		__m512i		n = _mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *) (numbers + i)));
		__m512		leaf;

		if (most == 32)
			leaf = LEAF32(t, n);
		else if (most == 64)
			leaf = LEAF64(t, n);
		else if (most == 128)
			leaf = LEAF128(t, n);
		else
			leaf = LEAF256(t, n);
		_mm512_store_ps(sums + i, _mm512_add_ps(_mm512_load_ps(sums + i), leaf));
	}
}

MLOPS_TARGET_AVX512 void
mlops_add_avx512(const float *leaves, uint32 num_leaves, const uint8 *numbers,
				 uint32 rows, float *sums)
{
	if (num_leaves <= 32)
		add_most(leaves, num_leaves, 32, numbers, rows, sums);
	else if (num_leaves <= 64)
		add_most(leaves, num_leaves, 64, numbers, rows, sums);
	else if (num_leaves <= 128)
		add_most(leaves, num_leaves, 128, numbers, rows, sums);
	else
		add_most(leaves, num_leaves, 256, numbers, rows, sums);
}

/* entries 8 * k and further of so many, as far as there are any */
static inline __attribute__((always_inline)) MLOPS_TARGET_AVX512 __m512d
part_of_wide(const double *leaves, uint32 num_leaves, uint32 k)
{
	uint32		there = num_leaves > 8 * k ? num_leaves - 8 * k : 0;

	return _mm512_maskz_loadu_pd(there >= 8 ? 0xFF : (1 << there) - 1, leaves + 8 * k);
}

#define WIDE16(t, n)	_mm512_permutex2var_pd((t)[0], n, (t)[1])
#define WIDE32(t, n) \
	_mm512_mask_blend_pd(_mm512_test_epi64_mask(n, _mm512_set1_epi64(16)), \
						 WIDE16(t, n), WIDE16((t) + 2, n))
#define WIDE64(t, n) \
	_mm512_mask_blend_pd(_mm512_test_epi64_mask(n, _mm512_set1_epi64(32)), \
						 WIDE32(t, n), WIDE32((t) + 4, n))

static inline __attribute__((always_inline)) MLOPS_TARGET_AVX512 void
add_most_wide(const double *leaves, uint32 num_leaves, uint32 most, const uint8 *numbers,
			  uint32 rows, double *sums)
{
	__m512d		t[8];

	for (uint32 k = 0; k < most / 8; k++)
		t[k] = part_of_wide(leaves, num_leaves, k);
	for (uint32 i = 0; i < rows; i += 8)
	{
		__m512i		n = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *) (numbers + i)));
		__m512d		leaf = most == 32 ? WIDE32(t, n) : WIDE64(t, n);

		_mm512_store_pd(sums + i, _mm512_add_pd(_mm512_load_pd(sums + i), leaf));
	}
}

MLOPS_TARGET_AVX512 void
mlops_add_wide_avx512(const double *leaves, uint32 num_leaves, const uint8 *numbers,
					  uint32 rows, double *sums)
{
	if (num_leaves <= 32)
		add_most_wide(leaves, num_leaves, 32, numbers, rows, sums);
	else if (num_leaves <= 64)
		add_most_wide(leaves, num_leaves, 64, numbers, rows, sums);
	else
		mlops_add_wide_plain(leaves, num_leaves, numbers, rows, sums);
}

#endif							/* MLOPS_SIMD_X86 */
