-- Cross-validation: folds, metrics, scores by key, the record, errors, rights.
\set ECHO none
\set QUIET 1
BEGIN;
SELECT plan(71);

SET LOCAL client_min_messages = warning;
CREATE SCHEMA cv_test;
SET LOCAL search_path = cv_test, public;

CREATE TABLE loan AS
    SELECT i AS id, i % 97 AS customer, 20 + i * 7919 % 50 AS age, (i * 104729 % 9973)::numeric AS income,
           (ARRAY['car', 'home', 'travel'])[i * 613 % 3 + 1] AS purpose, date '2024-01-01' + i % 250 AS day,
           i * 104729 % 9973 + i * 7907 % 3000 < 3500 AS bad
    FROM generate_series(1, 1200) i;
ALTER TABLE loan ADD kind text, ADD amount float8;
UPDATE loan SET kind = CASE WHEN income < 3000 THEN 'low' WHEN income < 6500 THEN 'mid' ELSE 'high' END,
                amount = income * 2 + age;
\set q '''SELECT id, age, income, purpose, bad FROM loan'''

-- the record of the last run
CREATE FUNCTION last_record() RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT r.record FROM mlops.run r ORDER BY r.id DESC LIMIT 1 $$;

--
-- Binary, by hash
--
CREATE TABLE cv AS SELECT * FROM mlops.cross_validate(:q, 'bad', '{"max_depth": 3}', rounds => 15, key => 'id', scores => 'cv_scores');
SELECT is((SELECT string_agg(metric, ' ' ORDER BY ctid) FROM cv),
          'auc gini ks pr_auc log_loss brier accuracy precision recall f1 mcc', 'the metrics of a binary label, in order');
SELECT is((SELECT count(DISTINCT run) FROM cv), 1::bigint, 'they are of one run');
SELECT is((SELECT array_agg(DISTINCT cardinality(folds)) FROM cv), ARRAY[5], 'there is a value for each of five folds');
SELECT ok((SELECT bool_and(abs(mean - (SELECT avg(f) FROM unnest(folds) f)) < 1e-12) FROM cv), 'mean is that of the folds');
SELECT ok((SELECT bool_and(abs(standard_error - (SELECT stddev_samp(f) / sqrt(5) FROM unnest(folds) f)) < 1e-12) FROM cv),
          'standard_error is that of the mean');
SELECT is((SELECT count(*) FROM cv_scores), 1200::bigint, 'every row has a score');
SELECT is((SELECT count(DISTINCT id) FROM cv_scores), 1200::bigint, 'and one only');
SELECT is((SELECT count(*) FROM cv_scores s JOIN loan USING (id) WHERE s.label <> loan.bad), 0::bigint,
          'with the label of its key');
SELECT is((SELECT string_agg(attname || ' ' || format_type(atttypid, -1), ', ' ORDER BY attnum) FROM pg_attribute
           WHERE attrelid = 'cv_scores'::regclass AND attnum > 0),
          'id integer, fold integer, label boolean, score double precision', 'columns of the scores');
SELECT ok((SELECT bool_and(folds = s.auc) FROM cv,
               (SELECT array_agg(a ORDER BY fold) AS auc FROM (SELECT fold, mlops.auc(label, score) AS a FROM cv_scores GROUP BY fold) f) s
           WHERE metric = 'auc'), 'auc of each fold is the aggregate of its scores, exactly');
SELECT ok((SELECT bool_and(folds = s.v) FROM cv,
               (SELECT array_agg(a ORDER BY fold) AS v FROM (SELECT fold, mlops.log_loss(label, score) AS a FROM cv_scores GROUP BY fold) f) s
           WHERE metric = 'log_loss'), 'so is log_loss');
SELECT ok((SELECT bool_and(folds = s.v) FROM cv,
               (SELECT array_agg(a ORDER BY fold) AS v FROM (SELECT fold, mlops.ks(label, score) AS a FROM cv_scores GROUP BY fold) f) s
           WHERE metric = 'ks'), 'so is ks');
SELECT ok((SELECT bool_and(folds = s.v) FROM cv,
               (SELECT array_agg(a ORDER BY fold) AS v FROM (SELECT fold, mlops.f1(label, score >= 0.5) AS a FROM cv_scores GROUP BY fold) f) s
           WHERE metric = 'f1'), 'and f1 at 0.5');
