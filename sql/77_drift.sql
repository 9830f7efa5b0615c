-- file: sql/77_drift.sql
-- How far a current sample is from a reference.  Definitions: doc/drift.md.
--
-- Each measure has two forms: a function of two arrays (of counts per bin for
-- measures of bins, else of values), and an aggregate over a column with a
-- flag that says which rows are current.  mlops.drift gives value, p-value and
-- verdict together.

CREATE TYPE mlops.drift_result AS (
    method text,
    value float8,
    p_value float8,
    threshold float8,
    verdict text,
    n_reference bigint,
    n_current bigint,
    skipped bigint,
    definition jsonb
);
COMMENT ON TYPE mlops.drift_result IS
    'Comparison of a current sample with a reference: value of the method, p-value if both came from one distribution, the limit of the effect that was broken or is next, verdict (ok, warn, fail, insufficient, or NULL where the method has none), rows used of each, values skipped (NULL, NaN, infinite, or without a flag), and all that is needed to compute it again.';

CREATE TYPE mlops.column_drift AS (
    feature text,
    method text,
    value float8,
    p_value float8,
    threshold float8,
    verdict text,
    n_reference bigint,
    n_current bigint,
    skipped bigint,
    definition jsonb,
    problem text
);
COMMENT ON TYPE mlops.column_drift IS
    'Comparison of one column of two queries: its name, the fields of mlops.drift_result, and why it could not be compared, if so.';

CREATE TYPE mlops.drift_report_row AS (
    role text,
    feature text,
    method text,
    value float8,
    p_value float8,
    threshold float8,
    verdict text,
    n_reference bigint,
    n_current bigint,
    skipped bigint,
    definition jsonb,
    problem text
);
COMMENT ON TYPE mlops.drift_report_row IS
    'Row of a drift report: role (feature, score, label, or data set), name of the column, the fields of mlops.drift_result, and why it could not be compared, if so.';

CREATE TYPE mlops.limits AS (
    lower float8,
    upper float8
);
COMMENT ON TYPE mlops.limits IS 'Lower and upper limit of a value; NULL where there is none.';

CREATE FUNCTION mlops.drift(reference float8[], current float8[], method text DEFAULT 'psi', options jsonb DEFAULT '{}') RETURNS mlops.drift_result
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_numbers';
COMMENT ON FUNCTION mlops.drift(float8[], float8[], text, jsonb) IS
    'Compares two samples of numbers by a method: psi, js, js_divergence, kl, hellinger, tvd, linf, chi2, chi2_gof, ks, wasserstein, wasserstein_norm, energy, anderson_darling or cramer_von_mises; error 22023 for an unknown method or option.';
CREATE FUNCTION mlops.drift(reference text[], current text[], method text DEFAULT 'psi', options jsonb DEFAULT '{}') RETURNS mlops.drift_result
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_texts';
COMMENT ON FUNCTION mlops.drift(text[], text[], text, jsonb) IS
    'Compares two samples of categories by a method: psi, js, js_divergence, kl, hellinger, tvd, linf, chi2 or chi2_gof; error ML053 for one that needs numbers, 22023 for an unknown method or option.';
CREATE FUNCTION mlops.drift(reference mlops.sketch, current mlops.sketch, method text DEFAULT 'psi', options jsonb DEFAULT '{}') RETURNS mlops.drift_result
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_sketches';
COMMENT ON FUNCTION mlops.drift(mlops.sketch, mlops.sketch, text, jsonb) IS
    'Compares two sketches of one column by a method of mlops.drift, over bins of the reference; exact while both are; error ML053 for a method that needs numbers or sketches of different kinds, 22023 for an unknown method or option.';
CREATE FUNCTION mlops.drift(reference mlops.sketch, current mlops.sketch, bins mlops.bins, method text DEFAULT 'psi', options jsonb DEFAULT '{}') RETURNS mlops.drift_result
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_sketches_bins';
COMMENT ON FUNCTION mlops.drift(mlops.sketch, mlops.sketch, mlops.bins, text, jsonb) IS
    'Compares two sketches of one column by a method of mlops.drift, over frozen bins; exact while both are; error ML053 for a method that needs numbers or sketches of different kinds, ML054 for bins of another kind, 22023 for an unknown method or option.';
