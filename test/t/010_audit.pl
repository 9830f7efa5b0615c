# The life of the audit log: who and where, writers at the same time, crashes,
# dumps, copies, standbys, other encodings.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

require './test/setup/restart.pl';

my $dir = $PostgreSQL::Test::Utils::tmp_check;
my $probe = slurp_file('test/fixtures/audit_probe.sql');

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 'logical');
$node->append_conf(
	'postgresql.conf', q{
listen_addresses = '127.0.0.1'
restart_after_crash = on
deadlock_timeout = '10ms'
});
unlink $node->data_dir . '/pg_hba.conf';
$node->append_conf('pg_hba.conf', "host bank clerk 127.0.0.1/32 scram-sha-256\nlocal all all trust\nlocal replication all trust\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE bank');
$node->safe_psql('bank', "CREATE EXTENSION mlops; $probe");

sub verifies
{
	my ($server, $database, $name) = @_;
	is($server->safe_psql($database, q{SELECT status FROM mlops.verify_audit(checks => '{}')}), 'OK', "$name: the log verifies");
}

# What an auditor would compare of two logs.
my $log = q{SELECT count(*), md5(string_agg(e::text, E'\n' ORDER BY seq)) FROM mlops.audit_event e};

# The hash of every event, computed in SQL by what doc/audit.md says.
my $hashes = join '', q{
	SELECT count(*) FROM (
		SELECT e.hash, sha256('\x00' || 'mlops/leaf/v1'::bytea || uuid_send(e.log_id) || '\x01' || int2send(count(*)::int2)
			|| string_agg(int2send(f.number::int2) || f.type || int4send(length(f.value)) || f.value, '' ORDER BY f.number)) AS computed
		FROM mlops.audit_event e, LATERAL (VALUES
	}, join(",\n", map {
		my ($number, $type, $column) = @$_;
		"($number, '\\x0$type'::bytea, "
		  . ( $type == 1 ? "int8send($column\::text::bigint)"
			: $type == 2 ? "int8send((extract(epoch FROM $column) * 1000000)::bigint)"
			: $type == 5 ? $column
			:              "convert_to($column\::text, 'UTF8')")
		  . ')'
	} fields()), q{
		) AS f(number, type, value) WHERE f.value IS NOT NULL GROUP BY e.seq) h
	WHERE hash = computed};

# Number, type and column of each field, from the test vectors.
sub fields
{
	my %types = (integer => 1, time => 2, text => 3, json => 4, bytes => 5);
	my %fields;
	for (split /\n/, slurp_file('test/fixtures/audit_vectors.txt'))
	{
		$fields{$1} = [ $1, $types{$2}, $3 ] if /^field (\d+) (\w+) (\w+)/;
	}
	return map { $fields{$_} } sort { $a <=> $b } keys %fields;
}

#
# Who and where
#
$node->safe_psql(
	'bank', q{
CREATE ROLE clerk LOGIN PASSWORD 'secret';
CREATE ROLE desk;
CREATE FUNCTION release() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ SELECT mlops.probe('who') $$;
ALTER FUNCTION release() OWNER TO desk;
GRANT ALL ON SCHEMA public TO desk;
});
my $tcp = 'host=127.0.0.1 port=' . $node->port . ' dbname=bank application_name=branch';
my $who = q{
	SELECT concat_ws(' ', seq, login_role, session_user_name, caller, substring(system_user_name FROM '[^:]*$'), asserted_user, client_addr, client_port IS NOT NULL, application_name, database_name,
		backend_pid = :PID, occurred_at >= statement_at AND statement_at >= transaction_at AND transaction_at >= backend_start
			AND occurred_at <= clock_timestamp(), database_oid = (SELECT oid FROM pg_database WHERE datname = 'bank'),
		system_identifier = (SELECT system_identifier FROM pg_control_system()), timeline,
		extension_version = (SELECT extversion FROM pg_extension WHERE extname = 'mlops'), server_version = current_setting('server_version'))
	FROM mlops.audit_event ORDER BY seq DESC LIMIT 1};

# record an event in a session, and what the log says then of who it was
sub recorded
{
	my ($statements, @connection) = @_;
	my $pid = $node->safe_psql('bank', "SELECT pg_backend_pid(); $statements", @connection);
	$pid =~ s/\n.*//s;
	return $node->safe_psql('bank', $who =~ s/:PID/$pid/r);
}

$ENV{PGPASSWORD} = 'secret';
my $user = $node->safe_psql('bank', 'SELECT current_user');
is(recorded(q{SELECT mlops.probe('who')}),
	"1 $user $user $user f 010_audit.pl bank t t t t 1 t t", 'a superuser at the socket');
is(recorded(q{SET mlops.asserted_user = 'u-0815'; SELECT mlops.probe('who')}, connstr => "$tcp user=clerk"),
	'2 clerk clerk clerk clerk u-0815 127.0.0.1 t branch bank t t t t 1 t t', 'a clerk in the branch');
is(recorded('SELECT release()', connstr => "$tcp user=clerk"),
	'3 clerk clerk desk clerk 127.0.0.1 t branch bank t t t t 1 t t', 'by the right of the desk');
is(recorded(q{SET SESSION AUTHORIZATION clerk; SET ROLE NONE; SELECT mlops.probe('who')}),
	"4 $user clerk clerk f 010_audit.pl bank t t t t 1 t t", 'a superuser in the guise of a clerk');
verifies($node, 'bank', 'who');

#
# Writers at the same time
#
$node->safe_psql('bank', 'CREATE SEQUENCE n; CREATE TABLE ledger (n bigint); CREATE TABLE pad (n int)');
my $transaction = q{
SELECT nextval('n') AS n \gset
INSERT INTO ledger VALUES (:n);
SELECT mlops.probe('entry', 1, NULL, :n::text);
SAVEPOINT a;
SELECT mlops.probe('undone', 3);
ROLLBACK TO a;
SAVEPOINT b;
SELECT mlops.probe('more', 2);
NOTIFY ledger;
RELEASE b;
\set fate random(1, 4)
\if :fate = 1
ROLLBACK;
\else
COMMIT;
\endif
};
my $isolation = 0;
my @files;
for my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	append_to_file("$dir/writers_$isolation.sql", "BEGIN ISOLATION LEVEL $level;$transaction");
	push @files, '-f', "$dir/writers_$isolation.sql";
	$isolation++;
}

