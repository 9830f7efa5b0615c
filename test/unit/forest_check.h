/*-------------------------------------------------------------------------
 *
 * forest_check.h
 *	  For tests of the model engine: does a forest that was accepted score the
 *	  same in every way that there is, and stay within its memory?
 *
 *-------------------------------------------------------------------------
 */
#ifndef FOREST_CHECK_H
#define FOREST_CHECK_H

#include "forest_test.h"
#include "forest_batch_check.h"
#include "forest/export.h"
#include "forest/shap.h"

/* more than a batch kernel takes at a time, and no multiple of that */
#define CHECK_ROWS		71

/* rows whose contributions are computed */
#define CHECK_SHAP_ROWS	4

/* what was checked so far */
static long checked_forests;
static long checked_contributions;	/* rows that had some */
static long checked_exports;

/* a row of values that look random, some of them at splits; not from next_random() */
static inline void
check_row(const MlopsForest *forest, int number, float *row)
{
	static const float values[] = {
		0, -0.0f, 1, -1, 2, 3, 5, 0.5f, 2.7f, 31, 32, 300, 1e30f, -1e30f, 1e-45f, 3.4028235e38f, 16777215.0f, 16777216.0f
	};
	const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes);

	for (int k = 0; k < forest->num_features; k++)
	{
		uint32		pick = (uint32) (number * 2654435761u + k * 40503u) >> 4;

		row[k] = number == 0 || pick % 7 == 0 ? NAN :
			pick % 11 == 0 ? (pick & 64 ? INFINITY : -INFINITY) : values[pick % lengthof(values)];
	}
	for (int i = 0; i < 4 && number % 2 && forest->num_nodes > 0; i++)
	{
		const MlopsNode *node = &nodes[(uint64) (number * 4 + i) * 2654435761u % forest->num_nodes];

		if (node->left != 0 && node->split == MLOPS_SPLIT_NUMERIC)
			row[node->feature] = i % 2 ? nextafterf(node->u.value, -INFINITY) : node->u.value;
		else if (node->left != 0 && node->split == MLOPS_SPLIT_ONE)
			row[node->feature] = (float) node->u.set;
	}
}

/* the margins as the definition of a model has them; trees only */
static inline void
plain_margins(const MlopsForest *forest, const float *row, float *margins)
{
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	const float *base = mlops_part(forest, float, forest->base_margins);

	for (int g = 0; g < forest->num_groups; g++)
		margins[g] = forest->base_last ? 0 : base[g];
	for (int t = 0; t < forest->num_trees; t++)
		margins[trees[t].group] +=
			mlops_leaf_value(mlops_tree_leaf(forest, &trees[t], row)->u.value, forest->weighted, trees[t].weight);
	for (int g = 0; g < forest->num_groups && forest->base_last; g++)
		margins[g] = base[g] + margins[g];
}

/* same bits, or no numbers both */
static inline bool
same_floats(const float *a, const float *b, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (memcmp(&a[i], &b[i], sizeof(float)) != 0 && !(isnan(a[i]) && isnan(b[i])))
			return false;
	}
	return true;
}

/*
 * Contributions of some rows.  They may be refused, for their covers or since
 * the margin is beyond what float has; if they are given they add up.
 */
static inline const char *
check_contributions(const MlopsForest *forest, const float *rows, const float *margins)
{
	MlopsForestError error;
	MlopsShap  *shap = mlops_shap_create(forest, &host, &error);
	int			num_features = forest->num_features;
	const char *wrong = NULL;
	double	   *values;
	void	   *scratch;

	if (shap == NULL)
		return error.code != MLOPS_FOREST_OK && error.message[0] != '\0' ? NULL : "no reason why there are no contributions";
	values = malloc((num_features + 1) * sizeof(double));
	scratch = malloc(mlops_shap_scratch_size(shap));
	for (int i = 0; i < CHECK_SHAP_ROWS && wrong == NULL; i++)
	{
		int			group = i % forest->num_groups;
		float		margin = margins[(size_t) i * forest->num_groups + group];
		double		sum = 0;
		double		size = 0;

		if (!mlops_shap_contributions(shap, forest, rows + (size_t) i * num_features, group, margin,
									  scratch, &host, values, &error))
		{
			if (error.message[0] == '\0')
				wrong = "no reason why contributions do not add up";
			continue;
		}
		checked_contributions++;
		for (int k = 0; k <= num_features; k++)
		{
			sum += values[k];
			size += fabs(values[k]);
			if (isnan(values[k]) && isfinite(margin))
				wrong = "a contribution is not a number";
		}
		if (isfinite(margin) && !(fabs(sum - margin) <= 1e-4 * (size + 1)))
			wrong = "contributions do not add up";
	}
	free(values);
	free(scratch);
	host_release(NULL, shap);
	return wrong;
}

