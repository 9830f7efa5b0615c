/*-------------------------------------------------------------------------
 *
 * forest_test.h
 *	  For tests of the model engine: TAP, a host for the engine that counts
 *	  what it gives, numbers that look random, and model files made to measure.
 *
 * A model file is a tree of Item, built as XGBoost would have it, then changed
 * at will by path ("learner/objective/name", "trees" standing for the long way
 * to the trees), and written as JSON or as UBJSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FOREST_TEST_H
#define FOREST_TEST_H

#include "c.h"

#undef printf
#undef fprintf
#undef snprintf
#undef vprintf
#undef vsnprintf

#include <math.h>

#include "forest/forest.h"

/* --- TAP --- */

static int	tests_run;
static int	tests_failed;

__attribute__((format(printf, 2, 3)))
static inline bool
ok(bool good, const char *name,...)
{
	va_list		args;

	tests_run++;
	if (!good)
		tests_failed++;
	printf("%sok %d - ", good ? "" : "not ", tests_run);
	va_start(args, name);
	vprintf(name, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	return good;
}

static inline int
finish(void)
{
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}

/* --- a host for the engine --- */

static size_t host_held;		/* bytes that the engine holds */
static size_t host_peak;
static long host_calls;
static long host_checks;
static long host_fail_at = -1;	/* the call that gets no memory */

static inline void *
host_alloc(void *arg, size_t size)
{
	size_t	   *chunk;

	if (host_calls++ == host_fail_at)
		return NULL;
	chunk = malloc(size + 2 * sizeof(size_t));
	if (chunk == NULL)
		return NULL;
	chunk[0] = size;
	host_held += size;
	host_peak = Max(host_peak, host_held);
	return chunk + 2;
}

static inline void
host_release(void *arg, void *pointer)
{
	size_t	   *chunk = (size_t *) pointer - 2;

	host_held -= chunk[0];
	free(chunk);
}

static inline void
host_check(void *arg)
{
	host_checks++;
}

static const MlopsForestEnv host = {host_alloc, host_release, host_check, NULL};

/* --- numbers that look random: splitmix64 --- */

static uint64 random_state = 20240607;

static inline uint64
next_random(void)
{
	uint64		z = (random_state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* from 0 to below n */
static inline int
below(int n)
{
	return (int) (next_random() % n);
}

/* from 0 to below 1 */
static inline double
uniform(void)
{
	return ldexp((double) (next_random() >> 11), -53);
}

static inline double
normal(void)
{
	return sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform());
}

/* --- bytes --- */

typedef struct Bytes
{
	char	   *data;
	size_t		len;
	size_t		room;
} Bytes;

static inline void
add_bytes(Bytes *bytes, const void *data, size_t len)
{
	if (bytes->len + len + 1 > bytes->room)
	{
		bytes->room = 2 * (bytes->len + len) + 64;
		bytes->data = realloc(bytes->data, bytes->room);
	}
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
	bytes->data[bytes->len] = '\0';
}

__attribute__((format(printf, 2, 3)))
static inline void
add_text(Bytes *bytes, const char *format,...)
{
	char		text[400];
	va_list		args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	add_bytes(bytes, text, strlen(text));
}

/* --- a document --- */

typedef enum ItemKind
{
	ITEM_OBJECT,
	ITEM_ARRAY,					/* of whatever */
	ITEM_FLOATS,				/* arrays with a type of their own in UBJSON */
	ITEM_INTS,
	ITEM_FLAGS,
	ITEM_LONGS,
	ITEM_STRING,
	ITEM_INT,
	ITEM_FLOAT,
	ITEM_RAW					/* these very bytes */
} ItemKind;

typedef struct Item
{
	ItemKind	kind;
	char		key[64];
	struct Item **items;		/* of an object or array */
	int			count;
	double		number;
	char	   *text;			/* of a string; JSON of a raw one */
	size_t		text_len;
	char	   *binary;			/* UBJSON of a raw one */
	size_t		binary_len;
} Item;

static inline Item *
new_item(ItemKind kind)
{
	Item	   *item = calloc(1, sizeof(Item));

	item->kind = kind;
	return item;
}

static inline void
free_item(Item *item)
{
	if (item == NULL)
		return;
	for (int i = 0; i < item->count; i++)
		free_item(item->items[i]);
	free(item->items);
	free(item->text);
	free(item->binary);
	free(item);
}

static inline Item *
append_item(Item *parent, Item *item)
{
	parent->items = realloc(parent->items, (parent->count + 1) * sizeof(Item *));
	parent->items[parent->count++] = item;
	return item;
}

/* a member of an object */
static inline Item *
put(Item *object, const char *key, Item *item)
{
	snprintf(item->key, sizeof(item->key), "%s", key);
	return append_item(object, item);
}

static inline Item *
text_item(const char *text)
{
	Item	   *item = new_item(ITEM_STRING);

	item->text = strdup(text);
	item->text_len = strlen(text);
	return item;
}

static inline Item *
number_item(ItemKind kind, double number)
{
	Item	   *item = new_item(kind);

	item->number = number;
	return item;
}

/* bytes that stand for a value, in either format */
static inline Item *
raw_item(const void *text, size_t text_len, const void *binary, size_t binary_len)
{
	Item	   *item = new_item(ITEM_RAW);

	item->text = calloc(text_len + 1, 1);
	memcpy(item->text, text, text_len);
	item->text_len = text_len;
	item->binary = malloc(binary_len + 1);
	memcpy(item->binary, binary, binary_len);
	item->binary_len = binary_len;
	return item;
}

#define RAW(text, binary) raw_item(text, sizeof(text) - 1, binary, sizeof(binary) - 1)

/* a number of an array */
static inline void
add_number(Item *array, double number)
{
	append_item(array, number_item(array->kind == ITEM_FLOATS ? ITEM_FLOAT : ITEM_INT, number));
}

/* a parameter: an integer in a string */
static inline Item *
parameter(long value)
{
	char		text[32];

	snprintf(text, sizeof(text), "%ld", value);
	return text_item(text);
}

static inline Item *
member(const Item *object, const char *key, size_t len)
{
	for (int i = 0; i < object->count; i++)
	{
		if (strlen(object->items[i]->key) == len && memcmp(object->items[i]->key, key, len) == 0)
			return object->items[i];
	}
	return NULL;
}

/* the item at a path; where it is in its parent, if wanted */
static inline Item *
find(Item *root, const char *path, Item **parent, int *place)
{
	Item	   *item = root;

	if (strncmp(path, "trees", 5) == 0 || strncmp(path, "tree_info", 9) == 0)
		item = find(root, "learner/gradient_booster/model", NULL, NULL);
	while (*path != '\0')
	{
		size_t		len = strcspn(path, "/");
		Item	   *up = item;

		if (item->kind == ITEM_OBJECT)
			item = member(item, path, len);
		else
			item = atoi(path) < item->count ? item->items[atoi(path)] : NULL;
		if (item == NULL)
		{
			fprintf(stderr, "no such item: %s\n", path);
			abort();
		}
		if (parent != NULL)
			*parent = up;
		if (place != NULL)
		{
			for (*place = 0; up->items[*place] != item; (*place)++)
				;
		}
		path += len + (path[len] == '/');
	}
	return item;
}

/* a copy of an item and all in it */
static inline Item *
copy_item(const Item *item)
{
	Item	   *copy = malloc(sizeof(Item));

	*copy = *item;
	copy->items = NULL;
	copy->count = 0;
	for (int i = 0; i < item->count; i++)
		append_item(copy, copy_item(item->items[i]));
	if (item->text != NULL)
		copy->text = memcpy(malloc(item->text_len + 1), item->text, item->text_len + 1);
	if (item->binary != NULL)
		copy->binary = memcpy(malloc(item->binary_len + 1), item->binary, item->binary_len);
	return copy;
}

/* put something else in the place of an item */
static inline void
replace(Item *root, const char *path, Item *with)
{
	Item	   *parent = NULL;
	int			place = 0;
	Item	   *old = find(root, path, &parent, &place);

	memcpy(with->key, old->key, sizeof(with->key));
	parent->items[place] = with;
	free_item(old);
}

static inline void
set_number(Item *root, const char *path, double number)
{
	Item	   *item = find(root, path, NULL, NULL);

	if (item->kind == ITEM_STRING)
		replace(root, path, parameter((long) number));
	else
		item->number = number;
}

static inline void
drop(Item *root, const char *path)
{
	Item	   *parent = NULL;
	int			place = 0;
	Item	   *old = find(root, path, &parent, &place);

	memmove(&parent->items[place], &parent->items[place + 1],
			(parent->count - place - 1) * sizeof(Item *));
	parent->count--;
	free_item(old);
}

/* --- writing a document --- */

static inline void
write_json_string(Bytes *bytes, const char *text, size_t len)
{
	add_bytes(bytes, "\"", 1);
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] == '"' || text[i] == '\\')
			add_bytes(bytes, "\\", 1);
		add_bytes(bytes, &text[i], 1);
	}
	add_bytes(bytes, "\"", 1);
}

