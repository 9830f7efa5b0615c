-- Bias: rates and the report against published cases and references, the
-- undefined cases, rights, errors.
BEGIN;
SELECT plan(84);

CREATE FUNCTION pg_temp.near(value float8, expected float8) RETURNS boolean LANGUAGE sql AS
    $$SELECT value IS NOT NULL AND abs(value - expected) <= 1e-9 * greatest(1, abs(expected))$$;

CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END $$;

--
-- SageMaker Clarify's fixture B: cases 31 to 36.  Clarify subtracts some
-- measures the other way round.
--
CREATE TEMPORARY TABLE clarify AS
SELECT * FROM unnest(string_to_array('M F F M F M F F M M F F', ' '),
                     '{0,1,1,1,1,0,0,0,1,0,0,0}'::integer[], '{1,1,1,0,0,0,1,1,0,1,0,0}'::integer[]) AS t (sex, y, p);
CREATE TEMPORARY TABLE clarify_report AS
SELECT * FROM mlops.bias_report('SELECT * FROM clarify', 'y', 'p', '{sex}', '{M}', min_rows => 1);

SELECT ok(pg_temp.near((SELECT value FROM clarify_report r WHERE r.metric = c.metric AND "group" IS NOT DISTINCT FROM 'F' AND reference = 'M'),
                       expected), format('case %s: %s', number, metric))
FROM (VALUES
    (31, 'group_imbalance', 1 / 6.0), (31, 'disparate_impact', 10 / 7.0),
    (32, 'conditional_acceptance_difference', -1 / 4.0), (32, 'conditional_rejection_difference', 1 / 3.0),
    (33, 'equal_opportunity_difference', 2 / 3.0), (33, 'true_negative_rate_difference', 1 / 6.0),
    (34, 'predictive_parity_difference', 1 / 2.0), (34, 'negative_predictive_value_difference', 1 / 3.0),
    (35, 'accuracy_difference', 13 / 35.0), (35, 'treatment_equality_difference', -1 / 2.0)) c (number, metric, expected);
SELECT ok(pg_temp.near((SELECT value FROM mlops.bias_report('SELECT * FROM clarify', 'y', 'p', '{sex}', '{F}', min_rows => 1)
                        WHERE metric = 'disparate_impact'), 0.7), 'case 31: disparate impact of the other group');
SELECT ok(pg_temp.near(mlops.disparate_impact(p = 1, sex = 'M'), 10 / 7.0), 'case 31: as an aggregate') FROM clarify;
SELECT ok(pg_temp.near(mlops.demographic_parity_difference(p = 1, sex = 'M'), 4 / 7.0 - 2 / 5.0), 'demographic parity as an aggregate') FROM clarify;
SELECT is((SELECT value FROM mlops.bias_report('SELECT sex, y, CASE sex WHEN ''M'' THEN 0 ELSE p END AS p FROM clarify', 'y', 'p', '{sex}', '{M}', min_rows => 1)
           WHERE metric = 'disparate_impact'), NULL, 'case 31: nobody privileged is selected: undefined here, infinite there');
SELECT ok(pg_temp.near(value, 0.24556213017751484), 'case 36: generalized entropy') FROM clarify_report
WHERE metric = 'generalized_entropy' AND attribute IS NULL;
SELECT ok(pg_temp.near(mlops.generalized_entropy(y = 1, p = 1, 2), 0.24556213017751484), 'case 36: as an aggregate') FROM clarify;

-- case 39
CREATE TEMPORARY TABLE parity AS SELECT * FROM unnest('{a,a,b,b}'::text[], '{t,t,f,t}'::boolean[]) AS t (x, y);
SELECT is((SELECT value FROM mlops.bias_report('SELECT * FROM parity', 'y', groups => '{x}', privileged => '{b}', min_rows => 1)
           WHERE metric = 'base_rate_difference'), 0.5::float8, 'case 39: of a');
SELECT is((SELECT value FROM mlops.bias_report('SELECT * FROM parity', 'y', groups => '{x}', privileged => '{a}', min_rows => 1)
           WHERE metric = 'base_rate_difference'), -0.5::float8, 'case 39: of b');

