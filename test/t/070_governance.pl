# Governance over the life of a server: real logins, settings, crashes at each
# step, sessions that are open while a model is suspended, standby, dump and
# restore here and in another cluster.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "restart_after_crash = on\nmlops.required_approvals = 1\nmlops.approval_lifetime = '1h'\n");
$node->start;

sub artifact
{
	my ($leaf) = @_;
	return qq({"version":[1,7,4],"learner":{"attributes":{},"feature_names":["a"],"feature_types":["float"],)
	  . qq("gradient_booster":{"name":"gbtree","model":{"gbtree_model_param":{"num_trees":"1","num_parallel_tree":"1","size_leaf_vector":"0"},"tree_info":[0],"trees":[)
	  . qq({"id":0,"tree_param":{"num_nodes":"3","num_deleted":"0","num_feature":"1","size_leaf_vector":"0"},)
	  . qq("left_children":[1,-1,-1],"right_children":[2,-1,-1],"parents":[2147483647,0,0],"split_indices":[0,0,0],)
	  . qq("split_conditions":[0,$leaf,$leaf],"split_type":[0,0,0],"default_left":[0,0,0],"base_weights":[0,0,0],)
	  . qq("loss_changes":[1,0,0],"sum_hessian":[2,1,1],"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[]}]}},)
	  . qq("learner_model_param":{"base_score":"0","num_class":"0","num_feature":"1","num_target":"1"},"objective":{"name":"reg:squarederror"}}});
}

# What a statement gives to somebody who logged in: its value, or the SQLSTATE.
sub as
{
	my ($role, $statement, $server, $database) = @_;
	my ($ret, $out, $err) = ($server // $node)->psql($database // 'bank', $statement,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=sqlstate' ]);
	return $ret == 0 ? $out : $err =~ /ERROR:\s+(\w{5})/ ? $1 : $err;
}

# What an auditor would compare; requests as they are recorded and as they are.
my $state = q{
	SELECT jsonb_pretty(jsonb_build_object(
		'aliases', (SELECT jsonb_agg(to_jsonb(a) ORDER BY model, alias) FROM mlops.aliases a),
		'history', (SELECT jsonb_agg(to_jsonb(h) ORDER BY id) FROM mlops.alias_history h),
		'policies', (SELECT jsonb_agg(to_jsonb(p) ORDER BY model, alias) FROM mlops.policies p),
		'requests', (SELECT jsonb_agg(to_jsonb(r) ORDER BY id) FROM mlops.requests r),
		'approvals', (SELECT jsonb_agg(to_jsonb(a) ORDER BY id) FROM mlops.approvals a),
		'suspensions', (SELECT jsonb_agg(to_jsonb(s) ORDER BY id) FROM mlops.suspensions s),
		'actions', (SELECT jsonb_agg(to_jsonb(s) - 'age' ORDER BY id) FROM mlops.safety_actions s),
		'gates', (SELECT jsonb_agg(to_jsonb(g) ORDER BY id) FROM mlops.gates g),
		'measurements', (SELECT jsonb_agg(to_jsonb(k) ORDER BY id) FROM mlops.measurements k),
		'cards', (SELECT jsonb_agg(to_jsonb(c) ORDER BY model) FROM mlops.cards c),
		'identities', (SELECT jsonb_agg(to_jsonb(i) ORDER BY role, role_name) FROM mlops.identity i),
		'events', (SELECT jsonb_agg(to_jsonb(e) ORDER BY seq) FROM mlops.audit_log e))) };

# the last event of each kind with its object's state, and the states of today
my $compare = q{
	WITH last AS (
		SELECT DISTINCT ON (split_part(action, '.', 1), model, alias, subject)
			split_part(action, '.', 1) AS kind, model, alias, subject, state_after::jsonb AS state
		FROM mlops.audit_log
		WHERE action ~ '^(alias|policy|request|suspension|safety)\.'
		ORDER BY split_part(action, '.', 1), model, alias, subject, seq DESC),
	present AS (
		SELECT 'alias' AS kind, * FROM mlops._state_alias() UNION ALL SELECT 'policy', * FROM mlops._state_policy()
		UNION ALL SELECT 'request', * FROM mlops._state_request() UNION ALL SELECT 'suspension', * FROM mlops._state_suspension()
		UNION ALL SELECT 'safety', * FROM mlops._state_safety())
	SELECT count(*), count(*) FILTER (WHERE l.state IS DISTINCT FROM p.state)
	FROM (SELECT * FROM last WHERE state IS NOT NULL) l
	FULL JOIN present p ON p.kind = l.kind AND p.model = l.model AND p.alias IS NOT DISTINCT FROM l.alias
		AND p.subject IS NOT DISTINCT FROM l.subject };

$node->safe_psql('postgres', q{
	CREATE DATABASE bank;
	CREATE ROLE maker LOGIN; CREATE ROLE checker LOGIN; CREATE ROLE second LOGIN; CREATE ROLE teller LOGIN});
$node->safe_psql('bank', q{
	CREATE EXTENSION mlops;
	SELECT mlops.setup_roles();
	GRANT mlops_trainer TO maker;
	GRANT mlops_approver, mlops_operator TO checker, second;
	SELECT mlops.grant_privilege('score', NULL, 'teller')});
as('maker', "SELECT mlops.import_model('risk', '" . artifact($_) . "')") for 1 .. 4;

#
# Logins
#
is(as('maker', q{SELECT mlops.promote('risk/1', reason => 'r')}), '', 'a promotion opens a request');
is(as('maker', 'SELECT mlops.approve(1)'), '42501', 'the maker may not call approve');
is(as('postgres', 'SELECT mlops.approve(1)'), 'ML041', 'a superuser cannot approve');
is(as('postgres', 'SET SESSION AUTHORIZATION checker; SELECT mlops.approve(1)'), 'ML041', 'nor in the name of another');
is(as('postgres', 'SET ROLE checker; SELECT mlops.approve(1)'), 'ML041', 'nor by SET ROLE');
# settings are not for sessions: here the library is not preloaded, and the
# server takes any value for a name that it does not know
my $needed = q{SELECT mlops.policy('risk')->>'approvals'};
is(as('maker', "SET mlops.required_approvals = 0; $needed"), '1', 'SET gains nothing');
$node->safe_psql('postgres', 'ALTER ROLE maker SET mlops.required_approvals = 0');
is(as('maker', $needed), '1', 'nor a setting of the role');
$node->safe_psql('postgres', 'ALTER ROLE maker RESET mlops.required_approvals');
{
	local $ENV{PGOPTIONS} = '-c mlops.required_approvals=0 -c mlops.protected_aliases=none';
	is(as('maker', $needed), '1', 'nor an option of the client');
	local $ENV{PGOPTIONS} = '-c mlops.allow_session_authorization=on';
	is(as('postgres', 'SET SESSION AUTHORIZATION checker; SELECT mlops.approve(1)'), 'ML041', 'none of them');
}
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\n");
$node->restart;
is(as('maker', $needed), '1', 'preloaded, the server has the setting');
is(as('maker', 'SET mlops.required_approvals = 0'), '55P02', 'and refuses another');
is(as('postgres', 'ALTER ROLE maker SET mlops.required_approvals = 0'), '55P02', 'for roles too');
is(as('checker', 'SELECT mlops.approve(1)'), 'executed', 'another person approves');
is($node->safe_psql('bank', q{SELECT relied_on, policy_sha256 = sha256(convert_to(E'mlops/policy/v1\n' || mlops.policy('risk')::text, 'UTF8'))
	FROM mlops.audit_log WHERE action = 'alias.promote' ORDER BY seq DESC LIMIT 1}), '[{"request": 1}, {"approval": 1}]|t',
	'the event has what it relied on and the hash of the policy');
is(as('teller', q{SELECT mlops.predict('risk', '{0}'::float8[])}), '1', 'and the version scores');
$node->safe_psql('postgres', 'ALTER SYSTEM SET mlops.allow_session_authorization = on');
$node->reload;
as('maker', q{SELECT mlops.promote('risk/2', reason => 'r')});
ok($node->poll_query_until('postgres', "SHOW mlops.allow_session_authorization", "on"), 'the setting is on');
is(as('postgres', 'SET SESSION AUTHORIZATION checker; SELECT mlops.approve(2)'), 'executed', 'then the name of the session counts');
is($node->safe_psql('bank', 'SELECT created_by, login_role FROM mlops.approvals WHERE request = 2'), 'checker|postgres', 'and the login is recorded');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET mlops.allow_session_authorization');
# a setting is part of what is approved
as('maker', q{SELECT mlops.promote('risk/3', reason => 'r')});
$node->safe_psql('postgres', 'ALTER SYSTEM SET mlops.required_approvals = 2');
$node->reload;
ok($node->poll_query_until('bank', q{SELECT status || ': ' || problem FROM mlops.requests WHERE id = 3}, 'void: policy changed'),
	'a request is void when a setting changes');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET mlops.required_approvals');
$node->reload;
ok($node->poll_query_until('bank', q{SELECT status FROM mlops.requests WHERE id = 3}, 'open'), 'and stands again as long as nobody recorded it');
is(as('checker', q{SELECT mlops.reject(3, 'no')}), '', 'reject');

#
# A suspension and sessions that are open
#
$node->safe_psql('bank', q{CREATE TABLE loan AS SELECT i::float8 AS a FROM generate_series(1, 20000) i; ANALYZE loan; GRANT SELECT ON loan TO teller});
my ($in, $out, $err) = ('', '', '');
my $session = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr('bank') . ' user=teller' ],
	'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(60));

# What the open session answers.
sub ask
{
	my ($statements) = @_;
	($out, $err) = ('', '');
	$in = "$statements\n\\echo END\n\\warn END\n";
	pump $session until $out =~ /^END$/m && $err =~ /END$/m;
	(my $answer = $out) =~ s/^END\n//m;
	chomp $answer;
	return $err =~ /ERROR:\s+(\w{5})/ ? $1 : $answer;
}

my $score = q{SELECT mlops.predict('risk', '{0}'::float8[]);};
my $parallel = q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SELECT DISTINCT mlops.predict('risk', ARRAY[a]) FROM loan;};
is(ask("BEGIN ISOLATION LEVEL REPEATABLE READ; $score"), '2', 'a transaction in REPEATABLE READ');
is(as('checker', q{SELECT mlops.suspend('risk', 'r')}), '', 'suspend');
is(ask($score), 'ML004', 'its next statement is the error');
ask('ROLLBACK;');
is(ask($parallel), 'ML004', 'a parallel query');
as('checker', q{SELECT mlops.resume('risk', 'r')});
is(ask('BEGIN; DECLARE c CURSOR FOR SELECT mlops.predict(\'risk\', ARRAY[a]) FROM loan; FETCH c;'), '2', 'a cursor');
as('checker', q{SELECT mlops.suspend('risk', 'r')});
is(ask('FETCH c;'), 'ML004', 'its next FETCH is the error');
ask('ROLLBACK;');
as('checker', q{SELECT mlops.resume('risk', 'r')});
as('maker', q{SELECT mlops.set_policy('risk', fallback_alias => 'safe', reason => 'r')});
as('checker', q{SELECT mlops.approve((SELECT max(id) FROM mlops.requests))});
as('maker', q{SELECT mlops.promote('risk/4', 'safe', 'r')});
as('checker', q{SELECT mlops.approve((SELECT max(id) FROM mlops.requests))});
is(ask("BEGIN ISOLATION LEVEL REPEATABLE READ; $score"), '2', 'with a fallback, a transaction in REPEATABLE READ');
as('checker', q{SELECT mlops.suspend('risk', 'r')});
is(ask($score), 'ML004', 'that began before has the error, and no second version');
ask('ROLLBACK;');
is(ask("BEGIN ISOLATION LEVEL REPEATABLE READ; $score"), '4', 'and one that began after has the fallback');
is(ask($parallel), '4', 'in all workers');
as('checker', q{SELECT mlops.resume('risk', 'r')});
is(ask($score), '4', 'which it keeps');
is(ask("COMMIT; $score"), '2', 'until it ends');
$in = "\\q\n";
$session->finish;

#
# Crashes: at each step, before and after the commit
#
my @steps = (
	[ 'request', 'maker', q{SELECT mlops.promote('risk/3', reason => 'r')} ],
	[ 'approve', 'checker', 'SELECT mlops.approve((SELECT max(id) FROM mlops.requests))' ],
	[ 'policy', 'maker', q{SELECT mlops.set_policy('risk', approvals => 2, execution => 'explicit', reason => 'r')} ],
	[ 'request of two', 'maker', q{SELECT mlops.promote('risk/1', reason => 'r')} ],
	[ 'first of two', 'checker', 'SELECT mlops.approve((SELECT max(id) FROM mlops.requests))' ],
	[ 'second of two', 'second', 'SELECT mlops.approve((SELECT max(id) FROM mlops.requests))' ],
	[ 'execute', 'checker', 'SELECT mlops.execute((SELECT max(id) FROM mlops.requests))' ],
	[ 'rollback', 'maker', q{SELECT mlops.rollback('risk', reason => 'r')} ],
	[ 'ratify', 'checker', 'SELECT mlops.ratify((SELECT max(id) FROM mlops.safety_actions))' ],
	[ 'suspend', 'second', q{SELECT mlops.suspend('risk', 'r')} ],
	[ 'resume', 'second', q{SELECT mlops.resume('risk', 'r')} ]);
for my $step (@steps)
{
	my ($name, $role, $statement) = @$step;
	my $before = $node->safe_psql('bank', $state);

	# the backend dies with the transaction open, and takes all others with it
	my $script = "$dir/crash.sql";
	unlink $script;
	append_to_file($script, "BEGIN;\n$statement;\nSELECT pg_backend_pid() AS pid \\gset\n\\setenv VICTIM :pid\n\\! kill -9 \$VICTIM\nSELECT 1;\n");
	my $logged = -s $node->logfile;
	IPC::Run::run([ 'psql', '-Xq', '-f', $script, '-d', $node->connstr('bank') . " user=$role" ], '>', \my $o, '2>', \my $e);
	like($e, qr/connection/, "$name: killed before the commit");
	for (1 .. 600)
	{
		last if slurp_file($node->logfile, $logged) =~ /ready to accept connections/;
		select undef, undef, undef, 0.1;
	}
	is($node->safe_psql('bank', $state), $before, "$name: nothing was done");

	unlike(as($role, $statement), qr/^\w{5}$|ERROR|FATAL/, "$name: done") if $name !~ /approve|of two/;
	as($role, $statement) if $name =~ /approve|of two/;
	my $after = $node->safe_psql('bank', $state);
	isnt($after, $before, "$name: it has an effect");
	$node->stop('immediate');
	$node->start;
	is($node->safe_psql('bank', $state), $after, "$name: which outlives an immediate stop");
	is($node->safe_psql('bank', 'SELECT status FROM mlops.verify_audit()'), 'OK', "$name: the audit log verifies");
}
is($node->safe_psql('bank', q{SELECT count(*) FROM mlops.aliases WHERE model = 'risk' AND alias = 'champion'}), '1', 'one champion');

# kill -9 while clients open and approve
$node->safe_psql('bank', q{SELECT mlops.set_policy('risk', approvals => 2, reason => 'r')});
as('maker', "SELECT mlops.import_model('storm', '" . artifact($_) . "')") for 1 .. 2;
append_to_file("$dir/storm.sql", q{SELECT mlops.request_promotion(CASE WHEN (SELECT champion FROM mlops.models WHERE model = 'storm') = 1
	THEN 'storm/2' ELSE 'storm/1' END, reason => 'r')} . "\n\\gset\n");
append_to_file("$dir/approve.sql", q{SELECT mlops.approve(id) FROM mlops.requests WHERE model = 'storm' AND status = 'open'} . "\n;\n");
for my $round (1 .. 3)
{
	my @clients = map {
		my ($role, $script) = @$_;
		my $output = '';
		IPC::Run::start([ 'bash', '-c', "while psql -XAtq -f '$script' -d '" . $node->connstr('bank')
				. " user=$role'; do :; done" ], '>', \$output, '2>', '/dev/null', IPC::Run::timeout(120))
	} ([ 'maker', "$dir/storm.sql" ], [ 'checker', "$dir/approve.sql" ], [ 'second', "$dir/approve.sql" ]);
	$node->poll_query_until('bank', "SELECT count(*) > $round * 5 FROM mlops.alias_history WHERE model = 'storm'");
	my $pid = $node->safe_psql('postgres', q{SELECT coalesce(min(pid), 0) FROM pg_stat_activity WHERE usename IN ('checker', 'second', 'maker')});
	kill 'KILL', $pid if $pid > 0;
	sleep 1;
	$node->stop('immediate');
	eval { $_->finish } for @clients;
	$node->start;
	is($node->safe_psql('bank', 'SELECT status FROM mlops.verify_audit()'), 'OK', "storm $round: the audit log verifies");
	is($node->safe_psql('bank', q{
		SELECT count(*), count(*) FILTER (WHERE approvals >= approvals_needed),
			(SELECT count(*) FROM mlops.alias_history WHERE model = 'storm')
		FROM mlops.requests WHERE model = 'storm' AND status = 'executed'}) =~ /^(\d+)\|\1\|\1$/, 1,
		"storm $round: as many promotions as executed requests, each approved");
	is($node->safe_psql('bank', q{SELECT version = (SELECT version FROM mlops.alias_history WHERE model = 'storm' ORDER BY id DESC LIMIT 1)
		FROM mlops.aliases WHERE model = 'storm'}), 't', "storm $round: one champion, that of the last promotion");
}
like($node->safe_psql('bank', $compare), qr/^\d+\|0$/, 'the states of today are those of the last events');

#
# Standby
#
as('checker', q{SELECT mlops.withdraw(id) FROM mlops.requests WHERE status IN ('open', 'approved')});
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
as('second', q{SELECT mlops.suspend('storm', 'r')});
$node->wait_for_catchup($standby);
is(as('teller', q{SELECT mlops.predict('storm', '{0}'::float8[])}, $standby), 'ML004', 'a standby suspends');
is(as('second', q{SELECT mlops.suspend('risk', 'r')}, $standby), '25006', 'what was suspended on its primary');
is($standby->safe_psql('bank', $state), $node->safe_psql('bank', $state), 'and shows the same');
as('second', q{SELECT mlops.resume('storm', 'r')});
$node->wait_for_catchup($standby);
like(as('teller', q{SELECT mlops.predict('storm', '{0}'::float8[])}, $standby), qr/^[12]$/, 'and scores again');
$standby->stop;

#
# Dump and restore
#
as('maker', q{SELECT mlops.set_policy('risk', approvers => '{mlops_approver}', reason => 'r')});
is(as('maker', q{SELECT mlops.add_gate('risk', kind => 'fairness', metric => 'impact', data => 'bias', at_least => 0.8, max_age => '1 day', reason => 'r')}), '1', 'a gate');
is(as('maker', q{SELECT mlops.record_measurement('risk/4', 'bias', '{"impact": {"f": 0.9}}', 'pass', sha256('x'), 'measured')}), '1', 'a measurement');
is(as('maker', q{SELECT mlops.set_card('risk', '{"purpose": "loans"}', 'r')}), '', 'a card');
my $request = as('maker', q{SELECT mlops.request_promotion('risk/4', reason => 'r')});
is(as('checker', "SELECT mlops.approve($request)"), 'open', 'one of two approvals');
as('second', q{SELECT mlops.suspend('storm', 'r')});
my $before = $node->safe_psql('bank', $state);
for my $format ('plain', 'custom', 'directory')
{
	my $file = "$dir/$format";
	$node->command_ok([ 'pg_dump', '-F', $format, '-f', $file, $node->connstr('bank') ], "pg_dump, $format");
	$node->safe_psql('postgres', "CREATE DATABASE restored_$format");
	$node->command_ok($format eq 'plain'
		? [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $file, $node->connstr("restored_$format") ]
		: [ 'pg_restore', '-e', ($format eq 'directory' ? ('-j', '2') : ()), '-d', $node->connstr("restored_$format"), $file ],
		"restore, $format");
	is($node->safe_psql("restored_$format", $state), $before, "$format: all is there, with users, times and hashes");
	is(as('teller', q{SELECT mlops.predict('storm', '{0}'::float8[])}, $node, "restored_$format"), 'ML004', "$format: what was suspended is");
	is(as('maker', "SELECT mlops.approve($request)", $node, "restored_$format"), '42501', "$format: the maker may not approve");
	is(as('checker', "SELECT mlops.approve($request)", $node, "restored_$format"), '55000', "$format: nor who has approved");
	is(as('second', "SELECT mlops.approve($request)", $node, "restored_$format"), 'approved', "$format: a third person completes the approvals");
	is(as('checker', "SELECT mlops.execute($request)", $node, "restored_$format"), 'risk/4', "$format: and it is executed");
	is($node->safe_psql("restored_$format", 'SELECT status FROM mlops.verify_audit()'), 'OK', "$format: the audit log verifies");
}

# another cluster with other OIDs, after a role was renamed
$node->safe_psql('bank', 'ALTER ROLE maker RENAME TO maker2');
is(as('maker2', q{SELECT mlops.import_model('risk', '} . artifact(5) . q{')}), 'risk/5', 'a renamed role works on');
$node->command_ok([ 'pg_dump', '-F', 'custom', '-f', "$dir/again", $node->connstr('bank') ], 'pg_dump');
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->append_conf('postgresql.conf', "mlops.required_approvals = 1\nmlops.approval_lifetime = '1h'\n");
$other->start;
$other->safe_psql('postgres', q{
	CREATE ROLE filler; CREATE ROLE checker LOGIN; CREATE ROLE teller LOGIN; CREATE ROLE second LOGIN; CREATE ROLE maker2 LOGIN;
	CREATE ROLE mlops_trainer; CREATE ROLE mlops_validator; CREATE ROLE mlops_approver; CREATE ROLE mlops_operator; CREATE ROLE mlops_auditor;
	GRANT mlops_approver, mlops_operator TO checker, second, maker2;
	CREATE DATABASE bank});
$other->command_ok([ 'pg_restore', '-e', '-d', $other->connstr('bank'), "$dir/again" ], 'restore in another cluster');
is($other->safe_psql('bank', "SELECT status FROM mlops.requests WHERE id = $request"), 'open', 'the request is open there');
is(as('maker2', "SELECT mlops.approve($request)", $other), 'ML041', 'the renamed maker is known by what the role has done');
is(as('checker', "SELECT mlops.approve($request)", $other), '55000', 'nobody approves twice');
is(as('second', "SELECT mlops.approve($request)", $other), 'approved', 'another person approves');
is($other->safe_psql('bank', q{SELECT string_agg(status || ': ' || detail, E'\n' ORDER BY detail) FROM mlops.verify_audit()}),
	join("\n", map { qq(STATE_MISMATCH: The model "$_" is not what the log says: owner is null, the log has "maker".) } 'risk', 'storm'),
	'the audit log verifies, but that what a renamed role owned is not restored');
$other->safe_psql('bank', "SELECT mlops.set_owner('$_', 'maker2')") for 'risk', 'storm';
is($other->safe_psql('bank', 'SELECT status FROM mlops.verify_audit()'), 'OK', 'with new owners it verifies');

done_testing();
