/*-------------------------------------------------------------------------
 *
 * batch_plan.c
 *	  Arranges the trees of a forest for the batch kernels.
 *
 * See batch.h for what the kernels do with the result.  The time taken is that
 * of sorting the thresholds, and the memory is bounded by a small multiple of
 * the nodes: trees of more than some thousand operations have none, and a
 * forest that would need more than MLOPS_MAX_PLANES has none either.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/batch_build.h"

/*
 * Rough costs in cycles per row, to choose how to evaluate a tree, and if
 * blocks of rows are worth it.  test/bench/forest_batch.c shows what comes of
 * them.
 */
typedef struct Costs
{
	double		op;				/* of a tree by planes */
	double		add;			/* finding and adding a leaf's value */
	double		rank;			/* a chunk's */
	double		rank_wide;
} Costs;

static const Costs costs[MLOPS_NUM_SIMD] = {
	[MLOPS_SIMD_PLAIN] = {0.14, 1.5, 9, 11},
	[MLOPS_SIMD_AVX2] = {0.06, 1.5, 9, 11},
	[MLOPS_SIMD_AVX512] = {0.03, 0.7, 2.5, 11}
};

#define COST_KEY			2.0		/* a column's */
#define COST_SPREAD			3.5		/* a slot's, for the walk */
#define COST_STEP			2.0		/* of the walk */
#define COST_STEP_WIDE		3.0
#define COST_TREE			3.0		/* the walk's start and end */
#define COST_ROW_SLOT		0.4		/* of the row kernel */
#define COST_ROW_STEP		1.6
#define COST_ROW_STEP_WIDE	4.0
#define COST_PLAIN_STEP		12.0	/* of mlops_tree_leaf() and its like */
#define COST_MISS			2.0		/* a step's, where nodes come from afar */
#define CACHE_SIZE			(1024 * 1024)

/* bytes that planes and sums of a block may take, and slots of its walk */
#define NEAR_SIZE			(128 * 1024)
#define SPREAD_SIZE			(128 * 1024)

/* a column, while thresholds are collected */
typedef struct Column
{
	size_t		begin;			/* of its thresholds in sorted */
	size_t		count;			/* first with repetitions, then without */
	uint32		first_chunk;
	uint32		chunk_keys;		/* thresholds per chunk */
} Column;

/* a node of the tree that is being arranged */
typedef struct Place
{
	uint32		left;			/* left child, or 0 */
	uint32		leaves;			/* of its subtree */
	uint32		first_leaf;
	uint32		buckets;		/* parts of at most 256 leaves */
	uint32		first_bucket;
	uint32		need;			/* results kept while it is evaluated */
} Place;

/* a node whose operations are under way */
typedef struct Frame
{
	uint32		node;
	uint16		base;			/* its result, among those on the stack */
	uint16		state;			/* children that are done */
} Frame;

typedef struct Planner
{
	const MlopsBatchSource *source;
	MlopsSupport *support;
	MlopsBatchPlan *plan;
	uint32	   *column_of;		/* per feature, and rule of what is missing */
	Column	   *columns;
	size_t		num_columns;
	uint64	   *sorted;			/* thresholds by column */
	uint64	   *spare;			/* as many as the longest column's */
	Place	   *places;
	Frame	   *frames;
	MlopsPlaneOp *next_op;		/* the next to fill in */
	bool		fits;			/* there are not too many planes */
} Planner;

/* a node of either kind of forest */
typedef struct View
{
	uint32		left;			/* left child, or 0 */
	bool		test;			/* categorical */
	bool		missing_left;
	uint8		missing;		/* an MlopsMissing */
	uint16		feature;
	uint64		key;			/* goes right from this key on */
} View;

/* what is missing is part of a column in a wide forest */
#define NUM_RULES	3

/* append zeroed elements to a vector; returns the first, or NULL */
static void *
append(Planner *planner, MlopsVector *vector, size_t element, size_t count)
{
	char	   *added;

	if (!mlops_vector_reserve(planner->support, vector, element, count))
		return NULL;
	added = (char *) vector->data + vector->count * element;
	memset(added, 0, element * count);
	vector->count += count;
	return added;
}

