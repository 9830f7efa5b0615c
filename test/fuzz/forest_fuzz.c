/*-------------------------------------------------------------------------
 *
 * forest_fuzz.c
 *	  Any bytes as a model file: the reader must not read or write where it may
 *	  not, nor take long, nor take much memory, nor keep any; and what it
 *	  accepts must score within bounds, the same by the kernel as by the plain
 *	  walk, and the same by the batch kernels.
 *
 * LLVMFuzzerTestOneInput() is for libFuzzer:
 *		clang -fsanitize=fuzzer,address,undefined -DWITH_LIBFUZZER ...
 * Without it the program changes small models, in both formats, a fixed number
 * of times in a fixed order: forest_fuzz [runs [seed]].
 *
 *-------------------------------------------------------------------------
 */
#include "../unit/forest_test.h"
#include "../unit/forest_batch_check.h"

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

#define ALLOWED(size)	(1000000 + 12 * (size))

static long accepted;

/* complain and die, so that a fuzzer keeps the input */
#define MUST(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: " #condition "\n", __FILE__, __LINE__); \
			abort(); \
		} \
	} while (0)

#define NUM_ROWS	8

/* score a few rows, once more by the plain walk, and once more together */
static void
score(MlopsForest *forest)
{
	static const float values[] = {0, 1, -1, 2, 3, 5, 0.5f, 31, 32, 300, 1e30f, -1e30f, 16777216.0f};
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	const float *base = mlops_part(forest, float, forest->base_margins);
	float	   *rows = malloc(NUM_ROWS * forest->num_features * sizeof(float));
	float	   *margins = malloc(forest->num_groups * sizeof(float));
	float	   *plain = malloc(forest->num_groups * sizeof(float));
	void	   *scratch = malloc(mlops_forest_scratch_size(forest));
	MlopsSimd	simd = accepted % MLOPS_NUM_SIMD;

	for (int i = 0; i < NUM_ROWS; i++)
	{
		float	   *row = rows + (size_t) i * forest->num_features;

		for (int k = 0; k < forest->num_features; k++)
		{
			uint32		pick = (uint32) (i * 2654435761u + k * 40503u) >> 4;

			row[k] = i == 0 ? NAN : pick % 5 == 0 ? (pick & 64 ? INFINITY : -INFINITY) :
				pick % 7 == 0 ? NAN : values[pick % lengthof(values)];
		}
		mlops_forest_margin(forest, row, scratch, margins);
		if (forest->booster != MLOPS_BOOSTER_LINEAR)
		{
			for (int g = 0; g < forest->num_groups; g++)
				plain[g] = forest->base_last ? 0 : base[g];
			for (int t = 0; t < forest->num_trees; t++)
				plain[trees[t].group] +=
					mlops_leaf_value(mlops_tree_leaf(forest, &trees[t], row)->u.value,
									 forest->weighted, trees[t].weight);
			for (int g = 0; g < forest->num_groups && forest->base_last; g++)
				plain[g] = base[g] + plain[g];
			MUST(memcmp(plain, margins, forest->num_groups * sizeof(float)) == 0);
		}
		mlops_forest_transform(forest, margins, margins);
	}
	MUST(check_batch_briefly(forest, rows, NUM_ROWS, simd));
	free(rows);
	free(margins);
	free(plain);
	free(scratch);
}

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
		score(forest);
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

#define NUM_SEEDS	10

static Bytes seeds[NUM_SEEDS];

/* small models of several kinds, in both formats */
static void
make_seeds(void)
{
	for (int i = 0; i < NUM_SEEDS; i++)
	{
		Item	   *root;
		Item	   *booster;

		switch (i / 2)
		{
			case 0:
				root = small_model();
				break;
			case 1:
				root = small_model();
				add_categories(find(root, "trees/0", NULL, NULL), 0, (int[]) {0, 2, 3}, 3);
				add_categories(find(root, "trees/0", NULL, NULL), 2, (int[]) {7}, 1);
				append_item(find(root, "learner/feature_names", NULL, NULL), text_item("a"));
				append_item(find(root, "learner/feature_names", NULL, NULL), text_item("b\"c"));
				break;
			case 2:
				root = new_model(3, "multi:softprob", "5E-1");
				set_number(root, "learner/learner_model_param/num_class", 3);
				for (int t = 0; t < 9; t++)
				{
					Item	   *tree = new_tree(root, t % 3);

					add_leaf(tree, -1, t);
					split_leaf(tree, 0, t % 3, t - 4, t % 2, 1, 2);
				}
				break;
			case 3:
				root = small_model();
				booster = put(find(root, "learner/gradient_booster/model", NULL, NULL), "weight_drop",
							  new_item(ITEM_FLOATS));
				add_number(booster, 0.5);
				set_number(root, "version/0", 3);
				booster = put(find(root, "learner/gradient_booster/model", NULL, NULL), "cats", new_item(ITEM_OBJECT));
				booster = append_item(put(booster, "enc", new_item(ITEM_ARRAY)), new_item(ITEM_OBJECT));
				put(booster, "type", number_item(ITEM_INT, 13));
				add_number(put(booster, "values", new_item(ITEM_INTS)), 77);
				break;
			default:
				root = new_model(2, "reg:squarederror", "5E-1");
				replace(root, "learner/gradient_booster/name", text_item("gblinear"));
				booster = find(root, "learner/gradient_booster/model", NULL, NULL);
				while (booster->count > 0)
					free_item(booster->items[--booster->count]);
				booster = put(booster, "weights", new_item(ITEM_FLOATS));
				for (int k = 0; k < 3; k++)
					add_number(booster, k);
		}
		seeds[i] = written(root, i % 2);
		free_item(root);
	}
}

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
			other = &seeds[below(NUM_SEEDS)];
			from = next_random() % other->len;
			len = below(200);
			len = Min(Min(len, other->len - from), bytes->len - at);
			memcpy(bytes->data + at, other->data + from, len);
	}
}

int
main(int argc, char **argv)
{
	long		runs = argc > 1 ? atol(argv[1]) : 500000;

	if (argc > 2)
		random_state = strtoull(argv[2], NULL, 10);
	make_seeds();
	for (int i = 0; i < NUM_SEEDS; i++)
		LLVMFuzzerTestOneInput((const uint8 *) seeds[i].data, seeds[i].len);
	if (accepted != NUM_SEEDS)
	{
		fprintf(stderr, "only %ld of %d models were accepted unchanged\n", accepted, NUM_SEEDS);
		return 1;
	}
	for (long run = 0; run < runs; run++)
	{
		const Bytes *seed = &seeds[below(NUM_SEEDS)];
		Bytes		bytes = {0};
		uint8	   *exact;

		add_bytes(&bytes, seed->data, seed->len);
		for (int i = below(3); i >= 0; i--)
			change(&bytes);
		exact = malloc(Max(bytes.len, 1));
		memcpy(exact, bytes.data, bytes.len);
		LLVMFuzzerTestOneInput(exact, bytes.len);
		free(exact);
		free(bytes.data);
	}
	printf("%ld changed models, %ld of them accepted\n", runs, accepted - NUM_SEEDS);
	for (int i = 0; i < NUM_SEEDS; i++)
		free(seeds[i].data);
	return 0;
}

#endif							/* WITH_LIBFUZZER */
