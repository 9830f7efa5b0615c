-- Drift: comparisons of two samples, their tests and verdicts.
--
-- Figures marked "scipy" are those of test/fixtures/drift/reference.py; the
-- cases of other tools are those whose definition is ours, or that an option
-- offers.  Those of the credit card data are skipped where it is absent.
\pset fieldsep '\n'
SET client_min_messages = warning;
BEGIN;
SELECT plan(298);

CREATE FUNCTION pg_temp.is_near(value float8, expected float8, name text) RETURNS text
    LANGUAGE sql AS $$
    SELECT ok(coalesce(abs(value - expected) <= 1e-9 * greatest(1, abs(expected)), value IS NOT DISTINCT FROM expected),
              name || CASE WHEN abs(value - expected) <= 1e-9 * greatest(1, abs(expected)) THEN '' ELSE format(' (%s instead of %s)', value, expected) END)
$$;
CREATE FUNCTION pg_temp.measure(relation text, expression text) RETURNS float8
    LANGUAGE plpgsql AS $$
DECLARE
    result float8;
BEGIN
    EXECUTE format('SELECT %s FROM %I', expression, relation) INTO result;
    RETURN result;
END
$$;
-- reference and current, repeated so often
CREATE FUNCTION pg_temp.repeat_rows(text[], int[]) RETURNS text[]
    LANGUAGE sql AS $$
    SELECT array_agg(v) FROM unnest($1, $2) AS t(v, n), generate_series(1, n)
$$;

--
-- The same figures as scipy
--
CREATE TEMP TABLE shifted AS
    SELECT ((i * 7919) % 1009) / 64.0::float8 - 4 AS x, false AS c FROM generate_series(1, 4000) AS i
    UNION ALL SELECT ((i::bigint * 104729) % 1013) / 62.0::float8 - 4, true FROM generate_series(1, 3000) AS i;
CREATE TEMP TABLE small AS
    SELECT ((i * 7919) % 1009) / 64.0::float8 - 4 AS x, false AS c FROM generate_series(1, 15) AS i
    UNION ALL SELECT ((i::bigint * 104729) % 1013) / 62.0::float8 - 4 + 3, true FROM generate_series(1, 12) AS i;
CREATE TEMP TABLE tied AS
    SELECT floor(((i * 7919) % 1009) / 64.0::float8 - 4) AS x, false AS c FROM generate_series(1, 18) AS i
    UNION ALL SELECT floor(((i::bigint * 104729) % 1013) / 62.0::float8 - 4) + 3, true FROM generate_series(1, 20) AS i;
CREATE TEMP TABLE expected (relation text, expression text, value float8);
INSERT INTO expected VALUES
    ('shifted', 'mlops.psi(x, c)', 0.010167014593413999),
    ('shifted', 'mlops.kl(x, c)', 0.004877697894256704),
    ('shifted', 'mlops.js(x, c)', 0.04275743533833421),
    ('shifted', 'mlops.js_divergence(x, c)', 0.0018281982767118312),
    ('shifted', 'mlops.hellinger(x, c)', 0.03562358873535744),
    ('shifted', 'mlops.tvd(x, c)', 0.032083333333333346),
    ('shifted', 'mlops.linf(x, c)', 0.032083333333333325),
    ('shifted', '(mlops.drift(x, c, ''chi2'', ''{"merge": false}'')).value', 17.634011690494685),
    ('shifted', '(mlops.drift(x, c, ''chi2'', ''{"merge": false}'')).p_value', 0.03966505014028016),
    ('shifted', 'mlops.chi2_gof(x, c)', 34.590011532652035),
    ('shifted', '(mlops.drift(x, c, ''chi2_gof'')).p_value', 7.036381796039778e-05),
    ('shifted', 'mlops.ks(x, c)', 0.035333333333333335),
    ('shifted', '(mlops.drift(x, c, ''ks'')).p_value', 0.027101389700512787),
    ('shifted', 'mlops.wasserstein(x, c)', 0.27933547547043014),
    ('shifted', 'mlops.wasserstein_norm(x, c)', 0.06139161849361592),
    ('shifted', 'mlops.energy(x, c)', 0.11378306921751496),
    ('shifted', '(mlops.drift(x, c, ''energy'')).p_value', 0.013339596503053533),
    ('shifted', 'mlops.anderson_darling(x, c)', 9.116954273379521),
    ('shifted', '(mlops.drift(x, c, ''anderson_darling'')).p_value', 0.001),
    ('shifted', 'mlops.cramer_von_mises(x, c)', 0.6802269672618877),
    ('shifted', '(mlops.drift(x, c, ''cramer_von_mises'')).p_value', 0.01422673129620089),
    ('small', 'mlops.ks(x, c)', 0.26666666666666666),
    ('small', '(mlops.drift(x, c, ''ks'')).p_value', 0.6487316395783215),
    ('small', 'mlops.wasserstein(x, c)', 3.0075940860215056),
    ('small', 'mlops.wasserstein_norm(x, c)', 0.6633362113182393),
    ('small', 'mlops.energy(x, c)', 1.0626341365887546),
    ('small', '(mlops.drift(x, c, ''energy'')).p_value', 0.22016149009291947),
    ('small', 'mlops.anderson_darling(x, c)', 0.770604818751495),
    ('small', '(mlops.drift(x, c, ''anderson_darling'')).p_value', 0.15819799116907568),
    ('small', 'mlops.cramer_von_mises(x, c)', 0.22407407407407476),
    ('small', '(mlops.drift(x, c, ''cramer_von_mises'')).p_value', 0.23904800199725493),
    ('tied', 'mlops.ks(x, c)', 0.29444444444444445),
    ('tied', '(mlops.drift(x, c, ''ks'')).p_value', 0.3095412385246246),
    ('tied', 'mlops.wasserstein(x, c)', 3.155555555555555),
    ('tied', 'mlops.wasserstein_norm(x, c)', 0.745563492094613),
    ('tied', 'mlops.energy(x, c)', 1.111666527847179),
    ('tied', '(mlops.drift(x, c, ''energy'')).p_value', 0.09083159731901669),
    ('tied', 'mlops.anderson_darling(x, c)', 2.0259202441732715),
    ('tied', '(mlops.drift(x, c, ''anderson_darling'')).p_value', 0.04756464782577862),
    ('tied', 'mlops.cramer_von_mises(x, c)', 0.3592836257309946),
    ('tied', '(mlops.drift(x, c, ''cramer_von_mises'')).p_value', 0.09599088115568415);
