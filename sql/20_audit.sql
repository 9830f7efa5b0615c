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
    relied_on json,
    signature_sha256 bytea,
    policy_sha256 bytea,
    library_version text,
    recorded_at timestamp with time zone,
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
    CONSTRAINT audit_event_signature_sha256_check
        CHECK (pg_catalog.octet_length(signature_sha256) OPERATOR(pg_catalog.=) 32),
    CONSTRAINT audit_event_policy_sha256_check
        CHECK (pg_catalog.octet_length(policy_sha256) OPERATOR(pg_catalog.=) 32),
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
-- Words of states
--
CREATE FUNCTION mlops._utc(at timestamp with time zone) RETURNS text
    LANGUAGE SQL STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;
COMMENT ON FUNCTION mlops._utc(timestamp with time zone) IS 'An instant as text in UTC.';
REVOKE ALL ON FUNCTION mlops._utc(timestamp with time zone) FROM PUBLIC;

CREATE FUNCTION mlops._digest(value text) RETURNS text
    LANGUAGE SQL STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT encode(sha256(convert_to(value, 'UTF8')), 'hex') $$;
COMMENT ON FUNCTION mlops._digest(text) IS 'SHA-256 of a text in UTF-8, in hexadecimal digits.';
REVOKE ALL ON FUNCTION mlops._digest(text) FROM PUBLIC;

--
-- Writing, for private functions.  An event that changes what is governed has
-- in state_after the whole state of one object from then on, NULL if it has
-- gone, and in state_before the one until then; the object is what stands
-- before the dot of the action, with model, version, alias and subject, of
-- which the version counts only where there is no alias.
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
    detail jsonb DEFAULT NULL,
    relied_on jsonb DEFAULT NULL,
    signature_sha256 bytea DEFAULT NULL,
    policy_sha256 bytea DEFAULT NULL,
    library_version text DEFAULT NULL
) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_audit';
COMMENT ON FUNCTION mlops._audit(text, text, integer, text, text, text, text, bytea, jsonb, jsonb, jsonb, jsonb, bytea, bytea, text) IS
    'Private: notes an event with who, when and where, to be written to the audit log at the commit; error 42501 outside of a public function.';
REVOKE ALL ON FUNCTION mlops._audit(text, text, integer, text, text, text, text, bytea, jsonb, jsonb, jsonb, jsonb, bytea, bytea, text) FROM PUBLIC;

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
    checkpoints text[] DEFAULT NULL,
    checks text[] DEFAULT '{state,guards}',
    OUT status text,
    OUT seq bigint,
    OUT expected bytea,
    OUT actual bytea,
    OUT detail text
) RETURNS SETOF record
    LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1 COST 1000000
    AS 'MODULE_PATHNAME', 'mlops_verify_audit';
COMMENT ON FUNCTION mlops.verify_audit(bigint, bigint, bytea, text[], text[]) IS
    'Recomputes the hashes of the audit log from an event on, compares it with a head and with checkpoints that were kept outside of the database, and, as checks says, the states that it tells of with the tables (state), the guards with what was installed (guards), and model files with their hashes (artifacts); a row for each inconsistency, or one row OK; error 22023 for arguments that are none of these.';
REVOKE ALL ON FUNCTION mlops.verify_audit(bigint, bigint, bytea, text[], text[]) FROM PUBLIC;

--
-- Checkpoints
--
CREATE SEQUENCE mlops.checkpoint_id_seq;
CREATE TABLE mlops.checkpoint (
    id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('mlops.checkpoint_id_seq'::pg_catalog.regclass),
    log_id uuid NOT NULL,
    incarnation integer NOT NULL,
    size bigint NOT NULL CHECK (size OPERATOR(pg_catalog.>) 0),
    root bytea NOT NULL,
    edge bytea NOT NULL,
    checkpoint text NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    issued_by name NOT NULL
);
CREATE INDEX checkpoint_size_idx ON mlops.checkpoint (size, id);
COMMENT ON TABLE mlops.checkpoint IS
    'Private: checkpoints that left the database, with the right edge of their trees to go on from; nothing is verified against them; view mlops.checkpoints.';
REVOKE ALL ON TABLE mlops.checkpoint FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlops.checkpoint', '');
SELECT pg_catalog.pg_extension_config_dump('mlops.checkpoint_id_seq', '');

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION mlops._refuse_change();
ALTER TABLE mlops.checkpoint ENABLE ALWAYS TRIGGER refuse_change;

