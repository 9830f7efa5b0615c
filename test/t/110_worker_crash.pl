# Jobs through crashes, restarts, promotion, dump and restore: no run is lost,
# and none is done twice.  MLOPS_TORTURE=1000 kills as often (make torture).
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $kills = $ENV{MLOPS_TORTURE} // 50;
my $settings = q{
shared_preload_libraries = 'mlops'
restart_after_crash = on
TimeZone = 'UTC'
mlops.crash_delay = 0
mlops.max_running_jobs = 3
max_worker_processes = 12
};

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', $settings);
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub soon { return $node->poll_query_until('postgres', $_[0]) }
sub pids { my ($type) = @_; return split m{ }, sql(qq{SELECT coalesce(string_agg(pid::text, chr(32)), chr(32)) FROM pg_stat_activity WHERE backend_type = 'mlops $type'}) }
# While the server comes back a client may be gone before it has read its query,
# which is not to end the test: the query is an argument.
sub is_up
{
	for (1 .. 1800)
	{
		my ($out, $err) = ('', '');
		return 1 if IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres'),
			'-c', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mlops launcher'} ], '<', '/dev/null', '>', \$out, '2>', \$err) && $out eq "1\n";
		select(undef, undef, undef, 0.1);
	}
	return 0;
}
sub settled { return soon(q{SELECT count(*) = 0 FROM mlops.job_run WHERE finished_at IS NULL OR NOT settled}) }

sql(q{
	CREATE EXTENSION mlops;
	CREATE TABLE effect (job text, scheduled_at timestamptz);
	SELECT mlops.schedule('first', 'manual',
		'INSERT INTO effect SELECT job, scheduled_at FROM mlops.current_run(); SELECT pg_sleep(CASE WHEN attempt % 2 = 1 THEN 600 ELSE 0 END) FROM mlops.current_run()', retry_delay => '0')});

