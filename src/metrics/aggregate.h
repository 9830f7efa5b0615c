/*-------------------------------------------------------------------------
 *
 * aggregate.h
 *	  What all aggregates of measures share: their arguments, and the form in
 *	  which a parallel worker hands its state over.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_AGGREGATE_H
#define MLOPS_AGGREGATE_H

#include "access/tupdesc.h"
#include "lib/stringinfo.h"

#include "metrics/measures.h"

/* the first byte of every state that is handed over */
#define MLOPS_STATE_VERSION		1

/* the SQL type of a label argument */
typedef enum MlopsLabelType
{
	MLOPS_LABEL_BOOLEAN,
	MLOPS_LABEL_NUMBER			/* float8, and only 0 and 1 */
} MlopsLabelType;

extern MemoryContext mlops_aggregate_context(FunctionCallInfo fcinfo);
extern void *mlops_aggregate_state(FunctionCallInfo fcinfo, size_t size);

extern void mlops_require_arg(FunctionCallInfo fcinfo, int argno, const char *name);
extern bool mlops_label_arg(FunctionCallInfo fcinfo, int argno, MlopsLabelType type);
extern double mlops_score_arg(FunctionCallInfo fcinfo, int argno);
extern double mlops_probability_arg(FunctionCallInfo fcinfo, int argno);
extern double mlops_level_arg(FunctionCallInfo fcinfo, int argno);
extern bool mlops_scored_args(FunctionCallInfo fcinfo, MlopsLabelType type, MlopsScored *row);

extern void mlops_state_begin(StringInfo buf, Size size);
extern void mlops_state_open(StringInfo buf, bytea *bytes);
extern void mlops_state_send_sum(StringInfo buf, const MlopsSum *sum);
extern void mlops_state_recv_sum(StringInfo buf, MlopsSum *sum);
extern int64 mlops_state_recv_count(StringInfo buf);
pg_noreturn extern void mlops_state_damaged(void);

extern Datum mlops_measure_result(FunctionCallInfo fcinfo, double value);
extern Datum mlops_estimate_result(FunctionCallInfo fcinfo, double value, double lower, double upper);
extern TupleDesc mlops_row_tupdesc(FunctionCallInfo fcinfo);

/* cancel inside of the plain C of measures.c */
extern void mlops_check_interrupts(void);

#endif							/* MLOPS_AGGREGATE_H */
