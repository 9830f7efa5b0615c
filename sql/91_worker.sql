-- file: sql/91_worker.sql
-- Jobs, their history and their processes, as users see them.

-- Jobs whose owner the viewer is, or is a member of; all of them for superusers.
CREATE VIEW mlops.jobs WITH (security_barrier) AS
    SELECT j.id,
           j.name AS job,
           j.kind,
           pg_catalog.pg_get_userbyid(j.owner) AS owner,
           j.schedule,
           j.time_zone,
           j.command,
           j.enabled,
           CASE WHEN NOT j.enabled THEN 'disabled'
                WHEN EXISTS (SELECT FROM mlops.job_run r
                             WHERE r.job_id OPERATOR(pg_catalog.=) j.id AND r.finished_at IS NULL
                               AND r.status OPERATOR(pg_catalog.=) ANY (ARRAY['starting', 'running'])) THEN 'running'
                WHEN EXISTS (SELECT FROM mlops.job_run r
                             WHERE r.job_id OPERATOR(pg_catalog.=) j.id AND r.finished_at IS NULL) THEN 'queued'
                WHEN j.next_run_at IS NULL THEN 'idle'
                ELSE 'scheduled' END AS status,
           j.next_run_at,
           j.last_run_at,
           j.last_status,
           j.last_success_at,
           j.silent_since,
           j.failures,
           j.disabled_reason,
           j.priority,
           j.overlap,
           j.missed,
           j.timeout,
           j.retries,
           j.retry_delay,
           j.max_failures,
           j.created_at,
           j.created_by,
           j.changed_at
    FROM mlops.job j
    WHERE pg_catalog.pg_has_role(j.owner, 'USAGE')
       OR EXISTS (SELECT FROM pg_catalog.pg_roles r
                  WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER AND r.rolsuper);
COMMENT ON VIEW mlops.jobs IS
    'Jobs whose owner the viewer is or is a member of: schedule, command, policies, next and last run, failed runs in a row.';

-- A monitor and its job have one schedule: that of the job.
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
           o.label_wait,
           o.enabled,
           j.schedule,
           j.name AS job,
           (SELECT pg_catalog.max(r.window_end) FROM mlops.monitor_run r
            WHERE r.monitor_id OPERATOR(pg_catalog.=) o.id) AS last_window_end,
           o.created_at
    FROM mlops.monitor o
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) o.model_id
    LEFT JOIN mlops.job j ON j.id OPERATOR(pg_catalog.=) o.job_id
    WHERE o.dropped_at IS NULL AND mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.monitors IS
    'Monitors of models on which the viewer has any privilege, with the schedule by which each runs, and the job.';
GRANT SELECT ON mlops.monitors TO PUBLIC;

CREATE VIEW mlops.job_runs WITH (security_barrier) AS
    SELECT r.id,
           r.job_name AS job,
           pg_catalog.pg_get_userbyid(r.owner) AS owner,
           r.cause,
           r.attempt,
           r.previous_id,
           r.status,
           r.scheduled_at,
           r.queued_at,
           r.start_after,
           r.started_at,
           r.finished_at,
           r.finished_at OPERATOR(pg_catalog.-) r.started_at AS duration,
           r.rows,
           r.message,
           r.sqlstate,
           r.detail,
           r.hint,
           r.context,
           r.pid,
           r.cpu_time,
           r.peak_memory,
           r.command
    FROM mlops.job_run r
    WHERE pg_catalog.pg_has_role(r.owner, 'USAGE')
       OR EXISTS (SELECT FROM pg_catalog.pg_roles s
                  WHERE s.rolname OPERATOR(pg_catalog.=) CURRENT_USER AND s.rolsuper);
COMMENT ON VIEW mlops.job_runs IS
    'Each time that a job was due, queued or run: status, times, rows, message, SQLSTATE and context of an error, process, milliseconds of CPU, peak memory in bytes; of jobs whose owner the viewer is or is a member of.';

