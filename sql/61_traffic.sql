-- file: sql/61_traffic.sql
-- Traffic: versions that get a share of the keys of an alias, and a version that
-- is computed beside the one in charge.
--
-- A key belongs to one of 10,000 buckets by a hash of it (mlops.route()).  The
-- versions with a share take the buckets from 0 on, in the order of their
-- numbers; the others belong to the version of the alias.  So a share that grows
-- keeps the keys that it had, and whoever knows the row knows the version of
-- every key.
--
-- Any change that gives a version more than it had is a promotion in small: it
-- needs the evidence, gates and approvals of the alias.  A change that only
-- takes away is a step back to what was approved, which one person can take.
-- A change of the alias itself ends its traffic.

CREATE TABLE mlops.traffic (
    model_id bigint NOT NULL,
    alias text NOT NULL
        CHECK (mlops._valid_name(alias) AND alias OPERATOR(pg_catalog.<>) 'latest'),
    versions integer[] NOT NULL,
    buckets integer[] NOT NULL,
    shadow integer CHECK (shadow OPERATOR(pg_catalog.>) 0),
    changed_at timestamp with time zone NOT NULL,
    changed_by name NOT NULL,
    CONSTRAINT traffic_pkey PRIMARY KEY (model_id, alias),
    CHECK (pg_catalog.cardinality(versions) OPERATOR(pg_catalog.=) pg_catalog.cardinality(buckets)),
    CHECK (pg_catalog.cardinality(versions) OPERATOR(pg_catalog.<=) 16),
    CHECK (0 OPERATOR(pg_catalog.<) ALL (versions)),
    CHECK (0 OPERATOR(pg_catalog.<) ALL (buckets) AND 10000 OPERATOR(pg_catalog.>=) ALL (buckets)),
    CHECK (pg_catalog.array_position(versions, NULL) IS NULL AND pg_catalog.array_position(buckets, NULL) IS NULL)
);
COMMENT ON TABLE mlops.traffic IS
    'Private: shares of versions in the keys of an alias, in buckets of 10,000, and the version that is computed beside; view mlops.traffic_shares.';
REVOKE ALL ON TABLE mlops.traffic FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.traffic', '');
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON mlops.traffic
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.traffic ENABLE ALWAYS TRIGGER refuse_change;

-- What a row says, as packages have it: {"shares": {"8": 0.1}, "shadow": 9}.
CREATE FUNCTION mlops._traffic_row(traffic mlops.traffic) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object(
               'shares', (SELECT coalesce(jsonb_object_agg(s.version::text, trim_scale(s.buckets / 10000.0)), '{}')
                          FROM unnest((traffic).versions, (traffic).buckets) s (version, buckets)),
               'shadow', (traffic).shadow)
$$;
COMMENT ON FUNCTION mlops._traffic_row(mlops.traffic) IS 'What a row of mlops.traffic, or none, says.';
REVOKE ALL ON FUNCTION mlops._traffic_row(mlops.traffic) FROM PUBLIC;

CREATE FUNCTION mlops._traffic_of(model_id bigint, alias text) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops._traffic_row((SELECT t FROM mlops.traffic t
                               WHERE t.model_id = _traffic_of.model_id AND t.alias = _traffic_of.alias))
$$;
COMMENT ON FUNCTION mlops._traffic_of(bigint, text) IS 'The present traffic of an alias of a model.';
REVOKE ALL ON FUNCTION mlops._traffic_of(bigint, text) FROM PUBLIC;

CREATE FUNCTION mlops._traffic_state(traffic mlops.traffic) RETURNS jsonb
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops._traffic_row(traffic)
           || jsonb_build_object('changed_at', mlops._utc((traffic).changed_at), 'changed_by', (traffic).changed_by)
    WHERE (traffic).model_id IS NOT NULL
$$;
COMMENT ON FUNCTION mlops._traffic_state(mlops.traffic) IS 'State of the traffic of an alias, as events have it.';
REVOKE ALL ON FUNCTION mlops._traffic_state(mlops.traffic) FROM PUBLIC;

CREATE FUNCTION mlops._state_traffic() RETURNS TABLE (model text, version integer, alias text, subject text, state jsonb)
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.name, NULL::integer, t.alias, NULL::text, mlops._traffic_state(t)
    FROM mlops.traffic t LEFT JOIN mlops.model m ON m.id = t.model_id
