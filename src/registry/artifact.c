/*-------------------------------------------------------------------------
 *
 * artifact.c
 *	  The type mlops.artifact: a validated model file.
 *
 * The value holds the file's bytes exactly as they were given, and their
 * SHA-256.  Every way in (text, binary, casts) reads the whole file with the
 * engine's reader and keeps the value only if the engine can score with it;
 * what is stored is therefore safe to load, and it is checked again, bytes
 * against hash, on every load.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "errors.h"
#include "mlops.h"
#include "registry/artifact.h"

PG_FUNCTION_INFO_V1(mlops_artifact_in);
PG_FUNCTION_INFO_V1(mlops_artifact_out);
PG_FUNCTION_INFO_V1(mlops_artifact_recv);
PG_FUNCTION_INFO_V1(mlops_artifact_send);
PG_FUNCTION_INFO_V1(mlops_artifact_from_json);
PG_FUNCTION_INFO_V1(mlops_artifact_to_json);
PG_FUNCTION_INFO_V1(mlops_artifact_from_bytea);
PG_FUNCTION_INFO_V1(mlops_artifact_to_bytea);
PG_FUNCTION_INFO_V1(mlops_artifact_sha256);
PG_FUNCTION_INFO_V1(mlops_artifact_info);

StaticAssertDecl(MLOPS_SHA256_LENGTH == PG_SHA256_DIGEST_LENGTH,
				 "an artifact's hash is a SHA-256");
StaticAssertDecl(offsetof(MlopsArtifact, bytes) == 40,
				 "the layout of artifacts on disk never changes");

#define PG_GETARG_ARTIFACT_P(n)	((MlopsArtifact *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n)))

/* names of formats and tasks, by the numbers of forest.h */
static const char *const format_names[] = {"unknown", "xgboost-json", "xgboost-ubjson", "lightgbm"};
static const char *const task_names[] = {"unknown", "regression", "binary", "multiclass", "ranking"};

/* MlopsForestEnv over memory contexts and interrupts */
static void *
env_alloc(void *arg, size_t size)
{
	if (!AllocHugeSizeIsValid(size))
		return NULL;
	return palloc_extended(size, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

static void
env_release(void *arg, void *chunk)
{
	pfree(chunk);
}

static void
env_check(void *arg)
{
	CHECK_FOR_INTERRUPTS();
}

/*
 * The engine's environment in a backend: memory of the context that is
 * current at each allocation.
 */
const MlopsForestEnv *
mlops_forest_env(void)
{
	static const MlopsForestEnv env = {env_alloc, env_release, env_check, NULL};

	return &env;
}

/*
 * The SHA-256 of some bytes.
 */
static void
compute_sha256(const void *bytes, size_t len, uint8 *sha256)
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);

	if (ctx == NULL ||
		pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, bytes, len) < 0 ||
		pg_cryptohash_final(ctx, sha256, MLOPS_SHA256_LENGTH) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute SHA-256 of a model file")));
	pg_cryptohash_free(ctx);
}

/* the SQLSTATE of what the engine says of a file */
static int
forest_sqlstate(const MlopsForestError *error)
{
	switch (error->code)
	{
		case MLOPS_FOREST_UNSUPPORTED:
			return ERRCODE_MLOPS_UNSUPPORTED_ARTIFACT;
		case MLOPS_FOREST_LIMIT:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case MLOPS_FOREST_NO_MEMORY:
			return ERRCODE_OUT_OF_MEMORY;
		default:
			return ERRCODE_MLOPS_INVALID_ARTIFACT;
	}
}

/* the fields of the report of such an error */
#define forest_error_fields(error) \
	(errcode(forest_sqlstate(&(error))), \
	 errmsg("model file cannot be used: %s", (error).message), \
	 errdetail("The reader stopped at byte %zu.", (error).offset), \
	 (error).hint[0] != '\0' ? errhint("%s", (error).hint) : 0)

/*
 * Can these bytes be scored with?  If not, false, and *error says why.
 */
static bool
validate(const void *bytes, size_t len, MlopsForestError *error)
{
	MemoryContext context;
	MemoryContext old;
	bool		valid;

	if (len > MLOPS_ARTIFACT_MAX)
	{
		error->code = MLOPS_FOREST_LIMIT;
		error->offset = MLOPS_ARTIFACT_MAX;
		snprintf(error->message, sizeof(error->message),
				 "it has %zu bytes, the limit is %d", len, MLOPS_ARTIFACT_MAX);
		error->hint[0] = '\0';
		return false;
	}

	context = AllocSetContextCreate(CurrentMemoryContext, "mlops artifact",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	valid = mlops_forest_read(bytes, len, mlops_forest_env(), error) != NULL;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return valid;
}

/*
 * The value for bytes that were validated.
 */
static MlopsArtifact *
build(const void *bytes, size_t len)
{
	Size		size = MlopsArtifactHeaderSize + len;
	MlopsArtifact *artifact = palloc(size);

	SET_VARSIZE(artifact, size);
	artifact->layout = 1;
	artifact->format = (uint8) mlops_forest_format(bytes, len);
	artifact->zero = 0;
	compute_sha256(bytes, len, artifact->sha256);
	memcpy(artifact->bytes, bytes, len);
	return artifact;
}

/* the number of bytes of the model file in a detoasted value */
static size_t
file_size(const MlopsArtifact *artifact)
{
	if (VARSIZE(artifact) < MlopsArtifactHeaderSize || artifact->layout != 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("stored artifact is damaged")));
	return VARSIZE(artifact) - MlopsArtifactHeaderSize;
}

