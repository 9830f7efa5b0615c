-- file: sql/20_audit.sql
-- The audit log: one row for each governance event, in a chain of hashes.

--
-- Events.  Rows are written by src/audit/audit.c at the commit of the
-- transaction that caused them, and by nothing else.  seq takes its numbers
-- from the row before and not from a sequence, which would leave gaps.  A
-- trigger on INSERT would gain nothing against the owner of the table, nobody
-- else may insert, and it would stand in the way of a restore: so there is
-- none, and hashes come back as they were.
--
CREATE TABLE mlops.audit_event (
    seq bigint NOT NULL,
    log_id uuid NOT NULL,
    incarnation integer NOT NULL,
    prev_hash bytea NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    statement_at timestamp with time zone NOT NULL,
    transaction_at timestamp with time zone NOT NULL,
    xid bigint NOT NULL,
    login_role text NOT NULL,
    session_user_name text NOT NULL,
    caller text NOT NULL,
    system_user_name text,
    asserted_user text,
    client_addr text,
    client_port integer,
    client_dn text,
    application_name text,
    backend_pid integer NOT NULL,
    backend_start timestamp with time zone NOT NULL,
    database_name text NOT NULL,
    database_oid oid NOT NULL,
    system_identifier bigint NOT NULL,
    timeline bigint NOT NULL,
    extension_version text NOT NULL,
    server_version text NOT NULL,
    action text NOT NULL,
    model text,
    version integer,
    alias text,
    subject text,
    reason text,
    change_ref text,
    artifact_sha256 bytea,
    state_before json,
    state_after json,
    detail json,
    hash bytea NOT NULL,
    CONSTRAINT audit_event_pkey PRIMARY KEY (seq),
    CONSTRAINT audit_event_hash_key UNIQUE (hash),
    CONSTRAINT audit_event_seq_check CHECK (seq OPERATOR(pg_catalog.>) 0),
    CONSTRAINT audit_event_incarnation_check CHECK (incarnation OPERATOR(pg_catalog.>) 0),
    CONSTRAINT audit_event_action_check CHECK (action OPERATOR(pg_catalog.<>) ''),
    CONSTRAINT audit_event_hash_check CHECK (pg_catalog.octet_length(hash) OPERATOR(pg_catalog.=) 32),
    CONSTRAINT audit_event_prev_hash_check CHECK (pg_catalog.octet_length(prev_hash) OPERATOR(pg_catalog.=) 32),
    CONSTRAINT audit_event_artifact_sha256_check
        CHECK (pg_catalog.octet_length(artifact_sha256) OPERATOR(pg_catalog.=) 32),
    CONSTRAINT audit_event_first_check
        CHECK (seq OPERATOR(pg_catalog.<>) 1
            OR prev_hash OPERATOR(pg_catalog.=) pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex'))
);
COMMENT ON TABLE mlops.audit_event IS
    'Private: one row for each governance event, chained by hashes; read it through mlops.audit_log.';
REVOKE ALL ON TABLE mlops.audit_event FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.audit_event', '');

CREATE INDEX audit_event_model_idx ON mlops.audit_event (model, seq);

CREATE FUNCTION mlops._refuse_change() RETURNS trigger
    LANGUAGE C
    AS 'MODULE_PATHNAME', 'mlops_refuse_change';
COMMENT ON FUNCTION mlops._refuse_change() IS
    'Private: trigger of tables whose rows never change; raises error ML040.';
REVOKE ALL ON FUNCTION mlops._refuse_change() FROM PUBLIC;

CREATE TRIGGER audit_event_refuse_change
    BEFORE UPDATE OR DELETE ON mlops.audit_event
    FOR EACH ROW EXECUTE FUNCTION mlops._refuse_change();
CREATE TRIGGER audit_event_refuse_truncate
    BEFORE TRUNCATE ON mlops.audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_change;
ALTER TABLE mlops.audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_truncate;

--
-- Writing, for private functions
--
CREATE FUNCTION mlops._audit(
    action text,
    model text DEFAULT NULL,
    version integer DEFAULT NULL,
    alias text DEFAULT NULL,
    subject text DEFAULT NULL,
    reason text DEFAULT NULL,
    change_ref text DEFAULT NULL,
    artifact_sha256 bytea DEFAULT NULL,
    state_before jsonb DEFAULT NULL,
    state_after jsonb DEFAULT NULL,
    detail jsonb DEFAULT NULL
) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_audit';
COMMENT ON FUNCTION mlops._audit(text, text, integer, text, text, text, text, bytea, jsonb, jsonb, jsonb) IS
    'Private: notes an event with who, when and where, to be written to the audit log at the commit; error 42501 outside of a public function.';
REVOKE ALL ON FUNCTION mlops._audit(text, text, integer, text, text, text, text, bytea, jsonb, jsonb, jsonb) FROM PUBLIC;

--
-- Verification
--
CREATE FUNCTION mlops.audit_bytes(event mlops.audit_event) RETURNS bytea
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_audit_bytes';
COMMENT ON FUNCTION mlops.audit_bytes(mlops.audit_event) IS
    'Bytes of an event whose SHA-256 is its hash, so that anybody can compute it; the encoding is described in doc/audit.md.';

CREATE FUNCTION mlops.audit_head(
    OUT seq bigint,
    OUT hash bytea,
    OUT occurred_at timestamp with time zone
) RETURNS record
    LANGUAGE C STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'mlops_audit_head';
COMMENT ON FUNCTION mlops.audit_head() IS
    'Number, hash and time of the last event, to be kept outside of the database; number 0 and a hash of zeros before the first.';
REVOKE ALL ON FUNCTION mlops.audit_head() FROM PUBLIC;

CREATE FUNCTION mlops.verify_audit(
    from_seq bigint DEFAULT 1,
    expected_seq bigint DEFAULT NULL,
    expected_hash bytea DEFAULT NULL,
    OUT status text,
    OUT seq bigint,
    OUT expected bytea,
    OUT actual bytea,
    OUT detail text
) RETURNS SETOF record
    LANGUAGE C STABLE PARALLEL SAFE ROWS 1 COST 1000000
    AS 'MODULE_PATHNAME', 'mlops_verify_audit';
COMMENT ON FUNCTION mlops.verify_audit(bigint, bigint, bytea) IS
    'Recomputes the hashes of the audit log from an event on and gives a row for each inconsistency, or one row OK; with a head that was kept outside of the database also what the log alone cannot show; error 22023 for arguments that are no event or head.';
REVOKE ALL ON FUNCTION mlops.verify_audit(bigint, bigint, bytea) FROM PUBLIC;
