#!/usr/bin/env bash
# Promotions with an approval each: the rate of 1,000 of them from 8 clients,
# and what they cost those who score meanwhile: the time of a query that scores,
# alone, while another model is promoted all the time (the same load of the
# machine) and while its own model is, in turn.  Needs a server (PGHOST, PGPORT) with
# the extension installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

clients=${CLIENTS:-8}
each=$(((${PROMOTIONS:-1000} + clients - 1) / clients))
rounds=${ROUNDS:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"; psql -Xq -d postgres -c "ALTER SYSTEM RESET mlops.allow_session_authorization" \
	-c "DROP DATABASE IF EXISTS bench_promotions" -c "DROP ROLE IF EXISTS bench_maker, bench_checker"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_promotions' -c 'CREATE DATABASE bench_promotions' \
	-c 'CREATE ROLE bench_maker LOGIN' -c 'CREATE ROLE bench_checker LOGIN' \
	-c 'ALTER SYSTEM SET mlops.allow_session_authorization = on' -c 'SELECT pg_reload_conf()' > /dev/null
export PGDATABASE=bench_promotions PGOPTIONS='-c client_min_messages=warning'
{
	echo "CREATE EXTENSION mlops;"
	echo "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO bench_maker, bench_checker;"
	echo "CREATE TABLE t AS SELECT i AS id, (i * 7919 % 101)::float8 AS x, (i * 104729 % 97)::float8 AS z,"
	echo "i * 7919 % 101 > 50 AS y FROM generate_series(1, 20000) i; GRANT SELECT ON t TO bench_maker;"
	echo "SET SESSION AUTHORIZATION bench_maker;"
	for model in scored $(seq -f 'model%g' 1 "$clients"); do
		echo "SELECT mlops.train('$model', 'SELECT * FROM t', 'y', key => 'id', rounds => 20);"
		echo "SELECT mlops.import_model('$model', mlops.export_model('$model/1')::mlops.artifact);"
		echo "SELECT mlops.promote('$model/1', reason => 'bench');"
		echo "SELECT mlops.set_policy('$model', approvals => 1, reason => 'bench');"
		echo "SELECT mlops.grant_privilege('approve', '$model', 'bench_checker');"
	done
} | psql -Xqo /dev/null -v ON_ERROR_STOP=1

# promotions MODEL COUNT: statements that promote its two versions in turn
promotions() {
	local i
	for ((i = 0; i < $2; i++)); do
		echo "SET SESSION AUTHORIZATION bench_maker;"
		echo "SELECT mlops.request_promotion('$1/$((2 - i % 2))', reason => 'bench', change_ref => 'CHG-$i') AS id \\gset"
		echo "SET SESSION AUTHORIZATION bench_checker;"
		echo "SELECT mlops.approve(:id, 'bench');"
	done
}

# the rate
for client in $(seq 1 "$clients"); do
	promotions "model$client" "$each" > "$work/$client.sql"
done
start=$(date +%s.%N)
pids=()
for client in $(seq 1 "$clients"); do
	psql -Xqo /dev/null -v ON_ERROR_STOP=1 -f "$work/$client.sql" &
	pids+=($!)
done
wait "${pids[@]}"
end=$(date +%s.%N)
promoted=$(psql -XAtc "SELECT count(*) FROM mlops.requests WHERE status = 'executed' AND approvals = 1")
verified=$(psql -XAtc "SELECT status FROM mlops.verify_audit(checks => '{state,artifacts}')")
events=$(psql -XAtc 'SELECT max(seq) FROM mlops.audit_log')

# scoring, with and without promotions
promotions scored 100000 > "$work/scored.sql"
promotions model1 100000 > "$work/model1.sql"
cat > "$work/score.sql" << 'SQL'
SET max_parallel_workers_per_gather = 0;
SET jit = off;
CREATE TEMPORARY TABLE result (seconds float8);
SELECT count(mlops.predict('scored', t)) FROM t;
SQL
for _ in $(seq 1 60); do
	cat >> "$work/score.sql" << 'SQL'
SELECT clock_timestamp() AS start \gset
SELECT count(mlops.predict('scored', t)) AS rows FROM t \gset
INSERT INTO result SELECT extract(epoch FROM clock_timestamp() - :'start');
SQL
done
echo 'SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) FROM result;' >> "$work/score.sql"
score() { psql -XAtq -v ON_ERROR_STOP=1 -f "$work/score.sql" | tail -n 1; }
# score_while MODEL: the same while a client promotes it
score_while() {
	local promoting
	# of two versions the next to be promoted may be the present one at first
	psql -Xqo /dev/null -f "$work/$1.sql" 2> /dev/null &
	promoting=$!
	score
	kill "$promoting"
	wait "$promoting" || true
	# the server ends what the client had begun, which may leave a request open
	until [ "$(psql -XAtc "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'")" = 1 ]; do
		sleep 0.1
	done
	psql -Xqo /dev/null -c "SELECT mlops.withdraw(id) FROM mlops.requests WHERE status IN ('open', 'approved')"
}
before=$(psql -XAtc "SELECT count(*) FROM mlops.alias_history WHERE model = 'scored'")
for _ in $(seq 1 "$rounds"); do
	score >> "$work/alone"
	score_while model1 >> "$work/other"
	score_while scored >> "$work/own"
done
after=$(psql -XAtc "SELECT count(*) FROM mlops.alias_history WHERE model = 'scored'")
median() { sort -g "$1" | sed -n "$(((rounds + 1) / 2))p"; }

awk -v promoted="$promoted" -v start="$start" -v end="$end" -v clients="$clients" -v verified="$verified" -v events="$events" \
	-v alone="$(median "$work/alone")" -v other="$(median "$work/other")" -v own="$(median "$work/own")" \
	-v meanwhile="$((after - before))" 'BEGIN {
	printf "promotions with an approval each   %d from %d clients\n", promoted, clients
	printf "rate                               %.0f per second\n", promoted / (end - start)
	printf "audit log                          %d events, %s\n", events, verified
	printf "scoring 20,000 rows, alone         %.1f ms\n", alone * 1e3
	printf "while another model is promoted    %.1f ms\n", other * 1e3
	printf "while its own model is promoted    %.1f ms, %d promotions meanwhile\n", own * 1e3, meanwhile
	printf "own / other                        %.2f\t(about 1)\n", own / other
}'
