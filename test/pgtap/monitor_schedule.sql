-- Monitors that run by themselves: jobs, windows that follow each other, labels
-- that come late, and taking away what was given.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SET LOCAL TimeZone = 'UTC';
SELECT plan(56);

CREATE ROLE ms_owner LOGIN; CREATE ROLE ms_other LOGIN; CREATE ROLE ms_modeller LOGIN;
GRANT EXECUTE ON FUNCTION mlops.create_monitor, mlops.alter_monitor, mlops.drop_monitor, mlops.add_check, mlops.drop_check, mlops.run_monitor,
    mlops.backfill_monitor, mlops.import_model, mlops.set_profile, mlops.promote TO ms_owner, ms_other, ms_modeller;
GRANT EXECUTE ON FUNCTION mlops.schedule, mlops.alter_job, mlops.unschedule TO ms_owner;
CREATE TEMPORARY TABLE file AS SELECT pg_temp.stumps('{a,b}', '{0,1}', '{0.5,0.3}', '{-1.5,-0.7}', '{1.5,0.7}') AS artifact;
GRANT SELECT ON file TO PUBLIC;
CREATE FUNCTION pg_temp.owner(statement text, with_message boolean DEFAULT false) RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.try('ms_owner', statement, with_message) $$;
CREATE FUNCTION pg_temp.ends(name text) RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(DISTINCT window_end::text, ' ') FROM mlops.check_results WHERE monitor = name $$;

-- ten days; nobody knows the outcome of the last five yet
CREATE SCHEMA ms;
CREATE TABLE ms.loan AS
SELECT i AS id, timestamptz '2026-01-05 00:00+00' + (i - 1) * interval '2 minutes 24 seconds' AS at,
       ((i * 7919) % 1009 / 1009.0)::float8 AS a, ((i * 104729::bigint) % 1013 / 1013.0)::float8 AS b, (ARRAY['f', 'm'])[1 + i % 2] AS sex,
       CASE WHEN i <= 3000 THEN (i * 7919) % 1009 > 500 END AS bad
FROM generate_series(1, 6000) i;
GRANT USAGE ON SCHEMA ms TO PUBLIC; GRANT SELECT ON ms.loan TO PUBLIC;
SELECT pg_temp.try('ms_modeller', $$SELECT mlops.import_model('ms_risk', artifact, classes => '{good,bad}') FROM file$$) \g /dev/null
SELECT pg_temp.try('ms_modeller', $$SELECT count(*) FROM (SELECT mlops.set_profile('ms_risk/1', 'SELECT a, b FROM ms.loan WHERE at < ''2026-01-08''')) p$$) \g /dev/null
SELECT pg_temp.try('ms_modeller', $$SELECT mlops.promote('ms_risk/1', reason => 'r')$$) \g /dev/null
SELECT mlops.grant_privilege('manage', 'ms_risk', 'ms_owner'), mlops.grant_privilege('manage', 'ms_risk', 'ms_other') \g /dev/null
SELECT mlops.grant_privilege('read', 'ms_risk', 'ms_owner'), mlops.grant_privilege('score', 'ms_risk', 'ms_owner') \g /dev/null

-- a monitor and its job
SET LOCAL mlops.debug_clock = '2026-01-08 10:00:00';
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('ms_bad', 'ms_risk', 'ms.loan', 'at', schedule => 'at noon')$$), 'ML060', 'no schedule');
SELECT is(pg_temp.try('ms_other', $$SELECT mlops.create_monitor('ms_bad', 'ms_risk', 'ms.loan', 'at', schedule => 'every day')$$, true),
          '42501: permission denied to schedule monitor "ms_bad" ', 'who may not schedule does not by a monitor either');
REVOKE EXECUTE ON FUNCTION mlops.run_monitor FROM ms_owner;
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('ms_bad', 'ms_risk', 'ms.loan', 'at', schedule => 'every day')$$, true),
          '42501: permission denied to schedule monitor "ms_bad" ', 'nor who could not run it');
