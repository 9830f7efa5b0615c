/*-------------------------------------------------------------------------
 *
 * golden_test.c
 *	  Golden rows: libxgboost gives them our margins, they are the same however
 *	  a model is read, and no fault of a kernel or a reader gets past them.
 *
 * A fault is simulated by a scorer of this program's own, which has it, and
 * whose margins are then what is expected; and, for one in the kernel itself,
 * by changes of what the kernel reads.
 *
 *-------------------------------------------------------------------------
 */
/* link: -lxgboost */
#include "forest_peer.h"

#include <dirent.h>

#include "golden_rows.h"

#define FIXTURES	"test/fixtures/lightgbm"

/* --- scorers with a fault --- */

typedef enum Fault
{
	FAULT_NONE,
	FAULT_EQUAL,				/* left if x <= threshold */
	FAULT_MISSING_LEFT,			/* a missing value always goes left */
	FAULT_MISSING_RIGHT,
	FAULT_THRESHOLD,			/* every threshold is the next float */
	FAULT_CATEGORY,				/* categories are counted from 1 */
	FAULT_DOUBLE,				/* margins are added up in double */
	FAULT_REVERSE,				/* from the last tree to the first */
	FAULT_LAST_TREE,			/* the last tree is left out */
	FAULT_WEIGHT,				/* no weights of trees */
	FAULT_GROUP,				/* trees add to the group after theirs */
	NUM_FAULTS
} Fault;

static const char *const fault_names[NUM_FAULTS] = {
	"none", "a comparison by <=", "missing values always left", "missing values always right",
	"thresholds one float off", "categories counted from 1", "sums in double", "sums in reverse",
	"the last tree left out", "no weights of trees", "groups one off"
};

static const MlopsNode *
faulty_leaf(const MlopsForest *forest, const MlopsTree *tree, const float *row, Fault fault)
{
	const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes) + tree->first_node;
	const MlopsNode *node = nodes;

	while (node->split != MLOPS_SPLIT_LEAF)
	{
		float		x = row[node->feature];
		bool		left;

		if (isnan(x) && (fault == FAULT_MISSING_LEFT || fault == FAULT_MISSING_RIGHT))
			left = fault == FAULT_MISSING_LEFT;
		else if (!isnan(x) && node->split == MLOPS_SPLIT_NUMERIC && fault == FAULT_EQUAL)
			left = x <= node->u.value;
		else if (!isnan(x) && node->split == MLOPS_SPLIT_NUMERIC && fault == FAULT_THRESHOLD)
			left = x < nextafterf(node->u.value, -INFINITY);
		else if (!isnan(x) && node->split != MLOPS_SPLIT_NUMERIC && fault == FAULT_CATEGORY)
			left = mlops_node_left(forest, node, x + 1);
		else
			left = mlops_node_left(forest, node, x);
		node = nodes + node->left + !left;
	}
	return node;
}

/* margins of all golden rows, as a scorer with a fault has them */
static void
faulty_margins(const Golden *golden, Fault fault, float *margins)
{
	const MlopsForest *forest = golden->forest;
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	const float *base = mlops_part(forest, float, forest->base_margins);

	for (int i = 0; i < MLOPS_GOLDEN_ROWS; i++)
	{
		const float *row = (const float *) golden->rows + (size_t) i * forest->num_features;
		float	   *sums = margins + (size_t) i * forest->num_groups;
		double		wide[8];

		for (int g = 0; g < forest->num_groups; g++)
			wide[g] = sums[g] = forest->base_last ? 0 : base[g];
		for (int k = 0; k < forest->num_trees - (fault == FAULT_LAST_TREE); k++)
		{
			const MlopsTree *tree = &trees[fault == FAULT_REVERSE ? forest->num_trees - 1 - k : k];
			int			group = fault == FAULT_GROUP ? (tree->group + 1) % forest->num_groups : tree->group;
			float		value = mlops_leaf_value(faulty_leaf(forest, tree, row, fault)->u.value,
												 forest->weighted && fault != FAULT_WEIGHT, tree->weight);

			sums[group] += value;
			wide[group] += value;
		}
		for (int g = 0; g < forest->num_groups; g++)
		{
			if (fault == FAULT_DOUBLE)
				sums[g] = (float) wide[g];
			if (forest->base_last)
				sums[g] = base[g] + sums[g];
		}
	}
}

/* could a model show this fault at all? */
static bool
applies(const PeerModel *model, const MlopsForest *forest, Fault fault)
{
	switch (fault)
	{
		case FAULT_CATEGORY:
			return model->categorical > 0;
		case FAULT_WEIGHT:
			return forest->weighted;
		case FAULT_GROUP:
			return forest->num_groups > 1;
		default:
			return true;
	}
}

/* --- libxgboost --- */

