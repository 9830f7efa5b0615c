-- file: sql/76_profile.sql
-- Profiles: of a query, of a version, of windows of time.  Definitions: doc/monitoring.md.

--
-- Bins
--
CREATE TYPE mlops.bins AS (
    kind text,
    numbers float8[],
    texts text[]
);
COMMENT ON TYPE mlops.bins IS
    'Bins of a reference: kind intervals (numbers are edges, each belonging to the interval below it, the first and last interval open), numbers or texts (a bin each, ascending, and a last one for all other values).';

CREATE FUNCTION mlops.make_bins(reference mlops.sketch, n integer DEFAULT 10) RETURNS mlops.bins
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bins_make_sql';
COMMENT ON FUNCTION mlops.make_bins(mlops.sketch, integer) IS
    'Bins of a reference: at most n intervals with edges at its quantiles, equal edges merged; a bin per value where it has at most 20 distinct numbers or is categorical; error 22023.';

CREATE FUNCTION mlops.bin_counts(bins mlops.bins, sketch mlops.sketch) RETURNS bigint[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bins_counts_sql';
COMMENT ON FUNCTION mlops.bin_counts(mlops.bins, mlops.sketch) IS
    'Number of values in each bin, the last being above the last edge or all other values; NULL and NaN are in none; errors ML050 if one is of numbers and the other of texts, 22023.';

--
-- Profile of a query
--
CREATE FUNCTION mlops.profile(query text)
    RETURNS TABLE(name text, type text, kind text, rows bigint, nulls bigint, nans bigint, infinities bigint,
                  distinct_count float8, exact boolean, min float8, max float8, mean float8, stddev float8,
                  quantiles float8[], top_values jsonb, bins mlops.bins, bin_counts bigint[], sketch mlops.sketch)
    LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 1000000 ROWS 30
    AS 'MODULE_PATHNAME', 'mlops_profile';
COMMENT ON FUNCTION mlops.profile(text) IS
    'A row per column of a SELECT, which runs once with the caller''s rights: counts, moments, quantiles 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95 and 0.99, frequent values, bins and sketch, in bounded memory; a column of a type without sketch is unsupported and only counted; error 22023.';

--
-- Profiles of versions
--

-- One row per feature, score and label; frozen with the version.
CREATE TABLE mlops.profile_column (
    version_id bigint NOT NULL,
    role text NOT NULL CHECK (role OPERATOR(pg_catalog.=) ANY (ARRAY['feature', 'score', 'label'])),
    position integer NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    kind text NOT NULL CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['numeric', 'boolean', 'categorical'])),
    sketch mlops.sketch NOT NULL,
    bins mlops.bins NOT NULL,
    bin_counts bigint[] NOT NULL,
    source text NOT NULL CHECK (source OPERATOR(pg_catalog.=) ANY (ARRAY['train', 'set_profile'])),
    query text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    caller name NOT NULL,
    PRIMARY KEY (version_id, role, name)
);
COMMENT ON TABLE mlops.profile_column IS
    'Private: the frozen profile of a version, one immutable row per feature, score and label; view mlops.profiles.';
SELECT pg_catalog.pg_extension_config_dump('mlops.profile_column', '');
REVOKE ALL ON mlops.profile_column FROM PUBLIC;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.profile_column
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.profile_column ENABLE ALWAYS TRIGGER refuse_change;

