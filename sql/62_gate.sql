-- file: sql/62_gate.sql
-- Gates: what the evidence about a version must show before an alias points to
-- it; and that evidence: measurements of versions and the card of a model.
--
-- A gate compares recorded figures.  None runs a query of its own: a promotion
-- is executed by the approver, with whose rights nothing must run that the
-- maker wrote; and a figure that was recorded, with who, when and the hash of
-- the data, is what was approved, whatever the data are later.

--
-- Measurements
--
CREATE SEQUENCE mlops.measurement_id_seq;
CREATE TABLE mlops.measurement (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.measurement_id_seq'::pg_catalog.regclass),
    version_id bigint NOT NULL,
    data text NOT NULL CHECK (data OPERATOR(pg_catalog.~) '[^[:space:]]'),
    metrics jsonb NOT NULL CHECK (pg_catalog.jsonb_typeof(metrics) OPERATOR(pg_catalog.=) 'object'),
    verdict text CHECK (verdict OPERATOR(pg_catalog.=) ANY (ARRAY['pass', 'fail'])),
    data_sha256 bytea CHECK (pg_catalog.octet_length(data_sha256) OPERATOR(pg_catalog.=) 32),
    comment text,
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    caller name NOT NULL
);
CREATE INDEX measurement_version_id_idx ON mlops.measurement (version_id, data, id);
COMMENT ON TABLE mlops.measurement IS
    'Private: figures of versions on named data, or verdicts of checks, which never change; view mlops.measurements.';
REVOKE ALL ON TABLE mlops.measurement FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.measurement', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.measurement_id_seq', '');
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.measurement
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.measurement ENABLE ALWAYS TRIGGER refuse_change;

CREATE FUNCTION mlops._measurement_state(measurement mlops.measurement) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_jsonb(measurement) - '{id,version_id}'::text[]
        || jsonb_build_object('data_sha256', encode((measurement).data_sha256, 'hex'),
                              'created_at', mlops._utc((measurement).created_at))
$$;
COMMENT ON FUNCTION mlops._measurement_state(mlops.measurement) IS 'State of a measurement, as events have it.';
REVOKE ALL ON FUNCTION mlops._measurement_state(mlops.measurement) FROM PUBLIC;

CREATE FUNCTION mlops._state_measurement() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, v.version, NULL::text, k.id::text, mlops._measurement_state(k)
    FROM mlops.measurement k
    LEFT JOIN mlops.version v ON v.id = k.version_id
    LEFT JOIN mlops.model m ON m.id = v.model_id
$$;
COMMENT ON FUNCTION mlops._state_measurement() IS 'State of all measurements, as events have it.';
REVOKE ALL ON FUNCTION mlops._state_measurement() FROM PUBLIC;

CREATE FUNCTION mlops._record_measurement(model mlops.modelref, data text, metrics jsonb, verdict text,
                                          data_sha256 bytea, comment text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    privilege text;
    target bigint;
    target_model bigint;
    new_id bigint;
BEGIN
    IF model IS NULL OR data IS NULL THEN
        RAISE EXCEPTION 'a measurement is of a version and of named data' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    privilege := CASE WHEN mlops._caller_has(mlops.model_name(model), 'approve') THEN 'approve' ELSE 'manage' END;
    target_model := mlops._lock_model(mlops.model_name(model), privilege);
    target := mlops._resolve(model, privilege);
    IF data !~ '[^[:space:]]' THEN
        RAISE EXCEPTION 'data need a name' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF jsonb_typeof(metrics) <> 'object' THEN
        RAISE EXCEPTION 'metrics must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF verdict NOT IN ('pass', 'fail') THEN
        RAISE EXCEPTION 'unknown verdict "%"', verdict
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Verdicts are pass and fail.';
    END IF;
    IF octet_length(data_sha256) <> 32 THEN
        RAISE EXCEPTION 'data_sha256 must have 32 bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO mlops.measurement (version_id, data, metrics, verdict, data_sha256, comment, created_at, created_by, caller)
    VALUES (target, data, coalesce(metrics, '{}'), verdict, data_sha256, comment, clock_timestamp(), session_user,
            mlops._caller())
    RETURNING id INTO new_id;
    PERFORM mlops._note_identity();
    PERFORM mlops._audit(action => 'measurement.record', model => m.name, version => v.version, subject => new_id::text,
                         reason => k.comment, artifact_sha256 => v.artifact_sha256,
                         state_after => mlops._measurement_state(k))
    FROM mlops.measurement k
    JOIN mlops.version v ON v.id = k.version_id
    JOIN mlops.model m ON m.id = v.model_id
    WHERE k.id = new_id;
    PERFORM mlops._sweep_requests(target_model);
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION mlops._record_measurement(mlops.modelref, text, jsonb, text, bytea, text) IS
    'Body of mlops.record_measurement().';
REVOKE ALL ON FUNCTION mlops._record_measurement(mlops.modelref, text, jsonb, text, bytea, text) FROM PUBLIC;

CREATE FUNCTION mlops.record_measurement(model mlops.modelref, data text, metrics jsonb DEFAULT '{}',
                                         verdict text DEFAULT NULL, data_sha256 bytea DEFAULT NULL,
                                         comment text DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.record_measurement(mlops.modelref, text, jsonb, text, bytea, text) IS
    'Records figures of a version on data with a name, or the verdict (pass, fail) of a check with that name, and returns the id; data_sha256 says which data they were; gates read the latest one; needs privilege manage or approve; errors 42501, 22004, 22023 and ML001 to ML003.';
REVOKE ALL ON FUNCTION mlops.record_measurement(mlops.modelref, text, jsonb, text, bytea, text) FROM PUBLIC;

CREATE VIEW mlops.measurements WITH (security_barrier) AS
    SELECT k.id,
           m.name AS model,
           v.version,
           k.data,
           k.metrics,
           k.verdict,
           pg_catalog.encode(k.data_sha256, 'hex') AS data_sha256,
           k.comment,
           k.created_at,
           k.created_by
    FROM mlops.measurement k
    JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) k.version_id
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) v.model_id
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.measurements IS
    'Figures of versions on named data and verdicts of checks, with who recorded them, of models on which the viewer has any privilege.';