# The log and what it is about have to agree.
sub agrees
{
	my ($database, $name) = @_;
	is( $node->safe_psql(
			$database, q{
		SELECT count(*) = max(seq) AND min(seq) = 1, count(*) FILTER (WHERE action = 'undone'),
			(SELECT count(*) FROM ledger l FULL JOIN (SELECT reason FROM mlops.audit_event WHERE action = 'entry') e
			 ON l.n::text = e.reason WHERE l.n IS NULL OR e.reason IS NULL),
			count(*) FILTER (WHERE action = 'entry') * 2 = count(*) FILTER (WHERE action = 'more')
		FROM mlops.audit_event}),
		't|0|0|t', "$name: one event for each entry, and no gap");
	verifies($node, $database, $name);
}

my ($out, $err) = ('', '');
my $writers = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '60', @files, '-h', $node->host, '-p', $node->port, 'bank' ],
	'>', \$out, '2>', \$err);
# maintenance gets in between and deadlocks with nobody
$node->safe_psql('bank', $_)
  for ('VACUUM FULL mlops.audit_event', 'REINDEX TABLE mlops.audit_event', 'ANALYZE mlops.audit_event',
	'CREATE INDEX CONCURRENTLY extra ON mlops.audit_event (subject)', 'DROP INDEX CONCURRENTLY mlops.extra');
ok($writers->finish, 'all writers end well') or diag($err);
unlike("$out$err", qr/serialization failures: [1-9]|number of failed transactions: [1-9]|deadlock/,
	'no writer fails because of the others');
cmp_ok($node->safe_psql('bank', 'SELECT count(*) FROM ledger'), '>=', 240, 'there was work');
agrees('bank', 'writers');
is($node->safe_psql('bank', $hashes), $node->safe_psql('bank', 'SELECT count(*) FROM mlops.audit_event'),
	'SQL computes the same hashes');

