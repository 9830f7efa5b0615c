-- Training: tasks and labels, split, dictionaries, parameters, record, rights.
\set ECHO none
\set QUIET 1
BEGIN;
SELECT plan(222);

SET LOCAL client_min_messages = warning;
CREATE SCHEMA training_test;
SET LOCAL search_path = training_test, public;

CREATE TYPE grade AS ENUM ('low', 'mid', 'high');
CREATE DOMAIN years AS integer CHECK (VALUE >= 0);
CREATE DOMAIN word AS text;

-- 1,000 loans; bad depends on income, purpose and grade, with some noise
CREATE TABLE loan AS
    SELECT i AS id,
           (20 + i * 7919 % 50)::years AS age,
           (i * 104729 % 9973)::numeric(10, 2) AS income,
           CASE WHEN i % 11 = 0 THEN NULL ELSE sqrt((i * 31337 % 8191)::float8) END AS amount,
           (ARRAY['travel', 'car', 'home', 'Boat'])[i * 613 % 4 + 1]::word AS purpose,
           (ARRAY['low', 'mid', 'high'])[i * 131 % 3 + 1]::grade AS grade,
           i % 3 = 0 AS employed,
           date '2020-01-01' + i % 700 AS opened,
           timestamptz '2020-01-01 00:00:00+00' + i * interval '7 hours' AS seen,
           5 AS constant,
           NULL::float4 AS nothing
    FROM generate_series(1, 1000) i;
ALTER TABLE loan ADD bad boolean, ADD outcome text, ADD y integer, ADD price float8, ADD kind text, ADD class integer;
UPDATE loan SET bad = (income / 100 + (purpose = 'car')::int * 30 + (grade = 'high')::int * 20 + id * 6151 % 40 > 85);
UPDATE loan SET outcome = CASE WHEN bad THEN 'bad' ELSE 'good' END,
                y = bad::int,
                price = income * 3 + age * 10 + coalesce(amount, 50),
                kind = CASE WHEN income < 3000 THEN 'c' WHEN income < 6000 THEN 'B' ELSE 'a' END,
                class = CASE WHEN income < 3000 THEN 10 WHEN income < 6000 THEN 9 ELSE -1 END;

-- The part of a row by its key, as doc/training.md gives it.
CREATE FUNCTION part(key text, test float8, validation float8 DEFAULT 0, seed bigint DEFAULT 0) RETURNS text
    LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p < test THEN 'test' WHEN p < test + validation THEN 'validation' ELSE 'train' END
    FROM (SELECT ((pg_catalog.hashtextextended(key, seed) >> 11) & 9007199254740991) / 9007199254740992.0::float8 AS p) s $$;

CREATE FUNCTION run_record(model text, version integer DEFAULT 1) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT r.record FROM mlops.runs r WHERE r.model = $1 AND r.version = $2 $$;
CREATE FUNCTION signature(model text, version integer DEFAULT 1) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT v.signature FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id WHERE m.name = $1 AND v.version = $2 $$;
CREATE FUNCTION sha(model text, version integer DEFAULT 1) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(v.artifact_sha256, 'hex') FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id
    WHERE m.name = $1 AND v.version = $2 $$;
