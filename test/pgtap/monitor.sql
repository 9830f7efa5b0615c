-- Monitors: windows, checks, results, alerts and what they do.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SET LOCAL TimeZone = 'UTC';
SELECT plan(75);

CREATE ROLE mon_owner LOGIN; CREATE ROLE mon_other LOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO mon_owner, mon_other;
CREATE SCHEMA mon; GRANT USAGE, CREATE ON SCHEMA mon TO mon_owner;
CREATE TEMPORARY TABLE file AS SELECT pg_temp.stumps('{a,b}', '{0,1}', '{0.5,0.3}', '{-1.5,-0.7}', '{1.5,0.7}') AS artifact;
GRANT SELECT ON file TO PUBLIC;
CREATE FUNCTION pg_temp.owner(statement text, with_message boolean DEFAULT false) RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.try('mon_owner', statement, with_message) $$;

-- ten days, of which the sixth and seventh are shifted
CREATE TABLE mon.loan AS
SELECT i AS id, timestamptz '2026-01-05 00:00+00' + (i - 1) * interval '2 minutes 24 seconds' AS at,
       ((i * 7919) % 1009 / 1009.0)::float8 + CASE WHEN (i - 1) / 600 IN (5, 6) THEN 0.5 ELSE 0 END AS a,
       ((i * 104729::bigint) % 1013 / 1013.0)::float8 AS b, (ARRAY['f', 'm'])[1 + i % 2] AS sex, (i * 31) % 7 < 3 AS bad
FROM generate_series(1, 6000) i;
GRANT SELECT ON mon.loan TO mon_owner;
SELECT pg_temp.owner($$SELECT mlops.import_model('mon_risk', artifact, classes => '{good,bad}') FROM file$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.import_model('mon_risk', artifact, classes => '{good,bad}') FROM file$$) \g /dev/null
SELECT is(pg_temp.owner($$SELECT count(*) FROM (SELECT mlops.set_profile('mon_risk/1', 'SELECT a, b FROM mon.loan WHERE at < ''2026-01-08''')) p$$), '1', 'a profile');
SELECT pg_temp.owner($$SELECT mlops.promote('mon_risk/1', reason => 'r')$$) \g /dev/null

-- definition
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('mon_day', 'mon_risk', 'mon.loan', 'at', groups => '{sex}', label => 'bad', key => '{id}') > 0$$), 'true', 'a monitor of a relation');
SELECT results_eq($$SELECT monitor, model, reference, owner, source, window_length, granularity, time_zone, enabled FROM mlops.monitors$$,
                  $$VALUES ('mon_day', 'mon_risk', 'mon_risk', name 'mon_owner', 'SELECT * FROM mon.loan', interval '1 day', interval '1 day', 'UTC', true)$$, 'with its defaults');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('mon_day', 'mon_risk', 'mon.loan', 'at')$$), '42710', 'a name is of one monitor');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_risk', 'mon.lone', 'at')$$), '42P01', 'no such relation');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_risk', 'mon.loan', 'time')$$), '42703', 'no such column');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_risk', 'mon.loan', 'a')$$), '42804', 'a column without time');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_risk', 'DELETE FROM mon.loan', 'at')$$), '22023', 'a source that writes');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_risk', 'SELECT 1; SELECT 2', 'at')$$), '22023', 'two statements');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_none', 'mon.loan', 'at')$$), 'ML001', 'no such model');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_risk/7', 'mon.loan', 'at')$$), 'ML002', 'no such version');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_risk', 'mon.loan', 'at', '1 month 2 days')$$), 'ML059', 'months and days are not added');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_risk', 'mon.loan', 'at', '40 days', '1 month')$$), 'ML059', 'days are no multiple of months');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_risk', 'mon.loan', 'at', '5 hours', '2 hours')$$), 'ML059', 'no multiple');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_risk', 'mon.loan', 'at', '0.5 seconds')$$), 'ML059', 'too short');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_risk', 'mon.loan', 'at', time_zone => 'Mars')$$), '22023', 'no such time zone');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('m', 'mon_risk', NULL, 'at')$$), '22004', 'no source');
SELECT is(pg_temp.try('mon_other', $$SELECT mlops.create_monitor('m', 'mon_risk', 'SELECT now() AS at', 'at')$$), '42501', 'a model on which one has no privilege');

