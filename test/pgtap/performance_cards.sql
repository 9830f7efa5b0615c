-- Measures of 30,000 card holders beside scikit-learn and scipy, to 1e-9; the
-- figures are of test/fixtures/performance/reference.py.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
BEGIN;
SET client_min_messages = warning;
SELECT plan(3);
\set present `test -r ../shared/data/uci_credit_default.csv.gz && echo true || echo false`
\if :present
CREATE TEMPORARY TABLE holder (id integer, x1 float8, x2 text, x3 integer, x4 integer, x5 integer, x6 integer, x7 integer, x8 integer, x9 integer, x10 integer,
    x11 integer, x12 float8, x13 float8, x14 float8, x15 float8, x16 float8, x17 float8, x18 float8, x19 float8, x20 float8, x21 float8, x22 float8, x23 float8, y integer);
\copy holder FROM PROGRAM 'gzip -dc ../shared/data/uci_credit_default.csv.gz' WITH (FORMAT csv, HEADER)
-- rules in place of models: few distinct probabilities, many distinct scores, a class
CREATE TEMPORARY VIEW card AS
SELECT *, (x6 + 3) / 12.0::float8 AS p, x12 / (x1 + abs(x12) + 1) AS s,
       CASE WHEN x1 > 200000 THEN '1' WHEN x5 < 40 THEN '2' ELSE '3' END AS school FROM holder;
