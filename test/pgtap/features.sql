-- Rows that are not as those of training: the number for a missing value, the
-- policies of a model, what-if, and many rows in one call.
\set ECHO none
\set QUIET 1
\set top `pwd`
\ir ../fixtures/stump.sql
\ir ../fixtures/city.sql
BEGIN;
SELECT plan(174);
SELECT set_config('test.top', :'top', true) \g /dev/null

CREATE TEMPORARY VIEW figures AS
    SELECT model, version, rows, errors, null_rows, missing_columns, unseen_categories FROM mlops.stat_models;

--
-- Against the library: a number for a missing value, and categories beyond
-- those of training, on every path
--
CREATE FUNCTION pg_temp.fixture(name text) RETURNS text LANGUAGE SQL
    AS $$ SELECT pg_read_file(current_setting('test.top') || '/test/fixtures/missing/' || name) $$;
CREATE TEMPORARY TABLE reference (name text, model mlops.modelref, amount float8, city float8, age float8, margin float8);
DO $$
DECLARE
    name text;
    rows text[];
BEGIN
    FOREACH name IN ARRAY '{number,zero,none}'::text[] LOOP
        rows := string_to_array(rtrim(pg_temp.fixture(name || '.rows.txt'), E'\n'), E'\n');
        PERFORM mlops.import_model('features_' || name, pg_temp.fixture(name || '.json')::mlops.artifact,
            '[{"name": "amount"}, {"name": "city", "kind": "categorical", "categories": ["0", "1", "2", "3", "4", "5"]}, {"name": "age"}]',
            missing => rows[1]::float8);
        PERFORM mlops.set_scoring_policy('features_' || name, unseen_categories => 'other', reason => 'test');
        INSERT INTO reference
        SELECT name, 'features_' || name || '/1', part[1], part[2], part[3], part[4]
        FROM unnest(rows[2:]) row, LATERAL (SELECT string_to_array(row, ' ')::float8[] AS part) p;
    END LOOP;
END $$;
-- with the category as a text; a number that stands for a missing one is no text
CREATE TEMPORARY VIEW customer AS
SELECT name, model, margin, nullif(amount, 'NaN') AS amount, nullif(age, 'NaN') AS age,
       CASE WHEN city <> 'NaN' AND city >= 0 THEN trim_scale(city::numeric)::text END AS city
FROM reference;
SELECT is((SELECT count(*) FROM reference), 210::bigint, 'all references are there');
SELECT ok((SELECT count(DISTINCT margin) > 20 FROM reference WHERE name = n), 'margins of ' || n) FROM unnest('{number,zero,none}'::text[]) n;
SELECT is((SELECT count(*) FROM reference WHERE mlops.predict_margin(model, ARRAY[amount, city, age]) <> ARRAY[margin]), 0::bigint,
    'arrays have the margins of the library');
SELECT is((SELECT count(*) FROM customer c WHERE mlops.predict_margin(model, c) <> ARRAY[margin]), 0::bigint, 'rows');
SELECT is((SELECT count(*) FROM (SELECT * FROM customer OFFSET 0) c WHERE mlops.predict_margin(model, c, '{}') <> ARRAY[margin]), 0::bigint,
    'rows that are not passed by column');
SELECT is((SELECT count(*) FROM customer c WHERE mlops.predict_margin(model, to_jsonb(c)) <> ARRAY[margin]), 0::bigint, 'JSON');
SELECT is((SELECT count(*) FROM customer c
           WHERE mlops.predict_margin(model, '{1,1,1}'::float8[], to_jsonb(c) - '{name,model,margin}'::text[]) <> ARRAY[margin]), 0::bigint,
    'changes of all features');
SELECT is((SELECT count(*) FROM (SELECT name, model, array_agg(c ORDER BY margin) AS rows, array_agg(mlops.predict(model, c) ORDER BY margin) AS scores
                                 FROM customer c GROUP BY 1, 2) g
           WHERE mlops.predict_batch(model, rows) = scores), 3::bigint, 'batches of rows');
SELECT is((SELECT count(*) FROM (SELECT name, model, array_agg(ARRAY[amount, city, age] ORDER BY margin) AS rows,
                                        array_agg(mlops.predict(model, ARRAY[amount, city, age]) ORDER BY margin) AS scores
                                 FROM reference GROUP BY 1, 2) g
           WHERE mlops.predict_batch(model, rows) = scores), 3::bigint, 'batches of arrays');
SELECT is((SELECT count(*) FROM customer c, mlops.contributions(model, c) k
           WHERE abs((SELECT sum(x) FROM unnest(k) x) - margin) > 1e-5), 0::bigint, 'contributions of rows add up to it');
SELECT is((SELECT count(*) FROM reference, mlops.contributions(model, ARRAY[amount, city, age]) k
           WHERE abs((SELECT sum(x) FROM unnest(k) x) - margin) > 1e-5), 0::bigint, 'of arrays');
SELECT is((SELECT count(*) FROM customer c, mlops.contributions(model, to_jsonb(c)) k
           WHERE abs((SELECT sum(x) FROM unnest(k) x) - margin) > 1e-5), 0::bigint, 'of JSON');

--
-- The number for a missing value
--
-- age < 30 gives -1, else 1, missing 1; amount < 1000 gives 0.5, else -0.5, missing -0.5
CREATE FUNCTION pg_temp.people() RETURNS mlops.artifact LANGUAGE SQL
    AS $$ SELECT pg_temp.stumps('{age,amount}', '{0,1}', '{30,1000}', '{-1,0.5}', '{1,-0.5}') $$;
