-- file: sql/93_retrain_rule.sql
-- Retraining: rules that say when, the jobs that do it, and the request that
-- people decide about.
--
-- A rule is checked by a job of its owner.  When it holds, a retraining is
-- opened, with its evidence, and a job of the same owner is queued that trains
-- the champion again.  Its last act, in the same transaction as the training,
-- is to end the retraining and to open a request for the promotion of the new
-- version, whose package has the evidence.  The states are drawn in
-- doc/retraining.md.  Whatever opens or ends a retraining locks the row of its
-- model first.

CREATE SEQUENCE mlops.retrain_rule_id_seq;
CREATE TABLE mlops.retrain_rule (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.retrain_rule_id_seq'::pg_catalog.regclass),
    model_id bigint NOT NULL,
    kind text NOT NULL
        CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['check', 'performance', 'age', 'labels'])),
    arguments jsonb NOT NULL,
    query text,
    cooldown interval NOT NULL CHECK (cooldown OPERATOR(pg_catalog.>=) '0'::interval),
    change_ref text,
    reason text NOT NULL CHECK (reason OPERATOR(pg_catalog.~) '[^[:space:]]'),
    owner oid NOT NULL,
    owner_name name NOT NULL,
    job_id bigint,
    enabled boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    dropped_at timestamp with time zone,
    dropped_by name,
    drop_reason text,
    CHECK ((dropped_at IS NULL) OPERATOR(pg_catalog.=) (dropped_by IS NULL))
);
CREATE INDEX retrain_rule_model_id_idx ON mlops.retrain_rule (model_id);
COMMENT ON TABLE mlops.retrain_rule IS
    'Private: when a model is to be trained again, also rules that were dropped; view mlops.retrain_rules.';

CREATE SEQUENCE mlops.retraining_id_seq;
CREATE TABLE mlops.retraining (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.retraining_id_seq'::pg_catalog.regclass),
    model_id bigint NOT NULL,
    version_id bigint NOT NULL,
    rule_id bigint,
    query text,
    change_ref text,
    reason text NOT NULL CHECK (reason OPERATOR(pg_catalog.~) '[^[:space:]]'),
    evidence jsonb NOT NULL,
    owner oid NOT NULL,
    owner_name name NOT NULL,
    job_id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    new_version_id bigint,
    note text,
    ended_at timestamp with time zone,
    ended_by name,
    CHECK ((ended_at IS NULL) OPERATOR(pg_catalog.=) (new_version_id IS NULL))
);
CREATE INDEX retraining_model_id_idx ON mlops.retraining (model_id, id);
CREATE UNIQUE INDEX retraining_new_version_id_idx ON mlops.retraining (new_version_id);
COMMENT ON TABLE mlops.retraining IS
    'Private: each time that a model was to be trained again, why, and the version that came of it; view mlops.retrainings.';

REVOKE ALL ON mlops.retrain_rule, mlops.retraining FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.retrain_rule', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.retrain_rule_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.retraining', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.retraining_id_seq', '');

-- as with monitors, a dump has the owner's name
CREATE TRIGGER set_owner BEFORE INSERT ON mlops.retrain_rule
    FOR EACH ROW EXECUTE FUNCTION mlops._set_monitor_owner();
CREATE TRIGGER set_owner BEFORE INSERT ON mlops.retraining
    FOR EACH ROW EXECUTE FUNCTION mlops._set_monitor_owner();
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.retrain_rule
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER check_set_once BEFORE UPDATE ON mlops.retraining
    FOR EACH ROW EXECUTE FUNCTION mlops._check_set_once('ended_at', 'ended_by', 'new_version_id', 'note');
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.retraining
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.retrain_rule ENABLE ALWAYS TRIGGER set_owner;
ALTER TABLE mlops.retraining ENABLE ALWAYS TRIGGER set_owner;
ALTER TABLE mlops.retrain_rule ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.retraining ENABLE ALWAYS TRIGGER check_set_once;
ALTER TABLE mlops.retraining ENABLE ALWAYS TRIGGER refuse_change;

--
-- States, as events have them
--
CREATE FUNCTION mlops._retrain_rule_state(rule mlops.retrain_rule) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_jsonb(rule) - '{id,model_id,owner}'::text[]
        || jsonb_build_object('cooldown', extract(epoch FROM (rule).cooldown),
                              'created_at', mlops._utc((rule).created_at),
                              'dropped_at', mlops._utc((rule).dropped_at))
$$;
COMMENT ON FUNCTION mlops._retrain_rule_state(mlops.retrain_rule) IS 'State of a retrain rule, as events have it.';
REVOKE ALL ON FUNCTION mlops._retrain_rule_state(mlops.retrain_rule) FROM PUBLIC;

CREATE FUNCTION mlops._state_retrain_rule() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, NULL::text, r.id::text, mlops._retrain_rule_state(r)
    FROM mlops.retrain_rule r LEFT JOIN mlops.model m ON m.id = r.model_id
$$;
COMMENT ON FUNCTION mlops._state_retrain_rule() IS 'State of all retrain rules, as events have it.';
REVOKE ALL ON FUNCTION mlops._state_retrain_rule() FROM PUBLIC;

