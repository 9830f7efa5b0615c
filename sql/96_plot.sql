-- file: sql/96_plot.sql
-- Plots in text, for psql: bars of Unicode blocks, an eighth of a place exact,
-- and plainer ones in databases of other encodings.  This file itself is ASCII,
-- as it is installed in all of them.

CREATE FUNCTION mlops._bar(share float8, width integer) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    eighths integer := round((8 * width * least(greatest(share, 0), 1))::numeric);
BEGIN
    IF getdatabaseencoding() <> 'UTF8' THEN
        RETURN repeat('#', round(eighths / 8.0)::integer);
    END IF;
    RETURN repeat(chr(9608), eighths / 8) || CASE WHEN eighths % 8 > 0 THEN chr(9616 - eighths % 8) ELSE '' END;
END
$$;
COMMENT ON FUNCTION mlops._bar(float8, integer) IS 'A bar of blocks for a share of a width, of # where the database has no blocks; NULL for NULL.';

CREATE FUNCTION mlops._require_plot(what text, size integer, least_size integer, greatest_size integer) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF size IS NULL OR size NOT BETWEEN least_size AND greatest_size THEN
        RAISE EXCEPTION '% of a plot must be between % and %', what, least_size, greatest_size USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._require_plot(text, integer, integer, integer) IS 'Error 22023 unless a size is within its limits.';

