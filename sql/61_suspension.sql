-- file: sql/61_suspension.sql
-- The safe directions: suspension of a model, and what one person did alone
-- and another one ratifies.
--
-- mlops.suspend() does not lock the row of the model, which a training or a
-- promotion in an open transaction may hold for long: nobody can keep the kill
-- switch from working.  src/governance/suspension.c reads the table for each
-- statement that scores.

CREATE SEQUENCE mlops.suspension_id_seq;
CREATE TABLE mlops.suspension (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.suspension_id_seq'::pg_catalog.regclass),
    model_id bigint NOT NULL,
    reason text NOT NULL CHECK (reason OPERATOR(pg_catalog.~) '[^[:space:]]'),
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    login_role name NOT NULL,
    ended_at timestamp with time zone,
    ended_by name,
    end_reason text,
    request_id bigint,
    CHECK ((ended_at IS NULL) OPERATOR(pg_catalog.=) (ended_by IS NULL)),
    CHECK ((ended_at IS NULL) OPERATOR(pg_catalog.=) (end_reason IS NULL)),
    CHECK (request_id IS NULL OR ended_at IS NOT NULL)
);
CREATE UNIQUE INDEX suspension_present_idx ON mlops.suspension (model_id) WHERE ended_at IS NULL;
COMMENT ON TABLE mlops.suspension IS
    'Private: when which model was suspended, at most one row of a model without an end; view mlops.suspensions.';

CREATE SEQUENCE mlops.safety_action_id_seq;
CREATE TABLE mlops.safety_action (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.safety_action_id_seq'::pg_catalog.regclass),
    model_id bigint NOT NULL,
    kind text NOT NULL
        CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['rollback', 'drop', 'suspension'])),
    alias text CHECK ((alias IS NULL) OPERATOR(pg_catalog.=) (kind OPERATOR(pg_catalog.=) 'suspension')),
    subject_id bigint NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    login_role name NOT NULL,
    due_at timestamp with time zone NOT NULL,
    ratified_at timestamp with time zone,
    ratified_by name,
    ratified_login_role name,
    comment text,
    UNIQUE (kind, subject_id),
    CHECK ((ratified_at IS NULL) OPERATOR(pg_catalog.=) (ratified_by IS NULL)),
    CHECK ((ratified_at IS NULL) OPERATOR(pg_catalog.=) (ratified_login_role IS NULL)),
    CHECK (comment IS NULL OR ratified_at IS NOT NULL)
);
COMMENT ON TABLE mlops.safety_action IS
    'Private: what one person did alone in a safe direction (subject_id: the row of alias_change or suspension) and who ratified it; view mlops.safety_actions.';

REVOKE ALL ON mlops.suspension, mlops.safety_action FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.suspension', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.suspension_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.safety_action', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.safety_action_id_seq', '');

-- Columns that are set once, the first of which says that they are; all others
-- never change.
CREATE FUNCTION mlops._check_set_once() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF to_jsonb(OLD)->>TG_ARGV[0] IS NOT NULL OR to_jsonb(NEW)->>TG_ARGV[0] IS NULL
       OR to_jsonb(OLD) - TG_ARGV <> to_jsonb(NEW) - TG_ARGV THEN
        RAISE EXCEPTION 'row % of table mlops.% cannot be changed', OLD.id, TG_TABLE_NAME
            USING ERRCODE = 'ML040', DETAIL = 'It is a record of what happened.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION mlops._check_set_once() IS
    'Trigger function: error ML040 unless only the columns of its arguments change, once.';
REVOKE ALL ON FUNCTION mlops._check_set_once() FROM PUBLIC;
CREATE TRIGGER check_set_once BEFORE UPDATE ON mlops.suspension
    FOR EACH ROW EXECUTE FUNCTION mlops._check_set_once('ended_at', 'ended_by', 'end_reason', 'request_id');
CREATE TRIGGER check_set_once BEFORE UPDATE ON mlops.safety_action
    FOR EACH ROW EXECUTE FUNCTION mlops._check_set_once('ratified_at', 'ratified_by', 'ratified_login_role', 'comment');
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.suspension
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.safety_action
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.suspension ENABLE ALWAYS TRIGGER check_set_once;
ALTER TABLE mlops.safety_action ENABLE ALWAYS TRIGGER check_set_once;
ALTER TABLE mlops.suspension ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.safety_action ENABLE ALWAYS TRIGGER refuse_change;

