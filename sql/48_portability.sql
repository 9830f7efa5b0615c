-- file: sql/48_portability.sql
-- Models for databases that do not have the extension.

CREATE FUNCTION mlops.to_sql(model mlops.modelref, output text DEFAULT 'prediction', alias text DEFAULT NULL,
                             source regclass DEFAULT NULL) RETURNS text
    LANGUAGE C STABLE PARALLEL SAFE COST 100000
    AS 'MODULE_PATHNAME', 'mlops_to_sql';
COMMENT ON FUNCTION mlops.to_sql(mlops.modelref, text, text, regclass) IS
    'The model as one SQL expression that any PostgreSQL computes without the extension, of the columns that have the names of the features, qualified by the alias if one is given: output prediction (a value, or the probability of the positive class; of several classes or targets an array) or margin (with the same bits; real, or double precision for LightGBM); source is a table whose columns'' types are relied on; at most 32 MB; needs privilege read; errors ML001 to ML003, 42501, ML011, ML020, 54000 and 22023.';