GRANT SELECT ON mlops.measurements TO PUBLIC;

--
-- The card of a model
--
CREATE TABLE mlops.card (
    model_id bigint PRIMARY KEY,
    card jsonb NOT NULL CHECK (pg_catalog.jsonb_typeof(card) OPERATOR(pg_catalog.=) 'object'),
    changed_at timestamp with time zone NOT NULL,
    changed_by name NOT NULL
);
COMMENT ON TABLE mlops.card IS 'Private: what people say about a model; view mlops.cards.';
REVOKE ALL ON TABLE mlops.card FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.card', '');
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.card
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.card ENABLE ALWAYS TRIGGER refuse_change;

CREATE FUNCTION mlops._card_state(card mlops.card) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object('card', (card).card, 'changed_at', mlops._utc((card).changed_at),
                              'changed_by', (card).changed_by)
    WHERE (card).model_id IS NOT NULL
$$;
COMMENT ON FUNCTION mlops._card_state(mlops.card) IS 'State of the card of a model, as events have it.';
REVOKE ALL ON FUNCTION mlops._card_state(mlops.card) FROM PUBLIC;

CREATE FUNCTION mlops._state_card() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, NULL::text, NULL::text, mlops._card_state(c)
    FROM mlops.card c LEFT JOIN mlops.model m ON m.id = c.model_id
$$;
COMMENT ON FUNCTION mlops._state_card() IS 'State of the cards of all models, as events have it.';
REVOKE ALL ON FUNCTION mlops._state_card() FROM PUBLIC;

CREATE FUNCTION mlops._set_card(model text, card jsonb, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint := mlops._lock_model(model);
    former jsonb;
BEGIN
    PERFORM mlops._check_reason(reason);
    IF card IS NULL OR jsonb_typeof(card) <> 'object' THEN
        RAISE EXCEPTION 'a card must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT mlops._card_state(c) INTO former FROM mlops.card c WHERE c.model_id = target;
    INSERT INTO mlops.card AS c (model_id, card, changed_at, changed_by)
    VALUES (target, card, clock_timestamp(), session_user)
    ON CONFLICT (model_id) DO UPDATE
    SET card = excluded.card, changed_at = excluded.changed_at, changed_by = excluded.changed_by;
    PERFORM mlops._note_identity();
    PERFORM mlops._audit(action => 'card.set', model => _set_card.model, reason => _set_card.reason,
                         state_before => former, state_after => mlops._card_state(c))
    FROM mlops.card c WHERE c.model_id = target;
    PERFORM mlops._sweep_requests(target);
END
$$;
COMMENT ON FUNCTION mlops._set_card(text, jsonb, text) IS 'Body of mlops.set_card().';
REVOKE ALL ON FUNCTION mlops._set_card(text, jsonb, text) FROM PUBLIC;

CREATE FUNCTION mlops.set_card(model text, card jsonb, reason text) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.set_card(text, jsonb, text) IS
    'Sets the card of a model: a JSON object of what people say about it, such as purpose, limits and owner in the business; the reason is mandatory; needs privilege manage; errors 42501, 22004, 22023 and ML001.';
REVOKE ALL ON FUNCTION mlops.set_card(text, jsonb, text) FROM PUBLIC;

CREATE VIEW mlops.cards WITH (security_barrier) AS
    SELECT m.name AS model,
           c.card,
           c.changed_at,
           c.changed_by
    FROM mlops.card c
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) c.model_id
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.cards IS
    'What people say about models on which the viewer has any privilege, as mlops.set_card() set it.';
