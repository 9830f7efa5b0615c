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
