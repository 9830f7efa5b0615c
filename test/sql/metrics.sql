--
-- Measures: what there is, plans, error messages
--
\pset format unaligned
\pset tuples_only on

-- what an analyst can call
SELECT p.oid::regprocedure || ' -> ' || p.prorettype::regtype
FROM pg_proc AS p
WHERE p.pronamespace = 'mlops'::regnamespace AND p.proname IN ('auc', 'pr_auc', 'ks', 'gini', 'auc_ci', 'roc', 'log_loss', 'brier',
    'calibration', 'ece', 'wilson', 'accuracy', 'precision', 'recall', 'f1', 'mcc', 'confusion', 'rmse', 'mae', 'r2', 'mape')
ORDER BY p.proname COLLATE "C", p.oid::regprocedure::text COLLATE "C";

CREATE TABLE metrics_loans (defaulted boolean, class text, days integer, p float8);
INSERT INTO metrics_loans
SELECT i % 3 = 0, CASE WHEN i % 3 = 0 THEN 'bad' ELSE 'good' END, i % 90, (i % 7 + 3 * (i % 3)) / 20.0 FROM generate_series(1, 2000) AS i;
ANALYZE metrics_loans;

-- anybody can compute on rows that he can read
CREATE ROLE regress_metrics_analyst;
GRANT SELECT ON metrics_loans TO regress_metrics_analyst;
SET ROLE regress_metrics_analyst;
SELECT mlops.auc(defaulted, 1 - p) > 0.9, mlops.confusion(class, class) -> 'classes', (mlops.wilson(1, 2)).value FROM metrics_loans;
RESET ROLE;

-- all in one parallel pass
SET max_parallel_workers_per_gather = 2;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
EXPLAIN (COSTS OFF, VERBOSE)
SELECT mlops.log_loss(defaulted, p), mlops.calibration(defaulted, p), mlops.f1(defaulted, p > 0.3), mlops.confusion(class, class), mlops.rmse(days, p)
FROM metrics_loans;
EXPLAIN (COSTS OFF)
SELECT class, mlops.brier(days % 2, p) FROM metrics_loans GROUP BY class;
-- where order matters all rows come to one process, which sorts them
EXPLAIN (COSTS OFF)
SELECT mlops.auc(defaulted, p), mlops.ece(defaulted, p, 10, 'equal_frequency'), mlops.roc(defaulted, p, 100), mlops.auc_ci(defaulted, p, 0.9)
FROM metrics_loans;
RESET max_parallel_workers_per_gather;
RESET min_parallel_table_scan_size;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;

-- labels and scores that cannot be meant
SELECT mlops.auc(days, p) FROM metrics_loans WHERE days >= 1;
SELECT mlops.auc(class, p) FROM metrics_loans;
SELECT mlops.auc(defaulted, 'NaN'::float8) FROM metrics_loans;
SELECT mlops.log_loss(defaulted, 45) FROM metrics_loans;
SELECT mlops.rmse(p, 'NaN'::float8) FROM metrics_loans;

-- classes
SELECT mlops.confusion(defaulted, p) FROM metrics_loans;
SELECT mlops.confusion(class, p > 0.3) FROM metrics_loans;
SELECT mlops.confusion(i, i) FROM generate_series(1, 2000) AS i;
SELECT mlops.confusion(defaulted, class) FROM metrics_loans;

-- options
SELECT mlops.calibration(defaulted, p, 10, 'quantile') FROM metrics_loans;
SELECT mlops.ece(defaulted, p, 0) FROM metrics_loans;
SELECT mlops.roc(defaulted, p, 1) FROM metrics_loans;
SELECT mlops.roc(defaulted, p, days + 2) FROM metrics_loans WHERE days < 2;
SELECT mlops.wilson(11, 10);
SELECT mlops.wilson(1, 10, 95);

DROP TABLE metrics_loans;
DROP ROLE regress_metrics_analyst;
