/*-------------------------------------------------------------------------
 *
 * xgboost.c
 *	  Reads the model files of XGBoost, JSON and UBJSON, 1.0 to 3.x.
 *
 * Keys may come in any order, so nothing here depends on what another part of
 * the document says; mlops_build_finish() puts the facts together.  A key that
 * no known version writes is refused by name where it could change a score.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/build.h"
#include "forest/number.h"
#include "forest/reader.h"

static const char *const newer_hint =
	"The file may come from a version of XGBoost that is newer than this version of mlops.";

/* what has been seen of the document */
typedef struct Document
{
	MlopsBuild *build;
	MlopsReader reader;
	bool		has_version;
	bool		has_learner;
	bool		has_booster;
	bool		has_objective;
	bool		has_parameters;
	bool		has_trees;
	bool		has_groups;
	bool		has_linear;
	bool		has_booster_name;
	bool		has_inner_trees;	/* "gbtree" within dart */
	int64		num_trees;		/* as declared; -1: not */
	int64		num_parallel;
	int64		num_rounds;		/* by iteration_indptr or boosted_rounds; -1 */
	int64		objective_classes;	/* by the objective; -1 */
} Document;

/* a key that is none of those that may stand here */
static bool
unknown_key(Document *document, const MlopsText *key, const char *where)
{
	return mlops_fail(document->reader.support, MLOPS_FOREST_UNSUPPORTED,
					  key->bytes - document->reader.bytes, newer_hint,
					  "unknown key \"%.*s\" in %s",
					  (int) Min(key->len, 60), (const char *) key->bytes, where);
}

/* something is not in the document */
static bool
missing(Document *document, const char *what)
{
	return mlops_fail(document->reader.support, MLOPS_FOREST_INVALID,
					  document->reader.pos, NULL, "it has no %s", what);
}

/*
 * Read a string of at most size - 1 bytes, none of them escaped, into a buffer
 * with a zero at the end.
 */
static bool
read_word(Document *document, char *buffer, size_t size, const char *what)
{
	size_t		start = document->reader.pos;
	MlopsText	text;

	if (!mlops_reader_string(&document->reader, &text))
		return false;
	if (text.escaped || text.len >= size)
		return mlops_fail(document->reader.support, MLOPS_FOREST_INVALID, start, NULL,
						  "%s is not a plain word of at most %zu bytes", what, size - 1);
	memcpy(buffer, text.bytes, text.len);
	buffer[text.len] = '\0';
	return true;
}

/* read an integer between low and high that is written as a string */
static bool
read_parameter(Document *document, const char *what, int64 low, int64 high, int64 *value)
{
	size_t		start = document->reader.pos;
	char		word[32];
	const char *end;

	if (!read_word(document, word, sizeof(word), what))
		return false;
	end = mlops_parse_integer(word, word + strlen(word), value);
	if (end == NULL || *end != '\0')
		return mlops_fail(document->reader.support, MLOPS_FOREST_INVALID, start, NULL,
						  "%s is not an integer: \"%s\"", what, word);
	if (*value < low || *value > high)
		return mlops_fail(document->reader.support, MLOPS_FOREST_INVALID, start, NULL,
						  "%s is out of range: %s", what, word);
	return true;
}

/* keep a string; *offset gets its place in the pool */
static bool
read_pool_string(Document *document, uint32 *offset)
{
	MlopsBuild *build = document->build;
	MlopsText	text;
	char	   *pool;

	if (!mlops_reader_string(&document->reader, &text))
		return false;
	if (!mlops_vector_reserve(build->support, &build->strings, 1, text.len + 1))
		return false;
	pool = (char *) build->strings.data + build->strings.count;
	*offset = (uint32) build->strings.count;
	text.len = mlops_text_copy(&text, pool);
	pool[text.len] = '\0';
	build->strings.count += text.len + 1;
	return true;
}

