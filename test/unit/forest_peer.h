/*-------------------------------------------------------------------------
 *
 * forest_peer.h
 *	  For tests of the model engine: models that libxgboost trains, and its
 *	  scores beside ours.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FOREST_PEER_H
#define FOREST_PEER_H

#include <xgboost/c_api.h>

#include "forest_test.h"
#include "forest_batch_check.h"
#include "forest/export.h"

#define MUST(call) \
	do { \
		if ((call) != 0) \
		{ \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, XGBGetLastError()); \
			exit(2); \
		} \
	} while (0)

#define PEER_COLUMNS	10
#define PEER_TRAIN		600		/* rows to train with */
#ifndef PEER_ROWS
#define PEER_ROWS		400		/* rows to score */
#endif

/* one model to train */
typedef struct PeerModel
{
	const char *group;			/* what it is counted under */
	const char *objective;
	const char *booster;		/* NULL: gbtree */
	const char *method;			/* NULL: hist */
	int			depth;			/* 0: by number of leaves */
	int			trees;			/* rounds */
	int			parallel;		/* trees per round, as in a random forest */
	int			classes;
	int			targets;
	int			categorical;	/* columns that are categories */
	int			max_onehot;		/* categories up to which splits are one-hot */
	double		gamma;
	const char *base_score;		/* NULL: the default */
	bool		early;			/* say that an earlier round was the best */
} PeerModel;

/* what a comparison found */
typedef struct PeerCount
{
	long		models;
	long		untrained;		/* libxgboost would not train them */
	long		refused;		/* by us */
	long		rows;
	long		margins;		/* rows whose margins differ, in any comparison */
	long		outputs;		/* rows whose outputs differ */
	long		in_place;		/* rows whose margins differ from the in-place path */
	long		exports;		/* files that we write as JSON otherwise than libxgboost */
} PeerCount;

/* a column that is a category has so many */
static inline int
peer_categories(int column)
{
	static const int counts[PEER_COLUMNS] = {0, 0, 0, 0, 300, 40, 12, 3, 2, 7};

	return counts[column];
}

/* a row as training sees it */
static inline void
peer_row(const PeerModel *model, float *row)
{
	for (int i = 0; i < PEER_COLUMNS; i++)
	{
		if (uniform() < 0.08)
			row[i] = NAN;
		else if (i >= PEER_COLUMNS - model->categorical)
			row[i] = (float) below(peer_categories(i));
		else if (i == 0)
			row[i] = (float) below(5);	/* few values, hence many on thresholds */
		else
			row[i] = (float) (normal() * pow(10, i - 4));
	}
}

/* labels that an objective accepts */
static inline void
peer_labels(const PeerModel *model, const float *rows, float *labels, float *upper)
{
	const char *objective = model->objective;

	for (int i = 0; i < PEER_TRAIN; i++)
	{
		const float *row = rows + (size_t) i * PEER_COLUMNS;
		double		x = normal() * 0.3;

		for (int k = 0; k < PEER_COLUMNS; k++)
		{
			if (isnan(row[k]))
				x += k % 2 ? 0.4 : -0.4;
			else if (k >= PEER_COLUMNS - model->categorical)
				x += ((int) row[k] * 7 % 5 - 2) * 0.5;
			else
				x += sin(row[k] / pow(10, k - 4) * (k + 1)) * 0.7;
		}
		for (int t = 0; t < model->targets; t++)
			labels[(size_t) i * model->targets + t] = (float) (x * (t + 1) + normal() * 0.2);
		if (model->targets > 1)
		{
			for (int t = 0; t < model->targets && strncmp(objective, "binary:", 7) == 0; t++)
				labels[(size_t) i * model->targets + t] = labels[(size_t) i * model->targets + t] > 0;
			continue;
		}
		if (strncmp(objective, "multi:", 6) == 0)
			labels[i] = (float) Min(Max((int) floor(x + model->classes / 2.0), 0), model->classes - 1);
		else if (strncmp(objective, "binary:", 7) == 0 || strncmp(objective, "rank:", 5) == 0 ||
				 strcmp(objective, "reg:logistic") == 0)
			labels[i] = x > 0;
		else if (strcmp(objective, "count:poisson") == 0 || strcmp(objective, "reg:tweedie") == 0)
			labels[i] = (float) floor(exp(x / 2));
		else if (strcmp(objective, "reg:gamma") == 0 || strncmp(objective, "survival:", 9) == 0 ||
				 strcmp(objective, "reg:squaredlogerror") == 0)
			labels[i] = (float) exp(x / 2);
		if (strcmp(objective, "survival:cox") == 0 && i % 4 == 0)
			labels[i] = -labels[i];
		upper[i] = i % 5 == 0 ? INFINITY : labels[i];
	}
}