SELECT is(mlops.import_model('features_test', pg_temp.people(), missing => -999)::text, 'features_test/1', 'import with a number');
SELECT is(mlops.import_model('features_test', pg_temp.people())::text, 'features_test/2', 'import without');
SELECT is(mlops.import_model('features_test', pg_temp.people(), missing => 'NaN')::text, 'features_test/3', 'NaN is always missing');
SELECT is(mlops.import_model('features_test', pg_temp.people(), missing => 0)::text, 'features_test/4', '0 is a number, too');
SELECT is(mlops.import_model('features_test', pg_temp.people(), missing => '-Infinity')::text, 'features_test/5', 'so is infinity');
SELECT is(mlops.import_model('features_test', pg_temp.people(), missing => 16777217)::text, 'features_test/6', 'a number that real has not');
SELECT mlops.promote('features_test/1', reason => 'test');
SELECT results_eq($$SELECT version, missing FROM mlops.versions WHERE model = 'features_test' ORDER BY version$$,
    $$VALUES (1, -999::float8), (2, NULL), (3, NULL), (4, 0), (5, '-Infinity'), (6, 16777217)$$, 'versions shows it');
SELECT is(mlops.describe('features_test/1')->'missing', '-999', 'describe shows it');
SELECT is(mlops.describe('features_test/2')->'missing', 'null', 'and that there is none');
SELECT is(mlops.describe('features_test/5')->'missing', '"-Infinity"', 'infinity as a string');
CREATE TEMPORARY TABLE person (id integer, amount numeric, age integer);
INSERT INTO person VALUES (1, 500, 20), (2, 500, -999), (3, -999, 20), (4, NULL, 20), (5, -998.99, -998);
SELECT results_eq($$SELECT id, mlops.predict_margin('features_test', p) FROM person p ORDER BY id$$,
    $$VALUES (1, '{-0.5}'::float8[]), (2, '{1.5}'), (3, '{-1.5}'), (4, '{-1.5}'), (5, '{-0.5}')$$, 'the number is missing');
SELECT results_eq($$SELECT id, mlops.predict_margin('features_test/2', p) FROM person p ORDER BY id$$,
    $$VALUES (1, '{-0.5}'::float8[]), (2, '{-0.5}'), (3, '{-0.5}'), (4, '{-1.5}'), (5, '{-0.5}')$$, 'of its version only');
SELECT is(mlops.predict_margin('features_test/4', '{-0,0}'::float8[]), '{0.5}', '-0 is 0');
SELECT is(mlops.predict_margin('features_test/4', '{"age": false, "amount": 0}'::jsonb), '{0.5}', 'false is 0');
SELECT is(mlops.predict_margin('features_test/4', r), '{0.5}', 'so is the first day') FROM (SELECT date '1970-01-01' AS age, 0::int8 AS amount) r;
SELECT is(mlops.predict_margin('features_test/4', '{1e-50,1}'::float8[]), '{1.5}', 'what real rounds to 0 is 0');
SELECT is(mlops.predict_margin('features_test/5', '{-1e300,-Infinity}'::float8[]), '{0.5}', 'what is infinite as real is infinite');
SELECT is(mlops.predict_margin('features_test/6', r), '{0.5}', 'both numbers are rounded')
FROM (SELECT 16777216 AS age, 16777217::numeric AS amount) r;
SELECT is(mlops.predict_margin('features_test/6', '{16777218,16777218}'::float8[]), '{0.5}', 'the next one is another');
SELECT is(mlops.predict_margin('features_test', '{20,500}'::float8[], '{"age": -999}'), '{1.5}', 'a change to it');
SELECT results_eq($$SELECT feature, value FROM mlops.explain('features_test', (SELECT p FROM person p WHERE id = 2)) WHERE rank > 0 ORDER BY 1$$,
    $$VALUES ('age', '-999'), ('amount', '500')$$, 'explain shows the value as it came');
SELECT is(mlops.contributions('features_test', '{-999,-999}'::float8[]), mlops.contributions('features_test', '{NULL,NULL}'::float8[]), 'contributions');
SELECT is(mlops.reason_codes('features_test', '{"age": -999, "amount": 500}'::jsonb, adverse => 'up'),
          mlops.reason_codes('features_test', '{"age": null, "amount": 500}'::jsonb, adverse => 'up'), 'reason codes');
SELECT results_eq($$SELECT feature, conversion FROM mlops.bind('features_test', 'person')$$,
    $$VALUES ('age', 'number; -999 is missing'), ('amount', 'number, through double precision; -999 is missing')$$, 'bind shows it');
SELECT throws_ok($$UPDATE mlops.version SET missing = 1$$, 'ML040', NULL, 'it never changes');

-- a model of double compares double
SELECT mlops.import_model('features_wide', convert_to(concat(
    E'tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\n',
    E'objective=regression\nfeature_names=x y\nfeature_infos=[0:1] none\ntree_sizes=', octet_length(tree), E'\n\n', tree, E'end of trees\n'), 'UTF8')::mlops.artifact,
    missing => 0.1)
FROM concat(E'Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=0.5\ndecision_type=8\n',
            E'left_child=-1\nright_child=-2\nleaf_value=1 2\n\n\n') AS tree;
SELECT is(mlops.predict('features_wide/1', '{0.1,0}'::float8[]), 2::float8, 'LightGBM: the number is missing');
SELECT is(mlops.predict('features_wide/1', ARRAY[0.1::float4, 0]::float8[]), 1::float8, 'another double is not');
SELECT is(mlops.predict('features_wide/1', r), 2::float8, 'in a row') FROM (SELECT 0.1 AS x, 0 AS y) r;
SELECT is(mlops.predict_batch('features_wide/1', '{{0.1,0},{0.2,0},{NULL,1}}'::float8[]), '{2,1,2}', 'and in a batch');

--
-- set_scoring_policy
--
SELECT mlops.import_model('features_city', pg_temp.city_model(), pg_temp.city_signature());
SELECT mlops.promote('features_city/1', reason => 'test');
SELECT results_eq($$SELECT missing_columns, unseen_categories FROM mlops.models WHERE model = 'features_city'$$, $$VALUES ('error', 'missing')$$,
    'the policy of a new model');
