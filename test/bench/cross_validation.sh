#!/usr/bin/env bash
# The time of mlops.cross_validate() over 200,000 rows of 28 columns, 5 folds of
# 100 rounds of depth 6, as a ratio to xgboost.cv in Python of the same rows on
# as many threads, in the same run. The peer's rows come from the server by
# COPY, which is what the promise is about, or lie ready in memory as float32.
# Needs a server (PGHOST, PGPORT) with the extension installed, a superuser, and
# PYTHON, a Python with xgboost and numpy.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

rows=${ROWS:-200000}
threads=${THREADS:-1}
columns=28
rounds=100
runs=${RUNS:-3}
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"; psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_cv"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_cv' -c 'CREATE DATABASE bench_cv'
export PGDATABASE=bench_cv

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

copy_rows() { psql -XAtq -c "COPY (SELECT $list, y::int FROM t) TO STDOUT (FORMAT text, NULL 'nan', DELIMITER ' ')"; }

# ours: seconds of the whole statement, those of the processor for the session
# and the training process, and the mean AUC
ours() {
	psql -XAtq -F ' ' -v ON_ERROR_STOP=1 << SQL | tail -n 1
SET mlops.train_threads = $threads;
SET mlops.train_nice = 0;
SET max_parallel_workers_per_gather = 0;
SELECT clock_timestamp() AS start, pg_backend_pid() AS pid \\gset
\\setenv PID :pid
\\! cut -d ' ' -f 14-17 /proc/\$PID/stat | tr ' ' + > $work/before
SELECT mean, run FROM mlops.cross_validate('SELECT id, $list, y FROM t', 'y',
    '{"max_depth": 6, "eta": 0.1, "eval_metric": "auc"}', rounds => $rounds, key => 'id', metrics => '{auc}') \\gset
SELECT extract(epoch FROM clock_timestamp() - :'start') AS whole \\gset
\\! cut -d ' ' -f 14-17 /proc/\$PID/stat | tr ' ' + > $work/after
\\set processor \`awk "BEGIN { print (\$(cat $work/after) - (\$(cat $work/before))) / \$(getconf CLK_TCK) }"\`
SELECT :whole, :processor, :mean;
SQL
}

# Each run is a pair, one after the other, and the pair with the median ratio
# counts: what else the machine does weighs on both.
for kind in copy memory; do
	for ((run = 0; run < runs; run++)); do
		read -r whole ours mean < <(ours)
		if [ $kind = copy ]; then
			read -r load rest theirs auc version < <(copy_rows | OMP_NUM_THREADS=$threads "$python" cross_validation.py $rounds "$threads" $columns - "$work/rows.npy")
		else
			read -r load rest theirs auc version < <(OMP_NUM_THREADS=$threads "$python" cross_validation.py $rounds "$threads" $columns "$work/rows.npy")
		fi
		echo "$(awk "BEGIN { print $whole / ($load + $rest) }") $whole $mean $load $rest $auc $version $ours $theirs"
	done > "$work/pairs"
	sort -n "$work/pairs" | sed -n "$(((runs + 1) / 2))p" | awk -v kind=$kind -v threads="$threads" -v limit="$([ $kind = copy ] && echo '(at most 1.15)')" '{
		printf "%s, %d thread(s), xgboost %s\n", kind == "copy" ? "rows by COPY" : "rows in memory", threads, $7
		printf "mlops.cross_validate  %8.3f s\tauc %.6f\n", $2, $3
		printf "xgboost.cv            %8.3f s\tauc %.6f\tloading %.3f\n", $4 + $5, $6, $4
		printf "ratio                 %8.2f\t%s\n", $1, limit
		printf "of processor time     %8.2f\t%.2f s / %.2f s\n", $8 / $9, $8, $9
	}'
done
