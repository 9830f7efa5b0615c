-- Metrics: definitions against references, undefined cases, errors, any split of the rows.
BEGIN;
SELECT plan(190);

CREATE FUNCTION pg_temp.measure(expression text, relation text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    value float8;
BEGIN
    EXECUTE format('SELECT %s FROM pg_temp.%I', expression, relation) INTO value;
    RETURN value;
END $$;
CREATE FUNCTION pg_temp.near(value float8, expected float8) RETURNS boolean LANGUAGE sql AS
    $$SELECT value IS NOT NULL AND abs(value - expected) <= 1e-12 * greatest(1, abs(expected))$$;
CREATE FUNCTION pg_temp.measures(expression text, relation text, expected float8) RETURNS text LANGUAGE sql AS $$
    SELECT ok(pg_temp.near(value, expected), format('%s of %s', expression, relation))
        || CASE WHEN pg_temp.near(value, expected) THEN '' ELSE E'\n' || diag(format('%s instead of %s', value, expected)) END
    FROM pg_temp.measure(expression, relation) AS value $$;

--
-- scikit-learn and scipy, on the data of test/fixtures/metrics_reference.py
--
CREATE TEMPORARY TABLE number AS
SELECT i, (i * 7919) % 1009 AS rank, (i * 104729) % 1013 AS noise FROM generate_series(1, 5000) AS i;
CREATE TEMPORARY TABLE scored AS
SELECT rank::float8 / 1009 AS score, noise * 1009 < rank * 1013 AS label FROM number;
CREATE TEMPORARY TABLE predicted AS
SELECT noise::float8 / 8 - 40 AS actual, noise::float8 / 8 - 40 + (rank - 504)::float8 / 256 AS predicted FROM number;
CREATE TEMPORARY TABLE classes AS
SELECT substr('abcd', rank % 4 + 1, 1) AS actual, substr('abcde', (rank % 4 + noise % 3 / 2) % 5 + 1, 1) AS predicted FROM number;
CREATE TEMPORARY TABLE one AS SELECT 1 AS one;

SELECT pg_temp.measures(expression, relation, expected) FROM (VALUES
    ('mlops.auc(label, score)', 'scored', 0.8340424799999999),
    ('mlops.gini(label, score)', 'scored', 0.6680849599999998),
    ('mlops.pr_auc(label, score)', 'scored', 0.8348670724055554),
    ('mlops.ks(label, score)', 'scored', 0.502),
    ('mlops.auc(label, -score)', 'scored', 0.16595752),
    ('(SELECT sum(p.fpr) FROM unnest(mlops.roc(label, score)) AS p)', 'scored', 336.746),
    ('(SELECT sum(p.tpr) FROM unnest(mlops.roc(label, score)) AS p)', 'scored', 673.8024),
    ('cardinality(mlops.roc(label, score))', 'scored', 1010.0),
    ('mlops.log_loss(label, score)', 'scored', 0.4984300813005432),
    ('mlops.log_loss(label, score) FILTER (WHERE score > 0)', 'scored', 0.4988291446162361),
    ('mlops.brier(label, score)', 'scored', 0.16631262208016848),
    ('mlops.accuracy(label, score)', 'scored', 0.7502),
    ('mlops.precision(label, score)', 'scored', 0.7503001200480192),
    ('mlops.recall(label, score)', 'scored', 0.75),
    ('mlops.f1(label, score)', 'scored', 0.7501500300060012),
    ('mlops.mcc(label, score)', 'scored', 0.5004000400320048),
    ('mlops.accuracy(label, score, 0.9)', 'scored', 0.59),
    ('mlops.precision(label, score, 0.9)', 'scored', 0.9536290322580645),
    ('mlops.recall(label, score, 0.9)', 'scored', 0.1892),
    ('mlops.f1(label, score, 0.9)', 'scored', 0.3157543391188251),
    ('mlops.mcc(label, score, 0.9)', 'scored', 0.30107346763082155),
    ('mlops.accuracy(label, score, 0.49554013875123887)', 'scored', 0.7504),
    ('mlops.precision(label, score, 0.49554013875123887)', 'scored', 0.7480190174326465),
    ('mlops.recall(label, score, 0.49554013875123887)', 'scored', 0.7552),
    ('mlops.f1(label, score, 0.49554013875123887)', 'scored', 0.7515923566878981),
    ('mlops.mcc(label, score, 0.49554013875123887)', 'scored', 0.5008230784591954),
    ('mlops.ece(label, score)', 'scored', 0.005457482656095136),
    ('mlops.ece(label, score, 7)', 'scored', 0.0029567888999009057),
    ('mlops.ece(label, score, 10, $$equal_frequency$$)', 'scored', 0.003859464816650147),
    ('((mlops.calibration(label, score, 10, $$equal_frequency$$))[3]).mean_score', 'scored', 0.24935060264074937),
    ('((mlops.calibration(label, score, 10, $$equal_frequency$$))[3]).rate', 'scored', 0.24798387096774194),
    ('((mlops.calibration(label, score, 10, $$equal_frequency$$))[3]).rate_lower', 'scored', 0.212013228414875),
    ('((mlops.calibration(label, score, 10, $$equal_frequency$$))[3]).rate_upper', 'scored', 0.2878281801192631),
    ('(mlops.auc_ci(label, score, 0.95)).lower', 'scored', 0.8231449423247701),
    ('(mlops.auc_ci(label, score, 0.95)).upper', 'scored', 0.84494001767523),
    ('(mlops.auc_ci(label, score, 0.99)).lower', 'scored', 0.819720687813103),
    ('(mlops.auc_ci(label, score, 0.99)).upper', 'scored', 0.848364272186897),
    ('(mlops.wilson(8, 10, 0.95)).lower', 'one', 0.4901624715366418),
    ('(mlops.wilson(8, 10, 0.95)).upper', 'one', 0.9433178485456248),
    ('(mlops.wilson(0, 5, 0.95)).lower', 'one', 0.0),
    ('(mlops.wilson(0, 5, 0.95)).upper', 'one', 0.43448246478317476),
    ('(mlops.wilson(5, 5, 0.9)).lower', 'one', 0.6488834992348989),
    ('(mlops.wilson(5, 5, 0.9)).upper', 'one', 1.0),
    ('(mlops.wilson(123456, 1000000, 0.999)).lower', 'one', 0.12237762384725606),
    ('(mlops.wilson(123456, 1000000, 0.999)).upper', 'one', 0.12454253017460803),
    ('mlops.rmse(actual, predicted)', 'predicted', 1.137815250518081),
    ('mlops.mae(actual, predicted)', 'predicted', 0.98541953125),
    ('mlops.r2(actual, predicted)', 'predicted', 0.9990310175103473),
    ('mlops.mape(actual, predicted)', 'predicted', 0.10472372719263216),
    ('mlops.accuracy(actual, predicted)', 'classes', 0.6676),
    ('mlops.precision(actual, predicted)', 'classes', 0.6008011985018726),
    ('mlops.recall(actual, predicted)', 'classes', 0.534079278789639),
    ('mlops.f1(actual, predicted)', 'classes', 0.5609009493099906),
    ('mlops.mcc(actual, predicted)', 'classes', 0.5741760871038675),
    ('(mlops.confusion(actual, predicted) #> $${matrix,0,0}$$)::float8', 'classes', 839.0),
    ('(mlops.confusion(actual, predicted) #> $${matrix,0,1}$$)::float8', 'classes', 414.0),
    ('(mlops.confusion(actual, predicted) #> $${matrix,3,4}$$)::float8', 'classes', 420.0),
    ('(mlops.confusion(actual, predicted) #> $${matrix,4,4}$$)::float8', 'classes', 0.0)
) AS reference (expression, relation, expected);

--
-- Published cases
--
CREATE TEMPORARY TABLE ten (label, score) AS
VALUES (1, 0.91), (0, 0.82), (0, 0.73), (1, 0.64), (1, 0.55), (1, 0.46), (0, 0.37), (1, 0.28), (0, 0.19), (0, 0);
CREATE TEMPORARY TABLE four (label, score) AS VALUES (0, 0.1), (0, 0.4), (1, 0.35), (1, 0.8);
CREATE TEMPORARY TABLE forecasts (label, score) AS VALUES (0, 0.1), (1, 0.9), (1, 0.8), (0, 0.3);
CREATE TEMPORARY TABLE losses (label, score) AS VALUES (1, 0.9), (0, 0.1), (0, 0.2), (1, 0.65);
CREATE TEMPORARY TABLE line (actual, predicted) AS VALUES (3, 2.5), (-0.5, 0), (2, 2), (7, 8);
CREATE TEMPORARY TABLE letters (actual, predicted) AS
SELECT v.actual, v.predicted FROM (VALUES ('a', 'a', 4), ('a', 'b', 1), ('b', 'a', 2), ('b', 'b', 5)) AS v (actual, predicted, n), generate_series(1, n);

SELECT pg_temp.measures(expression, relation, expected) FROM (VALUES
    ('mlops.accuracy(label, score, 0.7)', 'ten', 0.4),
    ('mlops.precision(label, score, 0.7)', 'ten', 1 / 3.0),
    ('mlops.recall(label, score, 0.7)', 'ten', 0.2),
    ('mlops.f1(label, score, 0.7)', 'ten', 0.25),
    ('mlops.auc(label, score)', 'ten', 0.64),
    ('mlops.log_loss(label, score)', 'ten', 0.6884817487155065),
    ('mlops.pr_auc(label, score)', 'ten', 0.67833333333333333),
    ('mlops.brier(label, score)', 'ten', 0.25285),
    ('mlops.gini(label, score)', 'ten', 0.28),
    ('mlops.ks(label, score)', 'ten', 0.4),
    ('mlops.ece(label, score)', 'ten', 0.427),
    ('mlops.ece(label, score, 5, $$equal_frequency$$)', 'ten', 0.263),
    ('mlops.auc(label, score)', 'four', 0.75),
    ('mlops.pr_auc(label, score)', 'four', 0.8333333333333333),
    ('mlops.brier(label, score)', 'forecasts', 0.0375),
    ('mlops.log_loss(label, score)', 'losses', 0.21616187468057912),
    ('mlops.r2(actual, predicted)', 'line', 0.9486081370449679),
    ('mlops.mae(actual, predicted)', 'line', 0.5),
    ('mlops.rmse(actual, predicted)', 'line', 0.6123724356957945),
    ('mlops.mape(actual, predicted)', 'line', 0.3273809523809524)
) AS reference (expression, relation, expected);
SELECT is(mlops.confusion(actual, predicted), '{
    "n": 12, "classes": ["a", "b"], "matrix": [[4, 1], [2, 5]],
    "by_class": {"a": {"tp": 4, "fn": 1, "fp": 2, "tn": 5}, "b": {"tp": 5, "fn": 2, "fp": 1, "tn": 4}}}',
    'confusion by class') FROM letters;
