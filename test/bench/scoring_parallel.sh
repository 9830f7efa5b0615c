#!/usr/bin/env bash
# mlops.predict() over all rows of a table of 28 columns, with 100 trees of
# depth 6: in one process, and in two parallel workers.  They run in turn; the
# best of each counts, since whatever else the machine does only makes one
# slower.  Needs a server (PGHOST, PGPORT) with the extension installed, and two
# processors with nothing else to do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

rows=${ROWS:-1000000}
runs=${RUNS:-7}
work=$(mktemp -d)
trap 'rm -rf "$work"; psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_parallel"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_parallel' -c 'CREATE DATABASE bench_parallel'
export PGDATABASE=bench_parallel
psql -Xqo /dev/null -v rows="$rows" -f score_table.sql

psql -XAtq -v ON_ERROR_STOP=1 -F ' ' > "$work/result" << SQL
SET jit = off;
SET parallel_leader_participation = off;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
ALTER TABLE t SET (parallel_workers = 2);
CREATE TEMPORARY TABLE result (workers integer, seconds float8, sum float8);
DO \$\$
DECLARE
    start timestamptz;
    total float8;
BEGIN
    FOR run IN 0..$runs LOOP
        FOR workers IN 0..2 BY 2 LOOP
            PERFORM set_config('max_parallel_workers_per_gather', workers::text, false);
            start := clock_timestamp();
            EXECUTE 'SELECT sum(mlops.predict(''bench'', t)) FROM t' INTO total;
            -- the first ones fill the caches
            IF run > 0 THEN
                INSERT INTO result VALUES (workers, extract(epoch FROM clock_timestamp() - start), total);
            END IF;
        END LOOP;
    END LOOP;
END
\$\$;
SELECT min(seconds), percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds), min(sum) FROM result GROUP BY workers ORDER BY workers;
SQL

{ read -r serial serial_median serial_sum; read -r parallel parallel_median parallel_sum; } < "$work/result"
awk -v rows="$rows" -v serial="$serial" -v parallel="$parallel" -v sm="$serial_median" -v pm="$parallel_median" \
	-v a="$serial_sum" -v b="$parallel_sum" -v processors="$(nproc)" -v load="$(cut -d' ' -f1 /proc/loadavg)" 'BEGIN {
	printf "one process             %8.3f us per row\n", serial / rows * 1e6
	printf "two parallel workers    %8.3f us per row\n", parallel / rows * 1e6
	printf "one process / two workers %6.2f\t(at least 1.8; of the medians %.2f)\n", serial / parallel, sm / pm
	printf "difference of the sums of the scores: %g\n", a - b
	printf "processors: %d, load at the end: %s\n", processors, load
}'
