/*-------------------------------------------------------------------------
 *
 * snapshot_hash.c
 *	  The hash of a multiset against values that Python's hashlib.blake2b and
 *	  integers give:
 *
 *	  def number(row):
 *		  seed = blake2b(row).digest()
 *		  return int.from_bytes(b''.join(blake2b(seed + bytes([i])).digest()
 *										 for i in range(6)), 'little')
 *
 *	  product = 1
 *	  for row in rows:
 *		  product = product * number(row) % (2 ** 3072 - 1103717)
 *	  blake2b(product.to_bytes(384, 'little'), digest_size=32).hexdigest()
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include "training/snapshot_hash.h"

static int	ntests = 0;
static int	nfailures = 0;

static void
ok(bool passed, const char *name)
{
	ntests++;
	if (!passed)
		nfailures++;
	printf("%sok %d - %s\n", passed ? "" : "not ", ntests, name);
}

static bool
is_hex(const uint8 *bytes, size_t length, const char *hex)
{
	if (strlen(hex) != 2 * length)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		unsigned int byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1 || byte != bytes[i])
			return false;
	}
	return true;
}

static void
hash_bytes(const void *data, size_t length, uint32 size, uint8 *hash)
{
	MlopsBlake2b state;

	mlops_blake2b_init(&state, size);
	mlops_blake2b_update(&state, data, length);
	mlops_blake2b_final(&state, hash);
}

static void
set_is(const MlopsMultiset *set, const char *hex, const char *name)
{
	uint8		bytes[MLOPS_MULTISET_BYTES];
	uint8		hash[32];

	mlops_multiset_bytes(set, bytes);
	hash_bytes(bytes, sizeof(bytes), 32, hash);
	ok(is_hex(hash, 32, hex), name);
}

int
main(void)
{
	uint8		data[513];
	uint8		hash[MLOPS_BLAKE2B_BYTES];
	uint8		bytes[MLOPS_MULTISET_BYTES];
	uint8		other[MLOPS_MULTISET_BYTES];
	MlopsBlake2b state;
	MlopsMultiset set;
	MlopsMultiset part[3];
	bool		same = true;

	/* RFC 7693, appendix A */
	hash_bytes("abc", 3, 64, hash);
	ok(is_hex(hash, 64, "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"),
	   "BLAKE2b-512 of abc");
	hash_bytes("", 0, 32, hash);
	ok(is_hex(hash, 32, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"),
	   "BLAKE2b-256 of nothing");
	for (int i = 0; i < 512; i++)
		data[i] = (uint8) i;
	data[512] = 'x';
	hash_bytes(data, 513, 32, hash);
	ok(is_hex(hash, 32, "52fde97e5b78a95fde3d3f1c39b9cb798927e3568418aef1f5c596eea0b082f0"),
	   "BLAKE2b-256 of 513 bytes");
	for (size_t step = 1; step < 300; step++)
	{
		uint8		again[32];

		mlops_blake2b_init(&state, 32);
		for (size_t i = 0; i < 513; i += step)
			mlops_blake2b_update(&state, data + i, Min(step, 513 - i));
		mlops_blake2b_final(&state, again);
		same = same && memcmp(hash, again, 32) == 0;
	}
	ok(same, "the same in pieces of any size");

	/* sets */
	mlops_multiset_init(&set);
	mlops_multiset_add(&set, "", 0);
	set_is(&set, "d451205b122cd9a5f0c43192313aaa66ad134b26e2056fee7e17a859ff1602f6", "an empty row");
	mlops_multiset_init(&set);
	mlops_multiset_add(&set, "a", 1);
	set_is(&set, "933ccb0b739faa589f3da7a063f591da696d94e00f7fe1f8233e274c79fd647e", "one row");
	mlops_multiset_add(&set, "a", 1);
	mlops_multiset_add(&set, "b", 1);
	set_is(&set, "d17a1b73328d50a5ce0d215201bf84aabc5e50bfc871e29433e0819843fc4463", "rows, one twice");

	/* 1,000 rows in three parts, backwards, combined in another order */
	for (int i = 0; i < 3; i++)
		mlops_multiset_init(&part[i]);
	for (int i = 999; i >= 0; i--)
	{
		uint8		row[4] = {0, 0, (uint8) (i >> 8), (uint8) i};

		mlops_multiset_add(&part[i % 3], row, 4);
	}
	mlops_multiset_combine(&part[2], &part[0]);
	mlops_multiset_combine(&part[2], &part[1]);
	set_is(&part[2], "4644c7d221fcb5af9107a0a29dda4c0b93efb46212f83432cfc12afabcf7d9e9", "1,000 rows, in parts");

	/* 2 ^ 16 copies of a row do not count as none */
	mlops_multiset_init(&set);
	mlops_multiset_add(&set, "a", 1);
	for (int i = 0; i < 16; i++)
	{
		MlopsMultiset copy = set;

		mlops_multiset_combine(&set, &copy);
	}
	set_is(&set, "6056aabdfac69dd47a5f1f3e54ec5722de55acd116ec0df0b35feed6824d57b2", "a row 65,536 times");

	/* the ends of the range */
	memset(bytes, 0xff, sizeof(bytes));
	mlops_multiset_from_bytes(&set, bytes);
	mlops_multiset_bytes(&set, other);
	memset(bytes, 0, sizeof(bytes));
	bytes[0] = (1103717 - 1) & 0xff;
	bytes[1] = (1103717 - 1) >> 8 & 0xff;
	bytes[2] = (1103717 - 1) >> 16;
	ok(memcmp(bytes, other, sizeof(bytes)) == 0, "2^3072 - 1 is gap - 1 modulo p");
	memset(bytes, 0xff, sizeof(bytes));
	mlops_multiset_from_bytes(&part[0], bytes);
	mlops_multiset_from_bytes(&part[1], bytes);
	mlops_multiset_combine(&part[0], &part[1]);
	mlops_multiset_init(&set);
	mlops_multiset_combine(&set, &part[0]);
	mlops_multiset_bytes(&part[0], other);
	{
		uint64		square = (uint64) (1103717 - 1) * (1103717 - 1);

		memset(bytes, 0, sizeof(bytes));
		for (int i = 0; i < 8; i++)
			bytes[i] = (uint8) (square >> (8 * i));
	}
	ok(memcmp(bytes, other, sizeof(bytes)) == 0, "the largest numbers multiply");
	mlops_multiset_bytes(&set, bytes);
	ok(memcmp(bytes, other, sizeof(bytes)) == 0, "the empty set adds nothing");

	printf("1..%d\n", ntests);
	return nfailures > 0;
}
