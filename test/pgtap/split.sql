-- Splits: by hash, by time, stratified, by a column of the training; leakage.
\set ECHO none
\set QUIET 1
BEGIN;
SELECT plan(60);

SET LOCAL client_min_messages = warning;
CREATE SCHEMA split_test;
GRANT USAGE ON SCHEMA split_test TO PUBLIC;
SET LOCAL search_path = split_test, public;

CREATE TYPE grade AS ENUM ('low', 'mid', 'high');
CREATE TABLE loan AS
    SELECT i AS id, i % 97 AS customer, (i * 7919 % 1009)::numeric AS income, (ARRAY['x', 'y', 'z'])[1 + i % 3] AS purpose,
           date '2024-01-01' + i % 300 AS day, timestamptz '2024-01-01 00:00+00' + i * interval '7 hours' AS seen,
           i % 5 = 0 AS bad
    FROM generate_series(1, 2000) i;

--
-- By hash
--
SELECT results_eq($$SELECT mlops.split(id, 3, '{"test": 0.2, "validation": 0.1}') FROM loan ORDER BY id$$,
                  $$SELECT CASE WHEN p < 0.2 THEN 'test' WHEN p < 0.2::float8 + 0.1::float8 THEN 'validation' ELSE 'train' END
                    FROM (SELECT id, ((hashtextextended(id::text, 3) >> 11) & 9007199254740991) / 9007199254740992.0::float8 AS p FROM loan) s ORDER BY id$$,
                  'a part is a stretch of the hash of the key''s text');
SELECT is(mlops.split('customer 1', 0, '{"a": 0.5}') || mlops.split('customer 2', 0, '{"a": 0.5}') || mlops.split('customer 3', 1, '{"a": 0.5}') || mlops.split('customer 4', 1, '{"a": 0.5}'),
          'atraintraintrain', 'known keys, which no version may move');
-- a thousand keys of each type; the stored values were made by a program of its
-- own, in Python, from Jenkins's lookup3 as PostgreSQL seeds it
SELECT is(known.md5, known.stored, 'known parts of keys of type ' || known.type)
FROM (SELECT type, stored, md5(string_agg(CASE part WHEN 'train' THEN 'r' ELSE left(part, 1) END, '' ORDER BY n)) AS md5
      FROM (SELECT 'integer' AS type, '1e8dd604e919fef5258bb858457431a0' AS stored, i AS n, mlops.split(i - 500, 3, '{"test": 0.2, "validation": 0.1}') AS part FROM generate_series(0, 999) i
            UNION ALL SELECT 'bigint', '0e5c59b3985179e9868979aa4ef2180e', i, mlops.split((i - 500) * 1000000000000000, -7, '{"test": 0.2, "validation": 0.1}') FROM generate_series(0, 999) i
            UNION ALL SELECT 'numeric', '5b938c1cd1c79bd1e5d3c5caf6355dd1', i, mlops.split((i * 0.25)::numeric(9, 2), 0, '{"test": 0.2, "validation": 0.1}') FROM generate_series(0, 999) i
            UNION ALL SELECT 'date', '737422eb6f12bfbd184040ee6ef01d1a', i, mlops.split(date '1999-12-01' + i, 1, '{"test": 0.2, "validation": 0.1}') FROM generate_series(0, 999) i
            UNION ALL SELECT 'text', 'd73f55ad2af90db753dedca512a05e61', i, mlops.split('client ' || repeat(i::text, i % 40), 1099511627781, '{"test": 0.2, "validation": 0.1}') FROM generate_series(0, 999) i
            UNION ALL SELECT 'text, in UTF-8', '623a06af18a298a139f00cc4f145cd8a', i, mlops.split(U&'K\00FCnd\00E9 ' || i, 9, '{"test": 0.2, "validation": 0.1}') FROM generate_series(0, 999) i
            UNION ALL SELECT 'uuid', 'afec119b90910b9acd8ada770a3cd786', i, mlops.split(('00000000-0000-0000-0000-' || lpad(to_hex(i * 7919), 12, '0'))::uuid, 11, '{"test": 0.2, "validation": 0.1}') FROM generate_series(0, 999) i) k
      GROUP BY type, stored ORDER BY type) known;
