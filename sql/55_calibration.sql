-- file: sql/55_calibration.sql
-- Calibration: a version whose scores are shares of positive rows.

-- Of a version that was calibrated itself, what made the one whose margins it
-- calibrates.
CREATE FUNCTION mlops._calibration_source(model mlops.modelref) RETURNS text[]
    LANGUAGE SQL STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT ARRAY[coalesce(v.classes[2], '1'),
                 r.record->>'query',
                 (SELECT jsonb_agg(x)::text FROM jsonb_array_elements(r.record->'relations') x),
                 CASE r.record->'split'->>'by' WHEN 'key' THEN r.record->>'key' END,
                 r.record->'split'->>'column',
                 ((SELECT jsonb_object_agg(p.key, p.value) FROM jsonb_each(r.record->'split') p
                   WHERE p.key IN ('test', 'validation') AND p.value::text::float8 > 0))::text,
                 r.record->>'seed']
    FROM mlops.version v
    LEFT JOIN mlops.version b ON b.model_id = v.model_id
                             AND b.version = coalesce((v.calibration->>'version')::integer, v.version)
    LEFT JOIN mlops.run r ON r.id = b.run_id
    WHERE v.id = mlops._resolve(model, 'manage')
$$;
COMMENT ON FUNCTION mlops._calibration_source(mlops.modelref) IS
    'Positive class of a version, and query, relations, key, column, shares and seed of the training that made it.';
REVOKE ALL ON FUNCTION mlops._calibration_source(mlops.modelref) FROM PUBLIC;

CREATE FUNCTION mlops._register_calibration(model mlops.modelref, calibration jsonb, metrics jsonb, description text)
    RETURNS mlops.modelref
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    base mlops.version;
    name text := mlops.model_name(model);
BEGIN
    SELECT v.* INTO STRICT base FROM mlops.version v WHERE v.id = mlops._resolve(model, 'manage');
    RETURN (name || '/' || mlops._add_version(
        name, base.info->>'task', base.artifact, base.signature, base.classes, metrics, 'calibrate', description, NULL,
        base.missing,
        calibration || jsonb_build_object('version', coalesce((base.calibration->>'version')::integer,
                                                              base.version))))::mlops.modelref;
END
$$;
COMMENT ON FUNCTION mlops._register_calibration(mlops.modelref, jsonb, jsonb, text) IS
    'Adds a version that has the model file of another one and a calibration.';
REVOKE ALL ON FUNCTION mlops._register_calibration(mlops.modelref, jsonb, jsonb, text) FROM PUBLIC;

CREATE FUNCTION mlops.calibrate(model mlops.modelref, query text, label text, method text DEFAULT 'isotonic',
                                test text DEFAULT NULL, description text DEFAULT NULL)
    RETURNS TABLE(model mlops.modelref, version integer, metrics jsonb)
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1
    AS 'MODULE_PATHNAME', 'mlops_calibrate';
COMMENT ON FUNCTION mlops.calibrate(mlops.modelref, text, text, text, text, text) IS
    'Adds a version with the same model file whose scores are probabilities by isotonic regression or Platt scaling of the margins of a query''s rows, which the training must not have had, with the metrics of the rows of another query if test is one; both run with the caller''s rights; the caller manages the model; errors ML021, ML030, 22004, 22023, 42501, 42703 and 54000.';
REVOKE ALL ON FUNCTION mlops.calibrate(mlops.modelref, text, text, text, text, text) FROM PUBLIC;