CREATE TEMPORARY VIEW men AS SELECT * FROM card WHERE x2 = '1';
CREATE TEMPORARY VIEW women AS SELECT * FROM card WHERE x2 = '2';
CREATE FUNCTION pg_temp.measure(call text, relation text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    value float8;
BEGIN
    EXECUTE format('SELECT mlops.%s FROM pg_temp.%I', call, relation) INTO value;
    RETURN value;
END $$;
CREATE FUNCTION pg_temp.near(value float8, expected float8) RETURNS boolean LANGUAGE sql AS
    $$ SELECT coalesce(abs(value - expected) <= 1e-9 * greatest(1, abs(expected)), false) $$;
CREATE TEMPORARY TABLE expected (call text, relation text, value float8);
INSERT INTO expected VALUES
    ('auc(y, p)', 'card', 0.68971016999203),
    ('gini(y, p)', 'card', 0.3794203399840601),
    ('ks(y, p)', 'card', 0.37167472685601843),
    ('pr_auc(y, p)', 'card', 0.43830122117042664),
    ('auc(y, s)', 'card', 0.5507446380984785),
    ('gini(y, s)', 'card', 0.10148927619695702),
    ('ks(y, s)', 'card', 0.11244815519649248),
    ('pr_auc(y, s)', 'card', 0.25636153672139034),
    ('log_loss(y, p)', 'card', 0.49161347486025647),
    ('brier(y, p)', 'card', 0.15654282407407408),
    ('accuracy(y, p)', 'card', 0.7855666666666666),
    ('precision(y, p)', 'card', 0.7192224622030238),
    ('recall(y, p)', 'card', 0.05018083182640145),
    ('f1(y, p)', 'card', 0.09381603042682068),
    ('mcc(y, p)', 'card', 0.15022793665797904),
    ('accuracy(y, p, 0.3)', 'card', 0.7801333333333333),
    ('precision(y, p, 0.3)', 'card', 0.5029334115576415),
    ('recall(y, p, 0.3)', 'card', 0.5167269439421338),
    ('f1(y, p, 0.3)', 'card', 0.5097368812249146),
    ('mcc(y, p, 0.3)', 'card', 0.3681169958918479),
    ('auc(y, p)', 'men', 0.6930482687418714),
    ('gini(y, p)', 'men', 0.38609653748374284),
    ('ks(y, p)', 'men', 0.3746621778800425),
    ('pr_auc(y, p)', 'men', 0.4526599074815722),
    ('auc(y, s)', 'men', 0.542229072904945),
    ('gini(y, s)', 'men', 0.08445814580989008),
    ('ks(y, s)', 'men', 0.09737172778709885),
    ('pr_auc(y, s)', 'men', 0.26804400803033795),
    ('log_loss(y, p)', 'men', 0.5113479036742354),
    ('brier(y, p)', 'men', 0.16543877112307465),
    ('accuracy(y, p)', 'men', 0.7669078061911171),
    ('precision(y, p)', 'men', 0.7107438016528925),
    ('recall(y, p)', 'men', 0.05986773407587887),
    ('f1(y, p)', 'men', 0.11043338683788122),
    ('mcc(y, p)', 'men', 0.1579488542168788),
    ('accuracy(y, p, 0.3)', 'men', 0.7716184387617766),
    ('precision(y, p, 0.3)', 'men', 0.5276804484933427),
    ('recall(y, p, 0.3)', 'men', 0.5241907413853115),
    ('f1(y, p, 0.3)', 'men', 0.5259298061812467),
    ('mcc(y, p, 0.3)', 'men', 0.37551172702747804),
    ('auc(y, p)', 'women', 0.6857969011258336),
    ('gini(y, p)', 'women', 0.37159380225166716),
    ('ks(y, p)', 'women', 0.36878855741613153),
    ('pr_auc(y, p)', 'women', 0.4285222854506551),
    ('auc(y, s)', 'women', 0.5525919049194052),
    ('gini(y, s)', 'women', 0.10518380983881048),
    ('ks(y, s)', 'women', 0.1207175174381423),
    ('pr_auc(y, s)', 'women', 0.24775388309086843),
    ('log_loss(y, p)', 'women', 0.47866057679595747),
    ('brier(y, p)', 'women', 0.15070387649685907),
    ('accuracy(y, p)', 'women', 0.7978136042402827),
    ('precision(y, p)', 'women', 0.7285067873303167),
    ('recall(y, p)', 'women', 0.042785011958543714),
    ('f1(y, p)', 'women', 0.08082329317269077),
    ('mcc(y, p)', 'women', 0.14265650111448744),
    ('accuracy(y, p, 0.3)', 'women', 0.7857221731448764),
    ('precision(y, p, 0.3)', 'women', 0.4851160443995964),
    ('recall(y, p, 0.3)', 'women', 0.5110284347595004),
    ('f1(y, p, 0.3)', 'women', 0.49773521418403005),
    ('mcc(y, p, 0.3)', 'women', 0.36186036423562234),
    ('accuracy(x3::text, school)', 'card', 0.48596666666666666),
    ('precision(x3::text, school)', 'card', 0.1982417141450181),
    ('recall(x3::text, school)', 'card', 0.20462646959433275),
    ('f1(x3::text, school)', 'card', 0.2007500941525547),
    ('mcc(x3::text, school)', 'card', 0.1837296028786821),
    ('rmse(x13, x12)', 'card', 22776.43981529159),
    ('mae(x13, x12)', 'card', 7645.528533333333),
    ('r2(x13, x12)', 'card', 0.8975890885281104),
    ('mape(x13, x12)', 'card', 8.269728338640407);
SELECT is((SELECT string_agg(call || ' of ' || relation, ', ') FROM expected WHERE NOT pg_temp.near(pg_temp.measure(call, relation), value)), NULL,
          'aggregates, of all, and of men and women');
SELECT is((SELECT count(*) FROM expected), 69::bigint, 'all of them');

SELECT mlops.import_model('cards', pg_temp.stumps('{x6,x12,x1}', '{0,1,2}', '{0.5,50000,100000}', '{-0.75,-0.25,0.5}', '{1,0.25,-0.5}', 'binary:logitraw')) \g /dev/null
SELECT is((SELECT string_agg(e.metric || ' ' || coalesce(r.value::text, 'NULL'), ', ')
           FROM (VALUES
               ('auc', 0.7121669315471612),
               ('gini', 0.4243338630943223),
               ('ks', 0.37167472685601843),
               ('pr_auc', 0.4244539977988946),
               ('accuracy', 0.7439666666666667),
               ('precision', 0.4377753959747529),
               ('recall', 0.5539481615430982),
               ('f1', 0.48905740703785006),
               ('mcc', 0.32531840036241766)) e (metric, value)
           LEFT JOIN mlops.performance_report('cards/1', 'SELECT x6, x12, x1, y FROM holder', 'y', replicates => 2) r USING (metric)
           WHERE NOT pg_temp.near(r.value, e.value)), NULL, 'the report of a model');
\else
SELECT skip('../shared/data/uci_credit_default.csv.gz is not there', 3);
\endif
SELECT * FROM finish();
ROLLBACK;
