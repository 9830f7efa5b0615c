# Scoring runs over the life of sessions and servers: killed and called again,
# cancelled, seen by others, tables that go meanwhile, a bounded memory; and
# a server without preload.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

require './test/setup/restart.pl';

# a session that stays: send it SQL, with or without waiting for what it prints
sub session
{
	my ($node) = @_;
	my %session = (in => '', out => '', err => '');
	$session{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%session;
}

sub post
{
	my ($session, $sql) = @_;
	$session->{out} = $session->{err} = '';
	$session->{in} .= "$sql;\n\\echo @@\n";
	$session->{run}->pump_nb;
	return;
}

sub answer
{
	my ($session) = @_;
	$session->{run}->pump until $session->{out} =~ s/^@@\n//m;
	(my $out = $session->{out}) =~ s/\n\z//;
	return $out;
}

sub ask
{
	my ($session, $sql) = @_;
	post($session, $sql);
	return answer($session);
}

sub bye
{
	my ($session) = @_;
	$session->{in} .= "\\q\n";
	$session->{run}->finish;
	return;
}

my $rows = 20000;
my $setup = qq{
	CREATE EXTENSION mlops;
	CREATE TABLE loan AS
		SELECT i AS id, (i * 7919 % 1009)::float8 AS x, (i::bigint * 104729 % 997)::float8 AS z,
			   (i * 7919 % 1009) * (i::bigint * 104729 % 997) > 200000 AS bad, repeat('x', 100) || i AS note
		FROM generate_series(1, $rows) i;
	ANALYZE loan;
	SELECT mlops.train('risk', 'SELECT id, x, z, bad FROM loan WHERE id <= 3000', 'bad', key => 'id', rounds => 50);
	SELECT mlops.train('risk', 'SELECT id, x, z, bad FROM loan WHERE id <= 2000', 'bad', key => 'id', rounds => 50);
	SELECT mlops.promote('risk/1', reason => 'test');
	-- targets whose row $rows - 100 waits for a lock
	CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
		IF NEW.id = TG_ARGV[0]::integer THEN PERFORM pg_advisory_xact_lock(7); END IF; RETURN NEW; END \$\$;
	CREATE TABLE empty (id integer, model text, version integer, score float8, class text, scored_at timestamptz,
						PRIMARY KEY (id, model, version));
	CREATE FUNCTION target(name text, waits_at integer) RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN
		EXECUTE format('CREATE TABLE %I (LIKE empty INCLUDING ALL)', name);
		EXECUTE format('CREATE TRIGGER wait BEFORE INSERT ON %I FOR EACH ROW EXECUTE FUNCTION wait(%s)', name, waits_at);
	END \$\$};
my $waiting = q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted};
my $query = q{'SELECT * FROM loan ORDER BY id'};

my $node = PostgreSQL::Test::Cluster->new('score');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\nrestart_after_crash = on\n");
$node->start;
$node->safe_psql('postgres', $setup);

#
# A run that commits, seen by another session, is killed and called again
#
$node->safe_psql('postgres', q{SELECT target('killed', 15000)});
my $gate = session($node);
ask($gate, 'SELECT pg_advisory_lock(7)');
my $run = session($node);
my $pid = ask($run, 'SELECT pg_backend_pid()');
post($run, qq{CALL mlops.score_batches('risk', $query, 'killed', 'id', commit_every => 5000)});
ok($node->poll_query_until('postgres', $waiting), 'a run waits');
is($node->safe_psql('postgres', q{SELECT count(*), count(DISTINCT scored_at) FROM killed}), '10240|1',
	'what it has committed is there, in whole batches');
is($node->safe_psql('postgres', qq{SELECT pid = $pid, role, kind, model, version, phase, done, expected, unit, metric IS NULL, started_at < now() FROM mlops.progress}),
	"t|" . $node->safe_psql('postgres', 'SELECT current_user') . "|score|risk|1|scoring|14336|$rows|rows|t|t", 'and how far it is');
