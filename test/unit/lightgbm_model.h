/*-------------------------------------------------------------------------
 *
 * lightgbm_model.h
 *	  What tests of LightGBM models share: memory that is counted, files, and
 *	  model texts that are taken apart and put together again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LIGHTGBM_MODEL_H
#define LIGHTGBM_MODEL_H

#include "c.h"

#include <math.h>

#include "forest_batch_check.h"
#include "forest/importance.h"
#include "forest/shap.h"

#define FIXTURES	"test/fixtures/lightgbm"

/* an environment that counts what it gives */
typedef struct Memory
{
	size_t		held;			/* bytes given and not taken back */
	size_t		peak;
	size_t		calls;
	size_t		fail_at;		/* the call that gets nothing; 0: none */
	size_t		limit;			/* bytes that are there; 0: no limit */
	size_t		checks;
} Memory;

static Memory memory;

static void *
memory_alloc(void *arg, size_t size)
{
	size_t	   *chunk;

	memory.calls++;
	if (memory.calls == memory.fail_at ||
		(memory.limit > 0 && size > memory.limit - memory.held))
		return NULL;
	chunk = malloc(size + 16);
	if (chunk == NULL)
		return NULL;
	chunk[0] = size;
	memory.held += size;
	memory.peak = Max(memory.peak, memory.held);
	return chunk + 2;
}

static void
memory_release(void *arg, void *pointer)
{
	size_t	   *chunk = (size_t *) pointer - 2;

	memory.held -= chunk[0];
	free(chunk);
}

static void
memory_check(void *arg)
{
	memory.checks++;
}

static const MlopsForestEnv env = {memory_alloc, memory_release, memory_check, NULL};
static MlopsForestError error;

/* read a model; NULL if it is refused */
static inline MlopsForest *
read_model(const char *bytes, size_t len)
{
	return mlops_forest_read(bytes, len, &env, &error);
}

/* the text of a file, with a zero after it; the program ends if there is none */
static inline char *
read_file(const char *name, size_t *len)
{
	char		path[256];
	FILE	   *file;
	char	   *text = malloc(1 << 20);

	snprintf(path, sizeof(path), FIXTURES "/%s", name);
	file = fopen(path, "rb");
	if (file == NULL || text == NULL)
	{
		printf("Bail out! cannot read %s\n", path);
		exit(1);
	}
	*len = fread(text, 1, (1 << 20) - 1, file);
	text[*len] = '\0';
	fclose(file);
	return text;
}

/* a model text by lines, which are changed by putting others in their place */
#define MAX_LINES	16384

typedef struct Model
{
	const char *line[MAX_LINES];	/* not terminated */
	size_t		len[MAX_LINES];
	int			num_lines;
} Model;

static inline void
split_model(Model *model, const char *text, size_t len)
{
	const char *end = text + len;

	model->num_lines = 0;
	while (text < end && model->num_lines < MAX_LINES)
	{
		const char *stop = memchr(text, '\n', end - text);

		if (stop == NULL)
			stop = end;
		model->line[model->num_lines] = text;
		model->len[model->num_lines++] = stop - text;
		text = stop + 1;
	}
}

static inline bool
line_begins(const Model *model, int i, const char *word)
{
	return model->len[i] >= strlen(word) && memcmp(model->line[i], word, strlen(word)) == 0;
}

/*
 * Put a model together; tree_sizes says what the sizes are now, unless repair
 * is false.  The result is the caller's, to be freed.
 */
static inline char *
join_model(const Model *model, bool repair, size_t *len)
{
	size_t		room = 64;
	char	   *text;
	char	   *p;

	for (int i = 0; i < model->num_lines; i++)
		room += model->len[i] + 24;
	text = p = malloc(room);
	for (int i = 0; i < model->num_lines; i++)
	{
		if (repair && line_begins(model, i, "tree_sizes="))
		{
			size_t		size = 0;
			bool		tree = false;

			p += sprintf(p, "tree_sizes=");
			for (int k = i + 1; k < model->num_lines; k++)
			{
				bool		end = line_begins(model, k, "end of trees") ||
					line_begins(model, k, "feature importances:");

				if (tree && (end || line_begins(model, k, "Tree=")))
				{
					p += sprintf(p, "%s%zu", p[-1] == '=' ? "" : " ", size);
					size = 0;
				}
				if (end)
					break;
				tree = tree || line_begins(model, k, "Tree=");
				if (tree)
					size += model->len[k] + 1;
			}
		}
		else
		{
			memcpy(p, model->line[i], model->len[i]);
			p += model->len[i];
		}
		*p++ = '\n';
	}
	*len = p - text;
	return text;
}