/* look at a node */
static inline View
view(const Planner *planner, uint32 node)
{
	View		v = {0};

	if (planner->plan->wide)
	{
		const MlopsWideNode *n = &planner->source->wide_nodes[node];

		if (n->split == MLOPS_WIDE_LEAF)
			return v;
		v.left = n->left;
		v.missing_left = n->missing == MLOPS_MISSING_NONE || n->default_left;
		v.missing = n->missing;
		v.feature = n->feature;
		/* -0 is 0; a value that is equal goes left */
		v.key = mlops_wide_key(n->value + 0.0) + 1;
	}
	else
	{
		const MlopsNode *n = &planner->source->nodes[node];

		if (n->split == MLOPS_SPLIT_LEAF)
			return v;
		v.left = n->left;
		v.test = n->split != MLOPS_SPLIT_NUMERIC;
		v.missing_left = n->default_left;
		v.feature = n->feature;
		v.key = v.test ? 0 : mlops_narrow_key(n->u.value);
	}
	return v;
}

/* the column of a node, in column_of */
static inline uint32 *
column_of(const Planner *planner, const View *v)
{
	size_t		rule = planner->plan->wide ? v->missing : 0;

	return &planner->column_of[rule * planner->source->num_features + v->feature];
}

/*
 * Steps of a walk: few rows go all the way down where a tree is much deeper
 * than it must be.
 */
static double
steps(const MlopsTree *tree)
{
	return Min(tree->depth, 2.0 * log2(tree->num_nodes));
}

/* the cost of a tree by planes, and by a walk, or without */
static double
cost_planes(MlopsSimd simd, const MlopsTree *tree)
{
	return costs[simd].op * (tree->num_nodes / 2) + costs[simd].add;
}

static double
cost_walk(const Planner *planner, const MlopsTree *tree, bool walks)
{
	if (!tree->walked || !walks)
		return steps(tree) * COST_PLAIN_STEP;
	return steps(tree) * (planner->plan->wide ? COST_STEP_WIDE : COST_STEP) + COST_TREE;
}

/* can the walk do blocks? */
static bool
can_walk(const Planner *planner)
{
	return planner->source->num_slots <= MLOPS_MAX_WALK_SLOTS;
}

/*
 * Which trees get operations: those that do best with them by some instruction
 * set.
 */
static bool
suits(const Planner *planner, const MlopsTree *tree)
{
	if (tree->num_nodes / 2 > MLOPS_MAX_OPS)
		return false;

	/* tests are evaluated as for the row kernel, or not at all */
	if (planner->plan->wide ? !tree->walked || tree->categorical :
		tree->categorical && !tree->walked)
		return false;
	for (int simd = 0; simd < MLOPS_NUM_SIMD; simd++)
	{
		if (cost_planes(simd, tree) < cost_walk(planner, tree, can_walk(planner)))
			return true;
	}
	return false;
}

/*
 * Sort keys, byte after byte from the last on; bytes in which all keys agree
 * are passed over.  The time is bounded whatever the keys.
 */
static void
sort_keys(Planner *planner, uint64 *keys, size_t count)
{
	uint64	   *from = keys;
	uint64	   *to = planner->spare;
	uint64		differ = 0;

	if (count < 128)
	{
		mlops_sort_uint64(keys, count);
		return;
	}
	for (size_t i = 1; i < count; i++)
		differ |= keys[i] ^ keys[0];
	for (int shift = 0; shift < 64; shift += 8)
	{
		size_t		ends[256] = {0};
		size_t		next = 0;
		uint64	   *swap = from;

		if ((differ >> shift & 0xFF) == 0)
			continue;
		for (size_t i = 0; i < count; i++)
			ends[from[i] >> shift & 0xFF]++;
		for (int byte = 0; byte < 256; byte++)
		{
			size_t		begin = next;

			next += ends[byte];
			ends[byte] = begin;
		}
		for (size_t i = 0; i < count; i++)
			to[ends[from[i] >> shift & 0xFF]++] = from[i];
		from = to;
		to = swap;
	}
	if (from != keys)
		memcpy(keys, from, count * sizeof(uint64));
}

/*
 * Make a column of each feature, and rule of what is missing, that some node
 * compares: column_of has the number of such nodes, and gets the number of the
 * column, from 1 on.
 */
