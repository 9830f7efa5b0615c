#!/usr/bin/env bash
# The cost of mlops.predict() in a query over 200,000 rows of 28 columns, with
# 100 trees of depth 6, in one process, as ratios against two peers in the same
# run: a query that sums each of the columns, and libxgboost's own batch
# prediction of the same rows on one thread.  Needs a server (PGHOST, PGPORT)
# with the extension installed, a compiler and libxgboost.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

rows=${ROWS:-200000}
columns=28
work=$(mktemp -d)
trap 'rm -rf "$work"; psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_scoring"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_scoring' -c 'CREATE DATABASE bench_scoring'
export PGDATABASE=bench_scoring

list=$(seq -s, -f 'x%g' 1 $columns)
sums=$(seq -s, -f 'sum(x%g)' 1 $columns)
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
	echo "SELECT mlops.train('bench', 'SELECT id, y, $list FROM t', 'y', '{\"max_depth\": 6, \"eta\": 0.1}', key => 'id', rounds => 100);"
	echo "SELECT mlops.promote('bench/1', reason => 'bench');"
} | psql -Xqo /dev/null -v ON_ERROR_STOP=1

# the medians of both queries, run in turn in one session
psql -XAtq -v ON_ERROR_STOP=1 -F ' ' > "$work/sql" << SQL
SET max_parallel_workers_per_gather = 0;
SET jit = off;
CREATE TEMPORARY TABLE result (query text, seconds float8);
DO \$\$
DECLARE
    query text;
    start timestamptz;
BEGIN
    FOR run IN 1..7 LOOP
        FOREACH query IN ARRAY ARRAY['SELECT $sums FROM t', 'SELECT count(mlops.predict(''bench'', t)) FROM t'] LOOP
            start := clock_timestamp();
            EXECUTE query;
            INSERT INTO result VALUES (query, extract(epoch FROM clock_timestamp() - start));
        END LOOP;
    END LOOP;
END
\$\$;
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) FROM result GROUP BY query ORDER BY query LIKE '%predict%';
SELECT sum(mlops.predict('bench', t)) FROM t;
SQL
{ read -r sum_seconds; read -r predict_seconds; read -r predict_sum; } < "$work/sql"

psql -XAtq -c "SELECT encode(mlops.export_model('bench'), 'hex')" | perl -ne 'chomp; print pack "H*", $_' > "$work/model.ubj"
psql -Xq -c "COPY (SELECT $list FROM t) TO STDOUT (FORMAT csv, NULL 'nan')" > "$work/rows.csv"
${CC:-cc} -O2 -o "$work/peer" scoring_peer.c -lxgboost
read -r peer_seconds peer_sum < <("$work/peer" "$work/model.ubj" $columns < "$work/rows.csv")

awk -v rows="$rows" -v sum="$sum_seconds" -v predict="$predict_seconds" -v peer="$peer_seconds" \
	-v ours="$predict_sum" -v theirs="$peer_sum" 'BEGIN {
	printf "sums of the columns     %8.3f us per row\n", sum / rows * 1e6
	printf "mlops.predict           %8.3f us per row\n", predict / rows * 1e6
	printf "libxgboost, in batch    %8.3f us per row\n", peer / rows * 1e6
	printf "predict / sums          %8.2f\t(at most 2.5)\n", predict / sum
	printf "libxgboost / predict    %8.2f\t(at least 1)\n", peer / predict
	printf "difference of the sums of the scores: %g\n", ours - theirs
}'
