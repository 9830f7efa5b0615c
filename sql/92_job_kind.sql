-- file: sql/92_job_kind.sql
-- Jobs of a kind: commands that are made here, after src/worker/planned.c has
-- tried, with the rights of the caller, whether they could run.

-- A statement that scores no row and fails as a run would.
CREATE FUNCTION mlops._probe_scoring(model text, source text, target text, keys text[]) RETURNS text
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('SELECT s.rows_scored FROM mlops.score(model => %L, query => %L, target => %L, keys => %L::pg_catalog.text[]) s',
                  model,
                  CASE WHEN source ~ '^\s*("[^"]+"|[[:alpha:]_][[:alnum:]_$]*)(\s*\.\s*("[^"]+"|[[:alpha:]_][[:alnum:]_$]*))*\s*$'
                       THEN format('SELECT * FROM %s LIMIT 0', source)
                       ELSE format(E'SELECT * FROM (%s\n) q LIMIT 0', regexp_replace(source, ';\s*$', '')) END,
                  target, keys)
$$;
COMMENT ON FUNCTION mlops._probe_scoring(text, text, text, text[]) IS 'Statement that fails if the caller could not score these rows.';
REVOKE ALL ON FUNCTION mlops._probe_scoring(text, text, text, text[]) FROM PUBLIC;

CREATE FUNCTION mlops._schedule_scoring(name text, schedule text, model text, source text, target text, keys text[],
                                        commit_every integer, time_zone text, timeout interval, retries integer)
    RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF model IS NULL OR source IS NULL OR target IS NULL OR keys IS NULL OR commit_every IS NULL THEN
        RAISE EXCEPTION 'a scoring job needs a model, a source, a target, keys and commit_every'
            USING ERRCODE = 'null_value_not_allowed';
    ELSIF commit_every < 1 THEN
        RAISE EXCEPTION 'commit_every must be at least 1' USING ERRCODE = 'invalid_parameter_value';
    ELSIF NOT has_function_privilege(mlops._caller(), (SELECT p.oid FROM pg_proc p
                                                       WHERE p.pronamespace = 'mlops'::regnamespace AND p.proname = 'score_batches'
                                                         AND p.proargtypes[3] = 'text[]'::regtype), 'EXECUTE') THEN
        RAISE EXCEPTION 'permission denied for procedure mlops.score_batches'
            USING ERRCODE = 'insufficient_privilege', DETAIL = 'The job calls it as its owner.';
    END IF;
    PERFORM mlops._check_job_name(name);
    RETURN (SELECT j.next_run_at
            FROM mlops._make_job('scoring', name, schedule,
                                 format('CALL mlops.score_batches(model => %L, query => %L, target => %L, keys => %L::pg_catalog.text[], commit_every => %s)',
                                        model, source, target, keys, commit_every),
                                 time_zone, timeout, retries) j);
END
$$;
COMMENT ON FUNCTION mlops._schedule_scoring(text, text, text, text, text, text[], integer, text, interval, integer) IS
    'Body of mlops.schedule_scoring(), without the trial.';
REVOKE ALL ON FUNCTION mlops._schedule_scoring(text, text, text, text, text, text[], integer, text, interval, integer) FROM PUBLIC;

CREATE FUNCTION mlops.schedule_scoring(name text, schedule text, model text, source text, target text, keys text[],
                                       commit_every integer DEFAULT 100000, time_zone text DEFAULT NULL,
                                       timeout interval DEFAULT NULL, retries integer DEFAULT 3)
    RETURNS timestamp with time zone
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_schedule_scoring';
COMMENT ON FUNCTION mlops.schedule_scoring(text, text, text, text, text, text[], integer, text, interval, integer) IS
    'Makes a job that scores the rows of a relation or SELECT into a table by mlops.score_batches(), each key once for each version, so that a run which was stopped goes on where it was; first tries it with no rows, under the search_path that a new session of the caller has; returns the time of the first run; errors as of mlops.schedule() and mlops.score().';
REVOKE ALL ON FUNCTION mlops.schedule_scoring(text, text, text, text, text, text[], integer, text, interval, integer) FROM PUBLIC;

CREATE FUNCTION mlops._schedule_training(name text, schedule text, model text, query text, reason text, change_ref text,
                                         time_zone text, timeout interval, retries integer)
    RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF model IS NULL THEN
        RAISE EXCEPTION 'no model was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM mlops._check_reason(reason);
    PERFORM mlops._check_job_name(name);
    RETURN (SELECT j.next_run_at
            FROM mlops._make_job('training', name, schedule,
                                 format('SELECT * FROM mlops.retrain(model => %L, query => %L, reason => %L, change_ref => %L)',
                                        model, query, reason, change_ref),
                                 time_zone, timeout, retries) j);
END
$$;
COMMENT ON FUNCTION mlops._schedule_training(text, text, text, text, text, text, text, interval, integer) IS
    'Body of mlops.schedule_training(), without the trial.';
REVOKE ALL ON FUNCTION mlops._schedule_training(text, text, text, text, text, text, text, interval, integer) FROM PUBLIC;

CREATE FUNCTION mlops.schedule_training(name text, schedule text, model text, query text DEFAULT NULL,
                                        reason text DEFAULT NULL, change_ref text DEFAULT NULL,
                                        time_zone text DEFAULT NULL, timeout interval DEFAULT NULL,
                                        retries integer DEFAULT 1)
    RETURNS timestamp with time zone
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_schedule_training';
COMMENT ON FUNCTION mlops.schedule_training(text, text, text, text, text, text, text, interval, integer) IS
    'Makes a job that trains the champion of a model (or another version) again by mlops.retrain(); first looks whether the caller could do so now, and read the query; returns the time of the first run; errors as of mlops.schedule() and mlops.retrain().';
REVOKE ALL ON FUNCTION mlops.schedule_training(text, text, text, text, text, text, text, interval, integer) FROM PUBLIC;