SELECT pg_temp.is_near(pg_temp.measure(relation, expression), value, 'scipy: ' || expression || ' of ' || relation)
FROM expected;

\set present `test -f ../shared/data/uci_credit_default.csv.gz && echo true || echo false`
\if :present
CREATE TEMP TABLE card (id int, x1 float8, x2 text, x3 text, x4 text, x5 float8, x6 int, x7 int, x8 int, x9 int, x10 int, x11 int,
    x12 float8, x13 float8, x14 float8, x15 float8, x16 float8, x17 float8, x18 float8, x19 float8, x20 float8, x21 float8,
    x22 float8, x23 float8, y int);
\copy card FROM PROGRAM 'gzip -dc ../shared/data/uci_credit_default.csv.gz' WITH (FORMAT csv, HEADER)
CREATE TEMP VIEW halves AS SELECT x1 AS limit_bal, x12 AS bill, id % 2 = 1 AS c FROM card;
CREATE TEMP VIEW sexes AS SELECT x3::float8 AS education, x1 AS limit_bal, x5 AS age, x12 AS bill, x2 = '1' AS c FROM card;
TRUNCATE expected;
INSERT INTO expected VALUES
    ('halves', 'mlops.psi(limit_bal, c)', 0.0018504552822097109),
    ('halves', 'mlops.kl(limit_bal, c)', 0.0009296534277873072),
    ('halves', 'mlops.js(limit_bal, c)', 0.018265927994637707),
    ('halves', 'mlops.js_divergence(limit_bal, c)', 0.0003336441255052895),
    ('halves', 'mlops.hellinger(limit_bal, c)', 0.015208079901194054),
    ('halves', 'mlops.tvd(limit_bal, c)', 0.017933333333333322),
    ('halves', 'mlops.linf(limit_bal, c)', 0.00866666666666667),
    ('halves', '(mlops.drift(limit_bal, c, ''chi2'', ''{"merge": false}'')).value', 13.873325159580338),
    ('halves', '(mlops.drift(limit_bal, c, ''chi2'', ''{"merge": false}'')).p_value', 0.12690318605171944),
    ('halves', 'mlops.chi2_gof(limit_bal, c)', 27.37850600208685),
    ('halves', '(mlops.drift(limit_bal, c, ''chi2_gof'')).p_value', 0.0012106378139546835),
    ('halves', 'mlops.ks(bill, c)', 0.010800000000000004),
    ('halves', '(mlops.drift(bill, c, ''ks'')).p_value', 0.3434210072368229),
    ('halves', 'mlops.wasserstein(bill, c)', 562.6325999999964),
    ('halves', 'mlops.wasserstein_norm(bill, c)', 0.0076235646556202415),
    ('halves', 'mlops.energy(bill, c)', 1.8258517768732234),
    ('halves', 'mlops.anderson_darling(bill, c)', 0.24458181544226765),
    ('halves', '(mlops.drift(bill, c, ''anderson_darling'')).p_value', 0.25),
    ('halves', 'mlops.cramer_von_mises(bill, c)', 0.17415653777788975),
    ('halves', '(mlops.drift(bill, c, ''cramer_von_mises'')).p_value', 0.3236903270377032),
    ('sexes', 'mlops.psi(education, c)', 0.004298089272961017),
    ('sexes', 'mlops.kl(education, c)', 0.0021410791952914867),
    ('sexes', 'mlops.js(education, c)', 0.027812236942773544),
    ('sexes', 'mlops.js_divergence(education, c)', 0.0007735205237609775),
    ('sexes', 'mlops.hellinger(education, c)', 0.02316695970011773),
    ('sexes', 'mlops.tvd(education, c)', 0.029024874089856333),
    ('sexes', 'mlops.linf(education, c)', 0.025862704440502426),
    ('sexes', '(mlops.drift(education, c, ''chi2'', ''{"merge": false}'')).value', 30.80192037757042),
    ('sexes', '(mlops.drift(education, c, ''chi2'', ''{"merge": false}'')).p_value', 2.7654643366112833e-05),
    ('sexes', 'mlops.chi2_gof(education, c)', 52.1488651741801),
    ('sexes', '(mlops.drift(education, c, ''chi2_gof'')).p_value', 1.7405985023001555e-09),
    ('sexes', 'mlops.psi(bill, c)', 0.021011694003829073),
    ('sexes', 'mlops.kl(bill, c)', 0.010595176774030352),
    ('sexes', 'mlops.js(bill, c)', 0.061491830156407926),
    ('sexes', 'mlops.js_divergence(bill, c)', 0.003781245175984519),
    ('sexes', 'mlops.hellinger(bill, c)', 0.05122212453126393),
    ('sexes', 'mlops.tvd(bill, c)', 0.05806906866918092),
    ('sexes', 'mlops.linf(bill, c)', 0.025570444882507648),
    ('sexes', '(mlops.drift(bill, c, ''chi2'', ''{"merge": false}'')).value', 149.47327785144134),
    ('sexes', '(mlops.drift(bill, c, ''chi2'', ''{"merge": false}'')).p_value', 1.133841857220273e-27),
    ('sexes', 'mlops.chi2_gof(bill, c)', 245.43019905484215),
    ('sexes', '(mlops.drift(bill, c, ''chi2_gof'')).p_value', 9.19326520501245e-48),
    ('sexes', 'mlops.ks(limit_bal, c)', 0.0951985165430948),
    ('sexes', '(mlops.drift(limit_bal, c, ''ks'')).p_value', 4.621938203335725e-57),
    ('sexes', 'mlops.wasserstein(limit_bal, c)', 13491.234721951396),
    ('sexes', 'mlops.wasserstein_norm(limit_bal, c)', 0.10773309615383193),
    ('sexes', 'mlops.energy(limit_bal, c)', 35.85435799641245),
    ('sexes', '(mlops.drift(limit_bal, c, ''energy'')).p_value', 7.598343996214039e-28),
    ('sexes', 'mlops.anderson_darling(limit_bal, c)', 160.09301441828302),
    ('sexes', '(mlops.drift(limit_bal, c, ''anderson_darling'')).p_value', 0.001),
    ('sexes', 'mlops.cramer_von_mises(limit_bal, c)', 17.258292788424114),
    ('sexes', 'mlops.ks(age, c)', 0.0738859359915156),
    ('sexes', '(mlops.drift(age, c, ''ks'')).p_value', 1.6135191833037684e-34),
    ('sexes', 'mlops.wasserstein(age, c)', 1.7125629847956658),
    ('sexes', 'mlops.wasserstein_norm(age, c)', 0.18966957666415396),
    ('sexes', 'mlops.energy(age, c)', 0.43301334743002534),
    ('sexes', '(mlops.drift(age, c, ''energy'')).p_value', 1.3254481357013524e-55),
    ('sexes', 'mlops.anderson_darling(age, c)', 180.39814616709592),
    ('sexes', '(mlops.drift(age, c, ''anderson_darling'')).p_value', 0.001),
    ('sexes', 'mlops.cramer_von_mises(age, c)', 24.42977783810602);
