#!/usr/bin/env bash
# Jobs: how long after its time a run starts, with 10,000 jobs in 4 databases
# and 20 starts a second; what the launcher and the schedulers cost meanwhile
# and when nothing is due; the memory of an idle scheduler.  The peer is a new
# connection of psql to the same server, which has as much to set up as a
# worker.  Makes a server of its own, beside the one that it was given.
set -euo pipefail

databases=4
jobs=${JOBS:-10000}
rate=${RATE:-20}
seconds=${SECONDS_OF_LOAD:-30}
work=$(mktemp -d)
bin=$("${PG_CONFIG:-pg_config}" --bindir)
export PGHOST=$work PGPORT=5432 PGUSER=postgres
trap '"$bin/pg_ctl" -s -D "$work/data" -m immediate stop; rm -rf "$work"' EXIT

"$bin/initdb" -N --no-locale -E UTF8 -U postgres -A trust -D "$work/data" > /dev/null
cat >> "$work/data/postgresql.conf" << END
shared_preload_libraries = 'mlops'
listen_addresses = ''
unix_socket_directories = '$work'
max_worker_processes = 24
mlops.max_running_jobs = 12
mlops.max_running_jobs_per_database = 12
END
"$bin/pg_ctl" -s -w -D "$work/data" -l "$work/log" start

ask() { psql -XAtq -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }
each() { local i; for ((i = 1; i <= databases; i++)); do ask "bank$i" "$1"; done; }
# clock ticks (10 ms each) that our processes have used
ticks() {
	local pid sum=0 stat
	for pid in $(ask postgres "SELECT pid FROM pg_stat_activity WHERE backend_type IN ('mlops launcher', 'mlops scheduler')"); do
		stat=$(sed 's/.*) //' "/proc/$pid/stat" 2> /dev/null || echo 0 0 0 0 0 0 0 0 0 0 0 0 0)
		sum=$((sum + $(echo "$stat" | awk '{ print $12 + $13 }')))
	done
	echo "$sum"
}

for ((i = 1; i <= databases; i++)); do
	ask postgres "CREATE DATABASE bank$i"
	ask "bank$i" 'CREATE EXTENSION mlops'
done
each "SELECT count(mlops.schedule('far' || i, format('once at %s', to_char(now() AT TIME ZONE 'UTC' + interval '1 year' + i * interval '1 second', 'YYYY-MM-DD HH24:MI:SSZ')), 'SELECT 1'))
	FROM generate_series(1, $((jobs / databases)) - $((rate * seconds / databases))) i" > /dev/null
each 'VACUUM ANALYZE'

# idle SECONDS: percent of a core of the processes that are there
idle() {
	local before
	before=$(ticks)
	sleep "$1"
	awk "BEGIN { printf \"%.2f\", ($(ticks) - $before) / $1 }"
}
schedulers() { ask postgres "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mlops scheduler'"; }

until [ "$(schedulers)" = 0 ]; do sleep 0.2; done
echo 'connections when nothing is due: 1, of the launcher'
echo "% of a core of the launcher then $(idle 20) (under 2)"

# one job that runs keeps its scheduler there, with nothing to do
each "SELECT mlops.schedule('long', 'manual', 'SELECT pg_sleep(3600)'); SELECT mlops.run_job('long')" > /dev/null
until [ "$(schedulers)" = $databases ]; do sleep 0.2; done
sleep 2
echo "% of a core of the launcher and $databases schedulers that wait $(idle 20) (under 2)"
for pid in $(ask postgres "SELECT pid FROM pg_stat_activity WHERE backend_type = 'mlops scheduler'"); do
	awk '/^Pss:/ { pss = $2 } /^Private/ { private += $2 } END { print private / 1024, pss / 1024 }' "/proc/$pid/smaps_rollup"
done | awk '{ private += $1; pss += $2 } END {
	printf "memory of an idle scheduler: %.1f MB its own, %.1f MB with its share of what is shared\n", private / NR, pss / NR }'
each "SELECT mlops.cancel_job('long')" > /dev/null

begin=$(ask postgres "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '30 seconds', 'YYYY-MM-DD HH24:MI:SS')")
each "SELECT count(mlops.schedule(format('near%s-%s', s, i), format('once at %s', to_char(timestamp '$begin' + s * interval '1 second', 'YYYY-MM-DD HH24:MI:SSZ')), 'SELECT 1'))
	FROM generate_series(1, $seconds) s, generate_series(1, $((rate / databases))) i" > /dev/null
while [ "$(ask postgres "SELECT now() AT TIME ZONE 'UTC' < timestamp '$begin'")" = t ]; do sleep 0.2; done
before=$(ticks)
sleep $((seconds - 2))
echo "% of a core of launcher and schedulers under load: $(awk "BEGIN { printf \"%.1f\", ($(ticks) - $before) / ($seconds - 2.0) }")"
sleep 10
for ((i = 1; i <= databases; i++)); do
	ask "bank$i" "SELECT extract(epoch FROM started_at - scheduled_at) * 1000 FROM mlops.job_runs WHERE status = 'succeeded'"
done | sort -n | awk -v wanted=$((rate / databases * databases * seconds)) '{ v[NR] = $1 } END {
	if (NR < wanted) { print "runs are missing"; exit 1 }
	printf "start delay of %d runs: median %.1f ms, 99th percentile %.1f ms, longest %.1f ms\n", NR, v[int((NR + 1) / 2)], v[int(NR * 0.99)], v[NR] }'

each "SELECT 'not succeeded: ' || concat_ws(', ', status, sqlstate, message, count(*)) FROM mlops.job_runs WHERE status <> 'succeeded' AND job <> 'long' GROUP BY status, sqlstate, message"

for ((i = 0; i < 50; i++)); do
	start=$(date +%s%N)
	ask bank1 'SELECT 1' > /dev/null
	echo $((($(date +%s%N) - start) / 1000))
done | sort -n | awk '{ v[NR] = $1 } END { printf "peer, connect and SELECT 1 with psql: median %.1f ms\n", v[int(NR / 2)] / 1000 }'