GRANT SELECT ON mlops.cards TO PUBLIC;

--
-- Gates
--
CREATE SEQUENCE mlops.gate_id_seq;
CREATE TABLE mlops.gate (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.gate_id_seq'::pg_catalog.regclass),
    model_id bigint NOT NULL,
    alias text NOT NULL CHECK (mlops._valid_name(alias) AND alias OPERATOR(pg_catalog.<>) 'latest'),
    kind text NOT NULL
        CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['metric', 'champion', 'fairness', 'check', 'card'])),
    metric text,
    data text,
    at_least numeric
        CHECK (at_least OPERATOR(pg_catalog.>) '-infinity' AND at_least OPERATOR(pg_catalog.<) 'infinity'),
    at_most numeric
        CHECK (at_most OPERATOR(pg_catalog.>) '-infinity' AND at_most OPERATOR(pg_catalog.<) 'infinity'),
    better text CHECK (better OPERATOR(pg_catalog.=) ANY (ARRAY['higher', 'lower'])),
    tolerance numeric
        CHECK (tolerance OPERATOR(pg_catalog.>=) 0 AND tolerance OPERATOR(pg_catalog.<) 'infinity'),
    max_age integer CHECK (max_age OPERATOR(pg_catalog.>) 0),
    fields text[] CHECK (pg_catalog.cardinality(fields) OPERATOR(pg_catalog.>) 0),
    reason text NOT NULL CHECK (reason OPERATOR(pg_catalog.~) '[^[:space:]]'),
    created_at timestamp with time zone NOT NULL,
    created_by name NOT NULL,
    dropped_at timestamp with time zone,
    dropped_by name,
    drop_reason text,
    CHECK ((kind OPERATOR(pg_catalog.=) ANY (ARRAY['metric', 'fairness', 'champion'])) OPERATOR(pg_catalog.=) (metric IS NOT NULL)),
    CHECK (CASE WHEN kind OPERATOR(pg_catalog.=) ANY (ARRAY['fairness', 'check']) THEN data IS NOT NULL
                WHEN kind OPERATOR(pg_catalog.=) 'card' THEN data IS NULL ELSE true END),
    CHECK ((kind OPERATOR(pg_catalog.=) ANY (ARRAY['metric', 'fairness']))
           OPERATOR(pg_catalog.=) (at_least IS NOT NULL OR at_most IS NOT NULL)),
    CHECK ((kind OPERATOR(pg_catalog.=) 'champion') OPERATOR(pg_catalog.=) (better IS NOT NULL)),
    CHECK ((kind OPERATOR(pg_catalog.=) 'champion') OPERATOR(pg_catalog.=) (tolerance IS NOT NULL)),
    CHECK ((kind OPERATOR(pg_catalog.=) 'card') OPERATOR(pg_catalog.=) (fields IS NOT NULL)),
    CHECK (max_age IS NULL OR data IS NOT NULL),
    CHECK ((dropped_at IS NULL) OPERATOR(pg_catalog.=) (dropped_by IS NULL)),
    CHECK ((dropped_at IS NULL) OPERATOR(pg_catalog.=) (drop_reason IS NULL))
);
CREATE INDEX gate_present_idx ON mlops.gate (model_id, alias, id) WHERE dropped_at IS NULL;
COMMENT ON TABLE mlops.gate IS
    'Private: conditions of promotions, also those that were dropped; max_age in seconds; view mlops.gates.';
REVOKE ALL ON TABLE mlops.gate FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.gate', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.gate_id_seq', '');
CREATE TRIGGER check_set_once BEFORE UPDATE ON mlops.gate
    FOR EACH ROW EXECUTE FUNCTION mlops._check_set_once('dropped_at', 'dropped_by', 'drop_reason');
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.gate
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.gate ENABLE ALWAYS TRIGGER check_set_once;
ALTER TABLE mlops.gate ENABLE ALWAYS TRIGGER refuse_change;

CREATE FUNCTION mlops._gate_state(gate mlops.gate) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_jsonb(gate) - '{id,model_id,alias}'::text[]
        || jsonb_build_object('created_at', mlops._utc((gate).created_at),
                              'dropped_at', mlops._utc((gate).dropped_at))
