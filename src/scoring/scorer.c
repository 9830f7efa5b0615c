/*-------------------------------------------------------------------------
 *
 * scorer.c
 *	  What a call site that scores knows: the version and the row.
 *
 * What is found out once per statement (the version, the caller's privilege,
 * the columns) is kept in a scorer at the call site's fn_extra.  A call site
 * can live longer than a statement, in PL/pgSQL for one; so every call
 * compares the snapshot, the user and the reference with those of the scorer,
 * and begins anew if one differs.  Two snapshots of one session that agree in
 * all that is compared show the same rows.
 *
 * A scorer has a memory context of its own; resetting it ends the hold on the
 * model in the session's cache, and the call in the statistics.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "governance/suspension.h"
#include "registry/privilege.h"
#include "scoring/binding.h"
#include "scoring/scorer.h"

/* what tells one statement's view of the database from another's */
typedef struct View
{
	TimestampTz statement;
	TransactionId xmin;
	TransactionId xmax;
	uint64		completions;
	CommandId	curcid;
	uint32		xcnt;
	int32		subxcnt;
	Oid			user;
} View;

typedef struct Scorer
{
	MlopsScorer scorer;			/* its model and constant are NULL until resolved */
	double		constant;
	View		view;
	struct varlena *reference;
	MemoryContext binding_context;	/* child of context */
	MlopsBinding *binding;		/* to the row type below; NULL before the first row */
	Oid			row_type;
	int32		row_typmod;
} Scorer;

/*
 * The view of the present statement.
 */
static View
present_view(void)
{
	View		view = {0};

	view.statement = GetCurrentStatementStartTimestamp();
	view.user = GetUserId();
	if (ActiveSnapshotSet())
	{
		Snapshot	snapshot = GetActiveSnapshot();

		view.xmin = snapshot->xmin;
		view.xmax = snapshot->xmax;
		view.completions = snapshot->snapXactCompletionCount;
		view.curcid = snapshot->curcid;
		view.xcnt = snapshot->xcnt;
		view.subxcnt = snapshot->subxcnt;
	}
	return view;
}

static bool
same_view(const View *a, const View *b)
{
	return a->statement == b->statement && a->xmin == b->xmin && a->xmax == b->xmax &&
		a->completions == b->completions && a->curcid == b->curcid &&
		a->xcnt == b->xcnt && a->subxcnt == b->subxcnt && a->user == b->user;
}

/*
 * Begin anew: resolve the reference for the present user and statement.
 */
static void
resolve(Scorer *site, struct varlena *modelref, const View *view, int privilege, MlopsUse use)
{
	MlopsScorer *scorer = &site->scorer;
	MlopsReference reference;
	MlopsResolved resolved;
	const MlopsModel *model;
	MemoryContext old;
	instr_time	start;
	bool		constant;

	INSTR_TIME_SET_CURRENT(start);
	scorer->constant = NULL;
	scorer->model = NULL;
	scorer->extra = NULL;
	site->binding = NULL;
	MemoryContextReset(scorer->context);

	mlops_modelref_split(modelref, &reference);
	constant = mlops_serve(view->user, &reference, privilege, use, &resolved, &site->constant);
	old = MemoryContextSwitchTo(scorer->context);
	site->reference = (struct varlena *)
		DatumGetPointer(datumCopy(PointerGetDatum(modelref), false, -1));
	site->view = *view;
	if (constant)
	{
		scorer->constant = &site->constant;
		MemoryContextSwitchTo(old);
		return;
	}
	memcpy(scorer->sha256, resolved.sha256, MLOPS_SHA256_LENGTH);
	site->binding_context = AllocSetContextCreate(scorer->context, "mlops binding",
												  ALLOCSET_SMALL_SIZES);
	scorer->call = mlops_call_begin(&resolved, start, scorer->context);
	model = mlops_model_hold(&resolved, scorer->context);
	scorer->vector = mlops_vector_create(model);
	scorer->scratch = palloc(mlops_forest_scratch_size(model->forest));
	scorer->margins = palloc(mul_size(sizeof(double), model->info.num_groups));
	scorer->outputs = palloc(mul_size(sizeof(double), model->info.num_outputs));
	scorer->model = model;
	MemoryContextSwitchTo(old);
}

/*
 * The scorer of this call site, resolved for the reference in argument 0.
 */
static Scorer *
get_scorer(FunctionCallInfo fcinfo, int privilege, MlopsUse use)
{
	Scorer	   *site = fcinfo->flinfo->fn_extra;
	struct varlena *modelref = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	View		view = present_view();

	if (site == NULL)
	{
		site = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Scorer));
		site->scorer.context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "mlops scorer",
													 ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = site;
	}
	if ((site->scorer.model == NULL && site->scorer.constant == NULL) || !same_view(&site->view, &view) ||
		VARSIZE_ANY_EXHDR(site->reference) != VARSIZE_ANY_EXHDR(modelref) ||
		memcmp(VARDATA_ANY(site->reference), VARDATA_ANY(modelref),
			   VARSIZE_ANY_EXHDR(modelref)) != 0)
		resolve(site, modelref, &view, privilege, use);
	else if (site->scorer.constant == NULL)
		mlops_call_row_begin(site->scorer.call);
	return site;
}

