-- Explanations: contributions, explain, reason codes, reasons, importance.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\set top `pwd`
BEGIN;
SELECT plan(114);

-- Half of the rows went to each side of every split, so a tree that gives l or
-- r has a mean of (l + r) / 2: 0.5, 0, 0 and 0, and the score is the sum.
SELECT mlops.import_model('explain_test',
    pg_temp.stumps('{income,debts,age,cars,unused}', '{0,1,2,3}', '{30,3,25,2}', '{1.5,-0.5,0.5,-0.5}', '{-0.5,0.5,-0.5,0.5}'));
SELECT mlops.promote('explain_test/1', reason => 'test');
CREATE TEMPORARY TABLE applicant (id integer, unused boolean, cars int2, age date, debts numeric(5, 2), income float8);
INSERT INTO applicant VALUES (1, true, 1, date '1970-02-20', 5, 20.5), (2, false, 3, date '1970-01-02', 1, 100),
    (3, NULL, NULL, NULL, NULL, NULL);

--
-- Contributions
--
SELECT is((SELECT mlops.contributions('explain_test', a) FROM applicant a WHERE id = 1), '{1,0.5,-0.5,-0.5,0,0.5}',
    'a contribution per feature, in the order of the signature, and the base value');
SELECT is((SELECT mlops.contributions('explain_test', a) FROM applicant a WHERE id = 2), '{-1,-0.5,0.5,0.5,0,0.5}', 'another row');
SELECT is((SELECT mlops.contributions('explain_test', a) FROM applicant a WHERE id = 3), '{-1,0.5,-0.5,0.5,0,0.5}', 'missing values go the default way');
SELECT is((SELECT array_agg(c::text) FROM applicant a, unnest(mlops.contributions('explain_test', a)) c WHERE c = 0), '{0,0,0}', 'nothing is 0 and not -0');
SELECT is(mlops.contributions('explain_test', '{20.5,5,50,1,NULL}'::float8[]), '{1,0.5,-0.5,-0.5,0,0.5}', 'of an array');
SELECT is(mlops.contributions('explain_test', '{"income": 20.5, "debts": 5, "age": 50, "cars": 1, "unused": null}'::jsonb), '{1,0.5,-0.5,-0.5,0,0.5}', 'of JSON');
SELECT ok(bool_and((SELECT sum(c) FROM unnest(mlops.contributions('explain_test', a)) c) = (mlops.predict_margin('explain_test', a))[1]),
    'they add up to the margin') FROM applicant a;
SELECT is(mlops.contributions(NULL, '{1}'::float8[]), NULL, 'a NULL reference');
SELECT is(mlops.contributions('explain_test', NULL::float8[]), NULL, 'a NULL row');
SELECT throws_ok($$SELECT mlops.contributions('explain_test', '{1}'::float8[])$$, 'ML020', NULL, 'a row that does not fit');
SELECT throws_ok($$SELECT mlops.contributions('explain_none', '{1}'::float8[])$$, 'ML001', NULL, 'no such model');
SELECT throws_ok($$SELECT mlops.contributions('explain_test', '{1,2,3,4,5}'::float8[], 'x')$$, '22023',
    'version 1 of model "explain_test" has no classes to choose from', 'a class of two cannot be chosen');

-- classes
SELECT mlops.import_model('explain_classes', pg_temp.stumps('{a}', '{0,0,0}', '{1,2,3}', '{1,0,0}', '{0,1,2}', 'multi:softprob', 3),
                          classes => '{red,green,blue}');
SELECT is(mlops.contributions('explain_classes/1', '{0}'::float8[], 'red'), '{0.5,1}', 'of a class');
SELECT is(mlops.contributions('explain_classes/1', '{0}'::float8[], 'blue'), '{-1,1.5}', 'of another');
SELECT is(mlops.contributions('explain_classes/1', '{9}'::float8[]), '{1,1.5}', 'of the predicted class');
SELECT is(mlops.contributions('explain_classes/1', '{0}'::float8[]), '{0.5,1}', 'which is another for another row');
SELECT throws_ok($$SELECT mlops.contributions('explain_classes/1', '{0}'::float8[], '0')$$, '22023', NULL, 'a class that has a name has no number');
SELECT throws_ok($$SELECT mlops.contributions('explain_classes/1', '{0}'::float8[], 'pink')$$, '22023',
    'version 1 of model "explain_classes" has no class "pink"', 'no such class');
