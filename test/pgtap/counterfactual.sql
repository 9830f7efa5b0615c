-- The least change of a row that takes its score across a threshold.
\set ECHO none
\set QUIET 1
\set top `pwd`
\ir ../fixtures/stump.sql
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT plan(88);
SELECT setseed(0.5) \g /dev/null
SELECT set_config('test.top', :'top', true) \g /dev/null

-- income: right from 30 on, lowers the margin by 2; debts below 3 lower it by 1
CREATE FUNCTION pg_temp.import(name text) RETURNS void LANGUAGE SQL AS $$
    SELECT mlops.import_model(name, pg_temp.stumps('{income,debts,age,cars,unused}', '{0,1,2,3}', '{30,3,25,2}', '{1.5,-0.5,0.5,-0.5}', '{-0.5,0.5,-0.5,0.5}'))
$$;
SELECT pg_temp.import('cf_test') \g /dev/null
SELECT mlops.promote('cf_test/1', reason => 'test') \g /dev/null
CREATE TEMPORARY TABLE applicant (id integer, unused boolean, cars int2, age date, debts numeric(5, 2), income float8);
INSERT INTO applicant VALUES (1, true, 1, date '1970-02-20', 5, 20.5), (2, false, 3, date '1970-01-02', 1, 100),
    (3, NULL, NULL, NULL, NULL, NULL);
CREATE FUNCTION pg_temp.why(id integer, changeable text[], threshold float8 DEFAULT NULL, direction text DEFAULT NULL,
                            rules jsonb DEFAULT NULL, max_changes integer DEFAULT 3, budget integer DEFAULT 100000) RETURNS text[]
    LANGUAGE SQL AS $$
    SELECT array_agg(concat_ws(' ', c.status, c.feature, coalesce(c.old_value, 'NULL') || ' to ' || coalesce(c.new_value, 'NULL'),
                               c.change, CASE WHEN c.proven THEN 'proven' END) ORDER BY n)
    FROM applicant a, mlops.counterfactual('cf_test', a, changeable, threshold, direction, NULL, max_changes, rules, budget)
         WITH ORDINALITY c (status, feature, old_value, new_value, change, score_before, score_after, proven, n)
    WHERE a.id = $1
$$;

--
-- The answer
--
SELECT is(pg_temp.why(1, '{income,debts,age,cars,unused}'), '{found income 20.5 to 30 9.5 proven}', 'the one feature that is enough');
SELECT is(pg_temp.why(1, '{debts,age,cars,unused}'), '{impossible NULL to NULL proven}', 'what the others cannot do');
SELECT is(pg_temp.why(1, '{}'), '{impossible NULL to NULL proven}', 'nothing may change');
SELECT is(pg_temp.why(1, '{unused}'), '{impossible NULL to NULL proven}', 'what the model does not use cannot help');
SELECT is(pg_temp.why(1, '{debts,age,cars}', 0.9), '{found age 1970-02-20 to 1970-01-25 -26 proven,found cars 1 to 2 1 proven}', 'two features, in the order of the signature');
SELECT is(pg_temp.why(1, '{cars,age,cars}', 0.9), '{found age 1970-02-20 to 1970-01-25 -26 proven,found cars 1 to 2 1 proven}', 'named in whatever order');
SELECT is(pg_temp.why(1, '{debts,age,cars}', 0.9, max_changes => 1), '{impossible NULL to NULL proven}', 'where one may change');
SELECT is(pg_temp.why(2, '{income,debts}', 0.6), '{found income 100 to 29.999998 -70.000002 proven}', 'down to below a threshold: the next number that the model tells from it');
SELECT is(pg_temp.why(2, '{debts}', 0.6), '{found debts 1.00 to 3.00 2 proven}', 'up to it');
SELECT is(pg_temp.why(2, '{age}', 0.4, 'down'), '{found age 1970-01-02 to 1970-01-26 24 proven}', 'a date');
SELECT is(pg_temp.why(2, '{debts}', 0.5), '{impossible NULL to NULL proven}', 'without a direction, to the other side');
SELECT is(pg_temp.why(2, '{debts}', 0.5, 'up'), '{unneeded NULL to NULL proven}', 'with one, maybe there already');
SELECT is(pg_temp.why(2, '{debts}'), pg_temp.why(2, '{debts}', 0.5), 'a threshold of 0.5 where classes are two');
SELECT is(pg_temp.why(1, '{income}', 1.5), '{impossible NULL to NULL proven}', 'a threshold beyond all scores');
SELECT is(pg_temp.why(1, '{income}', '-Infinity', 'up'), '{unneeded NULL to NULL proven}', 'and below all');
SELECT results_eq($$SELECT c.score_before, c.score_after FROM applicant a, mlops.counterfactual('cf_test', a, '{income}') c WHERE a.id = 1$$,
    $$SELECT mlops.predict('cf_test', a), mlops.predict('cf_test', r) FROM applicant a, (SELECT 30 AS income, 5 AS debts, date '1970-02-20' AS age, 1 AS cars, 0 AS unused) r WHERE id = 1$$,
    'the scores are those of predict');
