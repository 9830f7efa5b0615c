/*-------------------------------------------------------------------------
 *
 * score.c
 *	  mlops.score() and mlops.score_batches(): the rows of a query, scored in
 *	  batches and written to a table.
 *
 * The query is read through a cursor, with the rights of the caller, so that
 * no more than a batch is in memory.  Of each batch, the rows whose key has a
 * score of this version in the target are left out; the others are bound by
 * name, scored by the engine's batch kernel, and inserted by one statement
 * (score_target.c).  So a run that is repeated scores what is missing.
 *
 * The reference is resolved once, and the version held in the session's cache
 * for the whole run, over the commits of mlops.score_batches() too: a run ends
 * with the version that it began with, whatever happens to aliases and
 * privileges meanwhile; but a suspension of the model ends it at its next
 * commit, unless it began under one with the fallback.  What is written are the
 * values of predict() and its sisters: the margins have the same bits, and the
 * same functions make outputs of them.
 *
 * mlops.score() is one statement like any other.  mlops.score_batches()
 * commits after so many rows that were written.  Its cursor is pinned, as
 * those of PL/pgSQL's loops are: the first commit runs the query to its end
 * and keeps the rest of its rows in a temporary file.  So the query is run
 * once, under one snapshot, which is not held from then on.
 *
 * Memory: all of a run is in a context of its own below SPI's, which outlives
 * the commits; what a batch needs is in another one, reset after each.  SPI
 * leaves its own one as the current one, so we go back after calling it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/portal.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/varlena.h"

#include "governance/suspension.h"
#include "progress.h"
#include "registry/privilege.h"
#include "scoring/score_target.h"
#include "scoring/scorer.h"
#include "training/query.h"

PG_FUNCTION_INFO_V1(mlops_score);
PG_FUNCTION_INFO_V1(mlops_score_keys);
PG_FUNCTION_INFO_V1(mlops_score_batches);
PG_FUNCTION_INFO_V1(mlops_score_batches_keys);

/* most bytes of the vectors of a batch */
#define MAX_BATCH_BYTES		(16 * 1024 * 1024)

/* most nodes that are visited between two looks for interrupts */
#define NODES_PER_CHECK		(20 * 1000 * 1000)

/* the arguments of all of our functions, in their order */
enum
{
	ARG_MODEL,
	ARG_QUERY,
	ARG_TARGET,
	ARG_KEY,
	ARG_COMMIT_EVERY			/* of mlops.score_batches() */
};

/* a margin and a value of a feature have the same type */
#define ValueSize(model)	((model)->info.wide ? sizeof(double) : sizeof(float))

typedef struct Run
{
	MemoryContext context;
	MemoryContext batch_context;
	instr_time	start;
	int64		model_id;
	bool		suspended;		/* when it began, so that it has the fallback */
	const MlopsModel *model;
	MlopsScorer scorer;			/* its margins are a row's, in turn */
	MlopsProgress *progress;
	MlopsBinding *binding;
	MlopsTarget *target;

	SPIPlanPtr	plan;
	Portal		portal;
	int64		expected;		/* rows, as the planner thinks */
	int			num_keys;
	int		   *keys;			/* columns of the query, from 0 */

	int			batch_rows;
	int			check_rows;		/* to be scored at a time */
	char	   *vectors;		/* room for a batch */
	char	   *margins;
	Datum	   *key_values;
	int		   *selected;		/* rows of the batch that get a score */
	bool	   *present;

	int64		rows_read;
	int64		rows_scored;
	int64		rows_skipped;
	int64		rows_without_key;
	double		seconds;
} Run;

/* --- arguments ------------------------------------------------------------ */

/*
 * Error if an argument that every call needs is NULL.
 */
