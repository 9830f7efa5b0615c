# A search on UCI's "default of credit card clients" finds parameters as good as
# a search of the same size by xgboost and scikit-learn does:
# test/fixtures/tune_reference.py made the figure below.
use strict;
use warnings;
use Cwd;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# what the reference's best model reaches on the test part
my $reference = 0.78167;

my $file = '../shared/data/uci_credit_default.csv.gz';
plan skip_all => "there is no $file" unless -r $file;

my $node = PostgreSQL::Test::Cluster->new('uci');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION mlops; CREATE TABLE credit (id int, '
	  . join(', ', map { "x$_ float8" } 1 .. 23) . ', y int)');
$node->safe_psql('postgres', "COPY credit FROM PROGRAM 'zcat " . Cwd::abs_path($file) . "' (FORMAT csv, HEADER)");
$node->safe_psql('postgres', q{
	CREATE VIEW parted AS SELECT *, CASE WHEN id % 10 < 3 THEN 'test' ELSE 'train' END AS part FROM credit;
	CALL mlops.tune('uci', 'SELECT * FROM parted', 'y',
		'{"max_depth": {"low": 2, "high": 6, "int": true}, "eta": {"low": 0.02, "high": 0.3, "log": true},
		  "subsample": {"low": 0.6, "high": 1}, "min_child_weight": {"low": 1, "high": 30, "log": true}}',
		trials => 12, folds => 3, rounds => 60, key => 'id', split => '{"column": "part"}')});
my $auc = $node->safe_psql('postgres', q{SELECT mlops.auc(y = 1, mlops.predict('uci/1', parted)) FROM parted WHERE part = 'test'});
cmp_ok(abs($auc - $reference), '<=', 0.005, "auc of the tuned model on the test part is $auc, that of the reference $reference");
is($node->safe_psql('postgres', q{SELECT (metrics->>'auc')::float8 FROM mlops.versions WHERE model = 'uci'}), $auc, 'as its metrics say');

$node->stop;
done_testing();