SELECT is((SELECT c.score_after FROM applicant a, mlops.counterfactual('cf_test', a, '{cars}') c WHERE a.id = 1), NULL, 'there is none after nothing');

-- NULL in the row
SELECT is(pg_temp.why(3, '{debts}'), '{found debts NULL to 0.00 proven}', 'a missing value is given');
SELECT is(pg_temp.why(3, '{debts}', rules => '{"debts": {"min": 2.5}}'), '{found debts NULL to 2.50 proven}', 'as its rules allow');
SELECT is(pg_temp.why(3, '{debts}', rules => '{"debts": {"only": "down"}}'), '{impossible NULL to NULL proven}', 'which way it goes is not known');
SELECT is(pg_temp.why(2, '{debts}', 0.6, rules => '{"debts": {"max": 2, "missing": true}}'), '{found debts 1.00 to NULL proven}', 'a value may become missing, if a rule says so');
SELECT is(pg_temp.why(2, '{debts}', 0.6, rules => '{"debts": {"max": 2}}'), '{impossible NULL to NULL proven}', 'and else it does not');

--
-- Rules
--
SELECT is(pg_temp.why(1, '{income}', rules => '{"income": {"min": 40}}'), '{found income 20.5 to 40 19.5 proven}', 'a least value');
SELECT is(pg_temp.why(1, '{income}', rules => '{"income": {"max": 29.5}}'), '{impossible NULL to NULL proven}', 'a greatest one');
SELECT is(pg_temp.why(1, '{income}', rules => '{"income": {"only": "down"}}'), '{impossible NULL to NULL proven}', 'only down');
SELECT is(pg_temp.why(2, '{income}', 0.6, rules => '{"income": {"only": "up"}}'), '{impossible NULL to NULL proven}', 'only up');
SELECT is(pg_temp.why(1, '{income}', rules => '{"income": {"only": "up", "step": 25}}'), '{found income 20.5 to 50 29.5 proven}', 'in steps');
SELECT is(pg_temp.why(2, '{debts}', 0.6, rules => '{"debts": {"step": 0.7}}'), '{found debts 1.00 to 3.50 2.5 proven}', 'steps of a fraction');
SELECT is(pg_temp.why(2, '{age}', 0.4, 'down', '{"age": {"max": "1970-01-20"}}'), '{impossible NULL to NULL proven}', 'the greatest date');
SELECT is(pg_temp.why(2, '{age}', 0.4, 'down', '{"age": {"min": "1970-03-01"}}'), '{found age 1970-01-02 to 1970-03-01 58 proven}', 'the least');
SELECT is(pg_temp.why(1, '{debts,age,cars}', 0.8), '{found age 1970-02-20 to 1970-01-25 -26 proven}', 'of equal changes that of the first feature');
SELECT is(pg_temp.why(1, '{debts,age,cars}', 0.8, rules => '{"age": {"weight": 1.5}}'), '{found cars 1 to 2 1 proven}', 'unless it weighs more');
SELECT throws_ok($$SELECT pg_temp.why(1, '{income}', rules => '{"salary": {"min": 1}}')$$, '22023', 'there is a rule for feature "salary", which the model does not have', 'a rule for another feature');
SELECT throws_ok(format('SELECT pg_temp.why(1, ''{income,cars}'', rules => %L)', r), '22023', NULL, 'no rules: ' || r)
FROM unnest('{[],"{\"income\": 1}","{\"income\": [1]}","{\"income\": {\"least\": 1}}","{\"income\": {\"min\": \"x\"}}","{\"income\": {\"only\": \"left\"}}","{\"income\": {\"weight\": 0}}","{\"cars\": {\"step\": 0.5}}","{\"income\": {\"values\": [\"a\"]}}","{\"income\": {\"missing\": 1}}"}'::text[]) r;