SELECT pg_temp.is_near(pg_temp.measure(relation, expression), value, 'scipy: ' || expression || ' of ' || relation)
FROM expected;
SELECT is((SELECT string_agg(DISTINCT verdict, ' ') FROM mlops.csi('SELECT * FROM card WHERE id % 2 = 0', 'SELECT * FROM card WHERE id % 2 = 1')
           WHERE feature <> 'id'), 'ok', 'halves of the card holders have not drifted in any column');
SELECT is((SELECT string_agg(feature, ' ' ORDER BY feature) FROM mlops.csi('SELECT * FROM card', 'SELECT * FROM card WHERE x5 > 40')
           WHERE verdict = 'fail'), 'x4 x5', 'the older ones differ in age and marriage');
\else
SELECT skip('the credit card data is absent', 62);
\endif

--
-- Cases of other tools
--
SELECT pg_temp.is_near((d).value, 3.1746031746031744, 'case 1: statistic of the goodness of fit'),
       pg_temp.is_near(round((d).p_value::numeric, 5)::float8, 0.67309, 'case 1: its p-value')
FROM mlops.drift_counts('{16,18,16,14,12,12}', '{16,16,16,16,16,8}', 'chi2_gof') AS d;
SELECT is(round(mlops.psi(r, r)::numeric, 12), 0::numeric, 'psi of equal counts'),
       pg_temp.is_near((mlops.drift_counts(r, c, 'chi2')).value, 1.6224089635854342, 'case 1: statistic of two samples'),
       pg_temp.is_near((mlops.drift_counts(r, c, 'chi2')).p_value, 0.8985262394026609, 'case 1: p-value of two samples'),
       is(round((mlops.drift_counts(ARRAY(SELECT 2 * v FROM unnest(r) v), c, 'chi2_gof')).p_value::numeric, 5), 0.67309, 'case 1: a reference twice as large changes nothing'),
       ok(abs(mlops.hellinger(r, c) - 0.06812) < 1e-5, 'case 3: hellinger'),
       pg_temp.is_near(mlops.tvd(r, c), 6 / 88.0, 'case 11: tvd'),
       pg_temp.is_near(mlops.tvd(r, '{10,10,24,24,10,10}'::bigint[]), 18 / 88.0, 'case 11: tvd of the second pair'),
       pg_temp.is_near(mlops.tvd(r, '{0,0,0,0,0,88}'::bigint[]), 76 / 88.0, 'case 11: tvd of the third pair'),
       is(mlops.tvd(r, r), 0::float8, 'case 11: tvd of the same')
