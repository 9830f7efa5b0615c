-- Reports of poisoning and of probing: what is planted is found and named, what
-- is not there is not; rows of all kinds; rights; as checks of monitors.
BEGIN;
SELECT plan(62);

CREATE TABLE loan AS
SELECT i AS id, (hashint4extended(i, 1) & 65535) / 655.36::float8 AS income, 18 + (hashint4extended(i, 2) & 31)::integer AS age,
       (ARRAY['north', 'south', 'east', 'west'])[1 + (hashint4extended(i, 3) & 3)] AS region,
       (hashint4extended(i, 4) & 255) < CASE WHEN (hashint4extended(i, 1) & 65535) < 20000 THEN 128 ELSE 25 END AS bad,
       'clerk ' || i % 4 AS inserted_by, timestamptz '2026-01-01 12:00+00' + i % 20 * interval '1 day' AS loaded_at
FROM generate_series(1, 4000) i;
SELECT mlops.snapshot('loan', 'SELECT * FROM loan', key => 'id', materialize => true, label => 'bad') \g /dev/null
SELECT version FROM mlops.train('risk', mlops.snapshot_query('loan'), label => 'bad', key => 'id', features => '{income,age,region}') \g /dev/null
SELECT version FROM mlops.train('risk', 'SELECT * FROM loan', label => 'bad', key => 'id', features => '{income,age,region}') \g /dev/null
SELECT mlops.promote('risk/1', reason => 'first version') \g /dev/null

CREATE FUNCTION pg_temp.findings(query text, source text DEFAULT NULL, key text[] DEFAULT NULL, reference text DEFAULT NULL, model text DEFAULT 'risk/1') RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', r.metric, r.attribute, r.group), ', ' ORDER BY o)
    FROM mlops.poisoning_report(model, query, source => source, key => key, reference => reference) WITH ORDINALITY
         r (metric, attribute, "group", value, lower, upper, reference_value, p_value, threshold, n, verdict, definition, o) WHERE verdict = 'fail' $$;

--
-- Poisoning
--
SELECT is(pg_temp.findings('SELECT * FROM loan', 'inserted_by', '{id}'), NULL, 'the same training set again has nothing');
SELECT is(pg_temp.findings('SELECT * FROM loan WHERE id % 2 = 0', 'loaded_at'), NULL, 'nor has a half of it');
SELECT is((SELECT string_agg(DISTINCT verdict, ' ') FROM mlops.poisoning_report('risk/1', 'SELECT * FROM loan', source => 'inserted_by', key => '{id}') WHERE metric <> 'rows'), 'ok', 'where all was judged');

-- rows like good ones that another hand brought in, with the other label
CREATE TABLE poisoned AS
SELECT * FROM loan
UNION ALL SELECT 4000 + id, income + 0.0001, age, region, true, 'mallory', '2026-02-01' FROM loan WHERE NOT bad AND income > 50 AND id % 6 = 0;
SELECT is(pg_temp.findings('SELECT * FROM poisoned', 'inserted_by', '{id}'), 'label_rate bad, contradictions, label_rate inserted_by mallory', 'a poisoned batch is found by who inserted it');
SELECT is(pg_temp.findings('SELECT * FROM poisoned', 'loaded_at', '{id}'), 'label_rate bad, contradictions, label_rate loaded_at 2026-02-01', 'and by the day');
SELECT results_eq($$SELECT value, n, definition->>'groups_set_aside', definition->>'tests', p_value < 1e-9, threshold FROM mlops.poisoning_report('risk/1', 'SELECT * FROM poisoned', source => 'inserted_by') WHERE "group" = 'mallory'$$,
                  $$SELECT 1::float8, (SELECT count(*) FROM poisoned WHERE id > 4000), '0', '5', true, 0.02::float8$$, 'the batch is judged against all others');
SELECT is((SELECT array_agg(DISTINCT (definition->>'groups_set_aside') || ' ' || verdict) FROM mlops.poisoning_report('risk/1', 'SELECT * FROM poisoned', source => 'inserted_by') WHERE "group" LIKE 'clerk%'), '{"1 ok"}',
          'and the others without it');

