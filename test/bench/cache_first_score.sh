#!/usr/bin/env bash
# What the first score of a new connection costs, with a model of 500 trees and
# 28 features that is in the shared cache, as milliseconds and as ratios against
# two peers in the same run: the same without the shared cache, where the
# session reads the model itself; and the first look-up of a row by its key,
# which has to read as many catalogues.  Needs a server (PGHOST, PGPORT) that
# has preloaded mlops, a superuser, a compiler and libpq.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

connections=${CONNECTIONS:-100}
columns=28
work=$(mktemp -d)
export PGDATABASE=bench_cache

cache_size() {
	psql -Xq -v ON_ERROR_STOP=1 -d postgres -c "ALTER SYSTEM $1" -c 'SELECT pg_reload_conf()' > /dev/null
	sleep 1
}
trap 'rm -rf "$work"; cache_size "RESET mlops.shared_cache_size"; psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_cache"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_cache' -c 'CREATE DATABASE bench_cache'
{
	echo "CREATE EXTENSION mlops; SELECT setseed(0.5);"
	echo "CREATE TABLE t AS SELECT i AS id,"
	for i in $(seq 1 $columns); do
		echo "random()::float4 AS x$i,"
	done
	echo "random() AS noise FROM generate_series(1, 20000) i;"
	echo "ALTER TABLE t ADD COLUMN y boolean;"
	echo "UPDATE t SET y = x1 * x2 + x3 - x4 * 0.5 + noise > 0.9;"
	echo "ALTER TABLE t ADD PRIMARY KEY (id); VACUUM (FULL, ANALYZE) t;"
	echo "SELECT mlops.train('bench', 'SELECT id, y, $(seq -s, -f 'x%g' 1 $columns) FROM t', 'y', '{\"max_depth\": 6}', key => 'id', rounds => 500);"
	echo "SELECT mlops.promote('bench/1', reason => 'bench');"
} | psql -Xqo /dev/null -v ON_ERROR_STOP=1
${CC:-cc} -O2 -I"$("${PG_CONFIG:-pg_config}" --includedir)" -o "$work/first_score" first_score.c \
	-L"$("${PG_CONFIG:-pg_config}" --libdir)" -lpq

array=$(seq -s, -f '0.%02g' 1 $columns)
measure() {
	"$work/first_score" '' "$connections" "$1" | { read -r q1 m1 q2 m2; printf '%-34s %8.3f %8.3f %10.3f %8.3f\n' "$2" "$q1" "$m1" "$q2" "$m2"; }
}
printf '%-34s %8s %8s %10s %8s\n' "milliseconds, $connections connections" 'first' '' 'second' '' '' 'quartile' 'median' 'quartile' 'median'
{
	measure 'SELECT 1' 'SELECT 1'
	measure 'SELECT x1 FROM t WHERE id = 7' 'a row by its key'
	psql -XAtqc "SELECT mlops.preload('bench')" > /dev/null
	measure "SELECT mlops.predict('bench', '{$array}'::float8[])" 'score, shared cache'
	measure "SELECT mlops.predict('bench', t) FROM t WHERE id = 7" 'score of a row by its key, shared'
	connections=$((connections / 10 + 1))
	cache_size 'SET mlops.shared_cache_size = 0'
	measure "SELECT mlops.predict('bench', '{$array}'::float8[])" 'score, no shared cache'
} | tee "$work/table"
awk '/^a row/ { key = $(NF - 2) } /^score, shared/ { shared = $(NF - 2) } /^score, no/ { own = $(NF - 2) } END {
	printf "first score of a cached model %8.3f ms\t(under 1)\n", shared
	printf "no shared cache / shared      %8.1f\n", own / shared
	printf "shared / a row by its key     %8.2f\n", shared / key
}' "$work/table"