SELECT ok((SELECT min(n) > 180 AND max(n) < 300 FROM (SELECT count(*) AS n FROM cv_scores GROUP BY fold) f),
          'folds have about the same size');

-- a fold's scores are those of a model that was trained with the other rows
CREATE TABLE parted AS
    SELECT l.id, l.age, l.income, l.purpose, l.bad, CASE WHEN s.fold = 2 THEN 'test' ELSE 'train' END AS part
    FROM loan l JOIN cv_scores s USING (id);
SELECT trained.model FROM mlops.train('cv_two', 'SELECT * FROM parted', 'bad', '{"max_depth": 3}', key => 'id',
                                      split => '{"column": "part"}', rounds => 15) trained \g /dev/null
SELECT is((SELECT count(*) FROM cv_scores s JOIN parted p USING (id)
           WHERE s.fold = 2 AND mlops.predict('cv_two/1', p) IS DISTINCT FROM s.score), 0::bigint,
          'scores of a fold are, to the bit, those of a model trained with the other folds');
SELECT is((SELECT metrics->>'auc' FROM mlops.versions WHERE model = 'cv_two')::float8, (SELECT folds[2] FROM cv WHERE metric = 'auc'),
          'and so is its auc');

-- the same again, and rows that are added
CREATE TABLE again AS SELECT * FROM mlops.cross_validate('SELECT id, age, income, purpose, bad FROM loan ORDER BY income, id DESC',
    'bad', '{"max_depth": 3}', rounds => 15, key => 'id');
SELECT is((SELECT array_agg(folds ORDER BY metric) FROM again), (SELECT array_agg(folds ORDER BY metric) FROM cv),
          'another order of the rows changes nothing');
SELECT isnt((SELECT folds FROM mlops.cross_validate(:q, 'bad', '{"max_depth": 3}', rounds => 15, key => 'id', seed => 1, metrics => '{auc}')),
            (SELECT folds FROM cv WHERE metric = 'auc'), 'another seed gives other folds');
SELECT metric FROM mlops.cross_validate('SELECT * FROM (SELECT id, age, income, purpose, bad FROM loan UNION ALL SELECT id + 5000, 1, 2, ''car'', bad FROM loan) u',
    'bad', rounds => 2, key => 'id', metrics => '{auc}', scores => 'cv_more') \g /dev/null
SELECT is((SELECT count(*) FROM cv_scores s JOIN cv_more m USING (id) WHERE s.fold <> m.fold), 0::bigint,
          'rows stay in their fold when others are added');

--
-- Groups, strata, time
--
SELECT metric FROM mlops.cross_validate('SELECT id, customer, age, income, bad FROM loan', 'bad', rounds => 5, group_column => 'customer',
    key => 'id', metrics => '{auc}', scores => 'cv_group') \g /dev/null
SELECT is((SELECT max(n) FROM (SELECT count(DISTINCT fold) AS n FROM cv_group JOIN loan USING (id) GROUP BY customer) g), 1::bigint,
          'no group is in two folds');
SELECT ok((SELECT max(n) - min(n) <= 13 FROM (SELECT count(*) AS n FROM cv_group GROUP BY fold) f), 'and the folds are of one size');
SELECT is(last_record()->'features', '["age", "income"]', 'the column of the groups is no feature');
SELECT is((last_record()->'folds') - '{held_out,trained}'::text[], '{"by": "group", "count": 5, "column": "customer"}', 'folds are recorded');
SELECT is((SELECT array_agg(n ORDER BY fold)::text FROM (SELECT fold, count(*) AS n FROM cv_group GROUP BY fold) f),
          translate(last_record()->'folds'->>'held_out', '[] ', '{}'), 'with the rows that each held out');

SELECT metric FROM mlops.cross_validate('SELECT id, age, income, bad FROM loan', 'bad', rounds => 5, stratify_column => 'bad',
    key => 'id', metrics => '{auc}', scores => 'cv_strata') \g /dev/null
SELECT ok((SELECT max(n) - min(n) <= 1 FROM (SELECT count(*) AS n FROM cv_strata GROUP BY fold, label HAVING label) f),
          'each fold has its share of the rarer class, but for one row');
