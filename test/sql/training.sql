-- What mlops.train says when it refuses.
\set SHOW_CONTEXT never
CREATE SCHEMA training_test;
SET search_path = training_test;
CREATE TYPE grade AS ENUM ('low', 'mid', 'high');
CREATE TABLE loan AS
    SELECT i AS id, i % 40 + 20 AS age, (i * 7919 % 1009)::numeric AS income,
           (ARRAY['car', 'home', 'travel'])[i % 3 + 1] AS purpose,
           (ARRAY['low', 'mid', 'high'])[i % 3 + 1]::grade AS grade,
           i * 7919 % 1009 > 500 AS bad,
           CASE WHEN i * 7919 % 1009 > 500 THEN 'bad' ELSE 'good' END AS outcome,
           i * 7919 % 5 AS five, now() - '1 day'::interval AS at, '1 day'::interval AS term
    FROM generate_series(1, 200) i;
CREATE TABLE written (i int);
CREATE FUNCTION writes() RETURNS int LANGUAGE sql VOLATILE AS $$ INSERT INTO written VALUES (1) RETURNING i $$;

-- the query
SELECT * FROM mlops.train('m', 'SELECT * FROM nothing', 'bad');
SELECT * FROM mlops.train('m', 'SELECT * FORM loan', 'bad');
SELECT * FROM mlops.train('m', '', 'bad');
SELECT * FROM mlops.train('m', 'SELECT 1; SELECT 2', 'bad');
SELECT * FROM mlops.train('m', 'DELETE FROM loan RETURNING *', 'bad');
SELECT * FROM mlops.train('m', 'WITH gone AS (DELETE FROM loan RETURNING *) SELECT * FROM gone', 'bad');
SELECT * FROM mlops.train('m', 'SELECT * FROM loan FOR UPDATE', 'bad');
SELECT * FROM mlops.train('m', 'SELECT * INTO other FROM loan', 'bad');
SELECT * FROM mlops.train('m', 'EXPLAIN SELECT * FROM loan', 'bad');
SELECT * FROM mlops.train('m', 'BEGIN', 'bad');
SELECT * FROM mlops.train('m', 'SELECT age, bad, writes() AS w FROM loan', 'bad');
SELECT count(*) FROM written;
SELECT * FROM mlops.train('m', 'SELECT 1 / (age - age) AS x, bad FROM loan', 'bad');

-- columns
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'Bad');
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'bad', key => 'id');
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'bad', features => '{age,purpose}');
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'bad', features => '{age,age}');
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'bad', features => '{age,NULL}');
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'bad', features => '{}');
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'bad', features => '{age,bad}');
SELECT * FROM mlops.train('m', 'SELECT id, bad FROM loan', 'bad', key => 'id');
SELECT * FROM mlops.train('m', 'SELECT id, bad FROM loan', 'bad', key => 'bad');
SELECT * FROM mlops.train('m', 'SELECT FROM loan', 'bad');
SELECT * FROM mlops.train('m', 'SELECT max(age), min(income) AS max, bad FROM loan GROUP BY bad', 'bad');
SELECT * FROM mlops.train('m', 'SELECT term, age, bad FROM loan', 'bad');
SELECT * FROM mlops.train('m', 'SELECT age, term FROM loan', 'term');
SELECT * FROM mlops.train('m', 'SELECT age, at FROM loan', 'at');
SELECT * FROM mlops.train('m', 'SELECT age, at, bad FROM loan', 'bad', key => 'at');

-- values
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan WHERE false', 'bad');
SELECT * FROM mlops.train('m', 'SELECT age, NULL::boolean AS bad FROM loan', 'bad');
SELECT * FROM mlops.train('m', 'SELECT age, true AS bad FROM loan', 'bad');
SELECT * FROM mlops.train('m', 'SELECT age, 7.5 AS amount FROM loan', 'amount');
SELECT * FROM mlops.train('m', 'SELECT age, ''NaN''::float8 AS amount FROM loan', 'amount');
SELECT * FROM mlops.train('m', 'SELECT age, 1e300::float8 AS amount FROM loan', 'amount');
SELECT * FROM mlops.train('m', 'SELECT age, ''infinity''::date AS due, bad FROM loan', 'bad');
SELECT * FROM mlops.train('m', 'SELECT nullif(id, 7) AS id, age, bad FROM loan', 'bad', key => 'id');
SELECT * FROM mlops.train('m', 'SELECT 1 AS one, 5.0 + (i = 1)::int AS amount FROM generate_series(1, 2) i', 'amount',
                          split => '{"test": 0.9}');
