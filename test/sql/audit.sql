-- The audit log with transactions that commit, in a database of its own:
-- what is in a log stays there.
\set database :DBNAME
\getenv root PG_ABS_SRCDIR
\set probe :root '/fixtures/audit_probe.sql'
SET client_min_messages = warning;
DROP DATABASE IF EXISTS mlops_audit;
CREATE DATABASE mlops_audit;
\c mlops_audit
CREATE EXTENSION mlops;
\set ECHO none
\i :probe
\set ECHO all
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never

-- an event is in the log when its transaction has committed
BEGIN;
SELECT mlops.probe('one');
SELECT count(*) FROM mlops.audit_event;
COMMIT;
BEGIN;
SELECT mlops.probe('rolled back');
ROLLBACK;
SELECT seq, action FROM mlops.audit_event;

-- an event of a subtransaction follows its fate
BEGIN;
SELECT mlops.probe('two');
SAVEPOINT a;
SELECT mlops.probe('rolled back');
SAVEPOINT b;
SELECT mlops.probe('rolled back');
RELEASE b;
ROLLBACK TO a;
SELECT mlops.probe('three');
SAVEPOINT b;
SELECT mlops.probe('four');
SAVEPOINT c;
SELECT mlops.probe('rolled back');
ROLLBACK TO c;
RELEASE b;
RELEASE a;
SAVEPOINT d;
SELECT mlops.probe('five');
COMMIT;
DO $$
BEGIN
    PERFORM mlops.probe('six');
    BEGIN
        PERFORM mlops.probe('rolled back');
        RAISE EXCEPTION 'undo';
    EXCEPTION WHEN OTHERS THEN
        PERFORM mlops.probe('seven');
    END;
    COMMIT;
    PERFORM mlops.probe('eight');
    COMMIT;
    PERFORM mlops.probe('rolled back');
    ROLLBACK;
END
$$;
SELECT seq, action, xid = min(xid) OVER w, incarnation FROM mlops.audit_event
WINDOW w AS (PARTITION BY action IN ('two', 'three', 'four', 'five')) ORDER BY seq;
SELECT status, seq FROM mlops.verify_audit(checks => '{}');

-- what triggers at the commit do is recorded
CREATE TABLE work (n integer);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mlops.probe('deferred');
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER note AFTER INSERT ON work DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO work VALUES (1), (2);
SELECT seq, action FROM mlops.audit_event WHERE seq > 8 ORDER BY seq;

-- what the log is not written by
INSERT INTO work SELECT 3 WHERE false;
UPDATE mlops.audit_event SET reason = 'other' WHERE seq = 1;
DELETE FROM mlops.audit_event;
TRUNCATE mlops.audit_event;
SELECT mlops._audit('forged');
BEGIN READ ONLY;
SELECT mlops.probe('read only');
ROLLBACK;
BEGIN;
SELECT mlops.probe('prepared');
PREPARE TRANSACTION 'audit';
SELECT mlops.probe(NULL);
SELECT count(*) FROM mlops.audit_event;

-- wrong arguments
SELECT * FROM mlops.verify_audit(0);
SELECT * FROM mlops.verify_audit(expected_seq => 1);
SELECT * FROM mlops.verify_audit(expected_seq => 1, expected_hash => '\x00');

-- what an auditor sees of one byte that was changed behind the log's back, of
-- an event that was deleted, and of a log that was cut off
CREATE TABLE head AS SELECT * FROM mlops.audit_head();
ALTER TABLE mlops.audit_event DISABLE TRIGGER audit_event_refuse_change;
BEGIN;
UPDATE mlops.audit_event SET change_ref = 'CHG-7' WHERE seq = 3;
DELETE FROM mlops.audit_event WHERE seq IN (5, 6);
SELECT status, seq, detail FROM mlops.verify_audit(checks => '{}');
ROLLBACK;
BEGIN;
DELETE FROM mlops.audit_event WHERE seq > 7;
SELECT v.status, v.seq, v.detail FROM head h, mlops.verify_audit(1, h.seq, h.hash, NULL, '{}') v;
ROLLBACK;
ALTER TABLE mlops.audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_change;

-- nothing can be recorded after an event that cannot be continued
BEGIN;
ALTER TABLE mlops.audit_event DROP CONSTRAINT audit_event_pkey;
SELECT mlops.probe('no key');
COMMIT;
SELECT v.status, v.seq FROM head h, mlops.verify_audit(1, h.seq, h.hash, NULL, '{}') v;

-- indexes with expressions and triggers of somebody else are no obstacle
CREATE INDEX ON mlops.audit_event ((detail ->> 'x'));
CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER skip BEFORE INSERT ON mlops.audit_event FOR EACH ROW EXECUTE FUNCTION skip();
SELECT mlops.probe('eleven', detail => '{"x": 1}');
SELECT seq, action, detail ->> 'x' FROM mlops.audit_event WHERE detail ->> 'x' = '1';

-- events go with the extension; a new one begins a new log
CREATE TABLE log AS SELECT log_id FROM mlops.audit_event LIMIT 1;
DROP TRIGGER skip ON mlops.audit_event;
BEGIN;
SELECT mlops.probe('gone');
SET LOCAL client_min_messages = warning;
DROP EXTENSION mlops CASCADE;
CREATE EXTENSION mlops;
SELECT mlops.grant_privilege('read', NULL, 'public');
COMMIT;
SELECT seq, action, log_id = (SELECT log_id FROM log) FROM mlops.audit_event;
BEGIN;
SELECT mlops.grant_privilege('score', NULL, 'public');
DROP EXTENSION mlops;
COMMIT;
\c :database
DROP DATABASE mlops_audit;
