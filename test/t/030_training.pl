
# The life of a training: whatever ends it, one error is all that is left of
# it, and the server goes on.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

require './test/setup/restart.pl';
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('training');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nlog_statement = none\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION mlops;
	CREATE TABLE loan AS
		SELECT i AS id, i * 7919 % 1009 AS a, (ARRAY['x', 'y', 'z'])[i % 3 + 1] AS b,
		       sqrt(i * 31337 % 8191) AS c, i * 7919 % 1009 + i % 50 > 520 AS bad
		FROM generate_series(1, 5000) i});

my $postmaster = postmaster();
my $train = q{SELECT version FROM mlops.train('%s', 'SELECT * FROM loan', 'bad', key => 'id', rounds => %d)};
# takes hours
my $long = sprintf q{SELECT version FROM mlops.train('long', 'SELECT * FROM loan', 'bad', '{"max_depth": 12, "eta": 0.0001}', key => 'id', rounds => 100000)};
# takes hours to read
my $slow = q{SELECT version FROM mlops.train('long', 'SELECT id, a, pg_sleep(10) IS NULL AS n, bad FROM loan', 'bad')};

# --- what there is to see of a server

sub postmaster
{
	return (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
}

# pids of the processes whose ancestor is the postmaster
sub processes
{
	my %parent;
	for my $stat (glob '/proc/[0-9]*/stat')
	{
		open my $file, '<', $stat or next;
		my $line = <$file> // next;
		close $file;
		$parent{$1} = $2 if $line =~ /^(\d+) \(.*\) \S (\d+)/s;
	}
	return grep {
		my $pid = $_;
		$pid = $parent{$pid} while $pid and $pid != $postmaster;
		$pid
	} sort keys %parent;
}

sub comm
{
	my ($pid) = @_;
	open my $file, '<', "/proc/$pid/comm" or return '';
	my $name = <$file> // '';
	chomp $name;
	return $name;
}

sub trainers { return grep { comm($_) eq 'mlops-trainer' } processes() }

# empty for one that is gone
sub maps
{
	my ($pid) = @_;
	open my $file, '<', "/proc/$pid/maps" or return '';
	local $/;
	return <$file> // '';
}

sub descriptors
{
	my ($pid) = @_;
	return map { readlink $_ // () } glob "/proc/$pid/fd/*";
}

sub wait_until
{
	my ($what, $condition) = @_;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my @result = $condition->();
		return @result if @result;
		usleep(100_000);
	}
	die "timed out waiting until $what\n";
}

# the training process that runs, or will soon
my $trainer;
sub wait_for_trainer { $trainer = (wait_until('a trainer runs', \&trainers))[0] }

# Neither one under the server nor, if its backend is gone, the one that we saw.
sub no_trainer
{
	my ($name) = @_;
	my @left;
	for (1 .. 100)
	{
		@left = (trainers(), grep { defined and comm($_) eq 'mlops-trainer' } $trainer);
		last unless @left;
		usleep(100_000);
	}
	is("@left", '', $name);
}

# --- sessions

my $sessions = 0;

# psql on a script of its own; what it writes goes to files, so that it never
# waits for us
sub session
{
	my ($sql) = @_;
	my $base = $node->basedir . '/session' . ++$sessions;
	append_to_file("$base.sql", $sql);
	return { base => $base, run => IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), '-f', "$base.sql" ],
		'<', '/dev/null', '>', "$base.out", '2>', "$base.err",
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default)) };
}

sub out { return slurp_file($_[0]->{base} . '.out') }
sub err { return slurp_file($_[0]->{base} . '.err') }

# wait for its end; what it wrote to its standard error
sub finish
{
	my ($session) = @_;
	eval { $session->{run}->finish };
	return err($session);
}

sub backend
{
	my ($query) = @_;
	return (wait_until('the backend is there', sub {
		my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE query LIKE '$query%' AND pid <> pg_backend_pid() AND state = 'active'");
		return $pid =~ /^(\d+)$/ ? $1 : ();
	}))[0];
}

# the backend of a trainer
sub parent
{
	my ($pid) = @_;
	open my $file, '<', "/proc/$pid/stat" or die "no process $pid\n";
	<$file> =~ /^\d+ \(.*\) \S (\d+)/s or die;
	return $1;
}

sub rows_left
{
	my ($model) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT (SELECT count(*) FROM mlops.models WHERE model = '$model'),
		       (SELECT count(*) FROM mlops.runs WHERE model = '$model'),
		       (SELECT count(*) FROM mlops.audit_log WHERE model = '$model')});
}

# --- a training that goes well

is($node->safe_psql('postgres', sprintf($train, 'good', 5)), '1', 'a training');
no_trainer('leaves no process');

my $session = session(sprintf($train, 'good', 5) . qq{;
	SELECT count(mlops.predict('good/1', loan)) FROM loan;
	\\echo done
	SELECT pg_sleep(1000)});
