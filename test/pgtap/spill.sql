-- Values in temporary files: where these reach their limit, an aggregate ends
-- with that error alone, and nothing stays behind.
BEGIN;
SELECT plan(5);

CREATE TEMPORARY TABLE score AS SELECT i % 2 = 0 AS label, ((i * 7919::bigint) % 100003)::float8 AS score FROM generate_series(1, 600000) i;
SET LOCAL work_mem = '64kB';
SET LOCAL max_parallel_workers_per_gather = 0;
CREATE FUNCTION pg_temp.files() RETURNS bigint LANGUAGE sql AS
    $$ SELECT count(*) FROM pg_ls_tmpdir() WHERE name LIKE 'pgsql\_tmp' || pg_backend_pid() || '.%' $$;
SELECT mlops.auc(label, score) AS auc FROM score \gset
SET LOCAL temp_file_limit = '1MB';
SELECT throws_ok('SELECT mlops.auc(label, score) FROM score', '53400', NULL, 'more than the limit of temporary files');
SELECT is(pg_temp.files(), 0::bigint, 'leaves none');
SET LOCAL temp_file_limit = '5500kB';
SELECT throws_ok('SELECT mlops.auc(label, score) FROM score', '53400', NULL, 'also where runs are merged');
SELECT is(pg_temp.files(), 0::bigint, 'leaves none');
SET LOCAL temp_file_limit = -1;
SELECT is((SELECT mlops.auc(label, score) FROM score), :auc::float8, 'without one there is a result');

SELECT * FROM finish();
ROLLBACK;