SELECT mlops.import_model('explain_numbers', pg_temp.stumps('{a}', '{0,0,0}', '{1,2,3}', '{1,0,0}', '{0,1,2}', 'multi:softmax', 3));
SELECT is(mlops.contributions('explain_numbers/1', '{0}'::float8[], '2'), '{-1,1.5}', 'classes without names have numbers');
SELECT throws_ok($$SELECT mlops.contributions('explain_numbers/1', '{0}'::float8[], '3')$$, '22023', NULL, 'from 0');
SELECT mlops.import_model('explain_targets',
    replace(replace(pg_temp.stumps('{a}', '{0,0}', '{1,2}', '{1,0}', '{0,1}', 'reg:squarederror')::json::text, '"num_target": "1"', '"num_target": "2"'),
            '"tree_info": [0, 0]', '"tree_info": [0, 1]')::json::mlops.artifact);
SELECT throws_ok($$SELECT mlops.contributions('explain_targets/1', '{0}'::float8[])$$, 'ML021',
    'version 1 of model "explain_targets" has 2 targets', 'one of several targets is to be chosen');
SELECT is(mlops.contributions('explain_targets/1', '{0}'::float8[], '1'), '{-0.5,0.5}', 'by its number');

-- a linear model
CREATE FUNCTION pg_temp.linear(weights text, objective text DEFAULT 'reg:squarederror', classes integer DEFAULT 0) RETURNS mlops.artifact
    LANGUAGE SQL AS $$
    SELECT format('{"version":[1,7,4],"learner":{"attributes":{},"feature_names":["a","b","c"],"feature_types":["float","float","float"],
        "gradient_booster":{"name":"gblinear","model":{"weights":%s,"boosted_rounds":1}},
        "learner_model_param":{"base_score":"0.25","num_class":"%s","num_feature":"3","num_target":"1"},"objective":{"name":"%s"}}}',
        weights, classes, objective)::json::mlops.artifact $$;
SELECT mlops.import_model('explain_linear', pg_temp.linear('[2,-4,0,1]'));
SELECT is(mlops.contributions('explain_linear/1', '{3,0.5,7}'::float8[]), '{6,-2,0,1.25}', 'a linear model: the products, bias and base score');
SELECT is(mlops.contributions('explain_linear/1', '{NULL,-0.5,7}'::float8[]), '{0,2,0,1.25}', 'a missing value contributes nothing');
SELECT is((mlops.contributions('explain_linear/1', '{Infinity,0,0}'::float8[]))[1], 'Infinity', 'an infinite one all');

-- what cannot be explained
SELECT mlops.import_model('explain_cover',
    replace(pg_temp.stumps('{a}', '{0}', '{1}', '{1}', '{2}')::json::text, '[10, 5, 5]', '[10, -5, 15]')::json::mlops.artifact);
SELECT lives_ok($$SELECT mlops.predict('explain_cover/1', '{0}'::float8[])$$, 'a model with a negative cover is scored');
SELECT throws_ok($$SELECT mlops.contributions('explain_cover/1', '{0}'::float8[])$$, 'ML011',
    'version 1 of model "explain_cover" cannot be explained', 'but not explained');
SELECT throws_ok($$SELECT mlops.contributions('explain_cover/1', '{0}'::float8[])$$, 'ML011', NULL, 'the second time neither');

--
-- Explain
--
SELECT results_eq($$SELECT (e).* FROM (SELECT mlops.explain('explain_test', a) AS e FROM applicant a WHERE id = 1) s$$,
    $$VALUES (0, '(base)', NULL, 0.5::float8, NULL), (1, 'income', '20.5', 1, NULL), (2, 'debts', '5.00', 0.5, NULL),
             (3, 'age', '1970-02-20', -0.5, NULL), (4, 'cars', '1', -0.5, NULL)$$,
    'the base, then by size; equal ones in the order of the signature; values as their columns write them; what adds nothing is left out');
