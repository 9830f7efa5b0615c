# A calibrated version gives the same scores in every process, from the table and
# from shared memory, and in a restored copy, where it is verified, too.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('calibration');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\nmlops.shared_cache_size = '16MB'\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION mlops;
	CREATE TABLE loan AS
		SELECT i AS id, i * 7919 % 1009 AS a, sqrt(i * 31337 % 8191) AS c, i * 7919 % 1009 + i % 50 * 4 > 800 AS bad
		FROM generate_series(1, 20000) i;
	ALTER TABLE loan SET (parallel_workers = 2);
	ANALYZE loan;
	SELECT FROM mlops.train('risk', 'SELECT * FROM loan', 'bad', '{"max_depth": 3}', key => 'id', rounds => 20);
	SELECT FROM unnest('{isotonic,platt}'::text[]) method,
		LATERAL mlops.calibrate('risk/1', $$SELECT * FROM loan WHERE mlops.split(id) = 'test'$$, 'bad', method);
	SELECT FROM mlops.choose_threshold('risk/2', $$SELECT * FROM loan WHERE mlops.split(id) = 'test'$$, 'bad', maximize => 'f1')});

# the scores and classes of all rows, to the last bit
sub scores
{
	my ($database, $settings) = @_;
	return $node->safe_psql($database, qq{
		$settings
		SELECT md5(string_agg(p2 || ' ' || p3 || ' ' || k2 || ' ' || k3, ',' ORDER BY id))
		FROM (SELECT id, mlops.predict('risk/2', l) AS p2, mlops.predict('risk/3', l) AS p3,
		             mlops.predict_class('risk/2', l) AS k2, mlops.predict_class('risk/3', l) AS k3 FROM loan l OFFSET 0) s});
}

my $scores = scores('postgres', 'SET max_parallel_workers_per_gather = 0;');
is($node->safe_psql('postgres', q{SELECT count(*) FROM mlops.stat_cache WHERE place = 'shared' AND version IN (2, 3)}), '2', 'both are in shared memory');
is(scores('postgres', 'SET max_parallel_workers_per_gather = 0;'), $scores, 'and give the same scores from there');
is(scores('postgres', 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;'), $scores, 'in parallel workers, too');

# --- dump and restore
my $dump = $node->basedir . '/dump';
command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'pg_restore', '-d', $node->connstr('copy'), $dump ], 'restore');
is(scores('copy', ''), $scores, 'the copy gives the same scores');
is($node->safe_psql('copy', q{SELECT string_agg(DISTINCT verdict, ',') FROM generate_series(1, 3) v, mlops.verify_model(('risk/' || v)::mlops.modelref)}), 'pass', 'and is verified');
is($node->safe_psql('copy', q{SELECT DISTINCT status FROM mlops.verify_audit(checks => '{state,artifacts}')}), 'OK', 'with its log');

$node->stop;
done_testing();
