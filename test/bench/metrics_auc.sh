#!/usr/bin/env bash
# The time of mlops.auc() over 10,000,000 rows, as a ratio to that of the
# server's own sort of the same scores, percentile_disc, in the same run.
# Needs a server (PGHOST, PGPORT) with the extension installed.
set -euo pipefail

rows=${ROWS:-10000000}
trap 'psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_metrics"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_metrics' -c 'CREATE DATABASE bench_metrics'
export PGDATABASE=bench_metrics

psql -Xq -v ON_ERROR_STOP=1 << SQL
CREATE EXTENSION mlops;
SELECT setseed(0.5) \\g /dev/null
CREATE UNLOGGED TABLE t AS
SELECT random() < score AS label, score FROM (SELECT random() AS score FROM generate_series(1, $rows)) AS s;
VACUUM ANALYZE t;
SQL

# the medians of all queries, run in turn in one session, with memory to sort in
psql -XAtq -v ON_ERROR_STOP=1 -F $'\t' << 'SQL'
SET work_mem = '1GB';
SET jit = off;
CREATE TEMPORARY TABLE query (id integer, name text, workers text, text text);
INSERT INTO query VALUES
    (1, 'percentile_disc', 0, 'SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY score) FROM t'),
    (2, 'auc', 0, 'SELECT mlops.auc(label, score) FROM t'),
    (3, 'auc, gini, ks, pr_auc', 0,
        'SELECT row(mlops.auc(label, score), mlops.gini(label, score), mlops.ks(label, score), mlops.pr_auc(label, score)) FROM t'),
    (4, 'auc, 2 workers', 2, 'SELECT mlops.auc(label, score) FROM t'),
    (5, 'log_loss, brier', 0, 'SELECT row(mlops.log_loss(label, score), mlops.brier(label, score)) FROM t'),
    (6, 'ece', 0, 'SELECT mlops.ece(label, score) FROM t'),
    (7, 'f1', 0, 'SELECT mlops.f1(label, score) FROM t'),
    (8, 'rmse, mae, r2', 0, 'SELECT row(mlops.rmse(score, 0.5), mlops.mae(score, 0.5), mlops.r2(score, 0.5)) FROM t'),
    (9, 'stddev', 0, 'SELECT stddev(score) FROM t');
CREATE TEMPORARY TABLE result (id integer, seconds float8);
DO $$
DECLARE
    q query;
    start timestamptz;
    value text;
BEGIN
    FOR run IN 1..3 LOOP
        FOR q IN SELECT * FROM query ORDER BY id LOOP
            PERFORM set_config('max_parallel_workers_per_gather', q.workers, true);
            start := clock_timestamp();
            EXECUTE q.text INTO value;
            INSERT INTO result VALUES (q.id, extract(epoch FROM clock_timestamp() - start));
        END LOOP;
    END LOOP;
END
$$;
SELECT rpad(name, 24) || to_char(seconds, '990.000') || ' s' || CASE WHEN id > 1 THEN
    to_char(seconds / first_value(seconds) OVER (ORDER BY id), '990.00') || ' of percentile_disc' || CASE WHEN id = 2 THEN ' (at most 2)' ELSE '' END ELSE '' END
FROM (SELECT id, name, percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS seconds FROM query JOIN result USING (id) GROUP BY id, name) AS m
ORDER BY id;
SQL
