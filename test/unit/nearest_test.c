/*-------------------------------------------------------------------------
 *
 * nearest_test.c
 *	  Cells of thresholds, values in them, and the least change of a row that
 *	  takes its score across a threshold, against trying everything.
 *
 *-------------------------------------------------------------------------
 */
#include "forest_test.h"

#include "forest/forest_internal.h"
#include "forest/nearest.h"
#include "forest/thresholds.h"

#define MAX_FEATURES	8
#define MAX_CHOICES		64

/* models of LightGBM: all ways that values can be missing, categories, classes */
static const char *const fixtures[] = {
	"binary", "regression_sqrt", "poisson", "multiclass", "multiclassova", "rf", "rf_multiclass",
	"missing_none", "missing_zero", "missing_zero_category", "category_few", "category_many", "v2"
};

/* --- models --- */

static void
grow(Item *tree, int node, int depth, int num_features, bool categorical)
{
	int			feature = below(num_features);
	int			left;

	if (depth == 0 || (depth < 3 && below(6) == 0))
		return;
	left = split_leaf(tree, node, feature, categorical && feature == 0 ? 0 : below(9) - 4 + below(2) * 0.5,
					  below(2), normal(), normal());
	if (categorical && feature == 0)
	{
		int			codes[4];
		int			count = 1 + below(3);
		int			code = below(3);

		for (int i = 0; i < count; i++, code += 1 + below(30))
			codes[i] = code;
		add_categories(tree, node, codes, count);
	}

	/* nodes with categories must come in ascending order: one child after the other */
	grow(tree, left, categorical ? 0 : depth - 1, num_features, categorical);
	grow(tree, left + 1, depth - 1, num_features, categorical);
}

static MlopsForest *
random_forest(int num_features, int num_trees, int classes, bool categorical, const char *objective)
{
	Item	   *root = new_model(num_features, objective, "0.5");
	MlopsForestError error;
	MlopsForest *forest;
	Bytes		file;

	if (classes > 0)
		set_number(root, "learner/learner_model_param/num_class", classes);
	for (int t = 0; t < num_trees; t++)
	{
		Item	   *tree = new_tree(root, classes > 0 ? t % classes : 0);

		add_leaf(tree, -1, normal());
		grow(tree, 0, 3, num_features, categorical);
	}
	file = written(root, true);
	forest = mlops_forest_read(file.data, file.len, &host, &error);
	if (forest == NULL)
		printf("Bail out! %s at %zu\n", error.message, error.offset);
	free(file.data);
	free_item(root);
	return forest;
}

static MlopsForest *
fixture(const char *name)
{
	char		path[256];
	char	   *text = malloc(1 << 20);
	FILE	   *file;
	size_t		len;
	MlopsForestError error;
	MlopsForest *forest = NULL;

	snprintf(path, sizeof(path), "test/fixtures/lightgbm/%s.txt", name);
	file = fopen(path, "rb");
	if (file != NULL)
	{
		len = fread(text, 1, 1 << 20, file);
		fclose(file);
		forest = mlops_forest_read(text, len, &host, &error);
	}
	free(text);
	if (forest == NULL)
		printf("Bail out! cannot read %s\n", path);
	return forest;
}

/* --- rows, as double, whatever the forest reads --- */

typedef struct Row
{
	const MlopsForest *forest;
	double		values[64];
	float		narrow[64];
	void	   *scratch;
} Row;

static void *
row_vector(Row *row)
{
	for (int i = 0; i < row->forest->num_features; i++)
		row->narrow[i] = (float) row->values[i];
	return row->forest->wide.used ? (void *) row->values : (void *) row->narrow;
}

static double
random_value(void)
{
	switch (below(8))
	{
		case 0:
			return NAN;
		case 1:
			return below(400) - 2;
		case 2:
			return below(10) - 5;
		default:
			return normal() * 2;
	}
}

static void
random_row(Row *row, const MlopsForest *forest)
{
	row->forest = forest;
	for (int i = 0; i < forest->num_features; i++)
		row->values[i] = mlops_forest_reads(forest, random_value());
}

