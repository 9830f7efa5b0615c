/*-------------------------------------------------------------------------
 *
 * walk.c
 *	  Arranges the trees of a forest for the row kernel.
 *
 * See kernel.c for what the kernel does with the result.  A tree that does not
 * fit the form is left out, and the kernel walks it plainly:
 *
 * - a child further away, or more slots, than 16 bits can say;
 * - categorical splits, if to evaluate all tests of the forest for each row
 *   would cost more than to evaluate those that the walks of a row meet; or if
 *   unseen categories take the default direction, as in a few old versions.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/build.h"

/* largest slot, and largest step to a child */
#define MAX_COMPACT		PG_UINT16_MAX

/* nodes in a cache line */
#define LINE_NODES		8

/* codes that the table of one categorical feature may have */
#define MAX_CODES		65536

/* rough costs, in cycles, to choose how to do categorical splits */
#define COST_CLEAR_SLOT	0.125
#define COST_SET_SLOT	1.5
#define COST_PLAIN_STEP	12.0

/* what is worked out before the trees are placed */
typedef struct Planner
{
	MlopsBuild *build;
	MlopsWalkPlan *plan;
	uint32	   *slots;			/* per feature: the slot where a missing value
								 * goes left, or 0 */
	size_t		num_tests;		/* distinct categorical tests */
	uint32	   *tests;			/* per test a node that makes it, by feature */
	uint32	   *test_of;		/* per node of the forest: its test */
	uint32		first_test;		/* slot of test 0 */
	uint32	   *places;			/* per node of a tree: where it is placed */
	uint32	   *pairs;			/* children of a tree that wait to be placed */
	uint32	   *order;			/* walked trees, as they are walked */
} Planner;

/* the nodes of the forest */
#define forest_nodes(planner)	((const MlopsNode *) (planner)->build->nodes.data)

/* append zeroed elements to a vector; returns the first, or NULL */
static void *
append(Planner *planner, MlopsVector *vector, size_t element, size_t count)
{
	char	   *added;

	if (!mlops_vector_reserve(planner->build->support, vector, element, count))
		return NULL;
	added = (char *) vector->data + vector->count * element;
	memset(added, 0, element * count);
	vector->count += count;
	return added;
}

/* the words that say which categories a node sends right */
static const uint32 *
test_words(const Planner *planner, const MlopsNode *node, uint32 *count)
{
	const uint32 *set;

	if (node->split == MLOPS_SPLIT_ONE)
	{
		*count = 1;
		return &node->u.set;
	}
	set = (const uint32 *) planner->build->sets.data + node->u.set;
	*count = set[0];
	return set + 1;
}

/* do two nodes make the same categorical test? */
static bool
same_test(const Planner *planner, const MlopsNode *a, const MlopsNode *b)
{
	uint32		count_a;
	uint32		count_b;
	const uint32 *words_a = test_words(planner, a, &count_a);
	const uint32 *words_b = test_words(planner, b, &count_b);

	return a->feature == b->feature && a->split == b->split &&
		a->default_left == b->default_left && count_a == count_b &&
		memcmp(words_a, words_b, count_a * sizeof(uint32)) == 0;
}

/*
 * The next category, after the given one, that a node sends right; or -1.
 * Begin with -1 and *word 0.
 */
static int64
next_category(const Planner *planner, const MlopsNode *node, int64 code, uint32 *word)
{
	uint32		count;
	const uint32 *words = test_words(planner, node, &count);

	if (node->split != MLOPS_SPLIT_BITS)
		return *word < count ? (int64) words[(*word)++] : -1;
	for (code++; code < (int64) count * 32; code++)
	{
		if (words[code / 32] >> (code % 32) == 0)
			code |= 31;			/* nothing more in this word */
		else if (words[code / 32] >> (code % 32) & 1)
			return code;
	}
	return -1;
}

/*
 * Number the distinct categorical tests of walked trees, by feature.
 */
