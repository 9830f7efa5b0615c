-- file: sql/54_experiment.sql
-- Experiments: runs of trainings and runs made elsewhere, compared and repeated.
--
-- What a run recorded is in mlops.run and never changes.  Here stands what
-- people make of it: which experiment it belongs to, under which name, with
-- what tags and notes, and metrics that come in while it goes on elsewhere.
-- An experiment is its owner's; a run of a model is seen by who may read the
-- model too.

CREATE SEQUENCE mlops.experiment_id_seq;
CREATE TABLE mlops.experiment (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.experiment_id_seq'::pg_catalog.regclass),
    name text NOT NULL UNIQUE CHECK (mlops._valid_name(name)),
    description text,
    tags jsonb NOT NULL DEFAULT '{}' CHECK (pg_catalog.jsonb_typeof(tags) OPERATOR(pg_catalog.=) 'object'),
    role oid,
    role_name name NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    created_by name NOT NULL
);
COMMENT ON TABLE mlops.experiment IS 'Private: one row per experiment; view mlops.experiments.';

CREATE TABLE mlops.experiment_run (
    run_id bigint PRIMARY KEY,
    experiment_id bigint NOT NULL,
    parent_id bigint,
    name text,
    status text NOT NULL DEFAULT 'finished'
        CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['running', 'finished', 'failed', 'stopped'])),
    finished_at timestamp with time zone,
    tags jsonb NOT NULL DEFAULT '{}' CHECK (pg_catalog.jsonb_typeof(tags) OPERATOR(pg_catalog.=) 'object'),
    CHECK (parent_id OPERATOR(pg_catalog.<>) run_id),
    CHECK ((status OPERATOR(pg_catalog.=) 'running') OPERATOR(pg_catalog.=) (finished_at IS NULL))
);
CREATE INDEX experiment_run_experiment_id_idx ON mlops.experiment_run (experiment_id);
COMMENT ON TABLE mlops.experiment_run IS
    'Private: the experiment of a run, its parent, name, state and tags; view mlops.experiment_runs.';

CREATE TABLE mlops.run_metric (
    run_id bigint NOT NULL,
    name text NOT NULL,
    step bigint NOT NULL,
    value float8 NOT NULL,
    logged_at timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (run_id, name, step)
);
COMMENT ON TABLE mlops.run_metric IS 'Private: metrics of runs made elsewhere, by step; view mlops.run_metrics.';

CREATE SEQUENCE mlops.run_note_id_seq;
CREATE TABLE mlops.run_note (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.run_note_id_seq'::pg_catalog.regclass),
    run_id bigint NOT NULL,
    note text NOT NULL CHECK (note OPERATOR(pg_catalog.~) '[^[:space:]]'),
    noted_at timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    noted_by name NOT NULL
);
CREATE INDEX run_note_run_id_idx ON mlops.run_note (run_id);
COMMENT ON TABLE mlops.run_note IS 'Private: what people wrote about runs; view mlops.experiment_runs.';

SELECT pg_catalog.pg_extension_config_dump('mlops.experiment', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.experiment_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.experiment_run', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.run_metric', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.run_note', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.run_note_id_seq', '');

REVOKE ALL ON mlops.experiment, mlops.experiment_run, mlops.run_metric, mlops.run_note FROM PUBLIC;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.run_metric
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.run_note
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.experiment
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.experiment_run
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.run_metric ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.run_note ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.experiment ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.experiment_run ENABLE ALWAYS TRIGGER refuse_change;

CREATE FUNCTION mlops._set_experiment_role() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.role := (SELECT r.oid FROM pg_roles r WHERE r.rolname = NEW.role_name);
    IF NEW.role IS NULL THEN
        RAISE WARNING 'role "%" does not exist', NEW.role_name
            USING DETAIL = format('Experiment "%s" can be seen by superusers only.', NEW.name);
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION mlops._set_experiment_role() IS
    'Trigger function of mlops.experiment: the OID of a role from its name.';
REVOKE ALL ON FUNCTION mlops._set_experiment_role() FROM PUBLIC;
CREATE TRIGGER set_role BEFORE INSERT ON mlops.experiment
    FOR EACH ROW EXECUTE FUNCTION mlops._set_experiment_role();
ALTER TABLE mlops.experiment ENABLE ALWAYS TRIGGER set_role;

--
-- Rights and look-up
--
CREATE FUNCTION mlops._owns_experiment(role oid) RETURNS boolean
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(pg_has_role(mlops._caller(), role, 'USAGE'), false)
           OR (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = mlops._caller())
$$;
COMMENT ON FUNCTION mlops._owns_experiment(oid) IS 'Whether the caller is a member of the role that owns an experiment.';
REVOKE ALL ON FUNCTION mlops._owns_experiment(oid) FROM PUBLIC;