SELECT results_eq($$SELECT e.rank, e.feature FROM applicant a, mlops.explain('explain_test', a, direction => 'down') e WHERE id = 1$$,
    $$VALUES (0, '(base)'), (1, 'age'), (2, 'cars')$$, 'down');
SELECT results_eq($$SELECT e.rank, e.feature FROM applicant a, mlops.explain('explain_test', a, direction => 'up') e WHERE id = 1$$,
    $$VALUES (0, '(base)'), (1, 'income'), (2, 'debts')$$, 'up');
SELECT results_eq($$SELECT e.rank, e.feature FROM applicant a, mlops.explain('explain_test', a, 1, 'up') e WHERE id = 1$$,
    $$VALUES (0, '(base)'), (1, 'income')$$, 'the first of them');
SELECT results_eq($$SELECT e.feature, e.value FROM applicant a, mlops.explain('explain_test', a) e WHERE id = 3 AND e.rank > 0$$,
    $$VALUES ('income', NULL), ('debts', NULL), ('age', NULL), ('cars', NULL)$$, 'a missing value is NULL and contributes');
SELECT results_eq($$SELECT a.id, count(*), sum(e.contribution) FROM applicant a, mlops.explain('explain_test', a) e GROUP BY a.id ORDER BY 1$$,
    $$SELECT id, 5::bigint, (mlops.predict_margin('explain_test', a))[1] FROM applicant a ORDER BY 1$$, 'many rows in one statement, each adds up');
SELECT results_eq($$SELECT feature, value FROM mlops.explain('explain_test', '{"income": 20.50, "debts": true, "age": null, "cars": 7, "unused": 1}'::jsonb) WHERE rank > 0$$,
    $$VALUES ('income', '20.50'), ('debts', 'true'), ('age', NULL), ('cars', '7')$$, 'of JSON, with its values');
SELECT is_empty($$SELECT * FROM mlops.explain('explain_test', NULL::applicant)$$, 'a NULL row');
SELECT is_empty($$SELECT * FROM mlops.explain(NULL, '{}'::jsonb)$$, 'a NULL reference');
SELECT results_eq($$SELECT feature, contribution FROM mlops.explain('explain_classes/1', '{"a": 0}'::jsonb, class => 'blue')$$,
    $$VALUES ('(base)', 1.5::float8), ('a', -1)$$, 'of a class');
SELECT throws_ok($$SELECT * FROM mlops.explain('explain_test', '{}'::jsonb, direction => 'left')$$, '22023',
    'unknown direction "left"', 'no such direction');
SELECT throws_ok($$SELECT * FROM mlops.explain('explain_test', '{}'::jsonb, direction => NULL)$$, '22023', NULL, 'nor NULL');
SELECT throws_ok($$SELECT * FROM mlops.explain('explain_test', '{}'::jsonb, 0)$$, '22023', 'top must be at least 1', 'at least one');

-- categories, with the texts of the row
SELECT mlops.import_model('explain_city',
    replace(replace(replace(replace(replace(pg_temp.stumps('{city}', '{0}', '{1}', '{1}', '{-1}')::json::text,
        '"split_type": [0, 0, 0]', '"split_type": [1, 0, 0]'), '"categories": []', '"categories": [1]'),
        '"categories_nodes": []', '"categories_nodes": [0]'), '"categories_sizes": []', '"categories_sizes": [1]'),
        '"categories_segments": []', '"categories_segments": [0]')::json::mlops.artifact,
    signature => '[{"name": "city", "kind": "categorical", "categories": ["Recife", "Natal"]}]');
SELECT results_eq($$SELECT e.value, e.contribution FROM (VALUES (1, 'Recife'), (2, 'Natal'), (3, 'Lima'), (4, NULL)) c (n, city),
                    LATERAL (SELECT * FROM (SELECT c.city AS city) r, mlops.explain('explain_city/1', r)) e WHERE e.rank > 0 ORDER BY n$$,
    $$VALUES ('Recife', 1::float8), ('Natal', -1), ('Lima', -1), (NULL, -1)$$, 'categories by their texts, one that was not seen too');

