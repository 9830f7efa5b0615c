# shellcheck shell=bash
# What the other scripts of this folder share: places, messages, the account
# that tests run as.  Sourced by run.sh, whose working directory is the top of
# the checkout.

TOP=$PWD
BUILD=$TOP/build

say() { printf '== %s\n' "$*"; }

die() {
	printf 'mlops: %s\n' "$1" >&2
	shift
	[ $# -eq 0 ] || printf '       %s\n' "$@" >&2
	exit 1
}

# PostgreSQL refuses to run as root.  Root's servers, and the clients that test
# them, run as the account that Debian's packages bring.
TESTER=$(id -un)
[ "$(id -u)" -ne 0 ] || TESTER=postgres

as_tester() {
	if [ "$TESTER" = "$(id -un)" ]; then
		"$@"
	else
		runuser -u "$TESTER" -- "$@"
	fi
}

# fresh_dir DIR: an empty directory that the tester owns.
fresh_dir() {
	rm -rf "$1"
	mkdir -p "$1"
	own "$1"
}

own() { [ "$TESTER" = "$(id -un)" ] || chown -R "$TESTER": "$@"; }

# run_logged LOG COMMAND...: the output goes to a file, and is shown if the
# command fails.
run_logged() {
	local log=$1
	shift
	if ! "$@" > "$log" 2>&1 < /dev/null; then
		tail -n 40 "$log" >&2
		return 1
	fi
}