/*
 * The artifact of a model file, in the current context.  Error if the file
 * cannot be scored with.
 */
Datum
mlops_artifact_from_bytes(const void *bytes, size_t len)
{
	MlopsForestError error;

	if (!validate(bytes, len, &error))
		ereport(ERROR, forest_error_fields(error));
	return PointerGetDatum(build(bytes, len));
}

/*
 * Report what the engine says of a stored file.
 */
void
mlops_artifact_error(const MlopsForestError *error)
{
	ereport(ERROR, forest_error_fields(*error));
}

/*
 * The size of the model file in a detoasted artifact.  Error if its bytes do
 * not have the hash that was registered.
 */
size_t
mlops_artifact_check(const MlopsArtifact *artifact, const uint8 *sha256)
{
	size_t		len = file_size(artifact);
	uint8		actual[MLOPS_SHA256_LENGTH];

	compute_sha256(artifact->bytes, len, actual);
	if (memcmp(actual, sha256, MLOPS_SHA256_LENGTH) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_ARTIFACT_MISMATCH),
				 errmsg("stored model file does not have the hash that was registered"),
				 errdetail("The file was changed after its registration, or its storage is damaged."),
				 errhint("Do not score with this version; run mlops.verify_audit() and restore the file from a backup.")));
	return len;
}

/*
 * The forest of a stored artifact, in the current context.  Error if its
 * bytes do not have the hash that was registered.
 */
MlopsForest *
mlops_artifact_read(Datum datum, const uint8 *sha256)
{
	MlopsArtifact *artifact = (MlopsArtifact *) PG_DETOAST_DATUM(datum);
	size_t		len = mlops_artifact_check(artifact, sha256);
	MlopsForest *forest;
	MlopsForestError error;

	forest = mlops_forest_read(artifact->bytes, len, mlops_forest_env(), &error);
	if (forest == NULL)
		mlops_artifact_error(&error);
	if ((Pointer) artifact != DatumGetPointer(datum))
		pfree(artifact);
	return forest;
}

/*
 * Are all bytes 7-bit?  Only then can a text be written that no conversion
 * between client and server changes.
 */
static bool
is_ascii(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (IS_HIGHBIT_SET(bytes[i]))
			return false;
	return true;
}

/*
 * Text input: "\x" and hexadecimal bytes of any format, or JSON.
 */
Datum
mlops_artifact_in(PG_FUNCTION_ARGS)
{
	char	   *string = PG_GETARG_CSTRING(0);
	char	   *bytes;
	size_t		len;
	MlopsForestError error;

	if (string[0] == '\\' && string[1] == 'x')
	{
		bytea	   *decoded = DatumGetByteaPP(DirectFunctionCall1(byteain,
																  CStringGetDatum(string)));

		bytes = VARDATA_ANY(decoded);
		len = VARSIZE_ANY_EXHDR(decoded);
	}
	else
	{
		len = strlen(string);
		bytes = pg_server_to_any(string, len, PG_UTF8);
		if (bytes != string)
			len = strlen(bytes);
	}

	if (!validate(bytes, len, &error))
		mlops_ereturn(fcinfo, forest_error_fields(error));
	PG_RETURN_POINTER(build(bytes, len));
}

/*
 * Text output: the JSON text itself where that is safe, else hexadecimal.
 */
Datum
mlops_artifact_out(PG_FUNCTION_ARGS)
{
	MlopsArtifact *artifact = PG_GETARG_ARTIFACT_P(0);
	size_t		len = file_size(artifact);
	char	   *result;

	if (artifact->format == MLOPS_FORMAT_XGBOOST_JSON && is_ascii(artifact->bytes, len))
		PG_RETURN_CSTRING(pnstrdup(artifact->bytes, len));

	result = palloc_extended(add_size(mul_size(len, 2), 3), MCXT_ALLOC_HUGE);
	result[0] = '\\';
	result[1] = 'x';
	result[2 + hex_encode(artifact->bytes, len, result + 2)] = '\0';
	PG_RETURN_CSTRING(result);
}

/* binary input: the file's bytes */
Datum
mlops_artifact_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int			len = buffer->len - buffer->cursor;

	PG_RETURN_DATUM(mlops_artifact_from_bytes(pq_getmsgbytes(buffer, len), len));
}

