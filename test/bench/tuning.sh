#!/usr/bin/env bash
# What a search of 50 trials costs beside its trainings, as a share of these,
# and how often it reads the table: once. The trainings' time is that which the
# backend waited for each answer to a train command, the other the rest of the
# statement: reading, loading, making of matrices, scoring, measuring, recording,
# committing, and the registration of the best. Both are of one run. Needs a
# server (PGHOST, PGPORT) with the extension installed, and a superuser.
set -euo pipefail

rows=${ROWS:-50000}
columns=28
rounds=${ROUNDS:-50}
trials=${TRIALS:-50}
trap 'psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_tuning"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_tuning' -c 'CREATE DATABASE bench_tuning'
export PGDATABASE=bench_tuning

list=$(seq -s, -f 'x%g' 1 $columns)
{
	echo "CREATE EXTENSION mlops; SELECT setseed(0.5);"
	echo "CREATE TABLE t AS SELECT i AS id,"
	for i in $(seq 1 $columns); do
		echo "CASE WHEN random() < 0.02 THEN NULL ELSE random()::float4 + random()::float4 END AS x$i,"
	done
	echo "random() AS noise FROM generate_series(1, $rows) i;"
	echo "ALTER TABLE t ADD COLUMN y boolean;"
	echo "UPDATE t SET y = coalesce(x1, 1) * coalesce(x2, 1) + coalesce(x3, 1) - coalesce(x4, 1) * 0.5 + noise > 1.9;"
	echo "VACUUM (FULL, ANALYZE) t;"
} | psql -Xqo /dev/null -v ON_ERROR_STOP=1

psql -XAtq -v ON_ERROR_STOP=1 << SQL
SET mlops.train_nice = 0;
SET max_parallel_workers_per_gather = 0;
SET stats_fetch_consistency = none;
SELECT pg_stat_force_next_flush();
SELECT seq_scan AS before FROM pg_stat_user_tables WHERE relname = 't' \\gset
SELECT clock_timestamp() AS start \\gset
CALL mlops.tune('bench', 'SELECT id, $list, y FROM t', 'y',
    '{"max_depth": {"low": 3, "high": 7, "int": true}, "eta": {"low": 0.02, "high": 0.3, "log": true}, "subsample": {"low": 0.6, "high": 1}}',
    trials => $trials, folds => 3, rounds => $rounds, key => 'id') \\gset
SELECT extract(epoch FROM clock_timestamp() - :'start') AS whole \\gset
SELECT pg_stat_force_next_flush();
SELECT sum((record->'seconds'->>'boosting')::float8) AS boosting FROM mlops.runs WHERE model = 'bench' AND kind IN ('trial', 'train') \\gset
SELECT format(E'%s trials of 3 folds, %s rows\nstatement   %s s\ntrainings   %s s\noverhead / trainings  %s\t(at most 0.05)\nscans of the table    %s\t(at most 1)',
              :trials_done, $rows, round(:whole::numeric, 3), round(:boosting::numeric, 3),
              round((:whole / :boosting - 1)::numeric, 4), (SELECT seq_scan - :before FROM pg_stat_user_tables WHERE relname = 't'));
SQL
