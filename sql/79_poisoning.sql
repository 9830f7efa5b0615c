-- file: sql/79_poisoning.sql
-- Poisoning: what a new training set has that the one before had not.
-- Definitions: doc/probing.md.

CREATE FUNCTION mlops._normal_sf(z float8) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_normal_sf_sql';
COMMENT ON FUNCTION mlops._normal_sf(float8) IS 'Probability that a standard normal value is above z.';

-- The share x of n against y of m, by the test that METRICS of data quality
-- use: two proportions, pooled; with many tests the p-value is Bonferroni's.
CREATE FUNCTION mlops._compare_shares(x float8, n float8, y float8, m float8, rises boolean, tests bigint, min_rows integer,
                                      OUT value float8, OUT lower float8, OUT upper float8, OUT reference_value float8,
                                      OUT p_value float8, OUT verdict text, OUT definition jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.p, w.lower, w.upper, s.q, t.p_value,
           CASE WHEN n < min_rows OR m < min_rows THEN 'insufficient'
                WHEN s.q IS NULL THEN NULL
                WHEN CASE WHEN rises THEN s.p - s.q ELSE abs(s.p - s.q) END >= 0.02 AND t.p_value < 0.05 THEN 'fail'
                ELSE 'ok' END,
           jsonb_strip_nulls(jsonb_build_object(
               'rows', x, 'reference_rows', y, 'reference_n', m, 'min_rows', min_rows, 'z', z.z,
               'difference', CASE WHEN d.value IS NOT NULL THEN jsonb_build_object('value', d.value, 'lower', d.lower, 'upper', d.upper) END,
               'tests', CASE WHEN tests > 1 THEN tests END,
               'rule', CASE WHEN m > 0 THEN CASE WHEN rises THEN 'a rise' ELSE 'a change' END
                                || ' of 0.02 or more, and two-proportion z with p < 0.05' END,
               'correction', CASE WHEN tests > 1 THEN 'Bonferroni' END))
    FROM (SELECT x / nullif(n, 0) AS p, y / nullif(m, 0) AS q, (x + y) / nullif(n + m, 0) AS pooled) s
    CROSS JOIN LATERAL (SELECT (s.p - s.q) / nullif(sqrt(s.pooled * (1 - s.pooled) * (1 / nullif(n, 0) + 1 / nullif(m, 0))), 0) AS z) z
    CROSS JOIN LATERAL (SELECT CASE WHEN s.q IS NULL OR s.p IS NULL THEN NULL
                                    ELSE least(1, tests * CASE WHEN rises THEN mlops._normal_sf(coalesce(z.z, 0))
                                                               ELSE 2 * mlops._normal_sf(abs(coalesce(z.z, 0))) END) END AS p_value) t
    CROSS JOIN LATERAL mlops.wilson(x::bigint, n::bigint) w
    CROSS JOIN LATERAL mlops.share_difference(x::bigint, n::bigint, round(y)::bigint, m::bigint) d
$$;
COMMENT ON FUNCTION mlops._compare_shares(float8, float8, float8, float8, boolean, bigint, integer) IS
    'A share against another: interval, p-value and verdict.';

-- The features of a version that a query has, with the SQL of each, and what
-- is wrong with the others.
CREATE FUNCTION mlops._report_features(path text, model mlops.modelref, query text, columns jsonb,
                                       OUT names text[], OUT kinds text[], OUT expressions text[], OUT problems jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    bound jsonb;
BEGIN
    PERFORM set_config('search_path', path, true);
    EXECUTE 'SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(''feature'', b.feature, ''column'', b."column", ''problem'', b.problem)) FROM mlops.bind($1, $2) b'
        INTO bound USING model, query;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    SELECT coalesce(array_agg(b.feature ORDER BY o) FILTER (WHERE b.problem IS NULL), '{}'),
           coalesce(array_agg(k.kind ORDER BY o) FILTER (WHERE b.problem IS NULL), '{}'),
           coalesce(array_agg(mlops._comparable(b."column", k.type) ORDER BY o) FILTER (WHERE b.problem IS NULL), '{}'),
           jsonb_object_agg(b.feature, b.problem) FILTER (WHERE b.problem IS NOT NULL)
    INTO names, kinds, expressions, problems
    FROM jsonb_array_elements(bound) WITH ORDINALITY u (r, o), jsonb_to_record(u.r) b (feature text, "column" text, problem text),
         LATERAL (SELECT (columns->>b."column")::oid AS type, mlops._quality_kind((columns->>b."column")::oid) AS kind) k;
END
$$;
COMMENT ON FUNCTION mlops._report_features(text, mlops.modelref, text, jsonb) IS
    'Features of a version that a query has, as SQL; errors ML001 to ML003 and 42501.';

-- SQL for the figures of a training set, a JSON object: rows; of a
-- classification rows per class, equal rows, and rows that contradict most
-- others of their cell; of a regression moments of the label; the same label
-- figures by group.
CREATE FUNCTION mlops._poisoning_statement(query text, label_sql text, regression boolean, features text[], cells text[], "group" text,
                                           max_groups integer) RETURNS text
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(mlops._qualified(
        'WITH r AS MATERIALIZED (SELECT %1$s AS t, pg_catalog.hash_record_extended(ROW(%2$s), 0) AS f, pg_catalog.hash_record_extended(ROW(%3$s), 0) AS g, %4$s AS s'
        ' FROM (%5$s' || E'\n' || ') q OFFSET 0), ')
        || CASE WHEN regression THEN
            'b AS (SELECT r.s, pg_catalog.count(*) AS total, pg_catalog.count(r.t) AS n, pg_catalog.avg(r.t) AS mean, pg_catalog.var_samp(r.t) AS variance, NULL::pg_catalog.jsonb AS classes FROM r GROUP BY r.s)'
           ELSE
            'b AS (SELECT c.s, pg_catalog.sum(c.n) AS total, pg_catalog.sum(c.n) FILTER (WHERE c.t IS NOT NULL) AS n, NULL AS mean, NULL AS variance,'
            ' pg_catalog.jsonb_object_agg(c.t, c.n) FILTER (WHERE c.t IS NOT NULL) AS classes FROM (SELECT r.s, r.t, pg_catalog.count(*) AS n FROM r GROUP BY r.s, r.t) c GROUP BY c.s)'
           END
        || mlops._qualified(
            ' SELECT pg_catalog.jsonb_build_object(''rows'', (SELECT pg_catalog.count(*) FROM r), ''labelled'', (SELECT pg_catalog.count(r.t) FROM r),'
            ' ''copies'', (SELECT pg_catalog.sum((c.n - 1)) FROM (SELECT pg_catalog.count(*) AS n FROM r GROUP BY r.f, r.t) c),')
        || CASE WHEN regression THEN
            ' ''mean'', (SELECT pg_catalog.avg(r.t) FROM r), ''variance'', (SELECT pg_catalog.var_samp(r.t) FROM r),'
           ELSE mlops._qualified(
            ' ''classes'', (SELECT pg_catalog.jsonb_object_agg(c.t, c.n) FROM (SELECT r.t, pg_catalog.count(*) AS n FROM r WHERE r.t IS NOT NULL GROUP BY r.t ORDER BY 2 DESC LIMIT 1000) c),'
            ' ''contradictions'', (SELECT pg_catalog.sum((x.n - x.most)) FROM (SELECT pg_catalog.sum(c.n) AS n, pg_catalog.max(c.n) AS most'
            ' FROM (SELECT r.g, r.t, pg_catalog.count(*) AS n FROM r WHERE r.t IS NOT NULL GROUP BY r.g, r.t) c GROUP BY c.g) x),')
           END
        || ' ''number_of_groups'', (SELECT pg_catalog.count(b.s) FROM b),'
           ' ''groups'', (SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(y)) FROM (SELECT b.* FROM b WHERE b.s IS NOT NULL ORDER BY b.total DESC, b.s LIMIT %6$s) y))',
        label_sql, array_to_string(features, ', '), array_to_string(cells, ', '), coalesce("group", 'NULL::pg_catalog.text'), query, max_groups)
$$;
COMMENT ON FUNCTION mlops._poisoning_statement(text, text, boolean, text[], text[], text, integer) IS
    'Statement for the figures of a training set.';

CREATE FUNCTION mlops._poisoning_report(path text, model mlops.modelref, query text, label text, reference text, source text,
                                        key text[], tolerance float8, min_rows integer)
    RETURNS TABLE(metric text, attribute text, "group" text, value float8, lower float8, upper float8, reference_value float8,
                  p_value float8, threshold float8, n bigint, verdict text, definition jsonb)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
    max_groups CONSTANT integer := 100;
    model_name text := mlops.model_name(model);
    number integer := mlops._reference_version(model);
    version record;
    regression boolean;
    positive text[];
    negative text[];
    classes text[];
    columns jsonb;
    reference_columns jsonb;
    features record;
    reference_features record;
    label_sql text;
    reference_label text;
    cells text[];
    group_sql text;
    key_sql text;
    widths float8[];
    profile jsonb;
    figures jsonb;
    expected jsonb;
    expected_of text;
    relabelled bigint[];
    base jsonb;
BEGIN
    IF query IS NULL OR tolerance IS NULL OR min_rows IS NULL OR model IS NULL THEN
        RAISE EXCEPTION 'a poisoning report needs a model and a query' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF min_rows < 1 OR NOT (tolerance >= 0 AND tolerance <= 1) OR cardinality(key) = 0 OR array_position(key, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'an argument of the poisoning report is out of range'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'min_rows is 1 or more, tolerance from 0 to 1, key names columns.';
    END IF;
    SELECT v.version, v.task, v.classes INTO version FROM mlops.versions v WHERE v.model = model_name AND v.version = number;
    model := format('%s/%s', model_name, number);
    regression := version.task = 'regression';
    -- what was frozen is for who may read the model
    IF NOT mlops.has_privilege(model_name, 'read') THEN
        RAISE EXCEPTION 'permission denied for model "%"', model_name
            USING ERRCODE = 'insufficient_privilege', HINT = 'It needs the privilege read.';
    END IF;
    SELECT jsonb_object_agg(p.role || ' ' || p.name, jsonb_build_object(
               'name', p.name, 'rows', p.rows - p.nulls - p.nans - p.infinities, 'mean', p.mean, 'stddev', p.stddev, 'kind', (p.bins).kind,
               'classes', CASE WHEN (p.bins).kind = 'texts' THEN
                              (SELECT jsonb_object_agg(u.t, u.c) FROM unnest((p.bins).texts, p.bin_counts) u (t, c) WHERE u.t IS NOT NULL)
                          WHEN (p.bins).kind = 'numbers' THEN
                              (SELECT jsonb_object_agg(trim_scale(u.t::numeric)::text, u.c) FROM unnest((p.bins).numbers, p.bin_counts) u (t, c) WHERE u.t IS NOT NULL) END))
    INTO profile FROM mlops.profiles p WHERE p.model = model_name AND p.version = number;
    label := coalesce(label, (SELECT p.value->>'name' FROM jsonb_each(profile) p WHERE p.key LIKE 'label %'));
    IF label IS NULL THEN
        RAISE EXCEPTION 'a poisoning report needs the name of the label'
            USING ERRCODE = 'null_value_not_allowed', DETAIL = format('The profile of %s has none.', model);
    END IF;
    reference := coalesce(reference, mlops._training_copy(model));

    SELECT coalesce(jsonb_object_agg(c."column", c.type::bigint), '{}') INTO columns FROM mlops._report_columns(path, query) c;
    SELECT coalesce(jsonb_object_agg(c."column", c.type::bigint), '{}') INTO reference_columns FROM mlops._report_columns(path, reference) c;
    PERFORM mlops._report_kind(columns, c) FROM unnest(key || source) c;
    SELECT * INTO features FROM mlops._report_features(path, model, query, columns);

    positive := ARRAY[coalesce(version.classes[2], '1')];
    negative := ARRAY[coalesce(version.classes[1], '0')];
    IF lower(positive[1]) IN ('1', 'true', 't') AND lower(negative[1]) IN ('0', 'false', 'f') THEN
        positive := '{1,true,t}';
        negative := '{0,false,f}';
    END IF;
    label_sql := mlops._poisoning_label(columns, label, regression);
    IF label_sql IS NULL THEN
        RAISE EXCEPTION 'the label of a regression must be a number' USING ERRCODE = 'datatype_mismatch';
    END IF;

    -- Cells: numbers that differ by little are one.
    SELECT array_agg(tolerance * nullif((profile->('feature ' || f)->>'stddev')::float8, 0) ORDER BY o) INTO widths
    FROM unnest(features.names) WITH ORDINALITY u (f, o);
    cells := ARRAY(SELECT CASE WHEN features.kinds[o] IN ('number', 'time') AND widths[o] > 0
                               THEN format('pg_catalog.floor((%s OPERATOR(pg_catalog./) %L::pg_catalog.float8))', features.expressions[o], greatest(widths[o], 1e-200))
                               ELSE features.expressions[o] END
                   FROM generate_subscripts(features.names, 1) o ORDER BY o);
    group_sql := CASE WHEN source IS NULL THEN NULL
                      WHEN mlops._quality_kind((columns->>source)::oid) <> 'time' THEN format('pg_catalog."left"(q.%I::pg_catalog.text, 200)', source)
                      WHEN (columns->>source)::oid = 'timestamptz'::regtype
                      THEN format('pg_catalog.to_char(pg_catalog.timezone(''UTC'', q.%I), ''YYYY-MM-DD'')', source)
                      ELSE format('pg_catalog.to_char(q.%I::pg_catalog.timestamp, ''YYYY-MM-DD'')', source) END;
    base := jsonb_build_object('model', model, 'label', label, 'min_rows', min_rows);

    PERFORM set_config('search_path', path, true);
    EXECUTE mlops._poisoning_statement(query, label_sql, regression, features.expressions, cells, group_sql, max_groups) INTO figures;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

    IF reference IS NOT NULL THEN
        SELECT * INTO reference_features FROM mlops._report_features(path, model, reference, reference_columns);
        reference_label := CASE WHEN reference_columns ? label THEN mlops._poisoning_label(reference_columns, label, regression) END;
        IF reference_features.names = features.names AND reference_features.kinds = features.kinds AND reference_label IS NOT NULL THEN
            PERFORM set_config('search_path', path, true);
            EXECUTE mlops._poisoning_statement(
                reference, reference_label, regression, reference_features.expressions,
                ARRAY(SELECT CASE WHEN features.kinds[o] IN ('number', 'time') AND widths[o] > 0
                                  THEN format('pg_catalog.floor((%s OPERATOR(pg_catalog./) %L::pg_catalog.float8))', reference_features.expressions[o], greatest(widths[o], 1e-200))
                                  ELSE reference_features.expressions[o] END
                      FROM generate_subscripts(features.names, 1) o ORDER BY o), NULL, 0) INTO expected;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            expected_of := 'rows';
            -- Rows that both sets have: by key, else by content.
            IF NOT (regression AND key IS NULL) AND NOT EXISTS (SELECT FROM unnest(key) k WHERE NOT reference_columns ? k) THEN
                key_sql := 'CASE WHEN ' || (SELECT string_agg(format('q.%I IS NOT NULL', c), ' AND ') FROM unnest(key) c) || ' THEN ARRAY['
                           || (SELECT string_agg(format('q.%I::pg_catalog.text', c), ', ') FROM unnest(key) c) || ']::pg_catalog.text[] END';
                PERFORM set_config('search_path', path, true);
                EXECUTE format(mlops._qualified(
                    'SELECT ARRAY[pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE (a.t <> ALL (b.ts)))] FROM (SELECT %s AS t, %s AS k FROM (%s' || E'\n' || ') q) a'
                    ' JOIN (SELECT x.k, pg_catalog.array_agg(DISTINCT x.t) AS ts FROM (SELECT %s AS t, %s AS k FROM (%s' || E'\n' || ') q) x'
                    ' WHERE x.k IS NOT NULL AND x.t IS NOT NULL GROUP BY x.k) b ON (a.k = b.k) WHERE a.t IS NOT NULL'),
                    label_sql, coalesce(key_sql, format('pg_catalog.hash_record_extended(ROW(%s), 0)', array_to_string(features.expressions, ', '))), query,
                    reference_label, coalesce(key_sql, format('pg_catalog.hash_record_extended(ROW(%s), 0)', array_to_string(reference_features.expressions, ', '))), reference)
                    INTO relabelled;
                PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            END IF;
        END IF;
    END IF;
    IF expected IS NULL THEN
        SELECT jsonb_build_object('classes', p.value->'classes', 'rows', p.value->'rows', 'labelled', p.value->'rows',
                                  'mean', p.value->'mean', 'variance', power((p.value->>'stddev')::float8, 2))
        INTO expected FROM jsonb_each(profile) p WHERE p.key LIKE 'label %';
        expected_of := CASE WHEN expected IS NOT NULL THEN 'profile' END;
    END IF;
    base := jsonb_strip_nulls(base || jsonb_build_object('reference', coalesce(expected_of, 'none')));

    -- What a class is, once: of two, the positive one.
    classes := CASE WHEN regression THEN NULL WHEN version.task = 'binary' THEN positive[1:1]
                    ELSE (SELECT array_agg(c ORDER BY c COLLATE "C")
                          FROM (SELECT unnest(version.classes) AS c UNION SELECT jsonb_object_keys(figures->'classes')
                                UNION SELECT jsonb_object_keys(expected->'classes')) c) END;

    RETURN QUERY
    WITH class AS (
        SELECT c AS name, CASE WHEN version.task = 'binary' THEN positive ELSE ARRAY[c] END AS texts,
               CASE WHEN version.task = 'binary' THEN positive || negative END AS known, cardinality(classes) AS number
        FROM unnest(classes) c
    ), counted AS (
        -- rows of a class and of all classes: here and there
        SELECT c.name, c.number, h.x, h.n, e.x AS y, e.n AS m
        FROM class c
        CROSS JOIN LATERAL (SELECT coalesce(sum(v.value::bigint) FILTER (WHERE v.key = ANY (c.texts)), 0) AS x, coalesce(sum(v.value::bigint), 0) AS n
                            FROM jsonb_each_text(nullif(figures->'classes', 'null')) v WHERE c.known IS NULL OR v.key = ANY (c.known)) h
        CROSS JOIN LATERAL (SELECT coalesce(sum(v.value::bigint) FILTER (WHERE v.key = ANY (c.texts)), 0) AS x, coalesce(sum(v.value::bigint), 0) AS n
                            FROM jsonb_each_text(nullif(expected->'classes', 'null')) v WHERE c.known IS NULL OR v.key = ANY (c.known)) e
    ), member AS (
        SELECT g.o, g.r->>'s' AS name, c.name AS class, v.x, v.n, (g.r->>'total')::bigint AS total, t.x AS all_x, t.n AS all_n,
               -- those that are tested
               c.number * count(*) FILTER (WHERE v.n >= min_rows AND t.n - v.n >= min_rows) OVER () / c.number AS tests
        FROM jsonb_array_elements(nullif(figures->'groups', 'null')) WITH ORDINALITY g (r, o)
        CROSS JOIN class c JOIN counted t ON t.name = c.name
        CROSS JOIN LATERAL (SELECT coalesce(sum(u.value::bigint) FILTER (WHERE u.key = ANY (c.texts)), 0) AS x, coalesce(sum(u.value::bigint), 0) AS n
                            FROM jsonb_each_text(nullif(g.r->'classes', 'null')) u WHERE c.known IS NULL OR u.key = ANY (c.known)) v
    ), amount AS (
        -- groups of a regression against the rest, by the moments of both
        SELECT g.o, g.name, g.n, g.mean, g.total, r.n AS rest, r.mean AS rest_mean, s.variance AS variance,
               (g.mean - r.mean) / nullif(sqrt(g.variance / g.n + r.variance / r.n), 0) AS z,
               count(*) FILTER (WHERE g.n >= min_rows AND r.n >= min_rows) OVER () AS tests
        FROM (SELECT (figures->>'labelled')::float8 AS n, (figures->>'mean')::float8 AS mean, (figures->>'variance')::float8 AS variance) s
        CROSS JOIN LATERAL (SELECT u.o, u.r->>'s' AS name, (u.r->>'n')::float8 AS n, (u.r->>'mean')::float8 AS mean,
                                   (u.r->>'variance')::float8 AS variance, (u.r->>'total')::bigint AS total
                            FROM jsonb_array_elements(nullif(figures->'groups', 'null')) WITH ORDINALITY u (r, o)) g
        CROSS JOIN LATERAL (SELECT nullif(s.n - g.n, 0) AS n, (s.n * s.mean - g.n * g.mean) / nullif(s.n - g.n, 0) AS mean) m
        CROSS JOIN LATERAL (SELECT m.n, m.mean, greatest(((s.n - 1) * s.variance + s.n * s.mean * s.mean - (g.n - 1) * coalesce(g.variance, 0)
                                   - g.n * g.mean * g.mean - m.n * m.mean * m.mean) / nullif(m.n - 1, 0), 0) AS variance) r
        WHERE regression
    ), result (section, position, metric, attribute, member, value, lower, upper, reference_value, p_value, threshold, n, verdict, definition) AS (
        SELECT 1, 0::bigint, 'rows', NULL::text, NULL::text, (figures->>'rows')::float8, NULL::float8, NULL::float8, (expected->>'rows')::float8,
               NULL::float8, NULL::float8, (figures->>'rows')::bigint, CASE WHEN (figures->>'rows')::bigint < min_rows THEN 'insufficient' END,
               jsonb_strip_nulls(jsonb_build_object('formula', 'number of rows', 'labelled', figures->'labelled', 'groups', CASE WHEN source IS NOT NULL THEN figures->'number_of_groups' END))
        UNION ALL
        SELECT 1, 1, 'feature', p.key, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'insufficient',
               jsonb_build_object('formula', 'the version cannot read this feature', 'problem', p.value)
        FROM jsonb_each(features.problems) p
        UNION ALL
        SELECT 2, 0, 'label_rate', label, CASE WHEN c.number > 1 THEN c.name END, s.value, s.lower, s.upper, s.reference_value, s.p_value, 0.02,
               c.n::bigint, s.verdict, s.definition || jsonb_build_object('formula', 'share of the class among rows with a label', 'class', c.name,
                                                                  'skipped', (figures->>'rows')::bigint - c.n)
        FROM counted c, mlops._compare_shares(c.x, c.n, c.y, c.m, false, c.number, min_rows) s
        UNION ALL
        SELECT 2, 0, 'label_mean', label, NULL, a.mean, NULL, NULL, e.mean, t.p_value, e.sd * 0.1, a.n::bigint,
               CASE WHEN a.n < min_rows OR e.n < min_rows OR a.n IS NULL THEN 'insufficient' WHEN t.p_value IS NULL THEN NULL
                    WHEN abs(a.mean - e.mean) >= e.sd * 0.1 AND t.p_value < 0.05 THEN 'fail' ELSE 'ok' END,
               jsonb_strip_nulls(jsonb_build_object('formula', 'mean of the label', 'z', z.z, 'skipped', (figures->>'rows')::bigint - a.n, 'reference_n', e.n,
                                  'rule', 'a change of a tenth of the standard deviation, and Welch with p < 0.05'))
        FROM (SELECT (figures->>'labelled')::float8 AS n, (figures->>'mean')::float8 AS mean, (figures->>'variance')::float8 AS variance) a
        CROSS JOIN (SELECT (expected->>'labelled')::float8 AS n, (expected->>'mean')::float8 AS mean, (expected->>'variance')::float8 AS variance,
                           sqrt((expected->>'variance')::float8) AS sd) e
        CROSS JOIN LATERAL (SELECT (a.mean - e.mean) / nullif(sqrt(a.variance / nullif(a.n, 0) + e.variance / nullif(e.n, 0)), 0) AS z) z
        CROSS JOIN LATERAL (SELECT 2 * mlops._normal_sf(abs(z.z)) AS p_value) t
        WHERE regression
        UNION ALL
        SELECT 3, x.position, x.metric, NULL, NULL, s.value, s.lower, s.upper, s.reference_value, s.p_value, 0.02, x.n::bigint,
               CASE WHEN x.n < min_rows THEN 'insufficient' ELSE s.verdict END,
               s.definition || jsonb_strip_nulls(jsonb_build_object('formula', x.formula, 'tolerance', CASE WHEN x.metric = 'contradictions' THEN tolerance END,
                                                  'problem', CASE WHEN s.reference_value IS NULL THEN 'there are no reference rows to compare with' END))
        FROM (VALUES (1, 'duplicates', figures->'copies', figures->'rows', expected->'copies', expected->'rows', 'share of rows whose features and label another row before them has'),
                     (2, 'contradictions', figures->'contradictions', figures->'labelled', expected->'contradictions', expected->'labelled',
                      'share of rows with another label than most rows of equal features, where numbers are equal within the tolerance, in standard deviations'))
             v (position, metric, x, n, y, m, formula)
        CROSS JOIN LATERAL (SELECT v.position::bigint AS position, v.metric, v.formula, coalesce((nullif(v.x, 'null')#>>'{}')::float8, 0) AS x, (v.n#>>'{}')::float8 AS n,
                                   (nullif(v.y, 'null')#>>'{}')::float8 AS y, CASE WHEN nullif(v.y, 'null') IS NOT NULL THEN (v.m#>>'{}')::float8 END AS m) x
        CROSS JOIN LATERAL mlops._compare_shares(x.x, x.n, x.y, x.m, true, 1, min_rows) s
        WHERE NOT (regression AND x.metric = 'contradictions')
        UNION ALL
        SELECT 3, 3, 'relabelled', label, NULL, (w.e).value, (w.e).lower, (w.e).upper, 0, NULL, 0.02, relabelled[1],
               CASE WHEN relabelled[1] < min_rows THEN 'insufficient' WHEN (w.e).value >= 0.02 THEN 'fail' ELSE 'ok' END,
               jsonb_build_object('formula', 'share of rows that the reference has, too, and has with other labels only', 'rows', relabelled[2],
                                  'by', CASE WHEN key IS NULL THEN 'content' ELSE array_to_string(key, ', ') END,
                                  'rule', '0.02 or more', 'min_rows', min_rows)
        FROM (SELECT mlops.wilson(relabelled[2], relabelled[1]) AS e) w
        WHERE relabelled IS NOT NULL
        UNION ALL
        SELECT 4, m.o, 'label_rate', source, m.name || CASE WHEN version.task <> 'binary' THEN ' ' || m.class ELSE '' END,
               s.value, s.lower, s.upper, s.reference_value, s.p_value, 0.02, m.n::bigint, s.verdict,
               s.definition || jsonb_build_object('formula', 'share of the class in the group, against all other rows', 'class', m.class, 'skipped', m.total - m.n)
        FROM member m, mlops._compare_shares(m.x, m.n, m.all_x - m.x, m.all_n - m.n, false, m.tests, min_rows) s
        UNION ALL
        SELECT 4, a.o, 'label_mean', source, a.name, a.mean, NULL, NULL, a.rest_mean, p.p_value, sqrt(a.variance) * 0.1, a.n::bigint,
               CASE WHEN a.n < min_rows OR coalesce(a.rest, 0) < min_rows THEN 'insufficient'
                    WHEN abs(a.mean - a.rest_mean) >= sqrt(a.variance) * 0.1 AND p.p_value < 0.05 THEN 'fail' ELSE 'ok' END,
               jsonb_strip_nulls(jsonb_build_object('formula', 'mean of the label in the group, against all other rows', 'z', a.z, 'tests', a.tests, 'skipped', a.total - a.n,
                                  'rule', 'a change of a tenth of the standard deviation, and Welch with p < 0.05', 'correction', 'Bonferroni', 'reference_n', a.rest))
        FROM amount a CROSS JOIN LATERAL (SELECT least(1, a.tests * 2 * mlops._normal_sf(abs(a.z))) AS p_value) p
        UNION ALL
        SELECT 5, 0, 'profile', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'insufficient', '{"formula": "the version has no profile to compare with"}'
        WHERE profile IS NULL
    )
    SELECT r.metric, r.attribute, r.member, r.value, r.lower, r.upper, r.reference_value, r.p_value, r.threshold, r.n, r.verdict, base || r.definition
    FROM result r ORDER BY r.section, r.position, r.attribute COLLATE "C", r.member COLLATE "C";

    IF profile IS NOT NULL THEN
        PERFORM set_config('search_path', path, true);
        RETURN QUERY EXECUTE
            'SELECT d.method, d.feature, NULL::pg_catalog.text, d.value, NULL::pg_catalog.float8, NULL::pg_catalog.float8, NULL::pg_catalog.float8,'
            ' d.p_value, d.threshold, d.n_current, d.verdict, d.definition OPERATOR(pg_catalog.||) pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('
            '''role'', d.role, ''problem'', d.problem, ''skipped'', d.skipped))'
            ' FROM mlops.drift_report($1, $2) d WHERE d.role OPERATOR(pg_catalog.=) ANY (ARRAY[''feature'', ''data set''])' USING model, query;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._poisoning_report(text, mlops.modelref, text, text, text, text, text[], float8, integer) IS
    'Body of mlops.poisoning_report(), after the search_path of its caller.';
REVOKE ALL ON FUNCTION mlops._poisoning_report(text, mlops.modelref, text, text, text, text, text[], float8, integer) FROM PUBLIC;

-- The label as the text of a class, numbers without zeros at the end; of a
-- regression as a number that is finite, NULL if it is none.
CREATE FUNCTION mlops._poisoning_label(columns jsonb, label text, regression boolean) RETURNS text
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN NOT regression THEN
                    format(CASE k WHEN 'number' THEN 'pg_catalog.trim_scale(q.%I::pg_catalog.numeric)::pg_catalog.text'
                                  ELSE 'q.%I::pg_catalog.text' END, label)
                WHEN k IN ('integer', 'number') THEN mlops._comparable(label, (columns->>label)::oid) END
    FROM mlops._report_kind(columns, label) k
$$;
COMMENT ON FUNCTION mlops._poisoning_label(jsonb, text, boolean) IS 'SQL for the label of a training set; error 42703.';

CREATE FUNCTION mlops.poisoning_report(model mlops.modelref, query text, label text DEFAULT NULL, reference text DEFAULT NULL,
                                       source text DEFAULT NULL, key text[] DEFAULT NULL, tolerance float8 DEFAULT 0.01,
                                       min_rows integer DEFAULT 100)
    RETURNS TABLE(metric text, attribute text, "group" text, value float8, lower float8, upper float8, reference_value float8,
                  p_value float8, threshold float8, n bigint, verdict text, definition jsonb)
    LANGUAGE C STABLE PARALLEL UNSAFE COST 1000000 ROWS 50
    AS 'MODULE_PATHNAME', 'mlops_report_call';
COMMENT ON FUNCTION mlops.poisoning_report(mlops.modelref, text, text, text, text, text[], float8, integer) IS
    'What a new training set, the rows of a SELECT which runs with the caller''s rights, has that the one of a version had not: another label rate, equal rows, rows that contradict their like, rows with a new label, drifted features, and groups of a source column, such as who inserted a row or on which day, whose labels are not those of the rest; against reference rows, the copy of what the version was trained with, or its frozen profile; errors 22004, 22023, 42703, 42804, and ML001 to ML003 and 42501 for the version.';
