-- Code of others: what the owner of a type or of a schema in the search_path
-- wrote is not run by reports and monitors as whoever reads the rows.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SET LOCAL TimeZone = 'UTC';
SELECT plan(41);

CREATE ROLE fc_owner LOGIN; CREATE ROLE fc_thief LOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO fc_owner, fc_thief;
CREATE TEMPORARY TABLE file AS SELECT pg_temp.stumps('{a}', '{0}', '{0.5}', '{-1.5}', '{1.5}') AS artifact;
GRANT SELECT ON file TO PUBLIC;
CREATE FUNCTION pg_temp.owner(statement text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('fc_owner', statement, true) $$;

-- what belongs to the thief: types, and a schema
CREATE SCHEMA fct AUTHORIZATION fc_thief; GRANT USAGE ON SCHEMA fct TO PUBLIC;
SET SESSION AUTHORIZATION fc_thief;
CREATE TYPE fct.grade AS ENUM ('x', 'y', 'z');
CREATE TYPE fct.pair AS (l int, r int);
CREATE FUNCTION fct.steal(anyelement) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stolen from %', current_user; END $$;
CREATE FUNCTION fct.steal(fct.grade) RETURNS text LANGUAGE sql AS $$ SELECT fct.steal(1) $$;
CREATE FUNCTION fct.steal(fct.pair) RETURNS text LANGUAGE sql AS $$ SELECT fct.steal(1) $$;
CREATE FUNCTION fct.steal(fct.grade[]) RETURNS text LANGUAGE sql AS $$ SELECT fct.steal(1) $$;
CREATE CAST (fct.grade AS text) WITH FUNCTION fct.steal(fct.grade);
CREATE CAST (fct.pair AS text) WITH FUNCTION fct.steal(fct.pair);
CREATE CAST (fct.grade[] AS text) WITH FUNCTION fct.steal(fct.grade[]);
RESET SESSION AUTHORIZATION;

CREATE SCHEMA fcd AUTHORIZATION fc_owner;
CREATE TABLE fcd.plain AS
SELECT i AS id, timestamptz '2026-01-05 00:00+00' + (i - 1) * interval '2 minutes 24 seconds' AS at,
       ((i * 7919) % 1009 / 1009.0)::float8 AS a, ((i * 31) % 101 / 101.0)::float8 AS b, i % 3 <> 0 AS bad, chr(120 + i % 3) AS c
FROM generate_series(1, 1200) i;
CREATE TABLE fcd.loan AS SELECT *, c::fct.grade AS g, ROW(id, 1)::fct.pair AS p, ARRAY[c::fct.grade] AS gs FROM fcd.plain;
ALTER TABLE fcd.plain OWNER TO fc_owner; ALTER TABLE fcd.loan OWNER TO fc_owner;
SELECT pg_temp.owner($$SELECT mlops.import_model('fc_risk', artifact) FROM file$$) \g /dev/null
SELECT pg_temp.owner($$SELECT count(*) FROM (SELECT mlops.set_profile('fc_risk/1', 'SELECT a FROM fcd.plain')) p$$) \g /dev/null
SELECT pg_temp.owner($$SELECT mlops.promote('fc_risk/1', reason => 'r')$$) \g /dev/null

SELECT is(pg_temp.owner('SELECT pg_catalog.max(g::text) FROM fcd.loan'), 'P0001: stolen from fc_owner ', 'a cast runs the function of the type''s owner');
SELECT is(pg_temp.owner($$SELECT count(*) > 10 FROM mlops.$$ || report), 'true', report)
FROM unnest(ARRAY[
    $$quality_report('SELECT * FROM fcd.loan')$$,
    $$quality_report('SELECT * FROM fcd.loan', reference => 'SELECT * FROM fcd.loan', key => '{p}')$$,
    $$bias_report('SELECT * FROM fcd.loan', 'bad', 'a', '{g}', threshold => 0.5, stratum => 'p')$$,
    $$bias_report('SELECT * FROM fcd.loan', 'g', 'g', '{c}', favourable => '{x}')$$,
    $$performance_report('fc_risk', 'SELECT * FROM fcd.loan', 'bad', segments => '{g}')$$,
    $$performance_report('fc_risk', 'SELECT * FROM fcd.loan', 'bad', 'p', 'SELECT p, bad FROM fcd.loan')$$]) report;
SELECT is(pg_temp.owner($$SELECT count(*) > 0 FROM mlops.$$ || report), 'true', report)
FROM unnest(ARRAY[
    $$performance_report('fc_risk', 'SELECT * FROM fcd.loan', 'g')$$,
    $$drift_report('fc_risk', 'SELECT * FROM fcd.loan')$$,
    $$domain_classifier('SELECT a, g, p FROM fcd.loan', 'SELECT a, g, p FROM fcd.loan', key => '{p}', max_rows => 200)$$,
    $$poisoning_report('fc_risk', 'SELECT * FROM fcd.loan', 'bad', 'SELECT * FROM fcd.loan', 'g', '{p}')$$,
    $$poisoning_report('fc_risk', 'SELECT * FROM fcd.loan', 'g')$$,
    $$probing_report('fc_risk', 'SELECT * FROM fcd.loan', '{g,p}', 'at', reference => 'SELECT * FROM fcd.loan')$$,
    $$suggest_features('SELECT a, g, bad FROM fcd.loan', 'bad')$$,
    $$suggest_features('SELECT a, g FROM fcd.loan WHERE g <> ''z''', 'g')$$]) report;

-- a value as text is what a cast of the server gives
SELECT is((SELECT array_agg(mlops._as_text(b)) FROM unnest('{t,f,NULL}'::boolean[]) b), '{true,false,NULL}', 'booleans as text');
SELECT is(mlops._as_text('ab  '::char(6)) || mlops._as_text('c '::varchar) || mlops._as_text(1.50) || mlops._as_text(date '2026-01-02'), 'abc 1.502026-01-02', 'other types');
SELECT is(mlops._as_text('y'::fct.grade) || mlops._as_text(ROW(1, NULL)::fct.pair), 'y(1,)', 'types of others');

-- a schema before pg_catalog in the search_path: nothing of ours is looked up in it
CREATE FUNCTION fct.capture(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'captured'; END $$;
CREATE FUNCTION fct.capture_bool(text, text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'captured'; END $$;
CREATE FUNCTION fct.capture(jsonb, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'captured'; END $$;
CREATE FUNCTION fct.capture_json(jsonb, text) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'captured'; END $$;
CREATE FUNCTION fct.capture_bool(jsonb, text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'captured'; END $$;
CREATE OPERATOR fct.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = fct.capture);
CREATE OPERATOR fct.= (LEFTARG = text, RIGHTARG = text, FUNCTION = fct.capture_bool);
CREATE OPERATOR fct.->> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = fct.capture);
CREATE OPERATOR fct.-> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = fct.capture_json);
CREATE OPERATOR fct.? (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = fct.capture_bool);
CREATE FUNCTION fcd.heed(message jsonb) RETURNS text LANGUAGE sql SET search_path = pg_catalog AS $$ SELECT message->>'kind' $$; ALTER FUNCTION fcd.heed OWNER TO fc_owner;
SET SESSION AUTHORIZATION fc_owner;
SET search_path = fct, pg_catalog;
SELECT mlops.create_monitor('fc', 'fc_risk', 'SELECT * FROM fcd.plain', 'at', key => '{id}', label => 'bad', groups => '{c}') \g /dev/null
SELECT mlops.add_check('fc', 'drift', '{"options": {"bins": 5}}'), mlops.add_check('fc', 'quality', '{"max_age": "1 day", "rules": {"r": "true"}}'),
       mlops.add_check('fc', 'domain', '{"reference": "SELECT * FROM fcd.plain", "max_rows": 200}'), mlops.add_check('fc', 'poisoning', '{"reference": "SELECT * FROM fcd.plain", "source": "c"}'),
       mlops.add_check('fc', 'probing'), mlops.add_check('fc', 'performance', '{"labels": "SELECT id, bad FROM fcd.plain", "segments": ["c"], "replicates": 20}'),
       mlops.add_check('fc', 'bias', '{"prediction": "a", "threshold": 0.5, "favourable": ["true"]}'),
       mlops.add_check('fc', 'quality', '{"metrics": ["rows"], "worse": "higher"}', fail => 1, on_failure => 'call', function => 'fcd.heed') \g /dev/null
SELECT mlops.run_monitor('fc', '2026-01-06') \g /dev/null
SELECT pg_catalog.length(mlops.report_html('fc_risk', 'SELECT * FROM fcd.plain', 'bad', '{c}', '{true,1}')) AS bytes \gset
RESET search_path; RESET SESSION AUTHORIZATION;
SELECT is_empty($$SELECT kind, definition->>'error' FROM mlops.check_results WHERE monitor = 'fc' AND metric = 'error'$$, 'no check of a monitor fails by it');
SELECT is((SELECT count(DISTINCT x.check) FROM mlops.check_results x WHERE x.monitor = 'fc'), 8::bigint, 'and all have results');
SELECT is((SELECT array_agg(outcome) FROM mlops.alerts WHERE monitor = 'fc' AND action = 'call'), '{done}', 'and its function is called');
SELECT ok(:bytes > 10000, 'nor a page');

-- names of jobs that are made here
SELECT is(pg_temp.try('fc_thief', $$SELECT mlops.schedule('retraining 1', 'manual', 'SELECT 1')$$), '42939', 'nobody takes the name that a retraining will have');
SELECT is(pg_temp.try('fc_thief', $$SELECT mlops.schedule('monitor fc', 'manual', 'SELECT 1')$$), '42939', 'nor that of a monitor''s job');
SELECT pg_temp.try('fc_thief', $$SELECT mlops.schedule('mine', 'manual', 'SELECT 1')$$) \g /dev/null
SELECT is(pg_temp.try('fc_thief', $$SELECT mlops.alter_job('mine', new_name => 'retrain rule 1')$$), '42939', 'also not afterwards');

-- what a float8 cannot hold
SELECT is(pg_temp.owner(format($$SELECT mlops.add_check('fc', 'drift', fail => %s)$$, x)),
          '22023: invalid check of monitor "fc" Thresholds are finite numbers, 0 or from 1e-300 to 1e300 in size.', 'a threshold of ' || x)
FROM unnest('{1e400,1e-400}'::text[]) x;


SELECT is(pg_temp.owner(format($$SELECT mlops.add_retrain_rule('fc_risk', %s, reason => 'r')$$, x)), '22023: invalid retrain rule ' || problem, 'a rule: ' || x)
FROM (VALUES ($$'performance', '{"check": 1, "metric": "auc", "at_least": 1e400}'$$, 'Numbers are 0 or from 1e-300 to 1e300 in size.'),
             ($$'performance', '{"check": 1, "metric": "auc", "at_most": -1e-400}'$$, 'Numbers are 0 or from 1e-300 to 1e300 in size.'),
             ($$'check', '{"check": 1, "times": 1000001}'$$, 'It is so many times in a row, at most 1000000.'),
             ($$'age', '{"max_age": "1 day"}', cooldown => '178000000 years'$$, 'A cooldown is from 0 to 3660 days.')) v (x, problem);

-- what jobs are is compared with the log; roles that are renamed keep what is theirs
CREATE FUNCTION pg_temp.mismatches() RETURNS text LANGUAGE sql AS
    $$ SELECT coalesce(string_agg(detail, ' ' ORDER BY detail), 'none') FROM mlops.verify_audit(checks => '{state}') WHERE status = 'STATE_MISMATCH' $$;
SELECT pg_temp.owner($$SELECT mlops.schedule('fc job', 'every hour', 'SELECT 1', timeout => '1 month')$$) \g /dev/null
SELECT is(pg_temp.mismatches(), 'none', 'a job is what the log says');
SELECT pg_temp.owner($$SELECT mlops.alter_job('fc job', new_name => 'fc other', schedule => 'every day')$$) \g /dev/null
SELECT is(pg_temp.mismatches(), 'none', 'also under another name');
SELECT pg_temp.owner($$SELECT mlops.alter_monitor('fc', schedule => 'every day')$$) \g /dev/null
ALTER ROLE fc_owner RENAME TO fc_renamed;
CREATE FUNCTION pg_temp.follow_owners() RETURNS void LANGUAGE C AS '$libdir/mlops', 'mlops_private_call';
SELECT pg_temp.follow_owners() \g /dev/null
SELECT is((SELECT array_agg(DISTINCT owner_name) FROM (SELECT owner_name FROM mlops.job WHERE name ~ 'fc' UNION ALL SELECT owner_name FROM mlops.monitor WHERE name = 'fc') x
           WHERE owner_name ~ '^fc'), '{fc_renamed}', 'the owner of jobs and monitors is renamed with the role');
SELECT is(pg_temp.mismatches(), 'none', 'which the log knows');
SAVEPOINT gone;
UPDATE mlops.monitor SET owner = 4242 WHERE name = 'fc';
SELECT pg_temp.follow_owners() \g /dev/null
SELECT is((SELECT owner_name FROM mlops.monitor WHERE name = 'fc'), 'unknown (OID=4242)', 'a dump has no name of a role that was dropped, which another one could have then');
SELECT is(pg_temp.mismatches(), 'none', 'which the log knows, too');
ROLLBACK TO gone;
UPDATE mlops.job SET schedule = 'manual' WHERE name = 'monitor fc';
SELECT matches(pg_temp.mismatches(), '^The job "monitor fc" is not what the log says: schedule is "manual", the log has "every day".$', 'a schedule that was changed in the table');
UPDATE mlops.job SET schedule = 'every day' WHERE name = 'monitor fc';
UPDATE mlops.job SET command = 'SELECT 2' WHERE name = 'fc other';
SELECT matches(pg_temp.mismatches(), '^The job "fc other" is not what the log says: command', 'or a command');
DELETE FROM mlops.job WHERE name = 'fc other';
SELECT matches(pg_temp.mismatches(), 'job "fc other"', 'or a job that was removed there');
INSERT INTO mlops.job (name, owner_name, schedule, time_zone, command, enabled, priority, overlap, missed, retries, retry_delay, created_at, created_by, changed_at)
VALUES ('fc third', 'fc_renamed', 'manual', 'UTC', 'SELECT 1', true, 0, 'skip', 'skip', 0, '0', now(), 'fc_renamed', now());
SELECT matches(pg_temp.mismatches(), 'job "fc third"', 'or added');

SELECT * FROM finish();
ROLLBACK;
