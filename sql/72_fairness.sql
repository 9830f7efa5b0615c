-- file: sql/72_fairness.sql
-- Bias: rates by group as aggregates, and the report that compares groups.
-- Definitions: doc/fairness.md.

--
-- Rates
--
CREATE FUNCTION mlops._share_add(state internal, value boolean) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_share_add';
CREATE FUNCTION mlops._share_add(state internal, value float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_share_add_number';
CREATE FUNCTION mlops._share(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_share_final';
CREATE FUNCTION mlops._true_negative_rate(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_true_negative_rate_final';
CREATE FUNCTION mlops._false_positive_rate(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_false_positive_rate_final';
CREATE FUNCTION mlops._false_negative_rate(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_false_negative_rate_final';
CREATE FUNCTION mlops._negative_predictive_value(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_negative_predictive_value_final';
CREATE FUNCTION mlops._disparate_impact(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_disparate_impact_final';
CREATE FUNCTION mlops._parity_difference(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_parity_difference_final';

CREATE AGGREGATE mlops.selection_rate(predicted boolean) (
    SFUNC = mlops._share_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._share, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.selection_rate(boolean) IS
    'Share of rows that are selected, which is predicted as positive, 0 to 1; NULL without rows (Barocas, Hardt and Narayanan 2023).';

CREATE AGGREGATE mlops.selection_rate(predicted float8) (
    SFUNC = mlops._share_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._share, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.selection_rate(float8) IS
    'Share of rows that are selected, which is predicted as positive, 0 to 1; NULL without rows; error 22023 if a value is neither 0 nor 1 (Barocas, Hardt and Narayanan 2023).';

CREATE AGGREGATE mlops.base_rate(label boolean) (
    SFUNC = mlops._share_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._share, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.base_rate(boolean) IS
    'Share of rows with a positive label, 0 to 1; NULL without rows (Barocas, Hardt and Narayanan 2023).';

CREATE AGGREGATE mlops.base_rate(label float8) (
    SFUNC = mlops._share_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._share, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.base_rate(float8) IS
    'Share of rows with a positive label, 0 to 1; NULL without rows; error 22023 if a value is neither 0 nor 1 (Barocas, Hardt and Narayanan 2023).';

CREATE AGGREGATE mlops.true_positive_rate(label boolean, predicted boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._recall, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.true_positive_rate(boolean, boolean) IS
    'Share of rows decided positive among those with a positive label, 0 to 1; NULL if there are none (Fawcett 2006).';

CREATE AGGREGATE mlops.true_positive_rate(label float8, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._recall, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.true_positive_rate(float8, float8) IS
    'Share of rows decided positive among those with a positive label, 0 to 1, where scores from 0.5 upwards are decided positive; NULL if there are none; error 22023 if a label is neither 0 nor 1 (Fawcett 2006).';

CREATE AGGREGATE mlops.true_negative_rate(label boolean, predicted boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._true_negative_rate, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.true_negative_rate(boolean, boolean) IS
    'Share of rows decided negative among those with a negative label, 0 to 1; NULL if there are none (Fawcett 2006).';

CREATE AGGREGATE mlops.true_negative_rate(label float8, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._true_negative_rate, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.true_negative_rate(float8, float8) IS
    'Share of rows decided negative among those with a negative label, 0 to 1, where scores from 0.5 upwards are decided positive; NULL if there are none; error 22023 if a label is neither 0 nor 1 (Fawcett 2006).';

CREATE AGGREGATE mlops.false_positive_rate(label boolean, predicted boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._false_positive_rate, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.false_positive_rate(boolean, boolean) IS
    'Share of rows decided positive among those with a negative label, 0 to 1; NULL if there are none (Fawcett 2006).';

CREATE AGGREGATE mlops.false_positive_rate(label float8, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._false_positive_rate, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.false_positive_rate(float8, float8) IS
    'Share of rows decided positive among those with a negative label, 0 to 1, where scores from 0.5 upwards are decided positive; NULL if there are none; error 22023 if a label is neither 0 nor 1 (Fawcett 2006).';

CREATE AGGREGATE mlops.false_negative_rate(label boolean, predicted boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._false_negative_rate, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.false_negative_rate(boolean, boolean) IS
    'Share of rows decided negative among those with a positive label, 0 to 1; NULL if there are none (Fawcett 2006).';

CREATE AGGREGATE mlops.false_negative_rate(label float8, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._false_negative_rate, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.false_negative_rate(float8, float8) IS
    'Share of rows decided negative among those with a positive label, 0 to 1, where scores from 0.5 upwards are decided positive; NULL if there are none; error 22023 if a label is neither 0 nor 1 (Fawcett 2006).';

CREATE AGGREGATE mlops.positive_predictive_value(label boolean, predicted boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._precision, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.positive_predictive_value(boolean, boolean) IS
    'Share of rows with a positive label among those decided positive, 0 to 1; NULL if there are none (Fawcett 2006).';

CREATE AGGREGATE mlops.positive_predictive_value(label float8, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._precision, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.positive_predictive_value(float8, float8) IS
    'Share of rows with a positive label among those decided positive, 0 to 1, where scores from 0.5 upwards are decided positive; NULL if there are none; error 22023 if a label is neither 0 nor 1 (Fawcett 2006).';

CREATE AGGREGATE mlops.negative_predictive_value(label boolean, predicted boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._negative_predictive_value, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.negative_predictive_value(boolean, boolean) IS
    'Share of rows with a negative label among those decided negative, 0 to 1; NULL if there are none (Fawcett 2006).';

CREATE AGGREGATE mlops.negative_predictive_value(label float8, score float8) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._negative_predictive_value, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.negative_predictive_value(float8, float8) IS
    'Share of rows with a negative label among those decided negative, 0 to 1, where scores from 0.5 upwards are decided positive; NULL if there are none; error 22023 if a label is neither 0 nor 1 (Fawcett 2006).';

CREATE AGGREGATE mlops.disparate_impact(predicted boolean, privileged boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._disparate_impact, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.disparate_impact(boolean, boolean) IS
    'Selection rate of the rows that are not privileged over that of those that are, 0 or more; NULL if a group has no rows or no privileged row is selected (29 CFR 1607.4(D)).';

CREATE AGGREGATE mlops.demographic_parity_difference(predicted boolean, privileged boolean) (
    SFUNC = mlops._decision_add, STYPE = internal, SSPACE = 32,
    COMBINEFUNC = mlops._decision_combine, SERIALFUNC = mlops._decision_serialize, DESERIALFUNC = mlops._decision_deserialize,
    FINALFUNC = mlops._parity_difference, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.demographic_parity_difference(boolean, boolean) IS
    'Selection rate of the rows that are not privileged minus that of those that are, -1 to 1; NULL if a group has no rows (Calders and Verwer 2010).';

--
-- Inequality of benefits
--
CREATE FUNCTION mlops._inequality_add(state internal, benefit float8, alpha float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_inequality_add';
CREATE FUNCTION mlops._inequality_add(state internal, label boolean, predicted boolean, alpha float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_inequality_add_decision';
CREATE FUNCTION mlops._theil_add(state internal, benefit float8) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_theil_add';
CREATE FUNCTION mlops._theil_add(state internal, label boolean, predicted boolean) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_theil_add_decision';
CREATE FUNCTION mlops._inequality_combine(state internal, other internal) RETURNS internal
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_inequality_combine';
CREATE FUNCTION mlops._inequality_serialize(state internal) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_inequality_serialize';
CREATE FUNCTION mlops._inequality_deserialize(bytes bytea, state internal) RETURNS internal
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_inequality_deserialize';
CREATE FUNCTION mlops._inequality(state internal) RETURNS float8
    LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_inequality_final';

CREATE AGGREGATE mlops.generalized_entropy(benefit float8, alpha float8) (
    SFUNC = mlops._inequality_add, STYPE = internal, SSPACE = 64,
    COMBINEFUNC = mlops._inequality_combine, SERIALFUNC = mlops._inequality_serialize, DESERIALFUNC = mlops._inequality_deserialize,
    FINALFUNC = mlops._inequality, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.generalized_entropy(float8, float8) IS
    'Generalized entropy index of benefits, 0 (equality) or more; NULL without rows or if all benefits are 0, error 22023 if a benefit is negative or not finite or alpha changes (Speicher et al. 2018).';

CREATE AGGREGATE mlops.generalized_entropy(label boolean, predicted boolean, alpha float8) (
    SFUNC = mlops._inequality_add, STYPE = internal, SSPACE = 64,
    COMBINEFUNC = mlops._inequality_combine, SERIALFUNC = mlops._inequality_serialize, DESERIALFUNC = mlops._inequality_deserialize,
    FINALFUNC = mlops._inequality, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.generalized_entropy(boolean, boolean, float8) IS
    'Generalized entropy index of the benefits of rows, each prediction - label + 1; 0 (equality) or more; NULL without rows or if all benefits are 0, error 22023 if alpha changes (Speicher et al. 2018).';

CREATE AGGREGATE mlops.theil_index(benefit float8) (
    SFUNC = mlops._theil_add, STYPE = internal, SSPACE = 64,
    COMBINEFUNC = mlops._inequality_combine, SERIALFUNC = mlops._inequality_serialize, DESERIALFUNC = mlops._inequality_deserialize,
    FINALFUNC = mlops._inequality, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.theil_index(float8) IS
    'Theil index of benefits, the generalized entropy with alpha 1, 0 (equality) or more; NULL without rows or if all benefits are 0, error 22023 if a benefit is negative or not finite (Speicher et al. 2018).';

CREATE AGGREGATE mlops.theil_index(label boolean, predicted boolean) (
    SFUNC = mlops._theil_add, STYPE = internal, SSPACE = 64,
    COMBINEFUNC = mlops._inequality_combine, SERIALFUNC = mlops._inequality_serialize, DESERIALFUNC = mlops._inequality_deserialize,
    FINALFUNC = mlops._inequality, PARALLEL = SAFE
);
COMMENT ON AGGREGATE mlops.theil_index(boolean, boolean) IS
    'Theil index of the benefits of rows, each prediction - label + 1; 0 (equality) or more; NULL without rows or if all benefits are 0 (Speicher et al. 2018).';
--
-- Intervals of two shares
--
CREATE FUNCTION mlops.share_difference(successes bigint, n bigint, other_successes bigint, other_n bigint,
                                       level float8 DEFAULT 0.95) RETURNS mlops.estimate
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_share_difference_interval';
COMMENT ON FUNCTION mlops.share_difference(bigint, bigint, bigint, bigint, float8) IS
    'A share minus another, -1 to 1, with the confidence interval at the given level; NULL if a share has no rows, error 22023 if successes are not within 0 to n or the level not between 0 and 1 (Newcombe 1998, method 10).';

CREATE FUNCTION mlops.share_ratio(successes bigint, n bigint, other_successes bigint, other_n bigint,
                                  level float8 DEFAULT 0.95) RETURNS mlops.estimate
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mlops_share_ratio_interval';
COMMENT ON FUNCTION mlops.share_ratio(bigint, bigint, bigint, bigint, float8) IS
    'A share over another, 0 or more, with the confidence interval at the given level; NULL if a share has no rows or the other one is 0, error 22023 if successes are not within 0 to n or the level not between 0 and 1 (Donner and Zou 2012).';

--
-- The report
--
CREATE FUNCTION mlops._report_columns(path text, query text, OUT "column" text, OUT type oid) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_report_columns';
COMMENT ON FUNCTION mlops._report_columns(text, text) IS
    'Columns that a query would return under a search_path; error 22023 unless it is one SELECT that only reads.';

-- Reports read columns as text by this: a cast would run a function of the
-- type's owner as whoever asks.
CREATE FUNCTION mlops._as_text(value "any") RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_as_text';
COMMENT ON FUNCTION mlops._as_text("any") IS 'A value as text by the output function of its type, without any cast.';

-- The type of one of these columns: boolean, number, text, without domains.
CREATE FUNCTION mlops._report_kind(columns jsonb, "column" text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    type oid := (columns->>"column")::oid;
BEGIN
    IF "column" IS NULL THEN
        RETURN NULL;
    END IF;
    IF type IS NULL THEN
        RAISE EXCEPTION 'the query of the report has no column "%"', "column"
            USING ERRCODE = 'undefined_column',
                  DETAIL = format('Its columns: %s.', (SELECT string_agg(quote_ident(k), ', ' ORDER BY k COLLATE "C")
                                                       FROM jsonb_object_keys(columns) k));
    END IF;
    WHILE (SELECT t.typtype = 'd' FROM pg_type t WHERE t.oid = type) LOOP
        type := (SELECT t.typbasetype FROM pg_type t WHERE t.oid = type);
    END LOOP;
    RETURN CASE WHEN type = 'bool'::regtype THEN 'boolean'
                WHEN type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'integer'
                WHEN type IN ('float4'::regtype, 'float8'::regtype, 'numeric'::regtype) THEN 'number'
                ELSE 'text' END;
END
$$;
COMMENT ON FUNCTION mlops._report_kind(jsonb, text) IS
    'Kind of a column of a report''s query: boolean, integer, number or text; error 42703 if it has none of that name.';

-- SQL for: is the value of a column favourable?  NULL where it is missing or
-- no outcome at all.
CREATE FUNCTION mlops._favourable("column" text, kind text, favourable text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    word text;
    truth boolean;
    truths boolean[] := '{}';
    numbers numeric[] := '{}';
BEGIN
    IF "column" IS NULL THEN
        RETURN 'NULL::pg_catalog.bool';
    END IF;
    IF kind = 'text' THEN
        IF favourable IS NULL THEN
            RAISE EXCEPTION 'which value of column "%" is favourable must be said', "column"
                USING ERRCODE = 'null_value_not_allowed',
                      HINT = 'Name it, such as favourable => ''{good}'', or compare in the query.';
        END IF;
        RETURN format('(mlops._as_text(q.%I) OPERATOR(pg_catalog.=) ANY (%L::pg_catalog.text[]))', "column", favourable);
    END IF;
    FOREACH word IN ARRAY coalesce(favourable, '{true}') LOOP
        truth := CASE WHEN lower(word) IN ('t', 'true', 'y', 'yes', 'on', '1') THEN true
                      WHEN lower(word) IN ('f', 'false', 'n', 'no', 'off', '0') THEN false END;
        IF kind <> 'boolean' AND word ~ '^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?$' THEN
            numbers := numbers || word::numeric;
        ELSIF truth IS NOT NULL THEN
            truths := truths || truth;
            numbers := numbers || truth::integer::numeric;
        ELSE
            RAISE EXCEPTION 'favourable value "%" is no value of column "%"', word, "column"
                USING ERRCODE = 'invalid_parameter_value',
                      DETAIL = format('The column is %s.', CASE kind WHEN 'boolean' THEN 'boolean' ELSE 'a number' END);
        END IF;
    END LOOP;
    IF kind = 'boolean' THEN
        RETURN format('(q.%I OPERATOR(pg_catalog.=) ANY (%L::pg_catalog.bool[]))', "column", truths);
    END IF;
    -- Without a word on what is favourable a number is 0 or 1.
    RETURN format('CASE WHEN q.%1$I::pg_catalog.numeric OPERATOR(pg_catalog.=) ANY (%2$L::pg_catalog.numeric[]) THEN true'
                  ' WHEN q.%1$I::pg_catalog.numeric OPERATOR(pg_catalog.%3$s) %4$L::pg_catalog.numeric THEN false END',
                  "column", numbers, CASE WHEN favourable IS NULL THEN '=' ELSE '<>' END,
                  CASE WHEN favourable IS NULL THEN '0' ELSE 'NaN' END);
END
$$;
COMMENT ON FUNCTION mlops._favourable(text, text, text[]) IS
    'Expression that says whether a column q.column is favourable; errors 22004 and 22023.';

CREATE FUNCTION mlops._bias_report(path text, query text, label text, prediction text, groups text[], privileged text[],
                                   min_rows integer, favourable text[], threshold float8, stratum text,
                                   intersections integer, level float8)
    RETURNS TABLE(metric text, attribute text, "group" text, reference text, value float8, lower float8, upper float8,
                  n bigint, verdict text, definition jsonb)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    max_cells CONSTANT integer := 100000;
    columns jsonb;
    label_kind text;
    prediction_kind text;
    label_sql text;
    prediction_sql text;
    positive_is_favourable boolean;
    statement text;
    cells jsonb;
    base jsonb;
BEGIN
    IF query IS NULL OR groups IS NULL OR cardinality(groups) = 0 OR array_position(groups, NULL) IS NOT NULL
       OR min_rows IS NULL OR intersections IS NULL OR level IS NULL THEN
        RAISE EXCEPTION 'a bias report needs a query and the columns of its groups'
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = 'Name the columns, such as groups => ''{sex,age_band}''.';
    END IF;
    IF label IS NULL AND prediction IS NULL THEN
        RAISE EXCEPTION 'a bias report needs a label, a prediction, or both'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF array_ndims(groups) <> 1 OR cardinality(groups) > 8
       OR (SELECT count(DISTINCT g) FROM unnest(groups) g) < cardinality(groups) THEN
        RAISE EXCEPTION 'groups must be 1 to 8 different columns' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF cardinality(privileged) <> cardinality(groups) THEN
        RAISE EXCEPTION 'privileged must have one value for each column of groups'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('There are %s columns and %s values.', cardinality(groups), cardinality(privileged)),
                  HINT = 'NULL as a value leaves the choice to the report: the group with the highest rate.';
    END IF;
    IF min_rows < 1 OR intersections < 1 OR cardinality(favourable) = 0 OR array_position(favourable, NULL) IS NOT NULL
       OR threshold = 'NaN' OR NOT (level > 0 AND level < 1) THEN
        RAISE EXCEPTION 'an argument of the bias report is out of range'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'min_rows and intersections are 1 or more, favourable has a value and no NULL, threshold is a number, level is between 0 and 1.';
    END IF;

    SELECT jsonb_object_agg(c."column", c.type::bigint) INTO columns FROM mlops._report_columns(path, query) c;
    columns := coalesce(columns, '{}');
    PERFORM mlops._report_kind(columns, c) FROM unnest(groups || stratum) c;
    label_kind := mlops._report_kind(columns, label);
    prediction_kind := mlops._report_kind(columns, prediction);

    -- A number with a fraction is a score, and one with a threshold, too.
    label_sql := mlops._favourable(label, label_kind, favourable);
    IF prediction_kind = 'number' OR (prediction_kind = 'integer' AND threshold IS NOT NULL) THEN
        IF cardinality(favourable) > 1 OR EXISTS (SELECT FROM unnest(favourable) f
                   WHERE lower(f) NOT IN ('t', 'true', 'y', 'yes', 'on', '1', 'f', 'false', 'n', 'no', 'off', '0')) THEN
            RAISE EXCEPTION 'scores need a label that is boolean, or 0 and 1'
                USING ERRCODE = 'invalid_parameter_value',
                      DETAIL = format('Column "%s" is a score, and favourable is %s.', prediction, favourable),
                      HINT = 'Compare in the query, such as SELECT outcome = ''bad'' AS bad.';
        END IF;
        positive_is_favourable := coalesce(lower(favourable[array_lower(favourable, 1)])
                                           IN ('t', 'true', 'y', 'yes', 'on', '1'), true);
        prediction_sql := format(
            'CASE WHEN q.%1$I::pg_catalog.float8 OPERATOR(pg_catalog.<>) ''NaN''::pg_catalog.float8'
            ' THEN (q.%1$I::pg_catalog.float8 OPERATOR(pg_catalog.>=) %2$L::pg_catalog.float8) OPERATOR(pg_catalog.=) %3$L::pg_catalog.bool END',
            prediction, coalesce(threshold, 0.5), positive_is_favourable);
    ELSIF threshold IS NOT NULL AND prediction IS NOT NULL THEN
        RAISE EXCEPTION 'a threshold needs scores, and column "%" has none', prediction
            USING ERRCODE = 'invalid_parameter_value';
    ELSE
        prediction_sql := mlops._favourable(prediction, prediction_kind, favourable);
    END IF;

    -- One pass over the rows: what they are counted by is all that is kept.
    statement := format(
        'SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(''g'', c.g, ''s'', c.s, ''l'', c.l, ''p'', c.p, ''n'', c.n)) FROM ('
        'SELECT r.g, r.s, r.l, r.p, pg_catalog.count(*) AS n FROM ('
        'SELECT ARRAY[%s] AS g, %s AS s, %s AS l, %s AS p FROM (%s' || E'\n' || ') q) r GROUP BY r.g, r.s, r.l, r.p LIMIT %s) c',
        (SELECT string_agg(format('mlops._as_text(q.%I)', g), ', ' ORDER BY i) FROM unnest(groups) WITH ORDINALITY u (g, i)),
        CASE WHEN stratum IS NULL THEN 'NULL::pg_catalog.text' ELSE format('mlops._as_text(q.%I)', stratum) END,
        label_sql, prediction_sql, query, max_cells + 1);
    PERFORM set_config('search_path', path, true);
    EXECUTE statement INTO cells;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF jsonb_array_length(cells) > max_cells THEN
        RAISE EXCEPTION 'more than % combinations of groups, strata and outcomes', max_cells
            USING ERRCODE = 'ML055',
                  HINT = 'Put values into bands in the query, such as width_bucket(age, 20, 80, 6) AS age_band.';
    END IF;

    base := jsonb_strip_nulls(jsonb_build_object(
        'label', label, 'prediction', prediction, 'favourable', to_jsonb(favourable), 'stratum', stratum,
        'threshold', CASE WHEN positive_is_favourable IS NOT NULL THEN coalesce(threshold, 0.5) END,
        'min_rows', min_rows, 'level', level));

    RETURN QUERY
    WITH cell AS MATERIALIZED (
        SELECT c.g, c.s, c.l, c.p, c.n
        FROM jsonb_to_recordset(coalesce(cells, '[]')) c (g text[], s text, l boolean, p boolean, n bigint)
    ), attribute AS (
        -- each column, and combinations of them; number 0 is all rows
        SELECT m, ARRAY(SELECT i FROM generate_subscripts(groups, 1) i WHERE m & (1 << (i - 1)) <> 0 ORDER BY i) AS columns
        FROM generate_series(0, (1 << cardinality(groups)) - 1) m
        WHERE length(replace(m::bit(8)::text, '0', '')) <= intersections
    ), summed AS (
        SELECT a.m, ARRAY(SELECT c.g[i] FROM unnest(a.columns) WITH ORDINALITY u (i, o) ORDER BY o) AS member,
               c.s, c.l, c.p, sum(c.n)::bigint AS n
        FROM attribute a CROSS JOIN cell c GROUP BY 1, 2, 3, 4, 5
    ), tally AS (
        SELECT s.m, s.member, array_to_string(s.member, ', ', '(null)') AS name,
               sum(s.n)::bigint AS total,
               coalesce(sum(s.n) FILTER (WHERE s.l IS NOT NULL), 0)::bigint AS labelled,
               coalesce(sum(s.n) FILTER (WHERE s.l), 0)::bigint AS positive,
               coalesce(sum(s.n) FILTER (WHERE s.p IS NOT NULL), 0)::bigint AS predicted,
               coalesce(sum(s.n) FILTER (WHERE s.p), 0)::bigint AS selected,
               coalesce(sum(s.n) FILTER (WHERE s.l AND s.p), 0)::bigint AS tp,
               coalesce(sum(s.n) FILTER (WHERE NOT s.l AND s.p), 0)::bigint AS fp,
               coalesce(sum(s.n) FILTER (WHERE s.l AND NOT s.p), 0)::bigint AS fn,
               coalesce(sum(s.n) FILTER (WHERE NOT s.l AND NOT s.p), 0)::bigint AS tn
        FROM summed s GROUP BY s.m, s.member
        UNION ALL
        SELECT 0, '{}', '', 0, 0, 0, 0, 0, 0, 0, 0, 0 WHERE NOT EXISTS (SELECT FROM cell)
    ), rate AS (
        SELECT t.m, t.member, t.name, r.rate, r.position, r.successes, r.n
        FROM tally t CROSS JOIN LATERAL (VALUES
            ('base_rate', 1, t.positive, t.labelled),
            ('selection_rate', 2, t.selected, t.predicted),
            ('true_positive_rate', 3, t.tp, t.tp + t.fn),
            ('false_positive_rate', 4, t.fp, t.fp + t.tn),
            ('true_negative_rate', 5, t.tn, t.fp + t.tn),
            ('false_negative_rate', 6, t.fn, t.tp + t.fn),
            ('positive_predictive_value', 7, t.tp, t.tp + t.fp),
            ('negative_predictive_value', 8, t.tn, t.tn + t.fn),
            ('accuracy', 9, t.tp + t.tn, t.tp + t.fp + t.fn + t.tn)) r (rate, position, successes, n)
        WHERE CASE r.rate WHEN 'base_rate' THEN label IS NOT NULL WHEN 'selection_rate' THEN prediction IS NOT NULL
                          ELSE label IS NOT NULL AND prediction IS NOT NULL END
    ), measure (rate, difference, ratio, position, difference_source) AS (VALUES
        ('base_rate', 'base_rate_difference', 'base_rate_ratio', 1, 'Das et al. 2021, DPL with the sign reversed'),
        ('selection_rate', 'demographic_parity_difference', 'disparate_impact', 2, 'Calders and Verwer 2010'),
        ('true_positive_rate', 'equal_opportunity_difference', 'equal_opportunity_ratio', 3, 'Hardt, Price and Srebro 2016'),
        ('false_positive_rate', 'false_positive_rate_difference', 'false_positive_rate_ratio', 4, 'Chouldechova 2017'),
        ('true_negative_rate', 'true_negative_rate_difference', 'true_negative_rate_ratio', 5, 'Chouldechova 2017'),
        ('false_negative_rate', 'false_negative_rate_difference', 'false_negative_rate_ratio', 6, 'Chouldechova 2017'),
        ('positive_predictive_value', 'predictive_parity_difference', 'predictive_parity_ratio', 7, 'Chouldechova 2017'),
        ('negative_predictive_value', 'negative_predictive_value_difference', 'negative_predictive_value_ratio', 8, 'Chouldechova 2017'),
        ('accuracy', 'accuracy_difference', 'accuracy_ratio', 9, 'Das et al. 2021')
    ), chosen AS (
        -- the privileged group; where none is named, that with the highest rate
        SELECT a.m, a.columns, named.known,
               CASE WHEN named.known THEN named.member ELSE best.member END AS member
        FROM attribute a
        CROSS JOIN LATERAL (SELECT coalesce(bool_and(privileged[i] IS NOT NULL), false) AS known,
                                   array_agg(privileged[i] ORDER BY o) AS member
                            FROM unnest(a.columns) WITH ORDINALITY u (i, o)) named
        LEFT JOIN LATERAL (SELECT r.member FROM rate r
                           WHERE r.m = a.m AND r.n >= min_rows
                             AND r.rate = CASE WHEN prediction IS NULL THEN 'base_rate' ELSE 'selection_rate' END
                           ORDER BY r.successes::float8 / r.n DESC, r.name COLLATE "C" LIMIT 1) best ON true
        WHERE a.m > 0
    ), pair AS (
        -- a group against the privileged one
        SELECT r.m, r.rate, 'pair' AS kind, form, r.member, c.member AS other,
               r.successes, r.n, coalesce(o.successes, 0) AS other_successes, coalesce(o.n, 0) AS other_n
        FROM rate r JOIN chosen c ON c.m = r.m
        LEFT JOIN rate o ON o.m = r.m AND o.rate = r.rate AND o.member = c.member
        CROSS JOIN unnest('{difference,ratio}'::text[]) form
        WHERE r.member IS DISTINCT FROM c.member
    ), extreme AS (
        -- the groups with the highest and the lowest rate
        SELECT r.m, r.rate, r.member, r.successes, r.n,
               row_number() OVER (PARTITION BY r.m, r.rate ORDER BY r.successes::float8 / r.n, r.name COLLATE "C") AS up,
               row_number() OVER (PARTITION BY r.m, r.rate ORDER BY r.successes::float8 / r.n DESC, r.name COLLATE "C" DESC) AS down
        FROM rate r WHERE r.m > 0 AND r.n >= min_rows
    ), gap AS (
        SELECT a.m, k.rate, 'gap' AS kind, form, e.member, o.member AS other,
               coalesce(e.successes, 0) AS successes, coalesce(e.n, 0) AS n,
               coalesce(o.successes, 0) AS other_successes, coalesce(o.n, 0) AS other_n
        FROM attribute a CROSS JOIN (SELECT DISTINCT r.rate FROM rate r) k
        CROSS JOIN unnest('{difference,ratio}'::text[]) form
        LEFT JOIN (extreme e JOIN extreme o ON o.m = e.m AND o.rate = e.rate AND o.member <> e.member)
            ON e.m = a.m AND e.rate = k.rate
               AND CASE form WHEN 'difference' THEN e.down ELSE e.up END = 1
               AND CASE form WHEN 'difference' THEN o.up ELSE o.down END = 1
        WHERE a.m > 0
    ), disparity AS (
        -- share of the group among the rejected minus that among the accepted
        SELECT s.m, s.member, s.s, s.rejected, s.accepted,
               sum(s.rejected) OVER stratum_rows AS all_rejected, sum(s.accepted) OVER stratum_rows AS all_accepted
        FROM (SELECT s.m, s.member, s.s,
                     coalesce(sum(s.n) FILTER (WHERE NOT CASE WHEN prediction IS NULL THEN s.l ELSE s.p END), 0) AS rejected,
                     coalesce(sum(s.n) FILTER (WHERE CASE WHEN prediction IS NULL THEN s.l ELSE s.p END), 0) AS accepted
              FROM summed s WHERE s.m > 0 GROUP BY 1, 2, 3) s
        WINDOW stratum_rows AS (PARTITION BY s.m, s.s)
    ), compared AS (
        SELECT p.*, array_to_string(p.member, ', ', '(null)') AS name, array_to_string(p.other, ', ', '(null)') AS other_name,
               e.value, e.lower, e.upper, f.level AS fail_level,
               CASE WHEN least(p.n, p.other_n) < min_rows OR e.value IS NULL THEN 'insufficient'
                    WHEN p.form = 'difference' AND abs(e.value) <= 0.1 + 1e-12 THEN 'ok'
                    WHEN p.form = 'difference' THEN CASE WHEN (w.e).lower > 0 OR (w.e).upper < 0 THEN 'fail' ELSE 'warn' END
                    WHEN p.rate <> 'selection_rate' AND NOT (p.rate = 'base_rate' AND prediction IS NULL) THEN NULL
                    WHEN e.value BETWEEN 0.8 - 1e-12 AND 1.25 + 1e-12 THEN 'ok'
                    WHEN (w.e).lower > 1 OR (w.e).upper < 1 THEN 'fail' ELSE 'warn' END AS verdict
        FROM (SELECT * FROM pair UNION ALL SELECT * FROM gap) p
        CROSS JOIN LATERAL (SELECT CASE p.form
                                   WHEN 'difference' THEN mlops.share_difference(p.successes, p.n, p.other_successes, p.other_n, level)
                                   ELSE mlops.share_ratio(p.successes, p.n, p.other_successes, p.other_n, level) END AS e) x
        -- to fail, chance must be ruled out, among all pairs that were looked at
        CROSS JOIN LATERAL (SELECT 1 - 0.002 / greatest(count(*) * (count(*) - 1) / 2, 1)::float8 AS level FROM tally t WHERE t.m = p.m) f
        CROSS JOIN LATERAL (SELECT CASE p.form
                                   WHEN 'difference' THEN mlops.share_difference(p.successes, p.n, p.other_successes, p.other_n, f.level)
                                   ELSE mlops.share_ratio(p.successes, p.n, p.other_successes, p.other_n, f.level) END AS e) w
        CROSS JOIN LATERAL (SELECT (x.e).value, (x.e).lower, (x.e).upper) e
    ), odds AS (
        -- of the true and the false positive rate that which is further from equality
        SELECT c.m, c.kind, c.form, bool_and(c.value IS NOT NULL) AS defined,
               array_agg(c.name ORDER BY c.far, c.rate COLLATE "C") AS names,
               array_agg(c.other_name ORDER BY c.far, c.rate COLLATE "C") AS others,
               array_agg(c.rate ORDER BY c.far, c.rate COLLATE "C") AS rates,
               array_agg(c.value ORDER BY c.far, c.rate COLLATE "C") AS parts,
               array_agg(c.lower ORDER BY c.far, c.rate COLLATE "C") AS lowers,
               array_agg(c.upper ORDER BY c.far, c.rate COLLATE "C") AS uppers,
               sum(c.n)::bigint AS n,
               CASE WHEN bool_or(c.verdict = 'fail') THEN 'fail' WHEN bool_or(c.verdict = 'insufficient') THEN 'insufficient'
                    WHEN bool_or(c.verdict = 'warn') THEN 'warn' WHEN bool_and(c.verdict = 'ok') THEN 'ok' END AS verdict
        FROM (SELECT c.*, CASE c.form WHEN 'difference' THEN -abs(c.value) ELSE c.value END AS far FROM compared c) c
        WHERE c.rate IN ('true_positive_rate', 'false_positive_rate')
        GROUP BY c.m, c.kind, c.form, CASE c.kind WHEN 'pair' THEN c.member END
    ), benefit AS (
        -- prediction - label + 1: 0 for tally.fn, 2 for tally.fp, else 1
        SELECT t.*, t.tp + t.tn + t.fp + t.fn AS people,
               (t.tp + t.tn + 2 * t.fp)::float8 / nullif(t.tp + t.tn + t.fp + t.fn, 0) AS mean
        FROM tally t WHERE label IS NOT NULL AND prediction IS NOT NULL
    ), result (m, section, name, position, metric, other, value, lower, upper, n, verdict, definition) AS (
        SELECT t.m, 1, t.name, 0, 'rows', NULL::text, t.total::float8, NULL::float8, NULL::float8, t.total,
               CASE WHEN t.total < min_rows THEN 'insufficient' END,
               '{"formula": "number of rows"}'::jsonb
        FROM tally t
        UNION ALL
        SELECT 0, 1, '', 10 + missing.position, missing.metric, NULL, (w.e).value, (w.e).lower, (w.e).upper, t.total, NULL,
               '{"formula": "share of rows whose value is NULL, NaN or no outcome", "interval": "Wilson 1927"}'
        FROM tally t CROSS JOIN LATERAL (VALUES
            ('missing_label', 1, label, t.total - t.labelled),
            ('missing_prediction', 2, prediction, t.total - t.predicted)) missing (metric, position, "column", missing)
        CROSS JOIN LATERAL (SELECT mlops.wilson(missing.missing, t.total, level) AS e) w
        WHERE t.m = 0 AND missing."column" IS NOT NULL
        UNION ALL
        SELECT r.m, 1, r.name, r.position, r.rate, NULL, (w.e).value, (w.e).lower, (w.e).upper, r.n,
               CASE WHEN r.n < min_rows THEN 'insufficient' END,
               jsonb_build_object('successes', r.successes, 'interval', 'Wilson 1927', 'formula',
                   CASE r.rate WHEN 'base_rate' THEN 'favourable labels / labels'
                               WHEN 'selection_rate' THEN 'favourable predictions / predictions'
                               WHEN 'true_positive_rate' THEN 'tp / (tp + fn)' WHEN 'false_positive_rate' THEN 'fp / (fp + tn)'
                               WHEN 'true_negative_rate' THEN 'tn / (tn + fp)' WHEN 'false_negative_rate' THEN 'fn / (fn + tp)'
                               WHEN 'positive_predictive_value' THEN 'tp / (tp + fp)'
                               WHEN 'negative_predictive_value' THEN 'tn / (tn + fn)'
                               ELSE '(tp + tn) / (tp + fp + fn + tn)' END)
        FROM rate r CROSS JOIN LATERAL (SELECT mlops.wilson(r.successes, r.n, level) AS e) w
        UNION ALL
        SELECT c.m, CASE c.kind WHEN 'pair' THEN 2 ELSE 3 END, c.name,
               m.position * 10 + CASE c.form WHEN 'difference' THEN 0 ELSE 1 END,
               CASE WHEN c.kind = 'pair' THEN CASE c.form WHEN 'difference' THEN m.difference ELSE m.ratio END
                    ELSE replace(m.difference, '_difference', CASE c.form WHEN 'difference' THEN '_gap' ELSE '_gap_ratio' END) END,
               c.other_name, c.value, c.lower, c.upper, c.n, c.verdict,
               jsonb_strip_nulls(jsonb_build_object(
                   'rate', c.rate, 'reference_n', c.other_n, 'fail_level', CASE WHEN c.verdict IS NOT NULL THEN c.fail_level END,
                   'formula', CASE c.kind || ' ' || c.form WHEN 'pair difference' THEN 'group - reference'
                                   WHEN 'pair ratio' THEN 'group / reference' WHEN 'gap difference' THEN 'max - min' ELSE 'min / max' END,
                   'interval', CASE c.form WHEN 'difference' THEN 'Newcombe 1998, method 10' ELSE 'Donner and Zou 2012' END,
                   'limits', CASE WHEN c.form = 'difference' THEN '[-0.1, 0.1]'::jsonb
                                  WHEN c.rate = 'selection_rate' OR (c.rate = 'base_rate' AND prediction IS NULL) THEN '[0.8, 1.25]' END,
                   'source', CASE WHEN c.form = 'ratio' AND c.rate = 'selection_rate' THEN '29 CFR 1607.4(D)'
                                  WHEN c.form = 'difference' THEN m.difference_source END))
        FROM compared c JOIN measure m ON m.rate = c.rate
        UNION ALL
        SELECT o.m, CASE o.kind WHEN 'pair' THEN 2 ELSE 3 END, o.names[1],
               CASE o.form WHEN 'difference' THEN 100 ELSE 101 END,
               CASE o.kind WHEN 'pair' THEN 'equalized_odds_' || o.form
                           ELSE CASE o.form WHEN 'difference' THEN 'equalized_odds_gap' ELSE 'equalized_odds_gap_ratio' END END,
               o.others[1], CASE WHEN o.defined THEN o.parts[1] END, CASE WHEN o.defined THEN o.lowers[1] END,
               CASE WHEN o.defined THEN o.uppers[1] END, o.n,
               CASE WHEN o.defined OR o.verdict = 'fail' THEN o.verdict ELSE 'insufficient' END,
               jsonb_strip_nulls(jsonb_build_object(
                   'formula', CASE o.form WHEN 'difference' THEN 'of the differences of true and false positive rate the larger'
                                          ELSE 'of the ratios of true and false positive rate the smaller' END,
                   'rate', CASE WHEN o.defined THEN o.rates[1] END,
                   'limits', CASE o.form WHEN 'difference' THEN '[-0.1, 0.1]'::jsonb END,
                   'interval', 'that of the rate', 'source', 'Hardt, Price and Srebro 2016'))
        FROM odds o
        UNION ALL
        SELECT o.m, 2, o.names[1], 102, 'average_odds_difference', o.others[1], (o.parts[1] + o.parts[2]) / 2,
               (o.parts[1] + o.parts[2]) / 2 - sqrt((o.parts[1] - o.lowers[1]) ^ 2 + (o.parts[2] - o.lowers[2]) ^ 2) / 2,
               (o.parts[1] + o.parts[2]) / 2 + sqrt((o.uppers[1] - o.parts[1]) ^ 2 + (o.uppers[2] - o.parts[2]) ^ 2) / 2,
               o.n, CASE WHEN NOT o.defined OR o.verdict = 'insufficient' THEN 'insufficient' END,
               '{"formula": "mean of the differences of true and false positive rate", "interval": "Zou and Donner 2008", "source": "Bellamy et al. 2018"}'
        FROM odds o WHERE o.kind = 'pair' AND o.form = 'difference'
        UNION ALL
        SELECT t.m, 2, t.name, x.position, x.metric, array_to_string(c.member, ', ', '(null)'), x.value, NULL, NULL, t.total,
               CASE WHEN x.value IS NULL OR least(t.total, coalesce(o.total, 0)) < min_rows THEN 'insufficient' END,
               jsonb_build_object('formula', x.formula, 'source', x.source)
        FROM tally t JOIN chosen c ON c.m = t.m AND t.member IS DISTINCT FROM c.member
        LEFT JOIN tally o ON o.m = c.m AND o.member = c.member
        CROSS JOIN LATERAL (VALUES
            ('treatment_equality_difference', 110, true, t.fn::float8 / nullif(t.fp, 0) - o.fn::float8 / nullif(o.fp, 0),
             'fn / fp of the group - fn / fp of the reference', 'Berk et al. 2018'),
            ('treatment_equality_ratio', 111, true, t.fn::float8 / nullif(t.fp, 0) / nullif(o.fn::float8 / nullif(o.fp, 0), 0),
             'fn / fp of the group over fn / fp of the reference', 'Berk et al. 2018'),
            ('conditional_acceptance_difference', 112, true,
             (t.tp + t.fn)::float8 / nullif(t.tp + t.fp, 0) - (o.tp + o.fn)::float8 / nullif(o.tp + o.fp, 0),
             'favourable labels / favourable predictions of the group - the same of the reference', 'Das et al. 2021, DCA with the sign reversed'),
            ('conditional_rejection_difference', 113, true,
             (t.tn + t.fp)::float8 / nullif(t.tn + t.fn, 0) - (o.tn + o.fp)::float8 / nullif(o.tn + o.fn, 0),
             'unfavourable labels / unfavourable predictions of the group - the same of the reference', 'Das et al. 2021, DCR'),
            ('group_imbalance', 114, false, (t.total - o.total)::float8 / nullif(t.total + o.total, 0),
             '(rows of the group - rows of the reference) / rows of both', 'Das et al. 2021, CI with the sign reversed'))
            x (metric, position, needs_both, value, formula, source)
        WHERE NOT x.needs_both OR (label IS NOT NULL AND prediction IS NOT NULL)
        UNION ALL
        SELECT d.m, 2, array_to_string(d.member, ', ', '(null)'), d.position, d.metric, NULL, d.value, d.value - d.below, d.value + d.above, d.n,
               CASE WHEN d.value IS NULL OR d.group_n < min_rows OR d.n - d.group_n < min_rows THEN 'insufficient'
                    WHEN abs(d.value) <= 0.1 + 1e-12 THEN 'ok'
                    WHEN d.value > d.below * f.wider OR d.value < -d.above * f.wider THEN 'fail' ELSE 'warn' END,
               jsonb_build_object('formula', d.formula, 'limits', '[-0.1, 0.1]'::jsonb, 'strata', d.strata,
                                  'interval', 'Newcombe 1998, method 10', 'source', 'Wachter, Mittelstadt and Russell 2021')
        FROM (SELECT x.m, x.member, 120 AS position, 'demographic_disparity' AS metric,
                     (x.e).value, (x.e).value - (x.e).lower AS below, (x.e).upper - (x.e).value AS above,
                     (x.all_rejected + x.all_accepted)::bigint AS n, (x.rejected + x.accepted)::bigint AS group_n, 1::bigint AS strata,
                     'share of the group among the rejected - share among the accepted' AS formula
              FROM (SELECT d.m, d.member, sum(d.rejected) AS rejected, sum(d.accepted) AS accepted,
                           sum(d.all_rejected) AS all_rejected, sum(d.all_accepted) AS all_accepted,
                           mlops.share_difference(sum(d.rejected)::bigint, d.total_rejected::bigint,
                                                  sum(d.accepted)::bigint, d.total_accepted::bigint, level) AS e
                    FROM (SELECT d.*, sum(d.rejected) OVER (PARTITION BY d.m) AS total_rejected,
                                 sum(d.accepted) OVER (PARTITION BY d.m) AS total_accepted FROM disparity d) d
                    GROUP BY d.m, d.member, d.total_rejected, d.total_accepted) x
              UNION ALL
              -- a stratum in which nobody, or everybody, was rejected has no disparity
              SELECT x.m, x.member, 121, 'conditional_demographic_disparity',
                     sum(x.weight * coalesce((x.e).value, 0)) / nullif(x.total, 0),
                     sqrt(sum((x.weight * coalesce((x.e).value - (x.e).lower, 0)) ^ 2)) / nullif(x.total, 0),
                     sqrt(sum((x.weight * coalesce((x.e).upper - (x.e).value, 0)) ^ 2)) / nullif(x.total, 0),
                     x.total::bigint, sum(x.group_n)::bigint, count(*),
                     'mean over strata, by their rows, of the share of the group among the rejected - share among the accepted'
              FROM (SELECT t.m, t.member, (s.all_rejected + s.all_accepted)::float8 AS weight,
                           (sum(s.all_rejected + s.all_accepted) OVER (PARTITION BY t.m, t.member))::float8 AS total,
                           coalesce(d.rejected + d.accepted, 0) AS group_n,
                           mlops.share_difference(coalesce(d.rejected, 0)::bigint, s.all_rejected::bigint,
                                                  coalesce(d.accepted, 0)::bigint, s.all_accepted::bigint, level) AS e
                    FROM tally t
                    JOIN (SELECT DISTINCT d.m, d.s, d.all_rejected, d.all_accepted FROM disparity d) s ON s.m = t.m
                    LEFT JOIN disparity d ON d.m = t.m AND d.member = t.member AND d.s IS NOT DISTINCT FROM s.s
                    WHERE stratum IS NOT NULL) x
              GROUP BY x.m, x.member, x.total) d
        CROSS JOIN LATERAL (SELECT mlops._interval_quantile(1 - 0.002 / count(*)) / mlops._interval_quantile(level) AS wider
                            FROM tally t WHERE t.m = d.m) f
        UNION ALL
        SELECT b.m, 1, b.name, x.position, x.metric, NULL, greatest(x.value, 0), NULL, NULL, b.people,
               CASE WHEN x.value IS NULL OR b.people < min_rows THEN 'insufficient' END,
               jsonb_build_object('formula', x.formula, 'benefit', 'prediction - label + 1', 'source', 'Speicher et al. 2018')
        FROM benefit b CROSS JOIN LATERAL (VALUES
            ('theil_index', 20, b.fp * 2 * ln(2::float8) / nullif(b.people * b.mean, 0) - ln(nullif(b.mean, 0)),
             'mean of (b / mean) ln(b / mean)'),
            ('generalized_entropy', 21, ((b.tp + b.tn + 4 * b.fp)::float8 / nullif(b.people * b.mean ^ 2, 0) - 1) / 2,
             'mean of ((b / mean)^2 - 1) / 2, alpha 2')) x (metric, position, value, formula)
        UNION ALL
        SELECT b.m, 3, NULL, x.position, x.metric, NULL, greatest(x.value, 0), NULL, NULL, x.n,
               CASE WHEN x.value IS NULL THEN 'insufficient' END,
               jsonb_build_object('formula', x.formula, 'benefit', 'prediction - label + 1', 'source', 'Speicher et al. 2018')
        FROM (SELECT g.m, sum(g.people)::bigint AS people, count(*) AS groups,
                     sum(g.people * CASE g.mean WHEN 0 THEN 0 ELSE g.mean / nullif(o.mean, 0) * ln(g.mean / nullif(o.mean, 0)) END)
                         / nullif(sum(g.people), 0) AS theil,
                     sum(g.people * ((g.mean / nullif(o.mean, 0)) ^ 2 - 1)) / nullif(sum(g.people), 0) / 2 AS entropy
              FROM benefit g JOIN benefit o ON o.m = 0 WHERE g.m > 0 AND g.people > 0 GROUP BY g.m) b
        CROSS JOIN LATERAL (VALUES
            ('between_group_theil_index', 130, b.theil::float8, b.people, 'theil_index with the mean benefit of its group for each row'),
            ('between_group_generalized_entropy', 131, b.entropy::float8, b.people, 'generalized_entropy with the mean benefit of its group for each row'))
            x (metric, position, value, n, formula)
    )
    SELECT r.metric,
           (SELECT string_agg(groups[i], ', ' ORDER BY o) FROM unnest(a.columns) WITH ORDINALITY u (i, o)),
           CASE WHEN r.m > 0 THEN r.name END, r.other,
           r.value, r.lower, r.upper, r.n, r.verdict, base || r.definition
    FROM result r JOIN attribute a ON a.m = r.m
    ORDER BY cardinality(a.columns), r.m, r.section, CASE WHEN r.section < 3 THEN r.name COLLATE "C" END, r.position;
END
$$;
COMMENT ON FUNCTION mlops._bias_report(text, text, text, text, text[], text[], integer, text[], float8, text, integer, float8) IS
    'Body of mlops.bias_report(), after the search_path of its caller.';
REVOKE ALL ON FUNCTION mlops._bias_report(text, text, text, text, text[], text[], integer, text[], float8, text, integer, float8) FROM PUBLIC;

CREATE FUNCTION mlops.bias_report(query text, label text DEFAULT NULL, prediction text DEFAULT NULL, groups text[] DEFAULT NULL,
                                  privileged text[] DEFAULT NULL, min_rows integer DEFAULT 100,
                                  favourable text[] DEFAULT NULL, threshold float8 DEFAULT NULL, stratum text DEFAULT NULL,
                                  intersections integer DEFAULT 2, level float8 DEFAULT 0.95)
    RETURNS TABLE(metric text, attribute text, "group" text, reference text, value float8, lower float8, upper float8,
                  n bigint, verdict text, definition jsonb)
    LANGUAGE C STABLE PARALLEL UNSAFE COST 100000 ROWS 200
    AS 'MODULE_PATHNAME', 'mlops_report_call';
COMMENT ON FUNCTION mlops.bias_report(text, text, text, text[], text[], integer, text[], float8, text, integer, float8) IS
    'How groups of the rows of a SELECT, which runs with the caller''s rights, differ in labels, predictions or errors: rates with intervals, differences and ratios against the privileged group, between extremes, and the verdicts ok, warn, fail and insufficient; errors 22004, 22023, 42703 and ML055 (too many groups).';
