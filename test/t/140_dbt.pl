# The dbt package with the real dbt-core and dbt-postgres: the example project
# builds, a second build does only what is new, each test fails when what it is
# about is wrong, and a promotion comes as far as gates and policy let it.
use strict;
use warnings;
use Cwd qw(abs_path);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dbt = abs_path('build/dbt/bin/dbt');
plan skip_all => 'dbt-core and dbt-postgres could not be installed from PyPI' unless $dbt and -x $dbt;

my $node = PostgreSQL::Test::Cluster->new('bank');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE bank; CREATE ROLE dbt LOGIN; CREATE ROLE checker LOGIN; CREATE ROLE outsider LOGIN');
$node->safe_psql('bank', q{
	CREATE EXTENSION mlops;
	GRANT CREATE ON DATABASE bank TO dbt, outsider;
	SELECT mlops.setup_roles();
	GRANT mlops_trainer, mlops_auditor TO dbt;
	GRANT mlops_approver TO checker});

# a project of our own, as a user would copy it
my $project = PostgreSQL::Test::Utils::tempdir() . '/project';
my $package = abs_path('dbt');
system('cp', '-r', 'dbt/example', $project) == 0 or die 'could not copy the example';
system('chmod', '-R', 'u+w', $project) == 0 or die 'could not make it writable';
edit('packages.yml', sub { s,local: \.\.,local: $package, });
$ENV{DBT_SEND_ANONYMOUS_USAGE_STATS} = 'false';
$ENV{HOME} = $project;
my $user = 'dbt';

sub edit
{
	my ($name, $change) = @_;
	my $text = slurp_file("$project/$name");
	for ($text) { $change->() }
	open my $file, '>', "$project/$name" or die "could not write $name: $!";
	print $file $text;
	close $file;
}

# dbt(ARGUMENTS): its exit status and its output
sub dbt
{
	my @command = ($dbt, '--no-use-colors', @_, '--project-dir', $project, '--profiles-dir', $project);
	my $output = '';
	local @ENV{'PGHOST', 'PGPORT', 'PGUSER', 'PGDATABASE'} = ($node->host, $node->port, $user, 'bank');
	IPC::Run::run(\@command, '>&', \$output);
	return ($? >> 8, $output);
}

# The tests that failed, by their names in the project.
sub failed_tests
{
	return join ' ', sort($_[0] =~ /^[\d:]+ +\d+ of \d+ FAIL \d+ mlops_(mlops_[a-z_]+?)_(?:applications|credit_risk)/mg);
}

sub sql { return $node->safe_psql('bank', $_[0]) }

my ($status, $output) = dbt('deps');
is($status, 0, 'the package installs') or diag $output;

# --- the first build

($status, $output) = dbt('build');
is($status, 0, 'the example builds, and its tests pass') or diag $output;
like($output, qr{mlops: trained credit_risk/1\n}, 'it trains');
like($output, qr{mlops: credit_risk/1 is champion}, 'it promotes');
like($output, qr{scored 6000 rows, 0 had their score}, 'it scores');
like($output, qr{PASS=13 WARN=0 ERROR=0 SKIP=0}, 'all ran');
is(sql(q{SELECT count(*) FROM dbt_example.loan_scores s JOIN dbt_example.loans l USING (loan_id)
	WHERE s.score = mlops.predict('credit_risk/1', l) AND s.class = mlops.predict_class('credit_risk/1', l)}), 6000,
	'the scores are those of mlops.predict()');
is(sql('SELECT count(*) = 6000 AND bool_and((probability < 0.5) = granted) FROM dbt_example.applications'), 't', 'and so are those of the macros');
is(sql('SELECT count(DISTINCT loan_id) FROM dbt_example.reasons') , sql('SELECT count(*) FROM dbt_example.applications WHERE NOT granted'),
	'every refusal has its reasons');
