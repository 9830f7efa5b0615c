/*-------------------------------------------------------------------------
 *
 * scores.c
 *	  The state of aggregates that need every row: the scores of each class.
 *
 * A row costs 8 bytes, as its class is known from the list that it is in.
 * The lists grow by doubling while the memory context that they are in, with
 * all other states of the query, stays within work_mem.  Beyond it a list is
 * sorted, written to a temporary file, and begins anew; so results are exact
 * whatever the number of rows.  What is in memory is sorted in place, and only
 * when a result is asked for or it is written.  Sorting changes nothing that
 * anybody could see, so a list may be sorted, grow and be sorted again, as
 * under a window.
 *
 * A worker could not hand rows over in bounded memory: aggregates with this
 * state have no combine function.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "metrics/aggregate.h"
#include "metrics/scores.h"

/* room in a new list: groups may be many and small */
#define INITIAL_CAPACITY		8

/* a list with fewer is not worth a place in a file; whole blocks are written */
#define LEAST_RUN				((size_t) Max(MLOPS_SPILL_BLOCK, 1024))

static void
sort(MlopsScoreList *list)
{
	if (!list->sorted)
		mlops_sort_scores(list->values, list->count, mlops_check_interrupts);
	list->sorted = true;
}

/*
 * Make room for another score in a list that is full.  Error 54000 beyond the
 * number of rows that measures can count with.
 */
static void
make_room(MlopsScoreState *state, MlopsScoreList *list)
{
	size_t		capacity = Max(2 * list->capacity, INITIAL_CAPACITY);

	if (list->count + list->spilled >= MLOPS_SCORES_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %zu rows of one class", MLOPS_SCORES_MAX),
				 errhint("Compute the measure on a sample of the rows.")));
	if (list->count >= LEAST_RUN &&
		MemoryContextMemAllocated(state->context, false) + list->capacity * sizeof(double) >
		(Size) work_mem * 1024)
	{
		if (list->spill == NULL)
			list->spill = mlops_spill_create(state->context);
		sort(list);
		mlops_spill_write(list->spill, list->values, list->count);
		list->spilled += list->count;
		list->count = 0;
		return;
	}
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
		make_room(state, list);
	list->values[list->count++] = row->score;
	list->sorted = false;
}

/*
 * The rows of each class, the highest score first.  They refer to the state.
 */
void
mlops_scores_sort(MlopsScoreState *state, MlopsScores *scores)
{
	memset(scores, 0, sizeof(*scores));
	sort(&state->positive);
	sort(&state->negative);
	scores->positive = state->positive.values;
	scores->num_positive = state->positive.count + state->positive.spilled;
	scores->negative = state->negative.values;
	scores->num_negative = state->negative.count + state->negative.spilled;
	if (state->positive.spill != NULL)
		scores->positive_source = mlops_spill_source(state->positive.spill, state->positive.values,
													 state->positive.count);
	if (state->negative.spill != NULL)
		scores->negative_source = mlops_spill_source(state->negative.spill, state->negative.values,
													 state->negative.count);
}

/*
 * Start a walk from the highest score down.  The curve refers to the state.
 */
void
mlops_scores_walk(MlopsScoreState *state, MlopsCurve *curve)
{
	MlopsScores scores;

	mlops_scores_sort(state, &scores);
	mlops_curve_start(curve, &scores, mlops_check_interrupts);
}
