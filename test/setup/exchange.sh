#!/usr/bin/env bash
# exchange.sh FOLDER, as TAP: trains a fixed set of models and writes their files
# and the bits of their scores to FOLDER/own, unless that is there; then imports
# what is in every other folder of FOLDER, which came from another version of
# libxgboost, and compares the bits.  Works on the server that PGHOST names.
set -euo pipefail

folder=$1
export PGDATABASE=exchange PGOPTIONS='-c client_min_messages=warning'
psql -Xq -d postgres -c 'DROP DATABASE IF EXISTS exchange' -c 'CREATE DATABASE exchange'

sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

# Rows that are the same everywhere: of whole numbers and divisions alone.
sql << 'SQL'
CREATE EXTENSION mlops;
CREATE TABLE loan AS
    SELECT i AS id,
           CASE WHEN i % 7 > 0 THEN (i * 7919 % 101)::float8 / 7 END AS age,
           CASE WHEN i % 11 > 0 THEN (i * 104729 % 9973)::float8 / 13 - 300 ELSE 'NaN' END AS amount,
           CASE WHEN i % 13 > 0 THEN i * 31 % 1009 END AS days,
           CASE WHEN i % 5 > 0 THEN ('{rent,own,free,other}'::text[])[1 + i * 17 % 4] END AS housing,
           i % 3 = 1 AS married,
           (i * 7919 % 101 + i * 104729 % 9973 / 50 + i * 17 % 4 * 40 + i * 31 % 1009 / 10 + i * 6007 % 97) AS y
    FROM generate_series(1, 1500) i;
CREATE FUNCTION bits(model mlops.modelref) RETURNS SETOF text LANGUAGE SQL AS $$
    SELECT l.id || ' ' || (SELECT string_agg(encode(float8send(m), 'hex'), ' ' ORDER BY n)
                           FROM unnest(mlops.predict_margin(model, r) || CASE mlops.describe(model)->>'task'
                                WHEN 'multiclass' THEN mlops.predict_proba(model, r) ELSE ARRAY[mlops.predict(model, r)] END)
                                WITH ORDINALITY u (m, n))
    FROM loan l, LATERAL (SELECT l.age, l.amount, l.days, l.housing, l.married) r
    ORDER BY l.id
$$;
SQL

# name, columns, label, parameters
models() {
	cat << 'LIST'
binary|id, age, amount, days, married|y > 260|{"max_depth": 6}
weighted|id, age, amount, days, married|y > 320|{"max_depth": 4, "scale_pos_weight": 3, "base_score": 0.2}
multiclass|id, age, amount, days, married|least(y / 90, 4)|{"objective": "multi:softprob", "max_depth": 4}
regression|id, age, amount, days, married|y::float8 / 3|{"objective": "reg:squarederror", "max_depth": 6}
count|id, age, amount, days, married|y / 20|{"objective": "count:poisson", "max_depth": 4}
category|id, age, amount, housing, married|y > 260|{"max_depth": 6, "max_cat_to_onehot": 1}
onehot|id, age, amount, housing|y > 260|{"max_depth": 4, "max_cat_to_onehot": 9}
dart|id, age, amount, days|y > 260|{"booster": "dart", "rate_drop": 0.3, "max_depth": 4}
forest|id, age, amount, days|y > 260|{"num_parallel_tree": 3, "subsample": 0.7, "max_depth": 4}
LIST
}

number=0
ok() {
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then echo "ok $number - $2"; else printf 'not ok %d - %s\n%s' "$number" "$2" "${3:+# $3$'\n'}"; fi
}

# FILE NAME: import the file with its classes and signature.
import() {
	sql -v name="$2" << SQL > /dev/null
\\set content \`cat "$1"\`
\\set classes \`cat "${1%.*}.classes"\`
\\set signature \`cat "${1%.*}.signature"\`
SELECT mlops.import_model(:'name', decode(:'content', 'base64')::mlops.artifact, signature => :'signature', classes => nullif(:'classes', '')::text[]);
SQL
}

# FILE OF BITS, NAME: are these those of the version?  Sets note to how many rows differ.
compare() {
	sql -c "SELECT bits('$2')" > "$folder/bits"
	cmp -s "$1" "$folder/bits" || { note="$(diff "$1" "$folder/bits" | grep -c '^<') rows of $(wc -l < "$1") differ"; return 1; }
}

if [ ! -d "$folder/own" ]; then
	rm -rf "$folder/new"
	mkdir "$folder/new"
	while IFS='|' read -r name columns label params; do
		sql -v name="$name" -v query="SELECT $columns, $label AS y FROM loan" -v params="$params" << 'SQL' > /dev/null
SELECT mlops.train(:'name', :'query', 'y', :'params', key => 'id', rounds => 40);
SQL
		file=$folder/new/$name
		sql -c "SELECT encode(mlops.export_model('$name/1'), 'base64')" > "$file.original"
		sql -c "SELECT encode(mlops.export_model('$name/1', 'json'), 'base64')" > "$file.json"
		sql -c "SELECT mlops.describe('$name/1')->'features'" > "$file.signature"
		sql -c "SELECT classes FROM mlops.versions WHERE model = '$name'" > "$file.classes"
		sql -c "SELECT bits('$name/1')" > "$file.bits"
		ok $(($(wc -l < "$file.bits") != 1500)) "$name is trained"
	done < <(models)
	sql -c "SELECT string_agg(DISTINCT concat_ws(' ', mlops.describe((model || '/1')::mlops.modelref)->'artifact'->>'library',
			mlops.describe((model || '/1')::mlops.modelref)->'artifact'->>'library_version'), ', ') FROM mlops.models" > "$folder/new/library"
	mv "$folder/new" "$folder/own"
fi

for other in "$folder"/*/; do
	other=${other%/}
	[ "$other" != "$folder/own" ] || continue
	while IFS='|' read -r name _; do
		for format in original json; do
			model=${other##*/}_${name}_$format
			status=0 note=
			import "$other/$name.$format" "$model" && compare "$other/$name.bits" "$model/1" || status=1
			ok "$status" "$name of ${other##*/} ($(cat "$other/library")), $format" "$note"
		done
	done < <(models)
done
echo "1..$number"
