-- file: sql/70_metrics.sql
-- Measures of performance as aggregates.  Definitions: doc/metrics.md.
--
-- Aggregates that need the same rows in the same way share one transition
-- function, so that PostgreSQL computes one state for all of them in a query.
--
-- A label is boolean, or a number that is 0 or 1.

CREATE TYPE mlops.roc_point AS (
    fpr float8,
    tpr float8,
    threshold float8
);
COMMENT ON TYPE mlops.roc_point IS
    'Point of a ROC curve: false and true positive rate, 0 to 1, if scores from the threshold upwards are called positive.';

CREATE TYPE mlops.calibration_bin AS (
    bin integer,
    lower float8,
    upper float8,
    n bigint,
    mean_score float8,
    rate float8,
    rate_lower float8,
    rate_upper float8
);
COMMENT ON TYPE mlops.calibration_bin IS
    'Bin of a calibration curve: scores from lower to below upper (in the last bin to upper), number of rows, mean score, share of positive labels and its 95 % Wilson interval.';

CREATE TYPE mlops.estimate AS (
    value float8,
    lower float8,
    upper float8
);
COMMENT ON TYPE mlops.estimate IS 'Estimate with the bounds of its confidence interval.';

--
-- The order of scores
--
CREATE FUNCTION mlops._ranking_add(state internal, label boolean, score float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_ranking_add';
CREATE FUNCTION mlops._ranking_add(state internal, label float8, score float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_ranking_add_number';
CREATE FUNCTION mlops._roc_add(state internal, label boolean, score float8, points integer) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_roc_add';
CREATE FUNCTION mlops._roc_add(state internal, label float8, score float8, points integer) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_roc_add_number';
CREATE FUNCTION mlops._auc_ci_add(state internal, label boolean, score float8, level float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_auc_ci_add';
CREATE FUNCTION mlops._auc_ci_add(state internal, label float8, score float8, level float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_auc_ci_add_number';
CREATE FUNCTION mlops._auc(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_auc_final';
CREATE FUNCTION mlops._pr_auc(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_pr_auc_final';
CREATE FUNCTION mlops._ks(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_ks_final';
CREATE FUNCTION mlops._gini(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_gini_final';
CREATE FUNCTION mlops._auc_ci(state internal) RETURNS mlops.estimate
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_auc_ci_final';
CREATE FUNCTION mlops._roc(state internal) RETURNS mlops.roc_point[]
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_roc_final';

CREATE AGGREGATE mlops.auc(label boolean, score float8) (
    SFUNC = mlops._ranking_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._auc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.auc(boolean, float8) IS
    'Area under the ROC curve, 0 to 1: the share of pairs of a positive and a negative row in which the positive one has the higher score, equal scores counting half; NULL without both classes (Hanley and McNeil 1982).';

CREATE AGGREGATE mlops.auc(label float8, score float8) (
    SFUNC = mlops._ranking_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._auc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.auc(float8, float8) IS
    'Area under the ROC curve, 0 to 1: the share of pairs of a positive and a negative row in which the positive one has the higher score, equal scores counting half; NULL without both classes; error 22023 if a label is neither 0 nor 1 (Hanley and McNeil 1982).';

CREATE AGGREGATE mlops.pr_auc(label boolean, score float8) (
    SFUNC = mlops._ranking_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._pr_auc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.pr_auc(boolean, float8) IS
    'Average precision, 0 to 1: the precision at each distinct score, weighted by the recall that it adds; NULL without both classes (Manning, Raghavan and Schuetze 2008).';

CREATE AGGREGATE mlops.pr_auc(label float8, score float8) (
    SFUNC = mlops._ranking_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._pr_auc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.pr_auc(float8, float8) IS
    'Average precision, 0 to 1: the precision at each distinct score, weighted by the recall that it adds; NULL without both classes; error 22023 if a label is neither 0 nor 1 (Manning, Raghavan and Schuetze 2008).';

CREATE AGGREGATE mlops.ks(label boolean, score float8) (
    SFUNC = mlops._ranking_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._ks, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.ks(boolean, float8) IS
    'Kolmogorov-Smirnov statistic of the scores of both classes, 0 to 1: the largest difference between true and false positive rate; NULL without both classes (Siddiqi 2006).';

CREATE AGGREGATE mlops.ks(label float8, score float8) (
    SFUNC = mlops._ranking_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._ks, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.ks(float8, float8) IS
    'Kolmogorov-Smirnov statistic of the scores of both classes, 0 to 1: the largest difference between true and false positive rate; NULL without both classes; error 22023 if a label is neither 0 nor 1 (Siddiqi 2006).';

CREATE AGGREGATE mlops.gini(label boolean, score float8) (
    SFUNC = mlops._ranking_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._gini, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.gini(boolean, float8) IS
    'Gini coefficient or accuracy ratio, -1 to 1: 2 auc - 1; NULL without both classes (Engelmann, Hayden and Tasche 2003).';

CREATE AGGREGATE mlops.gini(label float8, score float8) (
    SFUNC = mlops._ranking_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._gini, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.gini(float8, float8) IS
    'Gini coefficient or accuracy ratio, -1 to 1: 2 auc - 1; NULL without both classes; error 22023 if a label is neither 0 nor 1 (Engelmann, Hayden and Tasche 2003).';

CREATE AGGREGATE mlops.auc_ci(label boolean, score float8, level float8) (
    SFUNC = mlops._auc_ci_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._auc_ci, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.auc_ci(boolean, float8, float8) IS
    'Area under the ROC curve with its confidence interval at the given level, such as 0.95; bounds are NULL if a class has one row, all is NULL without both classes (DeLong, DeLong and Clarke-Pearson 1988).';

CREATE AGGREGATE mlops.auc_ci(label float8, score float8, level float8) (
    SFUNC = mlops._auc_ci_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._auc_ci, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.auc_ci(float8, float8, float8) IS
    'Area under the ROC curve with its confidence interval at the given level, such as 0.95; bounds are NULL if a class has one row, all is NULL without both classes; error 22023 if a label is neither 0 nor 1 (DeLong, DeLong and Clarke-Pearson 1988).';

CREATE AGGREGATE mlops.roc(label boolean, score float8) (
    SFUNC = mlops._ranking_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._roc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.roc(boolean, float8) IS
    'ROC curve as an array of points from the highest score down, one for each distinct score after (0, 0); NULL without both classes (Fawcett 2006).';

CREATE AGGREGATE mlops.roc(label float8, score float8) (
    SFUNC = mlops._ranking_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._roc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.roc(float8, float8) IS
    'ROC curve as an array of points from the highest score down, one for each distinct score after (0, 0); NULL without both classes; error 22023 if a label is neither 0 nor 1 (Fawcett 2006).';

CREATE AGGREGATE mlops.roc(label boolean, score float8, points integer) (
    SFUNC = mlops._roc_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._roc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.roc(boolean, float8, integer) IS
    'ROC curve as an array of at most so many of its points, 2 or more, evenly spaced along the curve, with both ends; NULL without both classes (Fawcett 2006).';

CREATE AGGREGATE mlops.roc(label float8, score float8, points integer) (
    SFUNC = mlops._roc_add, STYPE = internal, SSPACE = 8192,
    FINALFUNC = mlops._roc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.roc(float8, float8, integer) IS
    'ROC curve as an array of at most so many of its points, 2 or more, evenly spaced along the curve, with both ends; NULL without both classes; error 22023 if a label is neither 0 nor 1 (Fawcett 2006).';

--
-- Probabilities
--
CREATE FUNCTION mlops._losses_add(state internal, label boolean, score float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_losses_add_row';
CREATE FUNCTION mlops._losses_add(state internal, label float8, score float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_losses_add_row_number';
CREATE FUNCTION mlops._losses_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_losses_combine';
CREATE FUNCTION mlops._losses_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_losses_serialize';
CREATE FUNCTION mlops._losses_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_losses_deserialize';
CREATE FUNCTION mlops._log_loss(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_log_loss_final';
CREATE FUNCTION mlops._brier(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_brier_final';

CREATE AGGREGATE mlops.log_loss(label boolean, score float8) (
    SFUNC = mlops._losses_add, STYPE = internal, SSPACE = 80,
    COMBINEFUNC = mlops._losses_combine, SERIALFUNC = mlops._losses_serialize, DESERIALFUNC = mlops._losses_deserialize,
    FINALFUNC = mlops._log_loss, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.log_loss(boolean, float8) IS
    'Mean negative natural logarithm of the probability given to the actual class, not below 1e-15, 0 to 34.54; NULL without rows, error 22023 if a score is not within 0 to 1 (Good 1952).';

CREATE AGGREGATE mlops.log_loss(label float8, score float8) (
    SFUNC = mlops._losses_add, STYPE = internal, SSPACE = 80,
    COMBINEFUNC = mlops._losses_combine, SERIALFUNC = mlops._losses_serialize, DESERIALFUNC = mlops._losses_deserialize,
    FINALFUNC = mlops._log_loss, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.log_loss(float8, float8) IS
    'Mean negative natural logarithm of the probability given to the actual class, not below 1e-15, 0 to 34.54; NULL without rows, error 22023 if a label is neither 0 nor 1 or a score not within 0 to 1 (Good 1952).';

CREATE AGGREGATE mlops.brier(label boolean, score float8) (
    SFUNC = mlops._losses_add, STYPE = internal, SSPACE = 80,
    COMBINEFUNC = mlops._losses_combine, SERIALFUNC = mlops._losses_serialize, DESERIALFUNC = mlops._losses_deserialize,
    FINALFUNC = mlops._brier, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.brier(boolean, float8) IS
    'Mean squared difference of score and label, 0 to 1; NULL without rows, error 22023 if a score is not within 0 to 1 (Brier 1950).';

CREATE AGGREGATE mlops.brier(label float8, score float8) (
    SFUNC = mlops._losses_add, STYPE = internal, SSPACE = 80,
    COMBINEFUNC = mlops._losses_combine, SERIALFUNC = mlops._losses_serialize, DESERIALFUNC = mlops._losses_deserialize,
    FINALFUNC = mlops._brier, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.brier(float8, float8) IS
    'Mean squared difference of score and label, 0 to 1; NULL without rows, error 22023 if a label is neither 0 nor 1 or a score not within 0 to 1 (Brier 1950).';

--
-- Calibration
--
CREATE FUNCTION mlops._calibration_add(state internal, label boolean, score float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_calibration_add';
CREATE FUNCTION mlops._calibration_add(state internal, label float8, score float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_calibration_add_number';
CREATE FUNCTION mlops._calibration_add(state internal, label boolean, score float8, bins integer) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_calibration_add';
CREATE FUNCTION mlops._calibration_add(state internal, label float8, score float8, bins integer) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_calibration_add_number';
CREATE FUNCTION mlops._calibration_add(state internal, label boolean, score float8, bins integer, strategy text) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_calibration_add';
CREATE FUNCTION mlops._calibration_add(state internal, label float8, score float8, bins integer, strategy text) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_calibration_add_number';
CREATE FUNCTION mlops._calibration_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_calibration_combine';
CREATE FUNCTION mlops._calibration_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_calibration_serialize';
CREATE FUNCTION mlops._calibration_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_calibration_deserialize';
CREATE FUNCTION mlops._calibration(state internal) RETURNS mlops.calibration_bin[]
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_calibration_final';
CREATE FUNCTION mlops._ece(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_ece_final';

CREATE AGGREGATE mlops.calibration(label boolean, score float8) (
    SFUNC = mlops._calibration_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._calibration_combine, SERIALFUNC = mlops._calibration_serialize, DESERIALFUNC = mlops._calibration_deserialize,
    FINALFUNC = mlops._calibration, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.calibration(boolean, float8) IS
    'Calibration curve as an array of 10 bins of equal width: mean score beside the share of positive labels; NULL without rows, error 22023 if a score is not within 0 to 1 (Murphy and Winkler 1977).';

CREATE AGGREGATE mlops.calibration(label float8, score float8) (
    SFUNC = mlops._calibration_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._calibration_combine, SERIALFUNC = mlops._calibration_serialize, DESERIALFUNC = mlops._calibration_deserialize,
    FINALFUNC = mlops._calibration, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.calibration(float8, float8) IS
    'Calibration curve as an array of 10 bins of equal width: mean score beside the share of positive labels; NULL without rows, error 22023 if a label is neither 0 nor 1 or a score not within 0 to 1 (Murphy and Winkler 1977).';

CREATE AGGREGATE mlops.calibration(label boolean, score float8, bins integer) (
    SFUNC = mlops._calibration_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._calibration_combine, SERIALFUNC = mlops._calibration_serialize, DESERIALFUNC = mlops._calibration_deserialize,
    FINALFUNC = mlops._calibration, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.calibration(boolean, float8, integer) IS
    'Calibration curve as an array of bins of equal width: mean score beside the share of positive labels; NULL without rows, error 22023 if a score is not within 0 to 1 (Murphy and Winkler 1977).';

CREATE AGGREGATE mlops.calibration(label float8, score float8, bins integer) (
    SFUNC = mlops._calibration_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._calibration_combine, SERIALFUNC = mlops._calibration_serialize, DESERIALFUNC = mlops._calibration_deserialize,
    FINALFUNC = mlops._calibration, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.calibration(float8, float8, integer) IS
    'Calibration curve as an array of bins of equal width: mean score beside the share of positive labels; NULL without rows, error 22023 if a label is neither 0 nor 1 or a score not within 0 to 1 (Murphy and Winkler 1977).';

CREATE AGGREGATE mlops.calibration(label boolean, score float8, bins integer, strategy text) (
    SFUNC = mlops._calibration_add, STYPE = internal, SSPACE = 1024,
    FINALFUNC = mlops._calibration, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.calibration(boolean, float8, integer, text) IS
    'Calibration curve as an array of bins of strategy equal_width or equal_frequency: mean score beside the share of positive labels; NULL without rows, error 22023 if a score is not within 0 to 1 (Murphy and Winkler 1977).';

CREATE AGGREGATE mlops.calibration(label float8, score float8, bins integer, strategy text) (
    SFUNC = mlops._calibration_add, STYPE = internal, SSPACE = 1024,
    FINALFUNC = mlops._calibration, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.calibration(float8, float8, integer, text) IS
    'Calibration curve as an array of bins of strategy equal_width or equal_frequency: mean score beside the share of positive labels; NULL without rows, error 22023 if a label is neither 0 nor 1 or a score not within 0 to 1 (Murphy and Winkler 1977).';

CREATE AGGREGATE mlops.ece(label boolean, score float8) (
    SFUNC = mlops._calibration_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._calibration_combine, SERIALFUNC = mlops._calibration_serialize, DESERIALFUNC = mlops._calibration_deserialize,
    FINALFUNC = mlops._ece, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.ece(boolean, float8) IS
    'Expected calibration error over 10 bins of equal width, 0 to 1: mean distance between mean score and share of positive labels; NULL without rows, error 22023 if a score is not within 0 to 1 (Naeini, Cooper and Hauskrecht 2015).';

CREATE AGGREGATE mlops.ece(label float8, score float8) (
    SFUNC = mlops._calibration_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._calibration_combine, SERIALFUNC = mlops._calibration_serialize, DESERIALFUNC = mlops._calibration_deserialize,
    FINALFUNC = mlops._ece, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.ece(float8, float8) IS
    'Expected calibration error over 10 bins of equal width, 0 to 1: mean distance between mean score and share of positive labels; NULL without rows, error 22023 if a label is neither 0 nor 1 or a score not within 0 to 1 (Naeini, Cooper and Hauskrecht 2015).';

CREATE AGGREGATE mlops.ece(label boolean, score float8, bins integer) (
    SFUNC = mlops._calibration_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._calibration_combine, SERIALFUNC = mlops._calibration_serialize, DESERIALFUNC = mlops._calibration_deserialize,
    FINALFUNC = mlops._ece, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.ece(boolean, float8, integer) IS
    'Expected calibration error over bins of equal width, 0 to 1: mean distance between mean score and share of positive labels; NULL without rows, error 22023 if a score is not within 0 to 1 (Naeini, Cooper and Hauskrecht 2015).';

CREATE AGGREGATE mlops.ece(label float8, score float8, bins integer) (
    SFUNC = mlops._calibration_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._calibration_combine, SERIALFUNC = mlops._calibration_serialize, DESERIALFUNC = mlops._calibration_deserialize,
    FINALFUNC = mlops._ece, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.ece(float8, float8, integer) IS
    'Expected calibration error over bins of equal width, 0 to 1: mean distance between mean score and share of positive labels; NULL without rows, error 22023 if a label is neither 0 nor 1 or a score not within 0 to 1 (Naeini, Cooper and Hauskrecht 2015).';

CREATE AGGREGATE mlops.ece(label boolean, score float8, bins integer, strategy text) (
    SFUNC = mlops._calibration_add, STYPE = internal, SSPACE = 1024,
    FINALFUNC = mlops._ece, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.ece(boolean, float8, integer, text) IS
    'Expected calibration error over bins of strategy equal_width or equal_frequency, 0 to 1: mean distance between mean score and share of positive labels; NULL without rows, error 22023 if a score is not within 0 to 1 (Naeini, Cooper and Hauskrecht 2015).';

CREATE AGGREGATE mlops.ece(label float8, score float8, bins integer, strategy text) (
    SFUNC = mlops._calibration_add, STYPE = internal, SSPACE = 1024,
    FINALFUNC = mlops._ece, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.ece(float8, float8, integer, text) IS
    'Expected calibration error over bins of strategy equal_width or equal_frequency, 0 to 1: mean distance between mean score and share of positive labels; NULL without rows, error 22023 if a label is neither 0 nor 1 or a score not within 0 to 1 (Naeini, Cooper and Hauskrecht 2015).';

CREATE FUNCTION mlops.wilson(successes bigint, n bigint, level float8 DEFAULT 0.95) RETURNS mlops.estimate
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_wilson_interval';
COMMENT ON FUNCTION mlops.wilson(bigint, bigint, float8) IS
    'Share of successes with its confidence interval at the given level; NULL if n is 0, error 22023 if successes are not within 0 to n or the level not between 0 and 1 (Wilson 1927).';

--
-- Decisions
--
CREATE FUNCTION mlops._decision_add(state internal, label boolean, predicted boolean) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_decision_add';
CREATE FUNCTION mlops._decision_add(state internal, label boolean, score float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_decision_add_score';
CREATE FUNCTION mlops._decision_add(state internal, label float8, score float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_decision_add_score_number';
CREATE FUNCTION mlops._decision_add(state internal, label boolean, score float8, threshold float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_decision_add_threshold';
CREATE FUNCTION mlops._decision_add(state internal, label float8, score float8, threshold float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_decision_add_threshold_number';
CREATE FUNCTION mlops._decision_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_decision_combine';
CREATE FUNCTION mlops._decision_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_decision_serialize';
CREATE FUNCTION mlops._decision_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_decision_deserialize';
CREATE FUNCTION mlops._accuracy(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_accuracy_final';
CREATE FUNCTION mlops._precision(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_precision_final';
CREATE FUNCTION mlops._recall(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_recall_final';
CREATE FUNCTION mlops._f1(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_f1_final';
CREATE FUNCTION mlops._mcc(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_mcc_final';

CREATE AGGREGATE mlops.accuracy(label boolean, predicted boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._accuracy, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.accuracy(boolean, boolean) IS
    'Share of right decisions, 0 to 1; NULL without rows (Fawcett 2006).';

CREATE AGGREGATE mlops.accuracy(label boolean, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._accuracy, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.accuracy(boolean, float8) IS
    'Share of right decisions, 0 to 1, where scores from 0.5 upwards are decided positive; NULL without rows (Fawcett 2006).';

CREATE AGGREGATE mlops.accuracy(label float8, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._accuracy, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.accuracy(float8, float8) IS
    'Share of right decisions, 0 to 1, where scores from 0.5 upwards are decided positive; NULL without rows; error 22023 if a label is neither 0 nor 1 (Fawcett 2006).';

CREATE AGGREGATE mlops.accuracy(label boolean, score float8, threshold float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._accuracy, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.accuracy(boolean, float8, float8) IS
    'Share of right decisions, 0 to 1, where scores from the threshold upwards are decided positive; NULL without rows (Fawcett 2006).';

CREATE AGGREGATE mlops.accuracy(label float8, score float8, threshold float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._accuracy, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.accuracy(float8, float8, float8) IS
    'Share of right decisions, 0 to 1, where scores from the threshold upwards are decided positive; NULL without rows; error 22023 if a label is neither 0 nor 1 (Fawcett 2006).';

CREATE AGGREGATE mlops.precision(label boolean, predicted boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._precision, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.precision(boolean, boolean) IS
    'Share of positive labels among the rows decided positive, 0 to 1; NULL if there are none (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.precision(label boolean, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._precision, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.precision(boolean, float8) IS
    'Share of positive labels among the rows decided positive, 0 to 1, where scores from 0.5 upwards are decided positive; NULL if there are none (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.precision(label float8, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._precision, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.precision(float8, float8) IS
    'Share of positive labels among the rows decided positive, 0 to 1, where scores from 0.5 upwards are decided positive; NULL if there are none; error 22023 if a label is neither 0 nor 1 (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.precision(label boolean, score float8, threshold float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._precision, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.precision(boolean, float8, float8) IS
    'Share of positive labels among the rows decided positive, 0 to 1, where scores from the threshold upwards are decided positive; NULL if there are none (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.precision(label float8, score float8, threshold float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._precision, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.precision(float8, float8, float8) IS
    'Share of positive labels among the rows decided positive, 0 to 1, where scores from the threshold upwards are decided positive; NULL if there are none; error 22023 if a label is neither 0 nor 1 (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.recall(label boolean, predicted boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._recall, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.recall(boolean, boolean) IS
    'Share of rows decided positive among those with a positive label, 0 to 1; NULL if there are none (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.recall(label boolean, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._recall, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.recall(boolean, float8) IS
    'Share of rows decided positive among those with a positive label, 0 to 1, where scores from 0.5 upwards are decided positive; NULL if there are none (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.recall(label float8, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._recall, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.recall(float8, float8) IS
    'Share of rows decided positive among those with a positive label, 0 to 1, where scores from 0.5 upwards are decided positive; NULL if there are none; error 22023 if a label is neither 0 nor 1 (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.recall(label boolean, score float8, threshold float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._recall, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.recall(boolean, float8, float8) IS
    'Share of rows decided positive among those with a positive label, 0 to 1, where scores from the threshold upwards are decided positive; NULL if there are none (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.recall(label float8, score float8, threshold float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._recall, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.recall(float8, float8, float8) IS
    'Share of rows decided positive among those with a positive label, 0 to 1, where scores from the threshold upwards are decided positive; NULL if there are none; error 22023 if a label is neither 0 nor 1 (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.f1(label boolean, predicted boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._f1, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.f1(boolean, boolean) IS
    'Harmonic mean of precision and recall, 0 to 1; NULL if nothing is positive (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.f1(label boolean, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._f1, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.f1(boolean, float8) IS
    'Harmonic mean of precision and recall, 0 to 1, where scores from 0.5 upwards are decided positive; NULL if nothing is positive (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.f1(label float8, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._f1, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.f1(float8, float8) IS
    'Harmonic mean of precision and recall, 0 to 1, where scores from 0.5 upwards are decided positive; NULL if nothing is positive; error 22023 if a label is neither 0 nor 1 (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.f1(label boolean, score float8, threshold float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._f1, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.f1(boolean, float8, float8) IS
    'Harmonic mean of precision and recall, 0 to 1, where scores from the threshold upwards are decided positive; NULL if nothing is positive (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.f1(label float8, score float8, threshold float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._f1, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.f1(float8, float8, float8) IS
    'Harmonic mean of precision and recall, 0 to 1, where scores from the threshold upwards are decided positive; NULL if nothing is positive; error 22023 if a label is neither 0 nor 1 (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.mcc(label boolean, predicted boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._mcc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.mcc(boolean, boolean) IS
    'Correlation of label and decision, -1 to 1; NULL if one of them is constant (Matthews 1975).';

CREATE AGGREGATE mlops.mcc(label boolean, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._mcc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.mcc(boolean, float8) IS
    'Correlation of label and decision, -1 to 1, where scores from 0.5 upwards are decided positive; NULL if one of them is constant (Matthews 1975).';

CREATE AGGREGATE mlops.mcc(label float8, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._mcc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.mcc(float8, float8) IS
    'Correlation of label and decision, -1 to 1, where scores from 0.5 upwards are decided positive; NULL if one of them is constant; error 22023 if a label is neither 0 nor 1 (Matthews 1975).';

CREATE AGGREGATE mlops.mcc(label boolean, score float8, threshold float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._mcc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.mcc(boolean, float8, float8) IS
    'Correlation of label and decision, -1 to 1, where scores from the threshold upwards are decided positive; NULL if one of them is constant (Matthews 1975).';

CREATE AGGREGATE mlops.mcc(label float8, score float8, threshold float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._mcc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.mcc(float8, float8, float8) IS
    'Correlation of label and decision, -1 to 1, where scores from the threshold upwards are decided positive; NULL if one of them is constant; error 22023 if a label is neither 0 nor 1 (Matthews 1975).';

--
-- Classes
--
CREATE FUNCTION mlops._classes_add(state internal, label "any", predicted "any") RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_classes_add';
CREATE FUNCTION mlops._classes_add(state internal, label "any", predicted text) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_classes_add';
CREATE FUNCTION mlops._classes_match(state internal, label "any", predicted text) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_classes_match';
CREATE FUNCTION mlops._classes_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_classes_combine';
CREATE FUNCTION mlops._classes_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_classes_serialize';
CREATE FUNCTION mlops._classes_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_classes_deserialize';
CREATE FUNCTION mlops._confusion(state internal) RETURNS jsonb
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_confusion_final';
CREATE FUNCTION mlops._classes_precision(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_classes_precision_final';
CREATE FUNCTION mlops._classes_recall(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_classes_recall_final';
CREATE FUNCTION mlops._classes_f1(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_classes_f1_final';
CREATE FUNCTION mlops._classes_mcc(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_classes_mcc_final';

CREATE AGGREGATE mlops.confusion(label "any", predicted "any") (
    SFUNC = mlops._classes_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._classes_combine, SERIALFUNC = mlops._classes_serialize, DESERIALFUNC = mlops._classes_deserialize,
    FINALFUNC = mlops._confusion, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.confusion("any", "any") IS
    'Confusion matrix of at most 1000 classes of any type as jsonb: n, classes, matrix (rows are actual classes, columns predicted ones), by_class with tp, fp, fn and tn of each; NULL without rows, error 42804 for types that cannot be compared (Fawcett 2006).';

CREATE AGGREGATE mlops.accuracy(label "any", predicted text) (
    SFUNC = mlops._classes_match, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._accuracy, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.accuracy("any", text) IS
    'Share of rows whose predicted class is the actual one, 0 to 1; NULL without rows (Fawcett 2006).';

CREATE AGGREGATE mlops.precision(label "any", predicted text) (
    SFUNC = mlops._classes_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._classes_combine, SERIALFUNC = mlops._classes_serialize, DESERIALFUNC = mlops._classes_deserialize,
    FINALFUNC = mlops._classes_precision, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.precision("any", text) IS
    'Precision, 0 to 1: mean over all classes, where a class that was never predicted counts as 0; of the class true if the label is boolean; NULL without rows (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.recall(label "any", predicted text) (
    SFUNC = mlops._classes_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._classes_combine, SERIALFUNC = mlops._classes_serialize, DESERIALFUNC = mlops._classes_deserialize,
    FINALFUNC = mlops._classes_recall, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.recall("any", text) IS
    'Recall, 0 to 1: mean over all classes, where a class that never occurred counts as 0; of the class true if the label is boolean; NULL without rows (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.f1(label "any", predicted text) (
    SFUNC = mlops._classes_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._classes_combine, SERIALFUNC = mlops._classes_serialize, DESERIALFUNC = mlops._classes_deserialize,
    FINALFUNC = mlops._classes_f1, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.f1("any", text) IS
    'F1, 0 to 1: mean over all classes; of the class true if the label is boolean; NULL without rows (van Rijsbergen 1979).';

CREATE AGGREGATE mlops.mcc(label "any", predicted text) (
    SFUNC = mlops._classes_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._classes_combine, SERIALFUNC = mlops._classes_serialize, DESERIALFUNC = mlops._classes_deserialize,
    FINALFUNC = mlops._classes_mcc, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.mcc("any", text) IS
    'Correlation of actual and predicted class, -1 to 1; NULL if one of them is constant (Gorodkin 2004).';

--
-- Regression
--
CREATE FUNCTION mlops._errors_add(state internal, actual float8, predicted float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_errors_add_row';
CREATE FUNCTION mlops._errors_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_errors_combine';
CREATE FUNCTION mlops._errors_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_errors_serialize';
CREATE FUNCTION mlops._errors_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_errors_deserialize';
CREATE FUNCTION mlops._rmse(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_rmse_final';
CREATE FUNCTION mlops._mae(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_mae_final';
CREATE FUNCTION mlops._r2(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_r2_final';
CREATE FUNCTION mlops._mape(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_mape_final';

CREATE AGGREGATE mlops.rmse(actual float8, predicted float8) (
    SFUNC = mlops._errors_add, STYPE = internal, SSPACE = 160,
    COMBINEFUNC = mlops._errors_combine, SERIALFUNC = mlops._errors_serialize, DESERIALFUNC = mlops._errors_deserialize,
    FINALFUNC = mlops._rmse, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.rmse(float8, float8) IS
    'Root of the mean squared error, in units of the target, 0 or more; NULL without rows, error 22023 if a value is not finite (Hyndman and Koehler 2006).';

CREATE AGGREGATE mlops.mae(actual float8, predicted float8) (
    SFUNC = mlops._errors_add, STYPE = internal, SSPACE = 160,
    COMBINEFUNC = mlops._errors_combine, SERIALFUNC = mlops._errors_serialize, DESERIALFUNC = mlops._errors_deserialize,
    FINALFUNC = mlops._mae, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.mae(float8, float8) IS
    'Mean absolute error, in units of the target, 0 or more; NULL without rows, error 22023 if a value is not finite (Hyndman and Koehler 2006).';

CREATE AGGREGATE mlops.r2(actual float8, predicted float8) (
    SFUNC = mlops._errors_add, STYPE = internal, SSPACE = 160,
    COMBINEFUNC = mlops._errors_combine, SERIALFUNC = mlops._errors_serialize, DESERIALFUNC = mlops._errors_deserialize,
    FINALFUNC = mlops._r2, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.r2(float8, float8) IS
    'Coefficient of determination, 1 or less: 1 minus the squared errors over the squared deviations of the actual values from their mean; NULL if the actual values are constant, error 22023 if a value is not finite (Kvalseth 1985).';

CREATE AGGREGATE mlops.mape(actual float8, predicted float8) (
    SFUNC = mlops._errors_add, STYPE = internal, SSPACE = 160,
    COMBINEFUNC = mlops._errors_combine, SERIALFUNC = mlops._errors_serialize, DESERIALFUNC = mlops._errors_deserialize,
    FINALFUNC = mlops._mape, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.mape(float8, float8) IS
    'Mean absolute percentage error as a share (0.1 is 10 %), 0 or more, over the rows whose actual value is not 0; NULL without such rows, error 22023 if a value is not finite (Hyndman and Koehler 2006).';
