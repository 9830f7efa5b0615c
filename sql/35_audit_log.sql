-- file: sql/35_audit_log.sql
-- The audit log as its readers see it.

-- Events of models that the viewer may read; all events, also those of no
-- model (a privilege on all models, another incarnation of the database) and
-- of one that the tables do not have, for those who may read all models.
-- Subqueries that do not depend on the row are evaluated once.
CREATE VIEW mlops.audit_log WITH (security_barrier) AS
    SELECT e.seq,
           e.occurred_at,
           e.action,
           e.model,
           e.version,
           e.alias,
           e.subject,
           e.reason,
           e.change_ref,
           e.caller,
           e.session_user_name,
           e.login_role,
           e.system_user_name,
           e.asserted_user,
           e.client_addr,
           e.client_port,
           e.client_dn,
           e.application_name,
           e.state_before,
           e.state_after,
           e.detail,
           e.artifact_sha256,
           e.statement_at,
           e.transaction_at,
           e.xid,
           e.backend_pid,
           e.backend_start,
           e.database_name,
           e.database_oid,
           e.system_identifier,
           e.timeline,
           e.extension_version,
           e.server_version,
           e.log_id,
           e.incarnation,
           e.prev_hash,
           e.hash,
           e.recorded_at,
           e.relied_on,
           e.signature_sha256,
           e.policy_sha256,
           e.library_version
    FROM mlops.audit_event e
    WHERE EXISTS (SELECT FROM mlops.privilege p
                  WHERE p.model_id IS NULL
                    AND p.privilege OPERATOR(pg_catalog.=) ANY (ARRAY['read', 'manage'])
                    AND (p.role::pg_catalog.oid OPERATOR(pg_catalog.=) 0::pg_catalog.oid
                         OR pg_catalog.pg_has_role(p.role::pg_catalog.oid, 'USAGE')))
       OR EXISTS (SELECT FROM pg_catalog.pg_roles r
                  WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER AND r.rolsuper)
       OR e.model OPERATOR(pg_catalog.=) ANY (
              SELECT m.name FROM mlops.model m WHERE mlops.has_privilege(m.name, 'read'));
COMMENT ON VIEW mlops.audit_log IS
    'What happened, who did it, when and from where: committed events of models on which the viewer has privilege read; all events for those with read on all models.';
GRANT SELECT ON mlops.audit_log TO PUBLIC;

CREATE VIEW mlops.checkpoints WITH (security_barrier) AS
    SELECT c.id, c.size, c.checkpoint, c.log_id, c.incarnation, c.root, c.issued_at, c.issued_by
    FROM mlops.checkpoint c
    WHERE EXISTS (SELECT FROM mlops.privilege p
                  WHERE p.model_id IS NULL
                    AND p.privilege OPERATOR(pg_catalog.=) ANY (ARRAY['read', 'manage'])
                    AND (p.role::pg_catalog.oid OPERATOR(pg_catalog.=) 0::pg_catalog.oid
                         OR pg_catalog.pg_has_role(p.role::pg_catalog.oid, 'USAGE')))
       OR EXISTS (SELECT FROM pg_catalog.pg_roles r
                  WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER AND r.rolsuper);
COMMENT ON VIEW mlops.checkpoints IS
    'Checkpoints that mlops.push_checkpoint() has issued: number of events, root of their Merkle tree, when and by whom; for those with privilege read on all models. Verify against the copies that are outside, not against these.';
GRANT SELECT ON mlops.checkpoints TO PUBLIC;