#
# One of each
#
for my $way ('kill', 'immediate', 'fast')
{
	sql(q{SELECT mlops.run_job('first')});
	soon(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlops job' AND wait_event = 'PgSleep'});
	if ($way eq 'kill') { kill 9, pids('job') }
	else { $node->stop($way); $node->start }
	is_up();
	settled();
	is(sql(q{SELECT string_agg(status, ' ' ORDER BY attempt) FROM (SELECT * FROM mlops.job_runs ORDER BY id DESC LIMIT 2) r}),
		$way eq 'fast' ? 'interrupted succeeded' : 'crashed succeeded', "$way: recorded, and done again");
	is(sql('SELECT count(*), count(DISTINCT scheduled_at) FROM effect'), sql('SELECT count(*) / 2, count(*) / 2 FROM mlops.job_run'), 'once');
}
like(sql(q{SELECT message FROM mlops.job_runs WHERE status = 'crashed' LIMIT 1}), qr/ended without a result/, 'with a message');

# a job that crashes the server leaves it some time
sql(q{ALTER SYSTEM SET mlops.crash_delay = '1 h'; SELECT mlops.run_job('first')});
soon(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlops job' AND wait_event = 'PgSleep'});
kill 9, pids('job');
is_up();
ok(soon(q{SELECT count(*) = 1 FROM mlops.job_run WHERE status = 'queued' AND start_after > now() + interval '50 minutes'}), 'backoff after a crash');
is(sql(q{SELECT mlops.cancel_job('first')}), '1', 'in which it can be cancelled');
sql(q{ALTER SYSTEM RESET mlops.crash_delay; SELECT mlops.unschedule('first'); DELETE FROM mlops.job_run; TRUNCATE effect});
$node->reload;

#
# Torture: every second, in three jobs, while anything is killed
#
sub number { my ($n) = @_; return int(rand($n)) }
srand(20261124);
sql(q{SELECT mlops.schedule('j' || i, 'every 1 second',
	'INSERT INTO effect SELECT job, scheduled_at FROM mlops.current_run(); SELECT pg_sleep(random() / 5)',
	retries => 1000, retry_delay => '0', missed => 'all', overlap => CASE i WHEN 1 THEN 'allow' ELSE 'queue' END)
	FROM generate_series(1, 3) i});
my %done;
for my $i (1 .. $kills)
{
	my $what = (qw(job job job scheduler launcher server term-job term-scheduler term-launcher restart))[ number(10) ];
	# at some moment of the work
	select(undef, undef, undef, rand() / 2);
	if ($what eq 'server') { $node->stop('immediate'); $node->start }
	elsif ($what eq 'restart') { $node->stop('fast'); $node->start }
	else
	{
		my ($signal, $type) = $what =~ /^(term-)?(.*)/;
		my @pids = pids($type);
		# the same kills in each run, whoever is there at the moment
		until (@pids)
		{
			soon(qq{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'mlops $type'}) or last;
			@pids = pids($type);
		}
		last unless @pids;
		kill defined $signal ? 15 : 9, $pids[ number(scalar @pids) ];
	}
	$done{$what}++;
	is_up() or last;
}
note(join ', ', map { "$_: $done{$_}" } sort keys %done);
sql(q{SELECT mlops.alter_job('j' || i, schedule => 'manual') FROM generate_series(1, 3) i});
my $killed = 0;
$killed += $_ for values %done;
is($killed, $kills, 'as many kills as there should be');
ok(settled(), "after $kills kills all ends");
is(sql(q{SELECT count(*) FROM (SELECT job, scheduled_at FROM effect GROUP BY 1, 2 HAVING count(*) > 1) d}), '0', 'nothing was done twice');
is(sql(q{SELECT count(*) FROM (
	SELECT job_name, generate_series(min(scheduled_at), max(scheduled_at), '1 second') AS at FROM mlops.job_run GROUP BY 1) g
	LEFT JOIN effect e ON e.job = g.job_name AND e.scheduled_at = g.at WHERE e.job IS NULL}), '0', 'nothing was lost');
cmp_ok(sql('SELECT count(*) FROM effect'), '>', $kills, 'and there was something to lose');
note('runs by status: ' . sql(q{SELECT string_agg(status || ' ' || n, ', ' ORDER BY status) FROM (SELECT status, count(*) AS n FROM mlops.job_run GROUP BY 1) s}));
is(sql(q{SELECT count(*) FROM mlops.job_run r WHERE status NOT IN ('succeeded', 'crashed', 'interrupted')}), '0', 'every run ended in a way that it should');
is(sql(q{SELECT string_agg(DISTINCT status, ' ' ORDER BY status) FROM mlops.verify_audit()}), 'OK', 'the audit log is whole');

#
# A standby sleeps, and wakes when it is promoted
#
sql(q{SELECT mlops.unschedule(job) FROM mlops.jobs; DELETE FROM mlops.job_run; TRUNCATE effect});
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
sql(q{SELECT mlops.schedule('s', 'every 1 second', 'INSERT INTO effect SELECT job, scheduled_at FROM mlops.current_run()', missed => 'all', overlap => 'queue')});
soon('SELECT count(*) > 1 FROM effect');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'mlops %'}), '0', 'a standby has no process of ours');
is($standby->safe_psql('postgres', q{SELECT scheduler FROM mlops.health()}), 'standby', 'and knows why');
$node->stop('fast');
my $before = $standby->safe_psql('postgres', 'SELECT count(*) FROM effect');
$standby->promote;
ok($standby->poll_query_until('postgres', "SELECT count(*) > $before + 1 FROM effect"), 'promoted, it goes on');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM (
	SELECT generate_series(min(scheduled_at), max(scheduled_at), '1 second') AS at FROM effect) g
	LEFT JOIN effect e ON e.scheduled_at = g.at WHERE e.job IS NULL}), '0', 'with no run lost in between');

#
# Dump and restore
#
$standby->safe_psql('postgres', q{
	CREATE ROLE gone LOGIN;
	SELECT mlops.schedule('orphan', 'manual', 'SELECT 1', owner => 'gone');
	SELECT mlops.alter_job('s', enabled => false)});
my $dump = "$PostgreSQL::Test::Utils::tmp_check/dump.sql";
$standby->command_ok([ 'pg_dump', '-f', $dump, '-d', $standby->connstr('postgres') ], 'pg_dump');
$standby->safe_psql('postgres', q{DROP EXTENSION mlops CASCADE; DROP ROLE gone; CREATE DATABASE restored});
$standby->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $standby->connstr('restored') ], 'restore');
is($standby->safe_psql('restored', q{SELECT job, owner, enabled, disabled_reason IS NOT NULL FROM mlops.jobs ORDER BY job}),
	"orphan|unknown (OID=0)|f|t\ns|" . $standby->safe_psql('postgres', 'SELECT current_user') . '|f|f', 'jobs are restored, without an owner disabled');
$standby->safe_psql('restored', q{SELECT mlops.alter_job('s', enabled => true)});
my $count = $standby->safe_psql('restored', 'SELECT count(*) FROM effect');
ok($standby->poll_query_until('restored', "SELECT count(*) > $count FROM effect"), 'and run');
unlike(slurp_file($_->logfile), qr/PANIC|TRAP|\bleak/, $_->name . ': no panic') for $node, $standby;
$standby->stop;

done_testing();
