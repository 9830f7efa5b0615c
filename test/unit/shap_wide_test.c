/*-------------------------------------------------------------------------
 *
 * shap_wide_test.c
 *	  Contributions and importances of models of LightGBM: against those that
 *	  the library itself gave, against their definition where it is not exact
 *	  any more, and of files whose counts and gains are hostile.
 *
 *-------------------------------------------------------------------------
 */
#include "lightgbm_model.h"

#include <dirent.h>
#include <float.h>
#include <setjmp.h>

static int	ntests = 0;
static int	nfailures = 0;

static void ok(bool passed, const char *format,...) pg_attribute_printf(2, 3);

static void
ok(bool passed, const char *format,...)
{
	va_list		args;

	ntests++;
	if (!passed)
		nfailures++;
	printf("%sok %d - ", passed ? "" : "not ", ntests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

/* the next number of a text; it ends at the end of a line, or at "|" */
static bool
next_number(char **p, double *value)
{
	while (**p == ' ')
		(*p)++;
	if (**p == '\n' || **p == '|' || **p == '\0')
		return false;
	*value = strtod(*p, p);
	return true;
}

/* are the numbers of this line the importances of a kind? */
static bool
same_importance(const MlopsForest *forest, MlopsImportance kind, char **p)
{
	MlopsForestInfo info;
	double		values[64];
	double		splits[64];
	double		expected;
	bool		same;
	int			i = 0;

	mlops_forest_info(forest, &info);
	same = mlops_forest_importance(forest, kind, &env, values, splits);
	for (; next_number(p, &expected) && i < info.num_features; i++)
		same = same && fabs(values[i] - expected) <= 1e-6 * fabs(expected);
	(*p)++;
	return same && i == info.num_features;
}

/*
 * Compare with what the library gave for the rows of a fixture.
 */
static void
test_reference(const char *name)
{
	char		path[256];
	size_t		len;
	char	   *text;
	char	   *rows;
	char	   *row_at;
	char	   *references;
	char	   *at;
	MlopsForest *forest;
	MlopsForestInfo info;
	MlopsShap  *shap;
	void	   *scratch;
	void	   *shap_scratch;
	double		worst = 0;
	double		worst_sum = 0;
	bool		complete = true;
	int			count = 0;

	snprintf(path, sizeof(path), "%s.txt", name);
	text = read_file(path, &len);
	forest = read_model(text, len);
	snprintf(path, sizeof(path), "%s.rows.txt", name);
	rows = read_file(path, &len);
	row_at = strchr(rows, '\n') + 1;
	snprintf(path, sizeof(path), "%s.shap.txt", name);
	at = references = read_file(path, &len);
	ok(same_importance(forest, MLOPS_IMPORTANCE_WEIGHT, &at) &&
	   same_importance(forest, MLOPS_IMPORTANCE_TOTAL_GAIN, &at), "%s: the importances", name);

	shap = mlops_shap_create(forest, &env, &error);
	if (shap == NULL)
	{
		printf("Bail out! %s: %s\n", name, error.message);
		exit(1);
	}
	mlops_forest_info(forest, &info);
	scratch = malloc(mlops_forest_scratch_size(forest));
	shap_scratch = malloc(mlops_shap_scratch_size(shap));
	for (; *row_at != '\0' && *at != '\0'; row_at = strchr(row_at, '\n') + 1)
	{
		double		row[64];
		double		margins[64];
		double		values[64];
		int			i = 0;

		while (next_number(&row_at, &row[i]))
			i++;
		mlops_forest_margin64(forest, row, scratch, margins);
		for (int g = 0; g < info.num_groups; g++, at++, count++)
		{
			double		expected[64];
			double		largest = DBL_MIN;
			double		sum = 0;
			int			given = 0;

			memset(shap_scratch, 0xA5, mlops_shap_scratch_size(shap));
			complete = mlops_shap_contributions(shap, forest, row, g, margins[g], shap_scratch, &env,
												values, &error) && complete;
			while (next_number(&at, &expected[given]))
				given++;
			complete = complete && i == info.num_features && given == info.num_features + 1;
			for (int k = 0; k <= info.num_features; k++)
			{
				largest = Max(largest, fabs(expected[k]));
				sum += values[k];
			}
			for (int k = 0; k <= info.num_features; k++)
				worst = Max(worst, fabs(values[k] - expected[k]) / largest);
			worst_sum = Max(worst_sum, fabs(sum - margins[g]) / largest);
		}
	}
	ok(complete && *at == '\0' && *row_at == '\0' && count >= 12 * info.num_groups && worst < 1e-9,
	   "%s: %d contributions, as the library has them", name, count);
	ok(worst_sum < 1e-10, "%s: they add up to the margin", name);
	if (!(worst < 1e-9 && worst_sum < 1e-10))
		printf("# %g, %g\n", worst, worst_sum);
	free(scratch);
	free(shap_scratch);
	memory_release(NULL, shap);
	memory_release(NULL, forest);
	free(text);
	free(rows);
	free(references);
}

static void
test_references(void)
{
	DIR		   *dir = opendir(FIXTURES);
	struct dirent *entry;
	int			count = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
	{
		char	   *dot = strchr(entry->d_name, '.');

		if (dot == NULL || strcmp(dot, ".shap.txt") != 0)
			continue;
		*dot = '\0';
		test_reference(entry->d_name);
		count++;
	}
	if (dir != NULL)
		closedir(dir);
	ok(count >= 38, "%d models have references", count);
}

/* counts of a chain: so many rows at the root, of which each leaf takes some */
#define CHAIN_ROWS	2000000000

static int
leaf_rows(int leaf, int depth)
{
	return leaf == depth ? CHAIN_ROWS / 2 / (depth + 1) : CHAIN_ROWS / 2 / (depth + 1) + leaf % 7;
}

/*
 * A chain of splits "feature i at i % 3", each of which sends what is at most
 * so to leaf i, whose value is 1 / (i + 1); counts, or NULL for those above.
 */
static char *
chain(int depth, int features, const char *counts, const char *leaf_counts,
	  const char *gains, size_t *len)
{
	static const char *const lines[] = {
		"split_feature=", "threshold=", "decision_type=", "left_child=", "right_child=", "leaf_value="
	};
	char	   *tree = malloc((size_t) depth * 160 + 8192);
	char	   *text = malloc((size_t) depth * 160 + (size_t) features * 40 + 16384);
	char	   *p = tree;
	char	   *q = text;
	int			rows = 0;

	p += sprintf(p, "Tree=0\nnum_leaves=%d\nnum_cat=0\n", depth + 1);
	for (int k = 0; k < (int) lengthof(lines); k++)
	{
		p += sprintf(p, "%s", lines[k]);
		for (int i = 0; i < depth + (k == 5); i++)
		{
			if (k == 5)
				p += sprintf(p, "%.17g ", 1.0 / (i + 1));
			else
				p += sprintf(p, "%d ", k == 0 ? i % features : k == 1 ? i % 3 : k == 2 ? 8 :
							 k == 3 ? ~i : i < depth - 1 ? i + 1 : ~depth);
		}
		p += sprintf(p, "\n");
	}
	if (gains != NULL)
		p += sprintf(p, "split_gain=%s\n", gains);
	if (leaf_counts != NULL)
		p += sprintf(p, "leaf_count=%s\n", leaf_counts);
	else
	{
		p += sprintf(p, "leaf_count=");
		for (int i = 0; i <= depth; i++)
			p += sprintf(p, "%d ", leaf_rows(i, depth));
		p += sprintf(p, "\n");
	}
	if (counts != NULL)
		p += sprintf(p, "internal_count=%s\n", counts);
	else
	{
		for (int i = 0; i <= depth; i++)
			rows += leaf_rows(i, depth);
		p += sprintf(p, "internal_count=");
		for (int i = 0; i < depth; i++)
		{
			p += sprintf(p, "%d ", rows);
			rows -= leaf_rows(i, depth);
		}
		p += sprintf(p, "\n");
	}
	p += sprintf(p, "\n\n");

	q += sprintf(q, "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
				 "max_feature_idx=%d\nobjective=regression\nfeature_names=", features - 1);
	for (int i = 0; i < features; i++)
		q += sprintf(q, "%sf%d", i > 0 ? " " : "", i);
	q += sprintf(q, "\nfeature_infos=");
	for (int i = 0; i < features; i++)
		q += sprintf(q, "%s[0:2]", i > 0 ? " " : "");
	q += sprintf(q, "\ntree_sizes=%d\n\n%send of trees\n", (int) (p - tree), tree);
	*len = q - text;
	free(tree);
	return text;
}

/* the chain as a model, which must be accepted */
static MlopsForest *
chain_model(int depth, int features, const char *counts, const char *leaf_counts, const char *gains)
{
	size_t		len;
	char	   *text = chain(depth, features, counts, leaf_counts, gains, &len);
	MlopsForest *forest = read_model(text, len);

	free(text);
	if (forest == NULL)
	{
		printf("Bail out! %s\n", error.message);
		exit(1);
	}
	return forest;
}

/*
 * The Shapley values of such a chain on whose paths each feature stands once,
 * by their definition: leaf by leaf, by the numbers of known features.
 */
static void
define_chain(int depth, const double *row, double *values)
{
	double	   *rest = malloc(depth * sizeof(double));
	double	   *sums = malloc((depth + 1) * sizeof(double));
	bool	   *on = malloc(depth);
	double		rows = 0;

	memset(values, 0, (depth + 1) * sizeof(double));
	for (int i = 0; i <= depth; i++)
		rows += leaf_rows(i, depth);
	for (int leaf = 0; leaf <= depth; leaf++)
	{
		int			length = Min(leaf + 1, depth);
		double		value = 1.0 / (leaf + 1);
		double		left = rows;

		/* the splits on the way: all but the last to the right */
		for (int i = 0; i < length; i++)
		{
			double		part = leaf_rows(i, depth) / left;

			on[i] = (row[i] <= i % 3) == (i == leaf);
			rest[i] = i == leaf ? part : 1 - part;
			left -= leaf_rows(i, depth);
		}
		left = value;
		for (int i = 0; i < length; i++)
			left *= rest[i];
		values[depth] += left;

		for (int j = 0; j < length; j++)
		{
			double		total = 0;
			int			count = 0;

			memset(sums, 0, (depth + 1) * sizeof(double));
			sums[0] = 1;
			for (int i = 0; i < length; i++)
			{
				if (i == j)
					continue;
				count++;
				for (int k = count; k >= 0; k--)
					sums[k] = sums[k] * rest[i] + (k > 0 && on[i] ? sums[k - 1] : 0);
			}
			for (int k = 0; k <= count; k++)
				total += sums[k] * exp(lgamma(k + 1) + lgamma(length - k) - lgamma(length + 1));
			values[j] += value * ((on[j] ? 1 : 0) - rest[j]) * total;
		}
	}
	free(rest);
	free(sums);
	free(on);
}

/*
 * Paths of many features against the definition: more passes than there are
 * for XGBoost's trees.
 */
static void
test_long_paths(void)
{
	static const int depths[] = {1, 8, 9, 64, 65, 130, 200};

	for (int n = 0; n < (int) lengthof(depths); n++)
	{
		int			depth = depths[n];
		MlopsForest *forest = chain_model(depth, depth, NULL, NULL, NULL);
		MlopsShap  *shap = mlops_shap_create(forest, &env, &error);
		void	   *scratch = malloc(mlops_forest_scratch_size(forest));
		void	   *shap_scratch = malloc(mlops_shap_scratch_size(shap));
		double	   *row = malloc(depth * sizeof(double));
		double	   *values = malloc((depth + 1) * sizeof(double));
		double	   *expected = malloc((depth + 1) * sizeof(double));
		double		worst = 0;
		bool		good = true;

		for (int i = 0; i < 4; i++)
		{
			double		margin;

			/* few rows stay long in a chain: make these do so */
			for (int k = 0; k < depth; k++)
				row[k] = next_random() % (depth + 1) < 2 ? -1 : next_random() % 8 == 0 ? NAN : 3;
			mlops_forest_margin64(forest, row, scratch, &margin);
			good = mlops_shap_contributions(shap, forest, row, 0, margin, shap_scratch, &env,
											values, &error) && good;
			/* NaN goes right here, which a comparison with it also says */
			define_chain(depth, row, expected);
			for (int k = 0; k <= depth; k++)
				worst = Max(worst, fabs(values[k] - expected[k]));
		}
		ok(good && worst < 1e-11, "a path of %d features: the values are those of the definition", depth);
		if (!(worst < 1e-11))
			printf("# they differ by %g\n", worst);
		free(row);
		free(values);
		free(expected);
		free(scratch);
		free(shap_scratch);
		memory_release(NULL, shap);
		memory_release(NULL, forest);
	}
}

static jmp_buf cancelled;
static long checks_left;

static void
cancel_check(void *arg)
{
	if (checks_left-- == 0)
		longjmp(cancelled, 1);
}

/*
 * A tree as deep as the limit, of this many features.
 */
static void
test_deepest(int features)
{
	MlopsForest *forest = chain_model(4096, features, NULL, NULL, NULL);
	MlopsForestEnv cancelling = env;
	MlopsShap  *shap = mlops_shap_create(forest, &env, &error);
	void	   *scratch = malloc(mlops_forest_scratch_size(forest));
	void	   *shap_scratch = malloc(mlops_shap_scratch_size(shap));
	double	   *row = malloc(features * sizeof(double));
	double	   *values = malloc((features + 1) * sizeof(double));
	double		margin;
	volatile int stops = 0;

	for (int i = 0; i < features; i++)
		row[i] = features == 1 || i >= 4000 ? 1 : 3;
	mlops_forest_margin64(forest, row, scratch, &margin);
	ok(mlops_shap_contributions(shap, forest, row, 0, margin, shap_scratch, &env, values, &error),
	   "a tree as deep as the limit, of %d features", features);
	ok(mlops_shap_scratch_size(shap) < 2 * 1024 * 1024, "and its working memory is bounded");
	cancelling.check = cancel_check;
	checks_left = features == 1 ? 0 : 300;
	if (setjmp(cancelled) != 0)
		stops++;
	else
		mlops_shap_contributions(shap, forest, row, 0, margin, shap_scratch, &cancelling, values, &error);
	ok(stops == 1, "and it can be cancelled");
	free(row);
	free(values);
	free(scratch);
	free(shap_scratch);
	memory_release(NULL, shap);
	memory_release(NULL, forest);
}

/*
 * Counts that no training writes: what can be explained is, additively, and
 * the rest is refused; all are scored.
 */
static void
test_counts(void)
{
	static const struct
	{
		const char *counts;
		const char *leaf_counts;
		const char *message;	/* NULL: it is explained */
		const char *what;
	}			cases[] = {
		{"10 6 3", "4 3 2 1", NULL, "counts as they should be"},
		{"10 6 3", "4 3 0 0", NULL, "leaves without rows"},
		{"0 0 0", "0 0 0 0", NULL, "no rows at all"},
		{"1 2147483647 5", "2147483647 2147483647 2147483647 0", NULL, "counts that do not add up"},
		{"10 6 3", "4 3 -2 1", "is negative or too large", "a negative count of a leaf"},
		{"10 -6 3", "4 3 2 1", "is negative or too large", "a negative count of a split"},
		{"10 6 3", "4 3 2147483648 1", "is negative or too large", "a count beyond its type"},
		{"10 6 -9223372036854775808", "4 3 2 1", "is negative or too large", "and one below it"},
		{"", "4 3 2 1", "no counts of training rows", "splits without counts"},
		{"10 6 3", "", "no counts of training rows", "leaves without counts"}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		MlopsForest *forest = chain_model(3, 2, cases[i].counts, cases[i].leaf_counts, NULL);
		double		values[2];
		double		splits[2];
		bool		covered = mlops_forest_importance(forest, MLOPS_IMPORTANCE_COVER, &env, values, splits);

		/* an error alone also lets explain_rows() return 0 */
		ok(score_rows(forest, 50) == 0 && explain_rows(forest, 50) == 0 &&
		   (cases[i].message == NULL ? error.code == MLOPS_FOREST_OK :
			error.code == MLOPS_FOREST_UNSUPPORTED && strstr(error.message, cases[i].message) != NULL),
		   "%s: %s", cases[i].what, cases[i].message == NULL ? "explained" : "refused");
		if (cases[i].counts[0] == '\0')
			ok(!covered, "and there is no cover");
		memory_release(NULL, forest);
	}
}

/* what an importance is, or -1 if there is none */
static double
importance(const MlopsForest *forest, MlopsImportance kind, int feature)
{
	double		values[2];
	double		splits[2];

	return mlops_forest_importance(forest, kind, &env, values, splits) ? values[feature] : -1;
}

/*
 * Importances of a chain of three splits, on the features 0, 1 and 0.
 */
static void
test_importances(void)
{
	MlopsForest *forest = chain_model(3, 2, "10 6 3", "4 3 2 1", "8 5 2");

	ok(importance(forest, MLOPS_IMPORTANCE_WEIGHT, 0) == 2 && importance(forest, MLOPS_IMPORTANCE_WEIGHT, 1) == 1 &&
	   importance(forest, MLOPS_IMPORTANCE_TOTAL_GAIN, 0) == 10 && importance(forest, MLOPS_IMPORTANCE_GAIN, 0) == 5 &&
	   importance(forest, MLOPS_IMPORTANCE_TOTAL_COVER, 0) == 13 && importance(forest, MLOPS_IMPORTANCE_COVER, 0) == 6.5,
	   "weight, gain and cover");
	memory_release(NULL, forest);
	forest = chain_model(3, 2, "10 6 3", "4 3 2 1", "8 0 -2");
	ok(importance(forest, MLOPS_IMPORTANCE_WEIGHT, 0) == 1 && importance(forest, MLOPS_IMPORTANCE_WEIGHT, 1) == 0 &&
	   importance(forest, MLOPS_IMPORTANCE_TOTAL_GAIN, 0) == 8 && importance(forest, MLOPS_IMPORTANCE_GAIN, 1) == 0 &&
	   importance(forest, MLOPS_IMPORTANCE_COVER, 0) == 10, "splits without a gain do not count");
	memory_release(NULL, forest);
	forest = chain_model(3, 2, "10 6 3", "4 3 2 1", "inf nan -inf");
	ok(importance(forest, MLOPS_IMPORTANCE_TOTAL_GAIN, 0) == (double) FLT_MAX &&
	   importance(forest, MLOPS_IMPORTANCE_WEIGHT, 0) == 1 && importance(forest, MLOPS_IMPORTANCE_WEIGHT, 1) == 0,
	   "an infinite gain is a great one");
	memory_release(NULL, forest);
	forest = chain_model(3, 2, "10 6 -3", "4 3 2 1", "8 5 2");
	ok(importance(forest, MLOPS_IMPORTANCE_COVER, 0) == -1 && importance(forest, MLOPS_IMPORTANCE_TOTAL_GAIN, 0) == 10,
	   "no cover of counts that are none");
	memory_release(NULL, forest);
	forest = chain_model(3, 2, "10 6 3", "4 3 2 1", NULL);
	ok(importance(forest, MLOPS_IMPORTANCE_GAIN, 0) == -1 && importance(forest, MLOPS_IMPORTANCE_TOTAL_GAIN, 0) == -1 &&
	   importance(forest, MLOPS_IMPORTANCE_WEIGHT, 0) == 2, "without gains all splits have their weight");
	memory_release(NULL, forest);
}

/* a model of a fixture, one piece of text put in place of another */
static MlopsForest *
edited_model(const char *name, const char *from, const char *to)
{
	size_t		len;
	char	   *text = read_file(name, &len);
	char	   *found = strstr(text, from);
	Model	   *model = malloc(sizeof(Model));
	char	   *changed = malloc(len + strlen(to) + 1);
	char	   *joined;
	MlopsForest *forest;

	len = sprintf(changed, "%.*s%s%s", (int) (found - text), text, to, found + strlen(from));
	split_model(model, changed, len);
	joined = join_model(model, true, &len);
	forest = read_model(joined, len);
	free(text);
	free(changed);
	free(joined);
	free(model);
	return forest;
}

/* a chain, some line of whose tree is another */
static MlopsForest *
changed_chain(int depth, int features, const char *line)
{
	size_t		len;
	char	   *text = chain(depth, features, NULL, NULL, NULL, &len);
	Model	   *model = malloc(sizeof(Model));
	size_t		key = strchr(line, '=') + 1 - line;
	char	   *joined;
	MlopsForest *forest;

	split_model(model, text, len);
	for (int k = 0; k < model->num_lines; k++)
	{
		if (model->len[k] >= key && memcmp(model->line[k], line, key) == 0)
		{
			model->line[k] = line;
			model->len[k] = strlen(line);
		}
	}
	joined = join_model(model, true, &len);
	forest = read_model(joined, len);
	free(text);
	free(joined);
	free(model);
	return forest;
}

/*
 * What has no contributions: equations in leaves, and leaves that cannot be
 * added up.
 */
static void
test_refusals(void)
{
	MlopsForest *forest = edited_model("linear.txt", "", "");
	double		values[64];
	double		splits[64];

	ok(explain_rows(forest, 1) == 0 && error.code == MLOPS_FOREST_UNSUPPORTED &&
	   strstr(error.message, "is linear") != NULL && strstr(error.hint, "linear_tree") != NULL,
	   "a linear tree is refused, with a hint");
	ok(mlops_forest_importance(forest, MLOPS_IMPORTANCE_GAIN, &env, values, splits), "but it has importances");
	memory_release(NULL, forest);

	forest = changed_chain(1, 1, "leaf_value=1e290 -1e290");
	ok(explain_rows(forest, 50) == 0 && error.code == MLOPS_FOREST_OK, "large leaves are explained");
	memory_release(NULL, forest);
	forest = changed_chain(1, 1, "leaf_value=1e291 0");
	ok(explain_rows(forest, 50) == 0 && error.code == MLOPS_FOREST_UNSUPPORTED &&
	   strstr(error.message, "too large") != NULL, "leaves that are too large are refused");
	memory_release(NULL, forest);
	forest = edited_model("constant.txt", "leaf_count=300", "leaf_count=-300");
	ok(forest != NULL && explain_rows(forest, 1) == 0 && error.code == MLOPS_FOREST_OK,
	   "the count of a tree without splits does not matter");
	memory_release(NULL, forest);
}

/*
 * The contributions of two features to a chain of two splits, for a row with 0
 * and 0, and a margin that is larger than its own by some part.  False if they
 * are refused.
 */
static bool
explain_chain(const char *line, double more, double *values, double *margin)
{
	static const double row[] = {0, 0};
	MlopsForest *forest = changed_chain(2, 2, line);
	MlopsShap  *shap = mlops_shap_create(forest, &env, &error);
	void	   *scratch = malloc(mlops_forest_scratch_size(forest));
	void	   *shap_scratch = malloc(mlops_shap_scratch_size(shap));
	bool		good;

	mlops_forest_margin64(forest, row, scratch, margin);
	good = mlops_shap_contributions(shap, forest, row, 0, *margin * (1 + more), shap_scratch, &env, values, &error);
	free(scratch);
	free(shap_scratch);
	memory_release(NULL, shap);
	memory_release(NULL, forest);
	return good;
}

/*
 * Values as clean as double precision allows.
 */
static void
test_values(void)
{
	double		values[3];
	double		margin;

	ok(!explain_chain("leaf_value=1 0.5 0.25", 1e-12, values, &margin) && strstr(error.message, "add up") != NULL,
	   "values that do not add up to the margin are an error");
	ok(explain_chain("leaf_value=0.1 0.1 0.1", 0, values, &margin) &&
	   values[0] == 0 && values[1] == 0 && !signbit(values[0]) && values[2] == 0.1,
	   "a feature that changes nothing has exactly 0");
	ok(explain_chain("leaf_value=1.05e-299 -3e-299 2e-299", 0, values, &margin) &&
	   fabs(values[0] + values[1] + values[2] - margin) < 1e-311, "tiny values are not rounded");
	ok(explain_chain("threshold=-0 -1e-36", 0, values, &margin) &&
	   explain_chain("threshold=inf -inf", 0, values, &margin), "thresholds about zero and infinity");
}

/* one allocation after the other gets nothing */
static void
test_memory(void)
{
	MlopsForest *forest = edited_model("category_few.txt", "", "");
	size_t		before = memory.held;
	size_t		calls;
	int			wrong = 0;

	memory.calls = 0;
	memory_release(NULL, mlops_shap_create(forest, &env, &error));
	calls = memory.calls;
	for (size_t i = 1; i <= calls; i++)
	{
		memory.calls = 0;
		memory.fail_at = i;
		wrong += mlops_shap_create(forest, &env, &error) != NULL ||
			error.code != MLOPS_FOREST_NO_MEMORY || memory.held != before;
	}
	memory.fail_at = 0;
	ok(calls >= 5 && wrong == 0, "without memory for one of %zu allocations it fails cleanly", calls);
	memory_release(NULL, forest);
}

int
main(void)
{
	test_references();
	test_long_paths();
	test_deepest(1);
	test_deepest(4096);
	test_counts();
	test_importances();
	test_refusals();
	test_values();
	test_memory();
	ok(memory.held == 0, "all memory was given back");
	printf("1..%d\n", ntests);
	return nfailures == 0 ? 0 : 1;
}
