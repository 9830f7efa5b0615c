-- Profiles of queries, versions and windows of time.
BEGIN;
SELECT plan(68);

CREATE ROLE profile_owner;
CREATE ROLE profile_reader;
CREATE ROLE profile_stranger;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO profile_owner, profile_reader, profile_stranger;

CREATE SCHEMA profile_test;
GRANT ALL ON SCHEMA profile_test TO PUBLIC;
CREATE TABLE profile_test.loan AS
SELECT i AS id, ((i::bigint * 7919) % 100003)::float8 / 100003 AS income, i % 5 AS children,
       chr(65 + i % 4) AS region, i % 3 = 0 AS owns, CASE WHEN i % 10 = 0 THEN NULL ELSE (i * 37) % 101 END AS age,
       (i::bigint * 7919) % 100003 + (i % 5) * 20000 > 90000 AS defaults,
       timestamptz '2024-03-01 00:00Z' + i * interval '4 seconds' AS at
FROM generate_series(1, 20000) AS i;
GRANT SELECT ON profile_test.loan TO profile_owner;

--
-- Of a query
--
CREATE TEMPORARY TABLE profile AS
SELECT * FROM mlops.profile($$SELECT income, children, region, owns, age, at, '{1}'::int[] AS list,
                                     NULL::float8 AS nothing, 'Infinity'::float8 AS endless, 'NaN'::float8 AS nan
                              FROM profile_test.loan$$);
SELECT results_eq('SELECT name, type, kind, rows, nulls, exact FROM profile',
                  $$VALUES ('income', 'double precision', 'numeric', 20000::bigint, 0::bigint, false),
                           ('children', 'integer', 'numeric', 20000, 0, true),
                           ('region', 'text', 'categorical', 20000, 0, true),
                           ('owns', 'boolean', 'boolean', 20000, 0, true),
                           ('age', 'integer', 'numeric', 20000, 2000, true),
                           ('at', 'timestamp with time zone', 'numeric', 20000, 0, false),
                           ('list', 'integer[]', 'unsupported', 20000, 0, NULL),
                           ('nothing', 'double precision', 'numeric', 20000, 20000, true),
                           ('endless', 'double precision', 'numeric', 20000, 0, true),
                           ('nan', 'double precision', 'numeric', 20000, 0, true)$$,
                  'a row per column, in its order');
SELECT ok(abs(p.mean - l.mean) < 1e-14 AND abs(p.stddev - l.stddev) < 1e-14 AND p.min = l.min AND p.max = l.max, 'moments')
FROM profile p, (SELECT avg(income::numeric)::float8 AS mean, stddev_samp(income::numeric)::float8 AS stddev,
                        min(income), max(income) FROM profile_test.loan) l
WHERE p.name = 'income';
SELECT is(p.quantiles, (SELECT percentile_disc('{0.01,0.05,0.1,0.25,0.5,0.75,0.9,0.95,0.99}'::float8[]) WITHIN GROUP (ORDER BY age::float8)
                        FROM profile_test.loan), 'quantiles') FROM profile p WHERE p.name = 'age';
SELECT is(distinct_count, 101::float8, 'distinct values') FROM profile WHERE name = 'age';
SELECT is(top_values->0->>'value', 'A', 'frequent values: equal counts go by value') FROM profile WHERE name = 'region';
SELECT is(nans, 20000::bigint, 'NaN is counted') FROM profile WHERE name = 'nan';
SELECT is(infinities, 20000::bigint, 'infinities are counted') FROM profile WHERE name = 'endless';
SELECT ok(mean IS NULL AND quantiles = array_fill('Infinity'::float8, '{9}'), 'they are ordered, but have no mean')
FROM profile WHERE name = 'endless';
SELECT ok(mean IS NULL AND quantiles IS NULL AND bin_counts = '{0}', 'a column of NULLs has a row that says so')
FROM profile WHERE name = 'nothing';
SELECT ok(mlops.same_totals(p.sketch, l.s), 'the sketch is that of the aggregate')
FROM profile p, (SELECT mlops.sketch(income) AS s FROM profile_test.loan) l WHERE p.name = 'income';
SELECT results_eq('SELECT name, rows, mean FROM mlops.profile(''SELECT age, region FROM profile_test.loan WHERE false'')',
                  $$VALUES ('age', 0::bigint, NULL::float8), ('region', 0, NULL)$$, 'of no rows, too, there is a row per column');

-- bins
SELECT ok((bins).kind = 'intervals' AND cardinality((bins).numbers) = 9 AND cardinality(bin_counts) = 10
          AND 20000 = (SELECT sum(c) FROM unnest(bin_counts) c) AND 100 > (SELECT max(c) - min(c) FROM unnest(bin_counts) c),
          'deciles') FROM profile WHERE name = 'income';
