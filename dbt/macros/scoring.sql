{#- Scores in a SELECT.  row is a table, its alias or a row expression: the
    features are found by the names of its columns. -#}

{%- macro mlops_predict(model, row) -%}
    mlops.predict({{ mlops.mlops_modelref(model) }}, {{ row }})
{%- endmacro -%}

{%- macro mlops_predict_class(model, row) -%}
    mlops.predict_class({{ mlops.mlops_modelref(model) }}, {{ row }})
{%- endmacro -%}

{#- For FROM: a row per feature, with rank, feature, value, contribution and
    reason; rank 0 is the base value.  Needs the privilege read on the model. -#}
{%- macro mlops_explain(model, row, top=none, direction="both") -%}
    LATERAL mlops.explain({{ mlops.mlops_modelref(model) }}, {{ row }}, top => {{ mlops.mlops_literal(top) }},
                          direction => {{ mlops.mlops_literal(direction) }})
{%- endmacro -%}