static inline void
write_json(Bytes *bytes, const Item *item)
{
	bool		object = item->kind == ITEM_OBJECT;

	switch (item->kind)
	{
		case ITEM_STRING:
			write_json_string(bytes, item->text, item->text_len);
			break;
		case ITEM_INT:
			add_text(bytes, "%.0f", item->number);
			break;
		case ITEM_FLOAT:
			if (isnan(item->number))
				add_text(bytes, "NaN");
			else if (isinf(item->number))
				add_text(bytes, "%sInfinity", item->number < 0 ? "-" : "");
			else
				add_text(bytes, "%.8E", item->number);
			break;
		case ITEM_RAW:
			add_bytes(bytes, item->text, item->text_len);
			break;
		default:
			add_bytes(bytes, object ? "{" : "[", 1);
			for (int i = 0; i < item->count; i++)
			{
				if (i > 0)
					add_bytes(bytes, ",", 1);
				if (object)
				{
					write_json_string(bytes, item->items[i]->key, strlen(item->items[i]->key));
					add_bytes(bytes, ":", 1);
				}
				write_json(bytes, item->items[i]);
			}
			add_bytes(bytes, object ? "}" : "]", 1);
	}
}

static inline void
write_big_endian(Bytes *bytes, uint64 bits, int size)
{
	while (size-- > 0)
	{
		char		byte = (char) (bits >> (8 * size));

		add_bytes(bytes, &byte, 1);
	}
}

