-- Jobs: what is promised of schedule and its sisters, and every decision of
-- the scheduler, made here step by step with a clock that stands.
\set ECHO none
\set QUIET 1
BEGIN;
SELECT plan(138);

SET TimeZone = 'UTC';
CREATE ROLE regress_jobs_ann LOGIN;
CREATE ROLE regress_jobs_bob LOGIN;
CREATE ROLE regress_jobs_group;
GRANT regress_jobs_group, regress_jobs_bob TO regress_jobs_ann;
GRANT EXECUTE ON FUNCTION mlops.schedule, mlops.alter_job, mlops.unschedule, mlops.run_job, mlops.cancel_job
    TO regress_jobs_ann, regress_jobs_bob, regress_jobs_group;
GRANT USAGE ON SCHEMA public TO PUBLIC;

CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql AS
    $$ SELECT set_config('mlops.debug_clock', at, false) $$;
CREATE FUNCTION pg_temp.run(wanted text, n integer DEFAULT 1) RETURNS bigint LANGUAGE sql AS
    $$ SELECT id FROM mlops.job_run WHERE job_name = wanted ORDER BY id DESC OFFSET n - 1 LIMIT 1 $$;
CREATE FUNCTION pg_temp.states(wanted text) RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(to_char(scheduled_at, 'HH24:MI') || ' ' || status || CASE WHEN attempt > 1 THEN ' ' || attempt ELSE '' END, ', ' ORDER BY id)
       FROM mlops.job_run WHERE job_name = wanted $$;
-- as the library calls them
CREATE FUNCTION pg_temp.queue_due(timestamptz) RETURNS integer LANGUAGE C AS '$libdir/mlops', 'mlops_private_call';
CREATE FUNCTION pg_temp.settle_runs(timestamptz) RETURNS integer LANGUAGE C AS '$libdir/mlops', 'mlops_private_call';
-- start what can be started, as the scheduler does; the worker that never is claims it
CREATE FUNCTION pg_temp.begin(n integer DEFAULT 100) RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(c.job_name, ' ' ORDER BY s.ordinality)
       FROM mlops._start_runs(mlops._now(), n) WITH ORDINALITY s,
            LATERAL mlops._claim_run(s.run_id, 1000 + s.run_id::integer, mlops._now()) c $$;
CREATE FUNCTION pg_temp.finish(wanted text, result text) RETURNS boolean LANGUAGE sql AS
    $$ SELECT bool_and(mlops._end_run(id, pid, mlops._now(), result, message => 'said so', error_code => CASE WHEN result = 'failed' THEN 'XX000' END))
       FROM mlops.job_run WHERE job_name = wanted AND status = 'running' $$;

