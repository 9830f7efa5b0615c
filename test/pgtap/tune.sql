-- Searches for parameters: spaces, strategies, what is chosen and recorded, errors.
\set ECHO none
\set QUIET 1
BEGIN;
SELECT plan(66);

SET LOCAL client_min_messages = warning;
CREATE SCHEMA tune_test;
SET LOCAL search_path = tune_test, public;

CREATE TABLE loan AS
    SELECT i AS id, 20 + i * 7919 % 50 AS age, (i * 104729 % 9973)::numeric AS income, date '2024-01-01' + i % 250 AS day,
           i * 104729 % 9973 + i * 7907 % 3000 < 3500 AS bad
    FROM generate_series(1, 800) i;
ALTER TABLE loan ADD amount float8;
UPDATE loan SET amount = income * 2 + age * 30;
\set q '''SELECT id, age, income, bad FROM loan'''
\set mixed '''{"max_depth": {"low": 1, "high": 6, "int": true}, "eta": {"low": 0.01, "high": 0.5, "log": true}, "subsample": {"low": 0.5, "high": 1}, "grow_policy": ["depthwise", "lossguide"]}'''

-- what a search tried and found
CREATE FUNCTION found(model text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(format('%s %s %s', t.parameters, t.rounds, t.value), E'\n' ORDER BY t.trial) FROM mlops.trials t WHERE t.model = $1 $$;
CREATE FUNCTION run_record(model text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT r.record FROM mlops.runs r WHERE r.model = $1 AND r.kind = 'train' $$;

--
-- Grid
--
SELECT pg_stat_get_xact_numscans('loan'::regclass) AS scans \gset
CALL mlops.tune('grid', :q, 'bad', '{"max_depth": [1, 3], "eta": {"low": 0.1, "high": 0.4, "log": true, "steps": 3}, "grow_policy": ["depthwise"]}',
                strategy => 'grid', key => 'id', rounds => 10, split => '{"test": 0.25}') \gset
SELECT is(pg_stat_get_xact_numscans('loan'::regclass) - :scans, 1::bigint, 'the data are read once');
SELECT is(:trials_done, 6, 'a grid has all points');
SELECT is(:'version'::text, 'grid/1', 'the best becomes a version');
SELECT is((SELECT array_agg(DISTINCT parameters->>'eta' ORDER BY parameters->>'eta') FROM mlops.trials WHERE model = 'grid'), ARRAY['0.1', '0.2', '0.4'],
          'steps on a logarithmic scale');
SELECT is((SELECT count(DISTINCT parameters) FROM mlops.trials WHERE model = 'grid'), 6::bigint, 'no point twice');
SELECT is(:'value'::float8, (SELECT max(value) FROM mlops.trials WHERE model = 'grid'), 'more of auc is better');
SELECT is((SELECT array_agg(DISTINCT metric) FROM mlops.trials WHERE model = 'grid'), ARRAY['auc'], 'which is what a binary label is searched by');
SELECT is((SELECT mean FROM mlops.cross_validate('SELECT id, age, income, bad FROM loan WHERE mlops.split(id, 0, ''{"test": 0.25}'') = ''train''', 'bad',
                                                 parameters, rounds => 10, key => 'id', metrics => '{auc}')), value,
          'the value of a trial is what mlops.cross_validate() gives for the training part')
FROM mlops.trials WHERE model = 'grid' AND trial = 4;
SELECT ok((SELECT bool_and((metrics->>'auc')::float8 = value AND metrics ? 'log_loss_se') FROM mlops.trials WHERE model = 'grid'),
          'a trial has all metrics, with standard errors');
SELECT is((SELECT record->'search'->'best_trial' FROM mlops.runs WHERE model = 'grid' AND kind = 'train'),
          (SELECT to_jsonb(trial) FROM mlops.trials WHERE model = 'grid' ORDER BY value DESC, trial LIMIT 1), 'the lineage says which trial was the best');
SELECT is(jsonb_array_length(run_record('grid')->'search'->'trials'), 6, 'and has all of them');
SELECT is(run_record('grid')->'search'->'arguments'->'space'->'max_depth', '[1, 3]', 'and the space');
SELECT is(run_record('grid')->'arguments'->'params', (SELECT parameters FROM mlops.trials WHERE model = 'grid' ORDER BY value DESC, trial LIMIT 1),
          'the version was trained with its parameters');
SELECT is((run_record('grid')->'rows'->>'train')::bigint, (SELECT count(*) FROM loan WHERE mlops.split(id, 0, '{"test": 0.25}') = 'train'),
          'on all rows of the training part');
SELECT ok((SELECT same_artifact AND same_data FROM mlops.repeat_run((SELECT id FROM mlops.runs WHERE model = 'grid' AND kind = 'train'))),
          'mlops.repeat_run() repeats it');
SELECT is((SELECT (metrics->>'auc')::float8 FROM mlops.versions WHERE model = 'grid'),
          (SELECT mlops.auc(bad, mlops.predict('grid/1', loan)) FROM loan WHERE mlops.split(id, 0, '{"test": 0.25}') = 'test'),
          'its metrics are those of the test part, which no trial has seen');
SELECT is((SELECT status || ' ' || strategy || ' ' || metric || ' ' || trials_asked || ' ' || trials || ' ' || version FROM mlops.searches WHERE model = 'grid'),
          'finished grid auc 6 6 1', 'the search in its view');
SELECT is((SELECT string_agg(DISTINCT kind || ' ' || status, ',' ORDER BY kind || ' ' || status) FROM mlops.experiment_runs WHERE parent = :run),
          'train finished,trial finished', 'trials and version are children of its run');
SELECT is((SELECT count(*) FROM mlops.run_metrics WHERE run = (SELECT run FROM mlops.trials WHERE model = 'grid' AND trial = 1) AND part = 'fold 5 validation'),
          10::bigint, 'trials have learning curves');
CALL mlops.tune('grid', :q, 'bad', '{"max_depth": [1, 2, 3]}', strategy => 'grid', trials => 2, key => 'id', rounds => 5) \gset
SELECT is(:trials_done, 2, 'a grid can be cut short');

--
-- Random
--
CALL mlops.tune('random', :q, 'bad', :mixed, strategy => 'random', trials => 30, key => 'id', rounds => 3, folds => 2) \gset
SELECT is((SELECT count(*) FROM mlops.trials WHERE model = 'random' AND (parameters->>'max_depth')::int BETWEEN 1 AND 6), 30::bigint, 'integers within their range');
SELECT is((SELECT count(DISTINCT parameters->>'max_depth') FROM mlops.trials WHERE model = 'random'), 6::bigint, 'all of them');
SELECT is((SELECT count(*) FROM mlops.trials WHERE model = 'random' AND (parameters->>'eta')::float8 BETWEEN 0.01 AND 0.5), 30::bigint, 'numbers within theirs');
SELECT ok((SELECT count(*) BETWEEN 8 AND 22 FROM mlops.trials WHERE model = 'random' AND (parameters->>'eta')::float8 < sqrt(0.01 * 0.5)), 'half of them below the logarithmic middle');
SELECT ok((SELECT count(*) BETWEEN 8 AND 22 FROM mlops.trials WHERE model = 'random' AND (parameters->>'subsample')::float8 < 0.75), 'or the linear one');
SELECT ok((SELECT count(*) BETWEEN 8 AND 22 FROM mlops.trials WHERE model = 'random' AND parameters->>'grow_policy' = 'lossguide'), 'and half of two values');
CALL mlops.tune('random_again', :q, 'bad', :mixed, strategy => 'random', trials => 30, key => 'id', rounds => 3, folds => 2) \gset
SELECT is(found('random_again'), found('random'), 'the same seed gives the same trials');
CALL mlops.tune('random_else', :q, 'bad', :mixed, strategy => 'random', trials => 5, key => 'id', rounds => 3, folds => 2, seed => 7) \gset
SELECT isnt((SELECT parameters FROM mlops.trials WHERE model = 'random_else' AND trial = 1), (SELECT parameters FROM mlops.trials WHERE model = 'random' AND trial = 1),
            'another seed gives others');

--
-- TPE
--
-- far from the best the depth, near to it the rate: what it learns is to be near
CALL mlops.tune('tpe', 'SELECT id, age, income, amount FROM loan', 'amount', '{"eta": {"low": 0.001, "high": 1, "log": true}, "max_depth": {"low": 1, "high": 10, "int": true}}',
                trials => 40, key => 'id', rounds => 5, folds => 2) \gset
SELECT is((SELECT array_agg(DISTINCT metric) FROM mlops.trials WHERE model = 'tpe'), ARRAY['rmse'], 'a regression is searched by rmse');
SELECT is(:'value'::float8, (SELECT min(value) FROM mlops.trials WHERE model = 'tpe'), 'less of it is better');
SELECT ok((SELECT avg(value) FILTER (WHERE trial > 20) < avg(value) FILTER (WHERE trial <= 10) FROM mlops.trials WHERE model = 'tpe'),
          'later trials are better than those by chance');
SELECT ok((SELECT bool_and((parameters->>'eta')::float8 BETWEEN 0.001 AND 1 AND (parameters->>'max_depth')::int BETWEEN 1 AND 10) FROM mlops.trials WHERE model = 'tpe'),
          'and within the space');
CALL mlops.tune('tpe_again', 'SELECT id, age, income, amount FROM loan', 'amount', '{"eta": {"low": 0.001, "high": 1, "log": true}, "max_depth": {"low": 1, "high": 10, "int": true}}',
                trials => 14, key => 'id', rounds => 5, folds => 2) \gset
SELECT is(found('tpe_again'), (SELECT string_agg(format('%s %s %s', parameters, rounds, value), E'\n' ORDER BY trial) FROM mlops.trials WHERE model = 'tpe' AND trial <= 14),
          'a shorter search is the beginning of a longer one');

--
-- Halving
--
CALL mlops.tune('halving', :q, 'bad', :mixed, strategy => 'halving', trials => 22, key => 'id', rounds => 36, folds => 2) \gset
SELECT is((SELECT array_agg(rounds ORDER BY trial) FROM mlops.trials WHERE model = 'halving'),
          ARRAY[4, 4, 4, 4, 4, 4, 4, 4, 4, 12, 12, 12, 36, 12, 12, 12, 12, 12, 36, 36, 36, 36], 'brackets and rungs of 36 rounds');
SELECT is((SELECT array_agg(parameters ORDER BY trial) FROM mlops.trials WHERE model = 'halving' AND trial BETWEEN 10 AND 12),
          (SELECT array_agg(parameters ORDER BY value DESC, trial) FROM (SELECT * FROM mlops.trials WHERE model = 'halving' AND trial <= 9 ORDER BY value DESC, trial LIMIT 3) t),
          'the best third goes on');
SELECT is((SELECT parameters FROM mlops.trials WHERE model = 'halving' AND trial = 13),
          (SELECT parameters FROM mlops.trials WHERE model = 'halving' AND trial BETWEEN 10 AND 12 ORDER BY value DESC, trial LIMIT 1), 'and the best of that');
SELECT is((SELECT rounds FROM mlops.trials WHERE model = 'halving' AND trial = (run_record('halving')->'search'->>'best_trial')::int), 36,
          'only a trial with all rounds is the best');
SELECT throws_like(format($$CALL mlops.tune('halving_short', %L, 'bad', '{"max_depth": [1, 2]}', strategy => 'halving', trials => 5, key => 'id', rounds => 36)$$, :q),
                   'no trial of the search had all 36 rounds%', 'without one there is no version');

--
-- Early stopping, folds
--
CALL mlops.tune('stopping', :q, 'bad', '{"max_depth": [2, 3], "eta": [0.6]}', strategy => 'grid', key => 'id', rounds => 200, early_stopping_rounds => 5, params => '{"eval_metric": "auc"}') \gset
SELECT ok((run_record('stopping')->'rounds'->>'trained')::int < 195, 'with early stopping the version has fewer rounds');
SELECT is((run_record('stopping')->'rounds'->>'trained')::int,
          (SELECT round(avg(b.value::int + 1)) FROM mlops.experiment_runs r, jsonb_array_elements(r.record->'rounds'->'best') b
           WHERE r.run = (run_record('stopping')->'search'->>'best_run')::bigint)::int, 'as many as the best models of the folds have, in the mean');
CALL mlops.tune('holdout', :q, 'bad', '{"max_depth": [2, 3]}', strategy => 'grid', key => 'id', rounds => 5, folds => 1) \gset
SELECT is((SELECT array_agg(DISTINCT jsonb_array_length(record->'rounds'->'trained')) FROM mlops.experiment_runs WHERE parent = :run AND kind = 'trial'), ARRAY[1],
          'with one fold there is one model for each trial');
CALL mlops.tune('by_time', 'SELECT id, day, age, income, bad FROM loan', 'bad', '{"max_depth": [2, 3]}', strategy => 'grid', key => 'id', rounds => 5, folds => 3,
                time_column => 'day', metric => 'log_loss', split => '{}', experiment => 'tune_times') \gset
SELECT is(:'value'::float8, (SELECT min(value) FROM mlops.trials WHERE model = 'by_time'), 'another metric, folds by time');
SELECT is((SELECT experiment FROM mlops.searches WHERE model = 'by_time'), 'tune_times', 'another experiment');

--
-- Errors, before anything is trained
--
CREATE FUNCTION refused(space text, message text, more text DEFAULT '') RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN NEXT throws_ok(format($call$CALL mlops.tune('refused', 'SELECT id, age, income, bad FROM loan', 'bad', %L, key => 'id'%s)$call$, space, more),
                          '22023', message, left(space, 60) || more);
END $$;
SELECT refused('[]', 'space must be an object of 1 to 64 parameters');
SELECT refused('{}', 'space must be an object of 1 to 64 parameters');
SELECT refused('{"eta": 1}', 'space has no usable values for parameter "eta"');
SELECT refused('{"eta": []}', 'space has no usable values for parameter "eta"');
SELECT refused('{"eta": [1, 1]}', 'space has no usable values for parameter "eta"');
SELECT refused('{"eta": {"low": 1}}', 'space has no usable values for parameter "eta"');
SELECT refused('{"eta": {"low": 1, "high": 1}}', 'space has no usable values for parameter "eta"');
SELECT refused('{"eta": {"low": 0, "high": 1, "log": true}}', 'space has no usable values for parameter "eta"');
SELECT refused('{"max_depth": {"low": 0.5, "high": 3, "int": true}}', 'space has no usable values for parameter "max_depth"');
SELECT refused('{"eta": {"low": 0, "high": 1, "step": 3}}', 'space has no usable values for parameter "eta"');
SELECT refused('{"eta": {"low": 0, "high": 1}}', 'space has no usable values for parameter "eta"', $$, strategy => 'grid'$$);
SELECT refused('{"nthread": [1, 2]}', 'parameter "nthread" cannot be given in params');
SELECT refused('{"eta": [1, 2]}', 'parameter "eta" is in both params and space', $$, params => '{"eta": 1}'$$);
SELECT refused('{"eta": [1, 2]}', 'unknown strategy "best"', $$, strategy => 'best'$$);
SELECT refused('{"eta": [1, 2]}', 'unknown metric "best"', $$, metric => 'best'$$);
SELECT refused('{"eta": [1, 2]}', 'metric "rmse" is not one for a binary label', $$, metric => 'rmse'$$);
SELECT refused('{"eta": [1, 2]}', 'trials must be between 1 and 100000', $$, trials => 0$$);
SELECT refused('{"eta": [1, 2]}', 'budget must be longer than nothing', $$, budget => '0'$$);
SELECT refused('{"eta": [1, 2]}', 'the split of a search has no validation part', $$, split => '{"validation": 0.1}'$$);
SELECT refused('{"etta": [1, 2]}', 'training was refused: Parameters: { "etta" } are not used');
SELECT is((SELECT count(*) FROM mlops.models WHERE model = 'refused'), 0::bigint, 'nothing is left of them');
SELECT throws_ok($$CALL mlops.tune('m', 'SELECT 1', 'x')$$, '22004', 'space cannot be NULL');
SELECT throws_ok($$CALL mlops.tune(resume => 999999999)$$, 'ML072', 'run 999999999 is not of an experiment that you own');

SELECT * FROM finish();
ROLLBACK;
