/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  What a training will need of memory, before it begins.
 *
 * The training process is given no more than mlops.train_memory_limit.  A
 * training that cannot do with that is refused before its query is run, with
 * what it would need.  The planner's estimate of the rows only says whether
 * there is reason to count; what refuses is a count.
 *
 * The figures are what libxgboost 1.7 allocates for the rows, of which all but
 * some megabytes of its memory consist, and nothing that depends on how the
 * trees grow.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/plannodes.h"
#include "utils/builtins.h"
#include "utils/plancache.h"

#include "guc.h"
#include "training/memory.h"
#include "training/query.h"

/* the process without rows: its program, libraries, and the stacks of threads */
#define BASE_BYTES		(40.0 * 1024 * 1024)

/*
 * For each row: label, weight, gradient and hessian, margin, and its number
 * among the rows of a node
 */
#define ROW_BYTES		(4.0 + 4.0 + 8.0 + 4.0 + 8.0)

/* rows of the training and the validation part, and what they hold */
typedef struct Amount
{
	double		rows;
	double		values;			/* that are not missing */
	double		columns;
} Amount;

/* the bytes of the number of a bin */
static double
bin_bytes(const MlopsTrainOptions *options)
{
	int			max_bin = mlops_options_max_bin(options);

	return max_bin <= 256 ? 1 : max_bin <= 65536 ? 2 : 4;
}

/*
 * What the values need as numbers of bins: by row and by column.  Where some
 * are missing, those by row need four bytes.
 */
static double
quantised_bytes(const MlopsTrainOptions *options, const Amount *amount)
{
	double		cells = amount->rows * amount->columns;

	return (amount->values < cells ? 4 * amount->values : bin_bytes(options) * cells) +
		bin_bytes(options) * cells;
}

/*
 * The least that the training process needs, in bytes.
 */
static double
least_bytes(const MlopsTrainOptions *options, const Amount *amount, bool quantile)
{
	/* an exact matrix has each value with the number of its column */
	double		matrix = 8 * amount->values + 8 * amount->rows;
	double		loading = 4 * amount->rows * (amount->columns + 2) + matrix;
	double		boosting = ROW_BYTES * amount->rows;

	if (quantile)
		return BASE_BYTES + boosting + quantised_bytes(options, amount);
	boosting += matrix + (mlops_options_is_hist(options) ? quantised_bytes(options, amount) : 0);
	return BASE_BYTES + Max(loading, boosting);
}

/*
 * The least that the training process needs for a row of a quantised matrix.
 */
Size
mlops_training_row_bytes(const MlopsTrainOptions *options, int num_features)
{
	Amount		row = {.rows = 1,.values = num_features,.columns = num_features};

	return (Size) (ROW_BYTES + quantised_bytes(options, &row));
}

/*
 * Share of the rows that the training process gets, if there is no column that
 * says which.
 */
static double
share_of_rows(const MlopsTrainOptions *options)
{
	double		train = 1 - options->test_share - options->validation_share;

	return train * (options->sample > 0 ? options->sample : 1) + options->validation_share;
}

/*
 * Run the query to count what it has for the training process.
 */
static void
count(SPIPlanPtr plan, const MlopsTrainOptions *options, const MlopsSignature *signature, Amount *amount)
{
	StringInfoData statement;
	double		share = 1;
	bool		isnull;

	initStringInfo(&statement);
	appendStringInfoString(&statement, "SELECT pg_catalog.count(*)::pg_catalog.float8, (0");
	for (int i = 0; i < signature->num_features; i++)
		appendStringInfo(&statement, " OPERATOR(pg_catalog.+) pg_catalog.count(r.%s)",
						 quote_identifier(signature->features[i].name));
	appendStringInfo(&statement, ")::pg_catalog.float8 FROM (%s\n) r WHERE r.%s IS NOT NULL",
					 mlops_query_text(plan), quote_identifier(options->label));
	if (options->part != NULL)
		appendStringInfo(&statement, " AND mlops._as_text(r.%s) OPERATOR(pg_catalog.=) ANY (ARRAY['train', 'validation'])",
						 quote_identifier(options->part));
	else
		share = share_of_rows(options);
	if (SPI_execute(statement.data, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the rows of a query");
	amount->rows = share * DatumGetFloat8(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	amount->values = share * DatumGetFloat8(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Error if the rows of a prepared query need more than the training process may
 * have.  SPI is connected.
 */
void
mlops_training_memory_check(SPIPlanPtr plan, const MlopsTrainOptions *options,
							const MlopsSignature *signature)
{
	CachedPlan *cached = SPI_plan_get_cached_plan(plan);
	double		limit = mlops_train_memory_limit * 1024.0;
	Amount		amount = {.columns = signature->num_features};
	double		need;
	double		other;

	if (cached == NULL)
		return;
	amount.rows = linitial_node(PlannedStmt, cached->stmt_list)->planTree->plan_rows *
		(options->part != NULL ? 1 : share_of_rows(options));
	ReleaseCachedPlan(cached, NULL);	/* the plan is not saved */
	amount.values = amount.rows * amount.columns;
	if (least_bytes(options, &amount, options->quantile) <= limit)
		return;

	count(plan, options, signature, &amount);
	need = least_bytes(options, &amount, options->quantile);
	if (need <= limit)
		return;
	other = least_bytes(options, &amount, true);
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("training would need at least %.0f MB, and mlops.train_memory_limit is %d MB",
					ceil(need / (1024 * 1024)), mlops_train_memory_limit / 1024),
			 errdetail("%.0f rows of %d features would be trained with, as %s matrix.",
					   amount.rows, signature->num_features, options->quantile ? "a quantised" : "an exact"),
			 options->quantile || !mlops_options_is_hist(options) ?
			 errhint("Train with fewer rows, as with sample => %.2g, or have the limit raised.",
					 Max(limit / need * 0.9, 0.001)) :
			 errhint("With matrix => 'quantile' it would need at least %.0f MB; or train with fewer rows, as with sample => %.2g, or have the limit raised.",
					 ceil(other / (1024 * 1024)), Max(limit / need * 0.9, 0.001))));
}
