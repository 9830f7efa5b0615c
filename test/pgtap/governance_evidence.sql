-- The evidence about a version, in one document.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SELECT plan(29);

CREATE ROLE ge_maker LOGIN; CREATE ROLE ge_checker LOGIN; CREATE ROLE ge_reader LOGIN; CREATE ROLE ge_teller LOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO ge_maker, ge_checker, ge_reader, ge_teller;
CREATE TEMPORARY TABLE file AS SELECT pg_temp.stumps('{a}', '{0}', '{0}', '{-1}', '{1}') AS artifact;
GRANT SELECT ON file TO PUBLIC;
CREATE FUNCTION pg_temp.maker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('ge_maker', $1) $$;
CREATE FUNCTION pg_temp.checker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('ge_checker', $1) $$;
CREATE FUNCTION pg_temp.reader(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('ge_reader', $1) $$;

SELECT pg_temp.maker($$SELECT mlops.import_model('evidence_test', artifact, metrics => '{"auc": 0.75}', description => 'first') FROM file$$);
SELECT pg_temp.maker($$SELECT mlops.import_model('evidence_test', artifact, metrics => '{"auc": 0.76}') FROM file$$);
SELECT pg_temp.maker($$SELECT mlops.promote('evidence_test/1', reason => 'first')$$);
SELECT mlops.grant_privilege('approve', 'evidence_test', 'ge_checker');
SELECT mlops.grant_privilege('read', 'evidence_test', 'ge_reader');
SELECT mlops.grant_privilege('score', 'evidence_test', 'ge_teller');
SELECT pg_temp.maker($$SELECT mlops.set_policy('evidence_test', approvals => 1, reason => 'r')$$);
SELECT pg_temp.maker($$SELECT mlops.set_card('evidence_test', '{"purpose": "loans"}', 'r')$$);
SELECT pg_temp.maker($$SELECT mlops.add_gate('evidence_test', kind => 'fairness', metric => 'impact', data => 'bias', at_least => 0.8, reason => 'r')$$);
SELECT pg_temp.maker($$SELECT mlops.record_measurement('evidence_test/2', 'bias', '{"impact": {"f": 0.9}}')$$);
SELECT pg_temp.maker($$SELECT mlops.promote('evidence_test/2', reason => 'better', change_ref => 'CHG-9')$$);
SELECT is(pg_temp.checker(format('SELECT mlops.approve(%s, ''seen'')', (SELECT max(id) FROM mlops.request))), 'executed', 'a version that was approved');
SELECT pg_temp.maker($$SELECT mlops.suspend('evidence_test', 'look')$$);

SELECT is(pg_temp.try('ge_teller', $$SELECT mlops.evidence('evidence_test')$$), '42501', 'not for who only scores');
SELECT is(pg_temp.reader($$SELECT mlops.evidence('evidence_none')$$), 'ML001', 'no such model');
SELECT is(mlops.evidence(NULL), NULL, 'nothing of nothing');
CREATE TEMPORARY TABLE evidence AS SELECT pg_temp.reader($$SELECT mlops.evidence('evidence_test')$$)::jsonb AS e;

SELECT is(e->>'reference', 'evidence_test/2', 'which version') FROM evidence;
SELECT is(e->>'format', 'mlops/evidence/v1', 'in which format') FROM evidence;
SELECT is(e#>>'{card,card,purpose}', 'loans', 'the card') FROM evidence;
SELECT is(e#>>'{version,metrics,auc}', '0.76', 'its metrics') FROM evidence;
SELECT is(e#>>'{version,artifact_sha256}', (SELECT sha256 FROM mlops.versions WHERE model = 'evidence_test' AND version = 2), 'its file') FROM evidence;
SELECT is(e#>>'{version,features,0,name}', 'a', 'its features') FROM evidence;
SELECT is(e->'lineage', 'null', 'an imported version has no training') FROM evidence;
SELECT is(e#>>'{measurements,0,metrics,impact,f}', '0.9', 'what was measured') FROM evidence;
SELECT is(e#>>'{aliases,champion,points_here}', 'true', 'the alias') FROM evidence;
SELECT is(e#>>'{aliases,champion,gates,0,verdict}', 'pass', 'its gates') FROM evidence;
SELECT is(e#>'{aliases,champion,policy}', mlops.policy('evidence_test'), 'its policy') FROM evidence;
SELECT is(jsonb_array_length(e->'history'), 1, 'when it was promoted') FROM evidence;
SELECT is(e#>>'{history,0,change_ref}', 'CHG-9', 'by which change') FROM evidence;
SELECT is(e#>>'{requests,0,approvals,0,created_by}', 'ge_checker', 'who approved it') FROM evidence;
SELECT is(e#>>'{requests,0,package_sha256}', (SELECT package_sha256 FROM mlops.requests WHERE model = 'evidence_test'), 'which package') FROM evidence;
SELECT is(e#>>'{suspensions,0,reason}', 'look', 'why it is suspended') FROM evidence;
SELECT is(e#>>'{safety_actions,0,kind}', 'suspension', 'what is to be ratified') FROM evidence;
SELECT is((SELECT string_agg(d->>'role', ', ' ORDER BY d->>'role') FROM jsonb_array_elements(e->'duties') d WHERE d->>'role' LIKE 'ge\_%'),
    'ge_checker, ge_maker', 'who has which duties') FROM evidence;
SELECT ok(e#>'{audit,verification,0}' ? 'status', 'the verification') FROM evidence;
SELECT is(pg_temp.reader($$SELECT mlops.evidence('evidence_test')$$), (SELECT e::text FROM evidence), 'the same again, byte by byte');
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'German';
SET extra_float_digits = -5;
SET bytea_output = 'escape';
SET IntervalStyle = 'iso_8601';
SELECT is(mlops.evidence('evidence_test')::text, (SELECT e::text FROM evidence), 'under other settings');
SELECT isnt(mlops.evidence('evidence_test/1')::text, (SELECT e::text FROM evidence), 'another version has another');
SELECT pg_temp.maker($$SELECT mlops.set_card('evidence_test', '{"purpose": "cards"}', 'r')$$);
SELECT isnt(mlops.evidence('evidence_test')::text, (SELECT e::text FROM evidence), 'and so has another state');
SELECT is((SELECT array_agg(DISTINCT c->>'verdict') FROM jsonb_array_elements(mlops.evidence('evidence_test')->'checks') c), '{pass,unknown}', 'the file and its golden rows are checked');
SELECT is(mlops.evidence('evidence_test')#>>'{aliases,champion,traffic}', '{"shadow": null, "shares": {}}', 'there is no traffic');
SELECT * FROM finish();
ROLLBACK;
