# shellcheck shell=bash
# A private installation: PostgreSQL as the system has it, seen through
# build/root, with our files added there.  PostgreSQL finds its files relative
# to its own executable, so executables are copies and the rest are links; and
# build/root's pg_config makes every tool, PGXS too, work with build/root.

ROOT=$BUILD/root

# Sets BIN, SHARE and PGXS_DIR, and exports PATH and PG_CONFIG, of build/root.
make_root() {
	local bin lib share dir stamp
	bin=$("$PG_CONFIG" --bindir)
	lib=$("$PG_CONFIG" --pkglibdir)
	share=$("$PG_CONFIG" --sharedir)

	# any package that comes, goes or changes makes it anew
	stamp=$(find "$bin" "$lib" "$share" -printf '%p %s %T@\n' | sort | cksum)
	if [ "$(cat "$ROOT/stamp" 2> /dev/null)" != "$stamp" ]; then
		stop_servers
		rm -rf "$ROOT" "$ROOT.new"
		mkdir -p "$ROOT.new$bin" "$ROOT.new$lib" "$ROOT.new$share"
		cp -rL "$bin/." "$ROOT.new$bin"
		cp -rs "$lib/." "$ROOT.new$lib"
		cp -rs "$share/." "$ROOT.new$share"
		for dir in "$("$PG_CONFIG" --libdir)" "$("$PG_CONFIG" --includedir)" \
			"$("$PG_CONFIG" --includedir-server)" "$("$PG_CONFIG" --localedir)"; do
			if [ -d "$ROOT.new$dir" ] && [ ! -L "$ROOT.new$dir" ]; then
				cp -rsn "$dir/." "$ROOT.new$dir"
			elif [ ! -e "$ROOT.new$dir" ]; then
				mkdir -p "$ROOT.new${dir%/*}"
				ln -s "$dir" "$ROOT.new$dir"
			fi
		done
		echo "$stamp" > "$ROOT.new/stamp"
		mv "$ROOT.new" "$ROOT"
	fi

	BIN=$ROOT$bin
	SHARE=$ROOT$share
	PGXS_DIR=$ROOT$lib/pgxs
	PG_CONFIG=$BIN/pg_config
	PATH=$BIN:$PATH
	export PATH PG_CONFIG
}

# build_and_install [VARIABLE=VALUE...]: make and make install, into build/root.
build_and_install() {
	local log=$BUILD/make.log
	if ! make -j"$(nproc)" "$@" all > "$log" 2>&1; then
		show_errors "$log"
		say "the build failed; its whole output is in $log"
		return 1
	fi
	rm -f "$SHARE"/extension/mlops*
	run_logged "$log" make "$@" install
}

# The lines of a compiler's output that say what is wrong.
show_errors() { grep -E ': (fatal )?(error|warning|note):|undefined|cannot find|\*\*\*' "$1" | head -n 40 || true; }