--
-- next_run
--
SELECT is(mlops.next_run('*/5 * * * *', '2026-01-01 00:00Z'), '2026-01-01 00:05Z'::timestamptz, 'a cron expression');
SELECT is(mlops.next_run('30 2 * * *', '2026-03-28 12:00Z', 'Europe/Berlin'), '2026-03-29 01:00Z'::timestamptz, 'a time that the clocks skip comes when they are put forward');
SELECT is(mlops.next_run('30 2 * * *', '2026-10-25 00:30Z', 'Europe/Berlin'), '2026-10-26 01:30Z'::timestamptz, 'one that they repeat comes once');
SELECT is(mlops.next_run('30 * * * *', '2026-10-25 00:30Z', 'Europe/Berlin'), '2026-10-25 01:30Z'::timestamptz, 'a star goes by each hour that passes');
SELECT is(mlops.next_run('0 12 * * *', '2060-07-01 00:00Z', 'Europe/Berlin'), '2060-07-01 10:00Z'::timestamptz, 'rules are known for ever');
SELECT is(mlops.next_run('every 90 minutes', '2026-01-05 00:00:00.5Z'), '2026-01-05 01:30Z'::timestamptz, 'every');
SELECT is(mlops.next_run('every 1 second', '2026-01-05 00:00:00.999999Z'), '2026-01-05 00:00:01Z'::timestamptz, 'the next one is later, by however little');
SELECT is(mlops.next_run('once at 2027-01-31 18:00', '2026-01-01', 'Asia/Kathmandu'), '2027-01-31 12:15Z'::timestamptz, 'once');
SELECT is(mlops.next_run('once at 2020-01-31 18:00', '2026-01-01'), NULL, 'once, in the past');
SELECT is(mlops.next_run('manual', '2026-01-01'), NULL, 'by hand');
SELECT is(mlops.next_run('* * * * *', 'infinity'), NULL, 'after the end of time');
SELECT is(mlops.next_run('0 0 1 1 *', '-infinity'), '0001-01-01 00:00Z'::timestamptz, 'from its beginning');
SELECT is(mlops.next_run(NULL, now()), NULL, 'no schedule');
SELECT is(mlops.next_run('30 2 * * mon-fri', '2026-06-04 03:00Z', 'UTC', 3), '2026-06-09 02:30Z'::timestamptz, 'the third time');
SELECT is(mlops.next_run('once at 2027-01-31 18:00', '2026-01-01', 'UTC', 2), NULL, 'there is no second once');
SELECT throws_ok($$SELECT mlops.next_run('* * * * *', now(), 'UTC', 0)$$, '22023', 'the number of a run must be at least 1', 'nor a time before the first');
SELECT throws_ok($$SELECT mlops.next_run('61 * * * *')$$, 'ML060', 'invalid schedule: "61 * * * *"', 'what is no schedule');
SELECT throws_ok($$SELECT mlops.next_run('* * * * *', now(), 'Mars/Olympus')$$, '22023', 'time zone "Mars/Olympus" not recognized', 'what is no time zone');

--
-- schedule, alter_job, unschedule
--
SELECT pg_temp.clock('2026-06-01 10:00:30');
SELECT is(mlops.schedule('a', '*/10 * * * *', 'SELECT 1'), '2026-06-01 10:10Z'::timestamptz, 'schedule gives the first time');
SELECT is((SELECT ROW(job, kind, owner, schedule, time_zone, enabled, status, priority, overlap, missed, retries, failures)::text FROM mlops.jobs WHERE job = 'a'),
    ROW('a', 'sql', session_user, '*/10 * * * *', 'UTC', true, 'scheduled', 0, 'skip', 'once', 3, 0)::text, 'jobs shows it');
SELECT is((SELECT created_at FROM mlops.jobs WHERE job = 'a'), '2026-06-01 10:00:30Z'::timestamptz, 'by the scheduler''s clock');
SELECT throws_ok($$SELECT mlops.schedule('a', 'manual', 'SELECT 2')$$, '42710', 'job "a" already exists', 'a name is taken once');
SELECT throws_ok($$SELECT mlops.schedule('b', '* * * *', 'SELECT 1')$$, 'ML060', NULL, 'a bad schedule');
SELECT throws_ok($$SELECT mlops.schedule('b', 'once at 2020-01-01 00:00', 'SELECT 1')$$, 'ML060', NULL, 'a time that has passed');
SELECT throws_ok($$SELECT mlops.schedule('b', 'manual', 'SELECT 1', time_zone => 'Nowhere')$$, '22023', NULL, 'a bad time zone');
SELECT throws_ok($$SELECT mlops.schedule('b', 'manual', '  ')$$, '22023', NULL, 'no command');
SELECT throws_ok($$SELECT mlops.schedule('', 'manual', 'SELECT 1')$$, '42602', NULL, 'no name');
SELECT throws_ok($$SELECT mlops.schedule(E'a\nb', 'manual', 'SELECT 1')$$, '42602', NULL, 'a name of two lines');
SELECT throws_ok($$SELECT mlops.schedule(NULL, 'manual', 'SELECT 1')$$, '22004', NULL, 'NULL');
SELECT throws_ok($$SELECT mlops.schedule('b', 'manual', 'SELECT 1', overlap => 'maybe')$$, '22023', NULL, 'a policy that there is not');
SELECT throws_ok($$SELECT mlops.schedule('b', 'manual', 'SELECT 1', missed => 'maybe')$$, '22023', NULL, 'nor this one');
SELECT throws_ok($$SELECT mlops.schedule('b', 'manual', 'SELECT 1', retries => -1)$$, '22023', NULL, 'less than no retries');
SELECT throws_ok($$SELECT mlops.schedule('b', 'manual', 'SELECT 1', timeout => '-1 s')$$, '22023', NULL, 'a timeout in the past');
SELECT throws_ok($$SELECT mlops.schedule('b', 'manual', 'SELECT 1', owner => 'regress_jobs_none')$$, '42704', NULL, 'an owner that there is not');
SELECT throws_ok($$SELECT mlops.schedule('b', 'manual', 'SELECT 1', owner => 'regress_jobs_group')$$, '42501', 'role "regress_jobs_group" cannot own a job', 'one that cannot log in');

