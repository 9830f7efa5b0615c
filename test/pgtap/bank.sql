-- Measures of scorecards.  Figures marked "scipy" are those of
-- test/fixtures/drift/reference.py.
\pset fieldsep '\n'
BEGIN;
SELECT plan(62);

CREATE FUNCTION pg_temp.is_near(value float8, expected float8, name text) RETURNS text
    LANGUAGE sql AS $$
    SELECT ok(abs(value - expected) <= 1e-9 * greatest(1, abs(expected)), name)
$$;
CREATE FUNCTION pg_temp.measure(relation text, expression text) RETURNS float8
    LANGUAGE plpgsql AS $$
DECLARE
    result float8;
BEGIN
    EXECUTE format('SELECT %s FROM %I', expression, relation) INTO result;
    RETURN result;
END
$$;
CREATE TABLE scored AS
    SELECT i, r / 1009.0::float8 AS score, n::bigint * 1009 < r::bigint * 1013 AS bad, r / 250 AS grade,
           (n / 1013.0::float8 + r / 1009.0::float8) / 2 AS new
    FROM (SELECT i, (i * 7919) % 1009 AS r, (i::bigint * 104729) % 1013 AS n FROM generate_series(1, 5000) i) s;
SELECT pg_temp.is_near(pg_temp.measure(relation, expression), value, 'scipy: ' || expression)
FROM (VALUES
    ('scored', 'mlops.iv(bad, score)', 1.875157306444063),
    ('scored', 'mlops.iv(bad, grade::text)', 1.6403298367178218),
    ('scored', '(mlops.hosmer_lemeshow(bad, grade::text, score)).statistic', 0.31158487740675467),
    ('scored', '(mlops.hosmer_lemeshow(bad, grade::text, score)).p_value', 0.9974195095530682),
    ('scored', '(mlops.calibration_by_grade(bad, grade::text, score))[1].p_above', 0.5021782844756284),
    ('scored', '(mlops.calibration_by_grade(bad, grade::text, score))[1].p_below', 0.532243775323097),
    ('scored', '(mlops.calibration_by_grade(bad, grade::text, score))[3].p_above', 0.5560780069083022),
    ('scored', '(mlops.calibration_by_grade(bad, grade::text, score))[3].p_below', 0.46709744415114324),
    ('scored', '(mlops.score_shift(score, new)).correlation', 0.7062267579641204),
    ('scored', '(mlops.score_shift(score, new)).stddev_shift', 0.2044034793093218),
    ('scored', '(mlops.score_shift(score, new)).mean_absolute_shift', 0.16687971367270088)) AS t(relation, expression, value);

-- Weight of evidence and information value, by hand
CREATE TEMP TABLE loan AS
    SELECT v AS feature, v::text AS category, b AS bad
    FROM (VALUES (1.0, 80, 20), (2.0, 60, 40), (NULL, 10, 30)) AS t(v, goods, bads), generate_series(1, goods + bads) i, LATERAL (SELECT i > goods AS b) l;
CREATE TEMP TABLE bins AS SELECT b.* FROM (SELECT mlops.woe(bad, feature) AS bins FROM loan) s, unnest(bins) b;
SELECT is((SELECT string_agg(format('%s %s %s %s', bin, n, goods, bads), ', ' ORDER BY bin) FROM bins), '0 40 10 30, 1 100 80 20, 2 100 60 40', 'a bin for each value, and one for those without'),
       is((SELECT max(abs(woe - ln((goods / 150.0) / (bads / 90.0)))) < 1e-12 FROM bins), true, 'woe is ln of the ratio of shares'),
       is((SELECT abs(sum(iv) - (SELECT mlops.iv(bad, feature) FROM loan)) < 1e-12 FROM bins), true, 'iv is the sum of its parts'),
       is((SELECT max(abs(iv - (goods / 150.0 - bads / 90.0) * woe)) < 1e-12 FROM bins), true, 'which are the differences times woe'),
       is((SELECT mlops.iv(bad, category) FROM loan), (SELECT mlops.iv(bad, feature) FROM loan), 'categories are like values'),
       is((SELECT string_agg(category, ',' ORDER BY bin) FROM (SELECT (unnest(mlops.woe(bad, category))).* FROM loan) s), '1.0,2.0', 'and named'),
       is((SELECT mlops.iv(bad, feature) FROM loan WHERE bad), NULL, 'iv needs both classes'),
       is((SELECT mlops.iv(bad, feature) FROM loan WHERE false), NULL, 'and rows'),
       is((SELECT min((w).woe) IS NULL AND count(*) = 3 FROM (SELECT unnest(mlops.woe(bad, feature)) AS w FROM loan WHERE bad) s), true, 'woe without both is NULL, the counts are there');
