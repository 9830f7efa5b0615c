-- file: sql/79_bank.sql
-- What banks ask of a scorecard.  Definitions: doc/bank.md.
--
-- A label is boolean and true where the borrower was bad: the loan defaulted.

CREATE TYPE mlops.woe_bin AS (
    bin integer,
    category text,
    lower float8,
    upper float8,
    n bigint,
    goods bigint,
    bads bigint,
    bad_rate float8,
    woe float8,
    iv float8
);
COMMENT ON TYPE mlops.woe_bin IS
    'Bin of a feature: its number (0 for rows without a value), category or bounds (above lower up to upper, NULL where open; both the same for one value), rows, good and bad ones, share of bad ones, weight of evidence and part of the information value.';

CREATE TYPE mlops.score_band AS (
    band integer,
    lower float8,
    upper float8,
    n bigint,
    share float8,
    bads bigint,
    bad_rate float8,
    share_above float8,
    bads_above float8
);
COMMENT ON TYPE mlops.score_band IS
    'Band of a score: its number (0 for rows without a score), bounds (above lower up to upper, NULL where open), rows and their share of all, bad ones and their share of the band, and the shares of all rows and of all bad ones that have a score in this band or above.';

CREATE TYPE mlops.migration_cell AS (
    from_grade text,
    to_grade text,
    n bigint,
    share float8
);
COMMENT ON TYPE mlops.migration_cell IS
    'Cell of a migration matrix: grade before and after, NULL where there is none, rows, and their share of the rows with the grade before.';

CREATE TYPE mlops.swap_cell AS (
    cell text,
    n bigint,
    share float8,
    known bigint,
    bads bigint,
    bad_rate float8
);
COMMENT ON TYPE mlops.swap_cell IS
    'Cell of a swap set: both_accepted, swap_in (by the new model only), swap_out (by the old one only) or both_rejected; rows and their share of all, rows whose label is known, bad ones, and their share of the known.';

CREATE TYPE mlops.score_shift_result AS (
    n bigint,
    skipped bigint,
    mean_old float8,
    mean_new float8,
    mean_shift float8,
    stddev_shift float8,
    mean_absolute_shift float8,
    max_absolute_shift float8,
    share_up float8,
    share_down float8,
    correlation float8
);
COMMENT ON TYPE mlops.score_shift_result IS
    'Shift of scores from an old model to a new one on the same rows: rows used and skipped, mean of each, mean and sample standard deviation of new minus old, mean and greatest absolute shift, shares of rows that went up and down, and Pearson correlation.';

CREATE TYPE mlops.grade_calibration AS (
    grade text,
    n bigint,
    defaults bigint,
    pd float8,
    default_rate float8,
    lower float8,
    upper float8,
    p_above float8,
    p_below float8,
    verdict text
);
COMMENT ON TYPE mlops.grade_calibration IS
    'Calibration of a grade: rows, defaults, mean probability of default, share of defaults with its 95 % Wilson interval, probabilities of at least and of at most so many defaults if the grade were right, and verdict (ok, warn, fail, insufficient).';

CREATE TYPE mlops.test_result AS (
    statistic float8,
    df integer,
    p_value float8,
    n bigint
);
COMMENT ON TYPE mlops.test_result IS 'Result of a test: statistic, degrees of freedom, p-value (NULL without degrees of freedom) and rows used.';