CREATE FUNCTION mlops.drift_counts(reference_counts bigint[], current_counts bigint[], method text DEFAULT 'psi', options jsonb DEFAULT '{}') RETURNS mlops.drift_result
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_of_counts';
COMMENT ON FUNCTION mlops.drift_counts(bigint[], bigint[], text, jsonb) IS
    'Compares the rows of two samples per frozen bin by a method: psi, js, js_divergence, kl, hellinger, tvd, linf, chi2 or chi2_gof; error ML053 for one that needs values, ML054 if the numbers of bins differ, 22023 for an unknown method or option.';
CREATE FUNCTION mlops.drift_columns(reference text, current text, method text DEFAULT 'psi', options jsonb DEFAULT '{}')
    RETURNS SETOF mlops.column_drift
    LANGUAGE C STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mlops_drift_columns';
COMMENT ON FUNCTION mlops.drift_columns(text, text, text, jsonb) IS
    'Compares the columns of equal name of two queries by a method of mlops.drift, one row each; a column that cannot be compared is insufficient and says why; the queries run as the caller and only read; error 22023 for a text that is not one SELECT.';
CREATE FUNCTION mlops.csi(reference text, current text, options jsonb DEFAULT '{}')
    RETURNS SETOF mlops.column_drift
    LANGUAGE C STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mlops_drift_columns';
COMMENT ON FUNCTION mlops.csi(text, text, jsonb) IS
    'Characteristic stability index of each column of two queries, 0 upwards: psi over the bins of the reference; the queries run as the caller and only read; error 22023 for a text that is not one SELECT (Siddiqi 2006).';
CREATE FUNCTION mlops.drift_report(model mlops.modelref, query text, method text DEFAULT 'psi', options jsonb DEFAULT '{}')
    RETURNS SETOF mlops.drift_report_row
    LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 1000000 ROWS 30 AS 'MODULE_PATHNAME', 'mlops_drift_report';
COMMENT ON FUNCTION mlops.drift_report(mlops.modelref, text, text, jsonb) IS
    'Compares the rows of a SELECT, which runs once with the caller''s rights, with the frozen profile of a version: a row per feature, score and label, and one for the data set, which fails when half of its features do; categories by chi2 where the method needs numbers; errors 55000 without a profile, 42501, 22023 and ML001 to ML003.';
CREATE FUNCTION mlops.benjamini_hochberg(p_values float8[]) RETURNS float8[]
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_benjamini_hochberg_array';
COMMENT ON FUNCTION mlops.benjamini_hochberg(float8[]) IS
    'The p-values of many tests in the same order, adjusted so that those below q hold at most a share q of false discoveries, 0 to 1, NULL where one is NULL or NaN; error 22023 outside of 0 to 1 (Benjamini and Hochberg 1995).';
CREATE FUNCTION mlops.chunk_limits(chunk_values float8[], lower_multiplier float8 DEFAULT 3, upper_multiplier float8 DEFAULT 3, center text DEFAULT 'mean') RETURNS mlops.limits
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_chunk_limits';
COMMENT ON FUNCTION mlops.chunk_limits(float8[], float8, float8, text) IS
    'Limits learnt from the values that a measure had on chunks of the reference: center (mean, median, min or max) less and plus so many population standard deviations; no limit where the multiplier is NULL, NULL without values (Shewhart 1931).';

--
-- The state of the aggregates
--
CREATE FUNCTION mlops._drift_add(state internal, value float8, is_current boolean) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_add_number';
CREATE FUNCTION mlops._drift_add(state internal, value float8, is_current boolean, method text) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_add_number';
CREATE FUNCTION mlops._drift_add(state internal, value float8, is_current boolean, method text, options jsonb) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_add_number';
CREATE FUNCTION mlops._drift_add(state internal, value text, is_current boolean) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_add_text';
CREATE FUNCTION mlops._drift_add(state internal, value text, is_current boolean, method text) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_add_text';
CREATE FUNCTION mlops._drift_add(state internal, value text, is_current boolean, method text, options jsonb) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_add_text';
CREATE FUNCTION mlops._drift_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_combine';
CREATE FUNCTION mlops._drift_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_serialize';
CREATE FUNCTION mlops._drift_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_deserialize';
CREATE FUNCTION mlops._drift(state internal) RETURNS mlops.drift_result
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_drift_final';

