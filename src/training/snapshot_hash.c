/*-------------------------------------------------------------------------
 *
 * snapshot_hash.c
 *	  A hash of a multiset of rows that does not depend on their order.
 *
 * A row's bytes are hashed by BLAKE2b-512 (RFC 7693); the hash, with a counter
 * behind it, is hashed again six times, which gives a number of 3072 bits.
 * The hash of a set is the product of the numbers of its rows modulo
 * p = 2^3072 - 1103717, the largest safe prime of that size.  Products do not
 * depend on the order of their factors nor on how these are grouped, so each
 * parallel worker makes one of its own rows and the leader multiplies these.
 *
 * Why a product, which costs about two microseconds for each row, and not a
 * sum or an exclusive or of 256 bits, which would cost nothing:
 *
 * - An exclusive or does not see a row that is there twice.
 * - Who may choose rows finds two sets with one sum: among the sums of k
 *	 numbers of n bits the generalized birthday attack (Wagner 2002) finds equal
 *	 ones in k * 2^(n / (1 + log2 k)) steps, which for 256 bits and 32,768
 *	 rows is 2^31.  Vectors of small integers (LtHash) withstand it, but
 *	 forget a row that is there 65,536 times.
 * - Two sets of rows with one product are a relation between discrete
 *	 logarithms modulo p (MuHash: Bellare and Micciancio 1997); with 3072 bits
 *	 finding one takes about 2^128 steps.  The order of the group is twice a
 *	 prime beyond 2^3070, so that no number of copies of a row counts as none.
 *
 * By accident two sets have one hash with a probability of 2^-256: that of
 * the final hash, which snapshot_content.c takes of the product.
 *
 * Nothing here needs a server or allocates memory.  All functions do the same
 * on every platform.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include "training/snapshot_hash.h"

/* p = 2^3072 - PRIME_GAP */
#define PRIME_GAP		1103717

#ifdef HAVE_INT128
typedef uint128 WideLimb;
#define LIMB_BITS		64
#else
typedef uint64 WideLimb;
#define LIMB_BITS		32
#endif

#define LIMBS			MLOPS_MULTISET_LIMBS

#define BLOCK_BYTES		128

static const uint64 blake2b_iv[8] = {
	UINT64CONST(0x6a09e667f3bcc908), UINT64CONST(0xbb67ae8584caa73b),
	UINT64CONST(0x3c6ef372fe94f82b), UINT64CONST(0xa54ff53a5f1d36f1),
	UINT64CONST(0x510e527fade682d1), UINT64CONST(0x9b05688c2b3e6c1f),
	UINT64CONST(0x1f83d9abfb41bd6b), UINT64CONST(0x5be0cd19137e2179)
};

static inline uint64
load64(const uint8 *bytes)
{
	uint64		value;

	memcpy(&value, bytes, sizeof(value));
#ifdef WORDS_BIGENDIAN
	value = __builtin_bswap64(value);
#endif
	return value;
}

static inline void
store64(uint8 *bytes, uint64 value)
{
#ifdef WORDS_BIGENDIAN
	value = __builtin_bswap64(value);
#endif
	memcpy(bytes, &value, sizeof(value));
}

static inline uint64
rotate_right(uint64 value, int bits)
{
	return (value >> bits) | (value << (64 - bits));
}

#define MIX(a, b, c, d, x, y) \
	do { \
		v[a] += v[b] + (x); v[d] = rotate_right(v[d] ^ v[a], 32); \
		v[c] += v[d]; v[b] = rotate_right(v[b] ^ v[c], 24); \
		v[a] += v[b] + (y); v[d] = rotate_right(v[d] ^ v[a], 16); \
		v[c] += v[d]; v[b] = rotate_right(v[b] ^ v[c], 63); \
	} while (0)

/* the schedule is written out, so that the words stay in registers */
#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
	do { \
		MIX(0, 4, 8, 12, m[s0], m[s1]); MIX(1, 5, 9, 13, m[s2], m[s3]); \
		MIX(2, 6, 10, 14, m[s4], m[s5]); MIX(3, 7, 11, 15, m[s6], m[s7]); \
		MIX(0, 5, 10, 15, m[s8], m[s9]); MIX(1, 6, 11, 12, m[s10], m[s11]); \
		MIX(2, 7, 8, 13, m[s12], m[s13]); MIX(3, 4, 9, 14, m[s14], m[s15]); \
	} while (0)

/*
 * Work one block in.
 */
static void
compress(uint64 *h, const uint8 *block, uint64 length, bool last)
{
	uint64		m[16];
	uint64		v[16];

	for (int i = 0; i < 16; i++)
		m[i] = load64(block + 8 * i);
	for (int i = 0; i < 8; i++)
	{
		v[i] = h[i];
		v[i + 8] = blake2b_iv[i];
	}
	v[12] ^= length;
	if (last)
		v[14] = ~v[14];

	ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
	ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);
	ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);
	ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);
	ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);
	ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);
	ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);
	ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);
	ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);
	ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);

	for (int i = 0; i < 8; i++)
		h[i] ^= v[i] ^ v[i + 8];
}

/*
 * Begin a hash of 1 to 64 bytes.
 */
void
mlops_blake2b_init(MlopsBlake2b *state, uint32 size)
{
	memcpy(state->h, blake2b_iv, sizeof(state->h));
	state->h[0] ^= 0x01010000 ^ size;
	state->length = 0;
	state->buffered = 0;
	state->size = size;
}

/*
 * Hash more bytes.  The last block is kept back: only the end says that it is.
 */
