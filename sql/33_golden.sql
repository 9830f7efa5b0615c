-- file: sql/33_golden.sql
-- Golden rows: what shows that a version still gives the scores that it gave.

-- Number 0 and the following ones are made when the version is registered;
-- what is added later, with margins from elsewhere, has who added it.
CREATE TABLE mlops.golden_row (
    version_id bigint NOT NULL,
    number integer NOT NULL CHECK (number OPERATOR(pg_catalog.>=) 0),
    features double precision[] NOT NULL,
    margins double precision[] NOT NULL,
    score double precision,
    source text,
    added_at timestamp with time zone,
    added_by name,
    CONSTRAINT golden_row_pkey PRIMARY KEY (version_id, number),
    CHECK ((added_at IS NULL) OPERATOR(pg_catalog.=) (added_by IS NULL)),
    CHECK (source IS NULL OR added_by IS NOT NULL)
);
COMMENT ON TABLE mlops.golden_row IS
    'Private: rows of features with the margins that a version gave them, which it must give for ever; view mlops.golden_rows.';
REVOKE ALL ON mlops.golden_row FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.golden_row', '');

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.golden_row
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.golden_row ENABLE ALWAYS TRIGGER refuse_change;

CREATE FUNCTION mlops._golden_rows(artifact mlops.artifact,
                                   OUT number integer, OUT features double precision[], OUT margins double precision[])
    RETURNS SETOF record
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 32
    AS 'MODULE_PATHNAME', 'mlops_golden_rows';
COMMENT ON FUNCTION mlops._golden_rows(mlops.artifact) IS
    'Golden rows of a model file and the margins that it gives them.';
REVOKE ALL ON FUNCTION mlops._golden_rows(mlops.artifact) FROM PUBLIC;

CREATE FUNCTION mlops._compare_golden(version_id bigint, model text, version integer,
                                      artifact mlops.artifact, sha256 bytea, calibration jsonb) RETURNS integer
    LANGUAGE C STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_golden_check_sql';
COMMENT ON FUNCTION mlops._compare_golden(bigint, text, integer, mlops.artifact, bytea, jsonb) IS
    'Number of golden rows of a version to all of which its artifact gives the stored margins, and its calibration the stored scores; errors ML012 and ML013.';
