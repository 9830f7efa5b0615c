
# Experiments over dump and restore: twenty recorded runs, repeated on another
# server, give the same model files.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE bank; CREATE ROLE maker LOGIN');
$node->safe_psql('bank', q{
	CREATE EXTENSION mlops;
	CREATE SCHEMA raw;
	CREATE TABLE raw.loan AS
		SELECT i AS id, i * 7919 % 100 AS a, sqrt(i) AS b, (ARRAY['x', 'y', 'z'])[i % 3 + 1] AS c,
		       i * 7919 % 100 + i % 37 > 80 AS bad
		FROM generate_series(1, 2000) i;
	GRANT USAGE ON SCHEMA raw TO maker;
	GRANT SELECT ON raw.loan TO maker;
	GRANT EXECUTE ON FUNCTION mlops.train, mlops.snapshot, mlops.log_run, mlops.log_metric, mlops.note_run, mlops.repeat_run,
		mlops.choose_threshold TO maker});
$node->safe_psql('bank', q{
	SET ROLE maker;
	SET search_path = raw;
	SET mlops.experiment = 'search';
	SELECT mlops.snapshot('loans', 'SELECT * FROM loan', 'id', true);
	SELECT count(t.version) FROM generate_series(1, 20) i,
		LATERAL mlops.train('risk', CASE WHEN i % 2 = 0 THEN mlops.snapshot_query('loans') ELSE 'SELECT * FROM loan' END, 'bad',
			jsonb_build_object('max_depth', 2 + i % 4, 'subsample', 0.5 + i / 100.0), key => 'id', rounds => 10, seed => i,
			early_stopping_rounds => CASE WHEN i % 3 = 0 THEN 2 ELSE 0 END) t;
	SELECT mlops.log_metric(mlops.log_run('search', '{"C": 1}', name => 'other', status => 'running'), 'auc', 0.5);
	SELECT mlops.note_run(21, 'a note');
	SELECT threshold FROM mlops.choose_threshold('risk/1', 'SELECT * FROM loan', 'bad', maximize => 'f1')});

my $state = q{SET timezone = 'UTC'; SELECT jsonb_build_object(
	'experiments', (SELECT jsonb_agg(to_jsonb(e)) FROM mlops.experiments e),
	'runs', (SELECT jsonb_agg(to_jsonb(r) ORDER BY run) FROM mlops.experiment_runs r),
	'metrics', (SELECT jsonb_agg(to_jsonb(m) ORDER BY run, part, metric, step) FROM mlops.run_metrics m),
	'thresholds', (SELECT jsonb_agg(to_jsonb(t)) FROM mlops.thresholds t))};
my $repeat = q{SELECT count(*), count(*) FILTER (WHERE same_artifact AND same_data)
	FROM mlops.experiment_runs r, LATERAL mlops.repeat_run(r.run) WHERE r.kind = 'train'};
my $before = $node->safe_psql('bank', $state);
is($node->safe_psql('bank', $repeat), '20|20', 'twenty runs give the same model files');
is($node->safe_psql('bank', q{SELECT count(*) FROM mlops.audit_log WHERE action = 'run.repeat'}), '20', 'which is audited');
is($node->safe_psql('bank', q{SELECT status FROM mlops.verify_audit()}), 'OK', 'the audit log verifies');

my $dir = PostgreSQL::Test::Utils::tempdir();
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->append_conf('postgresql.conf', "datestyle = 'German'\ntimezone = 'Asia/Tokyo'\nmax_parallel_workers_per_gather = 0\n");
$other->start;
$other->safe_psql('postgres', 'CREATE ROLE maker LOGIN; CREATE DATABASE bank');
$node->command_ok([ 'pg_dump', '-F', 'directory', '-f', "$dir/bank", $node->connstr('bank') ], 'dump');
$other->command_ok([ 'pg_restore', '-e', '-j', '2', '-d', $other->connstr('bank'), "$dir/bank" ], 'restore on another server');
is($other->safe_psql('bank', $state), $before, 'all is there, with users and times');
is($other->safe_psql('bank', $repeat), '20|20', 'and gives the same model files');
is($other->safe_psql('bank', q{SET ROLE maker; SELECT mlops.log_run('search') > 21}), 't', 'the next run has a number of its own');

# nothing of a repetition is left when it is cancelled
my ($status, $out, $error) = $other->psql('bank', q{SET statement_timeout = 1; SELECT * FROM mlops.repeat_run(1)});
like($error, qr/canceling statement due to statement timeout/, 'a repetition can be cancelled');
is($other->safe_psql('bank', q{SELECT count(*) FROM mlops.versions}), '20', 'and leaves nothing');
$other->safe_psql('bank', 'DROP OWNED BY maker');
$other->safe_psql('postgres', 'DROP OWNED BY maker; DROP ROLE maker');
($status, $out, $error) = $other->psql('bank', 'SELECT * FROM mlops.repeat_run(1)');
like($error, qr/run 1 cannot be repeated.*Role "maker", which made it, does not exist any more/s, 'nor without the role that made it');

done_testing();
