/*-------------------------------------------------------------------------
 *
 * forest_transform.c
 *	  Objectives: base scores to margins, margins to outputs, and what changed
 *	  from version to version.
 *
 *-------------------------------------------------------------------------
 */
#include "forest_test.h"
#include "forest/forest_internal.h"

/* read a model of one leaf of value 0 per margin */
static MlopsForest *
make(const char *objective, const char *base_score, int classes, int targets, int major, int minor, int patch)
{
	Item	   *root = new_model(1, objective, base_score);
	Bytes		file;
	MlopsForest *forest;
	MlopsForestError error;

	set_number(root, "learner/learner_model_param/num_class", classes);
	set_number(root, "learner/learner_model_param/num_target", targets);
	set_number(root, "version/0", major);
	set_number(root, "version/1", minor);
	set_number(root, "version/2", patch);
	for (int g = 0; g < Max(classes, targets); g++)
		add_leaf(new_tree(root, g), -1, 0);
	file = written(root, true);
	forest = mlops_forest_read(file.data, file.len, &host, &error);
	if (forest == NULL)
		printf("# %s: %s\n", objective, error.message);
	free(file.data);
	free_item(root);
	return forest;
}

/* the margins of a row */
static void
margins_of(const MlopsForest *forest, float *margins)
{
	void	   *scratch = malloc(mlops_forest_scratch_size(forest));
	float		row = 0;

	mlops_forest_margin(forest, &row, scratch, margins);
	free(scratch);
}

static bool
same_bits(float a, float b)
{
	return memcmp(&a, &b, sizeof(float)) == 0;
}

/* every objective: task, number of outputs, base margin, transform */
static void
test_objectives(void)
{
	static const struct
	{
		const char *name;
		MlopsTask	task;
		char		link;		/* of a base score of 0.25: i, l(ogit), e (log) */
		char		output;		/* i, s(igmoid), e(xp), h(inge) */
	}			cases[] = {
		{"reg:squarederror", MLOPS_TASK_REGRESSION, 'i', 'i'},
		{"reg:linear", MLOPS_TASK_REGRESSION, 'i', 'i'},
		{"reg:squaredlogerror", MLOPS_TASK_REGRESSION, 'i', 'i'},
		{"reg:pseudohubererror", MLOPS_TASK_REGRESSION, 'i', 'i'},
		{"reg:absoluteerror", MLOPS_TASK_REGRESSION, 'i', 'i'},
		{"reg:quantileerror", MLOPS_TASK_REGRESSION, 'i', 'i'},
		{"reg:logistic", MLOPS_TASK_REGRESSION, 'l', 's'},
		{"reg:gamma", MLOPS_TASK_REGRESSION, 'e', 'e'},
		{"reg:tweedie", MLOPS_TASK_REGRESSION, 'e', 'e'},
		{"count:poisson", MLOPS_TASK_REGRESSION, 'e', 'e'},
		{"survival:cox", MLOPS_TASK_REGRESSION, 'e', 'e'},
		{"survival:aft", MLOPS_TASK_REGRESSION, 'e', 'd'},
		{"binary:logistic", MLOPS_TASK_BINARY, 'l', 's'},
		{"binary:logitraw", MLOPS_TASK_BINARY, 'i', 'i'},
		{"binary:hinge", MLOPS_TASK_BINARY, 'i', 'h'},
		{"rank:pairwise", MLOPS_TASK_RANKING, 'i', 'i'},
		{"rank:ndcg", MLOPS_TASK_RANKING, 'i', 'i'},
		{"rank:map", MLOPS_TASK_RANKING, 'i', 'i'}
	};
	static const float values[] = {0, -0.0f, 1, -1, 0.3f, 20, -20, 88, -88, 89, -89, 104, -104, 3e38f, -3e38f, 1e-30f};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		MlopsForest *forest = make(cases[i].name, "2.5E-1", 0, 1, 1, 7, 4);
		MlopsForestInfo info;
		float		base = 0.25f;
		float		margin;
		bool		good = true;

		if (!ok(forest != NULL, "%s is read", cases[i].name))
			continue;
		mlops_forest_info(forest, &info);
		if (cases[i].link == 'l')
			base = -logf(1.0f / base - 1.0f);
		else if (cases[i].link == 'e')
			base = logf(base);
		margins_of(forest, &margin);
		ok(info.task == cases[i].task && strcmp(info.objective, cases[i].name) == 0 &&
		   info.num_groups == 1 && info.num_outputs == 1 && same_bits(margin, base),
		   "%s: task and base margin", cases[i].name);
		for (int k = 0; k < (int) lengthof(values); k++)
		{
			float		x = values[k];
			float		output;
			volatile float expected = x;

			if (cases[i].output == 's')
			{
				volatile float sum = expf(Min(-x, 88.7f));

				sum = sum + 1.0f;
				sum = sum + 1e-16f;
				expected = 1.0f / sum;
			}
			else if (cases[i].output == 'e')
				expected = expf(x);
			else if (cases[i].output == 'd')
				expected = (float) exp((double) x);
			else if (cases[i].output == 'h')
				expected = x > 0;
			mlops_forest_transform(forest, &x, &output);
			mlops_forest_transform(forest, &x, &x);
			good = good && same_bits(output, expected) && same_bits(x, expected);
		}
		ok(good, "%s: outputs", cases[i].name);
		host_release(NULL, forest);
	}
}