SELECT ok((SELECT max(n) - min(n) <= 1 FROM (SELECT count(*) AS n FROM cv_strata GROUP BY fold) f), 'and of all rows');

SELECT metric FROM mlops.cross_validate('SELECT id, day, age, income, bad FROM loan', 'bad', rounds => 5, time_column => 'day',
    key => 'id', folds => 4, metrics => '{auc}', scores => 'cv_time') \g /dev/null
SELECT is((SELECT array_agg(DISTINCT fold ORDER BY fold) FROM cv_time), ARRAY[1, 2, 3, 4], 'time: four folds');
SELECT ok((SELECT bool_and(earliest > latest) FROM (
              SELECT min(day) AS earliest, lag(max(day)) OVER (ORDER BY fold) AS latest FROM cv_time JOIN loan USING (id) GROUP BY fold) f
           WHERE latest IS NOT NULL), 'each is after the one before');
SELECT is((SELECT count(*) FROM loan l WHERE NOT EXISTS (SELECT FROM cv_time t WHERE t.id = l.id)
           AND l.day >= (SELECT min(day) FROM cv_time JOIN loan USING (id))), 0::bigint, 'the rows without a score are the first');
SELECT is((last_record()->'folds'->'trained'->>1)::bigint,
          (SELECT count(*) FROM loan WHERE day < (SELECT min(day) FROM cv_time JOIN loan USING (id) WHERE fold = 2)),
          'a fold is trained with the rows before it');
SELECT lives_ok($$SELECT * FROM mlops.cross_validate('SELECT extract(year FROM day)::int * 12 + extract(month FROM day)::int AS month, age, income, bad FROM loan',
    'bad', rounds => 2, time_column => 'month', folds => 3)$$, 'months by number');

--
-- Other tasks
--
CREATE TABLE multi AS SELECT * FROM mlops.cross_validate('SELECT id, age, income, kind FROM loan', 'kind', rounds => 5, key => 'id', folds => 3, scores => 'cv_multi');
SELECT is((SELECT string_agg(metric, ' ' ORDER BY ctid) FROM multi), 'log_loss accuracy precision_macro recall_macro f1_macro mcc', 'the metrics of several classes');
SELECT is((SELECT array_agg(a ORDER BY fold) FROM (
              SELECT fold, mlops.accuracy(label, (ARRAY['high', 'low', 'mid'])[array_position(score, (SELECT max(s) FROM unnest(score) s))]) AS a
              FROM cv_multi GROUP BY fold) f), (SELECT folds FROM multi WHERE metric = 'accuracy'), 'accuracy is that of the likeliest class');
CREATE TABLE regression AS SELECT * FROM mlops.cross_validate('SELECT id, age, income, amount FROM loan', 'amount', rounds => 5, key => 'id', folds => 3, scores => 'cv_amount');
SELECT is((SELECT string_agg(metric, ' ' ORDER BY ctid) FROM regression), 'rmse mae r2', 'the metrics of a regression');
SELECT is((SELECT array_agg(a ORDER BY fold) FROM (SELECT fold, mlops.rmse(label, score) AS a FROM cv_amount GROUP BY fold) f),
          (SELECT folds FROM regression WHERE metric = 'rmse'), 'rmse is the aggregate of the scores');

--
-- Early stopping, categories, the record
--
CREATE TABLE stopped AS SELECT * FROM mlops.cross_validate(:q, 'bad', '{"eta": 0.5, "eval_metric": "auc"}', rounds => 200, key => 'id',
    early_stopping_rounds => 5, metrics => '{log_loss,auc}', experiment => 'cv_experiment', name => 'stopped');
SELECT is((SELECT array_agg(metric ORDER BY ctid) FROM stopped), ARRAY['log_loss', 'auc', 'rounds'], 'metrics as asked for, and rounds');
SELECT ok((SELECT bool_and(f BETWEEN 1 AND 194) FROM stopped, unnest(folds) f WHERE metric = 'rounds'), 'every fold stopped before the end');
SELECT ok((SELECT bool_and((t.value::int - b.value::int) = 6) FROM jsonb_array_elements(last_record()->'rounds'->'trained') WITH ORDINALITY t,
               jsonb_array_elements(last_record()->'rounds'->'best') WITH ORDINALITY b WHERE t.ordinality = b.ordinality
               AND t.value::int < 200), 'after five rounds that brought nothing');
