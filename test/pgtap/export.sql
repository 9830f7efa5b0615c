-- XGBoost's stored references through SQL, and export_model: original and json.
\set ECHO none
\set QUIET 1
\set top `pwd`
\ir ../fixtures/bits.sql
BEGIN;
SELECT plan(29);

CREATE FUNCTION pg_temp.fixture(name text) RETURNS bytea LANGUAGE SQL
    AS $$ SELECT pg_read_binary_file(current_setting('test.top') || '/test/fixtures/xgboost/' || name) $$;
SELECT set_config('test.top', :'top', true) \g /dev/null

SELECT is(pg_temp.numbers('3f800000 80000000 00000001 c2f6e979 7fc00000 ff800000'),
          '{1,-0,1.401298464324817e-45,-123.45600128173828,NaN,-Infinity}', 'bits as numbers');

--
-- What the library predicted, of every model, and again after its export
--
CREATE TEMPORARY TABLE reference (name text, format text, features float8[], margins float8[]);
CREATE TEMPORARY TABLE refused (name text, sqlstate text);
DO $$
DECLARE
    file text;
    name text;
    format text;
    line text;
    lines text[];
    parts text[];
    signature jsonb := '[{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}]';
BEGIN
    FOR file IN SELECT f FROM pg_ls_dir(current_setting('test.top') || '/test/fixtures/xgboost') f
                WHERE f LIKE '%.rows.txt' ORDER BY f COLLATE "C" LOOP
        lines := string_to_array(rtrim(convert_from(pg_temp.fixture(file), 'UTF8'), E'\n'), E'\n');
        FOREACH format IN ARRAY string_to_array(substr(lines[1], 8), ' ') LOOP
            name := replace(file, '.rows.txt', '') || '-' || format;
            IF 'refused' = ANY (lines) THEN
                BEGIN
                    PERFORM pg_temp.fixture(replace(file, 'rows.txt', format))::mlops.artifact;
                    INSERT INTO refused VALUES (name);
                EXCEPTION WHEN OTHERS THEN
                    INSERT INTO refused VALUES (name, SQLSTATE);
                END;
                CONTINUE;
            END IF;
            -- codes of categories are given as numbers
            PERFORM mlops.import_model(name, pg_temp.fixture(replace(file, 'rows.txt', format))::mlops.artifact, signature);
            PERFORM mlops.import_model(name, mlops.export_model(name || '/1'::text, 'json')::mlops.artifact, signature);
            FOREACH line IN ARRAY lines LOOP
                IF line LIKE 'row %' THEN
                    parts := string_to_array(substr(line, 5), ' | ');
                    INSERT INTO reference VALUES (name, format, pg_temp.numbers(parts[1]), pg_temp.numbers(parts[2]));
                END IF;
            END LOOP;
        END LOOP;
    END LOOP;
END $$;
SELECT cmp_ok((SELECT count(DISTINCT name)::integer FROM reference), '>=', 110, 'all models are imported');
SELECT cmp_ok((SELECT count(DISTINCT split_part(name, '-', 1))::integer FROM reference), '>=', 12, 'of so many versions of XGBoost');
SELECT is((SELECT array_agg(DISTINCT sqlstate) FROM refused), '{ML011}', 'trees with vectors are refused by name');
SELECT is((SELECT count(*)::integer FROM reference WHERE margins <> mlops.predict_margin((name || '/1')::mlops.modelref, features)), 0,
          'margins of all rows, to the bit');
SELECT is((SELECT count(*)::integer FROM reference WHERE margins <> mlops.predict_margin((name || '/2')::mlops.modelref, features)), 0,
          'and after the export as JSON');
SELECT is_empty($$SELECT model, version, format FROM mlops.versions
                  WHERE model ~ '-(ubj|json)$' AND format <> CASE WHEN version = 1 AND model LIKE '%-ubj' THEN 'xgboost-ubjson' ELSE 'xgboost-json' END$$,
                'which says what it is');
