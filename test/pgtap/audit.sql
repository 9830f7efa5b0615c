-- The audit log: encoding, protection, verification, visibility.
\set ECHO none
\set QUIET 1
\set vectors `cat test/fixtures/audit_vectors.txt`
BEGIN;
SELECT plan(236);

\ir ../fixtures/audit_probe.sql
SELECT results_eq($$SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'mlops.audit_event'::regclass ORDER BY tgname$$,
                  $$VALUES ('audit_event_refuse_change'::name, 'A'::"char"), ('audit_event_refuse_truncate', 'A')$$,
                  'the triggers are installed to fire always');
ALTER TABLE mlops.audit_event DISABLE TRIGGER USER;
DELETE FROM mlops.audit_event;

--
-- The encoding, by its vectors
--
CREATE TEMPORARY TABLE vector AS
    SELECT count(*) FILTER (WHERE line LIKE 'vector %') OVER (ORDER BY n) AS id,
           split_part(line, ' ', 1) AS word, substr(line, strpos(line, ' ') + 1) AS rest
    FROM regexp_split_to_table(:'vectors', '\n') WITH ORDINALITY AS l(line, n)
    WHERE line !~ '^(#|$)';

CREATE FUNCTION pg_temp.event(vector_id bigint) RETURNS mlops.audit_event LANGUAGE plpgsql AS $$
DECLARE
    field record;
    value text;
    result mlops.audit_event;
