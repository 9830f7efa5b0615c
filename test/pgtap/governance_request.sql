-- Policies and requests: what a promotion needs, and what becomes of a request.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SELECT plan(89);

CREATE ROLE gr_maker LOGIN; CREATE ROLE gr_checker LOGIN; CREATE ROLE gr_second LOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO gr_maker, gr_checker, gr_second;
CREATE TEMPORARY TABLE file AS SELECT pg_temp.stumps('{a}', '{0}', '{0}', '{-1}', '{1}') AS artifact;
GRANT SELECT ON file TO PUBLIC;
CREATE FUNCTION pg_temp.maker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('gr_maker', $1) $$;
CREATE FUNCTION pg_temp.checker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('gr_checker', $1) $$;
CREATE FUNCTION pg_temp.second(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('gr_second', $1) $$;
CREATE FUNCTION pg_temp.last() RETURNS bigint LANGUAGE sql AS $$ SELECT max(id) FROM mlops.request $$;
CREATE FUNCTION pg_temp.ask(version integer) RETURNS bigint LANGUAGE sql AS
    $$ SELECT pg_temp.try('gr_maker', format($q$SELECT mlops.request_promotion('request_test/%s', reason => 'r')$q$, version))::bigint $$;
CREATE FUNCTION pg_temp.approve(request bigint) RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.try('gr_checker', format('SELECT mlops.approve(%s)', request)) $$;
CREATE FUNCTION pg_temp.status(request bigint) RETURNS text LANGUAGE sql AS
    $$ SELECT status FROM mlops.requests WHERE id = $1 $$;
CREATE FUNCTION pg_temp.champion() RETURNS integer LANGUAGE sql AS
    $$ SELECT version FROM mlops.aliases WHERE model = 'request_test' AND alias = 'champion' $$;

SELECT pg_temp.maker($$SELECT mlops.import_model('request_test', artifact, metrics => '{"auc": 0.70}') FROM file, generate_series(1, 4) ORDER BY 1 DESC LIMIT 1$$);
SELECT pg_temp.maker($$SELECT mlops.import_model('request_test', artifact) FROM file$$);
SELECT mlops.grant_privilege('approve', 'request_test', 'gr_checker');
SELECT mlops.grant_privilege('approve', 'request_test', 'gr_second');

--
-- Without a policy
--
SELECT is(mlops.policy('request_test')->>'approvals', '0', 'no approvals by default');
SELECT is(pg_temp.maker($$SELECT mlops.promote('request_test/1', reason => 'r')$$), 'request_test/1', 'one person promotes');
SELECT is(pg_temp.maker($$SELECT mlops.request_promotion('request_test/2', reason => 'r') IS NOT NULL$$), 'true', 'or by a request');
SELECT is(pg_temp.champion(), 2, 'which is executed at once');
SELECT is(pg_temp.status(pg_temp.last()), 'executed', 'and says so');
SELECT is((SELECT reason FROM mlops.alias_history WHERE model = 'request_test' ORDER BY id DESC LIMIT 1), 'r', 'with its reason');
SELECT is((SELECT count(*) FROM mlops.safety_actions WHERE model = 'request_test'), 0::bigint, 'nothing to ratify');
SELECT is(pg_temp.maker($$SELECT mlops.rollback('request_test', reason => 'r')$$), 'request_test/1', 'a rollback');
SELECT is((SELECT count(*) FROM mlops.safety_actions WHERE model = 'request_test'), 0::bigint, 'still nothing to ratify');

--
-- Setting a policy
--
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', approvals => 1)$$), '22004', 'a reason is needed');
SELECT is(pg_temp.checker($$SELECT mlops.set_policy('request_test', approvals => 1, reason => 'r')$$), '42501', 'for the owner');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', approvals => 21, reason => 'r')$$), '22023', 'too many approvals');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', approvals => -1, reason => 'r')$$), '22023', 'too few');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', approvers => '{gr_none}', reason => 'r')$$), '42704', 'no such role');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', approvers => '{public}', reason => 'r')$$), '22023', 'everybody is no role');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', lifetime => '0', reason => 'r')$$), '22023', 'no time');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', evidence => '{proof}', reason => 'r')$$), '22023', 'unknown evidence');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', evidence => '{NULL}', reason => 'r')$$), '22023', 'none');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', execution => 'never', reason => 'r')$$), '22023', 'unknown execution');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', fallback_alias => 'champion', reason => 'r')$$), '22023', 'its own fallback');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', fallback_alias => 'a', fallback_value => 1, reason => 'r')$$), '22023', 'two fallbacks');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', fallback_value => 'NaN', reason => 'r')$$), '22023', 'no number');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', 'latest', approvals => 1, reason => 'r')$$), '22P02', 'latest is reserved');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', 'a/1', approvals => 1, reason => 'r')$$), '42602', 'an alias is a name');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_none', approvals => 1, reason => 'r')$$), 'ML001', 'no such model');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', approvals => 1, change_ref_required => true, evidence => '{metrics}', reason => 'r')$$), NULL, 'asking for more is in force at once');
SELECT is(mlops.policy('request_test') - '{lifetime}'::text[], '{"approvals": 1, "evidence": ["metrics"], "execution": "approval", "change_ref_required": true, "approve_resume": false}', 'policy');
SELECT is(mlops.policy('request_test', 'other')->>'approvals', '0', 'of this alias alone');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', lifetime => '1 hour', reason => 'r')$$), NULL, 'a shorter life');
SELECT is((SELECT approvals::text || lifetime || evidence::text FROM mlops.policies WHERE model = 'request_test'), '101:00:00{metrics}', 'what is not named stays');