SELECT is(mlops.confusion(label = 1, score >= 0.7), '{
    "n": 10, "classes": ["false", "true"], "matrix": [[3, 2], [4, 1]],
    "by_class": {"true": {"tp": 1, "fn": 4, "fp": 2, "tn": 3}, "false": {"tp": 3, "fn": 2, "fp": 4, "tn": 1}}}',
    'confusion of booleans') FROM ten;

--
-- Ties, ends and signs
--
SELECT is(mlops.auc(label, 0.3), 0.5::float8, 'a constant score has an AUC of one half') FROM ten;
SELECT is(mlops.auc(label, label), 1::float8, 'a perfect order has an AUC of 1') FROM ten;
SELECT is(mlops.gini(label, -label), -1::float8, 'a reversed order has a Gini of -1') FROM ten;
SELECT is(mlops.ks(label, 7), 0::float8, 'a constant score has a KS of 0') FROM ten;
SELECT is(mlops.pr_auc(label, 7), 0.5::float8, 'average precision of a constant score is the base rate') FROM ten;
SELECT is(mlops.ks(label, -label), 1::float8, 'KS does not depend on the direction') FROM ten;
SELECT is(mlops.auc(label, score), 0.5::float8, 'zeroes of both signs are one score')
FROM (VALUES (true, '-0'::float8), (false, 0)) AS v (label, score);
SELECT is(mlops.auc(label, score), 0.875::float8, 'infinite scores have their place')
FROM (VALUES (true, 'Infinity'::float8), (false, '-Infinity'), (true, 0), (false, 0)) AS v (label, score);
SELECT is(mlops.auc(label, score), 0.75::float8, 'scores of any sign and size')
FROM (VALUES (true, 1e300::float8), (false, -1e300), (true, -1e-300), (false, 1e-300)) AS v (label, score);
SELECT ok(pg_temp.near(mlops.log_loss(label, score), 15 * ln(10::float8)), 'a certain error costs as much for either label')
FROM (VALUES (true, 0), (false, 1)) AS v (label, score);
SELECT ok(mlops.log_loss(label, score) = 0, 'certainty that is right costs nothing')
FROM (VALUES (true, 1), (false, 0)) AS v (label, score);
SELECT is(mlops.accuracy(label, 0.5), 0.5::float8, 'a score at the threshold is positive') FROM ten;
SELECT is(mlops.accuracy(label, score, CASE WHEN label = 1 THEN 0 ELSE 1 END), 1::float8, 'rows may have thresholds of their own') FROM ten;