static void
check_nulls(FunctionCallInfo fcinfo, int count)
{
	static const char *const names[] = {"model", "query", "target", "key", "commit_every"};

	for (int i = 0; i < count; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be NULL", names[i])));
}

/*
 * The column of the query that is, or is a part of, the key.
 */
static int
find_key(TupleDesc desc, const char *name)
{
	StringInfoData names;
	int			found = -1;

	initStringInfo(&names);
	for (int i = 0; i < desc->natts; i++)
	{
		const char *column = NameStr(TupleDescAttr(desc, i)->attname);

		appendStringInfo(&names, "%s\"%s\"", i > 0 ? ", " : "", column);
		if (strcmp(column, name) != 0)
			continue;
		if (found >= 0)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("two columns of the query are named \"%s\" as the key", name),
					 errhint("Give each a name of its own with AS.")));
		found = i;
	}
	if (found < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("key \"%s\" is not a column of the query", name),
				 desc->natts > 0 ? errhint("The query's columns are %s.", names.data) :
				 errhint("The query has no columns.")));
	return found;
}

/*
 * Find the columns of the key, which is text or text[].
 */
static void
find_keys(Run *run, FunctionCallInfo fcinfo, bool many, TupleDesc desc)
{
	Datum	   *names = &fcinfo->args[ARG_KEY].value;
	bool	   *nulls = NULL;

	run->num_keys = 1;
	if (many)
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(ARG_KEY), TEXTOID, -1, false, TYPALIGN_INT,
						  &names, &nulls, &run->num_keys);
	if (run->num_keys == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a key needs at least one column")));
	run->keys = palloc(mul_size(sizeof(int), run->num_keys));
	for (int i = 0; i < run->num_keys; i++)
	{
		if (nulls != NULL && nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("name of a column of the key must not be NULL")));
		run->keys[i] = find_key(desc, TextDatumGetCString(names[i]));
		for (int j = 0; j < i; j++)
			if (run->keys[j] == run->keys[i])
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("column \"%s\" stands twice in the key", TextDatumGetCString(names[i]))));
	}
}

/*
 * The query that an argument means: itself, or all of a relation that it names.
 */
static char *
query_of(const char *source)
{
	List	   *names;
	ListCell   *cell;
	StringInfoData query;

	if (!SplitIdentifierString(pstrdup(source), '.', &names) || names == NIL)
		return pstrdup(source);
	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT * FROM ");
	foreach(cell, names)
		appendStringInfo(&query, "%s%s", foreach_current_index(cell) > 0 ? "." : "",
						 quote_identifier(lfirst(cell)));
	return query.data;
}

/* --- the start of a run --------------------------------------------------- */

/*
 * Resolve the reference for the caller, hold the version, and make room for a
 * batch of rows.
 */
static void
open_model(Run *run, FunctionCallInfo fcinfo, int64 most_rows)
{
	MlopsScorer *scorer = &run->scorer;
	MlopsReference reference;
	MlopsResolved resolved;
	const MlopsModel *model;
	instr_time	now;
	int64		nodes;

	mlops_modelref_split(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(ARG_MODEL)), &reference);
	mlops_serve(GetUserId(), &reference, MLOPS_SCORE, MLOPS_USE_SCORE, &resolved, NULL);
	run->model_id = resolved.model_id;
	run->suspended = mlops_is_suspended(resolved.model_id);
	run->progress = mlops_progress_begin(MLOPS_WORK_SCORE, resolved.name, resolved.version, run->context);
	scorer->call = mlops_call_begin(&resolved, run->start, run->context);
	run->model = scorer->model = model = mlops_model_hold(&resolved, run->context);
	scorer->reader.model = model;
	scorer->reader.policy = resolved.policy;
	scorer->reader.counts = &scorer->call->counts;

	run->batch_rows = (int) Min(most_rows, MLOPS_BATCH_ROWS);
	run->batch_rows = Max(1, Min(run->batch_rows,
								 MAX_BATCH_BYTES / (int) (ValueSize(model) * Max(model->info.num_features, 1))));
	nodes = Max((int64) model->info.num_trees * Max(model->info.max_depth, 1), 1);
	run->check_rows = (int) Max(1, Min(run->batch_rows, NODES_PER_CHECK / nodes));
	run->vectors = palloc_extended(mul_size(mul_size(ValueSize(model), Max(model->info.num_features, 1)),
											run->batch_rows), MCXT_ALLOC_HUGE);
	run->margins = palloc_extended(mul_size(mul_size(ValueSize(model), model->info.num_groups),
											run->batch_rows), MCXT_ALLOC_HUGE);
	run->selected = palloc(mul_size(sizeof(int), run->batch_rows));
	run->present = palloc(mul_size(sizeof(bool), run->batch_rows));
	scorer->scratch = palloc_extended(mlops_forest_batch_scratch_size(model->forest), MCXT_ALLOC_HUGE);
	scorer->outputs = palloc(mul_size(sizeof(double), model->info.num_outputs));
	scorer->version_id = resolved.version_id;
	scorer->threshold = get_float8_nan();

	/* in the statistics the first row's time is that of what comes before it */
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, run->start);
	scorer->call->first_seconds = INSTR_TIME_GET_DOUBLE(now);
	scorer->call->timing = scorer->call->in_row = false;
}

