--
-- Settings: which values they take.
\set ECHO none
\set QUIET 1
\set top `pwd`
\ir ../fixtures/stump.sql
BEGIN;
SELECT plan(10);

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

SELECT * FROM finish();
ROLLBACK;