BEGIN
    SELECT rest INTO result.log_id FROM vector WHERE id = vector_id AND word = 'log_id';
    FOR field IN SELECT f[1] AS type, f[2] AS name, coalesce(f[3], '') AS value
                 FROM vector, regexp_match(rest, '^\d+ (\w+) (\w+)(?: (.*))?$') f
                 WHERE id = vector_id AND word = 'field' LOOP
        value := CASE field.type
            WHEN 'json' THEN field.value
            WHEN 'integer' THEN field.value
            WHEN 'time' THEN to_json(timestamptz 'epoch' + field.value::bigint * interval '1 microsecond')::text
            WHEN 'bytes' THEN to_json('\x' || field.value)::text
            ELSE to_json(replace(replace(replace(field.value, '\\', E'\x01'), '\n', E'\n'), E'\x01', '\'))::text END;
        result := json_populate_record(result, format('{"%s": %s}', field.name, value)::json);
    END LOOP;
    RETURN result;
END
$$;

SELECT is((SELECT count(DISTINCT id) FROM vector), 5::bigint, 'there are vectors');
SELECT is(encode(mlops.audit_bytes(pg_temp.event(v.id)), 'hex'), e.rest, 'bytes of ' || v.rest)
FROM vector v JOIN vector e USING (id) WHERE v.word = 'vector' AND e.word = 'encoded' ORDER BY id;
SELECT is(encode(sha256(mlops.audit_bytes(pg_temp.event(v.id))), 'hex'), e.rest, 'hash of ' || v.rest)
FROM vector v JOIN vector e USING (id) WHERE v.word = 'vector' AND e.word = 'sha256' ORDER BY id;
SELECT throws_ok($$SELECT mlops.audit_bytes(json_populate_record(NULL::mlops.audit_event, '{"seq": 1}'))$$,
                 '22P05', 'audit event cannot be encoded', 'an event without a log has no bytes');
SET LOCAL timezone = 'Asia/Kathmandu';
SET LOCAL datestyle = 'German';
SELECT is(encode(sha256(mlops.audit_bytes(pg_temp.event(2))), 'hex'), rest, 'no setting changes a hash')
FROM vector WHERE id = 2 AND word = 'sha256';
RESET timezone;
RESET datestyle;

--
-- A chain that is written here, to be tampered with
--
CREATE FUNCTION pg_temp.append(model text, log uuid DEFAULT '6d6c6f70-7301-4a02-8b03-0405060708ff') RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    head record;
    event mlops.audit_event := pg_temp.event(5);
BEGIN
    SELECT * INTO head FROM mlops.audit_head();
    IF head.seq % 2 = 0 THEN
        event := pg_temp.event(1);
    END IF;
    event.seq := head.seq + 1;
    event.log_id := log;
    event.prev_hash := head.hash;
    event.model := model;
    event.version := head.seq;
    event.hash := sha256(mlops.audit_bytes(event));
    INSERT INTO mlops.audit_event SELECT event.*;
END
$$;

-- The findings of mlops.verify_audit() after a change, which is undone.
CREATE FUNCTION pg_temp.after(change text, from_seq bigint DEFAULT 1, head_seq bigint DEFAULT NULL,
                              head_hash bytea DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    BEGIN
        EXECUTE change;
        SELECT string_agg(v.status || ' ' || v.seq, ', ' ORDER BY n) INTO result
        FROM mlops.verify_audit(from_seq, head_seq, head_hash, NULL, '{}') WITH ORDINALITY
             AS v(status, seq, expected, actual, detail, n);
        RAISE EXCEPTION SQLSTATE 'XXUND';
    EXCEPTION WHEN SQLSTATE 'XXUND' THEN
        RETURN result;
    END;
END
$$;

-- Hash the events anew from one on, as someone would who knows how.
CREATE FUNCTION pg_temp.rehash(from_seq bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    event mlops.audit_event;
    last bytea := (SELECT e.hash FROM mlops.audit_event e WHERE e.seq < from_seq ORDER BY e.seq DESC LIMIT 1);
BEGIN
    FOR event IN SELECT * FROM mlops.audit_event e WHERE e.seq >= from_seq ORDER BY e.seq LOOP
        event.prev_hash := coalesce(last, event.prev_hash);
        last := sha256(mlops.audit_bytes(event));
        UPDATE mlops.audit_event e SET prev_hash = event.prev_hash, hash = last WHERE e.seq = event.seq;
    END LOOP;
END
$$;

-- Put in an event that does not belong there.
CREATE FUNCTION pg_temp.forge(seq bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    event mlops.audit_event;
BEGIN
    SELECT * INTO event FROM mlops.audit_event e WHERE e.seq = 40;
    event.seq := seq;
    event.hash := sha256('forged');
    INSERT INTO mlops.audit_event SELECT event.*;
END
$$;

SELECT results_eq('SELECT seq, hash, occurred_at FROM mlops.audit_head()',
                  $$VALUES (0::bigint, decode(repeat('00', 32), 'hex'), NULL::timestamptz)$$, 'the head of an empty log');
SELECT results_eq($$SELECT status, seq, actual FROM mlops.verify_audit(checks => '{}')$$,
                  $$VALUES ('OK', 0::bigint, decode(repeat('00', 32), 'hex'))$$, 'an empty log verifies');
SELECT results_eq($$SELECT status, seq FROM mlops.verify_audit(1, (mlops.audit_head()).seq, (mlops.audit_head()).hash, NULL, '{}')$$,
                  $$VALUES ('OK', 0::bigint)$$, 'against its head, too');

DO $$BEGIN FOR n IN 1 .. 40 LOOP PERFORM pg_temp.append('model ' || n % 4); END LOOP; END$$;
CREATE TEMPORARY TABLE head AS SELECT seq, hash FROM mlops.audit_event;

SELECT results_eq('SELECT seq, hash FROM mlops.audit_head()',
                  'SELECT seq, hash FROM mlops.audit_event ORDER BY seq DESC LIMIT 1', 'the head is the last event');
SELECT results_eq($$SELECT status, seq, expected, actual, detail FROM mlops.verify_audit(checks => '{}')$$,
                  $$SELECT 'OK', 40::bigint, NULL::bytea, hash,
                    '40 events verified. Internal consistency only: without a head kept outside of the database, a tail cut off or a log rewritten as a whole cannot be detected.'
                    FROM head WHERE seq = 40$$, 'an intact log is OK, and what that means is said');
SELECT results_eq($$SELECT v.status, v.seq, v.detail FROM head h, mlops.verify_audit(1, h.seq, h.hash, NULL, '{}') v WHERE h.seq = 40$$,
                  $$VALUES ('OK', 40::bigint, '40 events verified.')$$, 'an intact log is OK against its head');
SELECT results_eq($$SELECT v.status, v.seq FROM head h, mlops.verify_audit(1, h.seq, h.hash, NULL, '{}') v WHERE h.seq IN (1, 17) ORDER BY h.seq$$,
                  $$VALUES ('OK', 40::bigint), ('OK', 40)$$, 'and against the heads that it had before');
SELECT is((SELECT count(*) FROM generate_series(1, 1000), LATERAL (SELECT * FROM mlops.verify_audit(checks => '{}') OFFSET 0) v
           WHERE v.status = 'OK'), 1000::bigint, 'a thousand verifications find nothing');

--
-- Tampering: single values
--
CREATE TEMPORARY TABLE change AS
    SELECT attname AS name, attnum AS n,
           CASE format_type(atttypid, NULL)
               WHEN 'bigint' THEN format('coalesce(%I, 0) + 1', attname)
               WHEN 'integer' THEN format('coalesce(%I, 0) + 1', attname)
               WHEN 'oid' THEN format('(%I::bigint + 1)::oid', attname)
               WHEN 'timestamp with time zone' THEN format('coalesce(%I + interval ''1 microsecond'', now())', attname)
               WHEN 'bytea' THEN format('set_byte(coalesce(%1$I, sha256('''')), 31, get_byte(coalesce(%1$I, sha256('''')), 31) # 1)', attname)
               WHEN 'uuid' THEN 'gen_random_uuid()'
               WHEN 'json' THEN format('coalesce(%I::text || '' '', ''{}'')::json', attname)
               ELSE format('coalesce(%I, '''') || '' ''', attname)
           END AS value,
           NOT attnotnull AS nullable
    FROM pg_attribute WHERE attrelid = 'mlops.audit_event'::regclass AND attnum > 0 AND NOT attisdropped;

SELECT is((SELECT count(*) FROM change), 42::bigint, 'the table has 42 columns');
SELECT ok(CASE WHEN name = 'seq' THEN
              pg_temp.after(format('UPDATE mlops.audit_event SET %I = 1000 + %s WHERE seq = 20', name, value))
              = 'ROW_MISSING 20, ROW_MISSING 41, ROW_CHANGED 1021'
          ELSE
              pg_temp.after(format('UPDATE mlops.audit_event SET %I = %s WHERE seq = 20', name, value)) ~ '^ROW_CHANGED 20(, BLOCK_BROKEN 20)?$'
          END, format('a change of %s is found', name))
FROM change ORDER BY n;
SELECT is(pg_temp.after(format('UPDATE mlops.audit_event SET %I = %s WHERE seq = 19', name, value)),
          'ROW_CHANGED 19', format('where there was no %s before, too', name))
FROM change WHERE nullable ORDER BY n;
SELECT is(pg_temp.after(format('UPDATE mlops.audit_event SET %I = NULL WHERE seq = 20', name)),
          'ROW_CHANGED 20', format('%s taken away is found', name))
FROM change WHERE nullable ORDER BY n;
SELECT is(pg_temp.after(format('ALTER TABLE mlops.audit_event ALTER %I DROP NOT NULL;'
                               ' UPDATE mlops.audit_event SET %I = NULL WHERE seq = 20', name, name)),
          'ROW_CHANGED 20' || CASE name WHEN 'prev_hash' THEN ', BLOCK_BROKEN 20' ELSE '' END,
          format('%s taken away in spite of its constraint is found', name))
FROM change WHERE NOT nullable AND name NOT IN ('seq', 'hash') ORDER BY n;
SELECT is(pg_temp.after('ALTER TABLE mlops.audit_event ALTER hash DROP NOT NULL; UPDATE mlops.audit_event SET hash = NULL WHERE seq = 20'),
          'ROW_CHANGED 20', 'a hash taken away is found');
SELECT is(pg_temp.after('ALTER TABLE mlops.audit_event DROP CONSTRAINT audit_event_hash_check; UPDATE mlops.audit_event SET hash = substr(hash, 1, 31) WHERE seq = 20'),
          'ROW_CHANGED 20', 'a hash cut short is found');
SELECT is(pg_temp.after('UPDATE mlops.audit_event SET hash = sha256(hash) WHERE seq = 40'), 'ROW_CHANGED 40',
          'another hash of the last event is found');
SELECT is(pg_temp.after(format('UPDATE mlops.audit_event SET %I = %s', name, value)) ~ '^(ROW_CHANGED \d+(, BLOCK_BROKEN \d+)?(, |$)){40}$',
          true, format('a change of %s in every event is found in every event', name))
FROM change WHERE name NOT IN ('seq', 'prev_hash') ORDER BY n;

--
-- Tampering: whole events
--
SELECT is(pg_temp.after('DELETE FROM mlops.audit_event WHERE seq = 20'), 'ROW_MISSING 20', 'a deleted event is missing');
SELECT is(pg_temp.after('DELETE FROM mlops.audit_event WHERE seq IN (5, 6, 7, 20)'), 'ROW_MISSING 5, ROW_MISSING 20',
          'every gap is found');
SELECT is(pg_temp.after('DELETE FROM mlops.audit_event WHERE seq = 1'), 'ROW_MISSING 1', 'the first event is missing');
SELECT is(pg_temp.after('DELETE FROM mlops.audit_event WHERE seq > 38'), 'OK 38', 'a tail cut off is not seen by itself');
SELECT is(pg_temp.after('DELETE FROM mlops.audit_event WHERE seq > 38', 1, seq, hash), 'TRUNCATED 40', 'but against a head')
FROM head WHERE seq = 40;
SELECT is(pg_temp.after('DELETE FROM mlops.audit_event', 1, seq, hash), 'TRUNCATED 40', 'an emptied log, too')
FROM head WHERE seq = 40;
SELECT is(pg_temp.after('UPDATE mlops.audit_event SET seq = 100 WHERE seq = 10; UPDATE mlops.audit_event SET seq = 10 WHERE seq = 11;'
                        ' UPDATE mlops.audit_event SET seq = 11 WHERE seq = 100'),
          'ROW_CHANGED 10, BLOCK_BROKEN 10, ROW_CHANGED 11, BLOCK_BROKEN 11, BLOCK_BROKEN 12', 'swapped events are found');
SELECT is(pg_temp.after('DELETE FROM mlops.audit_event WHERE seq = 38; UPDATE mlops.audit_event SET seq = seq - 1 WHERE seq > 38'),
          'ROW_CHANGED 38, BLOCK_BROKEN 38, ROW_CHANGED 39', 'a gap closed by new numbers is found');
SELECT is(pg_temp.after('UPDATE mlops.audit_event SET reason = ''other'' WHERE seq = 20;'
                        ' UPDATE mlops.audit_event e SET hash = sha256(mlops.audit_bytes(e)) WHERE seq = 20'),
          'BLOCK_BROKEN 21', 'an event replaced together with its hash is found');
SELECT is(pg_temp.after('UPDATE mlops.audit_event SET reason = ''other'' WHERE seq = 20; SELECT pg_temp.rehash(20)'),
          'OK 40', 'a log rewritten to the end is not seen by itself');
SELECT is(pg_temp.after('UPDATE mlops.audit_event SET reason = ''other'' WHERE seq = 20; SELECT pg_temp.rehash(20)', 1, h.seq, h.hash),
          'FORKED ' || h.seq, format('but against the head %s', h.seq))
FROM head h WHERE h.seq IN (20, 40) ORDER BY h.seq;
SELECT is(pg_temp.after('UPDATE mlops.audit_event SET reason = ''other'' WHERE seq = 20; SELECT pg_temp.rehash(20)', 1, seq, hash),
          'OK 40', 'not against a head before it')
FROM head WHERE seq = 19;
SELECT is(pg_temp.after('UPDATE mlops.audit_event SET reason = ''other'' WHERE seq = 20', 1, seq, hash), 'ROW_CHANGED 20',
          'a changed event is no other history')
FROM head WHERE seq = 20;
SELECT is(pg_temp.after('ALTER TABLE mlops.audit_event DROP CONSTRAINT audit_event_first_check;'
                        ' UPDATE mlops.audit_event SET prev_hash = sha256('''') WHERE seq = 1; SELECT pg_temp.rehash(1)'),
          'BLOCK_BROKEN 1', 'a log with something before its first event is found');
SELECT is(pg_temp.after('ALTER TABLE mlops.audit_event DROP CONSTRAINT audit_event_seq_check; SELECT pg_temp.forge(0)'),
          'ROW_EXTRA 0', 'an event without a proper number is found');
SELECT is(pg_temp.after('ALTER TABLE mlops.audit_event DROP CONSTRAINT audit_event_seq_check; SELECT pg_temp.forge(-5)'),
          'ROW_EXTRA -5', 'so is one with a negative number');
SELECT is(pg_temp.after('SELECT pg_temp.forge(41)'),
          'ROW_CHANGED 41, BLOCK_BROKEN 41', 'an event that was made up is found');
SELECT is(pg_temp.after('UPDATE mlops.audit_event SET seq = 1000 + seq WHERE seq > 30; SELECT pg_temp.rehash(1031)'),
          'CHAIN_GAP 31', 'a gap over which the events are linked is found');
SELECT is(pg_temp.after('UPDATE mlops.audit_event SET log_id = gen_random_uuid() WHERE seq = 31; SELECT pg_temp.rehash(31)'),
          'BLOCK_BROKEN 31, BLOCK_BROKEN 32', 'an event of another log is found');

-- what only a catalogue that was tampered with lets happen
SET LOCAL allow_system_table_mods = on;
SELECT is(pg_temp.after($$
    UPDATE pg_index SET indisunique = false WHERE indrelid = 'mlops.audit_event'::regclass;
    INSERT INTO mlops.audit_event SELECT e.* FROM mlops.audit_event e WHERE seq = 20$$),
    'ROW_EXTRA 20', 'two events with one number are found');
SELECT is(pg_temp.after($$
    UPDATE pg_index SET indisready = false WHERE indrelid = 'mlops.audit_event'::regclass;
    INSERT INTO mlops.audit_event SELECT e.* FROM mlops.audit_event e WHERE seq = 20;
    UPDATE pg_index SET indisready = true WHERE indrelid = 'mlops.audit_event'::regclass$$),
    'INDEX_MISMATCH 40', 'an event that the index does not lead to is found');
RESET allow_system_table_mods;
SELECT throws_ok($$SELECT pg_temp.after('ALTER TABLE mlops.audit_event DROP CONSTRAINT audit_event_pkey')$$,
                 '42704', 'table "mlops.audit_event" has no valid primary key on "seq"', 'without its key the log cannot be verified');
SELECT throws_ok($$SELECT pg_temp.after('ALTER TABLE mlops.audit_event RENAME reason TO excuse')$$,
                 '42703', 'table mlops.audit_event has no column "reason" of type text', 'nor without a column');
SELECT is(pg_temp.after('CREATE RULE r AS ON UPDATE TO mlops.audit_event DO INSTEAD NOTHING; ALTER TABLE mlops.audit_event ENABLE ROW LEVEL SECURITY;'
                        ' ALTER TABLE mlops.audit_event FORCE ROW LEVEL SECURITY; DELETE FROM mlops.audit_event WHERE seq = 20'),
          'ROW_MISSING 20', 'rules and policies hide nothing');
SELECT is(pg_temp.after('CLUSTER mlops.audit_event USING audit_event_hash_key'), 'OK 40', 'the order of rows in the table does not matter');

--
-- A part of the log
--
SELECT is(pg_temp.after('UPDATE mlops.audit_event SET reason = ''other'' WHERE seq = 10', 30), 'OK 40', 'events before from_seq are not verified');
SELECT is(pg_temp.after('UPDATE mlops.audit_event SET reason = ''other'' WHERE seq = 30', 30), 'ROW_CHANGED 30', 'from_seq itself is');
SELECT is(pg_temp.after('UPDATE mlops.audit_event e SET prev_hash = sha256('''') WHERE seq = 30; UPDATE mlops.audit_event e SET hash = sha256(mlops.audit_bytes(e)) WHERE seq = 30', 30),
          'BLOCK_BROKEN 30, BLOCK_BROKEN 31', 'with its link to the one before');
SELECT is(pg_temp.after('DELETE FROM mlops.audit_event WHERE seq = 29', 30), 'ROW_MISSING 29', 'for which that one is needed');
SELECT is(pg_temp.after('DELETE FROM mlops.audit_event WHERE seq < 35', 30), 'ROW_MISSING 29', 'also if more are missing');
SELECT results_eq($$SELECT status, seq, detail FROM mlops.verify_audit(41, checks => '{}')$$,
                  $$VALUES ('OK', 40::bigint, '0 events verified. Internal consistency only: without a head kept outside of the database, a tail cut off or a log rewritten as a whole cannot be detected.')$$,
                  'nothing new is OK');
SELECT is(pg_temp.after('', 42), 'TRUNCATED 41', 'a log that ends before from_seq is too short');
SELECT is(pg_temp.after('', 30, seq, hash), 'OK 40', format('against head %s before from_seq', seq)) FROM head WHERE seq IN (10, 29, 30);
SELECT is(pg_temp.after('', 30, seq, sha256(hash)), 'FORKED ' || seq, format('against a wrong head %s before from_seq', seq)) FROM head WHERE seq IN (10, 29, 30);
SELECT is(pg_temp.after('DELETE FROM mlops.audit_event WHERE seq = 10', 30, seq, hash), 'ROW_MISSING 10', 'the event of an early head must be there') FROM head WHERE seq = 10;
SELECT is(pg_temp.after('', 1, 0, sha256('')), 'FORKED 0', 'before the first event there are zeros');

SELECT throws_ok('SELECT mlops.verify_audit(0)', '22023', 'from_seq must be at least 1', 'no event 0');
SELECT throws_ok('SELECT mlops.verify_audit(NULL)', '22023', 'from_seq must be at least 1', 'no event NULL');
SELECT throws_ok('SELECT mlops.verify_audit(1, 1)', '22023', 'expected_seq and expected_hash must be given together', 'a head has a hash');
SELECT throws_ok($$SELECT mlops.verify_audit(1, 1, '\x00')$$, '22023', 'expected_seq and expected_hash are not a head of the audit log', 'of 32 bytes');
SELECT throws_ok($$SELECT mlops.verify_audit(1, -1, sha256(''))$$, '22023', 'expected_seq and expected_hash are not a head of the audit log', 'and a number from 0');

--
-- Protection
--
ALTER TABLE mlops.audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_change;
ALTER TABLE mlops.audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_truncate;
SELECT throws_ok('UPDATE mlops.audit_event SET reason = NULL WHERE seq = 1', 'ML040', 'rows of table "mlops.audit_event" cannot be changed or deleted', 'no UPDATE');
SELECT throws_ok('DELETE FROM mlops.audit_event WHERE seq = 1', 'ML040', NULL, 'no DELETE');
SELECT throws_ok('TRUNCATE mlops.audit_event', 'ML040', NULL, 'no TRUNCATE');
SELECT throws_ok('INSERT INTO mlops.audit_event SELECT * FROM mlops.audit_event WHERE seq = 1 ON CONFLICT (seq) DO UPDATE SET reason = NULL',
                 'ML040', NULL, 'no upsert');
SET LOCAL session_replication_role = replica;
SELECT throws_ok('UPDATE mlops.audit_event SET reason = NULL WHERE seq = 1', 'ML040', NULL, 'no UPDATE as a replica');
SELECT throws_ok('DELETE FROM mlops.audit_event WHERE seq = 1', 'ML040', NULL, 'no DELETE as a replica');
SELECT throws_ok('TRUNCATE mlops.audit_event', 'ML040', NULL, 'no TRUNCATE as a replica');
RESET session_replication_role;

CREATE ROLE audit_test_nobody;
CREATE ROLE audit_test_reader;
CREATE ROLE audit_test_auditor;
SELECT is_empty($$SELECT p FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
                  WHERE has_table_privilege('audit_test_nobody', 'mlops.audit_event', p)$$, 'the table is closed');
SELECT is_empty($$SELECT proname FROM pg_proc
                  WHERE pronamespace = 'mlops'::regnamespace AND proname IN ('_audit', '_refuse_change', 'verify_audit', 'audit_head')
                    AND has_function_privilege('audit_test_nobody', oid, 'EXECUTE')$$, 'so are its functions');
SELECT throws_ok($$SELECT mlops._audit('forged')$$, '42501', 'private functions of mlops cannot be called directly', 'nobody writes an event directly');
SELECT throws_ok($$SELECT mlops.probe(NULL)$$, '22004', 'an audit event must have an action', 'an event has an action');
SELECT lives_ok($$SELECT mlops.probe('x')$$, 'an event is noted');
SELECT is((SELECT count(*) FROM mlops.audit_event), 40::bigint, 'but not yet in the log');

--
-- Visibility
--
DO $$BEGIN FOR n IN 1 .. 3 LOOP PERFORM mlops.create_model('model ' || n, 'binary'); END LOOP; END$$;
ALTER TABLE mlops.audit_event DISABLE TRIGGER USER;
UPDATE mlops.audit_event SET model = NULL WHERE model = 'model 0';
DO $$
BEGIN
    PERFORM mlops.grant_privilege('read', 'model 1', 'audit_test_reader');
    PERFORM mlops.grant_privilege('score', 'model 2', 'audit_test_reader');
    PERFORM mlops.grant_privilege('read', NULL, 'audit_test_auditor');
END
$$;
GRANT EXECUTE ON FUNCTION mlops.verify_audit TO audit_test_auditor;
SELECT is((SELECT count(*) FROM mlops.audit_log), 40::bigint, 'a superuser sees all events');
SET LOCAL ROLE audit_test_nobody;
SELECT is((SELECT count(*) FROM mlops.audit_log), 0::bigint, 'without a privilege one sees none');
SELECT throws_ok('SELECT * FROM mlops.audit_event', '42501', NULL, 'nor the table');
SELECT throws_ok($$SELECT * FROM mlops.verify_audit(checks => '{}')$$, '42501', NULL, 'nor the verification');
SELECT throws_ok('SELECT * FROM mlops.audit_head()', '42501', NULL, 'nor the head');
SET LOCAL ROLE audit_test_reader;
SELECT results_eq('SELECT model, count(*) FROM mlops.audit_log GROUP BY model', $$VALUES ('model 1', 10::bigint)$$,
                  'with read one sees the events of that model');
SET LOCAL ROLE audit_test_auditor;
SELECT results_eq('SELECT model, count(*) FROM mlops.audit_log GROUP BY model ORDER BY model',
                  $$VALUES ('model 1', 10::bigint), ('model 2', 10), ('model 3', 10), (NULL, 10)$$,
                  'with read on all models, all');
SELECT isnt_empty($$SELECT * FROM mlops.verify_audit(checks => '{}')$$, 'who was granted it verifies without reading the table');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
