#!/usr/bin/env bash
# run.sh GOAL: what "make demo", "make check" and the other private goals do.
# Sets up what the goal needs, whatever state the last run ended in.
#
#	demo		the main job on real data
#	check		every test
#	unit fuzz lint regress pgtap isolation tap
#			one suite of the tests
#	sanitize	the C tests with the address and undefined-behaviour sanitizers
#	coverage	every test, and the share of lines that they reach
#	exchange	model files for other versions of libxgboost, and theirs
#	matrix		all tests in every supported distribution
#	torture		kills while jobs run, 1000 of them or MLOPS_TORTURE
#	bench		the benchmarks
#	server		start the demo's server, say how to connect
#	stop		stop every private server
#	purge		stop, and remove a working copy elsewhere (make clean)
set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# nothing from outside may lead a client to another server
for variable in ${!PG@} DATA; do
	[ "$variable" = PG_CONFIG ] || unset "$variable"
done
export LANG=C.UTF-8 LC_ALL=C.UTF-8
shopt -s nullglob

# shellcheck source=test/setup/lib.sh
. test/setup/lib.sh
# shellcheck source=test/setup/packages.sh
. test/setup/packages.sh
# shellcheck source=test/setup/server.sh
. test/setup/server.sh
# shellcheck source=test/setup/install.sh
. test/setup/install.sh
# shellcheck source=test/setup/suites.sh
. test/setup/suites.sh
# shellcheck source=test/demo/demo.sh
. test/demo/demo.sh

goal=$1

# what is root's to write need not be the tester's
[ "$TESTER" = "$(id -un)" ] || unset TMPDIR TMP TEMP

# Whoever reads the last line of "make check" learns so, too, that it did not
# come to its tests.
trap '[ "$goal" != check ] || [ -n "${SUMMED:-}" ] || printf "\n0 passed, 1 failed\n"' EXIT

DEMO_DATA=${DEMO_DATA:-} DEMO_LABEL=${DEMO_LABEL:-}
[ -z "$DEMO_DATA" ] || DEMO_DATA=$(realpath -e -- "$DEMO_DATA")

# Where the tester can read nothing, as below /root, or where make cannot work,
# as in a path with a blank, a copy of the checkout does the work.
stage=/var/tmp/mlops-$(id -un)-$(printf '%s' "$TOP" | sha256sum | cut -c1-12)

needs_stage() {
	[[ "$TOP" =~ [^A-Za-z0-9/._+-] ]] || ! as_tester test -r "$TOP/test/regress.conf" -a -x "$TOP/test/setup/run.sh"
}

run_in_stage() {
	say "working in $stage, because the account $TESTER (or make) cannot work in $TOP"
	mkdir -p "$stage"
	# /var/tmp is everybody's: somebody else's folder must not become ours
	if [ -L "$stage" ] || [ ! -O "$stage" ]; then
		die "$stage exists and is not yours"
	fi
	# what was deleted here is deleted there; build products stay, for speed
	find "$stage" -path "$stage/build" -prune -o -type f ! -name '*.o' ! -name '*.d' ! -name '*.bc' \
		! -name '*.so' ! -name mlops-trainer ! -name 'mlops--*.sql' -print | while read -r file; do
		[ -f "$TOP${file#"$stage"}" ] || rm -f "$file"
	done
	tar -cf - --mode=u+rwX,go+rX --exclude=./.git --exclude=./build --exclude='*.[od]' --exclude='*.bc' --exclude='*.so' \
		--exclude=./mlops-trainer . | tar -xf - -C "$stage" --no-same-owner
	trap - EXIT
	exec "$stage/test/setup/run.sh" "$goal"
}

case $goal in
	stop | purge)
		stop_servers
		if [ -d "$stage" ] && [ -O "$stage" ] && [ "$stage" != "$TOP" ]; then
			"$stage/test/setup/run.sh" stop
			[ "$goal" = stop ] || rm -rf "$stage"
		fi
		exit
		;;
esac

[ "$goal" != matrix ] || exec test/setup/matrix.sh

mkdir -p "$BUILD"
case $goal in
	demo | server) ensure_packages build ;;
	check | tap) ensure_packages check && ensure_exporter ;;
	*) ensure_packages check ;;
esac

[ "$TESTER" = "$(id -un)" ] || id "$TESTER" > /dev/null 2>&1 ||
	die "there is no account $TESTER" "PostgreSQL does not run as root: run this as another user, or create that account."
! needs_stage || run_in_stage

# one run at a time; servers must not inherit the lock
exec 9> "$BUILD/lock"
flock --nonblock 9 || { say 'waiting for another run in this folder'; flock 9; }

make_root
say "building for PostgreSQL $PG_MAJOR"
werror=WERROR=-Werror
[ "$goal" != demo ] || werror=
build_and_install $werror

# shellcheck disable=SC2086
case $goal in
	demo)
		run_demo demo
		;;
	server)
		server_start demo
		say "running; connect with:  $(psql_command postgres)"
		;;
	check)
		run_suites $SUITES
		;;
	coverage)
		run_coverage
		;;
	torture)
		export MLOPS_TORTURE=${MLOPS_TORTURE:-1000}
		TEST_TIMEOUT=14400 TESTS=110_worker_crash
		run_suites tap
		;;
	bench)
		run_benchmarks
		;;
	*)
		run_suites "$goal"
		;;
esac
