-- Calibration: isotonic regression and Platt scaling against scikit-learn,
-- what they change and what not, who may, and with which rows.
\set ECHO none
\set QUIET 1
BEGIN;
SELECT plan(74);

SET LOCAL client_min_messages = error;
CREATE SCHEMA calibration_test;
GRANT USAGE ON SCHEMA calibration_test TO PUBLIC;
SET LOCAL search_path = calibration_test, public;

-- A model whose margin is its feature; test/fixtures/calibration_reference.py
-- has the same rows.
CREATE TABLE scored AS
    SELECT i AS id, i * 7919 % 1000 / 64.0::float8 - 7.8125 AS x,
           i * 104729 % 997 < (i * 7919 % 1000) * 997 / 1250 + 40 AS bad
    FROM generate_series(1, 3000) i;
CREATE FUNCTION linear(objective text) RETURNS mlops.artifact LANGUAGE sql AS $$
    SELECT format('{"version":[1,7,4],"learner":{"attributes":{},"feature_names":["x"],"feature_types":["float"],
                    "gradient_booster":{"name":"gblinear","model":{"weights":[1,0],"boosted_rounds":1}},
                    "learner_model_param":{"base_score":"%s","num_class":"0","num_feature":"1","num_target":"1"},
                    "objective":{"name":"%s","reg_loss_param":{"scale_pos_weight":"1"}}}}',
                  CASE objective WHEN 'binary:logistic' THEN '5E-1' ELSE '0' END, objective)::json::mlops.artifact $$;
SELECT mlops.import_model('cal', linear('binary:logistic'), classes => '{good,bad}') \g /dev/null
CREATE VIEW labelled AS SELECT x, CASE WHEN bad THEN 'bad' ELSE 'good' END AS grade FROM scored;
SELECT is(count(*), 0::bigint, 'the margin is the feature') FROM scored s WHERE mlops.predict_margin('cal/1', s) <> ARRAY[x];

--
-- Isotonic regression
--
SELECT results_eq($$SELECT model::text, version, metrics FROM mlops.calibrate('cal/1', 'SELECT * FROM labelled', 'grade')$$,
                  $$SELECT 'cal/2', 2, NULL::jsonb$$, 'a calibration is a version');
CREATE TABLE grid AS SELECT i, i * 37 / 128.0::float8 AS x FROM generate_series(-40, 40) i;
CREATE TABLE isotonic AS SELECT i - 41 AS i, p FROM unnest('{
    0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.044444444444444446,0.08333333333333333,0.08888888888888889,
    0.10416666666666667,0.10416666666666667,0.13541666666666666,0.13541666666666666,0.16666666666666666,0.16666666666666666,
    0.1875,0.1875,0.22807017543859648,0.22807017543859648,0.22807017543859648,0.24444444444444444,0.2682926829268293,
    0.2682926829268293,0.2916666666666667,0.3111111111111111,0.3333333333333333,0.3333333333333333,0.375,0.4,0.4,0.4,0.43875,
    0.44,0.4583333333333333,0.46236559139784944,0.48148148148148145,0.5208333333333334,0.5208333333333334,0.525,0.525,
    0.5815602836879432,0.5815602836879432,0.5866666666666667,0.5866666666666667,0.6354166666666666,0.6354166666666666,
    0.6354166666666666,0.6583333333333333,0.6583333333333333,0.6666666666666666,0.6875,0.71875,0.7291666666666666,0.75,
    0.7708333333333334,0.7916666666666666,0.8125,0.8333333333333334,0.8333333333333334,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,
    1.0,1.0,1.0,1.0,1.0}'::float8[]) WITH ORDINALITY u (p, i);
SELECT is(max(abs(mlops.predict('cal/2', g) - r.p)) < 1e-9, true, 'isotonic regression is that of scikit-learn')
FROM grid g JOIN isotonic r USING (i);
SELECT is((mlops.describe('cal/2')->'calibration'->>'points')::int, 80, 'with as many points');
SELECT is((mlops.describe('cal/2')->'calibration') - '{query,positive}'::text[],
          '{"method": "isotonic", "version": 1, "points": 80, "rows": 3000, "label": "grade", "training_rows": null, "test": null}',
          'describe says what it was made from');