-- What monitoring needs of a job, without what it does.
CREATE VIEW mlops.stat_jobs WITH (security_barrier) AS
    SELECT j.name AS job,
           pg_catalog.pg_get_userbyid(j.owner) AS owner,
           j.kind,
           j.enabled,
           q.running,
           q.queued,
           q.waiting_since,
           j.failures,
           j.last_status,
           j.last_run_at,
           j.last_success_at,
           j.next_run_at,
           CASE WHEN j.enabled THEN
               mlops._silent_at(j.schedule, j.time_zone, greatest(coalesce(j.last_success_at, j.created_at), j.changed_at))
           END AS silent_at,
           j.silent_since
    FROM mlops.job j,
         LATERAL (SELECT pg_catalog.count(*) FILTER (WHERE r.status OPERATOR(pg_catalog.<>) 'queued') AS running,
                         pg_catalog.count(*) FILTER (WHERE r.status OPERATOR(pg_catalog.=) 'queued') AS queued,
                         pg_catalog.min(r.start_after) FILTER (WHERE r.status OPERATOR(pg_catalog.=) 'queued') AS waiting_since
                  FROM mlops.job_run r WHERE r.job_id OPERATOR(pg_catalog.=) j.id AND r.finished_at IS NULL) q
    WHERE pg_catalog.pg_has_role(j.owner, 'USAGE')
       OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
COMMENT ON VIEW mlops.stat_jobs IS
    'For monitoring, jobs without their commands: runs in progress and waiting, failed runs in a row, last and next run, last success, when it is or was silent (silent_at) and since when that has been reported (silent_since); of jobs whose owner the viewer is or is a member of, all of them for pg_read_all_stats.';

CREATE FUNCTION mlops.stat_workers(OUT process text, OUT database oid, OUT pid integer, OUT state text,
                                   OUT run bigint, OUT since timestamp with time zone,
                                   OUT heartbeat timestamp with time zone,
                                   OUT next_due timestamp with time zone, OUT failures integer) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_stat_workers';
COMMENT ON FUNCTION mlops.stat_workers() IS 'The rows of the view mlops.stat_workers.';

CREATE VIEW mlops.stat_workers WITH (security_barrier) AS
    SELECT w.process,
           d.datname AS database,
           w.pid,
           w.state,
           r.job,
           w.run,
           w.since,
           w.heartbeat,
           w.next_due,
           w.failures
    FROM mlops.stat_workers() w
    LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) w.database
    LEFT JOIN mlops.job_runs r
        ON r.id OPERATOR(pg_catalog.=) w.run
           AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database();
COMMENT ON VIEW mlops.stat_workers IS
    'The launcher, the scheduler of each database and each job worker of the cluster: process, state, last look at the jobs (heartbeat), next time at which a sleeping scheduler starts, failures in a row; no row without preload.';