static inline void
write_length(Bytes *bytes, size_t length)
{
	add_bytes(bytes, "L", 1);
	write_big_endian(bytes, length, 8);
}

static inline void
write_float(Bytes *bytes, double number)
{
	float		value = (float) number;
	uint32		bits;

	memcpy(&bits, &value, sizeof(bits));
	write_big_endian(bytes, bits, 4);
}

static inline void
write_ubjson(Bytes *bytes, const Item *item)
{
	switch (item->kind)
	{
		case ITEM_STRING:
			add_bytes(bytes, "S", 1);
			write_length(bytes, item->text_len);
			add_bytes(bytes, item->text, item->text_len);
			break;
		case ITEM_INT:
			add_bytes(bytes, "L", 1);
			write_big_endian(bytes, (uint64) (int64) item->number, 8);
			break;
		case ITEM_FLOAT:
			add_bytes(bytes, "d", 1);
			write_float(bytes, item->number);
			break;
		case ITEM_RAW:
			add_bytes(bytes, item->binary, item->binary_len);
			break;
		case ITEM_OBJECT:
			add_bytes(bytes, "{", 1);
			for (int i = 0; i < item->count; i++)
			{
				write_length(bytes, strlen(item->items[i]->key));
				add_bytes(bytes, item->items[i]->key, strlen(item->items[i]->key));
				write_ubjson(bytes, item->items[i]);
			}
			add_bytes(bytes, "}", 1);
			break;
		default:
			{
				bool		typed = item->kind != ITEM_ARRAY;

				/* an item that was put in from elsewhere has a type of its own */
				for (int i = 0; i < item->count; i++)
				{
					if (item->items[i]->kind != (item->kind == ITEM_FLOATS ? ITEM_FLOAT : ITEM_INT))
						typed = false;
					else if (item->kind == ITEM_INTS && fabs(item->items[i]->number) > 2147483647)
						typed = false;
				}
				add_bytes(bytes, "[", 1);
				if (typed)
				{
					add_bytes(bytes, "$", 1);
					add_bytes(bytes, item->kind == ITEM_FLOATS ? "d" :
							  item->kind == ITEM_INTS ? "l" :
							  item->kind == ITEM_LONGS ? "L" : "U", 1);
				}
				add_bytes(bytes, "#", 1);
				write_length(bytes, item->count);
				for (int i = 0; i < item->count; i++)
				{
					double		number = item->items[i]->number;

					if (!typed)
						write_ubjson(bytes, item->items[i]);
					else if (item->kind == ITEM_FLOATS)
						write_float(bytes, number);
					else
						write_big_endian(bytes, (uint64) (int64) number,
										 item->kind == ITEM_INTS ? 4 :
										 item->kind == ITEM_LONGS ? 8 : 1);
				}
			}
	}
}

