-- file: sql/80_audit_state.sql
-- What the audit log is about: the state of every governed object, as an event
-- holds it and as the tables hold it now, and the guards of the tables.
--
-- For each kind of object there is a function that gives the state of one of
-- them, of which events take it, and one without arguments, _state_KIND(),
-- that gives the states of all; mlops.verify_audit() finds the latter by their
-- names.  A state is a JSON object without anything that another session
-- would see otherwise: instants are text in UTC.  What is large stands in it
-- by its SHA-256.

--
-- Models
--
CREATE FUNCTION mlops._model_state(model_id bigint) RETURNS jsonb
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object(
               'task', m.task,
               'description', m.description,
               'owner', (SELECT p.role_name FROM mlops.privilege p
                         WHERE p.model_id = m.id AND p.privilege = 'own'),
               'missing_columns', m.missing_columns,
               'unseen_categories', m.unseen_categories,
               'created_at', mlops._utc(m.created_at),
               'created_by', m.created_by)
    FROM mlops.model m WHERE m.id = model_id
$$;
COMMENT ON FUNCTION mlops._model_state(bigint) IS 'State of a model by the id of its row; NULL if there is none.';
REVOKE ALL ON FUNCTION mlops._model_state(bigint) FROM PUBLIC;

CREATE FUNCTION mlops._state_model() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, NULL::text, NULL::text, mlops._model_state(m.id) FROM mlops.model m
$$;
COMMENT ON FUNCTION mlops._state_model() IS 'States of all models.';
REVOKE ALL ON FUNCTION mlops._state_model() FROM PUBLIC;

--
-- Versions, with the runs that made them
--
CREATE FUNCTION mlops._version_state(version_id bigint) RETURNS jsonb
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$
    SELECT jsonb_build_object(
               'artifact_sha256', encode(v.artifact_sha256, 'hex'),
               'info_sha256', mlops._digest(v.info::text),
               'signature_sha256', mlops._digest(v.signature::text),
               'missing', v.missing,
               'classes', v.classes,
               'metrics', v.metrics,
               'calibration_sha256', mlops._digest(v.calibration::text),
               'golden_sha256', mlops._golden_digest(v.id),
               'source', v.source,
               'run', (SELECT jsonb_build_object(
                                  'id', r.id,
                                  'kind', r.kind,
                                  'started_at', mlops._utc(r.started_at),
                                  'finished_at', mlops._utc(r.finished_at),
                                  'metrics', r.metrics,
                                  'record_sha256', mlops._digest(r.record::text),
                                  'created_by', r.created_by,
                                  'caller', r.caller)
                       FROM mlops.run r WHERE r.id = v.run_id AND r.model_id = v.model_id),
               'description', v.description,
               'created_at', mlops._utc(v.created_at),
               'created_by', v.created_by,
               'caller', v.caller)
    FROM mlops.version v WHERE v.id = version_id
$$;
COMMENT ON FUNCTION mlops._version_state(bigint) IS 'State of a version by the id of its row; NULL if there is none.';
REVOKE ALL ON FUNCTION mlops._version_state(bigint) FROM PUBLIC;

CREATE FUNCTION mlops._state_version() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, v.version, NULL::text, NULL::text, mlops._version_state(v.id)
    FROM mlops.version v LEFT JOIN mlops.model m ON m.id = v.model_id
$$;
COMMENT ON FUNCTION mlops._state_version() IS 'States of all versions.';
REVOKE ALL ON FUNCTION mlops._state_version() FROM PUBLIC;

