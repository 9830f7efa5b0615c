-- to_sql: a model as an SQL expression gives what the model gives.
\set ECHO none
\set QUIET 1
\set top `pwd`
\ir ../fixtures/stump.sql
\ir ../fixtures/bits.sql
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL jit = off;
SELECT plan(48);
SELECT set_config('test.top', :'top', true) \g /dev/null

SELECT setseed(0.5) \g /dev/null

CREATE FUNCTION pg_temp.fixture(name text) RETURNS bytea LANGUAGE SQL
    AS $$ SELECT pg_read_binary_file(current_setting('test.top') || '/test/fixtures/lightgbm/' || name) $$;

-- The number of rows in a query for which the expression gives something else
-- than the model; by bits, or for predictions nearly.
CREATE FUNCTION pg_temp.differ(model text, rows text, output text DEFAULT 'margin', function text DEFAULT 'predict_margin',
                               source regclass DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    expression text := mlops.to_sql(model::mlops.modelref, output, 'r', source);
    result bigint;
BEGIN
    IF output = 'margin' THEN
        IF expression !~ '^(\(CASE WHEN .* THEN NULL ELSE )?ARRAY' THEN
            expression := 'ARRAY[' || expression || ']';
        END IF;
        EXECUTE format('SELECT count(*) FROM (%s) r WHERE (%s)::float8[] IS DISTINCT FROM mlops.%I(%L, r)',
                       rows, expression, function, model) INTO result;
    ELSE
        EXECUTE format('SELECT count(*) FROM (SELECT %s AS a, mlops.%I(%L, r) AS b FROM (%s) r) s
                        WHERE (a = b) IS NOT TRUE
                          AND NOT (SELECT coalesce(bool_and(coalesce(abs(x - y) <= 1e-6 * abs(y) + 1e-37, false)), false)
                                   FROM unnest(ARRAY[a]::float8[], ARRAY[b]::float8[]) u (x, y))',
                       expression, function, model, rows) INTO result;
    END IF;
    RETURN result;
END $$;

-- Rows for a model whose columns are double precision: what its expression
-- compares with, the numbers around that, and special ones.
CREATE FUNCTION pg_temp.hard_rows(model text, count integer) RETURNS text
    LANGUAGE plpgsql AS $$
DECLARE
    columns text;
BEGIN
    PERFORM set_config('test.pool', coalesce(array_agg(DISTINCT m[1]::float8), '{0}')::text, true)
    FROM regexp_matches(mlops.to_sql(model::mlops.modelref, 'margin'), $r$ [<>]=? '(-?[0-9.]+(?:e[-+]?[0-9]+)?)'$r$, 'g') m;
    SELECT string_agg(format($f$(CASE WHEN i > 0 THEN
               (p || '{NULL,NaN,Infinity,-Infinity,0,-0,1,2,3,-1,0.5,16777217,1e300,-1e300,1e-300,1e-36,3.4028235677973366e38}')
                    [1 + floor(random() * (cardinality(p) + 17))::integer] * (1 + (floor(random() * 3) - 1) * 1.2e-16) END)::float8 AS %I$f$,
                             f->>'name'), ', ') INTO columns
    FROM jsonb_array_elements(mlops.describe(model::mlops.modelref)->'features') f;
    DROP TABLE IF EXISTS pg_temp.hard;
    EXECUTE format('CREATE TEMPORARY TABLE hard AS SELECT %s FROM generate_series(0, %s) i, (SELECT current_setting(''test.pool'')::float8[] AS p) p',
                   columns, count);
    RETURN 'SELECT * FROM pg_temp.hard';
END $$;

--
-- LightGBM: every model of the fixtures; categories as their codes
--
CREATE TEMPORARY TABLE reference (name text, features float8[], margins float8[]);
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
        PERFORM mlops.import_model('sql_' || name, pg_temp.fixture(name || '.txt')::mlops.artifact,
            (SELECT jsonb_agg(jsonb_build_object('name', f->>'name', 'kind', 'numeric'))
             FROM jsonb_array_elements(mlops.artifact_info(pg_temp.fixture(name || '.txt')::mlops.artifact)->'features') f));
        rows := string_to_array(rtrim(convert_from(pg_temp.fixture(file), 'UTF8'), E'\n'), E'\n');
        FOR i IN 2..cardinality(rows) LOOP
            parts := string_to_array(rows[i], ' | ');
            INSERT INTO reference
            VALUES ('sql_' || name || '/1', string_to_array(parts[1], ' ')::float8[], string_to_array(parts[2], ' ')::float8[]);
        END LOOP;
    END LOOP;
END $$;
CREATE FUNCTION pg_temp.rows(model text) RETURNS text LANGUAGE SQL AS $$
    SELECT format('SELECT %s FROM pg_temp.reference WHERE name = %L',
                  string_agg(format('features[%s] AS %I', n, f->>'name'), ', '), model)
    FROM jsonb_array_elements(mlops.describe(model::mlops.modelref)->'features') WITH ORDINALITY f(f, n)
$$;
CREATE TEMPORARY TABLE model AS
    SELECT DISTINCT name, cardinality(margins) AS groups, name ~ 'linear' AS linear FROM reference;
SELECT cmp_ok((SELECT count(*)::integer FROM model WHERE NOT linear), '>=', 36, 'models of LightGBM');
SELECT is((SELECT sum(pg_temp.differ(name, pg_temp.rows(name))) FROM model WHERE NOT linear), 0::numeric,
    'LightGBM: the margins of the rows of the fixtures, to the bit');
SELECT is((SELECT sum(pg_temp.differ(name, pg_temp.hard_rows(name, 300))) FROM model WHERE NOT linear), 0::numeric,
    'and of rows on and around thresholds');
SELECT is((SELECT sum(pg_temp.differ(name, pg_temp.hard_rows(name, 100), 'prediction',
                                     CASE groups WHEN 1 THEN 'predict' ELSE 'predict_proba' END)) FROM model WHERE NOT linear), 0::numeric,
    'predictions');
SELECT pg_temp.hard_rows('sql_category_many/1', 300) \g /dev/null
SELECT cmp_ok((SELECT count(DISTINCT mlops.predict_margin('sql_category_many/1', r))::integer FROM pg_temp.hard r), '>=', 20, 'which are not all alike');
SELECT throws_ok(format('SELECT mlops.to_sql(%L)', name), 'ML011', NULL, 'linear trees are refused: ' || name) FROM model WHERE linear ORDER BY name;

-- categories by their texts, and what is no category
SELECT mlops.import_model('sql_texts', pg_temp.fixture('pandas.txt')::mlops.artifact) \g /dev/null
CREATE TYPE pg_temp.town AS ENUM ('Ulm', 'Rio', 'Köln', 'Bonn', 'New "York"');
CREATE TEMPORARY TABLE person AS
    SELECT b::char(5) AS branch, a AS age, c::pg_temp.town AS city, m AS amount
    FROM unnest('{3,5,9,7,NULL}'::text[]) b, unnest('{20,50,NULL}'::integer[]) a,
         unnest('{Köln,Rio,Ulm,"New \"York\"",Bonn,NULL}'::text[]) c, unnest('{-1,0.3,2,NaN,NULL}'::float8[]) m;
SELECT is(pg_temp.differ('sql_texts/1', 'SELECT * FROM pg_temp.person'), 0::bigint, 'texts of categories: an enum and char(n)');
SELECT is(pg_temp.differ('sql_texts/1', 'SELECT * FROM pg_temp.person', source => 'pg_temp.person'), 0::bigint, 'with the types of the table');
SELECT is(pg_temp.differ('sql_texts/1', 'SELECT amount, age, city::text, branch::name AS branch FROM pg_temp.person'), 0::bigint, 'text and name');

-- a tree that is a chain, whichever side is deep
CREATE FUNCTION pg_temp.chain(splits integer, type integer, deep_left boolean) RETURNS bytea LANGUAGE SQL AS $$
    SELECT convert_to(concat(E'tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=0\n',
                             E'objective=regression\nfeature_names=x\nfeature_infos=[0:1]\ntree_sizes=', octet_length(tree), E'\n\n', tree, E'end of trees\n'), 'UTF8')
    FROM (SELECT concat(E'Tree=0\nnum_leaves=', splits + 1, E'\nnum_cat=0\nsplit_feature=', string_agg('0', ' '),
                        E'\nthreshold=', string_agg((CASE WHEN deep_left THEN splits - i ELSE i END)::text, ' ' ORDER BY i),
                        E'\ndecision_type=', string_agg(type::text, ' '),
                        E'\nleft_child=', string_agg((CASE WHEN deep_left AND i < splits - 1 THEN i + 1 ELSE -i - 1 END)::text, ' ' ORDER BY i),
                        E'\nright_child=', string_agg((CASE WHEN deep_left AND i < splits - 1 THEN -i - 1
                                                            WHEN i < splits - 1 THEN i + 1 ELSE -i - 2 END)::text, ' ' ORDER BY i),
                        E'\nleaf_value=', string_agg(i::text, ' ' ORDER BY i), ' ', splits, E'\n\n\n') AS tree
          FROM generate_series(0, splits - 1) i) s
$$;
SELECT mlops.import_model('sql_chain', pg_temp.chain(2000, type, deep_left)::mlops.artifact)
FROM unnest('{8,10}'::integer[]) type, unnest('{false,true}'::boolean[]) deep_left \g /dev/null
SELECT is((SELECT sum(pg_temp.differ('sql_chain/' || v, $q$SELECT nullif(x, 77)::float8 AS x FROM generate_series(-1, 2001) x UNION ALL SELECT 'NaN'$q$))
           FROM generate_series(1, 4) v), 0::numeric, 'trees of 2,000 levels');

--
-- XGBoost: objectives and boosters, columns of every type
--
CREATE TYPE pg_temp.grade AS ENUM ('low', 'o''mid', 'hi\gh');
CREATE TEMPORARY TABLE loan AS
    SELECT i AS id,
           CASE WHEN random() > 0.1 THEN (random() * 20)::smallint END AS "small",
           CASE WHEN random() > 0.1 THEN (random() * 50)::integer END AS "Age",
           CASE WHEN random() > 0.1 THEN (random() * 100)::bigint * 1000000007 END AS big,
           CASE WHEN random() > 0.1 THEN (random() * 3)::real END AS ratio,
           CASE WHEN random() > 0.1 THEN random() ^ 8 * 1e-20 WHEN random() < 0.5 THEN 'NaN' END AS tiny,
           CASE WHEN random() > 0.1 THEN (random() * 1000)::numeric(10, 2) END AS "a""b; DROP TABLE x",
           CASE WHEN random() > 0.1 THEN date '2001-01-01' + (random() * 5000)::integer END AS opened,
           CASE WHEN random() > 0.1 THEN timestamp '1999-12-01' + random() * interval '900 days' END AS seen,
           CASE WHEN random() > 0.1 THEN timestamptz '1960-12-01 12:00+01' + random() * interval '90 days' END AS called,
           CASE WHEN random() > 0.1 THEN random() > 0.4 END AS married,
           CASE WHEN random() > 0.1 THEN ('{low,o''mid,hi\\gh}'::text[])[1 + (random() * 2)::integer]::pg_temp.grade END AS grade,
           CASE WHEN random() > 0.1 THEN chr(97 + (random() * 12)::integer) || ' ''"' END AS s
    FROM generate_series(1, 1500) i;
ALTER TABLE loan ADD y float8;
UPDATE loan SET y = 0.1 + abs(sin(coalesce("Age", 7)) + coalesce(ratio, 1) + coalesce(married::integer, 0.3) + coalesce(length(grade::text), 2) * 0.2
                        + coalesce(extract(doy FROM seen), 9) / 300 + coalesce(ascii(s), 90) % 5 + coalesce(opened - '2005-01-01', 0) / 2000.0
                        + CASE WHEN tiny < 1e-25 THEN 1 ELSE 0 END + coalesce("a""b; DROP TABLE x", 400) / 400) / 5;
CREATE TEMPORARY TABLE trained AS
    SELECT row_number() OVER () AS version, label, params
    FROM (VALUES ('y', '{"objective": "reg:squarederror", "max_depth": 8}'), ('y', '{"objective": "reg:gamma", "booster": "dart", "rate_drop": 0.3}'),
                 ('y', '{"objective": "count:poisson", "num_parallel_tree": 3}'), ('y', '{"objective": "reg:tweedie"}'), ('y', '{"objective": "reg:squaredlogerror"}'),
                 ('y', '{"objective": "reg:absoluteerror"}'),
                 ('y > 1.2', '{"objective": "binary:logistic", "max_cat_to_onehot": 20}'), ('y > 1.2', '{"objective": "binary:logitraw", "max_cat_to_onehot": 1}'),
                 ('y > 1.2', '{"objective": "binary:hinge"}'), ('round(y)::integer', '{"objective": "multi:softprob"}'),
                 ('round(y)::integer', '{"objective": "multi:softmax", "booster": "dart", "rate_drop": 0.3}')) v (label, params);
SELECT mlops.train('sql_xgboost_' || version, format('SELECT "small", "Age", big, ratio, tiny, "a""b; DROP TABLE x", opened, seen, called, married, grade, s, %s AS y FROM loan', label),
                   'y', params::jsonb, rounds => 12, split => '{}') FROM trained \g /dev/null
UPDATE loan SET tiny = 1e-300 WHERE id % 50 = 1;
UPDATE loan SET tiny = 1e300, ratio = '-Infinity', opened = '-infinity', seen = 'infinity', big = 9223372036854775807 WHERE id % 50 = 2;
UPDATE loan SET ratio = 'NaN', opened = 'infinity', called = '-infinity', s = 'unseen' WHERE id % 50 = 3;
SELECT is((SELECT sum(pg_temp.differ('sql_xgboost_' || version || '/1', 'SELECT * FROM pg_temp.loan')) FROM trained), 0::numeric,
    'XGBoost: margins of every objective, to the bit');
SELECT is((SELECT sum(pg_temp.differ('sql_xgboost_' || version || '/1', 'SELECT * FROM pg_temp.loan', source => 'pg_temp.loan')) FROM trained), 0::numeric,
    'with the types of the table');
SELECT is((SELECT sum(pg_temp.differ('sql_xgboost_' || version || '/1', 'SELECT * FROM pg_temp.loan', 'prediction',
                                     CASE WHEN params ~ 'multi' THEN 'predict_proba' ELSE 'predict' END)) FROM trained), 0::numeric, 'predictions');
SELECT is((SELECT sum(pg_temp.differ('sql_xgboost_' || version || '/1',
                                     'SELECT "small"::numeric, "Age"::float4, big, ratio::float8, tiny, "a""b; DROP TABLE x"::float8, opened, seen, called, married, grade::text, s::varchar FROM pg_temp.loan'))
           FROM trained), 0::numeric, 'without it, of other types of numbers, too');
SET LOCAL datestyle = 'SQL, DMY';
SET LOCAL timezone = 'Asia/Kolkata';
SET LOCAL extra_float_digits = -5;
SELECT is(pg_temp.differ('sql_xgboost_1/1', 'SELECT * FROM pg_temp.loan', source => 'pg_temp.loan'), 0::bigint, 'whatever the session''s settings');
RESET datestyle;
RESET timezone;
RESET extra_float_digits;
SELECT doesnt_match(mlops.to_sql('sql_xgboost_1/1', alias => 'r'), '[^.]"Age"', 'every column has the alias');
SELECT alike(mlops.to_sql('sql_xgboost_1/1', alias => 'a"b'), '%"a""b"."a""b; DROP TABLE x"%', 'names are quoted');

-- a number that stands for a missing value, as the model reads it: for every
-- type of column, around it, and for the code of a category
CREATE TEMPORARY TABLE odd AS
    SELECT v.missing, row_number() OVER (PARTITION BY m.name ORDER BY v.missing) + 1 AS version, m.name
    FROM unnest('{-999,0,1,7,0.3,10000000070,-Infinity,3.4e38}'::float8[]) v (missing),
         (VALUES ('sql_xgboost_1'), ('sql_xgboost_8')) m (name);
SELECT mlops.import_model(name, mlops.export_model(name || '/1'::text)::mlops.artifact, mlops.describe((name || '/1')::mlops.modelref)->'features', missing => missing)
FROM odd ORDER BY name, missing \g /dev/null
CREATE TEMPORARY TABLE gap AS
    SELECT missing, l.id, CASE WHEN l.id % 3 = 0 THEN missing ELSE "Age" END AS "Age", CASE WHEN l.id % 5 < 2 THEN missing ELSE tiny END AS tiny,
           CASE l.id % 7 WHEN 0 THEN missing WHEN 1 THEN missing * (1 + 3e-8) WHEN 2 THEN missing * (1 - 5e-8) ELSE ratio END AS ratio,
           CASE WHEN l.id % 4 = 0 THEN date '1970-01-01' + CASE WHEN abs(missing) < 1000 THEN missing::integer ELSE 0 END ELSE opened END AS opened,
           CASE WHEN l.id % 4 = 1 THEN timestamp '1970-01-01' + CASE WHEN abs(missing) < 1000 THEN missing ELSE 0 END * interval '1 day' ELSE seen END AS seen,
           CASE WHEN l.id % 4 = 2 THEN timestamptz '1970-01-01 00:00+00' + CASE WHEN abs(missing) < 1000 THEN missing ELSE 0 END * interval '24 hours' ELSE called END AS called,
           "small", big, "a""b; DROP TABLE x", married, grade, s
    FROM loan l, (SELECT DISTINCT missing FROM odd) v WHERE l.id <= 700;
CREATE FUNCTION pg_temp.gap(missing float8) RETURNS text LANGUAGE SQL AS $$ SELECT format('SELECT * FROM pg_temp.gap WHERE missing = %L', missing) $$;
SELECT is((SELECT sum(pg_temp.differ(name || '/' || version, pg_temp.gap(missing))) FROM odd), 0::numeric, 'a number for missing values, to the bit');
SELECT is((SELECT sum(pg_temp.differ(name || '/' || version, pg_temp.gap(missing), source => 'pg_temp.gap')) FROM odd), 0::numeric, 'with the types of a table');
SELECT is((SELECT sum(pg_temp.differ(name || '/' || version, 'SELECT * FROM pg_temp.loan', source => 'pg_temp.loan')) FROM odd), 0::numeric, 'of integers and real, too');
SELECT cmp_ok((SELECT count(*)::integer FROM gap JOIN odd USING (missing) WHERE name = 'sql_xgboost_1'
               AND mlops.predict_margin('sql_xgboost_1/1', gap) <> mlops.predict_margin(('sql_xgboost_1/' || version)::mlops.modelref, gap)), '>=', 500, 'which makes a difference');
SELECT mlops.import_model('sql_hole', pg_temp.fixture('pandas.txt')::mlops.artifact, missing => m) FROM unnest('{0,1,20,0.3,-5}'::float8[]) m \g /dev/null
SELECT is((SELECT sum(pg_temp.differ('sql_hole/' || v, 'SELECT * FROM pg_temp.person', source => s)) FROM generate_series(1, 5) v, unnest('{NULL,pg_temp.person}'::regclass[]) s),
    0::numeric, 'models of LightGBM');
SELECT is((SELECT sum(pg_temp.differ('sql_hole/' || v, $$SELECT 'Ulm' AS city, '5' AS branch, 20 AS age, x AS amount FROM unnest('{1e-36,-1e-36,0,-0,0.3,0.30000000000000004}'::float8[]) x$$)) FROM generate_series(1, 5) v),
    0::numeric, 'compared before what is nearly zero becomes zero');

-- policies: unseen categories, columns that a table lacks
CREATE TEMPORARY TABLE part AS SELECT "small", big, ratio, tiny, opened, called, married, s FROM loan;
CREATE FUNCTION pg_temp.categories(rows text DEFAULT 'SELECT * FROM pg_temp.loan', source regclass DEFAULT NULL) RETURNS bigint LANGUAGE SQL AS $$
    SELECT sum(pg_temp.differ('sql_xgboost_' || v || '/1', rows, source => source))::bigint FROM generate_series(7, 11) v
$$;
UPDATE loan SET grade = NULL, s = 'another' WHERE id % 30 = 7;
SELECT mlops.set_scoring_policy('sql_xgboost_' || v, unseen_categories => 'other', missing_columns => 'null', reason => 'test') FROM generate_series(7, 11) v \g /dev/null
SELECT mlops.set_scoring_policy('sql_hole', unseen_categories => 'other', reason => 'test') \g /dev/null
SELECT is(pg_temp.categories() + pg_temp.categories(source => 'pg_temp.loan'), 0::bigint, 'unseen categories are others');
SELECT is((SELECT sum(pg_temp.differ('sql_hole/' || v, 'SELECT * FROM pg_temp.person')) FROM generate_series(1, 5) v), 0::numeric, 'for LightGBM');
SELECT is(pg_temp.categories('SELECT * FROM pg_temp.part', 'pg_temp.part'), 0::bigint, 'columns that the table lacks are NULL');
SELECT mlops.set_scoring_policy('sql_xgboost_' || v, unseen_categories => 'error', reason => 'test') FROM generate_series(7, 11) v \g /dev/null
SELECT is(pg_temp.categories($$SELECT * FROM pg_temp.loan WHERE s NOT IN ('unseen', 'another') OR s IS NULL$$), 0::bigint, 'an error: the same where there is none');
DO $$ BEGIN
    EXECUTE 'CREATE FUNCTION pg_temp.scores(OUT scores bigint, OUT others bigint) LANGUAGE SQL AS ' || quote_literal(
        'SELECT count(' || mlops.to_sql('sql_xgboost_7/1') || '), count(*) FROM pg_temp.loan WHERE s IN (''unseen'', ''another'')');
END $$;
SELECT results_eq('SELECT * FROM pg_temp.scores()', $$SELECT 0::bigint, count(*) FROM loan WHERE s IN ('unseen', 'another')$$, 'and no score where there is one');

-- what XGBoost's versions wrote, with the rows that they predicted
CREATE TEMPORARY TABLE stored (name text, features float8[]);
DO $$
DECLARE
    file text;
    format text;
    lines text[];
BEGIN
    FOR file IN SELECT f FROM pg_ls_dir(current_setting('test.top') || '/test/fixtures/xgboost') f
                WHERE f LIKE '%.rows.txt' ORDER BY f COLLATE "C" LOOP
        lines := string_to_array(convert_from(pg_read_binary_file(current_setting('test.top') || '/test/fixtures/xgboost/' || file), 'UTF8'), E'\n');
        CONTINUE WHEN 'refused' = ANY (lines);
        format := split_part(lines[1], ' ', 2);
        PERFORM mlops.import_model('sql_' || file, pg_read_binary_file(current_setting('test.top') || '/test/fixtures/xgboost/' || replace(file, 'rows.txt', format))::mlops.artifact,
                                   '[{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}]');
        INSERT INTO stored SELECT 'sql_' || file || '/1', pg_temp.numbers(split_part(substr(line, 5), ' | ', 1))
        FROM unnest(lines) line WHERE line LIKE 'row %';
    END LOOP;
END $$;
SELECT is((SELECT sum(pg_temp.differ(name, format('SELECT features[1] AS a, features[2] AS b, features[3] AS c, features[4] AS d FROM pg_temp.stored WHERE name = %L', name)))
           FROM (SELECT DISTINCT name FROM stored) s), 0::numeric, 'models that thirteen versions of XGBoost wrote');

-- thresholds: what real cannot tell apart, zeros, the smallest and the greatest
SELECT mlops.import_model('sql_limits', pg_temp.stumps('{x}', '{0,0,0,0,0,0,0,0,0,0}', '{0,1,-1,1.1,16777216,-16777218,1.401298464324817e-45,-1.401298464324817e-45,3.4028235e38,-3.4028235e38}',
    '{1,2,4,8,16,32,64,128,256,512}', '{0,0,0,0,0,0,0,0,0,0}', 'reg:squarederror', default_left => d)) FROM unnest('{false,true}'::boolean[]) d \g /dev/null
SELECT is((SELECT sum(pg_temp.differ('sql_limits/' || v, pg_temp.hard_rows('sql_limits/' || v, 2000))) FROM generate_series(1, 2) v), 0::numeric, 'limits of real');
SELECT is((SELECT sum(pg_temp.differ('sql_limits/' || v, $$SELECT x FROM unnest('{0.99999997,0.99999997019,0.9999999701976776,0.9999999701976777,1.0999999642372131,1.0999999642372132}'::numeric[]) x$$))
           FROM generate_series(1, 2) v), 0::numeric, 'numbers that real rounds to a threshold');
CREATE TEMPORARY TABLE limits AS SELECT x::bigint FROM unnest('{16777215,16777216,16777217,-16777217,-16777218,-16777219,9223372036854775807,-9223372036854775808,NULL,0,1,-1,2}'::numeric[]) x;
SELECT is((SELECT sum(pg_temp.differ('sql_limits/' || v, 'SELECT * FROM pg_temp.limits', source => s)) FROM generate_series(1, 2) v, unnest('{NULL,pg_temp.limits}'::regclass[]) s), 0::numeric, 'integers');
CREATE TEMPORARY TABLE days AS SELECT x FROM unnest('{1969-12-31,1970-01-01,1970-01-02,1970-01-03,4713-01-01 BC,47904-08-07,infinity,-infinity,NULL}'::date[]) x;
SELECT is((SELECT sum(pg_temp.differ('sql_limits/' || v, 'SELECT * FROM pg_temp.days', source => 'pg_temp.days')) FROM generate_series(1, 2) v), 0::numeric, 'days');
CREATE TEMPORARY TABLE times AS SELECT x FROM unnest('{1969-12-31,1970-01-01,1970-01-01 23:59:59.997,1970-01-01 23:59:59.998,1970-01-02,1970-01-02 02:24:00.001,1970-01-02 02:24,infinity,-infinity,NULL}'::timestamp[]) x;
SELECT is((SELECT sum(pg_temp.differ('sql_limits/' || v, 'SELECT * FROM pg_temp.times', source => 'pg_temp.times')) FROM generate_series(1, 2) v), 0::numeric, 'times');
CREATE TEMPORARY TABLE answers AS SELECT x FROM unnest('{true,false,NULL}'::boolean[]) x;
SELECT is((SELECT sum(pg_temp.differ('sql_limits/' || v, 'SELECT * FROM pg_temp.answers', source => 'pg_temp.answers')) FROM generate_series(1, 2) v), 0::numeric, 'booleans');

-- a linear model
CREATE FUNCTION pg_temp.linear(weights text, objective text, classes integer) RETURNS mlops.artifact
    LANGUAGE SQL AS $$
    SELECT format('{"version":[1,7,4],"learner":{"attributes":{},"feature_names":["a","b","c"],"feature_types":["float","float","float"],
        "gradient_booster":{"name":"gblinear","model":{"weights":%s,"boosted_rounds":1}},
        "learner_model_param":{"base_score":"0.25","num_class":"%s","num_feature":"3","num_target":"1"},"objective":{"name":"%s"}}}',
        weights, classes, objective)::json::mlops.artifact $$;