-- labels that were changed where they lie
SELECT alike(pg_temp.findings('SELECT id, income, age, region, bad <> (id % 25 = 0) AS bad FROM loan', key => '{id}'), '%relabelled bad%', 'labels turned over, by key');
SELECT alike(pg_temp.findings('SELECT income, age, region, bad <> (id % 25 = 0) AS bad FROM loan'), '%relabelled bad%', 'and by content');
SELECT is((SELECT value FROM mlops.poisoning_report('risk/1', 'SELECT id, income, age, region, bad::integer <> (id % 25 = 0)::integer AS bad FROM loan', key => '{id}') WHERE metric = 'relabelled'), 0.04::float8,
          'labels of another type are compared by what they mean');
SELECT is(pg_temp.findings('SELECT * FROM loan UNION ALL SELECT * FROM loan WHERE id < 200 AND bad = (id % 2 = 0)', key => '{id}'), 'duplicates', 'rows twice');
SELECT is(pg_temp.findings('SELECT income + 40 AS income, age, region, bad FROM loan'), 'psi income', 'a feature that moved');
SELECT is(pg_temp.findings('SELECT * FROM poisoned', 'inserted_by', model => 'risk/2'), 'label_rate bad, label_rate inserted_by mallory', 'with the profile alone');
SELECT is((SELECT array_agg(definition->>'problem') FROM mlops.poisoning_report('risk/2', 'SELECT * FROM poisoned') WHERE metric IN ('duplicates', 'contradictions') AND verdict IS NULL),
          '{there are no reference rows to compare with,there are no reference rows to compare with}', 'where there is no baseline there is no verdict');
SELECT is(pg_temp.findings('SELECT * FROM poisoned', model => 'risk/2', reference => 'SELECT * FROM loan'), 'label_rate bad, contradictions', 'with reference rows of one''s own');

-- more than two classes, and numbers
SELECT version FROM mlops.train('kind', 'SELECT income, age, region, id FROM loan', label => 'region', key => 'id', rounds => 5) \g /dev/null
SELECT is(pg_temp.findings('SELECT income, age, CASE WHEN id % 8 = 0 THEN ''north'' ELSE region END AS region, CASE WHEN id % 8 = 0 THEN ''mallory'' ELSE ''clerk'' END AS who, id FROM loan', 'who', model => 'kind/1'),
          (SELECT 'label_rate region north, label_rate region south, ' || string_agg('label_rate who mallory ' || r, ', ') FROM unnest('{east,north,south,west}'::text[]) r), 'a class that became frequent, and who made it so');
SELECT is(pg_temp.findings('SELECT income, age, region, id, id % 3 AS who FROM loan', 'who', model => 'kind/1'), NULL, 'four classes without a change');
SELECT version FROM mlops.train('amount', 'SELECT income, age, region, id FROM loan', label => 'income', key => 'id', rounds => 5) \g /dev/null
SELECT is(pg_temp.findings('SELECT income + CASE WHEN id % 8 = 0 THEN 50 ELSE 0 END AS income, age, region, id, CASE WHEN id % 8 = 0 THEN ''mallory'' ELSE ''clerk '' || id % 3 END AS who FROM loan', 'who', model => 'amount/1'),
          'label_mean income, label_mean who mallory', 'a label that is a number');
SELECT is(pg_temp.findings('SELECT income, age, region, id, id % 3 AS who FROM loan', 'who', model => 'amount/1'), NULL, 'numbers without a change');

-- Rows of all kinds
SELECT is((SELECT string_agg(DISTINCT coalesce(verdict, 'none'), ' ') FROM mlops.poisoning_report('risk/1', 'SELECT * FROM loan WHERE false', source => 'inserted_by', key => '{id}')), 'insufficient', 'no rows');
SELECT is((SELECT count(*) FROM mlops.poisoning_report('risk/1', 'SELECT NULL::integer AS id, NULL::float8 AS income, NULL::integer AS age, NULL::text AS region, NULL::boolean AS bad, NULL::text AS inserted_by FROM loan',
                                                       source => 'inserted_by', key => '{id}') WHERE metric IN ('label_rate', 'relabelled') AND verdict = 'insufficient'), 2::bigint, 'all is NULL');