--
-- What a promotion needs
--
SELECT is(pg_temp.maker($$SELECT mlops.promote('request_test/2', reason => 'r')$$), 'ML042', 'the change number');
SELECT is(pg_temp.maker($$SELECT mlops.promote('request_test/2', reason => 'r', change_ref => ' ')$$), 'ML042', 'one that says something');
SELECT is(pg_temp.maker($$SELECT mlops.promote('request_test/5', reason => 'r', change_ref => 'C')$$), 'ML042', 'the evidence');
SELECT is(pg_temp.maker($$SELECT mlops.promote('request_test/2', reason => 'r', change_ref => 'C')$$), NULL, 'promote gives NULL');
SELECT is(pg_temp.champion(), 1, 'because nothing was promoted');
SELECT is(pg_temp.status(pg_temp.last()), 'open', 'a request is open');
SELECT is(pg_temp.maker($$SELECT mlops.promote('request_test/2', reason => 'again', change_ref => 'C')$$), '55000', 'one for one thing');
SELECT is(pg_temp.maker($$SELECT mlops.promote('request_test/2', 'other', reason => 'r')$$), 'request_test/2', 'another alias has no policy');
SELECT is(pg_temp.status(pg_temp.last()), 'open', 'and does not touch the request');
SELECT is(pg_temp.approve(pg_temp.last()), 'executed', 'the last approval executes');
SELECT is(pg_temp.champion(), 2, 'the version is promoted');
SELECT results_eq($$SELECT a.reason, a.change_ref, a.changed_by FROM mlops.alias_history a WHERE model = 'request_test' AND alias = 'champion' ORDER BY id DESC LIMIT 1$$,
    $$VALUES ('r', 'C', 'gr_checker'::name)$$, 'with the reason of the request');
SELECT is(pg_temp.second(format('SELECT mlops.approve(%s)', pg_temp.last())), 'ML043', 'what is executed is over');
SELECT is(pg_temp.maker(format('SELECT mlops.execute(%s)', pg_temp.last())), 'ML043', 'and executed once');

--
-- Weakening is a request itself
--
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', change_ref_required => false, evidence => '{}', reason => 'r') IS NULL$$), 'ML042', 'a request needs what the policy in force wants');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', change_ref_required => false, evidence => '{}', reason => 'r', change_ref => 'C') IS NULL$$), 'false', 'asking for less is a request');
SELECT is(mlops.policy('request_test')->>'change_ref_required', 'true', 'nothing changed');
SELECT is(pg_temp.maker(format('SELECT mlops.approve(%s)', pg_temp.last())), '42501', 'the maker may not approve');
SELECT mlops.grant_privilege('approve', 'request_test', 'gr_maker');
SELECT is(pg_temp.maker(format('SELECT mlops.approve(%s)', pg_temp.last())), 'ML041', 'not with the privilege either');
SELECT is(pg_temp.approve(pg_temp.last()), 'executed', 'another person does');
SELECT is(mlops.policy('request_test') - '{lifetime}'::text[], '{"approvals": 1, "evidence": [], "execution": "approval", "change_ref_required": false, "approve_resume": false}', 'and the policy is in force');
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', approvals => 0, reason => 'r') IS NULL$$), 'false', 'fewer approvals');
SELECT pg_temp.maker(format('SELECT mlops.withdraw(%s)', pg_temp.last()));
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', lifetime => '2 hours', reason => 'r') IS NULL$$), 'false', 'a longer life');
SELECT pg_temp.maker(format('SELECT mlops.withdraw(%s)', pg_temp.last()));
SELECT is(pg_temp.maker($$SELECT mlops.set_policy('request_test', fallback_alias => 'other', reason => 'r') IS NULL$$), 'false', 'a fallback');
SELECT is(mlops.policy('request_test', 'other')->>'approvals', '0', 'before, the other alias needs no approval');
SELECT pg_temp.approve(pg_temp.last());
SELECT is(mlops.policy('request_test', 'other')->>'approvals', '1', 'after, the fallback needs as many as what it stands in for');
SELECT is(pg_temp.maker($$SELECT mlops.promote('request_test/3', 'other', 'r')$$), NULL, 'and is not moved alone');
SELECT pg_temp.maker(format('SELECT mlops.withdraw(%s, ''enough'')', pg_temp.last()));

