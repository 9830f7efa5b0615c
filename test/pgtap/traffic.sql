-- Traffic: shares of keys, the version computed beside, recorded predictions.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SELECT plan(79);

CREATE ROLE gt_maker LOGIN; CREATE ROLE gt_checker LOGIN; CREATE ROLE gt_teller LOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO gt_maker, gt_checker, gt_teller;
CREATE FUNCTION pg_temp.maker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('gt_maker', $1) $$;
CREATE FUNCTION pg_temp.checker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('gt_checker', $1) $$;
CREATE FUNCTION pg_temp.teller(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('gt_teller', $1) $$;
CREATE FUNCTION pg_temp.last() RETURNS bigint LANGUAGE sql AS $$ SELECT max(id) FROM mlops.request $$;

-- version n gives n for a < 0 and -n for others
CREATE TEMPORARY TABLE file AS SELECT v, pg_temp.stumps('{a}', '{0}', '{0}', ARRAY[v::float8], ARRAY[-v::float8], 'reg:squarederror') AS artifact
FROM generate_series(1, 4) v;
GRANT SELECT ON file TO PUBLIC;
SELECT pg_temp.maker(format('SELECT mlops.import_model(''traffic_test'', artifact) FROM file WHERE v = %s', v)) FROM generate_series(1, 4) v \g /dev/null
SELECT pg_temp.maker($$SELECT mlops.promote('traffic_test/1', reason => 'r')$$) \g /dev/null
SELECT pg_temp.maker(format('SELECT mlops.grant_privilege(%L, ''traffic_test'', %L)', p, r))
FROM (VALUES ('approve', 'gt_checker'), ('approve', 'gt_maker'), ('read', 'gt_checker'), ('score', 'gt_teller')) g (p, r) \g /dev/null
CREATE FUNCTION pg_temp.traffic(weights text, alias text DEFAULT 'champion') RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.maker(format($q$SELECT mlops.set_traffic('traffic_test', %L, %L, 'r')$q$, alias, weights)) $$;
CREATE FUNCTION pg_temp.shares() RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(concat_ws(' ', role, version, share), ', ' ORDER BY role, version) FROM mlops.traffic_shares WHERE model = 'traffic_test' $$;
-- the version of each of some keys, by the definition
CREATE FUNCTION pg_temp.bucket(key text, alias text DEFAULT 'champion') RETURNS integer LANGUAGE sql AS
    $$ SELECT (('x' || left(encode(sha256(convert_to(format(E'mlops/traffic/v1\ntraffic_test@%s\n%s', alias, key), 'UTF8')), 'hex'), 15))::bit(60)::bigint % 10000)::integer $$;

-- without traffic
SELECT is(mlops.route('traffic_test', 'x')::text, 'traffic_test/1', 'the version of the alias');
SELECT is(mlops.route('traffic_test/3', 'x')::text, 'traffic_test/3', 'a version is itself');
SELECT is(mlops.route('traffic_test', NULL)::text, NULL, 'no key');
SELECT throws_ok($$SELECT mlops.route('traffic_none', 'x')$$, 'ML001', NULL, 'no model');
SELECT throws_ok($$SELECT mlops.route('traffic_test@other', 'x')$$, 'ML003', NULL, 'no alias');
SELECT is(pg_temp.shares(), NULL, 'no shares');

-- what is refused
SELECT is(pg_temp.traffic('[1]'), '22023', 'no object');
SELECT is(pg_temp.traffic('{"x": 0.1}'), '22023', 'no version');
SELECT is(pg_temp.traffic('{"02": 0.1}'), '22023', 'a version in another form');
SELECT is(pg_temp.traffic('{"2": "0.1"}'), '22023', 'no number');
SELECT is(pg_temp.traffic('{"2": -0.1}'), '22023', 'less than nothing');
SELECT is(pg_temp.traffic('{"2": 1.1}'), '22023', 'more than all');
SELECT is(pg_temp.traffic('{"2": 0.00001}'), '22023', 'too fine');
SELECT is(pg_temp.traffic('{"2": 0.6, "3": 0.6}'), '22023', 'more than all together');
SELECT is(pg_temp.traffic('{"9": 0.1}'), 'ML002', 'a version that is not there');
SELECT is(pg_temp.traffic('{"1": 0.1}'), '22023', 'the version of the alias');
SELECT is(pg_temp.traffic('{"2": 0.1}', 'other'), 'ML003', 'an alias that is not there');
SELECT is(pg_temp.maker($$SELECT mlops.set_traffic('traffic_test', weights => '{"2": 0.1}')$$), '22004', 'no reason');
SELECT is(pg_temp.teller($$SELECT mlops.set_traffic('traffic_test', weights => '{"2": 0.1}', reason => 'r')$$), '42501', 'who may only score');
SELECT is(pg_temp.maker($$SELECT mlops.set_shadow('traffic_test', version => 9, reason => 'r')$$), 'ML002', 'a shadow that is not there');
SELECT is(pg_temp.maker($$SELECT mlops.set_shadow('traffic_test', version => 1, reason => 'r')$$), '22023', 'the version of the alias as its shadow');

-- shares
SELECT is(pg_temp.traffic('{"2": 0.1, "3": 0.2555}'), NULL, 'two versions get shares');
SELECT is(pg_temp.shares(), 'rest 1 0.6445, share 2 0.1, share 3 0.2555', 'which the view shows');
CREATE TEMPORARY TABLE placed AS SELECT key::text, mlops.route('traffic_test', key::text)::text AS version FROM generate_series(1, 20000) key;
SELECT is((SELECT count(*)::integer FROM placed WHERE version <> 'traffic_test/' || CASE WHEN pg_temp.bucket(key) < 1000 THEN 2 WHEN pg_temp.bucket(key) < 3555 THEN 3 ELSE 1 END), 0,
    'each key has the version of its bucket');
SELECT cmp_ok((SELECT max(abs(n - e) / sqrt(e)) FROM (SELECT count(*) AS n, CASE version WHEN 'traffic_test/1' THEN 12890.0 WHEN 'traffic_test/2' THEN 2000 ELSE 5110 END AS e
                                                      FROM placed GROUP BY version) s), '<', 4.0, 'of many keys each version has its share');
SELECT is(mlops.route('traffic_test'::text::mlops.modelref, 'clé ß 中')::text,
    'traffic_test/' || CASE WHEN pg_temp.bucket('clé ß 中') < 1000 THEN 2 WHEN pg_temp.bucket('clé ß 中') < 3555 THEN 3 ELSE 1 END, 'a key of any letters');
SELECT is((SELECT count(*)::integer FROM placed p, (SELECT -1 AS a) r WHERE mlops.predict(mlops.route('traffic_test', p.key), r) <> right(p.version, 1)::float8), 0, 'each key is scored by its version');
SELECT is((SELECT count(*)::integer FROM placed p WHERE mlops.predict_margin(mlops.route('traffic_test', p.key), '{1}'::float8[]) <> ARRAY[-right(p.version, 1)::float8]), 0, 'on every path');
SELECT is(mlops.predict('traffic_test', '{-1}'::float8[]), 1::float8, 'without a key the version of the alias');
SELECT is(pg_temp.traffic('{"2": 0.3}'), NULL, 'other shares');
SELECT is((SELECT count(*)::integer FROM placed WHERE version = 'traffic_test/2' AND mlops.route('traffic_test', key)::text <> version), 0, 'a share that grows keeps its keys');
SELECT is(pg_temp.traffic('{"2": 1}'), NULL, 'all keys');
SELECT is((SELECT array_agg(DISTINCT mlops.route('traffic_test', key)::text) FROM placed), '{traffic_test/2}', 'go to one version');
SELECT is(pg_temp.shares(), 'rest 1 0, share 2 1', 'and none to the other');
SELECT is(pg_temp.teller($$SELECT mlops.route('traffic_test', 'x')$$), 'traffic_test/2', 'who may score may ask');
SELECT is(pg_temp.teller($$SELECT count(*) FROM mlops.traffic$$), '42501', 'but not see the table');
SELECT is(pg_temp.traffic('{"2": 0}'), NULL, 'a share of nothing');
SELECT is(pg_temp.shares(), NULL, 'is none');
SELECT is(mlops.route('traffic_test', 'x')::text, 'traffic_test/1', 'and all is as it was');

-- sixteen versions alternate in one statement
SELECT is((SELECT count(*)::integer FROM generate_series(1, 2000) i, (SELECT -1 AS a) r
           WHERE mlops.predict(('traffic_test/' || 1 + i % 4)::mlops.modelref, r) <> 1 + i % 4), 0, 'versions that change from row to row');

-- a change of the alias
SELECT is(pg_temp.traffic('{"2": 0.5}'), NULL, 'a share again');
SELECT is(pg_temp.maker($$SELECT mlops.set_shadow('traffic_test', version => 3, reason => 'r')$$), NULL, 'and a version beside');
SELECT is(pg_temp.shares(), 'rest 1 0.5, shadow 3, share 2 0.5', 'both');
SELECT is(pg_temp.maker($$SELECT mlops.promote('traffic_test/2', reason => 'r')$$), 'traffic_test/2', 'a promotion');
SELECT is(pg_temp.shares(), NULL, 'ends both');
SELECT is(pg_temp.traffic('{"3": 0.5}'), NULL, 'a share beside the new version');
SELECT is(pg_temp.maker($$SELECT mlops.rollback('traffic_test', reason => 'r')$$), 'traffic_test/1', 'a rollback');
SELECT is(pg_temp.shares(), NULL, 'ends it, too');

-- gates and approvals
SELECT pg_temp.maker($$SELECT mlops.add_gate('traffic_test', kind => 'metric', metric => 'auc', at_least => 0.7, reason => 'r')$$) \g /dev/null
SELECT is(pg_temp.traffic('{"2": 0.1}'), 'ML044', 'a gate keeps a version from a share');
SELECT is(pg_temp.maker($$SELECT mlops.set_shadow('traffic_test', version => 2, reason => 'r')$$), 'ML044', 'and from the shadow');
SELECT pg_temp.maker('SELECT mlops.drop_gate(max(id), ''r'') FROM mlops.gate') \g /dev/null
SELECT pg_temp.maker($$SELECT mlops.drop_gate((SELECT max(gate) FROM mlops.check_gates('traffic_test/1')), 'r')$$) \g /dev/null
SELECT pg_temp.maker($$SELECT mlops.set_policy('traffic_test', approvals => 1, reason => 'r')$$) \g /dev/null
SELECT is(pg_temp.traffic('{"2": 0.2}'), pg_temp.last()::text, 'where approvals are needed there is a request');
SELECT is(pg_temp.shares(), NULL, 'which changes nothing yet');
SELECT is((SELECT concat_ws(' ', kind, status, package->'after') FROM mlops.requests WHERE id = pg_temp.last()), 'traffic open {"shadow": null, "shares": {"2": 0.2}}', 'but says what is to be');
SELECT is(pg_temp.maker(format('SELECT mlops.approve(%s)', pg_temp.last())), 'ML041', 'the maker is no checker');
SELECT is(pg_temp.checker(format('SELECT mlops.approve(%s)', pg_temp.last())), 'executed', 'another one is');
SELECT is(pg_temp.shares(), 'rest 1 0.8, share 2 0.2', 'and it is done');
SELECT is(pg_temp.traffic('{"2": 0.1}'), NULL, 'less needs no approval');
SELECT is(pg_temp.shares(), 'rest 1 0.9, share 2 0.1', 'it is done at once');
SELECT is(pg_temp.maker($$SELECT mlops.set_shadow('traffic_test', version => 3, reason => 'r')$$), pg_temp.last()::text, 'a shadow is a request');
SELECT is(pg_temp.traffic('{}'), NULL, 'the end of all shares is none');
SELECT is((SELECT status || ': ' || problem FROM mlops.requests WHERE id = pg_temp.last()), 'void: before changed', 'and a request about what was there before is void');
SELECT is(pg_temp.maker($$SELECT mlops.set_shadow('traffic_test', version => 3, reason => 'r')$$), pg_temp.last()::text, 'once more');
SELECT is(pg_temp.checker(format('SELECT mlops.approve(%s)', pg_temp.last())), 'executed', 'approved');

-- recorded predictions
SELECT is(pg_temp.teller($$SELECT mlops.log_prediction('traffic_test', r, 'k1') FROM (SELECT -1 AS a) r$$), '1', 'a score is given');
SELECT results_eq($$SELECT version, alias, key, shadow, score, margins, error, scored_by::text COLLATE "default" FROM mlops.predictions WHERE model = 'traffic_test' ORDER BY id$$,
    $$VALUES (1, 'champion', 'k1', false, 1::float8, '{1}'::float8[], NULL, 'gt_teller'), (3, 'champion', 'k1', true, 3, '{3}', NULL, 'gt_teller')$$, 'and recorded, with that of the shadow');
SELECT is(pg_temp.teller($$SELECT mlops.log_prediction('traffic_test/4', r, 'k2') FROM (SELECT -1 AS a) r$$), '4', 'of a version');
SELECT is((SELECT count(*)::integer FROM mlops.predictions WHERE key = 'k2'), 1, 'there is no shadow');
SELECT is(pg_temp.teller($$SELECT mlops.log_prediction('traffic_test', r, 'k3') FROM (SELECT -1 AS b) r$$), 'ML020', 'a row that cannot be scored is an error');
SELECT is(pg_temp.teller($$SELECT mlops.log_prediction('traffic_test', r, NULL) FROM (SELECT -1 AS a) r$$), '22004', 'so is no key');
SELECT is(pg_temp.checker($$SELECT mlops.log_prediction('traffic_test', r, 'k3') FROM (SELECT -1 AS a) r$$), '42501', 'who may not score');
SELECT is(pg_temp.teller('SELECT count(*) FROM mlops.predictions'), '0', 'who may only score sees none');
SELECT pg_temp.maker($$SELECT mlops.import_model('traffic_test', pg_temp.stumps('{a,b}', '{0,1}', '{0,0}', '{1,1}', '{1,1}', 'reg:squarederror'))$$) \g /dev/null
SELECT pg_temp.maker($$SELECT mlops.set_shadow('traffic_test', version => 5, reason => 'r')$$) \g /dev/null
SELECT pg_temp.checker(format('SELECT mlops.approve(%s)', pg_temp.last())) \g /dev/null
SELECT is(pg_temp.teller($$SELECT mlops.log_prediction('traffic_test', r, 'k4') FROM (SELECT -1 AS a) r$$), '1', 'a shadow that fails does no harm');
SELECT matches((SELECT error FROM mlops.predictions WHERE key = 'k4' AND shadow), 'row lacks 1 column', 'its error is recorded');
SELECT is(pg_temp.teller($$SELECT mlops.forget_predictions('traffic_test', now(), 'r')$$), '42501', 'not everybody may forget');
SELECT is(pg_temp.maker($$SELECT mlops.forget_predictions('traffic_test', clock_timestamp(), 'r')$$), '5', 'old ones can be deleted');
SELECT is((SELECT count(*)::integer FROM mlops.predictions), 0, 'they are gone');

-- suspension
SELECT pg_temp.maker($$SELECT mlops.suspend('traffic_test', 'r')$$) \g /dev/null
SELECT is(mlops.route('traffic_test', 'x')::text, 'traffic_test', 'a suspended model is itself');
SELECT is(pg_temp.teller($$SELECT mlops.log_prediction('traffic_test', r, 'k5') FROM (SELECT -1 AS a) r$$), 'ML004', 'and raises');
SELECT pg_temp.maker($$SELECT mlops.resume('traffic_test', 'r')$$) \g /dev/null

SELECT is((SELECT string_agg(status, ' ') FROM mlops.verify_audit(checks => '{state,artifacts}')), 'OK', 'the audit log agrees with all that');

SELECT * FROM finish();
ROLLBACK;
