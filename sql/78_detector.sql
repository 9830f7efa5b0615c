-- file: sql/78_detector.sql
-- Detectors of change in a stream of errors or values, as aggregates over rows
-- in order.  Definitions: doc/detectors.md.

CREATE FUNCTION mlops._adwin_add(state internal, x float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_adwin_add_row';
CREATE FUNCTION mlops._adwin_add(state internal, x float8, delta float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_adwin_add_row';
CREATE FUNCTION mlops._adwin_add(state internal, x float8, options jsonb) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_adwin_add_row';
CREATE FUNCTION mlops._ddm_add(state internal, error boolean) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_ddm_add_row';
CREATE FUNCTION mlops._ddm_add(state internal, error boolean, options jsonb) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_ddm_add_row';
CREATE FUNCTION mlops._ddm_add(state internal, error float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_ddm_add_row_number';
CREATE FUNCTION mlops._ddm_add(state internal, error float8, options jsonb) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_ddm_add_row_number';
CREATE FUNCTION mlops._page_hinkley_add(state internal, x float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_page_hinkley_add_row';
CREATE FUNCTION mlops._page_hinkley_add(state internal, x float8, options jsonb) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_page_hinkley_add_row';
CREATE FUNCTION mlops._detector_alarms(state internal) RETURNS bigint[]
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_detector_alarms';
CREATE FUNCTION mlops._detector_warnings(state internal) RETURNS bigint[]
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_detector_warnings';

CREATE AGGREGATE mlops.adwin(x float8) (
    SFUNC = mlops._adwin_add, STYPE = internal, SSPACE = 6000,
    FINALFUNC = mlops._detector_alarms
);
COMMENT ON AGGREGATE mlops.adwin(float8) IS
    'Positions, rows in order, counted from 0, at which the mean of the latest values differs from that before with confidence 0.998; NULL without rows, error 22023 for a value that is not finite (Bifet and Gavalda 2007).';

CREATE AGGREGATE mlops.adwin(x float8, delta float8) (
    SFUNC = mlops._adwin_add, STYPE = internal, SSPACE = 6000,
    FINALFUNC = mlops._detector_alarms
);
COMMENT ON AGGREGATE mlops.adwin(float8, float8) IS
    'Positions, rows in order, counted from 0, at which the mean of the latest values differs from that before with confidence 1 - delta; NULL without rows, error 22023 for a value that is not finite or a delta not above 0 and up to 1 (Bifet and Gavalda 2007).';

CREATE AGGREGATE mlops.adwin(x float8, options jsonb) (
    SFUNC = mlops._adwin_add, STYPE = internal, SSPACE = 6000,
    FINALFUNC = mlops._detector_alarms
);
COMMENT ON AGGREGATE mlops.adwin(float8, jsonb) IS
    'Positions, rows in order, counted from 0, at which the mean of the latest values differs from that before; options are delta, clock, max_buckets, min_window_length and grace_period; NULL without rows, error 22023 for a value that is not finite or an unknown option (Bifet and Gavalda 2007).';

CREATE AGGREGATE mlops.ddm(error boolean) (
    SFUNC = mlops._ddm_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = mlops._detector_alarms
);
COMMENT ON AGGREGATE mlops.ddm(boolean) IS
    'Positions, rows in order, counted from 0, at which the share of errors has risen three standard deviations above its least; NULL without rows (Gama, Medas, Castillo and Rodrigues 2004).';

CREATE AGGREGATE mlops.ddm_warnings(error boolean) (
    SFUNC = mlops._ddm_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = mlops._detector_warnings
);
COMMENT ON AGGREGATE mlops.ddm_warnings(boolean) IS
    'Positions, rows in order, counted from 0, at which the share of errors is between two and three standard deviations above its least; NULL without rows (Gama, Medas, Castillo and Rodrigues 2004).';

CREATE AGGREGATE mlops.ddm(error boolean, options jsonb) (
    SFUNC = mlops._ddm_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = mlops._detector_alarms
);
COMMENT ON AGGREGATE mlops.ddm(boolean, jsonb) IS
    'Positions, rows in order, counted from 0, at which the share of errors has risen three standard deviations above its least; options are warm_start, warning_threshold and drift_threshold; NULL without rows (Gama, Medas, Castillo and Rodrigues 2004).';

CREATE AGGREGATE mlops.ddm_warnings(error boolean, options jsonb) (
    SFUNC = mlops._ddm_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = mlops._detector_warnings
);
COMMENT ON AGGREGATE mlops.ddm_warnings(boolean, jsonb) IS
    'Positions, rows in order, counted from 0, at which the share of errors is between two and three standard deviations above its least; options are warm_start, warning_threshold and drift_threshold; NULL without rows (Gama, Medas, Castillo and Rodrigues 2004).';

CREATE AGGREGATE mlops.ddm(error float8) (
    SFUNC = mlops._ddm_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = mlops._detector_alarms
);
COMMENT ON AGGREGATE mlops.ddm(float8) IS
    'Positions, rows in order, counted from 0, at which the share of errors has risen three standard deviations above its least; NULL without rows, error 22023 for an error that is neither 0 nor 1 (Gama, Medas, Castillo and Rodrigues 2004).';

CREATE AGGREGATE mlops.ddm_warnings(error float8) (
    SFUNC = mlops._ddm_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = mlops._detector_warnings
);
COMMENT ON AGGREGATE mlops.ddm_warnings(float8) IS
    'Positions, rows in order, counted from 0, at which the share of errors is between two and three standard deviations above its least; NULL without rows, error 22023 for an error that is neither 0 nor 1 (Gama, Medas, Castillo and Rodrigues 2004).';

CREATE AGGREGATE mlops.ddm(error float8, options jsonb) (
    SFUNC = mlops._ddm_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = mlops._detector_alarms
);
COMMENT ON AGGREGATE mlops.ddm(float8, jsonb) IS
    'Positions, rows in order, counted from 0, at which the share of errors has risen three standard deviations above its least; options are warm_start, warning_threshold and drift_threshold; NULL without rows, error 22023 for an error that is neither 0 nor 1 (Gama, Medas, Castillo and Rodrigues 2004).';

CREATE AGGREGATE mlops.ddm_warnings(error float8, options jsonb) (
    SFUNC = mlops._ddm_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = mlops._detector_warnings
);
COMMENT ON AGGREGATE mlops.ddm_warnings(float8, jsonb) IS
    'Positions, rows in order, counted from 0, at which the share of errors is between two and three standard deviations above its least; options are warm_start, warning_threshold and drift_threshold; NULL without rows, error 22023 for an error that is neither 0 nor 1 (Gama, Medas, Castillo and Rodrigues 2004).';

CREATE AGGREGATE mlops.page_hinkley(x float8) (
    SFUNC = mlops._page_hinkley_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = mlops._detector_alarms
);
COMMENT ON AGGREGATE mlops.page_hinkley(float8) IS
    'Positions, rows in order, counted from 0, at which values have exceeded their mean by 50 in sum; NULL without rows, error 22023 for a value that is not finite (Page 1954).';

CREATE AGGREGATE mlops.page_hinkley(x float8, options jsonb) (
    SFUNC = mlops._page_hinkley_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = mlops._detector_alarms
);
COMMENT ON AGGREGATE mlops.page_hinkley(float8, jsonb) IS
    'Positions, rows in order, counted from 0, at which values have exceeded their mean by the threshold in sum; options are min_instances, delta, threshold and alpha; NULL without rows, error 22023 for a value that is not finite or an unknown option (Page 1954).';

CREATE FUNCTION mlops.first_alarm(alarms bigint[]) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT alarms[array_lower(alarms, 1)] $$;
COMMENT ON FUNCTION mlops.first_alarm(bigint[]) IS 'The first of the positions that a detector found; NULL if it found none.';
