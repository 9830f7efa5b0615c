-- Training again: by hand, by rules, with what people decide about; and jobs
-- of a kind.
\set ECHO none
\set QUIET 1
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SET LOCAL TimeZone = 'UTC';
SELECT plan(153);

CREATE ROLE ret_owner LOGIN; CREATE ROLE ret_other LOGIN; CREATE ROLE ret_boss LOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO ret_owner, ret_other, ret_boss;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA mlops TO ret_owner;
CREATE SCHEMA ret; GRANT USAGE ON SCHEMA ret TO ret_owner;
CREATE FUNCTION pg_temp.owner(statement text, with_message boolean DEFAULT false) RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.try('ret_owner', statement, with_message) $$;
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql AS $$ SELECT set_config('mlops.debug_clock', at, false) $$;
-- what the rules of the owner say
CREATE FUNCTION pg_temp.check(rule bigint) RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.owner(format('SELECT (r.due, r.retraining IS NOT NULL)::text || r.message FROM mlops.check_retrain_rules(''ret'', %s) r', rule)) $$;

-- ten days, of which the sixth to eighth are shifted
CREATE TABLE ret.loan AS
SELECT i AS id, timestamptz '2026-01-05 00:00+00' + (i - 1) * interval '2 minutes 24 seconds' AS at,
       ((i * 7919) % 1009 / 1009.0)::float8 + CASE WHEN (i - 1) / 600 IN (5, 6, 7) THEN 0.5 ELSE 0 END AS a,
       ((i * 104729::bigint) % 1013 / 1013.0)::float8 AS b,
       (i * 7919) % 1009 < 400 + (i * 31) % 200 AS bad
FROM generate_series(1, 6000) i;
GRANT SELECT ON ret.loan TO ret_owner;
SELECT is(pg_temp.owner($$SELECT version FROM mlops.train('ret', 'SELECT * FROM ret.loan WHERE at < ''2026-01-09''', 'bad', '{"max_depth": 3, "eval_metric": "auc"}',
    key => 'id', split => '{"test": 0.25, "validation": 0.25}', rounds => 8, early_stopping_rounds => 5, seed => 7, class_weight => '{"true": 2, "false": 1}',
    positive => 'true', features => '{a,b}')$$), '1', 'a training');
SELECT is(pg_temp.owner($$SELECT mlops.promote('ret/1', reason => 'first')$$), 'ret/1', 'its version is champion');
SELECT mlops.grant_privilege('approve', 'ret', 'ret_boss') \g /dev/null

--
-- retrain
--
SELECT is(pg_temp.owner($$SELECT r FROM mlops.retrain('ret') r$$), '22004', 'a reason is needed');
SELECT is(pg_temp.owner($$SELECT r FROM mlops.retrain(NULL, reason => 'r') r$$), '22004', 'and a model');
SELECT is(pg_temp.owner($$SELECT r FROM mlops.retrain('nix', reason => 'r') r$$), 'ML001', 'that there is');
SELECT is(pg_temp.owner($$SELECT (version, retrained_from, alias, request, note)::text FROM mlops.retrain('ret', reason => 'as before') r$$),
    '(2,ret/1,challenger,,)', 'trained again, it is the challenger');
SELECT is((SELECT count(DISTINCT sha256) FROM mlops.versions WHERE model = 'ret'), 1::bigint, 'with the same rows it is the same file');
SELECT is((SELECT b.record - '{started_at,finished_at,seconds,retrained_from}'::text[] FROM mlops.runs b WHERE b.version = 2 AND b.model = 'ret'),
          (SELECT b.record - '{started_at,finished_at,seconds}'::text[] FROM mlops.runs b WHERE b.version = 1 AND b.model = 'ret'), 'and the same recipe');
SELECT is((SELECT (b.record->>'retrained_from')::bigint FROM mlops.runs b WHERE b.version = 2 AND b.model = 'ret'),
          (SELECT b.id FROM mlops.runs b WHERE b.version = 1 AND b.model = 'ret'), 'it says of which run');
