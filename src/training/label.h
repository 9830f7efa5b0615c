/*-------------------------------------------------------------------------
 *
 * label.h
 *	  What a model learns to say: from the values of the label's column to a
 *	  task, classes and numbers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_LABEL_H
#define MLOPS_LABEL_H

#include "postgres.h"

#include "training/options.h"

/* distinct numbers that are counted apart: enough to tell what is binary */
#define MLOPS_LABEL_DISTINCT	2

typedef struct MlopsClass
{
	char	   *name;
	int64		rows[MLOPS_NUM_PARTS];
	double		weight;			/* of each of its rows */
} MlopsClass;

typedef struct MlopsLabel
{
	char	   *name;
	Oid			type;			/* not a domain */
	MlopsConversion conversion;

	/* known once mlops_label_finish was called */
	MlopsTask	task;
	int			num_classes;	/* 0 in a regression */
	MlopsClass *classes;		/* by code; the positive one is the last of two */
	bool		weighted;		/* do some classes have weights of their own? */

	/*
	 * While rows are read a label is a number: of its class in order of
	 * appearance, if that is what its type and the options ask for, else its
	 * own.
	 */
	bool		by_class;
	MlopsFamily family;			/* of the objective */
	MlopsDictionary *appeared;	/* the classes, if by class */
	int			num_distinct;	/* if not by class; one more: and others */
	float		distinct[MLOPS_LABEL_DISTINCT];
	int64	   *rows;			/* of each class or distinct value, by part */
	bool		in_training;	/* was there a training row? */
	float		first;			/* value of the first of them */
	bool		varies;			/* did another have another? */
	int		   *recode;			/* code by the number while reading, or NULL */
} MlopsLabel;

extern MlopsLabel *mlops_label_create(const MlopsTrainOptions *options,
									  char *name, Oid type);
extern float mlops_label_read(MlopsLabel *label, Datum value);
extern void mlops_label_count(MlopsLabel *label, float value, MlopsPart part);
extern void mlops_label_finish(MlopsLabel *label, const MlopsTrainOptions *options);
extern int *mlops_sorted_codes(const MlopsDictionary *dictionary,
							   MlopsConversion conversion, Oid type);

#endif							/* MLOPS_LABEL_H */
