# pg_upgrade, in copy and link mode, with and without preload, to the same major
# version with the programs of PG_CONFIG, and from each older one that has mlops:
# who, when and hashes are kept, the audit log verifies and goes on in a new
# incarnation, scores have the same bits, half of an approval is still half, and
# no job runs meanwhile.
use strict;
use warnings;
use Cwd;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = getcwd();
my $dir = PostgreSQL::Test::Utils::tempdir();
my $preload = "shared_preload_libraries = 'mlops'\nmlops.checkpoint_command = 'true'\n";

# What a statement gives to somebody who logged in: its value, or the SQLSTATE.
sub as
{
	my ($server, $role, $statement) = @_;
	my ($ret, $out, $err) = $server->psql('bank', $statement, extra_params => [ '-U', $role, '-v', 'VERBOSITY=sqlstate' ]);
	return $ret == 0 ? $out : $err =~ /ERROR:\s+(\w{5})/ ? $1 : $err;
}

# Every row of every table of mlops, and where its sequences stand.
my $contents = q{
	SET client_min_messages = warning;
	CREATE FUNCTION pg_temp.contents() RETURNS SETOF text LANGUAGE plpgsql AS $$
	DECLARE
		name regclass;
		rows bigint;
		hash text;
	BEGIN
		FOR name IN SELECT oid::regclass FROM pg_class WHERE relnamespace = 'mlops'::regnamespace AND relkind = 'r' ORDER BY relname LOOP
			EXECUTE format('SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM %s t', name) INTO rows, hash;
			RETURN NEXT concat_ws(' ', name, rows, hash);
		END LOOP;
		FOR name IN SELECT oid::regclass FROM pg_class WHERE relnamespace = 'mlops'::regnamespace AND relkind = 'S' ORDER BY relname LOOP
			RETURN NEXT concat_ws(' ', name, pg_sequence_last_value(name));
		END LOOP;
	END $$;
	SELECT * FROM pg_temp.contents()};

# The bits of scores, through the version of an alias and by number, of many rows.
my $bits = q{
	SELECT md5(string_agg(encode(float8send(mlops.predict('risk', l)) || float8send(mlops.predict('trained/1', l)), 'hex'), ' ' ORDER BY l.id)),
		md5(string_agg(mlops.route('risk', l.id::text)::text, ' ' ORDER BY l.id))
	FROM loan l};

my $verify = q{SELECT string_agg(status || ' ' || coalesce(seq::text, detail), ', ') FROM mlops.verify_audit(checkpoints => ARRAY[$$%s$$], checks => '{state,guards,artifacts}')};

