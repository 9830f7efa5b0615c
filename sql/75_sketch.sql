-- file: sql/75_sketch.sql
-- Summaries of one column that can be merged.  Definitions: doc/monitoring.md.

CREATE TYPE mlops.sketch;

CREATE FUNCTION mlops.sketch_in(cstring) RETURNS mlops.sketch
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_in';
COMMENT ON FUNCTION mlops.sketch_in(cstring) IS 'Input function of mlops.sketch.';

CREATE FUNCTION mlops.sketch_out(mlops.sketch) RETURNS cstring
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_out';
COMMENT ON FUNCTION mlops.sketch_out(mlops.sketch) IS 'Output function of mlops.sketch.';

CREATE FUNCTION mlops.sketch_recv(internal) RETURNS mlops.sketch
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_recv';
COMMENT ON FUNCTION mlops.sketch_recv(internal) IS 'Binary input function of mlops.sketch.';

CREATE FUNCTION mlops.sketch_send(mlops.sketch) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_send';
COMMENT ON FUNCTION mlops.sketch_send(mlops.sketch) IS 'Binary output function of mlops.sketch.';

CREATE TYPE mlops.sketch (
    INPUT = mlops.sketch_in,
    OUTPUT = mlops.sketch_out,
    RECEIVE = mlops.sketch_recv,
    SEND = mlops.sketch_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = extended
);
COMMENT ON TYPE mlops.sketch IS
    'Mergeable summary of one column, numeric or categorical: exact counts and moments; quantiles, frequencies and distinct values exact up to 2048 distinct values and within a stated bound beyond; written as \x and hexadecimal digits.';

