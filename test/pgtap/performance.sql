-- The performance report: its figures are those of the aggregates, intervals,
-- test figures and champion, late labels, segments, the undefined cases.
BEGIN;
SELECT plan(69);
\ir ../fixtures/stump.sql

CREATE FUNCTION pg_temp.near(value float8, expected float8, tolerance float8 DEFAULT 1e-12) RETURNS boolean LANGUAGE sql AS
    $$SELECT value IS NOT NULL AND abs(value - expected) <= tolerance * greatest(1, abs(expected))$$;
CREATE FUNCTION pg_temp.scramble(i integer) RETURNS float8 LANGUAGE sql AS $$SELECT ((i * 7919) % 1009) / 1009.0::float8$$;

-- Three steps of probability, and labels that are as likely as that
CREATE TEMPORARY TABLE loan AS
SELECT i AS id, pg_temp.scramble(i) AS a, pg_temp.scramble(i * 31) AS b, i % 3 AS branch, false AS bad FROM generate_series(1, 6000) i;
SELECT mlops.import_model('risk', pg_temp.stumps('{a,b}', '{0,1}', '{0.5,0.3}', '{-1.5,-0.7}', '{1.5,0.7}'), classes => '{good,bad}',
                          metrics => '{"auc": 0.85, "gini": 0.70, "brier": 0.17, "log_loss": "?", "accuracy": 0.99, "n_test": 3000}') \g /dev/null
SELECT mlops.import_model('risk', pg_temp.stumps('{b}', '{0}', '{0.3}', '{-0.5}', '{0.5}'), classes => '{good,bad}') \g /dev/null
SELECT mlops.promote('risk/1', reason => 'test') \g /dev/null
UPDATE loan l SET bad = pg_temp.scramble(id * 17 + 5) < mlops.predict('risk/1', l);

CREATE TEMPORARY TABLE report AS
SELECT * FROM mlops.performance_report('risk', 'SELECT *, CASE WHEN bad THEN ''bad'' ELSE ''good'' END AS outcome FROM loan', 'outcome', segments => '{branch}');
CREATE TEMPORARY TABLE scored AS SELECT l.*, mlops.predict('risk/1', l) AS s FROM loan l;

SELECT ok(pg_temp.near((SELECT value FROM report WHERE metric = m.metric AND attribute IS NULL), m.value), m.metric)
FROM (SELECT jsonb_build_object(
    'auc', mlops.auc(bad, s), 'gini', mlops.gini(bad, s), 'ks', mlops.ks(bad, s), 'pr_auc', mlops.pr_auc(bad, s),
    'log_loss', mlops.log_loss(bad, s), 'brier', mlops.brier(bad, s), 'ece', mlops.ece(bad, s), 'ece_equal_frequency', mlops.ece(bad, s, 10, 'equal_frequency'),
    'accuracy', mlops.accuracy(bad, s), 'precision', mlops.precision(bad, s), 'recall', mlops.recall(bad, s), 'f1', mlops.f1(bad, s), 'mcc', mlops.mcc(bad, s),
    'base_rate', mlops.base_rate(bad)) AS all_of_them FROM scored) x, LATERAL (SELECT e.key, e.value::float8 FROM jsonb_each_text(all_of_them) e) m (metric, value);
SELECT is((SELECT count(*) FROM report WHERE attribute = 'branch' AND metric = 'auc'), 3::bigint, 'a segment for each branch');
SELECT ok(pg_temp.near((SELECT value FROM report WHERE metric = 'auc' AND "group" = '2'), mlops.auc(bad, s)), 'of its rows') FROM scored WHERE branch = 2;

-- Intervals
SELECT ok(pg_temp.near(r.lower, (e.ci).lower) AND pg_temp.near(r.upper, (e.ci).upper), 'AUC: DeLong')
FROM report r, (SELECT mlops.auc_ci(bad, s, 0.95) AS ci FROM scored) e WHERE metric = 'auc' AND attribute IS NULL;
SELECT ok(pg_temp.near(r.lower, w.lower) AND pg_temp.near(r.upper, w.upper), 'accuracy: Wilson')
FROM report r, (SELECT count(*) FILTER (WHERE bad = (s >= 0.5)) AS k, count(*) AS n FROM scored) c, mlops.wilson(c.k, c.n) w WHERE metric = 'accuracy' AND attribute IS NULL;
SELECT ok(pg_temp.near((definition->>'standard_error')::float8, e.error, 0.2 * e.error), 'brier: the bootstrap''s error is near that of a mean')
FROM report r, (SELECT stddev((bad::integer - s) ^ 2) / sqrt(count(*)) AS error FROM scored) e WHERE metric = 'brier' AND attribute IS NULL;
SELECT ok(bool_and(lower <= value AND value <= upper AND upper - lower BETWEEN 1e-4 AND 0.2), 'every value is within its interval')
FROM report WHERE lower IS NOT NULL AND metric NOT IN ('labels_arrived', 'invalid_labels', 'invalid_scores', 'ece');
SELECT set_eq($$SELECT * FROM mlops.performance_report('risk', 'SELECT *, CASE WHEN bad THEN ''bad'' ELSE ''good'' END AS outcome FROM loan ORDER BY b', 'outcome', segments => '{branch}')$$,
              'SELECT * FROM report', 'neither runs nor the order of rows change a bit');
