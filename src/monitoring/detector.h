/*-------------------------------------------------------------------------
 *
 * detector.h
 *	  Detectors of change in a stream of values, one value after the other.
 *
 * Plain C without a header of PostgreSQL but c.h.  The rules and parameters
 * are those of doc/detectors.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_DETECTOR_H
#define MLOPS_DETECTOR_H

#include "c.h"

/* what a value did */
typedef enum MlopsSignal
{
	MLOPS_SIGNAL_NONE,
	MLOPS_SIGNAL_WARNING,
	MLOPS_SIGNAL_ALARM
} MlopsSignal;

/*
 * ADWIN: Bifet and Gavalda (2007)
 */
typedef struct MlopsAdwinOptions
{
	double		delta;
	int64		clock;			/* look for a change every so many values, */
	int			max_buckets;	/* of a row */
	int64		min_window;		/* on windows of so many values each, */
	int64		grace_period;	/* once there are more than so many */
} MlopsAdwinOptions;

#define MLOPS_ADWIN_MAX_BUCKETS	100

typedef struct MlopsAdwin MlopsAdwin;

extern void mlops_adwin_defaults(MlopsAdwinOptions *options);
extern size_t mlops_adwin_size(const MlopsAdwinOptions *options);
extern void mlops_adwin_init(MlopsAdwin *adwin, const MlopsAdwinOptions *options);
extern MlopsSignal mlops_adwin_add(MlopsAdwin *adwin, double value);

/*
 * DDM: Gama, Medas, Castillo and Rodrigues (2004)
 */
typedef struct MlopsDdmOptions
{
	int64		warm_start;
	double		warning;
	double		drift;
} MlopsDdmOptions;

typedef struct MlopsDdm
{
	MlopsDdmOptions options;
	bool		restart;		/* at the next value */
	int64		n;
	double		rate;
	double		least_rate;
	double		least_deviation;
} MlopsDdm;

extern void mlops_ddm_defaults(MlopsDdmOptions *options);
extern void mlops_ddm_init(MlopsDdm *ddm, const MlopsDdmOptions *options);
extern MlopsSignal mlops_ddm_add(MlopsDdm *ddm, bool error);

/*
 * Page-Hinkley: Page (1954)
 */
typedef struct MlopsPageHinkleyOptions
{
	int64		min_instances;
	double		delta;
	double		threshold;
	double		alpha;
} MlopsPageHinkleyOptions;

typedef struct MlopsPageHinkley
{
	MlopsPageHinkleyOptions options;
	bool		restart;		/* at the next value */
	int64		count;			/* of values, and one more */
	double		mean;
	double		sum;
} MlopsPageHinkley;

extern void mlops_page_hinkley_defaults(MlopsPageHinkleyOptions *options);
extern void mlops_page_hinkley_init(MlopsPageHinkley *detector, const MlopsPageHinkleyOptions *options);
extern MlopsSignal mlops_page_hinkley_add(MlopsPageHinkley *detector, double value);

#endif							/* MLOPS_DETECTOR_H */