--
-- AIF360: cases 41 and 42
--
CREATE TEMPORARY TABLE aif AS
SELECT i, y, CASE WHEN i IN (4, 10) THEN 0 WHEN i IN (5, 6) THEN 1 ELSE y END AS p, p2
FROM unnest('{1,0,0,1,0,0,1,0,1,1}'::integer[], '{0,1,1,0,0,0,0,1,1,1}'::integer[]) WITH ORDINALITY AS t (y, p2, i);
SELECT ok(pg_temp.near(mlops.generalized_entropy(y = 1, p = 1, 2), 0.2), 'case 41: generalized entropy') FROM aif;
SELECT ok(pg_temp.near(mlops.theil_index(y = 1, p = 1), 4 * ln(2::float8) / 10), 'case 41: Theil index') FROM aif;
SELECT ok(pg_temp.near(mlops.generalized_entropy(y = 1, p2 = 1, 2), 0.3), 'case 41: other predictions') FROM aif;
SELECT ok(pg_temp.near(mlops.generalized_entropy(b, 2), 0.025), 'case 41: benefits between all groups')
FROM unnest('{1,1,1.25,1.25,1.25,1.25,0.75,0.75,0.75,0.75}'::float8[]) b;
SELECT ok(pg_temp.near(mlops.generalized_entropy(b, 2), 0.0625), 'case 41: benefits between groups')
FROM unnest('{0.5,0.5,1.25,1.25,1.25,1.25}'::float8[]) b;
SELECT ok(pg_temp.near(mlops.generalized_entropy(b, 0), ln(1.5::float8) - ln(2::float8) / 2), 'alpha 0 is the mean log deviation')
FROM (VALUES (1::float8), (2)) AS t (b);
SELECT ok(pg_temp.near(mlops.generalized_entropy(b, 1), mlops.theil_index(b)), 'alpha 1 is the Theil index')
FROM (VALUES (1::float8), (2), (5)) AS t (b);
SELECT is(mlops.theil_index(b), NULL, 'nothing to be unequal in') FROM (VALUES (0::float8), (0)) AS t (b);
SELECT is(mlops.generalized_entropy(7::float8, 2), 0::float8, 'equality is 0') FROM generate_series(1, 1000);
SELECT throws_ok('SELECT mlops.theil_index(b) FROM (VALUES (-1::float8)) AS t (b)', '22023', NULL, 'no negative benefit');
SELECT throws_ok('SELECT mlops.generalized_entropy(1::float8, a) FROM (VALUES (1::float8), (2)) AS t (a)', '22023', NULL, 'alpha is one');

CREATE TEMPORARY TABLE multiclass AS
SELECT g, y, p FROM (VALUES ('priv', 0, 1, 4), ('priv', 1, 2, 1), ('unpriv', 1, 0, 3), ('unpriv', 2, 3, 2)) AS t (g, y, p, n), generate_series(1, n);
SELECT ok(pg_temp.near((SELECT value FROM mlops.bias_report('SELECT * FROM multiclass', 'y', 'p', '{g}', '{priv}', min_rows => 1, favourable => '{0,1}')
                        WHERE metric = 'false_negative_rate_difference'), -0.2), 'case 42: several favourable classes');

--
-- Fairlearn: cases 43 and 44
--
SELECT is(mlops.selection_rate(p), 0.625::float8, 'case 43') FROM unnest('{0,0,0,1,1,1,1,1}'::integer[]) p;
SELECT is(mlops.selection_rate(p = 1), 0.625::float8, 'case 43: boolean') FROM unnest('{0,0,0,1,1,1,1,1}'::integer[]) p;
SELECT is(mlops.selection_rate(p), NULL, 'case 43: nothing, which is an error there') FROM unnest('{}'::integer[]) p;
SELECT is(mlops.true_positive_rate(y, p), 0.25::float8, 'case 44: TPR')
FROM unnest('{0,0,0,0,1,1,1,1}'::integer[], '{0,0,0,1,1,0,0,0}'::integer[]) t (y, p);
SELECT is(mlops.true_positive_rate(y = 0, p = 0), 0.75::float8, 'case 44: TPR of label 0')
FROM unnest('{0,0,0,0,1,1,1,1}'::integer[], '{0,0,0,1,1,0,0,0}'::integer[]) t (y, p);
SELECT is(mlops.false_negative_rate(y, p), 0.75::float8, 'case 44: FNR')
FROM unnest('{1,1,1,1,0,0}'::integer[], '{0,0,1,0,0,1}'::integer[]) t (y, p);
SELECT is(mlops.true_negative_rate(y, p), 0.75::float8, 'case 44: TNR')
FROM unnest('{0,0,0,0,1}'::integer[], '{0,0,1,0,0}'::integer[]) t (y, p);
SELECT throws_ok('SELECT mlops.true_positive_rate(2, 1)', '22023', NULL, 'case 44: other labels are an error');