SELECT is(mlops.describe('features_city')->'scoring_policy', '{"missing_columns": "error", "unseen_categories": "missing"}', 'describe shows it');
SELECT throws_ok($$SELECT mlops.set_scoring_policy('features_city', 'ignore', reason => 'x')$$, '22023',
    'unknown policy for missing columns: "ignore"', 'unknown policy for columns');
SELECT throws_ok($$SELECT mlops.set_scoring_policy('features_city', 'missing', reason => 'x')$$, '22023', NULL, 'of the other kind');
SELECT throws_ok($$SELECT mlops.set_scoring_policy('features_city', unseen_categories => 'null', reason => 'x')$$, '22023',
    'unknown policy for unseen categories: "null"', 'unknown policy for categories');
SELECT throws_ok($$SELECT mlops.set_scoring_policy('features_city', 'null')$$, '22004', 'a reason is needed', 'without a reason');
SELECT throws_ok($$SELECT mlops.set_scoring_policy('features_city', 'null', reason => ' ')$$, '22004', NULL, 'with an empty one');
SELECT throws_ok($$SELECT mlops.set_scoring_policy(NULL, 'null', reason => 'x')$$, '22004', NULL, 'without a model');
SELECT throws_ok($$SELECT mlops.set_scoring_policy('features_nowhere', 'null', reason => 'x')$$, 'ML001', NULL, 'of no model');
SELECT throws_ok($$UPDATE mlops.model SET missing_columns = 'x'$$, '23514', NULL, 'the table has no other words');
SELECT throws_ok($$UPDATE mlops.model SET unseen_categories = NULL$$, '23502', NULL, 'and no NULL');

CREATE ROLE features_scorer;
CREATE ROLE features_manager;
SELECT mlops.grant_privilege('score', 'features_city', 'features_scorer');
SELECT mlops.grant_privilege('read', 'features_city', 'features_scorer');
SELECT mlops.grant_privilege('manage', 'features_city', 'features_manager');
SET LOCAL ROLE features_scorer;
SELECT throws_ok($$SELECT mlops.set_scoring_policy('features_city', 'null', reason => 'x')$$, '42501', NULL, 'it is not for everybody');
RESET ROLE;
GRANT EXECUTE ON FUNCTION mlops.set_scoring_policy TO features_scorer, features_manager;
SET LOCAL ROLE features_scorer;
SELECT throws_ok($$SELECT mlops.set_scoring_policy('features_city', 'null', reason => 'x')$$, '42501',
    'permission denied for model "features_city"', 'who scores and reads does not set');
SELECT throws_ok($$SELECT mlops._set_scoring_policy('features_city', 'null', NULL, 'x')$$, '42501', NULL, 'nor by the private function');
SET LOCAL ROLE features_manager;
SELECT lives_ok($$SELECT mlops.set_scoring_policy('features_city', 'null', reason => 'x')$$, 'who manages does');
SELECT results_eq($$SELECT missing_columns, unseen_categories FROM mlops.models WHERE model = 'features_city'$$, $$VALUES ('null', 'missing')$$,
    'and only what was named');
SELECT lives_ok($$SELECT mlops.set_scoring_policy('features_city', 'error', 'other', 'y')$$, 'both at once');
SELECT lives_ok($$SELECT mlops.set_scoring_policy('features_city', 'error', 'other', 'y')$$, 'again');
SELECT lives_ok($$SELECT mlops.set_scoring_policy('features_city', NULL, 'missing', 'z')$$, 'and back');
RESET ROLE;

--
-- Unseen categories
--
CREATE TYPE visit AS (city text, age integer, spare integer);
CREATE TEMPORARY TABLE visits (id integer, city text, age integer, spare integer);
INSERT INTO visits VALUES (1, 'Recife', 20, 0), (2, 'Natal', 20, 0), (3, 'Olinda', 40, 0), (4, NULL, 20, 0), (5, 'Lisboa', 20, 0), (6, '', 40, NULL);
-- what each path makes of a row; code -2 is no city's, and neither is 3
CREATE FUNCTION pg_temp.by_path(city text, age integer, code float8, OUT path text, OUT score float8) RETURNS SETOF record LANGUAGE SQL STABLE AS $$
    SELECT 'array', mlops.predict('features_city', ARRAY[code, age, 0]::float8[])
    UNION ALL SELECT 'array changed', mlops.predict('features_city', ARRAY[code, age + 1, 0]::float8[], jsonb_build_object('age', age))
    UNION ALL SELECT 'batch of arrays', (mlops.predict_batch('features_city', ARRAY[ARRAY[0, 20, 0], ARRAY[code, age, 0]]::float8[]))[2]
    UNION ALL SELECT 'batch of rows', (mlops.predict_batch('features_city', ARRAY[ROW('Natal', 1, 1), ROW(city, age, 0)]::visit[]))[2]
    UNION ALL SELECT 'change', mlops.predict('features_city', '{0,0,0}'::float8[], jsonb_build_object('age', age, 'city', city))
    UNION ALL SELECT 'columns', mlops.predict('features_city', r) FROM (SELECT by_path.city, by_path.age, 0 AS spare) r
    UNION ALL SELECT 'enum-like type', mlops.predict('features_city', r) FROM (SELECT by_path.city::varchar AS city, by_path.age, 0 AS spare OFFSET 0) r
    UNION ALL SELECT 'explanation', (SELECT sum(k)::numeric(10, 3)::float8 FROM unnest(mlops.contributions('features_city', ROW(city, age, 0)::visit)) k)
    UNION ALL SELECT 'JSON', mlops.predict('features_city', jsonb_build_object('city', city, 'age', age, 'spare', 0))
    UNION ALL SELECT 'JSON changed', mlops.predict('features_city', jsonb_build_object('city', city, 'age', age + 1, 'spare', 0), jsonb_build_object('age', age))
    UNION ALL SELECT 'row', mlops.predict('features_city', ROW(city, age, 0)::visit)
    UNION ALL SELECT 'row changed', mlops.predict('features_city', ROW(city, age + 1, 0)::visit, jsonb_build_object('age', age))
