/*-------------------------------------------------------------------------
 *
 * bank_grade.c
 *	  SQL: what two models, or two dates, make of the same borrowers, and
 *	  whether each grade defaults as it should: migration matrix, swap set,
 *	  score shift, calibration by grade.
 *
 * States hold counts by grade, or a handful of sums, whatever the number of
 * rows.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "metrics/aggregate.h"
#include "monitoring/tally.h"
#include "monitoring/test.h"

/* verdicts of a grade: its rows, and the p-values that warn and fail */
#define MIN_ROWS			100
#define ALPHA_WARN			0.05
#define ALPHA_FAIL			0.01
#define INTERVAL_LEVEL		0.95

/* fields of mlops.migration_cell */
#define CELL_FROM			0
#define CELL_TO				1
#define CELL_N				2
#define CELL_SHARE			3
#define CELL_FIELDS			4

/* fields of mlops.swap_cell */
#define SWAP_CELL			0
#define SWAP_N				1
#define SWAP_SHARE			2
#define SWAP_KNOWN			3
#define SWAP_BADS			4
#define SWAP_BAD_RATE		5
#define SWAP_FIELDS			6

/* fields of mlops.grade_calibration */
#define GRADE_GRADE			0
#define GRADE_N				1
#define GRADE_DEFAULTS		2
#define GRADE_PD			3
#define GRADE_RATE			4
#define GRADE_LOWER			5
#define GRADE_UPPER			6
#define GRADE_P_ABOVE		7
#define GRADE_P_BELOW		8
#define GRADE_VERDICT		9
#define GRADE_FIELDS		10

/* fields of mlops.test_result */
#define TEST_STATISTIC		0
#define TEST_DF				1
#define TEST_P_VALUE		2
#define TEST_N				3
#define TEST_FIELDS			4

/* fields of mlops.score_shift_result */
#define SHIFT_N				0
#define SHIFT_SKIPPED		1
#define SHIFT_MEAN_OLD		2
#define SHIFT_MEAN_NEW		3
#define SHIFT_MEAN			4
#define SHIFT_STDDEV		5
#define SHIFT_MEAN_ABSOLUTE	6
#define SHIFT_MAX_ABSOLUTE	7
#define SHIFT_SHARE_UP		8
#define SHIFT_SHARE_DOWN	9
#define SHIFT_CORRELATION	10
#define SHIFT_FIELDS		11

/* the decisions of two models on one row: a bit for each, and which it is */
#define OLD_ACCEPTS			1
#define NEW_ACCEPTS			2

static const char *const swap_names[] = {"both_rejected", "swap_out", "swap_in", "both_accepted"};

typedef struct SwapState
{
	int64		n[4];
	int64		known[4];
	int64		bads[4];
} SwapState;

typedef struct ShiftState
{
	int64		n;
	int64		skipped;
	int64		up;
	int64		down;
	double		greatest;
	MlopsSum	sum_old;
	MlopsSum	sum_new;
	MlopsSum	square_old;
	MlopsSum	square_new;
	MlopsSum	product;
	MlopsSum	square_shift;
	MlopsSum	absolute;
} ShiftState;

PG_FUNCTION_INFO_V1(mlops_grade_combine);
PG_FUNCTION_INFO_V1(mlops_grade_serialize);
PG_FUNCTION_INFO_V1(mlops_grade_deserialize);
PG_FUNCTION_INFO_V1(mlops_migration_add);
PG_FUNCTION_INFO_V1(mlops_migration_final);
PG_FUNCTION_INFO_V1(mlops_grade_add);
PG_FUNCTION_INFO_V1(mlops_calibration_by_grade_final);
PG_FUNCTION_INFO_V1(mlops_hosmer_lemeshow_grade_final);
PG_FUNCTION_INFO_V1(mlops_swap_set_add);
PG_FUNCTION_INFO_V1(mlops_swap_set_combine);
PG_FUNCTION_INFO_V1(mlops_swap_set_serialize);
PG_FUNCTION_INFO_V1(mlops_swap_set_deserialize);
PG_FUNCTION_INFO_V1(mlops_swap_set_final);
PG_FUNCTION_INFO_V1(mlops_score_shift_add);
PG_FUNCTION_INFO_V1(mlops_score_shift_combine);
PG_FUNCTION_INFO_V1(mlops_score_shift_serialize);
PG_FUNCTION_INFO_V1(mlops_score_shift_deserialize);
PG_FUNCTION_INFO_V1(mlops_score_shift_final);