CREATE FUNCTION mlops._retraining_state(retraining mlops.retraining) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_jsonb(retraining) - '{id,model_id,owner,version_id,new_version_id}'::text[]
        || jsonb_build_object('from_version', (SELECT v.version FROM mlops.version v WHERE v.id = (retraining).version_id),
                              'version', (SELECT v.version FROM mlops.version v WHERE v.id = (retraining).new_version_id),
                              'created_at', mlops._utc((retraining).created_at),
                              'ended_at', mlops._utc((retraining).ended_at))
$$;
COMMENT ON FUNCTION mlops._retraining_state(mlops.retraining) IS 'State of a retraining, as events have it.';
REVOKE ALL ON FUNCTION mlops._retraining_state(mlops.retraining) FROM PUBLIC;

CREATE FUNCTION mlops._state_retraining() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, NULL::text, t.id::text, mlops._retraining_state(t)
    FROM mlops.retraining t LEFT JOIN mlops.model m ON m.id = t.model_id
$$;
COMMENT ON FUNCTION mlops._state_retraining() IS 'State of all retrainings, as events have it.';
REVOKE ALL ON FUNCTION mlops._state_retraining() FROM PUBLIC;

-- Who listens, and the audit log.
CREATE FUNCTION mlops._tell_retraining(id bigint, action text, before jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    t mlops.retraining;
    model_name text;
BEGIN
    SELECT x.* INTO STRICT t FROM mlops.retraining x WHERE x.id = _tell_retraining.id;
    SELECT m.name INTO STRICT model_name FROM mlops.model m WHERE m.id = t.model_id;
    PERFORM mlops._note_identity();
    PERFORM mlops._audit(action => 'retraining.' || action, model => model_name, subject => t.id::text, reason => t.reason,
                         change_ref => t.change_ref, state_before => before, state_after => mlops._retraining_state(t));
    -- every role can listen: the reason is for those who may see the model
    PERFORM pg_notify('mlops_retraining', jsonb_strip_nulls(jsonb_build_object(
        'retraining', t.id, 'action', action, 'model', model_name, 'rule', t.rule_id,
        'version', (SELECT v.version FROM mlops.version v WHERE v.id = t.new_version_id)))::text);
END
$$;
COMMENT ON FUNCTION mlops._tell_retraining(bigint, text, jsonb) IS
    'Notes an event of a retraining in the audit log, and notifies channel mlops_retraining at the commit.';
REVOKE ALL ON FUNCTION mlops._tell_retraining(bigint, text, jsonb) FROM PUBLIC;

--
-- Retrainings
--

-- One that goes on: its job has not ended, or people have not decided about
-- its request.
CREATE FUNCTION mlops._open_retraining(model_id bigint) RETURNS bigint
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT t.id FROM mlops.retraining t
    WHERE t.model_id = _open_retraining.model_id
      AND CASE WHEN t.ended_at IS NULL
               THEN EXISTS (SELECT FROM mlops.job_run r JOIN mlops.job j ON j.id = r.job_id
                            WHERE r.job_id = t.job_id AND (r.finished_at IS NULL OR NOT r.settled))
               ELSE EXISTS (SELECT FROM mlops.request q
                            WHERE q.version_id = t.new_version_id AND q.alias = 'champion'
                              AND q.status IN ('open', 'approved') AND q.expires_at > clock_timestamp()) END
    ORDER BY t.id LIMIT 1
$$;
COMMENT ON FUNCTION mlops._open_retraining(bigint) IS
    'A retraining of a model whose job has not ended or whose request is not decided; NULL if there is none.';
REVOKE ALL ON FUNCTION mlops._open_retraining(bigint) FROM PUBLIC;

-- Open a retraining of a locked model and queue the job that does it, in the
-- place of those that have failed.
CREATE FUNCTION mlops._open_job(model_id bigint, rule bigint, query text, change_ref text, reason text, evidence jsonb) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    champion bigint := mlops._aliased(model_id, 'champion');
    new_id bigint := nextval('mlops.retraining_id_seq');
    new_job bigint;
    at timestamptz := mlops._now();
BEGIN
    PERFORM mlops._recipe(champion, query, reason);
    PERFORM mlops._remove_job(j) FROM mlops.retraining t JOIN mlops.job j ON j.id = t.job_id
    WHERE t.model_id = _open_job.model_id AND t.ended_at IS NULL
      AND t.owner = (SELECT o.oid FROM pg_roles o WHERE o.rolname = mlops._caller());
    SELECT j.job INTO new_job
    FROM mlops._make_job('training', format('retraining %s', new_id), 'manual',
                         format('SELECT * FROM mlops.perform_retraining(%s)', new_id), retries => 1) j;
    INSERT INTO mlops.retraining (id, model_id, version_id, rule_id, query, change_ref, reason, evidence, owner_name,
                                  job_id, created_at, created_by)
    VALUES (new_id, model_id, champion, rule, query, change_ref, reason, evidence, mlops._caller(),
            new_job, at, session_user);
    PERFORM mlops._add_run(j, at, 'manual', at, NULL) FROM mlops.job j WHERE j.id = new_job;
    PERFORM mlops._tell_retraining(new_id, 'open', NULL);
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION mlops._open_job(bigint, bigint, text, text, text, jsonb) IS
    'Opens a retraining of a locked model, queues its job, and returns its id.';
REVOKE ALL ON FUNCTION mlops._open_job(bigint, bigint, text, text, text, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._queue_retraining(model text, query text, reason text, change_ref text, alert bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint := mlops._lock_model(model);
    open_one bigint := mlops._open_retraining(target);
    evidence jsonb := '{}';
BEGIN
    PERFORM mlops._check_reason(reason);
    IF open_one IS NOT NULL THEN
        RAISE EXCEPTION 'retraining % of model "%" goes on', open_one, model
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'View mlops.retrainings shows its job or its request.';
    END IF;
    IF alert IS NOT NULL THEN
        SELECT jsonb_build_object('alert', a.id, 'monitor', o.name, 'check', a.check_id,
                                  'check_results', (SELECT jsonb_agg(x.id ORDER BY x.id) FROM mlops.check_result x
                                                    WHERE x.run_id = a.last_run_id AND x.check_id = a.check_id
                                                      AND x.verdict = 'fail'))
        INTO evidence
        FROM mlops.alert a JOIN mlops.monitor o ON o.id = a.monitor_id
        WHERE a.id = alert AND o.model_id = target;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'alert % of model "%" does not exist', alert, model
                USING ERRCODE = 'ML057', HINT = 'View mlops.alerts shows those that you can see.';
        END IF;
    END IF;
    RETURN mlops._open_job(target, NULL, query, change_ref, reason, evidence);
END
$$;
COMMENT ON FUNCTION mlops._queue_retraining(text, text, text, text, bigint) IS 'Body of mlops.queue_retraining(), without the trial.';
REVOKE ALL ON FUNCTION mlops._queue_retraining(text, text, text, text, bigint) FROM PUBLIC;

CREATE FUNCTION mlops.queue_retraining(model text, query text DEFAULT NULL, reason text DEFAULT NULL,
                                       change_ref text DEFAULT NULL, alert bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_queue_retraining';
COMMENT ON FUNCTION mlops.queue_retraining(text, text, text, text, bigint) IS
    'Queues a job of the caller that trains the champion of a model again and opens a request for its promotion, with an alert as its evidence if one is given, and returns the id of the retraining; one at a time for a model; the reason is mandatory; needs privilege manage; errors ML001, ML003, ML057, ML073, 22004, 42501 and 55000.';
REVOKE ALL ON FUNCTION mlops.queue_retraining(text, text, text, text, bigint) FROM PUBLIC;

CREATE FUNCTION mlops._plan_retraining(retraining bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    t mlops.retraining;
    model_name text;
BEGIN
    SELECT x.* INTO t FROM mlops.retraining x WHERE x.id = retraining;
    SELECT m.name INTO model_name FROM mlops.model m WHERE m.id = t.model_id;
    IF t.id IS NULL OR NOT mlops._caller_has(model_name, 'any') THEN
        RAISE EXCEPTION 'retraining % does not exist', retraining
            USING ERRCODE = 'undefined_object', HINT = 'View mlops.retrainings shows those that you can see.';
    END IF;
    PERFORM mlops._require(model_name, 'manage');
    IF t.owner IS DISTINCT FROM (SELECT r.oid FROM pg_roles r WHERE r.rolname = mlops._caller()) THEN
        RAISE EXCEPTION 'permission denied for retraining %', retraining
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('It reads with the rights of role "%s".', t.owner_name);
    END IF;
    PERFORM mlops._check_open(t);
    RETURN mlops._recipe(t.version_id, t.query, t.reason)
        || jsonb_build_object('change_ref', t.change_ref, 'retraining', t.id);
END
$$;
COMMENT ON FUNCTION mlops._plan_retraining(bigint) IS
    'What mlops.perform_retraining() is to do; errors 42501, 42704, 55000 and ML073.';
REVOKE ALL ON FUNCTION mlops._plan_retraining(bigint) FROM PUBLIC;

CREATE FUNCTION mlops._check_open(retraining mlops.retraining) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF retraining.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'retraining % has been done', retraining.id
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('It made %s.', mlops._reference(retraining.new_version_id));
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._check_open(mlops.retraining) IS 'Error 55000 if a retraining has been done.';
REVOKE ALL ON FUNCTION mlops._check_open(mlops.retraining) FROM PUBLIC;

-- A retraining of a locked model has made a version: end it, and ask people.
-- Without the approval of one of them nothing becomes champion here, also if
-- the policy wants none.
CREATE FUNCTION mlops._end_retraining(id bigint, made bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    t mlops.retraining;
    before jsonb;
    problem text;
BEGIN
    SELECT x.* INTO STRICT t FROM mlops.retraining x WHERE x.id = _end_retraining.id FOR NO KEY UPDATE;
    PERFORM mlops._check_open(t);
    before := mlops._retraining_state(t);
    BEGIN
        PERFORM mlops._check_promotion(t.model_id, 'champion', made, t.change_ref);
    EXCEPTION WHEN SQLSTATE 'ML042' OR SQLSTATE 'ML044' THEN
        GET STACKED DIAGNOSTICS problem = PG_EXCEPTION_DETAIL;
        problem := concat_ws(' ', format('no request: %s.', SQLERRM), nullif(problem, ''));
    END;
    UPDATE mlops.retraining x
    SET new_version_id = made, note = problem, ended_at = mlops._now(), ended_by = session_user
    WHERE x.id = t.id;
    PERFORM mlops._tell_retraining(t.id, 'end', before);
    PERFORM mlops._remove_job(j) FROM mlops.job j WHERE j.id = t.job_id;
    RETURN CASE WHEN problem IS NULL
                THEN mlops._open_request(t.model_id, 'promotion', 'champion', made, NULL, t.reason, t.change_ref, 1) END;
END
$$;
COMMENT ON FUNCTION mlops._end_retraining(bigint, bigint) IS
    'Ends a retraining with the version that it made, and opens a request for its promotion; its id, NULL if the policy or a gate does not allow one.';
REVOKE ALL ON FUNCTION mlops._end_retraining(bigint, bigint) FROM PUBLIC;

CREATE FUNCTION mlops.perform_retraining(retraining bigint, OUT model mlops.modelref, OUT version integer, OUT metrics jsonb,
                                         OUT retrained_from mlops.modelref, OUT alias text, OUT request bigint,
                                         OUT note text) RETURNS record
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000000
    AS 'MODULE_PATHNAME', 'mlops_perform_retraining';
COMMENT ON FUNCTION mlops.perform_retraining(bigint) IS
    'Does a retraining that was queued, as its owner, who is the caller: trains as mlops.retrain() does, ends the retraining, and opens a request for the promotion of the new version, which has the evidence in its package and needs at least one approval; note says why if the policy or a gate does not allow a request; errors 42501, 42704, 55000, ML073 and those of mlops.train().';
REVOKE ALL ON FUNCTION mlops.perform_retraining(bigint) FROM PUBLIC;

--
-- Rules
--
CREATE FUNCTION mlops._check_rule(kind text, arguments jsonb, cooldown interval, model_id bigint) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    known text[] := CASE kind
        WHEN 'check' THEN '{check,times}'
        WHEN 'performance' THEN '{check,metric,at_least,at_most,drop,rise,times}'
        WHEN 'age' THEN '{max_age}'
        WHEN 'labels' THEN '{rows,time_column}' END;
    numbers text[] := '{check,times,rows,at_least,at_most,drop,rise}';
    problem text;
BEGIN
    arguments := coalesce(arguments, '{}');
    problem := CASE
        WHEN known IS NULL THEN 'Kinds are check, performance, age and labels.'
        WHEN jsonb_typeof(arguments) <> 'object' THEN 'The arguments are a JSON object.'
        WHEN EXISTS (SELECT FROM jsonb_object_keys(arguments) k WHERE k <> ALL (known))
            THEN format('Arguments of a rule of kind %s are %s.', kind, array_to_string(known, ', '))
        WHEN EXISTS (SELECT FROM jsonb_each(arguments) a
                     WHERE jsonb_typeof(a.value) <> CASE WHEN a.key = ANY (numbers) THEN 'number' ELSE 'string' END)
            THEN 'Of the arguments, max_age, metric and time_column are texts, the others are numbers.'
        WHEN EXISTS (SELECT FROM jsonb_each_text(arguments) a
                     WHERE a.key IN ('check', 'times', 'rows') AND a.value !~ '^[1-9][0-9]{0,17}$')
            THEN 'A check, times and rows are positive whole numbers.'
        WHEN (arguments->>'times')::bigint > 1000000 THEN 'It is so many times in a row, at most 1000000.'
        WHEN EXISTS (SELECT FROM jsonb_each(arguments) a
                     WHERE CASE jsonb_typeof(a.value) WHEN 'number' THEN a.value::numeric END <> 0
                       AND CASE jsonb_typeof(a.value) WHEN 'number' THEN abs(a.value::numeric) END NOT BETWEEN 1e-300 AND 1e300)
            THEN 'Numbers are 0 or from 1e-300 to 1e300 in size.' END;
    -- the casts below need what was checked above
    problem := CASE
        WHEN problem IS NOT NULL THEN problem
        WHEN kind IN ('check', 'performance') AND NOT EXISTS (
                 SELECT FROM mlops.monitor_check c JOIN mlops.monitor o ON o.id = c.monitor_id
                 WHERE c.id = (arguments->>'check')::bigint AND c.dropped_at IS NULL AND o.model_id = _check_rule.model_id
                   AND (kind = 'check' OR c.kind = 'performance'))
            THEN format('It needs the id of a check of a monitor of the model%s.',
                        CASE kind WHEN 'performance' THEN ', of kind performance' ELSE '' END)
        WHEN kind = 'performance' AND NOT arguments ? 'metric' THEN 'It needs a metric.'
        WHEN kind = 'performance' AND NOT arguments ?| '{at_least,at_most,drop,rise}'
            THEN 'It needs at_least, at_most, drop or rise.'
        WHEN kind = 'age' AND coalesce((arguments->>'max_age')::interval <= interval '0', true) THEN 'It needs a positive max_age.'
        WHEN kind = 'labels' AND NOT arguments ? 'rows' THEN 'It needs a number of rows.'
        WHEN cooldown IS NULL OR cooldown < interval '0' OR cooldown > interval '3660 days'
            THEN 'A cooldown is from 0 to 3660 days.' END;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'invalid retrain rule' USING ERRCODE = 'invalid_parameter_value', DETAIL = problem;
    END IF;
    RETURN CASE kind WHEN 'check' THEN '{"times": 2}'::jsonb WHEN 'performance' THEN '{"times": 1}' ELSE '{}' END || arguments;
END
$$;
COMMENT ON FUNCTION mlops._check_rule(text, jsonb, interval, bigint) IS
    'Arguments of a retrain rule with their defaults; errors 22023 and 22007.';
REVOKE ALL ON FUNCTION mlops._check_rule(text, jsonb, interval, bigint) FROM PUBLIC;

CREATE FUNCTION mlops._add_retrain_rule(model text, kind text, arguments jsonb, query text, cooldown interval, schedule text,
                                        change_ref text, reason text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint := mlops._lock_model(model);
    new_id bigint;
    new_job bigint;
BEGIN
    PERFORM mlops._check_reason(reason);
    arguments := mlops._check_rule(kind, arguments, cooldown, target);
    new_id := nextval('mlops.retrain_rule_id_seq');
    IF schedule IS NOT NULL THEN
        SELECT j.job INTO new_job
        FROM mlops._make_job('training', format('retrain rule %s', new_id), schedule,
                             format('SELECT * FROM mlops.check_retrain_rules(%L, %s)', model, new_id)) j;
    ELSE
        -- somebody else's rule would train as him
        PERFORM mlops._require_job_owner(mlops._role(mlops._caller()), format('retrain rule %s', new_id));
    END IF;
    INSERT INTO mlops.retrain_rule (id, model_id, kind, arguments, query, cooldown, change_ref, reason, owner_name, job_id,
                                    enabled, created_at, created_by)
    VALUES (new_id, target, kind, arguments, query, cooldown, change_ref, reason, mlops._caller(), new_job,
            true, clock_timestamp(), session_user);
    PERFORM mlops._note_identity();
    PERFORM mlops._audit(action => 'retrain_rule.add', model => _add_retrain_rule.model, subject => r.id::text, reason => r.reason,
                         state_after => mlops._retrain_rule_state(r))
    FROM mlops.retrain_rule r WHERE r.id = new_id;
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION mlops._add_retrain_rule(text, text, jsonb, text, interval, text, text, text) IS
    'Body of mlops.add_retrain_rule(), without the trial.';
REVOKE ALL ON FUNCTION mlops._add_retrain_rule(text, text, jsonb, text, interval, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.add_retrain_rule(model text, kind text, arguments jsonb DEFAULT '{}', query text DEFAULT NULL,
                                       cooldown interval DEFAULT '1 day', schedule text DEFAULT 'every hour',
                                       change_ref text DEFAULT NULL, reason text DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_add_retrain_rule';
COMMENT ON FUNCTION mlops.add_retrain_rule(text, text, jsonb, text, interval, text, text, text) IS
    'Adds a rule that queues a retraining of a model''s champion when a check failed several times in a row (check), a figure is beyond a limit or down against the test figures (performance), the champion is old (age) or there are many new labels (labels), at most once in the cooldown; the caller is its owner, whose job checks it on a schedule (NULL: no job), and who trains with the query (NULL: that of the champion); returns its id; the reason is mandatory; needs privilege manage; errors ML001, ML003, ML060, ML073, 22004, 22007, 22023 and 42501.';
REVOKE ALL ON FUNCTION mlops.add_retrain_rule(text, text, jsonb, text, interval, text, text, text) FROM PUBLIC;

-- A rule that was not dropped, with its model locked.
CREATE FUNCTION mlops._lock_rule(rule bigint, or_owner_of_model boolean, OUT r mlops.retrain_rule, OUT model text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT m.name INTO model FROM mlops.retrain_rule x JOIN mlops.model m ON m.id = x.model_id WHERE x.id = rule;
    IF model IS NULL OR NOT mlops._caller_has(model, 'any') THEN
        RAISE EXCEPTION 'retrain rule % does not exist', rule
            USING ERRCODE = 'undefined_object', HINT = 'View mlops.retrain_rules shows those that you can see.';
    END IF;
    PERFORM mlops._lock_model(model);
    SELECT x.* INTO STRICT r FROM mlops.retrain_rule x WHERE x.id = rule;
    IF r.owner IS DISTINCT FROM (SELECT o.oid FROM pg_roles o WHERE o.rolname = mlops._caller())
       AND NOT (or_owner_of_model AND mlops._caller_has(model, 'own')) THEN
        RAISE EXCEPTION 'must be owner of retrain rule %', rule
            USING ERRCODE = 'insufficient_privilege', DETAIL = format('It trains with the rights of role "%s".', r.owner_name);
    END IF;
    IF r.dropped_at IS NOT NULL THEN
        RAISE EXCEPTION 'retrain rule % was dropped', rule USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM mlops._note_identity();
END
$$;
COMMENT ON FUNCTION mlops._lock_rule(bigint, boolean) IS
    'A retrain rule that the caller may change, with its model, which is locked; errors 42501, 42704 and 55000.';
REVOKE ALL ON FUNCTION mlops._lock_rule(bigint, boolean) FROM PUBLIC;

CREATE FUNCTION mlops._alter_retrain_rule(rule bigint, arguments jsonb, cooldown interval, change_ref text,
                                          enabled boolean, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked record := mlops._lock_rule(rule, false);
    r mlops.retrain_rule := locked.r;
    before jsonb := mlops._retrain_rule_state(r);
BEGIN
    PERFORM mlops._check_reason(reason);
    PERFORM mlops._require_job_owner(r.owner, format('retrain rule %s', rule));
    UPDATE mlops.retrain_rule x
    SET arguments = mlops._check_rule(r.kind, coalesce(_alter_retrain_rule.arguments, r.arguments),
                                      coalesce(_alter_retrain_rule.cooldown, r.cooldown), r.model_id),
        cooldown = coalesce(_alter_retrain_rule.cooldown, r.cooldown),
        change_ref = coalesce(_alter_retrain_rule.change_ref, r.change_ref),
        enabled = coalesce(_alter_retrain_rule.enabled, r.enabled), reason = _alter_retrain_rule.reason
    WHERE x.id = rule
    RETURNING x.* INTO r;
    PERFORM mlops._audit(action => 'retrain_rule.alter', model => locked.model, subject => r.id::text, reason => r.reason,
                         state_before => before, state_after => mlops._retrain_rule_state(r));
END
$$;
COMMENT ON FUNCTION mlops._alter_retrain_rule(bigint, jsonb, interval, text, boolean, text) IS
    'Body of mlops.alter_retrain_rule().';
REVOKE ALL ON FUNCTION mlops._alter_retrain_rule(bigint, jsonb, interval, text, boolean, text) FROM PUBLIC;

CREATE FUNCTION mlops.alter_retrain_rule(rule bigint, arguments jsonb DEFAULT NULL, cooldown interval DEFAULT NULL,
                                         change_ref text DEFAULT NULL, enabled boolean DEFAULT NULL, reason text DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.alter_retrain_rule(bigint, jsonb, interval, text, boolean, text) IS
    'Changes what is given of a retrain rule, arguments as a whole; mlops.alter_job() changes when it is checked; the reason is mandatory; needs to be its owner and privilege manage; errors 22004, 22007, 22023, 42501, 42704 and 55000.';
REVOKE ALL ON FUNCTION mlops.alter_retrain_rule(bigint, jsonb, interval, text, boolean, text) FROM PUBLIC;

CREATE FUNCTION mlops._drop_retrain_rule(rule bigint, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked record := mlops._lock_rule(rule, true);
    r mlops.retrain_rule := locked.r;
    before jsonb := mlops._retrain_rule_state(r);
BEGIN
    PERFORM mlops._check_reason(reason);
    UPDATE mlops.retrain_rule x
    SET dropped_at = clock_timestamp(), dropped_by = session_user, drop_reason = _drop_retrain_rule.reason, enabled = false
    WHERE x.id = rule
    RETURNING x.* INTO r;
    PERFORM mlops._remove_job(j) FROM mlops.job j WHERE j.id = r.job_id;
    PERFORM mlops._audit(action => 'retrain_rule.drop', model => locked.model, subject => r.id::text,
                         reason => _drop_retrain_rule.reason, state_before => before,
                         state_after => mlops._retrain_rule_state(r));
END
$$;
COMMENT ON FUNCTION mlops._drop_retrain_rule(bigint, text) IS 'Body of mlops.drop_retrain_rule().';
REVOKE ALL ON FUNCTION mlops._drop_retrain_rule(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops.drop_retrain_rule(rule bigint, reason text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.drop_retrain_rule(bigint, text) IS
    'Drops a retrain rule with the job that checks it; a retraining that it opened goes on; the reason is mandatory; needs privilege manage and to be owner of the rule, or to be owner of the model; errors 22004, 42501, 42704 and 55000.';
REVOKE ALL ON FUNCTION mlops.drop_retrain_rule(bigint, text) FROM PUBLIC;

--
-- Checking
--

-- Of the caller's rules those that ask how many labels are new, each with the
-- statement that counts them, to be executed by the caller.
CREATE FUNCTION mlops._plan_retrain_rules(model text, rule bigint) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r mlops.retrain_rule;
    target bigint;
    champion bigint;
    recipe jsonb;
    result jsonb := '[]';
BEGIN
    IF model IS NULL THEN
        RAISE EXCEPTION 'no model was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM mlops._require(model, 'manage');
    SELECT m.id INTO STRICT target FROM mlops.model m WHERE m.name = model;
    champion := mlops._aliased(target, 'champion');
    IF rule IS NOT NULL THEN
        PERFORM mlops._lock_rule(rule, false);
    END IF;
    FOR r IN SELECT x.* FROM mlops.retrain_rule x
             WHERE x.model_id = target AND x.kind = 'labels' AND x.enabled AND x.id = coalesce(rule, x.id)
               AND x.owner = (SELECT o.oid FROM pg_roles o WHERE o.rolname = mlops._caller())
             ORDER BY x.id LOOP
        recipe := mlops._recipe(champion, r.query, r.reason);
        result := result || jsonb_build_object('rule', r.id, 'path', recipe->'path', 'statement',
            format(E'SELECT pg_catalog.count(*) FROM (%s\n) q WHERE q.%I IS NOT NULL', recipe->>'query', recipe->>'label')
            || CASE WHEN r.arguments ? 'time_column'
                    THEN format(' AND q.%I OPERATOR(pg_catalog.>) %L::pg_catalog.timestamptz', r.arguments->>'time_column', recipe->>'started_at')
                    ELSE '' END,
            'known', CASE WHEN r.arguments ? 'time_column' THEN 0 ELSE (recipe->>'rows')::bigint END);
    END LOOP;
    RETURN result;
END
$$;
COMMENT ON FUNCTION mlops._plan_retrain_rules(text, bigint) IS
    'Statements of the caller''s rules about new labels; errors 42501, 42704, 55000, ML001, ML003 and ML073.';
REVOKE ALL ON FUNCTION mlops._plan_retrain_rules(text, bigint) FROM PUBLIC;

-- Whether a rule holds for a version, with what shows it.  Of checks, windows
-- that were compared with this version count, from those on that an earlier
-- retraining of the rule has used; verdicts that are insufficient say nothing.
CREATE FUNCTION mlops._rule_evidence(r mlops.retrain_rule, champion bigint, counts jsonb, OUT due boolean, OUT message text,
                                     OUT evidence jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$
DECLARE
    a jsonb := r.arguments;
    used timestamptz;
    age interval;
    found_rows bigint;
BEGIN
    CASE
    WHEN r.kind IN ('check', 'performance') THEN
        SELECT max((t.evidence->>'until')::timestamptz) INTO used
        FROM mlops.retraining t WHERE t.rule_id = r.id AND t.ended_at IS NOT NULL;
        WITH look AS (
            SELECT DISTINCT ON (m.window_end, m.window_start) m.id, m.window_start, m.window_end
            FROM mlops.monitor_run m JOIN mlops.monitor_check c ON c.monitor_id = m.monitor_id
            WHERE c.id = (a->>'check')::bigint AND m.version_id = champion AND m.window_end > coalesce(used, '-infinity')
            ORDER BY m.window_end, m.window_start, m.attempt DESC
        ), judged AS (
            SELECT l.id, l.window_start, l.window_end, x.results, x.bad,
                   count(*) FILTER (WHERE NOT x.bad) OVER (ORDER BY l.window_end, l.window_start) AS streak
            FROM look l, LATERAL (
                SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('id', y.id, 'metric', y.metric, 'attribute', y.attribute,
                                                                      'value', y.value, 'threshold', y.threshold))
                                 ORDER BY y.id) FILTER (WHERE y.bad) AS results,
                       bool_or(y.bad) AS bad
                FROM (SELECT z.*, CASE r.kind
                          WHEN 'check' THEN z.verdict = 'fail'
                          ELSE coalesce(z.value < (a->>'at_least')::float8, false)
                            OR coalesce(z.value > (a->>'at_most')::float8, false)
                            OR coalesce(z.value < (z.definition->>'test_value')::float8 - (a->>'drop')::float8, false)
                            OR coalesce(z.value > (z.definition->>'test_value')::float8 + (a->>'rise')::float8, false) END AS bad
                      FROM mlops.check_result z
                      WHERE z.run_id = l.id AND z.check_id = (a->>'check')::bigint AND z.verdict <> 'insufficient'
                        AND (r.kind = 'check' OR (z.metric = a->>'metric' AND z.attribute IS NULL AND z."group" IS NULL
                                                  AND z.value IS NOT NULL))) y) x
            WHERE x.bad IS NOT NULL
        )
        SELECT jsonb_build_object('windows', jsonb_agg(jsonb_build_object('start', mlops._utc(j.window_start), 'end', mlops._utc(j.window_end))
                                                       ORDER BY j.window_end, j.window_start),
                                  'check_results', (SELECT jsonb_agg(e.value ORDER BY (e.value->>'id')::bigint)
                                                    FROM judged b, jsonb_array_elements(b.results) e
                                                    WHERE b.bad AND b.streak = j.streak),
                                  'until', mlops._utc(max(j.window_end))),
               format('check %s failed for %s', a->>'check', CASE count(*) WHEN 1 THEN '1 window' ELSE format('%s windows in a row', count(*)) END)
        INTO evidence, message
        FROM judged j WHERE j.bad GROUP BY j.streak HAVING count(*) >= (a->>'times')::integer
        ORDER BY j.streak DESC LIMIT 1;
        due := evidence IS NOT NULL;
        message := coalesce(message, format('check %s has not failed for %s', a->>'check',
                                            CASE a->>'times' WHEN '1' THEN '1 window' ELSE format('%s windows in a row', a->>'times') END));
    WHEN r.kind = 'age' THEN
        SELECT justify_hours(mlops._now() - v.created_at), jsonb_build_object('trained_at', mlops._utc(v.created_at))
        INTO STRICT age, evidence FROM mlops.version v WHERE v.id = champion;
        due := age > (a->>'max_age')::interval;
        message := format('%s was made %s ago', mlops._reference(champion), date_trunc('second', age));
    WHEN r.kind = 'labels' THEN
        found_rows := (counts->>r.id::text)::bigint;
        due := found_rows >= (a->>'rows')::bigint;
        evidence := jsonb_build_object('new_labels', found_rows);
        message := format('%s new labels', found_rows);
    END CASE;
END
$$;
COMMENT ON FUNCTION mlops._rule_evidence(mlops.retrain_rule, bigint, jsonb) IS 'Whether a retrain rule holds for a version, and what shows it.';
REVOKE ALL ON FUNCTION mlops._rule_evidence(mlops.retrain_rule, bigint, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._check_retrain_rules(model text, only_rule bigint, counts jsonb)
    RETURNS TABLE (rule bigint, kind text, due boolean, message text, retraining bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint := mlops._lock_model(model);
    champion bigint := mlops._aliased(target, 'champion');
    r mlops.retrain_rule;
    found_evidence jsonb;
    open_one bigint;
    again_at timestamptz;
BEGIN
    FOR r IN SELECT x.* FROM mlops.retrain_rule x
             WHERE x.model_id = target AND x.enabled AND x.id = coalesce(only_rule, x.id)
               AND x.owner = (SELECT o.oid FROM pg_roles o WHERE o.rolname = mlops._caller())
             ORDER BY x.id LOOP
        rule := r.id;
        kind := r.kind;
        retraining := NULL;
        SELECT e.due, e.message, e.evidence INTO due, message, found_evidence
        FROM mlops._rule_evidence(r, champion, counts) e;
        IF due THEN
            open_one := mlops._open_retraining(target);
            SELECT max(t.created_at) + r.cooldown INTO again_at FROM mlops.retraining t WHERE t.rule_id = r.id;
            IF open_one IS NOT NULL THEN
                message := format('%s; retraining %s goes on', message, open_one);
            ELSIF again_at > mlops._now() THEN
                message := format('%s; not before %s', message, again_at);
            ELSE
                retraining := mlops._open_job(target, r.id, r.query, r.change_ref,
                                              format('rule %s: %s', r.id, message),
                                              jsonb_build_object('rule', r.id, 'kind', r.kind, 'arguments', r.arguments)
                                              || found_evidence);
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION mlops._check_retrain_rules(text, bigint, jsonb) IS
    'Body of mlops.check_retrain_rules(), after the counts of new labels by rule.';
REVOKE ALL ON FUNCTION mlops._check_retrain_rules(text, bigint, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops.check_retrain_rules(model text, only_rule bigint DEFAULT NULL)
    RETURNS TABLE (rule bigint, kind text, due boolean, message text, retraining bigint)
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 ROWS 5
    AS 'MODULE_PATHNAME', 'mlops_check_retrain_rules';
COMMENT ON FUNCTION mlops.check_retrain_rules(text, bigint) IS
    'Looks whether the caller''s rules of a model, or one of them, hold for its champion, and queues a retraining for one that does, unless one goes on or the cooldown is not over; gives each rule, whether it holds, why, and the retraining that it opened; counts new labels as the caller; needs privilege manage; errors ML001, ML003, ML073, 42501, 42704 and 55000.';
REVOKE ALL ON FUNCTION mlops.check_retrain_rules(text, bigint) FROM PUBLIC;

--
-- Views
--
CREATE VIEW mlops.retrain_rules WITH (security_barrier) AS
    SELECT r.id,
           m.name AS model,
           r.kind,
           r.arguments,
           r.query,
           r.cooldown,
           r.enabled,
           r.owner_name AS owner,
           j.name AS job,
           (SELECT pg_catalog.max(t.created_at) FROM mlops.retraining t
            WHERE t.rule_id OPERATOR(pg_catalog.=) r.id) AS last_retraining_at,
           r.change_ref,
           r.reason,
           r.created_at,
           r.created_by
    FROM mlops.retrain_rule r
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) r.model_id
    LEFT JOIN mlops.job j ON j.id OPERATOR(pg_catalog.=) r.job_id
    WHERE r.dropped_at IS NULL AND mlops.has_privilege(m.name, 'read');
COMMENT ON VIEW mlops.retrain_rules IS
    'When models are to be trained again, with the job that checks each rule, of models on which the viewer has privilege read.';

CREATE VIEW mlops.retrainings WITH (security_barrier) AS
    SELECT t.id,
           m.name AS model,
           f.version AS from_version,
           v.version,
           CASE WHEN q.status IS NOT NULL THEN q.status
                WHEN t.ended_at IS NOT NULL THEN 'trained'
                WHEN EXISTS (SELECT FROM mlops.job_run u
                             WHERE u.job_id OPERATOR(pg_catalog.=) t.job_id
                               AND (u.finished_at IS NULL OR NOT u.settled)) THEN 'queued'
                ELSE 'failed' END AS status,
           t.rule_id AS rule,
           t.reason,
           t.evidence,
           q.id AS request,
           t.note,
           t.owner_name AS owner,
           'retraining ' OPERATOR(pg_catalog.||) t.id::pg_catalog.text AS job,
           t.created_at,
           t.created_by,
           t.ended_at
    FROM mlops.retraining t
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) t.model_id
    JOIN mlops.version f ON f.id OPERATOR(pg_catalog.=) t.version_id
    LEFT JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) t.new_version_id
    LEFT JOIN LATERAL (SELECT r.id, r.status FROM mlops.requests r
                       WHERE r.model OPERATOR(pg_catalog.=) m.name AND r.version OPERATOR(pg_catalog.=) v.version
                         AND r.alias OPERATOR(pg_catalog.=) 'champion' AND r.kind OPERATOR(pg_catalog.=) 'promotion'
                       ORDER BY r.id LIMIT 1) q ON true
    WHERE mlops.has_privilege(m.name, 'read');
COMMENT ON VIEW mlops.retrainings IS
    'Each time that a model was to be trained again: why, with which evidence, by which job, the version that came of it, and its request; status is queued, failed, trained (the policy did not allow a request, see note), or that of the request; of models on which the viewer has privilege read.';
GRANT SELECT ON mlops.retrain_rules, mlops.retrainings TO PUBLIC;