$$;
CREATE TEMPORARY TABLE given (city text, age integer, code float8, missing float8, other float8);
INSERT INTO given VALUES ('Recife', 20, 0, 211, 211), ('Natal', 20, 1, 112, 112), ('Olinda', 40, 2, 221, 221), (NULL, 20, NULL, 112, 112),
    ('Lisboa', 20, 3, 112, 111), ('natal', 40, -2, 122, 121), ('', 40, 1e30, 122, 121), ('Natal ', 40, 'Infinity', 122, 121), ('x', 40, -1e-9, 122, 121),
    ('y', 40, 31, 122, 121), ('z', 40, 32, 122, 121);
SELECT is_empty($$SELECT g.*, b.* FROM given g, pg_temp.by_path(g.city, g.age, g.code) b WHERE b.score IS DISTINCT FROM g.missing$$,
    'missing: an unseen category is a missing value on every path');
SELECT is((SELECT count(*) FROM given g, pg_temp.by_path(g.city, g.age, g.code)), 132::bigint, 'there are 12 of them');
SELECT results_eq($$SELECT mlops.predict('features_city', v) FROM visits v ORDER BY id$$, $$VALUES (211::float8), (112), (221), (112), (112), (122)$$, 'a table');
SELECT mlops.set_scoring_policy('features_city', unseen_categories => 'other', reason => 'test');
SELECT is_empty($$SELECT g.*, b.* FROM given g, pg_temp.by_path(g.city, g.age, g.code) b WHERE b.score IS DISTINCT FROM g.other$$,
    'other: it is a category of its own');
SELECT results_eq($$SELECT mlops.predict('features_city', v) FROM visits v ORDER BY id$$, $$VALUES (211::float8), (112), (221), (112), (111), (121)$$, 'a table');
SELECT is(mlops.predict('features_city', '{1.9,20,0}'::float8[]), 112::float8, 'a code has its fraction cut off');
SELECT is(mlops.predict('features_city', '{2.99999999,20,0}'::float8[]), 111::float8, 'after it was rounded to real');
SELECT mlops.set_scoring_policy('features_city', unseen_categories => 'error', reason => 'test');
SELECT is((SELECT count(*) FROM given g, pg_temp.by_path(g.city, g.age, g.code) b WHERE g.missing = g.other AND b.score = g.other), 48::bigint,
    'error: what was seen scores');
SELECT throws_ok($$SELECT mlops.predict('features_city', r) FROM (SELECT 'Lisboa'::text AS city, 20 AS age, 0 AS spare) r$$, 'ML020',
    'feature "city" has a category that version 1 of model "features_city" did not see in training', 'error: columns');
SELECT throws_ok($$SELECT mlops.predict('features_city', ROW('Lisboa', 20, 0)::visit)$$, 'ML020', NULL, 'row');
SELECT throws_ok($$SELECT mlops.predict('features_city', ROW('Lisboa', 20, 0)::visit, '{"age": 1}')$$, 'ML020', NULL, 'row changed');
SELECT throws_ok($$SELECT mlops.predict('features_city', '{3,20,0}'::float8[])$$, 'ML020', NULL, 'array');
SELECT throws_ok($$SELECT mlops.predict('features_city', '{-1,20,0}'::float8[])$$, 'ML020', NULL, 'array, negative');
SELECT throws_ok($$SELECT mlops.predict('features_city', '{0,20,0}'::float8[], '{"city": "Lisboa"}')$$, 'ML020', NULL, 'change');
SELECT throws_ok($$SELECT mlops.predict('features_city', '{"city": "Lisboa", "age": 1, "spare": 0}'::jsonb)$$, 'ML020', NULL, 'JSON');
SELECT throws_ok($$SELECT mlops.predict_batch('features_city', ARRAY[ROW('Natal', 1, 1), ROW('Lisboa', 20, 0)]::visit[])$$, 'ML020', NULL, 'batch of rows');
SELECT throws_ok($$SELECT mlops.predict_batch('features_city', '{{0,20,0},{3,20,0}}'::float8[])$$, 'ML020', NULL, 'batch of arrays');
SELECT throws_ok($$SELECT mlops.contributions('features_city', ROW('Lisboa', 20, 0)::visit)$$, 'ML020', NULL, 'contributions');
SELECT throws_ok($$SELECT * FROM mlops.explain('features_city', '{"city": "Lisboa", "age": 1, "spare": 0}'::jsonb)$$, 'ML020', NULL, 'explain');
SELECT throws_ok($$SELECT mlops.reason_codes('features_city', ROW('Lisboa', 20, 0)::visit)$$, 'ML020', NULL, 'reason codes');
SELECT is(mlops.predict('features_city', ROW('Lisboa', 20, 0)::visit, '{"city": "Natal"}'), 112::float8, 'but not what is changed, in a row');
SELECT is(mlops.predict('features_city', '{3,20,0}'::float8[], '{"city": "Natal"}'), 112::float8, 'in an array');
SELECT is(mlops.predict('features_city', '{"city": "Lisboa", "age": 20, "spare": 0}'::jsonb, '{"city": "Natal"}'), 112::float8, 'in JSON');

-- counts: rows with an unseen category, by policy
SELECT mlops.stat_models_reset();
SELECT throws_ok($$SELECT count(mlops.predict('features_city', v)) FROM (SELECT * FROM visits ORDER BY id) v$$, 'ML020', NULL, 'a table stops at the first');
SELECT results_eq('SELECT * FROM figures', $$VALUES ('features_city', 1, 4::bigint, 1::bigint, 1::bigint, 0::bigint, 1::bigint)$$,
    'error: it is counted, and as an error');
