-- file: sql/62_request.sql
-- Requests for changes that need approvals, and the approvals.
--
-- The states of a request and the ways between them are drawn in
-- doc/governance.md; the trigger below lets nothing else happen.  Whatever
-- changes a request locks the row of its model first, so that all acts on one
-- model follow one another and two approvals cannot both be the last one.
--
-- A request holds the package that is to be approved: everything that the
-- decision is about, as jsonb, and the SHA-256 of its text behind a line with
-- the version of the format.  The text of a jsonb value is a function of the
-- value and nothing else, two different values have different texts, and an
-- auditor can read the package and compute the hash in SQL; so it needs no
-- encoding of its own, as events have.  If the hash of what is there now
-- differs, the request is void.

--
-- Persons
--

-- The OIDs that have acted under a name, because roles are renamed, and OIDs
-- are others in another cluster.  No constraint forbids a row to be there
-- twice, which does no harm, and for which a session would wait for another.
CREATE TABLE mlops.identity (
    system_identifier bigint NOT NULL,
    role oid NOT NULL,
    role_name name NOT NULL,
    noted_at timestamp with time zone NOT NULL
);
CREATE INDEX identity_role_name_idx ON mlops.identity (role_name);
COMMENT ON TABLE mlops.identity IS
    'Private: which roles, by OID in which cluster, have acted under which names.';
REVOKE ALL ON TABLE mlops.identity FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.identity', '');
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.identity
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.identity ENABLE ALWAYS TRIGGER refuse_change;

CREATE FUNCTION mlops._note_identity() RETURNS void
    LANGUAGE SQL
    SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO mlops.identity (system_identifier, role, role_name, noted_at)
    SELECT c.system_identifier, r.oid, r.rolname, clock_timestamp()
    FROM pg_control_system() c, pg_roles r
    WHERE r.rolname = session_user
      AND NOT EXISTS (SELECT FROM mlops.identity i
                      WHERE i.system_identifier = c.system_identifier AND i.role = r.oid AND i.role_name = r.rolname)
$$;
COMMENT ON FUNCTION mlops._note_identity() IS 'Notes which role acts under the name of the session''s user.';
REVOKE ALL ON FUNCTION mlops._note_identity() FROM PUBLIC;

-- The roles of today that a recorded name may mean: the one with the name, and
-- those that have acted under it or under another name of the same role.
CREATE FUNCTION mlops._roles_named(role_name name) RETURNS oid[]
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH same AS (
        SELECT _roles_named.role_name AS role_name
        UNION
        SELECT b.role_name
        FROM mlops.identity a
        JOIN mlops.identity b ON b.system_identifier = a.system_identifier AND b.role = a.role
        WHERE a.role_name = _roles_named.role_name)
    SELECT coalesce(array_agg(r.oid), '{}')
    FROM pg_roles r
    WHERE r.rolname IN (SELECT s.role_name FROM same s)
       OR r.oid IN (SELECT i.role FROM mlops.identity i
                    WHERE i.role_name IN (SELECT s.role_name FROM same s)
                      AND i.system_identifier = (SELECT c.system_identifier FROM pg_control_system() c))
$$;
COMMENT ON FUNCTION mlops._roles_named(name) IS 'OIDs of the roles that have acted under a recorded name.';
REVOKE ALL ON FUNCTION mlops._roles_named(name) FROM PUBLIC;

CREATE FUNCTION mlops._login_role() RETURNS name
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_login_role';
COMMENT ON FUNCTION mlops._login_role() IS 'Role that logged in, also behind SET SESSION AUTHORIZATION.';
REVOKE ALL ON FUNCTION mlops._login_role() FROM PUBLIC;

CREATE FUNCTION mlops._check_checker(hint text) RETURNS void
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_check_checker';
COMMENT ON FUNCTION mlops._check_checker(text) IS
    'Error ML041 if the session''s user is a superuser, or was set by SET SESSION AUTHORIZATION where that is not allowed.';
REVOKE ALL ON FUNCTION mlops._check_checker(text) FROM PUBLIC;

CREATE FUNCTION mlops._check_other_person(role_name name, roles oid[], deed text, hint text) RETURNS void
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_check_other_person';
COMMENT ON FUNCTION mlops._check_other_person(name, oid[], text, text) IS
    'Error ML041 if the session''s user is the person who acted under a name.';
REVOKE ALL ON FUNCTION mlops._check_other_person(name, oid[], text, text) FROM PUBLIC;

CREATE FUNCTION mlops._same_person(a oid, b oid) RETURNS boolean
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_same_person_sql';
COMMENT ON FUNCTION mlops._same_person(oid, oid) IS 'Whether one of two roles is a member of the other.';
REVOKE ALL ON FUNCTION mlops._same_person(oid, oid) FROM PUBLIC;

CREATE FUNCTION mlops._caller_has(model text, privilege text) RETURNS boolean
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_caller_has_sql';
COMMENT ON FUNCTION mlops._caller_has(text, text) IS 'Whether the caller has a privilege on a model.';
REVOKE ALL ON FUNCTION mlops._caller_has(text, text) FROM PUBLIC;

