-- The domain classifier: samples that differ and samples that do not, what
-- gives them away, rows that a model cannot read, rights.
BEGIN;
SELECT plan(38);

-- Rows without an order that trees could learn; odd and even ones are alike.
CREATE TABLE base AS
SELECT i AS id, i / 2 AS pair, (hashint4extended(i, 1) & 65535) / 65536.0::float8 AS income, 18 + (hashint4extended(i, 2) & 31)::integer AS age,
       (ARRAY['north', 'south', 'east', 'west'])[1 + (hashint4extended(i, 3) & 3)] AS region, hashint4extended(i, 4) & 1 = 1 AS flag,
       date '2026-01-01' + (hashint4extended(i, 5) & 63)::integer AS day
FROM generate_series(1, 4000) i;
CREATE FUNCTION pg_temp.domain(reference text, current text, VARIADIC rest text[] DEFAULT '{}') RETURNS TABLE (metric text, attribute text, value float8,
    lower float8, upper float8, p_value float8, threshold float8, n_reference bigint, n_current bigint, verdict text, definition jsonb) LANGUAGE sql AS $$
    SELECT * FROM mlops.domain_classifier(reference, current, key => nullif(rest, '{}')) $$;

-- Alike and not
CREATE TEMPORARY TABLE same AS SELECT * FROM pg_temp.domain('SELECT * FROM base WHERE id % 2 = 0', 'SELECT * FROM base WHERE id % 2 = 1', 'id');
SELECT is(verdict, 'ok', 'two halves of the same rows are alike') FROM same WHERE metric = 'auc';
SELECT ok(value BETWEEN 0.45 AND 0.55 AND lower < 0.5 AND upper > value, 'their AUC is about 0.5, with an interval') FROM same WHERE metric = 'auc';
SELECT results_eq($$SELECT n_reference, n_current, (definition->>'left_out')::integer, definition->>'folds_by', (definition->>'features')::integer FROM same WHERE metric = 'auc'$$,
                  $$VALUES (2000::bigint, 2000::bigint, 0, 'id', 6)$$, 'all rows were scored, the key is no feature');

CREATE TEMPORARY TABLE shifted AS SELECT * FROM pg_temp.domain('SELECT * FROM base WHERE id % 2 = 0',
    $$SELECT id, pair, income + 0.4 AS income, age, CASE region WHEN 'north' THEN 'abroad' ELSE region END AS region, flag, day FROM base WHERE id % 2 = 1$$, 'id', 'pair');
SELECT ok(verdict = 'fail' AND lower > 0.7 AND p_value < 1e-9 AND threshold = 0.65, 'a shift of two columns is found') FROM shifted WHERE metric = 'auc';
SELECT is((SELECT array_agg(attribute ORDER BY value DESC) FILTER (WHERE value > 0.1) FROM shifted WHERE metric = 'gain_share'), '{income,region}', 'and the two are named');
SELECT is((SELECT round(sum(value)::numeric, 9) FROM shifted WHERE metric = 'gain_share'), 1.0, 'shares of the gain make 1');
SELECT is((SELECT (array_agg(attribute))[1] FROM shifted WHERE metric = 'gain_share'), 'income', 'the most telling comes first');
SELECT is((SELECT count(*) FROM shifted WHERE attribute IN ('id', 'pair')), 0::bigint, 'keys are no features');

-- A relation between columns that no single column shows
SELECT is(verdict, 'fail', 'a change that no column shows by itself') FROM pg_temp.domain('SELECT income AS a, 1 - income AS b FROM base', 'SELECT a.income AS a, b.income AS b FROM base a JOIN base b ON b.id = 4001 - a.id') WHERE metric = 'auc';
SELECT is((SELECT string_agg(DISTINCT verdict, ',') FROM mlops.drift_columns('SELECT income AS a, 1 - income AS b FROM base', 'SELECT a.income AS a, b.income AS b FROM base a JOIN base b ON b.id = 4001 - a.id', 'ks')), 'ok',
          'as the columns say');

