-- Values at the edges: where real and double precision differ, rows as wide as can be, values out of line.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
BEGIN;
SELECT plan(22);

-- x < 0.1, in real, gives -1, else 1; missing 1
SELECT mlops.import_model('inputs_tenth', pg_temp.stumps('{x}', '{0}', '{0.1}', '{-1}', '{1}', 'reg:squarederror')) \g /dev/null
-- x < 0 gives -1, else 1
SELECT mlops.import_model('inputs_zero', pg_temp.stumps('{x}', '{0}', '{0}', '{-1}', '{1}', 'reg:squarederror')) \g /dev/null
-- x < 16777218 gives -1, else 1
SELECT mlops.import_model('inputs_integer', pg_temp.stumps('{x}', '{0}', '{16777218}', '{-1}', '{1}', 'reg:squarederror')) \g /dev/null

-- 0.1 as real is 0.100000001490116...: as double precision 0.1 is less, but it is rounded first
SELECT is(mlops.predict('inputs_tenth/1', ARRAY[0.1::float8]), 1::float8, '0.1 is not less than 0.1');
SELECT is(mlops.predict('inputs_tenth/1', '{"x": 0.1}'::jsonb), 1::float8, 'nor is it in JSON');
SELECT is((SELECT mlops.predict('inputs_tenth/1', r) FROM (SELECT 0.1::numeric AS x) r), 1::float8, 'nor as numeric');
SELECT is((SELECT mlops.predict('inputs_tenth/1', r) FROM (SELECT 0.1::real AS x) r), 1::float8, 'nor as real');
SELECT is(mlops.predict('inputs_tenth/1', ARRAY[0.0999999999::float8]), 1::float8, 'nor what real cannot tell from it');
SELECT is(mlops.predict('inputs_tenth/1', ARRAY[0.09999999::float8]), -1::float8, 'what real can tell is');

SELECT is(mlops.predict('inputs_zero/1', ARRAY['-0'::float8]), 1::float8, 'minus zero is zero');
SELECT is(mlops.predict('inputs_zero/1', ARRAY[-1e-45::float8]), -1::float8, 'the least number of real is less');
SELECT is(mlops.predict('inputs_zero/1', ARRAY[-1e-300::float8]), 1::float8, 'what real has as zero is zero');
SELECT is(mlops.predict('inputs_zero/1', ARRAY[-1e308::float8]), -1::float8, 'what is beyond real is less than all');
SELECT is(mlops.predict('inputs_zero/1', ARRAY[1e308::float8]), 1::float8, 'or greater');
SELECT is((SELECT mlops.predict('inputs_zero/1', r) FROM (SELECT -1e1000::numeric AS x) r), -1::float8, 'also what is beyond double precision');
SELECT is((SELECT mlops.predict('inputs_zero/1', r) FROM (SELECT 'NaN'::numeric AS x) r), 1::float8, 'a numeric that is no number is missing');

-- real has every second integer here
SELECT is(mlops.predict('inputs_integer/1', ARRAY[16777217::float8]), -1::float8, '16777217 is rounded to even, down');
SELECT is((SELECT mlops.predict('inputs_integer/1', r) FROM (SELECT 16777217::integer AS x) r), -1::float8, 'as an integer');
-- double precision would round this one to the middle of two of real, and real then down
SELECT mlops.import_model('inputs_integer', pg_temp.stumps('{x}', '{0}', '{1152921642045800448}', '{-1}', '{1}', 'reg:squarederror')) \g /dev/null
SELECT is((SELECT mlops.predict('inputs_integer/2', r) FROM (SELECT 1152921573326323713::bigint AS x) r), 1::float8,
          'a bigint is rounded once');

-- 1,600 features, the most columns of a table
SELECT mlops.import_model('inputs_wide', pg_temp.stumps((SELECT array_agg('c' || i ORDER BY i) FROM generate_series(1, 1600) i),
    (SELECT array_agg(i - 1 ORDER BY i) FROM generate_series(1, 1600) i),
    array_fill(0.5::float8, ARRAY[1600]), array_fill(0::float8, ARRAY[1600]), array_fill(1::float8, ARRAY[1600]), 'reg:squarederror')) \g /dev/null
DO $$ BEGIN
    EXECUTE 'CREATE TEMPORARY TABLE wide (' || (SELECT string_agg('c' || i || ' boolean', ', ' ORDER BY i DESC) FROM generate_series(1, 1600) i) || ')';
    EXECUTE 'INSERT INTO wide VALUES (' || (SELECT string_agg(CASE WHEN i % 4 = 0 THEN 'true' WHEN i % 4 = 1 THEN 'NULL' ELSE 'false' END, ', ')
                                            FROM generate_series(1, 1600) i) || ')';
END $$;
SELECT is((SELECT mlops.predict('inputs_wide/1', w) FROM wide w), 800::float8, 'a row of 1,600 columns');
SELECT is(mlops.predict('inputs_wide/1', array_fill(1::float8, ARRAY[1600])), 1600::float8, 'an array of as many');
SELECT is(mlops.predict('inputs_wide/1', array_fill(NULL::float8, ARRAY[1600])), 1600::float8, 'of NULL');
SELECT is((SELECT mlops.predict('inputs_wide/1', jsonb_object_agg('c' || i, i % 2)) FROM generate_series(1, 1600) i), 800::float8, 'an object of as many');

-- compressed, and out of line
CREATE TEMPORARY TABLE stored (id integer, x float8[], j jsonb);
ALTER TABLE stored ALTER x SET STORAGE EXTERNAL;
INSERT INTO stored SELECT 1, array_fill(1::float8, ARRAY[1600]), jsonb_object_agg('c' || i, repeat('0', 300)::numeric) FROM generate_series(1, 1600) i;
SELECT is((SELECT mlops.predict('inputs_wide/1', x) FROM stored), 1600::float8, 'an array out of line');
SELECT is((SELECT mlops.predict('inputs_wide/1', j) FROM stored), 0::float8, 'a compressed object');

SELECT * FROM finish();
ROLLBACK;