GRANT EXECUTE ON FUNCTION mlops.run_monitor TO ms_owner;
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('ms_bad', 'ms_risk', 'ms.loan', 'at', label_wait => '-1 day')$$), '22023', 'nobody waits for the past');
SELECT is((SELECT count(*) FROM mlops.jobs) + (SELECT count(*) FROM mlops.monitors), 0::bigint, 'neither is there');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('ms_day', 'ms_risk', 'ms.loan', 'at', label => 'bad', key => '{id}', groups => '{sex}', schedule => '15 3 * * *', time_zone => 'UTC') > 0$$), 'true', 'a monitor on schedule');
SELECT results_eq($$SELECT job, kind, owner, schedule, time_zone, command, next_run_at FROM mlops.jobs$$,
                  $$VALUES ('monitor ms_day', 'monitor', name 'ms_owner', '15 3 * * *', 'UTC', 'SELECT mlops.run_monitor(''ms_day'')', timestamptz '2026-01-09 03:15+00')$$, 'has a job of its owner');
SELECT results_eq($$SELECT schedule, job, label_wait FROM mlops.monitors$$, $$VALUES ('15 3 * * *', 'monitor ms_day', interval '90 days')$$, 'and shows it');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('ms_day', 'ms_risk', 'ms.loan', 'at', schedule => 'every day')$$), '42710', 'once');
SELECT is(pg_temp.owner($$SELECT mlops.alter_job('monitor ms_day', command => 'SELECT 1')$$, true),
          '55000: job "monitor ms_day" is that of monitor "ms_day" Its name, command and owner are those of the monitor.', 'the job does nothing else');
SELECT is(pg_temp.owner($$SELECT mlops.alter_job('monitor ms_day', new_name => 'x')$$), '55000', 'nor under another name');
SELECT is(pg_temp.owner($$SELECT mlops.alter_job('monitor ms_day', schedule => '20 3 * * *', timeout => '1 hour')$$), '2026-01-09 03:20:00+00', 'it has properties of a job');
SELECT is((SELECT schedule FROM mlops.monitors), '20 3 * * *', 'of which the schedule is that of the monitor');
SELECT pg_temp.owner($$SELECT mlops.alter_monitor('ms_day', schedule => '*/15 * * * *')$$) \g /dev/null
SELECT results_eq($$SELECT schedule, timeout FROM mlops.jobs$$, $$VALUES ('*/15 * * * *', interval '1 hour')$$, 'and the other way round');
SELECT pg_temp.owner($$SELECT mlops.alter_monitor('ms_day', time_zone => 'Europe/Berlin')$$) \g /dev/null
SELECT is((SELECT time_zone FROM mlops.jobs), 'Europe/Berlin', 'the time zone is one, too');
SELECT pg_temp.owner($$SELECT mlops.alter_monitor('ms_day', schedule => '')$$) \g /dev/null
SELECT is((SELECT count(*) FROM mlops.jobs), 0::bigint, 'an empty schedule ends the job');
SELECT is((SELECT schedule FROM mlops.monitors), NULL, 'the monitor is run by hand');
SELECT pg_temp.owner($$SELECT mlops.alter_monitor('ms_day', schedule => '0 4 * * *', time_zone => 'UTC')$$) \g /dev/null
SELECT is(pg_temp.owner($$SELECT mlops.unschedule('monitor ms_day')$$), '', 'a job can be unscheduled by hand');
SELECT is((SELECT schedule FROM mlops.monitors), NULL, 'which the monitor knows');
SELECT is(pg_temp.owner($$SELECT mlops.alter_monitor('ms_day', schedule => '0 4 * * *')$$), '', 'and has another one later');

-- windows follow each other
SELECT pg_temp.owner($$SELECT mlops.add_check('ms_day', 'drift')$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.add_check('ms_day', 'performance', '{"metrics": ["auc"], "replicates": 2}', warn => 0.55, fail => 0.51)$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.add_check('ms_day', 'bias', '{"metrics": ["base_rate_difference"]}')$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.add_check('ms_day', 'quality', '{"max_age": "1 day", "metrics": ["age", "rows"]}')$$) \g /dev/null
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ms_day')$$), 'ok', 'a first run');
SELECT is(pg_temp.ends('ms_day'), '2026-01-08 00:00:00+00', 'takes the last window that has ended');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ms_day')$$), 'ok', 'another one');
SELECT is((SELECT count(DISTINCT attempt) FROM mlops.check_results), 1::bigint, 'has nothing to do, and says what was found');
SET LOCAL mlops.debug_clock = '2026-01-12 09:00:00';
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ms_day', '2026-01-11')$$), 'ok', 'somebody looks at one by hand');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ms_day')$$), 'ok', 'after four days');
SELECT is(pg_temp.ends('ms_day'), '2026-01-08 00:00:00+00 2026-01-09 00:00:00+00 2026-01-10 00:00:00+00 2026-01-11 00:00:00+00 2026-01-12 00:00:00+00', 'all that is missing');
SELECT results_eq($$SELECT max(value), bool_and(verdict = 'ok'), count(*) FROM mlops.check_results WHERE metric = 'age'$$,
                  $$VALUES (144::float8, true, 5::bigint)$$, 'rows are as old as they were at the end of their window');
