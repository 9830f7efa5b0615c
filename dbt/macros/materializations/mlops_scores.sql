{#- Scores of the rows of a SELECT, with version and time.  Incremental by
    nature: a key is scored once by each version, so that a run scores the new
    rows, and all rows anew after a promotion.  --full-refresh begins anew. -#}

{% materialization mlops_scores, adapter="postgres" %}
    {%- set name = mlops.mlops_model_name(config.require("model")) -%}
    {%- set key = config.require("key") -%}
    {%- set table = this.incorporate(type="table") -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set grants = config.get("grants") -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing is not none and (existing.type != "table" or should_full_refresh()) -%}
        {%- do adapter.drop_relation(existing) -%}
        {%- set existing = none -%}
    {%- endif -%}

    {%- call statement("main", fetch_result=True) -%}
        SELECT s.model::text, s.rows_scored, s.rows_skipped, s.rows_without_key
        FROM mlops.score({{ mlops.mlops_literal(name) }}, {{ mlops.mlops_literal(sql) }},
                         {{ mlops.mlops_literal(table.include(database=False) | string) }},
                         {%- if key is string %} key => {{ mlops.mlops_literal(key) }}
                         {%- else %} keys => {{ mlops.mlops_text_array(key) }}{% endif -%} ) s
    {%- endcall -%}
    {%- set result = load_result("main")["data"][0] -%}
    {%- do log("mlops: " ~ result[0] ~ " scored " ~ result[1] ~ " rows, " ~ result[2] ~ " had their score, "
               ~ result[3] ~ " had no key", info=True) -%}

    {%- do apply_grants(table, grants, should_revoke=should_revoke(existing, full_refresh_mode=False)) -%}
    {%- do persist_docs(table, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({"relations": [table]}) }}
{% endmaterialization %}