--
-- Reasons
--
SELECT lives_ok($$SELECT mlops.set_reason('explain_test', 'income', 'Income too low')$$, 'set_reason');
SELECT lives_ok($$SELECT mlops.set_reason('explain_test', 'income', 'Good income', direction => 'down')$$, 'for the other direction');
SELECT lives_ok($$SELECT mlops.set_reason('explain_test', 'age', 'Good age', 'down')$$, 'for another feature');
SELECT results_eq($$SELECT feature, direction, reason, changed_by FROM mlops.reasons WHERE model = 'explain_test' ORDER BY 1, 2$$,
    $$SELECT f, d, r, session_user FROM (VALUES ('age', 'down', 'Good age'), ('income', 'down', 'Good income'), ('income', 'up', 'Income too low')) v (f, d, r)$$, 'view reasons');
SELECT results_eq($$SELECT e.feature, e.reason FROM applicant a, mlops.explain('explain_test', a) e WHERE id = 1$$,
    $$VALUES ('(base)', NULL), ('income', 'Income too low'), ('debts', NULL), ('age', 'Good age'), ('cars', NULL)$$, 'explain gives the reason of the direction');
SELECT is((SELECT reason FROM applicant a, mlops.explain('explain_test', a) e WHERE id = 2 AND feature = 'income'), 'Good income', 'and the other for the other');
SELECT is((SELECT mlops.reason_codes('explain_test', a) FROM applicant a WHERE id = 1), '{Income too low,debts}', 'reason_codes: the text, or else the name, of what raised the score');
SELECT is((SELECT mlops.reason_codes('explain_test', a, 1) FROM applicant a WHERE id = 1), '{Income too low}', 'at most n');
SELECT is((SELECT mlops.reason_codes('explain_test', a, adverse => 'down') FROM applicant a WHERE id = 1), '{Good age,cars}', 'what lowered it');
SELECT is((SELECT mlops.reason_codes('explain_test', a, NULL) FROM applicant a WHERE id = 3), '{debts,cars}', 'all; a missing value is a factor');
SELECT is((SELECT mlops.reason_codes('explain_test', to_jsonb(a) || '{"age": 50}') FROM applicant a WHERE id = 1), '{Income too low,debts}', 'of JSON');
SELECT is(mlops.reason_codes('explain_test', '{"income": 40, "debts": 1, "age": 50, "cars": 1, "unused": 1}'::jsonb), '{}', 'nothing raised the score: no reasons');
SELECT is(mlops.reason_codes('explain_test', NULL::jsonb), NULL, 'a NULL row');
SELECT is(mlops.reason_codes('explain_classes/1', '{"a": 0}'::jsonb, class => 'blue'), '{}', 'of a class');
SELECT is(mlops.reason_codes('explain_classes/1', '{"a": 0}'::jsonb, class => 'blue', adverse => 'down'), '{a}', 'its other direction');
SELECT mlops.set_reason('explain_test', 'debts', 'Income too low');
SELECT is((SELECT mlops.reason_codes('explain_test', a) FROM applicant a WHERE id = 1), '{Income too low}', 'a text of two features is given once');
SELECT is(mlops.reason_codes('explain_test', '{"income": 20.5, "debts": 5, "age": 50, "cars": 3, "unused": 1}'::jsonb, 2), '{Income too low,cars}',
    'and leaves its place to the next');
SELECT is((SELECT mlops.reason_codes('explain_test', a) FROM applicant a WHERE id = 3), '{debts,cars}',
    'a missing value has not what is said of one that is too high or too low');