static bool
number_columns(Planner *planner, size_t num_rules)
{
	size_t		num_features = planner->source->num_features;
	size_t		longest = 0;
	size_t		total = 0;

	for (size_t k = 0; k < num_rules * num_features; k++)
		planner->num_columns += planner->column_of[k] > 0;
	planner->columns = mlops_alloc(planner->support, (planner->num_columns + 1) * sizeof(Column));
	if (planner->columns == NULL)
		return false;
	memset(planner->columns, 0, (planner->num_columns + 1) * sizeof(Column));
	for (size_t f = 0; f < num_features; f++)
	{
		for (size_t rule = 0; rule < num_rules; rule++)
		{
			uint32	   *number = &planner->column_of[rule * num_features + f];
			MlopsBatchColumn *column;

			if (*number == 0)
				continue;
			planner->columns[planner->plan->columns.count].begin = total;
			total += *number;
			longest = Max(longest, *number);
			column = append(planner, &planner->plan->columns, sizeof(MlopsBatchColumn), 1);
			if (column == NULL)
				return false;
			column->feature = (uint16) f;
			column->missing = (uint8) rule;
			*number = (uint32) planner->plan->columns.count;
		}
	}
	planner->sorted = mlops_alloc(planner->support, (total + 1) * sizeof(uint64));
	planner->spare = mlops_alloc(planner->support, (longest + 1) * sizeof(uint64));
	return planner->sorted != NULL && planner->spare != NULL;
}

/*
 * Collect the thresholds of each column, sorted and without repetitions.
 */
static bool
collect_keys(Planner *planner)
{
	const MlopsBatchSource *source = planner->source;
	const MlopsBatchTree *trees = planner->plan->trees.data;
	size_t		num_rules = planner->plan->wide ? NUM_RULES : 1;

	planner->column_of = mlops_alloc(planner->support,
									 num_rules * source->num_features * sizeof(uint32));
	if (planner->column_of == NULL)
		return false;
	memset(planner->column_of, 0, num_rules * source->num_features * sizeof(uint32));

	/* count, then fill */
	for (int pass = 0; pass < 2; pass++)
	{
		for (size_t t = 0; t < source->num_trees; t++)
		{
			for (uint32 i = 0; trees[t].num_leaves > 0 && i < source->trees[t].num_nodes; i++)
			{
				View		v = view(planner, source->trees[t].first_node + i);
				uint32	   *number = column_of(planner, &v);

				if (v.left == 0 || v.test)
					continue;
				if (pass == 0)
					(*number)++;
				else
				{
					Column	   *column = &planner->columns[*number - 1];

					planner->sorted[column->begin + column->count++] = v.key;
				}
			}
		}
		if (pass == 0 && !number_columns(planner, num_rules))
			return false;
	}
	for (size_t c = 0; c < planner->num_columns; c++)
	{
		Column	   *column = &planner->columns[c];
		uint64	   *keys = planner->sorted + column->begin;
		size_t		kept = 0;

		mlops_check(planner->support);
		sort_keys(planner, keys, column->count);
		for (size_t i = 0; i < column->count; i++)
		{
			if (i == 0 || keys[i] != keys[i - 1])
				keys[kept++] = keys[i];
		}
		column->count = kept;
	}
	return true;
}

/*
 * Write sorted keys as a search tree of so many levels.
 */
static void
put_keys(Planner *planner, size_t first_key, uint32 levels, const uint64 *keys, uint32 count)
{
	for (uint32 level = 0; level < levels; level++)
	{
		for (uint32 i = 0; i < (uint32) 1 << level; i++)
		{
			uint32		rank = ((2 * i + 1) << (levels - level - 1)) - 1;
			size_t		place = first_key + ((uint32) 1 << level) + i;

			if (planner->plan->wide)
				((uint64 *) planner->plan->keys.data)[place] = rank < count ? keys[rank] : PG_UINT64_MAX;
			else
				((uint32 *) planner->plan->keys.data)[place] = rank < count ? (uint32) keys[rank] : PG_UINT32_MAX;
		}
	}
}

/*
 * Cut the thresholds of the columns into chunks.
 */
