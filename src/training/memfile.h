/*-------------------------------------------------------------------------
 *
 * memfile.h
 *	  Files in memory that a child process can map.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_MEMFILE_H
#define MLOPS_MEMFILE_H

#include "postgres.h"

typedef struct MlopsMemfile MlopsMemfile;

extern MlopsMemfile *mlops_memfile_create(const char *name);
extern MlopsMemfile *mlops_memfile_create_on_disk(void);
extern void mlops_memfile_append(MlopsMemfile *file, const void *bytes, Size size);
extern void *mlops_memfile_map(MlopsMemfile *file);
extern void mlops_memfile_seal(MlopsMemfile *file);
extern int	mlops_memfile_fd(const MlopsMemfile *file);
extern void mlops_memfile_close(MlopsMemfile *file);

#endif							/* MLOPS_MEMFILE_H */