--
-- What is refused
--
SELECT throws_ok($$SELECT pg_temp.why(1, '{income,wage}')$$, '22023', 'version 1 of model "cf_test" has no feature "wage"', 'a feature that there is not is named');
SELECT throws_ok($$SELECT pg_temp.why(1, NULL)$$, '22004', NULL, 'no features');
SELECT throws_ok($$SELECT pg_temp.why(1, '{income,NULL}')$$, '22004', NULL, 'a NULL among them');
SELECT throws_ok($$SELECT pg_temp.why(1, '{income}', 'NaN')$$, '22023', NULL, 'a threshold that is no number');
SELECT throws_ok($$SELECT pg_temp.why(1, '{income}', 0.5, 'left')$$, '22023', NULL, 'a direction that is none');
SELECT throws_ok($$SELECT pg_temp.why(1, '{income}', max_changes => 17)$$, '22023', NULL, 'too many changes');
SELECT throws_ok($$SELECT pg_temp.why(1, '{income}', budget => 0)$$, '22023', NULL, 'no budget');
SELECT is((SELECT count(*)::integer FROM mlops.counterfactual(NULL, NULL::applicant, '{income}')), 0, 'no model and no row');
SELECT mlops.import_model('cf_number', pg_temp.stumps('{a}', '{0}', '{1}', '{10}', '{20}', 'reg:squarederror')) \g /dev/null
SELECT throws_ok($$SELECT * FROM mlops.counterfactual('cf_number/1', '{"a": 0}'::jsonb, '{a}')$$, '22004', NULL, 'a regression needs a threshold');
SELECT results_eq($$SELECT new_value, score_before, score_after FROM mlops.counterfactual('cf_number/1', '{"a": 0}'::jsonb, '{a}', 15)$$,
    $$VALUES ('1', 10::float8, 20::float8)$$, 'and takes one');
SELECT mlops.import_model('cf_linear', '{"version":[1,7,4],"learner":{"attributes":{},"feature_names":["a"],"feature_types":["float"],"gradient_booster":{"name":"gblinear","model":{"weights":[1,2],"boosted_rounds":1}},"learner_model_param":{"base_score":"0.25","num_class":"0","num_feature":"1","num_target":"1"},"objective":{"name":"reg:squarederror"}}}'::json::mlops.artifact) \g /dev/null
SELECT throws_ok($$SELECT * FROM mlops.counterfactual('cf_linear/1', '{"a": 0}'::jsonb, '{a}', 15)$$, 'ML011', NULL, 'a linear model has no thresholds');

-- privileges: thresholds are the model's
CREATE ROLE counterfactual_user;
GRANT SELECT ON applicant TO counterfactual_user;
SELECT mlops.grant_privilege('score', 'cf_test', 'counterfactual_user') \g /dev/null
SET LOCAL ROLE counterfactual_user;
SELECT throws_ok($$SELECT c.* FROM applicant a, mlops.counterfactual('cf_test', a, '{income}') c$$, '42501', NULL, 'who may only score does not see thresholds');
RESET ROLE;
SELECT mlops.grant_privilege('read', 'cf_test', 'counterfactual_user') \g /dev/null
SET LOCAL ROLE counterfactual_user;
SELECT lives_ok($$SELECT c.* FROM applicant a, mlops.counterfactual('cf_test', a, '{income}') c$$, 'who may read does');
RESET ROLE;