#
# Crashes: what was acknowledged is in the log, the rest is not there at all
#
for my $round (1 .. 4)
{
	my @sessions;
	my $before = $node->safe_psql('bank', q{SELECT count(*) FROM mlops.audit_event WHERE action = 'acknowledged'});
	for my $client (1 .. 3)
	{
		my $file = "$dir/session_$round.$client";
		append_to_file("$file.sql", join '', map { "BEGIN; SELECT mlops.probe('acknowledged', 1, NULL, '$round.$client.$_');"
				  . " INSERT INTO pad VALUES ($_); COMMIT;\n\\echo $round.$client.$_\n" } 1 .. 20000);
		push @sessions, { out => "$file.out", run => IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', "$file.sql", '-d', $node->connstr('bank') . ' application_name=writer' ],
			'>', "$file.out", '2>', "$file.err") };
	}
	$node->poll_query_until('bank', qq{SELECT count(*) >= $before + 60 FROM mlops.audit_event WHERE action = 'acknowledged'})
	  or die 'no events';
	if ($round % 2)
	{
		$node->stop('immediate');
	}
	else
	{
		my $pid = $node->safe_psql('bank', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'writer' LIMIT 1});
		kill 9, $pid;
	}
	$_->{run}->finish for @sessions;
	$node->start if $round % 2;
	poll_restarting($node, 'postgres', 'SELECT 1', '1') or die 'no server';

	my @acknowledged = grep { /^\d+\.\d+\.\d+$/ } map { split /\n/, slurp_file($_->{out}) } @sessions;
	my %found = map { $_ => 1 } split /\n/, $node->safe_psql('bank', qq{SELECT reason FROM mlops.audit_event WHERE reason LIKE '$round.%'});
	cmp_ok(scalar @acknowledged, '>=', 50, "crash $round: events were acknowledged");
	is(scalar(grep { !$found{$_} } @acknowledged), 0, "crash $round: all of them are in the log");
	cmp_ok(scalar(keys %found) - @acknowledged, '<=', 3, "crash $round: and at most one more of each session");
	is($node->safe_psql('bank', 'SELECT count(*) FROM pad'),
		$node->safe_psql('bank', q{SELECT count(*) FROM mlops.audit_event WHERE action = 'acknowledged'}),
		"crash $round: what was done and what was recorded agree");
	agrees('bank', "crash $round");
}

#
# Dump and restore: the same rows, then a new incarnation
#
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init(allows_streaming => 'logical');
$other->start;
$other->safe_psql('postgres', 'CREATE ROLE clerk; CREATE ROLE desk');

my $head = $node->safe_psql('bank', q{SELECT seq || ', ' || quote_literal(hash) || '::bytea' FROM mlops.audit_head()});
my $identifier = $node->safe_psql('bank', 'SELECT system_identifier FROM pg_control_system()');
my $original = $node->safe_psql('bank', $log);
my $oid = $node->safe_psql('bank', q{SELECT oid FROM pg_database WHERE datname = 'bank'});

my $version = $node->safe_psql('bank', 'SHOW server_version');
my $extension = $node->safe_psql('bank', q{SELECT extversion FROM pg_extension WHERE extname = 'mlops'});

sub is_copy
{
	my ($server, $database, $name) = @_;
	is($server->safe_psql($database, $log), $original, "$name: the log is the same");
	is($server->safe_psql($database, "SELECT status FROM mlops.verify_audit(1, $head, NULL, '{}')"), 'OK',
		"$name: it verifies against the head of the original");
	$server->safe_psql($database, q{SELECT mlops.probe('after'), mlops.probe('after')});
	is( $server->safe_psql(
			$database, qq{
		SELECT string_agg(action || ' ' || incarnation, ', ' ORDER BY seq),
			bool_and(system_identifier = (SELECT system_identifier FROM pg_control_system())
				AND timeline = (SELECT timeline_id FROM pg_control_checkpoint())
				AND database_oid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND caller = current_user),
			min(detail ->> 'previous') FILTER (WHERE action = 'incarnation')
		FROM mlops.audit_event WHERE seq > (SELECT seq FROM (VALUES ($head)) h(seq, hash))}),
		sprintf('incarnation 2, after 2, after 2|t|{"seq": %d, "system_identifier": "%s", "timeline": 1, "database_oid": %d, "database_name": "bank", "server_version": "%s", "extension_version": "%s"}',
			(split /,/, $head)[0], $identifier, $oid, $version, $extension),
		"$name: the first event afterwards says so");
	is($server->safe_psql($database, "SELECT status FROM mlops.verify_audit(1, $head, NULL, '{}')"), 'OK', "$name: it still verifies");
}

