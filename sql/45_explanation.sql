-- file: sql/45_explanation.sql
-- Explanations: what each feature contributes to a score, reasons for letters,
-- and how much a version uses each feature.

--
-- Contributions
--
CREATE FUNCTION mlops.contributions(model mlops.modelref, "row" record, class text DEFAULT NULL)
    RETURNS double precision[]
    LANGUAGE C STABLE PARALLEL SAFE COST 10000
    AS 'MODULE_PATHNAME', 'mlops_contributions_row';
COMMENT ON FUNCTION mlops.contributions(mlops.modelref, record, text) IS
    'What each feature adds to the margin (exact Shapley values, path-dependent TreeSHAP), in the order of the signature, and then the base value; together they are the margin of the class, or without one of the predicted class, of a row, whose columns are found by the names of the features; NULL is a missing value; needs privilege read; errors ML001 to ML003, 42501, ML020, ML021, ML011 and 22023.';

CREATE FUNCTION mlops.contributions(model mlops.modelref, features double precision[], class text DEFAULT NULL)
    RETURNS double precision[]
    LANGUAGE C STABLE PARALLEL SAFE COST 10000
    AS 'MODULE_PATHNAME', 'mlops_contributions_array';
COMMENT ON FUNCTION mlops.contributions(mlops.modelref, double precision[], text) IS
    'What each feature adds to the margin (exact Shapley values, path-dependent TreeSHAP), in the order of the signature, and then the base value; together they are the margin of the class, or without one of the predicted class, of an array of the features in the order of the signature, categories as their codes, NULL for a missing value; needs privilege read; errors ML001 to ML003, 42501, ML020, ML021, ML011 and 22023.';

CREATE FUNCTION mlops.contributions(model mlops.modelref, features jsonb, class text DEFAULT NULL)
    RETURNS double precision[]
    LANGUAGE C STABLE PARALLEL SAFE COST 10000
    AS 'MODULE_PATHNAME', 'mlops_contributions_jsonb';
COMMENT ON FUNCTION mlops.contributions(mlops.modelref, jsonb, text) IS
    'What each feature adds to the margin (exact Shapley values, path-dependent TreeSHAP), in the order of the signature, and then the base value; together they are the margin of the class, or without one of the predicted class, of a JSON object whose keys are the names of the features; null is a missing value; needs privilege read; errors ML001 to ML003, 42501, ML020, ML021, ML011 and 22023.';

CREATE FUNCTION mlops.explain(model mlops.modelref, "row" record, top integer DEFAULT NULL,
                              direction text DEFAULT 'both', class text DEFAULT NULL,
                              OUT rank integer, OUT feature text, OUT value text,
                              OUT contribution double precision, OUT reason text) RETURNS SETOF record
    LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 20
    AS 'MODULE_PATHNAME', 'mlops_explain_row';
COMMENT ON FUNCTION mlops.explain(mlops.modelref, record, integer, text, text) IS
    'The base value, with rank 0, and the features that contribute to the margin, the largest contributions first, at most top of them, of direction both, up or down, with their values and registered reasons, of a row, whose columns are found by the names of the features; NULL is a missing value; needs privilege read; errors ML001 to ML003, 42501, ML020, ML021, ML011 and 22023.';

CREATE FUNCTION mlops.explain(model mlops.modelref, features jsonb, top integer DEFAULT NULL,
                              direction text DEFAULT 'both', class text DEFAULT NULL,
                              OUT rank integer, OUT feature text, OUT value text,
                              OUT contribution double precision, OUT reason text) RETURNS SETOF record
    LANGUAGE C STABLE PARALLEL SAFE COST 10000 ROWS 20
    AS 'MODULE_PATHNAME', 'mlops_explain_jsonb';
COMMENT ON FUNCTION mlops.explain(mlops.modelref, jsonb, integer, text, text) IS
    'The base value, with rank 0, and the features that contribute to the margin, the largest contributions first, at most top of them, of direction both, up or down, with their values and registered reasons, of a JSON object whose keys are the names of the features; null is a missing value; needs privilege read; errors ML001 to ML003, 42501, ML020, ML021, ML011 and 22023.';

--
-- Reasons
--
CREATE TABLE mlops.reason_text (
    model_id bigint NOT NULL,
    feature text NOT NULL,
    direction text NOT NULL CHECK (direction OPERATOR(pg_catalog.=) ANY (ARRAY['up', 'down', 'missing'])),
    text text NOT NULL CHECK (pg_catalog.btrim(text) OPERATOR(pg_catalog.<>) ''),
    changed_at timestamp with time zone NOT NULL,
    changed_by name NOT NULL,
    PRIMARY KEY (model_id, feature, direction)
);
COMMENT ON TABLE mlops.reason_text IS
    'Private: what letters say of a feature that raised or lowered a score, or was missing; view mlops.reasons.';
REVOKE ALL ON mlops.reason_text FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.reason_text', '');