/* binary output: the file's bytes */
Datum
mlops_artifact_send(PG_FUNCTION_ARGS)
{
	MlopsArtifact *artifact = PG_GETARG_ARTIFACT_P(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendbytes(&buffer, artifact->bytes, file_size(artifact));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/* cast from json, which is text of the server's encoding */
Datum
mlops_artifact_from_json(PG_FUNCTION_ARGS)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *bytes = pg_server_to_any(string, strlen(string), PG_UTF8);

	PG_RETURN_DATUM(mlops_artifact_from_bytes(bytes, strlen(bytes)));
}

/* cast to json; error if the file has another format */
Datum
mlops_artifact_to_json(PG_FUNCTION_ARGS)
{
	MlopsArtifact *artifact = PG_GETARG_ARTIFACT_P(0);
	size_t		len = file_size(artifact);
	char	   *string;

	if (artifact->format != MLOPS_FORMAT_XGBOOST_JSON)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_COERCE),
				 errmsg("this artifact is not JSON"),
				 errdetail("Its format is %s.", format_names[artifact->format]),
				 errhint("Cast it to bytea to get its bytes.")));
	string = pg_any_to_server(pnstrdup(artifact->bytes, len), len, PG_UTF8);
	PG_RETURN_TEXT_P(cstring_to_text(string));
}

Datum
mlops_artifact_from_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_DATUM(mlops_artifact_from_bytes(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)));
}

Datum
mlops_artifact_to_bytea(PG_FUNCTION_ARGS)
{
	MlopsArtifact *artifact = PG_GETARG_ARTIFACT_P(0);
	size_t		len = file_size(artifact);
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), artifact->bytes, len);
	PG_RETURN_BYTEA_P(result);
}

/*
 * SQL: the stored hash, without reading the rest of the value.
 */
Datum
mlops_artifact_sha256(PG_FUNCTION_ARGS)
{
	MlopsArtifact *artifact = (MlopsArtifact *)
		PG_DETOAST_DATUM_SLICE(PG_GETARG_DATUM(0), 0, MlopsArtifactHeaderSize - VARHDRSZ);
	bytea	   *result = palloc(VARHDRSZ + MLOPS_SHA256_LENGTH);

	SET_VARSIZE(result, VARHDRSZ + MLOPS_SHA256_LENGTH);
	memcpy(VARDATA(result), artifact->sha256, MLOPS_SHA256_LENGTH);
	PG_RETURN_BYTEA_P(result);
}

/*
 * SQL: what the file says of itself, as jsonb.
 */
Datum
mlops_artifact_info(PG_FUNCTION_ARGS)
{
	MlopsArtifact *artifact = PG_GETARG_ARTIFACT_P(0);
	size_t		len = file_size(artifact);
	MlopsForest *forest = mlops_artifact_read(PointerGetDatum(artifact), artifact->sha256);
	MlopsForestInfo info;
	StringInfoData json;

	mlops_forest_info(forest, &info);
	initStringInfo(&json);
	appendStringInfo(&json, "{\"format\": \"%s\", \"bytes\": %zu, \"task\": \"%s\", \"objective\": ",
					 format_names[info.format], len, task_names[info.task]);
	escape_json(&json, info.objective);
	appendStringInfoString(&json, ", \"booster\": ");
	escape_json(&json, info.booster);
	/* LightGBM writes the version of its format, not its own */
	if (info.format == MLOPS_FORMAT_LIGHTGBM)
		appendStringInfo(&json, ", \"library\": \"lightgbm\", \"library_version\": \"v%d\"",
						 info.library_version[0]);
	else
		appendStringInfo(&json, ", \"library\": \"xgboost\", \"library_version\": \"%d.%d.%d\"",
						 info.library_version[0], info.library_version[1], info.library_version[2]);
	appendStringInfo(&json, ", \"groups\": %d, \"outputs\": %d, \"rounds\": %d, \"trees\": %d, "
					 "\"nodes\": " INT64_FORMAT ", \"depth\": %d, \"features\": [",
					 info.num_groups, info.num_outputs, info.num_rounds, info.num_trees,
					 info.num_nodes, info.max_depth);
	for (int i = 0; i < info.num_features; i++)
	{
		const char *name = mlops_forest_feature_name(forest, i);

		CHECK_FOR_INTERRUPTS();
		appendStringInfoString(&json, i > 0 ? ", {\"name\": " : "{\"name\": ");
		if (name != NULL)
			escape_json(&json, pg_any_to_server(name, strlen(name), PG_UTF8));
		else
			appendStringInfoString(&json, "null");
		appendStringInfo(&json, ", \"kind\": \"%s\", \"used\": %s}",
						 mlops_forest_feature_kind(forest, i) == MLOPS_FEATURE_CATEGORICAL ?
						 "categorical" : "numeric",
						 mlops_forest_feature_used(forest, i) ? "true" : "false");
	}
	appendStringInfoString(&json, "]}");
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}