is($node->safe_psql('postgres', q{SELECT rows FROM mlops.stat_models}), '10240', 'its figures count from commit to commit');
is($node->safe_psql('postgres', q{CREATE ROLE nobody; SET ROLE nobody; SELECT count(*) FROM mlops.progress}), '0', 'others do not see it');
$node->safe_psql('postgres', q{SELECT mlops.promote('risk/2', reason => 'meanwhile')});
kill 9, $pid;
eval { $run->{run}->finish };
eval { $gate->{run}->finish };
ok(poll_restarting($node, 'postgres', 'SELECT count(*) FROM mlops.progress', '0'), 'it is killed, and the server restarts');
is($node->safe_psql('postgres', 'SELECT count(*) FROM killed'), '10240', 'what was committed stays');
is($node->safe_psql('postgres', qq{CALL mlops.score_batches('risk/1', $query, 'killed', 'id', commit_every => 5000)}) =~ s/\|[^|]*\z//r,
	'1|' . ($rows - 10240) . '|10240|0', 'called again it does the rest');
is($node->safe_psql('postgres', q{SELECT count(*), count(DISTINCT id), sum((k.score = mlops.predict('risk/1', l))::integer) FROM killed k JOIN loan l USING (id)}),
	"$rows|$rows|$rows", 'each key once, with its score');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT scored_at) FROM killed}), '2', 'of two runs');

#
# Suspended
#
$node->safe_psql('postgres', q{SELECT target('suspended', 15000)});
$gate = session($node);
ask($gate, 'SELECT pg_advisory_lock(7)');
$run = session($node);
post($run, qq{CALL mlops.score_batches('risk/1', $query, 'suspended', 'id', commit_every => 5000)});
ok($node->poll_query_until('postgres', $waiting), 'a run waits');
$node->safe_psql('postgres', q{SELECT mlops.suspend('risk', 'wrong')});
bye($gate);
answer($run);
like($run->{err}, qr/model "risk" is suspended.*\n.*suspended it: wrong/, 'a suspension ends it at its next commit');
bye($run);
is($node->safe_psql('postgres', 'SELECT count(*) FROM suspended'), '15360', 'what was committed stays');
$node->safe_psql('postgres', q{SELECT mlops.set_policy('risk', fallback_alias => 'safe', reason => 'r'), mlops.promote('risk/1', 'safe', 'r')});
is($node->safe_psql('postgres', qq{CALL mlops.score_batches('risk', $query, 'by_fallback', 'id', commit_every => 5000)}) =~ s/\|[^|]*\z//r,
	"1|$rows|0|0", 'one that begins then goes on with the fallback');
$node->safe_psql('postgres', q{SELECT mlops.resume('risk', 'found it'), mlops.set_policy('risk', fallback_alias => '', reason => 'r')});

#
# Terminated and cancelled
#
$node->safe_psql('postgres', q{SELECT mlops.promote('risk/1', reason => 'back'); SELECT target('cancelled', 15000)});
for my $function ('pg_cancel_backend', 'pg_terminate_backend')
{
	$gate = session($node);
	ask($gate, 'SELECT pg_advisory_lock(7)');
	$run = session($node);
	$pid = ask($run, 'SELECT pg_backend_pid()');
	post($run, qq{CALL mlops.score_batches('risk', $query, 'cancelled', 'id', commit_every => 2000)});
	ok($node->poll_query_until('postgres', $waiting), "a run before $function");
	is($node->safe_psql('postgres', 'SELECT pid FROM mlops.progress'), $pid, 'is seen');
	$node->safe_psql('postgres', "SELECT $function($pid)");
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM mlops.progress'), 'and not any more');
	if ($function eq 'pg_cancel_backend')
	{
		answer($run);
		like($run->{err}, qr/canceling statement/, 'it is cancelled');
		is(ask($run, q{SELECT count(*) FROM pg_cursors WHERE name <> ''}), '0', 'and leaves no cursor');
		bye($run);
	}
	else
	{
		eval { $run->{run}->finish };
	}
	bye($gate);
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM cancelled'), '14336', 'two runs have gone on where they could');

# wherever it is
for my $statement (qq{SELECT * FROM mlops.score('risk', 'SELECT a.id + 20000::bigint * b.id AS id, a.x, a.z FROM loan a, loan b', 'endless', 'id')},
	qq{CALL mlops.score_batches('risk', 'SELECT a.id + 20000::bigint * b.id AS id, a.x, a.z FROM loan a, loan b', 'endless', 'id', 5000)},
	qq{SELECT * FROM mlops.score('risk', 'SELECT pg_sleep(3600)::text, * FROM loan', 'endless', 'id')})
{
	my ($ret, $out, $err) = $node->psql('postgres', "SET statement_timeout = 700; $statement");
	like($err, qr/canceling statement due to statement timeout/, 'a time-out');
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM mlops.progress}), '0', 'leaves nothing');