static void
margins_of(Row *row, double *margins)
{
	void	   *vector = row_vector(row);
	float		narrow[MLOPS_MAX_GROUPS];

	if (row->forest->wide.used)
	{
		mlops_forest_margin64(row->forest, vector, row->scratch, margins);
		return;
	}
	mlops_forest_margin(row->forest, vector, row->scratch, narrow);
	for (int g = 0; g < row->forest->num_groups; g++)
		margins[g] = narrow[g];
}

/* --- cells --- */

/*
 * Values of one cell score alike, and two neighbouring cells are told apart by
 * some row.
 */
static void
test_cells(const MlopsForest *forest, const char *name)
{
	MlopsCells	cells[64];
	int			features[64];
	Row			row = {0};
	int			different = 0;
	int			misplaced = 0;
	int			compared = 0;
	int			count = 0;
	double		before[MLOPS_MAX_GROUPS];
	double		after[MLOPS_MAX_GROUPS];

	row.scratch = malloc(mlops_forest_scratch_size(forest));
	for (int i = 0; i < forest->num_features; i++)
		features[i] = i;
	if (!mlops_cells_create(forest, features, forest->num_features, &host, cells))
		ok(false, "cells of %s", name);
	for (int f = 0; f < forest->num_features; f++)
	{
		const MlopsCells *c = &cells[f];

		count += c->num_cuts;
		for (int i = 0; i < c->num_cuts; i++)
		{
			double		above = nextafter(c->cuts[i], INFINITY);

			if (!forest->wide.used)
				above = nextafterf((float) c->cuts[i], INFINITY);
			misplaced += i > 0 && c->cuts[i] <= c->cuts[i - 1];
			misplaced += mlops_cell_of(c, c->cuts[i]) != i;
			misplaced += isfinite(c->cuts[i]) && mlops_cell_of(c, above) != i + 1;
		}
		for (int n = 0; n < 200; n++)
		{
			int			cell = below(c->num_cuts + 1);
			double		low = cell > 0 ? c->cuts[cell - 1] : -1e30;
			double		high = cell < c->num_cuts ? c->cuts[cell] : 1e30;
			double		value = low + uniform() * (high - low);

			value = forest->wide.used ? value : (float) value;
			if (below(3) == 0)
				value = forest->wide.used ? nextafter(low, INFINITY) : nextafterf((float) low, INFINITY);
			else if (below(2) == 0)
				value = forest->wide.used ? high - 2 * uniform() : (float) (high - 2 * uniform());
			value = mlops_forest_reads(forest, value);
			high = mlops_forest_reads(forest, high);
			if (mlops_cell_of(c, value) != cell || mlops_cell_of(c, high) != cell)
				continue;
			compared++;
			random_row(&row, forest);
			row.values[f] = value;
			margins_of(&row, before);
			row.values[f] = high;
			margins_of(&row, after);
			different += memcmp(before, after, forest->num_groups * sizeof(double)) != 0;
		}
	}
	ok(misplaced == 0 && different == 0 && compared > 100, "%d cuts of %s: all of a cell is the same to the model", count, name);
	host_release(NULL, cells[0].cuts);
	free(row.scratch);
}

/*
 * The nearest value of a grid in a cell, against looking at each.
 */
