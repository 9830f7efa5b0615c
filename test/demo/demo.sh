# shellcheck shell=bash
# The demo: the data, a database and roles made anew, and demo.sql in it.
# Sourced by test/setup/run.sh.

DEMO=$BUILD/demo

# German Credit, 1,000 loans, as Debian's package weka carries it.  The package
# is fetched, not installed, and only once.
fetch_loans() {
	local arff=usr/share/doc/weka/examples/credit-g.arff
	if [ ! -s "$DEMO/credit-g.arff" ]; then
		if [ -s "/$arff" ]; then
			cp "/$arff" "$DEMO/credit-g.arff"
		else
			need_apt 'the package weka, for its file credit-g.arff'
			say 'fetching the loans (German Credit, from the package weka)'
			rm -rf "$DEMO/weka" && mkdir "$DEMO/weka"
			(
				cd "$DEMO/weka"
				apt-get -q download weka || { as_root apt-get -q update && apt-get -q download weka; }
			) > "$DEMO/weka.log" 2>&1 || {
				tail -n 5 "$DEMO/weka.log" >&2
				die 'could not fetch the package weka, which has the data' 'The demo needs it once; make demo DATA=file.csv LABEL=column needs no network.'
			}
			dpkg-deb --fsys-tarfile "$DEMO"/weka/weka_*.deb | tar -xf - -C "$DEMO/weka" "./$arff"
			mv "$DEMO/weka/$arff" "$DEMO/credit-g.arff"
			rm -rf "$DEMO/weka"
		fi
	fi
	perl test/demo/arff.pl < "$DEMO/credit-g.arff" > "$DEMO/loans.csv"
}

# Sets the variables of demo.sql, and makes the file that fills the table.
demo_data() {
	local names file=$DEMO_DATA
	mkdir -p "$DEMO"
	if [ -n "$file" ]; then
		[ -n "$DEMO_LABEL" ] || die 'which column is to be predicted?' 'make demo DATA=file.csv LABEL=column'
		model=my_model rows=bank.data label=$DEMO_LABEL positive='' key=row_id
	else
		fetch_loans
		file=$DEMO/loans.csv
		model=credit_risk rows=bank.loans label=class positive=bad key=loan_id
	fi
	names=$(perl test/demo/csv.pl "$file" "$label" "$rows" "$key" "$DEMO") || exit 1
	key=${names%%$'\n'*} label=${names#*$'\n'}
	[ -n "$DEMO_DATA" ] || cp test/demo/loans.sql "$DEMO/table.sql"
	{
		cat "$DEMO/table.sql"
		echo "\\copy $rows FROM '$DEMO/data.csv' (FORMAT csv)"
	} > "$DEMO/load.sql"
}

# run_demo SERVER
run_demo() {
	local model rows key label positive
	demo_data
	server_start "$1"
	as_tester psql -Xq -v ON_ERROR_STOP=1 -d postgres <<- 'SQL'
		SET client_min_messages = warning;
		DROP DATABASE IF EXISTS demo WITH (FORCE);
		DROP ROLE IF EXISTS modeller, checker, loan_app, auditor;
		CREATE DATABASE demo;
	SQL
	as_tester psql -Xe -P null=- -P pager=off -d demo -v model="$model" -v rows="$rows" -v key="$key" \
		-v label="$label" -v positive="$positive" -v load="$DEMO/load.sql" -v waiting="$TOP/test/demo/waiting.sql" < test/demo/demo.sql 2>&1
	cat <<- EOT

	--- To go on, in psql as the modeller:

	    $(psql_command demo modeller)

	and there, for example:

	    SELECT jsonb_pretty(mlops.describe('$model/2'));
	    \\df mlops.*

	The server runs until "make stop"; another "make demo" begins anew.
	EOT
}