SELECT is(mlops.alter_job('a', schedule => '0 12 * * *', time_zone => 'Europe/Berlin', priority => 5, timeout => '1 min'), '2026-06-02 10:00Z'::timestamptz, 'alter_job gives the next time');
SELECT is((SELECT ROW(schedule, time_zone, priority, timeout, retries)::text FROM mlops.jobs WHERE job = 'a'),
    ROW('0 12 * * *', 'Europe/Berlin', 5, interval '1 min', 3)::text, 'and changes what it is told');
SELECT is(mlops.alter_job('a', timeout => '0', new_name => 'aa'), '2026-06-02 10:00Z'::timestamptz, 'a new name');
SELECT is((SELECT timeout FROM mlops.jobs WHERE job = 'aa'), NULL, 'and no timeout');
SELECT is(mlops.alter_job('aa', enabled => false), NULL, 'a disabled job has no next time');
SELECT is((SELECT status FROM mlops.jobs WHERE job = 'aa'), 'disabled', 'and is disabled');
SELECT is(mlops.alter_job('aa', enabled => true), '2026-06-02 10:00Z'::timestamptz, 'until it is not');
SELECT throws_ok($$SELECT mlops.alter_job('a', priority => 1)$$, 'ML061', 'job "a" does not exist', 'the former name');
SELECT throws_ok($$SELECT mlops.alter_job('aa', schedule => 'often')$$, 'ML060', NULL, 'a bad schedule');
SELECT mlops.schedule('b', 'manual', 'SELECT 1');
SELECT throws_ok($$SELECT mlops.alter_job('aa', new_name => 'b')$$, '42710', 'job "b" already exists', 'a name that is taken');
SELECT lives_ok($$SELECT mlops.unschedule('aa')$$, 'unschedule');
SELECT is_empty($$SELECT FROM mlops.jobs WHERE job = 'aa'$$, 'it is gone');
SELECT throws_ok($$SELECT mlops.unschedule('aa')$$, 'ML061', NULL, 'once');
SELECT throws_ok($$SELECT mlops.run_job('aa')$$, 'ML061', NULL, 'and cannot be run');
SELECT throws_ok($$SELECT mlops.cancel_job(NULL)$$, '22004', NULL, 'nor can what has no name');

