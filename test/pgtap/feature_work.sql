-- Which columns to train with: suggest_features and select_features.
\set ECHO none
\set QUIET 1
BEGIN;
SELECT plan(90);

SET LOCAL client_min_messages = warning;
CREATE SCHEMA feature_test;
GRANT USAGE ON SCHEMA feature_test TO PUBLIC;
SET LOCAL search_path = feature_test, public;

CREATE TYPE grade AS ENUM ('low', 'mid', 'high');
CREATE TABLE loan AS
    SELECT i AS id, i * 7919 % 100 AS a, (i * 7919 % 100)::numeric / 4 AS same, sqrt(i * 104729 % 9973) AS b,
           (ARRAY['x', 'y', 'z'])[i % 3 + 1] AS c, (ARRAY['low', 'mid', 'high'])[i * 7919 % 100 / 34 + 1]::grade AS g,
           i % 2 = 0 AS flag, CASE WHEN i % 10 = 0 THEN NULL ELSE i * 31 % 17 END AS m,
           date '2020-01-01' + i * 13 % 700 AS day, abs(i * 7919 % 100 - 50) AS u,
           CASE WHEN i * 7919 % 100 + i % 157 > 130 THEN NULL ELSE i % 5 END AS leak,
           i * 7919 % 100 + i % 157 > 130 AS bad, i * 7919 % 100 + i % 157 AS score
    FROM generate_series(1, 5000) i;
CREATE FUNCTION suggest(query text, label text) RETURNS TABLE(name text, j jsonb) LANGUAGE sql AS
    $$ SELECT s.name, to_jsonb(s) FROM mlops.suggest_features(query, label, 'id') s $$;

--
-- Two classes: the figures are those of our aggregates and of PostgreSQL's
--
CREATE TABLE found AS SELECT * FROM mlops.suggest_features('SELECT * FROM loan', 'bad', key => 'id');
SELECT results_eq('SELECT name FROM found', $$VALUES ('a'), ('same'), ('b'), ('c'), ('g'), ('flag'), ('m'), ('day'), ('u'), ('leak'), ('score')$$,
                  'a row per column, in their order, but label and key');
SELECT results_eq('SELECT name, type, kind FROM found WHERE name IN (''a'', ''g'', ''flag'', ''day'')',
                  $$VALUES ('a', 'integer', 'numeric'), ('g', 'feature_test.grade', 'categorical'), ('flag', 'boolean', 'boolean'), ('day', 'date', 'numeric')$$,
                  'types and kinds');
SELECT results_eq($$SELECT missing, distinct_count FROM found WHERE name = 'm'$$,
                  $$SELECT avg((m IS NULL)::int)::float8, count(DISTINCT m)::float8 FROM loan$$, 'missing and distinct values');
SELECT is((SELECT exact FROM found WHERE name = 'a'), true, 'up to 2048 values all is exact');
SELECT is((SELECT exact FROM found WHERE name = 'b'), false, 'beyond it is not, and says so');
SELECT ok((SELECT (definition->>'rank_error')::float8 BETWEEN 1e-6 AND 0.01 FROM found WHERE name = 'b'), 'and how far it may be off');
SELECT is((SELECT round(information_value::numeric, 12) FROM found WHERE name = n.name), round(n.iv::numeric, 12), 'information value of ' || n.name)
FROM (SELECT (ARRAY['a', 'c', 'm', 'flag', 'g', 'u'])[i] AS name,
             (ARRAY[mlops.iv(bad, a::float8), mlops.iv(bad, c), mlops.iv(bad, m::float8), mlops.iv(bad, flag::int::float8), mlops.iv(bad, g::text), mlops.iv(bad, u::float8)])[i] AS iv
      FROM loan, generate_series(1, 6) i GROUP BY i ORDER BY i) n;
SELECT ok((SELECT abs(information_value - iv) < 0.01 * iv FROM found, (SELECT mlops.iv(bad, score::float8) AS iv FROM loan) l WHERE name = 'score'),
          'that of many values within the error of the ranks');