my $pid = backend('SELECT pg_sleep');
is(out($session), "2\n5000\ndone\n", 'training and scoring in one session');
my @maps = grep { $_ ne '' } map { maps($_) } grep { comm($_) ne 'mlops-trainer' } processes();
cmp_ok(scalar @maps, '>', 3, 'maps of the server\'s processes');
is(scalar(grep { /xgboost|libgomp/ } @maps), 0, 'none has libxgboost or libgomp');
is(scalar(grep { /mlops\.so/ } @maps) > 0, 1, 'but the extension, where it was used');
is(scalar(grep { m{^/memfd:} } descriptors($pid)), 0, 'no descriptor is left');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
finish($session);

# the trainer has them, so the test can see them
$session = session($long);
wait_for_trainer();
my $backend = parent($trainer);
is((wait_until('the training process has libxgboost', sub { maps($trainer) =~ /libxgboost/ ? 1 : () }))[0], 1,
	'the training process has libxgboost');

# --- cancel, while it boosts
$node->safe_psql('postgres', "SELECT pg_cancel_backend($backend)");
like(finish($session), qr/57014/, 'cancelled while it boosts');
no_trainer('no process is left');
is(rows_left('long'), '0|0|0', 'and no row');

# --- cancel, while it reads
$session = session($slow);
$pid = backend('SELECT version FROM mlops.train');
wait_until('it reads', sub { $node->safe_psql('postgres', "SELECT 1 FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'PgSleep'") eq '1' ? 1 : () });
is(scalar(trainers()), 0, 'no process while it reads');
ok(scalar(grep { /memfd:mlops training data/ } descriptors($pid)) > 0, 'but memory files');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
like(finish($session), qr/57014/, 'cancelled while it reads');

