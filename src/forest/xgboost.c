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
#include "forest/number.h"
#include "forest/xgboost.h"

const char *const mlops_xgboost_newer_hint =
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
	bool		has_inner_trees;	/* "gbtree" within dart */
	int64		num_trees;		/* as declared; -1: not */
	int64		num_parallel;
	int64		num_rounds;		/* by iteration_indptr or boosted_rounds; -1 */
	int64		round_trees;	/* trees of all rounds by iteration_indptr; -1 */
	int64		objective_classes;	/* by the objective; -1 */
} Document;

/*
 * Report a key that is none of those that may stand here.
 */
bool
mlops_xgboost_unknown(MlopsReader *reader, const MlopsText *key, const char *where)
{
	return mlops_fail(reader->support, MLOPS_FOREST_UNSUPPORTED,
					  key->bytes - reader->bytes, mlops_xgboost_newer_hint,
					  "unknown key \"%.*s\" in %s",
					  (int) Min(key->len, 60), (const char *) key->bytes, where);
}

/*
 * Report that something is not in the document.
 */
bool
mlops_xgboost_missing(MlopsReader *reader, const char *what)
{
	return mlops_fail(reader->support, MLOPS_FOREST_INVALID,
					  reader->pos, NULL, "it has no %s", what);
}

/*
 * Read a string of at most size - 1 bytes, none of them escaped, into a buffer
 * with a zero at the end.
 */
bool
mlops_xgboost_word(MlopsReader *reader, char *buffer, size_t size, const char *what)
{
	size_t		start = reader->pos;
	MlopsText	text;

	if (!mlops_reader_string(reader, &text))
		return false;
	if (text.escaped || text.len >= size)
		return mlops_fail(reader->support, MLOPS_FOREST_INVALID, start, NULL,
						  "%s is not a plain word of at most %zu bytes", what, size - 1);
	memcpy(buffer, text.bytes, text.len);
	buffer[text.len] = '\0';
	return true;
}

/*
 * Read an integer between low and high that is written as a string.
 */
