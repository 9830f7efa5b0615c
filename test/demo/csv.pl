#!/usr/bin/perl
# csv.pl FILE.csv LABEL TABLE KEY OUTDIR
#
# Makes of a CSV file with a header line what psql can load: OUTDIR/table.sql
# creates TABLE, with a guessed type for each column, and OUTDIR/data.csv fills
# it.  Fields are separated by what the header has most of, comma, semicolon or
# tab; an empty one is NULL.  A new first column KEY numbers the rows.  Prints
# the names that the columns KEY and LABEL have in the table, a line each.
use strict;
use warnings;

my ($file, $label, $table, $key, $outdir) = @ARGV;
utf8::decode($label);
binmode STDOUT, ':utf8';
binmode STDERR, ':utf8';

# --- reading

open my $in, '<:raw', $file or die "could not read $file: $!\n";

# The next record's text, in which a quoted field may have line breaks; what is
# not UTF-8 is Latin-1.
sub next_record
{
	my $text = <$in>;
	return undef if !defined $text;
	my $first = $.;
	$text =~ s/\A\xEF\xBB\xBF// if $first == 1;    # the mark of UTF-8
	while (($text =~ tr/"//) % 2)
	{
		my $more = <$in>;
		die "$file: the quote that line $first opens is never closed\n" if !defined $more;
		$text .= $more;
	}
	die "$file: line $first holds a zero byte: this is no text file\n" if $text =~ /\0/;
	$text =~ s/\r?\n\z//;
	utf8::decode($text);
	return $text;
}

my $header = next_record();
die "$file is empty\n" if !defined $header or $header eq '';
(my $bare = $header) =~ s/"[^"]*"//g;
my %count = map { $_ => scalar(() = $bare =~ /\Q$_\E/g) } ',', ';', "\t";
my ($delimiter) = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
my $field = qr/\G(?:"([^"]*(?:""[^"]*)*)"|([^$delimiter]*))($delimiter|\z)/;

sub fields
{
	my $text = shift;
	my @values;
	while ($text =~ /$field/gc)
	{
		my ($quoted, $plain, $end) = ($1, $2, $3);
		$quoted =~ s/""/"/g if defined $quoted;
		push @values, defined $quoted ? $quoted : $plain;
		return @values if $end eq '';
	}
	die "$file: line $.: text after the closing quote of field " . (@values + 1) . "\n";
}

# --- names: what PostgreSQL accepts, each once, and the key's before them

my @given = fields($header);
my %taken = map { $_ => 1 } qw(ctid xmin xmax cmin cmax tableoid);
my @names;
for my $i (0 .. $#given)
{
	my $stem = $given[$i] =~ /\S/ ? $given[$i] : 'column_' . ($i + 1);
	my ($name, $n) = (cut($stem, 63), 1);
	$name = cut($stem, 59) . '_' . ++$n while $taken{$name};
	$taken{$name} = 1;
	push @names, $name;
}
my ($position) = grep { $given[$_] eq $label } 0 .. $#given;
die "$file has no column \"$label\" for the label; it has: " . join(', ', @given) . "\n" if !defined $position;
$key .= '_' while $taken{$key};

# the first characters of a text that fit into some bytes
sub cut
{
	my ($text, $bytes) = @_;
	while (1)
	{
		utf8::encode(my $copy = $text);
		return $text if length $copy <= $bytes;
		chop $text;
	}
}

# --- types: for each column the first of those that all its values have

sub is_date
{
	my ($year, $month, $day) = shift =~ /\A(\d{4})-(\d\d)-(\d\d)/ or return 0;
	my $leap = $year % 4 == 0 && ($year % 100 != 0 || $year % 400 == 0);
	my @days = (0, 31, $leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31);
	return $year > 0 && $month >= 1 && $month <= 12 && $day >= 1 && $day <= $days[$month];
}
my $clock = qr/[ T](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?/;
my @types = (
	[ boolean => sub { $_[0] =~ /\A(?:true|false|yes|no|t|f|y|n)\z/i } ],
	[ bigint => sub { $_[0] =~ /\A[+-]?(?:0|[1-9]\d{0,17})\z/ } ],
	[ numeric => sub { $_[0] =~ /\A[+-]?(?:\d{1,100}\.?\d{0,100}|\.\d{1,100})(?:[eE][+-]?\d{1,2})?\z/ && $_[0] !~ /\A[+-]?0\d/ } ],
	[ date => sub { $_[0] =~ /\A.{10}\z/ && is_date($_[0]) } ],
	[ timestamp => sub { $_[0] =~ /\A.{10}(?:$clock)?\z/ && is_date($_[0]) } ],
	[ timestamptz => sub { $_[0] =~ /\A.{10}${clock}(?:Z|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)\z/ && is_date($_[0]) } ],
	[ text => sub { 1 } ]);
my @possible = map { [@types] } @names;
my @seen = (0) x @names;

# --- one pass over the rows

open my $out, '>:utf8', "$outdir/data.csv" or die "could not write $outdir/data.csv: $!\n";
my $rows = 0;
while (defined(my $text = next_record()))
{
	next if $text eq '';
	my @values = fields($text);
	die "$file: line $.: " . @values . ' fields, but the header has ' . @names . "\n" if @values != @names;
	for my $i (0 .. $#values)
	{
		next if $values[$i] eq '';
		$seen[$i] = 1;
		$possible[$i] = [ grep { $_->[1]->($values[$i]) } @{ $possible[$i] } ];
		$values[$i] =~ s/"/""/g;
		$values[$i] = "\"$values[$i]\"";
	}
	print $out join(',', ++$rows, @values), "\n";
}
close $out or die "could not write $outdir/data.csv: $!\n";
die "$file has a header and no rows\n" if $rows == 0;

# --- the table

sub identifier { (my $name = shift) =~ s/"/""/g; return "\"$name\"" }

my @columns = ("    $key bigint PRIMARY KEY");
for my $i (0 .. $#names)
{
	push @columns, '    ' . identifier($names[$i]) . ' ' . ($seen[$i] ? $possible[$i][0][0] : 'text');
}
open my $sql, '>:utf8', "$outdir/table.sql" or die "could not write $outdir/table.sql: $!\n";
print $sql "CREATE TABLE $table (\n", join(",\n", @columns), "\n);\n";
close $sql or die "could not write $outdir/table.sql: $!\n";
print "$key\n$names[$position]\n";