static bool
find_tests(Planner *planner)
{
	MlopsBuild *build = planner->build;
	const MlopsNode *nodes = forest_nodes(planner);
	const MlopsTree *trees = build->trees.data;
	size_t		count = 0;
	uint64	   *sorted;

	for (size_t t = 0; t < build->trees.count; t++)
	{
		const MlopsNode *node = nodes + trees[t].first_node;

		for (uint32 i = 0; trees[t].walked && i < trees[t].num_nodes; i++)
			count += node[i].split > MLOPS_SPLIT_NUMERIC;
	}
	if (count == 0)
		return true;

	sorted = mlops_alloc(build->support, count * sizeof(uint64));
	planner->tests = mlops_alloc(build->support, count * sizeof(uint32));
	planner->test_of = mlops_alloc(build->support, build->nodes.count * sizeof(uint32));
	if (sorted == NULL || planner->tests == NULL || planner->test_of == NULL)
		return false;

	/* feature, then a hash of the test, then the node */
	count = 0;
	for (size_t t = 0; t < build->trees.count; t++)
	{
		for (uint32 i = 0; trees[t].walked && i < trees[t].num_nodes; i++)
		{
			const MlopsNode *node = nodes + trees[t].first_node + i;
			uint32		hash = 2166136261u ^ node->default_left;
			uint32		num_words;
			const uint32 *words;

			if (node->split <= MLOPS_SPLIT_NUMERIC)
				continue;
			words = test_words(planner, node, &num_words);
			for (uint32 k = 0; k < num_words; k++)
			{
				hash = (hash ^ words[k]) * 16777619u;
				hash ^= hash >> 15;
			}
			sorted[count++] = (uint64) node->feature << 48 |
				(uint64) (hash & 0xFFFF) << 32 | (trees[t].first_node + i);
		}
	}
	mlops_sort_uint64(sorted, count);

	/* equal tests that a hash keeps apart are two tests, which does no harm */
	for (size_t i = 0; i < count; i++)
	{
		uint32		node = (uint32) sorted[i];

		if (i == 0 || !same_test(planner, &nodes[node],
								 &nodes[planner->tests[planner->num_tests - 1]]))
			planner->tests[planner->num_tests++] = node;
		planner->test_of[node] = (uint32) planner->num_tests - 1;
	}
	mlops_release(build->support, sorted);
	return true;
}

/*
 * Lay out the table by which the kernel evaluates categorical tests: for each
 * feature and category, the slots of the tests that send it right.  *worth
 * tells if the table is small enough and saves time.
 */
static bool
plan_tests(Planner *planner, bool *worth)
{
	MlopsBuild *build = planner->build;
	MlopsWalkPlan *plan = planner->plan;
	const MlopsNode *nodes = forest_nodes(planner);
	const MlopsTree *trees = build->trees.data;
	size_t		max_entries = 4 * build->nodes.count + MAX_CODES;
	double		cost_tests = planner->num_tests * COST_CLEAR_SLOT;
	double		cost_plain = 0;
	size_t		next;

	*worth = false;
	for (size_t first = 0; first < planner->num_tests; first = next)
	{
		uint16		feature = nodes[planner->tests[first]].feature;
		int64		num_codes = 0;
		size_t		num_slots = 0;
		MlopsTests *tests;
		uint32	   *entries;
		uint16	   *slots;
		uint32		base = (uint32) plan->test_slots.count;

		/* how large will it be? */
		for (next = first; next < planner->num_tests &&
			 nodes[planner->tests[next]].feature == feature; next++)
		{
			const MlopsNode *node = &nodes[planner->tests[next]];
			uint32		word = 0;
			int64		code = -1;

			while ((code = next_category(planner, node, code, &word)) >= 0)
			{
				num_codes = Max(num_codes, code + 1);
				num_slots++;
			}
			num_slots += !node->default_left;
		}
		if (num_codes > MAX_CODES ||
			plan->entries.count + num_codes + 2 > max_entries)
			return true;
		cost_tests += COST_SET_SLOT * num_slots / num_codes;

		tests = append(planner, &plan->tests, sizeof(MlopsTests), 1);
		if (tests == NULL)
			return false;
		tests->feature = feature;
		tests->num_codes = (uint32) num_codes;
		tests->first_entry = (uint32) plan->entries.count;
		entries = append(planner, &plan->entries, sizeof(uint32), num_codes + 2);
		slots = append(planner, &plan->test_slots, sizeof(uint16), num_slots);
		if (entries == NULL || slots == NULL)
			return false;

		/*
		 * Count the slots of each category, missing values being one more;
		 * add up where they end; fill each from its end.
		 */
		for (size_t i = first; i < next; i++)
		{
			const MlopsNode *node = &nodes[planner->tests[i]];
			uint32		word = 0;
			int64		code = -1;

			while ((code = next_category(planner, node, code, &word)) >= 0)
				entries[code]++;
			entries[num_codes] += !node->default_left;
		}
		for (int64 c = 0; c <= num_codes; c++)
		{
			base += entries[c];
			entries[c] = base;
		}
		entries[num_codes + 1] = base;
		slots = plan->test_slots.data;
		for (size_t i = next; i-- > first;)
		{
			const MlopsNode *node = &nodes[planner->tests[i]];
			uint16		slot = (uint16) (planner->first_test + i);
			uint32		word = 0;
			int64		code = -1;

			while ((code = next_category(planner, node, code, &word)) >= 0)
				slots[--entries[code]] = slot;
			if (!node->default_left)
				slots[--entries[num_codes]] = slot;
		}
	}

	for (size_t t = 0; t < build->trees.count; t++)
	{
		if (trees[t].walked && trees[t].categorical)
			cost_plain += COST_PLAIN_STEP * trees[t].depth;
	}
	*worth = cost_tests < cost_plain;
	return true;
}