SELECT is((SELECT count(DISTINCT window_start) FROM mlops.check_results WHERE metric = 'rows' AND n = 600), 5::bigint, 'each row is in one window');
SELECT is((SELECT reference_value FROM (SELECT (definition->>'reference_value')::float8 AS reference_value FROM mlops.check_results WHERE metric = 'rows' AND window_end = '2026-01-12' LIMIT 1) x), 600::float8, 'a window knows those before it');

-- labels that come late
SELECT results_eq($$SELECT window_end::date, definition->>'labels_arrived', verdict FROM mlops.check_results WHERE metric = 'auc' ORDER BY 1$$,
                  $$VALUES (date '2026-01-08', '1.000000', 'ok'), ('2026-01-09', '1.000000', 'ok'), ('2026-01-10', '1.000000', 'ok'), ('2026-01-11', '0.000000', 'insufficient'), ('2026-01-12', '0.000000', 'insufficient')$$, 'the share of labels is there');
UPDATE ms.loan SET bad = a <= 0.5 WHERE at < '2026-01-11' AND bad IS NULL AND id % 2 = 0;
SELECT pg_temp.owner($$SELECT mlops.run_monitor('ms_day')$$) \g /dev/null
SELECT results_eq($$SELECT window_end::date, attempt, definition->>'labels_arrived', verdict, n FROM mlops.check_results WHERE metric = 'auc' AND window_end > '2026-01-10' ORDER BY 1, 2$$,
                  $$VALUES (date '2026-01-11', 1, '0.000000', 'insufficient', 0::bigint), ('2026-01-11', 2, '0.500000', 'fail', 300), ('2026-01-12', 1, '0.000000', 'insufficient', 0)$$,
                  'a window to which labels came is measured again, beside what was there');
SELECT is((SELECT string_agg(DISTINCT kind, ' ') FROM mlops.check_results WHERE attempt = 2), 'bias performance', 'by what reads labels');
SELECT results_eq($$SELECT kind, window_end::date FROM mlops.alerts$$, $$VALUES ('performance', date '2026-01-11')$$, 'and raises its alarm');
SELECT is((SELECT verdict FROM mlops.monitor_run WHERE attempt = 2), 'fail', 'the verdict of the window is that of all');
SELECT pg_temp.owner($$SELECT mlops.run_monitor('ms_day')$$) \g /dev/null
SELECT is((SELECT max(attempt) FROM mlops.check_results), 2, 'without new labels nothing is measured');
UPDATE ms.loan SET bad = a > 0.5 WHERE at >= '2026-01-10';
SELECT pg_temp.owner($$SELECT mlops.run_monitor('ms_day')$$) \g /dev/null
SELECT is((SELECT string_agg(window_end::date || ' ' || attempt, ', ' ORDER BY window_end, attempt) FROM mlops.check_results WHERE metric = 'auc' AND attempt > 1), '2026-01-11 2, 2026-01-11 3, 2026-01-12 2', 'all that grew');
SELECT is((SELECT status FROM mlops.alerts), 'closed', 'the newest window with a verdict closes the alert');
SELECT pg_temp.owner($$SELECT mlops.alter_monitor('ms_day', label_wait => '0')$$) \g /dev/null
SET LOCAL mlops.debug_clock = '2026-01-13 09:00:00';
UPDATE ms.loan SET bad = NULL WHERE at >= '2026-01-12';
SELECT pg_temp.owner($$SELECT mlops.run_monitor('ms_day')$$) \g /dev/null
UPDATE ms.loan SET bad = a > 0.5 WHERE at >= '2026-01-12';
SELECT pg_temp.owner($$SELECT mlops.run_monitor('ms_day')$$) \g /dev/null
SELECT is((SELECT max(attempt) FROM mlops.check_results WHERE window_end = '2026-01-13'), 1, 'a wait of 0 is none');