SELECT is((SELECT round(correlation::numeric, 12) FROM found WHERE name = 'm'), (SELECT round(corr(m, bad::int)::numeric, 12) FROM loan), 'Pearson''s correlation');
SELECT is((SELECT round(correlation::numeric, 12) FROM found WHERE name = 'g'),
          (SELECT round(sqrt(sum((n - e) ^ 2 / e) / 5000)::numeric, 12)
           FROM (SELECT count(*) FILTER (WHERE l.bad = b.bad)::float8 AS n, count(*)::float8 * (SELECT count(*) FROM loan x WHERE x.bad = b.bad) / 5000 AS e
                 FROM loan l, (VALUES (true), (false)) b (bad) GROUP BY g, b.bad) t), 'Cramer''s V of a category');
SELECT results_eq($$SELECT correlation_method FROM found WHERE name IN ('m', 'g')$$, $$VALUES ('cramers_v'), ('pearson')$$, 'and which it is');
SELECT is((SELECT round((trend->>'spearman')::numeric, 10) FROM found WHERE name = 'a'),
          (SELECT round(corr(rx, ry)::numeric, 10) FROM (SELECT rank() OVER (ORDER BY a) + (count(*) OVER (PARTITION BY a) - 1) / 2.0 AS rx,
                                                            rank() OVER (ORDER BY bad) + (count(*) OVER (PARTITION BY bad) - 1) / 2.0 AS ry FROM loan) r),
          'Spearman''s correlation');
SELECT results_eq($$SELECT (b->>'upper')::float8, (b->>'n')::bigint, round((b->>'mean')::numeric, 9) FROM found, jsonb_array_elements(trend->'bins') b WHERE name = 'm'$$,
                  $$SELECT m::float8, count(*), round(avg(bad::int), 9) FROM loan WHERE m IS NOT NULL GROUP BY m ORDER BY m$$, 'bins and their rates');
SELECT results_eq($$SELECT name, monotone FROM found WHERE name IN ('a', 'same', 'u', 'm', 'c', 'score')$$,
                  $$VALUES ('a', 1), ('same', 1), ('c', NULL), ('m', 0), ('u', 0), ('score', 1)$$, 'monotone trends');
SELECT results_eq($$SELECT monotone, (trend->>'p_value')::float8 < 0.001, (trend->>'explained')::float8 < 0.95, (trend->>'p_departure')::float8 < 0.05
                    FROM mlops.suggest_features('SELECT a, abs(a - 35) + id % 7 > 30 AS bad FROM loan', 'bad')$$, 'VALUES (0, true, true, true)', 'a trend that turns is not monotone');
SELECT results_eq($$SELECT monotone, (trend->>'explained')::float8 BETWEEN 0.95 AND 0.9999
                    FROM mlops.suggest_features('SELECT a, a - CASE WHEN a BETWEEN 50 AND 59 THEN 14 ELSE 0 END + id % 157 > 130 AS bad FROM loan', 'bad')$$, 'VALUES (1, true)', 'a small bump is forgiven');
-- rates 0.2, 0.6 and 0.4 of 100 rows each: isotonic 0.2, 0.5 and 0.5
SELECT results_eq($$SELECT round((trend->>'explained')::numeric, 9), round((trend->>'p_departure')::numeric, 9), monotone
                    FROM mlops.suggest_features('SELECT i % 3 AS x, i / 3 < (ARRAY[20, 60, 40])[1 + i % 3] AS bad FROM generate_series(0, 299) i', 'bad')$$,
                  'VALUES (0.75, 0.002315114, 0)', 'what the isotonic regression explains, and what it leaves');
SELECT is((SELECT duplicate_of FROM mlops.suggest_features('SELECT a, c, a AS a2, c AS c2, bad FROM loan', 'bad') WHERE name = 'a2'), 'a', 'a duplicate');
SELECT is((SELECT duplicate_of FROM mlops.suggest_features('SELECT a, a::text AS t, a::float8 AS a2, bad FROM loan', 'bad') WHERE name = 'a2'), 'a', 'also of another type');
SELECT is((SELECT count(duplicate_of)::int FROM found), 0, 'what is not a duplicate is none');
SELECT is((SELECT count(duplicate_of)::int FROM mlops.suggest_features('SELECT a, CASE WHEN id <> 17 THEN a ELSE -1 END AS a2, bad FROM loan', 'bad')), 0, 'nor is one with another value in a row');
SELECT is((SELECT array_agg(name ORDER BY name) FROM found WHERE leakage IS NOT NULL), '{leak,score}', 'leakage is suspected');
SELECT matches((SELECT leakage FROM found WHERE name = 'leak'), 'NULL in one class only', 'with the reason');
SELECT matches((SELECT leakage FROM found WHERE name = 'score'), 'AUC of 1.000', 'and its figure');
SELECT is((SELECT count(*)::int FROM mlops.leakage_report('SELECT * FROM loan', 'bad', key => 'id')), 2, 'the same that the report suspects');
SELECT results_eq($$SELECT name, suggestion FROM found WHERE name IN ('a', 'c', 'leak', 'g')$$,
                  $$VALUES ('a', 'use'), ('c', 'review'), ('g', 'use'), ('leak', 'review')$$, 'suggestions');
