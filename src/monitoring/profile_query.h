/*-------------------------------------------------------------------------
 *
 * profile_query.h
 *	  The rows of a query, for a profile.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_PROFILE_QUERY_H
#define MLOPS_PROFILE_QUERY_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "executor/spi.h"

#include "monitoring/profile.h"

/* what is done with a query's rows, one by one */
typedef struct MlopsRowReader
{
	void		(*columns) (void *arg, TupleDesc tupdesc);	/* once, first */
	void		(*row) (void *arg, const Datum *values, const bool *nulls);
	void	   *arg;
} MlopsRowReader;

extern void mlops_profile_query(const char *query, const char *what, const MlopsRowReader *reader);
extern void mlops_profile_read(MlopsProfile *profile, const char *query, const char *what);
extern char *mlops_query_as_table(const char *query, const char *what);

/* a query whose rows come in batches, so that something can be written between them */
typedef struct MlopsRowCursor
{
	Portal		portal;
	SPITupleTable *batch;
	uint64		num_rows;
} MlopsRowCursor;

extern void mlops_cursor_open(MlopsRowCursor *cursor, const char *query, int num_args,
							  const Oid *types, const Datum *values);
extern bool mlops_cursor_fetch(MlopsRowCursor *cursor, long most);
extern void mlops_cursor_close(MlopsRowCursor *cursor);

#endif							/* MLOPS_PROFILE_QUERY_H */
