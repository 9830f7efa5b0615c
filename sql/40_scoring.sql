-- file: sql/40_scoring.sql
-- Scores: of a row, an array or a JSON object, by name.

CREATE FUNCTION mlops._predict_support(internal) RETURNS internal
    LANGUAGE C STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_predict_support';
COMMENT ON FUNCTION mlops._predict_support(internal) IS 'Planner support function of the scoring functions: their cost.';
REVOKE ALL ON FUNCTION mlops._predict_support(internal) FROM PUBLIC;

CREATE FUNCTION mlops.predict(model mlops.modelref, "row" record) RETURNS double precision
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_row';
COMMENT ON FUNCTION mlops.predict(mlops.modelref, record) IS
    'The predicted value, or the probability of the positive class (0 to 1), of a row, whose columns are found by the names of the features; NULL is a missing value; needs privilege score; errors ML001 to ML003, 42501 and ML020, error ML021 for a multiclass model.';

CREATE FUNCTION mlops.predict(model mlops.modelref, features double precision[]) RETURNS double precision
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_array';
COMMENT ON FUNCTION mlops.predict(mlops.modelref, double precision[]) IS
    'The predicted value, or the probability of the positive class (0 to 1), of an array of the features in the order of the signature, categories as their codes, NULL for a missing value; needs privilege score; errors ML001 to ML003, 42501 and ML020, error ML021 for a multiclass model.';

CREATE FUNCTION mlops.predict(model mlops.modelref, features jsonb) RETURNS double precision
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_jsonb';
COMMENT ON FUNCTION mlops.predict(mlops.modelref, jsonb) IS
    'The predicted value, or the probability of the positive class (0 to 1), of a JSON object whose keys are the names of the features; null is a missing value; needs privilege score; errors ML001 to ML003, 42501 and ML020, error ML021 for a multiclass model.';

CREATE FUNCTION mlops.predict_class(model mlops.modelref, "row" record) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_class_row';
COMMENT ON FUNCTION mlops.predict_class(mlops.modelref, record) IS
    'The name of the likeliest class: of two, the positive one from a probability of 0.5 on, of a row, whose columns are found by the names of the features; NULL is a missing value; needs privilege score; errors ML001 to ML003, 42501 and ML020, error ML021 for a regression.';

CREATE FUNCTION mlops.predict_class(model mlops.modelref, features double precision[]) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_class_array';
COMMENT ON FUNCTION mlops.predict_class(mlops.modelref, double precision[]) IS
    'The name of the likeliest class: of two, the positive one from a probability of 0.5 on, of an array of the features in the order of the signature, categories as their codes, NULL for a missing value; needs privilege score; errors ML001 to ML003, 42501 and ML020, error ML021 for a regression.';

CREATE FUNCTION mlops.predict_class(model mlops.modelref, features jsonb) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_class_jsonb';
COMMENT ON FUNCTION mlops.predict_class(mlops.modelref, jsonb) IS
    'The name of the likeliest class: of two, the positive one from a probability of 0.5 on, of a JSON object whose keys are the names of the features; null is a missing value; needs privilege score; errors ML001 to ML003, 42501 and ML020, error ML021 for a regression.';

CREATE FUNCTION mlops.predict_proba(model mlops.modelref, "row" record) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_proba_row';
COMMENT ON FUNCTION mlops.predict_proba(mlops.modelref, record) IS
    'The probability of each class (0 to 1), in the order of the classes in mlops.versions, of a row, whose columns are found by the names of the features; NULL is a missing value; needs privilege score; errors ML001 to ML003, 42501 and ML020, error ML021 for a model without probabilities.';

CREATE FUNCTION mlops.predict_proba(model mlops.modelref, features double precision[]) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_proba_array';
COMMENT ON FUNCTION mlops.predict_proba(mlops.modelref, double precision[]) IS
    'The probability of each class (0 to 1), in the order of the classes in mlops.versions, of an array of the features in the order of the signature, categories as their codes, NULL for a missing value; needs privilege score; errors ML001 to ML003, 42501 and ML020, error ML021 for a model without probabilities.';