/*
 * What the target gets from the model, and what a new one shall have.
 */
static void
choose_columns(const MlopsModel *model, MlopsTargetSpec *spec)
{
	bool		multiclass = model->info.task == MLOPS_TASK_MULTICLASS;

	spec->gives[MLOPS_SCORE_SCORE] = mlops_model_gives(model, MLOPS_OUTPUT_VALUE) || multiclass;
	spec->gives[MLOPS_SCORE_CLASS] = mlops_model_gives(model, MLOPS_OUTPUT_CLASS);
	spec->gives[MLOPS_SCORE_PROBA] = mlops_model_gives(model, MLOPS_OUTPUT_PROBA);
	spec->gives[MLOPS_SCORE_MARGIN] = true;

	spec->wants[MLOPS_SCORE_SCORE] = spec->gives[MLOPS_SCORE_SCORE];
	spec->wants[MLOPS_SCORE_CLASS] = spec->gives[MLOPS_SCORE_CLASS];
	spec->wants[MLOPS_SCORE_PROBA] = multiclass;
	spec->wants[MLOPS_SCORE_MARGIN] = !spec->gives[MLOPS_SCORE_SCORE];
}

/*
 * Prepare all that a run needs, up to the cursor.
 */
static void
open_run(Run *run, FunctionCallInfo fcinfo, bool many, int64 most_rows)
{
	MlopsTargetSpec spec = {0};
	CachedPlanSource *source;
	TupleDesc	desc;
	PlannedStmt *planned;

	open_model(run, fcinfo, most_rows);

	run->plan = mlops_query_prepare(query_of(text_to_cstring(PG_GETARG_TEXT_PP(ARG_QUERY))),
									"the query to score", CURSOR_OPT_NO_SCROLL);
	MemoryContextSwitchTo(run->context);
	source = linitial(SPI_plan_get_plan_sources(run->plan));
	desc = CreateTupleDescCopy(source->resultDesc);
	find_keys(run, fcinfo, many, desc);
	run->key_values = palloc(mul_size(mul_size(sizeof(Datum), run->num_keys), run->batch_rows));
	run->scorer.call->in_row = true;
	run->binding = mlops_binding_create(run->model, desc);
	mlops_binding_check(&run->scorer.reader, run->binding);
	run->scorer.call->in_row = false;
	run->scorer.binding = run->binding;

	spec.model = run->model->name;
	spec.version = run->model->version;
	spec.scored_at = GetCurrentTimestamp();
	spec.query = desc;
	spec.num_keys = run->num_keys;
	spec.keys = run->keys;
	spec.batch_rows = run->batch_rows;
	choose_columns(run->model, &spec);
	run->target = mlops_target_open(text_to_cstring(PG_GETARG_TEXT_PP(ARG_TARGET)), &spec);

	run->portal = SPI_cursor_open(NULL, run->plan, NULL, NULL, false);
	MemoryContextSwitchTo(run->context);
	planned = linitial_node(PlannedStmt, run->portal->stmts);
	run->expected = (int64) Min(planned->planTree->plan_rows, (double) (PG_INT64_MAX / 2));
	mlops_progress_phase(run->progress, MLOPS_PHASE_SCORING, run->expected);
}