SELECT alike(pg_temp.findings('SELECT * FROM loan WHERE bad', 'inserted_by'), 'label_rate bad%', 'one class only');
SELECT is((SELECT string_agg(verdict, ' ') FROM mlops.poisoning_report('risk/1', 'SELECT *, 1 AS one FROM loan', source => 'one') WHERE attribute = 'one'), 'insufficient', 'one group only');
SELECT is((SELECT count(*) FROM mlops.poisoning_report('risk/1', 'SELECT * FROM loan', source => 'id') WHERE attribute = 'id' AND verdict = 'insufficient'), 100::bigint, 'groups of one row, a hundred of them');
SELECT is((SELECT array_agg(DISTINCT verdict) FROM mlops.poisoning_report('risk/1', 'SELECT ''NaN''::float8 AS income, ''-Infinity''::float4 AS age, repeat(region, 1000) AS region, 1e300 * id AS bad, id FROM loan',
                                                         key => '{id}', source => 'bad') WHERE metric IN ('rows', 'label_rate')), '{insufficient,NULL}', 'values beyond all limits');
SELECT is((SELECT array_agg(attribute) FROM mlops.poisoning_report('risk/1', 'SELECT age::text || ''x'' AS income, region, bad FROM loan') WHERE metric = 'feature'), '{age,income}', 'a feature missing, one of another type');
SELECT is((SELECT count(*) FROM mlops.poisoning_report('risk/1', 'SELECT bad FROM loan;') WHERE verdict = 'insufficient'), 7::bigint, 'no feature at all');
SELECT lives_ok($$SELECT mlops.poisoning_report('amount/1', 'SELECT (1e-300 * id)::float8 AS income, age, region FROM loan')$$, 'labels next to nothing');
SELECT lives_ok($$SELECT mlops.poisoning_report('amount/1', 'SELECT 1e300 * id AS income, age, region FROM loan')$$, 'labels next to everything');

--
-- Probing
--
CREATE TABLE application AS
SELECT id, income, age, region, timestamptz '2026-03-01 00:00+00' + id * interval '10 seconds' AS at, bad FROM loan WHERE id % 2 = 0;
CREATE FUNCTION pg_temp.probes(query text, changes integer DEFAULT 1, model text DEFAULT 'risk/1') RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(metric, ', ') FROM mlops.probing_report(model, query, key => '{id}', time_column => 'at', changes => changes) WHERE verdict = 'fail' $$;

SELECT is(pg_temp.probes('SELECT * FROM application'), NULL, 'rows of every day have nothing');
SELECT is((SELECT array_agg(metric || ' ' || verdict) FROM mlops.probing_report('risk/1', 'SELECT * FROM application', key => '{id}', time_column => 'at') WHERE metric <> 'rows'),
          '{"outside_support ok","near_threshold ok","repeated_keys ok","near_copies ok"}', 'where all was judged');
SELECT is(pg_temp.probes('SELECT * FROM application UNION ALL SELECT 9, i / 2.0, 30, ''north'', now() + i * interval ''1 s'', NULL FROM generate_series(1, 150) i'), 'repeated_keys, near_copies', 'one customer, one figure after the other');
SELECT is(pg_temp.probes('SELECT * FROM application UNION ALL SELECT 9000 + i, i / 2.0, 30, ''north'', now(), NULL FROM generate_series(1, 150) i'), 'near_copies', 'the same with new keys');
SELECT is((SELECT definition->>'most_copies' FROM mlops.probing_report('risk/1', 'SELECT * FROM application UNION ALL SELECT 9000 + i, i / 2.0, 30, ''nowhere'', now(), NULL FROM generate_series(1, 150) i') WHERE metric = 'near_copies'),
          '150', 'how many were alike');
SELECT is(pg_temp.probes('SELECT * FROM application UNION ALL SELECT 9, i / 2.0, 20 + i % 20, ''north'', now() + i * interval ''1 s'', NULL FROM generate_series(1, 150) i'), NULL, 'two figures at a time are two changes');
SELECT is(pg_temp.probes('SELECT * FROM application UNION ALL SELECT 9, i / 2.0, 20 + i % 20, ''north'', now() + i * interval ''1 s'', NULL FROM generate_series(1, 150) i', 2), 'repeated_keys', 'which can be asked for');
SELECT is(pg_temp.probes('SELECT * FROM application UNION ALL SELECT 9, 50, 30, ''north'', now() + i * interval ''1 s'', NULL FROM generate_series(1, 150) i'), NULL, 'the same row again is no probe');
SELECT is(pg_temp.probes('SELECT id, income + 5 AS income, age, region, at FROM application'), 'outside_support', 'numbers beyond those of the training');
SELECT is(pg_temp.probes('SELECT id, income, age, CASE WHEN id % 30 = 0 THEN ''nowhere'' ELSE region END AS region, at FROM application'), 'outside_support', 'a category that it had not');
SELECT is((SELECT definition->'features' FROM mlops.probing_report('risk/1', 'SELECT income, age, CASE WHEN id % 40 = 0 THEN ''nowhere'' ELSE region END AS region FROM application') WHERE metric = 'outside_support'),
          '{"region": 100}', 'and which feature it was');
