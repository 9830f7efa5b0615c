-- Sketches: what is exact, the bounds of what is not, any split of the rows, hostile input.
BEGIN;
SELECT plan(72);

-- the same numbers every time
CREATE TEMPORARY TABLE data AS
SELECT i, ((i::bigint * 7919) % 100003)::float8 / 7 AS many, (i * 31) % 1000 AS few,
       'text ' || (i * 31) % 300 AS category, 'text ' || (i::bigint * 7919) % 30011 AS categories
FROM generate_series(1, 100000) AS i;
ANALYZE data;

CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN (COSTS off) ' || query;
END $$;

--
-- Small ones are exact
--
CREATE TEMPORARY TABLE small AS
SELECT mlops.sketch(x) AS s FROM unnest('{3,1,2,2,NULL,NaN,Infinity,-Infinity,-0,0}'::float8[]) AS x;
SELECT is(t::text, '(10,1,1,1,1,6)', 'rows are counted by their kind') FROM small, mlops.totals(s) t;
SELECT is(mlops.row_count(s), 10::bigint, 'row_count') FROM small;
SELECT is(mlops.null_count(s), 1::bigint, 'null_count') FROM small;
SELECT is(mlops.min(s), 0::float8, 'min is of finite values') FROM small;
SELECT is(mlops.max(s), 3::float8, 'and max, too') FROM small;
SELECT is(mlops.mean(s), 8 / 6::float8, 'and the mean') FROM small;
SELECT is(mlops.stddev(s), sqrt(22 / 15::numeric)::float8, 'stddev is of a sample') FROM small;
SELECT is(mlops.stddev_pop(s), sqrt(11 / 9::numeric)::float8, 'stddev_pop of a population') FROM small;
SELECT is(mlops.distinct_count(s), 4::float8, 'distinct values are counted, both zeros as one') FROM small;
SELECT ok(mlops.is_exact(s), 'it is exact') FROM small;
SELECT is(mlops.rank_error(s), 0::float8, 'without an error of ranks') FROM small;
SELECT is(mlops.quantiles(s, '{0,0.25,0.5,0.75,1}'),
          (SELECT percentile_disc('{0,0.25,0.5,0.75,1}'::float8[]) WITHIN GROUP (ORDER BY x)
           FROM unnest('{3,1,2,2,Infinity,-Infinity,0,0}'::float8[]) x),
          'quantiles are those of percentile_disc, with infinities') FROM small;
SELECT is(mlops.quantile(s, 0.5), 1::float8, 'one of them') FROM small;
SELECT is(mlops.cdf(s, 2), 0.75::float8, 'the share of values up to an x') FROM small;
SELECT is(mlops.histogram(s, '{0,2}'), '{3,3,2}'::bigint[], 'an edge belongs to the interval below it') FROM small;
SELECT is(mlops.histogram(s, '{}'), '{8}'::bigint[], 'without edges there is one interval') FROM small;
SELECT results_eq('SELECT v.* FROM small, mlops.top_values(s, 2) v',
                  $$VALUES ('0', 2::bigint, 0::bigint), ('2', 2, 0)$$, 'the most frequent values come first');
SELECT is(mlops.sketch(x)::text, NULL, 'the sketch of no rows is NULL') FROM unnest('{}'::float8[]) x;
SELECT is(mlops.row_count(mlops.sketch(x)), 3::bigint, 'that of NULLs is not')
FROM unnest('{NULL,NULL,NULL}'::float8[]) x;
SELECT is(mlops.mean(mlops.sketch(x)), NULL, 'but it has no mean') FROM unnest('{NULL,NaN}'::float8[]) x;
SELECT is(mlops.quantiles(mlops.sketch(x), '{0.5}'), NULL, 'and no quantiles') FROM unnest('{NULL,NaN}'::float8[]) x;

-- other types
SELECT is(mlops.mean(mlops.sketch(x)), 2::float8, 'integer') FROM unnest('{1,3}'::integer[]) x;
SELECT is(mlops.mean(mlops.sketch(x)), 2::float8, 'bigint') FROM unnest('{1,3}'::bigint[]) x;
SELECT is(mlops.mean(mlops.sketch(x)), 1.5::float8, 'real') FROM unnest('{1.25,1.75}'::real[]) x;
SELECT is((mlops.totals(mlops.sketch(x))).positive_infinities, 1::bigint, 'numeric beyond double precision is infinite')
FROM unnest(ARRAY[1, 2, '1e400']::numeric[]) x;
SELECT is(mlops.mean(mlops.sketch(x)), 1::float8, 'dates are days since 1970') FROM unnest('{1970-01-01,1970-01-03}'::date[]) x;
SELECT is(mlops.max(mlops.sketch(x)), 0.5::float8, 'timestamps with a fraction')
FROM unnest('{1970-01-01 12:00}'::timestamp[]) x;
SELECT is(mlops.max(mlops.sketch(x)), 0.5::float8, 'in UTC') FROM unnest('{1970-01-01 14:00+02}'::timestamptz[]) x;
SELECT is((SELECT string_agg(v.value || v.count, ' ') FROM mlops.top_values(s) v), 'true2 false1', 'booleans are categories')
FROM (SELECT mlops.sketch(x) AS s FROM unnest('{t,f,t,NULL}'::boolean[]) x) t;
CREATE TYPE pg_temp.mood AS ENUM ('sad', 'glad');
SELECT is((SELECT string_agg(v.value || v.count, ' ') FROM mlops.top_values(s) v), 'glad2 sad1', 'enums, too')
FROM (SELECT mlops.sketch(x) AS s FROM unnest('{glad,sad,glad}'::pg_temp.mood[]) x) t;
SELECT ok(v.value ~ '^x{237} #[0-9a-f]{16}$' AND length(v.value) = 255, 'a long text is cut and hashed')
FROM (SELECT mlops.sketch(repeat('x', 1000)) AS s) t, mlops.top_values(s) v;
SELECT is(mlops.distinct_count(mlops.sketch(x)), 2::float8, 'long texts that differ at their end are two')
FROM (VALUES (repeat('x', 1000) || 'a'), (repeat('x', 1000) || 'b')) t (x);