--
-- Undefined is NULL, and so is nothing
--
CREATE FUNCTION pg_temp.null_measures(relation text, VARIADIC expressions text[]) RETURNS text LANGUAGE sql AS $$
    SELECT is(array_agg(e) FILTER (WHERE pg_temp.measure(format('num_nulls(%s)', e), relation) = 0), NULL,
        format('NULL for %s: %s', relation, array_to_string(expressions, ', ')))
    FROM unnest(expressions) AS e $$;
CREATE TEMPORARY VIEW nothing AS
SELECT label = 1 AS label, score, score AS actual, score AS predicted, 'a' AS class FROM ten WHERE false;
CREATE TEMPORARY VIEW all_null AS SELECT
    NULLIF(label, label) = 1 AS label, NULLIF(score, score) AS score, score AS actual, NULLIF(score, score) AS predicted, NULL::text AS class FROM ten;
CREATE TEMPORARY VIEW one_class AS SELECT label = 1 AS label, score, 5.5 AS actual, score AS predicted FROM ten WHERE label = 1;
SELECT pg_temp.null_measures(relation, 'mlops.auc(label, score)', 'mlops.pr_auc(label, score)', 'mlops.ks(label, score)',
    'mlops.gini(label, score)', 'mlops.auc_ci(label, score, 0.9)', 'mlops.roc(label, score)', 'mlops.roc(label, score, 9)',
    'mlops.log_loss(label, score)', 'mlops.brier(label, score)', 'mlops.ece(label, score)', 'mlops.ece(label, score, 3, $$equal_frequency$$)',
    'mlops.calibration(label, score)', 'mlops.calibration(label, score, 3, $$equal_frequency$$)',
    'mlops.accuracy(label, score)', 'mlops.precision(label, score)', 'mlops.recall(label, score)', 'mlops.f1(label, score)',
    'mlops.mcc(label, score)', 'mlops.accuracy(label, score > 0)', 'mlops.confusion(label, score > 0)', 'mlops.confusion(class, class)',
    'mlops.accuracy(class, class)', 'mlops.precision(class, class)', 'mlops.recall(class, class)', 'mlops.f1(class, class)', 'mlops.mcc(class, class)',
    'mlops.rmse(actual, predicted)', 'mlops.mae(actual, predicted)', 'mlops.r2(actual, predicted)', 'mlops.mape(actual, predicted)')