SELECT mlops.set_scoring_policy('features_city', unseen_categories => 'other', reason => 'test');
SELECT mlops.stat_models_reset();
SELECT count(mlops.predict('features_city', v)) FROM visits v \gset
SELECT results_eq('SELECT * FROM figures', $$VALUES ('features_city', 1, 6::bigint, 0::bigint, 1::bigint, 0::bigint, 2::bigint)$$, 'other: counted');
SELECT mlops.set_scoring_policy('features_city', unseen_categories => 'missing', reason => 'test');
SELECT mlops.stat_models_reset();
SELECT count(mlops.predict('features_city', v)) FROM visits v \gset
SELECT results_eq('SELECT * FROM figures', $$VALUES ('features_city', 1, 6::bigint, 0::bigint, 1::bigint, 0::bigint, 2::bigint)$$, 'missing: counted');
SELECT mlops.stat_models_reset();
SELECT mlops.predict_batch('features_city', array_agg(v)), mlops.predict('features_city', '{7,NULL,NULL}'::float8[]),
       mlops.predict('features_city', '{"city": "Lisboa", "age": null, "spare": 1}'::jsonb),
       mlops.predict('features_city', '{"city": "Lisboa", "age": 2, "spare": 1}'::jsonb, '{"city": "Recife"}') AS what
FROM visits v \gset
SELECT results_eq('SELECT * FROM figures', $$VALUES ('features_city', 1, 9::bigint, 0::bigint, 3::bigint, 0::bigint, 4::bigint)$$,
    'on the other paths, and what is changed is not');

-- bind
SELECT results_eq($$SELECT conversion FROM mlops.bind('features_city', 'visits') WHERE feature = 'city'$$, $$VALUES ('category')$$, 'bind: missing');
SELECT mlops.set_scoring_policy('features_city', unseen_categories => 'other', reason => 'test');
SELECT results_eq($$SELECT conversion FROM mlops.bind('features_city', 'visits') WHERE feature = 'city'$$,
    $$VALUES ('category; an unseen one is a category of its own')$$, 'bind: other');
SELECT mlops.set_scoring_policy('features_city', unseen_categories => 'error', reason => 'test');
SELECT results_eq($$SELECT feature, conversion FROM mlops.bind('features_city', 'visits')$$,
    $$VALUES ('city', 'category; an unseen one is an error'), ('age', 'number'), ('spare', 'number')$$, 'bind: error');
SELECT mlops.set_scoring_policy('features_city', unseen_categories => 'missing', reason => 'test');

-- a dictionary that is shorter than what splits name
SELECT mlops.import_model('features_short', pg_temp.city_model(), '[{"name": "city", "kind": "categorical", "categories": ["Recife"]}, {"name": "age"}, {"name": "spare"}]');
SELECT mlops.set_scoring_policy('features_short', unseen_categories => 'other', reason => 'test');
SELECT is(mlops.predict('features_short/1', '{"city": "Natal", "age": 20, "spare": 0}'::jsonb), 111::float8,
    'other is a category that no split names, also where the next code is one');

--
-- Missing columns
--
CREATE TYPE named AS (id integer, city text);
CREATE FUNCTION pg_temp.lacking(OUT path text, OUT score float8) RETURNS SETOF record LANGUAGE SQL STABLE AS $$
    SELECT 'batch of rows', (mlops.predict_batch('features_city', ARRAY[ROW(1, 'Natal'), ROW(2, 'Natal')]::named[]))[2]
    UNION ALL SELECT 'columns', mlops.predict('features_city', r) FROM (SELECT 'Natal'::text AS city) r
    UNION ALL SELECT 'explanation', (SELECT sum(k)::numeric(10, 3)::float8 FROM unnest(mlops.contributions('features_city', ROW(1, 'Natal')::named)) k)
    UNION ALL SELECT 'JSON', mlops.predict('features_city', '{"city": "Natal"}'::jsonb)
    UNION ALL SELECT 'JSON changed', mlops.predict('features_city', '{"city": "Recife"}'::jsonb, '{"city": "Natal"}')
    UNION ALL SELECT 'row', mlops.predict('features_city', ROW(1, 'Natal')::named)
    UNION ALL SELECT 'row changed', mlops.predict('features_city', ROW(1, 'Recife')::named, '{"city": "Natal"}')
$$;
SELECT throws_ok($$SELECT mlops.predict('features_city', ROW(1, 'Natal')::named)$$, 'ML020',
    'row lacks 2 columns that version 1 of model "features_city" reads', 'error: row');
SELECT throws_ok($$SELECT mlops.predict('features_city', r) FROM (SELECT 'Natal'::text AS city, 1 AS age) r$$, 'ML020',
    'row lacks 1 column that version 1 of model "features_city" reads', 'columns');
SELECT throws_ok($$SELECT mlops.predict('features_city', '{"city": "Natal"}'::jsonb)$$, 'ML020',
    'row lacks 2 keys that version 1 of model "features_city" reads', 'JSON');
SELECT throws_ok($$SELECT mlops.predict('features_city', ROW(1, 'Natal')::named, '{"age": 20}')$$, 'ML020',
    'row lacks 1 column that version 1 of model "features_city" reads', 'row changed');
SELECT throws_ok($$SELECT mlops.predict_batch('features_city', ARRAY[ROW(1, 'Natal')]::named[])$$, 'ML020', NULL, 'batch');
SELECT throws_ok($$SELECT mlops.contributions('features_city', ROW(1, 'Natal')::named)$$, 'ML020', NULL, 'contributions');
SELECT is(mlops.predict('features_city', ROW(1, 'Natal')::named, '{"age": 20, "spare": null}'), 112::float8, 'changes can have what a row lacks');
SELECT is(mlops.predict('features_city', '{"city": "Natal"}'::jsonb, '{"age": 20, "spare": null}'), 112::float8, 'JSON, too');
SELECT mlops.set_scoring_policy('features_city', 'null', reason => 'test');
SELECT is_empty($$SELECT * FROM pg_temp.lacking() WHERE score IS DISTINCT FROM 122$$, 'null: a missing column is NULL on every path');
SELECT is((SELECT count(*) FROM pg_temp.lacking()), 7::bigint, 'there are 7 of them');
SELECT throws_ok($$SELECT mlops.predict('features_city', '{1}'::float8[])$$, 'ML020', 'array has 1 elements, version 1 of model "features_city" reads 3 features',
    'an array has no names: it is complete or an error');