is(sql('SELECT min(contribution) > 0 AND max(rank) = 3 FROM dbt_example.reasons'), 't', 'which are those that spoke against the loan');
is(sql(q{SELECT created_by || ' ' || description FROM dbt_example.credit_risk}), 'dbt probability that a loan is not paid back',
	'the model is a view with a row per version');

# --- again

($status, $output) = dbt('build');
is($status, 0, 'it builds again') or diag $output;
like($output, qr{mlops: data and recipe are those of credit_risk/1}, 'the same data and recipe give no new version');
like($output, qr{scored 0 rows, 6000 had their score}, 'nothing is scored twice');
is(sql(q{SELECT count(*) FROM mlops.versions}), 1, 'there is one version');
is(sql(q{SELECT count(*) FROM mlops.snapshots}), 1, 'and one snapshot');

($status, $output) = dbt('build', '--vars', '{days: 61}');
is($status, 0, 'a day later it builds') or diag $output;
like($output, qr{scored 200 rows, 6000 had their score}, 'and scores the rows of that day');

($status, $output) = dbt('run', '--select', 'loan_scores', '--full-refresh');
like($output, qr{scored 6200 rows, 0 had their score}, '--full-refresh scores anew') or diag $output;

# --- each test fails when what it is about is wrong

($status, $output) = dbt('build', '--vars', '{shift: 25}');
is($status, 1, 'the build fails when the applications have drifted');
is(failed_tests($output), 'mlops_no_drift', 'as that test says');
($status, $output) = dbt('build');
is($status, 0, 'and no longer when they are as they were') or diag $output;

edit('models/schema.yml', sub {
	s/age: 90 days/age: 0 seconds/;
	s/minimum: 0.65/minimum: 0.95/;
	s/groups: \[sex\], prediction: granted/groups: [employment], prediction: granted/ });
($status, $output) = dbt('test');
is(failed_tests($output), 'mlops_champion_younger_than mlops_four_fifths mlops_performance_at_least',
	'tests of performance, fairness and age fail');