my @dump = ('pg_dump', '-d', $node->connstr('bank'));
command_ok([ @dump, '-Fp', '-f', "$dir/bank.sql" ], 'dump as text');
command_ok([ @dump, '-Fc', '-f', "$dir/bank.dump" ], 'dump in the custom format');
command_ok([ @dump, '-Fd', '-j', '2', '-f', "$dir/bank.dir" ], 'dump as a directory');
$other->safe_psql('postgres', "CREATE DATABASE $_") for ('plain', 'custom', 'directory');
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/bank.sql", '-d', $other->connstr('plain') ], 'restore of text');
command_ok([ 'pg_restore', '-e', '-d', $other->connstr('custom'), "$dir/bank.dump" ], 'restore of the custom format');
command_ok([ 'pg_restore', '-e', '-j', '2', '-d', $other->connstr('directory'), "$dir/bank.dir" ], 'restore of a directory');
is_copy($other, $_, $_) for ('plain', 'custom', 'directory');

$node->safe_psql('postgres', 'CREATE DATABASE same');
command_ok([ 'pg_restore', '-e', '-d', $node->connstr('same'), "$dir/bank.dump" ], 'restore into the same cluster');
is_copy($node, 'same', 'another database of the same cluster');
$node->safe_psql('postgres', 'CREATE DATABASE template TEMPLATE bank');
is_copy($node, 'template', 'a copy as template');

$node->safe_psql('bank', q{SELECT mlops.probe('on'), mlops.probe('on')});
is($node->safe_psql('bank', q{SELECT max(incarnation) FROM mlops.audit_event}), '1', 'the original goes on as it is');
is($other->safe_psql('plain', 'SELECT status FROM mlops.verify_audit(1, ' . $node->safe_psql('bank',
		q{SELECT seq || ', ' || quote_literal(hash) || '::bytea' FROM mlops.audit_head()}) . q{, NULL, '{}')}),
	'FORKED', 'a copy that went its own way is not the original');

# restored a second time, which a reader can tell from the first
command_ok([ 'pg_dump', '-Fc', '-f', "$dir/plain.dump", '-d', $other->connstr('plain') ], 'dump of the copy');
$node->safe_psql('postgres', 'CREATE DATABASE again');
command_ok([ 'pg_restore', '-e', '-d', $node->connstr('again'), "$dir/plain.dump" ], 'restore of the copy of the copy');
$node->safe_psql('again', q{SELECT mlops.probe('again')});
is($node->safe_psql('again', q{SELECT string_agg(incarnation::text, ' ' ORDER BY seq) FROM mlops.audit_event WHERE action = 'incarnation'}),
	'2 3', 'each incarnation has its number');
verifies($node, 'again', 'a copy of a copy');

#
# A renamed database is the same one
#
$node->safe_psql('postgres', 'ALTER DATABASE again RENAME TO renamed');
$node->safe_psql('renamed', q{SELECT mlops.probe('renamed')});
is($node->safe_psql('renamed', 'SELECT incarnation, database_name FROM mlops.audit_event ORDER BY seq DESC LIMIT 1'), '3|renamed',
	'a new name is no new incarnation');
verifies($node, 'renamed', 'a new name');

#
# Encodings: the hash is of UTF-8
#
my %encodings = (latin1 => 'LATIN1', ascii => 'SQL_ASCII', euc => 'EUC_JP');
for my $database (sort keys %encodings)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encodings{$database}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
	$node->safe_psql($database, "CREATE EXTENSION mlops; $probe");
	my $reason = $database eq 'euc' ? "\xe6\xbc\xa2\xe5\xad\x97" : "caf\xc3\xa9";
	$node->safe_psql($database,
		"SET client_encoding = 'UTF8'; SELECT mlops.probe('text', 1, NULL, '$reason', jsonb_build_object('note', '$reason'::text))");
	verifies($node, $database, $database);
	is( $node->safe_psql($database, q{SELECT position('\x} . unpack('H*', $reason) . q{'::bytea IN mlops.audit_bytes(e)) > 0 FROM mlops.audit_event e}),
		't', "$database: the bytes of the hash are UTF-8");
	command_ok([ 'pg_dump', '-Fc', '-f', "$dir/$database.dump", '-d', $node->connstr($database) ], "$database: dump");
	$other->safe_psql('postgres', "CREATE DATABASE $database ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
	next if $database eq 'ascii';
	command_ok([ 'pg_restore', '-e', '-d', $other->connstr($database), "$dir/$database.dump" ], "$database: restore into UTF-8");
	verifies($other, $database, "$database in UTF-8");
}

