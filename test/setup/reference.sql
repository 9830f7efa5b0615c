-- The page doc/functions.md, from the catalogs of a database with the extension:
-- psql -XAtq -f test/setup/reference.sql
-- What only the server calls (input and output of types, support of operators
-- and of the planner) is left out, and so is what begins with an underscore.
SET search_path = pg_catalog;
SET client_min_messages = warning;

SELECT '# Every function, type and view

Generated from the catalogs by `test/setup/reference.sql`; `make tap` compares
them. What is said of each object is its COMMENT, which `\df+ mlops.*`,
`\dT+ mlops.*` and `\dv+ mlops.*` show in psql, too. [glossary.md](glossary.md)
has the words.

*Everybody* may call a function marked so; for one marked *granted* a role needs
`GRANT EXECUTE ON FUNCTION mlops.name TO role`, from an administrator or by
[roles.md](roles.md). Whoever calls it also needs the privilege on the model that
is named ([registry.md](registry.md#privileges)): to score is `score`, to see the
record of a version is `read`, to change a model is `manage`, to approve is
`approve`. `STABLE` and `IMMUTABLE` functions write nothing.
';

CREATE TEMPORARY VIEW routine AS
    SELECT p.oid, p.proname::text AS name, p.prokind AS kind,
           format('mlops.%s(%s)', p.proname, pg_get_function_arguments(p.oid))
               || coalesce(' → ' || pg_get_function_result(p.oid), '') AS signature,
           CASE WHEN has_function_privilege('public', p.oid, 'EXECUTE') THEN 'everybody' ELSE 'granted' END AS who,
           CASE p.provolatile WHEN 'i' THEN ', IMMUTABLE' WHEN 's' THEN ', STABLE' ELSE '' END
               || CASE WHEN p.proisstrict THEN ', STRICT' ELSE '' END
               || CASE p.proparallel WHEN 's' THEN ', PARALLEL SAFE' WHEN 'r' THEN ', PARALLEL RESTRICTED' ELSE '' END AS labels,
           obj_description(p.oid, 'pg_proc') AS comment
    FROM pg_proc p
    WHERE p.pronamespace = 'mlops'::regnamespace AND p.proname !~ '^_'
      AND 'internal'::regtype <> ALL (p.proargtypes) AND p.prorettype NOT IN ('internal'::regtype, 'trigger'::regtype)
      AND NOT EXISTS (SELECT FROM pg_type t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout))
      AND NOT EXISTS (SELECT FROM pg_cast c WHERE c.castfunc = p.oid)
      AND NOT EXISTS (SELECT FROM pg_operator o WHERE o.oprcode = p.oid)
      AND NOT EXISTS (SELECT FROM pg_amproc a WHERE a.amproc = p.oid);

SELECT heading || E'\n\n' || string_agg(format('* `%s`' || E'\n  (%s%s) %s\n', signature, who, CASE WHEN kind = 'f' THEN labels ELSE '' END, comment),
                                       '' ORDER BY name COLLATE "C", signature COLLATE "C")
FROM routine JOIN (VALUES ('f', '## Functions', 1), ('p', '## Procedures', 2), ('a', '## Aggregates', 3)) k (key, heading, place)
     ON routine.kind = k.key::"char"
GROUP BY heading, place ORDER BY place;

SELECT E'## Types\n\n' || string_agg(format('* `mlops.%s`%s' || E'\n  %s\n', t.typname, members, obj_description(t.oid, 'pg_type')),
                                    '' ORDER BY t.typname COLLATE "C")
FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid,
     LATERAL (SELECT coalesce(' (' || string_agg(format('`%s` %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum) || ')', '')
              FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped) m (members)
WHERE t.typnamespace = 'mlops'::regnamespace AND t.typname !~ '^_' AND t.typcategory <> 'A'
  AND (c.oid IS NULL OR c.relkind = 'c');

SELECT E'## Operators\n\n' || string_agg(format('* `%s %s %s` → `%s`' || E'\n  %s\n', format_type(oprleft, NULL), oprname, format_type(oprright, NULL),
                                              format_type(oprresult, NULL), obj_description(oid, 'pg_operator')),
                                        '' ORDER BY format_type(oprleft, NULL) COLLATE "C", oprname::text COLLATE "C")
FROM pg_operator WHERE oprnamespace = 'mlops'::regnamespace;

SELECT E'## Views\n\nEverybody may select from them; the rows are those that the reader may see.\n\n'
       || string_agg(format('* `mlops.%s` (%s)' || E'\n  %s\n', c.relname, members, obj_description(c.oid, 'pg_class')),
                     '' ORDER BY c.relname COLLATE "C")
FROM pg_class c,
     LATERAL (SELECT string_agg(format('`%s` %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
              FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) m (members)
WHERE c.relnamespace = 'mlops'::regnamespace AND c.relkind = 'v' AND c.relname !~ '^_';
