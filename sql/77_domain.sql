-- file: sql/77_domain.sql
-- The domain classifier: can a model tell current rows from those of a
-- reference, and by what?  Definitions: doc/probing.md.

-- SQL for a column, of alias q, in the form in which reports compare rows:
-- numbers, and times in days, as float8, which is finite, anything else as text.
CREATE FUNCTION mlops._comparable(name text, type oid) RETURNS text
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(CASE mlops._quality_kind(type)
        WHEN 'number' THEN
            CASE WHEN type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'q.%1$I::pg_catalog.float8'
                 WHEN type IN ('float4'::regtype, 'float8'::regtype) THEN
                     'CASE WHEN q.%1$I OPERATOR(pg_catalog.<>) ''NaN'' THEN GREATEST(LEAST(q.%1$I::pg_catalog.float8, 3e38), -3e38) END'
                 ELSE 'CASE WHEN q.%1$I::pg_catalog.numeric OPERATOR(pg_catalog.<>) ''NaN'' THEN'
                      ' pg_catalog.round(GREATEST(LEAST(q.%1$I::pg_catalog.numeric, 3e38), -3e38), 100)::pg_catalog.float8 END' END
        WHEN 'time' THEN 'CASE WHEN pg_catalog.isfinite(q.%1$I) THEN ' || mlops._days('q.%1$I') || ' END'
        ELSE '(mlops._as_text(q.%1$I) COLLATE pg_catalog."C")' END, name)
$$;
COMMENT ON FUNCTION mlops._comparable(text, oid) IS 'SQL for a column as float8 or text, never NaN or infinite.';

-- The copy of the rows that a version was trained with, if a snapshot that the
-- caller may see has one.  What a run recorded of a query is somebody's text,
-- which nobody else should have run as himself.
CREATE FUNCTION mlops._training_copy(model mlops.modelref) RETURNS text
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'SELECT * FROM ' || s.copy
    FROM mlops.versions v JOIN mlops.snapshots s ON v.run = ANY (s.runs)
    WHERE v.model = mlops.model_name(_training_copy.model) AND v.version = mlops._reference_version(_training_copy.model)
      AND s.copy IS NOT NULL
    ORDER BY s.version DESC LIMIT 1
$$;
COMMENT ON FUNCTION mlops._training_copy(mlops.modelref) IS
    'Query that reads the copy of the rows that a version was trained with; NULL if the caller sees none.';

CREATE FUNCTION mlops._domain_fit(query text, seed bigint, OUT auc float8, OUT lower float8, OUT upper float8, OUT p_value float8,
                                  OUT n_reference bigint, OUT n_current bigint, OUT left_out bigint, OUT gains float8[],
                                  OUT splits float8[], OUT library text)
    LANGUAGE C STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mlops_domain_fit';
COMMENT ON FUNCTION mlops._domain_fit(text, bigint) IS
    'Out-of-fold AUC of trees that tell the samples of a query apart, whose last columns are the fold and whether a row is current; the query runs as the caller.';

CREATE FUNCTION mlops._domain_classifier(path text, reference text, current text, key text[], features text[], model mlops.modelref,
                                         max_rows integer, seed bigint, min_rows integer)
    RETURNS TABLE(metric text, attribute text, value float8, lower float8, upper float8, p_value float8, threshold float8,
                  n_reference bigint, n_current bigint, verdict text, definition jsonb)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
    queries text[];
    types jsonb[] := '{}';
    wanted text[] := features;
    names text[];
    problems jsonb;
    samples text[] := '{}';
    hash text;
    statement text;
    counts bigint[];
    fit record;
    base jsonb;
    problem text;
