-- file: sql/30_registry.sql
-- Models, versions, aliases, privileges and runs.
--
-- Tables are private: only the functions below write them, as the owner of
-- the extension, for a caller whose privilege they have checked.  Rows of
-- version, alias_change and run are never changed, and they and models are
-- never deleted.
--
-- There are no foreign keys between them, although each *_id is one.  A
-- parallel pg_restore loads the tables of an extension in any order, after
-- the extension and its constraints were created, so that foreign keys would
-- make it fail.  What they would promise is kept by who writes and by what is
-- never deleted.

--
-- Tables
--
CREATE FUNCTION mlops._valid_name(name text) RETURNS boolean
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT mlops.model_name(name::mlops.modelref) = name $$;
COMMENT ON FUNCTION mlops._valid_name(text) IS
    'Whether a text can name a model or alias; error 22P02 says why not.';
REVOKE ALL ON FUNCTION mlops._valid_name(text) FROM PUBLIC;

CREATE SEQUENCE mlops.model_id_seq;
CREATE TABLE mlops.model (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.model_id_seq'::pg_catalog.regclass),
    name text NOT NULL UNIQUE CHECK (mlops._valid_name(name)),
    task text NOT NULL
        CHECK (task OPERATOR(pg_catalog.=) ANY (ARRAY['regression', 'binary', 'multiclass', 'ranking'])),
    description text,
    last_version integer NOT NULL DEFAULT 0 CHECK (last_version OPERATOR(pg_catalog.>=) 0),
    missing_columns text NOT NULL DEFAULT 'error'
        CHECK (missing_columns OPERATOR(pg_catalog.=) ANY (ARRAY['error', 'null'])),
    unseen_categories text NOT NULL DEFAULT 'missing'
        CHECK (unseen_categories OPERATOR(pg_catalog.=) ANY (ARRAY['missing', 'error', 'other'])),
    created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    created_by name NOT NULL
);
COMMENT ON TABLE mlops.model IS 'Private: one row per model; view mlops.models.';

CREATE SEQUENCE mlops.run_id_seq;
CREATE TABLE mlops.run (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.run_id_seq'::pg_catalog.regclass),
    model_id bigint,
    kind text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    metrics jsonb,
    record jsonb NOT NULL,
    created_by name NOT NULL,
    caller name NOT NULL,
    CHECK (finished_at OPERATOR(pg_catalog.>=) started_at)
);
CREATE INDEX run_model_id_idx ON mlops.run (model_id);
COMMENT ON TABLE mlops.run IS
    'Private: one row per training, with everything that made it in column record, and per run made elsewhere, which has no model; views mlops.runs and mlops.experiment_runs.';

CREATE SEQUENCE mlops.version_id_seq;
CREATE TABLE mlops.version (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.version_id_seq'::pg_catalog.regclass),
    model_id bigint NOT NULL,
    version integer NOT NULL CHECK (version OPERATOR(pg_catalog.>) 0),
    artifact mlops.artifact NOT NULL,
    artifact_sha256 bytea NOT NULL,
    info jsonb NOT NULL,
    signature jsonb NOT NULL,
    missing double precision CHECK (missing OPERATOR(pg_catalog.<>) 'NaN'),
    classes text[],
    metrics jsonb,
    calibration jsonb,
    source text NOT NULL
        CHECK (source OPERATOR(pg_catalog.=) ANY (ARRAY['train', 'import', 'calibrate'])),
    run_id bigint,
    description text,
    created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    created_by name NOT NULL,
    caller name NOT NULL,
    UNIQUE (model_id, version),
    CHECK (artifact_sha256 OPERATOR(pg_catalog.=) mlops.artifact_sha256(artifact)),
    CHECK ((source OPERATOR(pg_catalog.=) 'train') OPERATOR(pg_catalog.=) (run_id IS NOT NULL)),
    CHECK ((source OPERATOR(pg_catalog.=) 'calibrate') OPERATOR(pg_catalog.=) (calibration IS NOT NULL))
);
COMMENT ON TABLE mlops.version IS
    'Private: one immutable row per version of a model; views mlops.versions and mlops.describe().';

CREATE SEQUENCE mlops.threshold_id_seq;
CREATE TABLE mlops.threshold (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.threshold_id_seq'::pg_catalog.regclass),
    version_id bigint NOT NULL,
    threshold float8 NOT NULL,
    query text NOT NULL,
    label text NOT NULL,
    record jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    created_by name NOT NULL,
    caller name NOT NULL
);
CREATE INDEX threshold_version_id_idx ON mlops.threshold (version_id);
COMMENT ON TABLE mlops.threshold IS 'Private: thresholds that were chosen for versions, the last one counts; view mlops.thresholds.';

CREATE TABLE mlops.alias (
    model_id bigint NOT NULL,
    alias text NOT NULL
        CHECK (mlops._valid_name(alias) AND alias OPERATOR(pg_catalog.<>) 'latest'),
    version_id bigint NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    changed_by name NOT NULL,
    PRIMARY KEY (model_id, alias)
);
COMMENT ON TABLE mlops.alias IS 'Private: what each alias points to now; view mlops.aliases.';