--
-- Whose jobs they are
--
SET SESSION AUTHORIZATION regress_jobs_bob;
SELECT lives_ok($$SELECT mlops.schedule('bobs', 'manual', 'SELECT 1')$$, 'whoever may execute schedule makes jobs');
SELECT is((SELECT owner::text FROM mlops.jobs WHERE job = 'bobs'), 'regress_jobs_bob', 'of his own');
SELECT is((SELECT count(*) FROM mlops.jobs), 1::bigint, 'and sees no others');
SELECT throws_ok($$SELECT mlops.schedule('x', 'manual', 'SELECT 1', owner => 'regress_jobs_ann')$$, '42501', NULL, 'nobody makes them for others');
SELECT throws_ok($$SELECT mlops.unschedule('b')$$, '42501', 'permission denied for job "b"', 'nor touches others''');
SELECT throws_ok($$SELECT mlops.alter_job('bobs', owner => 'postgres')$$, '42501', NULL, 'nor gives away his own');
SELECT throws_ok($$SELECT mlops._start_runs(now(), 1)$$, '42501', NULL, 'private functions are private');
SELECT throws_ok($$SELECT * FROM mlops.job$$, '42501', NULL, 'tables too');
SELECT throws_ok($$SELECT set_config('mlops.debug_clock', '2026-01-01 00:00:00', true)$$, '42501', NULL, 'the clock is a superuser''s');
SET SESSION AUTHORIZATION regress_jobs_ann;
SELECT is((SELECT count(*) FROM mlops.jobs), 1::bigint, 'a member of a role sees its jobs');
SET ROLE regress_jobs_bob;
SELECT throws_ok($$SELECT mlops.alter_job('bobs', command => 'SELECT 2')$$, '42501', NULL, 'but cannot write what that role would do');
SELECT throws_ok($$SELECT mlops.schedule('x', 'manual', 'SELECT 1')$$, '42501', 'permission denied for job "x"', 'nor make jobs for it by SET ROLE');
RESET ROLE;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION pg_temp.trap() RETURNS timestamptz LANGUAGE sql SECURITY DEFINER AS $$ SELECT mlops.schedule('trap', 'manual', 'SELECT 1') $$;
ALTER FUNCTION pg_temp.trap OWNER TO regress_jobs_bob;
SET SESSION AUTHORIZATION regress_jobs_ann;
SELECT throws_ok($$SELECT pg_temp.trap()$$, '42501', NULL, 'nor in a function with another''s rights');
RESET SESSION AUTHORIZATION;
SELECT lives_ok($$SELECT mlops.alter_job('bobs', owner => 'regress_jobs_ann')$$, 'a superuser gives jobs away');
SELECT is((SELECT owner::text FROM mlops.jobs WHERE job = 'bobs'), 'regress_jobs_ann', 'to whom he likes');
SELECT results_eq($$SELECT DISTINCT action FROM mlops.audit_event WHERE action LIKE 'job.%'$$, $$SELECT ''::text WHERE false$$, 'events are written at the commit');
DELETE FROM mlops.job;
DELETE FROM mlops.job_run;

--
-- Due runs
--
SELECT pg_temp.clock('2026-06-01 10:00:00');
SELECT mlops.schedule('skip', '*/10 * * * *', 'SELECT 1', missed => 'skip', overlap => 'queue');
SELECT mlops.schedule('once', '*/10 * * * *', 'SELECT 1', missed => 'once', overlap => 'queue', priority => 1);
SELECT mlops.schedule('all', '*/10 * * * *', 'SELECT 1', missed => 'all', overlap => 'queue', priority => -1);
SELECT is(pg_temp.queue_due(mlops._now()), 0, 'nothing is due');
SELECT is(mlops._next_wake(mlops._now()), '2026-06-01 10:10Z'::timestamptz, 'before ten past');
SELECT pg_temp.clock('2026-06-01 10:10:01');
SELECT is(pg_temp.queue_due(mlops._now()), 3, 'then all three');
SELECT is(pg_temp.queue_due(mlops._now()), 0, 'and once');
SELECT is(pg_temp.begin(1), 'once', 'the one with the highest priority goes first');
SELECT is(pg_temp.begin(), 'skip all', 'then the others');
SELECT is(pg_temp.begin(), NULL, 'and no more');
SELECT is(pg_temp.finish('skip', 'succeeded') AND pg_temp.finish('once', 'succeeded') AND pg_temp.finish('all', 'succeeded'), true, 'they end');
SELECT is(pg_temp.settle_runs(mlops._now()), 3, 'which has consequences');
SELECT results_eq($$SELECT job, last_status, last_success_at FROM mlops.jobs ORDER BY job$$,
    $$SELECT j, 'succeeded', mlops._now() FROM unnest('{all,once,skip}'::text[]) j$$, 'that jobs shows');

