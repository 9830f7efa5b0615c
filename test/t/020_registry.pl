# Dump and restore, two databases, crash, standby: models, versions, aliases,
# runs and the audit log survive with their users and times.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\n");
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

# What an auditor would compare.
my $state = q{
	SELECT jsonb_pretty(jsonb_build_object(
		'models', (SELECT jsonb_agg(to_jsonb(m) ORDER BY model) FROM mlops.models m),
		'versions', (SELECT jsonb_agg(to_jsonb(v) ORDER BY model, version) FROM mlops.versions v),
		'aliases', (SELECT jsonb_agg(to_jsonb(a) ORDER BY model, alias) FROM mlops.aliases a),
		'history', (SELECT jsonb_agg(to_jsonb(h) ORDER BY id) FROM mlops.alias_history h),
		'runs', (SELECT jsonb_agg(to_jsonb(r) ORDER BY id) FROM mlops.runs r),
		'privileges', (SELECT jsonb_agg(to_jsonb(p) ORDER BY model, privilege, role) FROM mlops.privileges p),
		'events', (SELECT jsonb_agg(to_jsonb(e) ORDER BY seq) FROM mlops.audit_log e))) };

$node->safe_psql('postgres', 'CREATE DATABASE bank; CREATE DATABASE other; CREATE ROLE maker LOGIN; CREATE ROLE teller');
for my $database ('bank', 'other')
{
	$node->safe_psql($database, qq{
		CREATE EXTENSION mlops;
		GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO maker;});
}
# two databases, one name
$node->safe_psql('other', "SELECT mlops.import_model('risk', '" . artifact(9) . "'); SELECT mlops.promote('risk/1', reason => 'other')");
$node->safe_psql('bank', "SELECT mlops.import_model('risk', '" . artifact(1) . "')", extra_params => ['-U', 'maker']);
$node->safe_psql('bank', "SELECT mlops.import_model('risk', '" . artifact(2) . "', description => 'two')", extra_params => ['-U', 'maker']);
$node->safe_psql('bank', q{
	CREATE TABLE loan AS SELECT i AS id, (i * 7919 % 101)::float8 AS x, (i * 7919 % 101) > 50 AS bad FROM generate_series(1, 400) i;
	GRANT SELECT ON loan TO maker});
$node->safe_psql('bank', q{SELECT mlops.train('trained', 'SELECT * FROM loan', 'bad', key => 'id', rounds => 3)}, extra_params => ['-U', 'maker']);
$node->safe_psql('bank', q{
	SELECT mlops.promote('risk/1', reason => 'start', change_ref => 'CHG-1');
	SELECT mlops.promote('risk/2', reason => 'better');
	SELECT mlops.rollback('risk', reason => 'worse');
	SELECT mlops.promote('risk/2', 'challenger', 'again');
	SELECT mlops.grant_privilege('score', 'risk', 'teller');
	SELECT mlops.set_scoring_policy('risk', 'null', 'other', 'the feed has gaps')}, extra_params => ['-U', 'maker']);
$node->safe_psql('bank', "SELECT mlops.import_model('gaps', '" . artifact(4) . "', missing => -999)", extra_params => ['-U', 'maker']);
is($node->safe_psql('bank', q{SELECT mlops.predict('risk', '{0}'::float8[])}), '1', 'score in one database');
is($node->safe_psql('other', q{SELECT mlops.predict('risk', '{0}'::float8[])}), '9', 'score in the other');

my $before = $node->safe_psql('bank', $state);
like($before, qr/"created_by": "maker"/, 'the maker is recorded');
like($before, qr/"missing": -999/, 'so is the number for a missing value');

# a private function granted to a role is still closed
my ($ret, $out, $err) = $node->psql('bank', q{SELECT mlops._move_alias(1, 'champion', 'promote', 2, 'x', NULL)},
	extra_params => ['-U', 'maker']);
isnt($ret, 0, 'EXECUTE on all functions does not open private ones');
($ret, $out, $err) = $node->psql('bank', q{SELECT mlops._create_model('m', 'binary', NULL, NULL)},
	extra_params => ['-U', 'maker']);
like($err, qr/private functions of mlops cannot be called directly/, 'and the error says what to call');

# crash
$node->stop('immediate');
$node->start;
is($node->safe_psql('bank', $state), $before, 'all is there after a crash');

# standby
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('bank', $state), $before, 'a standby shows the same');
is($standby->safe_psql('bank', q{SELECT mlops.predict('risk', '{0}'::float8[])}), '1', 'a standby scores');
is($standby->safe_psql('bank', q{SELECT mlops.predict('risk', s) FROM (SELECT 1 AS x) s}), '1', 'by the policy for missing columns');
is($standby->safe_psql('bank', q{SELECT status FROM mlops.verify_audit(checks => '{state,artifacts}')}), 'OK', 'a standby verifies');
($ret, $out, $err) = $standby->psql('bank', q{SELECT mlops.promote('risk/2', reason => 'x')});
like($err, qr/read-only transaction/, 'a standby does not promote');
$node->safe_psql('bank', q{SELECT mlops.promote('risk/2', reason => 'moved')}, extra_params => ['-U', 'maker']);
$node->wait_for_catchup($standby);
is($standby->safe_psql('bank', q{SELECT mlops.predict('risk', '{0}'::float8[])}), '2', 'and follows a promotion');
$node->safe_psql('bank', q{SELECT mlops.set_scoring_policy('risk', 'error', reason => 'no more')}, extra_params => ['-U', 'maker']);
$node->wait_for_catchup($standby);
($ret, $out, $err) = $standby->psql('bank', q{SELECT mlops.predict('risk', s) FROM (SELECT 1 AS x) s});
like($err, qr/row lacks 1 column/, 'and a policy');
$node->safe_psql('bank', q{SELECT mlops.set_scoring_policy('risk', 'null', reason => 'it has')}, extra_params => ['-U', 'maker']);
$standby->stop;
$before = $node->safe_psql('bank', $state);

