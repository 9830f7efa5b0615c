/*-------------------------------------------------------------------------
 *
 * privilege.h
 *	  Who may do what with which model.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_PRIVILEGE_H
#define MLOPS_PRIVILEGE_H

#include "postgres.h"

/* the words of mlops.privilege.privilege as bits */
#define MLOPS_OWN		(1 << 0)
#define MLOPS_MANAGE	(1 << 1)
#define MLOPS_APPROVE	(1 << 2)
#define MLOPS_READ		(1 << 3)
#define MLOPS_SCORE		(1 << 4)
#define MLOPS_ANY		(MLOPS_OWN | MLOPS_MANAGE | MLOPS_APPROVE | MLOPS_READ | MLOPS_SCORE)

extern Oid	mlops_owner(void);
extern int	mlops_privileges(Oid user, const char *model, bool *exists);
extern int	mlops_privilege_bits(const char *word);
extern void mlops_require(Oid user, const char *model, int privilege);

#endif							/* MLOPS_PRIVILEGE_H */