/* are the margins of libxgboost those of the row kernel? */
static bool
peer_agrees(const PeerModel *model, const Bytes *file, Golden *golden)
{
	BoosterHandle booster;
	DMatrixHandle matrix;
	const bst_ulong *shape;
	bst_ulong	dim;
	const float *margins;
	bool		same;

	MUST(XGBoosterCreate(NULL, 0, &booster));
	MUST(XGBoosterSetParam(booster, "nthread", "1"));
	MUST(XGBoosterLoadModelFromBuffer(booster, file->data, file->len));
	MUST(XGDMatrixCreateFromMat((const float *) golden->rows, MLOPS_GOLDEN_ROWS, PEER_COLUMNS, NAN, &matrix));
	if (model->categorical > 0)
		peer_types(model, matrix);
	MUST(XGBoosterPredictFromDMatrix(booster, matrix,
									 "{\"type\":1,\"training\":false,\"iteration_begin\":0,"
									 "\"iteration_end\":0,\"strict_shape\":false}",
									 &shape, &dim, &margins));
	same = memcmp(margins, golden->expected, golden->margins_size) == 0 &&
		golden_check(golden, golden->forest, margins);
	MUST(XGDMatrixFree(matrix));
	MUST(XGBoosterFree(booster));
	return same;
}

/* --- tests --- */

/* a copy of a forest at another address */
static MlopsForest *
copy_forest(const MlopsForest *forest)
{
	MlopsForest *copy = malloc(mlops_forest_size(forest));

	memcpy(copy, forest, mlops_forest_size(forest));
	return copy;
}

/* what holds of the rows of any model */
static void
test_rows(const char *name, const MlopsForest *forest, Golden *golden)
{
	MlopsForest *copy = copy_forest(forest);
	Golden		again = golden_make(copy);
	char	   *expected = malloc(golden->margins_size);
	int			distinct = 0;
	int			missing = 0;
	int			found = 0;
	int			bits = 0;
	size_t		row_size = golden->rows_size / MLOPS_GOLDEN_ROWS;

	ok(memcmp(golden->rows, again.rows, golden->rows_size) == 0 &&
	   memcmp(golden->expected, again.expected, golden->margins_size) == 0,
	   "%s: the same rows and margins of a copy", name);
	ok(golden_check(golden, forest, golden->expected), "%s: the margins are equal", name);

	for (int i = 0; i < MLOPS_GOLDEN_ROWS; i++)
	{
		bool		is_new = true;

		for (int k = 0; k < i; k++)
			is_new &= memcmp(golden->rows + row_size * i, golden->rows + row_size * k, row_size) != 0;
		distinct += is_new;
	}
	for (int f = 0; f < forest->num_features; f++)
		missing += forest->wide.used ? isnan(((double *) golden->rows)[f]) : isnan(((float *) golden->rows)[f]);
	ok(distinct > MLOPS_GOLDEN_ROWS / 2 && missing == forest->num_features,
	   "%s: %d different rows, of which the first has no value", name, distinct);

	/* the least change of any margin, in either direction */
	memcpy(expected, golden->expected, golden->margins_size);
	for (int i = 0; i < MLOPS_GOLDEN_ROWS * forest->num_groups; i++)
	{
		for (int bit = 0; bit < 2; bit++)
		{
			char	   *value = expected + golden->value_size * i;

			value[0] ^= (char) (1 << bit);
			bits++;
			found += !golden_check(golden, forest, expected) &&
				golden->difference.row == i / forest->num_groups &&
				golden->difference.group == i % forest->num_groups;
			value[0] ^= (char) (1 << bit);
		}
	}
	ok(found == bits, "%s: each of %d changed bits is found where it is", name, bits);
	free(expected);
	golden_free(&again);
	free(copy);
}

/* thresholds as the kernel has them, one float off */
static bool
kernel_fault_found(Golden *golden)
{
	MlopsForest *copy = copy_forest(golden->forest);
	MlopsWalkNode *nodes = (MlopsWalkNode *) ((char *) copy + copy->walk.nodes);
	bool		found;

	for (int64 i = 0; i < copy->num_nodes; i++)
	{
		if (nodes[i].slot != 0)
			nodes[i].u.key++;
	}
	found = !golden_check(golden, copy, golden->expected);
	free(copy);
	return found;
}

/* one model that libxgboost trains */
static void
test_model(const char *name, PeerModel model)
{
	Bytes		files[2];
	MlopsForest *forests[2];
	MlopsForestError error;
	Golden		golden[2];
	bool		linear = model.booster && strcmp(model.booster, "gblinear") == 0;
	float	   *margins;

	if (!peer_train(&model, &files[0], &files[1]))
	{
		ok(true, "%s # SKIP libxgboost does not train it", name);
		return;
	}
	for (int i = 0; i < 2; i++)
	{
		forests[i] = mlops_forest_read(files[i].data, files[i].len, &host, &error);
		if (forests[i] == NULL)
		{
			fprintf(stderr, "%s: %s\n", name, error.message);
			exit(2);
		}
		golden[i] = golden_make(forests[i]);
	}
	ok(memcmp(golden[0].rows, golden[1].rows, golden[0].rows_size) == 0 &&
	   memcmp(golden[0].expected, golden[1].expected, golden[0].margins_size) == 0,
	   "%s: the same rows of JSON and UBJSON", name);
	ok(peer_agrees(&model, &files[1], &golden[1]), "%s: libxgboost gives them our margins", name);
	test_rows(name, forests[0], &golden[0]);

	margins = malloc(golden[0].margins_size);
	for (Fault fault = FAULT_NONE; fault < NUM_FAULTS && !linear; fault++)
	{
		if (!applies(&model, forests[0], fault))
			continue;
		faulty_margins(&golden[0], fault, margins);
		ok(golden_check(&golden[0], forests[0], margins) == (fault == FAULT_NONE),
		   "%s: fault: %s", name, fault_names[fault]);
	}
	if (!linear)
		ok(kernel_fault_found(&golden[0]), "%s: fault: what the kernel reads is one float off", name);
	free(margins);
	for (int i = 0; i < 2; i++)
	{
		golden_free(&golden[i]);
		host_release(NULL, forests[i]);
		free(files[i].data);
	}
}