static void
test_classes(void)
{
	MlopsForest *softprob = make("multi:softprob", "5E-1", 4, 1, 1, 7, 4);
	MlopsForest *softmax = make("multi:softmax", "5E-1", 4, 1, 1, 7, 4);
	MlopsForestInfo info;
	float		margins[4] = {1, 3, -2, 3};
	float		outputs[4];
	float		base[4];
	float		expected[4];
	double		sum = 0;
	bool		good = true;

	mlops_forest_info(softprob, &info);
	ok(info.task == MLOPS_TASK_MULTICLASS && info.num_groups == 4 && info.num_outputs == 4, "softprob has 4 outputs");
	margins_of(softprob, base);
	ok(base[0] == 0.5f && base[3] == 0.5f, "one base score serves all classes");
	for (int i = 0; i < 4; i++)
	{
		expected[i] = expf(margins[i] - 3.0f);
		sum += expected[i];
	}
	mlops_forest_transform(softprob, margins, outputs);
	for (int i = 0; i < 4; i++)
		good = good && same_bits(outputs[i], expected[i] / (float) sum);
	mlops_forest_transform(softprob, margins, margins);
	ok(good && memcmp(outputs, margins, sizeof(outputs)) == 0, "probabilities of classes");

	mlops_forest_info(softmax, &info);
	ok(info.task == MLOPS_TASK_MULTICLASS && info.num_groups == 4 && info.num_outputs == 1, "softmax has 1 output");
	mlops_forest_transform(softmax, (float[]) {1, 3, -2, 3}, outputs);
	ok(outputs[0] == 1, "the first of equal classes");
	mlops_forest_transform(softmax, (float[]) {1, 3, -2, 4}, outputs);
	ok(outputs[0] == 3, "the likeliest class");
	host_release(NULL, softprob);
	host_release(NULL, softmax);

	softprob = make("multi:softprob", "[1E0,2E0,3E0]", 3, 1, 3, 1, 0);
	margins_of(softprob, base);
	ok(base[0] == 1 && base[1] == 2 && base[2] == 3, "a base score per class");
	host_release(NULL, softprob);
}

static void
test_base_scores(void)
{
	static const struct
	{
		const char *text;
		float		value;
	}			forms[] = {
		{"5E-1", 0.5f}, {"0.500000", 0.5f}, {"[5E-1]", 0.5f}, {"(5E-1)", 0.5f}, {" [ 5E-1 ] ", 0.5f},
		{"1", 1}, {"-3", -3}, {"[ 7]", 7}, {"1.1095369E0", 1.1095369f}
	};

	for (int i = 0; i < (int) lengthof(forms); i++)
	{
		MlopsForest *forest = make("reg:squarederror", forms[i].text, 0, 1, 3, 2, 0);
		float		margin = 99;

		if (forest != NULL)
			margins_of(forest, &margin);
		ok(same_bits(margin, forms[i].value), "base_score \"%s\"", forms[i].text);
		if (forest != NULL)
			host_release(NULL, forest);
	}
}

