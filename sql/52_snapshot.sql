-- file: sql/52_snapshot.sql
-- Snapshots: which rows a query gave, and copies of them.
--
-- Rows of mlops.snapshot are never changed; they go by mlops.drop_snapshot()
-- alone, and not while a run needs them.  A copy is a table _snapshot_N of
-- schema mlops_data, which nobody but the owner of the extension can read,
-- behind a view snapshot_N, which everybody may ask and which refuses whoever
-- may not see the snapshot.  Neither belongs to the extension, so that a dump
-- has them as any table; the schema does, and nobody else may create in it.

CREATE SCHEMA mlops_data;
COMMENT ON SCHEMA mlops_data IS 'Copies of snapshots, which mlops.snapshot() makes.';
REVOKE ALL ON SCHEMA mlops_data FROM PUBLIC;
GRANT USAGE ON SCHEMA mlops_data TO PUBLIC;

CREATE FUNCTION mlops._content_add(state internal, "row" record) RETURNS internal
    LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_content_transition';
CREATE FUNCTION mlops._content_add(state internal, "row" record, label text) RETURNS internal
    LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_content_transition';
CREATE FUNCTION mlops._content_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_content_combine';
CREATE FUNCTION mlops._content_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_content_serialize';
CREATE FUNCTION mlops._content_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_content_deserialize';
CREATE FUNCTION mlops._content_hash(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_content_hash';
CREATE FUNCTION mlops._content_final(state internal) RETURNS jsonb
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_content_final';

CREATE AGGREGATE mlops.content_hash("row" record) (
    SFUNC = mlops._content_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._content_combine, SERIALFUNC = mlops._content_serialize, DESERIALFUNC = mlops._content_deserialize,
    FINALFUNC = mlops._content_hash, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.content_hash(record) IS
    'Hash of rows, 32 bytes, that depends on the names, types and values of their columns and not on any order, plan or setting; NULL without rows; error 42804 for a type without a canonical form.';

CREATE AGGREGATE mlops._content("row" record, label text) (
    SFUNC = mlops._content_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._content_combine, SERIALFUNC = mlops._content_serialize, DESERIALFUNC = mlops._content_deserialize,
    FINALFUNC = mlops._content_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops._content(record, text) IS
    'What a snapshot records of rows: hash, rows, and the classes of a label.';

--
-- Tables
--
CREATE TABLE mlops.snapshot_name (
    name text PRIMARY KEY CHECK (mlops._valid_name(name)),
    last_version integer NOT NULL DEFAULT 0 CHECK (last_version OPERATOR(pg_catalog.>=) 0),
    role oid,
    role_name name NOT NULL
);
COMMENT ON TABLE mlops.snapshot_name IS
    'Private: one row per name of snapshots, with the role that owns it and the last number given.';

CREATE SEQUENCE mlops.snapshot_id_seq;
CREATE TABLE mlops.snapshot (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    version integer NOT NULL CHECK (version OPERATOR(pg_catalog.>) 0),
    query text NOT NULL,
    search_path text NOT NULL,
    key text,
    label text,
    copied boolean NOT NULL,
    columns jsonb NOT NULL,
    relations text[] NOT NULL,
    checked_relations text[] NOT NULL,
    row_count bigint NOT NULL CHECK (row_count OPERATOR(pg_catalog.>=) 0),
    content_hash bytea NOT NULL CHECK (pg_catalog.octet_length(content_hash) OPERATOR(pg_catalog.=) 32),
    classes jsonb,
    tags jsonb NOT NULL CHECK (pg_catalog.jsonb_typeof(tags) OPERATOR(pg_catalog.=) 'object'),
    description text,
    created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    created_by name NOT NULL,
    caller name NOT NULL,
    UNIQUE (name, version)
);
COMMENT ON TABLE mlops.snapshot IS 'Private: one immutable row per snapshot; view mlops.snapshots.';

SELECT pg_catalog.pg_extension_config_dump('mlops.snapshot_name', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.snapshot', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.snapshot_id_seq', '');

-- What counts is the OID, as for mlops.privilege; a dump has the name.
CREATE FUNCTION mlops._set_snapshot_role() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.role := (SELECT r.oid FROM pg_roles r WHERE r.rolname = NEW.role_name);
    IF NEW.role IS NULL THEN
        RAISE WARNING 'role "%" does not exist', NEW.role_name
            USING DETAIL = format('Snapshots "%s" can be seen by superusers only.', NEW.name);
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION mlops._set_snapshot_role() IS
    'Trigger function of mlops.snapshot_name: the OID of a role from its name.';
REVOKE ALL ON FUNCTION mlops._set_snapshot_role() FROM PUBLIC;
CREATE TRIGGER set_role BEFORE INSERT ON mlops.snapshot_name
    FOR EACH ROW EXECUTE FUNCTION mlops._set_snapshot_role();
ALTER TABLE mlops.snapshot_name ENABLE ALWAYS TRIGGER set_role;

REVOKE ALL ON mlops.snapshot_name, mlops.snapshot FROM PUBLIC;

CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON mlops.snapshot
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.snapshot_name
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.snapshot ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.snapshot_name ENABLE ALWAYS TRIGGER refuse_change;

--
-- Rights
--
CREATE FUNCTION mlops._snapshot_readable(id bigint) RETURNS boolean
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_snapshot_readable';
COMMENT ON FUNCTION mlops._snapshot_readable(bigint) IS
    'Whether the present role may see a snapshot: a member of the role that made it, with SELECT on what it read.';

CREATE FUNCTION mlops._check_snapshot(id bigint) RETURNS boolean
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_check_snapshot';
COMMENT ON FUNCTION mlops._check_snapshot(bigint) IS
    'True, or error 42501 unless the present role may see a snapshot; it stands in the views of copies.';

-- The same for the caller of a public function; it runs as the owner.
CREATE FUNCTION mlops._snapshot_readable_by(id bigint, role name) RETURNS boolean
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_snapshot_readable_by';
COMMENT ON FUNCTION mlops._snapshot_readable_by(bigint, name) IS 'Whether a role may see a snapshot.';
REVOKE ALL ON FUNCTION mlops._snapshot_readable_by(bigint, name) FROM PUBLIC;

-- A snapshot that the caller may see, by "name/3", or by "name", which is the
-- last one.  To others it does not exist: names tell something too.
CREATE FUNCTION mlops._find_snapshot(snapshot text) RETURNS mlops.snapshot
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parts text[] := regexp_match(snapshot, '^(.*?)(?:/([1-9][0-9]{0,8}))?$');
    viewer name := mlops._caller();
    target mlops.snapshot;
BEGIN
    SELECT s.* INTO target FROM mlops.snapshot s
    WHERE s.name = parts[1] AND (parts[2] IS NULL OR s.version = parts[2]::integer)
      AND mlops._snapshot_readable_by(s.id, viewer)
    ORDER BY s.version DESC LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'snapshot "%" does not exist', snapshot
            USING ERRCODE = 'ML070',
                  HINT = 'View mlops.snapshots lists those that you may see; a reference is "name/version", or "name" for the last one.';
    END IF;
    RETURN target;
END
$$;
COMMENT ON FUNCTION mlops._find_snapshot(text) IS 'Row of a snapshot that the caller may see; error ML070.';
REVOKE ALL ON FUNCTION mlops._find_snapshot(text) FROM PUBLIC;

--
-- Making one: parts that mlops.snapshot() calls, in this order
--
CREATE FUNCTION mlops._require_snapshot_name(name text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner oid;
BEGIN
    SELECT n.role INTO owner FROM mlops.snapshot_name n WHERE n.name = _require_snapshot_name.name;
    IF FOUND AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = mlops._caller())
       AND NOT coalesce(pg_has_role(mlops._caller(), owner, 'USAGE'), false) THEN
        RAISE EXCEPTION 'permission denied for snapshots "%"', name
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'The name belongs to the role that used it first: take another one.';
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._require_snapshot_name(text) IS
    'Error 42501 if a name of snapshots belongs to a role of which the caller is no member.';
REVOKE ALL ON FUNCTION mlops._require_snapshot_name(text) FROM PUBLIC;

CREATE FUNCTION mlops._begin_snapshot(name text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM mlops._caller();
    IF NOT mlops._valid_name(name) THEN
        RAISE EXCEPTION 'invalid name of a snapshot: "%"', name
            USING ERRCODE = 'invalid_name',
                  DETAIL = 'A name has no version: mlops.snapshot() numbers them.';
    END IF;
    PERFORM mlops._require_snapshot_name(name);
    RETURN nextval('mlops.snapshot_id_seq');
END
$$;
COMMENT ON FUNCTION mlops._begin_snapshot(text) IS
    'Number for a new snapshot, if the caller may add one under this name.';
REVOKE ALL ON FUNCTION mlops._begin_snapshot(text) FROM PUBLIC;

-- What default privileges gave to others is taken back: the copy is nobody's.
CREATE FUNCTION mlops._create_copy(id bigint, columns jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    grantee oid;
BEGIN
    PERFORM mlops._caller();
    EXECUTE format('CREATE TABLE mlops_data.%I (%s)', '_snapshot_' || id,
                   (SELECT string_agg(format('%I %s', c.value->>'name', c.value->>'type'), ', ' ORDER BY c.ordinality)
                    FROM jsonb_array_elements(columns) WITH ORDINALITY c));
    FOR grantee IN
        SELECT DISTINCT a.grantee FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = format('mlops_data.%I', '_snapshot_' || id)::regclass AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON mlops_data.%I FROM %s', '_snapshot_' || id,
                       CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END);
    END LOOP;
END
$$;
COMMENT ON FUNCTION mlops._create_copy(bigint, jsonb) IS 'Makes the table for the copy of a snapshot.';
REVOKE ALL ON FUNCTION mlops._create_copy(bigint, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._register_snapshot(id bigint, name text, query text, search_path text, key text, label text,
                                         copied boolean, columns jsonb, relations jsonb, checked jsonb,
                                         content jsonb, tags jsonb, description text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_version integer;
BEGIN
    IF jsonb_typeof(tags) <> 'object' THEN
        RAISE EXCEPTION 'tags must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM mlops._require_snapshot_name(name);
    INSERT INTO mlops.snapshot_name AS n (name, role_name) VALUES (name, mlops._caller())
    ON CONFLICT ON CONSTRAINT snapshot_name_pkey DO NOTHING;
    -- another session can have used the name first in the meantime
    PERFORM mlops._require_snapshot_name(name);
    -- The row's lock makes snapshots of one name be numbered one at a time.
    UPDATE mlops.snapshot_name n SET last_version = n.last_version + 1
    WHERE n.name = _register_snapshot.name
    RETURNING n.last_version INTO STRICT new_version;

    INSERT INTO mlops.snapshot (id, name, version, query, search_path, key, label, copied, columns, relations,
                                checked_relations, row_count, content_hash, classes, tags, description,
                                created_by, caller)
    VALUES (id, name, new_version, query, search_path, key, label, copied, columns,
            ARRAY(SELECT jsonb_array_elements_text(relations)), ARRAY(SELECT jsonb_array_elements_text(checked)),
            (content->>'rows')::bigint, decode(content->>'hash', 'hex'), nullif(content->'classes', 'null'),
            tags, description, session_user, mlops._caller());
    IF copied THEN
        EXECUTE format('CREATE VIEW mlops_data.%I WITH (security_barrier) AS SELECT * FROM mlops_data.%I WHERE mlops._check_snapshot(%s)',
                       'snapshot_' || id, '_snapshot_' || id, id);
        EXECUTE format('GRANT SELECT ON mlops_data.%I TO PUBLIC', 'snapshot_' || id);
    END IF;
    PERFORM mlops._audit(action => 'snapshot.create', subject => name || '/' || new_version,
                         state_after => content - 'classes' || jsonb_build_object('query', query, 'relations', relations, 'copied', copied));
    RETURN name || '/' || new_version;
END
$$;
COMMENT ON FUNCTION mlops._register_snapshot(bigint, text, text, text, text, text, boolean, jsonb, jsonb, jsonb, jsonb, jsonb, text) IS
    'Writes the record of a snapshot that was read; returns the reference to it.';
REVOKE ALL ON FUNCTION mlops._register_snapshot(bigint, text, text, text, text, text, boolean, jsonb, jsonb, jsonb, jsonb, jsonb, text) FROM PUBLIC;

CREATE FUNCTION mlops.snapshot(name text, query text, key text DEFAULT NULL, materialize boolean DEFAULT false,
                               tags jsonb DEFAULT '{}', label text DEFAULT NULL, description text DEFAULT NULL,
                               profile boolean DEFAULT true)
    RETURNS text
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000
    AS 'MODULE_PATHNAME', 'mlops_snapshot';
COMMENT ON FUNCTION mlops.snapshot(text, text, text, boolean, jsonb, text, text, boolean) IS
    'Records which rows a SELECT gives that runs with the caller''s rights (columns, number, hash, classes of the label, relations read), the profile of each column, keeps a copy of them if asked, and returns the reference, such as loans/3; errors 22023, 22004, 23505, 42501, 42602, 42703 and 42804.';
REVOKE ALL ON FUNCTION mlops.snapshot(text, text, text, boolean, jsonb, text, text, boolean) FROM PUBLIC;

--
-- Using them
--

-- What a query gives that another role runs.
CREATE FUNCTION mlops._content_as(role oid, search_path text, query text, label text) RETURNS jsonb
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'mlops_content_as';
COMMENT ON FUNCTION mlops._content_as(oid, text, text, text) IS
    'Columns, hash, rows and classes of what a query gives that a role runs under a search_path.';
REVOKE ALL ON FUNCTION mlops._content_as(oid, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._verify_snapshot(snapshot text)
    RETURNS TABLE(source text, same boolean, recorded_rows bigint, rows bigint, recorded_hash text, hash text, problem text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    recorded mlops.snapshot := mlops._find_snapshot(snapshot);
    owner oid;
    content jsonb;
BEGIN
    recorded_rows := recorded.row_count;
    recorded_hash := encode(recorded.content_hash, 'hex');
    FOREACH source IN ARRAY CASE WHEN recorded.copied THEN ARRAY['query', 'copy'] ELSE ARRAY['query'] END LOOP
        problem := NULL;
        content := NULL;
        BEGIN
            IF source = 'query' THEN
                SELECT n.role INTO owner FROM mlops.snapshot_name n WHERE n.name = recorded.name;
                IF owner IS NULL OR NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = owner) THEN
                    RAISE EXCEPTION 'the role that made it does not exist any more' USING ERRCODE = 'undefined_object';
                END IF;
                content := mlops._content_as(owner, recorded.search_path, recorded.query, NULL);
            ELSE
                EXECUTE format('SELECT mlops._content(r.*, NULL) FROM mlops_data.%I r', '_snapshot_' || recorded.id) INTO content;
                IF content IS NULL AND recorded.row_count = 0 THEN
                    content := jsonb_build_object('rows', 0, 'hash', recorded_hash);
                END IF;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            problem := SQLERRM;
        END;
        rows := (content->>'rows')::bigint;
        hash := content->>'hash';
        same := hash IS NOT DISTINCT FROM recorded_hash;
        IF source = 'query' AND problem IS NULL
           AND (SELECT array_agg(c ORDER BY c->>'name') FROM jsonb_array_elements(content->'columns') c)
               IS DISTINCT FROM (SELECT array_agg(c ORDER BY c->>'name') FROM jsonb_array_elements(recorded.columns) c) THEN
            problem := 'columns are different';
        ELSIF problem IS NULL AND rows IS DISTINCT FROM recorded_rows THEN
            problem := 'number of rows is different';
        ELSIF problem IS NULL AND NOT same THEN
            problem := 'values are different';
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION mlops._verify_snapshot(text) IS 'Body of mlops.verify_snapshot().';
REVOKE ALL ON FUNCTION mlops._verify_snapshot(text) FROM PUBLIC;

CREATE FUNCTION mlops.verify_snapshot(snapshot text)
    RETURNS TABLE(source text, same boolean, recorded_rows bigint, rows bigint, recorded_hash text, hash text, problem text)
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 2
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.verify_snapshot(text) IS
    'Whether the query of a snapshot, run again by the role that made it, and the copy if there is one, still have the content that was recorded; error ML070.';
REVOKE ALL ON FUNCTION mlops.verify_snapshot(text) FROM PUBLIC;

CREATE FUNCTION mlops._snapshot_query(snapshot text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    recorded mlops.snapshot := mlops._find_snapshot(snapshot);
BEGIN
    RETURN CASE WHEN recorded.copied THEN format('SELECT * FROM mlops_data.%I', 'snapshot_' || recorded.id)
                ELSE recorded.query END;
END
$$;
COMMENT ON FUNCTION mlops._snapshot_query(text) IS 'Body of mlops.snapshot_query().';
REVOKE ALL ON FUNCTION mlops._snapshot_query(text) FROM PUBLIC;

CREATE FUNCTION mlops.snapshot_query(snapshot text) RETURNS text
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.snapshot_query(text) IS
    'Query that reads a snapshot, to train or evaluate with: that of its copy, or without one the recorded query; error ML070.';

-- Runs that read a snapshot: its copy, or the query that it was made with.
CREATE VIEW mlops._snapshot_run WITH (security_barrier) AS
    SELECT s.id AS snapshot_id, r.id AS run_id
    FROM mlops.snapshot s JOIN mlops.run r
        ON (s.copied AND r.record OPERATOR(pg_catalog.->) 'relations'
                         OPERATOR(pg_catalog.?) ('mlops_data.snapshot_' OPERATOR(pg_catalog.||) s.id::text))
           OR (NOT s.copied AND r.record OPERATOR(pg_catalog.->>) 'query' OPERATOR(pg_catalog.=) s.query
               AND r.started_at OPERATOR(pg_catalog.>=) s.created_at);
COMMENT ON VIEW mlops._snapshot_run IS 'Private: which run read which snapshot, by what the run recorded.';

CREATE FUNCTION mlops._drop_snapshot(snapshot text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    recorded mlops.snapshot := mlops._find_snapshot(snapshot);
    runs bigint[];
BEGIN
    PERFORM mlops._require_snapshot_name(recorded.name);
    -- No training that reads it may register after we looked: first those end
    -- that have read the copy, then no other can come.
    IF recorded.copied THEN
        EXECUTE format('LOCK TABLE mlops_data.%I IN ACCESS EXCLUSIVE MODE', 'snapshot_' || recorded.id);
    END IF;
    LOCK TABLE mlops.run IN SHARE MODE;
    SELECT array_agg(r.run_id ORDER BY r.run_id) INTO runs FROM mlops._snapshot_run r WHERE r.snapshot_id = recorded.id;
    IF runs IS NOT NULL THEN
        RAISE EXCEPTION 'snapshot "%" is in use', recorded.name || '/' || recorded.version
            USING ERRCODE = 'ML071',
                  DETAIL = format('Runs that read it: %s.', array_to_string(runs[1:10], ', ') ||
                                  CASE WHEN cardinality(runs) > 10 THEN ', ...' ELSE '' END),
                  HINT = 'A snapshot is kept as long as the runs that used it, which is for ever.';
    END IF;
    IF recorded.copied THEN
        EXECUTE format('DROP VIEW mlops_data.%I', 'snapshot_' || recorded.id);
        EXECUTE format('DROP TABLE mlops_data.%I', '_snapshot_' || recorded.id);
    END IF;
    DELETE FROM mlops.snapshot_column c WHERE c.snapshot_id = recorded.id;
    DELETE FROM mlops.snapshot s WHERE s.id = recorded.id;
    PERFORM mlops._audit(action => 'snapshot.drop', subject => recorded.name || '/' || recorded.version,
                         state_before => jsonb_build_object('rows', recorded.row_count,
                                                            'hash', encode(recorded.content_hash, 'hex')));
END
$$;
COMMENT ON FUNCTION mlops._drop_snapshot(text) IS 'Body of mlops.drop_snapshot().';
REVOKE ALL ON FUNCTION mlops._drop_snapshot(text) FROM PUBLIC;

CREATE FUNCTION mlops.drop_snapshot(snapshot text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.drop_snapshot(text) IS
    'Drops a snapshot and its copy, unless a run read it; its number is not used again; errors ML070, ML071 and 42501.';
REVOKE ALL ON FUNCTION mlops.drop_snapshot(text) FROM PUBLIC;

-- Two copies are joined by key.  Columns that both have with one type are
-- compared; json has no equality but that of its text.
CREATE FUNCTION mlops._diff_snapshots(before text, after text, examples integer)
    RETURNS TABLE(item text, name text, before_value text, after_value text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old mlops.snapshot := mlops._find_snapshot(before);
    new mlops.snapshot := mlops._find_snapshot(after);
    common text[];
    differs text;
    changes text;
BEGIN
    IF examples IS NULL OR examples < 0 THEN
        RAISE EXCEPTION 'examples must be 0 or more' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY SELECT 'content', CASE WHEN old.content_hash = new.content_hash THEN 'same' ELSE 'different' END,
                        encode(old.content_hash, 'hex'), encode(new.content_hash, 'hex');
    RETURN QUERY SELECT 'rows', NULL, old.row_count::text, new.row_count::text WHERE old.row_count <> new.row_count;
    RETURN QUERY
        SELECT CASE WHEN o.value IS NULL THEN 'column added' WHEN n.value IS NULL THEN 'column removed' ELSE 'column type' END,
               coalesce(o.value, n.value)->>'name', o.value->>'type', n.value->>'type'
        FROM jsonb_array_elements(old.columns) WITH ORDINALITY o
        FULL JOIN jsonb_array_elements(new.columns) WITH ORDINALITY n ON n.value->>'name' = o.value->>'name'
        WHERE o.value->>'type' IS DISTINCT FROM n.value->>'type'
        ORDER BY o.ordinality, n.ordinality;
    RETURN QUERY
        SELECT 'class', coalesce(o.value->>'class', n.value->>'class'), coalesce(o.value->>'rows', '0'), coalesce(n.value->>'rows', '0')
        FROM jsonb_array_elements(old.classes) o
        FULL JOIN jsonb_array_elements(new.classes) n ON (o.value->'class') = (n.value->'class')
        WHERE old.label = new.label AND old.classes IS NOT NULL AND new.classes IS NOT NULL
          AND o.value->'rows' IS DISTINCT FROM n.value->'rows'
        ORDER BY 2;
    RETURN QUERY SELECT d.* FROM mlops._diff_profiles(old.id, new.id) d;

    IF NOT (old.copied AND new.copied) THEN
        RETURN QUERY SELECT 'note', 'rows were not compared: only snapshots with a copy keep theirs', NULL, NULL;
        RETURN;
    ELSIF old.key IS DISTINCT FROM new.key OR old.key IS NULL
          OR NOT EXISTS (SELECT FROM jsonb_array_elements(old.columns) o, jsonb_array_elements(new.columns) n
                         WHERE o.value = n.value AND o.value->>'name' = old.key) THEN
        RETURN QUERY SELECT 'note', 'rows were not compared: the snapshots have no key in common', NULL, NULL;
        RETURN;
    END IF;

    SELECT array_agg(format(CASE WHEN o.value->>'type' = 'json' THEN '%I::text' ELSE '%I' END, o.value->>'name') ORDER BY o.ordinality),
           coalesce(string_agg(format(CASE WHEN o.value->>'type' LIKE 'json%%' THEN 'o.%1$I::text IS DISTINCT FROM n.%1$I::text'
                                           ELSE 'o.%1$I IS DISTINCT FROM n.%1$I' END, o.value->>'name'),
                               ' OR ' ORDER BY o.ordinality), 'false'),
           coalesce(string_agg(format(CASE WHEN o.value->>'type' LIKE 'json%%'
                                           THEN 'CASE WHEN o.%1$I::text IS DISTINCT FROM n.%1$I::text THEN %1$L END'
                                           ELSE 'CASE WHEN o.%1$I IS DISTINCT FROM n.%1$I THEN %1$L END' END, o.value->>'name'),
                               ', ' ORDER BY o.ordinality), 'NULL')
    INTO common, differs, changes
    FROM jsonb_array_elements(old.columns) WITH ORDINALITY o
    JOIN jsonb_array_elements(new.columns) n ON n.value = o.value
    WHERE o.value->>'name' <> old.key;

    RETURN QUERY EXECUTE format(
        'SELECT d.item, NULL::text, NULL::text, d.n::text FROM (
            SELECT unnest(ARRAY[''rows added'', ''rows removed'', ''rows changed'']) AS item,
                   unnest(ARRAY[count(*) FILTER (WHERE o.%1$I IS NULL), count(*) FILTER (WHERE n.%1$I IS NULL),
                                count(*) FILTER (WHERE o.%1$I IS NOT NULL AND n.%1$I IS NOT NULL AND (%2$s))]) AS n
            FROM mlops_data.%3$I o FULL JOIN mlops_data.%4$I n ON n.%1$I = o.%1$I) d',
        old.key, differs, '_snapshot_' || old.id, '_snapshot_' || new.id);
    RETURN QUERY EXECUTE format(
        'SELECT ''column changed'', c.name, NULL::text, count(*)::text
         FROM mlops_data.%3$I o JOIN mlops_data.%4$I n ON n.%1$I = o.%1$I, unnest(ARRAY[%2$s]::text[]) WITH ORDINALITY c (name, number)
         WHERE c.name IS NOT NULL GROUP BY c.name, c.number ORDER BY c.number',
        old.key, changes, '_snapshot_' || old.id, '_snapshot_' || new.id);
    IF examples > 0 THEN
        RETURN QUERY EXECUTE format(
            'SELECT CASE WHEN o.%1$I IS NULL THEN ''row added'' WHEN n.%1$I IS NULL THEN ''row removed'' ELSE ''row changed'' END,
                    coalesce(o.%1$I, n.%1$I)::text, CASE WHEN o.%1$I IS NOT NULL THEN to_jsonb(o.*)::text END,
                    CASE WHEN n.%1$I IS NOT NULL THEN to_jsonb(n.*)::text END
             FROM mlops_data.%3$I o FULL JOIN mlops_data.%4$I n ON n.%1$I = o.%1$I
             WHERE o.%1$I IS NULL OR n.%1$I IS NULL OR %2$s
             ORDER BY coalesce(o.%1$I, n.%1$I) LIMIT %5$s',
            old.key, differs, '_snapshot_' || old.id, '_snapshot_' || new.id, examples);
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._diff_snapshots(text, text, integer) IS 'Body of mlops.diff_snapshots().';
REVOKE ALL ON FUNCTION mlops._diff_snapshots(text, text, integer) FROM PUBLIC;

CREATE FUNCTION mlops.diff_snapshots(before text, after text, examples integer DEFAULT 0)
    RETURNS TABLE(item text, name text, before_value text, after_value text)
    LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.diff_snapshots(text, text, integer) IS
    'What changed between two snapshots: columns, number of rows, classes of the label, distributions by the profiles of both, and where both have a copy and one key the rows added, removed and changed, with some examples if asked; errors ML070 and 22023.';

--
-- View
--
CREATE VIEW mlops.snapshots WITH (security_barrier) AS
    SELECT s.name OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) s.version::text AS snapshot,
           s.name,
           s.version,
           s.row_count AS rows,
           pg_catalog.encode(s.content_hash, 'hex') AS hash,
           s.query,
           s.key,
           s.label,
           s.classes,
           s.columns,
           s.relations,
           CASE WHEN s.copied THEN 'mlops_data.snapshot_' OPERATOR(pg_catalog.||) s.id::text END AS copy,
           ARRAY(SELECT r.run_id FROM mlops._snapshot_run r WHERE r.snapshot_id OPERATOR(pg_catalog.=) s.id ORDER BY r.run_id) AS runs,
           s.tags,
           s.description,
           pg_catalog.pg_get_userbyid(n.role) AS owner,
           s.created_at,
           s.created_by
    FROM mlops.snapshot s JOIN mlops.snapshot_name n ON n.name OPERATOR(pg_catalog.=) s.name
    WHERE mlops._snapshot_readable(s.id);
COMMENT ON VIEW mlops.snapshots IS
    'Snapshots that the viewer may see, as a member of the role that made them with SELECT on what they read: rows, hash, query, classes of the label, relation that holds the copy, runs that used them.';
GRANT SELECT ON mlops.snapshots TO PUBLIC;
