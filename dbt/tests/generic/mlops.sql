{#- Generic tests: each selects what is wrong.  The first three are put on the
    rows that are judged, the fourth on an mlops_model, the last on anything. -#}

{#- A feature, the score or the label has drifted from the version's profile. -#}
{% test mlops_no_drift(model, modelref, method="psi", verdicts=["fail"], options={}) %}
    SELECT r.*
    FROM mlops.drift_report({{ mlops.mlops_modelref(modelref) }}, {{ mlops.mlops_literal("SELECT * FROM " ~ model) }},
                            {{ mlops.mlops_literal(method) }}, {{ mlops.mlops_literal(options) }}::jsonb) r
    WHERE r.verdict = ANY ({{ mlops.mlops_text_array(verdicts) }})
{% endtest %}

{#- A metric is below its minimum, or there are too few labels to tell. -#}
{% test mlops_performance_at_least(model, modelref, metric, minimum, label, key=none, min_rows=100) %}
    SELECT m.minimum, r.*
    FROM (SELECT {{ mlops.mlops_literal(minimum) }}::double precision AS minimum) m
    LEFT JOIN mlops.performance_report({{ mlops.mlops_modelref(modelref) }}, {{ mlops.mlops_literal("SELECT * FROM " ~ model) }},
                                       label => {{ mlops.mlops_literal(label) }}, key => {{ mlops.mlops_literal(key) }},
                                       min_rows => {{ mlops.mlops_literal(min_rows) }}) r
           ON r.metric = {{ mlops.mlops_literal(metric) }} AND r.attribute IS NULL
    WHERE (r.value >= m.minimum AND r.n >= {{ mlops.mlops_literal(min_rows) }}) IS NOT TRUE
{% endtest %}

{#- A group gets the favourable prediction less than four fifths as often. -#}
{% test mlops_four_fifths(model, groups, prediction, label=none, privileged=none, favourable=none, min_rows=100, threshold=none) %}
    SELECT r.*
    FROM mlops.bias_report({{ mlops.mlops_literal("SELECT * FROM " ~ model) }}, label => {{ mlops.mlops_literal(label) }},
                           prediction => {{ mlops.mlops_literal(prediction) }}, groups => {{ mlops.mlops_text_array(groups) }},
                           privileged => {{ mlops.mlops_text_array(privileged) }}, min_rows => {{ mlops.mlops_literal(min_rows) }},
                           favourable => {{ mlops.mlops_text_array(favourable) }}, threshold => {{ mlops.mlops_literal(threshold) }}) r
    WHERE r.metric = 'disparate_impact' AND r.verdict = 'fail'
{% endtest %}

{#- There is no champion, or it was made too long ago. -#}
{% test mlops_champion_younger_than(model, age, modelref=none) %}
    SELECT c.version, c.created_at
    FROM (SELECT) one
    LEFT JOIN (SELECT v.version, v.created_at FROM mlops.versions v
               WHERE v.model = {{ mlops.mlops_literal(mlops.mlops_model_name(modelref if modelref is not none else model)) }}
                 AND 'champion' = ANY (v.aliases)) c ON true
    WHERE (c.created_at > now() - {{ mlops.mlops_literal(age) }}::interval) IS NOT TRUE
{% endtest %}

{#- The audit log, the states that it tells of, or the guards are not as they should be. -#}
{% test mlops_audit_verifies(model, ignore=[]) %}
    SELECT a.status, a.seq, a.detail FROM mlops.verify_audit() a WHERE a.status <> ALL ({{ mlops.mlops_text_array(["OK"] + ignore) }})
{% endtest %}