--
-- Large ones
--
CREATE TEMPORARY TABLE large AS
SELECT mlops.sketch(many) AS many, mlops.sketch(few) AS few, mlops.sketch(category) AS category,
       mlops.sketch(categories) AS categories FROM data;
SELECT ok(mlops.is_exact(few) AND mlops.distinct_count(few) = 1000, 'many rows of few values are exact') FROM large;
SELECT is(mlops.quantiles(few, '{0.1,0.5,0.99}'),
          (SELECT percentile_disc('{0.1,0.5,0.99}'::float8[]) WITHIN GROUP (ORDER BY d.few::float8) FROM data d),
          'with exact quantiles') FROM large;
SELECT ok(NOT mlops.is_exact(many), 'many rows of many values are not') FROM large;
SELECT is(mlops.min(many), (SELECT min(d.many) FROM data d), 'but their least value is') FROM large;
SELECT is(mlops.max(many), (SELECT max(d.many) FROM data d), 'and the greatest') FROM large;
SELECT ok(abs(mlops.mean(many) / (SELECT avg(d.many::numeric) FROM data d)::float8 - 1) < 1e-15, 'and the mean') FROM large;
SELECT ok(abs(mlops.stddev(many) / (SELECT stddev_samp(d.many::numeric) FROM data d)::float8 - 1) < 1e-15, 'and the deviation')
FROM large;
SELECT ok(mlops.rank_error(many) BETWEEN 0.000001 AND (log(2, 100000 / 2048.0) / 2 + 1.5) / 2048, 'the error of ranks has its bound')
FROM large;
SELECT ok(bool_and(abs((SELECT count(*) FROM data d WHERE d.many <= q.x) - q.p * 100000) <= q.error * 100000 + 1), 'and quantiles are within it')
FROM (SELECT p, mlops.quantile(l.many, p) AS x, mlops.rank_error(l.many) AS error
      FROM large l, generate_series(0.02, 0.98, 0.06) p OFFSET 0) q;
SELECT ok(bool_and(abs(q.cdf - (SELECT count(*) FROM data d WHERE d.many <= q.x) / 100000.0) <= q.error), 'and so are shares')
FROM (SELECT x, mlops.cdf(l.many, x) AS cdf, mlops.rank_error(l.many) AS error
      FROM large l, generate_series(0, 14000, 1000) x OFFSET 0) q;
SELECT ok(abs(mlops.distinct_count(many) / (SELECT count(DISTINCT d.many) FROM data d) - 1) < 0.05,
          'the number of distinct values is about right') FROM large;
SELECT ok(bool_and(d.n BETWEEN v.count AND v.count + v.count_error) AND max(v.count_error) BETWEEN 1 AND 100000 / 257,
          'counts of frequent texts are within their error')
FROM large l, mlops.top_values(l.categories, 1000) v
JOIN (SELECT categories, count(*) AS n FROM data GROUP BY categories) d ON d.categories = v.value;
SELECT is((SELECT count(*) FROM mlops.top_values(category, 1000)), 300::bigint, 'few texts are all held') FROM large;

--
-- Any split
--
CREATE TEMPORARY TABLE parts AS
SELECT i % 17 AS part, mlops.sketch(many) AS many, mlops.sketch(few) AS few, mlops.sketch(category) AS category
FROM data GROUP BY i % 17;
CREATE TEMPORARY TABLE merged AS
SELECT mlops.merge(many) AS many, mlops.merge(few ORDER BY part DESC) AS few, mlops.merge(category) AS category FROM parts;
SELECT ok(mlops.same_totals(l.many, m.many), 'parts merged have the totals of the whole') FROM large l, merged m;
SELECT is(mlops.mean(m.many), mlops.mean(l.many), 'the same mean, bit for bit') FROM large l, merged m;
SELECT is(mlops.stddev(m.many), mlops.stddev(l.many), 'and deviation') FROM large l, merged m;
SELECT is(mlops.distinct_count(m.many), mlops.distinct_count(l.many), 'and number of distinct values') FROM large l, merged m;
SELECT ok(m.few::text = l.few::text AND m.category::text = l.category::text, 'and of few values the same bytes')
FROM large l, merged m;
SELECT ok(bool_and(abs((SELECT count(*) FROM data d WHERE d.many <= q.x) - q.p * 100000) <= q.error * 100000 + 1),
          'merged quantiles are within their error')