-- The tree goes on from one of known_size events, whose root and right edge are
-- given.
CREATE FUNCTION mlops._checkpoint(
    known_size bigint,
    known_root bytea,
    known_edge bytea,
    OUT checkpoint text,
    OUT log_id uuid,
    OUT incarnation integer,
    OUT size bigint,
    OUT root bytea,
    OUT edge bytea
) RETURNS record
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_checkpoint';
COMMENT ON FUNCTION mlops._checkpoint(bigint, bytea, bytea) IS
    'Checkpoint of the log and its parts, NULL for an empty one; error XX001 if an event is missing.';
REVOKE ALL ON FUNCTION mlops._checkpoint(bigint, bytea, bytea) FROM PUBLIC;

CREATE FUNCTION mlops._next_checkpoint(
    OUT checkpoint text,
    OUT log_id uuid,
    OUT incarnation integer,
    OUT size bigint,
    OUT root bytea,
    OUT edge bytea
) RETURNS record
    LANGUAGE SQL STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.*
    FROM (SELECT) one
    LEFT JOIN LATERAL (SELECT c.size, c.root, c.edge FROM mlops.checkpoint c
                       WHERE c.size <= (mlops.audit_head()).seq
                       ORDER BY c.size DESC, c.id DESC LIMIT 1) c ON true,
         LATERAL mlops._checkpoint(c.size, c.root, c.edge) k
$$;
COMMENT ON FUNCTION mlops._next_checkpoint() IS
    'Checkpoint of the log, with only the events read that are later than the last one issued.';
REVOKE ALL ON FUNCTION mlops._next_checkpoint() FROM PUBLIC;

CREATE FUNCTION mlops._audit_checkpoint() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM mlops._caller();
    RETURN (SELECT c.checkpoint FROM mlops._next_checkpoint() c);
END
$$;
COMMENT ON FUNCTION mlops._audit_checkpoint() IS 'Body of mlops.audit_checkpoint().';
REVOKE ALL ON FUNCTION mlops._audit_checkpoint() FROM PUBLIC;

CREATE FUNCTION mlops.audit_checkpoint() RETURNS text
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.audit_checkpoint() IS
    'Checkpoint of all committed events in the form of C2SP tlog-checkpoint (origin, number of events, root of their Merkle tree in base64), to be signed and kept outside of the database; NULL before the first event; error XX001 if an event is missing.';
REVOKE ALL ON FUNCTION mlops.audit_checkpoint() FROM PUBLIC;

CREATE FUNCTION mlops._send_checkpoint(checkpoint text, name text) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_send_checkpoint';
COMMENT ON FUNCTION mlops._send_checkpoint(text, text) IS
    'Gives a checkpoint to mlops.checkpoint_command; errors 55000 (there is none) and 38000 (it failed).';
REVOKE ALL ON FUNCTION mlops._send_checkpoint(text, text) FROM PUBLIC;

CREATE FUNCTION mlops._push_checkpoint() RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    issued record;
BEGIN
    PERFORM mlops._caller();
    SELECT * INTO issued FROM mlops._next_checkpoint();
    IF issued.checkpoint IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO mlops.checkpoint (log_id, incarnation, size, root, edge, checkpoint, issued_at, issued_by)
    VALUES (issued.log_id, issued.incarnation, issued.size, issued.root, issued.edge, issued.checkpoint,
            clock_timestamp(), session_user);
    PERFORM mlops._send_checkpoint(issued.checkpoint,
                                   format('%s-%s-%s', issued.log_id, issued.incarnation, issued.size));
    RETURN issued.checkpoint;
END
$$;
COMMENT ON FUNCTION mlops._push_checkpoint() IS 'Body of mlops.push_checkpoint().';
REVOKE ALL ON FUNCTION mlops._push_checkpoint() FROM PUBLIC;

CREATE FUNCTION mlops.push_checkpoint() RETURNS text
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.push_checkpoint() IS
    'Gives the checkpoint of mlops.audit_checkpoint() to the command mlops.checkpoint_command as its standard input, records that it was issued, and returns it; NULL before the first event; errors 55000 if no command is set, 38000 if it fails, XX001.';
REVOKE ALL ON FUNCTION mlops.push_checkpoint() FROM PUBLIC;
