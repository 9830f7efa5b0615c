# Pages of reports in a real browser: it has nothing to complain of, its document
# has the figures of the database, and a page neither runs nor loads anything.
# With SCREENSHOTS=folder, pictures of the pages are left there.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($browser) = grep { -x } map { "$_/chromium" } split /:/, $ENV{PATH};
plan skip_all => 'there is no chromium' unless $browser;

my $node = PostgreSQL::Test::Cluster->new('bank');
$node->init;
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION mlops;
	CREATE TABLE loan AS
		SELECT i AS id, timestamptz '2026-01-01 00:00+00' + i * interval '15 minutes' AS decided,
		       ((i * 7919) % 1009 / 10.0 + CASE WHEN i > 8000 THEN 40 ELSE 0 END)::float8 AS income, (('x' || left(md5(i::text), 6))::bit(24)::integer / 167772.16)::float8 AS amount,
		       (ARRAY['none', 'short', 'long'])[1 + i % 3] AS employment, (ARRAY['f', 'm'])[1 + i % 2] AS sex,
		       ('x' || right(md5(i::text), 6))::bit(24)::integer / 16777216.0 < 0.1 + 0.6 * ((i * 7919) % 1009) / 1009.0 AS bad
		FROM generate_series(1, 9600) i;
	SELECT mlops.train('credit risk', 'SELECT id, income, amount, employment, bad FROM loan WHERE id <= 4000', 'bad', key => 'id', rounds => 40, params => '{"max_depth": 3}');
	SELECT mlops.promote('credit risk/1', reason => 'first version, validated', change_ref => 'CHG-1001');
	SELECT mlops.set_card('credit risk', '{"purpose": "consumer loans up to 50,000", "limits": "not for companies"}', 'first');
	SELECT mlops.create_monitor('risk daily', 'credit risk', 'loan', 'decided', '1 day', key => '{id}', label => 'bad', groups => '{sex}');
	SELECT mlops.add_check('risk daily', 'drift', min_rows => 50), mlops.add_check('risk daily', 'performance', '{"metrics": ["auc"]}', warn => 0.7, fail => 0.6, min_rows => 50),
	       mlops.add_check('risk daily', 'bias', '{"privileged": ["m"]}', min_rows => 40);
	SELECT mlops.backfill_monitor('risk daily', '2026-02-12', '2026-04-10')});

my $dir = PostgreSQL::Test::Utils::tempdir();
sub page
{
	my ($name, $sql) = @_;
	open my $file, '>', "$dir/$name.html" or die "could not write $name.html: $!";
	print $file $node->safe_psql('postgres', $sql);
	close $file;
	return "file://$dir/$name.html";
}

# The document after the browser has made it, and what it wrote to its console.
sub browse
{
	my ($address, @options) = @_;
	my ($document, $log);
	my $result = IPC::Run::run([ 'timeout', '120', $browser, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
		"--user-data-dir=$dir/profile", '--enable-logging=stderr', '--hide-scrollbars', '--virtual-time-budget=2000', @options, $address ],
		'>', \$document, '2>', \$log);
	diag $log unless $result;
	return ($document, join '', grep { /CONSOLE/ } split /^/m, $log);
}

# that a complaint would be seen
open my $file, '>', "$dir/bad.html" or die;
print $file '<!DOCTYPE html><title>x</title><script>document.title = "ran"; nosuchfunction()</script>';
close $file;
my ($document, $console) = browse("file://$dir/bad.html", '--dump-dom');
plan skip_all => 'chromium does not run here' unless defined $document and $document =~ /<title>/;
like($console, qr/nosuchfunction/, 'a complaint of the browser is seen');
like($document, qr/<title>ran</, 'and so is what a page does');

my %page = (
	version => page('version', q{SELECT mlops.report_html('credit risk', 'SELECT * FROM loan WHERE id > 7000', 'bad', '{sex}', '{false}')}),
	monitor => page('monitor', q{SELECT mlops.monitor_html('risk daily')}));
for my $name (sort keys %page)
{
	($document, $console) = browse($page{$name}, '--dump-dom');
	is($console, '', "$name: nothing to complain of");
	like($document, qr{<main>.*<h2>.*</main>}s, "$name: it has its sections");
	unlike($document, qr{<script|src=|href=|url\(|\@import}, "$name: nothing is loaded or run");
	cmp_ok(-s "$dir/$name.html", '<', 300_000, "$name: below 300 kB");
	my $source = slurp_file("$dir/$name.html");
	my %count;
	for my $tag (qw(section table svg polyline path td figure))
	{
		is(scalar(() = $document =~ /<$tag\b/g), scalar(() = $source =~ /<$tag\b/g), "$name: the browser has as many $tag as were written");
	}
	if ($ENV{SCREENSHOTS})
	{
		browse($page{$name}, "--screenshot=$ENV{SCREENSHOTS}/$name.png", '--window-size=1100,1700');
		browse($page{$name}, "--screenshot=$ENV{SCREENSHOTS}/${name}_phone.png", '--window-size=500,1700', '--blink-settings=preferredColorScheme=0');
	}
}

# the right numbers
($document) = browse($page{version}, '--dump-dom');
my $auc = $node->safe_psql('postgres', q{SELECT trim_scale(round((metrics->>'auc')::numeric, 4)) FROM mlops.versions});
like($document, qr{<bdi>auc</bdi></td><td>\Q$auc\E <small>}, 'the AUC of the test rows');
my $now = $node->safe_psql('postgres', q{SELECT mlops._figure(mlops.auc(bad, mlops.predict('credit risk', l))) FROM loan l WHERE id > 7000});
like($document, qr{<td>auc</td><td>\Q$now\E <small>}, 'that of the rows of the query');
my $shift = $node->safe_psql('postgres', q{SELECT mlops._figure(value) FROM mlops.drift_report('credit risk', 'SELECT * FROM loan WHERE id > 7000') WHERE feature = 'income'});
like($document, qr{<td><bdi>income</bdi></td><td>feature</td><td>psi</td><td>\Q$shift\E</td>}, 'the drift of a feature');
like($document, qr{<bdi>first version, validated</bdi></td><td><bdi>CHG-1001</bdi>}, 'the promotion, with its reason and change');
like($document, qr{<h2>Audit log</h2>.*<td>OK</td>}s, 'the audit log verifies');
($document) = browse($page{monitor}, '--dump-dom');
my $windows = $node->safe_psql('postgres', q{SELECT count(DISTINCT window_start) || ' windows, ' || count(*) FILTER (WHERE verdict = 'fail') || ' of them failed'
	FROM mlops.check_results WHERE metric = 'psi' AND attribute = 'income'});
like($document, qr{psi income<br><small>\Q$windows\E}, 'a figure over its windows, with those that failed');
my $alert = $node->safe_psql('postgres', q{SELECT count(*) FROM mlops.alerts WHERE kind = 'drift'});
is(scalar(() = $document =~ m{<tr><td>\d+</td><td>drift</td><td>open</td>}g), $alert, 'the alerts');

# a page is printed as it is shown
browse($page{version}, "--print-to-pdf=$dir/version.pdf");
cmp_ok(-s "$dir/version.pdf" // 0, '>', 10_000, 'it prints');

done_testing();
