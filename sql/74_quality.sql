-- file: sql/74_quality.sql
-- Data quality: what is wrong with the rows of a query, by itself, against
-- reference rows or a version's profile, and by rules.  Definitions: doc/quality.md.

-- The figures of a column of numbers, see src/monitoring/quality.c.
CREATE FUNCTION mlops._quality_add(state internal, value float8, minimum float8, maximum float8, low float8, high float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_quality_add';
CREATE FUNCTION mlops._quality_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_quality_combine';
CREATE FUNCTION mlops._quality_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_quality_serialize';
CREATE FUNCTION mlops._quality_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_quality_deserialize';
CREATE FUNCTION mlops._quality_final(state internal) RETURNS float8[]
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_quality_final';

CREATE AGGREGATE mlops._quality(value float8, minimum float8, maximum float8, low float8, high float8) (
    SFUNC = mlops._quality_add, STYPE = internal, SSPACE = 128,
    COMBINEFUNC = mlops._quality_combine, SERIALFUNC = mlops._quality_serialize, DESERIALFUNC = mlops._quality_deserialize,
    FINALFUNC = mlops._quality_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops._quality(float8, float8, float8, float8, float8) IS
    'Figures of a column for a quality report, in the order of mlops._quality_statement(); mean and standard deviation only where low is NULL.';

-- Rounded as a model reads it: profiles have the least and the greatest value
-- of these.
CREATE FUNCTION mlops._days("column" text) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops._qualified('((((EXTRACT(epoch FROM ' || "column" || ') - 946684800) * 1000000)::pg_catalog.float8 / 86400000000) + 10957)')
$$;
COMMENT ON FUNCTION mlops._days(text) IS 'SQL for the days since 1970 of a column of times, or of its place in a template.';

-- SQL for the figures of each column of a query, an array of JSON arrays:
-- values, values that are not finite, least and greatest value, mean,
-- standard deviation, whether there are two different values, values out of
-- range, outliers, values of no known category; without bounds, as of a
-- reference, also rows of the most frequent value.  A column with numbers or
-- times, these in days, is looked at as float8, any other one as text.
CREATE FUNCTION mlops._quality_statement(query text, names text[], types oid[], kinds text[], bounds jsonb) RETURNS text
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('SELECT pg_catalog.jsonb_build_object(''rows'', pg_catalog.count(*), ''columns'', ARRAY[%s]::pg_catalog.jsonb[]) FROM (SELECT %s FROM (%s'
                  || E'\n' || ') q) x',
               string_agg(CASE WHEN c.kind IN ('number', 'time') THEN format(
                   'pg_catalog.to_jsonb(mlops._quality(x.f%1$s, %2$L::pg_catalog.float8, %3$L::pg_catalog.float8, %4$L::pg_catalog.float8, %5$L::pg_catalog.float8))',
                   c.position, bounds->c.name->>'min', bounds->c.name->>'max', bounds->c.name->>'low', bounds->c.name->>'high')
               ELSE format(mlops._qualified(
                   'pg_catalog.jsonb_build_array(pg_catalog.count(x.c%1$s), 0, NULL, NULL, NULL, NULL,'
                   ' (pg_catalog.min(pg_catalog.hashtextextended(x.f%1$s, 0)) <> pg_catalog.max(pg_catalog.hashtextextended(x.f%1$s, 0))), 0, 0,'
                   ' pg_catalog.count(*) FILTER (WHERE (NOT (x.f%1$s = ANY (%2$L::pg_catalog.text[])))))'),
                   c.position, (SELECT array_agg(e) FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(bounds->c.name->'categories') = 'array'
                                                                                        THEN bounds->c.name->'categories' END) e)) END
                   || CASE WHEN bounds = '{}' AND c.kind <> 'other'
                           THEN format(' OPERATOR(pg_catalog.||) pg_catalog.to_jsonb(COALESCE((SELECT t.count FROM mlops.top_values(mlops.sketch(x.f%s), 1) t), 0))', c.position)
                           ELSE '' END,
                   ', ' ORDER BY c.position),
               string_agg(format('q.%2$I AS c%1$s, ' || CASE
                   WHEN c.kind = 'time' THEN 'CASE WHEN pg_catalog.isfinite(q.%2$I) THEN ' || mlops._days('q.%2$I') ||
                                             ' WHEN (q.%2$I IS NOT NULL) THEN ''NaN'' END'
                   WHEN c.kind <> 'number' THEN 'mlops._as_text(q.%2$I) COLLATE pg_catalog."C"'
                   WHEN c.type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'float4'::regtype, 'float8'::regtype) THEN 'q.%2$I::pg_catalog.float8'
                   -- what is too large for a double is not finite
                   ELSE mlops._qualified('CASE WHEN ((q.%2$I::pg_catalog.numeric >= (-1e30)::pg_catalog.numeric)'
                                         ' AND (q.%2$I::pg_catalog.numeric <= 1e30::pg_catalog.numeric)) THEN q.%2$I::pg_catalog.float8'
                                         ' WHEN (q.%2$I IS NOT NULL) THEN ''NaN'' END')
                   END || ' AS f%1$s', c.position, c.name), ', ' ORDER BY c.position),
               query)
    FROM unnest(names, types, kinds) WITH ORDINALITY c (name, type, kind, position)
