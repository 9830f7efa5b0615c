# A next version of the extension, with its library and its script: what was
# installed and then upgraded has the same catalogue as what was installed anew,
# the records and scores are what they were, and the audit log verifies.  The
# library of the next version serves what has not been upgraded yet.
#
# The next version is this one with a part more, compiled here; where released
# versions are in test/releases, as mlops--N.sql, each of them is upgraded by the
# scripts in sql/ to this one, too.
use strict;
use warnings;
use Cwd;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = getcwd();
my $dir = PostgreSQL::Test::Utils::tempdir();
my ($version) = slurp_file('mlops.control') =~ /^default_version = '(.*)'/m;

# A PostgreSQL of our own, to install into.
my %place = map { my $value = `pg_config --$_`; chomp $value; ($_ => $value) } qw(bindir pkglibdir sharedir);
for my $name (sort keys %place)
{
	my $how = $name eq 'bindir' ? '-rL' : '-rs';
	system_or_bail('mkdir', '-p', "$dir/root$place{$name}");
	system_or_bail('cp', $how, "$place{$name}/.", "$dir/root$place{$name}");
}

sub put
{
	my ($file, $place, $name) = @_;
	unlink "$dir/root$place/$name";
	system_or_bail('cp', $file, "$dir/root$place/$name");
}

