/*-------------------------------------------------------------------------
 *
 * forest.c
 *	  The model engine's front: recognises formats, reads a model, answers
 *	  questions about it.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/wide_build.h"

/* file formats that we know by their first bytes, and do not read */
typedef struct Magic
{
	const char *bytes;
	int			len;
	const char *message;
	const char *hint;
} Magic;

#define MAGIC(bytes, message, hint) {bytes, sizeof(bytes) - 1, message, hint}

static const char *const json_hint =
	"Save the model as JSON or UBJSON with save_model().";

static const Magic magics[] = {
	MAGIC("\x1f\x8b", "it is compressed with gzip", "Decompress it first."),
	MAGIC("PK\x03\x04", "it is a zip archive", "Take the model file out of it."),
	MAGIC("BZh", "it is compressed with bzip2", "Decompress it first."),
	MAGIC("\xfd" "7zXZ", "it is compressed with xz", "Decompress it first."),
	MAGIC("\x28\xb5\x2f\xfd", "it is compressed with zstd", "Decompress it first."),
	MAGIC("\x89HDF", "it is an HDF5 file", NULL),
	MAGIC("\x7f" "ELF", "it is a compiled program or library", NULL),
	MAGIC("<?xml", "it is an XML document, maybe PMML, which is not supported", NULL),
	MAGIC("<PMML", "it is a PMML document, which is not supported", NULL),
	MAGIC("binf", "it is in XGBoost's old binary format", NULL),
	MAGIC("bs64", "it is in XGBoost's old binary format", NULL),
	MAGIC("CONFIG-offset:", "it is a memory snapshot of a booster, not a model file", NULL)
};

