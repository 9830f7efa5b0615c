# Prometheus' postgres_exporter with doc/prometheus/mlops-queries.yaml, as a role
# with pg_monitor and nothing else: what comes over HTTP is what SQL says.
use strict;
use warnings;
use HTTP::Tiny;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# where test/setup/packages.sh puts it if the system has none
my ($exporter) = grep { -x } map { "$_/prometheus-postgres-exporter" } split(/:/, $ENV{PATH}), "$ENV{TESTDIR}/../../exporter/usr/bin";
plan skip_all => 'there is no prometheus-postgres-exporter, and it could not be downloaded' unless $exporter;

my $node = PostgreSQL::Test::Cluster->new('prometheus');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\nTimeZone = 'UTC'\nmax_worker_processes = 12\nmlops.job_run_retention = 0\n");
$node->start;
sub sql { my ($sql, $database, @options) = @_; return $node->safe_psql($database // 'bank', $sql, @options) }

#
# Two databases with something in every figure, at a time that stands
#
sql('CREATE DATABASE bank; CREATE DATABASE core; CREATE ROLE prometheus LOGIN; GRANT pg_monitor TO prometheus; CREATE ROLE "o\'neil" LOGIN', 'postgres');
sql(q{ALTER SYSTEM SET mlops.debug_clock = '2026-06-01 10:30:00'}, 'postgres');
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('mlops.debug_clock', true) = '2026-06-01 10:30:00'});
for my $database ('bank', 'core')
{
	sql(q{
		CREATE EXTENSION mlops;
		SELECT mlops.schedule('a "quoted" name', '0 * * * *', 'SELECT 1', owner => 'o''neil'),
			mlops.schedule('broken', 'manual', 'SELECT 1/0', retries => 0),
			mlops.schedule('off', 'every 1 minute', 'SELECT 1', enabled => false);
		SELECT mlops.run_job('a "quoted" name'), mlops.run_job('broken')}, $database);
	$node->poll_query_until($database, q{SELECT count(*) = 2 FROM mlops.job_run WHERE settled});
}
sql(q{
	\i test/fixtures/stump.sql
	SELECT mlops.import_model('risk', pg_temp.stumps('{a}', '{0}', '{0}', '{1}', '{2}'));
	SELECT mlops.promote('risk/1', reason => 'test');
	CREATE TABLE loan AS SELECT i AS id, i::float8 AS a, timestamptz '2026-05-01Z' + i * interval '1 minute' AS at FROM generate_series(1, 1000) i;
	SELECT count(mlops.predict('risk', l)) FROM loan l;
	SELECT mlops.create_monitor('watch', model => 'risk', source => 'SELECT id, a, at FROM public.loan', time_column => 'at', window_length => '1 day');
});
$node->psql('bank', q{SELECT mlops.predict('risk', (1, 2))});
# everything is at rest
$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type IN ('mlops scheduler', 'mlops job')});

#
# The exporter
#
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $log = "$PostgreSQL::Test::Utils::log_path/exporter.log";
my $base = 'host=' . $node->host . ' port=' . $node->port . ' user=prometheus sslmode=disable dbname=';
my $run;
{
	local $ENV{DATA_SOURCE_NAME} = "${base}bank";
	$run = IPC::Run::start([ $exporter, '--extend.query-path', 'doc/prometheus/mlops-queries.yaml', '--auto-discover-databases', '--include-databases', 'bank,core',
		"--web.listen-address=127.0.0.1:$port" ], '<', '/dev/null', '>', $log, '2>&1');
}
END { my $status = $?; $run->kill_kill if $run; $? = $status }
my $answer;
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	$answer = HTTP::Tiny->new->get("http://127.0.0.1:$port/metrics");
	last if $answer->{success} or !$run->pumpable;
	select(undef, undef, undef, 0.1);
}
ok($answer->{success}, 'the exporter answers') or BAIL_OUT(slurp_file($log));