/*
 * The base score: a number, or a list of numbers in brackets or parentheses,
 * within a string.
 */
static bool
read_base_score(Document *document)
{
	MlopsBuild *build = document->build;
	size_t		start = document->reader.pos;
	MlopsText	text;
	const char *p;
	const char *end;
	char		close = '\0';

	if (!mlops_reader_string(&document->reader, &text))
		return false;
	p = (const char *) text.bytes;
	end = p + text.len;
	build->base_values.count = 0;

#define skip_space() while (p < end && strchr(" \t\r\n", *p) != NULL) p++

	skip_space();
	if (p < end && (*p == '[' || *p == '('))
	{
		close = *p == '[' ? ']' : ')';
		p++;
	}
	for (;;)
	{
		float		value;

		skip_space();
		p = mlops_parse_float(p, end, &value);
		if (p == NULL || value - value != 0)
			break;
		if (!mlops_vector_reserve(build->support, &build->base_values, sizeof(float), 1))
			return false;
		((float *) build->base_values.data)[build->base_values.count++] = value;
		skip_space();
		if (close != '\0' && p < end && *p == ',')
		{
			p++;
			continue;
		}
		if (close != '\0')
		{
			if (p >= end || *p != close)
				break;
			p++;
			skip_space();
		}
		if (p < end)
			break;
		return true;
	}

#undef skip_space

	return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
					  "base_score is neither a finite number nor a list of them");
}

/* learner.learner_model_param */
static bool
read_parameters(Document *document)
{
	MlopsBuild *build = document->build;
	MlopsReader *reader = &document->reader;
	MlopsText	key;
	bool		more;
	bool		has_features = false;
	int64		ignored;

	build->parameters_offset = reader->pos;
	document->has_parameters = true;
	if (!mlops_reader_enter_object(reader))
		return false;
	for (;;)
	{
		if (!mlops_reader_next_key(reader, &key, &more))
			return false;
		if (!more)
			break;
		if (mlops_text_is(&key, "base_score"))
		{
			if (!read_base_score(document))
				return false;
		}
		else if (mlops_text_is(&key, "num_class"))
		{
			if (!read_parameter(document, "num_class", 0, PG_INT32_MAX, &build->num_classes))
				return false;
		}
		else if (mlops_text_is(&key, "num_feature"))
		{
			if (!read_parameter(document, "num_feature", 0, PG_UINT32_MAX, &build->num_features))
				return false;
			has_features = true;
		}
		else if (mlops_text_is(&key, "num_target"))
		{
			if (!read_parameter(document, "num_target", 1, PG_INT32_MAX, &build->num_targets))
				return false;
		}
		else if (mlops_text_is(&key, "boost_from_average"))
		{
			if (!read_parameter(document, "boost_from_average", 0, 1, &ignored))
				return false;
		}
		else
			return unknown_key(document, &key, "learner_model_param");
	}
	if (build->base_values.count == 0)
		return missing(document, "base_score");
	if (!has_features)
		return missing(document, "num_feature");
	return true;
}

/* the parameters of an objective; only the number of classes matters here */
static bool
read_objective_parameters(Document *document)
{
	MlopsReader *reader = &document->reader;
	MlopsText	key;
	bool		more;

	if (!mlops_reader_enter_object(reader))
		return false;
	for (;;)
	{
		if (!mlops_reader_next_key(reader, &key, &more))
			return false;
		if (!more)
			return true;
		if (mlops_text_is(&key, "num_class"))
		{
			if (!read_parameter(document, "num_class", 0, PG_INT32_MAX,
								&document->objective_classes))
				return false;
		}
		else if (!mlops_reader_skip(reader))
			return false;
	}
}

