-- file: sql/79_probing.sql
-- Probing: rows to be scored that look as if somebody tried the model out.
-- Definitions: doc/probing.md.

CREATE FUNCTION mlops._differences(hashes bigint[], others bigint[]) RETURNS integer
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_differences';
COMMENT ON FUNCTION mlops._differences(bigint[], bigint[]) IS
    'In how many places two arrays differ; NULL if their lengths do.';

-- SQL for the figures of rows, a JSON object: rows; rows outside of the
-- support, at all and by feature; rows with a score and those near the
-- threshold; rows with a key and those that repeat a row of their key with
-- small changes; rows like at least so many others but for some features, and
-- how many the most are.
CREATE FUNCTION mlops._probing_statement(query text, expressions text[], kinds text[], outside text[], score_sql text, limits float8[],
                                         key_sql text, time_column text, changes integer, least_copies bigint) RETURNS text
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(mlops._qualified(
        'WITH j AS (SELECT ARRAY[%1$s]::pg_catalog.bool[] AS o, %2$s AS s, ARRAY[%3$s]::pg_catalog.int8[] AS a, %4$s AS k, %5$s AS t FROM (%6$s' || E'\n' || ') q OFFSET 0),'
        ' r AS MATERIALIZED (SELECT j.*, (%7$s) AS h FROM j)'
        ' SELECT pg_catalog.jsonb_build_object(''rows'', pg_catalog.count(*), ''outside'', pg_catalog.count(*) FILTER (WHERE (true = ANY (r.o))),'
        ' ''outside_by'', pg_catalog.jsonb_build_array(%8$s), ''scored'', pg_catalog.count(r.s),'
        ' ''near'', pg_catalog.count(*) FILTER (WHERE ((r.s >= %9$L::pg_catalog.float8) AND (r.s <= %10$L::pg_catalog.float8))),'
        ' ''keyed'', pg_catalog.count(r.k),'
        ' ''repeats'', (SELECT pg_catalog.count(*) FROM (SELECT mlops._differences(x.a, pg_catalog.lag(x.a) OVER (PARTITION BY x.k ORDER BY x.t, x.h)) AS d'
        ' FROM r x WHERE x.k IS NOT NULL) y WHERE ((y.d >= 1) AND (y.d <= %11$s))),'
        ' ''copies'', (SELECT pg_catalog.jsonb_build_array(COALESCE(pg_catalog.sum(z.n) FILTER (WHERE (z.c >= %14$s)), 0), pg_catalog.max(z.c))'
        ' FROM (SELECT y.h, pg_catalog.max(y.n) AS n, pg_catalog.max(y.c) AS c FROM (SELECT d.h, d.n, pg_catalog.count(*) OVER (PARTITION BY %12$s) AS c FROM (SELECT x.h, pg_catalog.min(x.a) AS a, pg_catalog.count(*) AS n FROM r x GROUP BY x.h) d'
        ' CROSS JOIN LATERAL %13$s) y GROUP BY y.h) z)) FROM r'),
        array_to_string(outside, ', '), score_sql,
        -- 0 is the hash of what is missing
        (SELECT string_agg(format(CASE WHEN kinds[o] IN ('number', 'time') THEN 'COALESCE(pg_catalog.hashfloat8extended(%s, %s), 0)'
                                       ELSE 'COALESCE(pg_catalog.hashtextextended(%s, %s), 0)' END, expressions[o], o), ', ' ORDER BY o)
         FROM generate_subscripts(expressions, 1) o),
        key_sql,
        CASE WHEN time_column IS NULL THEN 'NULL::pg_catalog.text' ELSE format('q.%I', time_column) END,
        query,
        (SELECT string_agg(format('j.a[%s]', o), ' OPERATOR(pg_catalog.#) ' ORDER BY o) FROM generate_subscripts(expressions, 1) o),
        (SELECT string_agg(format('pg_catalog.count(*) FILTER (WHERE r.o[%s])', o), ', ' ORDER BY o) FROM generate_subscripts(outside, 1) o),
        limits[1], limits[2], changes,
        -- rows that are equal but for one feature, or for two, are equal without
        CASE changes WHEN 1 THEN 'd.h OPERATOR(pg_catalog.#) u.v' ELSE 'd.h OPERATOR(pg_catalog.#) u.v OPERATOR(pg_catalog.#) w.v' END,
        CASE changes WHEN 1 THEN 'pg_catalog.unnest(d.a) u (v)'
                     ELSE mlops._qualified('pg_catalog.unnest(d.a) WITH ORDINALITY u (v, i) JOIN LATERAL pg_catalog.unnest(d.a) WITH ORDINALITY w (v, i) ON (u.i < w.i)') END,
        least_copies)