FROM unnest(ARRAY['nothing', 'all_null']) AS relation;
SELECT pg_temp.null_measures('one_class', 'mlops.auc(label, score)', 'mlops.pr_auc(label, score)', 'mlops.ks(label, score)',
    'mlops.gini(label, score)', 'mlops.auc_ci(label, score, 0.9)', 'mlops.roc(label, score)', 'mlops.auc(NOT label, score)',
    'mlops.pr_auc(NOT label, score)', 'mlops.mcc(label, score)', 'mlops.recall(NOT label, score)', 'mlops.precision(label, score, 2)',
    'mlops.f1(NOT label, score, 2)', 'mlops.r2(actual, predicted)', 'mlops.mape(actual * 0, predicted)', 'mlops.mcc(actual, $$5.5$$::text)');
SELECT is(mlops.f1(label, score, 2), 0::float8, 'F1 is 0 if no positive row is found') FROM one_class;
SELECT is(array_agg(m), '{0.2,1}', 'rows without label or score are skipped') FROM (
    SELECT unnest(ARRAY[mlops.brier(label, score), mlops.accuracy(label, score, 0.1)]) AS m
    FROM (VALUES (true, 0.6), (NULL, 0.9), (true, NULL), (NULL, NULL), (true, 0.5099019513592785::float8)) AS v (label, score)) AS m
WHERE pg_temp.near(m, 0.2) OR m = 1 HAVING count(*) = 2;
SELECT is(mlops.wilson(0, 0), NULL, 'no interval of no rows');
SELECT ok((e).value = 1 AND (e).lower IS NULL AND (e).upper IS NULL, 'no bounds from a single row of a class')
FROM (SELECT mlops.auc_ci(label, score, 0.9) AS e FROM ten WHERE score > 0.8) AS s;

--
-- Forms of labels and calls
--
SELECT ok(mlops.auc(label, score) = mlops.auc(label = 1, score) AND mlops.pr_auc(label::numeric, score::float4) = mlops.pr_auc(label = 1, score)
    AND mlops.log_loss(label::bigint, score) = mlops.log_loss(label = 1, score) AND mlops.ece(label::real, score) = mlops.ece(label = 1, score)
    AND mlops.f1(label::smallint, score) = mlops.f1(label = 1, score) AND mlops.f1(label, score, 0.3) = mlops.f1(label = 1, score >= 0.3)
    AND mlops.roc(label, score) = mlops.roc(label = 1, score) AND mlops.calibration(label, score, 4) = mlops.calibration(label = 1, score, 4),
    'labels of numeric types count as boolean ones') FROM ten;
CREATE TYPE pg_temp.grade AS ENUM ('low', 'high');
CREATE DOMAIN pg_temp.answer AS boolean;
SELECT is(mlops.confusion(a, b) -> 'classes', '["1", "2", "10"]', 'numbers are in their order, and equal ones are one class')
FROM (VALUES (1, 1.0), (2, 10.00), (10, 2)) AS v (a, b);
SELECT is(mlops.confusion(a, b) -> 'matrix', '[[1, 0, 0], [0, 0, 1], [0, 1, 0]]', 'numbers are compared by value')
FROM (VALUES (1, 1.0), (2, 10.00), (10, 2)) AS v (a, b);
SELECT is(mlops.confusion(a, b) -> 'classes', '["high", "low"]', 'classes of an enum') FROM (VALUES ('low'::pg_temp.grade, 'high'::pg_temp.grade)) AS v (a, b);
SELECT is(mlops.confusion(a, b) -> 'matrix', '[[0, 0], [0, 2]]', 'text beside a boolean, or a domain over it, is read as one, and both classes are there')
FROM (VALUES (true::pg_temp.answer, 't'), (true, 'yes')) AS v (a, b);
SELECT is(mlops.confusion(a, b) -> 'n', '3', 'blanks that fill up a character type do not count')
FROM (VALUES ('a'::character(5), 'a'), ('b', 'b'), ('b', 'a')) AS v (a, b) HAVING mlops.accuracy(a, b) = 2 / 3::float8;
SELECT is(mlops.confusion('x', 'y') ->> 'classes', '["x", "y"]', 'literals are classes');
SELECT is(mlops.confusion(a, b) -> 'classes', '["", "é"]', 'empty and non-ASCII classes') FROM (VALUES ('é', ''), ('é', 'é')) AS v (a, b);
SELECT is(mlops.accuracy(label, (score >= 0.5)::integer::text), 0.6::float8, 'classes as text beside integer labels') FROM ten;
SELECT ok(mlops.f1(label = 1, (score >= 0.7)::text) = 0.25 AND mlops.precision(label = 1, (score >= 0.7)::text) = mlops.precision(label = 1, score >= 0.7)
    AND mlops.recall(label = 1, (score >= 0.7)::text) = 0.2 AND mlops.mcc(label = 1, (score >= 0.7)::text) = mlops.mcc(label = 1, score >= 0.7)
    AND mlops.accuracy(label = 1, (score >= 0.7)::text) = 0.4, 'of a boolean label the class true is measured') FROM ten;