--
-- Intervals
--
SELECT ok(pg_temp.near(d.value, 0.2) AND abs(d.lower - 0.0524) < 5e-5 AND abs(d.upper - 0.3339) < 5e-5,
          'Newcombe 1998, table II: 56/70 - 48/80')
FROM mlops.share_difference(56, 70, 48, 80) d;
SELECT ok(pg_temp.near(r.value, 4 / 3.0) AND r.lower > 1 AND r.upper BETWEEN 1.6 AND 1.8
          AND pg_temp.near(1 / i.lower, r.upper) AND pg_temp.near(1 / i.upper, r.lower), 'a ratio and its inverse have one interval')
FROM mlops.share_ratio(56, 70, 48, 80) r, mlops.share_ratio(48, 80, 56, 70) i;
SELECT is(mlops.share_ratio(0, 70, 48, 80) IS NOT NULL, true, 'a ratio may be 0');
SELECT is(mlops.share_ratio(1, 70, 0, 80), NULL, 'a ratio to 0 is not defined');
SELECT is(mlops.share_difference(1, 70, 0, 0), NULL, 'a difference to nothing is not defined');
SELECT throws_ok('SELECT mlops.share_difference(71, 70, 0, 1)', '22023', NULL, 'no more successes than rows');

--
-- Undefined cases
--
SELECT is((SELECT string_agg(metric || ' ' || coalesce(value::text, 'null') || ' ' || verdict, ', ' ORDER BY metric COLLATE "C")
           FROM mlops.bias_report('SELECT * FROM clarify WHERE false', 'y', 'p', '{sex}')
           WHERE attribute IS NULL AND metric IN ('rows', 'selection_rate')),
          'rows 0 insufficient, selection_rate null insufficient', 'no rows: rows that say so');
SELECT is((SELECT count(*) FROM mlops.bias_report('SELECT * FROM clarify', 'y', 'p', '{sex}', '{M}') WHERE verdict IN ('ok', 'warn', 'fail')), 0::bigint,
          'small groups have no verdict');
SELECT is((SELECT count(*) FROM mlops.bias_report('SELECT sex, y, p FROM clarify WHERE sex = ''M''', 'y', 'p', '{sex}', '{F}', min_rows => 1)
           WHERE metric = 'disparate_impact' AND verdict = 'insufficient' AND reference = 'F'), 1::bigint, 'one group only, and not the privileged');
SELECT is((SELECT value FROM mlops.bias_report('SELECT 1 AS sex, NULL::boolean AS y, NULL::boolean AS p FROM clarify', 'y', 'p', '{sex}')
           WHERE metric = 'missing_label'), 1::float8, 'all NULL: the share that is missing');
SELECT is((SELECT "group" FROM mlops.bias_report('SELECT NULL AS sex, y = 1 AS y FROM clarify', 'y', groups => '{sex}') WHERE attribute = 'sex' LIMIT 1),
          '(null)', 'NULL is a group');
SELECT is((SELECT verdict FROM mlops.bias_report('SELECT i % 2 AS g, i % 4 < 2 AS p FROM generate_series(1, 400) i', prediction => 'p', groups => '{g}')
           WHERE metric = 'demographic_parity_gap'), 'ok', 'equal rates have a gap of 0');
SELECT is((SELECT value FROM mlops.bias_report('SELECT i % 2 AS g, y, ''NaN''::float8 AS s FROM generate_series(1, 4) i, (VALUES (true), (false)) v (y)', 'y', 's', '{g}')
           WHERE metric = 'missing_prediction'), 1::float8, 'NaN is no prediction');
SELECT is((SELECT value FROM mlops.bias_report('SELECT 1 AS g, y, s FROM (VALUES (true, ''Infinity''::float8), (false, ''-Infinity'')) v (y, s)', 'y', 's', '{g}')
           WHERE metric = 'accuracy' AND attribute IS NULL), 1::float8, 'infinite scores are decided');
SELECT is((SELECT value FROM mlops.bias_report('SELECT 1 AS g, y FROM (VALUES (0), (1), (7)) v (y)', 'y', groups => '{g}')
           WHERE metric = 'missing_label'), 1 / 3.0::float8, 'a number that is no label counts as missing');