REVOKE ALL ON FUNCTION mlops._compare_golden(bigint, text, integer, mlops.artifact, bytea, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._calibrated(calibration jsonb, margin double precision) RETURNS double precision
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_calibrated_sql';
COMMENT ON FUNCTION mlops._calibrated(jsonb, double precision) IS
    'The probability of the positive class that a stored calibration makes of a margin; PUBLIC may run it, as it measures calibrations with the rights of who made them; error XX001.';

-- Reads the artifact anew, whatever is cached.
CREATE FUNCTION mlops._check_golden(version_id bigint) RETURNS integer
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops._compare_golden(v.id, m.name, v.version, v.artifact, v.artifact_sha256, v.calibration)
    FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id
    WHERE v.id = version_id
$$;
COMMENT ON FUNCTION mlops._check_golden(bigint) IS
    'The same for a version by the id of its row.';
REVOKE ALL ON FUNCTION mlops._check_golden(bigint) FROM PUBLIC;

-- For the audit log: what the registration stored, by the bits of its numbers.
CREATE FUNCTION mlops._golden_digest(version_id bigint) RETURNS text
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT encode(sha256(string_agg(int4send(g.number) || array_send(g.features) || array_send(g.margins)
                                    || coalesce(float8send(g.score), ''),
                                    '' ORDER BY g.number)), 'hex')
    FROM mlops.golden_row g
    WHERE g.version_id = _golden_digest.version_id AND g.added_by IS NULL
$$;
COMMENT ON FUNCTION mlops._golden_digest(bigint) IS
    'SHA-256 in hexadecimal of the golden rows that a version got at its registration.';
REVOKE ALL ON FUNCTION mlops._golden_digest(bigint) FROM PUBLIC;

--
-- Reference rows from elsewhere
--
CREATE FUNCTION mlops._golden_row_state(version_id bigint, number integer) RETURNS jsonb
    LANGUAGE SQL STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object(
               'sha256', encode(sha256(array_send(g.features) || array_send(g.margins)
                                        || coalesce(float8send(g.score), '')), 'hex'),
               'source', g.source,
               'added_at', mlops._utc(g.added_at),
               'added_by', g.added_by)
    FROM mlops.golden_row g
    WHERE g.version_id = _golden_row_state.version_id AND g.number = _golden_row_state.number
$$;
COMMENT ON FUNCTION mlops._golden_row_state(bigint, integer) IS
    'State of a golden row that was added, as events have it; NULL if there is none.';
REVOKE ALL ON FUNCTION mlops._golden_row_state(bigint, integer) FROM PUBLIC;

CREATE FUNCTION mlops._state_golden_row() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, v.version, NULL::text, g.number::text, mlops._golden_row_state(g.version_id, g.number)
    FROM mlops.golden_row g
    LEFT JOIN mlops.version v ON v.id = g.version_id
    LEFT JOIN mlops.model m ON m.id = v.model_id
    WHERE g.added_by IS NOT NULL
$$;
COMMENT ON FUNCTION mlops._state_golden_row() IS
    'States of all golden rows that were added; those of a registration are part of the version''s.';
REVOKE ALL ON FUNCTION mlops._state_golden_row() FROM PUBLIC;

CREATE FUNCTION mlops._golden_row(model mlops.modelref, "row" jsonb, expected double precision[],
                                  OUT features double precision[], OUT margins double precision[])
    LANGUAGE C STABLE STRICT
    AS 'MODULE_PATHNAME', 'mlops_golden_row';
COMMENT ON FUNCTION mlops._golden_row(mlops.modelref, jsonb, double precision[]) IS
    'Features and margins of a row; error ML013 if the margins are not the expected ones.';
REVOKE ALL ON FUNCTION mlops._golden_row(mlops.modelref, jsonb, double precision[]) FROM PUBLIC;

CREATE FUNCTION mlops._add_golden_row(model mlops.modelref, "row" jsonb, margins double precision[], source text)
    RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most CONSTANT integer := 1000;
    target bigint := mlops._resolve(model, 'manage');
    reference mlops.modelref := mlops._reference(target);
    new_number integer;
    given record;
BEGIN
    IF target IS NULL OR "row" IS NULL OR margins IS NULL THEN
        RAISE EXCEPTION 'a golden row needs a version, a row and its margins'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    -- The lock makes rows of one version be numbered one at a time.
    PERFORM mlops._lock_model(mlops.model_name(model));
    given := mlops._golden_row(reference, "row", margins);
    SELECT max(g.number) + 1 INTO new_number FROM mlops.golden_row g WHERE g.version_id = target;
    IF new_number >= most THEN
        RAISE EXCEPTION '% has as many golden rows as a version can have', reference
            USING ERRCODE = 'program_limit_exceeded',
                  DETAIL = format('The limit is %s, because all are scored whenever the version is loaded.', most);
    END IF;
    INSERT INTO mlops.golden_row (version_id, number, features, margins, score, source, added_at, added_by)
    VALUES (target, new_number, given.features, given.margins,
            mlops._calibrated((SELECT v.calibration FROM mlops.version v WHERE v.id = target), given.margins[1]),
            source, clock_timestamp(), session_user);
    PERFORM mlops._audit(action => 'golden_row.add', model => mlops.model_name(model),
                         version => (SELECT v.version FROM mlops.version v WHERE v.id = target),
                         subject => new_number::text,
                         artifact_sha256 => (SELECT v.artifact_sha256 FROM mlops.version v WHERE v.id = target),
                         state_after => mlops._golden_row_state(target, new_number));
    RETURN new_number;
END
$$;
COMMENT ON FUNCTION mlops._add_golden_row(mlops.modelref, jsonb, double precision[], text) IS
    'Body of mlops.add_golden_row().';
REVOKE ALL ON FUNCTION mlops._add_golden_row(mlops.modelref, jsonb, double precision[], text) FROM PUBLIC;

CREATE FUNCTION mlops.add_golden_row(model mlops.modelref, "row" jsonb, margins double precision[],
                                     source text DEFAULT NULL) RETURNS integer
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.add_golden_row(mlops.modelref, jsonb, double precision[], text) IS
    'Keeps a row and the raw margins that the place where the model came from gives it as a golden row of a version, and returns its number; refused with error ML013 unless the version gives exactly these margins, in the precision of its library; needs privilege manage; errors 42501, 22004, 22023, 54000, ML001 to ML003 and ML020.';
REVOKE ALL ON FUNCTION mlops.add_golden_row(mlops.modelref, jsonb, double precision[], text) FROM PUBLIC;

CREATE VIEW mlops.golden_rows WITH (security_barrier) AS
    SELECT m.name AS model, v.version, g.number, g.features, g.margins, g.source, g.added_at, g.added_by, g.score
    FROM mlops.golden_row g
    JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) g.version_id
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) v.model_id
    WHERE mlops.has_privilege(m.name, 'read');
COMMENT ON VIEW mlops.golden_rows IS
    'Golden rows of models on which the viewer has privilege read: features in the order of the signature (a category as its code, NULL is missing) and the raw margins that the version must give, and the score that its calibration makes of them, NULL without one; those of the registration have no added_by.';
GRANT SELECT ON mlops.golden_rows TO PUBLIC;

--
-- Verification of one version
--

