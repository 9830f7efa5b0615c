# Golden rows over dump and restore, in every form and with the worst settings;
# over crash, standby and restart; what a version does whose rows were changed;
# and a training whose library scores otherwise than we do.
use strict;
use warnings;
use Cwd;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(make_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\nmlops.protect_records = off\n");
$node->start;
my $top = getcwd();

# the bits of all numbers, as an auditor would compare them
my $bits = q{
	SELECT string_agg(concat_ws(' ', model, version, number, encode(array_send(features), 'hex'),
		encode(array_send(margins), 'hex'), source, added_at, added_by), E'\n' ORDER BY model, version, number)
	FROM mlops.golden_rows};
my $verdicts = q{
	SELECT string_agg(m.model || ' ' || v.item || ' ' || v.verdict, ', ' ORDER BY m.model, m.version)
	FROM mlops.versions m, mlops.verify_model((m.model || '/' || m.version)::mlops.modelref) v
	WHERE v.verdict = 'fail'};
my $score = q{SELECT mlops.predict_margin('edge', '{0,0,0,0}'::float8[])};

# stumps beside -0, at the least and the greatest float, and at one of many digits
$node->safe_psql('postgres', 'CREATE DATABASE bank; CREATE ROLE maker LOGIN');
$node->safe_psql('postgres', 'ALTER DATABASE bank SET extra_float_digits = -15');
$node->safe_psql('bank', q{
	CREATE EXTENSION mlops;
	GRANT EXECUTE ON FUNCTION mlops.import_model, mlops.train, mlops.promote, mlops.add_golden_row TO maker});
$node->safe_psql('bank', qq{
	\\i $top/test/fixtures/stump.sql
	SELECT mlops.import_model('edge', pg_temp.stumps('{a,b,c,d}', '{0,1,2,3}', '{-1e-45,1e-45,3.4028234e38,0.1}',
		'{-0.1,1e-45,0.3333333,-1e-38}', '{0.7,0,1.1,3e-39}', 'reg:squarederror'));
	SELECT mlops.import_model('huge', pg_temp.stumps('{a,b}', '{0,1}', '{1,2}', '{3e38,3e38}', '{-3e38,3e38}', 'reg:squarederror'));
	SELECT mlops.promote('edge/1', reason => 'start')},
	extra_params => ['-U', 'maker']);
$node->safe_psql('bank', q{
	CREATE TABLE loan AS SELECT i AS id, (i * 7919 % 1001) / 10.0::float8 AS x, nullif(i % 17, 3) AS z,
		(ARRAY['a', 'b', 'c', 'd'])[1 + i * 31 % 4] AS c, (i * 7919 % 1001) + (i % 4) * 300 > 900 AS bad FROM generate_series(1, 1000) i;
	GRANT SELECT ON loan TO maker});
$node->safe_psql('bank', q{SELECT mlops.train('trained', 'SELECT * FROM loan', 'bad', key => 'id', rounds => 20)}, extra_params => ['-U', 'maker']);
for my $name ('binary', 'category_many', 'linear', 'multiclass', 'dart')
{
	$node->safe_psql('bank', qq{
		SELECT mlops.import_model('lightgbm_$name', a, (SELECT jsonb_agg(jsonb_build_object('name', f->>'name', 'kind', 'numeric'))
				FROM jsonb_array_elements(mlops.artifact_info(a)->'features') f WHERE '$name' ~ 'categor'))
		FROM (SELECT pg_read_binary_file('$top/test/fixtures/lightgbm/$name.txt')::mlops.artifact) f (a)});
}
$node->safe_psql('bank', q{
	SET extra_float_digits = 1;
	SELECT mlops.add_golden_row('edge/1', '{"a": -1e-45, "b": null, "c": 5, "d": 0.1}',
		mlops.predict_margin('edge/1', '{-1e-45,NULL,5,0.1}'::float8[]), 'notebook')},
	extra_params => ['-U', 'maker']);

my $before = $node->safe_psql('bank', $bits);
is(() = ($before =~ /^\S/mg), 8 * 32 + 1, 'every version has its golden rows');
like($before, qr/8000000000000000/, 'one has -0');
like($before, qr/36a0000000000000/, 'one has the least float');
is($node->safe_psql('bank', q{SELECT count(*) FROM mlops.golden_rows WHERE model = 'huge' AND 'infinity' = ANY (margins)}) > 0,
	1, 'one has a margin beyond all floats');
is($node->safe_psql('bank', $verdicts), '', 'all versions verify');
is($node->safe_psql('bank', q{
	SELECT caller, subject, state_after->>'source',
		state_after->>'sha256' = (SELECT encode(sha256(array_send(features) || array_send(margins)), 'hex')
			FROM mlops.golden_rows WHERE model = 'edge' AND number = 32)
	FROM mlops.audit_log WHERE action = 'golden_row.add'}), 'maker|32|notebook|t', 'what was added is in the audit log');
is($node->safe_psql('bank', q{
	SELECT bool_and(e.state_after->>'golden_sha256' = mlops._golden_digest(v.id)), count(*)
	FROM mlops.audit_log e JOIN mlops.model m ON m.name = e.model JOIN mlops.version v ON v.model_id = m.id AND v.version = e.version
	WHERE e.action = 'version.register'}), 't|8', 'so is the digest of what a version got at its registration');

# crash
$node->stop('immediate');
$node->start;
is($node->safe_psql('bank', $bits), $before, 'all bits are there after a crash');
is($node->safe_psql('bank', $verdicts), '', 'and all versions verify');
my $expected = $node->safe_psql('bank', $score);

# standby
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('bank', $bits), $before, 'a standby has the same bits');
is($standby->safe_psql('bank', $verdicts), '', 'and verifies');
is($standby->safe_psql('bank', $score), $expected, 'and scores');
$standby->stop;

