-- What governance records in the audit log: every act leaves the state that the
-- tables have, and every change of a table behind its back is found.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SELECT plan(44);

CREATE ROLE ga_maker LOGIN; CREATE ROLE ga_checker LOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO ga_maker, ga_checker;
CREATE TEMPORARY TABLE file AS SELECT pg_temp.stumps('{a}', '{0}', '{0}', '{-1}', '{1}') AS artifact;
GRANT SELECT ON file TO PUBLIC;
CREATE FUNCTION pg_temp.maker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('ga_maker', $1) $$;
CREATE FUNCTION pg_temp.checker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('ga_checker', $1) $$;
CREATE FUNCTION pg_temp.last() RETURNS bigint LANGUAGE sql AS $$ SELECT max(id) FROM mlops.request $$;
CREATE FUNCTION pg_temp.approve() RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.try('ga_checker', format('SELECT mlops.approve(%s)', pg_temp.last()), true) $$;

-- Number of findings about objects of this test.
CREATE FUNCTION pg_temp.findings() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM mlops.verify_audit(checks => '{state}') v
    WHERE v.status = 'STATE_MISMATCH' AND v.detail ~ 'ga_test' $$;

-- All rows of a table about models of this test.
CREATE FUNCTION pg_temp.rows_of(name text) RETURNS text LANGUAGE sql AS $$
    SELECT format('(SELECT t.ctid AS place FROM mlops.%I t%s)', name,
                  CASE name WHEN 'approval' THEN ' JOIN mlops.request r ON r.id = t.request_id JOIN mlops.model m ON m.id = r.model_id AND m.name = ''ga_test'''
                            WHEN 'measurement' THEN ' JOIN mlops.version v ON v.id = t.version_id JOIN mlops.model m ON m.id = v.model_id AND m.name = ''ga_test'''
                            ELSE ' JOIN mlops.model m ON m.id = t.model_id AND m.name = ''ga_test''' END) $$;

-- Change each column of a table, or delete its rows, and say which changes were
-- not found.  A change that the table itself does not take is none.
CREATE FUNCTION pg_temp.hidden(name text, OUT tried integer, OUT missed text[]) LANGUAGE plpgsql AS $body$
DECLARE
    item record;
    found bigint;
    statement text;
BEGIN
    -- to the end of the test, which is undone
    tried := 0;
    missed := '{}';
    EXECUTE format('ALTER TABLE mlops.%I DISABLE TRIGGER USER', name);
    FOR item IN
        SELECT a.attname,
               CASE a.atttypid::regtype::text
                   WHEN 'bigint' THEN 'coalesce(t.%1$I, 0) + 1000000'
                   WHEN 'integer' THEN 'coalesce(t.%1$I, 3) - 1'
                   WHEN 'boolean' THEN 'NOT coalesce(t.%1$I, false)'
                   WHEN 'double precision' THEN 'coalesce(t.%1$I, 0) + 1'
                   WHEN 'timestamp with time zone' THEN 'coalesce(t.%1$I, now()) + interval ''1 microsecond'''
                   WHEN 'bytea' THEN 'sha256(t.%1$I)'
                   WHEN 'jsonb' THEN 't.%1$I || ''{"x": 1}'''
                   WHEN 'name[]' THEN 't.%1$I || ''ga_test''::name'
                   WHEN 'text[]' THEN '''{run}'''
                   WHEN 'integer[]' THEN '(SELECT array_agg(e + 1) FROM unnest(t.%1$I) e)'
                   WHEN 'numeric' THEN 'coalesce(t.%1$I, 0) + 1'
                   ELSE 'coalesce(t.%1$I::text, '''') || ''x''' END AS expression
        FROM pg_attribute a
        WHERE a.attrelid = ('mlops.' || name)::regclass AND a.attnum > 0 AND NOT a.attisdropped
          -- OIDs are others in another cluster, and not in the log
          AND a.attname <> 'approver_roles'
        UNION ALL SELECT NULL, NULL
    LOOP
        statement := CASE WHEN item.attname IS NULL
            THEN format('DELETE FROM mlops.%I t WHERE ctid = ANY (SELECT place FROM %s r LIMIT 1)', name, pg_temp.rows_of(name))
            ELSE format('UPDATE mlops.%I t SET %I = ' || replace(item.expression, '%1$I', quote_ident(item.attname))
                        || ' WHERE ctid = ANY (SELECT place FROM %s r LIMIT 1)', name, item.attname, pg_temp.rows_of(name)) END;
        BEGIN
            EXECUTE statement;
            found := pg_temp.findings();
            RAISE EXCEPTION USING ERRCODE = 'P0099';
        EXCEPTION
            WHEN SQLSTATE 'P0099' THEN
                tried := tried + 1;
                IF found = 0 THEN
                    missed := missed || coalesce(item.attname, 'DELETE')::text;
                END IF;
            WHEN check_violation OR unique_violation THEN
                NULL;
        END;
    END LOOP;
END
$body$;

SELECT pg_temp.maker($$SELECT mlops.import_model('ga_test', artifact, metrics => '{"auc": 0.7}') FROM file, generate_series(1, 6) ORDER BY 1 DESC LIMIT 1$$);
SELECT mlops.grant_privilege('approve', 'ga_test', 'ga_checker');