SELECT is((SELECT array_agg(b.value::int + 1 ORDER BY b.ordinality)::text FROM jsonb_array_elements(last_record()->'rounds'->'best') WITH ORDINALITY b),
          (SELECT folds::text FROM stopped WHERE metric = 'rounds'), 'the best rounds are recorded');
SELECT is((SELECT count(*) FROM mlops.run_metrics WHERE run = (SELECT max(run) FROM stopped) AND part = 'fold 3 validation'),
          (last_record()->'rounds'->'trained'->>2)::bigint, 'there is a learning curve for each fold');
SELECT is((SELECT experiment || ' ' || name || ' ' || kind || ' ' || status FROM mlops.experiment_runs WHERE run = (SELECT max(run) FROM stopped)),
          'cv_experiment stopped cross_validation finished', 'it is a run of its experiment');
SELECT is((SELECT (metrics->>'auc')::float8 FROM mlops.experiment_runs WHERE run = (SELECT max(run) FROM stopped)),
          (SELECT mean FROM stopped WHERE metric = 'auc'), 'whose metric is the mean');
SELECT is((SELECT (metrics->>'auc_se')::float8 FROM mlops.experiment_runs WHERE run = (SELECT max(run) FROM stopped)),
          (SELECT standard_error FROM stopped WHERE metric = 'auc'), 'with its standard error');
SELECT is((SELECT run FROM mlops.best_run('cv_experiment', 'auc')), (SELECT max(run) FROM stopped), 'best_run finds it');
SELECT is((SELECT array_agg(DISTINCT experiment) FROM mlops.experiment_runs WHERE run = (SELECT max(run) FROM cv)),
          ARRAY['cross_validation_' || current_user], 'without a name it is of an experiment of the caller''s own');
SET LOCAL mlops.experiment = 'cv_session';
SELECT lives_ok($$SELECT * FROM mlops.cross_validate('SELECT age, income, bad FROM loan', 'bad', rounds => 2)$$, 'in the session''s experiment');
SELECT is((SELECT count(*) FROM mlops.experiment_runs WHERE experiment = 'cv_session'), 1::bigint, 'there it is');
RESET mlops.experiment;

-- a category that only one fold has is missing there
CREATE TABLE rare AS SELECT id, CASE WHEN fold = 1 THEN 'new' WHEN id % 3 = 0 THEN 'b' ELSE 'a' END AS word, income, bad
                     FROM loan JOIN cv_scores USING (id);
SELECT metric FROM mlops.cross_validate('SELECT * FROM rare', 'bad', '{"max_depth": 3}', rounds => 15, key => 'id', scores => 'cv_rare') \g /dev/null
CREATE TABLE parted_rare AS SELECT r.*, CASE WHEN s.fold = 1 THEN 'test' ELSE 'train' END AS part FROM rare r JOIN cv_scores s USING (id);
SELECT trained.model FROM mlops.train('cv_rare', 'SELECT * FROM parted_rare', 'bad', '{"max_depth": 3}', key => 'id',
                                      split => '{"column": "part"}', rounds => 15) trained \g /dev/null
SELECT is((SELECT count(*) FROM cv_rare s JOIN parted_rare p USING (id) WHERE s.fold = 1 AND mlops.predict('cv_rare/1', p) IS DISTINCT FROM s.score),
          0::bigint, 'a category that no other fold has counts as never seen');

--
-- Errors, before any training starts
--
SELECT throws_ok(format('SELECT * FROM mlops.cross_validate(%L, ''bad'', folds => %s)', :q, f), '22023', 'folds must be between 2 and 49', f || ' folds')
FROM unnest(ARRAY[-1, 0, 1, 50]) f;
SELECT throws_ok(format('SELECT * FROM mlops.cross_validate(%L, ''bad'', metrics => ''{auc,x}'')', :q), '22023', 'unknown metric "x"');
SELECT throws_ok(format('SELECT * FROM mlops.cross_validate(%L, ''bad'', metrics => ''{rmse}'')', :q), '22023', 'metric "rmse" is not one for a binary label');
SELECT throws_ok($$SELECT * FROM mlops.cross_validate('SELECT 1 AS g, age, bad FROM loan', 'bad', group_column => 'g')$$, 'ML030',
                 'group_column "g" has the same value in all rows', 'a group that is the whole table');
