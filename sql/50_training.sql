-- file: sql/50_training.sql
-- Training from a query.

CREATE FUNCTION mlops.train(
    model text,
    query text,
    label text,
    params jsonb DEFAULT '{}',
    key text DEFAULT NULL,
    split jsonb DEFAULT '{"test": 0.3}',
    rounds integer DEFAULT 100,
    early_stopping_rounds integer DEFAULT 0,
    seed bigint DEFAULT 0,
    class_weight jsonb DEFAULT NULL,
    positive text DEFAULT NULL,
    features text[] DEFAULT NULL,
    description text DEFAULT NULL,
    sample float8 DEFAULT 1,
    matrix text DEFAULT 'exact'
) RETURNS TABLE(model mlops.modelref, version integer, metrics jsonb)
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1
    AS 'MODULE_PATHNAME', 'mlops_train';
COMMENT ON FUNCTION mlops.train(text, text, text, jsonb, text, jsonb, integer, integer, bigint, jsonb, text, text[], text, float8, text) IS
    'Trains a new version of a model, which it creates if it is absent, with the rows of a SELECT that runs with the caller''s rights, and gives its metrics on the hold-out rows; sample is the share of the training part (0 to 1) that is trained with, matrix exact or quantile, which takes less memory; errors ML030 (data), ML031 (training process), ML021, 22023, 42501, 42703, 42804 and 54000.';
REVOKE ALL ON FUNCTION mlops.train(text, text, text, jsonb, text, jsonb, integer, integer, bigint, jsonb, text, text[], text, float8, text) FROM PUBLIC;
