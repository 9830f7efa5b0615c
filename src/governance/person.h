/*-------------------------------------------------------------------------
 *
 * person.h
 *	  Whether two roles are the same person: maker is not checker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_PERSON_H
#define MLOPS_PERSON_H

#include "postgres.h"

extern bool mlops_same_person(Oid a, Oid b);

#endif							/* MLOPS_PERSON_H */