SELECT isnt((SELECT lower FROM mlops.performance_report('risk', 'SELECT * FROM loan', 'bad', seed => 1) WHERE metric = 'brier'),
            (SELECT lower FROM report WHERE metric = 'brier' AND attribute IS NULL), 'the seed does, by a little');

-- Against its own test figures
SELECT is((SELECT test_value FROM report WHERE metric = 'auc' AND attribute IS NULL), 0.85::float8, 'the test figure stands beside');
SELECT is((SELECT verdict FROM report WHERE metric = 'accuracy' AND attribute IS NULL), 'fail', 'a drop beyond 3 standard errors');
SELECT ok(bool_and(verdict = 'ok') AND count(*) = 3, 'no drop, or one that chance could make') FROM report WHERE metric IN ('auc', 'gini', 'brier') AND attribute IS NULL;
SELECT is((SELECT test_value FROM report WHERE metric = 'log_loss' AND attribute IS NULL), NULL, 'a figure that is no number');
SELECT is((SELECT count(*) FROM report WHERE verdict IS NOT NULL AND attribute IS NOT NULL), 0::bigint, 'a segment is not compared with the whole');
SELECT ok(bool_and(verdict = 'insufficient'), 'few rows have no verdict')
FROM mlops.performance_report('risk', 'SELECT * FROM loan LIMIT 99', 'bad') WHERE metric IN ('rows', 'auc', 'accuracy', 'brier');

-- Against the champion
SELECT ok(pg_temp.near(r.value, e.challenger) AND pg_temp.near(r.champion_value, e.champion), 'the champion''s figure stands beside')
FROM mlops.performance_report('risk/2', 'SELECT * FROM loan', 'bad') r,
     (SELECT mlops.auc(bad, mlops.predict('risk/2', l)) AS challenger, mlops.auc(bad, mlops.predict('risk/1', l)) AS champion FROM loan l) e WHERE metric = 'auc';
SELECT is((SELECT champion_value FROM report WHERE metric = 'auc' AND attribute IS NULL), NULL, 'which the champion itself does not need');
SELECT ok(champion_value IS NULL AND value IS NOT NULL AND definition->'champion_problems' ? 'a', 'a champion that the rows do not fit')
FROM mlops.performance_report('risk/2', 'SELECT b, bad FROM loan', 'bad') WHERE metric = 'auc';

-- Labels by key
CREATE TEMPORARY TABLE outcome AS SELECT id, bad FROM loan WHERE id % 4 = 0;
INSERT INTO outcome SELECT id, NOT bad FROM loan WHERE id = 4;
INSERT INTO outcome SELECT id, bad FROM loan WHERE id = 8;
CREATE TEMPORARY TABLE late AS
SELECT * FROM mlops.performance_report('risk', 'SELECT id, a, b FROM loan', 'bad', 'id', 'SELECT * FROM outcome');
SELECT is((SELECT value FROM late WHERE metric = 'labels_arrived'), 0.25::float8, 'the share of labels that arrived');
SELECT is((SELECT n FROM late WHERE metric = 'auc'), 1499::bigint, 'rows with a label count');
SELECT is((SELECT (value * n)::bigint FROM late WHERE metric = 'invalid_labels'), 1::bigint, 'one label contradicts another');
SELECT ok(pg_temp.near((SELECT value FROM late WHERE metric = 'auc'), mlops.auc(bad, s)), 'by key') FROM scored WHERE id % 4 = 0 AND id <> 4;

-- Estimates: CBPE, from its definition
SELECT ok(pg_temp.near((SELECT value FROM late WHERE metric = 'estimated_accuracy'), avg(CASE WHEN s >= 0.5 THEN s ELSE 1 - s END)), 'estimated accuracy') FROM scored;
SELECT ok(pg_temp.near((SELECT value FROM late WHERE metric = 'estimated_precision'), avg(s) FILTER (WHERE s >= 0.5)), 'estimated precision') FROM scored;
SELECT ok(pg_temp.near((SELECT value FROM late WHERE metric = 'estimated_recall'), sum(s) FILTER (WHERE s >= 0.5) / sum(s)), 'estimated recall') FROM scored;
SELECT ok(pg_temp.near((SELECT value FROM late WHERE metric = 'estimated_auc'), e.auc), 'estimated AUC')
FROM (SELECT sum(x.n * y.n * x.s * (1 - y.s) * CASE WHEN x.s > y.s THEN 1 WHEN x.s = y.s THEN 0.5 ELSE 0 END) / sum(x.n * y.n * x.s * (1 - y.s)) AS auc
      FROM (SELECT s, count(*) AS n FROM scored GROUP BY s) x, (SELECT s, count(*) AS n FROM scored GROUP BY s) y) e;
