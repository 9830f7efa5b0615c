# What the hooks refuse to a superuser when the library is preloaded, what they
# let through, and what is found when somebody goes around them.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = $PostgreSQL::Test::Utils::tmp_check;
my $node = PostgreSQL::Test::Cluster->new('guard');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'mlops'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE bank; CREATE ROLE somebody');
$node->safe_psql('bank', q{
	CREATE EXTENSION mlops;
	CREATE TABLE own (n int);
	CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
	SELECT mlops.create_model('risk', 'binary', 'Consumer loans');
	SELECT mlops.grant_privilege('score', 'risk', 'somebody')});

sub refused
{
	my ($statement, $message) = @_;
	my $err;
	$node->psql('bank', "\\set VERBOSITY verbose\n$statement", stderr => \$err);
	like($err, qr/ERROR:  ML040: /, "refused: $statement");
}

sub allowed
{
	my ($statement) = @_;
	my ($rc, $out, $err) = $node->psql('bank', "BEGIN; $statement; ROLLBACK");
	unlike($err, qr/ERROR/, "allowed: $statement");
}

refused($_) for (
	'ALTER TABLE mlops.audit_event DISABLE TRIGGER audit_event_refuse_change',
	'ALTER TABLE mlops.audit_event DISABLE TRIGGER ALL',
	'ALTER TABLE mlops.audit_event ENABLE REPLICA TRIGGER audit_event_refuse_change',
	'ALTER TABLE mlops.version DISABLE TRIGGER USER',
	'ALTER TABLE mlops.alias ADD COLUMN note text',
	'ALTER TABLE mlops.audit_event DROP CONSTRAINT audit_event_pkey',
	'ALTER TABLE mlops.audit_event OWNER TO somebody',
	'ALTER TABLE mlops.audit_event SET UNLOGGED',
	'ALTER TABLE mlops.audit_event ENABLE ROW LEVEL SECURITY',
	'ALTER TABLE mlops.audit_event SET (fillfactor = 50), DISABLE TRIGGER USER',
	'ALTER TABLE mlops.audit_event RENAME TO other',
	'ALTER TABLE mlops.audit_event RENAME COLUMN reason TO excuse',
	'ALTER TABLE mlops.audit_event SET SCHEMA public',
	'ALTER TRIGGER audit_event_refuse_change ON mlops.audit_event RENAME TO other',
	'DROP TRIGGER audit_event_refuse_change ON mlops.audit_event',
	'SET search_path = mlops; DROP TRIGGER audit_event_refuse_truncate ON audit_event',
	'CREATE TRIGGER own BEFORE INSERT ON mlops.audit_event FOR EACH ROW EXECUTE FUNCTION own()',
	'CREATE RULE own AS ON DELETE TO mlops.audit_event DO INSTEAD NOTHING',
	'CREATE POLICY own ON mlops.audit_event',
	'CREATE TABLE child () INHERITS (mlops.audit_event)',
	'TRUNCATE mlops.audit_event',
	'TRUNCATE own, mlops.alias',
	'ALTER SCHEMA mlops RENAME TO other',
	'ALTER SCHEMA mlops OWNER TO somebody',
	'ALTER FUNCTION mlops._refuse_change() RENAME TO other',
	'ALTER FUNCTION mlops._refuse_change() OWNER TO somebody',
	'ALTER FUNCTION mlops._refuse_change() SET SCHEMA public',
	'ALTER FUNCTION mlops._state_model() RESET search_path',
	'ALTER FUNCTION mlops.verify_audit COST 1',
	q{CREATE OR REPLACE FUNCTION mlops._refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'},
	q{SET search_path = mlops, public; CREATE OR REPLACE FUNCTION _digest(value text) RETURNS text LANGUAGE sql AS 'SELECT value'},
	'ALTER EXTENSION mlops DROP TABLE mlops.audit_event',
	'ALTER EXTENSION mlops DROP FUNCTION mlops._refuse_change()',
	'UPDATE mlops.audit_event SET reason = NULL',
	'DELETE FROM mlops.audit_event',
	'WITH gone AS (DELETE FROM mlops.audit_event RETURNING *) SELECT count(*) FROM gone',
	'INSERT INTO mlops.audit_event SELECT * FROM mlops.audit_event ON CONFLICT (seq) DO UPDATE SET reason = NULL',
	'MERGE INTO mlops.audit_event e USING own ON own.n = e.seq WHEN MATCHED THEN DELETE',
	'DELETE FROM mlops.model',
	'UPDATE mlops.alias_change SET reason = NULL',
	'SET session_replication_role = replica; DELETE FROM mlops.audit_event',
	'PREPARE p AS DELETE FROM mlops.audit_event; EXECUTE p',
	q{DO $$ BEGIN EXECUTE 'ALTER TABLE mlops.audit_event DISABLE TRIGGER ALL'; END $$});
is($node->safe_psql('bank', 'SELECT status, seq FROM mlops.verify_audit()'), 'OK|2', 'all is as it was');

allowed($_) for (
	'ALTER TABLE mlops.audit_event SET (autovacuum_enabled = off)',
	'ALTER TABLE mlops.audit_event ALTER reason SET STATISTICS 500',
	'ALTER TABLE mlops.audit_event REPLICA IDENTITY FULL',
	'ALTER TABLE mlops.audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_change',
	'CREATE INDEX extra ON mlops.audit_event (subject); DROP INDEX mlops.extra',
	'CREATE STATISTICS extra ON model, action FROM mlops.audit_event',
	'REINDEX TABLE mlops.audit_event',
	'CLUSTER mlops.audit_event USING audit_event_pkey',
	'GRANT SELECT ON mlops.audit_log TO somebody',
	'GRANT EXECUTE ON FUNCTION mlops.verify_audit TO somebody',
	q{COMMENT ON TABLE mlops.audit_event IS 'ours'},
	'CREATE TRIGGER t BEFORE INSERT ON own FOR EACH ROW EXECUTE FUNCTION own(); DROP TRIGGER t ON own; ALTER TABLE own RENAME TO other; TRUNCATE other',
	'CREATE OR REPLACE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$',
	'CREATE SCHEMA s; ALTER SCHEMA s RENAME TO t; CREATE TABLE t.audit_event (seq int); UPDATE t.audit_event SET seq = 1; DELETE FROM t.audit_event; DROP TABLE t.audit_event',
	'CREATE PUBLICATION p FOR TABLE mlops.audit_event',
	q{SELECT mlops.revoke_privilege('score', 'risk', 'somebody')},
	'DROP TABLE IF EXISTS nothing; ALTER TABLE IF EXISTS nothing RENAME TO other');
$node->safe_psql('bank', $_) for ('VACUUM FULL mlops.audit_event', 'REINDEX TABLE CONCURRENTLY mlops.audit_event', 'ANALYZE');
is($node->safe_psql('bank', 'SELECT status, seq FROM mlops.verify_audit()'), 'OK|2', 'maintenance is no drift');

my $err;
$node->psql('bank', 'SET mlops.protect_records = off', stderr => \$err);
like($err, qr/cannot be changed without restarting the server/, 'the protection is not switched off in a session');

#
# A restore is no tampering
#
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/guard.dump", $node->connstr('bank') ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr('restored'), "$dir/guard.dump" ], 'restore, with the hooks in place');
is($node->safe_psql('restored', 'SELECT status, seq FROM mlops.verify_audit()'), 'OK|2', 'it verifies there');
$node->safe_psql('restored', 'DROP EXTENSION mlops; CREATE EXTENSION mlops');
is($node->safe_psql('restored', 'SELECT status, seq FROM mlops.verify_audit()'), 'OK|0', 'the extension as a whole can be dropped');

#
# Around the hooks, through the catalogue: refused all the same where it can
# be, and found
#
$node->safe_psql('bank', q{UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'mlops.audit_event'::regclass});
refused('DELETE FROM mlops.audit_event WHERE seq = 2');
is($node->safe_psql('bank', q{SELECT status, detail FROM mlops.verify_audit() ORDER BY detail}), join("\n",
	'GUARD_DRIFT|Trigger audit_event_refuse_change of mlops.audit_event is not enabled always.',
	'GUARD_DRIFT|Trigger audit_event_refuse_truncate of mlops.audit_event is not enabled always.'),
	'disabled triggers are found');
$node->safe_psql('bank', q{UPDATE pg_trigger SET tgenabled = 'A' WHERE tgrelid = 'mlops.audit_event'::regclass});
for ([ q{UPDATE pg_proc SET prosrc = 'SELECT NULL::text' WHERE oid = 'mlops._utc'::regproc},
		'Function mlops._utc(timestamp with time zone) is not what version 0.1.0 of the extension installs.' ],
	[ q{UPDATE pg_proc SET prosrc = 'mlops_audit_head' WHERE oid = 'mlops.push_checkpoint'::regproc},
		'Function mlops.push_checkpoint() is not what version 0.1.0 of the extension installs.' ],
	[ q{UPDATE pg_proc SET probin = '$libdir/other' WHERE oid = 'mlops.audit_bytes'::regproc},
		'Function mlops.audit_bytes(mlops.audit_event) does not run the library of the extension.' ],
	[ q{UPDATE pg_proc SET proconfig = NULL WHERE oid = 'mlops._utc'::regproc}, 'Function mlops._utc(timestamp with time zone) does not have its search_path.' ],
	[ q{UPDATE pg_proc SET prosecdef = false WHERE oid = 'mlops._push_checkpoint'::regproc}, 'Function mlops._push_checkpoint is not what mlops.push_checkpoint() is to call.' ],
	[ q{UPDATE pg_proc SET proowner = 'somebody'::regrole WHERE oid = 'mlops._utc'::regproc},
		qr/^mlops\._utc\(timestamp with time zone\) belongs to role "somebody" and not to the owner of the extension\./ ],
	[ q{UPDATE pg_class SET relpersistence = 'u' WHERE oid = 'mlops.reason_text'::regclass}, 'mlops.reason_text is not durable: it is unlogged.' ],
	[ q{UPDATE pg_class SET relrowsecurity = true WHERE oid = 'mlops.alias'::regclass}, 'mlops.alias has row level security.' ],
	[ 'GRANT INSERT, SELECT ON mlops.audit_event TO somebody', 'Role "somebody" has privilege INSERT on mlops.audit_event.' ],
	[ 'GRANT UPDATE (version_id) ON mlops.alias TO PUBLIC', 'Role PUBLIC has privilege UPDATE on column version_id of mlops.alias.' ],
	[ 'GRANT CREATE ON SCHEMA mlops TO somebody', 'Role "somebody" has privilege CREATE on schema mlops.' ],
	[ 'GRANT EXECUTE ON FUNCTION mlops._audit TO somebody', qr/^Role "somebody" has privilege EXECUTE on mlops\._audit\(/ ],
	[ 'GRANT EXECUTE ON FUNCTION mlops.promote TO PUBLIC', qr/^Role PUBLIC has privilege EXECUTE on mlops\.promote\(/ ],
	[ 'CREATE TABLE mlops.extra (n int)', 'Relation mlops.extra does not belong to the extension.' ],
	[ q{CREATE FUNCTION mlops.extra() RETURNS int LANGUAGE sql AS 'SELECT 1'}, qr/^Function mlops\.extra\(\) does not belong to the extension\./ ],
	[ 'GRANT SELECT ON mlops.alias TO somebody; GRANT EXECUTE ON FUNCTION mlops.promote TO somebody', '' ])
{
	my ($change, $expected) = @$_;
	my $found = $node->safe_psql('bank', qq{BEGIN; SET LOCAL search_path = ''; $change; SELECT CASE status WHEN 'GUARD_DRIFT' THEN detail END FROM mlops.verify_audit(checks => '{guards}') ORDER BY 1; ROLLBACK});
	if (ref $expected) { like($found, $expected, $change) }
	else { is($found, $expected, $change) }
}
$node->safe_psql('bank', q{DELETE FROM pg_trigger WHERE tgrelid = 'mlops.audit_event'::regclass; UPDATE pg_class SET relhastriggers = false WHERE oid = 'mlops.audit_event'::regclass});
$node->safe_psql('bank', 'DELETE FROM mlops.audit_event WHERE seq = 2');
is($node->safe_psql('bank', q{SELECT status, detail FROM mlops.verify_audit() ORDER BY detail}), join("\n",
	'GUARD_DRIFT|Table mlops.audit_event has no trigger that refuses DELETE.',
	'GUARD_DRIFT|Table mlops.audit_event has no trigger that refuses TRUNCATE.',
	'GUARD_DRIFT|Table mlops.audit_event has no trigger that refuses UPDATE.',
	'STATE_MISMATCH|The tables have the privilege "somebody" of model "risk", of which the log knows nothing.'),
	'triggers that were taken out of the catalogue, and what was cut off, are found');

$node->stop;
done_testing();
