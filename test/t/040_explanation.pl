# Explanations in a server without preload: parallel workers give what the
# leader gives, reasons are audited, and survive dump and restore.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('explanation');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE bank; CREATE DATABASE restored');

# amount < 100 gives -1, otherwise 1; 3 of 4 training rows went left
my $artifact = '{"version":[1,7,4],"learner":{"attributes":{},"feature_names":["amount"],"feature_types":["float"],'
  . '"gradient_booster":{"name":"gbtree","model":{"gbtree_model_param":{"num_trees":"1","num_parallel_tree":"1","size_leaf_vector":"0"},"tree_info":[0],"trees":['
  . '{"id":0,"tree_param":{"num_nodes":"3","num_deleted":"0","num_feature":"1","size_leaf_vector":"0"},'
  . '"left_children":[1,-1,-1],"right_children":[2,-1,-1],"parents":[2147483647,0,0],"split_indices":[0,0,0],'
  . '"split_conditions":[100,-1,1],"split_type":[0,0,0],"default_left":[0,0,0],"base_weights":[0,0,0],'
  . '"loss_changes":[1,0,0],"sum_hessian":[4,3,1],"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[]}]}},'
  . '"learner_model_param":{"base_score":"0","num_class":"0","num_feature":"1","num_target":"1"},"objective":{"name":"reg:squarederror"}}}';
$node->safe_psql('bank', qq{
	CREATE EXTENSION mlops;
	SELECT mlops.import_model('risk', '$artifact'::json::mlops.artifact);
	SELECT mlops.promote('risk/1', reason => 'test');
	CREATE TABLE loan AS SELECT i AS id, i % 200 AS amount FROM generate_series(1, 20000) i;
	ANALYZE loan});

# every function in workers, with reasons, which they read themselves
$node->safe_psql('bank', q{SELECT mlops.set_reason('risk', 'amount', 'The amount is too high')});
my $parallel = q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2;};
my $query = q{SELECT count(*), sum(c[1]), sum(c[2]), count(*) FILTER (WHERE r = '{The amount is too high}'), sum(n)
	FROM (SELECT mlops.contributions('risk', l) AS c, mlops.reason_codes('risk', l) AS r,
	             (SELECT count(e.reason) FROM mlops.explain('risk', l) e) AS n FROM loan l) s};
like($node->safe_psql('bank', "$parallel EXPLAIN $query"), qr/Parallel Seq Scan/, 'explanations do not stand in the way of a parallel plan');
my $serial = $node->safe_psql('bank', "SET max_parallel_workers_per_gather = 0; $query");
is($serial, '20000|10000|-10000|10000|10000', 'explanations of a table');
is($node->safe_psql('bank', "$parallel $query"), $serial, 'the same in parallel workers');

# the audit log has what was before and after
$node->safe_psql('bank', q{SELECT mlops.set_reason('risk', 'amount', 'Amount too high for the income')});
is($node->safe_psql('bank', q{
	SELECT action, model, subject, state_before->'up'->>'text', state_after->'up'->>'text', detail->>'direction'
	FROM mlops.audit_log WHERE action = 'reason.set' ORDER BY seq}),
	"reason.set|risk|amount||The amount is too high|up\n"
	  . 'reason.set|risk|amount|The amount is too high|Amount too high for the income|up', 'changes of a reason are audited');
$node->psql('bank', q{BEGIN; SELECT mlops.set_reason('risk', 'amount', 'x'); ROLLBACK});
is($node->safe_psql('bank', q{SELECT count(*) FROM mlops.audit_log WHERE action = 'reason.set'}), '2', 'one that was rolled back is not');

# dump and restore
my $file = "$PostgreSQL::Test::Utils::tmp_check/bank.sql";
$node->command_ok([ 'pg_dump', '--no-sync', '-f', $file, $node->connstr('bank') ], 'dump');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $file, $node->connstr('restored') ], 'restore');
my $reasons = q{SELECT * FROM mlops.reasons};
is($node->safe_psql('restored', $reasons), $node->safe_psql('bank', $reasons), 'reasons are as they were');
is($node->safe_psql('restored', q{SELECT mlops.reason_codes('risk', '{"amount": 100}'::jsonb)}),
	'{"Amount too high for the income"}', 'and are given');

done_testing();