static bool
cut_chunks(Planner *planner)
{
	MlopsBatchPlan *plan = planner->plan;
	size_t		width = planner->plan->wide ? sizeof(uint64) : sizeof(uint32);

	for (size_t c = 0; c < planner->num_columns; c++)
	{
		Column	   *column = &planner->columns[c];
		uint32		num_chunks = (uint32) ((column->count + MLOPS_CHUNK_KEYS - 1) / MLOPS_CHUNK_KEYS);

		if (plan->chunks.count + num_chunks > MLOPS_MAX_PLANES)
		{
			planner->fits = false;
			return true;
		}
		column->first_chunk = (uint32) plan->chunks.count;
		column->chunk_keys = (uint32) ((column->count + num_chunks - 1) / num_chunks);
		for (size_t first = 0; first < column->count; first += column->chunk_keys)
		{
			uint32		count = (uint32) Min(column->count - first, column->chunk_keys);
			MlopsBatchChunk *chunk = append(planner, &plan->chunks, sizeof(MlopsBatchChunk), 1);

			if (chunk == NULL)
				return false;
			chunk->column = (uint32) c;
			chunk->first_key = (uint32) plan->keys.count;
			chunk->levels = MLOPS_MIN_LEVELS;
			while (((uint32) 1 << chunk->levels) - 1 < count)
				chunk->levels++;
			chunk->left_plane = chunk->right_plane = MLOPS_NO_PLANE;
			if (append(planner, &plan->keys, width, (size_t) 1 << chunk->levels) == NULL)
				return false;
			put_keys(planner, chunk->first_key, chunk->levels,
					 planner->sorted + column->begin + first, count);
		}
	}
	return true;
}

/*
 * The plane that a node compares, and with what.
 */
static void
find_plane(Planner *planner, uint32 node, const View *v, MlopsPlaneOp *op)
{
	MlopsBatch *batch = &planner->plan->batch;
	const Column *column;
	const uint64 *keys;
	size_t		index = 0;
	MlopsBatchChunk *chunk;
	uint16	   *plane;

	if (v->test)
	{
		op->plane = (uint16) (batch->first_test + planner->source->test_of[node]);
		op->threshold = -128;
		return;
	}
	column = &planner->columns[*column_of(planner, v) - 1];
	keys = planner->sorted + column->begin;
	/* its key is there */
	for (size_t rest = column->count; rest > 1; rest -= rest / 2)
		index += keys[index + rest / 2 - 1] < v->key ? rest / 2 : 0;
	chunk = (MlopsBatchChunk *) planner->plan->chunks.data + column->first_chunk +
		index / column->chunk_keys;
	plane = v->missing_left ? &chunk->left_plane : &chunk->right_plane;
	if (*plane == MLOPS_NO_PLANE)
	{
		if (batch->num_planes == MLOPS_MAX_PLANES)
		{
			planner->fits = false;
			return;
		}
		*plane = (uint16) batch->num_planes++;
	}
	op->plane = *plane;
	op->threshold = (int8) ((int) (index % column->chunk_keys) - 128);
}

/* a child's result on the stack; that of a leaf is result 0 */
#define RESULT(leaf, base)	((leaf) ? 0 : 1 + (base))

/*
 * Fill in the operations of a node whose children's are there.  base is the
 * node's place on the stack, and that of the child which was evaluated first.
 */
static void
put_ops(Planner *planner, const MlopsTree *tree, uint32 node, uint32 base, bool left_first)
{
	View		v = view(planner, tree->first_node + node);
	const Place *left = &planner->places[v.left];
	const Place *right = left + 1;
	uint32		left_base = base + (!left_first && right->leaves > 1);
	uint32		right_base = base + (left_first && left->leaves > 1);
	MlopsPlaneOp *op = planner->next_op++;

	find_plane(planner, tree->first_node + node, &v, op);
	op->left = RESULT(left->leaves == 1, left_base);
	op->right = RESULT(right->leaves == 1, right_base);
	op->out = RESULT(false, base);
	if (planner->places[node].buckets == 1)
	{
		op->add = (uint8) left->leaves;
		return;
	}
	planner->next_op++;
	op[1] = op[0];
	op[1].left = left->buckets == 1 ? 0 : MLOPS_RESULT_BUCKET + 1 + left_base;
	op[1].right = right->buckets == 1 ? 0 : MLOPS_RESULT_BUCKET + 1 + right_base;
	op[1].out = MLOPS_RESULT_BUCKET + 1 + base;
	op[1].add = (uint8) left->buckets;
}

/*
 * Number the leaves of a tree from left to right, count the buckets, and find
 * how many results its evaluation keeps.  Children come after their parents.
 */