SELECT throws_ok($$SELECT mlops.predict_batch('features_city', '{{1,2}}'::float8[])$$, 'ML020', NULL, 'so is a batch of them');
SELECT throws_ok($$SELECT mlops.predict('features_city', r) FROM (SELECT 1 AS city) r$$, 'ML020',
    'column "city" cannot be read by version 1 of model "features_city"', 'a column of the wrong type is no missing one');
SELECT throws_ok($$SELECT mlops.predict('features_city', r) FROM (SELECT 1 AS age, 2 AS age) r$$, 'ML020', NULL, 'nor is a name that is twice in a row');
SELECT is(mlops.predict('features_city', r), 122::float8, 'a row of nothing that it knows') FROM (SELECT 1 AS x) r;
SELECT is(mlops.predict('features_city', '{}'::jsonb), 122::float8, 'an empty object');
SELECT results_eq($$SELECT rank, feature, value FROM mlops.explain('features_city', ROW(1, 'Natal')::named) WHERE rank > 0 ORDER BY feature$$,
    $$VALUES (2, 'age', NULL::text), (1, 'city', 'Natal')$$, 'explain shows no value');
SELECT results_eq($$SELECT feature, value FROM mlops.explain('features_city', '{"city": "Natal"}'::jsonb) WHERE rank > 0 ORDER BY feature$$,
    $$VALUES ('age', NULL::text), ('city', 'Natal')$$, 'nor of JSON');
SELECT is(mlops.reason_codes('features_city', ROW(1, 'Natal')::named, adverse => 'up'), mlops.reason_codes('features_city', ROW('Natal', NULL, 0)::visit, adverse => 'up'),
    'reason codes');
SELECT results_eq($$SELECT feature, "column", conversion, problem FROM mlops.bind('features_city', 'SELECT 1::text AS city, 2 AS "AGE"')$$,
    $$VALUES ('city', 'city', 'category', NULL), ('age', NULL, NULL, 'no column has this name; column "AGE" differs in case; by the policy of the model it is NULL'),
             ('spare', NULL, NULL, 'no column has this name; by the policy of the model it is NULL')$$, 'bind says so');
SELECT mlops.stat_models_reset();
SELECT count(mlops.predict('features_city', r)) FROM (SELECT city FROM visits) r \gset
SELECT results_eq('SELECT * FROM figures', $$VALUES ('features_city', 1, 6::bigint, 0::bigint, 6::bigint, 12::bigint, 2::bigint)$$,
    'null: they are counted in each row, which is one with NULL');
SELECT mlops.stat_models_reset();
SELECT count(mlops.predict('features_city', r)) FROM (SELECT city, age FROM visits) r \gset
SELECT results_eq('SELECT * FROM figures', $$VALUES ('features_city', 1, 6::bigint, 0::bigint, 1::bigint, 6::bigint, 2::bigint)$$,
    'but not if no split uses them');
SELECT mlops.stat_models_reset();
SELECT mlops.predict_batch('features_city', ARRAY[ROW(1, 'Natal'), NULL, ROW(2, NULL)]::named[]), mlops.predict('features_city', '{"age": 1}'::jsonb),
       mlops.predict('features_city', ROW(1, 'Natal')::named, '{"age": 5}') AS what \gset
SELECT results_eq('SELECT * FROM figures', $$VALUES ('features_city', 1, 4::bigint, 0::bigint, 3::bigint, 7::bigint, 0::bigint)$$, 'on the other paths');
SELECT mlops.set_scoring_policy('features_city', 'error', reason => 'test');
SELECT mlops.stat_models_reset();
SELECT throws_ok($$SELECT count(mlops.predict('features_city', r)) FROM (SELECT city FROM visits) r$$, 'ML020', NULL, 'error');
SELECT results_eq('SELECT * FROM figures', $$VALUES ('features_city', 1, 0::bigint, 1::bigint, 0::bigint, 2::bigint, 0::bigint)$$, 'error: counted, and as an error');

--
-- When a policy counts
--
CREATE FUNCTION pg_temp.scores() RETURNS float8[] LANGUAGE plpgsql AS $$
DECLARE
    result float8[];
BEGIN
    FOR i IN 1..4 LOOP
        result[i] := mlops.predict('features_city', ROW('Lisboa', 20, 0)::visit);
        PERFORM mlops.set_scoring_policy('features_city', unseen_categories => CASE WHEN i % 2 = 1 THEN 'other' ELSE 'missing' END, reason => 'test');
    END LOOP;
    RETURN result;
END $$;
SELECT is(pg_temp.scores(), '{112,111,112,111}', 'an expression of PL/pgSQL sees each change at once');
PREPARE score AS SELECT mlops.predict('features_city', v) FROM visits v WHERE id = 5;
SELECT results_eq('EXECUTE score', 'VALUES (112::float8)', 'prepared, before');
SAVEPOINT here;
SELECT mlops.set_scoring_policy('features_city', unseen_categories => 'other', reason => 'test');
SELECT results_eq('EXECUTE score', 'VALUES (111::float8)', 'prepared, after');
ROLLBACK TO here;
SELECT results_eq('EXECUTE score', 'VALUES (112::float8)', 'prepared, after a rollback');
DECLARE scores CURSOR FOR SELECT mlops.predict('features_city', v) FROM visits v WHERE id >= 5 ORDER BY id;
FETCH 1 FROM scores \gset
SELECT mlops.set_scoring_policy('features_city', unseen_categories => 'other', reason => 'test');
SELECT results_eq('FETCH 1 FROM scores', 'VALUES (122::float8)', 'a query that runs ends with the policy that it began with');
CLOSE scores;
SELECT mlops.import_model('features_city', pg_temp.city_model(), pg_temp.city_signature());
SELECT is(mlops.predict('features_city/2', ROW('Lisboa', 20, 0)::visit), 111::float8, 'a policy is that of all versions');

