-- Promotion, rollback, history.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
BEGIN;
SELECT plan(45);

CREATE TEMPORARY TABLE file AS
    SELECT pg_temp.stumps('{a}', '{0}', '{0}', '{-1}', '{1}') AS artifact;
SELECT mlops.import_model('governance_test', artifact) FROM file, generate_series(1, 4);
CREATE TEMPORARY TABLE moment (name text, at timestamptz);
CREATE FUNCTION pg_temp.mark(text) RETURNS void LANGUAGE sql AS
    $$ INSERT INTO moment VALUES ($1, clock_timestamp()) $$;
CREATE FUNCTION pg_temp.champion() RETURNS integer LANGUAGE sql AS
    $$ SELECT version FROM mlops.aliases WHERE model = 'governance_test' AND alias = 'champion' $$;

SELECT pg_temp.mark('start');
SELECT is(pg_temp.champion(), NULL, 'a version is not promoted by being registered');
SELECT throws_ok($$SELECT mlops.promote('governance_test/1')$$, '22004', 'a reason is needed', 'a promotion needs a reason');
SELECT throws_ok($$SELECT mlops.promote('governance_test/1', reason => '  ')$$, '22004', NULL, 'one that says something');
SELECT is(mlops.promote('governance_test/1', reason => 'first', change_ref => 'CHG-1')::text, 'governance_test/1', 'promote gives the reference');
SELECT is(pg_temp.champion(), 1, 'and moves the alias');
SELECT pg_temp.mark('one');
SELECT throws_ok($$SELECT mlops.promote('governance_test/1', reason => 'again')$$, '55000', NULL, 'what is champion is not promoted again');
SELECT throws_ok($$SELECT mlops.promote('governance_test', reason => 'again')$$, '55000', NULL, 'not by the name of the model either');
SELECT lives_ok($$SELECT mlops.promote('governance_test/2', 'challenger', 'try')$$, 'an alias of one''s own');
SELECT is(mlops.promote('governance_test@challenger', reason => 'won')::text, 'governance_test/2', 'promote through an alias');
SELECT pg_temp.mark('two');
SELECT throws_ok($$SELECT mlops.promote('governance_test/1', 'latest', 'x')$$, '22P02', NULL, 'latest is reserved');
SELECT throws_ok($$SELECT mlops.promote('governance_test/1', 'a/1', 'x')$$, '42602', NULL, 'an alias is a name');
SELECT throws_ok($$SELECT mlops.promote('governance_test/1', '', 'x')$$, '22P02', NULL, 'and not empty');
SELECT throws_ok($$SELECT mlops.promote('governance_test/9', reason => 'x')$$, 'ML002', NULL, 'no such version');
SELECT throws_ok($$SELECT mlops.promote('governance_none/1', reason => 'x')$$, 'ML001', NULL, 'no such model');
SELECT throws_ok($$SELECT mlops.promote(NULL, reason => 'x')$$, '22004', NULL, 'no reference');

SELECT throws_ok($$SELECT mlops.rollback('governance_test')$$, '22004', NULL, 'a rollback needs a reason');
SELECT is(mlops.rollback('governance_test', reason => 'bad')::text, 'governance_test/1', 'rollback gives the reference');
SELECT is(pg_temp.champion(), 1, 'and moves the alias');
SELECT pg_temp.mark('back');
SELECT throws_ok($$SELECT mlops.rollback('governance_test', reason => 'worse')$$, '55000', NULL, 'the first has nothing before it');
SELECT mlops.promote('governance_test/3', reason => 'third');
SELECT mlops.promote('governance_test/4', reason => 'fourth');
SELECT is(mlops.rollback('governance_test', reason => 'x')::text, 'governance_test/3', 'one step back');
SELECT is(mlops.rollback('governance_test', reason => 'x')::text, 'governance_test/1', 'the next goes further back, not forth');
SELECT throws_ok($$SELECT mlops.rollback('governance_test', 'none', 'x')$$, 'ML003', NULL, 'no such alias');
SELECT throws_ok($$SELECT mlops.rollback('governance_none', reason => 'x')$$, 'ML001', NULL, 'no such model');

