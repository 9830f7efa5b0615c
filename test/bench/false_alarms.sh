#!/usr/bin/env bash
# How often checks call chance a failure, and which shifts they find: windows
# of 100, 1,000 and 10,000 rows drawn from the reference itself, WINDOWS of
# each, through every check that a monitor has and the change detectors; then
# windows of 1,000 rows with shifts of known size.  Drift and quality are
# against the profile of a version; performance and bias are of rows that the
# version was not trained on, in which no group differs from another.
# Needs a server (PGHOST, PGPORT) with the extension installed.
set -euo pipefail

windows=${WINDOWS:-1000}
sizes=${SIZES:-100,1000,10000}
trap 'psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_false_alarms"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_false_alarms' -c 'CREATE DATABASE bench_false_alarms'
export PGDATABASE=bench_false_alarms

psql -Xq -v ON_ERROR_STOP=1 << SQL
SET client_min_messages = warning;
CREATE EXTENSION mlops;
SELECT setseed(0.5) \\g /dev/null
-- a skewed amount with zeros and some missing, a rate with a third missing, a
-- count of few values, a rare flag, a category, a group that means nothing
CREATE UNLOGGED TABLE person AS
SELECT i AS id, CASE WHEN random() < 0.02 THEN NULL WHEN random() < 0.2 THEN 0 ELSE exp(g) END AS amount,
       CASE WHEN random() > 0.3 THEN random() END AS rate, floor(-2 * ln(1 - random()))::integer AS visits, random() < 0.005 AS flagged,
       chr(65 + least(floor(-2.5 * ln(1 - random()))::integer, 12)) AS grade, chr(97 + floor(random() * 2)::integer) AS sex,
       g + 0.5 * random() + CASE WHEN random() < 0.5 THEN 1 ELSE 0 END > 0.8 AS bad
FROM (SELECT i, sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS g FROM generate_series(1, 120000) i) s;
ALTER TABLE person ADD PRIMARY KEY (id);
VACUUM ANALYZE person;
SELECT mlops.train('risk', 'SELECT id, amount, rate, visits, flagged, grade, bad FROM person WHERE id <= 20000', 'bad', '{"max_depth": 3}',
                   key => 'id', split => '{"test": 0.3}', rounds => 30) \\g /dev/null
-- and with the profile of all 20,000 rows
SELECT mlops.train('all', 'SELECT amount, rate, visits, flagged, grade, bad FROM person WHERE id <= 20000', 'bad', '{"max_depth": 3}', rounds => 30) \\g /dev/null
CREATE UNLOGGED TABLE w (LIKE person);
CREATE UNLOGGED TABLE fresh (LIKE person);
CREATE UNLOGGED TABLE result (rows integer, shift text, window_number integer, kind text, metric text, attribute text, verdict text);
CREATE TABLE method (name text);
INSERT INTO method VALUES ('psi'), ('js'), ('hellinger'), ('tvd'), ('linf'), ('chi2'), ('ks'), ('wasserstein_norm'), ('energy'),
    ('anderson_darling'), ('cramer_von_mises');
CREATE TABLE profile AS SELECT role, name, sketch, bins FROM mlops.profiles WHERE model = 'all';