--
-- Aggregates
--
CREATE FUNCTION mlops._sketch_add(state internal, x float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_add';
CREATE FUNCTION mlops._sketch_add(state internal, x numeric) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_add';
CREATE FUNCTION mlops._sketch_add(state internal, x date) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_add';
CREATE FUNCTION mlops._sketch_add(state internal, x timestamp) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_add';
CREATE FUNCTION mlops._sketch_add(state internal, x timestamptz) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_add';
CREATE FUNCTION mlops._sketch_add(state internal, x boolean) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_add';
CREATE FUNCTION mlops._sketch_add(state internal, x text) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_add';
CREATE FUNCTION mlops._sketch_add(state internal, x anyenum) RETURNS internal
    LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_add';
CREATE FUNCTION mlops._sketch_merge(state internal, sketch mlops.sketch) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_merge_add';
CREATE FUNCTION mlops._sketch_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_combine';
CREATE FUNCTION mlops._sketch_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_serialize';
CREATE FUNCTION mlops._sketch_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_deserialize';
CREATE FUNCTION mlops._sketch(state internal) RETURNS mlops.sketch
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_final';

CREATE AGGREGATE mlops.sketch(x float8) (
    SFUNC = mlops._sketch_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._sketch_combine, SERIALFUNC = mlops._sketch_serialize, DESERIALFUNC = mlops._sketch_deserialize,
    FINALFUNC = mlops._sketch, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.sketch(float8) IS
    'Numeric sketch of a column of numbers, in which NULL, NaN and infinities are counted; NULL of no rows.';

CREATE AGGREGATE mlops.sketch(x numeric) (
    SFUNC = mlops._sketch_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._sketch_combine, SERIALFUNC = mlops._sketch_serialize, DESERIALFUNC = mlops._sketch_deserialize,
    FINALFUNC = mlops._sketch, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.sketch(numeric) IS
    'Numeric sketch of a column of type numeric, whose values are rounded to double precision, those beyond its range to an infinity; NULL of no rows.';

CREATE AGGREGATE mlops.sketch(x date) (
    SFUNC = mlops._sketch_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._sketch_combine, SERIALFUNC = mlops._sketch_serialize, DESERIALFUNC = mlops._sketch_deserialize,
    FINALFUNC = mlops._sketch, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.sketch(date) IS
    'Numeric sketch of a column of dates, which count as days since 1970-01-01; NULL of no rows.';

CREATE AGGREGATE mlops.sketch(x timestamp) (
    SFUNC = mlops._sketch_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._sketch_combine, SERIALFUNC = mlops._sketch_serialize, DESERIALFUNC = mlops._sketch_deserialize,
    FINALFUNC = mlops._sketch, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.sketch(timestamp) IS
    'Numeric sketch of a column of timestamps, which count as days since 1970-01-01 with a fraction; NULL of no rows.';

CREATE AGGREGATE mlops.sketch(x timestamptz) (
    SFUNC = mlops._sketch_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._sketch_combine, SERIALFUNC = mlops._sketch_serialize, DESERIALFUNC = mlops._sketch_deserialize,
    FINALFUNC = mlops._sketch, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.sketch(timestamptz) IS
    'Numeric sketch of a column of timestamps, which count as days since 1970-01-01 00:00 UTC with a fraction; NULL of no rows.';

CREATE AGGREGATE mlops.sketch(x boolean) (
    SFUNC = mlops._sketch_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._sketch_combine, SERIALFUNC = mlops._sketch_serialize, DESERIALFUNC = mlops._sketch_deserialize,
    FINALFUNC = mlops._sketch, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.sketch(boolean) IS
    'Categorical sketch of a column of booleans, as the texts false and true; NULL of no rows.';

CREATE AGGREGATE mlops.sketch(x text) (
    SFUNC = mlops._sketch_add, STYPE = internal, SSPACE = 8192,
    COMBINEFUNC = mlops._sketch_combine, SERIALFUNC = mlops._sketch_serialize, DESERIALFUNC = mlops._sketch_deserialize,
    FINALFUNC = mlops._sketch, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.sketch(text) IS
    'Categorical sketch of a column of texts, of which one longer than 255 bytes is kept as its beginning and a hash; NULL of no rows.';

CREATE AGGREGATE mlops.sketch(x anyenum) (
    SFUNC = mlops._sketch_add, STYPE = internal, SSPACE = 1024,
    COMBINEFUNC = mlops._sketch_combine, SERIALFUNC = mlops._sketch_serialize, DESERIALFUNC = mlops._sketch_deserialize,
    FINALFUNC = mlops._sketch, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.sketch(anyenum) IS
    'Categorical sketch of a column of an enum type, by its labels; NULL of no rows.';

CREATE AGGREGATE mlops.merge(sketch mlops.sketch) (
    SFUNC = mlops._sketch_merge, STYPE = internal, SSPACE = 65536,
    COMBINEFUNC = mlops._sketch_combine, SERIALFUNC = mlops._sketch_serialize, DESERIALFUNC = mlops._sketch_deserialize,
    FINALFUNC = mlops._sketch, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.merge(mlops.sketch) IS
    'Sketch of all rows of sketches, of which NULL is none; counts and moments are the same bits in any order and parts; error ML050 if the sketches are numeric and categorical.';

--
-- What a sketch says
--
CREATE FUNCTION mlops.totals(sketch mlops.sketch, OUT rows bigint, OUT nulls bigint, OUT nans bigint,
                             OUT negative_infinities bigint, OUT positive_infinities bigint, OUT "values" bigint)
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_totals';
COMMENT ON FUNCTION mlops.totals(mlops.sketch) IS
    'Exact counts of rows and of their kinds; values are finite numbers or texts.';

CREATE FUNCTION mlops.row_count(sketch mlops.sketch) RETURNS bigint
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_row_count';
COMMENT ON FUNCTION mlops.row_count(mlops.sketch) IS 'Exact number of rows, NULLs included.';

CREATE FUNCTION mlops.null_count(sketch mlops.sketch) RETURNS bigint
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_null_count';
COMMENT ON FUNCTION mlops.null_count(mlops.sketch) IS 'Exact number of rows that are NULL.';

CREATE FUNCTION mlops.min(sketch mlops.sketch) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_min_sql';
COMMENT ON FUNCTION mlops.min(mlops.sketch) IS
    'Least finite value, exact; NULL of none and of a categorical sketch.';

CREATE FUNCTION mlops.max(sketch mlops.sketch) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_max_sql';
COMMENT ON FUNCTION mlops.max(mlops.sketch) IS
    'Greatest finite value, exact; NULL of none and of a categorical sketch.';

CREATE FUNCTION mlops.mean(sketch mlops.sketch) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_mean_sql';
COMMENT ON FUNCTION mlops.mean(mlops.sketch) IS
    'Mean of the finite values, from their exact sum; NULL of none and of a categorical sketch.';

CREATE FUNCTION mlops.stddev(sketch mlops.sketch) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_stddev_sql';
COMMENT ON FUNCTION mlops.stddev(mlops.sketch) IS
    'Standard deviation of the finite values as a sample, from exact sums; NULL of less than two and of a categorical sketch.';

CREATE FUNCTION mlops.stddev_pop(sketch mlops.sketch) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_stddev_pop_sql';
COMMENT ON FUNCTION mlops.stddev_pop(mlops.sketch) IS
    'Standard deviation of the finite values as a population, from exact sums; NULL of none and of a categorical sketch.';

CREATE FUNCTION mlops.distinct_count(sketch mlops.sketch) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_distinct_sql';
COMMENT ON FUNCTION mlops.distinct_count(mlops.sketch) IS
    'Number of distinct finite values or texts: exact up to 2048, an estimate with a standard error of 1.6 % beyond.';

CREATE FUNCTION mlops.is_exact(sketch mlops.sketch) RETURNS boolean
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_is_exact_sql';
COMMENT ON FUNCTION mlops.is_exact(mlops.sketch) IS
    'Whether a sketch holds all distinct values with their counts, so that all it says is exact.';

CREATE FUNCTION mlops.rank_error(sketch mlops.sketch) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_rank_error_sql';
COMMENT ON FUNCTION mlops.rank_error(mlops.sketch) IS
    'Bound of the error of every rank, quantile and share of a numeric sketch, as a share of its rows, 0 if it is exact; NULL of no values, error ML050 of a categorical one.';

CREATE FUNCTION mlops.quantile(sketch mlops.sketch, p float8) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_quantile_sql';
COMMENT ON FUNCTION mlops.quantile(mlops.sketch, float8) IS
    'Least value with at least the share p of the values up to it, as percentile_disc, infinities included, within mlops.rank_error(); NULL of no values, errors 22003 for p outside 0 to 1 and ML050.';

CREATE FUNCTION mlops.quantiles(sketch mlops.sketch, p float8[]) RETURNS float8[]
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_quantiles';
COMMENT ON FUNCTION mlops.quantiles(mlops.sketch, float8[]) IS
    'Quantiles of several shares, as mlops.quantile(); NULL of no values, errors 22003, 22004 and ML050.';

CREATE FUNCTION mlops.cdf(sketch mlops.sketch, x float8) RETURNS float8
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_cdf_sql';
COMMENT ON FUNCTION mlops.cdf(mlops.sketch, float8) IS
    'Share of the values, infinities included, that are at most x, 0 to 1, within mlops.rank_error(); NULL of no values, error ML050.';

CREATE FUNCTION mlops.histogram(sketch mlops.sketch, edges float8[]) RETURNS bigint[]
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_histogram_sql';
COMMENT ON FUNCTION mlops.histogram(mlops.sketch, float8[]) IS
    'Number of values up to the first edge, above it up to the second, and so on, and above the last, each within twice mlops.rank_error(); errors 22023 if edges do not ascend, 22004 and ML050.';

CREATE FUNCTION mlops.top_values(sketch mlops.sketch, n integer DEFAULT 10)
    RETURNS TABLE(value text, count bigint, count_error bigint)
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10 AS 'MODULE_PATHNAME', 'mlops_sketch_top_values';
COMMENT ON FUNCTION mlops.top_values(mlops.sketch, integer) IS
    'The n most frequent values, by descending count; a true count is from count to count + count_error, which is 0 up to 2048 distinct values and at most 1/257 of the rows beyond; error 22023.';

CREATE FUNCTION mlops.same_totals(a mlops.sketch, b mlops.sketch) RETURNS boolean
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_sketch_same_totals_sql';
COMMENT ON FUNCTION mlops.same_totals(mlops.sketch, mlops.sketch) IS
    'Whether two sketches have the same kind, counts, least and greatest value, sum and sum of squares, bit for bit.';