/* the models of LightGBM that are kept for tests */
static void
test_lightgbm(void)
{
	DIR		   *dir = opendir(FIXTURES);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
	{
		const char *dot = strchr(entry->d_name, '.');
		size_t		len;
		char		path[512];
		static char bytes[4 * 1024 * 1024];
		FILE	   *file;
		MlopsForest *forest;
		MlopsForestError error;
		Golden		golden;

		/* beside name.txt stand files with rows, scores and the like */
		if (dot == NULL || strcmp(dot, ".txt") != 0)
			continue;
		snprintf(path, sizeof(path), FIXTURES "/%s", entry->d_name);
		file = fopen(path, "r");
		len = file == NULL ? 0 : fread(bytes, 1, sizeof(bytes), file);
		if (file != NULL)
			fclose(file);
		forest = mlops_forest_read(bytes, len, &host, &error);
		if (forest == NULL)
		{
			ok(false, "%s: %s", entry->d_name, error.message);
			continue;
		}
		golden = golden_make(forest);
		test_rows(entry->d_name, forest, &golden);
		golden_free(&golden);
		host_release(NULL, forest);
	}
	if (dir != NULL)
		closedir(dir);
}

/* numbers whose equality is not that of their bits */
static void
test_numbers(void)
{
	PeerModel	model = {.objective = "reg:squarederror",.depth = 2,.trees = 2};
	Bytes		files[2];
	MlopsForestError error;
	MlopsForest *forest;
	Golden		golden;
	float		expected[MLOPS_GOLDEN_ROWS];

	if (!peer_train(&model, &files[0], &files[1]))
		exit(2);
	forest = mlops_forest_read(files[0].data, files[0].len, &host, &error);
	/* every score is the base margin */
	forest->num_trees = 0;
	forest->walk.num_bundles = 0;
	forest->walk.num_walked = 0;
	golden = golden_make(forest);
	*(float *) ((char *) forest + forest->base_margins) = 0.0f;
	for (int i = 0; i < MLOPS_GOLDEN_ROWS; i++)
		expected[i] = 0.0f;
	ok(golden_check(&golden, forest, expected), "0 is 0");
	expected[5] = -0.0f;
	ok(!golden_check(&golden, forest, expected) && golden.difference.row == 5, "0 is not -0");
	*(float *) ((char *) forest + forest->base_margins) = NAN;
	for (int i = 0; i < MLOPS_GOLDEN_ROWS; i++)
		expected[i] = -NAN;
	ok(golden_check(&golden, forest, expected), "what is not a number stays that");
	expected[7] = 1;
	ok(!golden_check(&golden, forest, expected) && golden.difference.row == 7, "and is no number");
	golden_free(&golden);
	host_release(NULL, forest);
	free(files[0].data);
	free(files[1].data);
}

int
main(void)
{
	test_model("gbtree", (PeerModel) {.objective = "binary:logistic",.depth = 6,.trees = 40});
	test_model("exact", (PeerModel) {.objective = "reg:squarederror",.method = "exact",.depth = 5,.trees = 30});
	test_model("by leaves", (PeerModel) {.objective = "reg:squarederror",.trees = 30});
	test_model("parallel trees", (PeerModel) {.objective = "binary:logistic",.depth = 4,.trees = 8,.parallel = 4});
	test_model("dart", (PeerModel) {.objective = "binary:logistic",.booster = "dart",.depth = 5,.trees = 30});
	test_model("gblinear", (PeerModel) {.objective = "reg:squarederror",.booster = "gblinear",.trees = 10});
	test_model("multiclass", (PeerModel) {.objective = "multi:softprob",.depth = 5,.trees = 20,.classes = 4});
	test_model("poisson", (PeerModel) {.objective = "count:poisson",.depth = 5,.trees = 30});
	test_model("categories", (PeerModel) {.objective = "binary:logistic",.depth = 6,.trees = 40,.categorical = 6,.max_onehot = 1});
	test_model("one-hot categories", (PeerModel) {.objective = "binary:logistic",.depth = 6,.trees = 40,.categorical = 6,.max_onehot = 400});
	test_lightgbm();
	test_numbers();
	ok(host_held == 0, "all memory is given back");
	return finish();
}