-- The same figures for the same rows
SELECT set_eq($$SELECT * FROM pg_temp.domain('SELECT * FROM base WHERE id % 2 = 0', 'SELECT * FROM base WHERE id % 2 = 1', 'id')$$, 'SELECT * FROM same', 'the same again');
SELECT set_eq($$SELECT * FROM pg_temp.domain('SELECT * FROM base WHERE id % 2 = 0 ORDER BY income', 'SELECT * FROM base WHERE id % 2 = 1 ORDER BY id DESC', 'id')$$, 'SELECT * FROM same', 'in another order');
SELECT isnt((SELECT value FROM mlops.domain_classifier('SELECT * FROM base WHERE id % 2 = 0', 'SELECT * FROM base WHERE id % 2 = 1', key => '{id}', seed => 7) WHERE metric = 'auc'),
            (SELECT value FROM same WHERE metric = 'auc'), 'another seed makes other folds');
SELECT is(value, 0.5::float8, 'the same rows on both sides cannot be told apart at all') FROM pg_temp.domain('SELECT income, age, region FROM base', 'SELECT income, age, region FROM base') WHERE metric = 'auc';

-- Folds by key: what is known of a customer does not help with the same one
SELECT ok(value < 0.62, 'rows of one key stay together')
FROM mlops.domain_classifier('SELECT id / 20 AS c, (hashint4extended(id / 20, 9) & 65535) AS x FROM base WHERE id / 20 % 2 = 0', 'SELECT id / 20 AS c, (hashint4extended(id / 20, 9) & 65535) AS x FROM base WHERE id / 20 % 2 = 1', key => '{c}') WHERE metric = 'auc';
SELECT ok(value > 0.9, 'without it a customer is known again')
FROM mlops.domain_classifier('SELECT (hashint4extended(id / 20, 9) & 65535) AS x FROM base WHERE id / 20 % 2 = 0', 'SELECT (hashint4extended(id / 20, 9) & 65535) AS x FROM base WHERE id / 20 % 2 = 1') WHERE metric = 'auc';

-- Samples of many rows
SELECT ok(n_reference = 1000 AND n_current = 1000 AND verdict = 'fail' AND (definition->>'max_rows')::integer = 1000, 'a sample of the rows, which has rows of all kinds')
FROM mlops.domain_classifier('SELECT age > 30 AS a FROM base', 'SELECT age > 43 AS a FROM base', max_rows => 1000) WHERE metric = 'auc';
SELECT is(verdict, 'ok', 'a sample of the same rows') FROM mlops.domain_classifier('SELECT age > 30 AS a, flag FROM base', 'SELECT age > 30 AS a, flag FROM base', max_rows => 1000) WHERE metric = 'auc';

-- Hostile rows
SELECT results_eq($$SELECT metric, value, verdict, definition->>'problem' FROM pg_temp.domain('SELECT * FROM base', 'SELECT * FROM base WHERE false')$$,
                  $$VALUES ('auc', NULL::float8, 'insufficient', 'too few rows')$$, 'no rows');
SELECT is(verdict, 'insufficient', 'few rows') FROM pg_temp.domain('SELECT * FROM base', 'SELECT * FROM base LIMIT 99') WHERE metric = 'auc';
SELECT is(value, 1::float8, 'one value each') FROM pg_temp.domain('SELECT 1 AS a FROM base', 'SELECT 2 AS a FROM base') WHERE metric = 'auc';
SELECT is(value, 0.5::float8, 'one value') FROM pg_temp.domain('SELECT 1 AS a, NULL::text AS b FROM base', 'SELECT 1 AS a, NULL::text AS b FROM base') WHERE metric = 'auc';
SELECT is(verdict, 'fail', 'values that went missing') FROM pg_temp.domain('SELECT id, income FROM base', 'SELECT id, NULL::float8 AS income FROM base', 'id') WHERE metric = 'auc';
SELECT is(verdict, 'fail', 'numbers without end and beyond all limits')
FROM pg_temp.domain('SELECT income::numeric AS a, ''NaN''::float8 AS b, income::numeric AS c, day AS d, income::float4 AS e FROM base',
                    'SELECT income::numeric * 1e400 AS a, ''-Infinity''::float8 AS b, income::numeric * 1e-400 AS c, ''infinity''::date AS d, ''Infinity''::float4 AS e FROM base') WHERE metric = 'auc';
