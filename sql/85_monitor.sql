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
    label_wait interval NOT NULL CHECK (label_wait OPERATOR(pg_catalog.>=) '0'::interval),
    enabled boolean NOT NULL,
    since timestamp with time zone NOT NULL,
    job_id bigint,
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
        CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['drift', 'domain', 'quality', 'poisoning', 'probing', 'performance', 'bias'])),
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
    labels bigint,
    label_rows bigint,
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
-- A month is no number of days.
CREATE FUNCTION mlops._months(length interval) RETURNS integer
    LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (extract(year FROM length) * 12 + extract(month FROM length))::integer
$$;
COMMENT ON FUNCTION mlops._months(interval) IS 'The months, with those of its years, that an interval begins with.';
REVOKE ALL ON FUNCTION mlops._months(interval) FROM PUBLIC;

CREATE FUNCTION mlops._length_state(length interval) RETURNS jsonb
    LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE mlops._months(length) WHEN 0 THEN to_jsonb(extract(epoch FROM length))
           ELSE to_jsonb(format('%s months', mlops._months(length))) END
$$;
COMMENT ON FUNCTION mlops._length_state(interval) IS 'A length of time for events, in any IntervalStyle: seconds, or months.';
REVOKE ALL ON FUNCTION mlops._length_state(interval) FROM PUBLIC;