SELECT ok(pg_temp.near(mlops.f1(actual, predicted), (8 / 11.0 + 10 / 13.0) / 2), 'of other classes F1 is the mean') FROM letters;
SELECT ok(mlops.mcc(actual, predicted) = mlops.mcc(actual = 'a', predicted = 'a'), 'the correlation of two classes needs no positive one') FROM letters;
SELECT is(mlops.auc(label, score) FILTER (WHERE score > 0), 0.55::float8, 'FILTER') FROM ten;
SELECT is(mlops.accuracy(DISTINCT label, 1), 0.5::float8, 'DISTINCT') FROM (VALUES (true), (true), (false)) AS v (label);

--
-- Curves
--
SELECT is((mlops.roc(label, score))[1], (0, 0, 'Infinity')::mlops.roc_point, 'a ROC curve begins at (0, 0)') FROM scored;
SELECT is(array_agg((p.fpr, p.tpr)::text ORDER BY p.threshold DESC), '{"(0,0)","(0,0.5)","(0.5,0.5)","(0.5,1)","(1,1)"}', 'points of a ROC curve')
FROM (SELECT mlops.roc(label, score) AS r FROM four) AS s, unnest(r) AS p;
SELECT is(mlops.roc(label, 7), ARRAY[(0, 0, 'Infinity'), (1, 1, 7)]::mlops.roc_point[], 'ties are one point') FROM four;
SELECT ok(bool_and(p.fpr >= q.fpr AND p.tpr >= q.tpr AND p.threshold < q.threshold), 'a ROC curve only rises')
FROM (SELECT mlops.roc(label, score) AS r FROM scored) AS s, unnest(r) WITH ORDINALITY AS p (fpr, tpr, threshold, i)
JOIN LATERAL (SELECT r[i - 1].*) AS q ON i > 1;
SELECT ok(cardinality(sample) BETWEEN points * 9 / 10 AND points AND sample[1] = everything[1]
    AND sample[cardinality(sample)] = everything[cardinality(everything)] AND sample <@ everything, format('at most %s points of the curve itself, with both ends', points))
FROM (VALUES (2), (20), (100)) AS v (points),
LATERAL (SELECT mlops.roc(label, score, points) AS sample, mlops.roc(label, score) AS everything FROM scored) AS s;
SELECT is(cardinality(mlops.roc(k % 2, least(-k, -500), 21)), 12, 'a sample has no more points after a long step')
FROM generate_series(1, 1000) AS k;
SELECT ok(mlops.roc(label, score, 100000) = mlops.roc(label, score), 'all points if there are fewer') FROM scored;
SELECT is((SELECT sum((p.fpr - q.fpr) * (p.tpr + q.tpr) / 2)::numeric(20, 12) FROM unnest(r) WITH ORDINALITY AS p (fpr, tpr, threshold, i)
    JOIN LATERAL (SELECT r[i - 1].*) AS q ON i > 1), auc::numeric(20, 12), 'the area under the ROC curve is the AUC')
FROM (SELECT mlops.roc(label, score) AS r, mlops.auc(label, score) AS auc FROM scored) AS s;

SELECT is(array_agg((c.bin, c.lower, c.upper, c.n)::text ORDER BY c.bin), '{"(1,0,0.25,1)","(2,0.25,0.5,2)","(3,0.5,0.75,0)","(4,0.75,1,3)"}',
    'bins of equal width: a score at an edge is in the upper bin, empty bins stay')
FROM (SELECT mlops.calibration(label, score, 4) AS r FROM (VALUES (1, 0), (0, 0.25), (1, 0.4), (1, 0.75), (0, 1), (1, 1)) AS v (label, score)) AS s, unnest(r) AS c;
SELECT is(array_agg((c.bin, c.lower, c.upper, c.n)::text ORDER BY c.bin), '{"(1,0.1,0.2,2)","(2,0.2,0.9,6)","(3,0.9,0.9,2)"}',
    'bins of equal frequency never divide a score, and bins that begin at the same are one')
FROM (SELECT mlops.calibration(true, score, 5, 'equal_frequency') AS r FROM unnest('{0.1,0.1,0.2,0.2,0.2,0.2,0.2,0.2,0.9,0.9}'::float8[]) AS score) AS s, unnest(r) AS c;
SELECT is(array_agg(c.n ORDER BY c.bin), '{3,3,4}', 'ten rows in three bins are 3, 3 and 4')
FROM (SELECT mlops.calibration(label, score, 3, 'equal_frequency') AS r FROM ten) AS s, unnest(r) AS c;
SELECT ok(every(c.mean_score IS NULL = (c.n = 0) AND num_nulls(c.rate, c.rate_lower, c.rate_upper) = CASE WHEN c.n = 0 THEN 3 ELSE 0 END), 'an empty bin has no rate')
FROM (SELECT mlops.calibration(label, score, 100) AS r FROM ten) AS s, unnest(r) AS c;
SELECT ok(every(s.score >= c.lower AND s.score < c.upper AND c.bin = k + 1), 'a score is in the bin that its edges say')
FROM (SELECT k, k::float8 / 1000 AS score, mlops.calibration(true, k::float8 / 1000, 1000) AS r FROM generate_series(0, 999) AS k GROUP BY k) AS s, unnest(r) AS c
WHERE c.n > 0;
SELECT ok(pg_temp.near(mlops.ece(label, score, 1), abs(avg(score) - avg(label))::float8), 'one bin compares the means') FROM ten;