SELECT ok(pg_temp.near(e.value, r.value, 0.03), 'and it is near what came out: ' || r.metric)
FROM late e JOIN report r ON e.metric = 'estimated_' || r.metric AND r.attribute IS NULL WHERE r.metric IN ('auc', 'accuracy');
SELECT ok(bool_and(definition @> '{"estimate": true, "assumes": "calibrated scores and no concept drift"}'), 'an estimate is marked as one') FROM late WHERE metric LIKE 'estimated%';
SELECT is((SELECT count(*) FROM report WHERE metric LIKE 'estimated%'), 0::bigint, 'none where all labels are there');
SELECT is((SELECT string_agg(metric, ' ' ORDER BY metric COLLATE "C") FROM mlops.performance_report('risk', 'SELECT a, b FROM loan') WHERE value IS NOT NULL),
          'estimated_accuracy estimated_auc estimated_base_rate estimated_f1 estimated_precision estimated_recall invalid_labels invalid_scores labels_arrived rows',
          'without a label there are estimates alone');

-- Other tasks
SELECT mlops.import_model('price', pg_temp.stumps('{a}', '{0}', '{0.5}', '{1}', '{3}', 'reg:squarederror'), metrics => '{"rmse": 0.1, "mae": 0.9, "n_test": 100}') \g /dev/null
SELECT ok(pg_temp.near(r.value, e.value), 'regression: ' || metric)
FROM mlops.performance_report('price/1', 'SELECT a, a * 4 AS y FROM loan', 'y') r
JOIN (SELECT m.* FROM (SELECT mlops.rmse(a * 4, p) AS rmse, mlops.mae(a * 4, p) AS mae, mlops.r2(a * 4, p) AS r2
                       FROM (SELECT a, mlops.predict('price/1', l) AS p FROM loan l) x) v,
           LATERAL (VALUES ('rmse', v.rmse), ('mae', v.mae), ('r2', v.r2)) m (metric, value)) e USING (metric);
SELECT is((SELECT string_agg(verdict, ' ' ORDER BY metric COLLATE "C") FROM mlops.performance_report('price/1', 'SELECT a, a * 4 AS y FROM loan', 'y') WHERE metric IN ('mae', 'rmse')),
          'ok fail', 'an error that rises is a drop, one that falls is none');
SELECT ok(value IS NOT NULL AND n = 2 AND verdict = 'insufficient', 'values that are not finite are left out')
FROM mlops.performance_report('price/1', 'SELECT 0.1 AS a, y FROM unnest(''{1,2,NaN,Infinity,NULL}''::float8[]) y', 'y') WHERE metric = 'rmse';
SELECT throws_ok($$SELECT * FROM mlops.performance_report('price/1', 'SELECT a, ''x'' AS y FROM loan', 'y')$$, '42804', NULL, 'its label is a number');
SELECT mlops.import_model('grade', pg_temp.stumps('{a}', '{0,0,0}', '{0.3,0.5,0.7}', '{2,0,0}', '{0,1,2}', 'multi:softprob', 3), classes => '{a,b,c}') \g /dev/null
SELECT ok(pg_temp.near((SELECT value FROM mlops.performance_report('grade/1', 'SELECT a, chr(97 + (a * 3)::integer % 3) AS y FROM loan', 'y') WHERE metric = m.metric), m.value), 'multiclass: ' || m.metric)
FROM (SELECT mlops.accuracy(y, p) AS accuracy, mlops.f1(y, p) AS f1_macro FROM (SELECT chr(97 + (a * 3)::integer % 3) AS y, mlops.predict_class('grade/1', l) AS p FROM loan l) x) v,
     LATERAL (VALUES ('accuracy', v.accuracy), ('f1_macro', v.f1_macro)) m (metric, value);

SELECT ok(bool_and(abs(e - x) < 1e-9), 'errors of a confusion matrix, as numeric derivatives give them')
FROM unnest(mlops._matrix_errors('{"matrix": [[50,10,5],[8,60,7],[3,9,48]]}'), '{0.0286782288401,0.0289271053471,0.0287332329005,0.0434793722498}'::float8[]) u (e, x);
CREATE TEMPORARY TABLE kinds AS
SELECT i AS id, (i * 7919) % 1009 AS u, chr(97 + (((i * 7919) % 1009 + (i * 104729::bigint) % 1013 / 6) / 400)::integer) AS kind, i % 3 = 0 AS yes FROM generate_series(1, 3000) i;
SELECT mlops.train('kinds', 'SELECT id, u, kind FROM kinds', 'kind', key => 'id', rounds => 5) \g /dev/null
SELECT is((SELECT string_agg(metric || ' ' || verdict, ', ') FROM mlops.performance_report('kinds/1', 'SELECT * FROM kinds', 'kind') WHERE test_value IS NOT NULL),
          'accuracy ok, precision_macro ok, recall_macro ok, f1_macro ok, mcc ok, log_loss ok', 'multiclass: each measure against that of the test rows');
