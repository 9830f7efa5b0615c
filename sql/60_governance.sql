-- file: sql/60_governance.sql
-- Promotion: which version an alias points to, and since when.
--
-- The switch of an alias, its row of history and its event in the audit log
-- are one transaction.  Changes of one model's aliases follow one another:
-- each locks the row of the model first.

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

-- Point an alias to a version, or to none, and record it.
CREATE FUNCTION mlops._move_alias(model_id bigint, alias text, action text, version_id bigint,
                                  reason text, change_ref text, undone_id bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now_at timestamptz := clock_timestamp();
    former jsonb := mlops._alias_state(model_id, alias);
    model_name text;
    previous bigint;
    previous_number integer;
    number integer;
BEGIN
    SELECT m.name INTO STRICT model_name FROM mlops.model m WHERE m.id = _move_alias.model_id;
    SELECT a.version_id, v.version INTO previous, previous_number
    FROM mlops.alias a JOIN mlops.version v ON v.id = a.version_id
    WHERE a.model_id = _move_alias.model_id AND a.alias = _move_alias.alias;
    SELECT v.version INTO number FROM mlops.version v WHERE v.id = _move_alias.version_id;

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
    VALUES (model_id, alias, action, version_id, previous, reason, change_ref, undone_id, now_at, session_user);
    PERFORM mlops._audit(action => 'alias.' || action, model => model_name, version => number,
                         alias => alias, reason => reason, change_ref => change_ref,
                         artifact_sha256 => (SELECT v.artifact_sha256 FROM mlops.version v
                                             WHERE v.id = _move_alias.version_id),
                         state_before => former,
                         state_after => mlops._alias_state(model_id, alias));
END
$$;
COMMENT ON FUNCTION mlops._move_alias(bigint, text, text, bigint, text, text, bigint) IS
    'Points an alias of a model whose row is locked to a version, and records it.';
REVOKE ALL ON FUNCTION mlops._move_alias(bigint, text, text, bigint, text, text, bigint) FROM PUBLIC;

-- Lock a model by its name for a change of its aliases; its id.  An UPDATE, so
-- that a transaction in REPEATABLE READ whose snapshot is older than the last
-- change fails, and does not record what it does not see.
CREATE FUNCTION mlops._lock_model(model text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result bigint;
BEGIN
    IF model IS NULL THEN
        RAISE EXCEPTION 'no model was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM mlops._require(model, 'manage');
    UPDATE mlops.model m SET last_version = m.last_version WHERE m.name = model
    RETURNING m.id INTO STRICT result;
    RETURN result;
END
$$;
COMMENT ON FUNCTION mlops._lock_model(text) IS
    'Locks the row of a model on which the caller has privilege manage and returns its id.';
REVOKE ALL ON FUNCTION mlops._lock_model(text) FROM PUBLIC;

CREATE FUNCTION mlops._promote(model mlops.modelref, alias text, reason text, change_ref text)
    RETURNS mlops.modelref
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint := mlops._resolve(model, 'manage');
    target_model bigint;
BEGIN
    IF target IS NULL OR alias IS NULL THEN
        RAISE EXCEPTION 'a promotion needs a version and an alias'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM mlops._check_reason(reason);
    -- The cast says what is wrong with an alias.
    IF NOT mlops._valid_name(alias) OR (mlops.model_name(model) || '@' || alias)::mlops.modelref IS NULL THEN
        RAISE EXCEPTION 'invalid alias: "%"', alias USING ERRCODE = 'invalid_name';
    END IF;

    SELECT v.model_id INTO STRICT target_model FROM mlops.version v WHERE v.id = target;
    PERFORM mlops._lock_model(mlops.model_name(model));
    IF EXISTS (SELECT FROM mlops.alias a
               WHERE a.model_id = target_model AND a.alias = _promote.alias AND a.version_id = target) THEN
        RAISE EXCEPTION '% is already the % of model "%"', mlops._reference(target), alias, mlops.model_name(model)
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Name the version to promote, such as model/2.';
    END IF;
    PERFORM mlops._move_alias(target_model, alias, 'promote', target, reason, change_ref, NULL);
    RETURN mlops._reference(target);
END
$$;
COMMENT ON FUNCTION mlops._promote(mlops.modelref, text, text, text) IS 'Body of mlops.promote().';
REVOKE ALL ON FUNCTION mlops._promote(mlops.modelref, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.promote(model mlops.modelref, alias text DEFAULT 'champion', reason text DEFAULT NULL,
                              change_ref text DEFAULT NULL) RETURNS mlops.modelref
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.promote(mlops.modelref, text, text, text) IS
    'Points an alias to a version, for every other session from its next statement after the commit, and returns the reference to that version; the reason is mandatory; needs privilege manage; errors 42501, 22004, 55000 and ML001 to ML003.';
REVOKE ALL ON FUNCTION mlops.promote(mlops.modelref, text, text, text) FROM PUBLIC;

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
    PERFORM mlops._move_alias(target_model, alias, 'rollback', earlier, reason, NULL, promotion);
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
    'Points an alias back to the version before the present one was promoted and returns the reference to it; the reason is mandatory; needs privilege manage; errors 42501, 22004, 55000, ML001 and ML003.';
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
    PERFORM mlops._move_alias(target_model, alias, 'drop', NULL, reason, NULL, NULL);
END
$$;
COMMENT ON FUNCTION mlops._drop_alias(text, text, text) IS 'Body of mlops.drop_alias().';
REVOKE ALL ON FUNCTION mlops._drop_alias(text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.drop_alias(model text, alias text, reason text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.drop_alias(text, text, text) IS
    'Removes an alias of a model, whose history stays; the reason is mandatory; needs privilege manage; errors 42501, 22004, ML001 and ML003.';
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
