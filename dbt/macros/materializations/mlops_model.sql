{#- A dbt model whose SELECT is a training set.  A run trains a new version and
    registers it, and then, if config asks for it, promotes it as far as gates
    and policy allow.  What dbt sees is a view with a row per version. -#}

{% materialization mlops_model, adapter="postgres" %}
    {%- set name = mlops.mlops_model_name(this) -%}
    {%- set promotion = config.get("promote") -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set view = this.incorporate(type="view") -%}
    {%- set grants = config.get("grants") -%}
    {%- do mlops.mlops_check_config(config) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing is not none and existing.type != "view" -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}

    {%- set present = mlops.mlops_unchanged_version(name, sql, config) -%}
    {%- if present is none -%}
        {%- call statement("main", fetch_result=True) -%}
            SELECT t.version FROM {{ mlops.mlops_train_call(name, sql, config) }} t
        {%- endcall -%}
        {%- set version = load_result("main")["data"][0][0] -%}
        {%- do log("mlops: trained " ~ name ~ "/" ~ version, info=True) -%}
    {%- else -%}
        {%- call statement("main") -%} SELECT {{ present }} AS version {%- endcall -%}
        {%- set version = present -%}
        {%- do log("mlops: data and recipe are those of " ~ name ~ "/" ~ version, info=True) -%}
    {%- endif -%}

    {%- call statement("view") -%}
        CREATE OR REPLACE VIEW {{ view }} WITH (security_invoker = true) AS
            SELECT v.model, v.version, v.aliases, v.task, v.features, v.trees, v.metrics, v.source, v.run, v.sha256,
                   v.description, v.created_at, v.created_by
            FROM mlops.versions v WHERE v.model = {{ mlops.mlops_literal(name) }}
    {%- endcall -%}
    {%- do apply_grants(view, grants, should_revoke=should_revoke(existing, full_refresh_mode=False)) -%}
    {%- do persist_docs(view, model) -%}

    {#- What was trained stays, whatever becomes of the promotion. -#}
    {%- do adapter.commit() -%}

    {%- for gate in config.get("gates", []) -%}
        {%- do mlops.mlops_ensure_gate(name, gate) -%}
    {%- endfor -%}
    {%- if promotion is not none -%}
        {%- do mlops.mlops_promote(name, version, promotion) -%}
    {%- endif -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({"relations": [view]}) }}
{% endmaterialization %}

{%- macro mlops_check_config(config) -%}
    {%- if config.get("label") is none -%}
        {%- do exceptions.raise_compiler_error("mlops_model needs the config label: the column that is to be predicted") -%}
    {%- endif -%}
    {%- if config.get("retrain", "always") not in ["always", "changed"] -%}
        {%- do exceptions.raise_compiler_error("retrain of an mlops_model is always or changed, not " ~ config.get("retrain")) -%}
    {%- endif -%}
{%- endmacro -%}

{#- With retrain: changed, a snapshot says which data and which recipe a
    version was trained with.  Gives the newest version if it was these, or none
    and leaves the new snapshot. -#}
{%- macro mlops_unchanged_version(name, query, config) -%}
    {%- if config.get("retrain", "always") == "always" -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- set recipe = local_md5(mlops.mlops_train_call(name, query, config)) -%}
    {%- call statement("snapshot", fetch_result=True) -%}
        SELECT mlops.snapshot({{ mlops.mlops_literal(name) }}, {{ mlops.mlops_literal(query) }},
                              key => {{ mlops.mlops_literal(config.get("key")) }},
                              label => {{ mlops.mlops_literal(config.get("label")) }},
                              tags => {{ mlops.mlops_literal({"dbt_recipe": recipe}) }}::jsonb)
    {%- endcall -%}
    {%- set snapshot = mlops.mlops_literal(load_result("snapshot")["data"][0][0]) -%}
    {%- call statement("unchanged", fetch_result=True) -%}
        SELECT v.version
        FROM mlops.snapshots s
        JOIN LATERAL (SELECT o.* FROM mlops.snapshots o WHERE o.name = s.name AND o.version < s.version
                      ORDER BY o.version DESC LIMIT 1) o ON o.hash = s.hash AND o.tags = s.tags
        JOIN LATERAL (SELECT v.version, v.created_at FROM mlops.versions v WHERE v.model = {{ mlops.mlops_literal(name) }}
                      ORDER BY v.version DESC LIMIT 1) v ON v.created_at >= o.created_at
        WHERE s.snapshot = {{ snapshot }}
    {%- endcall -%}
    {%- set found = load_result("unchanged")["data"] -%}
    {%- if found | length == 0 or should_full_refresh() -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- call statement("drop_snapshot") -%} SELECT mlops.drop_snapshot({{ snapshot }}) {%- endcall -%}
    {{- return(found[0][0]) -}}
{%- endmacro -%}

{#- Only what config has is said, so that the rest has the defaults of mlops.train(). -#}
{%- macro mlops_train_call(name, query, config) -%}
    mlops.train(model => {{ mlops.mlops_literal(name) }}, query => {{ mlops.mlops_literal(query) }}
    {%- for argument in ["label", "key", "rounds", "early_stopping_rounds", "seed", "positive", "description"] -%}
        {%- if config.get(argument) is not none -%}
            , {{ argument }} => {{ mlops.mlops_literal(config.get(argument)) }}
        {%- endif -%}
    {%- endfor -%}
    {%- for argument in ["params", "split", "class_weight"] -%}
        {%- if config.get(argument) is not none -%}
            , {{ argument }} => {{ mlops.mlops_literal(config.get(argument)) }}::jsonb
        {%- endif -%}
    {%- endfor -%}
    {%- if config.get("features") is not none -%}
        , features => {{ mlops.mlops_text_array(config.get("features")) }}
    {%- endif -%}
    )
{%- endmacro -%}

{#- Adds a gate unless there is the same one; takes none away. -#}
{%- macro mlops_ensure_gate(name, gate) -%}
    {%- set alias = gate.get("alias", "champion") -%}
    {%- call statement("gate") -%}
        SELECT mlops.add_gate({{ mlops.mlops_literal(name) }}, {{ mlops.mlops_literal(alias) }}
            {%- for argument in ["kind", "metric", "data", "at_least", "at_most", "better", "tolerance", "max_age"] -%}
                {%- if gate.get(argument) is not none -%}
                    , {{ argument }} => {{ mlops.mlops_literal(gate[argument]) }}
                {%- endif -%}
            {%- endfor -%}
            {%- if gate.get("fields") is not none -%}
                , fields => {{ mlops.mlops_text_array(gate["fields"]) }}
            {%- endif -%}
            , reason => {{ mlops.mlops_literal(gate.get("reason", "of the dbt project " ~ project_name)) }})
        WHERE NOT EXISTS (
            SELECT FROM mlops.gates g
            WHERE g.model = {{ mlops.mlops_literal(name) }} AND g.alias = {{ mlops.mlops_literal(alias) }}
              AND g.dropped_at IS NULL
              AND g.kind = {{ mlops.mlops_literal(gate["kind"]) }}
            {%- for argument in ["metric", "data", "at_least", "at_most", "tolerance"] -%}
                {%- if gate.get(argument) is not none %}
              AND g.{{ argument }} = {{ mlops.mlops_literal(gate[argument]) }}
                {%- endif -%}
            {%- endfor -%}
            )
    {%- endcall -%}
{%- endmacro -%}

{#- Asks for the promotion.  Gates that do not pass and approvals that are
    needed are no failure of the run: they are what the policy is for. -#}
{%- macro mlops_promote(name, version, promotion) -%}
    {%- set alias = promotion.get("alias", "champion") -%}
    {%- call statement("aliased", fetch_result=True) -%}
        SELECT count(*) FROM (SELECT a.version FROM mlops.aliases a
                              WHERE a.model = {{ mlops.mlops_literal(name) }} AND a.alias = {{ mlops.mlops_literal(alias) }}
                              UNION ALL
                              SELECT r.version FROM mlops.requests r
                              WHERE r.model = {{ mlops.mlops_literal(name) }} AND r.alias = {{ mlops.mlops_literal(alias) }}
                                AND r.status = 'open') x
        WHERE x.version = {{ version }}
    {%- endcall -%}
    {%- if load_result("aliased")["data"][0][0] > 0 -%}
        {{- return("") -}}
    {%- endif -%}
    {%- set modelref = mlops.mlops_literal(name ~ "/" ~ version) ~ "::mlops.modelref" -%}
    {%- call statement("gates", fetch_result=True) -%}
        SELECT string_agg(coalesce(g.message, concat(g.metric, ' is ', g.value, ', and must be ', g.threshold)), '; ' ORDER BY g.gate) FROM mlops.check_gates({{ modelref }}, {{ mlops.mlops_literal(alias) }}) g
        WHERE g.verdict <> 'pass'
    {%- endcall -%}
    {%- set problem = load_result("gates")["data"][0][0] -%}
    {%- if problem -%}
        {%- do exceptions.warn("mlops: " ~ name ~ "/" ~ version ~ " is not promoted to " ~ alias ~ ": " ~ problem) -%}
        {{- return("") -}}
    {%- endif -%}
    {%- call statement("promotion", fetch_result=True) -%}
        SELECT mlops.promote({{ modelref }}, {{ mlops.mlops_literal(alias) }},
                             reason => {{ mlops.mlops_literal(promotion.get("reason", "dbt run " ~ invocation_id)) }},
                             change_ref => {{ mlops.mlops_literal(promotion.get("change_ref")) }})::text
    {%- endcall -%}
    {%- if load_result("promotion")["data"][0][0] -%}
        {%- do log("mlops: " ~ name ~ "/" ~ version ~ " is " ~ alias, info=True) -%}
    {%- else -%}
        {%- do log("mlops: " ~ name ~ "/" ~ version ~ " waits for approval to become " ~ alias ~ ", see mlops.requests", info=True) -%}
    {%- endif -%}
{%- endmacro -%}
