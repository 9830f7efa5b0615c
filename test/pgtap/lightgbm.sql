-- LightGBM: models by their bytes, binding, categories by text, exactness in double.
\set ECHO none
\set QUIET 1
\set top `pwd`
BEGIN;
SELECT plan(55);

CREATE FUNCTION pg_temp.fixture(name text) RETURNS bytea LANGUAGE SQL
    AS $$ SELECT pg_read_binary_file(current_setting('test.top') || '/test/fixtures/lightgbm/' || name) $$;
SELECT set_config('test.top', :'top', true) \g /dev/null

-- a model of one split: left if x <= 16777216.5; type is that of what is missing, +2 sends it left
CREATE FUNCTION pg_temp.split(objective text, type integer, threshold text DEFAULT '16777216.5') RETURNS bytea LANGUAGE SQL AS $$
    SELECT convert_to(concat(E'tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\n',
                             'objective=', objective, E'\nfeature_names=x unused\nfeature_infos=[0:1] none\ntree_sizes=',
                             octet_length(tree), E'\n\n', tree, E'end of trees\n'), 'UTF8')
    FROM concat(E'Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=', threshold, E'\ndecision_type=', type,
                E'\nleft_child=-1\nright_child=-2\nleaf_value=-0.5 0.25\n\n\n') AS tree
$$;

--
-- What the library predicted, of every model
--
CREATE TEMPORARY TABLE reference (name text, features float8[], margins float8[], outputs float8[]);
DO $$
DECLARE
    file text;
    name text;
    rows text[];
    parts text[];
BEGIN
    FOR file IN SELECT f FROM pg_ls_dir(current_setting('test.top') || '/test/fixtures/lightgbm') f
                WHERE f LIKE '%.rows.txt' ORDER BY f COLLATE "C" LOOP
        name := replace(file, '.rows.txt', '');
        PERFORM mlops.import_model('lightgbm_' || name, pg_temp.fixture(name || '.txt')::mlops.artifact,
            -- one that names no categories needs a signature
            CASE WHEN name ~ 'categor|^v' THEN
                (SELECT jsonb_agg(jsonb_build_object('name', f->>'name', 'kind', 'numeric'))
                 FROM jsonb_array_elements(mlops.artifact_info(pg_temp.fixture(name || '.txt')::mlops.artifact)->'features') f) END);
        PERFORM mlops.promote('lightgbm_' || name || '/1', reason => 'test');
        rows := string_to_array(rtrim(convert_from(pg_temp.fixture(file), 'UTF8'), E'\n'), E'\n');
        FOR i IN 2..cardinality(rows) LOOP
            parts := string_to_array(rows[i], ' | ');
            INSERT INTO reference
            VALUES ('lightgbm_' || name, string_to_array(parts[1], ' ')::float8[],
                    string_to_array(parts[2], ' ')::float8[], string_to_array(parts[3], ' ')::float8[]);
        END LOOP;
    END LOOP;
END $$;
SELECT cmp_ok((SELECT count(DISTINCT name)::integer FROM reference), '>=', 40, 'all models are imported');
SELECT is((SELECT count(*)::integer FROM reference WHERE float8send(margins[1]) <> float8send((mlops.predict_margin(name, features))[1])),
    0, 'the first margin of each row, to the bit');
SELECT is((SELECT count(*)::integer FROM reference WHERE margins <> mlops.predict_margin(name, features)), 0, 'all margins');
SELECT is((SELECT count(*)::integer FROM reference
           WHERE cardinality(outputs) = 1 AND outputs[1] <> mlops.predict(name, features) AND abs(outputs[1] - mlops.predict(name, features)) > 1e-15 * abs(outputs[1])),
    0, 'predict');
SELECT is((SELECT count(*)::integer FROM reference, mlops.predict_proba(name, features) p, generate_subscripts(outputs, 1) i
           WHERE cardinality(outputs) > 1 AND abs(outputs[i] - p[i]) > 1e-15), 0, 'predict_proba of classes');
SELECT is((SELECT count(*)::integer FROM reference
           WHERE name = 'lightgbm_binary' AND mlops.predict_proba(name, features) <> ARRAY[1 - outputs[1], outputs[1]]
             AND abs((mlops.predict_proba(name, features))[2] - outputs[1]) > 1e-15), 0, 'predict_proba of two classes');
SELECT is((SELECT count(*)::integer FROM reference
           WHERE name = 'lightgbm_multiclass'
             AND mlops.predict_class(name, features) <> (array_position(margins, (SELECT max(m) FROM unnest(margins) m)) - 1)::text),
    0, 'predict_class is the class of the greatest margin');