SELECT version FROM mlops.calibrate('cal/1', 'SELECT * FROM labelled ORDER BY md5(x::text)', 'grade') \g /dev/null
SELECT is(mlops.describe('cal/3')->'calibration'->'points', mlops.describe('cal/2')->'calibration'->'points', 'in any order of the rows');
SELECT is(count(*), 0::bigint, 'with the same bits') FROM scored s WHERE mlops.predict('cal/2', s) <> mlops.predict('cal/3', s);

--
-- Platt scaling
--
SELECT version FROM mlops.calibrate('cal/2', 'SELECT * FROM labelled', 'grade', 'platt', test => 'SELECT x, grade FROM labelled WHERE x < 4') \g /dev/null
SELECT is(abs((c->>'slope')::float8 - 0.24482642146703348768) < 1e-12 AND abs((c->>'intercept')::float8 + 0.30652811487412412487) < 1e-12, true,
          'Platt scaling is the optimum of Platt''s problem')
FROM (SELECT mlops.describe('cal/4')->'calibration' AS c) s;
SELECT is(max(abs(mlops.predict('cal/4', g) - 1 / (1 + exp(-(0.2448264215040384 * x - 0.3065281149535508))))) < 1e-9, true,
          'and that of scikit-learn') FROM grid g;
SELECT is((mlops.describe('cal/4')->'calibration'->>'version')::int, 1, 'a calibrated version is calibrated by its margins');
SELECT is(v.metrics->m.key, to_jsonb(m.value), 'metric of the test rows: ' || m.key)
FROM mlops.versions v,
     (SELECT mlops.auc(bad, p) AS auc, mlops.log_loss(bad, p) AS log_loss, mlops.brier(bad, p) AS brier,
             mlops.recall(bad, p, 0.5) AS recall, avg(bad::int)::float8 AS base_rate
      FROM (SELECT bad, mlops.predict('cal/4', s) AS p FROM scored s WHERE x < 4) q) a,
     LATERAL (VALUES ('auc', auc), ('log_loss', log_loss), ('brier', brier), ('recall', recall), ('base_rate', base_rate)) m (key, value)
WHERE v.model = 'cal' AND v.version = 4;

--
-- What it changes, and what not
--
SELECT results_eq($$SELECT version, source, calibration, calibration_of, run FROM mlops.versions WHERE model = 'cal' ORDER BY 1$$,
                  $$VALUES (1, 'import', NULL, NULL::int, NULL::bigint), (2, 'calibrate', 'isotonic', 1, NULL), (3, 'calibrate', 'isotonic', 1, NULL), (4, 'calibrate', 'platt', 1, NULL)$$,
                  'versions say so');
