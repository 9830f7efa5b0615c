#!/usr/bin/perl
# harness.pl LOGDIR COMMAND... -- TEST...
#
# Runs each test as COMMAND... TEST, reads the TAP that it prints, shows what
# failed with its diagnostics, and says in its last line how many assertions
# passed and failed.  A test that does not do what it planned, or ends with an
# error without a failed assertion, counts as one failure more.
# LOGDIR/NAME.tap keeps a test's whole output.
use strict;
use warnings;
use File::Basename qw(basename);
use TAP::Parser;

$| = 1;
my $logdir = shift @ARGV;
my @command;
while (@ARGV and (my $word = shift @ARGV) ne '--') { push @command, $word }

my ($passed, $failed) = (0, 0);
for my $test (@ARGV)
{
	my $name = basename($test);
	my $parser = TAP::Parser->new({ exec => [ @command, $test ], merge => 1 });
	my ($not_ok, $show) = (0, 0);
	my (@last, @trouble);

	open my $log, '>', "$logdir/$name.tap" or die "could not write $logdir/$name.tap: $!\n";
	while (my $line = $parser->next)
	{
		my $text = $line->as_string;
		print $log "$text\n";
		push @last, $text;
		shift @last if @last > 10;
		if ($line->is_test)
		{
			$show = !$line->is_ok;
			$not_ok += $show;
		}
		# a failed assertion, and what is said about it until the next one
		print "    $name: $text\n" if $show and !$line->is_plan;
	}
	close $log;

	@trouble = $parser->parse_errors;
	push @trouble, 'it ended with ' . status($parser->wait) if $parser->wait and !$not_ok;
	print "    $name: $_\n" for @trouble;
	if (@trouble) { print "    $name: > $_\n" for @last }

	my $good = $parser->tests_run - $not_ok;
	my $bad = $not_ok + (@trouble ? 1 : 0);
	printf "  %-32s %4d passed%s%s\n", $name, $good, ($bad ? ", $bad FAILED" : ''),
	  (defined $parser->skip_all ? ', skipped: ' . $parser->skip_all : '');
	$passed += $good;
	$failed += $bad;
}
print "$passed $failed\n";

sub status
{
	my $wait = shift;
	return $wait & 127 ? 'signal ' . ($wait & 127) : 'exit status ' . ($wait >> 8);
}