--
-- Tables
--
CREATE SEQUENCE mlops.request_id_seq;
CREATE TABLE mlops.request (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.request_id_seq'::pg_catalog.regclass),
    model_id bigint NOT NULL,
    kind text NOT NULL
        CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['promotion', 'policy', 'resume', 'gate', 'traffic', 'threshold'])),
    alias text NOT NULL,
    version_id bigint,
    package jsonb NOT NULL,
    package_sha256 bytea NOT NULL CHECK (pg_catalog.octet_length(package_sha256) OPERATOR(pg_catalog.=) 32),
    approvals_needed integer NOT NULL CHECK (approvals_needed OPERATOR(pg_catalog.>=) 0),
    reason text NOT NULL CHECK (reason OPERATOR(pg_catalog.~) '[^[:space:]]'),
    change_ref text,
    status text NOT NULL
        CHECK (status OPERATOR(pg_catalog.=) ANY
               (ARRAY['open', 'approved', 'executed', 'rejected', 'withdrawn', 'expired', 'void'])),
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    login_role name NOT NULL,
    caller name NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    ended_by name,
    comment text,
    alias_change_id bigint UNIQUE,
    CHECK ((status OPERATOR(pg_catalog.=) ANY (ARRAY['open', 'approved'])) OPERATOR(pg_catalog.=) (ended_at IS NULL)),
    CHECK ((ended_at IS NULL) OPERATOR(pg_catalog.=) (ended_by IS NULL)),
    CHECK ((kind OPERATOR(pg_catalog.=) ANY (ARRAY['promotion', 'threshold'])) OPERATOR(pg_catalog.=) (version_id IS NOT NULL)),
    CHECK ((kind OPERATOR(pg_catalog.=) 'promotion' AND status OPERATOR(pg_catalog.=) 'executed')
           OPERATOR(pg_catalog.=) (alias_change_id IS NOT NULL)),
    CHECK (expires_at OPERATOR(pg_catalog.>) created_at)
);
-- one request at a time for one thing
CREATE UNIQUE INDEX request_live_idx ON mlops.request (model_id, kind, alias, version_id) NULLS NOT DISTINCT
    WHERE status OPERATOR(pg_catalog.=) ANY (ARRAY['open', 'approved']);
CREATE INDEX request_model_id_idx ON mlops.request (model_id, id);
COMMENT ON TABLE mlops.request IS
    'Private: changes that were asked for, with the package to be approved and what became of them; view mlops.requests.';

CREATE SEQUENCE mlops.approval_id_seq;
CREATE TABLE mlops.approval (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.approval_id_seq'::pg_catalog.regclass),
    request_id bigint NOT NULL,
    package_sha256 bytea NOT NULL CHECK (pg_catalog.octet_length(package_sha256) OPERATOR(pg_catalog.=) 32),
    comment text,
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    login_role name NOT NULL,
    caller name NOT NULL,
    UNIQUE (request_id, created_by)
);
COMMENT ON TABLE mlops.approval IS 'Private: approvals of requests, which never change; view mlops.approvals.';

REVOKE ALL ON mlops.request, mlops.approval FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.request', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.request_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.approval', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.approval_id_seq', '');

-- Only the ways that doc/governance.md draws, and only with the approvals.
CREATE FUNCTION mlops._check_transition() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (OLD.status, NEW.status) NOT IN (
           ('open', 'approved'), ('open', 'rejected'), ('open', 'withdrawn'), ('open', 'expired'), ('open', 'void'),
           ('approved', 'executed'), ('approved', 'rejected'), ('approved', 'withdrawn'), ('approved', 'expired'),
           ('approved', 'void'))
       OR to_jsonb(OLD) - '{status,ended_at,ended_by,comment,alias_change_id}'::text[]
          <> to_jsonb(NEW) - '{status,ended_at,ended_by,comment,alias_change_id}'::text[] THEN
        RAISE EXCEPTION 'request % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'ML040', DETAIL = 'What was asked for does not change, and what has ended stays as it ended.';
    END IF;
    IF NEW.status IN ('approved', 'executed')
       AND (SELECT count(*) FROM mlops.approval a
            WHERE a.request_id = NEW.id AND a.package_sha256 = NEW.package_sha256) < NEW.approvals_needed THEN
        RAISE EXCEPTION 'request % does not have its % approvals', NEW.id, NEW.approvals_needed USING ERRCODE = 'ML040';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION mlops._check_transition() IS
    'Trigger function of mlops.request: error ML040 for a transition that is not legal.';
REVOKE ALL ON FUNCTION mlops._check_transition() FROM PUBLIC;
CREATE TRIGGER check_transition BEFORE UPDATE ON mlops.request
    FOR EACH ROW EXECUTE FUNCTION mlops._check_transition();
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.request
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.approval
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.request ENABLE ALWAYS TRIGGER check_transition;
ALTER TABLE mlops.request ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.approval ENABLE ALWAYS TRIGGER refuse_change;

