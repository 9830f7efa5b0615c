
# Snapshots over dump and restore, a table that was written anew, a crash and a
# standby: content and copy have the hash that was recorded.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE bank; CREATE ROLE maker LOGIN; CREATE ROLE stranger LOGIN');
$node->safe_psql('bank', q{
	CREATE EXTENSION mlops;
	CREATE TYPE public.grade AS ENUM ('low', 'high');
	CREATE TABLE loan AS
		SELECT i AS id, sqrt(i) AS amount, (i * 7919 % 1000)::numeric / 7 AS income,
		       (ARRAY['low', 'high'])[i % 2 + 1]::grade AS grade, repeat('x' || i, i % 5000) AS text,
		       timestamptz '2024-03-31 01:30:00+00' + i * interval '1 hour' AS seen, i % 3 = 0 AS bad
		FROM generate_series(1, 3000) i;
	GRANT SELECT ON loan TO maker;
	GRANT EXECUTE ON FUNCTION mlops.snapshot, mlops.verify_snapshot, mlops.drop_snapshot, mlops.train TO maker;
	SET ROLE maker;
	SELECT mlops.snapshot('loans', 'SELECT * FROM public.loan', 'id', label => 'bad');
	SELECT mlops.snapshot('loans', 'SELECT * FROM public.loan', 'id', true, label => 'bad');
	SELECT version FROM mlops.train('risk', replace(mlops.snapshot_query('loans/2'), '*', 'id, amount, income, grade, bad'), 'bad', key => 'id', rounds => 3)});
is($node->safe_psql('bank', q{SELECT string_agg(action || ' ' || subject, ',' ORDER BY seq) FROM mlops.audit_log WHERE action LIKE 'snapshot.%'}),
	'snapshot.create loans/1,snapshot.create loans/2', 'snapshots are in the audit log');
my $hash = $node->safe_psql('bank', 'SELECT DISTINCT hash FROM mlops.snapshots');
like($hash, qr/^[0-9a-f]{64}$/, 'both have one hash');
is($node->safe_psql('bank', 'SELECT count(*), count(DISTINCT (name, md5(sketch::text))) FROM mlops.snapshot_profiles'), '14|7', 'and one profile');
my $state = q{SELECT jsonb_agg(to_jsonb(s) ORDER BY version) FROM mlops.snapshots s
	UNION ALL SELECT jsonb_agg(jsonb_build_array(p.snapshot, p.name, p.type, p.kind, md5(p.sketch::text), p.bin_counts) ORDER BY version, position)
	FROM mlops.snapshot_profiles p};
my $before = $node->safe_psql('bank', $state);
my $verify = q{SELECT string_agg(s || ' ' || source || ' ' || same::text || coalesce(' ' || problem, ''), ',' ORDER BY s, source DESC)
	FROM unnest(ARRAY['loans/1', 'loans/2']) s, mlops.verify_snapshot(s)};
my $well = 'loans/1 query true,loans/2 query true,loans/2 copy true';
is($node->safe_psql('bank', $verify), $well, 'they verify');

# the table is written anew, in another order
$node->safe_psql('bank', q{
	CREATE TABLE anew AS SELECT * FROM loan ORDER BY md5(id::text);
	TRUNCATE loan;
	INSERT INTO loan SELECT * FROM anew});
is($node->safe_psql('bank', $verify), $well, 'after the table was written anew');
$node->safe_psql('bank', 'ALTER TABLE loan ALTER text SET STORAGE EXTERNAL; UPDATE loan SET text = text || $$$$; VACUUM FULL loan');
is($node->safe_psql('bank', $verify), $well, 'and its values stored in another way');

