#!/usr/bin/env bash
# Memory and time of mlops.train() with a quantised matrix over 20,000,000 rows
# of 30 columns, for which the aim is 2 GB: the peaks of the training process (its
# resident memory and its address space, which is what is limited) and of the
# server process (what is its own, without shared memory and files), also for a
# hundredth of the rows.  Needs a server (PGHOST, PGPORT) on this machine with the
# extension installed, a superuser who may read /proc of its processes, and
# some 8 GB for temporary files.
set -euo pipefail

rows=${ROWS:-20000000}
columns=30
rounds=${ROUNDS:-3}
limit=${LIMIT:-4GB}
work=$(mktemp -d)
trap 'rm -rf "$work"; psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_large"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_large' -c 'CREATE DATABASE bench_large'
export PGDATABASE=bench_large
psql -Xq -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION mlops'

# a value of a status file in kB, 0 once the process is gone
value() {
	awk -v name="$2:" '$1 == name { v = $2 } END { print v + 0 }' "/proc/$1/status" 2> /dev/null || echo 0
}

# train ROWS
train() {
	local list query server trainer own=0 peak=0 space=0 now
	list=$(for i in $(seq 1 $columns); do
		printf '(hashint8(i * %d + %d) & 65535)::real AS x%d, ' $((2 * i + 1)) "$i" "$i"
	done)
	query="SELECT i AS id, ${list}hashint8(i * 3 + 1) & 65535 > 30000 AND hashint8(i * 5 + 2) & 65535 > 20000 AS y FROM generate_series(1, $1::bigint) i"
	psql -XAtq -v ON_ERROR_STOP=1 > "$work/out" << SQL &
SELECT pg_backend_pid() AS pid \\g $work/pid
SET mlops.train_memory_limit = '$limit';
SET mlops.train_nice = 0;
SELECT clock_timestamp() AS start \\gset
SELECT version FROM mlops.train('large', '$query', 'y', '{"max_depth": 6}', key => 'id', rounds => $rounds, split => '{"test": 0.01}', matrix => 'quantile') \\gset
SELECT round(extract(epoch FROM clock_timestamp() - :'start')), record->'rows'->>'train', round((metrics->>'auc')::numeric, 4),
       round((record->'seconds'->>'reading')::numeric), round((record->'seconds'->>'boosting')::numeric)
FROM mlops.runs WHERE model = 'large' AND version = :version;
SQL
	local client=$!
	while [ ! -s "$work/pid" ]; do sleep 0.1; done
	server=$(tr -dc 0-9 < "$work/pid")
	rm "$work/pid"
	while kill -0 $client 2> /dev/null; do
		now=$(value "$server" RssAnon)
		[ "$now" -gt "$own" ] && own=$now
		for trainer in $(pgrep -P "$server" || true); do
			now=$(value "$trainer" VmHWM)
			[ "$now" -gt "$peak" ] && peak=$now
			now=$(value "$trainer" VmPeak)
			[ "$now" -gt "$space" ] && space=$now
		done
		sleep 0.2
	done
	wait $client
	IFS='|' read -r seconds trained auc reading boosting < "$work/out"
	printf '%d rows of %d columns, %d rounds, AUC %s: %d s, of which reading %d, training process %d\n' \
		"$trained" $columns "$rounds" "$auc" "$seconds" "$reading" "$boosting"
	printf 'training process: address space, MB, limit %s  %d\n' "$limit" $((space / 1024))
	printf 'training process: resident, MB  %d\t(at most 2048)\n' $((peak / 1024))
	printf 'server process: memory of its own, MB  %d\t(at most 256)\n' $((own / 1024))
}

train $((rows / 100))
train "$rows"