static void
test_grid(void)
{
	MlopsForest *forest = random_forest(3, 10, 0, false, "reg:squarederror");
	int			features[] = {0, 2};
	MlopsCells	cells[2];
	int			wrong = 0;
	int			found = 0;
	MlopsGrid	whole = {MLOPS_GRID_STEPS, 1, 1, 0, -10, 10};
	MlopsGrid	exact = {MLOPS_GRID_FLOAT, 0, 0, 0, -INFINITY, INFINITY};
	MlopsGridValue nearest;
	MlopsCells	one;
	double		cut[1];

	mlops_cells_create(forest, features, 2, &host, cells);
	for (int n = 0; n < 3000; n++)
	{
		MlopsGrid	grid = {MLOPS_GRID_STEPS, 1 + below(40), 10 * (1 + below(3)), below(3) - 1, -3 + below(3), 1 + below(4)};
		const MlopsCells *c = &cells[below(2)];
		int			cell = below(c->num_cuts + 1);
		double		present = below(6) == 0 ? NAN : normal() * 3;
		double		best = NAN;
		bool		there = mlops_cell_nearest(forest, c, cell, &grid, present, &nearest);

		for (int64 k = -1000; k <= 1000; k++)
		{
			double		value = (double) (k * grid.multiple) / grid.divisor + grid.offset;
			double		from = isnan(present) ? 0 : present;

			if (value < grid.min || value > grid.max || mlops_cell_of(c, (float) value) != cell)
				continue;
			if (isnan(best) || fabs(value - from) < fabs(best - from))
				best = value;
		}
		found += there;
		wrong += there != !isnan(best) || (there && nearest.value != best) ||
			(there && (double) nearest.steps / grid.divisor + grid.offset != best);
	}
	ok(wrong == 0 && found > 300, "the nearest value of a grid in a cell, %d times", found);

	one.num_cuts = 1;
	one.cuts = cut;
	cut[0] = nextafterf(3000, -INFINITY);
	ok(mlops_cell_nearest(forest, &one, 1, &exact, 2500, &nearest) && nearest.value == 3000, "the threshold itself is right of it");
	ok(mlops_cell_nearest(forest, &one, 0, &exact, 3500, &nearest) && nearest.value == cut[0], "the number below it is left");
	ok(mlops_cell_nearest(forest, &one, 0, &exact, NAN, &nearest) && nearest.value == 0, "a missing value is taken to zero");
	cut[0] = 20;
	ok(!mlops_cell_nearest(forest, &one, 1, &whole, 0, &nearest), "no value beyond the greatest");
	ok(mlops_cell_nearest(forest, &one, 0, &whole, 50, &nearest) && nearest.value == 10 && nearest.steps == 10, "but that itself");
	cut[0] = 4.5;
	ok(mlops_cell_nearest(forest, &one, 1, &whole, 4, &nearest) && nearest.value == 5, "the next whole number");
	whole.max = 16777219;
	cut[0] = 16777217;
	ok(mlops_cell_nearest(forest, &one, 1, &whole, 0, &nearest) && nearest.value == 16777218, "as the model reads it, in float");
	ok(mlops_cell_nearest(forest, &one, 0, &whole, 2e7, &nearest) && nearest.value == 16777217, "on either side");

	host_release(NULL, cells[0].cuts);
	host_release(NULL, forest);
}

/* --- the search --- */

typedef struct Question
{
	MlopsNearest nearest;
	MlopsOption options[MAX_FEATURES];
	MlopsChoice choices[MAX_FEATURES][MAX_CHOICES];
	Row			row;
} Question;

/* choices for some features: a value in each of some cells, and maybe missing */
static void
ask(Question *question, const MlopsForest *forest, int max_options, int max_choices)
{
	MlopsNearest *nearest = &question->nearest;
	MlopsCells	cells;
	double		scores[3];
	double		margins[MLOPS_MAX_GROUPS];

	memset(nearest, 0, sizeof(*nearest));
	nearest->forest = forest;
	nearest->options = question->options;
	nearest->max_changes = 1 + below(3);
	nearest->budget = INT64_MAX;
	nearest->class = forest->num_groups > 1 ? below(forest->num_groups) : -1;
	nearest->up = below(2);

	/* a threshold that some rows are beyond */
	for (int i = 0; i < 3; i++)
	{
		float		narrow[1];

		random_row(&question->row, forest);
		margins_of(&question->row, margins);
		narrow[0] = (float) margins[0];
		if (nearest->class >= 0)
			continue;
		if (forest->wide.used)
			mlops_forest_transform64(forest, margins, &scores[i]);
		else
		{
			mlops_forest_transform(forest, narrow, narrow);
			scores[i] = narrow[0];
		}
	}
	nearest->threshold = nearest->up ? Max(scores[0], scores[1]) : Min(scores[0], scores[1]);
	nearest->row = row_vector(&question->row);

	for (int f = 0; f < forest->num_features && nearest->num_options < max_options; f++)
	{
		MlopsOption *option = &question->options[nearest->num_options];
		MlopsChoice *choices = question->choices[nearest->num_options];
		double		present = question->row.values[f];
		int			own;

		mlops_cells_create(forest, &f, 1, &host, &cells);
		own = isnan(present) ? -1 : mlops_cell_of(&cells, present);
		option->feature = f;
		option->choices = choices;
		option->num_choices = 0;
		for (int distance = 1; distance <= cells.num_cuts + 1; distance++)
		{
			for (int side = -1; side <= 1; side += 2)
			{
				int			cell = isnan(present) ? (side < 0 ? distance - 1 : -1) : own + side * distance;
				double		value;

				if (cell < 0 || cell > cells.num_cuts || option->num_choices >= max_choices - 1 || below(5) == 0)
					continue;
				value = cell < cells.num_cuts ? cells.cuts[cell] :
					cells.num_cuts > 0 ? cells.cuts[cells.num_cuts - 1] + 1 : 0;
				value = mlops_forest_reads(forest, value);
				if (value == present || mlops_cell_of(&cells, value) != cell)
					continue;
				choices[option->num_choices].value = value;
				choices[option->num_choices++].cost = isnan(present) ? 4 : distance;
			}
		}
		if (!isnan(present) && below(3) == 0)
		{
			double		last = option->num_choices > 0 ? choices[option->num_choices - 1].cost : 1;

			choices[option->num_choices].value = NAN;
			choices[option->num_choices++].cost = last;
		}
		host_release(NULL, cells.cuts);
		if (option->num_choices > 0 && below(5) > 0)
			nearest->num_options++;
	}
}