SELECT is(pg_temp.probes('SELECT * FROM application WHERE abs(mlops.predict(''risk/1'', application) - 0.5) < 0.02 OR id % 8 = 0'), 'near_threshold', 'scores at the threshold');
SELECT is((SELECT round(value::numeric, 9) FROM mlops.probing_report('risk/1', 'SELECT * FROM application', decision_threshold => 0.3, band => 0.1) WHERE metric = 'near_threshold'),
          (SELECT round(avg((s BETWEEN 0.3 - 0.1 AND 0.3 + 0.1)::integer), 9) FROM (SELECT mlops.predict('risk/1', application) s FROM application) x), 'the share is that of the scores in the band');
SELECT is((SELECT array_agg(metric) FROM mlops.probing_report('risk/2', 'SELECT * FROM application', key => '{id}') WHERE verdict IS NULL AND definition ? 'problem'), '{repeated_keys,near_copies}', 'without reference rows these have no verdict');
SELECT is((SELECT verdict FROM mlops.probing_report('risk/2', 'SELECT * FROM application', key => '{id}', reference => 'SELECT * FROM loan') WHERE metric = 'near_copies'), 'ok', 'with rows of one''s own they do');

SELECT is((SELECT string_agg(DISTINCT verdict, ' ') FROM mlops.probing_report('risk/1', 'SELECT * FROM application WHERE false', key => '{id}', time_column => 'at')), 'insufficient', 'no rows');
SELECT is(pg_temp.probes('SELECT NULL::integer AS id, NULL::float8 AS income, NULL::integer AS age, NULL::text AS region, NULL::date AS at FROM application'), NULL, 'all is NULL');
SELECT is((SELECT array_agg(attribute) FROM mlops.probing_report('risk/1', 'SELECT income, region FROM application') WHERE metric = 'feature'), '{age}', 'a feature is missing');
SELECT lives_ok($$SELECT mlops.probing_report('risk/1', 'SELECT income::text AS income, age > 30 AS age, age AS region FROM application;')$$, 'types change');
SELECT is(pg_temp.probes('SELECT id, ''Infinity''::float8 AS income, ''NaN''::float4 AS age, repeat(region, 1000) AS region, at FROM application'), 'outside_support', 'values beyond all limits');
SELECT results_eq($$SELECT verdict, definition->>'problem' FROM mlops.probing_report('kind/1', 'SELECT income, age FROM application') WHERE metric = 'near_threshold'$$,
                  $$VALUES ('insufficient', 'the version gives no probability of one class')$$, 'more than two classes');

