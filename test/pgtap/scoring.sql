-- Scoring: binding by name, values, tasks, versions per statement, privileges.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
BEGIN;
SELECT plan(80);

-- age < 30 gives -1, else 1; amount < 1000 gives 0.5, else -0.5
SELECT mlops.import_model('scoring_test',
    pg_temp.stumps('{age,amount}', '{0,1}', '{30,1000}', '{-1,0.5}', '{1,-0.5}'));
SELECT mlops.promote('scoring_test/1', reason => 'test');
CREATE FUNCTION pg_temp.sigmoid(x float8) RETURNS float4 LANGUAGE SQL AS $$ SELECT (1 / (1 + exp(-x)))::float4 $$;
CREATE TEMPORARY TABLE person (id integer, note text, amount numeric, age integer);
INSERT INTO person VALUES (1, 'a', 500, 20), (2, 'b', 1000, 30), (3, 'c', NULL, 20), (4, 'd', 999.99, NULL), (5, 'e', NULL, NULL);

--
-- Rows
--
SELECT results_eq($$SELECT id, mlops.predict_margin('scoring_test', p) FROM person p ORDER BY id$$,
    $$VALUES (1, '{-0.5}'::float8[]), (2, '{0.5}'), (3, '{-1.5}'), (4, '{1.5}'), (5, '{0.5}')$$,
    'margins by name, whatever the order of columns; NULL goes the default way');
SELECT ok(bool_and(abs(mlops.predict('scoring_test', p) - pg_temp.sigmoid((mlops.predict_margin('scoring_test', p))[1])) < 1e-6),
    'predict is the probability of the positive class') FROM person p;
SELECT results_eq($$SELECT id, mlops.predict_class('scoring_test', p) FROM person p ORDER BY id$$,
    $$VALUES (1, '0'), (2, '1'), (3, '0'), (4, '1'), (5, '1')$$, 'predict_class');
SELECT is((SELECT mlops.predict_proba('scoring_test', p) FROM person p WHERE id = 1),
    ARRAY[1 - mlops.predict('scoring_test', '{20,500}'::float8[])::float4, mlops.predict('scoring_test', '{20,500}'::float8[])]::float4[]::float8[],
    'predict_proba has both');
SELECT is((SELECT mlops.predict_margin('scoring_test', s) FROM (SELECT 20 AS age, 500 AS amount, 'x' AS more) s),
    '{-0.5}', 'a row of a subquery');
SELECT is(mlops.predict_margin('scoring_test', ROW(1, 'a', 500, 20)::person), '{-0.5}', 'a row constructor of a type');
SELECT is(mlops.predict('scoring_test', NULL::person), NULL, 'a NULL row has no score');
SELECT is(mlops.predict(NULL, ROW(1, 'a', 500, 20)::person), NULL, 'a NULL reference has no score');
ALTER TABLE person DROP COLUMN note, ADD COLUMN later text;
SELECT is((SELECT mlops.predict_margin('scoring_test', p) FROM person p WHERE id = 1), '{-0.5}', 'a dropped column does not shift the others');
CREATE TEMPORARY TABLE wide AS SELECT 1 AS id;
DO $$ BEGIN
    FOR i IN 1..1000 LOOP EXECUTE format('ALTER TABLE wide ADD COLUMN c%s integer', i); END LOOP;
    ALTER TABLE wide ADD COLUMN age integer DEFAULT 20, ADD COLUMN amount float8 DEFAULT 500;
END $$;
SELECT is((SELECT mlops.predict_margin('scoring_test', w) FROM wide w), '{-0.5}', 'a wide row, with columns that its tuple lacks');

SELECT throws_ok($$SELECT mlops.predict('scoring_test', s) FROM (SELECT 1 AS age) s$$, 'ML020',
    'row lacks 1 column that version 1 of model "scoring_test" reads', 'a missing column is an error');
SELECT throws_ok($$SELECT mlops.predict('scoring_test', s) FROM (SELECT 1 AS x) s$$, 'ML020',
    'row lacks 2 columns that version 1 of model "scoring_test" reads', 'two missing columns');
SELECT throws_ok($$SELECT mlops.predict('scoring_test', s) FROM (SELECT 1 AS age, 'a'::text AS amount) s$$, 'ML020',
    'column "amount" cannot be read by version 1 of model "scoring_test"', 'a column of another kind is an error');
SELECT throws_ok($$SELECT mlops.predict('scoring_test', s) FROM (SELECT 1 AS age, point(0, 0) AS amount) s$$, 'ML020', NULL, 'a type that is no number');
SELECT throws_ok($$SELECT mlops.predict('scoring_test', s) FROM (SELECT 1 AS age, 2 AS amount, 3 AS amount) s$$, 'ML020', NULL, 'a name that is twice in the row');

