/*-------------------------------------------------------------------------
 *
 * xgboost_reference.c
 *	  Models of XGBoost 1.0 to 3.4, and what those versions predicted: the
 *	  files of test/fixtures/xgboost, which xgboost_reference.py made.
 *
 * Margins must have the same bits: by the row kernel, in batches by every
 * instruction set, and after the file was exported as JSON.  Outputs are
 * probabilities and rates, whose last bits depend on the C library.
 *
 *-------------------------------------------------------------------------
 */
#include <dirent.h>

#include "forest_test.h"
#include "forest_batch_check.h"
#include "forest/export.h"

#define FIXTURES	"test/fixtures/xgboost"

#define MAX_VALUES	16			/* features, margins or outputs of a row */
#define MAX_ROWS	64
#define MAX_NAMES	256

/* what a .rows.txt says */
typedef struct Reference
{
	char		formats[2][8];
	int			num_formats;
	bool		refused;
	int			num_features;
	int			num_margins;
	int			num_outputs;
	int			best;			/* -1: no early stopping */
	int			num_rows;
	int			num_categories; /* that were named, and that the forest has so */
	float		features[MAX_ROWS * MAX_VALUES];
	float		margins[MAX_ROWS * MAX_VALUES];
	float		outputs[MAX_ROWS * MAX_VALUES];
} Reference;

static long all_models;
static long all_rows;
static long all_bits;			/* rows whose margins differ */

/* the bytes of a file; no data if there is none */
static Bytes
read_file(const char *name, const char *ending)
{
	char		path[512];
	char		buffer[65536];
	Bytes		bytes = {0};
	FILE	   *file;
	size_t		len;

	snprintf(path, sizeof(path), FIXTURES "/%s.%s", name, ending);
	file = fopen(path, "rb");
	if (file == NULL)
		return bytes;
	while ((len = fread(buffer, 1, sizeof(buffer), file)) > 0)
		add_bytes(&bytes, buffer, len);
	fclose(file);
	return bytes;
}

/* so many values, as bits in hexadecimal digits; returns what follows them */
static char *
take_bits(char *text, float *values, int count)
{
	for (int i = 0; i < count; i++)
	{
		uint32		bits = strtoul(text, &text, 16);

		memcpy(&values[i], &bits, sizeof(bits));
	}
	return text + strspn(text, " |");
}

/* take in the lines of a .rows.txt, but for the names of categories */
static bool
read_reference(char *text, Reference *reference)
{
	memset(reference, 0, sizeof(*reference));
	reference->best = -1;
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
	{
		if (strncmp(line, "models ", 7) == 0)
			reference->num_formats = sscanf(line, "models %7s %7s", reference->formats[0], reference->formats[1]);
		else if (strcmp(line, "refused") == 0)
			reference->refused = true;
		else if (sscanf(line, "shape %d %d %d", &reference->num_features, &reference->num_margins,
						&reference->num_outputs) == 3)
		{
			if (Max(Max(reference->num_features, reference->num_margins), reference->num_outputs) > MAX_VALUES)
				return false;
		}
		else if (strncmp(line, "row ", 4) == 0 && reference->num_rows < MAX_ROWS)
		{
			int			i = reference->num_rows++;

			line = take_bits(line + 4, reference->features + i * reference->num_features, reference->num_features);
			line = take_bits(line, reference->margins + i * reference->num_margins, reference->num_margins);
			line = take_bits(line, reference->outputs + i * reference->num_outputs, reference->num_outputs);
			if (*line != '\0')
				return false;
		}
		else if (sscanf(line, "best %d", &reference->best) != 1 && strncmp(line, "category ", 9) != 0)
			return false;
	}
	return reference->num_formats > 0 && (reference->refused || reference->num_rows > 0);
}

/* the names of categories that the forest has otherwise */
static int
wrong_categories(const MlopsForest *forest, char *text)
{
	int			wrong = 0;
	int			features = 0;

	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
	{
		int			feature;
		int			code;
		int			len;

		if (sscanf(line, "category %d %d%n", &feature, &code, &len) != 2)
			continue;
		features |= 1 << feature;
		wrong += code >= mlops_forest_num_categories(forest, feature) ||
			strcmp(mlops_forest_category(forest, feature, code), line + len + 1) != 0;
	}
	for (int i = 0; i < forest->num_features; i++)
		wrong += (features >> i & 1) == 0 && mlops_forest_num_categories(forest, i) > 0;
	return wrong;
}