static inline void
peer_types(const PeerModel *model, DMatrixHandle matrix)
{
	const char *types[PEER_COLUMNS];

	for (int i = 0; i < PEER_COLUMNS; i++)
		types[i] = i >= PEER_COLUMNS - model->categorical ? "c" : "q";
	MUST(XGDMatrixSetStrFeatureInfo(matrix, "feature_type", types, PEER_COLUMNS));
}

static inline void
peer_set(BoosterHandle booster, const char *name, double value)
{
	char		text[32];

	snprintf(text, sizeof(text), "%g", value);
	MUST(XGBoosterSetParam(booster, name, text));
}

/*
 * Train a model; the files of both formats are the caller's to free.  False if
 * this version of the library cannot train such a model.
 */
static inline bool
peer_train(const PeerModel *model, Bytes *json, Bytes *ubjson)
{
	float	   *rows = malloc(PEER_TRAIN * PEER_COLUMNS * sizeof(float));
	float	   *labels = malloc((size_t) PEER_TRAIN * Max(model->targets, 1) * sizeof(float));
	float	   *upper = malloc(PEER_TRAIN * sizeof(float));
	bool		linear = model->booster && strcmp(model->booster, "gblinear") == 0;
	DMatrixHandle matrix;
	BoosterHandle booster;
	const char *bytes;
	bst_ulong	len;
	PeerModel	copy = *model;
	bool		trained = true;

	memset(json, 0, sizeof(*json));
	memset(ubjson, 0, sizeof(*ubjson));
	copy.targets = Max(copy.targets, 1);
	for (int i = 0; i < PEER_TRAIN; i++)
		peer_row(model, rows + (size_t) i * PEER_COLUMNS);
	peer_labels(&copy, rows, labels, upper);
	MUST(XGDMatrixCreateFromMat(rows, PEER_TRAIN, PEER_COLUMNS, NAN, &matrix));
	if (copy.targets > 1)
	{
		char		array[200];

		snprintf(array, sizeof(array),
				 "{\"data\":[%zu,true],\"shape\":[%d,%d],\"typestr\":\"<f4\",\"version\":3}",
				 (size_t) labels, PEER_TRAIN, copy.targets);
		MUST(XGDMatrixSetInfoFromInterface(matrix, "label", array));
	}
	else if (strcmp(model->objective, "survival:aft") == 0)
	{
		MUST(XGDMatrixSetFloatInfo(matrix, "label_lower_bound", labels, PEER_TRAIN));
		MUST(XGDMatrixSetFloatInfo(matrix, "label_upper_bound", upper, PEER_TRAIN));
	}
	else
		MUST(XGDMatrixSetFloatInfo(matrix, "label", labels, PEER_TRAIN));
	if (strncmp(model->objective, "rank:", 5) == 0)
	{
		unsigned	sizes[PEER_TRAIN / 20];

		for (int i = 0; i < PEER_TRAIN / 20; i++)
			sizes[i] = 20;
		MUST(XGDMatrixSetUIntInfo(matrix, "group", sizes, PEER_TRAIN / 20));
	}
	if (model->categorical > 0)
		peer_types(model, matrix);

	MUST(XGBoosterCreate(&matrix, 1, &booster));
	MUST(XGBoosterSetParam(booster, "nthread", "1"));
	MUST(XGBoosterSetParam(booster, "verbosity", "0"));
	MUST(XGBoosterSetParam(booster, "objective", model->objective));
	MUST(XGBoosterSetParam(booster, "booster", model->booster ? model->booster : "gbtree"));
	peer_set(booster, "seed", below(1000000));
	if (model->base_score)
		MUST(XGBoosterSetParam(booster, "base_score", model->base_score));
	if (model->classes > 0)
		peer_set(booster, "num_class", model->classes);
	if (!linear)
	{
		MUST(XGBoosterSetParam(booster, "tree_method", model->method ? model->method : "hist"));
		peer_set(booster, "max_depth", model->depth);
		peer_set(booster, "eta", model->parallel > 1 ? 0.9 : model->trees > 100 ? 0.05 : 0.3);
		peer_set(booster, "gamma", model->gamma);
		peer_set(booster, "min_child_weight", model->depth > 8 ? 0.01 : 1);
		if (model->depth == 0)
		{
			MUST(XGBoosterSetParam(booster, "grow_policy", "lossguide"));
			peer_set(booster, "max_leaves", 20);
		}
		if (model->parallel > 1)
		{
			peer_set(booster, "num_parallel_tree", model->parallel);
			peer_set(booster, "subsample", 0.6);
			peer_set(booster, "colsample_bynode", 0.6);
		}
		if (model->categorical > 0)
			peer_set(booster, "max_cat_to_onehot", model->max_onehot);
	}
	if (model->booster && strcmp(model->booster, "dart") == 0)
	{
		peer_set(booster, "rate_drop", 0.3);
		peer_set(booster, "one_drop", 1);
	}
	for (int i = 0; i < model->trees && trained; i++)
		trained = XGBoosterUpdateOneIter(booster, i, matrix) == 0;
	if (model->early)
		MUST(XGBoosterSetAttr(booster, "best_iteration", "1"));

	if (trained)
	{
		MUST(XGBoosterSaveModelToBuffer(booster, "{\"format\":\"json\"}", &len, &bytes));
		add_bytes(json, bytes, len);
		MUST(XGBoosterSaveModelToBuffer(booster, "{\"format\":\"ubj\"}", &len, &bytes));
		add_bytes(ubjson, bytes, len);
	}
	MUST(XGBoosterFree(booster));
	MUST(XGDMatrixFree(matrix));
	free(rows);
	free(labels);
	free(upper);
	return trained;
}

