-- file: sql/55_features.sql
-- Which columns to train with.  Definitions: doc/features.md.

CREATE FUNCTION mlops.suggest_features(query text, label text, key text DEFAULT NULL, positive text DEFAULT NULL)
    RETURNS TABLE(name text, type text, kind text, rows bigint, missing float8, distinct_count float8, exact boolean,
                  information_value float8, correlation float8, correlation_method text, monotone integer, trend jsonb,
                  constant boolean, duplicate_of text, leakage text, suggestion text, reason text, definition jsonb)
    LANGUAGE C STABLE PARALLEL UNSAFE COST 1000000 ROWS 30
    AS 'MODULE_PATHNAME', 'mlops_suggest_features';
COMMENT ON FUNCTION mlops.suggest_features(text, text, text, text) IS
    'A row per column of a SELECT, which runs once with the caller''s rights: share of missing values, distinct values, information value, correlation with the label, monotone trend (1, 0 or -1) with its evidence, duplicates, suspicion of leakage, and a suggestion (use, review or drop) with its reason; errors 22004, 22023, 42703 and 42804.';

CREATE FUNCTION mlops.select_features(
    query text,
    label text,
    params jsonb DEFAULT '{}',
    key text DEFAULT NULL,
    split jsonb DEFAULT '{"test": 0.3}',
    rounds integer DEFAULT 100,
    seed bigint DEFAULT 0,
    class_weight jsonb DEFAULT NULL,
    positive text DEFAULT NULL,
    features text[] DEFAULT NULL,
    method text DEFAULT 'permutation',
    metric text DEFAULT NULL,
    repeats integer DEFAULT 5,
    step integer DEFAULT 1,
    keep integer DEFAULT 1,
    tolerance float8 DEFAULT 0
) RETURNS TABLE(rank integer, feature text, importance float8, standard_error float8, removed_at integer, metric float8,
                chosen boolean, definition jsonb)
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 30
    AS 'MODULE_PATHNAME', 'mlops_select_features';
COMMENT ON FUNCTION mlops.select_features(text, text, jsonb, text, jsonb, integer, bigint, jsonb, text, text[], text, text, integer, integer, integer, float8) IS
    'Features by what a metric on the test part loses when their values there are permuted, with its standard error; with method elimination the model is trained again without the least important ones, step by step; nothing is registered; errors ML030 (data), ML031 (training process), 22004, 22023, 42501, 42703, 42804 and 54000.';
REVOKE ALL ON FUNCTION mlops.select_features(text, text, jsonb, text, jsonb, integer, bigint, jsonb, text, text[], text, text, integer, integer, integer, float8) FROM PUBLIC;