/* learner.objective */
static bool
read_objective(Document *document)
{
	MlopsBuild *build = document->build;
	MlopsReader *reader = &document->reader;
	MlopsText	key;
	bool		more;

	document->has_objective = true;
	if (!mlops_reader_enter_object(reader))
		return false;
	for (;;)
	{
		if (!mlops_reader_next_key(reader, &key, &more))
			return false;
		if (!more)
			break;
		if (mlops_text_is(&key, "name"))
		{
			size_t		start = reader->pos;
			char		name[64];

			if (!read_word(document, name, sizeof(name), "the name of the objective"))
				return false;
			build->objective = mlops_objective_find(name, strlen(name));
			if (build->objective == NULL)
				return mlops_fail(build->support, MLOPS_FOREST_UNSUPPORTED, start,
								  "Train with one of the built-in objectives that doc/forest.md lists.",
								  "objective \"%s\" is not supported", name);
		}
		else if (mlops_text_is(&key, "softmax_multiclass_param"))
		{
			if (!read_objective_parameters(document))
				return false;
		}
		else if (!mlops_reader_skip(reader))
			return false;
	}
	if (build->objective == NULL)
		return missing(document, "name of an objective");
	return true;
}

/* learner.attributes: strings that the user sets, and early stopping */
static bool
read_attributes(Document *document)
{
	MlopsReader *reader = &document->reader;
	MlopsText	key;
	MlopsText	text;
	bool		more;

	if (!mlops_reader_enter_object(reader))
		return false;
	for (;;)
	{
		if (!mlops_reader_next_key(reader, &key, &more))
			return false;
		if (!more)
			return true;
		if (!mlops_reader_string(reader, &text))
			return false;
		if (mlops_text_is(&key, "best_iteration") && !text.escaped)
		{
			const char *start = (const char *) text.bytes;
			int64		round;

			/* a user may have set it to anything */
			if (mlops_parse_integer(start, start + text.len, &round) == start + text.len &&
				round >= 0 && round <= PG_INT32_MAX)
				document->build->best_round = round;
		}
	}
}

/* an array of strings into the pool */
static bool
read_names(Document *document)
{
	MlopsBuild *build = document->build;
	MlopsReader *reader = &document->reader;
	bool		more;

	build->names_offset = reader->pos;
	if (!mlops_reader_enter_array(reader))
		return false;
	for (;;)
	{
		uint32		offset;

		if (!mlops_reader_next_item(reader, &more))
			return false;
		if (!more)
			return true;
		if (!read_pool_string(document, &offset) ||
			!mlops_vector_reserve(build->support, &build->names, sizeof(uint32), 1))
			return false;
		((uint32 *) build->names.data)[build->names.count++] = offset;
	}
}

/* learner.feature_types: "c" is categorical, all others are numbers */
static bool
read_kinds(Document *document)
{
	MlopsBuild *build = document->build;
	MlopsReader *reader = &document->reader;
	MlopsText	text;
	bool		more;

	build->kinds_offset = reader->pos;
	if (!mlops_reader_enter_array(reader))
		return false;
	for (;;)
	{
		if (!mlops_reader_next_item(reader, &more))
			return false;
		if (!more)
			return true;
		if (!mlops_reader_string(reader, &text) ||
			!mlops_vector_reserve(build->support, &build->kinds, 1, 1))
			return false;
		((uint8 *) build->kinds.data)[build->kinds.count++] =
			mlops_text_is(&text, "c") || mlops_text_is(&text, "categorical") ?
			MLOPS_FEATURE_CATEGORICAL : MLOPS_FEATURE_NUMERIC;
	}
}