CREATE FUNCTION mlops.plot_histogram("values" float8[], bins integer DEFAULT 10, width integer DEFAULT 40)
    RETURNS TABLE(lower float8, upper float8, n bigint, bar text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM mlops._require_plot('bins', bins, 1, 1000), mlops._require_plot('width', width, 1, 1000);
    RETURN QUERY
    WITH finite AS MATERIALIZED (
        SELECT v FROM unnest("values") v WHERE v > '-Infinity' AND v < 'Infinity'
    ), span AS (
        SELECT min(v) AS least_value, (max(v) - min(v)) / bins AS step FROM finite HAVING count(*) > 0
    ), counted AS (
        SELECT least(greatest(coalesce(floor((f.v - s.least_value) / nullif(s.step, 0)), 0), 0), bins - 1)::integer AS bin, count(*) AS n
        FROM finite f CROSS JOIN span s GROUP BY 1
    )
    SELECT s.least_value + i * s.step, s.least_value + (i + 1) * s.step, coalesce(c.n, 0), mlops._bar(coalesce(c.n, 0)::float8 / max(c.n) OVER (), width)
    FROM span s CROSS JOIN generate_series(0, bins - 1) i LEFT JOIN counted c ON c.bin = i
    ORDER BY i;
END
$$;
COMMENT ON FUNCTION mlops.plot_histogram(float8[], integer, integer) IS
    'A histogram in text: bins of equal width from the least to the greatest value, the number of values in each, and a bar, the longest of width characters; NULLs, NaN and infinities are left out; error 22023.';

CREATE FUNCTION mlops.plot_histogram(sketch mlops.sketch, bins integer DEFAULT 10, width integer DEFAULT 40)
    RETURNS TABLE(lower float8, upper float8, n bigint, bar text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    least_value float8 := mlops.min(sketch);
    step float8 := (mlops.max(sketch) - mlops.min(sketch)) / bins;
BEGIN
    PERFORM mlops._require_plot('bins', bins, 1, 1000), mlops._require_plot('width', width, 1, 1000);
    RETURN QUERY
    SELECT least_value + (o - 1) * step, least_value + o * step, c, mlops._bar(c::float8 / nullif(max(c) OVER (), 0), width)
    FROM unnest(mlops.histogram(sketch, ARRAY(SELECT least_value + i * step FROM generate_series(1, bins - 1) i))) WITH ORDINALITY u (c, o)
    WHERE least_value IS NOT NULL
    ORDER BY o;
END
$$;
COMMENT ON FUNCTION mlops.plot_histogram(mlops.sketch, integer, integer) IS
    'The same of a numeric sketch, such as those of mlops.profiles, exact to the sketch''s rank error; errors 22023 and ML050.';

CREATE FUNCTION mlops.plot_roc(model mlops.modelref, width integer DEFAULT 40, height integer DEFAULT 20) RETURNS SETOF text
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 20
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    d jsonb := mlops.describe(model);
    dot text := '*';
    diagonal text := '.';
    vertical text := '|';
    corner text := '+';
    horizontal text := '-';
    points jsonb := (SELECT r.record->'hold_out'->'points' FROM mlops.runs r WHERE r.id = (d->'run'->>'id')::bigint);
BEGIN
    PERFORM mlops._require_plot('width', width, 2, 1000), mlops._require_plot('height', height, 2, 1000);
    IF points IS NULL OR (points->-1->>1)::bigint = 0 OR (points->-1->>2)::bigint = 0 THEN
        RAISE EXCEPTION 'there is no ROC curve of version % of model "%"', d->>'version', d->>'model'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = 'It was not trained here, has no test rows of both classes, or predicts no two classes.',
                  HINT = 'Compute one from rows: SELECT mlops.roc(label, score, 100) FROM ...';
    END IF;
    IF getdatabaseencoding() = 'UTF8' THEN
        dot := chr(9679);
        diagonal := chr(183);
        vertical := chr(9474);
        corner := chr(9492);
        horizontal := chr(9472);
    END IF;
    RETURN QUERY
    WITH point AS (
        SELECT (p.value->>2)::float8 / (points->-1->>2)::float8 AS x, (p.value->>1)::float8 / (points->-1->>1)::float8 AS y
        FROM jsonb_array_elements(points) p
        UNION ALL SELECT 0, 0
    ), columns AS (
        -- the height of the curve over each column, by the line between its points
        SELECT c, round(((height - 1) * coalesce(
                   (SELECT max(l.y) + (min(g.y) - max(l.y)) * coalesce((c / (width - 1)::float8 - max(l.x)) / nullif(min(g.x) - max(l.x), 0), 0)
                    FROM (SELECT p.x, p.y FROM point p WHERE p.x <= c / (width - 1)::float8 ORDER BY p.x DESC, p.y DESC LIMIT 1) l,
                         (SELECT p.x, p.y FROM point p WHERE p.x >= c / (width - 1)::float8 ORDER BY p.x, p.y DESC LIMIT 1) g), 1))::numeric)::integer AS level
        FROM generate_series(0, width - 1) c
    )
    SELECT CASE r WHEN height - 1 THEN '1 ' WHEN 0 THEN '0 ' ELSE '  ' END || vertical ||
           string_agg(CASE WHEN c.level = r THEN dot WHEN round(((height - 1) * c.c / (width - 1)::float8)::numeric)::integer = r THEN diagonal ELSE ' ' END, '' ORDER BY c.c)
    FROM generate_series(0, height - 1) r CROSS JOIN columns c
    GROUP BY r ORDER BY r DESC;
    RETURN NEXT '  ' || corner || repeat(horizontal, width);
    RETURN NEXT '   0' || lpad('1', width - 1);
    RETURN NEXT format('   true positive rate over false positive rate, AUC %s', mlops._figure((d->'metrics'->>'auc')::float8));
END
$$;
COMMENT ON FUNCTION mlops.plot_roc(mlops.modelref, integer, integer) IS
    'The ROC curve of a version on its test rows, in text; needs privilege read; errors ML001 to ML003, 42501, 22023, and 55000 where there is none.';

CREATE FUNCTION mlops.plot_timeline(monitor text, metric text, attribute text DEFAULT NULL, "group" text DEFAULT NULL, width integer DEFAULT 40)
    RETURNS TABLE(window_start timestamp with time zone, value float8, threshold float8, verdict text, bar text)
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 100
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM mlops._require_plot('width', width, 1, 1000);
    IF NOT EXISTS (SELECT FROM mlops.monitors v WHERE v.monitor = plot_timeline.monitor AND mlops.has_privilege(v.model, 'read')) THEN
        RAISE EXCEPTION 'monitor "%" does not exist', monitor
            USING ERRCODE = 'ML057',
                  HINT = 'The view mlops.monitors has those of models that you may read.';
    END IF;
    RETURN QUERY
    SELECT l.window_start, l.value, l.threshold, l.verdict,
           mlops._bar(abs(l.value) / nullif(max(abs(l.value)) FILTER (WHERE abs(l.value) < 'Infinity') OVER (), 0), width)
    FROM (SELECT DISTINCT ON (r.window_start, r."check") r.*
          FROM mlops.check_results r
          WHERE r.monitor = plot_timeline.monitor AND r.metric = plot_timeline.metric
            AND (plot_timeline.attribute IS NULL OR r.attribute = plot_timeline.attribute)
            AND (plot_timeline."group" IS NULL OR r."group" = plot_timeline."group")
          ORDER BY r.window_start, r."check", r.attempt DESC, r.attribute NULLS FIRST, r."group" NULLS FIRST) l
    ORDER BY l.window_start, l."check";
END
$$;
COMMENT ON FUNCTION mlops.plot_timeline(text, text, text, text, integer) IS
    'A figure of a monitor over its windows, with its threshold, verdict and a bar, the longest of width characters; without attribute and group those of the whole where there are, else the first; needs privilege read on the model; errors ML057 and 22023.';