CREATE FUNCTION mlops.predict_proba(model mlops.modelref, features jsonb) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_proba_jsonb';
COMMENT ON FUNCTION mlops.predict_proba(mlops.modelref, jsonb) IS
    'The probability of each class (0 to 1), in the order of the classes in mlops.versions, of a JSON object whose keys are the names of the features; null is a missing value; needs privilege score; errors ML001 to ML003, 42501 and ML020, error ML021 for a model without probabilities.';

CREATE FUNCTION mlops.predict_margin(model mlops.modelref, "row" record) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_margin_row';
COMMENT ON FUNCTION mlops.predict_margin(mlops.modelref, record) IS
    'The raw margins before the objective''s transform, one per class or target, with the bits of the library that trained the model, of a row, whose columns are found by the names of the features; NULL is a missing value; needs privilege score; errors ML001 to ML003, 42501 and ML020.';

CREATE FUNCTION mlops.predict_margin(model mlops.modelref, features double precision[]) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_margin_array';
COMMENT ON FUNCTION mlops.predict_margin(mlops.modelref, double precision[]) IS
    'The raw margins before the objective''s transform, one per class or target, with the bits of the library that trained the model, of an array of the features in the order of the signature, categories as their codes, NULL for a missing value; needs privilege score; errors ML001 to ML003, 42501 and ML020.';

CREATE FUNCTION mlops.predict_margin(model mlops.modelref, features jsonb) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_margin_jsonb';
COMMENT ON FUNCTION mlops.predict_margin(mlops.modelref, jsonb) IS
    'The raw margins before the objective''s transform, one per class or target, with the bits of the library that trained the model, of a JSON object whose keys are the names of the features; null is a missing value; needs privilege score; errors ML001 to ML003, 42501 and ML020.';

-- What if: the same with other values for some features.  The planner leaves
-- these calls on a row as they are.
CREATE FUNCTION mlops.predict(model mlops.modelref, "row" record, changes jsonb, calibrated boolean DEFAULT true) RETURNS double precision
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_row';
COMMENT ON FUNCTION mlops.predict(mlops.modelref, record, jsonb, boolean) IS
    'The predicted value, or the probability of the positive class (0 to 1), of a row in which the features that changes, a JSON object, names have its values, {} for none; without the calibration and threshold of a calibrated version if calibrated is false; needs privilege score; errors ML001 to ML003, 42501 and ML020, also for a key that is no feature, error ML021 for a multiclass model.';

CREATE FUNCTION mlops.predict(model mlops.modelref, features double precision[], changes jsonb, calibrated boolean DEFAULT true) RETURNS double precision
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_array';
COMMENT ON FUNCTION mlops.predict(mlops.modelref, double precision[], jsonb, boolean) IS
    'The predicted value, or the probability of the positive class (0 to 1), of an array of the features in which the features that changes, a JSON object, names have its values, {} for none; without the calibration and threshold of a calibrated version if calibrated is false; needs privilege score; errors ML001 to ML003, 42501 and ML020, also for a key that is no feature, error ML021 for a multiclass model.';

CREATE FUNCTION mlops.predict(model mlops.modelref, features jsonb, changes jsonb, calibrated boolean DEFAULT true) RETURNS double precision
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_jsonb';
COMMENT ON FUNCTION mlops.predict(mlops.modelref, jsonb, jsonb, boolean) IS
    'The predicted value, or the probability of the positive class (0 to 1), of a JSON object in which the features that changes, a JSON object, names have its values, {} for none; without the calibration and threshold of a calibrated version if calibrated is false; needs privilege score; errors ML001 to ML003, 42501 and ML020, also for a key that is no feature, error ML021 for a multiclass model.';

CREATE FUNCTION mlops.predict_class(model mlops.modelref, "row" record, changes jsonb, calibrated boolean DEFAULT true) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_class_row';
COMMENT ON FUNCTION mlops.predict_class(mlops.modelref, record, jsonb, boolean) IS
    'The name of the likeliest class, as mlops.predict_class() without changes gives it, of a row in which the features that changes, a JSON object, names have its values, {} for none; without the calibration and threshold of a calibrated version if calibrated is false; needs privilege score; errors ML001 to ML003, 42501 and ML020, also for a key that is no feature, error ML021 for a regression.';

