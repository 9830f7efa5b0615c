-- file: sql/78_snapshot_profile.sql
-- Profiles of snapshots: a sketch and bins per column, frozen with the snapshot.

CREATE TABLE mlops.snapshot_column (
    snapshot_id bigint NOT NULL,
    position integer NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    kind text NOT NULL CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['numeric', 'boolean', 'categorical'])),
    sketch mlops.sketch NOT NULL,
    bins mlops.bins NOT NULL,
    bin_counts bigint[] NOT NULL,
    PRIMARY KEY (snapshot_id, name)
);
COMMENT ON TABLE mlops.snapshot_column IS
    'Private: the profile of a snapshot, one row per column that has a sketch, which goes with the snapshot alone; view mlops.snapshot_profiles.';
SELECT pg_catalog.pg_extension_config_dump('mlops.snapshot_column', '');
REVOKE ALL ON mlops.snapshot_column FROM PUBLIC;

CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON mlops.snapshot_column
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.snapshot_column ENABLE ALWAYS TRIGGER refuse_change;

CREATE FUNCTION mlops._store_snapshot_profile(id bigint, roles text[], names text[], types text[], kinds text[],
                                              sketches mlops.sketch[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM mlops._caller();
    INSERT INTO mlops.snapshot_column (snapshot_id, position, name, type, kind, sketch, bins, bin_counts)
    SELECT id, c.position, c.name, c.type, c.kind, c.sketch, c.bins, mlops.bin_counts(c.bins, c.sketch)
    FROM (SELECT u.*, mlops.make_bins(u.sketch, 10) AS bins
          FROM unnest(names, types, kinds, sketches) WITH ORDINALITY AS u (name, type, kind, sketch, position)
          OFFSET 0) c;
END
$$;
COMMENT ON FUNCTION mlops._store_snapshot_profile(bigint, text[], text[], text[], text[], mlops.sketch[]) IS
    'Keeps the profile of a new snapshot, with bins made of it.';
REVOKE ALL ON FUNCTION mlops._store_snapshot_profile(bigint, text[], text[], text[], text[], mlops.sketch[]) FROM PUBLIC;

CREATE FUNCTION mlops._profile_summary(kind text, sketch mlops.sketch) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'missing', CASE WHEN t.rows > 0 THEN (t.nulls + t.nans)::float8 / t.rows END,
        'distinct', mlops.distinct_count(sketch), 'mean', mlops.mean(sketch), 'stddev', mlops.stddev(sketch),
        'min', mlops.min(sketch), 'max', mlops.max(sketch),
        'top', CASE WHEN kind <> 'numeric' THEN (SELECT jsonb_object_agg(v.value, v.count) FROM mlops.top_values(sketch, 5) v) END))
    FROM mlops.totals(sketch) t
$$;
COMMENT ON FUNCTION mlops._profile_summary(text, mlops.sketch) IS 'A few figures of a column, for mlops.diff_snapshots().';
REVOKE ALL ON FUNCTION mlops._profile_summary(text, mlops.sketch) FROM PUBLIC;

-- Of each column that both have, of one kind, whose distributions differ: the
-- figures of each, and how far the second is from the bins of the first.
CREATE FUNCTION mlops._diff_profiles(before bigint, after bigint)
    RETURNS TABLE(item text, name text, before_value text, after_value text)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'distribution', o.name, mlops._profile_summary(o.kind, o.sketch)::text,
           (mlops._profile_summary(n.kind, n.sketch) || jsonb_build_object('psi', d.value, 'verdict', d.verdict))::text
    FROM mlops.snapshot_column o
    JOIN mlops.snapshot_column n ON n.snapshot_id = after AND n.name = o.name AND (n.kind = 'numeric') = (o.kind = 'numeric')
    CROSS JOIN LATERAL mlops.drift(o.sketch, n.sketch, o.bins, 'psi') d
    WHERE o.snapshot_id = before
      AND (NOT mlops.same_totals(o.sketch, n.sketch) OR mlops.bin_counts(o.bins, n.sketch) <> o.bin_counts)
    ORDER BY o.position
$$;
COMMENT ON FUNCTION mlops._diff_profiles(bigint, bigint) IS 'How the columns of two snapshots differ by their profiles.';
REVOKE ALL ON FUNCTION mlops._diff_profiles(bigint, bigint) FROM PUBLIC;

CREATE VIEW mlops.snapshot_profiles WITH (security_barrier) AS
    SELECT s.name OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) s.version::text AS snapshot,
           s.name AS snapshot_name,
           s.version,
           c.name,
           c.type,
           c.kind,
           t.rows,
           t.nulls,
           t.nans,
           t.negative_infinities OPERATOR(pg_catalog.+) t.positive_infinities AS infinities,
           mlops.distinct_count(c.sketch) AS distinct_count,
           mlops.is_exact(c.sketch) AS exact,
           mlops.min(c.sketch) AS min,
           mlops.max(c.sketch) AS max,
           mlops.mean(c.sketch) AS mean,
           mlops.stddev(c.sketch) AS stddev,
           c.bins,
           c.bin_counts,
           c.sketch,
           c.position
    FROM mlops.snapshot_column c
    JOIN mlops.snapshot s ON s.id OPERATOR(pg_catalog.=) c.snapshot_id
    CROSS JOIN LATERAL mlops.totals(c.sketch) t
    WHERE mlops._snapshot_readable(s.id);
COMMENT ON VIEW mlops.snapshot_profiles IS
    'Profiles of snapshots that the viewer may see: a row per column that has a sketch, with counts, moments, bins and sketch.';
GRANT SELECT ON mlops.snapshot_profiles TO PUBLIC;
