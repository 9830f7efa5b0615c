/*-------------------------------------------------------------------------
 *
 * lightgbm_text.c
 *	  Lines, words and numbers of LightGBM's files.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/lightgbm.h"
#include "forest/number.h"

/* the longest number; LightGBM writes none of more than 24 characters */
#define MAX_NUMBER		63

/* lines between two chances to cancel */
#define LINES_PER_CHECK	1024

/* is the piece this word? */
bool
mlops_span_is(MlopsSpan span, const char *word)
{
	return (size_t) (span.end - span.begin) == strlen(word) &&
		memcmp(span.begin, word, span.end - span.begin) == 0;
}

/* does the piece begin with this word? */
bool
mlops_span_begins(MlopsSpan span, const char *word)
{
	return (size_t) (span.end - span.begin) >= strlen(word) &&
		memcmp(span.begin, word, strlen(word)) == 0;
}

/*
 * Take the next line before end, without its end.
 */
bool
mlops_lightgbm_line(MlopsLightgbm *document, const char *end, MlopsSpan *line)
{
	const char *stop = memchr(document->next, '\n', end - document->next);

	line->begin = document->next;
	line->end = stop != NULL ? stop : end;
	document->next = stop != NULL ? stop + 1 : end;
	if (document->lines++ % LINES_PER_CHECK == 0)
		mlops_check(document->support);
	if (line->end > line->begin && line->end[-1] == '\r')
		return mlops_fail(document->support, MLOPS_FOREST_INVALID,
						  mlops_lightgbm_offset(document, line->end - 1),
						  "Copy the file again, byte for byte.",
						  "a line ends with a carriage return, so the file was changed after LightGBM wrote it");
	return true;
}

/*
 * Divide a line at its first "="; key gets all of it if it has none.
 */
void
mlops_span_divide(MlopsSpan line, MlopsSpan *key, MlopsSpan *value)
{
	const char *equals = memchr(line.begin, '=', line.end - line.begin);

	*key = *value = line;
	key->end = equals != NULL ? equals : line.end;
	value->begin = equals != NULL ? equals + 1 : line.end;
}

/*
 * Take the next word from a list that blanks mlops_span_divide; false at its end.
 */
bool
mlops_span_word(MlopsSpan *list, MlopsSpan *word)
{
	while (list->begin < list->end && *list->begin == ' ')
		list->begin++;
	if (list->begin == list->end)
		return false;
	word->begin = list->begin;
	while (list->begin < list->end && *list->begin != ' ')
		list->begin++;
	word->end = list->begin;
	return true;
}

/* an integer between low and high, all of the piece */
bool
mlops_span_integer(MlopsSpan span, int64 low, int64 high, int64 *value)
{
	return mlops_parse_integer(span.begin, span.end, value) == span.end &&
		*value >= low && *value <= high;
}

/*
 * A number as C writes it, all of the piece, infinite ones included.  The host
 * has the numeric locale "C"; under another the conversion would end at the
 * point, and the number be refused.
 */
bool
mlops_span_double(MlopsSpan span, double *value)
{
	size_t		len = span.end - span.begin;
	char		buffer[MAX_NUMBER + 1];
	const char *digits = buffer;
	char	   *end;

	if (len == 0 || len > MAX_NUMBER)
		return false;
	memcpy(buffer, span.begin, len);
	buffer[len] = '\0';
	if (*digits == '-')
		digits++;
	if (strcmp(digits, "inf") == 0 || strcmp(digits, "nan") == 0)
	{
		*value = *digits == 'n' ? NAN : digits > buffer ? -INFINITY : INFINITY;
		return true;
	}
	/* no hexadecimal numbers, no other names, no signs or blanks before it */
	if (strspn(buffer, "0123456789+-.eE") != len || *digits < '0' || *digits > '9')
		return false;
	*value = strtod(buffer, &end);
	return *end == '\0' && isfinite(*value);
}

/*
 * The factor of the sigmoid, by LightGBM's own arithmetic, whose result is not
 * always the nearest double.
 */
bool
mlops_span_sigmoid(MlopsSpan span, double *value)
{
	const char *p = span.begin;
	double		whole = 0.0;
	double		right = 0.0;
	double		scale = 1.0;
	int			fraction = 0;
	int			exponent = 0;
	bool		down = false;
	double		correct;

	if (!mlops_span_double(span, &correct) || !(correct > 0.0) || !isfinite(correct))
		return false;
	for (; p < span.end && *p >= '0' && *p <= '9'; p++)
		whole = whole * 10.0 + (*p - '0');
	if (p < span.end && *p == '.')
	{
		for (p++; p < span.end && *p >= '0' && *p <= '9'; p++, fraction++)
			right = right * 10.0 + (*p - '0');
		/* at most MAX_NUMBER digits: LightGBM's power is this product */
		for (int i = 0; i < fraction; i++)
			scale *= 10.0;
		whole += right / scale;
	}
	scale = 1.0;
	if (p < span.end)
	{
		p++;
		if (p < span.end && (*p == '-' || *p == '+'))
			down = *p++ == '-';
		for (; p < span.end; p++)
			exponent = Min(exponent * 10 + (*p - '0'), 308);
		for (; exponent >= 50; exponent -= 50)
			scale *= 1e50;
		for (; exponent >= 8; exponent -= 8)
			scale *= 1e8;
		for (; exponent > 0; exponent--)
			scale *= 10.0;
	}
	*value = down ? whole / scale : whole * scale;
	return *value > 0.0 && isfinite(*value);
}