# A cluster with everything that mlops keeps.
sub populated
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, %options);
	$node->init;
	$node->append_conf('postgresql.conf', "${preload}max_worker_processes = 12\n");
	$node->start;
	$node->safe_psql('postgres', q{
		CREATE DATABASE bank;
		CREATE ROLE maker LOGIN; CREATE ROLE checker LOGIN; CREATE ROLE second LOGIN; CREATE ROLE teller LOGIN});
	$node->safe_psql('bank', q{
		CREATE EXTENSION mlops;
		SELECT mlops.setup_roles();
		GRANT mlops_trainer TO maker;
		GRANT mlops_approver, mlops_operator TO checker, second;
		GRANT EXECUTE ON FUNCTION mlops.add_golden_row, mlops.set_profile, mlops.snapshot, mlops.set_traffic, mlops.set_shadow, mlops.schedule TO maker;
		GRANT EXECUTE ON FUNCTION mlops.log_prediction TO teller;
		SELECT mlops.grant_privilege('score', NULL, 'teller');
		CREATE TABLE loan AS SELECT i AS id, (i * 7919 % 101)::float8 / 7 AS a, (i * 31 % 13)::float8 / 3 AS b, (i * 7919 % 101) > 50 AS bad
			FROM generate_series(1, 500) i;
		CREATE TABLE ran (at timestamptz DEFAULT clock_timestamp());
		GRANT SELECT ON loan TO maker, teller; GRANT INSERT ON ran TO maker; GRANT CREATE ON SCHEMA public TO maker});
	my $made = as($node, 'maker', qq{
		\\i $top/test/fixtures/stump.sql
		SELECT mlops.import_model('risk', pg_temp.stumps('{a,b}', '{0,1,0}', '{3.3,1.7,9.1}', '{0.1,-0.3333333,0.7}', ARRAY[1e-3 * k, 0.25, -0.1]),
			metrics => '{"auc": 0.7}', description => 'Version ' || k) FROM generate_series(1, 4) k;
		SELECT mlops.train('trained', 'SELECT * FROM loan', 'bad', key => 'id', rounds => 5);
		SELECT mlops.import_model('stopped', mlops.export_model('risk/1')::mlops.artifact);
		SELECT mlops.add_golden_row('risk/1', '{"a": 0.1, "b": null}', mlops.predict_margin('risk/1', '{0.1,NULL}'::float8[]), 'notebook');
		SELECT mlops.set_profile('risk/1', 'SELECT a, b FROM loan');
		SELECT mlops.snapshot('loans', 'SELECT * FROM loan', key => 'id', materialize => true);
		SELECT mlops.set_card('risk', '{"purpose": "loans"}', 'r');
		SELECT mlops.set_reason('risk', 'a', 'Too much of a');
		SELECT mlops.record_measurement('risk/' || k, 'bias', '{"impact": {"f": 0.9}}', 'pass', sha256('x'), 'measured') FROM generate_series(1, 4) k;
		SELECT mlops.promote('risk/1', reason => 'r', change_ref => 'CHG-1');
		SELECT mlops.promote('risk/4', 'other', 'r');
		SELECT mlops.promote('stopped/1', reason => 'r');
		SELECT mlops.add_gate('risk', kind => 'metric', metric => 'auc', at_least => 0.5, reason => 'r');
		SELECT mlops.add_gate('risk', kind => 'fairness', metric => 'impact', data => 'bias', at_least => 0.8, max_age => '1 day', reason => 'r');
		SELECT mlops.set_policy('risk', approvals => 1, approvers => '{mlops_approver}', reason => 'r');
		SELECT mlops.request_promotion('risk/2', reason => 'r', change_ref => 'CHG-2')});
	like($made, qr/\A.*\n1\z/s, 'models, and a request to promote');
	is(as($node, 'checker', 'SELECT mlops.approve(1, $$seen$$)'), 'executed', 'an approval');
	is(as($node, 'maker', q{SELECT mlops.set_traffic('risk', weights => '{"3": 0.25}', reason => 'r')}), '2', 'a request for traffic');
	is(as($node, 'checker', 'SELECT mlops.approve(2)'), 'executed', 'another approval');
	is(as($node, 'maker', q{SELECT mlops.set_shadow('risk', version => 4, reason => 'r')}), '3', 'a request for a shadow');
	is(as($node, 'second', 'SELECT mlops.approve(3)'), 'executed', 'a third approval');
	is(as($node, 'teller', q{SELECT count(mlops.log_prediction('risk', l, l.id::text)) FROM loan l WHERE l.id <= 20}), '20', 'predictions');
	is(as($node, 'maker', q{SELECT mlops.set_policy('risk', approvals => 2, reason => 'r'); SELECT mlops.request_promotion('risk/3', reason => 'r')}),
		"\n4", 'a request for two approvals');
	is(as($node, 'checker', 'SELECT mlops.approve(4)'), 'open', 'has one');
	is(as($node, 'maker', q{SELECT mlops.suspend('stopped', 'r')}), '', 'a suspension');
	is(as($node, 'maker', q{SELECT mlops.schedule('tick', 'every 1 second', 'INSERT INTO public.ran DEFAULT VALUES') IS NOT NULL}), 't', 'a job');
	ok($node->poll_query_until('bank', q{SELECT count(*) > 0 FROM mlops.job_runs WHERE status = 'succeeded'}), 'which runs');
	$node->safe_psql('postgres', 'ALTER SYSTEM SET mlops.scheduler = off');
	$node->reload;
	ok($node->poll_query_until('bank', q{SELECT (SELECT count(*) = 0 FROM mlops.job_runs WHERE finished_at IS NULL)
		AND (SELECT status = 'off' OR scheduler = 'off' FROM mlops.health())}), 'and is held');
	return $node;
}