SELECT lives_ok($$SELECT mlops.set_reason('explain_test', 'debts', 'Debts not stated', 'missing')$$, 'a text for a missing value');
SELECT mlops.set_reason('explain_test', 'income', 'Income not stated', 'missing');
SELECT is((SELECT mlops.reason_codes('explain_test', a) FROM applicant a WHERE id = 3), '{Debts not stated,cars}', 'is given for it');
SELECT is((SELECT mlops.reason_codes('explain_test', to_jsonb(a)) FROM applicant a WHERE id = 3), '{Debts not stated,cars}', 'as for a null of JSON');
SELECT is((SELECT mlops.reason_codes('explain_test', a) FROM applicant a WHERE id = 1), '{Income too low}', 'and not for a value');
SELECT results_eq($$SELECT e.feature, e.reason FROM applicant a, mlops.explain('explain_test', a) e WHERE id = 3 AND rank > 0$$,
    $$VALUES ('income', 'Income not stated'), ('debts', 'Debts not stated'), ('age', NULL), ('cars', NULL)$$, 'explain has it in both directions');
SELECT mlops.set_reason('explain_city', 'city', 'City not known', 'missing');
SELECT mlops.set_reason('explain_city', 'city', 'City', 'down');
SELECT results_eq($$SELECT c.city, mlops.reason_codes('explain_city/1', jsonb_build_object('city', c.city), adverse => 'down')
                    FROM (VALUES (1, 'Natal'), (2, 'Lima'), (3, NULL)) c (n, city) ORDER BY n$$,
    $$VALUES ('Natal', '{City}'::text[]), ('Lima', '{City not known}'), (NULL, '{City not known}')$$, 'a category that the model does not know is missing');
SELECT throws_ok($$SELECT mlops.reason_codes('explain_test', '{}'::jsonb, adverse => 'both')$$, '22023', NULL, 'both is not a direction of harm');
SELECT throws_ok($$SELECT mlops.reason_codes('explain_test', '{}'::jsonb, 0)$$, '22023', 'n must be at least 1', 'n is at least 1');

SELECT lives_ok($$SELECT mlops.set_reason('explain_test', 'income', NULL)$$, 'NULL removes');
SELECT is_empty($$SELECT FROM mlops.reasons WHERE model = 'explain_test' AND feature = 'income' AND direction = 'up'$$, 'it is gone');
SELECT lives_ok($$SELECT mlops.set_reason('explain_test', 'income', NULL)$$, 'twice does nothing');
SELECT throws_ok($$SELECT mlops.set_reason('explain_test', 'Income', 'x')$$, '22023', 'no version of model "explain_test" has a feature "Income"', 'a feature that there is');
SELECT throws_ok($$SELECT mlops.set_reason('explain_test', 'income', ' ')$$, '22023', NULL, 'an empty text');
SELECT throws_ok($$SELECT mlops.set_reason('explain_test', 'income', 'x', 'left')$$, '22023', NULL, 'no such direction');
SELECT throws_ok($$SELECT mlops.set_reason('explain_test', NULL, 'x')$$, '22004', NULL, 'no feature');
SELECT throws_ok($$SELECT mlops.set_reason(NULL, 'income', 'x')$$, '22004', NULL, 'no model');
SELECT throws_ok($$SELECT mlops.set_reason('explain_none', 'income', 'x')$$, 'ML001', NULL, 'no such model');
DO $$
DECLARE
    codes text[];
BEGIN
    -- one call site: what is registered between two statements counts at once
    FOR i IN 1..3 LOOP
        PERFORM mlops.set_reason('explain_test', 'cars', 'Cars ' || i, 'up');
        codes := codes || mlops.reason_codes('explain_test', '{"income": 40, "debts": 1, "age": 50, "cars": 3, "unused": 1}'::jsonb);
    END LOOP;
    PERFORM set_config('explain.codes', codes::text, true);
END $$;
SELECT is(current_setting('explain.codes')::text[], '{Cars 1,Cars 2,Cars 3}', 'a call site sees the reasons of its statement');

--
-- Importance
--
SELECT results_eq($$SELECT * FROM mlops.feature_importance('explain_test')$$,
    $$VALUES (1, 'income', 1::float8, 0.25::float8), (2, 'debts', 1, 0.25), (3, 'age', 1, 0.25), (4, 'cars', 1, 0.25)$$,
    'gain by default; equal ones in the order of the signature; what is not used is left out');