SELECT is((SELECT string_agg(metric || ' ' || verdict, ', ') FROM mlops.performance_report('kinds/1', 'SELECT u, CASE WHEN id % 2 = 0 THEN ''a'' ELSE kind END AS kind FROM kinds', 'kind')
           WHERE metric ~ 'macro|mcc'), 'precision_macro fail, recall_macro fail, f1_macro fail, mcc fail', 'which fall');
SELECT mlops.train('kinds2', 'SELECT id, u, kind = ''a'' AS y FROM kinds', 'y', key => 'id', rounds => 5) \g /dev/null
SELECT is((SELECT string_agg(verdict, ' ') FROM unnest('{kind = ''a'',(kind = ''a'') = (id % 2 = 0)}'::text[]) y,
           mlops.performance_report('kinds2/1', format('SELECT u, %s AS y FROM kinds', y), 'y', replicates => 20) WHERE metric = 'mcc'), 'ok fail', 'so does mcc of two classes');

-- A row that says so
SELECT is((SELECT string_agg(metric || ' ' || verdict, ', ') FROM mlops.performance_report('risk', 'SELECT b, bad FROM loan', 'bad')), 'features insufficient', 'a feature that is missing');
SELECT is((SELECT verdict FROM mlops.performance_report('risk', 'SELECT * FROM loan WHERE false', 'bad') WHERE metric = 'auc'), 'insufficient', 'no rows');
SELECT is((SELECT verdict FROM mlops.performance_report('risk', 'SELECT * FROM loan WHERE bad', 'bad') WHERE metric = 'auc'), 'insufficient', 'one class');
SELECT is((SELECT count(*) FROM mlops.performance_report('risk', 'SELECT a, b, id % 2 AS y FROM loan', 'y') WHERE metric = 'auc' AND value IS NOT NULL), 0::bigint,
          'numbers are not classes that have names');
SELECT is((SELECT value FROM mlops.performance_report('risk', 'SELECT a, b, ''else'' AS bad FROM loan', 'bad') WHERE metric = 'invalid_labels'), 1::float8, 'labels that are no class');

-- Rights and errors
CREATE ROLE regress_performance_reader;
GRANT SELECT ON loan TO regress_performance_reader;
SELECT throws_ok($$SET LOCAL ROLE regress_performance_reader; SELECT * FROM mlops.performance_report('risk', 'SELECT * FROM loan', 'bad')$$, '42501', NULL, 'it needs the privilege score');
RESET ROLE;
SELECT mlops.grant_privilege('score', 'risk', 'regress_performance_reader');
SET LOCAL ROLE regress_performance_reader;
SELECT ok(count(*) > 10, 'which is enough') FROM mlops.performance_report('risk', 'SELECT * FROM loan', 'bad');
SELECT throws_ok($$SELECT * FROM mlops.performance_report('risk', 'SELECT l.* FROM loan l JOIN outcome o USING (id)', 'bad')$$, '42501', NULL, 'for rows that it may read');
RESET ROLE;
SELECT throws_ok($$SELECT * FROM mlops.performance_report('risk/9', 'SELECT * FROM loan', 'bad')$$, 'ML002', NULL, 'a version that is not there');
SELECT throws_ok($$SELECT * FROM mlops.performance_report('risk', 'SELECT * FROM loan', 'z')$$, '42703', NULL, 'a label that is not there');
SELECT throws_ok($$SELECT * FROM mlops.performance_report('risk', 'SELECT * FROM loan', 'bad', labels => 'SELECT 1')$$, '22004', NULL, 'labels need a key');

-- Any split of the rows gives the same sample
CREATE TABLE split_rows AS SELECT i % 2 AS y, pg_temp.scramble(i) + i AS s FROM generate_series(1, 30000) i;
ANALYZE split_rows;
CREATE TEMPORARY TABLE serial AS SELECT mlops._bootstrap(y, s, 100, 10, 5) AS b FROM split_rows;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SELECT is((SELECT mlops._bootstrap(y, s, 100, 10, 5) FROM split_rows), (SELECT b FROM serial), 'a parallel bootstrap gives the same bits');
SELECT is((SELECT b[1:2] FROM serial), '{30000,8192}'::float8[], 'from a sample of bounded size');

SELECT * FROM finish();
ROLLBACK;