SELECT throws_ok($$SELECT * FROM mlops.cross_validate('SELECT id % 3 AS g, age, bad FROM loan', 'bad', group_column => 'g')$$, 'ML030',
                 'group_column "g" has 3 different values where 5 folds need 5', 'too few groups');
SELECT throws_ok($$SELECT * FROM mlops.cross_validate('SELECT id % 5 AS g, age, bad FROM loan', 'bad', time_column => 'g')$$, 'ML030',
                 'time_column "g" has 5 different values where 5 folds need 6', 'too few times');
SELECT throws_like($$SELECT * FROM mlops.cross_validate('SELECT id, age, id < 4 AS bad FROM loan', 'bad', key => 'id', folds => 10)$$,
                   'all rows of fold % are of class "false"', 'a fold of one class');
SELECT throws_like($$SELECT * FROM mlops.cross_validate('SELECT id, age, id > 300 AS bad FROM loan', 'bad', time_column => 'id', folds => 3)$$,
                   'all rows % fold 1 % of class %', 'folds by time of one class');
SELECT throws_ok($$SELECT * FROM mlops.cross_validate('SELECT age, nullif(customer, 3) AS g, bad FROM loan', 'bad', group_column => 'g')$$, '22004',
                 'group_column "g" is NULL in a row');
SELECT throws_ok(format('SELECT * FROM mlops.cross_validate(%L, ''bad'', group_column => ''x'')', :q), '42703', 'group_column "x" is not a column of the query');
SELECT throws_ok($$SELECT * FROM mlops.cross_validate('SELECT purpose, age, bad FROM loan', 'bad', time_column => 'purpose')$$, '42804',
                 'column "purpose" of type text cannot be the time_column');
SELECT throws_ok(format('SELECT * FROM mlops.cross_validate(%L, ''bad'', group_column => ''id'', stratify_column => ''bad'')', :q), '22023',
                 'only one of group_column, time_column and stratify_column can be given');
SELECT throws_ok(format('SELECT * FROM mlops.cross_validate(%L, ''bad'', scores => ''s'')', :q), '22023', 'a table of scores needs a key');
SELECT throws_ok(format('SELECT * FROM mlops.cross_validate(%L, ''bad'', key => ''id'', scores => ''loan'')', :q), '42P07', 'relation "loan" already exists');
SELECT throws_like(format('SELECT * FROM mlops.cross_validate(%L, ''bad'', ''{"max_dept": 3}'')', :q), '%max_dept%', 'a parameter that is misspelt');

--
-- Rights
--
CREATE ROLE cv_nobody;
GRANT USAGE ON SCHEMA cv_test TO cv_nobody;
SET LOCAL ROLE cv_nobody;
SELECT throws_ok($$SELECT * FROM mlops.cross_validate('SELECT * FROM cv_test.loan', 'bad')$$, '42501',
                 'permission denied for function cross_validate', 'not for everybody');
RESET ROLE;
GRANT EXECUTE ON FUNCTION mlops.cross_validate TO cv_nobody;
SET LOCAL ROLE cv_nobody;
SELECT throws_ok($$SELECT * FROM mlops.cross_validate('SELECT age, income, bad FROM cv_test.loan', 'bad')$$, '42501',
                 'permission denied for table loan', 'the query runs with the rights of the caller');
RESET ROLE;
GRANT SELECT ON loan TO cv_nobody;
SET LOCAL ROLE cv_nobody;
SELECT throws_ok($$SELECT * FROM mlops.cross_validate('SELECT id, age, income, bad FROM cv_test.loan', 'bad', key => 'id', scores => 'cv_test.mine')$$, '42501',
                 'permission denied for schema cv_test', 'and so is the table made');
SELECT throws_ok($$SELECT * FROM mlops.cross_validate('SELECT age, income, bad FROM cv_test.loan', 'bad', experiment => 'cv_experiment')$$, '42501',
                 'permission denied for experiment "cv_experiment"', 'in no experiment of others');
SELECT is((SELECT count(*) FROM mlops.experiment_runs WHERE experiment LIKE 'cv%'), 0::bigint, 'nobody else sees the runs');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
