#!/usr/bin/perl
# limits.pl LOG...: the figures with a limit that benchmarks have printed, as a
# table.  Such a line ends with "(at least N)", "(at most N)" or "(under N)";
# the figure is the last number before that.  Ends with 1 if one misses its
# limit.
use strict;
use warnings;

my $number = qr/[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?/;
my $missed = 0;

printf "  %-20s %-54s %12s %18s\n", 'benchmark', '', 'measured', 'limit';
for my $log (@ARGV)
{
	open my $lines, '<', $log or die "could not read $log: $!\n";
	while (my $line = <$lines>)
	{
		next unless $line =~ /^(.*?)\s*\((at least|at most|under) ($number)\b/;
		my ($what, $kind, $limit) = ($1, $2, $3);

		next unless $what =~ /^(.*?)\s+($number)\s*([^0-9]*)$/;
		my ($name, $figure, $unit) = ($1, $2, $3);
		my $good = $kind eq 'at least' ? $figure >= $limit : $kind eq 'at most' ? $figure <= $limit : $figure < $limit;

		$name =~ s{\s+}{ }g;
		$name .= ", $unit" if $unit ne '';
		$missed++ unless $good;
		printf "  %-20s %-54s %12s %18s%s\n", $log, $name, $figure, "$kind $limit", $good ? '' : '  MISSED';
	}
	close $lines;
}
exit($missed > 0);
