/*-------------------------------------------------------------------------
 *
 * scorer.c
 *	  What a call site that scores knows: the version and the row.
 *
 * What is found out once per statement (the version, the caller's privilege,
 * the columns) is kept in a scorer at the call site's fn_extra.  A call site
 * can live longer than a statement, in PL/pgSQL for one; so every call
 * compares the view and the reference with those of the scorer, and begins anew
 * if one differs.  Where the reference changes from row to row, as that of
 * mlops.route() does, a call site has a ring of some scorers.
 *
 * A scorer has a memory context of its own; resetting it ends the hold on the
 * model in the session's cache, and the call in the statistics.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "governance/suspension.h"
#include "mlops.h"
#include "registry/privilege.h"
#include "registry/table.h"
#include "registry/view.h"
#include "scoring/binding.h"
#include "scoring/scorer.h"

/* scorers of one call site, each of which holds a version */
#define MAX_SCORERS		8

typedef struct Scorer
{
	MlopsScorer scorer;			/* first; its model and constant are NULL until
								 * resolved */
	double		value;			/* of every row, see scorer.constant */
	MlopsView	view;
	struct varlena *reference;
	bool		constant;		/* the reference is always this */
	MemoryContext binding_context;	/* child of context */
	MlopsBinding *binding;		/* to the row type below; NULL before the first row */
	Oid			row_type;
	int32		row_typmod;
	struct Scorer *next;		/* in the ring */
} Scorer;

/*
 * Does a scorer have a reference that could be resolved?
 */
static inline bool
is_resolved(const Scorer *site)
{
	return site->scorer.model != NULL || site->scorer.constant != NULL;
}

/*
 * Is this the reference that the call site was resolved for?
 */
static inline bool
same_reference(const Scorer *site, Datum reference)
{
	struct varlena *modelref;

	if (site->constant)
		return true;
	modelref = PG_DETOAST_DATUM_PACKED(reference);
	return VARSIZE_ANY_EXHDR(site->reference) == VARSIZE_ANY_EXHDR(modelref) &&
		memcmp(VARDATA_ANY(site->reference), VARDATA_ANY(modelref),
			   VARSIZE_ANY_EXHDR(modelref)) == 0;
}

/*
 * Begin anew: resolve the reference for the present user and statement.
 */
static void
resolve(Scorer *site, struct varlena *modelref, int privilege, MlopsUse use)
{
	MlopsScorer *scorer = &site->scorer;
	MlopsView	view = mlops_view_present();
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
	constant = mlops_serve(view.user, &reference, privilege, use, &resolved, &site->value);
	old = MemoryContextSwitchTo(scorer->context);
	site->reference = (struct varlena *)
		DatumGetPointer(datumCopy(PointerGetDatum(modelref), false, -1));
	site->view = view;
	if (constant)
	{
		scorer->constant = &site->value;
		MemoryContextSwitchTo(old);
		return;
	}
	memcpy(scorer->sha256, resolved.sha256, MLOPS_SHA256_LENGTH);
	scorer->version_id = resolved.version_id;
	scorer->threshold = get_float8_nan();
	site->binding_context = AllocSetContextCreate(scorer->context, "mlops binding",
												  ALLOCSET_SMALL_SIZES);
	scorer->call = mlops_call_begin(&resolved, start, scorer->context);
	model = mlops_model_hold(&resolved, scorer->context);
	scorer->reader.model = model;
	scorer->reader.policy = resolved.policy;
	scorer->reader.counts = &scorer->call->counts;
	scorer->vector = mlops_vector_create(model);
	scorer->scratch = palloc(mlops_forest_scratch_size(model->forest));
	scorer->margins = palloc(mul_size(sizeof(double), model->info.num_groups));
	scorer->outputs = palloc(mul_size(sizeof(double), model->info.num_outputs));
	scorer->model = model;
	MemoryContextSwitchTo(old);
}

/*
 * A call site that is not resolved yet.
 */
static Scorer *
create_site(FmgrInfo *flinfo)
{
	Scorer	   *site = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(Scorer));
	Node	   *call = flinfo->fn_expr;

	site->scorer.context = AllocSetContextCreate(flinfo->fn_mcxt, "mlops scorer",
												 ALLOCSET_SMALL_SIZES);
	site->constant = call != NULL && IsA(call, FuncExpr) &&
		IsA(linitial(((FuncExpr *) call)->args), Const);
	site->next = site;
	return site;
}

/*
 * The scorer of a call site for another reference than that of the present one,
 * site: the one that has it, a new one, or else the next one in the ring.
 */
static pg_noinline Scorer *
other_scorer(FmgrInfo *flinfo, Scorer *site, Datum reference)
{
	Scorer	   *other;
	int			count = 1;

	for (other = site->next; other != site; other = other->next, count++)
		if (is_resolved(other) && same_reference(other, reference))
			break;
	if (other == site && count < MAX_SCORERS)
	{
		other = create_site(flinfo);
		other->next = site->next;
		site->next = other;
	}
	else if (other == site)
		other = site->next;
	flinfo->fn_extra = other;
	return other;
}

/*
 * The scorer of this call site, resolved for the reference in argument 0.
 */
