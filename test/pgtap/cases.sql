-- Published cases of other tools that no test of one area carries; doc/cases.md
-- lists all of them.
\set ECHO none
\set QUIET 1
BEGIN;
SET client_min_messages = warning;
SELECT plan(15);
CREATE FUNCTION pg_temp.near(value float8, expected float8) RETURNS boolean LANGUAGE sql AS
    $$ SELECT coalesce(abs(value - expected) <= 1e-9 * greatest(1, abs(expected)), false) $$;

-- 4: eight against eight with D = 5/8: the exact p-value
SELECT is((d).value || ' ' || round((d).p_value::numeric, 4), '0.625 0.0870', 'case 4: D of eight against eight, and its exact p-value')
FROM mlops.drift('{1,2,3,4,5,6,7,8}'::float8[], '{6,7,8,9,10,11,12,13}'::float8[], 'ks') d;

-- 15: a category of the current sample alone, and one that it lacks
SELECT ok(pg_temp.near(mlops.linf('{10,20,25,10,5,0}'::bigint[], '{20,0,25,10,10,11}'::bigint[]), 0.2857142857142857), 'case 15: linf');
SELECT is((mlops.drift_counts('{10,20,25,10,5,0}', '{20,0,25,10,10,11}', 'linf', '{"correction": 1.8}')).value, 0::float8, 'case 15: robust');

-- 19: a series of numbers of rows beyond three standard deviations of those before it
SELECT is((SELECT verdict FROM mlops.quality_report('SELECT 1 AS a FROM generate_series(1, 1000)', past_rows => ARRAY(SELECT 100 + i FROM generate_series(1, 9) i)) WHERE metric = 'rows'), 'fail', 'case 19: a number of rows far from those before');
SELECT is((SELECT verdict FROM mlops.quality_report('SELECT 1 AS a FROM generate_series(1, 107)', past_rows => ARRAY(SELECT 100 + i FROM generate_series(1, 9) i)) WHERE metric = 'rows'), 'ok', 'case 19: one that is not');

-- 26: bins of equal frequency begin at these rows
SELECT is((SELECT string_agg(b.n::text, ' ' ORDER BY b.bin) FROM unnest(c.bins) b), '5 5 5 5', 'case 26: 20 rows in 4 bins')
FROM (SELECT mlops.calibration(true, i / 21.0::float8, 4, 'equal_frequency') AS bins FROM generate_series(1, 20) i) c;
SELECT is((SELECT string_agg(b.n::text, ' ' ORDER BY b.bin) FROM unnest(c.bins) b), '3 3 4', 'case 26: 10 rows in 3 bins: the last one takes the rest')
FROM (SELECT mlops.calibration(true, i / 21.0::float8, 3, 'equal_frequency') AS bins FROM generate_series(1, 10) i) c;

-- 30: missing values of a tenth, then of 22 in 100
CREATE TEMPORARY TABLE chunk AS
SELECT c, CASE WHEN (i * 7919) % 1000 < CASE WHEN c <= 15 THEN 100 + c % 3 ELSE 220 END THEN NULL ELSE i END AS v
FROM generate_series(1, 20) c, generate_series(1, 1000) i;
SELECT is((SELECT string_agg(left(q.verdict, 1), '' ORDER BY c)
           FROM generate_series(2, 20) c, mlops.quality_report(format('SELECT v FROM chunk WHERE c = %s', c), reference => 'SELECT v FROM chunk WHERE c = 1') q
           WHERE q.metric = 'missing'), repeat('o', 14) || repeat('f', 5), 'case 30: a jump in missing values');
SELECT is((SELECT q.verdict FROM mlops.quality_report('SELECT CASE WHEN i <= 94 THEN ''new'' ELSE ''a'' END AS v FROM generate_series(1, 10000) i', reference => 'SELECT ''a''::text AS v FROM generate_series(1, 10000) UNION ALL SELECT ''b''') q
           WHERE q.metric = 'unseen_category'), 'ok', 'case 30: unseen values of less than 0.02, which are an alarm there');
SELECT is((SELECT q.value FROM mlops.quality_report('SELECT i AS v FROM generate_series(1, 10000) i', reference => 'SELECT i AS v FROM generate_series(1, 9996) i') q
           WHERE q.metric = 'out_of_range'), 0.0004::float8, 'case 30: the share out of range');

-- 54: the moments of parts are those of the whole
SELECT ok(pg_temp.near(mlops.mean(s), 46 / 15.0) AND mlops.row_count(s) = 3
          AND pg_temp.near(mlops.stddev_pop(s) ^ 2 * 3, 2 + (2 / 3.0) * (4.4 - 2.4) ^ 2), 'case 54: mean and sum of squares of merged parts')
FROM (SELECT mlops.merge(p) AS s FROM (SELECT mlops.sketch(x) AS p FROM (VALUES (1, 1.4::float8), (1, 3.4), (2, 4.4)) v (part, x) GROUP BY part) x) m;

-- 55: numbers apart, categories alike
SELECT is((d).value, 1::float8, 'case 55: ks of legs') FROM mlops.drift('{4,2,0,4}'::float8[], '{13,34,99,123}'::float8[], 'ks', '{"min_rows": 1}') d;
SELECT is((d).verdict, 'warn', 'case 55: which is drift: p is 0.03') FROM mlops.drift('{4,2,0,4}'::float8[], '{13,34,99,123}'::float8[], 'ks', '{"min_rows": 1}') d;
SELECT is((d).verdict, 'insufficient', 'case 55: if four rows are enough') FROM mlops.drift('{4,2,0,4}'::float8[], '{13,34,99,123}'::float8[], 'ks') d;
SELECT is((d).verdict, 'ok', 'case 55: the same animals are none')
FROM mlops.drift('{cat,hawk,snake,cat}'::text[], '{cat,hawk,snake,cat}'::text[], 'chi2', '{"min_rows": 1, "merge": false}') d;

SELECT * FROM finish();
ROLLBACK;