--
-- Numbers that are hard to add
--
SELECT ok(pg_temp.near(mlops.r2(y + 1e9, p + 1e9), mlops.r2(y, p)), 'R2 far from zero')
FROM (SELECT (k % 8)::float8 AS y, (k % 8 + k % 2)::float8 AS p FROM generate_series(1, 100000) AS k) AS s;
SELECT is(mlops.r2(y, y), NULL, 'constant actual values, whatever their sum rounds to') FROM (SELECT 0.1::float8 AS y FROM generate_series(1, 1000)) AS s;
SELECT is((1e5 * mlops.mae(0, y) - 1e12)::numeric(20, 2), 10.00, 'small errors after a large one are not lost')
FROM (SELECT CASE WHEN k = 1 THEN 1e12 ELSE 1e-4 END::float8 AS y FROM generate_series(1, 100000) AS k) AS s;

--
-- Errors
--
SELECT throws_ok('SELECT ' || expression, code, message, expression) FROM (VALUES
    ('mlops.auc(2, 0.5)', '22023', 'label must be 0 or 1, not 2'),
    ('mlops.auc(0.5, 0.5)', '22023', 'label must be 0 or 1, not 0.5'),
    ('mlops.accuracy(-1, 0.5)', '22023', 'label must be 0 or 1, not -1'),
    ('mlops.brier(float8 $$NaN$$, 0.5)', '22023', 'label must be 0 or 1, not NaN'),
    ('mlops.auc(true, $$NaN$$)', '22023', 'score must not be NaN'),
    ('mlops.f1(true, float8 $$NaN$$)', '22023', 'score must not be NaN'),
    ('mlops.log_loss(true, float8 $$NaN$$)', '22023', 'score must not be NaN'),
    ('mlops.log_loss(true, 1.5)', '22023', 'score 1.5 is not a probability'),
    ('mlops.brier(1, -0.1)', '22023', 'score -0.1 is not a probability'),
    ('mlops.calibration(true, float8 $$Infinity$$)', '22023', 'score Infinity is not a probability'),
    ('mlops.ece(true, 2, 5, $$equal_frequency$$)', '22023', 'score 2 is not a probability'),
    ('mlops.ece(true, 0.5, 0)', '22023', 'number of bins must be between 1 and 10000'),
    ('mlops.ece(true, 0.5, 10001)', '22023', 'number of bins must be between 1 and 10000'),
    ('mlops.calibration(true, 0.5, NULL)', '22004', 'number of bins must not be null'),
    ('mlops.calibration(true, 0.5, 10, $$equal$$)', '22023', 'unknown strategy "equal" for bins'),
    ('mlops.calibration(true, 0.5, 10, NULL)', '22004', 'strategy must not be null'),
    ('mlops.ece(true, 0.5, n) FROM generate_series(1, 2) AS n', '22023', 'number of bins and strategy must be the same for all rows'),
    ('mlops.roc(true, 0.5, 1)', '22023', 'number of points must be at least 2'),
    ('mlops.roc(true, 0.5, NULL)', '22004', 'number of points must not be null'),
    ('mlops.roc(true, 0.5, n) FROM generate_series(2, 3) AS n', '22023', 'the third argument must be the same for all rows, not 2 and then 3'),
    ('mlops.accuracy(true, 0.5, NULL)', '22004', 'threshold must not be null'),
    ('mlops.accuracy(true, 0.5, $$NaN$$)', '22023', 'threshold must not be NaN'),
    ('mlops.auc_ci(true, 0.5, 1)', '22023', 'level of an interval must be between 0 and 1'),
    ('mlops.auc_ci(true, 0.5, NULL)', '22004', 'level of an interval must not be null'),
    ('mlops.wilson(1, 2, 0)', '22023', 'level of an interval must be between 0 and 1'),
    ('mlops.wilson(1, 2, $$NaN$$)', '22023', 'level of an interval must be between 0 and 1'),
    ('mlops.wilson(3, 2)', '22023', 'number of successes must be between 0 and n'),
    ('mlops.wilson(-1, 2)', '22023', 'number of successes must be between 0 and n'),
    ('mlops.wilson(0, -1)', '22023', 'number of successes must be between 0 and n'),
    ('mlops.rmse(1, float8 $$NaN$$)', '22023', 'predicted value must be finite, not NaN'),
    ('mlops.mae(float8 $$Infinity$$, 1)', '22023', 'actual value must be finite, not Infinity'),
    ('mlops.rmse(1e200, -1e200)', '22003', 'value out of range: overflow'),
    ('mlops.r2(y, 0) FROM unnest($${1e200,-1e200}$$::float8[]) AS y', '22003', 'value out of range: overflow'),
    ('mlops.confusion(true, 0.5)', '42804', 'a label of type boolean cannot be compared with a prediction of type numeric'),
    ('mlops.confusion(1, true)', '42804', 'a label of type integer cannot be compared with a prediction of type boolean'),
    ('mlops.confusion(1, 0.5::float8)', '42804', 'a label of type integer cannot be compared with a prediction of type double precision'),
    ('mlops.confusion($$x$$::text, 0.5::real)', '42804', 'a label of type text cannot be compared with a prediction of type real'),
    ('mlops.accuracy(true, $$maybe$$::text)', '22P02', 'class "maybe" is not a boolean'),
    ('mlops.confusion(n, n) FROM generate_series(1, 1001) AS n', '54000', 'more than 1000 classes'),
    ('mlops.f1($$x$$::text, 0.5)', '42883', NULL)
) AS e (expression, code, message);
SELECT is(jsonb_array_length(mlops.confusion(n, n) -> 'classes'), 1000, '1000 classes') FROM generate_series(1, 1000) AS n;

