-- file: sql/56_retraining.sql
-- Training again: the recipe that a run recorded, on the rows of today.
--
-- A recorded query is the text of whoever made the run.  Nobody else executes
-- it as himself without having said so: he looks at it and passes it.  The
-- training is mlops.train(), called by src/training/retrain.c with the rights
-- of the caller; what stands here reads the recipe before and gives the new
-- version its alias afterwards.

CREATE FUNCTION mlops._train_statement(model text, record jsonb, query text, description text) RETURNS text
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('SELECT t.version FROM mlops.train(model => %1$L, query => %2$L, label => %3$L, params => %4$L,
                       key => %5$L, split => %6$L, rounds => %7$s, early_stopping_rounds => %8$s, seed => %9$s,
                       class_weight => %10$L, positive => %11$L, features => %12$L::pg_catalog.text[], description => %13$L,
                       sample => %14$s, matrix => %15$L) t',
                  model, query, record->>'label', record->'arguments'->'params', record->>'key', record->'arguments'->'split',
                  record->'rounds'->>'asked', record->'rounds'->>'early_stopping', record->>'seed',
                  nullif(record->'arguments'->'class_weight', 'null'), record->'arguments'->>'positive',
                  ARRAY(SELECT jsonb_array_elements_text(record->'features')), description,
                  coalesce(record->>'sample', '1'), coalesce(record->>'matrix', 'exact'))
$$;
COMMENT ON FUNCTION mlops._train_statement(text, jsonb, text, text) IS
    'Statement that trains a version of a model as the record of a run says, with the rows of a query.';
REVOKE ALL ON FUNCTION mlops._train_statement(text, jsonb, text, text) FROM PUBLIC;

