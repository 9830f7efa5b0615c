-- file: sql/46_whatif.sql
-- What would have to be otherwise: the least change of a row that takes its
-- score across a threshold.

CREATE FUNCTION mlops.counterfactual(model mlops.modelref, "row" record, changeable text[],
                                     threshold double precision DEFAULT NULL, direction text DEFAULT NULL,
                                     class text DEFAULT NULL, max_changes integer DEFAULT 3,
                                     rules jsonb DEFAULT NULL, budget integer DEFAULT 100000,
                                     OUT status text, OUT feature text, OUT old_value text, OUT new_value text,
                                     OUT change double precision, OUT score_before double precision,
                                     OUT score_after double precision, OUT proven boolean) RETURNS SETOF record
    LANGUAGE C STABLE PARALLEL SAFE COST 1000000 ROWS 3
    AS 'MODULE_PATHNAME', 'mlops_counterfactual_row';
COMMENT ON FUNCTION mlops.counterfactual(mlops.modelref, record, text[], double precision, text, text, integer, jsonb, integer) IS
    'The least change of the changeable features (fewest, at most max_changes of 1 to 16, then the least share of their thresholds) that takes the score of a row, whose columns are found by the names of the features, across the threshold, or makes it of the wanted class: a row per change with status found, or one row with status impossible, unneeded, or unknown if the budget of evaluations ended; proven says whether nothing less does; needs privilege read; errors ML001 to ML003, 42501, ML020, ML021, ML011, 22004 and 22023.';

CREATE FUNCTION mlops.counterfactual(model mlops.modelref, features jsonb, changeable text[],
                                     threshold double precision DEFAULT NULL, direction text DEFAULT NULL,
                                     class text DEFAULT NULL, max_changes integer DEFAULT 3,
                                     rules jsonb DEFAULT NULL, budget integer DEFAULT 100000,
                                     OUT status text, OUT feature text, OUT old_value text, OUT new_value text,
                                     OUT change double precision, OUT score_before double precision,
                                     OUT score_after double precision, OUT proven boolean) RETURNS SETOF record
    LANGUAGE C STABLE PARALLEL SAFE COST 1000000 ROWS 3
    AS 'MODULE_PATHNAME', 'mlops_counterfactual_jsonb';
COMMENT ON FUNCTION mlops.counterfactual(mlops.modelref, jsonb, text[], double precision, text, text, integer, jsonb, integer) IS
    'The least change of the changeable features (fewest, at most max_changes of 1 to 16, then the least share of their thresholds) that takes the score of a JSON object, whose keys are the names of the features, across the threshold, or makes it of the wanted class: a row per change with status found, or one row with status impossible, unneeded, or unknown if the budget of evaluations ended; proven says whether nothing less does; needs privilege read; errors ML001 to ML003, 42501, ML020, ML021, ML011, 22004 and 22023.';
