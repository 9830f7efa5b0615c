-- Maker is not checker: every way in which two roles can be one person.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SELECT plan(51);

CREATE ROLE gp_maker LOGIN; CREATE ROLE gp_checker LOGIN; CREATE ROLE gp_second LOGIN; CREATE ROLE gp_trainer LOGIN;
CREATE ROLE gp_group; CREATE ROLE gp_approvers; CREATE ROLE gp_super LOGIN SUPERUSER;
CREATE ROLE gp_above LOGIN; CREATE ROLE gp_below LOGIN; CREATE ROLE gp_hub; CREATE ROLE gp_far LOGIN;
CREATE ROLE gp_noinherit LOGIN NOINHERIT; CREATE ROLE gp_apart LOGIN; CREATE ROLE gp_above_second LOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO gp_group;
GRANT gp_group TO gp_maker, gp_checker, gp_second, gp_trainer, gp_above, gp_below, gp_far, gp_apart, gp_above_second, gp_super;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO gp_noinherit;
GRANT gp_approvers TO gp_checker, gp_second, gp_trainer, gp_above, gp_below, gp_far, gp_apart, gp_above_second, gp_maker;
GRANT gp_maker TO gp_above;             -- can become the maker
GRANT gp_below TO gp_maker;             -- the maker can become it
GRANT gp_maker TO gp_hub;
GRANT gp_hub TO gp_far;                 -- the same through another role
GRANT gp_maker TO gp_noinherit;         -- without its rights
GRANT gp_second TO gp_above_second;

CREATE TEMPORARY TABLE file AS SELECT pg_temp.stumps('{a}', '{0}', '{0}', '{-1}', '{1}') AS artifact;
GRANT SELECT ON file TO PUBLIC;
SELECT mlops.create_model('person_test', 'binary', NULL, 'gp_group');
SELECT mlops.grant_privilege('approve', 'person_test', 'gp_approvers');
SELECT mlops.grant_privilege('approve', 'person_test', 'gp_noinherit');
SELECT pg_temp.try('gp_trainer', $$SELECT mlops.import_model('person_test', artifact) FROM file$$);
SELECT pg_temp.try('gp_trainer', $$SELECT mlops.import_model('person_test', artifact) FROM file$$);
SELECT pg_temp.try('gp_trainer', $$SELECT mlops.set_policy('person_test', approvals => 2, execution => 'explicit', reason => 'r')$$);
CREATE TEMPORARY TABLE r AS
    SELECT pg_temp.try('gp_maker', $$SELECT mlops.request_promotion('person_test/1', reason => 'r')$$)::bigint AS id;
GRANT SELECT ON r TO PUBLIC;
\set approve 'SELECT mlops.approve(id) FROM r'

SELECT is(pg_temp.try('gp_maker', :'approve', true), 'ML041: maker and checker must be two persons "gp_maker" opened request ' || id || '.', 'who opened the request') FROM r;
SELECT is(pg_temp.try('gp_trainer', :'approve', true), 'ML041: maker and checker must be two persons "gp_trainer" made person_test/1.', 'who made the version');
SELECT is(pg_temp.try('gp_above', :'approve', true), 'ML041: maker and checker must be two persons "gp_maker" opened request ' || id || ', and "gp_above" is a member of "gp_maker".', 'a member of the maker''s role') FROM r;
SELECT is(pg_temp.try('gp_below', :'approve', true), 'ML041: maker and checker must be two persons "gp_maker" opened request ' || id || ', and "gp_maker" is a member of "gp_below".', 'a role of which the maker is a member') FROM r;
SELECT is(pg_temp.try('gp_far', :'approve'), 'ML041', 'a member through another role');
SELECT is(pg_temp.try('gp_noinherit', :'approve'), 'ML041', 'a member that does not inherit');
SELECT is(pg_temp.try('gp_super', :'approve'), 'ML041', 'a superuser');
SELECT is(pg_temp.try(current_user, :'approve'), 'ML041', 'also the one who installed the extension');

