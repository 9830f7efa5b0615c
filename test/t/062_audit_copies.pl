# The audit log in copies of the database: dumps in every format, a base
# backup set back to a point in time, a standby that is promoted, pg_upgrade.
# In each the log is what it was, agrees with the tables, goes on in a new
# incarnation, and is told from the original by a checkpoint.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = "$PostgreSQL::Test::Utils::tmp_check/copies";
mkdir $dir;
my $stump = slurp_file('test/fixtures/stump.sql');
my $log = q{SELECT md5(string_agg(e::text, E'\n' ORDER BY seq)) FROM mlops.audit_event e WHERE seq <= };

my $node = PostgreSQL::Test::Cluster->new('original');
$node->init(has_archiving => 1, allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\nmlops.checkpoint_command = 'true'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE bank; CREATE ROLE teller; CREATE ROLE chief');
$node->safe_psql('bank', qq{
	CREATE EXTENSION mlops;
	$stump;
	CREATE TABLE loan AS SELECT i AS id, (i * 7919 % 101)::float8 AS x, (i * 7919 % 101) > 50 AS bad FROM generate_series(1, 400) i;
	SELECT mlops.import_model('risk', pg_temp.stumps('{a}', '{0}', '{1}', '{2}', '{3}'), description => 'a "first" version');
	SELECT mlops.train('risk2', 'SELECT * FROM loan', 'bad', key => 'id', rounds => 3);
	SELECT mlops.promote('risk/1', reason => 'start', change_ref => 'CHG-1');
	SELECT mlops.set_reason('risk', 'a', 'Too much of a');
	SELECT mlops.grant_privilege('score', 'risk', 'teller');
	SELECT mlops.set_owner('risk', 'chief');
	SELECT mlops.push_checkpoint()});

# the state that every copy has in common
my $seq = $node->safe_psql('bank', 'SELECT seq FROM mlops.audit_head()');
my $common = $node->safe_psql('bank', 'SELECT mlops.audit_checkpoint()');
my $rows = $node->safe_psql('bank', $log . $seq);

sub note_in { my ($server, $database) = @_; return $server->safe_psql($database, q{SELECT mlops.set_reason('risk', 'a', 'Text ' || clock_timestamp())}) }

sub verified
{
	my ($server, $database, @checkpoints) = @_;
	my $given = @checkpoints ? 'ARRAY[' . join(', ', map { "\$\$$_\$\$" } @checkpoints) . ']' : 'NULL';
	return $server->safe_psql($database, qq{SELECT string_agg(status || ' ' || coalesce(seq::text, detail), ', ') FROM
		mlops.verify_audit(checkpoints => $given, checks => '{state,guards,artifacts}')});
}

# A copy, in which nothing was recorded yet, and in which nothing but the named
# values have changed; returns its own checkpoint.
sub is_copy
{
	my ($server, $database, $changed, $name) = @_;
	is($server->safe_psql($database, $log . $seq), $rows, "$name: the events are the same");
	is(verified($server, $database, $common), "OK $seq", "$name: they agree with the tables and with the checkpoint of the original");
	note_in($server, $database);
	is( $server->safe_psql($database, qq{SELECT action, incarnation, detail->'changed', detail->'previous'->>'seq'
			FROM mlops.audit_event WHERE seq > $seq ORDER BY seq}),
		qq{incarnation|2|$changed|$seq\nreason.set|2||}, "$name: the first event afterwards says what changed");
	my $last = $seq + 2;
	is(verified($server, $database, $common), "OK $last", "$name: and it goes on verifying");
	is($server->safe_psql($database, 'SELECT mlops.push_checkpoint() LIKE \'%/2' . "\n" . "$last\n%'"), 't', "$name: a checkpoint has the incarnation");
	note_in($server, $database);
	is($server->safe_psql($database, 'SELECT max(incarnation) FROM mlops.audit_event'), '2', "$name: which is one");
	return $server->safe_psql($database, 'SELECT mlops.audit_checkpoint()');
}
is(verified($node, 'bank', $common), "OK $seq", 'the original');

#
# Base backup, a standby, and what happens after it
#
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay');

#
# Dumps
#
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\nmlops.checkpoint_command = 'true'\n");
$other->start;
$other->safe_psql('postgres', 'CREATE ROLE teller; CREATE ROLE chief');
$other->safe_psql('postgres', "CREATE DATABASE $_") for ('plain', 'custom', 'tar', 'directory', 'sections', 'inserts');
my @dump = ('pg_dump', '--no-sync', '-d', $node->connstr('bank'));
command_ok([ @dump, '-Fp', '-f', "$dir/bank.sql" ], 'dump as text');
command_ok([ @dump, '-Fp', '--inserts', '-f', "$dir/inserts.sql" ], 'dump as INSERTs');
command_ok([ @dump, '-Fc', '-f', "$dir/bank.custom" ], 'dump in the custom format');
command_ok([ @dump, '-Ft', '-f', "$dir/bank.tar" ], 'dump as tar');
command_ok([ @dump, '-Fd', '-j', '2', '-f', "$dir/bank.dir" ], 'dump as a directory');
my @psql = ('psql', '-Xq', '-v', 'ON_ERROR_STOP=1');
command_ok([ @psql, '-f', "$dir/bank.sql", '-d', $other->connstr('plain') ], 'restore of text');
command_ok([ @psql, '-f', "$dir/inserts.sql", '-d', $other->connstr('inserts') ], 'restore of INSERTs');
command_ok([ 'pg_restore', '-e', '-d', $other->connstr('custom'), "$dir/bank.custom" ], 'restore of the custom format');
command_ok([ 'pg_restore', '-e', '-d', $other->connstr('tar'), "$dir/bank.tar" ], 'restore of tar');
command_ok([ 'pg_restore', '-e', '-j', '4', '-d', $other->connstr('directory'), "$dir/bank.dir" ], 'restore of a directory in parallel');
command_ok([ 'pg_restore', '-e', "--section=$_", '-d', $other->connstr('sections'), "$dir/bank.custom" ], "restore of $_")
  for ('pre-data', 'data', 'post-data');
my %copies;
for ('plain', 'inserts', 'custom', 'tar', 'directory', 'sections')
{
	$copies{$_} = is_copy($other, $_, '["system_identifier", "database_oid"]', $_);
}
is(verified($other, 'plain', $copies{custom}), 'FORKED ' . ($seq + 3), 'two copies that went their own ways are told apart');

#
# The original goes on.  A copy that is set back to the time before is told
# from it, and so is a standby that does not know of the last events.
#
$node->safe_psql('bank', q{SELECT pg_create_restore_point('before')});
note_in($node, 'bank');
$node->wait_for_catchup($standby, 'replay');
note_in($node, 'bank') for 1 .. 5;
my $later = $node->safe_psql('bank', 'SELECT mlops.push_checkpoint()');
$node->safe_psql('bank', 'SELECT pg_switch_wal()');
is(verified($node, 'bank', $common, $later), 'OK ' . ($seq + 6), 'the original goes on');

my $rewound = PostgreSQL::Test::Cluster->new('rewound');
$rewound->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
$rewound->append_conf('postgresql.conf', "recovery_target_name = 'before'\nrecovery_target_action = 'promote'\narchive_mode = off\n");
$rewound->start;
$rewound->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'no recovery';
is($rewound->safe_psql('bank', 'SELECT seq FROM mlops.audit_head()'), $seq, 'a copy is set back');
is(verified($rewound, 'bank', $later), 'TRUNCATED ' . ($seq + 6), 'point in time: what was lost is missed');
is_copy($rewound, 'bank', '["timeline"]', 'point in time');
is(verified($rewound, 'bank', $common, $later), "RESTORED $seq", 'point in time: it is said where the log was set back to');
note_in($rewound, 'bank') for 1 .. 5;
is(verified($rewound, 'bank', $common, $later), "RESTORED $seq", 'point in time: also when it is longer again');
$rewound->stop;

is(verified($standby, 'bank', $common, $later), 'OK ' . ($seq + 6), 'a standby verifies');
is($standby->safe_psql('bank', 'SELECT mlops.audit_checkpoint()'), $later, 'a standby gives the same checkpoint');
$standby->promote;
is(verified($standby, 'bank', $common, $later), 'OK ' . ($seq + 6), 'promotion: the log is whole');
note_in($standby, 'bank');
is($standby->safe_psql('bank', q{SELECT action, incarnation, timeline, detail->'changed' FROM mlops.audit_event ORDER BY seq DESC LIMIT 2}),
	qq{reason.set|2|2|\nincarnation|2|2|["timeline"]}, 'promotion: a new incarnation');
is(verified($standby, 'bank', $common, $later), 'OK ' . ($seq + 8), 'promotion: nothing was lost, and it goes on');
$standby->stop;

#
# pg_upgrade, to the same version, which moves the files as one to another does
#
$node->stop;
my $upgraded = PostgreSQL::Test::Cluster->new('upgraded');
$upgraded->init;
$upgraded->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\nmlops.checkpoint_command = 'true'\n");
my $bin = $node->config_data('--bindir');
chdir $dir;
command_ok([ 'pg_upgrade', '-d', $node->data_dir, '-D', $upgraded->data_dir, '-b', $bin, '-B', $bin,
	'-s', $node->host, '-p', $node->port, '-P', $upgraded->port ], 'pg_upgrade');
$upgraded->start;
is(verified($upgraded, 'bank', $common, $later), 'OK ' . ($seq + 6), 'pg_upgrade: the log verifies');
note_in($upgraded, 'bank');
is($upgraded->safe_psql('bank', q{SELECT action, incarnation, detail->'changed' FROM mlops.audit_event ORDER BY seq DESC LIMIT 1 OFFSET 1}),
	q{incarnation|2|["system_identifier"]}, 'pg_upgrade: a new incarnation');
is(verified($upgraded, 'bank', $common, $later), 'OK ' . ($seq + 8), 'pg_upgrade: and it goes on');

# Another version of the server or of mlops: what the last event says decides.
$upgraded->append_conf('postgresql.conf', "mlops.protect_records = off\n");
$upgraded->restart;
$upgraded->safe_psql('bank', q{
	CREATE FUNCTION resign() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		last mlops.audit_event;
	BEGIN
		SELECT * INTO last FROM mlops.audit_event ORDER BY seq DESC LIMIT 1;
		last.server_version := '15.0'; last.extension_version := '0.0.9';
		UPDATE mlops.audit_event SET server_version = '15.0', extension_version = '0.0.9', hash = sha256(mlops.audit_bytes(last)) WHERE seq = last.seq;
	END $$;
	ALTER TABLE mlops.audit_event DISABLE TRIGGER USER;
	SELECT resign();
	ALTER TABLE mlops.audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_change;
	ALTER TABLE mlops.audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_truncate});
note_in($upgraded, 'bank');
is($upgraded->safe_psql('bank', q{SELECT incarnation, detail->'changed', detail->'previous'->>'server_version', detail->'previous'->>'extension_version'
	FROM mlops.audit_event ORDER BY seq DESC LIMIT 1 OFFSET 1}),
	q{3|["server_version", "extension_version"]|15.0|0.0.9}, 'new versions are a new incarnation');
$upgraded->stop;
$other->stop;
done_testing();