#
# Tables that go meanwhile
#
$node->safe_psql('postgres', q{CREATE TABLE source AS SELECT * FROM loan; SELECT target('kept', 15000)});
$gate = session($node);
ask($gate, 'SELECT pg_advisory_lock(7)');
$run = session($node);
post($run, q{CALL mlops.score_batches('risk', 'SELECT * FROM source ORDER BY id', 'kept', 'id', commit_every => 5000)});
ok($node->poll_query_until('postgres', $waiting), 'a run');
$node->safe_psql('postgres', q{DROP TABLE source; SELECT mlops.promote('risk/2', reason => 'meanwhile')});
bye($gate);
like(answer($run), qr/^1\|$rows\|0\|0\|/, 'ends with the rows and the version that it began with');
$node->safe_psql('postgres', q{SELECT mlops.promote('risk/1', reason => 'back')});

$node->safe_psql('postgres', q{SELECT target('dropped', 6000)});
$gate = session($node);
ask($gate, 'SELECT pg_advisory_lock(7)');
post($run, qq{CALL mlops.score_batches('risk', $query, 'dropped', 'id', commit_every => 1000)});
ok($node->poll_query_until('postgres', $waiting), 'another one');
my $other = session($node);
post($other, 'BEGIN; DROP TABLE dropped; CREATE TABLE dropped (LIKE empty INCLUDING ALL); COMMIT');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted}), 'whose target is to be replaced');
bye($gate);
answer($other);
answer($run);
like($run->{err}, qr/target public\.dropped was dropped, renamed or replaced/, 'ends with an error');
is($node->safe_psql('postgres', 'SELECT count(*) FROM dropped'), '0', 'and does not write to another table');
bye($other);
bye($run);