FROM (VALUES ('{16,18,16,14,12,12}'::bigint[], '{16,16,16,16,16,8}'::bigint[])) AS v(r, c);
SELECT is((mlops.drift(ARRAY['1', '4', '5'], ARRAY['1', '2', '3'], 'chi2_gof')).p_value, 0::float8, 'case 2: a category that the reference lacks is impossible'),
       is((mlops.drift(ARRAY['1', '4', '5'], ARRAY['1', '2', '3'], 'chi2_gof')).value, 'Infinity'::float8, 'case 2: and the statistic infinite');
SELECT pg_temp.is_near((d).value, 4.0, 'case 2: two samples of four categories, counted apart'),
       is(round((d).p_value::numeric, 5), 0.40601, 'case 2: their p-value')
FROM mlops.drift_counts('{1,1,1,0,0}', '{1,0,0,1,1}', 'chi2', '{"merge": false}') AS d;
SELECT is((SELECT (d).p_value < 0.0001 AND (d).value > 0.6 FROM mlops.drift(array_agg(x), array_agg(x + 5), 'ks') AS d), true, 'ks of a large shift')
FROM (SELECT i % 100 / 20.0 AS x FROM generate_series(1, 500) i) s;
SELECT pg_temp.is_near(mlops.ks('{1,2,3,4,5,6,7,8}'::float8[], '{4.5,5.5,6.5,7.5,8.5,9.5,10.5,3.5}'::float8[]), 0.375, 'ks of 8 and 8'),
       is(round((mlops.drift('{1,2,3,4,5,6,7,8}'::float8[], '{5.5,6.5,7.5,8.5,9.5,10.5,11.5,3.5}'::float8[], 'ks')).p_value::numeric, 4), 0.2827, 'exact p of D = 0.5, 8 and 8');
SELECT is(mlops.energy(x, x), 0::float8, 'case 7: energy of the same') FROM (VALUES ('{1,2,3}'::float8[])) v(x);
SELECT pg_temp.is_near(mlops.linf('{10,20,25,10,5}'::bigint[], '{11,20,25,10,10}'::bigint[]), 0.06015037593984962, 'case 15: linf'),
       pg_temp.is_near(mlops.linf('{10,20,25,10,5,0}'::bigint[], '{0,20,25,10,10,11}'::bigint[]), 0.14473684210526316, 'linf with a category of one side only'),
       is((mlops.drift_counts('{10,20,25,10,5}', '{11,20,25,10,10}', 'linf', '{"correction": 1.8}')).value, 0::float8, 'case 15: robust linf');
SELECT pg_temp.is_near((mlops.drift_counts(e, s, 'chi2_gof', '{"merge": true}')).value, v, 'case 17: statistic with regrouping ' || v)
FROM (VALUES ('{223,20,25,12,13,15,0}'::bigint[], '{207,20,25,14,25,0,13}'::bigint[], 28.175042782458068),
             ('{100,22,25,5,13,2}', '{100,20,25,10,5,2}', 8.789790456457125),
             ('{100,40,30,0,4}', '{100,40,30,10,0}', 0.38754325259515626),
             ('{100,4,3,34}', '{100,4,3,27}', 1.1507901668129925),
             ('{20,20}', '{30,0}', 30)) AS t(e, s, v);
SELECT pg_temp.is_near(1e5 * (mlops.drift_counts('{223,20,25,12,13,15,0}', '{207,20,25,14,25,0,13}', 'chi2_gof', '{"merge": true}')).p_value, 3.3640191298478506, 'case 17: p of six'),
       pg_temp.is_near((mlops.drift_counts('{223,20,25,12,13}', '{207,20,25,14,25}', 'chi2_gof', '{"merge": true}')).p_value, 0.013227994814265176, 'case 17: p of five'),
       pg_temp.is_near(1e8 * (mlops.drift_counts('{20,20}', '{30,0}', 'chi2_gof', '{"merge": true}')).p_value, 4.3204630578274955, 'case 17: p of two'),
       is((mlops.drift_counts('{100,4,3}', '{100,4,3}', 'chi2_gof', '{"merge": true}')).value, NULL, 'case 17: not defined once one is left');