# dump and restore
my $dir = PostgreSQL::Test::Utils::tempdir();
for my $format ('plain', 'custom', 'directory')
{
	my $file = "$dir/$format";
	my $database = "restored_$format";
	$node->command_ok([ 'pg_dump', '-F', $format, '-f', $file, $node->connstr('bank') ], "pg_dump, $format");
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	if ($format eq 'plain')
	{
		$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $file, $node->connstr($database) ], 'psql');
	}
	else
	{
		$node->command_ok([ 'pg_restore', '-e', ($format eq 'directory' ? ('-j', '2') : ()),
				'-d', $node->connstr($database), $file ], "pg_restore, $format");
	}
	is($node->safe_psql($database, $bits), $before, "$format: all bits are there");
	is($node->safe_psql($database, $verdicts), '', "$format: all versions verify");
	is($node->safe_psql($database, 'SELECT status FROM mlops.verify_audit()'), 'OK', "$format: the audit log verifies");
	$node->safe_psql('postgres', "ALTER DATABASE $database SET extra_float_digits = -15");
	is($node->safe_psql($database, $score), $expected, "$format: it scores");
	is($node->safe_psql($database, q{SELECT mlops.promote('edge/1', 'again', 'restored')}), 'edge/1', "$format: it promotes");
	my ($ret, $out, $err) = $node->psql($database, 'DELETE FROM mlops.golden_row');
	like($err, qr/golden_row/, "$format: the rows are kept for ever");
}

# A dump from which the golden rows were left out is not scored with.
$node->command_ok([ 'pg_dump', '-F', 'custom', '--exclude-table-data=mlops.golden_row', '-f', "$dir/without",
		$node->connstr('bank') ], 'pg_dump without golden rows');
$node->safe_psql('postgres', 'CREATE DATABASE without');
$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr('without'), "$dir/without" ], 'pg_restore');
my ($ret, $out, $err) = $node->psql('without', $score);
like($err, qr/ERROR:  version 1 of model "edge" does not give the scores that it gave.*DETAIL:  Golden row 0 is missing\..*HINT:  Do not score with it\. mlops\.verify_model\('edge\/1'\)/s,
	'what lacks them does not score, and says why');
is($out, '', 'and gives nothing');

# What a superuser changes behind the back.  A copy that was compared when it
# was loaded stays right; whoever loads the version anew is refused.
my $tamper = q{
	ALTER TABLE mlops.golden_row DISABLE TRIGGER refuse_change;
	UPDATE mlops.golden_row SET margins = ARRAY[0.5] WHERE number = 0
		AND version_id = (SELECT v.id FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id WHERE m.name = 'edge');
	ALTER TABLE mlops.golden_row ENABLE ALWAYS TRIGGER refuse_change};
