-- Types, models, versions, privileges.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
BEGIN;
SELECT plan(91);

--
-- mlops.modelref
--
SELECT is('credit_risk'::mlops.modelref::text, 'credit_risk', 'a model stands for itself');
SELECT is('credit_risk@challenger'::mlops.modelref::text, 'credit_risk@challenger', 'an alias is kept');
SELECT is('credit_risk/7'::mlops.modelref::text, 'credit_risk/7', 'a version is kept');
SELECT is('credit_risk@champion'::mlops.modelref::text, 'credit_risk', 'the champion is the model');
SELECT is('crédito (novo) "x"'::mlops.modelref::text, 'crédito (novo) "x"', 'names may hold anything else');
SELECT is(repeat('é', 31)::mlops.modelref::text, repeat('é', 31), '62 bytes are a name');
SELECT throws_ok($$SELECT ''::mlops.modelref$$, '22P02', NULL, 'no name is an error');
SELECT throws_ok($$SELECT repeat('x', 64)::mlops.modelref$$, '22P02', NULL, '64 bytes are an error');
SELECT throws_ok($$SELECT ' m'::mlops.modelref$$, '22P02', NULL, 'a leading space is an error');
SELECT throws_ok($$SELECT 'm '::mlops.modelref$$, '22P02', NULL, 'a trailing space is an error');
SELECT throws_ok($$SELECT E'a\tb'::mlops.modelref$$, '22P02', NULL, 'a control character is an error');
SELECT throws_ok($$SELECT 'm@'::mlops.modelref$$, '22P02', NULL, 'no alias after @ is an error');
SELECT throws_ok($$SELECT 'm@a@b'::mlops.modelref$$, '22P02', NULL, 'two aliases are an error');
SELECT throws_ok($$SELECT 'm@latest'::mlops.modelref$$, '22P02', NULL, 'latest is reserved');
SELECT throws_ok($$SELECT 'm/'::mlops.modelref$$, '22P02', NULL, 'no version after / is an error');
SELECT throws_ok($$SELECT 'm/0'::mlops.modelref$$, '22P02', NULL, 'version 0 is an error');
SELECT throws_ok($$SELECT 'm/01'::mlops.modelref$$, '22P02', NULL, 'version 01 is an error');
SELECT throws_ok($$SELECT 'm/2147483648'::mlops.modelref$$, '22P02', NULL, 'a version beyond integer is an error');
SELECT throws_ok($$SELECT 'm/7@x'::mlops.modelref$$, '22P02', NULL, 'version and alias together are an error');
SELECT is('m/2147483647'::mlops.modelref::text, 'm/2147483647', 'the greatest version');

SELECT results_eq(
    $$SELECT r::text AS t FROM unnest('{b,a/10,a/9,a@z,a,"a b"}'::mlops.modelref[]) r ORDER BY r$$,
    $$VALUES ('a'), ('a@z'), ('a/9'), ('a/10'), ('a b'), ('b')$$,
    'order: by model, aliases, versions by number');
SELECT ok('m'::mlops.modelref OPERATOR(mlops.=) 'm@champion', 'equal in both spellings');
SELECT ok('m/1'::mlops.modelref OPERATOR(mlops.<>) 'm/2', 'different versions differ');
SELECT ok('m/2'::mlops.modelref OPERATOR(mlops.<) 'm/10', 'less');
SELECT ok('m/10'::mlops.modelref OPERATOR(mlops.>=) 'm/2', 'greater or equal');
SELECT is((SELECT count(DISTINCT r) FROM unnest('{m,m@champion,m/1,m/1,m@c}'::mlops.modelref[]) r), 3::bigint,
          'DISTINCT sees equal references');
SET LOCAL enable_sort = off;
SELECT is((SELECT count(*) FROM (SELECT r FROM unnest('{m,m@champion,m/1}'::mlops.modelref[]) r GROUP BY r) g), 2::bigint,
          'hash aggregation sees equal references');