SELECT pg_temp.is_near(mlops.psi(e, a), 0.007406694184014186, 'case 18: psi'),
       is((mlops.drift_counts(e, a)).verdict, 'ok', 'case 18: its verdict'),
       is(round(((mlops.drift_counts(e, a, 'psi', '{"warn": 0, "fail": null}')).threshold)::numeric, 4), 0.0081, 'trap 11: the limit of chance')
FROM (VALUES ('{428,425,414,427,440,447,380,386,444,386}'::bigint[], '{426,437,429,391,469,433,360,443,371,418}'::bigint[])) AS v(e, a);
SELECT pg_temp.is_near(mlops.linf('{1,9}'::bigint[], '{3,7}'::bigint[]), 0.2, 'case 20: linf'),
       pg_temp.is_near(mlops.linf('{0,9,1}'::bigint[], '{3,7,0}'::bigint[]), 0.3, 'case 20: linf of other categories');
SELECT pg_temp.is_near(mlops.js_divergence('{2,2,0,0}'::bigint[], '{0,1,1,2}'::bigint[]), 0.65563906222956647, 'case 21: divergence, base 2'),
       pg_temp.is_near(mlops.js('{2,2,0,0}'::bigint[], '{0,1,1,2}'::bigint[]), sqrt(0.65563906222956647), 'trap 3: distance, base 2'),
       is(round((mlops.drift_counts('{2,2,0,0}', '{0,1,1,2}', 'js', '{"base": "e"}')).value::numeric, 3), 0.674, 'trap 3: distance, base e'),
       is(mlops.js_divergence('{1,0}'::bigint[], '{0,1}'::bigint[]), 1::float8, 'case 21: no overlap'),
       pg_temp.is_near(mlops.js_divergence('{1,1,0}'::bigint[], '{1,0,1}'::bigint[]), 0.5, 'case 21: points'),
       pg_temp.is_near(mlops.js_divergence('{2,2,1,0,0,0}'::bigint[], '{0,2,0,1,1,1}'::bigint[]), 0.6, 'case 21: categories'),
       is(mlops.js_divergence('{0,0}'::bigint[], '{0,1}'::bigint[]), NULL, 'case 21: an empty sample has none');
SELECT is(round(mlops.linf(v, c)::numeric, 2), 0.14, 'case 23: linf') FROM (
    SELECT unnest(ARRAY['a','a','b','b','c','c']) AS v, false AS c UNION ALL SELECT unnest(ARRAY['a','a','b','b','c','c','d']), true) t;
SELECT is(round(mlops.linf(v, c)::numeric, 2), 0.67, 'case 23: linf of a constant') FROM (
    SELECT unnest(ARRAY['a','a','b','b','c','c']) AS v, false AS c UNION ALL SELECT unnest(ARRAY['b','b','b','b','b']), true) t;
SELECT is(lower, -1.8660254037844386::float8, 'case 25: limits of a chunk'), is(upper, NULL, 'case 25: no upper limit')
FROM mlops.chunk_limits('{-1,1,1,1}', 1, NULL, 'min');
SELECT is((mlops.chunk_limits('{-1,1,1,1,NULL}', 2, NULL, 'min')).lower, -2.732050807568877::float8, 'case 25: two deviations, NULL ignored');
SELECT pg_temp.is_near(lower, 2.382381972241136, 'case 25: median less 1.4 deviations'), pg_temp.is_near(upper, 31.81088289679838, 'case 25: median plus 2')
FROM mlops.chunk_limits(ARRAY(SELECT generate_series(0, 29)), 1.4, 2, 'median');
SELECT pg_temp.is_near((d).value, 6.133333333333333, 'case 46: contingency'), is(round((d).p_value::numeric, 8), 0.04657615, 'case 46: its p-value')
FROM mlops.drift(ARRAY['a','a','b','a','a','b'], ARRAY['b','a','c','c','c','c'], 'chi2', '{"merge": false}') AS d;
SELECT is((SELECT bool_and(a < 0.05) FROM unnest(mlops.benjamini_hochberg(array_fill(0.04999::float8, ARRAY[1000]))) a), true, 'case 49: all just below q are found'),
       is((SELECT bool_or(a < 0.05) FROM unnest(mlops.benjamini_hochberg(array_fill(0.05::float8, ARRAY[1000]))) a), false, 'case 49: all at q are not'),
       is(mlops.benjamini_hochberg('{0.01,0.04,0.03,NULL,NaN,0.9}'), '{0.04,0.05333333333333334,0.05333333333333334,NULL,NULL,0.9}', 'order and NULL stay');
SELECT is(mlops.hellinger('{1,0}'::bigint[], '{0,1}'::bigint[]), 1::float8, 'case 55: single values apart'), is(mlops.hellinger('{1}'::bigint[], '{1}'::bigint[]), 0::float8, 'case 55: single values alike');
SELECT is((mlops.drift(array_fill('4'::text, ARRAY[10]), array_fill('4'::text, ARRAY[10]), 'hellinger')).value, 0::float8, 'case 3: identical series');