SELECT is((SELECT description FROM mlops.versions WHERE version = 2 AND model = 'ret'), 'ret/1 again: as before', 'and why');
SELECT is(pg_temp.owner($$SELECT (version, alias, note)::text FROM mlops.retrain('ret', 'SELECT * FROM ret.loan', reason => 'more') r$$),
    '(3,,"ret/2 stays challenger")', 'other rows, and the challenger stays');
SELECT ok((SELECT v.record#>>'{rows,read}' = '6000' FROM mlops.runs v WHERE v.version = 3 AND model = 'ret'), 'the given query was read');
SELECT is(pg_temp.owner($$SELECT (version, retrained_from)::text FROM mlops.retrain('ret/3', reason => 'r') r$$), '(4,ret/3)', 'of another version');
SELECT is(pg_temp.owner($$SELECT version FROM mlops.retrain('ret', 'SELECT 1 AS a', reason => 'r') r$$), '42703', 'rows without the label');
SELECT is(pg_temp.owner($$SELECT version FROM mlops.train('ret', 'SELECT * FROM ret.loan', 'bad', rounds => 1)$$), '5', 'a training after one that failed');
SELECT is((SELECT b.record ? 'retrained_from' FROM mlops.runs b WHERE b.version = 5 AND b.model = 'ret'), false, 'is of no other');

-- rights
SELECT is(pg_temp.try('ret_other', $$SELECT version FROM mlops.retrain('ret', reason => 'r') r$$), '42501', 'not for everybody');
SELECT mlops.grant_privilege('manage', 'ret', 'ret_other') \g /dev/null
SELECT is(pg_temp.try('ret_other', $$SELECT version FROM mlops.retrain('ret', reason => 'r') r$$, true),
    format('42501: permission denied to run the query of run %s Role "ret_owner" wrote it, and it would run with the rights of role "ret_other".',
           (SELECT id FROM mlops.runs WHERE model = 'ret' AND version = 1)), 'a recorded query runs for nobody but who wrote it');
SELECT throws_ok($$SELECT version FROM mlops.retrain('ret', reason => 'r') r$$, '42501', NULL, 'not even for a superuser');
SELECT is(pg_temp.try('ret_other', $$SELECT version FROM mlops.retrain('ret', 'SELECT * FROM ret.loan', reason => 'r') r$$), '42501', 'one who may not read the rows');
SELECT is(pg_temp.try('ret_other', $$SELECT version FROM mlops.retrain('ret', 'SELECT a::float8 AS a, b::float8 AS b, a < 0.5 AS bad, (a * 1000 + b * 10)::integer AS id FROM generate_series(0, 1, 0.01) a, generate_series(0, 1, 0.1) b', reason => 'r') r$$),
    '6', 'with rows of his own');

-- policies
SELECT is(pg_temp.owner($$SELECT mlops.drop_alias('ret', 'challenger', 'r')$$), '', 'no challenger');
SELECT is(pg_temp.owner($$SELECT mlops.set_policy('ret', 'challenger', approvals => 1, reason => 'r') IS NULL$$), 'true', 'the challenger needs an approval');
SELECT is(pg_temp.owner($$SELECT (alias IS NULL, request > 0, note ~ 'about alias challenger is open')::text FROM mlops.retrain('ret', reason => 'r') r$$),
    '(t,t,t)', 'so there is a request');
SELECT is(pg_temp.try('ret_boss', $$SELECT mlops.approve(max(id)) FROM mlops.requests$$), 'executed', 'which another person approves');
SELECT is((SELECT version FROM mlops.aliases WHERE model = 'ret' AND alias = 'challenger'), 7, 'it is the challenger');
SELECT is(pg_temp.owner($$SELECT mlops.drop_alias('ret', 'challenger', 'r')$$), '', 'no challenger again');
SELECT is(pg_temp.owner($$SELECT mlops.add_gate('ret', 'challenger', 'metric', 'auc', at_least => 2, reason => 'r') > 0$$), 'true', 'a gate that nobody passes');
SELECT is(pg_temp.owner($$SELECT (version, alias, note)::text FROM mlops.retrain('ret', reason => 'r') r$$),
    '(8,,"not challenger: ret/8 does not pass the gates of alias ""challenger""")', 'keeps a version from the alias, not from being there');

-- what was imported has no recipe
SELECT is(pg_temp.owner($$SELECT mlops.import_model('ret_in', mlops.export_model('ret/1')::mlops.artifact)$$), 'ret_in/1', 'an import');
SELECT is(pg_temp.owner($$SELECT version FROM mlops.retrain('ret_in/1', reason => 'r') r$$), 'ML073', 'cannot be trained again');

--
-- Rules
--
SELECT pg_temp.clock('2026-02-01 10:00:00');
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('ret_day', 'ret', 'ret.loan', 'at', label => 'bad', key => '{id}') > 0$$), 'true', 'a monitor');
SELECT is(pg_temp.owner($$SELECT mlops.add_check('ret_day', 'drift', '{"method": "ks"}') > 0$$), 'true', 'of drift');
SELECT is(pg_temp.owner($$SELECT mlops.add_check('ret_day', 'performance', '{"metrics": ["auc"], "replicates": 20}') > 0$$), 'true', 'and performance');
SELECT min(id) AS drift, max(id) AS performance FROM mlops.monitor_checks WHERE monitor = 'ret_day' \gset