--
-- Thresholds.  A digest of all that were chosen is there for changes of earlier rows.
--
CREATE FUNCTION mlops._threshold_state(version_id bigint) RETURNS jsonb
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$
    SELECT jsonb_build_object(
               'threshold', (SELECT t.threshold FROM mlops._threshold_of(_threshold_state.version_id) t),
               'choices', count(*),
               'history_sha256', mlops._digest(string_agg(
                   jsonb_build_array(t.id, t.threshold, t.query, t.label, t.record, extract(epoch FROM t.created_at),
                                     t.created_by, t.caller)::text, E'\n' ORDER BY t.id)))
    FROM mlops.threshold t WHERE t.version_id = _threshold_state.version_id
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION mlops._threshold_state(bigint) IS
    'State of the threshold of a version by the id of its row, and of those that it had; NULL if none was chosen.';
REVOKE ALL ON FUNCTION mlops._threshold_state(bigint) FROM PUBLIC;

CREATE FUNCTION mlops._state_threshold() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, v.version, NULL::text, NULL::text, mlops._threshold_state(t.version_id)
    FROM (SELECT DISTINCT x.version_id FROM mlops.threshold x) t
    LEFT JOIN mlops.version v ON v.id = t.version_id
    LEFT JOIN mlops.model m ON m.id = v.model_id
$$;
COMMENT ON FUNCTION mlops._state_threshold() IS 'States of the thresholds of all versions.';
REVOKE ALL ON FUNCTION mlops._state_threshold() FROM PUBLIC;

--
-- Aliases.  One that was dropped goes on to have a state, without a version:
-- its history.  A digest of the history is there for changes of earlier rows.
--
CREATE FUNCTION mlops._alias_state(model_id bigint, alias text) RETURNS jsonb
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object(
               'version', (SELECT v.version FROM mlops.version v
                           WHERE v.id = a.version_id AND v.model_id = _alias_state.model_id),
               'changed_at', mlops._utc(a.changed_at),
               'changed_by', a.changed_by,
               'changes', h.changes,
               'history_sha256', mlops._digest(h.history))
    FROM (SELECT count(*) AS changes,
                 coalesce(string_agg(jsonb_build_array(
                              c.id, c.action, c.version_id, c.previous_version_id, c.reason, c.change_ref,
                              c.undone_id, extract(epoch FROM c.changed_at), c.changed_by)::text,
                          E'\n' ORDER BY c.id), '') AS history
          FROM mlops.alias_change c
          WHERE c.model_id = _alias_state.model_id AND c.alias = _alias_state.alias) h
    LEFT JOIN mlops.alias a ON a.model_id = _alias_state.model_id AND a.alias = _alias_state.alias
    WHERE h.changes > 0 OR a.alias IS NOT NULL
$$;
COMMENT ON FUNCTION mlops._alias_state(bigint, text) IS
    'State of an alias of a model, and of its history; NULL if there never was one.';