--
-- What is skipped, and said to be
--
SELECT is((d).skipped, 5::bigint, 'NULL, NaN and infinities are counted'),
       is((d).n_reference, 2::bigint, 'and are in no sample'),
       is((d).definition -> 'skipped' -> 'reference', '{"null": 1, "nan": 1, "infinite": 1}'::jsonb, 'apart by kind and sample'),
       is((d).definition -> 'skipped' -> 'current', '{"null": 1, "nan": 0, "infinite": 1}'::jsonb, 'for both')
FROM mlops.drift('{1,NULL,NaN,Infinity,2}'::float8[], '{NULL,-Infinity,3}'::float8[], 'ks') AS d;
SELECT is((d).skipped, 2::bigint, 'rows without a flag are counted'), is((d).definition -> 'skipped' -> 'unassigned', '2'::jsonb, 'as such')
FROM (SELECT mlops.drift(x, c) AS d FROM (VALUES (1.0, NULL), (2, true), (3, false), (NULL, NULL)) AS v(x, c)) s;
SELECT is((d).verdict, 'insufficient', 'an empty window is insufficient: ' || m), is((d).value, NULL, 'and has no value: ' || m), is((d).p_value, NULL, 'nor p: ' || m)
FROM unnest(ARRAY['psi','js','js_divergence','hellinger','tvd','linf','chi2','ks','wasserstein_norm','energy','anderson_darling','cramer_von_mises']) AS m,
     mlops.drift(ARRAY(SELECT x::float8 FROM generate_series(1, 200) x), '{NULL,NaN}'::float8[], m) AS d;
SELECT is((SELECT count(*) FROM (SELECT mlops.drift(x, c) AS d FROM (VALUES (1.0, true)) AS v(x, c) WHERE false) s WHERE d IS NULL), 1::bigint, 'no rows at all give NULL');
SELECT is((d).verdict, 'ok', 'a constant that stayed is well: ' || m)
FROM unnest(ARRAY['psi','js','hellinger','tvd','linf','chi2','ks','wasserstein_norm','energy','cramer_von_mises']) AS m,
     mlops.drift(array_fill(7::float8, ARRAY[200]), array_fill(7::float8, ARRAY[150]), m) AS d;
SELECT is((d).verdict, 'fail', 'a constant that changed fails: ' || m)
FROM unnest(ARRAY['psi','js','hellinger','tvd','linf','chi2','ks','wasserstein_norm','energy','anderson_darling','cramer_von_mises']) AS m,
     mlops.drift(array_fill(7::float8, ARRAY[200]), array_fill(8::float8, ARRAY[150]), m) AS d;

--
-- Verdicts
--
CREATE TEMP TABLE verdict AS
    SELECT n, r, array_agg((r * 1000 + i) % 5000 / 500.0::float8) AS x FROM (VALUES (1000, 0), (1000, 1)) AS s(n, r), generate_series(1, n) i GROUP BY n, r;
SELECT is((d).verdict, v, format('%s of a shift by %s: %s', m, shift, v))
FROM (VALUES ('psi', 0.0, 'ok'), ('psi', 0.8, 'warn'), ('psi', 4.0, 'fail'),
             ('ks', 0.5, 'ok'), ('ks', 2.0, 'fail'), ('tvd', 0.5, 'ok'), ('tvd', 1.3, 'warn'), ('tvd', 3.0, 'fail'),
             ('js', 0.0, 'ok'), ('js', 4.0, 'fail'), ('wasserstein_norm', 0.2, 'ok'), ('wasserstein_norm', 0.5, 'warn'), ('wasserstein_norm', 3.0, 'fail'),
             ('chi2', 0.5, 'ok'), ('chi2', 3.0, 'fail'), ('energy', 3.0, 'fail'), ('anderson_darling', 3.0, 'fail'),
             ('cramer_von_mises', 3.0, 'fail'), ('kl', 3.0, NULL), ('chi2_gof', 3.0, NULL), ('wasserstein', 3.0, NULL)) AS t(m, shift, v),
     mlops.drift(ARRAY(SELECT i / 500.0::float8 FROM generate_series(1, 5000) i),
                 ARRAY(SELECT i / 100.0::float8 + shift FROM generate_series(1, 1000) i), m) AS d;
