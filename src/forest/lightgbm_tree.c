/*-------------------------------------------------------------------------
 *
 * lightgbm_tree.c
 *	  Reads the trees in LightGBM's files.
 *
 * A tree begins with its number, its number of leaves and that of its sets of
 * categories, so the length of each array is known before it is read.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>

#include "forest/lightgbm.h"

/* items of an array between two chances to cancel */
#define ITEMS_PER_CHECK	65536

/* how an array of a tree is read, and how long it is */
typedef enum ColumnType
{
	COLUMN_INTEGERS,			/* int32 */
	COLUMN_WORDS,				/* uint32 */
	COLUMN_DOUBLES,
	COLUMN_COUNTS,				/* int32; what is no count of rows becomes -1 */
	COLUMN_GAINS,				/* float, of which the greatest stands for all
								 * beyond; NaN counts as 0 */
	COLUMN_IGNORED
} ColumnType;

typedef enum ColumnLength
{
	PER_SPLIT,
	PER_LEAF,
	PER_SET,					/* and one more */
	ANY_LENGTH
} ColumnLength;

/* when there has to be a line, and where it must not be */
typedef enum ColumnNeed
{
	NEED_NEVER,					/* may always be there, and be empty */
	NEED_SPLITS,				/* needed if there are splits */
	NEED_LEAVES,				/* always needed */
	NEED_SETS,					/* needed if there are sets, else wrong */
	NEED_EQUATIONS				/* needed in a linear tree, else wrong */
} ColumnNeed;

typedef struct ColumnKey
{
	const char *key;
	size_t		column;			/* offset in MlopsWideColumns */
	ColumnType	type;
	ColumnLength length;
	ColumnNeed	need;
} ColumnKey;

#define column_offset(name)	offsetof(MlopsWideColumns, name)

static const ColumnKey column_keys[] = {
	{"split_feature", column_offset(features), COLUMN_INTEGERS, PER_SPLIT, NEED_SPLITS},
	{"split_gain", column_offset(gain), COLUMN_GAINS, PER_SPLIT, NEED_NEVER},
	{"threshold", column_offset(threshold), COLUMN_DOUBLES, PER_SPLIT, NEED_SPLITS},
	{"decision_type", column_offset(decision), COLUMN_INTEGERS, PER_SPLIT, NEED_SPLITS},
	{"left_child", column_offset(left), COLUMN_INTEGERS, PER_SPLIT, NEED_SPLITS},
	{"right_child", column_offset(right), COLUMN_INTEGERS, PER_SPLIT, NEED_SPLITS},
	{"leaf_value", column_offset(leaf_value), COLUMN_DOUBLES, PER_LEAF, NEED_LEAVES},
	{"leaf_count", column_offset(leaf_count), COLUMN_COUNTS, PER_LEAF, NEED_NEVER},
	{"internal_count", column_offset(count), COLUMN_COUNTS, PER_SPLIT, NEED_NEVER},
	{"cat_boundaries", column_offset(set_begins), COLUMN_INTEGERS, PER_SET, NEED_SETS},
	{"cat_threshold", column_offset(sets), COLUMN_WORDS, ANY_LENGTH, NEED_SETS},
	{"leaf_const", column_offset(constants), COLUMN_DOUBLES, PER_LEAF, NEED_EQUATIONS},
	{"num_features", column_offset(num_terms), COLUMN_INTEGERS, PER_LEAF, NEED_EQUATIONS},
	{"leaf_features", column_offset(term_features), COLUMN_INTEGERS, ANY_LENGTH, NEED_EQUATIONS},
	{"leaf_coeff", column_offset(coefficients), COLUMN_DOUBLES, ANY_LENGTH, NEED_EQUATIONS},
	{"leaf_weight", 0, COLUMN_IGNORED, PER_LEAF, NEED_NEVER},
	{"leaf_parent", 0, COLUMN_IGNORED, PER_LEAF, NEED_NEVER},
	{"internal_value", 0, COLUMN_IGNORED, PER_SPLIT, NEED_NEVER},
	{"internal_weight", 0, COLUMN_IGNORED, PER_SPLIT, NEED_NEVER},
	{"shrinkage", 0, COLUMN_IGNORED, ANY_LENGTH, NEED_NEVER}
};

#define column_of(columns, i) \
	((MlopsColumn *) ((char *) (columns) + column_keys[i].column))

StaticAssertDecl(lengthof(column_keys) <= 32, "a bit for each key of a tree");