static void
measure_tree(Planner *planner, const MlopsTree *tree)
{
	Place	   *places = planner->places;

	for (uint32 i = tree->num_nodes; i-- > 0;)
	{
		const Place *left = &places[view(planner, tree->first_node + i).left];
		const Place *right = left + 1;

		places[i].left = (uint32) (left - places);
		places[i].leaves = places[i].buckets = 1;
		places[i].need = 0;
		if (left == places)
			continue;
		places[i].leaves = left->leaves + right->leaves;
		if (places[i].leaves > MLOPS_BUCKET_LEAVES)
			places[i].buckets = left->buckets + right->buckets;
		/* the harder child first, while nothing is kept yet */
		places[i].need = left->need != right->need ? Max(left->need, right->need) : left->need + 1;
	}
	places[0].first_leaf = places[0].first_bucket = 0;
	for (uint32 i = 0; i < tree->num_nodes; i++)
	{
		uint32		left = places[i].left;

		if (left == 0)
			continue;
		places[left].first_leaf = places[i].first_leaf;
		places[left + 1].first_leaf = places[i].first_leaf + places[left].leaves;
		places[left].first_bucket = places[i].first_bucket;
		places[left + 1].first_bucket = places[i].first_bucket +
			(places[i].buckets > 1 ? places[left].buckets : 0);
	}
}

/*
 * Arrange one tree: its operations, the values of its leaves, its buckets.
 */
static bool
arrange_tree(Planner *planner, size_t t)
{
	const MlopsBatchSource *source = planner->source;
	MlopsBatchPlan *plan = planner->plan;
	const MlopsTree *tree = &source->trees[t];
	MlopsBatchTree *batch_tree = (MlopsBatchTree *) plan->trees.data + t;
	bool		wide = plan->wide;
	size_t		depth = 0;
	void	   *leaves;
	uint32	   *buckets = NULL;

	measure_tree(planner, tree);
	if (planner->places[0].buckets > MLOPS_BUCKET_LEAVES)
	{
		batch_tree->num_leaves = 0;
		return true;
	}
	/* one for each split, and one more where buckets are joined */
	batch_tree->first_op = (uint32) plan->ops.count;
	batch_tree->num_ops = planner->places[0].leaves - 1 + planner->places[0].buckets - 1;
	batch_tree->first_leaf = (uint32) plan->leaves.count;
	batch_tree->num_leaves = planner->places[0].leaves;
	batch_tree->first_bucket = (uint32) plan->buckets.count;
	batch_tree->num_buckets = planner->places[0].buckets;
	leaves = append(planner, &plan->leaves, wide ? sizeof(double) : sizeof(float),
					batch_tree->num_leaves);
	if (leaves == NULL)
		return false;
	planner->next_op = NULL;
	if (batch_tree->num_ops > 0)
	{
		planner->next_op = append(planner, &plan->ops, sizeof(MlopsPlaneOp), batch_tree->num_ops);
		if (planner->next_op == NULL)
			return false;
	}
	if (batch_tree->num_buckets > 1)
	{
		buckets = append(planner, &plan->buckets, sizeof(uint32), batch_tree->num_buckets);
		if (buckets == NULL)
			return false;
	}
	for (uint32 i = tree->num_nodes; i-- > 0;)
	{
		const Place *place = &planner->places[i];

		/* the last to say where the bucket begins is its uppermost node */
		if (buckets != NULL && place->buckets == 1)
			buckets[place->first_bucket] = place->first_leaf;
		if (place->leaves > 1)
			continue;
		if (wide)
			((double *) leaves)[place->first_leaf] = source->wide_nodes[tree->first_node + i].value;
		else
			((float *) leaves)[place->first_leaf] =
				mlops_leaf_value(source->nodes[tree->first_node + i].u.value,
								 source->weighted, tree->weight);
	}

	/* children before their parents */
	if (tree->num_nodes > 1)
		planner->frames[depth++] = (Frame) {0, 0, 0};
	while (depth > 0 && planner->fits)
	{
		Frame	   *frame = &planner->frames[depth - 1];
		uint32		left = planner->places[frame->node].left;
		bool		left_first = planner->places[left].need >= planner->places[left + 1].need;
		uint32		first = left_first ? left : left + 1;
		uint32		child = frame->state == 0 ? first : 2 * left + 1 - first;

		if (frame->state == 2)
		{
			put_ops(planner, tree, frame->node, frame->base, left_first);
			depth--;
			continue;
		}
		if (planner->places[child].leaves > 1)
			planner->frames[depth++] = (Frame) {
				child, frame->base + (frame->state == 1 && planner->places[first].leaves > 1), 0
			};
		frame->state++;
	}
	return true;
}