/* tree_param of one tree */
static bool
read_tree_parameters(Document *document)
{
	MlopsTreeColumns *columns = &document->build->columns;
	MlopsReader *reader = &document->reader;
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
			if (!read_parameter(document, "num_nodes", 1, PG_INT32_MAX, &columns->num_nodes))
				return false;
		}
		else if (mlops_text_is(&key, "num_deleted"))
		{
			if (!read_parameter(document, "num_deleted", 0, PG_INT32_MAX, &columns->num_deleted))
				return false;
		}
		else if (mlops_text_is(&key, "num_feature"))
		{
			if (!read_parameter(document, "num_feature", 0, PG_UINT32_MAX, &value))
				return false;
		}
		else if (mlops_text_is(&key, "size_leaf_vector"))
		{
			if (!read_parameter(document, "size_leaf_vector", 0, PG_UINT32_MAX, &value))
				return false;
			if (value > 1)
				return mlops_fail(reader->support, MLOPS_FOREST_UNSUPPORTED, start,
								  "Train with multi_strategy = one_output_per_tree.",
								  "trees with vectors in their leaves are not supported");
		}
		else
			return unknown_key(document, &key, "tree_param");
	}
	if (columns->num_nodes < 0)
		return missing(document, "num_nodes in tree_param");
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
read_column(Document *document, int i)
{
	MlopsReader *reader = &document->reader;
	MlopsColumn *column = column_of(&document->build->columns, i);

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
read_tree(Document *document, int64 number)
{
	MlopsTreeColumns *columns = &document->build->columns;
	MlopsReader *reader = &document->reader;
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
			if (!read_column(document, i))
				return false;
		}
		else if (mlops_text_is(&key, "tree_param"))
		{
			if (!read_tree_parameters(document))
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
			return unknown_key(document, &key, "a tree");
	}
	if (!has_parameters)
		return missing(document, "tree_param in a tree");
	for (int i = 0; i < (int) lengthof(column_keys); i++)
	{
		if (column_keys[i].required && !column_of(columns, i)->seen)
			return mlops_fail(reader->support, MLOPS_FOREST_INVALID, columns->offset, NULL,
							  "tree " INT64_FORMAT " has no %s", number, column_keys[i].key);
	}
	return mlops_build_tree(document->build);
}

/* the array of trees */
static bool
read_trees(Document *document)
{
	MlopsReader *reader = &document->reader;
	bool		more;

	document->has_trees = true;
	if (!mlops_reader_enter_array(reader))
		return false;
	for (int64 number = 0;; number++)
	{
		if (!mlops_reader_next_item(reader, &more))
			return false;
		if (!more)
			return true;
		if (!read_tree(document, number))
			return false;
	}
}

/* gbtree_model_param */
static bool
read_model_parameters(Document *document)
{
	MlopsReader *reader = &document->reader;
	MlopsText	key;
	bool		more;
	int64		ignored;

	if (!mlops_reader_enter_object(reader))
		return false;
	for (;;)
	{
		if (!mlops_reader_next_key(reader, &key, &more))
			return false;
		if (!more)
			return true;
		if (mlops_text_is(&key, "num_trees"))
		{
			if (!read_parameter(document, "num_trees", 0, PG_INT32_MAX, &document->num_trees))
				return false;
		}
		else if (mlops_text_is(&key, "num_parallel_tree"))
		{
			if (!read_parameter(document, "num_parallel_tree", 0, PG_INT32_MAX,
								&document->num_parallel))
				return false;
		}
		else if (mlops_text_is(&key, "size_leaf_vector"))
		{
			if (!read_parameter(document, "size_leaf_vector", 0, PG_INT32_MAX, &ignored))
				return false;
		}
		else
			return unknown_key(document, &key, "gbtree_model_param");
	}
}