SELECT is((SELECT round(mlops.iv(b, x)::numeric, 6) FROM (VALUES (true, 1.0), (true, 1), (false, 2), (false, 2)) AS t(b, x)), round(2 * (0.9999 * ln(10000))::numeric, 6), 'a zero share counts as 0.0001');
SELECT is(count(*), 4::bigint, 'so many bins'), is(sum(n), 5000::numeric, 'of all rows'), is(min(lower), max(upper) FILTER (WHERE bin = 1), 'each from where the one before ends'),
       is(bool_and(n BETWEEN 1248 AND 1252), true, 'about equal'), is(max(bin) FILTER (WHERE upper IS NULL), 4, 'the last one is open')
FROM (SELECT (unnest(mlops.woe(bad, score, 4))).* FROM scored) s;
SELECT is(string_agg(n::text, ' ' ORDER BY bin), '1000 1501 2499', 'bins at given edges, the edge in the lower one')
FROM (SELECT (unnest(mlops.woe(bad, score, '{0.2,0.5}'::float8[]))).* FROM scored) s;
SELECT is(string_agg(bin || ':' || n, ' ' ORDER BY bin), '0:3 1:1', 'NaN and infinities are missing, with NULL') FROM
    (SELECT (unnest(mlops.woe(b, x))).* FROM (VALUES (true, 'NaN'::float8), (true, 'Infinity'), (false, NULL), (false, 1)) AS t(b, x)) s;

-- Score bands
SELECT is(count(*), 10::bigint, 'ten bands'), is(sum(n), 5000::numeric, 'of all rows'), is(max(share_above), 1::float8, 'of which all are above the lowest'),
       is(max(bads_above), 1::float8, 'with all the bad ones'), is((array_agg(bad_rate ORDER BY band))[10] > 0.9, true, 'most are bad in the highest'),
       is(bool_and(abs(share - n / 5000.0) < 1e-12), true, 'shares are of all rows')
FROM (SELECT (unnest(mlops.score_bands(bad, score))).* FROM scored) s;
SELECT is(string_agg(format('%s %s %s', n, bads, round(bads_above::numeric, 4)), ', ' ORDER BY band), '1000 102 1.0000, 1501 523 0.9592, 2499 1875 0.7500', 'bands at given edges')
FROM (SELECT (unnest(mlops.score_bands(bad, score, '{0.2,0.5}'::float8[]))).* FROM scored) s;

-- Calibration
SELECT is((h).df, 8, 'hosmer_lemeshow: two degrees less than groups'), is((h).n, 5000::bigint, 'of all rows'), ok((h).p_value > 0.9, 'which fit')
FROM (SELECT mlops.hosmer_lemeshow(bad, score) AS h FROM scored) s;
SELECT ok((mlops.hosmer_lemeshow(bad, score * score)).p_value < 1e-10, 'others do not fit') FROM scored;
SELECT is((mlops.hosmer_lemeshow(bad, score, 5)).df, 3, 'so many groups') FROM scored;
SELECT is((h).statistic, 'Infinity'::float8, 'what was certain did not come'), is((h).p_value, 0::float8, 'which is impossible')
FROM (SELECT mlops.hosmer_lemeshow(b, 'A', p) AS h FROM (VALUES (true, 0.0), (false, 0.0)) AS t(b, p)) s;
SELECT is(string_agg(grade || ' ' || verdict, ', ' ORDER BY grade), '0 ok, 1 ok, 2 ok, 3 ok, 4 insufficient', 'verdicts of well calibrated grades')
FROM (SELECT (unnest(mlops.calibration_by_grade(bad, grade::text, score))).* FROM scored) s;
SELECT is(string_agg(grade || ' ' || verdict, ', ' ORDER BY grade), 'A fail, B fail, C ok, D warn', 'of others')
FROM (SELECT (unnest(mlops.calibration_by_grade(i <= k, g, 0.1))).* FROM (VALUES ('A', 150), ('B', 60), ('C', 105), ('D', 122)) AS t(g, k), generate_series(1, 1000) i) s;
SELECT is(round((c).p_above::numeric, 9), 0.028, 'binomial tail: 2 or more of 3'), is(round((c).p_below::numeric, 9), 0.999, 'and 2 or fewer')
FROM (SELECT unnest(mlops.calibration_by_grade(i <= 2, 'A', 0.1)) AS c FROM generate_series(1, 3) i) s;