/* --- a batch ---------------------------------------------------------------- */

/*
 * Take the keys of the rows, and select those that have one.  Returns how many.
 */
static int
select_with_key(Run *run, const SPITupleTable *rows, int count)
{
	int			selected = 0;

	for (int row = 0; row < count; row++)
	{
		Datum	   *values = &run->key_values[(Size) row * run->num_keys];
		bool		complete = true;

		for (int i = 0; i < run->num_keys; i++)
		{
			bool		isnull;

			values[i] = SPI_getbinval(rows->vals[row], rows->tupdesc, run->keys[i] + 1, &isnull);
			complete &= !isnull;
		}
		if (complete)
			run->selected[selected++] = row;
	}
	run->rows_without_key += count - selected;
	return selected;
}

/*
 * Of the selected rows, leave out those that the target has.  Returns how many
 * remain.
 */
static int
select_missing(Run *run, int count)
{
	int			selected = 0;

	if (!mlops_target_may_have(run->target))
		return count;
	for (int i = 0; i < count; i++)
	{
		int			row = run->selected[i];

		run->present[row] = false;
		mlops_target_put(run->target, row, &run->key_values[(Size) row * run->num_keys], NULL);
	}
	mlops_target_look(run->target, run->present);
	for (int i = 0; i < count; i++)
		if (!run->present[run->selected[i]])
			run->selected[selected++] = run->selected[i];
	run->rows_skipped += count - selected;
	return selected;
}

/*
 * Compute the margins of the selected rows.
 */
static void
compute(Run *run, const SPITupleTable *rows, int count)
{
	MlopsCall  *call = run->scorer.call;
	Size		row_size = ValueSize(run->model) * run->model->info.num_features;
	Size		margin_size = ValueSize(run->model) * run->model->info.num_groups;
	instr_time	start;
	instr_time	now;

	call->in_row = true;
	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < count; i++)
		mlops_vector_from_tuple(&run->scorer.reader, run->binding, rows->vals[run->selected[i]],
								NULL, run->vectors + i * row_size);
	for (int i = 0; i < count; i += run->check_rows)
	{
		CHECK_FOR_INTERRUPTS();
		mlops_forest_margin_batch(run->model->forest, run->vectors + i * row_size,
								  Min(run->check_rows, count - i),
								  run->scorer.scratch, run->margins + i * margin_size);
	}
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	call->timed_seconds += INSTR_TIME_GET_DOUBLE(now);
	call->timed += count;
	call->counts.rows += count;
	call->in_row = false;
}

/*
 * What the target gets of a row, of which the scorer has the margins.  The
 * score of more than two classes is the probability of the likeliest one.
 */
