{#- The catalog of dbt docs, in which each mlops_model has its card: what the
    registry says of it, among the details of its page.  dbt uses these macros in
    a project that says so:

        dispatch:
          - {macro_namespace: dbt, search_order: [mlops, dbt]}
-#}

{% macro postgres__get_catalog_relations(information_schema, relations) %}
    {%- do adapter.verify_database(information_schema.database) -%}
    {%- set wanted = [] -%}
    {%- for relation in relations -%}
        {%- do wanted.append("(" ~ mlops.mlops_literal(relation.schema) ~ ", " ~ mlops.mlops_literal(relation.identifier) ~ "::text)") -%}
    {%- endfor -%}
    {%- set cards = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == "model" and node.config.materialized == "mlops_model" -%}
        {%- do cards.append("(" ~ mlops.mlops_literal(node.schema) ~ ", " ~ mlops.mlops_literal(node.alias) ~ ", "
                            ~ mlops.mlops_literal(var("mlops_prefix", "") ~ node.alias) ~ ")") -%}
    {%- endfor -%}
    {%- set facts = {
        "model": ("Model", "the name in the registry"),
        "champion": ("Champion", "the version in charge"),
        "versions": ("Versions", "how many were registered"),
        "purpose": ("Card", "what people say about the model, as mlops.set_card() has it"),
        "task": ("Task", "what it predicts: its kind, and the classes"),
        "shape": ("Shape", "of the champion, or of the newest version while there is none; as all that follows"),
        "metrics": ("Metrics", "on the rows that were held out"),
        "trained": ("Trained", "when, and by whom"),
        "sha256": ("SHA-256", "of the model file")
    } -%}
    {%- call statement("catalog", fetch_result=True) -%}
        WITH wanted (schema_name, relation_name) AS (
            VALUES {{ wanted | join(", ") if wanted else "(NULL::text, NULL::text)" }}
        ), named (schema_name, relation_name, model) AS (
            VALUES {{ cards | join(", ") if cards else "(NULL::text, NULL::text, NULL::text)" }}
        ), card AS (
            SELECT n.schema_name, n.relation_name, n.model, n.model || '/' || a.version AS champion, c.versions || ' in all' AS versions,
                   (SELECT string_agg(p.key || ': ' || (p.value #>> '{}'), '; ' ORDER BY p.key)
                    FROM mlops.cards k, jsonb_each(k.card) p WHERE k.model = n.model) AS purpose,
                   v.task || coalesce(': ' || array_to_string(v.classes, ', '), '') AS task,
                   concat_ws(', ', v.features || ' features', v.trees || ' trees', 'depth ' || v.depth) AS shape,
                   (SELECT string_agg(m.key || ' ' || round((m.value #>> '{}')::numeric, 4), ', ' ORDER BY m.key)
                    FROM jsonb_each(v.metrics) m WHERE jsonb_typeof(m.value) = 'number') AS metrics,
                   to_char(v.created_at, 'YYYY-MM-DD HH24:MI TZH') || ' by ' || v.created_by AS trained, v.sha256
            FROM named n
            JOIN LATERAL (SELECT count(*) AS versions, max(x.version) AS newest
                          FROM mlops.versions x WHERE x.model = n.model) c ON c.versions > 0
            LEFT JOIN mlops.aliases a ON a.model = n.model AND a.alias = 'champion'
            JOIN mlops.versions v ON v.model = n.model AND v.version = coalesce(a.version, c.newest)
        )
        SELECT {{ mlops.mlops_literal(information_schema.database) }} AS table_database, s.nspname AS table_schema, t.relname AS table_name,
               CASE t.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'BASE TABLE' END AS table_type,
               obj_description(t.oid, 'pg_class') AS table_comment, pg_get_userbyid(t.relowner) AS table_owner,
               a.attname AS column_name, a.attnum AS column_index, format_type(a.atttypid, a.atttypmod) AS column_type,
               col_description(t.oid, a.attnum) AS column_comment
               {%- for fact, (label, text) in facts.items() %},
               {{ mlops.mlops_literal(label) }} AS "stats:{{ fact }}:label", card.{{ fact }} AS "stats:{{ fact }}:value",
               {{ mlops.mlops_literal(text) }} AS "stats:{{ fact }}:description", card.{{ fact }} IS NOT NULL AS "stats:{{ fact }}:include"
               {%- endfor %}
        FROM pg_class t
        JOIN pg_namespace s ON s.oid = t.relnamespace
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN card ON card.schema_name = s.nspname AND card.relation_name = t.relname
        WHERE t.relkind IN ('r', 'p', 'f', 'v', 'm') AND t.relpersistence <> 't'
          AND EXISTS (SELECT FROM wanted w WHERE lower(w.schema_name) = lower(s.nspname)
                                             AND coalesce(lower(w.relation_name), lower(t.relname)) = lower(t.relname))
        ORDER BY s.nspname, t.relname, a.attnum
    {%- endcall -%}
    {{- return(load_result("catalog").table) -}}
{% endmacro %}

{% macro postgres__get_catalog(information_schema, schemas) %}
    {%- set relations = [] -%}
    {%- for schema in schemas -%}
        {%- do relations.append({"schema": schema, "identifier": none}) -%}
    {%- endfor -%}
    {{- return(mlops.postgres__get_catalog_relations(information_schema, relations)) -}}
{% endmacro %}