--
-- Bins of a feature or score
--
CREATE FUNCTION mlops._bank_add(state internal, label boolean, value float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bank_add_number';
CREATE FUNCTION mlops._bank_add(state internal, label boolean, value float8, bins integer) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bank_add_number';
CREATE FUNCTION mlops._bank_add(state internal, label boolean, value float8, edges float8[]) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bank_add_number';
CREATE FUNCTION mlops._bank_add(state internal, label boolean, value text) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bank_add_text';
CREATE FUNCTION mlops._hosmer_lemeshow_add(state internal, label boolean, probability float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bank_add_probability';
CREATE FUNCTION mlops._hosmer_lemeshow_add(state internal, label boolean, probability float8, bins integer) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bank_add_probability';
CREATE FUNCTION mlops._bank_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bank_combine';
CREATE FUNCTION mlops._bank_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bank_serialize';
CREATE FUNCTION mlops._bank_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_bank_deserialize';
CREATE FUNCTION mlops._woe(state internal) RETURNS mlops.woe_bin[]
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_woe_final';
CREATE FUNCTION mlops._iv(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_iv_final';
CREATE FUNCTION mlops._score_bands(state internal) RETURNS mlops.score_band[]
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_score_bands_final';
CREATE FUNCTION mlops._hosmer_lemeshow(state internal) RETURNS mlops.test_result
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_hosmer_lemeshow_final';

CREATE AGGREGATE mlops.woe(label boolean, feature float8) (
    SFUNC = mlops._bank_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._woe, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.woe(boolean, float8) IS
    'Weight of evidence of a numeric feature as an array of bins: ln of the share of good over that of bad rows, where a zero share counts as 0.0001; bins at the deciles, or one for each of at most 20 values; NULL without rows (Siddiqi 2006).';

CREATE AGGREGATE mlops.iv(label boolean, feature float8) (
    SFUNC = mlops._bank_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._iv, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.iv(boolean, float8) IS
    'Information value of a numeric feature, 0 upwards: sum over the bins of (g - b) ln(g / b) of the shares of good and bad rows; bins at the deciles, or one for each of at most 20 values; NULL without both (Siddiqi 2006).';

CREATE AGGREGATE mlops.woe(label boolean, feature float8, bins integer) (
    SFUNC = mlops._bank_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._woe, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.woe(boolean, float8, integer) IS
    'Weight of evidence of a numeric feature as an array of bins: ln of the share of good over that of bad rows, where a zero share counts as 0.0001; so many bins at the quantiles, or one for each of at most 20 values; NULL without rows; error 22023 if the number of bins is not within 2 to 1000 (Siddiqi 2006).';

CREATE AGGREGATE mlops.iv(label boolean, feature float8, bins integer) (
    SFUNC = mlops._bank_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._iv, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.iv(boolean, float8, integer) IS
    'Information value of a numeric feature, 0 upwards: sum over the bins of (g - b) ln(g / b) of the shares of good and bad rows; so many bins at the quantiles, or one for each of at most 20 values; NULL without both; error 22023 if the number of bins is not within 2 to 1000 (Siddiqi 2006).';

CREATE AGGREGATE mlops.woe(label boolean, feature float8, edges float8[]) (
    SFUNC = mlops._bank_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._woe, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.woe(boolean, float8, float8[]) IS
    'Weight of evidence of a numeric feature as an array of bins: ln of the share of good over that of bad rows, where a zero share counts as 0.0001; bins with the given inner edges; NULL without rows; error 22023 if edges do not ascend (Siddiqi 2006).';

CREATE AGGREGATE mlops.iv(label boolean, feature float8, edges float8[]) (
    SFUNC = mlops._bank_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._iv, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.iv(boolean, float8, float8[]) IS
    'Information value of a numeric feature, 0 upwards: sum over the bins of (g - b) ln(g / b) of the shares of good and bad rows; bins with the given inner edges; NULL without both; error 22023 if edges do not ascend (Siddiqi 2006).';

CREATE AGGREGATE mlops.woe(label boolean, feature text) (
    SFUNC = mlops._bank_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._bank_combine, SERIALFUNC = mlops._bank_serialize, DESERIALFUNC = mlops._bank_deserialize,
    FINALFUNC = mlops._woe, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.woe(boolean, text) IS
    'Weight of evidence of each category of a feature as an array of bins: ln of the share of good over that of bad rows, where a zero share counts as 0.0001; NULL without rows (Siddiqi 2006).';

CREATE AGGREGATE mlops.iv(label boolean, feature text) (
    SFUNC = mlops._bank_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._bank_combine, SERIALFUNC = mlops._bank_serialize, DESERIALFUNC = mlops._bank_deserialize,
    FINALFUNC = mlops._iv, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.iv(boolean, text) IS
    'Information value of a feature of categories, 0 upwards: sum of (g - b) ln(g / b) of the shares of good and bad rows; NULL without both (Siddiqi 2006).';

CREATE AGGREGATE mlops.score_bands(label boolean, score float8) (
    SFUNC = mlops._bank_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._score_bands, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.score_bands(boolean, float8) IS
    'Bands of a score, at the deciles, as an array from the lowest up, with rows, bad rates and cumulative shares; NULL without rows.';

CREATE AGGREGATE mlops.score_bands(label boolean, score float8, bands integer) (
    SFUNC = mlops._bank_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._score_bands, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.score_bands(boolean, float8, integer) IS
    'Bands of a score, so many at the quantiles, as an array from the lowest up, with rows, bad rates and cumulative shares; NULL without rows; error 22023 if the number of bins is not within 2 to 1000.';

CREATE AGGREGATE mlops.score_bands(label boolean, score float8, edges float8[]) (
    SFUNC = mlops._bank_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._score_bands, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.score_bands(boolean, float8, float8[]) IS
    'Bands of a score, with the given inner edges, as an array from the lowest up, with rows, bad rates and cumulative shares; NULL without rows; error 22023 if edges do not ascend.';

CREATE AGGREGATE mlops.hosmer_lemeshow(label boolean, probability float8) (
    SFUNC = mlops._hosmer_lemeshow_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._hosmer_lemeshow, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.hosmer_lemeshow(boolean, float8) IS
    'Test of Hosmer and Lemeshow whether probabilities fit what happened, over 10 groups of equal frequency, with two degrees of freedom less; NULL without rows, error 22023 if one is not within 0 to 1 (Hosmer and Lemeshow 1980).';

CREATE AGGREGATE mlops.hosmer_lemeshow(label boolean, probability float8, groups integer) (
    SFUNC = mlops._hosmer_lemeshow_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._hosmer_lemeshow, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.hosmer_lemeshow(boolean, float8, integer) IS
    'Test of Hosmer and Lemeshow whether probabilities fit what happened, over so many groups of equal frequency, with two degrees of freedom less; NULL without rows, error 22023 if one is not within 0 to 1, the number of groups not within 2 to 1000 (Hosmer and Lemeshow 1980).';

--
-- Grades
--
CREATE FUNCTION mlops._grade_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_grade_combine';
CREATE FUNCTION mlops._grade_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_grade_serialize';
CREATE FUNCTION mlops._grade_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_grade_deserialize';
CREATE FUNCTION mlops._migration_add(state internal, from_grade text, to_grade text) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_migration_add';
CREATE FUNCTION mlops._migration(state internal) RETURNS mlops.migration_cell[]
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_migration_final';
CREATE FUNCTION mlops._grade_add(state internal, label boolean, grade text, probability float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_grade_add';
CREATE FUNCTION mlops._calibration_by_grade(state internal) RETURNS mlops.grade_calibration[]
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_calibration_by_grade_final';
CREATE FUNCTION mlops._hosmer_lemeshow_grade(state internal) RETURNS mlops.test_result
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_hosmer_lemeshow_grade_final';

CREATE AGGREGATE mlops.migration_matrix(from_grade text, to_grade text) (
    SFUNC = mlops._migration_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._grade_combine, SERIALFUNC = mlops._grade_serialize, DESERIALFUNC = mlops._grade_deserialize,
    FINALFUNC = mlops._migration, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.migration_matrix(text, text) IS
    'Rows by grade before and after as an array of the cells that occur, with their shares of the rows with the grade before; NULL without rows (Jafry and Schuermann 2004).';

CREATE AGGREGATE mlops.calibration_by_grade(label boolean, grade text, probability float8) (
    SFUNC = mlops._grade_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._grade_combine, SERIALFUNC = mlops._grade_serialize, DESERIALFUNC = mlops._grade_deserialize,
    FINALFUNC = mlops._calibration_by_grade, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.calibration_by_grade(boolean, text, float8) IS
    'Calibration of each grade by the exact binomial test, as an array: warn and fail where it rejects the mean probability at 5 % and 1 %, insufficient below 100 rows; NULL without rows, error 22023 if a probability is not within 0 to 1 (Basel Committee 2005).';

CREATE AGGREGATE mlops.hosmer_lemeshow(label boolean, grade text, probability float8) (
    SFUNC = mlops._grade_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._grade_combine, SERIALFUNC = mlops._grade_serialize, DESERIALFUNC = mlops._grade_deserialize,
    FINALFUNC = mlops._hosmer_lemeshow_grade, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.hosmer_lemeshow(boolean, text, float8) IS
    'Test of Hosmer and Lemeshow over grades, with as many degrees of freedom; NULL without rows, error 22023 if a probability is not within 0 to 1 (Basel Committee 2005).';

--
-- Two models on the same rows
--
CREATE FUNCTION mlops._swap_set_add(state internal, label boolean, old_decision boolean, new_decision boolean) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_swap_set_add';
CREATE FUNCTION mlops._swap_set_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_swap_set_combine';
CREATE FUNCTION mlops._swap_set_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_swap_set_serialize';
CREATE FUNCTION mlops._swap_set_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_swap_set_deserialize';
CREATE FUNCTION mlops._swap_set(state internal) RETURNS mlops.swap_cell[]
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_swap_set_final';

CREATE AGGREGATE mlops.swap_set(label boolean, old_decision boolean, new_decision boolean) (
    SFUNC = mlops._swap_set_add, STYPE = internal, SSPACE = 96,
    COMBINEFUNC = mlops._swap_set_combine, SERIALFUNC = mlops._swap_set_serialize, DESERIALFUNC = mlops._swap_set_deserialize,
    FINALFUNC = mlops._swap_set, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.swap_set(boolean, boolean, boolean) IS
    'Rows that two models accept and reject, as an array of four cells with bad rates where the label is known; rows without a decision are skipped; NULL without rows (Siddiqi 2006).';

CREATE FUNCTION mlops._score_shift_add(state internal, old_score float8, new_score float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_score_shift_add';
CREATE FUNCTION mlops._score_shift_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_score_shift_combine';
CREATE FUNCTION mlops._score_shift_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_score_shift_serialize';
CREATE FUNCTION mlops._score_shift_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_score_shift_deserialize';
CREATE FUNCTION mlops._score_shift(state internal) RETURNS mlops.score_shift_result
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_score_shift_final';

CREATE AGGREGATE mlops.score_shift(old_score float8, new_score float8) (
    SFUNC = mlops._score_shift_add, STYPE = internal, SSPACE = 200,
    COMBINEFUNC = mlops._score_shift_combine, SERIALFUNC = mlops._score_shift_serialize, DESERIALFUNC = mlops._score_shift_deserialize,
    FINALFUNC = mlops._score_shift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.score_shift(float8, float8) IS
    'How the scores of a new model differ from those of an old one on the same rows; rows in which one is NULL or not finite are skipped and counted.';
