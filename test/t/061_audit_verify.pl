# Two verifiers that share nothing but the description: what the one in the
# database finds, the one outside finds too, in clean logs and in tampered
# ones.  Checkpoints, and the command that takes them out.  The past.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = "$PostgreSQL::Test::Utils::tmp_check/verify";
mkdir $dir;
my $outside = 'mlops-verify-audit';
my $probe = slurp_file('test/fixtures/audit_probe.sql');
my ($rc, $out, $err);

command_ok([ $outside, '--vectors', 'test/fixtures/audit_vectors.txt' ], 'the verifier outside knows the encoding');

my $node = PostgreSQL::Test::Cluster->new('verify');
$node->init(extra => ['--encoding=UTF8']);
$node->append_conf('postgresql.conf', "mlops.checkpoint_origin = 'bank.example/core'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE bank; CREATE ROLE teller; CREATE ROLE chief; CREATE ROLE auditor LOGIN');
$node->safe_psql('bank', "CREATE EXTENSION mlops; $probe");
is($node->safe_psql('bank', 'SELECT mlops.audit_checkpoint() IS NULL'), 't', 'an empty log has no checkpoint');

# a hundred events, with everything that may stand in a value
$node->safe_psql('bank', q{
	SELECT mlops.create_model('risk', 'binary', 'Consumer loans');
	SELECT mlops.grant_privilege('score', 'risk', 'teller')});
$node->safe_psql('bank', q{SELECT mlops.probe('note.more', 48, 'risk', E'a, "b"\n\\\\c\td é ' || chr(8364), '{"x": "a,\"b\"\n"}')});
my @checkpoints = ([ 50, $node->safe_psql('bank', 'SELECT mlops.audit_checkpoint()') ]);
my @at = ($node->safe_psql('bank', 'SELECT clock_timestamp()'));
$node->safe_psql('bank', q{SELECT mlops.probe('note.more', 13, '', '', '{}'), mlops.probe('note', 16), mlops.probe('x')});
push @checkpoints, [ 80, $node->safe_psql('bank', 'SELECT mlops.audit_checkpoint()') ];
$node->safe_psql('bank', q{SELECT mlops.probe('note.last', 20)});
push @checkpoints, [ 100, $node->safe_psql('bank', 'SELECT mlops.audit_checkpoint()') . "\n— bank.example/key c2lnbmF0dXJl\n" ];
like($checkpoints[0][1], qr{\Abank\.example/core/[0-9a-f-]{36}/1\n50\n[A-Za-z0-9+/]{43}=\n\z}, 'the form of a checkpoint');

# The root by its definition in RFC 6962, from the leaves.
$node->safe_psql('bank', q{
	CREATE FUNCTION root(leaves bytea[]) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
	DECLARE
		n int := cardinality(leaves);
		k int := 1;
	BEGIN
		IF n = 1 THEN
			RETURN leaves[1];
		END IF;
		WHILE k * 2 < n LOOP
			k := k * 2;
		END LOOP;
		RETURN sha256('\x01' || root(leaves[1:k]) || root(leaves[k + 1:n]));
	END $$;
	CREATE FUNCTION root(size bigint) RETURNS text LANGUAGE sql AS $$
		SELECT encode(root(array_agg(hash ORDER BY seq)), 'base64') FROM mlops.audit_event WHERE seq <= size $$});
for (@checkpoints)
{
	my $root = $node->safe_psql('bank', "SELECT root($_->[0])");
	like($_->[1], qr{\n$_->[0]\n\Q$root\E\n}, "the root of $_->[0] events");
}
is($node->safe_psql('bank', q{
	SELECT count(*) FROM generate_series(1, 99) n,
		LATERAL (SELECT root(array_agg(hash ORDER BY seq)) FROM mlops.audit_event WHERE seq <= n) r (root),
		LATERAL (SELECT k.edge FROM (SELECT 1) one, LATERAL (
			SELECT string_agg(root(h), '' ORDER BY b DESC) AS edge FROM (
				SELECT b, array_agg(e.hash ORDER BY e.seq) AS h
				FROM generate_series(0, 6) b, mlops.audit_event e
				WHERE (n >> b) & 1 = 1 AND e.seq > (n >> (b + 1)) << (b + 1) AND e.seq <= (n >> b) << b
				GROUP BY b) t) k) edge,
		LATERAL mlops._checkpoint(n, r.root, edge.edge) c
	WHERE c.size = 100 AND c.root = root(ARRAY(SELECT hash FROM mlops.audit_event ORDER BY seq)) }), '99',
	'a checkpoint can go on from every other');
is($node->safe_psql('bank', q{SELECT count(DISTINCT c.root) FROM (VALUES (NULL, NULL), (sha256('a'), sha256('b')), ('', sha256('b')), (sha256('a'), ''::bytea)) v (root, edge), mlops._checkpoint(64, v.root, v.edge) c}),
	'1', 'it does not go on from what cannot be');

# What both say of the log after a change, which is undone: "status seq, ...".
my $number = 0;
sub findings
{
	my ($change, %given) = @_;
	my $arguments = $given{head} ? "1, $given{head}[0], '\\x$given{head}[1]'" : '1, NULL, NULL';
	my @files;
	for my $checkpoint (@{ $given{checkpoints} // [] })
	{
		my $file = "$dir/checkpoint_" . ++$number;
		append_to_file($file, $checkpoint);
		push @files, "--checkpoint=$file";
	}
	my $notes = @files ? 'ARRAY[' . join(', ', map { "\$note\$$_\$note\$" } @{ $given{checkpoints} }) . ']' : 'NULL';
	my $copy = "$dir/copy_" . ++$number . '.csv';
	my $inside = $node->safe_psql('bank', qq{
		SET timezone = 'Asia/Kathmandu';
		BEGIN;
		SET LOCAL client_min_messages = error;
		ALTER TABLE mlops.audit_event DISABLE TRIGGER USER;
		$change;
		SELECT status, seq FROM mlops.verify_audit($arguments, $notes, '{}');
		\\o $copy
		COPY (SELECT * FROM mlops.audit_log ORDER BY seq) TO STDOUT WITH (FORMAT csv, HEADER, ENCODING 'UTF8');
		\\o
		ROLLBACK;});
	push @files, "--head=$given{head}[0]:$given{head}[1]" if $given{head};
	my ($stdout, $stderr) = run_command([ $outside, @files, $copy ]);
	my @found = map { (split /\t/)[0, 1] } split /\n/, $stdout;
	my $result = join ', ', map { s/\|/ /r } split /\n/, $inside;
	my $other = '';
	while (my ($status, $seq) = splice @found, 0, 2) { $other .= ($other ? ', ' : '') . "$status $seq" }
	diag($stderr) if $stderr;
	return ($result, $other);
}

sub agree
{
	my ($name, $expected, $change, %given) = @_;
	my ($inside, $outside) = findings($change, %given);
	if (ref $expected) { like($inside, $expected, $name) }
	else { is($inside, $expected, $name) }
	is($outside, $inside, "outside: $name");
}

my $rehash = q{
	DO $$
	DECLARE
		event mlops.audit_event;
		last bytea;
	BEGIN
		FOR event IN SELECT * FROM mlops.audit_event ORDER BY seq LOOP
			event.prev_hash := coalesce(last, event.prev_hash);
			last := sha256(mlops.audit_bytes(event));
			UPDATE mlops.audit_event SET prev_hash = event.prev_hash, hash = last WHERE seq = event.seq;
		END LOOP;
	END $$;
};
my %head = map { split /\|/ } split /\n/, $node->safe_psql('bank', q{SELECT seq, encode(hash, 'hex') FROM mlops.audit_event});
my @all = map { $_->[1] } @checkpoints;

agree('a clean log', 'OK 100', '');
agree('with checkpoints', 'OK 100', '', checkpoints => \@all);
agree('with a head', 'OK 100', '', head => [ 70, $head{70} ]);
agree('extreme instants', 'OK 100', q{
	UPDATE mlops.audit_event SET occurred_at = '0044-03-15 12:00 BC', statement_at = '294276-12-31 23:59:59.999999 UTC', transaction_at = '-infinity',
		backend_start = 'infinity', recorded_at = '1847-12-01 00:00:01.5' WHERE seq = 70;
	UPDATE mlops.audit_event SET occurred_at = '4713-01-01 00:00 BC', statement_at = '0001-01-01 BC', transaction_at = '1900-02-28 12:00',
		backend_start = '1969-12-31 23:59:59.999999 UTC', recorded_at = '2000-02-29 UTC' WHERE seq = 71;
	UPDATE mlops.audit_event SET client_port = -1, version = -2147483648, xid = -9223372036854775808, reason = '', detail = '[ 1,  2 ]' WHERE seq = 72;} . $rehash);

# each column in turn
my @columns = split /\n/, $node->safe_psql('bank', q{
	SELECT attname || '|' || CASE format_type(atttypid, NULL)
		WHEN 'bigint' THEN format('coalesce(%I, 0) + 1', attname)
		WHEN 'integer' THEN format('coalesce(%I, 0) + 1', attname)
		WHEN 'oid' THEN format('(%I::bigint + 1)::oid', attname)
		WHEN 'timestamp with time zone' THEN format('%I + interval ''1 microsecond''', attname)
		WHEN 'bytea' THEN format('set_byte(coalesce(%1$I, sha256('''')), 31, get_byte(coalesce(%1$I, sha256('''')), 31) # 1)', attname)
		WHEN 'uuid' THEN 'gen_random_uuid()'
		WHEN 'json' THEN format('coalesce(%I::text || '' '', ''{}'')::json', attname)
		ELSE format('coalesce(%I, '''') || '' ''', attname) END
	FROM pg_attribute WHERE attrelid = 'mlops.audit_event'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum});
is(scalar @columns, 42, 'the table has 42 columns');
for (@columns)
{
	my ($column, $value) = /(\w+)\|(.*)/;
	next if $column eq 'seq';
	agree("$column changed", qr/^ROW_CHANGED 20/, "UPDATE mlops.audit_event SET $column = $value WHERE seq = 20", checkpoints => \@all);
	agree("$column of every event changed", qr/^(ROW_CHANGED \d+(, BLOCK_BROKEN \d+)?(, FORKED \d+)*(, |$)){100}$/,
		"UPDATE mlops.audit_event SET $column = $value", checkpoints => \@all)
	  unless $column eq 'prev_hash';
}

# whole events
agree('one deleted', 'ROW_MISSING 20', 'DELETE FROM mlops.audit_event WHERE seq = 20', checkpoints => \@all);
agree('several deleted', 'ROW_MISSING 1, ROW_MISSING 5, ROW_MISSING 20', 'DELETE FROM mlops.audit_event WHERE seq IN (1, 5, 6, 7, 20)');
agree('cut off', 'OK 98', 'DELETE FROM mlops.audit_event WHERE seq > 98');
agree('cut off, with a checkpoint', 'TRUNCATED 100', 'DELETE FROM mlops.audit_event WHERE seq > 98', checkpoints => \@all);
agree('emptied, with checkpoints', 'TRUNCATED 50, TRUNCATED 80, TRUNCATED 100', 'DELETE FROM mlops.audit_event', checkpoints => \@all);
agree('cut off, with a head', 'TRUNCATED 99', 'DELETE FROM mlops.audit_event WHERE seq > 98', head => [ 99, $head{99} ]);
agree('swapped', 'ROW_CHANGED 10, BLOCK_BROKEN 10, ROW_CHANGED 11, BLOCK_BROKEN 11, BLOCK_BROKEN 12', q{
	UPDATE mlops.audit_event SET seq = 1000 WHERE seq = 10; UPDATE mlops.audit_event SET seq = 10 WHERE seq = 11;
	UPDATE mlops.audit_event SET seq = 11 WHERE seq = 1000});
agree('a gap closed', 'ROW_CHANGED 98, BLOCK_BROKEN 98, ROW_CHANGED 99',
	'DELETE FROM mlops.audit_event WHERE seq = 98; UPDATE mlops.audit_event SET seq = seq - 1 WHERE seq > 98');
agree('made up', 'ROW_CHANGED 101, BLOCK_BROKEN 101', q{
	CREATE TEMPORARY TABLE e AS SELECT * FROM mlops.audit_event WHERE seq = 40; UPDATE e SET seq = 101, hash = sha256('');
	INSERT INTO mlops.audit_event SELECT * FROM e});
agree('below 1', 'ROW_EXTRA -3', q{
	ALTER TABLE mlops.audit_event DROP CONSTRAINT audit_event_seq_check;
	CREATE TEMPORARY TABLE e AS SELECT * FROM mlops.audit_event WHERE seq = 40; UPDATE e SET seq = -3, hash = sha256('');
	INSERT INTO mlops.audit_event SELECT * FROM e});
agree('twice', 'ROW_EXTRA 20', q{
	UPDATE pg_index SET indisunique = false WHERE indrelid = 'mlops.audit_event'::regclass;
	INSERT INTO mlops.audit_event SELECT e.* FROM mlops.audit_event e WHERE seq = 20});
agree('linked over a gap', 'CHAIN_GAP 91', 'UPDATE mlops.audit_event SET seq = 1000 + seq WHERE seq > 90;' . $rehash, checkpoints => [ $all[0], $all[1] ]);
agree('another log from an event on', qr/^BLOCK_BROKEN 31$/, "UPDATE mlops.audit_event SET log_id = '6d6c6f70-7301-4a02-8b03-0405060708ff' WHERE seq > 30; $rehash");
agree('rewritten to the end', 'OK 100', "UPDATE mlops.audit_event SET reason = 'other' WHERE seq = 60; $rehash");
agree('rewritten to the end, with checkpoints', 'FORKED 80, FORKED 100', "UPDATE mlops.audit_event SET reason = 'other' WHERE seq = 60; $rehash", checkpoints => \@all);
agree('rewritten after the checkpoint', 'OK 100', "UPDATE mlops.audit_event SET reason = 'other' WHERE seq = 60; $rehash", checkpoints => [ $all[0] ]);
agree('rewritten, with a head', 'FORKED 80', "UPDATE mlops.audit_event SET reason = 'other' WHERE seq = 60; $rehash", head => [ 80, $head{80} ]);
agree('set back to 60 and gone on', 'RESTORED 60, RESTORED 60', "UPDATE mlops.audit_event SET incarnation = 2 WHERE seq > 60; $rehash", checkpoints => \@all);
agree('set back, and not yet as far', 'RESTORED 60, RESTORED 60',
	"DELETE FROM mlops.audit_event WHERE seq > 70; UPDATE mlops.audit_event SET incarnation = 2 WHERE seq > 60; $rehash", checkpoints => \@all);
agree('a checkpoint of another log', 'FORKED 80', '', checkpoints => [ $all[0], $all[1] =~ s{/[0-9a-f]{8}-}{/01234567-}r ]);
agree('no hash', 'ROW_CHANGED 20', 'ALTER TABLE mlops.audit_event ALTER hash DROP NOT NULL; UPDATE mlops.audit_event SET hash = NULL WHERE seq = 20');
agree('nothing new', 'OK 100', '');

# parts, against checkpoints
is($node->safe_psql('bank', "SELECT string_agg(status || ' ' || seq, ', ') FROM mlops.verify_audit($_, checkpoints => ARRAY[\$\$$all[0]\$\$, \$\$$all[2]\$\$], checks => '{}')"),
	'OK 100', "from $_ on, against checkpoints") for (1, 2, 3, 40, 50, 51, 99, 100, 101);
is($node->safe_psql('bank', qq{
	BEGIN; ALTER TABLE mlops.audit_event DISABLE TRIGGER USER; UPDATE mlops.audit_event SET reason = 'other' WHERE seq = 60; $rehash
	SELECT string_agg(status || ' ' || seq, ', ') FROM mlops.verify_audit(90, checkpoints => ARRAY[\$\$$all[0]\$\$, \$\$$all[1]\$\$], checks => '{}'); ROLLBACK}),
	'FORKED 80', 'a rewritten part before the one that is verified');
is($node->safe_psql('bank', "SELECT detail FROM mlops.verify_audit(checkpoints => ARRAY[\$\$$all[1]\$\$], checks => '{}')"),
	'100 events verified. What was given covers the events up to 80.', 'what no checkpoint covers is said');
for my $note ('', 'x', "a\n1\n", $all[0] =~ s/\n50\n/\n050\n/r, $all[0] =~ s/\n50\n/\n0\n/r, $all[0] =~ s{/1\n}{/0\n}r, $all[0] =~ s/=\n/\n/r,
	$all[0] =~ s/\n\z//r, $all[0] =~ s{/[0-9a-f]{8}}{/0123456g}r, $all[0] =~ s/\n50\n/\n99999999999999999999\n/r)
{
	$node->psql('bank', "SELECT * FROM mlops.verify_audit(checkpoints => ARRAY[\$\$$note\$\$])", stderr => \$err);
	like($err, qr/element 1 of checkpoints is not a checkpoint of an audit log/, 'not a checkpoint: ' . $note =~ s/\n/ /gr);
}
$node->psql('bank', q{SELECT * FROM mlops.verify_audit(checkpoints => ARRAY[NULL]::text[])}, stderr => \$err);
like($err, qr/element 1 of checkpoints is not/, 'nor is NULL');
$node->psql('bank', q{SELECT * FROM mlops.verify_audit(checks => '{chain}')}, stderr => \$err);
like($err, qr/unknown check "chain"/, 'a check that there is not');

# what the one outside cannot read
for my $broken ('', "seq,hash\n1,2\n", slurp_file("$dir/copy_$number.csv") =~ s/\+05:45/ NPT/r, slurp_file("$dir/copy_$number.csv") =~ s/"[^"]*\z//r)
{
	my $file = "$dir/broken_" . ++$number;
	append_to_file($file, $broken);
	$rc = system("$outside $file > $dir/broken.out 2> $dir/broken.err") >> 8;
	is($rc, 2, 'outside: a copy that cannot be read');
}

#
# The command
#
$node->psql('bank', 'SELECT mlops.push_checkpoint()', stderr => \$err);
like($err, qr/there is no command for checkpoints/, 'without a command');

sub command
{
	my ($command) = @_;
	$node->append_conf('postgresql.conf', "mlops.checkpoint_command = '$command'\n");
	$node->reload;
	$node->poll_query_until('bank', "SELECT current_setting('mlops.checkpoint_command') = '$command'") or die 'no reload';
}
mkdir "$dir/worm";
command("cat > $dir/worm/%f && echo 100%% of %f >> $dir/worm/index");
is($node->safe_psql('bank', 'SELECT mlops.push_checkpoint()'), $all[2] =~ s/\n\n.*/\n/sr, 'a checkpoint is pushed');
my ($name) = grep { !/index/ } map { s{.*/}{}r } glob "$dir/worm/*";
like($name, qr/^[0-9a-f-]{36}-1-100$/, 'under its name');
is(slurp_file("$dir/worm/$name"), $all[2] =~ s/\n\n.*/\n/sr, 'with its text');
is(slurp_file("$dir/worm/index"), "100% of $name\n", 'and a percent sign is one');
is($node->safe_psql('bank', 'SELECT size, checkpoint, issued_by = session_user FROM mlops.checkpoints'), '100|' . ($all[2] =~ s/\n\n.*//sr) . "\n|t",
	'it is recorded');
like(slurp_file($node->logfile), qr/LOG:  checkpoint of the audit log: $name/, 'and in the log of the server');
$node->safe_psql('bank', q{SELECT mlops.probe('note', 1000)});
my $pushed = $node->safe_psql('bank', 'SELECT mlops.push_checkpoint()');
is($pushed, $node->safe_psql('bank', q{SELECT checkpoint FROM mlops._checkpoint(NULL, NULL, NULL)}), 'the next one goes on from it');
is($node->safe_psql('bank', "SELECT status, seq FROM mlops.verify_audit(1, checkpoints => ARRAY[\$\$$pushed\$\$, \$\$$all[0]\$\$], checks => '{}')"), 'OK|1100', 'and verifies');
$node->psql('bank', 'DELETE FROM mlops.checkpoint', stderr => \$err);
like($err, qr/rows of table "mlops.checkpoint" cannot be changed or deleted/, 'what was issued stays');

command("cat > /dev/null; echo reason >&2; exit 3");
$node->psql('bank', 'SELECT mlops.push_checkpoint()', stderr => \$err);
like($err, qr/checkpoint command failed: child process exited with exit code 3/, 'a command that fails');
unlike($err, qr/exit 3/, 'it is not shown to the caller');
command("kill -9 \$\$");
$node->psql('bank', 'SELECT mlops.push_checkpoint()', stderr => \$err);
like($err, qr/checkpoint command failed: child process was terminated by signal 9/, 'one that is killed');
command("true");
is($node->safe_psql('bank', 'SELECT mlops.push_checkpoint() IS NOT NULL'), 't', 'one that does not read');
command("sleep 600 & echo \$\! > $dir/worm/pid; wait");
$node->psql('bank', q{SET statement_timeout = '1s'; SELECT mlops.push_checkpoint()}, stderr => \$err);
like($err, qr/canceling statement due to statement timeout/, 'one that hangs is cancelled');
chomp(my $pid = slurp_file("$dir/worm/pid"));
my $gone;
for (1 .. 100) { last if $gone = !-e "/proc/$pid" || slurp_file("/proc/$pid/stat") =~ /\) Z /; select undef, undef, undef, 0.1 }
ok($gone, 'with all that it started');
is($node->safe_psql('bank', 'SELECT count(*) FROM mlops.checkpoints'), '3', 'what failed is not recorded as issued');
$node->psql('bank', q{LOAD 'mlops'; SET mlops.checkpoint_command = 'true'}, stderr => \$err);
like($err, qr/cannot be changed now/, 'the command is the configuration\'s');

$node->safe_psql('bank', q{GRANT EXECUTE ON FUNCTION mlops.push_checkpoint, mlops.audit_checkpoint, mlops.verify_audit TO auditor;
	SELECT mlops.grant_privilege('read', NULL, 'auditor')});
command("true");
my @auditor = (extra_params => [ '-U', 'auditor' ]);
is($node->safe_psql('bank', 'SELECT mlops.audit_checkpoint() = mlops.push_checkpoint()', @auditor), 't', 'who was granted it, pushes');
is($node->safe_psql('bank', 'SHOW is_superuser', @auditor), 'off', 'and is no superuser');
is($node->safe_psql('bank', 'SELECT count(*) FROM mlops.checkpoints', @auditor), '4', 'an auditor sees what was issued');
is($node->safe_psql('bank', q{SELECT status FROM mlops.verify_audit(checks => '{state,artifacts}')}, @auditor), 'OK', 'and verifies');
is($node->safe_psql('bank', 'SET ROLE teller; SELECT count(*) FROM mlops.checkpoints'), '0', 'others do not see it');
$node->psql('bank', 'SET ROLE teller; SELECT mlops.push_checkpoint()', stderr => \$err);
like($err, qr/permission denied for function push_checkpoint/, 'nor push');
$node->psql('bank', 'SELECT mlops._push_checkpoint()', stderr => \$err);
like($err, qr/private functions of mlops cannot be called directly/, 'nobody calls the private function');

# What was pushed survives a crash, also without a synchronous commit.
command("cat > $dir/worm/last");
$node->safe_psql('bank', q{
	SET synchronous_commit = off;
	SELECT mlops.probe('note', 500);
	SELECT mlops.push_checkpoint()});
$node->stop('immediate');
$node->start;
is($node->safe_psql('bank', q{SELECT status FROM mlops.verify_audit(checks => '{}', checkpoints => ARRAY[$$} . slurp_file("$dir/worm/last") . q{$$])}), 'OK',
	'after a crash the log has all that was pushed');

#
# The past
#
$node->safe_psql('postgres', 'CREATE DATABASE past');
$node->safe_psql('past', 'CREATE EXTENSION mlops');
sub now { return $node->safe_psql('past', 'SELECT clock_timestamp()') }
sub past
{
	my ($at) = @_;
	return $node->safe_psql('past', qq{
		SELECT concat_ws(' ', kind, model, version, alias, subject, coalesce(state->>'owner', state->>'version', state->'privileges'->0->>'privilege'))
		FROM mlops.as_of('$at')}) =~ s/\n/, /gr;
}
my $present = q{
	SELECT count(*) FROM (
		(SELECT kind, model, version, alias, subject, state FROM mlops.as_of() EXCEPT ALL TABLE present)
		UNION ALL (TABLE present EXCEPT ALL SELECT kind, model, version, alias, subject, state FROM mlops.as_of())) d};
$node->safe_psql('past', q{
	CREATE VIEW present AS
		SELECT 'model' AS kind, * FROM mlops._state_model() UNION ALL SELECT 'version', * FROM mlops._state_version()
		UNION ALL SELECT 'alias', * FROM mlops._state_alias() UNION ALL SELECT 'privilege', * FROM mlops._state_privilege()
		UNION ALL SELECT 'reason', * FROM mlops._state_reason()});
my $stump = slurp_file('test/fixtures/stump.sql');
my @times = now();
$node->safe_psql('past', qq{$stump;
	SELECT mlops.import_model('risk', pg_temp.stumps('{a}', '{0}', '{1}', '{2}', '{3}'));
	SELECT mlops.import_model('risk', pg_temp.stumps('{a}', '{0}', '{1}', '{2}', '{4}'));
	SELECT mlops.promote('risk/1', reason => 'first')});
push @times, now();
$node->safe_psql('past', q{
	SELECT mlops.promote('risk/2', reason => 'better');
	SELECT mlops.grant_privilege('score', 'risk', 'teller');
	SELECT mlops.set_owner('risk', 'chief');
	SELECT mlops.set_reason('risk', 'a', 'Too much of a')});
push @times, now();
$node->safe_psql('past', q{
	SELECT mlops.rollback('risk', reason => 'worse');
	SELECT mlops.drop_alias('risk', 'champion', 'none');
	SELECT mlops.revoke_privilege('score', 'risk', 'teller');
	SELECT mlops.set_reason('risk', 'a', NULL)});
my $owner = $node->safe_psql('past', 'SELECT current_user');
is(past($times[0]), '', 'before the first event there was nothing');
is(past($times[1]), "alias risk champion 1, model risk $owner, version risk 1, version risk 2", 'the first champion');
is(past($times[2]), 'alias risk champion 2, model risk chief, privilege risk teller score, reason risk a, version risk 1, version risk 2', 'the second');
is(past('infinity'), 'alias risk champion, model risk chief, version risk 1, version risk 2', 'and none');
is($node->safe_psql('past', $present), '0', 'what is, is what the events say');
is($node->safe_psql('past', 'SELECT status FROM mlops.verify_audit()'), 'OK', 'says the verifier, too');
is($node->safe_psql('past', 'SET ROLE teller; SELECT count(*) FROM mlops.as_of()'), '0', 'without a right there is no past');

# Roles come, are renamed and go.
$node->safe_psql('past', q{
	CREATE ROLE first; CREATE ROLE second;
	SELECT mlops.grant_privilege('score', 'risk', 'first');
	SELECT mlops.grant_privilege('read', 'risk', 'second');
	SELECT mlops.grant_privilege('read', NULL, 'first');
	SELECT mlops.grant_privilege('score', NULL, 'public');
	ALTER ROLE first RENAME TO third});
is($node->safe_psql('past', 'SELECT status FROM mlops.verify_audit()'), 'OK', 'a role was renamed');
$node->safe_psql('past', q{
	SELECT mlops.grant_privilege('read', 'risk', 'third');
	SELECT mlops.revoke_privilege('read', NULL, 'third');
	DROP ROLE second; CREATE ROLE second;
	SELECT mlops.grant_privilege('manage', 'risk', 'second')});
is($node->safe_psql('past', 'SELECT string_agg(status || detail, E\'\n\') FROM mlops.verify_audit()') =~ s/\d.*//r, 'OK', 'and dropped, and made anew');
is($node->safe_psql('past', q{SELECT subject, jsonb_path_query_array(state, '$.privileges[*].privilege') FROM mlops.as_of() WHERE kind = 'privilege'}),
	qq{second|["manage"]\nthird|["read", "score"]\npublic|["score"]}, 'each has what it has');
is($node->safe_psql('past', $present), '0', 'the events say the same');

# Every table behind the log's back
for ([ q{UPDATE mlops.model SET description = 'x'}, 'The model "risk" is not what the log says: description is "x", the log has null.' ],
	[ q{UPDATE mlops.model SET name = 'other'}, qr/The tables do not have the model "risk"\..*The tables have the model "other", of which the log knows nothing\./s ],
	[ q{UPDATE mlops.privilege SET role_name = 'teller' WHERE privilege = 'own'}, 'The model "risk" is not what the log says: owner is "teller", the log has "chief".' ],
	[ q{UPDATE mlops.privilege SET granted_by = 'nobody' WHERE privilege = 'manage'}, qr/^The privilege "second" of model "risk" is not what the log says: privileges is / ],
	[ q{DELETE FROM mlops.privilege WHERE privilege = 'manage'}, 'The tables do not have the privilege "second" of model "risk".' ],
	[ q{INSERT INTO mlops.privilege (privilege, role_name, granted_by) VALUES ('manage', 'teller', 'nobody')}, 'The tables have the privilege "teller", of which the log knows nothing.' ],
	[ q{UPDATE mlops.version SET version = 3 WHERE version = 2}, qr/^The tables do not have the version 2 of model "risk"\.\nThe tables have the version 3 of model "risk", of which the log knows nothing\.$/ ],
	[ q{UPDATE mlops.version SET metrics = '{"auc": 1}' WHERE version = 2}, 'The version 2 of model "risk" is not what the log says: metrics is {"auc": 1}, the log has null.' ],
	[ q{UPDATE mlops.version SET signature = '[]' WHERE version = 2}, qr/signature_sha256 is/ ],
	[ q{DELETE FROM mlops.version WHERE version = 1}, 'The tables do not have the version 1 of model "risk".' ],
	[ q{INSERT INTO mlops.alias SELECT m.id, 'champion', v.id, now(), 'nobody' FROM mlops.model m, mlops.version v WHERE v.version = 2}, qr/^The alias "champion" of model "risk" is not what the log says: changed_at is .*; version is 2, the log has null\.$/ ],
	[ q{UPDATE mlops.alias_change SET reason = 'other' WHERE id = 1}, qr/^The alias "champion" of model "risk" is not what the log says: history_sha256 is / ],
	[ q{DELETE FROM mlops.alias_change}, 'The tables do not have the alias "champion" of model "risk".' ],
	[ q{INSERT INTO mlops.reason_text SELECT id, 'a', 'up', 'x', now(), 'nobody' FROM mlops.model}, 'The tables have the reason "a" of model "risk", which was removed according to the log.' ])
{
	my ($change, $expected) = @$_;
	my $found = $node->safe_psql('past', qq{
		BEGIN; SET LOCAL client_min_messages = error;
		ALTER TABLE mlops.model DISABLE TRIGGER refuse_change; ALTER TABLE mlops.version DISABLE TRIGGER refuse_change;
		ALTER TABLE mlops.alias_change DISABLE TRIGGER refuse_change;
		$change;
		SELECT string_agg(CASE status WHEN 'STATE_MISMATCH' THEN detail ELSE status || detail END, E'\\n' ORDER BY detail) FROM mlops.verify_audit(checks => '{state}'); ROLLBACK});
	if (ref $expected) { like($found, $expected, $change) }
	else { is($found, $expected, $change) }
}

# A version whose file was changed in the pages, against its constraint
is($node->safe_psql('past', qq{$stump;
	BEGIN; ALTER TABLE mlops.version DISABLE TRIGGER refuse_change; ALTER TABLE mlops.version DROP CONSTRAINT version_check;
	UPDATE mlops.version SET artifact = pg_temp.stumps('{a}', '{0}', '{1}', '{2}', '{5}') WHERE version = 2;
	SELECT status, expected IS NOT NULL, actual IS NOT NULL, detail FROM mlops.verify_audit(checks => '{state,artifacts}'); ROLLBACK}),
	'ARTIFACT_MISMATCH|t|t|The model file of risk/2 is another one than was registered.', 'a model file that was exchanged is found');

# An event that was changed says nothing of its object, and cannot stop the verifier
is($node->safe_psql('past', q{
	BEGIN; ALTER TABLE mlops.audit_event DISABLE TRIGGER USER;
	UPDATE mlops.audit_event SET state_after = '{"\u0000": 1e999999}' WHERE seq = (SELECT max(seq) FROM mlops.audit_event);
	SELECT status, seq = (mlops.audit_head()).seq FROM mlops.verify_audit(checks => '{state}'); ROLLBACK}), 'ROW_CHANGED|t', 'an event with a state that cannot be read');

# Only what has changed since an event, and what is not yet committed
is($node->safe_psql('past', q{
	BEGIN; UPDATE mlops.model SET description = 'x';
	SELECT status FROM mlops.verify_audit((mlops.audit_head()).seq - 1); ROLLBACK}), 'OK', 'a part of the log tells of a part of the objects');
is($node->safe_psql('past', q{
	BEGIN; UPDATE mlops.privilege SET granted_by = 'nobody' WHERE privilege = 'manage';
	SELECT status FROM mlops.verify_audit((mlops.audit_head()).seq - 1, checks => '{state}'); ROLLBACK}), 'STATE_MISMATCH', 'of those that it is about');
is($node->safe_psql('past', q{
	BEGIN;
	SELECT mlops.promote('risk/2', reason => 'open');
	SELECT mlops.create_model('new', 'binary');
	SELECT mlops.revoke_privilege('manage', 'risk', 'second');
	SELECT status FROM mlops.verify_audit(); ROLLBACK}) =~ s/.*\n//sr, 'OK', 'acts of the transaction count');

$node->stop;
done_testing();