#
# What cannot commit
#
my ($ret, $out, $err);
for my $statement (qq{BEGIN; CALL mlops.score_batches('risk', $query, 'x', 'id')},
	qq{DO 'DECLARE v integer; a bigint; b bigint; c bigint; s float8; BEGIN
		BEGIN CALL mlops.score_batches(''risk'', ''loan'', ''x'', ''id'', 7000, v, a, b, c, s); EXCEPTION WHEN raise_exception THEN NULL; END; END'})
{
	($ret, $out, $err) = $node->psql('postgres', $statement);
	like($err, qr/cannot commit inside a transaction block/, 'a transaction block');
}
is($node->safe_psql('postgres', q{DO 'DECLARE v integer; a bigint; b bigint; c bigint; s float8; BEGIN
	CALL mlops.score_batches(''risk'', ''loan'', ''by_do'', ''id'', 7000, v, a, b, c, s);
	CALL mlops.score_batches(''risk'', ''loan'', ''by_do'', ''{id}''::text[], 7000, v, a, b, c, s);
	COMMIT;
	ASSERT v = 1 AND a = 0 AND b = 20000 AND c = 0; END'; SELECT count(*) FROM by_do}), $rows, 'but PL/pgSQL outside of one can call it');
($ret, $out, $err) = $node->psql('postgres', q{CALL mlops.score_batches('risk', 'loan', 'x', 'id', 0)});
like($err, qr/commit_every must be at least 1/, 'a wrong number of rows');
is($node->safe_psql('postgres', q{CALL mlops.score_batches('risk', 'SELECT * FROM loan WHERE id <= 30', 'by_ones', 'id', 1)}) =~ s/\|[^|]*\z//r, '1|30|0|0', 'a commit after each row');
($ret, $out, $err) = $node->psql('postgres', q{CALL mlops.score_batches('risk', 'SELECT CASE WHEN id = 9000 THEN 1 ELSE id END AS id, x, z FROM loan', 'twice', 'id', 3000)});
like($err, qr/duplicate key value.*\n.*Key \(id, model, version\)=\(1, risk, 1\)/, 'a key twice');

#
# Memory is that of a batch
#
$node->safe_psql('postgres', q{
	CREATE TABLE measured (LIKE empty INCLUDING ALL, bytes bigint);
	CREATE FUNCTION measure() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.id IN (3000, 19000) THEN NEW.bytes := (SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name ~ '^(mlops|SPI|CachedPlan|Portal|ExecutorState)'); END IF; RETURN NEW; END $$;
	CREATE TRIGGER measure BEFORE INSERT ON measured FOR EACH ROW EXECUTE FUNCTION measure()});
for my $statement (qq{SELECT * FROM mlops.score('risk', $query, 'measured', 'id')}, qq{CALL mlops.score_batches('risk', $query, 'measured', 'id', 10)})
{
	$node->safe_psql('postgres', "SET work_mem = 64; $statement");
	is($node->safe_psql('postgres', q{SELECT sum(CASE id WHEN 19000 THEN bytes WHEN 3000 THEN -bytes END) < 200000 FROM measured}), 't',
		'16,000 rows later no more memory is used, nor many commits later');
	$node->safe_psql('postgres', 'TRUNCATE measured');
}

#
# Training
#
$run = session($node);
$pid = ask($run, 'SELECT pg_backend_pid()');
post($run, q{SELECT mlops.train('long', 'SELECT id, x, z, bad FROM loan', 'bad', key => 'id', rounds => 100000, early_stopping_rounds => 100000, params => '{"eta": 1e-6}')});
ok($node->poll_query_until('postgres', qq{SELECT pid = $pid AND kind = 'train' AND model = 'long' AND version IS NULL AND phase = 'boosting'
	AND done > 3 AND expected = 100000 AND unit = 'rounds' AND metric ~ 'logloss' FROM mlops.progress}), 'a training shows its rounds and its metric');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
answer($run);
is(ask($run, 'SELECT count(*) FROM mlops.progress'), '0', 'until it ends');
bye($run);

unlike(slurp_file($node->logfile), qr/leak|PANIC|TRAP|still referenced/, 'nothing leaks, nothing panics');
$node->stop;

#
# Without preload
#
my $plain = PostgreSQL::Test::Cluster->new('plain');
$plain->init;
$plain->start;
$plain->safe_psql('postgres', $setup);
is($plain->safe_psql('postgres', qq{CALL mlops.score_batches('risk', $query, 'scores', 'id', 3000)}) =~ s/\|[^|]*\z//r, "1|$rows|0|0", 'without preload');
is($plain->safe_psql('postgres', q{SELECT count(*), bool_and(s.score = mlops.predict('risk', l)) FROM scores s JOIN loan l USING (id)}), "$rows|t", 'the scores are the same');
$plain->safe_psql('postgres', q{
	CREATE TABLE watched (LIKE empty INCLUDING ALL, seen bigint);
	CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.seen := (SELECT count(*) FROM mlops.progress); RETURN NEW; END';
	CREATE TRIGGER watch BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION watch();
	SELECT mlops.score('risk', 'loan', 'watched', 'id')});
is($plain->safe_psql('postgres', 'SELECT DISTINCT seen FROM watched'), '0', 'but nobody sees how far they are');
$plain->stop;

done_testing();