CREATE TABLE before AS SELECT id, mlops.split(id) AS part FROM loan;
INSERT INTO loan SELECT i, i % 97, 1, 'x', '2024-05-05', now(), false FROM generate_series(2001, 3000) i;
SELECT results_eq('SELECT id, mlops.split(id) FROM loan WHERE id <= 2000 ORDER BY id', 'SELECT id, part FROM before ORDER BY id', 'rows that are added move no other');
DELETE FROM loan WHERE id > 2000;
SELECT results_eq('SELECT DISTINCT mlops.split(id) = mlops.split(id::text) AND mlops.split(id::bigint) = mlops.split(id::numeric) AND mlops.split(id::smallint) = mlops.split(id) FROM loan',
                  'VALUES (true)', 'the type of an integer key does not matter');
SELECT is(mlops.split(date '2024-02-29'), mlops.split('2024-02-29'::text), 'nor does DateStyle');
SELECT is(mlops.split('low'::grade), mlops.split('low'::text), 'an enum is its label');
SELECT is(mlops.split(true), mlops.split('true'::text), 'a boolean is its word');
SELECT is(mlops.split('00000000-0000-0000-0000-000000000001'::uuid), mlops.split('00000000-0000-0000-0000-000000000001'::text), 'a uuid is its text');
SELECT is(mlops.split(NULL::text), NULL, 'no key, no part');
SELECT is((SELECT count(*)::int FROM loan WHERE mlops.split(id, 0, '{"test": 0.2}') = 'test' AND mlops.split(id, 0, '{"test": 0.2, "validation": 0.3, "calibration": 0.1}') <> 'test'), 0,
          'parts that are added leave the test part alone');
SELECT is((SELECT count(*)::int FROM loan WHERE mlops.split(id, 0, '{"test": 0.2}') = 'test' AND mlops.split(id, 0, '{"test": 0.3}') <> 'test'), 0, 'a larger test part has the smaller');
SELECT isnt((SELECT string_agg(mlops.split(id, 1), ',' ORDER BY id) FROM loan), (SELECT string_agg(mlops.split(id, 2), ',' ORDER BY id) FROM loan), 'another seed, other parts');
SELECT ok((SELECT abs(avg((mlops.split(i, 0, '{"test": 0.25}') = 'test')::int) - 0.25) < 0.01 FROM generate_series(1, 40000) i), 'shares are shares');
SELECT results_eq($$SELECT DISTINCT mlops.split(id, 0, '{"test": 0}') FROM loan$$, $$VALUES ('train')$$, 'a part of nothing');
SELECT results_eq($$SELECT DISTINCT mlops.split(id, 0, '{"all": 1}') FROM loan$$, $$VALUES ('all')$$, 'a part of everything');
SELECT results_eq($$SELECT DISTINCT mlops.split(id, 0, '{"test": 0.3, "train": 0.7}') = mlops.split(id) FROM loan$$, 'VALUES (true)', 'train can be said');
SELECT is((SELECT count(*)::int FROM (SELECT customer FROM (SELECT customer, mlops.split(customer) AS part FROM loan) s GROUP BY 1 HAVING count(DISTINCT part) > 1) d), 0, 'groups stay together');
SELECT throws_ok($$SELECT mlops.split('a', 0, '{"test": 1.1}')$$, '22023', NULL, 'a share above 1');
SELECT throws_ok($$SELECT mlops.split('a', 0, '{"test": "half"}')$$, '22023', NULL, 'a share that is no number');
SELECT throws_ok($$SELECT mlops.split('a', 0, '{"a": 0.6, "b": 0.6}')$$, '22023', NULL, 'shares above 1');
SELECT throws_ok($$SELECT mlops.split('a', 0, '{"test": 0.3, "train": 0.3}')$$, '22023', NULL, 'shares that leave something');
SELECT throws_ok($$SELECT mlops.split('a', 0, '[0.3]')$$, '22023', NULL, 'parts that are no object');
SELECT throws_ok($$SELECT mlops.split(1.5::float8)$$, '42804', NULL, 'a key whose text is not fixed');
SELECT throws_ok($$SELECT mlops.split(now())$$, '42804', NULL, 'a time is none either');

--
-- By content
--
SELECT is((SELECT count(*)::int FROM (SELECT h FROM (SELECT mlops.row_hash(ROW(income, purpose)) AS h, mlops.split(mlops.row_hash(ROW(income, purpose))) AS part FROM loan) s
           GROUP BY h HAVING count(DISTINCT part) > 1) d), 0, 'equal rows stay together');
