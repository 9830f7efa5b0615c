/*-------------------------------------------------------------------------
 *
 * profile.h
 *	  Profiles: a sketch for each column of some rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_PROFILE_H
#define MLOPS_PROFILE_H

#include "postgres.h"

#include "executor/tuptable.h"

#include "monitoring/sketch_type.h"

/* what a column is to a model */
#define MLOPS_ROLE_FEATURE	"feature"
#define MLOPS_ROLE_SCORE	"score"
#define MLOPS_ROLE_LABEL	"label"

typedef struct MlopsProfileColumn
{
	char	   *name;
	const char *role;			/* NULL: none */
	char	   *type;			/* SQL type, not a domain */
	const char *kind;			/* numeric, boolean, categorical, unsupported */
	MlopsConversion conversion;
	int			number;			/* in a tuple, from 0; -1: in none */
	int64		rows;			/* of an unsupported column */
	int64		nulls;
	MlopsSketch *sketch;		/* NULL of an unsupported column */
} MlopsProfileColumn;

typedef struct MlopsProfile
{
	int			num_columns;
	int			allocated;
	MlopsProfileColumn *columns;
	MemoryContext context;		/* of all of it */
	MemoryContext row_context;	/* for what the conversion of a row needs */
} MlopsProfile;

/* in a child of the current memory context, which goes with it */
extern MlopsProfile *mlops_profile_create(void);
extern MlopsProfileColumn *mlops_profile_add_column(MlopsProfile *profile, const char *name,
													const char *role, Oid type, int number);
extern void mlops_profile_add_columns(MlopsProfile *profile, TupleDesc tupdesc);
extern void mlops_profile_add_row(MlopsProfile *profile, const Datum *values, const bool *nulls);

/* begin anew with the same columns */
extern void mlops_profile_clear(MlopsProfile *profile);

/* the arrays that private functions store: role, name, type, kind, sketch */
#define MLOPS_PROFILE_ARRAYS	5
extern void mlops_profile_array_types(Oid *types);
extern void mlops_profile_arrays(const MlopsProfile *profile, NullableDatum *arrays);

/* keep it with a version, from mlops.train() or mlops.set_profile() */
extern void mlops_profile_store(const MlopsProfile *profile, const char *model, int32 version,
								const char *source, const char *query);

#endif							/* MLOPS_PROFILE_H */
