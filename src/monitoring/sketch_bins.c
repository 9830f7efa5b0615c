/*-------------------------------------------------------------------------
 *
 * sketch_bins.c
 *	  Bins: made from a reference once, then filled from any sketch.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <math.h>

#include "monitoring/sketch_internal.h"

/*
 * The bins of a reference, in palloc'ed memory that does not point into it.
 * A reference without values has one bin for all.
 */
MlopsBins *
mlops_bins_make(MlopsSketch *reference, int num_bins)
{
	MlopsBins  *bins = palloc0(sizeof(MlopsBins));
	int			n;

	mlops_sketch_flush(reference);
	if (reference->kind == MLOPS_SKETCH_CATEGORICAL)
	{
		SketchText **texts = mlops_sketch_sorted_texts(reference);

		bins->kind = MLOPS_BINS_TEXTS;
		bins->texts = palloc(sizeof(char *) * Max(reference->num_texts, 1));
		for (int i = 0; i < reference->num_texts; i++)
		{
			char	   *copy = palloc(texts[i]->len + 1);

			memcpy(copy, texts[i]->text, texts[i]->len + 1);
			bins->texts[i] = copy;
		}
		bins->num_values = reference->num_texts;
		pfree(texts);
	}
	else
	{
		const MlopsSketchPoint *points = mlops_sketch_points(reference, &n);
		bool		by_value = mlops_sketch_is_exact(reference) && n <= MLOPS_BINS_VALUES_MAX;

		bins->numbers = palloc(sizeof(double) * Max(Max(n, num_bins), 1));
		bins->kind = by_value ? MLOPS_BINS_NUMBERS : MLOPS_BINS_EDGES;
		if (by_value)
		{
			for (int i = 0; i < n; i++)
				bins->numbers[bins->num_values++] = points[i].value;
		}
		else
		{
			double		greatest = mlops_sketch_quantile(reference, 1);

			for (int i = 1; i < num_bins; i++)
			{
				double		edge = mlops_sketch_quantile(reference, (double) i / num_bins);

				/* the last bin begins below the greatest value */
				if (edge < greatest && (bins->num_values == 0 ||
										edge > bins->numbers[bins->num_values - 1]))
					bins->numbers[bins->num_values++] = edge;
			}
		}
	}
	bins->num_bins = bins->num_values + 1;
	return bins;
}

bool
mlops_bins_count(const MlopsBins *bins, MlopsSketch *sketch, int64 *counts)
{
	int64		others;

	if ((bins->kind == MLOPS_BINS_TEXTS) != (sketch->kind == MLOPS_SKETCH_CATEGORICAL))
		return false;
	if (bins->kind == MLOPS_BINS_EDGES)
	{
		mlops_sketch_histogram(sketch, bins->numbers, bins->num_values, counts);
		return true;
	}

	others = bins->kind == MLOPS_BINS_TEXTS ? sketch->counts.values : mlops_sketch_ordered(sketch);
	for (int i = 0; i < bins->num_values; i++)
	{
		counts[i] = bins->kind == MLOPS_BINS_TEXTS ?
			mlops_sketch_count_text(sketch, bins->texts[i], (int) strlen(bins->texts[i])) :
			mlops_sketch_count_number(sketch, bins->numbers[i]);
		others -= counts[i];
	}
	counts[bins->num_values] = others;
	return true;
}