CREATE FUNCTION mlops._find_experiment(experiment text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint;
BEGIN
    SELECT e.id INTO target FROM mlops.experiment e WHERE e.name = experiment AND mlops._owns_experiment(e.role);
    IF target IS NULL THEN
        RAISE EXCEPTION 'experiment "%" does not exist', experiment
            USING ERRCODE = 'ML072', HINT = 'View mlops.experiments lists those that you may see.';
    END IF;
    RETURN target;
END
$$;
COMMENT ON FUNCTION mlops._find_experiment(text) IS 'Row of an experiment that the caller may see; error ML072.';
REVOKE ALL ON FUNCTION mlops._find_experiment(text) FROM PUBLIC;

-- Error unless the caller may see a run: of a model that he may read, or of an
-- experiment of his alone if it is of no model.
CREATE FUNCTION mlops._require_run(run bigint) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target mlops.run;
BEGIN
    SELECT r.* INTO target FROM mlops.run r WHERE r.id = run;
    IF target.model_id IS NOT NULL THEN
        PERFORM mlops._require((SELECT m.name FROM mlops.model m WHERE m.id = target.model_id), 'read');
    ELSIF target.id IS NULL
          OR NOT EXISTS (SELECT FROM mlops.experiment_run x JOIN mlops.experiment e ON e.id = x.experiment_id
                         WHERE x.run_id = run AND mlops._owns_experiment(e.role)) THEN
        RAISE EXCEPTION 'run % does not exist', run
            USING ERRCODE = 'ML072', HINT = 'Views mlops.runs and mlops.experiment_runs list those that you may see.';
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._require_run(bigint) IS 'Error ML072 or 42501 unless the caller may see a run.';
REVOKE ALL ON FUNCTION mlops._require_run(bigint) FROM PUBLIC;

-- The experiment of this name, which is made if there is none.
CREATE FUNCTION mlops._get_experiment(experiment text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT mlops._valid_name(experiment) THEN
        RAISE EXCEPTION 'invalid name of an experiment: "%"', experiment USING ERRCODE = 'invalid_name';
    END IF;
    INSERT INTO mlops.experiment (name, role_name, created_by) VALUES (experiment, mlops._caller(), session_user)
    ON CONFLICT DO NOTHING;
    IF NOT (SELECT mlops._owns_experiment(e.role) FROM mlops.experiment e WHERE e.name = experiment) THEN
        RAISE EXCEPTION 'permission denied for experiment "%"', experiment
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'The name belongs to the role that used it first: take another one.';
    END IF;
    RETURN mlops._find_experiment(experiment);
END
$$;
COMMENT ON FUNCTION mlops._get_experiment(text) IS 'Experiment by its name, made if there is none; errors 42501 and 42602.';
REVOKE ALL ON FUNCTION mlops._get_experiment(text) FROM PUBLIC;

-- Called for each new run of a model.
CREATE FUNCTION mlops._join_experiment(run bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    experiment text := nullif(current_setting('mlops.experiment', true), '');
BEGIN
    IF experiment IS NOT NULL THEN
        INSERT INTO mlops.experiment_run (run_id, experiment_id, finished_at)
        SELECT r.id, mlops._get_experiment(experiment), r.finished_at FROM mlops.run r WHERE r.id = run;
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._join_experiment(bigint) IS 'Adds a new run to the experiment that mlops.experiment names, if it does.';
REVOKE ALL ON FUNCTION mlops._join_experiment(bigint) FROM PUBLIC;

--
-- Experiments
--
CREATE FUNCTION mlops._create_experiment(name text, description text, tags jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF name IS NULL OR tags IS NULL THEN
        RAISE EXCEPTION 'an experiment needs a name and tags' USING ERRCODE = 'null_value_not_allowed';
    ELSIF NOT mlops._valid_name(name) THEN
        RAISE EXCEPTION 'invalid name of an experiment: "%"', name USING ERRCODE = 'invalid_name';
    ELSIF jsonb_typeof(tags) <> 'object' THEN
        RAISE EXCEPTION 'tags must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO mlops.experiment (name, description, tags, role_name, created_by)
    VALUES (name, description, tags, mlops._caller(), session_user)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'experiment "%" already exists', name USING ERRCODE = 'duplicate_object';
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._create_experiment(text, text, jsonb) IS 'Body of mlops.create_experiment().';
REVOKE ALL ON FUNCTION mlops._create_experiment(text, text, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops.create_experiment(name text, description text DEFAULT NULL, tags jsonb DEFAULT '{}') RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.create_experiment(text, text, jsonb) IS
    'Creates an experiment, which the caller owns; the first run of a name does so too; errors 22004, 22023, 42602 and 42710.';
REVOKE ALL ON FUNCTION mlops.create_experiment(text, text, jsonb) FROM PUBLIC;

-- Parents are of the same experiment, and no run is its own ancestor.
CREATE FUNCTION mlops._check_parent(run bigint, parent bigint, experiment_id bigint) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF parent IS NULL THEN
        RETURN;
    ELSIF NOT EXISTS (SELECT FROM mlops.experiment_run x WHERE x.run_id = parent AND x.experiment_id = _check_parent.experiment_id) THEN
        RAISE EXCEPTION 'run % is not of this experiment', parent USING ERRCODE = 'ML072';
    ELSIF EXISTS (WITH RECURSIVE up (id) AS (
                      SELECT parent
                      UNION SELECT x.parent_id FROM up JOIN mlops.experiment_run x ON x.run_id = up.id)
                  SELECT FROM up WHERE up.id = run) THEN
        RAISE EXCEPTION 'a run cannot be its own parent' USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._check_parent(bigint, bigint, bigint) IS 'Error ML072 or 22023 unless a run may have this parent.';
REVOKE ALL ON FUNCTION mlops._check_parent(bigint, bigint, bigint) FROM PUBLIC;

CREATE FUNCTION mlops._add_run(experiment text, run bigint, name text, parent bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint;
    present bigint;
BEGIN
    PERFORM mlops._require_run(run);
    SELECT x.experiment_id INTO present FROM mlops.experiment_run x WHERE x.run_id = run FOR NO KEY UPDATE;
    IF present IS NOT NULL AND NOT (SELECT mlops._owns_experiment(e.role) FROM mlops.experiment e WHERE e.id = present) THEN
        RAISE EXCEPTION 'run % is of an experiment of others', run USING ERRCODE = 'insufficient_privilege';
    END IF;
    target := mlops._get_experiment(experiment);
    PERFORM mlops._check_parent(run, parent, target);
    INSERT INTO mlops.experiment_run AS x (run_id, experiment_id, parent_id, name, finished_at)
    SELECT r.id, target, parent, name, r.finished_at FROM mlops.run r WHERE r.id = run
    ON CONFLICT ON CONSTRAINT experiment_run_pkey
    DO UPDATE SET experiment_id = target, parent_id = parent, name = coalesce(excluded.name, x.name);
END
$$;
COMMENT ON FUNCTION mlops._add_run(text, bigint, text, bigint) IS 'Body of mlops.add_run().';
REVOKE ALL ON FUNCTION mlops._add_run(text, bigint, text, bigint) FROM PUBLIC;

CREATE FUNCTION mlops.add_run(experiment text, run bigint, name text DEFAULT NULL, parent bigint DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.add_run(text, bigint, text, bigint) IS
    'Puts a run into an experiment, which it leaves another for, with a name and a parent of the same experiment; errors ML072, 22023 and 42501.';
REVOKE ALL ON FUNCTION mlops.add_run(text, bigint, text, bigint) FROM PUBLIC;

--
-- Runs made elsewhere
--
CREATE FUNCTION mlops._log_run(experiment text, params jsonb, metrics jsonb, name text, parent bigint, tags jsonb,
                               status text, started_at timestamptz, finished_at timestamptz, record jsonb) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint;
    new_run bigint;
    start timestamptz := coalesce(started_at, finished_at, clock_timestamp());
    finish timestamptz := CASE WHEN status <> 'running' THEN coalesce(finished_at, greatest(start, clock_timestamp())) END;
BEGIN
    IF experiment IS NULL OR params IS NULL OR metrics IS NULL OR tags IS NULL OR record IS NULL THEN
        RAISE EXCEPTION 'experiment, params, metrics, tags and record cannot be NULL' USING ERRCODE = 'null_value_not_allowed';
    ELSIF jsonb_typeof(params) <> 'object' OR jsonb_typeof(metrics) <> 'object' OR jsonb_typeof(tags) <> 'object' OR jsonb_typeof(record) <> 'object' THEN
        RAISE EXCEPTION 'params, metrics, tags and record must be JSON objects' USING ERRCODE = 'invalid_parameter_value';
    ELSIF EXISTS (SELECT FROM jsonb_each(metrics) m WHERE jsonb_typeof(m.value) NOT IN ('number', 'null')) THEN
        RAISE EXCEPTION 'metrics must be numbers' USING ERRCODE = 'invalid_parameter_value';
    ELSIF status IS NULL OR status NOT IN ('running', 'finished', 'failed', 'stopped') THEN
        RAISE EXCEPTION 'unknown status "%"', status
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It is running, finished, failed or stopped.';
    ELSIF finish < start THEN
        RAISE EXCEPTION 'a run cannot finish before it started' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    target := mlops._get_experiment(experiment);
    INSERT INTO mlops.run (kind, started_at, finished_at, metrics, record, created_by, caller)
    VALUES ('external', start, coalesce(finish, start), metrics, record || jsonb_build_object('params', params), session_user, mlops._caller())
    RETURNING id INTO new_run;
    PERFORM mlops._check_parent(new_run, parent, target);
    INSERT INTO mlops.experiment_run (run_id, experiment_id, parent_id, name, status, finished_at, tags)
    VALUES (new_run, target, parent, name, status, finish, tags);
    RETURN new_run;
END
$$;
COMMENT ON FUNCTION mlops._log_run(text, jsonb, jsonb, text, bigint, jsonb, text, timestamptz, timestamptz, jsonb) IS 'Body of mlops.log_run().';
REVOKE ALL ON FUNCTION mlops._log_run(text, jsonb, jsonb, text, bigint, jsonb, text, timestamptz, timestamptz, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops.log_run(experiment text, params jsonb DEFAULT '{}', metrics jsonb DEFAULT '{}', name text DEFAULT NULL,
                              parent bigint DEFAULT NULL, tags jsonb DEFAULT '{}', status text DEFAULT 'finished',
                              started_at timestamptz DEFAULT NULL, finished_at timestamptz DEFAULT NULL, record jsonb DEFAULT '{}') RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.log_run(text, jsonb, jsonb, text, bigint, jsonb, text, timestamptz, timestamptz, jsonb) IS
    'Records a run that was made elsewhere and returns its number; with status running it goes on, and mlops.finish_run() ends it; errors ML072, 22004, 22023 and 42501.';
REVOKE ALL ON FUNCTION mlops.log_run(text, jsonb, jsonb, text, bigint, jsonb, text, timestamptz, timestamptz, jsonb) FROM PUBLIC;

-- The experiment's run, if the caller may change it.
CREATE FUNCTION mlops._require_own_run(run bigint) RETURNS mlops.experiment_run
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target mlops.experiment_run;
BEGIN
    SELECT x.* INTO target FROM mlops.experiment_run x JOIN mlops.experiment e ON e.id = x.experiment_id
    WHERE x.run_id = run AND mlops._owns_experiment(e.role) FOR NO KEY UPDATE OF x;
    IF target.run_id IS NULL THEN
        RAISE EXCEPTION 'run % is not of an experiment that you own', run
            USING ERRCODE = 'ML072', HINT = 'View mlops.experiment_runs lists them; mlops.add_run() adds one.';
    END IF;
    RETURN target;
END
$$;
COMMENT ON FUNCTION mlops._require_own_run(bigint) IS 'Row of a run in an experiment of the caller''s; error ML072.';
REVOKE ALL ON FUNCTION mlops._require_own_run(bigint) FROM PUBLIC;

CREATE FUNCTION mlops._log_metric(run bigint, name text, value float8, step bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF name IS NULL OR value IS NULL THEN
        RAISE EXCEPTION 'a metric needs a name and a value' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM mlops._require_own_run(run);
    IF NOT EXISTS (SELECT FROM mlops.run r WHERE r.id = run AND r.kind = 'external') THEN
        RAISE EXCEPTION 'run % was made by mlops, which recorded its metrics', run USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    step := coalesce(step, (SELECT max(m.step) + 1 FROM mlops.run_metric m WHERE m.run_id = run AND m.name = _log_metric.name), 0);
    INSERT INTO mlops.run_metric (run_id, name, step, value) VALUES (run, name, step, value) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'run % has metric "%" for step % already', run, name, step USING ERRCODE = 'unique_violation';
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._log_metric(bigint, text, float8, bigint) IS 'Body of mlops.log_metric().';
REVOKE ALL ON FUNCTION mlops._log_metric(bigint, text, float8, bigint) FROM PUBLIC;

CREATE FUNCTION mlops.log_metric(run bigint, name text, value float8, step bigint DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.log_metric(bigint, text, float8, bigint) IS
    'Adds a value of a metric, by default as the next step, to a run that was made elsewhere; errors ML072, 22004, 23505 and 55000.';
REVOKE ALL ON FUNCTION mlops.log_metric(bigint, text, float8, bigint) FROM PUBLIC;

CREATE FUNCTION mlops._finish_run(run bigint, status text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    present mlops.experiment_run := mlops._require_own_run(run);
BEGIN
    IF status IS NULL OR status NOT IN ('finished', 'failed', 'stopped') THEN
        RAISE EXCEPTION 'unknown status "%"', status
            USING ERRCODE = 'invalid_parameter_value', HINT = 'A run ends finished, failed or stopped.';
    ELSIF present.status <> 'running' THEN
        RAISE EXCEPTION 'run % is % already', run, present.status USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    UPDATE mlops.experiment_run x SET status = _finish_run.status, finished_at = clock_timestamp() WHERE x.run_id = run;
END
$$;
COMMENT ON FUNCTION mlops._finish_run(bigint, text) IS 'Body of mlops.finish_run().';
REVOKE ALL ON FUNCTION mlops._finish_run(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops.finish_run(run bigint, status text DEFAULT 'finished') RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.finish_run(bigint, text) IS
    'Ends a run that was logged as running: finished, failed or stopped; errors ML072, 22023 and 55000.';
REVOKE ALL ON FUNCTION mlops.finish_run(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._tag_run(run bigint, tags jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF tags IS NULL OR jsonb_typeof(tags) <> 'object' THEN
        RAISE EXCEPTION 'tags must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM mlops._require_own_run(run);
    UPDATE mlops.experiment_run x SET tags = jsonb_strip_nulls(x.tags || _tag_run.tags) WHERE x.run_id = run;
END
$$;
COMMENT ON FUNCTION mlops._tag_run(bigint, jsonb) IS 'Body of mlops.tag_run().';
REVOKE ALL ON FUNCTION mlops._tag_run(bigint, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops.tag_run(run bigint, tags jsonb) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.tag_run(bigint, jsonb) IS
    'Adds tags to a run of an experiment of the caller''s; one that is null is taken away; errors ML072 and 22023.';
REVOKE ALL ON FUNCTION mlops.tag_run(bigint, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._note_run(run bigint, note text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF note IS NULL OR note !~ '[^[:space:]]' THEN
        RAISE EXCEPTION 'a note cannot be empty' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM mlops._require_own_run(run);
    INSERT INTO mlops.run_note (run_id, note, noted_by) VALUES (run, note, session_user);
END
$$;
COMMENT ON FUNCTION mlops._note_run(bigint, text) IS 'Body of mlops.note_run().';
REVOKE ALL ON FUNCTION mlops._note_run(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops.note_run(run bigint, note text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.note_run(bigint, text) IS
    'Adds a note, with its author and time, to a run of an experiment of the caller''s; errors ML072 and 22004.';
REVOKE ALL ON FUNCTION mlops.note_run(bigint, text) FROM PUBLIC;

--
-- Views
--
CREATE FUNCTION mlops._experiment_readable(role oid) RETURNS boolean
    LANGUAGE SQL STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT coalesce(pg_has_role(role, 'USAGE'), current_setting('is_superuser')::boolean) $$;
COMMENT ON FUNCTION mlops._experiment_readable(oid) IS
    'Whether the present role is a member of the role that owns an experiment.';

-- Metrics by step: those that libxgboost gave after each round, as they stand
-- in the record of a training, and those that were logged.
CREATE VIEW mlops._run_metric WITH (security_barrier) AS
    SELECT r.id AS run_id,
           pg_catalog.substring(e.entry, '^([^-]*)-') AS part,
           pg_catalog.substring(e.entry, '^[^-]*-(.*):[^:]*$') AS metric,
           (pg_catalog.substring(h.line, '^\[([0-9]+)\]'))::bigint AS step,
           (pg_catalog.replace(pg_catalog.substring(e.entry, '[^:]*$'), '-nan', 'nan'))::float8 AS value,
           r.finished_at AS logged_at
    FROM mlops.run r,
         LATERAL pg_catalog.jsonb_array_elements_text(
             CASE WHEN pg_catalog.jsonb_typeof(r.record OPERATOR(pg_catalog.->) 'history') OPERATOR(pg_catalog.=) 'array'
                  THEN r.record OPERATOR(pg_catalog.->) 'history' END) h (line),
         LATERAL pg_catalog.unnest((pg_catalog.string_to_array(h.line, E'\t'))[2:]) e (entry)
    -- what users write into the record of another run could be any text
    WHERE r.kind OPERATOR(pg_catalog.=) ANY (ARRAY['train', 'cross_validation', 'trial'])
    UNION ALL
    SELECT m.run_id, NULL, m.name, m.step, m.value, m.logged_at FROM mlops.run_metric m;
COMMENT ON VIEW mlops._run_metric IS 'Private: metrics of all runs, by step.';

CREATE VIEW mlops.experiments WITH (security_barrier) AS
    SELECT e.name AS experiment,
           e.description,
           e.tags,
           (SELECT pg_catalog.count(*) FROM mlops.experiment_run x WHERE x.experiment_id OPERATOR(pg_catalog.=) e.id) AS runs,
           pg_catalog.pg_get_userbyid(e.role) AS owner,
           e.created_at,
           e.created_by
    FROM mlops.experiment e
    WHERE mlops._experiment_readable(e.role);
COMMENT ON VIEW mlops.experiments IS 'Experiments that a role owns of which the viewer is a member, and how many runs they have.';

CREATE VIEW mlops.experiment_runs WITH (security_barrier) AS
    SELECT e.name AS experiment,
           r.id AS run,
           x.parent_id AS parent,
           x.name,
           r.kind,
           m.name AS model,
           v.version,
           x.status,
           r.record OPERATOR(pg_catalog.->) 'params' AS params,
           coalesce(r.metrics, '{}') OPERATOR(pg_catalog.||) coalesce(l.metrics, '{}') AS metrics,
           x.tags,
           ARRAY(SELECT n.note FROM mlops.run_note n WHERE n.run_id OPERATOR(pg_catalog.=) r.id ORDER BY n.id) AS notes,
           r.started_at,
           x.finished_at,
           r.record,
           r.created_by
    FROM mlops.experiment_run x
    JOIN mlops.experiment e ON e.id OPERATOR(pg_catalog.=) x.experiment_id
    JOIN mlops.run r ON r.id OPERATOR(pg_catalog.=) x.run_id
    LEFT JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) r.model_id
    LEFT JOIN mlops.version v ON v.run_id OPERATOR(pg_catalog.=) r.id
    LEFT JOIN LATERAL (
        SELECT pg_catalog.jsonb_object_agg(s.name, s.value) AS metrics
        FROM (SELECT DISTINCT ON (g.name) g.name,
                     CASE WHEN g.value OPERATOR(pg_catalog.=) ANY (ARRAY['NaN', 'Infinity', '-Infinity']::float8[]) THEN 'null'
                          ELSE pg_catalog.to_jsonb(g.value) END AS value
              FROM mlops.run_metric g WHERE g.run_id OPERATOR(pg_catalog.=) r.id
              ORDER BY g.name, g.step DESC) s) l ON true
    WHERE mlops._experiment_readable(e.role) AND (m.id IS NULL OR mlops.has_privilege(m.name, 'read'));
COMMENT ON VIEW mlops.experiment_runs IS
    'Runs of experiments that the viewer may see: parameters, metrics with the last value of each that was logged, state, tags, notes, parent; a run of a model needs privilege read on it.';

CREATE VIEW mlops.run_metrics WITH (security_barrier) AS
    SELECT e.name AS experiment,
           g.run_id AS run,
           m.name AS model,
           v.version,
           g.part,
           g.metric,
           g.step,
           g.value,
           g.logged_at
    FROM mlops._run_metric g
    JOIN mlops.run r ON r.id OPERATOR(pg_catalog.=) g.run_id
    LEFT JOIN mlops.experiment_run x ON x.run_id OPERATOR(pg_catalog.=) r.id
    LEFT JOIN mlops.experiment e ON e.id OPERATOR(pg_catalog.=) x.experiment_id
    LEFT JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) r.model_id
    LEFT JOIN mlops.version v ON v.run_id OPERATOR(pg_catalog.=) r.id
    WHERE CASE WHEN m.id IS NULL THEN mlops._experiment_readable(e.role) ELSE mlops.has_privilege(m.name, 'read') END;
COMMENT ON VIEW mlops.run_metrics IS
    'Metrics by step: the learning curve of each training, per round and part that it had (train, validation), and what was logged for runs made elsewhere; of runs that the viewer may see.';

GRANT SELECT ON mlops.experiments, mlops.experiment_runs, mlops.run_metrics TO PUBLIC;

--
-- Comparison
--
CREATE FUNCTION mlops._best_run(experiment text, metric text, direction text)
    RETURNS TABLE(run bigint, name text, model mlops.modelref, value float8)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint := mlops._find_experiment(experiment);
    sign integer;
BEGIN
    direction := coalesce(direction,
                          CASE WHEN metric = ANY ('{auc,pr_auc,gini,ks,accuracy,precision,recall,f1,f1_macro,mcc,r2}') THEN 'max'
                               WHEN metric = ANY ('{log_loss,logloss,mlogloss,brier,ece,error,rmse,mae,mape}') THEN 'min' END);
    IF direction IS NULL OR direction NOT IN ('max', 'min') THEN
        RAISE EXCEPTION 'it is not known whether more or less of metric "%" is better', metric
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Say so by direction => ''max'' or ''min''.';
    END IF;
    sign := CASE direction WHEN 'max' THEN -1 ELSE 1 END;
    RETURN QUERY
        SELECT s.run_id, s.name, s.model, s.value
        FROM (SELECT x.run_id, x.name,
                     CASE WHEN v.version IS NOT NULL THEN (m.name || '/' || v.version)::mlops.modelref END AS model,
                     coalesce((SELECT g.value FROM mlops.run_metric g WHERE g.run_id = r.id AND g.name = metric ORDER BY g.step DESC LIMIT 1),
                              CASE WHEN jsonb_typeof(r.metrics->metric) = 'number' THEN (r.metrics->>metric)::float8 END) AS value
              FROM mlops.experiment_run x JOIN mlops.run r ON r.id = x.run_id
              LEFT JOIN mlops.model m ON m.id = r.model_id
              LEFT JOIN mlops.version v ON v.run_id = r.id
              WHERE x.experiment_id = target AND x.status = 'finished'
                AND (m.id IS NULL OR mlops._may_read(m.name))) s
        WHERE s.value <> 'NaN'
        ORDER BY sign * s.value, s.run_id
        LIMIT 1;
END
$$;
COMMENT ON FUNCTION mlops._best_run(text, text, text) IS 'Body of mlops.best_run().';
REVOKE ALL ON FUNCTION mlops._best_run(text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.best_run(experiment text, metric text, direction text DEFAULT NULL)
    RETURNS TABLE(run bigint, name text, model mlops.modelref, value float8)
    LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.best_run(text, text, text) IS
    'The finished run of an experiment with the best value of a metric, by number, the first of equal ones; direction is max or min for a metric that is not known; errors ML072 and 22023.';

CREATE FUNCTION mlops._may_read(model text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM mlops._require(model, 'read');
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION mlops._may_read(text) IS 'Whether the caller may read a model.';
REVOKE ALL ON FUNCTION mlops._may_read(text) FROM PUBLIC;

CREATE FUNCTION mlops._compare_runs(runs bigint[])
    RETURNS TABLE(kind text, name text, "values" text[], same boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    run bigint;
BEGIN
    IF runs IS NULL OR cardinality(runs) = 0 OR array_ndims(runs) <> 1 THEN
        RAISE EXCEPTION 'no runs to compare' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOREACH run IN ARRAY runs LOOP
        PERFORM mlops._require_run(run);
    END LOOP;
    RETURN QUERY
        WITH given AS (
            SELECT u.id, u.number FROM unnest(runs) WITH ORDINALITY u (id, number)
        ), item AS (
            SELECT r.id, i.kind, i.name, i.value
            FROM mlops.run r LEFT JOIN mlops.model m ON m.id = r.model_id LEFT JOIN mlops.version v ON v.run_id = r.id
            LEFT JOIN mlops.experiment_run x ON x.run_id = r.id,
            LATERAL (
                SELECT 'run' AS kind, k AS name, t AS value
                FROM (VALUES ('name', x.name), ('kind', r.kind), ('model', m.name || '/' || v.version), ('status', coalesce(x.status, 'finished')),
                             ('seconds', round(extract(epoch FROM coalesce(x.finished_at, r.finished_at) - r.started_at), 3)::text)) f (k, t)
                UNION ALL
                SELECT 'data', d, r.record->>d FROM unnest(ARRAY['query', 'data_hash', 'label', 'key', 'features', 'split', 'rows', 'seed']) d
                UNION ALL
                SELECT 'param', p.key, p.value FROM jsonb_each_text(coalesce(r.record->'params', '{}')) p
                UNION ALL
                SELECT 'param', 'rounds', r.record->'rounds'->>'trained' WHERE r.record ? 'rounds'
                UNION ALL
                SELECT 'software', d, r.record->>d FROM unnest(ARRAY['library', 'library_version', 'extension_version', 'threads']) d
                UNION ALL
                SELECT 'metric', e.key, coalesce((SELECT g.value::text FROM mlops.run_metric g WHERE g.run_id = r.id AND g.name = e.key ORDER BY g.step DESC LIMIT 1),
                                                 e.value)
                FROM (SELECT a.key, a.value FROM jsonb_each_text(coalesce(r.metrics, '{}')) a
                      UNION ALL
                      SELECT DISTINCT g.name, NULL FROM mlops.run_metric g
                      WHERE g.run_id = r.id AND NOT coalesce(r.metrics, '{}') ? g.name) e
                UNION ALL
                SELECT 'tag', t.key, t.value FROM jsonb_each_text(coalesce(x.tags, '{}')) t) i
            WHERE r.id = ANY (runs)
        ), named AS (
            SELECT DISTINCT i.kind, i.name FROM item i WHERE i.value IS NOT NULL
        ), side AS (
            SELECT n.kind, n.name, array_agg(i.value ORDER BY g.number) AS "values"
            FROM named n CROSS JOIN given g LEFT JOIN item i ON i.id = g.id AND i.kind = n.kind AND i.name = n.name
            GROUP BY n.kind, n.name
        )
        SELECT s.kind, s.name, s."values",
               NOT EXISTS (SELECT FROM unnest(s."values") u (value) WHERE u.value IS DISTINCT FROM s."values"[1])
        FROM side s
        ORDER BY array_position(ARRAY['run', 'data', 'param', 'metric', 'tag', 'software'], s.kind), s.name COLLATE "C";
END
$$;
COMMENT ON FUNCTION mlops._compare_runs(bigint[]) IS 'Body of mlops.compare_runs().';
REVOKE ALL ON FUNCTION mlops._compare_runs(bigint[]) FROM PUBLIC;

CREATE FUNCTION mlops.compare_runs(VARIADIC runs bigint[])
    RETURNS TABLE(kind text, name text, "values" text[], same boolean)
    LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 50
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.compare_runs(bigint[]) IS
    'Runs side by side: for everything that one of them has, of data, parameters, metrics, tags and software, the values in the order of the arguments, and whether they are the same; errors ML072, 22023 and 42501.';

--
-- Repetition
--

-- What is compared of a version that was just trained; VOLATILE, to see it.
CREATE FUNCTION mlops._repeated(model text, version integer) RETURNS jsonb
    LANGUAGE SQL VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object('sha256', encode(v.artifact_sha256, 'hex'), 'metrics', v.metrics,
                              'data_hash', r.record->'data_hash', 'rows', r.record->'rows',
                              'library', (r.record->>'library') || ' ' || (r.record->>'library_version'))
    FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id JOIN mlops.run r ON r.id = v.run_id
    WHERE m.name = model AND v.version = _repeated.version
$$;
COMMENT ON FUNCTION mlops._repeated(text, integer) IS 'What mlops.repeat_run() compares of a trained version.';
REVOKE ALL ON FUNCTION mlops._repeated(text, integer) FROM PUBLIC;
CREATE FUNCTION mlops._train_as(role oid, search_path text, threads integer, statement text, model text, sha256 text,
                                comparison text, query text) RETURNS jsonb
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'mlops_train_as';
COMMENT ON FUNCTION mlops._train_as(oid, text, integer, text, text, text, text, text) IS
    'What is compared of a version that a role trains by a statement which leaves nothing; of another file what a comparison gives too of the rows of a query, mlops_rows.';
REVOKE ALL ON FUNCTION mlops._train_as(oid, text, integer, text, text, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._repeat_run(run bigint)
    RETURNS TABLE(same_artifact boolean, same_data boolean, recorded_sha256 text, sha256 text,
                  recorded_library text, library text, differences jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target mlops.run;
    model_name text;
    number integer;
    role oid;
    given jsonb;
    again jsonb;
    scores text;
BEGIN
    PERFORM mlops._require_run(run);
    SELECT r.* INTO STRICT target FROM mlops.run r WHERE r.id = run;
    SELECT m.name, v.version, encode(v.artifact_sha256, 'hex'),
           CASE m.task WHEN 'multiclass' THEN 'mlops.predict_proba((%s)::mlops.modelref, r)'
                       ELSE 'ARRAY[mlops.predict((%s)::mlops.modelref, r)]' END
    INTO model_name, number, recorded_sha256, scores
    FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id WHERE v.run_id = run;
    given := target.record->'arguments';
    IF target.kind <> 'train' OR given IS NULL OR recorded_sha256 IS NULL THEN
        RAISE EXCEPTION 'run % cannot be repeated', run
            USING ERRCODE = 'ML073', DETAIL = 'It is no training that this or a newer version of mlops made.';
    END IF;
    SELECT r.oid INTO role FROM pg_roles r WHERE r.rolname = target.caller;
    IF role IS NULL THEN
        RAISE EXCEPTION 'run % cannot be repeated', run
            USING ERRCODE = 'ML073', DETAIL = format('Role "%s", which made it, does not exist any more.', target.caller);
    END IF;
    -- What the recorded query reads may be another view by now: whoever could
    -- have it run as this role, must be able to act as this role.
    IF NOT mlops._owns_experiment(role) THEN
        RAISE EXCEPTION 'permission denied to repeat run %', run
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('It would run with the rights of role "%s", which made it.', target.caller),
                  HINT = 'Only a member of that role, or a superuser, can repeat it.';
    END IF;
    again := mlops._train_as(role, given->>'search_path', (target.record->>'threads')::integer,
        mlops._train_statement(model_name, target.record, target.record->>'query', NULL), model_name, recorded_sha256,
        -- how far the scores of both are apart, in the rows that the query gives
        format('SELECT pg_catalog.jsonb_build_object(''scores'', pg_catalog.jsonb_build_object(''rows'', pg_catalog.count(*),
                    ''max'', pg_catalog.max(d.d), ''mean'', pg_catalog.avg(d.d)))
                FROM (SELECT (SELECT pg_catalog.max(pg_catalog.abs(s.o OPERATOR(pg_catalog.-) s.n))
                              FROM ROWS FROM (pg_catalog.unnest(%1$s), pg_catalog.unnest(%2$s)) AS s (o, n)) AS d
                      FROM mlops_rows AS r) AS d',
               format(scores, quote_literal(model_name || '/' || number)),
               format(scores, quote_literal(model_name || '/') || ' OPERATOR(pg_catalog.||) $1::pg_catalog.text')),
        target.record->>'query');

    sha256 := again->>'sha256';
    same_artifact := sha256 = recorded_sha256;
    same_data := again->'data_hash' = target.record->'data_hash';
    recorded_library := (target.record->>'library') || ' ' || (target.record->>'library_version');
    library := again->>'library';
    SELECT coalesce(jsonb_object_agg(o.key, jsonb_build_array(o.value, n.value)), '{}') INTO differences
    FROM jsonb_each(coalesce(target.metrics, '{}')) o JOIN jsonb_each(coalesce(again->'metrics', '{}')) n ON n.key = o.key
    WHERE n.value IS DISTINCT FROM o.value;
    IF again ? 'scores' THEN
        differences := differences || jsonb_build_object('scores', again->'scores');
    END IF;
    PERFORM mlops._audit(action => 'run.repeat', model => model_name, version => number, subject => run::text,
                         detail => jsonb_build_object('same_artifact', same_artifact, 'same_data', same_data, 'sha256', sha256,
                                                      'recorded_sha256', recorded_sha256, 'library', library));
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION mlops._repeat_run(bigint) IS 'Body of mlops.repeat_run().';
REVOKE ALL ON FUNCTION mlops._repeat_run(bigint) FROM PUBLIC;

CREATE FUNCTION mlops.repeat_run(run bigint)
    RETURNS TABLE(same_artifact boolean, same_data boolean, recorded_sha256 text, sha256 text,
                  recorded_library text, library text, differences jsonb)
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.repeat_run(bigint) IS
    'Trains again as a run did, with the rights of the role that made it, and says whether the model file has the same sha256 and the data the same hash, which library made each, which metrics differ, and how far the scores of both are apart; leaves no version; for superusers and members of that role; errors ML072, ML073, 42501 and those of mlops.train().';
REVOKE ALL ON FUNCTION mlops.repeat_run(bigint) FROM PUBLIC;

--
-- Thresholds
--
CREATE FUNCTION mlops._share(part bigint, whole bigint) RETURNS float8
    LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT CASE WHEN whole > 0 THEN part::float8 / whole::float8 END $$;
COMMENT ON FUNCTION mlops._share(bigint, bigint) IS 'Share of a part in a whole, NULL if that is nothing.';

CREATE FUNCTION mlops._threshold_version(model mlops.modelref) RETURNS mlops.modelref
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint := mlops._resolve(model, 'manage');
    task text;
BEGIN
    SELECT m.task INTO STRICT task FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id WHERE v.id = target;
    IF task <> 'binary' THEN
        RAISE EXCEPTION 'a model for % has no threshold', task USING ERRCODE = 'ML021';
    END IF;
    RETURN mlops._reference(target);
END
$$;
COMMENT ON FUNCTION mlops._threshold_version(mlops.modelref) IS 'The version of a binary model that the caller manages; error ML021.';
REVOKE ALL ON FUNCTION mlops._threshold_version(mlops.modelref) FROM PUBLIC;

CREATE FUNCTION mlops._positive_class(model mlops.modelref) RETURNS text
    LANGUAGE SQL STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(v.classes[2], '1') FROM mlops.version v WHERE v.id = mlops._resolve(model, 'manage')
$$;
COMMENT ON FUNCTION mlops._positive_class(mlops.modelref) IS 'The class whose probability a binary version predicts.';
REVOKE ALL ON FUNCTION mlops._positive_class(mlops.modelref) FROM PUBLIC;

-- Put a threshold in force.  The model is locked.
CREATE FUNCTION mlops._apply_threshold(version_id bigint, chosen jsonb, reason text, change_ref text,
                                       relied_on jsonb DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    former jsonb := mlops._threshold_state(version_id);
BEGIN
    INSERT INTO mlops.threshold (version_id, threshold, query, label, record, created_by, caller)
    VALUES (version_id, (chosen->'record'->'chosen'->>'threshold')::float8, chosen->>'query', chosen->>'label',
            chosen->'record', session_user, mlops._caller());
    PERFORM mlops._audit(action => 'threshold.choose', model => m.name, version => v.version,
                         reason => _apply_threshold.reason, change_ref => _apply_threshold.change_ref,
                         artifact_sha256 => v.artifact_sha256, state_before => former,
                         state_after => mlops._threshold_state(v.id), relied_on => _apply_threshold.relied_on)
    FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id
    WHERE v.id = _apply_threshold.version_id;
END
$$;
COMMENT ON FUNCTION mlops._apply_threshold(bigint, jsonb, text, text, jsonb) IS
    'Puts the threshold of a version in force and records it.';
REVOKE ALL ON FUNCTION mlops._apply_threshold(bigint, jsonb, text, text, jsonb) FROM PUBLIC;

-- A version that decides already, through an alias or its traffic, has another
-- threshold only as the policy of that alias wants it; of several, the strictest.
CREATE FUNCTION mlops._register_threshold(model mlops.modelref, query text, label text, record jsonb, reason text,
                                          change_ref text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target_model bigint := mlops._lock_model(mlops.model_name(model));
    target bigint := mlops._resolve(model, 'manage');
    chosen jsonb := jsonb_build_object('query', query, 'label', label, 'record', record);
    in_charge record;
BEGIN
    SELECT c.alias, (mlops._policy_of(target_model, c.alias)->'approvals')::integer AS approvals INTO in_charge
    FROM (SELECT a.alias FROM mlops.alias a WHERE a.version_id = target
          UNION
          SELECT t.alias FROM mlops.traffic t JOIN mlops.version v ON v.id = target
          WHERE t.model_id = target_model AND (v.version = ANY (t.versions) OR v.version = t.shadow)) c
    ORDER BY 2 DESC, 1 LIMIT 1;
    IF in_charge.approvals > 0 THEN
        PERFORM mlops._check_reason(reason);
        RETURN mlops._open_request(target_model, 'threshold', in_charge.alias, target, chosen, reason, change_ref);
    END IF;
    PERFORM mlops._note_identity();
    PERFORM mlops._apply_threshold(target, chosen, reason, change_ref);
    PERFORM mlops._sweep_requests(target_model);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mlops._register_threshold(mlops.modelref, text, text, jsonb, text, text) IS
    'Puts the threshold that was chosen for a version in force, or opens a request to and returns its id.';
REVOKE ALL ON FUNCTION mlops._register_threshold(mlops.modelref, text, text, jsonb, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.choose_threshold(model mlops.modelref, query text, label text, cost jsonb DEFAULT NULL,
                                       maximize text DEFAULT NULL, at_least jsonb DEFAULT NULL,
                                       reason text DEFAULT NULL, change_ref text DEFAULT NULL)
    RETURNS TABLE(threshold float8, tp bigint, fp bigint, tn bigint, fn bigint, "precision" float8, recall float8,
                  specificity float8, f1 float8, accuracy float8, cost_total float8)
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1
    AS 'MODULE_PATHNAME', 'mlops_choose_threshold';
COMMENT ON FUNCTION mlops.choose_threshold(mlops.modelref, text, text, jsonb, text, jsonb, text, text) IS
    'Score from which on an answer of a binary version is positive, by least cost of tp, fp, tn and fn, or by the highest precision, recall, specificity, f1 or accuracy with least values of others, on the rows of a query; it is recorded with the version, whose model the caller manages, and mlops.predict_class() decides by it; for a version in charge of an alias whose policy wants approvals it opens a request, with the reason, which is mandatory then; errors ML021, ML042, 22004, 22023, 42501, 42703 and 55000.';
REVOKE ALL ON FUNCTION mlops.choose_threshold(mlops.modelref, text, text, jsonb, text, jsonb, text, text) FROM PUBLIC;

CREATE VIEW mlops.thresholds WITH (security_barrier) AS
    SELECT m.name AS model, v.version, t.threshold, t.record, t.query, t.label, t.created_at, t.created_by
    FROM mlops.threshold t
    JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) t.version_id
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) v.model_id
    WHERE mlops.has_privilege(m.name, 'read');
COMMENT ON VIEW mlops.thresholds IS
    'Thresholds that were chosen for versions of models on which the viewer has privilege read, with what they were chosen by; the last one of a version counts.';
GRANT SELECT ON mlops.thresholds TO PUBLIC;
