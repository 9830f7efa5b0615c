#!/usr/bin/env bash
# The rate of mlops.verify_audit() on a log of 1,000,000 events, in one process:
# the chain alone, with the replay of its states and the guards (as by default),
# and against a checkpoint besides; and ratios against SQL doing the same work
# in the same run: hashing the same bytes when they lie ready in a table, and
# encoding and hashing the rows.  All events are of one alias, which the tables
# do not have: that is the one finding.
# Rates are by processor time, so that other work on the machine does not count.
# Needs a server on this machine (PGHOST, PGPORT) with the extension installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

events=${EVENTS:-1000000}
batch=10000
trap 'psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_audit"' EXIT
psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_audit' -c 'CREATE DATABASE bench_audit'
export PGDATABASE=bench_audit

psql -Xq -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION mlops' -f ../fixtures/audit_probe.sql
started=$(date +%s.%N)
for ((i = 0; i < events / batch; i++)); do
	echo "SELECT mlops.probe('alias.promote', $batch, 'credit_risk_retail', 'AUC on the hold-out set is higher by 0.01', '{\"auc\": 0.8123}');"
done | psql -XAtqo /dev/null -v ON_ERROR_STOP=1
ended=$(date +%s.%N)
psql -Xq -v ON_ERROR_STOP=1 -c 'CREATE TABLE ready AS SELECT mlops.audit_bytes(e) AS bytes FROM mlops.audit_event e' \
	-c 'VACUUM (ANALYZE) mlops.audit_event' -c 'VACUUM (ANALYZE) ready'

# the medians of all queries, run in turn in one session
psql -XAtq -v ON_ERROR_STOP=1 -v events="$events" -v written="$(echo "$ended $started" | awk '{ print $1 - $2 }')" << 'SQL'
SET max_parallel_workers_per_gather = 0;
SET jit = off;
CREATE TEMPORARY TABLE note AS SELECT mlops.audit_checkpoint() AS checkpoint;
CREATE TEMPORARY TABLE result (query integer, seconds float8);
CREATE FUNCTION pg_temp.processor_seconds() RETURNS float8 LANGUAGE sql VOLATILE AS $$
    SELECT (f[12]::float8 + f[13]::float8) / 100
    FROM string_to_array(regexp_replace(pg_read_file('/proc/self/stat'), '^.*\) ', ''), ' ') f
$$;
DO $$
DECLARE
    queries text[] := ARRAY['SELECT * FROM mlops.verify_audit()',
                            'SELECT count(sha256(bytes)) FROM ready',
                            'SELECT count(sha256(mlops.audit_bytes(e))) FROM mlops.audit_event e',
                            'SELECT * FROM mlops.verify_audit(checks => ''{}'')',
                            'SELECT v.* FROM note, mlops.verify_audit(checkpoints => ARRAY[checkpoint]) v',
                            'SELECT mlops.audit_checkpoint()'];
    start float8;
BEGIN
    FOR run IN 1 .. 5 LOOP
        FOR which IN 1 .. 6 LOOP
            start := pg_temp.processor_seconds();
            EXECUTE queries[which];
            INSERT INTO result VALUES (which, pg_temp.processor_seconds() - start);
        END LOOP;
    END LOOP;
END
$$;
SELECT status || ': ' || detail FROM mlops.verify_audit(checks => '{}');
SELECT status || ': ' || detail FROM mlops.verify_audit();
SELECT format(E'bytes of an event         %10s\n'
              'written in transactions of 10,000 %8s events per second\n'
              'mlops.verify_audit        %10s events per second\t(at least 500000)\n'
              '  the chain alone         %10s events per second\n'
              '  against a checkpoint    %10s events per second\n'
              'mlops.audit_checkpoint    %10s events per second\n'
              'sha256 of ready bytes     %10s events per second, ratio %s\n'
              'sha256 of encoded rows    %10s events per second, ratio %s',
              (SELECT round(avg(length(bytes))) FROM ready), round(:events / :written),
              round(:events / m[1]), round(:events / m[4]), round(:events / m[5]), round(:events / m[6]), round(:events / m[2]), round((m[1] / m[2])::numeric, 2),
              round(:events / m[3]), round((m[1] / m[3])::numeric, 2))
FROM (SELECT array_agg(seconds ORDER BY query) AS m
      FROM (SELECT query, percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS seconds FROM result GROUP BY query) q) r;
SQL
