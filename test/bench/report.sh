#!/usr/bin/env bash
# Pages of a model with 100 features and a year of daily checks of drift and
# performance: seconds and kilobytes of mlops.report_html() and
# mlops.monitor_html(), the best of some runs, beside a peer that only reads
# and counts the same results.  Needs a server (PGHOST, PGPORT) with the
# extension installed.
set -euo pipefail

runs=${RUNS:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"; psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_report"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_report' -c 'CREATE DATABASE bench_report'
export PGDATABASE=bench_report
psql -Xq -v ON_ERROR_STOP=1 -o /dev/null << 'SQL'
CREATE EXTENSION mlops;
SELECT format('CREATE TABLE wide AS SELECT i AS id, timestamptz ''2025-01-01 00:00+00'' + i * interval ''12 minutes'' AS at, i %% 2 = 0 AS bad, %s FROM generate_series(1, 43800) i',
              string_agg(format('((i::bigint * %s) %% 1009)::float8 AS f%s', 7919 + j * 2, j), ', ')) FROM generate_series(1, 100) j \gexec
SELECT mlops.train('wide', 'SELECT * FROM wide WHERE id <= 5000', 'bad', key => 'id', features => ARRAY(SELECT 'f' || i FROM generate_series(1, 100) i), rounds => 50);
SELECT mlops.promote('wide/1', reason => 'benchmark');
SELECT mlops.create_monitor('wide', 'wide', 'wide', 'at', '1 day', key => '{id}', label => 'bad');
SELECT mlops.add_check('wide', 'drift'), mlops.add_check('wide', 'performance');
SET TimeZone = 'UTC';
SELECT mlops.backfill_monitor('wide', '2025-01-01', '2026-01-01');
VACUUM ANALYZE;
SQL

# seconds, on a line of its own, of a statement, and its value
timed() {
	echo "SELECT clock_timestamp() AS start \\gset"
	echo "SELECT '$1', ($2), extract(epoch FROM clock_timestamp() - :'start');"
}
{
	for ((run = 0; run < runs; run++)); do
		timed report "SELECT octet_length(mlops.report_html(''wide''))"
		timed monitor "SELECT octet_length(mlops.monitor_html(''wide''))"
		timed results "SELECT count(definition) FROM mlops.check_results WHERE monitor = ''wide''"
	done
} | sed "s/''/'/g" | psql -XAtq -v ON_ERROR_STOP=1 -F ' ' > "$work/result"

awk '{ size[$1] = $2; if (!($1 in best) || $3 < best[$1]) best[$1] = $3 }
END {
	printf "results of a year: %d, read in %.3f s\n", size["results"], best["results"]
	printf "mlops.report_html   %7.3f s\t(under 1)\n", best["report"]
	printf "mlops.report_html   %7.1f kB\t(under 300)\n", size["report"] / 1000
	printf "mlops.monitor_html  %7.3f s\t(under 1)\n", best["monitor"]
	printf "mlops.monitor_html  %7.1f kB\t(under 300)\n", size["monitor"] / 1000
	printf "monitor_html / reading its results %6.2f\n", best["monitor"] / best["results"]
}' "$work/result"