/*
 * Give slots to the features whose thresholds walked trees compare.  *enough
 * is false if there are too many.
 */
static bool
assign_slots(Planner *planner, bool *enough)
{
	MlopsWalkPlan *plan = planner->plan;
	const MlopsTree *trees = planner->build->trees.data;
	int			num_features = (int) planner->build->num_features;
	uint32		count = 0;
	uint32		filled;
	uint16	   *columns;

	memset(planner->slots, 0, num_features * sizeof(uint32));
	for (size_t t = 0; t < planner->build->trees.count; t++)
	{
		const MlopsNode *nodes = forest_nodes(planner) + trees[t].first_node;

		for (uint32 i = 0; trees[t].walked && i < trees[t].num_nodes; i++)
		{
			if (nodes[i].split == MLOPS_SPLIT_NUMERIC && planner->slots[nodes[i].feature] == 0)
			{
				planner->slots[nodes[i].feature] = 1;
				count++;
			}
		}
	}

	/* the last ones are read once more, so that the kernel reads eight each time */
	filled = TYPEALIGN(MLOPS_COLUMN_BLOCK, count);
	plan->columns.count = 0;
	planner->first_test = 1 + 2 * filled;
	plan->walk.num_features = filled;
	*enough = planner->first_test <= MAX_COMPACT;
	if (!*enough || count == 0)
		return true;
	columns = append(planner, &plan->columns, sizeof(uint16), filled);
	if (columns == NULL)
		return false;
	count = 0;
	for (int i = 0; i < num_features; i++)
	{
		if (planner->slots[i] == 0)
			continue;
		columns[count++] = (uint16) i;
		planner->slots[i] = count;
	}
	for (uint32 i = count; i < filled; i++)
		columns[i] = columns[0];
	return true;
}

/* from now on some trees are not walked */
static void
leave_out(Planner *planner, bool categorical_only)
{
	MlopsTree  *trees = planner->build->trees.data;

	for (size_t t = 0; t < planner->build->trees.count; t++)
	{
		if (!categorical_only || trees[t].categorical)
			trees[t].walked = false;
	}
}

/*
 * Decide which trees are walked, and by which slots.
 */
static bool
plan_slots(Planner *planner)
{
	MlopsWalkPlan *plan = planner->plan;
	MlopsTree  *trees = planner->build->trees.data;
	bool		enough;
	bool		worth;

	for (size_t t = 0; t < planner->build->trees.count; t++)
		trees[t].walked = !(trees[t].categorical &&
							mlops_version_unseen_default(planner->build->version));
	if (!find_tests(planner) || !assign_slots(planner, &enough))
		return false;
	if (planner->num_tests > 0)
	{
		worth = enough && planner->num_tests <= MAX_COMPACT - planner->first_test;
		if (worth && !plan_tests(planner, &worth))
			return false;
		if (!worth)
		{
			plan->tests.count = plan->entries.count = plan->test_slots.count = 0;
			planner->num_tests = 0;
			leave_out(planner, true);
			if (!assign_slots(planner, &enough))
				return false;
		}
	}
	if (!enough)
	{
		leave_out(planner, false);
		if (!assign_slots(planner, &enough))
			return false;
	}
	plan->walk.num_slots = planner->first_test + (uint32) planner->num_tests;
	plan->walk.first_test = planner->first_test;
	plan->walk.num_tests = (uint32) plan->tests.count;
	return true;
}