CREATE FUNCTION mlops.predict_class(model mlops.modelref, features double precision[], changes jsonb, calibrated boolean DEFAULT true) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_class_array';
COMMENT ON FUNCTION mlops.predict_class(mlops.modelref, double precision[], jsonb, boolean) IS
    'The name of the likeliest class, as mlops.predict_class() without changes gives it, of an array of the features in which the features that changes, a JSON object, names have its values, {} for none; without the calibration and threshold of a calibrated version if calibrated is false; needs privilege score; errors ML001 to ML003, 42501 and ML020, also for a key that is no feature, error ML021 for a regression.';

CREATE FUNCTION mlops.predict_class(model mlops.modelref, features jsonb, changes jsonb, calibrated boolean DEFAULT true) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_class_jsonb';
COMMENT ON FUNCTION mlops.predict_class(mlops.modelref, jsonb, jsonb, boolean) IS
    'The name of the likeliest class, as mlops.predict_class() without changes gives it, of a JSON object in which the features that changes, a JSON object, names have its values, {} for none; without the calibration and threshold of a calibrated version if calibrated is false; needs privilege score; errors ML001 to ML003, 42501 and ML020, also for a key that is no feature, error ML021 for a regression.';

CREATE FUNCTION mlops.predict_proba(model mlops.modelref, "row" record, changes jsonb, calibrated boolean DEFAULT true) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_proba_row';
COMMENT ON FUNCTION mlops.predict_proba(mlops.modelref, record, jsonb, boolean) IS
    'The probability of each class (0 to 1), in the order of the classes in mlops.versions, of a row in which the features that changes, a JSON object, names have its values, {} for none; without the calibration and threshold of a calibrated version if calibrated is false; needs privilege score; errors ML001 to ML003, 42501 and ML020, also for a key that is no feature, error ML021 for a model without probabilities.';

CREATE FUNCTION mlops.predict_proba(model mlops.modelref, features double precision[], changes jsonb, calibrated boolean DEFAULT true) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_proba_array';
COMMENT ON FUNCTION mlops.predict_proba(mlops.modelref, double precision[], jsonb, boolean) IS
    'The probability of each class (0 to 1), in the order of the classes in mlops.versions, of an array of the features in which the features that changes, a JSON object, names have its values, {} for none; without the calibration and threshold of a calibrated version if calibrated is false; needs privilege score; errors ML001 to ML003, 42501 and ML020, also for a key that is no feature, error ML021 for a model without probabilities.';

CREATE FUNCTION mlops.predict_proba(model mlops.modelref, features jsonb, changes jsonb, calibrated boolean DEFAULT true) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_proba_jsonb';
COMMENT ON FUNCTION mlops.predict_proba(mlops.modelref, jsonb, jsonb, boolean) IS
    'The probability of each class (0 to 1), in the order of the classes in mlops.versions, of a JSON object in which the features that changes, a JSON object, names have its values, {} for none; without the calibration and threshold of a calibrated version if calibrated is false; needs privilege score; errors ML001 to ML003, 42501 and ML020, also for a key that is no feature, error ML021 for a model without probabilities.';

CREATE FUNCTION mlops.predict_margin(model mlops.modelref, "row" record, changes jsonb) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_margin_row';
COMMENT ON FUNCTION mlops.predict_margin(mlops.modelref, record, jsonb) IS
    'The raw margins, one per class or target, of a row in which the features that changes, a JSON object, names have its values; needs privilege score; errors ML001 to ML003, 42501 and ML020, also for a key that is no feature.';

CREATE FUNCTION mlops.predict_margin(model mlops.modelref, features double precision[], changes jsonb) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_margin_array';
COMMENT ON FUNCTION mlops.predict_margin(mlops.modelref, double precision[], jsonb) IS
    'The raw margins, one per class or target, of an array of the features in which the features that changes, a JSON object, names have its values; needs privilege score; errors ML001 to ML003, 42501 and ML020, also for a key that is no feature.';

