-- Experiments: runs of trainings and others, metrics by step, comparison,
-- repetition, thresholds, rights.
\set ECHO none
\set QUIET 1
BEGIN;
SELECT plan(72);

SET LOCAL client_min_messages = warning;
CREATE SCHEMA experiment_test;
GRANT USAGE ON SCHEMA experiment_test TO PUBLIC;
SET LOCAL search_path = experiment_test, public;
CREATE TABLE loan AS
    SELECT i AS id, i * 7919 % 100 AS a, (i * 104729 % 1000) / 3.0 AS b, (ARRAY['x', 'y', 'z'])[1 + i % 3] AS c,
           i * 7919 % 100 + i % 37 > 80 AS bad, CASE WHEN i * 7919 % 100 + i % 37 > 80 THEN 'yes' ELSE 'no' END AS word,
           i % 3 AS class
    FROM generate_series(1, 1000) i;
CREATE FUNCTION run_of(model text, version int) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT r.id FROM mlops.runs r WHERE r.model = $1 AND r.version = $2 $$;

--
-- Trainings in an experiment
--
SET LOCAL mlops.experiment = 'churn';
SELECT version FROM mlops.train('trial', 'SELECT * FROM loan', 'bad', '{"eval_metric": ["auc", "logloss"], "max_depth": 2}', key => 'id', features => '{a,b,c}', rounds => 20, early_stopping_rounds => 3) \gset
SELECT version FROM mlops.train('trial', 'SELECT * FROM loan', 'bad', '{"max_depth": 4}', key => 'id', features => '{a,b,c}', rounds => 10) \gset
RESET mlops.experiment;
SELECT version FROM mlops.train('trial', 'SELECT * FROM loan', 'bad', '{"max_depth": 6}', key => 'id', features => '{a,b,c}', rounds => 10) \gset
SELECT results_eq($$SELECT experiment, runs, owner::text FROM mlops.experiments$$, $$SELECT 'churn', 2::bigint, current_user::text$$, 'the setting makes an experiment');
SELECT results_eq($$SELECT run, kind, model, version, status, params->>'max_depth' FROM mlops.experiment_runs ORDER BY run$$,
                  $$SELECT id, 'train', 'trial', version, 'finished', record->'params'->>'max_depth' FROM mlops.runs WHERE version <= 2 ORDER BY 1$$, 'of which trainings become part');
SELECT is((SELECT metrics FROM mlops.experiment_runs WHERE version = 1), (SELECT metrics FROM mlops.runs WHERE version = 1), 'with their metrics');
SELECT lives_ok($$SELECT mlops.add_run('churn', run_of('trial', 3), 'deep', run_of('trial', 2))$$, 'one can be added afterwards');
SELECT results_eq($$SELECT name, parent FROM mlops.experiment_runs WHERE version = 3$$, $$SELECT 'deep', run_of('trial', 2)$$, 'with name and parent');
SELECT throws_ok($$SELECT mlops.add_run('churn', run_of('trial', 2), NULL, run_of('trial', 3))$$, '22023', NULL, 'but not in a circle');
SELECT throws_ok($$SELECT mlops.add_run('other', run_of('trial', 2), NULL, run_of('trial', 3))$$, 'ML072', NULL, 'nor over experiments');
SELECT throws_ok($$SELECT mlops.add_run('churn', 0)$$, 'ML072', NULL, 'a run that is not there');

--
-- Learning curves
--
SELECT results_eq($$SELECT part, metric, count(*), min(step), max(step) + 1 FROM mlops.run_metrics WHERE model = 'trial' AND version = 1 GROUP BY 1, 2 ORDER BY 1, 2$$,
                  $$SELECT p, m, n, 0::bigint, n FROM (VALUES ('train'), ('validation')) x (p), (VALUES ('auc'), ('logloss')) y (m),
                    (SELECT jsonb_array_length(record->'history')::bigint AS n FROM mlops.runs WHERE version = 1) z ORDER BY 1, 2$$, 'each round of each part and metric');