# Names of roles are shared by databases of different encodings.
$node->safe_psql('latin1', "SET client_encoding = 'UTF8'; CREATE ROLE \"jos\xc3\xa9\" LOGIN; GRANT CREATE ON DATABASE bank TO \"jos\xc3\xa9\"");
my $jose = $node->safe_psql('bank', q{SELECT oid FROM pg_roles WHERE rolname LIKE 'jos%'});
$node->safe_psql('bank', qq{DO \$\$ BEGIN EXECUTE (SELECT 'SET SESSION AUTHORIZATION ' || quote_ident(rolname) FROM pg_roles WHERE oid = $jose); END \$\$;
	SELECT mlops.probe('foreign name')});
is($node->safe_psql('bank', 'SELECT session_user_name, caller FROM mlops.audit_event ORDER BY seq DESC LIMIT 1'), 'jos\xe9|jos\xe9',
	'a name that is no text in this database is spelt out');
verifies($node, 'bank', 'a foreign name');

#
# A replica of the rows, and a standby that becomes the primary
#
$other->safe_psql('postgres', 'CREATE DATABASE replica');
$other->safe_psql('replica', 'CREATE EXTENSION mlops');
$node->safe_psql('bank', 'CREATE PUBLICATION audit FOR TABLE mlops.audit_event');
$other->safe_psql('replica', "CREATE SUBSCRIPTION audit CONNECTION \$\$" . $node->connstr('bank') . '$$ PUBLICATION audit');
$other->wait_for_subscription_sync($node, 'audit', 'replica');
$node->safe_psql('bank', q{SELECT mlops.probe('replicated')});
$node->wait_for_catchup('audit');
$head = $node->safe_psql('bank', q{SELECT seq || ', ' || quote_literal(hash) || '::bytea' FROM mlops.audit_head()});
is($other->safe_psql('replica', "SELECT status, seq FROM mlops.verify_audit(1, $head, NULL, '{}')"), 'OK|' . (split /,/, $head)[0],
	'a logical replica verifies against the head of the original');
$other->safe_psql('replica', 'DROP SUBSCRIPTION audit');

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->safe_psql('bank', q{SELECT mlops.probe('streamed')});
$node->wait_for_catchup($standby, 'replay');
$head = $node->safe_psql('bank', q{SELECT seq || ', ' || quote_literal(hash) || '::bytea' FROM mlops.audit_head()});
is($standby->safe_psql('bank', "SELECT status FROM mlops.verify_audit(1, $head, NULL, '{}')"), 'OK', 'the log verifies on a standby');
my ($rc) = $standby->psql('bank', q{SELECT mlops.probe('on a standby')}, stderr => \$err);
like($err, qr/cannot execute mlops\._audit\(\) in a read-only transaction/, 'a standby writes no events');
$standby->promote;
$standby->safe_psql('bank', q{SELECT mlops.probe('after promotion')});
is($standby->safe_psql('bank', q{SELECT action, incarnation, timeline FROM mlops.audit_event ORDER BY seq DESC LIMIT 2}),
	"after promotion|2|2\nincarnation|2|2", 'a standby that was promoted says so');
is($standby->safe_psql('bank', "SELECT status FROM mlops.verify_audit(1, $head, NULL, '{}')"), 'OK', 'and its log verifies');
$standby->stop;

#
# Size, cancel
#
$node->safe_psql('bank', q{SELECT mlops.probe('many', 50000, 'bulk', repeat('because ', 20), jsonb_build_object('text', repeat('x', 3000)))});
verifies($node, 'bank', 'many events of one transaction, with values out of line');
$node->psql('bank', q{SET statement_timeout = '1ms'; SELECT * FROM mlops.verify_audit()}, stderr => \$err);
like($err, qr/canceling statement due to statement timeout/, 'a verification can be cancelled');
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'there was no deadlock');

$node->stop;
$other->stop;
done_testing();
