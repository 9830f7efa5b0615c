-- file: sql/85_evidence.sql
-- What there is to say about a version, in one document.

CREATE FUNCTION mlops._evidence(model mlops.modelref) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$
DECLARE
    target bigint := mlops._resolve(model, 'read');
    v mlops.version;
    m mlops.model;
BEGIN
    IF target IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT x.* INTO STRICT v FROM mlops.version x WHERE x.id = target;
    SELECT x.* INTO STRICT m FROM mlops.model x WHERE x.id = v.model_id;
    RETURN jsonb_build_object(
        'format', 'mlops/evidence/v1',
        'reference', mlops._reference(target)::text,
        'model', mlops._model_state(m.id) || jsonb_build_object('name', m.name),
        'card', (SELECT mlops._card_state(c) FROM mlops.card c WHERE c.model_id = m.id),
        'version', mlops._version_state(v.id)
                   || jsonb_build_object('version', v.version, 'artifact', v.info, 'features', v.signature,
                                         'calibration', v.calibration, 'threshold', mlops._threshold_state(v.id)),
        'checks', (SELECT jsonb_agg(to_jsonb(c) ORDER BY c.item COLLATE "C") FROM mlops.verify_model(mlops._reference(target)) c),
        -- a calibration has the model file of another version
        'lineage', (SELECT r.record FROM mlops.version b JOIN mlops.run r ON r.id = b.run_id
                    WHERE b.model_id = m.id AND b.version = coalesce((v.calibration->>'version')::integer, v.version)),
        'measurements', (SELECT coalesce(jsonb_agg(mlops._measurement_state(k) || jsonb_build_object('id', k.id) ORDER BY k.id), '[]')
                         FROM mlops.measurement k WHERE k.version_id = v.id),
        'aliases', (SELECT coalesce(jsonb_object_agg(a.alias, jsonb_build_object(
                               'points_here', EXISTS (SELECT FROM mlops.alias p WHERE p.model_id = m.id AND p.alias = a.alias
                                                                                  AND p.version_id = v.id),
                               'state', mlops._alias_state(m.id, a.alias),
                               'policy', mlops._policy_of(m.id, a.alias),
                               'policy_sha256', encode(mlops._policy_sha256(m.id, a.alias), 'hex'),
                               'traffic', mlops._traffic_of(m.id, a.alias),
                               'gates', mlops._package_gates(m.id, a.alias, v.id))), '{}')
                    FROM (SELECT 'champion' AS alias
                          UNION SELECT p.alias FROM mlops.alias p WHERE p.model_id = m.id
                          UNION SELECT p.alias FROM mlops.policy p WHERE p.model_id = m.id
                          UNION SELECT g.alias FROM mlops.gate g WHERE g.model_id = m.id AND g.dropped_at IS NULL) a),
        'history', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                               'id', c.id, 'alias', c.alias, 'action', c.action,
                               'version', (SELECT x.version FROM mlops.version x WHERE x.id = c.version_id),
                               'previous_version', (SELECT x.version FROM mlops.version x WHERE x.id = c.previous_version_id),
                               'reason', c.reason, 'change_ref', c.change_ref,
                               'changed_at', mlops._utc(c.changed_at), 'changed_by', c.changed_by) ORDER BY c.id), '[]')
                    FROM mlops.alias_change c WHERE v.id IN (c.version_id, c.previous_version_id)),
        'requests', (SELECT coalesce(jsonb_agg(mlops._request_state(r) || jsonb_build_object('id', r.id, 'alias', r.alias)
                                               ORDER BY r.id), '[]')
                     FROM mlops.request r
                     WHERE r.version_id = v.id
                        OR (r.model_id = m.id AND r.kind = 'traffic'
                            AND v.version IN (SELECT mlops._traffic_versions(r.package->'after')))),
        'suspensions', (SELECT coalesce(jsonb_agg(mlops._suspension_state(s) || jsonb_build_object('id', s.id) ORDER BY s.id), '[]')
                        FROM mlops.suspension s WHERE s.model_id = m.id),
        'safety_actions', (SELECT coalesce(jsonb_agg(mlops._safety_state(s) || jsonb_build_object('id', s.id, 'alias', s.alias)
                                                     ORDER BY s.id), '[]')
                           FROM mlops.safety_action s WHERE s.model_id = m.id),
        'duties', (SELECT coalesce(jsonb_agg(to_jsonb(d) - 'of_model' ORDER BY d.role, d.finding), '[]')
                   FROM mlops._duties_report(m.name) d),
        'events', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                              'seq', e.seq, 'action', e.action, 'version', e.version, 'alias', e.alias, 'subject', e.subject,
                              'reason', e.reason, 'change_ref', e.change_ref, 'caller', e.caller,
                              'session_user', e.session_user_name, 'login_role', e.login_role,
                              'recorded_at', mlops._utc(coalesce(e.recorded_at, e.occurred_at)),
                              'artifact_sha256', encode(e.artifact_sha256, 'hex'),
                              'policy_sha256', encode(e.policy_sha256, 'hex'), 'relied_on', e.relied_on,
                              'prev_hash', encode(e.prev_hash, 'hex'), 'hash', encode(e.hash, 'hex')) ORDER BY e.seq), '[]')
                   FROM mlops.audit_event e
                   WHERE e.model = m.name AND (e.version IS NULL OR e.version = v.version)),
        'audit', jsonb_build_object(
            'head', (SELECT jsonb_build_object('seq', h.seq, 'hash', encode(h.hash, 'hex')) FROM mlops.audit_head() h),
            'checkpoint', (SELECT c.checkpoint FROM mlops._next_checkpoint() c),
            -- what is found of other models is not the reader's to see in full
            'verification', (SELECT jsonb_agg(jsonb_build_object('status', f.status, 'seq', f.seq) ORDER BY f.n)
                             FROM mlops.verify_audit() WITH ORDINALITY f (status, seq, expected, actual, detail, n))));
END
$$;
COMMENT ON FUNCTION mlops._evidence(mlops.modelref) IS 'Body of mlops.evidence().';
REVOKE ALL ON FUNCTION mlops._evidence(mlops.modelref) FROM PUBLIC;

CREATE FUNCTION mlops.evidence(model mlops.modelref) RETURNS jsonb
    LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 1000000
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.evidence(mlops.modelref) IS
    'All evidence about a version in one document: card, features, the checks of mlops.verify_model(), lineage, metrics, measurements, gates, traffic, policies, requests with their packages and approvals, suspensions, who has which duties, the events of the audit log with their hashes, a checkpoint and the verification; the same state gives the same bytes; needs privilege read; errors ML001 to ML003 and 42501.';
REVOKE ALL ON FUNCTION mlops.evidence(mlops.modelref) FROM PUBLIC;