SELECT * FROM mlops.train('m', 'SELECT i::text AS name, i AS amount FROM generate_series(1, 70000) i', 'amount');
SELECT * FROM mlops.train('m', 'SELECT 1 AS one, i::text AS name FROM generate_series(1, 2000) i', 'name');
SELECT * FROM mlops.train('m', 'SELECT 1 AS one, i FROM generate_series(1, 2000) i', 'i', '{"objective": "multi:softprob"}');
SELECT * FROM mlops.train('m', 'SELECT 1 AS one, repeat(i::text, 2000) AS name FROM generate_series(1, 2000) i', 'name');

-- label and objective
SELECT * FROM mlops.train('m', 'SELECT age, outcome FROM loan', 'outcome', positive => 'Bad');
SELECT * FROM mlops.train('m', 'SELECT age, purpose FROM loan', 'purpose', positive => 'car');
SELECT * FROM mlops.train('m', 'SELECT age, purpose FROM loan', 'purpose', '{"objective": "binary:logistic"}');
SELECT * FROM mlops.train('m', 'SELECT age, purpose FROM loan', 'purpose', '{"objective": "multi:softprob"}', positive => 'car');
SELECT * FROM mlops.train('m', 'SELECT age, purpose FROM loan', 'purpose', '{"objective": "reg:squarederror"}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', '{"objective": "reg:logistic"}');
SELECT * FROM mlops.train('m', 'SELECT age, income FROM loan', 'income', '{"objective": "multi:softmax"}');
SELECT * FROM mlops.train('m', 'SELECT age, income FROM loan', 'income', '{"objective": "binary:logistic"}');
SELECT * FROM mlops.train('m', 'SELECT age, income FROM loan', 'income', positive => '1');
SELECT * FROM mlops.train('m', 'SELECT age, income FROM loan', 'income', class_weight => '"balanced"');
SELECT * FROM mlops.train('m', 'SELECT age, income FROM loan', 'income', '{"objective": "rank:pairwise"}');
SELECT * FROM mlops.train('m', 'SELECT age, income FROM loan', 'income', '{"objective": "survival:cox"}');
SELECT * FROM mlops.train('m', 'SELECT age, income FROM loan', 'income', '{"objective": "reg:nonsense"}');

-- params
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', '[1]');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', '{"eta": null}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', '{"eta": [1]}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', '{"objective": {}}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', '{"eval_metric": ["auc", 1]}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', '{"nthread": 8}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', '{"seed": 8}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', '{"num_class": 8}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', '{"feature_weights": [1]}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', '{"tree_method": "gpu_hist"}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', '{"booster": "gblinear"}');
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'bad', '{"monotone_constraints": "(1,0)"}');
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'bad', '{"monotone_constraints": {"agee": 1}}');
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'bad', '{"monotone_constraints": {"age": 2}}');
SELECT * FROM mlops.train('m', 'SELECT age, purpose, bad FROM loan', 'bad', '{"monotone_constraints": {"purpose": 1}}');
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'bad', '{"interaction_constraints": [["age", "x"]]}');
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'bad', '{"interaction_constraints": ["age"]}');
SELECT * FROM mlops.train('m', 'SELECT age, income, bad FROM loan', 'bad', '{"interaction_constraints": [[["age"]]]}');

-- the other arguments
SELECT * FROM mlops.train(NULL, 'SELECT age, bad FROM loan', 'bad');
SELECT * FROM mlops.train('m', NULL, 'bad');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', NULL);
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', params => NULL);
SELECT * FROM mlops.train('m/1', 'SELECT age, bad FROM loan', 'bad');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', rounds => 0);
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', early_stopping_rounds => -1);
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', split => '0.3');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', split => '{"train": 0.7}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', split => '{"test": 1}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', split => '{"test": "0.3"}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', split => '{"test": 0.5, "validation": 0.5}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', split => '{"test": 0.9}', early_stopping_rounds => 5);
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', class_weight => '"fair"');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', class_weight => '{}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', class_weight => '{"true": 0}');
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', class_weight => '{"yes": 2}');

-- a transaction that may not write
BEGIN READ ONLY;
SELECT * FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad');
ROLLBACK;

-- a label that may not be what it looks like, and a model for another task
BEGIN;
SELECT trained.model, version FROM mlops.train('m', 'SELECT age, (bad::int + 1)::numeric AS n FROM loan', 'n', rounds => 2) trained;
SELECT trained.model, version FROM mlops.train('m', 'SELECT age, bad FROM loan', 'bad', rounds => 2) trained;
ROLLBACK;

-- nothing of all this was left
SELECT count(*) FROM mlops.models WHERE model = 'm';
SELECT count(*) FROM mlops.runs WHERE model = 'm';

SET client_min_messages = warning;
DROP SCHEMA training_test CASCADE;
