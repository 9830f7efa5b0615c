-- Suspension with its fallbacks, and what is ratified.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SELECT plan(73);

CREATE ROLE gs_maker LOGIN; CREATE ROLE gs_checker LOGIN; CREATE ROLE gs_teller LOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO gs_maker, gs_checker, gs_teller;
CREATE TEMPORARY TABLE file AS
    SELECT n, pg_temp.stumps('{a}', '{0}', '{0}', ARRAY[-n], ARRAY[n], 'reg:squarederror') AS artifact
    FROM generate_series(1, 3) n;
GRANT SELECT ON file TO PUBLIC;
CREATE FUNCTION pg_temp.maker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('gs_maker', $1) $$;
CREATE FUNCTION pg_temp.checker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('gs_checker', $1) $$;
CREATE FUNCTION pg_temp.score(reference text, feature float8 DEFAULT 1) RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.try('gs_teller', format('SELECT mlops.predict(%L, ARRAY[%s]::float8[])', reference, feature)) $$;
CREATE FUNCTION pg_temp.last() RETURNS bigint LANGUAGE sql AS $$ SELECT max(id) FROM mlops.safety_action $$;

SELECT pg_temp.maker($$SELECT max(mlops.import_model('suspend_test', artifact)::text) FROM (SELECT * FROM file ORDER BY n) f$$);
SELECT pg_temp.maker($$SELECT mlops.promote('suspend_test/1', reason => 'r')$$);
SELECT pg_temp.maker($$SELECT mlops.promote('suspend_test/2', 'safe', 'r')$$);
SELECT pg_temp.maker($$SELECT mlops.promote('suspend_test/3', 'challenger', 'r')$$);
SELECT mlops.grant_privilege('score', 'suspend_test', 'gs_teller');
SELECT mlops.grant_privilege('approve', 'suspend_test', 'gs_checker');

-- without a policy
SELECT is(pg_temp.score('suspend_test'), '1', 'a score');
SELECT is(pg_temp.maker($$SELECT mlops.suspend('suspend_test', NULL)$$), '22004', 'a reason is needed');
SELECT is(pg_temp.maker($$SELECT mlops.suspend(NULL, 'r')$$), '22004', 'and a model');
SELECT is(pg_temp.maker($$SELECT mlops.suspend('suspend_none', 'r')$$), 'ML001', 'that exists');
SELECT is(pg_temp.try('gs_teller', $$SELECT mlops.suspend('suspend_test', 'r')$$), '42501', 'not for who only scores');
SELECT is(pg_temp.maker($$SELECT mlops.resume('suspend_test', 'r')$$), '55000', 'nothing to resume');
SELECT is(pg_temp.maker($$SELECT mlops.suspend('suspend_test', 'drift')$$), '', 'suspend');
SELECT is(pg_temp.maker($$SELECT mlops.suspend('suspend_test', 'drift')$$), '55000', 'not twice');
SELECT is(pg_temp.try('gs_teller', $$SELECT mlops.predict('suspend_test', '{1}'::float8[])$$, true),
          'ML004: model "suspend_test" is suspended "gs_maker" suspended it: drift', 'the error says who and why');