/*
 * Score rows with a forest one at a time, by the plain walk and in batches.
 * Returns what is wrong, or NULL.
 */
static inline const char *
check_forest(const MlopsForest *forest)
{
	int			num_features = forest->num_features;
	int			num_groups = forest->num_groups;
	float	   *rows = malloc((size_t) CHECK_ROWS * num_features * sizeof(float));
	float	   *margins = malloc((size_t) CHECK_ROWS * num_groups * sizeof(float));
	float	   *plain = malloc(num_groups * sizeof(float));
	void	   *scratch = malloc(mlops_forest_scratch_size(forest));
	const char *wrong = NULL;

	checked_forests++;
	for (int i = 0; i < CHECK_ROWS; i++)
	{
		const float *row = rows + (size_t) i * num_features;
		float	   *own = margins + (size_t) i * num_groups;

		check_row(forest, i, rows + (size_t) i * num_features);
		mlops_forest_margin(forest, row, scratch, own);
		if (forest->booster != MLOPS_BOOSTER_LINEAR)
		{
			plain_margins(forest, row, plain);
			if (!same_floats(plain, own, num_groups))
				wrong = "the row kernel and the plain walk differ";
		}
	}
	if (!batches_agree(forest, rows, CHECK_ROWS, margins))
		wrong = "a batch and the row kernel differ";
	if (wrong == NULL)
		wrong = check_contributions(forest, rows, margins);
	for (int i = 0; i < CHECK_ROWS; i++)
		mlops_forest_transform(forest, margins + (size_t) i * num_groups, plain);
	free(rows);
	free(margins);
	free(plain);
	free(scratch);
	return wrong;
}

static inline void
check_piece(void *arg, const char *piece, size_t len)
{
	add_bytes(arg, piece, len);
}

/*
 * Export the file of a forest as JSON and score with that.  A file with keys
 * that JSON writes with escape sequences is not read again.
 */
static inline const char *
check_export(const MlopsForest *forest, const void *bytes, size_t len)
{
	Bytes		json = {0};
	MlopsForestError error;
	MlopsForest *other;
	const char *wrong = NULL;

	if (!mlops_export_json(bytes, len, &host, check_piece, &json, &error))
		wrong = "a file that is read is not exported";
	else if ((other = mlops_forest_read(json.data, json.len, &host, &error)) == NULL)
	{
		if (strstr(error.message, "escape sequences") == NULL)
			wrong = "the export is not read";
	}
	else
	{
		float	   *row = malloc(forest->num_features * sizeof(float));
		float	   *margins = malloc(forest->num_groups * sizeof(float));
		float	   *others = malloc(forest->num_groups * sizeof(float));
		void	   *scratch = malloc(mlops_forest_scratch_size(forest));

		checked_exports++;
		if (other->size != forest->size || other->num_groups != forest->num_groups)
			wrong = "the export is another model";
		for (int i = 0; i < 8 && wrong == NULL; i++)
		{
			check_row(forest, i, row);
			mlops_forest_margin(forest, row, scratch, margins);
			mlops_forest_margin(other, row, scratch, others);
			if (!same_floats(margins, others, forest->num_groups))
				wrong = "the export scores otherwise";
		}
		free(row);
		free(margins);
		free(others);
		free(scratch);
		host_release(NULL, other);
	}
	free(json.data);
	return wrong;
}

#endif							/* FOREST_CHECK_H */
