# The life of a search for parameters: trials are seen by others as they
# finish, none that finished is lost whatever ends it, and it goes on where it
# was left, as if nothing had happened.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

require './test/setup/restart.pl';
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('tune');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nlog_statement = none\nshared_preload_libraries = 'mlops'\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION mlops;
	CREATE TABLE loan AS
		SELECT i AS id, i * 7919 % 1009 AS a, (ARRAY['x', 'y', 'z'])[i % 3 + 1] AS b,
		       sqrt(i * 31337 % 8191) AS c, i * 7919 % 1009 + i % 350 > 520 AS bad
		FROM generate_series(1, 4000) i;
	CREATE ROLE analyst LOGIN;
	CREATE ROLE other LOGIN;
	GRANT SELECT ON loan TO analyst;
	GRANT EXECUTE ON PROCEDURE mlops.tune TO analyst, other});

# a search of so many trials, of which each takes a while
sub tune
{
	my ($model, $trials, $more) = @_;
	return sprintf q{CALL mlops.tune('%s', 'SELECT * FROM loan', 'bad', '{"max_depth": {"low": 2, "high": 7, "int": true}, "eta": {"low": 0.01, "high": 0.5, "log": true}, "grow_policy": ["depthwise", "lossguide"]}', trials => %d, key => 'id', rounds => 60%s)},
		$model, $trials, $more // '';
}

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub wait_until
{
	my ($what, $condition) = @_;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $result = $condition->();
		return $result if $result;
		usleep(100_000);
	}
	die "timed out waiting until $what\n";
}

my $sessions = 0;

sub session
{
	my ($sql, $role) = @_;
	my $base = $node->basedir . '/session' . ++$sessions;
	append_to_file("$base.sql", $sql);
	return { base => $base, run => IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') . ' application_name=session' . $sessions
			. ($role ? " user=$role" : ''), '-f', "$base.sql" ],
		'<', '/dev/null', '>', "$base.out", '2>', "$base.err",
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default)), name => "session$sessions" };
}

sub finish
{
	my ($session) = @_;
	eval { $session->{run}->finish };
	return slurp_file("$session->{base}.err");
}

sub backend
{
	my ($session) = @_;
	return wait_until('the backend is there',
		sub { sql("SELECT pid FROM pg_stat_activity WHERE application_name = '$session->{name}'") });
}

sub search { return sql("SELECT max(run) FROM mlops.searches WHERE model = '$_[0]'") }
sub trials { return sql("SELECT count(*) FROM mlops.trials WHERE model = '$_[0]'") }
sub status { return sql("SELECT status, trials FROM mlops.searches WHERE model = '$_[0]' ORDER BY run DESC LIMIT 1") }

# what was tried and found, by the number of the trial
sub found { return sql("SELECT trial, parameters, value FROM mlops.trials WHERE model = '$_[0]' ORDER BY trial") }
sub sha { return sql("SELECT sha256 FROM mlops.versions WHERE model = '$_[0]'") }

sub wait_for_trials
{
	my ($model, $count) = @_;
	wait_until("$model has $count trials", sub { trials($model) >= $count });
}

sub no_trainer
{
	my ($name) = @_;
	my @left;
	for (1 .. 100)
	{
		@left = grep { is_trainer($_) && is_ours($_) } glob '/proc/[0-9]*/comm';
		last unless @left;
		usleep(100_000);
	}
	is("@left", '', $name);
}

