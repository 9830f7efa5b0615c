-- What monitors do on failure: what succeeds, what does not, and as whom.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SET LOCAL TimeZone = 'UTC';
SELECT plan(20);

CREATE ROLE ma_owner LOGIN; CREATE ROLE ma_thief LOGIN; CREATE ROLE ma_team; GRANT ma_team TO ma_owner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO ma_owner;
CREATE TEMPORARY TABLE file AS SELECT pg_temp.stumps('{a}', '{0}', '{0.5}', '{-1.5}', '{1.5}') AS artifact;
GRANT SELECT ON file TO PUBLIC;
CREATE FUNCTION pg_temp.owner(statement text, with_message boolean DEFAULT false) RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.try('ma_owner', statement, with_message) $$;
CREATE SCHEMA ma; GRANT ALL ON SCHEMA ma TO PUBLIC;
-- the second of four days is shifted
CREATE TABLE ma.loan AS
SELECT timestamptz '2026-01-05 00:00+00' + (i - 1) * interval '2 minutes 24 seconds' AS at,
       ((i * 7919) % 1009 / 1009.0)::float8 + CASE WHEN (i - 1) / 600 = 1 THEN 0.5 ELSE 0 END AS a FROM generate_series(1, 2400) i;
GRANT SELECT ON ma.loan TO PUBLIC;
SELECT pg_temp.owner($$SELECT mlops.import_model('ma_risk', artifact) FROM file, generate_series(1, 3)$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.import_model('ma_risk', artifact) FROM file$$) FROM generate_series(1, 2) \g /dev/null
SELECT pg_temp.owner(format($$SELECT count(*) FROM (SELECT mlops.set_profile('ma_risk/%s', 'SELECT a FROM ma.loan WHERE at < ''2026-01-06''')) p$$, v)) FROM generate_series(1, 3) v \g /dev/null
SELECT pg_temp.owner(format($$SELECT mlops.promote('ma_risk/%s', reason => 'r')$$, v)) FROM generate_series(1, 2) v \g /dev/null
SELECT is(pg_temp.owner($$SELECT mlops.create_monitor('ma', 'ma_risk', 'ma.loan', 'at') > 0$$), 'true', 'a monitor');
SELECT is((SELECT version FROM mlops.aliases WHERE model = 'ma_risk' AND alias = 'champion'), 2, 'of the second champion');

-- as whom a function is called, and whose
CREATE FUNCTION ma.heed(message jsonb) RETURNS text LANGUAGE sql AS
    $$ SELECT set_config('ma.heard', concat_ws(' ', session_user, current_user, message->>'kind', message->>'status', message->>'action'), true) $$;
