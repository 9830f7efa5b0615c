-- file: sql/10_types.sql
-- The types mlops.modelref and mlops.artifact.

--
-- mlops.modelref: a reference to a version of a model
--
CREATE TYPE mlops.modelref;

CREATE FUNCTION mlops.modelref_in(cstring) RETURNS mlops.modelref
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_modelref_in';
COMMENT ON FUNCTION mlops.modelref_in(cstring) IS 'Input function of mlops.modelref.';

CREATE FUNCTION mlops.modelref_out(mlops.modelref) RETURNS cstring
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_modelref_out';
COMMENT ON FUNCTION mlops.modelref_out(mlops.modelref) IS 'Output function of mlops.modelref.';

CREATE FUNCTION mlops.modelref_recv(internal) RETURNS mlops.modelref
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_modelref_recv';
COMMENT ON FUNCTION mlops.modelref_recv(internal) IS 'Binary input function of mlops.modelref.';

CREATE FUNCTION mlops.modelref_send(mlops.modelref) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_modelref_send';
COMMENT ON FUNCTION mlops.modelref_send(mlops.modelref) IS 'Binary output function of mlops.modelref.';

CREATE TYPE mlops.modelref (
    INPUT = mlops.modelref_in,
    OUTPUT = mlops.modelref_out,
    RECEIVE = mlops.modelref_recv,
    SEND = mlops.modelref_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = extended
);
COMMENT ON TYPE mlops.modelref IS
    'Reference to a version of a model: model (its champion), model@alias or model/version; resolved when it is used.';

CREATE FUNCTION mlops.modelref(text) RETURNS mlops.modelref
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_modelref_from_text';
COMMENT ON FUNCTION mlops.modelref(text) IS
    'Reference written as model, model@alias or model/version; error 22P02 if it is not one.';

CREATE CAST (text AS mlops.modelref) WITH FUNCTION mlops.modelref(text) AS IMPLICIT;
CREATE CAST (mlops.modelref AS text) WITHOUT FUNCTION AS ASSIGNMENT;

CREATE FUNCTION mlops.model_name(model mlops.modelref) RETURNS text
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_modelref_model';
COMMENT ON FUNCTION mlops.model_name(mlops.modelref) IS 'Name of the model that a reference is to.';

CREATE FUNCTION mlops.modelref_lt(mlops.modelref, mlops.modelref) RETURNS boolean
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mlops_modelref_lt';
COMMENT ON FUNCTION mlops.modelref_lt(mlops.modelref, mlops.modelref) IS 'Whether the first reference is before the second.';

CREATE FUNCTION mlops.modelref_le(mlops.modelref, mlops.modelref) RETURNS boolean
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mlops_modelref_le';
COMMENT ON FUNCTION mlops.modelref_le(mlops.modelref, mlops.modelref) IS 'Whether the first reference is before or equal to the second.';

CREATE FUNCTION mlops.modelref_eq(mlops.modelref, mlops.modelref) RETURNS boolean
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mlops_modelref_eq';
COMMENT ON FUNCTION mlops.modelref_eq(mlops.modelref, mlops.modelref) IS 'Whether the first reference is the same as the second.';

CREATE FUNCTION mlops.modelref_ne(mlops.modelref, mlops.modelref) RETURNS boolean
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mlops_modelref_ne';
COMMENT ON FUNCTION mlops.modelref_ne(mlops.modelref, mlops.modelref) IS 'Whether the first reference is another than the second.';

CREATE FUNCTION mlops.modelref_ge(mlops.modelref, mlops.modelref) RETURNS boolean
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mlops_modelref_ge';
COMMENT ON FUNCTION mlops.modelref_ge(mlops.modelref, mlops.modelref) IS 'Whether the first reference is after or equal to the second.';

CREATE FUNCTION mlops.modelref_gt(mlops.modelref, mlops.modelref) RETURNS boolean
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mlops_modelref_gt';
COMMENT ON FUNCTION mlops.modelref_gt(mlops.modelref, mlops.modelref) IS 'Whether the first reference is after the second.';

