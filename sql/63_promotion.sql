-- file: sql/63_promotion.sql
-- Promotion: which version an alias points to, and since when.
--
-- The switch of an alias, its row of history and its event in the audit log
-- are one transaction.  Changes of one model's aliases follow one another:
-- each locks the row of the model first.

-- Point an alias to a version, or to none, and record it; the id of its row of
-- history.
CREATE FUNCTION mlops._move_alias(model_id bigint, alias text, action text, version_id bigint,
                                  reason text, change_ref text, undone_id bigint, relied_on jsonb DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now_at timestamptz := clock_timestamp();
    former jsonb := mlops._alias_state(model_id, alias);
    model_name text;
    previous bigint;
    change bigint;
BEGIN
    SELECT m.name INTO STRICT model_name FROM mlops.model m WHERE m.id = _move_alias.model_id;
    SELECT a.version_id INTO previous FROM mlops.alias a
    WHERE a.model_id = _move_alias.model_id AND a.alias = _move_alias.alias;

    IF version_id IS NULL THEN
        DELETE FROM mlops.alias a
        WHERE a.model_id = _move_alias.model_id AND a.alias = _move_alias.alias;
    ELSE
        INSERT INTO mlops.alias AS a (model_id, alias, version_id, changed_at, changed_by)
        VALUES (model_id, alias, version_id, now_at, session_user)
        ON CONFLICT ON CONSTRAINT alias_pkey DO UPDATE
        SET version_id = excluded.version_id, changed_at = excluded.changed_at,
            changed_by = excluded.changed_by;
    END IF;
    INSERT INTO mlops.alias_change (model_id, alias, action, version_id, previous_version_id, reason,
                                    change_ref, undone_id, changed_at, changed_by)
    VALUES (model_id, alias, action, version_id, previous, reason, change_ref, undone_id, now_at, session_user)
    RETURNING id INTO change;
    PERFORM mlops._audit(action => 'alias.' || action, model => model_name,
                         version => (SELECT v.version FROM mlops.version v WHERE v.id = _move_alias.version_id),
                         alias => alias, reason => reason, change_ref => change_ref,
                         artifact_sha256 => (SELECT v.artifact_sha256 FROM mlops.version v
                                             WHERE v.id = _move_alias.version_id),
                         state_before => former,
                         state_after => mlops._alias_state(model_id, alias),
                         relied_on => relied_on,
                         policy_sha256 => mlops._policy_sha256(model_id, alias));
    PERFORM mlops._end_traffic(model_id, alias, reason, change_ref);
    RETURN change;
END
$$;
COMMENT ON FUNCTION mlops._move_alias(bigint, text, text, bigint, text, text, bigint, jsonb) IS
    'Points an alias of a model whose row is locked to a version, records it, and returns the id of the row of mlops.alias_change.';
REVOKE ALL ON FUNCTION mlops._move_alias(bigint, text, text, bigint, text, text, bigint, jsonb) FROM PUBLIC;

-- Error unless a version has what the policy of an alias asks for.  Asked when
-- a request is opened and again when it is executed.
CREATE FUNCTION mlops._check_promotion(model_id bigint, alias text, version_id bigint, change_ref text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    policy jsonb := mlops._policy_of(model_id, alias);
    missing text;
BEGIN
    IF (policy->'change_ref_required')::boolean AND (change_ref IS NULL OR change_ref !~ '[^[:space:]]') THEN
        RAISE EXCEPTION 'the policy for alias "%" wants a change number', alias
            USING ERRCODE = 'ML042', HINT = 'Give it by change_ref => ''...''.';
    END IF;
    SELECT string_agg(e, ', ') INTO missing
    FROM mlops.version v
    JOIN mlops.model m ON m.id = v.model_id,
         jsonb_array_elements_text(policy->'evidence') e
    WHERE v.id = _check_promotion.version_id
      AND NOT CASE e WHEN 'metrics' THEN coalesce(v.metrics, '{}') <> '{}'
                     WHEN 'run' THEN v.run_id IS NOT NULL
                     WHEN 'description' THEN coalesce(v.description, m.description, '') ~ '[^[:space:]]'
              END;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION '% does not have the evidence that the policy for alias "%" wants',
                        mlops._reference(version_id), alias
            USING ERRCODE = 'ML042', DETAIL = format('Missing: %s.', missing),
                  HINT = 'A version never changes: register one that has it.';
    END IF;
    PERFORM mlops._require_gates(model_id, alias, version_id);
    PERFORM mlops._check_golden(version_id);
END
$$;
COMMENT ON FUNCTION mlops._check_promotion(bigint, text, bigint, text) IS
    'Errors ML042 and ML044 unless a version has what the policy of an alias asks for and passes its gates, ML012 or ML013 unless it gives its golden rows their margins.';
REVOKE ALL ON FUNCTION mlops._check_promotion(bigint, text, bigint, text) FROM PUBLIC;

-- Lock the model of a version that is to be promoted, and check what does not
-- depend on approvals.
CREATE FUNCTION mlops._begin_promotion(model mlops.modelref, alias text, reason text, change_ref text,
                                       OUT target bigint, OUT target_model bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    target := mlops._resolve(model, 'manage');
    IF target IS NULL OR alias IS NULL THEN
        RAISE EXCEPTION 'a promotion needs a version and an alias'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM mlops._check_reason(reason);
    -- The cast says what is wrong with an alias.
    IF NOT mlops._valid_name(alias) OR (mlops.model_name(model) || '@' || alias)::mlops.modelref IS NULL THEN
        RAISE EXCEPTION 'invalid alias: "%"', alias USING ERRCODE = 'invalid_name';
    END IF;
    target_model := mlops._lock_model(mlops.model_name(model));
    IF EXISTS (SELECT FROM mlops.alias a
               WHERE a.model_id = target_model AND a.alias = _begin_promotion.alias AND a.version_id = target) THEN
        RAISE EXCEPTION '% is already the % of model "%"', mlops._reference(target), alias, mlops.model_name(model)
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Name the version to promote, such as model/2.';
    END IF;
    PERFORM mlops._check_promotion(target_model, alias, target, change_ref);
END
$$;
COMMENT ON FUNCTION mlops._begin_promotion(mlops.modelref, text, text, text) IS
    'Locks the model of a version to be promoted and returns the ids of both; errors 42501, 22004, 55000, ML001 to ML003, ML012, ML013, ML042 and ML044.';
REVOKE ALL ON FUNCTION mlops._begin_promotion(mlops.modelref, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._promote(model mlops.modelref, alias text, reason text, change_ref text)
    RETURNS mlops.modelref
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    p record := mlops._begin_promotion(model, alias, reason, change_ref);
BEGIN
    IF (mlops._policy_of(p.target_model, alias)->'approvals')::integer > 0 THEN
        PERFORM mlops._open_request(p.target_model, 'promotion', alias, p.target, NULL, reason, change_ref);
        RETURN NULL;
    END IF;
    PERFORM mlops._note_identity();
    PERFORM mlops._move_alias(p.target_model, alias, 'promote', p.target, reason, change_ref, NULL);
    PERFORM mlops._sweep_requests(p.target_model);
    RETURN mlops._reference(p.target);
END
$$;
COMMENT ON FUNCTION mlops._promote(mlops.modelref, text, text, text) IS 'Body of mlops.promote().';
REVOKE ALL ON FUNCTION mlops._promote(mlops.modelref, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.promote(model mlops.modelref, alias text DEFAULT 'champion', reason text DEFAULT NULL,
                              change_ref text DEFAULT NULL) RETURNS mlops.modelref
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.promote(mlops.modelref, text, text, text) IS
    'Points an alias to a version, for every other session from its next statement after the commit, and returns the reference to that version; where the policy wants approvals it opens a request instead, says so in a notice and returns NULL; the reason is mandatory; needs privilege manage; errors 42501, 22004, 55000, ML001 to ML003, ML012, ML013, ML042 and ML044.';
REVOKE ALL ON FUNCTION mlops.promote(mlops.modelref, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._request_promotion(model mlops.modelref, alias text, reason text, change_ref text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    p record := mlops._begin_promotion(model, alias, reason, change_ref);
BEGIN
    RETURN mlops._open_request(p.target_model, 'promotion', alias, p.target, NULL, reason, change_ref);
END
$$;
COMMENT ON FUNCTION mlops._request_promotion(mlops.modelref, text, text, text) IS 'Body of mlops.request_promotion().';
REVOKE ALL ON FUNCTION mlops._request_promotion(mlops.modelref, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.request_promotion(model mlops.modelref, alias text DEFAULT 'champion', reason text DEFAULT NULL,
                                        change_ref text DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.request_promotion(mlops.modelref, text, text, text) IS
    'Opens a request to point an alias to a version and returns its id; if the policy wants no approvals, the request is approved at once, and executed unless the policy leaves that to mlops.execute(); the reason is mandatory; needs privilege manage; errors 42501, 22004, 55000, ML001 to ML003, ML012, ML013, ML042 and ML044.';
REVOKE ALL ON FUNCTION mlops.request_promotion(mlops.modelref, text, text, text) FROM PUBLIC;

-- The version that an alias of a locked model points to.
CREATE FUNCTION mlops._aliased(model_id bigint, alias text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result bigint;
BEGIN
    IF alias IS NULL THEN
        RAISE EXCEPTION 'no alias was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT a.version_id INTO result FROM mlops.alias a
    WHERE a.model_id = _aliased.model_id AND a.alias = _aliased.alias;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'model "%" has no alias "%"',
                        (SELECT m.name FROM mlops.model m WHERE m.id = _aliased.model_id), alias
            USING ERRCODE = 'ML003',
                  DETAIL = format('Aliases: %s.',
                                  (SELECT coalesce(string_agg(a.alias, ', ' ORDER BY a.alias), 'none')
                                   FROM mlops.alias a WHERE a.model_id = _aliased.model_id));
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION mlops._aliased(bigint, text) IS
    'Row of mlops.version that an alias points to; errors 22004 and ML003.';
REVOKE ALL ON FUNCTION mlops._aliased(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._rollback(model text, alias text, reason text) RETURNS mlops.modelref
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target_model bigint := mlops._lock_model(model);
    present bigint;
    promotion bigint;
    earlier bigint;
BEGIN
    PERFORM mlops._check_reason(reason);
    present := mlops._aliased(target_model, alias);
    -- What a fallback had before it was one never served in the other's place.
    IF EXISTS (SELECT FROM mlops.policy p WHERE p.model_id = target_model AND p.fallback_alias = _rollback.alias) THEN
        RAISE EXCEPTION 'alias "%" of model "%" is a fallback and is not rolled back', alias, model
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Promote the version that it should have.';
    END IF;

    -- The latest promotion that no rollback has undone is where the present
    -- version came from; the one before it is next, so that a second rollback
    -- goes further back and never forth.
    SELECT c.id, c.previous_version_id INTO STRICT promotion, earlier
    FROM mlops.alias_change c
    WHERE c.model_id = target_model AND c.alias = _rollback.alias
      AND c.action = 'promote' AND c.version_id = present
      AND NOT EXISTS (SELECT FROM mlops.alias_change u WHERE u.undone_id = c.id)
    ORDER BY c.id DESC LIMIT 1;
    IF earlier IS NULL THEN
        RAISE EXCEPTION 'alias "%" of model "%" has no earlier version to go back to', alias, model
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('%s was the first.', mlops._reference(present));
    END IF;
    PERFORM mlops._note_identity();
    PERFORM mlops._note_safety(target_model, 'rollback', alias,
                               mlops._move_alias(target_model, alias, 'rollback', earlier, reason, NULL, promotion), reason);
    PERFORM mlops._sweep_requests(target_model);
    RETURN mlops._reference(earlier);
END
$$;
COMMENT ON FUNCTION mlops._rollback(text, text, text) IS 'Body of mlops.rollback().';
REVOKE ALL ON FUNCTION mlops._rollback(text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.rollback(model text, alias text DEFAULT 'champion', reason text DEFAULT NULL)
    RETURNS mlops.modelref
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.rollback(text, text, text) IS
    'Points an alias back to the version before the present one was promoted and returns the reference to it; the reason is mandatory; one person is enough, and where the alias needs approvals another one ratifies it; needs privilege manage; errors 42501, 22004, 55000, ML001 and ML003.';
REVOKE ALL ON FUNCTION mlops.rollback(text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._drop_alias(model text, alias text, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target_model bigint := mlops._lock_model(model);
BEGIN
    PERFORM mlops._check_reason(reason);
    PERFORM mlops._aliased(target_model, alias);
    PERFORM mlops._note_identity();
    PERFORM mlops._note_safety(target_model, 'drop', alias,
                               mlops._move_alias(target_model, alias, 'drop', NULL, reason, NULL, NULL), reason);
    PERFORM mlops._sweep_requests(target_model);
END
$$;
COMMENT ON FUNCTION mlops._drop_alias(text, text, text) IS 'Body of mlops.drop_alias().';
REVOKE ALL ON FUNCTION mlops._drop_alias(text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.drop_alias(model text, alias text, reason text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.drop_alias(text, text, text) IS
    'Removes an alias of a model, whose history stays; the reason is mandatory; one person is enough, and where the alias needs approvals another one ratifies it; needs privilege manage; errors 42501, 22004, ML001 and ML003.';
REVOKE ALL ON FUNCTION mlops.drop_alias(text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._model_at(model mlops.modelref, at timestamp with time zone) RETURNS mlops.modelref
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted_alias text := coalesce(substr(model::text, length(mlops.model_name(model)) + 2), '');
    result bigint;
BEGIN
    PERFORM mlops._require(mlops.model_name(model), 'any');
    IF model::text LIKE '%/%' THEN
        RAISE EXCEPTION 'a version means itself at every time: "%"', model
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Ask for a model or an alias, such as model@challenger.';
    END IF;
    IF wanted_alias = '' THEN
        wanted_alias := 'champion';
    END IF;
    SELECT c.version_id INTO result
    FROM mlops.alias_change c JOIN mlops.model m ON m.id = c.model_id
    WHERE m.name = mlops.model_name(model) AND c.alias = wanted_alias AND c.changed_at <= at
    ORDER BY c.id DESC LIMIT 1;
    RETURN mlops._reference(result);
END
$$;
COMMENT ON FUNCTION mlops._model_at(mlops.modelref, timestamp with time zone) IS 'Body of mlops.model_at().';
REVOKE ALL ON FUNCTION mlops._model_at(mlops.modelref, timestamp with time zone) FROM PUBLIC;

CREATE FUNCTION mlops.model_at(model mlops.modelref, at timestamp with time zone) RETURNS mlops.modelref
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.model_at(mlops.modelref, timestamp with time zone) IS
    'Version that a model''s champion or alias meant at a time, NULL if none; needs any privilege on the model; errors ML001, 42501 and 22023.';