SELECT mlops.import_model('explain_importance', pg_temp.stumps('{a,b}', '{1,1,1,0}', '{1,2,3,4}', '{1,1,1,1}', '{0,0,0,0}'));
SELECT results_eq($$SELECT * FROM mlops.feature_importance('explain_importance/1', 'weight')$$, $$VALUES (1, 'b', 3::float8, 0.75::float8), (2, 'a', 1, 0.25)$$, 'weight');
SELECT results_eq($$SELECT * FROM mlops.feature_importance('explain_importance/1', 'cover')$$, $$VALUES (1, 'a', 10::float8, 0.5::float8), (2, 'b', 10, 0.5)$$, 'cover');
SELECT results_eq($$SELECT * FROM mlops.feature_importance('explain_importance/1', 'total_cover')$$, $$VALUES (1, 'b', 30::float8, 0.75::float8), (2, 'a', 10, 0.25)$$, 'total_cover');
SELECT results_eq($$SELECT * FROM mlops.feature_importance('explain_importance/1', 'total_gain')$$, $$VALUES (1, 'b', 3::float8, 0.75::float8), (2, 'a', 1, 0.25)$$, 'total_gain');
SELECT results_eq($$SELECT * FROM mlops.feature_importance('explain_linear/1', 'weight')$$, $$VALUES (1, 'b', -4::float8, 4 / 6::float8), (2, 'a', 2, 2 / 6::float8)$$, 'weights of a linear model');
SELECT throws_ok($$SELECT * FROM mlops.feature_importance('explain_linear/1')$$, 'ML021', 'version 1 of model "explain_linear" has no gain', 'which has no gain');
SELECT throws_ok($$SELECT * FROM mlops.feature_importance('explain_test', 'x')$$, '22023', NULL, 'no such kind');
SELECT is_empty($$SELECT * FROM mlops.feature_importance(NULL)$$, 'a NULL reference');

--
-- LightGBM
--
SELECT set_config('test.top', :'top', true) \g /dev/null
CREATE FUNCTION pg_temp.fixture(name text) RETURNS bytea LANGUAGE SQL
    AS $$ SELECT pg_read_binary_file(current_setting('test.top') || '/test/fixtures/lightgbm/' || name) $$;
-- income up to 3000: debts up to 2 give 0.25, more 1.25; else -0.75; what is missing goes left
CREATE FUNCTION pg_temp.lightgbm(counts text DEFAULT E'leaf_count=20 60 20\ninternal_count=100 40\n',
                                 gains text DEFAULT E'split_gain=40 10\n', averaged text DEFAULT '') RETURNS mlops.artifact
    LANGUAGE SQL AS $$
    SELECT convert_to(concat(E'tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=2\n',
                             E'objective=regression\n', averaged, E'feature_names=income debts unused\n',
                             E'feature_infos=[0:9999] [0:9] none\ntree_sizes=', octet_length(t), ' ', octet_length(t), E'\n\n',
                             t, replace(t, 'Tree=0', 'Tree=1'), E'end of trees\n'), 'UTF8')::mlops.artifact
    FROM concat(E'Tree=0\nnum_leaves=3\nnum_cat=0\nsplit_feature=0 1\n', gains, E'threshold=3000 2\ndecision_type=10 10\n',
                E'left_child=1 -1\nright_child=-2 -3\nleaf_value=0.25 -0.75 1.25\n', counts, E'\n\n') AS t $$;
SELECT mlops.import_model('explain_lightgbm', pg_temp.lightgbm());
SELECT is(mlops.contributions('explain_lightgbm/1', '{1800,4,NULL}'::float8[]), '{2.1,0.7,0,-0.3}', 'LightGBM: contributions by counts of rows');
SELECT is(mlops.contributions('explain_lightgbm/1', '{NULL,NULL,1}'::float8[]), '{1.5,-0.7,0,-0.3}', 'missing values go the way of their split');
SELECT results_eq($$SELECT rank, feature, value, contribution FROM mlops.explain('explain_lightgbm/1', '{"income": 5000, "debts": 4.0, "unused": 3}'::jsonb)$$,
    $$VALUES (0, '(base)', NULL, -0.3::float8), (1, 'income', '5000', -1.4), (2, 'debts', '4.0', 0.2)$$, 'explain');