CREATE VIEW mlops.stat_monitors WITH (security_barrier) AS
    SELECT o.name AS monitor,
           m.name AS model,
           o.enabled,
           r.window_end AS last_window_end,
           r.created_at AS last_run_at,
           r.verdict AS last_verdict,
           a.open_alerts,
           a.oldest_alert_at
    FROM mlops.monitor o
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) o.model_id
    LEFT JOIN LATERAL (SELECT x.window_end, x.created_at, x.verdict FROM mlops.monitor_run x
                       WHERE x.monitor_id OPERATOR(pg_catalog.=) o.id
                       ORDER BY x.window_end DESC, x.window_start DESC, x.attempt DESC LIMIT 1) r ON true
    CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS open_alerts, pg_catalog.min(x.opened_at) AS oldest_alert_at
                        FROM mlops.alert x
                        WHERE x.monitor_id OPERATOR(pg_catalog.=) o.id AND x.closed_at IS NULL) a
    WHERE o.dropped_at IS NULL
      AND (pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') OR mlops.has_privilege(m.name, 'any'));
COMMENT ON VIEW mlops.stat_monitors IS
    'For monitoring, each monitor with its last window, when that was looked at and the verdict, and its alerts that are not closed; of models on which the viewer has any privilege, all of them for pg_read_all_stats.';

-- Thresholds: a run is late after a minute, a job is failing after three
-- failed runs in a row, silent by _silent_at(); launcher and schedulers look
-- once a minute, and are stuck after three without.
CREATE FUNCTION mlops._health(OUT status text, OUT message text, OUT scheduler text, OUT jobs bigint,
                              OUT enabled bigint, OUT disabled_by_failures bigint, OUT running bigint,
                              OUT queued bigint, OUT late bigint, OUT failing bigint, OUT silent bigint,
                              OUT failed_last_hour bigint, OUT last_success_at timestamp with time zone,
                              OUT heartbeat timestamp with time zone, OUT open_alerts bigint) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at timestamptz := mlops._now();
    w record;
BEGIN
    SELECT count(*), count(*) FILTER (WHERE j.enabled),
           count(*) FILTER (WHERE NOT j.enabled AND j.disabled_reason IS NOT NULL),
           count(*) FILTER (WHERE j.enabled AND j.next_run_at < at - interval '1 minute'),
           count(*) FILTER (WHERE j.enabled AND j.failures >= 3),
           count(*) FILTER (WHERE j.enabled AND mlops._silent_at(j.schedule, j.time_zone,
                                greatest(coalesce(j.last_success_at, j.created_at), j.changed_at)) <= at),
           max(j.last_success_at)
    INTO jobs, enabled, disabled_by_failures, late, failing, silent, last_success_at
    FROM mlops.job j;
    SELECT count(*) FILTER (WHERE r.status IN ('starting', 'running')), count(*) FILTER (WHERE r.status = 'queued'),
           late + count(*) FILTER (WHERE r.status = 'queued' AND r.start_after < at - interval '1 minute')
    INTO running, queued, late
    FROM mlops.job_run r WHERE r.finished_at IS NULL;
    SELECT count(*) INTO failed_last_hour FROM mlops.job_run r
    WHERE r.settled AND r.finished_at > at - interval '1 hour' AND r.status IN ('failed', 'timeout', 'crashed');

    SELECT count(*) INTO open_alerts FROM mlops.alert a WHERE a.closed_at IS NULL;

    SELECT s.state, l.pid AS launcher, CASE s.state WHEN 'running' THEN s.heartbeat ELSE l.heartbeat END AS heartbeat INTO w
    FROM mlops.stat_workers() l
    LEFT JOIN mlops.stat_workers() s
        ON s.process = 'scheduler' AND s.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    WHERE l.process = 'launcher';
    heartbeat := w.heartbeat;
    IF w.launcher IS NULL THEN
        -- one that start_scheduler() started, by real time
        SELECT at - (clock_timestamp() - a.state_change) INTO heartbeat FROM pg_stat_activity a
        WHERE a.backend_type = 'mlops scheduler' AND a.datname = current_database();
    END IF;
    scheduler := CASE
        WHEN pg_is_in_recovery() THEN 'standby'
        WHEN NOT current_setting('mlops.scheduler')::boolean THEN 'off'
        WHEN heartbeat < at - interval '3 minutes' THEN 'stuck'
        WHEN w.launcher IS NOT NULL THEN coalesce(w.state, 'unknown')
        WHEN heartbeat IS NOT NULL THEN 'running'
        ELSE 'stopped' END;

    message := concat_ws('; ',
        CASE WHEN scheduler = 'stopped' AND enabled > 0 THEN 'no scheduler runs' END,
        CASE WHEN scheduler = 'off' AND enabled > 0 THEN 'mlops.scheduler is off' END,
        CASE WHEN scheduler = 'failed' THEN 'the scheduler fails, see the log of the server' END,
        CASE WHEN scheduler = 'stuck' THEN format('no sign of life of the scheduler since %s', heartbeat) END,
        CASE WHEN late > 0 AND scheduler <> 'standby' THEN format('late runs: %s', late) END,
        CASE WHEN disabled_by_failures > 0 THEN format('jobs disabled after failures: %s', disabled_by_failures) END,
        CASE WHEN failing > 0 THEN format('failing jobs: %s', failing) END,
        CASE WHEN silent > 0 AND scheduler <> 'standby' THEN format('silent jobs: %s', silent) END,
        CASE WHEN open_alerts > 0 THEN format('open alerts: %s', open_alerts) END);
    status := CASE
        WHEN message = '' THEN 'ok'
        WHEN scheduler IN ('stopped', 'failed', 'stuck') OR late > 0 OR silent > 0 THEN 'critical'
        ELSE 'warning' END;
END
$$;
COMMENT ON FUNCTION mlops._health() IS 'Body of mlops.health().';
REVOKE ALL ON FUNCTION mlops._health() FROM PUBLIC;

CREATE FUNCTION mlops.health(OUT status text, OUT message text, OUT scheduler text, OUT jobs bigint,
                             OUT enabled bigint, OUT disabled_by_failures bigint, OUT running bigint,
                             OUT queued bigint, OUT late bigint, OUT failing bigint, OUT silent bigint,
                             OUT failed_last_hour bigint, OUT last_success_at timestamp with time zone,
                             OUT heartbeat timestamp with time zone, OUT open_alerts bigint) RETURNS record
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.health() IS
    'Whether the jobs of this database run: status ok, warning or critical with the reasons, state of the scheduler and its last sign of life (or the launcher''s, while it sleeps), numbers of jobs and runs, those late by more than a minute, failing three times in a row, or silent (without success for mlops.silent_after scheduled times), and of alerts that are not closed; numbers only, of all jobs, for everybody.';

GRANT SELECT ON mlops.jobs, mlops.job_runs, mlops.stat_jobs, mlops.stat_monitors, mlops.stat_workers TO PUBLIC;
