-- file: sql/99_grants.sql
-- The last part: whatever default privileges the installing role had set for
-- its new objects, nobody but the owner has a right on these that the parts
-- before did not give.

DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT a.privilege_type, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
               c.oid::pg_catalog.regclass::pg_catalog.text AS object, a.grantee
        FROM pg_catalog.pg_class c, LATERAL pg_catalog.aclexplode(c.relacl) a
        WHERE c.relnamespace = 'mlops'::pg_catalog.regnamespace
          AND a.grantee <> c.relowner
          AND NOT (a.grantee = 0 AND c.relkind = 'v' AND a.privilege_type = 'SELECT')
        UNION ALL
        SELECT a.privilege_type, 'ROUTINE', p.oid::pg_catalog.regprocedure::pg_catalog.text, a.grantee
        FROM pg_catalog.pg_proc p, LATERAL pg_catalog.aclexplode(p.proacl) a
        WHERE p.pronamespace = 'mlops'::pg_catalog.regnamespace
          AND a.grantee <> p.proowner AND a.grantee <> 0
        UNION ALL
        SELECT a.privilege_type, 'SCHEMA', n.nspname::pg_catalog.text, a.grantee
        FROM pg_catalog.pg_namespace n, LATERAL pg_catalog.aclexplode(n.nspacl) a
        WHERE n.nspname IN ('mlops', 'mlops_data') AND a.grantee <> n.nspowner
          AND NOT (a.grantee = 0 AND a.privilege_type = 'USAGE')
    LOOP
        EXECUTE pg_catalog.format('REVOKE %s ON %s %s FROM %s', item.privilege_type,
                                  item.kind, item.object,
                                  CASE item.grantee WHEN 0 THEN 'PUBLIC'
                                  ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(item.grantee)) END);
    END LOOP;
END
$$;
