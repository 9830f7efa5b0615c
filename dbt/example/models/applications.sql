{{ config(materialized="view") }}

-- What came in since the model learned, with what the model says of it.
SELECT l.*, {{ mlops.mlops_predict(ref("credit_risk"), "l") }} AS probability,
       {{ mlops.mlops_predict_class(ref("credit_risk"), "l") }} AS predicted,
       {{ mlops.mlops_predict(ref("credit_risk"), "l") }} < 0.5 AS granted
FROM {{ ref("loans") }} l
WHERE l.decided_on >= date '2026-01-31'
