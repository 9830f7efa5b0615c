{{ config(
    materialized="mlops_model",
    label="defaulted",
    key="loan_id",
    split={"test": 0.3},
    params={"max_depth": 3, "eta": 0.2},
    rounds=60,
    seed=7,
    retrain="changed",
    description="probability that a loan is not paid back",
    gates=[{"kind": "metric", "metric": "auc", "at_least": 0.65}],
    promote={"reason": "trained by dbt on the past"}
) }}

SELECT loan_id, income, amount, employment, defaulted
FROM {{ ref("loans") }}
WHERE decided_on < date '2026-01-31'