SELECT is(pg_temp.owner(format($$SELECT mlops.add_retrain_rule('ret', %s, reason => 'r')$$, bad)), '22023', 'no rule: ' || bad)
FROM unnest(ARRAY['''moon''', '''check''', '''check'', ''{"check": 999999}''', '''check'', ''{"check": 1.5}''', '''check'', ''[]''',
                  '''check'', ''{"age": "1 day"}''', '''performance'', ''{"metric": "auc", "at_least": 0.7}''', '''age''', '''age'', ''{"max_age": "-1 day"}''',
                  '''age'', ''{"max_age": 5}''', '''labels''', '''labels'', ''{"rows": 0}''', '''labels'', ''{"rows": 1}'', cooldown => ''-1 day''']) bad;
SELECT is(pg_temp.owner(format($$SELECT mlops.add_retrain_rule('ret', 'performance', '{"check": %s, "metric": "auc", "at_least": 0.7}', reason => 'r')$$, :drift)), '22023', 'a check without performance');
SELECT is(pg_temp.owner(format($$SELECT mlops.add_retrain_rule('ret', 'performance', '{"check": %s, "metric": "auc"}', reason => 'r')$$, :performance)), '22023', 'no limit');
SELECT is(pg_temp.owner($$SELECT mlops.add_retrain_rule('ret', 'age', '{"max_age": "1 day"}')$$), '22004', 'no reason');
SELECT is(pg_temp.owner($$SELECT mlops.add_retrain_rule('ret', 'age', '{"max_age": "soon"}', reason => 'r')$$), '22007', 'no interval');
SELECT is(pg_temp.owner($$SELECT mlops.add_retrain_rule('ret', 'age', '{"max_age": "1 day"}', schedule => 'often', reason => 'r')$$), 'ML060', 'no schedule');
SELECT is(pg_temp.owner($$SELECT mlops.add_retrain_rule('ret', 'age', '{"max_age": "1 day"}', 'SELECT * FROM ret.lone', reason => 'r')$$), '42P01', 'no such relation');
SELECT is(pg_temp.owner($$SELECT mlops.add_retrain_rule('ret', 'age', '{"max_age": "1 day"}', 'SELECT 1 AS a', reason => 'r')$$), '42703', 'no label');
SELECT is(pg_temp.owner($$SELECT mlops.add_retrain_rule('ret', 'labels', '{"rows": 1, "time_column": "att"}', reason => 'r')$$), '42703', 'no such column');
SELECT is(pg_temp.owner($$SELECT mlops.add_retrain_rule('ret_in', 'age', '{"max_age": "1 day"}', reason => 'r')$$), 'ML003', 'no champion');
SELECT is(pg_temp.try('ret_other', $$SELECT mlops.add_retrain_rule('ret', 'age', '{"max_age": "1 day"}', reason => 'r')$$), '42501', 'another''s query');
SELECT is(pg_temp.try('ret_other', $$SELECT mlops.add_retrain_rule('ret', 'age', '{"max_age": "1 day"}', 'SELECT * FROM ret.loan', reason => 'r')$$), '42501', 'no right to read');
REVOKE EXECUTE ON FUNCTION mlops.perform_retraining FROM ret_owner;
SELECT is(pg_temp.owner($$SELECT mlops.add_retrain_rule('ret', 'age', '{"max_age": "1 day"}', reason => 'r')$$, true),
    '42501: permission denied for function mlops.perform_retraining A job that trains calls it as its owner.', 'no right to train');