-- the server was down for half an hour
SELECT pg_temp.clock('2026-06-01 10:45:00');
SELECT is(pg_temp.queue_due(mlops._now()), 3, 'after downtime');
SELECT is(pg_temp.states('skip'), '10:10 succeeded, 10:20 skipped, 10:40 skipped', 'missed runs are skipped');
SELECT is(pg_temp.states('once'), '10:10 succeeded, 10:20 skipped, 10:40 queued', 'or the last one is done');
SELECT is(pg_temp.states('all'), '10:10 succeeded, 10:20 queued, 10:30 queued, 10:40 queued', 'or all of them are');
SELECT results_eq($$SELECT DISTINCT next_run_at FROM mlops.jobs$$, $$SELECT '2026-06-01 10:50Z'::timestamptz$$, 'and then it goes on');
SELECT is(pg_temp.begin(), 'once all', 'one run of a job at a time');
SELECT is(pg_temp.finish('all', 'succeeded'), true, 'when it ends');
SELECT is(pg_temp.begin(), 'all', 'the next one begins');
SELECT is((SELECT scheduled_at FROM mlops.job_run WHERE job_name = 'all' AND status = 'running'), '2026-06-01 10:30Z'::timestamptz, 'in order');

-- a year, and nobody counts its seconds
SELECT mlops.schedule('second', 'every 1 second', 'SELECT 1');
SELECT mlops.schedule('century', 'every 1 second', 'SELECT 1', missed => 'all');
SELECT pg_temp.clock('2027-06-01 10:45:30');
SELECT is(pg_temp.queue_due(mlops._now()), 5, 'a year later');
SELECT is((SELECT count(*) FROM mlops.job_run WHERE job_name = 'second'), 2::bigint, 'one is done');
SELECT is((SELECT count(*) FROM mlops.job_run WHERE job_name = 'century'), 100::bigint, 'or a hundred to begin with');
SELECT is(pg_temp.queue_due(mlops._now()), 0, 'and no more before these are done');
DELETE FROM mlops.job;
DELETE FROM mlops.job_run;

--
-- Overlap
--
SELECT pg_temp.clock('2026-06-01 10:00:00');
SELECT mlops.schedule('skip', '* * * * *', 'SELECT 1', overlap => 'skip'), mlops.schedule('queue', '* * * * *', 'SELECT 1', overlap => 'queue'),
       mlops.schedule('allow', '* * * * *', 'SELECT 1', overlap => 'allow');
SELECT pg_temp.clock('2026-06-01 10:01:00');
SELECT pg_temp.queue_due(mlops._now()), pg_temp.begin();
SELECT pg_temp.clock('2026-06-01 10:02:00');
SELECT is(pg_temp.queue_due(mlops._now()), 3, 'due while they run');
SELECT is(pg_temp.begin(), 'allow', 'one may overlap');
SELECT is(pg_temp.states('skip'), '10:01 running, 10:02 skipped', 'one is skipped');
SELECT is(pg_temp.states('queue'), '10:01 running, 10:02 queued', 'one waits');
SELECT ok(mlops.run_job('skip') IS NOT NULL, 'run_job');
SELECT is(pg_temp.begin(), NULL, 'waits too');
SELECT is(mlops.cancel_job('queue'), 1, 'what waits can be cancelled');
SELECT is(pg_temp.states('queue'), '10:01 running, 10:02 cancelled', 'and is');
SELECT is(mlops._claim_run(pg_temp.run('queue'), 1, now()) IS NULL, true, 'no worker takes it any more');
SELECT mlops.unschedule('skip');
SELECT is(pg_temp.states('skip'), '10:01 running, 10:02 skipped, 10:02 cancelled', 'unscheduling leaves alone what runs');
DELETE FROM mlops.job;
DELETE FROM mlops.job_run;