RESET enable_sort;
SELECT is(mlops.modelref_hash('m'), mlops.modelref_hash('m@champion'), 'equal references have equal hashes');
SELECT is(mlops.modelref_hash_extended('m', 0), mlops.modelref_hash_extended('m@champion', 0), 'with a seed, too');
SELECT is(mlops.modelref_send('m@champion'), convert_to('m', 'UTF8'), 'the binary form is the text');
SELECT is(mlops.model_name('a b@c'), 'a b', 'model_name');

--
-- mlops.artifact
--
CREATE TEMPORARY TABLE file AS
    SELECT pg_temp.stumps('{age,amount}', '{0,1}', '{30,1000}', '{-1,0.5}', '{1,-0.5}')::text AS json;
SELECT is((json::json::mlops.artifact)::text, json, 'a JSON file comes back as it was given') FROM file;
SELECT is(mlops.artifact_to_bytea(json::json::mlops.artifact), convert_to(json, 'UTF8'), 'its bytes, too') FROM file;
SELECT is((convert_to(json, 'UTF8')::mlops.artifact)::bytea, convert_to(json, 'UTF8'), 'from bytea and back') FROM file;
SELECT is((('\x' || encode(convert_to(json, 'UTF8'), 'hex'))::mlops.artifact)::text, json, 'from hexadecimal text') FROM file;
SELECT is((json::json::mlops.artifact)::json::text, json, 'cast to json') FROM file;
SELECT is(mlops.artifact_sha256(json::json::mlops.artifact), sha256(convert_to(json, 'UTF8')), 'sha256 of the bytes') FROM file;
SELECT is(mlops.artifact_send(json::json::mlops.artifact), convert_to(json, 'UTF8'), 'the binary form is the bytes') FROM file;
SELECT is((json || E' \n')::mlops.artifact::text, json || E' \n', 'white space is kept') FROM file;
SELECT is(mlops.artifact_info(json::json::mlops.artifact) - 'bytes' - 'features',
          '{"format": "xgboost-json", "task": "binary", "objective": "binary:logistic", "booster": "gbtree",
            "library": "xgboost", "library_version": "1.7.4", "groups": 1, "outputs": 1, "rounds": 2,
            "trees": 2, "nodes": 6, "depth": 1}'::jsonb, 'artifact_info') FROM file;
SELECT is(mlops.artifact_info(json::json::mlops.artifact)->'features',
          '[{"name": "age", "kind": "numeric", "used": true}, {"name": "amount", "kind": "numeric", "used": true}]'::jsonb,
          'its features') FROM file;
SELECT throws_ok($$SELECT ''::mlops.artifact$$, 'ML010', NULL, 'nothing is not a model');
SELECT throws_ok($$SELECT '{}'::mlops.artifact$$, 'ML010', NULL, 'an empty object is not a model');
SELECT throws_ok($$SELECT '\x'::mlops.artifact$$, 'ML010', NULL, 'no bytes are not a model');
SELECT throws_ok($$SELECT '\xzz'::mlops.artifact$$, '22023', NULL, 'bad hexadecimal digits');
SELECT throws_ok($$SELECT '\x80049500'::mlops.artifact$$, 'ML011', NULL, 'a pickle is refused by name');
SELECT throws_ok(format('SELECT %L::mlops.artifact', left(json, length(json) - 5)), 'ML010', NULL, 'a truncated file') FROM file;

--
-- Models and versions
--
SELECT lives_ok($$SELECT mlops.create_model('registry_test', 'binary', 'a test')$$, 'create_model');
SELECT throws_ok($$SELECT mlops.create_model('registry_test', 'binary')$$, '42710', NULL, 'a name is taken once');
SELECT throws_ok($$SELECT mlops.create_model('registry_x', 'magic')$$, '22023', NULL, 'unknown task');
SELECT throws_ok($$SELECT mlops.create_model('registry_x/1', 'binary')$$, '42602', NULL, 'a version is not a name');
SELECT throws_ok($$SELECT mlops.create_model('registry_x@y', 'binary')$$, '42602', NULL, 'an alias is not a name');
SELECT throws_ok($$SELECT mlops.create_model(NULL, 'binary')$$, '22004', NULL, 'no name');

