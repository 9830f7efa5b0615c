/*-------------------------------------------------------------------------
 *
 * library.c
 *	  libxgboost's errors and messages, as a user should see them: one line,
 *	  its own words, no time, file, line or stack.
 *
 * What it warns of goes to the server.  One message is different: the
 * one about parameters that nothing reads.  It is kept, and makes the
 * training fail, because it means that a name is misspelt or has no effect.
 *
 *-------------------------------------------------------------------------
 */
#include "library.h"

#include <ctype.h>
#include <stdio.h>

#include <xgboost/c_api.h>

/* names of the parameters that nothing reads, as libxgboost lists them */
static char unused[2048];

/*
 * Skip "[18:33:50] " at the start of a message.
 */
static const char *
skip_time(const char *text)
{
	int			length = 0;

	if (sscanf(text, "[%*2d:%*2d:%*2d]%n", &length) == 0 && length > 0)
		text += length;
	while (*text == ' ')
		text++;
	return text;
}

/*
 * Skip "./src/metric/metric.cc:49: " at the start of a message.
 */
static const char *
skip_place(const char *text)
{
	const char *at = text;

	while (*at != '\0' && !isspace((unsigned char) *at) && *at != ':')
		at++;
	if (at == text || at[0] != ':' || !isdigit((unsigned char) at[1]))
		return text;
	at++;
	while (isdigit((unsigned char) *at))
		at++;
	if (*at != ':')
		return text;
	at++;
	while (isspace((unsigned char) *at))
		at++;
	return at;
}

/*
 * Skip "Check failed: a == b (1 vs. 2) : ", if an explanation follows.
 */
static const char *
skip_condition(const char *text)
{
	static const char check[] = "Check failed: ";
	const char *at;

	if (strncmp(text, check, sizeof(check) - 1) != 0)
		return text;
	for (at = text + sizeof(check) - 1; *at != '\0' && *at != '\n'; at++)
	{
		/* "::" is part of a name */
		if (at[0] == ':' && at[1] == ' ' && at[-1] != ':')
		{
			const char *rest = at + 2;

			while (isspace((unsigned char) *rest))
				rest++;
			return *rest != '\0' && strncmp(rest, "Stack trace", 11) != 0 ? rest : text;
		}
	}
	return text;
}

/*
 * Copy a message into one line: without the stack trace, and without time and
 * place at the start of any of its lines, which are joined by "; ".
 */
static void
copy_line(char *to, size_t size, const char *text)
{
	const char *stop = strstr(text, "Stack trace:");
	size_t		used = 0;

	if (stop == NULL)
		stop = text + strlen(text);
	while (stop > text && isspace((unsigned char) stop[-1]))
		stop--;
	text = skip_place(skip_time(text));
	while (text < stop && used + 3 < size)
	{
		if (*text == '\n' || *text == '\r')
		{
			while (text < stop && isspace((unsigned char) *text))
				text++;
			text = skip_place(skip_time(text));
			if (used > 0 && *text != ',' && strchr(":;,{", to[used - 1]) == NULL)
				to[used++] = ';';
			to[used++] = ' ';
		}
		else
		{
			to[used++] = iscntrl((unsigned char) *text) ? ' ' : *text;
			text++;
		}
	}
	to[used] = '\0';
}

/*
 * If a message says that parameters are not used, keep their names.
 */
static bool
keep_unused(const char *text)
{
	const char *list = strstr(text, "Parameters: {");
	const char *end;

	if (list == NULL)
		return false;
	list += strlen("Parameters: {");
	end = strchr(list, '}');
	if (end == NULL || strstr(end, "used") == NULL)
		return false;
	while (isspace((unsigned char) *list))
		list++;
	while (end > list && isspace((unsigned char) end[-1]))
		end--;
	snprintf(unused, sizeof(unused), "%.*s", (int) (end - list), list);
	return true;
}

/*
 * libxgboost calls this for every message that its verbosity lets through:
 * warnings.
 */
static void
log_callback(const char *text)
{
	static const char level[] = "WARNING: ";
	char		line[4096];

	if (keep_unused(text))
		return;
	text = skip_time(text);
	if (strncmp(text, level, sizeof(level) - 1) == 0)
		text += sizeof(level) - 1;
	copy_line(line, sizeof(line), text);
	if (line[0] != '\0')
		wire_send_warning(line);
}

/*
 * Hear what libxgboost logs, from now on.
 */
void
library_init(void)
{
	XGBRegisterLogCallback(log_callback);
}

/*
 * A training begins: forget what the last one did not use.
 */
void
library_begin(void)
{
	unused[0] = '\0';
}

/*
 * The last call into libxgboost failed: take its words.
 */
bool
library_failed(Failure *failure)
{
	const char *text = XGBGetLastError();

	failure->kind = strstr(text, "bad_alloc") != NULL ?
		MLOPS_FAILURE_MEMORY : MLOPS_FAILURE_REFUSED;
	copy_line(failure->text, sizeof(failure->text),
			  skip_condition(skip_place(skip_time(text))));
	return false;
}

/*
 * False if libxgboost said that it does not use some parameter.
 */
bool
library_check_unused(Failure *failure)
{
	if (unused[0] == '\0')
		return true;
	return fail(failure, MLOPS_FAILURE_REFUSED,
				"Parameters: { %s } are not used", unused);
}
