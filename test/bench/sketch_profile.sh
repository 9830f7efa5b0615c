#!/usr/bin/env bash
# The time of mlops.sketch() as a ratio to percentile_disc of the same column of
# five times ROWS, of mlops.profile() as a ratio to count, min, max, avg and
# stddev of the same 28 columns, and the error of ranks on data of five shapes,
# all in one run.
# Needs a server (PGHOST, PGPORT) with the extension installed.
set -euo pipefail

rows=${ROWS:-2000000}
runs=${RUNS:-3}
trap 'psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_sketch"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_sketch' -c 'CREATE DATABASE bench_sketch'
export PGDATABASE=bench_sketch

columns=$(for i in $(seq 28); do
	case $((i % 4)) in
		0) printf 'floor(random() * 100)::float8 AS c%d, ' "$i" ;;
		*) printf 'random() AS c%d, ' "$i" ;;
	esac
done)
plain=$(for i in $(seq 28); do
	printf 'count(c%d), min(c%d), max(c%d), avg(c%d), stddev(c%d), ' "$i" "$i" "$i" "$i" "$i"
done)

psql -Xq -v ON_ERROR_STOP=1 << SQL
CREATE EXTENSION mlops;
SELECT setseed(0.5) \\g /dev/null
CREATE UNLOGGED TABLE wide AS SELECT ${columns%, } FROM generate_series(1, $rows);
CREATE UNLOGGED TABLE shape AS
SELECT i, random() AS uniform, i::float8 AS sorted, ($rows - i)::float8 AS reversed,
       floor(100 / (1 - random())) AS zipf, 42.5::float8 AS constant
FROM generate_series(1, $rows) AS i;
CREATE UNLOGGED TABLE single AS SELECT random() AS uniform FROM generate_series(1, 5::bigint * $rows);
VACUUM ANALYZE wide;
VACUUM ANALYZE single;
VACUUM ANALYZE shape;
CREATE TABLE query (id integer, base integer, bound text, name text, workers text, text text);
INSERT INTO query VALUES
    (1, 1, '', 'percentile_disc', 2, 'SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY uniform) FROM single'),
    (2, 1, 'at most 0.20', 'sketch', 2, 'SELECT mlops.quantile(mlops.sketch(uniform), 0.5) FROM single'),
    (3, 1, '', 'sketch, no workers', 0, 'SELECT mlops.quantile(mlops.sketch(uniform), 0.5) FROM single'),
    (4, 4, '', 'count to stddev of columns', 2, 'SELECT row(${plain%, })::text FROM wide'),
    (5, 4, 'at most 4', 'profile of columns', 2, 'SELECT sum(rows) FROM mlops.profile(''SELECT * FROM wide'')'),
    (6, 4, '', 'the former, no workers', 0, 'SELECT row(${plain%, })::text FROM wide');
CREATE TABLE result (id integer, seconds float8);
SQL

# the fastest turns of all queries, run in turn in one session
psql -XAtq -v ON_ERROR_STOP=1 -v runs="$runs" << 'SQL'
SET jit = off;
SELECT set_config('bench.runs', :'runs', false) \g /dev/null
DO $$
DECLARE
    q query;
    start timestamptz;
    value text;
BEGIN
    FOR run IN 1..current_setting('bench.runs')::integer LOOP
        FOR q IN SELECT * FROM query ORDER BY id LOOP
            PERFORM set_config('max_parallel_workers_per_gather', q.workers, true);
            start := clock_timestamp();
            EXECUTE q.text INTO value;
            INSERT INTO result VALUES (q.id, extract(epoch FROM clock_timestamp() - start));
        END LOOP;
    END LOOP;
END
$$;
WITH fastest AS (
    SELECT id, base, bound, name, min(seconds) AS seconds
    FROM query JOIN result USING (id) GROUP BY id, base, bound, name)
SELECT rpad(m.name, 30) || to_char(m.seconds, '990.000') || ' s'
       || CASE WHEN m.id <> m.base THEN to_char(m.seconds / b.seconds, '990.00') || ' of ' || b.name
                                         || CASE WHEN m.bound <> '' THEN ' (' || m.bound || ')' ELSE '' END
               ELSE '' END
FROM fastest m JOIN fastest b ON b.id = m.base ORDER BY m.id;

CREATE FUNCTION worst(x text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    worst float8;
    claimed float8;
BEGIN
    EXECUTE format(
        'WITH s AS MATERIALIZED (SELECT mlops.sketch(%1$I) AS s, count(*) AS n FROM shape),
              q AS MATERIALIZED (SELECT p, n, mlops.quantile(s, p) AS v FROM s, generate_series(0, 1, 0.04) p),
              r AS (SELECT p, n, (SELECT count(*) FROM shape WHERE %1$I < v) AS below,
                           (SELECT count(*) FROM shape WHERE %1$I <= v) AS up_to FROM q)
         SELECT max(greatest(ceil(p * n) - up_to, below + 1 - greatest(ceil(p * n), 1), 0) / n),
                (SELECT mlops.rank_error(s) FROM s) FROM r', x) INTO worst, claimed;
    RETURN rpad('rank error, ' || x, 30) || to_char(100 * worst, '990.0000') || ' % of the rows (at most'
           || to_char(100 * claimed, '0.0000') || ')';
END
$$;
SELECT worst(x) FROM unnest('{uniform,sorted,reversed,zipf,constant}'::text[]) x;
SQL
