-- Thresholds in charge: predict_class decides by the version's, approvals are
-- about it, and another one for a version in charge needs them.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SELECT plan(36);

CREATE ROLE gt_maker LOGIN; CREATE ROLE gt_checker LOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO gt_maker, gt_checker;
CREATE FUNCTION pg_temp.maker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('gt_maker', $1) $$;
CREATE FUNCTION pg_temp.checker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('gt_checker', $1) $$;
CREATE FUNCTION pg_temp.last() RETURNS bigint LANGUAGE sql AS $$ SELECT max(id) FROM mlops.request $$;
CREATE FUNCTION pg_temp.threshold() RETURNS numeric LANGUAGE sql AS
    $$ SELECT round((mlops.describe('gt/1')->>'threshold')::numeric, 4) $$;
CREATE FUNCTION pg_temp.choose(cost text, more text DEFAULT '') RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.maker(format('SELECT round(threshold::numeric, 4) FROM mlops.choose_threshold(''gt/1'', ''SELECT * FROM gt_rows'', ''bad'', cost => %L%s)', cost, more)) $$;

-- scores of 0.2, 0.5 and 0.8: a sum of two steps
CREATE TEMPORARY TABLE file AS SELECT pg_temp.stumps('{a}', '{0,0}', '{0,1}', '{-0.6931471805599453,-0.6931471805599453}', '{0.6931471805599453,0.6931471805599453}') AS artifact;
CREATE TABLE gt_rows AS SELECT i % 3 - 1 AS a, i * 7 % 10 < (i % 3) * 4 + 1 AS bad FROM generate_series(0, 299) i;
GRANT SELECT ON file, gt_rows TO PUBLIC;
SELECT pg_temp.maker($$SELECT mlops.import_model('gt', artifact) FROM file$$);
SELECT mlops.grant_privilege('approve', 'gt', 'gt_checker');

--
-- What decides
--
CREATE FUNCTION pg_temp.classes(model mlops.modelref DEFAULT 'gt/1') RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(mlops.predict_class(model, ARRAY[a]), '' ORDER BY a) FROM unnest('{-1,0.5,1}'::float8[]) a $$;
SELECT is(pg_temp.classes(), '011', 'positive from 0.5 on');
SELECT is(pg_temp.threshold(), NULL, 'as long as none is chosen');
SELECT is(pg_temp.choose('{"fp": 1, "fn": 100}'), '0.2000', 'one is chosen');
SELECT is(pg_temp.threshold(), 0.2000, 'describe has it');
SELECT is(pg_temp.classes(), '111', 'and predict_class decides by it');
SELECT is(pg_temp.choose('{"fp": 100, "fn": 1}'), 'Infinity', 'another');
SELECT is(pg_temp.classes(), '000', 'decides at once');
PREPARE decide AS SELECT mlops.predict_class('gt/1', ARRAY[1.0]);
SELECT results_eq('decide', $$VALUES ('0')$$, 'a prepared statement');
SELECT is(pg_temp.choose('{"fp": 3, "fn": 2}'), '0.8000', 'goes on');
SELECT results_eq('decide', $$VALUES ('1')$$, 'with what is chosen last');
SELECT is(mlops.predict_class('gt/1', '{"a": 0.5}'::jsonb, '{"a": 1}'), '1', 'changes are decided by it, too');
SELECT is((SELECT string_agg(mlops.predict_class('gt/1', r), '' ORDER BY a) FROM (SELECT DISTINCT a FROM gt_rows) r), '001', 'and rows');
SELECT is((SELECT c.score_after::numeric(5, 4) FROM mlops.counterfactual('gt/1', '{"a": 0}'::jsonb, '{a}') c), 0.8000, 'a counterfactual crosses it');
SELECT is(mlops.predict('gt/1', ARRAY[1.0])::numeric(5, 4), 0.8000, 'scores stay');
SELECT mlops.score('gt/1', 'SELECT row_number() OVER () AS id, a FROM gt_rows', 'pg_temp.gt_scores', 'id') \g /dev/null
SELECT is((SELECT count(*) FROM pg_temp.gt_scores WHERE class = '1'), 100::bigint, 'score tables have these classes');

--
-- What approvals are about
--
SELECT pg_temp.maker($$SELECT mlops.set_policy('gt', approvals => 1, reason => 'r')$$);
SELECT is(pg_temp.maker($$SELECT mlops.request_promotion('gt/1', reason => 'r') IS NOT NULL$$), 'true', 'a request');
SELECT is((SELECT round((package->>'threshold')::numeric, 4) FROM mlops.request WHERE id = pg_temp.last()), 0.8000, 'is about the threshold');
SELECT is((SELECT package ? 'calibration_sha256' FROM mlops.request WHERE id = pg_temp.last()), true, 'and the calibration');
SELECT is(pg_temp.choose('{"fp": 1, "fn": 100}'), '0.2000', 'another threshold');
SELECT is((SELECT status FROM mlops.requests WHERE id = pg_temp.last()), 'void', 'makes it void');
SELECT pg_temp.maker($$SELECT mlops.request_promotion('gt/1', reason => 'r')$$);
SELECT is(pg_temp.checker(format('SELECT mlops.approve(%s)', pg_temp.last())), 'executed', 'approved');

--
-- In charge
--
SELECT is(pg_temp.choose('{"fp": 100, "fn": 1}'), '22004', 'of a version in charge it needs a reason');
SELECT is(pg_temp.choose('{"fp": 100, "fn": 1}', ', reason => ''costs rose'''), 'Infinity', 'with one it is asked for');
SELECT is(pg_temp.threshold(), 0.2000, 'and does not count yet');
SELECT results_eq($$SELECT kind, status, version, reason FROM mlops.requests WHERE id = pg_temp.last()$$, $$VALUES ('threshold', 'open', 1, 'costs rose')$$, 'it is a request');
SELECT is(pg_temp.maker(format('SELECT mlops.approve(%s)', pg_temp.last())), '42501', 'not for who asked');
SELECT is(pg_temp.choose('{"fp": 3, "fn": 2}', ', reason => ''r'''), '55000', 'one at a time');
SELECT is(pg_temp.checker(format('SELECT mlops.approve(%s)', pg_temp.last())), 'executed', 'a second person approves');
SELECT is(pg_temp.threshold(), 'Infinity', 'and it counts');
SELECT is(pg_temp.classes('gt'), '000', 'for the alias');
SELECT is((SELECT status FROM mlops.requests WHERE id = pg_temp.last()), 'executed', 'the request has been executed');
SELECT is(pg_temp.checker($$SELECT * FROM mlops.choose_threshold('gt/1', 'SELECT * FROM gt_rows', 'bad', maximize => 'f1', reason => 'r')$$), '42501', 'it takes who manages the model');
SELECT is(mlops.evidence('gt/1')->'version'->'threshold'->>'choices', '5', 'evidence has it');
SELECT is((SELECT status FROM mlops.verify_audit(checks => '{state,artifacts}')), 'OK', 'the log agrees');
SELECT throws_ok($$UPDATE mlops.threshold SET threshold = 0$$, 'ML040', NULL, 'what was chosen stays');
ALTER TABLE mlops.threshold DISABLE TRIGGER refuse_change;
UPDATE mlops.threshold SET threshold = 0.1;
SELECT isnt((SELECT min(status) FROM mlops.verify_audit(checks => '{state}')), 'OK', 'or is found');

SELECT * FROM finish();
ROLLBACK;
