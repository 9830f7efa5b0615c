-- file: sql/55_tuning.sql
-- Cross-validation and searches for parameters.

-- The experiment that runs will be of: the given one, that of the session, or
-- one of the caller's own.
CREATE FUNCTION mlops._use_experiment(experiment text, otherwise text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target text := coalesce(experiment, nullif(current_setting('mlops.experiment', true), ''),
                            otherwise || '_' || regexp_replace(mlops._caller(), '[^[:alnum:]_]', '_', 'g'));
BEGIN
    PERFORM mlops._get_experiment(target);
    RETURN target;
END
$$;
COMMENT ON FUNCTION mlops._use_experiment(text, text) IS
    'Name of the experiment that new runs will be of, which is made if there is none; errors 42501 and 42602.';
REVOKE ALL ON FUNCTION mlops._use_experiment(text, text) FROM PUBLIC;

CREATE FUNCTION mlops._record_run(kind text, model text, experiment text, name text, parent bigint,
                                  metrics jsonb, record jsonb) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_run bigint;
BEGIN
    INSERT INTO mlops.run (model_id, kind, started_at, finished_at, metrics, record, created_by, caller)
    VALUES ((SELECT m.id FROM mlops.model m WHERE m.name = model), kind, (record->>'started_at')::timestamptz,
            (record->>'finished_at')::timestamptz, metrics, record - '{kind,started_at,finished_at}'::text[],
            session_user, mlops._caller())
    RETURNING id INTO new_run;
    INSERT INTO mlops.experiment_run (run_id, experiment_id, parent_id, name, finished_at)
    VALUES (new_run, mlops._find_experiment(experiment), parent, name, (record->>'finished_at')::timestamptz);
    RETURN new_run;
END
$$;
COMMENT ON FUNCTION mlops._record_run(text, text, text, text, bigint, jsonb, jsonb) IS
    'Records a finished run of an experiment of the caller''s.';
REVOKE ALL ON FUNCTION mlops._record_run(text, text, text, text, bigint, jsonb, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops.cross_validate(
    query text,
    label text,
    params jsonb DEFAULT '{}',
    rounds integer DEFAULT 100,
    folds integer DEFAULT 5,
    group_column text DEFAULT NULL,
    time_column text DEFAULT NULL,
    stratify_column text DEFAULT NULL,
    key text DEFAULT NULL,
    seed bigint DEFAULT 0,
    early_stopping_rounds integer DEFAULT 0,
    metrics text[] DEFAULT NULL,
    scores text DEFAULT NULL,
    experiment text DEFAULT NULL,
    name text DEFAULT NULL,
    class_weight jsonb DEFAULT NULL,
    positive text DEFAULT NULL,
    features text[] DEFAULT NULL
) RETURNS TABLE(metric text, mean float8, standard_error float8, folds float8[], run bigint)
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10
    AS 'MODULE_PATHNAME', 'mlops_cross_validate';
COMMENT ON FUNCTION mlops.cross_validate(text, text, jsonb, integer, integer, text, text, text, text, bigint, integer, text[], text, text, text, jsonb, text, text[]) IS
    'Trains a model for each of some folds of the rows of a SELECT, which runs with the caller''s rights, and measures it by the rows that it was not trained with: mean, standard error and value per fold of each metric; folds by hash, group, time or stratified; with scores, a table of that name gets the scores of the rows by key; recorded as a run; errors ML030 (data, folds of one class), ML031 (training process), 22023, 42501, 42703, 42804, 42P07 and 54000.';
REVOKE ALL ON FUNCTION mlops.cross_validate(text, text, jsonb, integer, integer, text, text, text, text, bigint, integer, text[], text, text, text, jsonb, text, text[]) FROM PUBLIC;

--
-- Searches
--

-- A search's own run: it is running until it has registered a version, and
-- whoever works on it holds a lock.
CREATE FUNCTION mlops._begin_search(model text, task text, experiment text, record jsonb) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_run bigint;
BEGIN
    PERFORM mlops._check_register(model, task);
    IF NOT EXISTS (SELECT FROM mlops.model m WHERE m.name = model) THEN
        BEGIN
            PERFORM mlops._create_model(model, task, NULL, NULL);
        EXCEPTION WHEN duplicate_object THEN
            -- another session made it in the meantime
            PERFORM mlops._check_register(model, task);
        END;
    END IF;
    new_run := mlops._record_run('tune', model, experiment, 'search', NULL, '{}', record);
    UPDATE mlops.experiment_run x SET status = 'running', finished_at = NULL WHERE x.run_id = new_run;
    RETURN new_run;
END
$$;
COMMENT ON FUNCTION mlops._begin_search(text, text, text, jsonb) IS
    'Records a search that has begun, for a model that is made if there is none; returns its run.';
REVOKE ALL ON FUNCTION mlops._begin_search(text, text, text, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._resume_search(run bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    present mlops.experiment_run := mlops._require_own_run(run);
    target mlops.run;
BEGIN
    PERFORM mlops._require_run(run);
    SELECT r.* INTO STRICT target FROM mlops.run r WHERE r.id = run;
    IF target.kind <> 'tune' THEN
        RAISE EXCEPTION 'run % is not a search', run USING ERRCODE = 'object_not_in_prerequisite_state';
    ELSIF present.status <> 'running' THEN
        RAISE EXCEPTION 'search % has finished', run USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN jsonb_build_object(
        'experiment', (SELECT e.name FROM mlops.experiment e WHERE e.id = present.experiment_id),
        'arguments', target.record->'search', 'metric', target.record->'metric', 'data_hash', target.record->'data_hash',
        'trials', (SELECT coalesce(jsonb_agg(r.record->'trial' || jsonb_build_object('run', r.id)
                                             ORDER BY (r.record->'trial'->>'number')::integer), '[]')
                   FROM mlops.experiment_run x JOIN mlops.run r ON r.id = x.run_id
                   WHERE x.parent_id = _resume_search.run AND r.kind = 'trial'));
END
$$;
COMMENT ON FUNCTION mlops._resume_search(bigint) IS
    'What a search of the caller''s was asked for, and its trials; errors ML072, 42501 and 55000.';
REVOKE ALL ON FUNCTION mlops._resume_search(bigint) FROM PUBLIC;

CREATE FUNCTION mlops._end_search(run bigint, model text, version integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    present mlops.experiment_run := mlops._require_own_run(run);
BEGIN
    INSERT INTO mlops.experiment_run (run_id, experiment_id, parent_id, name, finished_at)
    SELECT r.id, present.experiment_id, run, 'best', r.finished_at
    FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id JOIN mlops.run r ON r.id = v.run_id
    WHERE m.name = model AND v.version = _end_search.version
    ON CONFLICT ON CONSTRAINT experiment_run_pkey
    DO UPDATE SET experiment_id = excluded.experiment_id, parent_id = excluded.parent_id, name = excluded.name;
    UPDATE mlops.experiment_run x SET status = 'finished', finished_at = clock_timestamp() WHERE x.run_id = run;
END
$$;
COMMENT ON FUNCTION mlops._end_search(bigint, text, integer) IS
    'Ends a search, whose best parameters have become a version.';
REVOKE ALL ON FUNCTION mlops._end_search(bigint, text, integer) FROM PUBLIC;

CREATE PROCEDURE mlops.tune(
    model text DEFAULT NULL,
    query text DEFAULT NULL,
    label text DEFAULT NULL,
    space jsonb DEFAULT NULL,
    strategy text DEFAULT 'tpe',
    trials integer DEFAULT NULL,
    metric text DEFAULT NULL,
    budget interval DEFAULT NULL,
    params jsonb DEFAULT '{}',
    key text DEFAULT NULL,
    split jsonb DEFAULT '{"test": 0.3}',
    rounds integer DEFAULT 100,
    folds integer DEFAULT 5,
    group_column text DEFAULT NULL,
    time_column text DEFAULT NULL,
    stratify_column text DEFAULT NULL,
    early_stopping_rounds integer DEFAULT 0,
    seed bigint DEFAULT 0,
    class_weight jsonb DEFAULT NULL,
    positive text DEFAULT NULL,
    features text[] DEFAULT NULL,
    experiment text DEFAULT NULL,
    description text DEFAULT NULL,
    resume bigint DEFAULT NULL,
    INOUT run bigint DEFAULT NULL,
    INOUT version mlops.modelref DEFAULT NULL,
    INOUT trials_done integer DEFAULT NULL,
    INOUT value float8 DEFAULT NULL
)
    LANGUAGE C
    AS 'MODULE_PATHNAME', 'mlops_tune';
COMMENT ON PROCEDURE mlops.tune(text, text, text, jsonb, text, integer, text, interval, jsonb, text, jsonb, integer, integer, text, text, text, integer, bigint, jsonb, text, text[], text, text, bigint, bigint, mlops.modelref, integer, float8) IS
    'Searches a space of parameters (grid, random, tpe, halving) for those with the best metric over folds of the training part, within trials and time, commits after each trial, and registers a version that is trained with the best on all of it; resume goes on with a search that was interrupted; errors ML021, ML030, ML031, ML072, 22004, 22023, 42501, 42703, 42804, 54000, 55000 and 55006.';
REVOKE ALL ON PROCEDURE mlops.tune(text, text, text, jsonb, text, integer, text, interval, jsonb, text, jsonb, integer, integer, text, text, text, integer, bigint, jsonb, text, text[], text, text, bigint, bigint, mlops.modelref, integer, float8) FROM PUBLIC;

--
-- Views
--
CREATE VIEW mlops.trials WITH (security_barrier) AS
    SELECT x.parent_id AS search,
           r.id AS run,
           e.name AS experiment,
           m.name AS model,
           (r.record OPERATOR(pg_catalog.->) 'trial' OPERATOR(pg_catalog.->>) 'number')::integer AS trial,
           r.record OPERATOR(pg_catalog.->) 'trial' OPERATOR(pg_catalog.->) 'parameters' AS parameters,
           (r.record OPERATOR(pg_catalog.->) 'trial' OPERATOR(pg_catalog.->>) 'rounds')::integer AS rounds,
           r.record OPERATOR(pg_catalog.->) 'trial' OPERATOR(pg_catalog.->>) 'metric' AS metric,
           (r.record OPERATOR(pg_catalog.->) 'trial' OPERATOR(pg_catalog.->>) 'value')::float8 AS value,
           r.metrics,
           r.started_at,
           r.finished_at
    FROM mlops.run r
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) r.model_id
    JOIN mlops.experiment_run x ON x.run_id OPERATOR(pg_catalog.=) r.id
    JOIN mlops.experiment e ON e.id OPERATOR(pg_catalog.=) x.experiment_id
    WHERE r.kind OPERATOR(pg_catalog.=) 'trial' AND mlops.has_privilege(m.name, 'read');
COMMENT ON VIEW mlops.trials IS
    'Trials of searches for parameters of models on which the viewer has privilege read: what was tried, with how many rounds, and the mean over the folds of the metric that the search goes by.';

CREATE VIEW mlops.searches WITH (security_barrier) AS
    SELECT r.id AS run,
           e.name AS experiment,
           m.name AS model,
           CASE WHEN x.status OPERATOR(pg_catalog.<>) 'running' THEN x.status
                -- whoever works on it has the lock of src/training/tune.c
                WHEN EXISTS (SELECT FROM pg_catalog.pg_locks l
                             WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.objsubid OPERATOR(pg_catalog.=) 19794
                               AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d
                                                                      WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
                               AND l.classid::bigint OPERATOR(pg_catalog.*) 4294967296 OPERATOR(pg_catalog.+) l.objid::bigint
                                   OPERATOR(pg_catalog.=) r.id)
                THEN 'running' ELSE 'interrupted' END AS status,
           r.record OPERATOR(pg_catalog.->) 'search' OPERATOR(pg_catalog.->>) 'strategy' AS strategy,
           r.record OPERATOR(pg_catalog.->) 'search' OPERATOR(pg_catalog.->) 'space' AS space,
           r.record OPERATOR(pg_catalog.->>) 'metric' AS metric,
           (r.record OPERATOR(pg_catalog.->>) 'trials')::integer AS trials_asked,
           (SELECT pg_catalog.count(*) FROM mlops.experiment_run c JOIN mlops.run t ON t.id OPERATOR(pg_catalog.=) c.run_id
            WHERE c.parent_id OPERATOR(pg_catalog.=) r.id AND t.kind OPERATOR(pg_catalog.=) 'trial') AS trials,
           v.version,
           r.started_at,
           x.finished_at,
           r.record,
           r.created_by
    FROM mlops.run r
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) r.model_id
    JOIN mlops.experiment_run x ON x.run_id OPERATOR(pg_catalog.=) r.id
    JOIN mlops.experiment e ON e.id OPERATOR(pg_catalog.=) x.experiment_id
    LEFT JOIN (mlops.experiment_run y JOIN mlops.version v ON v.run_id OPERATOR(pg_catalog.=) y.run_id)
        ON y.parent_id OPERATOR(pg_catalog.=) r.id AND v.model_id OPERATOR(pg_catalog.=) m.id
    WHERE r.kind OPERATOR(pg_catalog.=) 'tune' AND mlops.has_privilege(m.name, 'read');
COMMENT ON VIEW mlops.searches IS
    'Searches for parameters of models on which the viewer has privilege read: running, interrupted (mlops.tune(resume => run) goes on with it) or finished, how many trials are done, and the version that came of it.';

GRANT SELECT ON mlops.trials, mlops.searches TO PUBLIC;

CREATE INDEX experiment_run_parent_id_idx ON mlops.experiment_run (parent_id);