/* rows whose margins differ in any bit; and one more if those of batches do */
static int
wrong_margins(const MlopsForest *forest, const Reference *reference)
{
	int			width = reference->num_margins;
	void	   *scratch = malloc(mlops_forest_scratch_size(forest));
	float	   *margins = malloc(width * sizeof(float));
	int			wrong = 0;

	for (int i = 0; i < reference->num_rows; i++)
	{
		const float *expected = reference->margins + i * width;

		mlops_forest_margin(forest, reference->features + i * reference->num_features, scratch, margins);
		wrong += memcmp(margins, expected, width * sizeof(float)) != 0;
	}
	wrong += !repeated_batches_agree(forest, reference->features, reference->num_rows, reference->margins);
	free(scratch);
	free(margins);
	return wrong;
}

/*
 * Outputs that are farther off than two units of the last bit.  Versions differ
 * in whether the probability of a margin below -88.7 is 0 or almost that.
 */
static int
wrong_outputs(const MlopsForest *forest, const Reference *reference)
{
	int			wrong = 0;

	for (int i = 0; i < reference->num_rows; i++)
	{
		float		outputs[MAX_VALUES];

		mlops_forest_transform(forest, reference->margins + i * reference->num_margins, outputs);
		for (int k = 0; k < reference->num_outputs; k++)
		{
			float		expected = reference->outputs[i * reference->num_outputs + k];

			wrong += fabs((double) outputs[k] - expected) > 2.4e-7 * fabs(expected) + 1e-38;
		}
	}
	return wrong;
}

static void
add_piece(void *arg, const char *text, size_t len)
{
	add_bytes(arg, text, len);
}

/* is the model the same, bit for bit, after its file was exported as JSON? */
static bool
exports(const Bytes *model, MlopsForest *forest)
{
	Bytes		json = {0};
	MlopsForestError error;
	MlopsForest *other = NULL;
	bool		same = false;

	if (mlops_export_json(model->data, model->len, &host, add_piece, &json, &error))
		other = mlops_forest_read(json.data, json.len, &host, &error);
	if (other != NULL)
	{
		other->format = forest->format;
		same = other->size == forest->size && memcmp(other, forest, forest->size) == 0;
		host_release(NULL, other);
	}
	free(json.data);
	return same;
}

static void
test_model(const char *name, const char *format, const Reference *reference, const char *rows)
{
	Bytes		model = read_file(name, format);
	MlopsForest *forest;
	MlopsForestError error = {0};
	MlopsForestInfo info;
	int			margins;
	int			outputs;
	char	   *copy;

	forest = mlops_forest_read(model.data, model.len, &host, &error);
	all_models++;
	if (reference->refused)
		ok(forest == NULL && error.code == MLOPS_FOREST_UNSUPPORTED && error.hint[0] != '\0',
		   "%s.%s is refused: %s", name, format, error.message);
	else if (forest == NULL)
		ok(false, "%s.%s is read: %s", name, format, error.message);
	else
	{
		mlops_forest_info(forest, &info);
		copy = strdup(rows);
		if (!ok(info.num_features == reference->num_features && info.num_groups == reference->num_margins &&
				info.num_outputs == reference->num_outputs && info.best_round == reference->best &&
				wrong_categories(forest, copy) == 0, "%s.%s: shape, best round and categories", name, format))
			printf("# %d features, %d margins, %d outputs, best round %d\n", info.num_features,
				   info.num_groups, info.num_outputs, info.best_round);
		free(copy);
		margins = wrong_margins(forest, reference);
		outputs = wrong_outputs(forest, reference);
		all_rows += reference->num_rows;
		all_bits += margins;
		ok(margins == 0 && outputs == 0, "%s.%s: of %d rows %d differ in margins, %d outputs are off",
		   name, format, reference->num_rows, margins, outputs);
		ok(exports(&model, forest), "%s.%s: the same as JSON", name, format);
		host_release(NULL, forest);
	}
	free(model.data);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

int
main(void)
{
	char	   *names[MAX_NAMES];
	int			num_names = 0;
	DIR		   *directory = opendir(FIXTURES);
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL)
	{
		char	   *end = strstr(entry->d_name, ".rows.txt");

		if (end != NULL && num_names < MAX_NAMES)
			names[num_names++] = strndup(entry->d_name, end - entry->d_name);
	}
	if (directory != NULL)
		closedir(directory);
	qsort(names, num_names, sizeof(names[0]), compare_names);

	for (int i = 0; i < num_names; i++)
	{
		Bytes		rows = read_file(names[i], "rows.txt");
		char	   *copy = strdup(rows.data);
		Reference	reference;

		if (ok(read_reference(copy, &reference), "%s.rows.txt", names[i]))
		{
			for (int k = 0; k < reference.num_formats; k++)
				test_model(names[i], reference.formats[k], &reference, rows.data);
		}
		free(copy);
		free(rows.data);
		free(names[i]);
	}
	ok(all_models > 100 && all_rows > 800 && all_bits == 0 && host_held == 0,
	   "%ld models, %ld rows: the margins of %ld differ", all_models, all_rows, all_bits);
	return finish();
}
