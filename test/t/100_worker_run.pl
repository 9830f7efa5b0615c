# Jobs at work: as whom they run, how they end, and that our processes are in
# nobody's way.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('worker');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'mlops'
restart_after_crash = on
TimeZone = 'UTC'
mlops.crash_delay = 0
max_worker_processes = 12
});
$node->start;

sub sql { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql) }
sub soon { my ($sql, $database) = @_; return $node->poll_query_until($database // 'postgres', $sql) }

# wait until the last run of a job has ended; its columns
sub ended
{
	my ($job, $columns, $database) = @_;
	soon(qq{SELECT coalesce((SELECT bool_and(finished_at IS NOT NULL AND settled) FROM mlops.job_run WHERE job_name = '$job'), false)}, $database);
	return sql(qq{SELECT $columns FROM mlops.job_runs WHERE job = '$job' ORDER BY id DESC LIMIT 1}, $database);
}

# make a job that runs by hand, run it, and see how it ended
sub result
{
	my ($job, $command, $columns, $options, $database) = @_;
	$options = defined $options ? ", $options" : '';
	sql(qq{SELECT mlops.schedule('$job', 'manual', \$job\$$command\$job\$, retry_delay => '0'$options); SELECT mlops.run_job('$job')}, $database);
	return ended($job, $columns, $database);
}

sub pids { my ($type) = @_; return sql(qq{SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE backend_type = 'mlops $type'}) }

#
# As whom
#
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlops launcher'}), 'the launcher is there');
sql(q{
	CREATE EXTENSION mlops;
	CREATE ROLE ann LOGIN;
	CREATE ROLE auditors;
	GRANT EXECUTE ON FUNCTION mlops.schedule, mlops.run_job TO ann;
	CREATE TABLE note (run bigint, job text, scheduled_at timestamptz, attempt integer, su name, cu name, app text, extra text);
	GRANT INSERT, SELECT ON note TO PUBLIC;
	CREATE FUNCTION note(extra text DEFAULT NULL) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO public.note SELECT r.*, session_user, current_user, current_setting('application_name'), $1 FROM mlops.current_run() r $$});
is(result('a', 'SELECT public.note(current_setting(\'work_mem\'))', 'status, message, rows, sqlstate, attempt, cause', q{owner => 'ann'}),
	'succeeded|SELECT 1|1||1|manual', 'a job succeeds');
is(sql(q{SELECT job, attempt, su, cu, app, extra FROM note}), 'a|1|ann|ann|mlops job a|4MB', 'as its owner, in a session of its own');
is(sql(q{SELECT n.run = r.id AND n.scheduled_at = r.scheduled_at AND r.pid > 0 AND r.cpu_time > 0 AND r.peak_memory > 1000000
	AND r.started_at >= r.queued_at AND r.finished_at >= r.started_at FROM note n, mlops.job_runs r}), 't', 'with its figures');
sql(q{ALTER ROLE ann SET work_mem = '7MB'; SELECT mlops.run_job('a')});
ended('a', 'status');
is(sql(q{SELECT extra FROM note ORDER BY run DESC LIMIT 1}), '7MB', 'and with its owner\'s settings');

my ($ret, $out, $err) = $node->psql('postgres', q{
	SET SESSION AUTHORIZATION ann;
	SELECT mlops.schedule('anns', 'manual', 'SELECT * FROM mlops.job_run', retries => 0);
	SELECT mlops.run_job('anns')});
is(ended('anns', 'status, sqlstate, message'), 'failed|42501|permission denied for table job_run', 'and its rights');
sql(q{
	\i test/fixtures/stump.sql
	SELECT mlops.import_model('jobbed', pg_temp.stumps('{a}', '{0}', '{0}', '{1}', '{2}'));
	SELECT mlops.set_policy('jobbed', approvals => 1, reason => 'test');
	SELECT mlops.promote('jobbed/1', reason => 'test');
	SELECT mlops.grant_privilege('approve', 'jobbed', 'ann');
	GRANT EXECUTE ON FUNCTION mlops.approve TO ann});
is(result('checker', 'SELECT mlops.approve((SELECT max(id) FROM mlops.requests))', 'status, sqlstate, message', q{owner => 'ann', retries => 0}),
	'failed|ML041|background processes cannot approve', 'but a job is no second person');

#
# What a command is
#
is(result('error', 'SELECT 1/0', 'status, sqlstate, message, context, attempt', 'retries => 1'),
	sql(q{SELECT 'failed', '22012', 'division by zero', context, 2 FROM mlops.job_runs WHERE job = 'error' ORDER BY id DESC LIMIT 1}), 'an error is recorded, and the run repeated');
is(result('syntax', 'SELEC 1', 'status, sqlstate', 'retries => 0'), 'failed|42601', 'a command that is none');
is(result('several', 'INSERT INTO note (extra) VALUES (1); INSERT INTO note (extra) VALUES (2)', 'status, message, rows'), 'succeeded|INSERT 1|1', 'several statements');
is(result('atomic', q{INSERT INTO note (extra) VALUES ('half'); SELECT 1/0}, 'status', 'retries => 0'), 'failed', 'are one transaction');
is(sql(q{SELECT count(*) FROM note WHERE extra = 'half'}), '0', 'of which nothing stays');
is(result('deferred', q{CREATE TABLE x (i int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO x VALUES (1), (1)}, 'status, sqlstate', 'retries => 0'), 'failed|23505', 'a failure at the commit');
is(result('begin', 'BEGIN', 'status, sqlstate, message', 'retries => 0'), 'failed|ML063|BEGIN is not allowed in the command of a job', 'no transactions of its own');
is(result('nothing', '-- nothing', 'status, message'), 'succeeded|no statement', 'a comment does nothing');
is(result('vacuum', 'VACUUM pg_class', 'status, message'), 'succeeded|VACUUM', 'VACUUM');
is(result('vacuums', 'VACUUM pg_class; SELECT 1', 'status, sqlstate', 'retries => 0'), 'failed|25001', 'not among others');
sql(q{CREATE PROCEDURE steps(fail boolean) LANGUAGE plpgsql AS
	$$ BEGIN INSERT INTO note (extra) VALUES ('step'); COMMIT; INSERT INTO note (extra) VALUES ('step'); IF fail THEN RAISE 'enough'; END IF; END $$});
is(result('commits', 'CALL public.steps(false)', 'status, message'), 'succeeded|CALL', 'a procedure that commits');
is(result('commits2', 'CALL public.steps(true)', 'status, message', 'retries => 0'), 'failed|enough', 'and fails');
is(sql(q{SELECT count(*) FROM note WHERE extra = 'step'}), '3', 'has done what it committed');
is(result('readonly', 'SET TRANSACTION READ ONLY; SELECT 1', 'status'), 'succeeded', 'a read-only command');
sql(q{CREATE ROLE strict LOGIN; ALTER ROLE strict SET default_transaction_read_only = on; ALTER ROLE strict SET default_transaction_isolation = 'serializable'; ALTER ROLE strict SET search_path = public});
is(result('strict', 'SELECT pg_advisory_unlock_all(); DISCARD PLANS; SET ROLE NONE', 'status', q{owner => 'strict'}), 'succeeded', 'strict settings of the owner');
is(result('forge', 'SELECT mlops._end_run(run, pg_backend_pid(), now(), \'succeeded\') FROM mlops.current_run()', 'status, sqlstate', q{owner => 'strict', retries => 0}),
	'failed|42501', 'a command cannot write its own result');
is(result('timeout', 'SELECT pg_sleep(600)', 'status, message, attempt', q{timeout => '200 ms', retries => 1}), 'timeout|the command did not end within 200 ms|2', 'a timeout');
is(result('catch', 'DO $x$ BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN OTHERS THEN NULL; END $x$', 'status', q{timeout => '200 ms', retries => 0}), 'timeout', 'that nobody catches');
sql(q{ALTER ROLE strict SET statement_timeout = '150ms'});
is(result('owners', 'SELECT pg_sleep(600)', 'status, message', q{owner => 'strict', retries => 0}), 'timeout|the command did not end within 150 ms', 'or the owner\'s statement_timeout');

#
# Stopping one
#
sub start_sleeping
{
	my ($job, $options) = @_;
	$options = defined $options ? ", $options" : '';
	sql(qq{SELECT mlops.schedule('$job', 'manual', 'SELECT pg_sleep(CASE WHEN attempt = 1 THEN 600 ELSE 0 END) FROM mlops.current_run()'$options); SELECT mlops.run_job('$job')});
	soon(qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'mlops job $job' AND wait_event = 'PgSleep'});
	return sql(qq{SELECT pid FROM mlops.job_runs WHERE job = '$job' AND status = 'running'});
}
my $pid = start_sleeping('cancel');
is(sql(q{SELECT process, database, job, state FROM mlops.stat_workers WHERE process = 'job'}), 'job|postgres|cancel|running', 'stat_workers shows it');
is(sql(q{SELECT scheduler, running FROM mlops.health()}), 'running|1', 'so does health');
is(sql(q{SELECT mlops.cancel_job('cancel')}), '1', 'cancel_job');
is(ended('cancel', 'status, attempt'), 'cancelled|1', 'ends it for good');

$pid = start_sleeping('terminate');
sql("SELECT pg_terminate_backend($pid)");
is(ended('terminate', 'status, attempt'), 'succeeded|2', 'what was terminated is done again');
is(sql(q{SELECT status, message FROM mlops.job_runs WHERE job = 'terminate' AND attempt = 1}), 'interrupted|the process was told to end', 'and was recorded as interrupted');

# a scheduler that goes leaves its workers to the next one
$pid = start_sleeping('adopt');
my $scheduler = pids('scheduler');
sql("SELECT pg_terminate_backend($scheduler)");
ok(soon(qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlops scheduler' AND pid <> $scheduler}), 'another scheduler comes');
is(sql(q{SELECT pid, status FROM mlops.job_runs WHERE job = 'adopt'}), "$pid|running", 'the worker works on');
sql(q{SELECT mlops.cancel_job('adopt')});
is(ended('adopt', 'status'), 'cancelled', 'and is heard when it ends');

# so does the launcher
my $launcher = pids('launcher');
sql("SELECT pg_terminate_backend($launcher)");
ok(soon(qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlops launcher' AND pid <> $launcher}), 'another launcher comes');
is(result('still', 'SELECT 1', 'status'), 'succeeded', 'and jobs run');

#
# Off
#
sql(q{ALTER SYSTEM SET mlops.scheduler = off});
$node->reload;
ok(soon(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mlops scheduler'}), 'no scheduler when it is off');
sql(q{SELECT mlops.run_job('still')});
is(sql(q{SELECT status FROM mlops.job_runs WHERE job = 'still' ORDER BY id DESC LIMIT 1}), 'queued', 'nothing starts');
is(sql(q{SELECT status, scheduler FROM mlops.health()}), 'warning|off', 'health says so');
sql(q{ALTER SYSTEM RESET mlops.scheduler});
$node->reload;
is(ended('still', 'status'), 'succeeded', 'on again, it does');

#
# By the clock, which a test can set
#
sub clock { my ($at) = @_; sql("ALTER SYSTEM SET mlops.debug_clock = '$at'"); $node->reload; soon("SELECT mlops._now() = '$at UTC'") }
clock('2026-03-28 12:00:00');
sql(q{SELECT mlops.schedule('night', '30 2 * * *', 'SELECT public.note()', 'Europe/Berlin')});
for my $at ('2026-03-29 00:59:59', '2026-03-29 01:00:00', '2026-03-30 00:30:00', '2026-04-05 12:00:00')
{
	clock($at);
	my $due = sql(q{SELECT coalesce(min(next_run_at) <= mlops._now(), false) FROM mlops.jobs WHERE job = 'night'});
	soon(q{SELECT next_run_at > mlops._now() FROM mlops.jobs WHERE job = 'night'});
	ended('night', 'status') if $due eq 't';
}
is(sql(q{SELECT string_agg(scheduled_at::text || ' ' || status, ', ' ORDER BY id) FROM mlops.job_runs WHERE job = 'night'}),
	'2026-03-29 01:00:00+00 succeeded, 2026-03-30 00:30:00+00 succeeded, 2026-03-31 00:30:00+00 skipped, 2026-04-05 00:30:00+00 succeeded',
	'a week of nights, one without that hour');
is(sql(q{SELECT string_agg(scheduled_at::text, ', ' ORDER BY scheduled_at) FROM note WHERE job = 'night'}),
	'2026-03-29 01:00:00+00, 2026-03-30 00:30:00+00, 2026-04-05 00:30:00+00', 'the command knows for when it runs');
ok(soon(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mlops scheduler'}), 'the scheduler has left');
is(sql(q{SELECT state, next_due FROM mlops.stat_workers WHERE process = 'scheduler' AND database = 'postgres'}), 'asleep|2026-04-06 00:30:00+00', 'until it is needed');
sql(q{SELECT mlops.unschedule('night'); ALTER SYSTEM RESET mlops.debug_clock});
$node->reload;

#
# Databases come and go
#
sql('CREATE DATABASE bank');
sql(q{CREATE EXTENSION mlops; SELECT mlops.schedule('tick', 'every 1 second', 'SELECT 1')}, 'bank');
ok(soon(q{SELECT count(*) > 0 FROM mlops.job_runs WHERE status = 'succeeded'}, 'bank'), 'a new database is found');
is(result('long', 'SELECT pg_sleep(600)', 'status', q{timeout => '100 ms', retries => 0}, 'bank'), 'timeout', 'its jobs run');
sql(q{SELECT mlops.schedule('sleep', 'manual', 'SELECT pg_sleep(600)'); SELECT mlops.run_job('sleep')}, 'bank');
ok(soon(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'bank' AND wait_event = 'PgSleep'}), 'a job in progress');
sql('CREATE DATABASE copy TEMPLATE bank');
ok(soon(q{SELECT count(*) FILTER (WHERE finished_at > (SELECT max(since) FROM mlops.stat_workers WHERE database = 'copy')) > 0 FROM mlops.job_runs WHERE job = 'tick'}, 'copy'),
	'CREATE DATABASE TEMPLATE goes through, and the jobs of the copy run');
ok(soon(q{SELECT count(*) = 2 FROM mlops.job_runs WHERE job = 'sleep' AND status IN ('interrupted', 'running')}, 'bank'), 'what it interrupted is done again');
sql('ALTER DATABASE copy RENAME TO renamed');
my $before = sql(q{SELECT count(*) FROM mlops.job_runs WHERE job = 'tick'}, 'renamed');
ok(soon(qq{SELECT count(*) > $before FROM mlops.job_runs WHERE job = 'tick'}, 'renamed'), 'RENAME too');
ok(soon(q{SELECT count(*) >= 1 FROM pg_stat_activity WHERE datname = 'bank' AND wait_event = 'PgSleep'}), 'that job is in progress again');
sql('DROP DATABASE bank');
sql('DROP DATABASE renamed');
ok(soon(q{SELECT count(*) = 0 FROM mlops.stat_workers WHERE process <> 'launcher' AND database IS DISTINCT FROM 'postgres'}), 'DROP DATABASE, and nothing is left');

# one who may not drop a database cannot stop its jobs either
sql('CREATE DATABASE bank');
sql(q{CREATE EXTENSION mlops; SELECT mlops.schedule('sleep', 'manual', 'SELECT pg_sleep(600)'); SELECT mlops.run_job('sleep')}, 'bank');
soon(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'bank' AND wait_event = 'PgSleep'});
for my $statement ('DROP DATABASE bank', 'CREATE DATABASE mine TEMPLATE bank', 'ALTER DATABASE bank RENAME TO mine')
{
	($ret, $out, $err) = $node->psql('postgres', $statement, extra_params => [ '-U', 'ann' ]);
	like($err, qr/permission denied|must be owner/, "$statement is refused");
}
is(sql(q{SELECT status, attempt FROM mlops.job_runs}, 'bank'), 'running|1', 'and the job has not noticed');
sql('DROP DATABASE bank WITH (FORCE)');

#
# The extension goes and comes back
#
$node->psql('postgres', 'BEGIN; DROP EXTENSION mlops; ROLLBACK');
is(result('rolled', 'SELECT 1', 'status'), 'succeeded', 'DROP EXTENSION, rolled back');
start_sleeping('behind');
sql('DROP EXTENSION mlops');
ok(soon(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mlops scheduler'}), 'DROP EXTENSION does not wait, and the scheduler leaves');
sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'mlops job'});
ok(soon(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mlops job'}), 'so does the worker');
sql('CREATE EXTENSION mlops');
is(result('back', 'SELECT 1', 'status'), 'succeeded', 'CREATE EXTENSION again');

#
# Limits
#
sql(q{ALTER SYSTEM SET mlops.max_running_jobs = 2});
$node->reload;
sql(q{SELECT mlops.schedule('p' || i, 'manual', 'SELECT pg_sleep(0.05)', priority => i) FROM generate_series(1, 5) i});
sql(q{SELECT count(*) FROM (SELECT mlops.run_job('p' || i) FROM generate_series(1, 5) i) r});
soon(q{SELECT count(*) = 0 FROM mlops.job_run WHERE finished_at IS NULL OR NOT settled});
is(sql(q{SELECT string_agg(job, ' ' ORDER BY priority DESC) FROM mlops.jobs j WHERE last_status = 'succeeded' AND job LIKE 'p%'}), 'p5 p4 p3 p2 p1', 'all are done in the end');
ok(sql(q{SELECT max(n) FROM (SELECT (SELECT count(*) FROM mlops.job_runs o WHERE o.job LIKE 'p%' AND o.started_at < r.finished_at AND o.finished_at > r.started_at) AS n
	FROM mlops.job_runs r WHERE r.job LIKE 'p%') x}) <= 3, 'but not at once');
sql(q{ALTER SYSTEM RESET mlops.max_running_jobs});

# a database that is read-only
sql('CREATE DATABASE museum');
sql(q{CREATE EXTENSION mlops; SELECT mlops.schedule('tick', 'every 1 second', 'SELECT 1')}, 'museum');
soon(q{SELECT count(*) > 0 FROM mlops.job_runs WHERE status = 'succeeded'}, 'museum');
sql('ALTER DATABASE museum SET default_transaction_read_only = on');
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'museum' AND backend_type = 'mlops scheduler'});
ok(soon(q{SELECT state = 'asleep' FROM mlops.stat_workers WHERE process = 'scheduler' AND database = 'museum'}), 'a read-only database is left alone');
sql('SET default_transaction_read_only = off; DROP EXTENSION mlops', 'museum');
is(() = slurp_file($node->logfile) =~ /it is read-only\n.*HINT.*default_transaction_read_only/g, 1, 'the log says so, once');
sql('DROP DATABASE museum');

#
# No free process
#
$node->append_conf('postgresql.conf', "max_worker_processes = 4\n");
$node->restart;
soon(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'mlops launcher'});
sql(q{SELECT mlops.schedule('w' || i, 'manual', 'SELECT pg_sleep(0.2)') FROM generate_series(1, 3) i});
sql(q{SELECT mlops.run_job('w' || i) FROM generate_series(1, 3) i});
ok(soon(q{SELECT count(*) = 3 FROM mlops.jobs WHERE job LIKE 'w%' AND last_status = 'succeeded'}), 'too few worker processes only delay');
is(() = slurp_file($node->logfile) =~ /no background worker is free for a job of mlops\n.*HINT:.*max_worker_processes/g, 1, 'which the log explains, once');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|leak/, 'nothing leaks, nothing panics');
$node->stop;

#
# Without preload
#
my $plain = PostgreSQL::Test::Cluster->new('unpreloaded');
$plain->init;
$plain->start;
$plain->safe_psql('postgres', 'CREATE EXTENSION mlops');
$plain->safe_psql('postgres', q{SELECT mlops.schedule('tick', 'every 1 second', 'SELECT 1')});
is($plain->safe_psql('postgres', q{SELECT status, scheduler FROM mlops.health()}), 'critical|stopped', 'without preload nothing runs');
is($plain->safe_psql('postgres', 'SELECT mlops.start_scheduler()'), 't', 'until it is started');
ok($plain->poll_query_until('postgres', q{SELECT count(*) > 1 FROM mlops.job_runs WHERE status = 'succeeded'}), 'then it does');
is($plain->safe_psql('postgres', 'SELECT mlops.start_scheduler()'), 'f', 'once is enough');
is($plain->safe_psql('postgres', q{SELECT scheduler FROM mlops.health()}), 'running', 'health knows');
$plain->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'mlops scheduler'});
ok($plain->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mlops scheduler'}), 'it can be stopped');
is($plain->safe_psql('postgres', 'SELECT mlops.start_scheduler()'), 't', 'and started again');
$plain->safe_psql('postgres', 'DROP EXTENSION mlops');
ok($plain->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'mlops scheduler'}), 'without the extension it leaves');
$plain->stop;

done_testing();
