-- file: sql/00_header.sql
-- The start of the installation script.

\echo Use "CREATE EXTENSION mlops" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

-- A schema that somebody made before is not taken over: this fails then.
CREATE SCHEMA mlops;
COMMENT ON SCHEMA mlops IS 'Models next to the data they score: training, versions, scoring, promotion, audit.';
REVOKE ALL ON SCHEMA mlops FROM PUBLIC;
GRANT USAGE ON SCHEMA mlops TO PUBLIC;

-- The caller of the public function in progress; see src/caller.c.
CREATE FUNCTION mlops._caller() RETURNS name
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_caller_name';
COMMENT ON FUNCTION mlops._caller() IS
    'Role with whose rights the public function in progress was called; error 42501 outside of one.';
REVOKE ALL ON FUNCTION mlops._caller() FROM PUBLIC;