-- parallel workers
CREATE TABLE features_parallel AS
SELECT i AS id, (ARRAY['Recife', 'Natal', 'Olinda', 'Lisboa'])[1 + i % 4] AS city, 20 + i % 2 * 20 AS age FROM generate_series(1, 20000) i;
ANALYZE features_parallel;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL parallel_leader_participation = off;
SELECT mlops.set_scoring_policy('features_city', 'null', 'other', 'test');
CREATE FUNCTION pg_temp.plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    result text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF, VERBOSE) ' || query LOOP
        result := result || line || E'\n';
    END LOOP;
    RETURN result;
END $$;
SELECT alike(pg_temp.plan($$SELECT sum(mlops.predict('features_city', t)) FROM features_parallel t$$), '%Gather%', 'a parallel plan');
SELECT mlops.stat_models_reset();
SELECT is((SELECT sum(mlops.predict('features_city', t)) FROM features_parallel t), 5000 * (211 + 122 + 211 + 121)::float8, 'other and null in parallel workers');
SELECT mlops.set_scoring_policy('features_city', 'null', 'missing', 'test');
SELECT is((SELECT sum(mlops.predict('features_city', t)) FROM features_parallel t), 5000 * (211 + 122 + 211 + 122)::float8, 'missing in parallel workers');
SELECT mlops.set_scoring_policy('features_city', 'null', 'error', 'test');
SELECT throws_ok($$SELECT sum(mlops.predict('features_city', t)) FROM features_parallel t$$, 'ML020', NULL, 'error in parallel workers');
SELECT is((SELECT sum(s) FROM (SELECT unnest(mlops.predict_batch('features_city', array_agg(t))) AS s FROM features_parallel t WHERE city <> 'Lisboa' GROUP BY id % 10) b),
    5000 * (211 + 122 + 211)::float8, 'batches');
SELECT mlops.set_scoring_policy('features_city', 'error', 'missing', 'test');

--
-- What if
--
SELECT is(mlops.predict('features_city', ROW('Recife', 20, 0)::visit, '{}'), 211::float8, 'no change');
SELECT is(mlops.predict('features_city', ROW('Recife', 20, 0)::visit, '{"age": 40}'), 221::float8, 'a number');
SELECT is(mlops.predict('features_city', ROW('Recife', 20, 0)::visit, '{"age": null, "city": "Natal"}'), 122::float8, 'NULL and a category');
SELECT is(mlops.predict('features_city', v, '{"age": 40}'), 221::float8, 'of a table') FROM visits v WHERE id = 1;
SELECT is(mlops.predict('features_city', '{0,20,0}'::float8[], '{"city": "Natal", "spare": true}'), 112::float8, 'of an array');
SELECT is(mlops.predict('features_city', NULL::visit, '{"age": 40}'), NULL, 'of NULL');
SELECT is(mlops.predict('features_city', ROW('Recife', 20, 0)::visit, NULL), NULL, 'changes of NULL');
SELECT is(mlops.predict_margin('features_city', ROW('Recife', 20, 0)::visit, '{"age": 40}'), '{221}', 'predict_margin');
SELECT is(mlops.predict_class('features_test', '{20,500}'::float8[], '{"age": 40}'), '1', 'predict_class of an array');
SELECT is(mlops.predict_class('features_test', p, '{"age": 20}'), '0', 'of a row') FROM person p WHERE id = 2;
SELECT is(mlops.predict_class('features_test', to_jsonb(p), '{"age": 20}'), '0', 'of JSON') FROM person p WHERE id = 2;
SELECT is(mlops.predict_proba('features_test', p, '{"age": 20}'), mlops.predict_proba('features_test', '{20,500}'::float8[]), 'predict_proba of a row')
FROM person p WHERE id = 2;
SELECT is(mlops.predict_proba('features_test', '{-999,500}'::float8[], '{"age": 20}'), mlops.predict_proba('features_test', '{20,500}'::float8[]), 'of an array');
SELECT is(mlops.predict_proba('features_test', '{"age": 0}'::jsonb, '{"age": 20, "amount": 500}'), mlops.predict_proba('features_test', '{20,500}'::float8[]), 'of JSON');
SELECT is(mlops.predict_margin('features_test', '{"age": 0, "amount": 5}'::jsonb, '{"age": 20, "amount": 1e9}'), mlops.predict_margin('features_test', '{20,1e9}'::float8[]),
    'predict_margin of JSON');
SELECT is((SELECT count(*) FROM customer c, (VALUES ('{}'::jsonb), ('{"amount": 0.3}'), ('{"city": "2", "age": null}'), ('{"city": null}'), ('{"age": -999.1}')) v (changes)
           WHERE mlops.predict_margin(model, c, changes) <> mlops.predict_margin(model, to_jsonb(c) || changes)
              OR mlops.predict_margin(model, to_jsonb(c), changes) <> mlops.predict_margin(model, to_jsonb(c) || changes)), 0::bigint,
    'changes of a row are those of its object');
SELECT throws_ok($$SELECT mlops.predict('features_city', ROW('Recife', 20, 0)::visit, '{"Age": 40}')$$, 'ML020',
    'changes have 1 key that version 1 of model "features_city" does not read', 'an unknown key');
SELECT throws_ok($$SELECT mlops.predict('features_city', '{0,20,0}'::float8[], '{"Age": 40, "age": 1, "x": {"y": [1]}, "": 2}')$$, 'ML020',
    'changes have 3 keys that version 1 of model "features_city" does not read', 'unknown keys in an array');
