-- Snapshots: the hash and what it depends on, the record, verify, diff, rights.
\set ECHO none
\set QUIET 1
BEGIN;
SELECT plan(133);

SET LOCAL client_min_messages = warning;
CREATE SCHEMA snapshot_test;
GRANT USAGE, CREATE ON SCHEMA snapshot_test TO PUBLIC;
SET LOCAL search_path = snapshot_test, public;

CREATE TYPE grade AS ENUM ('low', 'mid', 'high');
CREATE DOMAIN years AS integer CHECK (VALUE >= 0);
CREATE FUNCTION hash(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    EXECUTE format('SELECT encode(mlops.content_hash(q), ''hex'') FROM (%s) q', query) INTO result;
    RETURN result;
END $$;

CREATE TABLE loan AS
    SELECT i AS id, (20 + i * 7919 % 50)::years AS age, (i * 104729 % 9973)::numeric(10, 2) AS income,
           CASE WHEN i % 11 = 0 THEN NULL ELSE sqrt(i::float8) END AS amount,
           (ARRAY['travel', 'car', 'home'])[i % 3 + 1] AS purpose,
           (ARRAY['low', 'mid', 'high'])[i % 3 + 1]::grade AS grade,
           date '2020-01-01' + i % 700 AS opened, timestamptz '2020-01-01 00:00:00+00' + i * interval '7 hours' AS seen,
           i % 4 = 0 AS bad
    FROM generate_series(1, 2000) i;

--
-- The hash of known rows: made by Python's hashlib from the definition
--
SELECT is(hash('SELECT 1 AS a'), 'd5649485a41063d7d2dc650aab87c6b87a12f328358d0e3c0d722bb71d27b915', 'one integer');
SELECT is(hash('SELECT 1::int2 AS i2, 2 AS i4, 3::int8 AS i8, true AS b, 1.5::float4 AS f4, -2.5::float8 AS f8, 12.50::numeric AS n, ''é''::text AS t, ''x ''::char(5) AS c, date ''2000-01-02'' AS d, timestamptz ''2000-01-01 00:00:01+00'' AS ts, NULL::text AS z, ''{1,NULL}''::int[] AS ia'),
          '359df72a3ad073d522d247ffe05cf8419e07ec45fb57c3a484f048dd04913019', 'a column of many types');
SELECT is(hash('SELECT i AS a FROM generate_series(1, 5) i'), '8c20f54c3e0d4a23e76abb98f50acf09781e8b4a6dcf00aacc3b253146f82967', 'five rows');
SELECT is(hash('SELECT 1 AS a WHERE false'), NULL, 'no row has no hash');

--
-- What it does not depend on
--
SELECT is(hash('SELECT * FROM loan ORDER BY id DESC'), hash('SELECT * FROM loan ORDER BY purpose, amount'), 'the order of rows');
SELECT is(hash('SELECT bad, seen, opened, grade, purpose, amount, income, age, id FROM loan'), hash('TABLE loan'), 'the order of columns');
CREATE TABLE parts (LIKE loan) PARTITION BY HASH (id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE parts_2 (filler int, bad boolean, seen timestamptz, opened date, grade grade, purpose text, amount float8, income numeric(10, 2), age years, id int);
ALTER TABLE parts_2 DROP filler;
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO parts SELECT * FROM loan ORDER BY random();
SELECT is(hash('TABLE parts'), hash('TABLE loan'), 'partitions, and where their columns are');
SELECT is((SELECT encode(mlops.content_hash(l), 'hex') FROM loan l), hash('TABLE loan'), 'a table or a query');
ALTER TABLE loan ADD filler int;
ALTER TABLE loan DROP filler;
SELECT is((SELECT encode(mlops.content_hash(l), 'hex') FROM loan l), hash('TABLE parts'), 'a column that was dropped');
SELECT set_config('snapshot_test.before', hash('TABLE loan'), true) IS NOT NULL AS set \gset
SET LOCAL datestyle = 'German, DMY';
SET LOCAL timezone = 'Asia/Kolkata';
SET LOCAL extra_float_digits = -3;
SET LOCAL intervalstyle = 'sql_standard';
SET LOCAL bytea_output = 'escape';
SET LOCAL lc_monetary = 'C';
SELECT is(hash('TABLE loan'), current_setting('snapshot_test.before'), 'settings');
RESET datestyle; RESET timezone; RESET extra_float_digits; RESET intervalstyle; RESET bytea_output;
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SELECT set_config('enable_parallel_append', 'on', true) IS NOT NULL AS set \gset
CREATE TEMPORARY TABLE plan_line (line text);
DO $$ DECLARE plan text; BEGIN
    FOR plan IN EXPLAIN (COSTS OFF) SELECT mlops.content_hash(l) FROM snapshot_test.loan l LOOP INSERT INTO plan_line VALUES (plan); END LOOP;
END $$;
SELECT ok(EXISTS (SELECT FROM plan_line WHERE line LIKE '%Partial Aggregate%'), 'it is made in parallel');
SELECT is(hash('TABLE loan'), current_setting('snapshot_test.before'), 'parallel workers');
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather;
SELECT is(hash('SELECT 1.50::numeric AS a'), hash('SELECT 1.5::numeric AS a'), 'zeros behind a numeric');
SELECT is(hash('SELECT ''-0''::float8 AS a'), hash('SELECT 0::float8 AS a'), 'the sign of zero');
SELECT is(hash('SELECT ''ab''::char(2) AS a'), hash('SELECT ''ab''::char(9) AS a'), 'blanks behind char(n)');
SELECT is(hash('SELECT 5::years AS a'), hash('SELECT 5::int AS a'), 'a domain');
SELECT is(hash('SELECT ''{"b": 1, "a": 2}''::jsonb AS a'), hash('SELECT ''{"a":2,"b":1}''::jsonb AS a'), 'the order of keys in jsonb');

--
-- What it depends on
--
SELECT isnt(hash('SELECT 1 AS a'), hash('SELECT 1 AS b'), 'a name');
SELECT isnt(hash('SELECT 1 AS a'), hash('SELECT 1::bigint AS a'), 'a type');
SELECT isnt(hash('SELECT 1 AS a'), hash('SELECT 2 AS a'), 'a value');
SELECT isnt(hash('SELECT NULL::text AS a'), hash('SELECT ''''::text AS a'), 'NULL is not empty');
SELECT isnt(hash('SELECT 1 AS a, NULL::int AS b'), hash('SELECT NULL::int AS a, 1 AS b'), 'where NULL stands');
SELECT isnt(hash('SELECT ''ab''::text AS a, ''c''::text AS b'), hash('SELECT ''a''::text AS a, ''bc''::text AS b'), 'where a text ends');
SELECT isnt(hash('VALUES (1), (2)'), hash('VALUES (1), (2), (2)'), 'a row twice');
SELECT isnt(hash('SELECT 7 AS a FROM generate_series(1, 65537)'), hash('SELECT 7 AS a FROM generate_series(1, 1)'), 'a row 65,537 times');
SELECT isnt(hash('VALUES (1, 2), (3, 4)'), hash('VALUES (1, 4), (3, 2)'), 'which values are in one row');
SELECT isnt(hash('SELECT ''{1,2}''::int[] AS a'), hash('SELECT ''[0:1]={1,2}''::int[] AS a'), 'the bounds of an array');
SELECT isnt(hash('SELECT ''NaN''::float8 AS a'), hash('SELECT NULL::float8 AS a'), 'NaN is not NULL');
SELECT isnt(hash('SELECT ''Infinity''::numeric AS a'), hash('SELECT ''NaN''::numeric AS a'), 'an infinite numeric');

SELECT throws_ok($$SELECT hash('SELECT point(1, 2) AS p')$$, '42804', NULL, 'a type without a canonical form is refused');
SELECT throws_ok($$SELECT hash('SELECT ROW(1, 2) AS p')$$, '42804', NULL, 'so is a row in a row');
SELECT lives_ok($$SELECT hash('SELECT ''1.2.3.4''::inet AS a, ''12:00+02''::timetz AS b, ''1 day''::interval AS c, ''\x00ff''::bytea AS d, B''101'' AS e, ''12.5''::money AS f, ''08:00:2b:01:02:03''::macaddr AS g, gen_random_uuid() AS h, ''{"a":1}''::json AS i, 5::oid AS j, ''a''::name AS k, ''a''::"char" AS l, ''{a,NULL}''::text[] AS m, ''{low}''::snapshot_test.grade[] AS n, time ''12:00'' AS o')$$,
                'the other types have one');

--
-- The record
--
SELECT is(mlops.snapshot('loans', 'SELECT * FROM loan', 'id', label => 'bad', tags => '{"quarter": "2025Q1"}', description => 'first'),
          'loans/1', 'a snapshot has a reference');
SELECT is(mlops.snapshot('loans', 'SELECT * FROM loan; -- with a comment', 'id', true, label => 'purpose'), 'loans/2', 'the next one has the next number');
SELECT results_eq($$SELECT snapshot, name, version, rows, key, label, copy IS NULL, relations, tags, description, owner::text, runs
                    FROM mlops.snapshots WHERE snapshot = 'loans/1'$$,
                  $$SELECT 'loans/1', 'loans', 1, 2000::bigint, 'id', 'bad', true, '{snapshot_test.loan}'::text[], '{"quarter": "2025Q1"}'::jsonb,
                           'first', current_user::text, '{}'::bigint[]$$, 'the view has all that is known');
SELECT is((SELECT hash FROM mlops.snapshots WHERE snapshot = 'loans/1'), hash('TABLE loan'), 'its hash is that of the aggregate');
SELECT is((SELECT hash FROM mlops.snapshots WHERE snapshot = 'loans/2'), hash('TABLE loan'), 'with a copy too');
SELECT is((SELECT classes FROM mlops.snapshots WHERE snapshot = 'loans/1'),
          '[{"class": "false", "rows": 1500}, {"class": "true", "rows": 500}]'::jsonb, 'classes of a boolean');
SELECT is((SELECT classes FROM mlops.snapshots WHERE snapshot = 'loans/2'),
          '[{"class": "car", "rows": 667}, {"class": "home", "rows": 667}, {"class": "travel", "rows": 666}]'::jsonb, 'classes of a text');
SELECT is((SELECT columns->1 FROM mlops.snapshots WHERE snapshot = 'loans/1'), '{"name": "age", "type": "integer"}'::jsonb, 'columns have base types');
SELECT is((SELECT columns->2->>'type' FROM mlops.snapshots WHERE snapshot = 'loans/1'), 'numeric(10,2)', 'with their modifiers');
SELECT set_config('snapshot_test.copy', copy, true) IS NOT NULL AS set FROM mlops.snapshots WHERE snapshot = 'loans/2' \gset
SELECT is(hash('SELECT * FROM ' || current_setting('snapshot_test.copy')), hash('TABLE loan'), 'the copy has the rows');
SELECT is(mlops.snapshot_query('loans/1'), 'SELECT * FROM loan', 'without a copy the query is what was given');
SELECT is(mlops.snapshot_query('loans/2'), 'SELECT * FROM ' || current_setting('snapshot_test.copy'), 'with one it reads the copy');
SELECT is(mlops.snapshot_query('loans'), mlops.snapshot_query('loans/2'), 'a bare name is the last one');
SELECT is(mlops.snapshot('nothing', 'SELECT * FROM loan WHERE false', label => 'bad'), 'nothing/1', 'no rows are a content too');
SELECT is((SELECT classes::text FROM mlops.snapshots WHERE name = 'nothing'), '[]', 'without classes');
SELECT is(mlops.snapshot('nothing', 'SELECT * FROM loan WHERE false', materialize => true), 'nothing/2', 'which can be copied');
SELECT is((SELECT count(DISTINCT hash)::int FROM mlops.snapshots WHERE name = 'nothing'), 1, 'with the same hash');
SELECT is(mlops.snapshot('amounts', 'SELECT * FROM loan', label => 'amount'), 'amounts/1', 'a label with many values');
SELECT is((SELECT classes FROM mlops.snapshots WHERE name = 'amounts'), NULL, 'has no classes');
CREATE VIEW bad_loan AS SELECT id, r FROM (SELECT l.id, l.purpose AS r FROM loan l WHERE bad) x;
SELECT is(mlops.snapshot('through', 'SELECT * FROM bad_loan'), 'through/1', 'a column named as the row');
SELECT is((SELECT relations FROM mlops.snapshots WHERE name = 'through'), '{snapshot_test.loan,snapshot_test.bad_loan}', 'lineage goes through views');

--
-- What is refused
--
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT 1 AS a; SELECT 2')$$, '22023', NULL, 'two statements');
SELECT throws_ok($$SELECT mlops.snapshot('x', 'DELETE FROM loan RETURNING *')$$, '22023', NULL, 'a statement that writes');
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT 1 AS a) r, (SELECT 2 AS b')$$, '42601', NULL, 'half a statement');
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT 1 AS a, 2 AS a')$$, '42701', NULL, 'one name twice');
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT FROM loan')$$, '22023', NULL, 'no columns');
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT * FROM loan', 'nokey')$$, '42703', NULL, 'a key that is not there');
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT * FROM loan', label => 'nolabel')$$, '42703', NULL, 'a label that is not there');
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT * FROM loan', 'purpose')$$, '23505', NULL, 'a key that is there twice');
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT NULL::int AS id', 'id')$$, '22004', NULL, 'a key that is NULL');
SELECT throws_ok($$SELECT mlops.snapshot('x/1', 'SELECT * FROM loan')$$, '42602', NULL, 'a name with a number');
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT * FROM loan', tags => '[]')$$, '22023', NULL, 'tags that are no object');
SELECT throws_ok($$SELECT mlops.snapshot(NULL, 'SELECT * FROM loan')$$, '22004', NULL, 'no name');
CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS $$ INSERT INTO snapshot_test.loan (id) VALUES (0) RETURNING id $$;
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT writes() AS a')$$, '25006', NULL, 'a function that writes');
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT writes() AS a', materialize => true)$$, '25006', NULL, 'also with a copy');
SELECT throws_ok($$SELECT * FROM mlops.verify_snapshot('none')$$, 'ML070', NULL, 'a snapshot that is not there');
SELECT throws_ok($$SELECT * FROM mlops.verify_snapshot('loans/9')$$, 'ML070', NULL, 'a number that is not there');
SELECT throws_ok($$UPDATE mlops.snapshot SET query = ''$$, 'ML040', NULL, 'a record does not change');

--
-- Verify and diff
--
SELECT results_eq($$SELECT source, same, problem FROM mlops.verify_snapshot('loans/2')$$,
                  $$VALUES ('query', true, NULL::text), ('copy', true, NULL)$$, 'nothing has changed');
CREATE FUNCTION later() RETURNS text LANGUAGE sql AS $$ SELECT mlops.snapshot('loans', 'SELECT *, age + 1 AS next FROM snapshot_test.loan', 'id', true, label => 'purpose') $$;
UPDATE loan SET age = age + 1, amount = NULL WHERE id <= 3;
SELECT results_eq($$SELECT source, same, problem FROM mlops.verify_snapshot('loans/2')$$,
                  $$VALUES ('query', false, 'values are different'), ('copy', true, NULL)$$, 'a value has changed');
DELETE FROM loan WHERE id IN (10, 12);
INSERT INTO loan (id, purpose) VALUES (5000, 'boat');
SELECT results_eq($$SELECT source, same, rows FROM mlops.verify_snapshot('loans/2')$$,
                  $$VALUES ('query', false, 1999::bigint), ('copy', true, 2000)$$, 'rows have gone and come');
SELECT is(later(), 'loans/3', 'a snapshot of today');
SELECT results_eq($$SELECT item, name, before_value, after_value FROM mlops.diff_snapshots('loans/2', 'loans/3', 2) WHERE item NOT IN ('content', 'distribution', 'row changed')$$,
                  $$VALUES ('rows', NULL, '2000', '1999'), ('column added', 'next', NULL, 'integer'),
                           ('class', 'boat', '0', '1'), ('class', 'car', '667', '666'), ('class', 'travel', '666', '665'),
                           ('rows added', NULL, NULL, '1'), ('rows removed', NULL, NULL, '2'), ('rows changed', NULL, NULL, '3'),
                           ('column changed', 'age', NULL, '3'), ('column changed', 'amount', NULL, '3')$$, 'the difference, by key');
SELECT results_eq($$SELECT name, before_value::jsonb->'age', after_value::jsonb->'age' FROM mlops.diff_snapshots('loans/2', 'loans/3', 2) WHERE item = 'row changed'$$,
                  $$SELECT id::text, to_jsonb(age - 1), to_jsonb(age::int) FROM loan WHERE id <= 2 ORDER BY id$$, 'with examples');
SELECT is((SELECT count(*)::int FROM mlops.diff_snapshots('loans/2', 'loans/2') WHERE name = 'same' OR after_value = '0'), 4, 'a snapshot is like itself');
SELECT is((SELECT name FROM mlops.diff_snapshots('loans/1', 'loans/2') WHERE item = 'note'), 'rows were not compared: only snapshots with a copy keep theirs', 'without a copy');
SELECT results_eq($$SELECT name FROM mlops.diff_snapshots('loans/2', 'loans/3') WHERE item = 'distribution'$$,
                  $$VALUES ('id'), ('age'), ('income'), ('amount'), ('purpose'), ('grade'), ('opened'), ('seen'), ('bad')$$, 'distributions that differ, which is so if a row has come');
SELECT results_eq($$SELECT (before_value::jsonb->>'missing')::float8, (after_value::jsonb->>'missing')::float8, after_value::jsonb->>'verdict' FROM mlops.diff_snapshots('loans/2', 'loans/3')
                    WHERE item = 'distribution' AND name = 'amount'$$,
                  $$SELECT before::float8 / 2000, after::float8 / 1999, 'ok' FROM (SELECT count(*) FROM generate_series(1, 2000) i WHERE i % 11 = 0) b (before),
                        (SELECT count(*) FROM loan WHERE amount IS NULL) a (after)$$, 'with figures of both');
SELECT results_eq($$SELECT before_value::jsonb->'top'->'car', after_value::jsonb->'top'->'car', (after_value::jsonb->'psi')::float8 FROM mlops.diff_snapshots('loans/2', 'loans/3')
                    WHERE item = 'distribution' AND name = 'purpose'$$,
                  $$SELECT '667'::jsonb, '666'::jsonb, (mlops.drift(o.sketch, n.sketch, o.bins)).value FROM mlops.snapshot_profiles o, mlops.snapshot_profiles n
                    WHERE o.snapshot = 'loans/2' AND n.snapshot = 'loans/3' AND o.name = 'purpose' AND n.name = 'purpose'$$, 'and the distance over the bins of the first');
SELECT is((SELECT count(*)::int FROM mlops.diff_snapshots('loans/1', 'loans/2') WHERE item = 'distribution'), 0, 'equal ones are not mentioned');

--
-- Profiles
--
SELECT results_eq($$SELECT name, type, kind, rows, nulls, nans, infinities, distinct_count, exact, min, max, mean, stddev, bins::text, bin_counts FROM mlops.snapshot_profiles WHERE snapshot = 'loans/3' ORDER BY position$$,
                  $$SELECT name, type, kind, rows, nulls, nans, infinities, distinct_count, exact, min, max, mean, stddev, bins::text, bin_counts FROM mlops.profile('SELECT *, age + 1 AS next FROM loan')$$,
                  'the profile of a copy is that of its query');
SELECT mlops.snapshot('profiled', 'SELECT * FROM loan') AS made \gset
SELECT results_eq($$SELECT name, type, kind, rows, nulls, distinct_count, mean, stddev, bins::text, bin_counts FROM mlops.snapshot_profiles WHERE snapshot_name = 'profiled' ORDER BY position$$,
                  $$SELECT name, type, kind, rows, nulls, distinct_count, mean, stddev, bins::text, bin_counts FROM mlops.profile('SELECT * FROM loan')$$, 'and without a copy');
SELECT set_config('snapshot_test.profiles', (SELECT md5(string_agg(s::text, '' ORDER BY s.snapshot, s.name)) FROM mlops.snapshot_profiles s), true) IS NOT NULL AS set \gset
UPDATE loan SET income = income + 1 WHERE id = 1;
SELECT is((SELECT md5(string_agg(s::text, '' ORDER BY s.snapshot, s.name)) FROM mlops.snapshot_profiles s), current_setting('snapshot_test.profiles'), 'it is frozen');
UPDATE loan SET income = income - 1 WHERE id = 1;
SELECT throws_ok($$UPDATE mlops.snapshot_column SET name = ''$$, 'ML040', NULL, 'for ever');
SELECT is(mlops.snapshot('plain', 'SELECT * FROM loan', profile => false), 'plain/1', 'it can be left out');
SELECT is((SELECT count(*)::int FROM mlops.snapshot_profiles WHERE snapshot_name = 'plain'), 0, 'and is not there then');
SELECT is((SELECT count(*)::int FROM mlops.diff_snapshots('plain', 'loans/3') WHERE item = 'distribution'), 0, 'nor compared');
SELECT is(mlops.snapshot('odd', 'SELECT gen_random_uuid() AS u, NULL::text AS n, ''x''::char(5) AS c, ''NaN''::float8 AS nan, 1e400::numeric AS big, 1 AS "a ""é"" , b" FROM loan WHERE id < 5'), 'odd/1', 'odd columns');
SELECT results_eq($$SELECT name, kind, nulls, nans, infinities, mean FROM mlops.snapshot_profiles WHERE snapshot_name = 'odd' ORDER BY position$$,
                  $$VALUES ('n', 'categorical', 4::bigint, 0::bigint, 0::bigint, NULL::float8), ('c', 'categorical', 0, 0, 0, NULL), ('nan', 'numeric', 0, 4, 0, NULL),
                           ('big', 'numeric', 0, 0, 4, NULL), ('a "é" , b', 'numeric', 0, 0, 0, 1)$$, 'have a profile as far as they can');
SELECT is((SELECT count(*)::int FROM mlops.snapshot_profiles WHERE snapshot = 'nothing/1'), 9, 'no rows have an empty one');
SELECT is((SELECT count(*)::int FROM mlops.snapshot_profiles WHERE snapshot = 'nothing/2' AND rows = 0), 9, 'with a copy too');
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT 1 AS a', profile => NULL)$$, '22004', NULL, 'it is asked for or not');

ALTER TABLE loan RENAME purpose TO aim;
SELECT is((SELECT problem FROM mlops.verify_snapshot('loans/1')), 'columns are different', 'a column has another name');
ALTER TABLE loan RENAME aim TO purpose;

--
-- Use
--
SELECT lives_ok($$SELECT FROM mlops.train('snapped', mlops.snapshot_query('loans/2'), 'bad', key => 'id', rounds => 2)$$, 'a training reads a copy');
SELECT is((SELECT array_length(runs, 1) FROM mlops.snapshots WHERE snapshot = 'loans/2'), 1, 'and is recorded as its user');
SELECT throws_ok($$SELECT mlops.drop_snapshot('loans/2')$$, 'ML071', NULL, 'what a run used stays');
SELECT throws_ok($$DELETE FROM mlops.snapshot_name$$, 'ML040', NULL, 'nor does its name go');
SELECT lives_ok($$SELECT mlops.drop_snapshot('loans/3')$$, 'what none used can go');
SELECT is((SELECT count(*)::int FROM mlops.snapshot_profiles WHERE snapshot = 'loans/3'), 0, 'with its profile');
SELECT is(mlops.snapshot('used', 'SELECT * FROM loan WHERE purpose IS NOT NULL', 'id'), 'used/1', 'a snapshot without a copy');
SELECT lives_ok($$SELECT FROM mlops.train('used', mlops.snapshot_query('used'), 'purpose', key => 'id', rounds => 2)$$, 'that a version is trained from');
SELECT throws_ok($$SELECT mlops.drop_snapshot('used/1')$$, 'ML071', NULL, 'stays too');
SELECT is(mlops.snapshot('loans', 'SELECT 1 AS a'), 'loans/4', 'its number is not used again');

--
-- Rights
--
CREATE ROLE snapshot_maker;
CREATE ROLE snapshot_other;
GRANT SELECT ON loan TO snapshot_maker, snapshot_other;
GRANT EXECUTE ON FUNCTION mlops.snapshot, mlops.verify_snapshot, mlops.drop_snapshot, mlops.train TO snapshot_maker, snapshot_other;
CREATE FUNCTION who() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT current_user::text $$;
SET LOCAL ROLE snapshot_maker;
SELECT is(mlops.snapshot('secret', 'SELECT *, who() AS who FROM loan', 'id', true), 'secret/1', 'who may read may make one');
SELECT set_config('snapshot_test.secret', 'SELECT count(*) FROM ' || copy, true) IS NOT NULL AS set FROM mlops.snapshots WHERE name = 'secret' \gset
SELECT is((SELECT same FROM mlops.verify_snapshot('secret') WHERE source = 'query'), true, 'and verify it');
SELECT throws_ok($$SELECT mlops.snapshot('loans', 'SELECT 1 AS a')$$, '42501', NULL, 'but not under the name of others');
SELECT throws_ok($$SELECT mlops.snapshot('x', 'SELECT * FROM mlops.snapshot')$$, '42501', NULL, 'nor read what he may not');
SELECT throws_ok(replace(current_setting('snapshot_test.secret'), '.snapshot_', '._snapshot_'), '42501', NULL, 'the table of the copy is nobody''s');
SET LOCAL ROLE snapshot_other;
SELECT is((SELECT count(*)::int FROM mlops.snapshots), 0, 'others see nothing');
SELECT throws_ok(current_setting('snapshot_test.secret'), '42501', NULL, 'nor the copy');
SELECT throws_ok($$SELECT * FROM mlops.verify_snapshot('secret')$$, 'ML070', NULL, 'nor whether it is there');
SELECT is((SELECT count(*)::int FROM mlops.snapshot_profiles), 0, 'nor a profile');
SELECT throws_ok($$SELECT mlops.snapshot_query('secret/1')$$, 'ML070', NULL, 'nor the query');
SELECT throws_ok($$SELECT * FROM mlops.diff_snapshots('secret/1', 'secret/1')$$, 'ML070', NULL, 'nor a difference');
SELECT throws_ok($$SELECT mlops.drop_snapshot('secret')$$, 'ML070', NULL, 'nor drop it');
SELECT throws_ok(format('SELECT * FROM mlops.profile(%L)', replace(current_setting('snapshot_test.secret'), 'count(*)', '*')), '42501', NULL, 'nor profile the copy');
SELECT throws_ok(format('SELECT * FROM mlops.suggest_features(%L, ''bad'')', replace(current_setting('snapshot_test.secret'), 'count(*)', '*')), '42501', NULL, 'nor suggest features of it');
SELECT throws_ok(format('SELECT mlops.snapshot(''mine'', %L)', replace(current_setting('snapshot_test.secret'), 'count(*)', '*')), '42501', NULL, 'nor make a snapshot of it');
SELECT throws_ok('SELECT * FROM mlops.snapshot_column', '42501', NULL, 'nor read the table of profiles');
SELECT throws_ok($$SELECT mlops._store_snapshot_profile(1, '{}', '{}', '{}', '{}', '{}')$$, '42501', NULL, 'nor write one');
SELECT throws_ok($$SELECT * FROM mlops._diff_profiles(1, 2)$$, '42501', NULL, 'nor compare two');
RESET ROLE;
SELECT is((SELECT same FROM mlops.verify_snapshot('secret') WHERE source = 'query'), true, 'a superuser verifies as the maker');
GRANT snapshot_maker TO snapshot_other;
SET LOCAL ROLE snapshot_other;
SELECT lives_ok(current_setting('snapshot_test.secret'), 'a member of the maker''s role may');
RESET ROLE;
REVOKE SELECT ON loan FROM snapshot_maker, snapshot_other;
SET LOCAL ROLE snapshot_maker;
SELECT throws_ok(current_setting('snapshot_test.secret'), '42501', NULL, 'who lost the right to the table lost the copy');
SELECT is((SELECT count(*)::int FROM mlops.snapshots), 0, 'and its figures');
SELECT is((SELECT count(*)::int FROM mlops.snapshot_profiles), 0, 'and its profile');
SELECT throws_ok($$SELECT * FROM mlops.verify_snapshot('secret')$$, 'ML070', NULL, 'and whether it has changed');
SELECT throws_ok($$SELECT * FROM mlops.diff_snapshots('secret', 'secret')$$, 'ML070', NULL, 'and what');
SELECT throws_ok($$SELECT mlops.snapshot_query('secret')$$, 'ML070', NULL, 'and its query');
SELECT throws_ok($$SELECT mlops.drop_snapshot('secret')$$, 'ML070', NULL, 'and the right to drop it');
SELECT throws_ok($$SELECT mlops.train('stolen', 'SELECT * FROM ' || split_part(current_setting('snapshot_test.secret'), ' ', 4), 'bad')$$, '42501', NULL, 'and to train with it');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