/* the texts of one feature's categories: strings one after the other */
static bool
add_string_categories(Document *document, const MlopsVector *ends, const MlopsVector *values,
					  size_t start)
{
	MlopsBuild *build = document->build;
	const int64 *end = ends->data;
	char	   *bytes;

	if (ends->count == 0 && values->count == 0)
		return true;
	if (ends->count == 0 || end[0] != 0 || end[ends->count - 1] != (int64) values->count)
		return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
						  "the offsets of category names do not fit the names");
	bytes = mlops_alloc(build->support, Max(values->count, 1));
	if (bytes == NULL)
		return false;
	for (size_t i = 0; i < values->count; i++)
	{
		int64		value = ((int64 *) values->data)[i];

		if (value < -128 || value > 255 || value == 0)
			return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
							  "the name of a category has a byte " INT64_FORMAT, value);
		bytes[i] = (char) value;
	}
	for (size_t i = 1; i < ends->count; i++)
	{
		uint32		offset;

		if (end[i] < end[i - 1] || end[i] > (int64) values->count)
			return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
							  "the offsets of category names do not ascend");
		if (!mlops_utf8_valid((uint8 *) bytes + end[i - 1], end[i] - end[i - 1]))
			return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
							  "the name of a category is not UTF-8");
		if (!mlops_build_string(build, bytes + end[i - 1], end[i] - end[i - 1], &offset) ||
			!mlops_vector_reserve(build->support, &build->categories, sizeof(uint32), 1))
			return false;
		((uint32 *) build->categories.data)[build->categories.count++] = offset;
	}
	mlops_release(build->support, bytes);
	return true;
}

/*
 * The texts of one feature's categories: integers.  UBJSON has no unsigned
 * types of more than 8 bits, so those are stored as signed ones.
 */
static bool
add_integer_categories(Document *document, int64 type, const MlopsVector *values, size_t start)
{
	MlopsBuild *build = document->build;
	uint64		mask;

	switch (type)
	{
		case 9:					/* int8, int16, int32, int64 */
		case 11:
		case 13:
		case 15:
			mask = 0;
			break;
		case 10:				/* uint8 and so on */
			mask = 0xFF;
			break;
		case 12:
			mask = 0xFFFF;
			break;
		case 14:
			mask = 0xFFFFFFFF;
			break;
		case 16:
			mask = PG_UINT64_MAX;
			break;
		default:
			return mlops_fail(build->support, MLOPS_FOREST_UNSUPPORTED, start, newer_hint,
							  "categories of an unknown type " INT64_FORMAT, type);
	}
	for (size_t i = 0; i < values->count; i++)
	{
		int64		value = ((int64 *) values->data)[i];
		uint64		magnitude = mask != 0 ? (uint64) value & mask :
			value < 0 ? 0 - (uint64) value : (uint64) value;
		char		digits[24];
		char	   *first = digits + sizeof(digits);
		uint32		offset;

		do
		{
			*--first = '0' + magnitude % 10;
			magnitude /= 10;
		} while (magnitude > 0);
		if (mask == 0 && value < 0)
			*--first = '-';
		if (!mlops_build_string(build, first, digits + sizeof(digits) - first, &offset) ||
			!mlops_vector_reserve(build->support, &build->categories, sizeof(uint32), 1))
			return false;
		((uint32 *) build->categories.data)[build->categories.count++] = offset;
	}
	return true;
}

/* cats.enc: the categories of each feature */
static bool
read_encodings(Document *document)
{
	MlopsBuild *build = document->build;
	MlopsReader *reader = &document->reader;
	MlopsVector offsets = {0};
	MlopsVector values = {0};
	MlopsText	key;
	bool		more;

	build->categories_offset = reader->pos;
	if (!mlops_reader_enter_array(reader))
		return false;
	for (;;)
	{
		size_t		start = reader->pos;
		bool		has_offsets = false;
		bool		has_values = false;
		int64		type = -1;

		if (!mlops_reader_next_item(reader, &more))
			return false;
		if (!more)
			break;
		if (!mlops_reader_enter_object(reader))
			return false;
		for (;;)
		{
			if (!mlops_reader_next_key(reader, &key, &more))
				return false;
			if (!more)
				break;
			if (mlops_text_is(&key, "offsets"))
			{
				if (!mlops_reader_longs(reader, &offsets))
					return false;
				has_offsets = true;
			}
			else if (mlops_text_is(&key, "values"))
			{
				if (!mlops_reader_longs(reader, &values))
					return false;
				has_values = true;
			}
			else if (mlops_text_is(&key, "type"))
			{
				if (!mlops_reader_integer(reader, &type))
					return false;
			}
			else
				return unknown_key(document, &key, "cats");
		}
		if (!has_values || has_offsets == (type >= 0))
			return mlops_fail(reader->support, MLOPS_FOREST_INVALID, start, NULL,
							  "the categories of a feature need values, and either offsets or a type");
		if (!(has_offsets ? add_string_categories(document, &offsets, &values, start)
			  : add_integer_categories(document, type, &values, start)))
			return false;
		if (!mlops_vector_reserve(build->support, &build->category_ends, sizeof(uint32), 1))
			return false;
		((uint32 *) build->category_ends.data)[build->category_ends.count++] =
			(uint32) build->categories.count;
	}
	mlops_release(build->support, offsets.data);
	mlops_release(build->support, values.data);
	return true;
}