GRANT EXECUTE ON FUNCTION mlops.perform_retraining TO ret_owner;
SELECT is((SELECT count(*) FROM mlops.retrain_rules) + (SELECT count(*) FROM mlops.jobs), 0::bigint, 'nothing is left of what failed');

-- drift twice in a row
SELECT is(pg_temp.owner(format($$SELECT mlops.add_retrain_rule('ret', 'check', '{"check": %s}', cooldown => '3 days', change_ref => 'C-1', reason => 'drift') > 0$$, :drift)), 'true', 'a rule');
SELECT max(id) AS rule FROM mlops.retrain_rules \gset
SELECT results_eq('SELECT model, kind, arguments - ''check'', owner = ''ret_owner'', enabled, job FROM mlops.retrain_rules',
    format($$VALUES ('ret', 'check', '{"times": 2}'::jsonb, true, true, 'retrain rule %s')$$, :rule), 'with its defaults');
SELECT results_eq('SELECT job, kind, owner = ''ret_owner'', schedule, command, next_run_at FROM mlops.jobs',
    format($$VALUES ('retrain rule %s', 'training', true, 'every hour', 'SELECT * FROM mlops.check_retrain_rules(''ret'', %1$s)', timestamptz '2026-02-01 11:00Z')$$, :rule), 'and its job');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ret_day', '2026-01-10 12:00+00')$$), 'ok', 'a day without drift');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ret_day', '2026-01-11 00:00+00')$$), 'fail', 'one with it');
SELECT is(pg_temp.check(:rule), format('(f,f)check %s has not failed for 2 windows in a row', :drift), 'once is not enough');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ret_day', '2026-01-11 00:00+00', again => true)$$), 'fail', 'the same day');
SELECT matches(pg_temp.check(:rule), '^\(f,f\)', 'counts once');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ret_day', '2026-01-12 00:00+00')$$), 'fail', 'a second one');
SELECT is(pg_temp.try('ret_other', $$SELECT count(*) FROM mlops.check_retrain_rules('ret')$$), '0', 'the rule is not another''s');
SELECT is(pg_temp.try('ret_other', format($$SELECT count(*) FROM mlops.check_retrain_rules('ret', %s)$$, :rule)), '42501', 'who cannot check it');
SELECT is(pg_temp.check(:rule), format('(t,t)check %s failed for 2 windows in a row', :drift), 'opens a retraining');
SELECT max(id) AS retraining FROM mlops.retrainings \gset
SELECT is(pg_temp.check(:rule), format('(t,f)check %s failed for 2 windows in a row; retraining %s goes on', :drift, :retraining), 'once');
SELECT results_eq('SELECT from_version, version, status, rule, reason, request, owner = ''ret_owner'', job, created_at FROM mlops.retrainings',
    format($$VALUES (1, NULL::integer, 'queued', %s::bigint, 'rule %1$s: check %s failed for 2 windows in a row', NULL::bigint, true, 'retraining %s', timestamptz '2026-02-01 10:00Z')$$, :rule, :drift, :retraining), 'which waits');