SELECT is((SELECT count(*)::integer FROM reference
           WHERE name = 'lightgbm_binary' AND mlops.predict_class(name, features) <> (mlops.predict(name, features) >= 0.5)::integer::text),
    0, 'predict_class of two');
SELECT ok(bool_or(abs(s - 1) > 0.1), 'one against all does not add up to 1, as in the library')
FROM (SELECT (SELECT sum(p) FROM unnest(mlops.predict_proba(name, features)) p) AS s FROM reference WHERE name = 'lightgbm_multiclassova') x;
SELECT is((SELECT count(*)::integer FROM reference
           WHERE name = 'lightgbm_rf_multiclass' AND margins <> mlops.predict_margin(name, features)), 0, 'margins of a forest are sums');

SELECT throws_ok($$SELECT mlops.predict('lightgbm_multiclass', '{1,2,3}'::float8[])$$, 'ML021', NULL, 'predict of classes is an error');
SELECT throws_ok($$SELECT mlops.predict_class('lightgbm_regression', '{1,2,3}'::float8[])$$, 'ML021', NULL, 'a class of a regression is an error');
SELECT throws_ok($$SELECT mlops.predict_proba('lightgbm_cross_entropy', '{1,2,3}'::float8[])$$, 'ML021', NULL, 'probabilities of a regression are an error');

--
-- What the registry knows
--
SELECT is(mlops.artifact_info(pg_temp.fixture('pandas.txt')::mlops.artifact) - 'bytes' - 'nodes' - 'depth' - 'features',
    '{"format": "lightgbm", "task": "binary", "objective": "binary", "booster": "gbdt", "library": "lightgbm",
      "library_version": "v4", "groups": 1, "outputs": 1, "rounds": 6, "trees": 6}', 'artifact_info');
SELECT is((SELECT info->>'library_version' FROM mlops.artifact_info(pg_temp.fixture('v2.txt')::mlops.artifact) info), 'v2', 'an old version');
SELECT is((SELECT info->>'booster' FROM mlops.artifact_info(pg_temp.fixture('rf.txt')::mlops.artifact) info), 'rf', 'a random forest');
SELECT is((SELECT info->>'task' FROM mlops.artifact_info(pg_temp.fixture('lambdarank.txt')::mlops.artifact) info), 'ranking', 'a ranking');
SELECT is(mlops.export_model('lightgbm_pandas'), pg_temp.fixture('pandas.txt'), 'export gives the bytes that were imported');
SELECT is(encode(sha256(pg_temp.fixture('pandas.txt')), 'hex'), (SELECT sha256 FROM mlops.versions WHERE model = 'lightgbm_pandas'), 'sha256');
SELECT is(pg_temp.fixture('pandas.txt')::mlops.artifact::text::mlops.artifact::bytea, pg_temp.fixture('pandas.txt'), 'text and back');
SELECT throws_ok($$SELECT pg_temp.fixture('pandas.txt')::mlops.artifact::json$$, '42846', NULL, 'it is no JSON');
SELECT is(mlops.describe('lightgbm_pandas')->'features', '[
    {"name": "amount", "kind": "numeric"},
    {"name": "city", "kind": "categorical", "categories": ["Köln", "New \"York\"", "Rio", "Ulm"]},
    {"name": "age", "kind": "numeric"},
    {"name": "branch", "kind": "categorical", "categories": ["3", "5", "9"]}]', 'features with the texts that pandas had');

--
-- By name and by text
--
CREATE TYPE pg_temp.city AS ENUM ('Ulm', 'Rio', 'Köln', 'Bonn');
CREATE TEMPORARY TABLE person (branch text, note text, age integer, city text, amount float8);
INSERT INTO person
SELECT b, 'x', a, c, m
FROM unnest('{3,5,9,7,NULL}'::text[]) b, unnest('{20,50,NULL}'::integer[]) a,
     unnest('{Köln,Rio,Ulm,"New \"York\"",Bonn,NULL}'::text[]) c, unnest('{-1,0.3,2,NaN,NULL}'::float8[]) m;
SELECT results_eq($$SELECT feature, "column", conversion, problem FROM mlops.bind('lightgbm_pandas', 'person')$$,
    $$VALUES ('amount', 'amount', 'number', NULL), ('city', 'city', 'category', NULL),
             ('age', 'age', 'number', NULL), ('branch', 'branch', 'category', NULL)$$, 'bind');
CREATE FUNCTION pg_temp.codes(person) RETURNS float8[] LANGUAGE SQL AS $$
    SELECT ARRAY[$1.amount, array_position('{Köln,"New \"York\"",Rio,Ulm}', $1.city) - 1, $1.age, array_position('{3,5,9}', $1.branch) - 1]