-- every drift check of the rows in w, by one pass over them
CREATE FUNCTION drift_checks() RETURNS TABLE (method text, feature text, verdict text) LANGUAGE sql AS \$\$
    WITH s AS MATERIALIZED (
        SELECT mlops.sketch(amount) AS amount, mlops.sketch(rate) AS rate, mlops.sketch(visits::float8) AS visits, mlops.sketch(flagged) AS flagged,
               mlops.sketch(grade) AS grade, mlops.sketch(bad) AS bad, mlops.sketch(mlops.predict('all/1', w)) AS score FROM w
    ), f AS (
        SELECT m.name AS method, p.role, p.name AS feature,
               (mlops.drift(p.sketch, c.sketch, p.bins,
                            CASE WHEN p.name IN ('flagged', 'grade', 'bad') AND m.name IN ('ks', 'wasserstein_norm', 'energy', 'anderson_darling', 'cramer_von_mises')
                                 THEN 'chi2' ELSE m.name END)).verdict
        FROM method m, profile p, s, LATERAL (SELECT CASE p.name WHEN 'amount' THEN s.amount WHEN 'rate' THEN s.rate WHEN 'visits' THEN s.visits
            WHEN 'flagged' THEN s.flagged WHEN 'grade' THEN s.grade WHEN 'bad' THEN s.bad ELSE s.score END AS sketch) c
    )
    SELECT method, feature, verdict FROM f
    UNION ALL
    SELECT method, 'data set', CASE WHEN count(*) FILTER (WHERE verdict <> 'insufficient') = 0 THEN 'insufficient'
        WHEN count(*) FILTER (WHERE verdict = 'fail') >= 0.5 * count(*) FILTER (WHERE verdict <> 'insufficient') THEN 'fail' ELSE 'ok' END
    FROM f WHERE role = 'feature' GROUP BY method
\$\$;
CREATE FUNCTION has_alarm(alarms bigint[]) RETURNS text LANGUAGE sql RETURN CASE WHEN cardinality(alarms) > 0 THEN 'fail' ELSE 'ok' END;

-- windows of chance; each is its own transaction
DO \$\$
DECLARE
    size integer;
BEGIN
    FOREACH size IN ARRAY '{$sizes}'::integer[] LOOP
        FOR i IN 1 .. $windows LOOP
            TRUNCATE w, fresh;
            INSERT INTO w SELECT p.* FROM (SELECT 1 + floor(random() * 20000)::integer AS id FROM generate_series(1, size)) d JOIN person p USING (id);
            INSERT INTO fresh SELECT p.* FROM (SELECT 20001 + floor(random() * 100000)::integer AS id FROM generate_series(1, size)) d JOIN person p USING (id);
            INSERT INTO result SELECT size, 'none', i, 'drift', d.* FROM drift_checks() d;
            INSERT INTO result SELECT size, 'none', i, 'quality', q.metric, q.attribute, q.verdict
            FROM mlops.quality_report('SELECT amount, rate, visits, flagged, grade FROM w', 'all/1') q WHERE q.verdict <> 'insufficient';
            INSERT INTO result SELECT size, 'none', i, 'performance', p.metric, p.attribute, p.verdict
            FROM mlops.performance_report('risk/1', 'SELECT * FROM fresh', 'bad', replicates => 50, seed => i) p WHERE p.verdict <> 'insufficient';
            INSERT INTO result SELECT size, 'none', i, 'bias', b.metric, b.attribute, b.verdict
            FROM mlops.bias_report('SELECT bad, mlops.predict(''risk/1'', f) >= 0.5 AS predicted, sex FROM fresh f', 'bad', 'predicted', '{sex}', min_rows => 30) b
            WHERE b.verdict <> 'insufficient';
            INSERT INTO result SELECT size, 'none', i, 'detector', d.*
            FROM (SELECT mlops.adwin(e::integer ORDER BY id) AS a, mlops.ddm(e ORDER BY id) AS d, mlops.page_hinkley(e::integer ORDER BY id) AS p
                  FROM (SELECT id, bad <> (mlops.predict('risk/1', f) >= 0.5) AS e FROM fresh f) x) s,
                 LATERAL (VALUES ('adwin', NULL, has_alarm(a)), ('ddm', NULL, has_alarm(d)), ('page_hinkley', NULL, has_alarm(p))) d;
            COMMIT;
        END LOOP;
    END LOOP;
END
\$\$;