--
-- Failures
--
SELECT pg_temp.clock('2026-06-01 10:00:00');
SELECT mlops.schedule('f', 'manual', 'SELECT 1', retries => 2, retry_delay => '100 s', max_failures => 2);
SELECT mlops.run_job('f');
SELECT pg_temp.begin(), pg_temp.finish('f', 'failed'), pg_temp.settle_runs(mlops._now());
SELECT is(pg_temp.states('f'), '10:00 failed, 10:00 queued 2', 'a failed run is tried again');
SELECT ok((SELECT start_after - mlops._now() BETWEEN '87 s' AND '113 s' FROM mlops.job_run WHERE id = pg_temp.run('f')), 'after the delay, more or less');
SELECT is(pg_temp.begin(), NULL, 'not before');
SELECT pg_temp.clock('2026-06-01 10:02:00');
SELECT pg_temp.begin(), pg_temp.finish('f', 'timeout'), pg_temp.settle_runs(mlops._now());
SELECT ok((SELECT start_after - mlops._now() BETWEEN '174 s' AND '226 s' FROM mlops.job_run WHERE id = pg_temp.run('f')), 'which doubles');
SELECT pg_temp.clock('2026-06-01 10:10:00');
SELECT pg_temp.begin(), pg_temp.finish('f', 'failed'), pg_temp.settle_runs(mlops._now());
SELECT is(pg_temp.states('f') || (SELECT failures FROM mlops.jobs), '10:00 failed, 10:00 timeout 2, 10:00 failed 31', 'as often as was asked for, and counts once');
SELECT mlops.run_job('f');
SELECT pg_temp.begin(), pg_temp.finish('f', 'interrupted'), pg_temp.settle_runs(mlops._now());
SELECT is((SELECT start_after FROM mlops.job_run WHERE id = pg_temp.run('f')), mlops._now(), 'what was interrupted is tried again at once');
SELECT pg_temp.begin(), pg_temp.finish('f', 'crashed'), pg_temp.settle_runs(mlops._now());
SELECT is((SELECT start_after FROM mlops.job_run WHERE id = pg_temp.run('f')), mlops._now() + interval '300 s', 'what crashed not before mlops.crash_delay');
SELECT pg_temp.clock('2026-06-01 10:20:00');
SELECT pg_temp.begin(), pg_temp.finish('f', 'failed'), pg_temp.settle_runs(mlops._now());
SELECT is((SELECT ROW(enabled, status, disabled_reason)::text FROM mlops.jobs), ROW(false, 'disabled', '2 runs failed in a row, the last one: said so')::text, 'max_failures disables the job');
SELECT is((SELECT ROW(status, disabled_by_failures)::text FROM mlops.health()), ROW('warning', 1)::text, 'which health says');
SELECT mlops.alter_job('f', enabled => true, retries => 5);
SELECT is((SELECT failures FROM mlops.jobs), 0, 'enabling it forgets them');
SELECT mlops.run_job('f');
SELECT pg_temp.begin();
SELECT is(mlops._end_run(pg_temp.run('f'), 1, now(), 'succeeded'), false, 'only the worker that has the run can end it');
SELECT is(pg_temp.finish('f', 'cancelled'), true, 'a run that was cancelled');
SELECT pg_temp.settle_runs(mlops._now());
SELECT is((SELECT ROW(status, attempt)::text FROM mlops.job_run WHERE id = pg_temp.run('f')), ROW('cancelled', 1)::text, 'is not tried again');