-- types
CREATE DOMAIN pg_temp.years AS integer;
SELECT is((SELECT mlops.predict_margin('scoring_test', s) FROM (SELECT 20::pg_temp.years AS age, 500::int8 AS amount) s), '{-0.5}', 'domain and bigint');
SELECT is((SELECT mlops.predict_margin('scoring_test', s) FROM (SELECT 20::int2 AS age, 500::float4 AS amount) s), '{-0.5}', 'smallint and real');
SELECT is((SELECT mlops.predict_margin('scoring_test', s) FROM (SELECT true AS age, 500::float8 AS amount) s), '{-0.5}', 'boolean and double precision');
SELECT is((SELECT mlops.predict_margin('scoring_test', s) FROM (SELECT 'NaN'::float8 AS age, 500 AS amount) s), '{1.5}', 'NaN is missing');
SELECT is((SELECT mlops.predict_margin('scoring_test', s) FROM (SELECT '-Infinity'::float8 AS age, 'Infinity'::float8 AS amount) s), '{-1.5}', 'infinities compare');
SELECT is((SELECT mlops.predict_margin('scoring_test', s) FROM (SELECT '1e300'::numeric AS age, 500 AS amount) s), '{1.5}', 'a number beyond real is infinite');
SELECT is((SELECT mlops.predict_margin('scoring_test', s) FROM (SELECT date '1970-01-30' AS age, 500 AS amount) s), '{-0.5}', 'day 29');
SELECT is((SELECT mlops.predict_margin('scoring_test', s) FROM (SELECT date '1970-01-31' AS age, 500 AS amount) s), '{1.5}', 'day 30');
SELECT is((SELECT mlops.predict_margin('scoring_test', s) FROM (SELECT timestamp '1970-01-30 23:59' AS age, 500 AS amount) s), '{-0.5}', 'timestamp, day 29');
SELECT is((SELECT mlops.predict_margin('scoring_test', s) FROM (SELECT timestamptz '1970-01-31 00:00+00' AS age, 500 AS amount) s), '{1.5}', 'timestamptz, day 30');
SELECT is((SELECT mlops.predict_margin('scoring_test', s) FROM (SELECT date '-infinity' AS age, 500 AS amount) s), '{-0.5}', 'an infinite date');

--
-- Arrays and JSON
--
SELECT is(mlops.predict_margin('scoring_test', '{20,500}'::float8[]), '{-0.5}', 'array');
SELECT is(mlops.predict_margin('scoring_test', '[3:4]={20,500}'::float8[]), '{-0.5}', 'array with another lower bound');
SELECT is(mlops.predict_margin('scoring_test', '{NULL,NaN}'::float8[]), '{0.5}', 'NULL and NaN are missing');
SELECT throws_ok($$SELECT mlops.predict('scoring_test', '{1}'::float8[])$$, 'ML020', NULL, 'array too short');
SELECT throws_ok($$SELECT mlops.predict('scoring_test', '{}'::float8[])$$, 'ML020', NULL, 'empty array');
SELECT throws_ok($$SELECT mlops.predict('scoring_test', '{{1,2}}'::float8[])$$, '2202E', NULL, 'array of two dimensions');
SELECT is(mlops.predict_margin('scoring_test', '{"amount": 500, "age": 20, "x": [1]}'::jsonb), '{-0.5}', 'JSON');
SELECT is(mlops.predict_margin('scoring_test', '{"amount": null, "age": true}'::jsonb), '{-1.5}', 'null is missing, true is 1');
SELECT throws_ok($$SELECT mlops.predict('scoring_test', '{"age": 1}'::jsonb)$$, 'ML020',
    'row lacks 1 key that version 1 of model "scoring_test" reads', 'a missing key is an error');
SELECT throws_ok($$SELECT mlops.predict('scoring_test', '{"age": "old", "amount": 1}'::jsonb)$$, 'ML020', NULL, 'a string is not a number');
SELECT throws_ok($$SELECT mlops.predict('scoring_test', '{"age": [1], "amount": 1}'::jsonb)$$, 'ML020', NULL, 'an array is not a number');
SELECT throws_ok($$SELECT mlops.predict('scoring_test', '[1, 2]'::jsonb)$$, 'ML020', NULL, 'features are an object');
SELECT is((SELECT mlops.predict('scoring_test', p) FROM person p WHERE id = 1), mlops.predict('scoring_test', '{20,500}'::float8[]), 'row and array agree');
SELECT is((SELECT mlops.predict_class('scoring_test', to_jsonb(p)) FROM person p WHERE id = 1), '0', 'a row as JSON');
SELECT is(mlops.predict_class('scoring_test', '{20,500}'::float8[]), '0', 'predict_class of an array');
SELECT is(cardinality(mlops.predict_proba('scoring_test', '{20,500}'::float8[])), 2, 'predict_proba of an array');
SELECT is(cardinality(mlops.predict_proba('scoring_test', '{"age": 20, "amount": 500}'::jsonb)), 2, 'predict_proba of JSON');

