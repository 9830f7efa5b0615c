/*-------------------------------------------------------------------------
 *
 * calibration.h
 *	  What a version makes of its margin instead of the objective's transform.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_CALIBRATION_H
#define MLOPS_CALIBRATION_H

#include "postgres.h"

#include "utils/jsonb.h"

/* most points of an isotonic calibration */
#define MLOPS_MAX_CALIBRATION_POINTS	10000

/*
 * From the margin to the probability of the positive class, which does not
 * fall as the margin rises.  Isotonic: straight lines between points, and the
 * first or last point's value beyond them.  Platt: the logistic function of
 * slope times margin plus intercept.
 */
typedef struct MlopsCalibration
{
	bool		isotonic;
	double		slope;
	double		intercept;
	int			num_points;
	double	   *margins;		/* ascending, none twice */
	double	   *values;			/* from 0 to 1, not descending */
} MlopsCalibration;

extern MlopsCalibration *mlops_calibration_from_jsonb(const Jsonb *json);
extern void mlops_calibration_to_json(const MlopsCalibration *calibration, StringInfo json);
extern double mlops_calibrated(const MlopsCalibration *calibration, double margin);

#endif							/* MLOPS_CALIBRATION_H */