CREATE FUNCTION mlops.predict_margin(model mlops.modelref, features jsonb, changes jsonb) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_margin_jsonb';
COMMENT ON FUNCTION mlops.predict_margin(mlops.modelref, jsonb, jsonb) IS
    'The raw margins, one per class or target, of a JSON object in which the features that changes, a JSON object, names have its values; needs privilege score; errors ML001 to ML003, 42501 and ML020, also for a key that is no feature.';

-- Many rows in one call.
CREATE FUNCTION mlops.predict_batch(model mlops.modelref, rows record[]) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000
    AS 'MODULE_PATHNAME', 'mlops_predict_batch_rows';
COMMENT ON FUNCTION mlops.predict_batch(mlops.modelref, record[]) IS
    'What mlops.predict() gives for each row of an array, in their order, with the same bits; NULL for an element that is NULL; needs privilege score; errors ML001 to ML003, 42501, ML020, 2202E, and ML021 for a multiclass model.';

CREATE FUNCTION mlops.predict_batch(model mlops.modelref, features double precision[]) RETURNS double precision[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000
    AS 'MODULE_PATHNAME', 'mlops_predict_batch_array';
COMMENT ON FUNCTION mlops.predict_batch(mlops.modelref, double precision[]) IS
    'What mlops.predict() gives for each row of an array of two dimensions, whose rows have the features in the order of the signature, categories as their codes, NULL for a missing value; needs privilege score; errors ML001 to ML003, 42501, ML020, 2202E, and ML021 for a multiclass model.';

-- What the planner makes of a call on a row: the same on its columns, with
-- their names.  PUBLIC may run them, as the executor asks for that right; they
-- check the privilege on the model as the others do.
CREATE FUNCTION mlops._predict(model mlops.modelref, names text[], VARIADIC "columns" "any") RETURNS double precision
    LANGUAGE C STABLE PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_columns';
COMMENT ON FUNCTION mlops._predict(mlops.modelref, text[], "any") IS 'Planned form of mlops.predict() of a row.';
CREATE FUNCTION mlops._predict_class(model mlops.modelref, names text[], VARIADIC "columns" "any") RETURNS text
    LANGUAGE C STABLE PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_class_columns';
COMMENT ON FUNCTION mlops._predict_class(mlops.modelref, text[], "any") IS 'Planned form of mlops.predict_class() of a row.';
CREATE FUNCTION mlops._predict_proba(model mlops.modelref, names text[], VARIADIC "columns" "any") RETURNS double precision[]
    LANGUAGE C STABLE PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_proba_columns';
COMMENT ON FUNCTION mlops._predict_proba(mlops.modelref, text[], "any") IS 'Planned form of mlops.predict_proba() of a row.';
CREATE FUNCTION mlops._predict_margin(model mlops.modelref, names text[], VARIADIC "columns" "any") RETURNS double precision[]
    LANGUAGE C STABLE PARALLEL SAFE COST 100 SUPPORT mlops._predict_support
    AS 'MODULE_PATHNAME', 'mlops_predict_margin_columns';
COMMENT ON FUNCTION mlops._predict_margin(mlops.modelref, text[], "any") IS 'Planned form of mlops.predict_margin() of a row.';

CREATE FUNCTION mlops.bind(model mlops.modelref, relation regclass,
                           OUT feature text, OUT kind text, OUT "column" text, OUT type text,
                           OUT conversion text, OUT problem text) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_bind_relation';
COMMENT ON FUNCTION mlops.bind(mlops.modelref, regclass) IS
    'Dry run: for each feature of a version the column of a table or view that it would read, the conversion, and the problem if it could not, with what the policies of the model make of it; needs privilege score; errors ML001 to ML003 and 42501.';

CREATE FUNCTION mlops.bind(model mlops.modelref, source text,
                           OUT feature text, OUT kind text, OUT "column" text, OUT type text,
                           OUT conversion text, OUT problem text) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_bind_source';
COMMENT ON FUNCTION mlops.bind(mlops.modelref, text) IS
    'Dry run: the same for what a query would return, which is not run, or for a relation by its name; needs privilege score; errors ML001 to ML003, 42501 and 22023.';