--
-- Tasks
--
SELECT mlops.import_model('scoring_value', pg_temp.stumps('{a}', '{0}', '{1}', '{10}', '{20}', 'reg:squarederror'));
SELECT is(mlops.predict('scoring_value/1', '{0}'::float8[]), 10::float8, 'regression: the value');
SELECT throws_ok($$SELECT mlops.predict_class('scoring_value/1', '{0}'::float8[])$$, 'ML021', NULL, 'regression has no class');
SELECT throws_ok($$SELECT mlops.predict_proba('scoring_value/1', '{0}'::float8[])$$, 'ML021', NULL, 'nor probabilities');
SELECT mlops.import_model('scoring_classes', pg_temp.stumps('{a}', '{0,0,0}', '{1,2,3}', '{1,0,0}', '{0,1,2}', 'multi:softprob', 3),
                          classes => '{red,green,blue}');
SELECT is(mlops.predict_class('scoring_classes/1', '{0}'::float8[]), 'red', 'multiclass: the first class');
SELECT is(mlops.predict_class('scoring_classes/1', '{2.5}'::float8[]), 'green', 'the second');
SELECT is(mlops.predict_class('scoring_classes/1', '{9}'::float8[]), 'blue', 'the third');
SELECT is(mlops.predict_margin('scoring_classes/1', '{9}'::float8[]), '{0.5,1.5,2.5}', 'a margin per class');
SELECT ok(abs((SELECT sum(p) FROM unnest(mlops.predict_proba('scoring_classes/1', '{9}'::float8[])) p) - 1) < 1e-6, 'probabilities add up to 1');
SELECT ok(mlops.predict_proba('scoring_classes/1', '{9}'::float8[]) @> ARRAY[(exp(2) / (exp(0) + exp(1) + exp(2)))::float4::float8]
          OR abs((mlops.predict_proba('scoring_classes/1', '{9}'::float8[]))[3] - exp(2) / (exp(0) + exp(1) + exp(2))) < 1e-6, 'softmax');
SELECT throws_ok($$SELECT mlops.predict('scoring_classes/1', '{0}'::float8[])$$, 'ML021', NULL, 'multiclass has not one probability');
SELECT mlops.import_model('scoring_softmax', pg_temp.stumps('{a}', '{0,0,0}', '{1,2,3}', '{1,0,0}', '{0,1,2}', 'multi:softmax', 3));
SELECT is(mlops.predict_class('scoring_softmax/1', '{9}'::float8[]), '2', 'multi:softmax, a class without a name is its number');
SELECT is(mlops.predict_proba('scoring_softmax/1', '{9}'::float8[]), mlops.predict_proba('scoring_classes/1', '{9}'::float8[]), 'and the same probabilities');
SELECT mlops.import_model('scoring_raw', pg_temp.stumps('{a}', '{0}', '{1}', '{-0.25}', '{0.25}', 'binary:logitraw'));
SELECT is(mlops.predict('scoring_raw/1', '{0}'::float8[]), 0.25::float8, 'binary:logitraw: the margin, to which its base score of 0.5 is added');
SELECT is(mlops.predict_class('scoring_raw/1', '{2}'::float8[]), '1', 'whose middle is 0');
SELECT throws_ok($$SELECT mlops.predict_proba('scoring_raw/1', '{0}'::float8[])$$, 'ML021', NULL, 'it gives no probabilities');

--
-- References
--
SELECT throws_ok($$SELECT mlops.predict('scoring_none', '{1}'::float8[])$$, 'ML001', 'model "scoring_none" does not exist', 'unknown model');
SELECT throws_ok($$SELECT mlops.predict('scoring_test/9', '{1}'::float8[])$$, 'ML002', 'model "scoring_test" has no version 9', 'unknown version');
SELECT throws_ok($$SELECT mlops.predict('scoring_test@x', '{1}'::float8[])$$, 'ML003', 'model "scoring_test" has no alias "x"', 'unknown alias');
SELECT throws_ok($$SELECT mlops.predict('scoring_value', '{1}'::float8[])$$, 'ML003', 'model "scoring_value" has no alias "champion"', 'no champion yet');

-- a call site that lives on, in PL/pgSQL, sees each promotion
SELECT mlops.import_model('scoring_test', pg_temp.stumps('{amount,age}', '{0,1}', '{1000,30}', '{5,0}', '{6,0}'));
CREATE FUNCTION pg_temp.scores(OUT before float8, OUT between1 float8, OUT after float8) LANGUAGE plpgsql AS $$
DECLARE
    result float8[];
