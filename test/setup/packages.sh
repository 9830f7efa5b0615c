# shellcheck shell=bash
# Finds a PostgreSQL to build against, and installs by apt-get what is missing
# and nothing else: with everything there, apt is never called and no network
# is needed.

# The PostgreSQL versions that this version of mlops supports.
MAJORS='18 17 16 15'

# Sets PG_CONFIG and PG_MAJOR: the given one, the newest that can be built
# against, or the newest server that only lacks its headers.  Fails without any.
find_postgres() {
	local major dir
	if [ -n "${PG_CONFIG:-}" ]; then
		command -v "$PG_CONFIG" > /dev/null || die "PG_CONFIG=$PG_CONFIG is not a program"
		PG_MAJOR=$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
		return
	fi
	for major in $MAJORS; do
		dir=/usr/lib/postgresql/$major/bin
		if [ -x "$dir/postgres" ] && has_headers "$dir/pg_config"; then
			PG_MAJOR=$major PG_CONFIG=$dir/pg_config
			return
		fi
	done
	for major in $MAJORS; do
		dir=/usr/lib/postgresql/$major/bin
		if [ -x "$dir/postgres" ]; then
			PG_MAJOR=$major PG_CONFIG=$dir/pg_config
			return
		fi
	done
	PG_MAJOR=
	return 1
}

has_headers() {
	[ -x "$1" ] && [ -f "$("$1" --includedir-server)/postgres.h" ] && [ -f "$("$1" --pgxs)" ]
}

compiles() { echo 'int main(void) { return 0; }' | gcc -xc -o /dev/null "$@" - 2> /dev/null; }

# Prints the packages that are missing.  $1: build, or check for the tests too.
missing_packages() {
	local server dev
	server=postgresql-$PG_MAJOR dev=postgresql-server-dev-$PG_MAJOR
	[ -x "${PG_CONFIG%/*}/postgres" ] || echo "$server"
	has_headers "$PG_CONFIG" || echo "$dev"
	compiles -include stdio.h || echo build-essential
	compiles -include xgboost/c_api.h -lxgboost || echo libxgboost-dev
	[ "$1" = check ] || return 0
	[ -f "$("$PG_CONFIG" --sharedir 2> /dev/null)/extension/pgtap.control" ] || echo "postgresql-$PG_MAJOR-pgtap"
	perl -MTAP::Harness -e 1 2> /dev/null || echo perl
	perl -MIPC::Run -e 1 2> /dev/null || echo libipc-run-perl
	/usr/bin/python3 -c 'import ensurepip, venv' 2> /dev/null || echo python3-venv
}

# ensure_packages build|check
ensure_packages() {
	local missing
	if ! find_postgres; then
		PG_MAJOR=$(default_major) || {
			need_apt 'postgresql, postgresql-server-dev, build-essential, libxgboost-dev'
			run_logged "$BUILD/packages.log" as_root apt-get -q update || true
			PG_MAJOR=$(default_major) || die "apt offers no PostgreSQL of a version among ${MAJORS// /, }" \
				'Is there a network, and are the sources of apt right?'
		}
		PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config
	fi
	case " $MAJORS " in
		*" $PG_MAJOR "*) ;;
		*) die "PostgreSQL $PG_MAJOR is not supported: mlops needs one of ${MAJORS// /, }" ;;
	esac

	missing=$(missing_packages "$1")
	missing=${missing//$'\n'/ }
	if [ -n "$missing" ]; then
		need_apt "$missing"
		say "installing $missing"
		# shellcheck disable=SC2086
		apt_install $missing || die "could not install: $missing" "The whole output is in $BUILD/packages.log."
		missing=$(missing_packages "$1")
		[ -z "$missing" ] || die "still missing after the installation: $missing"
	fi
	export PG_CONFIG
}

# dbt, of the versions that the dbt package is tested with, in build/dbt.  Where
# PyPI is out of reach there is none, and its test says that it is skipped.
ensure_dbt() {
	local venv=$BUILD/dbt
	[ ! -x "$venv/bin/dbt" ] || return 0
	say 'fetching dbt-core and dbt-postgres, for the test of the dbt package'
	rm -rf "$venv"
	{
		/usr/bin/python3 -m venv "$venv" &&
			"$venv/bin/pip" install --quiet --disable-pip-version-check 'dbt-core==1.10.*' 'dbt-postgres==1.10.*' &&
			"$venv/bin/dbt" --version	# which ends with an error where Python is too new for it
	} > "$BUILD/dbt.log" 2>&1 < /dev/null || {
		rm -rf "$venv"
		say 'they could not be installed: the output is in build/dbt.log'
	}
}

# A browser for the test of the pages.  Where it is not to be had, that test says
# that it is skipped.
ensure_browser() {
	! command -v chromium > /dev/null || return 0
	say 'installing chromium, for the test of the pages'
	apt_install chromium || say 'it could not be installed: the output is in build/packages.log'
}

# Prometheus' postgres_exporter, for test/t/106_prometheus.pl: the system's, or
# Debian's package unpacked in build/, since its installation would start a
# service.  Where neither can be had that test says so and is skipped.
ensure_exporter() {
	local name=prometheus-postgres-exporter dir=$BUILD/exporter
	if command -v "$name" > /dev/null || [ -x "$dir/usr/bin/$name" ] || ! command -v apt-get dpkg-deb > /dev/null; then
		return 0
	fi
	rm -rf "$dir"
	mkdir -p "$dir"
	(cd "$dir" && timeout 60 apt-get -q -o Acquire::Retries=0 download "$name" && dpkg-deb -x "$name"_*.deb .) \
		> "$BUILD/exporter.log" 2>&1 < /dev/null || true
}

# The newest supported version that the distribution has: the one of its
# package "postgresql" unless that is too new.
default_major() {
	local major
	major=$(apt-cache depends postgresql 2> /dev/null | sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p')
	for major in $major $MAJORS; do
		case " $MAJORS " in *" $major "*) ;; *) continue ;; esac
		if [ -n "$(apt-cache show "postgresql-$major" 2> /dev/null)" ]; then
			echo "$major"
			return
		fi
	done
	return 1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

# need_apt WHAT: end with a plain message where we cannot install.
need_apt() {
	command -v apt-get > /dev/null ||
		die "missing: $1" "There is no apt-get here to install it: install it in this system's own way." \
			"(names as on Debian; PG_CONFIG=... leads to a PostgreSQL elsewhere)"
	[ "$(id -u)" -eq 0 ] || command -v sudo > /dev/null ||
		die "missing: $1" "You are neither root nor have sudo: ask an administrator to install it, then run this again."
}

# The server package would create and start a cluster "main" of its own on a
# machine that had no PostgreSQL.  That is not ours to do: a drop-in, there
# only while apt-get runs, says no.  Existing clusters are not touched.
apt_install() {
	local dropin=/etc/postgresql-common/createcluster.d/mlops-setup.conf
	local status=0
	as_root sh -c "umask 022; mkdir -p ${dropin%/*} && echo 'create_main_cluster = false' > $dropin"
	apt_try "$@" || { as_root apt-get -q update && apt_try "$@"; } > /dev/null 2>&1 || status=$?
	as_root rm -f "$dropin"
	[ "$status" -eq 0 ] || tail -n 20 "$BUILD/packages.log" >&2
	return "$status"
}

apt_try() {
	as_root apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" \
		> "$BUILD/packages.log" 2>&1 < /dev/null
}