--
-- Classes
--
SELECT mlops.import_model('cf_classes', pg_temp.stumps('{a,b}', '{0,1,0}', '{1,2,3}', '{1,0,0}', '{0,1,2}', 'multi:softprob', 3), classes => '{red,green,blue}') \g /dev/null
SELECT results_eq($$SELECT status, feature, new_value, proven FROM mlops.counterfactual('cf_classes/1', '{"a": 0, "b": 0}'::jsonb, '{a,b}', class => 'blue')$$,
    $$VALUES ('found', 'a', '3', true)$$, 'a class is reached');
SELECT results_eq($$SELECT status, feature, new_value, proven FROM mlops.counterfactual('cf_classes/1', '{"a": 0, "b": 0}'::jsonb, '{a,b}', class => 'green') ORDER BY feature$$,
    $$VALUES ('found', 'a', '1', true), ('found', 'b', '2', true)$$, 'another by two changes, since of equal classes the first is predicted');
SELECT results_eq($$SELECT status, feature, score_before = score_after FROM mlops.counterfactual('cf_classes/1', '{"a": 0, "b": 0}'::jsonb, '{a,b}', class => 'red')$$,
    $$VALUES ('unneeded', NULL, true)$$, 'or is had already');
SELECT is((SELECT max(score_after) FROM mlops.counterfactual('cf_classes/1', '{"a": 0, "b": 0}'::jsonb, '{a,b}', class => 'blue')),
    (mlops.predict_proba('cf_classes/1', '{"a": 3, "b": 0}'::jsonb))[3], 'the score is the probability of the class');
SELECT throws_ok($$SELECT * FROM mlops.counterfactual('cf_classes/1', '{"a": 0, "b": 0}'::jsonb, '{a,b}')$$, '22004', NULL, 'the wanted class must be given');
SELECT throws_ok($$SELECT * FROM mlops.counterfactual('cf_classes/1', '{"a": 0, "b": 0}'::jsonb, '{a,b}', class => 'pink')$$, '22023', NULL, 'and exist');
SELECT throws_ok($$SELECT * FROM mlops.counterfactual('cf_classes/1', '{"a": 0, "b": 0}'::jsonb, '{a,b}', 0.5, class => 'red')$$, '22023', NULL, 'without a threshold');
SELECT throws_ok($$SELECT * FROM applicant a, mlops.counterfactual('cf_test', a, '{income}', class => '1')$$, '22023', NULL, 'where there are two, a direction says it');

--
-- Against trying everything
--
CREATE TEMPORARY TABLE loan AS
    SELECT (random() * 12)::integer AS a, (random() * 12)::smallint AS b, (random() * 12)::integer AS c, ('{u,v,w,x}'::text[])[1 + floor(random() * 4)] AS d
    FROM generate_series(1, 1500);
ALTER TABLE loan ADD y boolean;
UPDATE loan SET y = sin(a) + cos(b * 0.7) + (c - 6) / 5.0 + CASE d WHEN 'v' THEN 1 ELSE 0 END + random() * 0.3 > 1.4;
SELECT mlops.train('cf_trained', 'SELECT * FROM loan', 'y', '{"max_depth": 5, "eta": 0.4}', rounds => 25, split => '{}') \g /dev/null
SELECT mlops.promote('cf_trained/1', reason => 'test') \g /dev/null
CREATE TEMPORARY TABLE threshold AS
    SELECT DISTINCT m[1] AS feature, m[2]::float8 AS value
    FROM regexp_matches(mlops.to_sql('cf_trained', 'margin'), '"(\w)"::float8 [<>]=? ''([0-9.]+)''', 'g') m;
CREATE TEMPORARY TABLE scored AS
    SELECT r.*, mlops.predict('cf_trained', r) AS score
    FROM (SELECT a, b::smallint AS b, c, d
          FROM generate_series(0, 12) a, generate_series(0, 12) b, generate_series(0, 12) c, unnest('{u,v,w,x}'::text[]) d) r;
CREATE TEMPORARY TABLE share AS
    SELECT feature, x, y, count(*) FILTER (WHERE value > least(x, y) AND value < greatest(x, y)) / count(*)::float8 AS share
    FROM threshold, generate_series(0, 12) x, generate_series(0, 12) y GROUP BY 1, 2, 3;
CREATE TEMPORARY TABLE question AS
    SELECT row_number() OVER () AS id, a, b, c, d, score FROM (SELECT * FROM scored WHERE score < 0.3 ORDER BY random() LIMIT 12) s;
