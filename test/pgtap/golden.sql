-- Golden rows: kept with every version, compared whenever it is loaded.
\set ECHO none
\set QUIET 1
\set top `pwd`
\ir ../fixtures/stump.sql
BEGIN;
SELECT plan(85);
SELECT set_config('test.top', :'top', true) \g /dev/null

CREATE ROLE golden_maker;
CREATE ROLE golden_reader;
CREATE ROLE golden_teller;
GRANT EXECUTE ON FUNCTION mlops.add_golden_row(mlops.modelref, jsonb, float8[], text),
    mlops.promote(mlops.modelref, text, text, text) TO golden_maker, golden_reader;

-- the bits of all numbers of a version's golden rows
CREATE FUNCTION pg_temp.bits(mlops.modelref) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(encode(array_send(features) || array_send(margins), 'hex'), ',' ORDER BY number)
    FROM mlops.golden_rows WHERE model || '/' || version = $1::text $$;
-- golden rows whose margins are not those that scoring gives
CREATE FUNCTION pg_temp.different(wanted text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM mlops.golden_rows g
    WHERE g.model = wanted
      AND array_send(g.margins) <> array_send(mlops.predict_margin((g.model || '/' || g.version)::mlops.modelref, g.features)) $$;
CREATE FUNCTION pg_temp.verdicts(mlops.modelref) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(item || ' ' || verdict, ', ') FROM mlops.verify_model($1) $$;
CREATE FUNCTION pg_temp.id(mlops.modelref) RETURNS bigint LANGUAGE sql AS $$
    SELECT v.id FROM mlops.version v JOIN mlops.model m ON m.id = v.model_id WHERE m.name || '/' || v.version = $1::text $$;

--
-- A version that is imported
--
SELECT mlops.import_model('golden_test', pg_temp.stumps('{a,b}', '{0,1,0}', '{0.1,1000,-3}', '{-1,0.5,0.3}', '{1,-0.5,0.7}'))
FROM generate_series(1, 2) \g /dev/null
SELECT is((SELECT array_agg(number ORDER BY number) FROM mlops.golden_rows WHERE model = 'golden_test' AND version = 1),
    ARRAY(SELECT generate_series(0, 31)), 'a version has 32 golden rows');
SELECT is((SELECT features FROM mlops.golden_rows WHERE model = 'golden_test' AND version = 1 AND number = 0),
    '{NULL,NULL}'::float8[], 'in the first all is missing');
SELECT is(pg_temp.different('golden_test'), 0::bigint, 'the margins are those of scoring, to the bit');
SELECT cmp_ok((SELECT count(DISTINCT features) FROM mlops.golden_rows WHERE model = 'golden_test' AND version = 1), '>', 8::bigint,
    'rows are different');
SELECT cmp_ok((SELECT count(*) FROM mlops.golden_rows WHERE model = 'golden_test' AND version = 1 AND features[1] = 0.1::float4), '>', 0::bigint,
    'some values are a threshold');
SELECT cmp_ok((SELECT count(*) FROM mlops.golden_rows WHERE model = 'golden_test' AND version = 1
                                                        AND abs(features[1] - 0.1::float4) BETWEEN 1e-10 AND 1e-8), '>', 0::bigint,
    'some the float next to one');
SELECT is((SELECT count(DISTINCT margins) FROM mlops.golden_rows WHERE model = 'golden_test' AND version = 1), 6::bigint,
    'of 3 stumps, two on one feature, every combination of leaves is reached');
SELECT is(pg_temp.bits('golden_test/1'), pg_temp.bits('golden_test/2'), 'one file has the same rows again');
SELECT is((SELECT count(*) FROM mlops.golden_rows WHERE model = 'golden_test' AND (added_by IS NOT NULL OR added_at IS NOT NULL OR source IS NOT NULL)),
    0::bigint, 'nobody has added them');
SELECT is(mlops._golden_digest(pg_temp.id('golden_test/1')),
    (SELECT encode(sha256(string_agg(int4send(number) || array_send(features) || array_send(margins), '' ORDER BY number)), 'hex')
     FROM mlops.golden_rows WHERE model = 'golden_test' AND version = 1), 'their digest is over all bits');
SELECT isnt(mlops._golden_digest(pg_temp.id('golden_test/1')), mlops._golden_digest(0), 'no rows have no digest');
SELECT is(pg_temp.verdicts('golden_test/1'), 'artifact pass, structure pass, signature pass, golden rows pass, library unknown',
    'verify_model: nothing is known of the library of an imported file');
SELECT matches((SELECT detail FROM mlops.verify_model('golden_test/1') WHERE item = 'library'), 'xgboost 1\.7\.4; .*mlops\.add_golden_row\(\)', 'and it says what to do');
SELECT lives_ok($$SELECT mlops.promote('golden_test/1', reason => 'test')$$, 'it is promoted');
SELECT is(pg_temp.verdicts('golden_test'), pg_temp.verdicts('golden_test/1'), 'verify_model takes an alias');

--
-- Rows from elsewhere
--
SELECT is(mlops.add_golden_row('golden_test', '{"a": 5, "b": null}', ARRAY[(1 + -0.5 + 0.7)::float8], 'notebook'), 32, 'a row is added');
SELECT results_eq($$SELECT features, source, added_by FROM mlops.golden_rows WHERE model = 'golden_test' AND number = 32$$,
    $$SELECT '{5,NULL}'::float8[], 'notebook', session_user$$, 'with its source and who added it');
SELECT is((SELECT margins[1] FROM mlops.golden_rows WHERE model = 'golden_test' AND number = 32),
    (mlops.predict_margin('golden_test', '{5,NULL}'::float8[]))[1], 'and with the margin that the version gives');
SELECT is(mlops.add_golden_row('golden_test/1', '{"a": -5, "b": 2000, "c": 1}', '{-1.20000005}'), 33, 'the next by 9 digits');
SELECT is(pg_temp.verdicts('golden_test/1'), 'artifact pass, structure pass, signature pass, golden rows pass, library pass',
    'the library is known by them');
SELECT matches((SELECT detail FROM mlops.verify_model('golden_test/1') WHERE item = 'golden rows'), 'margins of 34 rows .* 2 of them from elsewhere', 'they are compared');
SELECT throws_ok($$SELECT mlops.add_golden_row('golden_test/1', '{"a": 5, "b": null}', '{1.20000017}')$$, 'ML013',
    'version 1 of model "golden_test" gives the row other margins', 'a margin that is one float off is refused');
SELECT throws_ok($$SELECT mlops.add_golden_row('golden_test/1', '{"a": 5, "b": null}', '{NaN}')$$, 'ML013', NULL, 'so is no number');
SELECT throws_ok($$SELECT mlops.add_golden_row('golden_test/1', '{"a": 5, "b": null}', '{NULL}')$$, 'ML013', NULL, 'and NULL');
SELECT throws_ok($$SELECT mlops.add_golden_row('golden_test/1', '{"a": 5, "b": null}', '{1.2,1}')$$, '22023', NULL, 'a margin too many');
SELECT throws_ok($$SELECT mlops.add_golden_row('golden_test/1', '{"a": 5, "b": null}', '{}')$$, '22023', NULL, 'none');
SELECT throws_ok($$SELECT mlops.add_golden_row('golden_test/1', '{"a": 5}', '{1.2}')$$, 'ML020', NULL, 'a row that lacks a feature');
SELECT throws_ok($$SELECT mlops.add_golden_row('golden_test/1', '{"a": "x", "b": 1}', '{1.2}')$$, 'ML020', NULL, 'one that cannot be read');
SELECT throws_ok($$SELECT mlops.add_golden_row('golden_test/1', NULL, '{1.2}')$$, '22004', NULL, 'no row');
SELECT throws_ok($$SELECT mlops.add_golden_row('golden_test/1', '{"a": 5, "b": null}', NULL)$$, '22004', NULL, 'no margins');
SELECT throws_ok($$SELECT mlops.add_golden_row(NULL, '{"a": 5, "b": null}', '{1.2}')$$, '22004', NULL, 'no version');
SELECT throws_ok($$SELECT mlops.add_golden_row('golden_test/9', '{"a": 5, "b": null}', '{1.2}')$$, 'ML002', NULL, 'one that does not exist');
SELECT is((SELECT count(*) FROM mlops.golden_rows WHERE model = 'golden_test' AND version = 1), 34::bigint, 'what was refused is not kept');
SELECT is(mlops._golden_digest(pg_temp.id('golden_test/1')), mlops._golden_digest(pg_temp.id('golden_test/2')),
    'the digest is that of the registration');
SAVEPOINT many;
INSERT INTO mlops.golden_row (version_id, number, features, margins, added_at, added_by)
SELECT version_id, n, features, margins, added_at, added_by
FROM mlops.golden_row, generate_series(34, 999) n WHERE version_id = pg_temp.id('golden_test/1') AND number = 33;
SELECT matches((SELECT detail FROM mlops.verify_model('golden_test/1') WHERE item = 'golden rows'), 'margins of 1000 rows', 'a version can have 1000');
SELECT throws_ok($$SELECT mlops.add_golden_row('golden_test/1', '{"a": 5, "b": null}', '{1.2}')$$, '54000', NULL, 'and no more');
ROLLBACK TO many;

--
-- Who may
--
SELECT mlops.grant_privilege('manage', 'golden_test', 'golden_maker') \g /dev/null
SELECT mlops.grant_privilege('read', 'golden_test', 'golden_reader') \g /dev/null
SELECT mlops.grant_privilege('score', 'golden_test', 'golden_teller') \g /dev/null
SET ROLE golden_teller;
SELECT is((SELECT count(*) FROM mlops.golden_rows), 0::bigint, 'who may only score does not see golden rows, which tell of thresholds');
SELECT throws_ok($$SELECT * FROM mlops.verify_model('golden_test')$$, '42501', NULL, 'and does not verify');
SELECT throws_ok($$SELECT * FROM mlops.golden_row$$, '42501', NULL, 'the table is private');
SELECT throws_ok($$SELECT mlops._check_golden(1)$$, '42501', NULL, 'so are the functions');
SET ROLE golden_reader;
SELECT is((SELECT count(*) FROM mlops.golden_rows WHERE version = 1), 34::bigint, 'who may read sees them');
SELECT is(pg_temp.verdicts('golden_test/1'), 'artifact pass, structure pass, signature pass, golden rows pass, library pass', 'and verifies');
SELECT throws_ok($$SELECT mlops.add_golden_row('golden_test/1', '{"a": 5, "b": null}', '{1.2}')$$, '42501', NULL, 'but adds none');
SET ROLE golden_maker;
SELECT is(mlops.add_golden_row('golden_test/2', '{"a": 5, "b": null}', '{1.2}'), 32, 'who manages does');
RESET ROLE;
SELECT throws_ok($$UPDATE mlops.golden_row SET margins = '{0}'$$, 'ML040', NULL, 'golden rows are never changed');
SELECT throws_ok($$DELETE FROM mlops.golden_row$$, 'ML040', NULL, 'never deleted');
SELECT throws_ok($$TRUNCATE mlops.golden_row$$, 'ML040', NULL, 'never truncated');

--
-- All kinds of models
--
CREATE TEMPORARY TABLE loan AS
SELECT i AS id, (i * 7919 % 1001) / 10.0::float8 AS x, i * 104729 % 997 AS y, nullif(i % 17, 3) AS z,
       (ARRAY['a', 'b', 'c', 'd'])[1 + i * 31 % 4] AS c, (i % 3 = 0) AS f,
       i * 7919 % 1001 + i * 104729 % 997 * (i % 4) > 1500 AS bad,
       (i * 7919 % 1001 + i % 4 * 300) / 500 AS class, (i * 7919 % 1001) * 1.5 + i % 17 AS amount
FROM generate_series(1, 1500) i;
SELECT mlops.train('golden_binary', 'SELECT id, x, y, z, c, f, bad FROM loan', 'bad', key => 'id', rounds => 30) \g /dev/null
SELECT mlops.train('golden_dart', 'SELECT id, x, y, z, c, f, bad FROM loan', 'bad', '{"booster": "dart", "rate_drop": 0.3}', key => 'id', rounds => 15) \g /dev/null
SELECT mlops.train('golden_classes', 'SELECT id, x, y, z, c, f, class::text FROM loan', 'class', key => 'id', rounds => 10) \g /dev/null
SELECT mlops.train('golden_amount', 'SELECT id, x, y, z, c, f, amount FROM loan', 'amount', '{"max_cat_to_onehot": 1}', key => 'id', rounds => 20) \g /dev/null
SELECT is(pg_temp.verdicts((m || '/1')::mlops.modelref), 'artifact pass, structure pass, signature pass, golden rows pass, library pass', m || ' verifies')
FROM unnest('{golden_binary,golden_dart,golden_classes,golden_amount}'::text[]) m;
SELECT is(pg_temp.different(m), 0::bigint, m || ': the margins are those of scoring, to the bit')
FROM unnest('{golden_binary,golden_dart,golden_classes,golden_amount}'::text[]) m;
SELECT is((SELECT count(*) FROM mlops.golden_rows WHERE model = 'golden_classes' AND cardinality(margins) = 4), 32::bigint, 'a margin for each class');
SELECT cmp_ok((SELECT count(DISTINCT features[4]) FROM mlops.golden_rows WHERE model = 'golden_amount'), '>', 3::bigint, 'rows have many categories');

CREATE FUNCTION pg_temp.fixture(name text) RETURNS bytea LANGUAGE SQL
    AS $$ SELECT pg_read_binary_file(current_setting('test.top') || '/test/fixtures/lightgbm/' || name) $$;
CREATE TEMPORARY TABLE lightgbm AS
SELECT replace(f, '.txt', '') AS name, mlops.import_model('golden_lightgbm_' || replace(f, '.txt', ''), a.artifact,
           CASE WHEN f ~ 'categor|^v' THEN
               (SELECT jsonb_agg(jsonb_build_object('name', g->>'name', 'kind', 'numeric'))
                FROM jsonb_array_elements(mlops.artifact_info(a.artifact)->'features') g) END) AS model
FROM pg_ls_dir(:'top' || '/test/fixtures/lightgbm') f, LATERAL (SELECT pg_temp.fixture(f)::mlops.artifact AS artifact) a
WHERE f LIKE '%.txt' AND f NOT LIKE '%.%.txt';
SELECT cmp_ok((SELECT count(*) FROM lightgbm), '>=', 40::bigint, 'models of LightGBM');
SELECT is((SELECT string_agg(name, ', ') FROM lightgbm
           WHERE pg_temp.verdicts(model) <> 'artifact pass, structure pass, signature pass, golden rows pass, library unknown'),
    NULL, 'all of them verify');
SELECT is((SELECT sum(pg_temp.different('golden_lightgbm_' || name)) FROM lightgbm), 0::numeric, 'their margins are those of scoring, to the bit');
SELECT is((SELECT count(*) FROM mlops.golden_rows WHERE model LIKE 'golden\_lightgbm\_%'), 32 * (SELECT count(*) FROM lightgbm), 'each has 32 golden rows');
SELECT is(mlops.add_golden_row('golden_lightgbm_binary/1', jsonb_object(array_agg(f->>'name'), array_agg(NULL::text)),
                               (SELECT margins FROM mlops.golden_rows WHERE model = 'golden_lightgbm_binary' AND number = 0)), 32,
    'a row of LightGBM''s is added with all bits')
FROM jsonb_array_elements(mlops.describe('golden_lightgbm_binary/1')->'features') f;
SELECT throws_ok(format($$SELECT mlops.add_golden_row('golden_lightgbm_binary/1', %L, ARRAY[%s + 1e-15::float8])$$,
                        jsonb_object(array_agg(f->>'name'), array_agg(NULL::text)),
                        (SELECT margins[1]::float4 FROM mlops.golden_rows WHERE model = 'golden_lightgbm_binary' AND number = 0)),
    'ML013', NULL, 'but not in the precision of float')
FROM jsonb_array_elements(mlops.describe('golden_lightgbm_binary/1')->'features') f;

--
-- What a superuser changes behind the back: the version is refused, and never
-- gives another score.  Each case has a version of its own, which no cache has.
--
ALTER TABLE mlops.golden_row DISABLE TRIGGER refuse_change;
CREATE FUNCTION pg_temp.tamper(change text, wanted text, name text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    reference text := mlops.import_model('golden_test', pg_temp.stumps('{a,b}', '{0,1,0}', '{0.1,1000,-3}', '{-1,0.5,0.3}', '{1,-0.5,0.7}'));
    found text;
    found_detail text;
    found_hint text;
BEGIN
    EXECUTE format(change, pg_temp.id(reference::mlops.modelref));
    BEGIN
        PERFORM mlops.predict(reference::mlops.modelref, '{1,2}'::float8[]);
    EXCEPTION WHEN SQLSTATE 'ML013' THEN
        GET STACKED DIAGNOSTICS found_detail = PG_EXCEPTION_DETAIL, found_hint = PG_EXCEPTION_HINT;
    END;
    SELECT v.detail INTO found FROM mlops.verify_model(reference::mlops.modelref) v WHERE item = 'golden rows' AND verdict = 'fail';
    BEGIN
        PERFORM mlops.promote(reference::mlops.modelref, 'tampered', 'test');
        found := 'promoted';
    EXCEPTION WHEN SQLSTATE 'ML013' THEN
        NULL;
    END;
    RETURN NEXT is(found_detail, wanted, name || ': scoring is refused');
    RETURN NEXT is(found, format('version %s of model "golden_test" does not give the scores that it gave when it was registered: %s',
                                 split_part(reference, '/', 2), wanted), name || ': promotion too, and verify_model says why');
END
$$;
SELECT pg_temp.tamper('UPDATE mlops.golden_row SET margins = ARRAY[1.25] WHERE version_id = %s AND number = 0',
    'Margin 1 of golden row 0 is 1.20000005 and was 1.25.', 'another margin');
SELECT pg_temp.tamper('UPDATE mlops.golden_row SET margins = ARRAY[1.20000004768371582 - 1.1920928955078125e-07] WHERE version_id = %s AND number = 0',
    'Margin 1 of golden row 0 is 1.20000005 and was 1.19999993.', 'a margin one float off');
SELECT pg_temp.tamper('UPDATE mlops.golden_row SET margins = ARRAY[1.2::float8] WHERE version_id = %s AND number = 0',
    'Golden row 0 is damaged.', 'a margin that is no float');
SELECT pg_temp.tamper('UPDATE mlops.golden_row SET features = ''{-1e6,-1e6}'' WHERE version_id = %s AND number = 0',
    'Margin 1 of golden row 0 is -0.199999988 and was 1.20000005.', 'another row');
SELECT pg_temp.tamper('UPDATE mlops.golden_row SET features = ''{1}'' WHERE version_id = %s AND number = 31',
    'Golden row 31 is damaged.', 'a row that lacks a feature');
SELECT pg_temp.tamper('DELETE FROM mlops.golden_row WHERE version_id = %s AND number = 31', 'Golden row 31 is missing.', 'the last row gone');
SELECT pg_temp.tamper('DELETE FROM mlops.golden_row WHERE version_id = %s AND number = 5', 'Golden row 5 is missing.', 'one between gone');
SELECT pg_temp.tamper('DELETE FROM mlops.golden_row WHERE version_id = %s', 'Golden row 0 is missing.', 'all gone');

-- a change between a request and its execution
SELECT mlops.set_policy('golden_test', 'asked', approvals => 0, execution => 'explicit', reason => 'test') \g /dev/null
CREATE TEMPORARY TABLE request AS SELECT mlops.request_promotion('golden_test/2', 'asked', 'test') AS id;
UPDATE mlops.golden_row SET margins = ARRAY[0.5] WHERE version_id = pg_temp.id('golden_test/2') AND number = 3;
SELECT throws_ok($$SELECT mlops.execute(id) FROM request$$, 'ML013', NULL, 'a request is not executed');
SELECT is((SELECT r.status FROM mlops.requests r JOIN request USING (id)), 'approved', 'and stays as it was');
SELECT throws_ok($$SELECT mlops.request_promotion('golden_test/2', 'other', 'test')$$, 'ML013', NULL, 'nor is another opened');

SELECT lives_ok($$SELECT mlops.predict('golden_test', '{1,2}'::float8[])$$, 'other versions score');
SELECT throws_ok($$SELECT mlops.predict_class('golden_test/3', '{1,2}'::float8[])$$, 'ML013', NULL, 'classes are refused');
SELECT throws_ok($$SELECT * FROM mlops.contributions('golden_test/3', '{1,2}'::float8[])$$, 'ML013', NULL, 'and explanations');

SELECT * FROM finish();
ROLLBACK;
