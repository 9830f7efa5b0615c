-- Every report and every kind of check on data that are not as they should be:
-- a row says so, and no error ends a report in its middle.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
BEGIN;
SET client_min_messages = warning;
SET LOCAL TimeZone = 'UTC';
SELECT plan(44);

SELECT mlops.import_model('odd', pg_temp.stumps('{a,b}', '{0,1}', '{0.5,0.3}', '{-1.5,-0.7}', '{1.5,0.7}'), classes => '{good,bad}') \g /dev/null
CREATE TABLE base AS
SELECT i AS id, timestamptz '2026-01-05' + i * interval '1 minute' AS at, (i * 7919 % 1009) / 1009.0::float8 AS a,
       (i * 104729::bigint % 1013) / 1013.0::float8 AS b, (ARRAY['x','y'])[1 + i % 2] AS g, i % 3 = 0 AS y, i % 5 = 0 AS p
FROM generate_series(1, 1000) i;
SELECT count(*) FROM (SELECT mlops.set_profile('odd/1', 'SELECT a, b, y FROM base', 'y')) p \g /dev/null
CREATE TABLE situation (name text, query text);
INSERT INTO situation VALUES
 ('plain', 'SELECT * FROM base'),
 ('empty', 'SELECT * FROM base WHERE false'),
 ('one row', 'SELECT * FROM base LIMIT 1'),
 ('features null', 'SELECT id, at, NULL::float8 AS a, NULL::float8 AS b, g, y, p FROM base'),
 ('all null', 'SELECT NULL::int AS id, NULL::timestamptz AS at, NULL::float8 AS a, NULL::float8 AS b, NULL::text AS g, NULL::boolean AS y, NULL::boolean AS p FROM base'),
 ('labels null', 'SELECT id, at, a, b, g, NULL::boolean AS y, p FROM base'),
 ('one class', 'SELECT id, at, a, b, g, true AS y, p FROM base'),
 ('one prediction', 'SELECT id, at, a, b, g, y, false AS p FROM base'),
 ('one group', 'SELECT id, at, a, b, ''x'' AS g, y, p FROM base'),
 ('groups null', 'SELECT id, at, a, b, NULL::text AS g, y, p FROM base'),
 ('feature missing', 'SELECT id, at, a, g, y, p FROM base'),
 ('all features missing', 'SELECT id, at, g, y, p FROM base'),
 ('feature a text', 'SELECT id, at, a, b::text AS b, g, y, p FROM base'),
 ('feature an array', 'SELECT id, at, a, ARRAY[b] AS b, g, y, p FROM base'),
 ('feature a date', 'SELECT id, at, a, at::date AS b, g, y, p FROM base'),
 ('label a text', 'SELECT id, at, a, b, g, y::text || ''!'' AS y, p FROM base'),
 ('label an int', 'SELECT id, at, a, b, g, y::int AS y, p FROM base'),
 ('label an array', 'SELECT id, at, a, b, g, ARRAY[y] AS y, p FROM base'),
 ('label a number', 'SELECT id, at, a, b, g, 2.5 AS y, p FROM base'),
 ('nan', 'SELECT id, at, ''NaN''::float8 AS a, b, g, y, p FROM base'),
 ('infinite', 'SELECT id, at, CASE id % 2 WHEN 0 THEN ''Infinity''::float8 ELSE ''-Infinity'' END AS a, b, g, y, p FROM base'),
 ('huge', 'SELECT id, at, CASE id % 2 WHEN 0 THEN 1e308::float8 ELSE -1e308 END AS a, b, g, y, p FROM base'),
 ('numeric nan', 'SELECT id, at, ''NaN''::numeric AS a, 1e400::numeric AS b, g, y, p FROM base'),
 ('constant', 'SELECT id, at, 0.1::float8 AS a, 0.1::float8 AS b, g, y, p FROM base'),
 ('times infinite', 'SELECT id, ''infinity''::timestamptz AS at, a, b, g, y, p FROM base'),
 ('prediction nan', 'SELECT id, at, a, b, g, y, ''NaN''::float8 AS p FROM base'),
 ('group nan', 'SELECT id, at, a, b, ''NaN''::float8 AS g, y, p FROM base'),
 ('keys equal', 'SELECT 1 AS id, at, a, b, g, y, p FROM base'),
 ('two columns of a name', 'SELECT id, at, a, b, g, y, p, a FROM base');