# Everything that belongs to the extension, and how it is defined.
my $catalogue = q{
	WITH member AS (
		SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
		WHERE e.extname = 'mlops' AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	), relation AS (SELECT c.*, c.oid::regclass AS name FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
	), routine AS (SELECT p.*, p.oid::regprocedure AS name FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid)
	SELECT line FROM (
		SELECT concat_ws(' ', i.type, i.identity, 'comment', obj_description(m.objid, m.classid::regclass::name),
						 'initially', (SELECT p.initprivs::text FROM pg_init_privs p WHERE p.classoid = m.classid AND p.objoid = m.objid AND p.objsubid = 0))
		FROM member m, pg_identify_object(m.classid, m.objid, 0) i
		UNION ALL SELECT concat_ws(' ', p.name, CASE WHEN p.prokind = 'a' THEN
							(SELECT concat_ws(' ', a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggtranstype::regtype, a.agginitval, a.aggkind)
							 FROM pg_aggregate a WHERE a.aggfnoid = p.oid) ELSE pg_get_functiondef(p.oid) END, p.proacl, p.prosupport, p.procost) FROM routine p
		UNION ALL SELECT concat_ws(' ', r.name, r.relkind, r.relpersistence, r.reloptions, r.relacl, r.relrowsecurity,
							CASE WHEN r.relkind = 'v' THEN pg_get_viewdef(r.oid) END) FROM relation r
		UNION ALL SELECT concat_ws(' ', r.name, 'column', a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
							a.attstorage, a.attacl, pg_get_expr(d.adbin, d.adrelid), col_description(r.oid, a.attnum))
			FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
		UNION ALL SELECT concat_ws(' ', r.name, 'constraint', c.conname, pg_get_constraintdef(c.oid)) FROM relation r JOIN pg_constraint c ON c.conrelid = r.oid
		UNION ALL SELECT concat_ws(' ', r.name, 'index', pg_get_indexdef(x.indexrelid)) FROM relation r JOIN pg_index x ON x.indrelid = r.oid
		UNION ALL SELECT concat_ws(' ', r.name, 'trigger', t.tgenabled, pg_get_triggerdef(t.oid)) FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
		UNION ALL SELECT concat_ws(' ', r.name, 'rule', pg_get_ruledef(w.oid)) FROM relation r JOIN pg_rewrite w ON w.ev_class = r.oid
		UNION ALL SELECT concat_ws(' ', r.name, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle)
			FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
		UNION ALL SELECT concat_ws(' ', t.typname, t.typtype, t.typinput, t.typoutput, t.typstorage, t.typbasetype::regtype, t.typdefault, t.typacl,
							(SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
							(SELECT string_agg(pg_get_constraintdef(c.oid), ',' ORDER BY c.conname) FROM pg_constraint c WHERE c.contypid = t.oid))
			FROM member m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
		UNION ALL SELECT concat_ws(' ', 'dumped', c.id::regclass, c.condition) FROM pg_extension e, unnest(e.extconfig, e.extcondition) c (id, condition) WHERE e.extname = 'mlops'
		UNION ALL SELECT 'version ' || extversion FROM pg_extension WHERE extname = 'mlops'
		UNION ALL SELECT 'event trigger ' || concat_ws(' ', evtname, evtevent, evtfoid::regproc, evtenabled, evttags) FROM pg_event_trigger) o (line)
	ORDER BY line COLLATE "C"};
my $verify = q{SELECT string_agg(status || ' ' || coalesce(detail, ''), E'\n') FROM mlops.verify_audit(checks => '{state,guards,artifacts}')};
my $bits = q{SELECT md5(string_agg(encode(float8send(mlops.predict('risk', l)), 'hex'), ' ' ORDER BY l.id)) FROM loan l};

my $node = PostgreSQL::Test::Cluster->new('bank', install_path => "$dir/root" . ($place{bindir} =~ s{/bin\z}{}r));
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\nmlops.scheduler = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE kept');
$node->safe_psql('kept', q{
	CREATE EXTENSION mlops;
	CREATE TABLE loan AS SELECT i AS id, (i * 7919 % 101)::float8 / 7 AS a, (i * 31 % 13)::float8 / 3 AS b, (i * 7919 % 101) > 50 AS bad FROM generate_series(1, 500) i;
	SELECT mlops.train('risk', 'SELECT * FROM loan', 'bad', key => 'id', rounds => 5);
	SELECT mlops.promote('risk/1', reason => 'r')});
my $before = $node->safe_psql('kept', $bits);
is($node->safe_psql('kept', $verify) =~ s/ .*//r, 'OK', 'the log verifies');

# --- the next version: one table with all that a table has, a function that
# writes and its private body, a view, a column and a changed function

my $next = '99.0.0';
my $part = "-- file: sql/99_next.sql\n" . <<'SQL';
CREATE SEQUENCE mlops.next_id_seq;
CREATE TABLE mlops.next (
    id bigint NOT NULL DEFAULT nextval('mlops.next_id_seq') PRIMARY KEY,
    body text NOT NULL CHECK (body OPERATOR(pg_catalog.<>) '')
);
SELECT pg_catalog.pg_extension_config_dump('mlops.next_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.next', '');
REVOKE ALL ON TABLE mlops.next FROM PUBLIC;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.next
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.next ENABLE ALWAYS TRIGGER refuse_change;
CREATE FUNCTION mlops._add_next(body text) RETURNS bigint
    LANGUAGE SQL VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$ INSERT INTO mlops.next (body) VALUES (body) RETURNING id $$;
REVOKE ALL ON FUNCTION mlops._add_next(text) FROM PUBLIC;
CREATE FUNCTION mlops.add_next(body text) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.add_next(text) IS 'Adds one.';
REVOKE ALL ON FUNCTION mlops.add_next(text) FROM PUBLIC;
CREATE VIEW mlops.nexts WITH (security_barrier) AS SELECT n.id, n.body FROM mlops.next n;
GRANT SELECT ON mlops.nexts TO PUBLIC;
ALTER TABLE mlops.run ADD COLUMN next text DEFAULT 'x';
SQL

mkdir "$dir/next";
system_or_bail('sh', '-c', "tar -cf - --exclude=./.git --exclude=./build --exclude=./test --exclude=./doc . | tar -xf - -C '$dir/next' && mkdir '$dir/next/build' && cp build/flags build/files '$dir/next/build'");
chdir "$dir/next";
append_to_file('sql/99_next.sql', $part);
(my $control = slurp_file('mlops.control')) =~ s/^default_version = .*/default_version = '$next'/m;
unlink 'mlops.control';
append_to_file('mlops.control', $control);
# The flags have another version, which these files alone show.
unlink 'mlops.so', map { ("$_.o", "$_.bc") } qw(src/audit/audit src/audit/bodies src/training/train);
my $log = `make -j2 -o build/flags mlops.so sql/mlops--$next.sql 2>&1`;
ok($? == 0 && -s 'mlops.so', 'a next version is built') or diag $log;
chdir $top;

$node->stop;
my $extension = "$place{sharedir}/extension";
put("$dir/next/mlops.so", $place{pkglibdir}, 'mlops.so');
put("$dir/next/mlops.control", $extension, 'mlops.control');
put("$dir/next/sql/mlops--$next.sql", $extension, "mlops--$next.sql");
put("$dir/next/sql/99_next.sql", $extension, "mlops--$version--$next.sql");
$node->start;

# --- its library, and the extension as it was

is($node->safe_psql('kept', q{SELECT extversion FROM pg_extension WHERE extname = 'mlops'}), $version, 'the extension is still what it was');
is($node->safe_psql('kept', $bits), $before, 'it scores what it scored');
is($node->safe_psql('kept', q{SELECT (mlops.train('risk', 'SELECT * FROM loan', 'bad', key => 'id', rounds => 5)).model}), 'risk/2', 'and trains');
like($node->safe_psql('kept', $verify), qr/Function mlops\._add_next is missing/, 'verification says what the library expects more');
command_ok([ 'pg_dump', '-Fc', '-f', "$dir/kept.dump", '-d', $node->connstr('kept') ], 'a dump before the upgrade');
my $rows = $node->safe_psql('kept', 'SELECT (SELECT count(*) FROM mlops.audit_event), (SELECT count(*) FROM mlops.run)');

# --- the upgrade

$node->safe_psql('kept', 'ALTER EXTENSION mlops UPDATE');
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION mlops');
$node->safe_psql('postgres', 'CREATE DATABASE stepped');
$node->safe_psql('stepped', "CREATE EXTENSION mlops VERSION '$version'");
$node->safe_psql('stepped', "ALTER EXTENSION mlops UPDATE TO '$next'");
my $fresh = $node->safe_psql('fresh', $catalogue);
like($fresh, qr/^version \Q$next\E$/m, 'a fresh installation is of the next version');
is(differences($fresh, $node->safe_psql('kept', $catalogue)), '', 'the upgraded one with records has the same catalogue');
is(differences($fresh, $node->safe_psql('stepped', $catalogue)), '', 'and so has an empty one');
$node->safe_psql('stepped', 'COMMENT ON FUNCTION mlops.add_next(text) IS NULL');
like(differences($fresh, $node->safe_psql('stepped', $catalogue)), qr/add_next.*comment Adds one/, 'a comment that is not the same is found');

is($node->safe_psql('kept', $bits), $before, 'scores are the same to the last bit');
is($node->safe_psql('kept', q{SELECT mlops.add_next('x')}), '1', 'what is new works');
is($node->safe_psql('kept', q{SELECT (mlops.train('risk', 'SELECT * FROM loan', 'bad', key => 'id', rounds => 5)).model}), 'risk/3', 'a training');
like($node->safe_psql('kept', $verify), qr/\AOK [^\n]*\z/, 'the log, states, guards and files verify');
is($node->safe_psql('kept', 'SELECT count(DISTINCT extension_version) FROM mlops.audit_event'), '2', 'the log has both versions');

# --- the dump of before

$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'pg_restore', '-e', '-d', $node->connstr('restored'), "$dir/kept.dump" ], 'the dump restores under the next version');
is($node->safe_psql('restored', 'SELECT (SELECT count(*) FROM mlops.audit_event), (SELECT count(*) FROM mlops.run)'), $rows, 'with its records');
is($node->safe_psql('restored', $bits), $before, 'and its scores');
like($node->safe_psql('restored', $verify), qr/\AOK [^\n]*\z/, 'and verifies');
is(differences($fresh, $node->safe_psql('restored', $catalogue)), '', 'with the same catalogue');