--
-- Any split of the rows: parallel workers, and partitions
--
CREATE TABLE metrics_rows (id integer, label boolean, score float8, actual float8, predicted float8, class text, guess text) PARTITION BY HASH (id);
CREATE TABLE metrics_rows_0 PARTITION OF metrics_rows FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE metrics_rows_1 PARTITION OF metrics_rows FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO metrics_rows
SELECT i, label, score, actual, actual + noise / 7919.0, 'class ' || rank % 11, 'class ' || (rank + (noise % 3) / 2) % 12
FROM (SELECT i, rank, noise, nullif(noise * 10007 < rank * 10009, rank % 100 = 7) AS label, nullif(rank / 10007::float8, 0.5) AS score, 1e6 + rank / 3.0::float8 AS actual
    FROM (SELECT i::integer, (i * 7919) % 10007 AS rank, (i * 104729) % 10009 AS noise FROM generate_series(1, 200000::bigint) AS i) AS n) AS v;
ANALYZE metrics_rows;
CREATE FUNCTION pg_temp.all_measures() RETURNS TABLE (exact text, sums float8[]) LANGUAGE sql AS $$
    SELECT jsonb_build_array(
            (SELECT jsonb_build_array(mlops.auc(label, score), mlops.pr_auc(label, score), mlops.ks(label, score), mlops.gini(label, score),
                        mlops.auc(label::integer, score), mlops.auc_ci(label, score, 0.9), mlops.roc(label, score, 50), mlops.roc(label, score),
                        mlops.calibration(label, score, 20, 'equal_frequency'), mlops.ece(label, score, 20, 'equal_frequency'))
             FROM metrics_rows),
            mlops.accuracy(label, score), mlops.precision(label, score, 0.3), mlops.recall(label::integer, score, 0.3), mlops.f1(label, score > 0.1), mlops.mcc(label, score),
            mlops.confusion(class, guess), mlops.confusion(label, score > 0.5), mlops.accuracy(class, guess), mlops.precision(class, guess),
            mlops.recall(class, guess), mlops.f1(class, guess), mlops.mcc(class, guess), mlops.f1(label, (score > 0.5)::text))::text,
        ARRAY[mlops.log_loss(label, score), mlops.brier(label, score), mlops.ece(label, score), mlops.ece(label, score, 33),
            (mlops.calibration(label, score))[5].mean_score, mlops.rmse(actual, predicted), mlops.mae(actual, predicted),
            mlops.r2(actual, predicted), mlops.mape(actual, predicted)]
    FROM metrics_rows $$;