SELECT is((SELECT count(*)::int FROM found WHERE (suggestion = 'use') <> (reason IS NULL)), 0, 'each but use has a reason');
SELECT is((SELECT definition->>'positive' FROM found LIMIT 1), 'true', 'the positive class is the last');
SELECT is((SELECT monotone FROM mlops.suggest_features('SELECT a, bad FROM loan', 'bad', positive => 'false')), -1, 'or the one that is named');
SELECT is((SELECT jsonb_agg(to_jsonb(s)) FROM mlops.suggest_features('SELECT * FROM loan ORDER BY b', 'bad', 'id') s WHERE exact),
          (SELECT jsonb_agg(to_jsonb(s)) FROM mlops.suggest_features('SELECT * FROM loan ORDER BY id', 'bad', 'id') s WHERE exact), 'the order of rows does not matter');

--
-- A number, and more classes
--
SELECT results_eq($$SELECT round(correlation::numeric, 9), (trend->>'n')::int, monotone FROM mlops.suggest_features('SELECT a, score FROM loan', 'score')$$,
                  $$SELECT round(corr(a, score)::numeric, 9), 5000, 1 FROM loan$$, 'a label that is a number');
SELECT is((SELECT round((trend->>'spearman')::numeric, 9) FROM mlops.suggest_features('SELECT m, score FROM loan', 'score')),
          (SELECT round(corr(rx, ry)::numeric, 9) FROM (SELECT rank() OVER (ORDER BY m) + (count(*) OVER (PARTITION BY m) - 1) / 2.0 AS rx,
                                                            rank() OVER (ORDER BY score) + (count(*) OVER (PARTITION BY score) - 1) / 2.0 AS ry FROM loan WHERE m IS NOT NULL) r),
          'its ranks');
SELECT is((SELECT round(correlation::numeric, 9) FROM mlops.suggest_features('SELECT g, score FROM loan', 'score')),
          (SELECT round(sqrt(sum(n * (m - t) ^ 2) / max(v))::numeric, 9) FROM (SELECT count(*) AS n, avg(score)::float8 AS m FROM loan GROUP BY g) x,
               (SELECT avg(score)::float8 AS t, var_pop(score)::float8 * count(*) AS v FROM loan) y), 'the correlation ratio of a category');
SELECT is((SELECT round(correlation::numeric, 9) FROM mlops.suggest_features('SELECT a, g FROM loan', 'g')),
          (SELECT round(sqrt(sum(n * (m - t) ^ 2) / max(v))::numeric, 9) FROM (SELECT count(*) AS n, avg(a)::float8 AS m FROM loan GROUP BY g) x,
               (SELECT avg(a)::float8 AS t, var_pop(a)::float8 * count(*) AS v FROM loan) y), 'of a number with more than two classes');
SELECT is((SELECT information_value FROM mlops.suggest_features('SELECT a, g FROM loan', 'g')), NULL, 'which have no information value');
SELECT is((SELECT rows FROM mlops.suggest_features('SELECT a, g FROM loan', 'g')), 5000::bigint, 'no row is lost or counted twice');
SELECT ok((SELECT (definition->>'trend_rows')::int BETWEEN 20000 AND 50000 AND monotone = 1 AND (trend->>'n')::int = (definition->>'trend_rows')::int
           FROM mlops.suggest_features('SELECT a, score + id / 1e6 AS score, id FROM loan, generate_series(1, 12)', 'score', 'id')), 'a trend of many rows is that of a sample');

SELECT is((SELECT trend FROM mlops.suggest_features('SELECT a, score, n * 5000 + id AS id FROM loan, generate_series(1, 12) n ORDER BY b, n', 'score', 'id')),
          (SELECT trend FROM mlops.suggest_features('SELECT a, score, n * 5000 + id AS id FROM loan, generate_series(1, 12) n ORDER BY n, id', 'score', 'id')), 'by the key, in whatever order');