static void
make_results(Run *run, NullableDatum *results)
{
	const MlopsTarget *target = run->target;
	MlopsScorer *scorer = &run->scorer;
	bool		multiclass = run->model->info.task == MLOPS_TASK_MULTICLASS;
	Datum		proba = (Datum) 0;

	for (int i = 0; i < MLOPS_SCORE_COLUMNS; i++)
		results[i].isnull = true;
	if (mlops_model_gives(run->model, MLOPS_OUTPUT_PROBA) &&
		(mlops_target_has_column(target, MLOPS_SCORE_PROBA) || multiclass))
	{
		proba = mlops_scorer_output(scorer, MLOPS_OUTPUT_PROBA);
		results[MLOPS_SCORE_PROBA].value = proba;
		results[MLOPS_SCORE_PROBA].isnull = false;
	}
	if (mlops_model_gives(run->model, MLOPS_OUTPUT_VALUE))
	{
		results[MLOPS_SCORE_SCORE].value = mlops_scorer_output(scorer, MLOPS_OUTPUT_VALUE);
		results[MLOPS_SCORE_SCORE].isnull = false;
	}
	else if (multiclass)
	{
		/* one dimension, no NULLs */
		const float8 *values = (const float8 *) (DatumGetPointer(proba) + ARR_OVERHEAD_NONULLS(1));
		float8		greatest = values[0];

		for (int i = 1; i < run->model->info.num_groups; i++)
			greatest = Max(greatest, values[i]);
		results[MLOPS_SCORE_SCORE].value = Float8GetDatum(greatest);
		results[MLOPS_SCORE_SCORE].isnull = false;
	}
	if (mlops_target_has_column(target, MLOPS_SCORE_CLASS) &&
		mlops_model_gives(run->model, MLOPS_OUTPUT_CLASS))
	{
		results[MLOPS_SCORE_CLASS].value = mlops_scorer_output(scorer, MLOPS_OUTPUT_CLASS);
		results[MLOPS_SCORE_CLASS].isnull = false;
	}
	if (mlops_target_has_column(target, MLOPS_SCORE_MARGIN))
	{
		results[MLOPS_SCORE_MARGIN].value = mlops_scorer_output(scorer, MLOPS_OUTPUT_MARGIN);
		results[MLOPS_SCORE_MARGIN].isnull = false;
	}
}

/*
 * Score the rows of a batch and insert what is missing.  Returns the number of
 * rows inserted.
 */
static int64
score_batch(Run *run, const SPITupleTable *rows, int count)
{
	MemoryContext old = MemoryContextSwitchTo(run->batch_context);
	Size		margin_size = ValueSize(run->model) * run->model->info.num_groups;
	int64		inserted;

	count = select_with_key(run, rows, count);
	count = select_missing(run, count);
	compute(run, rows, count);
	for (int i = 0; i < count; i++)
	{
		int			row = run->selected[i];
		NullableDatum results[MLOPS_SCORE_COLUMNS];

		run->scorer.margins = run->margins + i * margin_size;
		make_results(run, results);
		mlops_target_put(run->target, row, &run->key_values[(Size) row * run->num_keys], results);
	}
	inserted = mlops_target_insert(run->target);
	run->rows_scored += inserted;
	run->rows_skipped += count - inserted;
	MemoryContextSwitchTo(old);
	MemoryContextReset(run->batch_context);
	return inserted;
}

/* --- a run ------------------------------------------------------------------ */

/*
 * Commit what was written, and go on in another transaction.
 */
static void
commit(Run *run, bool first)
{
	mlops_target_end(run->target);
	if (first)
		mlops_progress_phase(run->progress, MLOPS_PHASE_STORING, -1);
	SPI_commit();
	if (!run->suspended)
		mlops_refuse_suspended(run->model->name, run->model_id);
	if (first)
		mlops_progress_phase(run->progress, MLOPS_PHASE_SCORING, run->expected);
	mlops_target_begin(run->target);
}

/*
 * Score all rows of the query, with a commit after so many rows written; 0 is
 * never.
 */
static void
score_all(Run *run, int64 commit_every)
{
	int64		uncommitted = 0;
	bool		first = true;

	if (commit_every > 0)
		PinPortal(run->portal);
	for (;;)
	{
		SPITupleTable *rows;
		int			count;

		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(run->portal, true, run->batch_rows);
		MemoryContextSwitchTo(run->context);
		count = (int) SPI_processed;
		rows = SPI_tuptable;
		if (count > 0)
			uncommitted += score_batch(run, rows, count);
		SPI_freetuptable(rows);
		if (count == 0)
			break;
		run->rows_read += count;
		if (commit_every > 0 && uncommitted >= commit_every)
		{
			commit(run, first);
			uncommitted = 0;
			first = false;
		}
		mlops_progress_done(run->progress, run->rows_read);
	}
	if (commit_every > 0)
		UnpinPortal(run->portal);
	SPI_cursor_close(run->portal);
	mlops_target_end(run->target);
}