/* the best answer by trying everything, in the order that ties are settled by */
typedef struct Best
{
	bool		found;
	int			count;
	double		cost;
	int			options[MLOPS_MAX_CHANGES];
	int			choices[MLOPS_MAX_CHANGES];
} Best;

static void
put_value(Question *question, int feature, double value)
{
	if (question->nearest.forest->wide.used)
		((double *) question->nearest.row)[feature] = value;
	else
		((float *) question->nearest.row)[feature] = (float) value;
}

static void
try_all(Question *question, int size, int depth, int *options, int *choices, Best *best)
{
	const MlopsNearest *nearest = &question->nearest;

	if (depth == size)
	{
		double		cost = 0;
		int			order = 0;

		if (!mlops_nearest_reached(nearest, question->row.scratch))
			return;
		for (int i = 0; i < size; i++)
			cost += nearest->options[options[i]].choices[choices[i]].cost;
		if (best->found)
		{
			for (int i = 0; order == 0 && i < size; i++)
				order = options[i] - best->options[i];
			for (int i = 0; order == 0 && i < size; i++)
				order = choices[i] - best->choices[i];
			if (cost > best->cost || (cost == best->cost && order > 0))
				return;
		}
		best->found = true;
		best->count = size;
		best->cost = cost;
		memcpy(best->options, options, size * sizeof(int));
		memcpy(best->choices, choices, size * sizeof(int));
		return;
	}
	for (int i = depth > 0 ? options[depth - 1] + 1 : 0; i < nearest->num_options; i++)
	{
		double		present = question->row.values[nearest->options[i].feature];

		options[depth] = i;
		for (int k = 0; k < nearest->options[i].num_choices; k++)
		{
			choices[depth] = k;
			put_value(question, nearest->options[i].feature, nearest->options[i].choices[k].value);
			try_all(question, size, depth + 1, options, choices, best);
		}
		put_value(question, nearest->options[i].feature, present);
	}
}

static bool
same_answer(const MlopsNearest *nearest, const Best *best)
{
	if (!best->found)
		return nearest->result == MLOPS_NEAREST_NONE && nearest->proven && nearest->num_changes == 0;
	return nearest->result == MLOPS_NEAREST_FOUND && nearest->proven &&
		nearest->num_changes == best->count && nearest->cost == best->cost &&
		memcmp(nearest->options_taken, best->options, best->count * sizeof(int)) == 0 &&
		memcmp(nearest->choices_taken, best->choices, best->count * sizeof(int)) == 0;
}