SELECT ok((SELECT (trend->>'n')::int BETWEEN 24000 AND 50000 AND jsonb_array_length(trend->'bins') = 3 FROM mlops.suggest_features('SELECT i % 3 AS a, i % 3 + 0.5 AS y FROM generate_series(1, 60000) i', 'y')),
          'also of rows that are all alike');

--
-- Columns that make trouble
--
SELECT results_eq($$SELECT name, kind, missing, constant, suggestion, reason FROM mlops.suggest_features(
        'SELECT bad, NULL::int AS nothing, NULL::text AS "no text", ''NaN''::float8 AS nan, ''-Infinity''::numeric AS inf, point(1, a) AS p, 5 AS "a ""five"" é", a AS one FROM loan', 'bad')$$,
    $$VALUES ('nothing', 'numeric', 1::float8, true, 'drop', 'it has no value'), ('no text', 'categorical', 1, true, 'drop', 'it has no value'),
             ('nan', 'numeric', 1, true, 'drop', 'it has no value'), ('inf', 'numeric', 1, true, 'drop', 'it has no value'),
             ('p', 'unsupported', 0, NULL, 'drop', 'type point cannot be a feature: cast it in the query'),
             ('a "five" é', 'numeric', 0, true, 'drop', 'it has the same value in all rows'), ('one', 'numeric', 0, false, 'use', NULL)$$, 'each has a row that says so');
SELECT matches((SELECT reason FROM mlops.suggest_features('SELECT bad, CASE WHEN id % 3 = 0 THEN ''infinity''::float8 ELSE a END AS x FROM loan', 'bad')),
               'infinite values', 'an infinity here and there');
SELECT matches((SELECT reason FROM mlops.suggest_features('SELECT bad, id FROM loan', 'bad')), 'identifier', 'a number that names rows');
SELECT is((SELECT suggestion FROM mlops.suggest_features('SELECT bad, md5(id::text) AS t FROM loan', 'bad')), 'drop', 'a text that names rows');
SELECT results_eq($$SELECT information_value, correlation, monotone, leakage, definition->>'label_kind' FROM mlops.suggest_features('SELECT a, true AS bad FROM loan', 'bad')$$,
                  $$VALUES (NULL::float8, NULL::float8, NULL::int, NULL::text, 'one value')$$, 'one class');
SELECT results_eq($$SELECT rows, suggestion, reason FROM mlops.suggest_features('SELECT a, NULL::boolean AS bad FROM loan', 'bad')$$,
                  $$VALUES (0::bigint, 'drop', 'no row has a label')$$, 'no label');
SELECT is((SELECT count(*)::int FROM mlops.suggest_features('SELECT a, bad FROM loan WHERE false', 'bad')), 1, 'no rows');
SELECT is((SELECT count(*)::int FROM mlops.suggest_features('SELECT bad FROM loan', 'bad')), 0, 'no columns');
SELECT is((SELECT count(*) FILTER (WHERE information_value > 0 AND monotone IS NOT NULL)::int FROM mlops.suggest_features(
              (SELECT 'SELECT bad, ' || string_agg('a + 0.5 * (id % ' || i || ') AS c' || i, ', ') || ' FROM loan' FROM generate_series(2, 1600) i), 'bad')), 1599, '1,600 columns');