CREATE OPERATOR mlops.< (
    LEFTARG = mlops.modelref, RIGHTARG = mlops.modelref, FUNCTION = mlops.modelref_lt,
    COMMUTATOR = OPERATOR(mlops.>), NEGATOR = OPERATOR(mlops.>=),
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR mlops.< (mlops.modelref, mlops.modelref) IS 'Whether the first reference is before the second.';

CREATE OPERATOR mlops.<= (
    LEFTARG = mlops.modelref, RIGHTARG = mlops.modelref, FUNCTION = mlops.modelref_le,
    COMMUTATOR = OPERATOR(mlops.>=), NEGATOR = OPERATOR(mlops.>),
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR mlops.<= (mlops.modelref, mlops.modelref) IS 'Whether the first reference is before or equal to the second.';

CREATE OPERATOR mlops.= (
    LEFTARG = mlops.modelref, RIGHTARG = mlops.modelref, FUNCTION = mlops.modelref_eq,
    COMMUTATOR = OPERATOR(mlops.=), NEGATOR = OPERATOR(mlops.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR mlops.= (mlops.modelref, mlops.modelref) IS 'Whether the first reference is the same as the second.';

CREATE OPERATOR mlops.<> (
    LEFTARG = mlops.modelref, RIGHTARG = mlops.modelref, FUNCTION = mlops.modelref_ne,
    COMMUTATOR = OPERATOR(mlops.<>), NEGATOR = OPERATOR(mlops.=),
    RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR mlops.<> (mlops.modelref, mlops.modelref) IS 'Whether the first reference is another than the second.';

CREATE OPERATOR mlops.>= (
    LEFTARG = mlops.modelref, RIGHTARG = mlops.modelref, FUNCTION = mlops.modelref_ge,
    COMMUTATOR = OPERATOR(mlops.<=), NEGATOR = OPERATOR(mlops.<),
    RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR mlops.>= (mlops.modelref, mlops.modelref) IS 'Whether the first reference is after or equal to the second.';

CREATE OPERATOR mlops.> (
    LEFTARG = mlops.modelref, RIGHTARG = mlops.modelref, FUNCTION = mlops.modelref_gt,
    COMMUTATOR = OPERATOR(mlops.<), NEGATOR = OPERATOR(mlops.<=),
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR mlops.> (mlops.modelref, mlops.modelref) IS 'Whether the first reference is after the second.';

CREATE FUNCTION mlops.modelref_cmp(mlops.modelref, mlops.modelref) RETURNS integer
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mlops_modelref_cmp';
COMMENT ON FUNCTION mlops.modelref_cmp(mlops.modelref, mlops.modelref) IS
    'Order of two references: by model, then aliases by their bytes, then versions by number.';

CREATE FUNCTION mlops.modelref_hash(mlops.modelref) RETURNS integer
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mlops_modelref_hash';
COMMENT ON FUNCTION mlops.modelref_hash(mlops.modelref) IS 'Hash of a reference.';

CREATE FUNCTION mlops.modelref_hash_extended(mlops.modelref, bigint) RETURNS bigint
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mlops_modelref_hash_extended';
COMMENT ON FUNCTION mlops.modelref_hash_extended(mlops.modelref, bigint) IS 'Hash of a reference with a seed.';

CREATE OPERATOR CLASS mlops.modelref_ops DEFAULT FOR TYPE mlops.modelref USING btree AS
    OPERATOR 1 mlops.<,
    OPERATOR 2 mlops.<=,
    OPERATOR 3 mlops.=,
    OPERATOR 4 mlops.>=,
    OPERATOR 5 mlops.>,
    FUNCTION 1 mlops.modelref_cmp(mlops.modelref, mlops.modelref);
COMMENT ON OPERATOR CLASS mlops.modelref_ops USING btree IS 'Order of references: by model, aliases, versions.';

CREATE OPERATOR CLASS mlops.modelref_ops DEFAULT FOR TYPE mlops.modelref USING hash AS
    OPERATOR 1 mlops.=,
    FUNCTION 1 mlops.modelref_hash(mlops.modelref),
    FUNCTION 2 mlops.modelref_hash_extended(mlops.modelref, bigint);
COMMENT ON OPERATOR CLASS mlops.modelref_ops USING hash IS 'Equality of references.';

--
-- mlops.artifact: a validated model file
--
CREATE TYPE mlops.artifact;

CREATE FUNCTION mlops.artifact_in(cstring) RETURNS mlops.artifact
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_artifact_in';
COMMENT ON FUNCTION mlops.artifact_in(cstring) IS 'Input function of mlops.artifact.';

CREATE FUNCTION mlops.artifact_out(mlops.artifact) RETURNS cstring
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_artifact_out';
COMMENT ON FUNCTION mlops.artifact_out(mlops.artifact) IS 'Output function of mlops.artifact.';

CREATE FUNCTION mlops.artifact_recv(internal) RETURNS mlops.artifact
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_artifact_recv';
COMMENT ON FUNCTION mlops.artifact_recv(internal) IS 'Binary input function of mlops.artifact.';

CREATE FUNCTION mlops.artifact_send(mlops.artifact) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_artifact_send';
COMMENT ON FUNCTION mlops.artifact_send(mlops.artifact) IS 'Binary output function of mlops.artifact.';

CREATE TYPE mlops.artifact (
    INPUT = mlops.artifact_in,
    OUTPUT = mlops.artifact_out,
    RECEIVE = mlops.artifact_recv,
    SEND = mlops.artifact_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = extended
);
COMMENT ON TYPE mlops.artifact IS
    'Model file of at most 256 MB, kept as its bytes were given and validated in full: XGBoost JSON as text, or \x and the bytes of XGBoost UBJSON or of a LightGBM text file; errors ML010 (damaged), ML011 (not supported) and 54000 (beyond a limit).';

CREATE FUNCTION mlops.artifact(json) RETURNS mlops.artifact
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_artifact_from_json';
COMMENT ON FUNCTION mlops.artifact(json) IS
    'Artifact of a model file in XGBoost JSON; errors ML010, ML011 and 54000.';

CREATE FUNCTION mlops.artifact(bytea) RETURNS mlops.artifact
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_artifact_from_bytea';
COMMENT ON FUNCTION mlops.artifact(bytea) IS
    'Artifact of a model file''s bytes in any supported format; errors ML010, ML011 and 54000.';

CREATE FUNCTION mlops.artifact_to_bytea(mlops.artifact) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_artifact_to_bytea';
COMMENT ON FUNCTION mlops.artifact_to_bytea(mlops.artifact) IS 'Bytes of a model file as they were given.';

CREATE FUNCTION mlops.artifact_to_json(mlops.artifact) RETURNS json
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_artifact_to_json';
COMMENT ON FUNCTION mlops.artifact_to_json(mlops.artifact) IS
    'JSON of a model file; error 42846 if its format is another.';

CREATE CAST (json AS mlops.artifact) WITH FUNCTION mlops.artifact(json) AS ASSIGNMENT;
CREATE CAST (bytea AS mlops.artifact) WITH FUNCTION mlops.artifact(bytea) AS ASSIGNMENT;
CREATE CAST (mlops.artifact AS bytea) WITH FUNCTION mlops.artifact_to_bytea(mlops.artifact) AS ASSIGNMENT;
CREATE CAST (mlops.artifact AS json) WITH FUNCTION mlops.artifact_to_json(mlops.artifact) AS ASSIGNMENT;

CREATE FUNCTION mlops.artifact_sha256(artifact mlops.artifact) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_artifact_sha256';
COMMENT ON FUNCTION mlops.artifact_sha256(mlops.artifact) IS
    'SHA-256 of a model file''s bytes, 32 bytes.';

CREATE FUNCTION mlops.artifact_info(artifact mlops.artifact) RETURNS jsonb
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_artifact_info';
COMMENT ON FUNCTION mlops.artifact_info(mlops.artifact) IS
    'What a model file says of itself: format, bytes, task, objective, booster, library and its version, counts of groups, outputs, rounds, trees and nodes, depth, and features with name, kind and whether a split uses them.';