-- An operator or a function of somebody else's is not called.
CREATE SCHEMA evil;
CREATE FUNCTION evil.refuse(float8, float8) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'captured'; END $$;
CREATE OPERATOR evil.< (LEFTARG = float8, RIGHTARG = float8, FUNCTION = evil.refuse);
CREATE OPERATOR evil.> (LEFTARG = float8, RIGHTARG = float8, FUNCTION = evil.refuse);
CREATE OPERATOR evil.>= (LEFTARG = float8, RIGHTARG = float8, FUNCTION = evil.refuse);
CREATE OPERATOR evil.<> (LEFTARG = float8, RIGHTARG = float8, FUNCTION = evil.refuse);
CREATE FUNCTION evil.join(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'captured'; END $$;
CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.join);
CREATE FUNCTION evil.format(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'captured'; END $$;
CREATE FUNCTION evil.count(anyelement) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'captured'; END $$;
CREATE FUNCTION pg_temp.run() RETURNS void LANGUAGE plpgsql SET search_path = evil, public, pg_catalog AS $$
BEGIN
    PERFORM mlops.probing_report('risk/1', 'SELECT * FROM public.application', key => '{id}', time_column => 'at', changes => 2);
    PERFORM mlops.poisoning_report('risk/1', 'SELECT * FROM public.loan', source => 'inserted_by', key => '{id}');
    PERFORM mlops.domain_classifier(NULL, 'SELECT * FROM public.loan', key => '{id}', model => 'risk/1');
END
$$;
SELECT lives_ok('SELECT pg_temp.run()', 'what is ours is called, whatever the search_path');

-- Rights
SELECT throws_ok($$SELECT mlops.poisoning_report('risk/1', 'DELETE FROM loan RETURNING *')$$, '22023', NULL, 'a query that is none');
SELECT throws_ok($$SELECT mlops.probing_report('risk/1', 'SELECT *, nextval(''mlops.model_id_seq'') FROM application')$$, '25006', NULL, 'a query that writes');
CREATE ROLE probing_guest;
CREATE ROLE probing_reader;
GRANT SELECT ON application, loan TO probing_guest;
SELECT mlops.grant_privilege('score', 'risk', 'probing_reader') \g /dev/null
SELECT mlops.grant_privilege('read', 'risk', 'probing_reader') \g /dev/null
SET LOCAL ROLE probing_guest;
SELECT throws_ok($$SELECT mlops.probing_report('risk/1', 'SELECT * FROM application')$$, '42501', 'permission denied for model "risk"', 'who may not read the model is told nothing');
SELECT throws_ok($$SELECT mlops.poisoning_report('risk/1', 'SELECT * FROM loan')$$, '42501', 'permission denied for model "risk"', 'by neither report');
SET LOCAL ROLE probing_reader;
SELECT throws_ok($$SELECT mlops.probing_report('risk/1', 'SELECT * FROM application')$$, '42501', 'permission denied for table application', 'who may not read the rows gets the error of the rows');
SELECT throws_ok($$SELECT mlops.poisoning_report('risk/1', 'SELECT * FROM loan')$$, '42501', 'permission denied for table loan', 'in both reports');
RESET ROLE;
GRANT SELECT ON application, loan TO probing_reader;
SET LOCAL ROLE probing_reader;
SELECT is((SELECT definition->>'reference' FROM mlops.poisoning_report('risk/1', 'SELECT * FROM loan') WHERE metric = 'rows'), 'profile', 'a snapshot of somebody else''s is no reference');
RESET ROLE;

-- As checks
SELECT mlops.create_monitor('watch', 'risk', source => 'application', time_column => 'at', window_length => '1 day', key => '{id}', label => 'bad', time_zone => 'UTC') > 0 \g /dev/null
SELECT mlops.add_check('watch', 'domain') > 0 AND mlops.add_check('watch', 'probing') > 0 AND mlops.add_check('watch', 'poisoning', '{"metrics": ["label_rate"]}') > 0
       AND mlops.add_check('watch', 'probing', '{"metrics": ["near_copies"], "min_copies": 3}', warn => 0.0001, fail => 0.9) > 0
       AND mlops.add_check('watch', 'domain', '{"metrics": ["auc"]}', fail => 0.01) > 0 \g /dev/null
SELECT throws_ok($$SELECT mlops.add_check('watch', 'probing', '{"reference": "SELECT 1", "tolerance": 1}')$$, '22023', NULL, 'arguments of another kind');
INSERT INTO application SELECT 9, i / 8.0, 30, 'north', timestamptz '2026-03-01 20:00+00' + i * interval '1 s', NULL FROM generate_series(1, 600) i;
SELECT is(mlops.run_monitor('watch', '2026-03-02 01:00+00'), 'fail', 'a monitor finds it');
SELECT results_eq($$SELECT DISTINCT kind, metric, verdict FROM mlops.check_results WHERE monitor = 'watch' AND verdict IN ('fail', 'warn') ORDER BY kind, metric, verdict$$,
                  $$VALUES ('domain', 'auc', 'fail'), ('probing', 'near_copies', 'fail'), ('probing', 'near_copies', 'warn'), ('probing', 'repeated_keys', 'fail')$$, 'with what was found');
SELECT is((SELECT count(*) FROM mlops.check_results WHERE monitor = 'watch' AND (metric = 'error' OR verdict = 'insufficient')), 0::bigint, 'and no check ended with an error');
SELECT * FROM finish();
ROLLBACK;