$$;
COMMENT ON FUNCTION mlops._gate_state(mlops.gate) IS 'State of a gate, as events have it.';
REVOKE ALL ON FUNCTION mlops._gate_state(mlops.gate) FROM PUBLIC;

CREATE FUNCTION mlops._state_gate() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, g.alias, g.id::text, mlops._gate_state(g)
    FROM mlops.gate g LEFT JOIN mlops.model m ON m.id = g.model_id
$$;
COMMENT ON FUNCTION mlops._state_gate() IS 'State of all gates, as events have it.';
REVOKE ALL ON FUNCTION mlops._state_gate() FROM PUBLIC;

-- What a gate asks for, as packages have it.
CREATE FUNCTION mlops._gate_row(gate mlops.gate) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_strip_nulls(to_jsonb(gate)
                             - '{model_id,alias,reason,created_at,created_by,dropped_at,dropped_by,drop_reason}'::text[])
$$;
COMMENT ON FUNCTION mlops._gate_row(mlops.gate) IS 'What a gate asks for.';
REVOKE ALL ON FUNCTION mlops._gate_row(mlops.gate) FROM PUBLIC;

--
-- Checking
--

-- The figures of a version: of the latest measurement on data with a name, or,
-- without a name, those that were registered with it.
CREATE FUNCTION mlops._measured(version_id bigint, data text, OUT metrics jsonb, OUT verdict text,
                                OUT data_sha256 bytea, OUT measured_at timestamp with time zone) RETURNS record
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT * FROM (
        SELECT k.metrics, k.verdict, k.data_sha256, k.created_at
        FROM mlops.measurement k
        WHERE k.version_id = _measured.version_id AND k.data = _measured.data
        ORDER BY k.id DESC LIMIT 1) k
    UNION ALL
    SELECT v.metrics, NULL, NULL, v.created_at
    FROM mlops.version v
    WHERE v.id = _measured.version_id AND _measured.data IS NULL
$$;
COMMENT ON FUNCTION mlops._measured(bigint, text) IS 'Figures of a version, the latest on data with a name.';
REVOKE ALL ON FUNCTION mlops._measured(bigint, text) FROM PUBLIC;

