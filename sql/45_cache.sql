-- file: sql/45_cache.sql
-- What is ready to score, and what was scored.

CREATE FUNCTION mlops.preload(model mlops.modelref) RETURNS bigint
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_preload';
COMMENT ON FUNCTION mlops.preload(mlops.modelref) IS
    'Brings a version into the shared cache, so that no session has to read it at its first score; the size of its copy there in bytes, NULL with a notice that says why if there is none; needs privilege score; errors ML001 to ML003, ML012, ML013 and 42501.';

-- Both functions show what the role that calls them may see.
CREATE FUNCTION mlops.stat_cache(OUT database name, OUT model text, OUT version integer, OUT place text,
                                 OUT bytes bigint, OUT pins integer, OUT hits bigint, OUT loads bigint,
                                 OUT last_used timestamp with time zone) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_stat_cache';
COMMENT ON FUNCTION mlops.stat_cache() IS 'The rows of the view mlops.stat_cache.';

CREATE VIEW mlops.stat_cache WITH (security_barrier) AS
    SELECT c.database, c.model, c.version, c.place, c.bytes, c.pins, c.hits, c.loads, c.last_used
    FROM mlops.stat_cache() c;
COMMENT ON VIEW mlops.stat_cache IS
    'Versions that are ready to score, in the shared cache of the cluster and in this session''s own memory (place): size in bytes, sessions that use it now, times it was found, times its file was read; model and version are NULL for those who have no privilege on the model.';

CREATE FUNCTION mlops.stat_models(OUT model text, OUT version integer, OUT calls bigint, OUT rows bigint,
                                  OUT errors bigint, OUT null_rows bigint, OUT missing_columns bigint,
                                  OUT unseen_categories bigint, OUT total_time double precision,
                                  OUT p50_time double precision, OUT p95_time double precision,
                                  OUT p99_time double precision,
                                  OUT since timestamp with time zone) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_stat_models';
COMMENT ON FUNCTION mlops.stat_models() IS 'The rows of the view mlops.stat_models.';

CREATE VIEW mlops.stat_models WITH (security_barrier) AS
    SELECT s.model, s.version, s.calls, s.rows, s.errors, s.null_rows, s.missing_columns, s.unseen_categories,
           s.total_time, s.p50_time, s.p95_time, s.p99_time, s.since
    FROM mlops.stat_models() s;
COMMENT ON VIEW mlops.stat_models IS
    'What each version of this database has scored since the server started or the figures were reset: statements, rows, errors, rows with NULL in a used feature, missing columns, unseen categories, and milliseconds of scoring, in all and by statement; of models on which the viewer has any privilege.';

CREATE FUNCTION mlops.stat_models_reset() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_stat_models_reset';
COMMENT ON FUNCTION mlops.stat_models_reset() IS
    'Sets the figures of mlops.stat_models of this database to nothing.';
REVOKE ALL ON FUNCTION mlops.stat_models_reset() FROM PUBLIC;

GRANT SELECT ON mlops.stat_cache, mlops.stat_models TO PUBLIC;