$node->safe_psql('bank', $tamper);
is($node->safe_psql('bank', $score), $expected, 'a shared copy was compared when it was made, and scores');
is($node->safe_psql('bank', $verdicts), 'edge golden rows fail, edge library fail', 'verify_model looks at what is stored');
like($node->safe_psql('bank', 'SELECT status, detail FROM mlops.verify_audit()'), qr/\ASTATE_MISMATCH\|[^\n]*edge[^\n]*\Z/,
	'verify_audit finds the change');
($ret, $out, $err) = $node->psql('bank', q{SELECT mlops.promote('edge/1', 'other', 'x')});
like($err, qr/does not give the scores that it gave when it was registered/, 'so does a promotion');
$node->restart;
($ret, $out, $err) = $node->psql('bank', $score, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/ERROR:  ML013: .*DETAIL:  Margin 1 of golden row 0 is .* and was 0\.5\./s, 'after a restart it is refused');
is($out, '', 'without a score');
($ret, $out, $err) = $node->psql('bank', $score);
like($err, qr/golden row 0/, 'again and again');
is($node->safe_psql('bank', q{SELECT count(*) FROM mlops.stat_cache WHERE model = 'edge' AND database = 'bank'}), '0', 'nothing of it is cached');
isnt($node->safe_psql('bank', q{SELECT mlops.predict('trained/1', jsonb_build_object('x', 1, 'z', 2, 'c', 'a'))}), '', 'other versions score');
($ret, $out, $err) = $node->psql('bank', q{SELECT mlops.preload('edge')});
like($err, qr/golden row 0/, 'it is not preloaded either');

# the same where each session loads for itself
$node->safe_psql('restored_custom', $tamper);
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->restart;
is($node->safe_psql('restored_plain', $score), $expected, 'without a shared cache each session compares, and scores');
($ret, $out, $err) = $node->psql('restored_custom', $score);
like($err, qr/golden row 0/, 'or is refused');

# A training process whose libxgboost gives one margin another last bit.  The
# server finds the program beside its own; so its own is copied to where another
# one stands.
my %place;
for my $what ('bindir', 'pkglibdir', 'sharedir')
{
	chomp($place{$what} = `pg_config --$what`);
}
my $prefix = $place{bindir};
$prefix = dirname($prefix) while grep { index($_, "$prefix/") != 0 } values %place;
my $root = "$dir/root";
for my $what ('pkglibdir', 'sharedir')
{
	my $link = $root . substr($place{$what}, length $prefix);
	make_path(dirname($link));
	symlink($place{$what}, $link) or die "$link: $!";
}
my $bin = $root . substr($place{bindir}, length $prefix);
make_path($bin);
copy("$place{bindir}/postgres", "$bin/postgres") or die "$bin/postgres: $!";
append_to_file("$dir/bit.c", <<'C');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
int
XGBoosterPredictFromDMatrix(void *booster, void *matrix, const char *config,
							const uint64_t **shape, uint64_t *dims, float **margins)
{
	int (*predict) (void *, void *, const char *, const uint64_t **, uint64_t *, float **) =
		dlsym(RTLD_NEXT, "XGBoosterPredictFromDMatrix");
	int result = predict(booster, matrix, config, shape, dims, margins);

	((uint32_t *) *margins)[17] ^= 1;
	return result;
}
C
system_or_bail('cc', '-shared', '-fPIC', "$dir/bit.c", '-o', "$dir/bit.so", '-ldl');
append_to_file("$bin/mlops-trainer", "#!/bin/sh\nLD_PRELOAD=$dir/bit.so exec $place{bindir}/mlops-trainer\n");
chmod 0755, "$bin/postgres", "$bin/mlops-trainer";
my $train = q{SELECT model FROM mlops.train('trained', 'SELECT * FROM loan', 'bad', key => 'id', rounds => 20)};
is($node->safe_psql('bank', $train), 'trained/2', 'a training');
$node->stop;
system_or_bail('pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile, '-p', "$bin/postgres", 'start');
$node->_update_pid(1);
($ret, $out, $err) = $node->psql('bank', $train, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/ERROR:  ML013: mlops and libxgboost give different scores with the trained model\nDETAIL:  Margin 1 of golden row 17 is/,
	'one bit of one margin ends a training');
is($node->safe_psql('bank', q{SELECT versions FROM mlops.models WHERE model = 'trained'}), '2', 'with nothing registered');
$node->stop;

done_testing();