SELECT version FROM mlops.train('dashes', 'SELECT id, a, abs(b) + 1 AS b, c FROM loan', 'b', '{"objective": "reg:gamma", "eval_metric": ["gamma-nloglik", "rmse"]}', key => 'id', rounds => 5, early_stopping_rounds => 3) \gset
SELECT set_eq($$SELECT DISTINCT part, metric FROM mlops.run_metrics WHERE model = 'dashes'$$,
              $$VALUES ('train', 'gamma-nloglik'), ('train', 'rmse'), ('validation', 'gamma-nloglik'), ('validation', 'rmse')$$, 'a metric with a dash in its name');
SELECT is((SELECT step FROM mlops.run_metrics WHERE version = 1 AND model = 'trial' AND part = 'validation' AND metric = 'logloss' ORDER BY value, step LIMIT 1),
          (SELECT (record->'rounds'->>'best')::bigint FROM mlops.runs WHERE model = 'trial' AND version = 1), 'the best is where early stopping saw it');

--
-- Runs made elsewhere
--
SELECT mlops.log_run('churn', '{"C": 0.5, "penalty": "l2"}', '{"auc": 0.61, "log_loss": 0.5}', 'logistic', tags => '{"library": "sklearn"}') AS logistic \gset
SELECT mlops.log_run('churn', '{"layers": 3}', name => 'network', status => 'running', started_at => '2025-01-01 00:00+00') AS network \gset
SELECT lives_ok(format('SELECT mlops.log_metric(%s, ''auc'', 0.5 + i / 10.0) FROM generate_series(1, 3) i', :network), 'metrics come one after the other');
SELECT lives_ok(format('SELECT mlops.log_metric(%s, ''loss'', ''NaN'', 100)', :network), 'a step can be given, and a value be NaN');
SELECT results_eq(format('SELECT metric, step, value FROM mlops.run_metrics WHERE run = %s ORDER BY 1, 2', :network),
                  $$VALUES ('auc', 0::bigint, 0.6::float8), ('auc', 1, 0.7), ('auc', 2, 0.8), ('loss', 100, 'NaN')$$, 'by step');
SELECT throws_ok(format('SELECT mlops.log_metric(%s, ''loss'', 1, 100)', :network), '23505', NULL, 'a step has one value');
SELECT throws_ok(format('SELECT mlops.log_metric(%s, ''loss'', NULL)', :network), '22004', NULL, 'which is not NULL');
SELECT throws_ok($$SELECT mlops.log_metric(run_of('trial', 1), 'loss', 1)$$, '55000', NULL, 'a training has its own');
SELECT results_eq(format('SELECT status, finished_at, metrics FROM mlops.experiment_runs WHERE run = %s', :network),
                  $$VALUES ('running', NULL::timestamptz, '{"auc": 0.8, "loss": null}'::jsonb)$$, 'the last value counts');
SELECT is((SELECT name FROM mlops.best_run('churn', 'auc', 'min')), 'logistic', 'a running run is not the best');
SELECT lives_ok(format('SELECT mlops.finish_run(%s)', :network), 'it ends');
SELECT throws_ok(format('SELECT mlops.finish_run(%s)', :network), '55000', NULL, 'once');
SELECT is((SELECT status FROM mlops.experiment_runs WHERE name = 'network'), 'finished', 'and is finished');
SELECT lives_ok(format('SELECT mlops.tag_run(%s, ''{"library": null, "reviewed": true}'')', :logistic), 'tags change');
SELECT is((SELECT tags FROM mlops.experiment_runs WHERE name = 'logistic'), '{"reviewed": true}'::jsonb, 'and go');
SELECT lives_ok(format('SELECT mlops.note_run(%1$s, ''first''), mlops.note_run(%1$s, ''second'')', :logistic), 'notes are added');
SELECT is((SELECT notes FROM mlops.experiment_runs WHERE name = 'logistic'), '{first,second}', 'and stay');
SELECT throws_ok(format('SELECT mlops.note_run(%s, '' '')', :logistic), '22004', NULL, 'an empty note');
SELECT throws_ok($$SELECT mlops.log_run('churn', metrics => '{"auc": "0.7"}')$$, '22023', NULL, 'a metric that is a text');
SELECT throws_ok($$SELECT mlops.log_run('churn', params => '[]')$$, '22023', NULL, 'params that are no object');
SELECT throws_ok($$SELECT mlops.log_run('churn', status => 'done')$$, '22023', NULL, 'a state that is none');
SELECT throws_ok($$SELECT mlops.log_run('churn', started_at => '2025-01-02', finished_at => '2025-01-01')$$, '22023', NULL, 'an end before the start');
SELECT throws_ok($$SELECT mlops.log_run('a/1')$$, '42602', NULL, 'a name that is none');
SELECT lives_ok($$SELECT mlops.create_experiment('planned', 'for later', '{"a": 1}')$$, 'an experiment can be made');
SELECT throws_ok($$SELECT mlops.create_experiment('planned')$$, '42710', NULL, 'once');
SELECT is((SELECT count(*)::int FROM mlops.runs WHERE model IS NULL), 0, 'runs of models are those of models');

