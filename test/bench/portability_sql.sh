#!/usr/bin/env bash
# A model as an SQL expression against mlops.predict() of the same model: the
# peer "model as CASE".  28 columns of real, 2 % NULLs, in one process, as
# ratios in one run: time per row, and what the expression takes to be planned.
# Needs a server (PGHOST, PGPORT) with the extension installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

rows=${ROWS:-5000}
trap 'psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_portability"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_portability' -c 'CREATE DATABASE bench_portability'
export PGDATABASE=bench_portability

list=$(seq -s, -f 'x%g' 1 28)
{
	echo "CREATE EXTENSION mlops; SELECT setseed(0.5);"
	echo "CREATE TABLE t AS SELECT"
	for i in $(seq 1 28); do
		echo "CASE WHEN random() < 0.02 THEN NULL ELSE random()::float4 + random()::float4 END AS x$i,"
	done
	echo "random() AS noise FROM generate_series(1, 100000) i;"
	echo "ALTER TABLE t ADD COLUMN y boolean;"
	echo "UPDATE t SET y = coalesce(x1, 1) * coalesce(x2, 1) + coalesce(x3, 1) - coalesce(x4, 1) * 0.5 + noise > 1.9;"
	for model in '100 6' '500 6' '500 8'; do
		echo "SELECT mlops.train('bench', 'SELECT y, $list FROM t', 'y', '{\"max_depth\": ${model#* }, \"eta\": 0.1}', rounds => ${model% *}, split => '{}');"
	done
	echo "DELETE FROM t WHERE ctid NOT IN (SELECT ctid FROM t LIMIT $rows);"
	echo "VACUUM (FULL, ANALYZE) t;"
} | psql -Xqo /dev/null -v ON_ERROR_STOP=1

printf '%-12s %10s %12s %14s %14s %8s %12s\n' model MB 'planned, ms' 'CASE, us/row' 'predict, us/row' ratio different
for model in 1 2 3; do
	psql -XAtq -v ON_ERROR_STOP=1 -F ' ' << SQL
SET max_parallel_workers_per_gather = 0;
SET jit = off;
CREATE TEMPORARY TABLE result (what text, seconds float8);
CREATE TEMPORARY TABLE differing (rows bigint);
DO \$\$
DECLARE
    expression text := mlops.to_sql('bench/$model', 'margin', 't', 't');
    query text;
    start timestamptz;
BEGIN
    EXECUTE 'INSERT INTO differing SELECT count(*) FROM t WHERE (mlops.predict_margin(''bench/$model'', t))[1] <> (' || expression || ')::float8';
    FOR run IN 1..3 LOOP
        start := clock_timestamp();
        EXECUTE 'EXPLAIN SELECT sum(' || expression || ') FROM t';
        INSERT INTO result VALUES ('plan', extract(epoch FROM clock_timestamp() - start));
        start := clock_timestamp();
        EXECUTE 'SELECT sum(' || expression || ') FROM t';
        INSERT INTO result VALUES ('case', extract(epoch FROM clock_timestamp() - start));
        start := clock_timestamp();
        EXECUTE 'SELECT sum(mlops.predict(''bench/$model'', t)) FROM t';
        INSERT INTO result VALUES ('predict', extract(epoch FROM clock_timestamp() - start));
    END LOOP;
    INSERT INTO result VALUES ('size', length(expression));
END
\$\$;
SELECT format('%-12s %10s %12s %14s %15s %8s %12s', (v.info->>'trees') || ' x ' || (v.info->>'depth'), round(size::numeric / 1048576, 1),
              round(plan::numeric * 1000), round((cases - plan)::numeric / $rows * 1e6, 1), round(predict::numeric / $rows * 1e6, 2),
              round(((cases - plan) / predict)::numeric, 1), (SELECT rows FROM differing))
FROM (SELECT min(seconds) FILTER (WHERE what = 'size') AS size, min(seconds) FILTER (WHERE what = 'plan') AS plan,
             min(seconds) FILTER (WHERE what = 'case') AS cases, min(seconds) FILTER (WHERE what = 'predict') AS predict FROM result) s,
     LATERAL (SELECT mlops.describe('bench/$model')->'artifact' AS info) v;
SQL
done
