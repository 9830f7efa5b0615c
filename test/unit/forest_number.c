/*-------------------------------------------------------------------------
 *
 * forest_number.c
 *	  Decimal numbers to float4 and back, beside strtof(), which rounds exactly.
 *
 *-------------------------------------------------------------------------
 */
#include <locale.h>

#include "forest_test.h"
#include "forest/number.h"

static long tried;
static long wrong;

/* the same bits as strtof() gives */
static void
compare(const char *text)
{
	const char *end = text + strlen(text);
	float		value = -1;
	float		expected = strtof(text, NULL);
	const char *next = mlops_parse_float(text, end, &value);

	tried++;
	if (next != end || memcmp(&value, &expected, sizeof(float)) != 0)
	{
		if (wrong++ < 10)
			printf("# %s: %.9g instead of %.9g\n", text, value, expected);
	}
}

static float
float_of_bits(uint32 bits)
{
	float		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void
test_shortest(void)
{
	char		text[64];

	tried = wrong = 0;
	for (int i = 0; i < 300000; i++)
	{
		float		value = float_of_bits((uint32) next_random());
		float		back;

		if (!isfinite(value))
			continue;
		snprintf(text, sizeof(text), "%.9g", value);
		mlops_parse_float(text, text + strlen(text), &back);
		tried++;
		wrong += memcmp(&back, &value, sizeof(float)) != 0;
		snprintf(text, sizeof(text), "%.8E", value);
		compare(text);
		snprintf(text, sizeof(text), "%.6f", value);
		compare(text);
	}
	ok(wrong == 0, "random floats as text: %ld of %ld wrong", wrong, tried);
}

/* numbers at, and next to, the middle of two floats */
static void
test_boundaries(void)
{
	char		text[400];

	tried = wrong = 0;
	for (int i = 0; i < 60000; i++)
	{
		uint32		bits = (uint32) next_random() & 0x7FFFFFFF;
		double		middle;

		if (i % 3 == 0)
			bits %= 2000000;	/* denormals */
		if (bits >= 0x7F7FFFFF)
			continue;
		middle = ((double) float_of_bits(bits) + float_of_bits(bits + 1)) / 2;
		snprintf(text, sizeof(text), "%.160g", middle);
		compare(text);
		snprintf(text, sizeof(text), "-%.160e", middle);
		compare(text);
		snprintf(text, sizeof(text), "%.200f", middle);
		compare(text);

		/* one unit far behind the point decides */
		if (strchr(text, '.') != NULL)
		{
			strcat(text, "000000000000000000000000000000000000000000000000001");
			compare(text);
		}
		snprintf(text, sizeof(text), "%.18e", nextafter(middle, 0));
		compare(text);
		snprintf(text, sizeof(text), "%.18e", nextafter(middle, INFINITY));
		compare(text);
		snprintf(text, sizeof(text), "%.17g", middle);
		compare(text);
	}
	ok(wrong == 0, "numbers between two floats: %ld of %ld wrong", wrong, tried);
}

static void
test_forms(void)
{
	static const char *const texts[] = {
		"0", "-0", "0.0", "-0.0E5", "0e99999", "1", "-1", "1E0", "1e+2", "1E-2", "10.50",
		"123456789012345678901234567890", "0.000000000000000000000000000000000000000000001",
		"0.0000000000000000000000000000000000000000000000000000000000000000001e60",
		"1000000000000000000000000000000000000000000000000000000000000e-40",
		"3.4028234663852886e38", "3.4028235677973365e38", "3.4028235677973366e38", "3.4028235677973367e38",
		"3.5e38", "1e39", "1e400", "1e99999999999999999999", "-1e39",
		"1.401298464324817e-45", "7.006492321624085e-46", "7.006492321624086e-46", "1e-46", "1e-400",
		"1e-99999999999999999999", "1.17549435e-38", "1.17549421e-38", "16777217", "16777216.999999999999",
		"0.1", "0.30000001192092896", "5E-1"
	};
	static const char *const bad[] = {
		"", "-", "+1", ".5", "5.", "1.e5", "1e", "1e+", "01", "-01", "e5", "NaN", "inf", "0x1p3", "--1", "a"
	};
	char		text[3000];

	tried = wrong = 0;
	for (int i = 0; i < (int) lengthof(texts); i++)
		compare(texts[i]);
	for (int i = 0; i < 50; i++)
	{
		/* thousands of digits */
		snprintf(text, sizeof(text), "%d.", below(1000));
		while (strlen(text) < 2500)
			snprintf(text + strlen(text), 30, "%d", below(1000000000));
		snprintf(text + strlen(text), 30, "e%d", below(80) - 40);
		compare(text);
	}
	ok(wrong == 0, "forms of numbers: %ld of %ld wrong", wrong, tried);

	wrong = 0;
	for (int i = 0; i < (int) lengthof(bad); i++)
	{
		float		value;

		if (mlops_parse_float(bad[i], bad[i] + strlen(bad[i]), &value) == bad[i] + strlen(bad[i]) &&
			wrong++ < 10)
			printf("# \"%s\" was taken\n", bad[i]);
	}
	ok(wrong == 0, "what is no number is refused");
}

static void
test_integers(void)
{
	static const struct
	{
		const char *text;
		bool		good;
		int64		value;
	}			cases[] = {
		{"0", true, 0}, {"-0", true, 0}, {"7", true, 7}, {"-12", true, -12},
		{"9223372036854775807", true, PG_INT64_MAX}, {"-9223372036854775808", true, PG_INT64_MIN},
		{"9223372036854775808", false}, {"-9223372036854775809", false}, {"18446744073709551616", false},
		{"99999999999999999999999", false}, {"", false}, {"-", false}, {"+1", false}, {"01", false},
		{"1.0", false}, {"1e3", false}, {"1E3", false}, {"x", false}
	};
	bool		good = true;

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		const char *end = cases[i].text + strlen(cases[i].text);
		int64		value = 99;
		const char *next = mlops_parse_integer(cases[i].text, end, &value);

		if ((next == end) != cases[i].good || (cases[i].good && value != cases[i].value))
		{
			printf("# \"%s\"\n", cases[i].text);
			good = false;
		}
	}
	ok(good, "integers");
}