--
-- Best and side by side
--
SELECT is((SELECT run FROM mlops.best_run('churn', 'auc')),
          (SELECT run FROM mlops.experiment_runs WHERE status = 'finished' ORDER BY (metrics->>'auc')::float8 DESC, run LIMIT 1), 'the best is so by number');
SELECT is((SELECT value FROM mlops.best_run('churn', 'log_loss')),
          (SELECT min((metrics->>'log_loss')::float8) FROM mlops.experiment_runs), 'less is better for a loss');
SELECT mlops.log_run('digits', metrics => '{"rmse": 9.5}', name => 'nine'), mlops.log_run('digits', metrics => '{"rmse": 10.5}', name => 'ten') \gset
SELECT is((SELECT name FROM mlops.best_run('digits', 'rmse')), 'nine', '9.5 is less than 10.5');
SELECT throws_ok($$SELECT * FROM mlops.best_run('churn', 'profit')$$, '22023', NULL, 'a metric of which it is not known');
SELECT is_empty($$SELECT * FROM mlops.best_run('churn', 'profit', 'max')$$, 'and which nobody has');
SELECT throws_ok($$SELECT * FROM mlops.best_run('none', 'auc')$$, 'ML072', NULL, 'an experiment that is not there');
SELECT results_eq(format('SELECT kind, name, "values", same FROM mlops.compare_runs(run_of(''trial'', 2), run_of(''trial'', 3), %s) WHERE name IN (''max_depth'', ''model'', ''penalty'', ''seed'')', :logistic),
                  $$VALUES ('run', 'model', '{trial/2,trial/3,NULL}'::text[], false), ('data', 'seed', '{0,0,NULL}', false), ('param', 'max_depth', '{4,6,NULL}', false),
                           ('param', 'penalty', '{NULL,NULL,l2}', false), ('param', 'seed', '{0,0,NULL}', false)$$, 'side by side');
SELECT is((SELECT same FROM mlops.compare_runs(run_of('trial', 2), run_of('trial', 3)) WHERE name = 'data_hash'), true, 'the same data');
SELECT throws_ok($$SELECT * FROM mlops.compare_runs(0)$$, 'ML072', NULL, 'a run that is not there');

--
-- Again
--
SELECT version FROM mlops.train('again', 'SELECT a, b, c, id, word FROM loan', 'word', '{"subsample": 0.6, "monotone_constraints": {"a": 1}, "interaction_constraints": [["a", "b"], ["c"]]}',
                                key => 'id', split => '{"test": 0.2}', rounds => 30, early_stopping_rounds => 4, seed => 11, class_weight => '{"yes": 2}', positive => 'no') \gset
SELECT version FROM mlops.train('numbers', 'SELECT a, b, c FROM loan', 'b', rounds => 5) \gset
SELECT version FROM mlops.train('classes', 'SELECT a, b, c, class FROM loan', 'class', '{"objective": "multi:softprob"}', rounds => 5, class_weight => '"balanced"') \gset
SELECT results_eq($$SELECT same_artifact, same_data, recorded_sha256 = sha256, recorded_library = library, differences FROM mlops.repeat_run(run_of('trial', 1))$$,
                  $$VALUES (true, true, true, true, '{}'::jsonb)$$, 'the same model');
