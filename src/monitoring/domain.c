/*-------------------------------------------------------------------------
 *
 * domain.c
 *	  The domain classifier: how well trees can tell two samples apart.
 *
 * mlops._domain_fit() gets one query with the rows of both samples, which
 * mlops._domain_classifier() has written: features, then the fold of a row,
 * then whether it is current.  The rows are read as those of a training
 * (training/matrix.c), once, with the caller's rights and within
 * mlops.train_memory_limit.  For each fold a training process makes a model of
 * the rows of the other folds, and the rows of the fold are scored with it, so
 * that no row is scored by a model that has seen it.  No version is registered.
 *
 * The order of the rows does not matter, and the same rows and seed give the
 * same figures.
 *
 * A fold whose other folds lack one of the samples has nothing to learn from:
 * its rows are left out and counted.
 *
 * Memory: all is in a context of its own that goes with the call, what belongs
 * to a fold in a child of that; with it go the process and the memory files.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "errors.h"
#include "forest/importance.h"
#include "guc.h"
#include "metrics/aggregate.h"
#include "monitoring/test.h"
#include "registry/artifact.h"
#include "training/client.h"
#include "training/matrix.h"

#define NUM_FOLDS			5
#define ROUNDS				50

/*
 * Scores of different folds depend on each other: each model has seen the rows
 * that the others are tested with.  The variance of a mean over k folds is
 * 1 + k / (k - 1) times that of independent ones (Nadeau and Bengio 2003); so
 * much wider is its standard error.
 */
#define FOLD_FACTOR			1.5

/* a text with more different values than this names rows, and is left out */
#define MAX_CATEGORIES		1000

/* rows between two looks for interrupts, in loops that do little for each */
#define ROWS_PER_CHECK		4096

/* fields of mlops._domain_fit() */
#define FIT_AUC				0
#define FIT_LOWER			1
#define FIT_UPPER			2
#define FIT_P_VALUE			3
#define FIT_REFERENCE		4
#define FIT_CURRENT			5
#define FIT_LEFT_OUT		6
#define FIT_GAINS			7
#define FIT_SPLITS			8
#define FIT_LIBRARY			9
#define FIT_FIELDS			10

/* sample of a row: the label's code */
enum
{
	REFERENCE,
	CURRENT
};

typedef struct Domain
{
	MlopsTrainOptions options;
	MlopsTrainingSet *set;
	List	   *params;			/* of MlopsParam *, as the library gets them */
	const float *rows;			/* of the set */
	int64		num_rows;
	Size		width;			/* of a row, in floats */
	int			fold;			/* place of the fold in a row; the label follows */
	int		   *used;			/* places of the features in a row */
	int			num_used;
	double	   *scores[2];		/* of the rows of each sample */
	int64		num_scores[2];
	int64		left_out;		/* rows without a score */
	double	   *gains;			/* by place, of all folds */
	double	   *splits;
	int			library_version[3];
} Domain;

PG_FUNCTION_INFO_V1(mlops_domain_fit);

/*
 * Depth and rate are small: samples that differ are told apart by few splits,
 * and what more would find is noise.
 */
static const char *const tree_params[][2] = {
	{"max_depth", "4"},
	{"eta", "0.2"},
	{"min_child_weight", "5"}
};

/*
 * Read the rows and choose the features.
 */
