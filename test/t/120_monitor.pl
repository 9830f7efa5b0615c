# Monitors at work: on schedule by a clock that the test sets, in two databases,
# through downtime, a crash and a cancel, and what listeners hear of alarms.
use strict;
use warnings;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('monitor');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'mlops'
TimeZone = 'UTC'
mlops.crash_delay = 0
mlops.debug_clock = '2031-01-10 00:00:00'
max_worker_processes = 12
});
$node->start;

sub sql { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql) }
sub soon { my ($sql, $database) = @_; return $node->poll_query_until($database // 'postgres', $sql) }

# what the owner of the monitors does
sub ann
{
	my ($sql, $database) = @_;
	my ($ret, $out, $err) = $node->psql($database, $sql, extra_params => [ '-U', 'ann' ]);
	die $err if $ret;
	return $out;
}

# set the clock, and wait until a database has nothing more to do at that time
sub clock
{
	my ($at, @databases) = @_;
	sql("ALTER SYSTEM SET mlops.debug_clock = '$at'");
	$node->reload;
	idle($at, $_) for @databases;
}

sub idle
{
	my ($at, $database) = @_;
	return soon(qq{SELECT mlops._now() = '$at UTC' AND NOT EXISTS (SELECT FROM mlops.job WHERE next_run_at <= '$at UTC')
		AND NOT EXISTS (SELECT FROM mlops.job_run WHERE finished_at IS NULL OR NOT settled)}, $database);
}

# a session that listens, and says what it heard when the lock 7 is free
sub listener
{
	my ($database) = @_;
	my $file = $node->basedir . '/listen.sql';
	append_to_file($file, "LISTEN mlops_alert;\nSELECT pg_advisory_lock(7);\nSELECT 1;\n") unless -e $file;
	my $heard = '';
	my $handle = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($database), '-f', $file ], '>', \$heard, IPC::Run::timeout(180));
	soon(q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted}, $database);
	return sub
	{
		$_[0]->();
		$handle->finish;
		return map { decode_json($_) } $heard =~ /notification "mlops_alert" with payload "(.*)" received/g;
	};
}

# hold a lock in a session of its own until the returned function is called
sub hold
{
	my ($lock, $database) = @_;
	my ($in, $out) = ("SELECT pg_advisory_lock($lock);\n", '');
	my $handle = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($database) ], '<', \$in, '>', \$out, IPC::Run::timeout(180));
	$handle->pump until $out =~ /\n/;
	return sub { $in .= "\\q\n"; $handle->finish };
}

sub ends { my ($database) = @_; return sql(q{SELECT string_agg(DISTINCT to_char(window_end, 'DD HH24'), ', ') FROM mlops.check_results}, $database) }

#
# Two databases, each with a monitor: 120 rows an hour, shifted from 04:00 on.
# A view whose rows wait while somebody holds a lock.
#
sql('CREATE ROLE ann LOGIN');
for my $database ('one', 'two')
{
	sql("CREATE DATABASE $database");
	sql(q{
		CREATE EXTENSION mlops;
		\i test/fixtures/stump.sql
		GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO ann;
		CREATE TABLE loan AS SELECT timestamptz '2031-01-09 00:00+00' + i * interval '30 seconds' AS at,
			((i * 7919) % 1009 / 1009.0)::float8 + CASE WHEN i >= 28 * 120 AND current_database() = 'one' THEN 0.6 ELSE 0 END AS a
			FROM generate_series(0, 22 * 24 * 120 - 1) i;
		CREATE FUNCTION gate() RETURNS boolean LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock_shared(9) IS NOT NULL $$;
		CREATE VIEW source AS SELECT l.* FROM loan l, (SELECT gate() AS open OFFSET 0) g WHERE g.open;
		GRANT SELECT ON loan, source TO ann;
		SELECT mlops.import_model('risk', pg_temp.stumps('{a}', '{0}', '{0.5}', '{1}', '{2}'));
		SELECT count(*) FROM (SELECT mlops.set_profile('risk/1', 'SELECT a FROM loan WHERE at < ''2031-01-10''')) p;
		SELECT mlops.promote('risk/1', reason => 'test');
		SELECT mlops.grant_privilege(p, 'risk', 'ann') FROM unnest('{manage,read,score}'::text[]) p;
	}, $database);
	ann(q{SELECT mlops.create_monitor('hourly', 'risk', 'source', 'at', '1 hour', schedule => '5 * * * *');
		SELECT mlops.add_check('hourly', 'drift', '{"method": "ks"}')}, $database);
}

