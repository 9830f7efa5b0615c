/*-------------------------------------------------------------------------
 *
 * forest_fuzz.c
 *	  Model files that nobody meant to write: reader, validator and kernel.
 *
 * Whatever the bytes are, reading them ends with a forest or a reason, gives
 * back all memory, and takes no more of it than a multiple of the file; and a
 * forest that is accepted scores as its own nodes say, by the plain walk.
 *
 * Without arguments: a fixed number of runs from a fixed seed, on mutated
 * model files in both formats; RUNS in the environment asks for another
 * number, arguments are files to try.  With -DFUZZER it is a target of
 * libFuzzer.  Exits with 1, or by a sanitizer, if a promise is broken.
 *
 *-------------------------------------------------------------------------
 */
#include "../unit/forest_test.h"

#include "forest/forest_internal.h"

/* most memory that reading may take, per byte of the file, and always */
#define MEMORY_PER_BYTE		200
#define MEMORY_ALWAYS		(1024 * 1024)

#define DEFAULT_RUNS		100000
#define MAX_MUTATIONS		6

int			LLVMFuzzerTestOneInput(const uint8 *bytes, size_t len);

/* end the program if a promise is broken */
static void
promise(bool kept, const char *what)
{
	if (!kept)
	{
		fprintf(stderr, "broken: %s\n", what);
		abort();
	}
}

/*
 * The margins of a row by the definition of the model: every tree from its
 * root to a leaf, the leaves added in order.
 */
static void
plain_margins(const MlopsForest *forest, const float *row, float *margins)
{
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	const float *base = mlops_part(forest, float, forest->base_margins);

	for (int g = 0; g < forest->num_groups; g++)
		margins[g] = forest->base_last ? 0.0f : base[g];
	for (int t = 0; t < forest->num_trees; t++)
		margins[trees[t].group] +=
			mlops_leaf_value(mlops_tree_leaf(forest, &trees[t], row)->u.value,
							 forest->weighted, trees[t].weight);
	for (int g = 0; forest->base_last && g < forest->num_groups; g++)
		margins[g] = base[g] + margins[g];
}

/*
 * Score some rows of an accepted forest in both ways.
 */
static void
score(const MlopsForest *forest)
{
	int			num_features = forest->num_features;
	float	   *row = malloc(Max(num_features, 1) * sizeof(float));
	float	   *margins = malloc(forest->num_groups * sizeof(float));
	float	   *expected = malloc(forest->num_groups * sizeof(float));
	float	   *outputs = malloc(Max(forest->num_groups, forest->num_outputs) * sizeof(float));
	void	   *scratch = malloc(mlops_forest_scratch_size(forest));

	for (int i = 0; i < 8; i++)
	{
		for (int k = 0; k < num_features; k++)
			row[k] = below(5) == 0 ? NAN : below(9) == 0 ? (float) below(70) :
				below(20) == 0 ? -INFINITY : below(20) == 0 ? INFINITY : (float) normal();
		mlops_forest_margin(forest, row, scratch, margins);
		if (forest->booster != MLOPS_BOOSTER_LINEAR)
		{
			plain_margins(forest, row, expected);
			for (int g = 0; g < forest->num_groups; g++)
				promise(memcmp(&margins[g], &expected[g], sizeof(float)) == 0 ||
						(isnan(margins[g]) && isnan(expected[g])),
						"the kernel gives what the nodes say");
		}
		mlops_forest_transform(forest, margins, outputs);
	}
	free(row);
	free(margins);
	free(expected);
	free(outputs);
	free(scratch);
}

int
LLVMFuzzerTestOneInput(const uint8 *bytes, size_t len)
{
	char	   *exact = malloc(Max(len, 1));
	MlopsForestError error;
	MlopsForest *forest;

	/* no byte more than the file, so that a read beyond it is seen */
	memcpy(exact, bytes, len);
	host_held = host_peak = 0;
	memset(&error, 0, sizeof(error));
	forest = mlops_forest_read(exact, len, &host, &error);
	promise(host_peak <= MEMORY_ALWAYS + len * MEMORY_PER_BYTE, "memory is bounded by the file");
	if (forest != NULL)
	{
		promise(mlops_forest_valid(forest, mlops_forest_size(forest)), "a forest is valid");
		score(forest);
		host_release(NULL, forest);
	}
	else
		promise(error.code != MLOPS_FOREST_OK && error.message[0] != '\0' && error.offset <= len,
				"a refusal has a reason and a place");
	promise(host_held == 0, "all memory is given back");
	free(exact);
	return 0;
}

#ifndef FUZZER

/*
 * A model with some of everything: several classes, deep and flat trees,
 * categorical splits.
 */