-- shifts of known size: amounts multiplied, grades made one, values lost
DO \$\$
BEGIN
    FOR percent IN 5 .. 65 BY 15 LOOP
        FOR i IN 1 .. greatest($windows / 20, 1) LOOP
            TRUNCATE w;
            INSERT INTO w SELECT p.id, p.amount * (1 + percent / 100.0), CASE WHEN random() * 100 >= percent THEN p.rate END, p.visits, p.flagged,
                                 CASE WHEN random() * 100 < percent THEN 'B' ELSE p.grade END, p.sex, p.bad
            FROM (SELECT 1 + floor(random() * 20000)::integer AS id FROM generate_series(1, 1000)) d JOIN person p USING (id);
            INSERT INTO result SELECT 1000, percent || ' %', i, 'drift', d.* FROM drift_checks() d WHERE d.feature IN ('amount', 'grade');
            INSERT INTO result SELECT 1000, percent || ' %', i, 'quality', q.metric, q.attribute, q.verdict
            FROM mlops.quality_report('SELECT amount, rate, visits, flagged, grade FROM w', 'all/1') q WHERE (q.metric, q.attribute) = ('missing', 'rate');
            COMMIT;
        END LOOP;
    END LOOP;
END
\$\$;
SQL

echo "Windows without a change, $windows of each size: per cent that fail, and in brackets that warn or fail; of the attributes of a check the worst one"
psql -Xq -v ON_ERROR_STOP=1 << 'SQL'
CREATE VIEW share AS
SELECT kind, metric, CASE WHEN attribute = 'data set' THEN 'data set' WHEN kind = 'drift' THEN 'column' ELSE '' END AS what, attribute, rows,
       count(DISTINCT window_number) FILTER (WHERE verdict = 'fail') * 100.0 / max(number) AS fail,
       count(DISTINCT window_number) FILTER (WHERE verdict IN ('warn', 'fail')) * 100.0 / max(number) AS warn
FROM (SELECT *, max(window_number) OVER (PARTITION BY rows) AS number FROM result WHERE shift = 'none') r GROUP BY 1, 2, 3, 4, 5;
SELECT kind, metric, what, max(f) FILTER (WHERE rows = 100) AS "100 rows", max(f) FILTER (WHERE rows = 1000) AS "1,000 rows", max(f) FILTER (WHERE rows = 10000) AS "10,000 rows"
FROM (SELECT kind, metric, what, rows, format('%s (%s)', round(max(fail), 1), round(max(warn), 1)) AS f FROM share GROUP BY 1, 2, 3, 4) s
GROUP BY 1, 2, 3 ORDER BY array_position('{drift,quality,performance,bias,detector}', kind), what, metric;
SQL
psql -XAtq -v ON_ERROR_STOP=1 << 'SQL'
SELECT format('checks that fail in more than 1 %% of the windows: %s %s (at most 0)',
              count(*) FILTER (WHERE fail > 1), string_agg(DISTINCT metric, ' ') FILTER (WHERE fail > 1)) FROM share WHERE kind <> 'detector';
SQL

echo "Windows of 1,000 shifted rows: per cent that fail, and in brackets that warn or fail"
psql -Xq -v ON_ERROR_STOP=1 << 'SQL'
SELECT metric, attribute, max(found) FILTER (WHERE shift = '5 %') AS "5 %", max(found) FILTER (WHERE shift = '20 %') AS "20 %",
       max(found) FILTER (WHERE shift = '35 %') AS "35 %", max(found) FILTER (WHERE shift = '50 %') AS "50 %", max(found) FILTER (WHERE shift = '65 %') AS "65 %"
FROM (SELECT kind, metric, attribute, shift, format('%s (%s)', round(100.0 * count(*) FILTER (WHERE verdict = 'fail') / count(*)),
                                                    round(100.0 * count(*) FILTER (WHERE verdict IN ('warn', 'fail')) / count(*))) AS found
      FROM result WHERE shift <> 'none' GROUP BY 1, 2, 3, 4) s
GROUP BY kind, metric, attribute ORDER BY kind, attribute, metric;
SQL
echo "load at the end: $(cut -d' ' -f1 /proc/loadavg)"