CREATE FUNCTION mlops._set_reason(model text, feature text, text text, direction text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint := mlops._lock_model(model);
    former text;
    former_state jsonb := mlops._reason_state(target, feature);
BEGIN
    IF feature IS NULL OR direction IS NULL THEN
        RAISE EXCEPTION 'a reason needs a feature and a direction'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF direction NOT IN ('up', 'down', 'missing') THEN
        RAISE EXCEPTION 'unknown direction "%"', direction
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Directions are up, for what raises the score, down, and missing, for a value that is not there.';
    END IF;
    IF btrim(text) = '' THEN
        RAISE EXCEPTION 'a reason cannot be empty'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'NULL removes the reason.';
    END IF;
    SELECT r.text INTO former FROM mlops.reason_text r
    WHERE r.model_id = target AND r.feature = _set_reason.feature AND r.direction = _set_reason.direction;
    IF former IS NOT DISTINCT FROM text THEN
        RETURN;
    END IF;
    -- A reason for a name that no version reads would never be given.
    IF text IS NOT NULL
       AND NOT EXISTS (SELECT FROM mlops.version v
                       WHERE v.model_id = target
                         AND v.signature @> jsonb_build_array(jsonb_build_object('name', feature))) THEN
        RAISE EXCEPTION 'no version of model "%" has a feature "%"', model, feature
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'mlops.describe() shows the features of a version.';
    END IF;

    IF text IS NULL THEN
        DELETE FROM mlops.reason_text r
        WHERE r.model_id = target AND r.feature = _set_reason.feature AND r.direction = _set_reason.direction;
    ELSE
        INSERT INTO mlops.reason_text (model_id, feature, direction, text, changed_at, changed_by)
        VALUES (target, feature, direction, text, clock_timestamp(), session_user)
        ON CONFLICT ON CONSTRAINT reason_text_pkey DO UPDATE
        SET text = excluded.text, changed_at = excluded.changed_at, changed_by = excluded.changed_by;
    END IF;
    PERFORM mlops._audit(action => 'reason.set', model => model, subject => feature,
                         state_before => former_state,
                         state_after => mlops._reason_state(target, feature),
                         detail => jsonb_build_object('direction', direction));
END
$$;
COMMENT ON FUNCTION mlops._set_reason(text, text, text, text) IS 'Body of mlops.set_reason().';
REVOKE ALL ON FUNCTION mlops._set_reason(text, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.set_reason(model text, feature text, text text, direction text DEFAULT 'up') RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.set_reason(text, text, text, text) IS
    'Registers what a letter says of a feature that raised the score (direction up), lowered it (down) or had no value, or a category that the model does not know (missing), for all versions of a model; NULL removes the text; needs privilege manage; errors ML001, 42501, 22004 and 22023.';
REVOKE ALL ON FUNCTION mlops.set_reason(text, text, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.reason_codes(model mlops.modelref, "row" record, n integer DEFAULT 4,
                                   adverse text DEFAULT 'up', class text DEFAULT NULL) RETURNS text[]
    LANGUAGE C STABLE PARALLEL SAFE COST 10000
    AS 'MODULE_PATHNAME', 'mlops_reason_codes_row';
COMMENT ON FUNCTION mlops.reason_codes(mlops.modelref, record, integer, text, text) IS
    'Reasons for a letter: the texts, or else the names, of at most n features that pushed the score in the adverse direction (up, towards the positive class, or down), the strongest first, no text twice, of a row, whose columns are found by the names of the features; NULL is a missing value; needs privilege score; errors ML001 to ML003, 42501, ML020, ML021, ML011 and 22023.';

CREATE FUNCTION mlops.reason_codes(model mlops.modelref, features jsonb, n integer DEFAULT 4,
                                   adverse text DEFAULT 'up', class text DEFAULT NULL) RETURNS text[]
    LANGUAGE C STABLE PARALLEL SAFE COST 10000
    AS 'MODULE_PATHNAME', 'mlops_reason_codes_jsonb';
COMMENT ON FUNCTION mlops.reason_codes(mlops.modelref, jsonb, integer, text, text) IS
    'Reasons for a letter: the texts, or else the names, of at most n features that pushed the score in the adverse direction (up, towards the positive class, or down), the strongest first, no text twice, of a JSON object whose keys are the names of the features; null is a missing value; needs privilege score; errors ML001 to ML003, 42501, ML020, ML021, ML011 and 22023.';

CREATE VIEW mlops.reasons WITH (security_barrier) AS
    SELECT m.name AS model, r.feature, r.direction, r.text AS reason, r.changed_at, r.changed_by
    FROM mlops.reason_text r JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) r.model_id
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.reasons IS
    'Texts of mlops.set_reason() for models on which the viewer has any privilege.';
GRANT SELECT ON mlops.reasons TO PUBLIC;

--
-- Importance
--
CREATE FUNCTION mlops.feature_importance(model mlops.modelref, kind text DEFAULT 'gain',
                                         OUT rank integer, OUT feature text, OUT importance double precision,
                                         OUT share double precision) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000 ROWS 20
    AS 'MODULE_PATHNAME', 'mlops_feature_importance';
COMMENT ON FUNCTION mlops.feature_importance(mlops.modelref, text) IS
    'Features that a version uses, by weight (number of splits; of a linear model its weight), gain or cover (mean per split), total_gain or total_cover, as XGBoost''s feature score has them, of LightGBM models with rows for cover, and the share (0 to 1) of the sum of absolute values; needs privilege read; errors ML001 to ML003, 42501, ML021 and 22023.';