SELECT is(mlops.export_model('cal/2'), mlops.export_model('cal/1'), 'the model file is the same');
SELECT is(count(DISTINCT sha256), 1::bigint, 'and its hash') FROM mlops.versions WHERE model = 'cal';
SELECT is(count(*), 0::bigint, 'so are the margins') FROM scored s WHERE mlops.predict_margin('cal/2', s) <> mlops.predict_margin('cal/1', s);
SELECT is(count(*), 0::bigint, 'without calibration the score is that of the model, of a row')
FROM scored s WHERE mlops.predict('cal/2', s, '{}', calibrated => false) <> mlops.predict('cal/1', s);
SELECT is(count(*), 0::bigint, 'of an array') FROM scored s WHERE mlops.predict('cal/4', ARRAY[x], '{}', calibrated => false) <> mlops.predict('cal/1', s);
SELECT is(count(*), 0::bigint, 'of a JSON object') FROM scored s WHERE mlops.predict('cal/4', to_jsonb(s), '{}', false) <> mlops.predict('cal/1', s);
SELECT is(count(*), 0::bigint, 'and the probabilities') FROM scored s WHERE mlops.predict_proba('cal/4', s, '{}', false) <> mlops.predict_proba('cal/1', s);
SELECT is(count(*), 0::bigint, 'and the class') FROM scored s WHERE mlops.predict_class('cal/4', s, '{}', false) <> mlops.predict_class('cal/1', s);
SELECT is(count(*), 0::bigint, 'true is the default') FROM scored s WHERE mlops.predict('cal/4', s, '{}', true) <> mlops.predict('cal/4', s);
SELECT is(mlops.predict('cal/1', ARRAY[1.0], '{}', false), mlops.predict('cal/1', ARRAY[1.0]), 'a version without a calibration has nothing to turn off');
SELECT is(mlops.predict('cal/4', ARRAY[1.0], '{"x": 2}'), mlops.predict('cal/4', ARRAY[2.0]), 'changes are calibrated, too');
SELECT is(count(*), 0::bigint, 'an array and a JSON object are calibrated')
FROM scored s WHERE mlops.predict('cal/2', ARRAY[x]) <> mlops.predict('cal/2', s) OR mlops.predict('cal/2', to_jsonb(s)) <> mlops.predict('cal/2', s);
SELECT is(mlops.predict_batch('cal/2', array_agg(s)), array_agg(mlops.predict('cal/2', s)), 'and a batch') FROM scored s;
SELECT is(count(*), 0::bigint, 'probabilities are 1 together') FROM scored s
WHERE mlops.predict_proba('cal/2', s) <> ARRAY[1 - mlops.predict('cal/2', s), mlops.predict('cal/2', s)];
SELECT is(count(*), 0::bigint, 'the class is positive from 0.5 on') FROM scored s
WHERE mlops.predict_class('cal/2', s) <> CASE WHEN mlops.predict('cal/2', s) >= 0.5 THEN 'bad' ELSE 'good' END;
SELECT isnt(count(*), 0::bigint, 'which is not where it was') FROM scored s WHERE mlops.predict_class('cal/2', s) <> mlops.predict_class('cal/1', s);
SELECT lives_ok($$SELECT mlops.score('cal/2', 'SELECT id, x FROM calibration_test.scored', 'calibration_test.scores', 'id')$$, 'a table of scores');
SELECT is(count(*), 3000::bigint, 'has calibrated ones') FROM scored s JOIN scores t USING (id) WHERE t.score = mlops.predict('cal/2', s) AND t.class = mlops.predict_class('cal/2', s);
CREATE FUNCTION pg_temp.differ(model text, "limit" float8) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM scored r WHERE abs(%s - mlops.predict(%L, r)) > %s', mlops.to_sql(model::mlops.modelref, 'prediction', 'r'), model, "limit") INTO n;
    RETURN n;
END $$;
SELECT is(pg_temp.differ('cal/2', 0), 0::bigint, 'as SQL the same isotonic calibration');
SELECT is(pg_temp.differ('cal/4', 1e-15), 0::bigint, 'and the same Platt scaling');
SELECT is(mlops.to_sql('cal/2', 'margin'), mlops.to_sql('cal/1', 'margin'), 'or the margin');
SELECT is(count(*), 0::bigint, 'contributions add up to the margin, not to the score') FROM scored s
WHERE id % 100 = 0 AND abs((SELECT sum(c) FROM unnest(mlops.contributions('cal/2', s)) c) - x) > 1e-5;
SELECT throws_ok($$SELECT mlops.predict('cal/2', ROW(1)::record)$$, 'ML020', NULL, 'a row is bound as before');
SELECT mlops.import_model('raw', linear('binary:logitraw')) \g /dev/null
SELECT throws_ok($$SELECT mlops.predict_proba('raw/1', ARRAY[1.0])$$, 'ML021', NULL, 'a model that gives margins has no probabilities');
SELECT version FROM mlops.calibrate('raw/1', 'SELECT x, bad::int AS bad FROM scored', 'bad', 'platt') \g /dev/null
SELECT is(mlops.predict_proba('raw/2', ARRAY[1.0]), mlops.predict_proba('cal/4', ARRAY[1.0]), 'but with a calibration it has');

--
-- Counterfactuals cross the calibrated score
--
CREATE TABLE treed AS SELECT i AS id, i % 50 AS a, i * 31 % 40 AS b, i % 50 + i * 31 % 40 + i * 7919 % 23 > 60 AS bad FROM generate_series(1, 4000) i;
SELECT version FROM mlops.train('trees', 'SELECT * FROM treed', 'bad', '{"max_depth": 3}', key => 'id', split => '{"test": 0.5}', rounds => 20,
                                class_weight => '{"true": 8}') \g /dev/null
SELECT version FROM mlops.calibrate('trees/1', $$SELECT * FROM treed WHERE mlops.split(id, 0, '{"test": 0.5}') = 'test' AND id % 2 = 0$$, 'bad', 'platt',
                                    test => $$SELECT * FROM treed WHERE mlops.split(id, 0, '{"test": 0.5}') = 'test' AND id % 2 = 1$$) \g /dev/null