SELECT is(mlops.row_hash(ROW(1.0::numeric, 'a'::text)), mlops.row_hash(ROW(1.00::numeric, 'a'::text)), 'rows are equal as SQL has it');
SELECT isnt(mlops.row_hash(ROW(1, NULL::int)), mlops.row_hash(ROW(NULL::int, 1)), 'and otherwise not');

--
-- By time
--
SELECT results_eq($$SELECT day, mlops.split_time(day, '2024-03-01', '2024-02-01', '10 days') FROM (VALUES (date '2024-01-21'), ('2024-01-22'), ('2024-01-31'), ('2024-02-01'), ('2024-02-19'), ('2024-02-20'), ('2024-03-01')) v (day)$$,
                  $$VALUES (date '2024-01-21', 'train'), ('2024-01-22', NULL), ('2024-01-31', NULL), ('2024-02-01', 'validation'), ('2024-02-19', 'validation'), ('2024-02-20', NULL), ('2024-03-01', 'test')$$, 'a gap before each part');
SELECT results_eq($$SELECT DISTINCT mlops.split_time(day, '2024-03-01') = CASE WHEN day < '2024-03-01' THEN 'train' ELSE 'test' END FROM loan$$, 'VALUES (true)', 'without a gap');
SELECT is(mlops.split_time(timestamptz '2024-03-31 00:30+00', '2024-03-31 23:00+00', NULL, '1 day'), NULL, 'a day of a gap is one in UTC');
SET LOCAL timezone = 'Europe/Berlin';
SELECT is(mlops.split_time(timestamptz '2024-03-30 23:30+00', '2024-03-31 23:00+00', NULL, '1 day'), NULL, 'whatever the time zone');
RESET timezone;
SELECT is(mlops.split_time(NULL::date, '2024-03-01'), NULL, 'no time, no part');
SELECT throws_ok($$SELECT mlops.split_time(date '2024-01-01', '2024-01-01', '2024-02-01')$$, '22023', NULL, 'validation after test');
SELECT throws_ok($$SELECT mlops.split_time(date '2024-01-01', '2024-01-01', NULL, '-1 day')$$, '22023', NULL, 'a negative gap');
SELECT throws_ok($$SELECT mlops.split_time(date '2024-01-01', NULL)$$, '22004', NULL, 'no test part');

--
-- Stratified
--
SELECT results_eq($$SELECT bad, part, count(*) FROM (SELECT bad, mlops.stratified_split(id, 0, '{"test": 0.2, "validation": 0.1}') OVER (PARTITION BY bad) AS part FROM loan) s GROUP BY 1, 2 ORDER BY 1, 2$$,
                  $$VALUES (false, 'test', 320::bigint), (false, 'train', 1120), (false, 'validation', 160), (true, 'test', 80), (true, 'train', 280), (true, 'validation', 40)$$, 'each class has its shares');
SELECT results_eq($$SELECT id, mlops.stratified_split(id) OVER (PARTITION BY bad) FROM (SELECT * FROM loan ORDER BY id DESC) s ORDER BY 1$$,
                  $$SELECT id, mlops.stratified_split(id) OVER (PARTITION BY bad) FROM (SELECT * FROM loan ORDER BY income) s ORDER BY 1$$, 'in any order');
SELECT is((SELECT count(*)::int FROM (SELECT customer FROM (SELECT customer, mlops.stratified_split(customer) OVER () AS part FROM loan) s GROUP BY 1 HAVING count(DISTINCT part) > 1) d), 0, 'rows with one key stay together');
SELECT is((SELECT count(*)::int FROM (SELECT mlops.stratified_split(nullif(id, 1)) OVER () AS part FROM loan) s WHERE part IS NULL), 1, 'no key, no part');

