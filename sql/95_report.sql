-- file: sql/95_report.sql
-- Reports for people: a page of HTML on a version, and one on a monitor.
--
-- They read public views and functions with the rights of whoever asks, so that
-- they show what that role may see and nothing else.  A page is one file: its
-- style is in it, its plots are SVG, there is no script and no address.  What
-- comes from the database passes mlops._html(), which makes text of it.

--
-- Text and figures
--
CREATE FUNCTION mlops._html(content text) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(replace(replace(replace(replace(replace(content, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;'), '&#8211;')
$$;
COMMENT ON FUNCTION mlops._html(text) IS 'Text as HTML shows it, in an element or in an attribute; a dash for NULL.';

-- Names may run from right to left, which must not turn what is around them.
CREATE FUNCTION mlops._html_name(content text) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT '<bdi>' || mlops._html(content) || '</bdi>'
$$;
COMMENT ON FUNCTION mlops._html_name(text) IS 'A name as HTML shows it, apart from the direction of the text around it.';

CREATE FUNCTION mlops._figure(value float8) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN value IS NULL THEN '&#8211;'
                WHEN value IN ('NaN', 'Infinity', '-Infinity') THEN value::text
                WHEN abs(value) >= 1000 THEN trim_scale(round(value::numeric, 1))::text
                WHEN abs(value) >= 0.001 OR value = 0 THEN trim_scale(round(value::numeric, 4))::text
                ELSE ltrim(to_char(value, '0.00EEEE')) END
$$;
COMMENT ON FUNCTION mlops._figure(float8) IS 'A figure for people, as HTML: at most four decimals, a dash for NULL.';

CREATE FUNCTION mlops._interval_figure(value float8, lower float8, upper float8) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops._figure(value) || CASE WHEN lower IS NULL OR upper IS NULL THEN ''
                                        ELSE format(' <small>%s to %s</small>', mlops._figure(lower), mlops._figure(upper)) END
$$;
COMMENT ON FUNCTION mlops._interval_figure(float8, float8, float8) IS 'A figure with its interval, as HTML.';

CREATE FUNCTION mlops._instant(value timestamp with time zone) RETURNS text
    LANGUAGE SQL STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_char(value AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
$$;
COMMENT ON FUNCTION mlops._instant(timestamp with time zone) IS 'A time for people, in UTC; NULL for NULL.';

CREATE FUNCTION mlops._verdict(verdict text) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN verdict IS NULL THEN '&#8211;'
                WHEN verdict IN ('ok', 'warn', 'fail', 'insufficient') THEN format('<span class="v %s">%1$s</span>', verdict)
                ELSE mlops._html(verdict) END
$$;
COMMENT ON FUNCTION mlops._verdict(text) IS 'A verdict as HTML, marked by its word and not by its colour alone.';

-- Cells are HTML already.
CREATE FUNCTION mlops._html_table(caption text, headers text[], body text, note text DEFAULT NULL) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN body IS NULL OR body = '' THEN format('<p class="none">%s: none.</p>', mlops._html(caption))
                ELSE format('<div class="t" tabindex="0" role="region" aria-label="%s"><table><caption>%1$s</caption><thead><tr>%s</tr></thead><tbody>%s</tbody></table></div>',
                            mlops._html(caption),
                            (SELECT string_agg(format('<th scope="col">%s</th>', mlops._html(h)), '' ORDER BY o)
                             FROM unnest(headers) WITH ORDINALITY u (h, o)), body) END
           || CASE WHEN note IS NULL THEN '' ELSE format('<p class="note">%s</p>', mlops._html(note)) END
$$;
COMMENT ON FUNCTION mlops._html_table(text, text[], text, text) IS 'A table from its rows, which are HTML, or a line that there are none.';

CREATE FUNCTION mlops._html_row(VARIADIC cells text[]) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT '<tr><td>' || array_to_string(cells, '</td><td>', '&#8211;') || '</td></tr>'
$$;
COMMENT ON FUNCTION mlops._html_row(text[]) IS 'A row of a table; cells are HTML.';

CREATE FUNCTION mlops._html_section(title text, VARIADIC parts text[]) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('<section><h2>%s</h2>%s</section>', mlops._html(title), array_to_string(parts, '')) $$;
COMMENT ON FUNCTION mlops._html_section(text, text[]) IS 'A section of a page; parts are HTML.';

--
-- Plots: 320 x 220, the axes from (40, 180) to (310, 10)
--
-- One call for all points: a function costs more than the arithmetic.
CREATE FUNCTION mlops._svg_points(xs float8[], ys float8[], x_from float8, x_to float8, y_from float8, y_to float8, pattern text) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(format(pattern, round((40 + 270 * coalesce((x - x_from) / nullif(x_to - x_from, 0), 0.5))::numeric, 1),
                             round((180 - 170 * coalesce((least(greatest(y, y_from), y_to) - y_from) / nullif(y_to - y_from, 0), 0.5))::numeric, 1)), ' ' ORDER BY o)
    FROM unnest(xs, ys) WITH ORDINALITY u (x, y, o)
    WHERE x IS NOT NULL AND y > '-Infinity' AND y < 'Infinity'
$$;
COMMENT ON FUNCTION mlops._svg_points(float8[], float8[], float8, float8, float8, float8, text) IS
    'Where points lie in a plot, each by a pattern; those that are not finite are left out, those beyond the vertical axis are at its end.';

CREATE FUNCTION mlops._svg_line(xs float8[], ys float8[], x_from float8, x_to float8, y_from float8, y_to float8, class text) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('<polyline class="%s" points="%s"/>', class, mlops._svg_points(xs, ys, x_from, x_to, y_from, y_to, '%s,%s')) $$;
COMMENT ON FUNCTION mlops._svg_line(float8[], float8[], float8, float8, float8, float8, text) IS 'A line of a plot.';

CREATE FUNCTION mlops._svg_dots(xs float8[], ys float8[], x_from float8, x_to float8, y_from float8, y_to float8, class text) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('<path class="p %s" d="%s"/>', class, mlops._svg_points(xs, ys, x_from, x_to, y_from, y_to, 'M%s %sh0')) $$;
COMMENT ON FUNCTION mlops._svg_dots(float8[], float8[], float8, float8, float8, float8, text) IS 'Dots of a plot.';

CREATE FUNCTION mlops._svg_plot(title text, x_label text, y_label text, x_from text, x_to text, y_from text, y_to text, shapes text, note text DEFAULT NULL)
    RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('<figure><svg viewBox="0 0 320 220" role="img" aria-label="%s"><path class="axis" d="M40 10V180H310"/>%s'
                  '<text x="40" y="194">%s</text><text x="310" y="194" class="end">%s</text><text x="175" y="212" class="mid">%s</text>'
                  '<text x="36" y="180" class="end">%s</text><text x="36" y="18" class="end">%s</text><text transform="translate(10 95) rotate(-90)" class="mid">%s</text>'
                  '</svg><figcaption>%1$s%9$s</figcaption></figure>',
                  mlops._html(title), shapes, mlops._html(x_from), mlops._html(x_to), mlops._html(x_label),
                  mlops._html(y_from), mlops._html(y_to), mlops._html(y_label), CASE WHEN note IS NULL THEN '' ELSE '<br><small>' || mlops._html(note) || '</small>' END)
$$;
COMMENT ON FUNCTION mlops._svg_plot(text, text, text, text, text, text, text, text, text) IS 'A plot with its axes; shapes are SVG.';

-- Bars as one path: counts in n places, each of which is shared by several series.
CREATE FUNCTION mlops._svg_bars(heights float8[], greatest_height float8, x float8, y float8, width float8, height float8, series integer, number_of_series integer, class text)
    RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('<path class="%s" d="%s"/>', class,
                  string_agg(format('M%s %sh%sV%sh-%3$sz', round((x + place * (o - 1) + place * 0.9 * (series - 1) / number_of_series)::numeric, 1),
                                    round((y + height)::numeric, 1), round((place * 0.9 / number_of_series)::numeric, 1),
                                    round((y + height - height * least(coalesce(h / nullif(greatest_height, 0), 0), 1))::numeric, 1)), '' ORDER BY o))
    FROM unnest(heights) WITH ORDINALITY u (h, o), (SELECT width / nullif(cardinality(heights), 0) AS place) p
$$;
COMMENT ON FUNCTION mlops._svg_bars(float8[], float8, float8, float8, float8, float8, integer, integer, text) IS 'Bars of one series of a plot.';

-- Shares of the reference beside those of the present, from counts.
CREATE FUNCTION mlops._svg_histograms(reference jsonb, current jsonb) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('<svg class="s" viewBox="0 0 120 28" role="img" aria-label="shares by bin, of the reference: %s; now: %s">%s%s</svg>',
                  array_to_string(ARRAY(SELECT round((100 * v)::numeric) || '%' FROM unnest(r.v) v), ' '),
                  array_to_string(ARRAY(SELECT round((100 * v)::numeric) || '%' FROM unnest(c.v) v), ' '),
                  mlops._svg_bars(r.v, g.v, 0, 0, 120, 28, 1, 2, 'a'), mlops._svg_bars(c.v, g.v, 0, 0, 120, 28, 2, 2, 'b'))
    FROM (SELECT array_agg(e.v::float8 / nullif(s.total, 0) ORDER BY e.o) AS v
          FROM jsonb_array_elements_text(CASE jsonb_typeof(reference) WHEN 'array' THEN reference ELSE '[]' END) WITH ORDINALITY e (v, o),
               (SELECT sum(x::float8) AS total FROM jsonb_array_elements_text(CASE jsonb_typeof(reference) WHEN 'array' THEN reference ELSE '[]' END) x) s) r,
         (SELECT array_agg(e.v::float8 / nullif(s.total, 0) ORDER BY e.o) AS v
          FROM jsonb_array_elements_text(CASE jsonb_typeof(current) WHEN 'array' THEN current ELSE '[]' END) WITH ORDINALITY e (v, o),
               (SELECT sum(x::float8) AS total FROM jsonb_array_elements_text(CASE jsonb_typeof(current) WHEN 'array' THEN current ELSE '[]' END) x) s) c,
         LATERAL (SELECT max(x) AS v FROM unnest(r.v || c.v) x) g
    WHERE r.v IS NOT NULL AND c.v IS NOT NULL
$$;
COMMENT ON FUNCTION mlops._svg_histograms(jsonb, jsonb) IS 'Two small histograms beside each other, NULL without counts.';

-- A bar within a table, with its interval as a line.
CREATE FUNCTION mlops._svg_bar(value float8, lower float8, upper float8, greatest_value float8) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('<svg class="s" viewBox="0 0 120 12" aria-hidden="true"><rect class="a" y="2" width="%s" height="8"/>%s</svg>',
                  round((120 * least(greatest(coalesce(value / nullif(greatest_value, 0), 0), 0), 1))::numeric, 1),
                  CASE WHEN lower IS NOT NULL AND upper IS NOT NULL THEN
                      format('<path class="c" d="M%s 6H%s"/>', round((120 * least(greatest(lower / nullif(greatest_value, 0), 0), 1))::numeric, 1),
                             round((120 * least(greatest(upper / nullif(greatest_value, 0), 0), 1))::numeric, 1)) END)
$$;
COMMENT ON FUNCTION mlops._svg_bar(float8, float8, float8, float8) IS 'A bar within a table.';

--
-- The page
--
CREATE FUNCTION mlops._html_page(title text, subtitle text, body text) RETURNS text
    LANGUAGE SQL STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT '<!DOCTYPE html>' || E'\n' || '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''">'
        || '<title>' || mlops._html(title) || '</title><style>'
        ':root{--f:#fff;--t:#1b1f24;--m:#59636e;--l:#d1d9e0;--a:#9db7d5;--b:#0b5cad;--ok:#1a7f37;--warn:#9a6700;--fail:#c5221f}'
        '@media(prefers-color-scheme:dark){:root{--f:#14181d;--t:#e8ecf0;--m:#a3adb8;--l:#38414b;--a:#46668c;--b:#7db7f5;--ok:#57c26d;--warn:#e0a526;--fail:#ff7b72}}'
        '@media print{:root{--f:#fff;--t:#000;--m:#444;--l:#bbb;--a:#9db7d5;--b:#0b5cad}section{break-inside:avoid}.t{max-height:none!important;overflow:visible!important}}'
        '*{box-sizing:border-box}body{margin:0 auto;max-width:72rem;padding:1rem;background:var(--f);color:var(--t);font:16px/1.5 system-ui,sans-serif}'
        'h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0;overflow-wrap:anywhere}h2{font-size:1.2rem;border-bottom:1px solid var(--l);margin:2rem 0 .7rem;padding-bottom:.2rem}'
        'p,dd{overflow-wrap:anywhere}td{overflow-wrap:break-word;max-width:24rem}.note,.none,small,figcaption,caption,header p,footer{color:var(--m)}small,.note,footer{font-size:.85rem}'
        'dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.2rem 1rem;margin:0 0 .6rem}dt{color:var(--m)}dd{margin:0}'
        '.t{overflow:auto;max-height:40rem}table{border-collapse:collapse;min-width:50%;font-variant-numeric:tabular-nums}caption{text-align:left;font-size:.85rem}'
        'th,td{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--l);vertical-align:top}th{font-weight:600}'
        '.g{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:1rem}figure{margin:0}svg{width:100%;height:auto;max-width:30rem}svg.s{width:7.5rem;height:auto}'
        'svg text{fill:var(--m);font-size:10px}.mid{text-anchor:middle}.end{text-anchor:end}polyline,.axis,.d{fill:none;stroke:var(--l)}polyline.b{stroke:var(--b);stroke-width:2}polyline.a{stroke:var(--m);stroke-width:1.5;stroke-dasharray:5 3}'
        '.d{stroke-dasharray:4 4;stroke:var(--m)}.w{fill:none;stroke:var(--warn);stroke-dasharray:4 3}.p{stroke-width:6;stroke-linecap:round}.f{stroke:var(--fail)}.o{stroke:var(--b)}.m{stroke-width:3}path.a,rect.a{fill:var(--a)}path.b,rect.b{fill:var(--b)}.c{stroke:var(--t);stroke-width:1.5}'
        '.v{font-weight:600;border:1px solid;border-radius:.3rem;padding:0 .4rem;white-space:nowrap}.ok{color:var(--ok)}.warn{color:var(--warn)}.fail{color:var(--fail)}.insufficient{color:var(--m)}'
        'a{color:var(--b)}:focus-visible{outline:2px solid var(--b);outline-offset:2px}@media(max-width:30rem){dl{grid-template-columns:1fr}dt{margin-top:.4rem}}'
        '</style></head><body><header><h1>' || mlops._html_name(title) || '</h1><p>' || mlops._html(subtitle) || '</p></header><main>' || body
        || format('</main><footer><p>Made by mlops %s in the database %s for the role %s at %s.</p></footer></body></html>',
                  mlops._html((SELECT e.extversion FROM pg_extension e WHERE e.extname = 'mlops')), mlops._html_name(current_database()),
                  mlops._html_name(current_user), mlops._instant(now())) || E'\n'
$$;
COMMENT ON FUNCTION mlops._html_page(text, text, text) IS 'A page of HTML around its body.';

--
-- A version
--
CREATE FUNCTION mlops._report_list(items jsonb) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT '<dl>' || string_agg(format('<dt>%s</dt><dd>%s</dd>', mlops._html_name(i.value->>0), mlops._html_name(i.value->>1)), '' ORDER BY i.ordinality) || '</dl>'
    FROM jsonb_array_elements(items) WITH ORDINALITY i
    WHERE i.value->>1 IS NOT NULL AND i.value->>1 <> ''
$$;
COMMENT ON FUNCTION mlops._report_list(jsonb) IS 'Pairs of a term and what it is, without those that are empty.';

-- What training kept of the test rows.
CREATE FUNCTION mlops._report_plots(hold_out jsonb, metrics jsonb, classes text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    positives float8;
    negatives float8;
    recalls float8[];
    falls float8[];
    precisions float8[];
    shapes text;
    greatest_share float8;
    result text;
BEGIN
    IF jsonb_array_length(hold_out->'confusion') > 0 THEN
        RETURN mlops._html_table('Confusion matrix on the test rows: rows are actual classes, columns predicted ones',
            ARRAY[''] || classes,
            (SELECT string_agg('<tr><th scope="row">' || mlops._html_name(c) || '</th>' ||
                    (SELECT string_agg('<td>' || (hold_out->'confusion'->>((o - 1)::integer * cardinality(classes) + p - 1)) || '</td>', '' ORDER BY p)
                     FROM generate_series(1, cardinality(classes)) p) || '</tr>', '' ORDER BY o)
             FROM unnest(classes) WITH ORDINALITY u (c, o)));
    END IF;
    IF hold_out->'points' IS NULL THEN
        RETURN '<p class="none">There are no curves: the version was not trained here, has no test rows, or predicts no classes.</p>';
    END IF;
    positives := (hold_out->'points'->-1->>1)::float8;
    negatives := (hold_out->'points'->-1->>2)::float8;
    SELECT array_agg((p.value->>1)::float8 / nullif(positives, 0) ORDER BY p.ordinality),
           array_agg((p.value->>2)::float8 / nullif(negatives, 0) ORDER BY p.ordinality),
           array_agg((p.value->>1)::float8 / ((p.value->>1)::float8 + (p.value->>2)::float8) ORDER BY p.ordinality)
    INTO recalls, falls, precisions
    FROM jsonb_array_elements(hold_out->'points') WITH ORDINALITY p;
    IF positives > 0 AND negatives > 0 THEN
        result := mlops._svg_plot('ROC curve', 'false positive rate', 'true positive rate', '0', '1', '0', '1',
                '<path class="d" d="M40 180L310 10"/>' || mlops._svg_line(0::float8 || falls, 0::float8 || recalls, 0, 1, 0, 1, 'b'),
                'AUC ' || mlops._figure((metrics->>'auc')::float8) || ', Gini ' || mlops._figure((metrics->>'gini')::float8)
                || ', KS ' || mlops._figure((metrics->>'ks')::float8))
            || mlops._svg_plot('Precision and recall', 'recall', 'precision', '0', '1', '0', '1',
                mlops._svg_line(ARRAY[0::float8, 1], ARRAY[positives / (positives + negatives), positives / (positives + negatives)], 0, 1, 0, 1, 'a')
                || mlops._svg_line(recalls, precisions, 0, 1, 0, 1, 'b'),
                'area ' || mlops._figure((metrics->>'pr_auc')::float8) || '; dashed: the share of positive rows');
    END IF;
    IF hold_out->'calibration' IS NOT NULL THEN
        SELECT '<path class="d" d="M40 180L310 10"/>'
            || mlops._svg_line(array_agg((b->>'score')::float8 ORDER BY o), array_agg((b->>'positives')::float8 / (b->>'n')::float8 ORDER BY o), 0, 1, 0, 1, 'b')
            || mlops._svg_dots(array_agg((b->>'score')::float8 ORDER BY o), array_agg((b->>'positives')::float8 / (b->>'n')::float8 ORDER BY o), 0, 1, 0, 1, 'o')
        INTO shapes
        FROM jsonb_array_elements(hold_out->'calibration') WITH ORDINALITY u (b, o) WHERE (b->>'n')::bigint > 0;
        result := concat(result, mlops._svg_plot('Calibration', 'mean score', 'share of positive rows', '0', '1', '0', '1', shapes,
                                                 '10 bins of equal width; Brier score ' || mlops._figure((metrics->>'brier')::float8)));
    END IF;
    SELECT max(greatest(n.value::float8 / nullif(negatives, 0), p.value::float8 / nullif(positives, 0))) INTO greatest_share
    FROM ROWS FROM (jsonb_array_elements_text(hold_out->'distribution'->'negative'), jsonb_array_elements_text(hold_out->'distribution'->'positive')) u (n, p),
         LATERAL (SELECT u.n AS value) n, LATERAL (SELECT u.p AS value) p;
    RETURN '<div class="g">' || concat(result, mlops._svg_plot('Scores by class', 'score', 'share of the class',
        mlops._figure((hold_out->'distribution'->>'from')::float8), mlops._figure((hold_out->'distribution'->>'to')::float8), '0', mlops._figure(greatest_share),
        mlops._svg_bars(ARRAY(SELECT v::float8 / nullif(negatives, 0) FROM jsonb_array_elements_text(hold_out->'distribution'->'negative') v),
                        greatest_share, 40, 10, 270, 170, 1, 2, 'a')
        || mlops._svg_bars(ARRAY(SELECT v::float8 / nullif(positives, 0) FROM jsonb_array_elements_text(hold_out->'distribution'->'positive') v),
                           greatest_share, 40, 10, 270, 170, 2, 2, 'b'),
        format('light: %s, dark: %s', classes[1], classes[2]))) || '</div>';
END
$$;
COMMENT ON FUNCTION mlops._report_plots(jsonb, jsonb, text[]) IS 'The plots of a version''s test rows.';

--
-- What monitors found
--

-- The line of one figure over windows, its thresholds and what failed.
CREATE FUNCTION mlops._svg_timeline(title text, times timestamp with time zone[], figures float8[], thresholds float8[], verdicts text[],
                                    alerts timestamp with time zone[])
    RETURNS text
    LANGUAGE SQL STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops._svg_plot(title, 'window', 'value', left(mlops._instant(r.first), 10), left(mlops._instant(r.last), 10),
                           mlops._figure(r.least_figure), mlops._figure(r.greatest_figure),
                           mlops._svg_line(ARRAY(SELECT extract(epoch FROM t)::float8 FROM unnest(times) t), figures, r.x_from, r.x_to,
                                           r.least_figure, r.greatest_figure, 'b')
                           -- of a threshold that stays as it is the ends will do
                           || coalesce((SELECT mlops._svg_line(array_agg(extract(epoch FROM c.t)::float8 ORDER BY c.t), array_agg(c.h ORDER BY c.t), r.x_from, r.x_to,
                                                               r.least_figure, r.greatest_figure, 'w')
                                        FROM (SELECT t, h, lag(h) OVER w AS before, lead(h) OVER w AS after FROM unnest(times, thresholds) u (t, h) WINDOW w AS (ORDER BY t)) c
                                        WHERE c.h IS NOT NULL AND (c.h IS DISTINCT FROM c.before OR c.h IS DISTINCT FROM c.after)), '')
                           || mlops._svg_dots(ARRAY(SELECT extract(epoch FROM t)::float8 FROM unnest(times) t),
                                              ARRAY(SELECT CASE v WHEN 'fail' THEN f END FROM unnest(figures, verdicts) WITH ORDINALITY u (f, v, o) ORDER BY o),
                                              r.x_from, r.x_to, r.least_figure, r.greatest_figure, CASE WHEN cardinality(times) > 100 THEN 'f m' ELSE 'f' END)
                           || format('<path class="d" d="%s"/>', mlops._svg_points(ARRAY(SELECT extract(epoch FROM a)::float8 FROM unnest(alerts) a WHERE a BETWEEN r.first AND r.last),
                                                                                   array_fill(r.least_figure, ARRAY[coalesce(cardinality(alerts), 0)]), r.x_from, r.x_to,
                                                                                   r.least_figure, r.greatest_figure, 'M%s %sV10')),
                           format('%s windows, %s of them failed; last value %s', cardinality(times), cardinality(array_positions(verdicts, 'fail')),
                                  mlops._figure(figures[cardinality(figures)])))
    FROM (SELECT min(t) AS first, max(t) AS last, extract(epoch FROM min(t))::float8 AS x_from, extract(epoch FROM max(t))::float8 AS x_to,
                 least(min(f) FILTER (WHERE f > '-Infinity' AND f < 'Infinity'), min(h)) AS least_figure,
                 greatest(max(f) FILTER (WHERE f > '-Infinity' AND f < 'Infinity'), max(h)) AS greatest_figure
          FROM ROWS FROM (unnest(times), unnest(figures), unnest(thresholds)) u (t, f, h)) r
    WHERE r.greatest_figure IS NOT NULL
$$;
COMMENT ON FUNCTION mlops._svg_timeline(text, timestamp with time zone[], float8[], float8[], text[], timestamp with time zone[]) IS
    'A plot of a figure over time: dashed lines are thresholds, dots windows that failed, vertical lines alerts; NULL without figures.';

-- A line within a table: at most 60 points, of each part of the time the last.
CREATE FUNCTION mlops._svg_spark(figures float8[]) RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('<svg class="s" viewBox="0 0 120 28" aria-hidden="true"><polyline class="b" points="%s"/></svg>',
                  string_agg(round((120.0 * (p.o - 1) / greatest(p.n - 1, 1))::numeric) || ',' ||
                             round((26 - 24 * coalesce((p.f - p.least_figure) / nullif(p.greatest_figure - p.least_figure, 0), 0.5))::numeric), ' ' ORDER BY p.o))
    FROM (SELECT DISTINCT ON ((o - 1) * 60 / greatest(n, 60)) f, o, n, min(f) OVER () AS least_figure, max(f) OVER () AS greatest_figure
          FROM (SELECT f, row_number() OVER (ORDER BY o) AS o, count(*) OVER () AS n FROM unnest(figures) WITH ORDINALITY u (f, o)
                WHERE f > '-Infinity' AND f < 'Infinity') x
          ORDER BY (o - 1) * 60 / greatest(n, 60), o DESC) p
    HAVING count(*) > 1
$$;
COMMENT ON FUNCTION mlops._svg_spark(float8[]) IS 'A small line of figures, NULL for fewer than two.';

CREATE FUNCTION mlops._report_monitor(monitor text, since timestamp with time zone, plots integer, lines integer) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    drawn text;
    listed text;
    number bigint;
    groups text;
    raised text;
BEGIN
    WITH figure AS MATERIALIZED (
        SELECT r.id, r.window_start, r.attempt, r."check", r.metric, r.attribute, r."group", r.value, r.threshold, r.verdict
        FROM mlops.check_results r
        WHERE r.monitor = _report_monitor.monitor AND (since IS NULL OR r.window_start >= since)
    ), series AS (
        -- of a window that was measured again the last attempt counts
        SELECT max(f.id) AS last_id, count(*) AS windows, count(*) FILTER (WHERE f.verdict = 'fail') AS failed,
               array_agg(f.window_start) AS times, array_agg(f.value) AS figures, array_agg(f.threshold) AS thresholds, array_agg(f.verdict) AS verdicts
        FROM figure f
        JOIN (SELECT f.window_start, f."check", max(f.attempt) AS attempt FROM figure f GROUP BY f.window_start, f."check") a USING (window_start, "check", attempt)
        GROUP BY f."check", f.metric, f.attribute, f."group"
    ), chosen AS (
        SELECT s.windows, s.failed, count(*) OVER () AS number, x.*, concat_ws(' ', x.metric, x.attribute, x."group") AS title, s.times, s.figures, s.thresholds, s.verdicts,
               row_number() OVER (ORDER BY x.verdict = 'fail' DESC NULLS LAST, x.verdict = 'warn' DESC NULLS LAST, s.failed DESC, x.threshold IS NOT NULL DESC,
                                           abs(x.value) / nullif(abs(x.threshold), 0) DESC NULLS LAST, x.kind, x.metric, x.attribute, x."group") AS place
        FROM series s JOIN mlops.check_results x ON x.id = s.last_id
        ORDER BY place
        LIMIT greatest(plots, lines)
    ), drawn AS (
        SELECT c.place, c.number, c.windows, c.failed, c."check", c.kind, c.metric, c.attribute, c."group", c.value, c.threshold, c.verdict, c.n, c.definition, c.title, o.*
        FROM chosen c
        CROSS JOIN LATERAL (SELECT array_agg(u.t ORDER BY u.t) AS times, array_agg(u.f ORDER BY u.t) AS figures, array_agg(u.h ORDER BY u.t) AS thresholds,
                                   array_agg(u.v ORDER BY u.t) AS verdicts
                            FROM unnest(c.times, c.figures, c.thresholds, c.verdicts) u (t, f, h, v)) o
    )
    SELECT string_agg(mlops._svg_timeline(k.title, k.times, k.figures, k.thresholds, k.verdicts, a.opened), '' ORDER BY k.place)
               FILTER (WHERE k.place <= plots AND k.windows > 1),
           string_agg(mlops._html_row(mlops._html(k.kind), mlops._html_name(k.metric), mlops._html_name(k.attribute), mlops._html_name(k."group"),
                                      mlops._figure(k.value), mlops._figure(k.threshold), mlops._verdict(k.verdict), coalesce(k.n::text, '&#8211;'),
                                      format('%s of %s', k.failed, k.windows), coalesce(mlops._svg_spark(k.figures), ''),
                                      coalesce(mlops._svg_histograms(k.definition->'bins'->'reference', k.definition->'bins'->'current'), '')), '' ORDER BY k.place)
               FILTER (WHERE k.place <= lines),
           max(k.number),
           string_agg(mlops._html_row(mlops._html_name(k.metric), mlops._html_name(k.attribute), mlops._html_name(k."group"),
                                      mlops._svg_bar(k.value, NULL, NULL, 1.25), mlops._figure(k.value), mlops._verdict(k.verdict)), '' ORDER BY k.metric, k.attribute, k."group")
               FILTER (WHERE k.kind = 'bias' AND k.place <= lines)
    INTO drawn, listed, number, groups
    FROM drawn k
    LEFT JOIN LATERAL (SELECT array_agg(a.window_start) AS opened FROM mlops.alerts a
                       WHERE a."check" = k."check" AND k.place <= plots) a ON true;

    SELECT string_agg(mlops._html_row(mlops._html(a.id::text), mlops._html(a.kind), mlops._html(a.status), mlops._instant(a.window_start), mlops._instant(a.opened_at),
                                      mlops._html_name(a.acknowledged_by), mlops._html_name(coalesce(a.close_comment, a.comment)),
                                      mlops._html(concat_ws(': ', a.action, a.outcome))), '' ORDER BY a.id DESC)
    INTO raised
    FROM (SELECT a.* FROM mlops.alerts a WHERE a.monitor = _report_monitor.monitor AND (since IS NULL OR a.opened_at >= since) ORDER BY a.id DESC LIMIT 50) a;

    RETURN coalesce('<div class="g">' || drawn || '</div>', '<p class="none">There are no figures of two windows yet.</p>')
        || CASE WHEN lines > 0 THEN
            mlops._html_table('Last value of every figure, what failed first; small plots: its course, and shares by bin of the reference (light) and now (dark)',
                              '{check,metric,of,group,value,threshold,verdict,rows,failed,course,distribution}', listed,
                              CASE WHEN number > lines THEN format('%s more are in mlops.check_results.', number - lines) END)
            || CASE WHEN groups IS NOT NULL THEN mlops._html_table('Groups', '{metric,of,group,"",value,verdict}', groups) ELSE '' END
           ELSE '' END
        || mlops._html_table('Alerts', '{number,check,status,window,opened,"taken by",comment,action}', raised);
END
$$;
COMMENT ON FUNCTION mlops._report_monitor(text, timestamp with time zone, integer, integer) IS 'The results of a monitor as HTML.';

CREATE FUNCTION mlops.monitor_html(monitor text, since timestamp with time zone DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE COST 100000
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    o record;
    last_verdicts text;
BEGIN
    SELECT v.* INTO o FROM mlops.monitors v WHERE v.monitor = monitor_html.monitor;
    IF NOT FOUND OR NOT mlops.has_privilege(o.model, 'read') THEN
        RAISE EXCEPTION 'monitor "%" does not exist', monitor
            USING ERRCODE = 'ML057',
                  HINT = 'The view mlops.monitors has those of models that you may read.';
    END IF;
    RETURN mlops._html_page(monitor, 'monitor of the model ' || o.reference,
        mlops._html_section('What it watches', mlops._report_list(jsonb_build_array(
            jsonb_build_array('model', o.reference), jsonb_build_array('source', o.source), jsonb_build_array('time column', o.time_column),
            jsonb_build_array('window', o.window_length), jsonb_build_array('key', array_to_string(o.key, ', ')), jsonb_build_array('label', o.label),
            jsonb_build_array('groups', array_to_string(o.groups, ', ')), jsonb_build_array('owner', o.owner),
            jsonb_build_array('enabled', o.enabled), jsonb_build_array('last window ended', mlops._instant(o.last_window_end)))))
        || mlops._html_section('Checks', mlops._html_table('Checks', '{number,kind,arguments,warn,fail,"at least rows","on failure"}',
            (SELECT string_agg(mlops._html_row(c.id::text, mlops._html(c.kind), mlops._html_name(c.arguments::text), mlops._figure(c.warn::float8), mlops._figure(c.fail::float8),
                                               coalesce(c.min_rows::text, '&#8211;'), mlops._html(c.on_failure)), '' ORDER BY c.id)
             FROM mlops.monitor_checks c WHERE c.monitor = monitor_html.monitor)))
        || mlops._html_section('Results', mlops._report_monitor(monitor, since, 12, 100)));
END
$$;
COMMENT ON FUNCTION mlops.monitor_html(text, timestamp with time zone) IS
    'A page of HTML on a monitor: what it watches, its figures over the windows since a time (all if NULL) with thresholds and alerts, the last distributions beside those of the reference, groups; one file without scripts; needs privilege read on the model; error ML057.';

--
-- The page of a version
--
CREATE FUNCTION mlops._report_html(path text, model mlops.modelref, query text, label text, groups text[], favourable text[]) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    d jsonb := mlops.describe(model);
    name text := d->>'model';
    number integer := d->>'version';
    reference mlops.modelref := (d->>'model') || '/' || (d->>'version');
    hold_out jsonb := (SELECT r.record->'hold_out' FROM mlops.runs r WHERE r.id = (d->'run'->>'id')::bigint);
    classes text[] := ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(d->'classes') WHEN 'array' THEN d->'classes' ELSE '[]' END));
    card jsonb := (SELECT c.card FROM mlops.cards c WHERE c.model = d->>'model');
    body text;
    found_rows jsonb;
    statement text;
    checked text;
    o record;
BEGIN
    body := mlops._html_section('Model card', coalesce(
            mlops._report_list((SELECT jsonb_agg(jsonb_build_array(k.key, k.value #>> '{}') ORDER BY k.key) FROM jsonb_each(card) k)),
            '<p class="none">Nobody has set a card: mlops.set_card().</p>'),
        mlops._report_list(jsonb_build_array(
            jsonb_build_array('description', d->>'description'), jsonb_build_array('task', d->>'task'), jsonb_build_array('classes', array_to_string(classes, ', ')),
            jsonb_build_array('owner', d->>'owner'), jsonb_build_array('aliases', (SELECT string_agg(a, ', ') FROM jsonb_array_elements_text(d->'aliases') a)),
            jsonb_build_array('suspended', (SELECT string_agg(s.reason, '; ') FROM mlops.suspensions s WHERE s.model = d->>'model' AND s.ended_at IS NULL)))));

    body := body || mlops._html_section('Lineage', mlops._report_list(jsonb_build_array(
            jsonb_build_array('made', d->>'source'), jsonb_build_array('registered', mlops._instant((d->>'created_at')::timestamptz) || ' by ' || (d->>'created_by')),
            jsonb_build_array('query', d->'run'->>'query'),
            jsonb_build_array('relations', (SELECT string_agg(r, ', ') FROM jsonb_array_elements_text(d->'run'->'relations') r)),
            jsonb_build_array('snapshots', (SELECT string_agg(s.snapshot, ', ') FROM mlops.snapshots s WHERE (d->'run'->>'id')::bigint = ANY (s.runs))),
            jsonb_build_array('rows', (SELECT string_agg(r.key || ' ' || (r.value #>> '{}'), ', ' ORDER BY r.key) FROM jsonb_each(d->'run'->'rows') r)),
            jsonb_build_array('hash of the data', d->'run'->>'data_hash'),
            jsonb_build_array('parameters', (SELECT string_agg(p.key || ' ' || (p.value #>> '{}'), ', ' ORDER BY p.key) FROM jsonb_each(d->'run'->'params') p)),
            jsonb_build_array('rounds', d->'run'->'rounds'->>'trained'), jsonb_build_array('seed', d->'run'->>'seed'),
            jsonb_build_array('library', concat_ws(' ', d->'artifact'->>'library', d->'artifact'->>'library_version')),
            jsonb_build_array('file', concat_ws(', ', d->'artifact'->>'format', (d->'artifact'->>'bytes') || ' bytes', (d->'artifact'->>'trees') || ' trees')),
            jsonb_build_array('SHA-256', d->'artifact'->>'sha256'))),
        mlops._html_table('Features', '{feature,kind,type,categories}',
            (SELECT string_agg(mlops._html_row(mlops._html_name(f->>'name'), mlops._html(f->>'kind'), mlops._html(f->>'type'),
                                               mlops._html_name(left((SELECT string_agg(c, ', ') FROM jsonb_array_elements_text(f->'categories') c), 200))), '' ORDER BY i)
             FROM jsonb_array_elements(d->'features') WITH ORDINALITY u (f, i))));

    body := body || mlops._html_section('Performance on the rows that were held out',
        mlops._html_table('Metrics, with their intervals at 95 %', '{metric,value}',
            (SELECT string_agg(mlops._html_row(mlops._html_name(m.key),
                        CASE jsonb_typeof(m.value) WHEN 'number' THEN
                            mlops._interval_figure((m.value #>> '{}')::float8, (hold_out->'intervals'->m.key->>0)::float8, (hold_out->'intervals'->m.key->>1)::float8)
                        ELSE mlops._html_name(m.value #>> '{}') END), '' ORDER BY m.key)
             FROM jsonb_each(CASE jsonb_typeof(d->'metrics') WHEN 'object' THEN d->'metrics' ELSE '{}' END) m)),
        mlops._report_plots(hold_out, d->'metrics', classes));

    body := body || mlops._html_section('What it goes by', mlops._html_table('Importance: share of the gain of all splits', '{rank,feature,"",share}',
        (SELECT string_agg(mlops._html_row(i.rank::text, mlops._html_name(i.feature), mlops._svg_bar(i.share, NULL, NULL, i.largest), mlops._figure(i.share)), '' ORDER BY i.rank)
         FROM (SELECT f.*, max(f.share) OVER () AS largest FROM mlops.feature_importance(reference) f LIMIT 100) i)));

    IF query IS NOT NULL THEN
        statement := format('SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(x)) FROM (SELECT e.feature, pg_catalog.avg(pg_catalog.abs(e.contribution)) AS size,'
                            ' pg_catalog.avg(e.contribution) AS mean, pg_catalog.min(e.contribution) AS least, pg_catalog.max(e.contribution) AS greatest, pg_catalog.count(*) AS n'
                            ' FROM (SELECT * FROM (%s' || E'\n) q LIMIT 500) q, LATERAL mlops.explain(%L::mlops.modelref, q) e'
                            ' WHERE (e.rank OPERATOR(pg_catalog.>) 0) GROUP BY e.feature) x', query, reference);
        PERFORM set_config('search_path', path, true);
        EXECUTE statement INTO found_rows;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        body := body || mlops._html_section('What moved the scores', mlops._html_table(
            'SHAP values of the first rows of the query, at most 500: mean size, mean, least and greatest, in units of the margin', '{feature,"","mean size",mean,least,greatest,rows}',
            (SELECT string_agg(mlops._html_row(mlops._html_name(x->>'feature'), mlops._svg_bar((x->>'size')::float8, NULL, NULL, largest),
                                               mlops._figure((x->>'size')::float8), mlops._figure((x->>'mean')::float8), mlops._figure((x->>'least')::float8),
                                               mlops._figure((x->>'greatest')::float8), x->>'n'), '' ORDER BY (x->>'size')::float8 DESC)
             FROM (SELECT e.value AS x, max((e.value->>'size')::float8) OVER () AS largest FROM jsonb_array_elements(found_rows) e) e)));

        PERFORM set_config('search_path', path, true);
        EXECUTE 'SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r)) FROM mlops.drift_report($1, $2) r' INTO found_rows USING reference, query;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        body := body || mlops._html_section('Drift of the rows of the query', mlops._html_table(
            'Features, score and label against the version''s profile, the greatest first; light bars: the profile, dark ones: the query',
            '{of,role,metric,value,p,threshold,verdict,rows,distribution}',
            (SELECT string_agg(mlops._html_row(mlops._html_name(x->>'feature'), mlops._html(x->>'role'), mlops._html(x->>'method'), mlops._figure((x->>'value')::float8),
                                               mlops._figure((x->>'p_value')::float8), mlops._figure((x->>'threshold')::float8),
                                               mlops._verdict(x->>'verdict') || coalesce(' ' || mlops._html(x->>'problem'), ''), coalesce(x->>'n_current', '&#8211;'),
                                               coalesce(mlops._svg_histograms(x->'definition'->'bins'->'reference', x->'definition'->'bins'->'current'), '')), ''
                               ORDER BY (x->>'value')::float8 DESC NULLS LAST)
             FROM jsonb_array_elements(found_rows) x)));

        IF label IS NOT NULL THEN
            PERFORM set_config('search_path', path, true);
            EXECUTE 'SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r)) FROM mlops.performance_report($1, $2, label => $3) r' INTO found_rows USING reference, query, label;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            body := body || mlops._html_section('Performance on the rows of the query', mlops._html_table('Metrics, with their intervals at 95 %',
                '{metric,value,"on the test rows","of the champion",verdict,rows}',
                (SELECT string_agg(mlops._html_row(mlops._html(x->>'metric'), mlops._interval_figure((x->>'value')::float8, (x->>'lower')::float8, (x->>'upper')::float8),
                                                   mlops._figure((x->>'test_value')::float8), mlops._figure((x->>'champion_value')::float8), mlops._verdict(x->>'verdict'), x->>'n'), '' ORDER BY i)
                 FROM jsonb_array_elements(found_rows) WITH ORDINALITY u (x, i))));
        END IF;

        IF groups IS NOT NULL THEN
            query := format('SELECT q.*, mlops.predict_class(%L::mlops.modelref, q) AS "mlops predicted" FROM (%s' || E'\n) q', reference, query);
            PERFORM set_config('search_path', path, true);
            EXECUTE 'SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r)) FROM mlops.bias_report($1, $2, ''mlops predicted'', $3, favourable => $4) r'
                INTO found_rows USING query, label, groups, favourable;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            body := body || mlops._html_section('Groups', mlops._html_table('Rates and ratios by group, with their intervals at 95 %', '{metric,of,group,reference,"",value,verdict,rows}',
                (SELECT string_agg(mlops._html_row(mlops._html(x->>'metric'), mlops._html_name(x->>'attribute'), mlops._html_name(x->>'group'), mlops._html_name(x->>'reference'),
                                                   mlops._svg_bar((x->>'value')::float8, (x->>'lower')::float8, (x->>'upper')::float8, 1.25),
                                                   mlops._interval_figure((x->>'value')::float8, (x->>'lower')::float8, (x->>'upper')::float8), mlops._verdict(x->>'verdict'), x->>'n'), '' ORDER BY i)
                 FROM jsonb_array_elements(found_rows) WITH ORDINALITY u (x, i) WHERE i <= 300)));
        END IF;
    END IF;

    FOR o IN SELECT v.monitor FROM mlops.monitors v WHERE v.model = name ORDER BY v.monitor LIMIT 5 LOOP
        body := body || mlops._html_section('Monitor ' || o.monitor, mlops._report_monitor(o.monitor, NULL, 4, 0));
    END LOOP;

    body := body || mlops._html_section('Promotions', mlops._html_table('Aliases of the model over time', '{at,alias,action,from,to,by,reason,change}',
            (SELECT string_agg(mlops._html_row(mlops._instant(h.changed_at), mlops._html_name(h.alias), mlops._html(h.action), coalesce(h.previous_version::text, '&#8211;'), coalesce(h.version::text, '&#8211;'),
                                               mlops._html_name(h.changed_by), mlops._html_name(h.reason), mlops._html_name(h.change_ref)), '' ORDER BY h.id DESC)
             FROM (SELECT * FROM mlops.alias_history h WHERE h.model = name ORDER BY h.id DESC LIMIT 100) h)),
        mlops._html_table('Requests for this version', '{number,kind,alias,status,opened,by,approvals,reason,comment}',
            (SELECT string_agg(mlops._html_row(q.id::text, mlops._html(q.kind), mlops._html_name(q.alias), mlops._html(q.status), mlops._instant(q.created_at), mlops._html_name(q.created_by),
                                               format('%s of %s', q.approvals, q.approvals_needed), mlops._html_name(q.reason), mlops._html_name(q.comment)), '' ORDER BY q.id DESC)
             FROM mlops.requests q WHERE q.model = name AND q.version = number)));

    IF has_function_privilege('mlops.verify_audit(bigint, bigint, bytea, text[], text[])', 'EXECUTE') THEN
        IF coalesce((SELECT max(a.seq) FROM mlops.audit_log a), 0) > 300000 THEN
            checked := '<p>The log has more than 300,000 events, which a page does not wait for: run mlops.verify_audit().</p>';
        ELSE
            SELECT mlops._html_table('What mlops.verify_audit() says', '{status,event,detail}',
                                     string_agg(mlops._html_row(mlops._html(a.status), coalesce(a.seq::text, '&#8211;'), mlops._html_name(a.detail)), ''))
            INTO checked FROM mlops.verify_audit() a;
        END IF;
    ELSE
        checked := '<p>It was not verified: that needs EXECUTE on mlops.verify_audit().</p>';
    END IF;
    body := body || mlops._html_section('Audit log', checked);
    RETURN mlops._html_page(reference::text, 'version ' || number || ' of the model ' || name || coalesce(', ' || nullif(
        (SELECT string_agg(a, ', ') FROM jsonb_array_elements_text(d->'aliases') a), ''), ''), body);
END
$$;
COMMENT ON FUNCTION mlops._report_html(text, mlops.modelref, text, text, text[], text[]) IS 'Body of mlops.report_html(), after the search_path of its caller.';
REVOKE ALL ON FUNCTION mlops._report_html(text, mlops.modelref, text, text, text[], text[]) FROM PUBLIC;

CREATE FUNCTION mlops.report_html(model mlops.modelref, query text DEFAULT NULL, label text DEFAULT NULL, groups text[] DEFAULT NULL, favourable text[] DEFAULT NULL) RETURNS text
    LANGUAGE C STABLE PARALLEL UNSAFE COST 100000
    AS 'MODULE_PATHNAME', 'mlops_report_call';
COMMENT ON FUNCTION mlops.report_html(mlops.modelref, text, text, text[], text[]) IS
    'A page of HTML on a version: card, lineage, metrics with intervals, curves, importance, monitors, promotions, audit; with a query, which runs with the caller''s rights, also SHAP values, drift, and by its label and groups performance and fairness of these rows; one file without scripts; needs privilege read, with a query also score; errors ML001 to ML003, 42501 and those of the reports.';