SELECT is(pg_temp.score('suspend_test@challenger'), 'ML004', 'every alias');
SELECT is(pg_temp.score('suspend_test/3'), 'ML004', 'every version');
SELECT throws_ok($$SELECT mlops.predict('suspend_test', '{1}'::float8[])$$, 'ML004', NULL, 'for a superuser too');
SELECT throws_ok($$SELECT mlops.predict_margin('suspend_test', '{1}'::float8[])$$, 'ML004', NULL, 'predict_margin');
SELECT throws_ok($$SELECT mlops.predict_class('suspend_test', '{1}'::float8[])$$, 'ML004', NULL, 'predict_class');
SELECT throws_ok($$SELECT mlops.predict_proba('suspend_test', '{1}'::float8[])$$, 'ML004', NULL, 'predict_proba');
SELECT throws_ok($$SELECT mlops.predict('suspend_test', '{"a": 1}'::jsonb)$$, 'ML004', NULL, 'of JSON');
SELECT throws_ok($$SELECT mlops.predict('suspend_test', r) FROM (VALUES (1.0)) r (a)$$, 'ML004', NULL, 'of a row');
SELECT throws_ok($$SELECT mlops.contributions('suspend_test', '{1}'::float8[])$$, 'ML004', NULL, 'contributions follow the alias');
SELECT lives_ok($$SELECT mlops.contributions('suspend_test/1', '{1}'::float8[])$$, 'but explain a version');
SELECT lives_ok($$SELECT mlops.explain('suspend_test/1', '{"a": 1}'::jsonb)$$, 'explain');
SELECT lives_ok($$SELECT mlops.reason_codes('suspend_test/1', '{"a": 1}'::jsonb)$$, 'reason_codes');
SELECT lives_ok($$SELECT * FROM mlops.bind('suspend_test', 'SELECT 1.0 AS a')$$, 'bind');
SELECT lives_ok($$SELECT mlops.describe('suspend_test')$$, 'describe');
SELECT lives_ok($$SELECT mlops.export_model('suspend_test')$$, 'export_model');
SELECT lives_ok($$SELECT mlops.feature_importance('suspend_test')$$, 'feature_importance');
SELECT lives_ok($$EXPLAIN SELECT mlops.predict('suspend_test', '{1}'::float8[])$$, 'EXPLAIN');
SELECT is_empty($$SELECT FROM mlops.safety_actions WHERE model = 'suspend_test'$$, 'no policy, nothing to ratify');
SELECT is(pg_temp.try('gs_teller', $$SELECT mlops.resume('suspend_test', 'r')$$), '42501', 'not everybody may resume');
SELECT is(pg_temp.maker($$SELECT mlops.resume('suspend_test', '')$$), '22004', 'and not without a reason');
SELECT is(pg_temp.maker($$SELECT mlops.resume('suspend_test', 'fixed')$$), NULL, 'resume');
SELECT is(pg_temp.score('suspend_test'), '1', 'a score again');
SELECT results_eq($$SELECT status, reason, created_by, ended_by, end_reason, request FROM mlops.suspensions WHERE model = 'suspend_test'$$,
    $$VALUES ('ended', 'drift', 'gs_maker'::name, 'gs_maker'::name, 'fixed', NULL::bigint)$$, 'suspensions');

-- a call site that lives on
CREATE FUNCTION pg_temp.site() RETURNS float8 LANGUAGE plpgsql AS $$ BEGIN RETURN mlops.predict('suspend_test', '{1}'::float8[]); END $$;
SELECT is(pg_temp.site(), 1::float8, 'a call site in PL/pgSQL');
SELECT pg_temp.maker($$SELECT mlops.suspend('suspend_test', 'r')$$);
SELECT throws_ok('SELECT pg_temp.site()', 'ML004', NULL, 'sees the suspension');
SELECT pg_temp.maker($$SELECT mlops.resume('suspend_test', 'r')$$);
SELECT is(pg_temp.site(), 1::float8, 'and its end');
PREPARE scores AS SELECT sum(mlops.predict('suspend_test', ARRAY[i]::float8[])) FROM generate_series(1, 5) i;

-- fallbacks
SELECT pg_temp.maker($$SELECT mlops.set_policy('suspend_test', fallback_alias => 'safe', reason => 'r')$$);
SELECT is(pg_temp.score('suspend_test'), '1', 'a fallback does nothing');
SELECT is(pg_temp.maker($$SELECT mlops.rollback('suspend_test', 'safe', 'r')$$), '55000', 'and is not rolled back to what never served');
SELECT pg_temp.maker($$SELECT mlops.suspend('suspend_test', 'r')$$);
SELECT is(pg_temp.score('suspend_test'), '2', 'until a suspension: the version of another alias');
SELECT is(pg_temp.score('suspend_test@champion'), '2', 'through the same alias by its name');
SELECT is(pg_temp.score('suspend_test@safe'), 'ML004', 'but not by that alias itself');
SELECT is(pg_temp.score('suspend_test/2'), 'ML004', 'nor by number');
SELECT results_eq('EXECUTE scores', 'SELECT 10::float8', 'a prepared statement');
SELECT is(mlops.contributions('suspend_test', '{1}'::float8[])::text, mlops.contributions('suspend_test/2', '{1}'::float8[])::text,
          'and it is the fallback that is explained');
SELECT mlops.drop_alias('suspend_test', 'safe', 'r');
SELECT is(pg_temp.score('suspend_test'), 'ML004', 'a fallback that is not there');
SELECT pg_temp.maker($$SELECT mlops.set_policy('suspend_test', fallback_value => 0.25, reason => 'r')$$);
SELECT is(pg_temp.score('suspend_test'), '0.25', 'a constant');
SELECT is(mlops.predict('suspend_test', '{}'::jsonb), 0.25::float8, 'whatever the row');
SELECT is((SELECT sum(mlops.predict('suspend_test', r)) FROM (VALUES (1), (2), (NULL)) r (nothing)), 0.75::float8, 'row after row');
SELECT is((SELECT sum(mlops.predict(CASE i WHEN 2 THEN 'suspend_test@champion' ELSE 'suspend_test' END, ARRAY[i]::float8[]))
           FROM generate_series(1, 3) i), 0.75::float8, 'by turns');
