-- file: sql/90_schedule.sql
-- Jobs: what runs by itself, and each time that it did.
--
-- The functions below are all that happens to a job and its runs; src/worker
-- only calls them.  src/worker/README.md draws the states.
--
-- The scheduler must never wait for a lock that a user's open transaction
-- holds on a job: it takes jobs FOR NO KEY UPDATE SKIP LOCKED and comes back.  A
-- worker changes nothing but the row of its own run.

--
-- Time
--
CREATE FUNCTION mlops._now() RETURNS timestamp with time zone
    LANGUAGE C VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_now';
COMMENT ON FUNCTION mlops._now() IS 'The time of the scheduler''s clock.';
REVOKE ALL ON FUNCTION mlops._now() FROM PUBLIC;

CREATE FUNCTION mlops.next_run(
    schedule text,
    after timestamp with time zone DEFAULT pg_catalog.now(),
    time_zone text DEFAULT pg_catalog.current_setting('TimeZone'),
    n integer DEFAULT 1
) RETURNS timestamp with time zone
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_next_run';
COMMENT ON FUNCTION mlops.next_run(text, timestamp with time zone, text, integer) IS
    'First (or nth) time after a given one that a schedule means in a time zone, NULL if there is none any more; a schedule is five fields of cron, "every 5 minutes", "once at 2027-01-31 18:00" or "manual"; errors ML060 and 22023.';

CREATE FUNCTION mlops._last_run(schedule text, first timestamp with time zone,
                                upto timestamp with time zone, time_zone text)
    RETURNS timestamp with time zone
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_last_run';
COMMENT ON FUNCTION mlops._last_run(text, timestamp with time zone, timestamp with time zone, text) IS
    'Last time between two, inclusive, that a schedule means in a time zone, NULL if there is none.';
REVOKE ALL ON FUNCTION mlops._last_run(text, timestamp with time zone, timestamp with time zone, text) FROM PUBLIC;

--
-- Tables
--
-- kind says what column command does, for people.  What counts of the owner is the OID,
-- as in mlops.privilege; a dump has the name.
CREATE SEQUENCE mlops.job_id_seq;
CREATE TABLE mlops.job (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.job_id_seq'::pg_catalog.regclass),
    name text NOT NULL UNIQUE CHECK (name OPERATOR(pg_catalog.~) '^[^[:cntrl:]]{1,100}$'),
    kind text NOT NULL DEFAULT 'sql'
        CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['sql', 'monitor', 'scoring', 'training'])),
    owner oid NOT NULL,
    owner_name name NOT NULL,
    schedule text NOT NULL,
    time_zone text NOT NULL,
    command text NOT NULL CHECK (command OPERATOR(pg_catalog.~) '[^[:space:]]'),
    enabled boolean NOT NULL,
    priority integer NOT NULL,
    overlap text NOT NULL CHECK (overlap OPERATOR(pg_catalog.=) ANY (ARRAY['skip', 'queue', 'allow'])),
    missed text NOT NULL CHECK (missed OPERATOR(pg_catalog.=) ANY (ARRAY['skip', 'once', 'all'])),
    timeout interval CHECK (timeout OPERATOR(pg_catalog.>) '0'::interval),
    retries integer NOT NULL CHECK (retries OPERATOR(pg_catalog.>=) 0),
    retry_delay interval NOT NULL CHECK (retry_delay OPERATOR(pg_catalog.>=) '0'::interval),
    max_failures integer CHECK (max_failures OPERATOR(pg_catalog.>) 0),
    failures integer NOT NULL DEFAULT 0,
    disabled_reason text,
    next_run_at timestamp with time zone,
    last_run_at timestamp with time zone,
    last_status text,
    last_success_at timestamp with time zone,
    silent_since timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    changed_at timestamp with time zone NOT NULL
);
CREATE INDEX job_next_run_at_idx ON mlops.job (next_run_at) WHERE enabled;
COMMENT ON TABLE mlops.job IS 'Private: one row per job; view mlops.jobs.';

CREATE SEQUENCE mlops.job_run_id_seq;
CREATE TABLE mlops.job_run (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.job_run_id_seq'::pg_catalog.regclass),
    job_id bigint NOT NULL,
    job_name text NOT NULL,
    owner oid NOT NULL,
    owner_name name NOT NULL,
    command text NOT NULL,
    cause text NOT NULL CHECK (cause OPERATOR(pg_catalog.=) ANY (ARRAY['schedule', 'manual', 'retry', 'continue'])),
    previous_id bigint UNIQUE,
    attempt integer NOT NULL CHECK (attempt OPERATOR(pg_catalog.>) 0),
    priority integer NOT NULL,
    scheduled_at timestamp with time zone NOT NULL,
    queued_at timestamp with time zone NOT NULL,
    start_after timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    status text NOT NULL
        CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['queued', 'starting', 'running', 'succeeded', 'failed',
                                                        'timeout', 'cancelled', 'interrupted', 'crashed', 'skipped'])),
    settled boolean NOT NULL DEFAULT false,
    pid integer,
    rows bigint,
    message text,
    sqlstate text,
    detail text,
    hint text,
    context text,
    cpu_time double precision,
    peak_memory bigint,
    CHECK ((finished_at IS NULL)
           OPERATOR(pg_catalog.=) (status OPERATOR(pg_catalog.=) ANY (ARRAY['queued', 'starting', 'running']))),
    CHECK (finished_at IS NOT NULL OR NOT settled),
    CHECK ((cause OPERATOR(pg_catalog.=) 'retry') OPERATOR(pg_catalog.=) (previous_id IS NOT NULL))
);
-- a scheduled time is queued or skipped once
CREATE UNIQUE INDEX job_run_scheduled_at_idx ON mlops.job_run (job_id, scheduled_at)
    WHERE cause OPERATOR(pg_catalog.=) 'schedule';
CREATE INDEX job_run_job_id_idx ON mlops.job_run (job_id, id);
CREATE INDEX job_run_queue_idx ON mlops.job_run (priority DESC, start_after, id)
    WHERE status OPERATOR(pg_catalog.=) 'queued';
CREATE INDEX job_run_start_after_idx ON mlops.job_run (start_after) WHERE status OPERATOR(pg_catalog.=) 'queued';
CREATE INDEX job_run_open_idx ON mlops.job_run (job_id) WHERE finished_at IS NULL;
CREATE INDEX job_run_unsettled_idx ON mlops.job_run (id) WHERE finished_at IS NOT NULL AND NOT settled;
CREATE INDEX job_run_finished_at_idx ON mlops.job_run (finished_at) WHERE settled;
COMMENT ON TABLE mlops.job_run IS 'Private: one row per run of a job, from the moment it is due; view mlops.job_runs.';