CREATE FUNCTION mlops._check_profile(model text, version integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint;
BEGIN
    PERFORM mlops._require(model, 'manage');
    SELECT v.id INTO STRICT target
    FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id
    WHERE m.name = model AND v.version = _check_profile.version;
    IF EXISTS (SELECT FROM mlops.profile_column p WHERE p.version_id = target) THEN
        RAISE EXCEPTION '%/% already has a profile', model, version
            USING ERRCODE = 'ML051',
                  DETAIL = 'Later data are compared with it, so that it stays as it is.',
                  HINT = 'mlops.profiles shows it.';
    END IF;
    RETURN target;
END
$$;
COMMENT ON FUNCTION mlops._check_profile(text, integer) IS
    'Id of a version that the caller manages and that has no profile; errors 42501 and ML051.';
REVOKE ALL ON FUNCTION mlops._check_profile(text, integer) FROM PUBLIC;

CREATE FUNCTION mlops._store_profile(model text, version integer, source text, query text, roles text[],
                                     names text[], types text[], kinds text[], sketches mlops.sketch[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint := mlops._check_profile(model, version);
BEGIN
    INSERT INTO mlops.profile_column (version_id, role, position, name, type, kind, sketch, bins, bin_counts,
                                      source, query, created_at, created_by, caller)
    SELECT target, c.role, c.position, c.name, c.type, c.kind, c.sketch, c.bins,
           mlops.bin_counts(c.bins, c.sketch), source, query, clock_timestamp(), session_user, mlops._caller()
    FROM (SELECT u.*, mlops.make_bins(u.sketch, 10) AS bins
          FROM unnest(roles, names, types, kinds, sketches) WITH ORDINALITY
               AS u (role, name, type, kind, sketch, position)
          OFFSET 0) c;
    PERFORM mlops._audit(action => 'version.profile', model => model, version => version,
                         state_after => (SELECT jsonb_build_object(
                                             'source', _store_profile.source, 'columns', count(*),
                                             'rows', max(mlops.row_count(p.sketch)),
                                             'sha256', encode(sha256(convert_to(string_agg(
                                                 format('%s %s %s %s', p.role, p.name, encode(sha256(mlops.sketch_send(p.sketch)), 'hex'), p.bins),
                                                 E'\n' ORDER BY p.position), 'UTF8')), 'hex'))
                                         FROM mlops.profile_column p WHERE p.version_id = target));
END
$$;
COMMENT ON FUNCTION mlops._store_profile(text, integer, text, text, text[], text[], text[], text[], mlops.sketch[]) IS
    'Keeps the profile of a version, with bins made of it.';
REVOKE ALL ON FUNCTION mlops._store_profile(text, integer, text, text, text[], text[], text[], text[], mlops.sketch[]) FROM PUBLIC;

CREATE FUNCTION mlops.set_profile(model mlops.modelref, query text, label text DEFAULT NULL, score text DEFAULT NULL)
    RETURNS integer
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000
    AS 'MODULE_PATHNAME', 'mlops_set_profile';
COMMENT ON FUNCTION mlops.set_profile(mlops.modelref, text, text, text) IS
    'Gives a version that has no profile, such as an imported one, that of a SELECT, which runs with the caller''s rights: its features, its scores (the column named score, or what the version predicts) and its label; returns the number of columns; errors ML051 (it has one), 42703, 42804, 42501, 22023 and ML001 to ML003.';
REVOKE ALL ON FUNCTION mlops.set_profile(mlops.modelref, text, text, text) FROM PUBLIC;

CREATE VIEW mlops.profiles WITH (security_barrier) AS
    SELECT m.name AS model,
           v.version,
           p.role,
           p.name,
           p.type,
           p.kind,
           t.rows,
           t.nulls,
           t.nans,
           t.negative_infinities OPERATOR(pg_catalog.+) t.positive_infinities AS infinities,
           mlops.distinct_count(p.sketch) AS distinct_count,
           mlops.is_exact(p.sketch) AS exact,
           mlops.min(p.sketch) AS min,
           mlops.max(p.sketch) AS max,
           mlops.mean(p.sketch) AS mean,
           mlops.stddev(p.sketch) AS stddev,
           p.bins,
           p.bin_counts,
           p.sketch,
           p.position,
           p.source,
           p.query,
           p.created_at,
           p.created_by
    FROM mlops.profile_column p
    JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) p.version_id
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) v.model_id
    CROSS JOIN LATERAL mlops.totals(p.sketch) t
    WHERE mlops.has_privilege(m.name, 'read');
COMMENT ON VIEW mlops.profiles IS
    'Frozen profiles of versions of models on which the viewer has privilege read: a row per feature, score and label with counts, moments, bins and sketch.';

--
-- Profiles of windows
--

-- A column without a row in a window has an empty sketch there.  A window that
-- is profiled again, as late rows require, gets new rows instead of the old.
CREATE TABLE mlops.window_column (
    model_id bigint NOT NULL,
    source text NOT NULL,
    granularity interval NOT NULL,
    window_start timestamp with time zone NOT NULL,
    name text NOT NULL,
    position integer NOT NULL,
    type text NOT NULL,
    kind text NOT NULL CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['numeric', 'boolean', 'categorical'])),
    sketch mlops.sketch NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    PRIMARY KEY (model_id, source, granularity, window_start, name)
);
COMMENT ON TABLE mlops.window_column IS
    'Private: profiles of windows of time, one row per column and window; view mlops.window_profiles.';
