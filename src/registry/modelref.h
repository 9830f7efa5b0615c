/*-------------------------------------------------------------------------
 *
 * modelref.h
 *	  The type mlops.modelref: a reference to a version of a model.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_MODELREF_H
#define MLOPS_MODELREF_H

#include "postgres.h"

/* the alias that a bare model name stands for */
#define MLOPS_CHAMPION	"champion"

/* a reference in its parts, as terminated strings */
typedef struct MlopsReference
{
	char	   *model;
	char	   *alias;			/* NULL if the reference names a version */
	int32		version;		/* 0 if the reference names an alias */
} MlopsReference;

extern void mlops_modelref_split(const struct varlena *modelref,
								 MlopsReference *reference);
extern Datum mlops_modelref_make(const char *model, int version);

#endif							/* MLOPS_MODELREF_H */
