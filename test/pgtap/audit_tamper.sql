-- A log of 1,000 events: every change of every stored column of every event is
-- found, and nothing is found where nothing was changed.
\set ECHO none
\set QUIET 1
BEGIN;
SELECT plan(3 + 2 * 41 + 8);

ALTER TABLE mlops.audit_event DISABLE TRIGGER USER;
DELETE FROM mlops.audit_event;
ALTER TABLE mlops.audit_event DROP CONSTRAINT audit_event_first_check;

-- events that have every field, and in turn events that have few
CREATE TEMPORARY TABLE sample AS
    SELECT n, e.* FROM generate_series(1, 1000) n, LATERAL (
        SELECT n::bigint AS seq, '6d6c6f70-7301-4a02-8b03-0405060708ff'::uuid AS log_id, 1 AS incarnation,
               '\x00'::bytea AS prev_hash, clock_timestamp() AS occurred_at, now() AS statement_at,
               now() AS transaction_at, 700 + n::bigint AS xid, 'ana' || n AS login_role, 'ana' AS session_user_name,
               'owner' AS caller, 'gss:ana' AS system_user_name, 'u-' || n AS asserted_user, '10.0.0.7' AS client_addr,
               5000 + n AS client_port, 'CN=ana' AS client_dn, 'psql' AS application_name, 4711 AS backend_pid,
               now() AS backend_start, 'bank' AS database_name, 16384::oid AS database_oid,
               7711441350878733713 AS system_identifier, 1::bigint AS timeline, '0.1.0' AS extension_version,
               '17.2' AS server_version, 'note.' || n AS action, 'risk' AS model, n AS version, 'champion' AS alias,
               'subject' AS subject, 'reason ' || n AS reason, 'CHG-' || n AS change_ref, sha256('artifact') AS artifact_sha256,
               json_build_object('version', n) AS state_before, json_build_object('version', n + 1) AS state_after,
               '{"note": "x"}'::json AS detail, '[{"request": 1}]'::json AS relied_on, sha256('signature') AS signature_sha256,
               sha256('policy') AS policy_sha256, 'xgboost 1.7.4' AS library_version, clock_timestamp() AS recorded_at,
               '\x00'::bytea AS hash) e;
DO $$
DECLARE
    event mlops.audit_event;
    last bytea := decode(repeat('00', 32), 'hex');
BEGIN
    FOR event IN SELECT (json_populate_record(NULL::mlops.audit_event, row_to_json(s)::json)).* FROM sample s ORDER BY n LOOP
        IF event.seq % 5 = 0 THEN
            event.system_user_name := NULL; event.asserted_user := NULL; event.client_addr := NULL;
            event.client_port := NULL; event.client_dn := NULL; event.application_name := NULL; event.model := NULL;
            event.version := NULL; event.alias := NULL; event.subject := NULL; event.reason := NULL;
            event.change_ref := NULL; event.artifact_sha256 := NULL; event.state_before := NULL;
            event.state_after := NULL; event.detail := NULL; event.relied_on := NULL; event.signature_sha256 := NULL;
            event.policy_sha256 := NULL; event.library_version := NULL; event.recorded_at := NULL;
        END IF;
        event.prev_hash := last;
        event.hash := sha256(mlops.audit_bytes(event));
        last := event.hash;
        INSERT INTO mlops.audit_event SELECT event.*;
    END LOOP;
END
$$;
SELECT results_eq($$SELECT status, seq FROM mlops.verify_audit(checks => '{}')$$, $$VALUES ('OK', 1000::bigint)$$, 'a log of 1,000 events');
SELECT is((SELECT count(*) FROM generate_series(1, 1000), LATERAL (SELECT * FROM mlops.verify_audit(checks => '{}') OFFSET 0) v
           WHERE v.status = 'OK'), 1000::bigint, 'a thousand verifications find nothing');

CREATE TEMPORARY TABLE change AS
    SELECT attname AS name, row_number() OVER (ORDER BY attnum) AS n,
           CASE format_type(atttypid, NULL)
               WHEN 'bigint' THEN format('coalesce(%I, 0) + 1', attname)
               WHEN 'integer' THEN format('coalesce(%I, 0) + 1', attname)
               WHEN 'oid' THEN format('(%I::bigint + 1)::oid', attname)
               WHEN 'timestamp with time zone' THEN format('coalesce(%I + interval ''1 microsecond'', now())', attname)
               WHEN 'bytea' THEN format('set_byte(coalesce(%1$I, sha256('''')), 31, get_byte(coalesce(%1$I, sha256('''')), 31) # 1)', attname)
               WHEN 'uuid' THEN 'gen_random_uuid()'
               WHEN 'json' THEN format('coalesce(%I::text || '' '', ''{}'')::json', attname)
               ELSE format('coalesce(%I, '''') || '' ''', attname)
           END AS value
    FROM pg_attribute
    WHERE attrelid = 'mlops.audit_event'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'seq';