-- a role that was dropped
CREATE ROLE regress_jobs_gone LOGIN;
SELECT mlops.schedule('gone', 'manual', 'SELECT 1', owner => 'regress_jobs_gone', retries => 0), mlops.run_job('gone');
DROP ROLE regress_jobs_gone;
SELECT pg_temp.begin(), pg_temp.settle_runs(mlops._now());
SELECT is((SELECT ROW(status, message, sqlstate)::text FROM mlops.job_runs WHERE job = 'gone'),
    ROW('failed', 'the owner of the job does not exist any more', '28000')::text, 'a job whose owner was dropped fails');
SELECT mlops.run_job('gone');
SELECT pg_temp.begin(), pg_temp.settle_runs(mlops._now());
SELECT mlops.run_job('gone');
SELECT pg_temp.begin(), pg_temp.settle_runs(mlops._now());
SELECT is((SELECT ROW(enabled, disabled_reason)::text FROM mlops.jobs WHERE job = 'gone'),
    ROW(false, '3 runs failed in a row, the last one: the owner of the job does not exist any more')::text, 'and is disabled the third time');
DELETE FROM mlops.job WHERE name = 'gone';
DELETE FROM mlops.job_run WHERE job_name = 'gone';

-- one that may not connect any more, or is a superuser that must not
SELECT ok(mlops._owner_trouble(10) IS NULL, 'a superuser owns jobs');
SELECT current_database() AS database \gset
REVOKE CONNECT ON DATABASE :"database" FROM PUBLIC;
SELECT is(mlops._owner_trouble('regress_jobs_ann'::regrole), format('role "regress_jobs_ann" has no CONNECT privilege on database "%s"', current_database()), 'who may not connect does not');
GRANT CONNECT ON DATABASE :"database" TO PUBLIC;

-- an owner without rights
SELECT mlops.schedule('nologin', '* * * * *', 'SELECT 1', owner => 'regress_jobs_bob');
ALTER ROLE regress_jobs_bob NOLOGIN;
SELECT pg_temp.clock('2026-06-01 10:21:00');
SELECT pg_temp.queue_due(mlops._now()), pg_temp.begin(), pg_temp.settle_runs(mlops._now());
SELECT is((SELECT ROW(status, message, sqlstate)::text FROM mlops.job_runs WHERE job = 'nologin'),
    ROW('failed', 'role "regress_jobs_bob" is not permitted to log in', '28000')::text, 'a job whose owner cannot log in fails');
SELECT pg_temp.clock('2026-06-01 10:22:00');
SELECT pg_temp.queue_due(mlops._now()), pg_temp.begin(), pg_temp.settle_runs(mlops._now());
SELECT pg_temp.clock('2026-06-01 10:23:00');
SELECT pg_temp.queue_due(mlops._now()), pg_temp.begin(), pg_temp.settle_runs(mlops._now());
SELECT is((SELECT ROW(enabled, failures)::text FROM mlops.jobs WHERE job = 'nologin'), ROW(false, 3)::text, 'three times');

-- one job that cannot be understood any more
SELECT mlops.schedule('bad', '* * * * *', 'SELECT 1'), mlops.schedule('good', '* * * * *', 'SELECT 1');
UPDATE mlops.job SET time_zone = 'Gone/Away' WHERE name = 'bad';
SELECT pg_temp.clock('2026-06-01 10:24:00');
SELECT is(pg_temp.queue_due(mlops._now()), 2, 'a job whose time zone has gone');
SELECT is((SELECT ROW(enabled, disabled_reason)::text FROM mlops.jobs WHERE job = 'bad'),
    ROW(false, 'its times cannot be computed: time zone "Gone/Away" not recognized')::text, 'is disabled');
SELECT is(pg_temp.states('good'), '10:24 queued', 'and the others go on');
DELETE FROM mlops.job WHERE name IN ('bad', 'good');
DELETE FROM mlops.job_run WHERE job_name IN ('bad', 'good');

