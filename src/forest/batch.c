/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Many rows at once.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/forest_internal.h"

/*
 * Bytes of scratch memory that a batch needs.
 */
size_t
mlops_forest_batch_scratch_size(const MlopsForest *forest)
{
	return mlops_forest_scratch_size(forest);
}

/*
 * Margins of num_rows rows, with the bits that each would get alone.
 */
void
mlops_forest_margin_batch(const MlopsForest *forest, const void *rows, int num_rows,
						  void *scratch, void *margins)
{
	MlopsForestInfo info;

	mlops_forest_info(forest, &info);
	for (int i = 0; i < num_rows; i++)
	{
		if (info.wide)
			mlops_forest_margin64(forest, (const double *) rows + (size_t) i * info.num_features,
								  scratch, (double *) margins + (size_t) i * info.num_groups);
		else
			mlops_forest_margin(forest, (const float *) rows + (size_t) i * info.num_features,
								scratch, (float *) margins + (size_t) i * info.num_groups);
	}
}