# --- back: by a dump of before, with the library of before

my ($ret, undef, $error) = $node->psql('kept', "ALTER EXTENSION mlops UPDATE TO '$version'");
like($error, qr/no update path from version "\Q$next\E" to version "\Q$version\E"/, 'there is no way back in place');
$node->stop;
put('mlops.so', $place{pkglibdir}, 'mlops.so');
put('mlops.control', $extension, 'mlops.control');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE back');
command_ok([ 'pg_restore', '-e', '-d', $node->connstr('back'), "$dir/kept.dump" ], 'the dump of before restores with the version of before');
is($node->safe_psql('back', $bits), $before, 'with its scores');
like($node->safe_psql('back', $verify), qr/\AOK [^\n]*\z/, 'and verifies');

# --- released versions

for my $script (sort glob 'test/releases/mlops--*.sql')
{
	my ($release) = $script =~ /mlops--(.*)\.sql/;
	next if $release eq $version;
	put($script, $extension, "mlops--$release.sql");
	$node->safe_psql('postgres', "CREATE DATABASE \"$release\"");
	$node->safe_psql($release, "CREATE EXTENSION mlops VERSION '$release'");
	$node->safe_psql($release, "ALTER EXTENSION mlops UPDATE TO '$version'");
	$node->safe_psql('postgres', 'DROP DATABASE fresh');
	$node->safe_psql('postgres', 'CREATE DATABASE fresh');
	$node->safe_psql('fresh', 'CREATE EXTENSION mlops');
	is(differences($node->safe_psql('fresh', $catalogue), $node->safe_psql($release, $catalogue)), '', "$release, upgraded, has the catalogue of $version");
}
done_testing();

# The lines of one text that the other has not, and the other way round.
sub differences
{
	my ($expected, $got) = @_;
	my %count;
	$count{$_}-- for split /\n/, $expected;
	$count{$_}++ for split /\n/, $got;
	return join '', map { ($count{$_} < 0 ? '- ' : '+ ') . "$_\n" } grep { $count{$_} } sort keys %count;
}
