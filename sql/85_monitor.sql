-- file: sql/85_monitor.sql
-- Monitors: checks of a model's recent rows, window by window; their results,
-- and the alerts that these open and close.  Definitions: doc/monitors.md.
--
-- The rows are read by the reports, with the rights of the monitor's owner,
-- who is the caller; nobody but the owner writes what would run as him.  What
-- was found is recorded by private functions.

CREATE SEQUENCE mlops.monitor_id_seq;
CREATE TABLE mlops.monitor (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.monitor_id_seq'::pg_catalog.regclass),
    name text NOT NULL CHECK (mlops._valid_name(name)),
    model_id bigint NOT NULL,
    reference text NOT NULL,
    owner oid NOT NULL,
    owner_name name NOT NULL,
    source text NOT NULL,
    path text NOT NULL,
    time_column text NOT NULL,
    time_type text NOT NULL
        CHECK (time_type OPERATOR(pg_catalog.=) ANY (ARRAY['timestamptz', 'timestamp', 'date'])),
    window_length interval NOT NULL,
    granularity interval NOT NULL,
    time_zone text NOT NULL,
    key text[],
    label text,
    groups text[],
    enabled boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    dropped_at timestamp with time zone,
    dropped_by name
);
CREATE UNIQUE INDEX monitor_name_idx ON mlops.monitor (name) WHERE dropped_at IS NULL;
COMMENT ON TABLE mlops.monitor IS 'Private: monitors, also those that were dropped; view mlops.monitors.';

CREATE SEQUENCE mlops.monitor_check_id_seq;
CREATE TABLE mlops.monitor_check (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.monitor_check_id_seq'::pg_catalog.regclass),
    monitor_id bigint NOT NULL,
    kind text NOT NULL
        CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['drift', 'quality', 'performance', 'bias'])),
    arguments jsonb NOT NULL CHECK (pg_catalog.jsonb_typeof(arguments) OPERATOR(pg_catalog.=) 'object'),
    warn numeric CHECK (warn OPERATOR(pg_catalog.>) '-infinity' AND warn OPERATOR(pg_catalog.<) 'infinity'),
    fail numeric CHECK (fail OPERATOR(pg_catalog.>) '-infinity' AND fail OPERATOR(pg_catalog.<) 'infinity'),
    min_rows integer NOT NULL CHECK (min_rows OPERATOR(pg_catalog.>) 0),
    on_failure text NOT NULL
        CHECK (on_failure OPERATOR(pg_catalog.=) ANY (ARRAY['nothing', 'alert', 'suspend', 'rollback', 'retrain', 'call'])),
    function text,
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    dropped_at timestamp with time zone,
    dropped_by name,
    CHECK ((on_failure OPERATOR(pg_catalog.=) 'call') OPERATOR(pg_catalog.=) (function IS NOT NULL)),
    CHECK ((dropped_at IS NULL) OPERATOR(pg_catalog.=) (dropped_by IS NULL))
);
CREATE INDEX monitor_check_monitor_id_idx ON mlops.monitor_check (monitor_id, id);
COMMENT ON TABLE mlops.monitor_check IS
    'Private: checks of monitors, also those that were dropped; view mlops.monitor_checks.';

CREATE SEQUENCE mlops.monitor_run_id_seq;
CREATE TABLE mlops.monitor_run (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.monitor_run_id_seq'::pg_catalog.regclass),
    monitor_id bigint NOT NULL,
    version_id bigint,
    window_start timestamp with time zone NOT NULL,
    window_end timestamp with time zone NOT NULL CHECK (window_end OPERATOR(pg_catalog.>) window_start),
    attempt integer NOT NULL CHECK (attempt OPERATOR(pg_catalog.>) 0),
    verdict text NOT NULL
        CHECK (verdict OPERATOR(pg_catalog.=) ANY (ARRAY['ok', 'warn', 'fail', 'insufficient'])),
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    UNIQUE (monitor_id, window_end, window_start, attempt)
);
COMMENT ON TABLE mlops.monitor_run IS
    'Private: each time that a monitor looked at a window, which never changes; view mlops.check_results.';

CREATE SEQUENCE mlops.check_result_id_seq;
CREATE TABLE mlops.check_result (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.check_result_id_seq'::pg_catalog.regclass),
    run_id bigint NOT NULL,
    check_id bigint NOT NULL,
    metric text NOT NULL,
    attribute text,
    "group" text,
    value float8,
    p_value float8,
    threshold float8,
    n bigint,
    skipped bigint,
    verdict text
        CHECK (verdict OPERATOR(pg_catalog.=) ANY (ARRAY['ok', 'warn', 'fail', 'insufficient'])),
    definition jsonb NOT NULL
);
CREATE INDEX check_result_run_id_idx ON mlops.check_result (run_id, check_id);
CREATE INDEX check_result_check_id_idx ON mlops.check_result (check_id, metric, run_id);
COMMENT ON TABLE mlops.check_result IS
    'Private: figures that checks found, which never change; view mlops.check_results.';

CREATE SEQUENCE mlops.alert_id_seq;
CREATE TABLE mlops.alert (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.alert_id_seq'::pg_catalog.regclass),
    monitor_id bigint NOT NULL,
    check_id bigint NOT NULL,
    run_id bigint NOT NULL,
    status text NOT NULL
        CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['open', 'acknowledged', 'closed'])),
    last_run_id bigint NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    action text NOT NULL,
    outcome text,
    acknowledged_at timestamp with time zone,
    acknowledged_by name,
    comment text,
    closed_at timestamp with time zone,
    closed_by name,
    close_comment text,
    CHECK ((status OPERATOR(pg_catalog.=) 'closed') OPERATOR(pg_catalog.=) (closed_at IS NOT NULL))
);
CREATE UNIQUE INDEX alert_open_idx ON mlops.alert (check_id) WHERE closed_at IS NULL;
COMMENT ON TABLE mlops.alert IS 'Private: alarms, at most one for each check that is not closed; view mlops.alerts.';

REVOKE ALL ON mlops.monitor, mlops.monitor_check, mlops.monitor_run, mlops.check_result, mlops.alert FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.monitor', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.monitor_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.monitor_check', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.monitor_check_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.monitor_run', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.monitor_run_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.check_result', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.check_result_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.alert', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.alert_id_seq', '');

-- The OID of an owner is that of the name where a dump is restored; a monitor
-- of a role that is not there is nobody's.
CREATE FUNCTION mlops._set_monitor_owner() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.owner := coalesce((SELECT r.oid FROM pg_roles r WHERE r.rolname = NEW.owner_name), 0);
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION mlops._set_monitor_owner() IS
    'Trigger function of mlops.monitor: the OID of the owner from the name, 0 if there is no such role.';
REVOKE ALL ON FUNCTION mlops._set_monitor_owner() FROM PUBLIC;
CREATE TRIGGER set_monitor_owner BEFORE INSERT ON mlops.monitor
    FOR EACH ROW EXECUTE FUNCTION mlops._set_monitor_owner();
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.monitor
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER check_set_once BEFORE UPDATE ON mlops.monitor_check
    FOR EACH ROW EXECUTE FUNCTION mlops._check_set_once('dropped_at', 'dropped_by');
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.monitor_check
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.monitor_run
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.check_result
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.alert
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.monitor ENABLE ALWAYS TRIGGER set_monitor_owner;
ALTER TABLE mlops.monitor ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.monitor_check ENABLE ALWAYS TRIGGER check_set_once;
ALTER TABLE mlops.monitor_check ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.monitor_run ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.check_result ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE mlops.alert ENABLE ALWAYS TRIGGER refuse_change;

--
-- States, as events have them
--
CREATE FUNCTION mlops._monitor_state(monitor mlops.monitor) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_jsonb(monitor) - '{id,model_id,owner}'::text[]
        || jsonb_build_object('window_length', extract(epoch FROM (monitor).window_length),
                              'granularity', extract(epoch FROM (monitor).granularity),
                              'created_at', mlops._utc((monitor).created_at),
                              'dropped_at', mlops._utc((monitor).dropped_at))