/*
 * Read a row, whose type may be another than that of the row before.
 */
static void
read_row(Scorer *site, HeapTupleHeader header)
{
	Oid			type = HeapTupleHeaderGetTypeId(header);
	int32		typmod = HeapTupleHeaderGetTypMod(header);
	HeapTupleData tuple;

	if (site->binding == NULL || type != site->row_type || typmod != site->row_typmod)
	{
		TupleDesc	desc = lookup_rowtype_tupdesc(type, typmod);
		MemoryContext old;

		site->binding = NULL;
		MemoryContextReset(site->binding_context);
		old = MemoryContextSwitchTo(site->binding_context);
		site->binding = mlops_binding_create(site->scorer.model, desc, &site->scorer.call->counts);
		site->row_type = type;
		site->row_typmod = typmod;
		MemoryContextSwitchTo(old);
		ReleaseTupleDesc(desc);
	}

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	mlops_vector_from_tuple(site->scorer.model, site->binding, &tuple, site->scorer.vector,
							&site->scorer.call->counts);
}

/*
 * Bind to the columns of a call whose arguments from 2 on are their values.
 */
static void
bind_columns(Scorer *site, FunctionCallInfo fcinfo)
{
	MemoryContext old = MemoryContextSwitchTo(site->binding_context);
	int			count = fcinfo->nargs - 2;
	TupleDesc	desc = CreateTemplateTupleDesc(count);
	Datum	   *names;
	int			num_names;

	if (!get_fn_expr_arg_stable(fcinfo->flinfo, 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("names of columns must be the same for all rows")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT,
					  &names, NULL, &num_names);
	if (num_names != count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d names were given for %d columns", num_names, count)));
	for (int i = 0; i < count; i++)
		TupleDescInitEntry(desc, i + 1, TextDatumGetCString(names[i]),
						   get_fn_expr_argtype(fcinfo->flinfo, i + 2), -1, 0);
	site->binding = mlops_binding_create(site->scorer.model, desc, &site->scorer.call->counts);
	MemoryContextSwitchTo(old);
}

/*
 * The scorer of this call site with the version that argument 0 means and the
 * vector of the row in argument 1, for a caller with this privilege.  It lives
 * as long as the call site, and holds until the next call.  If the use is
 * MLOPS_USE_VALUE, it may be a constant instead.  Errors ML001 to ML004, 42501
 * and ML020.
 */
MlopsScorer *
mlops_scorer_read(FunctionCallInfo fcinfo, MlopsInput input, int privilege, MlopsUse use)
{
	Scorer	   *site = get_scorer(fcinfo, privilege, use);
	MlopsScorer *scorer = &site->scorer;

	if (unlikely(scorer->constant != NULL))
		return scorer;
	switch (input)
	{
		case MLOPS_INPUT_ROW:
			read_row(site, PG_GETARG_HEAPTUPLEHEADER(1));
			scorer->binding = site->binding;
			break;
		case MLOPS_INPUT_ARRAY:
			mlops_vector_from_array(scorer->model, PG_GETARG_ARRAYTYPE_P(1), scorer->vector,
									&scorer->call->counts);
			break;
		case MLOPS_INPUT_JSONB:
			mlops_vector_from_jsonb(scorer->model, PG_GETARG_JSONB_P(1), scorer->vector,
									&scorer->call->counts);
			break;
		case MLOPS_INPUT_COLUMNS:
			if (site->binding == NULL)
				bind_columns(site, fcinfo);
			mlops_vector_from_columns(scorer->model, site->binding, fcinfo->args + 2, scorer->vector,
									  &scorer->call->counts);
			break;
	}
	return scorer;
}

/*
 * Compute the margins of the row.
 */
void
mlops_scorer_margin(MlopsScorer *scorer)
{
	if (scorer->model->info.wide)
		mlops_forest_margin64(scorer->model->forest, scorer->vector, scorer->scratch, scorer->margins);
	else
		mlops_forest_margin(scorer->model->forest, scorer->vector, scorer->scratch, scorer->margins);
}

/*
 * Make outputs of the margins.
 */
void
mlops_scorer_transform(MlopsScorer *scorer)
{
	if (scorer->model->info.wide)
		mlops_forest_transform64(scorer->model->forest, scorer->margins, scorer->outputs);
	else
		mlops_forest_transform(scorer->model->forest, scorer->margins, scorer->outputs);
}