SELECT is_empty($$SELECT m.name FROM mlops.model m
                  JOIN mlops.version a ON a.model_id = m.id AND a.version = 1
                  JOIN mlops.version b ON b.model_id = m.id AND b.version = 2
                  WHERE m.name ~ '-(ubj|json)$' AND a.info - '{format,bytes}'::text[] <> b.info - '{format,bytes}'::text[]$$,
                'and is the same in all else');

--
-- The file itself
--
SELECT is(mlops.export_model('3.4.1-logistic-ubj/1'), pg_temp.fixture('3.4.1-logistic.ubj'), 'original: the bytes as given');
SELECT is(mlops.export_model('3.4.1-logistic-ubj/1', 'original'), pg_temp.fixture('3.4.1-logistic.ubj'), 'also by name');
SELECT is(encode(sha256(mlops.export_model('3.4.1-logistic-ubj/1')), 'hex'), sha256, 'with the hash that is shown')
FROM mlops.versions WHERE model = '3.4.1-logistic-ubj' AND version = 1;
SELECT is(mlops.export_model('3.4.1-logistic-json/1', 'json'), pg_temp.fixture('3.4.1-logistic.json'), 'JSON stays as it was given');
SELECT is(mlops.export_model(v || '-ubj/1'::text, 'json'), pg_temp.fixture(v || '.json'), 'JSON of ' || v || ' is what the library wrote')
FROM unnest('{1.6.2-logistic,2.1.4-logistic,3.4.1-logistic,3.0.5-sets,3.2.0-cats,3.3.0-dart,3.4.1-gblinear}'::text[]) v;
SELECT is(mlops.export_model('3.4.1-cats-ubj/1', 'json')::mlops.artifact::json::text,
          convert_from(mlops.export_model('3.4.1-cats-ubj/1', 'json'), 'UTF8'), 'the cast to json works with it');

--
-- Texts of categories, which XGBoost 3.1 to 3.3 spoil where they are not ASCII
--
SELECT throws_ok(format($$SELECT mlops.import_model('export_cats', %L::bytea::mlops.artifact,
                          (SELECT jsonb_agg(f - 'used') FROM jsonb_array_elements(mlops.artifact_info(%1$L::bytea::mlops.artifact)->'features') f))$$,
                        pg_temp.fixture('3.2.0-cats.ubj')), '22023', NULL, 'a file of 3.2 has none for such a feature');
SELECT lives_ok($$SELECT mlops.import_model('export_cats', pg_temp.fixture('3.4.1-cats.ubj')::mlops.artifact)$$, 'a file of 3.4 has them');
SELECT is((mlops.describe('export_cats/1')->'features'->3->'categories')->>0, 'Köln', 'as they were');

--
-- Errors
--
SELECT throws_ok($$SELECT mlops.export_model('3.4.1-logistic-ubj/1', 'pmml')$$, '22023', 'unknown format of a model file: "pmml"', 'an unknown format');
SELECT throws_ok($$SELECT mlops.export_model('3.4.1-logistic-ubj/1', NULL)$$, '22023', NULL, 'no format');
SELECT mlops.import_model('export_lightgbm', pg_read_binary_file(current_setting('test.top') || '/test/fixtures/lightgbm/binary.txt')::mlops.artifact) \g /dev/null
SELECT throws_ok($$SELECT mlops.export_model('export_lightgbm/1', 'json')$$, '0A000', NULL, 'LightGBM reads no JSON');
SELECT is(mlops.export_model('export_lightgbm/1'), pg_read_binary_file(current_setting('test.top') || '/test/fixtures/lightgbm/binary.txt'),
          'its original is text');
SELECT throws_ok($$SELECT mlops._export_artifact(artifact, sha256('other'), f) FROM mlops.version, unnest('{original,json}'::text[]) f$$, 'ML012', NULL,
                 'a file that is not the one that was registered is not given away');
CREATE ROLE export_user;
SELECT mlops.grant_privilege('score', '3.4.1-logistic-ubj', 'export_user') \g /dev/null
SET LOCAL ROLE export_user;
SELECT throws_ok($$SELECT mlops.export_model('3.4.1-logistic-ubj/1', 'json')$$, '42501', NULL, 'score is not enough to export');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
