/*-------------------------------------------------------------------------
 *
 * thresholds.c
 *	  What the splits of a forest tell apart, and values on either side.
 *
 * All conversions here keep the order of numbers: from a step to its value,
 * and from a value to what the forest reads.  So the first step that gets into
 * a cell, and the last, are found by halving.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/forest_internal.h"
#include "forest/support.h"
#include "forest/thresholds.h"

/* the largest whole number up to which double has all */
#define MAX_WHOLE	(INT64CONST(1) << 53)

/* what takes the cuts of splits: counts them, or keeps them */
typedef struct Collector
{
	const MlopsForest *forest;
	int		   *place_of;		/* by feature: its place in cells, or -1; NULL: 0 */
	MlopsCells *cells;
	bool		counting;
} Collector;

/* the greatest number below a number, as the forest has them, or NaN */
static inline double
below(const MlopsForest *forest, double number)
{
	if (number == -INFINITY)
		return NAN;
	return forest->wide.used ? nextafter(number, -INFINITY) :
		(double) nextafterf((float) number, -INFINITY);
}

/* take a cut: the greatest number of a cell; no number is no cut */
static inline void
add_cut(Collector *collector, int feature, double cut)
{
	MlopsCells *cells = collector->cells;

	if (isnan(cut))
		return;
	if (collector->place_of != NULL)
		cells += collector->place_of[feature];

	if (!collector->counting)
		((uint64 *) cells->cuts)[cells->num_cuts] = mlops_wide_key(cut == 0.0 ? 0.0 : cut);
	cells->num_cuts++;
}

/*
 * Take the cuts around one category, whose code is the whole part of a number;
 * for a wide forest that of the numbers above -1 is 0.
 */
static void
add_category(Collector *collector, int feature, uint32 code)
{
	const MlopsForest *forest = collector->forest;

	add_cut(collector, feature, forest->wide.used && code == 0 ? -1.0 : below(forest, code));
	add_cut(collector, feature, below(forest, (double) code + 1));
}

/*
 * Take the cuts of a split.
 */
static void
add_split(Collector *collector, const MlopsNode *node)
{
	const MlopsForest *forest = collector->forest;
	const uint32 *set = mlops_part(forest, uint32, forest->sets) + node->u.set;
	uint32		last = node->u.set;

	switch ((MlopsSplit) node->split)
	{
		case MLOPS_SPLIT_LEAF:
			return;
		case MLOPS_SPLIT_NUMERIC:
			add_cut(collector, node->feature, below(forest, node->u.value));
			return;
		case MLOPS_SPLIT_ONE:
			add_category(collector, node->feature, node->u.set);
			break;
		case MLOPS_SPLIT_BITS:
			last = set[0] * 32 - 1;
			for (uint32 code = 0; code <= last; code++)
			{
				if (set[1 + code / 32] >> (code % 32) & 1)
					add_category(collector, node->feature, code);
			}
			break;
		case MLOPS_SPLIT_LIST:
			last = set[set[0]];
			for (uint32 i = 1; i <= set[0]; i++)
				add_category(collector, node->feature, set[i]);
			break;
	}

	/* what is no category of the set may go another way than one that is not in it */
	add_cut(collector, node->feature, below(forest, 0));
	add_cut(collector, node->feature, below(forest, (double) (last | 31) + 1));
}

/*
 * The same of a wide forest.
 */
static void
add_wide_split(Collector *collector, const MlopsWideNode *node)
{
	const uint32 *set = mlops_part(collector->forest, uint32, collector->forest->sets) + node->set;

	switch ((MlopsWideSplit) node->split)
	{
		case MLOPS_WIDE_LEAF:
			return;
		case MLOPS_WIDE_NUMERIC:
			add_cut(collector, node->feature, node->value);
			if (node->missing == MLOPS_MISSING_ZERO)
			{
				add_cut(collector, node->feature, below(collector->forest, 0));
				add_cut(collector, node->feature, 0);
			}
			return;
		case MLOPS_WIDE_SET:
			for (uint32 code = 0; code < node->words * 32; code++)
			{
				if (set[code / 32] >> (code % 32) & 1)
					add_category(collector, node->feature, code);
			}
			return;
	}
}

/*
 * Take the cuts of all splits on the wanted features.
 */
