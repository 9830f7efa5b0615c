# A model as SQL where there is no extension: another server, which has no
# library either, gives the same margins and predictions.  And a search for a
# counterfactual that takes long can be cancelled.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $home = PostgreSQL::Test::Cluster->new('home');
$home->init;
$home->start;
my $away = PostgreSQL::Test::Cluster->new('away');
$away->init;
$away->append_conf('postgresql.conf', "jit = off\n");
$away->start;

$home->safe_psql('postgres', <<'SQL');
CREATE EXTENSION mlops;
SELECT setseed(0.5);
CREATE TABLE loan AS
    SELECT i AS id, CASE WHEN random() < 0.95 THEN (random() * 60)::integer END AS age,
           CASE WHEN random() < 0.95 THEN random() * 1000 WHEN random() < 0.5 THEN 'NaN' END AS amount,
           CASE WHEN random() < 0.95 THEN date '2020-01-01' + (random() * 1000)::integer END AS opened,
           CASE WHEN random() < 0.95 THEN ('{rent,own,"it''s free"}'::text[])[1 + floor(random() * 3)] END AS housing,
           random() < 0.5 AS married
    FROM generate_series(1, 2000) i;
ALTER TABLE loan ADD y integer;
UPDATE loan SET y = floor((sin(coalesce(age, 9)) + cos(coalesce(nullif(amount, 'NaN'), 7) / 100) + coalesce(opened - '2021-01-01', 0) / 500.0
                           + CASE housing WHEN 'own' THEN 1 ELSE 0 END + married::integer + random() + 4) / 3);
SELECT mlops.train('binary', 'SELECT id, age, amount, opened, housing, married, y > 1 AS y FROM loan', 'y', '{"max_depth": 7}', key => 'id', rounds => 150);
SELECT mlops.train('classes', 'SELECT id, age, amount, opened, housing, married, y FROM loan', 'y', '{"objective": "multi:softprob", "max_depth": 4}', key => 'id', rounds => 20);
SQL

my @outputs = (
	[ 'binary', 'margin', "(mlops.predict_margin('binary/1', l))[1]", '%s::float8' ],
	[ 'binary', 'prediction', "mlops.predict('binary/1', l)", '%s::float8' ],
	[ 'classes', 'margin', "mlops.predict_margin('classes/1', l)", '%s::float8[]' ],
	[ 'classes', 'prediction', "mlops.predict_proba('classes/1', l)", '%s::float8[]' ]);

# The greatest relative difference of two lists of numbers; infinite if they
# are not equally long.
sub difference
{
	my ($first, $second) = map { [ split /[|{},\n]+/ ] } @_;
	my $greatest = @$first == @$second ? 0 : 9**9**9;
	for my $i (0 .. $#$first)
	{
		my $difference = abs($first->[$i] - $second->[$i]);
		$greatest = $difference / abs($first->[$i]) if $difference > $greatest * abs($first->[$i]);
	}
	return $greatest;
}

my $rows = $home->safe_psql('postgres', 'COPY loan TO STDOUT');
$away->safe_psql('postgres', 'CREATE TABLE loan (id integer, age integer, amount float8, opened date, housing text, married boolean, y integer)');
append_to_file("$PostgreSQL::Test::Utils::tmp_check/loan.copy", "$rows\n");
$away->safe_psql('postgres', "\\copy loan FROM '$PostgreSQL::Test::Utils::tmp_check/loan.copy'");
is($away->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'mlops'"), '0', 'there is no extension');

for my $output (@outputs)
{
	my ($model, $kind, $ours, $theirs) = @$output;
	my $expression = $home->safe_psql('postgres', "SELECT mlops.to_sql('$model/1', '$kind', 'l')");
	my $expected = $home->safe_psql('postgres', "SELECT id, $ours FROM loan l ORDER BY id");
	my $given = sprintf $theirs, "($expression)";
	my $got = $away->safe_psql('postgres', "SELECT id, $given FROM loan l ORDER BY id");
	cmp_ok(difference($expected, $got), '<=', $kind eq 'margin' ? 0 : 1e-6, "$model, $kind: rows where there is no extension");
	is(scalar(() = $expected =~ /\n/g), 1999, 'all of them');
}

# as a view, a generated column and an index
my $expression = $home->safe_psql('postgres', "SELECT mlops.to_sql('binary/1')");
$away->safe_psql('postgres', "CREATE VIEW scored AS SELECT id, $expression AS score FROM loan");
is($away->safe_psql('postgres', 'SELECT count(*), count(score), bool_and(score BETWEEN 0 AND 1) FROM scored'), '2000|2000|t', 'in a view');
$away->safe_psql('postgres', "ALTER TABLE loan ADD score float8 GENERATED ALWAYS AS ($expression) STORED");
is($away->safe_psql('postgres', 'SELECT count(*) FROM loan l JOIN scored s USING (id) WHERE l.score <> s.score'), '0', 'in a generated column');

# a search that goes on and on
$home->safe_psql('postgres', <<'SQL');
DO $$ BEGIN
    EXECUTE 'CREATE TABLE noise AS SELECT ' || (SELECT string_agg(format('random() AS x%s', i), ', ') FROM generate_series(1, 30) i)
            || ', random() < 0.5 AS y FROM generate_series(1, 3000)';
END $$;
SELECT mlops.train('noise', 'SELECT * FROM noise', 'y', '{"max_depth": 6}', rounds => 200, split => '{}');
SQL
my ($status, $out, $error) = $home->psql('postgres', <<'SQL');
SET statement_timeout = '500ms';
SELECT * FROM noise n, mlops.counterfactual('noise/1', n, (SELECT array_agg('x' || i) FROM generate_series(1, 30) i),
                                            threshold => 0.99999, max_changes => 8, budget => 2000000000) LIMIT 1;
SQL
isnt($status, 0, 'a long search ends when it is cancelled');
like($error, qr/canceling statement due to statement timeout/, 'and says so');

done_testing();
