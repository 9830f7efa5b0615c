#!/usr/bin/env bash
# How often mlops.drift() calls chance drift, and which shifts it finds: 1,000
# windows drawn from the reference itself, then windows of shifted rows.
# Needs a server (PGHOST, PGPORT) with the extension installed.
set -euo pipefail

windows=${WINDOWS:-1000}
trap 'psql -Xq -d postgres -c "DROP DATABASE IF EXISTS bench_drift"' EXIT

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'SET client_min_messages = warning' \
	-c 'DROP DATABASE IF EXISTS bench_drift' -c 'CREATE DATABASE bench_drift'
export PGDATABASE=bench_drift

psql -Xq -v ON_ERROR_STOP=1 << SQL
CREATE EXTENSION mlops;
SELECT setseed(0.5) \\g /dev/null
\\set windows $windows

-- a skewed amount with zeros, and a category, of 20,000 rows
CREATE TABLE reference AS
SELECT CASE WHEN random() < 0.2 THEN 0 ELSE exp(random_normal) END AS amount, chr(65 + least(floor(-2.5 * ln(1 - random()))::int, 12)) AS grade
FROM (SELECT sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS random_normal FROM generate_series(1, 20000)) AS s;
CREATE TABLE arrays AS SELECT array_agg(amount) AS amounts, array_agg(grade) AS grades FROM reference;
CREATE TABLE method (id serial, name text, is_text boolean);
INSERT INTO method (name, is_text) VALUES
    ('psi', false), ('js', false), ('hellinger', false), ('tvd', false), ('linf', false), ('chi2', false), ('ks', false),
    ('wasserstein_norm', false), ('energy', false), ('anderson_darling', false), ('cramer_von_mises', false),
    ('psi', true), ('js', true), ('hellinger', true), ('tvd', true), ('linf', true), ('chi2', true);

CREATE FUNCTION compare(amounts float8[], grades text[]) RETURNS TABLE (id int, verdict text, p_value float8) LANGUAGE sql AS \$\$
    SELECT m.id, (d).verdict, (d).p_value
    FROM method AS m, arrays AS a,
         LATERAL (SELECT CASE WHEN is_text THEN mlops.drift(a.grades, \$2, name) ELSE mlops.drift(a.amounts, \$1, name) END AS d OFFSET 0) AS s
\$\$;
CREATE TABLE result (rows int, shift text, id int, verdict text, p_value float8);

-- windows drawn from the reference
DO \$\$
DECLARE
    size int;
BEGIN
    FOREACH size IN ARRAY '{100,1000}'::int[] LOOP
        FOR i IN 1 .. $windows LOOP
            INSERT INTO result
            SELECT size, 'none', c.*
            FROM (SELECT array_agg(amounts[1 + floor(random() * 20000)::int]) AS amounts, array_agg(grades[1 + floor(random() * 20000)::int]) AS grades
                  FROM arrays, generate_series(1, size)) AS w, compare(w.amounts, w.grades) AS c;
        END LOOP;
    END LOOP;
END
\$\$;

-- shifted ones: amounts multiplied, a share of the grades made one
DO \$\$
BEGIN
    FOR percent IN 5 .. 65 BY 15 LOOP
        FOR i IN 1 .. greatest($windows / 20, 1) LOOP
            INSERT INTO result
            SELECT 1000, percent || ' %', c.*
            FROM (SELECT array_agg(amounts[1 + floor(random() * 20000)::int] * (1 + percent / 100.0)) AS amounts,
                         array_agg(CASE WHEN random() * 100 < percent THEN 'B' ELSE grades[1 + floor(random() * 20000)::int] END) AS grades
                  FROM arrays, generate_series(1, 1000)) AS w, compare(w.amounts, w.grades) AS c;
        END LOOP;
    END LOOP;
END
\$\$;
SQL

echo "Windows of the reference itself, $windows of each size: per cent of warn and fail"
psql -Xq -v ON_ERROR_STOP=1 << 'SQL'
SELECT m.name, CASE WHEN is_text THEN 'grade' ELSE 'amount' END AS column, rows,
       round(100.0 * count(*) FILTER (WHERE verdict = 'warn') / count(*), 1) AS warn,
       round(100.0 * count(*) FILTER (WHERE verdict = 'fail') / count(*), 1) AS fail,
       round(100.0 * count(*) FILTER (WHERE p_value < 0.05) / count(*), 1) AS "p < 0.05",
       CASE WHEN rows < 1000 THEN '' WHEN count(*) FILTER (WHERE verdict = 'fail') <= 0.01 * count(*) THEN 'within 1 %' ELSE 'BEYOND 1 %' END AS promise
FROM result AS r JOIN method AS m USING (id) WHERE shift = 'none' GROUP BY m.id, m.name, is_text, rows ORDER BY rows DESC, m.id;
SQL

echo "Windows of 1,000 shifted rows: per cent of fail (of warn or fail)"
psql -Xq -v ON_ERROR_STOP=1 << 'SQL'
SELECT m.name, CASE WHEN is_text THEN 'grade' ELSE 'amount' END AS column,
       max(found) FILTER (WHERE shift = '5 %') AS "5 %", max(found) FILTER (WHERE shift = '20 %') AS "20 %",
       max(found) FILTER (WHERE shift = '35 %') AS "35 %", max(found) FILTER (WHERE shift = '50 %') AS "50 %", max(found) FILTER (WHERE shift = '65 %') AS "65 %"
FROM (SELECT id, shift, format('%s (%s)', round(100.0 * count(*) FILTER (WHERE verdict = 'fail') / count(*)),
                               round(100.0 * count(*) FILTER (WHERE verdict IN ('warn', 'fail')) / count(*))) AS found
      FROM result WHERE shift <> 'none' GROUP BY id, shift) AS s JOIN method AS m USING (id)
GROUP BY m.id, m.name, is_text ORDER BY m.id;
SQL
psql -XAtq -v ON_ERROR_STOP=1 << 'SQL'
DO $$
DECLARE
    beyond text;
BEGIN
    SELECT string_agg(name, ', ') INTO beyond
    FROM (SELECT name FROM result JOIN method USING (id) WHERE shift = 'none' AND rows = 1000
          GROUP BY id, name HAVING count(*) FILTER (WHERE verdict = 'fail') > 0.01 * count(*)) AS s;
    IF beyond IS NOT NULL THEN
        RAISE EXCEPTION 'more than 1 %% of fail without drift: %', beyond;
    END IF;
END
$$;
SQL