$$;
SELECT is((SELECT count(*)::integer FROM person p
           WHERE mlops.predict_margin('lightgbm_pandas', p) <> mlops.predict_margin('lightgbm_pandas', pg_temp.codes(p))),
    0, 'rows score as their codes do; unseen categories are missing');
SELECT cmp_ok((SELECT count(DISTINCT mlops.predict('lightgbm_pandas', p))::integer FROM person p), '>=', 8, 'and not all alike');
SELECT is((SELECT count(*)::integer FROM person p
           WHERE mlops.predict('lightgbm_pandas', p) <> mlops.predict('lightgbm_pandas', to_jsonb(p))
             AND p.amount <> 'NaN'), 0, 'JSON too');
SELECT is((SELECT mlops.predict('lightgbm_pandas', r) FROM (SELECT 2.0 AS amount, 'Köln'::pg_temp.city AS city, 20::int8 AS age, '5'::"char" AS branch) r),
    mlops.predict('lightgbm_pandas', '{2,0,20,1}'::float8[]), 'an enum and a "char"');
SELECT throws_ok($$SELECT mlops.predict('lightgbm_pandas', r) FROM (SELECT 2 AS amount, 'Rio'::text AS city, 20 AS age, 5 AS branch) r$$,
    'ML020', NULL, 'a category from a number is an error');
SELECT throws_ok($$SELECT mlops.predict('lightgbm_pandas', r) FROM (SELECT 2 AS amount, 'Rio'::text AS city, 20 AS age) r$$,
    'ML020', NULL, 'a missing column is an error');
SELECT mlops.import_model('lightgbm_named', pg_temp.fixture('binary.txt')::mlops.artifact, classes => '{good,bad}');
SELECT is(mlops.describe('lightgbm_named/1')->'classes', '["good", "bad"]', 'classes');
SELECT mlops.promote('lightgbm_named/1', reason => 'test');
SELECT results_eq($$SELECT DISTINCT mlops.predict_class('lightgbm_named', features) FROM reference WHERE name = 'lightgbm_binary' ORDER BY 1$$,
    $$VALUES ('bad'), ('good')$$, 'predict_class by the names of classes');

-- categories that the file does not name
SELECT throws_ok($$SELECT mlops.import_model('lightgbm_unnamed', pg_temp.fixture('category_few.txt')::mlops.artifact)$$,
    '22023', 'model file has no texts for the categories of feature "Column_3"', 'categories without texts need a signature');