/* a comma for a point, where the locale would have it */
static void
test_locale(void)
{
	static const char *const names[] = {"de_DE.UTF-8", "de_DE", "pt_BR.UTF-8", "fr_FR.UTF-8", "C.UTF-8"};
	const char *text = "2.5";
	float		value = 0;

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (setlocale(LC_ALL, names[i]) != NULL)
			break;
	}
	ok(mlops_parse_float(text, text + 3, &value) == text + 3 && value == 2.5f, "the locale does not matter");
}

/* does a float come back from its text, and does no shorter text bring it? */
static void
write_and_read(float value)
{
	char		written[MLOPS_NUMBER_TEXT];
	char		shorter[64];
	int			len = mlops_format_float(value, written);
	int			digits = (int) strcspn(written, "E") - (written[0] == '-') - (strchr(written, '.') != NULL);
	float		back = strtof(written, NULL);
	bool		good = len == (int) strlen(written) && len < MLOPS_NUMBER_TEXT &&
		memcmp(&back, &value, sizeof(float)) == 0;

	/* printf() rounds exactly: the nearest decimal of one digit less */
	if (digits > 1)
	{
		snprintf(shorter, sizeof(shorter), "%.*E", digits - 2, value);
		good = good && strtof(shorter, NULL) != value;
	}
	/* and the nearest of as many digits, unless that is read as a neighbour */
	snprintf(shorter, sizeof(shorter), "%.*E", digits - 1, value);
	good = good && (strtof(shorter, NULL) != value || strtod(written, NULL) == strtod(shorter, NULL));
	tried++;
	if (!good && wrong++ < 10)
		printf("# %.9g is written as %s\n", value, written);
}

static void
test_writing(void)
{
	static const struct
	{
		float		value;
		const char *text;
	}			cases[] = {
		{0, "0E0"}, {-0.0f, "-0E0"}, {1, "1E0"}, {-1, "-1E0"}, {0.5f, "5E-1"}, {0.1f, "1E-1"},
		{10, "1E1"}, {123456.0f, "1.23456E5"}, {9999999.0f, "9.999999E6"}, {16777216.0f, "1.6777216E7"},
		{3.4028235e38f, "3.4028235E38"}, {1e-45f, "1E-45"}, {1.17549435e-38f, "1.1754944E-38"},
		{9.5367432e-7f, "9.536743E-7"}, {6.2038205e29f, "6.2038205E29"},
		{1.01946067e-16f, "1.01946067E-16"}, {NAN, "NaN"}, {-NAN, "NaN"}, {INFINITY, "Infinity"}, {-INFINITY, "-Infinity"}
	};
	char		text[MLOPS_NUMBER_TEXT];

	for (int i = 0; i < (int) lengthof(cases); i++)
		ok(mlops_format_float(cases[i].value, text) == (int) strlen(cases[i].text) &&
		   strcmp(text, cases[i].text) == 0, "%s is written as %s", cases[i].text, text);

	tried = wrong = 0;
	for (uint32 i = 0; i < 300000; i++)
	{
		float		value = float_of_bits((uint32) next_random());

		if (isfinite(value) && value != 0)
			write_and_read(value);
	}
	ok(wrong == 0, "random floats written: %ld of %ld wrong", wrong, tried);

	/* powers of two, whose neighbour below is nearer, and of ten */
	tried = wrong = 0;
	for (uint32 i = 1; i < 255; i++)
	{
		for (int k = -2; k <= 2; k++)
			write_and_read(float_of_bits((i << 23) + k));
	}
	for (int i = -44; i <= 38; i++)
	{
		snprintf(text, sizeof(text), "1e%d", i);
		write_and_read(strtof(text, NULL));
		write_and_read(nextafterf(strtof(text, NULL), 0));
		write_and_read(nextafterf(strtof(text, NULL), INFINITY));
	}
	for (uint32 i = 1; i < 3000; i++)
		write_and_read(float_of_bits(i));
	ok(wrong == 0, "floats at the edges written: %ld of %ld wrong", wrong, tried);

	ok(mlops_format_integer(PG_INT64_MIN, text) == 20 && strcmp(text, "-9223372036854775808") == 0,
	   "the least integer");
	ok(mlops_format_integer(0, text) == 1 && strcmp(text, "0") == 0, "zero");
}

int
main(void)
{
	test_shortest();
	test_boundaries();
	test_forms();
	test_integers();
	test_locale();
	test_writing();
	return finish();
}