CREATE SEQUENCE mlops.alias_change_id_seq;
CREATE TABLE mlops.alias_change (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.alias_change_id_seq'::pg_catalog.regclass),
    model_id bigint NOT NULL,
    alias text NOT NULL,
    action text NOT NULL
        CHECK (action OPERATOR(pg_catalog.=) ANY (ARRAY['promote', 'rollback', 'drop'])),
    version_id bigint,
    previous_version_id bigint,
    reason text NOT NULL CHECK (reason OPERATOR(pg_catalog.~) '[^[:space:]]'),
    change_ref text,
    undone_id bigint UNIQUE,
    changed_at timestamp with time zone NOT NULL,
    changed_by name NOT NULL,
    CHECK ((action OPERATOR(pg_catalog.=) 'drop') OPERATOR(pg_catalog.=) (version_id IS NULL)),
    CHECK ((action OPERATOR(pg_catalog.=) 'rollback') OPERATOR(pg_catalog.=) (undone_id IS NOT NULL)),
    CHECK (version_id IS NULL OR previous_version_id IS NULL
           OR version_id OPERATOR(pg_catalog.<>) previous_version_id)
);
CREATE INDEX alias_change_model_id_idx ON mlops.alias_change (model_id, alias, id);
COMMENT ON TABLE mlops.alias_change IS
    'Private: every change of an alias, and for a rollback the promotion that it undoes; view mlops.alias_history.';

-- model_id NULL is every model, role 0 is PUBLIC.  What counts is the OID of the
-- role, so that a new role with the name of a dropped one has none of its
-- rights.  A dump has the name, of which the trigger below makes an OID again.
CREATE TABLE mlops.privilege (
    model_id bigint,
    privilege text NOT NULL
        CHECK (privilege OPERATOR(pg_catalog.=) ANY (ARRAY['own', 'manage', 'approve', 'read', 'score'])),
    role oid NOT NULL,
    role_name name NOT NULL,
    granted_at timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    granted_by name NOT NULL,
    CONSTRAINT privilege_key UNIQUE NULLS NOT DISTINCT (model_id, privilege, role),
    CHECK (privilege OPERATOR(pg_catalog.<>) 'own'
           OR (model_id IS NOT NULL AND role OPERATOR(pg_catalog.<>) 0))
);
CREATE UNIQUE INDEX privilege_owner_idx ON mlops.privilege (model_id)
    WHERE privilege OPERATOR(pg_catalog.=) 'own';
COMMENT ON TABLE mlops.privilege IS
    'Private: who may do what with which model, the owner included; view mlops.privileges.';

SELECT pg_catalog.pg_extension_config_dump('mlops.model', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.model_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.run', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.run_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.version', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.version_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.threshold', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.threshold_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.alias', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.alias_change', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.alias_change_id_seq', '');
-- A grant to a role that was dropped or renamed is not dumped: its name could
-- be another role's where the dump is restored.
SELECT pg_catalog.pg_extension_config_dump('mlops.privilege',
    'WHERE role OPERATOR(pg_catalog.=) 0 OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) role AND r.rolname OPERATOR(pg_catalog.=) role_name)');

CREATE FUNCTION mlops._set_role() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.role := CASE WHEN NEW.role_name = 'public' THEN 0
                     ELSE (SELECT r.oid FROM pg_roles r WHERE r.rolname = NEW.role_name) END;
    IF NEW.role IS NULL THEN
        RAISE WARNING 'role "%" does not exist', NEW.role_name
            USING DETAIL = 'A privilege on a model is not restored.';
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION mlops._set_role() IS
    'Trigger function of mlops.privilege: the OID of a role from its name; leaves out the row of a role that does not exist.';
REVOKE ALL ON FUNCTION mlops._set_role() FROM PUBLIC;
CREATE TRIGGER set_role BEFORE INSERT ON mlops.privilege
    FOR EACH ROW EXECUTE FUNCTION mlops._set_role();
ALTER TABLE mlops.privilege ENABLE ALWAYS TRIGGER set_role;

REVOKE ALL ON mlops.model, mlops.run, mlops.version, mlops.threshold, mlops.alias, mlops.alias_change, mlops.privilege FROM PUBLIC;

-- What was recorded stays as it was recorded.  ALWAYS: also under
-- session_replication_role = replica.
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.run
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.version
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.threshold
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.alias_change
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.model
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.model ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.run ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.version ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.threshold ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.alias_change ENABLE ALWAYS TRIGGER refuse_change;

--
-- Privileges
--
CREATE FUNCTION mlops.has_privilege(model text, privilege text) RETURNS boolean
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_has_privilege_sql';
COMMENT ON FUNCTION mlops.has_privilege(text, text) IS
    'Whether the present role has a privilege (own, manage, approve, read, score, or any) on a model; false if there is no such model, error 22023 for another word.';

-- Ends with error 42501 unless the caller of the public function has it.
CREATE FUNCTION mlops._require(model text, privilege text) RETURNS void
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_require_sql';
COMMENT ON FUNCTION mlops._require(text, text) IS
    'Error 42501 unless the caller has a privilege on a model.';
REVOKE ALL ON FUNCTION mlops._require(text, text) FROM PUBLIC;

-- The id of the version that a reference means for the caller.
CREATE FUNCTION mlops._resolve(model mlops.modelref, privilege text) RETURNS bigint
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_resolve_sql';
COMMENT ON FUNCTION mlops._resolve(mlops.modelref, text) IS
    'Row of mlops.version that a reference means; errors ML001 to ML003 and 42501.';