SELECT is((bins).numbers, (SELECT percentile_disc('{0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9}'::float8[]) WITHIN GROUP (ORDER BY age::float8)
                           FROM profile_test.loan), 'which are exact where the sketch is') FROM profile WHERE name = 'age';
SELECT is(bins, ROW('numbers', '{0,1,2,3,4}', NULL)::mlops.bins, 'few numbers have a bin each') FROM profile WHERE name = 'children';
SELECT is(bin_counts, '{4000,4000,4000,4000,4000,0}'::bigint[], 'and one for others') FROM profile WHERE name = 'children';
SELECT is(bins, ROW('texts', NULL, '{A,B,C,D}')::mlops.bins, 'texts have a bin each') FROM profile WHERE name = 'region';
SELECT is(bins, ROW('texts', NULL, '{false,true}')::mlops.bins, 'booleans as well') FROM profile WHERE name = 'owns';
SELECT is(mlops.bin_counts(p.bins, s), '{0,2,0,0,1}'::bigint[], 'a text that the reference lacks is another')
FROM profile p, (SELECT mlops.sketch(x) AS s FROM unnest('{B,Z,B,NULL}'::text[]) x) t WHERE p.name = 'region';
SELECT is(mlops.bin_counts(p.bins, s), '{1,0,0,0,0,2}'::bigint[], 'so is a number, and infinity')
FROM profile p, (SELECT mlops.sketch(x) AS s FROM unnest('{0,0.5,Infinity,NaN,NULL}'::float8[]) x) t WHERE p.name = 'children';
SELECT is((SELECT count(*) FROM (SELECT unnest((mlops.make_bins(s)).numbers)) t), 2::bigint, 'equal edges are merged, also with the open end')
FROM (SELECT mlops.sketch(greatest(i, 25)::float8) FILTER (WHERE i < 100) AS x,
             mlops.sketch(CASE WHEN i <= 10 THEN i WHEN i <= 20 THEN i ELSE 21 END::float8) AS s FROM generate_series(1, 100) i) t;
SELECT is((SELECT count(*) FROM (SELECT unnest((mlops.make_bins(s, 4)).numbers)) t), 3::bigint, 'another number of bins')
FROM (SELECT mlops.sketch(i::float8) AS s FROM generate_series(1, 100) i) t;
SELECT throws_ok('SELECT mlops.make_bins(sketch, 1) FROM profile', '22023', 'the number of bins must be between 2 and 1000', 'one bin is none');
SELECT throws_ok($$SELECT mlops.bin_counts(ROW('texts', NULL, '{a}')::mlops.bins, sketch) FROM profile WHERE name = 'age'$$,
                 'ML050', 'bins and sketch are of different kinds', 'kinds are not mixed');
SELECT throws_ok(format('SELECT mlops.bin_counts(%L::mlops.bins, sketch) FROM profile WHERE name = ''age''', b), '22023', 'invalid bins', name)
FROM (VALUES ('(intervals,"{2,1}",)', 'numbers of bins ascend'), ('(intervals,"{1,NULL}",)', 'and are not NULL'),
             ('(numbers,,"{a}")', 'they are what the kind says'), ('(hours,"{1}",)', 'which is one of three'),
             ('(texts,,"{b,a}")', 'texts ascend, too')) v (b, name);

-- the caller's rights, and no writing
CREATE FUNCTION profile_test.writes() RETURNS integer LANGUAGE sql AS 'DELETE FROM profile_test.loan RETURNING 1';
SELECT throws_ok($$SELECT * FROM mlops.profile('SELECT profile_test.writes()')$$, '25006', NULL, 'a query cannot write');
SELECT throws_ok($$SELECT * FROM mlops.profile('DELETE FROM profile_test.loan RETURNING 1')$$, '22023',
                 'the query to profile must be one SELECT', 'nor be another command');
SET LOCAL ROLE profile_stranger;
SELECT throws_ok($$SELECT * FROM mlops.profile('SELECT * FROM profile_test.loan')$$, '42501', NULL, 'it reads with the rights of the caller');
RESET ROLE;

--
-- Of a version
--
SET LOCAL ROLE profile_owner;
SELECT lives_ok($$SELECT * FROM mlops.train('profile_risk', 'SELECT id, income, children, region, owns, age, defaults FROM profile_test.loan',
                                            'defaults', key => 'id', rounds => 3)$$, 'a training keeps the profile');