SELECT ok((SELECT (SELECT array_agg((e->>'id')::bigint) FROM jsonb_array_elements(evidence->'check_results') e)
        = (SELECT array_agg(x.id ORDER BY x.id) FROM mlops.check_results x
           WHERE x."check" = :drift AND x.verdict = 'fail' AND (x.window_end, x.attempt) IN (('2026-01-11 00:00Z', 2), ('2026-01-12 00:00Z', 1)))
    FROM mlops.retrainings), 'with the results that made it so');
SELECT results_eq(format($$SELECT kind, schedule, command, status FROM mlops.jobs WHERE job = 'retraining %s'$$, :retraining),
    format($$VALUES ('training', 'manual', 'SELECT * FROM mlops.perform_retraining(%s)', 'queued')$$, :retraining), 'for its job');
SELECT is(pg_temp.owner($$SELECT mlops.queue_retraining('ret', reason => 'r')$$), '55000', 'there is no second one by hand');

SELECT is(pg_temp.try('ret_other', format($$SELECT version FROM mlops.perform_retraining(%s)$$, :retraining)), '42501', 'which does nothing as another');
SELECT throws_ok(format($$SELECT version FROM mlops.perform_retraining(%s)$$, :retraining), '42501', NULL, 'not as a superuser');
SELECT is(pg_temp.owner(format($$SELECT (model, retrained_from, alias, request > 0)::text FROM mlops.perform_retraining(%s)$$, :retraining)), '(ret/9,ret/1,,t)', 'it trains, and asks');
SELECT is(pg_temp.owner(format($$SELECT model FROM mlops.perform_retraining(%s)$$, :retraining)), '55000', 'once');
SELECT is(pg_temp.owner($$SELECT model FROM mlops.perform_retraining(-1)$$), '42704', 'that there is');
SELECT results_eq('SELECT version, status, note, ended_at FROM mlops.retrainings',
    $$VALUES (9, 'open', NULL, timestamptz '2026-02-01 10:00Z')$$, 'a request is open');
SELECT is((SELECT count(*) FROM mlops.jobs WHERE job LIKE 'retraining%'), 0::bigint, 'the job is gone');
SELECT max(id) AS request FROM mlops.requests \gset
SELECT results_eq(format('SELECT kind, alias, version, status, approvals_needed, reason, change_ref, created_by = ''ret_owner'' FROM mlops.requests WHERE id = %s', :request),
    format($$SELECT 'promotion', 'champion', 9, 'open', 1, reason, 'C-1', true FROM mlops.retrainings$$), 'for one person at least, also without a policy');
SELECT ok((SELECT r.package->'retraining' = jsonb_build_object('id', t.id, 'reason', t.reason, 'evidence', t.evidence, 'from_version', 1, 'from_metrics', v.metrics)
                  AND r.package->'metrics' = w.metrics
           FROM mlops.requests r, mlops.retrainings t, mlops.versions v, mlops.versions w
           WHERE r.id = :request AND (v.model, v.version) = ('ret', 1) AND (w.model, w.version) = ('ret', 9)), 'with the evidence and the figures of both');