/* a value that is awkward for a split with this threshold */
static inline float
awkward(float threshold)
{
	switch (below(8))
	{
		case 0:
		case 1:
		case 2:
			return threshold;
		case 3:
			return nextafterf(threshold, -INFINITY);
		case 4:
			return nextafterf(threshold, INFINITY);
		case 5:
			return -0.0f;
		case 6:
			return (below(2) ? 1e-45f : -1e-45f) * below(1000);
		default:
			return (below(2) ? 1 : -1) * 3.4028234e38f;
	}
}

/* rows to score: like those of training, on thresholds, and strange ones */
static inline void
peer_rows(const PeerModel *model, const MlopsForest *forest, float *rows, bool infinite)
{
	const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes);

	for (int i = 0; i < PEER_ROWS; i++)
	{
		float	   *row = rows + (size_t) i * PEER_COLUMNS;

		peer_row(model, row);
		for (int k = 0; k < 6 && i % 2 && forest->num_nodes > 0; k++)
		{
			const MlopsNode *node = &nodes[next_random() % forest->num_nodes];

			if (node->split == MLOPS_SPLIT_NUMERIC)
				row[node->feature] = awkward(node->u.value);
		}
		for (int k = PEER_COLUMNS - model->categorical; k < PEER_COLUMNS && i % 3 == 0; k++)
		{
			/* a category that training has not seen */
			if (below(6) == 0)
				row[k] = below(2) ? peer_categories(k) + below(100) : 16777215 - below(3);
			/* no category at all */
			else if (infinite && below(4) == 0)
				row[k] = below(2) ? -1 - below(5) : below(2) ? 16777216.0f :
					below(peer_categories(k) + 2) + (float) uniform() - 1;
		}
		for (int k = 0; k < PEER_COLUMNS && infinite; k++)
		{
			if (below(8) == 0)
				row[k] = below(2) ? INFINITY : -INFINITY;
		}
		if (i == 0)
		{
			for (int k = 0; k < PEER_COLUMNS; k++)
				row[k] = NAN;
		}
	}
}

