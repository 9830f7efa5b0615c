-- Gates: what a version must show before it is promoted, and the evidence.
\set ECHO none
\set QUIET 1
\ir ../fixtures/stump.sql
\ir ../fixtures/person.sql
BEGIN;
SET client_min_messages = warning;
SELECT plan(127);

CREATE ROLE gg_maker LOGIN; CREATE ROLE gg_checker LOGIN; CREATE ROLE gg_teller LOGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA mlops TO gg_maker, gg_checker, gg_teller;
CREATE TEMPORARY TABLE file AS SELECT pg_temp.stumps('{a}', '{0}', '{0}', '{-1}', '{1}') AS artifact;
GRANT SELECT ON file TO PUBLIC;
CREATE FUNCTION pg_temp.maker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('gg_maker', $1) $$;
CREATE FUNCTION pg_temp.checker(text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.try('gg_checker', $1) $$;
CREATE FUNCTION pg_temp.last() RETURNS bigint LANGUAGE sql AS $$ SELECT max(id) FROM mlops.request $$;
CREATE FUNCTION pg_temp.gate() RETURNS bigint LANGUAGE sql AS $$ SELECT max(id) FROM mlops.gate $$;
CREATE FUNCTION pg_temp.add(arguments text) RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.maker(format($q$SELECT mlops.add_gate('gate_test', %s, reason => 'r') IS NOT NULL$q$, arguments)) $$;
CREATE FUNCTION pg_temp.drop_gates() RETURNS bigint LANGUAGE sql AS
    $$ SELECT count(*) FILTER (WHERE pg_temp.maker(format('SELECT mlops.drop_gate(%s, ''r'')', id)) IS NULL) FROM mlops.gate
       WHERE dropped_at IS NULL AND model_id = (SELECT m.id FROM mlops.model m WHERE m.name = 'gate_test') $$;
-- the verdicts about a version
CREATE FUNCTION pg_temp.verdicts(version integer) RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(concat_ws(' ', verdict, value, threshold), '; ' ORDER BY gate)
       FROM mlops.check_gates(('gate_test/' || version)::mlops.modelref) $$;
CREATE FUNCTION pg_temp.promote(version integer) RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.maker(format($q$SELECT mlops.promote('gate_test/%s', reason => 'r')$q$, version)) $$;
CREATE FUNCTION pg_temp.measure(version integer, rest text) RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.maker(format($q$SELECT mlops.record_measurement('gate_test/%s', %s) IS NOT NULL$q$, version, rest)) $$;

SELECT pg_temp.maker($$SELECT mlops.import_model('gate_test', artifact, metrics => '{"auc": 0.81, "brier": 0.2, "bias": {"sex": {"f": 0.85, "m": 1.1}}}') FROM file$$);
SELECT pg_temp.maker($$SELECT mlops.import_model('gate_test', artifact, metrics => '{"auc": 0.80, "note": "x"}') FROM file$$);
SELECT pg_temp.maker($$SELECT mlops.import_model('gate_test', artifact) FROM file$$);

-- no gate
SELECT is(pg_temp.verdicts(1), NULL, 'without gates there is nothing to pass');
SELECT is(pg_temp.promote(1), 'gate_test/1', 'and a promotion goes');

-- wrong gates
SELECT is(pg_temp.add($$kind => 'luck'$$), '22023', 'unknown kind');
SELECT is(pg_temp.add($$kind => NULL$$), '22023', 'none');
SELECT is(pg_temp.add($$kind => 'metric', at_least => 0.5$$), '22023', 'no metric');
SELECT is(pg_temp.add($$kind => 'metric', metric => 'auc'$$), '22023', 'no bound');
SELECT is(pg_temp.add($$kind => 'metric', metric => 'auc', at_least => 'NaN'$$), '22023', 'no number');
SELECT is(pg_temp.add($$kind => 'metric', metric => 'auc', at_least => 0, tolerance => 1$$), '22023', 'a tolerance is for the champion');
SELECT is(pg_temp.add($$kind => 'champion', metric => 'profit'$$), '22023', 'better is not known');
SELECT is(pg_temp.add($$kind => 'champion', metric => 'auc', better => 'more'$$), '22023', 'nor this');
SELECT is(pg_temp.add($$kind => 'champion', metric => 'auc', tolerance => -1$$), '22023', 'a negative tolerance');
SELECT is(pg_temp.add($$kind => 'champion', metric => 'auc', at_least => 0.5$$), '22023', 'no bound but the champion');
SELECT is(pg_temp.add($$kind => 'fairness', metric => 'ratio', at_least => 0.8$$), '22023', 'no data');
SELECT is(pg_temp.add($$kind => 'check', data => 'drift', metric => 'psi'$$), '22023', 'a check has no metric');
SELECT is(pg_temp.add($$kind => 'check'$$), '22023', 'but a name');
SELECT is(pg_temp.add($$kind => 'check', data => 'drift', max_age => '0'$$), '22023', 'no age');
SELECT is(pg_temp.add($$kind => 'metric', metric => 'auc', at_least => 0, max_age => '1 day'$$), '22023', 'what is registered has no age');
SELECT is(pg_temp.add($$kind => 'card'$$), '22023', 'no fields');
SELECT is(pg_temp.add($$kind => 'card', fields => '{}'$$), '22023', 'none');
SELECT is(pg_temp.add($$kind => 'card', fields => '{purpose}', data => 'x'$$), '22023', 'a card has no data');
SELECT is(pg_temp.add($$kind => 'check', data => 'drift', fields => '{purpose}'$$), '22023', 'a check has no fields');
SELECT is(pg_temp.add($$alias => 'latest', kind => 'check', data => 'drift'$$), '22P02', 'a reserved alias');
SELECT is(pg_temp.maker($$SELECT mlops.add_gate('gate_test', kind => 'check', data => 'drift')$$), '22004', 'a reason is needed');
SELECT is(pg_temp.maker($$SELECT mlops.add_gate('gate_none', kind => 'check', data => 'drift', reason => 'r')$$), 'ML001', 'no such model');
SELECT is(pg_temp.checker($$SELECT mlops.add_gate('gate_test', kind => 'check', data => 'drift', reason => 'r')$$), '42501', 'for the owner');
SELECT is((SELECT count(*) FROM mlops.gates WHERE model = 'gate_test'), 0::bigint, 'none of them is there');
SELECT mlops.grant_privilege('approve', 'gate_test', 'gg_checker');
SELECT mlops.grant_privilege('score', 'gate_test', 'gg_teller');
SELECT is(pg_temp.checker($$SELECT mlops.add_gate('gate_test', kind => 'check', data => 'drift', reason => 'r')$$), '42501', 'for nobody else');

-- a metric and a number
SELECT is(pg_temp.add($$kind => 'metric', metric => 'auc', at_least => 0.8, at_most => 0.99$$), 'true', 'a metric within bounds');
SELECT is(pg_temp.verdicts(2), 'pass 0.80 at least 0.8 and at most 0.99', 'the bound itself passes');
SELECT is(pg_temp.verdicts(3), 'missing at least 0.8 and at most 0.99', 'no metrics');
SELECT is(pg_temp.promote(2), 'gate_test/2', 'who passes is promoted');
SELECT is(pg_temp.try('gg_maker', $$SELECT mlops.promote('gate_test/3', reason => 'r')$$, true),
    format('ML044: gate_test/3 does not pass the gates of alias "champion" Gate %s, metric auc: missing, at least 0.8 and at most 0.99. This version has no such figure.', pg_temp.gate()),
    'who does not, is not, and is told why');
SELECT is(pg_temp.maker($$SELECT mlops.promote('gate_test/3', 'challenger', 'r')$$), 'gate_test/3', 'another alias has other gates');
SELECT is(pg_temp.maker($$SELECT mlops.rollback('gate_test', reason => 'r')$$), 'gate_test/1', 'a rollback passes no gates');
SELECT is(pg_temp.try('gg_teller', $$SELECT count(*) FROM mlops.check_gates('gate_test/2')$$), '1', 'who may score may look');
SELECT is(pg_temp.drop_gates(), 1::bigint, 'drop it');
SELECT is(pg_temp.maker(format('SELECT mlops.drop_gate(%s, ''r'')', pg_temp.gate())), '55000', 'not twice');
SELECT is(pg_temp.maker('SELECT mlops.drop_gate(-1, ''r'')'), '42704', 'no such gate');
SELECT is(pg_temp.verdicts(3), NULL, 'it does not count any more');
SELECT results_eq($$SELECT kind, drop_reason, dropped_by FROM mlops.gates WHERE model = 'gate_test'$$, $$VALUES ('metric', 'r', 'gg_maker'::name)$$, 'but is kept');

-- named data
SELECT is(pg_temp.add($$kind => 'metric', metric => 'cost.mean', data => '2025', at_most => 3, max_age => '1 day'$$), 'true', 'a figure on data');
SELECT is(pg_temp.verdicts(2), 'missing', 'not measured');
SELECT is(pg_temp.measure(2, $$'2025', '{"cost": {"mean": 4}}'$$), 'true', 'measure');
SELECT is(pg_temp.verdicts(2), 'fail 4 at most 3', 'too much');
SELECT is(pg_temp.measure(2, $$'2024', '{"cost": {"mean": 1}}'$$), 'true', 'measure other data');
SELECT is(pg_temp.verdicts(2), 'fail 4 at most 3', 'which do not count');
SELECT is(pg_temp.measure(2, $$'2025', '{"cost": {"mean": 2.5}}'$$), 'true', 'measure again');
SELECT is(pg_temp.verdicts(2), 'pass 2.5 at most 3', 'the latest counts');
SELECT is(pg_temp.measure(2, $$'2025', '{"cost": {"mean": "low"}}'$$), 'true', 'a text');
SELECT is(pg_temp.verdicts(2), 'missing at most 3', 'is no figure');
SELECT is(pg_temp.measure(1, $$''$$), '22023', 'data need a name');
SELECT is(pg_temp.measure(1, $$NULL$$), '22004', 'not NULL');
SELECT is(pg_temp.measure(1, $$'x', '[1]'$$), '22023', 'metrics are an object');
SELECT is(pg_temp.measure(1, $$'x', verdict => 'maybe'$$), '22023', 'a verdict is pass or fail');
SELECT is(pg_temp.measure(1, $$'x', data_sha256 => 'abc'$$), '22023', 'a hash has 32 bytes');
SELECT is(pg_temp.try('gg_teller', $$SELECT mlops.record_measurement('gate_test/1', 'x')$$), '42501', 'not for everybody');
SELECT is(pg_temp.checker($$SELECT mlops.record_measurement('gate_test/1', 'x') IS NOT NULL$$), 'true', 'an approver may');
SELECT is((SELECT created_by FROM mlops.measurements WHERE model = 'gate_test' AND data = 'x'), 'gg_checker', 'and is recorded');
-- age: the row is made older where the log does not look
ALTER TABLE mlops.measurement DISABLE TRIGGER refuse_change;
SELECT pg_temp.measure(2, $$'2025', '{"cost": {"mean": 2}}'$$);
UPDATE mlops.measurement SET created_at = created_at - interval '25 hours' WHERE data = '2025';
SELECT is(pg_temp.verdicts(2), 'fail not older than 24:00:00', 'too old');
UPDATE mlops.measurement SET created_at = created_at + interval '25 hours' WHERE data = '2025';
ALTER TABLE mlops.measurement ENABLE ALWAYS TRIGGER refuse_change;
SELECT is(pg_temp.drop_gates(), 1::bigint, 'drop it');

-- the champion
SELECT is(pg_temp.add($$kind => 'champion', metric => 'auc', data => '2025', tolerance => 0.01$$), 'true', 'not worse than the champion');
SELECT pg_temp.measure(1, $$'2025', '{"auc": 0.81}'$$);
SELECT pg_temp.measure(2, $$'2025', '{"auc": 0.80}'$$);
SELECT is(pg_temp.verdicts(2), 'pass 0.80 at least 0.80', 'worse by no more than the tolerance, in decimal digits');
SELECT is((SELECT message FROM mlops.check_gates('gate_test/2')), 'gate_test/1 has 0.81.', 'than what it has');
SELECT pg_temp.measure(2, $$'2025', '{"auc": 0.7999}'$$);
SELECT is(pg_temp.verdicts(2), 'fail 0.7999 at least 0.80', 'worse');
SELECT is(pg_temp.promote(2), 'ML044', 'and refused');
SELECT is(pg_temp.verdicts(3), 'missing', 'not measured');
SELECT is(pg_temp.verdicts(1), 'pass 0.81', 'the champion itself');
SELECT pg_temp.measure(2, $$'2025', '{"auc": 0.9}', data_sha256 => sha256('other')$$);
SELECT is((SELECT verdict || ' ' || message FROM mlops.check_gates('gate_test/2')), 'missing gate_test/1 was not measured on the same rows.', 'other data of the same name');
SELECT is(pg_temp.drop_gates(), 1::bigint, 'drop it');
SELECT is(pg_temp.add($$kind => 'champion', metric => 'auc'$$), 'true', 'by what was registered');
SELECT is((SELECT verdict || ' ' || message FROM mlops.check_gates('gate_test/2')), 'missing gate_test/1 was not measured on the same rows.', 'which nobody knows of imported versions');
SELECT is(pg_temp.drop_gates(), 1::bigint, 'drop it');
SELECT is(pg_temp.add($$kind => 'champion', metric => 'loss', better => 'lower', data => 'l'$$), 'true', 'where less is better');
SELECT pg_temp.measure(1, $$'l', '{"loss": 1}'$$), pg_temp.measure(2, $$'l', '{"loss": 1.1}'$$), pg_temp.measure(3, $$'l', '{"loss": 0.9}'$$);
SELECT is(pg_temp.verdicts(2) || ', ' || pg_temp.verdicts(3), 'fail 1.1 at most 1, pass 0.9 at most 1', 'more fails, less passes');
SELECT is(pg_temp.drop_gates(), 1::bigint, 'drop it');

-- trained versions are compared by what was held out of the same rows
CREATE TABLE gate_loan AS SELECT i AS id, i % 7 AS a, i % 3 = 0 AS bad FROM generate_series(1, 300) i;
DO $do$ BEGIN PERFORM mlops.train('gate_trained', 'SELECT * FROM gate_loan', 'bad', key => 'id', rounds => 3, features => '{a}'); END $do$;
DO $do$ BEGIN PERFORM mlops.train('gate_trained', 'SELECT * FROM gate_loan', 'bad', key => 'id', rounds => 2, features => '{a}'); END $do$;
DO $do$ BEGIN PERFORM mlops.train('gate_trained', 'SELECT * FROM gate_loan', 'bad', key => 'id', rounds => 2, seed => 5, features => '{a}'); END $do$;
DO $do$ BEGIN PERFORM mlops.promote('gate_trained/1', reason => 'r'); END $do$;
SELECT isnt(mlops.add_gate('gate_trained', kind => 'champion', metric => 'log_loss', tolerance => 10, reason => 'r'), NULL, 'a gate');
SELECT is((SELECT verdict FROM mlops.check_gates('gate_trained/2')), 'pass', 'the same rows held out');
SELECT is((SELECT verdict FROM mlops.check_gates('gate_trained/3')), 'missing', 'others by another seed');
DROP TABLE gate_loan;

-- fairness
SELECT is(pg_temp.add($$kind => 'fairness', metric => 'impact', data => 'bias', at_least => 0.8, at_most => 1.25$$), 'true', 'fairness');
SELECT pg_temp.measure(2, $$'bias', '{"impact": {"f": 0.79, "m": 1}}'$$), pg_temp.measure(1, $$'bias', '{"impact": {"f": 0.9, "m": 1.3}}'$$),
       pg_temp.measure(3, $$'bias', '{"impact": {"f": 0.9, "m": 1.2}}'$$);
SELECT is(pg_temp.verdicts(2), 'fail 0.79 at least 0.8 and at most 1.25', 'one group has too little');
SELECT is(pg_temp.verdicts(1), 'fail 1.3 at least 0.8 and at most 1.25', 'another too much');
SELECT is(pg_temp.verdicts(3), 'pass 0.9 at least 0.8 and at most 1.25', 'none');
SELECT pg_temp.measure(3, $$'bias', '{"impact": {"f": 0.9, "m": null}}'$$);
SELECT is(pg_temp.verdicts(3), 'missing at least 0.8 and at most 1.25', 'one unknown');
SELECT pg_temp.measure(3, $$'bias', '{"impact": {}}'$$);
SELECT is(pg_temp.verdicts(3), 'missing at least 0.8 and at most 1.25', 'no group');
SELECT is(pg_temp.drop_gates(), 1::bigint, 'drop it');

-- checks
SELECT is(pg_temp.add($$kind => 'check', data => 'drift', max_age => '1 day'$$), 'true', 'a check');
SELECT is(pg_temp.verdicts(2), 'missing', 'not done');
SELECT pg_temp.measure(2, $$'drift', verdict => 'fail'$$);
SELECT is(pg_temp.verdicts(2), 'fail pass', 'failed');
SELECT pg_temp.measure(2, $$'drift', verdict => 'pass'$$);
SELECT is(pg_temp.verdicts(2), 'pass pass', 'passed');
SELECT pg_temp.measure(2, $$'drift'$$);
SELECT is(pg_temp.verdicts(2), 'missing pass', 'no verdict');
SELECT is(pg_temp.drop_gates(), 1::bigint, 'drop it');

-- the card
SELECT is(pg_temp.add($$kind => 'card', fields => '{description,purpose,limits.age,owners}'$$), 'true', 'a card');
SELECT is((SELECT verdict || ': ' || message FROM mlops.check_gates('gate_test/2')), 'fail: The card does not have: description, purpose, limits.age, owners.', 'empty');
SELECT is(pg_temp.maker($$SELECT mlops.set_card('gate_test', '{"description": " ", "purpose": "cards", "limits": {"age": "18 to 80"}, "owners": []}', 'r')$$), '', 'fill it');
SELECT is((SELECT message FROM mlops.check_gates('gate_test/2')), 'The card does not have: description, owners.', 'not in full');
SELECT is(pg_temp.maker($$SELECT mlops.set_card('gate_test', '{"description": "x", "purpose": "cards", "limits": {"age": "18 to 80"}, "owners": ["retail"]}', 'r')$$), '', 'in full');
SELECT is(pg_temp.verdicts(2), 'pass filled', 'now');
SELECT is(pg_temp.maker($$SELECT mlops.set_card('gate_test', '[]', 'r')$$), '22023', 'an object');
SELECT is(pg_temp.maker($$SELECT mlops.set_card('gate_test', '{}', '')$$), '22004', 'with a reason');
SELECT is(pg_temp.checker($$SELECT mlops.set_card('gate_test', '{}', 'r')$$), '42501', 'by who manages it');
SELECT is((SELECT card->>'purpose' FROM mlops.cards WHERE model = 'gate_test'), 'cards', 'cards');
SELECT is(pg_temp.drop_gates(), 1::bigint, 'drop it');

-- approvals
SELECT pg_temp.maker($$SELECT mlops.set_policy('gate_test', approvals => 1, reason => 'r')$$);
SELECT is(pg_temp.add($$kind => 'metric', metric => 'auc', data => 'h', at_least => 0.5$$), 'true', 'more is asked for at once');
SELECT is(pg_temp.promote(2), 'ML044', 'a request is not even opened');
SELECT pg_temp.measure(2, $$'h', '{"auc": 0.8}'$$);
SELECT is(pg_temp.promote(2), NULL, 'until it passes');
SELECT is((SELECT package->'gates'->0->>'value' FROM mlops.requests WHERE id = pg_temp.last()), '0.8', 'the package has the gates with their figures');
SELECT pg_temp.measure(2, $$'h', '{"auc": 0.7}'$$);
SELECT is((SELECT status || ': ' || problem FROM mlops.requests WHERE id = pg_temp.last()), 'void: gates changed', 'another figure voids it');
SELECT is(pg_temp.promote(2), NULL, 'anew');
SELECT is(pg_temp.add($$kind => 'metric', metric => 'auc', data => 'h', at_most => 1$$), 'true', 'another gate');
SELECT is((SELECT status || ': ' || problem FROM mlops.requests WHERE id = pg_temp.last()), 'void: gates changed', 'voids it too');
SELECT isnt(pg_temp.maker(format('SELECT mlops.drop_gate(%s, ''r'')', pg_temp.gate())), NULL, 'less is a request');
SELECT is((SELECT kind || ' ' || status FROM mlops.requests WHERE id = pg_temp.last()), 'gate open', 'as all are');
SELECT is((SELECT count(*) FROM mlops.check_gates('gate_test/2')), 2::bigint, 'the gate stands');
SELECT is(pg_temp.maker(format('SELECT mlops.approve(%s)', pg_temp.last())), '42501', 'the maker does not drop it');
SELECT is(pg_temp.checker(format('SELECT mlops.approve(%s)', pg_temp.last())), 'executed', 'the checker does');
SELECT is((SELECT count(*) FROM mlops.check_gates('gate_test/2')), 1::bigint, 'it is gone');
SELECT is(pg_temp.promote(2), NULL, 'a request');
SELECT is(pg_temp.checker(format('SELECT mlops.approve(%s)', pg_temp.last())), 'executed', 'that passes is executed');
-- what falls through a gate after the approval
SELECT pg_temp.maker($$SELECT mlops.set_policy('gate_test', execution => 'explicit', reason => 'r')$$);
SELECT is(pg_temp.add($$kind => 'check', data => 'drift'$$), 'true', 'a check');
SELECT pg_temp.measure(1, $$'drift', verdict => 'pass'$$), pg_temp.measure(1, $$'h', '{"auc": 0.8}'$$);
SELECT is(pg_temp.promote(1), NULL, 'a request');
SELECT is(pg_temp.checker(format('SELECT mlops.approve(%s)', pg_temp.last())), 'approved', 'is approved');
SELECT pg_temp.measure(1, $$'drift', verdict => 'fail'$$);
SELECT is(pg_temp.maker(format('SELECT mlops.execute(%s)', pg_temp.last())), 'ML043', 'and void when a check fails');

-- the log
SELECT is((SELECT string_agg(v.detail, ' ') FROM mlops.verify_audit(checks => '{state}') v WHERE v.status = 'STATE_MISMATCH' AND v.detail ~ 'gate_test'), NULL,
    'all of it is what the log says');
SELECT throws_ok('UPDATE mlops.gate SET at_least = 0', 'ML040', NULL, 'a gate does not change');
SELECT throws_ok('DELETE FROM mlops.gate', 'ML040', NULL, 'nor go');
SELECT throws_ok('UPDATE mlops.measurement SET metrics = ''{}''', 'ML040', NULL, 'nor a measurement');
SELECT throws_ok('DELETE FROM mlops.card', 'ML040', NULL, 'nor a card');
SELECT * FROM finish();
ROLLBACK;