/* a fixed sequence of numbers that look random (splitmix64) */
static uint64 random_state = 20240607;

static inline uint64
next_random(void)
{
	uint64		z = (random_state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* a value that a feature may have */
static inline double
random_value(void)
{
	static const double special[] = {
		NAN, INFINITY, -INFINITY, 0.0, -0.0, 5e-324, -5e-324, 1e-36, 1e-35, -1e-35, 1e300,
		-1e300, -0.5, -1.0, 0.999, 31.0, 32.0, 2147483647.0, 2147483648.0, 4294967297.0
	};
	uint64		r = next_random();

	if (r % 4 == 0)
		return special[(r >> 8) % lengthof(special)];
	if (r % 4 == 1)
		return (double) ((r >> 8) % 500);
	return ldexp((double) (int64) next_random(), -62);
}

/* the same bits, or both no number */
static inline bool
same_bits(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b));
}

/*
 * Score random rows with a forest: by the row kernel, by the plain definition
 * and in batches; the number of margins that differ.
 */
static inline int
score_rows(const MlopsForest *forest, int num_rows)
{
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	MlopsForestInfo info;
	double	   *rows;
	double	   *all;
	double	   *plain;
	void	   *scratch = malloc(mlops_forest_scratch_size(forest));
	int			different = 0;

	mlops_forest_info(forest, &info);
	rows = malloc((size_t) num_rows * info.num_features * sizeof(double));
	all = malloc((size_t) num_rows * info.num_groups * sizeof(double));
	plain = malloc(info.num_groups * sizeof(double));
	for (int i = 0; i < num_rows; i++)
	{
		double	   *row = rows + (size_t) i * info.num_features;
		double	   *margins = all + (size_t) i * info.num_groups;

		for (int k = 0; k < info.num_features; k++)
			row[k] = random_value();
		mlops_forest_margin64(forest, row, scratch, margins);
		for (int g = 0; g < info.num_groups; g++)
			plain[g] = 0;
		for (int t = 0; t < info.num_trees; t++)
			plain[trees[t].group] += trees[t].walked ?
				mlops_wide_leaf(forest, &trees[t], row)->value : 0.0;
		for (int g = 0; g < info.num_groups; g++)
		{
			bool		linear = false;

			for (int t = g; t < info.num_trees; t += info.num_groups)
				linear |= !trees[t].walked;
			different += !linear && !same_bits(margins[g], plain[g]);
		}
		mlops_forest_transform64(forest, margins, plain);
	}
	different += !batches_agree(forest, rows, num_rows, all);
	free(rows);
	free(all);
	free(plain);
	free(scratch);
	return different;
}

/*
 * Explain random rows with a forest; the number of margins whose contributions
 * could not be computed, do not add up, or are no numbers.  A forest that is
 * refused counts as nothing wrong if *error says why.
 */
static inline int
explain_rows(const MlopsForest *forest, int num_rows)
{
	MlopsForestInfo info;
	MlopsShap  *shap;
	void	   *scratch;
	void	   *shap_scratch;
	double	   *row;
	double	   *margins;
	double	   *values;
	int			wrong = 0;

	memset(&error, 0, sizeof(error));
	shap = mlops_shap_create(forest, &env, &error);
	if (shap == NULL)
		return error.code == MLOPS_FOREST_OK || error.message[0] == '\0';
	mlops_forest_info(forest, &info);
	scratch = malloc(mlops_forest_scratch_size(forest));
	shap_scratch = malloc(mlops_shap_scratch_size(shap));
	memset(shap_scratch, 0xA5, mlops_shap_scratch_size(shap));
	row = malloc(info.num_features * sizeof(double));
	margins = malloc(info.num_groups * sizeof(double));
	values = malloc((info.num_features + 1) * sizeof(double));
	for (int i = 0; i < num_rows; i++)
	{
		for (int k = 0; k < info.num_features; k++)
			row[k] = random_value();
		mlops_forest_margin64(forest, row, scratch, margins);
		for (int g = 0; g < info.num_groups; g++)
		{
			bool		good = mlops_shap_contributions(shap, forest, row, g, margins[g],
														shap_scratch, &env, values, &error);

			for (int k = 0; k <= info.num_features; k++)
				good = good && isfinite(values[k]) &&
					(k == info.num_features || values[k] == 0 || mlops_forest_feature_used(forest, k));
			wrong += !good;
		}
	}
	free(row);
	free(margins);
	free(values);
	free(scratch);
	free(shap_scratch);
	memory_release(NULL, shap);
	return wrong;
}

#endif							/* LIGHTGBM_MODEL_H */
