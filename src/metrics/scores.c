/*-------------------------------------------------------------------------
 *
 * scores.c
 *	  The state of aggregates that need every row: the scores of each class.
 *
 * A row costs 8 bytes, as its class is known from the list that it is in.
 * The lists grow by doubling and can be larger than 1 GB; a list that has
 * just grown takes twice what it holds, and while it grows up to three times.
 * They are sorted in place, and only when a result is asked for.  Sorting
 * changes nothing that anybody could see, so a list may be sorted, grow and
 * be sorted again, as under a window.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "metrics/aggregate.h"
#include "metrics/scores.h"

/* room in a new list: groups may be many and small */
#define INITIAL_CAPACITY		8

/* rows between two looks for a cancel, while a state is handed over */
#define CHECK_INTERVAL			65536

/*
 * Make room for more scores in a list.  Error 54000 beyond the number that
 * measures can count with.
 */
static void
reserve(MlopsScoreState *state, MlopsScoreList *list, size_t more)
{
	size_t		capacity = Max(list->capacity, INITIAL_CAPACITY);

	if (more > MLOPS_SCORES_MAX - list->count)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %zu rows of one class", MLOPS_SCORES_MAX),
				 errhint("Compute the measure on a sample of the rows.")));
	if (more <= list->capacity - list->count)
		return;

	while (capacity - list->count < more)
		capacity *= 2;
	capacity = Min(capacity, MLOPS_SCORES_MAX);
	if (list->values == NULL)
		list->values = MemoryContextAllocHuge(state->context, capacity * sizeof(double));
	else
		list->values = repalloc_huge(list->values, capacity * sizeof(double));
	list->capacity = capacity;
}

/*
 * Add one row.
 */
void
mlops_scores_add(MlopsScoreState *state, const MlopsScored *row)
{
	MlopsScoreList *list = row->label ? &state->positive : &state->negative;

	if (unlikely(list->count == list->capacity))
		reserve(state, list, 1);
	list->values[list->count++] = row->score;
	list->sorted = false;
}

static void
append(MlopsScoreState *state, MlopsScoreList *list, const MlopsScoreList *other)
{
	if (other->count == 0)
		return;
	reserve(state, list, other->count);
	memcpy(list->values + list->count, other->values, other->count * sizeof(double));
	list->count += other->count;
	list->sorted = false;
}

/*
 * Add the rows of another state, which stays as it is.
 */
void
mlops_scores_merge(MlopsScoreState *state, const MlopsScoreState *other)
{
	append(state, &state->positive, &other->positive);
	append(state, &state->negative, &other->negative);
}

static void
sort(MlopsScoreList *list)
{
	if (!list->sorted)
		mlops_sort_scores(list->values, list->count, mlops_check_interrupts);
	list->sorted = true;
}

/*
 * Start a walk from the highest score down.  The curve refers to the state.
 */
void
mlops_scores_walk(MlopsScoreState *state, MlopsCurve *curve)
{
	MlopsScores scores;

	sort(&state->positive);
	sort(&state->negative);
	scores.positive = state->positive.values;
	scores.num_positive = state->positive.count;
	scores.negative = state->negative.values;
	scores.num_negative = state->negative.count;
	mlops_curve_start(curve, &scores, mlops_check_interrupts);
}

/*
 * The number of bytes that mlops_scores_send writes.
 */
Size
mlops_scores_send_size(const MlopsScoreState *state)
{
	return 2 * sizeof(int64) +
		(state->positive.count + state->negative.count) * sizeof(double);
}

static void
send_list(StringInfo buf, const MlopsScoreList *list)
{
	pq_sendint64(buf, (int64) list->count);
	for (size_t i = 0; i < list->count; i++)
	{
		if (i % CHECK_INTERVAL == 0)
			CHECK_FOR_INTERRUPTS();
		pq_sendfloat8(buf, list->values[i]);
	}
}

/*
 * Write a state; the buffer has been made large enough.
 */
void
mlops_scores_send(StringInfo buf, const MlopsScoreState *state)
{
	send_list(buf, &state->positive);
	send_list(buf, &state->negative);
}

static void
recv_list(StringInfo buf, MlopsScoreState *state, MlopsScoreList *list)
{
	int64		count = mlops_state_recv_count(buf);

	if (count > (int64) ((buf->len - buf->cursor) / sizeof(double)))
		mlops_state_damaged();
	if (count > 0)
		reserve(state, list, (size_t) count);
	for (int64 i = 0; i < count; i++)
	{
		if (i % CHECK_INTERVAL == 0)
			CHECK_FOR_INTERRUPTS();
		list->values[i] = pq_getmsgfloat8(buf);
	}
	list->count = (size_t) count;
}

/*
 * Read into a new state, whose context is set.
 */
void
mlops_scores_recv(StringInfo buf, MlopsScoreState *state)
{
	recv_list(buf, state, &state->positive);
	recv_list(buf, state, &state->negative);
}
