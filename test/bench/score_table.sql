-- What the benchmarks of scoring many rows score: a table t of 28 columns, with
-- 2 % of NULLs, and the model bench with 100 trees of depth 6.  Needs the
-- variable rows.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION mlops;
SELECT setseed(0.5);
SELECT format('CREATE TABLE t AS SELECT i AS id, %s, random() AS noise FROM generate_series(1, %s) i',
              string_agg(format('CASE WHEN random() < 0.02 THEN NULL ELSE random()::float4 + random()::float4 END AS x%s', c), ', '), :rows)
FROM generate_series(1, 28) c \gexec
ALTER TABLE t ADD COLUMN y boolean;
UPDATE t SET y = coalesce(x1, 1) * coalesce(x2, 1) + coalesce(x3, 1) - coalesce(x4, 1) * 0.5 + noise > 1.9;
VACUUM (FULL, ANALYZE) t;
SELECT format('SELECT mlops.train(''bench'', ''SELECT id, y, %s FROM t WHERE id <= 200000'', ''y'', ''{"max_depth": 6, "eta": 0.1}'', key => ''id'', rounds => 100)',
              string_agg('x' || c, ', ' ORDER BY c))
FROM generate_series(1, 28) c \gexec
SELECT mlops.promote('bench/1', reason => 'bench');
CHECKPOINT;