SELECT is(pg_temp.check(:rule), format('(f,f)check %s has not failed for 2 windows in a row', :drift), 'what was used is no evidence again');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ret_day', '2026-01-13 00:00+00')$$), 'fail', 'a third day');
SELECT matches(pg_temp.check(:rule), '^\(f,f\)', 'is the first of new ones');
SELECT is(pg_temp.owner(format($$SELECT mlops.alter_retrain_rule(%s, format('{"check": %%s, "times": 1}', %s)::jsonb, reason => 'sooner')$$, :rule, :drift)), '', 'one is enough');
SELECT is(pg_temp.check(:rule), format('(t,f)check %s failed for 1 window; retraining %s goes on', :drift, :retraining), 'but people have not decided');
SELECT is(pg_temp.owner(format('SELECT mlops.approve(%s)', :request)), '42501', 'its owner may not');
SELECT mlops.grant_privilege('approve', 'ret', 'ret_owner') \g /dev/null
SELECT is(pg_temp.owner(format('SELECT mlops.approve(%s)', :request)), 'ML041', 'and cannot approve it');
SELECT is(pg_temp.try('ret_boss', format('SELECT mlops.reject(%s, ''no'')', :request)), '', 'rejected');
SELECT is((SELECT status FROM mlops.retrainings), 'rejected', 'as retrainings shows');
SELECT is(pg_temp.check(:rule), format('(t,f)check %s failed for 1 window; not before 2026-02-04 10:00:00+00', :drift), 'not within the cooldown');
SELECT pg_temp.clock('2026-02-04 10:00:00');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ret_day', '2026-01-14 00:00+00')$$), 'ok', 'a day without drift');
SELECT matches(pg_temp.check(:rule), '^\(t,t\)', 'after it, also if the check is ok again by then');
SELECT max(id) AS retraining FROM mlops.retrainings \gset

-- a gate of the champion
SELECT is(pg_temp.owner($$SELECT mlops.add_gate('ret', kind => 'metric', metric => 'auc', at_least => 2, reason => 'r') > 0$$), 'true', 'a gate that nobody passes');
SELECT is(pg_temp.owner(format($$SELECT (request, note ~ '^no request: ret/10 does not pass the gates of alias "champion". Gate')::text FROM mlops.perform_retraining(%s)$$, :retraining)), '(,t)', 'there is a version, and no request');
SELECT results_eq('SELECT status, version FROM mlops.retrainings ORDER BY id', $$VALUES ('rejected', 10 - 1), ('trained', 10)$$, 'which is said');
SELECT is(pg_temp.owner($$SELECT mlops.drop_gate(max(id), 'r') FROM mlops.gates WHERE alias = 'champion'$$), NULL, 'without it');

-- performance, age, labels
SELECT is(pg_temp.owner(format($$SELECT mlops.add_retrain_rule('ret', 'performance', '{"check": %s, "metric": "auc", "drop": 0.05}', reason => 'worse', schedule => NULL) > 0$$, :performance)), 'true', 'down against the test rows');
SELECT max(id) AS worse FROM mlops.retrain_rules \gset
SELECT is((SELECT job FROM mlops.retrain_rules WHERE id = :worse), NULL, 'checked by no job');
SELECT is(pg_temp.check(:worse), (SELECT CASE WHEN bool_or(value < (definition->>'test_value')::float8 - 0.05) THEN format('(t,t)check %s failed for 3 windows in a row', :performance) ELSE 'none' END
    FROM mlops.check_results WHERE "check" = :performance), 'three days were so');
SELECT ok((SELECT bool_and((e->>'value')::float8 < (v.metrics->>'auc')::float8 - 0.05) AND count(*) = 3
           FROM mlops.retrainings t, jsonb_array_elements(t.evidence->'check_results') e, mlops.versions v
           WHERE t.rule = :worse AND (v.model, v.version) = ('ret', 1)), 'by their figures');
SELECT is(pg_temp.owner($$SELECT mlops.unschedule(max(job)) FROM mlops.jobs WHERE job ~ '^retraining'$$), '', 'its job is taken back');
SELECT is((SELECT status FROM mlops.retrainings WHERE rule = :worse), 'failed', 'so it failed');
SELECT is(pg_temp.owner(format($$SELECT mlops.alter_retrain_rule(%s, enabled => false, reason => 'r')$$, :worse)), '', 'a rule that rests');
SELECT is(pg_temp.check(:worse), NULL, 'says nothing');