--
-- Silence
--
SELECT pg_temp.clock('2026-06-04 10:00:00');
SELECT mlops.schedule('workdays', '30 2 * * mon-fri', 'SELECT 1', time_zone => 'UTC', overlap => 'queue', retries => 0);
CREATE FUNCTION pg_temp.silence(at text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.clock(at), pg_temp.queue_due(mlops._now());
    SELECT concat_ws(' ', h.silent, to_char(j.silent_at, 'DD'), to_char(j.silent_since, 'DD')) FROM mlops.health() h, mlops.stat_jobs j WHERE j.job = 'workdays' $$;
SELECT is(pg_temp.silence('2026-06-08 02:30:01'), '0 10', 'a weekend is no silence, and three times must pass: Friday''s, Monday''s and Tuesday''s');
SELECT is(pg_temp.silence('2026-06-09 02:30:01'), '0 10', 'two have');
SELECT is(pg_temp.silence('2026-06-10 02:30:01'), '1 10 10', 'then it is silent');
SELECT is((SELECT ROW(status, message)::text FROM mlops.health()), ROW('critical', 'late runs: 2; jobs disabled after failures: 1; silent jobs: 1')::text, 'which health says');
SELECT is(pg_temp.silence('2026-06-11 02:30:01'), '1 10 10', 'once');
SELECT is(pg_temp.begin(), 'workdays', 'when it runs');
SELECT is(pg_temp.finish('workdays', 'failed'), true, 'and fails');
SELECT pg_temp.settle_runs(mlops._now());
SELECT is(pg_temp.silence('2026-06-11 02:30:02'), '1 10 10', 'it still is');
SELECT pg_temp.begin(), pg_temp.finish('workdays', 'succeeded'), pg_temp.settle_runs(mlops._now());
SELECT is(pg_temp.silence('2026-06-11 02:30:03'), '0 17', 'until it succeeds');
SELECT mlops.alter_job('workdays', schedule => 'every 1 hour');
SELECT is(pg_temp.silence('2026-06-11 05:00:00'), '0 11', 'the times of another schedule count from its change');
SELECT is(pg_temp.silence('2026-06-11 06:00:00'), '1 11 11', 'and pass');
SELECT mlops.alter_job('workdays', priority => 1);
SELECT is((SELECT silent_since FROM mlops.jobs WHERE job = 'workdays'), NULL, 'who changes the job has heard it');
DELETE FROM mlops.job WHERE name = 'workdays';
DELETE FROM mlops.job_run WHERE job_name = 'workdays';

-- who sees what in stat_jobs
CREATE ROLE regress_jobs_watch LOGIN;
SET SESSION AUTHORIZATION regress_jobs_watch;
SELECT is((SELECT count(*) FROM mlops.stat_jobs), 0::bigint, 'others'' jobs are not to be seen in stat_jobs');
RESET SESSION AUTHORIZATION;
GRANT pg_monitor TO regress_jobs_watch;
SET SESSION AUTHORIZATION regress_jobs_watch;
SELECT results_eq($$SELECT job FROM mlops.stat_jobs ORDER BY job$$, $$VALUES ('f'), ('nologin')$$, 'but by pg_monitor');
SELECT is((SELECT count(*) FROM mlops.jobs), 0::bigint, 'not with their commands');
RESET SESSION AUTHORIZATION;

-- what is old goes
SELECT pg_temp.clock('2026-12-01 00:00:00');
SELECT ok(mlops._purge_runs(mlops._now()) > 0, 'old runs are deleted');
SELECT results_eq($$SELECT DISTINCT job_name FROM mlops.job_run ORDER BY 1$$, ARRAY['f', 'nologin'], 'the last of each job stays');
SELECT is(mlops.current_run()::text, '(,,,)', 'this is no run of a job');

SELECT * FROM finish();
ROLLBACK;
