/*-------------------------------------------------------------------------
 *
 * lightgbm.c
 *	  Reads the model files of LightGBM: text, of the versions v2 to v4.
 *
 * A file has lines "key=value" up to the first tree; trees, each as many bytes
 * as the line tree_sizes says; and what scoring does not need: importances,
 * parameters, and the categories that pandas knew.  LightGBM passes over what
 * it does not know and takes the last of what is given twice.  Here both are
 * refused, so that nobody reads another model in a file than is scored.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/lightgbm.h"

const char *const mlops_lightgbm_newer_hint =
	"The file may come from a version of LightGBM that is newer than this version of mlops.";

static const char *const header_keys[MLOPS_NUM_LIGHTGBM_KEYS] = {
	"version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx",
	"objective", "average_output", "feature_names", "monotone_constraints",
	"feature_infos", "tree_sizes"
};

/*
 * Read the lines before the first tree, which has to be at document->next
 * afterwards, or else what follows the trees.
 */
static bool
read_header(MlopsLightgbm *document)
{
	MlopsSpan	line;
	MlopsSpan	key;
	MlopsSpan	value;

	if (!mlops_lightgbm_line(document, document->end, &line))
		return false;
	while (document->next < document->end)
	{
		const char *start = document->next;
		int			k;

		if (!mlops_lightgbm_line(document, document->end, &line))
			return false;
		if (line.begin == line.end)
			continue;
		if (mlops_span_begins(line, "Tree=") || mlops_span_is(line, "end of trees") ||
			mlops_span_is(line, "feature importances:"))
		{
			document->next = start;
			return true;
		}
		mlops_span_divide(line, &key, &value);
		for (k = 0; k < MLOPS_NUM_LIGHTGBM_KEYS && !mlops_span_is(key, header_keys[k]); k++)
			;
		if (k == MLOPS_NUM_LIGHTGBM_KEYS)
			return unsupported_file(document, line.begin, mlops_lightgbm_newer_hint,
									"unknown line \"%.*s\" before the trees", SPAN_ARGS(key));
		if (document->header[k].begin != NULL)
			return bad_file(document, line.begin, "the line %s is there twice", header_keys[k]);
		if ((k == KEY_AVERAGE_OUTPUT) != (key.end == line.end))
			return bad_file(document, line.begin, "the line %s is damaged", header_keys[k]);
		document->header[k] = value;
	}
	return true;
}

/* an integer of the header; false if it is not there or out of range */
static bool
header_integer(MlopsLightgbm *document, MlopsLightgbmKey key, int64 low, int64 high, int64 *value)
{
	MlopsSpan	span = document->header[key];

	if (span.begin == NULL)
		return bad_file(document, document->next, "it has no %s", header_keys[key]);
	if (!mlops_span_integer(span, low, high, value))
		return bad_file(document, span.begin, "%s is not an integer in its range: \"%.*s\"",
						header_keys[key], SPAN_ARGS(span));
	return true;
}

/* objectives: what their margins mean */
typedef struct Objective
{
	const char *name;
	MlopsTask	task;
	MlopsWideTransform transform;
	bool		classes;		/* has the word num_class:N */
	bool		sigmoid;		/* has the word sigmoid:X */
	bool		root;			/* may have the word sqrt */
} Objective;

static const Objective objectives[] = {
	{"regression", MLOPS_TASK_REGRESSION, MLOPS_WIDE_IDENTITY, false, false, true},
	{"regression_l1", MLOPS_TASK_REGRESSION, MLOPS_WIDE_IDENTITY, false, false, true},
	{"huber", MLOPS_TASK_REGRESSION, MLOPS_WIDE_IDENTITY, false, false, false},
	{"fair", MLOPS_TASK_REGRESSION, MLOPS_WIDE_IDENTITY, false, false, true},
	{"quantile", MLOPS_TASK_REGRESSION, MLOPS_WIDE_IDENTITY, false, false, true},
	{"mape", MLOPS_TASK_REGRESSION, MLOPS_WIDE_IDENTITY, false, false, true},
	{"poisson", MLOPS_TASK_REGRESSION, MLOPS_WIDE_EXP, false, false, false},
	{"gamma", MLOPS_TASK_REGRESSION, MLOPS_WIDE_EXP, false, false, false},
	{"tweedie", MLOPS_TASK_REGRESSION, MLOPS_WIDE_EXP, false, false, false},
	{"cross_entropy", MLOPS_TASK_REGRESSION, MLOPS_WIDE_SIGMOID, false, false, false},
	{"xentropy", MLOPS_TASK_REGRESSION, MLOPS_WIDE_SIGMOID, false, false, false},
	{"cross_entropy_lambda", MLOPS_TASK_REGRESSION, MLOPS_WIDE_LOG1P_EXP, false, false, false},
	{"xentlambda", MLOPS_TASK_REGRESSION, MLOPS_WIDE_LOG1P_EXP, false, false, false},
	{"binary", MLOPS_TASK_BINARY, MLOPS_WIDE_SIGMOID, false, true, false},
	{"multiclass", MLOPS_TASK_MULTICLASS, MLOPS_WIDE_SOFTMAX, true, false, false},
	{"multiclassova", MLOPS_TASK_MULTICLASS, MLOPS_WIDE_SIGMOID, true, true, false},
	{"lambdarank", MLOPS_TASK_RANKING, MLOPS_WIDE_IDENTITY, false, false, false},
	{"rank_xendcg", MLOPS_TASK_RANKING, MLOPS_WIDE_IDENTITY, false, false, false}
};