BEGIN
    FOR i IN 1..3 LOOP
        result[i] := (mlops.predict_margin('scoring_test', '{"age": 20, "amount": 500}'::jsonb))[1];
        IF i = 1 THEN
            PERFORM mlops.promote('scoring_test/2', reason => 'test');
        ELSIF i = 2 THEN
            PERFORM mlops.rollback('scoring_test', reason => 'test');
        END IF;
    END LOOP;
    before := result[1];
    between1 := result[2];
    after := result[3];
END $$;
SELECT results_eq('SELECT * FROM pg_temp.scores()', 'VALUES (-0.5::float8, 5::float8, -0.5::float8)',
                  'one call site of PL/pgSQL sees a promotion and a rollback at once');
PREPARE score AS SELECT mlops.predict_margin('scoring_test', '{"age": 20, "amount": 500}'::jsonb);
SELECT results_eq('EXECUTE score', $$VALUES ('{-0.5}'::float8[])$$, 'prepared, before');
SELECT mlops.promote('scoring_test/2', reason => 'test');
SELECT results_eq('EXECUTE score', $$VALUES ('{5}'::float8[])$$, 'prepared, after a promotion');
SAVEPOINT here;
SELECT mlops.rollback('scoring_test', reason => 'test');
SELECT results_eq('EXECUTE score', $$VALUES ('{-0.5}'::float8[])$$, 'prepared, after a rollback');
ROLLBACK TO here;
SELECT results_eq('EXECUTE score', $$VALUES ('{5}'::float8[])$$, 'prepared, after the rollback was rolled back');
SELECT results_eq($$SELECT (mlops.predict_margin(r, '{"age": 20, "amount": 500}'::jsonb))[1]
                    FROM unnest('{scoring_test/1,scoring_test/2,scoring_test/1}'::mlops.modelref[]) r$$,
                  $$VALUES (-0.5::float8), (5), (-0.5)$$, 'a reference per row');
SELECT is(mlops.predict_margin('scoring_test/2'::text, '{500,20}'::float8[]), '{5}', 'a reference from text');

-- a cache that is too small for anything still scores
SET LOCAL mlops.local_cache_size = '1MB';
SELECT is((SELECT count(DISTINCT mlops.predict_margin('scoring_test/1', p)) FROM person p), 4::bigint, 'scores with a small cache');
RESET mlops.local_cache_size;

--
-- bind
--
SELECT results_eq($$SELECT * FROM mlops.bind('scoring_test', 'person'::regclass)$$,
    $$VALUES ('amount', 'numeric', 'amount', 'numeric', 'number, through double precision', NULL), ('age', 'numeric', 'age', 'integer', 'number', NULL)$$,
    'bind to a table');
SELECT results_eq($$SELECT feature, problem FROM mlops.bind('scoring_test', 'SELECT 1 AS "AGE", true AS amount')$$,
    $$VALUES ('amount', NULL), ('age', 'no column has this name; column "AGE" differs in case')$$, 'bind to a query');
SELECT results_eq($$SELECT * FROM mlops.bind('scoring_test', 'person')$$, $$SELECT * FROM mlops.bind('scoring_test', 'person'::regclass)$$,
    'bind to a table by its name');
SELECT lives_ok($$SELECT * FROM mlops.bind('scoring_test', 'WITH x AS (INSERT INTO person (id) VALUES (9) RETURNING id) SELECT id AS age, id AS amount FROM x')$$,
    'bind to a query that writes');
SELECT is_empty('SELECT FROM person WHERE id = 9', 'which is not run');
SELECT throws_ok($$SELECT * FROM mlops.bind('scoring_test', 'no_such_table')$$, '42P01', NULL, 'bind to nothing');

--
-- Privileges
--
CREATE ROLE scoring_user;
GRANT SELECT ON person TO scoring_user;
SET LOCAL ROLE scoring_user;
SELECT throws_ok($$SELECT mlops.predict('scoring_test', p) FROM person p$$, '42501', 'permission denied for model "scoring_test"', 'no privilege, no score');
RESET ROLE;
SELECT mlops.grant_privilege('score', 'scoring_test', 'scoring_user');
SET LOCAL ROLE scoring_user;
SELECT is((SELECT count(mlops.predict('scoring_test', p)) FROM person p), 5::bigint, 'score is enough to score');
SELECT throws_ok($$SELECT mlops.export_model('scoring_test')$$, '42501', NULL, 'and not to read the file');
RESET ROLE;
SELECT mlops.revoke_privilege('score', 'scoring_test', 'scoring_user');
SET LOCAL ROLE scoring_user;
SELECT throws_ok($$SELECT mlops.predict('scoring_test', p) FROM person p$$, '42501', NULL, 'what was revoked is gone');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