bool
mlops_xgboost_parameter(MlopsReader *reader, const char *what, int64 low, int64 high, int64 *value)
{
	size_t		start = reader->pos;
	char		word[32];
	const char *end;

	if (!mlops_xgboost_word(reader, word, sizeof(word), what))
		return false;
	end = mlops_parse_integer(word, word + strlen(word), value);
	if (end == NULL || *end != '\0')
		return mlops_fail(reader->support, MLOPS_FOREST_INVALID, start, NULL,
						  "%s is not an integer: \"%s\"", what, word);
	if (*value < low || *value > high)
		return mlops_fail(reader->support, MLOPS_FOREST_INVALID, start, NULL,
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
			if (!mlops_xgboost_parameter(reader, "num_class", 0, PG_INT32_MAX, &build->num_classes))
				return false;
		}
		else if (mlops_text_is(&key, "num_feature"))
		{
			if (!mlops_xgboost_parameter(reader, "num_feature", 0, PG_UINT32_MAX, &build->num_features))
				return false;
			has_features = true;
		}
		else if (mlops_text_is(&key, "num_target"))
		{
			if (!mlops_xgboost_parameter(reader, "num_target", 1, PG_INT32_MAX, &build->num_targets))
				return false;
		}
		else if (mlops_text_is(&key, "boost_from_average"))
		{
			if (!mlops_xgboost_parameter(reader, "boost_from_average", 0, 1, &ignored))
				return false;
		}
		else
			return mlops_xgboost_unknown(reader, &key, "learner_model_param");
	}
	if (build->base_values.count == 0)
		return mlops_xgboost_missing(reader, "base_score");
	if (!has_features)
		return mlops_xgboost_missing(reader, "num_feature");
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
			if (!mlops_xgboost_parameter(reader, "num_class", 0, PG_INT32_MAX,
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

			if (!mlops_xgboost_word(reader, name, sizeof(name), "the name of the objective"))
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
		return mlops_xgboost_missing(reader, "name of an objective");
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
			if (!mlops_xgboost_parameter(reader, "num_trees", 0, PG_INT32_MAX, &document->num_trees))
				return false;
		}
		else if (mlops_text_is(&key, "num_parallel_tree"))
		{
			if (!mlops_xgboost_parameter(reader, "num_parallel_tree", 0, PG_INT32_MAX,
								&document->num_parallel))
				return false;
		}
		else if (mlops_text_is(&key, "size_leaf_vector"))
		{
			if (!mlops_xgboost_parameter(reader, "size_leaf_vector", 0, PG_INT32_MAX, &ignored))
				return false;
		}
		else
			return mlops_xgboost_unknown(reader, &key, "gbtree_model_param");
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
			document->has_trees = true;
			if (!mlops_xgboost_trees(reader, build))
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
			{
				document->num_rounds = (int64) rounds.count - 1;
				document->round_trees = ((int32 *) rounds.data)[rounds.count - 1];
			}
			mlops_release(reader->support, rounds.data);
		}
		else if (mlops_text_is(&key, "cats"))
		{
			if (!mlops_xgboost_categories(reader, build))
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
			return mlops_xgboost_unknown(reader, &key, "the model of the booster");
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
			if (!mlops_xgboost_word(reader, name, sizeof(name), "the name of the booster"))
				return false;
			has_name = true;
			if (strcmp(name, "gbtree") == 0)
				build->booster = inner ? build->booster : MLOPS_BOOSTER_TREES;
			else if (strcmp(name, "dart") == 0 && !inner)
				build->booster = MLOPS_BOOSTER_DART;
			else if (strcmp(name, "gblinear") == 0 && !inner)
				build->booster = MLOPS_BOOSTER_LINEAR;
			else
				return mlops_fail(build->support, MLOPS_FOREST_UNSUPPORTED, start, mlops_xgboost_newer_hint,
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
			return mlops_xgboost_unknown(reader, &key, "gradient_booster");
	}
	if (!has_name)
		return mlops_xgboost_missing(reader, "name of a booster");
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
			return mlops_xgboost_unknown(reader, &key, "learner");
	}
	if (!document->has_booster)
		return mlops_xgboost_missing(reader, "model in gradient_booster");
	if (!document->has_parameters)
		return mlops_xgboost_missing(reader, "learner_model_param");
	if (!document->has_objective)
		return mlops_xgboost_missing(reader, "objective");
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
	MlopsReader *reader = &document->reader;
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
			return mlops_xgboost_missing(reader, "weights");
	}
	else
	{
		if (!document->has_trees)
			return mlops_xgboost_missing(reader, "trees");
		if (!document->has_groups)
			return mlops_xgboost_missing(reader, "tree_info");
		if (document->num_trees < 0)
			return mlops_xgboost_missing(reader, "num_trees");
		if (document->num_trees != (int64) build->trees.count)
			return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
							  "it declares " INT64_FORMAT " trees and has %zu",
							  document->num_trees, build->trees.count);
		if (document->round_trees >= 0 && document->round_trees != document->num_trees)
			return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
							  "its rounds have " INT64_FORMAT " trees, but there are " INT64_FORMAT,
							  document->round_trees, document->num_trees);
		if (build->booster == MLOPS_BOOSTER_DART && document->has_inner_trees &&
			build->weight_drop.count != build->trees.count)
			return mlops_fail(build->support, MLOPS_FOREST_INVALID, build->weight_drop_offset, NULL,
							  "weight_drop has %zu values for %zu trees",
							  build->weight_drop.count, build->trees.count);
	}
	if (!mlops_xgboost_check_categories(reader, build))
		return false;
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
	document.round_trees = -1;
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
			return mlops_xgboost_unknown(reader, &key, "the document");
	}
	if (!mlops_reader_finish(reader))
		return false;
	if (!document.has_learner)
		return mlops_xgboost_missing(reader, "learner");
	if (!document.has_version)
		return mlops_xgboost_missing(reader, "version");
	return check_document(&document);
}