SELECT is((d).verdict, 'insufficient', 'fewer than 100 rows are insufficient, never ok')
FROM mlops.drift(ARRAY(SELECT i::float8 FROM generate_series(1, 5000) i), ARRAY(SELECT 50.0 * i FROM generate_series(1, 99) i)) AS d;
SELECT is((d).verdict, 'ok', 'unless fewer are asked for')
FROM mlops.drift(ARRAY(SELECT i::float8 FROM generate_series(1, 5000) i), ARRAY(SELECT 50.0 * i FROM generate_series(1, 99) i), 'psi', '{"min_rows": 50}') AS d;
SELECT ok((d).value > 0.25 AND (d).verdict = 'ok' AND (d).threshold > (d).value, 'psi beyond 0.25 that chance explains is no drift')
FROM mlops.drift_counts('{20,20,20,20,20,20,20,20,20,20}', '{12,3,4,5,3,7,8,3,4,11}', 'psi', '{"min_rows": 10}') AS d;
SELECT is((d).verdict, 'ok', 'a tiny effect is no drift however significant') FROM mlops.drift_counts('{1000000,1000000}', '{1010000,990000}', 'tvd') AS d;
SELECT ok((d).p_value < 1e-20, 'although p says so') FROM mlops.drift_counts('{1000000,1000000}', '{1010000,990000}', 'tvd') AS d;
SELECT is((d).verdict, 'warn', 'limits can be chosen') FROM mlops.drift_counts('{1000,1000}', '{1200,800}', 'tvd', '{"warn": 0.05, "fail": 0.5}') AS d;
SELECT is((d).definition -> 'bins' -> 'reference', '[1, 2, 0]'::jsonb, 'the definition has the counts'), is((d).definition -> 'bins' -> 'values', '["a", "b"]'::jsonb, 'and the values')
FROM mlops.drift(ARRAY['a', 'b', 'b'], ARRAY['b', 'c']) AS d;
SELECT is(((d).definition -> 'bins' -> 'current')::text, '[0, 1, 1]', 'of both; what the reference lacks comes last') FROM mlops.drift(ARRAY['a', 'b', 'b'], ARRAY['b', 'c']) AS d;
SELECT is(jsonb_array_length((d).definition -> 'bins' -> 'edges'), 4, 'as many bins as were asked for')
FROM mlops.drift(ARRAY(SELECT i::float8 FROM generate_series(1, 100) i), '{1}'::float8[], 'psi', '{"bins": 5}') AS d;
SELECT is((d).definition -> 'bins' -> 'edges', '[20, 40, 60, 80]'::jsonb, 'with edges at quantiles of the reference alone')
FROM mlops.drift(ARRAY(SELECT i::float8 FROM generate_series(1, 100) i), '{1000,2000}'::float8[], 'psi', '{"bins": 5}') AS d;
SELECT is((d).definition -> 'bins' ->> 'kind', 'values', 'twenty distinct values have a bin each') FROM mlops.drift(ARRAY(SELECT (i % 20)::float8 FROM generate_series(1, 100) i), '{1}'::float8[]) AS d;
SELECT is((d).definition -> 'bins' ->> 'kind', 'quantiles', 'twenty-one do not') FROM mlops.drift(ARRAY(SELECT (i % 21)::float8 FROM generate_series(1, 105) i), '{1}'::float8[]) AS d;

--
-- One answer in any plan
--
CREATE TABLE many AS SELECT i, (i * 7919 % 1009) / 1009.0::float8 + (i % 3) / 50.0 AS x, (i % 11)::text AS t, i % 3 = 0 AS c FROM generate_series(1, 50000) i;
SELECT is((SELECT (mlops.drift(x, c, 'ks')).value FROM many), (SELECT (mlops.drift(array_agg(x) FILTER (WHERE NOT c), array_agg(x) FILTER (WHERE c), 'ks')).value FROM many), 'aggregate and arrays agree');
SELECT is((SELECT mlops.ks(x, c) FROM many), (SELECT mlops.ks(array_agg(x) FILTER (WHERE NOT c), array_agg(x) FILTER (WHERE c)) FROM many), 'and the plain forms');
CREATE TEMP TABLE serial AS SELECT mlops.psi(x, c), mlops.psi(t, c) AS psi_text, mlops.ks(x, c), mlops.wasserstein(x, c), mlops.energy(x, c), mlops.anderson_darling(x, c), mlops.cramer_von_mises(x, c), mlops.chi2(t, c) FROM many;
ALTER TABLE many SET (parallel_workers = 2);
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SELECT is((SELECT count(*) FROM (SELECT mlops.psi(x, c), mlops.psi(t, c) AS psi_text, mlops.ks(x, c), mlops.wasserstein(x, c), mlops.energy(x, c), mlops.anderson_darling(x, c), mlops.cramer_von_mises(x, c), mlops.chi2(t, c) FROM many INTERSECT TABLE serial) s), 1::bigint, 'a parallel plan gives the same bits');
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
SELECT ok(EXISTS (SELECT FROM pg_temp.plan_of('SELECT mlops.psi(t, c), mlops.drift(t, c, ''js'') FROM many') p WHERE p LIKE '%Partial Aggregate%'), 'that of texts is one');
SELECT is((SELECT count(DISTINCT v) FROM (SELECT mlops.psi(x, c) OVER () AS v FROM many LIMIT 3) s), 1::bigint, 'as a window aggregate');

--
-- Chance: windows of 100 rows of the reference itself
--
SELECT setseed(0.25);
CREATE TEMP TABLE chance AS
WITH r AS MATERIALIZED (SELECT array_agg(-ln(1 - random()) ORDER BY i) AS x FROM generate_series(1, 2000) i),
     w AS MATERIALIZED (SELECT n, array_agg(r.x[1 + floor(random() * 2000)::integer]) AS x FROM r, generate_series(1, 300) n, generate_series(1, 100) GROUP BY n)
