#!/usr/bin/env bash
# The credit decision of doc/procedures.md, called by 8 clients of pgbench: as it
# is there, without the score, and with libxgboost in PL/Python instead.  They
# run in turn; prints the median and the 99th percentile of the latency of a
# call, of all runs but their first
# seconds, and what scoring adds.
#
# Needs a server (PGHOST, PGPORT) with the extension installed, and for PL/Python
# what scoring_plpython.sh needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=${SECONDS_EACH:-10}
warm=4		# the first seconds, in which PL/Python loads its modules
runs=${RUNS:-3}
page=$(cd ../../doc && pwd)/procedures.md
work=$(mktemp -d)
trap 'rm -rf "$work"; psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_procedure"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_procedure' -c 'CREATE DATABASE bench_procedure'
export PGDATABASE=bench_procedure

# the blocks of the page that make the data and the procedure
awk '/^## On insert/ { exit } /^```sql/ { sql = 1; next } /^```/ { sql = 0 } sql && !/^CALL|FROM bank.decision/' "$page" > "$work/page.sql"
psql -Xq -v ON_ERROR_STOP=1 -o /dev/null << SQL
CREATE EXTENSION mlops;
\i $work/page.sql
INSERT INTO bank.application SELECT id + 10, income, amount, employment FROM bank.past;
ALTER TABLE bank.decision DROP CONSTRAINT decision_pkey;
UPDATE bank.credit_limit SET refuse_from = 2, review_from = 2;
SQL

# the same procedure with another score: all of its other lines are the same
variant() {
	sed -n '/^CREATE PROCEDURE bank.decide/,/^\$\$;/p' "$page" |
		sed "s/bank\.decide(/bank.$1(/; s/decide\.model/$1.model/; s/mlops\.predict(used, a)/$2/" | psql -Xq -v ON_ERROR_STOP=1
}
variant decide_without 0.5
scripts=(decide decide_without)
if psql -XAtq -v ON_ERROR_STOP=1 > "$work/python" 2>&1 << SQL
CREATE EXTENSION plpython3u;
CREATE FUNCTION bank.python_score(income float8, amount float8, employment text) RETURNS float8 LANGUAGE plpython3u AS \$\$
if 'booster' not in GD:
    import sys
    if '${XGBOOST:-}': sys.path.insert(0, '${XGBOOST:-}')
    import xgboost, numpy
    booster = xgboost.Booster({'nthread': 1})
    booster.load_model(bytearray(plpy.execute("SELECT mlops.export_model('credit_risk')::bytea AS m")[0]['m']))
    booster.set_param({'nthread': 1})
    GD['booster'], GD['numpy'] = booster, numpy
    GD['codes'] = {r['category']: r['code'] for r in plpy.execute("""SELECT c.category, c.code - 1 AS code
        FROM jsonb_array_elements(mlops.describe('credit_risk')->'features') f,
             jsonb_array_elements_text(f->'categories') WITH ORDINALITY c (category, code) WHERE f->>'name' = 'employment'""")}
row = GD['numpy'].array([[income, amount, GD['codes'][employment]]], dtype=GD['numpy'].float32)
return float(GD['booster'].inplace_predict(row)[0])
\$\$;
SELECT count(*) FROM (SELECT * FROM bank.past LIMIT 100) p WHERE bank.python_score(income, amount, employment) <> mlops.predict('credit_risk', p);
SQL
then
	echo "rows with another score in PL/Python: $(tail -n 1 "$work/python")"
	variant decide_python 'python_score(a.income, a.amount, a.employment)'
	scripts+=(decide_python)
else
	echo 'not measured: PL/Python, or xgboost for it, is absent:'
	sed 's/^/    /' "$work/python"
fi

for script in "${scripts[@]}"; do
	printf '%s\n' '\set id random(11, 3010)' "CALL bank.$script(:id, 'credit_risk')" > "$work/$script.sql"
done
for ((run = 0; run < runs; run++)); do
	for script in "${scripts[@]}"; do
		psql -Xq -c 'TRUNCATE bank.decision' -c CHECKPOINT
		(cd "$work" && pgbench -n -M prepared -c 8 -j 2 -T "$seconds" -l --log-prefix="$script.$run" -f "$script.sql" > "$script.out" 2>&1) ||
			{ cat "$work/$script.out"; exit 1; }
	done
done

median=() last=()
percentile() { # SCRIPT SHARE: microseconds
	awk -v warm="$warm" 'FNR == 1 { begin = $5 } $5 >= begin + warm { print $3 }' "$work/$1".[0-9]* | sort -n | awk -v share="$2" '{ v[NR] = $1 } END { print v[int((NR - 1) * share) + 1] }'
}
for script in "${scripts[@]}"; do
	median+=("$(percentile "$script" 0.5)")
	last+=("$(percentile "$script" 0.99)")
done
awk -v median="${median[*]}" -v last="${last[*]}" 'BEGIN {
	split(median, m, " "); n = split(last, p, " ")
	split("with mlops.predict|without a score|with PL/Python", name, "|")
	for (i = 1; i <= n; i++) printf "%-22s median %7.3f ms, 99th percentile %7.3f ms\n", name[i], m[i] / 1000, p[i] / 1000
	printf "added by mlops.predict median %7.3f ms, 99th percentile %7.3f ms\n", (m[1] - m[2]) / 1000, (p[1] - p[2]) / 1000
	if (n > 2) {
		printf "added by PL/Python     median %7.3f ms, 99th percentile %7.3f ms\n", (m[3] - m[2]) / 1000, (p[3] - p[2]) / 1000
		printf "added by PL/Python / by mlops.predict, median %8.2f\n", (m[3] - m[2]) / (m[1] - m[2])
	}
}'