/* cats: the dictionary of categories, since 3.1 */
static bool
read_categories(Document *document)
{
	MlopsReader *reader = &document->reader;
	MlopsText	key;
	bool		more;

	if (!mlops_reader_enter_object(reader))
		return false;
	for (;;)
	{
		if (!mlops_reader_next_key(reader, &key, &more))
			return false;
		if (!more)
			return true;
		if (mlops_text_is(&key, "enc"))
		{
			if (!read_encodings(document))
				return false;
		}
		else if (mlops_text_is(&key, "feature_segments") || mlops_text_is(&key, "sorted_idx"))
		{
			if (!mlops_reader_skip(reader))
				return false;
		}
		else
			return unknown_key(document, &key, "cats");
	}
}

/* the array of weights of trees that dart has */
static bool
read_weight_drop(Document *document)
{
	document->build->weight_drop_offset = document->reader.pos;
	return mlops_reader_floats(&document->reader, &document->build->weight_drop);
}

/* the model of a booster, be it of trees or linear */
static bool
read_model(Document *document)
{
	MlopsBuild *build = document->build;
	MlopsReader *reader = &document->reader;
	MlopsText	key;
	bool		more;

	if (!mlops_reader_enter_object(reader))
		return false;
	for (;;)
	{
		if (!mlops_reader_next_key(reader, &key, &more))
			return false;
		if (!more)
			return true;
		if (mlops_text_is(&key, "trees"))
		{
			if (!read_trees(document))
				return false;
		}
		else if (mlops_text_is(&key, "tree_info"))
		{
			build->groups_offset = reader->pos;
			document->has_groups = true;
			if (!mlops_reader_integers(reader, &build->groups))
				return false;
		}
		else if (mlops_text_is(&key, "gbtree_model_param"))
		{
			if (!read_model_parameters(document))
				return false;
		}
		else if (mlops_text_is(&key, "iteration_indptr"))
		{
			size_t		start = reader->pos;
			MlopsVector rounds = {0};

			if (!mlops_reader_integers(reader, &rounds))
				return false;
			for (size_t i = 0; i < rounds.count; i++)
			{
				int32	   *begin = rounds.data;

				if (i == 0 ? begin[i] != 0 : begin[i] < begin[i - 1])
					return mlops_fail(reader->support, MLOPS_FOREST_INVALID, start, NULL,
									  "iteration_indptr does not ascend from 0");
			}
			if (rounds.count > 0)
				document->num_rounds = (int64) rounds.count - 1;
			mlops_release(reader->support, rounds.data);
		}
		else if (mlops_text_is(&key, "cats"))
		{
			if (!read_categories(document))
				return false;
		}
		else if (mlops_text_is(&key, "weight_drop"))
		{
			/* since 3.3 */
			if (!read_weight_drop(document))
				return false;
		}
		else if (mlops_text_is(&key, "weights"))
		{
			build->weights_offset = reader->pos;
			document->has_linear = true;
			if (!mlops_reader_floats(reader, &build->weights))
				return false;
		}
		else if (mlops_text_is(&key, "boosted_rounds"))
		{
			if (!mlops_reader_integer(reader, &document->num_rounds))
				return false;
			document->num_rounds = Max(Min(document->num_rounds, PG_INT32_MAX), 0);
		}
		else
			return unknown_key(document, &key, "the model of the booster");
	}
}