CREATE TEMPORARY TABLE expected AS
    SELECT DISTINCT ON (q.id) q.id, (s.a <> q.a)::integer + (s.b <> q.b)::integer + (s.c <> q.c)::integer + (s.d <> q.d)::integer AS changes,
           (SELECT share FROM share WHERE feature = 'a' AND x = q.a AND y = s.a) + (SELECT share FROM share WHERE feature = 'b' AND x = q.b AND y = s.b)
           + (SELECT share FROM share WHERE feature = 'c' AND x = q.c AND y = s.c) + (s.d <> q.d)::integer AS cost
    FROM question q, scored s WHERE s.score >= 0.5 ORDER BY 1, 2, 3;
CREATE TEMPORARY TABLE answer AS
    SELECT q.id, r.*, q.a, q.b, q.c, q.d FROM question q, mlops.counterfactual('cf_trained', q, '{a,b,c,d}', max_changes => 4) r;
SELECT is((SELECT count(*)::integer FROM answer WHERE NOT proven OR status <> 'found' OR score_after < 0.5 OR score_before >= 0.5), 0, 'all are found and proven');
SELECT results_eq($$SELECT id, count(*)::integer,
                           round(sum(CASE WHEN feature = 'd' THEN 1 ELSE (SELECT share FROM share s WHERE s.feature = r.feature AND x = old_value::integer AND y = new_value::integer) END)::numeric, 9)
                    FROM answer r GROUP BY id ORDER BY id$$,
    'SELECT id, changes::bigint::integer, round(cost::numeric, 9) FROM expected ORDER BY id', 'none is less, by trying all');
SELECT is((SELECT count(DISTINCT changes)::integer > 1 FROM expected), true, 'some need more changes than others');
SELECT is((SELECT count(*)::integer FROM answer r WHERE new_value <> 'x' AND NOT (CASE WHEN feature = 'd' THEN new_value IN ('u', 'v', 'w', 'x') ELSE new_value ~ '^-?\d+$' END)), 0, 'integers stay integers, categories are known ones');
SELECT results_eq($$SELECT r.* FROM question q, mlops.counterfactual('cf_trained', q, '{a,b,c,d}', max_changes => 4) r ORDER BY q.id, r.feature$$,
    'SELECT status, feature, old_value, new_value, change, score_before, score_after, proven FROM answer ORDER BY id, feature', 'the same again');
SELECT results_eq($$SELECT r.* FROM question q, mlops.counterfactual('cf_trained', to_jsonb(q), '{a,b,c,d}', max_changes => 4) r ORDER BY q.id, r.feature$$,
    'SELECT status, feature, old_value, new_value, change, score_before, score_after, proven FROM answer ORDER BY id, feature', 'and of JSON, with the types of training');
SELECT is((SELECT count(*)::integer FROM question q, mlops.counterfactual('cf_trained', q, '{d}', rules => '{"d": {"values": ["w"]}}') r WHERE new_value <> 'w'), 0, 'only categories that a rule names');
SELECT throws_ok($$SELECT * FROM question q, mlops.counterfactual('cf_trained', q, '{d}', rules => '{"d": {"values": ["z"]}}') r$$, '22023', NULL, 'which the model knows');

-- a budget
SELECT is((SELECT array_agg(DISTINCT status) FROM question q, mlops.counterfactual('cf_trained', q, '{a,b,c,d}', budget => 1) r), '{unknown}', 'a budget that is too small');
SELECT is((SELECT bool_or(proven) FROM question q, mlops.counterfactual('cf_trained', q, '{a,b,c,d}', budget => 1) r), false, 'proves nothing');
SELECT is((SELECT count(*)::integer FROM question q, mlops.counterfactual('cf_trained', q, '{a,b,c,d}', budget => 30) r WHERE status = 'found' AND score_after < 0.5), 0, 'what is found with one holds');

