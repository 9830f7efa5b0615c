-- file: sql/79_poisoning.sql
-- Poisoning: what a new training set has that the one before had not.
-- Definitions: doc/probing.md.

CREATE FUNCTION mlops._normal_sf(z float8) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_normal_sf_sql';
COMMENT ON FUNCTION mlops._normal_sf(float8) IS 'Probability that a standard normal value is above z.';

-- The share x of n against y of m: two proportions, pooled; with many tests
-- the p-value is Bonferroni's.
CREATE FUNCTION mlops._compare_shares(x float8, n float8, y float8, m float8, rises boolean, tests bigint, min_rows integer,
                                      OUT value float8, OUT lower float8, OUT upper float8, OUT reference_value float8,
                                      OUT p_value float8, OUT verdict text, OUT definition jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.p, w.lower, w.upper, s.q, t.p_value,
           CASE WHEN n < min_rows OR m < min_rows THEN 'insufficient'
                WHEN s.q IS NULL THEN NULL
                WHEN CASE WHEN rises THEN s.p - s.q ELSE abs(s.p - s.q) END >= 0.02 AND t.p_value < 0.01 THEN 'fail'
                ELSE 'ok' END,
           jsonb_strip_nulls(jsonb_build_object(
               'rows', x, 'reference_rows', y, 'reference_n', m, 'min_rows', min_rows, 'z', z.z,
               'difference', CASE WHEN d.value IS NOT NULL THEN jsonb_build_object('value', d.value, 'lower', d.lower, 'upper', d.upper) END,
               'tests', CASE WHEN tests > 1 THEN tests END,
               'rule', CASE WHEN m > 0 THEN CASE WHEN rises THEN 'a rise' ELSE 'a change' END
                                || ' of 0.02 or more, and two-proportion z with p < 0.01' END,
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

-- A mean against another, by Welch's test; each of so many values with a sum
-- and a sum of squares.
CREATE FUNCTION mlops._compare_means(n float8, s float8, s2 float8, m float8, t float8, t2 float8, tests bigint, min_rows integer,
                                     OUT value float8, OUT reference_value float8, OUT p_value float8, OUT threshold float8,
                                     OUT verdict text, OUT definition jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.mean, b.mean, p.p_value, e.threshold,
           CASE WHEN n < min_rows OR m < min_rows THEN 'insufficient'
                WHEN b.mean IS NULL OR a.mean IS NULL THEN NULL
                WHEN abs(a.mean - b.mean) >= e.threshold AND p.p_value < 0.01 THEN 'fail' ELSE 'ok' END,
           jsonb_strip_nulls(jsonb_build_object(
               'reference_n', m, 'min_rows', min_rows, 'z', z.z, 'tests', CASE WHEN tests > 1 THEN tests END,
               'rule', CASE WHEN m > 0 THEN 'a change of a tenth of the standard deviation of the reference, and Welch with p < 0.01' END,
               'correction', CASE WHEN tests > 1 THEN 'Bonferroni' END))
    FROM (SELECT s / nullif(n, 0) AS mean, greatest(s2 - s * (s / nullif(n, 0)), 0) / nullif(n - 1, 0) AS variance) a
    CROSS JOIN (SELECT t / nullif(m, 0) AS mean, greatest(t2 - t * (t / nullif(m, 0)), 0) / nullif(m - 1, 0) AS variance) b
    CROSS JOIN LATERAL (SELECT sqrt(b.variance) * 0.1 AS threshold) e
    CROSS JOIN LATERAL (SELECT (a.mean - b.mean) / nullif(sqrt(a.variance / nullif(n, 0) + b.variance / nullif(m, 0)), 0) AS z) z
    CROSS JOIN LATERAL (SELECT CASE WHEN a.mean = b.mean THEN 1 WHEN a.mean <> b.mean THEN least(1, tests * 2 * mlops._normal_sf(abs(coalesce(z.z, 1e9)))) END AS p_value) p
$$;
COMMENT ON FUNCTION mlops._compare_means(float8, float8, float8, float8, float8, float8, bigint, integer) IS
    'A mean against another: p-value and verdict.';

-- Each group against the rest: of a class x of n rows have it; of a regression
-- x is the sum of the labels and x2 that of their squares.  A group that
-- differs would make the others look as if they did, the other way round: the
-- groups that fail are set aside one after the other, the most conspicuous
-- first, and the rest is judged without them.  Rows of no group have no name.
CREATE FUNCTION mlops._compare_groups(members jsonb, regression boolean, min_rows integer)
    RETURNS TABLE(place bigint, name text, class text, value float8, lower float8, upper float8, reference_value float8,
                  p_value float8, threshold float8, n bigint, verdict text, definition jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    removed text[] := '{}';
    worst text;
    fails boolean;
BEGIN
    LOOP
        worst := NULL;
        FOR place, name, class, value, lower, upper, reference_value, p_value, threshold, n, verdict, definition, fails IN
            WITH member AS (
                SELECT g.o, g.r->>'name' AS name, g.r->>'class' AS class, g.r->'skipped' AS skipped,
                       coalesce((g.r->>'x')::float8, 0) AS x, coalesce((g.r->>'x2')::float8, 0) AS x2, (g.r->>'n')::float8 AS n
                FROM jsonb_array_elements(members) WITH ORDINALITY g (r, o)
            ), rest AS (
                SELECT m.*, count(*) FILTER (WHERE m.n >= min_rows AND m.name IS NOT NULL) OVER () AS tests,
                       sum(m.x) OVER w - m.x AS rest_x, sum(m.x2) OVER w - m.x2 AS rest_x2, sum(m.n) OVER w - m.n AS rest_n
                FROM member m WHERE m.name IS NULL OR m.name <> ALL (removed)
                WINDOW w AS (PARTITION BY m.class)
            ), compared AS (
                SELECT r.o, r.name, r.class, c.*
                FROM rest r
                CROSS JOIN LATERAL (
                    SELECT s.value, s.lower, s.upper, s.reference_value, s.p_value, 0.02::float8 AS threshold, r.n::bigint AS n, s.verdict,
                           s.definition || jsonb_build_object('formula', 'share of the class in the group, against all other rows', 'class', r.class, 'skipped', r.skipped) AS definition
                    FROM mlops._compare_shares(r.x, r.n, r.rest_x, r.rest_n, false, r.tests, min_rows) s WHERE NOT regression
                    UNION ALL
                    SELECT s.value, NULL, NULL, s.reference_value, s.p_value, s.threshold, r.n::bigint, s.verdict,
                           s.definition || jsonb_build_object('formula', 'mean of the label in the group, against all other rows', 'skipped', r.skipped)
                    FROM mlops._compare_means(r.n, r.x, r.x2, r.rest_n, r.rest_x, r.rest_x2, r.tests, min_rows) s WHERE regression) c
                WHERE r.name IS NOT NULL
            )
            SELECT c.*, bool_or(c.verdict = 'fail') OVER w
            FROM compared c WINDOW w AS (PARTITION BY c.name)
            -- of two groups that are each other's rest the smaller one
            ORDER BY round((max(abs((c.definition->>'z')::float8)) FILTER (WHERE c.verdict = 'fail') OVER w)::numeric, 6) DESC NULLS LAST,
                     max(c.n) OVER w, c.name COLLATE "C", c.o
        LOOP
            -- the rows of the worst group alone, as long as there is one
            worst := coalesce(worst, CASE WHEN fails THEN name END);
            EXIT WHEN name <> worst;
            definition := definition || jsonb_build_object('groups_set_aside', cardinality(removed));
            RETURN NEXT;
        END LOOP;
        EXIT WHEN worst IS NULL;
        removed := removed || worst;
    END LOOP;
END
$$;
COMMENT ON FUNCTION mlops._compare_groups(jsonb, boolean, integer) IS
    'Label figures of groups of rows, each against the rest without those that differ more.';

-- The features of a version that a query has, with the SQL of each, and what
-- is wrong with the others.
CREATE FUNCTION mlops._report_features(path text, model mlops.modelref, query text, columns jsonb,
                                       OUT names text[], OUT sources text[], OUT kinds text[], OUT expressions text[], OUT problems jsonb)
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
           coalesce(array_agg(b."column" ORDER BY o) FILTER (WHERE b.problem IS NULL), '{}'),
           coalesce(array_agg(k.kind ORDER BY o) FILTER (WHERE b.problem IS NULL), '{}'),
           coalesce(array_agg(mlops._comparable(b."column", k.type) ORDER BY o) FILTER (WHERE b.problem IS NULL), '{}'),
           jsonb_object_agg(b.feature, b.problem) FILTER (WHERE b.problem IS NOT NULL)
    INTO names, sources, kinds, expressions, problems
    FROM jsonb_array_elements(bound) WITH ORDINALITY u (r, o), jsonb_to_record(u.r) b (feature text, "column" text, problem text),
         LATERAL (SELECT (columns->>b."column")::oid AS type, mlops._quality_kind((columns->>b."column")::oid) AS kind) k;
END
$$;
COMMENT ON FUNCTION mlops._report_features(text, mlops.modelref, text, jsonb) IS
    'Features of a version that a query has, as SQL; errors ML001 to ML003 and 42501.';

-- SQL for the figures of a training set, a JSON object: rows; of a
-- classification rows per class, equal rows, and rows that contradict most
-- others of their cell; of a regression sums of the label; the same label
-- figures by group, of which the largest are named.
CREATE FUNCTION mlops._poisoning_statement(query text, label_sql text, regression boolean, features text[], cells text[], "group" text,
                                           max_groups integer) RETURNS text
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(mlops._qualified(
        'WITH r AS MATERIALIZED (SELECT %1$s AS t, pg_catalog.hash_record_extended(ROW(%2$s), 0) AS f, pg_catalog.hash_record_extended(ROW(%3$s), 0) AS g, %4$s AS s'
        ' FROM (%5$s' || E'\n' || ') q OFFSET 0),'
        ' a AS (SELECT r.s, pg_catalog.row_number() OVER (ORDER BY pg_catalog.count(*) DESC, r.s) AS o FROM r WHERE r.s IS NOT NULL GROUP BY r.s ORDER BY 2 LIMIT %6$s),'
        ' b AS (SELECT a.o, a.s, '
        || CASE WHEN regression THEN
            'pg_catalog.count(*) AS total, pg_catalog.count(r.t) AS n, pg_catalog.sum(r.t) AS x, pg_catalog.sum((r.t * r.t)) AS x2 FROM r LEFT JOIN a ON (a.s = r.s) GROUP BY a.o, a.s)'
           ELSE
            'pg_catalog.sum(c.n)::pg_catalog.int8 AS total, pg_catalog.jsonb_object_agg(c.t, c.n) FILTER (WHERE c.t IS NOT NULL) AS classes'
            ' FROM (SELECT a.o, a.s, r.t, pg_catalog.count(*) AS n FROM r LEFT JOIN a ON (a.s = r.s) GROUP BY a.o, a.s, r.t) c LEFT JOIN a ON (a.o = c.o) GROUP BY a.o, a.s)'
           END
        || ' SELECT pg_catalog.jsonb_build_object(''rows'', (SELECT pg_catalog.count(*) FROM r), ''labelled'', (SELECT pg_catalog.count(r.t) FROM r),'
        ' ''copies'', (SELECT COALESCE(pg_catalog.sum((c.n - 1)), 0) FROM (SELECT pg_catalog.count(*) AS n FROM r GROUP BY r.f, r.t) c),'
        || CASE WHEN regression THEN
            ' ''x'', (SELECT pg_catalog.sum(r.t) FROM r), ''x2'', (SELECT pg_catalog.sum((r.t * r.t)) FROM r),'
           ELSE
            ' ''classes'', (SELECT pg_catalog.jsonb_object_agg(c.t, c.n) FROM (SELECT r.t, pg_catalog.count(*) AS n FROM r WHERE r.t IS NOT NULL GROUP BY r.t ORDER BY 2 DESC LIMIT 1000) c),'
            ' ''contradictions'', (SELECT COALESCE(pg_catalog.sum((x.n - x.most)), 0) FROM (SELECT pg_catalog.sum(c.n) AS n, pg_catalog.max(c.n) AS most'
            ' FROM (SELECT r.g, r.t, pg_catalog.count(*) AS n FROM r WHERE r.t IS NOT NULL GROUP BY r.g, r.t) c GROUP BY c.g) x),'
           END
        || ' ''number_of_groups'', (SELECT pg_catalog.count(DISTINCT r.s) FROM r),'
           ' ''groups'', (SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(b) ORDER BY b.o) FROM b))'),
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
    known text[];
    positive text;
    classes text[];
    members jsonb;
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
    statement text;
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

    query := regexp_replace(query, ';\s*$', '');
    reference := regexp_replace(reference, ';\s*$', '');
    SELECT coalesce(jsonb_object_agg(c."column", c.type::bigint), '{}') INTO columns FROM mlops._report_columns(path, query) c;
    SELECT coalesce(jsonb_object_agg(c."column", c.type::bigint), '{}') INTO reference_columns FROM mlops._report_columns(path, reference) c;
    PERFORM mlops._report_kind(columns, c) FROM unnest(key || source) c;
    SELECT * INTO features FROM mlops._report_features(path, model, query, columns);

    -- Of two classes that are truth values the forms 1, true and t are one.
    IF version.task = 'binary' THEN
        known := ARRAY[coalesce(version.classes[1], '0'), coalesce(version.classes[2], '1')];
        IF lower(known[1]) IN ('0', 'false', 'f') AND lower(known[2]) IN ('1', 'true', 't') THEN
            known := '{0,1}';
        END IF;
        positive := known[2];
    END IF;
    label_sql := mlops._poisoning_label(columns, label, regression, known);
    IF label_sql IS NULL THEN
        RAISE EXCEPTION 'the label of a regression must be a number' USING ERRCODE = 'datatype_mismatch';
    END IF;

    -- Cells: numbers that differ by little are one.
    SELECT array_agg(tolerance * nullif((profile->('feature ' || f)->>'stddev')::float8, 0) ORDER BY o) INTO widths
    FROM unnest(features.names) WITH ORDINALITY u (f, o);
    cells := ARRAY(SELECT CASE WHEN features.kinds[o] IN ('number', 'time') AND widths[o] > 0
                               THEN mlops._poisoning_cell(features.expressions[o], widths[o])
                               ELSE features.expressions[o] END
                   FROM generate_subscripts(features.names, 1) o ORDER BY o);
    group_sql := CASE WHEN source IS NULL THEN NULL
                      WHEN mlops._quality_kind((columns->>source)::oid) <> 'time' OR (columns->>source)::oid = 'date'::regtype THEN format('pg_catalog."left"(mlops._as_text(q.%I), 200)', source)
                      WHEN (columns->>source)::oid = 'timestamptz'::regtype
                      THEN format('pg_catalog.to_char(pg_catalog.timezone(''UTC'', q.%I), ''YYYY-MM-DD'')', source)
                      ELSE format('pg_catalog.to_char(q.%I::pg_catalog.timestamp, ''YYYY-MM-DD'')', source) END;
    base := jsonb_build_object('model', model, 'label', label, 'min_rows', min_rows);

    statement := mlops._poisoning_statement(query, label_sql, regression, features.expressions, cells, group_sql, max_groups);
    PERFORM set_config('search_path', path, true);
    EXECUTE statement INTO figures;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

    IF reference IS NOT NULL THEN
        SELECT * INTO reference_features FROM mlops._report_features(path, model, reference, reference_columns);
        reference_label := CASE WHEN reference_columns ? label THEN mlops._poisoning_label(reference_columns, label, regression, known) END;
        IF reference_features.names = features.names AND reference_features.kinds = features.kinds AND reference_label IS NOT NULL THEN
            statement := mlops._poisoning_statement(
                reference, reference_label, regression, reference_features.expressions,
                ARRAY(SELECT CASE WHEN features.kinds[o] IN ('number', 'time') AND widths[o] > 0
                                  THEN mlops._poisoning_cell(reference_features.expressions[o], widths[o])
                                  ELSE reference_features.expressions[o] END
                      FROM generate_subscripts(features.names, 1) o ORDER BY o), NULL, 0);
            PERFORM set_config('search_path', path, true);
            EXECUTE statement INTO expected;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            expected_of := 'rows';
            -- Rows that both sets have: by key, else by content.
            IF NOT (regression AND key IS NULL) AND NOT EXISTS (SELECT FROM unnest(key) k WHERE NOT reference_columns ? k) THEN
                key_sql := 'CASE WHEN ' || (SELECT string_agg(format('q.%I IS NOT NULL', c), ' AND ') FROM unnest(key) c) || ' THEN ARRAY['
                           || (SELECT string_agg(format('mlops._as_text(q.%I)', c), ', ') FROM unnest(key) c) || ']::pg_catalog.text[] END';
                statement := format(mlops._qualified(
                    'SELECT ARRAY[pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE (a.t <> ALL (b.ts)))] FROM (SELECT %s AS t, %s AS k FROM (%s' || E'\n' || ') q) a'
                    ' JOIN (SELECT x.k, pg_catalog.array_agg(DISTINCT x.t) AS ts FROM (SELECT %s AS t, %s AS k FROM (%s' || E'\n' || ') q) x'
                    ' WHERE x.k IS NOT NULL AND x.t IS NOT NULL GROUP BY x.k) b ON (a.k = b.k) WHERE a.t IS NOT NULL'),
                    label_sql, coalesce(key_sql, format('pg_catalog.hash_record_extended(ROW(%s), 0)', array_to_string(features.expressions, ', '))), query,
                    reference_label, coalesce(key_sql, format('pg_catalog.hash_record_extended(ROW(%s), 0)', array_to_string(reference_features.expressions, ', '))), reference);
                PERFORM set_config('search_path', path, true);
                EXECUTE statement INTO relabelled;
                PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            END IF;
        END IF;
    END IF;
    IF expected IS NULL THEN
        SELECT jsonb_build_object('rows', p.value->'rows', 'labelled', p.value->'rows', 'x', v.n * v.mean, 'x2', (v.n - 1) * v.sd * v.sd + v.n * v.mean * v.mean,
                                  'classes', (SELECT jsonb_object_agg(CASE WHEN known = '{0,1}' THEN CASE lower(c.key) WHEN 'true' THEN '1' WHEN 't' THEN '1' WHEN 'false' THEN '0' WHEN 'f' THEN '0' ELSE c.key END
                                                                           ELSE c.key END, c.value)
                                              FROM jsonb_each(nullif(p.value->'classes', 'null')) c))
        INTO expected
        FROM jsonb_each(profile) p,
             LATERAL (SELECT (p.value->>'rows')::float8 AS n, (p.value->>'mean')::float8 AS mean, (p.value->>'stddev')::float8 AS sd) v
        WHERE p.key LIKE 'label %';
        expected_of := CASE WHEN expected IS NOT NULL THEN 'profile' END;
    END IF;
    base := jsonb_strip_nulls(base || jsonb_build_object('reference', coalesce(expected_of, 'none')));

    -- What a class is, once: of two, the positive one.
    classes := CASE WHEN regression THEN NULL WHEN version.task = 'binary' THEN ARRAY[positive]
                    ELSE (SELECT array_agg(c ORDER BY c COLLATE "C")
                          FROM (SELECT unnest(version.classes) AS c UNION SELECT jsonb_object_keys(figures->'classes')
                                UNION SELECT jsonb_object_keys(expected->'classes')) c) END;

    SELECT jsonb_agg(jsonb_build_object('name', g.r->>'s', 'class', v.class, 'x', v.x, 'x2', g.r->'x2', 'n', v.n, 'skipped', (g.r->>'total')::bigint - v.n)
                     ORDER BY g.o, v.o)
    INTO members
    FROM jsonb_array_elements(nullif(figures->'groups', 'null')) WITH ORDINALITY g (r, o)
    CROSS JOIN LATERAL (
        SELECT NULL::text AS class, (g.r->>'x')::float8 AS x, (g.r->>'n')::bigint AS n, 0 AS o WHERE regression
        UNION ALL
        SELECT c.name, coalesce(sum(u.value::bigint) FILTER (WHERE u.key = c.name), 0), coalesce(sum(u.value::bigint), 0), c.o
        FROM unnest(classes) WITH ORDINALITY c (name, o)
        LEFT JOIN jsonb_each_text(nullif(g.r->'classes', 'null')) u ON known IS NULL OR u.key = ANY (known)
        GROUP BY c.name, c.o) v;

    RETURN QUERY
    WITH counted AS (
        -- rows of a class and of all classes: here and there
        SELECT c.name, cardinality(classes) AS number, h.x, h.n, e.x AS y, e.n AS m
        FROM unnest(classes) c (name)
        CROSS JOIN LATERAL (SELECT coalesce(sum(v.value::bigint) FILTER (WHERE v.key = c.name), 0) AS x, coalesce(sum(v.value::bigint), 0) AS n
                            FROM jsonb_each_text(nullif(figures->'classes', 'null')) v WHERE known IS NULL OR v.key = ANY (known)) h
        CROSS JOIN LATERAL (SELECT coalesce(sum(v.value::bigint) FILTER (WHERE v.key = c.name), 0) AS x, coalesce(sum(v.value::bigint), 0) AS n
                            FROM jsonb_each_text(nullif(expected->'classes', 'null')) v WHERE known IS NULL OR v.key = ANY (known)) e
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
        SELECT 2, 0, 'label_mean', label, NULL, s.value, NULL, NULL, s.reference_value, s.p_value, s.threshold, (figures->>'labelled')::bigint,
               s.verdict, s.definition || jsonb_build_object('formula', 'mean of the label', 'skipped', (figures->>'rows')::bigint - (figures->>'labelled')::bigint)
        FROM mlops._compare_means((figures->>'labelled')::float8, (figures->>'x')::float8, (figures->>'x2')::float8, (expected->>'labelled')::float8,
                                  (expected->>'x')::float8, (expected->>'x2')::float8, 1, min_rows) s
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
        SELECT 4, g.place, CASE WHEN regression THEN 'label_mean' ELSE 'label_rate' END, source,
               g.name || CASE WHEN cardinality(classes) > 1 THEN ' ' || g.class ELSE '' END, g.value, g.lower, g.upper, g.reference_value, g.p_value,
               g.threshold, g.n, g.verdict, g.definition
        FROM mlops._compare_groups(members, regression, min_rows) g
        WHERE source IS NOT NULL
        UNION ALL
        SELECT 5, 0, 'profile', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'insufficient', '{"formula": "the version has no profile to compare with"}'
        WHERE profile IS NULL
    )
    SELECT r.metric, r.attribute, r.member, r.value, r.lower, r.upper, r.reference_value, r.p_value, r.threshold, r.n, r.verdict, base || r.definition
    FROM result r ORDER BY r.section, r.position, r.attribute COLLATE "C", r.member COLLATE "C";

    IF profile IS NOT NULL THEN
        -- what cannot be read is not there, and no score is wanted
        statement := format('SELECT %s FROM (%s' || E'\n' || ') q',
                            (SELECT string_agg(c, ', ') FROM (SELECT format('q.%I AS %I', s, f) FROM unnest(features.sources, features.names) u (s, f)
                                                              UNION ALL SELECT 'NULL::pg_catalog.float8 AS score' WHERE 'score' <> ALL (features.names)) x (c)), query);
        PERFORM set_config('search_path', path, true);
        RETURN QUERY EXECUTE
            'SELECT d.method, d.feature, NULL::pg_catalog.text, d.value, NULL::pg_catalog.float8, NULL::pg_catalog.float8, NULL::pg_catalog.float8,'
            ' d.p_value, d.threshold, d.n_current, d.verdict, d.definition OPERATOR(pg_catalog.||) pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('
            '''role'', d.role, ''problem'', d.problem, ''skipped'', d.skipped))'
            ' FROM mlops.drift_report($1, $2) d WHERE d.role OPERATOR(pg_catalog.=) ANY (ARRAY[''feature'', ''data set''])' USING model, statement;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._poisoning_report(text, mlops.modelref, text, text, text, text, text[], float8, integer) IS
    'Body of mlops.poisoning_report(), after the search_path of its caller.';
REVOKE ALL ON FUNCTION mlops._poisoning_report(text, mlops.modelref, text, text, text, text, text[], float8, integer) FROM PUBLIC;

-- The cell of a number, all of one width.
CREATE FUNCTION mlops._poisoning_cell(expression text, width float8) RETURNS text
    LANGUAGE SQL IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('CASE WHEN pg_catalog.abs(%1$s) OPERATOR(pg_catalog.>) 1e-100 THEN pg_catalog.floor((%1$s OPERATOR(pg_catalog./) %2$L::pg_catalog.float8))'
                  ' WHEN %1$s IS NOT NULL THEN 0::pg_catalog.float8 END', expression, greatest(width, 1e-200))
$$;
COMMENT ON FUNCTION mlops._poisoning_cell(text, float8) IS 'SQL for the cell of a number.';

-- The label as the text of a class, numbers without zeros at the end, truth
-- values as 0 and 1 if the classes are these; of a regression as a number that
-- is finite and whose square is, too, NULL if it is none.
CREATE FUNCTION mlops._poisoning_label(columns jsonb, label text, regression boolean, known text[]) RETURNS text
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN regression THEN
                    CASE WHEN k IN ('integer', 'number') THEN
                        format('CASE WHEN pg_catalog.abs(%1$s) OPERATOR(pg_catalog.>) 1e-100 THEN %1$s WHEN q.%2$I IS NOT NULL THEN 0::pg_catalog.float8 END',
                               mlops._comparable(label, (columns->>label)::oid), label) END
                WHEN known = '{0,1}' THEN
                    format('CASE WHEN pg_catalog.lower(%1$s) OPERATOR(pg_catalog.=) ANY (''{true,t}''::pg_catalog.text[]) THEN ''1'''
                           ' WHEN pg_catalog.lower(%1$s) OPERATOR(pg_catalog.=) ANY (''{false,f}''::pg_catalog.text[]) THEN ''0'' ELSE %1$s END', t.sql)
                ELSE t.sql END
    FROM mlops._report_kind(columns, label) k,
         LATERAL (SELECT format(CASE k WHEN 'number' THEN 'pg_catalog.trim_scale(q.%I::pg_catalog.numeric)::pg_catalog.text'
                                       ELSE 'mlops._as_text(q.%I)' END, label) AS sql) t
$$;
COMMENT ON FUNCTION mlops._poisoning_label(jsonb, text, boolean, text[]) IS 'SQL for the label of a training set; error 42703.';

CREATE FUNCTION mlops.poisoning_report(model mlops.modelref, query text, label text DEFAULT NULL, reference text DEFAULT NULL,
                                       source text DEFAULT NULL, key text[] DEFAULT NULL, tolerance float8 DEFAULT 0.01,
                                       min_rows integer DEFAULT 100)
    RETURNS TABLE(metric text, attribute text, "group" text, value float8, lower float8, upper float8, reference_value float8,
                  p_value float8, threshold float8, n bigint, verdict text, definition jsonb)
    LANGUAGE C STABLE PARALLEL UNSAFE COST 1000000 ROWS 50
    AS 'MODULE_PATHNAME', 'mlops_report_call';
COMMENT ON FUNCTION mlops.poisoning_report(mlops.modelref, text, text, text, text, text[], float8, integer) IS
    'What a new training set, the rows of a SELECT which runs with the caller''s rights, has that the one of a version had not: another label rate, equal rows, rows that contradict their like, rows with a new label, drifted features, and groups of a source column, such as who inserted a row or on which day, whose labels are not those of the rest; against reference rows, the copy of what the version was trained with, or its frozen profile; errors 22004, 22023, 42703, 42804, and ML001 to ML003 and 42501 for the version.';
