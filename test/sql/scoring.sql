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