static void
read_rows(Domain *domain, char *query, int64 seed)
{
	MlopsTrainOptions *options = &domain->options;
	const MlopsSignature *signature;

	options->query = query;
	options->label = "is_current";
	options->all_features = true;
	options->rounds = ROUNDS;
	options->seed = seed;
	options->progress = mlops_progress_begin(MLOPS_WORK_TRAIN, "(domain classifier)", 0,
											 CurrentMemoryContext);
	mlops_progress_phase(options->progress, MLOPS_PHASE_READING, -1);
	for (int i = 0; i < (int) lengthof(tree_params); i++)
	{
		MlopsParam *param = palloc(sizeof(MlopsParam));

		param->name = pstrdup(tree_params[i][0]);
		param->value = pstrdup(tree_params[i][1]);
		options->params = lappend(options->params, param);
	}
	domain->set = mlops_training_set_read(options);
	signature = &domain->set->signature;
	if (signature->num_features < 2 || domain->set->label->task != MLOPS_TASK_BINARY)
		elog(ERROR, "the rows of the domain classifier have no features or no samples");
	domain->params = mlops_options_library_params(options, MLOPS_TASK_BINARY, 2,
												  domain->set->constraints);

	domain->rows = mlops_memfile_map(domain->set->parts[MLOPS_PART_TRAIN].file);
	domain->num_rows = domain->set->parts[MLOPS_PART_TRAIN].num_rows;
	domain->width = MlopsRowWidth(domain->set);
	domain->fold = signature->num_features - 1;
	domain->used = palloc(sizeof(int) * signature->num_features);
	for (int i = 0; i < domain->fold; i++)
	{
		if (signature->features[i].kind != MLOPS_KIND_CATEGORICAL ||
			mlops_dictionary_size(signature->features[i].categories) <= MAX_CATEGORIES)
			domain->used[domain->num_used++] = i;
	}
	for (int sample = REFERENCE; sample <= CURRENT; sample++)
		domain->scores[sample] = MemoryContextAllocHuge(CurrentMemoryContext,
														mul_size(sizeof(double), domain->num_rows));
	domain->gains = palloc0(sizeof(double) * signature->num_features);
	domain->splits = palloc0(sizeof(double) * signature->num_features);
}

/*
 * The features of a row that are used, side by side.
 */
static void
take_features(const Domain *domain, const float *row, float *features)
{
	for (int i = 0; i < domain->num_used; i++)
		features[i] = row[domain->used[i]];
}

/*
 * The rows of all folds but one, in a memory file; NULL if one of the samples
 * is not among them, or if the fold has no rows.  Both samples weigh the same
 * in each such file: else a fold with more of one sample, of which the others
 * then have less, would score low as a whole, and the AUC of alike samples be
 * below 0.5.
 */
static MlopsMemfile *
other_folds(const Domain *domain, int fold, int64 *num_rows)
{
	MlopsMemfile *file;
	float	   *buffer;
	float		weights[2];
	int64		counts[2] = {0};

	for (int64 i = 0; i < domain->num_rows; i++)
	{
		const float *row = domain->rows + i * domain->width;

		if (i % ROWS_PER_CHECK == 0)
			CHECK_FOR_INTERRUPTS();
		if (row[domain->fold] != fold)
			counts[(int) row[domain->fold + 1]]++;
	}
	*num_rows = counts[REFERENCE] + counts[CURRENT];
	if (counts[REFERENCE] == 0 || counts[CURRENT] == 0 || *num_rows == domain->num_rows)
		return NULL;
	for (int sample = REFERENCE; sample <= CURRENT; sample++)
		weights[sample] = (float) *num_rows / (2 * (float) counts[sample]);

	file = mlops_memfile_create("mlops domain classifier");
	buffer = palloc(sizeof(float) * (domain->num_used + 2));
	for (int64 i = 0; i < domain->num_rows; i++)
	{
		const float *row = domain->rows + i * domain->width;

		if (i % ROWS_PER_CHECK == 0)
			CHECK_FOR_INTERRUPTS();
		if (row[domain->fold] == fold)
			continue;
		take_features(domain, row, buffer);
		buffer[domain->num_used] = row[domain->fold + 1];
		buffer[domain->num_used + 1] = weights[(int) row[domain->fold + 1]];
		mlops_memfile_append(file, buffer, sizeof(float) * (domain->num_used + 2));
	}
	pfree(buffer);
	(void) mlops_memfile_map(file);
	mlops_memfile_seal(file);
	return file;
}

/*
 * A model of the rows in a file, which is closed.
 */
