/*-------------------------------------------------------------------------
 *
 * lightgbm_reader.c
 *	  Fuzzes the reader of LightGBM's files and the kernel behind it.
 *
 * Without arguments: models of the fixtures, changed at random, a fixed number
 * of times from a fixed seed.  lightgbm_reader RUNS [SEED] does as many from
 * another seed; lightgbm_reader FILE reads one file.  What is accepted is
 * scored by the kernels, row by row and together, and by the plain definition
 * of the model; any difference, and anything that a sanitizer sees, is a failure.
 *
 *-------------------------------------------------------------------------
 */
#include "../unit/lightgbm_model.h"
#include "../unit/forest_batch_check.h"

#define RUNS	20000

static const char *const names[] = {
	"binary.txt", "category_few.txt", "category_many.txt", "constant.txt", "linear.txt",
	"linear_rf.txt", "missing_zero_category.txt", "multiclass.txt", "multiclassova.txt",
	"pandas.txt", "regression_sqrt.txt", "rf.txt", "v2.txt", "v3_early.txt"
};

/* do the batch kernels give what the row kernel gives? */
static bool
batch_agrees(MlopsForest *forest)
{
	double	   *rows = malloc(4 * forest->num_features * sizeof(double));
	bool		same;

	for (int k = 0; k < 4 * forest->num_features; k++)
		rows[k] = random_value();
	same = check_batch_briefly(forest, rows, 4, next_random() % MLOPS_NUM_SIMD);
	free(rows);
	return same;
}

/* read, and if it is a model, score; false if something is wrong */
static bool
try(const char *text, size_t len, int *accepted)
{
	char	   *exact = malloc(Max(len, 1));
	MlopsForest *forest;
	bool		right = true;

	/* memory of just this size, so that a read beyond it is seen */
	memcpy(exact, text, len);
	memory.limit = 64 * len + (1 << 20);
	forest = read_model(exact, len);
	free(exact);
	if (forest != NULL)
	{
		right = score_rows(forest, 4) == 0 && batch_agrees(forest);
		memory_release(NULL, forest);
		(*accepted)++;
	}
	else if (error.code == MLOPS_FOREST_OK || error.message[0] == '\0')
		right = false;
	return right && memory.held == 0;
}

/* change some bytes anywhere */
static size_t
change_bytes(char *text, size_t len)
{
	for (int i = 1 + next_random() % 4; i > 0 && len > 0; i--)
	{
		size_t		place = next_random() % len;
		size_t		count = next_random() % 16;

		switch (next_random() % 4)
		{
			case 0:
				text[place] = (char) next_random();
				break;
			case 1:
				text[place] = "0123456789 -=.\n:[]e"[next_random() % 19];
				break;
			case 2:
				count = Min(count, len - place);
				memmove(text + place, text + place + count, len - place - count);
				len -= count;
				break;
			default:
				len = place;
		}
	}
	return len;
}

/* change one word of a line, and make tree_sizes right again */
static char *
change_word(const char *text, size_t *len)
{
	static const char *const words[] = {
		"-2147483648", "-9", "-2", "-1", "0", "1", "2", "3", "4", "8", "9", "31", "32",
		"2147483647", "4294967295", "18446744073709551616", "1e-36", "1e300", "inf", "nan",
		"0.5", "", "1 2", "="
	};
	static Model model;
	char		buffer[32768];
	char	   *result;
	int			i;

	split_model(&model, text, *len);
	for (int tries = 0; tries < 1 + (int) (next_random() % 3); tries++)
	{
		const char *equals;
		size_t		begin;
		size_t		end;

		i = 1 + next_random() % (model.num_lines - 1);
		equals = memchr(model.line[i], '=', model.len[i]);
		if (equals == NULL || model.len[i] > sizeof(buffer) - 64)
			continue;
		begin = equals + 1 - model.line[i];
		begin += next_random() % (model.len[i] - begin + 1);
		while (model.line[i][begin - 1] != ' ' && model.line[i][begin - 1] != '=')
			begin--;
		for (end = begin; end < model.len[i] && model.line[i][end] != ' ';)
			end++;
		snprintf(buffer, sizeof(buffer), "%.*s%s%.*s", (int) begin, model.line[i],
				 words[next_random() % lengthof(words)],
				 (int) (model.len[i] - end), model.line[i] + end);
		model.line[i] = buffer;
		model.len[i] = strlen(buffer);
		break;
	}
	if (next_random() % 16 == 0)
	{
		/* a line in place of another */
		int			from = next_random() % model.num_lines;

		i = next_random() % model.num_lines;
		model.line[i] = model.line[from];
		model.len[i] = model.len[from];
	}
	result = join_model(&model, next_random() % 8 != 0, len);
	return result;
}

int
main(int argc, char **argv)
{
	int			runs = argc > 1 ? atoi(argv[1]) : RUNS;
	int			accepted = 0;
	char	   *texts[lengthof(names)];
	size_t		lens[lengthof(names)];

	if (argc == 2 && runs == 0)
	{
		static char buffer[1 << 20];
		FILE	   *file = fopen(argv[1], "rb");
		size_t		len = file != NULL ? fread(buffer, 1, sizeof(buffer), file) : 0;

		if (file != NULL)
			fclose(file);
		return try(buffer, len, &accepted) ? 0 : 1;
	}
	if (argc > 2)
		random_state = strtoull(argv[2], NULL, 10);
	for (int i = 0; i < (int) lengthof(names); i++)
		texts[i] = read_file(names[i], &lens[i]);
	for (int run = 0; run < runs; run++)
	{
		int			i = next_random() % lengthof(names);
		size_t		len = lens[i];
		char	   *text;

		if (next_random() % 4 == 0)
		{
			text = malloc(len);
			memcpy(text, texts[i], len);
			len = change_bytes(text, len);
		}
		else
			text = change_word(texts[i], &len);
		if (!try(text, len, &accepted))
		{
			FILE	   *file = fopen("build/fuzz/lightgbm_reader.failed", "wb");

			if (file != NULL)
			{
				fwrite(text, 1, len, file);
				fclose(file);
			}
			printf("run %d of seed " UINT64_FORMAT " went wrong with %s; see build/fuzz/lightgbm_reader.failed\n",
				   run, random_state, names[i]);
			return 1;
		}
		free(text);
	}
	for (int i = 0; i < (int) lengthof(names); i++)
		free(texts[i]);
	printf("%d runs, %d models accepted\n", runs, accepted);
	return accepted > 0 ? 0 : 1;
}