SELECT is(mlops.reason_codes('explain_lightgbm/1', '{"income": 5000, "debts": 4.0, "unused": 3}'::jsonb), '{debts}', 'reason_codes');
SELECT results_eq($$SELECT k, f.feature, f.importance, f.share FROM unnest('{weight,gain,cover,total_gain,total_cover}'::text[]) WITH ORDINALITY k (k, n),
                    mlops.feature_importance('explain_lightgbm/1', k.k) f ORDER BY n, rank$$,
    $$VALUES ('weight', 'income', 2::float8, 0.5::float8), ('weight', 'debts', 2, 0.5), ('gain', 'income', 40, 0.8), ('gain', 'debts', 10, 0.2),
             ('cover', 'income', 100, 100 / 140::float8), ('cover', 'debts', 40, 40 / 140::float8), ('total_gain', 'income', 80, 0.8),
             ('total_gain', 'debts', 20, 0.2), ('total_cover', 'income', 200, 200 / 280::float8), ('total_cover', 'debts', 80, 80 / 280::float8)$$,
    'importances');
SELECT mlops.import_model('explain_averaged', pg_temp.lightgbm(averaged => E'average_output\n'));
SELECT is(mlops.contributions('explain_averaged/1', '{1800,4,NULL}'::float8[]), '{2.1,0.7,0,-0.3}', 'of a forest: those of its margin, which is a sum');
SELECT is(mlops.predict('explain_averaged/1', '{1800,4,NULL}'::float8[]), 1.25::float8, 'and not of the mean that it predicts');

SELECT mlops.import_model('explain_no_counts', pg_temp.lightgbm(counts => ''));
SELECT throws_ok($$SELECT mlops.contributions('explain_no_counts/1', '{1,2,3}'::float8[])$$, 'ML011',
    'version 1 of model "explain_no_counts" cannot be explained', 'a file without counts');
SELECT throws_ok($$SELECT * FROM mlops.feature_importance('explain_no_counts/1', 'cover')$$, 'ML021',
    'version 1 of model "explain_no_counts" has no cover', 'has no cover');
SELECT is((SELECT importance FROM mlops.feature_importance('explain_no_counts/1') WHERE rank = 1), 40::float8, 'but gains');
SELECT mlops.import_model('explain_wrong_counts', pg_temp.lightgbm(counts => E'leaf_count=20 -60 20\ninternal_count=100 40\n'));
SELECT lives_ok($$SELECT mlops.predict('explain_wrong_counts/1', '{1,2,3}'::float8[])$$, 'a negative count is scored');
SELECT throws_ok($$SELECT mlops.reason_codes('explain_wrong_counts/1', '{"income": 1, "debts": 2, "unused": 3}'::jsonb)$$, 'ML011', NULL, 'but not explained');
SELECT mlops.import_model('explain_no_gains', pg_temp.lightgbm(gains => ''));
SELECT throws_ok($$SELECT * FROM mlops.feature_importance('explain_no_gains/1')$$, 'ML021', NULL, 'a file without gains');
SELECT is((SELECT importance FROM mlops.feature_importance('explain_no_gains/1', 'weight') WHERE rank = 1), 2::float8, 'has weights');
SELECT mlops.import_model('explain_equations', pg_temp.fixture('linear.txt')::mlops.artifact);
SELECT throws_ok($$SELECT mlops.contributions('explain_equations/1', '{1,2,3}'::float8[])$$, 'ML011', NULL, 'linear trees have no contributions');
SELECT isnt_empty($$SELECT * FROM mlops.feature_importance('explain_equations/1')$$, 'but importances');

