-- file: sql/60_policy.sql
-- Policies: what a change of an alias needs, and what a suspended model gives.
--
-- A policy is a row for one alias of one model; what it leaves open is as the
-- settings say (see doc/settings.md).  A change that asks for less than before
-- is itself a change that needs the approvals of the policy in force.

CREATE TABLE mlops.policy (
    model_id bigint NOT NULL,
    alias text NOT NULL
        CHECK (mlops._valid_name(alias) AND alias OPERATOR(pg_catalog.<>) 'latest'),
    approvals integer
        CHECK (approvals OPERATOR(pg_catalog.>=) 0 AND approvals OPERATOR(pg_catalog.<=) 20),
    approvers name[],
    approver_roles oid[],
    lifetime integer CHECK (lifetime OPERATOR(pg_catalog.>) 0),
    evidence text[]
        CHECK (evidence OPERATOR(pg_catalog.<@) ARRAY['description', 'metrics', 'run']),
    change_ref_required boolean,
    execution text
        CHECK (execution OPERATOR(pg_catalog.=) ANY (ARRAY['approval', 'explicit'])),
    approve_resume boolean,
    fallback_alias text
        CHECK (mlops._valid_name(fallback_alias) AND fallback_alias OPERATOR(pg_catalog.<>) 'latest'
               AND fallback_alias OPERATOR(pg_catalog.<>) alias),
    fallback_value double precision
        CHECK (fallback_value OPERATOR(pg_catalog.>) '-infinity' AND fallback_value OPERATOR(pg_catalog.<) 'infinity'),
    changed_at timestamp with time zone NOT NULL,
    changed_by name NOT NULL,
    CONSTRAINT policy_pkey PRIMARY KEY (model_id, alias),
    CHECK (fallback_alias IS NULL OR fallback_value IS NULL)
);
COMMENT ON TABLE mlops.policy IS
    'Private: what a change of an alias needs, where it is not as the settings say; lifetime in seconds; view mlops.policies.';
REVOKE ALL ON TABLE mlops.policy FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.policy', '');

-- What counts is the OID of a role.  A dump has the name, of which this makes
-- an OID again; 0, which nobody is, for a role that does not exist.
CREATE FUNCTION mlops._set_approver_roles() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.approver_roles := (SELECT array_agg(coalesce(r.oid, 0) ORDER BY a.n)
                           FROM unnest(NEW.approvers) WITH ORDINALITY a (name, n)
                           LEFT JOIN pg_roles r ON r.rolname = a.name);
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION mlops._set_approver_roles() IS
    'Trigger function of mlops.policy: the OIDs of roles from their names.';
REVOKE ALL ON FUNCTION mlops._set_approver_roles() FROM PUBLIC;
CREATE TRIGGER set_approver_roles BEFORE INSERT OR UPDATE OF approvers ON mlops.policy
    FOR EACH ROW EXECUTE FUNCTION mlops._set_approver_roles();
ALTER TABLE mlops.policy ENABLE ALWAYS TRIGGER set_approver_roles;
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.policy
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.policy ENABLE ALWAYS TRIGGER refuse_change;