-- labels of their own
CREATE TABLE ms.outcome AS SELECT id, bad FROM ms.loan WHERE at < '2026-01-12';
GRANT SELECT ON ms.outcome TO PUBLIC;
SELECT pg_temp.owner($$SELECT mlops.create_monitor('ms_apart', 'ms_risk/1', 'SELECT id, at, a, b FROM ms.loan', 'at', label => 'bad', key => '{id}')$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.add_check('ms_apart', 'performance', '{"metrics": ["auc"], "replicates": 2, "labels": "SELECT * FROM ms.outcome"}')$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.run_monitor('ms_apart')$$) \g /dev/null
INSERT INTO ms.outcome SELECT id, bad FROM ms.loan WHERE at >= '2026-01-12';
SELECT pg_temp.owner($$SELECT mlops.run_monitor('ms_apart')$$) \g /dev/null
SELECT results_eq($$SELECT attempt, definition->>'labels_arrived' FROM mlops.check_results WHERE monitor = 'ms_apart' ORDER BY 1$$, $$VALUES (1, '0.000000'), (2, '1.000000')$$, 'labels of another query are counted by key');

-- taking away
SELECT is(pg_temp.owner($$SELECT mlops.alter_monitor('ms_day', label => '')$$), '22023', 'a label that a check needs stays');
SELECT is(pg_temp.owner($$SELECT mlops.alter_monitor('ms_apart', key => '{}')$$), '22023', 'so does a key');
SELECT pg_temp.owner($$SELECT mlops.drop_check(id) FROM mlops.monitor_checks WHERE kind = 'bias'$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.alter_monitor('ms_day', groups => '{}', key => '{}')$$) \g /dev/null
SELECT results_eq($$SELECT groups, key, label FROM mlops.monitors WHERE monitor = 'ms_day'$$, $$VALUES (NULL::text[], NULL::text[], 'bad')$$, 'what is empty is taken away');

-- a hundred at a time
SELECT pg_temp.owner($$SELECT mlops.create_monitor('ms_minute', 'ms_risk/1', 'ms.loan', 'at', '10 minutes', time_zone => 'Asia/Kathmandu')$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.add_check('ms_minute', 'quality', '{"metrics": ["rows"]}')$$) \g /dev/null
SET LOCAL mlops.debug_clock = '2026-01-14 18:09:00';
SELECT pg_temp.owner($$SELECT mlops.run_monitor('ms_minute')$$) \g /dev/null
SELECT is((SELECT count(*) FROM mlops.check_results WHERE monitor = 'ms_minute'), 100::bigint, 'long downtime is made up for in several runs');
SELECT pg_temp.owner($$SELECT mlops.run_monitor('ms_minute')$$) \g /dev/null
SELECT results_eq($$SELECT count(*), min(window_end), max(window_end), sum(n) FROM mlops.check_results WHERE monitor = 'ms_minute'$$,
                  $$SELECT 199::bigint, timestamptz '2026-01-13 09:00+00', timestamptz '2026-01-14 18:00+00', count(*)::numeric FROM ms.loan WHERE at >= '2026-01-13 08:50+00' AND at < '2026-01-14 18:00+00'$$, 'until nothing is missing');
SELECT pg_temp.owner($$SELECT mlops.alter_monitor('ms_minute', window_length => '1 hour')$$) \g /dev/null
SET LOCAL mlops.debug_clock = '2026-01-14 20:09:00';
SELECT pg_temp.owner($$SELECT mlops.run_monitor('ms_minute')$$) \g /dev/null
SELECT is((SELECT string_agg(DISTINCT window_start::text || ' ' || n, ', ') FROM mlops.check_results WHERE monitor = 'ms_minute' AND window_end - window_start = '1 hour'),
          '2026-01-14 18:00:00+00 25, 2026-01-14 19:00:00+00 25', 'windows of another length go on where the others ended');
SELECT pg_temp.owner($$SELECT mlops.alter_monitor('ms_minute', enabled => false)$$) \g /dev/null
SET LOCAL mlops.debug_clock = '2026-01-15 20:09:00';
SELECT pg_temp.owner($$SELECT mlops.alter_monitor('ms_minute', enabled => true)$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.run_monitor('ms_minute')$$) \g /dev/null
SELECT is((SELECT count(DISTINCT window_end) FROM mlops.check_results WHERE monitor = 'ms_minute' AND window_end > '2026-01-14 20:00+00'), 1::bigint, 'who was told to rest does not make up for it');

