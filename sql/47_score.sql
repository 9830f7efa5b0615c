-- file: sql/47_score.sql
-- Scores of many rows into a table, and what is running.

CREATE FUNCTION mlops.score(model mlops.modelref, query text, target text, key text)
    RETURNS TABLE(model mlops.modelref, version integer, rows_scored bigint, rows_skipped bigint,
                  rows_without_key bigint, seconds double precision)
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1
    AS 'MODULE_PATHNAME', 'mlops_score';
COMMENT ON FUNCTION mlops.score(mlops.modelref, text, text, text) IS
    'Scores the rows of a SELECT, or of a relation by its name, with one version and writes them to a table, which is created if it does not exist; rows whose key has a score of this version there are skipped, rows whose key is NULL are not scored; runs with the caller''s rights and needs privilege score; errors ML001 to ML004, ML020, 22004, 22023, 23505 (a key twice in the query), 42501, 42703, 42804, 42809 and 55000.';
REVOKE ALL ON FUNCTION mlops.score(mlops.modelref, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.score(model mlops.modelref, query text, target text, keys text[])
    RETURNS TABLE(model mlops.modelref, version integer, rows_scored bigint, rows_skipped bigint,
                  rows_without_key bigint, seconds double precision)
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1
    AS 'MODULE_PATHNAME', 'mlops_score_keys';
COMMENT ON FUNCTION mlops.score(mlops.modelref, text, text, text[]) IS
    'The same with a key of several columns, such as customer and day.';
REVOKE ALL ON FUNCTION mlops.score(mlops.modelref, text, text, text[]) FROM PUBLIC;

CREATE PROCEDURE mlops.score_batches(model mlops.modelref, query text, target text, key text,
                                     commit_every integer DEFAULT 100000,
                                     INOUT version integer DEFAULT NULL, INOUT rows_scored bigint DEFAULT NULL,
                                     INOUT rows_skipped bigint DEFAULT NULL,
                                     INOUT rows_without_key bigint DEFAULT NULL,
                                     INOUT seconds double precision DEFAULT NULL)
    LANGUAGE C
    AS 'MODULE_PATHNAME', 'mlops_score_batches';
COMMENT ON PROCEDURE mlops.score_batches(mlops.modelref, text, text, text, integer, integer, bigint, bigint, bigint, double precision) IS
    'Does what mlops.score() does and commits after every commit_every rows written, so that a run which was stopped goes on where it was when it is called again; cannot be called in a transaction block; errors as there, and 2D000.';
REVOKE ALL ON PROCEDURE mlops.score_batches(mlops.modelref, text, text, text, integer, integer, bigint, bigint, bigint, double precision) FROM PUBLIC;

CREATE PROCEDURE mlops.score_batches(model mlops.modelref, query text, target text, keys text[],
                                     commit_every integer DEFAULT 100000,
                                     INOUT version integer DEFAULT NULL, INOUT rows_scored bigint DEFAULT NULL,
                                     INOUT rows_skipped bigint DEFAULT NULL,
                                     INOUT rows_without_key bigint DEFAULT NULL,
                                     INOUT seconds double precision DEFAULT NULL)
    LANGUAGE C
    AS 'MODULE_PATHNAME', 'mlops_score_batches_keys';
COMMENT ON PROCEDURE mlops.score_batches(mlops.modelref, text, text, text[], integer, integer, bigint, bigint, bigint, double precision) IS
    'The same with a key of several columns.';
REVOKE ALL ON PROCEDURE mlops.score_batches(mlops.modelref, text, text, text[], integer, integer, bigint, bigint, bigint, double precision) FROM PUBLIC;

-- It shows what the role that calls it may see.
CREATE FUNCTION mlops.progress(OUT pid integer, OUT role name, OUT kind text, OUT model text, OUT version integer,
                               OUT phase text, OUT done bigint, OUT expected bigint, OUT unit text, OUT metric text,
                               OUT started_at timestamp with time zone, OUT job text, OUT run bigint, OUT monitor text,
                               OUT "check" bigint, OUT window_start timestamp with time zone,
                               OUT window_end timestamp with time zone) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_progress';
COMMENT ON FUNCTION mlops.progress() IS 'The rows of the view mlops.progress.';

CREATE VIEW mlops.progress WITH (security_barrier) AS
    SELECT p.pid, p.role, p.kind, p.model, p.version, p.phase, p.done, p.expected, p.unit, p.metric, p.started_at,
           p.job, p.run, p.monitor, p."check", p.window_start, p.window_end
    FROM mlops.progress() p;
COMMENT ON VIEW mlops.progress IS
    'What is running now in this database: scoring runs, trainings, cross-validations, searches and monitors with their phase, how many rows, rounds, folds, trials or checks are done and expected, the last metric, the run of a job that does it, and of a monitor the check in hand with its window; those of the viewer''s own roles, or all for members of pg_read_all_stats; empty if mlops is not preloaded.';

GRANT SELECT ON mlops.progress TO PUBLIC;