REVOKE ALL ON FUNCTION mlops._alias_state(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._state_alias() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, a.alias, NULL::text, mlops._alias_state(a.model_id, a.alias)
    FROM (SELECT c.model_id, c.alias FROM mlops.alias_change c
          UNION SELECT b.model_id, b.alias FROM mlops.alias b) a
    LEFT JOIN mlops.model m ON m.id = a.model_id
$$;
COMMENT ON FUNCTION mlops._state_alias() IS 'States of all aliases, also of those that were dropped.';
REVOKE ALL ON FUNCTION mlops._state_alias() FROM PUBLIC;

--
-- Privileges: what one role, by the name under which it was given, has on a
-- model or on all
--
CREATE FUNCTION mlops._privilege_state(model_id bigint, role_name text) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN count(*) > 0 THEN
               jsonb_build_object('privileges', jsonb_agg(
                   jsonb_build_object('privilege', p.privilege,
                                      'granted_at', mlops._utc(p.granted_at),
                                      'granted_by', p.granted_by)
                   ORDER BY p.privilege, p.granted_at, p.granted_by)) END
    FROM mlops.privilege p
    WHERE p.model_id IS NOT DISTINCT FROM _privilege_state.model_id
      AND p.role_name = _privilege_state.role_name AND p.privilege <> 'own'
$$;
COMMENT ON FUNCTION mlops._privilege_state(bigint, text) IS
    'Privileges of a role on a model, or on all for NULL; NULL if it has none.';
REVOKE ALL ON FUNCTION mlops._privilege_state(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._state_privilege() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, NULL::text, p.role_name::text, mlops._privilege_state(p.model_id, p.role_name)
    FROM (SELECT DISTINCT q.model_id, q.role_name FROM mlops.privilege q WHERE q.privilege <> 'own') p
    LEFT JOIN mlops.model m ON m.id = p.model_id
$$;
COMMENT ON FUNCTION mlops._state_privilege() IS 'Privileges of all roles.';
REVOKE ALL ON FUNCTION mlops._state_privilege() FROM PUBLIC;

--
-- Reasons for letters: the texts of one feature
--
CREATE FUNCTION mlops._reason_state(model_id bigint, feature text) RETURNS jsonb
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_object_agg(r.direction, jsonb_build_object(
                                'text', r.text,
                                'changed_at', mlops._utc(r.changed_at),
                                'changed_by', r.changed_by))
    FROM mlops.reason_text r
    WHERE r.model_id = _reason_state.model_id AND r.feature = _reason_state.feature
$$;
COMMENT ON FUNCTION mlops._reason_state(bigint, text) IS 'Texts of a feature of a model, by direction; NULL if it has none.';
REVOKE ALL ON FUNCTION mlops._reason_state(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._state_reason() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, NULL::text, r.feature, mlops._reason_state(r.model_id, r.feature)
    FROM (SELECT DISTINCT q.model_id, q.feature FROM mlops.reason_text q) r
    LEFT JOIN mlops.model m ON m.id = r.model_id
$$;
COMMENT ON FUNCTION mlops._state_reason() IS 'Texts of all features.';
REVOKE ALL ON FUNCTION mlops._state_reason() FROM PUBLIC;

--
-- What differs
--

-- A privilege of a role that was dropped is nobody's; it is not dumped, so
-- that a restored database does not have it.
CREATE FUNCTION mlops._is_void(kind text, model text, version integer, alias text, subject text) RETURNS boolean
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT kind = 'privilege' AND subject <> 'public'
       AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = subject)
$$;
COMMENT ON FUNCTION mlops._is_void(text, text, integer, text, text) IS
    'Whether an object that the log has may be missing from the tables.';
REVOKE ALL ON FUNCTION mlops._is_void(text, text, integer, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._state_difference(logged jsonb, present jsonb) RETURNS text
    LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(format('%s is %s, the log has %s', k.key,
                             coalesce(left((present->k.key)::text, 200), 'missing'),
                             coalesce(left((logged->k.key)::text, 200), 'none')),
                      '; ' ORDER BY k.key) || '.'
    FROM (SELECT jsonb_object_keys(logged) UNION SELECT jsonb_object_keys(present)) k (key)
    WHERE logged->k.key IS DISTINCT FROM present->k.key
$$;
COMMENT ON FUNCTION mlops._state_difference(jsonb, jsonb) IS 'What differs between two states of an object.';
REVOKE ALL ON FUNCTION mlops._state_difference(jsonb, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._check_artifacts() RETURNS TABLE (expected bytea, actual bytea, detail text)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.artifact_sha256, mlops.artifact_sha256(v.artifact),
           format('The model file of %s is another one than was registered.', mlops._reference(v.id))
    FROM mlops.version v
    WHERE mlops.artifact_sha256(v.artifact) <> v.artifact_sha256
$$;
COMMENT ON FUNCTION mlops._check_artifacts() IS 'Versions whose model file does not have the hash that stands with it.';
REVOKE ALL ON FUNCTION mlops._check_artifacts() FROM PUBLIC;

--
-- Guards: what keeps the tables from being changed without the functions, as
-- this script installs it.  Reading of tables and calling of public functions
-- may be granted; that is no drift.  The planner takes it for more work than it
-- is: compiling it would take longer than running it.
--
CREATE FUNCTION mlops._installed_bodies(OUT name text, OUT sha256 text) RETURNS SETOF record
    LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 300
    AS 'MODULE_PATHNAME', 'mlops_installed_bodies';
COMMENT ON FUNCTION mlops._installed_bodies() IS
    'Names and SHA-256 of the bodies of the functions that the installation script of this version creates.';
REVOKE ALL ON FUNCTION mlops._installed_bodies() FROM PUBLIC;

CREATE FUNCTION mlops._check_guards() RETURNS TABLE (detail text)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
    WITH extension AS (
        SELECT e.oid, e.extowner, 'mlops'::regnamespace AS schema FROM pg_extension e WHERE e.extname = 'mlops'
    ), member AS (
        SELECT d.classid, d.objid FROM pg_depend d JOIN extension e ON d.refobjid = e.oid
        WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
    ), relation AS (
        SELECT c.*, c.oid::regclass AS name, m.objid IS NOT NULL AS ours
        FROM extension e JOIN pg_class c ON c.relnamespace = e.schema AND c.relkind NOT IN ('i', 'I', 't')
        LEFT JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
    ), routine AS (
        SELECT p.*, p.oid::regprocedure AS name, m.objid IS NOT NULL AS ours
        FROM extension e JOIN pg_proc p ON p.pronamespace = e.schema
        LEFT JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
    ), guard AS (
        SELECT t.tgrelid, t.tgname, t.tgenabled, t.tgtype, f.ours AND f.proname = '_refuse_change' AS refuses,
               f.ours IS TRUE AS ours, f.proname AS calls
        FROM pg_trigger t LEFT JOIN routine f ON f.oid = t.tgfoid
        WHERE NOT t.tgisinternal
    )
    SELECT format('%s %s does not belong to the extension.', o.kind, o.name)
    FROM (SELECT 'Relation' AS kind, r.name::text FROM relation r WHERE NOT r.ours AND r.relkind <> 'c'
          UNION ALL SELECT 'Function', f.name::text FROM routine f WHERE NOT f.ours) o
    UNION ALL
    SELECT format('%s belongs to role "%s" and not to the owner of the extension.', o.name, pg_get_userbyid(o.owner))
    FROM extension e, (SELECT r.name::text, r.relowner AS owner FROM relation r
                       UNION ALL SELECT f.name::text, f.proowner FROM routine f
                       UNION ALL SELECT 'Schema mlops', n.nspowner FROM pg_namespace n WHERE n.nspname = 'mlops') o
    WHERE o.owner <> e.extowner
    UNION ALL
    SELECT format('Role %s has privilege %s on %s.',
                  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE format('"%s"', pg_get_userbyid(a.grantee)) END,
                  a.privilege_type, o.name)
    FROM (SELECT r.name::text, r.relowner AS owner, x.grantee, x.privilege_type
          FROM relation r, aclexplode(r.relacl) x
          WHERE x.privilege_type <> 'SELECT'
          UNION ALL
          SELECT format('column %s of %s', t.attname, r.name), r.relowner, x.grantee, x.privilege_type
          FROM relation r JOIN pg_attribute t ON t.attrelid = r.oid, aclexplode(t.attacl) x
          WHERE x.privilege_type <> 'SELECT'
          UNION ALL
          -- private functions beyond what was given at the installation
          SELECT f.name::text, f.proowner, x.grantee, x.privilege_type
          FROM routine f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) x
          WHERE (f.proname ~ '^_' AND NOT EXISTS (
                     SELECT FROM aclexplode(coalesce((SELECT i.initprivs FROM pg_init_privs i
                                                      WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = f.oid),
                                                     acldefault('f', f.proowner))) y
                     WHERE y.grantee = x.grantee))
             OR (f.provolatile = 'v' AND x.grantee = 0)
          UNION ALL
          SELECT 'schema mlops', n.nspowner, x.grantee, x.privilege_type
          FROM pg_namespace n, aclexplode(n.nspacl) x
          WHERE n.nspname = 'mlops' AND x.privilege_type <> 'USAGE') a (name, owner, grantee, privilege_type),
         LATERAL (SELECT a.name) o
    WHERE a.grantee <> a.owner
    UNION ALL
    SELECT format('Function %s does not run the library of the extension.', f.name)
    FROM routine f JOIN pg_language l ON l.oid = f.prolang
    WHERE f.ours AND l.lanname = 'c' AND f.probin <> '$libdir/mlops'
    UNION ALL
    SELECT format('Function %s is not what version %s of the extension installs.', f.name,
                  (SELECT x.extversion FROM pg_extension x WHERE x.extname = 'mlops'))
    FROM routine f
    WHERE f.ours AND f.prokind <> 'a'
      AND (f.proname::text, encode(sha256(convert_to(f.prosrc, 'UTF8')), 'hex'))
          NOT IN (SELECT b.name, b.sha256 FROM mlops._installed_bodies() b)
    UNION ALL
    SELECT format('Function mlops.%s is missing.', b.name)
    FROM mlops._installed_bodies() b
    WHERE b.name NOT IN (SELECT f.proname::text FROM routine f WHERE f.ours)
    UNION ALL
    SELECT format('Function %s does not have its search_path.', f.name)
    FROM routine f JOIN pg_language l ON l.oid = f.prolang
    WHERE f.ours AND l.lanname <> ALL ('{c,internal}')
      AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (f.proconfig), false)
    UNION ALL
    SELECT format('Function %s is not what %s is to call.', 'mlops._' || f.proname, f.name)
    FROM routine f
    WHERE f.ours AND f.prosrc = 'mlops_private_call'
      AND NOT EXISTS (SELECT FROM routine b
                      WHERE b.ours AND b.proname = '_' || f.proname AND b.proargtypes = f.proargtypes
                        AND b.prosecdef AND b.prorettype = f.prorettype)
    UNION ALL
    SELECT format('Trigger %s of %s is not enabled always.', g.tgname, g.tgrelid::regclass)
    FROM guard g JOIN relation r ON r.oid = g.tgrelid
    WHERE g.ours AND g.tgenabled <> 'A'
    UNION ALL
    SELECT format('Trigger %s of %s is not of the extension.', g.tgname, g.tgrelid::regclass)
    FROM guard g JOIN relation r ON r.oid = g.tgrelid
    WHERE NOT g.ours
    UNION ALL
    -- tgtype: 8 is DELETE, 16 UPDATE, 32 TRUNCATE, 2 BEFORE
    SELECT format('Table mlops.%s has no trigger that refuses %s.', w.name, w.event)
    FROM (SELECT t.name, b.event, b.bit
          FROM (VALUES ('audit_event', 56), ('checkpoint', 56), ('version', 56), ('run', 56), ('alias_change', 56),
                       ('model', 40), ('policy', 40), ('suspension', 40), ('safety_action', 40), ('identity', 56),
                       ('request', 40), ('approval', 56), ('measurement', 56), ('card', 40), ('gate', 40),
                       ('traffic', 40), ('golden_row', 56), ('threshold', 56),
                       ('profile_column', 56),
                       ('snapshot', 48), ('snapshot_name', 40), ('snapshot_column', 48),
                       ('experiment', 40), ('experiment_run', 40), ('run_metric', 56), ('run_note', 56), ('threshold', 56),
                       ('monitor', 40), ('monitor_check', 40), ('monitor_run', 56), ('check_result', 56),
                       ('alert', 40), ('retrain_rule', 40), ('retraining', 40)) t (name, bits),
               (VALUES ('DELETE', 8), ('UPDATE', 16), ('TRUNCATE', 32)) b (event, bit)
          WHERE t.bits & b.bit <> 0) w
    WHERE NOT EXISTS (SELECT FROM guard g JOIN relation r ON r.oid = g.tgrelid
                      WHERE r.ours AND r.relname = w.name AND g.refuses AND g.tgtype & 2 <> 0
                        AND g.tgtype & w.bit <> 0)
    UNION ALL
    SELECT format('Table mlops.%s has no trigger mlops.%s().', w.name, w.called)
    FROM (VALUES ('privilege', '_set_role'), ('policy', '_set_approver_roles'), ('suspension', '_check_set_once'),
                 ('safety_action', '_check_set_once'), ('gate', '_check_set_once'),
                 ('monitor', '_set_monitor_owner'), ('monitor_check', '_check_set_once'),
                 ('retrain_rule', '_set_monitor_owner'), ('retraining', '_set_monitor_owner'), ('retraining', '_check_set_once'),
                 ('request', '_check_transition')) w (name, called)
    WHERE NOT EXISTS (SELECT FROM guard g JOIN relation r ON r.oid = g.tgrelid
                      WHERE r.ours AND r.relname = w.name AND g.ours AND g.calls = w.called)
    UNION ALL
    SELECT format('%s has a rule %s.', r.name, w.rulename)
    FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class
    WHERE r.ours AND (r.relkind <> 'v' OR w.rulename <> '_RETURN')
    UNION ALL
    SELECT format('%s has row level security.', r.name)
    FROM relation r
    WHERE r.ours AND (r.relrowsecurity OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = r.oid))
    UNION ALL
    SELECT format('%s inherits from %s.', i.inhrelid::regclass, r.name)
    FROM pg_inherits i JOIN relation r ON r.oid = i.inhparent
    WHERE r.ours
    UNION ALL
    SELECT format('%s is not durable: it is unlogged.', r.name)
    FROM relation r
    WHERE r.ours AND r.relpersistence <> 'p'
$$;
COMMENT ON FUNCTION mlops._check_guards() IS
    'How owners, privileges, triggers, rules, policies and functions of the extension differ from what it installs.';
REVOKE ALL ON FUNCTION mlops._check_guards() FROM PUBLIC;

--
-- The past
--
CREATE FUNCTION mlops.as_of(
    at timestamp with time zone DEFAULT pg_catalog.clock_timestamp(),
    OUT kind text,
    OUT model text,
    OUT version integer,
    OUT alias text,
    OUT subject text,
    OUT state jsonb,
    OUT seq bigint,
    OUT since timestamp with time zone
) RETURNS SETOF record
    LANGUAGE SQL STABLE STRICT PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT o.kind, o.model, o.version, o.alias, o.subject, o.state_after::jsonb, o.seq, o.at
    FROM (SELECT DISTINCT ON (e.kind, e.model, e.version, e.alias, e.subject) e.*
          FROM (SELECT split_part(l.action, '.', 1) AS kind, l.model, l.alias, l.subject, l.state_after, l.seq,
                       CASE WHEN l.alias IS NULL THEN l.version END AS version,
                       coalesce(l.recorded_at, l.occurred_at) AS at
                FROM mlops.audit_log l
                WHERE (l.state_before IS NOT NULL OR l.state_after IS NOT NULL)
                  AND l.action LIKE '%.%'
                  AND l.seq <= (SELECT max(p.seq) FROM mlops.audit_log p
                                WHERE coalesce(p.recorded_at, p.occurred_at) <= as_of.at)) e
          ORDER BY e.kind, e.model, e.version, e.alias, e.subject, e.seq DESC) o
    WHERE o.state_after IS NOT NULL
    ORDER BY o.kind COLLATE "C", o.model COLLATE "C", o.version, o.alias COLLATE "C", o.subject COLLATE "C"
$$;
COMMENT ON FUNCTION mlops.as_of(timestamp with time zone) IS
    'The inventory as it stood at a time, of what the viewer sees in mlops.audit_log: each object by its kind, model, version, alias and subject with its whole state, the number of the event that made it so and the time at which that was committed.';