/*
 * Do a run.  Its members that are not counts are gone afterwards, but for the
 * name and the version of the model.
 */
static void
score(FunctionCallInfo fcinfo, bool many, int64 commit_every, Run *run, char **model, int32 *version)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext old;
	instr_time	now;

	INSTR_TIME_SET_CURRENT(run->start);
	if (SPI_connect_ext(commit_every > 0 ? SPI_OPT_NONATOMIC : 0) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	run->context = AllocSetContextCreate(CurrentMemoryContext, "mlops score", ALLOCSET_DEFAULT_SIZES);
	run->batch_context = AllocSetContextCreate(run->context, "mlops score batch", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(run->context);

	open_run(run, fcinfo, many, commit_every > 0 ? commit_every : MLOPS_BATCH_ROWS);
	score_all(run, commit_every);

	*model = MemoryContextStrdup(caller, run->model->name);
	*version = run->model->version;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(run->context);
	SPI_finish();
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, run->start);
	run->seconds = INSTR_TIME_GET_DOUBLE(now);
}

/*
 * mlops.score(): one row, see sql/47_score.sql.
 */
static Datum
score_once(FunctionCallInfo fcinfo, bool many)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Run			run = {0};
	char	   *model;
	int32		version;
	Datum		values[6];
	bool		nulls[6] = {false};

	InitMaterializedSRF(fcinfo, 0);
	PreventCommandIfReadOnly("mlops.score()");
	check_nulls(fcinfo, ARG_KEY + 1);
	score(fcinfo, many, 0, &run, &model, &version);
	values[0] = mlops_modelref_make(model, version);
	values[1] = Int32GetDatum(version);
	values[2] = Int64GetDatum(run.rows_scored);
	values[3] = Int64GetDatum(run.rows_skipped);
	values[4] = Int64GetDatum(run.rows_without_key);
	values[5] = Float8GetDatum(run.seconds);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}

/*
 * mlops.score_batches(): its results are the arguments behind commit_every.
 */
static Datum
score_in_batches(FunctionCallInfo fcinfo, bool many)
{
	Run			run = {0};
	TupleDesc	desc;
	char	   *model;
	int32		version;
	int			commit_every;
	Datum		values[5];
	bool		nulls[5] = {false};

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("mlops.score_batches() cannot commit inside a transaction block or a function"),
				 errhint("Call it by itself, or use mlops.score(), which does not commit.")));
	PreventCommandIfReadOnly("mlops.score_batches()");
	check_nulls(fcinfo, ARG_COMMIT_EVERY + 1);
	commit_every = PG_GETARG_INT32(ARG_COMMIT_EVERY);
	if (commit_every < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("commit_every must be at least 1")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "mlops.score_batches() has another declaration");
	desc = BlessTupleDesc(desc);

	score(fcinfo, many, commit_every, &run, &model, &version);
	values[0] = Int32GetDatum(version);
	values[1] = Int64GetDatum(run.rows_scored);
	values[2] = Int64GetDatum(run.rows_skipped);
	values[3] = Int64GetDatum(run.rows_without_key);
	values[4] = Float8GetDatum(run.seconds);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/*
 * SQL: score() with a key of one column.
 */
Datum
mlops_score(PG_FUNCTION_ARGS)
{
	return score_once(fcinfo, false);
}

/*
 * SQL: score() with a key of several columns.
 */
Datum
mlops_score_keys(PG_FUNCTION_ARGS)
{
	return score_once(fcinfo, true);
}

/*
 * SQL: score_batches() with a key of one column.
 */
Datum
mlops_score_batches(PG_FUNCTION_ARGS)
{
	return score_in_batches(fcinfo, false);
}

/*
 * SQL: score_batches() with a key of several columns.
 */
Datum
mlops_score_batches_keys(PG_FUNCTION_ARGS)
{
	return score_in_batches(fcinfo, true);
}