my $dir = PostgreSQL::Test::Utils::tempdir();
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->append_conf('postgresql.conf', "datestyle = 'SQL, DMY'\ntimezone = 'America/St_Johns'\nextra_float_digits = 0\n");
$other->start;
$other->safe_psql('postgres', 'CREATE ROLE maker LOGIN; CREATE ROLE stranger LOGIN');
for my $format ('plain', 'custom', 'directory')
{
	my $file = "$dir/$format";
	$node->command_ok([ 'pg_dump', '-F', $format, '-f', $file, $node->connstr('bank') ], "pg_dump, $format");
	$other->safe_psql('postgres', "CREATE DATABASE $format");
	if ($format eq 'plain')
	{
		$other->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $file, $other->connstr($format) ], 'psql');
	}
	else
	{
		$other->command_ok([ 'pg_restore', '-e', ($format eq 'directory' ? ('-j', '2') : ()), '-d', $other->connstr($format), $file ],
			"pg_restore, $format");
	}
	is($other->safe_psql($format, $verify), $well, "$format: query and copy have their content");
	is($other->safe_psql($format, "SET timezone = 'UTC'; SET datestyle = 'ISO'; $state") =~ s/"created_at": "[^"]*"//gr,
		$before =~ s/"created_at": "[^"]*"//gr, "$format: the records are there");
	is($other->safe_psql($format, 'SET ROLE maker; SELECT count(*) FROM mlops_data.snapshot_2'), '3000', "$format: the maker reads the copy");
	isnt($other->psql($format, 'SET ROLE stranger; SELECT count(*) FROM mlops_data.snapshot_2'), 0, "$format: a stranger does not");
	my ($status, $out, $error) = $other->psql($format, q{SELECT mlops.drop_snapshot('loans/2')});
	like($error, qr/snapshot "loans\/2" is in use/, "$format: the run that used it is known");
	is($other->safe_psql($format, q{SELECT mlops.snapshot('loans', 'SELECT 1 AS a', materialize => true)}), 'loans/3', "$format: the next has the next number");
	is($other->safe_psql($format, q{SELECT mlops.drop_snapshot('loans/3')}), '', "$format: and can be dropped");
}

# a role that is not there
$other->safe_psql('postgres', 'CREATE DATABASE fewer; DROP DATABASE plain; DROP DATABASE custom; DROP DATABASE directory; DROP ROLE maker');
$other->command_ok([ 'sh', '-c', "pg_restore --no-owner --no-privileges -d '" . $other->connstr('fewer') . "' $dir/custom" ], 'restore where the maker is missing');
is($other->safe_psql('fewer', q{SELECT count(*) FROM mlops.snapshots}), '2', 'superusers see the snapshots');
is( $other->safe_psql('fewer', q{SELECT string_agg(source || ' ' || same, ',' ORDER BY source) FROM mlops.verify_snapshot('loans/2')}),
	'copy true,query false', 'the copy verifies, and the query runs as nobody');

# a standby reads copies and hashes
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('bank', q{SELECT encode(mlops.content_hash(s), 'hex') FROM mlops_data.snapshot_2 s}), $hash, 'the standby hashes the copy');
is($standby->safe_psql('bank', $verify), $well, 'and verifies');
isnt($standby->psql('bank', q{SELECT mlops.snapshot('x', 'SELECT 1 AS a')}), 0, 'but makes none');

# what was not committed is gone, with its table
my ($status, $out, $error) = $node->psql('bank', q{
	BEGIN;
	SELECT mlops.snapshot('gone', 'SELECT * FROM public.loan', materialize => true);
	SELECT 1 / 0});
$node->stop('immediate');
$node->start;
is($node->safe_psql('bank', q{SELECT count(*) FROM pg_class WHERE relname ~ '^_snapshot_' AND relkind = 'r'}), '1', 'a rolled back copy leaves no table');
is($node->safe_psql('bank', $verify), $well, 'and a crash nothing else');
# a cancel ends it at once
($status, $out, $error) = $node->psql('bank', q{SET statement_timeout = 300; SELECT mlops.snapshot('slow', 'SELECT i, pg_sleep(1) IS NULL AS p FROM generate_series(1, 100) i', materialize => true)});
like($error, qr/canceling statement due to statement timeout/, 'a snapshot can be cancelled');

done_testing();