$$;
COMMENT ON FUNCTION mlops._monitor_state(mlops.monitor) IS 'State of a monitor, as events have it.';
REVOKE ALL ON FUNCTION mlops._monitor_state(mlops.monitor) FROM PUBLIC;

CREATE FUNCTION mlops._state_monitor() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, NULL::text, o.id::text, mlops._monitor_state(o)
    FROM mlops.monitor o LEFT JOIN mlops.model m ON m.id = o.model_id
$$;
COMMENT ON FUNCTION mlops._state_monitor() IS 'State of all monitors, as events have it.';
REVOKE ALL ON FUNCTION mlops._state_monitor() FROM PUBLIC;

CREATE FUNCTION mlops._monitor_check_state("check" mlops.monitor_check) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_jsonb("check") - '{id}'::text[]
        || jsonb_build_object('created_at', mlops._utc(("check").created_at),
                              'dropped_at', mlops._utc(("check").dropped_at))
$$;
COMMENT ON FUNCTION mlops._monitor_check_state(mlops.monitor_check) IS 'State of a check of a monitor, as events have it.';
REVOKE ALL ON FUNCTION mlops._monitor_check_state(mlops.monitor_check) FROM PUBLIC;

CREATE FUNCTION mlops._state_monitor_check() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, NULL::text, c.id::text, mlops._monitor_check_state(c)
    FROM mlops.monitor_check c
    LEFT JOIN mlops.monitor o ON o.id = c.monitor_id
    LEFT JOIN mlops.model m ON m.id = o.model_id
$$;
COMMENT ON FUNCTION mlops._state_monitor_check() IS 'State of all checks of monitors, as events have it.';
REVOKE ALL ON FUNCTION mlops._state_monitor_check() FROM PUBLIC;

--
-- Making, changing and dropping
--

-- A monitor by its name, locked, that is the caller's: what it reads and what
-- its rules say runs with the owner's rights, so that nobody else writes it.
CREATE FUNCTION mlops._lock_monitor(name text, or_owner_of_model boolean DEFAULT false) RETURNS mlops.monitor
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    o mlops.monitor;
    model_name text;
BEGIN
    IF name IS NULL THEN
        RAISE EXCEPTION 'no monitor was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT x.* INTO o FROM mlops.monitor x WHERE x.name = _lock_monitor.name AND x.dropped_at IS NULL FOR NO KEY UPDATE;
    SELECT m.name INTO model_name FROM mlops.model m WHERE m.id = o.model_id;
    IF o.id IS NULL OR NOT mlops._caller_has(model_name, 'any') THEN
        RAISE EXCEPTION 'monitor "%" does not exist', name
            USING ERRCODE = 'ML057', HINT = 'View mlops.monitors shows those that you can see.';
    END IF;
    IF o.owner IS DISTINCT FROM (SELECT r.oid FROM pg_roles r WHERE r.rolname = mlops._caller())
       AND NOT (or_owner_of_model AND mlops._caller_has(model_name, 'own')) THEN
        RAISE EXCEPTION 'must be owner of monitor "%"', name
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('It reads with the rights of role "%s".', o.owner_name);
    END IF;
    IF NOT or_owner_of_model THEN
        PERFORM mlops._require(model_name, 'manage');
    END IF;
    RETURN o;
END
$$;
COMMENT ON FUNCTION mlops._lock_monitor(text, boolean) IS
    'Row of a monitor that the caller owns, or whose model, if wanted, locked; errors ML057 and 42501.';
REVOKE ALL ON FUNCTION mlops._lock_monitor(text, boolean) FROM PUBLIC;

-- What a source means for the caller: a relation, by its full name from now
-- on, or a query, with the search_path of today.
CREATE FUNCTION mlops._monitor_source(path text, monitor text, source text, time_column text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation oid;
    type oid;
    former record;
BEGIN
    SELECT o.source, o.time_column INTO former FROM mlops.monitors o WHERE o.monitor = _monitor_source.monitor;
    time_column := coalesce(time_column, former.time_column);
    IF coalesce(source, former.source) IS NULL OR time_column IS NULL THEN
        RAISE EXCEPTION 'a monitor needs a source and its column of time' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF source ~ '^\s*("[^"]+"|[[:alpha:]_][[:alnum:]_$]*)(\.("[^"]+"|[[:alpha:]_][[:alnum:]_$]*))?\s*$' THEN
        PERFORM set_config('search_path', path, true);
        EXECUTE 'SELECT $1::pg_catalog.regclass' INTO relation USING source;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        SELECT format('SELECT * FROM %I.%I', n.nspname, c.relname) INTO source
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation;
    ELSE
        source := coalesce(regexp_replace(source, ';\s*$', ''), former.source);
    END IF;
    SELECT c.type INTO type FROM mlops._report_columns(path, source) c WHERE c."column" = time_column;
    IF type IS NULL THEN
        RAISE EXCEPTION 'the source of the monitor has no column "%"', time_column USING ERRCODE = 'undefined_column';
    END IF;
    WHILE (SELECT t.typtype = 'd' FROM pg_type t WHERE t.oid = type) LOOP
        type := (SELECT t.typbasetype FROM pg_type t WHERE t.oid = type);
    END LOOP;
    IF type NOT IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype) THEN
        RAISE EXCEPTION 'column "%" has no time', time_column USING ERRCODE = 'datatype_mismatch';
    END IF;
    RETURN jsonb_build_object('source', source, 'path', path, 'time_column', time_column,
                              'time_type', (SELECT t.typname FROM pg_type t WHERE t.oid = type));
END
$$;
COMMENT ON FUNCTION mlops._monitor_source(text, text, text, text) IS
    'Source of a monitor as it is stored, looked up with the rights of the caller; errors 22023, 42P01, 42703 and 42804.';
REVOKE ALL ON FUNCTION mlops._monitor_source(text, text, text, text) FROM PUBLIC;

