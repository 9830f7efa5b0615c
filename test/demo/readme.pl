#!/usr/bin/perl
# readme.pl README OUTPUT: whether the text block of the README that begins with
# a step of the demo is what the demo printed, but for lines in square brackets,
# which stand for what was left out, and for times, hashes and process ids.  With
# README_FILL=1 it rewrites the block: each stretch between two such lines from
# its first line to its last ones, as the demo prints them now; where these
# have changed themselves, it has to be edited.
use strict;
use warnings;

my ($readme, $output) = @ARGV;

# what differs from run to run, and what depends on its width
sub stable
{
	my $line = shift;
	$line =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00 */TIME /g;
	$line =~ s/"\d{4}-\d\d-\d\dT[\d:.]+Z"/"TIME"/g;
	$line =~ s/ PID \d+\.$/ PID./;
	$line =~ s/(?<![0-9a-f.])[0-9a-f]{12,}(?![0-9a-f])/HASH/g;
	$line =~ s/-{3,}/---/g;
	$line =~ s/ +/ /g;
	$line =~ s/ $//;
	return $line;
}

sub lines
{
	my $file = shift;
	open my $handle, '<', $file or die "$file: $!\n";
	my @lines = <$handle>;
	chomp @lines;
	s/\s+$// for @lines;
	# one empty line is as good as two
	return @lines[ grep { $_ == 0 || $lines[$_] ne '' || $lines[ $_ - 1 ] ne '' } 0 .. $#lines ];
}

my @page = lines($readme);
my @printed = lines($output);
my @stable = map { stable($_) } @printed;

my ($begin) = grep { $page[$_] eq '```text' && $page[$_ + 1] =~ /^--- \d+\. / } 0 .. $#page - 1;
die "$readme has no block of the demo\n" unless defined $begin;
my ($end) = grep { $page[$_] eq '```' } $begin + 1 .. $#page;

# the stretches, each with the line in brackets that follows it
my @stretches = ([]);
my @marks;
for my $line (@page[ $begin + 1 .. $end - 1 ])
{
	if ($line =~ /^\[\.\.\..*\]$/) { push @marks, $line; push @stretches, [] }
	else { push @{ $stretches[-1] }, $line }
}

my $at = 0;
my @new;
my $different = 0;
for my $number (0 .. $#stretches)
{
	my @wanted = map { stable($_) } @{ $stretches[$number] };
	next unless @wanted;
	my ($first) = grep { $stable[$_] eq $wanted[0] && (@wanted < 2 || $stable[ $_ + 1 ] eq $wanted[1] || $ENV{README_FILL}) } $at .. $#stable - 1;
	die "$readme: the demo does not print: $stretches[$number][0]\n" unless defined $first;

	# its last lines, where they are nearest to as many lines as it has
	my $few = @wanted < 4 ? $#wanted : 3;
	my @ends = sort { abs($a - $first - $#wanted) <=> abs($b - $first - $#wanted) }
		grep { my $last = $_; !grep { $stable[ $last - $_ ] ne $wanted[ -1 - $_ ] } 0 .. $few } $first + $few .. $#stable;
	my $last = $ENV{README_FILL} ? $ends[0] : $first + $#wanted;
	die "$readme: the demo does not print: $stretches[$number][-1]\n" unless defined $last;
	for my $i (0 .. $#wanted)
	{
		last if $ENV{README_FILL};
		next if $first + $i < @stable && $stable[ $first + $i ] eq $wanted[$i];
		print STDERR "$readme: $stretches[$number][$i]\ndemo: ", $printed[ $first + $i ] // '', "\n";
		$different = 1;
		last;
	}
	push @new, @printed[ $first .. $last ];
	push @new, $marks[$number] if $number < @marks;
	$at = $last + 1;
}

if ($ENV{README_FILL})
{
	splice @page, $begin + 1, $end - $begin - 1, @new;
	open my $handle, '>', $readme or die "$readme: $!\n";
	print $handle map { "$_\n" } @page;
}
exit $different;