-- Migration
SELECT is(string_agg(format('%s>%s %s %s', from_grade, to_grade, n, round(share::numeric, 2)), ', '), 'A>A 2 0.50, A>B 1 0.25, A> 1 0.25, B>B 1 1.00, >A 1 1.00', 'migration matrix: cells that occur, NULL last')
FROM (SELECT (unnest(mlops.migration_matrix(f, t))).* FROM (VALUES ('A', 'A'), ('B', 'B'), ('A', 'B'), (NULL, 'A'), ('A', 'A'), ('A', NULL)) AS v(f, t)) s;
SELECT is(sum(n), 5000::numeric, 'all rows are in it') FROM (SELECT (unnest(mlops.migration_matrix(grade::text, (grade / 2)::text))).* FROM scored) s;

-- Swap set
SELECT is(string_agg(format('%s %s %s %s %s', cell, n, known, bads, round(bad_rate::numeric, 2)), ', '),
          'both_accepted 2 2 1 0.50, swap_in 1 0 0 , swap_out 1 1 1 1.00, both_rejected 1 0 0 ', 'swap set')
FROM (SELECT (unnest(mlops.swap_set(bad, old, new))).* FROM (VALUES (true, true, true), (false, true, true), (NULL, false, true), (true, true, false), (NULL, false, false), (true, NULL, false)) AS v(bad, old, new)) s;

-- Score shift
SELECT is((s).n, 2::bigint, 'score shift: rows'), is((s).skipped, 3::bigint, 'those skipped are counted'), pg_temp.is_near((s).mean_shift, 0.05, 'mean shift'),
       pg_temp.is_near((s).max_absolute_shift, 0.2, 'greatest shift'), is((s).share_up, 0.5::float8, 'share that went up'), is((s).share_down, 0.5::float8, 'and down')
FROM (SELECT mlops.score_shift(a, b) AS s FROM (VALUES (0.5, 0.7::float8), (0.5, 0.4), (NULL, 1), (1, NULL), (1, 'NaN')) AS v(a, b)) s;

-- One answer in any plan
CREATE TEMP TABLE serial AS
    SELECT mlops.woe(bad, score)::text AS a, mlops.woe(bad, grade::text)::text AS b, mlops.score_bands(bad, score)::text AS c, mlops.hosmer_lemeshow(bad, score)::text AS d,
           mlops.calibration_by_grade(bad, grade::text, score)::text AS e, mlops.migration_matrix(grade::text, (i % 3)::text)::text AS f,
           mlops.swap_set(bad, score < 0.3, score < 0.4)::text AS g, mlops.score_shift(score, new)::text AS h FROM scored;
ALTER TABLE scored SET (parallel_workers = 2);
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
SELECT ok(EXISTS (SELECT FROM pg_temp.plan_of('SELECT mlops.woe(bad, grade::text), mlops.migration_matrix(grade::text, grade::text), mlops.swap_set(bad, bad, bad), mlops.score_shift(score, new) FROM scored') p WHERE p LIKE '%Partial Aggregate%'), 'a parallel plan');
SELECT is((SELECT count(*) FROM (
    SELECT mlops.woe(bad, score)::text AS a, mlops.woe(bad, grade::text)::text AS b, mlops.score_bands(bad, score)::text AS c, mlops.hosmer_lemeshow(bad, score)::text AS d,
           mlops.calibration_by_grade(bad, grade::text, score)::text AS e, mlops.migration_matrix(grade::text, (i % 3)::text)::text AS f,
           mlops.swap_set(bad, score < 0.3, score < 0.4)::text AS g, mlops.score_shift(score, new)::text AS h FROM scored INTERSECT TABLE serial) s), 1::bigint, 'gives the same bits');

-- Refusals
SELECT throws_ok($$SELECT mlops.woe(true, 1.0, 1)$$, '22023', NULL, 'one bin'),
       throws_ok($$SELECT mlops.woe(true, 1.0, '{2,1}'::float8[])$$, '22023', NULL, 'edges that descend'),
       throws_ok($$SELECT mlops.woe(true, 1.0, '{NULL}'::float8[])$$, '22023', NULL, 'an edge that is NULL'),
       throws_ok($$SELECT mlops.hosmer_lemeshow(true, 1.5)$$, '22023', NULL, 'no probability'),
       throws_ok($$SELECT mlops.calibration_by_grade(true, 'A', -0.1)$$, '22023', NULL, 'none either');

SELECT * FROM finish();
ROLLBACK;
