{{ config(materialized="table") }}

-- The three reasons that spoke most against each loan that was not granted.
SELECT a.loan_id, e.rank, e.feature, e.value, e.contribution
FROM {{ ref("applications") }} a,
     {{ mlops.mlops_explain(ref("credit_risk"), "a", top=3, direction="up") }} e
WHERE NOT a.granted AND e.rank > 0