--
-- Packages
--

-- What is approved, as it is now.  For a policy, after is its row to be; for a
-- gate, the one to be dropped.
CREATE FUNCTION mlops._package(kind text, model_id bigint, alias text, version_id bigint, after jsonb) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$
    SELECT jsonb_build_object(
               'kind', kind,
               'model', m.name,
               'alias', alias,
               'policy', mlops._policy_of(m.id, alias))
        || CASE kind
           WHEN 'promotion' THEN (
               SELECT jsonb_build_object(
                          'version', v.version,
                          'artifact_sha256', encode(v.artifact_sha256, 'hex'),
                          'signature_sha256', encode(sha256(convert_to(v.signature::text, 'UTF8')), 'hex'),
                          'scoring_policy', jsonb_build_object('missing', v.missing,
                                                               'missing_columns', m.missing_columns,
                                                               'unseen_categories', m.unseen_categories),
                          'classes', v.classes,
                          'metrics', v.metrics,
                          'calibration_sha256', mlops._digest(v.calibration::text),
                          'threshold', (SELECT t.threshold FROM mlops._threshold_of(v.id) t),
                          'gates', mlops._package_gates(m.id, alias, v.id),
                          'previous_version', (SELECT p.version FROM mlops.alias a
                                               JOIN mlops.version p ON p.id = a.version_id
                                               WHERE a.model_id = m.id AND a.alias = _package.alias))
                   || mlops._package_retraining(v.id)
               FROM mlops.version v WHERE v.id = _package.version_id)
           WHEN 'policy' THEN jsonb_build_object(
               'before', (SELECT mlops._policy_row(p) FROM mlops.policy p
                          WHERE p.model_id = m.id AND p.alias = _package.alias),
               'after', after)
           WHEN 'gate' THEN jsonb_build_object(
               'gates', (SELECT jsonb_agg(mlops._gate_row(g) ORDER BY g.id) FROM mlops.gate g
                         WHERE g.model_id = m.id AND g.alias = _package.alias AND g.dropped_at IS NULL),
               'after', after)
           WHEN 'traffic' THEN mlops._package_traffic(m.id, alias, after)
           WHEN 'threshold' THEN (
               SELECT jsonb_build_object(
                          'version', v.version,
                          'artifact_sha256', encode(v.artifact_sha256, 'hex'),
                          'calibration_sha256', mlops._digest(v.calibration::text),
                          'before', (SELECT t.threshold FROM mlops._threshold_of(v.id) t),
                          'after', after)
               FROM mlops.version v WHERE v.id = _package.version_id)
           WHEN 'resume' THEN jsonb_build_object(
               'suspension', (SELECT s.id FROM mlops.suspension s WHERE s.model_id = m.id AND s.ended_at IS NULL))
           END
    FROM mlops.model m WHERE m.id = _package.model_id
$$;
COMMENT ON FUNCTION mlops._package(text, bigint, text, bigint, jsonb) IS
    'Everything that the approval of a change is about, as it is now.';
