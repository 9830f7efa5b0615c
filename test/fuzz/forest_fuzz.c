/*-------------------------------------------------------------------------
 *
 * forest_fuzz.c
 *	  Any bytes as a model file of XGBoost: the reader must not read or write
 *	  where it may not, nor take long, nor take much memory, nor keep any; and
 *	  what it accepts must score within bounds, the same one row at a time, by
 *	  the plain walk, in batches and after an export as JSON, and have
 *	  contributions that add up and golden rows that hold.
 *
 * LLVMFuzzerTestOneInput() is for libFuzzer:
 *		clang -fsanitize=fuzzer,address,undefined -DWITH_LIBFUZZER ...
 * Without it the program changes small models of every kind, in both formats:
 * their bytes, and the documents before they are written, so that the lengths
 * of UBJSON fit; see fuzz.h for its arguments.
 *
 *-------------------------------------------------------------------------
 */
#include "../unit/forest_check.h"
#include "../unit/golden_rows.h"
#include "fuzz.h"

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

/* bytes that the engine may hold while it reads a file of this size */
#define ALLOWED(size)	(1000000 + 12 * (size))

static long accepted;

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	MlopsForestError error;
	MlopsForest *forest;

	host_peak = 0;
	forest = mlops_forest_read(data, size, &host, &error);
	MUST(host_peak <= ALLOWED(size));
	MUST((forest != NULL) == (error.code == MLOPS_FOREST_OK));
	if (forest != NULL)
	{
		MlopsForestInfo info;

		accepted++;
		MUST(mlops_forest_valid(forest, mlops_forest_size(forest)));
		mlops_forest_info(forest, &info);
		for (int i = 0; i < info.num_features; i++)
		{
			const char *name = mlops_forest_feature_name(forest, i);

			MUST((name != NULL) == info.has_feature_names);
			for (int k = 0; k < mlops_forest_num_categories(forest, i); k++)
				MUST(mlops_forest_category(forest, i, k) != NULL);
		}
		MUST_BE_RIGHT(check_forest(forest));
		MUST(golden_holds(forest));
		if (info.format == MLOPS_FORMAT_XGBOOST_UBJSON)
			MUST_BE_RIGHT(check_export(forest, data, size));
		host_release(NULL, forest);
	}
	else
	{
		MUST(error.message[0] != '\0');
		MUST(error.offset <= size);
	}
	MUST(host_held == 0);
	return 0;
}

#ifndef WITH_LIBFUZZER

#define RUNS	80000

static Item *samples[NUM_SAMPLES];
static Bytes seeds[2 * NUM_SAMPLES];	/* the same as JSON and as UBJSON */

/* --- changes of a document --- */

typedef struct Place
{
	Item	   *parent;
	int			index;
} Place;

#define MAX_PLACES	2000

static Place places[MAX_PLACES];
static int	num_places;

static void
collect(Item *item)
{
	for (int i = 0; i < item->count && num_places < MAX_PLACES; i++)
	{
		places[num_places++] = (Place) {item, i};
		collect(item->items[i]);
	}
}

/* a place of a document, chosen at random; it has one */
static Place
choose_place(Item *root)
{
	num_places = 0;
	collect(root);
	return places[below(num_places)];
}

/* put an item in a place; what was there is freed */
static void
put_in_place(Place place, Item *item)
{
	Item	   *old = place.parent->items[place.index];

	memcpy(item->key, old->key, sizeof(item->key));
	place.parent->items[place.index] = item;
	free_item(old);
}

static double
any_number(void)
{
	static const double edges[] = {
		-9.2e18, -4294967297.0, -2147483649.0, -2147483648.0, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 31, 32, 63, 64, 65,
		255, 256, 65535, 65536, 16777215, 16777216, 2147483647, 2147483648.0, 4294967295.0, 4294967296.0, 9.2e18
	};

	return edges[below(lengthof(edges))];
}

static double
any_float(void)
{
	static const double edges[] = {
		0, 1, -1, 0.5, 1e-45, -1e-45, 1e-38, 3.4028235e38, -3.4028235e38, 1e30, 16777216, 1.0000001
	};

	switch (below(8))
	{
		case 0:
			return NAN;
		case 1:
			return below(2) ? INFINITY : -INFINITY;
		case 2:
		case 3:
			return edges[below(lengthof(edges))];
		default:
			return ldexp(normal(), below(20) - 10);
	}
}

/*
 * A number that may well be right in its place: so the model is another one,
 * and often is accepted.
 */