sub is_trainer
{
	open my $file, '<', $_[0] or return 0;
	return (<$file> // '') =~ /^mlops-trainer/;
}

# is the process below this server?
sub is_ours
{
	my ($comm) = @_;
	my ($pid) = $comm =~ /(\d+)/;
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	while ($pid and $pid > 1)
	{
		return 1 if $pid == $postmaster;
		open my $file, '<', "/proc/$pid/stat" or return 0;
		(($pid) = (<$file> // '') =~ /^\d+ \(.*\) \S (\d+)/s) or return 0;
	}
	return 0;
}

# --- a search that nothing disturbs
like(sql(tune('whole', 12)), qr{^\d+\|whole/1\|12\|0\.\d+$}, 'a search gives its run, the version, trials and the value');
is(status('whole'), 'finished|12', 'it has finished');
no_trainer('and left no process');
is(sql("SELECT same_artifact FROM mlops.repeat_run((SELECT id FROM mlops.runs WHERE version = 1 AND model = 'whole'))"), 't',
	'its version is what mlops.train() makes of the best parameters');

# --- others see it while it goes on
my $session = session(tune('seen', 200));
wait_for_trials('seen', 2);
is((split /\|/, status('seen'))[0], 'running', 'another session sees trials while it runs');
like(wait_until('progress', sub { sql(q{SELECT phase, done >= 2, expected, unit, metric FROM mlops.progress WHERE kind = 'tune' AND metric IS NOT NULL}) }),
	qr/^searching\|t\|200\|trials\|trial \d+: auc 0\.\d+$/, 'and how far it is');
is(sql(q{SELECT count(*) FROM mlops.progress WHERE kind = 'train' AND phase = 'boosting' AND model = 'seen'}), '1', 'down to the rounds');
my $pid = backend($session);
is(sql("SELECT backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE pid = $pid"), 't', 'it holds no snapshot meanwhile');
my ($ret, $out, $err) = $node->psql('postgres', 'CALL mlops.tune(resume => ' . search('seen') . ')', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/55006.*search \d+ is running/, 'and nobody else can work on it');

# --- cancelled
sql("SELECT pg_cancel_backend($pid)");
like(finish($session), qr/57014/, 'it is cancelled');
no_trainer('no process is left');
my $kept = trials('seen');
cmp_ok($kept, '>=', 2, 'its trials are kept');
is(status('seen'), "interrupted|$kept", 'it counts as interrupted');
is(sql("SELECT count(*) FROM mlops.versions WHERE model = 'seen'"), '0', 'and has no version');
is(sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), '0', 'no lock is left');

# --- killed, and resumed
$session = session(tune('killed', 12));
wait_for_trials('killed', 3);
kill 'KILL', backend($session);
finish($session);
poll_restarting($node, 'postgres', 'SELECT 1', '1') or die 'no server';
no_trainer('a backend that is killed takes the training process with it');
$kept = trials('killed');
cmp_ok($kept, '>=', 3, 'trials that had finished survive the crash');
cmp_ok($kept, '<', 12, 'others were not made');
is(status('killed'), "interrupted|$kept", 'the search was interrupted');
my $runs = "SELECT array_agg(run ORDER BY trial) FROM mlops.trials WHERE model = 'killed' AND trial <= $kept";
my $before = sql($runs);
my $search = search('killed');
like(sql("CALL mlops.tune(resume => $search)"), qr{^$search\|killed/1\|12\|}, 'it is resumed');
is(sql($runs), $before, 'the trials that there were are not repeated');
is(trials('killed'), '12', 'the others are made');
is(found('killed'), found('whole'), 'all are those of a search that was not interrupted');
is(sha('killed'), sha('whole'), 'and so is the model file');
is(status('killed'), 'finished|12', 'it has finished');
($ret, $out, $err) = $node->psql('postgres', "CALL mlops.tune(resume => $search)", extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/55000.*search $search has finished/, 'one that has finished cannot be resumed');

# --- terminated, and resumed on other rows or with fewer trials
$session = session(tune('changed', 100));
wait_for_trials('changed', 2);
sql('SELECT pg_terminate_backend(' . backend($session) . ')');
finish($session);
no_trainer('termination ends the process');
sql('UPDATE loan SET a = a + 1 WHERE id = 7');
$search = search('changed');
($ret, $out, $err) = $node->psql('postgres', "CALL mlops.tune(resume => $search)", extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/55000.*rows of its query have changed/, 'a search does not go on with other rows');
is((split /\|/, status('changed'))[0], 'interrupted', 'but could');
sql('UPDATE loan SET a = a - 1 WHERE id = 7');
$kept = trials('changed');
like(sql("CALL mlops.tune(resume => $search, trials => $kept)"), qr{\|changed/1\|$kept\|}, 'with the trials that there are it ends at once');

# --- one training process at a time
sql('ALTER SYSTEM SET mlops.train_max_processes = 1');
$node->reload;
my $first = session(tune('first', 200));
wait_for_trials('first', 1);
my $second = session(tune('second', 200));
my $waiting = backend($second);
is(wait_until('the second one waits', sub { sql("SELECT phase FROM mlops.progress WHERE pid = $waiting AND phase = 'waiting'") }),
	'waiting', 'the second search waits for its turn');
my $third = session(tune('third', 200));
my $queued = backend($third);
wait_until('the third one waits', sub { sql("SELECT count(*) FROM pg_locks WHERE pid = $queued AND NOT granted") });
is(sql("SELECT locktype FROM pg_locks WHERE pid = $queued AND NOT granted"), 'advisory', 'a third one stands in the queue of pg_locks');
is(trials('second'), '0', 'while it waits there are no trials');
sql("SELECT pg_cancel_backend($queued)");
like(finish($third), qr/57014/, 'who stands in the queue can be cancelled');
sql("SELECT pg_cancel_backend($waiting)");
like(finish($second), qr/57014/, 'and who waits for a place');
$second = session('SELECT count(*) FROM mlops.cross_validate(\'SELECT * FROM loan\', \'bad\', key => \'id\')');
$waiting = backend($second);
wait_until('a cross-validation waits', sub { sql("SELECT phase FROM mlops.progress WHERE pid = $waiting AND phase = 'waiting'") });
sql('SELECT pg_cancel_backend(' . backend($first) . ')');
finish($first);
is(finish($second), '', 'its turn comes when the other one ends');
is(slurp_file("$second->{base}.out"), "11\n", 'and it does its work');
is(sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), '0', 'no place is taken at the end');
sql('ALTER SYSTEM RESET mlops.train_max_processes');
$node->reload;

# --- time
like(sql(tune('late', 1000, q{, budget => '1 second'})), qr{\|late/1\|}, 'a search ends when its time is over');
cmp_ok(trials('late'), '<', 1000, 'with fewer trials');

# --- in a transaction block
($ret, $out, $err) = $node->psql('postgres', 'BEGIN; ' . tune('block', 3) . '; ROLLBACK');
like($err, qr/inside a transaction block/, 'in a transaction block it says that nothing is kept before that commits');
is(sql("SELECT count(*) FROM mlops.models WHERE model = 'block'"), '0', 'rolled back, nothing is left of it');

# --- rights
$session = session(tune('mine', 2), 'analyst');
is(finish($session), '', 'a search of a user');
is(sql("SELECT created_by FROM mlops.searches WHERE model = 'mine'"), 'analyst', 'is his');
for my $role (['analyst', 2], ['other', 0])
{
	($ret, $out) = $node->psql('postgres', q{SELECT count(*) FROM mlops.trials WHERE model = 'mine'}, extra_params => [ '-U', $role->[0] ]);
	is($out, $role->[1], "$role->[0] sees $role->[1] trials");
}
($ret, $out, $err) = $node->psql('postgres', tune('theirs', 2), extra_params => [ '-U', 'other' ]);
like($err, qr/permission denied for table loan/, 'the query runs with the rights of the caller');
($ret, $out, $err) = $node->psql('postgres', tune('mine', 2), extra_params => [ '-U', 'other' ]);
like($err, qr/permission denied for model "mine"/, 'for a model of others there is no search');
($ret, $out, $err) = $node->psql('postgres', "CALL mlops.tune(resume => " . search('changed') . ')', extra_params => [ '-U', 'other' ]);
like($err, qr/run \d+ is not of an experiment that you own/, 'nobody goes on with the search of another');

$node->stop;
done_testing();
