/*-------------------------------------------------------------------------
 *
 * lightgbm_test.c
 *	  Models of LightGBM: what the library itself predicted, and files that
 *	  are damaged in every way.
 *
 *-------------------------------------------------------------------------
 */
#include "lightgbm_model.h"

#include <dirent.h>

static int	ntests = 0;
static int	nfailures = 0;

static void ok(bool passed, const char *format,...) pg_attribute_printf(2, 3);

static void
ok(bool passed, const char *format,...)
{
	va_list		args;

	ntests++;
	if (!passed)
		nfailures++;
	printf("%sok %d - ", passed ? "" : "not ", ntests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* the model of a file, which must be accepted */
static MlopsForest *
model_of(const char *name)
{
	size_t		len;
	char	   *text = read_file(name, &len);
	MlopsForest *forest = read_model(text, len);

	if (forest == NULL)
		printf("# %s at %zu: %s\n", name, error.offset, error.message);
	free(text);
	return forest;
}

/* names of the models, in order */
static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static int
list_models(char **names, int max)
{
	DIR		   *dir = opendir(FIXTURES);
	struct dirent *entry;
	int			count = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL && count < max)
	{
		const char *dot = strchr(entry->d_name, '.');

		if (dot != NULL && strcmp(dot, ".txt") == 0)
			names[count++] = strdup(entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	qsort(names, count, sizeof(char *), compare_names);
	return count;
}

/* the numbers up to a "|" or the end of a line */
static int
read_numbers(char **p, double *values, int max)
{
	int			count = 0;

	while (**p == ' ' || **p == '|')
		(*p)++;
	while (**p != '\n' && **p != '|' && **p != '\0' && count < max)
	{
		values[count++] = strtod(*p, p);
		while (**p == ' ')
			(*p)++;
	}
	return count;
}

/*
 * Compare with what the library predicted: margins to the bit, outputs nearly,
 * because exp() may differ between machines.
 */
static void
test_reference(const char *name)
{
	MlopsForest *forest = model_of(name);
	char		rows_name[256];
	size_t		len;
	char	   *rows;
	char	   *p;
	MlopsForestInfo info;
	void	   *scratch;
	double		margins[64];
	double		outputs[64];
	double		expected[64];
	double	   *all_rows;
	double	   *all_margins;
	int			num_features;
	int			num_groups;
	int			num_rows = 0;
	int			different = 0;
	int			far = 0;

	ok(forest != NULL, "%s is accepted", name);
	if (forest == NULL)
		return;
	mlops_forest_info(forest, &info);
	snprintf(rows_name, sizeof(rows_name), "%.*s.rows.txt", (int) strlen(name) - 4, name);
	p = rows = read_file(rows_name, &len);
	num_features = (int) strtol(p, &p, 10);
	num_groups = (int) strtol(p, &p, 10);
	ok(info.wide && info.format == MLOPS_FORMAT_LIGHTGBM && info.num_features == num_features &&
	   info.num_groups == num_groups && info.num_outputs == num_groups,
	   "%s has %d features and %d margins", name, num_features, num_groups);
	scratch = malloc(mlops_forest_scratch_size(forest));
	memset(scratch, 0xA5, mlops_forest_scratch_size(forest));
	/* every number takes two bytes or more */
	all_rows = malloc(len * sizeof(double));
	all_margins = malloc(len * sizeof(double));
	while (*++p != '\0')
	{
		double	   *row = all_rows + num_rows * num_features;

		if (read_numbers(&p, row, 64) != num_features)
			break;
		mlops_forest_margin64(forest, row, scratch, margins);
		mlops_forest_transform64(forest, margins, outputs);
		if (read_numbers(&p, expected, 64) != num_groups)
			break;
		for (int g = 0; g < num_groups; g++)
			different += !same_bits(margins[g], expected[g]);
		memcpy(all_margins + num_rows++ * num_groups, expected, num_groups * sizeof(double));
		if (read_numbers(&p, expected, 64) != num_groups)
			break;
		for (int g = 0; g < num_groups; g++)
			far += !(same_bits(outputs[g], expected[g]) ||
					 fabs(outputs[g] - expected[g]) <= 1e-15 * fabs(expected[g]));
	}
	ok(*p == '\0' && num_rows >= 12 && different == 0,
	   "%s: of %d margins %d differ from the library's", name, num_rows * num_groups, different);
	ok(num_rows > 0 && repeated_batches_agree(forest, all_rows, num_rows, all_margins),
	   "%s: nor do those of batches", name);
	ok(far == 0, "%s: of as many outputs %d do", name, far);
	different = score_rows(forest, 500);
	ok(different == 0, "%s: the kernels and the plain definition agree", name);
	free(all_rows);
	free(all_margins);
	free(scratch);
	free(rows);
	memory_release(NULL, forest);
}

/* what is known of a model, its features and its categories */
static void
test_facts(void)
{
	MlopsForest *forest = model_of("pandas.txt");
	MlopsForestInfo info;
	MlopsForest *copy;

	mlops_forest_info(forest, &info);
	ok(strcmp(info.objective, "binary") == 0 && strcmp(info.booster, "gbdt") == 0 &&
	   info.task == MLOPS_TASK_BINARY && info.library_version[0] == 4 &&
	   info.num_trees == 6 && info.num_rounds == 6 && info.has_feature_names,
	   "objective, booster, task, version and rounds");
	ok(strcmp(mlops_forest_feature_name(forest, 1), "city") == 0 &&
	   mlops_forest_feature_kind(forest, 0) == MLOPS_FEATURE_NUMERIC &&
	   mlops_forest_feature_kind(forest, 1) == MLOPS_FEATURE_CATEGORICAL &&
	   mlops_forest_feature_kind(forest, 3) == MLOPS_FEATURE_CATEGORICAL,
	   "names and kinds of features");
	ok(mlops_forest_num_categories(forest, 0) == 0 &&
	   mlops_forest_num_categories(forest, 1) == 4 &&
	   strcmp(mlops_forest_category(forest, 1, 0), "K\303\266ln") == 0 &&
	   strcmp(mlops_forest_category(forest, 1, 1), "New \"York\"") == 0 &&
	   mlops_forest_num_categories(forest, 3) == 3 &&
	   strcmp(mlops_forest_category(forest, 3, 2), "9") == 0,
	   "categories that pandas had, by the features that they are of");

	copy = malloc(mlops_forest_size(forest));
	memcpy(copy, forest, mlops_forest_size(forest));
	memset(forest, 0xFF, mlops_forest_size(copy));
	ok(mlops_forest_valid(copy, mlops_forest_size(copy)) && score_rows(copy, 100) == 0,
	   "a copy works at another address");
	free(copy);
	memory_release(NULL, forest);

	forest = model_of("deep.txt");
	mlops_forest_info(forest, &info);
	ok(info.max_depth >= 19, "a tree of depth %d", info.max_depth);
	memory_release(NULL, forest);
	forest = model_of("stumps.txt");
	mlops_forest_info(forest, &info);
	ok(info.num_trees == 300 && info.max_depth == 1, "a model of %d trees", info.num_trees);
	memory_release(NULL, forest);
	forest = model_of("rf.txt");
	mlops_forest_info(forest, &info);
	ok(strcmp(info.booster, "rf") == 0, "a random forest says so");
	memory_release(NULL, forest);
	ok(memory.held == 0, "all memory was given back");
}

/* is this text refused, with this in the message? */
static bool
refused(const char *text, size_t len, const char *message)
{
	MlopsForest *forest = read_model(text, len);
	bool		result = forest == NULL && strstr(error.message, message) != NULL &&
		error.offset <= len && memory.held == 0;

	if (!result)
		printf("# %s\n", forest == NULL ? error.message : "accepted");
	if (forest != NULL)
		memory_release(NULL, forest);
	return result;
}

/* one text in place of another; all else as it is, and tree_sizes right again */
static char *
edit(const char *name, const char *from, const char *to, size_t *len)
{
	size_t		old_len;
	char	   *text = read_file(name, &old_len);
	char	   *place = strstr(text, from);
	char	   *edited = malloc(old_len + strlen(to) + 1);
	Model	   *model = malloc(sizeof(Model));

	if (place == NULL)
	{
		printf("Bail out! %s has no %s\n", name, from);
		exit(1);
	}
	memcpy(edited, text, place - text);
	strcpy(edited + (place - text), to);
	strcat(edited, place + strlen(from));
	split_model(model, edited, strlen(edited));
	free(text);
	text = join_model(model, strncmp(from, "tree_sizes=", 11) != 0, len);
	free(edited);
	free(model);
	return text;
}

static void
test_edits(void)
{
	static const struct
	{
		const char *name;
		const char *from;
		const char *to;
		const char *message;
	}			cases[] = {
		{"binary.txt", "version=v4", "version=v5", "version \"v5\""},
		{"binary.txt", "version=v4\n", "", "it has no version"},
		{"binary.txt", "objective=binary sigmoid:1\n", "", "custom objective"},
		{"binary.txt", "binary sigmoid:1", "my_loss", "objective \"my_loss\""},
		{"binary.txt", "binary sigmoid:1", "binary", "no sigmoid"},
		{"binary.txt", "sigmoid:1", "sigmoid:0", "\"sigmoid:0\""},
		{"binary.txt", "sigmoid:1", "sigmoid:nan", "\"sigmoid:nan\""},
		{"binary.txt", "sigmoid:1", "sigmoid:1 sigmoid:2", "unknown parameter"},
		{"binary.txt", "sigmoid:1", "sigmoid:1 sqrt", "unknown parameter"},
		{"multiclass.txt", "num_class:4", "num_class:3", "4 classes"},
		{"multiclass.txt", "num_class=4", "num_class=2000", "2000 classes and 4 trees"},
		{"binary.txt", "num_class=1", "num_class=1000000000", "1000000000 classes"},
		{"binary.txt", "num_class=1", "num_class=1x", "num_class is not an integer"},
		{"binary.txt", "max_feature_idx=2", "max_feature_idx=2147483647", "the limit is 65536"},
		{"binary.txt", "max_feature_idx=2", "max_feature_idx=60000", "fewer names"},
		{"binary.txt", "max_feature_idx=2", "max_feature_idx=3", "3 names for 4 features"},
		{"binary.txt", "max_feature_idx=2", "max_feature_idx=1", "more names"},
		{"binary.txt", "Column_0 Column_1", "Column_0 Column_0", "two features have the name"},
		{"binary.txt", "Column_0 Column_1", "Column_0  Column_1", "an empty name"},
		{"binary.txt", "Column_0 Column_1", "Column_\xff Column_1", "not UTF-8"},
		{"binary.txt", "Column_0 Column_1", "Column_\x01 Column_1", "a control character"},
		{"binary.txt", "feature_infos=", "feature_infos=none ", "more values"},
		{"binary.txt", "feature_infos=[", "feature_infos=1:x:[", "feature_infos has"},
		{"binary.txt", "tree_sizes=", "tree_sizes=999999999 ", "tree 0 has \"999999999\" bytes"},
		{"binary.txt", "tree_sizes=", "tree_sizes=0 ", "tree 0 has \"0\" bytes"},
		{"binary.txt", "tree_sizes=", "tree_sizes=1 ", "Tree expected"},
		{"binary.txt", "Tree=1", "Tree=2", "Tree of tree 1 is \"2\""},
		{"binary.txt", "num_leaves=8\nnum_cat=0\n", "num_cat=0\nnum_leaves=8\n", "num_leaves expected"},
		{"binary.txt", "num_leaves=8", "num_leaves=2147483647", "tree 0 has 2147483647 leaves"},
		{"binary.txt", "num_leaves=8", "num_leaves=8000000", "fewer values"},
		{"binary.txt", "num_leaves=8", "num_leaves=9", "instead of 8"},
		{"binary.txt", "num_leaves=8", "num_leaves=7", "more than 6 values"},
		{"binary.txt", "num_leaves=8", "num_leaves=0", "num_leaves of tree 0"},
		{"binary.txt", "num_cat=0", "num_cat=2147483647", "2147483647 sets"},
		{"binary.txt", "num_cat=0", "num_cat=1", "no cat_boundaries"},
		{"category_few.txt", "num_cat=", "num_cat=0\nnum_cat=", "twice"},
		{"category_few.txt", "cat_boundaries=0", "cat_boundaries=1", "begins at 1"},
		{"category_few.txt", "cat_threshold=", "cat_threshold=1 ", "cat_boundaries says"},
		{"category_few.txt", "cat_threshold=", "cat_threshold=-", "cat_threshold of tree 0 has"},
		{"category_few.txt", "cat_threshold=", "cat_threshold=99999999999", "cat_threshold of tree 0 has"},
		{"binary.txt", "leaf_value=", "leaf_value=nan\nleaf_weight=", "instead of 8"},
		{"binary.txt", "is_linear=0", "is_linear=0\nleaf_const=1", "instead of 8"},
		{"binary.txt", "is_linear=0", "is_linear=1", "no leaf_const"},
		{"binary.txt", "is_linear=0", "is_linear=2", "is_linear of tree 0"},
		{"binary.txt", "is_linear=0", "is_linear=0\nis_linear=0", "twice"},
		{"binary.txt", "is_linear=0", "is_linear=0\n\nis_linear=1", "after the empty line"},
		{"binary.txt", "is_linear=0", "is_linear=0\nnew_thing=1", "unknown line \"new_thing\" in tree 0"},
		{"binary.txt", "label_index=0", "label_index=0\nnew_thing=1", "unknown line \"new_thing\" before"},
		{"linear.txt", "num_features=", "num_features=1000000000 ", "more than 4 values"},
		{"linear.txt", "leaf_features=", "leaf_features=3 ", "of tree 0 have"},
		{"linear.txt", "leaf_const=", "leaf_const=inf\nleaf_const=", "instead of 4"},
		{"binary.txt", "end of trees\n", "", "unknown line"},
		{"binary.txt", "end of trees\n", "end of trees\nend of trees\n", "unknown line"},
		{"binary.txt", "end of trees\n", "end of trees\nTree=6\n", "unknown line"},
		{"binary.txt", "end of parameters\n", "", "it ends in the middle"},
		{"pandas.txt", "[categorical_feature: 1,3]", "[categorical_feature: 1,3]\n[categorical_feature: ]", "categorical_feature is there twice"},
		{"binary.txt", "pandas_categorical:null", "pandas_categorical:", "it ends in the middle"},
		{"binary.txt", "pandas_categorical:null", "pandas_categorical:[[", "ends in the middle"},
		{"binary.txt", "pandas_categorical:null", "pandas_categorical:[[null]]", "neither a text nor a number"},
		{"binary.txt", "pandas_categorical:null", "pandas_categorical:null\npandas_categorical:null", "unknown line"},
		{"constant.txt", "leaf_value=-0.050719123020147285", "leaf_value=nan", "not a finite number"},
		{"constant.txt", "leaf_value=-0.050719123020147285", "leaf_value=-inf", "not a finite number"},
		{"rf.txt", "average_output", "average_output=1", "average_output is damaged"},
		{"binary.txt", "tree\n", "tree\r\n", "carriage return"},
		{"binary.txt", "num_class=1\n", "num_class=1\r\n", "carriage return"}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		size_t		len;
		char	   *text = edit(cases[i].name, cases[i].from, cases[i].to, &len);

		memory.peak = 0;
		ok(refused(text, len, cases[i].message) && memory.peak < 16 * len + 65536,
		   "refused: %s", cases[i].message);
		free(text);
	}
}

/* every line twice, and every line missing */
static void
test_lines(const char *name)
{
	size_t		len;
	char	   *text = read_file(name, &len);
	Model	   *model = malloc(sizeof(Model));
	Model	   *changed = malloc(sizeof(Model));
	int			last;
	int			twice = 0;
	int			missing = 0;
	int			optional = 0;

	split_model(model, text, len);
	for (last = 0; !line_begins(model, last, "end of trees"); last++)
		;
	for (int i = 1; i < last; i++)
	{
		char	   *other;
		MlopsForest *forest;

		if (model->len[i] == 0)
			continue;
		*changed = *model;
		memmove(&changed->line[i + 1], &changed->line[i], (model->num_lines - i) * sizeof(char *));
		memmove(&changed->len[i + 1], &changed->len[i], (model->num_lines - i) * sizeof(size_t));
		changed->num_lines++;
		other = join_model(changed, true, &len);
		forest = read_model(other, len);
		if (forest != NULL)
		{
			twice++;
			printf("# twice: %.*s\n", (int) model->len[i], model->line[i]);
			memory_release(NULL, forest);
		}
		free(other);

		*changed = *model;
		memmove(&changed->line[i], &changed->line[i + 1], (model->num_lines - i - 1) * sizeof(char *));
		memmove(&changed->len[i], &changed->len[i + 1], (model->num_lines - i - 1) * sizeof(size_t));
		changed->num_lines--;
		other = join_model(changed, true, &len);
		forest = read_model(other, len);
		if (forest != NULL)
		{
			bool		may = line_begins(model, i, "split_gain") ||
				line_begins(model, i, "leaf_weight") || line_begins(model, i, "leaf_count") ||
				line_begins(model, i, "internal_") || line_begins(model, i, "shrinkage") ||
				line_begins(model, i, "is_linear=0") || line_begins(model, i, "average_output") ||
				line_begins(model, i, "num_tree_per_iteration");

			optional += may;
			if (!may)
				printf("# missing: %.*s\n", (int) model->len[i], model->line[i]);
			missing += !may;
			memory_release(NULL, forest);
		}
		free(other);
	}
	ok(twice == 0, "%s: no line may be there twice", name);
	ok(missing == 0 && optional > 0, "%s: no line may be missing but those of no use", name);
	free(model);
	free(changed);
	free(text);
}

/* the length of a line without blanks at its end */
static size_t
trimmed(const char *line, size_t len)
{
	while (len > 0 && line[len - 1] == ' ')
		len--;
	return len;
}

/* every list of values empty, shorter and longer by one, three times as long */
static void
test_lengths(const char *name)
{
	size_t		len;
	char	   *text = read_file(name, &len);
	Model	   *model = malloc(sizeof(Model));
	int			tried = 0;
	int			refused = 0;
	int			unused = 0;

	split_model(model, text, len);
	for (int i = 1; !line_begins(model, i, "end of trees"); i++)
	{
		const char *line = model->line[i];
		int			line_len = (int) model->len[i];
		const char *equals = memchr(line, '=', line_len);
		int			key = equals != NULL ? (int) (equals + 1 - line) : 0;
		int			last = line_len;
		bool		may = line_begins(model, i, "split_gain") || line_begins(model, i, "leaf_weight") ||
			line_begins(model, i, "leaf_count") || line_begins(model, i, "internal_") ||
			line_begins(model, i, "shrinkage");

		if (equals == NULL)
			continue;
		while (last > key && line[last - 1] != ' ')
			last--;
		for (int k = 0; k < 4; k++)
		{
			char	   *changed = malloc(3 * line_len + 8);
			char	   *other;
			MlopsForest *forest;

			model->line[i] = changed;
			model->len[i] = k == 0 ? sprintf(changed, "%.*s", key, line) :
				k == 1 ? sprintf(changed, "%.*s", Max(last - 1, key), line) :
				k == 2 ? sprintf(changed, "%.*s %.*s", line_len, line, line_len - last, line + last) :
				sprintf(changed, "%.*s %.*s %.*s", line_len, line, line_len - key, equals + 1, line_len - key, equals + 1);
			/* what was empty stays as it was */
			if (trimmed(changed, model->len[i]) != trimmed(line, line_len))
			{
				other = join_model(model, !line_begins(model, i, "tree_sizes"), &len);
				memory.peak = 0;
				forest = read_model(other, len);
				tried++;
				refused += forest == NULL && memory.peak <= 16 * len + 65536;
				if (forest != NULL)
				{
					if (may && score_rows(forest, 3) == 0)
						unused++;
					else
						printf("# %s\n", changed);
					memory_release(NULL, forest);
				}
				free(other);
			}
			free(changed);
		}
		model->line[i] = line;
		model->len[i] = line_len;
	}
	ok(tried > 100 && refused + unused == tried && memory.held == 0,
	   "%s: lists of other lengths: %d tried, %d refused, %d are of no use for scores", name, tried, refused, unused);
	free(model);
	free(text);
}

/* cut off after every byte */
static void
test_truncation(const char *name)
{
	size_t		len;
	char	   *text = read_file(name, &len);
	MlopsForest *whole = read_model(text, len);
	size_t		end = strstr(text, "\nend of trees") - text + strlen("\nend of trees");
	int			early = 0;
	int			late = 0;
	int			accepted = 0;

	for (size_t i = 0; i < len; i++)
	{
		char	   *part = malloc(Max(i, 1));
		MlopsForest *forest;

		/* so that a tool sees a read beyond the end */
		memcpy(part, text, i);
		forest = read_model(part, i);
		if (forest != NULL)
		{
			const MlopsWide *a = &whole->wide;
			const MlopsWide *b = &forest->wide;

			accepted++;
			early += i < end;
			late += whole->num_nodes != forest->num_nodes ||
				memcmp(mlops_part(whole, char, a->nodes), mlops_part(forest, char, b->nodes),
					   whole->num_nodes * sizeof(MlopsWideNode)) != 0;
			memory_release(NULL, forest);
		}
		free(part);
	}
	ok(early == 0 && late == 0 && accepted > 0 && accepted < 200,
	   "%s: cut off at any of %zu bytes it is refused, or the trees are whole", name, len);
	memory_release(NULL, whole);
	ok(memory.held == 0, "%s: nothing is left behind", name);
	free(text);
}

/* every number of a model by every other that may be a trap */
static void
test_numbers(const char *name)
{
	static const char *const values[] = {
		"-9223372036854775809", "-2147483649", "-2147483648", "-2", "-1", "0", "1", "2", "3",
		"7", "8", "9", "2147483647", "2147483648", "4294967295", "4294967296",
		"99999999999999999999", "1e400", "-1e400", "nan", "-nan", "inf", "-inf", "0x10", "1.5",
		"", "x", "1 1", "+1", "01", "1e", "."
	};
	size_t		len;
	char	   *text = read_file(name, &len);
	Model	   *model = malloc(sizeof(Model));
	int			last;
	int			tried = 0;
	int			accepted = 0;
	int			different = 0;

	split_model(model, text, len);
	for (last = 0; !line_begins(model, last, "Tree=1"); last++)
		;
	for (int i = 1; i < last; i++)
	{
		const char *line = model->line[i];
		size_t		line_len = model->len[i];
		size_t		begin = 0;

		if (line_begins(model, i, "feature_names"))
			continue;
		while (begin < line_len)
		{
			size_t		end = begin;

			while (end < line_len && strchr(" =:[]", line[end]) == NULL)
				end++;
			for (int k = 0; begin > 0 && k < (int) lengthof(values); k++)
			{
				char	   *changed = malloc(line_len + 64);
				char	   *other;
				size_t		other_len;
				MlopsForest *forest;

				model->line[i] = changed;
				model->len[i] = sprintf(changed, "%.*s%s%.*s", (int) begin, line, values[k],
										(int) (line_len - end), line + end);
				other = join_model(model, !line_begins(model, i, "tree_sizes"), &other_len);
				memory.peak = 0;
				forest = read_model(other, other_len);
				tried++;
				if (memory.peak > 16 * other_len + 65536)
					different++;
				if (forest != NULL)
				{
					accepted++;
					different += score_rows(forest, 3);
					memory_release(NULL, forest);
				}
				else if (error.code != MLOPS_FOREST_INVALID && error.code != MLOPS_FOREST_LIMIT &&
						 error.code != MLOPS_FOREST_UNSUPPORTED)
					different++;
				free(other);
				free(changed);
			}
			begin = end + 1;
		}
		model->line[i] = line;
		model->len[i] = line_len;
	}
	ok(different == 0 && tried > 1000 && memory.held == 0,
	   "%s: %d wrong numbers, %d of which make a model, and that scores as it says",
	   name, tried, accepted);
	free(model);
	free(text);
}

/* no memory at each allocation in turn */
static void
test_memory(void)
{
	size_t		len;
	char	   *text = read_file("category_few.txt", &len);
	int			wrong = 0;
	size_t		calls;

	memory.calls = 0;
	memory_release(NULL, read_model(text, len));
	calls = memory.calls;
	for (size_t i = 1; i <= calls; i++)
	{
		MlopsForest *forest;

		memory.calls = 0;
		memory.fail_at = i;
		forest = read_model(text, len);
		wrong += forest != NULL || error.code != MLOPS_FOREST_NO_MEMORY || memory.held != 0;
	}
	memory.fail_at = 0;
	ok(wrong == 0, "without memory for one of %zu allocations it fails cleanly", calls);
	free(text);
}

/*
 * A model of one tree, a chain of this many splits at 1, 2, ...; links may be
 * set otherwise.
 */
static char *
chain(int depth, const char *left, const char *right, size_t *len)
{
	char	   *tree = malloc((size_t) depth * 100 + 4096);
	char	   *text = malloc((size_t) depth * 100 + 8192);
	char	   *p = tree;
	static const char *const arrays[] = {
		"split_feature", "threshold", "decision_type", "left_child", "right_child", "leaf_value"
	};

	p += sprintf(p, "Tree=0\nnum_leaves=%d\nnum_cat=0\n", depth + 1);
	for (int k = 0; k < 6; k++)
	{
		p += sprintf(p, "%s=", arrays[k]);
		if ((k == 3 && left != NULL) || (k == 4 && right != NULL))
			p += sprintf(p, "%s", k == 3 ? left : right);
		for (int i = 0; i < depth + (k == 5); i++)
		{
			if (k == 1 || k == 5)
				p += sprintf(p, "%d ", i + 1);
			else if (k == 2)
				p += sprintf(p, "%d ", 8);
			else if (k == 3 && left == NULL)
				p += sprintf(p, "%d ", ~i);
			else if (k == 4 && right == NULL)
				p += sprintf(p, "%d ", i < depth - 1 ? i + 1 : ~depth);
			else if (k == 0)
				p += sprintf(p, "0 ");
		}
		p += sprintf(p, "\n");
	}
	p += sprintf(p, "\n\n");
	*len = sprintf(text, "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
				   "max_feature_idx=0\nobjective=regression\nfeature_names=x\n"
				   "feature_infos=[0:1]\ntree_sizes=%d\n\n%send of trees\n",
				   (int) (p - tree), tree);
	free(tree);
	return text;
}

static void
test_structure(void)
{
	size_t		len;
	char	   *text;
	MlopsForest *forest;
	static const struct
	{
		int			depth;
		const char *left;
		const char *right;
		const char *message;
	}			cases[] = {
		{1, "0", NULL, "has another parent, or is the root"},
		{2, "1 -1", "1 -2", "has another parent"},
		{2, "-1 0", "1 -2", "has another parent, or is the root"},
		{2, "-1 -1", "1 -3", "has another parent"},
		{3, "-1 2 1", "-2 -3 -4", "no path leads to"},
		{3, "-1 -2 2", "1 -3 -4", "no path leads to"},
		{2, "-1 -2", "2 -3", "a child of split 0 of tree 0 is 2"},
		{2, "-1 -4", "1 -3", "a child of split 1 of tree 0 is -4"}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		text = chain(cases[i].depth, cases[i].left, cases[i].right, &len);
		ok(refused(text, len, cases[i].message), "no tree: %s", cases[i].message);
		free(text);
	}

	/* children may stand before their parents */
	text = chain(3, "2 -1 1", "-2 -3 -4", &len);
	forest = read_model(text, len);
	ok(forest != NULL && score_rows(forest, 200) == 0, "a tree whose splits are in another order");
	if (forest != NULL)
		memory_release(NULL, forest);
	free(text);

	text = chain(4096, NULL, NULL, &len);
	forest = read_model(text, len);
	ok(forest != NULL && score_rows(forest, 500) == 0, "a tree as deep as the limit");
	if (forest != NULL)
	{
		double		row = 2000;
		double		margin;
		void	   *scratch = malloc(mlops_forest_scratch_size(forest));

		mlops_forest_margin64(forest, &row, scratch, &margin);
		ok(margin == 2000, "and its leaf 2000");
		free(scratch);
		memory_release(NULL, forest);
	}
	free(text);
	text = chain(4097, NULL, NULL, &len);
	ok(refused(text, len, "tree 0 is deeper than 4096") && error.code == MLOPS_FOREST_LIMIT,
	   "and one that is deeper");
	free(text);
}

/*
 * A split at a threshold that LightGBM rarely writes: rows go left, which is 1,
 * or right.
 */
static void
test_threshold(const char *line, const double *rows, const double *expected, int count,
			   const char *what)
{
	size_t		len;
	char	   *finite = chain(1, NULL, NULL, &len);
	char	   *text;
	Model	   *model = malloc(sizeof(Model));
	MlopsForest *forest;
	bool		right = true;

	split_model(model, finite, len);
	for (int i = 0; i < model->num_lines; i++)
	{
		if (line_begins(model, i, "threshold="))
		{
			model->line[i] = line;
			model->len[i] = strlen(line);
		}
	}
	text = join_model(model, true, &len);
	free(finite);
	free(model);
	forest = read_model(text, len);
	for (int i = 0; forest != NULL && i < count; i++)
	{
		double		margin;
		void	   *scratch = malloc(mlops_forest_scratch_size(forest));

		mlops_forest_margin64(forest, &rows[i], scratch, &margin);
		right = right && margin == expected[i];
		free(scratch);
	}
	ok(forest != NULL && right, "%s", what);
	if (forest != NULL)
		memory_release(NULL, forest);
	free(text);
}

static void
test_thresholds(void)
{
	static const double large[] = {1e308, INFINITY, -INFINITY, NAN};
	static const double small[] = {-INFINITY, -1e308, INFINITY, NAN};
	static const double zero[] = {0.0, -0.0, 5e-324, -5e-324, -1, 1e-34, NAN};
	static const double to_large[] = {1, 1, 1, 2};
	static const double to_small[] = {1, 2, 2, 2};
	static const double to_zero[] = {1, 1, 1, 1, 1, 2, 2};

	test_threshold("threshold=inf", large, to_large, lengthof(large),
				   "a missing value goes right of an infinite threshold, all else left");
	test_threshold("threshold=-inf", small, to_small, lengthof(small),
				   "minus infinity goes left of itself");
	test_threshold("threshold=-0", zero, to_zero, lengthof(zero), "-0 is 0");
	test_threshold("threshold=0", zero, to_zero, lengthof(zero), "and so is what is about it");
}

/* log(1 + exp(x)), as the version that wrote the file has it */
static void
test_versions(void)
{
	static const struct
	{
		const char *name;
		double		output;
	}			cases[] = {
		{"cross_entropy_lambda.txt", 1.9287498479639178e-22},
		{"v3_early_lambda.txt", 0},
		{"v2_lambda.txt", 0}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		MlopsForest *forest = model_of(cases[i].name);
		double		value = -50;

		mlops_forest_transform64(forest, &value, &value);
		ok(fabs(value - cases[i].output) <= 1e-30, "%s: the output of -50 is %g", cases[i].name, value);
		memory_release(NULL, forest);
	}
}

/* categories go to features only where it is certain whose they are */
static void
test_categories(void)
{
	static const struct
	{
		const char *from;
		const char *to;
		int			city;
		int			branch;
		const char *what;
	}			cases[] = {
		{", [3, 5, 9]]", "]", 0, 0, "a list is missing"},
		{", [3, 5, 9]]", ", [3, 5, 9], [1]]", 0, 0, "there is a list more"},
		{", [3, 5, 9]]", ", [3, 5]]", 0, 0, "a list is too short"},
		{", [3, 5, 9]]", ", [3, 5.50, true, \"\\u00e9\"]]", 4, 4, "categories of all sorts"},
		{"[categorical_feature: 1,3]", "[categorical_feature: 1]", 0, 0, "the parameter names others"},
		{"[categorical_feature: 1,3]", "[categorical_feature: name:city,branch]", 0, 0, "the parameter has names"},
		{"[categorical_feature: 1,3]", "[categorical_feature: ]", 4, 3, "no parameter says more"}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		size_t		len;
		char	   *text = edit("pandas.txt", cases[i].from, cases[i].to, &len);
		MlopsForest *forest = read_model(text, len);

		ok(forest != NULL && mlops_forest_num_categories(forest, 0) == 0 &&
		   mlops_forest_num_categories(forest, 1) == cases[i].city &&
		   mlops_forest_num_categories(forest, 3) == cases[i].branch,
		   "where %s, the features have %d and %d texts", cases[i].what, cases[i].city, cases[i].branch);
		if (i == 3)
			ok(strcmp(mlops_forest_category(forest, 3, 1), "5.50") == 0 &&
			   strcmp(mlops_forest_category(forest, 3, 2), "true") == 0 &&
			   strcmp(mlops_forest_category(forest, 3, 3), "\303\251") == 0,
			   "numbers and booleans as they are written, escapes resolved");
		if (forest != NULL)
			memory_release(NULL, forest);
		free(text);
	}
}

int
main(void)
{
	char	   *names[128];
	int			count = list_models(names, lengthof(names));

	ok(count >= 35, "%d models are there", count);
	for (int i = 0; i < count; i++)
		test_reference(names[i]);
	test_facts();
	test_edits();
	test_lines("binary.txt");
	test_lines("category_few.txt");
	test_lines("linear.txt");
	test_lines("rf_multiclass.txt");
	test_lengths("binary.txt");
	test_lengths("category_few.txt");
	test_lengths("linear.txt");
	test_lengths("multiclassova.txt");
	test_truncation("pandas.txt");
	test_truncation("linear.txt");
	test_truncation("constant.txt");
	test_numbers("binary.txt");
	test_numbers("category_few.txt");
	test_numbers("linear.txt");
	test_memory();
	test_structure();
	test_thresholds();
	test_versions();
	test_categories();
	ok(memory.held == 0, "all memory was given back");
	for (int i = 0; i < count; i++)
		free(names[i]);
	printf("1..%d\n", ntests);
	return nfailures == 0 ? 0 : 1;
}
