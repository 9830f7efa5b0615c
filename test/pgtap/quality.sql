-- The quality report: each check against rows that break it and rows that do
-- not, by itself, against a reference and a version; rules; undefined cases.
BEGIN;
SELECT plan(46);
\ir ../fixtures/stump.sql

CREATE TEMPORARY TABLE base AS
SELECT i AS id, ((i * 7919) % 1009)::float8 AS amount, chr(120 + i % 3) AS kind, i % 2 = 0 AS flag, 5::numeric AS five, CURRENT_DATE - i % 30 AS day
FROM generate_series(1, 4000) i;
CREATE FUNCTION pg_temp.verdict(query text, metric text, attribute text) RETURNS text LANGUAGE sql AS $$
    SELECT r.verdict FROM mlops.quality_report(query, reference => 'SELECT * FROM base', key => '{id}', time_column => 'day', max_age => '1 day') r
    WHERE r.metric = verdict.metric AND r.attribute IS NOT DISTINCT FROM verdict.attribute $$;

SELECT is((SELECT count(*) FROM mlops.quality_report('SELECT * FROM base WHERE id > 2000', reference => 'SELECT * FROM base', key => '{id}', time_column => 'day', max_age => '1 day',
                                                     rules => '{"amount is positive": "amount >= 0"}', past_rows => '{1990,2000,2010}') WHERE verdict IS DISTINCT FROM 'ok'),
          0::bigint, 'rows of the reference itself are good in every check');