-- checks
SELECT is(pg_temp.owner($$SELECT mlops.add_check('mon_day', 'luck')$$), '22023', 'an unknown kind');
SELECT is(pg_temp.owner($$SELECT mlops.add_check('mon_day', 'drift', '{"metod": "ks"}')$$), '22023', 'an unknown argument');
SELECT is(pg_temp.owner($$SELECT mlops.add_check('mon_day', 'quality', fail => 0.1)$$), '22023', 'a threshold of nothing');
SELECT is(pg_temp.owner($$SELECT mlops.add_check('mon_day', 'drift', on_failure => 'pray')$$), '22023', 'an unknown action');
SELECT is(pg_temp.owner($$SELECT mlops.add_check('mon_day', 'drift', on_failure => 'call')$$), '22023', 'a call of nothing');
SELECT is(pg_temp.owner($$SELECT mlops.add_check('mon_none', 'drift')$$), 'ML057', 'no such monitor');
SELECT is(pg_temp.try('mon_other', $$SELECT mlops.add_check('mon_day', 'drift')$$), 'ML057', 'nor for who does not see it');
SELECT mlops.grant_privilege('manage', 'mon_risk', 'mon_other') \g /dev/null
SELECT is(pg_temp.try('mon_other', $$SELECT mlops.add_check('mon_day', 'drift')$$), '42501', 'who manages the model still writes nothing that runs as another');
SELECT is(pg_temp.try('mon_other', $$SELECT mlops.run_monitor('mon_day')$$), '42501', 'and does not run it');
SELECT is(pg_temp.try('mon_other', $$SELECT mlops.alter_monitor('mon_day', source => 'SELECT now() AS at')$$), '42501', 'nor change it');
SELECT throws_ok($$SELECT mlops.run_monitor('mon_day')$$, '42501', NULL, 'nor does a superuser');
SELECT is(pg_temp.owner($$SELECT mlops.add_check('mon_day', 'drift', '{"method": "ks"}') > 0$$), 'true', 'drift');

-- backfill
SELECT is(pg_temp.owner($$SELECT mlops.backfill_monitor('mon_day', '2026-01-05 00:00+00', '2026-01-08 12:00+00')$$), '3', 'three whole windows');
SELECT is(pg_temp.owner($$SELECT mlops.backfill_monitor('mon_day', '2026-01-05 00:00+00', '2026-01-09 00:00+00')$$), '1', 'again only what is new');
SELECT results_eq($$SELECT window_start::date, window_end::date, attempt, bool_and(verdict = 'ok' OR attribute IS NULL), max(n), max(version)
                    FROM mlops.check_results WHERE attribute IN ('a', 'b') GROUP BY 1, 2, 3 ORDER BY 1$$,
                  $$SELECT date '2026-01-05' + i, date '2026-01-06' + i, 1, true, 600::bigint, 1 FROM generate_series(0, 3) i$$, 'without gap or overlap, each row once');
SELECT is((SELECT count(*) FROM mlops.alerts) + (SELECT count(*) FROM mlops.measurements WHERE model = 'mon_risk'), 0::bigint, 'no alert, and no evidence');
SELECT ok(bool_and((definition->>'in_charge')::boolean IS FALSE), 'no version was in charge then, which is said') FROM mlops.check_results;

-- runs
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('mon_day', '2026-01-10 12:00+00')$$), 'ok', 'the last whole window');
SELECT is((SELECT max(window_end) FROM mlops.check_results), timestamptz '2026-01-10 00:00+00', 'ended before');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('mon_day', '2026-01-11 00:00+00')$$), 'fail', 'drift');
SELECT results_eq($$SELECT status, kind, version, window_start, action FROM mlops.alerts$$,
                  $$VALUES ('open', 'drift', 1, timestamptz '2026-01-10 00:00+00', 'alert')$$, 'opens an alert');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('mon_day', '2026-01-11 00:00+00')$$), 'fail', 'again the same');