-- other rights, the same person
CREATE FUNCTION pg_temp.approve_as(role name, target name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SET SESSION AUTHORIZATION %I', role);
    EXECUTE format('SET ROLE %I', target);
    BEGIN
        result := mlops.approve((SELECT id FROM r));
    EXCEPTION WHEN OTHERS THEN
        result := SQLSTATE;
    END;
    RESET ROLE;
    SET SESSION AUTHORIZATION DEFAULT;
    RETURN result;
END
$$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO gp_approvers;
SELECT is(pg_temp.approve_as('gp_maker', 'gp_approvers'), 'ML041', 'SET ROLE to a role that may approve');
SELECT is(pg_temp.approve_as('gp_maker', 'gp_below'), 'ML041', 'SET ROLE to another login role');
SELECT is(pg_temp.approve_as('gp_super', 'gp_checker'), 'ML041', 'a superuser by SET ROLE');
CREATE SCHEMA gp_schema AUTHORIZATION gp_checker;
GRANT USAGE ON SCHEMA gp_schema TO PUBLIC;
SET ROLE gp_checker;
CREATE FUNCTION gp_schema.approve() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS
    $$ BEGIN RETURN mlops.approve((SELECT id FROM r)); END $$;
RESET ROLE;
SELECT is(pg_temp.try('gp_maker', 'SELECT gp_schema.approve()'), 'ML041', 'a function with the rights of a checker');

CREATE ROLE gp_innocent LOGIN;
SELECT mlops.grant_privilege('score', 'person_test', 'gp_innocent');
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO gp_innocent;
SELECT is(pg_temp.try('gp_innocent', 'SELECT gp_schema.approve()'), '42501', 'nor does it make an approver of who calls it');
SELECT is((SELECT approvals FROM mlops.requests JOIN r USING (id)), 0::bigint, 'none of these counted');
SELECT matches(pg_temp.try('gp_innocent', $$SELECT mlops.promote('person_test/1', reason => 'r')$$, true),
               '42501: permission denied', 'a promotion needs manage');

-- persons
SELECT is(pg_temp.try('gp_checker', :'approve'), 'open', 'a second person, though both are in two groups');
SELECT is(pg_temp.try('gp_checker', :'approve'), '55000', 'not twice');
SELECT is((SELECT approvals::text || approvals_needed || status FROM mlops.requests JOIN r USING (id)), '12open', 'one of two');
SELECT is(pg_temp.try('gp_maker', 'SELECT mlops.execute(id) FROM r'), '55000', 'nothing to execute yet');
SELECT is(pg_temp.try('gp_second', :'approve'), 'approved', 'a third person');
SELECT is(pg_temp.try('gp_above_second', :'approve', true), 'ML041: maker and checker must be two persons "gp_second" has already approved request ' || id || ', and "gp_above_second" is a member of "gp_second".', 'the person who has approved, by another role') FROM r;
SELECT is(pg_temp.try('gp_apart', :'approve'), 'approved', 'more than are needed');
SELECT is(pg_temp.try('gp_apart', 'SELECT mlops.execute(id) FROM r'), 'person_test/1', 'execute');
SELECT is((SELECT count(*) FROM mlops.approvals a JOIN r ON a.request = r.id WHERE valid), 3::bigint, 'three approvals');
SELECT is((SELECT string_agg(login_role, ',') FROM mlops.approvals a JOIN r ON a.request = r.id), repeat(session_user || ',', 2) || session_user,
          'the login is recorded');

-- without the privilege
TRUNCATE r;
INSERT INTO r SELECT pg_temp.try('gp_maker', $$SELECT mlops.request_promotion('person_test/2', reason => 'r')$$)::bigint;
REVOKE gp_approvers FROM gp_apart;
SELECT is(pg_temp.try('gp_apart', :'approve'), '42501', 'the privilege approve is needed');
SELECT is(pg_temp.try('gp_apart', 'SELECT mlops.reject(id, ''no'') FROM r'), '42501', 'for reject too');
CREATE ROLE gp_nobody LOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO gp_nobody;
SELECT is(pg_temp.try('gp_nobody', :'approve'), '42501', 'a stranger');
SELECT is(pg_temp.try('gp_nobody', 'SELECT count(*) FROM mlops.requests'), '0', 'sees no requests');
SELECT is(pg_temp.try('gp_nobody', 'SELECT count(*) FROM mlops.approvals'), '0', 'nor approvals');
SELECT is(pg_temp.try('gp_nobody', 'SELECT mlops.request_problem(id) FROM r'), NULL, 'nor a problem');
SELECT is(pg_temp.try('gp_nobody', 'SELECT mlops.withdraw(id) FROM r'), '42501', 'and withdraws none');
SELECT is(pg_temp.try('gp_checker', 'SELECT mlops.approve(-1)'), '42704', 'no such request');
SELECT is(pg_temp.try('gp_checker', 'SELECT mlops.approve(NULL)'), '22004', 'no request');

-- renamed and dropped roles
ALTER ROLE gp_maker RENAME TO gp_renamed;
SELECT is(pg_temp.try('gp_renamed', :'approve'), 'ML041', 'a renamed role is the same person');
CREATE ROLE gp_maker LOGIN;
GRANT gp_group, gp_approvers TO gp_maker;
SELECT is(pg_temp.try('gp_maker', :'approve'), 'ML041', 'a new role with the old name counts as the maker');
ALTER ROLE gp_trainer RENAME TO gp_trainer2;
SELECT is(pg_temp.try('gp_trainer2', :'approve'), 'ML041', 'a renamed trainer too');
DROP OWNED BY gp_maker; DROP ROLE gp_maker;
SELECT is(pg_temp.try('gp_above', :'approve'), 'ML041', 'a member of the renamed role');
REVOKE gp_below FROM gp_renamed; REVOKE gp_renamed FROM gp_above, gp_hub, gp_noinherit;
DROP OWNED BY gp_renamed; DROP ROLE gp_renamed;
SELECT is(pg_temp.try('gp_above', :'approve'), 'open', 'no one is a member of a role that is gone');
CREATE ROLE gp_maker LOGIN;
GRANT gp_group, gp_approvers TO gp_maker;
SELECT is(pg_temp.try('gp_maker', :'approve'), 'ML041', 'a role made again with the name of a dropped one counts as the maker');

-- the roles of the policy
SELECT is(pg_temp.try('gp_second', $$SELECT mlops.set_policy('person_test', approvers => '{gp_hub}', reason => 'r')$$), NULL, 'fewer approvers');
SELECT is((SELECT status || ': ' || problem FROM mlops.requests JOIN r USING (id)), 'void: policy changed', 'make the request void');
TRUNCATE r;
INSERT INTO r SELECT pg_temp.try('gp_maker', $$SELECT mlops.request_promotion('person_test/2', reason => 'r')$$)::bigint;
SELECT is(pg_temp.try('gp_second', :'approve'), '42501', 'a role that is not among the approvers');
SELECT is(pg_temp.try('gp_far', :'approve'), 'open', 'one that is');
ALTER ROLE gp_hub RENAME TO gp_hub2;
SELECT is((SELECT status || ': ' || problem FROM mlops.requests JOIN r USING (id)), 'void: policy changed', 'a renamed role makes it void');
TRUNCATE r;
INSERT INTO r SELECT pg_temp.try('gp_maker', $$SELECT mlops.request_promotion('person_test/2', reason => 'r')$$)::bigint;
SELECT is(pg_temp.try('gp_far', :'approve'), 'open', 'and still counts in a new one');
SELECT is(pg_temp.try('gp_second', $$SELECT mlops.set_policy('person_test', approvers => '{}', reason => 'r') IS NULL$$), 'false', 'more approvers need a request');
SELECT is(pg_temp.try('gp_second', $$SELECT mlops.set_policy('person_test', approvers => '{gp_hub2,gp_approvers}', reason => 'r') IS NULL$$), '55000', 'which is not opened twice');

-- duties
SELECT results_eq($$SELECT role, can_make, can_approve, finding FROM mlops.duties_report('person_test')
                    WHERE role IN ('gp_far', 'gp_second', 'gp_super', 'gp_above_second', 'gp_noinherit')$$,
    $$VALUES ('gp_above_second'::name, true, true, 'can make and approve, though not the same change; counts as one person with gp_second'),
             ('gp_far', true, true, 'can make and approve, though not the same change'),
             ('gp_noinherit', false, true, NULL),
             ('gp_second', true, true, 'can make and approve, though not the same change; counts as one person with gp_above_second'),
             ('gp_super', true, false, 'superuser: can make, cannot approve, and can act as everybody')$$, 'duties_report');
SELECT is(pg_temp.try('gp_nobody', $$SELECT count(*) FROM mlops.duties_report()$$), '0', 'for the models that one may read');
SELECT is(pg_temp.try('gp_nobody', $$SELECT count(*) FROM mlops.duties_report('person_test')$$), '42501', 'and no others');
SELECT * FROM finish();
ROLLBACK;