SELECT pg_catalog.pg_extension_config_dump('mlops.window_column', '');
REVOKE ALL ON mlops.window_column FROM PUBLIC;

CREATE FUNCTION mlops._store_window(model text, source text, granularity interval, window_start timestamptz, roles text[],
                                    names text[], types text[], kinds text[], sketches mlops.sketch[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint;
BEGIN
    PERFORM mlops._require(model, 'manage');
    SELECT m.id INTO STRICT target FROM mlops.model m WHERE m.name = model;
    DELETE FROM mlops.window_column w
    WHERE w.model_id = target AND w.source = _store_window.source
      AND w.granularity = _store_window.granularity AND w.window_start = _store_window.window_start;
    INSERT INTO mlops.window_column (model_id, source, granularity, window_start, name, position, type, kind, sketch,
                                     created_at, created_by)
    SELECT target, source, granularity, window_start, u.name, u.position, u.type, u.kind, u.sketch,
           clock_timestamp(), session_user
    FROM unnest(names, types, kinds, sketches) WITH ORDINALITY AS u (name, type, kind, sketch, position);
END
$$;
COMMENT ON FUNCTION mlops._store_window(text, text, interval, timestamptz, text[], text[], text[], text[], mlops.sketch[]) IS
    'Keeps the profile of a window instead of the one that it had.';
REVOKE ALL ON FUNCTION mlops._store_window(text, text, interval, timestamptz, text[], text[], text[], text[], mlops.sketch[]) FROM PUBLIC;

CREATE FUNCTION mlops.profile_windows(model text, query text, time_column text, granularity interval,
                                      window_start timestamptz, window_end timestamptz, source text DEFAULT 'default')
    RETURNS TABLE(start_at timestamptz, end_at timestamptz, rows bigint)
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000
    AS 'MODULE_PATHNAME', 'mlops_profile_windows';
COMMENT ON FUNCTION mlops.profile_windows(text, text, text, interval, timestamptz, timestamptz, text) IS
    'Profiles the rows of a SELECT, which runs with the caller''s rights, in each window of time from window_start to before window_end, and keeps the profiles for mlops.merge_windows(); granularity is from 1 minute to 1 day; needs privilege manage; errors 22023, 22004, 42501, 54000 and ML001.';
REVOKE ALL ON FUNCTION mlops.profile_windows(text, text, text, interval, timestamptz, timestamptz, text) FROM PUBLIC;

CREATE VIEW mlops.window_profiles WITH (security_barrier) AS
    SELECT m.name AS model,
           w.source,
           w.granularity,
           w.window_start,
           w.window_start OPERATOR(pg_catalog.+) w.granularity AS window_end,
           w.name,
           w.type,
           w.kind,
           mlops.row_count(w.sketch) AS rows,
           w.sketch,
           w.position,
           w.created_at,
           w.created_by
    FROM mlops.window_column w JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) w.model_id
    WHERE mlops.has_privilege(m.name, 'read');
COMMENT ON VIEW mlops.window_profiles IS
    'Profiles of windows of time, of models on which the viewer has privilege read: a row per column and window.';

CREATE FUNCTION mlops.merge_windows(model text, granularity interval, window_start timestamptz, window_end timestamptz,
                                    source text DEFAULT 'default')
    RETURNS TABLE(name text, kind text, windows bigint, missing bigint, sketch mlops.sketch)
    LANGUAGE SQL STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT w.name, w.kind, count(*),
           round(extract(epoch FROM merge_windows.window_end - merge_windows.window_start)
                 / extract(epoch FROM merge_windows.granularity))::bigint - count(*),
           mlops.merge(w.sketch)
    FROM mlops.window_profiles w
    WHERE w.model = merge_windows.model AND w.source = merge_windows.source
      AND w.granularity = merge_windows.granularity
      AND w.window_start >= merge_windows.window_start AND w.window_start < merge_windows.window_end
    GROUP BY w.name, w.kind
    ORDER BY min(w.position), w.kind
$$;
COMMENT ON FUNCTION mlops.merge_windows(text, interval, timestamptz, timestamptz, text) IS
    'The profile of a time as the merge of its windows: per column (and kind, should it have changed) the windows that were merged, those that are missing, and the sketch; of models on which the caller has privilege read.';

GRANT SELECT ON mlops.profiles, mlops.window_profiles TO PUBLIC;