/* what is asked of a forest, many times, against trying everything */
static void
test_search(const MlopsForest *forest, const char *name, int times, int max_choices)
{
	Question	question = {0};
	MlopsForestError error;
	int			wrong = 0;
	int			spoiled = 0;
	int			sizes[4] = {0};

	question.row.scratch = malloc(mlops_forest_scratch_size(forest));
	for (int n = 0; n < times; n++)
	{
		MlopsNearest *nearest = &question.nearest;
		Best		best = {0};
		int			options[MLOPS_MAX_CHANGES];
		int			choices[MLOPS_MAX_CHANGES];
		char		before[sizeof(question.row.values)];
		size_t		size = forest->num_features * (forest->wide.used ? sizeof(double) : sizeof(float));

		ask(&question, forest, 4, max_choices);
		if (mlops_nearest_reached(nearest, question.row.scratch))
			continue;
		for (int k = 1; k <= Min(nearest->max_changes, nearest->num_options) && !best.found; k++)
			try_all(&question, k, 0, options, choices, &best);
		memcpy(before, nearest->row, size);
		if (!mlops_nearest_find(nearest, &host, &error) || !same_answer(nearest, &best))
			wrong++;
		spoiled += memcmp(before, nearest->row, size) != 0;
		sizes[nearest->num_changes]++;
	}
	ok(wrong == 0 && spoiled == 0, "%s: the least change, as by trying all: none %d times, of one feature %d, two %d, three %d",
	   name, sizes[0], sizes[1], sizes[2], sizes[3]);
	free(question.row.scratch);
}

/*
 * A budget: never exceeded, the same answer each time, and never one that does
 * not hold.
 */
static void
test_budget(void)
{
	MlopsForest *forest = random_forest(5, 40, 0, false, "binary:logistic");
	Question	question = {0};
	MlopsNearest *nearest = &question.nearest;
	MlopsForestError error;
	int			wrong = 0;
	int			unproven = 0;
	int			unknown = 0;
	int			better = 0;

	question.row.scratch = malloc(mlops_forest_scratch_size(forest));
	for (int n = 0; n < 60; n++)
	{
		MlopsNearest full;

		do
			ask(&question, forest, 5, 20);
		while (mlops_nearest_reached(nearest, question.row.scratch));
		nearest->max_changes = 3;
		full = *nearest;
		mlops_nearest_find(&full, &host, &error);
		wrong += !full.proven;
		for (int64 budget = 0; budget <= full.evaluations; budget += 1 + budget / 4)
		{
			MlopsNearest again;

			nearest->budget = budget;
			again = *nearest;
			mlops_nearest_find(nearest, &host, &error);
			mlops_nearest_find(&again, &host, &error);
			wrong += memcmp(nearest, &again, sizeof(again)) != 0;
			wrong += nearest->evaluations > budget;
			wrong += nearest->proven != (budget == full.evaluations) && nearest->evaluations == budget;
			unproven += nearest->result == MLOPS_NEAREST_FOUND && !nearest->proven;
			unknown += nearest->result == MLOPS_NEAREST_UNKNOWN;
			wrong += nearest->result == MLOPS_NEAREST_NONE && full.result != MLOPS_NEAREST_NONE;
			if (nearest->result != MLOPS_NEAREST_FOUND)
				continue;
			wrong += full.result != MLOPS_NEAREST_FOUND || nearest->num_changes < full.num_changes ||
				(nearest->num_changes == full.num_changes && nearest->cost < full.cost);
			better += nearest->num_changes > full.num_changes || nearest->cost > full.cost;
			for (int i = 0; i < nearest->num_changes; i++)
			{
				const MlopsOption *option = &nearest->options[nearest->options_taken[i]];

				put_value(&question, option->feature, option->choices[nearest->choices_taken[i]].value);
			}
			wrong += !mlops_nearest_reached(nearest, question.row.scratch);
			nearest->row = row_vector(&question.row);
		}
	}
	ok(wrong == 0 && unproven > 0 && unknown > 0 && better > 0,
	   "a budget: %d answers without proof, %d of them not the least, %d without an answer", unproven, better, unknown);
	free(question.row.scratch);
	host_release(NULL, forest);
}

/*
 * Thresholds that cannot be reached, or always are.
 */
static void
test_thresholds(void)
{
	MlopsForest *forest = random_forest(3, 5, 0, false, "binary:logistic");
	Question	question = {0};
	MlopsNearest *nearest = &question.nearest;
	MlopsForestError error;

	question.row.scratch = malloc(mlops_forest_scratch_size(forest));
	do
		ask(&question, forest, 3, 20);
	while (nearest->num_options < 2);
	nearest->up = true;
	nearest->threshold = 1.5;
	ok(mlops_nearest_find(nearest, &host, &error) && nearest->result == MLOPS_NEAREST_NONE && nearest->proven &&
	   nearest->evaluations == 1, "no probability is above 1, as one look tells");
	nearest->up = false;
	nearest->threshold = 0;
	ok(mlops_nearest_find(nearest, &host, &error) && nearest->result == MLOPS_NEAREST_NONE && nearest->proven,
	   "none is below 0");
	nearest->num_options = 0;
	nearest->threshold = 1;
	ok(mlops_nearest_find(nearest, &host, &error) && nearest->result == MLOPS_NEAREST_NONE && nearest->proven,
	   "nothing may change");
	free(question.row.scratch);
	host_release(NULL, forest);
}