/* learner.gradient_booster; inner is true for the one within that of dart */
static bool
read_booster(Document *document, bool inner)
{
	MlopsBuild *build = document->build;
	MlopsReader *reader = &document->reader;
	bool		has_name = false;
	char		name[32];
	MlopsText	key;
	bool		more;

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
		if (mlops_text_is(&key, "name"))
		{
			if (!read_word(document, name, sizeof(name), "the name of the booster"))
				return false;
			has_name = true;
			if (strcmp(name, "gbtree") == 0)
				build->booster = inner ? build->booster : MLOPS_BOOSTER_TREES;
			else if (strcmp(name, "dart") == 0 && !inner)
				build->booster = MLOPS_BOOSTER_DART;
			else if (strcmp(name, "gblinear") == 0 && !inner)
				build->booster = MLOPS_BOOSTER_LINEAR;
			else
				return mlops_fail(build->support, MLOPS_FOREST_UNSUPPORTED, start, newer_hint,
								  "booster \"%s\" is not supported", name);
		}
		else if (mlops_text_is(&key, "model") && !document->has_booster)
		{
			document->has_booster = true;
			if (!read_model(document))
				return false;
		}
		else if (mlops_text_is(&key, "gbtree") && !inner && !document->has_booster)
		{
			document->has_inner_trees = true;
			if (!read_booster(document, true))
				return false;
		}
		else if (mlops_text_is(&key, "weight_drop") && !inner)
		{
			if (!read_weight_drop(document))
				return false;
		}
		else
			return unknown_key(document, &key, "gradient_booster");
	}
	if (!has_name)
		return missing(document, "name of a booster");
	return true;
}

/* learner */
static bool
read_learner(Document *document)
{
	MlopsReader *reader = &document->reader;
	MlopsText	key;
	bool		more;

	document->has_learner = true;
	if (!mlops_reader_enter_object(reader))
		return false;
	for (;;)
	{
		if (!mlops_reader_next_key(reader, &key, &more))
			return false;
		if (!more)
			break;
		if (mlops_text_is(&key, "attributes"))
		{
			if (!read_attributes(document))
				return false;
		}
		else if (mlops_text_is(&key, "feature_names"))
		{
			if (!read_names(document))
				return false;
		}
		else if (mlops_text_is(&key, "feature_types"))
		{
			if (!read_kinds(document))
				return false;
		}
		else if (mlops_text_is(&key, "gradient_booster"))
		{
			if (!read_booster(document, false))
				return false;
		}
		else if (mlops_text_is(&key, "learner_model_param"))
		{
			if (!read_parameters(document))
				return false;
		}
		else if (mlops_text_is(&key, "objective"))
		{
			if (!read_objective(document))
				return false;
		}
		else
			return unknown_key(document, &key, "learner");
	}
	if (!document->has_booster)
		return missing(document, "model in gradient_booster");
	if (!document->has_parameters)
		return missing(document, "learner_model_param");
	if (!document->has_objective)
		return missing(document, "objective");
	return true;
}

/* version: of the library that wrote the file */
static bool
read_version(Document *document)
{
	MlopsBuild *build = document->build;
	size_t		start = document->reader.pos;
	MlopsVector numbers = {0};

	document->has_version = true;
	if (!mlops_reader_integers(&document->reader, &numbers))
		return false;
	if (numbers.count != 3)
		return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
						  "version does not have three numbers");
	for (int i = 0; i < 3; i++)
	{
		build->version[i] = ((int32 *) numbers.data)[i];
		if (build->version[i] < 0)
			return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
							  "version has a negative number");
	}
	if (build->version[0] < 1 || build->version[0] > 3)
		return mlops_fail(build->support, MLOPS_FOREST_UNSUPPORTED, start,
						  "Versions 1 to 3 are read; save the model again with one of these.",
						  "it was written by XGBoost %d.%d.%d",
						  build->version[0], build->version[1], build->version[2]);
	mlops_release(build->support, numbers.data);
	return true;
}