SELECT lives_ok($$SELECT mlops.drop_alias('governance_test', 'challenger', 'done')$$, 'drop_alias');
SELECT is_empty($$SELECT FROM mlops.aliases WHERE model = 'governance_test' AND alias = 'challenger'$$, 'it is gone');
SELECT throws_ok($$SELECT mlops.predict('governance_test@challenger', '{1}'::float8[])$$, 'ML003', NULL, 'and means nothing');
SELECT throws_ok($$SELECT mlops.drop_alias('governance_test', 'challenger', 'done')$$, 'ML003', NULL, 'it is dropped once');

SELECT results_eq($$SELECT alias, action, previous_version, version, reason, change_ref, changed_by
                    FROM mlops.alias_history WHERE model = 'governance_test' ORDER BY id$$,
    $$SELECT *, session_user FROM (VALUES ('champion', 'promote', NULL::integer, 1, 'first', 'CHG-1'),
             ('challenger', 'promote', NULL, 2, 'try', NULL), ('champion', 'promote', 1, 2, 'won', NULL),
             ('champion', 'rollback', 2, 1, 'bad', NULL), ('champion', 'promote', 1, 3, 'third', NULL),
             ('champion', 'promote', 3, 4, 'fourth', NULL), ('champion', 'rollback', 4, 3, 'x', NULL),
             ('champion', 'rollback', 3, 1, 'x', NULL), ('challenger', 'drop', 2, NULL, 'done', NULL)) v$$,
    'alias_history has every change with its reason');

SELECT is(mlops.model_at('governance_test', at)::text, NULL, 'model_at: nothing before the first') FROM moment WHERE name = 'start';
SELECT is(mlops.model_at('governance_test', at)::text, 'governance_test/1', 'model_at: the first') FROM moment WHERE name = 'one';
SELECT is(mlops.model_at('governance_test', at)::text, 'governance_test/2', 'model_at: the second') FROM moment WHERE name = 'two';
SELECT is(mlops.model_at('governance_test', at)::text, 'governance_test/1', 'model_at: after the rollback') FROM moment WHERE name = 'back';
SELECT is(mlops.model_at('governance_test@challenger', at)::text, 'governance_test/2', 'model_at: another alias') FROM moment WHERE name = 'two';
SELECT is(mlops.model_at('governance_test@challenger', clock_timestamp())::text, NULL, 'model_at: a dropped alias');
SELECT throws_ok($$SELECT mlops.model_at('governance_test/1', now())$$, '22023', NULL, 'model_at: a version has no history');

-- back and forth by promotion, then back: to the first, and no further
SELECT mlops.promote('governance_test/1', 'there', 'x'), mlops.promote('governance_test/2', 'there', 'x'),
       mlops.promote('governance_test/1', 'there', 'x');
SELECT is(mlops.rollback('governance_test', 'there', 'x')::text, 'governance_test/2', 'rollback of 1, 2, 1');
SELECT is(mlops.rollback('governance_test', 'there', 'x')::text, 'governance_test/1', 'once more');
SELECT throws_ok($$SELECT mlops.rollback('governance_test', 'there', 'x')$$, '55000', NULL, 'and no more');
SELECT throws_ok($$SELECT mlops.rollback('governance_test', NULL, 'x')$$, '22004', NULL, 'rollback of no alias');
SELECT throws_ok($$SELECT mlops.promote('governance_test/3', reason => E'\n\t ')$$, '22004', NULL, 'white space is no reason');

-- the same number, rolled back, does not count
SAVEPOINT here;
SELECT mlops.promote('governance_test/4', reason => 'oops');
SELECT is(pg_temp.champion(), 4, 'a promotion');
ROLLBACK TO here;
SELECT is(pg_temp.champion(), 1, 'is gone when it is rolled back');

CREATE ROLE governance_reader;
SELECT mlops.grant_privilege('read', 'governance_test', 'governance_reader');
GRANT EXECUTE ON FUNCTION mlops.promote(mlops.modelref, text, text, text) TO governance_reader;
SET LOCAL ROLE governance_reader;
SELECT throws_ok($$SELECT mlops.promote('governance_test/2', reason => 'x')$$, '42501', NULL, 'who only reads does not promote');
SELECT throws_ok($$SELECT mlops.rollback('governance_test', reason => 'x')$$, '42501', NULL, 'rollback is not for everybody');
SELECT is(version, 1, 'but sees the alias') FROM mlops.aliases WHERE model = 'governance_test' AND alias = 'champion';
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
