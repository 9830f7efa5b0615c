# The examples of the manual: every block ```sql of doc/*.md is run, page by
# page in a database of its own, and what follows it as ```text must be what
# psql prints.  In that text a line of "..." stands for any lines, and "…"
# for anything within a line.  After ```text about, numbers may have other digits
# after the point, a plot other points, and a table another width: those of a
# model depend on the version of the library that trained it.
#
# DOC_FILL=1 writes what psql printed into the pages instead of comparing;
# read the difference before you commit it.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('doc');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\nmlops.protect_records = off\n");
$node->start;

# The blocks of a page: [statements, expected text or undef].
sub blocks
{
	my ($text) = @_;
	my @blocks;
	while ($text =~ /^```sql\n(.*?)^```\n(?:\n?```text( about)?\n(.*?)^```\n)?/msg)
	{
		push @blocks, [ $1, $3, $2 ];
	}
	return @blocks;
}

# A pattern for an expected text; about it, with other digits after points.
sub pattern
{
	my ($text, $about) = @_;
	my $pattern = join '', map {
		my $line = $_;
		$line =~ s/\s+$//;
		if ($about && $line =~ /\A(.*│).*[●·]/) { quotemeta($1) . '.*\n' }
		elsif ($about && $line =~ /\A-+\z/) { '-+\n' }
		elsif ($about && $line =~ /\A +(\w+)\z/) { ' +' . $1 . '\n' }
		else { $line eq '...' ? '(?:.*\n)*?' : join('.*?', map { quotemeta } split /…/, $line, -1) . '\n' }
	} split /\n/, $text;
	$pattern =~ s/\\\.\d+/\\.\\d+/g if $about;
	return qr/\A$pattern\z/;
}

sub fill
{
	my ($page, $text) = @_;
	open my $file, '>', $page or die "$page: $!";
	print $file $text;
	close $file;
}

for my $page (sort glob 'doc/*.md')
{
	my $text = slurp_file($page);
	my @blocks = blocks($text);
	next unless grep { defined $_->[1] } @blocks;

	my ($name) = $page =~ m{doc/(.*)\.md};
	(my $database = "doc_$name") =~ s/\W/_/g;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION mlops');

	my $script = "$PostgreSQL::Test::Utils::tmp_check/doc_$name.sql";
	my $number = 0;
	append_to_file($script, "\\pset pager off\n" . join '', map { $number++; "\\echo \@\@ $number\n$_->[0]" } @blocks);

	my $connstr = $node->connstr($database);
	my $printed = `psql -X -q -f '$script' -d '$connstr' 2>&1`;
	$printed =~ s/^psql:\Q$script\E:\d+: //mg;
	my (undef, @printed) = split /^\@\@ \d+\n/m, $printed, -1;
	is(scalar @printed, scalar @blocks, "$page: every example ran");

	for my $i (0 .. $#blocks)
	{
		next unless defined $blocks[$i][1];
		(my $got = $printed[$i] // '') =~ s/[ \t]+$//mg;
		$got =~ s/\n+\z/\n/;
		(my $expected = $blocks[$i][1]) =~ s/\n+\z/\n/;
		if ($ENV{DOC_FILL})
		{
			my $from = "```sql\n$blocks[$i][0]```\n";
			$text =~ s/\Q$from\E(\n?)```text( about)?\n.*?^```\n/"$from$1```text" . ($2 \/\/ '') . "\n$got```\n"/mse
			  if $got !~ pattern($expected, $blocks[$i][2]);
		}
		else
		{
			my ($first) = $blocks[$i][0] =~ /\A(.*)/;
			like($got, pattern($expected, $blocks[$i][2]), "$page: $first");
		}
	}
	fill($page, $text) if $ENV{DOC_FILL};
}

# One page is made as a whole.
$node->safe_psql('postgres', 'CREATE DATABASE reference');
$node->safe_psql('reference', 'CREATE EXTENSION mlops');
(my $reference = $node->safe_psql('reference', slurp_file('test/setup/reference.sql'))) =~ s/\n*\z/\n/;
fill('doc/functions.md', $reference) if $ENV{DOC_FILL};
is_deeply([ split /\n/, slurp_file('doc/functions.md') ], [ split /\n/, $reference ], 'doc/functions.md is what the catalogs say');

done_testing();