--
-- What is favourable
--
SELECT is((SELECT value FROM mlops.bias_report('SELECT sex, y = 1 AS y FROM clarify', 'y', groups => '{sex}', favourable => '{false}') WHERE metric = 'base_rate' AND attribute IS NULL),
          7 / 12.0::float8, 'false');
SELECT is((SELECT value FROM mlops.bias_report('SELECT sex, y FROM clarify', 'y', groups => '{sex}', favourable => '{0}') WHERE metric = 'base_rate' AND attribute IS NULL),
          7 / 12.0::float8, 'the number 0');
SELECT is((SELECT value FROM mlops.bias_report('SELECT sex, CASE y WHEN 1 THEN ''bad'' ELSE ''good'' END AS y FROM clarify', 'y', groups => '{sex}', favourable => '{good}')
           WHERE metric = 'base_rate' AND attribute IS NULL), 7 / 12.0::float8, 'a text');
SELECT is((SELECT value FROM mlops.bias_report('SELECT sex, y, p * 0.6 AS s FROM clarify', 'y', 's', '{sex}', favourable => '{0}') WHERE metric = 'selection_rate' AND attribute IS NULL),
          1 / 2.0::float8, 'low scores');
SELECT is((SELECT value FROM mlops.bias_report('SELECT sex, y, p * 600 AS s FROM clarify', 'y', 's', '{sex}', threshold => 601) WHERE metric = 'selection_rate' AND attribute IS NULL),
          0::float8, 'score points from a threshold');

-- The four-fifths rule: 29 CFR 1607.4(D)
CREATE TEMPORARY TABLE hired AS
SELECT g, i <= selected AS p FROM (VALUES ('a', 480, 800), ('b', 192, 400), ('c', 188, 400), ('d', 520, 1100), ('e', 52, 110)) AS t (g, selected, n), generate_series(1, n) i;
SELECT results_eq($$SELECT "group", verdict, definition->>'source' FROM mlops.bias_report('SELECT * FROM hired', prediction => 'p', groups => '{g}') WHERE metric = 'disparate_impact'$$,
                  $$VALUES ('b', 'ok', '29 CFR 1607.4(D)'), ('c', 'fail', '29 CFR 1607.4(D)'), ('d', 'fail', '29 CFR 1607.4(D)'), ('e', 'warn', '29 CFR 1607.4(D)')$$,
                  'exactly four fifths passes, less fails unless chance explains it; the reference is the group with the highest rate');
SELECT is((SELECT verdict FROM mlops.bias_report('SELECT g, p FROM (SELECT *, row_number() OVER (PARTITION BY g, p) AS k FROM hired) h WHERE g = ''a'' OR (k <= 5 AND g = ''d'') OR (k <= 6 AND g = ''d'' AND NOT p)',
                                                      prediction => 'p', groups => '{g}', min_rows => 10) WHERE metric = 'disparate_impact'),
          'warn', 'beyond the limit, but chance could do it');

-- Strata: Simpson's paradox, the admissions to Berkeley in 1973
CREATE TEMPORARY TABLE berkeley AS
SELECT sex, department, i <= admitted AS admitted
FROM (VALUES ('M', 'A', 512, 825), ('F', 'A', 89, 108), ('M', 'B', 353, 560), ('F', 'B', 17, 25), ('M', 'C', 120, 325), ('F', 'C', 202, 593),
             ('M', 'D', 138, 417), ('F', 'D', 131, 375), ('M', 'E', 53, 191), ('F', 'E', 94, 393), ('M', 'F', 22, 373), ('F', 'F', 24, 341)) AS t (sex, department, admitted, n),
     generate_series(1, n) i;
CREATE TEMPORARY TABLE berkeley_report AS
SELECT * FROM mlops.bias_report('SELECT * FROM berkeley', 'admitted', groups => '{sex}', privileged => '{M}', stratum => 'department');
WITH share AS (
    SELECT department, count(*) AS n, (count(*) FILTER (WHERE sex = 'F' AND NOT admitted))::float8 / count(*) FILTER (WHERE NOT admitted)
                                      - (count(*) FILTER (WHERE sex = 'F' AND admitted))::float8 / count(*) FILTER (WHERE admitted) AS d
    FROM berkeley GROUP BY department)
SELECT ok(pg_temp.near((SELECT value FROM berkeley_report WHERE metric = 'conditional_demographic_disparity' AND "group" = 'F'), sum(n * d) / sum(n)),
          'conditional demographic disparity is the weighted mean over strata') FROM share;
