#!/usr/bin/perl
# arff.pl < FILE.arff > FILE.csv
#
# The attributes' names become the header; '?' is a missing value.
use strict;
use warnings;

# a value, with or without quotes, and what follows it
my $value = qr/\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,'"]*?))\s*/;

sub unquote
{
	my ($single, $double, $bare) = @_;
	return $bare eq '?' ? '' : $bare if defined $bare;
	my $text = defined $single ? $single : $double;
	$text =~ s/\\(.)/$1/g;
	return $text;
}

sub print_csv
{
	print join(',', map { (my $v = $_) =~ s/"/""/g; $v =~ /[",]/ ? "\"$v\"" : $v } @_), "\n";
}

my (@names, $data);
while (<STDIN>)
{
	s/\r?\n\z//;
	next if /^\s*(?:%|$)/;
	if ($data)
	{
		my @values;
		while (/\G$value(,|$)/gc)
		{
			push @values, unquote($1, $2, $3);
			last if $4 eq '';
		}
		die "line $.: " . @values . ' values for ' . @names . " attributes\n" if @values != @names;
		print_csv(@values);
	}
	elsif (/^\s*\@attribute\s+(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s{]+))/i)
	{
		push @names, unquote($1, $2, $3);
	}
	elsif (/^\s*\@data/i)
	{
		$data = 1;
		print_csv(@names);
	}
}
die "no \@data\n" if !$data;