/*
 * The objective, and how many margins a row has.
 */
static bool
check_objective(MlopsLightgbm *document)
{
	MlopsWideBuild *wide = document->wide;
	MlopsSpan	words = document->header[KEY_OBJECTIVE];
	MlopsSpan	word = {NULL, NULL};
	const Objective *objective = NULL;
	int64		num_class;
	int64		classes = -1;
	bool		sigmoid = false;
	bool		root = false;

	if (words.begin == NULL)
		return unsupported_file(document, document->next,
								"Train with one of the built-in objectives that doc/lightgbm.md lists.",
								"it has a custom objective, and does not say what its margins mean");
	if (!mlops_span_word(&words, &word))
		return bad_file(document, words.begin, "objective is empty");
	for (int i = 0; i < (int) lengthof(objectives); i++)
	{
		if (mlops_span_is(word, objectives[i].name))
			objective = &objectives[i];
	}
	if (objective == NULL)
		return unsupported_file(document, word.begin,
								"Train with one of the built-in objectives that doc/lightgbm.md lists.",
								"objective \"%.*s\" is not supported", SPAN_ARGS(word));

	wide->objective = objective->name;
	wide->task = objective->task;
	wide->transform = objective->transform;
	wide->sigmoid = 1.0;
	while (mlops_span_word(&words, &word))
	{
		MlopsSpan	value = word;

		if (objective->root && !root && mlops_span_is(word, "sqrt"))
			root = true;
		else if (objective->classes && classes < 0 && mlops_span_begins(word, "num_class:"))
		{
			value.begin += strlen("num_class:");
			if (!mlops_span_integer(value, 1, PG_INT32_MAX, &classes))
				return bad_file(document, word.begin,
								"the objective has \"%.*s\"", SPAN_ARGS(word));
		}
		else if (objective->sigmoid && !sigmoid && mlops_span_begins(word, "sigmoid:"))
		{
			value.begin += strlen("sigmoid:");
			sigmoid = true;
			if (!mlops_span_sigmoid(value, &wide->sigmoid))
				return bad_file(document, word.begin,
								"the objective has \"%.*s\"", SPAN_ARGS(word));
		}
		else
			return unsupported_file(document, word.begin, mlops_lightgbm_newer_hint,
									"unknown parameter \"%.*s\" of objective \"%s\"",
									SPAN_ARGS(word), objective->name);
	}
	if (root)
		wide->transform = MLOPS_WIDE_SIGNED_SQUARE;
	if (objective->sigmoid && !sigmoid)
		return bad_file(document, word.begin, "objective \"%s\" has no sigmoid", objective->name);

	if (!header_integer(document, KEY_NUM_CLASS, 1, PG_INT32_MAX, &num_class))
		return false;
	wide->num_groups = num_class;
	if (document->header[KEY_NUM_TREE_PER_ITERATION].begin != NULL &&
		!header_integer(document, KEY_NUM_TREE_PER_ITERATION, 1, PG_INT32_MAX, &wide->num_groups))
		return false;
	if (num_class != wide->num_groups || num_class != (objective->classes ? classes : 1))
		return bad_file(document, document->header[KEY_NUM_CLASS].begin,
						"it has " INT64_FORMAT " classes and " INT64_FORMAT " trees per round for objective \"%s\"",
						num_class, wide->num_groups, objective->name);
	if (num_class > MLOPS_MAX_GROUPS)
		return large_file(document, document->header[KEY_NUM_CLASS].begin,
						  "it has " INT64_FORMAT " classes, the limit is %d",
						  num_class, MLOPS_MAX_GROUPS);
	return true;
}

/*
 * Names of the features: words that one blank divides.
 */