/*
 * Give operations to the trees that suit.  Leaves planner->fits false if the
 * forest would need too many planes.
 */
static bool
arrange_trees(Planner *planner)
{
	const MlopsBatchSource *source = planner->source;
	MlopsBatchPlan *plan = planner->plan;
	MlopsBatchTree *trees = plan->trees.data;
	uint32		max_nodes = 0;

	for (size_t t = 0; t < source->num_trees; t++)
	{
		if (!suits(planner, &source->trees[t]))
			continue;
		trees[t].num_leaves = 1;	/* for now, just not 0 */
		max_nodes = Max(max_nodes, source->trees[t].num_nodes);
		if (source->trees[t].categorical)
			plan->batch.num_tests = source->num_slots - source->first_test;
	}
	plan->batch.num_planes = plan->batch.num_tests;
	if (plan->batch.num_tests > MLOPS_MAX_PLANES / 2)
		planner->fits = false;
	if (max_nodes == 0 || !planner->fits)
		return true;

	planner->places = mlops_alloc(planner->support, max_nodes * sizeof(Place));
	planner->frames = mlops_alloc(planner->support, max_nodes * sizeof(Frame));
	if (planner->places == NULL || planner->frames == NULL ||
		!collect_keys(planner) || !cut_chunks(planner))
		return false;
	for (size_t t = 0; t < source->num_trees && planner->fits; t++)
	{
		mlops_check(planner->support);
		if (trees[t].num_leaves > 0 && !arrange_tree(planner, t))
			return false;
	}
	return true;
}

/*
 * Choose the kernel of each tree, for one instruction set.
 */
static void
choose(Planner *planner, MlopsSimd simd)
{
	const MlopsBatchSource *source = planner->source;
	MlopsBatch *batch = &planner->plan->batch;
	MlopsBatchTree *trees = planner->plan->trees.data;
	bool		wide = source->wide_nodes != NULL;
	bool		walks = can_walk(planner);
	double		fixed = batch->num_columns * COST_KEY +
		batch->num_chunks * (wide ? costs[simd].rank_wide : costs[simd].rank);
	double		planes = fixed;
	double		walked = walks ? source->num_slots * COST_SPREAD : 0;
	double		rows = source->num_slots * COST_ROW_SLOT;
	bool		some_walked = false;
	double		row_step = (wide ? COST_ROW_STEP_WIDE : COST_ROW_STEP) +
		(source->walk_size > CACHE_SIZE ? COST_MISS : 0);
	size_t		near;
	size_t		spread;

	for (size_t t = 0; t < source->num_trees; t++)
	{
		const MlopsTree *tree = &source->trees[t];
		double		by_walk = cost_walk(planner, tree, walks);
		double		by_planes = cost_planes(simd, tree);

		if (trees[t].num_leaves > 0 && by_planes < by_walk)
		{
			trees[t].planes |= 1 << simd;
			planes += by_planes;
		}
		else
		{
			some_walked |= walks && tree->walked;
			planes += by_walk;
		}
		walked += by_walk;
		rows += tree->walked ? COST_TREE + row_step * steps(tree) :
			cost_walk(planner, tree, false);
	}
	if (some_walked)
		planes += source->num_slots * COST_SPREAD;
	if (walked <= planes)
	{
		planes = walked;
		some_walked = walks;
		for (size_t t = 0; t < source->num_trees; t++)
			trees[t].planes &= ~(1 << simd);
	}
	if (rows <= planes)
		return;
	batch->blocks |= 1 << simd;
	batch->walks |= some_walked ? 1 << simd : 0;

	/* as many rows as keep what is read for each tree near, within limits */
	near = batch->num_planes + source->num_groups * sizeof(double);
	spread = !some_walked ? 0 : source->num_slots *
		(wide ? sizeof(uint64) + sizeof(uint32) : sizeof(uint32));
	batch->block_rows[simd] = MLOPS_BLOCK_MAX;
	while (batch->block_rows[simd] > MLOPS_BLOCK_UNIT &&
		   (batch->block_rows[simd] * near > NEAR_SIZE ||
			batch->block_rows[simd] * spread > SPREAD_SIZE))
		batch->block_rows[simd] /= 2;
}

/*
 * Plan the batch kernels' part of a forest; called when the walk is planned.
 */