-- Each check by itself, so that one that fails does not hide the others.
CREATE FUNCTION mlops._verify_model(model mlops.modelref, OUT item text, OUT verdict text, OUT detail text)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target mlops.version;
    origin text;
    actual bytea;
    expected integer;
    compared integer;
    added bigint;
    failure text;
    failure_detail text;
BEGIN
    SELECT v.* INTO STRICT target FROM mlops.version v WHERE v.id = mlops._resolve(model, 'read');
    SELECT v.source INTO origin FROM mlops.version v
    WHERE v.model_id = target.model_id
      AND v.version = coalesce((target.calibration->>'version')::integer, target.version);
    FOREACH item IN ARRAY '{artifact,structure,signature,"golden rows",library}'::text[]
                          || CASE WHEN target.calibration IS NOT NULL THEN '{calibration}'::text[] END LOOP
        BEGIN
            CASE item
            WHEN 'artifact' THEN
                actual := sha256(target.artifact::bytea);
                detail := format('%s bytes with sha256 %s', target.info->>'bytes', encode(actual, 'hex'));
                verdict := CASE actual WHEN target.artifact_sha256 THEN 'pass' ELSE 'fail' END;
            WHEN 'structure' THEN
                detail := format('%s for %s, trees: %s, nodes: %s', target.info->>'booster',
                                 target.info->>'task', target.info->>'trees', target.info->>'nodes');
                verdict := CASE mlops.artifact_info(target.artifact) - 'features'
                           WHEN target.info THEN 'pass' ELSE 'fail' END;
            WHEN 'signature' THEN
                detail := format('%s features, %s classes', jsonb_array_length(target.signature),
                                 coalesce(cardinality(target.classes), 0));
                expected := CASE target.info->>'task' WHEN 'binary' THEN 2
                                                      WHEN 'multiclass' THEN (target.info->>'groups')::integer END;
                verdict := CASE WHEN mlops._check_signature(target.signature, target.artifact) = target.signature
                                     AND (target.classes IS NULL OR cardinality(target.classes) IS NOT DISTINCT FROM expected)
                                THEN 'pass' ELSE 'fail' END;
            WHEN 'golden rows' THEN
                compared := mlops._check_golden(target.id);
                SELECT count(*) INTO added FROM mlops.golden_row g
                WHERE g.version_id = target.id AND g.added_by IS NOT NULL;
                detail := format('margins of %s rows equal in every bit, %s of them from elsewhere', compared, added);
                verdict := 'pass';
            WHEN 'library' THEN
                detail := format('%s %s; %s', target.info->>'library', target.info->>'library_version',
                                 CASE WHEN compared IS NULL THEN 'golden rows do not show what it gave'
                                      WHEN origin = 'train' THEN
                                          'it gave the golden rows the same margins when it trained the model'
                                      WHEN added > 0 THEN
                                          'golden rows from elsewhere have the same margins here'
                                      ELSE 'no margins of its own are known: add some with mlops.add_golden_row()' END);
                verdict := CASE WHEN compared IS NULL THEN 'fail'
                                WHEN origin = 'train' OR added > 0 THEN 'pass' ELSE 'unknown' END;
            WHEN 'calibration' THEN
                detail := format('%s of the margins of version %s, fitted with %s rows; %s', target.calibration->>'method',
                                 target.calibration->>'version', target.calibration->>'rows',
                                 CASE WHEN compared IS NULL THEN 'golden rows do not show what it gave'
                                      ELSE 'it gives the golden rows the scores that it gave' END);
                verdict := CASE WHEN compared IS NOT NULL
                                     AND EXISTS (SELECT FROM mlops.version b
                                                 WHERE b.model_id = target.model_id
                                                   AND b.version = (target.calibration->>'version')::integer
                                                   AND b.artifact_sha256 = target.artifact_sha256)
                                THEN 'pass' ELSE 'fail' END;
            END CASE;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS failure = MESSAGE_TEXT, failure_detail = PG_EXCEPTION_DETAIL;
            detail := concat_ws(': ', failure, nullif(failure_detail, ''));
            verdict := 'fail';
        END;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION mlops._verify_model(mlops.modelref) IS 'Body of mlops.verify_model().';
REVOKE ALL ON FUNCTION mlops._verify_model(mlops.modelref) FROM PUBLIC;

CREATE FUNCTION mlops.verify_model(model mlops.modelref, OUT item text, OUT verdict text, OUT detail text)
    RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 5 COST 100000
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.verify_model(mlops.modelref) IS
    'Checks a version as it is stored, whatever is cached: hash of the model file, its structure, signature, golden rows bit for bit, the library that made it, and the calibration if it has one; a row for each with pass, fail, or unknown where nothing is known to compare with; needs privilege read; errors ML001 to ML003 and 42501.';