static bool
check_names(MlopsLightgbm *document)
{
	MlopsBuild *build = &document->wide->build;
	MlopsSpan	list = document->header[KEY_FEATURE_NAMES];
	const char *p = list.begin;
	uint32	   *names;

	if (p == NULL)
		return bad_file(document, document->next, "it has no feature_names");
	build->names_offset = mlops_lightgbm_offset(document, p);
	if (!mlops_utf8_valid((const uint8 *) p, list.end - p))
		return bad_file(document, p, "feature_names is not UTF-8");
	/* each takes two bytes of the file at least */
	if (build->num_features > (list.end - p + 1) / 2 ||
		!mlops_vector_reserve(build->support, &build->names, sizeof(uint32), build->num_features))
		return bad_file(document, p, "feature_names has fewer names than there are features, "
						INT64_FORMAT, build->num_features);
	names = build->names.data;
	for (;;)
	{
		const char *end = p;

		while (end < list.end && *end != ' ')
		{
			if ((unsigned char) *end < ' ')
				return bad_file(document, end, "feature_names has a control character");
			end++;
		}
		if (end == p)
			return bad_file(document, p, "feature_names has an empty name");
		if (build->names.count == (size_t) build->num_features)
			return bad_file(document, p, "feature_names has more names than there are features, "
							INT64_FORMAT, build->num_features);
		if (!mlops_build_string(build, p, end - p, &names[build->names.count++]))
			return false;
		if (end == list.end)
			break;
		p = end + 1;
	}
	if (build->names.count != (size_t) build->num_features)
		return bad_file(document, list.begin,
						"feature_names has %zu names for " INT64_FORMAT " features",
						build->names.count, build->num_features);
	return true;
}

/*
 * What the features are: "none" was of no use, "[low:high]" is a number,
 * "3:0:1" has these categories.
 */
static bool
check_infos(MlopsLightgbm *document)
{
	MlopsBuild *build = &document->wide->build;
	MlopsSupport *support = document->support;
	MlopsSpan	list = document->header[KEY_FEATURE_INFOS];
	MlopsSpan	word;
	uint8	   *kinds;
	int32	   *max_codes;

	if (list.begin == NULL)
		return bad_file(document, document->next, "it has no feature_infos");
	build->kinds_offset = mlops_lightgbm_offset(document, list.begin);
	if (!mlops_vector_reserve(support, &build->kinds, 1, build->num_features) ||
		!mlops_vector_reserve(support, &document->max_codes, sizeof(int32), build->num_features))
		return false;
	kinds = build->kinds.data;
	max_codes = document->max_codes.data;
	while (mlops_span_word(&list, &word))
	{
		size_t		i = build->kinds.count++;

		if (i == (size_t) build->num_features)
			return bad_file(document, word.begin,
							"feature_infos has more values than there are features, "
							INT64_FORMAT, build->num_features);
		kinds[i] = MLOPS_FEATURE_NUMERIC;
		max_codes[i] = -1;
		if (mlops_span_is(word, "none"))
			continue;
		if (*word.begin == '[')
		{
			if (word.end[-1] != ']' || word.end - word.begin < 2)
				return bad_file(document, word.begin,
								"feature_infos has \"%.*s\"", SPAN_ARGS(word));
			continue;
		}
		kinds[i] = MLOPS_FEATURE_CATEGORICAL;
		for (const char *p = word.begin; p < word.end; p++)
		{
			MlopsSpan	code = {p, word.end};
			int64		value;

			while (p < word.end && *p != ':')
				p++;
			code.end = p;
			if (!mlops_span_integer(code, PG_INT32_MIN, PG_INT32_MAX, &value) ||
				p == word.end - 1)
				return bad_file(document, word.begin,
								"feature_infos has \"%.*s\"", SPAN_ARGS(word));
			max_codes[i] = Max(max_codes[i], (int32) value);
		}
	}
	if (build->kinds.count != (size_t) build->num_features)
		return bad_file(document, document->header[KEY_FEATURE_INFOS].begin,
						"feature_infos has %zu values for " INT64_FORMAT " features",
						build->kinds.count, build->num_features);
	return true;
}

/*
 * Check what was said before the first tree.
 */
static bool
check_header(MlopsLightgbm *document)
{
	MlopsBuild *build = &document->wide->build;
	MlopsSpan	version = document->header[KEY_VERSION];
	int64		number;

	if (version.begin == NULL)
		return unsupported_file(document, document->next,
								"Load the model with LightGBM 2.1 or later, and save it again.",
								"it has no version, as in files of LightGBM before 2.1");
	if (version.end - version.begin != 2 || version.begin[0] != 'v' ||
		version.begin[1] < '2' || version.begin[1] > '4')
		return unsupported_file(document, version.begin, mlops_lightgbm_newer_hint,
								"version \"%.*s\" is not one of v2, v3 and v4", SPAN_ARGS(version));
	build->version[0] = version.begin[1] - '0';
	build->version[1] = build->version[2] = -1;

	if (!check_objective(document) ||
		!header_integer(document, KEY_LABEL_INDEX, PG_INT32_MIN, PG_INT32_MAX, &number) ||
		!header_integer(document, KEY_MAX_FEATURE_IDX, 0, PG_INT32_MAX, &number))
		return false;
	build->num_features = number + 1;
	if (build->num_features > MLOPS_MAX_FEATURES)
		return large_file(document, document->header[KEY_MAX_FEATURE_IDX].begin,
						  "it has " INT64_FORMAT " features, the limit is %d",
						  build->num_features, MLOPS_MAX_FEATURES);
	document->wide->averaged = document->header[KEY_AVERAGE_OUTPUT].begin != NULL;
	return check_names(document) && check_infos(document);
}