/*
 * Pass over an array that is of no use, but has to have its length.
 */
static bool
count_words(MlopsLightgbm *document, int k, MlopsSpan list, int64 expected)
{
	const char *start = list.begin;
	int64		count = 0;
	MlopsSpan	word;

	while (mlops_span_word(&list, &word))
		count++;
	if (count != expected && count != 0 && expected >= 0)
		return bad_file(document, start,
						"%s of tree %zu has " INT64_FORMAT " values instead of " INT64_FORMAT,
						column_keys[k].key, document->wide->build.trees.count, count, expected);
	return true;
}

/*
 * Read one array of a tree, whose numbers of leaves and sets are known.
 */
static bool
read_column(MlopsLightgbm *document, int k, MlopsSpan list)
{
	MlopsWideColumns *columns = &document->wide->columns;
	const ColumnKey *key = &column_keys[k];
	MlopsColumn *column = column_of(columns, k);
	size_t		element = key->type == COLUMN_DOUBLES ? sizeof(double) : sizeof(int32);
	const char *start = list.begin;
	int64		expected;
	MlopsSpan	word;

	switch (key->length)
	{
		case PER_SPLIT:
			expected = columns->num_leaves - 1;
			break;
		case PER_LEAF:
			expected = columns->num_leaves;
			break;
		case PER_SET:
			expected = columns->num_sets + 1;
			break;
		default:
			expected = -1;
	}
	if (key->type == COLUMN_IGNORED)
		return count_words(document, k, list, expected);
	column->seen = true;
	column->offset = mlops_lightgbm_offset(document, start);
	/* a value and the blank after it take two bytes at least */
	if (expected <= (list.end - list.begin + 1) / 2 &&
		!mlops_vector_reserve(document->support, &column->vector, element, Max(expected, 1)))
		return false;
	while (mlops_span_word(&list, &word))
	{
		size_t		i = column->vector.count;
		int64		integer = 0;
		double		number = 0;
		bool		valid;

		if (expected >= 0 && i >= (size_t) expected)
			return bad_file(document, word.begin,
							"%s of tree %zu has more than " INT64_FORMAT " values",
							key->key, document->wide->build.trees.count, expected);
		if (i % ITEMS_PER_CHECK == ITEMS_PER_CHECK - 1)
			mlops_check(document->support);
		if (!mlops_vector_reserve(document->support, &column->vector, element, 1))
			return false;
		if (key->type == COLUMN_INTEGERS)
			valid = mlops_span_integer(word, PG_INT32_MIN, PG_INT32_MAX, &integer);
		else if (key->type == COLUMN_COUNTS)
			valid = mlops_span_integer(word, PG_INT64_MIN, PG_INT64_MAX, &integer);
		else if (key->type == COLUMN_WORDS)
			valid = mlops_span_integer(word, 0, PG_UINT32_MAX, &integer);
		else
			valid = mlops_span_double(word, &number);
		if (!valid)
			return bad_file(document, word.begin, "%s of tree %zu has \"%.*s\"",
							key->key, document->wide->build.trees.count, SPAN_ARGS(word));
		column->vector.count++;
		switch (key->type)
		{
			case COLUMN_INTEGERS:
				((int32 *) column->vector.data)[i] = (int32) integer;
				break;
			case COLUMN_COUNTS:
				((int32 *) column->vector.data)[i] =
					integer >= 0 && integer <= PG_INT32_MAX ? (int32) integer : -1;
				break;
			case COLUMN_WORDS:
				((uint32 *) column->vector.data)[i] = (uint32) integer;
				break;
			case COLUMN_GAINS:
				((float *) column->vector.data)[i] =
					isnan(number) ? 0.0f : (float) Max(-FLT_MAX, Min(number, FLT_MAX));
				break;
			default:
				((double *) column->vector.data)[i] = number;
		}
	}
	if (expected >= 0 && column->vector.count != (size_t) expected &&
		!(key->need == NEED_NEVER && column->vector.count == 0))
		return bad_file(document, start, "%s of tree %zu has %zu values instead of " INT64_FORMAT,
						key->key, document->wide->build.trees.count, column->vector.count, expected);
	return true;
}