--
-- For all acts
--
-- A text that a person wrote as the reason of an act.
CREATE FUNCTION mlops._check_reason(reason text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF reason IS NULL OR reason !~ '[^[:space:]]' THEN
        RAISE EXCEPTION 'a reason is needed'
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = 'Say why, for the audit log: reason => ''...''.';
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._check_reason(text) IS 'Error 22004 unless a reason was given.';
REVOKE ALL ON FUNCTION mlops._check_reason(text) FROM PUBLIC;

-- Lock a model by its name for a change of what it serves or asks for; its id.  An UPDATE, so
-- that a transaction in REPEATABLE READ whose snapshot is older than the last
-- change fails, and does not record what it does not see.
CREATE FUNCTION mlops._lock_model(model text, privilege text DEFAULT 'manage') RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result bigint;
BEGIN
    IF model IS NULL THEN
        RAISE EXCEPTION 'no model was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM mlops._require(model, privilege);
    UPDATE mlops.model m SET last_version = m.last_version WHERE m.name = model
    RETURNING m.id INTO STRICT result;
    RETURN result;
END
$$;
COMMENT ON FUNCTION mlops._lock_model(text, text) IS
    'Locks the row of a model on which the caller has a privilege and returns its id.';
REVOKE ALL ON FUNCTION mlops._lock_model(text, text) FROM PUBLIC;

--
-- Reading
--

CREATE FUNCTION mlops._settings(OUT required_approvals integer, OUT protected_aliases text,
                                OUT approval_lifetime integer, OUT require_change_ref boolean,
                                OUT ratification_period integer) RETURNS record
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_settings';
COMMENT ON FUNCTION mlops._settings() IS
    'The settings that policies fall back to, whatever the session has set, times in seconds.';
REVOKE ALL ON FUNCTION mlops._settings() FROM PUBLIC;

CREATE FUNCTION mlops._is_protected(alias text) RETURNS boolean
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT alias = ANY (a) OR '*' = ANY (a)
    FROM mlops._settings() s, LATERAL regexp_split_to_array(btrim(s.protected_aliases), '\s*,\s*') a
$$;
COMMENT ON FUNCTION mlops._is_protected(text) IS 'Whether the setting mlops.protected_aliases has an alias.';
REVOKE ALL ON FUNCTION mlops._is_protected(text) FROM PUBLIC;

-- The row of a policy as the audit log and packages have it.
CREATE FUNCTION mlops._policy_row(policy mlops.policy) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$
    SELECT jsonb_strip_nulls(to_jsonb(policy) - '{model_id,alias,approver_roles,changed_at,changed_by}'::text[])
    WHERE policy IS DISTINCT FROM NULL AND (policy).model_id IS NOT NULL
$$;
COMMENT ON FUNCTION mlops._policy_row(mlops.policy) IS 'What a row of mlops.policy says, without what it leaves open.';
REVOKE ALL ON FUNCTION mlops._policy_row(mlops.policy) FROM PUBLIC;

CREATE FUNCTION mlops._own_approvals(alias text, approvals integer) RETURNS integer
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(approvals, CASE WHEN mlops._is_protected(alias)
                                    THEN (mlops._settings()).required_approvals ELSE 0 END)
$$;
COMMENT ON FUNCTION mlops._own_approvals(text, integer) IS
    'Approvals that a policy for an alias asks for, by the settings if it leaves that open.';
REVOKE ALL ON FUNCTION mlops._own_approvals(text, integer) FROM PUBLIC;

-- The policy that a row, or none, makes together with the settings.  The
-- fallback of an alias can come to serve in its place and so needs no fewer
-- approvals.  Roles stand with the names that they have now, so that nothing
-- approved under a policy outlives a role that it named.
CREATE FUNCTION mlops._effective_policy(model_id bigint, alias text, own mlops.policy) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'approvals', greatest(mlops._own_approvals(alias, (own).approvals),
                              (SELECT max(mlops._own_approvals(p.alias, p.approvals)) FROM mlops.policy p
                               WHERE p.model_id = _effective_policy.model_id
                                 AND p.fallback_alias = _effective_policy.alias)),
        'approvers', (SELECT jsonb_agg(DISTINCT coalesce(r.rolname, a.name || ' (dropped)') ORDER BY coalesce(r.rolname, a.name || ' (dropped)'))
                      FROM unnest((own).approvers, (own).approver_roles) a (name, role)
                      LEFT JOIN pg_roles r ON r.oid = a.role),
        'lifetime', coalesce((own).lifetime,
                             (mlops._settings()).approval_lifetime),
        'evidence', (SELECT coalesce(jsonb_agg(DISTINCT e ORDER BY e), '[]') FROM unnest((own).evidence) e),
        'change_ref_required', coalesce((own).change_ref_required,
                                        mlops._is_protected(alias) AND (mlops._settings()).require_change_ref),
        'execution', coalesce((own).execution, 'approval'),
        'approve_resume', coalesce((own).approve_resume, false),
        'fallback_alias', (own).fallback_alias,
        'fallback_value', (own).fallback_value))
$$;
COMMENT ON FUNCTION mlops._effective_policy(bigint, text, mlops.policy) IS
    'The policy for an alias that a row of mlops.policy makes together with the settings; lifetime in seconds.';
REVOKE ALL ON FUNCTION mlops._effective_policy(bigint, text, mlops.policy) FROM PUBLIC;