void
mlops_blake2b_update(MlopsBlake2b *state, const void *data, size_t length)
{
	const uint8 *bytes = data;

	while (length > 0)
	{
		size_t		room = BLOCK_BYTES - state->buffered;

		if (room == 0)
		{
			compress(state->h, state->buffer, state->length, false);
			state->buffered = 0;
			room = BLOCK_BYTES;
		}
		if (room > length)
			room = length;
		memcpy(state->buffer + state->buffered, bytes, room);
		state->buffered += room;
		state->length += room;
		bytes += room;
		length -= room;
	}
}

/*
 * End a hash, of as many bytes as it was begun with.
 */
void
mlops_blake2b_final(MlopsBlake2b *state, uint8 *hash)
{
	uint8		bytes[MLOPS_BLAKE2B_BYTES];

	memset(state->buffer + state->buffered, 0, BLOCK_BYTES - state->buffered);
	compress(state->h, state->buffer, state->length, true);
	for (int i = 0; i < 8; i++)
		store64(bytes + 8 * i, state->h[i]);
	memcpy(hash, bytes, state->size);
}

/*
 * Multiply modulo p.  A product of two numbers below 2^3072 is high * 2^3072 +
 * low, and so is high * PRIME_GAP + low.  The result is below 2^3072, but may
 * be p or more: mlops_multiset_bytes() sees to that.
 */
static void
multiply(MlopsLimb *a, const MlopsLimb *b)
{
	MlopsLimb	product[2 * LIMBS];
	WideLimb	carry;

	memset(product, 0, sizeof(MlopsLimb) * LIMBS);
	for (int i = 0; i < LIMBS; i++)
	{
		MlopsLimb	factor = a[i];
		MlopsLimb  *row = product + i;
		MlopsLimb	high = 0;

		for (int j = 0; j < LIMBS; j++)
		{
			WideLimb	sum = (WideLimb) factor * b[j] + row[j] + high;

			row[j] = (MlopsLimb) sum;
			high = (MlopsLimb) (sum >> LIMB_BITS);
		}
		row[LIMBS] = high;
	}

	carry = 0;
	for (int i = 0; i < LIMBS; i++)
	{
		carry += (WideLimb) product[LIMBS + i] * PRIME_GAP + product[i];
		a[i] = (MlopsLimb) carry;
		carry >>= LIMB_BITS;
	}
	/* what is carried out is below 2^21 + 1; once more may carry out a 1 */
	while (carry != 0)
	{
		carry *= PRIME_GAP;
		for (int i = 0; carry != 0 && i < LIMBS; i++)
		{
			carry += a[i];
			a[i] = (MlopsLimb) carry;
			carry >>= LIMB_BITS;
		}
	}
}

/*
 * The empty set.
 */
void
mlops_multiset_init(MlopsMultiset *set)
{
	memset(set, 0, sizeof(*set));
	set->limbs[0] = 1;
}

/*
 * Add a row, by its bytes.
 */
void
mlops_multiset_add(MlopsMultiset *set, const void *row, size_t length)
{
	MlopsBlake2b state;
	MlopsMultiset number;
	uint8		seed[BLOCK_BYTES] = {0};
	uint8		bytes[MLOPS_MULTISET_BYTES];

	mlops_blake2b_init(&state, MLOPS_BLAKE2B_BYTES);
	mlops_blake2b_update(&state, row, length);
	mlops_blake2b_final(&state, seed);

	/* the hash of 65 bytes, of which the last one counts: one block each */
	for (int i = 0; i < MLOPS_MULTISET_BYTES / MLOPS_BLAKE2B_BYTES; i++)
	{
		uint64		h[8];

		seed[MLOPS_BLAKE2B_BYTES] = (uint8) i;
		memcpy(h, blake2b_iv, sizeof(h));
		h[0] ^= 0x01010000 ^ MLOPS_BLAKE2B_BYTES;
		compress(h, seed, MLOPS_BLAKE2B_BYTES + 1, true);
		for (int j = 0; j < 8; j++)
			store64(bytes + MLOPS_BLAKE2B_BYTES * i + 8 * j, h[j]);
	}
	mlops_multiset_from_bytes(&number, bytes);
	multiply(set->limbs, number.limbs);
}

/*
 * Add all rows of another set.
 */
void
mlops_multiset_combine(MlopsMultiset *set, const MlopsMultiset *other)
{
	multiply(set->limbs, other->limbs);
}

/*
 * The product as the one number below p that it is, little-endian.
 */
void
mlops_multiset_bytes(const MlopsMultiset *set, uint8 *bytes)
{
	MlopsMultiset number = *set;
	bool		reduce = number.limbs[0] >= (MlopsLimb) 0 - PRIME_GAP;

	for (int i = 1; i < LIMBS; i++)
		reduce = reduce && number.limbs[i] == (MlopsLimb) ~(MlopsLimb) 0;
	/* p or more is 2^3072 - gap + n with n < gap, of which n is left */
	if (reduce)
	{
		number.limbs[0] += PRIME_GAP;
		for (int i = 1; i < LIMBS; i++)
			number.limbs[i] = 0;
	}
	for (int i = 0; i < LIMBS; i++)
	{
		for (int j = 0; j < (int) sizeof(MlopsLimb); j++)
			*bytes++ = (uint8) (number.limbs[i] >> (8 * j));
	}
}

void
mlops_multiset_from_bytes(MlopsMultiset *set, const uint8 *bytes)
{
	for (int i = 0; i < LIMBS; i++)
	{
		MlopsLimb	limb = 0;

		for (int j = 0; j < (int) sizeof(MlopsLimb); j++)
			limb |= (MlopsLimb) *bytes++ << (8 * j);
		set->limbs[i] = limb;
	}
}
