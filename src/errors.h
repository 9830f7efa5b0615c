/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  The SQLSTATEs of mlops, class ML.
 *
 * Where PostgreSQL has a code of its own (42501, 22023, 54000, ...) that one
 * is used; these say what only we can mean, so that a stored procedure can
 * tell them apart in EXCEPTION WHEN SQLSTATE.  doc/errors.md lists them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_ERRORS_H
#define MLOPS_ERRORS_H

#include "utils/elog.h"

/* resolution of a reference */
#define ERRCODE_MLOPS_UNDEFINED_MODEL		MAKE_SQLSTATE('M','L','0','0','1')
#define ERRCODE_MLOPS_UNDEFINED_VERSION		MAKE_SQLSTATE('M','L','0','0','2')
#define ERRCODE_MLOPS_UNDEFINED_ALIAS		MAKE_SQLSTATE('M','L','0','0','3')
#define ERRCODE_MLOPS_SUSPENDED				MAKE_SQLSTATE('M','L','0','0','4')

/* artifacts */
#define ERRCODE_MLOPS_INVALID_ARTIFACT		MAKE_SQLSTATE('M','L','0','1','0')
#define ERRCODE_MLOPS_UNSUPPORTED_ARTIFACT	MAKE_SQLSTATE('M','L','0','1','1')
#define ERRCODE_MLOPS_ARTIFACT_MISMATCH		MAKE_SQLSTATE('M','L','0','1','2')
#define ERRCODE_MLOPS_GOLDEN				MAKE_SQLSTATE('M','L','0','1','3')

/* a row and a model's features */
#define ERRCODE_MLOPS_BINDING				MAKE_SQLSTATE('M','L','0','2','0')
#define ERRCODE_MLOPS_WRONG_TASK			MAKE_SQLSTATE('M','L','0','2','1')

/* training */
#define ERRCODE_MLOPS_TRAINING_DATA			MAKE_SQLSTATE('M','L','0','3','0')
#define ERRCODE_MLOPS_TRAINER				MAKE_SQLSTATE('M','L','0','3','1')

/* monitoring */
#define ERRCODE_MLOPS_SKETCH_KIND			MAKE_SQLSTATE('M','L','0','5','0')
#define ERRCODE_MLOPS_PROFILE				MAKE_SQLSTATE('M','L','0','5','1')

/* governance and audit */
#define ERRCODE_MLOPS_IMMUTABLE				MAKE_SQLSTATE('M','L','0','4','0')
#define ERRCODE_MLOPS_SAME_PERSON			MAKE_SQLSTATE('M','L','0','4','1')
#define ERRCODE_MLOPS_POLICY				MAKE_SQLSTATE('M','L','0','4','2')
#define ERRCODE_MLOPS_REQUEST_ENDED			MAKE_SQLSTATE('M','L','0','4','3')
#define ERRCODE_MLOPS_GATES					MAKE_SQLSTATE('M','L','0','4','4')

/* experiments */
#define ERRCODE_MLOPS_UNDEFINED_SNAPSHOT	MAKE_SQLSTATE('M','L','0','7','0')
#define ERRCODE_MLOPS_SNAPSHOT_IN_USE		MAKE_SQLSTATE('M','L','0','7','1')
#define ERRCODE_MLOPS_UNDEFINED_RUN			MAKE_SQLSTATE('M','L','0','7','2')
#define ERRCODE_MLOPS_NOT_REPEATABLE		MAKE_SQLSTATE('M','L','0','7','3')

/* jobs */
#define ERRCODE_MLOPS_INVALID_SCHEDULE		MAKE_SQLSTATE('M','L','0','6','0')
#define ERRCODE_MLOPS_UNDEFINED_JOB			MAKE_SQLSTATE('M','L','0','6','1')
#define ERRCODE_MLOPS_LOST_RUN				MAKE_SQLSTATE('M','L','0','6','2')
#define ERRCODE_MLOPS_JOB_COMMAND			MAKE_SQLSTATE('M','L','0','6','3')
#define ERRCODE_MLOPS_NO_WORKER				MAKE_SQLSTATE('M','L','0','6','4')

/* monitoring */
#define ERRCODE_MLOPS_DRIFT_METHOD			MAKE_SQLSTATE('M','L','0','5','3')
#define ERRCODE_MLOPS_BINS_MISMATCH			MAKE_SQLSTATE('M','L','0','5','4')

/* monitors */
#define ERRCODE_MLOPS_UNDEFINED_MONITOR		MAKE_SQLSTATE('M','L','0','5','7')
#define ERRCODE_MLOPS_ALERT_ENDED			MAKE_SQLSTATE('M','L','0','5','8')
#define ERRCODE_MLOPS_WINDOWS				MAKE_SQLSTATE('M','L','0','5','9')

/* reports */
#define ERRCODE_MLOPS_TOO_MANY_GROUPS		MAKE_SQLSTATE('M','L','0','5','5')

#endif							/* MLOPS_ERRORS_H */