/* score with libxgboost: over a DMatrix, or in place */
static inline float *
peer_scores(BoosterHandle booster, const float *rows, int type, bool in_place, bst_ulong *count)
{
	char		config[200];
	const bst_ulong *shape;
	bst_ulong	dim;
	const float *result;
	DMatrixHandle matrix;
	float	   *scores;

	snprintf(config, sizeof(config),
			 "{\"type\":%d,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
			 "\"strict_shape\":false%s}", type, in_place ? ",\"missing\":NaN,\"cache_id\":0" : "");
	if (in_place)
	{
		char		array[200];

		snprintf(array, sizeof(array),
				 "{\"data\":[%zu,true],\"shape\":[%d,%d],\"typestr\":\"<f4\",\"version\":3}",
				 (size_t) rows, PEER_ROWS, PEER_COLUMNS);
		MUST(XGProxyDMatrixCreate(&matrix));
		MUST(XGBoosterPredictFromDense(booster, array, config, matrix, &shape, &dim, &result));
	}
	else
	{
		MUST(XGDMatrixCreateFromMat(rows, PEER_ROWS, PEER_COLUMNS, NAN, &matrix));
		MUST(XGBoosterPredictFromDMatrix(booster, matrix, config, &shape, &dim, &result));
	}
	*count = 1;
	for (bst_ulong i = 0; i < dim; i++)
		*count *= shape[i];
	scores = malloc(*count * sizeof(float));
	memcpy(scores, result, *count * sizeof(float));
	MUST(XGDMatrixFree(matrix));
	return scores;
}

/* rows whose scores by a forest differ in any bit; margins also in batches */
static inline long
peer_differences(const MlopsForest *forest, const float *rows, const float *expected,
				 bst_ulong count, bool outputs)
{
	int			width = outputs ? forest->num_outputs : forest->num_groups;
	void	   *scratch = malloc(mlops_forest_scratch_size(forest));
	float	   *values = malloc(forest->num_groups * sizeof(float));
	long		differ = 0;

	if (count != (bst_ulong) PEER_ROWS * width)
	{
		fprintf(stderr, "%lu scores instead of %d times %d\n", (unsigned long) count, PEER_ROWS, width);
		exit(2);
	}
	for (int i = 0; i < PEER_ROWS; i++)
	{
		mlops_forest_margin(forest, rows + (size_t) i * PEER_COLUMNS, scratch, values);
		if (outputs)
			mlops_forest_transform(forest, values, values);
		if (memcmp(values, expected + (size_t) i * width, width * sizeof(float)) != 0)
			differ++;
	}
	free(scratch);
	free(values);

	/* and all of them at once, by every instruction set */
	for (int simd = 0; simd < MLOPS_NUM_SIMD && !outputs; simd++)
	{
		static const int size = PEER_ROWS;
		MlopsForest *copy;

		if (!mlops_forest_simd_supported(simd))
			continue;
		copy = memcpy(malloc(mlops_forest_size(forest)), forest, mlops_forest_size(forest));
		differ += batch_differences(copy, simd, rows, &size, 1, expected);
		choose_kernels(copy, PLANES);
		differ += batch_differences(copy, simd, rows, &size, 1, expected);
		free(copy);
	}
	return differ;
}

static inline void
peer_piece(void *arg, const char *piece, size_t len)
{
	add_bytes(arg, piece, len);
}

/* is the file of UBJSON, exported as JSON, the file of JSON byte for byte? */
static inline bool
peer_exports(const Bytes *json, const Bytes *ubjson)
{
	Bytes		exported = {0};
	MlopsForestError error;
	bool		same = mlops_export_json(ubjson->data, ubjson->len, &host, peer_piece, &exported, &error) &&
		exported.len == json->len && memcmp(exported.data, json->data, json->len) == 0;

	free(exported.data);
	return same;
}