/* is c white space in JSON? */
static inline bool
is_space(uint8 c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * The format of a model file, by its first bytes.
 */
MlopsFormat
mlops_forest_format(const void *bytes, size_t len)
{
	const uint8 *p = bytes;
	size_t		i = 0;

	if (len >= 5 && memcmp(p, "tree", 4) == 0 && (p[4] == '\n' || p[4] == '\r'))
		return MLOPS_FORMAT_LIGHTGBM;
	while (i < len && is_space(p[i]))
		i++;
	if (i >= len || p[i] != '{')
		return MLOPS_FORMAT_UNKNOWN;

	/* the key of a UBJSON object begins with the type of its length */
	if (i == 0 && len > 1 && strchr("iUIlL$#", p[1]) != NULL && p[1] != '\0')
		return MLOPS_FORMAT_XGBOOST_UBJSON;
	for (i++; i < len && is_space(p[i]); i++)
		;
	if (i < len && (p[i] == '"' || p[i] == '}'))
		return MLOPS_FORMAT_XGBOOST_JSON;
	return MLOPS_FORMAT_UNKNOWN;
}

/*
 * Say what an unknown file is, as far as its first bytes tell.
 */
static void
refuse_unknown(MlopsSupport *support, const uint8 *bytes, size_t len)
{
	for (int i = 0; i < (int) lengthof(magics); i++)
	{
		if (len >= (size_t) magics[i].len &&
			memcmp(bytes, magics[i].bytes, magics[i].len) == 0)
		{
			mlops_fail(support, MLOPS_FOREST_UNSUPPORTED, 0,
					   magics[i].hint ? magics[i].hint : json_hint,
					   "%s", magics[i].message);
			return;
		}
	}
	if (len >= 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5)
		mlops_fail(support, MLOPS_FOREST_UNSUPPORTED, 0, json_hint,
				   "it is a Python pickle, which can hold any program");
	else if (len >= 4 && bytes[0] == 0x08 && bytes[1] < 0x20 &&
			 (bytes[2] == 0x12 || bytes[2] == 0x1a || bytes[2] == 0x3a))
		mlops_fail(support, MLOPS_FOREST_UNSUPPORTED, 0, json_hint,
				   "it looks like an ONNX model, which is not supported");
	else if (len == 0)
		mlops_fail(support, MLOPS_FOREST_INVALID, 0, NULL, "it is empty");
	else
		mlops_fail(support, MLOPS_FOREST_UNSUPPORTED, 0, json_hint,
				   "it is not a model file that mlops knows");
}

/*
 * Read a model file.  The result is one block from env->alloc, which the
 * caller releases; NULL if the file is not accepted, and *error says why.
 */
MlopsForest *
mlops_forest_read(const void *bytes, size_t len, const MlopsForestEnv *env,
				  MlopsForestError *error)
{
	MlopsSupport support;
	MlopsBuild	build;
	MlopsWideBuild wide;
	MlopsFormat format = mlops_forest_format(bytes, len);
	MlopsForest *forest = NULL;

	mlops_support_init(&support, env, error);
	if (len > MLOPS_MAX_FILE)
	{
		mlops_fail(&support, MLOPS_FOREST_LIMIT, MLOPS_MAX_FILE, NULL,
				   "it has %zu bytes, the limit is %d", len, MLOPS_MAX_FILE);
		return NULL;
	}
	switch (format)
	{
		case MLOPS_FORMAT_XGBOOST_JSON:
		case MLOPS_FORMAT_XGBOOST_UBJSON:
			if (mlops_build_init(&build, &support))
			{
				build.format = format;
				if (mlops_xgboost_read(&build, bytes, len))
					forest = mlops_build_finish(&build);
			}
			break;
		case MLOPS_FORMAT_LIGHTGBM:
			if (mlops_wide_init(&wide, &support) && mlops_lightgbm_read(&wide, bytes, len))
				forest = mlops_wide_finish(&wide);
			break;
		default:
			refuse_unknown(&support, bytes, len);
	}
	mlops_release_all(&support);
	return forest;
}

/*
 * Is this block, which may have come from elsewhere, a forest of our layout?
 */
bool
mlops_forest_valid(const void *block, size_t size)
{
	const MlopsForest *forest = block;

	return size >= sizeof(MlopsForest) && forest->magic == MLOPS_FOREST_MAGIC &&
		forest->layout == MLOPS_FOREST_LAYOUT && forest->size == size;
}

/*
 * The size of a forest's block in bytes.
 */
size_t
mlops_forest_size(const MlopsForest *forest)
{
	return (size_t) forest->size;
}

/*
 * What is known of a model as a whole.
 */
void
mlops_forest_info(const MlopsForest *forest, MlopsForestInfo *info)
{
	static const char *const boosters[] = {"gbtree", "dart", "gblinear", "gbdt", "rf"};

	memset(info, 0, sizeof(*info));
	info->format = forest->format;
	info->task = forest->task;
	info->objective = mlops_part(forest, char, forest->objective);
	info->booster = boosters[forest->booster];
	memcpy(info->library_version, forest->library_version, sizeof(info->library_version));
	info->num_features = forest->num_features;
	info->num_groups = forest->num_groups;
	info->num_outputs = forest->num_outputs;
	info->num_trees = forest->num_trees;
	info->num_rounds = forest->num_rounds;
	info->num_nodes = forest->num_nodes;
	info->max_depth = forest->max_depth;
	info->has_feature_names = forest->has_feature_names;
	info->num_targets = forest->num_targets;
	info->best_round = forest->best_round;
	info->wide = forest->wide.used;
}

/* feature i */
static inline const MlopsFeature *
feature_at(const MlopsForest *forest, int feature)
{
	Assert(feature >= 0 && feature < forest->num_features);
	return mlops_part(forest, MlopsFeature, forest->features) + feature;
}

/*
 * The name of a feature in the file, or NULL.
 */
const char *
mlops_forest_feature_name(const MlopsForest *forest, int feature)
{
	if (!forest->has_feature_names)
		return NULL;
	return mlops_part(forest, char, forest->strings) + feature_at(forest, feature)->name;
}

/*
 * The kind of a feature.
 */
MlopsFeatureKind
mlops_forest_feature_kind(const MlopsForest *forest, int feature)
{
	return feature_at(forest, feature)->kind;
}

/*
 * Does a feature take part in any score?
 */
bool
mlops_forest_feature_used(const MlopsForest *forest, int feature)
{
	return feature_at(forest, feature)->used;
}

/*
 * How many categories the file names for a feature.
 */
int
mlops_forest_num_categories(const MlopsForest *forest, int feature)
{
	return (int) feature_at(forest, feature)->num_categories;
}

/*
 * The name of the category of this code.
 */
const char *
mlops_forest_category(const MlopsForest *forest, int feature, int code)
{
	const MlopsFeature *f = feature_at(forest, feature);

	Assert(code >= 0 && code < (int) f->num_categories);
	return mlops_part(forest, char, forest->strings) +
		mlops_part(forest, uint32, forest->categories)[f->first_category + code];
}
