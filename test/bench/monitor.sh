#!/usr/bin/env bash
# A run of a monitor over all rows of a table of 28 columns: drift of every
# feature and of the scores, which it computes, with a model of 100 trees of
# depth 6, and data quality with key and time.  The time is a ratio to that of
# count, min, max, avg and stddev of the same columns, both with two parallel
# workers, in turn; the fastest turn of each counts, since whatever else the
# machine does only makes one slower.  Memory is the peak of each process of
# the session, with the shared buffers that it has touched.
# Needs a server (PGHOST, PGPORT) with the extension installed.
set -euo pipefail

rows=${ROWS:-10000000}
runs=${RUNS:-2}
work=$(mktemp -d)
trap 'rm -rf "$work"; psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_monitor WITH (FORCE)"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_monitor WITH (FORCE)' -c 'CREATE DATABASE bench_monitor'
export PGDATABASE=bench_monitor

features=$(for i in $(seq 28); do
	case $((i % 4)) in
		0) printf 'CASE WHEN random() >= 0.02 THEN floor(random() * 100) END AS x%d, ' "$i" ;;
		*) printf 'CASE WHEN random() >= 0.02 THEN random() END AS x%d, ' "$i" ;;
	esac
done)
names=$(seq -s ', ' -f 'x%g' 28)
plain=$(for i in $(seq 28); do
	printf 'count(x%d), min(x%d), max(x%d), avg(x%d), stddev(x%d), ' "$i" "$i" "$i" "$i" "$i"
done)

psql -Xq -v ON_ERROR_STOP=1 << SQL
SET client_min_messages = warning;
CREATE EXTENSION mlops;
SELECT setseed(0.5) \\g /dev/null
CREATE UNLOGGED TABLE wide AS
SELECT ${features} i AS id, timestamptz '2026-01-01 00:00 UTC' + i * interval '1 ms' AS at FROM generate_series(1, $rows) AS i;
VACUUM ANALYZE wide;
SELECT mlops.train('bench', 'SELECT $names, coalesce(x1, 0.5) + coalesce(x2, 0.5) * coalesce(x4, 50) / 50 + random() > 1.5 AS y FROM wide WHERE id <= 200000',
                   'y', '{"max_depth": 6, "eta": 0.1}', rounds => 100) \\g /dev/null
SELECT mlops.promote('bench/1', reason => 'bench') \\g /dev/null
SELECT mlops.create_monitor('bench', 'bench', 'SELECT $names, id, at FROM wide', 'at', window_length => '1 day', key => '{id}', time_zone => 'UTC'),
       mlops.add_check('bench', 'drift'), mlops.add_check('bench', 'quality') \\g /dev/null
CREATE TABLE query (id integer, base integer, bound text, name text, text text);
INSERT INTO query VALUES
    (1, 1, '', 'count to stddev of columns', 'SELECT row(${plain%, })::text FROM wide'),
    (2, 1, '(at most 4)', 'run of the monitor', 'SELECT mlops.run_monitor(''bench'', ''2026-01-02 00:00 UTC'', again => true)'),
    (3, 1, '', 'drift and scores alone', 'SELECT count(*) FROM mlops.drift_report(''bench/1'', ''SELECT $names FROM wide'')'),
    (4, 1, '', 'quality of the columns alone', 'SELECT count(*) FROM mlops.quality_report(''SELECT $names FROM wide'', ''bench/1'')'),
    (5, 1, '', 'score of each row alone', 'SELECT sum(mlops.predict(''bench/1'', wide)) FROM wide');
CREATE UNLOGGED TABLE result (id integer, seconds float8, value text);
SQL

# peaks of the processes of the session while it runs: "process kB"
watch_memory() {
	local process pattern line
	while kill -0 "$1" 2> /dev/null; do
		for process in leader worker; do
			pattern='^postgres: .* bench_monitor '
			[ "$process" = leader ] || pattern='^postgres: parallel worker '
			grep -lsE "$pattern" /proc/[0-9]*/cmdline | while read -r line; do
				sed -n "s/^VmHWM:[[:space:]]*\([0-9]*\) kB/$process \1/p" "${line%cmdline}status" 2> /dev/null || true
			done || true
		done
		sleep 0.2
	done
}

psql -XAtq -v ON_ERROR_STOP=1 > "$work/result" << SQL &
SET jit = off;
SET max_parallel_workers_per_gather = 2;
DO \$\$
DECLARE
    q query;
    start timestamptz;
    value text;
BEGIN
    FOR run IN 1..$runs LOOP
        FOR q IN SELECT * FROM query ORDER BY id LOOP
            start := clock_timestamp();
            EXECUTE q.text INTO value;
            INSERT INTO result VALUES (q.id, extract(epoch FROM clock_timestamp() - start), value);
        END LOOP;
    END LOOP;
END
\$\$;
WITH fastest AS (
    SELECT id, base, bound, name, min(seconds) AS seconds
    FROM query JOIN result USING (id) GROUP BY id, base, bound, name)
SELECT rpad(m.name, 30) || to_char(m.seconds, '990.000') || ' s'
       || CASE WHEN m.id <> m.base THEN ', of ' || b.name || to_char(m.seconds / b.seconds, '990.00') || ' ' || m.bound ELSE '' END
FROM fastest m JOIN fastest b ON b.id = m.base ORDER BY m.id;
SELECT 'verdict of the monitor: ' || value FROM result WHERE id = 2 LIMIT 1;
SQL
session=$!
watch_memory "$session" > "$work/memory"
wait "$session"
cat "$work/result"
for process in leader worker; do
	awk -v process="$process" '$1 == process && $2 > most { most = $2 }
		END { printf "peak memory of the %s, MB %.0f (under 256)\n", process, most / 1024 }' "$work/memory"
done
echo "rows: $rows, processors: $(nproc), load at the end: $(cut -d' ' -f1 /proc/loadavg)"