edit('models/schema.yml', sub { s/minimum: 0.95/minimum: 0.65, min_rows: 100000/; s/age: 0 seconds/age: 90 days/; s/\[employment\]/[sex]/ });
($status, $output) = dbt('test');
is(failed_tests($output), 'mlops_performance_at_least', 'too few labels are no good performance');
edit('models/schema.yml', sub { s/, min_rows: 100000//; s/metric: auc,/metric: no_such_metric,/ });
($status, $output) = dbt('test');
is(failed_tests($output), 'mlops_performance_at_least', 'and neither is a metric that there is not');
edit('models/schema.yml', sub { s/metric: no_such_metric,/metric: auc,/ });

# --- gates and approvals

edit('models/credit_risk.sql', sub { s/"at_least": 0.65/"at_least": 0.99/; s/rounds=60/rounds=61/ });
($status, $output) = dbt('run', '--select', 'credit_risk');
is($status, 0, 'a gate that does not pass is no failure') or diag $output;
like($output, qr{credit_risk/2 is not promoted to champion: .*auc}, 'the run says which one, and what is missing');
is(sql(q{SELECT version FROM mlops.aliases WHERE alias = 'champion'}), 1, 'the champion stays');
is(sql('SELECT count(*) FROM mlops.gates'), 2, 'the gate was added, and the other one not twice');
sql(q{SET ROLE dbt; SELECT mlops.drop_gate(id, 'too strict') FROM mlops.gates WHERE at_least = 0.99});
edit('models/credit_risk.sql', sub { s/"at_least": 0.99/"at_least": 0.65/ });

sql(q{SET ROLE dbt; SELECT mlops.set_policy('credit_risk', approvals => 1, reason => 'in production')});
($status, $output) = dbt('run', '--select', 'credit_risk');
is($status, 0, 'an approval that is needed is no failure') or diag $output;
like($output, qr{credit_risk/2 waits for approval to become champion}, 'the run says that it waits');
is(sql(q{SELECT version FROM mlops.aliases WHERE alias = 'champion'}), 1, 'the champion stays until then');
($status, $output) = dbt('run', '--select', 'credit_risk');
is(sql('SELECT count(*) FROM mlops.requests'), 1, 'another run opens no second request') or diag $output;
$node->safe_psql('bank', q{SELECT mlops.approve(1, 'seen')}, connstr => $node->connstr('bank') . ' user=checker');
is(sql(q{SELECT version FROM mlops.aliases WHERE alias = 'champion'}), 2, 'a second person promotes it');
($status, $output) = dbt('run', '--select', 'loan_scores');
like($output, qr{credit_risk/2 scored \d+ rows, 0 had their score}, 'and the next run scores with it') or diag $output;

# --- what is not well configured, and who may not

edit('models/credit_risk.sql', sub { s/    label="defaulted",\n// });
($status, $output) = dbt('run', '--select', 'credit_risk');
like($output, qr{mlops_model needs the config label}, 'a model without a label is an error that says so');
edit('models/credit_risk.sql', sub { s/    key="loan_id"/    label="no_such_column",\n    key="loan_id"/ });
($status, $output) = dbt('run', '--select', 'credit_risk');
like($output, qr{no_such_column}, 'one with another label, too');
is(sql(q{SELECT count(*) FROM mlops.versions}), 2, 'neither makes a version');
edit('models/credit_risk.sql', sub { s/no_such_column/defaulted/ });

{
	$user = 'outsider';
	edit('profiles.yml', sub { s/schema: dbt_example/schema: other/ });
	($status, $output) = dbt('run', '--select', 'loans');
	is($status, 0, 'a role without privileges can build what is no model') or diag $output;
	edit('models/applications.sql', sub { s/ref\("credit_risk"\)/"credit_risk"/g; s/"view"/"table"/ });
	($status, $output) = dbt('run', '--select', 'applications');
	like($output, qr{permission denied}, 'but may not score');
	edit('models/applications.sql', sub { s/"credit_risk"/ref("credit_risk")/g; s/"table"/"view"/ });
	edit('profiles.yml', sub { s/schema: other/schema: dbt_example/ });
	$user = 'dbt';
}

# --- the registry has one name space; names may be anything

edit('models/credit_risk.sql', sub { s/    description=.*\n/    description="it's \\"quoted\\" <b>\\\\",\n/ });
($status, $output) = dbt('run', '--select', 'loans', 'credit_risk', 'applications', '--vars', encode_json({ mlops_prefix => qq{it's "<b> \x{fc} } }));
is($status, 0, 'a prefix keeps targets apart, whatever is in it') or diag $output;
is(sql(q{SELECT description FROM mlops.versions WHERE model = E'it''s "<b> \u00fc credit_risk'}), q{it's "quoted" <b>\\}, 'nothing of it is lost');

# --- documentation

sql(q{SET ROLE dbt; SELECT mlops.set_card('credit_risk', '{"purpose": "consumer loans <b>"}', 'first')});
($status, $output) = dbt('docs', 'generate');
is($status, 0, 'the documentation is made') or diag $output;
my $stats = decode_json(slurp_file("$project/target/catalog.json"))->{nodes}{'model.mlops_example.credit_risk'}{stats};
is($stats->{champion}{value}, 'credit_risk/2', 'it has the champion');
is($stats->{purpose}{value}, 'purpose: consumer loans <b>', 'the card');
like($stats->{metrics}{value}, qr/\bauc 0\.\d+, /, 'and the metrics');
is(decode_json(slurp_file("$project/target/catalog.json"))->{nodes}{'model.mlops_example.loans'}{columns}{income}{type}, 'numeric(9,2)',
	'and what is no model is as it always was');

# --- the audit log

sql(q{ALTER TABLE mlops.audit_event DISABLE TRIGGER USER; UPDATE mlops.audit_event SET reason = 'another' WHERE seq = 3});
($status, $output) = dbt('test', '--select', 'credit_risk');
is(failed_tests($output), 'mlops_audit_verifies', 'the test of the audit log fails when somebody has changed it');

done_testing();