RESET ROLE;
SELECT results_eq($$SELECT role, name, kind, source FROM mlops.profiles WHERE model = 'profile_risk' AND version = 1 ORDER BY position$$,
                  $$VALUES ('feature', 'income', 'numeric', 'train'), ('feature', 'children', 'numeric', 'train'),
                           ('feature', 'region', 'categorical', 'train'), ('feature', 'owns', 'boolean', 'train'),
                           ('feature', 'age', 'numeric', 'train'), ('label', 'defaults', 'boolean', 'train'),
                           ('score', 'score', 'numeric', 'train')$$, 'of features, label and score');
SELECT is((SELECT array_agg(DISTINCT p.rows ORDER BY p.rows DESC) FROM mlops.profiles p WHERE p.model = 'profile_risk' AND p.role <> 'score'),
          ARRAY[(v.metrics->>'n_train')::bigint], 'features and label are of the training rows')
FROM mlops.versions v WHERE v.model = 'profile_risk';
SELECT is(p.rows, (v.metrics->>'n_test')::bigint, 'scores of the test rows')
FROM mlops.versions v JOIN mlops.profiles p USING (model, version) WHERE v.model = 'profile_risk' AND p.role = 'score';
SELECT ok(p.min >= 0 AND p.max <= 1 AND p.mean BETWEEN 0.2 AND 0.8, 'which are probabilities')
FROM mlops.profiles p WHERE p.model = 'profile_risk' AND p.role = 'score';
SELECT is((SELECT sum(c) FROM unnest(p.bin_counts) c), p.rows::numeric - p.nulls, 'with bins, frozen')
FROM mlops.profiles p WHERE p.model = 'profile_risk' AND p.name = 'age';
SELECT throws_ok(format('%s mlops.profile_column %s', a, b), 'ML040', NULL, format('a profile cannot be changed: %s', a))
FROM (VALUES ('UPDATE', 'SET name = ''x'''), ('DELETE FROM', ''), ('TRUNCATE', '')) v (a, b);

SET LOCAL ROLE profile_owner;
SELECT is(mlops.import_model('profile_import', mlops.export_model('profile_risk/1')::mlops.artifact,
                             signature => mlops.describe('profile_risk/1')->'features')::text, 'profile_import/1', 'an imported version');
SELECT is((SELECT count(*) FROM mlops.profiles WHERE model = 'profile_import'), 0::bigint, 'has no profile');
SELECT is(mlops.set_profile('profile_import/1', 'SELECT * FROM profile_test.loan; ', label => 'defaults'), 7, 'it can be given one');
SELECT results_eq($$SELECT name, rows FROM mlops.profiles WHERE model = 'profile_import' AND role <> 'feature' ORDER BY name$$,
                  $$VALUES ('defaults', 20000::bigint), ('score', 20000)$$, 'with what it predicts');
SELECT ok(mlops.same_totals(p.sketch, l.s), 'namely this')
FROM mlops.profiles p, (SELECT mlops.sketch(mlops.predict('profile_import/1', l)) AS s FROM profile_test.loan l) l
WHERE p.model = 'profile_import' AND p.role = 'score';
SELECT throws_ok($$SELECT mlops.set_profile('profile_import/1', 'SELECT * FROM profile_test.loan')$$, 'ML051',
                 'profile_import/1 already has a profile', 'once');
SELECT is(mlops.import_model('profile_import', mlops.export_model('profile_risk/1')::mlops.artifact,
                             signature => mlops.describe('profile_risk/1')->'features')::text, 'profile_import/2', 'another version');
SELECT throws_ok($$SELECT mlops.set_profile('profile_import/2', 'SELECT income, 1 AS s FROM profile_test.loan', score => 's')$$, '42703',
                 'feature "children" is not a column of the query', 'every feature is needed');
SELECT throws_ok($$SELECT mlops.set_profile('profile_import/2', 'SELECT * FROM profile_test.loan', label => 'x')$$, '42703',
                 'label "x" is not a column of the query', 'and the label');
SELECT is(mlops.set_profile('profile_import/2', 'SELECT *, 0.5 AS s FROM profile_test.loan', score => 's'), 6, 'scores can be given');
RESET ROLE;
SET LOCAL ROLE profile_stranger;
SELECT is((SELECT count(*) FROM mlops.profiles), 0::bigint, 'others see nothing');
SELECT throws_ok($$SELECT mlops.set_profile('profile_import/2', 'SELECT 1')$$, '42501', NULL, 'and set nothing');
RESET ROLE;