-- Suspensions and safety actions as events have them.
CREATE FUNCTION mlops._suspension_state(suspension mlops.suspension) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_jsonb(suspension) - '{id,model_id}'::text[]
        || jsonb_build_object('created_at', mlops._utc((suspension).created_at),
                              'ended_at', mlops._utc((suspension).ended_at))
$$;
COMMENT ON FUNCTION mlops._suspension_state(mlops.suspension) IS 'State of a suspension, as events have it.';
REVOKE ALL ON FUNCTION mlops._suspension_state(mlops.suspension) FROM PUBLIC;

CREATE FUNCTION mlops._safety_state(action mlops.safety_action) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_jsonb(action) - '{id,model_id,alias}'::text[]
        || jsonb_build_object('created_at', mlops._utc((action).created_at), 'due_at', mlops._utc((action).due_at),
                              'ratified_at', mlops._utc((action).ratified_at))
$$;
COMMENT ON FUNCTION mlops._safety_state(mlops.safety_action) IS 'State of a safety action, as events have it.';
REVOKE ALL ON FUNCTION mlops._safety_state(mlops.safety_action) FROM PUBLIC;

-- For the comparison of the audit log with the tables.
CREATE FUNCTION mlops._state_suspension() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, NULL::text, s.id::text, mlops._suspension_state(s)
    FROM mlops.suspension s LEFT JOIN mlops.model m ON m.id = s.model_id
$$;
COMMENT ON FUNCTION mlops._state_suspension() IS 'State of all suspensions, as events have it.';
REVOKE ALL ON FUNCTION mlops._state_suspension() FROM PUBLIC;

CREATE FUNCTION mlops._state_safety() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, s.alias, s.id::text, mlops._safety_state(s)
    FROM mlops.safety_action s LEFT JOIN mlops.model m ON m.id = s.model_id
$$;
COMMENT ON FUNCTION mlops._state_safety() IS 'State of all safety actions, as events have it.';
REVOKE ALL ON FUNCTION mlops._state_safety() FROM PUBLIC;