CREATE FUNCTION classes(model text, version integer DEFAULT 1) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT v.classes FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id WHERE m.name = $1 AND v.version = $2 $$;
CREATE FUNCTION task(model text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT m.task FROM mlops.models m WHERE m.model = $1 $$;
CREATE FUNCTION keys(object jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(k ORDER BY k COLLATE "C") FROM jsonb_object_keys(object) k $$;

\set all '''SELECT * FROM loan'''
\set plain '''SELECT id, age, income, amount, purpose, grade, employed, opened, seen, constant, nothing, bad FROM loan'''

--
-- The result, the version and the run
--
CREATE TEMP TABLE first AS
    SELECT * FROM mlops.train('first', :plain, 'bad', '{"max_depth": 3, "eta": "0.2", "eval_metric": ["auc", "logloss"]}',
                              key => 'id', rounds => 20, description => 'the first');
SELECT is((SELECT count(*) FROM first), 1::bigint, 'one row');
SELECT is((SELECT model::text FROM first), 'first/1', 'the reference');
SELECT is((SELECT version FROM first), 1, 'the version');
SELECT is((SELECT keys(metrics) FROM first),
          '{accuracy,auc,base_rate,brier,f1,gini,ks,log_loss,mcc,n_test,n_train,pr_auc,precision,recall}',
          'the measures of a binary model');
SELECT ok((SELECT (metrics->>'auc')::float8 BETWEEN 0.85 AND 1 FROM first), 'it learned something');
SELECT is(task('first'), 'binary', 'the model is made, with its task');
SELECT is((SELECT v.metrics FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id WHERE m.name = 'first'),
          (SELECT metrics FROM first), 'the version has the metrics');
SELECT is((SELECT v.source || ', ' || v.description FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id WHERE m.name = 'first'),
          'train, the first', 'source and description');
SELECT is((SELECT model::text FROM mlops.train('first', :plain, 'bad', key => 'id', rounds => 3)), 'first/2',
          'the next one is version 2');
SELECT is(keys(run_record('first')),
          '{arguments,class_weight,classes,constant_features,data_hash,extension_version,features,history,hold_out,key,label,label_type,library,library_version,matrix,params,positive,query,relations,rounds,rows,sample,seconds,seed,server_version,split,threads}',
          'the members of a record');
SELECT is(run_record('first')->>'query', :plain, 'record: query');
SELECT is(run_record('first')->>'label', 'bad', 'record: label');
SELECT is(run_record('first')->>'label_type', 'boolean', 'record: type of the label');
SELECT is(run_record('first')->>'key', 'id', 'record: key');
SELECT is(run_record('first')->'features',
          '["age", "income", "amount", "purpose", "grade", "employed", "opened", "seen", "constant", "nothing"]',
          'record: features, without label and key');
SELECT is(run_record('first')->'constant_features', '["constant", "nothing"]', 'record: features that do not vary');
SELECT is(run_record('first')->'params',
          '{"objective": "binary:logistic", "seed": "0", "nthread": "1", "tree_method": "hist", "max_depth": "3", "eta": "0.2", "eval_metric": ["auc", "logloss"]}',
          'record: every parameter, also the ones that we set');
SELECT is(run_record('first')->'split', '{"test": 0.3, "validation": 0, "by": "key"}', 'record: split');
SELECT is(run_record('first')->'rounds', '{"asked": 20, "trained": 20, "best": 19, "early_stopping": 0}', 'record: rounds');
SELECT is(run_record('first')->'relations', '["training_test.loan"]', 'record: relations');
SELECT is((run_record('first')->'rows'->>'read')::int, 1000, 'record: rows read');
SELECT is((run_record('first')->'rows'->>'train')::int + (run_record('first')->'rows'->>'test')::int, 1000,
          'record: every row is in a part');
SELECT is(run_record('first')->'rows'->'test', (SELECT metrics->'n_test' FROM first), 'as many test rows as the metrics say');
SELECT is(run_record('first')->'rows'->'train', (SELECT metrics->'n_train' FROM first), 'as many training rows');
SELECT ok((run_record('first')->'seconds'->>'boosting')::float8 > 0, 'record: time of boosting');
SELECT alike(run_record('first')->>'library_version', '_.%.%', 'record: version of the library');
SELECT ok((SELECT r.started_at BETWEEN now() AND r.finished_at AND r.finished_at <= clock_timestamp()
           FROM mlops.runs r WHERE r.model = 'first' AND r.version = 1), 'times of the run');

-- signature
SELECT is((SELECT array_agg((f->>'name') || ' ' || (f->>'type') || ' ' || (f->>'kind') ORDER BY i)
           FROM jsonb_array_elements(signature('first')) WITH ORDINALITY t (f, i)),
          ARRAY['age integer numeric', 'income numeric numeric', 'amount double precision numeric',
                'purpose text categorical', 'grade training_test.grade categorical', 'employed boolean boolean',
                'opened date numeric', 'seen timestamp with time zone numeric', 'constant integer numeric',
                'nothing real numeric'],
          'signature: name, type without its domain, kind');
SELECT is(signature('first')->3->'categories', '["Boat", "car", "home", "travel"]', 'text categories in order of bytes');
SELECT is(signature('first')->4->'categories', '["low", "mid", "high"]', 'enum categories in the enum''s order');

--
-- The hold-out metrics are those of SQL
--
CREATE TEMP TABLE scored AS
    SELECT l.bad, mlops.predict('first/1', l) AS p FROM loan l WHERE part(l.id::text, 0.3) = 'test';
SELECT is((SELECT count(*) FROM scored), (SELECT (metrics->>'n_test')::bigint FROM first), 'the same test rows by the documented hash');
SELECT is((SELECT mlops.auc(bad, p) FROM scored), (SELECT (metrics->>'auc')::float8 FROM first), 'auc');
SELECT is((SELECT mlops.ks(bad, p) FROM scored), (SELECT (metrics->>'ks')::float8 FROM first), 'ks');
SELECT is((SELECT mlops.gini(bad, p) FROM scored), (SELECT (metrics->>'gini')::float8 FROM first), 'gini');
SELECT is((SELECT mlops.pr_auc(bad, p) FROM scored), (SELECT (metrics->>'pr_auc')::float8 FROM first), 'pr_auc');
SELECT ok((SELECT abs(mlops.log_loss(bad, p) - (SELECT (metrics->>'log_loss')::float8 FROM first)) < 1e-12 FROM scored), 'log_loss');
SELECT ok((SELECT abs(mlops.brier(bad, p) - (SELECT (metrics->>'brier')::float8 FROM first)) < 1e-12 FROM scored), 'brier');
SELECT ok((SELECT abs(avg((bad = (p >= 0.5))::int)::float8 - (SELECT (metrics->>'accuracy')::float8 FROM first)) < 1e-12 FROM scored), 'accuracy');
SELECT ok((SELECT abs((count(*) FILTER (WHERE bad AND p >= 0.5))::float8 / count(*) FILTER (WHERE p >= 0.5)
                      - (SELECT (metrics->>'precision')::float8 FROM first)) < 1e-12 FROM scored), 'precision');
SELECT ok((SELECT abs((count(*) FILTER (WHERE bad AND p >= 0.5))::float8 / count(*) FILTER (WHERE bad)
                      - (SELECT (metrics->>'recall')::float8 FROM first)) < 1e-12 FROM scored), 'recall');
SELECT ok((SELECT abs(avg(bad::int)::float8 - (SELECT (metrics->>'base_rate')::float8 FROM first)) < 1e-12 FROM scored), 'base_rate');

--
-- Labels and tasks
--
SELECT is(classes('first'), '{false,true}', 'boolean: true is positive');
SELECT lives_ok($$SELECT FROM mlops.train('bool', 'SELECT age, income, bad FROM loan', 'bad', rounds => 3, positive => 'false')$$, 'boolean, false is positive');
SELECT is(classes('bool'), '{true,false}', 'positive comes last');
SELECT ok((SELECT avg(mlops.predict('bool/1', l)) FILTER (WHERE NOT bad) > avg(mlops.predict('bool/1', l)) FILTER (WHERE bad) FROM loan l),
          'and is what predict gives the probability of');

SELECT lives_ok($$SELECT FROM mlops.train('text', 'SELECT income, purpose, outcome FROM loan', 'outcome', rounds => 3)$$, 'text of two values');
SELECT is(task('text'), 'binary', 'is binary');
SELECT is(classes('text'), '{bad,good}', 'the greater in order of bytes is positive');
SELECT is(run_record('text')->>'positive', 'good', 'which the record says');
SELECT lives_ok($$SELECT FROM mlops.train('text', 'SELECT income, purpose, outcome FROM loan', 'outcome', rounds => 3, positive => 'bad')$$, 'text with a positive class');
SELECT is(classes('text', 2), '{good,bad}', 'that one is last');

SELECT lives_ok($$SELECT FROM mlops.train('kinds', 'SELECT age, income, kind FROM loan', 'kind', rounds => 3)$$, 'text of three values');
SELECT is(task('kinds'), 'multiclass', 'is multiclass');
SELECT is(classes('kinds'), '{B,a,c}', 'classes in order of bytes');
SELECT is(run_record('kinds')->'params'->>'objective', 'multi:softprob', 'objective of more classes');
SELECT is(run_record('kinds')->'params'->>'num_class', '3', 'their number');
SELECT is((SELECT keys(v.metrics) FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id WHERE m.name = 'kinds'),
          '{accuracy,f1_macro,log_loss,mcc,n_test,n_train,precision_macro,recall_macro}', 'the measures of a multiclass model');
SELECT ok((SELECT (metrics->>'accuracy')::float8 > 0.95 AND (metrics->>'f1_macro')::float8 > 0.95
           FROM mlops.train('kinds', 'SELECT id, age, income, kind FROM loan', 'kind', key => 'id', rounds => 10)), 'it learned something');
CREATE TEMP TABLE kinds AS
    SELECT kind, mlops.predict_class('kinds/2', l) AS answer, mlops.predict_proba('kinds/2', l) AS p
    FROM loan l WHERE part(id::text, 0.3) = 'test';
SELECT ok((SELECT abs(avg((k.kind = answer)::int)::float8 - (r.metrics->>'accuracy')::float8) < 1e-12
           FROM kinds k, mlops.runs r WHERE r.model = 'kinds' AND r.version = 2 GROUP BY r.metrics), 'accuracy is that of predict_class');
SELECT ok((SELECT abs(avg(-ln(p[array_position('{B,a,c}'::text[], k.kind)])) - (r.metrics->>'log_loss')::float8) < 1e-9
           FROM kinds k, mlops.runs r WHERE r.model = 'kinds' AND r.version = 2 GROUP BY r.metrics), 'log_loss is that of predict_proba');
SELECT ok((SELECT abs(avg(f1) - (SELECT (r.metrics->>'f1_macro')::float8 FROM mlops.runs r WHERE r.model = 'kinds' AND r.version = 2)) < 1e-12
           FROM (SELECT 2.0::float8 * count(*) FILTER (WHERE kind = c AND answer = c)
                        / (count(*) FILTER (WHERE kind = c) + count(*) FILTER (WHERE answer = c)) AS f1
                 FROM kinds, unnest('{B,a,c}'::text[]) c GROUP BY c) f), 'f1_macro');
SELECT lives_ok($$SELECT FROM mlops.train('softmax', 'SELECT age, income, kind FROM loan', 'kind', '{"objective": "multi:softmax"}', rounds => 3)$$, 'multi:softmax');
SELECT ok((SELECT (r.metrics->>'log_loss')::float8 > 0 FROM mlops.runs r WHERE r.model = 'softmax'), 'has a log_loss, of its margins');

SELECT lives_ok($$SELECT FROM mlops.train('grade', 'SELECT age, income, grade FROM loan', 'grade', rounds => 2)$$, 'enum of three values');
SELECT is(classes('grade'), '{low,mid,high}', 'classes in the enum''s order');
SELECT lives_ok($$SELECT FROM mlops.train('grade2', 'SELECT age, income, grade FROM loan WHERE grade <> ''low''', 'grade', rounds => 2)$$, 'enum of two values');
SELECT is(classes('grade2'), '{mid,high}', 'the later of the enum is positive');

SELECT lives_ok($$SELECT FROM mlops.train('int01', 'SELECT age, income, y FROM loan', 'y', rounds => 2)$$, 'integers 0 and 1');
SELECT is(task('int01') || ' ' || classes('int01')::text, 'binary {0,1}', 'are binary');
SELECT lives_ok($$SELECT FROM mlops.train('int12', 'SELECT age, income, y + 1 AS y FROM loan', 'y', rounds => 2, positive => '1')$$, 'integers 1 and 2, with a positive one');
SELECT is(task('int12') || ' ' || classes('int12')::text, 'binary {2,1}', 'are binary');
SELECT lives_ok($$SELECT FROM mlops.train('int12b', 'SELECT age, income, y + 1 AS y FROM loan', 'y', '{"objective": "binary:logistic"}', rounds => 2)$$, 'integers 1 and 2, with a binary objective');
SELECT is(classes('int12b'), '{1,2}', 'are binary, the greater positive');
SELECT lives_ok($$SELECT FROM mlops.train('integer', 'SELECT age, income, class FROM loan', 'class', rounds => 2)$$, 'other integers');
SELECT is(task('integer'), 'regression', 'are a regression');
SELECT lives_ok($$SELECT FROM mlops.train('intclass', 'SELECT age, income, class::bigint AS class FROM loan', 'class', '{"objective": "multi:softprob"}', rounds => 2)$$, 'integers, with an objective for classes');
SELECT is(task('intclass') || ' ' || classes('intclass')::text, 'multiclass {-1,9,10}', 'are classes in order of numbers');
SELECT lives_ok($$SELECT FROM mlops.train('intweight', 'SELECT age, income, class::smallint AS class FROM loan', 'class', rounds => 2, class_weight => '"balanced"')$$, 'integers, with weights of classes');
SELECT is(task('intweight'), 'multiclass', 'are classes');
SELECT lives_ok($$SELECT FROM mlops.train('intreg', 'SELECT age, income, y FROM loan', 'y', '{"objective": "reg:logistic"}', rounds => 2)$$, 'integers 0 and 1, with an objective for regression');
SELECT is(task('intreg'), 'regression', 'are a regression');

SELECT lives_ok($$SELECT FROM mlops.train('price', 'SELECT id, age, income, amount, price FROM loan', 'price', key => 'id', rounds => 30)$$, 'float8');
SELECT is(task('price'), 'regression', 'is a regression');
SELECT is(classes('price'), NULL, 'without classes');
SELECT is(run_record('price')->'classes', 'null', 'in the record, too');
SELECT is((SELECT keys(r.metrics) FROM mlops.runs r WHERE r.model = 'price'), '{mae,n_test,n_train,r2,rmse}', 'the measures of a regression');
SELECT ok((SELECT abs(mlops.rmse(price, mlops.predict('price/1', l)) - (SELECT (r.metrics->>'rmse')::float8 FROM mlops.runs r WHERE r.model = 'price')) < 1e-2
           FROM loan l WHERE part(id::text, 0.3) = 'test'), 'rmse, of labels as float4');
SELECT ok((SELECT abs(mlops.r2(price, mlops.predict('price/1', l)) - (SELECT (r.metrics->>'r2')::float8 FROM mlops.runs r WHERE r.model = 'price')) < 1e-6
           FROM loan l WHERE part(id::text, 0.3) = 'test'), 'r2');
SELECT lives_ok($$SELECT FROM mlops.train('num01', 'SELECT age, income, y::numeric AS y FROM loan', 'y', '{"objective": "binary:logistic"}', rounds => 2)$$, 'numeric 0 and 1, with a binary objective');
SELECT is(task('num01') || ' ' || classes('num01')::text, 'binary {0,1}', 'is binary');
SELECT lives_ok($$SELECT FROM mlops.train('varchar', 'SELECT age, income, outcome::varchar(9) AS o FROM loan', 'o', rounds => 2)$$, 'varchar');
SELECT lives_ok($$SELECT FROM mlops.train('char', 'SELECT age, income, outcome::char(9) AS o FROM loan', 'o', rounds => 2)$$, 'char');
SELECT is(classes('char'), '{bad,good}', 'without its blanks');

SELECT lives_ok($$SELECT FROM mlops.train('raw', 'SELECT id, age, income, bad FROM loan', 'bad', '{"objective": "binary:logitraw"}', key => 'id', rounds => 5)$$, 'binary:logitraw');
SELECT ok((SELECT r.metrics->'log_loss' = 'null' AND r.metrics->'brier' = 'null' AND (r.metrics->>'auc')::float8 > 0.8 FROM mlops.runs r WHERE r.model = 'raw'),
          'gives no probabilities, so no log_loss and no brier');
SELECT ok((SELECT abs(avg((mlops.predict_class('raw/1', l) = bad::text)::int)::float8 - (SELECT (r.metrics->>'accuracy')::float8 FROM mlops.runs r WHERE r.model = 'raw')) < 1e-12
           FROM loan l WHERE part(id::text, 0.3) = 'test'), 'its accuracy is that of predict_class');
SELECT ok((SELECT (metrics->>'auc')::float8 > 0.8 FROM mlops.train('dart', 'SELECT id, age, income, amount, bad FROM loan', 'bad', '{"booster": "dart", "rate_drop": 0.3}', key => 'id', rounds => 20)), 'booster dart');
SELECT is((SELECT mlops.auc(bad, mlops.predict('dart/1', l)) FROM loan l WHERE part(id::text, 0.3) = 'test'),
          (SELECT (r.metrics->>'auc')::float8 FROM mlops.runs r WHERE r.model = 'dart'), 'scores as it was measured');
SELECT lives_ok($$SELECT FROM mlops.train('poisson', 'SELECT age, income, id % 7 AS n FROM loan', 'n', '{"objective": "count:poisson"}', rounds => 2)$$, 'count:poisson');

-- rows without a label
SELECT lives_ok($$SELECT FROM mlops.train('nulls', 'SELECT id, age, income, CASE WHEN id % 10 > 0 THEN bad END AS bad FROM loan', 'bad', key => 'id', rounds => 2)$$, 'a label that is sometimes NULL');
SELECT is(run_record('nulls')->'rows'->'skipped_null_label', '100', 'such rows are skipped and counted');
SELECT is((run_record('nulls')->'rows'->>'read')::int, 1000, 'and were read');
SELECT is((run_record('nulls')->'rows'->>'train')::int + (run_record('nulls')->'rows'->>'test')::int, 900, 'the others are in parts');
SELECT is((SELECT sum((c->>'train')::int + (c->>'test')::int) FROM jsonb_array_elements(run_record('nulls')->'classes') c), 900::bigint,
          'the classes'' rows add up');

--
-- Determinism and split
--
SELECT lives_ok($$SELECT FROM mlops.train('order', 'SELECT * FROM loan ORDER BY id', 'bad', params => '{"subsample": 0.7}', features => '{age,income,amount,purpose,grade}', rounds => 5)$$, 'in one order');
SELECT lives_ok($$SELECT FROM mlops.train('order', 'SELECT * FROM loan ORDER BY md5(id::text)', 'bad', params => '{"subsample": 0.7}', features => '{grade,purpose,amount,income,age}', rounds => 5)$$, 'in another');
SELECT is(sha('order', 2), sha('order', 1), 'the same rows in any order give the same model, bit for bit');
SELECT is(signature('order', 2), signature('order', 1), 'and the same dictionaries');
SELECT is((SELECT r2.metrics FROM mlops.runs r2 WHERE model = 'order' AND version = 2), (SELECT r1.metrics FROM mlops.runs r1 WHERE model = 'order' AND version = 1), 'and metrics');
SELECT lives_ok($$SELECT FROM mlops.train('order', 'SELECT * FROM loan', 'bad', params => '{"subsample": 0.7}', features => '{age,income,amount,purpose,grade}', rounds => 5, seed => 1)$$, 'with another seed');
SELECT isnt(sha('order', 3), sha('order', 1), 'another model');
SELECT lives_ok($$SELECT FROM mlops.train('order', 'SELECT * FROM loan l, generate_series(1, 2) i ORDER BY id', 'bad', params => '{"subsample": 0.7}', features => '{age,income,amount,purpose,grade}', rounds => 5)$$, 'with every row twice');
SELECT is((run_record('order', 4)->'rows'->>'test')::int, 2 * (run_record('order', 1)->'rows'->>'test')::int, 'equal rows are in one part');
SELECT is(run_record('order', 1)->'split'->>'by', 'content', 'without a key the content decides');

SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN ' || query; END $$;
SELECT ok((SELECT bool_or(line LIKE '%Gather%') FROM plan('SELECT * FROM loan') line), 'a parallel plan');
SELECT lives_ok($$SELECT FROM mlops.train('order', 'SELECT * FROM loan', 'bad', params => '{"subsample": 0.7}', features => '{age,income,amount,purpose,grade}', rounds => 5)$$, 'in parallel');
SELECT is(sha('order', 5), sha('order', 1), 'the same model');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

SELECT lives_ok($$SELECT FROM mlops.train('keyed', 'SELECT * FROM loan', 'bad', key => 'id', features => '{age,income}', split => '{"test": 0.25, "validation": 0.2}', rounds => 5, seed => 42)$$, 'three parts by key');
SELECT is(run_record('keyed')->'rows',
          (SELECT jsonb_build_object('read', 1000, 'skipped_null_label', 0,
                      'test', count(*) FILTER (WHERE p = 'test'), 'train', count(*) FILTER (WHERE p = 'train'),
                      'validation', count(*) FILTER (WHERE p = 'validation'))
           FROM (SELECT part(id::text, 0.25, 0.2, 42) p FROM loan) s), 'as the documented hash has it');
SELECT ok((run_record('keyed')->'rows'->>'test')::int BETWEEN 200 AND 300 AND (run_record('keyed')->'rows'->>'validation')::int BETWEEN 150 AND 250, 'about the shares that were asked for');
SELECT is(jsonb_array_length(run_record('keyed')->'history'), 5, 'validation rows give a line for each round');
SELECT alike(run_record('keyed')->'history'->>0, '%train-%validation-%', 'with both parts');
SELECT is((SELECT array_agg(DISTINCT sha('keyed', v) = sha('keyed', 1)) FROM generate_series(1, 1) v), '{t}', 'one version so far');
SELECT lives_ok(format($$SELECT FROM mlops.train('keyed', 'SELECT age, income, bad, %s AS k FROM loan', 'bad', key => 'k', features => '{age,income}', split => '{"test": 0.25, "validation": 0.2}', rounds => 5, seed => 42)$$, k),
                'key as ' || k)
    FROM unnest('{id::text,id::bigint,id::numeric,id::varchar,id::text::name,id::char(8)}'::text[]) k;
SELECT is((SELECT array_agg(DISTINCT sha('keyed', v) = sha('keyed', 1)) FROM generate_series(1, 7) v), '{t}', 'the key''s text counts, not its type');
SELECT lives_ok(format($$SELECT FROM mlops.train('keytypes', 'SELECT age, income, bad, %s AS k FROM loan', 'bad', key => 'k', rounds => 2)$$, k),
                'key as ' || k)
    FROM unnest('{id::smallint,date ''''2020-01-01'''' + id,md5(id::text)::uuid}'::text[]) k;
-- with few keys, and a seed that parts them
SELECT is((trained.metrics->>'n_test')::int, (SELECT count(*)::int FROM loan WHERE k = CASE i WHEN 1 THEN employed::text ELSE grade::text END),
          'key as ' || k || ' by its text')
FROM (VALUES (1, 'true', 'false', 'employed'), (2, 'high', 'low', 'grade')) v (i, k, other, name),
     LATERAL (SELECT min(seed) AS seed FROM generate_series(0, 99) seed
              WHERE part(k, 0.3, 0, seed) = 'test' AND part(other, 0.3, 0, seed) = 'train' AND part('mid', 0.3, 0, seed) = 'train') s,
     LATERAL mlops.train('fewkeys', format('SELECT age, income, bad, %I FROM loan', name), 'bad', key => name, rounds => 2, seed => s.seed) trained;

-- early stopping
SELECT lives_ok($$SELECT FROM mlops.train('early', 'SELECT id, age, income, amount, purpose, bad FROM loan', 'bad', '{"eta": 0.5, "max_depth": 6}', key => 'id', rounds => 400, early_stopping_rounds => 5)$$, 'early stopping');
SELECT ok((run_record('early')->'rounds'->>'trained')::int < 400, 'stops early');
SELECT is((run_record('early')->'rounds'->>'trained')::int, (run_record('early')->'rounds'->>'best')::int + 6, 'five rounds after the best one');
SELECT is((SELECT (v.info->>'rounds')::int FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id WHERE m.name = 'early'),
          (run_record('early')->'rounds'->>'best')::int + 1, 'the model is cut to the best one');
SELECT is(run_record('early')->'split', '{"test": 0.3, "validation": 0.1, "by": "key"}', 'with a validation part of its own');
SELECT is((run_record('early')->'rows'->>'test')::int, (SELECT count(*)::int FROM loan WHERE part(id::text, 0.3) = 'test'),
          'the test part is what it is without early stopping');

-- no hold-out
SELECT lives_ok($$SELECT FROM mlops.train('whole', 'SELECT age, income, bad FROM loan', 'bad', split => '{}', rounds => 2)$$, 'split {}');
SELECT ok((SELECT r.metrics->'auc' = 'null' AND r.metrics->'n_test' = '0' AND r.metrics->'n_train' = '1000' AND r.metrics ? 'note' FROM mlops.runs r WHERE r.model = 'whole'),
          'the metrics are null, and say why');
-- one class in the test part
SELECT lives_ok($$SELECT FROM mlops.train('oneclass', 'SELECT id, age, income, bad AND part(id::text, 0.3) <> ''test'' AS bad FROM loan', 'bad', key => 'id', rounds => 2)$$, 'one class in the test part');
SELECT ok((SELECT r.metrics->'auc' = 'null' AND r.metrics->'gini' = 'null' AND r.metrics->'ks' = 'null' AND (r.metrics->>'base_rate')::float8 = 0 FROM mlops.runs r WHERE r.model = 'oneclass'),
          'what is not defined is null');

-- categories
SELECT lives_ok($$SELECT FROM mlops.train('rare', 'SELECT id, income, CASE WHEN part(id::text, 0.3) = ''test'' AND id % 5 = 0 THEN ''rare'' ELSE purpose END AS purpose, bad FROM loan', 'bad', key => 'id', rounds => 5)$$, 'a category in the test part only');
SELECT is(signature('rare')->1->'categories', '["Boat", "car", "home", "travel"]', 'is not in the dictionary');
SELECT is((SELECT mlops.auc(bad, mlops.predict('rare/1', jsonb_build_object('income', income, 'purpose', CASE WHEN id % 5 = 0 THEN 'rare' ELSE purpose END)))
           FROM loan WHERE part(id::text, 0.3) = 'test'), (SELECT (r.metrics->>'auc')::float8 FROM mlops.runs r WHERE r.model = 'rare'),
          'and is missing in the metrics as in SQL');
SELECT lives_ok($$SELECT FROM mlops.train('nocat', 'SELECT income, NULL::text AS purpose, bad FROM loan', 'bad', rounds => 2)$$, 'a category that is always NULL');
SELECT is(signature('nocat')->1->'categories', '[]', 'has an empty dictionary');
SELECT ok(mlops.predict('nocat/1', '{"income": 5, "purpose": "new"}'::jsonb) BETWEEN 0 AND 1, 'and scores');
SELECT lives_ok($$SELECT FROM mlops.train('nan', 'SELECT id, age, CASE WHEN id % 9 = 0 THEN ''NaN'' ELSE income END AS income, bad FROM loan', 'bad', key => 'id', rounds => 5)$$, 'NaN');
SELECT lives_ok($$SELECT FROM mlops.train('nan', 'SELECT id, age, CASE WHEN id % 9 > 0 THEN income END AS income, bad FROM loan', 'bad', key => 'id', rounds => 5)$$, 'NULL instead');
SELECT is(sha('nan', 2), sha('nan', 1), 'is the same');
SELECT lives_ok($$SELECT FROM mlops.train('zero', 'SELECT age, income, (CASE WHEN id % 2 = 0 THEN ''-0'' ELSE ''0'' END)::float8 AS zero, bad FROM loan', 'bad', rounds => 2)$$, 'zero with both signs');
SELECT is(run_record('zero')->'constant_features', '["zero"]', 'is one value');

--
-- Constraints by name, weights
--
CREATE FUNCTION falls(model text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM (
        SELECT p < lag(p) OVER (PARTITION BY age ORDER BY income) AS fall
        FROM (SELECT age, income, mlops.predict(model::mlops.modelref, jsonb_build_object('age', age, 'income', income, 'amount', 40)) AS p
              FROM generate_series(20, 60, 10) age, generate_series(0, 10000, 50) income) g) f
    WHERE fall $$;
SELECT lives_ok($$SELECT FROM mlops.train('free', 'SELECT id, age, income, amount, bad FROM loan', 'bad', key => 'id', rounds => 30)$$, 'without constraint');
SELECT ok(falls('free/1') > 0, 'the score falls with rising income here and there');
SELECT lives_ok($$SELECT FROM mlops.train('free', 'SELECT id, age, income, amount, bad FROM loan', 'bad', '{"monotone_constraints": {"income": 1}}', key => 'id', rounds => 30)$$, 'with a monotone constraint');
SELECT is(falls('free/2'), 0::bigint, 'it never does');
SELECT is(run_record('free', 2)->'params'->>'monotone_constraints', '(0,1,0)', 'by name: the second feature');
SELECT lives_ok($$SELECT FROM mlops.train('free', 'SELECT id, age, income, amount, bad FROM loan', 'bad', '{"interaction_constraints": [["amount", "age"], ["income"]]}', key => 'id', rounds => 5)$$, 'with interaction constraints');
SELECT is(run_record('free', 3)->'params'->>'interaction_constraints', '[[2, 0], [1]]', 'by name, too');

SELECT lives_ok($$SELECT FROM mlops.train('weight', 'SELECT id, age, income, outcome FROM loan', 'outcome', key => 'id', rounds => 5, positive => 'bad')$$, 'without weights');
SELECT lives_ok($$SELECT FROM mlops.train('weight', 'SELECT id, age, income, outcome FROM loan', 'outcome', key => 'id', rounds => 5, positive => 'bad', class_weight => '{"bad": 10}')$$, 'with one');
SELECT ok((SELECT avg(mlops.predict('weight/2', l)) - avg(mlops.predict('weight/1', l)) > 0.1 FROM loan l), 'moves the scores');
SELECT is((SELECT jsonb_object_agg(c->>'class', c->'weight') FROM jsonb_array_elements(run_record('weight', 2)->'classes') c), '{"bad": 10, "good": 1}', 'record: weights of the classes');
SELECT is(run_record('weight', 2)->>'class_weight', 'given', 'and where they are from');
SELECT lives_ok($$SELECT FROM mlops.train('weight', 'SELECT id, age, income, outcome FROM loan', 'outcome', key => 'id', rounds => 5, positive => 'bad', class_weight => '"balanced"')$$, 'balanced');
SELECT ok((SELECT abs(max((c->>'weight')::float8 * (c->>'train')::int) - min((c->>'weight')::float8 * (c->>'train')::int)) < 1e-6
           FROM jsonb_array_elements(run_record('weight', 3)->'classes') c), 'gives all classes the same sum');

--
-- What is read, and with whose rights
--
CREATE VIEW seen AS SELECT l.age, l.income, l.bad FROM loan l;
SELECT lives_ok($$SELECT FROM mlops.train('view', 'SELECT * FROM seen', 'bad', rounds => 2)$$, 'from a view');
SELECT is(run_record('view')->'relations', '["training_test.loan", "training_test.seen"]', 'which is recorded with the tables it reads');
CREATE TABLE parts (i int, b boolean) PARTITION BY RANGE (i);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (50);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (50) TO (100);
INSERT INTO parts SELECT i, i * 37 % 11 > 5 FROM generate_series(0, 99) i;
SELECT lives_ok($$SELECT FROM mlops.train('parts', 'SELECT * FROM parts', 'b', rounds => 2)$$, 'from a partitioned table, rows of this transaction');
SELECT is(run_record('parts')->'relations', '["training_test.parts"]', 'which is recorded by its own name');
SELECT lives_ok($$SELECT FROM mlops.train('values', 'WITH w AS (SELECT i, i * 37 % 11 > 5 AS b FROM generate_series(0, 99) i) TABLE w;', 'b', rounds => 2)$$, 'WITH and TABLE, ended by a semicolon');

CREATE TABLE written (i int);
CREATE SEQUENCE counted;
SELECT lives_ok($$INSERT INTO written VALUES (1)$$, 'the transaction can still write');
SELECT throws_ok($$SELECT FROM mlops.train('w', 'SELECT nextval(''counted'') AS n, bad FROM loan', 'bad')$$, '25006', NULL, 'but the query cannot');
SELECT lives_ok($$INSERT INTO written VALUES (1)$$, 'also after that error the transaction can');

CREATE ROLE training_test_maker;
CREATE ROLE training_test_other;
GRANT USAGE ON SCHEMA training_test TO training_test_maker, training_test_other;
SET LOCAL ROLE training_test_maker;
SELECT throws_ok($$SELECT FROM mlops.train('mine', 'SELECT age, income, bad FROM loan', 'bad')$$, '42501', NULL, 'EXECUTE has to be granted');
RESET ROLE;
GRANT EXECUTE ON FUNCTION mlops.train TO training_test_maker, training_test_other;
SET LOCAL ROLE training_test_maker;
SELECT throws_ok($$SELECT FROM mlops.train('mine', 'SELECT age, income, bad FROM loan', 'bad')$$, '42501', 'permission denied for table loan', 'the query has the rights of the caller');
RESET ROLE;
GRANT SELECT ON loan TO training_test_maker, training_test_other;
SET LOCAL ROLE training_test_maker;
SELECT is((SELECT model::text FROM mlops.train('mine', 'SELECT age, income, bad FROM loan', 'bad', rounds => 2)), 'mine/1', 'with rights on the table');
SET LOCAL ROLE training_test_other;
SELECT throws_ok($$SELECT FROM mlops.train('mine', 'SELECT 1 / (age - age) AS x, bad FROM loan', 'bad')$$, '42501', NULL, 'another''s model is refused before the query runs');
RESET ROLE;
SELECT is((SELECT owner::text FROM mlops.models WHERE model = 'mine'), 'training_test_maker', 'who trains the first version owns the model');

-- SQLSTATEs; the texts are in test/sql/training.sql
SELECT throws_ok(format($$SELECT FROM mlops.train('none', 'SELECT age, income, purpose, price, bad FROM loan', %s)$$, arguments), state, NULL, state || ': ' || arguments)
FROM (VALUES ('''bad'', ''{"max_depth": -1}''', '22023'),
             ('''bad'', ''{"no_such_parameter": 1}''', '22023'),
             ('''bad'', ''{"nthread": 2}''', '22023'),
             ('''bad'', ''{"objective": "rank:ndcg"}''', '0A000'),
             ('''bad'', ''{"booster": "gblinear"}''', '0A000'),
             ('''bad'', ''{"monotone_constraints": {"x": 1}}''', '42703'),
             ('''good''', '42703'),
             ('''price'', positive => ''1''', '22023')) t (arguments, state);
SELECT throws_like($$SELECT FROM mlops.train('none', 'SELECT age, bad FROM loan', 'bad', '{"max_depth": -1}')$$, '%max_depth%', 'libxgboost''s own words');
SELECT throws_like($$SELECT FROM mlops.train('none', 'SELECT age, - id AS n FROM loan', 'n', '{"objective": "count:poisson"}')$$, '%non%negative%', 'also about labels');
SELECT throws_ok($$SELECT FROM mlops.train('none', 'SELECT age, bad FROM loan WHERE bad', 'bad')$$, 'ML030', NULL, 'a constant label');
SELECT throws_ok($$SELECT FROM mlops.train('none', 'SELECT age, bad FROM loan WHERE false', 'bad')$$, 'ML030', NULL, 'no rows');
SELECT throws_ok($$SELECT FROM mlops.train('price', 'SELECT age, bad FROM loan', 'bad')$$, 'ML021', NULL, 'a model for another task');
SELECT throws_ok($$SELECT FROM mlops.train('price', 'SELECT age, bad FROM loan', 'bad', '{"max_depth": -1}')$$, 'ML021', NULL, 'which is seen before the library begins');
SELECT throws_ok($$SELECT FROM mlops.train('none', 'SELECT age, 1e39::float8 AS x, bad FROM loan', 'bad')$$, 'ML030', NULL, 'a feature beyond float4');
--
-- Quantised matrices, and samples
--
CREATE TABLE wide_loan AS
    SELECT i AS id, i * 7919 % 10007 AS a, sqrt(i * 31337::float8) AS b, CASE WHEN i % 13 > 0 THEN (ARRAY['x', 'y', 'z'])[i % 3 + 1] END AS c,
           i * 7919 % 10007 + i % 50 * 60 > 7000 AS bad, 'c' || i % 3 AS class
    FROM generate_series(1, 20000) i;
CREATE FUNCTION pg_temp.quantile(query text, matrix text DEFAULT 'quantile', sample float8 DEFAULT 1, label text DEFAULT 'bad', weight jsonb DEFAULT NULL) RETURNS int
    LANGUAGE sql AS $$ SELECT version FROM mlops.train('quantile_' || label, query, label, '{"max_depth": 4}', key => 'id', features => '{a,b,c}', rounds => 20, early_stopping_rounds => 5,
                                                       class_weight => weight, sample => sample, matrix => matrix) $$;
CREATE FUNCTION pg_temp.record(version int, label text DEFAULT 'bad') RETURNS jsonb LANGUAGE sql AS
    $$ SELECT r.record || jsonb_build_object('metrics', r.metrics) FROM mlops.runs r WHERE r.model = 'quantile_' || $2 AND r.version = $1 $$;
CREATE FUNCTION pg_temp.hash(version int) RETURNS text LANGUAGE sql AS
    $$ SELECT sha256 FROM mlops.versions v WHERE v.model = 'quantile_bad' AND v.version = $1 $$;
SELECT pg_temp.quantile('SELECT * FROM wide_loan', 'exact') AS exact, pg_temp.quantile('SELECT * FROM wide_loan') AS quantile,
       pg_temp.quantile('SELECT * FROM wide_loan ORDER BY md5(id::text)') AS shuffled \gset
SELECT is(pg_temp.record(:exact)->>'matrix', 'exact', 'a matrix is exact by default');
SELECT is(pg_temp.record(:quantile)->>'matrix', 'quantile', 'another is recorded');
SELECT is(pg_temp.record(:quantile)->'data_hash', pg_temp.record(:exact)->'data_hash', 'the data are the same');
SELECT is(pg_temp.record(:quantile)->'rows', pg_temp.record(:exact)->'rows', 'and their parts');
SELECT ok(abs((pg_temp.record(:quantile)->'metrics'->>'auc')::float8 - (pg_temp.record(:exact)->'metrics'->>'auc')::float8) < 0.005, 'and the model nearly');
SELECT is(pg_temp.hash(:shuffled), pg_temp.hash(:quantile), 'rows in another order give the same model');
SET LOCAL maintenance_work_mem = '1MB';
SELECT is(pg_temp.hash(pg_temp.quantile('SELECT * FROM wide_loan')), pg_temp.hash(:quantile), 'also sorted on disk');
RESET maintenance_work_mem;
SELECT results_eq(format('SELECT r.same_artifact, r.same_data FROM mlops.runs, mlops.repeat_run(id) r WHERE model = ''quantile_bad'' AND version = %s', :quantile), 'VALUES (true, true)', 'it can be repeated');
SELECT ok(jsonb_array_length(pg_temp.record(:quantile)->'history') > 5 AND pg_temp.record(:quantile)->'history'->>0 LIKE '%validation-%', 'early stopping sees the validation part');
SELECT is((SELECT count(*) FROM mlops.verify_model(('quantile_bad/' || :quantile)::mlops.modelref) WHERE verdict = 'pass'), 5::bigint, 'libxgboost gives the golden rows the same margins');
SELECT is(pg_temp.record(pg_temp.quantile('SELECT * FROM wide_loan', label => 'class'), 'class')->>'matrix', 'quantile', 'of several classes');
SELECT is(pg_temp.record(pg_temp.quantile('SELECT id, a, b, c, a - b AS y FROM wide_loan', label => 'y'), 'y')->>'matrix', 'quantile', 'of a number');
SELECT isnt(pg_temp.hash(pg_temp.quantile('SELECT * FROM wide_loan', weight => '"balanced"')), pg_temp.hash(:quantile), 'weights count');

SELECT pg_temp.quantile('SELECT * FROM wide_loan', 'exact', 0.1) AS sample, pg_temp.quantile('SELECT * FROM wide_loan ORDER BY b', 'exact', 0.1) AS again,
       pg_temp.quantile('SELECT * FROM wide_loan', 'exact', 0.2) AS more, pg_temp.quantile('SELECT * FROM wide_loan', 'quantile', 0.1) AS quantile_sample \gset
SELECT is(pg_temp.record(:sample)->'sample', '0.1', 'a sample is recorded');
SELECT is((r->>'train')::int + (r->>'left_out_by_sample')::int, (pg_temp.record(:exact)->'rows'->>'train')::int, 'with what it left out') FROM (SELECT pg_temp.record(:sample)->'rows' AS r) s;
SELECT ok((r->>'train')::int BETWEEN 1100 AND 1450, 'a tenth of the training part') FROM (SELECT pg_temp.record(:sample)->'rows' AS r) s;
SELECT is(r - '{train,left_out_by_sample}'::text[], (pg_temp.record(:exact)->'rows') - 'train'::text, 'the other parts are whole') FROM (SELECT pg_temp.record(:sample)->'rows' AS r) s;
SELECT is(pg_temp.hash(:again), pg_temp.hash(:sample), 'the same rows in any order');
SELECT is(pg_temp.record(:quantile_sample)->'data_hash', pg_temp.record(:sample)->'data_hash', 'for either matrix');
SELECT results_eq(format('SELECT r.same_artifact FROM mlops.runs, mlops.repeat_run(id) r WHERE model = ''quantile_bad'' AND version = %s', :sample), 'VALUES (true)', 'and when it is repeated');
SELECT throws_ok($$SELECT pg_temp.quantile('SELECT * FROM wide_loan', 'exact', 'NaN')$$, '22023', NULL, 'a share is a number above 0');
SELECT throws_ok($$SELECT FROM mlops.train('none', 'SELECT * FROM wide_loan', 'bad', '{"tree_method": "exact"}', matrix => 'quantile')$$, '22023', NULL, 'only for histograms');

SET LOCAL mlops.train_memory_limit = '64MB';
SELECT throws_ok($$SELECT FROM mlops.train('none', 'SELECT i AS a, i * 2 AS b, i % 2 = 0 AS y FROM generate_series(1, (SELECT 10000000)) i', 'y')$$, '54000', NULL, 'data beyond the limit of memory, while they are read');
SELECT is((SELECT count(*) FROM mlops.models WHERE model = 'none'), 0::bigint, 'no error made a model');

SELECT * FROM finish();
ROLLBACK;
