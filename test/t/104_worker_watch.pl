# Who watches the jobs and their processes, what these cost when there is
# nothing to do, and what happens when they cannot work.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
require './test/setup/restart.pl';

my $node = PostgreSQL::Test::Cluster->new('watch');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'mlops'
restart_after_crash = on
TimeZone = 'UTC'
mlops.crash_delay = 0
max_worker_processes = 12
autovacuum = off
log_min_messages = debug1
});
$node->start;

sub sql { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql) }
sub soon { my ($sql, $database) = @_; return $node->poll_query_until($database // 'postgres', $sql) }
sub pids { my ($type) = @_; return split ' ', sql(qq{SELECT coalesce(string_agg(pid::text, ' '), '') FROM pg_stat_activity WHERE backend_type = 'mlops $type'}) }
sub clock { my ($at) = @_; sql("ALTER SYSTEM SET mlops.debug_clock = '$at'"); $node->reload; return soon("SELECT mlops._now() = '$at UTC'") }
sub count_log { my ($text) = @_; return () = slurp_file($node->logfile) =~ /$text/g }

# a process that stands still must not stay so, whatever becomes of this test
my %stopped;
sub hold { my ($pid) = @_; $stopped{$pid} = 1; kill 'STOP', $pid }
sub let_go { my ($pid) = @_; kill 'CONT', $pid; delete $stopped{$pid} }
END { my $status = $?; kill 'CONT', keys %stopped if %stopped; $? = $status }

#
# A job that does not succeed.  What psql is told between its commands are the
# notifications.
#
ok(soon(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlops launcher'}), 'the launcher is there');
sql('CREATE EXTENSION mlops');
clock('2026-06-01 10:00:00');
sql(q{CREATE TABLE switch (works boolean); INSERT INTO switch VALUES (true);
	SELECT mlops.schedule('report', '0 * * * *', 'SELECT 1 / works::integer FROM public.switch', retries => 0)});
sub heard
{
	my ($at, $until) = @_;
	return sql(qq{
		LISTEN mlops_job;
		ALTER SYSTEM SET mlops.debug_clock = '$at';
		SELECT pg_reload_conf() \\g /dev/null
		DO \$\$ BEGIN FOR i IN 1..1800 LOOP EXIT WHEN ($until); PERFORM pg_sleep(0.1); END LOOP; END \$\$;
		SELECT 1 \\g /dev/null});
}
my $done = sub { my ($hour, $status) = @_; return qq{SELECT count(*) = 1 FROM mlops.job_run WHERE job_name = 'report' AND scheduled_at = '2026-06-01 $hour:00Z' AND status = '$status' AND settled} };
unlike(heard('2026-06-01 11:00:00', $done->(11, 'succeeded')), qr/notification/, 'a job that succeeds makes no noise');
sql('UPDATE switch SET works = false');
like(heard('2026-06-01 12:00:00', $done->(12, 'failed')), qr/"mlops_job" with payload "\{.*"status": "failed"/, 'one that fails says so each time');
unlike(heard('2026-06-01 13:00:00', $done->(13, 'failed')), qr/"silent"/, 'twice');
unlike(heard('2026-06-01 14:00:00', $done->(14, 'failed')), qr/"silent"/, 'three times');
my $heard = heard('2026-06-01 15:00:00', $done->(15, 'failed'));
like($heard, qr/"mlops_job" with payload "\{"job": "report", "status": "silent", "failures": 3, "last_success": "2026-06-01T11:00:00.000000Z"\}"/,
	'when three scheduled times have gone by it is silent');
is(sql(q{SELECT status, silent, failing FROM mlops.health()}), 'critical|1|1', 'health says so');
is(sql(q{SELECT silent_since, last_success_at FROM mlops.stat_jobs WHERE job = 'report'}), '2026-06-01 15:00:00+00|2026-06-01 11:00:00+00', 'stat_jobs since when');
unlike(heard('2026-06-01 16:00:00', $done->(16, 'failed')), qr/"silent"/, 'which is told once');
is(count_log('job "report" of mlops is silent\n.*DETAIL:  Its last success: 2026-06-01 11:00:00'), 1, 'the log has it, too');
sql('UPDATE switch SET works = true');
like(heard('2026-06-01 17:00:00', $done->(17, 'succeeded')), qr/\{"job": "report", "run": \d+, "status": "succeeded", "failures": 0\}/, 'its end is told');
is(sql(q{SELECT status, silent, failing FROM mlops.health()}), 'ok|0|0', 'and all is well');

# the number of times is a setting, which a reload changes
sql('UPDATE switch SET works = false; ALTER SYSTEM SET mlops.silent_after = 1');
$node->reload;
heard('2026-06-01 18:00:00', $done->(18, 'failed'));
like(heard('2026-06-01 19:00:00', $done->(19, 'failed')), qr/"silent"/, 'mlops.silent_after = 1');
sql('ALTER SYSTEM RESET mlops.silent_after');
sql(q{SELECT mlops.unschedule('report'); DELETE FROM mlops.job_run});

#
# Processes that do not answer
#
clock('2026-06-02 10:00:00');
sql(q{SELECT mlops.schedule('long', 'manual', 'SELECT pg_sleep(600)'); SELECT mlops.run_job('long')});
ok(soon(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlops job' AND wait_event = 'PgSleep'}), 'a scheduler at work');
my ($scheduler) = pids('scheduler');
hold($scheduler);
clock('2026-06-02 10:02:00');
is(sql('SELECT status, scheduler, heartbeat FROM mlops.health()'), 'ok|running|2026-06-02 10:00:00+00', 'a scheduler that has not looked for two minutes');
clock('2026-06-02 10:03:01');
is(sql('SELECT status, scheduler, message FROM mlops.health()'), 'critical|stuck|no sign of life of the scheduler since 2026-06-02 10:00:00+00', 'for more than three');
let_go($scheduler);
ok(soon(q{SELECT status = 'ok' AND scheduler = 'running' AND heartbeat = '2026-06-02 10:03:01Z' FROM mlops.health()}), 'until it does');
sql(q{SELECT mlops.cancel_job('long')});
ok(soon(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mlops scheduler'}), 'it leaves');
my ($launcher) = pids('launcher');
hold($launcher);
clock('2026-06-02 11:00:00');
is(sql('SELECT status, scheduler FROM mlops.health()'), 'critical|stuck', 'so it is with the launcher, while schedulers are asleep');
let_go($launcher);
ok(soon(q{SELECT status = 'ok' AND scheduler = 'asleep' AND heartbeat = '2026-06-02 11:00:00Z' FROM mlops.health()}), 'until it answers');
sql(q{SELECT mlops.unschedule('long'); ALTER SYSTEM RESET mlops.debug_clock});
$node->reload;

#
# What nothing costs
#
for my $i (1 .. 3)
{
	sql("CREATE DATABASE idle$i");
	sql(q{CREATE EXTENSION mlops; SELECT mlops.schedule('far', '0 0 1 1 *', 'SELECT 1')}, "idle$i");
}
sql('CREATE DATABASE without');
soon(q{SELECT count(*) = 5 AND bool_and(state = 'asleep') FROM mlops.stat_workers WHERE process = 'scheduler'});
is(sql(q{SELECT string_agg(backend_type || coalesce(' in ' || datname, ''), ', ') FROM pg_stat_activity WHERE backend_type LIKE 'mlops %'}),
	'mlops launcher', 'idle databases cost no connection');
is(sql(q{SELECT backend_xmin IS NULL AND backend_xid IS NULL AND xact_start IS NULL FROM pg_stat_activity WHERE backend_type = 'mlops launcher'}), 't',
	'the launcher keeps no snapshot');
SKIP:
{
	my $status = "/proc/$launcher/status";
	skip 'no /proc', 1 unless -r $status;
	my $switches = sub { return slurp_file($status) =~ /^voluntary_ctxt_switches:\s+(\d+)/m && $1 };
	my ($before, $begin) = ($switches->(), time);
	# a rate needs time to pass
	select(undef, undef, undef, 3);
	cmp_ok($switches->() - $before, '<=', 1 + time - $begin, 'and wakes once a second at most');
}

# a scheduler that stays, since a job runs, waits for it; neither holds vacuum
# back longer than a statement
sql(q{
	CREATE TABLE filled (i integer) WITH (autovacuum_enabled = off);
	CREATE PROCEDURE two_statements() LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_lock(1);
		COMMIT;
		PERFORM pg_advisory_lock(2);
	END $$;
	SELECT mlops.schedule('steps', 'manual', 'CALL public.two_statements()')});
my ($one, $two) = ($node->background_psql('postgres'), $node->background_psql('postgres'));
$one->query_safe('SELECT pg_advisory_lock(1)');
$two->query_safe('SELECT pg_advisory_lock(2)');
sql(q{SELECT mlops.run_job('steps')});
my $waits = sub { my ($key) = @_; return soon(qq{SELECT count(*) = 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
	WHERE l.locktype = 'advisory' AND l.objid = $key AND NOT l.granted AND a.backend_type = 'mlops job'}) };
ok($waits->(1), 'a job in its first statement');
is(sql(q{SELECT backend_xid IS NULL FROM pg_stat_activity WHERE backend_type = 'mlops job'}), 't', 'which has written nothing, has no transaction number');
is(sql(q{SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_stat_activity a USING (pid)
	WHERE a.backend_type LIKE 'mlops %' AND c.relnamespace = 'mlops'::regnamespace}), '0', 'and nobody holds a lock on our tables');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'mlops scheduler' AND (backend_xmin IS NOT NULL OR xact_start IS NOT NULL)}), '0',
	'the scheduler that waits for it keeps no snapshot');
sql('INSERT INTO filled SELECT generate_series(1, 100)');
sql('DELETE FROM filled');
my $dead = sub { return (($node->psql('postgres', 'VACUUM (VERBOSE) filled'))[2] =~ /(\d+) are dead but not yet removable/)[0] };
is($dead->(), '100', 'what was deleted since its statement began cannot go');
$one->quit;
ok($waits->(2), 'the next statement');
is($dead->(), '0', 'does not hold it back');
$two->quit;
ok(soon(q{SELECT count(*) = 1 FROM mlops.job_runs WHERE job = 'steps' AND status = 'succeeded'}), 'and the job ends');

#
# kill -9 of each process: the others go down with it, and all come back
#
sql(q{CREATE TABLE effect (at timestamptz);
	SELECT mlops.schedule('tick', 'every 1 second', 'INSERT INTO effect SELECT scheduled_at FROM mlops.current_run()', missed => 'all', overlap => 'queue', retries => 100, retry_delay => '0')});
for my $type ('launcher', 'scheduler', 'job')
{
	sql(q{SELECT mlops.schedule('long', 'manual', 'SELECT pg_sleep(CASE WHEN attempt = 1 THEN 600 ELSE 0 END) FROM mlops.current_run()', retry_delay => '0');
		SELECT mlops.run_job('long')});
	soon(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'mlops job long' AND wait_event = 'PgSleep'});
	my ($pid) = $type eq 'job' ? sql(q{SELECT pid FROM mlops.job_runs WHERE job = 'long' AND status = 'running'}) : pids($type);
	kill 9, $pid;
	ok(poll_restarting($node, 'postgres', q{SELECT string_agg(status, ' ' ORDER BY attempt) FROM mlops.job_runs WHERE job = 'long' AND finished_at IS NOT NULL}, 'crashed succeeded'),
		"kill -9 of the $type: what ran is recorded as crashed, and done again");
	my $count = sql('SELECT count(*) FROM effect');
	ok(soon("SELECT count(*) > $count FROM effect"), 'the others go on');
	sql(q{SELECT mlops.unschedule('long'); DELETE FROM mlops.job_run WHERE job_name = 'long'});
}
sql(q{SELECT mlops.alter_job('tick', enabled => false)});
ok(soon(q{SELECT count(*) = 0 FROM mlops.job_run WHERE finished_at IS NULL}), 'everything has ended');
is(sql(q{SELECT count(DISTINCT at) = count(*), count(DISTINCT at) = extract(epoch FROM max(at) - min(at)) + 1 FROM effect}), 't|t', 'every second once');

#
# A database, or a server, that is read-only.  The clock stands, so that nobody
# looks again by himself.
#
clock('2026-06-03 10:00:00');
sql('CREATE DATABASE museum');
sql(q{CREATE EXTENSION mlops; SELECT mlops.schedule('visit', 'manual', 'SELECT 1'), mlops.schedule('guard', 'manual', 'SELECT pg_sleep(600)'); SELECT mlops.run_job('guard')}, 'museum');
my $oid = sql(q{SELECT oid FROM pg_database WHERE datname = 'museum'});
my $visit = sub { return sql('SET default_transaction_read_only = off; SELECT mlops.run_job($$visit$$)', 'museum') };
my $ran = sub { my ($run) = @_; return soon("SELECT status = 'succeeded' FROM mlops.job_runs WHERE id = $run", 'museum') };
my $rests = sub { return soon(q{SELECT state = 'asleep' FROM mlops.stat_workers WHERE process = 'scheduler' AND database = 'museum'}) };
my $told = qr/no jobs of mlops run in database with OID \d+: it is read-only\n.*HINT:  Setting default_transaction_read_only is on there/;
ok($ran->($visit->()), 'a scheduler at work');
sql('ALTER DATABASE museum SET default_transaction_read_only = on');
ok($rests->(), 'leaves a database that becomes read-only');
my $run = $visit->();
ok($rests->(), 'and looks at it when it is told to');
is(count_log($told), 1, 'the log names the setting, once');
is(sql("SELECT status FROM mlops.job_runs WHERE id = $run", 'museum'), 'queued', 'nothing runs');
sql('ALTER DATABASE museum RESET default_transaction_read_only');
ok($ran->($run), 'until it is writable');
sql('ALTER SYSTEM SET default_transaction_read_only = on');
$node->reload;
ok($rests->(), 'so it is with a server that is read-only');
is(count_log($told), 2, 'which is in the log');
$run = $visit->();
$rests->();
sql('SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only');
$node->reload;
ok($ran->($run), 'a reload lets its jobs go on');
cmp_ok(count_log(qr/starting background worker process "mlops scheduler of database $oid"/), '<', 12, 'a scheduler came only when there was news');
is(count_log(qr/cannot execute \w+ in a read-only transaction/), 0, 'nobody tried to write meanwhile');
sql(q{SELECT mlops.cancel_job('guard'); ALTER SYSTEM RESET mlops.debug_clock}, 'museum');
$node->reload;

#
# No process for a scheduler.  The launcher takes the only one.
#
$node->append_conf('postgresql.conf', "max_worker_processes = 1\nmax_logical_replication_workers = 0\n");
$node->restart;
ok(soon(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlops launcher'}), 'the launcher alone');
$node->wait_for_log(qr/no background worker is free for a scheduler of mlops/);
my $begin = sql(q{SELECT heartbeat FROM mlops.stat_workers WHERE process = 'launcher'});
ok(soon("SELECT heartbeat > '$begin'::timestamptz + interval '4 seconds' FROM mlops.stat_workers WHERE process = 'launcher'"), 'tries again and again');
is(count_log(qr/no background worker is free for a scheduler of mlops\n.*HINT:  Consider increasing max_worker_processes/), 1, 'which the log explains, once');
$node->append_conf('postgresql.conf', "max_worker_processes = 12\n");
$node->restart;
ok($ran->($visit->()), 'with more of them jobs run');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|\bleak/, 'no panic');
$node->stop;

done_testing();
