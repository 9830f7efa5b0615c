/*-------------------------------------------------------------------------
 *
 * modelref.c
 *	  The type mlops.modelref: a reference to a version of a model.
 *
 * A reference is written as users of model registries know it:
 *
 *		credit_risk				the champion of the model
 *		credit_risk@challenger	the version that this alias points to
 *		credit_risk/7			version 7
 *
 * Names and aliases have 1 to 63 bytes, no '@', '/' or control character, and
 * no space at either end.  credit_risk@champion is the same reference as
 * credit_risk and is stored in that form, so that a value has one text only:
 * the varlena holds that text and nothing else.  Whether the model exists is
 * not asked here but when the reference is used.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "mlops.h"
#include "registry/modelref.h"

PG_FUNCTION_INFO_V1(mlops_modelref_in);
PG_FUNCTION_INFO_V1(mlops_modelref_out);
PG_FUNCTION_INFO_V1(mlops_modelref_recv);
PG_FUNCTION_INFO_V1(mlops_modelref_send);
PG_FUNCTION_INFO_V1(mlops_modelref_from_text);
PG_FUNCTION_INFO_V1(mlops_modelref_model);
PG_FUNCTION_INFO_V1(mlops_modelref_cmp);
PG_FUNCTION_INFO_V1(mlops_modelref_eq);
PG_FUNCTION_INFO_V1(mlops_modelref_ne);
PG_FUNCTION_INFO_V1(mlops_modelref_lt);
PG_FUNCTION_INFO_V1(mlops_modelref_le);
PG_FUNCTION_INFO_V1(mlops_modelref_ge);
PG_FUNCTION_INFO_V1(mlops_modelref_gt);
PG_FUNCTION_INFO_V1(mlops_modelref_hash);
PG_FUNCTION_INFO_V1(mlops_modelref_hash_extended);

/* a parsed reference, pointing into the text that was parsed */
typedef struct Parts
{
	const char *model;
	int			model_len;
	const char *alias;			/* NULL for a version */
	int			alias_len;
	int32		version;		/* 0 for an alias */
} Parts;

/*
 * What is wrong with a name, as the end of a sentence that begins with "a
 * model name"; NULL if nothing is.
 */
static const char *
name_fault(const char *name, int len)
{
	if (len == 0)
		return "cannot be empty";
	if (len > MLOPS_NAME_MAX)
		return "cannot be longer than 63 bytes";
	if (name[0] == ' ' || name[len - 1] == ' ')
		return "cannot begin or end with a space";
	for (int i = 0; i < len; i++)
	{
		if ((unsigned char) name[i] < 0x20 || name[i] == 0x7f)
			return "cannot contain control characters";
		if (name[i] == '@' || name[i] == '/')
			return "cannot contain \"@\" or \"/\"";
	}
	return NULL;
}

/*
 * Parse the digits of a version.  False if they are not a number from 1 to
 * 2147483647 in its usual form.
 */
static bool
parse_version(const char *digits, int len, int32 *version)
{
	int64		value = 0;

	if (len < 1 || len > 10 || digits[0] == '0')
		return false;
	for (int i = 0; i < len; i++)
	{
		if (digits[i] < '0' || digits[i] > '9')
			return false;
		value = value * 10 + (digits[i] - '0');
	}
	if (value > PG_INT32_MAX)
		return false;
	*version = (int32) value;
	return true;
}

/*
 * Split a text into the parts of a reference, without copying.  Returns what
 * is wrong with it as a sentence, or NULL.
 */
static const char *
parse(const char *text, int len, Parts *parts)
{
	int			end = 0;
	const char *fault;

	while (end < len && text[end] != '@' && text[end] != '/')
		end++;

	parts->model = text;
	parts->model_len = end;
	parts->alias = NULL;
	parts->alias_len = 0;
	parts->version = 0;

	fault = name_fault(text, end);
	if (fault != NULL)
		return psprintf("A model name %s.", fault);

	if (end == len)
	{
		parts->alias = MLOPS_CHAMPION;
		parts->alias_len = strlen(MLOPS_CHAMPION);
		return NULL;
	}
	if (text[end] == '/')
	{
		if (!parse_version(text + end + 1, len - end - 1, &parts->version))
			return "After \"/\" stands a version number, from 1 to 2147483647.";
		return NULL;
	}

	parts->alias = text + end + 1;
	parts->alias_len = len - end - 1;
	fault = name_fault(parts->alias, parts->alias_len);
	if (fault != NULL)
		return psprintf("An alias %s.", fault);
	if (parts->alias_len == 6 && memcmp(parts->alias, "latest", 6) == 0)
		return "The alias \"latest\" is reserved.";
	return NULL;
}

/*
 * The canonical value of parsed parts.
 */
static text *
build(const Parts *parts)
{
	StringInfoData buffer;

	initStringInfo(&buffer);
	appendBinaryStringInfo(&buffer, parts->model, parts->model_len);
	if (parts->version > 0)
		appendStringInfo(&buffer, "/%d", parts->version);
	else if (parts->alias_len != strlen(MLOPS_CHAMPION) ||
			 memcmp(parts->alias, MLOPS_CHAMPION, parts->alias_len) != 0)
	{
		appendStringInfoChar(&buffer, '@');
		appendBinaryStringInfo(&buffer, parts->alias, parts->alias_len);
	}
	return cstring_to_text_with_len(buffer.data, buffer.len);
}