SELECT throws_ok($$SELECT mlops.suggest_features('SELECT a FROM loan', 'bad')$$, '42703', NULL, 'a label that is not there');
SELECT throws_ok($$SELECT mlops.suggest_features('SELECT a, bad FROM loan', 'bad', 'id')$$, '42703', NULL, 'a key that is not there');
SELECT throws_ok($$SELECT mlops.suggest_features('SELECT a, point(1, 2) AS p FROM loan', 'p')$$, '42804', NULL, 'a label that cannot be one');
SELECT throws_ok($$SELECT mlops.suggest_features('SELECT a, bad FROM loan', 'bad', positive => 'yes')$$, '22023', NULL, 'a positive class that is not there');
SELECT throws_ok($$SELECT mlops.suggest_features('DELETE FROM loan', 'bad')$$, '22023', NULL, 'a query that writes');
CREATE ROLE feature_other;
SET LOCAL ROLE feature_other;
SELECT throws_ok($$SELECT mlops.suggest_features('SELECT * FROM feature_test.loan', 'bad')$$, '42501', NULL, 'who may not read the rows');
RESET ROLE;
CREATE FUNCTION cancelled(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'it ended';
EXCEPTION WHEN query_canceled THEN
    RETURN 'cancelled';
END $$;
SET LOCAL statement_timeout = 300;
SELECT is(cancelled($$SELECT mlops.suggest_features('SELECT i AS a, i % 2 = 0 AS bad FROM generate_series(1, 1000000000) i', 'bad')$$), 'cancelled', 'it can be cancelled');
RESET statement_timeout;

--
-- Selection
--
CREATE TABLE ranked AS SELECT * FROM mlops.select_features('SELECT id, a, b, c, m, day, bad FROM loan', 'bad', '{"max_depth": 3}', key => 'id', rounds => 20, seed => 3);
SELECT results_eq('SELECT rank, feature FROM ranked ORDER BY rank LIMIT 1', $$VALUES (1, 'a')$$, 'the feature that makes the label comes first');
SELECT ok((SELECT array_agg(feature ORDER BY rank) FROM ranked WHERE chosen) IN ('{a}', '{a,m}'), 'and alone is chosen, or with one that a version of the library adds');
SELECT results_eq('SELECT DISTINCT metric FROM ranked',
                  $$SELECT (metrics->>'auc')::float8 FROM mlops.train('feature_test', 'SELECT id, a, b, c, m, day, bad FROM loan', 'bad', '{"max_depth": 3}', key => 'id', rounds => 20, seed => 3)$$,
                  'the metric is the one that mlops.train() gives');
SELECT ok((SELECT bool_and(standard_error >= 0 AND standard_error < 0.05 AND removed_at IS NULL) FROM ranked), 'importances have standard errors');
SELECT ok((SELECT importance > 0.2 AND importance > 2 * standard_error FROM ranked WHERE rank = 1), 'which tell them from chance');
SELECT results_eq('SELECT rank, feature, importance, standard_error FROM ranked',
                  $$SELECT rank, feature, importance, standard_error FROM mlops.select_features('SELECT id, a, b, c, m, day, bad FROM loan', 'bad', '{"max_depth": 3}', key => 'id', rounds => 20, seed => 3)$$,
                  'the same seed gives the same figures');
SELECT isnt((SELECT importance FROM mlops.select_features('SELECT id, a, b, c, m, day, bad FROM loan', 'bad', '{"max_depth": 3}', key => 'id', rounds => 20, seed => 3, repeats => 6) WHERE feature = 'a'),
            (SELECT importance FROM ranked WHERE feature = 'a'), 'more repetitions give others');
SELECT is((SELECT standard_error FROM mlops.select_features('SELECT id, a, b, bad FROM loan', 'bad', key => 'id', rounds => 5, repeats => 1) WHERE feature = 'a'), NULL, 'one has no error');
SELECT results_eq($$SELECT importance, standard_error FROM mlops.select_features('SELECT id, a, b, bad FROM loan', 'bad', '{"max_depth": 1}', key => 'id', rounds => 1) WHERE feature = 'b'$$,
                  'VALUES (0::float8, 0::float8)', 'a feature that no tree uses is worth nothing');

CREATE TABLE eliminated AS SELECT * FROM mlops.select_features('SELECT id, a, b, c, m, day, flag, bad FROM loan', 'bad', '{"max_depth": 3, "monotone_constraints": {"a": 1, "flag": 0, "b": -1}}',
    key => 'id', rounds => 10, method => 'elimination', metric => 'log_loss', step => 2, keep => 2, repeats => 3);
SELECT results_eq('SELECT rank, removed_at FROM eliminated', 'VALUES (1, NULL), (2, NULL), (3, 2), (4, 2), (5, 1), (6, 1)', 'steps, the last to go first');
SELECT is((SELECT feature FROM eliminated WHERE rank = 1), 'a', 'what makes the label stays');
SELECT is((SELECT chosen FROM eliminated WHERE rank = 1), true, 'and is chosen');
SELECT results_eq($$SELECT DISTINCT metric FROM eliminated WHERE removed_at = 2$$,
                  $$SELECT (metrics->>'log_loss')::float8 FROM mlops.train('feature_test', 'SELECT id, a, b, c, m, day, flag, bad FROM loan', 'bad',
                        (SELECT jsonb_build_object('max_depth', 3, 'monotone_constraints', jsonb_object_agg(feature, v)) FROM eliminated JOIN (VALUES ('a', 1), ('flag', 0), ('b', -1)) c (n, v) ON n = feature
                         WHERE removed_at IS DISTINCT FROM 1),
                        key => 'id', rounds => 10, features => (SELECT array_agg(feature) FROM eliminated WHERE removed_at IS DISTINCT FROM 1))$$,
                  'the metric of a step is that of a training with its features and their constraints');
SELECT is((SELECT array_agg(DISTINCT chosen) FROM mlops.select_features('SELECT id, a, b, c, m, bad FROM loan', 'bad', key => 'id', rounds => 5, method => 'elimination', tolerance => 1) WHERE rank > 1), '{f}',
          'with a wide tolerance one is enough');
SELECT is((SELECT count(DISTINCT metric)::int FROM mlops.select_features('SELECT id, a, b, c, m, bad FROM loan', 'bad', key => 'id', rounds => 5, method => 'elimination')), 4, 'a metric for each step');
SELECT is((SELECT feature FROM mlops.select_features('SELECT id, a, b, c, m, score FROM loan', 'score', key => 'id', rounds => 10) WHERE rank = 1), 'a', 'of a number');
SELECT is((SELECT feature FROM mlops.select_features('SELECT id, a, b, c, m, g FROM loan', 'g', key => 'id', rounds => 10, metric => 'accuracy') WHERE rank = 1), 'a', 'of several classes');
SELECT is((SELECT count(*)::int FROM mlops.select_features('SELECT id, a, bad FROM loan', 'bad', key => 'id', rounds => 2, keep => 5, method => 'elimination')), 1, 'fewer features than shall be kept');
SELECT is((SELECT count(*)::int FROM mlops.versions WHERE model = 'feature_test'), 2, 'nothing is registered');
SELECT throws_ok($$SELECT mlops.select_features('SELECT a, bad FROM loan', 'bad', metric => 'rmse')$$, '22023', NULL, 'a metric of another task');
SELECT throws_ok($$SELECT mlops.select_features('SELECT a, bad FROM loan', 'bad', '{"objective": "binary:hinge"}', metric => 'brier')$$, '22023', NULL, 'of probabilities where there are none');
SELECT throws_ok($$SELECT mlops.select_features('SELECT a, bad FROM loan', 'bad', method => 'magic')$$, '22023', NULL, 'an unknown method');
SELECT throws_ok($$SELECT mlops.select_features('SELECT a, bad FROM loan', 'bad', split => '{"test": 0}')$$, '22023', NULL, 'no rows to measure with');
SELECT throws_ok($$SELECT mlops.select_features('SELECT a, bad FROM loan', 'bad', repeats => 0)$$, '22023', NULL, 'no repetition');
SELECT throws_ok($$SELECT mlops.select_features('SELECT a, bad FROM loan', 'bad', tolerance => 'NaN')$$, '22023', NULL, 'no tolerance');
SELECT throws_ok($$SELECT mlops.select_features('SELECT a, b, bad FROM loan', 'bad', '{"interaction_constraints": [["a", "b"]]}', method => 'elimination')$$, '22023', NULL, 'constraints that name several');
SELECT throws_ok($$SELECT mlops.select_features('SELECT a, bad, CASE WHEN bad THEN ''train'' WHEN id % 2 = 0 THEN ''test'' ELSE ''train'' END AS part FROM loan', 'bad', split => '{"column": "part"}', rounds => 2)$$, 'ML030', NULL, 'one class to measure with');
SET LOCAL ROLE feature_other;
SELECT throws_ok($$SELECT mlops.select_features('SELECT 1 AS a, true AS bad', 'bad')$$, '42501', NULL, 'it has to be granted');
RESET ROLE;
GRANT EXECUTE ON FUNCTION mlops.select_features TO feature_other;
SET LOCAL ROLE feature_other;
SELECT throws_ok($$SELECT mlops.select_features('SELECT * FROM feature_test.loan', 'bad')$$, '42501', NULL, 'and runs as the caller');
RESET ROLE;
SET LOCAL statement_timeout = 500;
SELECT is(cancelled($$SELECT mlops.select_features('SELECT id, a, b, day, bad FROM loan', 'bad', key => 'id', rounds => 100000)$$), 'cancelled', 'a selection can be cancelled');
RESET statement_timeout;

SELECT * FROM finish();
ROLLBACK;