static void
collect(Collector *collector, const MlopsForestEnv *env)
{
	const MlopsForest *forest = collector->forest;
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);

	for (int t = 0; t < forest->num_trees; t++)
	{
		if (env->check != NULL)
			env->check(env->arg);
		for (uint32 i = trees[t].first_node; i < trees[t].first_node + trees[t].num_nodes; i++)
		{
			const MlopsWideNode *wide = mlops_part(forest, MlopsWideNode, forest->wide.nodes) + i;
			const MlopsNode *node = mlops_part(forest, MlopsNode, forest->nodes) + i;

			if (forest->wide.used)
			{
				if (wide->split != MLOPS_WIDE_LEAF && collector->place_of[wide->feature] >= 0)
					add_wide_split(collector, wide);
			}
			else if (node->split != MLOPS_SPLIT_LEAF && collector->place_of[node->feature] >= 0)
				add_split(collector, node);
		}
	}
}

/*
 * Sort cuts that were collected as keys, drop what is there twice, and make
 * numbers of them again.
 */
static void
finish_cuts(MlopsCells *cells)
{
	uint64	   *keys = (uint64 *) cells->cuts;
	int			count = 0;

	mlops_sort_uint64(keys, cells->num_cuts);
	for (int i = 0; i < cells->num_cuts; i++)
	{
		if (i == 0 || keys[i] != keys[count - 1])
			keys[count++] = keys[i];
	}
	for (int i = 0; i < count; i++)
	{
		uint64		bits = keys[i] & UINT64CONST(0x8000000000000000) ?
			keys[i] ^ UINT64CONST(0x8000000000000000) : ~keys[i];

		memcpy(&cells->cuts[i], &bits, sizeof(bits));
	}
	cells->num_cuts = count;
}

/*
 * The cells of some features, each of which is there once; cells has an
 * element for each.  All cuts are one chunk of the host's, at cells[0].cuts,
 * which the caller releases.  False if there is no memory.
 */
bool
mlops_cells_create(const MlopsForest *forest, const int *features, int count,
				   const MlopsForestEnv *env, MlopsCells *cells)
{
	Collector	collector = {forest, NULL, cells, true};
	size_t		total = 0;
	double	   *cuts;

	collector.place_of = env->alloc(env->arg, ((size_t) forest->num_features + 1) * sizeof(int));
	if (collector.place_of == NULL)
		return false;
	for (int i = 0; i < forest->num_features; i++)
		collector.place_of[i] = -1;
	for (int i = 0; i < count; i++)
	{
		collector.place_of[features[i]] = i;
		cells[i].feature = features[i];
		cells[i].num_cuts = 0;
		cells[i].cuts = NULL;
	}

	collect(&collector, env);
	for (int i = 0; i < count; i++)
		total += (size_t) cells[i].num_cuts;
	cuts = env->alloc(env->arg, (total + 1) * sizeof(double));
	if (cuts != NULL)
	{
		for (int i = 0; i < count; i++)
		{
			cells[i].cuts = cuts;
			cuts += cells[i].num_cuts;
			cells[i].num_cuts = 0;
		}
		collector.counting = false;
		collect(&collector, env);
		for (int i = 0; i < count; i++)
		{
			if (env->check != NULL)
				env->check(env->arg);
			finish_cuts(&cells[i]);
		}
	}
	env->release(env->arg, collector.place_of);
	return cuts != NULL;
}

/*
 * The cells that one split, given by its number in the forest, tells apart.
 * The cuts are a chunk of the host's, which the caller releases.  False if
 * there is no memory.
 */
bool
mlops_split_cells(const MlopsForest *forest, uint32 node, const MlopsForestEnv *env, MlopsCells *cells)
{
	const MlopsNode *narrow = mlops_part(forest, MlopsNode, forest->nodes) + node;
	const MlopsWideNode *wide = mlops_part(forest, MlopsWideNode, forest->wide.nodes) + node;
	Collector	collector = {forest, NULL, cells, true};

	cells->feature = forest->wide.used ? wide->feature : narrow->feature;
	for (;;)
	{
		cells->num_cuts = 0;
		if (forest->wide.used)
			add_wide_split(&collector, wide);
		else
			add_split(&collector, narrow);
		if (!collector.counting)
			break;
		cells->cuts = env->alloc(env->arg, ((size_t) cells->num_cuts + 1) * sizeof(double));
		if (cells->cuts == NULL)
			return false;
		collector.counting = false;
	}
	finish_cuts(cells);
	return true;
}

/*
 * Does a value, as the forest reads it, go left at a split, given by its number
 * in the forest?
 */
bool
mlops_split_left(const MlopsForest *forest, uint32 node, double value)
{
	if (forest->wide.used)
		return mlops_wide_left(forest, mlops_part(forest, MlopsWideNode, forest->wide.nodes) + node, value);
	return mlops_node_left(forest, mlops_part(forest, MlopsNode, forest->nodes) + node, (float) value);
}

/*
 * The cell of a number as the forest reads it.
 */