REVOKE ALL ON FUNCTION mlops._package(text, bigint, text, bigint, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._package_sha256(package jsonb) RETURNS bytea
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT sha256(convert_to(E'mlops/package/v1\n' || package::text, 'UTF8')) $$;
COMMENT ON FUNCTION mlops._package_sha256(jsonb) IS
    'SHA-256 of a package: of a line with the version of the format, and its text in UTF-8.';
REVOKE ALL ON FUNCTION mlops._package_sha256(jsonb) FROM PUBLIC;

-- Why a request that has not ended does not stand any more; NULL if it does.
CREATE FUNCTION mlops._void_because(request mlops.request) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    present jsonb := mlops._package(request.kind, request.model_id, request.alias, request.version_id,
                                    request.package->'after');
BEGIN
    IF mlops._package_sha256(present) = request.package_sha256 THEN
        RETURN NULL;
    END IF;
    RETURN coalesce(
        (SELECT string_agg(CASE WHEN k = 'previous_version'
                                THEN format('the alias pointed to %s and now to %s',
                                            coalesce('version ' || nullif(request.package->>k, 'null'), 'no version'),
                                            coalesce('version ' || nullif(present->>k, 'null'), 'no version'))
                                ELSE k || ' changed' END, ', ' ORDER BY k)
         FROM jsonb_object_keys(request.package || coalesce(present, '{}')) k
         WHERE request.package->k IS DISTINCT FROM present->k),
        'the stored package does not have the hash that was approved');
END
$$;
COMMENT ON FUNCTION mlops._void_because(mlops.request) IS
    'What has changed since a request was opened; NULL if nothing has.';
REVOKE ALL ON FUNCTION mlops._void_because(mlops.request) FROM PUBLIC;

CREATE FUNCTION mlops._request_problem(request bigint) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r mlops.request;
BEGIN
    SELECT q.* INTO r FROM mlops.request q WHERE q.id = request;
    IF NOT FOUND OR NOT mlops._caller_has((SELECT m.name FROM mlops.model m WHERE m.id = r.model_id), 'any') THEN
        RETURN NULL;
    END IF;
    IF r.ended_at IS NULL THEN
        RETURN CASE WHEN r.expires_at <= clock_timestamp() THEN 'expired' ELSE mlops._void_because(r) END;
    END IF;
    RETURN CASE WHEN r.status IN ('expired', 'void') THEN r.comment END;
END
$$;
COMMENT ON FUNCTION mlops._request_problem(bigint) IS 'Body of mlops.request_problem().';
REVOKE ALL ON FUNCTION mlops._request_problem(bigint) FROM PUBLIC;

CREATE FUNCTION mlops.request_problem(request bigint) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.request_problem(bigint) IS
    'Why a request and its approvals do not stand any more: expired, or what has changed since; NULL if they stand, if it ended otherwise, or for a viewer without a privilege on the model.';

--
-- States
--

-- A request with its approvals as the audit log has it.
CREATE FUNCTION mlops._request_state(request mlops.request) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_jsonb(request) - '{id,model_id,version_id,alias}'::text[]
        || jsonb_build_object(
               'version', (SELECT v.version FROM mlops.version v
                           WHERE v.id = (request).version_id AND v.model_id = (request).model_id),
               'package_sha256', encode((request).package_sha256, 'hex'),
               'created_at', mlops._utc((request).created_at),
               'expires_at', mlops._utc((request).expires_at),
               'ended_at', mlops._utc((request).ended_at),
               'approvals', (SELECT coalesce(jsonb_agg(to_jsonb(a) - '{request_id}'::text[]
                                                       || jsonb_build_object(
                                                              'package_sha256', encode(a.package_sha256, 'hex'),
                                                              'created_at', mlops._utc(a.created_at)) ORDER BY a.id), '[]')
                             FROM mlops.approval a WHERE a.request_id = (request).id))
$$;
COMMENT ON FUNCTION mlops._request_state(mlops.request) IS 'State of a request with its approvals, as events have it.';
REVOKE ALL ON FUNCTION mlops._request_state(mlops.request) FROM PUBLIC;

-- For the comparison of the audit log with the tables.
CREATE FUNCTION mlops._state_request() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, v.version, r.alias, r.id::text, mlops._request_state(r)
    FROM mlops.request r
    LEFT JOIN mlops.model m ON m.id = r.model_id
    LEFT JOIN mlops.version v ON v.id = r.version_id
$$;
COMMENT ON FUNCTION mlops._state_request() IS 'State of all requests, as events have it.';
REVOKE ALL ON FUNCTION mlops._state_request() FROM PUBLIC;

CREATE FUNCTION mlops._audit_request(action text, id bigint, before jsonb, reason text) RETURNS void
    LANGUAGE SQL
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops._audit(action => 'request.' || action, model => m.name, version => v.version, alias => r.alias,
                        subject => r.id::text, reason => _audit_request.reason, change_ref => r.change_ref,
                        artifact_sha256 => v.artifact_sha256, state_before => before,
                        state_after => mlops._request_state(r),
                        signature_sha256 => sha256(convert_to(v.signature::text, 'UTF8')),
                        policy_sha256 => mlops._policy_sha256(r.model_id, r.alias))
    FROM mlops.request r
    JOIN mlops.model m ON m.id = r.model_id
    LEFT JOIN mlops.version v ON v.id = r.version_id
    WHERE r.id = _audit_request.id
$$;
COMMENT ON FUNCTION mlops._audit_request(text, bigint, jsonb, text) IS 'Notes an event of a request.';
REVOKE ALL ON FUNCTION mlops._audit_request(text, bigint, jsonb, text) FROM PUBLIC;

-- End a request, or let it be approved; the model is locked.
CREATE FUNCTION mlops._set_request(request mlops.request, status text, action text, comment text,
                                   alias_change_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE mlops.request r
    SET status = _set_request.status,
        ended_at = CASE WHEN _set_request.status <> 'approved' THEN clock_timestamp() END,
        ended_by = CASE WHEN _set_request.status <> 'approved' THEN session_user END,
        comment = _set_request.comment,
        alias_change_id = _set_request.alias_change_id
    WHERE r.id = request.id;
    PERFORM mlops._audit_request(action, request.id, mlops._request_state(request), comment);
END
$$;
COMMENT ON FUNCTION mlops._set_request(mlops.request, text, text, text, bigint) IS
    'Puts a request into another state and records it.';
REVOKE ALL ON FUNCTION mlops._set_request(mlops.request, text, text, text, bigint) FROM PUBLIC;

-- Record of a locked model's requests which of them have expired or are void.
CREATE FUNCTION mlops._sweep_requests(model_id bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r mlops.request;
    problem text;
BEGIN
    FOR r IN SELECT q.* FROM mlops.request q
             WHERE q.model_id = _sweep_requests.model_id AND q.status IN ('open', 'approved')
             ORDER BY q.id LOOP
        IF r.expires_at <= clock_timestamp() THEN
            PERFORM mlops._set_request(r, 'expired', 'expire', 'expired');
        ELSE
            problem := mlops._void_because(r);
            IF problem IS NOT NULL THEN
                PERFORM mlops._set_request(r, 'void', 'void', problem);
            END IF;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION mlops._sweep_requests(bigint) IS
    'Ends the requests of a locked model that have expired or are void.';
REVOKE ALL ON FUNCTION mlops._sweep_requests(bigint) FROM PUBLIC;

--
-- Acts
--

-- Who may approve, for a hint.
CREATE FUNCTION mlops._approvers(model_id bigint, policy jsonb) RETURNS text
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN h.roles IS NULL
                THEN format('No role may approve yet: the owner can give the privilege by mlops.grant_privilege(''approve'', %L, role).', m.name)
                ELSE format('Roles with the privilege to approve: %s.', h.roles) END
           || coalesce(' The policy wants members of '
                       || (SELECT string_agg(a, ' or ') FROM jsonb_array_elements_text(policy->'approvers') a) || '.', '')
    FROM mlops.model m,
         LATERAL (SELECT string_agg(DISTINCT CASE WHEN p.role = 0 THEN 'public' ELSE pg_get_userbyid(p.role)::text END, ', ') AS roles
                  FROM mlops.privilege p
                  WHERE p.privilege = 'approve' AND (p.model_id = m.id OR p.model_id IS NULL)) h
    WHERE m.id = _approvers.model_id
$$;
COMMENT ON FUNCTION mlops._approvers(bigint, jsonb) IS 'A sentence with the roles that may approve changes of a model.';
REVOKE ALL ON FUNCTION mlops._approvers(bigint, jsonb) FROM PUBLIC;

-- Open a request about a locked model.  With no approvals to wait for it is
-- approved, and executed unless the policy wants that done by itself.
CREATE FUNCTION mlops._open_request(model_id bigint, kind text, alias text, version_id bigint, after jsonb,
                                    reason text, change_ref text, at_least integer DEFAULT 0) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    package jsonb;
    needed integer;
    now_at timestamptz := clock_timestamp();
    r mlops.request;
BEGIN
    PERFORM mlops._sweep_requests(model_id);
    PERFORM mlops._note_identity();
    package := mlops._package(kind, model_id, alias, version_id, after);
    needed := greatest((package->'policy'->'approvals')::integer, at_least);
    IF (package->'policy'->'change_ref_required')::boolean AND (change_ref IS NULL OR change_ref !~ '[^[:space:]]') THEN
        RAISE EXCEPTION 'the policy for alias "%" wants a change number', alias
            USING ERRCODE = 'ML042', HINT = 'Give it by change_ref => ''...''.';
    END IF;
    SELECT q.* INTO r FROM mlops.request q
    WHERE q.model_id = _open_request.model_id AND q.kind = _open_request.kind AND q.alias = _open_request.alias
      AND q.version_id IS NOT DISTINCT FROM _open_request.version_id AND q.status IN ('open', 'approved');
    IF FOUND THEN
        RAISE EXCEPTION 'request % about alias "%" is not decided yet', r.id, alias
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'It can be approved, rejected or withdrawn.';
    END IF;
    INSERT INTO mlops.request (model_id, kind, alias, version_id, package, package_sha256, approvals_needed, reason,
                               change_ref, status, created_at, created_by, login_role, caller, expires_at)
    VALUES (model_id, kind, alias, version_id, package, mlops._package_sha256(package), needed, reason,
            change_ref, CASE WHEN needed = 0 THEN 'approved' ELSE 'open' END, now_at, session_user,
            mlops._login_role(), mlops._caller(), now_at + make_interval(secs => (package->'policy'->'lifetime')::integer))
    RETURNING * INTO r;
    PERFORM mlops._audit_request('open', r.id, NULL, reason);
    IF needed > 0 THEN
        RAISE NOTICE 'request % was opened and needs % %', r.id, needed,
                     CASE needed WHEN 1 THEN 'approval' ELSE 'approvals' END
            USING HINT = mlops._approvers(model_id, package->'policy');
    ELSIF package->'policy'->>'execution' = 'approval' THEN
        PERFORM mlops._execute_request(r);
    END IF;
    RETURN r.id;
END
$$;
COMMENT ON FUNCTION mlops._open_request(bigint, text, text, bigint, jsonb, text, text, integer) IS
    'Opens a request about a locked model and returns its id; errors 55000 and ML042.';
REVOKE ALL ON FUNCTION mlops._open_request(bigint, text, text, bigint, jsonb, text, text, integer) FROM PUBLIC;

-- A request that has not ended, whose model this locks, for a caller with a privilege.
CREATE FUNCTION mlops._lock_request(request bigint, privilege text) RETURNS mlops.request
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r mlops.request;
    model_name text;
BEGIN
    IF request IS NULL THEN
        RAISE EXCEPTION 'no request was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT q.* INTO r FROM mlops.request q WHERE q.id = request;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'request % does not exist', request USING ERRCODE = 'undefined_object';
    END IF;
    SELECT m.name INTO STRICT model_name FROM mlops.model m WHERE m.id = r.model_id;
    IF privilege = 'approve' AND mlops._caller_has(model_name, 'any') AND NOT mlops._caller_has(model_name, 'approve') THEN
        RAISE EXCEPTION 'permission denied for model "%"', model_name
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('Role "%s" needs the privilege "approve" on it.', mlops._caller()),
                  HINT = mlops._approvers(r.model_id, r.package->'policy');
    END IF;
    PERFORM mlops._lock_model(model_name, privilege);
    PERFORM mlops._sweep_requests(r.model_id);
    SELECT q.* INTO STRICT r FROM mlops.request q WHERE q.id = request;
    IF r.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'request % %', request,
                        CASE r.status WHEN 'expired' THEN 'has expired' WHEN 'void' THEN 'is void'
                                      ELSE 'was ' || r.status END
            USING ERRCODE = 'ML043',
                  DETAIL = CASE r.status WHEN 'void' THEN format('Since it was opened: %s.', r.comment)
                                           WHEN 'expired' THEN format('It was valid until %s.', r.expires_at)
                                           ELSE format('By "%s".', r.ended_by) END,
                  HINT = CASE WHEN r.status = 'executed' THEN 'mlops.requests has all that happened to it.'
                              ELSE 'Open a new request.' END;
    END IF;
    RETURN r;
END
$$;
COMMENT ON FUNCTION mlops._lock_request(bigint, text) IS
    'A request that stands, whose model it locks; errors 22004, 42501, 42704 and ML043.';
REVOKE ALL ON FUNCTION mlops._lock_request(bigint, text) FROM PUBLIC;

-- Do what an approved request asks for; its model is locked.
CREATE FUNCTION mlops._execute_request(request mlops.request) RETURNS mlops.modelref
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text := mlops._void_because(request);
    relied_on jsonb;
    change bigint;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'request % is void', request.id
            USING ERRCODE = 'ML043', DETAIL = format('Since it was opened: %s.', problem), HINT = 'Open a new request.';
    END IF;
    SELECT jsonb_build_array(jsonb_build_object('request', request.id))
           || coalesce(jsonb_agg(jsonb_build_object('approval', a.id) ORDER BY a.id), '[]') INTO relied_on
    FROM mlops.approval a WHERE a.request_id = request.id;
    CASE request.kind
    WHEN 'promotion' THEN
        PERFORM mlops._check_promotion(request.model_id, request.alias, request.version_id, request.change_ref);
        change := mlops._move_alias(request.model_id, request.alias, 'promote', request.version_id,
                                    request.reason, request.change_ref, NULL, relied_on);
    WHEN 'policy' THEN
        PERFORM mlops._apply_policy(request.model_id, request.alias, request.package->'after',
                                    request.reason, request.change_ref, relied_on);
    WHEN 'gate' THEN
        PERFORM mlops._apply_drop_gate((request.package->'after'->>'id')::bigint, request.reason, request.change_ref,
                                       relied_on);
    WHEN 'traffic' THEN
        PERFORM mlops._check_traffic(request.model_id, request.alias, request.package->'after', request.change_ref);
        PERFORM mlops._apply_traffic(request.model_id, request.alias, request.package->'after',
                                     request.reason, request.change_ref, relied_on);
    WHEN 'threshold' THEN
        PERFORM mlops._apply_threshold(request.version_id, request.package->'after', request.reason, request.change_ref,
                                       relied_on);
    WHEN 'resume' THEN
        PERFORM mlops._end_suspension(request.model_id, request.reason, request.change_ref, request.id, relied_on);
    END CASE;
    PERFORM mlops._set_request(request, 'executed', 'execute', request.comment, change);
    PERFORM mlops._sweep_requests(request.model_id);
    RETURN mlops._reference(request.version_id);
END
$$;
COMMENT ON FUNCTION mlops._execute_request(mlops.request) IS
    'Does what an approved request asks for and records it; errors ML042 to ML044.';
REVOKE ALL ON FUNCTION mlops._execute_request(mlops.request) FROM PUBLIC;

-- Error unless the session's user, too, could have the privilege to approve: a
-- function with the rights of its owner does not make a person who calls it an
-- approver.
CREATE FUNCTION mlops._check_session_may_approve(model_id bigint, hint text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM mlops.privilege p
                   WHERE p.privilege = 'approve'
                     AND (p.model_id = _check_session_may_approve.model_id OR p.model_id IS NULL)
                     AND (p.role = 0 OR (p.role IN (SELECT r.oid FROM pg_roles r)
                                         AND pg_has_role(session_user, p.role, 'MEMBER')))) THEN
        RAISE EXCEPTION 'permission denied for model "%"',
                        (SELECT m.name FROM mlops.model m WHERE m.id = _check_session_may_approve.model_id)
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('The session''s user "%s" needs the privilege "approve" on it, not only the role "%s" for which it acts.',
                                  session_user, mlops._caller()),
                  HINT = hint;
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._check_session_may_approve(bigint, text) IS
    'Error 42501 unless the session''s user is a member of a role that may approve.';
REVOKE ALL ON FUNCTION mlops._check_session_may_approve(bigint, text) FROM PUBLIC;

-- Error unless the caller may approve a change by its policy, and the session's
-- user is a second person to everybody who had a part in it.
CREATE FUNCTION mlops._check_approver(request mlops.request) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    hint text := mlops._approvers(request.model_id, request.package->'policy');
    earlier name;
    made record;
BEGIN
    PERFORM mlops._check_checker(hint);
    PERFORM mlops._check_session_may_approve(request.model_id, hint);
    PERFORM mlops._check_other_person(request.created_by, mlops._roles_named(request.created_by),
                                      format('opened request %s', request.id), hint);
    FOR made IN SELECT v.id, v.created_by FROM mlops.version v
                WHERE v.id = request.version_id
                   OR (request.kind = 'traffic' AND v.model_id = request.model_id
                       AND v.version IN (SELECT mlops._traffic_versions(request.package->'after')))
                ORDER BY v.id LOOP
        PERFORM mlops._check_other_person(made.created_by, mlops._roles_named(made.created_by),
                                          format('made %s', mlops._reference(made.id)), hint);
    END LOOP;
    IF request.package->'policy' ? 'approvers'
       AND NOT EXISTS (SELECT FROM mlops.policy p, unnest(p.approver_roles) a
                       WHERE p.model_id = request.model_id AND p.alias = request.alias
                         AND a IN (SELECT r.oid FROM pg_roles r)
                         AND pg_has_role(mlops._caller(), a, 'USAGE')
                         AND pg_has_role(session_user, a, 'MEMBER')) THEN
        RAISE EXCEPTION 'role "%" is not among the approvers', session_user
            USING ERRCODE = 'insufficient_privilege', HINT = hint;
    END IF;
    IF EXISTS (SELECT FROM mlops.approval a WHERE a.request_id = request.id AND a.created_by = session_user) THEN
        RAISE EXCEPTION '"%" has already approved request %', session_user, request.id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = hint;
    END IF;
    FOR earlier IN SELECT a.created_by FROM mlops.approval a WHERE a.request_id = request.id ORDER BY a.id LOOP
        PERFORM mlops._check_other_person(earlier, mlops._roles_named(earlier),
                                          format('has already approved request %s', request.id), hint);
    END LOOP;
END
$$;
COMMENT ON FUNCTION mlops._check_approver(mlops.request) IS
    'Errors ML041, 42501 and 55000 unless this session may approve a request.';
REVOKE ALL ON FUNCTION mlops._check_approver(mlops.request) FROM PUBLIC;

CREATE FUNCTION mlops._approve(request bigint, comment text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r mlops.request := mlops._lock_request(request, 'approve');
    before jsonb := mlops._request_state(r);
BEGIN
    PERFORM mlops._check_approver(r);
    PERFORM mlops._note_identity();
    INSERT INTO mlops.approval (request_id, package_sha256, comment, created_at, created_by, login_role, caller)
    VALUES (r.id, r.package_sha256, comment, clock_timestamp(), session_user, mlops._login_role(), mlops._caller());
    IF r.status = 'open'
       AND (SELECT count(*) FROM mlops.approval a
            WHERE a.request_id = r.id AND a.package_sha256 = r.package_sha256) >= r.approvals_needed THEN
        UPDATE mlops.request q SET status = 'approved' WHERE q.id = r.id RETURNING q.* INTO STRICT r;
        PERFORM mlops._audit_request('approve', r.id, before, comment);
        IF r.package->'policy'->>'execution' = 'approval' THEN
            PERFORM mlops._execute_request(r);
            RETURN 'executed';
        END IF;
    ELSE
        PERFORM mlops._audit_request('approve', r.id, before, comment);
    END IF;
    RETURN r.status;
END
$$;
COMMENT ON FUNCTION mlops._approve(bigint, text) IS 'Body of mlops.approve().';
REVOKE ALL ON FUNCTION mlops._approve(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops.approve(request bigint, comment text DEFAULT NULL) RETURNS text
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.approve(bigint, text) IS
    'Approves the package of a request and returns the status of the request then: open, approved or executed; needs privilege approve, and a session user who is another person than the one who opened the request, who made the version and who approved before; errors 42501, ML012, ML013, ML041 to ML044, 55000, 42704 and 22004.';
REVOKE ALL ON FUNCTION mlops.approve(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._reject(request bigint, comment text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r mlops.request := mlops._lock_request(request, 'approve');
BEGIN
    PERFORM mlops._check_reason(comment);
    PERFORM mlops._note_identity();
    PERFORM mlops._set_request(r, 'rejected', 'reject', comment);
END
$$;
COMMENT ON FUNCTION mlops._reject(bigint, text) IS 'Body of mlops.reject().';
REVOKE ALL ON FUNCTION mlops._reject(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops.reject(request bigint, comment text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.reject(bigint, text) IS
    'Ends a request that is open or approved without doing what it asks for; the comment is mandatory; needs privilege approve; errors 42501, ML043, 42704 and 22004.';
REVOKE ALL ON FUNCTION mlops.reject(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._withdraw(request bigint, comment text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r mlops.request := mlops._lock_request(request, 'manage');
BEGIN
    PERFORM mlops._note_identity();
    PERFORM mlops._set_request(r, 'withdrawn', 'withdraw', comment);
END
$$;
COMMENT ON FUNCTION mlops._withdraw(bigint, text) IS 'Body of mlops.withdraw().';
REVOKE ALL ON FUNCTION mlops._withdraw(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops.withdraw(request bigint, comment text DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.withdraw(bigint, text) IS
    'Takes back a request that is open or approved; needs privilege manage; errors 42501, ML043, 42704 and 22004.';
REVOKE ALL ON FUNCTION mlops.withdraw(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._execute(request bigint) RETURNS mlops.modelref
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r mlops.request := mlops._lock_request(request, 'manage');
BEGIN
    IF r.status <> 'approved' THEN
        RAISE EXCEPTION 'request % needs % approvals and has %', r.id, r.approvals_needed,
                        (SELECT count(*) FROM mlops.approval a WHERE a.request_id = r.id)
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = mlops._approvers(r.model_id, r.package->'policy');
    END IF;
    PERFORM mlops._note_identity();
    RETURN mlops._execute_request(r);
END
$$;
COMMENT ON FUNCTION mlops._execute(bigint) IS 'Body of mlops.execute().';
REVOKE ALL ON FUNCTION mlops._execute(bigint) FROM PUBLIC;

CREATE FUNCTION mlops.execute(request bigint) RETURNS mlops.modelref
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.execute(bigint) IS
    'Does what an approved request asks for and returns the reference to the version that was promoted, NULL for another kind of request; needs privilege manage; errors 42501, ML012, ML013, ML042 to ML044, 55000, 42704 and 22004.';
REVOKE ALL ON FUNCTION mlops.execute(bigint) FROM PUBLIC;

--
-- Views
--
CREATE VIEW mlops.requests WITH (security_barrier) AS
    SELECT r.id,
           m.name AS model,
           v.version,
           r.alias,
           r.kind,
           CASE WHEN r.ended_at IS NOT NULL OR p.problem IS NULL THEN r.status
                WHEN p.problem OPERATOR(pg_catalog.=) 'expired' THEN 'expired'
                ELSE 'void' END AS status,
           p.problem,
           (SELECT pg_catalog.count(*) FROM mlops.approval a
            WHERE a.request_id OPERATOR(pg_catalog.=) r.id) AS approvals,
           r.approvals_needed,
           r.reason,
           r.change_ref,
           r.created_at,
           r.created_by,
           r.login_role,
           r.expires_at,
           r.ended_at,
           r.ended_by,
           r.comment,
           pg_catalog.encode(r.package_sha256, 'hex') AS package_sha256,
           r.package
    FROM mlops.request r
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) r.model_id
    LEFT JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) r.version_id,
    LATERAL (SELECT CASE WHEN r.ended_at IS NULL THEN mlops.request_problem(r.id)
                         WHEN r.status OPERATOR(pg_catalog.=) ANY (ARRAY['expired', 'void']) THEN r.comment END AS problem) p
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.requests IS
    'Changes that were asked for, their packages and what became of them, of models on which the viewer has any privilege; problem says why one does not stand any more.';

CREATE VIEW mlops.approvals WITH (security_barrier) AS
    SELECT a.id,
           a.request_id AS request,
           m.name AS model,
           v.version,
           r.alias,
           p.problem IS NULL AND a.package_sha256 OPERATOR(pg_catalog.=) r.package_sha256 AS valid,
           p.problem,
           a.comment,
           a.created_at,
           a.created_by,
           a.login_role,
           pg_catalog.encode(a.package_sha256, 'hex') AS package_sha256
    FROM mlops.approval a
    JOIN mlops.request r ON r.id OPERATOR(pg_catalog.=) a.request_id
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) r.model_id
    LEFT JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) r.version_id,
    LATERAL (SELECT CASE WHEN r.ended_at IS NULL THEN mlops.request_problem(r.id)
                         WHEN r.status OPERATOR(pg_catalog.=) ANY (ARRAY['expired', 'void']) THEN r.comment END AS problem) p
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.approvals IS
    'Approvals of requests, each of one package, of models on which the viewer has any privilege; valid is false when the package has changed or the time is over, and problem says why.';

GRANT SELECT ON mlops.requests, mlops.approvals TO PUBLIC;