# dump and restore, in every form; the directory's in parallel, where tables
# come in any order
my $dir = PostgreSQL::Test::Utils::tempdir();
for my $format ('plain', 'custom', 'directory')
{
	my $file = "$dir/$format";
	$node->command_ok([ 'pg_dump', '-F', $format, '-f', $file, $node->connstr('bank') ], "pg_dump, $format");
	$node->safe_psql('postgres', "CREATE DATABASE restored_$format");
	if ($format eq 'plain')
	{
		$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $file, $node->connstr("restored_$format") ], 'psql');
	}
	else
	{
		$node->command_ok([ 'pg_restore', '-e', ($format eq 'directory' ? ('-j', '2') : ()),
				'-d', $node->connstr("restored_$format"), $file ], "pg_restore, $format");
	}
	is($node->safe_psql("restored_$format", $state), $before, "$format: all is there, with users and times");
	is($node->safe_psql("restored_$format", q{SELECT mlops.predict('risk', '{0}'::float8[])}), '2', "$format: it scores");
	is($node->safe_psql("restored_$format", q{SELECT mlops.predict('risk', s) FROM (SELECT 1 AS x) s}), '2', "$format: by its policy");
	is($node->safe_psql("restored_$format", q{SELECT status FROM mlops.verify_audit(checks => '{state,artifacts}')}), 'OK', "$format: the audit log verifies");
	is( $node->safe_psql("restored_$format", q{SELECT encode(sha256(mlops.export_model('risk/2')), 'hex') = sha256
			FROM mlops.versions WHERE model = 'risk' AND version = 2}), 't', "$format: the file has its hash");
	is( $node->safe_psql("restored_$format", "SELECT mlops.import_model('risk', '" . artifact(3) . "')"), 'risk/3',
		"$format: and the next version has the next number");
}

# another cluster, where a role of the bank's does not exist any more
$node->safe_psql('bank', q{
	CREATE ROLE leaver;
	SELECT mlops.grant_privilege('read', 'risk', 'leaver');
	DROP ROLE leaver});
$node->command_ok([ 'pg_dump', '-F', 'custom', '-f', "$dir/again", $node->connstr('bank') ], 'pg_dump after DROP ROLE');
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->start;
$other->safe_psql('postgres', 'CREATE ROLE maker LOGIN; CREATE ROLE teller; CREATE DATABASE bank');
$other->command_ok([ 'pg_restore', '-e', '-d', $other->connstr('bank'), "$dir/again" ], 'restore in another cluster, without preload');
is($other->safe_psql('bank', q{SELECT mlops.predict('risk', '{0}'::float8[])}), '2', 'it scores there');
is($other->safe_psql('bank', q{SELECT string_agg(role, ',' ORDER BY role) FROM mlops.privileges WHERE model = 'risk'}),
	'maker,teller', 'a grant to a dropped role is not restored');
is($other->safe_psql('bank', q{SELECT status FROM mlops.verify_audit(checks => '{state,artifacts}')}), 'OK', 'and the audit log verifies');

# a cluster that lacks a role: its grants alone are left out
$other->safe_psql('postgres', 'CREATE DATABASE fewer; DROP DATABASE bank; DROP ROLE teller');
$other->command_ok([ 'pg_restore', '-e', '-d', $other->connstr('fewer'), "$dir/again" ], 'restore where a role is missing');
like(slurp_file($other->logfile), qr/WARNING:.*role "teller" does not exist/, 'the log says so');
is($other->safe_psql('fewer', q{SELECT string_agg(role, ',' ORDER BY role) FROM mlops.privileges WHERE model = 'risk'}),
	'maker', 'and keeps the other grants');

# default privileges of the installing role give nobody a right on our objects
is( $other->safe_psql('postgres', q{
	CREATE ROLE guest;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO guest, PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO guest, PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO guest;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO guest;
	CREATE EXTENSION mlops;
	SELECT coalesce(string_agg(DISTINCT c.relname || ' ' || a.privilege_type, ', '), 'nothing')
	FROM pg_class c, aclexplode(c.relacl) a
	WHERE c.relnamespace = 'mlops'::regnamespace AND a.grantee <> c.relowner
	  AND NOT (c.relkind = 'v' AND a.privilege_type = 'SELECT' AND a.grantee = 0);
	SELECT coalesce(string_agg(p.proname, ', '), 'nothing') FROM pg_proc p, aclexplode(p.proacl) a
	WHERE p.pronamespace = 'mlops'::regnamespace AND a.grantee NOT IN (0, p.proowner);
	DROP EXTENSION mlops}), "nothing\nnothing", 'default privileges open nothing');

# drop and create in one session: nothing of the former is left
is( $other->safe_psql('fewer', q{
	SELECT mlops.predict('risk', '{0}'::float8[]);
	DROP EXTENSION mlops;
	CREATE EXTENSION mlops;
	SELECT mlops.import_model('risk', '} . artifact(7) . q{');
	SELECT mlops.predict('risk/1', '{0}'::float8[]);
	SELECT count(*) FROM mlops.audit_log WHERE action = 'version.register'}), "2\nrisk/1\n7\n1",
	'drop and create the extension in one session');

done_testing();