/* train one model and compare all scores */
static inline void
peer_compare(const PeerModel *model, PeerCount *total)
{
	Bytes		files[2];
	MlopsForest *forests[2];
	MlopsForestError error;
	BoosterHandle booster;
	bool		linear = model->booster && strcmp(model->booster, "gblinear") == 0;
	bool		dart = model->booster && strcmp(model->booster, "dart") == 0;
	float	   *rows = malloc(PEER_ROWS * PEER_COLUMNS * sizeof(float));
	float	   *margins;
	float	   *outputs;
	bst_ulong	num_margins;
	bst_ulong	num_outputs;
	PeerCount	found = {0};

	if (!peer_train(model, &files[0], &files[1]))
	{
		total->untrained++;
		free(rows);
		return;
	}
	found.models = 1;
	found.rows = PEER_ROWS;

	/* all of ours from the file that libxgboost itself reads */
	MUST(XGBoosterCreate(NULL, 0, &booster));
	MUST(XGBoosterSetParam(booster, "nthread", "1"));
	MUST(XGBoosterLoadModelFromBuffer(booster, files[1].data, files[1].len));
	MUST(XGBoosterSetParam(booster, "nthread", "1"));
	for (int i = 0; i < 2; i++)
	{
		forests[i] = mlops_forest_read(files[i].data, files[i].len, &host, &error);
		if (forests[i] == NULL)
		{
			found.refused = 1;
			fprintf(stderr, "%s %s: %s\n", model->group, model->objective, error.message);
		}
	}
	found.exports = !peer_exports(&files[0], &files[1]);
	if (!found.refused)
	{
		peer_rows(model, forests[0], rows, false);
		margins = peer_scores(booster, rows, 1, false, &num_margins);
		outputs = peer_scores(booster, rows, 0, false, &num_outputs);
		for (int i = 0; i < 2; i++)
		{
			found.margins += peer_differences(forests[i], rows, margins, num_margins, false);
			found.outputs += peer_differences(forests[i], rows, outputs, num_outputs, true);
		}
		free(margins);
		free(outputs);

		/* infinities only come in place, where dart sums in another way */
		if (!linear && !dart)
		{
			peer_rows(model, forests[0], rows, true);
			margins = peer_scores(booster, rows, 1, true, &num_margins);
			for (int i = 0; i < 2; i++)
				found.in_place += peer_differences(forests[i], rows, margins, num_margins, false);
			free(margins);
		}
	}
	if (found.margins + found.outputs + found.in_place + found.exports > 0)
		fprintf(stderr, "%s %s, depth %d, %d rounds: %ld margins, %ld outputs, %ld in place differ%s\n",
				model->group, model->objective, model->depth, model->trees,
				found.margins, found.outputs, found.in_place, found.exports ? ", and the export" : "");

	MUST(XGBoosterFree(booster));
	for (int i = 0; i < 2; i++)
	{
		if (forests[i] != NULL)
			host_release(NULL, forests[i]);
		free(files[i].data);
	}
	free(rows);
	total->models += found.models;
	total->refused += found.refused;
	total->rows += found.rows;
	total->margins += found.margins;
	total->outputs += found.outputs;
	total->in_place += found.in_place;
	total->exports += found.exports;
}

/* the objectives of libxgboost 1.7.4 */
static const char *const peer_objectives[] = {
	"reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror",
	"reg:absoluteerror", "reg:logistic", "reg:gamma", "reg:tweedie", "count:poisson",
	"survival:cox", "survival:aft", "binary:logistic", "binary:logitraw", "binary:hinge",
	"rank:pairwise", "rank:ndcg", "rank:map", "multi:softmax", "multi:softprob"
};

/* complete a model for its objective, and compare */
static inline void
peer_run(PeerModel model, PeerCount *total)
{
	if (strncmp(model.objective, "multi:", 6) == 0 && model.classes == 0)
		model.classes = 4;
	peer_compare(&model, total);
}

#endif							/* FOREST_PEER_H */