# samples by name and labels, without the label that says which server it is
my %scraped;
for my $line (split /\n/, $answer->{content})
{
	my ($name, $labels, $value) = $line =~ /^(\w+)(?:\{(.*)\})? (\S+)$/ or next;
	my %label;
	while (defined $labels and $labels =~ /(\w+)="((?:[^"\\]|\\.)*)"/g)
	{
		my ($key, $text) = ($1, $2);
		$text =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ge;
		$label{$key} = $text unless $key eq 'server';
	}
	$scraped{ join ' ', $name, map { "$_=$label{$_}" } sort keys %label } = $value;
}
is($scraped{'pg_up'}, '1', 'it has reached the server');
is($scraped{'pg_exporter_last_scrape_error'}, '0', 'without an error');
unlike(slurp_file($log), qr/level=error|permission denied/, 'nor one in its log');

#
# Each query by SQL, and every cell of it
#
my ($cells, $rows) = (0, 0);
my @wrong;
my %names;
my $yaml = slurp_file('doc/prometheus/mlops-queries.yaml');
while ($yaml =~ /^(mlops_\w+):\n(  master: true\n)?  query: \|\n(.*?)  metrics:\n(.*?)(?=^\S|\z)/msg)
{
	my ($space, $master, $query, $metrics) = ($1, $2, $3, $4);
	my %usage = $metrics =~ /^    - (\w+): \{usage: "(\w+)"/mg;
	my $seen = 0;
	for my $database ($master ? 'bank' : ('bank', 'core'))
	{
		for my $json (split /\n/, sql("SELECT to_jsonb(q) FROM ($query) q", $database, extra_params => [ '-U', 'prometheus' ]))
		{
			my $row = decode($json);
			my $labels = join '', map { " $_=" . ($row->{$_} // '') } sort grep { $usage{$_} eq 'LABEL' } keys %usage;
			is(join(' ', sort keys %$row), join(' ', sort keys %usage), "$space describes each column") unless $seen++;
			$rows++;
			for my $column (grep { $usage{$_} ne 'LABEL' } keys %usage)
			{
				my $got = delete $scraped{"${space}_$column$labels"};
				my $want = $row->{$column} // 'NaN';
				$names{"${space}_$column"} = 1;
				$cells++;
				push @wrong, "${space}_$column$labels: " . ($got // 'nothing') . " instead of $want"
					unless defined $got and ($want eq 'NaN' ? $got eq 'NaN' : $got == $want);
			}
		}
	}
	ok($seen, "$space has figures");
}
is_deeply(\@wrong, [], "all $cells figures of $rows rows are the same over HTTP as in SQL");
is(join(', ', grep { /^mlops_/ } sort keys %scraped), '', 'and there are no others');

# JSON::PP is not in every Perl, and rows are flat
sub decode
{
	my ($json) = @_;
	my %row;
	while ($json =~ /"(\w+)": (?:"((?:[^"\\]|\\.)*)"|([^,}]+))/g)
	{
		my ($key, $text, $value) = ($1, $2, $3);
		$text =~ s/\\(.)/$1/g if defined $text;
		$row{$key} = defined $text ? $text : $value eq 'null' ? undef : $value;
	}
	return \%row;
}

# the figures are of what was done above
my $quick = sub { my ($query, $database) = @_; return sql($query, $database) };
is($quick->(q{SELECT failures, last_success_at FROM mlops.stat_jobs WHERE job = 'broken'}, 'core'), '1|', 'a job has failed');
like($answer->{content}, qr/^mlops_job_failures\{datname="core",job="broken",owner="\w+",server="[^"]+"\} 1$/m, 'Prometheus hears it');
like($answer->{content}, qr/^mlops_job_last_success_seconds\{datname="bank",job="a \\"quoted\\" name",owner="o'neil",server="[^"]+"\} 1\.7803098e\+09$/m, 'and when one succeeded');
like($answer->{content}, qr/^mlops_model_rows_total\{datname="bank",model="risk",server="[^"]+",version="1"\} 1000$/m, 'and how many rows were scored');

# what alerts look at is there
my $alerts = slurp_file('doc/prometheus/mlops-alerts.yaml');
my @used = $alerts =~ /\b(mlops_\w+)/g;
cmp_ok(scalar @used, '>', 8, 'the rules for alerts use figures');
is(join(' ', grep { !$names{$_} } @used), '', 'that there are');
is(sql(q{SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = 'prometheus'::regrole}), 'pg_monitor', 'for a role with pg_monitor and no more');

$run->kill_kill;
undef $run;
$node->stop;
done_testing();