SELECT is(mlops.import_model('registry_test', json::json::mlops.artifact)::text, 'registry_test/1', 'import_model gives the reference') FROM file;
SELECT is(mlops.import_model('registry_test', json::json::mlops.artifact, description => 'again')::text, 'registry_test/2',
          'versions grow') FROM file;
SELECT is(mlops.import_model('registry_new', json::json::mlops.artifact)::text, 'registry_new/1',
          'import_model creates the model') FROM file;
SELECT is(task, 'binary', 'with the task of the file') FROM mlops.models WHERE model = 'registry_new';
SELECT is(mlops.export_model('registry_test/2'), convert_to(json, 'UTF8'), 'export_model gives the bytes as given') FROM file;
SELECT is(encode(sha256(mlops.export_model('registry_test/2')), 'hex'), sha256, 'with the sha256 that is shown')
FROM mlops.versions WHERE model = 'registry_test' AND version = 2;
SELECT throws_ok(format($$SELECT mlops.import_model('registry_test', %L)$$,
                        pg_temp.stumps('{a}', '{0}', '{0}', '{1}', '{2}', 'reg:squarederror')),
                 'ML021', NULL, 'a version of another task is refused');
SELECT throws_ok(format($$SELECT mlops.import_model('registry_u', %L)$$,
                        pg_temp.stumps(NULL, '{0}', '{0}', '{1}', '{2}')),
                 '22023', NULL, 'a file without names needs a signature');
SELECT is(mlops.import_model('registry_u', pg_temp.stumps(NULL, '{1}', '{0}', '{1}', '{2}'),
                             '[{"name": "x"}, {"name": "y", "kind": "boolean"}]')::text,
          'registry_u/1', 'and is taken with one');
SELECT throws_ok(format($$SELECT mlops.import_model('registry_u', %L, '[{"name": "x"}]')$$,
                        pg_temp.stumps(NULL, '{1}', '{0}', '{1}', '{2}')), '22023', NULL,
                 'a signature of the wrong length');
SELECT throws_ok(format($$SELECT mlops.import_model('registry_u', %L, '[{"name": "x"}, {"name": "x"}]')$$,
                        pg_temp.stumps(NULL, '{1}', '{0}', '{1}', '{2}')), '22023', NULL,
                 'a feature twice in a signature');
SELECT throws_ok(format($$SELECT mlops.import_model('registry_u', %L, '[{"name": "x", "kind": "odd"}, {"name": "y"}]')$$,
                        pg_temp.stumps(NULL, '{1}', '{0}', '{1}', '{2}')), '22023', NULL,
                 'an unknown kind in a signature');
SELECT throws_ok(format($$SELECT mlops.import_model('registry_u', %L, '[{"name": "x"}, {"name": "y", "kind": "categorical", "categories": ["a"]}]')$$,
                        pg_temp.stumps(NULL, '{1}', '{0}', '{1}', '{2}')), '22023', NULL,
                 'a category where the file has a number');
SELECT throws_ok(format($$SELECT mlops.import_model('registry_test', %L, classes => '{no,yes,maybe}')$$, json),
                 '22023', NULL, 'three classes for two') FROM file;
SELECT is(mlops.describe('registry_test/2')->>'description', 'again', 'describe: description');
SELECT is(mlops.describe('registry_test/2')->'artifact'->>'sha256', encode(sha256(convert_to(json, 'UTF8')), 'hex'),
          'describe: hash') FROM file;
SELECT is(mlops.describe('registry_test/2')->'features'->1, '{"name": "amount", "kind": "numeric"}'::jsonb,
          'describe: features');
