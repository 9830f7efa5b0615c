-- file: sql/53_split.sql
-- Parts of data: train, validation, test.

CREATE FUNCTION mlops.split(key text, seed bigint DEFAULT 0, parts jsonb DEFAULT '{"test": 0.3}') RETURNS text
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_split';
COMMENT ON FUNCTION mlops.split(text, bigint, jsonb) IS
    'Part that a row with this key has by a hash of key and seed, the same that mlops.train() gives it: a name of parts, an object of shares from 0 to 1, or train; errors 22023 and 42804.';

CREATE FUNCTION mlops.split(key anyelement, seed bigint DEFAULT 0, parts jsonb DEFAULT '{"test": 0.3}') RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_split';
COMMENT ON FUNCTION mlops.split(anyelement, bigint, jsonb) IS
    'Part that a row with this key has by a hash of key and seed, the same that mlops.train() gives it: a name of parts, an object of shares from 0 to 1, or train; errors 22023 and 42804.';

CREATE FUNCTION mlops.split_time(at timestamp, test timestamp, validation timestamp DEFAULT NULL,
                                 gap interval DEFAULT '0') RETURNS text
    LANGUAGE C IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_split_time';
COMMENT ON FUNCTION mlops.split_time(timestamp, timestamp, timestamp, interval) IS
    'Part of a row by its time: train, validation from one time and test from another on, NULL in the gap before each, in which labels would not have been known; errors 22004 and 22023.';

CREATE FUNCTION mlops.split_time(at timestamptz, test timestamptz, validation timestamptz DEFAULT NULL,
                                 gap interval DEFAULT '0') RETURNS text
    LANGUAGE C IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_split_time';
COMMENT ON FUNCTION mlops.split_time(timestamptz, timestamptz, timestamptz, interval) IS
    'Part of a row by its time, days and months of the gap in UTC: train, validation from one time and test from another on, NULL in the gap before each, in which labels would not have been known; errors 22004 and 22023.';

CREATE FUNCTION mlops.split_time(at date, test date, validation date DEFAULT NULL,
                                 gap interval DEFAULT '0') RETURNS text
    LANGUAGE SQL IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT mlops.split_time(at::timestamp, test::timestamp, validation::timestamp, gap) $$;
COMMENT ON FUNCTION mlops.split_time(date, date, date, interval) IS
    'Part of a row by its date: train, validation from one date and test from another on, NULL in the gap before each, in which labels would not have been known; errors 22004 and 22023.';

CREATE FUNCTION mlops.stratified_split(key anyelement, seed bigint DEFAULT 0, parts jsonb DEFAULT '{"test": 0.3}')
    RETURNS text
    LANGUAGE C STABLE WINDOW PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_stratified_split';
COMMENT ON FUNCTION mlops.stratified_split(anyelement, bigint, jsonb) IS
    'Window function: part of a row such that each partition of the window, as by the label, has its shares but for rounding; rows with one key stay together; errors 22023 and 42804.';

CREATE FUNCTION mlops.row_hash("row" record) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_row_hash';
COMMENT ON FUNCTION mlops.row_hash(record) IS
    'Hash of the values of a row, 64 hexadecimal digits, by which equal rows are found or split together; error 42804 for a type without a canonical form.';

CREATE FUNCTION mlops.leakage_report(query text, label text, part text DEFAULT NULL, key text DEFAULT NULL,
                                     decided_at text DEFAULT NULL, limit_auc float8 DEFAULT 0.95)
    RETURNS TABLE(finding text, feature text, value float8, rows bigint, detail text)
    LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10
    AS 'MODULE_PATHNAME', 'mlops_leakage_report';
COMMENT ON FUNCTION mlops.leakage_report(text, text, text, text, text, float8) IS
    'What in the rows of a query, which runs with the caller''s rights, looks as if it told the label: keys and equal rows in several parts, a feature that alone predicts the label, NULL in one class only, times after the decision; errors 22023, 42703 and 42804.';
REVOKE ALL ON FUNCTION mlops.leakage_report(text, text, text, text, text, float8) FROM PUBLIC;