/* a document as a file; free() the data */
static inline Bytes
written(const Item *root, bool binary)
{
	Bytes		bytes = {0};

	if (binary)
		write_ubjson(&bytes, root);
	else
		write_json(&bytes, root);
	return bytes;
}

/* --- model files --- */

/* a model of a booster that has no trees yet */
static inline Item *
new_model(int num_features, const char *objective, const char *base_score)
{
	Item	   *root = new_item(ITEM_OBJECT);
	Item	   *learner = put(root, "learner", new_item(ITEM_OBJECT));
	Item	   *booster;
	Item	   *model;
	Item	   *parameters;
	Item	   *version;

	put(learner, "attributes", new_item(ITEM_OBJECT));
	put(learner, "feature_names", new_item(ITEM_ARRAY));
	put(learner, "feature_types", new_item(ITEM_ARRAY));
	booster = put(learner, "gradient_booster", new_item(ITEM_OBJECT));
	model = put(booster, "model", new_item(ITEM_OBJECT));
	parameters = put(model, "gbtree_model_param", new_item(ITEM_OBJECT));
	put(parameters, "num_parallel_tree", parameter(1));
	put(parameters, "num_trees", parameter(0));
	put(model, "tree_info", new_item(ITEM_ARRAY));
	put(model, "trees", new_item(ITEM_ARRAY));
	put(booster, "name", text_item("gbtree"));
	parameters = put(learner, "learner_model_param", new_item(ITEM_OBJECT));
	put(parameters, "base_score", text_item(base_score));
	put(parameters, "num_class", parameter(0));
	put(parameters, "num_feature", parameter(num_features));
	put(parameters, "num_target", parameter(1));
	put(put(learner, "objective", new_item(ITEM_OBJECT)), "name", text_item(objective));
	version = put(root, "version", new_item(ITEM_ARRAY));
	append_item(version, number_item(ITEM_INT, 1));
	append_item(version, number_item(ITEM_INT, 7));
	append_item(version, number_item(ITEM_INT, 4));
	return root;
}

/* a tree without nodes, added to a model */
static inline Item *
new_tree(Item *root, int group)
{
	static const char *const floats[] = {"base_weights", "loss_changes", "split_conditions", "sum_hessian"};
	static const char *const ints[] = {"categories", "categories_nodes", "left_children", "parents",
	"right_children", "split_indices"};
	static const char *const longs[] = {"categories_segments", "categories_sizes"};
	static const char *const flags[] = {"default_left", "split_type"};
	Item	   *trees = find(root, "trees", NULL, NULL);
	Item	   *tree = new_item(ITEM_OBJECT);
	Item	   *parameters;

	put(tree, "id", number_item(ITEM_INT, trees->count));
	for (int i = 0; i < (int) lengthof(floats); i++)
		put(tree, floats[i], new_item(ITEM_FLOATS));
	for (int i = 0; i < (int) lengthof(ints); i++)
		put(tree, ints[i], new_item(ITEM_INTS));
	for (int i = 0; i < (int) lengthof(longs); i++)
		put(tree, longs[i], new_item(ITEM_LONGS));
	for (int i = 0; i < (int) lengthof(flags); i++)
		put(tree, flags[i], new_item(ITEM_FLAGS));
	parameters = put(tree, "tree_param", new_item(ITEM_OBJECT));
	put(parameters, "num_deleted", parameter(0));
	put(parameters, "num_feature", parameter(1));
	put(parameters, "num_nodes", parameter(0));
	put(parameters, "size_leaf_vector", parameter(0));
	append_item(trees, tree);
	add_number(find(root, "tree_info", NULL, NULL), group);
	set_number(root, "learner/gradient_booster/model/gbtree_model_param/num_trees", trees->count);
	return tree;
}