static void
set_number(Datum *values, bool *nulls, int field, double number)
{
	values[field] = Float8GetDatum(number);
	nulls[field] = isnan(number);
}

static Datum
row_array(FunctionCallInfo fcinfo, Datum *elements, int n)
{
	TupleDesc	tupdesc = mlops_row_tupdesc(fcinfo);

	PG_RETURN_ARRAYTYPE_P(construct_array(elements, n, tupdesc->tdtypeid, -1, false, TYPALIGN_DOUBLE));
}

/*
 * States that are a tally
 */

/*
 * The state of the aggregate in progress.  Error 54000 if it has too many keys.
 */
static MlopsTally *
tally_state(FunctionCallInfo fcinfo)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	MlopsTally *state = PG_ARGISNULL(0) ? mlops_tally_create(context) :
		(MlopsTally *) PG_GETARG_POINTER(0);

	mlops_tally_check(state);
	return state;
}

Datum
mlops_grade_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	MlopsTally *state = PG_ARGISNULL(0) ? NULL : (MlopsTally *) PG_GETARG_POINTER(0);

	if (!PG_ARGISNULL(1))
	{
		if (state == NULL)
			state = mlops_tally_create(context);
		mlops_tally_merge(state, (MlopsTally *) PG_GETARG_POINTER(1));
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

Datum
mlops_grade_serialize(PG_FUNCTION_ARGS)
{
	MlopsTally *state = (MlopsTally *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_begin(&buf, mlops_tally_send_size(state));
	mlops_tally_send(&buf, state);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_grade_deserialize(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	MlopsTally *state = mlops_tally_create(CurrentMemoryContext);

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	mlops_tally_recv(&buf, state);
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(state);
}

/*
 * Migration.  A key is a byte for each grade, 0 if it is NULL, the length of
 * the first in network order, and both grades.
 */

#define KEY_HEADER			6

Datum
mlops_migration_add(PG_FUNCTION_ARGS)
{
	MlopsTally *state = tally_state(fcinfo);
	text	   *grades[2] = {NULL, NULL};
	int			lens[2] = {0, 0};
	char	   *key;

	for (int i = 0; i < 2; i++)
	{
		if (PG_ARGISNULL(i + 1))
			continue;
		grades[i] = PG_GETARG_TEXT_PP(i + 1);
		lens[i] = (int) VARSIZE_ANY_EXHDR(grades[i]);
	}
	key = palloc(KEY_HEADER + (Size) lens[0] + lens[1]);
	key[0] = grades[0] != NULL;
	key[1] = grades[1] != NULL;
	for (int i = 0; i < 4; i++)
		key[2 + i] = (char) (lens[0] >> (24 - 8 * i));
	if (grades[0])
		memcpy(key + KEY_HEADER, VARDATA_ANY(grades[0]), lens[0]);
	if (grades[1])
		memcpy(key + KEY_HEADER + lens[0], VARDATA_ANY(grades[1]), lens[1]);
	mlops_tally_at(state, key, KEY_HEADER + lens[0] + lens[1])->rows[0]++;
	pfree(key);
	PG_RETURN_POINTER(state);
}

typedef struct Migration
{
	const char *grades[2];		/* NULL if it is */
	int			lens[2];
	int64		n;
} Migration;

static int
compare_migrations(const void *a, const void *b)
{
	const Migration *x = a;
	const Migration *y = b;

	/* NULL comes last */
	for (int i = 0; i < 2; i++)
	{
		int			order;

		if ((x->grades[i] == NULL) != (y->grades[i] == NULL))
			return x->grades[i] == NULL ? 1 : -1;
		if (x->grades[i] == NULL)
			continue;
		order = memcmp(x->grades[i], y->grades[i], Min(x->lens[i], y->lens[i]));
		if (order == 0)
			order = x->lens[i] - y->lens[i];
		if (order != 0)
			return order;
	}
	return 0;
}

/*
 * SQL: mlops.migration_matrix, an array of mlops.migration_cell.
 */
Datum
mlops_migration_final(PG_FUNCTION_ARGS)
{
	MlopsTally *state;
	MlopsTallyEntry **entries;
	Migration  *cells;
	Datum	   *elements;
	int			n;

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (MlopsTally *) PG_GETARG_POINTER(0);
	n = mlops_tally_count(state);
	entries = mlops_tally_sorted(state);
	cells = palloc_extended(sizeof(Migration) * (Size) n, MCXT_ALLOC_HUGE);
	elements = palloc_extended(sizeof(Datum) * (Size) n, MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
	{
		const char *key = entries[i]->key.data;

		cells[i].lens[0] = 0;
		for (int j = 0; j < 4; j++)
			cells[i].lens[0] = cells[i].lens[0] << 8 | (unsigned char) key[2 + j];
		cells[i].lens[1] = entries[i]->key.len - KEY_HEADER - cells[i].lens[0];
		cells[i].grades[0] = key[0] ? key + KEY_HEADER : NULL;
		cells[i].grades[1] = key[1] ? key + KEY_HEADER + cells[i].lens[0] : NULL;
		cells[i].n = entries[i]->rows[0];
	}
	qsort(cells, n, sizeof(Migration), compare_migrations);

	for (int start = 0, end; start < n; start = end)
	{
		double		whole = 0;

		/* the cells of one row of the matrix */
		for (end = start; end < n; end++)
		{
			if ((cells[end].grades[0] == NULL) != (cells[start].grades[0] == NULL) ||
				cells[end].lens[0] != cells[start].lens[0] ||
				(cells[end].lens[0] > 0 &&
				 memcmp(cells[end].grades[0], cells[start].grades[0], cells[start].lens[0]) != 0))
				break;
			whole += (double) cells[end].n;
		}
		for (int i = start; i < end; i++)
		{
			Datum		values[CELL_FIELDS] = {0};
			bool		nulls[CELL_FIELDS] = {false};

			for (int j = 0; j < 2; j++)
			{
				nulls[CELL_FROM + j] = cells[i].grades[j] == NULL;
				if (cells[i].grades[j])
					values[CELL_FROM + j] = PointerGetDatum(cstring_to_text_with_len(cells[i].grades[j],
																					 cells[i].lens[j]));
			}
			values[CELL_N] = Int64GetDatum(cells[i].n);
			values[CELL_SHARE] = Float8GetDatum((double) cells[i].n / whole);
			elements[i] = HeapTupleGetDatum(heap_form_tuple(mlops_row_tupdesc(fcinfo), values, nulls));
		}
	}
	return row_array(fcinfo, elements, n);
}

/*
 * Calibration by grade: rows without and with a default, and the sum of the
 * probabilities.  A row with a NULL is skipped.
 */
Datum
mlops_grade_add(PG_FUNCTION_ARGS)
{
	MlopsTally *state = tally_state(fcinfo);
	MlopsTallyEntry *entry;
	text	   *grade;
	double		pd;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		PG_RETURN_POINTER(state);
	grade = PG_GETARG_TEXT_PP(2);
	pd = mlops_probability_arg(fcinfo, 3);
	entry = mlops_tally_at(state, VARDATA_ANY(grade), (int) VARSIZE_ANY_EXHDR(grade));
	entry->rows[PG_GETARG_BOOL(1) ? 1 : 0]++;
	mlops_sum_add(&entry->sum, pd);
	PG_RETURN_POINTER(state);
}

/*
 * SQL: mlops.calibration_by_grade, an array of mlops.grade_calibration.
 */
Datum
mlops_calibration_by_grade_final(PG_FUNCTION_ARGS)
{
	MlopsTally *state;
	MlopsTallyEntry **entries;
	Datum	   *elements;
	int			n;
	double		z = mlops_normal_quantile(INTERVAL_LEVEL);

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (MlopsTally *) PG_GETARG_POINTER(0);
	n = mlops_tally_count(state);
	entries = mlops_tally_sorted(state);
	elements = palloc_extended(sizeof(Datum) * Max((Size) n, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
	{
		const MlopsTallyEntry *entry = entries[i];
		int64		defaults = entry->rows[1];
		int64		rows = entry->rows[0] + defaults;
		double		pd = mlops_sum_value(&entry->sum) / (double) rows;
		double		above = mlops_binomial_sf(defaults, rows, pd);
		double		below = mlops_binomial_cdf(defaults, rows, pd);
		double		lower;
		double		upper;
		const char *verdict = "ok";
		Datum		values[GRADE_FIELDS] = {0};
		bool		nulls[GRADE_FIELDS] = {false};

		/* two-sided: either tail, at half of the level */
		if (rows < MIN_ROWS)
			verdict = "insufficient";
		else if (2 * Min(above, below) < ALPHA_FAIL)
			verdict = "fail";
		else if (2 * Min(above, below) < ALPHA_WARN)
			verdict = "warn";

		mlops_wilson((double) defaults, (double) rows, z, &lower, &upper);
		values[GRADE_GRADE] = PointerGetDatum(cstring_to_text_with_len(entry->key.data, entry->key.len));
		values[GRADE_N] = Int64GetDatum(rows);
		values[GRADE_DEFAULTS] = Int64GetDatum(defaults);
		values[GRADE_PD] = Float8GetDatum(pd);
		values[GRADE_RATE] = Float8GetDatum((double) defaults / (double) rows);
		values[GRADE_LOWER] = Float8GetDatum(lower);
		values[GRADE_UPPER] = Float8GetDatum(upper);
		values[GRADE_P_ABOVE] = Float8GetDatum(above);
		values[GRADE_P_BELOW] = Float8GetDatum(below);
		values[GRADE_VERDICT] = CStringGetTextDatum(verdict);
		elements[i] = HeapTupleGetDatum(heap_form_tuple(mlops_row_tupdesc(fcinfo), values, nulls));
	}
	return row_array(fcinfo, elements, n);
}

/*
 * SQL: mlops.hosmer_lemeshow(label, grade, probability): over the grades, with
 * as many degrees of freedom, as the probabilities were not fitted to these
 * rows.
 */
Datum
mlops_hosmer_lemeshow_grade_final(PG_FUNCTION_ARGS)
{
	MlopsTally *state;
	MlopsTallyEntry **entries;
	MlopsSum	sum = {0};
	int64		rows = 0;
	int			n;
	bool		defined = true;
	Datum		values[TEST_FIELDS] = {0};
	bool		nulls[TEST_FIELDS] = {false};

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (MlopsTally *) PG_GETARG_POINTER(0);
	n = mlops_tally_count(state);
	entries = mlops_tally_sorted(state);
	for (int i = 0; i < n; i++)
	{
		double		whole = (double) (entries[i]->rows[0] + entries[i]->rows[1]);
		double		expected = mlops_sum_value(&entries[i]->sum);
		double		spread = expected * (1 - expected / whole);
		double		gap = (double) entries[i]->rows[1] - expected;

		rows += entries[i]->rows[0] + entries[i]->rows[1];
		if (spread > 0)
			mlops_sum_add(&sum, gap * gap / spread);
		else if (gap != 0)
			defined = false;	/* what was certain did not come */
	}
	if (rows == 0)
		PG_RETURN_NULL();
	set_number(values, nulls, TEST_STATISTIC, defined ? mlops_sum_value(&sum) : INFINITY);
	values[TEST_DF] = Int32GetDatum(n);
	set_number(values, nulls, TEST_P_VALUE, defined ? mlops_chi2_sf(mlops_sum_value(&sum), n) : 0);
	values[TEST_N] = Int64GetDatum(rows);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(mlops_row_tupdesc(fcinfo), values, nulls)));
}

/*
 * Swap set
 */

/*
 * Add one row (state, label, old decision, new decision).  The label may be
 * NULL: most of the rejected have none.
 */
Datum
mlops_swap_set_add(PG_FUNCTION_ARGS)
{
	SwapState  *state = mlops_aggregate_state(fcinfo, sizeof(SwapState));
	int			cell;

	if (PG_ARGISNULL(2) || PG_ARGISNULL(3))
		PG_RETURN_POINTER(state);
	cell = (PG_GETARG_BOOL(2) ? OLD_ACCEPTS : 0) | (PG_GETARG_BOOL(3) ? NEW_ACCEPTS : 0);
	state->n[cell]++;
	if (!PG_ARGISNULL(1))
	{
		state->known[cell]++;
		state->bads[cell] += PG_GETARG_BOOL(1);
	}
	PG_RETURN_POINTER(state);
}

Datum
mlops_swap_set_combine(PG_FUNCTION_ARGS)
{
	SwapState  *state = mlops_aggregate_state(fcinfo, sizeof(SwapState));

	if (!PG_ARGISNULL(1))
	{
		SwapState  *other = (SwapState *) PG_GETARG_POINTER(1);

		for (int i = 0; i < 4; i++)
		{
			state->n[i] += other->n[i];
			state->known[i] += other->known[i];
			state->bads[i] += other->bads[i];
		}
	}
	PG_RETURN_POINTER(state);
}

Datum
mlops_swap_set_serialize(PG_FUNCTION_ARGS)
{
	SwapState  *state = (SwapState *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_begin(&buf, sizeof(SwapState));
	for (int i = 0; i < 4; i++)
	{
		pq_sendint64(&buf, state->n[i]);
		pq_sendint64(&buf, state->known[i]);
		pq_sendint64(&buf, state->bads[i]);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_swap_set_deserialize(PG_FUNCTION_ARGS)
{
	SwapState  *state = palloc0(sizeof(SwapState));
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	for (int i = 0; i < 4; i++)
	{
		state->n[i] = mlops_state_recv_count(&buf);
		state->known[i] = mlops_state_recv_count(&buf);
		state->bads[i] = mlops_state_recv_count(&buf);
	}
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(state);
}

/*
 * SQL: mlops.swap_set, an array of four mlops.swap_cell.
 */
Datum
mlops_swap_set_final(PG_FUNCTION_ARGS)
{
	SwapState  *state;
	double		whole = 0;
	Datum		elements[4];

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (SwapState *) PG_GETARG_POINTER(0);
	for (int i = 0; i < 4; i++)
		whole += (double) state->n[i];
	if (whole == 0)
		PG_RETURN_NULL();

	/* accepted by both comes first */
	for (int i = 0; i < 4; i++)
	{
		int			cell = 3 - i;
		double		known = (double) state->known[cell];
		Datum		values[SWAP_FIELDS] = {0};
		bool		nulls[SWAP_FIELDS] = {false};

		values[SWAP_CELL] = CStringGetTextDatum(swap_names[cell]);
		values[SWAP_N] = Int64GetDatum(state->n[cell]);
		set_number(values, nulls, SWAP_SHARE, (double) state->n[cell] / whole);
		values[SWAP_KNOWN] = Int64GetDatum(state->known[cell]);
		values[SWAP_BADS] = Int64GetDatum(state->bads[cell]);
		set_number(values, nulls, SWAP_BAD_RATE, known > 0 ? (double) state->bads[cell] / known : NAN);
		elements[i] = HeapTupleGetDatum(heap_form_tuple(mlops_row_tupdesc(fcinfo), values, nulls));
	}
	return row_array(fcinfo, elements, 4);
}

/*
 * Score shift
 */

/*
 * Add one row (state, old score, new score).  A row in which one is NULL, NaN
 * or infinite is skipped and counted.
 */
Datum
mlops_score_shift_add(PG_FUNCTION_ARGS)
{
	ShiftState *state = mlops_aggregate_state(fcinfo, sizeof(ShiftState));
	double		before;
	double		after;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) ||
		!isfinite(PG_GETARG_FLOAT8(1)) || !isfinite(PG_GETARG_FLOAT8(2)))
	{
		state->skipped++;
		PG_RETURN_POINTER(state);
	}
	before = PG_GETARG_FLOAT8(1);
	after = PG_GETARG_FLOAT8(2);
	state->n++;
	state->up += after > before;
	state->down += after < before;
	state->greatest = Max(state->greatest, fabs(after - before));
	mlops_sum_add(&state->sum_old, before);
	mlops_sum_add(&state->sum_new, after);
	mlops_sum_add_product(&state->square_old, before, before);
	mlops_sum_add_product(&state->square_new, after, after);
	mlops_sum_add_product(&state->product, before, after);
	mlops_sum_add_product(&state->square_shift, after - before, after - before);
	mlops_sum_add(&state->absolute, fabs(after - before));
	PG_RETURN_POINTER(state);
}

Datum
mlops_score_shift_combine(PG_FUNCTION_ARGS)
{
	ShiftState *state = mlops_aggregate_state(fcinfo, sizeof(ShiftState));

	if (!PG_ARGISNULL(1))
	{
		ShiftState *other = (ShiftState *) PG_GETARG_POINTER(1);

		state->n += other->n;
		state->skipped += other->skipped;
		state->up += other->up;
		state->down += other->down;
		state->greatest = Max(state->greatest, other->greatest);
		mlops_sum_merge(&state->sum_old, &other->sum_old);
		mlops_sum_merge(&state->sum_new, &other->sum_new);
		mlops_sum_merge(&state->square_old, &other->square_old);
		mlops_sum_merge(&state->square_new, &other->square_new);
		mlops_sum_merge(&state->product, &other->product);
		mlops_sum_merge(&state->square_shift, &other->square_shift);
		mlops_sum_merge(&state->absolute, &other->absolute);
	}
	PG_RETURN_POINTER(state);
}

Datum
mlops_score_shift_serialize(PG_FUNCTION_ARGS)
{
	ShiftState *state = (ShiftState *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_begin(&buf, sizeof(ShiftState));
	pq_sendint64(&buf, state->n);
	pq_sendint64(&buf, state->skipped);
	pq_sendint64(&buf, state->up);
	pq_sendint64(&buf, state->down);
	pq_sendfloat8(&buf, state->greatest);
	mlops_state_send_sum(&buf, &state->sum_old);
	mlops_state_send_sum(&buf, &state->sum_new);
	mlops_state_send_sum(&buf, &state->square_old);
	mlops_state_send_sum(&buf, &state->square_new);
	mlops_state_send_sum(&buf, &state->product);
	mlops_state_send_sum(&buf, &state->square_shift);
	mlops_state_send_sum(&buf, &state->absolute);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_score_shift_deserialize(PG_FUNCTION_ARGS)
{
	ShiftState *state = palloc0(sizeof(ShiftState));
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	state->n = mlops_state_recv_count(&buf);
	state->skipped = mlops_state_recv_count(&buf);
	state->up = mlops_state_recv_count(&buf);
	state->down = mlops_state_recv_count(&buf);
	state->greatest = pq_getmsgfloat8(&buf);
	mlops_state_recv_sum(&buf, &state->sum_old);
	mlops_state_recv_sum(&buf, &state->sum_new);
	mlops_state_recv_sum(&buf, &state->square_old);
	mlops_state_recv_sum(&buf, &state->square_new);
	mlops_state_recv_sum(&buf, &state->product);
	mlops_state_recv_sum(&buf, &state->square_shift);
	mlops_state_recv_sum(&buf, &state->absolute);
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(state);
}

/*
 * The sum of a product of deviations from two means, from the sums: these hold
 * about 106 bits, so that the difference keeps those of a double.
 */
static double
deviations(const MlopsSum *product, const MlopsSum *a, const MlopsSum *b, double n)
{
	MlopsSum	sum = *product;
	double		mean = mlops_sum_value(a) / n;

	mlops_sum_add_product(&sum, -mean, b->high);
	mlops_sum_add_product(&sum, -mean, b->low);
	return mlops_sum_value(&sum);
}

/*
 * SQL: mlops.score_shift, as mlops.score_shift_result.
 */
Datum
mlops_score_shift_final(PG_FUNCTION_ARGS)
{
	ShiftState *state;
	double		n;
	double		old_variance;
	double		new_variance;
	double		covariance;
	double		shift;
	double		variance;
	double		both;
	Datum		values[SHIFT_FIELDS] = {0};
	bool		nulls[SHIFT_FIELDS] = {false};

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (ShiftState *) PG_GETARG_POINTER(0);
	n = state->n > 0 ? (double) state->n : NAN;
	old_variance = deviations(&state->square_old, &state->sum_old, &state->sum_old, n);
	new_variance = deviations(&state->square_new, &state->sum_new, &state->sum_new, n);
	covariance = deviations(&state->product, &state->sum_old, &state->sum_new, n);
	shift = (mlops_sum_value(&state->sum_new) - mlops_sum_value(&state->sum_old)) / n;
	variance = Max(mlops_sum_value(&state->square_shift) - n * shift * shift, 0) / (n - 1);
	both = sqrt(old_variance) * sqrt(new_variance);

	values[SHIFT_N] = Int64GetDatum(state->n);
	values[SHIFT_SKIPPED] = Int64GetDatum(state->skipped);
	set_number(values, nulls, SHIFT_MEAN_OLD, mlops_sum_value(&state->sum_old) / n);
	set_number(values, nulls, SHIFT_MEAN_NEW, mlops_sum_value(&state->sum_new) / n);
	set_number(values, nulls, SHIFT_MEAN, shift);
	set_number(values, nulls, SHIFT_STDDEV, state->n > 1 ? sqrt(variance) : NAN);
	set_number(values, nulls, SHIFT_MEAN_ABSOLUTE, mlops_sum_value(&state->absolute) / n);
	set_number(values, nulls, SHIFT_MAX_ABSOLUTE, state->n > 0 ? state->greatest : NAN);
	set_number(values, nulls, SHIFT_SHARE_UP, (double) state->up / n);
	set_number(values, nulls, SHIFT_SHARE_DOWN, (double) state->down / n);
	set_number(values, nulls, SHIFT_CORRELATION,
			   both > 0 ? Max(-1, Min(1, covariance / both)) : NAN);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(mlops_row_tupdesc(fcinfo), values, nulls)));
}