-- Record what one person did alone, if it is to be ratified: if the alias, or
-- of a whole model any alias, needs approvals.
CREATE FUNCTION mlops._note_safety(model_id bigint, kind text, alias text, subject_id bigint, reason text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    needed integer;
    new_id bigint;
    now_at timestamptz := clock_timestamp();
BEGIN
    SELECT max((mlops._policy_of(model_id, a.alias)->'approvals')::integer) INTO needed
    FROM (SELECT _note_safety.alias WHERE _note_safety.alias IS NOT NULL
          UNION
          SELECT x.alias
          FROM (SELECT 'champion' AS alias
                UNION SELECT l.alias FROM mlops.alias l WHERE l.model_id = _note_safety.model_id
                UNION SELECT p.alias FROM mlops.policy p WHERE p.model_id = _note_safety.model_id) x
          WHERE _note_safety.alias IS NULL) a (alias);
    IF needed = 0 THEN
        RETURN;
    END IF;
    INSERT INTO mlops.safety_action (model_id, kind, alias, subject_id, reason, created_at, created_by, login_role, due_at)
    VALUES (model_id, kind, alias, subject_id, reason, now_at, session_user, mlops._login_role(),
            now_at + make_interval(secs => (mlops._settings()).ratification_period))
    RETURNING id INTO new_id;
    PERFORM mlops._audit(action => 'safety.open', model => m.name, alias => s.alias, subject => new_id::text,
                         reason => s.reason, state_after => mlops._safety_state(s),
                         policy_sha256 => mlops._policy_sha256(s.model_id, s.alias))
    FROM mlops.safety_action s JOIN mlops.model m ON m.id = s.model_id
    WHERE s.id = new_id;
END
$$;
COMMENT ON FUNCTION mlops._note_safety(bigint, text, text, bigint, text) IS
    'Records an act of one person that another is to ratify, where approvals are needed.';
REVOKE ALL ON FUNCTION mlops._note_safety(bigint, text, text, bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._ratify(action bigint, comment text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    a mlops.safety_action;
    model_name text;
    hint text;
    before jsonb;
BEGIN
    IF action IS NULL THEN
        RAISE EXCEPTION 'no safety action was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT s.* INTO a FROM mlops.safety_action s WHERE s.id = action;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'safety action % does not exist', action
            USING ERRCODE = 'undefined_object', HINT = 'mlops.safety_actions lists them.';
    END IF;
    SELECT m.name INTO STRICT model_name FROM mlops.model m WHERE m.id = a.model_id;
    PERFORM mlops._lock_model(model_name, 'approve');
    hint := mlops._approvers(a.model_id, '{}');
    PERFORM mlops._check_checker(hint);
    PERFORM mlops._check_session_may_approve(a.model_id, hint);
    PERFORM mlops._check_other_person(a.created_by, mlops._roles_named(a.created_by),
                                      format('did the %s', a.kind), hint);
    PERFORM mlops._note_identity();
    before := mlops._safety_state(a);
    UPDATE mlops.safety_action s
    SET ratified_at = clock_timestamp(), ratified_by = session_user,
        ratified_login_role = mlops._login_role(), comment = _ratify.comment
    WHERE s.id = action AND s.ratified_at IS NULL
    RETURNING s.* INTO a;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'safety action % is already ratified', action
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM mlops._audit(action => 'safety.ratify', model => model_name, alias => a.alias, subject => a.id::text,
                         reason => comment, state_before => before, state_after => mlops._safety_state(a),
                         policy_sha256 => mlops._policy_sha256(a.model_id, a.alias));
END
$$;
COMMENT ON FUNCTION mlops._ratify(bigint, text) IS 'Body of mlops.ratify().';
REVOKE ALL ON FUNCTION mlops._ratify(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops.ratify(action bigint, comment text DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.ratify(bigint, text) IS
    'Confirms a rollback, a dropped alias or a suspension that another person did alone; needs privilege approve; errors 42501, ML041, 55000, 42704 and 22004.';
REVOKE ALL ON FUNCTION mlops.ratify(bigint, text) FROM PUBLIC;

--
-- Suspension
--
CREATE FUNCTION mlops._suspend(model text, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint;
    new_id bigint;
BEGIN
    IF model IS NULL THEN
        RAISE EXCEPTION 'no model was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF NOT mlops._caller_has(model, 'approve') THEN
        PERFORM mlops._require(model, 'manage');
    END IF;
    PERFORM mlops._check_reason(reason);
    SELECT m.id INTO STRICT target FROM mlops.model m WHERE m.name = model;
    INSERT INTO mlops.suspension (model_id, reason, created_at, created_by, login_role)
    VALUES (target, reason, clock_timestamp(), session_user, mlops._login_role())
    ON CONFLICT (model_id) WHERE ended_at IS NULL DO NOTHING
    RETURNING id INTO new_id;
    IF new_id IS NULL THEN
        RAISE EXCEPTION 'model "%" is already suspended', model
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM mlops._note_identity();
    PERFORM mlops._audit(action => 'suspension.on', model => _suspend.model, subject => s.id::text,
                         reason => s.reason, state_after => mlops._suspension_state(s))
    FROM mlops.suspension s WHERE s.id = new_id;
    PERFORM mlops._note_safety(target, 'suspension', NULL, new_id, reason);
END
$$;
COMMENT ON FUNCTION mlops._suspend(text, text) IS 'Body of mlops.suspend().';
REVOKE ALL ON FUNCTION mlops._suspend(text, text) FROM PUBLIC;

CREATE FUNCTION mlops.suspend(model text, reason text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.suspend(text, text) IS
    'Suspends a model at once: from the next statement of every session after the commit, scoring with it is error ML004, or gives the fallback of its policy; the reason is mandatory; one person is enough, and where an alias needs approvals another one ratifies it; needs privilege manage or approve; errors 42501, 22004, 55000 and ML001.';
REVOKE ALL ON FUNCTION mlops.suspend(text, text) FROM PUBLIC;

-- End the suspension of a locked model.
CREATE FUNCTION mlops._end_suspension(model_id bigint, reason text, change_ref text, request_id bigint,
                                      relied_on jsonb DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    model_name text;
    suspension mlops.suspension;
    before jsonb;
BEGIN
    SELECT m.name INTO STRICT model_name FROM mlops.model m WHERE m.id = _end_suspension.model_id;
    SELECT mlops._suspension_state(s) INTO before FROM mlops.suspension s
    WHERE s.model_id = _end_suspension.model_id AND s.ended_at IS NULL;
    UPDATE mlops.suspension s
    SET ended_at = clock_timestamp(), ended_by = session_user, end_reason = _end_suspension.reason,
        request_id = _end_suspension.request_id
    WHERE s.model_id = _end_suspension.model_id AND s.ended_at IS NULL
    RETURNING s.* INTO suspension;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'model "%" is not suspended', model_name
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM mlops._audit(action => 'suspension.off', model => model_name, subject => suspension.id::text,
                         reason => reason, change_ref => change_ref, state_before => before,
                         state_after => mlops._suspension_state(suspension), relied_on => relied_on);
END
$$;
COMMENT ON FUNCTION mlops._end_suspension(bigint, text, text, bigint, jsonb) IS
    'Ends the suspension of a locked model and records it; error 55000 if it is not suspended.';
REVOKE ALL ON FUNCTION mlops._end_suspension(bigint, text, text, bigint, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._resume(model text, reason text, change_ref text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint := mlops._lock_model(model);
    deciding text;
BEGIN
    PERFORM mlops._check_reason(reason);
    IF NOT EXISTS (SELECT FROM mlops.suspension s WHERE s.model_id = target AND s.ended_at IS NULL) THEN
        RAISE EXCEPTION 'model "%" is not suspended', model
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- of several policies that want it approved the strictest one
    SELECT p.alias INTO deciding FROM mlops.policy p
    WHERE p.model_id = target AND p.approve_resume
    ORDER BY (mlops._policy_of(target, p.alias)->'approvals')::integer DESC, p.alias LIMIT 1;
    IF FOUND THEN
        RETURN mlops._open_request(target, 'resume', deciding, NULL, NULL, reason, change_ref, 1);
    END IF;
    PERFORM mlops._note_identity();
    PERFORM mlops._end_suspension(target, reason, change_ref, NULL);
    PERFORM mlops._sweep_requests(target);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mlops._resume(text, text, text) IS 'Body of mlops.resume().';
REVOKE ALL ON FUNCTION mlops._resume(text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.resume(model text, reason text, change_ref text DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.resume(text, text, text) IS
    'Ends the suspension of a model and returns NULL, or opens a request and returns its id where a policy of the model wants that approved; the reason is mandatory; needs privilege manage; errors 42501, 22004, 55000, ML001 and ML042.';
REVOKE ALL ON FUNCTION mlops.resume(text, text, text) FROM PUBLIC;

--
-- Views
--
CREATE VIEW mlops.suspensions WITH (security_barrier) AS
    SELECT s.id,
           m.name AS model,
           CASE WHEN s.ended_at IS NULL THEN 'suspended' ELSE 'ended' END AS status,
           s.reason,
           s.created_at,
           s.created_by,
           s.login_role,
           s.ended_at,
           s.ended_by,
           s.end_reason,
           s.request_id AS request
    FROM mlops.suspension s
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) s.model_id
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.suspensions IS
    'Suspensions of models on which the viewer has any privilege: since when, why, until when, and the request that ended it.';

CREATE VIEW mlops.safety_actions WITH (security_barrier) AS
    SELECT s.id,
           m.name AS model,
           s.alias,
           s.kind,
           CASE WHEN s.ratified_at IS NOT NULL THEN 'ratified'
                WHEN s.due_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp() THEN 'open'
                ELSE 'overdue' END AS status,
           s.reason,
           s.created_at,
           s.created_by,
           s.login_role,
           coalesce(s.ratified_at, pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.-) s.created_at AS age,
           s.due_at,
           s.ratified_at,
           s.ratified_by,
           s.ratified_login_role,
           s.comment
    FROM mlops.safety_action s
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) s.model_id
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.safety_actions IS
    'Rollbacks, dropped aliases and suspensions that one person did alone, of models on which the viewer has any privilege: open until another person ratifies them, overdue after mlops.ratification_period.';

GRANT SELECT ON mlops.suspensions, mlops.safety_actions TO PUBLIC;