SELECT is(pg_temp.owner($$SELECT mlops.add_retrain_rule('ret', 'age', '{"max_age": "400 days"}', reason => 'old', schedule => NULL) > 0$$), 'true', 'age');
SELECT max(id) AS old FROM mlops.retrain_rules \gset
SELECT matches(pg_temp.check(:old), '^\(f,f\)ret/1 was made', 'young');
SELECT set_config('mlops.debug_clock', to_char(created_at + interval '400 days 1 minute 1 second', 'YYYY-MM-DD HH24:MI:SS'), false) FROM mlops.versions WHERE model = 'ret' AND version = 1;
SELECT is(pg_temp.check(:old), '(t,t)ret/1 was made 400 days 00:01:00 ago', 'old');
SELECT is(pg_temp.owner($$SELECT mlops.unschedule(max(job)) FROM mlops.jobs WHERE job ~ '^retraining'$$), '', 'its job is taken back');

SELECT is(pg_temp.owner($$SELECT mlops.add_retrain_rule('ret', 'labels', '{"rows": 3600}', 'SELECT * FROM ret.loan', cooldown => '0', reason => 'new', schedule => NULL) > 0$$), 'true', 'new labels');
SELECT max(id) AS labels FROM mlops.retrain_rules \gset
SELECT is(pg_temp.check(:labels), '(t,t)3600 new labels', 'as many as those that the champion did not see');
SELECT is(pg_temp.owner(format($$SELECT version FROM mlops.perform_retraining(%s)$$, (SELECT max(id) FROM mlops.retrainings))), '11', 'with which it trains');
SELECT is(pg_temp.try('ret_boss', 'SELECT mlops.approve(max(id)) FROM mlops.requests'), 'executed', 'another person approves');
SELECT is((SELECT version FROM mlops.aliases WHERE model = 'ret' AND alias = 'champion'), 11, 'and it is champion');
SELECT is(pg_temp.check(:labels), '(f,f)0 new labels', 'from then on it counts');
SELECT is((SELECT status FROM mlops.retrainings ORDER BY id DESC LIMIT 1), 'executed', 'done');

-- an alert
SELECT is(pg_temp.owner($$SELECT mlops.add_check('ret_day', 'drift', on_failure => 'retrain', fail => 0.0000001) > 0$$), 'true', 'a check that wants it');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ret_day', '2026-01-15 00:00+00')$$), 'fail', 'fails');
SELECT results_eq($$SELECT a.action, a.outcome, t.status, t.rule, t.evidence->>'monitor', t.reason FROM mlops.alerts a, mlops.retrainings t
                    WHERE a.action = 'retrain' AND (t.evidence->>'alert')::bigint = a.id$$,
    $$SELECT 'retrain', 'done', 'queued', NULL::bigint, 'ret_day', format('alert %s of monitor ret_day', id) FROM mlops.alerts WHERE action = 'retrain'$$, 'and one is queued');

-- the end of a rule
SELECT is(pg_temp.try('ret_other', format($$SELECT mlops.drop_retrain_rule(%s, 'r')$$, :rule)), '42501', 'of others nobody drops a rule');
SELECT is(pg_temp.try('ret_other', format($$SELECT mlops.alter_retrain_rule(%s, cooldown => '0', reason => 'r')$$, :rule)), '42501', 'nor changes it');
SELECT is(pg_temp.owner(format($$SELECT mlops.drop_retrain_rule(%s, 'enough')$$, :rule)), '', 'dropped');
SELECT is(pg_temp.owner(format($$SELECT mlops.drop_retrain_rule(%s, 'enough')$$, :rule)), '55000', 'once');
SELECT is(pg_temp.owner($$SELECT mlops.drop_retrain_rule(-1, 'enough')$$), '42704', 'that there is');
SELECT is((SELECT count(*) FROM mlops.retrain_rules WHERE id = :rule) + (SELECT count(*) FROM mlops.jobs WHERE job = format('retrain rule %s', :rule)), 0::bigint, 'with its job');
SELECT is((SELECT count(*) FROM mlops.verify_audit(checks => '{state}') v WHERE v.status = 'STATE_MISMATCH' AND v.detail ~ 'ret'), 0::bigint, 'the log agrees with the tables');
SAVEPOINT before;
UPDATE mlops.retrain_rule SET cooldown = '1 hour' WHERE id = :labels;
SELECT is((SELECT count(*) FROM mlops.verify_audit(checks => '{state}') v WHERE v.status = 'STATE_MISMATCH' AND v.detail ~ 'cooldown'), 1::bigint, 'and tells what was changed behind its back');
ROLLBACK TO before;
SELECT throws_ok($$UPDATE mlops.retraining SET reason = 'x'$$, 'ML040', NULL, 'a retraining does not change');
SELECT throws_ok($$DELETE FROM mlops.retrain_rule$$, 'ML040', NULL, 'a rule is not deleted');

