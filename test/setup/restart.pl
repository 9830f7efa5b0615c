# poll_restarting(NODE, DATABASE, QUERY, EXPECTED): until a query gives what is
# expected of a server that may be restarting.  Unlike poll_query_until() it
# gives the query as an argument: a psql that could not connect may have ended
# before it could read anything, which would end the test.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

sub poll_restarting
{
	my ($node, $database, $query, $expected) = @_;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my ($out) = run_command([ 'psql', '-XAtq', '-d', $node->connstr($database), '-c', $query ]);
		return 1 if ($out // '') eq $expected;
		usleep(100_000);
	}
	return 0;
}

1;