-- What training a version again takes: the query (the recorded one, if none is
-- given) with its search_path, the label, and the statement.
CREATE FUNCTION mlops._recipe(version_id bigint, query text, reason text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    run mlops.run;
    reference text := mlops._reference(version_id);
    model_name text := mlops.model_name(mlops._reference(version_id));
BEGIN
    SELECT r.* INTO run FROM mlops.version v JOIN mlops.run r ON r.id = v.run_id WHERE v.id = version_id;
    IF run.id IS NULL OR run.kind <> 'train' OR run.record->'arguments' IS NULL THEN
        RAISE EXCEPTION '% cannot be trained again', reference
            USING ERRCODE = 'ML073', DETAIL = 'No training that mlops made is recorded with it.',
                  HINT = 'Train a version by mlops.train().';
    END IF;
    IF query IS NULL AND run.caller <> mlops._caller() THEN
        RAISE EXCEPTION 'permission denied to run the query of run %', run.id
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('Role "%s" wrote it, and it would run with the rights of role "%s".', run.caller, mlops._caller()),
                  HINT = 'Look at it in mlops.runs, and pass it as query => ''...'' if it is good.';
    END IF;
    RETURN jsonb_build_object(
        'model', model_name, 'version_id', version_id, 'run', run.id, 'reason', reason,
        'query', coalesce(query, run.record->>'query'), 'label', run.record->>'label',
        'path', CASE WHEN query IS NULL THEN run.record->'arguments'->>'search_path' END,
        'rows', (run.record#>>'{rows,train}')::bigint + (run.record#>>'{rows,validation}')::bigint
                + (run.record#>>'{rows,test}')::bigint,
        'started_at', mlops._utc(run.started_at),
        'statement', mlops._train_statement(model_name, run.record, coalesce(query, run.record->>'query'),
                                            format('%s again: %s', reference, reason)));
END
$$;
COMMENT ON FUNCTION mlops._recipe(bigint, text, text) IS
    'How a version is trained again, with the recorded query if none is given; errors 42501 and ML073.';
REVOKE ALL ON FUNCTION mlops._recipe(bigint, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._plan_retrain(model mlops.modelref, query text, reason text, change_ref text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF model IS NULL THEN
        RAISE EXCEPTION 'no model was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM mlops._check_reason(reason);
    RETURN mlops._recipe(mlops._resolve(model, 'manage'), query, reason) || jsonb_build_object('change_ref', change_ref);
END
$$;
COMMENT ON FUNCTION mlops._plan_retrain(mlops.modelref, text, text, text) IS
    'What mlops.retrain() is to do; errors 22004, 42501, ML001 to ML003 and ML073.';
REVOKE ALL ON FUNCTION mlops._plan_retrain(mlops.modelref, text, text, text) FROM PUBLIC;

-- A statement that reads no row of the query which a training would read, and
-- fails as it would: for whoever plans one for later.
CREATE FUNCTION mlops._probe_training(model text, query text, functions text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    recipe jsonb := mlops._recipe(mlops._resolve(model::mlops.modelref, 'manage'), query, 'probe');
    missing text;
BEGIN
    SELECT string_agg(DISTINCT p.proname, ' and ') INTO missing
    FROM pg_proc p
    WHERE p.pronamespace = 'mlops'::regnamespace AND p.proname = ANY ('{train}' || string_to_array(functions, ','))
      AND NOT has_function_privilege(mlops._caller(), p.oid, 'EXECUTE');
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'permission denied for function mlops.%', missing
            USING ERRCODE = 'insufficient_privilege', DETAIL = 'A job that trains calls it as its owner.';
    END IF;
    RETURN recipe || jsonb_build_object('statement', format(E'SELECT q.%I FROM (%s\n) q LIMIT 0', recipe->>'label', recipe->>'query'));
END
$$;
COMMENT ON FUNCTION mlops._probe_training(text, text, text) IS
    'Statement that fails if the caller could not train a version again, and its search_path; errors as of mlops.retrain().';
REVOKE ALL ON FUNCTION mlops._probe_training(text, text, text) FROM PUBLIC;

-- A retraining that was queued ends here (sql/93_retrain_rule.sql).
--
-- The new version is the challenger if nobody is: if the model has none, or the
-- one it had is the champion now.  What the policy of that alias does not allow
-- does not undo the training.
CREATE FUNCTION mlops._finish_retraining(plan jsonb, number integer,
                                         OUT model mlops.modelref, OUT version integer, OUT metrics jsonb,
                                         OUT retrained_from mlops.modelref, OUT alias text, OUT request bigint,
                                         OUT note text) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target_model bigint := mlops._lock_model(plan->>'model');
    target bigint;
    present bigint;
BEGIN
    SELECT v.id, v.version, v.metrics INTO STRICT target, version, metrics
    FROM mlops.version v WHERE v.model_id = target_model AND v.version = number;
    model := mlops._reference(target);
    retrained_from := mlops._reference((plan->>'version_id')::bigint);
    SELECT a.version_id INTO present FROM mlops.alias a
    WHERE a.model_id = target_model AND a.alias = 'challenger'
      AND NOT EXISTS (SELECT FROM mlops.alias c
                      WHERE c.model_id = target_model AND c.alias = 'champion' AND c.version_id = a.version_id);
    IF present IS NOT NULL THEN
        note := format('%s stays challenger', mlops._reference(present));
    ELSE
        BEGIN
            IF mlops._promote(model, 'challenger', plan->>'reason', plan->>'change_ref') IS NOT NULL THEN
                alias := 'challenger';
            ELSE
                SELECT max(r.id) INTO request FROM mlops.request r WHERE r.version_id = target;
                note := format('request %s about alias challenger is open', request);
            END IF;
        EXCEPTION WHEN SQLSTATE 'ML042' OR SQLSTATE 'ML044' THEN
            note := format('not challenger: %s', SQLERRM);
        END;
    END IF;
    IF plan ? 'retraining' THEN
        request := mlops._end_retraining((plan->>'retraining')::bigint, target);
        note := (SELECT concat_ws('; ', t.note, _finish_retraining.note) FROM mlops.retraining t WHERE t.new_version_id = target);
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._finish_retraining(jsonb, integer) IS
    'Makes a version that was trained again the challenger if there is none.';
REVOKE ALL ON FUNCTION mlops._finish_retraining(jsonb, integer) FROM PUBLIC;

-- What the package of a request has of the retraining that made its version:
-- why, and the figures of the version that was champion then.
CREATE FUNCTION mlops._package_retraining(version_id bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$
BEGIN
    RETURN coalesce((SELECT jsonb_build_object('retraining', jsonb_build_object(
                                'id', t.id, 'reason', t.reason, 'evidence', t.evidence,
                                'from_version', v.version, 'from_metrics', v.metrics))
                     FROM mlops.retraining t JOIN mlops.version v ON v.id = t.version_id
                     WHERE t.new_version_id = _package_retraining.version_id), '{}');
END
$$;
COMMENT ON FUNCTION mlops._package_retraining(bigint) IS
    'Member retraining of the package of a version that a retraining made, an empty object for others.';
REVOKE ALL ON FUNCTION mlops._package_retraining(bigint) FROM PUBLIC;

CREATE FUNCTION mlops.retrain(model mlops.modelref, query text DEFAULT NULL, reason text DEFAULT NULL,
                              change_ref text DEFAULT NULL,
                              OUT model mlops.modelref, OUT version integer, OUT metrics jsonb,
                              OUT retrained_from mlops.modelref, OUT alias text, OUT request bigint,
                              OUT note text) RETURNS record
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000
    AS 'MODULE_PATHNAME', 'mlops_retrain';
COMMENT ON FUNCTION mlops.retrain(mlops.modelref, text, text, text) IS
    'Trains a new version of a model as the run of its champion (or of another version) did, with the rows that the query of that run, or the given one, has now, as the caller; the new version becomes the challenger where there is none and the policy allows it, and note says if not; the recorded query runs only for the role that wrote it; the reason is mandatory; needs privilege manage; errors ML001 to ML003, ML073, 22004, 42501 and those of mlops.train().';
REVOKE ALL ON FUNCTION mlops.retrain(mlops.modelref, text, text, text) FROM PUBLIC;