/*
 * In which order are the trees walked?  A bundle takes the steps of its deepest
 * tree, so trees of one depth should be together; but only in the order of the
 * file can the sum be formed on the way.
 */
static void
plan_order(Planner *planner)
{
	MlopsWalkPlan *plan = planner->plan;
	const MlopsTree *trees = planner->build->trees.data;
	size_t		num_trees = planner->build->trees.count;
	size_t		begin[MLOPS_MAX_DEPTH + 2] = {0};
	size_t		count = 0;
	int64		steps = 0;
	int64		sorted_steps = 0;
	int			depth = 0;

	for (size_t t = 0; t < num_trees; t++)
	{
		if (!trees[t].walked)
			continue;
		planner->order[count++] = (uint32) t;
		begin[trees[t].depth + 1]++;
		depth = count % MLOPS_LANES == 1 ? trees[t].depth : Max(depth, trees[t].depth);
		if (count % MLOPS_LANES == 0)
			steps += depth;
	}
	plan->walk.num_walked = (uint32) count;
	plan->walk.ordered = count == num_trees;

	/* begin[d] becomes the place of the first tree of depth d */
	for (int d = 0; d <= MLOPS_MAX_DEPTH; d++)
	{
		begin[d + 1] += begin[d];
		sorted_steps += (int64) (begin[d + 1] / MLOPS_LANES - begin[d] / MLOPS_LANES) * d;
	}
	if (sorted_steps > steps * 0.9)
		return;
	for (size_t t = 0; t < num_trees; t++)
	{
		if (trees[t].walked)
			planner->order[begin[trees[t].depth]++] = (uint32) t;
	}
	plan->walk.ordered = false;
}

/* where a pair of children and their own children are placed, at or after next */
static uint32
place_pair(Planner *planner, const MlopsNode *nodes, uint32 left, uint32 next, uint32 *num_pairs)
{
	uint32		needed = 2 + (nodes[left].left != 0 ? 2 : 0) + (nodes[left + 1].left != 0 ? 2 : 0);

	if (next % LINE_NODES + needed > LINE_NODES)
		next = TYPEALIGN(LINE_NODES, next);
	planner->places[left] = next++;
	planner->places[left + 1] = next++;
	for (uint32 i = left; i <= left + 1; i++)
	{
		uint32		child = nodes[i].left;

		if (child == 0)
			continue;
		planner->places[child] = next++;
		planner->places[child + 1] = next++;
		if (nodes[child].left != 0)
			planner->pairs[(*num_pairs)++] = nodes[child].left;
		if (nodes[child + 1].left != 0)
			planner->pairs[(*num_pairs)++] = nodes[child + 1].left;
	}
	return next;
}

/*
 * Add one tree to the walk's nodes; *root gets its root.  *placed is false, and
 * nothing is added, if a child would be too far away.
 *
 * The first three levels are together in one cache line, and then each two
 * levels: a pair of children and the children of both.  Lines follow each other
 * depth first, so that the further lines of a path are near.
 */