SELECT results_eq($$SELECT m, r.same_artifact FROM unnest(ARRAY['again', 'classes', 'numbers']) m, LATERAL mlops.repeat_run(run_of(m, 1)) r ORDER BY 1$$,
                  $$VALUES ('again', true), ('classes', true), ('numbers', true)$$, 'of every task, with all arguments');
SELECT is((SELECT count(*)::int FROM mlops.versions WHERE model IN ('trial', 'again', 'classes', 'numbers')), 6, 'and no version more');
SELECT is(current_setting('mlops.train_threads') || current_setting('search_path'), '1experiment_test, public', 'nor a setting');
UPDATE loan SET b = b + 1 WHERE id = 3;
SELECT results_eq($$SELECT same_artifact, same_data, differences <> '{}' FROM mlops.repeat_run(run_of('numbers', 1))$$, 'VALUES (false, false, true)', 'other data, another model');
SELECT ok((SELECT (differences->'scores'->>'rows')::int = 1000 AND (differences->'scores'->>'max')::float8 BETWEEN 1e-6 AND 100
                  AND (differences->'scores'->>'mean')::float8 BETWEEN 1e-9 AND (differences->'scores'->>'max')::float8
           FROM mlops.repeat_run(run_of('numbers', 1))), 'of which the scores are compared');
SELECT ok((SELECT (differences->'scores'->>'max')::float8 > 0 AND NOT same_artifact FROM mlops.repeat_run(run_of('classes', 1))), 'of several classes too');
SELECT version FROM mlops.train('commented', 'SELECT a, b, c, bad FROM loan; -- a comment', 'bad', rounds => 2) \gset
UPDATE loan SET b = b + 100 WHERE id <= 300;
SELECT ok((SELECT (differences->'scores'->>'rows')::int = 1000 FROM mlops.repeat_run(run_of('commented', 1))), 'whatever ends the query');
SELECT results_eq($$SELECT part, metric, count(*) FROM mlops.run_metrics WHERE model = 'commented' GROUP BY 1, 2$$, $$VALUES ('train', 'logloss', 2::bigint)$$, 'every training has a learning curve');
SELECT throws_ok(format('SELECT * FROM mlops.repeat_run(%s)', :logistic), 'ML073', NULL, 'a run made elsewhere');

--
-- Thresholds
--
CREATE VIEW scored AS SELECT bad, mlops.predict('trial/2', l) AS p FROM loan l;
SELECT results_eq($$SELECT threshold, "precision", recall FROM mlops.choose_threshold('trial/2', 'SELECT * FROM loan', 'bad', maximize => 'recall', at_least => '{"precision": 0.95}')$$,
                  $$SELECT t, mlops.precision(bad, p >= t), mlops.recall(bad, p >= t) FROM scored, (SELECT DISTINCT p AS t FROM scored) x GROUP BY t
                    HAVING mlops.precision(bad, p >= t) >= 0.95 ORDER BY 3 DESC, 1 DESC LIMIT 1$$, 'the highest recall with a least precision');
SELECT results_eq($$SELECT threshold, fp, fn, cost_total FROM mlops.choose_threshold('trial/2', 'SELECT * FROM loan', 'bad', cost => '{"fp": 1, "fn": 5}')$$,
                  $$SELECT t, count(*) FILTER (WHERE NOT bad AND p >= t), count(*) FILTER (WHERE bad AND p < t),
                           (count(*) FILTER (WHERE NOT bad AND p >= t) + 5 * count(*) FILTER (WHERE bad AND p < t))::float8
                    FROM scored, (SELECT DISTINCT p AS t FROM scored) x GROUP BY t ORDER BY 4, 1 DESC LIMIT 1$$, 'the least cost');