#define column(tree, name)	member(tree, name, strlen(name))

/* add a node that is a leaf, for now; returns its number */
static inline int
add_leaf(Item *tree, int parent, double value)
{
	Item	   *count = find(tree, "tree_param/num_nodes", NULL, NULL);
	int			number = atoi(count->text);

	add_number(column(tree, "base_weights"), value);
	add_number(column(tree, "loss_changes"), 0);
	add_number(column(tree, "split_conditions"), value);
	add_number(column(tree, "sum_hessian"), 1);
	add_number(column(tree, "left_children"), -1);
	add_number(column(tree, "right_children"), -1);
	add_number(column(tree, "parents"), parent < 0 ? 2147483647 : parent);
	add_number(column(tree, "split_indices"), 0);
	add_number(column(tree, "default_left"), 0);
	add_number(column(tree, "split_type"), 0);
	replace(tree, "tree_param/num_nodes", parameter(number + 1));
	return number;
}

/* turn a leaf into a split; returns its left child */
static inline int
split_leaf(Item *tree, int node, int feature, double threshold, bool default_left,
		   double left_value, double right_value)
{
	int			left = add_leaf(tree, node, left_value);

	add_leaf(tree, node, right_value);
	column(tree, "left_children")->items[node]->number = left;
	column(tree, "right_children")->items[node]->number = left + 1;
	column(tree, "split_indices")->items[node]->number = feature;
	column(tree, "split_conditions")->items[node]->number = threshold;
	column(tree, "default_left")->items[node]->number = default_left;
	column(tree, "loss_changes")->items[node]->number = 1;
	return left;
}

/* make the split of a node categorical; nodes must come in ascending order */
static inline void
add_categories(Item *tree, int node, const int *codes, int count)
{
	column(tree, "split_type")->items[node]->number = 1;
	column(tree, "split_conditions")->items[node]->number = NAN;
	add_number(column(tree, "categories_nodes"), node);
	add_number(column(tree, "categories_segments"), column(tree, "categories")->count);
	add_number(column(tree, "categories_sizes"), count);
	for (int i = 0; i < count; i++)
		add_number(column(tree, "categories"), codes[i]);
}

/* a model with one tree of two splits, over two features, for tests of files */
static inline Item *
small_model(void)
{
	Item	   *root = new_model(2, "binary:logistic", "5E-1");
	Item	   *tree = new_tree(root, 0);

	add_leaf(tree, -1, 0);
	split_leaf(tree, 0, 0, 0.5, true, -0.25, 0.75);
	split_leaf(tree, 2, 1, -1.5, false, 0.125, 2.5);
	return root;
}

/* --- one model of each kind, small --- */

#define NUM_SAMPLES	9
#define LINEAR_SAMPLE	5

