#!/usr/bin/env bash
# The hash of a snapshot against count(*) and sum(hashtext(row::text)) of the
# same rows, with the same parallel workers: time for each, and their ratio;
# and the time of a snapshot that has the profile of its columns too.
#
# ROWS (default 1000000) of 28 columns: integers, floats, numerics, texts,
# dates, booleans, some NULL.  Needs a server (PGHOST, PGPORT) with the extension
# installed.
set -euo pipefail

rows=${ROWS:-1000000}
psql=(psql -X -q -A -t -v ON_ERROR_STOP=1)
trap 'psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_snapshot"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_snapshot' -c 'CREATE DATABASE bench_snapshot'
export PGDATABASE=bench_snapshot

"${psql[@]}" <<SQL
CREATE EXTENSION mlops;
CREATE TABLE bench_wide AS
    SELECT i AS id, (i::bigint * 7919 % 100)::int AS a1, (i::bigint * 104729 % 9973)::int AS a2,
           random() AS f1, random() AS f2, random() AS f3, random() AS f4, random() AS f5, random() AS f6,
           random() AS f7, random() AS f8, random() AS f9, random() AS f10, random() AS f11, random() AS f12,
           random() AS f13, random() AS f14, random() AS f15, random() AS f16,
           CASE WHEN i % 5 = 0 THEN NULL ELSE random() END AS f17, random() AS f18,
           (random() * 1e4)::numeric(10, 2) AS n1, (random() * 1e4)::numeric(10, 2) AS n2,
           (ARRAY['car', 'home', 'travel'])[1 + i % 3] AS t1, (ARRAY['a', 'b'])[1 + i % 2] AS t2,
           date '2020-01-01' + i % 1000 AS d1, i % 2 = 0 AS b1, i % 7 = 0 AS b2
    FROM generate_series(1, $rows) i;
ALTER TABLE bench_wide SET (parallel_workers = 2);
VACUUM ANALYZE bench_wide;
SQL

# seconds QUERY WORKERS: the best of three runs, after one that warms up
seconds() {
	local start end best='' run
	for run in 0 1 2 3; do
		start=$(date +%s%N)
		"${psql[@]}" -c "SET jit = off; SET max_parallel_workers_per_gather = $2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0" \
			-c "$1" > /dev/null
		end=$(date +%s%N)
		if [ "$run" -gt 0 ] && { [ -z "$best" ] || [ $((end - start)) -lt "$best" ]; }; then
			best=$((end - start))
		fi
	done
	awk -v n="$best" 'BEGIN { printf "%.3f", n / 1e9 }'
}

printf '%s rows of 28 columns, seconds\n' "$rows"
for workers in 0 2; do
	peer=$(seconds 'SELECT count(*), sum(hashtext(t::text)) FROM bench_wide t' "$workers")
	hash=$(seconds 'SELECT mlops.content_hash(t) FROM bench_wide t' "$workers")
	whole=$(seconds "SELECT mlops.snapshot('bench', 'SELECT * FROM bench_wide', profile => false)" "$workers")
	profiled=$(seconds "SELECT mlops.snapshot('bench', 'SELECT * FROM bench_wide')" "$workers")
	name=$([ "$workers" = 0 ] && echo 'no workers' || echo 'two workers')
	printf '  %-12s count(*), sum(hashtext(row::text)) %s   content_hash(row) %s   snapshot() %s   with profile %s\n' "$name" "$peer" "$hash" "$whole" "$profiled"
	printf 'snapshot / hashtext of the same rows, %s %s (at most 2)\n' "$name" \
		"$(awk -v a="$whole" -v b="$peer" 'BEGIN { printf "%.2f", a / b }')"
done