SELECT is(count(*) FILTER (WHERE (c.score_before < 0.5 AND c.score_after >= 0.5 OR c.score_before >= 0.5 AND c.score_after < 0.5) IS NOT TRUE), 0::bigint, 'a counterfactual goes across')
FROM treed t, mlops.counterfactual('trees/2', t, '{a,b}', rules => NULL) c WHERE t.id <= 40 AND c.status = 'found';
SELECT is(c.score_before, mlops.predict('trees/2', t), 'from the calibrated score') FROM treed t, mlops.counterfactual('trees/2', t, '{a,b}') c WHERE t.id = 7 LIMIT 1;

--
-- Class weights, with calibrated output
--
CREATE TABLE held AS SELECT * FROM treed WHERE mlops.split(id, 0, '{"test": 0.5}') = 'test' AND id % 2 = 1;
SELECT ok(abs(avg(mlops.predict('trees/1', h)) - avg(bad::int)) > 0.1, 'class weights make scores that are no shares') FROM held h;
SELECT ok(abs(avg(mlops.predict('trees/2', h)) - avg(bad::int)) < 0.05, 'which calibrated ones are') FROM held h;
SELECT ok((b.metrics->>'brier')::float8 < (SELECT mlops.brier(bad, mlops.predict('trees/1', h)) FROM held h), 'the Brier score is better')
FROM mlops.versions b WHERE model = 'trees' AND version = 2;
SELECT is(round((b.metrics->>'auc')::numeric, 12), (SELECT round(mlops.auc(bad, (mlops.predict_margin('trees/1', h))[1])::numeric, 12) FROM held h), 'the order is the same')
FROM mlops.versions b WHERE model = 'trees' AND version = 2;

--
-- Rows of its own
--
SELECT throws_like($$SELECT mlops.calibrate('trees/1', 'SELECT * FROM treed', 'bad')$$, 'the version was trained with % of the 4000 rows of the query', 'rows of the training are refused');
SELECT throws_like($$SELECT mlops.calibrate('trees/2', 'SELECT * FROM treed', 'bad')$$, 'the version was trained with % of the 4000 rows of the query', 'also for a version that is calibrated');
SELECT version FROM mlops.train('whole', 'SELECT a, b, bad FROM treed', 'bad', rounds => 2) \g /dev/null
SELECT throws_ok($$SELECT mlops.calibrate('whole/1', 'SELECT a, b, bad FROM treed', 'bad')$$, 'ML030', NULL, 'and the query of the training');
SELECT version FROM mlops.train('parted', 'SELECT a, b, bad, mlops.split(id) AS part FROM treed', 'bad', split => '{"column": "part"}', rounds => 2) \g /dev/null
SELECT throws_ok($$SELECT mlops.calibrate('parted/1', 'SELECT a, b, bad, mlops.split(id) AS part FROM treed WHERE id < 100', 'bad')$$, 'ML030', NULL, 'rows of the training by its column');
SELECT lives_ok($$SELECT mlops.calibrate('parted/1', 'SELECT * FROM (SELECT a, b, bad, mlops.split(id) AS part FROM treed) t WHERE part = ''test''', 'bad')$$, 'others are taken');
SELECT is(mlops.describe('parted/2')->'calibration'->'training_rows', '0', 'which is recorded');