# --- statement_timeout, in both
for my $query ($slow, $long)
{
	my ($ret, $out, $err) = $node->psql('postgres', "SET statement_timeout = '1s'; $query", extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($err, qr/57014/, 'statement_timeout');
	no_trainer('no process is left');
}

# --- terminate, while it boosts
$session = session($long);
wait_for_trainer();
$backend = parent($trainer);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($backend)");
like(finish($session), qr/57P01/, 'terminated while it boosts');
no_trainer('no process is left');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $backend"), 'and no backend');

# --- a session whose transaction goes on after the error
$session = session(qq{
	BEGIN;
	CREATE TABLE written (i int);
	SET LOCAL statement_timeout = '2s';
	DO \$\$
	BEGIN
		PERFORM FROM mlops.train('long', 'SELECT * FROM loan', 'bad', rounds => 100000);
	EXCEPTION WHEN query_canceled THEN
		RAISE NOTICE 'caught';
	END \$\$;
	SET LOCAL statement_timeout = 0;
	INSERT INTO written VALUES (1);
	\\echo done
	SELECT pg_sleep(1000)});
$pid = backend('SELECT pg_sleep');
like(err($session), qr/caught/, 'cancelled in a block with an exception handler');
is("@{[trainers()]}", '', 'no process is left in the open transaction');
is(scalar(grep { /memfd/ } descriptors($pid)), 0, 'and no memory file');
is(out($session), "done\n", 'which can write');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
finish($session);

# --- kill -9 of the training process
my $other = session("SELECT 'before'; SELECT pg_sleep(1000)");
my $other_pid = backend('SELECT pg_sleep');
$session = session("$long; SELECT 'goes on'");
wait_for_trainer();
kill 'KILL', $trainer;
like(finish($session), qr/ML031.*killed by signal 9/, 'kill -9 of the training process is an error');
is(out($session), "goes on\n", 'of its session, which goes on');
no_trainer('no process is left');
is(rows_left('long'), '0|0|0', 'and no row');
ok(kill(0, $other_pid), 'other sessions go on');
is(postmaster(), $postmaster, 'and the server');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($other_pid)");
finish($other);

# --- memory
my ($ret, $out, $err) = $node->psql('postgres',
	"SET mlops.train_memory_limit = '64MB'; SELECT FROM mlops.train('memory', 'SELECT i AS a, i AS b, i AS c, i AS d, i AS e, i AS f, i AS g, i AS h, i % 2 = 0 AS y FROM generate_series(1, (SELECT 800000)) i', 'y')",
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/ML031.*out of memory/, 'a training process that needs more memory than it may have');
($ret, $out, $err) = $node->psql('postgres',
	"SET mlops.train_memory_limit = '64MB'; SELECT FROM mlops.train('memory', 'SELECT i, i % 7 AS j, i % 2 = 0 AS y FROM generate_series(1, (SELECT 10000000)) i', 'y')",
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/54000: training data exceeds mlops.train_memory_limit/, 'data that cannot fit, while they are read');
($ret, $out, $err) = $node->psql('postgres',
	"SET mlops.train_memory_limit = '64MB'; SELECT FROM mlops.train('memory', 'SELECT i, i % 7 AS j, i % 2 = 0 AS y FROM generate_series(1, 10000000) i', 'y')",
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/54000: training would need at least \d+ MB, and mlops.train_memory_limit is 64 MB/, 'or before, if the planner sees it');
($ret, $out, $err) = $node->psql('postgres',
	"SET mlops.train_memory_limit = '64MB'; SELECT FROM mlops.train('memory', 'SELECT i, i % 7 AS j, i % 2 = 0 AS y FROM generate_series(1, (SELECT 10000000)) i', 'y', matrix => 'quantile')",
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/54000: training data exceeds mlops.train_memory_limit/, 'and for a quantised matrix');
no_trainer('no process is left');
is(rows_left('memory'), '0|0|0', 'and no row');

# --- rows on disk for a quantised matrix
sub temporary_files { return glob $node->data_dir . '/base/pgsql_tmp/*' }

my $spill = q{SET maintenance_work_mem = '1MB'; SET temp_file_limit = '%s'; SELECT 'begins';
	SELECT FROM mlops.train('spill', 'SELECT i, i * 7919::bigint %% 1000 AS b, hashint4(i) %% 100 AS c, hashint4(i) %% 2 = 0 AS y FROM generate_series(1, %d) i%s', 'y',
	                        rounds => 100000, matrix => 'quantile', split => '{}');
	SELECT 'goes on'};

$session = session(sprintf $spill, -1, 100000, ' UNION ALL SELECT 0, 0, 0, pg_sleep(1000) IS NULL');
$pid = backend('SELECT FROM mlops.train');
wait_until('rows are on disk', \&temporary_files);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
like(finish($session), qr/57014/, 'cancelled while rows go to disk');
is("@{[temporary_files()]}", '', 'no file is left');
like(out($session), qr/goes on/, 'and the session goes on');

$session = session(sprintf $spill, '1MB', 100000, '');
like(finish($session), qr/53400.*temp_file_limit/, 'they count for temp_file_limit');
is("@{[temporary_files()]}", '', 'no file is left');

$session = session(sprintf $spill, -1, 100000, '');
wait_for_trainer();
is(scalar(grep { /memfd:mlops training data/ } descriptors($trainer)), 0, 'the training process has no rows in memory files');
kill 'KILL', $trainer;
like(finish($session), qr/ML031.*killed by signal 9/, 'kill -9 of the training process is an error');
is("@{[temporary_files()]}", '', 'no file is left');

$session = session(sprintf $spill, -1, 100000, '');
wait_for_trainer();
$pid = parent($trainer);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
like(finish($session), qr/57014/, 'cancelled while it is trained');
no_trainer('no process is left');
is("@{[temporary_files()]}", '', 'no file is left');
is(rows_left('spill'), '0|0|0', 'and no row');

# --- many errors in one session leave no descriptors
$session = session(
	"SELECT 'warm'; " . sprintf($train, 'good', 1) . ";\n"
	  . "SELECT pg_sleep(2);\n"
	  . join('', map { "SELECT FROM mlops.train('many', 'SELECT * FROM loan', 'bad', '{\"max_depth\": -1}'); SELECT FROM mlops.train('many', 'SELECT a, 1 / (id - 4000) AS b, bad FROM loan', 'bad');\n" } 1 .. 20)
	  . "SELECT pg_sleep(1000);\n");
$pid = backend('SELECT pg_sleep\(2');
my $first = scalar descriptors($pid);
wait_until('the errors are over', sub { $node->safe_psql('postgres', "SELECT 1 FROM pg_stat_activity WHERE pid = $pid AND query LIKE 'SELECT pg_sleep(1000%'") eq '1' ? 1 : () });
is(scalar(() = err($session) =~ /ERROR:  /g), 40, '40 errors');
cmp_ok(scalar descriptors($pid), '<=', $first + 2, 'no descriptors are left of them');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
finish($session);

# --- rollback
is($node->safe_psql('postgres', 'BEGIN; ' . sprintf($train, 'undone', 2) . '; ROLLBACK'), '1', 'a training that is rolled back');
is(rows_left('undone'), '0|0|0', 'leaves no row');

# --- two at once
my @both = map { session(sprintf($train, 'both', 200)) } 1 .. 2;
finish($_) for @both;
is(join(' ', sort map { out($_) =~ /^(\d+)$/m ? $1 : err($_) } @both), '1 2', 'two trainings of one model at once are two versions');

# --- kill -9 of the backend: the server restarts, as it does for any backend
$session = session($long);
wait_for_trainer();
kill 'KILL', parent($trainer);
finish($session);
no_trainer('a backend that is killed takes the training process with it');
poll_restarting($node, 'postgres', 'SELECT 1', '1') or die 'no server';
is(rows_left('long'), '0|0|0', 'no row is left');

# --- shutdown
$session = session($long);
wait_for_trainer();
$node->stop('fast');
finish($session);
no_trainer('fast shutdown ends a training');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM mlops.versions'), '5', 'versions are what was trained well');
$node->stop;

done_testing();