BEGIN
    IF current IS NULL OR coalesce(reference, model::text) IS NULL OR max_rows IS NULL OR seed IS NULL OR min_rows IS NULL THEN
        RAISE EXCEPTION 'a domain classifier needs current rows, and a reference or a version'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF min_rows < 2 OR max_rows < min_rows OR max_rows > 32768 OR cardinality(key) = 0 OR array_position(key, NULL) IS NOT NULL
       OR array_position(features, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'an argument of the domain classifier is out of range'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'min_rows is 2 or more, max_rows from min_rows to 32768, key and features name columns.';
    END IF;
    IF reference IS NULL THEN
        reference := mlops._training_copy(model);
        IF reference IS NULL THEN
            RAISE EXCEPTION 'there is no copy of the rows that % was trained with', model
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      DETAIL = 'It was not trained with the copy of a snapshot that you may see.',
                      HINT = 'Pass a query for the reference.';
        END IF;
    END IF;

    queries := ARRAY[regexp_replace(reference, ';\s*$', ''), regexp_replace(current, ';\s*$', '')];
    FOR i IN 1..2 LOOP
        SELECT types || coalesce(jsonb_object_agg(c."column", c.type::bigint), '{}') INTO types
        FROM mlops._report_columns(path, queries[i]) c;
        IF (SELECT count(*) FROM mlops._report_columns(path, queries[i])) <> (SELECT count(*) FROM jsonb_object_keys(types[i])) THEN
            RAISE EXCEPTION 'a query of the domain classifier has two columns of one name' USING ERRCODE = 'duplicate_column';
        END IF;
        PERFORM mlops._report_kind(types[i], k) FROM unnest(key) k;
    END LOOP;
    IF wanted IS NULL AND model IS NOT NULL THEN
        PERFORM set_config('search_path', path, true);
        EXECUTE 'SELECT pg_catalog.array_agg(b.feature) FROM mlops.bind($1, $2) b' INTO wanted USING model, current;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;

    -- The columns that both have in forms that can be compared, by name.
    SELECT coalesce(array_agg(x.name ORDER BY x.name COLLATE "C") FILTER (WHERE x.problem IS NULL), '{}'),
           jsonb_object_agg(x.name, x.problem) FILTER (WHERE x.problem IS NOT NULL)
    INTO names, problems
    FROM (SELECT w.name,
                 CASE WHEN NOT types[1] ? w.name THEN 'not in the reference' WHEN NOT types[2] ? w.name THEN 'not in the current rows'
                      WHEN k.kinds[1] = 'other' OR k.kinds[2] = 'other' THEN 'of a type that no model reads'
                      WHEN k.kinds[1] <> k.kinds[2] THEN 'of different kinds in the reference and in the current rows' END AS problem
          FROM (SELECT DISTINCT n.name FROM unnest(coalesce(wanted, ARRAY(SELECT jsonb_object_keys(types[1] || types[2])))) n (name)
                WHERE n.name <> ALL (coalesce(key, '{}'))) w,
               LATERAL (SELECT ARRAY[mlops._quality_kind((types[1]->>w.name)::oid), mlops._quality_kind((types[2]->>w.name)::oid)] AS kinds) k) x;

    base := jsonb_strip_nulls(jsonb_build_object(
        'formula', 'out-of-fold area under the ROC curve of boosted trees that tell current rows from those of the reference',
        'rule', 'outside of the limits, and p < 0.01', 'limits', '[0.45, 0.65]'::jsonb, 'min_rows', min_rows,
        'folds', 5, 'folds_by', CASE WHEN key IS NULL THEN 'content' ELSE array_to_string(key, ', ') END, 'rounds', 50,
        'max_depth', 4, 'eta', 0.2, 'min_child_weight', 5, 'seed', seed, 'max_rows', max_rows,
        'features', cardinality(names), 'interval', 'DeLong, DeLong and Clarke-Pearson 1988', 'level', 0.95, 'fold_factor', 1.5,
        'test', 'Mann and Whitney 1947, normal', 'model', model));

    -- Rows that there are, as many as matter here
    statement := format('SELECT ARRAY[(SELECT pg_catalog.count(*) FROM (SELECT FROM (%s' || E'\n' || ') q LIMIT %s) c),'
                   '(SELECT pg_catalog.count(*) FROM (SELECT FROM (%s' || E'\n' || ') q LIMIT %2$s) c)]', queries[1], min_rows, queries[2]);
    PERFORM set_config('search_path', path, true);
    EXECUTE statement INTO counts;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

    problem := CASE WHEN least(counts[1], counts[2]) < min_rows THEN 'too few rows'
                    WHEN cardinality(names) = 0 THEN 'there is no column to compare' END;
    IF problem IS NULL THEN
        -- Which rows of many are taken, and in which fold each is, depends on
        -- no order: by key, or by content and the number of its copy, so that
        -- equal rows of both samples are together, and the copies of one row
        -- are not.
        FOR i IN 1..2 LOOP
            hash := format('pg_catalog.hash_record_extended(ROW(%s), %s)',
                           (SELECT string_agg(format('x.c%s', o), ', ') FROM generate_subscripts(names, 1) o), seed);
            samples := samples || format(
                '(SELECT %1$L::pg_catalog.bool AS is_current, y.* FROM (SELECT %2$s, %3$s AS content, %4$s AS h FROM (SELECT %5$s FROM (%6$s'
                || E'\n' || ') q OFFSET 0) x) y ORDER BY y.h, y.content LIMIT %7$s)',
                i = 2,
                (SELECT string_agg(CASE WHEN mlops._quality_kind((types[1]->>names[o])::oid) IN ('number', 'time') THEN format('x.c%s', o)
                                   -- many long texts are more than a model can hold
                                   ELSE format('CASE WHEN pg_catalog.octet_length(x.c%1$s) OPERATOR(pg_catalog.>) 32'
                                               ' THEN pg_catalog.md5(x.c%1$s) ELSE x.c%1$s END AS c%1$s', o) END, ', ')
                 FROM generate_subscripts(names, 1) o),
                hash,
                CASE WHEN key IS NULL THEN format('pg_catalog.hashint8extended(pg_catalog.row_number() OVER (PARTITION BY %1$s), %1$s)', hash)
                     ELSE format('CASE WHEN %s THEN pg_catalog.hash_record_extended(ROW(%s), %s) ELSE %s END',
                                 (SELECT string_agg(format('x.k%s IS NOT NULL', o), ' AND ') FROM generate_subscripts(key, 1) o),
                                 (SELECT string_agg(format('x.k%s', o), ', ') FROM generate_subscripts(key, 1) o), seed, hash) END,
                (SELECT string_agg(e, ', ')
                 FROM (SELECT format('%s AS c%s', mlops._comparable(names[o], (types[i]->>names[o])::oid), o)
                       FROM generate_subscripts(names, 1) o
                       UNION ALL
                       SELECT format('mlops._as_text(q.%I) COLLATE pg_catalog."C" AS k%s', key[o], o) FROM generate_subscripts(key, 1) o) e (e)),
                queries[i], max_rows);
        END LOOP;
        statement := format('SELECT %s, ((z.h OPERATOR(pg_catalog.&) 9223372036854775807) OPERATOR(pg_catalog.%%) 5)::pg_catalog.float8 AS fold,'
                            ' z.is_current FROM (%s UNION ALL %s) z',
                            (SELECT string_agg(format('z.c%s', o), ', ') FROM generate_subscripts(names, 1) o), samples[1], samples[2]);
        PERFORM set_config('search_path', path, true);
        EXECUTE 'SELECT f.* FROM mlops._domain_fit($1, $2) f' INTO fit USING statement, seed;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        counts := ARRAY[fit.n_reference, fit.n_current];
        IF least(counts[1], counts[2]) < min_rows THEN
            problem := 'too few keys to make folds';
        END IF;
        base := base || jsonb_build_object('left_out', fit.left_out, 'library', 'xgboost ' || fit.library);
    ELSE
        SELECT NULL::float8 AS auc, NULL::float8 AS lower, NULL::float8 AS upper, NULL::float8 AS p_value, NULL::float8[] AS gains,
               NULL::float8[] AS splits INTO fit;
    END IF;

    RETURN QUERY
    SELECT 'auc', NULL::text, fit.auc, fit.lower, fit.upper, fit.p_value, CASE WHEN fit.auc < 0.5 THEN 0.45::float8 ELSE 0.65 END,
           counts[1], counts[2],
           CASE WHEN problem IS NOT NULL THEN 'insufficient'
                WHEN (fit.auc < 0.45 OR fit.auc > 0.65) AND fit.p_value < 0.01 THEN 'fail' ELSE 'ok' END,
           jsonb_strip_nulls(base || jsonb_build_object('problem', problem));
    RETURN QUERY
    SELECT 'gain_share', x.name, x.gain / nullif(x.total, 0), NULL::float8, NULL::float8, NULL::float8, NULL::float8, counts[1], counts[2],
           CASE WHEN x.gain IS NULL THEN 'insufficient' END,
           jsonb_strip_nulls(jsonb_build_object('formula', 'share of the gain of all splits that those on this feature have',
                                                'gain', x.gain, 'splits', x.splits, 'problem', x.problem))
    FROM (SELECT n.name, g.gain, s.splits, sum(g.gain) OVER () AS total,
                 CASE WHEN g.gain IS NULL THEN 'more than 1000 different values' END AS problem
          FROM unnest(names) WITH ORDINALITY n (name, o), LATERAL (SELECT fit.gains[o]) g (gain), LATERAL (SELECT fit.splits[o]) s (splits)
          WHERE fit.gains IS NOT NULL
          UNION ALL
          SELECT p.key, NULL, NULL, NULL, p.value FROM jsonb_each_text(problems) p) x
    ORDER BY x.gain DESC NULLS LAST, x.name COLLATE "C";
END
$$;
COMMENT ON FUNCTION mlops._domain_classifier(text, text, text, text[], text[], mlops.modelref, integer, bigint, integer) IS
    'Body of mlops.domain_classifier(), after the search_path of its caller.';
REVOKE ALL ON FUNCTION mlops._domain_classifier(text, text, text, text[], text[], mlops.modelref, integer, bigint, integer) FROM PUBLIC;

CREATE FUNCTION mlops.domain_classifier(reference text, current text, key text[] DEFAULT NULL, features text[] DEFAULT NULL,
                                        model mlops.modelref DEFAULT NULL, max_rows integer DEFAULT 20000, seed bigint DEFAULT 0,
                                        min_rows integer DEFAULT 100)
    RETURNS TABLE(metric text, attribute text, value float8, lower float8, upper float8, p_value float8, threshold float8,
                  n_reference bigint, n_current bigint, verdict text, definition jsonb)
    LANGUAGE C STABLE PARALLEL UNSAFE COST 1000000 ROWS 30
    AS 'MODULE_PATHNAME', 'mlops_report_call';
COMMENT ON FUNCTION mlops.domain_classifier(text, text, text[], text[], mlops.modelref, integer, bigint, integer) IS
    'How well boosted trees, which a training process makes and which are not kept, tell the rows of two SELECTs apart: the out-of-fold area under the ROC curve of 5 folds, 0.5 if not at all, and the share of the gain that each column has in it; the queries run with the caller''s rights; a reference of NULL is the copy of what the version was trained with; errors 22004, 22023, 42701, 42703, 55000, ML031, and ML001 to ML003 and 42501 for the version.';
