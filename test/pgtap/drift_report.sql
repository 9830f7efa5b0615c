-- Drift of sketches, and the report against the frozen profile of a version.
\pset fieldsep '\n'
BEGIN;
SELECT plan(97);

CREATE TABLE drift_row AS
    SELECT i, CASE WHEN i % 100 = 0 THEN NULL WHEN i % 101 = 0 THEN 'Infinity' WHEN i % 103 = 0 THEN 'NaN' ELSE (i * 7919) % 1009 / 1009.0::float8 + (i % 3) / 50.0 END AS x,
           (i % 11 + i % 3)::text AS t, i % 5 AS few, i % 3 = 0 AS c
    FROM generate_series(1, 3000) AS i;

-- while sketches are exact, so is what is said of them
SELECT is((s).value, (a).value, m || ' of sketches: value'), is((s).p_value, (a).p_value, m || ' of sketches: p'), is((s).verdict, (a).verdict, m || ' of sketches: verdict'),
       is((s).skipped, (a).skipped, m || ' of sketches: skipped'), is((s).n_current, (a).n_current, m || ' of sketches: rows')
FROM (SELECT m, mlops.drift(mlops.sketch(x) FILTER (WHERE NOT c), mlops.sketch(x) FILTER (WHERE c), m) AS s, mlops.drift(x, c, m) AS a
      FROM drift_row, unnest(ARRAY['psi','js','kl','hellinger','tvd','linf','chi2','chi2_gof','ks','wasserstein','wasserstein_norm','energy','anderson_darling','cramer_von_mises']) AS m GROUP BY m) AS d;
SELECT is((s).value, (a).value, m || ' of categories'), is((b).value, (a).value, m || ' over frozen bins')
FROM (SELECT m, mlops.drift(mlops.sketch(t) FILTER (WHERE NOT c), mlops.sketch(t) FILTER (WHERE c), m) AS s, mlops.drift(t, c, m) AS a,
             mlops.drift(mlops.sketch(t) FILTER (WHERE NOT c), mlops.sketch(t) FILTER (WHERE c), mlops.make_bins(mlops.sketch(t) FILTER (WHERE NOT c)), m) AS b
      FROM drift_row, unnest(ARRAY['psi','js','tvd','chi2']) AS m GROUP BY m) AS d;
SELECT is((s).value, (a).value, 'few numbers'), is((s).definition -> 'bins', (a).definition -> 'bins', 'the same bins')
FROM (SELECT mlops.drift(mlops.sketch(few::float8) FILTER (WHERE NOT c), mlops.sketch(few::float8) FILTER (WHERE c)) AS s, mlops.drift(few, c) AS a FROM drift_row) AS d;
SELECT is((d).verdict, 'insufficient', 'an empty sketch'), is((d).value, NULL, 'has no value')
FROM (SELECT mlops.drift(mlops.sketch(x), mlops.sketch(x) FILTER (WHERE x IS NULL), 'ks') AS d FROM drift_row) AS s;
SELECT throws_ok($$SELECT mlops.drift(mlops.sketch(x), mlops.sketch(t)) FROM drift_row$$, 'ML053', NULL, 'numbers and categories'),
       throws_ok($$SELECT mlops.drift(mlops.sketch(t), mlops.sketch(t), 'ks') FROM drift_row$$, 'ML053', NULL, 'ks of categories'),
       throws_ok($$SELECT mlops.drift(mlops.sketch(t), mlops.sketch(t), mlops.make_bins(mlops.sketch(x))) FROM drift_row$$, 'ML054', NULL, 'bins of another kind');

-- the report
CREATE TABLE drift_loan AS
    SELECT i AS id, (i * 7919) % 1009 / 1009.0::float8 AS income, i % 37 AS age, (ARRAY['n', 's', 'w'])[1 + i % 3] AS region,
           (i * 104729::bigint) % 1013 < (i * 7919) % 1009 AS bad FROM generate_series(1, 5000) AS i;
SELECT is((SELECT version FROM mlops.train('drift_risk', 'SELECT * FROM drift_loan', label => 'bad', key => 'id')), 1, 'a version with its profile');
SELECT is(string_agg(format('%s %s %s', role, feature, verdict), ', '), 'feature income ok, feature age ok, feature region ok, label bad ok, score score ok, data set  ok', 'half of its rows have not drifted')
FROM mlops.drift_report('drift_risk/1', 'SELECT * FROM drift_loan WHERE id % 2 = 0 -- even');
SELECT is(string_agg(format('%s %s', feature, verdict), ', '), 'income fail, age ok, region insufficient, bad ok, score fail,  fail', 'shifted rows have; a column without values is insufficient')
FROM mlops.drift_report('drift_risk/1', 'SELECT income + 0.5 AS income, age, NULL::text AS region, bad, 0.5 AS score FROM drift_loan WHERE id % 2 = 0;', 'ks');
SELECT is(string_agg(format('%s %s', feature, method), ', '), 'income ks, age ks, region chi2, bad chi2, score ks,  share_of_features', 'categories are compared by chi2 where a method needs numbers')
FROM mlops.drift_report('drift_risk/1', 'SELECT * FROM drift_loan', 'ks');
SELECT is(string_agg(format('%s %s %s', feature, verdict, problem), ', '), 'income insufficient , age insufficient a number in the profile or in the query only, region insufficient not in the query, bad insufficient not in the query, score insufficient the version cannot read the features of the query,  insufficient ',
          'an empty window, a changed type and missing columns are rows that say so')
FROM mlops.drift_report('drift_risk/1', 'SELECT age::text AS age, income FROM drift_loan WHERE false');
SELECT throws_ok($$SELECT mlops.drift_report('drift_risk/1', 'DELETE FROM drift_loan')$$, '22023', NULL, 'a query that writes is refused'),
       throws_ok($$SELECT mlops.drift_report('drift_risk/2', 'TABLE drift_loan')$$, 'ML002', NULL, 'a version that is not'),
       throws_ok($$SELECT mlops.drift_report('drift_risk/1', 'TABLE drift_loan', 'mmd')$$, '22023', NULL, 'unknown method');

-- by whom
CREATE ROLE drift_analyst;
GRANT SELECT ON drift_loan TO drift_analyst;
SET LOCAL ROLE drift_analyst;
SELECT throws_ok($$SELECT mlops.drift_report('drift_risk/1', 'TABLE drift_loan')$$, '42501', NULL, 'without a privilege there is no report');
RESET ROLE;
SELECT lives_ok($$SELECT mlops.grant_privilege('read', 'drift_risk', 'drift_analyst')$$, 'with read');
REVOKE SELECT ON drift_loan FROM drift_analyst;
SET LOCAL ROLE drift_analyst;
SELECT throws_ok($$SELECT mlops.drift_report('drift_risk/1', 'SELECT 1.0 AS score, * FROM drift_loan')$$, '42501', NULL, 'the query has the rights of the caller');
SELECT is((SELECT count(*) FROM mlops.drift_report('drift_risk/1', 'SELECT 1.0 AS income')), 6::bigint, 'of which it needs no more');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