static Scorer *
get_scorer(FunctionCallInfo fcinfo, int privilege, MlopsUse use)
{
	Scorer	   *site = fcinfo->flinfo->fn_extra;

	if (site == NULL)
		fcinfo->flinfo->fn_extra = site = create_site(fcinfo->flinfo);
	if (is_resolved(site) && unlikely(!same_reference(site, PG_GETARG_DATUM(0))))
		site = other_scorer(fcinfo->flinfo, site, PG_GETARG_DATUM(0));
	if (!is_resolved(site) || !mlops_view_is_present(&site->view) ||
		!same_reference(site, PG_GETARG_DATUM(0)))
		resolve(site, PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0)), privilege, use);
	else if (likely(site->scorer.constant == NULL))
		mlops_call_row_begin(site->scorer.call);
	return site;
}

/*
 * The scorer of this call site with the version that argument 0 means, for a
 * caller with this privilege, before a row is read.  It lives as long as the
 * call site, and holds until the next call.  If the use is MLOPS_USE_VALUE, it
 * may be a constant instead.  Errors ML001 to ML004 and 42501.
 */
MlopsScorer *
mlops_scorer_open(FunctionCallInfo fcinfo, int privilege, MlopsUse use)
{
	return &get_scorer(fcinfo, privilege, use)->scorer;
}

/*
 * Read a row, whose type may be another than that of the row before, with
 * changes if there are some.  Error ML020.
 */
void
mlops_scorer_read_row(MlopsScorer *scorer, HeapTupleHeader header, Jsonb *changes, void *vector)
{
	Scorer	   *site = (Scorer *) scorer;
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
		site->binding = mlops_binding_create(scorer->model, desc);
		site->row_type = type;
		site->row_typmod = typmod;
		MemoryContextSwitchTo(old);
		ReleaseTupleDesc(desc);
	}

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	mlops_vector_from_tuple(&scorer->reader, site->binding, &tuple, changes, vector);
	scorer->binding = site->binding;
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
	site->binding = mlops_binding_create(site->scorer.model, desc);
	MemoryContextSwitchTo(old);
}

/*
 * Read the row in argument 1.
 */
static inline MlopsScorer *
read_argument(FunctionCallInfo fcinfo, MlopsInput input, int privilege, MlopsUse use, Jsonb *changes)
{
	Scorer	   *site = get_scorer(fcinfo, privilege, use);
	MlopsScorer *scorer = &site->scorer;

	if (unlikely(scorer->constant != NULL))
		return scorer;
	switch (input)
	{
		case MLOPS_INPUT_ROW:
			mlops_scorer_read_row(scorer, PG_GETARG_HEAPTUPLEHEADER(1), changes, scorer->vector);
			break;
		case MLOPS_INPUT_ARRAY:
			mlops_vector_from_array(&scorer->reader, PG_GETARG_ARRAYTYPE_P(1), changes, scorer->vector);
			break;
		case MLOPS_INPUT_JSONB:
			mlops_vector_from_jsonb(&scorer->reader, PG_GETARG_JSONB_P(1), changes, scorer->vector);
			break;
		case MLOPS_INPUT_COLUMNS:
			Assert(changes == NULL);
			if (site->binding == NULL)
				bind_columns(site, fcinfo);
			mlops_vector_from_columns(&scorer->reader, site->binding, fcinfo->args + 2, scorer->vector);
			break;
	}
	return scorer;
}

/*
 * The scorer of this call site, as above, with the vector of the row in
 * argument 1.  Error ML020, too.
 */
MlopsScorer *
mlops_scorer_read(FunctionCallInfo fcinfo, MlopsInput input, int privilege, MlopsUse use)
{
	return read_argument(fcinfo, input, privilege, use, NULL);
}

/*
 * The same, with other values for some features of that row.
 */
MlopsScorer *
mlops_scorer_read_changed(FunctionCallInfo fcinfo, MlopsInput input, int privilege, MlopsUse use,
						  Jsonb *changes)
{
	return read_argument(fcinfo, input, privilege, use, changes);
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

/*
 * The least prediction of a binary model that is the positive class: the one
 * that was chosen last for the version, as the statement's snapshot shows it,
 * or else the middle.
 */
double
mlops_scorer_threshold(MlopsScorer *scorer)
{
	MlopsTableKey key = {"version_id", {.value = Int64GetDatum(scorer->version_id)}};
	MlopsTableScan scan;
	HeapTuple	tuple;
	int64		last = 0;
	bool		pushed = false;

	if (likely(!isnan(scorer->threshold)))
		return scorer->threshold;

	/* the output of this objective is the margin, whose middle is 0 */
	scorer->threshold = scorer->model->calibration == NULL &&
		strcmp(scorer->model->info.objective, "binary:logitraw") == 0 ? 0.0 : MLOPS_THRESHOLD;
	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}
	mlops_table_begin(&scan, "threshold", "threshold_version_id_idx", GetActiveSnapshot(), &key, 1);
	while ((tuple = mlops_table_next(&scan)) != NULL)
	{
		bool		isnull;
		int64		id = DatumGetInt64(mlops_table_value(&scan, tuple, "id", &isnull));

		if (id > last)
		{
			last = id;
			scorer->threshold = DatumGetFloat8(mlops_table_value(&scan, tuple, "threshold", &isnull));
		}
	}
	mlops_table_end(&scan);
	if (pushed)
		PopActiveSnapshot();
	return scorer->threshold;
}