--
-- Errors
--
SELECT throws_ok($$SELECT mlops.calibrate('cal/1', 'SELECT * FROM labelled', 'grade', 'spline')$$, '22023', NULL, 'an unknown method');
SELECT throws_ok($$SELECT mlops.calibrate('cal/1', 'SELECT * FROM labelled', 'grade', NULL)$$, '22004', NULL, 'no method');
SELECT throws_ok($$SELECT mlops.calibrate('cal/1', 'SELECT * FROM labelled', 'bad')$$, '42703', NULL, 'a label that is no column');
SELECT throws_ok($$SELECT mlops.calibrate('cal/1', 'SELECT x, ''good'' AS grade FROM labelled', 'grade')$$, 'ML030', NULL, 'one class');
SELECT throws_ok($$SELECT mlops.calibrate('cal/1', 'SELECT * FROM labelled WHERE false', 'grade')$$, 'ML030', NULL, 'no rows');
SELECT throws_ok($$SELECT mlops.calibrate('cal/1', 'SELECT 1 - x AS x, grade FROM labelled', 'grade', 'platt')$$, 'ML030', NULL, 'scores that go the wrong way');
SELECT throws_ok($$SELECT mlops.calibrate('cal/1', 'SELECT 0 AS x, grade FROM labelled', 'grade')$$, 'ML030', NULL, 'one margin for all');
SELECT throws_ok($$SELECT mlops.calibrate('cal/1', 'SELECT * FROM labelled', 'grade', test => 'SELECT * FROM labelled WHERE false')$$, 'ML030', NULL, 'no rows for the test');
SELECT throws_ok($$SELECT mlops.calibrate('cal/1', 'CREATE TABLE x ()', 'grade')$$, '22023', NULL, 'a query that is none');
SELECT mlops.import_model('regression', linear('reg:squarederror')) \g /dev/null
SELECT throws_ok($$SELECT mlops.calibrate('regression/1', 'SELECT x, x AS y FROM scored', 'y')$$, 'ML021', NULL, 'a model without classes');

--
-- Rights
--
CREATE ROLE calibration_maker;
GRANT EXECUTE ON FUNCTION mlops.calibrate TO calibration_maker;
SET LOCAL ROLE calibration_maker;
SELECT throws_ok($$SELECT mlops.calibrate('cal/1', 'SELECT 1 AS x, true AS grade', 'grade')$$, '42501', NULL, 'who does not manage the model');
RESET ROLE;
SELECT mlops.grant_privilege('manage', 'cal', 'calibration_maker') \g /dev/null
SET LOCAL ROLE calibration_maker;
SELECT throws_ok($$SELECT mlops.calibrate('cal/1', 'SELECT * FROM calibration_test.labelled', 'grade')$$, '42501', NULL, 'who may not read the rows');
RESET ROLE;
GRANT SELECT ON labelled TO calibration_maker;
SET LOCAL ROLE calibration_maker;
SELECT lives_ok($$SELECT mlops.calibrate('cal/1', 'SELECT * FROM calibration_test.labelled', 'grade')$$, 'who may both');
RESET ROLE;

--
-- What is kept, and checked
--
SELECT is(array_agg(score ORDER BY number), array_agg(mlops.predict('cal/4', features) ORDER BY number), 'golden rows have calibrated scores')
FROM mlops.golden_rows WHERE model = 'cal' AND version = 4;
SELECT results_eq($$SELECT verdict, count(*) FROM mlops.verify_model('trees/2') GROUP BY 1$$, $$VALUES ('pass', 6::bigint)$$, 'verify_model passes');
SELECT is((SELECT status FROM mlops.verify_audit(checks => '{state,artifacts}')), 'OK', 'and the audit log');
SELECT is(mlops.evidence('cal/4')->'version'->'calibration'->>'method', 'platt', 'evidence has the calibration');
ALTER TABLE mlops.version DISABLE TRIGGER refuse_change;
UPDATE mlops.version v SET calibration = jsonb_set(calibration, '{slope}', '0.25') FROM mlops.model m WHERE m.id = v.model_id AND m.name = 'cal' AND v.version = 4;
SELECT is((SELECT string_agg(item, ',' ORDER BY item) FROM mlops.verify_model('cal/4') WHERE verdict = 'fail'), 'calibration,golden rows,library', 'another calibration is found');
SELECT isnt((SELECT min(status) FROM mlops.verify_audit(checks => '{state}')), 'OK', 'also by the log');
SELECT throws_ok($$UPDATE mlops.version v SET calibration = NULL FROM mlops.model m WHERE m.id = v.model_id AND m.name = 'cal' AND v.version = 4$$, '23514', NULL, 'none is no way out');
UPDATE mlops.version v SET calibration = '{"method": "isotonic", "margins": [2, 1], "values": [0, 1], "version": 1}' FROM mlops.model m WHERE m.id = v.model_id AND m.name = 'cal' AND v.version = 4;
SELECT is((SELECT count(*) FROM mlops.verify_model('cal/4') WHERE detail LIKE 'stored calibration of a version is damaged%'), 1::bigint, 'a damaged one is an error');

SELECT * FROM finish();
ROLLBACK;
