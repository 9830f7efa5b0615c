/*-------------------------------------------------------------------------
 *
 * xgboost_tree.c
 *	  Reads the trees in a model file of XGBoost.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/xgboost.h"

/* tree_param of one tree */
static bool
read_tree_parameters(MlopsReader *reader, MlopsBuild *build)
{
	MlopsTreeColumns *columns = &build->columns;
	MlopsText	key;
	bool		more;
	int64		value;

	columns->num_nodes = -1;
	columns->num_deleted = -1;
	if (!mlops_reader_enter_object(reader))
		return false;
	for (;;)
	{
		size_t		start;

		if (!mlops_reader_next_key(reader, &key, &more))
			return false;
		if (!more)
			break;
		start = reader->pos;
		if (mlops_text_is(&key, "num_nodes"))
		{
			if (!mlops_xgboost_parameter(reader, "num_nodes", 1, PG_INT32_MAX, &columns->num_nodes))
				return false;
		}
		else if (mlops_text_is(&key, "num_deleted"))
		{
			if (!mlops_xgboost_parameter(reader, "num_deleted", 0, PG_INT32_MAX, &columns->num_deleted))
				return false;
		}
		else if (mlops_text_is(&key, "num_feature"))
		{
			if (!mlops_xgboost_parameter(reader, "num_feature", 0, PG_UINT32_MAX, &value))
				return false;
		}
		else if (mlops_text_is(&key, "size_leaf_vector"))
		{
			if (!mlops_xgboost_parameter(reader, "size_leaf_vector", 0, PG_UINT32_MAX, &value))
				return false;
			if (value > 1)
				return mlops_fail(reader->support, MLOPS_FOREST_UNSUPPORTED, start,
								  "Train with multi_strategy = one_output_per_tree.",
								  "trees with vectors in their leaves are not supported");
		}
		else
			return mlops_xgboost_unknown(reader, &key, "tree_param");
	}
	if (columns->num_nodes < 0)
		return mlops_xgboost_missing(reader, "num_nodes in tree_param");
	return true;
}

/* how an array of a tree is read */
typedef enum ColumnType
{
	COLUMN_FLOATS,
	COLUMN_INTEGERS,
	COLUMN_FLAGS
} ColumnType;

typedef struct ColumnKey
{
	const char *key;
	size_t		column;			/* offset in MlopsTreeColumns */
	ColumnType	type;
	bool		required;
} ColumnKey;

static const ColumnKey column_keys[] = {
	{"base_weights", offsetof(MlopsTreeColumns, weights), COLUMN_FLOATS, true},
	{"categories", offsetof(MlopsTreeColumns, categories), COLUMN_INTEGERS, false},
	{"categories_nodes", offsetof(MlopsTreeColumns, set_nodes), COLUMN_INTEGERS, false},
	{"categories_segments", offsetof(MlopsTreeColumns, set_begins), COLUMN_INTEGERS, false},
	{"categories_sizes", offsetof(MlopsTreeColumns, set_sizes), COLUMN_INTEGERS, false},
	{"default_left", offsetof(MlopsTreeColumns, default_left), COLUMN_FLAGS, true},
	{"left_children", offsetof(MlopsTreeColumns, left), COLUMN_INTEGERS, true},
	{"loss_changes", offsetof(MlopsTreeColumns, gain), COLUMN_FLOATS, true},
	{"parents", offsetof(MlopsTreeColumns, parents), COLUMN_INTEGERS, true},
	{"right_children", offsetof(MlopsTreeColumns, right), COLUMN_INTEGERS, true},
	{"split_conditions", offsetof(MlopsTreeColumns, values), COLUMN_FLOATS, true},
	{"split_indices", offsetof(MlopsTreeColumns, features), COLUMN_INTEGERS, true},
	{"split_type", offsetof(MlopsTreeColumns, split_type), COLUMN_FLAGS, false},
	{"sum_hessian", offsetof(MlopsTreeColumns, cover), COLUMN_FLOATS, true}
};

#define column_of(columns, i) \
	((MlopsColumn *) ((char *) (columns) + column_keys[i].column))

/* one array of a tree */
static bool
read_column(MlopsReader *reader, MlopsBuild *build, int i)
{
	MlopsColumn *column = column_of(&build->columns, i);

	column->offset = reader->pos;
	column->seen = true;
	switch (column_keys[i].type)
	{
		case COLUMN_FLOATS:
			return mlops_reader_floats(reader, &column->vector);
		case COLUMN_INTEGERS:
			return mlops_reader_integers(reader, &column->vector);
		default:
			return mlops_reader_flags(reader, &column->vector);
	}
}

/* one tree */
static bool
read_tree(MlopsReader *reader, MlopsBuild *build, int64 number)
{
	MlopsTreeColumns *columns = &build->columns;
	bool		has_parameters = false;
	MlopsText	key;
	bool		more;

	columns->offset = reader->pos;
	for (int i = 0; i < (int) lengthof(column_keys); i++)
	{
		column_of(columns, i)->seen = false;
		column_of(columns, i)->vector.count = 0;
	}

	if (!mlops_reader_enter_object(reader))
		return false;
	for (;;)
	{
		int			i;

		if (!mlops_reader_next_key(reader, &key, &more))
			return false;
		if (!more)
			break;
		for (i = 0; i < (int) lengthof(column_keys); i++)
		{
			if (mlops_text_is(&key, column_keys[i].key))
				break;
		}
		if (i < (int) lengthof(column_keys))
		{
			if (!read_column(reader, build, i))
				return false;
		}
		else if (mlops_text_is(&key, "tree_param"))
		{
			if (!read_tree_parameters(reader, build))
				return false;
			has_parameters = true;
		}
		else if (mlops_text_is(&key, "id"))
		{
			size_t		start = reader->pos;
			int64		id;

			if (!mlops_reader_integer(reader, &id))
				return false;
			if (id != number)
				return mlops_fail(reader->support, MLOPS_FOREST_INVALID, start, NULL,
								  "tree " INT64_FORMAT " has the id " INT64_FORMAT, number, id);
		}
		else if (mlops_text_is(&key, "leaf_child_counts"))
		{
			/* versions before 1.3 */
			if (!mlops_reader_skip(reader))
				return false;
		}
		else if (mlops_text_is(&key, "leaf_weights"))
			return mlops_fail(reader->support, MLOPS_FOREST_UNSUPPORTED,
							  key.bytes - reader->bytes,
							  "Train with multi_strategy = one_output_per_tree.",
							  "trees with vectors in their leaves are not supported");
		else
			return mlops_xgboost_unknown(reader, &key, "a tree");
	}
	if (!has_parameters)
		return mlops_xgboost_missing(reader, "tree_param in a tree");
	for (int i = 0; i < (int) lengthof(column_keys); i++)
	{
		if (column_keys[i].required && !column_of(columns, i)->seen)
			return mlops_fail(reader->support, MLOPS_FOREST_INVALID, columns->offset, NULL,
							  "tree " INT64_FORMAT " has no %s", number, column_keys[i].key);
	}
	return mlops_build_tree(build);
}

/*
 * Read the array of trees.
 */
bool
mlops_xgboost_trees(MlopsReader *reader, MlopsBuild *build)
{
	bool		more;

	if (!mlops_reader_enter_array(reader))
		return false;
	for (int64 number = 0;; number++)
	{
		if (!mlops_reader_next_item(reader, &more))
			return false;
		if (!more)
			return true;
		if (!read_tree(reader, build, number))
			return false;
	}
}