SELECT throws_ok($$SELECT mlops.predict_margin('suspend_test', '{1}'::float8[])$$, 'ML004', NULL, 'which is no margin');
SELECT throws_ok($$SELECT mlops.predict_class('suspend_test', '{1}'::float8[])$$, 'ML004', NULL, 'no class');
SELECT throws_ok($$SELECT mlops.contributions('suspend_test', '{1}'::float8[])$$, 'ML004', NULL, 'and has no contributions');
SELECT is(pg_temp.score('suspend_test@challenger'), 'ML004', 'and is for the one alias');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('suspend_test', fallback_alias => '', reason => 'r')$$), NULL, 'none');
SELECT is(pg_temp.score('suspend_test'), 'ML004', 'is none');
SELECT pg_temp.maker($$SELECT mlops.resume('suspend_test', 'r')$$);

-- with a policy
SELECT pg_temp.maker($$SELECT mlops.set_policy('suspend_test', approvals => 1, approve_resume => true, reason => 'r')$$);
SELECT is(pg_temp.checker($$SELECT mlops.suspend('suspend_test', 'stop')$$), '', 'who may approve may suspend');
SELECT is(pg_temp.maker($$SELECT mlops.resume('suspend_test', 'go') IS NOT NULL$$), 'true', 'to resume is a request');
SELECT is(pg_temp.score('suspend_test'), 'ML004', 'that ends nothing yet');
SELECT is((SELECT kind || status FROM mlops.requests WHERE model = 'suspend_test' ORDER BY id DESC LIMIT 1), 'resumeopen', 'requests');
SELECT is(pg_temp.maker('SELECT mlops.approve((SELECT max(id) FROM mlops.requests))'), '42501', 'not by the maker');
SELECT is(pg_temp.checker('SELECT mlops.approve((SELECT max(id) FROM mlops.requests))'), 'executed', 'but another person');
SELECT is(pg_temp.score('suspend_test'), '1', 'resumes it');
SELECT isnt((SELECT request FROM mlops.suspensions WHERE model = 'suspend_test' ORDER BY id DESC LIMIT 1), NULL, 'and the suspension names the request');

-- ratification
SELECT results_eq($$SELECT kind, status, created_by, due_at > created_at FROM mlops.safety_actions WHERE model = 'suspend_test'$$,
    $$VALUES ('suspension', 'open', 'gs_checker'::name, true)$$, 'a suspension is to be ratified');
SELECT is(pg_temp.checker(format('SELECT mlops.ratify(%s)', pg_temp.last())), 'ML041', 'not by who suspended');
SELECT is(pg_temp.maker(format('SELECT mlops.ratify(%s)', pg_temp.last())), '42501', 'nor without the privilege');
SELECT mlops.grant_privilege('approve', 'suspend_test', 'gs_maker');
SELECT is(pg_temp.maker(format('SELECT mlops.ratify(%s, ''seen'')', pg_temp.last())), '', 'ratify');
SELECT is(pg_temp.maker(format('SELECT mlops.ratify(%s)', pg_temp.last())), '55000', 'not twice');
SELECT is(pg_temp.maker('SELECT mlops.ratify(-1)'), '42704', 'no such action');
SELECT results_eq($$SELECT status, ratified_by, comment FROM mlops.safety_actions WHERE model = 'suspend_test'$$,
    $$VALUES ('ratified', 'gs_maker'::name, 'seen')$$, 'safety_actions');

-- what the tables refuse
SELECT throws_ok('UPDATE mlops.suspension SET ended_at = NULL, ended_by = NULL, end_reason = NULL', 'ML040', NULL, 'a suspension that ended');
SELECT throws_ok('DELETE FROM mlops.suspension', 'ML040', NULL, 'none goes');
SELECT throws_ok('UPDATE mlops.safety_action SET reason = ''x''', 'ML040', NULL, 'a safety action');
SELECT throws_ok('TRUNCATE mlops.safety_action', 'ML040', NULL, 'none goes');
SELECT * FROM finish();
ROLLBACK;