-- one object of each kind in each of its states
SELECT is(pg_temp.maker($$SELECT mlops.promote('ga_test/1', reason => 'r', change_ref => 'CHG-1')$$), 'ga_test/1', 'a promotion alone');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('ga_test', approvals => 1, approvers => '{ga_checker}', lifetime => '1 day',
    evidence => '{metrics}', change_ref_required => true, execution => 'approval', approve_resume => true,
    fallback_alias => 'challenger', reason => 'r', change_ref => 'CHG-2')$$), NULL, 'a policy');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('ga_test', 'shadow', approvals => 0, fallback_value => 0.1, reason => 'r')$$), NULL, 'another');
SELECT is(pg_temp.findings(), 0::bigint, 'policies are what the log says');
SELECT is(pg_temp.maker($$SELECT mlops.promote('ga_test/2', reason => 'r', change_ref => 'CHG-3')$$), NULL, 'a request');
SELECT is(pg_temp.approve(), 'executed', 'is approved');
SELECT is(pg_temp.maker($$SELECT mlops.promote('ga_test/3', reason => 'r', change_ref => 'CHG-4')$$), NULL, 'a request');
SELECT is(pg_temp.checker(format('SELECT mlops.reject(%s, %L)', pg_temp.last(), 'no')), '', 'is rejected');
SELECT is(pg_temp.maker($$SELECT mlops.promote('ga_test/3', reason => 'r', change_ref => 'CHG-5')$$), NULL, 'a request');
SELECT is(pg_temp.maker(format('SELECT mlops.withdraw(%s)', pg_temp.last())), '', 'is withdrawn');
SELECT is(pg_temp.maker($$SELECT mlops.promote('ga_test/4', reason => 'r', change_ref => 'CHG-6')$$), NULL, 'a request');
SELECT is(pg_temp.maker($$SELECT mlops.rollback('ga_test', reason => 'r')$$), 'ga_test/1', 'is void after a rollback');
SELECT is((SELECT status FROM mlops.requests WHERE id = pg_temp.last()), 'void', 'as recorded');
SELECT is(pg_temp.checker(format('SELECT mlops.ratify(%s, %L)', (SELECT max(id) FROM mlops.safety_actions WHERE model = 'ga_test'), 'seen')), '', 'which is ratified');
SELECT is(pg_temp.maker($$SELECT mlops.suspend('ga_test', 'r')$$), '', 'a suspension');
SELECT is(pg_temp.maker($$SELECT mlops.resume('ga_test', 'r')$$), 'ML042', 'whose end needs a change number');
SELECT is(pg_temp.maker($$SELECT mlops.resume('ga_test', 'r', 'CHG-8') IS NOT NULL$$), 'true', 'and with it');
SELECT is(pg_temp.approve(), 'executed', 'is approved');
SELECT is(pg_temp.maker($$SELECT mlops.suspend('ga_test', 'r')$$), '', 'another suspension');
SELECT isnt(pg_temp.maker($$SELECT mlops.add_gate('ga_test', 'shadow', 'metric', 'auc', at_least => 0.5, at_most => 0.9, reason => 'r')$$), NULL, 'a gate');
SELECT isnt(pg_temp.maker($$SELECT mlops.record_measurement('ga_test/2', 'd', '{"auc": 1}', 'pass', sha256('d'), 'seen')$$), NULL, 'a measurement');
SELECT is(pg_temp.maker($$SELECT mlops.set_card('ga_test', '{"purpose": "x"}', 'r')$$), '', 'a card');
SELECT is(pg_temp.maker($$SELECT mlops.set_traffic('ga_test', 'shadow', '{}', 'r')$$), 'ML003', 'traffic of an alias that is not there');
SELECT is(pg_temp.maker($$SELECT mlops.set_traffic('ga_test', weights => '{"2": 0.25}', reason => 'r', change_ref => 'CHG-9') IS NOT NULL$$), 'true', 'a share of the keys');
SELECT is(pg_temp.approve(), 'executed', 'is approved');
SELECT is(pg_temp.maker($$SELECT mlops.set_shadow('ga_test', version => 3, reason => 'r', change_ref => 'CHG-10') IS NOT NULL$$), 'true', 'a version beside');
SELECT is(pg_temp.approve(), 'executed', 'is approved, too');
SELECT is(pg_temp.maker($$SELECT mlops.promote('ga_test/5', reason => 'r', change_ref => 'CHG-7')$$), NULL, 'an open request');
SELECT is(pg_temp.findings(), 0::bigint, 'all that governance has done is what the log says');


-- each table, each column
CREATE TEMPORARY TABLE tried AS
    SELECT t.name, h.tried, h.missed
    FROM unnest('{policy,request,approval,suspension,safety_action,alias,alias_change,gate,measurement,card,traffic}'::text[]) t (name), pg_temp.hidden(t.name) h;
SELECT is(missed, '{}', format('every change of mlops.%s is found', name)) FROM tried;
SELECT is(sum(tried), 115::bigint, 'of many') FROM tried;
SELECT is(pg_temp.findings(), 0::bigint, 'and there are none when they are undone');

-- how a version is scored
ALTER TABLE mlops.version DISABLE TRIGGER USER;
UPDATE mlops.version v SET missing = -999 FROM mlops.model m WHERE m.id = v.model_id AND m.name = 'ga_test' AND v.version = 1;
SELECT is(pg_temp.findings(), 1::bigint, 'another number for a missing value is found');
UPDATE mlops.model SET unseen_categories = 'other' WHERE name = 'ga_test';
SELECT is(pg_temp.findings(), 2::bigint, 'and another policy for categories');

SELECT * FROM finish();
ROLLBACK;