SELECT mlops.import_model('sql_linear_one', pg_temp.linear('[0.1,-4.3,0,1]', 'reg:squarederror', 0)) \g /dev/null
SELECT mlops.import_model('sql_linear_classes', pg_temp.linear('[0.1,-4.3,0,1,0.7,2,-0.3,1e-30]', 'multi:softprob', 2)) \g /dev/null
CREATE TEMPORARY TABLE line AS
    SELECT CASE WHEN random() < 0.9 THEN random() END AS a, (random() * 100)::integer AS b,
           CASE (random() * 4)::integer WHEN 0 THEN 'NaN' WHEN 1 THEN 1e-44 WHEN 2 THEN -3e-300 ELSE random() * 1e5 END AS c FROM generate_series(1, 2000);
SELECT is(pg_temp.differ('sql_linear_one/1', 'SELECT * FROM pg_temp.line') + pg_temp.differ('sql_linear_classes/1', 'SELECT * FROM pg_temp.line'), 0::bigint, 'linear models');
SELECT is(pg_temp.differ('sql_linear_classes/1', 'SELECT * FROM pg_temp.line', 'prediction', 'predict_proba'), 0::bigint, 'of classes, probabilities');

-- more trees than one sum has, and columns that have the names of subqueries
SELECT mlops.import_model('sql_many', pg_temp.stumps('{s,m}', array_agg(i % 2), array_agg(sin(i)), array_agg(sin(i * 2)), array_agg(sin(i * 3)))) FROM generate_series(1, 2500) i \g /dev/null
SELECT is(pg_temp.differ('sql_many/1', 'SELECT random() * 2 - 1 AS s, random() * 2 - 1 AS m FROM generate_series(1, 50)'), 0::bigint, '2,500 trees');
DO $$ BEGIN
    EXECUTE 'CREATE FUNCTION pg_temp.unqualified(OUT different bigint) LANGUAGE SQL AS ' || quote_literal(
        'SELECT count(*) FROM (SELECT sin(i) AS s, cos(i) AS m FROM generate_series(1, 50) i) r WHERE (' || mlops.to_sql('sql_many/1', 'margin')
        || ')::float8 IS DISTINCT FROM (mlops.predict_margin(''sql_many/1'', r))[1]');