SELECT m, (mlops.drift(r.x, w.x, m)).verdict FROM r, w, unnest('{psi,js,hellinger,tvd,linf,chi2,ks,wasserstein_norm,energy,anderson_darling,cramer_von_mises}'::text[]) m;
SELECT cmp_ok(count(*) FILTER (WHERE verdict = 'fail'), '<=', 3::bigint, m || ': no more than 1 % fail') FROM chance GROUP BY m ORDER BY m;
SELECT is((mlops.drift_counts('{1000,1000,1000,1000,1000,1000,1000,1000,1000,1000}', '{3,3,10,10,10,10,10,11,15,18}')).verdict, 'warn', 'psi beyond 0.25 by few rows');
SELECT is((mlops.drift_counts('{1000,1000,1000,1000,1000,1000,1000,1000,1000,1000}', '{1,3,10,10,10,10,10,10,16,20}')).verdict, 'fail', 'psi that chance does not explain');

--
-- Queries
--
SELECT is((SELECT string_agg(feature || ' ' || coalesce(problem, verdict), ', ' ORDER BY feature)
           FROM mlops.drift_columns('SELECT x, t, 1 AS gone, 1 AS changed FROM many WHERE NOT c', 'SELECT x, t, ''a'' AS changed FROM many WHERE c;', 'tvd')),
          'changed a number in one query only, gone not in the current rows, t ok, x ok', 'columns that cannot be compared are rows that say so');
SELECT is((SELECT string_agg(feature || ' ' || coalesce(problem, verdict), ', ' ORDER BY feature) FROM mlops.drift_columns('SELECT x, t FROM many', 'SELECT x, t FROM many WHERE false', 'ks')),
          't not a number, as the method needs, x insufficient', 'an empty window is a row of its own');
SELECT is((SELECT value FROM mlops.csi('SELECT x FROM many WHERE NOT c', 'SELECT x FROM many WHERE c')), (SELECT mlops.psi(x, c) FROM many), 'csi is psi of each column');
SELECT throws_ok($$SELECT mlops.csi('DELETE FROM many', 'SELECT 1')$$, '22023', NULL, 'a query that writes is refused');
SELECT throws_ok($$SELECT mlops.csi('SELECT 1; SELECT 2', 'SELECT 1')$$, '22023', NULL, 'and so are two');
SELECT throws_ok($$SELECT mlops.csi('WITH d AS (DELETE FROM many RETURNING x) SELECT * FROM d', 'SELECT 1')$$, '22023', NULL, 'and one that writes in WITH');
CREATE TABLE written (x int);
CREATE FUNCTION write_row() RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN INSERT INTO written VALUES (1); RETURN 1; END $$;
SELECT throws_ok($$SELECT mlops.csi('SELECT write_row() AS x', 'SELECT 1 AS x')$$, '25006', NULL, 'and one whose functions write');
SELECT lives_ok('INSERT INTO written VALUES (1)', 'after which writing goes on');
SELECT throws_ok($$SELECT mlops.csi('SELECT nextval(''pg_temp.numbers'')', 'SELECT 1')$$, '42P01', NULL, 'an error of the query is the query''s');

--
-- Refusals
--
SELECT throws_ok($$SELECT mlops.drift('{1}'::float8[], '{1}'::float8[], 'mmd')$$, '22023', NULL, 'unknown method');
SELECT throws_ok($$SELECT mlops.drift('{1}'::float8[], '{1}'::float8[], 'psi', '{"bin": 3}')$$, '22023', NULL, 'unknown option');
SELECT throws_ok($$SELECT mlops.drift('{1}'::float8[], '{1}'::float8[], 'psi', '{"bins": 1}')$$, '22023', NULL, 'one bin');
SELECT throws_ok($$SELECT mlops.drift('{1}'::float8[], '{1}'::float8[], 'psi', '{"bins": [3]}')$$, '22023', NULL, 'bins that are no number');
SELECT throws_ok($$SELECT mlops.drift('{1}'::float8[], '{1}'::float8[], 'psi', '[]')$$, '22023', NULL, 'options that are no object');
SELECT throws_ok($$SELECT mlops.drift('{a}'::text[], '{a}'::text[], 'ks')$$, 'ML053', NULL, 'ks of texts');
SELECT throws_ok($$SELECT mlops.drift_counts('{1}', '{1}', 'ks')$$, 'ML053', NULL, 'ks of counts');
SELECT throws_ok($$SELECT mlops.psi('{1,2}'::bigint[], '{1}'::bigint[])$$, 'ML054', NULL, 'other bins');
SELECT throws_ok($$SELECT mlops.psi('{1,-2}'::bigint[], '{1,1}'::bigint[])$$, '22023', NULL, 'negative counts');
SELECT throws_ok($$SELECT mlops.psi('{1,NULL}'::bigint[], '{1,1}'::bigint[])$$, '22004', NULL, 'counts that are NULL');
SELECT throws_ok($$SELECT mlops.benjamini_hochberg('{1.5}')$$, '22023', NULL, 'a p-value above 1');
SELECT throws_ok($$SELECT mlops.chunk_limits('{1}', 1, 1, 'mode')$$, '22023', NULL, 'unknown center');

SELECT * FROM finish();
ROLLBACK;