static double
likely_number(const char *key, double old)
{
	if (strcmp(key, "default_left") == 0 || strcmp(key, "split_type") == 0)
		return below(2);
	if (strcmp(key, "split_indices") == 0 || strcmp(key, "tree_info") == 0)
		return below(3);
	if (strcmp(key, "categories") == 0)
		return below(4) ? below(70) : below(16777216);
	return below(2) ? old + below(3) - 1 : below(8);
}

/* numbers that come as strings, and words */
static Item *
any_text(void)
{
	static const char *const words[] = {
		"", "0", "1", "2", "3", "-1", "1E39", "NaN", "[5E-1]", "[1E-1,2E-1]", "1000000", "18446744073709551616",
		"gbtree", "dart", "gblinear", "binary:logistic", "binary:hinge", "binary:logitraw", "reg:squarederror",
		"reg:gamma", "reg:expectileerror", "reg:quantileerror", "multi:softmax", "multi:softprob", "rank:ndcg",
		"survival:aft", "c", "q", "best_iteration", "\xc3\xb6", "a\nb", "\"", "\\"
	};

	return text_item(words[below(lengthof(words))]);
}

/* a change somewhere in a document */
static void
change_document(Item *root)
{
	Place		place = choose_place(root);
	Item	   *item = place.parent->items[place.index];
	Item	   *other;
	int			count;

	switch (below(12))
	{
		case 0:
		case 1:
		case 2:
		case 3:
			/* another number, or text */
			if (item->kind == ITEM_FLOAT)
				item->number = any_float();
			else if (item->kind == ITEM_INT)
				item->number = below(3) ? likely_number(place.parent->key, item->number) : any_number();
			else if (item->kind == ITEM_STRING)
				put_in_place(place, any_text());
			else if (item->count > 0)
			{
				/* all numbers of an array */
				for (int i = 0; i < item->count; i++)
				{
					if (item->items[i]->kind == ITEM_FLOAT)
						item->items[i]->number = any_float();
					else if (item->items[i]->kind == ITEM_INT && below(2))
						item->items[i]->number = likely_number(item->key, item->items[i]->number);
				}
			}
			break;
		case 4:
			/* it goes */
			memmove(&place.parent->items[place.index], &place.parent->items[place.index + 1],
					(place.parent->count - place.index - 1) * sizeof(Item *));
			place.parent->count--;
			free_item(item);
			break;
		case 5:
			/* it comes twice */
			append_item(place.parent, copy_item(item));
			break;
		case 6:
			/* it changes places with its neighbour */
			other = place.parent->items[(place.index + 1) % place.parent->count];
			place.parent->items[(place.index + 1) % place.parent->count] = item;
			place.parent->items[place.index] = other;
			break;
		case 7:
			/* an array of another length */
			count = item->count;
			if (item->kind == ITEM_OBJECT || count == 0)
				break;
			while (item->count > 0 && below(3) == 0)
				free_item(item->items[--item->count]);
			while (item->count > 0 && item->count < 3 * count && below(4))
				append_item(item, copy_item(item->items[below(item->count)]));
			break;
		case 8:
			/* something else of this model */
			other = copy_item(item);
			place = choose_place(root);
			put_in_place(place, other);
			break;
		case 9:
		case 10:
			/* something of another model; where that has it, too, if it can be */
			root = samples[below(NUM_SAMPLES)];
			num_places = 0;
			collect(root);
			other = NULL;
			for (int tries = 0; tries < 50 && (other == NULL || strcmp(other->key, item->key) != 0); tries++)
			{
				Place		from = places[below(num_places)];

				other = from.parent->items[from.index];
			}
			put_in_place(place, copy_item(other));
			break;
		default:
			/* a value of another type */
			switch (below(4))
			{
				case 0:
					other = RAW("null", "Z");
					break;
				case 1:
					other = RAW("true", "T");
					break;
				case 2:
					other = below(2) ? RAW("[]", "[#U\0") : RAW("{}", "{}");
					break;
				default:
					other = below(2) ? any_text() : number_item(below(2) ? ITEM_INT : ITEM_FLOAT, any_number());
			}
			put_in_place(place, other);
	}
}

/* --- changes of bytes --- */

