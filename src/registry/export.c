/*-------------------------------------------------------------------------
 *
 * export.c
 *	  A version's model file for use elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "errors.h"
#include "forest/export.h"
#include "registry/artifact.h"

PG_FUNCTION_INFO_V1(mlops_export_artifact);

/* take a piece of the text; it must fit into a bytea */
static void
take_piece(void *arg, const char *text, size_t len)
{
	StringInfo	buffer = arg;

	if (len >= MaxAllocSize - buffer->len)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model file as JSON is larger than 1 GB"),
				 errhint("Export it in the format \"original\".")));
	appendBinaryStringInfo(buffer, text, (int) len);
}

/*
 * SQL: the bytes of a model file in a format, "original" or "json".  Error if
 * the file does not have the hash that was registered, or not that format.
 */
Datum
mlops_export_artifact(PG_FUNCTION_ARGS)
{
	MlopsArtifact *artifact = (MlopsArtifact *) PG_DETOAST_DATUM(PG_GETARG_DATUM(0));
	bytea	   *sha256 = PG_GETARG_BYTEA_PP(1);
	char	   *format = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	size_t		len;
	bool		json = format != NULL && strcmp(format, "json") == 0;
	StringInfoData buffer;
	MlopsForestError error;

	if (VARSIZE_ANY_EXHDR(sha256) != MLOPS_SHA256_LENGTH)
		elog(ERROR, "registered hash has %d bytes", (int) VARSIZE_ANY_EXHDR(sha256));
	len = mlops_artifact_check(artifact, (const uint8 *) VARDATA_ANY(sha256));
	if (!json && (format == NULL || strcmp(format, "original") != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 format == NULL ? errmsg("format of a model file must not be null")
				 : errmsg("unknown format of a model file: \"%s\"", format),
				 errhint("Formats are \"original\" and \"json\".")));
	if (json && artifact->format == MLOPS_FORMAT_LIGHTGBM)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a model of LightGBM cannot be exported as JSON"),
				 errdetail("The library reads its own text files only."),
				 errhint("Export it in the format \"original\", which is such a text file.")));

	initStringInfo(&buffer);
	appendStringInfoSpaces(&buffer, VARHDRSZ);
	if (!json)
		take_piece(&buffer, artifact->bytes, len);
	else if (!mlops_export_json(artifact->bytes, len, mlops_forest_env(), take_piece, &buffer, &error))
		mlops_artifact_error(&error);
	SET_VARSIZE(buffer.data, buffer.len);
	PG_RETURN_BYTEA_P(buffer.data);
}