static inline Item *
sample_model(int kind)
{
	Item	   *root;
	Item	   *booster;
	Item	   *model;
	Item	   *item;

	switch (kind)
	{
		case 0:
			return small_model();
		case 1:
			/* categories of one kind and the other; names; early stopping */
			root = new_model(2, "reg:squarederror", "0");
			item = new_tree(root, 0);
			add_leaf(item, -1, 0);
			split_leaf(item, 0, 0, 0, true, 1, 2);
			split_leaf(item, 1, 1, 0, false, 3, 4);
			add_categories(item, 0, (int[]) {0, 2, 5}, 3);
			add_categories(item, 1, (int[]) {1}, 1);
			append_item(find(root, "learner/feature_names", NULL, NULL), text_item("a"));
			append_item(find(root, "learner/feature_names", NULL, NULL), text_item("b\"c"));
			append_item(find(root, "learner/feature_types", NULL, NULL), text_item("c"));
			append_item(find(root, "learner/feature_types", NULL, NULL), text_item("c"));
			put(find(root, "learner/attributes", NULL, NULL), "best_iteration", text_item("0"));
			return root;
		case 2:
			/* classes */
			root = new_model(3, "multi:softprob", "5E-1");
			set_number(root, "learner/learner_model_param/num_class", 3);
			for (int t = 0; t < 6; t++)
			{
				item = new_tree(root, t % 3);
				add_leaf(item, -1, t);
				split_leaf(item, 0, t % 3, t - 4, t % 2, 1, 2);
			}
			item = put(find(root, "learner/objective", NULL, NULL), "softmax_multiclass_param", new_item(ITEM_OBJECT));
			put(item, "num_class", parameter(3));
			return root;
		case 3:
			/* dart as from 3.3 on, names of categories as from 3.1 on, rounds as from 2.0 on */
			root = small_model();
			set_number(root, "version/0", 3);
			set_number(root, "version/1", 4);
			model = find(root, "learner/gradient_booster/model", NULL, NULL);
			add_number(put(model, "weight_drop", new_item(ITEM_FLOATS)), 0.5);
			item = put(model, "iteration_indptr", new_item(ITEM_INTS));
			add_number(item, 0);
			add_number(item, 1);
			item = put(model, "cats", new_item(ITEM_OBJECT));
			booster = put(item, "enc", new_item(ITEM_ARRAY));
			item = append_item(booster, new_item(ITEM_OBJECT));
			put(item, "type", number_item(ITEM_INT, 13));
			add_number(put(item, "values", new_item(ITEM_INTS)), 77);
			item = append_item(booster, new_item(ITEM_OBJECT));
			model = put(item, "offsets", new_item(ITEM_INTS));
			add_number(model, 0);
			add_number(model, 1);
			add_number(model, 3);
			item = put(item, "values", new_item(ITEM_INTS));
			add_number(item, 'x');
			add_number(item, -61);
			add_number(item, -74);
			replace(root, "learner/learner_model_param/base_score", text_item("[5E-1]"));
			return root;
		case 4:
			/* dart up to 3.2: a booster within the booster */
			root = small_model();
			model = find(root, "learner/gradient_booster", NULL, NULL);
			booster = copy_item(model);
			snprintf(booster->key, sizeof(booster->key), "gbtree");
			while (model->count > 0)
				free_item(model->items[--model->count]);
			append_item(model, booster);
			put(model, "name", text_item("dart"));
			add_number(put(model, "weight_drop", new_item(ITEM_FLOATS)), 0.25);
			return root;
		case LINEAR_SAMPLE:
			/* a linear model */
			root = new_model(2, "reg:squarederror", "5E-1");
			replace(root, "learner/gradient_booster/name", text_item("gblinear"));
			model = find(root, "learner/gradient_booster/model", NULL, NULL);
			while (model->count > 0)
				free_item(model->items[--model->count]);
			item = put(model, "weights", new_item(ITEM_FLOATS));
			for (int k = 0; k < 3; k++)
				add_number(item, k);
			put(model, "boosted_rounds", number_item(ITEM_INT, 4));
			return root;
		case 6:
			/* targets, with a base score each */
			root = new_model(2, "reg:squarederror", "[1E-1,2E-1]");
			set_number(root, "learner/learner_model_param/num_target", 2);
			set_number(root, "version/0", 3);
			for (int t = 0; t < 4; t++)
			{
				item = new_tree(root, t % 2);
				add_leaf(item, -1, t);
				split_leaf(item, 0, t % 2, t, true, -1, 1);
			}
			return root;
		case 7:
			/* a random forest with deleted nodes, that has sorted quantiles */
			root = new_model(2, "reg:quantileerror", "0");
			set_number(root, "version/0", 3);
			set_number(root, "version/1", 4);
			set_number(root, "learner/gradient_booster/model/gbtree_model_param/num_parallel_tree", 2);
			for (int t = 0; t < 2; t++)
			{
				item = new_tree(root, 0);
				add_leaf(item, -1, 0);
				split_leaf(item, 0, t, 0.5, true, -0.25, 0.75);
				split_leaf(item, 2, 1, -1.5, false, 0.125, 2.5);
				set_number(item, "left_children/2", -1);
				set_number(item, "right_children/2", -1);
				set_number(item, "split_indices/4", 4294967295.0);
				set_number(item, "tree_param/num_deleted", 2);
			}
			return root;
		default:
			/* deep, and lopsided */
			root = new_model(3, "count:poisson", "5E-1");
			item = new_tree(root, 0);
			add_leaf(item, -1, 0);
			for (int i = 0, node = 0; i < 12; i++)
				node = split_leaf(item, node, i % 3, 3 - i, i % 2, i / 8.0, -i / 4.0) + i % 2;
			return root;
	}
}

#endif							/* FOREST_TEST_H */