SELECT is(pg_temp.verdict(format('SELECT id, %s AS amount, %s AS kind, %s AS flag, five, %s AS day FROM base WHERE id <= 1000', amount, kind, flag, day), metric, attribute), verdict, name)
FROM (VALUES
    ('NULLIF(amount, amount * (id % 20 = 0)::integer)', 'kind', 'flag', 'day', 'missing', 'amount', 'fail', 'a twentieth more is missing'),
    ('CASE WHEN id <= 5 THEN amount END', 'kind', 'flag', 'day', 'missing', 'amount', 'fail', 'nearly all is missing'),
    ('CASE WHEN id > 15 THEN amount END', 'kind', 'flag', 'day', 'missing', 'amount', 'ok', 'a change that is too small to matter'),
    ('CASE WHEN id > 30 THEN amount ELSE ''NaN'' END', 'kind', 'flag', 'day', 'not_finite', 'amount', 'fail', 'NaN'),
    ('CASE WHEN id > 30 THEN amount ELSE ''-Infinity'' END', 'kind', 'flag', 'day', 'not_finite', 'amount', 'fail', 'infinity'),
    ('CASE WHEN id > 30 THEN amount ELSE 1e300 END', 'kind', 'flag', 'day', 'not_finite', 'amount', 'fail', 'too large to be added up'),
    ('amount + 50', 'kind', 'flag', 'day', 'out_of_range', 'amount', 'fail', 'values beyond the greatest one'),
    ('amount + 50', 'kind', 'flag', 'day', 'outliers', 'amount', 'ok', 'which are no outliers'),
    ('CASE WHEN id > 30 THEN amount ELSE 5000 END', 'kind', 'flag', 'day', 'outliers', 'amount', 'fail', 'outliers'),
    ('amount', 'CASE WHEN id > 30 THEN kind ELSE ''new'' END', 'flag', 'day', 'unseen_category', 'kind', 'fail', 'a new category'),
    ('amount', '''x''', 'flag', 'day', 'unseen_category', 'kind', 'ok', 'a lost category is not new'),
    ('amount', '''x''', 'flag', 'day', 'constant', 'kind', 'fail', 'but the column is constant'),
    ('amount', 'kind', 'true', 'day', 'constant', 'flag', 'fail', 'as a boolean can be'),
    ('amount', 'kind', 'flag', 'day', 'constant', 'five', 'ok', 'which the reference was, too'),
    ('amount', 'kind', 'flag', 'day - 2', 'age', 'day', 'fail', 'old rows'),
    ('amount', 'kind', 'flag', 'day + 1', 'future', 'day', 'fail', 'rows of tomorrow'),
    ('amount', 'kind', 'flag', '''infinity''::date', 'age', 'day', 'insufficient', 'no time at all'))
    t (amount, kind, flag, day, metric, attribute, verdict, name);
SELECT is(pg_temp.verdict('SELECT id % 900 AS id, amount, kind, flag, five, day FROM base WHERE id <= 1000', 'duplicate_keys', 'id'), 'fail', 'a key twice');
SELECT is(pg_temp.verdict('SELECT NULLIF(id, 7) AS id, amount, kind, flag, five, day FROM base WHERE id <= 1000', 'missing_keys', 'id'), 'fail', 'a key missing');
SELECT is(pg_temp.verdict('SELECT id, kind, flag, five, day FROM base', 'missing_column', 'amount'), 'fail', 'a column missing');
SELECT is(pg_temp.verdict('SELECT *, 1 AS more FROM base', 'new_column', 'more'), 'ok', 'a column more');
SELECT is(pg_temp.verdict('SELECT id, amount::text AS amount, kind, flag, five, day FROM base', 'type_change', 'amount'), 'fail', 'a number that became text');
SELECT is(pg_temp.verdict('SELECT id, amount::numeric AS amount, kind, flag, five, day FROM base', 'type_change', 'amount'), 'warn', 'a number that became another');
SELECT is(pg_temp.verdict('SELECT * FROM base LIMIT 99', 'missing', 'amount'), 'insufficient', 'few rows have no verdict');
SELECT is((SELECT string_agg(DISTINCT verdict, ' ') FROM mlops.quality_report('SELECT * FROM base WHERE false', reference => 'SELECT * FROM base', key => '{id}', time_column => 'day')
           WHERE metric NOT IN ('new_column')), 'insufficient', 'no rows: rows that say so');
SELECT ok(count(*) > 10 AND count(*) FILTER (WHERE verdict = 'fail') = 0, 'an empty reference') FROM mlops.quality_report('SELECT * FROM base', reference => 'SELECT * FROM base WHERE false');

-- What chance explains is no failure
CREATE TEMPORARY TABLE rare AS SELECT i AS id, i % 200 = 0 AS flag, CASE WHEN i % 50 > 0 THEN i END AS x FROM generate_series(1, 20000) i;
CREATE FUNCTION pg_temp.rare(query text, metric text, attribute text) RETURNS text LANGUAGE sql AS $$
    SELECT r.verdict FROM mlops.quality_report(query, reference => 'SELECT flag, x FROM rare') r
    WHERE r.metric = rare.metric AND r.attribute = rare.attribute $$;
SELECT is(pg_temp.rare('SELECT false AS flag, x FROM rare LIMIT 1000', 'constant', 'flag'), 'ok', 'none of a thousand is rare');
SELECT is(pg_temp.rare('SELECT false AS flag, x FROM rare LIMIT 2000', 'constant', 'flag'), 'fail', 'none of two thousand is not chance');
SELECT is(pg_temp.rare('SELECT flag, CASE WHEN id > 5 THEN id END AS x FROM rare LIMIT 100', 'missing', 'x'), 'warn', 'five missing of a hundred, where two are expected');
SELECT is(pg_temp.rare('SELECT flag, CASE WHEN id > 7 THEN id END AS x FROM rare LIMIT 100', 'missing', 'x'), 'fail', 'seven missing');
SELECT is(pg_temp.rare('SELECT NULL::boolean AS flag, x FROM rare LIMIT 1000', 'constant', 'flag'), 'fail', 'no value at all');

-- By itself
SELECT is((SELECT string_agg(metric || ' ' || attribute || ' ' || verdict, ', ') FROM mlops.quality_report('SELECT id, 1 AS one, NULL::text AS nothing, point(1, 2) AS p FROM base') WHERE verdict IS NOT NULL),
          'constant id ok, constant one warn, constant nothing warn, constant p warn', 'without a reference, columns of any type');
SELECT is((SELECT verdict FROM mlops.quality_report('SELECT * FROM base', past_rows => '{1000,1010,990,1000}') WHERE metric = 'rows'), 'fail', 'more rows than ever');
SELECT is((SELECT verdict FROM mlops.quality_report('SELECT * FROM base', past_rows => '{1000,1010}') WHERE metric = 'rows'), NULL, 'two past windows are too few');

-- Rules
SELECT results_eq($$SELECT attribute, round(value::numeric, 4), verdict, definition ? 'error' FROM mlops.quality_report('SELECT * FROM base',
                        rules => '{"a": "amount < 1000", "b": "1 / (id - 5) >= -1", "c": "kind IN (''x'', ''y'', ''z'') -- all", "d": "NULLIF(flag, true) IS NULL OR NOT flag"}') WHERE metric = 'rule'$$,
                  $$VALUES ('a', 0.0090, 'fail', false), ('b', NULL, 'fail', true), ('c', 0, 'ok', false), ('d', 0, 'ok', false)$$,
                  'rules that do not hold, that end with an error, that hold');
SELECT is((SELECT (definition->>'unknown')::integer FROM mlops.quality_report('SELECT NULLIF(amount, 7) AS amount FROM base', rules => '{"a": "amount >= 0"}') WHERE metric = 'rule'),
          (SELECT count(*)::integer FROM base WHERE amount = 7), 'where a rule is unknown is counted');
SELECT throws_ok($$SELECT * FROM mlops.quality_report('SELECT * FROM base', rules => '{"a": "amount >"}')$$, '42601', NULL, 'a rule that is no expression');
SELECT results_eq($$SELECT attribute, verdict, definition->>'error' FROM mlops.quality_report('SELECT * FROM base', rules => '{"a": "nothing > 1", "b": "amount >= 0", "c": "kind > 1"}') WHERE metric = 'rule'$$,
                  $$VALUES ('a', 'fail', 'column "nothing" does not exist'), ('b', 'ok', NULL), ('c', 'fail', 'operator does not exist: text > integer')$$, 'a rule about a column that is not there, or has another type');
SELECT throws_ok($$SELECT * FROM mlops.quality_report('SELECT * FROM base', rules => '["amount > 1"]')$$, '22023', NULL, 'rules have names');

-- Against a version
SELECT mlops.import_model('risk', pg_temp.stumps('{amount,five}', '{0,1}', '{0.5,0.3}', '{-1.5,-0.7}', '{1.5,0.7}')) \g /dev/null
SELECT results_eq($$SELECT metric, attribute, verdict FROM mlops.quality_report('SELECT amount FROM base', 'risk/1') WHERE metric IN ('binding', 'profile')$$,
                  $$VALUES ('binding', 'five', 'fail'), ('profile', NULL, 'insufficient')$$, 'a feature that is not there, and a version without a profile');
SELECT mlops.set_profile('risk/1', 'SELECT amount, five FROM base') \g /dev/null
SELECT results_eq($$SELECT metric, verdict FROM mlops.quality_report('SELECT CASE WHEN id > 100 THEN amount ELSE -9999 END AS amount, five FROM base WHERE id <= 1000', 'risk/1')
                    WHERE attribute = 'amount'$$,
                  $$VALUES ('missing', 'ok'), ('not_finite', 'ok'), ('constant', 'ok'), ('out_of_range', 'fail'), ('outliers', 'fail')$$, 'against the profile of a version');
SELECT throws_ok($$SELECT * FROM mlops.quality_report('SELECT * FROM base', 'risk/2')$$, 'ML002', NULL, 'a version that is not there');

-- Errors, rights, search_path
SELECT throws_ok($$SELECT * FROM mlops.quality_report('SELECT 1 AS a, 2 AS a')$$, '42701', NULL, 'two columns of one name');
SELECT throws_ok($$SELECT * FROM mlops.quality_report('SELECT * FROM base', time_column => 'amount')$$, '42804', NULL, 'a time that is none');
CREATE ROLE regress_quality_reader;
SELECT throws_ok($$SET LOCAL ROLE regress_quality_reader; SELECT * FROM mlops.quality_report('SELECT * FROM base')$$, '42501', NULL, 'it reads what the caller may');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