/*
 * Read the trees.
 */
static bool
read_trees(MlopsLightgbm *document)
{
	MlopsWideBuild *wide = document->wide;
	MlopsSpan	sizes = document->header[KEY_TREE_SIZES];
	MlopsSpan	word;

	if (sizes.begin == NULL)
		return bad_file(document, document->next, "it has no tree_sizes");
	while (mlops_span_word(&sizes, &word))
	{
		int64		size;

		if (!mlops_span_integer(word, 1, document->end - document->next, &size))
			return bad_file(document, word.begin,
							"tree_sizes says that tree %zu has \"%.*s\" bytes, but %zu follow",
							wide->build.trees.count, SPAN_ARGS(word),
							(size_t) (document->end - document->next));
		if (!mlops_lightgbm_tree(document, size))
			return false;
	}
	if (wide->build.trees.count % wide->num_groups != 0)
		return bad_file(document, document->header[KEY_TREE_SIZES].begin,
						"it has %zu trees, which are no whole rounds of " INT64_FORMAT,
						wide->build.trees.count, wide->num_groups);
	/* this objective changed in 3.3; linear trees came in 3.2 */
	if (wide->transform == MLOPS_WIDE_LOG1P_EXP && !document->tells_linear)
		wide->transform = MLOPS_WIDE_LOG_EXP;
	if (wide->averaged && wide->build.trees.count == 0)
		return bad_file(document, document->header[KEY_TREE_SIZES].begin,
						"it averages over no trees");
	return true;
}

/*
 * Read what follows the trees.  Only the categories are of use, and the
 * parameter that says which features have them.
 */
static bool
read_rest(MlopsLightgbm *document)
{
	enum
	{
		TREES, IMPORTANCES, PARAMETERS, PARSER, OTHER, CATEGORIES
	}			part = TREES;
	bool		ended = false;
	MlopsSpan	line;

	while (document->next < document->end)
	{
		if (!mlops_lightgbm_line(document, document->end, &line))
			return false;
		if (part == PARAMETERS)
		{
			static const char parameter[] = "[categorical_feature: ";

			if (mlops_span_is(line, "end of parameters"))
				part = OTHER;
			else if (mlops_span_begins(line, parameter) && line.end[-1] == ']')
			{
				if (document->categorical.begin != NULL)
					return bad_file(document, line.begin,
									"the parameter categorical_feature is there twice");
				document->categorical.begin = line.begin + strlen(parameter);
				document->categorical.end = line.end - 1;
			}
		}
		else if (part == PARSER)
		{
			if (mlops_span_is(line, "end of parser"))
				part = OTHER;
		}
		else if (line.begin == line.end)
			continue;
		else if (part == TREES && !ended && mlops_span_is(line, "end of trees"))
			ended = true;
		else if (part == TREES && (mlops_span_is(line, "feature_importances:") ||
								   mlops_span_is(line, "feature importances:")))
			part = IMPORTANCES;
		else if (part < PARAMETERS && mlops_span_is(line, "parameters:"))
			part = PARAMETERS;
		else if (part != CATEGORIES && mlops_span_is(line, "parser:"))
			part = PARSER;
		else if (part != CATEGORIES && mlops_span_begins(line, "pandas_categorical:"))
		{
			document->pandas = line;
			document->pandas.begin += strlen("pandas_categorical:");
			part = CATEGORIES;
		}
		else if (part != IMPORTANCES || memchr(line.begin, '=', line.end - line.begin) == NULL)
			return bad_file(document, line.begin, "unknown line \"%.*s\" after the trees",
							SPAN_ARGS(line));
	}
	/* the first versions had nothing to end the trees but what follows */
	if (part == PARAMETERS || part == PARSER || (!ended && part == TREES))
		return bad_file(document, document->next, "it ends in the middle of the document");
	return true;
}

/*
 * Read a model file; mlops_wide_finish() makes the forest then.
 */
bool
mlops_lightgbm_read(MlopsWideBuild *wide, const void *bytes, size_t len)
{
	MlopsLightgbm document = {0};

	document.wide = wide;
	document.support = wide->build.support;
	document.bytes = document.next = bytes;
	document.end = document.bytes + len;
	return read_header(&document) && check_header(&document) && read_trees(&document) &&
		read_rest(&document) && mlops_lightgbm_categories(&document);
}
