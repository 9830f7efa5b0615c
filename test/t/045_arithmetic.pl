# A library that changes the floating-point arithmetic of a session must not
# change a score: such a session gets an error, another one does not.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = <<'C';
#include "postgres.h"
#include "fmgr.h"
#include <fenv.h>
#ifdef FLUSH
#include <xmmintrin.h>
#endif
PG_MODULE_MAGIC;
extern PGDLLEXPORT void _PG_init(void);
void
_PG_init(void)
{
#ifdef FLUSH
	_mm_setcsr(_mm_getcsr() | 0x8040);
#else
	fesetround(FE_UPWARD);
#endif
}
C

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
my $stump = slurp_file('test/fixtures/stump.sql');
$node->safe_psql('postgres', 'CREATE EXTENSION mlops');
$node->safe_psql('postgres', $stump . q{
	SELECT mlops.import_model('risk', pg_temp.stumps('{a}', '{0}', '{0}', '{0}', '{1}', 'reg:squarederror'));
	SELECT mlops.promote('risk/1', reason => 'test')});
my $score = q{SELECT mlops.predict('risk', '{0}'::float8[])};
my $batch = q{SELECT mlops.predict_batch('risk', '{{0},{0}}'::float8[])};
is($node->safe_psql('postgres', $score), '1', 'a score');
is($node->safe_psql('postgres', $batch), '{1,1}', 'a batch');

my $directory = PostgreSQL::Test::Utils::tempdir;
append_to_file("$directory/arithmetic.c", $source);
chomp(my $include = `pg_config --includedir-server`);
chomp(my $machine = `uname -m`);
for my $what ('ROUND', $machine eq 'x86_64' ? 'FLUSH' : ())
{
	system_or_bail('cc', '-shared', '-fPIC', "-D$what", "-I$include", "$directory/arithmetic.c",
		'-o', "$directory/$what.so");
	for my $query ($score, $batch)
	{
		my ($ret, $out, $err) = $node->psql('postgres', "LOAD '$directory/$what.so'; $query");
		like($err, qr/floating-point arithmetic of this session is not that of IEEE 754/, "$what is noticed: $query");
	}
}
is($node->safe_psql('postgres', $score), '1', 'other sessions score');
done_testing();