--
-- In a training
--
CREATE VIEW parted AS SELECT id, income, purpose, bad, mlops.split(id, 5, '{"test": 0.2, "validation": 0.2}') AS part FROM loan;
SELECT version FROM mlops.train('by_column', 'TABLE parted', 'bad', key => 'id', split => '{"column": "part"}', seed => 5, rounds => 5, early_stopping_rounds => 3) \gset c_
SELECT version FROM mlops.train('by_hash', 'SELECT id, income, purpose, bad FROM loan', 'bad', key => 'id', split => '{"test": 0.2, "validation": 0.2}', seed => 5, rounds => 5, early_stopping_rounds => 3) \gset h_
SELECT is((SELECT rows - 'skipped_null_part' FROM mlops.runs WHERE model = 'by_column'), (SELECT rows FROM mlops.runs WHERE model = 'by_hash'), 'a training by a column has the parts that it says');
SELECT is((SELECT record->>'data_hash' FROM mlops.runs WHERE model = 'by_column'), (SELECT record->>'data_hash' FROM mlops.runs WHERE model = 'by_hash'), 'and the same data');
SELECT is((SELECT record->'split' FROM mlops.runs WHERE model = 'by_column'), '{"by": "column", "column": "part"}', 'which is recorded');
SELECT is((SELECT record->'features' FROM mlops.runs WHERE model = 'by_column'), '["income", "purpose"]', 'the column is no feature');
SELECT lives_ok($$SELECT FROM mlops.train('by_time', 'SELECT income, purpose, bad, mlops.split_time(day, ''2024-08-01'', NULL, ''30 days'') AS part FROM loan', 'bad', split => '{"column": "part"}', rounds => 2)$$, 'rows in a gap are in no part');
SELECT ok((SELECT (rows->>'skipped_null_part')::int > 100 AND (rows->>'test')::int > 100 AND rows->>'validation' = '0' FROM mlops.runs WHERE model = 'by_time'), 'and counted');
SELECT throws_ok($$SELECT FROM mlops.train('x', 'TABLE parted', 'bad', split => '{"column": "purpose"}')$$, '22023', NULL, 'a column with other words');
SELECT throws_ok($$SELECT FROM mlops.train('x', 'TABLE parted', 'bad', split => '{"column": "id"}')$$, '42804', NULL, 'a column that is no text');
SELECT throws_ok($$SELECT FROM mlops.train('x', 'TABLE parted', 'bad', split => '{"column": "part", "test": 0.3}')$$, '22023', NULL, 'a column and shares');

--
-- Leakage
--
CREATE VIEW leaking AS SELECT l.*, mlops.split(id) AS part, bad::int * 10 + id % 3 AS tells, CASE WHEN bad THEN 'B' ELSE 'G' END AS code,
    CASE WHEN bad THEN 1 END AS void, date '2024-06-01' AS decided FROM loan l;
SELECT results_eq($$SELECT finding, feature FROM mlops.leakage_report('TABLE leaking', 'bad', 'part', 'customer', 'decided') ORDER BY 1, 2$$,
                  $$VALUES ('feature tells the label', 'code'), ('feature tells the label', 'tells'), ('key in several parts', 'customer'),
                           ('null in one class only', 'void'), ('time after the decision', 'day'), ('time after the decision', 'seen')$$, 'all that leaks is found');
SELECT results_eq($$SELECT finding, rows FROM mlops.leakage_report('SELECT income, purpose, bad, part FROM leaking UNION ALL (SELECT income, purpose, bad, CASE part WHEN ''test'' THEN ''train'' ELSE ''test'' END FROM leaking WHERE id = 1)', 'bad', 'part') WHERE finding = 'equal rows in several parts'$$,
                  $$SELECT 'equal rows in several parts', sum(n)::bigint FROM (SELECT count(*) AS n FROM (SELECT income, purpose, bad, part FROM leaking UNION ALL (SELECT income, purpose, bad, CASE part WHEN 'test' THEN 'train' ELSE 'test' END FROM leaking WHERE id = 1)) u
                    GROUP BY income, purpose, bad HAVING count(DISTINCT part) > 1) g$$, 'equal rows on both sides');
SELECT is_empty($$SELECT * FROM mlops.leakage_report('SELECT id, income, bad, mlops.split(id) AS part FROM loan', 'bad', 'part', 'id')
                  WHERE finding <> 'equal rows in several parts'$$, 'nothing where there is nothing');
SELECT results_eq($$SELECT finding, feature FROM mlops.leakage_report('SELECT income, -income * 2 AS twice, id FROM loan', 'income')$$,
                  $$VALUES ('feature tells the label', 'twice')$$, 'of a number it is the correlation');
SELECT throws_ok($$SELECT * FROM mlops.leakage_report('TABLE loan', 'none')$$, '42703', NULL, 'a label that is not there');

SELECT * FROM finish();
ROLLBACK;