$$;
COMMENT ON FUNCTION mlops._quality_statement(text, text[], oid[], text[], jsonb) IS 'Statement for the figures of the columns of a query.';

-- The kind of a type: number, time, category or other, without domains.
CREATE FUNCTION mlops._quality_kind(type oid) RETURNS text
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE base (type, typtype) AS (
        SELECT t.oid, t.typtype FROM pg_type t WHERE t.oid = _quality_kind.type
        UNION ALL
        SELECT t.typbasetype, b.typtype FROM base, pg_type t JOIN pg_type b ON b.oid = t.typbasetype
        WHERE t.oid = base.type AND base.typtype = 'd'
    )
    SELECT CASE WHEN type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'float4'::regtype, 'float8'::regtype, 'numeric'::regtype) THEN 'number'
                WHEN type IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN 'time'
                WHEN type IN ('bool'::regtype, 'text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'name'::regtype) OR typtype = 'e' THEN 'category'
                ELSE 'other' END
    FROM base WHERE typtype <> 'd'
$$;
COMMENT ON FUNCTION mlops._quality_kind(oid) IS 'What can be checked of a type: number, time, category or other.';

CREATE FUNCTION mlops._quality_report(path text, query text, model mlops.modelref, reference text, key text[], time_column text,
                                      max_age interval, rules jsonb, past_rows bigint[], min_rows integer)
    RETURNS TABLE(metric text, attribute text, value float8, reference_value float8, n bigint, verdict text, definition jsonb)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
    max_categories CONSTANT integer := 1000;
    names text[];
    kinds text[];
    types oid[];
    reference_types jsonb;
    shared_names text[];
    shared_kinds text[];
    shared_types oid[];
    problems jsonb;
    model_name text := mlops.model_name(model);
    number integer := mlops._reference_version(model);
    figures jsonb;
    expected jsonb := '{}';
    bounds jsonb := '{}';
    reference_rows bigint;
    statement text;
    total bigint;
    full_keys bigint;
    distinct_keys bigint;
    newest timestamptz;
    future bigint;
    outcomes jsonb := '[]';
    rule record;
    violated bigint;
    unknown bigint;
    problem text;
BEGIN
    IF query IS NULL OR min_rows IS NULL THEN
        RAISE EXCEPTION 'a quality report needs a query' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF min_rows < 1 OR jsonb_typeof(rules) <> 'object' OR array_position(key, NULL) IS NOT NULL OR cardinality(key) = 0
       OR max_age < interval '0' OR array_position(past_rows, NULL) IS NOT NULL
       OR EXISTS (SELECT FROM jsonb_each(rules) r WHERE jsonb_typeof(r.value) <> 'string') THEN
        RAISE EXCEPTION 'an argument of the quality report is out of range'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'min_rows is 1 or more, rules an object of names and conditions, key has columns, max_age is not negative, past_rows has no NULL.';
    END IF;

    SELECT coalesce(array_agg(c."column" ORDER BY c.position), '{}'), coalesce(array_agg(c.type ORDER BY c.position), '{}'),
           coalesce(array_agg(mlops._quality_kind(c.type) ORDER BY c.position), '{}')
    INTO names, types, kinds
    FROM mlops._report_columns(path, query) WITH ORDINALITY c ("column", type, position);
    IF (SELECT count(DISTINCT c) FROM unnest(names) c) < cardinality(names) THEN
        RAISE EXCEPTION 'the query of a quality report has two columns of one name' USING ERRCODE = 'duplicate_column';
    END IF;
    PERFORM mlops._report_kind((SELECT jsonb_object_agg(c, t::bigint) FROM unnest(names, types) u (c, t)), c)
    FROM unnest(key || time_column) c;
    IF time_column IS NOT NULL AND kinds[array_position(names, time_column)] <> 'time' THEN
        RAISE EXCEPTION 'column "%" has no time', time_column USING ERRCODE = 'datatype_mismatch';
    END IF;

    -- What is expected: of reference rows, or of the profile of a version.
    IF reference IS NOT NULL THEN
        SELECT coalesce(jsonb_object_agg(c."column", c.type::bigint), '{}') INTO reference_types FROM mlops._report_columns(path, reference) c;
        SELECT array_agg(u.name ORDER BY u.o), array_agg(u.kind ORDER BY u.o), array_agg((reference_types->>u.name)::oid ORDER BY u.o)
        INTO shared_names, shared_kinds, shared_types
        FROM unnest(names, kinds, types) WITH ORDINALITY u (name, kind, type, o)
        WHERE reference_types ? u.name AND mlops._quality_kind((reference_types->>u.name)::oid) = u.kind;
        IF shared_names IS NOT NULL THEN
            statement := mlops._quality_statement(reference, shared_names, shared_types, shared_kinds, '{}');
            PERFORM set_config('search_path', path, true);
            EXECUTE statement INTO figures;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            reference_rows := (figures->>'rows')::bigint;

            -- Categories, where there are not too many to be some.
            statement := (
                SELECT 'SELECT pg_catalog.jsonb_object_agg(c.name, c.v) FROM (SELECT d.name, pg_catalog.jsonb_agg(d.v) AS v FROM ('
                       || string_agg(format('(SELECT %1$L AS name, mlops._as_text(q.%1$I) AS v FROM (%2$s' || E'\n' || ') q WHERE q.%1$I IS NOT NULL GROUP BY 2 LIMIT %3$s)',
                                            u.name, reference, max_categories + 1), ' UNION ALL ')
                       || ') d GROUP BY d.name) c'
                FROM unnest(shared_names, shared_kinds) u (name, kind) WHERE u.kind = 'category');
            IF statement IS NOT NULL THEN
                PERFORM set_config('search_path', path, true);
                EXECUTE statement INTO bounds;
                PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            END IF;
            SELECT jsonb_object_agg(u.name, jsonb_build_object(
                       'nulls', reference_rows - (f->>0)::bigint, 'not_finite', f->1, 'min', f->2, 'max', f->3,
                       'low', CASE WHEN (f->>5)::float8 > 0 THEN (f->>4)::float8 - 4 * (f->>5)::float8 ELSE (f->>2)::float8 END,
                       'high', CASE WHEN (f->>5)::float8 > 0 THEN (f->>4)::float8 + 4 * (f->>5)::float8 ELSE (f->>3)::float8 END,
                       'varies', f->6, 'mode', (f->>10)::float8 / nullif((f->>0)::bigint, 0),
                       'categories', CASE WHEN jsonb_array_length(bounds->u.name) <= max_categories THEN bounds->u.name END))
            INTO bounds
            FROM unnest(shared_names) WITH ORDINALITY u (name, o), LATERAL (SELECT figures->'columns'->(u.o::integer - 1)) x (f);

            -- The reference has outliers, too.
            statement := mlops._quality_statement(reference, shared_names, shared_types, shared_kinds, bounds);
            PERFORM set_config('search_path', path, true);
            EXECUTE statement INTO figures;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            SELECT jsonb_object_agg(u.name, (bounds->u.name) || jsonb_build_object('rows', reference_rows, 'outliers', figures->'columns'->(u.o::integer - 1)->8))
            INTO expected FROM unnest(shared_names) WITH ORDINALITY u (name, o);
        END IF;
    ELSIF model IS NOT NULL THEN
        -- Exact figures and bins were frozen with the version.
        SELECT coalesce(jsonb_object_agg(p.name, jsonb_build_object(
                   'rows', p.rows, 'nulls', p.nulls, 'not_finite', p.nans + p.infinities, 'min', p.min, 'max', p.max,
                   'low', CASE WHEN p.stddev > 0 THEN p.mean - 4 * p.stddev ELSE p.min END,
                   'high', CASE WHEN p.stddev > 0 THEN p.mean + 4 * p.stddev ELSE p.max END, 'varies', p.distinct_count > 1,
                   'outliers', CASE WHEN p.stddev > 0 THEN (p.rows - p.nulls) * (mlops.cdf(p.sketch, p.mean - 4 * p.stddev) + 1 - mlops.cdf(p.sketch, p.mean + 4 * p.stddev)) ELSE 0 END,
                   'mode', (SELECT (t.count + t.count_error)::float8 / nullif(p.rows - p.nulls, 0) FROM mlops.top_values(p.sketch, 1) t),
                   'categories', CASE WHEN p.exact AND (p.bins).kind = 'texts' THEN to_jsonb((p.bins).texts) END)), '{}')
        INTO expected
        FROM mlops.profiles p
        WHERE p.role = 'feature' AND p.model = model_name
          AND p.version = number;
    END IF;

    IF cardinality(names) > 0 THEN
        statement := mlops._quality_statement(query, names, types, kinds, expected);
    ELSE
        statement := format('SELECT pg_catalog.jsonb_build_object(''rows'', pg_catalog.count(*)) FROM (%s' || E'\n' || ') q', query);
    END IF;
    PERFORM set_config('search_path', path, true);
    EXECUTE statement INTO figures;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    total := (figures->>'rows')::bigint;

    IF key IS NOT NULL THEN
        statement := format(
            'SELECT pg_catalog.count(*), pg_catalog.count(DISTINCT ' || CASE cardinality(key) WHEN 1 THEN '%s' ELSE 'ROW(%s)' END
            || ') FROM (%s' || E'\n' || ') q WHERE %s',
            (SELECT string_agg(format('q.%I', c), ', ') FROM unnest(key) c), query,
            (SELECT string_agg(format('q.%I IS NOT NULL', c), ' AND ') FROM unnest(key) c));
        PERFORM set_config('search_path', path, true);
        EXECUTE statement INTO full_keys, distinct_keys;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;
    IF time_column IS NOT NULL THEN
        statement := format(
            'SELECT pg_catalog.max(q.%1$I)::pg_catalog.timestamptz, pg_catalog.count(*) FILTER (WHERE q.%1$I::pg_catalog.timestamptz'
            ' OPERATOR(pg_catalog.>) pg_catalog.now()) FROM (%2$s' || E'\n' || ') q WHERE pg_catalog.isfinite(q.%1$I)', time_column, query);
        PERFORM set_config('search_path', path, true);
        EXECUTE statement INTO newest, future;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;

    -- A rule that fails with an error in some row, or because a column is not
    -- there or has another type, is a finding about it alone.
    FOR rule IN SELECT r.key AS name, r.value AS condition FROM jsonb_each_text(rules) r ORDER BY r.key COLLATE "C" LOOP
        statement := format('SELECT pg_catalog.count(*) FILTER (WHERE NOT (%1$s' || E'\n' || ')), pg_catalog.count(*) FILTER (WHERE (%1$s'
                            || E'\n' || ')::pg_catalog.bool IS NULL) FROM (%2$s' || E'\n' || ') q', rule.condition, query);
        violated := NULL;
        unknown := NULL;
        problem := NULL;
        BEGIN
            PERFORM mlops._report_columns(path, statement);
            PERFORM set_config('search_path', path, true);
            EXECUTE statement INTO violated, unknown;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        EXCEPTION WHEN data_exception OR undefined_column OR undefined_function OR datatype_mismatch THEN
            -- 22023 is what is not one SELECT
            IF SQLSTATE = '22023' THEN
                RAISE;
            END IF;
            problem := SQLERRM;
        END;
        outcomes := outcomes || jsonb_build_object('name', rule.name, 'condition', rule.condition, 'violated', violated,
                                                   'unknown', unknown, 'error', problem);
    END LOOP;

    -- A feature that the rows do not have, or not in a form that it can read
    IF model IS NOT NULL THEN
        PERFORM set_config('search_path', path, true);
        EXECUTE 'SELECT pg_catalog.jsonb_object_agg(b.feature, b.problem) FROM mlops.bind($1, $2) b WHERE b.problem IS NOT NULL'
            INTO problems USING model, query;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;

    RETURN QUERY
    WITH measured AS (
        SELECT u.name, u.kind, u.o, (f->>0)::bigint AS filled, (f->>1)::bigint AS not_finite, (f->>6)::boolean AS varies,
               (f->>7)::bigint AS out_of_range, (f->>8)::bigint AS outliers, (f->>9)::bigint AS unseen, expected->u.name AS e,
               -- a key and the time of a row are new in every window
               coalesce(u.name = ANY (key || time_column), false) AS grows
        FROM unnest(names, kinds) WITH ORDINALITY u (name, kind, o), LATERAL (SELECT figures->'columns'->(u.o::integer - 1)) x (f)
    ), compared AS (
        -- shares of rows against the reference: x of n, y of m
        SELECT m.o, c.position, c.metric, m.name, c.x, c.n, c.y, c.m, c.rises, c.formula, c.detail
        FROM measured m CROSS JOIN LATERAL (VALUES
            (1, 'missing', true, total - m.filled, total, (m.e->>'nulls')::float8, (m.e->>'rows')::float8, false,
             'share of rows that are NULL', NULL::jsonb),
            (2, 'not_finite', m.kind IN ('number', 'time'), m.not_finite, total, (m.e->>'not_finite')::float8, (m.e->>'rows')::float8, true,
             'share of rows that are NaN, infinite or beyond 1e30 in size', NULL),
            (4, 'out_of_range', m.e->>'min' IS NOT NULL AND NOT m.grows, m.out_of_range, total, 0, (m.e->>'rows')::float8, true,
             'share of rows below the least or above the greatest value of the reference', jsonb_build_object('range', ARRAY[m.e->'min', m.e->'max'])),
            (5, 'outliers', m.e->>'low' IS NOT NULL AND NOT m.grows, m.outliers, total, (m.e->>'outliers')::float8, (m.e->>'rows')::float8, true,
             'share of rows more than 4 standard deviations from the mean of the reference', jsonb_build_object('range', ARRAY[m.e->'low', m.e->'high'])),
            (6, 'unseen_category', jsonb_typeof(m.e->'categories') = 'array' AND NOT m.grows, m.unseen, total, 0, (m.e->>'rows')::float8, true,
             'share of rows whose value the reference has not', jsonb_build_object('categories', jsonb_array_length(CASE WHEN jsonb_typeof(m.e->'categories') = 'array' THEN m.e->'categories' ELSE '[]' END))))
            c (position, metric, applies, x, n, y, m, rises, formula, detail)
        WHERE c.applies
    ), tested AS (
        SELECT c.*, s.p, s.q, (s.p - s.q) / e.error AS z,
               greatest(abs(s.p - s.q) - 0.5 / nullif(c.n, 0) - 0.5 / nullif(c.m, 0), 0) / e.error AS certain
        FROM compared c CROSS JOIN LATERAL (SELECT c.x / nullif(c.n, 0)::float8 AS p, c.y / nullif(c.m, 0) AS q) s
        CROSS JOIN LATERAL (SELECT nullif(sqrt(((c.x + c.y) / nullif(c.n + c.m, 0)) * (1 - (c.x + c.y) / nullif(c.n + c.m, 0))
                                               * (1 / nullif(c.n, 0)::float8 + 1 / nullif(c.m, 0))), 0) AS error) e
    ), result (section, o, position, metric, attribute, value, reference_value, n, verdict, definition) AS (
        SELECT 1, 0::bigint, 1, 'rows', NULL::text, total::float8, p.mean, total,
               CASE WHEN p.n < 3 THEN CASE WHEN total < min_rows THEN 'insufficient' END
                    WHEN abs(total - p.mean) > 3 * p.deviation THEN 'fail' ELSE 'ok' END,
               jsonb_strip_nulls(jsonb_build_object('formula', 'number of rows',
                                                    'rule', CASE WHEN p.n >= 3 THEN 'within 3 standard deviations of the mean of past_rows' END,
                                                    'standard_deviation', p.deviation))
        FROM (SELECT count(*) AS n, avg(h)::float8 AS mean, stddev_samp(h)::float8 AS deviation FROM unnest(past_rows) h) p
        UNION ALL
        SELECT 1, 0, 2, x.metric, array_to_string(key, ', '), x.rows / nullif(total, 0)::float8, 0, total,
               CASE WHEN x.rows > 0 THEN 'fail' WHEN total < min_rows THEN 'insufficient' ELSE 'ok' END,
               jsonb_build_object('formula', x.formula, 'rows', x.rows)
        FROM (VALUES ('duplicate_keys', full_keys - distinct_keys, 'share of rows whose key another row before them has'),
                     ('missing_keys', total - full_keys, 'share of rows whose key has a NULL')) x (metric, rows, formula)
        WHERE key IS NOT NULL
        UNION ALL
        SELECT 1, 0, 3, 'age', time_column, extract(epoch FROM now() - newest)::float8, extract(epoch FROM max_age)::float8, total,
               CASE WHEN newest IS NULL THEN 'insufficient' WHEN now() - newest > max_age THEN 'fail' WHEN max_age IS NOT NULL THEN 'ok' END,
               jsonb_build_object('formula', 'seconds from the newest row to now', 'newest', newest)
        WHERE time_column IS NOT NULL
        UNION ALL
        SELECT 1, 0, 4, 'future', time_column, future / nullif(total, 0)::float8, 0, total,
               CASE WHEN future > 0 THEN 'fail' WHEN total < min_rows THEN 'insufficient' ELSE 'ok' END,
               jsonb_build_object('formula', 'share of rows whose time is after now', 'rows', future)
        WHERE time_column IS NOT NULL
        UNION ALL
        SELECT 2, 0, 1, 'binding', p.key, 1, 0, total, 'fail', jsonb_build_object('formula', 'the version cannot read this feature', 'problem', p.value)
        FROM jsonb_each(problems) p
        UNION ALL
        SELECT 2, 0, 2, 'profile', NULL, NULL, NULL, NULL, 'insufficient', '{"formula": "the version has no profile to compare with"}'
        WHERE model IS NOT NULL AND reference IS NULL AND expected = '{}'
        UNION ALL
        SELECT 2, 0, 3, x.metric, x.name, 1, 0, NULL, x.verdict,
               jsonb_strip_nulls(jsonb_build_object('formula', x.formula, 'type', CASE WHEN x.type IS NOT NULL THEN format_type(x.type, NULL) END,
                                                    'reference_type', CASE WHEN x.was IS NOT NULL THEN format_type(x.was, NULL) END))
        FROM (SELECT coalesce(u.name, r.key) AS name, u.type, r.value::oid AS was,
                     CASE WHEN u.name IS NULL THEN 'missing_column' WHEN r.key IS NULL THEN 'new_column' ELSE 'type_change' END AS metric,
                     CASE WHEN u.name IS NULL THEN 'fail' WHEN r.key IS NULL THEN 'ok'
                          WHEN mlops._quality_kind(u.type) <> mlops._quality_kind(r.value::oid) THEN 'fail' ELSE 'warn' END AS verdict,
                     CASE WHEN u.name IS NULL THEN 'a column of the reference is not there' WHEN r.key IS NULL THEN 'the reference does not have this column'
                          ELSE 'the type is not that of the reference' END AS formula
              FROM unnest(names, types) u (name, type) FULL JOIN jsonb_each_text(reference_types) r ON r.key = u.name
              WHERE u.type IS DISTINCT FROM r.value::oid) x
        WHERE reference_types IS NOT NULL
        UNION ALL
        SELECT 3, t.o, t.position, t.metric, t.name, t.p, t.q, t.n,
               CASE WHEN t.m IS NULL AND t.n < min_rows THEN 'insufficient'
                    WHEN t.m IS NULL THEN CASE WHEN t.metric = 'not_finite' AND t.x > 0 THEN 'warn' END
                    WHEN least(t.n, t.m) < min_rows THEN 'insufficient'
                    WHEN CASE WHEN t.rises THEN t.p - t.q ELSE abs(t.p - t.q) END >= 0.02
                         AND CASE WHEN t.rises THEN t.z ELSE abs(t.z) END > 1.959963984540054
                        THEN CASE WHEN t.certain > 3.090232306167813 THEN 'fail' ELSE 'warn' END
                    ELSE 'ok' END,
               jsonb_strip_nulls(jsonb_build_object('formula', t.formula, 'rows', t.x, 'reference_n', t.m, 'z', t.z,
                                                    'rule', CASE WHEN t.m IS NOT NULL THEN 'a change of 0.02 or more, and two-proportion z with p < 0.05; to fail p < 0.002, with the correction for continuity' END)
                                 || coalesce(t.detail, '{}'))
        FROM tested t
        UNION ALL
        SELECT 3, m.o, 3, 'constant', m.name, CASE WHEN m.varies THEN 0 ELSE 1 END, CASE (m.e->>'varies')::boolean WHEN true THEN 0 WHEN false THEN 1 END, m.filled,
               CASE WHEN total < min_rows THEN 'insufficient' WHEN m.varies OR NOT (m.e->>'varies')::boolean THEN 'ok'
                    -- chance, if nearly all of the reference is one value
                    WHEN m.filled > 0 AND (m.e->>'mode')::float8 > 0 AND m.filled * ln(least((m.e->>'mode')::float8, 1)) >= ln(0.002::float8) THEN 'ok'
                    WHEN (m.e->>'varies')::boolean THEN 'fail' ELSE 'warn' END,
               jsonb_strip_nulls(jsonb_build_object('formula', '1 if all values are one, or there are none', 'reference_mode', m.e->'mode'))
        FROM measured m
        UNION ALL
        SELECT 4, 0, 1, 'rule', x->>'name', (x->>'violated')::bigint / nullif(total, 0)::float8, 0, total,
               CASE WHEN x->>'error' IS NOT NULL OR (x->>'violated')::bigint > 0 THEN 'fail' WHEN total < min_rows THEN 'insufficient' ELSE 'ok' END,
               jsonb_strip_nulls(jsonb_build_object('formula', 'share of rows in which the condition is false', 'condition', x->>'condition',
                                                    'rows', x->'violated', 'unknown', x->'unknown', 'error', x->'error'))
        FROM jsonb_array_elements(outcomes) x
    )
    SELECT r.metric, r.attribute, r.value, r.reference_value, r.n, r.verdict,
           r.definition || jsonb_build_object('min_rows', min_rows)
    FROM result r
    ORDER BY r.section, r.o, r.position, r.attribute COLLATE "C";
END
$$;
COMMENT ON FUNCTION mlops._quality_report(text, text, mlops.modelref, text, text[], text, interval, jsonb, bigint[], integer) IS
    'Body of mlops.quality_report(), after the search_path of its caller.';
REVOKE ALL ON FUNCTION mlops._quality_report(text, text, mlops.modelref, text, text[], text, interval, jsonb, bigint[], integer) FROM PUBLIC;

CREATE FUNCTION mlops.quality_report(query text, model mlops.modelref DEFAULT NULL, reference text DEFAULT NULL, key text[] DEFAULT NULL,
                                     time_column text DEFAULT NULL, max_age interval DEFAULT NULL, rules jsonb DEFAULT NULL,
                                     past_rows bigint[] DEFAULT NULL, min_rows integer DEFAULT 100)
    RETURNS TABLE(metric text, attribute text, value float8, reference_value float8, n bigint, verdict text, definition jsonb)
    LANGUAGE C STABLE PARALLEL UNSAFE COST 100000 ROWS 100
    AS 'MODULE_PATHNAME', 'mlops_report_call';
COMMENT ON FUNCTION mlops.quality_report(text, mlops.modelref, text, text[], text, interval, jsonb, bigint[], integer) IS
    'What is wrong with the rows of a SELECT, which runs with the caller''s rights: missing, constant, out of range, outlying and unseen values, duplicate keys, age, changed columns, rules that do not hold, against reference rows or the profile of a version; errors 22023, 42701, 42703, 42804, and ML001 to ML003 and 42501 for the version.';
