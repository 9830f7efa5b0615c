#!/usr/bin/env bash
# mlops.predict() and mlops.score() against libxgboost in PL/Python in the same
# server, on one thread: of 28 columns, with 100 trees of depth 6.  PL/Python
# gets arrays of 1,000 rows in two ways, of which the faster counts: as an
# argument that array_agg() makes, and from a cursor.  All run in turn, and the
# best of each counts.
#
# Needs a server (PGHOST, PGPORT) with the extension and PL/Python (Debian:
# postgresql-plpython3-15) installed, and Python's xgboost (python3-xgboost, or
# XGBOOST=site-packages folder of a virtual environment that has it).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

rows=${ROWS:-200000}
runs=${RUNS:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"; psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_plpython"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_plpython' -c 'CREATE DATABASE bench_plpython'
export PGDATABASE=bench_plpython
if ! psql -XAtq -v ON_ERROR_STOP=1 > "$work/python" 2>&1 << SQL
CREATE EXTENSION plpython3u;
CREATE FUNCTION version() RETURNS text LANGUAGE plpython3u AS \$\$
import sys
if '${XGBOOST:-}': sys.path.insert(0, '${XGBOOST:-}')
import xgboost
return xgboost.__version__
\$\$;
SELECT public.version();
SQL
then
	echo 'not measured: PL/Python, or xgboost for it, is absent:'
	sed 's/^/    /' "$work/python"
	exit 0
fi
psql -Xqo /dev/null -v rows="$rows" -f score_table.sql

list=$(seq -s, -f 'x%g' 1 28)
psql -Xq -v ON_ERROR_STOP=1 << SQL
CREATE FUNCTION load() RETURNS void LANGUAGE plpython3u AS \$\$
import sys
if '${XGBOOST:-}': sys.path.insert(0, '${XGBOOST:-}')
import xgboost, numpy
booster = xgboost.Booster({'nthread': 1})
booster.load_model(bytearray(plpy.execute("SELECT mlops.export_model('bench')::bytea AS m")[0]['m']))
booster.set_param({'nthread': 1})
GD['booster'], GD['numpy'] = booster, numpy
\$\$;
CREATE FUNCTION by_array(rows float4[]) RETURNS float4[] LANGUAGE plpython3u AS \$\$
numpy = GD['numpy']
return GD['booster'].inplace_predict(numpy.array(rows, dtype=numpy.float32)).tolist()
\$\$;
CREATE FUNCTION by_cursor() RETURNS SETOF float4 LANGUAGE plpython3u AS \$\$
numpy = GD['numpy']
cursor = plpy.cursor('SELECT $list FROM t')
while True:
    rows = cursor.fetch(1000)
    if not rows:
        break
    matrix = numpy.array([list(row.values()) for row in rows], dtype=numpy.float32)
    yield from GD['booster'].inplace_predict(matrix).tolist()
\$\$;
SQL

# seconds, on a line of its own, of a statement
timed() {
	echo "SELECT clock_timestamp() AS start \\gset"
	echo "$1 \\g /dev/null"
	echo "SELECT '$2', extract(epoch FROM clock_timestamp() - :'start');"
}

arrays="SELECT by_array(array_agg(ARRAY[$list])) FROM t GROUP BY (id - 1) / 1000"
table='(id integer, model text NOT NULL, version integer NOT NULL, score double precision, PRIMARY KEY (id, model, version))'
{
	echo "SET jit = off; SET max_parallel_workers_per_gather = 0; SET work_mem = '1GB'; SELECT load() \\g /dev/null"
	for ((run = 0; run < runs; run++)); do
		timed "$arrays" array
		timed 'SELECT count(*) FROM by_cursor()' cursor
		timed "SELECT count(mlops.predict('bench', t)) FROM t" predict
		echo "SET client_min_messages = warning; DROP TABLE IF EXISTS peer, ours; CREATE TABLE peer $table;"
		timed "INSERT INTO peer SELECT unnest(ids), 'bench', 1, unnest(scores) FROM (SELECT array_agg(id) AS ids,
			by_array(array_agg(ARRAY[$list])) AS scores FROM t GROUP BY (id - 1) / 1000) s" insert
		timed "SELECT mlops.score('bench', 't', 'ours', 'id')" score
	done
	echo "SELECT 'different', count(*) FROM peer p FULL JOIN ours o USING (id) WHERE p.score IS DISTINCT FROM o.score;"
} | psql -XAtq -v ON_ERROR_STOP=1 -F ' ' > "$work/result"

awk -v rows="$rows" -v version="$(tail -n 1 "$work/python")" '{ if (!($1 in best) || $2 < best[$1]) best[$1] = $2 }
END {
	python = best["array"] < best["cursor"] ? best["array"] : best["cursor"]
	printf "PL/Python, xgboost %s:\n", version
	printf "  array argument           %8.3f us per row\n", best["array"] / rows * 1e6
	printf "  cursor                   %8.3f us per row\n", best["cursor"] / rows * 1e6
	printf "mlops.predict              %8.3f us per row\n", best["predict"] / rows * 1e6
	printf "PL/Python / predict        %8.2f\t(at least 4)\n", python / best["predict"]
	printf "written to a table:\n"
	printf "  PL/Python                %8.3f us per row\n", best["insert"] / rows * 1e6
	printf "  mlops.score              %8.3f us per row\n", best["score"] / rows * 1e6
	printf "PL/Python / score          %8.2f\n", best["insert"] / best["score"]
	printf "different rows: %d\n", best["different"]
}' "$work/result"