FROM (SELECT p, mlops.quantile(m.many, p) AS x, mlops.rank_error(m.many) AS error
      FROM merged m, generate_series(0.02, 0.98, 0.06) p OFFSET 0) q;
SELECT ok(NOT mlops.same_totals(l.many, p.many), 'a part has other totals') FROM large l, parts p WHERE p.part = 1;
SELECT is(mlops.merge(s)::text, NULL, 'merging nothing gives NULL') FROM (SELECT NULL::mlops.sketch AS s) t;

CREATE TEMPORARY TABLE serial AS SELECT * FROM large;
CREATE TABLE public.sketch_test_data AS TABLE data;
ANALYZE public.sketch_test_data;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SELECT ok(EXISTS (SELECT FROM pg_temp.plan('SELECT mlops.sketch(many) FROM public.sketch_test_data') p WHERE p ~ 'Partial Aggregate'),
          'sketch() is computed in parallel');
CREATE TABLE public.sketch_test_parts AS TABLE parts;
SELECT ok(EXISTS (SELECT FROM pg_temp.plan('SELECT mlops.merge(many) FROM public.sketch_test_parts') p WHERE p ~ 'Partial Aggregate'),
          'and merge()');
SELECT ok(mlops.same_totals(s.many, p.many) AND s.few::text = p.few::text AND s.category::text = p.category::text,
          'with the same totals')
FROM serial s, (SELECT mlops.sketch(many) AS many, mlops.sketch(few) AS few, mlops.sketch(category) AS category
                FROM public.sketch_test_data) p;
SELECT ok(bool_and(mlops.row_count(s) = n), 'as a window function it sees each frame')
FROM (SELECT mlops.sketch(i::float8) OVER (ORDER BY i) AS s, row_number() OVER (ORDER BY i) AS n FROM data WHERE i <= 300) t;

--
-- Bytes
--
SELECT ok(many::text::mlops.sketch::text = many::text, 'text form, a large one') FROM large;
SELECT ok(categories::text::mlops.sketch::text = categories::text, 'text form, a large categorical one') FROM large;
SELECT is(s::text, '\x0101000000000000000000010000000000000000000000000000000000000000000000000000000000000000000000013ff00000000000000000000000000001',
          'version 1: a one')
FROM (SELECT mlops.sketch(x) AS s FROM unnest('{1}'::float8[]) x) t;
SELECT is(s::text, '\x01020000000000000000000200000000000000010000000000000000000000000000000000000000000000000000000101610000000000000001',
          'version 1: a text and a NULL')
FROM (SELECT mlops.sketch(x) AS s FROM unnest('{a,NULL}'::text[]) x) t;
SELECT throws_ok($$SELECT 'sketch'::mlops.sketch$$, '22P02', 'invalid input syntax for type mlops.sketch', 'other text is refused');
SELECT throws_ok($$SELECT '\x0'::mlops.sketch$$, '22P02', NULL, 'and half a byte');
SELECT throws_ok($$SELECT '\x'::mlops.sketch$$, '22P03', 'invalid sketch at byte 0: the bytes end too early', 'and no bytes');
SELECT throws_ok($$SELECT '\x0201000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::mlops.sketch$$,
                 '22P03', NULL, 'and another version');
SELECT throws_ok(format('SELECT %L::mlops.sketch', overlay(many::text PLACING '7' FROM 11)), '22P03', NULL,
                 'and counts that do not add up') FROM large;
SELECT throws_ok(format('SELECT %L::mlops.sketch', left(many::text, -2)), '22P03', NULL, 'and a part') FROM large;
SELECT throws_ok(format('SELECT %L::mlops.sketch', many::text || '00'), '22P03', NULL, 'and more') FROM large;

--
-- Errors
--
SELECT throws_ok('SELECT mlops.quantile(category, 0.5) FROM large', 'ML050', 'mlops.quantile() needs a numeric sketch',
                 'texts have no quantiles');
SELECT throws_ok('SELECT mlops.quantile(many, 1.5) FROM large', '22003', NULL, 'a share is from 0 to 1');
SELECT throws_ok($$SELECT mlops.histogram(many, '{2,1}') FROM large$$, '22023', 'edges must ascend', 'edges ascend');
SELECT throws_ok($$SELECT mlops.merge(s) FROM (SELECT many FROM large UNION ALL SELECT category FROM large) t (s)$$,
                 'ML050', 'a numeric and a categorical sketch cannot be merged', 'kinds are not mixed');

SELECT * FROM finish();
ROLLBACK;