SELECT throws_ok($$UPDATE mlops.version SET description = 'x'$$, 'ML040', NULL, 'versions are never changed');
SELECT throws_ok($$DELETE FROM mlops.version$$, 'ML040', NULL, 'versions are never deleted');
SELECT throws_ok($$DELETE FROM mlops.model$$, 'ML040', NULL, 'models are never deleted');
SELECT throws_ok($$TRUNCATE mlops.alias_change$$, 'ML040', NULL, 'history is never emptied');
SET LOCAL session_replication_role = replica;
SELECT throws_ok($$DELETE FROM mlops.version$$, 'ML040', NULL, 'not by a replica role either');
RESET session_replication_role;
SELECT throws_ok($$SELECT mlops._register_version('m', 'binary', NULL, NULL, NULL, NULL, 'import', NULL, NULL, NULL)$$,
                 '42501', NULL, 'private functions cannot be called directly');

--
-- Privileges
--
CREATE ROLE registry_maker;
CREATE ROLE registry_user;
CREATE ROLE registry_team;
GRANT registry_team TO registry_maker;
GRANT EXECUTE ON FUNCTION mlops.create_model(text, text, text, text), mlops.grant_privilege(text, text, text),
    mlops.revoke_privilege(text, text, text), mlops.set_owner(text, text) TO registry_maker, registry_user;
SET LOCAL ROLE registry_maker;
SELECT lives_ok($$SELECT mlops.create_model('registry_mine', 'binary')$$, 'a role that is no superuser creates a model');
SELECT is(owner, 'registry_maker'::name, 'and owns it') FROM mlops.models WHERE model = 'registry_mine';
SELECT throws_ok($$SELECT mlops.create_model('registry_yours', 'binary', owner => 'registry_user')$$, '42501', NULL,
                 'it cannot give one to a stranger');
SELECT lives_ok($$SELECT mlops.set_owner('registry_mine', 'registry_team')$$, 'but to a group of its own');
SELECT lives_ok($$SELECT mlops.grant_privilege('read', 'registry_mine', 'registry_user')$$, 'a member of the owner grants');
SELECT throws_ok($$SELECT mlops.grant_privilege('own', 'registry_mine', 'registry_user')$$, '22023', NULL, 'own is not granted');
SELECT throws_ok($$SELECT mlops.grant_privilege('read', 'registry_mine', 'nobody_here')$$, '42704', NULL, 'to a role that exists');
SELECT throws_ok($$SELECT mlops.grant_privilege('read', NULL, 'registry_user')$$, '42501', NULL, 'all models: superusers only');
SET LOCAL ROLE registry_user;
SELECT results_eq($$SELECT mlops.has_privilege('registry_mine', p) FROM unnest('{own,manage,approve,read,score,any}'::text[]) p$$,
                  $$VALUES (false), (false), (false), (true), (false), (true)$$, 'has_privilege');
SELECT is_empty($$SELECT model FROM mlops.models WHERE model <> 'registry_mine'$$, 'views show what the viewer may see');
SELECT throws_ok($$SELECT mlops.grant_privilege('score', 'registry_mine', 'registry_user')$$, '42501', NULL,
                 'who only reads does not grant');
RESET ROLE;

-- a grant to a role that was dropped can be taken back by its name
CREATE ROLE registry_leaver;
SELECT mlops.grant_privilege('score', 'registry_mine', 'registry_leaver');
DROP ROLE registry_leaver;
CREATE ROLE registry_leaver;
SET LOCAL ROLE registry_leaver;
SELECT ok(NOT mlops.has_privilege('registry_mine', 'any'), 'a new role has nothing of a dropped one of its name');
RESET ROLE;
SELECT mlops.revoke_privilege('score', 'registry_mine', 'registry_leaver');
SELECT is((SELECT count(*) FROM mlops.privilege WHERE role_name = 'registry_leaver'), 0::bigint, 'revoked by name');

-- a model whose owner was dropped, and then dumped and restored
DELETE FROM mlops.privilege WHERE model_id = (SELECT id FROM mlops.model WHERE name = 'registry_mine');
SELECT is(owner, NULL, 'a model without an owner') FROM mlops.models WHERE model = 'registry_mine';
SELECT mlops.set_owner('registry_mine', 'registry_team');
SELECT is(owner, 'registry_team'::name, 'gets one from a superuser') FROM mlops.models WHERE model = 'registry_mine';

SELECT * FROM finish();
ROLLBACK;
