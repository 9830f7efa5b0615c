-- file: sql/73_performance.sql
-- Performance: the measures of a version on rows of its user, with intervals.
-- Definitions: doc/performance.md.

CREATE FUNCTION mlops._interval_quantile(level float8) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_interval_quantile';
COMMENT ON FUNCTION mlops._interval_quantile(float8) IS
    'Number of standard errors that a normal interval of a level reaches to each side, such as 1.96 for 0.95; error 22023.';

CREATE FUNCTION mlops._bootstrap_add(state internal, actual float8, predicted float8, threshold float8,
                                     replicates integer, seed bigint) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bootstrap_add';
CREATE FUNCTION mlops._bootstrap_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bootstrap_combine';
CREATE FUNCTION mlops._bootstrap_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bootstrap_serialize';
CREATE FUNCTION mlops._bootstrap_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bootstrap_deserialize';
CREATE FUNCTION mlops._bootstrap_final(state internal) RETURNS float8[]
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bootstrap_final';

CREATE AGGREGATE mlops._bootstrap(actual float8, predicted float8, threshold float8, replicates integer, seed bigint) (
    SFUNC = mlops._bootstrap_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._bootstrap_combine, SERIALFUNC = mlops._bootstrap_serialize, DESERIALFUNC = mlops._bootstrap_deserialize,
    FINALFUNC = mlops._bootstrap_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops._bootstrap(float8, float8, float8, integer, bigint) IS
    'Standard errors of the measures of a report by the bootstrap, after the number of rows and of those in the sample; of a regression if the threshold is NULL.';

-- A report's statement is parsed under the search_path of its caller, so that
-- the caller's query means what it means outside.  What is ours in it may not
-- depend on that path: operators between spaces are written out.  They lose
-- their precedence by it, so everything is in parentheses.
CREATE FUNCTION mlops._qualified(template text) RETURNS text
    LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT regexp_replace(template, ' (<=|>=|<>|=|<|>|\+|-|\*|/|\|\|) ', ' OPERATOR(pg_catalog.\1) ', 'g') $$;
COMMENT ON FUNCTION mlops._qualified(text) IS 'A template of SQL with its operators qualified.';

-- How sure the macro means of a confusion matrix are.
CREATE FUNCTION mlops._matrix_errors(matrix jsonb) RETURNS float8[]
    LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH cell AS (
        SELECT a.o AS i, p.o AS j, p.n::float8 AS n
        FROM jsonb_array_elements(matrix->'matrix') WITH ORDINALITY a (counts, o),
             jsonb_array_elements_text(a.counts) WITH ORDINALITY p (n, o)
    ), class AS (
        SELECT k, a.n AS actual, p.n AS predicted, a.hits
        FROM (SELECT i AS k, sum(n) AS n, sum(n) FILTER (WHERE i = j) AS hits FROM cell GROUP BY i) a
        JOIN (SELECT j AS k, sum(n) AS n FROM cell GROUP BY j) p USING (k)
    ), total AS (
        SELECT count(*) AS classes, sum(actual) AS n, sum(hits) AS hits, sum(hits) * sum(actual) - sum(actual * predicted) AS covariance,
               sum(actual) ^ 2 - sum(predicted ^ 2) AS predicted, sum(actual) ^ 2 - sum(actual ^ 2) AS actual
        FROM class
    ), influence AS (
        -- what one row more in a cell adds to each measure
        SELECT c.n, (d.hit - y.hits / y.predicted) / y.predicted / t.classes AS precision,
               (d.hit - x.hits / x.actual) / x.actual / t.classes AS recall,
               (2 * d.hit / (x.actual + x.predicted) - 2 * x.hits / (x.actual + x.predicted) ^ 2 - 2 * y.hits / (y.actual + y.predicted) ^ 2)
                   / t.classes AS f1,
               (d.hit * t.n + t.hits - x.predicted - y.actual
                - t.covariance * ((t.n - y.predicted) / nullif(t.predicted, 0) + (t.n - x.actual) / nullif(t.actual, 0)))
                   / nullif(sqrt(t.predicted * t.actual), 0) AS mcc
        FROM cell c JOIN class x ON x.k = c.i JOIN class y ON y.k = c.j CROSS JOIN total t
        CROSS JOIN LATERAL (SELECT CASE WHEN c.i = c.j THEN 1 ELSE 0 END AS hit) d
        WHERE c.n > 0
    )
    SELECT ARRAY[sqrt(sum(n * precision ^ 2)), sqrt(sum(n * recall ^ 2)), sqrt(sum(n * f1 ^ 2)), sqrt(sum(n * mcc ^ 2))] FROM influence
$$;
COMMENT ON FUNCTION mlops._matrix_errors(jsonb) IS
    'Standard errors of the macro averages of precision, recall and f1 and of mcc of a confusion matrix, by the infinitesimal jackknife (Efron 1982).';

-- The number of the version that a reference means now.
CREATE FUNCTION mlops._reference_version(model mlops.modelref) RETURNS integer
    LANGUAGE plpgsql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target text := model;
    name text := mlops.model_name(model);
    result integer;
BEGIN
    SELECT v.version INTO result
    FROM mlops.versions v
    WHERE v.model = name
      AND v.version = CASE WHEN target LIKE '%/%' THEN split_part(target, '/', 2)::integer
                           ELSE (SELECT a.version FROM mlops.aliases a
                                 WHERE a.model = name
                                   AND a.alias = coalesce(nullif(split_part(target, '@', 2), ''), 'champion')) END;
    IF result IS NULL THEN
        -- says what is wrong: no model, version or alias, or no privilege
        PERFORM mlops.predict_margin(target::mlops.modelref, '{}'::jsonb);
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION mlops._reference_version(mlops.modelref) IS
    'Number of the version that a reference means for the caller; errors ML001 to ML003 and 42501.';

-- What a report reads, as alias q, and for its label the alias l: the rows, and
-- the labels that came later, by key.  A key with labels that contradict each
-- other has the label NaN, which is none.
CREATE FUNCTION mlops._report_source(query text, label_sql text, key text, labels text) RETURNS text
    LANGUAGE SQL IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN labels IS NULL THEN format('(%s' || E'\n) q', query)
    ELSE format(E'(%s\n) q LEFT JOIN (SELECT mlops._as_text(l.%I) AS k, CASE WHEN (pg_catalog.count(DISTINCT %s) OPERATOR(pg_catalog.<=) 1)'
                ' THEN pg_catalog.min(%3$s) ELSE ''NaN'' END AS t FROM (%s\n) l GROUP BY 1) l'
                ' ON (mlops._as_text(q.%2$I) OPERATOR(pg_catalog.=) l.k)', query, key, label_sql, labels) END
$$;
COMMENT ON FUNCTION mlops._report_source(text, text, text, text) IS 'FROM item of a report''s statement.';

CREATE FUNCTION mlops._performance_report(path text, model mlops.modelref, query text, label text, key text, labels text,
                                          segments text[], threshold float8, min_rows integer, replicates integer,
                                          seed bigint, level float8)
    RETURNS TABLE(metric text, attribute text, "group" text, value float8, lower float8, upper float8, n bigint,
                  test_value float8, champion_value float8, verdict text, definition jsonb)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
    target text := model;
    name text := mlops.model_name(model);
    number integer := mlops._reference_version(model);
    z float8 := mlops._interval_quantile(level);
    k integer := coalesce(cardinality(segments), 0);
    version record;
    champion_version integer;
    reference text;
    champion text;
    columns jsonb;
    label_columns jsonb;
    problems jsonb;
    champion_problems jsonb;
    positive text[];
    negative text[];
    kind text;
    label_sql text;
    groups_sql text;
    statement text;
    names text[];
    parts jsonb;
    base jsonb;
BEGIN
    IF model IS NULL OR query IS NULL OR min_rows IS NULL OR replicates IS NULL OR seed IS NULL OR z IS NULL OR threshold IS NULL THEN
        RAISE EXCEPTION 'a performance report needs a model and a query' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF labels IS NOT NULL AND (label IS NULL OR key IS NULL) THEN
        RAISE EXCEPTION 'labels of their own need a key and the name of the label'
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = 'Both queries have the key; the label is a column of the second.';
    END IF;
    IF min_rows < 1 OR threshold = 'NaN' OR replicates NOT BETWEEN 2 AND 10000 OR k > 16
       OR array_position(segments, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'an argument of the performance report is out of range'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'min_rows is 1 or more, threshold a number, replicates 2 to 10000, segments name at most 16 columns.';
    END IF;

    -- Which version, so that all of the report is about one.
    SELECT a.version INTO champion_version FROM mlops.aliases a WHERE a.model = name AND a.alias = 'champion';
    SELECT v.version, v.task, v.classes, coalesce(v.metrics, '{}') AS metrics INTO version
    FROM mlops.versions v WHERE v.model = name AND v.version = number;
    IF version.task NOT IN ('binary', 'multiclass', 'regression') THEN
        RAISE EXCEPTION 'there is no performance report for the task %', version.task USING ERRCODE = 'ML021';
    END IF;
    reference := format('%s/%s', name, version.version);
    IF champion_version <> version.version THEN
        champion := format('%s/%s', name, champion_version);
    END IF;

    SELECT coalesce(jsonb_object_agg(c."column", c.type::bigint), '{}') INTO columns FROM mlops._report_columns(path, query) c;
    SELECT coalesce(jsonb_object_agg(c."column", c.type::bigint), '{}') INTO label_columns FROM mlops._report_columns(path, labels) c;
    PERFORM mlops._report_kind(columns, c) FROM unnest(segments || CASE WHEN labels IS NOT NULL THEN key END) c;
    IF labels IS NOT NULL THEN
        PERFORM mlops._report_kind(label_columns, key);
        kind := mlops._report_kind(label_columns, label);
    ELSE
        kind := mlops._report_kind(columns, label);
    END IF;
    IF version.task = 'regression' AND kind NOT IN ('integer', 'number') THEN
        RAISE EXCEPTION 'the label of a regression must be a number' USING ERRCODE = 'datatype_mismatch';
    END IF;

    base := jsonb_strip_nulls(jsonb_build_object(
        'model', reference, 'champion', champion, 'task', version.task, 'level', level, 'min_rows', min_rows,
        'threshold', CASE WHEN version.task = 'binary' THEN threshold END));

    -- A feature that the rows do not have is a finding, not an error.
    PERFORM set_config('search_path', path, true);
    EXECUTE 'SELECT pg_catalog.jsonb_object_agg(b.feature, b.problem) FROM mlops.bind($1, $2) b WHERE b.problem IS NOT NULL'
        INTO problems USING reference::mlops.modelref, query;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF champion IS NOT NULL THEN
        PERFORM set_config('search_path', path, true);
        EXECUTE 'SELECT pg_catalog.jsonb_object_agg(b.feature, b.problem) FROM mlops.bind($1, $2) b WHERE b.problem IS NOT NULL'
            INTO champion_problems USING champion::mlops.modelref, query;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;
    IF problems IS NOT NULL THEN
        RETURN QUERY SELECT 'features', NULL::text, NULL::text, NULL::float8, NULL::float8, NULL::float8, NULL::bigint,
                            NULL::float8, NULL::float8, 'insufficient', base || jsonb_build_object('problems', problems);
        RETURN;
    END IF;
    IF champion_problems IS NOT NULL THEN
        champion := NULL;
        base := base || jsonb_build_object('champion_problems', champion_problems);
    END IF;

    -- The label as the text of a class; numbers without zeros at the end.
    label_sql := CASE WHEN label IS NULL THEN 'NULL::pg_catalog.text'
                      ELSE format(CASE WHEN kind = 'number' AND version.task <> 'regression'
                                       THEN 'pg_catalog.trim_scale(%s.%I::pg_catalog.numeric)::pg_catalog.text'
                                       ELSE 'mlops._as_text(%s.%I)' END,
                                  CASE WHEN labels IS NULL THEN 'q' ELSE 'l' END, label) END;
    positive := ARRAY[coalesce(version.classes[2], '1')];
    negative := ARRAY[coalesce(version.classes[1], '0')];
    IF lower(positive[1]) IN ('1', 'true', 't') AND lower(negative[1]) IN ('0', 'false', 'f') THEN
        positive := '{1,true,t}';
        negative := '{0,false,f}';
    ELSIF kind = 'boolean' THEN
        positive := '{true}';
        negative := '{false}';
    END IF;

    -- Rows are scored once (OFFSET 0 keeps the planner from repeating the score
    -- where it is used) and kept by the executor, on disk beyond work_mem.
    statement := format(
        'WITH j AS (SELECT %s AS t, %s AS s, %s AS p, %s AS c, ARRAY[%s]::pg_catalog.text[] AS g FROM %s OFFSET 0), ',
        CASE WHEN labels IS NULL THEN label_sql ELSE 'l.t' END,
        format(CASE version.task WHEN 'multiclass' THEN 'mlops.predict_class(%L::mlops.modelref, q)'
                                 ELSE 'mlops.predict(%L::mlops.modelref, q)' END, reference),
        CASE version.task WHEN 'multiclass' THEN format('mlops.predict_proba(%L::mlops.modelref, q)', reference) ELSE 'NULL' END,
        CASE WHEN champion IS NULL THEN CASE version.task WHEN 'multiclass' THEN 'NULL::pg_catalog.text' ELSE 'NULL::pg_catalog.float8' END
             ELSE format(CASE version.task WHEN 'multiclass' THEN 'mlops.predict_class(%L::mlops.modelref, q)'
                                           ELSE 'mlops.predict(%L::mlops.modelref, q)' END, champion) END,
        (SELECT string_agg(format('mlops._as_text(q.%I)', s), ', ' ORDER BY o) FROM unnest(segments) WITH ORDINALITY u (s, o)),
        mlops._report_source(query, label_sql, key, labels));
    groups_sql := (SELECT string_agg(format('r.g[%s]', s), ', ') FROM generate_series(1, k) s);
    statement := statement
        || format(mlops._qualified(CASE version.task
           WHEN 'binary' THEN
               'r AS MATERIALIZED (SELECT j.t, CASE WHEN (j.t = ANY (%1$L::pg_catalog.text[])) THEN true'
               ' WHEN (j.t = ANY (%2$L::pg_catalog.text[])) THEN false END AS y,'
               ' CASE WHEN ((j.s > ''-Infinity''::pg_catalog.float8) AND (j.s < ''Infinity''::pg_catalog.float8)) THEN j.s END AS s,'
               ' CASE WHEN ((j.s >= 0::pg_catalog.float8) AND (j.s <= 1::pg_catalog.float8)) THEN j.s END AS p,'
               ' CASE WHEN ((j.c >= 0::pg_catalog.float8) AND (j.c <= 1::pg_catalog.float8)) THEN j.c END AS c, j.g FROM j)'
           WHEN 'multiclass' THEN
               'r AS MATERIALIZED (SELECT j.t, CASE WHEN (j.t = ANY (%3$L::pg_catalog.text[])) THEN j.t END AS y, j.s,'
               ' j.p[pg_catalog.array_position(%3$L::pg_catalog.text[], j.t)] AS p, j.c, j.g FROM j)'
           ELSE
               'r AS MATERIALIZED (SELECT j.t, CASE WHEN ((j.t::pg_catalog.float8 > ''-Infinity''::pg_catalog.float8)'
               ' AND (j.t::pg_catalog.float8 < ''Infinity''::pg_catalog.float8)) THEN j.t::pg_catalog.float8 END AS y,'
               ' CASE WHEN ((j.s > ''-Infinity''::pg_catalog.float8) AND (j.s < ''Infinity''::pg_catalog.float8)) THEN j.s END AS s,'
               ' CASE WHEN ((j.c > ''-Infinity''::pg_catalog.float8) AND (j.c < ''Infinity''::pg_catalog.float8)) THEN j.c END AS c, j.g FROM j)'
           END), positive, negative, coalesce(version.classes, ARRAY(SELECT i::text FROM generate_series(0, 999) i)))
        || format(' SELECT %s AS mask, ARRAY[%s]::pg_catalog.text[] AS members, pg_catalog.count(*) AS total, pg_catalog.count(r.t) AS arrived,'
                  ' pg_catalog.count(r.y) AS labelled, pg_catalog.count(r.s) AS scored,'
                  ' pg_catalog.count(r.s) FILTER (WHERE r.y IS NOT NULL) AS rows, ',
                  CASE k WHEN 0 THEN '0' ELSE format('GROUPING(%s)', groups_sql) END, groups_sql)
        || format(mlops._qualified(CASE version.task
           WHEN 'binary' THEN
               'ARRAY[pg_catalog.count(*) FILTER (WHERE (r.y AND (r.s >= %1$L::pg_catalog.float8))), pg_catalog.count(*) FILTER (WHERE ((NOT r.y) AND (r.s >= %1$L::pg_catalog.float8))),'
               ' pg_catalog.count(*) FILTER (WHERE (r.y AND (r.s < %1$L::pg_catalog.float8))), pg_catalog.count(*) FILTER (WHERE ((NOT r.y) AND (r.s < %1$L::pg_catalog.float8)))] AS cells,'
               ' mlops.auc_ci(r.y, r.s, %2$L::pg_catalog.float8) AS ci,'
               ' ARRAY[mlops.auc(r.y, r.s), mlops.gini(r.y, r.s), mlops.ks(r.y, r.s), mlops.pr_auc(r.y, r.s),'
               ' CASE WHEN (pg_catalog.count(r.p) = pg_catalog.count(r.s)) THEN mlops.log_loss(r.y, r.p) END,'
               ' CASE WHEN (pg_catalog.count(r.p) = pg_catalog.count(r.s)) THEN mlops.brier(r.y, r.p) END,'
               ' CASE WHEN (pg_catalog.count(r.p) = pg_catalog.count(r.s)) THEN mlops.ece(r.y, r.p) END,'
               ' CASE WHEN (pg_catalog.count(r.p) = pg_catalog.count(r.s)) THEN mlops.ece(r.y, r.p, 10, ''equal_frequency'') END,'
               ' mlops.accuracy(r.y, r.s, %1$L::pg_catalog.float8), mlops.precision(r.y, r.s, %1$L::pg_catalog.float8), mlops.recall(r.y, r.s, %1$L::pg_catalog.float8),'
               ' mlops.f1(r.y, r.s, %1$L::pg_catalog.float8), mlops.mcc(r.y, r.s, %1$L::pg_catalog.float8), mlops.base_rate(r.y) FILTER (WHERE r.s IS NOT NULL)] AS v,' ||
               CASE WHEN champion IS NULL THEN ' NULL::pg_catalog.float8[] AS c,' ELSE
               ' ARRAY[mlops.auc(r.y, r.c), mlops.gini(r.y, r.c), mlops.ks(r.y, r.c), mlops.pr_auc(r.y, r.c), mlops.log_loss(r.y, r.c), mlops.brier(r.y, r.c),'
               ' mlops.ece(r.y, r.c), mlops.ece(r.y, r.c, 10, ''equal_frequency''), mlops.accuracy(r.y, r.c, %1$L::pg_catalog.float8), mlops.precision(r.y, r.c, %1$L::pg_catalog.float8),'
               ' mlops.recall(r.y, r.c, %1$L::pg_catalog.float8), mlops.f1(r.y, r.c, %1$L::pg_catalog.float8), mlops.mcc(r.y, r.c, %1$L::pg_catalog.float8), NULL] AS c,' END ||
               ' mlops._bootstrap(CASE WHEN r.y THEN 1::pg_catalog.float8 WHEN (NOT r.y) THEN 0::pg_catalog.float8 END, r.s, %1$L::pg_catalog.float8, %3$s, %4$s::pg_catalog.int8) AS b,'
               ' ARRAY[pg_catalog.sum(r.p) FILTER (WHERE (r.s >= %1$L::pg_catalog.float8)), pg_catalog.sum((1::pg_catalog.float8 - r.p)) FILTER (WHERE (r.s >= %1$L::pg_catalog.float8)),'
               ' pg_catalog.sum(r.p) FILTER (WHERE (r.s < %1$L::pg_catalog.float8)), pg_catalog.sum((1::pg_catalog.float8 - r.p)) FILTER (WHERE (r.s < %1$L::pg_catalog.float8))] AS expected,'
               ' CASE WHEN (pg_catalog.count(r.t) < pg_catalog.count(*)) THEN (SELECT (pg_catalog.sum((x.negative * ((x.above - (x.positive / 2::pg_catalog.float8)))))'
               ' / NULLIF((pg_catalog.sum(x.positive) * pg_catalog.sum(x.negative)), 0::pg_catalog.float8))'
               ' FROM (SELECT pg_catalog.sum(e.p) AS positive, pg_catalog.sum((1::pg_catalog.float8 - e.p)) AS negative,'
               ' pg_catalog.sum(pg_catalog.sum(e.p)) OVER (ORDER BY e.p DESC) AS above FROM r e WHERE e.p IS NOT NULL GROUP BY e.p) x) END AS expected_auc'
           WHEN 'multiclass' THEN
               'ARRAY[pg_catalog.count(*) FILTER (WHERE (r.y = r.s))] AS cells, NULL::mlops.estimate AS ci,' ||
               CASE WHEN cardinality(version.classes) <= 1000 THEN ' mlops.confusion(r.y, r.s) AS matrix,' ELSE '' END ||
               ' ARRAY[mlops.accuracy(r.y, r.s), mlops.precision(r.y, r.s), mlops.recall(r.y, r.s), mlops.f1(r.y, r.s), mlops.mcc(r.y, r.s),'
               ' pg_catalog.avg((0::pg_catalog.float8 - pg_catalog.ln(GREATEST(r.p, 1e-15::pg_catalog.float8))))] AS v,' ||
               CASE WHEN champion IS NULL THEN ' NULL::pg_catalog.float8[] AS c,' ELSE
               ' ARRAY[mlops.accuracy(r.y, r.c), mlops.precision(r.y, r.c), mlops.recall(r.y, r.c), mlops.f1(r.y, r.c), mlops.mcc(r.y, r.c), NULL] AS c,' END ||
               ' ARRAY[pg_catalog.count(r.p)::pg_catalog.float8, pg_catalog.count(r.p)::pg_catalog.float8, (pg_catalog.stddev_samp(pg_catalog.ln(GREATEST(r.p, 1e-15::pg_catalog.float8)))'
               ' / pg_catalog.sqrt(NULLIF(pg_catalog.count(r.p), 0)::pg_catalog.float8))] AS b, NULL::pg_catalog.float8[] AS expected, NULL::pg_catalog.float8 AS expected_auc'
           ELSE
               'NULL::pg_catalog.int8[] AS cells, NULL::mlops.estimate AS ci,'
               ' ARRAY[mlops.rmse(r.y, r.s), mlops.mae(r.y, r.s), mlops.mape(r.y, r.s), mlops.r2(r.y, r.s)] AS v,' ||
               CASE WHEN champion IS NULL THEN ' NULL::pg_catalog.float8[] AS c,' ELSE
               ' ARRAY[mlops.rmse(r.y, r.c), mlops.mae(r.y, r.c), mlops.mape(r.y, r.c), mlops.r2(r.y, r.c)] AS c,' END ||
               ' mlops._bootstrap(r.y, r.s, NULL::pg_catalog.float8, %3$s, %4$s::pg_catalog.int8) AS b, NULL::pg_catalog.float8[] AS expected, NULL::pg_catalog.float8 AS expected_auc'
           END), threshold, level, replicates, seed)
        || ' FROM r'
        || CASE k WHEN 0 THEN '' ELSE format(' GROUP BY GROUPING SETS ((), %s) LIMIT 100001',
                                             (SELECT string_agg(format('(r.g[%s])', s), ', ') FROM generate_series(1, k) s)) END;

    statement := 'SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(x)) FROM (' || statement || ') x';

    PERFORM set_config('search_path', path, true);
    EXECUTE statement INTO parts;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF jsonb_array_length(parts) > 100000 THEN
        RAISE EXCEPTION 'more than 100000 segments'
            USING ERRCODE = 'ML055',
                  HINT = 'Put values into bands in the query, such as width_bucket(age, 20, 80, 6) AS age_band.';
    END IF;

    names := CASE version.task
        WHEN 'binary' THEN '{auc,gini,ks,pr_auc,log_loss,brier,ece,ece_equal_frequency,accuracy,precision,recall,f1,mcc,base_rate}'::text[]
        WHEN 'multiclass' THEN '{accuracy,precision_macro,recall_macro,f1_macro,mcc,log_loss}'::text[]
        ELSE '{rmse,mae,mape,r2}'::text[] END;

    RETURN QUERY
    WITH part AS (
        SELECT p.*, a.attribute, p.members[a.position] AS member,
               CASE version.task
               WHEN 'binary' THEN
                   ARRAY[coalesce(((p.ci).upper - (p.ci).lower) / CASE WHEN (p.ci).lower > 0 AND (p.ci).upper < 1 THEN 2 * z END, p.b[3]),
                         2 * coalesce(((p.ci).upper - (p.ci).lower) / CASE WHEN (p.ci).lower > 0 AND (p.ci).upper < 1 THEN 2 * z END, p.b[3]),
                         p.b[5], p.b[4], p.b[6], p.b[7], p.b[8], NULL, p.b[9], p.b[10], p.b[11], p.b[12], p.b[13],
                         sqrt(p.v[14] * (1 - p.v[14]) / nullif(p.rows, 0))]
               WHEN 'multiclass' THEN sqrt(p.v[1] * (1 - p.v[1]) / nullif(p.rows, 0))
                   || coalesce(mlops._matrix_errors(p.matrix), array_fill(NULL::float8, '{4}')) || p.b[3]
               ELSE p.b[3:6] END AS errors,
               -- successes and rows of the measures that are shares
               CASE version.task
               WHEN 'binary' THEN jsonb_build_object('accuracy', ARRAY[p.cells[1] + p.cells[4], p.rows],
                                                     'precision', ARRAY[p.cells[1], p.cells[1] + p.cells[2]],
                                                     'recall', ARRAY[p.cells[1], p.cells[1] + p.cells[3]],
                                                     'base_rate', ARRAY[p.cells[1] + p.cells[3], p.rows])
               WHEN 'multiclass' THEN jsonb_build_object('accuracy', ARRAY[p.cells[1], p.rows])
               ELSE '{}' END AS shares
        FROM jsonb_to_recordset(parts) p (mask integer, members text[], total bigint, arrived bigint, labelled bigint, scored bigint, rows bigint,
                                          cells bigint[], matrix jsonb, ci mlops.estimate, v float8[], c float8[], b float8[], expected float8[], expected_auc float8)
        LEFT JOIN LATERAL (SELECT s, o FROM unnest(segments) WITH ORDINALITY u (s, o) WHERE (p.mask >> (k - o::integer)) & 1 = 0)
            a (attribute, position) ON true
    ), measure AS (
        SELECT p.attribute, p.member, p.total, p.rows, p.b, measure AS name, position, p.v[position] AS value, p.c[position] AS champion_value,
               p.errors[position] AS error,
               mlops.wilson((p.shares->measure->>0)::bigint, (p.shares->measure->>1)::bigint, level) AS share,
               p.ci, p.shares ? measure AS is_share,
               CASE WHEN jsonb_typeof(version.metrics->measure) = 'number' AND p.attribute IS NULL THEN (version.metrics->>measure)::float8 END AS test_value,
               CASE WHEN jsonb_typeof(version.metrics->'n_test') = 'number' THEN nullif((version.metrics->>'n_test')::float8, 0) END AS test_rows,
               CASE WHEN measure IN ('log_loss', 'brier', 'ece', 'ece_equal_frequency', 'rmse', 'mae', 'mape') THEN -1
                    WHEN measure = 'base_rate' THEN 0 ELSE 1 END AS direction,
               CASE WHEN measure = 'mcc' THEN -1::float8 WHEN measure = 'r2' THEN '-Infinity' ELSE 0 END AS least_value,
               CASE WHEN measure IN ('log_loss', 'rmse', 'mae', 'mape') THEN 'Infinity'::float8 ELSE 1 END AS greatest_value
        FROM part p CROSS JOIN unnest(names) WITH ORDINALITY u (measure, position)
    ), result (attribute, member, section, position, metric, value, lower, upper, n, test_value, champion_value, verdict, definition) AS (
        SELECT p.attribute, p.member, 1, 0, 'rows', p.total::float8, NULL::float8, NULL::float8, p.total, NULL::float8, NULL::float8,
               CASE WHEN p.total < min_rows THEN 'insufficient' END, '{"formula": "number of rows"}'::jsonb
        FROM part p
        UNION ALL
        SELECT p.attribute, p.member, 1, x.position, x.metric, (w.e).value, (w.e).lower, (w.e).upper, p.total, NULL, NULL, NULL,
               jsonb_build_object('formula', x.formula, 'interval', 'Wilson 1927')
        FROM part p CROSS JOIN LATERAL (VALUES
            ('labels_arrived', 1, p.arrived, 'share of rows with a label'),
            ('invalid_labels', 2, p.arrived - p.labelled, 'share of rows whose label is no class, not finite, or contradicts another of its key'),
            ('invalid_scores', 3, p.total - p.scored, 'share of rows whose score is not finite')) x (metric, position, successes, formula)
        CROSS JOIN LATERAL (SELECT mlops.wilson(x.successes, p.total, level) AS e) w
        UNION ALL
        SELECT m.attribute, m.member, 2, m.position, m.name, m.value,
               CASE WHEN m.name = 'auc' THEN (m.ci).lower WHEN m.name = 'gini' THEN 2 * (m.ci).lower - 1
                    WHEN m.is_share THEN (m.share).lower ELSE CASE WHEN m.error IS NOT NULL THEN greatest(m.value - z * m.error, m.least_value) END END,
               CASE WHEN m.name = 'auc' THEN (m.ci).upper WHEN m.name = 'gini' THEN 2 * (m.ci).upper - 1
                    WHEN m.is_share THEN (m.share).upper ELSE CASE WHEN m.error IS NOT NULL THEN least(m.value + z * m.error, m.greatest_value) END END,
               m.rows, m.test_value, m.champion_value,
               CASE WHEN m.rows < min_rows OR m.value IS NULL THEN 'insufficient'
                    WHEN m.direction = 0 OR m.error IS NULL THEN NULL
                    WHEN m.direction * (m.test_value - m.value)
                         > 3 * m.error * sqrt(1 + coalesce(m.rows / m.test_rows, 0)) THEN 'fail'
                    WHEN m.test_value IS NOT NULL THEN 'ok' END,
               jsonb_strip_nulls(jsonb_build_object(
                   'standard_error', m.error,
                   'interval', CASE WHEN m.value IS NULL THEN NULL WHEN m.name IN ('auc', 'gini') THEN 'DeLong, DeLong and Clarke-Pearson 1988'
                                    WHEN m.is_share THEN 'Wilson 1927' WHEN m.error IS NULL THEN NULL
                                    WHEN m.name = 'log_loss' AND version.task = 'multiclass' THEN 'normal'
                                    WHEN version.task = 'multiclass' THEN 'normal, error by the infinitesimal jackknife (Efron 1982)' ELSE 'normal, error by bootstrap' END,
                   'bootstrap', CASE WHEN version.task <> 'multiclass' AND NOT m.is_share AND m.error IS NOT NULL AND m.name NOT IN ('auc', 'gini')
                                     THEN jsonb_build_object('replicates', replicates, 'seed', seed, 'rows', m.b[2]) END,
                   'rule', CASE WHEN m.test_value IS NOT NULL AND m.direction <> 0
                                THEN 'worse than the test figure by more than 3 standard errors of the difference' END,
                   'test_rows', CASE WHEN m.test_value IS NOT NULL THEN m.test_rows END))
        FROM measure m
        UNION ALL
        -- while labels are late: what the scores let expect, if they are calibrated
        SELECT p.attribute, p.member, 3, x.position, x.metric, x.value, NULL, NULL, p.total, NULL, NULL,
               CASE WHEN p.total < min_rows OR x.value IS NULL THEN 'insufficient' END,
               '{"estimate": true, "method": "CBPE", "assumes": "calibrated scores and no concept drift"}'
        FROM part p CROSS JOIN LATERAL (VALUES
            ('estimated_auc', 1, CASE WHEN p.attribute IS NULL THEN p.expected_auc END),
            ('estimated_accuracy', 2, (coalesce(p.expected[1], 0) + coalesce(p.expected[4], 0)) / nullif(p.scored, 0)),
            ('estimated_precision', 3, p.expected[1] / nullif(p.expected[1] + p.expected[2], 0)),
            ('estimated_recall', 4, coalesce(p.expected[1], 0) / nullif(coalesce(p.expected[1], 0) + coalesce(p.expected[3], 0), 0)),
            ('estimated_f1', 5, 2 * coalesce(p.expected[1], 0)
                                / nullif(2 * coalesce(p.expected[1], 0) + coalesce(p.expected[2], 0) + coalesce(p.expected[3], 0), 0)),
            ('estimated_base_rate', 6, (coalesce(p.expected[1], 0) + coalesce(p.expected[3], 0)) / nullif(p.scored, 0))) x (metric, position, value)
        WHERE version.task = 'binary' AND p.arrived < p.total AND (x.metric <> 'estimated_auc' OR p.attribute IS NULL)
    )
    SELECT r.metric, r.attribute, CASE WHEN r.attribute IS NOT NULL THEN coalesce(r.member, '(null)') END, r.value, r.lower, r.upper, r.n,
           r.test_value, r.champion_value, r.verdict, base || r.definition
    FROM result r
    ORDER BY array_position(segments, r.attribute) NULLS FIRST, r.member COLLATE "C", r.section, r.position;
END
$$;
COMMENT ON FUNCTION mlops._performance_report(text, mlops.modelref, text, text, text, text, text[], float8, integer, integer, bigint, float8) IS
    'Body of mlops.performance_report(), after the search_path of its caller.';
REVOKE ALL ON FUNCTION mlops._performance_report(text, mlops.modelref, text, text, text, text, text[], float8, integer, integer, bigint, float8) FROM PUBLIC;

CREATE FUNCTION mlops.performance_report(model mlops.modelref, query text, label text DEFAULT NULL, key text DEFAULT NULL,
                                         labels text DEFAULT NULL, segments text[] DEFAULT NULL, threshold float8 DEFAULT 0.5,
                                         min_rows integer DEFAULT 100, replicates integer DEFAULT 200, seed bigint DEFAULT 0,
                                         level float8 DEFAULT 0.95)
    RETURNS TABLE(metric text, attribute text, "group" text, value float8, lower float8, upper float8, n bigint,
                  test_value float8, champion_value float8, verdict text, definition jsonb)
    LANGUAGE C STABLE PARALLEL UNSAFE COST 100000 ROWS 50
    AS 'MODULE_PATHNAME', 'mlops_report_call';
COMMENT ON FUNCTION mlops.performance_report(mlops.modelref, text, text, text, text, text[], float8, integer, integer, bigint, float8) IS
    'The measures of a version on the rows of a SELECT, which runs with the caller''s rights: with intervals, by segment, against its own test figures and the champion''s, the share of labels that arrived, and estimates while they are late; needs privilege score; errors ML001 to ML003, ML021, ML055 (too many segments), 22004, 22023, 42501, 42703 and 42804.';