$$;
COMMENT ON FUNCTION mlops._state_traffic() IS 'State of the traffic of all aliases, as events have it.';
REVOKE ALL ON FUNCTION mlops._state_traffic() FROM PUBLIC;

-- The versions that traffic names.
CREATE FUNCTION mlops._traffic_versions(traffic jsonb) RETURNS SETOF integer
    LANGUAGE SQL IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k::integer FROM jsonb_object_keys(traffic->'shares') k
    UNION
    SELECT (traffic->>'shadow')::integer WHERE traffic->>'shadow' IS NOT NULL
$$;
COMMENT ON FUNCTION mlops._traffic_versions(jsonb) IS 'Numbers of the versions that traffic names.';
REVOKE ALL ON FUNCTION mlops._traffic_versions(jsonb) FROM PUBLIC;

-- What an approval of traffic is about: besides the change, everything that
-- the approval of a promotion of each version would be about.
CREATE FUNCTION mlops._package_traffic(model_id bigint, alias text, after jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN jsonb_build_object(
        'before', mlops._traffic_of(model_id, alias),
        'after', after,
        'versions', (SELECT jsonb_object_agg(v.version::text,
                                             mlops._package('promotion', v.model_id, _package_traffic.alias, v.id, NULL)
                                             - '{kind,model,alias,policy,version}'::text[])
                     FROM mlops.version v
                     WHERE v.model_id = _package_traffic.model_id
                       AND v.version IN (SELECT mlops._traffic_versions(after))));
END
$$;
COMMENT ON FUNCTION mlops._package_traffic(bigint, text, jsonb) IS 'What the approval of a change of traffic is about.';
REVOKE ALL ON FUNCTION mlops._package_traffic(bigint, text, jsonb) FROM PUBLIC;

-- Does a change only take away?
CREATE FUNCTION mlops._is_less_traffic(after jsonb, before jsonb) RETURNS boolean
    LANGUAGE SQL IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (after->>'shadow' IS NULL OR after->'shadow' = before->'shadow')
       AND NOT EXISTS (SELECT FROM jsonb_each(after->'shares') a
                       WHERE a.value::numeric > coalesce((before->'shares'->a.key)::numeric, 0))
$$;
COMMENT ON FUNCTION mlops._is_less_traffic(jsonb, jsonb) IS 'Whether no version gets more than it had.';
REVOKE ALL ON FUNCTION mlops._is_less_traffic(jsonb, jsonb) FROM PUBLIC;

-- Put traffic in force.  The model is locked.
CREATE FUNCTION mlops._apply_traffic(model_id bigint, alias text, after jsonb, reason text, change_ref text,
                                     relied_on jsonb DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    former jsonb;
BEGIN
    SELECT mlops._traffic_state(t) INTO former FROM mlops.traffic t
    WHERE t.model_id = _apply_traffic.model_id AND t.alias = _apply_traffic.alias;
    INSERT INTO mlops.traffic AS t (model_id, alias, versions, buckets, shadow, changed_at, changed_by)
    SELECT model_id, alias,
           coalesce(array_agg(s.key::integer ORDER BY s.key::integer), '{}'),
           coalesce(array_agg((s.value::numeric * 10000)::integer ORDER BY s.key::integer), '{}'),
           (after->>'shadow')::integer, clock_timestamp(), session_user
    FROM jsonb_each(after->'shares') s
    ON CONFLICT ON CONSTRAINT traffic_pkey DO UPDATE
    SET versions = excluded.versions, buckets = excluded.buckets, shadow = excluded.shadow,
        changed_at = excluded.changed_at, changed_by = excluded.changed_by;
    PERFORM mlops._audit(action => 'traffic.set', model => m.name, alias => t.alias, reason => _apply_traffic.reason,
                         change_ref => _apply_traffic.change_ref, state_before => former,
                         state_after => mlops._traffic_state(t), relied_on => _apply_traffic.relied_on,
                         policy_sha256 => mlops._policy_sha256(t.model_id, t.alias))
    FROM mlops.traffic t JOIN mlops.model m ON m.id = t.model_id
    WHERE t.model_id = _apply_traffic.model_id AND t.alias = _apply_traffic.alias;
END
$$;
COMMENT ON FUNCTION mlops._apply_traffic(bigint, text, jsonb, text, text, jsonb) IS
    'Puts traffic of an alias in force and records it.';
REVOKE ALL ON FUNCTION mlops._apply_traffic(bigint, text, jsonb, text, text, jsonb) FROM PUBLIC;

-- The traffic of an alias that changes goes, since what was approved was a share
-- beside the version that the alias had.  The model is locked.
CREATE FUNCTION mlops._end_traffic(model_id bigint, alias text, reason text, change_ref text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM mlops._traffic_versions(mlops._traffic_of(model_id, alias))) THEN
        PERFORM mlops._apply_traffic(model_id, alias, '{"shares": {}}', reason, change_ref);
    END IF;
END
$$;
COMMENT ON FUNCTION mlops._end_traffic(bigint, text, text, text) IS 'Ends the traffic of an alias, if it has any.';
REVOKE ALL ON FUNCTION mlops._end_traffic(bigint, text, text, text) FROM PUBLIC;

-- Errors unless the versions of traffic are there and may be promoted.
CREATE FUNCTION mlops._check_traffic(model_id bigint, alias text, after jsonb, change_ref text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted integer;
    target bigint;
BEGIN
    FOR wanted IN SELECT v FROM mlops._traffic_versions(after) v ORDER BY v LOOP
        SELECT v.id INTO target FROM mlops.version v WHERE v.model_id = _check_traffic.model_id AND v.version = wanted;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'model "%" has no version %',
                            (SELECT m.name FROM mlops.model m WHERE m.id = _check_traffic.model_id), wanted
                USING ERRCODE = 'ML002';
        END IF;
        IF target = mlops._aliased(model_id, alias) THEN
            RAISE EXCEPTION '% is the version of alias "%" itself', mlops._reference(target), alias
                USING ERRCODE = 'invalid_parameter_value',
                      DETAIL = 'It has every key that no other version has.';
        END IF;
        PERFORM mlops._check_promotion(model_id, alias, target, change_ref);
    END LOOP;
END
$$;
COMMENT ON FUNCTION mlops._check_traffic(bigint, text, jsonb, text) IS
    'Errors ML002, 22023, ML042 and ML044 unless versions can get traffic of an alias.';
REVOKE ALL ON FUNCTION mlops._check_traffic(bigint, text, jsonb, text) FROM PUBLIC;

-- Change the traffic of an alias, or open a request to; its id.  What after
-- leaves out stays as it is.
CREATE FUNCTION mlops._change_traffic(model text, alias text, change jsonb, reason text, change_ref text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target_model bigint := mlops._lock_model(model);
    before jsonb;
    after jsonb;
BEGIN
    PERFORM mlops._check_reason(reason);
    PERFORM mlops._aliased(target_model, alias);
    before := mlops._traffic_of(target_model, alias);
    after := before || change;
    IF after = before THEN
        RETURN NULL;
    END IF;
    IF NOT mlops._is_less_traffic(after, before) THEN
        PERFORM mlops._check_traffic(target_model, alias, after, change_ref);
        IF (mlops._policy_of(target_model, alias)->'approvals')::integer > 0 THEN
            RETURN mlops._open_request(target_model, 'traffic', alias, NULL, after, reason, change_ref);
        END IF;
    END IF;
    PERFORM mlops._note_identity();
    PERFORM mlops._apply_traffic(target_model, alias, after, reason, change_ref);
    PERFORM mlops._sweep_requests(target_model);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION mlops._change_traffic(text, text, jsonb, text, text) IS
    'Changes the traffic of an alias, or opens a request to and returns its id.';
REVOKE ALL ON FUNCTION mlops._change_traffic(text, text, jsonb, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._set_traffic(model text, alias text, weights jsonb, reason text, change_ref text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    item record;
    shares jsonb := '{}';
    total numeric := 0;
BEGIN
    IF weights IS NULL OR jsonb_typeof(weights) <> 'object' THEN
        RAISE EXCEPTION 'weights must be a JSON object' USING ERRCODE = 'invalid_parameter_value',
              HINT = 'Its keys are versions, its values their shares: {"8": 0.1}.';
    END IF;
    FOR item IN SELECT key, value FROM jsonb_each(weights) LOOP
        IF item.key !~ '^[1-9][0-9]{0,8}$' THEN
            RAISE EXCEPTION '"%" is not the number of a version', item.key USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF jsonb_typeof(item.value) <> 'number' OR item.value::numeric < 0 OR item.value::numeric > 1
           OR item.value::numeric * 10000 <> trunc(item.value::numeric * 10000) THEN
            RAISE EXCEPTION 'the share of version % must be a number from 0 to 1 with at most four digits', item.key
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        total := total + item.value::numeric;
        IF item.value::numeric > 0 THEN
            shares := shares || jsonb_build_object(item.key, trim_scale(item.value::numeric));
        END IF;
    END LOOP;
    IF total > 1 THEN
        RAISE EXCEPTION 'the shares are more than 1 in all' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF (SELECT count(*) FROM jsonb_object_keys(shares)) > 16 THEN
        RAISE EXCEPTION 'at most 16 versions can have a share' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN mlops._change_traffic(model, alias, jsonb_build_object('shares', shares), reason, change_ref);
END
$$;
COMMENT ON FUNCTION mlops._set_traffic(text, text, jsonb, text, text) IS 'Body of mlops.set_traffic().';
REVOKE ALL ON FUNCTION mlops._set_traffic(text, text, jsonb, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.set_traffic(model text, alias text DEFAULT 'champion', weights jsonb DEFAULT '{}',
                                  reason text DEFAULT NULL, change_ref text DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.set_traffic(text, text, jsonb, text, text) IS
    'Gives versions a share of the keys of an alias, as {"8": 0.1}, shares from 0 to 1 with at most four digits; all other keys have the version of the alias, and {} ends it; applies to mlops.route(); where the policy wants approvals it opens a request and returns its id, else NULL; a change that only takes away is done at once; the reason is mandatory; needs privilege manage; errors 42501, 22004, 22023, 55000, ML001 to ML003, ML042 and ML044.';
REVOKE ALL ON FUNCTION mlops.set_traffic(text, text, jsonb, text, text) FROM PUBLIC;

CREATE FUNCTION mlops._set_shadow(model text, alias text, version integer, reason text, change_ref text) RETURNS bigint
    LANGUAGE SQL SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT mlops._change_traffic(model, alias, jsonb_build_object('shadow', version), reason, change_ref)
$$;
COMMENT ON FUNCTION mlops._set_shadow(text, text, integer, text, text) IS 'Body of mlops.set_shadow().';
REVOKE ALL ON FUNCTION mlops._set_shadow(text, text, integer, text, text) FROM PUBLIC;

CREATE FUNCTION mlops.set_shadow(model text, alias text DEFAULT 'champion', version integer DEFAULT NULL,
                                 reason text DEFAULT NULL, change_ref text DEFAULT NULL) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.set_shadow(text, text, integer, text, text) IS
    'Has mlops.log_prediction() compute and record a second version beside the one in charge, or no more if version is NULL; where the policy wants approvals it opens a request and returns its id, else NULL; the reason is mandatory; needs privilege manage; errors 42501, 22004, 22023, 55000, ML001 to ML003, ML042 and ML044.';
REVOKE ALL ON FUNCTION mlops.set_shadow(text, text, integer, text, text) FROM PUBLIC;

CREATE VIEW mlops.traffic_shares WITH (security_barrier) AS
    SELECT m.name AS model,
           t.alias,
           s.version,
           s.role,
           s.share,
           t.changed_at,
           t.changed_by
    FROM mlops.traffic t
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) t.model_id,
    LATERAL (SELECT u.version, 'share' AS role, pg_catalog.trim_scale(u.buckets OPERATOR(pg_catalog./) 10000.0) AS share
             FROM ROWS FROM (pg_catalog.unnest(t.versions), pg_catalog.unnest(t.buckets)) u (version, buckets)
             UNION ALL
             SELECT v.version, 'rest',
                    pg_catalog.trim_scale((10000.0 OPERATOR(pg_catalog.-) (SELECT coalesce(pg_catalog.sum(b), 0)
                                                                           FROM pg_catalog.unnest(t.buckets) b))
                                          OPERATOR(pg_catalog./) 10000.0)
             FROM mlops.alias a
             JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) a.version_id
             WHERE a.model_id OPERATOR(pg_catalog.=) t.model_id AND a.alias OPERATOR(pg_catalog.=) t.alias
             UNION ALL
             SELECT t.shadow, 'shadow', NULL WHERE t.shadow IS NOT NULL) s
    WHERE (pg_catalog.cardinality(t.versions) OPERATOR(pg_catalog.>) 0 OR t.shadow IS NOT NULL)
      AND mlops.has_privilege(m.name, 'any');
COMMENT ON VIEW mlops.traffic_shares IS
    'Versions among which the keys of an alias are divided (role share, or rest for the version of the alias), and the one that is computed beside (shadow), of models on which the viewer has any privilege; share from 0 to 1.';
GRANT SELECT ON mlops.traffic_shares TO PUBLIC;

CREATE FUNCTION mlops.route(model mlops.modelref, key text) RETURNS mlops.modelref
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    AS 'MODULE_PATHNAME', 'mlops_route';
COMMENT ON FUNCTION mlops.route(mlops.modelref, text) IS
    'The version that is in charge of a key: mlops.predict(mlops.route(''risk'', id), row); bucket (60 bits of SHA-256 of ''mlops/traffic/v1'', a line feed, model@alias, a line feed and the key, all as UTF-8) modulo 10,000; a reference to a version is returned as it is, and so is one to a suspended model; needs privilege score; errors ML001 to ML003 and 42501.';

--
-- Recorded predictions
--
CREATE SEQUENCE mlops.prediction_id_seq;
CREATE TABLE mlops.prediction (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.prediction_id_seq'::pg_catalog.regclass),
    model_id bigint NOT NULL,
    version integer,
    alias text,
    key text NOT NULL,
    shadow boolean NOT NULL,
    score double precision,
    class text,
    margins double precision[],
    error text,
    scored_at timestamp with time zone NOT NULL,
    scored_by name NOT NULL,
    CHECK (error IS NULL OR shadow)
);
CREATE INDEX prediction_model_id_idx ON mlops.prediction (model_id, scored_at);
COMMENT ON TABLE mlops.prediction IS
    'Private: scores that mlops.log_prediction() gave, and those of versions beside; view mlops.predictions.';
REVOKE ALL ON TABLE mlops.prediction FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.prediction', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.prediction_id_seq', '');

-- Record what a version gives of a row; its score.  A reference that is to no
-- version is to a suspended model: what is recorded is its fallback.
CREATE FUNCTION mlops._log_one(target_model bigint, reference mlops.modelref, of_alias text, "row" record, key text,
                               shadow boolean) RETURNS double precision
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    p mlops.prediction;
    task text;
BEGIN
    p.version := substring(reference::text FROM '/([0-9]+)$')::integer;
    IF p.version IS NULL THEN
        p.score := mlops.predict(reference, "row");
    ELSE
        SELECT m.task INTO STRICT task FROM mlops.model m WHERE m.id = target_model;
        p.margins := mlops.predict_margin(reference, "row");
        IF cardinality(p.margins) = 1 THEN
            p.score := mlops.predict(reference, "row");
        ELSIF task = 'multiclass' THEN
            SELECT max(s) INTO p.score FROM unnest(mlops.predict_proba(reference, "row")) s;
        END IF;
        IF task IN ('binary', 'multiclass') THEN
            p.class := mlops.predict_class(reference, "row");
        END IF;
    END IF;
    INSERT INTO mlops.prediction (model_id, version, alias, key, shadow, score, class, margins, scored_at, scored_by)
    VALUES (target_model, p.version, of_alias, key, shadow, p.score, p.class, p.margins, clock_timestamp(), mlops._caller());
    RETURN p.score;
END
$$;
COMMENT ON FUNCTION mlops._log_one(bigint, mlops.modelref, text, record, text, boolean) IS
    'Records what a version gives of a row, and returns the score.';
REVOKE ALL ON FUNCTION mlops._log_one(bigint, mlops.modelref, text, record, text, boolean) FROM PUBLIC;

CREATE FUNCTION mlops._log_prediction(model mlops.modelref, "row" record, key text) RETURNS double precision
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target_model bigint;
    of_alias text;
    beside integer;
    result double precision;
BEGIN
    IF model IS NULL OR "row" IS NULL OR key IS NULL THEN
        RAISE EXCEPTION 'a prediction that is recorded needs a model, a row and a key'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM mlops._resolve(model, 'score');
    SELECT m.id INTO STRICT target_model FROM mlops.model m WHERE m.name = mlops.model_name(model);
    IF model::text NOT LIKE '%/%' THEN
        of_alias := coalesce(substring(model::text FROM '@(.*)$'), 'champion');
    END IF;
    result := mlops._log_one(target_model, mlops.route(model, key), of_alias, "row", key, false);
    SELECT t.shadow INTO beside FROM mlops.traffic t WHERE t.model_id = target_model AND t.alias = of_alias;
    IF beside IS NOT NULL THEN
        -- Whatever is wrong with it is its own problem.
        BEGIN
            PERFORM mlops._log_one(target_model, (mlops.model_name(model) || '/' || beside)::mlops.modelref, of_alias,
                                   "row", key, true);
        EXCEPTION WHEN OTHERS THEN
            INSERT INTO mlops.prediction (model_id, version, alias, key, shadow, error, scored_at, scored_by)
            VALUES (target_model, beside, of_alias, key, true, SQLERRM, clock_timestamp(), mlops._caller());
        END;
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION mlops._log_prediction(mlops.modelref, record, text) IS 'Body of mlops.log_prediction().';
REVOKE ALL ON FUNCTION mlops._log_prediction(mlops.modelref, record, text) FROM PUBLIC;

CREATE FUNCTION mlops.log_prediction(model mlops.modelref, "row" record, key text) RETURNS double precision
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.log_prediction(mlops.modelref, record, text) IS
    'Scores a row with the version that mlops.route() gives its key, records that, and what mlops.set_shadow() has computed beside it, in the present transaction, and returns the score (of several classes that of the likeliest, of several targets NULL); needs privilege score; errors as those of mlops.predict(), and 22004.';
REVOKE ALL ON FUNCTION mlops.log_prediction(mlops.modelref, record, text) FROM PUBLIC;

CREATE FUNCTION mlops._forget_predictions(model text, before timestamp with time zone, reason text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target bigint := mlops._lock_model(model);
    deleted bigint;
BEGIN
    PERFORM mlops._check_reason(reason);
    IF before IS NULL THEN
        RAISE EXCEPTION 'no time was given' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    DELETE FROM mlops.prediction p WHERE p.model_id = target AND p.scored_at < before;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted > 0 THEN
        PERFORM mlops._audit(action => 'prediction.forget', model => model, reason => reason,
                             subject => format('%s before %s', deleted, mlops._utc(before)));
    END IF;
    RETURN deleted;
END
$$;
COMMENT ON FUNCTION mlops._forget_predictions(text, timestamp with time zone, text) IS 'Body of mlops.forget_predictions().';
REVOKE ALL ON FUNCTION mlops._forget_predictions(text, timestamp with time zone, text) FROM PUBLIC;

CREATE FUNCTION mlops.forget_predictions(model text, before timestamp with time zone, reason text) RETURNS bigint
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.forget_predictions(text, timestamp with time zone, text) IS
    'Deletes the recorded predictions of a model from before a time and returns how many; the reason is mandatory, and how many there were is in the audit log; needs privilege manage; errors 42501, 22004 and ML001.';
REVOKE ALL ON FUNCTION mlops.forget_predictions(text, timestamp with time zone, text) FROM PUBLIC;

CREATE VIEW mlops.predictions WITH (security_barrier) AS
    SELECT p.id,
           m.name AS model,
           p.version,
           p.alias,
           p.key,
           p.shadow,
           p.score,
           p.class,
           p.margins,
           p.error,
           p.scored_at,
           p.scored_by
    FROM mlops.prediction p
    JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) p.model_id
    WHERE mlops.has_privilege(m.name, 'read');
COMMENT ON VIEW mlops.predictions IS
    'Scores that mlops.log_prediction() gave and, with shadow, those of versions computed beside, or the error of one; of models on which the viewer has privilege read.';
GRANT SELECT ON mlops.predictions TO PUBLIC;