CREATE AGGREGATE mlops.drift(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.drift(float8, boolean) IS
    'Compares the rows that are current with the others by psi over bins of the numbers of the others; NULL without rows.';

CREATE AGGREGATE mlops.drift(value float8, is_current boolean, method text) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.drift(float8, boolean, text) IS
    'Compares the rows that are current with the others by a method of mlops.drift for numbers; NULL without rows, error 22023 for an unknown method.';

CREATE AGGREGATE mlops.drift(value float8, is_current boolean, method text, options jsonb) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.drift(float8, boolean, text, jsonb) IS
    'Compares the rows that are current with the others by a method and options of mlops.drift for numbers; NULL without rows, error 22023 for an unknown method or option.';

CREATE AGGREGATE mlops.drift(value text, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._drift_combine, SERIALFUNC = mlops._drift_serialize, DESERIALFUNC = mlops._drift_deserialize,
    FINALFUNC = mlops._drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.drift(text, boolean) IS
    'Compares the rows that are current with the others by psi over bins of the categories of the others; NULL without rows.';

CREATE AGGREGATE mlops.drift(value text, is_current boolean, method text) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._drift_combine, SERIALFUNC = mlops._drift_serialize, DESERIALFUNC = mlops._drift_deserialize,
    FINALFUNC = mlops._drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.drift(text, boolean, text) IS
    'Compares the rows that are current with the others by a method of mlops.drift for categories; NULL without rows, error 22023 for an unknown method.';

CREATE AGGREGATE mlops.drift(value text, is_current boolean, method text, options jsonb) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._drift_combine, SERIALFUNC = mlops._drift_serialize, DESERIALFUNC = mlops._drift_deserialize,
    FINALFUNC = mlops._drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.drift(text, boolean, text, jsonb) IS
    'Compares the rows that are current with the others by a method and options of mlops.drift for categories; NULL without rows, error 22023 for an unknown method or option.';

--
-- Measures of bins
--
CREATE FUNCTION mlops.psi(reference_counts bigint[], current_counts bigint[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_psi_function';
COMMENT ON FUNCTION mlops.psi(bigint[], bigint[]) IS
    'Population stability index, 0 upwards: sum of (p - q) ln(p / q) over the bins, where a zero share counts as 0.0001; of rows per frozen bin; NULL if a sample is empty, error ML054 if the numbers of bins differ (Lewis 1994).';
CREATE FUNCTION mlops._psi_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_psi_drift_final';

CREATE AGGREGATE mlops.psi(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._psi_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.psi(float8, boolean) IS
    'Population stability index, 0 upwards: sum of (p - q) ln(p / q) over the bins, where a zero share counts as 0.0001; over bins at the deciles of the rows that are not current; NULL if a sample is empty (Lewis 1994).';

CREATE AGGREGATE mlops.psi(value text, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._drift_combine, SERIALFUNC = mlops._drift_serialize, DESERIALFUNC = mlops._drift_deserialize,
    FINALFUNC = mlops._psi_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.psi(text, boolean) IS
    'Population stability index, 0 upwards: sum of (p - q) ln(p / q) over the bins, where a zero share counts as 0.0001; over the categories of the rows that are not current, and one for all others; NULL if a sample is empty (Lewis 1994).';

CREATE FUNCTION mlops.js(reference_counts bigint[], current_counts bigint[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_js_function';
COMMENT ON FUNCTION mlops.js(bigint[], bigint[]) IS
    'Jensen-Shannon distance, base 2, 0 to 1; of rows per frozen bin; NULL if a sample is empty, error ML054 if the numbers of bins differ (Endres and Schindelin 2003).';
CREATE FUNCTION mlops._js_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_js_drift_final';

CREATE AGGREGATE mlops.js(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._js_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.js(float8, boolean) IS
    'Jensen-Shannon distance, base 2, 0 to 1; over bins at the deciles of the rows that are not current; NULL if a sample is empty (Endres and Schindelin 2003).';

CREATE AGGREGATE mlops.js(value text, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._drift_combine, SERIALFUNC = mlops._drift_serialize, DESERIALFUNC = mlops._drift_deserialize,
    FINALFUNC = mlops._js_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.js(text, boolean) IS
    'Jensen-Shannon distance, base 2, 0 to 1; over the categories of the rows that are not current, and one for all others; NULL if a sample is empty (Endres and Schindelin 2003).';

CREATE FUNCTION mlops.js_divergence(reference_counts bigint[], current_counts bigint[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_js_divergence_function';
COMMENT ON FUNCTION mlops.js_divergence(bigint[], bigint[]) IS
    'Jensen-Shannon divergence, base 2, 0 to 1; of rows per frozen bin; NULL if a sample is empty, error ML054 if the numbers of bins differ (Lin 1991).';
CREATE FUNCTION mlops._js_divergence_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_js_divergence_drift_final';

CREATE AGGREGATE mlops.js_divergence(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._js_divergence_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.js_divergence(float8, boolean) IS
    'Jensen-Shannon divergence, base 2, 0 to 1; over bins at the deciles of the rows that are not current; NULL if a sample is empty (Lin 1991).';

CREATE AGGREGATE mlops.js_divergence(value text, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._drift_combine, SERIALFUNC = mlops._drift_serialize, DESERIALFUNC = mlops._drift_deserialize,
    FINALFUNC = mlops._js_divergence_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.js_divergence(text, boolean) IS
    'Jensen-Shannon divergence, base 2, 0 to 1; over the categories of the rows that are not current, and one for all others; NULL if a sample is empty (Lin 1991).';

CREATE FUNCTION mlops.kl(reference_counts bigint[], current_counts bigint[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_kl_function';
COMMENT ON FUNCTION mlops.kl(bigint[], bigint[]) IS
    'Kullback-Leibler divergence of the reference from the current sample, natural logarithm, where a zero share counts as 0.0001; of rows per frozen bin; NULL if a sample is empty, error ML054 if the numbers of bins differ (Kullback and Leibler 1951).';
CREATE FUNCTION mlops._kl_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_kl_drift_final';

CREATE AGGREGATE mlops.kl(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._kl_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.kl(float8, boolean) IS
    'Kullback-Leibler divergence of the reference from the current sample, natural logarithm, where a zero share counts as 0.0001; over bins at the deciles of the rows that are not current; NULL if a sample is empty (Kullback and Leibler 1951).';

CREATE AGGREGATE mlops.kl(value text, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._drift_combine, SERIALFUNC = mlops._drift_serialize, DESERIALFUNC = mlops._drift_deserialize,
    FINALFUNC = mlops._kl_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.kl(text, boolean) IS
    'Kullback-Leibler divergence of the reference from the current sample, natural logarithm, where a zero share counts as 0.0001; over the categories of the rows that are not current, and one for all others; NULL if a sample is empty (Kullback and Leibler 1951).';

CREATE FUNCTION mlops.hellinger(reference_counts bigint[], current_counts bigint[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_hellinger_function';
COMMENT ON FUNCTION mlops.hellinger(bigint[], bigint[]) IS
    'Hellinger distance, 0 to 1; of rows per frozen bin; NULL if a sample is empty, error ML054 if the numbers of bins differ (Hellinger 1909).';
CREATE FUNCTION mlops._hellinger_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_hellinger_drift_final';

CREATE AGGREGATE mlops.hellinger(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._hellinger_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.hellinger(float8, boolean) IS
    'Hellinger distance, 0 to 1; over bins at the deciles of the rows that are not current; NULL if a sample is empty (Hellinger 1909).';

CREATE AGGREGATE mlops.hellinger(value text, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._drift_combine, SERIALFUNC = mlops._drift_serialize, DESERIALFUNC = mlops._drift_deserialize,
    FINALFUNC = mlops._hellinger_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.hellinger(text, boolean) IS
    'Hellinger distance, 0 to 1; over the categories of the rows that are not current, and one for all others; NULL if a sample is empty (Hellinger 1909).';

CREATE FUNCTION mlops.tvd(reference_counts bigint[], current_counts bigint[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_tvd_function';
COMMENT ON FUNCTION mlops.tvd(bigint[], bigint[]) IS
    'Total variation distance, 0 to 1: half the sum of the differences of the shares; of rows per frozen bin; NULL if a sample is empty, error ML054 if the numbers of bins differ (Levin and Peres 2017).';
CREATE FUNCTION mlops._tvd_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_tvd_drift_final';

CREATE AGGREGATE mlops.tvd(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._tvd_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.tvd(float8, boolean) IS
    'Total variation distance, 0 to 1: half the sum of the differences of the shares; over bins at the deciles of the rows that are not current; NULL if a sample is empty (Levin and Peres 2017).';

CREATE AGGREGATE mlops.tvd(value text, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._drift_combine, SERIALFUNC = mlops._drift_serialize, DESERIALFUNC = mlops._drift_deserialize,
    FINALFUNC = mlops._tvd_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.tvd(text, boolean) IS
    'Total variation distance, 0 to 1: half the sum of the differences of the shares; over the categories of the rows that are not current, and one for all others; NULL if a sample is empty (Levin and Peres 2017).';

CREATE FUNCTION mlops.linf(reference_counts bigint[], current_counts bigint[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_linf_function';
COMMENT ON FUNCTION mlops.linf(bigint[], bigint[]) IS
    'Greatest difference of a share, 0 to 1; of rows per frozen bin; NULL if a sample is empty, error ML054 if the numbers of bins differ (Levin and Peres 2017).';
CREATE FUNCTION mlops._linf_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_linf_drift_final';

CREATE AGGREGATE mlops.linf(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._linf_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.linf(float8, boolean) IS
    'Greatest difference of a share, 0 to 1; over bins at the deciles of the rows that are not current; NULL if a sample is empty (Levin and Peres 2017).';

CREATE AGGREGATE mlops.linf(value text, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._drift_combine, SERIALFUNC = mlops._drift_serialize, DESERIALFUNC = mlops._drift_deserialize,
    FINALFUNC = mlops._linf_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.linf(text, boolean) IS
    'Greatest difference of a share, 0 to 1; over the categories of the rows that are not current, and one for all others; NULL if a sample is empty (Levin and Peres 2017).';

CREATE FUNCTION mlops.chi2(reference_counts bigint[], current_counts bigint[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_chi2_function';
COMMENT ON FUNCTION mlops.chi2(bigint[], bigint[]) IS
    'Chi-squared statistic of two samples, without correction, rare bins merged; NULL also if one bin is left; of rows per frozen bin; NULL if a sample is empty, error ML054 if the numbers of bins differ (Pearson 1900).';
CREATE FUNCTION mlops._chi2_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_chi2_drift_final';

CREATE AGGREGATE mlops.chi2(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._chi2_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.chi2(float8, boolean) IS
    'Chi-squared statistic of two samples, without correction, rare bins merged; NULL also if one bin is left; over bins at the deciles of the rows that are not current; NULL if a sample is empty (Pearson 1900).';

CREATE AGGREGATE mlops.chi2(value text, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._drift_combine, SERIALFUNC = mlops._drift_serialize, DESERIALFUNC = mlops._drift_deserialize,
    FINALFUNC = mlops._chi2_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.chi2(text, boolean) IS
    'Chi-squared statistic of two samples, without correction, rare bins merged; NULL also if one bin is left; over the categories of the rows that are not current, and one for all others; NULL if a sample is empty (Pearson 1900).';

CREATE FUNCTION mlops.chi2_gof(reference_counts bigint[], current_counts bigint[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_chi2_gof_function';
COMMENT ON FUNCTION mlops.chi2_gof(bigint[], bigint[]) IS
    'Chi-squared statistic of the fit of the current sample to the shares of the reference, infinite if a bin occurs that the reference lacks; NULL also with one bin; of rows per frozen bin; NULL if a sample is empty, error ML054 if the numbers of bins differ (Pearson 1900).';
CREATE FUNCTION mlops._chi2_gof_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_chi2_gof_drift_final';

CREATE AGGREGATE mlops.chi2_gof(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._chi2_gof_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.chi2_gof(float8, boolean) IS
    'Chi-squared statistic of the fit of the current sample to the shares of the reference, infinite if a bin occurs that the reference lacks; NULL also with one bin; over bins at the deciles of the rows that are not current; NULL if a sample is empty (Pearson 1900).';

CREATE AGGREGATE mlops.chi2_gof(value text, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._drift_combine, SERIALFUNC = mlops._drift_serialize, DESERIALFUNC = mlops._drift_deserialize,
    FINALFUNC = mlops._chi2_gof_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.chi2_gof(text, boolean) IS
    'Chi-squared statistic of the fit of the current sample to the shares of the reference, infinite if a bin occurs that the reference lacks; NULL also with one bin; over the categories of the rows that are not current, and one for all others; NULL if a sample is empty (Pearson 1900).';

--
-- Measures of samples
--
CREATE FUNCTION mlops.ks(reference float8[], current float8[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_ks_function';
COMMENT ON FUNCTION mlops.ks(float8[], float8[]) IS
    'Kolmogorov-Smirnov statistic of two samples, 0 to 1: the greatest difference of their distribution functions; NULL if a sample is empty (Smirnov 1939).';
CREATE FUNCTION mlops._ks_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_ks_drift_final';

CREATE AGGREGATE mlops.ks(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._ks_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.ks(float8, boolean) IS
    'Kolmogorov-Smirnov statistic of two samples, 0 to 1: the greatest difference of their distribution functions; of the rows that are current and the others; NULL if a sample is empty (Smirnov 1939).';

CREATE FUNCTION mlops.wasserstein(reference float8[], current float8[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_wasserstein_function';
COMMENT ON FUNCTION mlops.wasserstein(float8[], float8[]) IS
    'Wasserstein distance of order 1 in the unit of the values: the area between both distribution functions; NULL if a sample is empty (Vallender 1974).';
CREATE FUNCTION mlops._wasserstein_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_wasserstein_drift_final';

CREATE AGGREGATE mlops.wasserstein(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._wasserstein_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.wasserstein(float8, boolean) IS
    'Wasserstein distance of order 1 in the unit of the values: the area between both distribution functions; of the rows that are current and the others; NULL if a sample is empty (Vallender 1974).';

CREATE FUNCTION mlops.wasserstein_norm(reference float8[], current float8[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_wasserstein_norm_function';
COMMENT ON FUNCTION mlops.wasserstein_norm(float8[], float8[]) IS
    'Wasserstein distance in standard deviations of the reference, which count as at least 0.001; NULL if a sample is empty (Vallender 1974).';
CREATE FUNCTION mlops._wasserstein_norm_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_wasserstein_norm_drift_final';

CREATE AGGREGATE mlops.wasserstein_norm(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._wasserstein_norm_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.wasserstein_norm(float8, boolean) IS
    'Wasserstein distance in standard deviations of the reference, which count as at least 0.001; of the rows that are current and the others; NULL if a sample is empty (Vallender 1974).';

CREATE FUNCTION mlops.energy(reference float8[], current float8[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_energy_function';
COMMENT ON FUNCTION mlops.energy(float8[], float8[]) IS
    'Energy distance: the root of twice the integral of the squared difference of the distribution functions; NULL if a sample is empty (Szekely and Rizzo 2013).';
CREATE FUNCTION mlops._energy_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_energy_drift_final';

CREATE AGGREGATE mlops.energy(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._energy_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.energy(float8, boolean) IS
    'Energy distance: the root of twice the integral of the squared difference of the distribution functions; of the rows that are current and the others; NULL if a sample is empty (Szekely and Rizzo 2013).';

CREATE FUNCTION mlops.anderson_darling(reference float8[], current float8[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_anderson_darling_function';
COMMENT ON FUNCTION mlops.anderson_darling(float8[], float8[]) IS
    'Anderson-Darling statistic of two samples, midranks, standardized; NULL also with fewer than two distinct values; NULL if a sample is empty (Scholz and Stephens 1987).';
CREATE FUNCTION mlops._anderson_darling_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_anderson_darling_drift_final';

CREATE AGGREGATE mlops.anderson_darling(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._anderson_darling_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.anderson_darling(float8, boolean) IS
    'Anderson-Darling statistic of two samples, midranks, standardized; NULL also with fewer than two distinct values; of the rows that are current and the others; NULL if a sample is empty (Scholz and Stephens 1987).';

CREATE FUNCTION mlops.cramer_von_mises(reference float8[], current float8[]) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_cramer_von_mises_function';
COMMENT ON FUNCTION mlops.cramer_von_mises(float8[], float8[]) IS
    'Cramer-von Mises statistic of two samples, midranks; NULL also with fewer than two rows of one; NULL if a sample is empty (Anderson 1962).';
CREATE FUNCTION mlops._cramer_von_mises_drift(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_cramer_von_mises_drift_final';

CREATE AGGREGATE mlops.cramer_von_mises(value float8, is_current boolean) (
    SFUNC = mlops._drift_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._cramer_von_mises_drift, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.cramer_von_mises(float8, boolean) IS
    'Cramer-von Mises statistic of two samples, midranks; NULL also with fewer than two rows of one; of the rows that are current and the others; NULL if a sample is empty (Anderson 1962).';