-- months, and days of 23 and 25 hours
SET LOCAL mlops.debug_clock = '2026-04-02 00:00:00';
CREATE TABLE ms.flow AS
SELECT at, at AT TIME ZONE 'Europe/Berlin' AS local, (at AT TIME ZONE 'Europe/Berlin')::date AS day, 0.1::float8 AS a, 0.2::float8 AS b
FROM generate_series(timestamptz '2025-10-01 00:00+02', '2026-04-02 00:00+02', interval '1 hour') at;
GRANT SELECT ON ms.flow TO PUBLIC;
SELECT pg_temp.owner(format('SELECT mlops.create_monitor(%L, ''ms_risk/1'', ''ms.flow'', %L, %L, %L, time_zone => ''Europe/Berlin'')', c || p, c, p, g))
FROM (VALUES ('at'), ('local'), ('day')) c (c), (VALUES ('1 month', NULL), ('3 months', '1 month'), ('1 month', '7 days'), ('1 day', NULL)) p (p, g) WHERE g IS NULL OR c = 'at' \g /dev/null
SELECT pg_temp.owner(format('SELECT mlops.add_check(%L, ''quality'', ''{"metrics": ["rows"]}'')', monitor)) FROM mlops.monitors WHERE reference = 'ms_risk/1' AND source ~ 'flow' \g /dev/null
SELECT is((SELECT string_agg(pg_temp.owner(format('SELECT mlops.backfill_monitor(%L, ''2025-10-01 00:00+02'', ''2026-04-01 00:00+02'')', monitor)), ' ' ORDER BY monitor) FROM mlops.monitors WHERE source ~ 'flow' AND monitor !~ '3'),
          '182 6 182 6 182 6', 'days, and months');
SELECT results_eq($$SELECT string_agg(n::text, ' ' ORDER BY window_end) FROM mlops.check_results WHERE monitor ~ '1 month' GROUP BY monitor$$,
                  $$SELECT '745 720 744 744 672 743' FROM generate_series(1, 3)$$, 'a month of the time zone has its hours');
SELECT results_eq($$SELECT monitor, sum(n), count(*) FILTER (WHERE n = 24), max(n), min(n) FROM mlops.check_results WHERE monitor ~ '1 day' GROUP BY monitor ORDER BY 1$$,
                  $$SELECT c || '1 day', 4368::numeric, 180::bigint, 25::bigint, 23::bigint FROM (VALUES ('at'), ('day'), ('local')) c (c)$$, 'so has a day, each row once');
SELECT pg_temp.owner($$SELECT mlops.create_monitor('ms_hour', 'ms_risk/1', 'ms.flow', 'local', '1 hour', time_zone => 'Europe/Berlin')$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.add_check('ms_hour', 'quality', '{"metrics": ["rows"]}')$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.backfill_monitor('ms_hour', '2025-10-25 00:00+02', '2025-10-28 00:00+01')$$) \g /dev/null
SELECT is((SELECT sum(n) FROM mlops.check_results WHERE monitor = 'ms_hour'), 73::numeric, 'times without zone are in one window also when clocks are put back');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('at3 months')$$), 'insufficient', 'a quarter');
SELECT results_eq($$SELECT window_start, window_end, n FROM mlops.check_results WHERE monitor = 'at3 months'$$, $$VALUES (timestamptz '2025-12-31 23:00+00', timestamptz '2026-03-31 22:00+00', 2159::bigint)$$, 'slides by months');

-- the end
SELECT is(pg_temp.try('ms_modeller', $$SELECT mlops.drop_monitor('ms_day')$$), '', 'the owner of the model drops a monitor');
SELECT is((SELECT count(*) FROM mlops.jobs), 0::bigint, 'and the job is gone');
SELECT is((SELECT count(*) FROM mlops.verify_audit(checks => '{state}') v WHERE v.status = 'STATE_MISMATCH' AND v.detail ~ 'ms_risk'), 0::bigint, 'the log agrees with the tables');

SELECT * FROM finish();
ROLLBACK;