static Item *
rich_model(void)
{
	Item	   *root = new_model(6, "multi:softprob", "5E-1");

	set_number(root, "learner/learner_model_param/num_class", 0);
	replace(root, "learner/learner_model_param/num_class", parameter(3));
	for (int t = 0; t < 6; t++)
	{
		Item	   *tree = new_tree(root, t % 3);
		int			node = add_leaf(tree, -1, normal());

		for (int depth = 0; depth <= t; depth++)
		{
			int			left = split_leaf(tree, node, below(6), normal(), below(2) == 0, normal(), normal());

			if (t == 4 && depth == 2)
			{
				const int	codes[] = {1, 5, 40};

				add_categories(tree, node, codes, lengthof(codes));
			}
			node = left + below(2);
		}
	}
	return root;
}

/* replace, insert, remove or copy some bytes, or put a telling number in */
static void
mutate(Bytes *bytes)
{
	static const char *const numbers[] = {
		"-1", "0", "1", "2147483647", "-2147483648", "4294967296", "1e39", "-0", "NaN",
		"Infinity", "1e-46", "\"\"", "[]", "{}", "null", "true"
	};
	size_t		at = bytes->len > 0 ? next_random() % bytes->len : 0;
	size_t		n = 1 + below(8);

	switch (below(8))
	{
		case 6:
		case 7:
			/* a digit becomes another: often still a model */
			while (at < bytes->len && !(bytes->data[at] >= '0' && bytes->data[at] <= '9'))
				at++;
			if (at < bytes->len)
				bytes->data[at] = (char) ('0' + below(10));
			break;
		case 0:
			if (bytes->len > 0)
				bytes->data[at] ^= 1 << below(8);
			break;
		case 1:
			if (bytes->len > 0)
				bytes->data[at] = (char) below(256);
			break;
		case 2:
			n = Min(n, bytes->len - at);
			memmove(bytes->data + at, bytes->data + at + n, bytes->len - at - n);
			bytes->len -= n;
			break;
		case 3:
			{
				Bytes		copy = {0};

				n = Min(n * 8, bytes->len - at);
				add_bytes(&copy, bytes->data, at + n);
				add_bytes(&copy, bytes->data + at, bytes->len - at);
				free(bytes->data);
				*bytes = copy;
				break;
			}
		case 4:
			{
				/* a number of the file becomes another */
				const char *number = numbers[below(lengthof(numbers))];
				Bytes		copy = {0};
				size_t		end;

				while (at < bytes->len && strchr("0123456789", bytes->data[at]) == NULL)
					at++;
				for (end = at; end < bytes->len && strchr("0123456789.eE+-", bytes->data[end]) != NULL;)
					end++;
				add_bytes(&copy, bytes->data, at);
				add_bytes(&copy, number, strlen(number));
				add_bytes(&copy, bytes->data + end, bytes->len - end);
				free(bytes->data);
				*bytes = copy;
				break;
			}
		default:
			/* eight bytes as a length that UBJSON would read */
			for (size_t i = at; i < Min(at + 8, bytes->len); i++)
				bytes->data[i] = below(3) == 0 ? (char) below(256) : below(2) == 0 ? 0 : (char) 0xff;
			break;
	}
}

/* a file's bytes */
static Bytes
read_file(const char *name)
{
	Bytes		bytes = {0};
	char		buffer[4096];
	size_t		n;
	FILE	   *file = fopen(name, "rb");

	if (file == NULL)
	{
		perror(name);
		exit(1);
	}
	while ((n = fread(buffer, 1, sizeof(buffer), file)) > 0)
		add_bytes(&bytes, buffer, n);
	fclose(file);
	return bytes;
}

int
main(int argc, char **argv)
{
	const char *asked = getenv("RUNS");
	long		runs = asked != NULL ? atol(asked) : DEFAULT_RUNS;
	long		accepted = 0;
	Item	   *models[2];

	for (int i = 1; i < argc; i++)
	{
		Bytes		bytes = read_file(argv[i]);

		LLVMFuzzerTestOneInput((uint8 *) bytes.data, bytes.len);
		free(bytes.data);
	}
	if (argc > 1)
		return 0;

	models[0] = small_model();
	models[1] = rich_model();
	for (long run = 0; run < runs; run++)
	{
		Bytes		bytes = written(models[below(2)], below(2) == 0);
		int			mutations = run < 4 ? 0 : below(2) == 0 ? 1 : 1 + below(MAX_MUTATIONS);
		MlopsForestError error;
		MlopsForest *forest;

		for (int i = 0; i < mutations; i++)
			mutate(&bytes);
		LLVMFuzzerTestOneInput((uint8 *) bytes.data, bytes.len);

		forest = mlops_forest_read(bytes.data, bytes.len, &host, &error);
		if (forest != NULL)
		{
			accepted++;
			host_release(NULL, forest);
		}
		promise(mutations > 0 || forest != NULL, "a file that nobody changed is accepted");
		free(bytes.data);
	}
	printf("%ld files, %ld of them accepted\n", runs, accepted);
	promise(accepted > runs / 100 && accepted < runs, "some files are accepted and some are not");
	free_item(models[0]);
	free_item(models[1]);
	return 0;
}

#endif							/* FUZZER */