SELECT is((SELECT string_agg(verdict, ' ' ORDER BY metric COLLATE "C" DESC) FROM berkeley_report WHERE metric LIKE '%demographic_disparity' AND "group" = 'F'),
          'fail ok', 'a disparity that the strata explain');
SELECT is((SELECT verdict FROM berkeley_report WHERE metric = 'base_rate_ratio'), 'fail', 'labels alone: their ratio has a verdict');
SELECT is((SELECT count(*) FROM berkeley_report WHERE metric IN ('selection_rate', 'accuracy', 'theil_index')), 0::bigint, 'and nothing of predictions');

--
-- Rights, errors, cancel
--
CREATE ROLE regress_bias_reader;
GRANT SELECT ON clarify TO regress_bias_reader;
SELECT throws_ok($$SET LOCAL ROLE regress_bias_reader; SELECT * FROM mlops.bias_report('SELECT * FROM parity', 'y', groups => '{x}')$$, '42501', NULL, 'it reads what the caller may');
RESET ROLE;
SET LOCAL ROLE regress_bias_reader;
SELECT * FROM mlops.bias_report('SELECT * FROM pg_temp.clarify', 'y', 'p', '{sex}') LIMIT 0;
RESET ROLE;
CREATE FUNCTION pg_temp.writes() RETURNS integer LANGUAGE plpgsql VOLATILE AS $$BEGIN DELETE FROM pg_temp.parity; CREATE TABLE public.written (i integer); RETURN 1; END$$;
SELECT throws_ok($$SELECT * FROM mlops.bias_report('SELECT pg_temp.writes() AS g, true AS y', 'y', groups => '{g}')$$, '25006', NULL, 'a function in the query cannot write');
SELECT throws_ok($$SELECT * FROM mlops.bias_report('DELETE FROM clarify RETURNING *', 'y', groups => '{sex}')$$, '22023', NULL, 'one SELECT');
SELECT throws_ok($$SELECT * FROM mlops.bias_report('SELECT 1; SELECT 2', 'y', groups => '{sex}')$$, '22023', NULL, 'one statement');
SELECT throws_ok($$SELECT * FROM mlops.bias_report('', 'y', groups => '{sex}')$$, '22023', NULL, 'not none');
SELECT throws_ok($$SELECT * FROM mlops.bias_report('SELECT * FROM clarify', 'z', groups => '{sex}')$$, '42703', NULL, 'a column that is not there');
SELECT throws_ok($$SELECT * FROM mlops.bias_report('SELECT * FROM clarify', 'y')$$, '22004', NULL, 'groups are needed');
SELECT throws_ok($$SELECT * FROM mlops.bias_report('SELECT * FROM clarify', groups => '{sex}')$$, '22004', NULL, 'an outcome is needed');
SELECT throws_ok($$SELECT * FROM mlops.bias_report('SELECT * FROM clarify', 'sex', groups => '{y}')$$, '22004', NULL, 'text needs a favourable value');
SELECT throws_ok($$SELECT * FROM mlops.bias_report('SELECT * FROM clarify', 'y', groups => '{sex}', favourable => '{good}')$$, '22023', NULL, 'a favourable value of the column');
SELECT throws_ok($$SELECT * FROM mlops.bias_report('SELECT * FROM clarify', 'y', groups => '{sex}', privileged => '{M,F}')$$, '22023', NULL, 'one privileged value for each column');
SELECT throws_ok($$SELECT * FROM mlops.bias_report('SELECT * FROM clarify', 'y', groups => '{sex,sex}')$$, '22023', NULL, 'a column once');
SELECT throws_ok($$SELECT * FROM mlops.bias_report('SELECT i AS k, true AS y FROM generate_series(1, 100001) i', 'y', groups => '{k}')$$, 'ML055', NULL, 'a key is no group');
SELECT lives_ok($$SELECT * FROM mlops.bias_report('SELECT * FROM clarify -- all', 'y', groups => '{sex}')$$, 'a comment ends with the query');
SELECT is(current_setting('transaction_read_only'), 'off', 'the transaction is as it was');