--
-- Ways that a request ends
--
SELECT is(pg_temp.status(pg_temp.last()), 'withdrawn', 'withdrawn');
SELECT is(pg_temp.approve(pg_temp.last()), 'ML043', 'and not approved after');
SELECT pg_temp.ask(3) AS id \gset
SELECT is(pg_temp.checker(format('SELECT mlops.reject(%s, NULL)', :id)), '22004', 'a rejection needs a comment');
SELECT is(pg_temp.checker(format('SELECT mlops.reject(%s, ''weak'')', :id)), '', 'reject');
SELECT is(pg_temp.status(:id), 'rejected', 'rejected');
SELECT is(pg_temp.second(format('SELECT mlops.approve(%s)', :id)), 'ML043', 'and not approved after');
SELECT pg_temp.ask(3) AS id \gset
SELECT is(pg_temp.maker($$SELECT mlops.rollback('request_test', reason => 'r')$$), 'request_test/1', 'a rollback');
SELECT is((SELECT status || ': ' || problem FROM mlops.requests WHERE id = :id), 'void: the alias pointed to version 2 and now to version 1', 'voids what was asked for before');
SELECT is(pg_temp.approve(:id), 'ML043', 'void');
SELECT pg_temp.maker($$SELECT mlops.set_policy('request_test', approvals => 2, execution => 'explicit', reason => 'r')$$);
SELECT pg_temp.ask(3) AS id \gset
SELECT is(pg_temp.approve(:id), 'open', 'one of two');
SELECT is(pg_temp.second(format('SELECT mlops.approve(%s)', :id)), 'approved', 'two of two, and executed by itself');
SELECT is(pg_temp.champion(), 1, 'not yet');
SELECT pg_temp.maker($$SELECT mlops.set_policy('request_test', evidence => '{metrics}', reason => 'r')$$);
SELECT is((SELECT bool_or(valid)::text || min(problem) FROM mlops.approvals WHERE request = :id), 'falsepolicy changed', 'approvals lapse with the policy');
SELECT is(pg_temp.maker(format('SELECT mlops.execute(%s)', :id)), 'ML043', 'an approved request can be void too');
SELECT pg_temp.ask(3) AS id \gset
SELECT pg_temp.approve(:id), pg_temp.second(format('SELECT mlops.approve(%s)', :id));
SELECT is(pg_temp.maker(format('SELECT mlops.execute(%s)', :id)), 'request_test/3', 'execute');
SELECT is(pg_temp.champion(), 3, 'is the promotion');
-- time: what a table's owner can do with triggers off, nobody else can
SELECT pg_temp.ask(4) AS id \gset
ALTER TABLE mlops.request DISABLE TRIGGER check_transition;
UPDATE mlops.request SET created_at = created_at - interval '1 day', expires_at = created_at WHERE id = :id;
ALTER TABLE mlops.request ENABLE ALWAYS TRIGGER check_transition;
SELECT is(pg_temp.status(:id), 'expired', 'expired by the time, with no act');
SELECT is(pg_temp.approve(:id), 'ML043', 'and not approved after');
SELECT is((SELECT status FROM mlops.request WHERE id = :id), 'open', 'which recorded nothing');
SELECT isnt(pg_temp.ask(4), :id::bigint, 'the next request for the same');
SELECT is((SELECT status FROM mlops.request WHERE id = :id), 'expired', 'records it');

--
-- What the tables refuse
--
SELECT pg_temp.last() AS id \gset
SELECT throws_ok(format('UPDATE mlops.request SET status = ''approved'' WHERE id = %s', :id), 'ML040', NULL, 'approved without approvals');
SELECT throws_ok(format('UPDATE mlops.request SET status = ''executed'', ended_at = now(), ended_by = ''x'' WHERE id = %s', :id), 'ML040', NULL, 'executed without being approved');
SELECT throws_ok(format('UPDATE mlops.request SET approvals_needed = 0 WHERE id = %s', :id), 'ML040', NULL, 'fewer approvals');
SELECT throws_ok(format('UPDATE mlops.request SET package = ''{}'' WHERE id = %s', :id), 'ML040', NULL, 'another package');
SELECT throws_ok('UPDATE mlops.request SET status = ''open'', ended_at = NULL, ended_by = NULL WHERE status = ''rejected''', 'ML040', NULL, 'back from the end');
SELECT throws_ok('UPDATE mlops.approval SET comment = ''x''', 'ML040', NULL, 'another comment');
SELECT throws_ok('DELETE FROM mlops.request', 'ML040', NULL, 'no request goes');
SELECT throws_ok('DELETE FROM mlops.approval', 'ML040', NULL, 'no approval goes');
SELECT throws_ok('DELETE FROM mlops.policy', 'ML040', NULL, 'no policy goes');
-- a change behind the back
ALTER TABLE mlops.version DISABLE TRIGGER refuse_change;
UPDATE mlops.version SET metrics = '{"auc": 0.99}' WHERE version = 4 AND model_id = (SELECT id FROM mlops.model WHERE name = 'request_test');
ALTER TABLE mlops.version ENABLE ALWAYS TRIGGER refuse_change;
SELECT is((SELECT status || ': ' || problem FROM mlops.requests WHERE id = :id), 'void: metrics changed', 'other metrics than were to be approved');
SELECT is(pg_temp.approve(:id), 'ML043', 'are not approved');
SELECT * FROM finish();
ROLLBACK;