--
-- Of windows
--
SET LOCAL ROLE profile_owner;
SELECT results_eq($$SELECT count(*), sum(rows), min(start_at), max(end_at)
                    FROM mlops.profile_windows('profile_risk', 'SELECT * FROM profile_test.loan', 'at', '1 minute',
                                               '2024-03-01 00:00Z', '2024-03-02 00:00Z')$$,
                  $$VALUES (1440::bigint, 20000::numeric, timestamptz '2024-03-01 00:00Z', timestamptz '2024-03-02 00:00Z')$$,
                  'minutes, also the empty ones');
SELECT is((SELECT count(*) FROM mlops.profile_windows('profile_risk', 'SELECT * FROM profile_test.loan', 'at', '6 hours',
                                                      '2024-03-01 00:00Z', '2024-03-02 00:00Z')), 4::bigint, 'and quarters of a day');
CREATE TEMPORARY TABLE merged AS
SELECT m.name, m.windows, m.missing, m.sketch AS minutes, d.sketch AS quarters, p.sketch AS whole
FROM mlops.merge_windows('profile_risk', '1 minute', '2024-03-01 00:00Z', '2024-03-02 00:00Z') m
JOIN mlops.merge_windows('profile_risk', '6 hours', '2024-03-01 00:00Z', '2024-03-02 00:00Z') d USING (name)
JOIN mlops.profile('SELECT * FROM profile_test.loan') p USING (name);
SELECT ok(bool_and(windows = 1440 AND missing = 0) AND count(*) = 8, 'all are merged') FROM merged;
SELECT ok(bool_and(mlops.same_totals(minutes, whole) AND mlops.same_totals(quarters, whole)),
          'a day is the merge of its minutes: the same counts and moments, bit for bit') FROM merged;
SELECT ok(bool_and(mlops.mean(minutes) IS NOT DISTINCT FROM mlops.mean(whole)
                   AND mlops.stddev(minutes) IS NOT DISTINCT FROM mlops.stddev(whole)), 'the same mean and deviation') FROM merged;
SELECT ok(bool_and(abs((SELECT count(*) FROM profile_test.loan l WHERE l.income <= q.x) - q.p * 20000) <= q.error * 20000 + 1),
          'and quantiles within their error')
FROM (SELECT p, mlops.quantile(m.minutes, p) AS x, mlops.rank_error(m.minutes) AS error
      FROM merged m, generate_series(0.05, 0.95, 0.1) p WHERE m.name = 'income' OFFSET 0) q;
SELECT ok(bool_and(windows = 60 AND missing = 0 AND mlops.row_count(sketch) = 900), 'an hour of them')
FROM mlops.merge_windows('profile_risk', '1 minute', '2024-03-01 05:00Z', '2024-03-01 06:00Z');
SELECT is((SELECT sum(rows) FROM mlops.profile_windows('profile_risk', 'SELECT * FROM profile_test.loan WHERE id <= 100', 'at', '6 hours',
                                                       '2024-03-01 00:00Z', '2024-03-01 06:00Z')), 100::numeric, 'a window can be profiled again');
SELECT ok(bool_and(windows = 4 AND missing = 4 AND mlops.row_count(sketch) = 14701), 'and has its new rows; missing windows are counted')
FROM mlops.merge_windows('profile_risk', '6 hours', '2024-03-01 00:00Z', '2024-03-03 00:00Z');
SELECT throws_ok(format($$SELECT * FROM mlops.profile_windows('profile_risk', 'SELECT now() AS at', 'at', %L, %L, %L)$$, g, s, e), state, NULL, name)
FROM (VALUES ('7 minutes', '2024-03-01 00:00Z', '2024-03-02 00:00Z', '22023', 'a day is a multiple of the granularity'),
             ('1 second', '2024-03-01 00:00Z', '2024-03-02 00:00Z', '22023', 'which is at least a minute'),
             ('1 month', '2024-03-01 00:00Z', '2024-04-01 00:00Z', '22023', 'and at most a day'),
             ('1 hour', '2024-03-01 00:30Z', '2024-03-02 00:00Z', '22023', 'windows begin at their bounds'),
             ('1 minute', '2020-03-01 00:00Z', '2024-03-02 00:00Z', '54000', 'and are not too many')) v (g, s, e, state, name);
RESET ROLE;
SET LOCAL ROLE profile_stranger;
SELECT throws_ok($$SELECT * FROM mlops.profile_windows('profile_risk', 'SELECT now() AS at', 'at', '1 day', '2024-03-01 00:00Z', '2024-03-02 00:00Z')$$,
                 '42501', NULL, 'windows need a privilege');
SELECT is((SELECT count(*) FROM mlops.merge_windows('profile_risk', '1 day', '2024-03-01 00:00Z', '2024-03-02 00:00Z')), 0::bigint,
          'to be read, too');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