clock('2031-01-10 03:05:00', 'one', 'two');
is(ends($_), '10 00, 10 01, 10 02, 10 03', "windows follow each other, in database $_") for 'one', 'two';
is(sql(q{SELECT string_agg(DISTINCT verdict, ' ') FROM mlops.check_results}, 'one'), 'ok', 'and are well');
is(sql(q{SELECT string_agg(to_char(scheduled_at, 'HH24:MI') || ' ' || status, ', ' ORDER BY scheduled_at) FROM mlops.job_runs}, 'one'),
	'00:05 skipped, 03:05 succeeded', 'by one run, which made up for what was missed');
is(sql(q{SELECT owner || ' ' || kind FROM mlops.jobs}, 'one'), 'ann monitor', 'of the owner of the monitor');

#
# What is heard of an alarm
#
my $release = hold(7, 'one');
my $hear = listener('one');
clock('2031-01-10 05:05:00', 'one', 'two');
my @heard = $hear->($release);
is(scalar(@heard), 1, 'one alarm was heard');
is_deeply($heard[0], { alert => 1, status => 'open', monitor => 'hourly', check => 1, kind => 'drift', model => 'risk', version => 1,
	window_start => '2031-01-10T04:00:00.000000Z', window_end => '2031-01-10T05:00:00.000000Z', action => 'alert' }, 'as JSON that says what of');
is(sql('SELECT count(*) FROM mlops.alerts', 'two'), '0', 'the other database is well');

# the longest and most hostile that a message can be
sql(q{
	\i test/fixtures/stump.sql
	SET client_min_messages = error;
	CREATE FUNCTION complain(message jsonb) RETURNS void LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION '%', repeat(U&'"\005C\005C\0001', 5000); END $$;
	SELECT mlops.import_model(repeat(U&'"\005C', 31) || 'm', pg_temp.stumps('{a}', '{0}', '{0.5}', '{1}', '{2}'));
	SELECT count(*) FROM (SELECT mlops.set_profile((SELECT model || '/1' FROM mlops.models WHERE model LIKE '"%'), 'SELECT a FROM loan WHERE at < ''2031-01-10''')) p;
	SELECT mlops.create_monitor(repeat(U&'\005C"', 31) || U&'\005C', (SELECT model || '/1' FROM mlops.models WHERE model LIKE '"%'), 'loan', 'at', '1 hour');
	SELECT mlops.add_check(monitor, 'drift', '{"method": "ks"}', on_failure => 'call', function => 'complain') FROM mlops.monitors WHERE model LIKE '"%'}, 'one');