-- A job of a role that was dropped or renamed is not dumped: its name could be
-- another role's where the dump is restored.  The scheduler follows renames.
SELECT pg_catalog.pg_extension_config_dump('mlops.job',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) owner AND r.rolname OPERATOR(pg_catalog.=) owner_name)');
SELECT pg_catalog.pg_extension_config_dump('mlops.job_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.job_run', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.job_run_id_seq', '');

REVOKE ALL ON mlops.job, mlops.job_run FROM PUBLIC;

-- The OID of a job's owner from the name; a job of a role that does not exist
-- is restored disabled.
CREATE FUNCTION mlops._set_job_owner() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.owner := coalesce((SELECT r.oid FROM pg_roles r WHERE r.rolname = NEW.owner_name), 0);
    IF NEW.owner = 0 THEN
        RAISE WARNING 'role "%" does not exist', NEW.owner_name
            USING DETAIL = format('Job "%s" is disabled.', NEW.name);
        NEW.enabled := false;
        NEW.disabled_reason := 'the role that owned it did not exist when it was restored';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION mlops._set_job_owner() IS
    'Trigger function of mlops.job: the OID of the owner from the name; disables the job of a role that does not exist.';
REVOKE ALL ON FUNCTION mlops._set_job_owner() FROM PUBLIC;
CREATE TRIGGER set_job_owner BEFORE INSERT ON mlops.job
    FOR EACH ROW EXECUTE FUNCTION mlops._set_job_owner();
ALTER TABLE mlops.job ENABLE ALWAYS TRIGGER set_job_owner;

-- At the commit the scheduler looks again.
CREATE FUNCTION mlops._wake_scheduler() RETURNS trigger
    LANGUAGE C
    AS 'MODULE_PATHNAME', 'mlops_wake_scheduler';
COMMENT ON FUNCTION mlops._wake_scheduler() IS
    'Private: trigger of tables that the scheduler reads; wakes it when the transaction has committed.';
REVOKE ALL ON FUNCTION mlops._wake_scheduler() FROM PUBLIC;
CREATE TRIGGER wake_scheduler AFTER INSERT OR UPDATE OR DELETE ON mlops.job
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._wake_scheduler();
CREATE TRIGGER wake_scheduler AFTER INSERT ON mlops.job_run
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._wake_scheduler();
ALTER TABLE mlops.job ENABLE ALWAYS TRIGGER wake_scheduler;
ALTER TABLE mlops.job_run ENABLE ALWAYS TRIGGER wake_scheduler;

--
-- States, as events have them
--

-- What an auditor wants to know of a job.
CREATE FUNCTION mlops._job_state(j mlops.job) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object('name', j.name, 'kind', j.kind, 'owner', j.owner_name, 'schedule', j.schedule,
                              'time_zone', j.time_zone, 'command', j.command, 'enabled', j.enabled,
                              'priority', j.priority, 'overlap', j.overlap, 'missed', j.missed,
                              'timeout', extract(epoch FROM j.timeout), 'retries', j.retries,
                              'retry_delay', extract(epoch FROM j.retry_delay), 'max_failures', j.max_failures)
$$;
COMMENT ON FUNCTION mlops._job_state(mlops.job) IS 'Definition of a job for the audit log.';
REVOKE ALL ON FUNCTION mlops._job_state(mlops.job) FROM PUBLIC;

CREATE FUNCTION mlops._state_job() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT NULL::text, NULL::integer, NULL::text, j.name, mlops._job_state(j) FROM mlops.job j
$$;
COMMENT ON FUNCTION mlops._state_job() IS 'Definitions of all jobs, as events have them.';
REVOKE ALL ON FUNCTION mlops._state_job() FROM PUBLIC;

-- The scheduler changes a job, and says why.
CREATE FUNCTION mlops._change_job(action text, job mlops.job, enabled boolean, owner_name name, why text, reason text, detail jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    after mlops.job;
BEGIN
    UPDATE mlops.job j
    SET enabled = _change_job.enabled, owner_name = _change_job.owner_name,
        next_run_at = CASE WHEN _change_job.enabled THEN j.next_run_at END, disabled_reason = coalesce(why, j.disabled_reason)
    WHERE j.id = job.id
    RETURNING j.* INTO STRICT after;
    PERFORM mlops._audit(action => _change_job.action, subject => job.name, reason => _change_job.reason, detail => _change_job.detail,
                         state_before => mlops._job_state(job), state_after => mlops._job_state(after));
END
$$;
COMMENT ON FUNCTION mlops._change_job(text, mlops.job, boolean, name, text, text, jsonb) IS
    'Disables a job, or corrects the name of its owner, and records it.';
REVOKE ALL ON FUNCTION mlops._change_job(text, mlops.job, boolean, name, text, text, jsonb) FROM PUBLIC;

--
-- What the scheduler does
--

-- Why a role cannot run jobs, or NULL if it can.
CREATE FUNCTION mlops._owner_trouble(owner oid) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_role record;
BEGIN
    SELECT r.rolname, r.rolcanlogin, r.rolsuper, r.rolvaliduntil INTO found_role FROM pg_roles r WHERE r.oid = owner;
    RETURN CASE
        WHEN NOT FOUND THEN 'the owner of the job does not exist any more'
        WHEN NOT found_role.rolcanlogin THEN format('role "%s" is not permitted to log in', found_role.rolname)
        WHEN found_role.rolsuper AND NOT current_setting('mlops.superuser_jobs')::boolean
            THEN format('role "%s" is a superuser and mlops.superuser_jobs is off', found_role.rolname)
        WHEN NOT has_database_privilege(owner, current_database(), 'CONNECT')
            THEN format('role "%s" has no CONNECT privilege on database "%s"', found_role.rolname, current_database())
    END;
END
$$;
COMMENT ON FUNCTION mlops._owner_trouble(oid) IS 'Why a role cannot run jobs, NULL if it can.';
REVOKE ALL ON FUNCTION mlops._owner_trouble(oid) FROM PUBLIC;

-- Put a run of a job into the queue, or note that it was skipped and why.
CREATE FUNCTION mlops._add_run(job mlops.job, at timestamp with time zone, cause text,
                               scheduled_at timestamp with time zone, skipped text) RETURNS bigint
    LANGUAGE SQL
    SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO mlops.job_run (job_id, job_name, owner, owner_name, command, cause, attempt, priority, scheduled_at,
                               queued_at, start_after, finished_at, status, settled, message)
    VALUES (job.id, job.name, job.owner, job.owner_name, job.command, cause, 1, job.priority, scheduled_at,
            at, at, CASE WHEN skipped IS NOT NULL THEN at END,
            CASE WHEN skipped IS NULL THEN 'queued' ELSE 'skipped' END, skipped IS NOT NULL, skipped)
    ON CONFLICT (job_id, scheduled_at) WHERE cause = 'schedule' DO NOTHING
    RETURNING id
$$;
COMMENT ON FUNCTION mlops._add_run(mlops.job, timestamp with time zone, text, timestamp with time zone, text) IS
    'Adds a run to the queue, or one that is skipped; a scheduled time is added once.';
REVOKE ALL ON FUNCTION mlops._add_run(mlops.job, timestamp with time zone, text, timestamp with time zone, text) FROM PUBLIC;

-- A job is silent when as many of its scheduled times as mlops.silent_after says
-- have had their whole interval, until the next one, and none has brought a
-- success; counted from the last success, or from the last change of the job.
-- View stat_jobs calls this as whoever looks at it.
CREATE FUNCTION mlops._silent_at(schedule text, time_zone text, since timestamp with time zone)
    RETURNS timestamp with time zone
    LANGUAGE SQL STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops.next_run(schedule, since, time_zone, nullif(current_setting('mlops.silent_after')::integer, 0) + 1)
$$;
COMMENT ON FUNCTION mlops._silent_at(text, text, timestamp with time zone) IS
    'When a job is silent that has no success since a time, NULL if never.';

-- Tell, once, that a job is silent.
CREATE FUNCTION mlops._tell_silent(j mlops.job, at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE mlops.job SET silent_since = at WHERE id = j.id;
    PERFORM pg_notify('mlops_job', jsonb_build_object('job', j.name, 'status', 'silent', 'failures', j.failures,
                                                      'last_success', mlops._utc(j.last_success_at))::text);
    RAISE LOG 'job "%" of mlops is silent', j.name
        USING DETAIL = format('Its last success: %s.', coalesce(j.last_success_at::text, 'never'));
END
$$;
COMMENT ON FUNCTION mlops._tell_silent(mlops.job, timestamp with time zone) IS
    'Notes that a job is silent, notifies channel mlops_job at the commit, and writes to the log of the server.';
REVOKE ALL ON FUNCTION mlops._tell_silent(mlops.job, timestamp with time zone) FROM PUBLIC;

-- Queue what is due; the number of jobs that it moved on.  A time that passed
-- more than a minute ago was missed.
CREATE FUNCTION mlops._queue_due(at timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    j mlops.job;
    missed_before timestamptz := at - interval '1 minute';
    due timestamptz;
    following timestamptz;
    open_runs bigint;
    moved integer := 0;
BEGIN
    FOR j IN
        SELECT * FROM mlops.job x
        WHERE x.enabled AND x.next_run_at <= at
          -- what was missed is queued by the hundred
          AND NOT (x.missed = 'all' AND x.next_run_at < missed_before
                   AND (SELECT count(*) FROM mlops.job_run r WHERE r.job_id = x.id AND r.finished_at IS NULL) >= 100)
        ORDER BY x.next_run_at LIMIT 500
        FOR NO KEY UPDATE OF x SKIP LOCKED
    LOOP
        BEGIN
            SELECT count(*) INTO open_runs FROM mlops.job_run r WHERE r.job_id = j.id AND r.finished_at IS NULL;
            due := j.next_run_at;
            IF j.missed = 'all' THEN
                LOOP
                    PERFORM mlops._add_run(j, at, 'schedule', due,
                                           CASE WHEN j.overlap = 'skip' AND open_runs > 0 AND due >= missed_before
                                                THEN 'the run before it had not ended' END);
                    open_runs := open_runs + 1;
                    following := mlops.next_run(j.schedule, due, j.time_zone);
                    EXIT WHEN following IS NULL OR following > at OR open_runs >= 100;
                    due := following;
                END LOOP;
            ELSE
                due := coalesce(mlops._last_run(j.schedule, j.next_run_at, at, j.time_zone), j.next_run_at);
                IF due > j.next_run_at THEN
                    PERFORM mlops._add_run(j, at, 'schedule', j.next_run_at,
                                           format('missed, with any other before %s', due));
                END IF;
                PERFORM mlops._add_run(j, at, 'schedule', due,
                                       CASE WHEN j.missed = 'skip' AND due < missed_before THEN 'missed'
                                            WHEN j.overlap = 'skip' AND open_runs > 0
                                                THEN 'the run before it had not ended' END);
                following := mlops.next_run(j.schedule, due, j.time_zone);
            END IF;
            UPDATE mlops.job SET next_run_at = following WHERE id = j.id;
            IF j.silent_since IS NULL
               AND mlops._silent_at(j.schedule, j.time_zone, greatest(coalesce(j.last_success_at, j.created_at), j.changed_at)) <= at THEN
                PERFORM mlops._tell_silent(j, at);
            END IF;
        EXCEPTION WHEN data_exception OR SQLSTATE 'ML060' THEN
            -- such as a time zone that an update took away: the others go on
            PERFORM mlops._change_job('job.disable', j, false, j.owner_name, format('its times cannot be computed: %s', SQLERRM),
                                      'its times cannot be computed', NULL);
        END;
        moved := moved + 1;
    END LOOP;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION mlops._queue_due(timestamp with time zone) IS
    'Puts the runs that are due at a time into the queue, by the policies for missed runs and overlap; returns the number of jobs.';
REVOKE ALL ON FUNCTION mlops._queue_due(timestamp with time zone) FROM PUBLIC;

-- How many runs wait to start now, of which more than 16 do not matter.
CREATE FUNCTION mlops._ready_runs(at timestamp with time zone) RETURNS integer
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT count(*)::integer
    FROM (SELECT FROM mlops.job_run r WHERE r.status = 'queued' AND r.start_after <= at LIMIT 16) q
$$;
COMMENT ON FUNCTION mlops._ready_runs(timestamp with time zone) IS
    'Number of runs that wait to start now, 16 at most.';
REVOKE ALL ON FUNCTION mlops._ready_runs(timestamp with time zone) FROM PUBLIC;

-- Choose up to n runs to start now.  One whose owner cannot run it fails here.
CREATE FUNCTION mlops._start_runs(at timestamp with time zone, n integer)
    RETURNS TABLE (run_id bigint, run_owner oid)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r record;
    trouble text;
    started integer := 0;
BEGIN
    FOR r IN
        SELECT q.id, q.job_id, q.owner, j.id IS NULL AS orphan, j.overlap = 'allow' AS overlaps
        FROM mlops.job_run q LEFT JOIN mlops.job j ON j.id = q.job_id
        WHERE q.status = 'queued' AND q.start_after <= at
        ORDER BY q.priority DESC, q.start_after, q.id
    LOOP
        EXIT WHEN started >= n;
        IF r.orphan THEN
            UPDATE mlops.job_run x
            SET status = 'cancelled', finished_at = at, settled = true, message = 'the job was unscheduled'
            WHERE x.id = r.id AND x.status = 'queued';
            CONTINUE;
        END IF;
        CONTINUE WHEN NOT r.overlaps
            AND EXISTS (SELECT FROM mlops.job_run x
                        WHERE x.job_id = r.job_id AND x.finished_at IS NULL AND x.status IN ('starting', 'running'));
        trouble := mlops._owner_trouble(r.owner);
        IF trouble IS NOT NULL THEN
            UPDATE mlops.job_run x
            SET status = 'failed', started_at = at, finished_at = at, sqlstate = '28000', message = trouble
            WHERE x.id = r.id AND x.status = 'queued';
            CONTINUE;
        END IF;
        UPDATE mlops.job_run x SET status = 'starting', started_at = at
        WHERE x.id = r.id AND x.status = 'queued';
        IF FOUND THEN
            run_id := r.id;
            run_owner := r.owner;
            started := started + 1;
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION mlops._start_runs(timestamp with time zone, integer) IS
    'Chooses runs to start by priority and time, and marks them; returns their ids and owners.';
REVOKE ALL ON FUNCTION mlops._start_runs(timestamp with time zone, integer) FROM PUBLIC;

-- A run that nobody has claimed goes back to the queue.
CREATE FUNCTION mlops._unstart_run(run bigint) RETURNS boolean
    LANGUAGE SQL SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE mlops.job_run r SET status = 'queued', started_at = NULL
    WHERE r.id = run AND r.status = 'starting'
    RETURNING true
$$;
COMMENT ON FUNCTION mlops._unstart_run(bigint) IS 'Puts a run that no worker has claimed back into the queue.';
REVOKE ALL ON FUNCTION mlops._unstart_run(bigint) FROM PUBLIC;

-- The process that was to take a run ended without: it could not connect.
CREATE FUNCTION mlops._fail_start(run bigint, at timestamp with time zone) RETURNS boolean
    LANGUAGE SQL
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE mlops.job_run r
    SET status = 'failed', finished_at = greatest(at, r.started_at), sqlstate = 'ML064',
        message = 'the process for the run could not start',
        hint = 'The log of the server says why.'
    WHERE r.id = run AND r.status = 'starting'
    RETURNING true
$$;
COMMENT ON FUNCTION mlops._fail_start(bigint, timestamp with time zone) IS
    'Records that the worker of a run ended before it took the run.';
REVOKE ALL ON FUNCTION mlops._fail_start(bigint, timestamp with time zone) FROM PUBLIC;

-- The worker takes a run; no row if it is not to be done any more.
CREATE FUNCTION mlops._claim_run(run bigint, worker integer, at timestamp with time zone)
    RETURNS TABLE (job_name text, command text, scheduled_at timestamp with time zone, attempt integer,
                   timeout_ms bigint)
    LANGUAGE SQL SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE mlops.job_run r SET status = 'running', pid = worker, started_at = at
    FROM mlops.job j
    WHERE r.id = run AND r.status = 'starting' AND j.id = r.job_id
    RETURNING r.job_name, r.command, r.scheduled_at, r.attempt,
              CASE WHEN j.timeout IS NOT NULL THEN least(ceil(extract(epoch FROM j.timeout) * 1000), 2147483647)::bigint END
$$;
COMMENT ON FUNCTION mlops._claim_run(bigint, integer, timestamp with time zone) IS
    'Takes a run for a worker process; no row if it was cancelled or belongs to another.';
REVOKE ALL ON FUNCTION mlops._claim_run(bigint, integer, timestamp with time zone) FROM PUBLIC;

-- The worker (or the scheduler, for one that is gone) writes how a run ended;
-- false if that is not its to say any more.
CREATE FUNCTION mlops._end_run(run bigint, worker integer, at timestamp with time zone, result text,
                               row_count bigint DEFAULT NULL, message text DEFAULT NULL, error_code text DEFAULT NULL,
                               detail text DEFAULT NULL, hint text DEFAULT NULL, context text DEFAULT NULL,
                               cpu_time double precision DEFAULT NULL, peak_memory bigint DEFAULT NULL)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE mlops.job_run r
    SET status = result, finished_at = greatest(at, r.started_at), rows = row_count, message = _end_run.message,
        sqlstate = error_code, detail = _end_run.detail, hint = _end_run.hint, context = _end_run.context,
        cpu_time = _end_run.cpu_time, peak_memory = _end_run.peak_memory
    WHERE r.id = run AND r.status = 'running' AND r.pid = worker;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION mlops._end_run(bigint, integer, timestamp with time zone, text, bigint, text, text, text, text, text, double precision, bigint) IS
    'Records how the run of a worker ended; false if the run is not that worker''s any more.';
REVOKE ALL ON FUNCTION mlops._end_run(bigint, integer, timestamp with time zone, text, bigint, text, text, text, text, text, double precision, bigint) FROM PUBLIC;

-- How long to wait before the next attempt.  chance is from 0 to 1.
CREATE FUNCTION mlops._backoff(attempt integer, retry_delay interval, status text, chance double precision)
    RETURNS interval
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE status WHEN 'interrupted' THEN interval '0'
           ELSE (least(extract(epoch FROM retry_delay) * 2.0 ^ least(attempt - 1, 30),
                       greatest(extract(epoch FROM retry_delay), 3600))
                 * (0.87 + 0.26 * chance)) * interval '1 second'
           END
$$;
COMMENT ON FUNCTION mlops._backoff(integer, interval, text, double precision) IS
    'Time to wait after an attempt: doubling up to an hour, spread by 13 percent to both sides.';
REVOKE ALL ON FUNCTION mlops._backoff(integer, interval, text, double precision) FROM PUBLIC;

-- Draw the consequences of runs that have ended: retries, failures in a row.
-- The number of runs.
CREATE FUNCTION mlops._settle_runs(at timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r mlops.job_run;
    j mlops.job;
    delay interval;
    again boolean;
    hopeless boolean;
    allowed integer;
    settled_runs integer := 0;
BEGIN
    FOR r IN
        SELECT x.* FROM mlops.job_run x
        WHERE x.finished_at IS NOT NULL AND NOT x.settled
        ORDER BY x.id LIMIT 500
    LOOP
        SELECT * INTO j FROM mlops.job WHERE id = r.job_id FOR NO KEY UPDATE SKIP LOCKED;
        -- locked by a user's transaction, or unscheduled
        CONTINUE WHEN NOT FOUND AND EXISTS (SELECT FROM mlops.job x WHERE x.id = r.job_id);

        UPDATE mlops.job_run x SET settled = true WHERE x.id = r.id;
        settled_runs := settled_runs + 1;
        CONTINUE WHEN j.id IS NULL;

        IF r.status = 'succeeded' THEN
            UPDATE mlops.job SET failures = 0, last_run_at = r.started_at, last_status = r.status,
                                 last_success_at = r.finished_at, silent_since = NULL
            WHERE id = j.id;
            IF j.silent_since IS NOT NULL THEN
                PERFORM pg_notify('mlops_job', jsonb_build_object('job', j.name, 'run', r.id, 'status', 'succeeded',
                                                                  'failures', 0)::text);
            END IF;
            CONTINUE;
        END IF;

        -- the owner cannot log in, and will not be able to in a moment
        hopeless := r.pid IS NULL AND r.sqlstate = '28000';
        again := r.status IN ('failed', 'timeout', 'interrupted', 'crashed') AND r.attempt <= j.retries AND j.enabled
                 AND hopeless IS NOT TRUE;
        IF again THEN
            delay := mlops._backoff(r.attempt, j.retry_delay, r.status, random());
            IF r.status = 'crashed' THEN
                delay := greatest(delay, current_setting('mlops.crash_delay')::interval);
            END IF;
            INSERT INTO mlops.job_run (job_id, job_name, owner, owner_name, command, cause, previous_id, attempt,
                                       priority, scheduled_at, queued_at, start_after, status)
            VALUES (j.id, j.name, j.owner, j.owner_name, j.command, 'retry', r.id, r.attempt + 1,
                    j.priority, r.scheduled_at, at, at + delay, 'queued');
        END IF;

        -- A run counts as failed once, with its last attempt.
        allowed := coalesce(j.max_failures, CASE WHEN hopeless THEN 3 END);
        UPDATE mlops.job
        SET last_run_at = r.started_at, last_status = r.status,
            failures = failures + (NOT again AND r.status <> 'cancelled')::integer
        WHERE id = j.id
        RETURNING * INTO j;
        IF NOT again AND r.status <> 'cancelled' THEN
            IF j.enabled AND j.failures >= allowed THEN
                PERFORM mlops._change_job('job.disable', j, false, j.owner_name,
                                          format('%s runs failed in a row, the last one: %s', j.failures, r.message),
                                          format('%s runs failed in a row', j.failures),
                                          jsonb_build_object('run', r.id, 'message', r.message));
            END IF;
            PERFORM pg_notify('mlops_job', jsonb_build_object('job', j.name, 'run', r.id, 'status', r.status,
                                                              'failures', j.failures)::text);
        END IF;
    END LOOP;
    RETURN settled_runs;
END
$$;
COMMENT ON FUNCTION mlops._settle_runs(timestamp with time zone) IS
    'Queues the retries of runs that have ended, counts failures in a row, disables jobs and notifies; returns the number of runs.';
REVOKE ALL ON FUNCTION mlops._settle_runs(timestamp with time zone) FROM PUBLIC;

-- Runs whose worker should exist; the scheduler looks which of them does.
CREATE FUNCTION mlops._open_runs() RETURNS TABLE (run_id bigint, worker integer)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.id, r.pid FROM mlops.job_run r
    WHERE r.finished_at IS NULL AND r.status IN ('starting', 'running') ORDER BY r.id
$$;
COMMENT ON FUNCTION mlops._open_runs() IS 'Runs that have been started and have not ended, with the worker that claimed them.';
REVOKE ALL ON FUNCTION mlops._open_runs() FROM PUBLIC;

-- The next time at which there is something to do; infinity if there is none.
-- What waits for a limit or for another run is not known by time.
CREATE FUNCTION mlops._next_wake(at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT least((SELECT min(j.next_run_at) FROM mlops.job j WHERE j.enabled),
                 (SELECT min(r.start_after) FROM mlops.job_run r WHERE r.status = 'queued' AND r.start_after > at),
                 (SELECT at FROM mlops.job_run r WHERE r.finished_at IS NOT NULL AND NOT r.settled LIMIT 1),
                 'infinity'::timestamptz)
$$;
COMMENT ON FUNCTION mlops._next_wake(timestamp with time zone) IS
    'When the scheduler has something to do next, infinity if nothing is known.';
REVOKE ALL ON FUNCTION mlops._next_wake(timestamp with time zone) FROM PUBLIC;

-- Delete what is older than mlops.job_run_retention, some at a time; the
-- number of rows.  The last run of a job stays.
CREATE FUNCTION mlops._purge_runs(at timestamp with time zone) RETURNS bigint
    LANGUAGE SQL
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH gone AS (
        DELETE FROM mlops.job_run d
        WHERE d.id = ANY (
            SELECT r.id FROM mlops.job_run r
            WHERE r.settled AND current_setting('mlops.job_run_retention')::interval > interval '0'
              AND r.finished_at < at - current_setting('mlops.job_run_retention')::interval
              AND NOT EXISTS (SELECT FROM mlops.job j WHERE j.id = r.job_id AND j.last_run_at = r.started_at)
            ORDER BY r.finished_at LIMIT 1000)
        RETURNING 1)
    SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION mlops._purge_runs(timestamp with time zone) IS
    'Deletes up to 1000 runs that ended longer ago than mlops.job_run_retention; returns their number.';
REVOKE ALL ON FUNCTION mlops._purge_runs(timestamp with time zone) FROM PUBLIC;

-- A dump knows owners by name, and where it is restored the name of a role that
-- was renamed or dropped may be another one's, who would run what it wrote.
-- Jobs of a role that is gone are not dumped.
CREATE FUNCTION mlops._follow_owners() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    why CONSTANT text := 'the role was renamed or dropped';
    o mlops.monitor;
    r mlops.retrain_rule;
BEGIN
    PERFORM mlops._change_job('job.alter', j, j.enabled, w.rolname, NULL, why, NULL)
    FROM mlops.job j JOIN pg_roles w ON w.oid = j.owner WHERE w.rolname <> j.owner_name;
    FOR o IN SELECT x.* FROM mlops.monitor x
             WHERE x.owner <> 0 AND pg_get_userbyid(x.owner) <> x.owner_name FOR NO KEY UPDATE OF x SKIP LOCKED LOOP
        UPDATE mlops.monitor x SET owner_name = pg_get_userbyid(o.owner) WHERE x.id = o.id;
        PERFORM mlops._audit(action => 'monitor.alter', model => m.name, subject => x.id::text, reason => why,
                             state_before => mlops._monitor_state(o), state_after => mlops._monitor_state(x))
        FROM mlops.monitor x JOIN mlops.model m ON m.id = x.model_id WHERE x.id = o.id;
    END LOOP;
    FOR r IN SELECT x.* FROM mlops.retrain_rule x
             WHERE x.owner <> 0 AND pg_get_userbyid(x.owner) <> x.owner_name FOR NO KEY UPDATE OF x SKIP LOCKED LOOP
        UPDATE mlops.retrain_rule x SET owner_name = pg_get_userbyid(r.owner) WHERE x.id = r.id;
        PERFORM mlops._audit(action => 'retrain_rule.alter', model => m.name, subject => x.id::text, reason => why,
                             state_before => mlops._retrain_rule_state(r), state_after => mlops._retrain_rule_state(x))
        FROM mlops.retrain_rule x JOIN mlops.model m ON m.id = x.model_id WHERE x.id = r.id;
    END LOOP;
END
$$;
COMMENT ON FUNCTION mlops._follow_owners() IS 'Corrects the names of owners of jobs, monitors and retrain rules whose role was renamed, or dropped.';
REVOKE ALL ON FUNCTION mlops._follow_owners() FROM PUBLIC;

--
-- What users do
--

-- A job by its name, locked (or only kept from being unscheduled, so that the
-- scheduler can go on with it), if the caller may change it.  A job acts as its
-- owner in everything, also where a rule asks for two persons: so nobody
-- writes one for somebody else, neither by SET ROLE nor in a function that
-- runs with its owner's rights.
CREATE FUNCTION mlops._lock_job(name text, share boolean DEFAULT false) RETURNS mlops.job
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    j mlops.job;
BEGIN
    IF name IS NULL THEN
        RAISE EXCEPTION 'no job was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF share THEN
        SELECT * INTO j FROM mlops.job x WHERE x.name = _lock_job.name FOR KEY SHARE;
    ELSE
        SELECT * INTO j FROM mlops.job x WHERE x.name = _lock_job.name FOR UPDATE;
    END IF;
    IF j.id IS NULL THEN
        RAISE EXCEPTION 'job "%" does not exist', name
            USING ERRCODE = 'ML061', HINT = 'View mlops.jobs shows the jobs that you can see.';
    END IF;
    PERFORM mlops._require_job_owner(j.owner, name);
    RETURN j;
END
$$;
COMMENT ON FUNCTION mlops._lock_job(text, boolean) IS
    'Row of a job that the caller may change, locked; errors ML061 and 42501.';
REVOKE ALL ON FUNCTION mlops._lock_job(text, boolean) FROM PUBLIC;

CREATE FUNCTION mlops._require_job_owner(owner oid, name text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    caller record;
BEGIN
    SELECT r.oid, r.rolsuper INTO STRICT caller FROM pg_roles r WHERE r.rolname = mlops._caller();
    IF caller.rolsuper THEN
        RETURN;
    END IF;
    IF caller.oid <> owner THEN
        RAISE EXCEPTION 'permission denied for job "%"', name
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Only its owner and superusers can do this.';
    END IF;
    IF mlops._caller() <> session_user THEN
        RAISE EXCEPTION 'permission denied for job "%"', name
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('The session is that of role "%s", the call is made as role "%s".',
                                  session_user, mlops._caller()),
                  HINT = 'A job acts as the person who owns it: log in as its owner.';
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._require_job_owner(oid, text) IS
    'Error 42501 unless the caller is the owner of a job, logged in as such, or a superuser.';
REVOKE ALL ON FUNCTION mlops._require_job_owner(oid, text) FROM PUBLIC;

-- The owner of a job that the caller makes or gives away.
CREATE FUNCTION mlops._job_owner(owner text) RETURNS name
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted name := coalesce(owner, mlops._caller()::text);
    trouble text;
BEGIN
    IF wanted <> mlops._caller() AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = mlops._caller()) THEN
        RAISE EXCEPTION 'permission denied to make role "%" the owner of a job', wanted
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Only a superuser can give a job to another role.';
    END IF;
    PERFORM mlops._role(wanted);
    trouble := mlops._owner_trouble((SELECT r.oid FROM pg_roles r WHERE r.rolname = wanted));
    IF trouble IS NOT NULL THEN
        RAISE EXCEPTION 'role "%" cannot own a job', wanted
            USING ERRCODE = 'insufficient_privilege', DETAIL = upper(left(trouble, 1)) || substr(trouble, 2) || '.';
    END IF;
    RETURN wanted;
END
$$;
COMMENT ON FUNCTION mlops._job_owner(text) IS
    'Name of the role that is to own a job of the caller; errors 42501 and 42704.';
REVOKE ALL ON FUNCTION mlops._job_owner(text) FROM PUBLIC;

CREATE FUNCTION mlops._check_job(j mlops.job) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF j.overlap NOT IN ('skip', 'queue', 'allow') THEN
        RAISE EXCEPTION 'unknown policy for overlap: "%"', j.overlap
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It is skip, queue or allow.';
    ELSIF j.missed NOT IN ('skip', 'once', 'all') THEN
        RAISE EXCEPTION 'unknown policy for missed runs: "%"', j.missed
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It is skip, once or all.';
    ELSIF j.name !~ '^[^[:cntrl:]]{1,100}$' THEN
        RAISE EXCEPTION 'invalid name of a job: "%"', j.name
            USING ERRCODE = 'invalid_name', DETAIL = 'A name has 1 to 100 characters, none of them a control character.';
    ELSIF j.command !~ '[^[:space:]]' THEN
        RAISE EXCEPTION 'a job needs a command' USING ERRCODE = 'invalid_parameter_value';
    ELSIF j.retries < 0 OR j.retry_delay < interval '0' OR j.timeout <= interval '0' OR j.max_failures < 1 THEN
        RAISE EXCEPTION 'invalid limits of a job'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'retries and retry_delay are not negative, timeout is positive, max_failures is at least 1.';
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._check_job(mlops.job) IS 'Error 22023 or 42602 if a job is not valid.';
REVOKE ALL ON FUNCTION mlops._check_job(mlops.job) FROM PUBLIC;

-- Jobs that monitors and retrainings make have names of their own, which nobody
-- takes first: it would keep others' retrainings from being queued.
CREATE FUNCTION mlops._check_job_name(name text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF name ~ '^(monitor|retraining|retrain rule) ' THEN
        RAISE EXCEPTION 'name of a job is reserved: "%"', name
            USING ERRCODE = 'reserved_name',
                  DETAIL = 'Names that begin with "monitor ", "retraining " or "retrain rule " are those of jobs that these make.';
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._check_job_name(text) IS 'Error 42939 if a name of a job is one that monitors or retrainings give.';
REVOKE ALL ON FUNCTION mlops._check_job_name(text) FROM PUBLIC;

CREATE FUNCTION mlops._make_job(kind text, name text, schedule text, command text, time_zone text DEFAULT NULL,
                                timeout interval DEFAULT NULL, retries integer DEFAULT 3,
                                retry_delay interval DEFAULT '10 seconds', overlap text DEFAULT 'skip',
                                missed text DEFAULT 'once', priority integer DEFAULT 0,
                                max_failures integer DEFAULT NULL, enabled boolean DEFAULT true,
                                owner text DEFAULT NULL, OUT job bigint, OUT next_run_at timestamp with time zone)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := mlops._now();
    j mlops.job;
BEGIN
    IF name IS NULL OR schedule IS NULL OR command IS NULL OR retries IS NULL OR retry_delay IS NULL
       OR overlap IS NULL OR missed IS NULL OR priority IS NULL OR enabled IS NULL THEN
        RAISE EXCEPTION 'an argument of schedule is NULL'
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'Only time_zone, timeout, max_failures and owner may be NULL.';
    END IF;
    j.owner_name := mlops._job_owner(owner);
    j.owner := mlops._role(j.owner_name);
    PERFORM mlops._require_job_owner(j.owner, name);
    j.name := name;
    j.kind := kind;
    j.schedule := schedule;
    j.time_zone := coalesce(time_zone, current_setting('TimeZone'));
    j.command := command;
    j.enabled := enabled;
    j.priority := priority;
    j.overlap := overlap;
    j.missed := missed;
    j.timeout := timeout;
    j.retries := retries;
    j.retry_delay := retry_delay;
    j.max_failures := max_failures;
    j.failures := 0;
    j.created_at := at;
    j.created_by := session_user;
    j.changed_at := at;
    PERFORM mlops._check_job(j);
    j.next_run_at := mlops.next_run(j.schedule, at, j.time_zone);
    IF j.next_run_at IS NULL AND schedule !~* '^\s*manual\s*$' THEN
        RAISE EXCEPTION 'schedule "%" means no time in the future', schedule
            USING ERRCODE = 'ML060', HINT = 'Look at mlops.next_run().';
    END IF;
    IF NOT enabled THEN
        j.next_run_at := NULL;
    END IF;
    j.id := nextval('mlops.job_id_seq');
    INSERT INTO mlops.job SELECT j.* ON CONFLICT ON CONSTRAINT job_name_key DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'job "%" already exists', name
            USING ERRCODE = 'duplicate_object', HINT = 'Change it by mlops.alter_job().';
    END IF;
    PERFORM mlops._audit(action => 'job.schedule', subject => name, state_after => mlops._job_state(j));
    job := j.id;
    next_run_at := j.next_run_at;
END
$$;
COMMENT ON FUNCTION mlops._make_job(text, text, text, text, text, interval, integer, interval, text, text, integer, integer, boolean, text) IS
    'Makes a job of a kind; its id and the time of its first run.';
REVOKE ALL ON FUNCTION mlops._make_job(text, text, text, text, text, interval, integer, interval, text, text, integer, integer, boolean, text) FROM PUBLIC;

CREATE FUNCTION mlops._schedule(name text, schedule text, command text, time_zone text, timeout interval,
                                retries integer, retry_delay interval, overlap text, missed text, priority integer,
                                max_failures integer, enabled boolean, owner text)
    RETURNS timestamp with time zone
    LANGUAGE SQL SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops._check_job_name(name);
    SELECT j.next_run_at
    FROM mlops._make_job('sql', name, schedule, command, time_zone, timeout, retries, retry_delay, overlap, missed,
                         priority, max_failures, enabled, owner) j
$$;
COMMENT ON FUNCTION mlops._schedule(text, text, text, text, interval, integer, interval, text, text, integer, integer, boolean, text) IS
    'Body of mlops.schedule().';
REVOKE ALL ON FUNCTION mlops._schedule(text, text, text, text, interval, integer, interval, text, text, integer, integer, boolean, text) FROM PUBLIC;

CREATE FUNCTION mlops.schedule(name text, schedule text, command text, time_zone text DEFAULT NULL,
                               timeout interval DEFAULT NULL, retries integer DEFAULT 3,
                               retry_delay interval DEFAULT '10 seconds', overlap text DEFAULT 'skip',
                               missed text DEFAULT 'once', priority integer DEFAULT 0,
                               max_failures integer DEFAULT NULL, enabled boolean DEFAULT true,
                               owner text DEFAULT NULL) RETURNS timestamp with time zone
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.schedule(text, text, text, text, interval, integer, interval, text, text, integer, integer, boolean, text) IS
    'Makes a job, an SQL command that runs by itself as its owner: on a schedule ("*/5 * * * *", "every 5 minutes", "once at 2027-01-31 18:00", "manual") in a time zone; returns the time of its first run; errors ML060, 42710, 42501, 22023, 22004, 42602 and 42939.';
REVOKE ALL ON FUNCTION mlops.schedule(text, text, text, text, interval, integer, interval, text, text, integer, integer, boolean, text) FROM PUBLIC;

-- A job of a monitor does what the monitor says.
CREATE FUNCTION mlops._monitor_of(job bigint) RETURNS text
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT o.name FROM mlops.monitor o WHERE o.job_id = job AND o.dropped_at IS NULL
$$;
COMMENT ON FUNCTION mlops._monitor_of(bigint) IS 'Name of the monitor that a job runs, NULL for other jobs.';
REVOKE ALL ON FUNCTION mlops._monitor_of(bigint) FROM PUBLIC;

CREATE FUNCTION mlops._remove_job(j mlops.job) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM mlops.job x WHERE x.id = j.id;
    UPDATE mlops.job_run r
    SET status = 'cancelled', finished_at = mlops._now(), settled = true, message = 'the job was unscheduled'
    WHERE r.job_id = j.id AND r.finished_at IS NULL AND r.status = 'queued';
    PERFORM mlops._audit(action => 'job.unschedule', subject => j.name, state_before => mlops._job_state(j));
END
$$;
COMMENT ON FUNCTION mlops._remove_job(mlops.job) IS 'Removes a job and what of it waits to run.';
REVOKE ALL ON FUNCTION mlops._remove_job(mlops.job) FROM PUBLIC;

CREATE FUNCTION mlops._unschedule(name text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    j mlops.job := mlops._lock_job(name);
    monitor text := mlops._monitor_of(j.id);
BEGIN
    PERFORM mlops._remove_job(j);
    IF monitor IS NOT NULL THEN
        RAISE NOTICE 'monitor "%" does not run by itself any more', monitor;
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._unschedule(text) IS 'Body of mlops.unschedule().';
REVOKE ALL ON FUNCTION mlops._unschedule(text) FROM PUBLIC;

CREATE FUNCTION mlops.unschedule(name text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.unschedule(text) IS
    'Removes a job and what of it waits to run; a run that is in progress goes on, and its history stays; errors ML061 and 42501.';
REVOKE ALL ON FUNCTION mlops.unschedule(text) FROM PUBLIC;

CREATE FUNCTION mlops._alter_job(name text, schedule text, command text, time_zone text, timeout interval,
                                 retries integer, retry_delay interval, overlap text, missed text, priority integer,
                                 max_failures integer, enabled boolean, owner text, new_name text)
    RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := mlops._now();
    old mlops.job := mlops._lock_job(name);
    j mlops.job := old;
BEGIN
    j.name := coalesce(new_name, old.name);
    j.schedule := coalesce(schedule, old.schedule);
    j.time_zone := coalesce(time_zone, old.time_zone);
    j.command := coalesce(command, old.command);
    -- what somebody wrote can be anything
    j.kind := CASE WHEN j.command = old.command THEN old.kind ELSE 'sql' END;
    j.enabled := coalesce(enabled, old.enabled);
    j.priority := coalesce(priority, old.priority);
    j.overlap := coalesce(overlap, old.overlap);
    j.missed := coalesce(missed, old.missed);
    j.timeout := nullif(coalesce(timeout, old.timeout), interval '0');
    j.retries := coalesce(retries, old.retries);
    j.retry_delay := coalesce(retry_delay, old.retry_delay);
    j.max_failures := nullif(coalesce(max_failures, old.max_failures), 0);
    j.changed_at := at;
    IF owner IS NOT NULL THEN
        j.owner_name := mlops._job_owner(owner);
        j.owner := mlops._role(owner);
    END IF;
    PERFORM mlops._check_job(j);
    IF j.name <> old.name THEN
        PERFORM mlops._check_job_name(j.name);
    END IF;
    IF (j.name, j.command, j.owner) <> (old.name, old.command, old.owner)
       AND mlops._monitor_of(j.id) IS NOT NULL THEN
        RAISE EXCEPTION 'job "%" is that of monitor "%"', old.name, mlops._monitor_of(j.id)
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = 'Its name, command and owner are those of the monitor.',
                  HINT = 'Change the monitor by mlops.alter_monitor().';
    END IF;
    IF j.schedule <> old.schedule OR j.time_zone <> old.time_zone OR j.enabled <> old.enabled THEN
        j.next_run_at := mlops.next_run(j.schedule, at, j.time_zone);
        IF j.next_run_at IS NULL AND schedule IS NOT NULL AND j.schedule !~* '^\s*manual\s*$' THEN
            RAISE EXCEPTION 'schedule "%" means no time in the future', j.schedule
                USING ERRCODE = 'ML060', HINT = 'Look at mlops.next_run().';
        END IF;
    END IF;
    IF NOT j.enabled THEN
        j.next_run_at := NULL;
    END IF;
    IF enabled THEN
        j.failures := 0;
        j.disabled_reason := NULL;
    END IF;
    BEGIN
        UPDATE mlops.job x
        SET name = j.name, kind = j.kind, schedule = j.schedule, time_zone = j.time_zone, command = j.command, enabled = j.enabled,
            priority = j.priority, overlap = j.overlap, missed = j.missed, timeout = j.timeout, retries = j.retries,
            retry_delay = j.retry_delay, max_failures = j.max_failures, changed_at = j.changed_at,
            owner = j.owner, owner_name = j.owner_name, next_run_at = j.next_run_at, failures = j.failures,
            disabled_reason = j.disabled_reason, silent_since = NULL
        WHERE x.id = j.id;
    EXCEPTION WHEN unique_violation THEN
        RAISE EXCEPTION 'job "%" already exists', new_name USING ERRCODE = 'duplicate_object';
    END;
    -- What waits is done as the job is now, and not at all if it was disabled.
    UPDATE mlops.job_run r
    SET job_name = j.name, command = j.command, owner = j.owner, owner_name = j.owner_name, priority = j.priority
    WHERE r.job_id = j.id AND r.finished_at IS NULL AND r.status = 'queued';
    IF NOT j.enabled AND old.enabled THEN
        UPDATE mlops.job_run r
        SET status = 'cancelled', finished_at = at, settled = true, message = 'the job was disabled'
        WHERE r.job_id = j.id AND r.finished_at IS NULL AND r.status = 'queued';
    END IF;
    -- events know jobs by their names: there is none of the old one any more
    IF j.name <> old.name THEN
        PERFORM mlops._audit(action => 'job.rename', subject => old.name, state_before => mlops._job_state(old));
    END IF;
    PERFORM mlops._audit(action => 'job.alter', subject => j.name,
                         state_before => CASE WHEN j.name = old.name THEN mlops._job_state(old) END,
                         state_after => mlops._job_state(j));
    RETURN j.next_run_at;
END
$$;
COMMENT ON FUNCTION mlops._alter_job(text, text, text, text, interval, integer, interval, text, text, integer, integer, boolean, text, text) IS
    'Body of mlops.alter_job().';
REVOKE ALL ON FUNCTION mlops._alter_job(text, text, text, text, interval, integer, interval, text, text, integer, integer, boolean, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.alter_job(name text, schedule text DEFAULT NULL, command text DEFAULT NULL,
                                time_zone text DEFAULT NULL, timeout interval DEFAULT NULL,
                                retries integer DEFAULT NULL, retry_delay interval DEFAULT NULL,
                                overlap text DEFAULT NULL, missed text DEFAULT NULL, priority integer DEFAULT NULL,
                                max_failures integer DEFAULT NULL, enabled boolean DEFAULT NULL,
                                owner text DEFAULT NULL, new_name text DEFAULT NULL)
    RETURNS timestamp with time zone
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.alter_job(text, text, text, text, interval, integer, interval, text, text, integer, integer, boolean, text, text) IS
    'Changes those properties of a job that are not NULL (a timeout or max_failures of 0 is none) and returns the time of its next run; enabled => true also forgets its failures; errors ML060, ML061, 42501, 42710, 22023, 42602 and 42939.';
REVOKE ALL ON FUNCTION mlops.alter_job(text, text, text, text, interval, integer, interval, text, text, integer, integer, boolean, text, text) FROM PUBLIC;

-- Make the job of a monitor, change it, or with an empty schedule end it; a
-- NULL leaves the schedule as it is.  Returns the id of the job, NULL if there
-- is none.
CREATE FUNCTION mlops._schedule_monitor(monitor mlops.monitor, schedule text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    present text := (SELECT j.name FROM mlops.job j WHERE j.id = monitor.job_id);
    job_name CONSTANT text := 'monitor ' || monitor.name;
BEGIN
    IF schedule = '' THEN
        IF present IS NOT NULL THEN
            PERFORM mlops._remove_job(mlops._lock_job(present));
        END IF;
        RETURN NULL;
    ELSIF present IS NOT NULL THEN
        PERFORM mlops._alter_job(present, schedule, NULL, monitor.time_zone, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        RETURN monitor.job_id;
    ELSIF schedule IS NULL THEN
        RETURN NULL;
    END IF;
    IF NOT (has_function_privilege(mlops._caller(), 'mlops.schedule'::regproc, 'EXECUTE')
            AND has_function_privilege(mlops._caller(), 'mlops.run_monitor'::regproc, 'EXECUTE')) THEN
        RAISE EXCEPTION 'permission denied to schedule monitor "%"', monitor.name
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'It needs the right to execute mlops.schedule() and mlops.run_monitor().';
    END IF;
    RETURN (SELECT j.job FROM mlops._make_job('monitor', job_name, schedule, format('SELECT mlops.run_monitor(%L)', monitor.name),
                                              time_zone => monitor.time_zone) j);
END
$$;
COMMENT ON FUNCTION mlops._schedule_monitor(mlops.monitor, text) IS
    'Makes, changes or ends the job of a monitor of the caller; its id; errors ML060, 42501 and 42710.';
REVOKE ALL ON FUNCTION mlops._schedule_monitor(mlops.monitor, text) FROM PUBLIC;

CREATE FUNCTION mlops._run_job(name text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    j mlops.job := mlops._lock_job(name, share => true);
    at timestamptz := mlops._now();
    run bigint;
BEGIN
    run := mlops._add_run(j, at, 'manual', at, NULL);
    PERFORM mlops._audit(action => 'job.run', subject => name, detail => jsonb_build_object('run', run));
    RETURN run;
END
$$;
COMMENT ON FUNCTION mlops._run_job(text) IS 'Body of mlops.run_job().';
REVOKE ALL ON FUNCTION mlops._run_job(text) FROM PUBLIC;

CREATE FUNCTION mlops.run_job(name text) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.run_job(text) IS
    'Queues a run of a job to be started when this transaction has committed, also of a job that is disabled, and returns its id; unless its overlap is "allow" it starts after the run that is in progress; errors ML061 and 42501.';
REVOKE ALL ON FUNCTION mlops.run_job(text) FROM PUBLIC;

CREATE FUNCTION mlops._cancel_job(name text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    j mlops.job := mlops._lock_job(name, share => true);
    waiting integer;
    running integer;
BEGIN
    -- No worker has claimed these, and none can any more.
    UPDATE mlops.job_run r
    SET status = 'cancelled', finished_at = mlops._now(), settled = true, message = 'cancelled before it ran'
    WHERE r.job_id = j.id AND r.finished_at IS NULL AND r.status IN ('queued', 'starting');
    GET DIAGNOSTICS waiting = ROW_COUNT;
    SELECT count(*) FILTER (WHERE pg_cancel_backend(a.pid)) INTO running
    FROM mlops.job_run r
    JOIN pg_stat_activity a ON a.pid = r.pid AND a.backend_type = 'mlops job' AND a.datname = current_database()
    WHERE r.job_id = j.id AND r.finished_at IS NULL AND r.status = 'running';
    PERFORM mlops._audit(action => 'job.cancel', subject => name,
                         detail => jsonb_build_object('waiting', waiting, 'running', running));
    RETURN waiting + running;
END
$$;
COMMENT ON FUNCTION mlops._cancel_job(text) IS 'Body of mlops.cancel_job().';
REVOKE ALL ON FUNCTION mlops._cancel_job(text) FROM PUBLIC;

CREATE FUNCTION mlops.cancel_job(name text) RETURNS integer
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.cancel_job(text) IS
    'Cancels the runs of a job that wait, at the commit, and those in progress, at once; they are not retried, and the job goes on as scheduled; returns their number; errors ML061 and 42501.';
REVOKE ALL ON FUNCTION mlops.cancel_job(text) FROM PUBLIC;

-- The run in which a command stands.
CREATE FUNCTION mlops.current_run(OUT run bigint, OUT job text, OUT scheduled_at timestamp with time zone,
                                  OUT attempt integer) RETURNS record
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_current_run';
COMMENT ON FUNCTION mlops.current_run() IS
    'The run of a job in which it is called: its id, the job, the time for which it was scheduled (also in a retry or after downtime) and the number of the attempt; all NULL outside of a job.';

CREATE FUNCTION mlops.start_scheduler() RETURNS boolean
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_start_scheduler';
COMMENT ON FUNCTION mlops.start_scheduler() IS
    'Starts the scheduler of this database if the library was not preloaded, until the server restarts; false if it runs already or the launcher takes care of it; error ML064 if no process is available.';
REVOKE ALL ON FUNCTION mlops.start_scheduler() FROM PUBLIC;
