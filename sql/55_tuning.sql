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