SELECT is((SELECT threshold FROM mlops.choose_threshold('trial/2', 'SELECT * FROM loan', 'bad', cost => '{"fp": 1000}')), 'Infinity', 'that can be to call nobody positive');
SELECT results_eq($$SELECT model, version, threshold, record->'cost' FROM mlops.thresholds ORDER BY created_at DESC LIMIT 1$$,
                  $$VALUES ('trial', 2, 'Infinity'::float8, '{"fp": 1000}'::jsonb)$$, 'it is recorded with the version');
SELECT throws_ok($$SELECT * FROM mlops.choose_threshold('trial/2', 'SELECT * FROM loan', 'bad', maximize => 'recall', at_least => '{"precision": 1.1}')$$, '22023', NULL, 'what cannot be had');
SELECT throws_ok($$SELECT * FROM mlops.choose_threshold('trial/2', 'SELECT * FROM loan', 'bad')$$, '22023', NULL, 'nothing to choose by');
SELECT throws_ok($$SELECT * FROM mlops.choose_threshold('trial/2', 'SELECT * FROM loan', 'bad', cost => '{"fp; DROP": 1}')$$, '22023', NULL, 'a cost of something else');
SELECT throws_ok($$SELECT * FROM mlops.choose_threshold('trial/2', 'SELECT * FROM loan', 'bad', maximize => 'auc')$$, '22023', NULL, 'a measure without a threshold');
SELECT throws_ok($$SELECT * FROM mlops.choose_threshold('numbers/1', 'SELECT * FROM loan', 'b', maximize => 'f1')$$, 'ML021', NULL, 'a model for another task');
SELECT is((SELECT round(c.accuracy::numeric, 9) FROM mlops.choose_threshold('again/1', 'SELECT * FROM loan', 'word', maximize => 'accuracy') c),
          (SELECT round(max(s.accuracy)::numeric, 9) FROM (SELECT mlops.accuracy(l.word = 'no', l.p >= t) AS accuracy
              FROM (SELECT word, mlops.predict('again/1', l) AS p FROM loan l) l, (SELECT DISTINCT mlops.predict('again/1', l) AS t FROM loan l) x GROUP BY t) s),
          'positive is the class that the version says');

--
-- Rights
--
CREATE ROLE experiment_other;
GRANT EXECUTE ON FUNCTION mlops.log_run, mlops.add_run, mlops.log_metric, mlops.repeat_run, mlops.tag_run TO experiment_other;
SET LOCAL ROLE experiment_other;
SELECT is((SELECT count(*)::int FROM mlops.experiments) + (SELECT count(*)::int FROM mlops.experiment_runs) + (SELECT count(*)::int FROM mlops.run_metrics)
          + (SELECT count(*)::int FROM mlops.thresholds), 0, 'others see nothing');
SELECT throws_ok($$SELECT mlops.log_run('churn')$$, '42501', NULL, 'nor take a name');
SELECT throws_ok(format('SELECT mlops.tag_run(%s, ''{}'')', :logistic), 'ML072', NULL, 'nor tag a run');
SELECT throws_ok(format('SELECT * FROM mlops.compare_runs(%s)', :logistic), 'ML072', NULL, 'nor compare one');
SELECT ok(mlops.log_run('mine', name => 'first') > 0, 'but have experiments of their own');
SELECT results_eq('SELECT experiment, name FROM mlops.experiment_runs', $$VALUES ('mine', 'first')$$, 'which they see');
SELECT mlops.log_run('mine', record => '{"history": ["[0]\ttest-auc:none"]}') > 0 AS logged;
RESET ROLE;
SELECT mlops.grant_privilege('read', 'trial', 'experiment_other');
SELECT run_of('trial', 1) AS foreign_run
\gset
SET LOCAL ROLE experiment_other;
SELECT throws_ok(format('SELECT * FROM mlops.repeat_run(%s)', :foreign_run), '42501', NULL, 'who reads a model cannot have queries run as its maker');
RESET ROLE;
SELECT lives_ok('SELECT sum(value) FROM mlops.run_metrics', 'whose records cannot make a view fail for all');

SELECT * FROM finish();
ROLLBACK;