--
-- Jobs of a kind
--
GRANT CREATE ON SCHEMA ret TO ret_owner;
SELECT is(pg_temp.owner($$SELECT mlops.schedule_scoring('nightly', '@daily', 'ret', 'ret.loan', 'ret.score', '{id}') IS NOT NULL$$), 'true', 'scoring');
SELECT is(to_regclass('ret.score'), NULL, 'of which the trial leaves nothing');
SELECT results_eq($$SELECT kind, command FROM mlops.jobs WHERE job = 'nightly'$$,
    $$VALUES ('scoring', 'CALL mlops.score_batches(model => ''ret'', query => ''ret.loan'', target => ''ret.score'', keys => ''{id}''::pg_catalog.text[], commit_every => 100000)')$$, 'is a command');
SELECT is(pg_temp.owner(statement), code, 'no scoring: ' || code)
FROM (VALUES ($$SELECT mlops.schedule_scoring('n', '@daily', 'ret', 'SELECT * FROM ret.lone', 'ret.score', '{id}')$$, '42P01'),
             ($$SELECT mlops.schedule_scoring('n', '@daily', 'ret', 'SELECT a FROM ret.loan', 'ret.score', '{id}')$$, '42703'),
             ($$SELECT mlops.schedule_scoring('n', '@daily', 'ret', 'SELECT id, a FROM ret.loan', 'ret.score', '{id}')$$, 'ML020'),
             ($$SELECT mlops.schedule_scoring('n', '@daily', 'nix', 'ret.loan', 'ret.score', '{id}')$$, 'ML001'),
             ($$SELECT mlops.schedule_scoring('n', '@daily', 'ret', 'ret.loan', 'pg_catalog.score', '{id}')$$, '42501'),
             ($$SELECT mlops.schedule_scoring('n', '@daily', 'ret', 'ret.loan', 'ret.score', '{id}', 0)$$, '22023'),
             ($$SELECT mlops.schedule_scoring('n', '@daily', 'ret', NULL, 'ret.score', '{id}')$$, '22004'),
             ($$SELECT mlops.schedule_training('n', '@daily', 'ret', 'SELECT * FROM ret.lone', 'r')$$, '42P01'),
             ($$SELECT mlops.schedule_training('n', '@daily', 'ret')$$, '22004'),
             ($$SELECT mlops.schedule_training('n', '@daily', NULL, reason => 'r')$$, '22004')) v (statement, code);
SELECT is(pg_temp.owner($$SELECT mlops.schedule_training('weekly', '@weekly', 'ret', reason => 'every week') IS NOT NULL$$), 'true', 'training');
SELECT results_eq($$SELECT kind, command, retries FROM mlops.jobs WHERE job = 'weekly'$$,
    $$VALUES ('training', 'SELECT * FROM mlops.retrain(model => ''ret'', query => NULL, reason => ''every week'', change_ref => NULL)', 1)$$, 'is a command, too');
SELECT is(pg_temp.owner($$SELECT mlops.alter_job('weekly', schedule => '@monthly') IS NOT NULL$$), 'true', 'another time');
SELECT is((SELECT kind FROM mlops.jobs WHERE job = 'weekly'), 'training', 'is the same kind');
SELECT is(pg_temp.owner($$SELECT mlops.alter_job('weekly', command => 'SELECT 1') IS NOT NULL$$), 'true', 'another command');
SELECT is((SELECT kind FROM mlops.jobs WHERE job = 'weekly'), 'sql', 'is any command');

SELECT * FROM finish();
ROLLBACK;