static MlopsForest *
fit(Domain *domain, MlopsMemfile *file, int64 num_rows)
{
	const MlopsSignature *signature = &domain->set->signature;
	const char **names = palloc(sizeof(char *) * domain->num_used);
	bool	   *categorical = palloc(sizeof(bool) * domain->num_used);
	MlopsParam *params = palloc(sizeof(MlopsParam) * list_length(domain->params));
	MlopsMatrix matrix = {mlops_memfile_fd(file), num_rows};
	MlopsTrainer *trainer;
	MlopsTrained trained;
	MlopsForestError error;
	MlopsForest *forest;

	for (int i = 0; i < domain->num_used; i++)
	{
		names[i] = signature->features[domain->used[i]].name;
		categorical[i] = signature->features[domain->used[i]].kind == MLOPS_KIND_CATEGORICAL;
	}
	for (int i = 0; i < list_length(domain->params); i++)
		params[i] = *(MlopsParam *) list_nth(domain->params, i);

	mlops_progress_phase(domain->options.progress, MLOPS_PHASE_BOOSTING, ROUNDS);
	trainer = mlops_trainer_start(CurrentMemoryContext, domain->options.progress);
	mlops_trainer_load(trainer, &matrix, NULL, domain->num_used, names, categorical);
	mlops_memfile_close(file);
	mlops_trainer_train(trainer, params, list_length(domain->params), ROUNDS, 0, &trained);
	mlops_trainer_stop(trainer);
	memcpy(domain->library_version, trained.library_version, sizeof(domain->library_version));

	forest = mlops_forest_read(trained.model.data, trained.model.len, mlops_forest_env(), &error);
	if (forest == NULL)
		mlops_artifact_error(&error);
	return forest;
}

/*
 * Score the rows of a fold.
 */
static void
score(Domain *domain, const MlopsForest *forest, int fold)
{
	MlopsForestInfo info;
	float	   *batch;
	float	   *margins = palloc(sizeof(float) * MLOPS_BATCH_ROWS);
	void	   *scratch = MemoryContextAllocHuge(CurrentMemoryContext,
												 mlops_forest_batch_scratch_size(forest));
	int		   *samples = palloc(sizeof(int) * MLOPS_BATCH_ROWS);
	int			count = 0;

	mlops_forest_info(forest, &info);
	if (info.num_features != domain->num_used || info.num_groups != 1 || info.wide)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINER),
				 errmsg("the trained model is not of the kind that was asked for"),
				 errdetail("It has %d features, %d groups and objective %s.",
						   info.num_features, info.num_groups, info.objective)));
	batch = MemoryContextAllocHuge(CurrentMemoryContext,
								   mul_size(sizeof(float) * domain->num_used, MLOPS_BATCH_ROWS));
	for (int64 i = 0; i <= domain->num_rows; i++)
	{
		const float *row = domain->rows + i * domain->width;

		if (i % ROWS_PER_CHECK == 0)
			CHECK_FOR_INTERRUPTS();
		if (i < domain->num_rows && row[domain->fold] == fold)
		{
			take_features(domain, row, batch + (Size) count * domain->num_used);
			samples[count++] = (int) row[domain->fold + 1];
		}
		if (count < MLOPS_BATCH_ROWS && i < domain->num_rows)
			continue;
		mlops_forest_margin_batch(forest, batch, count, scratch, margins);
		for (int j = 0; j < count; j++)
			domain->scores[samples[j]][domain->num_scores[samples[j]]++] = margins[j];
		count = 0;
	}
}

/*
 * Add what the features gained in the splits of a model.
 */
static void
add_gains(Domain *domain, const MlopsForest *forest)
{
	double	   *gains = palloc(sizeof(double) * domain->num_used);
	double	   *splits = palloc(sizeof(double) * domain->num_used);

	if (!mlops_forest_importance(forest, MLOPS_IMPORTANCE_TOTAL_GAIN, mlops_forest_env(), gains, splits))
		elog(ERROR, "a model of trees has no gains");
	for (int i = 0; i < domain->num_used; i++)
	{
		domain->gains[domain->used[i]] += gains[i];
		domain->splits[domain->used[i]] += splits[i];
	}
}

/*
 * Train and score fold by fold.
 */
