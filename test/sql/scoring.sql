-- Plans: a score is costed by its model, so it is computed last in a WHERE,
-- and a table is scored in parallel when that pays.
SELECT setseed(0.5);
CREATE TABLE scoring_plan AS
SELECT i AS id, random() AS a, random() AS b, random() AS c FROM generate_series(1, 30000) i;
ANALYZE scoring_plan;
SELECT model FROM mlops.train('scoring_plan', 'SELECT id, a, b, c, a * b > 0.3 + c / 10 AS y FROM scoring_plan WHERE id <= 3000', 'y',
                              key => 'id', params => '{"max_depth": 6}', rounds => 200);
SELECT mlops.promote('scoring_plan/1', reason => 'test');

EXPLAIN (COSTS OFF)
SELECT count(*) FROM scoring_plan t WHERE mlops.predict('scoring_plan', t) > 0.5 AND a + b > 1;

-- a row is passed as its columns, unless it can be NULL as a whole
EXPLAIN (COSTS OFF, VERBOSE) SELECT mlops.predict('scoring_plan', t) FROM scoring_plan t;
EXPLAIN (COSTS OFF, VERBOSE) SELECT mlops.predict('scoring_plan', s) FROM (SELECT a, b, c, id + 1 AS d FROM scoring_plan) s;
EXPLAIN (COSTS OFF, VERBOSE) SELECT mlops.predict('scoring_plan', t) FROM (VALUES (1), (-1)) v (id) LEFT JOIN scoring_plan t USING (id);
SELECT v.id, mlops.predict('scoring_plan', t) IS NULL AS "null" FROM (VALUES (1), (-1)) v (id) LEFT JOIN scoring_plan t USING (id) ORDER BY 1;
-- wherever a row can stand, it is the same score
CREATE TEMPORARY TABLE place (name text, score float8);
INSERT INTO place SELECT 'plain', mlops.predict('scoring_plan', t) FROM scoring_plan t WHERE id = 7;
INSERT INTO place SELECT 'written out', mlops.predict('scoring_plan', s) FROM (SELECT c, b, a FROM scoring_plan WHERE id = 7) s;
INSERT INTO place SELECT 'not pulled up', mlops.predict('scoring_plan', s) FROM (SELECT c, b, a FROM scoring_plan WHERE id = 7 OFFSET 0) s;
INSERT INTO place SELECT 'group', mlops.predict('scoring_plan', t) FROM scoring_plan t WHERE id = 7 GROUP BY t;
INSERT INTO place SELECT 'aggregate', max(mlops.predict('scoring_plan', t)) FROM scoring_plan t WHERE id = 7 HAVING max(mlops.predict('scoring_plan', t)) >= 0;
INSERT INTO place SELECT 'distinct', p FROM (SELECT DISTINCT ON (t) mlops.predict('scoring_plan', t) AS p FROM scoring_plan t WHERE id = 7) s;
INSERT INTO place SELECT 'window', max(mlops.predict('scoring_plan', t)) OVER (PARTITION BY t) FROM scoring_plan t WHERE id = 7;
INSERT INTO place SELECT 'order', (array_agg(mlops.predict('scoring_plan', t) ORDER BY mlops.predict('scoring_plan', t)))[1] FROM scoring_plan t WHERE id = 7;
INSERT INTO place SELECT 'lateral', p FROM scoring_plan t, LATERAL (SELECT mlops.predict('scoring_plan', t) AS p) s WHERE id = 7;
INSERT INTO place SELECT 'sublink', (SELECT mlops.predict('scoring_plan', t)) FROM scoring_plan t WHERE id = 7;
INSERT INTO place SELECT 'full join', mlops.predict('scoring_plan', t) FROM scoring_plan t FULL JOIN (VALUES (7)) v (id) USING (id) WHERE id = 7;
WITH updated AS (UPDATE scoring_plan t SET id = id WHERE id = 7 RETURNING mlops.predict('scoring_plan', t) AS p)
INSERT INTO place SELECT 'returning', p FROM updated;
CREATE TEMPORARY TABLE part (b float8, c float8, id integer, a float8) PARTITION BY LIST (id);
CREATE TEMPORARY TABLE part_7 (id integer, x text, a float8, b float8, c float8);
ALTER TABLE part_7 DROP COLUMN x;
ALTER TABLE part ATTACH PARTITION part_7 FOR VALUES IN (7);
INSERT INTO part SELECT b, c, id, a FROM scoring_plan WHERE id = 7;
INSERT INTO place SELECT 'partition', mlops.predict('scoring_plan', t) FROM part t;
CREATE TEMPORARY VIEW scoring_view WITH (security_barrier) AS SELECT c, a, b FROM scoring_plan WHERE id = 7;
INSERT INTO place SELECT 'view', mlops.predict('scoring_plan', t) FROM scoring_view t;
-- grouping sets make rows that are NULL as a whole
SELECT count(*), mlops.predict('scoring_plan', t) IS NULL AS "null" FROM scoring_plan t WHERE id IN (7, 8) GROUP BY ROLLUP (t) ORDER BY 1, 2;
-- a view that is older than a column
CREATE TEMPORARY TABLE grown AS SELECT 7 AS id, a, b FROM scoring_plan WHERE id = 7;
CREATE TEMPORARY VIEW grown_view AS SELECT mlops.predict('scoring_plan', g) AS p FROM grown g;
ALTER TABLE grown ADD COLUMN c float8;
UPDATE grown SET c = (SELECT c FROM scoring_plan WHERE id = 7);
INSERT INTO place SELECT 'view and column', p FROM grown_view;
SELECT count(*), count(DISTINCT score), string_agg(name, ', ') FILTER (WHERE score IS NULL) AS missing FROM place;

SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT count(a + b) FROM scoring_plan t;
EXPLAIN (COSTS OFF) SELECT count(mlops.predict('scoring_plan', t)) FROM scoring_plan t;

-- the same scores, whoever computes them
EXPLAIN (COSTS OFF) CREATE TABLE scoring_results AS
SELECT 'parallel' AS way, count(*) AS n, sum(mlops.predict('scoring_plan', t)::numeric) AS total FROM scoring_plan t;
CREATE TABLE scoring_results AS
SELECT 'parallel' AS way, count(*) AS n, sum(mlops.predict('scoring_plan', t)::numeric) AS total FROM scoring_plan t;
SET max_parallel_workers_per_gather = 0;
INSERT INTO scoring_results
SELECT 'serial', count(*), sum(mlops.predict('scoring_plan', t)::numeric) FROM scoring_plan t;
INSERT INTO scoring_results
SELECT 'array', count(*), sum(mlops.predict('scoring_plan', ARRAY[a, b, c])::numeric) FROM scoring_plan t;
INSERT INTO scoring_results
SELECT 'jsonb', count(*), sum(mlops.predict('scoring_plan', to_jsonb(t))::numeric) FROM scoring_plan t;
SELECT count(*) AS ways, count(DISTINCT (n, total)) AS results FROM scoring_results;

-- errors
SELECT mlops.predict('scoring_plan@challenger', ARRAY[1, 2, 3]::float8[]);
SELECT mlops.predict('scoring_plan/2', ARRAY[1, 2, 3]::float8[]);
SELECT mlops.predict('scoring_plan', ARRAY[1, 2]::float8[]);
SELECT mlops.predict('scoring_plan', t) FROM (SELECT 1 AS a, 2 AS b, 3 AS "C") t;
SELECT mlops.predict('scoring_plan', t) FROM (SELECT 1 AS a, 'x' AS b, 3 AS c) t;
SELECT mlops.predict('scoring_plan', '{"a": 1, "b": "x", "c": 3}'::jsonb);
SELECT mlops.predict('scoring plan/x', t) FROM scoring_plan t;

DROP TABLE scoring_plan, scoring_results;
