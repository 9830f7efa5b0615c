{#- Names and literals.  A model is given as ref() of a dbt model that is
    materialized as mlops_model, or as text: the reference that any function
    of mlops takes, such as 'credit_risk@challenger'. -#}

{%- macro mlops_literal(value) -%}
    {%- if value is none -%} NULL
    {%- elif value is boolean -%} {{ value | lower }}
    {%- elif value is number -%} {{ value }}
    {%- elif value is string -%} '{{ value | replace("'", "''") }}'
    {%- else -%} '{{ tojson(value) | replace("'", "''") }}'
    {%- endif -%}
{%- endmacro -%}

{%- macro mlops_text_array(values) -%}
    {%- if values is none -%} NULL
    {%- else -%}
        ARRAY[
        {%- for value in ([values] if values is string else values) -%}
            {{ mlops.mlops_literal(value | string) }}{{ ", " if not loop.last }}
        {%- endfor -%}
        ]::text[]
    {%- endif -%}
{%- endmacro -%}

{#- The name in the registry of the model that a relation stands for. -#}
{%- macro mlops_model_name(model) -%}
    {{- return(model if model is string else var("mlops_prefix", "") ~ model.identifier) -}}
{%- endmacro -%}

{%- macro mlops_modelref(model) -%}
    {{- return(mlops.mlops_literal(mlops.mlops_model_name(model)) ~ "::mlops.modelref") -}}
{%- endmacro -%}
