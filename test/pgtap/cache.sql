-- What is ready to score, and what was scored: preload, stat_cache, stat_models.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
BEGIN;
SELECT plan(48);

-- feature 2, "spare", is in the file and in no tree
SELECT mlops.import_model('cache_test',
    pg_temp.stumps('{age,amount,spare}', '{0,1}', '{30,1000}', '{-1,0.5}', '{1,-0.5}'));
SELECT mlops.promote('cache_test/1', reason => 'test');
CREATE TEMPORARY TABLE person (id integer, amount numeric, age integer, spare integer);
INSERT INTO person VALUES (1, 500, 20, 1), (2, 1000, 30, NULL), (3, NULL, 20, 1), (4, 999.99, NULL, 1), (5, NULL, NULL, NULL);
-- the model's row, without what no test can know
CREATE TEMPORARY VIEW figures AS
    SELECT model, version, calls, rows, errors, null_rows, missing_columns, unseen_categories
    FROM mlops.stat_models;
SELECT mlops.stat_models_reset();

--
-- Cache
--
SELECT has_view('mlops', 'stat_cache', 'stat_cache is a view');
SELECT columns_are('mlops', 'stat_cache', ARRAY['database', 'model', 'version', 'place', 'bytes', 'pins', 'hits', 'loads', 'last_used']);
SELECT is_empty($$SELECT * FROM mlops.stat_cache WHERE model = 'cache_test'$$, 'nothing is read before it is used');
SELECT cmp_ok(mlops.preload('cache_test'), '>', 0::bigint, 'preload says how many bytes');
SELECT results_eq($$SELECT database, version, place, pins, hits, loads FROM mlops.stat_cache WHERE model = 'cache_test'$$,
    $$VALUES (current_database(), 1, 'shared', 0, 0::bigint, 1::bigint)$$, 'one shared copy, which nobody uses now');
SELECT is((SELECT bytes FROM mlops.stat_cache WHERE model = 'cache_test'), mlops.preload('cache_test/1'), 'and so many it has');
SELECT is((SELECT hits FROM mlops.stat_cache WHERE model = 'cache_test'), 1::bigint, 'a second preload finds it');
SELECT is(mlops.predict_margin('cache_test', '{20,500,0}'::float8[]), '{-0.5}', 'a score from the copy');
SELECT is((SELECT hits FROM mlops.stat_cache WHERE model = 'cache_test'), 2::bigint, 'so does a score');
SELECT ok((SELECT last_used >= now() AND last_used <= clock_timestamp() FROM mlops.stat_cache WHERE model = 'cache_test'), 'last use');
SELECT results_eq($$SELECT pins FROM mlops.stat_cache, (SELECT mlops.predict('cache_test', p) AS score FROM person p ORDER BY id LIMIT 1) s
                    WHERE model = 'cache_test' AND score IS NOT NULL$$, $$VALUES (1)$$, 'a query that scores pins its version');
SELECT is((SELECT pins FROM mlops.stat_cache WHERE model = 'cache_test'), 0, 'until it ends');
SELECT throws_ok($$SELECT 1 / (mlops.predict_class('cache_test', p)::integer) FROM person p ORDER BY id$$, '22012', NULL, 'a query that scores and fails');
SELECT is((SELECT pins FROM mlops.stat_cache WHERE model = 'cache_test'), 0, 'leaves no pin');
SELECT throws_ok($$SELECT mlops.predict('cache_test', s) FROM (SELECT 1 AS age) s$$, 'ML020', NULL, 'nor does a row');
SELECT is((SELECT pins FROM mlops.stat_cache WHERE model = 'cache_test'), 0, 'that cannot be scored');
SELECT is(mlops.preload(NULL), NULL, 'no reference, no bytes');
SELECT throws_ok($$SELECT mlops.preload('cache_test/2')$$, 'ML002', NULL, 'preload of a version that does not exist');
SELECT throws_ok($$SELECT mlops.preload('no such model')$$, 'ML001', NULL, 'preload of a model that does not exist');

--
-- Statistics
--
SELECT has_view('mlops', 'stat_models', 'stat_models is a view');
SELECT columns_are('mlops', 'stat_models', ARRAY['model', 'version', 'calls', 'rows', 'errors', 'null_rows', 'missing_columns',
    'unseen_categories', 'total_time', 'p50_time', 'p95_time', 'p99_time', 'since']);
SELECT mlops.stat_models_reset();
SELECT is_empty('SELECT * FROM figures', 'a reset leaves nothing');
SELECT count(mlops.predict('cache_test', p)) AS n FROM person p \gset
SELECT results_eq('SELECT * FROM figures', $$VALUES ('cache_test', 1, 1::bigint, 5::bigint, 0::bigint, 3::bigint, 0::bigint, 0::bigint)$$,
    'a statement with five rows, three of them with NULL in a used feature');
SELECT count(mlops.predict('cache_test/1', ARRAY[age, amount, spare]::float8[])), count(mlops.predict_class('cache_test', to_jsonb(p))) FROM person p \gset
SELECT results_eq('SELECT * FROM figures', $$VALUES ('cache_test', 1, 3::bigint, 15::bigint, 0::bigint, 9::bigint, 0::bigint, 0::bigint)$$,
    'arrays and objects count as rows do; each place in a query is a call');