bool
mlops_batch_plan(const MlopsBatchSource *source, MlopsBatchPlan *plan)
{
	Planner		planner = {0};
	MlopsBatchTree *trees;

	memset(plan, 0, sizeof(*plan));
	plan->wide = source->wide_nodes != NULL;
	if (source->num_trees == 0)
		return true;
	planner.source = source;
	planner.support = source->support;
	planner.plan = plan;
	planner.fits = true;
	trees = append(&planner, &plan->trees, sizeof(MlopsBatchTree), source->num_trees);
	if (trees == NULL || !arrange_trees(&planner))
		return false;
	if (!planner.fits)
	{
		memset(&plan->batch, 0, sizeof(plan->batch));
		plan->columns.count = plan->chunks.count = plan->keys.count = 0;
		plan->ops.count = plan->leaves.count = plan->buckets.count = 0;
		memset(trees, 0, source->num_trees * sizeof(MlopsBatchTree));
	}
	while (plan->columns.count % MLOPS_KEY_COLUMNS != 0)
	{
		MlopsBatchColumn *column = append(&planner, &plan->columns, sizeof(MlopsBatchColumn), 1);

		if (column == NULL)
			return false;
		*column = *(MlopsBatchColumn *) plan->columns.data;
	}
	plan->batch.num_columns = (uint32) plan->columns.count;
	plan->batch.num_chunks = (uint32) plan->chunks.count;
	for (size_t t = 0; t < source->num_trees; t++)
	{
		uint32		position = source->positions[t];

		if (!source->trees[t].walked)
			continue;
		if (source->wide_nodes != NULL)
			trees[t].root = source->wide_bundles[position / MLOPS_WIDE_LANES].root[position % MLOPS_WIDE_LANES];
		else
			trees[t].root = source->bundles[position / MLOPS_LANES].root[position % MLOPS_LANES];
	}
	for (int simd = 0; simd < MLOPS_NUM_SIMD; simd++)
		choose(&planner, simd);

	mlops_release(planner.support, planner.column_of);
	mlops_release(planner.support, planner.columns);
	mlops_release(planner.support, planner.sorted);
	mlops_release(planner.support, planner.spare);
	mlops_release(planner.support, planner.places);
	mlops_release(planner.support, planner.frames);
	return true;
}

/* reserve a part of the block, on a boundary of lines; returns its offset */
static uint64
place(uint64 *size, uint64 element, const MlopsVector *vector)
{
	uint64		offset = TYPEALIGN64(64, *size);

	*size = offset + TYPEALIGN64(8, element * vector->count);
	return offset;
}

/*
 * Reserve the parts of the block that mlops_batch_put() will fill.
 */
void
mlops_batch_place(MlopsBatchPlan *plan, uint64 *size)
{
	plan->batch.columns = place(size, sizeof(MlopsBatchColumn), &plan->columns);
	plan->batch.chunks = place(size, sizeof(MlopsBatchChunk), &plan->chunks);
	plan->batch.keys = place(size, plan->wide ? sizeof(uint64) : sizeof(uint32), &plan->keys);
	plan->batch.trees = place(size, sizeof(MlopsBatchTree), &plan->trees);
	plan->batch.ops = place(size, sizeof(MlopsPlaneOp), &plan->ops);
	plan->batch.leaves = place(size, plan->wide ? sizeof(double) : sizeof(float), &plan->leaves);
	plan->batch.buckets = place(size, sizeof(uint32), &plan->buckets);
}

/* fill a part of the block */
static void
put(MlopsForest *forest, uint64 offset, const MlopsVector *vector, size_t element)
{
	if (vector->count > 0)
		memcpy((char *) forest + offset, vector->data, vector->count * element);
}

/*
 * Fill the parts of the block.
 */
void
mlops_batch_put(const MlopsBatchPlan *plan, MlopsForest *forest)
{
	const MlopsBatch *batch = &plan->batch;

	put(forest, batch->columns, &plan->columns, sizeof(MlopsBatchColumn));
	put(forest, batch->chunks, &plan->chunks, sizeof(MlopsBatchChunk));
	put(forest, batch->keys, &plan->keys, plan->wide ? sizeof(uint64) : sizeof(uint32));
	put(forest, batch->trees, &plan->trees, sizeof(MlopsBatchTree));
	put(forest, batch->ops, &plan->ops, sizeof(MlopsPlaneOp));
	put(forest, batch->leaves, &plan->leaves, plan->wide ? sizeof(double) : sizeof(float));
	put(forest, batch->buckets, &plan->buckets, sizeof(uint32));
}