/* what depends on the version that wrote the file */
static void
test_versions(void)
{
	static const struct
	{
		const char *objective;
		const char *base;
		int			version[3];
		float		value;		/* of which the logit is the margin; or the margin */
		bool		logit;
	}			cases[] = {
		{"binary:logitraw", "2E-1", {1, 0, 2}, 0.2f, true},
		{"binary:logitraw", "2E-1", {1, 3, 0}, 0.2f, true},
		{"binary:logitraw", "2E-1", {1, 3, 1}, 0.2f, false},
		{"binary:logitraw", "2E-1", {3, 2, 0}, 0.2f, false},
		{"binary:logistic", "1E-7", {3, 1, 3}, 1e-7f, true},
		{"binary:logistic", "1E-7", {3, 2, 0}, 1e-6f, true},
		{"binary:logistic", "0", {3, 2, 0}, 1e-6f, true},
		{"binary:logistic", "1", {3, 4, 1}, 1.0f - 1e-6f, true},
		{"reg:logistic", "9.999999E-1", {3, 2, 0}, 1.0f - 1e-6f, true}
	};
	float		quantiles[3] = {2, 1, 3};
	float		sorted[3];
	MlopsForest *forest;

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		const int  *v = cases[i].version;
		float		expected = cases[i].logit ? -logf(1.0f / cases[i].value - 1.0f) : cases[i].value;
		float		margin = 99;

		forest = make(cases[i].objective, cases[i].base, 0, 1, v[0], v[1], v[2]);
		if (forest != NULL)
			margins_of(forest, &margin);
		ok(same_bits(margin, expected), "%s from %s in %d.%d.%d", cases[i].objective, cases[i].base, v[0], v[1], v[2]);
		if (forest != NULL)
			host_release(NULL, forest);
	}

	forest = make("reg:quantileerror", "[1E0,2E0,3E0]", 0, 3, 3, 3, 9);
	mlops_forest_transform(forest, quantiles, sorted);
	ok(sorted[0] == 2 && sorted[1] == 1 && sorted[2] == 3, "quantiles are left alone in 3.3");
	host_release(NULL, forest);
	forest = make("reg:quantileerror", "[1E0,2E0,3E0]", 0, 3, 3, 4, 0);
	mlops_forest_transform(forest, quantiles, sorted);
	mlops_forest_transform(forest, quantiles, quantiles);
	ok(sorted[0] == 1 && sorted[1] == 2 && sorted[2] == 3 && memcmp(sorted, quantiles, sizeof(sorted)) == 0,
	   "quantiles are sorted in 3.4");
	host_release(NULL, forest);
}

/* expectiles: the first, then distances; a base score comes back */
static void
test_expectiles(void)
{
	MlopsForest *forest = make("reg:expectileerror", "[-1E0,5E-1,5E0]", 0, 3, 3, 3, 0);
	float		margins[3];
	float		outputs[3];

	margins_of(forest, margins);
	ok(margins[0] == -1, "the first expectile is its own margin");
	mlops_forest_transform(forest, margins, outputs);
	ok(outputs[0] == -1 && fabsf(outputs[1] - 0.5f) < 1e-5f && fabsf(outputs[2] - 5) < 1e-5f, "expectiles come back");
	mlops_forest_transform(forest, (float[]) {1, -30, -30}, outputs);
	ok(outputs[0] == 1 && outputs[1] > outputs[0] && outputs[2] > outputs[1], "expectiles ascend");
	host_release(NULL, forest);
}

int
main(void)
{
	test_objectives();
	test_classes();
	test_base_scores();
	test_versions();
	test_expectiles();
	return finish();
}