CREATE FUNCTION ma.team(message jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'ok' $$; ALTER FUNCTION ma.team OWNER TO ma_team;
CREATE FUNCTION ma.theft(message jsonb) RETURNS text LANGUAGE sql AS $$ SELECT set_config('ma.stolen', 'yes', true) $$; ALTER FUNCTION ma.theft OWNER TO ma_thief;
CREATE FUNCTION ma.broken(message jsonb) RETURNS text LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE ma.half (); RAISE EXCEPTION 'no time'; END $$;
CREATE FUNCTION ma.many(message jsonb) RETURNS SETOF int LANGUAGE sql AS $$ SELECT 1 UNION ALL SELECT 2 $$;
CREATE FUNCTION ma.two(message jsonb, other int) RETURNS text LANGUAGE sql AS $$ SELECT 'ok' $$;
SELECT is(pg_temp.owner($$SELECT mlops.add_check('ma', 'drift', on_failure => 'call', function => 'ma.theft')$$, true),
          '22023: invalid check of monitor "ma" The function is called with your rights: it must belong to you, to a role of which you are a member, or to a superuser.',
          'a function of somebody else is not called with one''s rights');
SELECT is(pg_temp.owner($$SELECT mlops.add_check('ma', 'drift', on_failure => 'call', function => 'ma.two')$$), '22023', 'nor one of other arguments');
SELECT is(pg_temp.owner($$SELECT mlops.add_check('ma', 'drift', on_failure => 'alert', function => 'ma.heed')$$), '22023', 'a function is for a call');
SELECT pg_temp.owner(format($$SELECT mlops.add_check('ma', 'drift', on_failure => 'call', function => 'ma.%s')$$, f)) FROM unnest('{heed,team,broken,many}'::text[]) f \g /dev/null
SELECT pg_temp.owner(format($$SELECT mlops.add_check('ma', 'drift', on_failure => '%s')$$, f)) FROM unnest('{nothing,alert,rollback}'::text[]) f \g /dev/null
-- taken over after it was named
DROP FUNCTION ma.team;
CREATE FUNCTION ma.team(message jsonb) RETURNS text LANGUAGE sql AS $$ SELECT set_config('ma.stolen', 'yes', true) $$; ALTER FUNCTION ma.team OWNER TO ma_thief;
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ma', '2026-01-07')$$), 'fail', 'a shift');
SELECT is(current_setting('ma.heard', true), 'ma_owner ma_owner drift open call', 'a function is called as the owner');
SELECT is(current_setting('ma.stolen', true), NULL, 'and not one that somebody else put in its place');
SELECT results_eq($$SELECT action, outcome FROM mlops.alerts ORDER BY id$$,
                  $$VALUES ('call', 'done'), ('call', 'not done: function ma.team(jsonb) is not there, or of a role that could act as its caller by it'),
                           ('call', 'not done: no time'), ('call', 'done'), ('alert', NULL), ('rollback', 'done')$$, 'what became of each');
SELECT is(to_regclass('ma.half'), NULL, 'one that fails has done nothing');
SELECT is((SELECT version FROM mlops.aliases WHERE model = 'ma_risk' AND alias = 'champion'), 1, 'the first version is champion again');
SELECT ok(EXISTS (SELECT FROM mlops.alias_change WHERE action = 'rollback' AND reason ~ '^alert \d+ of monitor ma$'), 'by a rollback that names the alert');

-- the version that is in charge now is not to blame
SELECT pg_temp.owner($$SELECT mlops.drop_check(id) FROM mlops.monitor_checks$$) FROM generate_series(1, 7) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.drop_check(max(id)) FROM mlops.monitor_checks$$) FROM generate_series(1, 7) \g /dev/null
SELECT is((SELECT count(*) FROM mlops.monitor_checks), 0::bigint, 'no checks');
SELECT pg_temp.owner($$SELECT mlops.create_monitor('ma2', 'ma_risk/2', 'ma.loan', 'at')$$) \g /dev/null
SELECT is(pg_temp.owner($$SELECT mlops.add_check('ma2', 'drift', on_failure => 'rollback')$$), '22023', 'one version has no alias');
SELECT pg_temp.owner($$SELECT mlops.add_check('ma2', 'drift', on_failure => 'suspend')$$) \g /dev/null
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ma2', '2026-01-07')$$), 'fail', 'a monitor of a version');
SELECT is((SELECT outcome FROM mlops.alerts WHERE monitor = 'ma2'), 'done', 'suspends its model');
SELECT is((SELECT count(*) FROM mlops.suspension WHERE ended_at IS NULL), 1::bigint, 'which is suspended');
SELECT is(pg_temp.owner($$SELECT mlops.run_monitor('ma2', '2026-01-07', again => true)$$), 'insufficient', 'a model that is suspended gives no scores');
SELECT results_eq($$SELECT count(*) FROM mlops.alerts WHERE monitor = 'ma2'$$, $$VALUES (1::bigint)$$, 'an action is done once for each alarm');
SELECT is((SELECT count(*) FROM mlops.verify_audit(checks => '{state}') v WHERE v.status = 'STATE_MISMATCH' AND v.detail ~ 'ma_risk'), 0::bigint, 'the log agrees with the tables');

SELECT * FROM finish();
ROLLBACK;