CREATE FUNCTION mlops._policy_of(model_id bigint, alias text) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops._effective_policy(model_id, alias,
                                   (SELECT p FROM mlops.policy p
                                    WHERE p.model_id = _policy_of.model_id AND p.alias = _policy_of.alias))
$$;
COMMENT ON FUNCTION mlops._policy_of(bigint, text) IS 'The policy in force for an alias of a model.';
REVOKE ALL ON FUNCTION mlops._policy_of(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._policy(model text, alias text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM mlops._require(model, 'any');
    RETURN mlops._policy_of((SELECT m.id FROM mlops.model m WHERE m.name = model), alias);
END
$$;
COMMENT ON FUNCTION mlops._policy(text, text) IS 'Body of mlops.policy().';
REVOKE ALL ON FUNCTION mlops._policy(text, text) FROM PUBLIC;

CREATE FUNCTION mlops.policy(model text, alias text DEFAULT 'champion') RETURNS jsonb
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.policy(text, text) IS
    'The policy in force for an alias of a model, that of the settings included, lifetime in seconds; needs any privilege on the model; errors ML001 and 42501.';

-- The hash of a policy in force, as events have it: of a line with the version
-- of the format, and the text of the policy, as packages have theirs.
CREATE FUNCTION mlops._policy_sha256(model_id bigint, alias text) RETURNS bytea
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT sha256(convert_to(E'mlops/policy/v1\n' || mlops._policy_of(model_id, alias)::text, 'UTF8')) $$;
COMMENT ON FUNCTION mlops._policy_sha256(bigint, text) IS 'SHA-256 of the policy in force for an alias of a model.';
REVOKE ALL ON FUNCTION mlops._policy_sha256(bigint, text) FROM PUBLIC;

-- Does a policy ask for less than another one in any respect?
CREATE FUNCTION mlops._is_weaker(policy jsonb, than jsonb) RETURNS boolean
    LANGUAGE SQL IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (policy->'approvals')::integer < (than->'approvals')::integer
        OR (than ? 'approvers' AND NOT (policy ? 'approvers' AND policy->'approvers' <@ (than->'approvers')))
        OR (policy->'lifetime')::integer > (than->'lifetime')::integer
        OR NOT policy->'evidence' @> (than->'evidence')
        OR (than->'change_ref_required')::boolean > (policy->'change_ref_required')::boolean
        OR (than->>'execution' = 'explicit' AND policy->>'execution' <> 'explicit')
        OR (than->'approve_resume')::boolean > (policy->'approve_resume')::boolean
        OR policy->'fallback_alias' IS DISTINCT FROM than->'fallback_alias'
        OR policy->'fallback_value' IS DISTINCT FROM than->'fallback_value'
$$;
COMMENT ON FUNCTION mlops._is_weaker(jsonb, jsonb) IS
    'Whether a policy asks for less than another in any respect, or has another fallback.';
REVOKE ALL ON FUNCTION mlops._is_weaker(jsonb, jsonb) FROM PUBLIC;

--
-- Setting
--

-- A policy as events have it.
CREATE FUNCTION mlops._policy_state(policy mlops.policy) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops._policy_row(policy)
           || jsonb_build_object('changed_at', mlops._utc((policy).changed_at), 'changed_by', (policy).changed_by)
$$;
COMMENT ON FUNCTION mlops._policy_state(mlops.policy) IS 'State of a policy, as events have it.';
REVOKE ALL ON FUNCTION mlops._policy_state(mlops.policy) FROM PUBLIC;

-- Put what a policy's row says in force.  The model is locked.
CREATE FUNCTION mlops._apply_policy(model_id bigint, alias text, "row" jsonb, reason text, change_ref text,
                                    relied_on jsonb DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$
DECLARE
    before jsonb;
    model_name text;
BEGIN
    SELECT m.name INTO STRICT model_name FROM mlops.model m WHERE m.id = _apply_policy.model_id;
    SELECT mlops._policy_state(p) INTO before FROM mlops.policy p
    WHERE p.model_id = _apply_policy.model_id AND p.alias = _apply_policy.alias;
    INSERT INTO mlops.policy AS p
    SELECT r.* FROM jsonb_populate_record(NULL::mlops.policy, "row" || jsonb_build_object(
        'model_id', model_id, 'alias', alias, 'changed_at', clock_timestamp(), 'changed_by', session_user)) r
    ON CONFLICT ON CONSTRAINT policy_pkey DO UPDATE
    SET approvals = excluded.approvals, approvers = excluded.approvers, lifetime = excluded.lifetime,
        evidence = excluded.evidence, change_ref_required = excluded.change_ref_required,
        execution = excluded.execution, approve_resume = excluded.approve_resume,
        fallback_alias = excluded.fallback_alias, fallback_value = excluded.fallback_value,
        changed_at = excluded.changed_at, changed_by = excluded.changed_by;
    PERFORM mlops._audit(action => 'policy.set', model => model_name, alias => alias,
                         reason => reason, change_ref => change_ref, state_before => before,
                         state_after => (SELECT mlops._policy_state(p) FROM mlops.policy p
                                         WHERE p.model_id = _apply_policy.model_id
                                           AND p.alias = _apply_policy.alias),
                         relied_on => relied_on,
                         policy_sha256 => mlops._policy_sha256(model_id, alias));
END
$$;
COMMENT ON FUNCTION mlops._apply_policy(bigint, text, jsonb, text, text, jsonb) IS
    'Puts the row of a policy in force and records it.';
REVOKE ALL ON FUNCTION mlops._apply_policy(bigint, text, jsonb, text, text, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._set_policy(model text, alias text, approvals integer, approvers text[], lifetime interval,
                                  evidence text[], change_ref_required boolean, execution text,
                                  approve_resume boolean, fallback_alias text,
                                  fallback_value double precision, reason text, change_ref text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$
DECLARE
    target bigint;
    present mlops.policy;
    wanted mlops.policy;
    in_force jsonb;
    unknown text;
    request bigint;
BEGIN
    PERFORM mlops._require(model, 'own');
    PERFORM mlops._check_reason(reason);
    IF alias IS NULL OR NOT mlops._valid_name(alias)
       OR (mlops.model_name(model::mlops.modelref) || '@' || alias)::mlops.modelref IS NULL THEN
        RAISE EXCEPTION 'invalid alias: "%"', alias USING ERRCODE = 'invalid_name';
    END IF;
    IF approvals NOT BETWEEN 0 AND 20 THEN
        RAISE EXCEPTION 'a policy asks for 0 to 20 approvals, not %', approvals
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF lifetime < interval '1 second' OR lifetime > interval '68 years' THEN
        RAISE EXCEPTION 'an approval lives for one second to 68 years'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT e INTO unknown FROM unnest(evidence) e
    WHERE e IS NULL OR e <> ALL ('{description,metrics,run}') LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'unknown evidence "%"', unknown
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Evidence that a policy can ask for is description, metrics and run.';
    END IF;
    IF execution NOT IN ('approval', 'explicit') THEN
        RAISE EXCEPTION 'unknown execution "%"', execution
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'The last approval executes a request, or mlops.execute() does: approval or explicit.';
    END IF;
    IF fallback_alias <> '' AND (NOT mlops._valid_name(fallback_alias) OR fallback_alias IN ('latest', alias)) THEN
        RAISE EXCEPTION 'alias "%" cannot be the fallback of alias "%"', fallback_alias, alias
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF fallback_value IN ('NaN', 'infinity', '-infinity') THEN
        RAISE EXCEPTION 'a fallback must be a finite number' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF fallback_alias <> '' AND fallback_value IS NOT NULL THEN
        RAISE EXCEPTION 'a fallback is an alias or a constant, not both'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM mlops._role(a) FROM unnest(approvers) a;
    IF 'public' = ANY (approvers) OR array_position(approvers, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'approvers must be roles' USING ERRCODE = 'invalid_parameter_value';
    END IF;

    target := mlops._lock_model(model, 'own');
    PERFORM mlops._note_identity();
    SELECT p.* INTO present FROM mlops.policy p WHERE p.model_id = target AND p.alias = _set_policy.alias;
    wanted := present;
    wanted.model_id := target;
    wanted.alias := alias;
    wanted.approvals := coalesce(approvals, present.approvals);
    -- by the names that the roles have now
    wanted.approvers := CASE WHEN cardinality(approvers) > 0 THEN approvers::name[]
                             WHEN approvers IS NULL
                             THEN (SELECT array_agg(coalesce(r.rolname, a.name) ORDER BY a.n)
                                   FROM unnest(present.approvers, present.approver_roles)
                                        WITH ORDINALITY a (name, role, n)
                                   LEFT JOIN pg_roles r ON r.oid = a.role) END;
    wanted.approver_roles := (SELECT array_agg(coalesce(r.oid, 0) ORDER BY a.n)
                              FROM unnest(wanted.approvers) WITH ORDINALITY a (name, n)
                              LEFT JOIN pg_roles r ON r.rolname = a.name);
    wanted.lifetime := coalesce(ceil(extract(epoch FROM lifetime))::integer, present.lifetime);
    wanted.evidence := coalesce(evidence, present.evidence);
    wanted.change_ref_required := coalesce(change_ref_required, present.change_ref_required);
    wanted.execution := coalesce(execution, present.execution);
    wanted.approve_resume := coalesce(approve_resume, present.approve_resume);
    IF fallback_alias IS NOT NULL OR fallback_value IS NOT NULL THEN
        wanted.fallback_alias := nullif(fallback_alias, '');
        wanted.fallback_value := fallback_value;
    END IF;

    in_force := mlops._policy_of(target, alias);
    IF (in_force->'approvals')::integer > 0
       AND mlops._is_weaker(mlops._effective_policy(target, alias, wanted), in_force) THEN
        request := mlops._open_request(target, 'policy', alias, NULL, mlops._policy_row(wanted), reason, change_ref);
        RETURN request;
    END IF;
    PERFORM mlops._apply_policy(target, alias, mlops._policy_row(wanted), reason, change_ref);
    PERFORM mlops._sweep_requests(target);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mlops._set_policy(text, text, integer, text[], interval, text[], boolean, text, boolean, text, double precision, text, text) IS
    'Body of mlops.set_policy().';
REVOKE ALL ON FUNCTION mlops._set_policy(text, text, integer, text[], interval, text[], boolean, text, boolean, text, double precision, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.set_policy(model text, alias text DEFAULT 'champion', approvals integer DEFAULT NULL,
                                 approvers text[] DEFAULT NULL, lifetime interval DEFAULT NULL,
                                 evidence text[] DEFAULT NULL, change_ref_required boolean DEFAULT NULL,
                                 execution text DEFAULT NULL, approve_resume boolean DEFAULT NULL,
                                 fallback_alias text DEFAULT NULL, fallback_value double precision DEFAULT NULL,
                                 reason text DEFAULT NULL, change_ref text DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.set_policy(text, text, integer, text[], interval, text[], boolean, text, boolean, text, double precision, text, text) IS
    'Sets what a change of an alias needs; NULL leaves a part as it is, ''{}'' and '''' empty it; returns NULL if that is in force, or the id of the request that was opened because it asks for less than the policy in force, which needs approvals; the reason is mandatory; needs to be owner; errors 42501, 42704, 42602, 22004, 22023, 22P02, ML001 and ML042.';
REVOKE ALL ON FUNCTION mlops.set_policy(text, text, integer, text[], interval, text[], boolean, text, boolean, text, double precision, text, text) FROM PUBLIC;

--
-- Views
--
CREATE VIEW mlops.policies WITH (security_barrier) AS
    SELECT m.name AS model,
           p.alias,
           p.approvals,
           p.approvers,
           pg_catalog.make_interval(secs => p.lifetime) AS lifetime,
           p.evidence,
           p.change_ref_required,
           p.execution,
           p.approve_resume,
           p.fallback_alias,
           p.fallback_value,
           p.changed_at,
           p.changed_by
    FROM mlops.policy p
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) p.model_id
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.policies IS
    'What changes of aliases need where it was set, NULL where it is as the settings say, of models on which the viewer has any privilege; mlops.policy() has what is in force.';
GRANT SELECT ON mlops.policies TO PUBLIC;

-- For the comparison of the audit log with the tables.
CREATE FUNCTION mlops._state_policy() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, p.alias, NULL::text, mlops._policy_state(p)
    FROM mlops.policy p LEFT JOIN mlops.model m ON m.id = p.model_id
$$;
COMMENT ON FUNCTION mlops._state_policy() IS 'State of all policies, as events have it.';
REVOKE ALL ON FUNCTION mlops._state_policy() FROM PUBLIC;
