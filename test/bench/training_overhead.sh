#!/usr/bin/env bash
# The time of mlops.train() over 200,000 rows of 28 columns, 100 rounds of
# depth 6, as a ratio to libxgboost's own training from a matrix that lies
# ready in memory, on the same number of rows and threads, in the same run.
# Needs a server (PGHOST, PGPORT) with the extension installed, a superuser, a
# compiler and libxgboost.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

rows=${ROWS:-200000}
threads=${THREADS:-1}
columns=28
rounds=100
runs=${RUNS:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"; psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_training"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_training' -c 'CREATE DATABASE bench_training'
export PGDATABASE=bench_training

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

psql -XAtq -F ' ' -c "COPY (SELECT $list, y::int FROM t) TO STDOUT (FORMAT text, NULL 'nan', DELIMITER ' ')" |
	perl -ne 'print pack("f<*", split)' > "$work/floats"
${CC:-cc} -O2 -o "$work/ready" training_ready.c -lxgboost

# train SPLIT: seconds of the whole statement, of its steps, and training rows
train() {
	psql -XAtq -F ' ' -v ON_ERROR_STOP=1 << SQL | tail -n 1
SET mlops.train_threads = $threads;
SET mlops.train_nice = 0;
SET max_parallel_workers_per_gather = 0;
SELECT clock_timestamp() AS start \\gset
SELECT version FROM mlops.train('bench', 'SELECT $list, y FROM t', 'y', '{"max_depth": 6, "eta": 0.1}', rounds => $rounds, split => '$1') \\gset
SELECT extract(epoch FROM clock_timestamp() - :'start'), record->'seconds'->>'reading', record->'seconds'->>'boosting',
       record->'seconds'->>'scoring', record->'rows'->>'train'
FROM mlops.runs WHERE model = 'bench' AND version = :version;
SQL
}

# Each run is a pair, one after the other, and the pair with the median ratio
# counts: what else the machine does weighs on both.
for split in '{}' '{"test": 0.3}'; do
	for ((run = 0; run < runs; run++)); do
		read -r whole reading boosting scoring trained < <(train "$split")
		read -r matrix boost < <("$work/ready" "$trained" $columns $rounds "$threads" < "$work/floats")
		echo "$(awk "BEGIN { print $whole / $matrix }") $whole $reading $boosting $scoring $trained $matrix $boost"
	done > "$work/pairs"
	sort -n "$work/pairs" | sed -n "$(((runs + 1) / 2))p" | awk -v split_="$split" -v threads="$threads" '{
		printf "split %s: %d training rows, %d thread(s)\n", split_, $6, threads
		printf "mlops.train             %8.3f s: reading %.3f, training process %.3f, scoring %.3f\n", $2, $3, $4, $5
		printf "libxgboost              %8.3f s, of which boosting %.3f\n", $7, $8
		printf "mlops.train / libxgboost    %.2f\t(at most 1.3)\n", $1
		printf "mlops.train / its boosting  %.2f\n", $2 / $8
	}'
done