static void
cross_fit(Domain *domain)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mlops fold",
												  ALLOCSET_DEFAULT_SIZES);

	for (int fold = 0; fold < NUM_FOLDS; fold++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		int64		num_rows;
		MlopsMemfile *file = domain->num_used > 0 ? other_folds(domain, fold, &num_rows) : NULL;

		if (file != NULL)
		{
			MlopsForest *forest = fit(domain, file, num_rows);

			score(domain, forest, fold);
			add_gains(domain, forest);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	domain->left_out = domain->num_rows - domain->num_scores[REFERENCE] - domain->num_scores[CURRENT];
}

/*
 * The area under the ROC curve, its interval of 95 % and the p-value of Mann
 * and Whitney, whose variance without ties is the greatest one; both as wide
 * as the folds make them.  NULL where one of the samples has no scores.
 */
static void
measure(const Domain *domain, Datum *values, bool *nulls)
{
	MlopsScores scores = {domain->scores[CURRENT], domain->scores[REFERENCE],
	domain->num_scores[CURRENT], domain->num_scores[REFERENCE]};
	double		n = (double) scores.num_negative;
	double		m = (double) scores.num_positive;
	MlopsCurve	curve;
	double		auc;
	double		variance;
	double		half;
	double		error;

	for (int i = FIT_AUC; i <= FIT_P_VALUE; i++)
		nulls[i] = n == 0 || m == 0;
	if (nulls[FIT_AUC])
		return;
	for (int sample = REFERENCE; sample <= CURRENT; sample++)
		mlops_sort_scores(domain->scores[sample], domain->num_scores[sample], mlops_check_interrupts);
	mlops_curve_start(&curve, &scores, mlops_check_interrupts);
	auc = mlops_curve_auc(&curve);
	mlops_curve_start(&curve, &scores, mlops_check_interrupts);
	variance = mlops_curve_auc_variance(&curve, auc);
	nulls[FIT_LOWER] = nulls[FIT_UPPER] = isnan(variance);
	half = FOLD_FACTOR * mlops_normal_quantile(0.95) * sqrt(Max(variance, 0));
	values[FIT_AUC] = Float8GetDatum(auc);
	values[FIT_LOWER] = Float8GetDatum(Max(auc - half, 0));
	values[FIT_UPPER] = Float8GetDatum(Min(auc + half, 1));
	error = FOLD_FACTOR * sqrt((n + m + 1) / (12 * n * m));
	values[FIT_P_VALUE] = Float8GetDatum(Min(1, 2 * mlops_normal_sf(fabs(auc - 0.5) / error)));
}

/*
 * Figures by feature, NULL for one that was left out, as float8[].
 */
static Datum
by_feature(const Domain *domain, const double *figures)
{
	Datum	   *values = palloc(sizeof(Datum) * domain->fold);
	bool	   *nulls = palloc(sizeof(bool) * domain->fold);
	int			dims[1] = {domain->fold};
	int			lower_bounds[1] = {1};

	memset(nulls, true, sizeof(bool) * domain->fold);
	for (int i = 0; i < domain->num_used; i++)
	{
		values[domain->used[i]] = Float8GetDatum(figures[domain->used[i]]);
		nulls[domain->used[i]] = false;
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lower_bounds, FLOAT8OID,
											  sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * SQL, private: (query, seed) -> out-of-fold AUC, its bounds and p-value, rows
 * of each sample that have a score, rows without one, total gain and number of
 * splits by feature, and the library that trained.
 */
Datum
mlops_domain_fit(PG_FUNCTION_ARGS)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mlops domain classifier",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TupleDesc	tupdesc;
	HeapTuple	tuple = NULL;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_TRY();
	{
		Domain	   *domain = palloc0(sizeof(Domain));
		Datum		values[FIT_FIELDS] = {0};
		bool		nulls[FIT_FIELDS] = {false};

		read_rows(domain, text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT64(1));
		cross_fit(domain);
		measure(domain, values, nulls);
		values[FIT_REFERENCE] = Int64GetDatum(domain->num_scores[REFERENCE]);
		values[FIT_CURRENT] = Int64GetDatum(domain->num_scores[CURRENT]);
		values[FIT_LEFT_OUT] = Int64GetDatum(domain->left_out);
		values[FIT_GAINS] = by_feature(domain, domain->gains);
		values[FIT_SPLITS] = by_feature(domain, domain->splits);
		values[FIT_LIBRARY] = CStringGetTextDatum(psprintf("%d.%d.%d", domain->library_version[0],
														   domain->library_version[1],
														   domain->library_version[2]));
		MemoryContextSwitchTo(old);
		tuple = heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls);
	}
	PG_FINALLY();
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
	PG_END_TRY();

	PG_RETURN_DATUM(HeapTupleGetDatum(tuple));
}
