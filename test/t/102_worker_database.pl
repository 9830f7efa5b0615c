# What is done to a database and to the extension while jobs run there, with
# preload and with start_scheduler(): our processes are in nobody's way, and
# what was interrupted is done again.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

for my $preload (1, 0)
{
	my $mode = $preload ? 'preloaded' : 'not preloaded';
	my $node = PostgreSQL::Test::Cluster->new($preload ? 'preloaded' : 'plain');
	$node->init;
	$node->append_conf('postgresql.conf', "TimeZone = 'UTC'\nlog_min_messages = debug1\nmax_worker_processes = 12\n" .
		($preload ? "shared_preload_libraries = 'mlops'\n" : ''));
	$node->start;

	my $sql = sub { my ($statement, $database) = @_; return $node->safe_psql($database // 'postgres', $statement) };
	my $soon = sub { my ($query, $database) = @_; return $node->poll_query_until($database // 'postgres', $query) };
	# start_scheduler() where nobody else does
	my $begin = sub { my ($database) = @_; $sql->('SELECT mlops.start_scheduler()', $database) unless $preload };
	my $works = sub
	{
		my ($database, $what) = @_;
		my $at = $sql->('SELECT clock_timestamp()', $database);
		ok($soon->(qq{SELECT count(*) > 0 FROM mlops.job_runs WHERE job = 'tick' AND status = 'succeeded' AND started_at > '$at'}, $database), "$mode: $what");
	};
	# the long job, in progress again, the nth time
	my $attempt = sub
	{
		my ($database, $n) = @_;
		return $soon->(qq{SELECT count(*) = 1 FROM mlops.job_runs r JOIN pg_stat_activity a USING (pid)
			WHERE r.job = 'long' AND r.status = 'running' AND r.attempt = $n AND a.wait_event = 'PgSleep'}, $database);
	};
	my $busy = sub
	{
		my ($database) = @_;
		$sql->(q{CREATE EXTENSION IF NOT EXISTS mlops;
			SELECT mlops.schedule('tick', 'every 1 second', 'SELECT 1'),
				mlops.schedule('long', 'manual', 'SELECT pg_sleep(600)', retries => 100);
			SELECT mlops.run_job('long')}, $database);
		$begin->($database);
		ok($attempt->($database, 1), "$mode: a job is in progress");
	};

	# what needs the database for itself, and fails after five seconds
	$sql->('CREATE DATABASE bank');
	if ($preload)
	{
		# the launcher looks for itself once a minute
		my $at = $sql->('SELECT clock_timestamp()');
		$sql->('CREATE EXTENSION mlops');
		$soon->(q{SELECT count(*) = 1 FROM mlops.stat_workers WHERE database = 'bank'});
		is($sql->("SELECT clock_timestamp() < '$at'::timestamptz + interval '30 seconds'"), 't', "$mode: the launcher knows a new database within seconds");
		$sql->('DROP EXTENSION mlops');
	}
	$sql->(q{SET allow_in_place_tablespaces = on; CREATE TABLESPACE elsewhere LOCATION ''});
	$busy->('bank');
	$works->('bank', 'a new database is noticed');
	my ($n, $database) = (1, 'bank');
	for my $statement ('CREATE DATABASE copy TEMPLATE bank', 'ALTER DATABASE bank SET TABLESPACE elsewhere', 'ALTER DATABASE bank RENAME TO bank2')
	{
		is(($node->psql('postgres', $statement))[2], '', "$mode: $statement");
		$database = 'bank2' if $statement =~ /RENAME/;
		ok($attempt->($database, ++$n), 'what it interrupted is done again');
		$works->($database, 'and all goes on');
	}
	is($sql->(q{SELECT string_agg(DISTINCT status, ' ' ORDER BY status) FROM mlops.job_runs WHERE job = 'long'}, $database), 'interrupted running', "$mode: with the reason");
	$begin->('copy');
	$works->('copy', 'the jobs of the copy run');

	# a statement that fails in the end leaves everything running
	my ($ret, $out, $err) = $node->psql('copy', qq{ALTER DATABASE $database RENAME TO copy});
	like($err, qr/already exists/, "$mode: a statement that fails");
	$works->($database, 'leaves the jobs running');

	my $oid = $sql->(qq{SELECT oid FROM pg_database WHERE datname = '$database'});
	is(($node->psql('postgres', "DROP DATABASE $database"))[2], '', "$mode: DROP DATABASE");
	ok($soon->(qq{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'mlops %' AND datid = $oid}), 'nobody is left there');
	$node->wait_for_log(qr/unregistering background worker "mlops scheduler of database $oid"/);
	pass("$mode: nor comes back");
	$works->('copy', 'other databases do not notice');

	# a database that is restored
	my $dump = "$PostgreSQL::Test::Utils::tmp_check/$preload.dump";
	$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('copy') ], "$mode: pg_dump while jobs run");
	$sql->('CREATE DATABASE restored');
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], "$mode: pg_restore");
	$begin->('restored');
	$works->('restored', 'the jobs of a database that was restored run');
	$sql->('DROP DATABASE restored WITH (FORCE)');
	pass("$mode: DROP DATABASE WITH (FORCE)");

	# the extension; a lock that we held would be an error
	$soon->(q{SELECT count(*) = 1 FROM mlops.job_runs WHERE job = 'long' AND status = 'running'}, 'copy');
	$node->safe_psql('copy', q{SET lock_timeout = '5s'; BEGIN; DROP EXTENSION mlops; ROLLBACK});
	$works->('copy', 'DROP EXTENSION, rolled back');
	my $long = q{SELECT id, pid, status FROM mlops.job_runs WHERE job = 'long' AND status = 'running'};
	my $before = $sql->($long, 'copy');
	$node->safe_psql('copy', q{SET lock_timeout = '5s'; ALTER EXTENSION mlops UPDATE TO 'next'});
	$works->('copy', 'ALTER EXTENSION UPDATE');
	is($sql->($long, 'copy'), $before, "$mode: the job in progress has noticed neither");
	$node->safe_psql('copy', q{SET lock_timeout = '5s'; DROP EXTENSION mlops});
	ok($soon->(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mlops scheduler'}), "$mode: DROP EXTENSION, and the scheduler leaves");

	# stopping does not wait for a job, nor for ours
	$sql->('DROP DATABASE copy WITH (FORCE)');
	$sql->('CREATE DATABASE bank');
	$busy->('bank');
	$node->stop('fast');
	$node->start;
	is($sql->(q{SELECT status FROM mlops.job_runs WHERE job = 'long' AND attempt = 1}, 'bank'), 'interrupted', "$mode: fast shutdown");
	is($sql->(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mlops scheduler'}), '0', "$mode: without preload nothing runs until it is started again") unless $preload;
	$begin->('bank');
	ok($attempt->('bank', 2), "$mode: and on");

	unless ($preload)
	{
		# no process for it
		$node->append_conf('postgresql.conf', "max_worker_processes = 0\n");
		$node->restart;
		($ret, $out, $err) = $node->psql('bank', 'SELECT mlops.start_scheduler()');
		like($err, qr/no background worker is free for a scheduler\n.*max_worker_processes/s, "$mode: start_scheduler() says which setting is too low");
	}
	unlike(slurp_file($node->logfile), qr/PANIC|TRAP|\bleak/, "$mode: no panic");
	$node->stop;
}

done_testing();
