/*-------------------------------------------------------------------------
 *
 * forest_memory.c
 *	  What a read asks of its host: memory that may not be there, bounded by
 *	  the size of the file, all given back; and chances to cancel.
 *
 *-------------------------------------------------------------------------
 */
#include <setjmp.h>

#include "forest_test.h"

/* a model of some size: every kind of thing in it */
static Item *
big_model(int trees, int nodes)
{
	Item	   *root = new_model(50, "reg:squarederror", "0");

	for (int t = 0; t < trees; t++)
	{
		Item	   *tree = new_tree(root, 0);
		int			made = 1;

		add_leaf(tree, -1, 0);
		for (int i = 0; made < nodes; i++, made += 2)
		{
			split_leaf(tree, i, below(50), uniform(), below(2), uniform(), uniform());
			if (i % 3 == 0)
				add_categories(tree, i, (int[]) {0, 1 + below(5), 40, 300 + below(9000)}, 4);
		}
	}
	return root;
}

/* every single allocation fails in turn */
static void
test_no_memory(void)
{
	for (int binary = 0; binary <= 1; binary++)
	{
		Item	   *root = big_model(3, 15);
		Bytes		file = written(root, binary);
		MlopsForestError error;
		MlopsForest *forest;
		long		calls;
		int			wrong = 0;

		host_calls = 0;
		forest = mlops_forest_read(file.data, file.len, &host, &error);
		calls = host_calls;
		host_release(NULL, forest);
		for (host_fail_at = 0; host_fail_at < calls; host_fail_at++)
		{
			host_calls = 0;
			forest = mlops_forest_read(file.data, file.len, &host, &error);
			wrong += forest != NULL || error.code != MLOPS_FOREST_NO_MEMORY || host_held != 0 ||
				error.message[0] == '\0';
		}
		host_fail_at = -1;
		ok(calls > 20 && wrong == 0, "each of %ld allocations fails in turn: %d wrong", calls, wrong);
		free(file.data);
		free_item(root);
	}
}

/* memory is bounded by the size of the file, also of files made to take much */
static void
test_bounds(void)
{
	for (int kind = 0; kind < 6; kind++)
	{
		static const char *const names[] = {"trees", "trees in UBJSON", "short numbers", "sparse categories",
		"many keys", "many names"};
		Bytes		file = {0};
		Item	   *root = NULL;
		MlopsForestError error;
		MlopsForest *forest;
		double		ratio;

		if (kind <= 1)
		{
			root = big_model(20, 1023);
			file = written(root, kind == 1);
		}
		else if (kind == 2)
		{
			/* two bytes of JSON for four of a number */
			add_text(&file, "{\"learner\":{\"gradient_booster\":{\"model\":{\"trees\":[{\"base_weights\":[0");
			for (int i = 0; i < 1000000; i++)
				add_text(&file, ",0");
			add_text(&file, "]}]}}}}");
		}
		else if (kind == 3)
		{
			/* each node has a category that a bit set would need 2 MB for */
			root = new_model(2000, "reg:squarederror", "0");
			for (int t = 0; t < 2000; t++)
			{
				Item	   *tree = new_tree(root, 0);

				add_leaf(tree, -1, 0);
				split_leaf(tree, 0, t, 0, false, 1, 2);
				add_categories(tree, 0, (int[]) {0, 16777215 - t}, t % 2 + 1);
				if (t % 2 == 0)
					set_number(tree, "categories/0", 60000 + t);
			}
			file = written(root, true);
		}
		else if (kind == 4)
		{
			add_text(&file, "{\"learner\":{\"attributes\":{\"a\":\"\"");
			for (int i = 0; i < 300000; i++)
				add_text(&file, ",\"k%x\":\"\"", i);
			add_text(&file, "}}}");
		}
		else
		{
			add_text(&file, "{\"learner\":{\"feature_names\":[\"\"");
			for (int i = 0; i < 1000000; i++)
				add_text(&file, ",\"\"");
			add_text(&file, "]}}");
		}
		host_peak = 0;
		forest = mlops_forest_read(file.data, file.len, &host, &error);
		ratio = (double) host_peak / file.len;
		ok(ratio < 6 && (forest == NULL) == (kind == 2 || kind >= 4), "%s: %.1f MB took %.1f times as much at most%s%s",
		   names[kind], file.len / 1e6, ratio, forest ? "" : ": ", forest ? "" : error.message);
		if (forest != NULL)
			host_release(NULL, forest);
		ok(host_held == 0, "%s: all given back", names[kind]);
		free(file.data);
		free_item(root);
	}
}

/* a host that leaves in the middle, and then drops what the engine held */
static jmp_buf cancelled;
static long checks_left;
static void *chunks[10000];
static int	num_chunks;

static void *
context_alloc(void *arg, size_t size)
{
	return chunks[num_chunks++] = malloc(size);
}

static void
context_release(void *arg, void *chunk)
{
	for (int i = 0; i < num_chunks; i++)
	{
		if (chunks[i] == chunk)
			chunks[i] = NULL;
	}
	free(chunk);
}

static void
cancel_check(void *arg)
{
	if (checks_left-- == 0)
		longjmp(cancelled, 1);
}

static void
test_cancel(void)
{
	Item	   *root = big_model(5, 255);
	Bytes		file = written(root, false);
	MlopsForestEnv leaving = {context_alloc, context_release, cancel_check, NULL};
	MlopsForestError error;
	MlopsForest *forest;

	host_checks = 0;
	forest = mlops_forest_read(file.data, file.len, &host, &error);
	ok(host_checks > 50, "the host is asked %ld times in a file of %zu bytes", host_checks, file.len);
	host_release(NULL, forest);

	checks_left = 30;
	if (setjmp(cancelled) == 0)
	{
		forest = mlops_forest_read(file.data, file.len, &leaving, &error);
		ok(false, "a host may leave");
	}
	else
	{
		ok(num_chunks > 0, "a host may leave");
		while (num_chunks > 0)
			free(chunks[--num_chunks]);
	}

	/* one that does not care to be asked */
	leaving.check = NULL;
	forest = mlops_forest_read(file.data, file.len, &leaving, &error);
	ok(forest != NULL, "a host need not be asked");
	free(forest);
	free(file.data);
	free_item(root);
}

/* more bytes than a model may have */
static void
test_size(void)
{
	size_t		len = (size_t) 256 * 1024 * 1024 + 1;
	char	   *bytes = calloc(1, len);
	MlopsForestError error;

	memcpy(bytes, "{\"", 2);
	ok(mlops_forest_read(bytes, len, &host, &error) == NULL && error.code == MLOPS_FOREST_LIMIT,
	   "a file of more than 256 MB");
	free(bytes);
}

int
main(void)
{
	test_no_memory();
	test_bounds();
	test_size();
	test_cancel();
	return finish();
}