/*
 * A missing value that is the only choice, and goes where no number does.
 */
static void
test_missing(void)
{
	Item	   *root = new_model(2, "reg:squarederror", "0");
	MlopsForestError error;
	MlopsForest *forest;
	Bytes		file;
	float		row[] = {2, 2};
	MlopsChoice choice = {NAN, 1};
	MlopsOption options[] = {{0, 1, &choice}, {1, 1, &choice}};
	MlopsNearest nearest = {.class = -1, .up = true, .threshold = 10, .options = options, .num_options = 2,
	.max_changes = 2, .budget = 1000, .row = row};

	for (int t = 0; t < 2; t++)
	{
		Item	   *tree = new_tree(root, 0);

		add_leaf(tree, -1, 0);
		split_leaf(tree, 0, t, 1, true, 5, 0);
	}
	file = written(root, false);
	forest = mlops_forest_read(file.data, file.len, &host, &error);
	nearest.forest = forest;
	ok(mlops_nearest_find(&nearest, &host, &error) && nearest.result == MLOPS_NEAREST_FOUND &&
	   nearest.num_changes == 2 && nearest.cost == 2, "values that can only become missing");
	free(file.data);
	free_item(root);
	host_release(NULL, forest);
}

/*
 * Memory that is not there.
 */
static void
test_memory(void)
{
	MlopsForest *forest = random_forest(4, 20, 0, false, "reg:squarederror");
	Question	question = {0};
	MlopsForestError error;
	int			features[] = {0, 1, 2, 3};
	MlopsCells	cells[4];
	size_t		held;
	int			refusals = 0;
	int			wrong = 0;
	bool		good = false;

	question.row.scratch = malloc(mlops_forest_scratch_size(forest));
	do
		ask(&question, forest, 4, 20);
	while (question.nearest.num_options < 3);
	held = host_held;
	for (int i = 0; !good; i++)
	{
		host_fail_at = host_calls + i;
		good = mlops_nearest_find(&question.nearest, &host, &error);
		wrong += !good && error.code != MLOPS_FOREST_NO_MEMORY;
		wrong += host_held != held;
		refusals++;
	}
	ok(wrong == 0 && refusals > 20, "without memory it says so, and keeps none, %d times", refusals);
	for (int i = 0; i < 2; i++)
	{
		host_fail_at = host_calls + i;
		wrong += mlops_cells_create(forest, features, 4, &host, cells) || host_held != held;
	}
	ok(wrong == 0, "so do cells");
	host_fail_at = -1;
	free(question.row.scratch);
	host_release(NULL, forest);
}

int
main(void)
{
	test_grid();
	for (int i = 0; i < 6; i++)
	{
		MlopsForest *forest = random_forest(4, 12, i % 2 * 3, i < 2, i % 2 ? "multi:softprob" : "binary:logistic");

		test_cells(forest, i < 2 ? "categories" : "numbers");
		test_search(forest, i % 2 ? "classes" : "two classes", 120, 12);
		host_release(NULL, forest);
	}
	{
		MlopsForest *forest = random_forest(4, 3, 0, false, "count:poisson");

		test_search(forest, "few trees", 200, 12);
		host_release(NULL, forest);
	}
	for (int i = 0; i < (int) lengthof(fixtures); i++)
	{
		MlopsForest *forest = fixture(fixtures[i]);

		test_cells(forest, fixtures[i]);
		test_search(forest, fixtures[i], 60, 12);
		host_release(NULL, forest);
	}
	{
		MlopsForest *linear = fixture("linear");
		MlopsForest *trees = fixture("binary");

		ok(!mlops_nearest_possible(linear) && mlops_nearest_possible(trees), "linear trees cannot be searched");
		host_release(NULL, linear);
		host_release(NULL, trees);
	}
	test_budget();
	test_thresholds();
	test_missing();
	test_memory();
	ok(host_held == 0, "all memory went back");
	return finish();
}