SELECT results_eq($$SELECT attribute, verdict, definition->>'problem' FROM pg_temp.domain('SELECT id, income, 1 AS lost, 1 AS turned, point(1, 2) AS place, md5(id::text) AS token FROM base',
                        'SELECT id, income, 1 AS new, ''x'' AS turned, point(1, 2) AS place, md5(id::text) AS token FROM base', 'id') WHERE verdict = 'insufficient' ORDER BY attribute$$,
                  $$VALUES ('lost', 'insufficient', 'not in the current rows'), ('new', 'insufficient', 'not in the reference'), ('place', 'insufficient', 'of a type that no model reads'),
                           ('token', 'insufficient', 'more than 1000 different values'), ('turned', 'insufficient', 'of different kinds in the reference and in the current rows')$$,
                  'columns that are left out say why');
SELECT results_eq($$SELECT verdict, definition->>'problem' FROM pg_temp.domain('SELECT 1 AS a FROM base', 'SELECT 1 AS b FROM base') WHERE metric = 'auc'$$,
                  $$VALUES ('insufficient', 'there is no column to compare')$$, 'no column in common');
SELECT is(verdict, 'insufficient', 'one key') FROM pg_temp.domain('SELECT 1 AS k, income FROM base', 'SELECT 1 AS k, income FROM base', 'k') WHERE metric = 'auc';
SELECT is(value, 0.5::float8, 'keys that are NULL') FROM pg_temp.domain('SELECT NULL::text AS k, income FROM base', 'SELECT NULL::text AS k, income FROM base', 'k') WHERE metric = 'auc';

-- Against what a version was trained with
SELECT mlops.snapshot('base', 'SELECT id, income, age, region, flag FROM base', key => 'id', materialize => true, label => 'flag') \g /dev/null
SELECT version FROM mlops.train('risk', mlops.snapshot_query('base'), label => 'flag', key => 'id', features => '{income,age}') \g /dev/null
SELECT version FROM mlops.train('risk', 'SELECT * FROM base', label => 'flag', key => 'id', features => '{income,age}') \g /dev/null
SELECT results_eq($$SELECT attribute, verdict FROM mlops.domain_classifier(NULL, 'SELECT id, income + 0.4 AS income, age, region FROM base', key => '{id}', model => 'risk/1') LIMIT 2$$,
                  $$VALUES (NULL, 'fail'), ('income', NULL)$$, 'the copy of the training rows is the reference');
SELECT is((SELECT count(*) FROM mlops.domain_classifier(NULL, 'SELECT * FROM base', key => '{id}', model => 'risk/1') WHERE metric = 'gain_share'), 2::bigint, 'the features are those of the version');
SELECT throws_ok($$SELECT mlops.domain_classifier(NULL, 'SELECT * FROM base', model => 'risk/2')$$, '55000', NULL, 'without a copy somebody has to say what to compare with');

-- Errors and rights
SELECT throws_ok($$SELECT mlops.domain_classifier('SELECT 1 AS a, 2 AS a', 'SELECT 1 AS a')$$, '42701', NULL, 'two columns of one name');
SELECT throws_ok($$SELECT mlops.domain_classifier('DELETE FROM base RETURNING *', 'SELECT * FROM base')$$, '22023', NULL, 'a query that is none');
SELECT throws_ok($$SELECT mlops.domain_classifier('SELECT nextval(''mlops.model_id_seq'') AS income FROM base', 'SELECT income FROM base')$$, '25006', NULL, 'a query that writes');
CREATE FUNCTION pg_temp.cancelled() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mlops.domain_classifier('SELECT * FROM base', 'SELECT * FROM base');
    RETURN false;
EXCEPTION WHEN query_canceled THEN
    RETURN true;
END
$$;
SET LOCAL statement_timeout = '20ms';
SELECT ok(pg_temp.cancelled(), 'it can be cancelled');
RESET statement_timeout;
CREATE ROLE domain_guest;
GRANT SELECT (id, region) ON base TO domain_guest;
SET LOCAL ROLE domain_guest;
SELECT lives_ok($$SELECT mlops.domain_classifier('SELECT id, region FROM base', 'SELECT id, region FROM base')$$, 'a guest compares what he sees');
SELECT throws_ok($$SELECT mlops.domain_classifier('SELECT * FROM base', 'SELECT id FROM base')$$, '42501', NULL, 'and nothing else');
SELECT throws_ok($$SELECT mlops.domain_classifier(NULL, 'SELECT id, region FROM base', model => 'risk/1')$$, '42501', NULL, 'nor by way of a model');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
