/*-------------------------------------------------------------------------
 *
 * mlops.h
 *	  Names and limits that every area shares.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_H
#define MLOPS_H

/* the schema of every object of the extension */
#define MLOPS_SCHEMA		"mlops"

/* longest name of a model or alias, in bytes */
#define MLOPS_NAME_MAX		63

/* largest model file, in bytes */
#define MLOPS_ARTIFACT_MAX	(256 * 1024 * 1024)

/* a positive answer's probability from which predict_class says yes */
#define MLOPS_THRESHOLD		0.5

#endif							/* MLOPS_H */
