# shellcheck shell=bash
# The suites of "make check".  Each is a function suite_NAME that shows what it
# does and prints, as its last line, how many tests passed and how many failed.

SUITES=${SUITES:-lint unit fuzz regress pgtap isolation tap demo}

# seconds after which a test program has hung
TEST_TIMEOUT=${TEST_TIMEOUT:-600}

CHECK=$BUILD/check

# --- suites

suite_lint() { harness bash -- test/setup/lint.sh; }

suite_unit() {
	build_programs
	files test/unit .sh
	harness -- "${PROGRAMS[@]}" "${FILES[@]}"
}

# The same programs, and the trainer that they talk to, with the sanitizers for
# addresses and undefined behaviour.  What libxgboost keeps until its process
# ends is not ours.
suite_sanitize() {
	mapfile -t PROGRAMS < <(names test/unit .c | sed 's,^,build/sanitize/,')
	make -k WERROR=-Werror sanitize-programs > "$CHECK/sanitize/make.log" 2>&1 || show_errors "$CHECK/sanitize/make.log"
	export MLOPS_TRAINER=$PWD/build/sanitize/mlops-trainer ASAN_OPTIONS=detect_leaks=1
	harness -- "${PROGRAMS[@]}"
}

# In "make check" each target does its fixed number of runs.  The goal by itself
# is for longer: FUZZ_SECONDS for each, or FUZZ_RUNS.
suite_fuzz() {
	build_programs
	if [ "$goal" = fuzz ]; then
		[ -n "${FUZZ_RUNS:-}" ] || export FUZZ_SECONDS=${FUZZ_SECONDS:-60}
		TEST_TIMEOUT=$((TEST_TIMEOUT + ${FUZZ_SECONDS:-86400}))
	else
		unset FUZZ_RUNS FUZZ_SECONDS
	fi
	harness test/setup/as-tap.sh -- "${PROGRAMS[@]}" > "$CHECK/fuzz/result"
	sed '$d' "$CHECK/fuzz/result"
	sed -n 's/^# \(.* runs of seed \)/    \1/p' "$CHECK"/fuzz/*.tap
	tail -n 1 "$CHECK/fuzz/result"
}

suite_regress() {
	local tests
	tests=$(names test/sql .sql)
	server_start check 'fsync = off'
	regress "$PGXS_DIR/src/test/regress/pg_regress" test contrib_regression "$tests"
}

suite_isolation() {
	local tests
	tests=$(names test/isolation/specs .spec)
	server_start check 'fsync = off' 'mlops.allow_session_authorization = on'
	regress "$PGXS_DIR/src/test/isolation/pg_isolation_regress" test/isolation isolation_regression "$tests"
}

suite_pgtap() {
	server_start check 'fsync = off' 'mlops.allow_session_authorization = on'
	export PGDATABASE=pgtap
	as_tester psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
		-c 'DROP DATABASE IF EXISTS pgtap' -c 'CREATE DATABASE pgtap'
	as_tester psql -Xq -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION mlops' -c 'CREATE EXTENSION pgtap'
	files test/pgtap .sql
	harness psql -XAtq -v ON_ERROR_STOP=1 -f -- "${FILES[@]}"
}

suite_tap() {
	export TESTDIR=$CHECK/tap TESTDATADIR=$CHECK/tap/tmp_check TESTLOGDIR=$CHECK/tap/tmp_check/log
	export PG_TEST_PORT_DIR=$CHECK/tap/ports PG_REGRESS=$PGXS_DIR/src/test/regress/pg_regress
	install -m 644 test/fixtures/next_version.sql "$SHARE/extension/mlops--$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" mlops.control)--next.sql"
	files test/t .pl
	case " ${FILES[*]} " in *140_dbt*) ensure_dbt ;; esac
	case " ${FILES[*]} " in *150_report*) ensure_browser ;; esac
	harness perl -I "$PGXS_DIR/src/test/perl" -I test/t -- "${FILES[@]}"
}

suite_demo() {
	local output=$CHECK/demo/output status
	set +e
	(
		set -e
		DEMO_DATA='' run_demo check
	) > "$output" 2>&1
	status=$?
	set -e
	echo "exit status $status" >> "$output"
	[ "$status" -eq 0 ] || tail -n 20 "$output" | sed 's/^/    > /'
	harness bash test/demo/check.sh -- "$output"
}

# What "make matrix" does between versions of libxgboost; no part of "make check".
suite_exchange() {
	server_start check 'fsync = off'
	mkdir -p "$BUILD/exchange"
	own "$BUILD/exchange"
	harness test/setup/exchange.sh -- "$BUILD/exchange"
}

# --- parts

# The names, without $2, of the files in $1 that end so; if TESTS has names,
# those alone.
names() {
	local file name
	for file in "$1"/*"$2"; do
		name=$(basename "$file" "$2")
		if [[ -z "${TESTS:-}" || " $TESTS " == *" $name "* ]]; then
			echo "$name"
		fi
	done
}

# files DIRECTORY END: sets FILES to the paths of the same.
files() { mapfile -t FILES < <(names "$1" "$2" | sed "s,.*,$1/&$2,"); }

# Build the programs of the suite, as many as can be; errors are shown.  Sets
# PROGRAMS to what they should become: one that is not there then fails.
build_programs() {
	local log=$CHECK/$suite/make.log
	mapfile -t PROGRAMS < <(names "test/$suite" .c | sed "s,^,build/$suite/,")
	make -k WERROR=-Werror "$suite-programs" > "$log" 2>&1 || show_errors "$log"
}

# harness COMMAND... -- TEST...: TAP tests, each within its time, as the tester.
harness() {
	local command=()
	while [ "$1" != -- ]; do
		command+=("$1")
		shift
	done
	shift
	as_tester perl test/setup/harness.pl "$CHECK/$suite" \
		timeout --kill-after=10 "$TEST_TIMEOUT" "${command[@]}" -- "$@" < /dev/null
}

# regress PROGRAM INPUTDIR DATABASE TESTS: pg_regress and its sister.
regress() {
	local total passed out=$CHECK/$suite
	total=$(wc -w <<< "$4")
	# shellcheck disable=SC2086
	as_tester "$1" --inputdir="$2" --outputdir="$out" --bindir="$BIN" --host="$PGHOST" --port="$PGPORT" \
		--user=postgres --dbname="$3" --load-extension=mlops $4 > "$out/log" 2>&1 || true
	awk 1 "$out/log"	# which ends the last line, too
	[ ! -s "$out/regression.diffs" ] || head -n 1000 "$out/regression.diffs"
	# "test x ... ok" until 15, "ok 1 - x" since 16
	passed=$(grep -cE '^test .* \.\.\. ok |^ok [0-9]' "$out/log" || true)
	echo "$passed $((total - passed))"
}

# The benchmarks, one after the other, in C alone and on one server; then a table
# of the figures that have a limit.  Fails if one is missed or a benchmark ends
# with an error.
run_benchmarks() {
	local bench name logs=$BUILD/benchmarks failed=0
	run_logged "$BUILD/bench.log" make WERROR=-Werror bench-programs || die 'a benchmark could not be built'
	fresh_dir "$logs"
	server_start check 'fsync = off'
	for bench in build/bench/* test/bench/*.sh; do
		name=$(basename "$bench" .sh)
		if [[ -z "${TESTS:-}" || " $TESTS " == *" $name "* ]]; then
			say "$bench"
			as_tester "$bench" 2>&1 | tee "$logs/$name" || { echo "$name ended with an error"; failed=1; }
		fi
	done
	server_stop check
	say 'what has a limit'
	(cd "$logs" && perl "$TOP/test/setup/limits.pl" *) && [ "$failed" -eq 0 ]
}

# Every suite but lint in a copy in build/coverage, which is compiled for gcov and
# belongs to the tester, whose servers write there what they reached; then the
# lines of each folder of src/ that were reached.
run_coverage() {
	local copy=$BUILD/coverage status=0
	command -v gcov > /dev/null || die 'make coverage needs gcov' 'It comes with gcc.'
	fresh_dir "$copy"
	tar -cf - --exclude=./.git --exclude=./build --exclude='*.[od]' --exclude='*.bc' --exclude='*.so' . | tar -xf - -C "$copy"
	own "$copy"
	SUITES=${SUITES#lint } COPT="--coverage -fprofile-update=atomic" "$copy/test/setup/run.sh" check || status=1
	say 'lines that the tests reach'
	(cd "$copy" && find src -name '*.gcda' -exec gcov --no-output {} + 2> /dev/null) | perl -ne '
		if (/^File .(src\/(?:\w+(?=\/))?)/) { $folder = $1 }
		elsif (/^File/) { undef $folder }
		elsif ($folder && /^Lines executed:([\d.]+)% of (\d+)/) { $reached{$folder} += $1 * $2 / 100; $lines{$folder} += $2; undef $folder }
		END { printf "%-20s %6d lines %6.1f %%\n", $_, $lines{$_}, 100 * $reached{$_} / $lines{$_} for sort keys %lines }'
	return "$status"
}

# run_suite NAME: run it apart, show what it shows, add up its last line.
run_suite() {
	local suite=$1 log=$CHECK/$1.log last begin=$SECONDS
	fresh_dir "$CHECK/$suite"
	say "$suite"
	set +e
	(
		set -e
		cd "$TOP"
		"suite_$suite"
	) 9>&- 2>&1 | tee "$log" | sed -E '${/^[0-9]+ [0-9]+$/d}'
	set -e
	last=$(tail -n 1 "$log")
	if [[ ! "$last" =~ ^[0-9]+\ [0-9]+$ || "$last" = '0 0' ]]; then
		echo "  the suite $suite could not run, or has no tests"
		last='0 1'
	fi
	PASSED=$((PASSED + ${last% *}))
	FAILED=$((FAILED + ${last#* }))
	echo "  $suite: ${last% *} passed, ${last#* } failed ($((SECONDS - begin)) s)"
}

# run_suites NAME...: the suites, and the sum in a line of its own.
run_suites() {
	local name
	PASSED=0 FAILED=0
	mkdir -p "$CHECK"
	for name; do
		run_suite "$name"
	done
	server_stop check
	printf '\n%d passed, %d failed\n' "$PASSED" "$FAILED"
	SUMMED=yes
	[ "$FAILED" -eq 0 ] && [ "$PASSED" -gt 0 ]
}
