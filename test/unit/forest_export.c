/*-------------------------------------------------------------------------
 *
 * forest_export.c
 *	  UBJSON written as JSON: every kind of value, and what is no document.
 *	  Whole models are compared with libxgboost's own JSON in forest_peer.h.
 *
 *-------------------------------------------------------------------------
 */
#include "forest_test.h"
#include "forest/export.h"

static Bytes json;				/* what was written last */
static int	pieces;
static MlopsForestError error;

static void
add_piece(void *arg, const char *piece, size_t len)
{
	add_bytes(&json, piece, len);
	pieces++;
}

/* write bytes as JSON, of a copy that ends where they end */
static bool
export(const void *bytes, size_t len)
{
	char	   *exact = malloc(Max(len, 1));
	bool		done;

	memcpy(exact, bytes, len);
	json.len = 0;
	pieces = 0;
	add_bytes(&json, "", 0);
	done = mlops_export_json(exact, len, &host, add_piece, &json, &error);
	free(exact);
	return done;
}

static void
test_values(void)
{
	static const struct
	{
		const char *name;
		const char *bytes;
		size_t		len;
		const char *expected;
	}			cases[] = {
#define CASE(name, bytes, expected) {name, bytes, sizeof(bytes) - 1, expected}
		CASE("an empty object", "{}", "{}"),
		CASE("objects and arrays in each other", "{U\1a{U\1b[]U\1c[{}[]]}U\1d[#U\0U\1e[#U\2[][i\5]}",
			 "{\"a\":{\"b\":[],\"c\":[{},[]]},\"d\":[],\"e\":[[],[5]]}"),
		CASE("integers", "{U\1a[i\x80U\x80I\x80\0l\x80\0\0\0L\x80\0\0\0\0\0\0\0L\x7f\xff\xff\xff\xff\xff\xff\xffi\0]}",
			 "{\"a\":[-128,128,-32768,-2147483648,-9223372036854775808,9223372036854775807,0]}"),
		CASE("arrays of integers", "{U\1a[$U#U\2\0\xffU\1b[$i#U\1\xffU\1c[$I#I\0\1\1\0U\1d[$l#l\0\0\0\2\0\0\0\1\xff\xff\xff\xff"
			 "U\1e[$L#L\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0}",
			 "{\"a\":[0,255],\"b\":[-1],\"c\":[256],\"d\":[1,-1],\"e\":[4294967296]}"),
		CASE("numbers of floating point",
			 "{U\1a[$d#U\x08\x3f\x80\0\0\x80\0\0\0\x7f\x80\0\0\xff\x80\0\0\x7f\xc0\0\0\xff\xc0\0\0\0\0\0\1\x7f\x7f\xff\xff"
			 "U\1b[d\x3d\xcc\xcc\xcd]U\1cD\x3f\xe0\0\0\0\0\0\0}",
			 "{\"a\":[1E0,-0E0,Infinity,-Infinity,NaN,NaN,1E-45,3.4028235E38],\"b\":[1E-1],\"c\":5E-1}"),
		CASE("true, false, null", "{U\1a[TFZ]U\1bTU\1cZ}", "{\"a\":[true,false,null],\"b\":true,\"c\":null}"),
		CASE("strings", "{U\5a\"\\\n/SU\x0c\"\\/\b\f\n\r\t\1\x1f\xc3\xb6U\0SU\0}",
			 "{\"a\\\"\\\\\\n/\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\xc3\xb6\",\"\":\"\"}")
#undef CASE
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		bool		done = export(cases[i].bytes, cases[i].len);

		if (!ok(done && strcmp(json.data, cases[i].expected) == 0, "%s", cases[i].name))
			printf("# %s\n# %s\n", done ? json.data : error.message, cases[i].expected);
	}
}

/* a document that ends after every byte of it, and one with something behind */
static void
test_damage(void)
{
	Item	   *root = small_model();
	Bytes		model = written(root, true);
	size_t		refused = 0;

	for (size_t len = 0; len < model.len; len++)
		refused += !export(model.data, len) && error.code != MLOPS_FOREST_OK && error.message[0] != '\0' &&
			error.offset <= len && host_held == 0;
	ok(refused == model.len, "a file cut short: %zu of %zu refused", refused, model.len);
	add_bytes(&model, "}", 1);
	ok(!export(model.data, model.len) && strstr(error.message, "follow") != NULL, "bytes behind the end");
	put(find(root, "learner", NULL, NULL), "attributes", new_item(ITEM_OBJECT));
	free(model.data);
	model = written(root, true);
	ok(!export(model.data, model.len) && strstr(error.message, "twice") != NULL, "a key that comes twice");
	free(model.data);
	free_item(root);
	ok(host_held == 0, "no memory is kept");
}

static void
test_formats(void)
{
	Item	   *root = small_model();
	Bytes		file = written(root, false);

	ok(export(file.data, file.len) && json.len == file.len && memcmp(json.data, file.data, file.len) == 0,
	   "a file that is JSON stays as it is");
	free(file.data);
	free_item(root);
	ok(!export("tree\nversion=v4\n", 16) && error.code == MLOPS_FOREST_UNSUPPORTED, "a model of LightGBM");
	ok(!export("", 0) && error.code == MLOPS_FOREST_UNSUPPORTED, "nothing");
}

/* a document larger than what is passed on at a time, and cancelled in time */
static void
test_large(void)
{
	Item	   *root = new_item(ITEM_OBJECT);
	Item	   *array = put(root, "a", new_item(ITEM_FLOATS));
	Bytes		bytes;
	MlopsForestEnv silent = host;
	long		checks;
	const char *p;
	int			wrong = 0;

	for (int i = 0; i < 30000; i++)
		add_number(array, i / 8.0);
	bytes = written(root, true);
	checks = host_checks;
	ok(export(bytes.data, bytes.len) && pieces > 10, "%zu bytes in %d pieces", json.len, pieces);
	ok(host_checks - checks >= 7, "%ld chances to cancel", host_checks - checks);
	p = json.data + strlen("{\"a\":[");
	for (int i = 0; i < 30000; i++, p++)
		wrong += strtof(p, (char **) &p) != (float) (i / 8.0);
	ok(wrong == 0 && strcmp(p, "}") == 0, "and nothing lost on the way");
	silent.check = NULL;
	ok(mlops_export_json(bytes.data, bytes.len, &silent, add_piece, &json, &error), "a host need not be asked");
	free(bytes.data);
	free_item(root);
}

int
main(void)
{
	test_values();
	test_damage();
	test_formats();
	test_large();
	free(json.data);
	return finish();
}