# What every copy of a cluster must have.
sub expected
{
	my ($node) = @_;
	my $checkpoint = $node->safe_psql('bank', 'SELECT mlops.push_checkpoint()');
	my $expected = {
		checkpoint => $checkpoint,
		seq => $node->safe_psql('bank', 'SELECT seq FROM mlops.audit_head()'),
		contents => $node->safe_psql('bank', $contents),
		evidence => $node->safe_psql('bank', q{SELECT mlops.evidence('risk/2') #- '{audit,verification}'}),
		bits => $node->safe_psql('bank', $bits),
		ran => $node->safe_psql('bank', 'SELECT count(*) FROM ran'),
	};
	is($node->safe_psql('bank', sprintf $verify, $checkpoint), "OK $expected->{seq}", 'the original verifies');
	return $expected;
}

# Upgrade a cluster that does not run and look at what became of it.
sub upgraded
{
	my ($old, $expected, $conf, $name, @options) = @_;
	(my $word = $name) =~ s/\W+/_/g;
	my $new = PostgreSQL::Test::Cluster->new($word);
	# 18 has data checksums unless told otherwise, and pg_upgrade wants both alike
	$new->init(extra => $new->pg_version >= 18 && $old->pg_version < 18 ? ['--no-data-checksums'] : []);
	$new->append_conf('postgresql.conf', "${conf}max_worker_processes = 12\n");
	chdir $dir;
	$new->command_ok([ 'pg_upgrade', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $old->config_data('--bindir'),
		'-B', $new->config_data('--bindir'), '-s', $new->host, '-p', $old->port, '-P', $new->port, '--no-sync', @options ], "$name: pg_upgrade");
	chdir $top;
	# what has run until now did so during the upgrade
	$new->append_conf('postgresql.conf', "mlops.scheduler = off\n");
	$new->start;
	is($new->safe_psql('bank', 'SELECT count(*) FROM ran'), $expected->{ran}, "$name: no job ran");
	is($new->safe_psql('bank', $contents), $expected->{contents}, "$name: every table is what it was, with users, times and hashes");
	is($new->safe_psql('bank', q{SELECT mlops.evidence('risk/2') #- '{audit,verification}'}), $expected->{evidence}, "$name: the evidence is the same");
	is($new->safe_psql('bank', $bits), $expected->{bits}, "$name: scores and routes are the same to the last bit");
	is($new->safe_psql('bank', q{SELECT count(*) FILTER (WHERE v.verdict = 'pass') > 6, count(*) FILTER (WHERE v.verdict = 'fail')
		FROM mlops.versions m, mlops.verify_model((m.model || '/' || m.version)::mlops.modelref) v}), 't|0', "$name: so are all golden rows");
	is($new->safe_psql('bank', q{SELECT bool_and(same) FROM mlops.verify_snapshot('loans')}), 't', "$name: so is a snapshot");
	is($new->safe_psql('bank', sprintf $verify, $expected->{checkpoint}), "OK $expected->{seq}", "$name: the audit log verifies against a checkpoint of before");

	is(as($new, 'teller', q{SELECT mlops.predict('stopped', '{0,0}'::float8[])}), 'ML004', "$name: what was suspended is");
	is(as($new, 'checker', 'SELECT mlops.approve(4)'), '55000', "$name: nobody approves twice");
	$new->safe_psql('bank', 'GRANT mlops_approver TO maker');
	is(as($new, 'maker', 'SELECT mlops.approve(4)'), 'ML041', "$name: the maker cannot approve");
	is(as($new, 'second', 'SELECT mlops.approve(4)'), 'executed', "$name: a second approval completes the first");
	is($new->safe_psql('bank', qq{SELECT action, incarnation, detail->'changed', detail->'previous'->>'seq'
			FROM mlops.audit_event WHERE seq > $expected->{seq} ORDER BY seq LIMIT 1}),
		"incarnation|2|$expected->{changed}|$expected->{seq}", "$name: the first event is that of a new incarnation");
	is($new->safe_psql('bank', 'SELECT max(incarnation) FROM mlops.audit_event'), '2', "$name: there is one");
	like($new->safe_psql('bank', sprintf $verify, $expected->{checkpoint}), qr/\AOK \d+\z/, "$name: and it goes on verifying");

	if ($conf)
	{
		$new->append_conf('postgresql.conf', "mlops.scheduler = on\n");
		$new->reload;
		ok($new->poll_query_until('bank', "SELECT count(*) > $expected->{ran} FROM ran"), "$name: jobs go on when they may");
	}
	$new->stop;
}

my $old = populated('old');
my $expected = expected($old);
$expected->{changed} = '["system_identifier"]';
$old->stop;

# During the upgrade nothing but pg_upgrade itself keeps the job from running.
sub configure
{
	my ($node, $conf) = @_;
	unlink $node->data_dir . '/postgresql.auto.conf';
	append_to_file($node->data_dir . '/postgresql.auto.conf', '');
	$node->adjust_conf('postgresql.conf', $_, undef) for 'shared_preload_libraries', 'mlops.checkpoint_command';
	$node->append_conf('postgresql.conf', $conf);
}

# pg_upgrade renames a part of a cluster whose files it has linked.
my $twin = PostgreSQL::Test::Cluster->new('twin');
PostgreSQL::Test::RecursiveCopy::copypath($old->data_dir, $twin->data_dir);
chmod 0700, $twin->data_dir;
$twin->append_conf('postgresql.conf', 'port = ' . $twin->port . "\n");

configure($old, $preload);
upgraded($old, $expected, $preload, 'copy, preloaded');
upgraded($old, $expected, $preload, 'link, preloaded', '--link');
configure($twin, '');
upgraded($twin, $expected, '', 'copy, not preloaded');
upgraded($twin, $expected, '', 'link, not preloaded', '--link');

# Older majors that have this extension.
my ($major) = $old->config_data('--version') =~ /(\d+)/;
my @older = grep { m{/(\d+)/bin/} && $1 < $major && $1 >= 15 } sort glob '/usr/lib/postgresql/*/bin/postgres';
SKIP:
{
	skip "upgrade from an older major: none that mlops is for is installed beside $major", 1 unless @older;
	for my $program (@older)
	{
		my ($prefix, $number) = $program =~ m{\A(.*/(\d+))/bin/};
	  SKIP:
		{
			skip "upgrade from $number: mlops is not installed there", 1 unless -e "$prefix/lib/mlops.so";
			my $before = populated("major_$number", install_path => $prefix);
			my $what = expected($before);
			$what->{changed} = '["system_identifier", "server_version"]';
			$before->stop;
			configure($before, $preload);
			upgraded($before, $what, $preload, "from $number");
		}
	}
}
done_testing();