SELECT is((SELECT count(*) FROM mlops.check_results WHERE window_end = '2026-01-11 00:00+00' AND attribute = 'a'), 1::bigint, 'from the record');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('mon_day', '2026-01-11 00:00+00', again => true)$$), 'fail', 'computed again');
SELECT is((SELECT string_agg(attempt::text, ',' ORDER BY attempt) FROM mlops.check_results WHERE window_end = '2026-01-11 00:00+00' AND attribute = 'a'), '1,2', 'stands beside it');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('mon_day', '2026-01-12 00:00+00')$$), 'fail', 'the next day, too');
SELECT results_eq($$SELECT count(*), max(last_window_end) FROM mlops.alerts$$, $$VALUES (1::bigint, timestamptz '2026-01-12 00:00+00')$$, 'is no new alert');
SELECT is(pg_temp.owner($$SELECT mlops.acknowledge((SELECT max(id) FROM mlops.alerts), ' ')$$), '22004', 'a comment is needed');
SELECT is(pg_temp.owner($$SELECT mlops.acknowledge((SELECT max(id) FROM mlops.alerts), 'known')$$), '', 'acknowledged');
SELECT is(pg_temp.owner($$SELECT mlops.acknowledge((SELECT max(id) FROM mlops.alerts), 'known')$$), 'ML058', 'once');
SELECT results_eq($$SELECT data, verdict FROM mlops.measurements WHERE model = 'mon_risk' ORDER BY id$$,
                  $$VALUES ('mon_day', 'pass'), ('mon_day', 'fail'), ('mon_day', 'fail'), ('mon_day', 'fail')$$, 'evidence for gates');
SELECT is(pg_temp.owner($$SELECT mlops.add_gate('mon_risk', kind => 'check', data => 'mon_day', reason => 'r') > 0$$), 'true', 'a gate');
SELECT is((SELECT verdict FROM mlops.check_gates('mon_risk/1')), 'fail', 'reads it');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('mon_day', '2026-01-13 00:00+00')$$), 'ok', 'the next day is as before');
SELECT results_eq($$SELECT status, close_comment FROM mlops.alerts$$, $$VALUES ('closed', 'the check is ok again')$$, 'and the alert is closed');
SELECT is((SELECT verdict FROM mlops.check_gates('mon_risk/1')), 'pass', 'the gate opens');

-- what goes wrong in one check is a row
SELECT is(pg_temp.owner($$SELECT mlops.add_check('mon_day', 'quality', '{"rules": {"r": "1/(a - a) > 0"}, "reference": "SELECT * FROM mon.none"}') > 0$$), 'true', 'a broken check');
SELECT is(pg_temp.owner($$SELECT mlops.add_check('mon_day', 'bias', '{"metrics": ["base_rate_difference", "base_rate"]}') > 0$$), 'true', 'bias');
SELECT is(pg_temp.owner($$SELECT mlops.add_check('mon_day', 'performance', '{"metrics": ["auc"], "replicates": 20}', fail => 0.6) > 0$$), 'true', 'performance');
SELECT isnt(pg_temp.owner($$SELECT mlops.run_monitor('mon_day', '2026-01-14 00:00+00')$$), NULL, 'all of them');
SELECT is((SELECT string_agg(DISTINCT kind || ' ' || coalesce(verdict, '-'), ', ' ORDER BY kind || ' ' || coalesce(verdict, '-')) FROM mlops.check_results
           WHERE window_end = '2026-01-14 00:00+00' AND kind IN ('quality', 'performance')), 'performance fail, quality insufficient', 'an error is insufficient, an AUC below its threshold fails');
SELECT is((SELECT definition->>'error' FROM mlops.check_results WHERE kind = 'quality'), 'relation "mon.none" does not exist', 'and says why');