$release = hold(7, 'one');
$hear = listener('one');
sql(q{SELECT mlops.run_monitor(monitor, '2031-01-10 06:00+00') FROM mlops.monitors WHERE model LIKE '"%'}, 'one');
my ($alert) = split /\n/, sql(q{SELECT id FROM mlops.alerts WHERE status = 'open' AND model LIKE '"%'}, 'one');
sql(qq{SELECT mlops.close_alert($alert, repeat('"', 2000))}, 'one');
@heard = $hear->($release);
is(join(' ', map { $_->{status} } @heard), 'open closed', 'names of quotes and backslashes are heard');
is($heard[1]{monitor}, '\\"' x 31 . '\\', 'as they are');
is($heard[1]{outcome}, undef, 'not what the function said, which is for those who may see the model');
like(sql(qq{SELECT outcome FROM mlops.alerts WHERE id = $alert}, 'one'), qr/^not done: "\\\\/, 'and find it in the view');
ok(sql(qq{SELECT max(octet_length(mlops._alert_message(a)::text)) FROM mlops.alert a}, 'one') < 8000, 'in what a notification can hold');

#
# A cancel leaves nothing
#
my $counts = q{SELECT (SELECT count(*) FROM mlops.monitor_run), (SELECT count(*) FROM mlops.check_result), (SELECT count(*) FROM mlops.alert), (SELECT count(*) FROM mlops.audit_log)};
my $before = sql($counts, 'two');
$release = hold(9, 'two');
my ($errors, $output) = ('', '');
my $run = IPC::Run::start([ 'psql', '-XAtq', '-U', 'ann', '-d', $node->connstr('two'), '-c', q{SELECT mlops.run_monitor('hourly', '2031-01-10 06:00+00')} ],
	'>', \$output, '2>', \$errors, IPC::Run::timeout(180));
ok(soon(q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 9 AND NOT granted}, 'two'), 'a run in the middle of its window');
sql(q{SELECT pg_cancel_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 9 AND NOT granted}, 'two');
$run->finish;
like($errors, qr/canceling statement due to user request/, 'is cancelled');
is(sql($counts, 'two'), $before, 'and has left nothing');

#
# A crash in the middle of a run, and what was due while the server was down
#
sql("ALTER SYSTEM SET mlops.debug_clock = '2031-01-10 07:05:00'");
$node->reload;
ok(soon(q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 9 AND NOT granted}, 'two'), 'a job in the middle of its window');
$node->stop('immediate');
eval { $release->() };
sql_conf('2031-01-10 09:05:00');
$node->start;
# the retry is due a moment later, and what was due meanwhile is not done beside it
soon(q{SELECT count(*) = 1 FROM mlops.job_run WHERE cause = 'retry' AND status = 'queued'}, 'two');
clock('2031-01-10 09:06:00', 'one', 'two');
clock('2031-01-10 10:05:00', 'one', 'two');
is(ends($_), '10 00, 10 01, 10 02, 10 03, 10 04, 10 05, 10 06, 10 07, 10 08, 10 09, 10 10', "nothing is missing after the crash, in database $_") for 'one', 'two';
is(sql(q{SELECT count(*), max(attempt) FROM mlops.monitor_run}, 'two'), '11|1', 'and nothing is there twice');
is(sql(q{SELECT count(*) FROM mlops.job_runs WHERE status = 'crashed'}, 'two'), '1', 'though a run had crashed');

#
# Ten days without power: three runs of a hundred windows at most
#
clock('2031-01-20 09:05:00', 'one', 'two');
is(sql(q{SELECT count(*), max(window_end), sum(n) FROM mlops.check_results WHERE attribute = 'a'}, 'two'), '250|2031-01-20 09:00:00+00|30000', 'all windows');
is(sql(q{SELECT string_agg(cause || ' ' || status, ', ' ORDER BY id) FROM mlops.job_runs WHERE scheduled_at = '2031-01-20 09:05+00'}, 'two'),
	'schedule succeeded, continue succeeded, continue succeeded', 'in several runs, which follow each other by themselves');

# what is taken away does not run
ann(q{SELECT mlops.drop_monitor('hourly')}, 'two');
clock('2031-01-20 12:05:00', 'one', 'two');
is(sql(q{SELECT max(window_end) FROM mlops.check_results}, 'two'), '2031-01-20 09:00:00+00', 'a monitor that was dropped does not run');
is(sql(q{SELECT max(window_end) FROM mlops.check_results}, 'one'), '2031-01-20 12:00:00+00', 'the other one does');
$node->stop;

sub sql_conf
{
	my ($at) = @_;
	my $file = $node->data_dir . '/postgresql.auto.conf';
	my $text = slurp_file($file);
	$text =~ s/^mlops\.debug_clock = .*$/mlops.debug_clock = '$at'/m or die 'no clock';
	unlink $file;
	append_to_file($file, $text);
}

done_testing();
