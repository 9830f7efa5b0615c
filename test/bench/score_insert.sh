#!/usr/bin/env bash
# mlops.score() against two peers that fill a table with the same columns and
# primary key, in one process: INSERT ... SELECT mlops.predict(...), and INSERT
# ... SELECT of constants, which is what PostgreSQL needs for the writing; of 28
# columns, with 100 trees of depth 6.  And mlops.score_batches(), and a run that
# finds everything done.  They run in turn; the best of each counts.  Needs a
# server (PGHOST, PGPORT) with the extension installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

rows=${ROWS:-300000}
runs=${RUNS:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"; psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_score"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_score' -c 'CREATE DATABASE bench_score'
export PGDATABASE=bench_score
psql -Xqo /dev/null -v rows="$rows" -f score_table.sql

# seconds, on a line of its own, of a statement
timed() {
	echo "SELECT clock_timestamp() AS start \\gset"
	echo "$1 \\g /dev/null"
	echo "SELECT '$2', extract(epoch FROM clock_timestamp() - :'start');"
}

{
	echo "SET jit = off; SET max_parallel_workers_per_gather = 0;"
	for ((run = 0; run < runs; run++)); do
		echo "SET client_min_messages = warning; DROP TABLE IF EXISTS peer, constants, ours, batches;"
		echo "CREATE TABLE peer (id integer, model text NOT NULL, version integer NOT NULL, score double precision, class text,
			scored_at timestamptz NOT NULL, PRIMARY KEY (id, model, version));"
		echo "CREATE TABLE constants (LIKE peer INCLUDING ALL);"
		timed "INSERT INTO constants SELECT id, 'bench', 1, 0.5, 'false', now() FROM t" constants
		timed "INSERT INTO peer SELECT id, 'bench', 1, mlops.predict('bench', t), mlops.predict_class('bench', t), now() FROM t" peer
		timed "SELECT mlops.score('bench', 't', 'ours', 'id')" score
		timed "CALL mlops.score_batches('bench', 't', 'batches', 'id')" batches
		timed "SELECT mlops.score('bench', 't', 'ours', 'id')" again
	done
	echo "SELECT 'different', count(*) FROM peer p FULL JOIN ours o USING (id) WHERE p.score IS DISTINCT FROM o.score OR p.class IS DISTINCT FROM o.class;"
} | psql -XAtq -v ON_ERROR_STOP=1 -F ' ' > "$work/result"

awk -v rows="$rows" '{ if (!($1 in best) || $2 < best[$1]) best[$1] = $2 }
END {
	printf "INSERT of constants       %8.3f us per row\n", best["constants"] / rows * 1e6
	printf "INSERT ... SELECT predict %8.3f us per row\n", best["peer"] / rows * 1e6
	printf "mlops.score               %8.3f us per row\n", best["score"] / rows * 1e6
	printf "mlops.score_batches       %8.3f us per row\n", best["batches"] / rows * 1e6
	printf "mlops.score, all done     %8.3f us per row\n", best["again"] / rows * 1e6
	printf "INSERT ... SELECT / score   %6.2f\n", best["peer"] / best["score"]
	printf "score / INSERT of constants %6.2f\n", best["score"] / best["constants"]
	printf "different rows: %d\n", best["different"]
}' "$work/result"
