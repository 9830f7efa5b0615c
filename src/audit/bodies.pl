# bodies.pl PART...: what the functions of the extension consist of, for
# src/audit/bodies.c: the name and the SHA-256 of the body of each function and
# procedure in the parts of the installation script; the body of one in C is the
# name of its symbol.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);

my @bodies;
for my $part (@ARGV)
{
	open my $input, '<:raw', $part or die "could not open $part: $!\n";
	my $text = do { local $/; <$input> };
	my (undef, @definitions) = split /^CREATE (?:FUNCTION|PROCEDURE) /m, $text;
	for my $definition (@definitions)
	{
		my ($name) = $definition =~ /\Amlops\.(\w+)\(/ or die "$part: a function without a name\n";
		my ($symbol, undef, $body) = $definition =~ /\bAS\s+(?:'MODULE_PATHNAME',\s*'(\w+)'|\$(\w*)\$(.*?)\$\2\$)/s
		  or die "$part: function $name without a body\n";
		push @bodies, [ $name, sha256_hex($symbol // $body) ];
	}
}
my %seen;
for my $body (sort { $a->[0] cmp $b->[0] or $a->[1] cmp $b->[1] } @bodies)
{
	my ($name, $digest) = @$body;
	print qq(\t{"$name", "$digest"},\n) unless $seen{"$name $digest"}++;
}