/* one of the numbers with which a tree begins */
static bool
read_tree_number(MlopsLightgbm *document, const char *end, const char *name, int64 low, int64 high,
				 int64 *number)
{
	MlopsSpan	line;
	MlopsSpan	key;
	MlopsSpan	value;

	if (!mlops_lightgbm_line(document, end, &line))
		return false;
	mlops_span_divide(line, &key, &value);
	if (!mlops_span_is(key, name))
		return bad_file(document, line.begin, "%s expected", name);
	if (!mlops_span_integer(value, low, high, number))
		return bad_file(document, value.begin, "%s of tree %zu is \"%.*s\"",
						name, document->wide->build.trees.count, SPAN_ARGS(value));
	return true;
}

/*
 * Read one tree, which takes size bytes.
 */
bool
mlops_lightgbm_tree(MlopsLightgbm *document, int64 size)
{
	MlopsWideBuild *wide = document->wide;
	MlopsWideColumns *columns = &wide->columns;
	size_t		number = wide->build.trees.count;
	const char *begin = document->next;
	const char *end = begin + size;
	uint32		seen = 0;
	int64		tree;
	bool		says_linear = false;
	int64		linear = 0;
	MlopsSpan	line;

	columns->offset = mlops_lightgbm_offset(document, begin);
	for (int k = 0; k < (int) lengthof(column_keys); k++)
	{
		if (column_keys[k].type == COLUMN_IGNORED)
			continue;
		column_of(columns, k)->seen = false;
		column_of(columns, k)->vector.count = 0;
	}
	if (!read_tree_number(document, end, "Tree", number, number, &tree) ||
		!read_tree_number(document, end, "num_leaves", 1, PG_INT32_MAX, &columns->num_leaves) ||
		!read_tree_number(document, end, "num_cat", 0, PG_INT32_MAX, &columns->num_sets))
		return false;
	if (columns->num_leaves > MLOPS_MAX_WIDE_NODES)
		return large_file(document, begin, "tree %zu has " INT64_FORMAT " leaves",
						  number, columns->num_leaves);
	/* each leaf and each set takes two bytes at least */
	if (columns->num_leaves > size / 2 || columns->num_sets > size / 2)
		return bad_file(document, begin,
						"tree %zu has fewer values than " INT64_FORMAT " leaves and "
						INT64_FORMAT " sets of categories need",
						number, columns->num_leaves, columns->num_sets);

	while (document->next < end)
	{
		MlopsSpan	key;
		MlopsSpan	value;
		int			k;

		if (!mlops_lightgbm_line(document, end, &line))
			return false;
		if (line.begin == line.end)
			break;
		mlops_span_divide(line, &key, &value);
		if (mlops_span_is(key, "is_linear") && !says_linear)
		{
			if (!mlops_span_integer(value, 0, 1, &linear))
				return bad_file(document, value.begin, "is_linear of tree %zu is \"%.*s\"",
								number, SPAN_ARGS(value));
			says_linear = document->tells_linear = true;
			continue;
		}
		for (k = 0; k < (int) lengthof(column_keys) && !mlops_span_is(key, column_keys[k].key); k++)
			;
		if (mlops_span_is(key, "num_leaves") || mlops_span_is(key, "num_cat") ||
			mlops_span_is(key, "is_linear") ||
			(k < (int) lengthof(column_keys) && (seen >> k & 1) != 0))
			return bad_file(document, line.begin, "tree %zu has the line %.*s twice",
							number, SPAN_ARGS(key));
		if (k == (int) lengthof(column_keys))
			return unsupported_file(document, line.begin, mlops_lightgbm_newer_hint,
									"unknown line \"%.*s\" in tree %zu", SPAN_ARGS(key), number);
		seen |= (uint32) 1 << k;
		if (!read_column(document, k, value))
			return false;
	}
	while (document->next < end)
	{
		if (!mlops_lightgbm_line(document, end, &line))
			return false;
		if (line.begin != line.end)
			return bad_file(document, line.begin,
							"a line after the empty line that ends tree %zu", number);
	}

	columns->linear = linear == 1;
	for (int k = 0; k < (int) lengthof(column_keys); k++)
	{
		ColumnNeed	need = column_keys[k].need;
		bool		wrong = (need == NEED_SETS && columns->num_sets == 0) ||
			(need == NEED_EQUATIONS && !columns->linear);
		bool		missing = need != NEED_NEVER && !wrong &&
			!(need == NEED_SPLITS && columns->num_leaves == 1);

		if (missing && (seen >> k & 1) == 0)
			return bad_file(document, begin, "tree %zu has no %s", number, column_keys[k].key);
		if (wrong && (seen >> k & 1) != 0)
			return bad_file(document, begin, "tree %zu has %s, but no use of it",
							number, column_keys[k].key);
	}
	return mlops_wide_tree(wide);
}