END $$;
SELECT is(pg_temp.unqualified(), 0::bigint, 'without an alias');

--
-- What is shown to whom, and what is refused
--
SELECT is(mlops.to_sql(NULL), NULL, 'no model');
SELECT throws_ok($$SELECT mlops.to_sql('sql_none/1')$$, 'ML001', NULL, 'an unknown model');
SELECT throws_ok($$SELECT mlops.to_sql('sql_many/1', 'class')$$, '22023', 'unknown output "class"', 'an unknown output');
SELECT throws_ok($$SELECT mlops.to_sql('sql_many/1', source => 'pg_temp.person')$$, 'ML020',
    'column "s" of "person" cannot be read by version 1 of model "sql_many"', 'a table without the columns');
SELECT mlops.import_model('sql_large', pg_temp.stumps(ARRAY[repeat('x', 20000)], array_agg(0), array_agg(i::float8), array_agg(i::float8), array_agg(0::float8))) FROM generate_series(1, 1800) i \g /dev/null
SELECT throws_ok($$SELECT mlops.to_sql('sql_large/1')$$, '54000',
    'version 1 of model "sql_large" is too large for an SQL expression', 'an expression beyond the limit');
CREATE ROLE to_sql_user;
SELECT mlops.grant_privilege('score', 'sql_many', 'to_sql_user') \g /dev/null
SET LOCAL ROLE to_sql_user;
SELECT throws_ok($$SELECT mlops.to_sql('sql_many/1')$$, '42501', NULL, 'who may only score does not see the model');
RESET ROLE;
SELECT mlops.grant_privilege('read', 'sql_many', 'to_sql_user') \g /dev/null
SET LOCAL ROLE to_sql_user;
SELECT lives_ok($$SELECT mlops.to_sql('sql_many/1')$$, 'who may read it does');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