-- Errors unless windows of this length can follow each other.
CREATE FUNCTION mlops._check_windows(window_length interval, granularity interval, time_zone text, time_type text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_timezone_names z WHERE lower(z.name) = lower(time_zone)) THEN
        RAISE EXCEPTION 'time zone "%" is not known', time_zone USING ERRCODE = 'invalid_parameter_value';
    END IF;
    problem := CASE
        WHEN window_length IS NULL OR granularity IS NULL THEN 'A window has a length.'
        WHEN extract(year FROM window_length) <> 0 OR extract(month FROM window_length) <> 0
             OR extract(year FROM granularity) <> 0 OR extract(month FROM granularity) <> 0
            THEN 'Months and years have no fixed length: give days.'
        WHEN granularity < interval '1 minute' OR window_length > interval '3660 days'
            THEN 'The granularity is at least a minute, the window at most 3660 days.'
        WHEN mod(extract(epoch FROM window_length), extract(epoch FROM granularity)) <> 0
            THEN 'The window is a multiple of the granularity.'
        WHEN time_type = 'date' AND mod(extract(epoch FROM granularity), 86400) <> 0
            THEN 'Dates need a granularity of whole days.' END;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'invalid windows of a monitor: % by %', window_length, granularity
            USING ERRCODE = 'ML059', DETAIL = problem;
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._check_windows(interval, interval, text, text) IS 'Error ML059 or 22023 unless windows can be of this kind.';
REVOKE ALL ON FUNCTION mlops._check_windows(interval, interval, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._create_monitor(name text, model mlops.modelref, source text, time_column text, window_length interval,
                                      granularity interval, key text[], label text, groups text[], time_zone text,
                                      resolved jsonb) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_id bigint;
    target bigint;
    model_name text;
BEGIN
    IF name IS NULL OR model IS NULL THEN
        RAISE EXCEPTION 'a monitor needs a name and a model' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF NOT mlops._valid_name(name) THEN
        RAISE EXCEPTION 'invalid name of a monitor: "%"', name USING ERRCODE = 'invalid_name';
    END IF;
    model_name := mlops.model_name(model);
    PERFORM mlops._require(model_name, 'manage');
    SELECT m.id INTO STRICT target FROM mlops.model m WHERE m.name = model_name;
    IF model::text LIKE '%/%' THEN
        PERFORM mlops._resolve(model, 'manage');
    END IF;
    granularity := coalesce(granularity, window_length);
    -- an interval that is a number of days is one of days
    window_length := justify_hours(window_length);
    granularity := justify_hours(granularity);
    time_zone := coalesce(time_zone, current_setting('TimeZone'));
    PERFORM mlops._check_windows(window_length, granularity, time_zone, resolved->>'time_type');
    INSERT INTO mlops.monitor (name, model_id, reference, owner_name, source, path, time_column, time_type, window_length,
                               granularity, time_zone, key, label, groups, enabled, created_at, created_by)
    VALUES (name, target, model, mlops._caller(), resolved->>'source', resolved->>'path', resolved->>'time_column',
            resolved->>'time_type', window_length, granularity, time_zone, key, label, groups, true, clock_timestamp(),
            session_user)
    ON CONFLICT DO NOTHING
    RETURNING id INTO new_id;
    IF new_id IS NULL THEN
        RAISE EXCEPTION 'monitor "%" already exists', name USING ERRCODE = 'duplicate_object';
    END IF;
    PERFORM mlops._note_identity();
    PERFORM mlops._audit(action => 'monitor.create', model => model_name, subject => o.id::text,
                         state_after => mlops._monitor_state(o))
    FROM mlops.monitor o WHERE o.id = new_id;
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION mlops._create_monitor(text, mlops.modelref, text, text, interval, interval, text[], text, text[], text, jsonb) IS
    'Body of mlops.create_monitor(), after the source as it is stored.';
REVOKE ALL ON FUNCTION mlops._create_monitor(text, mlops.modelref, text, text, interval, interval, text[], text, text[], text, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops.create_monitor(name text, model mlops.modelref, source text, time_column text,
                                     window_length interval DEFAULT '1 day', granularity interval DEFAULT NULL,
                                     key text[] DEFAULT NULL, label text DEFAULT NULL, groups text[] DEFAULT NULL,
                                     time_zone text DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_create_monitor';
COMMENT ON FUNCTION mlops.create_monitor(text, mlops.modelref, text, text, interval, interval, text[], text, text[], text) IS
    'Makes a monitor of the version that a model or alias has, over windows of the rows of a relation or SELECT, which end at multiples of the granularity (default: the length, so that they neither overlap nor leave gaps), and returns its id; the caller is its owner; needs privilege manage; errors ML001, ML002, ML059, 22004, 22023, 42501, 42602, 42703, 42710, 42804 and 42P01.';
REVOKE ALL ON FUNCTION mlops.create_monitor(text, mlops.modelref, text, text, interval, interval, text[], text, text[], text) FROM PUBLIC;

CREATE FUNCTION mlops._alter_monitor(name text, source text, time_column text, window_length interval, granularity interval,
                                     key text[], label text, groups text[], time_zone text, enabled boolean,
                                     resolved jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    o mlops.monitor := mlops._lock_monitor(name);
    before jsonb := mlops._monitor_state(o);
BEGIN
    o.source := coalesce(resolved->>'source', o.source);
    o.path := coalesce(resolved->>'path', o.path);
    o.time_column := coalesce(resolved->>'time_column', o.time_column);
    o.time_type := coalesce(resolved->>'time_type', o.time_type);
    o.window_length := coalesce(justify_hours(window_length), o.window_length);
    o.granularity := coalesce(justify_hours(granularity), CASE WHEN window_length IS NULL THEN o.granularity ELSE o.window_length END);
    o.time_zone := coalesce(time_zone, o.time_zone);
    PERFORM mlops._check_windows(o.window_length, o.granularity, o.time_zone, o.time_type);
    UPDATE mlops.monitor t
    SET source = o.source, path = o.path, time_column = o.time_column, time_type = o.time_type,
        window_length = o.window_length, granularity = o.granularity, time_zone = o.time_zone,
        key = coalesce(_alter_monitor.key, t.key), label = coalesce(_alter_monitor.label, t.label),
        groups = coalesce(_alter_monitor.groups, t.groups), enabled = coalesce(_alter_monitor.enabled, t.enabled)
    WHERE t.id = o.id
    RETURNING t.* INTO o;
    PERFORM mlops._note_identity();
    PERFORM mlops._audit(action => 'monitor.alter', model => m.name, subject => o.id::text, state_before => before,
                         state_after => mlops._monitor_state(o))
    FROM mlops.model m WHERE m.id = o.model_id;
END
$$;
COMMENT ON FUNCTION mlops._alter_monitor(text, text, text, interval, interval, text[], text, text[], text, boolean, jsonb) IS
    'Body of mlops.alter_monitor(), after the source as it is stored, or NULL.';
REVOKE ALL ON FUNCTION mlops._alter_monitor(text, text, text, interval, interval, text[], text, text[], text, boolean, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops.alter_monitor(name text, source text DEFAULT NULL, time_column text DEFAULT NULL,
                                    window_length interval DEFAULT NULL, granularity interval DEFAULT NULL,
                                    key text[] DEFAULT NULL, label text DEFAULT NULL, groups text[] DEFAULT NULL,
                                    time_zone text DEFAULT NULL, enabled boolean DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_alter_monitor';
COMMENT ON FUNCTION mlops.alter_monitor(text, text, text, interval, interval, text[], text, text[], text, boolean) IS
    'Changes what is given of a monitor; one that is not enabled runs without doing anything; results stay as they are; needs to be its owner and privilege manage; errors ML057, ML059, 22004, 22023, 42501, 42703, 42804 and 42P01.';
REVOKE ALL ON FUNCTION mlops.alter_monitor(text, text, text, interval, interval, text[], text, text[], text, boolean) FROM PUBLIC;

-- Close an alert that is not closed.
CREATE FUNCTION mlops._end_alert(alert bigint, run bigint, comment text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    a mlops.alert;
BEGIN
    UPDATE mlops.alert t
    SET status = 'closed', closed_at = clock_timestamp(), closed_by = session_user, close_comment = _end_alert.comment,
        last_run_id = coalesce(run, t.last_run_id)
    WHERE t.id = alert AND t.closed_at IS NULL
    RETURNING t.* INTO a;
    IF a.id IS NOT NULL THEN
        PERFORM mlops._tell_alert(a);
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._end_alert(bigint, bigint, text) IS 'Closes an alert and tells so.';
REVOKE ALL ON FUNCTION mlops._end_alert(bigint, bigint, text) FROM PUBLIC;

-- What listeners get at the commit.
CREATE FUNCTION mlops._alert_message(alert mlops.alert) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
               'alert', (alert).id, 'status', (alert).status, 'monitor', o.name, 'check', c.id, 'kind', c.kind,
               'model', m.name, 'version', v.version, 'window_start', mlops._utc(r.window_start),
               'window_end', mlops._utc(r.window_end), 'action', (alert).action, 'outcome', left((alert).outcome, 500)))
    FROM mlops.monitor o
    JOIN mlops.model m ON m.id = o.model_id
    JOIN mlops.monitor_check c ON c.id = (alert).check_id
    JOIN mlops.monitor_run r ON r.id = (alert).last_run_id
    LEFT JOIN mlops.version v ON v.id = r.version_id
    WHERE o.id = (alert).monitor_id
$$;
COMMENT ON FUNCTION mlops._alert_message(mlops.alert) IS 'An alert as channel mlops_alert has it.';
REVOKE ALL ON FUNCTION mlops._alert_message(mlops.alert) FROM PUBLIC;

CREATE FUNCTION mlops._tell_alert(alert mlops.alert) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    message jsonb := mlops._alert_message(alert);
BEGIN
    PERFORM pg_notify('mlops_alert', message::text);
    PERFORM mlops._audit(action => 'alert.' || CASE alert.status WHEN 'open' THEN 'open' WHEN 'closed' THEN 'close' ELSE 'acknowledge' END,
                         model => message->>'model', version => (message->>'version')::integer, subject => alert.id::text,
                         reason => coalesce(alert.close_comment, alert.comment), detail => message);
END
$$;
COMMENT ON FUNCTION mlops._tell_alert(mlops.alert) IS 'Notifies channel mlops_alert at the commit, and the audit log.';
REVOKE ALL ON FUNCTION mlops._tell_alert(mlops.alert) FROM PUBLIC;

CREATE FUNCTION mlops._apply_drop_check("check" bigint, model text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c mlops.monitor_check;
    before jsonb;
BEGIN
    SELECT mlops._monitor_check_state(t) INTO before FROM mlops.monitor_check t WHERE t.id = "check";
    UPDATE mlops.monitor_check t SET dropped_at = clock_timestamp(), dropped_by = session_user
    WHERE t.id = "check" AND t.dropped_at IS NULL
    RETURNING t.* INTO STRICT c;
    PERFORM mlops._audit(action => 'monitor_check.drop', model => _apply_drop_check.model, subject => c.id::text,
                         state_before => before, state_after => mlops._monitor_check_state(c));
    PERFORM mlops._end_alert(a.id, NULL, 'the check was dropped')
    FROM mlops.alert a WHERE a.check_id = c.id AND a.closed_at IS NULL;
END
$$;
COMMENT ON FUNCTION mlops._apply_drop_check(bigint, text) IS 'Drops a check, closes its alert, and records it.';
REVOKE ALL ON FUNCTION mlops._apply_drop_check(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._drop_monitor(name text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    o mlops.monitor := mlops._lock_monitor(name, true);
    before jsonb := mlops._monitor_state(o);
    model_name text;
BEGIN
    SELECT m.name INTO STRICT model_name FROM mlops.model m WHERE m.id = o.model_id;
    PERFORM mlops._note_identity();
    PERFORM mlops._apply_drop_check(c.id, model_name)
    FROM mlops.monitor_check c WHERE c.monitor_id = o.id AND c.dropped_at IS NULL ORDER BY c.id;
    UPDATE mlops.monitor t SET dropped_at = clock_timestamp(), dropped_by = session_user WHERE t.id = o.id
    RETURNING t.* INTO STRICT o;
    PERFORM mlops._audit(action => 'monitor.drop', model => model_name, subject => o.id::text, state_before => before,
                         state_after => mlops._monitor_state(o));
END
$$;
COMMENT ON FUNCTION mlops._drop_monitor(text) IS 'Body of mlops.drop_monitor().';
REVOKE ALL ON FUNCTION mlops._drop_monitor(text) FROM PUBLIC;

CREATE FUNCTION mlops.drop_monitor(name text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.drop_monitor(text) IS
    'Drops a monitor with its checks and closes its alerts; the results stay; needs to be its owner or that of the model; errors ML057, 22004 and 42501.';
REVOKE ALL ON FUNCTION mlops.drop_monitor(text) FROM PUBLIC;

CREATE FUNCTION mlops._add_check(monitor text, kind text, arguments jsonb, warn numeric, fail numeric, min_rows integer,
                                 on_failure text, function regproc) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    o mlops.monitor := mlops._lock_monitor(monitor);
    known text[];
    problem text;
    new_id bigint;
BEGIN
    arguments := coalesce(arguments, '{}');
    min_rows := coalesce(min_rows, 100);
    on_failure := coalesce(on_failure, 'alert');
    known := CASE kind
        WHEN 'drift' THEN '{method,options,attributes}'
        WHEN 'quality' THEN '{reference,max_age,rules,metrics,attributes,worse}'
        WHEN 'performance' THEN '{labels,segments,threshold,replicates,seed,metrics,attributes,worse}'
        WHEN 'bias' THEN '{prediction,privileged,favourable,threshold,stratum,metrics,attributes,worse}' END;
    problem := CASE
        WHEN known IS NULL THEN 'Kinds are drift, quality, performance and bias.'
        WHEN jsonb_typeof(arguments) <> 'object' THEN 'The arguments are a JSON object.'
        WHEN EXISTS (SELECT FROM jsonb_object_keys(arguments) k WHERE k <> ALL (known))
            THEN format('Arguments of a check of kind %s are %s.', kind, array_to_string(known, ', '))
        WHEN EXISTS (SELECT FROM jsonb_each(arguments) a
                     WHERE a.key IN ('metrics', 'attributes', 'segments', 'privileged', 'favourable')
                       AND (jsonb_typeof(a.value) <> 'array' OR jsonb_array_length(a.value) = 0
                            OR jsonb_path_exists(a.value, '$[*] ? (@.type() != "string")')))
            THEN 'Metrics, attributes, segments, privileged and favourable are lists of texts.'
        WHEN jsonb_typeof(arguments->'options') <> 'object' OR jsonb_typeof(arguments->'rules') <> 'object'
            THEN 'Options and rules are JSON objects.'
        WHEN arguments->>'worse' NOT IN ('higher', 'lower') THEN 'What is worse is higher or lower.'
        WHEN warn IN ('NaN', 'infinity', '-infinity') OR fail IN ('NaN', 'infinity', '-infinity')
            THEN 'Thresholds are finite numbers.'
        WHEN kind <> 'drift' AND (warn IS NOT NULL OR fail IS NOT NULL) AND NOT arguments ? 'metrics'
            THEN 'Thresholds need to know of which metrics they are.'
        WHEN min_rows < 1 THEN 'There is at least one row.'
        WHEN kind = 'performance' AND o.label IS NULL THEN 'The monitor has no label.'
        WHEN kind = 'bias' AND o.groups IS NULL THEN 'The monitor has no groups.'
        WHEN kind = 'bias' AND o.label IS NULL AND NOT arguments ? 'prediction'
            THEN 'It needs the label of the monitor, or a prediction.'
        WHEN on_failure NOT IN ('nothing', 'alert', 'suspend', 'rollback', 'retrain', 'call')
            THEN 'On failure: nothing, alert, suspend, rollback, retrain or call.'
        WHEN on_failure = 'rollback' AND o.reference LIKE '%/%'
            THEN 'A monitor of one version has no alias to roll back.'
        WHEN (on_failure = 'call') <> (function IS NOT NULL) THEN 'A function is named to be called, and only then.'
        WHEN function IS NOT NULL AND NOT EXISTS (SELECT FROM pg_proc p WHERE p.oid = function AND p.prokind = 'f'
                                                  AND p.pronargs = 1 AND p.proargtypes[0] = 'jsonb'::regtype)
            THEN 'The function takes one jsonb.' END;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'invalid check of monitor "%"', monitor USING ERRCODE = 'invalid_parameter_value', DETAIL = problem;
    END IF;
    INSERT INTO mlops.monitor_check (monitor_id, kind, arguments, warn, fail, min_rows, on_failure, function, created_at, created_by)
    VALUES (o.id, kind, arguments, warn, fail, min_rows, on_failure,
            (SELECT format('%I.%I', n.nspname, p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
             WHERE p.oid = function),
            clock_timestamp(), session_user)
    RETURNING id INTO new_id;
    PERFORM mlops._note_identity();
    PERFORM mlops._audit(action => 'monitor_check.add', model => m.name, subject => c.id::text,
                         state_after => mlops._monitor_check_state(c))
    FROM mlops.monitor_check c, mlops.model m WHERE c.id = new_id AND m.id = o.model_id;
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION mlops._add_check(text, text, jsonb, numeric, numeric, integer, text, regproc) IS 'Body of mlops.add_check().';
REVOKE ALL ON FUNCTION mlops._add_check(text, text, jsonb, numeric, numeric, integer, text, regproc) FROM PUBLIC;

CREATE FUNCTION mlops.add_check(monitor text, kind text, arguments jsonb DEFAULT '{}', warn numeric DEFAULT NULL,
                                fail numeric DEFAULT NULL, min_rows integer DEFAULT 100, on_failure text DEFAULT 'alert',
                                function regproc DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.add_check(text, text, jsonb, numeric, numeric, integer, text, regproc) IS
    'Adds a check to a monitor and returns its id: a report of kind drift, quality, performance or bias with its arguments, thresholds, the rows that a verdict needs, and what happens on failure: nothing, alert, suspend, rollback, retrain (queue a retraining of the champion) or call (a function of one jsonb), all but the first with an alert; needs to be the monitor''s owner and privilege manage; errors ML057, 22004, 22023 and 42501.';
REVOKE ALL ON FUNCTION mlops.add_check(text, text, jsonb, numeric, numeric, integer, text, regproc) FROM PUBLIC;

CREATE FUNCTION mlops._drop_check("check" bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    o mlops.monitor;
    monitor_name text;
BEGIN
    SELECT x.name INTO monitor_name
    FROM mlops.monitor_check c JOIN mlops.monitor x ON x.id = c.monitor_id
    WHERE c.id = "check" AND c.dropped_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'check % does not exist', "check"
            USING ERRCODE = 'ML057', HINT = 'View mlops.monitor_checks shows those that you can see.';
    END IF;
    o := mlops._lock_monitor(monitor_name, true);
    PERFORM mlops._note_identity();
    PERFORM mlops._apply_drop_check("check", m.name) FROM mlops.model m WHERE m.id = o.model_id;
END
$$;
COMMENT ON FUNCTION mlops._drop_check(bigint) IS 'Body of mlops.drop_check().';
REVOKE ALL ON FUNCTION mlops._drop_check(bigint) FROM PUBLIC;

CREATE FUNCTION mlops.drop_check("check" bigint) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.drop_check(bigint) IS
    'Drops a check of a monitor and closes its alert; the results stay; needs to be owner of the monitor or of the model; errors ML057 and 42501.';
REVOKE ALL ON FUNCTION mlops.drop_check(bigint) FROM PUBLIC;

--
-- Running
--

-- What there is to do: the windows within a time, or, without a beginning, the
-- last one that had ended; each with the rows and the version to look at.
CREATE FUNCTION mlops._plan_monitor(name text, since timestamp with time zone, until timestamp with time zone,
                                    again boolean) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    max_windows CONSTANT integer := 10000;
    o mlops.monitor := mlops._lock_monitor(name);
    model_name text;
    zone text;
    last timestamp;
    first timestamp;
    ending timestamp;
    start_time timestamptz;
    end_time timestamptz;
    version_id bigint;
    in_charge boolean;
    done text;
    result jsonb := '[]';
BEGIN
    SELECT m.name INTO STRICT model_name FROM mlops.model m WHERE m.id = o.model_id;
    IF NOT o.enabled THEN
        RETURN result;
    END IF;
    until := coalesce(until, (SELECT c.scheduled_at FROM mlops.current_run() c), now());
    IF NOT isfinite(until) OR NOT isfinite(since) THEN
        RAISE EXCEPTION 'a monitor runs at a finite time' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- days are those of the time zone, and what is shorter goes by each hour that passes
    zone := CASE WHEN mod(extract(epoch FROM o.granularity), 86400) = 0 THEN o.time_zone ELSE 'UTC' END;
    last := date_bin(o.granularity, until AT TIME ZONE zone, timestamp '1970-01-05 00:00');
    first := coalesce(date_bin(o.granularity, since AT TIME ZONE zone, timestamp '1970-01-05 00:00'), last);
    IF extract(epoch FROM last - first) / extract(epoch FROM o.granularity) > max_windows THEN
        RAISE EXCEPTION 'more than % windows of monitor "%"', max_windows, name
            USING ERRCODE = 'ML059', HINT = 'Take a shorter time.';
    END IF;
    FOR ending IN SELECT e FROM generate_series(first, last, o.granularity) e LOOP
        end_time := ending AT TIME ZONE zone;
        start_time := (ending - o.window_length) AT TIME ZONE zone;
        CONTINUE WHEN end_time > until OR start_time < since OR start_time >= end_time;
        -- the version in charge when the window ended; before the first one, that of today
        in_charge := true;
        version_id := NULL;
        IF o.reference NOT LIKE '%/%' THEN
            SELECT v.id INTO version_id
            FROM mlops.version v
            WHERE v.model_id = o.model_id
              AND mlops._reference(v.id)::text = mlops._model_at(o.reference::mlops.modelref, end_time)::text;
            in_charge := version_id IS NOT NULL;
        END IF;
        IF version_id IS NULL THEN
            BEGIN
                version_id := mlops._resolve(o.reference::mlops.modelref, 'manage');
            EXCEPTION WHEN SQLSTATE 'ML002' OR SQLSTATE 'ML003' THEN
                version_id := NULL;
            END;
        END IF;
        SELECT r.verdict INTO done
        FROM mlops.monitor_run r
        WHERE r.monitor_id = o.id AND r.window_start = start_time AND r.window_end = end_time
        ORDER BY r.attempt DESC LIMIT 1;
        result := result || jsonb_build_object(
            'monitor', o.id, 'name', o.name, 'path', o.path, 'model', mlops._reference(version_id), 'version', version_id,
            'in_charge', in_charge, 'start', mlops._utc(start_time), 'end', mlops._utc(end_time),
            'done', CASE WHEN NOT again THEN done END,
            'label', o.label, 'key', o.key, 'groups', o.groups, 'time_column', o.time_column,
            'query', CASE o.time_type
                WHEN 'timestamptz' THEN format('SELECT * FROM (%s' || E'\n' || ') q WHERE q.%I OPERATOR(pg_catalog.>=) %L::pg_catalog.timestamptz'
                                               ' AND q.%2$I OPERATOR(pg_catalog.<) %4$L::pg_catalog.timestamptz',
                                               o.source, o.time_column, mlops._utc(start_time), mlops._utc(end_time))
                ELSE format('SELECT * FROM (%s' || E'\n' || ') q WHERE q.%I OPERATOR(pg_catalog.>=) %L::pg_catalog.timestamp'
                            ' AND q.%2$I OPERATOR(pg_catalog.<) %4$L::pg_catalog.timestamp',
                            o.source, o.time_column,
                            to_char(start_time AT TIME ZONE o.time_zone, 'YYYY-MM-DD HH24:MI:SS.US'),
                            to_char(end_time AT TIME ZONE o.time_zone, 'YYYY-MM-DD HH24:MI:SS.US')) END,
            'checks', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                                  'id', c.id, 'kind', c.kind, 'arguments', c.arguments, 'warn', c.warn, 'fail', c.fail,
                                  'min_rows', c.min_rows,
                                  'past_rows', CASE c.kind WHEN 'quality' THEN (
                                      SELECT array_agg(p.value::bigint)
                                      FROM (SELECT DISTINCT ON (r.window_end) x.value
                                            FROM mlops.check_result x JOIN mlops.monitor_run r ON r.id = x.run_id
                                            WHERE x.check_id = c.id AND x.metric = 'rows' AND x.attribute IS NULL
                                              AND r.window_end <= start_time AND x.value IS NOT NULL
                                            ORDER BY r.window_end DESC, r.attempt DESC LIMIT 30) p) END)
                              ORDER BY c.id), '[]')
                       FROM mlops.monitor_check c WHERE c.monitor_id = o.id AND c.dropped_at IS NULL));
    END LOOP;
    RETURN result;
END
$$;
COMMENT ON FUNCTION mlops._plan_monitor(text, timestamp with time zone, timestamp with time zone, boolean) IS
    'Windows of a monitor, with what is to be looked at in each; errors ML057, ML059, 22023 and 42501.';
REVOKE ALL ON FUNCTION mlops._plan_monitor(text, timestamp with time zone, timestamp with time zone, boolean) FROM PUBLIC;

-- A list of texts in JSON as an array.
CREATE FUNCTION mlops._json_texts(list jsonb) RETURNS text[]
    LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(CASE WHEN e = 'null' THEN NULL ELSE e#>>'{}' END ORDER BY o)
    FROM jsonb_array_elements(CASE jsonb_typeof(list) WHEN 'array' THEN list END) WITH ORDINALITY u (e, o)
$$;
COMMENT ON FUNCTION mlops._json_texts(jsonb) IS 'A list of texts in JSON as an array; NULL if it is none.';

-- The verdict about a row by thresholds: beyond one with the value warns; to
-- fail, the interval, where there is one, must be beyond it, too.
CREATE FUNCTION mlops._threshold_verdict(r jsonb, warn float8, fail float8, worse text) RETURNS text
    LANGUAGE SQL IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN r->>'verdict' = 'insufficient' OR x.value IS NULL OR x.value = 'NaN' THEN 'insufficient'
                WHEN x.sign * x.value > x.sign * fail
                     AND NOT coalesce(x.sign * x.near <= x.sign * fail, false) THEN 'fail'
                WHEN x.sign * x.value > x.sign * fail OR x.sign * x.value > x.sign * warn THEN 'warn'
                ELSE 'ok' END
    FROM (SELECT (r->>'value')::float8 AS value, CASE worse WHEN 'lower' THEN -1 ELSE 1 END AS sign,
                 (r->>CASE worse WHEN 'lower' THEN 'upper' ELSE 'lower' END)::float8 AS near) x
$$;
COMMENT ON FUNCTION mlops._threshold_verdict(jsonb, float8, float8, text) IS 'Verdict about a row of a report by the thresholds of a check.';

-- Do the checks of one window, with the rights of the caller.  What goes wrong
-- in one of them is a row of its own.
CREATE FUNCTION mlops._measure_window(plan jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET extra_float_digits = 1
AS $$
DECLARE
    c record;
    a jsonb;
    rows jsonb;
    result jsonb := '[]';
    model text := plan->>'model';
    query text := plan->>'query';
    key text[] := mlops._json_texts(plan->'key');
    problem text;
    detail text;
    worse text;
BEGIN
    FOR c IN SELECT * FROM jsonb_to_recordset(plan->'checks')
                 x (id bigint, kind text, arguments jsonb, warn float8, fail float8, min_rows integer, past_rows jsonb) LOOP
        a := c.arguments;
        rows := NULL;
        BEGIN
            IF model IS NULL AND c.kind IN ('drift', 'performance') THEN
                RAISE EXCEPTION 'no version is in charge' USING ERRCODE = 'ML003';
            END IF;
            PERFORM set_config('search_path', plan->>'path', true);
            CASE c.kind
            WHEN 'drift' THEN
                EXECUTE 'SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r)) FROM mlops.drift_report($1::mlops.modelref, $2, $3, $4) r'
                    INTO rows
                    USING model, query, coalesce(a->>'method', 'psi'),
                          jsonb_strip_nulls(jsonb_build_object('warn', c.warn, 'fail', c.fail, 'min_rows', c.min_rows))
                          OPERATOR(pg_catalog.||) coalesce(a->'options', '{}');
            WHEN 'quality' THEN
                EXECUTE 'SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r)) FROM mlops.quality_report($1, $2::mlops.modelref, $3, $4, $5, $6, $7, $8, $9) r'
                    INTO rows
                    USING query, model, a->>'reference', key, plan->>'time_column', (a->>'max_age')::interval, a->'rules',
                          mlops._json_texts(c.past_rows)::bigint[], c.min_rows;
            WHEN 'performance' THEN
                EXECUTE 'SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r)) FROM mlops.performance_report($1::mlops.modelref, $2, $3, $4, $5, $6, $7, $8, $9, $10) r'
                    INTO rows
                    USING model, query, plan->>'label', CASE WHEN a ? 'labels' THEN key[1] END, a->>'labels',
                          mlops._json_texts(a->'segments'), coalesce((a->>'threshold')::float8, 0.5), c.min_rows,
                          coalesce((a->>'replicates')::integer, 200), coalesce((a->>'seed')::bigint, 0);
            WHEN 'bias' THEN
                EXECUTE 'SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r)) FROM mlops.bias_report($1, $2, $3, $4, $5, $6, $7, $8, $9) r'
                    INTO rows
                    USING query, plan->>'label', a->>'prediction', mlops._json_texts(plan->'groups'),
                          mlops._json_texts(a->'privileged'), c.min_rows, mlops._json_texts(a->'favourable'),
                          (a->>'threshold')::float8, a->>'stratum';
            END CASE;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        EXCEPTION
            WHEN serialization_failure OR deadlock_detected THEN
                RAISE;
            WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
                rows := jsonb_build_array(jsonb_build_object(
                    'metric', 'error', 'verdict', 'insufficient',
                    'definition', jsonb_strip_nulls(jsonb_build_object('error', problem, 'detail', nullif(detail, ''),
                                                                       'sqlstate', SQLSTATE))));
        END;
        SELECT result || coalesce(jsonb_agg(
                   jsonb_build_object(
                       'check', c.id, 'metric', x.metric, 'attribute', x.attribute, 'group', r->'group', 'value', r->'value',
                       'p_value', coalesce(r->'p_value', r->'definition'->'p_value'),
                       'threshold', CASE WHEN x.judged THEN to_jsonb(coalesce(c.fail, c.warn)) ELSE r->'threshold' END,
                       'n', coalesce(r->'n', r->'n_current'), 'skipped', coalesce(r->'skipped', r->'definition'->'skipped'),
                       'verdict', CASE WHEN x.judged THEN mlops._threshold_verdict(r, c.warn, c.fail, x.worse) ELSE r->>'verdict' END,
                       'definition', coalesce(r->'definition', '{}')
                           || jsonb_strip_nulls(jsonb_build_object(
                                  'problem', r->'problem', 'role', r->'role', 'reference_value', r->'reference_value',
                                  'reference', r->'reference', 'lower', r->'lower', 'upper', r->'upper',
                                  'test_value', r->'test_value', 'champion_value', r->'champion_value',
                                  'in_charge', CASE WHEN NOT (plan->>'in_charge')::boolean THEN false END,
                                  'warn', CASE WHEN x.judged THEN c.warn END, 'fail', CASE WHEN x.judged THEN c.fail END,
                                  'worse', CASE WHEN x.judged THEN x.worse END)))
                   ORDER BY o), '[]')
        INTO result
        FROM jsonb_array_elements(rows) WITH ORDINALITY u (r, o)
        CROSS JOIN LATERAL (
            SELECT coalesce(r->>'metric', r->>'method', c.kind) AS metric,
                   coalesce(r->>'attribute', r->>'feature') AS attribute,
                   c.kind <> 'drift' AND coalesce(c.warn, c.fail) IS NOT NULL AND r->>'metric' <> 'error' AS judged,
                   coalesce(a->>'worse', CASE WHEN r->>'metric' IN ('auc', 'gini', 'ks', 'pr_auc', 'accuracy', 'precision', 'recall',
                                                                    'f1', 'mcc', 'r2', 'precision_macro', 'recall_macro', 'f1_macro',
                                                                    'labels_arrived', 'rows')
                                                OR r->>'metric' LIKE 'estimated\_%' OR r->>'metric' LIKE '%\_ratio'
                                                OR r->>'metric' = 'disparate_impact'
                                              THEN 'lower' ELSE 'higher' END) AS worse) x
        WHERE x.metric = 'error'
           OR ((NOT a ? 'metrics' OR a->'metrics' ? x.metric)
               AND (NOT a ? 'attributes' OR a->'attributes' ? x.attribute OR c.kind = 'drift' AND r->>'role' = 'data set'));
        IF NOT jsonb_path_exists(result, '$[*] ? (@.check == $id)', jsonb_build_object('id', c.id)) THEN
            result := result || jsonb_build_object(
                'check', c.id, 'metric', 'error', 'verdict', 'insufficient',
                'definition', jsonb_build_object('error', 'the report has no such metric or attribute'));
        END IF;
    END LOOP;
    RETURN result;
END
$$;
COMMENT ON FUNCTION mlops._measure_window(jsonb) IS 'Rows that the checks of a monitor give for one window.';
REVOKE ALL ON FUNCTION mlops._measure_window(jsonb) FROM PUBLIC;

-- Of many verdicts the worst; insufficient if there is no other.
CREATE FUNCTION mlops._worst_verdict(verdicts text[]) RETURNS text
    LANGUAGE SQL IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN 'fail' = ANY (verdicts) THEN 'fail' WHEN 'warn' = ANY (verdicts) THEN 'warn'
                WHEN 'ok' = ANY (verdicts) THEN 'ok' ELSE 'insufficient' END
$$;
COMMENT ON FUNCTION mlops._worst_verdict(text[]) IS 'Of many verdicts the worst: fail, warn, ok, insufficient.';

-- Record what was found in a window; the verdict, whether it was new, and what
-- is to be done.  Past windows open no alert, close none and are no evidence.
CREATE FUNCTION mlops._record_window(plan jsonb, results jsonb, live boolean) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    o mlops.monitor := mlops._lock_monitor(plan->>'name');
    start_time timestamptz := (plan->>'start')::timestamptz;
    end_time timestamptz := (plan->>'end')::timestamptz;
    version_of_run bigint := (plan->>'version')::bigint;
    model_name text;
    overall text;
    new_run bigint;
    newest boolean;
    c record;
    a mlops.alert;
    actions jsonb := '[]';
BEGIN
    IF o.id <> (plan->>'monitor')::bigint THEN
        RAISE EXCEPTION 'monitor "%" was dropped while it ran', o.name USING ERRCODE = 'ML057';
    END IF;
    SELECT m.name INTO STRICT model_name FROM mlops.model m WHERE m.id = o.model_id;
    newest := live AND NOT EXISTS (SELECT FROM mlops.monitor_run r WHERE r.monitor_id = o.id AND r.window_end > end_time);

    SELECT mlops._worst_verdict(array_agg(r->>'verdict')) INTO overall FROM jsonb_array_elements(results) r;
    INSERT INTO mlops.monitor_run (monitor_id, version_id, window_start, window_end, attempt, verdict, created_at, created_by)
    SELECT o.id, version_of_run, start_time, end_time, coalesce(max(r.attempt), 0) + 1, overall, clock_timestamp(), session_user
    FROM mlops.monitor_run r WHERE r.monitor_id = o.id AND r.window_start = start_time AND r.window_end = end_time
    RETURNING id INTO new_run;
    INSERT INTO mlops.check_result (run_id, check_id, metric, attribute, "group", value, p_value, threshold, n, skipped, verdict, definition)
    SELECT new_run, (r->>'check')::bigint, r->>'metric', r->>'attribute', r->>'group', (r->>'value')::float8, (r->>'p_value')::float8,
           (r->>'threshold')::float8, (r->>'n')::bigint, (r->>'skipped')::bigint, r->>'verdict', r->'definition'
    FROM jsonb_array_elements(results) WITH ORDINALITY u (r, o) ORDER BY u.o;
    IF NOT newest THEN
        RETURN jsonb_build_object('verdict', overall, 'new', true, 'actions', actions);
    END IF;

    PERFORM mlops._note_identity();
    IF version_of_run IS NOT NULL THEN
        PERFORM mlops._record_measurement(
            mlops._reference(version_of_run), o.name,
            jsonb_build_object('run', new_run, 'window_start', plan->>'start', 'window_end', plan->>'end', 'verdict', overall),
            CASE overall WHEN 'fail' THEN 'fail' WHEN 'insufficient' THEN NULL ELSE 'pass' END, NULL, 'run of a monitor');
    END IF;
    FOR c IN SELECT k.id, k.on_failure, k.function, mlops._worst_verdict(array_agg(r->>'verdict')) AS verdict
             FROM jsonb_array_elements(results) r JOIN mlops.monitor_check k ON k.id = (r->>'check')::bigint
             WHERE k.dropped_at IS NULL
             GROUP BY k.id ORDER BY k.id LOOP
        IF c.verdict = 'ok' THEN
            PERFORM mlops._end_alert(t.id, new_run, 'the check is ok again')
            FROM mlops.alert t WHERE t.check_id = c.id AND t.closed_at IS NULL;
        ELSIF c.verdict = 'fail' AND c.on_failure <> 'nothing' THEN
            -- an alarm that has not been closed is not raised again
            a := NULL;
            INSERT INTO mlops.alert (monitor_id, check_id, run_id, last_run_id, status, opened_at, action)
            VALUES (o.id, c.id, new_run, new_run, 'open', clock_timestamp(), c.on_failure)
            ON CONFLICT DO NOTHING
            RETURNING * INTO a;
            IF a.id IS NULL THEN
                UPDATE mlops.alert t SET last_run_id = new_run WHERE t.check_id = c.id AND t.closed_at IS NULL;
            ELSE
                PERFORM mlops._tell_alert(a);
                IF c.on_failure IN ('suspend', 'rollback', 'retrain', 'call') THEN
                    actions := actions || jsonb_build_object(
                        'alert', a.id, 'action', c.on_failure, 'function', c.function, 'path', plan->>'path',
                        'model', model_name, 'reference', o.reference, 'version', mlops._reference(version_of_run),
                        'alias', coalesce(nullif(split_part(o.reference, '@', 2), ''), 'champion'),
                        'reason', format('alert %s of monitor %s', a.id, o.name), 'message', mlops._alert_message(a));
                END IF;
            END IF;
        END IF;
    END LOOP;
    RETURN jsonb_build_object('verdict', overall, 'new', true, 'actions', actions);
END
$$;
COMMENT ON FUNCTION mlops._record_window(jsonb, jsonb, boolean) IS
    'Records the results of a window; opens and closes alerts; says what is to be done.';
REVOKE ALL ON FUNCTION mlops._record_window(jsonb, jsonb, boolean) FROM PUBLIC;

-- Do what an alert asks for, with the rights of the caller, who is the owner
-- of the monitor, by the functions that are there for everybody.
CREATE FUNCTION mlops._act_on_alert(action jsonb) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    present text;
BEGIN
    -- another version is in charge now: it is not to blame
    IF action->>'action' <> 'call' AND action->>'reference' NOT LIKE '%/%' THEN
        SELECT v.model || '/' || v.version INTO present
        FROM mlops.aliases v WHERE v.model = action->>'model' AND v.alias = action->>'alias';
        IF present IS DISTINCT FROM action->>'version' THEN
            RETURN format('not done: %s is not in charge any more', action->>'version');
        END IF;
    END IF;
    CASE action->>'action'
    WHEN 'suspend' THEN
        PERFORM mlops.suspend(action->>'model', action->>'reason');
    WHEN 'rollback' THEN
        PERFORM mlops.rollback(action->>'model', action->>'alias', action->>'reason');
    WHEN 'retrain' THEN
        PERFORM mlops.queue_retraining(action->>'model', reason => action->>'reason', alert => (action->>'alert')::bigint);
    WHEN 'call' THEN
        PERFORM set_config('search_path', action->>'path', true);
        EXECUTE format('SELECT %s($1)', action->>'function') USING action->'message';
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END CASE;
    RETURN 'done';
EXCEPTION
    WHEN serialization_failure OR deadlock_detected THEN
        RAISE;
    WHEN OTHERS THEN
        RETURN format('not done: %s', SQLERRM);
END
$$;
COMMENT ON FUNCTION mlops._act_on_alert(jsonb) IS 'Does what an alert asks for; says whether it was done, or why not.';
REVOKE ALL ON FUNCTION mlops._act_on_alert(jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._note_outcome(action jsonb, outcome text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    a mlops.alert;
BEGIN
    PERFORM mlops._caller();
    UPDATE mlops.alert t SET outcome = _note_outcome.outcome WHERE t.id = (_note_outcome.action->>'alert')::bigint RETURNING t.* INTO STRICT a;
    PERFORM mlops._audit(action => 'alert.act', model => m->>'model', version => (m->>'version')::integer,
                         subject => a.id::text, detail => m)
    FROM mlops._alert_message(a) m;
END
$$;
COMMENT ON FUNCTION mlops._note_outcome(jsonb, text) IS 'Notes what became of the action of an alert.';
REVOKE ALL ON FUNCTION mlops._note_outcome(jsonb, text) FROM PUBLIC;

CREATE FUNCTION mlops.run_monitor(name text, at timestamp with time zone DEFAULT NULL, again boolean DEFAULT false) RETURNS text
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_run_monitor';
COMMENT ON FUNCTION mlops.run_monitor(text, timestamp with time zone, boolean) IS
    'Does the checks of a monitor for the last window that had ended at a time (default: that for which the job was scheduled, outside of a job now), once unless again, and returns the worst verdict (ok, warn, fail, insufficient; NULL if it is not enabled); reads as the caller, who must be its owner; a check that ends with an error is insufficient and the others go on; errors ML057, ML059, 22023 and 42501.';
REVOKE ALL ON FUNCTION mlops.run_monitor(text, timestamp with time zone, boolean) FROM PUBLIC;

CREATE FUNCTION mlops.backfill_monitor(name text, since timestamp with time zone, until timestamp with time zone DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_backfill_monitor';
COMMENT ON FUNCTION mlops.backfill_monitor(text, timestamp with time zone, timestamp with time zone) IS
    'Does the checks of a monitor for all windows within a time that it has not looked at, and returns their number; opens and closes no alert, and is no evidence for gates; errors as of mlops.run_monitor(), and 22004.';
REVOKE ALL ON FUNCTION mlops.backfill_monitor(text, timestamp with time zone, timestamp with time zone) FROM PUBLIC;

--
-- Alerts
--

-- An alert that is not closed, of a model that the caller manages, locked.
CREATE FUNCTION mlops._lock_alert(alert bigint) RETURNS mlops.alert
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    a mlops.alert;
    model_name text;
BEGIN
    SELECT t.* INTO a FROM mlops.alert t WHERE t.id = alert FOR NO KEY UPDATE;
    SELECT m.name INTO model_name
    FROM mlops.monitor o JOIN mlops.model m ON m.id = o.model_id WHERE o.id = a.monitor_id;
    IF model_name IS NULL OR NOT mlops._caller_has(model_name, 'any') THEN
        RAISE EXCEPTION 'alert % does not exist', alert
            USING ERRCODE = 'ML057', HINT = 'View mlops.alerts shows those that you can see.';
    END IF;
    PERFORM mlops._require(model_name, 'manage');
    IF a.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'alert % is closed', alert
            USING ERRCODE = 'ML058', DETAIL = format('It was closed: %s.', a.close_comment);
    END IF;
    PERFORM mlops._note_identity();
    RETURN a;
END
$$;
COMMENT ON FUNCTION mlops._lock_alert(bigint) IS 'Row of an alert that is not closed, locked; errors ML057, ML058 and 42501.';
REVOKE ALL ON FUNCTION mlops._lock_alert(bigint) FROM PUBLIC;

CREATE FUNCTION mlops._acknowledge(alert bigint, comment text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    a mlops.alert := mlops._lock_alert(alert);
BEGIN
    PERFORM mlops._check_reason(comment);
    IF a.status <> 'open' THEN
        RAISE EXCEPTION 'alert % was acknowledged by %', alert, a.acknowledged_by USING ERRCODE = 'ML058';
    END IF;
    UPDATE mlops.alert t
    SET status = 'acknowledged', acknowledged_at = clock_timestamp(), acknowledged_by = session_user,
        comment = _acknowledge.comment
    WHERE t.id = a.id
    RETURNING t.* INTO a;
    PERFORM mlops._tell_alert(a);
END
$$;
COMMENT ON FUNCTION mlops._acknowledge(bigint, text) IS 'Body of mlops.acknowledge().';
REVOKE ALL ON FUNCTION mlops._acknowledge(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops.acknowledge(alert bigint, comment text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.acknowledge(bigint, text) IS
    'Says that somebody takes care of an open alert; the comment is mandatory; it stays until the check is ok again or it is closed; needs privilege manage on the model; errors ML057, ML058, 22004 and 42501.';
REVOKE ALL ON FUNCTION mlops.acknowledge(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._close_alert(alert bigint, comment text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM mlops._lock_alert(alert);
    PERFORM mlops._check_reason(comment);
    PERFORM mlops._end_alert(alert, NULL, comment);
END
$$;
COMMENT ON FUNCTION mlops._close_alert(bigint, text) IS 'Body of mlops.close_alert().';
REVOKE ALL ON FUNCTION mlops._close_alert(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops.close_alert(alert bigint, comment text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.close_alert(bigint, text) IS
    'Closes an alert, so that the next failure of its check opens a new one; the comment is mandatory; needs privilege manage on the model; errors ML057, ML058, 22004 and 42501.';
REVOKE ALL ON FUNCTION mlops.close_alert(bigint, text) FROM PUBLIC;

--
-- Views
--
CREATE VIEW mlops.monitors WITH (security_barrier) AS
    SELECT o.name AS monitor,
           m.name AS model,
           o.reference,
           o.owner_name AS owner,
           o.source,
           o.time_column,
           o.window_length,
           o.granularity,
           o.time_zone,
           o.key,
           o.label,
           o.groups,
           o.enabled,
           (SELECT pg_catalog.max(r.window_end) FROM mlops.monitor_run r
            WHERE r.monitor_id OPERATOR(pg_catalog.=) o.id) AS last_window_end,
           o.created_at
    FROM mlops.monitor o
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) o.model_id
    WHERE o.dropped_at IS NULL AND mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.monitors IS 'Monitors of models on which the viewer has any privilege.';
GRANT SELECT ON mlops.monitors TO PUBLIC;

CREATE VIEW mlops.monitor_checks WITH (security_barrier) AS
    SELECT c.id,
           o.name AS monitor,
           m.name AS model,
           c.kind,
           c.arguments,
           c.warn,
           c.fail,
           c.min_rows,
           c.on_failure,
           c.function,
           c.created_at,
           c.created_by
    FROM mlops.monitor_check c
    JOIN mlops.monitor o ON o.id OPERATOR(pg_catalog.=) c.monitor_id
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) o.model_id
    WHERE c.dropped_at IS NULL AND mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.monitor_checks IS 'Checks of monitors of models on which the viewer has any privilege.';
GRANT SELECT ON mlops.monitor_checks TO PUBLIC;

CREATE VIEW mlops.check_results WITH (security_barrier) AS
    SELECT x.id,
           o.name AS monitor,
           m.name AS model,
           v.version,
           r.window_start,
           r.window_end,
           r.attempt,
           x.check_id AS "check",
           c.kind,
           x.metric,
           x.attribute,
           x."group",
           x.value,
           x.p_value,
           x.threshold,
           x.n,
           x.skipped,
           x.verdict,
           x.definition,
           r.created_at
    FROM mlops.check_result x
    JOIN mlops.monitor_run r ON r.id OPERATOR(pg_catalog.=) x.run_id
    JOIN mlops.monitor o ON o.id OPERATOR(pg_catalog.=) r.monitor_id
    JOIN mlops.monitor_check c ON c.id OPERATOR(pg_catalog.=) x.check_id
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) o.model_id
    LEFT JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) r.version_id
    WHERE mlops.has_privilege(m.name, 'read');
COMMENT ON VIEW mlops.check_results IS
    'What the checks of monitors found in each window, with the version in charge and the definition of the figure; also of those that were dropped; of models on which the viewer has privilege read.';
GRANT SELECT ON mlops.check_results TO PUBLIC;

CREATE VIEW mlops.alerts WITH (security_barrier) AS
    SELECT a.id,
           o.name AS monitor,
           m.name AS model,
           v.version,
           a.check_id AS "check",
           c.kind,
           a.status,
           r.window_start,
           r.window_end,
           l.window_end AS last_window_end,
           a.action,
           a.outcome,
           a.opened_at,
           a.acknowledged_at,
           a.acknowledged_by,
           a.comment,
           a.closed_at,
           a.closed_by,
           a.close_comment
    FROM mlops.alert a
    JOIN mlops.monitor_run r ON r.id OPERATOR(pg_catalog.=) a.run_id
    JOIN mlops.monitor_run l ON l.id OPERATOR(pg_catalog.=) a.last_run_id
    JOIN mlops.monitor o ON o.id OPERATOR(pg_catalog.=) a.monitor_id
    JOIN mlops.monitor_check c ON c.id OPERATOR(pg_catalog.=) a.check_id
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) o.model_id
    LEFT JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) r.version_id
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.alerts IS
    'Alarms of checks (open, acknowledged, closed), with the window that raised each, the last one that failed or closed it, and what became of the action, of models on which the viewer has any privilege.';
GRANT SELECT ON mlops.alerts TO PUBLIC;
