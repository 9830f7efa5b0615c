--
-- Settings: which values they take.
\set ECHO none
\set QUIET 1
BEGIN;
SELECT plan(6);

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

SELECT * FROM finish();
ROLLBACK;