SELECT lives_ok($$SELECT mlops.import_model('lightgbm_unnamed', pg_temp.fixture('category_few.txt')::mlops.artifact,
    signature => '[{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d", "kind": "categorical", "categories": ["u", "v", "w"]},
                   {"name": "e", "kind": "categorical", "categories": ["1", "2", "3", "4", "5"]}]')$$, 'which names them');
SELECT mlops.promote('lightgbm_unnamed/1', reason => 'test');
SELECT is((SELECT mlops.predict_margin('lightgbm_unnamed', r) FROM (SELECT 0.5 AS a, 0.5 AS b, 0.5 AS c, 'v'::text AS d, '3'::text AS e) r),
    mlops.predict_margin('lightgbm_category_few', '{0.5,0.5,0.5,1,2}'::float8[]), 'and which they score by');

--
-- Double, and not float: 16777217 is no float4
--
SELECT mlops.import_model('lightgbm_split', pg_temp.split('regression', 8)::mlops.artifact);
SELECT mlops.promote('lightgbm_split/1', reason => 'test');
PREPARE two AS VALUES (-0.5::float8), (0.25);
SELECT results_eq($$SELECT mlops.predict('lightgbm_split', r) FROM (VALUES (16777216, 0), (16777217, 0)) r(x, unused)$$, 'two', 'integer');
SELECT results_eq($$SELECT mlops.predict('lightgbm_split', r) FROM (VALUES (16777216::int8, 0), (16777217, 0)) r(x, unused)$$, 'two', 'bigint');
SELECT results_eq($$SELECT mlops.predict('lightgbm_split', r) FROM (VALUES (16777216.5::float8, 0), (16777216.500000004, 0)) r(x, unused)$$, 'two', 'double precision');
SELECT results_eq($$SELECT mlops.predict('lightgbm_split', r) FROM (VALUES (16777216.5, 0), (16777216.50000001, 0)) r(x, unused)$$, 'two', 'numeric');
SELECT results_eq($$SELECT mlops.predict('lightgbm_split', r) FROM (VALUES (16777216::float4, 0), (16777218, 0)) r(x, unused)$$, 'two', 'real');
SELECT results_eq($$SELECT mlops.predict('lightgbm_split', r) FROM (VALUES (true, 0), (NULL, 0)) r(x, unused)$$, 'two', 'boolean, and NULL goes right');
SELECT results_eq($$SELECT mlops.predict('lightgbm_split', r) FROM (VALUES ('-Infinity'::float8, 0), ('Infinity', 0)) r(x, unused)$$, 'two', 'infinities');
SELECT results_eq($$SELECT mlops.predict('lightgbm_split', r) FROM (VALUES (1e300, 0), (1e10, 0)) r(x, unused)$$, $$VALUES (0.25::float8), (0.25)$$, 'beyond real');
SELECT results_eq($$SELECT mlops.predict('lightgbm_split', r) FROM (VALUES (date '1970-01-02', 0), (date 'infinity', 0)) r(x, unused)$$, 'two', 'date');
SELECT results_eq($$SELECT mlops.predict('lightgbm_split', j) FROM (VALUES ('{"x": 16777216, "unused": null}'::jsonb), ('{"x": 16777217, "unused": 1}')) r(j)$$, 'two', 'JSON');
SELECT mlops.import_model('lightgbm_noon', pg_temp.split('regression', 8, '1.5')::mlops.artifact);
SELECT mlops.promote('lightgbm_noon/1', reason => 'test');
SELECT results_eq($$SELECT mlops.predict('lightgbm_noon', r) FROM (VALUES (timestamp '1970-01-02 12:00', 0), ('1970-01-02 12:00:00.000001', 0)) r(x, unused)$$,
    'two', 'a timestamp, to the microsecond');

-- what is missing depends on the split
SELECT mlops.import_model('lightgbm_missing', pg_temp.split('regression', type, '-1')::mlops.artifact) FROM unnest('{0,2,4,6,8,10}'::integer[]) type;
SELECT results_eq($$SELECT v, mlops.predict(format('lightgbm_missing/%s', v)::mlops.modelref, r)
                    FROM generate_series(1, 6) v, (VALUES (NULL::float8, 0)) r(x, unused)$$,
    $$VALUES (1, 0.25::float8), (2, 0.25), (3, 0.25), (4, -0.5), (5, 0.25), (6, -0.5)$$,
    'NULL is 0 where nothing is missing, and else goes the default way');
SELECT results_eq($$SELECT v, mlops.predict(format('lightgbm_missing/%s', v)::mlops.modelref, r)
                    FROM generate_series(1, 6) v, (VALUES (1e-36::float8, 0)) r(x, unused)$$,
    $$VALUES (1, 0.25::float8), (2, 0.25), (3, 0.25), (4, -0.5), (5, 0.25), (6, 0.25)$$,
    'about zero is missing where zero is');

--
-- Refused
--
SELECT throws_ok($$SELECT substring(pg_temp.fixture('binary.txt') FOR 3000)::mlops.artifact$$, 'ML010', NULL, 'a part of a file');
SELECT throws_ok($$SELECT pg_temp.split('my_loss', 8)::mlops.artifact$$, 'ML011',
    'model file cannot be used: objective "my_loss" is not supported', 'an objective that is not LightGBM''s');
SELECT throws_ok($$SELECT convert_to(replace(convert_from(pg_temp.split('regression', 8), 'UTF8'), E'objective=regression\n', ''), 'UTF8')::mlops.artifact$$,
    'ML011', 'model file cannot be used: it has a custom objective, and does not say what its margins mean', 'a custom objective');
SELECT throws_ok($$SELECT pg_temp.split('regression', 12)::mlops.artifact$$, 'ML010',
    'model file cannot be used: split 0 of tree 0 has the decision type 12', 'a split that there is not');
SELECT throws_ok($$SELECT pg_temp.split('regression', 8, 'nan')::mlops.artifact$$, 'ML010', NULL, 'a threshold that is no number');
SELECT throws_ok($$SELECT convert_to(replace(convert_from(pg_temp.split('regression', 8), 'UTF8'), E'\nnum_class=1', E'\nnum_class=1\nnum_class=1'), 'UTF8')::mlops.artifact$$,
    'ML010', 'model file cannot be used: the line num_class is there twice', 'a line that is there twice');

SELECT mlops.import_model('lightgbm_unexplained', pg_temp.split('regression', 8)::mlops.artifact) \g /dev/null
SELECT throws_ok($$SELECT mlops.contributions('lightgbm_unexplained/1', '{1,2}'::float8[])$$, 'ML011', NULL, 'a file without counts has no contributions');
SELECT throws_ok($$SELECT mlops.feature_importance('lightgbm_unexplained/1')$$, 'ML021', NULL, 'and one without gains no gain');

SELECT * FROM finish();
ROLLBACK;
