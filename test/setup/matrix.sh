#!/usr/bin/env bash
# matrix.sh: what "make matrix" does.  "make check" of what is committed in every
# supported distribution of Debian, or in those of MATRIX, each bootstrapped into
# build/matrix/NAME and kept there; then model files of each version of
# libxgboost are scored in all others.  Prints a table; fails if anything did.
#
# Packages come from where the machine's own apt has them.  What is mounted for a
# distribution is so in a mount namespace that ends with its last process, which
# is why nothing of the machine can be left mounted below build/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# shellcheck source=test/setup/lib.sh
. test/setup/lib.sh

MATRIX=${MATRIX:-bookworm trixie sid}
PLACE=$BUILD/matrix

[ "$(id -u)" -eq 0 ] || die 'make matrix needs root, which alone may chroot'
for program in debootstrap unshare git; do
	command -v "$program" > /dev/null || die "make matrix needs $program" "On Debian: apt-get install $program (unshare is in util-linux)."
done
git rev-parse -q --verify HEAD > /dev/null || die 'make matrix tests what is committed, and this is no git checkout'
# shellcheck disable=SC2016
archive=$(apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(CREATED_BY) $(REPO_URI)' 2> /dev/null |
	sed -n 's/^Debian main Packages //p' | grep -v security | head -n 1)
[ -n "$archive" ] || die 'apt has no archive of Debian among its sources' 'Is this a Debian, and has apt-get update run?'

# inside NAME COMMAND...: run it in the distribution, with its own processes.
inside() {
	local root=$PLACE/$1
	shift
	# shellcheck disable=SC2016
	unshare --mount --pid --fork --kill-child --propagation private bash -c '
		root=$1; shift
		mount -t proc proc "$root/proc" && mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" &&
			mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts" &&
			exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
				${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} ${TESTS:+TESTS="$TESTS"} PIP_CERT=/srv/trusted.crt "$@"' \
		inside "$root" "$@" < /dev/null
}

# Make the distribution, or bring the one that is there up to date; and put what
# is committed, and what the machine knows of its network, into it.
prepare() {
	local root=$PLACE/$1 log=$PLACE/$1.log file
	if [ ! -f "$root.whole" ]; then
		say "bootstrapping $1"
		rm -rf "$root"
		run_logged "$log" debootstrap --variant=minbase "$1" "$root" "$archive" || return
		touch "$root.whole"
	fi
	for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do
		[ ! -f "$file" ] || { rm -f "$root$file" && install -m 644 "$file" "$root$file"; } || return
	done
	[ ! -f /etc/ssl/certs/ca-certificates.crt ] || install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/srv/trusted.crt" || return
	# the archive may be a copy that stands still
	echo 'Acquire::Check-Valid-Until "false";' > "$root/etc/apt/apt.conf.d/mlops"
	inside "$1" sh -c 'apt-get -q update && apt-get -q -y dist-upgrade' > "$log" 2>&1 ||
		say "$1 could not be brought up to date: it is tested as it is (the output is in $log)"
	mkdir -p "$root/srv/mlops"
	find "$root/srv/mlops" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} + || return
	# new files, or make would take old programs in build/ for theirs
	git archive HEAD | tar -xmf - -C "$root/srv/mlops" --no-same-owner
}

# of an installed package whose name matches: the version's first two parts
version_of() {
	# shellcheck disable=SC2016
	inside "$1" dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n' 2> /dev/null |
		sed -nE "s/^ii +$2 ([0-9]+\.[0-9]+).*/\1/p" | tail -n 1
}

mkdir -p "$PLACE"
table=$(printf '%-12s %10s %11s %8s %7s %8s' distribution PostgreSQL libxgboost passed failed seconds)
ready=()
worst=0
for name in $MATRIX; do
	begin=$SECONDS passed=0 failed=1
	if prepare "$name"; then
		say "$name: make check (the output is in $PLACE/$name.check)"
		inside "$name" sh -c 'command -v make > /dev/null || apt-get -q -y install --no-install-recommends make' >> "$PLACE/$name.log" 2>&1 || true
		inside "$name" make --no-print-directory -C /srv/mlops check > "$PLACE/$name.check" 2>&1 || worst=1
		grep -E 'not ok|FAILED|^  [a-z]+: ' "$PLACE/$name.check" || true
		result=$(tail -n 2 "$PLACE/$name.check" | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p')
		[ -z "$result" ] || read -r passed failed <<< "$result"
		ready+=("$name")
	else
		worst=1
	fi
	table+=$'\n'$(printf '%-12s %10s %11s %8d %7d %8d' "$name" "$(version_of "$name" 'postgresql-[0-9]+')" \
		"$(version_of "$name" 'libxgboost[0-9]+')" "$passed" "$failed" $((SECONDS - begin)))
done

# Models of each, then those of the others in each.
for name in "${ready[@]}"; do
	rm -rf "$PLACE/$name/srv/mlops/build/exchange"
	say "$name: models for the others"
	inside "$name" make --no-print-directory -C /srv/mlops exchange > "$PLACE/$name.exchange" 2>&1 || worst=1
done
for name in "${ready[@]}"; do
	for other in "${ready[@]}"; do
		[ "$other" = "$name" ] || cp -r "$PLACE/$other/srv/mlops/build/exchange/own" "$PLACE/$name/srv/mlops/build/exchange/$other" || worst=1
	done
	say "$name: models of the others"
	inside "$name" make --no-print-directory -C /srv/mlops exchange > "$PLACE/$name.exchange" 2>&1 || worst=1
	sed -n '/^== exchange/,$p' "$PLACE/$name.exchange"
done

printf '\n%s\n' "$table"
exit "$worst"
