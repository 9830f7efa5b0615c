--
-- Settings: which values they take.
\set ECHO none
\set QUIET 1
\set top `pwd`
\ir ../fixtures/stump.sql
BEGIN;
SELECT plan(17);

SELECT is(current_setting('mlops.simd'), 'auto', 'mlops.simd takes the best by default');
SELECT lives_ok('SET LOCAL mlops.simd = plain', 'plain C is everywhere');
SELECT is(current_setting('mlops.simd'), 'plain', 'and it is set');
SELECT throws_ok('SET LOCAL mlops.simd = sse9', '22023', 'invalid value for parameter "mlops.simd": "sse9"', 'another name is refused');

-- what the machine lacks is refused, and says so
CREATE FUNCTION pg_temp.set_simd(value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text;
    detail text;
    hint text;
BEGIN
    PERFORM set_config('mlops.simd', value, true);
    RETURN 'set';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', state, detail, hint);
END $$;
SELECT matches(pg_temp.set_simd('avx2'),
    '^(set|22023 \| The processor of this machine has no AVX2\. \| Available are auto, plain\.)$', 'avx2, if the machine has it');
SELECT matches(pg_temp.set_simd('avx512'),
    '^(set|22023 \| The processor of this machine has no AVX-512 \(F and BW\)\. \| Available are auto, (avx2, )?plain\.)$', 'avx512, if the machine has it');

-- by whatever instructions: the same scores, row by row and in batches
SELECT mlops.import_model('settings_simd', pg_temp.stumps('{a,b,c}',
    (SELECT array_agg(k % 3 ORDER BY k) FROM generate_series(1, 200) k),
    (SELECT array_agg((k - 100)::float8 / 8 ORDER BY k) FROM generate_series(1, 200) k),
    (SELECT array_agg(sin(k) ORDER BY k) FROM generate_series(1, 200) k),
    (SELECT array_agg(cos(k) ORDER BY k) FROM generate_series(1, 200) k))) \g /dev/null
SELECT mlops.import_model('settings_wide',
    pg_read_binary_file(:'top' || '/test/fixtures/lightgbm/binary.txt')::mlops.artifact) \g /dev/null
CREATE TEMPORARY TABLE scored AS
    SELECT model, array_agg(features ORDER BY i) AS rows, array_agg(mlops.predict(model, features) ORDER BY i) AS scores
    FROM (SELECT 'settings_simd/1'::mlops.modelref AS model, i,
                 ARRAY[i / 8.0 - 12, nullif(25 - i / 4.0, 0), CASE WHEN i % 7 = 0 THEN NULL WHEN i % 11 = 0 THEN '-Infinity' ELSE sin(i) * 12 END]::float8[] AS features
          FROM generate_series(1, 1100) i
          UNION ALL
          SELECT 'settings_wide/1', i, (SELECT array_agg(CASE WHEN (i + k) % 13 = 0 THEN NULL ELSE sin(i * k) * 3 END ORDER BY k)
                                        FROM generate_series(1, 3) k)
          FROM generate_series(1, 1100) i) r
    GROUP BY model;
SELECT is(count(*), 2::bigint, 'two models') FROM scored WHERE cardinality(scores) = 1100;
SELECT is((SELECT array_agg(mlops.predict_batch(model, rows) = scores) FROM scored WHERE pg_temp.set_simd(simd) = 'set'),
          '{t,t}', 'scores by ' || simd) FROM unnest('{auto,plain}'::text[]) simd;
SELECT is((SELECT count(*) FROM unnest('{avx2,avx512}'::text[]) simd, scored
           WHERE pg_temp.set_simd(simd) = 'set' AND mlops.predict_batch(model, rows) <> scores), 0::bigint, 'and by those that the machine has');

--
-- doc/settings.md says what the server does.  A cell "the same" is that of the
-- row above.
--
\set page `cat doc/settings.md`
CREATE TEMPORARY TABLE documented AS
    WITH line AS (
        SELECT n, regexp_split_to_array(line, '\s*\|\s*') AS cell
        FROM regexp_split_to_table(:'page', '\n') WITH ORDINALITY l (line, n)
        WHERE line LIKE '| `mlops.%'),
    filled AS (
        SELECT n, cell, (SELECT f.cell[6] FROM line f WHERE f.n <= l.n AND f.cell[6] <> 'the same' ORDER BY f.n DESC LIMIT 1) AS who
        FROM line l)
    SELECT n, trim(cell[2], '`') AS name, nullif(cell[3], '') AS unit, trim(cell[4], '`') AS value, cell[5] AS range,
           CASE who WHEN 'everybody' THEN 'user' WHEN 'superusers' THEN 'superuser'
                    WHEN 'the configuration file or `ALTER SYSTEM`, and a reload' THEN 'sighup'
                    WHEN 'the configuration file, and a restart' THEN 'postmaster' ELSE who END AS context
    FROM filled;
-- a number with or without a unit, in the unit of the setting
CREATE FUNCTION pg_temp.amount(value text, unit text) RETURNS numeric LANGUAGE sql AS $$
    SELECT CASE WHEN value !~ '^\d+( [A-Za-z]+)?$' THEN NULL WHEN value ~ '^\d+$' THEN value::numeric
                WHEN unit = 'kB' THEN pg_size_bytes(value)::numeric / 1024
                WHEN unit = 's' THEN extract(epoch FROM value::interval)
                WHEN unit = 'min' THEN extract(epoch FROM value::interval) / 60 END $$;
SELECT results_eq('SELECT name FROM documented ORDER BY name COLLATE "C"',
                  $$SELECT name FROM pg_settings WHERE name LIKE 'mlops.%' ORDER BY name COLLATE "C"$$, 'every setting is in doc/settings.md, once');
SELECT is((SELECT count(*) FROM documented WHERE pg_temp.amount(value, unit) IS NOT NULL) > 10, true, 'of whose defaults many are numbers');
SELECT is_empty('SELECT name, d.unit, s.unit FROM documented d JOIN pg_settings s USING (name) WHERE d.unit IS DISTINCT FROM s.unit', 'with its unit');
SELECT is_empty('SELECT name, d.context, s.context FROM documented d JOIN pg_settings s USING (name) WHERE d.context <> s.context', 'who can set it and how');
SELECT is_empty($$SELECT name, d.value, s.boot_val FROM documented d JOIN pg_settings s USING (name)
    WHERE CASE WHEN s.vartype IN ('integer', 'real') THEN pg_temp.amount(d.value, d.unit) IS DISTINCT FROM s.boot_val::numeric
               ELSE d.value <> coalesce(nullif(s.boot_val, ''), 'empty') END$$, 'its default');
SELECT is_empty($$SELECT name, d.range, s.min_val, s.max_val FROM documented d JOIN pg_settings s USING (name)
    WHERE s.vartype = 'integer'
      AND (pg_temp.amount(split_part(split_part(d.range, ' to ', 1), ' and up', 1), d.unit) IS DISTINCT FROM s.min_val::numeric
           OR (d.range LIKE '% to %' AND pg_temp.amount(split_part(d.range, ' to ', 2), d.unit) IS DISTINCT FROM s.max_val::numeric)
           OR (d.range LIKE '% and up' AND s.max_val::numeric < 2000000000)
           OR d.range !~ ' to | and up$')$$, 'the range of a number');
SELECT is_empty($$SELECT name, d.range, s.enumvals FROM documented d JOIN pg_settings s USING (name)
    WHERE s.vartype IN ('enum', 'bool') AND d.range <> ''
      AND replace(d.range, '`', '') <> array_to_string(coalesce(s.enumvals, '{on,off}'), ', ')$$, 'and what there is to choose from');

SELECT * FROM finish();
ROLLBACK;