SELECT throws_ok($$SELECT mlops.predict('features_city', '{"city": "Natal", "age": 1, "spare": 0, "x": 1}'::jsonb, '{"x": 2}')$$, 'ML020', NULL,
    'in JSON, also one that the object has');
SELECT throws_ok($$SELECT mlops.predict('features_city', ROW('Recife', 20, 0)::visit, '{"age": "old"}')$$, 'ML020',
    'key "age" cannot be read by version 1 of model "features_city"', 'a value of another kind');
SELECT throws_ok($$SELECT mlops.predict('features_city', ROW('Recife', 20, 0)::visit, '[1]')$$, 'ML020', 'changes must be a JSON object', 'changes that are no object');
SELECT throws_ok($$SELECT mlops.predict('features_city', ROW('Recife', 20, 0)::visit, '1')$$, 'ML020', NULL, 'or a number');
SELECT alike(pg_temp.plan($$SELECT mlops.predict('features_city', t, '{}') FROM visits t$$), '%mlops.predict(%, t.*, %', 'the planner leaves a row with changes');
SELECT alike(pg_temp.plan($$SELECT mlops.predict('features_city', t) FROM visits t$$), '%mlops._predict(% city, age, %', 'and no other');

--
-- Batches
--
SELECT is(mlops.predict_batch('features_city', ARRAY[ROW('Recife', 20, 0), NULL, ROW('Natal', NULL, NULL), ROW(NULL, NULL, NULL)]::visit[]), '{211,NULL,122,122}', 'rows, one of them NULL');
SELECT is(mlops.predict_batch('features_city', '{{0,20,0},{NULL,NULL,NULL},{1,40,NaN}}'::float8[]), '{211,122,122}', 'arrays, one of them of NULL');
SELECT is(mlops.predict_batch('features_city', '[5:6][3:5]={{0,20,0},{1,40,0}}'::float8[]), '{211,122}', 'of other lower bounds');
SELECT is(mlops.predict_batch('features_city', '{}'::visit[]), '{}', 'no row');
SELECT is(mlops.predict_batch('features_city', '{}'::float8[]), '{}', 'no array');
SELECT is(mlops.predict_batch('features_city', ARRAY[NULL, NULL]::visit[]), '{NULL,NULL}', 'NULL alone');
SELECT is(mlops.predict_batch('features_city', NULL::visit[]), NULL, 'NULL for the array');
SELECT is(mlops.predict_batch('features_city', ARRAY[v, u]::record[]), '{112,NULL}', 'a record array')
FROM (SELECT 1 AS age, 'Natal'::text AS city, 0 AS spare) v, (SELECT NULL::record AS u) x;
SELECT is(mlops.predict_batch('features_city', ARRAY[v::record, u::record, v::record]), '{112,221,112}', 'of rows of different types')
FROM (SELECT 1 AS age, 'Natal'::text AS city, 0 AS spare) v, (SELECT 0 AS spare, 40::float8 AS age, 'Olinda'::name AS city) u;
SELECT throws_ok($$SELECT mlops.predict_batch('features_city', '{1,2,3}'::float8[])$$, '2202E', 'features of many rows must be an array of two dimensions', 'one dimension');
SELECT throws_ok($$SELECT mlops.predict_batch('features_city', '{{{1,2,3}}}'::float8[])$$, '2202E', NULL, 'three');
SELECT throws_ok($$SELECT mlops.predict_batch('features_city', ARRAY[ARRAY[ROW('Recife', 20, 0)]]::visit[])$$, '2202E', 'rows must be an array of one dimension', 'rows in two');
SELECT throws_ok($$SELECT mlops.predict_batch('features_city', '{{1,2}}'::float8[])$$, 'ML020', NULL, 'too few features');
SELECT mlops.import_model('features_classes', pg_temp.stumps('{a}', '{0,0,0}', '{1,2,3}', '{1,0,0}', '{0,1,2}', 'multi:softprob', 3));
SELECT throws_ok($$SELECT mlops.predict_batch('features_classes/1', '{{1}}'::float8[])$$, 'ML021', 'predict_batch cannot be used with version 1 of model "features_classes"', 'a multiclass model');
SELECT throws_ok($$SELECT mlops.predict_batch('features_nowhere', '{{1}}'::float8[])$$, 'ML001', NULL, 'no model');
SET LOCAL ROLE features_manager;
SELECT throws_ok($$SELECT mlops.predict_batch('features_test', '{{1,2}}'::float8[])$$, '42501', NULL, 'no privilege');
RESET ROLE;
-- more than a batch of the engine, with NULL rows in between, and to the bit
SELECT mlops.stat_models_reset();
SELECT is((SELECT count(*) FROM (SELECT array_agg(r ORDER BY id) AS rows, array_agg(s ORDER BY id) AS scores
                                 FROM (SELECT id, CASE WHEN id % 7 > 0 THEN c END AS r, CASE WHEN id % 7 > 0 THEN mlops.predict(model, c) END AS s
                                       FROM customer c, generate_series(1, 41) k, LATERAL (SELECT k * 211 AS id) i WHERE name = 'number') p) g,
                  unnest(scores, mlops.predict_batch('features_number/1', rows)) AS t (one, many)
           WHERE one IS NOT DISTINCT FROM many), 2870::bigint, '2,870 rows, to the bit');
SELECT is((SELECT rows FROM figures WHERE model = 'features_number'), 2 * 70 * (SELECT count(*) FROM generate_series(1, 41) k WHERE k * 211 % 7 > 0), 'and each that is not NULL is counted');
SELECT is((SELECT count(*) FROM generate_series(1, 3) i,
                  unnest(mlops.predict_batch('features_number/1', (SELECT array_agg(ARRAY[amount, city, age]) FROM reference, generate_series(1, 10) WHERE name = 'number')))),
    2100::bigint, 'again and again');
SELECT ok(total_time > 0, 'batches take time') FROM mlops.stat_models WHERE model = 'features_number';

SELECT * FROM finish();
ROLLBACK;