SELECT throws_ok($$SELECT mlops.predict('cache_test', s) FROM (SELECT 1 AS age) s$$, 'ML020', NULL, 'two columns are missing');
SELECT throws_ok($$SELECT mlops.predict('cache_test', '{"amount": 1}'::jsonb)$$, 'ML020', NULL, 'two keys are missing');
SELECT throws_ok($$SELECT mlops.predict_class('cache_test', '{1}'::float8[])$$, 'ML020', NULL, 'an array is too short');
SELECT results_eq('SELECT * FROM figures', $$VALUES ('cache_test', 1, 6::bigint, 15::bigint, 3::bigint, 9::bigint, 4::bigint, 0::bigint)$$,
    'errors and what was missing');
SELECT throws_ok($$SELECT 1 / (mlops.predict_class('cache_test', p)::integer) FROM person p WHERE id = 1$$, '22012', NULL, 'an error elsewhere in a query');
SELECT is((SELECT errors FROM figures), 3::bigint, 'is not an error of scoring');
SELECT throws_ok($$SELECT mlops.predict('no such model', '{1}'::float8[])$$, 'ML001', NULL, 'nor is');
SELECT is((SELECT count(*) FROM figures), 1::bigint, 'a model that does not exist');
SELECT ok(total_time > 0 AND p50_time > 0 AND p50_time <= p95_time AND p95_time <= p99_time AND since BETWEEN now() AND clock_timestamp(),
    'times') FROM mlops.stat_models;

-- a routine: each of its statements is a call, over all of its runs
SELECT mlops.stat_models_reset();
DO $$
DECLARE
    score float8;
    person record;
BEGIN
    FOR person IN SELECT * FROM pg_temp.person LOOP
        score := mlops.predict('cache_test', to_jsonb(person));
    END LOOP;
END
$$;
SELECT is((SELECT rows FROM figures), 5::bigint, 'rows scored in PL/pgSQL');

-- a multiclass model is refused by predict, and by nothing else
SELECT mlops.import_model('cache_classes',
    pg_temp.stumps('{a}', '{0,0,0}', '{0,1,2}', '{0,0,0}', '{1,2,3}', 'multi:softprob', 3));
SELECT throws_ok($$SELECT mlops.predict('cache_classes/1', '{1}'::float8[])$$, 'ML021', NULL, 'the wrong function');
SELECT results_eq($$SELECT calls, rows, errors FROM figures WHERE model = 'cache_classes'$$,
    $$VALUES (1::bigint, 0::bigint, 1::bigint)$$, 'is an error of scoring');

-- categories
CREATE TEMPORARY TABLE visit AS
SELECT i AS id, (ARRAY['Recife', 'Natal', 'Olinda'])[1 + i % 3] AS city, i % 3 = 0 AS yes FROM generate_series(1, 300) i;
SELECT mlops.train('cache_city', 'SELECT * FROM pg_temp.visit', 'yes', key => 'id', rounds => 2);
SELECT mlops.stat_models_reset();
SELECT count(mlops.predict('cache_city/1', v)) FROM (VALUES ('Recife'), ('Lisboa'), (NULL), ('Porto')) v (city) \gset
SELECT count(mlops.predict('cache_city/1', '{"city": "Braga"}'::jsonb)) \gset
SELECT results_eq($$SELECT rows, null_rows, unseen_categories FROM figures WHERE model = 'cache_city'$$,
    $$VALUES (5::bigint, 1::bigint, 3::bigint)$$, 'categories that the model did not see');

-- rolled back is not unsaid
SAVEPOINT before;
SELECT mlops.predict('cache_city/1', '{"city": "Recife"}'::jsonb) \gset
ROLLBACK TO before;
SELECT is((SELECT rows FROM figures WHERE model = 'cache_city'), 6::bigint, 'a rollback does not take figures back');

--
-- Who sees what
--
SELECT mlops.predict('cache_test', '{20,500,0}'::float8[]) \gset
CREATE ROLE cache_user;
GRANT SELECT ON figures TO cache_user;
SET LOCAL ROLE cache_user;
SELECT throws_ok($$SELECT mlops.preload('cache_test')$$, '42501', NULL, 'preload needs the privilege score');
SELECT throws_ok('SELECT mlops.stat_models_reset()', '42501', NULL, 'a reset is not for everybody');
SELECT is_empty($$SELECT * FROM mlops.stat_models$$, 'figures of other people''s models are not shown');
SELECT is_empty($$SELECT * FROM mlops.stat_cache WHERE model IS NOT NULL OR version IS NOT NULL$$, 'nor are their names in the cache');
SELECT cmp_ok((SELECT count(*) FROM mlops.stat_cache), '>=', 3::bigint, 'what they take is');
RESET ROLE;
SELECT mlops.grant_privilege('score', 'cache_test', 'cache_user');
SET LOCAL ROLE cache_user;
SELECT results_eq($$SELECT model, rows FROM mlops.stat_models$$, $$VALUES ('cache_test', 1::bigint)$$, 'with a privilege the figures are shown');
SELECT results_eq($$SELECT DISTINCT model FROM mlops.stat_cache WHERE model IS NOT NULL$$, $$VALUES ('cache_test')$$, 'and the name');
SELECT cmp_ok(mlops.preload('cache_test'), '>', 0::bigint, 'with score one may preload');
RESET ROLE;
GRANT pg_read_all_stats TO cache_user;
SET LOCAL ROLE cache_user;
SELECT is((SELECT count(*) FROM mlops.stat_models), 2::bigint, 'pg_read_all_stats sees all figures');
SELECT is_empty($$SELECT * FROM mlops.stat_cache WHERE model IS NULL$$, 'and all names');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