int
mlops_cell_of(const MlopsCells *cells, double value)
{
	int			low = 0;
	int			high = cells->num_cuts;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (value <= cells->cuts[middle])
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/*
 * What a forest reads of a number.
 */
double
mlops_forest_reads(const MlopsForest *forest, double value)
{
	if (!forest->wide.used)
		return (float) value;
	return fabs(value) <= MLOPS_WIDE_ZERO ? 0.0 : value;
}

/*
 * The value of step k of a grid.  Those of float and double are all finite
 * numbers in their order, with step 0 for zero.
 */
static double
grid_value(const MlopsGrid *grid, int64 k)
{
	switch (grid->kind)
	{
		case MLOPS_GRID_FLOAT:
			{
				uint32		bits = (uint32) (k < 0 ? -k : k);
				float		value;

				memcpy(&value, &bits, sizeof(value));
				return k < 0 ? -value : value;
			}
		case MLOPS_GRID_DOUBLE:
			{
				uint64		bits = (uint64) (k < 0 ? -k : k);
				double		value;

				memcpy(&value, &bits, sizeof(value));
				return k < 0 ? -value : value;
			}
		case MLOPS_GRID_STEPS:
			break;
	}
	return (double) (k * grid->multiple) / grid->divisor + grid->offset;
}

/* the last step of a grid; the first is its negative */
static int64
grid_end(const MlopsGrid *grid)
{
	switch (grid->kind)
	{
		case MLOPS_GRID_FLOAT:
			return 0x7F7FFFFF;
		case MLOPS_GRID_DOUBLE:
			return INT64CONST(0x7FEFFFFFFFFFFFFF);
		case MLOPS_GRID_STEPS:
			break;
	}
	return MAX_WHOLE / grid->multiple;
}

/* which steps are looked for */
typedef struct Wanted
{
	const MlopsForest *forest;
	const MlopsGrid *grid;
	double		least;			/* value */
	bool		or_more;		/* also that value itself */
	double		above;			/* as the forest reads it */
} Wanted;

/*
 * The first step whose value is more than the least one wanted and is read as
 * more than what is wanted; one more than the last step if there is none.
 */
static int64
first_step(const Wanted *wanted)
{
	int64		end = grid_end(wanted->grid);
	int64		low = -end;
	int64		high = end + 1;

	while (low < high)
	{
		int64		middle = low + (int64) (((uint64) high - (uint64) low) / 2);
		double		value = grid_value(wanted->grid, middle);

		if ((wanted->or_more ? value >= wanted->least : value > wanted->least) &&
			mlops_forest_reads(wanted->forest, value) > wanted->above)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/*
 * The first value of a grid that the forest reads as more than a cut.  False if
 * there is none.
 */
bool
mlops_grid_above(const MlopsForest *forest, const MlopsGrid *grid, double cut, MlopsGridValue *first)
{
	Wanted		above = {forest, grid, grid->min, true, cut};
	Wanted		beyond = {forest, grid, grid->max, false, -INFINITY};
	int64		step = first_step(&above);

	if (step >= first_step(&beyond))
		return false;
	first->value = grid_value(grid, step);
	first->steps = grid->kind == MLOPS_GRID_STEPS ? step * grid->multiple : 0;
	return true;
}

/*
 * The value of a grid in a cell that is nearest to the present one, and of two
 * that are as near the lower.  If the present value is missing (NaN), that is
 * the nearest to zero.  False if the grid has no value in the cell.
 */
bool
mlops_cell_nearest(const MlopsForest *forest, const MlopsCells *cells, int cell,
				   const MlopsGrid *grid, double present, MlopsGridValue *nearest)
{
	Wanted		from = {forest, grid, grid->min, true, -INFINITY};
	Wanted		beyond = {forest, grid, grid->max, false, -INFINITY};
	Wanted		cut = {forest, grid, -INFINITY, true, INFINITY};
	Wanted		around = {forest, grid, isnan(present) ? 0.0 : present, true, -INFINITY};
	int64		first;
	int64		last;
	int64		step;

	if (cell > 0)
		from.above = cells->cuts[cell - 1];
	if (cell < cells->num_cuts)
		cut.above = cells->cuts[cell];
	first = first_step(&from);
	last = Min(first_step(&beyond), first_step(&cut)) - 1;
	if (first > last)
		return false;

	step = first_step(&around);
	if (step > first && step <= last &&
		around.least - grid_value(grid, step - 1) <= grid_value(grid, step) - around.least)
		step--;
	step = Max(step, first);
	step = Min(step, last);
	nearest->value = grid_value(grid, step);
	nearest->steps = grid->kind == MLOPS_GRID_STEPS ? step * grid->multiple : 0;
	return true;
}