/* change the bytes at random */
static void
change(Bytes *bytes)
{
	static const char *const words[] = {
		"-1", "0", "1", "2", "3", "99999", "2147483647", "-2147483648", "4294967295", "1e39", "NaN", "null",
		"true", "[]", "{}", "\"\"", "[[[[[[[[", "{\"a\":", ",", "\"", "\\u0000", "0.1", "-Infinity", "1E-45",
		"\xff\xff\xff\xff", "\x7f\xff\xff\xff", "$", "#", "L", "[$d#", "[$U#", "S", "T", "Z", "{", "}", "i", "U"
	};
	size_t		at = bytes->len > 0 ? next_random() % bytes->len : 0;
	size_t		len = 1 + below(16);
	const char *word;
	const Bytes *other;
	size_t		from;

	switch (below(8))
	{
		case 0:
		case 1:
			if (bytes->len > 0)
				bytes->data[at] ^= 1 << below(8);
			break;
		case 2:
			if (bytes->len > 0)
				bytes->data[at] = (char) next_random();
			break;
		case 3:
			/* another digit where there is one */
			for (size_t i = 0; i < 200 && at + i < bytes->len; i++)
			{
				if (bytes->data[at + i] >= '0' && bytes->data[at + i] <= '9')
				{
					bytes->data[at + i] = '0' + below(10);
					break;
				}
			}
			break;
		case 4:
			/* some bytes go */
			len = Min(len, bytes->len - at);
			memmove(bytes->data + at, bytes->data + at + len, bytes->len - at - len);
			bytes->len -= len;
			break;
		case 5:
			/* a word over what is there */
			word = words[below(lengthof(words))];
			len = Min(strlen(word), bytes->len - at);
			memcpy(bytes->data + at, word, len);
			break;
		case 6:
			/* a word more */
			word = words[below(lengthof(words))];
			len = strlen(word);
			add_bytes(bytes, word, len);
			memmove(bytes->data + at + len, bytes->data + at, bytes->len - at - len);
			memcpy(bytes->data + at, word, len);
			break;
		default:
			/* a piece of another model */
			other = &seeds[below(2 * NUM_SAMPLES)];
			from = next_random() % other->len;
			len = below(200);
			len = Min(Min(len, other->len - from), bytes->len - at);
			memcpy(bytes->data + at, other->data + from, len);
	}
}

/* a changed model */
static Bytes
make_input(void)
{
	int			number = below(NUM_SAMPLES);
	bool		document = below(3) > 0;
	Bytes		bytes = {0};

	if (document)
	{
		Item	   *root = copy_item(samples[number]);

		for (int i = below(4); i >= 0 && root->count > 0; i--)
			change_document(root);
		bytes = written(root, below(2));
		free_item(root);
	}
	else
	{
		const Bytes *seed = &seeds[2 * number + below(2)];

		add_bytes(&bytes, seed->data, seed->len);
	}
	for (int i = document ? below(16) - 14 : below(3); i >= 0; i--)
		change(&bytes);
	return bytes;
}

int
main(int argc, char **argv)
{
	for (int i = 0; i < NUM_SAMPLES; i++)
	{
		samples[i] = sample_model(i);
		for (int binary = 0; binary <= 1; binary++)
		{
			Bytes	   *seed = &seeds[2 * i + binary];

			*seed = written(samples[i], binary);
			LLVMFuzzerTestOneInput((const uint8 *) seed->data, seed->len);
			if (accepted != 2 * i + binary + 1)
			{
				fprintf(stderr, "sample %d is not accepted unchanged\n", i);
				return 1;
			}
		}
	}
	fuzz_init("forest_fuzz", RUNS, argc, argv);
	while (fuzz_next())
	{
		Bytes		bytes = make_input();
		uint8	   *exact = malloc(Max(bytes.len, 1));

		/* memory of just this size, so that a read beyond it is seen */
		memcpy(exact, bytes.data, bytes.len);
		fuzz.input = exact;
		fuzz.len = bytes.len;
		LLVMFuzzerTestOneInput(exact, bytes.len);
		fuzz.input = NULL;
		free(exact);
		free(bytes.data);
	}
	printf("forest_fuzz: %ld runs of seed " UINT64_FORMAT ", %ld models accepted, %ld rows with contributions, %ld exports\n",
		   fuzz_runs(), fuzz.seed, accepted - 2 * NUM_SAMPLES, checked_contributions, checked_exports);
	for (int i = 0; i < NUM_SAMPLES; i++)
	{
		free_item(samples[i]);
		free(seeds[2 * i].data);
		free(seeds[2 * i + 1].data);
	}
	return accepted > 2 * NUM_SAMPLES && checked_contributions > 0 ? 0 : 1;
}

#endif							/* WITH_LIBFUZZER */