-- The caller's search_path counts in the query alone
CREATE SCHEMA regress_bias;
CREATE TABLE regress_bias.rows AS SELECT * FROM clarify;
CREATE FUNCTION regress_bias.count() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
CREATE FUNCTION regress_bias.wrong(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR regress_bias.= (LEFTARG = text, RIGHTARG = text, FUNCTION = regress_bias.wrong);
SET LOCAL search_path = regress_bias, pg_catalog, public;
CREATE TEMPORARY TABLE captured AS
SELECT metric, attribute, "group", reference, value FROM mlops.bias_report('SELECT * FROM rows', 'y', 'p', '{sex}', '{M}', min_rows => 1);
RESET search_path;
SELECT set_eq('SELECT * FROM captured', 'SELECT metric, attribute, "group", reference, value FROM clarify_report', 'its operators and functions do not');

--
-- fairlearn, scikit-learn and scipy on 30,000 card holders: test/fixtures/fairness
--
\set present `test -r ../shared/data/uci_credit_default.csv.gz && echo true || echo false`
\if :present
CREATE TEMPORARY TABLE holder (id integer, x1 numeric, x2 integer, x3 integer, x4 integer, x5 integer, x6 integer, x7 integer, x8 integer, x9 integer, x10 integer,
    x11 integer, x12 numeric, x13 numeric, x14 numeric, x15 numeric, x16 numeric, x17 numeric, x18 numeric, x19 numeric, x20 numeric, x21 numeric, x22 numeric, x23 numeric, y integer);
\copy holder FROM PROGRAM 'gzip -dc ../shared/data/uci_credit_default.csv.gz' WITH (FORMAT csv, HEADER)
CREATE TEMPORARY TABLE expected (attribute text, metric text, "group" text, reference text, value float8);
\copy expected FROM 'test/fixtures/fairness/uci_credit_default.csv' WITH (FORMAT csv)
CREATE TEMPORARY TABLE report AS
SELECT * FROM mlops.bias_report('SELECT x2 AS sex, x3 AS education, x4 AS marriage, least(x5 / 10 * 10, 60) AS age_band, y,
                                        x6 >= 1 OR x12 > 0.9 * x1 AS predicted
                                 FROM holder WHERE x3 BETWEEN 1 AND 4 AND x4 BETWEEN 1 AND 3',
                                'y', 'predicted', '{sex,education,marriage,age_band}', min_rows => 1);
CREATE TEMPORARY TABLE compared AS
SELECT e.*, CASE split_part(e.metric, ' ', 2) WHEN '' THEN r.value WHEN 'lower' THEN r.lower ELSE r.upper END AS got
FROM expected e LEFT JOIN report r
    ON r.attribute = e.attribute AND r.metric = split_part(e.metric, ' ', 1)
       AND (e."group" IS NULL OR r."group" = e."group") AND (e.reference IS NULL OR r.reference = e.reference);
SELECT is((SELECT string_agg(DISTINCT attribute || ': ' || metric, ', ') FROM compared WHERE pg_temp.near(got, value) IS NOT TRUE), NULL,
          format('%s figures of fairlearn, scikit-learn and scipy', count(*))) FROM compared;
SELECT ok(count(*) > 600, 'and they are all there') FROM compared;
\else
SELECT skip('../shared/data/uci_credit_default.csv.gz is not there', 2);
\endif

-- Any split of the rows gives the same bits
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
CREATE TABLE split_rows AS SELECT i % 3 = 0 AS y, i % 5 < 2 AS p, (i % 7)::float8 AS b FROM generate_series(1, 20000) i;
ANALYZE split_rows;
SELECT ok((SELECT string_agg(line, '') FROM (SELECT pg_temp.plan('SELECT mlops.theil_index(b), mlops.false_positive_rate(y, p), mlops.selection_rate(p), mlops.disparate_impact(p, y) FROM split_rows') AS line) l)
          LIKE '%Partial Aggregate%', 'they are computed in parallel');
CREATE TEMPORARY TABLE parallel AS
SELECT mlops.theil_index(b) AS a, mlops.generalized_entropy(b, 2) AS b, mlops.false_positive_rate(y, p) AS c, mlops.selection_rate(p) AS d, mlops.base_rate(y) AS e,
       mlops.negative_predictive_value(y, p) AS f, mlops.theil_index(y, p) AS g, mlops.disparate_impact(p, y) AS h FROM split_rows;
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT results_eq('SELECT * FROM parallel',
                  'SELECT mlops.theil_index(b), mlops.generalized_entropy(b, 2), mlops.false_positive_rate(y, p), mlops.selection_rate(p), mlops.base_rate(y),
                          mlops.negative_predictive_value(y, p), mlops.theil_index(y, p), mlops.disparate_impact(p, y) FROM split_rows', 'to the same bits');

SELECT * FROM finish();
ROLLBACK;