static bool
place_tree(Planner *planner, const MlopsTree *tree, uint32 *root, bool *placed)
{
	MlopsWalkPlan *plan = planner->plan;
	const MlopsNode *nodes = forest_nodes(planner) + tree->first_node;
	uint32		num_features = plan->walk.num_features;
	bool		weighted = planner->build->weight_drop.count > 0;
	size_t		begin = plan->nodes.count;
	uint32	   *places = planner->places;
	uint32		num_pairs = 0;
	uint32		next = 1;
	MlopsWalkNode *walk;

	places[0] = 0;
	if (nodes[0].left != 0)
		next = place_pair(planner, nodes, nodes[0].left, next, &num_pairs);
	while (num_pairs > 0)
	{
		uint32		left = planner->pairs[--num_pairs];

		next = place_pair(planner, nodes, left, next, &num_pairs);
	}

	*placed = true;
	*root = (uint32) begin;
	walk = append(planner, &plan->nodes, sizeof(MlopsWalkNode), TYPEALIGN(LINE_NODES, next));
	if (walk == NULL)
		return false;
	for (uint32 i = 0; i < tree->num_nodes; i++)
	{
		MlopsWalkNode *node = &walk[places[i]];
		uint32		slot;
		uint32		step;

		switch ((MlopsSplit) nodes[i].split)
		{
			case MLOPS_SPLIT_LEAF:
				node->u.value = mlops_leaf_value(nodes[i].u.value, weighted, tree->weight);
				continue;
			case MLOPS_SPLIT_NUMERIC:
				node->u.key = mlops_narrow_key(nodes[i].u.value) - 1;
				slot = planner->slots[nodes[i].feature] +
					(nodes[i].default_left ? 0 : num_features);
				break;
			default:
				/* the slot of a test is 0 for left and 1 for right */
				node->u.key = 0;
				slot = planner->first_test + planner->test_of[tree->first_node + i];
		}
		step = places[nodes[i].left] - places[i];
		if (step > MAX_COMPACT)
		{
			plan->nodes.count = begin;
			*placed = false;
			return true;
		}
		node->slot = (uint16) slot;
		node->step = (uint16) step;
	}
	return true;
}

/*
 * Put the trees into bundles.
 */
static bool
place_trees(Planner *planner)
{
	MlopsWalkPlan *plan = planner->plan;
	MlopsTree  *trees = planner->build->trees.data;
	size_t		num_trees = planner->build->trees.count;
	uint32		count = 0;
	uint32	   *positions;

	/* node 0 is a leaf of value 0: what a lane without a tree walks */
	if (append(planner, &plan->nodes, sizeof(MlopsWalkNode), LINE_NODES) == NULL)
		return false;
	if (num_trees == 0)
		return true;
	positions = append(planner, &plan->positions, sizeof(uint32), num_trees);
	if (positions == NULL)
		return false;

	for (uint32 i = 0; i < plan->walk.num_walked; i++)
	{
		MlopsTree  *tree = &trees[planner->order[i]];
		MlopsBundle *bundle;
		uint32		root;
		bool		placed;

		mlops_check(planner->build->support);
		if (!place_tree(planner, tree, &root, &placed))
			return false;
		if (!placed)
		{
			tree->walked = false;
			plan->walk.ordered = false;
			continue;
		}
		if (count % MLOPS_LANES == 0 &&
			append(planner, &plan->bundles, sizeof(MlopsBundle), 1) == NULL)
			return false;
		bundle = (MlopsBundle *) plan->bundles.data + count / MLOPS_LANES;
		bundle->root[count % MLOPS_LANES] = root;
		bundle->num_trees++;
		bundle->depth = Max(bundle->depth, (uint32) tree->depth);
		positions[planner->order[i]] = count++;
	}
	plan->walk.num_walked = count;
	plan->walk.num_bundles = (uint32) plan->bundles.count;
	return true;
}

/*
 * Plan the walk; sets walked of each tree.  Vectors of the plan are working
 * memory.
 */
bool
mlops_walk_plan(MlopsBuild *build, MlopsWalkPlan *plan)
{
	MlopsSupport *support = build->support;
	const MlopsTree *trees = build->trees.data;
	Planner		planner = {0};
	size_t		max_nodes = 1;

	memset(plan, 0, sizeof(*plan));
	planner.build = build;
	planner.plan = plan;
	for (size_t t = 0; t < build->trees.count; t++)
		max_nodes = Max(max_nodes, trees[t].num_nodes);
	planner.slots = mlops_alloc(support, (size_t) build->num_features * sizeof(uint32));
	planner.places = mlops_alloc(support, max_nodes * sizeof(uint32));
	planner.pairs = mlops_alloc(support, max_nodes * sizeof(uint32));
	planner.order = mlops_alloc(support, (build->trees.count + 1) * sizeof(uint32));
	if (planner.slots == NULL || planner.places == NULL || planner.pairs == NULL ||
		planner.order == NULL)
		return false;

	if (!plan_slots(&planner))
		return false;
	plan_order(&planner);
	plan->test_of = planner.test_of;
	return place_trees(&planner);
}
