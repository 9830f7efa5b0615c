# The shared cache and the statistics over the life of sessions and servers:
# one copy for all, eviction, pins that survive nothing but their session,
# crashes, dropped extensions and databases, and a server without preload.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

require './test/setup/restart.pl';

# a session that stays: send it SQL, get what it printed
sub session
{
	my ($node, $database) = @_;
	my %session = (in => '', out => '', err => '');
	$session{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($database // 'postgres') ],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%session;
}

sub ask
{
	my ($session, $sql) = @_;
	$session->{out} = '';
	$session->{in} .= "$sql;\n\\echo @@\n";
	$session->{run}->pump until $session->{out} =~ s/^@@\n//m;
	(my $out = $session->{out}) =~ s/\n\z//;
	return $out;
}

sub bye
{
	my ($session) = @_;
	$session->{in} .= "\\q\n";
	$session->{run}->finish;
}

my $setup = q{
	CREATE EXTENSION mlops;
	CREATE TABLE loan AS
		SELECT i AS id, (i * 7919 % 1009)::float8 AS x, (i * 104729 % 997)::float8 AS z,
			   (i * 7919 % 1009) * (i * 104729 % 997) > 200000 AS bad
		FROM generate_series(1, 3000) i;
	ANALYZE loan;
	SELECT mlops.train('risk', 'SELECT * FROM loan', 'bad', key => 'id', rounds => 200)};
my $shared = q{SELECT count(*), sum(loads) >= 1, sum(hits + loads), sum(pins) FROM mlops.stat_cache WHERE place = 'shared'};
my $score = q{SELECT round(sum(mlops.predict('risk/1', t))::numeric, 3) FROM loan t};
my $long = q{DECLARE c CURSOR FOR SELECT mlops.predict('risk/1', t) FROM loan t};

my $node = PostgreSQL::Test::Cluster->new('cache');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\nrestart_after_crash = on\n");
$node->start;
$node->safe_psql('postgres', $setup);
my $sum = $node->safe_psql('postgres', $score);
is($node->safe_psql('postgres', $shared), '1|t|1|0', 'the first session shares what it has read');

#
# Ten sessions at once find nothing, and make one copy
#
$node->restart;
is($node->safe_psql('postgres', $shared), '0|||', 'a restart empties the cache');
my @sessions = map { session($node) } 1 .. 10;
my $gate = session($node);
ask($gate, 'SELECT pg_advisory_lock(7)');
$_->{out} = '' for @sessions;
$_->{in} .= "SELECT pg_advisory_lock_shared(7) IS NULL;\n$score;\n\\echo @@\n" for @sessions;
$_->{run}->pump_nb for @sessions;
$node->poll_query_until('postgres', q{SELECT count(*) = 10 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted});
bye($gate);
for my $session (@sessions)
{
	$session->{run}->pump until $session->{out} =~ s/^@@\n//m;
}
is(scalar(grep { $_->{out} eq "f\n$sum\n" } @sessions), 10, 'ten sessions score the same');
is($node->safe_psql('postgres', $shared), '1|t|10|0', 'one copy, which each of them found or read');
is(scalar(grep { ask($_, q{SELECT count(*) FROM mlops.stat_cache WHERE place = 'local'}) eq '0' } @sessions), 10,
	'and none has one of its own');
bye($_) for @sessions;
is($node->safe_psql('postgres', q{SELECT calls, rows, errors FROM mlops.stat_models}), '10|30000|0', 'what they scored is counted');

#
# Parallel workers use the copy
#
my $parallel = q{
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2; SET parallel_leader_participation = off;
	ALTER TABLE loan SET (parallel_workers = 2)};
like($node->safe_psql('postgres', "$parallel; EXPLAIN (ANALYZE, COSTS OFF) $score"), qr/Workers Launched: 2/, 'a parallel query');
is($node->safe_psql('postgres', "$parallel; SELECT mlops.stat_models_reset(); $score"), "\n$sum", 'has the same result');
is($node->safe_psql('postgres', q{SELECT rows, calls BETWEEN 1 AND 2 FROM mlops.stat_models}), '3000|t', 'its workers count');
like($node->safe_psql('postgres', $shared), qr/^1\|t\|\d+\|0$/, 'and share the copy');
$node->safe_psql('postgres', 'ALTER TABLE loan RESET (parallel_workers)');

#
# Pins end with the session, however it ends
#
my $holder = session($node);
ask($holder, "BEGIN; $long; FETCH 1 FROM c");
is($node->safe_psql('postgres', q{SELECT pins FROM mlops.stat_cache}), '1', 'an open cursor pins');
my $pid = ask($holder, 'SELECT pg_backend_pid()');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok($node->poll_query_until('postgres', q{SELECT pins = 0 FROM mlops.stat_cache}), 'a terminated session leaves no pin');
eval { $holder->{run}->finish };

$holder = session($node);
ask($holder, "BEGIN; $long; FETCH 1 FROM c");
$pid = ask($holder, 'SELECT pg_backend_pid()');
is($node->safe_psql('postgres', q{SELECT pins FROM mlops.stat_cache}), '1', 'pinned once more');
kill 9, $pid;
ok(poll_restarting($node, 'postgres', 'SELECT count(*) FROM mlops.stat_cache', '0'),
	'a killed one: the server restarts, with an empty cache');
eval { $holder->{run}->finish };
is($node->safe_psql('postgres', $score), $sum, 'and scores again');
is($node->safe_psql('postgres', $shared), '1|t|1|0', 'from a new copy');
is($node->safe_psql('postgres', q{SELECT calls, rows FROM mlops.stat_models}), '1|3000', 'with new figures');

#
# A small limit
#
$node->safe_psql('postgres',
	q{SELECT mlops.train('risk' || i, 'SELECT * FROM loan', 'bad', key => 'id', rounds => 200, seed => i) FROM generate_series(1, 12) i});
my $one = $node->safe_psql('postgres', q{SELECT bytes FROM mlops.stat_cache});
my $limit = int($one * 9 / 1024);
$node->safe_psql('postgres', "ALTER SYSTEM SET mlops.shared_cache_size = $limit");
$node->reload;
ok($node->poll_query_until('postgres', "SELECT setting::int = $limit FROM pg_settings WHERE name = 'mlops.shared_cache_size'"), 'a smaller limit');
$holder = session($node);
ask($holder, "BEGIN; $long; FETCH 1 FROM c");
$node->safe_psql('postgres', "SELECT mlops.preload(('risk' || $_ || '/1')::mlops.modelref)") for 1 .. 12;
my $kept = $node->safe_psql('postgres', q{SELECT string_agg(model, ' ' ORDER BY substr(model, 5)::int) FROM mlops.stat_cache WHERE model ~ '\d'});
like($kept, qr/^(risk\d+ )*risk10 risk11 risk12$/, 'the copies that were used last are kept');
unlike($kept, qr/\brisk1\b/, 'the ones before have gone');
is($node->safe_psql('postgres', q{SELECT pins FROM mlops.stat_cache WHERE model = 'risk'}), '1', 'but the oldest of all is pinned');
is($node->safe_psql('postgres', "SELECT sum(bytes) <= $limit * 1024 FROM mlops.stat_cache"), 't', 'the limit is kept');
ask($holder, 'COMMIT');
$node->safe_psql('postgres', "SELECT mlops.preload(('risk' || $_ || '/1')::mlops.modelref)") for 1 .. 12;
is($node->safe_psql('postgres', q{SELECT count(*) FROM mlops.stat_cache WHERE model = 'risk'}), '0', 'without a pin it goes');
is(ask($holder, $score), $sum, 'and the session that had it reads it again');
bye($holder);

# as much as is pinned cannot be removed
my @holders = map { session($node) } 1 .. 12;
for my $i (1 .. 12)
{
	(my $cursor = $long) =~ s{risk/}{risk$i/};
	ask($holders[ $i - 1 ], "BEGIN; $cursor; FETCH 1 FROM c");
}
my ($places) = ask($holders[11], q{SELECT string_agg(place, ' ' ORDER BY place) FROM mlops.stat_cache WHERE model = 'risk12'});
is($places, 'local', 'a session that finds no room keeps its own copy');
is($node->safe_psql('postgres', "SELECT sum(bytes) <= $limit * 1024 AND bool_and(pins = 1) FROM mlops.stat_cache"),
	't', 'the limit is kept when all is pinned');
my ($ret, $out, $err) = $node->psql('postgres', q{SELECT mlops.preload('risk')});
isnt($ret, 0, 'no champion');
($ret, $out, $err) = $node->psql('postgres', q{SELECT mlops.preload('risk/1') IS NULL});
is($out, 't', 'preload says that there is no room');
like($err, qr/NOTICE:.*risk.*\nDETAIL:  There is no room/, 'and why');
bye($_) for @holders;
is($node->safe_psql('postgres', 'SELECT sum(pins) FROM mlops.stat_cache'), '0', 'no pin is left');

# off
$node->safe_psql('postgres', 'ALTER SYSTEM SET mlops.shared_cache_size = 0');
$node->reload;
ok($node->poll_query_until('postgres', q{SELECT setting = '0' FROM pg_settings WHERE name = 'mlops.shared_cache_size'}), 'no cache');
is($node->safe_psql('postgres', "$score; $score; SELECT place, hits, loads FROM mlops.stat_cache"), "$sum\n$sum\nlocal|1|1",
	'without it sessions keep their own, and the shared copies go');
($ret, $out, $err) = $node->psql('postgres', q{SELECT mlops.preload('risk/1')});
like($err, qr/DETAIL:.*mlops\.shared_cache_size is 0/, 'preload says that it is off');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET mlops.shared_cache_size');
$node->reload;

#
# DROP and CREATE EXTENSION, DROP DATABASE
#
$node->safe_psql('postgres', 'CREATE DATABASE bank');
$node->safe_psql('bank', $setup);
my $idle = session($node, 'bank');
is(ask($idle, $score), $sum, 'a model of another database');
is($node->safe_psql('bank', q{
	SELECT mlops.predict('risk/1', t) > 0.5 FROM loan t WHERE id = 1;
	DROP EXTENSION mlops;
	CREATE EXTENSION mlops;
	SELECT mlops.train('risk', 'SELECT * FROM loan WHERE id < 2000', 'bad', key => 'id', rounds => 1) IS NOT NULL;
	SELECT count(DISTINCT mlops.predict('risk/1', t)) < 100 FROM loan t;
	SELECT count(*) FROM mlops.stat_cache WHERE database = 'bank' AND model = 'risk';
	SELECT calls FROM mlops.stat_models}),
	($node->safe_psql('bank', q{SELECT mlops.predict('risk/1', t) > 0.5 FROM loan t WHERE id = 1})) . "\nt\nt\n2\n1",
	'another installation has other versions');
isnt(ask($idle, $score), $sum, 'also in a session that has seen the former');
bye($idle);
$node->safe_psql('postgres', 'DROP DATABASE bank');
is($node->safe_psql('postgres', q{SELECT count(*) > 0 FROM mlops.stat_cache WHERE database IS NULL}), 't',
	'what a dropped database leaves is there until it ages out');

#
# Rolled back: a version that never was
#
is($node->safe_psql('postgres', q{
	BEGIN;
	SELECT mlops.train('never', 'SELECT * FROM loan', 'bad', key => 'id', rounds => 2) IS NOT NULL;
	SELECT count(mlops.predict('never/1', t)) FROM loan t;
	ROLLBACK;
	SELECT mlops.train('never', 'SELECT * FROM loan', 'bad', key => 'id', rounds => 3) IS NOT NULL;
	SELECT count(mlops.predict('never/1', t)) FROM loan t}), "t\n3000\nt\n3000", 'a name again after a rollback');

#
# Statistics when statements and sessions fail
#
$node->safe_psql('postgres', 'SELECT mlops.stat_models_reset()');
$node->psql('postgres', q{SELECT mlops.predict('risk/1', s) FROM (SELECT 1 AS x) s});
is($node->safe_psql('postgres', q{SELECT calls, rows, errors, missing_columns FROM mlops.stat_models}), '1|0|1|1',
	'a failed statement is counted at the latest when its session ends');
$holder = session($node);
ask($holder, "BEGIN; $long; FETCH 7 FROM c");
$pid = ask($holder, 'SELECT pg_backend_pid()');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok($node->poll_query_until('postgres', q{SELECT rows = 7 AND calls = 2 FROM mlops.stat_models}), 'so is what a terminated session has scored');
eval { $holder->{run}->finish };
$holder = session($node);
$node->safe_psql('postgres', q{CREATE FUNCTION score(x float8, z float8) RETURNS float8 LANGUAGE plpgsql AS
	'DECLARE s float8; BEGIN s := mlops.predict(''risk/1'', ARRAY[x, z]); RETURN s; END'});
ask($holder, q{SELECT score(1, 2)});
is($node->safe_psql('postgres', q{SELECT rows FROM mlops.stat_models}), '8', 'and an expression of PL/pgSQL, at the end of its transaction');
bye($holder);
is($node->safe_psql('postgres', q{SELECT count(*) FROM mlops.stat_models WHERE since > now() OR total_time <= 0 OR p99_time > 60000}), '0',
	'times are times');
unlike(slurp_file($node->logfile), qr/leak|PANIC|TRAP/, 'nothing leaks, nothing panics');
$node->stop;

#
# Without preload
#
my $plain = PostgreSQL::Test::Cluster->new('plain');
$plain->init;
$plain->start;
$plain->safe_psql('postgres', $setup);
is($plain->safe_psql('postgres', $score), $sum, 'without preload the scores are the same');
is($plain->safe_psql('postgres', "$score; $score; SELECT place, pins, hits, loads, bytes > 0 FROM mlops.stat_cache"),
	"$sum\n$sum\nlocal|0|1|1|t", 'and kept in the session');
is($plain->safe_psql('postgres', 'SELECT count(*) FROM mlops.stat_cache'), '0', 'each for itself');
($ret, $out, $err) = $plain->psql('postgres', q{SELECT mlops.preload('risk/1') IS NULL});
is($out, 't', 'preload cannot do what it is for');
like($err, qr/DETAIL:.*not in shared_preload_libraries/, 'and says so');
is($plain->safe_psql('postgres', "$score; $score; SELECT calls, rows FROM mlops.stat_models"), "$sum\n$sum\n2|6000",
	'figures are the session\'s own');
is($plain->safe_psql('postgres', "$score; SELECT mlops.stat_models_reset(); SELECT count(*) FROM mlops.stat_models"), "$sum\n\n0", 'and can be reset');
is($plain->safe_psql('postgres', 'SELECT count(*) FROM mlops.stat_models'), '0', 'another session has none');
$plain->stop;

done_testing();
