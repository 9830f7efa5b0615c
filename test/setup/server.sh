# shellcheck shell=bash
# Private servers under build/server/NAME: data directory, log and socket, no
# TCP.  Starting is repeatable from every state: running, stopped, killed, or
# half made.

server_port=5432		# only a part of the socket's name

# Sets the places of server $1.
server_places() {
	SERVER_DIR=$BUILD/server/$1
	SERVER_DATA=$SERVER_DIR/data
	SERVER_LOG=$SERVER_DIR/log
	SERVER_SOCKET=$SERVER_DIR
	# a socket's path may have 107 bytes
	if [ $((${#SERVER_SOCKET} + 15)) -gt 107 ]; then
		SERVER_SOCKET=/tmp/mlops-$(printf '%s' "$SERVER_DIR" | sha256sum | cut -c1-16)
	fi
}

# The processes that work in data directory $1, postmaster or orphans of one.
server_processes() {
	local link
	for link in /proc/[0-9]*/cwd; do
		if [ "$(readlink "$link" 2> /dev/null)" = "$1" ]; then
			link=${link#/proc/}
			echo "${link%/cwd}"
		fi
	done
}

# server_stop NAME: stop it at once and wait until its last process has gone.
server_stop() {
	local pids signal pid
	server_places "$1"
	for signal in INT INT QUIT KILL; do
		pids=$(server_processes "$SERVER_DATA")
		[ -n "$pids" ] || break
		# INT is for the postmaster, the others for whatever is left
		[ "$signal" != INT ] || pids=$(head -n 1 "$SERVER_DATA/postmaster.pid" 2> /dev/null || true)
		for pid in $pids; do
			kill -s "$signal" "$pid" 2> /dev/null || true
		done
		wait_gone "$SERVER_DATA"
	done
	# a process number in there may be somebody else's by now
	rm -f "$SERVER_DATA/postmaster.pid"
	# not the server's own folder, which may be below /tmp, too
	[ "$SERVER_SOCKET" = "$SERVER_DIR" ] || rm -rf "$SERVER_SOCKET"
}

wait_gone() {
	local i
	for ((i = 0; i < 100; i++)); do
		[ -n "$(server_processes "$1")" ] || return 0
		sleep 0.1
	done
}

stop_servers() {
	local dir
	for dir in "$BUILD"/server/*/; do
		server_stop "$(basename "$dir")"
	done
}

# server_start NAME [SETTING...]: start it, or start it again so that it has
# the library as it is now, and point PGHOST, PGPORT, PGUSER there.  A data
# directory is kept if it is whole and of this version.
server_start() {
	server_stop "$1"
	shift
	mkdir -p "$SERVER_DIR"
	own "$SERVER_DIR"
	if [ ! -s "$SERVER_DATA/global/pg_control" ] || [ "$(cat "$SERVER_DATA/PG_VERSION")" != "$PG_MAJOR" ]; then
		rm -rf "$SERVER_DATA" "$SERVER_DATA.new"
		run_logged "$SERVER_LOG" as_tester "$BIN/initdb" --no-sync --no-locale --encoding=UTF8 \
			--username=postgres --auth=trust "$SERVER_DATA.new" ||
			die "could not create the data directory $SERVER_DATA"
		mv "$SERVER_DATA.new" "$SERVER_DATA"
	fi

	# nobody but the tester, and root, may enter the socket's directory
	if [ "$SERVER_SOCKET" != "$SERVER_DIR" ]; then
		rm -rf "$SERVER_SOCKET"
		mkdir -m 700 "$SERVER_SOCKET"
		own "$SERVER_SOCKET"
	fi
	chmod 700 "$SERVER_DIR"
	{
		cat "$TOP/test/regress.conf"
		printf "%s\n" "listen_addresses = ''" "port = $server_port" \
			"unix_socket_directories = '$SERVER_SOCKET'" "$@"
	} > "$SERVER_DIR/server.conf"
	own "$SERVER_DIR/server.conf"
	: > "$SERVER_LOG"
	own "$SERVER_LOG"
	as_tester "$BIN/pg_ctl" --silent --wait --timeout=60 --pgdata="$SERVER_DATA" --log="$SERVER_LOG" \
		--options="-c config_file='$SERVER_DIR/server.conf'" start > /dev/null 9>&- ||
		{ tail -n 20 "$SERVER_LOG" >&2; die "the private server did not start" "Its log is $SERVER_LOG; make clean removes it."; }
	export PGHOST=$SERVER_SOCKET PGPORT=$server_port PGUSER=postgres
}

# psql_command DATABASE [USER]: what to type for a psql on the running server.
psql_command() {
	echo "$BIN/psql -h $PGHOST -p $PGPORT -U ${2:-$PGUSER} -d $1"
}