REVOKE ALL ON FUNCTION mlops._resolve(mlops.modelref, text) FROM PUBLIC;

CREATE FUNCTION mlops._reference(version_id bigint) RETURNS mlops.modelref
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (m.name || '/' || v.version)::mlops.modelref
    FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id
    WHERE v.id = version_id
$$;
COMMENT ON FUNCTION mlops._reference(bigint) IS 'Reference to a version by the id of its row.';
REVOKE ALL ON FUNCTION mlops._reference(bigint) FROM PUBLIC;

-- A role by its exact name; "public" is everybody.
CREATE FUNCTION mlops._role(role text) RETURNS oid
    LANGUAGE plpgsql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_role oid;
BEGIN
    IF role = 'public' THEN
        RETURN 0;
    END IF;
    SELECT r.oid INTO found_role FROM pg_roles r WHERE r.rolname = role;
    IF found_role IS NULL THEN
        RAISE EXCEPTION 'role "%" does not exist', role USING ERRCODE = 'undefined_object';
    END IF;
    RETURN found_role;
END
$$;
COMMENT ON FUNCTION mlops._role(text) IS 'OID of a role by its exact name, 0 for public; error 42704.';
REVOKE ALL ON FUNCTION mlops._role(text) FROM PUBLIC;

CREATE FUNCTION mlops._change_privilege(give boolean, privilege text, model text, role text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target_model bigint;
    target_role oid;
    former jsonb;
    renamed jsonb;
    former_name text;
    changed bigint;
BEGIN
    IF privilege IS NULL OR privilege NOT IN ('manage', 'approve', 'read', 'score') THEN
        RAISE EXCEPTION 'unknown privilege "%"', privilege
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Privileges are manage, approve, read and score; mlops.set_owner() changes the owner.';
    END IF;
    IF role IS NULL THEN
        RAISE EXCEPTION 'no role was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF model IS NULL THEN
        IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = mlops._caller()) THEN
            RAISE EXCEPTION 'permission denied to change privileges on all models'
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'Only a superuser can; name a model that you own instead.';
        END IF;
    ELSE
        PERFORM mlops._require(model, 'own');
    END IF;
    -- Changes of one model's privileges follow one another, and see each
    -- other, so that each event has the state that all before it have left.
    -- The UPDATE fails in REPEATABLE READ after one that the snapshot is
    -- without; where there is no row to update, that level is refused.
    IF model IS NOT NULL THEN
        UPDATE mlops.model m SET last_version = m.last_version WHERE m.name = model
        RETURNING m.id INTO STRICT target_model;
    ELSIF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION 'privileges on all models cannot be changed in a % transaction',
                        upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'active_sql_transaction',
                  HINT = 'Use READ COMMITTED.';
    ELSE
        LOCK TABLE mlops.privilege IN SHARE UPDATE EXCLUSIVE MODE;
    END IF;

    -- What a role was given under an earlier name, it has under the present one.
    IF give THEN
        target_role := mlops._role(role);
    ELSE
        SELECT r.oid INTO target_role FROM pg_roles r WHERE r.rolname = role;
    END IF;
    FOR former_name IN
        SELECT DISTINCT p.role_name FROM mlops.privilege p
        WHERE p.model_id IS NOT DISTINCT FROM target_model AND p.privilege <> 'own'
          AND p.role = target_role AND p.role_name <> _change_privilege.role
    LOOP
        former := mlops._privilege_state(target_model, former_name);
        renamed := mlops._privilege_state(target_model, role);
        UPDATE mlops.privilege p SET role_name = _change_privilege.role
        WHERE p.model_id IS NOT DISTINCT FROM target_model AND p.privilege <> 'own'
          AND p.role = target_role AND p.role_name = former_name;
        PERFORM mlops._audit(action => 'privilege.rename', model => model, subject => former_name,
                             state_before => former,
                             state_after => mlops._privilege_state(target_model, former_name),
                             detail => jsonb_build_object('role', role));
        PERFORM mlops._audit(action => 'privilege.rename', model => model, subject => role,
                             state_before => renamed,
                             state_after => mlops._privilege_state(target_model, role),
                             detail => jsonb_build_object('former_role', former_name));
    END LOOP;

    former := mlops._privilege_state(target_model, role);
    IF give THEN
        -- what a dropped role of that name had does not come back
        DELETE FROM mlops.privilege p
        WHERE p.model_id IS NOT DISTINCT FROM target_model AND p.privilege <> 'own'
          AND p.role_name = _change_privilege.role AND p.role <> target_role;
        INSERT INTO mlops.privilege AS p (model_id, privilege, role_name, granted_by)
        VALUES (target_model, privilege, role, session_user)
        ON CONFLICT ON CONSTRAINT privilege_key DO NOTHING;
    ELSE
        -- by the present name of a role, or by the last one of a dropped role
        DELETE FROM mlops.privilege p
        WHERE p.model_id IS NOT DISTINCT FROM target_model
          AND p.privilege = _change_privilege.privilege
          AND CASE WHEN p.role = 0 THEN 'public'
                   ELSE coalesce((SELECT r.rolname FROM pg_roles r WHERE r.oid = p.role), p.role_name) END
              = _change_privilege.role;
    END IF;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed > 0 THEN
        PERFORM mlops._audit(action => CASE WHEN give THEN 'privilege.grant' ELSE 'privilege.revoke' END,
                             model => model, subject => role,
                             state_before => former,
                             state_after => mlops._privilege_state(target_model, role),
                             detail => jsonb_build_object('privilege', privilege));
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._change_privilege(boolean, text, text, text) IS
    'Body of mlops.grant_privilege() and mlops.revoke_privilege().';
