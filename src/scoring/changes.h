/*-------------------------------------------------------------------------
 *
 * changes.h
 *	  How the features of a row may change, and to which values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_CHANGES_H
#define MLOPS_CHANGES_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "forest/nearest.h"
#include "forest/thresholds.h"
#include "registry/model.h"

/* what one feature has now, and what it may have */
typedef struct MlopsChange
{
	int			feature;
	MlopsConversion conversion; /* of its column */
	Oid			type;			/* of its column, not a domain; or InvalidOid */
	int32		typmod;
	double		present;		/* its number, not rounded to float; NaN if missing */
	MlopsChoice *choices;
	int			num_choices;
	MlopsGridValue *values;		/* of each choice that is a number */
	int			digits;			/* after the point, of a grid of steps; else -1 */
} MlopsChange;

/* what a caller says of a feature */
typedef struct MlopsChangeRule
{
	double		min;
	double		max;
	int			only;			/* 1: only up, -1: only down, 0: either way */
	double		weight;
	bool		missing;		/* may become NULL */
	Numeric		step;			/* or NULL */
	bool	   *allowed;		/* by category: may it become that? NULL: all */
} MlopsChangeRule;

extern MlopsChangeRule *mlops_change_rules(const MlopsSignature *signature, Jsonb *json,
										   const MlopsConversion *conversions);
extern MlopsConversion mlops_conversion_of_type_name(const MlopsFeature *feature);
extern void mlops_change_choices(const MlopsModel *model, const MlopsCells *cells,
								 const MlopsChangeRule *rule, double read, MlopsChange *change);
extern Datum mlops_change_value(const MlopsModel *model, const MlopsChange *change, int choice);
extern Oid	mlops_change_type(const MlopsChange *change);
extern char *mlops_change_text(const MlopsChange *change, Datum value);

#endif							/* MLOPS_CHANGES_H */
