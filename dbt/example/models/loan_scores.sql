{{ config(materialized="mlops_scores", model="credit_risk", key="loan_id") }}

-- depends_on: {{ ref("credit_risk") }}
SELECT * FROM {{ ref("loans") }} WHERE decided_on >= date '2026-01-31'