CREATE TABLE report (name text, statement text);
INSERT INTO report VALUES
 ('drift', $$mlops.drift_report('odd/1', %L)$$),
 ('ks', $$mlops.drift_report('odd/1', %L, 'ks')$$),
 ('quality', $$mlops.quality_report(%L, 'odd/1', key => '{id}', time_column => 'at', max_age => '1 day', rules => '{"r": "a > 0"}')$$),
 ('reference', $$mlops.quality_report(%L, 'odd/1', reference => 'SELECT * FROM base')$$),
 ('performance', $$mlops.performance_report('odd/1', %L, 'y', replicates => 2, segments => '{g}')$$),
 ('bias', $$mlops.bias_report(%L, 'y', 'p', '{g}', favourable => '{true}')$$),
 ('columns', $$mlops.drift_columns('SELECT * FROM base', %L)$$),
 ('reversed', $$mlops.drift_columns(%L, 'SELECT * FROM base', 'wasserstein_norm')$$),
 ('csi', $$mlops.csi('SELECT * FROM base', %L)$$);
-- the verdicts that a report gives, or the SQLSTATE of its error; 'o' for ok, 'w', 'f', 'i', '-' for none
CREATE FUNCTION pg_temp.verdicts(report text, situation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SELECT coalesce(string_agg(DISTINCT coalesce(left(verdict, 1), ''-''), '''' ORDER BY coalesce(left(verdict, 1), ''-'')), ''no row'') FROM '
                   || (SELECT statement FROM report WHERE name = verdicts.report), (SELECT query FROM situation WHERE name = verdicts.situation)) INTO result;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;

CREATE TABLE expected (situation text, verdicts text);
INSERT INTO expected VALUES
 ('plain', 'drift o, ks o, quality -fo, reference -o, performance -, bias -o, columns o, reversed io, csi o'),
 ('empty', 'drift i, ks i, quality i, reference i, performance -i, bias -i, columns i, reversed i, csi i'),
 ('one row', 'drift i, ks i, quality fi, reference i, performance -i, bias -i, columns i, reversed i, csi i'),
 ('features null', 'drift fio, ks fio, quality -fo, reference -fo, performance -i, bias -o, columns io, reversed io, csi io'),
 ('all null', 'drift fi, ks fi, quality -fiow, reference -fo, performance -i, bias -i, columns i, reversed i, csi i'),
 ('labels null', 'drift io, ks io, quality -fow, reference -fo, performance -i, bias -io, columns io, reversed io, csi io'),
 ('one class', 'drift fo, ks fo, quality -fow, reference -fo, performance -i, bias -io, columns fo, reversed io, csi fo'),
 ('one prediction', 'drift o, ks o, quality -fow, reference -fo, performance -, bias -io, columns fo, reversed io, csi fo'),
 ('one group', 'drift o, ks o, quality -fow, reference -fo, performance -, bias -i, columns fo, reversed io, csi fo'),
 ('groups null', 'drift o, ks o, quality -fow, reference -fo, performance -, bias -i, columns io, reversed io, csi io'),
 ('feature missing', 'drift io, ks io, quality -fo, reference -fo, performance i, bias -o, columns io, reversed io, csi io'),
 ('all features missing', 'drift io, ks io, quality -fo, reference -fo, performance i, bias -o, columns io, reversed io, csi io'),
 ('feature a text', 'drift io, ks io, quality -fo, reference -fo, performance i, bias -o, columns io, reversed io, csi io'),
 ('feature an array', 'drift io, ks io, quality -fo, reference -fo, performance i, bias -o, columns io, reversed io, csi io'),
 ('feature a date', 'drift fo, ks fo, quality -fo, reference -fow, performance -, bias -o, columns fo, reversed fio, csi fo'),
 ('label a text', 'drift fo, ks fo, quality -fo, reference -fow, performance -i, bias -io, columns fo, reversed io, csi fo'),
 ('label an int', 'drift io, ks io, quality -fo, reference -fo, performance -i, bias -o, columns io, reversed io, csi io'),
 ('label an array', 'drift io, ks io, quality -fo, reference -fo, performance -i, bias -io, columns fo, reversed io, csi fo'),
 ('label a number', 'drift io, ks io, quality -fow, reference -fow, performance -i, bias -io, columns io, reversed io, csi io'),
 ('nan', 'drift fio, ks fio, quality -fo, reference -fo, performance -i, bias -o, columns io, reversed io, csi io'),
 ('infinite', 'drift io, ks io, quality -fo, reference -fo, performance -i, bias -o, columns io, reversed io, csi io'),
 ('huge', 'drift fo, ks fo, quality -fo, reference -fo, performance -i, bias -o, columns fo, reversed fio, csi fo'),
 ('numeric nan', 'drift fio, ks fio, quality -fo, reference -fow, performance -i, bias -o, columns io, reversed io, csi io'),
 ('constant', 'drift fo, ks fo, quality -fo, reference -fo, performance -i, bias -o, columns fo, reversed fio, csi fo'),
 ('times infinite', 'drift o, ks o, quality -iow, reference -fo, performance -, bias -o, columns io, reversed io, csi io'),
 ('prediction nan', 'drift o, ks o, quality -fow, reference -fow, performance -, bias -io, columns io, reversed io, csi io'),
 ('group nan', 'drift o, ks o, quality -fow, reference -fow, performance -, bias -i, columns io, reversed io, csi io'),
 ('keys equal', 'drift o, ks o, quality -fow, reference -fo, performance -, bias -o, columns fo, reversed fio, csi fo'),
 ('two columns of a name', 'drift 42701, ks 42701, quality 42701, reference 42701, performance i, bias -o, columns 42701, reversed 42701, csi 42701');
SELECT is((SELECT string_agg(r.name || ' ' || pg_temp.verdicts(r.name, e.situation), ', ' ORDER BY r.ctid) FROM report r), e.verdicts, e.situation)
FROM expected e ORDER BY e.ctid;

-- no verdict about a figure that is none
CREATE FUNCTION pg_temp.unfounded(report text, situation text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    result bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM ' || (SELECT statement FROM report WHERE name = unfounded.report)
                   || ' r WHERE verdict IN (''ok'', ''warn'', ''fail'') AND (value IS NULL OR value = ''NaN'') AND NOT to_jsonb(r)->''definition'' ? ''error''',
                   (SELECT query FROM situation WHERE name = unfounded.situation)) INTO result;
    RETURN result;
END
$$;
SELECT is((SELECT string_agg(DISTINCT r.name || ' ' || s.name, ', ') FROM report r, situation s
           WHERE s.name <> 'two columns of a name' AND pg_temp.unfounded(r.name, s.name) > 0), NULL, 'a verdict is about a number');

-- what the rows say
CREATE FUNCTION pg_temp.query(situation text) RETURNS text LANGUAGE sql AS $$ SELECT query FROM situation WHERE name = $1 $$;
SELECT results_eq($$SELECT role, feature, verdict, problem FROM mlops.drift_report('odd/1', pg_temp.query('feature missing')) WHERE verdict = 'insufficient'$$,
                  $$VALUES ('feature', 'b', 'insufficient', 'not in the query'), ('score', 'score', 'insufficient', 'the version cannot read the features of the query')$$, 'a feature is missing: drift');
SELECT results_eq($$SELECT metric, attribute, definition->>'problem' IS NOT NULL FROM mlops.quality_report(pg_temp.query('feature missing'), 'odd/1', rules => '{"r": "b > 0"}') WHERE verdict = 'fail'$$,
                  $$VALUES ('binding', 'b', true), ('rule', 'r', false)$$, 'a feature is missing: quality');
SELECT results_eq($$SELECT metric, verdict, definition->'problems' ? 'b' FROM mlops.performance_report('odd/1', pg_temp.query('feature missing'), 'y')$$,
                  $$VALUES ('features', 'insufficient', true)$$, 'a feature is missing: performance');
SELECT results_eq($$SELECT feature, verdict, skipped, problem FROM mlops.drift_report('odd/1', pg_temp.query('nan')) WHERE feature = 'a'$$,
                  $$VALUES ('a', 'insufficient', 1000::bigint, NULL::text)$$, 'NaN is counted as skipped');
SELECT results_eq($$SELECT metric, value, verdict FROM mlops.performance_report('odd/1', pg_temp.query('label a number'), 'y', replicates => 2) WHERE metric IN ('invalid_labels', 'auc')$$,
                  $$VALUES ('invalid_labels', 1::float8, NULL), ('auc', NULL, 'insufficient')$$, 'labels that are no class are counted');
SELECT results_eq($$SELECT metric, value, verdict FROM mlops.bias_report(pg_temp.query('labels null'), 'y', 'p', '{g}') WHERE metric IN ('missing_label', 'base_rate_difference')$$,
                  $$VALUES ('missing_label', 1::float8, NULL), ('base_rate_difference', NULL, 'insufficient')$$, 'labels that are not there are counted');
-- an imported version without test rows has no scores to compare with
SELECT mlops.import_model('odd', pg_temp.stumps('{a,b}', '{0,1}', '{0.5,0.3}', '{-1.5,-0.7}', '{1.5,0.7}'), classes => '{good,bad}') \g /dev/null
SELECT mlops.train('odd_trained', 'SELECT a, b, y FROM base', 'y', rounds => 2, split => '{}') \g /dev/null
SELECT results_eq($$SELECT feature, verdict, problem FROM mlops.drift_report('odd_trained/1', 'SELECT * FROM base') WHERE role = 'score'$$,
                  $$VALUES ('score', 'insufficient', 'no scores in the profile: there were no test rows when the version was trained')$$, 'a version without test rows has no scores to compare with');

-- times are looked at in the days of which profiles are
CREATE TEMPORARY TABLE times AS SELECT date '2026-01-05' + id % 300 AS d, timestamp '2026-01-05 07:11:13.7' + id % 300 * interval '7 hours' AS t, at, y FROM base;
SELECT mlops.train('odd_times', 'SELECT * FROM times', 'y', rounds => 2, split => '{}') \g /dev/null
SELECT is((SELECT count(*) FROM mlops.quality_report('SELECT * FROM times', 'odd_times/1') WHERE metric IN ('out_of_range', 'outliers') AND value = 0), 6::bigint,
          'dates and times are within the range of their profile');
SELECT is((SELECT min(value) FROM mlops.quality_report('SELECT d + 3000 AS d, t + interval ''3000 days'' AS t, at + interval ''3000 days'' AS at, y FROM times', 'odd_times/1')
           WHERE metric IN ('out_of_range', 'outliers')), 1::float8, 'or not');

-- all kinds of checks of monitors: each window has a row of each check, and none ends the run
CREATE FUNCTION pg_temp.monitored(situation text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mlops.create_monitor(situation, 'odd/1', (SELECT query FROM situation s WHERE s.name = $1), 'at', label => 'y', key => '{id}', groups => '{g}', time_zone => 'UTC');
    PERFORM mlops.add_check(situation, c.kind, c.arguments)
    FROM (VALUES ('drift', jsonb '{}'), ('drift', '{"method": "ks"}'), ('quality', '{"rules": {"r": "a > 0"}, "max_age": "1 day"}'),
                 ('performance', '{"replicates": 2}'), ('bias', '{"prediction": "p"}')) c (kind, arguments);
    PERFORM mlops.run_monitor(situation, '2026-01-06 00:00+00');
    RETURN (SELECT count(DISTINCT r."check") || ' ' || coalesce(string_agg(DISTINCT r.kind || ' ' || (r.definition->>'sqlstate'), ', ') FILTER (WHERE r.metric = 'error'), '')
            FROM mlops.check_results r WHERE r.monitor = situation);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT results_eq($$SELECT name, pg_temp.monitored(name) AS m FROM situation ORDER BY ctid$$,
                  $$SELECT name, CASE name WHEN 'label a text' THEN '5 bias 22004' WHEN 'label an array' THEN '5 bias 22004'
                                          WHEN 'two columns of a name' THEN '5 drift 42701, quality 42701' ELSE '5 ' END
                    FROM situation ORDER BY ctid$$, 'monitors have a row for every check');

-- what is wrong with a call is said without the lines of our own functions, and with those of the caller's
CREATE FUNCTION pg_temp.context(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    context text;
BEGIN
    EXECUTE statement;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RETURN context;
END
$$;
SELECT is(pg_temp.context(statement), format(E'SQL statement "%s"\nPL/pgSQL function %s line 5 at EXECUTE', statement, 'pg_temp_' || substr(pg_my_temp_schema()::regnamespace::text, 9) || '.context(text)'), 'clean: ' || statement)
FROM (VALUES ($$SELECT * FROM mlops.performance_report('odd/1', 'SELECT 1 AS a', 'y')$$), ($$SELECT * FROM mlops.quality_report('SELECT 1/0')$$),
             ($$SELECT * FROM mlops.bias_report('SELECT 1 AS a', 'a')$$)) v (statement);
SELECT is(current_setting('transaction_read_only'), 'off', 'and one can write after it');

SELECT * FROM finish();
ROLLBACK;