/*
 * Do the parts of the document agree with each other?
 */
static bool
check_document(Document *document)
{
	MlopsBuild *build = document->build;
	size_t		start = build->parameters_offset;
	bool		linear = build->booster == MLOPS_BOOSTER_LINEAR;

	if (linear ? document->has_trees : document->has_linear)
		return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
						  "the booster's name does not fit its model");
	if (document->has_inner_trees && build->booster != MLOPS_BOOSTER_DART)
		return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
						  "a \"gbtree\" within a booster that is not \"dart\"");
	if (linear)
	{
		if (!document->has_linear)
			return missing(document, "weights");
	}
	else
	{
		if (!document->has_trees)
			return missing(document, "trees");
		if (!document->has_groups)
			return missing(document, "tree_info");
		if (document->num_trees < 0)
			return missing(document, "num_trees");
		if (document->num_trees != (int64) build->trees.count)
			return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
							  "it declares " INT64_FORMAT " trees and has %zu",
							  document->num_trees, build->trees.count);
		if (build->booster == MLOPS_BOOSTER_DART && document->has_inner_trees &&
			build->weight_drop.count != build->trees.count)
			return mlops_fail(build->support, MLOPS_FOREST_INVALID, build->weight_drop_offset, NULL,
							  "weight_drop has %zu values for %zu trees",
							  build->weight_drop.count, build->trees.count);
	}
	if (document->objective_classes >= 0 && document->objective_classes != build->num_classes)
		return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
						  "num_class is " INT64_FORMAT " for the objective and " INT64_FORMAT
						  " for the model", document->objective_classes, build->num_classes);

	/* rounds, where the file does not count them */
	if (document->num_rounds < 0)
	{
		int64		trees_per_round = Max(document->num_parallel, 1) *
			Max(Max(build->num_classes, build->num_targets), 1);

		document->num_rounds = (int64) build->trees.count / trees_per_round;
	}
	build->num_rounds = document->num_rounds;
	return true;
}

/*
 * Read a model file of XGBoost into build.
 */
bool
mlops_xgboost_read(MlopsBuild *build, const void *bytes, size_t len)
{
	Document	document = {0};
	MlopsReader *reader = &document.reader;
	MlopsText	key;
	bool		more;

	document.build = build;
	document.num_trees = -1;
	document.num_rounds = -1;
	document.objective_classes = -1;
	mlops_reader_init(reader, build->support, bytes, len,
					  build->format == MLOPS_FORMAT_XGBOOST_UBJSON);

	if (!mlops_reader_enter_object(reader))
		return false;
	for (;;)
	{
		if (!mlops_reader_next_key(reader, &key, &more))
			return false;
		if (!more)
			break;
		if (mlops_text_is(&key, "learner"))
		{
			if (!read_learner(&document))
				return false;
		}
		else if (mlops_text_is(&key, "version"))
		{
			if (!read_version(&document))
				return false;
		}
		else if (mlops_text_is(&key, "Config") || mlops_text_is(&key, "Model"))
			return mlops_fail(build->support, MLOPS_FOREST_UNSUPPORTED,
							  key.bytes - reader->bytes,
							  "Save it with save_model() instead of pickling or serializing it.",
							  "it is a memory snapshot of a booster, not a model file");
		else
			return unknown_key(&document, &key, "the document");
	}
	if (!mlops_reader_finish(reader))
		return false;
	if (!document.has_learner)
		return missing(&document, "learner");
	if (!document.has_version)
		return missing(&document, "version");
	return check_document(&document);
}