-- A figure by its name, or by names with dots between them for one inside an
-- object.  Of an object of numbers, one for each group, the worst one.
CREATE FUNCTION mlops._figure(metrics jsonb, name text, better text) RETURNS numeric
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE jsonb_typeof(f.figure)
               WHEN 'number' THEN (f.figure#>>'{}')::numeric
               WHEN 'object' THEN (
                   SELECT CASE WHEN bool_and(jsonb_typeof(e.value) = 'number')
                               THEN CASE better WHEN 'lower' THEN max((e.value#>>'{}')::numeric)
                                                WHEN 'higher' THEN min((e.value#>>'{}')::numeric) END END
                   FROM jsonb_each(CASE jsonb_typeof(f.figure) WHEN 'object' THEN f.figure END) e) END
    FROM (SELECT metrics #> string_to_array(name, '.') AS figure) f
$$;
COMMENT ON FUNCTION mlops._figure(jsonb, text, text) IS
    'A figure among metrics; of one for each group the worst; NULL if there is none.';
REVOKE ALL ON FUNCTION mlops._figure(jsonb, text, text) FROM PUBLIC;

-- Whether the figures that were registered with two versions are of the same
-- rows: both were trained with the same query, and the same of its rows were
-- held out.
CREATE FUNCTION mlops._same_test_rows(version_id bigint, other_id bigint) RETURNS boolean
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(bool_and(a.record->p = b.record->p), false)
    FROM mlops.version v
    JOIN mlops.run a ON a.id = v.run_id
    CROSS JOIN mlops.version w
    JOIN mlops.run b ON b.id = w.run_id,
    unnest('{query,label,key,seed,positive,relations}'::text[]) p
    WHERE v.id = _same_test_rows.version_id AND w.id = _same_test_rows.other_id
      AND a.record#>'{split,test}' = b.record#>'{split,test}' AND a.record#>'{rows,read}' = b.record#>'{rows,read}'
      AND a.record#>'{rows,test}' = b.record#>'{rows,test}'
$$;
COMMENT ON FUNCTION mlops._same_test_rows(bigint, bigint) IS
    'Whether two versions were measured on the same held out rows, as far as the records of their trainings say.';
REVOKE ALL ON FUNCTION mlops._same_test_rows(bigint, bigint) FROM PUBLIC;

-- Fields of the card that are not filled: without a value, empty, or blank.
-- The description is that of the version or the model.
CREATE FUNCTION mlops._empty_fields(version_id bigint, fields text[]) RETURNS text[]
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(f.name ORDER BY f.n)
    FROM mlops.version v
    JOIN mlops.model m ON m.id = v.model_id
    LEFT JOIN mlops.card c ON c.model_id = m.id,
    unnest(fields) WITH ORDINALITY f (name, n)
    WHERE v.id = _empty_fields.version_id
      AND (CASE f.name WHEN 'description' THEN coalesce(v.description, m.description, c.card->>'description', '')
                       ELSE coalesce(c.card #>> string_to_array(f.name, '.'), '') END !~ '[^[:space:]]'
           OR c.card #> string_to_array(f.name, '.') IN ('[]', '{}'))
$$;
COMMENT ON FUNCTION mlops._empty_fields(bigint, text[]) IS 'Which of the fields of a model''s card are not filled.';
REVOKE ALL ON FUNCTION mlops._empty_fields(bigint, text[]) FROM PUBLIC;

CREATE FUNCTION mlops._gate_results(model_id bigint, alias text, version_id bigint)
    RETURNS TABLE (gate mlops.gate, metric text, value numeric, threshold text, verdict text, message text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own record;
    present bigint;
    other record;
    bound numeric;
    empty text[];
BEGIN
    SELECT a.version_id INTO present FROM mlops.alias a
    WHERE a.model_id = _gate_results.model_id AND a.alias = _gate_results.alias;
    FOR gate IN SELECT g.* FROM mlops.gate g
                WHERE g.model_id = _gate_results.model_id AND g.alias = _gate_results.alias AND g.dropped_at IS NULL
                ORDER BY g.id LOOP
        metric := coalesce(gate.metric, gate.data, array_to_string(gate.fields, ', '));
        value := NULL;
        threshold := NULL;
        message := NULL;
        verdict := 'missing';
        SELECT * INTO own FROM mlops._measured(version_id, gate.data);
        IF gate.kind = 'card' THEN
            empty := mlops._empty_fields(version_id, gate.fields);
            threshold := 'filled';
            verdict := CASE WHEN empty IS NULL THEN 'pass' ELSE 'fail' END;
            message := 'The card does not have: ' || array_to_string(empty, ', ') || '.';
        ELSIF own.measured_at IS NULL THEN
            message := format('There is no measurement on "%s" of this version.', gate.data);
        ELSIF own.measured_at < clock_timestamp() - make_interval(secs => gate.max_age) THEN
            threshold := format('not older than %s', make_interval(secs => gate.max_age));
            verdict := 'fail';
            message := format('The latest measurement on "%s" is of %s.', gate.data, mlops._utc(own.measured_at));
        ELSIF gate.kind = 'check' THEN
            threshold := 'pass';
            verdict := coalesce(own.verdict, 'missing');
            message := CASE WHEN own.verdict IS NULL THEN format('The latest measurement on "%s" has no verdict.', gate.data)
                            WHEN own.verdict = 'fail' THEN format('The check "%s" failed.', gate.data) END;
        ELSE
            value := mlops._figure(own.metrics, gate.metric,
                                   coalesce(gate.better, CASE WHEN gate.at_least IS NULL THEN 'lower' ELSE 'higher' END));
            threshold := concat_ws(' and ', 'at least ' || gate.at_least, 'at most ' || gate.at_most);
            IF gate.kind = 'champion' THEN
                bound := NULL;
                threshold := NULL;
                IF present IS NULL OR present = version_id THEN
                    verdict := CASE WHEN value IS NULL THEN 'missing' ELSE 'pass' END;
                    message := 'There is no other version to compare with.';
                ELSE
                    SELECT * INTO other FROM mlops._measured(present, gate.data);
                    IF gate.data IS NULL AND NOT mlops._same_test_rows(version_id, present)
                       OR own.data_sha256 IS DISTINCT FROM other.data_sha256 AND other.measured_at IS NOT NULL THEN
                        message := format('%s was not measured on the same rows.', mlops._reference(present));
                    ELSE
                        bound := mlops._figure(other.metrics, gate.metric, gate.better);
                        message := CASE WHEN bound IS NULL THEN format('%s has no such figure.', mlops._reference(present)) END;
                    END IF;
                    threshold := CASE WHEN bound IS NOT NULL THEN
                        CASE gate.better WHEN 'higher' THEN 'at least ' || bound - gate.tolerance
                                         ELSE 'at most ' || bound + gate.tolerance END END;
                    IF value IS NOT NULL AND bound IS NOT NULL THEN
                        verdict := CASE WHEN CASE gate.better WHEN 'higher' THEN value >= bound - gate.tolerance
                                                              ELSE value <= bound + gate.tolerance END
                                        THEN 'pass' ELSE 'fail' END;
                        message := format('%s has %s.', mlops._reference(present), bound);
                    END IF;
                END IF;
            ELSIF value IS NOT NULL THEN
                -- of many groups both bounds hold for each
                verdict := CASE WHEN coalesce(mlops._figure(own.metrics, gate.metric, 'higher') >= gate.at_least, true)
                                 AND coalesce(mlops._figure(own.metrics, gate.metric, 'lower') <= gate.at_most, true)
                                THEN 'pass' ELSE 'fail' END;
                value := CASE WHEN mlops._figure(own.metrics, gate.metric, 'lower') > gate.at_most
                              THEN mlops._figure(own.metrics, gate.metric, 'lower') ELSE value END;
            END IF;
            IF value IS NULL AND message IS NULL THEN
                message := 'This version has no such figure.';
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION mlops._gate_results(bigint, text, bigint) IS
    'What each gate of an alias says of a version: pass, fail, or missing where there is no evidence.';
REVOKE ALL ON FUNCTION mlops._gate_results(bigint, text, bigint) FROM PUBLIC;

-- Gates as packages have them: what each asks for, and the figure that it found.
CREATE FUNCTION mlops._package_gates(model_id bigint, alias text, version_id bigint) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(jsonb_agg(mlops._gate_row(r.gate) || jsonb_build_object('value', r.value, 'threshold', r.threshold,
                                                                        'verdict', r.verdict)
                              ORDER BY (r.gate).id), '[]')
    FROM mlops._gate_results(model_id, alias, version_id) r
$$;
COMMENT ON FUNCTION mlops._package_gates(bigint, text, bigint) IS
    'The gates of an alias with their figures for a version.';
REVOKE ALL ON FUNCTION mlops._package_gates(bigint, text, bigint) FROM PUBLIC;

CREATE FUNCTION mlops._check_gates(model mlops.modelref, alias text)
    RETURNS TABLE (gate bigint, kind text, metric text, value numeric, threshold text, verdict text, message text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT (r.gate).id, (r.gate).kind, r.metric, r.value, r.threshold, r.verdict, r.message
    FROM mlops.version v, mlops._gate_results(v.model_id, _check_gates.alias, v.id) r
    WHERE v.id = mlops._resolve(_check_gates.model, 'any');
END
$$;
COMMENT ON FUNCTION mlops._check_gates(mlops.modelref, text) IS 'Body of mlops.check_gates().';
REVOKE ALL ON FUNCTION mlops._check_gates(mlops.modelref, text) FROM PUBLIC;

CREATE FUNCTION mlops.check_gates(model mlops.modelref, alias text DEFAULT 'champion', OUT gate bigint, OUT kind text,
                                  OUT metric text, OUT value numeric, OUT threshold text, OUT verdict text,
                                  OUT message text) RETURNS SETOF record
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 5
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.check_gates(mlops.modelref, text) IS
    'What each gate of an alias would say to the promotion of a version now: its figure, the threshold, the verdict (pass, fail, or missing where there is no evidence) and why; needs any privilege on the model; errors ML001 to ML003 and 42501.';

-- Error unless a version passes the gates of an alias; asked when a request is
-- opened and again when it is executed.
CREATE FUNCTION mlops._require_gates(model_id bigint, alias text, version_id bigint) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    passed boolean;
    list text;
BEGIN
    SELECT bool_and(r.verdict = 'pass'),
           string_agg(format('Gate %s, %s %s: %s.', (r.gate).id, (r.gate).kind, r.metric,
                             concat_ws(', ', r.verdict, r.value::text, r.threshold))
                      || coalesce(' ' || r.message, ''), E'\n' ORDER BY (r.gate).id)
    INTO passed, list
    FROM mlops._gate_results(model_id, alias, version_id) r;
    IF NOT passed THEN
        RAISE EXCEPTION '% does not pass the gates of alias "%"', mlops._reference(version_id), alias
            USING ERRCODE = 'ML044', DETAIL = list,
                  HINT = format('mlops.check_gates(%L, %L) gives the same list.', mlops._reference(version_id), alias);
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._require_gates(bigint, text, bigint) IS
    'Error ML044 unless a version passes all gates of an alias.';
REVOKE ALL ON FUNCTION mlops._require_gates(bigint, text, bigint) FROM PUBLIC;

--
-- Setting
--
CREATE FUNCTION mlops._add_gate(model text, alias text, kind text, metric text, data text, at_least numeric,
                                at_most numeric, better text, tolerance numeric, max_age interval,
                                fields text[], reason text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint;
    new_id bigint;
    problem text;
BEGIN
    PERFORM mlops._require(model, 'own');
    PERFORM mlops._check_reason(reason);
    IF alias IS NULL OR NOT mlops._valid_name(alias)
       OR (mlops.model_name(model::mlops.modelref) || '@' || alias)::mlops.modelref IS NULL THEN
        RAISE EXCEPTION 'invalid alias: "%"', alias USING ERRCODE = 'invalid_name';
    END IF;
    IF kind IS NULL OR kind NOT IN ('metric', 'champion', 'fairness', 'check', 'card') THEN
        RAISE EXCEPTION 'unknown kind of gate "%"', kind
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Kinds are metric, champion, fairness, check and card.';
    END IF;
    IF kind = 'champion' THEN
        tolerance := coalesce(tolerance, 0);
        better := coalesce(better, CASE
            WHEN metric IN ('auc', 'gini', 'ks', 'pr_auc', 'accuracy', 'precision', 'recall', 'f1', 'f1_macro', 'mcc', 'r2')
            THEN 'higher'
            WHEN metric IN ('log_loss', 'brier', 'rmse', 'mae', 'mape', 'ece') THEN 'lower' END);
        IF better IS NULL AND metric IS NOT NULL THEN
            RAISE EXCEPTION 'a gate of kind champion needs to know whether a higher % is better', metric
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Give better => ''higher'' or ''lower''.';
        END IF;
    END IF;
    problem := CASE
        WHEN kind IN ('metric', 'champion', 'fairness') AND metric IS NULL THEN 'needs a metric'
        WHEN kind NOT IN ('metric', 'champion', 'fairness') AND metric IS NOT NULL THEN 'has no metric'
        WHEN kind IN ('fairness', 'check') AND data IS NULL THEN 'needs the name of the data'
        WHEN kind = 'card' AND data IS NOT NULL THEN 'has no data'
        WHEN kind IN ('metric', 'fairness') AND at_least IS NULL AND at_most IS NULL THEN 'needs at_least or at_most'
        WHEN kind NOT IN ('metric', 'fairness') AND (at_least IS NOT NULL OR at_most IS NOT NULL)
            THEN 'has neither at_least nor at_most'
        WHEN at_least IN ('NaN', 'infinity', '-infinity') OR at_most IN ('NaN', 'infinity', '-infinity')
            OR tolerance IN ('NaN', 'infinity') OR tolerance < 0 THEN 'needs finite numbers, and no negative tolerance'
        WHEN kind <> 'champion' AND (better IS NOT NULL OR tolerance IS NOT NULL) THEN 'has neither better nor tolerance'
        WHEN better NOT IN ('higher', 'lower') THEN 'needs better to be higher or lower'
        WHEN max_age IS NOT NULL AND data IS NULL THEN 'has no max_age without the name of the data'
        WHEN max_age < interval '1 second' OR max_age > interval '68 years' THEN 'needs a max_age of one second to 68 years'
        WHEN kind = 'card' AND (coalesce(cardinality(fields), 0) = 0 OR array_position(fields, NULL) IS NOT NULL)
            THEN 'needs fields'
        WHEN kind <> 'card' AND fields IS NOT NULL THEN 'has no fields' END;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'a gate of kind % %', kind, problem USING ERRCODE = 'invalid_parameter_value';
    END IF;

    target := mlops._lock_model(model, 'own');
    INSERT INTO mlops.gate (model_id, alias, kind, metric, data, at_least, at_most, better, tolerance, max_age, fields,
                            reason, created_at, created_by)
    VALUES (target, alias, kind, metric, data, at_least, at_most, better, tolerance,
            ceil(extract(epoch FROM max_age))::integer, fields, reason, clock_timestamp(), session_user)
    RETURNING id INTO new_id;
    PERFORM mlops._note_identity();
    PERFORM mlops._audit(action => 'gate.add', model => _add_gate.model, alias => g.alias, subject => g.id::text,
                         reason => g.reason, state_after => mlops._gate_state(g),
                         policy_sha256 => mlops._policy_sha256(g.model_id, g.alias))
    FROM mlops.gate g WHERE g.id = new_id;
    PERFORM mlops._sweep_requests(target);
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION mlops._add_gate(text, text, text, text, text, numeric, numeric, text, numeric, interval, text[], text) IS
    'Body of mlops.add_gate().';
REVOKE ALL ON FUNCTION mlops._add_gate(text, text, text, text, text, numeric, numeric, text, numeric, interval, text[], text) FROM PUBLIC;

CREATE FUNCTION mlops.add_gate(model text, alias text DEFAULT 'champion', kind text DEFAULT NULL, metric text DEFAULT NULL,
                               data text DEFAULT NULL, at_least numeric DEFAULT NULL,
                               at_most numeric DEFAULT NULL, better text DEFAULT NULL,
                               tolerance numeric DEFAULT NULL, max_age interval DEFAULT NULL,
                               fields text[] DEFAULT NULL, reason text DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.add_gate(text, text, text, text, text, numeric, numeric, text, numeric, interval, text[], text) IS
    'Adds a condition for promotions to an alias and returns its id: a metric within bounds (metric, fairness), not worse than that of the present version by more than a tolerance (champion), a check that passed (check), or fields of the card that are filled (card); the reason is mandatory; needs to be owner; errors 42501, 42602, 22004, 22023, 22P02 and ML001.';
REVOKE ALL ON FUNCTION mlops.add_gate(text, text, text, text, text, numeric, numeric, text, numeric, interval, text[], text) FROM PUBLIC;

-- A gate of a locked model that stands.
CREATE FUNCTION mlops._apply_drop_gate(gate bigint, reason text, change_ref text, relied_on jsonb DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    g mlops.gate;
    before jsonb;
BEGIN
    SELECT mlops._gate_state(p) INTO before FROM mlops.gate p WHERE p.id = gate;
    UPDATE mlops.gate p
    SET dropped_at = clock_timestamp(), dropped_by = session_user, drop_reason = _apply_drop_gate.reason
    WHERE p.id = gate AND p.dropped_at IS NULL
    RETURNING p.* INTO STRICT g;
    PERFORM mlops._audit(action => 'gate.drop', model => m.name, alias => g.alias, subject => g.id::text,
                         reason => _apply_drop_gate.reason, change_ref => _apply_drop_gate.change_ref,
                         state_before => before, state_after => mlops._gate_state(g),
                         relied_on => _apply_drop_gate.relied_on,
                         policy_sha256 => mlops._policy_sha256(g.model_id, g.alias))
    FROM mlops.model m WHERE m.id = g.model_id;
END
$$;
COMMENT ON FUNCTION mlops._apply_drop_gate(bigint, text, text, jsonb) IS 'Drops a gate and records it.';
REVOKE ALL ON FUNCTION mlops._apply_drop_gate(bigint, text, text, jsonb) FROM PUBLIC;

CREATE FUNCTION mlops._drop_gate(gate bigint, reason text, change_ref text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    g mlops.gate;
    model_name text;
BEGIN
    IF gate IS NULL THEN
        RAISE EXCEPTION 'no gate was named' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT m.name INTO model_name
    FROM mlops.gate p JOIN mlops.model m ON m.id = p.model_id WHERE p.id = gate;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'gate % does not exist', gate
            USING ERRCODE = 'undefined_object', HINT = 'mlops.gates lists them.';
    END IF;
    PERFORM mlops._lock_model(model_name, 'own');
    PERFORM mlops._check_reason(reason);
    SELECT p.* INTO g FROM mlops.gate p WHERE p.id = gate AND p.dropped_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'gate % was dropped already', gate USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- to ask for less needs the approvals that a promotion needs
    IF (mlops._policy_of(g.model_id, g.alias)->'approvals')::integer > 0 THEN
        RETURN mlops._open_request(g.model_id, 'gate', g.alias, NULL, mlops._gate_row(g), reason, change_ref);
    END IF;
    PERFORM mlops._note_identity();
    PERFORM mlops._apply_drop_gate(gate, reason, change_ref);
    PERFORM mlops._sweep_requests(g.model_id);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mlops._drop_gate(bigint, text, text) IS 'Body of mlops.drop_gate().';
REVOKE ALL ON FUNCTION mlops._drop_gate(bigint, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.drop_gate(gate bigint, reason text, change_ref text DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.drop_gate(bigint, text, text) IS
    'Drops a gate and returns NULL, or, where the policy of its alias wants approvals, opens a request and returns its id; the reason is mandatory; needs to be owner; errors 42501, 42704, 22004, 55000 and ML042.';
REVOKE ALL ON FUNCTION mlops.drop_gate(bigint, text, text) FROM PUBLIC;

CREATE VIEW mlops.gates WITH (security_barrier) AS
    SELECT g.id,
           m.name AS model,
           g.alias,
           g.kind,
           g.metric,
           g.data,
           g.at_least,
           g.at_most,
           g.better,
           g.tolerance,
           pg_catalog.make_interval(secs => g.max_age) AS max_age,
           g.fields,
           g.reason,
           g.created_at,
           g.created_by,
           g.dropped_at,
           g.dropped_by,
           g.drop_reason
    FROM mlops.gate g
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) g.model_id
    WHERE mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.gates IS
    'Conditions for promotions to aliases, also those that were dropped, of models on which the viewer has any privilege.';
GRANT SELECT ON mlops.gates TO PUBLIC;