CREATE FUNCTION mlops._monitor_state(monitor mlops.monitor) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_jsonb(monitor) - '{id,model_id,owner}'::text[]
        || jsonb_build_object('window_length', mlops._length_state((monitor).window_length),
                              'granularity', mlops._length_state((monitor).granularity),
                              'label_wait', mlops._length_state((monitor).label_wait),
                              'since', mlops._utc((monitor).since),
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

-- What a check needs of its monitor and has not, NULL if it has all.
CREATE FUNCTION mlops._check_problem(monitor mlops.monitor, kind text, arguments jsonb) RETURNS text
    LANGUAGE SQL IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN kind IN ('performance', 'poisoning') AND monitor.label IS NULL THEN 'The monitor has no label.'
                WHEN kind = 'performance' AND arguments ? 'labels' AND monitor.key IS NULL
                    THEN 'Labels of their own are joined by the first column of the monitor''s key, and it has none.'
                WHEN kind = 'bias' AND monitor.groups IS NULL THEN 'The monitor has no groups.'
                WHEN kind = 'bias' AND monitor.label IS NULL AND NOT arguments ? 'prediction'
                    THEN 'It needs the label of the monitor, or a prediction.' END
$$;
COMMENT ON FUNCTION mlops._check_problem(mlops.monitor, text, jsonb) IS 'What a check needs of its monitor and has not; NULL if nothing.';
REVOKE ALL ON FUNCTION mlops._check_problem(mlops.monitor, text, jsonb) FROM PUBLIC;

-- Errors unless windows of this length can follow each other.
CREATE FUNCTION mlops._check_windows(window_length interval, granularity interval, time_zone text, time_type text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    months integer := mlops._months(window_length);
    step integer := mlops._months(granularity);
    problem text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_timezone_names z WHERE lower(z.name) = lower(time_zone)) THEN
        RAISE EXCEPTION 'time zone "%" is not known', time_zone USING ERRCODE = 'invalid_parameter_value';
    END IF;
    problem := CASE
        WHEN window_length IS NULL OR granularity IS NULL THEN 'A window has a length.'
        WHEN months > 0 AND window_length - make_interval(months => months) <> interval '0'
             OR step > 0 AND granularity - make_interval(months => step) <> interval '0'
            THEN 'A length is in months and years, or in days and what is shorter.'
        WHEN granularity < interval '1 second' OR window_length > interval '3660 days'
            THEN 'The granularity is at least a second, the window at most 3660 days.'
        WHEN CASE WHEN step > 0 THEN months = 0 OR mod(months, step) <> 0
                  WHEN months > 0 THEN mod(extract(epoch FROM granularity), 86400) <> 0 OR granularity > interval '28 days'
                  ELSE mod(extract(epoch FROM window_length), extract(epoch FROM granularity)) <> 0 END
            THEN 'The window is a multiple of the granularity; one of months can also go on by up to 28 whole days.'
        WHEN time_type = 'date' AND step = 0 AND mod(extract(epoch FROM granularity), 86400) <> 0
            THEN 'Dates need a granularity of whole days.' END;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'invalid windows of a monitor: % by %', window_length, granularity
            USING ERRCODE = 'ML059', DETAIL = problem;
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._check_windows(interval, interval, text, text) IS 'Error ML059 or 22023 unless windows can be of this kind.';
REVOKE ALL ON FUNCTION mlops._check_windows(interval, interval, text, text) FROM PUBLIC;

-- The last end of a window that is not after a time without zone.
CREATE FUNCTION mlops._window_end(granularity interval, at timestamp) RETURNS timestamp
    LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE m.months WHEN 0 THEN date_bin(granularity, at, timestamp '1970-01-05 00:00')
           ELSE date_trunc('month', at)
                - make_interval(months => mod((extract(year FROM at) * 12 + extract(month FROM at))::integer - 1, m.months)) END
    FROM (SELECT mlops._months(granularity) AS months) m
$$;
COMMENT ON FUNCTION mlops._window_end(interval, timestamp) IS 'Last end of a window that is not after a local time.';
REVOKE ALL ON FUNCTION mlops._window_end(interval, timestamp) FROM PUBLIC;

-- Days, months and times without zone are those of the monitor's time zone;
-- what is shorter goes by each hour that passes.
CREATE FUNCTION mlops._window_zone(monitor mlops.monitor) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN monitor.time_type <> 'timestamptz' OR mlops._months(monitor.granularity) > 0
                     OR mod(extract(epoch FROM monitor.granularity), 86400) = 0
                THEN monitor.time_zone ELSE 'UTC' END
$$;
COMMENT ON FUNCTION mlops._window_zone(mlops.monitor) IS 'Time zone in which the windows of a monitor end.';
REVOKE ALL ON FUNCTION mlops._window_zone(mlops.monitor) FROM PUBLIC;

CREATE FUNCTION mlops._monitor_windows(monitor mlops.monitor, since timestamp with time zone, until timestamp with time zone)
    RETURNS TABLE (start_time timestamp with time zone, end_time timestamp with time zone)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT w.start_time, w.end_time
    FROM (SELECT mlops._window_zone(monitor) AS name) z
    CROSS JOIN LATERAL generate_series(mlops._window_end(monitor.granularity, since AT TIME ZONE z.name),
                                       mlops._window_end(monitor.granularity, until AT TIME ZONE z.name),
                                       monitor.granularity) e
    CROSS JOIN LATERAL (SELECT (e - monitor.window_length) AT TIME ZONE z.name AS start_time, e AT TIME ZONE z.name AS end_time) w
    WHERE w.end_time > since AND w.end_time <= until AND w.start_time < w.end_time
    ORDER BY w.end_time
$$;
COMMENT ON FUNCTION mlops._monitor_windows(mlops.monitor, timestamp with time zone, timestamp with time zone) IS
    'Windows of a monitor that end after one time and not after another, in order.';
REVOKE ALL ON FUNCTION mlops._monitor_windows(mlops.monitor, timestamp with time zone, timestamp with time zone) FROM PUBLIC;

-- From when on windows follow each other that begin now: the last one that has
-- ended is the first.
CREATE FUNCTION mlops._first_since(monitor mlops.monitor) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    zone text := mlops._window_zone(monitor);
BEGIN
    RETURN (mlops._window_end(monitor.granularity, mlops._now() AT TIME ZONE zone) - monitor.granularity) AT TIME ZONE zone;
END
$$;
COMMENT ON FUNCTION mlops._first_since(mlops.monitor) IS 'End of the window before the last one that has ended.';
REVOKE ALL ON FUNCTION mlops._first_since(mlops.monitor) FROM PUBLIC;

CREATE FUNCTION mlops._check_label_wait(label_wait interval) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF label_wait < interval '0' OR label_wait > interval '3660 days' THEN
        RAISE EXCEPTION 'label_wait is out of range: %', label_wait
            USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It is from 0, which is not at all, to 3660 days.';
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._check_label_wait(interval) IS 'Error 22023 unless a monitor can wait so long for labels.';
REVOKE ALL ON FUNCTION mlops._check_label_wait(interval) FROM PUBLIC;

CREATE FUNCTION mlops._create_monitor(name text, model mlops.modelref, source text, time_column text, window_length interval,
                                      granularity interval, key text[], label text, groups text[], time_zone text,
                                      schedule text, label_wait interval, resolved jsonb) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    o mlops.monitor;
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
    o.id := nextval('mlops.monitor_id_seq');
    o.name := name;
    o.model_id := target;
    o.reference := model;
    o.owner_name := mlops._caller();
    o.source := resolved->>'source';
    o.path := resolved->>'path';
    o.time_column := resolved->>'time_column';
    o.time_type := resolved->>'time_type';
    o.window_length := window_length;
    o.granularity := granularity;
    o.time_zone := time_zone;
    o.key := nullif(key, '{}');
    o.label := nullif(label, '');
    o.groups := nullif(groups, '{}');
    o.label_wait := coalesce(label_wait, interval '0');
    PERFORM mlops._check_label_wait(o.label_wait);
    o.enabled := true;
    o.since := mlops._first_since(o);
    o.created_at := clock_timestamp();
    o.created_by := session_user;
    INSERT INTO mlops.monitor SELECT o.* ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'monitor "%" already exists', name USING ERRCODE = 'duplicate_object';
    END IF;
    IF schedule <> '' THEN
        o.job_id := mlops._schedule_monitor(o, schedule);
        UPDATE mlops.monitor t SET job_id = o.job_id WHERE t.id = o.id;
    END IF;
    PERFORM mlops._note_identity();
    PERFORM mlops._audit(action => 'monitor.create', model => model_name, subject => o.id::text,
                         state_after => mlops._monitor_state(o));
    RETURN o.id;
END
$$;
COMMENT ON FUNCTION mlops._create_monitor(text, mlops.modelref, text, text, interval, interval, text[], text, text[], text, text, interval, jsonb) IS
    'Body of mlops.create_monitor(), after the source as it is stored.';
REVOKE ALL ON FUNCTION mlops._create_monitor(text, mlops.modelref, text, text, interval, interval, text[], text, text[], text, text, interval, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops.create_monitor(name text, model mlops.modelref, source text, time_column text,
                                     window_length interval DEFAULT '1 day', granularity interval DEFAULT NULL,
                                     key text[] DEFAULT NULL, label text DEFAULT NULL, groups text[] DEFAULT NULL,
                                     time_zone text DEFAULT NULL, schedule text DEFAULT NULL,
                                     label_wait interval DEFAULT '90 days') RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_create_monitor';
COMMENT ON FUNCTION mlops.create_monitor(text, mlops.modelref, text, text, interval, interval, text[], text, text[], text, text, interval) IS
    'Makes a monitor of the version that a model or alias has, over windows of the rows of a relation or SELECT, which end at multiples of the granularity (default: the length, so that they neither overlap nor leave gaps), and returns its id; the caller is its owner; with a schedule it runs by itself, for which the right to execute mlops.schedule is needed; windows are measured again while labels come, until label_wait after their end; needs privilege manage; errors ML001, ML002, ML059, ML060, 22004, 22023, 42501, 42602, 42703, 42710, 42804 and 42P01.';
REVOKE ALL ON FUNCTION mlops.create_monitor(text, mlops.modelref, text, text, interval, interval, text[], text, text[], text, text, interval) FROM PUBLIC;

CREATE FUNCTION mlops._alter_monitor(name text, source text, time_column text, window_length interval, granularity interval,
                                     key text[], label text, groups text[], time_zone text, enabled boolean,
                                     schedule text, label_wait interval, resolved jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    old mlops.monitor := mlops._lock_monitor(name);
    o mlops.monitor := old;
    needy record;
BEGIN
    o.source := coalesce(resolved->>'source', o.source);
    o.path := coalesce(resolved->>'path', o.path);
    o.time_column := coalesce(resolved->>'time_column', o.time_column);
    o.time_type := coalesce(resolved->>'time_type', o.time_type);
    o.window_length := coalesce(justify_hours(window_length), o.window_length);
    o.granularity := coalesce(justify_hours(granularity), CASE WHEN window_length IS NULL THEN o.granularity ELSE o.window_length END);
    o.time_zone := coalesce(time_zone, o.time_zone);
    PERFORM mlops._check_windows(o.window_length, o.granularity, o.time_zone, o.time_type);
    o.key := nullif(coalesce(key, o.key), '{}');
    o.label := nullif(coalesce(label, o.label), '');
    o.groups := nullif(coalesce(groups, o.groups), '{}');
    SELECT c.id, p.problem INTO needy
    FROM mlops.monitor_check c CROSS JOIN LATERAL mlops._check_problem(o, c.kind, c.arguments) p (problem)
    WHERE c.monitor_id = o.id AND c.dropped_at IS NULL AND p.problem IS NOT NULL ORDER BY c.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'check % of monitor "%" needs what would be taken away', needy.id, name
            USING ERRCODE = 'invalid_parameter_value', DETAIL = needy.problem, HINT = 'Drop the check first.';
    END IF;
    o.label_wait := coalesce(label_wait, o.label_wait);
    PERFORM mlops._check_label_wait(o.label_wait);
    o.enabled := coalesce(enabled, o.enabled);
    IF schedule IS NOT NULL OR o.time_zone <> old.time_zone THEN
        o.job_id := mlops._schedule_monitor(o, schedule);
    END IF;
    -- New windows follow those that were measured; what begins anew begins now.
    IF (o.window_length, o.granularity, o.time_zone, o.time_type) <> (old.window_length, old.granularity, old.time_zone, old.time_type) THEN
        o.since := coalesce((SELECT max(r.window_end) FROM mlops.monitor_run r WHERE r.monitor_id = o.id), mlops._first_since(o));
    END IF;
    IF o.enabled > old.enabled OR (o.job_id IS NOT NULL AND o.job_id IS DISTINCT FROM old.job_id) THEN
        o.since := mlops._first_since(o);
    END IF;
    UPDATE mlops.monitor t
    SET source = o.source, path = o.path, time_column = o.time_column, time_type = o.time_type,
        window_length = o.window_length, granularity = o.granularity, time_zone = o.time_zone, key = o.key, label = o.label,
        groups = o.groups, label_wait = o.label_wait, enabled = o.enabled, since = o.since, job_id = o.job_id
    WHERE t.id = o.id;
    PERFORM mlops._note_identity();
    PERFORM mlops._audit(action => 'monitor.alter', model => m.name, subject => o.id::text,
                         state_before => mlops._monitor_state(old), state_after => mlops._monitor_state(o))
    FROM mlops.model m WHERE m.id = o.model_id;
END
$$;
COMMENT ON FUNCTION mlops._alter_monitor(text, text, text, interval, interval, text[], text, text[], text, boolean, text, interval, jsonb) IS
    'Body of mlops.alter_monitor(), after the source as it is stored, or NULL.';
REVOKE ALL ON FUNCTION mlops._alter_monitor(text, text, text, interval, interval, text[], text, text[], text, boolean, text, interval, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops.alter_monitor(name text, source text DEFAULT NULL, time_column text DEFAULT NULL,
                                    window_length interval DEFAULT NULL, granularity interval DEFAULT NULL,
                                    key text[] DEFAULT NULL, label text DEFAULT NULL, groups text[] DEFAULT NULL,
                                    time_zone text DEFAULT NULL, enabled boolean DEFAULT NULL,
                                    schedule text DEFAULT NULL, label_wait interval DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_alter_monitor';
COMMENT ON FUNCTION mlops.alter_monitor(text, text, text, interval, interval, text[], text, text[], text, boolean, text, interval) IS
    'Changes those properties of a monitor that are not NULL; an empty key, label, groups or schedule takes it away; one that is not enabled runs without doing anything; results stay as they are; needs to be its owner and privilege manage; errors ML057, ML059, ML060, 22004, 22023, 42501, 42703, 42710, 42804 and 42P01.';
REVOKE ALL ON FUNCTION mlops.alter_monitor(text, text, text, interval, interval, text[], text, text[], text, boolean, text, interval) FROM PUBLIC;

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
    -- every role can listen, and an error may quote what it has read
    PERFORM pg_notify('mlops_alert', (message - 'outcome')::text);
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
    PERFORM mlops._remove_job(j) FROM mlops.job j WHERE j.id = o.job_id;
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
    'Drops a monitor with its checks and its job, and closes its alerts; the results stay; needs to be its owner or that of the model; errors ML057, 22004 and 42501.';
REVOKE ALL ON FUNCTION mlops.drop_monitor(text) FROM PUBLIC;

-- Whether a role can call a function without giving its rights to somebody
-- else, who could change what the function does.
CREATE FUNCTION mlops._trusts_function(role oid, function oid) RETURNS boolean
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce((SELECT r.rolsuper OR pg_has_role(_trusts_function.role, r.oid, 'MEMBER')
                     FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE p.oid = _trusts_function.function), false)
$$;
COMMENT ON FUNCTION mlops._trusts_function(oid, oid) IS
    'Whether the owner of a function is a superuser, or a role of which another one is a member.';

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
        WHEN 'domain' THEN '{reference,features,max_rows,seed,metrics,attributes,worse}'
        WHEN 'poisoning' THEN '{reference,source,tolerance,metrics,attributes,worse}'
        WHEN 'probing' THEN '{reference,decision_threshold,band,changes,min_copies,metrics,attributes,worse}'
        WHEN 'quality' THEN '{reference,max_age,rules,metrics,attributes,worse}'
        WHEN 'performance' THEN '{labels,segments,threshold,replicates,seed,metrics,attributes,worse}'
        WHEN 'bias' THEN '{prediction,privileged,favourable,threshold,stratum,metrics,attributes,worse}' END;
    problem := CASE
        WHEN known IS NULL THEN 'Kinds are drift, domain, quality, poisoning, probing, performance and bias.'
        WHEN jsonb_typeof(arguments) <> 'object' THEN 'The arguments are a JSON object.'
        WHEN EXISTS (SELECT FROM jsonb_object_keys(arguments) k WHERE k <> ALL (known))
            THEN format('Arguments of a check of kind %s are %s.', kind, array_to_string(known, ', '))
        WHEN EXISTS (SELECT FROM jsonb_each(arguments) a
                     WHERE a.key IN ('metrics', 'attributes', 'features', 'segments', 'privileged', 'favourable')
                       AND (jsonb_typeof(a.value) <> 'array' OR jsonb_array_length(a.value) = 0
                            OR jsonb_path_exists(a.value, '$[*] ? (@.type() != "string")')))
            THEN 'Metrics, attributes, features, segments, privileged and favourable are lists of texts.'
        WHEN jsonb_typeof(arguments->'options') <> 'object' OR jsonb_typeof(arguments->'rules') <> 'object'
            THEN 'Options and rules are JSON objects.'
        WHEN arguments->>'worse' NOT IN ('higher', 'lower') THEN 'What is worse is higher or lower.'
        -- they are compared as float8, and one that is too large or too small for it is an error
        WHEN EXISTS (SELECT FROM unnest(ARRAY[warn, fail]) t WHERE t <> 0 AND abs(t) NOT BETWEEN 1e-300 AND 1e300)
            THEN 'Thresholds are finite numbers, 0 or from 1e-300 to 1e300 in size.'
        WHEN kind <> 'drift' AND (warn IS NOT NULL OR fail IS NOT NULL) AND NOT arguments ? 'metrics'
            THEN 'Thresholds need to know of which metrics they are.'
        WHEN min_rows < 1 THEN 'There is at least one row.'
        WHEN mlops._check_problem(o, kind, arguments) IS NOT NULL THEN mlops._check_problem(o, kind, arguments)
        WHEN on_failure NOT IN ('nothing', 'alert', 'suspend', 'rollback', 'retrain', 'call')
            THEN 'On failure: nothing, alert, suspend, rollback, retrain or call.'
        WHEN on_failure = 'rollback' AND o.reference LIKE '%/%'
            THEN 'A monitor of one version has no alias to roll back.'
        WHEN (on_failure = 'call') <> (function IS NOT NULL) THEN 'A function is named to be called, and only then.'
        WHEN function IS NOT NULL AND NOT EXISTS (SELECT FROM pg_proc p WHERE p.oid = function AND p.prokind = 'f'
                                                  AND p.pronargs = 1 AND p.proargtypes[0] = 'jsonb'::regtype)
            THEN 'The function takes one jsonb.'
        WHEN function IS NOT NULL AND NOT mlops._trusts_function(o.owner, function)
            THEN 'The function is called with your rights: it must belong to you, to a role of which you are a member, or to a superuser.' END;
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
    'Adds a check to a monitor and returns its id: a report of kind drift, domain, quality, poisoning, probing, performance or bias with its arguments, thresholds, the rows that a verdict needs, and what happens on failure: nothing, alert, suspend, rollback, retrain (queue a retraining of the champion) or call (a function of one jsonb), all but the first with an alert; needs to be the monitor''s owner and privilege manage; errors ML057, 22004, 22023 and 42501.';
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

-- A time as the source of a monitor has it.
CREATE FUNCTION mlops._monitor_time(at timestamp with time zone, time_type text, time_zone text) RETURNS text
    LANGUAGE SQL STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE time_type WHEN 'timestamptz' THEN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.USZ')
           ELSE to_char(at AT TIME ZONE time_zone, 'YYYY-MM-DD HH24:MI:SS.US') END
$$;
COMMENT ON FUNCTION mlops._monitor_time(timestamp with time zone, text, text) IS
    'A time as text: of timestamptz in UTC, of other types in the time zone of the monitor.';

-- The windows whose labels may have grown since they were measured, of a run
-- that is given no time; NULL if there are none.
CREATE FUNCTION mlops._plan_late(name text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    max_windows CONSTANT integer := 10000;
    o mlops.monitor := mlops._lock_monitor(name);
    until timestamptz := coalesce((SELECT c.scheduled_at FROM mlops.current_run() c), mlops._now());
    checks jsonb := mlops._plan_checks(o, late => true);
    windows jsonb;
BEGIN
    SELECT jsonb_agg(jsonb_build_object('start', mlops._utc(l.window_start), 'end', mlops._utc(l.window_end), 'labels', l.labels))
    INTO windows
    FROM (SELECT DISTINCT ON (r.window_end, r.window_start) r.*
          FROM mlops.monitor_run r
          WHERE r.monitor_id = o.id AND r.window_end > until - o.label_wait AND r.window_end <= until AND r.labels IS NOT NULL
          ORDER BY r.window_end DESC, r.window_start, r.attempt DESC LIMIT max_windows) l
    WHERE l.labels < l.label_rows;
    IF o.enabled AND windows IS NOT NULL AND checks <> '[]' THEN
        RETURN mlops._plan_window(o, (SELECT min((w->>'start')::timestamptz) FROM jsonb_array_elements(windows) w),
                                  (SELECT max((w->>'end')::timestamptz) FROM jsonb_array_elements(windows) w))
               || jsonb_build_object('checks', checks, 'windows', windows);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mlops._plan_late(text) IS
    'Windows of a monitor that lacked labels when they were last measured, with the checks that read labels; errors ML057 and 42501.';
REVOKE ALL ON FUNCTION mlops._plan_late(text) FROM PUBLIC;

-- What the caller's part of a run has to know of a monitor and a time.
CREATE FUNCTION mlops._plan_window(monitor mlops.monitor, start_time timestamp with time zone, end_time timestamp with time zone)
    RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object(
        'monitor', monitor.id, 'name', monitor.name, 'path', monitor.path,
        'start', mlops._utc(start_time), 'end', mlops._utc(end_time),
        'label', monitor.label, 'key', monitor.key, 'groups', monitor.groups,
        'time_column', monitor.time_column, 'time_type', monitor.time_type, 'time_zone', monitor.time_zone,
        'query', format('SELECT * FROM (%s' || E'\n' || ') q WHERE q.%I OPERATOR(pg_catalog.>=) %L::pg_catalog.%s'
                        ' AND q.%2$I OPERATOR(pg_catalog.<) %5$L::pg_catalog.%4$s', monitor.source, monitor.time_column,
                        mlops._monitor_time(start_time, monitor.time_type, monitor.time_zone),
                        CASE monitor.time_type WHEN 'timestamptz' THEN 'timestamptz' ELSE 'timestamp' END,
                        mlops._monitor_time(end_time, monitor.time_type, monitor.time_zone)))
$$;
COMMENT ON FUNCTION mlops._plan_window(mlops.monitor, timestamp with time zone, timestamp with time zone) IS
    'What reading the rows of a monitor within a time needs.';
REVOKE ALL ON FUNCTION mlops._plan_window(mlops.monitor, timestamp with time zone, timestamp with time zone) FROM PUBLIC;

-- The checks of a monitor, or those alone that read labels.
CREATE FUNCTION mlops._plan_checks(monitor mlops.monitor, late boolean) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'kind', c.kind, 'arguments', c.arguments, 'warn', c.warn, 'fail', c.fail,
                                                 'min_rows', c.min_rows) ORDER BY c.id), '[]')
    FROM mlops.monitor_check c
    WHERE c.monitor_id = monitor.id AND c.dropped_at IS NULL
      AND NOT (late AND (monitor.label IS NULL OR c.kind NOT IN ('performance', 'bias')))
$$;
COMMENT ON FUNCTION mlops._plan_checks(mlops.monitor, boolean) IS 'Checks of a monitor, or those of them that read labels.';
REVOKE ALL ON FUNCTION mlops._plan_checks(mlops.monitor, boolean) FROM PUBLIC;

-- What there is to do: the windows within a time, or the last one that had
-- ended at a time, or, without any time, all that nobody has looked at and
-- those to which labels have come; each with the rows and the version to look
-- at.  Without a time it is a hundred at most: what then remains is done by
-- another run of the same job, so that no transaction becomes long.
CREATE FUNCTION mlops._plan_monitor(name text, since timestamp with time zone, until timestamp with time zone,
                                    again boolean, late jsonb) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    max_windows CONSTANT integer := 10000;
    max_new CONSTANT integer := 100;
    o mlops.monitor := mlops._lock_monitor(name);
    follow boolean := since IS NULL AND until IS NULL;
    model_name text;
    w record;
    version_id bigint;
    in_charge boolean;
    remain bigint := 0;
    result jsonb := '[]';
BEGIN
    SELECT m.name INTO STRICT model_name FROM mlops.model m WHERE m.id = o.model_id;
    IF NOT o.enabled THEN
        RETURN result;
    END IF;
    until := coalesce(until, (SELECT c.scheduled_at FROM mlops.current_run() c), mlops._now());
    IF NOT isfinite(until) OR NOT isfinite(since) THEN
        RAISE EXCEPTION 'a monitor runs at a finite time' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF extract(epoch FROM until - since) / extract(epoch FROM o.granularity) > max_windows THEN
        RAISE EXCEPTION 'more than % windows of monitor "%"', max_windows, name
            USING ERRCODE = 'ML059', HINT = 'Take a shorter time.';
    END IF;
    FOR w IN
        WITH possible AS (
            SELECT p.start_time, p.end_time, d.verdict AS done, max(p.end_time) OVER () AS last_end
            FROM mlops._monitor_windows(o, CASE WHEN follow THEN greatest(o.since, until - least(max_windows * o.granularity, interval '1000 years'))
                                                ELSE coalesce(since, until - o.granularity - interval '2 hours') END, until) p
            LEFT JOIN LATERAL (SELECT r.verdict FROM mlops.monitor_run r
                               WHERE r.monitor_id = o.id AND r.window_start = p.start_time AND r.window_end = p.end_time
                               ORDER BY r.attempt DESC LIMIT 1) d ON true
            WHERE since IS NULL OR p.start_time >= since
        ), fresh AS (
            SELECT p.start_time, p.end_time, CASE WHEN NOT again THEN p.done END AS done, false AS late,
                   row_number() OVER (ORDER BY p.end_time) AS number, count(*) OVER () AS total
            FROM possible p
            WHERE NOT follow AND (since IS NOT NULL OR p.end_time = p.last_end) OR follow AND p.done IS NULL
        ), grown AS (
            SELECT (l->>'start')::timestamptz AS start_time, (l->>'end')::timestamptz AS end_time,
                   row_number() OVER (ORDER BY (l->>'end')::timestamptz) AS number, count(*) OVER () AS total
            FROM jsonb_array_elements(late) l
        )
        SELECT f.start_time, f.end_time, f.done, f.late, f.total FROM fresh f WHERE NOT follow OR f.number <= max_new
        UNION ALL
        SELECT g.start_time, g.end_time, NULL, true, g.total FROM grown g WHERE g.number <= max_new
        UNION ALL
        -- nothing new: the verdict that there is
        SELECT p.start_time, p.end_time, p.done, false, 0 FROM possible p
        WHERE follow AND p.end_time = p.last_end AND p.done IS NOT NULL
        ORDER BY 2, 4
    LOOP
        remain := greatest(remain, CASE WHEN follow THEN w.total - max_new ELSE 0 END);
        -- the version in charge when the window ended; before the first one, that of today
        in_charge := true;
        version_id := NULL;
        IF o.reference NOT LIKE '%/%' THEN
            SELECT v.id INTO version_id
            FROM mlops.version v
            WHERE v.model_id = o.model_id
              AND mlops._reference(v.id)::text = mlops._model_at(o.reference::mlops.modelref, w.end_time)::text;
            in_charge := version_id IS NOT NULL;
        END IF;
        IF version_id IS NULL THEN
            BEGIN
                version_id := mlops._resolve(o.reference::mlops.modelref, 'manage');
            EXCEPTION WHEN SQLSTATE 'ML002' OR SQLSTATE 'ML003' THEN
                version_id := NULL;
            END;
        END IF;
        result := result || (
            mlops._plan_window(o, w.start_time, w.end_time) || jsonb_build_object(
                'model', mlops._reference(version_id), 'version', version_id, 'in_charge', in_charge, 'done', w.done,
                'late', w.late, 'checks', mlops._plan_checks(o, w.late)));
    END LOOP;
    IF remain > 0 THEN
        IF EXISTS (SELECT FROM mlops.current_run() c JOIN mlops.job_run r ON r.id = c.run WHERE r.job_id = o.job_id) THEN
            PERFORM mlops._add_run(j, mlops._now(), 'continue', until, NULL) FROM mlops.job j WHERE j.id = o.job_id;
        ELSE
            RAISE NOTICE 'windows of monitor "%" that remain: %', name, remain USING HINT = 'Run it again.';
        END IF;
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION mlops._plan_monitor(text, timestamp with time zone, timestamp with time zone, boolean, jsonb) IS
    'Windows of a monitor, with what is to be looked at in each; errors ML057, ML059, 22023 and 42501.';
REVOKE ALL ON FUNCTION mlops._plan_monitor(text, timestamp with time zone, timestamp with time zone, boolean, jsonb) FROM PUBLIC;

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

-- A window as its checks need it: with what earlier ones had.
CREATE FUNCTION mlops._ready_window(plan jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM mlops._caller();
    RETURN plan || jsonb_build_object('past_rows', (
        SELECT jsonb_object_agg(k->>'id', (
            SELECT jsonb_agg(p.value)
            FROM (SELECT DISTINCT ON (r.window_end) x.value
                  FROM mlops.check_result x JOIN mlops.monitor_run r ON r.id = x.run_id
                  WHERE x.check_id = (k->>'id')::bigint AND x.metric = 'rows' AND x.attribute IS NULL
                    AND r.window_end <= (plan->>'start')::timestamptz AND x.value IS NOT NULL
                  ORDER BY r.window_end DESC, r.attempt DESC LIMIT 30) p))
        FROM jsonb_array_elements(plan->'checks') k WHERE k->>'kind' = 'quality'));
END
$$;
COMMENT ON FUNCTION mlops._ready_window(jsonb) IS 'A window of a monitor with the numbers of rows that its quality checks found before.';
REVOKE ALL ON FUNCTION mlops._ready_window(jsonb) FROM PUBLIC;

-- How many rows and labels a check finds, with the rights of the caller, from
-- each bound to the next.
CREATE FUNCTION mlops._count_labels(plan jsonb, arguments jsonb, bounds timestamp with time zone[])
    RETURNS TABLE (bucket integer, rows bigint, labels bigint)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    label text := plan->>'label';
    time_type text := plan->>'time_type';
    apart text := arguments->>'labels';
    statement text;
BEGIN
    statement := format(
        'SELECT c.b, pg_catalog.count(*), pg_catalog.count(c.t) FROM (SELECT pg_catalog.width_bucket(q.%I::pg_catalog.%s, %L::pg_catalog.%2$s[]) AS b, %4$s AS t FROM %5$s) c GROUP BY c.b',
        plan->>'time_column', CASE time_type WHEN 'timestamptz' THEN 'timestamptz' ELSE 'timestamp' END,
        (SELECT array_agg(mlops._monitor_time(b, time_type, plan->>'time_zone') ORDER BY o) FROM unnest(bounds) WITH ORDINALITY u (b, o)),
        CASE WHEN apart IS NULL THEN format('mlops._as_text(q.%I)', label) ELSE 'l.t' END,
        mlops._report_source(plan->>'query', format('mlops._as_text(l.%I)', label), plan->'key'->>0, apart));
    PERFORM set_config('search_path', plan->>'path', true);
    RETURN QUERY EXECUTE statement;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
END
$$;
COMMENT ON FUNCTION mlops._count_labels(jsonb, jsonb, timestamp with time zone[]) IS
    'Rows and labels of the rows of a monitor between bounds of time, as a check reads them.';

-- Of the windows that lacked labels those that have more now, with the rights
-- of the caller.  All are counted in one reading of the rows for each check.
-- What goes wrong shows when the check runs in its window.
CREATE FUNCTION mlops._find_late(plan jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bounds timestamptz[] := (SELECT array_agg(DISTINCT b ORDER BY b)
                             FROM jsonb_array_elements(plan->'windows') w,
                                  unnest(ARRAY[(w->>'start')::timestamptz, (w->>'end')::timestamptz]) b);
    c jsonb;
    result jsonb := '[]';
BEGIN
    FOR c IN SELECT * FROM jsonb_array_elements(plan->'checks') LOOP
        BEGIN
            SELECT result || coalesce(jsonb_agg(w.w), '[]')
            INTO result
            FROM (SELECT w, sum(n.labels) AS labels
                  FROM mlops._count_labels(plan, c->'arguments', bounds) n, jsonb_array_elements(plan->'windows') w
                  WHERE bounds[n.bucket] >= (w->>'start')::timestamptz AND bounds[n.bucket] < (w->>'end')::timestamptz
                  GROUP BY w) w
            WHERE w.labels > (w.w->>'labels')::bigint;
        EXCEPTION
            WHEN serialization_failure OR deadlock_detected THEN
                RAISE;
            WHEN OTHERS THEN
                NULL;
        END;
    END LOOP;
    RETURN (SELECT jsonb_agg(DISTINCT w) FROM jsonb_array_elements(result) w);
END
$$;
COMMENT ON FUNCTION mlops._find_late(jsonb) IS 'Windows of a monitor to which labels have come since they were measured.';
REVOKE ALL ON FUNCTION mlops._find_late(jsonb) FROM PUBLIC;

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
    labels bigint;
    label_rows bigint;
    statement text;
BEGIN
    FOR c IN SELECT * FROM jsonb_to_recordset(plan->'checks')
                 x (id bigint, kind text, arguments jsonb, warn float8, fail float8, min_rows integer) LOOP
        a := c.arguments;
        rows := NULL;
        labels := NULL;
        label_rows := NULL;
        BEGIN
            IF model IS NULL AND c.kind IN ('drift', 'poisoning', 'probing', 'performance') THEN
                RAISE EXCEPTION 'no version is in charge' USING ERRCODE = 'ML003';
            END IF;
            -- under the owner's search_path nothing runs but this statement
            statement := CASE c.kind
                WHEN 'drift' THEN
                    format('drift_report(%L, %L, %L, %L)', model, query, coalesce(a->>'method', 'psi'),
                           jsonb_strip_nulls(jsonb_build_object('warn', c.warn, 'fail', c.fail, 'min_rows', c.min_rows))
                           || coalesce(a->'options', '{}'))
                WHEN 'domain' THEN
                    format('domain_classifier(%L, %L, %L, %L, %L, %L, %L, %L)', a->>'reference', query, key,
                           mlops._json_texts(a->'features'), model,
                           coalesce((a->>'max_rows')::integer, greatest(20000, c.min_rows)), coalesce((a->>'seed')::bigint, 0), c.min_rows)
                WHEN 'poisoning' THEN
                    format('poisoning_report(%L, %L, %L, %L, %L, %L, %L, %L)', model, query, plan->>'label', a->>'reference',
                           a->>'source', key, coalesce((a->>'tolerance')::float8, 0.01), c.min_rows)
                WHEN 'probing' THEN
                    format('probing_report(%L, %L, %L, %L, %L, %L, %L, %L, %L, %L)', model, query, key, plan->>'time_column',
                           coalesce((a->>'decision_threshold')::float8, 0.5), coalesce((a->>'band')::float8, 0.02), a->>'reference',
                           coalesce((a->>'changes')::integer, 1), coalesce((a->>'min_copies')::integer, 10), c.min_rows)
                WHEN 'quality' THEN
                    format('quality_report(%L, %L, %L, %L, %L, %L, %L, %L, %L)', query, model, a->>'reference', key,
                           plan->>'time_column', a->>'max_age', a->'rules',
                           mlops._json_texts(plan->'past_rows'->(c.id::text)), c.min_rows)
                WHEN 'performance' THEN
                    format('performance_report(%L, %L, %L, %L, %L, %L, %L, %L, %L, %L)', model, query, plan->>'label',
                           CASE WHEN a ? 'labels' THEN key[1] END, a->>'labels', mlops._json_texts(a->'segments'),
                           coalesce((a->>'threshold')::float8, 0.5), c.min_rows, coalesce((a->>'replicates')::integer, 200),
                           coalesce((a->>'seed')::bigint, 0))
                WHEN 'bias' THEN
                    format('bias_report(%L, %L, %L, %L, %L, %L, %L, %L, %L)', query, plan->>'label', a->>'prediction',
                           mlops._json_texts(plan->'groups'), mlops._json_texts(a->'privileged'), c.min_rows,
                           mlops._json_texts(a->'favourable'), (a->>'threshold')::float8, a->>'stratum') END;
            statement := format('SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r)) FROM mlops.%s r', statement);
            PERFORM set_config('search_path', plan->>'path', true);
            EXECUTE statement INTO rows;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            IF c.kind IN ('performance', 'bias') AND plan->>'label' IS NOT NULL THEN
                SELECT coalesce(sum(n.rows), 0), coalesce(sum(n.labels), 0) INTO label_rows, labels
                FROM mlops._count_labels(plan, a, ARRAY[(plan->>'start')::timestamptz, (plan->>'end')::timestamptz]) n;
            ELSIF c.kind = 'quality' THEN
                -- the age is that at the end of the window, also when it is looked at later
                SELECT jsonb_agg(CASE WHEN r->>'metric' = 'age' AND x.age IS NOT NULL
                                      THEN r || jsonb_build_object('value', x.age, 'verdict', CASE WHEN x.age > x.limit THEN 'fail'
                                                                                                   WHEN x.limit IS NOT NULL THEN 'ok' END,
                                                                   'definition', r->'definition' || '{"formula": "seconds from the newest row to the end of the window"}')
                                      ELSE r END ORDER BY o)
                INTO rows
                FROM jsonb_array_elements(rows) WITH ORDINALITY u (r, o)
                CROSS JOIN LATERAL (SELECT extract(epoch FROM (plan->>'end')::timestamptz - (r->'definition'->>'newest')::timestamptz) AS age,
                                           (r->>'reference_value')::numeric AS limit) x;
            END IF;
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
                       'labels', labels, 'label_rows', label_rows,
                       'definition', coalesce(r->'definition', '{}')
                           || jsonb_strip_nulls(jsonb_build_object(
                                  'labels_arrived', round(labels::numeric / nullif(label_rows, 0), 6), 'problem', r->'problem', 'role', r->'role', 'reference_value', r->'reference_value',
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
                   coalesce(a->>'worse', CASE WHEN c.kind = 'domain' THEN 'higher' WHEN r->>'metric' IN ('auc', 'gini', 'ks', 'pr_auc', 'accuracy', 'precision', 'recall',
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
                'definition', jsonb_build_object('error', CASE WHEN rows IS NULL THEN 'the report is empty'
                                                               ELSE 'the report has no such metric or attribute' END));
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

-- Record what was found in a window; the verdict, and what is to be done.
-- Windows of a backfill open no alert, close none and are no evidence.
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
    found_labels bigint;
    found_rows bigint;
    c record;
    a mlops.alert;
    actions jsonb := '[]';
BEGIN
    IF o.id <> (plan->>'monitor')::bigint THEN
        RAISE EXCEPTION 'monitor "%" was dropped while it ran', o.name USING ERRCODE = 'ML057';
    END IF;
    SELECT m.name INTO STRICT model_name FROM mlops.model m WHERE m.id = o.model_id;
    newest := live AND NOT EXISTS (SELECT FROM mlops.monitor_run r WHERE r.monitor_id = o.id AND r.window_end > end_time);

    SELECT max((r->>'labels')::bigint), max((r->>'label_rows')::bigint) INTO found_labels, found_rows FROM jsonb_array_elements(results) r;
    -- where only some checks were done again, what the others found still counts
    SELECT mlops._worst_verdict(array_agg(v.verdict)) INTO overall
    FROM (SELECT r->>'verdict' AS verdict FROM jsonb_array_elements(results) r
          UNION ALL
          SELECT x.verdict
          FROM (SELECT r.id, rank() OVER (PARTITION BY x.check_id ORDER BY r.attempt DESC) AS age, x.verdict
                FROM mlops.monitor_run r JOIN mlops.check_result x ON x.run_id = r.id
                WHERE (plan->>'late')::boolean AND r.monitor_id = o.id AND r.window_start = start_time AND r.window_end = end_time
                  AND NOT EXISTS (SELECT FROM jsonb_array_elements(plan->'checks') k WHERE (k->>'id')::bigint = x.check_id)) x
          WHERE x.age = 1) v;
    INSERT INTO mlops.monitor_run (monitor_id, version_id, window_start, window_end, attempt, verdict, labels, label_rows,
                                   created_at, created_by)
    SELECT o.id, version_of_run, start_time, end_time, coalesce(max(r.attempt), 0) + 1, overall, found_labels, found_rows,
           clock_timestamp(), session_user
    FROM mlops.monitor_run r WHERE r.monitor_id = o.id AND r.window_start = start_time AND r.window_end = end_time
    -- nobody else is here, unless the snapshot is too old to see what was done: a serialization failure
    ON CONFLICT DO NOTHING
    RETURNING id INTO STRICT new_run;
    INSERT INTO mlops.check_result (run_id, check_id, metric, attribute, "group", value, p_value, threshold, n, skipped, verdict, definition)
    SELECT new_run, (r->>'check')::bigint, r->>'metric', r->>'attribute', r->>'group', (r->>'value')::float8, (r->>'p_value')::float8,
           (r->>'threshold')::float8, (r->>'n')::bigint, (r->>'skipped')::bigint, r->>'verdict', r->'definition'
    FROM jsonb_array_elements(results) WITH ORDINALITY u (r, o) ORDER BY u.o;
    IF NOT live THEN
        RETURN jsonb_build_object('verdict', overall, 'actions', actions);
    END IF;

    PERFORM mlops._note_identity();
    IF newest AND version_of_run IS NOT NULL THEN
        PERFORM mlops._record_measurement(
            mlops._reference(version_of_run), o.name,
            jsonb_build_object('run', new_run, 'window_start', plan->>'start', 'window_end', plan->>'end', 'verdict', overall),
            CASE overall WHEN 'fail' THEN 'fail' WHEN 'insufficient' THEN NULL ELSE 'pass' END, NULL, 'run of a monitor');
    END IF;
    FOR c IN SELECT k.id, k.on_failure, k.function, mlops._worst_verdict(array_agg(r->>'verdict')) AS verdict
             FROM jsonb_array_elements(results) r JOIN mlops.monitor_check k ON k.id = (r->>'check')::bigint
             -- of a check the newest window counts in which it found something
             WHERE k.dropped_at IS NULL
               AND NOT EXISTS (SELECT FROM mlops.check_result x JOIN mlops.monitor_run l ON l.id = x.run_id
                               WHERE x.check_id = k.id AND l.window_end > end_time AND x.verdict IN ('ok', 'warn', 'fail'))
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
                IF c.on_failure <> 'alert' THEN
                    actions := actions || jsonb_build_object(
                        'alert', a.id, 'action', c.on_failure, 'function', c.function, 'path', plan->>'path',
                        'model', model_name, 'reference', o.reference, 'version', mlops._reference(version_of_run),
                        'alias', coalesce(nullif(split_part(o.reference, '@', 2), ''), 'champion'),
                        'reason', format('alert %s of monitor %s', a.id, o.name), 'message', mlops._alert_message(a));
                END IF;
            END IF;
        END IF;
    END LOOP;
    RETURN jsonb_build_object('verdict', overall, 'actions', actions);
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
    statement text;
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
        -- it may be another one by now
        IF NOT mlops._trusts_function((SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user),
                                      to_regprocedure(format('%s(pg_catalog.jsonb)', action->>'function'))) THEN
            RAISE EXCEPTION 'function %(jsonb) is not there, or of a role that could act as its caller by it', action->>'function'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        statement := format('SELECT %s(%L::pg_catalog.jsonb)', action->>'function', action->'message');
        PERFORM set_config('search_path', action->>'path', true);
        EXECUTE statement;
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
    'Does the checks of a monitor, for the last window that had ended at a time, once unless again; without a time for all windows that have ended (in a job: before the time for which it was scheduled) and were not looked at, 100 at most, and those to which labels have come; returns the worst verdict of the last one (ok, warn, fail, insufficient; NULL if there was none); reads as the caller, who must be its owner; a check that ends with an error is insufficient and the others go on; errors ML057, ML059, 22023 and 42501.';
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