--
-- A number that stands for a missing value, and policies
--
SELECT mlops.import_model('cf_hole', pg_temp.stumps('{income,debts}', '{0,1}', '{30,0}', '{1.5,-0.5}', '{-0.5,0.5}'), missing => v)
FROM unnest('{30,0,-1}'::float8[]) v \g /dev/null
CREATE FUNCTION pg_temp.hole(version integer, loan jsonb, changeable text[], threshold float8 DEFAULT 0.6) RETURNS text[]
    LANGUAGE SQL AS $$
    SELECT array_agg(concat_ws(' ', status, feature, coalesce(old_value, 'NULL') || ' to ' || coalesce(new_value, 'NULL')))
    FROM mlops.counterfactual(('cf_hole/' || version)::mlops.modelref, loan, changeable, threshold)
$$;
SELECT is(pg_temp.hole(2, '{"income": 20, "debts": 9}', '{income}'), '{found income 20 to 30}', 'a new value');
SELECT is(pg_temp.hole(1, '{"income": 20, "debts": 9}', '{income}'), '{found income 20 to 30.000002}', 'is none that stands for a missing one');
SELECT is((SELECT array_agg(new_value) FROM (SELECT 20 AS income, 9 AS debts) r, mlops.counterfactual('cf_hole/1', r, '{income}', 0.6)), '{31}', 'nor of integers');
SELECT is((SELECT array_agg(new_value) FROM (SELECT 100 AS income, -5 AS debts) r, mlops.counterfactual('cf_hole/3', r, '{debts}', 0.3)), '{0}', 'the nearest of a cell');
SELECT is((SELECT array_agg(new_value) FROM (SELECT 100 AS income, 5 AS debts) r, mlops.counterfactual('cf_hole/3', r, '{debts}', 0.3)), '{-2}', 'the next one to it, if that stands for a missing one');
SELECT is(pg_temp.hole(1, '{"income": 30, "debts": 9}', '{debts}', 0.9), '{impossible NULL to NULL}', 'a row that has it');
SELECT throws_ok($$SELECT pg_temp.hole(1, '{"income": 20}', '{debts}')$$, 'ML020', NULL, 'a missing column is an error');
SELECT mlops.set_scoring_policy('cf_hole', missing_columns => 'null', reason => 'test') \g /dev/null
SELECT is(pg_temp.hole(1, '{"debts": 9}', '{debts}'), '{impossible NULL to NULL}', 'or, by policy, a missing value');
SELECT is(pg_temp.hole(1, '{"debts": 9}', '{income}'), '{found income NULL to 0}', 'which may be given');
SELECT throws_ok($$SELECT * FROM (SELECT 9 AS debts) r, mlops.counterfactual('cf_hole/2', r, '{income}')$$, 'ML020',
    'feature "income" cannot change, as the row has no column of this name', 'but not in a row without the column');
SELECT is((SELECT array_agg(status) FROM (SELECT 9 AS debts) r, mlops.counterfactual('cf_hole/2', r, '{debts}', 0.999)), '{impossible}', 'whose other columns may change');

--
-- LightGBM
--
SELECT mlops.import_model('cf_pandas', pg_read_binary_file(current_setting('test.top') || '/test/fixtures/lightgbm/pandas.txt')::mlops.artifact) \g /dev/null
CREATE TEMPORARY TABLE person AS
    SELECT b AS branch, a AS age, c AS city, m::float8 AS amount
    FROM unnest('{3,5,9,7,NULL}'::text[]) b, unnest('{20,50,NULL}'::integer[]) a, unnest('{Köln,Rio,Ulm,Bonn,NULL}'::text[]) c, unnest('{-1,0.3,2,NULL}'::float8[]) m;
SELECT cmp_ok((SELECT count(DISTINCT (p, r.feature, r.new_value))::integer FROM person p, mlops.counterfactual('cf_pandas/1', p, '{amount,age,city,branch}') r
               WHERE r.status = 'found'), '>=', 150, 'models of LightGBM');
SELECT is((SELECT count(*)::integer FROM person p, mlops.counterfactual('cf_pandas/1', p, '{amount,age,city,branch}') r
           WHERE NOT r.proven OR (r.status = 'found') <> (r.score_after IS NOT NULL) OR (r.score_after >= 0.5) = (r.score_before >= 0.5)), 0, 'cross to the other side');

SELECT * FROM finish();
ROLLBACK;