$$;
COMMENT ON FUNCTION mlops._probing_statement(text, text[], text[], text[], text, float8[], text, text, integer, bigint) IS
    'Statement for the figures of rows that were scored.';

CREATE FUNCTION mlops._probing_report(path text, model mlops.modelref, query text, key text[], time_column text, decision_threshold float8,
                                      band float8, reference text, changes integer, min_copies integer, min_rows integer)
    RETURNS TABLE(metric text, attribute text, "group" text, value float8, lower float8, upper float8, reference_value float8,
                  p_value float8, threshold float8, n bigint, verdict text, definition jsonb)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
    model_name text := mlops.model_name(model);
    number integer := mlops._reference_version(model);
    task text;
    columns jsonb;
    reference_columns jsonb;
    features record;
    reference_features record;
    profile jsonb;
    scores mlops.sketch;
    score_rows bigint;
    outside text[];
    limits float8[];
    score_sql text := 'NULL::pg_catalog.float8';
    key_sql text := 'NULL::pg_catalog.text[]';
    figures jsonb;
    expected jsonb;
    has_key boolean;
    statement text;
    least_copies bigint;
    base jsonb;
BEGIN
    IF query IS NULL OR decision_threshold IS NULL OR band IS NULL OR changes IS NULL OR min_copies IS NULL OR min_rows IS NULL OR model IS NULL THEN
        RAISE EXCEPTION 'a probing report needs a model and a query' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF min_rows < 1 OR NOT (decision_threshold >= 0 AND decision_threshold <= 1) OR NOT (band >= 0 AND band <= 1) OR changes NOT IN (1, 2) OR min_copies < 2
       OR cardinality(key) = 0 OR array_position(key, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'an argument of the probing report is out of range'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'decision_threshold and band are from 0 to 1, changes is 1 or 2, min_copies 2 or more, min_rows 1 or more, key names columns.';
    END IF;
    SELECT v.task INTO task FROM mlops.versions v WHERE v.model = model_name AND v.version = number;
    model := format('%s/%s', model_name, number);
    IF NOT mlops.has_privilege(model_name, 'read') THEN
        RAISE EXCEPTION 'permission denied for model "%"', model_name
            USING ERRCODE = 'insufficient_privilege', HINT = 'It needs the privilege read.';
    END IF;
    SELECT jsonb_object_agg(p.name, jsonb_build_object(
               'n', p.rows - p.nulls, 'min', p.min, 'max', p.max,
               'categories', CASE WHEN p.exact AND (p.bins).kind = 'texts' THEN to_jsonb((p.bins).texts) END)) FILTER (WHERE p.role = 'feature')
    INTO profile FROM mlops.profiles p WHERE p.model = model_name AND p.version = number;
    SELECT p.sketch, p.rows - p.nulls INTO scores, score_rows
    FROM mlops.profiles p WHERE p.model = model_name AND p.version = number AND p.role = 'score' AND p.kind = 'numeric';
    reference := coalesce(reference, mlops._training_copy(model));

    query := regexp_replace(query, ';\s*$', '');
    reference := regexp_replace(reference, ';\s*$', '');
    SELECT coalesce(jsonb_object_agg(c."column", c.type::bigint), '{}') INTO columns FROM mlops._report_columns(path, query) c;
    SELECT coalesce(jsonb_object_agg(c."column", c.type::bigint), '{}') INTO reference_columns FROM mlops._report_columns(path, reference) c;
    PERFORM mlops._report_kind(columns, c) FROM unnest(key || time_column) c;
    SELECT * INTO features FROM mlops._report_features(path, model, query, columns);
    base := jsonb_build_object('model', model, 'min_rows', min_rows);

    IF cardinality(features.names) > 0 THEN
        outside := ARRAY(SELECT CASE WHEN f.e->>'categories' IS NOT NULL AND features.kinds[o] NOT IN ('number', 'time') THEN
                                         format('NOT (%s OPERATOR(pg_catalog.=) ANY (%L::pg_catalog.text[]))', features.expressions[o],
                                                (SELECT array_agg(c) FROM jsonb_array_elements_text(f.e->'categories') c))
                                     WHEN f.e->>'min' IS NOT NULL AND features.kinds[o] IN ('number', 'time') THEN
                                         format(mlops._qualified('((%1$s < %2$L::pg_catalog.float8) OR (%1$s > %3$L::pg_catalog.float8))'),
                                                features.expressions[o], f.e->>'min', f.e->>'max')
                                     ELSE 'NULL' END
                         FROM generate_subscripts(features.names, 1) o, LATERAL (SELECT nullif(profile->features.names[o], 'null')) f (e) ORDER BY o);
        limits := ARRAY[decision_threshold - band, decision_threshold + band];
        IF task = 'binary' AND features.problems IS NULL THEN
            score_sql := format('mlops.predict(%L::mlops.modelref, q)', model::text);
        END IF;
        IF key IS NOT NULL THEN
            key_sql := 'CASE WHEN ' || (SELECT string_agg(format('q.%I IS NOT NULL', c), ' AND ') FROM unnest(key) c) || ' THEN ARRAY['
                       || (SELECT string_agg(format('mlops._as_text(q.%I)', c), ', ') FROM unnest(key) c) || ']::pg_catalog.text[] END';
        END IF;
    END IF;
    statement := format('SELECT pg_catalog.jsonb_build_object(''rows'', pg_catalog.count(*)) FROM (%s' || E'\n' || ') q', query);
    PERFORM set_config('search_path', path, true);
    EXECUTE statement INTO figures;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

    -- At most as many reference rows as there are rows: of more, more are alike.
    least_copies := min_copies;
    IF reference IS NOT NULL AND cardinality(features.names) > 0 THEN
        SELECT * INTO reference_features FROM mlops._report_features(path, model, reference, reference_columns);
        IF reference_features.names = features.names AND reference_features.kinds = features.kinds THEN
            has_key := NOT EXISTS (SELECT FROM unnest(key) k WHERE NOT reference_columns ? k);
            statement := mlops._probing_statement(
                format('SELECT * FROM (%s' || E'\n' || ') q ORDER BY pg_catalog.hashtextextended((%s)::pg_catalog.text, 0) LIMIT %s', reference,
                       CASE WHEN key IS NULL OR NOT has_key THEN 'q.*' ELSE (SELECT format('ROW(%s)', string_agg(format('q.%I', k), ', ')) FROM unnest(key) k) END,
                       figures->>'rows'),
                reference_features.expressions, reference_features.kinds, ARRAY(SELECT 'NULL' FROM unnest(outside)), 'NULL::pg_catalog.float8', limits,
                CASE WHEN has_key THEN key_sql ELSE 'NULL::pg_catalog.text[]' END,
                CASE WHEN reference_columns ? time_column THEN time_column END, changes, min_copies);
            PERFORM set_config('search_path', path, true);
            EXECUTE statement INTO expected;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            least_copies := greatest(min_copies, ceil(2 * (expected->'copies'->>1)::float8 * (figures->>'rows')::float8 / (expected->>'rows')::float8));
        END IF;
    END IF;
    IF cardinality(features.names) > 0 THEN
        statement := mlops._probing_statement(query, features.expressions, features.kinds, outside, score_sql, limits, key_sql, time_column, changes, least_copies);
        PERFORM set_config('search_path', path, true);
        EXECUTE statement INTO figures;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;

    RETURN QUERY
    WITH share (place, metric, applies, x, n, y, m, formula, detail, problem) AS (
        SELECT 1, 'outside_support', profile IS NOT NULL AND figures ? 'outside', (figures->>'outside')::float8, (figures->>'rows')::float8,
               -- of n values of a feature and one more, that one is the least or greatest with 2 / (n + 1)
               (SELECT least(1, sum(2.0 / (1 + (e.value->>'n')::float8))) FROM jsonb_each(profile) e WHERE e.value->>'min' IS NOT NULL AND (e.value->>'n')::float8 > 0)
                   * (SELECT max((e.value->>'n')::float8) FROM jsonb_each(profile) e),
               (SELECT max((e.value->>'n')::float8) FROM jsonb_each(profile) e),
               'share of rows with a number beyond those of the training or a category that it had not; expected are those of chance, 2 / (n + 1) for each feature of n numbers',
               jsonb_build_object('features', (SELECT jsonb_object_agg(f.name, f.c) FROM unnest(features.names, ARRAY(SELECT jsonb_array_elements_text(figures->'outside_by'))::bigint[])
                                                                                    f (name, c) WHERE f.c > 0)),
               CASE WHEN profile IS NULL THEN 'the version has no profile to compare with' ELSE 'the rows lack features' END
        UNION ALL
        SELECT 2, 'near_threshold', coalesce((figures->>'scored')::bigint > 0, false), (figures->>'near')::float8, (figures->>'scored')::float8,
               (mlops.cdf(scores, limits[2]) - mlops.cdf(scores, limits[1] - 1e-9)) * score_rows, score_rows::float8,
               'share of scores within the band around the threshold',
               jsonb_build_object('threshold', decision_threshold, 'band', band, 'skipped', (figures->>'rows')::bigint - (figures->>'scored')::bigint),
               CASE WHEN task <> 'binary' THEN 'the version gives no probability of one class'
                    WHEN features.problems IS NOT NULL THEN 'the rows lack features' ELSE 'no row has a score' END
        UNION ALL
        SELECT 3, 'repeated_keys', key IS NOT NULL AND coalesce((figures->>'keyed')::bigint > 0, false), (figures->>'repeats')::float8, (figures->>'keyed')::float8,
               (expected->>'repeats')::float8, nullif((expected->>'keyed')::float8, 0),
               'share of rows that differ from the one before them of the same key in some features, and no more than changes',
               jsonb_build_object('key', array_to_string(key, ', '), 'time', time_column, 'changes', changes, 'skipped', (figures->>'rows')::bigint - (figures->>'keyed')::bigint),
               CASE WHEN key IS NULL THEN 'no key was given' ELSE 'no row has a key' END
        UNION ALL
        SELECT 4, 'near_copies', cardinality(features.names) > changes + 1, (figures->'copies'->>0)::float8, (figures->>'rows')::float8,
               CASE WHEN (expected->>'rows')::bigint > 0 THEN 0 END, nullif((expected->>'rows')::float8, 0),
               'share of rows that are one of at least so many different ones that are equal but for so many features; twice as many as in the reference, which has none',
               jsonb_build_object('changes', changes, 'copies', least_copies, 'most_copies', figures->'copies'->1),
               'there are too few features'
    ), result (place, metric, attribute, value, lower, upper, reference_value, p_value, threshold, n, verdict, definition) AS (
        SELECT 0, 'rows', NULL::text, (figures->>'rows')::float8, NULL::float8, NULL::float8, NULL::float8, NULL::float8, NULL::float8, (figures->>'rows')::bigint,
               CASE WHEN (figures->>'rows')::bigint < min_rows THEN 'insufficient' END, '{"formula": "number of rows"}'::jsonb
        UNION ALL
        SELECT 0, 'feature', p.key, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'insufficient',
               jsonb_build_object('formula', 'the version cannot read this feature', 'problem', p.value)
        FROM jsonb_each(features.problems) p
        UNION ALL
        SELECT s.place, s.metric, NULL, c.value, c.lower, c.upper, c.reference_value, c.p_value, CASE WHEN c.reference_value IS NOT NULL THEN 0.02 END, s.n::bigint,
               CASE WHEN s.n < min_rows THEN 'insufficient' ELSE c.verdict END,
               c.definition || jsonb_strip_nulls(s.detail || jsonb_build_object('formula', s.formula,
                   'problem', CASE WHEN c.reference_value IS NULL THEN 'there is nothing to compare with: no verdict without limits' END))
        FROM share s, mlops._compare_shares(s.x, s.n, s.y, s.m, true, 1, min_rows) c
        WHERE s.applies
        UNION ALL
        SELECT s.place, s.metric, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'insufficient', jsonb_build_object('formula', s.formula, 'problem', s.problem)
        FROM share s WHERE NOT s.applies
    )
    SELECT r.metric, r.attribute, NULL::text, r.value, r.lower, r.upper, r.reference_value, r.p_value, r.threshold, r.n, r.verdict, base || r.definition
    FROM result r ORDER BY r.place, r.attribute COLLATE "C" NULLS FIRST;
END
$$;
COMMENT ON FUNCTION mlops._probing_report(text, mlops.modelref, text, text[], text, float8, float8, text, integer, integer, integer) IS
    'Body of mlops.probing_report(), after the search_path of its caller.';
REVOKE ALL ON FUNCTION mlops._probing_report(text, mlops.modelref, text, text[], text, float8, float8, text, integer, integer, integer) FROM PUBLIC;

CREATE FUNCTION mlops.probing_report(model mlops.modelref, query text, key text[] DEFAULT NULL, time_column text DEFAULT NULL,
                                     decision_threshold float8 DEFAULT 0.5, band float8 DEFAULT 0.02, reference text DEFAULT NULL,
                                     changes integer DEFAULT 1, min_copies integer DEFAULT 10, min_rows integer DEFAULT 100)
    RETURNS TABLE(metric text, attribute text, "group" text, value float8, lower float8, upper float8, reference_value float8,
                  p_value float8, threshold float8, n bigint, verdict text, definition jsonb)
    LANGUAGE C STABLE PARALLEL UNSAFE COST 1000000 ROWS 10
    AS 'MODULE_PATHNAME', 'mlops_report_call';
COMMENT ON FUNCTION mlops.probing_report(mlops.modelref, text, text[], text, float8, float8, text, integer, integer, integer) IS
    'Whether rows to be scored, those of a SELECT which runs with the caller''s rights, look like attempts at the model: shares of rows outside of what it was trained with, of scores near the threshold, of rows that repeat their key with small changes, of rows like many others but for one or two features; against its profile and reference rows; errors 22004, 22023, 42703, and ML001 to ML003 and 42501 for the version.';