-- actions
SELECT pg_temp.owner($$SELECT mlops.drop_check(id) FROM mlops.monitor_checks$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.drop_check(max(id)) FROM mlops.monitor_checks$$) FROM generate_series(1, 3) \g /dev/null
SELECT is((SELECT count(*) FROM mlops.monitor_checks) + (SELECT count(*) FROM mlops.alerts WHERE status <> 'closed'), 0::bigint, 'a dropped check has no open alert');
SELECT pg_temp.owner($$SELECT mlops.add_check('mon_day', 'drift', on_failure => 'rollback')$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.add_check('mon_day', 'drift', on_failure => 'suspend')$$) \g /dev/null
CREATE FUNCTION mon.heed(message jsonb) RETURNS void LANGUAGE sql AS $$ SELECT set_config('mon.heard', concat_ws(' ', current_user, message->>'monitor', message->>'status'), true) $$;
CREATE FUNCTION mon.write() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE mon.written (); RETURN true; END $$;
GRANT EXECUTE ON FUNCTION mon.heed(jsonb), mon.write() TO mon_owner;
SELECT pg_temp.owner($$SELECT mlops.add_check('mon_day', 'drift', on_failure => 'call', function => 'mon.heed')$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.add_check('mon_day', 'quality', '{"rules": {"r": "mon.write()"}}')$$) \g /dev/null
UPDATE mon.loan SET a = a + 1 WHERE at >= '2026-01-14';
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('mon_day', '2026-01-15 00:00+00')$$), 'fail', 'a shift');
SELECT results_eq($$SELECT action, outcome FROM mlops.alerts WHERE status = 'open' ORDER BY id$$,
                  $$VALUES ('rollback', 'not done: alias "champion" of model "mon_risk" has no earlier version to go back to'), ('suspend', 'done'), ('call', 'done')$$,
                  'what can be done is, what cannot says why, and the results are there');
SELECT is((SELECT reason ~ '^alert \d+ of monitor mon_day$' FROM mlops.suspension WHERE ended_at IS NULL), true, 'with the alert as its reason');

SELECT is(current_setting('mon.heard'), 'mon_owner mon_day open', 'a function is called with the rights of the owner');
SELECT ok(to_regclass('mon.written') IS NULL AND (SELECT definition->>'sqlstate' FROM mlops.check_results WHERE window_end = '2026-01-15' AND kind = 'quality' AND metric = 'error') = '25006', 'what a source calls cannot write');

-- windows that slide, and days of a time zone
SELECT pg_temp.owner($$SELECT mlops.create_monitor('mon_slide', 'mon_risk/1', 'SELECT *, at AT TIME ZONE ''Europe/Berlin'' AS local FROM mon.loan;', 'local', '2 days', '1 day', time_zone => 'Europe/Berlin')$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.add_check('mon_slide', 'quality', '{"metrics": ["rows"]}')$$) \g /dev/null
SELECT is(pg_temp.owner($$SELECT mlops.backfill_monitor('mon_slide', '2026-01-06 00:00+01', '2026-01-10 00:00+01')$$), '3', 'windows slide by the granularity');
SELECT results_eq($$SELECT window_start, window_end, n FROM mlops.check_results WHERE monitor = 'mon_slide' ORDER BY 2$$,
                  $$SELECT timestamptz '2026-01-05 23:00+00' + i * interval '1 day', timestamptz '2026-01-07 23:00+00' + i * interval '1 day', 1200::bigint FROM generate_series(0, 2) i$$, 'midnight is that of the time zone');
SELECT pg_temp.owner($$SELECT mlops.alter_monitor('mon_slide', enabled => false)$$) \g /dev/null
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('mon_slide')$$), NULL, 'one that is not enabled does nothing');
SELECT pg_temp.owner($$SELECT mlops.drop_monitor('mon_slide')$$) \g /dev/null

-- records
SELECT throws_ok($$UPDATE mlops.check_result SET verdict = 'ok'$$, 'ML040', NULL, 'results never change');
SELECT is(pg_temp.owner($$SELECT mlops.drop_monitor('mon_day')$$), '', 'dropped');
SELECT is((SELECT count(*) FROM mlops.monitors), 0::bigint, 'it is gone');
SELECT ok(count(*) > 20, 'what it found stays') FROM mlops.check_results;
SELECT is((SELECT count(*) FROM mlops.verify_audit(checks => '{state}') v WHERE v.status = 'STATE_MISMATCH' AND v.detail ~ 'mon_risk'), 0::bigint, 'the log agrees with the tables');
UPDATE mlops.monitor SET source = 'SELECT now() AS at' WHERE name = 'mon_day';
SELECT is((SELECT count(*) FROM mlops.verify_audit(checks => '{state}') v WHERE v.status = 'STATE_MISMATCH' AND v.detail ~ 'mon_risk' AND v.detail ~ 'source'), 1::bigint, 'and tells what was changed behind its back');

SELECT * FROM finish();
ROLLBACK;
