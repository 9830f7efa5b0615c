-- What an installation puts into a database, what everybody may do with it,
-- and that nothing of it is left behind.  Test databases are made with the
-- extension; this test, the first, makes it anew.
SET client_min_messages = warning;
DROP EXTENSION mlops;

-- What does not belong to the server itself, without what is temporary
CREATE TEMPORARY VIEW leftover AS
    SELECT pg_describe_object(o.classid, o.objid, 0) AS object
    FROM (SELECT 'pg_namespace'::regclass AS classid, oid AS objid FROM pg_namespace WHERE nspname !~ '^pg_'
          UNION ALL SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relpersistence <> 't'
          UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE NOT pg_is_other_temp_schema(typnamespace)
                                                                  AND typnamespace <> pg_my_temp_schema()
          UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc
          UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator
          UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass
          UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily
          UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast
          UNION ALL SELECT 'pg_trigger'::regclass, oid FROM pg_trigger
          UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger
          UNION ALL SELECT 'pg_extension'::regclass, oid FROM pg_extension) o
    WHERE o.objid >= 16384;
SELECT * FROM leftover;

-- A schema that somebody made before is not taken over
CREATE SCHEMA mlops;
\set SHOW_CONTEXT never
CREATE EXTENSION mlops;
\set SHOW_CONTEXT errors
DROP SCHEMA mlops;

-- Superusers create the extension
CREATE ROLE regress_mlops_nobody;
SET ROLE regress_mlops_nobody;
CREATE EXTENSION mlops;
RESET ROLE;
DROP ROLE regress_mlops_nobody;

CREATE EXTENSION mlops;
SELECT extversion FROM pg_extension WHERE extname = 'mlops';

-- Everything of the extension is in its schema
SELECT pg_describe_object(classid, objid, objsubid) AS elsewhere
FROM pg_depend d, LATERAL pg_identify_object(classid, objid, objsubid) i
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mlops')
  AND i.schema IS DISTINCT FROM 'mlops' AND i.type NOT IN ('schema', 'cast');

-- Every public object has a comment
SELECT pg_describe_object(o.classid, o.objid, 0) AS without_comment
FROM (SELECT 'pg_proc'::regclass AS classid, oid AS objid, proname AS name FROM pg_proc
      WHERE pronamespace = 'mlops'::regnamespace
      UNION ALL
      SELECT 'pg_class'::regclass, oid, relname FROM pg_class
      WHERE relnamespace = 'mlops'::regnamespace AND relkind IN ('r', 'v')
      UNION ALL
      SELECT 'pg_type'::regclass, t.oid, typname FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
      WHERE typnamespace = 'mlops'::regnamespace AND typcategory <> 'A' AND (c.oid IS NULL OR c.relkind = 'c')
      UNION ALL
      SELECT 'pg_operator'::regclass, oid, oprname FROM pg_operator WHERE oprnamespace = 'mlops'::regnamespace) o
WHERE o.name !~ '^_' AND obj_description(o.objid, o.classid::name) IS NULL
ORDER BY 1;

-- The schema is everybody's to use, not to change
SELECT has_schema_privilege('public', 'mlops', 'USAGE') AS usage, has_schema_privilege('public', 'mlops', 'CREATE') AS "create";

-- Tables and sequences are nobody's
SELECT c.oid::regclass AS open_table FROM pg_class c
WHERE c.relnamespace = 'mlops'::regnamespace
  AND CASE relkind WHEN 'r' THEN has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                            OR has_any_column_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
                   WHEN 'S' THEN has_sequence_privilege('public', c.oid, 'USAGE, SELECT, UPDATE') END;

-- Views: read by everybody, written by nobody, and what they hide they hide well
SELECT c.oid::regclass AS view,
       has_table_privilege('public', c.oid, 'SELECT') AS readable,
       has_table_privilege('public', c.oid, 'INSERT, UPDATE, DELETE') AS writable,
       'security_barrier=true' = ANY (c.reloptions) AS barrier
FROM pg_class c WHERE c.relnamespace = 'mlops'::regnamespace AND c.relkind = 'v'
ORDER BY c.relname COLLATE "C";

-- The functions that everybody may call: think twice before adding to this
-- list.  One with an argument of type internal can be called by nobody.
SELECT p.proname AS everybodys, string_agg(DISTINCT p.provolatile::text, '') AS volatility, count(*) AS forms
FROM pg_proc p
WHERE p.pronamespace = 'mlops'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')
  AND 'internal'::regtype <> ALL (p.proargtypes)
GROUP BY p.proname ORDER BY p.proname COLLATE "C";

-- What writes is closed to everybody
SELECT p.oid::regprocedure AS open_writer FROM pg_proc p
WHERE p.pronamespace = 'mlops'::regnamespace AND p.provolatile = 'v' AND has_function_privilege('public', p.oid, 'EXECUTE');

-- Functions in SQL and PL/pgSQL pin the search path, the others come from our library
SELECT p.oid::regprocedure AS unpinned
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = 'mlops'::regnamespace AND p.prokind <> 'a'
  AND CASE l.lanname
      WHEN 'c' THEN p.probin <> '$libdir/mlops' OR p.prosrc NOT LIKE 'mlops\_%'
      ELSE NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false) END;

-- Whose rights a function uses must be decided by who may call it
SELECT p.oid::regprocedure AS open_definer FROM pg_proc p
WHERE p.pronamespace = 'mlops'::regnamespace AND p.prosecdef AND has_function_privilege('public', p.oid, 'EXECUTE');

-- Tables and sequences are dumped with their rows
SELECT c.oid::regclass AS not_dumped FROM pg_class c
WHERE c.relnamespace = 'mlops'::regnamespace AND c.relkind IN ('r', 'S')
  AND c.oid <> ALL ((SELECT coalesce(extconfig, '{}') FROM pg_extension WHERE extname = 'mlops')::oid[]);

DROP EXTENSION mlops;
SELECT * FROM leftover;
CREATE EXTENSION mlops;