REVOKE ALL ON FUNCTION mlops._change_privilege(boolean, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._grant_privilege(privilege text, model text, role text) RETURNS void
    LANGUAGE SQL SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT mlops._change_privilege(true, privilege, model, role) $$;
COMMENT ON FUNCTION mlops._grant_privilege(text, text, text) IS 'Body of mlops.grant_privilege().';
REVOKE ALL ON FUNCTION mlops._grant_privilege(text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.grant_privilege(privilege text, model text, role text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.grant_privilege(text, text, text) IS
    'Gives a role (or public) the privilege manage, approve, read or score on a model that the caller owns; NULL is every model, for superusers; errors 42501, 42704, ML001 and 22023.';
REVOKE ALL ON FUNCTION mlops.grant_privilege(text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._revoke_privilege(privilege text, model text, role text) RETURNS void
    LANGUAGE SQL SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT mlops._change_privilege(false, privilege, model, role) $$;
COMMENT ON FUNCTION mlops._revoke_privilege(text, text, text) IS 'Body of mlops.revoke_privilege().';
REVOKE ALL ON FUNCTION mlops._revoke_privilege(text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.revoke_privilege(privilege text, model text, role text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.revoke_privilege(text, text, text) IS
    'Takes back what mlops.grant_privilege() gave, with effect from the next statement of every session; errors 42501, 42704, ML001 and 22023.';
REVOKE ALL ON FUNCTION mlops.revoke_privilege(text, text, text) FROM PUBLIC;

--
-- Models
--
CREATE FUNCTION mlops._create_model(name text, task text, description text, owner text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner_role oid := mlops._role(coalesce(owner, mlops._caller()));
    new_id bigint;
BEGIN
    IF name IS NULL OR task IS NULL THEN
        RAISE EXCEPTION 'a model needs a name and a task'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF task NOT IN ('regression', 'binary', 'multiclass', 'ranking') THEN
        RAISE EXCEPTION 'unknown task "%"', task
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Tasks are regression, binary, multiclass and ranking.';
    END IF;
    IF NOT mlops._valid_name(name) THEN
        RAISE EXCEPTION 'invalid model name: "%"', name
            USING ERRCODE = 'invalid_name',
                  DETAIL = 'It is a reference to a version or an alias of a model.';
    END IF;
    IF owner_role = 0 OR NOT pg_has_role(mlops._caller(), owner_role, 'MEMBER') THEN
        RAISE EXCEPTION 'permission denied to create a model that role "%" owns', owner
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'The owner of a model is a role that its creator is a member of.';
    END IF;

    INSERT INTO mlops.model (name, task, description, created_by)
    VALUES (name, task, description, session_user)
    ON CONFLICT DO NOTHING
    RETURNING id INTO new_id;
    IF new_id IS NULL THEN
        RAISE EXCEPTION 'model "%" already exists', name USING ERRCODE = 'duplicate_object';
    END IF;
    INSERT INTO mlops.privilege (model_id, privilege, role_name, granted_by)
    VALUES (new_id, 'own', pg_get_userbyid(owner_role), session_user);
    PERFORM mlops._audit(action => 'model.create', model => name,
                         state_after => mlops._model_state(new_id));
END
$$;
COMMENT ON FUNCTION mlops._create_model(text, text, text, text) IS 'Body of mlops.create_model().';
REVOKE ALL ON FUNCTION mlops._create_model(text, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.create_model(name text, task text, description text DEFAULT NULL, owner text DEFAULT NULL)
    RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.create_model(text, text, text, text) IS
    'Creates a model for a task (regression, binary, multiclass, ranking), owned by the caller or by a role that the caller is a member of; errors 42710, 42501, 22023, 42602 and 22P02.';
REVOKE ALL ON FUNCTION mlops.create_model(text, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._set_owner(model text, role text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner_role oid := mlops._role(role);
    owned bigint;
    former jsonb;
BEGIN
    PERFORM mlops._require(model, 'own');
    IF owner_role IS NULL OR owner_role = 0
       OR NOT pg_has_role(mlops._caller(), owner_role, 'MEMBER') THEN
        RAISE EXCEPTION 'permission denied to make role "%" the owner of a model', role
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'The new owner is a role that you are a member of.';
    END IF;
    SELECT m.id INTO STRICT owned FROM mlops.model m WHERE m.name = model FOR NO KEY UPDATE;
    -- There is none after a restore, if the role was dropped before the dump.
    former := mlops._model_state(owned);
    DELETE FROM mlops.privilege p WHERE p.model_id = owned AND p.privilege = 'own';
    INSERT INTO mlops.privilege (model_id, privilege, role_name, granted_by)
    VALUES (owned, 'own', role, session_user);
    PERFORM mlops._audit(action => 'model.owner', model => model,
                         state_before => former,
                         state_after => mlops._model_state(owned));
END
$$;
COMMENT ON FUNCTION mlops._set_owner(text, text) IS 'Body of mlops.set_owner().';
REVOKE ALL ON FUNCTION mlops._set_owner(text, text) FROM PUBLIC;

CREATE FUNCTION mlops.set_owner(model text, role text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.set_owner(text, text) IS
    'Makes a role that the caller is a member of the owner of a model that the caller owns; errors 42501, 42704 and ML001.';
REVOKE ALL ON FUNCTION mlops.set_owner(text, text) FROM PUBLIC;

-- A policy that is NULL stays as it is.
CREATE FUNCTION mlops._set_scoring_policy(model text, missing_columns text, unseen_categories text, reason text)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target_model bigint := mlops._lock_model(model);
    old_columns text;
    old_categories text;
    new_columns text;
    new_categories text;
    former jsonb := mlops._model_state(target_model);
BEGIN
    PERFORM mlops._check_reason(reason);
    IF missing_columns NOT IN ('error', 'null') THEN
        RAISE EXCEPTION 'unknown policy for missing columns: "%"', missing_columns
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Policies are error and null.';
    END IF;
    IF unseen_categories NOT IN ('missing', 'error', 'other') THEN
        RAISE EXCEPTION 'unknown policy for unseen categories: "%"', unseen_categories
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Policies are missing, error and other.';
    END IF;
    SELECT m.missing_columns, m.unseen_categories INTO STRICT old_columns, old_categories
    FROM mlops.model m WHERE m.id = target_model;
    new_columns := coalesce(missing_columns, old_columns);
    new_categories := coalesce(unseen_categories, old_categories);
    IF new_columns = old_columns AND new_categories = old_categories THEN
        RETURN;
    END IF;

    UPDATE mlops.model m
    SET missing_columns = new_columns, unseen_categories = new_categories
    WHERE m.id = target_model;
    PERFORM mlops._audit(action => 'model.scoring_policy', model => model, reason => reason,
                         state_before => former,
                         state_after => mlops._model_state(target_model));
    PERFORM mlops._sweep_requests(target_model);
END
$$;
COMMENT ON FUNCTION mlops._set_scoring_policy(text, text, text, text) IS 'Body of mlops.set_scoring_policy().';
REVOKE ALL ON FUNCTION mlops._set_scoring_policy(text, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.set_scoring_policy(model text, missing_columns text DEFAULT NULL,
                                         unseen_categories text DEFAULT NULL, reason text DEFAULT NULL)
    RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.set_scoring_policy(text, text, text, text) IS
    'Sets what becomes of a feature that a row has no column for (error, or null: it is NULL) and of a category that a model did not see in training (missing: it is a missing value; error; or other: it is a category that no split names), for every session from its next statement after the commit; NULL leaves a policy as it is; the reason is mandatory; needs privilege manage; errors 42501, 22004, 22023 and ML001.';
REVOKE ALL ON FUNCTION mlops.set_scoring_policy(text, text, text, text) FROM PUBLIC;

--
-- Versions
--

CREATE FUNCTION mlops._threshold_of(version_id bigint) RETURNS mlops.threshold
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT t.* FROM mlops.threshold t WHERE t.version_id = _threshold_of.version_id ORDER BY t.id DESC LIMIT 1
$$;
COMMENT ON FUNCTION mlops._threshold_of(bigint) IS 'The threshold of a version, the last that was chosen; NULL if none was.';
REVOKE ALL ON FUNCTION mlops._threshold_of(bigint) FROM PUBLIC;

-- Called before work that ends in a new version, so that it fails before it
-- costs anything; _register_version() asks again.
CREATE FUNCTION mlops._check_register(model text, task text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    model_task text;
BEGIN
    PERFORM mlops._caller();
    SELECT m.task INTO model_task FROM mlops.model m WHERE m.name = model;
    IF NOT FOUND THEN
        IF NOT mlops._valid_name(model) THEN
            RAISE EXCEPTION 'invalid model name: "%"', model
                USING ERRCODE = 'invalid_name',
                      DETAIL = 'It is a reference to a version or an alias of a model.';
        END IF;
        RETURN;
    END IF;
    PERFORM mlops._require(model, 'manage');
    IF model_task <> task THEN
        RAISE EXCEPTION 'model "%" is for the task %, not %', model, model_task, task
            USING ERRCODE = 'ML021',
                  HINT = 'All versions of a model have one task: give this one to a model with another name.';
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._check_register(text, text) IS
    'Error unless the caller may add a version with this task to a model that exists or not.';
REVOKE ALL ON FUNCTION mlops._check_register(text, text) FROM PUBLIC;

CREATE FUNCTION mlops._add_version(model text, task text, artifact mlops.artifact, signature jsonb,
                                   classes text[], metrics jsonb, source text, description text,
                                   run jsonb, missing double precision, calibration jsonb) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint;
    new_version integer;
    new_run bigint;
    new_id bigint;
BEGIN
    PERFORM mlops._check_register(model, task);
    IF NOT EXISTS (SELECT FROM mlops.model m WHERE m.name = model) THEN
        BEGIN
            PERFORM mlops._create_model(model, task, NULL, NULL);
        EXCEPTION WHEN duplicate_object THEN
            -- another session made it in the meantime
            PERFORM mlops._check_register(model, task);
        END;
    END IF;

    -- The row's lock makes versions of one model be numbered one at a time.
    UPDATE mlops.model m SET last_version = m.last_version + 1
    WHERE m.name = model
    RETURNING m.id, m.last_version INTO STRICT target, new_version;

    IF run IS NOT NULL THEN
        INSERT INTO mlops.run (model_id, kind, started_at, finished_at, metrics, record, created_by, caller)
        VALUES (target, run->>'kind', (run->>'started_at')::timestamptz,
                (run->>'finished_at')::timestamptz, metrics,
                run - '{kind,started_at,finished_at}'::text[],
                session_user, mlops._caller())
        RETURNING id INTO new_run;
        PERFORM mlops._join_experiment(new_run);
    END IF;

    INSERT INTO mlops.version (model_id, version, artifact, artifact_sha256, info, signature, missing, classes,
                               metrics, calibration, source, run_id, description, created_by, caller)
    VALUES (target, new_version, artifact, mlops.artifact_sha256(artifact),
            mlops.artifact_info(artifact) - 'features', mlops._check_signature(signature, artifact), missing, classes,
            metrics, calibration, source, new_run, description, session_user, mlops._caller())
    RETURNING id INTO new_id;
    INSERT INTO mlops.golden_row (version_id, number, features, margins, score)
    SELECT new_id, g.number, g.features, g.margins, mlops._calibrated(calibration, g.margins[1])
    FROM mlops._golden_rows(artifact) g;

    PERFORM mlops._note_identity();
    PERFORM mlops._audit(action => 'version.register', model => model, version => new_version,
                         artifact_sha256 => mlops.artifact_sha256(artifact),
                         state_after => mlops._version_state(new_id),
                         relied_on => CASE WHEN new_run IS NOT NULL
                                           THEN jsonb_build_array(jsonb_build_object('run', new_run))
                                           WHEN calibration IS NOT NULL
                                           THEN jsonb_build_array(jsonb_build_object('version', calibration->'version')) END,
                         signature_sha256 => (SELECT sha256(convert_to(v.signature::text, 'UTF8'))
                                              FROM mlops.version v WHERE v.id = new_id),
                         library_version => (SELECT concat_ws(' ', v.info->>'library', v.info->>'library_version')
                                             FROM mlops.version v WHERE v.id = new_id));
    RETURN new_version;
END
$$;
COMMENT ON FUNCTION mlops._add_version(text, text, mlops.artifact, jsonb, text[], jsonb, text, text, jsonb, double precision, jsonb) IS
    'Adds a version to a model, which it creates if it is absent, and its run; returns the number of the version.';
REVOKE ALL ON FUNCTION mlops._add_version(text, text, mlops.artifact, jsonb, text[], jsonb, text, text, jsonb, double precision, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._register_version(model text, task text, artifact mlops.artifact, signature jsonb,
                                        classes text[], metrics jsonb, source text, description text,
                                        run jsonb, missing double precision) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN mlops._add_version(model, task, artifact, signature, classes, metrics, source, description, run, missing, NULL);
END
$$;
COMMENT ON FUNCTION mlops._register_version(text, text, mlops.artifact, jsonb, text[], jsonb, text, text, jsonb, double precision) IS
    'The same for a version without a calibration.';
REVOKE ALL ON FUNCTION mlops._register_version(text, text, mlops.artifact, jsonb, text[], jsonb, text, text, jsonb, double precision) FROM PUBLIC;

-- The signature in its canonical form; an error if it does not fit the file.
CREATE FUNCTION mlops._check_signature(signature jsonb, artifact mlops.artifact) RETURNS jsonb
    LANGUAGE C IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_check_signature';
COMMENT ON FUNCTION mlops._check_signature(jsonb, mlops.artifact) IS
    'Signature of an artifact: the given one, checked, or that which the file itself has.';
REVOKE ALL ON FUNCTION mlops._check_signature(jsonb, mlops.artifact) FROM PUBLIC;

CREATE FUNCTION mlops._import_model(model text, artifact mlops.artifact, signature jsonb, classes text[],
                                    metrics jsonb, description text, missing double precision)
    RETURNS mlops.modelref
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    info jsonb := mlops.artifact_info(artifact);
    expected integer;
BEGIN
    IF model IS NULL OR artifact IS NULL THEN
        RAISE EXCEPTION 'an import needs the name of a model and an artifact'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF classes IS NOT NULL THEN
        expected := CASE info->>'task' WHEN 'binary' THEN 2
                                       WHEN 'multiclass' THEN (info->>'groups')::integer END;
        IF expected IS NULL OR array_ndims(classes) <> 1 OR cardinality(classes) <> expected OR array_position(classes, NULL) IS NOT NULL
           OR (SELECT count(DISTINCT c) FROM unnest(classes) c) <> expected THEN
            RAISE EXCEPTION 'classes do not fit the model file'
                USING ERRCODE = 'invalid_parameter_value',
                      DETAIL = coalesce(format('A %s model of %s classes needs as many different names, in the order of their numbers.',
                                               info->>'task', expected),
                                        format('A model for %s has no classes.', info->>'task'));
        END IF;
    END IF;
    IF jsonb_typeof(metrics) <> 'object' THEN
        RAISE EXCEPTION 'metrics must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN (model || '/' || mlops._register_version(model, info->>'task', artifact, signature,
                                                    (SELECT array_agg(c ORDER BY n)
                                                     FROM unnest(classes) WITH ORDINALITY u (c, n)),
                                                    metrics, 'import', description, NULL,
                                                    nullif(missing, 'NaN')))::mlops.modelref;
END
$$;
COMMENT ON FUNCTION mlops._import_model(text, mlops.artifact, jsonb, text[], jsonb, text, double precision) IS
    'Body of mlops.import_model().';
REVOKE ALL ON FUNCTION mlops._import_model(text, mlops.artifact, jsonb, text[], jsonb, text, double precision) FROM PUBLIC;

CREATE FUNCTION mlops.import_model(model text, artifact mlops.artifact, signature jsonb DEFAULT NULL,
                                   classes text[] DEFAULT NULL, metrics jsonb DEFAULT NULL,
                                   description text DEFAULT NULL, missing double precision DEFAULT NULL)
    RETURNS mlops.modelref
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.import_model(text, mlops.artifact, jsonb, text[], jsonb, text, double precision) IS
    'Adds a model file that was trained elsewhere as a new version and returns the reference to it; the signature (an array of {"name", "kind", "categories"}) is taken from the file where that has names; a value equal to missing, such as -999, is a missing value, as NULL and NaN always are; errors ML010, ML011, ML021, 42501 and 22023.';
REVOKE ALL ON FUNCTION mlops.import_model(text, mlops.artifact, jsonb, text[], jsonb, text, double precision) FROM PUBLIC;

-- Detoasts a file once, checks it against its hash, and writes it anew if asked.
CREATE FUNCTION mlops._export_artifact(artifact mlops.artifact, sha256 bytea, format text) RETURNS bytea
    LANGUAGE C STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_export_artifact';
COMMENT ON FUNCTION mlops._export_artifact(mlops.artifact, bytea, text) IS
    'Bytes of a model file in a format, after a check of its hash.';
REVOKE ALL ON FUNCTION mlops._export_artifact(mlops.artifact, bytea, text) FROM PUBLIC;

CREATE FUNCTION mlops._export_model(model mlops.modelref, format text) RETURNS bytea
    LANGUAGE SQL STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops._export_artifact(v.artifact, v.artifact_sha256, format)
    FROM mlops.version v WHERE v.id = mlops._resolve(model, 'read')
$$;
COMMENT ON FUNCTION mlops._export_model(mlops.modelref, text) IS 'Body of mlops.export_model().';
REVOKE ALL ON FUNCTION mlops._export_model(mlops.modelref, text) FROM PUBLIC;

CREATE FUNCTION mlops.export_model(model mlops.modelref, format text DEFAULT 'original') RETURNS bytea
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.export_model(mlops.modelref, text) IS
    'Bytes of a version''s model file: original is as they were given, with the sha256 that mlops.versions shows; json is XGBoost''s JSON in UTF-8 of any XGBoost model, which gives the same scores to the last bit; needs privilege read; errors ML001 to ML003, ML012, 0A000, 22023, 42501 and 54000.';

CREATE FUNCTION mlops._describe(model mlops.modelref) RETURNS jsonb
    LANGUAGE SQL STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object(
               'model', m.name,
               'version', v.version,
               'task', m.task,
               'description', coalesce(v.description, m.description),
               'owner', (SELECT pg_get_userbyid(p.role) FROM mlops.privilege p
                         WHERE p.model_id = m.id AND p.privilege = 'own'),
               'aliases', (SELECT coalesce(jsonb_agg(a.alias ORDER BY a.alias), '[]') FROM mlops.alias a
                           WHERE a.version_id = v.id),
               'artifact', v.info || jsonb_build_object('sha256', encode(v.artifact_sha256, 'hex')),
               'classes', v.classes,
               'features', v.signature,
               'missing', v.missing,
               'scoring_policy', jsonb_build_object('missing_columns', m.missing_columns,
                                                    'unseen_categories', m.unseen_categories),
               'metrics', v.metrics,
               'calibration', v.calibration - '{margins,values}'::text[],
               'threshold', (SELECT t.threshold FROM mlops._threshold_of(v.id) t),
               'source', v.source,
               'run', (SELECT jsonb_build_object('id', r.id, 'kind', r.kind, 'started_at', r.started_at,
                                                 'finished_at', r.finished_at) || (r.record - 'hold_out')
                       FROM mlops.run r WHERE r.id = v.run_id),
               'created_at', v.created_at,
               'created_by', v.created_by)
    FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id
    WHERE v.id = mlops._resolve(model, 'read')
$$;
COMMENT ON FUNCTION mlops._describe(mlops.modelref) IS 'Body of mlops.describe().';
REVOKE ALL ON FUNCTION mlops._describe(mlops.modelref) FROM PUBLIC;

CREATE FUNCTION mlops.describe(model mlops.modelref) RETURNS jsonb
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.describe(mlops.modelref) IS
    'All that is known of a version: task, owner, aliases, artifact, classes, features, the number that stands for a missing value, the policy of the model, metrics, and the run that made it; needs privilege read; errors ML001 to ML003 and 42501.';

--
-- Views: public, and every one shows what the viewer may see
--
CREATE VIEW mlops.models WITH (security_barrier) AS
    SELECT m.name AS model,
           m.task,
           m.description,
           pg_catalog.pg_get_userbyid(o.role) AS owner,
           m.last_version AS versions,
           c.version AS champion,
           m.missing_columns,
           m.unseen_categories,
           m.created_at,
           m.created_by
    FROM mlops.model m
    LEFT JOIN mlops.privilege o
        ON o.model_id OPERATOR(pg_catalog.=) m.id AND o.privilege OPERATOR(pg_catalog.=) 'own'
    LEFT JOIN mlops.alias a
        ON a.model_id OPERATOR(pg_catalog.=) m.id AND a.alias OPERATOR(pg_catalog.=) 'champion'
    LEFT JOIN mlops.version c ON c.id OPERATOR(pg_catalog.=) a.version_id
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.models IS
    'Models on which the viewer has any privilege: task, owner, number of versions, version of the champion, policies for missing columns and unseen categories.';

CREATE VIEW mlops.versions WITH (security_barrier) AS
    SELECT m.name AS model,
           v.version,
           ARRAY(SELECT a.alias FROM mlops.alias a
                 WHERE a.version_id OPERATOR(pg_catalog.=) v.id ORDER BY a.alias) AS aliases,
           m.task,
           v.info OPERATOR(pg_catalog.->>) 'objective' AS objective,
           pg_catalog.jsonb_array_length(v.signature) AS features,
           (v.info OPERATOR(pg_catalog.->>) 'trees')::integer AS trees,
           (v.info OPERATOR(pg_catalog.->>) 'depth')::integer AS depth,
           v.classes,
           v.missing,
           v.metrics,
           v.source,
           v.run_id AS run,
           v.info OPERATOR(pg_catalog.->>) 'format' AS format,
           (v.info OPERATOR(pg_catalog.->>) 'bytes')::bigint AS bytes,
           pg_catalog.encode(v.artifact_sha256, 'hex') AS sha256,
           v.description,
           v.created_at,
           v.created_by,
           v.calibration OPERATOR(pg_catalog.->>) 'method' AS calibration,
           (v.calibration OPERATOR(pg_catalog.->>) 'version')::integer AS calibration_of
    FROM mlops.version v JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) v.model_id
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.versions IS
    'Versions of models on which the viewer has any privilege: aliases, the number that stands for a missing value, metrics, size in bytes, sha256 of the model file, method of calibration and the version whose margins it calibrates.';

CREATE VIEW mlops.aliases WITH (security_barrier) AS
    SELECT m.name AS model, a.alias, v.version, a.changed_at, a.changed_by
    FROM mlops.alias a
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) a.model_id
    JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) a.version_id
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.aliases IS 'What each alias points to now, of models on which the viewer has any privilege.';

CREATE VIEW mlops.alias_history WITH (security_barrier) AS
    SELECT c.id,
           m.name AS model,
           c.alias,
           c.action,
           p.version AS previous_version,
           v.version,
           c.reason,
           c.change_ref,
           c.changed_at,
           c.changed_by
    FROM mlops.alias_change c
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) c.model_id
    LEFT JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) c.version_id
    LEFT JOIN mlops.version p ON p.id OPERATOR(pg_catalog.=) c.previous_version_id
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.alias_history IS
    'Every change of an alias, with its reason and change number, of models on which the viewer has any privilege.';

CREATE VIEW mlops.runs WITH (security_barrier) AS
    SELECT r.id,
           m.name AS model,
           v.version,
           r.kind,
           r.record OPERATOR(pg_catalog.->>) 'query' AS query,
           r.record OPERATOR(pg_catalog.->>) 'label' AS label,
           r.record OPERATOR(pg_catalog.->) 'params' AS params,
           (r.record OPERATOR(pg_catalog.->>) 'seed')::bigint AS seed,
           r.record OPERATOR(pg_catalog.->) 'rows' AS rows,
           r.metrics,
           r.started_at,
           r.finished_at,
           r.record,
           r.created_by
    FROM mlops.run r
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) r.model_id
    LEFT JOIN mlops.version v ON v.run_id OPERATOR(pg_catalog.=) r.id
    WHERE mlops.has_privilege(m.name, 'read');
COMMENT ON VIEW mlops.runs IS
    'Trainings of models on which the viewer has privilege read: query, parameters, seed, row counts, metrics, and all else in record.';

CREATE VIEW mlops.privileges WITH (security_barrier) AS
    SELECT m.name AS model,
           p.privilege,
           CASE WHEN p.role OPERATOR(pg_catalog.=) 0 THEN 'public'
                ELSE pg_catalog.pg_get_userbyid(p.role) END AS role,
           p.granted_at,
           p.granted_by
    FROM mlops.privilege p
    LEFT JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) p.model_id
    WHERE m.id IS NULL OR mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.privileges IS
    'Who may do what with which model, of models on which the viewer has any privilege; a model of NULL is every model.';

GRANT SELECT ON mlops.models, mlops.versions, mlops.aliases, mlops.alias_history, mlops.runs, mlops.privileges TO PUBLIC;
