/*-------------------------------------------------------------------------
 *
 * sql_text.h
 *	  What a model reads and asks, as SQL that needs no extension.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SQL_TEXT_H
#define MLOPS_SQL_TEXT_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "forest/inspect.h"
#include "registry/model.h"

/* how the column of a feature is written and compared */
typedef enum MlopsSqlKind
{
	MLOPS_SQL_NUMBER,			/* of any type, cast to double precision */
	MLOPS_SQL_REAL,
	MLOPS_SQL_INTEGER,			/* of any size */
	MLOPS_SQL_BOOLEAN,
	MLOPS_SQL_DATE,
	MLOPS_SQL_TIMESTAMP,
	MLOPS_SQL_TIMESTAMPTZ,
	MLOPS_SQL_CATEGORY
} MlopsSqlKind;

typedef struct MlopsSqlColumn
{
	const MlopsFeature *feature;
	MlopsSqlKind kind;
	char	   *name;			/* quoted, with its qualification */
	bool		other;			/* an unseen category is one that no split names,
								 * instead of a missing value */
} MlopsSqlColumn;

extern char *mlops_sql_identifier(const char *name);
extern void mlops_sql_string(StringInfo sql, const char *string, int len);
extern void mlops_sql_number(StringInfo sql, double number, bool narrow);
extern void mlops_sql_drop_missing(const MlopsModel *model, MlopsSqlColumn *column);
extern void mlops_sql_unseen(StringInfo sql, const MlopsSqlColumn *column);
extern bool mlops_sql_condition(StringInfo sql, const MlopsModel *model, const MlopsSqlColumn *column,
								uint32 split, const MlopsNodePlan *node);
extern void mlops_sql_value(StringInfo sql, const MlopsSqlColumn *column);

#endif							/* MLOPS_SQL_TEXT_H */
