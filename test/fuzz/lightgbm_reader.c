/*-------------------------------------------------------------------------
 *
 * lightgbm_reader.c
 *	  Fuzzes the reader of LightGBM's files, the kernel behind it, and the
 *	  contributions.
 *
 * Models of the fixtures, changed at random; see fuzz.h for the arguments.
 * What is accepted is scored row by row, in batches and by the plain definition
 * of the model, and explained, unless its counts do not allow that; and its
 * golden rows must hold.
 *
 *-------------------------------------------------------------------------
 */
#include "../unit/golden_rows.h"
#include "../unit/lightgbm_model.h"
#include "fuzz.h"

#define RUNS	60000

/* bytes that the engine may hold while it reads a file of this size */
#define ALLOWED(size)	(1048576 + 64 * (size))

/* more than a batch scores one by one */
#define ROWS	35

static const char *const names[] = {
	"binary.txt", "category_few.txt", "category_many.txt", "constant.txt", "linear.txt",
	"linear_rf.txt", "missing_zero_category.txt", "multiclass.txt", "multiclassova.txt",
	"pandas.txt", "regression_sqrt.txt", "rf.txt", "v2.txt", "v3_early.txt"
};

static long accepted;

/* read, and if it is a model, score */
static void
try(const char *text, size_t len)
{
	MlopsForest *forest;

	memory.peak = 0;
	forest = read_model(text, len);
	MUST(memory.peak <= ALLOWED(len));
	MUST((forest != NULL) == (error.code == MLOPS_FOREST_OK));
	if (forest != NULL)
	{
		MUST(score_rows(forest, ROWS) == 0);
		MUST(explain_rows(forest, 1) == 0);
		MUST(golden_holds(forest));
		memory_release(NULL, forest);
		accepted++;
	}
	else
		MUST(error.message[0] != '\0' && error.offset <= len);
	MUST(memory.held == 0);
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
	char	   *texts[lengthof(names)];
	size_t		lens[lengthof(names)];

	for (int i = 0; i < (int) lengthof(names); i++)
		texts[i] = read_file(names[i], &lens[i]);
	fuzz_init("lightgbm_reader", RUNS, argc, argv);
	while (fuzz_next())
	{
		int			i = next_random() % lengthof(names);
		size_t		len = lens[i];
		char	   *text;
		char	   *exact;

		if (next_random() % 4 == 0)
		{
			text = malloc(len);
			memcpy(text, texts[i], len);
			len = change_bytes(text, len);
		}
		else
			text = change_word(texts[i], &len);

		/* memory of just this size, so that a read beyond it is seen */
		exact = malloc(Max(len, 1));
		memcpy(exact, text, len);
		fuzz.input = exact;
		fuzz.len = len;
		try(exact, len);
		fuzz.input = NULL;
		free(exact);
		free(text);
	}
	printf("lightgbm_reader: %ld runs of seed " UINT64_FORMAT ", %ld models accepted\n",
		   fuzz_runs(), fuzz.seed, accepted);
	for (int i = 0; i < (int) lengthof(names); i++)
		free(texts[i]);
	return accepted > 0 ? 0 : 1;
}