CREATE FUNCTION pg_temp.nodes(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (COSTS OFF, FORMAT JSON) ' || query INTO plan;
    RETURN jsonb_path_query_array(plan, '$.**.Plan')::text;
END $$;

SET LOCAL max_parallel_workers_per_gather = 0;
CREATE TEMPORARY TABLE serial AS SELECT * FROM pg_temp.all_measures();
SELECT ok(exact IS NOT NULL AND array_position(sums, NULL) IS NULL AND exact !~ 'null', 'all measures are defined') FROM serial;

SET LOCAL enable_partitionwise_aggregate = on;
SELECT matches(pg_temp.nodes('SELECT mlops.brier(label, score) FROM metrics_rows'), '"Partial Mode": "Partial"', 'partial aggregates of partitions');
CREATE TEMPORARY TABLE partitions AS SELECT * FROM pg_temp.all_measures();
SELECT is((SELECT exact FROM partitions), (SELECT exact FROM serial), 'counts and measures of order are exactly the same by partitions');
SELECT ok(every(pg_temp.near(s, p)), 'measures of sums are the same to 1e-12 by partitions') FROM serial, partitions, unnest(serial.sums, partitions.sums) AS v (s, p);

SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL parallel_leader_participation = off;
SET LOCAL enable_partitionwise_aggregate = off;
SELECT matches(pg_temp.nodes('SELECT mlops.brier(label, score) FROM metrics_rows'), 'Gather.*"Partial Mode": "Partial"', 'partial aggregates of workers');
CREATE TEMPORARY TABLE parallel AS SELECT * FROM pg_temp.all_measures();
SELECT is((SELECT exact FROM parallel), (SELECT exact FROM serial), 'counts and measures of order are exactly the same in parallel');
SELECT ok(every(pg_temp.near(s, p)), 'measures of sums are the same to 1e-12 in parallel') FROM serial, parallel, unnest(serial.sums, parallel.sums) AS v (s, p);
RESET max_parallel_workers_per_gather;

--
-- Many groups, windows, shared states
--
SELECT is(count(*) FILTER (WHERE g.auc IS DISTINCT FROM p.auc), 0::bigint, 'AUC of 10,000 groups against all pairs')
FROM (SELECT id % 10000 AS g, mlops.auc(label, score) AS auc FROM metrics_rows GROUP BY 1) AS g
LEFT JOIN (SELECT a.id % 10000 AS g, avg(CASE WHEN a.score > b.score THEN 1 WHEN a.score = b.score THEN 0.5 ELSE 0 END)::float8 AS auc
    FROM metrics_rows AS a JOIN metrics_rows AS b ON a.id % 10000 = b.id % 10000
    WHERE a.label AND NOT b.label AND a.score IS NOT NULL AND b.score IS NOT NULL GROUP BY 1) AS p USING (g)
WHERE abs(g.auc - p.auc) > 1e-15 OR g.auc IS NULL <> (p.auc IS NULL);
CREATE TEMPORARY TABLE few_rows AS SELECT * FROM metrics_rows WHERE id <= 300;
SELECT is(count(*), 0::bigint, 'a running measure is that of the rows so far')
FROM (SELECT id, mlops.auc(label, score) OVER w AS auc, mlops.ks(label, score) OVER w AS ks, mlops.roc(label, score) OVER w AS roc, mlops.brier(label, score) OVER w AS brier,
        mlops.ece(label, score, 3, 'equal_frequency') OVER w AS ece, mlops.confusion(class, guess) OVER w AS confusion, mlops.r2(actual, predicted) OVER w AS r2
    FROM few_rows WHERE id <= 150 WINDOW w AS (ORDER BY id)) AS o,
LATERAL (SELECT mlops.auc(label, score) AS auc, mlops.ks(label, score) AS ks, mlops.roc(label, score) AS roc, mlops.brier(label, score) AS brier,
        mlops.ece(label, score, 3, 'equal_frequency') AS ece, mlops.confusion(class, guess) AS confusion, mlops.r2(actual, predicted) AS r2
    FROM (SELECT * FROM few_rows AS r WHERE r.id <= o.id ORDER BY r.id) AS r) AS p
WHERE (o.auc, o.ks, o.roc, o.brier, o.ece, o.confusion, o.r2) IS DISTINCT FROM (p.auc, p.ks, p.roc, p.brier, p.ece, p.confusion, p.r2);
SELECT is(count(*), 0::bigint, 'a measure in a moving frame')
FROM (SELECT id, mlops.auc(label, score) OVER w AS auc, mlops.mcc(label, score) OVER w AS mcc FROM few_rows WINDOW w AS (ORDER BY id ROWS 30 PRECEDING)) AS o,
LATERAL (SELECT mlops.auc(label, score) AS auc, mlops.mcc(label, score) AS mcc FROM few_rows AS r WHERE r.id BETWEEN o.id - 30 AND o.id) AS p
WHERE (o.auc, o.mcc) IS DISTINCT FROM (p.auc, p.mcc);
CREATE TEMPORARY VIEW measure_aggregate AS
SELECT p.oid, p.proname, p.proparallel, a.* FROM pg_aggregate AS a JOIN pg_proc AS p ON p.oid = a.aggfnoid
WHERE p.pronamespace = 'mlops'::regnamespace AND p.proname IN ('auc', 'pr_auc', 'ks', 'gini', 'auc_ci', 'roc', 'log_loss', 'brier', 'calibration', 'ece',
    'accuracy', 'precision', 'recall', 'f1', 'mcc', 'confusion', 'rmse', 'mae', 'r2', 'mape')
  -- that of two samples, of drift
  AND p.oid <> 'mlops.ks(double precision,boolean)'::regprocedure;
SELECT is(count(*), 0::bigint, 'every measure is parallel safe, leaves its state alone, and combines unless it needs the rows in order') FROM measure_aggregate
WHERE proparallel <> 's' OR aggfinalmodify <> 'r'
   OR (proname IN ('auc', 'pr_auc', 'ks', 'gini', 'auc_ci', 'roc') OR oid::regprocedure::text ~ '(ece|calibration).*text') <> (aggcombinefn = 0)
   OR (aggcombinefn = 0) <> (aggserialfn = 0) OR (aggcombinefn = 0) <> (aggdeserialfn = 0);
SELECT is(count(DISTINCT proname), 20::bigint, 'the measures') FROM measure_aggregate;
SELECT is(count(DISTINCT aggtransfn)::integer, families, names || ' share their state')
FROM (VALUES ('auc,pr_auc,ks,gini', 2), ('log_loss,brier', 2), ('calibration,ece', 6), ('rmse,mae,r2,mape', 1)) AS v (names, families)
JOIN measure_aggregate ON proname = ANY (string_to_array(names, ',')) GROUP BY names, families;
SELECT is(count(*), 0::bigint, 'every measure has a comment') FROM measure_aggregate WHERE obj_description(oid, 'pg_proc') IS NULL;

SELECT * FROM finish();
ROLLBACK;
