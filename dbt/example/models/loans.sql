{{ config(materialized="table") }}

-- Loans that are made of nothing but their number, 200 a day, so that every
-- machine has the same: those of the first 30 days are the past that a model
-- learns from.  Lower incomes, larger amounts and short employment default.
WITH drawn AS (
    SELECT i AS loan_id, date '2026-01-01' + (i - 1) / 200 AS decided_on,
           (i::bigint * 7919 % 10007) / 10007.0::float8 AS a,
           (i::bigint * 104729 % 10009) / 10009.0::float8 AS b,
           (i::bigint * 15485863 % 10037) / 10037.0::float8 AS c,
           (i::bigint * 32452843 % 10039) / 10039.0::float8 AS chance
    FROM generate_series(1, 200 * {{ var("days") }}) AS i
), loan AS (
    SELECT loan_id, decided_on, chance,
           (20 + 60 * a * a + CASE WHEN decided_on >= date '2026-01-31' THEN {{ var("shift") }} ELSE 0 END)::numeric(9, 2) AS income,
           (1 + 29 * b)::numeric(9, 2) AS amount,
           (ARRAY['none', 'short', 'long'])[1 + floor(3 * c)::integer] AS employment,
           CASE WHEN loan_id % 2 = 0 THEN 'f' ELSE 'm' END AS sex
    FROM drawn
)
SELECT loan_id, decided_on, income, amount, employment, sex,
       chance < 1 / (1 + exp(0.05 * income - 0.08 * amount - CASE employment WHEN 'none' THEN 1 WHEN 'short' THEN 0.3 ELSE -0.5 END)) AS defaulted
FROM loan
