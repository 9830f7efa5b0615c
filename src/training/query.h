/*-------------------------------------------------------------------------
 *
 * query.h
 *	  A query that a user gives as text, to read rows with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_QUERY_H
#define MLOPS_QUERY_H

#include "postgres.h"

#include "executor/spi.h"
#include "nodes/pg_list.h"

extern SPIPlanPtr mlops_query_prepare(const char *query, const char *what, int cursor_options);
extern List *mlops_query_relations(SPIPlanPtr plan, MemoryContext context);
extern List *mlops_query_checked_relations(SPIPlanPtr plan, MemoryContext context);
extern char *mlops_query_text(SPIPlanPtr plan);
extern int	mlops_query_column(SPIPlanPtr plan, const char *name);
extern char *mlops_query_is_class(SPIPlanPtr plan, const char *what, const char *label,
								  const char *class);

#endif							/* MLOPS_QUERY_H */