SELECT is((SELECT count(*) FROM change), 41::bigint, 'beside its number an event has 41 columns');

-- the events of which a finding tells, after a change that is undone
CREATE FUNCTION pg_temp.found(change text, OUT events bigint, OUT first bigint) LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE change;
        SELECT count(DISTINCT v.seq), min(v.seq) INTO events, first FROM mlops.verify_audit(checks => '{}') v WHERE v.status <> 'OK';
        RAISE EXCEPTION SQLSTATE 'XXUND';
    EXCEPTION WHEN SQLSTATE 'XXUND' THEN
    END;
END
$$;

-- each column of all events, and each column of single events: every event is
-- one of them
SELECT is((SELECT events FROM pg_temp.found(format('UPDATE mlops.audit_event SET %I = %s', name, value))),
          1000::bigint, format('%s of 1,000 events', name))
FROM change ORDER BY n;
SELECT is((SELECT count(*) FROM generate_series(1, 1000) seq, LATERAL pg_temp.found(
               format('UPDATE mlops.audit_event SET %I = %s WHERE seq = %s', name, value, seq)) f
           WHERE seq % 41 = n - 1 AND f.first = seq),
          (SELECT count(*) FROM generate_series(1, 1000) seq WHERE seq % 41 = n - 1), format('%s of one event alone', name))
FROM change ORDER BY n;

-- whole events
SELECT is((SELECT count(*) FROM generate_series(1, 999, 7) seq, LATERAL pg_temp.found(format('DELETE FROM mlops.audit_event WHERE seq = %s', seq)) f
           WHERE f.first = seq), 143::bigint, 'every deleted event is missing');
SELECT is((SELECT count(*) FROM generate_series(1, 999, 7) seq, LATERAL pg_temp.found(format(
               'UPDATE mlops.audit_event SET seq = 2000 WHERE seq = %1$s; UPDATE mlops.audit_event SET seq = %1$s WHERE seq = %2$s;'
               ' UPDATE mlops.audit_event SET seq = %2$s WHERE seq = 2000', seq, seq + 1)) f
           WHERE f.first = seq), 143::bigint, 'every two swapped events are found');
SELECT is((SELECT count(*) FROM generate_series(1, 999, 50) seq, LATERAL pg_temp.found(format(
               'UPDATE mlops.audit_event SET seq = seq + 10000 WHERE seq > %1$s; UPDATE mlops.audit_event SET seq = seq - 9999 WHERE seq > 10000;'
               ' INSERT INTO mlops.audit_event SELECT (json_populate_record(NULL::mlops.audit_event, (to_jsonb(e) || jsonb_build_object(''seq'', %1$s + 1, ''hash'', sha256('''')))::json)).*'
               ' FROM mlops.audit_event e WHERE seq = 1', seq)) f
           WHERE f.first = seq + 1), 20::bigint, 'every inserted event is found');
SELECT is((SELECT events FROM pg_temp.found('UPDATE mlops.audit_event SET seq = 2001 - seq + 10000; UPDATE mlops.audit_event SET seq = seq - 11000')),
          1000::bigint, 'an order that is turned round is found in every event');
SELECT is((SELECT count(*) FROM generate_series(1, 999, 7) n, LATERAL (
               SELECT bool_or(v.status = 'TRUNCATED') AS found FROM mlops.audit_head() h,
                      LATERAL mlops.verify_audit(1, h.seq + n, h.hash, checks => '{}') v) f
           WHERE f.found), 143::bigint, 'a log that is too short for a head is found');
CREATE TEMPORARY TABLE note AS SELECT c.size, c.checkpoint FROM mlops._checkpoint(NULL, NULL, NULL) c;
CREATE FUNCTION pg_temp.cut(size bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    BEGIN
        DELETE FROM mlops.audit_event WHERE seq > size;
        SELECT string_agg(v.status || ' ' || v.seq, ', ') INTO result
        FROM note, mlops.verify_audit(checkpoints => ARRAY[checkpoint], checks => '{}') v;
        RAISE EXCEPTION SQLSTATE 'XXUND';
    EXCEPTION WHEN SQLSTATE 'XXUND' THEN
        RETURN result;
    END;
END
$$;
SELECT is((SELECT count(*) FROM generate_series(0, 999, 7) n WHERE pg_temp.cut(n) = 'TRUNCATED 1000'), 143::bigint,
          'a log that is too short for a checkpoint is found');
SELECT is(pg_temp.cut(1000), 'OK 1000', 'a whole one is not');
SELECT is((SELECT count(*) FROM generate_series(1, 1000), LATERAL (
               SELECT v.status FROM note, mlops.verify_audit(checkpoints => ARRAY[checkpoint], checks => '{}') v OFFSET 0) v
           WHERE v.status = 'OK'), 1000::bigint, 'a thousand verifications with a checkpoint find nothing');

SELECT * FROM finish();
ROLLBACK;