-- categories by their texts
SELECT mlops.import_model('explain_pandas', pg_temp.fixture('pandas.txt')::mlops.artifact);
CREATE TEMPORARY TABLE person (branch text, age integer, city text, amount numeric);
INSERT INTO person VALUES ('5', 20, 'Köln', 1.50), ('9', 70, 'Bonn', NULL);
SELECT results_eq($$SELECT p.age, e.feature, e.value FROM person p, mlops.explain('explain_pandas/1', p) e WHERE rank > 0 ORDER BY p.age, e.feature$$,
    $$VALUES (20, 'age', '20'), (20, 'amount', '1.50'), (20, 'branch', '5'), (20, 'city', 'Köln'),
             (70, 'age', '70'), (70, 'amount', NULL), (70, 'branch', '9'), (70, 'city', 'Bonn')$$, 'values and texts of the row');
SELECT ok(bool_and(abs((SELECT sum(c) FROM unnest(mlops.contributions('explain_pandas/1', p)) c) - (mlops.predict_margin('explain_pandas/1', p))[1]) < 1e-11),
    'which add up to the margin') FROM person p;

-- the library's own, of classes
SELECT mlops.import_model('explain_library', pg_temp.fixture('multiclass.txt')::mlops.artifact);
CREATE FUNCTION pg_temp.numbers(file text, skip integer) RETURNS TABLE (line bigint, part bigint, numbers float8[]) LANGUAGE SQL AS $$
    SELECT l.n - skip, p.n, string_to_array(p.p, ' ')::float8[]
    FROM string_to_table(rtrim(convert_from(pg_temp.fixture(file), 'UTF8'), E'\n'), E'\n') WITH ORDINALITY l (l, n),
         string_to_table(l.l, ' | ') WITH ORDINALITY p (p, n) WHERE l.n > skip $$;
SELECT is((SELECT array_agg(DISTINCT abs(c.ours - c.theirs) < 1e-9)
           FROM pg_temp.numbers('multiclass.rows.txt', 1) r JOIN pg_temp.numbers('multiclass.shap.txt', 2) s ON s.line = r.line AND r.part = 1,
                unnest(mlops.contributions('explain_library/1', r.numbers, (s.part - 1)::text), s.numbers) AS c (ours, theirs)), '{t}', 'every class has the contributions that LightGBM gives');
SELECT is((SELECT array_agg(DISTINCT mlops.contributions('explain_library/1', r.numbers) =
                                     mlops.contributions('explain_library/1', r.numbers, mlops.predict_class('explain_library/1', r.numbers)))
           FROM pg_temp.numbers('multiclass.rows.txt', 1) r WHERE r.part = 1), '{t}', 'without a class, those of the predicted one');

--
-- Privileges: score gets reasons, read gets numbers, manage sets texts
--
CREATE ROLE explain_scorer;
CREATE ROLE explain_reader;
GRANT EXECUTE ON FUNCTION mlops.set_reason TO explain_scorer, explain_reader;
SELECT mlops.grant_privilege('score', 'explain_test', 'explain_scorer');
SELECT mlops.grant_privilege('read', 'explain_test', 'explain_reader');
GRANT SELECT ON applicant TO explain_scorer, explain_reader;
SET ROLE explain_scorer;
SELECT is(cardinality(mlops.reason_codes('explain_test', '{"income": 20, "debts": 1, "age": 50, "cars": 1, "unused": 1}'::jsonb)), 1, 'score: reason codes');
SELECT throws_ok($$SELECT mlops.contributions('explain_test', '{1,2,3,4,5}'::float8[])$$, '42501', NULL, 'score: no contributions');
SELECT throws_ok($$SELECT * FROM mlops.explain('explain_test', '{}'::jsonb)$$, '42501', NULL, 'score: no explanation');
SELECT throws_ok($$SELECT * FROM mlops.feature_importance('explain_test')$$, '42501', NULL, 'score: no importance');
SET ROLE explain_reader;
SELECT lives_ok($$SELECT mlops.contributions('explain_test', '{1,2,3,4,5}'::float8[])$$, 'read: contributions');
SELECT throws_ok($$SELECT mlops.set_reason('explain_test', 'income', 'x')$$, '42501', NULL, 'read: no reasons set');
SELECT throws_ok($$SELECT FROM mlops.reason_text$$, '42501', NULL, 'the table is private');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
