
# Memory does not grow with the rows: each aggregate and report over few and
# over twelve times as many rows, in a connection of its own; and what is too
# much for work_mem changes no exact result.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the peak of a process is read from /proc' unless -r '/proc/self/status';

my ($few, $many) = (20_000, 240_000);
my $allowed = 1024;		# kB; 8 bytes of each row would be 1,875

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_buffers = 1MB
jit = off
max_parallel_workers_per_gather = 0});
$node->start;
$node->safe_psql('postgres', qq{
	CREATE EXTENSION mlops;
	SELECT setseed(0.5);
	CREATE TABLE r AS SELECT i, i % 3 = 0 AS y, random() AS s, random() < 0.5 AS c, md5(i::text) AS t, (i % 5)::text AS g,
		random() AS a, random() AS b FROM generate_series(1, $many) i;
	VACUUM ANALYZE r;
	SELECT mlops.train('risk', 'SELECT a, b, y FROM r WHERE i <= 5000', 'y', rounds => 3)});

# kB that a statement takes at its peak beyond what the connection took before
sub peak
{
	my ($sql, $rows) = @_;
	my $status = q{SELECT substring(pg_read_file('/proc/self/status') from 'VmHWM:\s+(\d+)')};
	# what a first statement loads is not counted
	(my $first = $sql) =~ s/ROWS/1000/g;
	$sql =~ s/ROWS/$rows/g;
	my @peaks = grep { /^\d+$/ } split /\n/, $node->safe_psql('postgres',
		qq{SET work_mem = '256kB'; SELECT count(x) FROM ($first) x; $status; SELECT 'rows' || count(x) FROM ($sql) x; $status});
	return $peaks[-1] - $peaks[-2];
}

my %aggregates = (
	'auc, pr_auc, ks, gini' => 'mlops.auc(y, s), mlops.pr_auc(y, s), mlops.ks(y, s), mlops.gini(y, s)',
	auc_ci => 'mlops.auc_ci(y, s, 0.95)',
	roc => 'mlops.roc(y, s, 100)',
	'calibration of equal frequency' => q{mlops.calibration(y, s, 10, 'equal_frequency')},
	'ece of equal frequency' => q{mlops.ece(y, s, 10, 'equal_frequency')},
	'drift of numbers' => q{mlops.drift(s, c)},
	(map { ("drift by $_" => "mlops.drift(s, c, '$_')") }
		qw(ks wasserstein_norm energy anderson_darling cramer_von_mises chi2)),
	'measures of bins and values' => 'mlops.psi(s, c), mlops.js(s, c), mlops.ks(s, c), mlops.wasserstein(s, c)',
	'drift of texts' => q{mlops.drift(t, c)},
	'woe and iv' => 'mlops.woe(y, s), mlops.iv(y, s)',
	score_bands => 'mlops.score_bands(y, s)',
	hosmer_lemeshow => 'mlops.hosmer_lemeshow(y, s)',
	'sketches' => 'mlops.sketch(s), mlops.sketch(t)',
	'measures of probabilities and decisions' => 'mlops.log_loss(y, s), mlops.brier(y, s), mlops.ece(y, s), mlops.f1(y, s)',
	detectors => 'mlops.adwin(s ORDER BY i), mlops.page_hinkley(s ORDER BY i), mlops.ddm(y ORDER BY i)',
	'several groups' => 'g, mlops.auc(y, s)');
my %reports = (
	csi => q{mlops.csi('SELECT s, a, b, t FROM r WHERE i <= ROWS AND c', 'SELECT s, a, b, t FROM r WHERE i <= ROWS AND NOT c')},
	drift_columns => q{mlops.drift_columns('SELECT s, a, b, t FROM r WHERE i <= ROWS AND c', 'SELECT s, a, b, t FROM r WHERE i <= ROWS AND NOT c', 'chi2')},
	profile => q{mlops.profile('SELECT s, a, b, t FROM r WHERE i <= ROWS')},
	drift_report => q{mlops.drift_report('risk/1', 'SELECT a, b FROM r WHERE i <= ROWS')},
	quality_report => q{mlops.quality_report('SELECT i, a, b, t FROM r WHERE i <= ROWS', 'risk/1', key => '{t}')},
	performance_report => q{mlops.performance_report('risk/1', 'SELECT a, b, y, g FROM r WHERE i <= ROWS', 'y', segments => '{g}')},
	bias_report => q{mlops.bias_report('SELECT y, s > 0.5 AS p, g FROM r WHERE i <= ROWS', 'y', 'p', '{g}')});

for my $name (sort keys %aggregates)
{
	my $sql = "SELECT $aggregates{$name} FROM r WHERE i <= ROWS" . ($name eq 'several groups' ? ' GROUP BY g' : '');
	my $growth = peak($sql, $many) - peak($sql, $few);
	cmp_ok($growth, '<', $allowed, "$name: memory is bounded");
}
for my $name (sort keys %reports)
{
	my $sql = "SELECT * FROM $reports{$name}";
	my $growth = peak($sql, $many) - peak($sql, $few);
	cmp_ok($growth, '<', $allowed, "$name: memory is bounded");
}

# The same bits, whether the rows fit into work_mem, make many runs in a file,
# or so many that they are merged.
my $exact = join ', ', map { $aggregates{$_} } grep { !/texts|groups|detectors|sketches/ } sort keys %aggregates;
my %results = map {
	my $memory = $_;
	($memory => $node->safe_psql('postgres', "SET work_mem = '$memory'; SELECT $exact FROM r")) } qw(256MB 1MB 64kB);
is($results{'1MB'}, $results{'256MB'}, 'results are the same from a temporary file');
is($results{'64kB'}, $results{'256MB'}, 'and from merged runs in it');


is($node->safe_psql('postgres', q{SET work_mem = '64kB'; SELECT bool_and(verdict = 'ok'), bool_and((definition->'sketch'->>'current_rank_error')::integer > 0)
	FROM mlops.drift_columns('SELECT t FROM r WHERE c', 'SELECT t FROM r WHERE NOT c')}),
	't|t', 'texts that are too many are compared by sketches, which say so');
my ($code, undef, $error) = $node->psql('postgres', q{SET work_mem = '64kB'; SELECT mlops.woe(y, t) FROM r});
like($error, qr/distinct values.*raise work_mem/s, 'where each text is a bin of the result, too many are an error');

# No file is left, whatever the end of the query.
my (undef, undef, $stopped) = $node->psql('postgres', q{SET work_mem = '64kB'; SELECT 1 / (mlops.auc(y, s) < 0)::integer FROM r});
like($stopped, qr/division by zero/, 'an error after the rows were written');
(undef, undef, $stopped) = $node->psql('postgres', q{SET work_mem = '64kB';
	BEGIN; DECLARE c CURSOR FOR SELECT g, mlops.auc(y, s) FROM r GROUP BY g; FETCH 1 FROM c;
	SAVEPOINT s; SELECT mlops.auc(y, s), 1 / (i - i) FROM r GROUP BY i; ROLLBACK TO s; FETCH 1 FROM c; COMMIT});
unlike($stopped, qr/leak|warning/i, 'a cursor and a savepoint');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), '0', 'no temporary file is left');

$node->stop;
done_testing;