/*
 * The parts of a stored value, which is known to be valid.
 */
static void
get_parts(const text *modelref, Parts *parts)
{
	const char *fault = parse(VARDATA_ANY(modelref), VARSIZE_ANY_EXHDR(modelref), parts);

	if (fault != NULL)
		elog(ERROR, "stored modelref is damaged: %s", fault);
}

/*
 * Split a stored reference into terminated strings of the current context.
 */
void
mlops_modelref_split(const struct varlena *modelref, MlopsReference *reference)
{
	Parts		parts;

	get_parts((const text *) modelref, &parts);
	reference->model = pnstrdup(parts.model, parts.model_len);
	reference->alias = parts.alias ? pnstrdup(parts.alias, parts.alias_len) : NULL;
	reference->version = parts.version;
}

/*
 * The reference to a version of a model, in the current context.  Error if
 * the name is not one.
 */
Datum
mlops_modelref_make(const char *model, int version)
{
	char	   *text = psprintf("%s/%d", model, version);
	Parts		parts;
	const char *fault = parse(text, strlen(text), &parts);

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid model name: \"%s\"", model),
				 errdetail("%s", fault)));
	return PointerGetDatum(build(&parts));
}

Datum
mlops_modelref_in(PG_FUNCTION_ARGS)
{
	char	   *string = PG_GETARG_CSTRING(0);
	Parts		parts;
	const char *fault = parse(string, strlen(string), &parts);

	if (fault != NULL)
		mlops_ereturn(fcinfo,
					  (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					   errmsg("invalid model reference: \"%s\"", string),
					   errdetail("%s", fault),
					   errhint("Write model, model@alias or model/version.")));
	PG_RETURN_TEXT_P(build(&parts));
}

Datum
mlops_modelref_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

Datum
mlops_modelref_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int			len;
	char	   *string = pq_getmsgtext(buffer, buffer->len - buffer->cursor, &len);
	Parts		parts;
	const char *fault = parse(string, len, &parts);

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid model reference: \"%s\"", string),
				 errdetail("%s", fault)));
	PG_RETURN_TEXT_P(build(&parts));
}

Datum
mlops_modelref_send(PG_FUNCTION_ARGS)
{
	text	   *modelref = PG_GETARG_TEXT_PP(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendtext(&buffer, VARDATA_ANY(modelref), VARSIZE_ANY_EXHDR(modelref));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/* the implicit cast from text */
Datum
mlops_modelref_from_text(PG_FUNCTION_ARGS)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_DATUM(DirectFunctionCall1(mlops_modelref_in, CStringGetDatum(string)));
}

/*
 * SQL accessor: the model's name.
 */
Datum
mlops_modelref_model(PG_FUNCTION_ARGS)
{
	text	   *modelref = PG_GETARG_TEXT_PP(0);
	Parts		parts;

	get_parts(modelref, &parts);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(parts.model, parts.model_len));
}

/*
 * Compare strings of bytes, the shorter first if one begins the other.
 */
static int
compare_bytes(const char *a, int a_len, const char *b, int b_len)
{
	int			result = memcmp(a, b, Min(a_len, b_len));

	return result != 0 ? result : a_len - b_len;
}

/*
 * By model, then aliases by their bytes, then versions by their number.
 */
static int
compare(FunctionCallInfo fcinfo)
{
	text	   *left = PG_GETARG_TEXT_PP(0);
	text	   *right = PG_GETARG_TEXT_PP(1);
	Parts		a;
	Parts		b;
	int			result;

	get_parts(left, &a);
	get_parts(right, &b);
	result = compare_bytes(a.model, a.model_len, b.model, b.model_len);
	if (result == 0)
		result = (a.version > b.version) - (a.version < b.version);
	if (result == 0 && a.version == 0)
		result = compare_bytes(a.alias, a.alias_len, b.alias, b.alias_len);
	PG_FREE_IF_COPY(left, 0);
	PG_FREE_IF_COPY(right, 1);
	return result;
}

Datum
mlops_modelref_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}

Datum
mlops_modelref_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

Datum
mlops_modelref_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

Datum
mlops_modelref_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

Datum
mlops_modelref_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

Datum
mlops_modelref_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

Datum
mlops_modelref_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

Datum
mlops_modelref_hash(PG_FUNCTION_ARGS)
{
	text	   *modelref = PG_GETARG_TEXT_PP(0);

	PG_RETURN_DATUM(hash_any((unsigned char *) VARDATA_ANY(modelref),
							 VARSIZE_ANY_EXHDR(modelref)));
}

Datum
mlops_modelref_hash_extended(PG_FUNCTION_ARGS)
{
	text	   *modelref = PG_GETARG_TEXT_PP(0);

	PG_RETURN_DATUM(hash_any_extended((unsigned char *) VARDATA_ANY(modelref),
									  VARSIZE_ANY_EXHDR(modelref),
									  PG_GETARG_INT64(1)));
}
