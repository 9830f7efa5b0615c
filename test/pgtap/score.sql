-- mlops.score(): the values of predict, restart, keys, targets, rights; and
-- what mlops.progress shows of it.  mlops.score_batches() commits and so is in
-- test/t/050_score.pl.
\set ECHO none
\set QUIET 1
\set top `pwd`
\ir ../fixtures/stump.sql
\ir ../fixtures/city.sql
BEGIN;
SELECT plan(122);

SELECT mlops.import_model('score_test',
    pg_temp.stumps('{age,amount}', '{0,1}', '{30,1000}', '{-1,0.5}', '{1,-0.5}'), classes => '{good,bad}');
SELECT mlops.promote('score_test/1', reason => 'test');
CREATE SCHEMA score_test;
SET search_path = score_test, public;
CREATE TABLE person AS
    SELECT i AS id, CASE WHEN i % 50 <> 0 THEN (i * 7919 % 60)::integer END AS age,
           CASE WHEN i % 49 <> 0 THEN i * 104729 % 2000 END AS amount, 'ü' || i AS name
    FROM generate_series(1::bigint, 3000) i;

--
-- A new target, and the values of predict
--
SELECT results_eq($$SELECT model::text, version, rows_scored, rows_skipped, rows_without_key, seconds > 0
                    FROM mlops.score('score_test', 'SELECT * FROM person', 'scores', 'id')$$,
    $$VALUES ('score_test/1', 1, 3000::bigint, 0::bigint, 0::bigint, true)$$, 'one row says what was done');
SELECT results_eq($$SELECT attname::text COLLATE "default", format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
                    WHERE attrelid = 'scores'::regclass AND attnum > 0 ORDER BY attnum$$,
    $$VALUES ('id', 'bigint', true), ('model', 'text', true), ('version', 'integer', true), ('score', 'double precision', false),
             ('class', 'text', false), ('scored_at', 'timestamp with time zone', true)$$, 'a new target has these columns');
SELECT col_is_pk('score_test', 'scores', ARRAY['id', 'model', 'version'], 'its primary key keeps one score for each key');
SELECT is((SELECT tableowner FROM pg_tables WHERE schemaname = 'score_test' AND tablename = 'scores'), current_user, 'the caller owns it');
SELECT is((SELECT count(*)::integer FROM scores s JOIN person p USING (id)
           WHERE float8send(s.score) = float8send(mlops.predict('score_test', p))
             AND s.class = mlops.predict_class('score_test', p) AND s.model = 'score_test' AND s.version = 1
             AND s.scored_at BETWEEN now() AND clock_timestamp()), 3000, 'the bits of predict, and the class');
SELECT is((SELECT count(DISTINCT scored_at)::integer FROM scores), 1, 'one time for the whole run');

SELECT mlops.import_model('score_multi',
    pg_temp.stumps('{age,amount}', '{0,1,0}', '{30,1000,40}', '{-1,0.5,0.7}', '{1,-0.5,0.2}', 'multi:softmax', 3), classes => '{a,b,c}');
SELECT lives_ok($$SELECT mlops.score('score_multi/1', 'person', 'multi', 'id')$$, 'three classes, and a relation by its name');
SELECT is((SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'multi'::regclass AND attnum > 0),
    'id model version score class proba scored_at', 'their target has the probabilities');
SELECT is((SELECT count(*)::integer FROM multi s JOIN person p USING (id)
           WHERE s.proba::text = mlops.predict_proba('score_multi/1', p)::text AND s.class = mlops.predict_class('score_multi/1', p)
             AND s.score = (SELECT max(v) FROM unnest(s.proba) v)), 3000, 'the score is the probability of the class');

SELECT mlops.import_model('score_value',
    pg_temp.stumps('{age,amount}', '{0,1}', '{30,1000}', '{-1,0.5}', '{1,-0.5}', 'reg:squarederror'));
SELECT lives_ok($$SELECT mlops.score('score_value/1', 'person', 'value', 'id')$$, 'a regression');
SELECT is((SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'value'::regclass AND attnum > 0),
    'id model version score scored_at', 'has no class');
SELECT is((SELECT count(*)::integer FROM value s JOIN person p USING (id) WHERE s.score = mlops.predict('score_value/1', p)), 3000, 'its values');

SELECT lives_ok($$ALTER TABLE value ADD class text, ADD proba float8[], ADD margin float8[];
    SELECT mlops.score(m::mlops.modelref, 'person', 'value', 'id') FROM unnest('{score_test,score_multi/1}'::text[]) m;
    DELETE FROM value WHERE model = 'score_value'; SELECT mlops.score('score_value/1', 'person', 'value', 'id')$$,
    'one target for all kinds of models');
SELECT results_eq($$SELECT model, count(*), count(class), count(proba), count(margin) FROM value GROUP BY model ORDER BY model$$,
    $$VALUES ('score_multi', 3000::bigint, 3000::bigint, 3000::bigint, 3000::bigint), ('score_test', 3000, 3000, 3000, 3000), ('score_value', 3000, 0, 0, 3000)$$,
    'has NULL where a model gives nothing');
SELECT is((SELECT count(*)::integer FROM value s JOIN person p USING (id)
           WHERE s.margin = mlops.predict_margin((model || '/1')::mlops.modelref, p)
             AND (model = 'score_value' OR s.proba = mlops.predict_proba((model || '/1')::mlops.modelref, p))), 9000, 'and the bits of predict_margin and predict_proba');

-- two labels in one row
SELECT mlops.import_model('score_targets', replace(replace(replace(
    pg_temp.stumps('{age,amount}', '{0,1}', '{30,1000}', '{-1,0.5}', '{1,-0.5}', 'multi:softprob', 2)::json::text,
    '"num_class": "2"', '"num_class": "0"'), '"num_target": "1"', '"num_target": "2"'), 'multi:softprob', 'reg:squarederror')::json::mlops.artifact);
SELECT lives_ok($$SELECT mlops.score('score_targets/1', 'person', 'targets', 'id')$$, 'two labels');
SELECT is((SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'targets'::regclass AND attnum > 0),
    'id model version margin scored_at', 'have no score');
SELECT is((SELECT count(*)::integer FROM targets s JOIN person p USING (id) WHERE s.margin = mlops.predict_margin('score_targets/1', p)), 3000, 'but margins');

-- of LightGBM: every fixture, whose rows become a table with the names of its features
SELECT set_config('score_test.top', :'top', true) \g /dev/null
CREATE TABLE lightgbm (name text, id integer, features float8[]);
CREATE TABLE lightgbm_scores (id integer, model text, version integer, score float8, class text, proba float8[], margin float8[],
                              scored_at timestamptz, UNIQUE (model, version, id));
DO $$
DECLARE
    path text := current_setting('score_test.top') || '/test/fixtures/lightgbm/';
    file text;
    m text;
    query text;
    content text[];
BEGIN
    FOR file IN SELECT f FROM pg_ls_dir(path) f WHERE f LIKE '%.rows.txt' AND f NOT LIKE 'pandas%' ORDER BY f COLLATE "C" LOOP
        m := 'score_' || replace(file, '.rows.txt', '');
        PERFORM mlops.import_model(m, a, (SELECT jsonb_agg(jsonb_build_object('name', f->>'name', 'kind', 'numeric'))
                                          FROM jsonb_array_elements(mlops.artifact_info(a)->'features') f))
        FROM (SELECT pg_read_binary_file(path || replace(file, '.rows', ''))::mlops.artifact AS a) a;
        content := string_to_array(rtrim(convert_from(pg_read_binary_file(path || file), 'UTF8'), E'\n'), E'\n');
        INSERT INTO lightgbm SELECT m, i, string_to_array(split_part(content[i], ' | ', 1), ' ')::float8[]
        FROM generate_series(2, cardinality(content)) i;
        SELECT format('SELECT id, %s FROM lightgbm WHERE name = %L',
                      string_agg(format('features[%s] AS %I', ordinality, f->>'name'), ', '), m)
        INTO query FROM jsonb_array_elements(mlops.describe((m || '/1')::mlops.modelref)->'features') WITH ORDINALITY f(f);
        PERFORM mlops.score((m || '/1')::mlops.modelref, query, 'lightgbm_scores', 'id');
    END LOOP;
END $$;
SELECT cmp_ok((SELECT count(DISTINCT model)::integer FROM lightgbm_scores), '>=', 39, 'models of LightGBM');
SELECT is((SELECT count(*)::integer FROM lightgbm_scores s FULL JOIN lightgbm l ON l.name = s.model AND l.id = s.id
           WHERE s.margin IS DISTINCT FROM mlops.predict_margin((l.name || '/1')::mlops.modelref, l.features)), 0, 'have the margins of predict_margin');
SELECT is((SELECT count(*)::integer FROM lightgbm_scores s JOIN lightgbm l ON l.name = s.model AND l.id = s.id
           WHERE CASE WHEN cardinality(margin) = 1 THEN score IS DISTINCT FROM mlops.predict((l.name || '/1')::mlops.modelref, l.features)
                 ELSE proba IS DISTINCT FROM mlops.predict_proba((l.name || '/1')::mlops.modelref, l.features) END), 0, 'and its values and probabilities');

--
-- Again: what is missing
--
CREATE FUNCTION pg_temp.run(query text, target text, key text DEFAULT 'id', model mlops.modelref DEFAULT 'score_test/1') RETURNS text
    LANGUAGE SQL AS $$ SELECT concat_ws(' ', rows_scored, rows_skipped, rows_without_key) FROM mlops.score(model, query, target, key) $$;
SELECT is(pg_temp.run('person', 'scores'), '0 3000 0', 'a run that is repeated writes nothing');
DELETE FROM scores WHERE id % 3 = 0;
UPDATE person SET age = 59 - age WHERE id <= 100;
INSERT INTO person VALUES (3001, 1, 1);
SELECT is(pg_temp.run('person', 'scores'), '1001 2000 0', 'another one writes what is missing');
SELECT is((SELECT count(*)::integer FROM scores s JOIN person p USING (id) WHERE s.score <> mlops.predict('score_test', p) AND (id > 100 OR id % 3 = 0)),
    0, 'from the rows as they are now');
SELECT cmp_ok((SELECT count(*)::integer FROM scores s JOIN person p USING (id) WHERE s.score <> mlops.predict('score_test', p)), '>', 10,
    'and leaves what a key has, if its row has changed, too');
SELECT is(pg_temp.run('person', 'scores', model => 'score_value/1'), '3001 0 0', 'another model has scores of its own');
SELECT mlops.import_model('score_test', pg_temp.stumps('{age,amount}', '{0,1}', '{30,1000}', '{-2,0.5}', '{1,-0.5}'), classes => '{good,bad}');
SELECT is(pg_temp.run('person', 'scores', model => 'score_test/2'), '3001 0 0', 'so has another version');
SELECT is((SELECT count(*)::integer FROM scores), 9003, 'beside those of the others');

-- the version that the reference means at the start
CREATE FUNCTION promote_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_TABLE_NAME = 'meanwhile' AND NOT EXISTS (SELECT FROM mlops.aliases WHERE model = 'score_test' AND version = 2) THEN
        PERFORM mlops.promote('score_test/2', reason => 'meanwhile');
    END IF;
    RETURN NULL; END $$;
CREATE TABLE meanwhile (LIKE scores INCLUDING ALL);
CREATE TRIGGER promote AFTER INSERT ON meanwhile EXECUTE FUNCTION promote_it();
SELECT is(pg_temp.run('person', 'meanwhile', model => 'score_test'), '3001 0 0', 'a promotion during the run');
SELECT results_eq('SELECT DISTINCT version FROM meanwhile', 'VALUES (1)', 'changes nothing of it');
SELECT is(pg_temp.run('person', 'meanwhile', model => 'score_test'), '3001 0 0', 'the next one has another version');
SELECT mlops.promote('score_test/1', reason => 'back');

--
-- Keys
--
SELECT is(pg_temp.run('SELECT CASE WHEN id % 10 <> 3 THEN id END AS id, age, amount FROM person', 'nulls'), '2701 0 300', 'rows without a key are counted');
SELECT throws_matching($$SELECT pg_temp.run('SELECT id % 1000 AS id, age, amount FROM person WHERE id < 1010', 'twice')$$,
    'duplicate key value violates unique constraint', 'a key twice in a batch');
SELECT throws_matching($$SELECT pg_temp.run('SELECT id % 2000 AS id, age, amount FROM person', 'twice')$$,
    'duplicate key value violates unique constraint', 'and in different ones');
SELECT throws_ok($$SELECT pg_temp.run('SELECT id % 2000 + 10000 AS id, age, amount FROM person', 'scores')$$, '23505', NULL, 'in a target that was there, too');
SELECT is(to_regclass('twice'), NULL, 'nothing is left');
SELECT is(pg_temp.run('SELECT 7 AS id, age, amount FROM person', 'scores'), '0 3001 0', 'a key twice that has its score does no harm, nor an integer for a bigint');
CREATE TABLE rough (id bigint, model text, version integer, score float8, scored_at timestamptz(0), UNIQUE (id, version, model));
SELECT throws_ok($$SELECT pg_temp.run('SELECT id % 2000 AS id, age, amount FROM person', 'rough')$$, '23505', NULL,
    'nor does a column of less precision hide one that has not');

SELECT is((SELECT concat_ws(' ', rows_scored, rows_skipped) FROM mlops.score('score_test', 'SELECT person.*, d::date AS day FROM person, generate_series(date ''2026-01-01'', ''2026-01-03'', ''1 day'') d WHERE id <= 1000',
                                'daily', keys => '{id,day}')), '3000 0', 'a key of two columns');
SELECT col_is_pk('score_test', 'daily', ARRAY['id', 'day', 'model', 'version'], 'both are in the constraint');
SELECT is((SELECT concat_ws(' ', rows_scored, rows_skipped) FROM mlops.score('score_test', 'SELECT person.*, d::date AS day FROM person, generate_series(date ''2026-01-02'', ''2026-01-04'', ''1 day'') d WHERE id <= 1000',
                                'daily', ARRAY['id', 'day'])), '1000 2000', 'of which both tell what is missing');

CREATE DOMAIN account AS bigint CHECK (VALUE > 0);
CREATE TABLE kinds (expression text, type text);
INSERT INTO kinds VALUES ('id::integer', 'integer'), ('id::smallint', 'smallint'), ('id::numeric(9,2)', 'numeric(9,2)'), ('md5(id::text)::uuid', 'uuid'),
    ('name', 'text'), ('name::varchar(10)', 'character varying(10)'), ('name::char(10)', 'character(10)'), ('name COLLATE "C"', 'text'),
    ('date ''2026-01-01'' + id::integer', 'date'), ('id::float8', 'double precision'), ('id::account', 'account'), ('convert_to(name, ''UTF8'')', 'bytea'),
    ('ARRAY[id, 1]', 'bigint[]'), ('make_interval(secs => id)', 'interval');
CREATE FUNCTION pg_temp.kind(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    query text := format('SELECT %s AS "id", age, amount FROM (SELECT id, age, amount, coalesce(name, ''x'') AS name FROM person) p', expression);
    scored bigint;
    skipped bigint;
BEGIN
    DROP TABLE IF EXISTS kind;
    SELECT rows_scored INTO scored FROM mlops.score('score_test/1', query, 'kind', 'id');
    SELECT rows_skipped INTO skipped FROM mlops.score('score_test/1', query || ' WHERE id > 0', 'kind', 'id');
    RETURN concat_ws(' ', scored, skipped, (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
                                            WHERE attrelid = to_regclass(quote_ident('kind')) AND attnum = 1));
END $$;
SET LOCAL client_min_messages = warning;
SELECT is((SELECT string_agg(expression, ', ') FROM kinds WHERE pg_temp.kind(expression) <> '3001 3001 ' || type), NULL, 'keys of many types');
RESET client_min_messages;
SELECT is(pg_temp.run('SELECT id::text COLLATE "C" AS id, age, amount FROM person', 'collated'), '3001 0 0', 'a key with a collation');
SELECT is((SELECT collname::text FROM pg_attribute a JOIN pg_collation c ON c.oid = attcollation
           WHERE attrelid = 'collated'::regclass AND attname = 'id'), 'C', 'gives it to the target');
SELECT is(pg_temp.run('SELECT id::text COLLATE "POSIX" AS id, age, amount FROM person', 'collated'), '0 3001 0', 'which compares by its own');
SELECT throws_ok($$SELECT pg_temp.run('SELECT ''{}''::json AS id, age, amount FROM person', 'x')$$, '42804', NULL, 'json is no key');
SELECT throws_ok($$SELECT pg_temp.run('SELECT id AS score, age, amount FROM person', 'x', 'score')$$, '42701',
    'a key cannot be named "score"', 'nor is a column with a name of ours');
SELECT throws_ok($$SELECT pg_temp.run('person', 'x', 'Id')$$, '42703', 'key "Id" is not a column of the query', 'a key that is not there');
SELECT throws_ok($$SELECT pg_temp.run('SELECT id, id, age, amount FROM person', 'x')$$, '42702', NULL, 'a key that is there twice');
SELECT throws_ok($$SELECT mlops.score('score_test', 'person', 'x', '{}'::text[])$$, '22023', NULL, 'no key');
SELECT throws_ok($$SELECT mlops.score('score_test', 'person', 'x', '{id,id}'::text[])$$, '42701', NULL, 'the same twice');
SELECT throws_ok($$SELECT mlops.score('score_test', 'person', 'x', '{id,NULL}'::text[])$$, '22004', NULL, 'NULL as a key');
SELECT throws_ok(format('SELECT mlops.score(%s)', args), '22004', what || ' must not be NULL', 'NULL as ' || what)
FROM (VALUES ('NULL, ''person'', ''x'', ''id''', 'model'), ('''score_test'', NULL, ''x'', ''id''', 'query'),
             ('''score_test'', ''person'', NULL, ''id''', 'target'), ('''score_test'', ''person'', ''x'', NULL::text', 'key')) v(args, what);

--
-- Queries
--
SELECT is(pg_temp.run(E'-- people\n SELECT * FROM person /* all */ ; -- of them', 'comments'), '3001 0 0', 'comments and a semicolon');
SELECT mlops.import_model('score_by_number', pg_temp.stumps('{column2,column3}', '{0,1}', '{30,1000}', '{-1,0.5}', '{1,-0.5}'));
SELECT is(pg_temp.run('VALUES (1, 2, 3)', 'by_number', 'column1', 'score_by_number/1'), '1 0 0', 'VALUES');
SELECT is(pg_temp.run('WITH p AS (SELECT * FROM person) TABLE p', 'with_table'), '3001 0 0', 'WITH and TABLE');
SELECT is(pg_temp.run('SELECT * FROM person WHERE false', 'none'), '0 0 0', 'no rows');
SELECT has_table('score_test', 'none', 'make a target, too');
SELECT throws_ok(format('SELECT pg_temp.run(%L, ''x'')', query), '22023', 'the query to score must be one SELECT', 'not one SELECT: ' || query)
FROM unnest(ARRAY['', 'DELETE FROM person', 'SELECT * FROM person; SELECT 1', 'SELECT * FROM person FOR UPDATE',
                  'WITH d AS (DELETE FROM person RETURNING *) SELECT * FROM d', 'SELECT * INTO y FROM person', 'CREATE TABLE y ()']) query;
SELECT throws_ok($$SELECT pg_temp.run('SELECT id, age FROM person', 'x')$$, 'ML020', NULL, 'a column is missing');
SELECT throws_ok($$SELECT pg_temp.run('nobody', 'x')$$, '42P01', NULL, 'a relation that does not exist');
SELECT throws_ok($$SELECT pg_temp.run('SELECT *, 1 / (id - 2500) FROM person', 'x')$$, '22012', NULL, 'an error in the query');
SELECT is(to_regclass('x'), NULL, 'leaves nothing');

-- names
CREATE SCHEMA "Prü ""fung";
CREATE TABLE "Prü ""fung"."Kre.dit" AS SELECT id AS "Kunden-Nr; ""x""", age, amount FROM person;
SELECT is(pg_temp.run('"Prü ""fung"."Kre.dit"', '"Prü ""fung"."Er''gebnis $1"', 'Kunden-Nr; "x"'), '3001 0 0', 'names with quotes and other letters');
SELECT is(pg_temp.run('"Prü ""fung"."Kre.dit"', '"Prü ""fung"."Er''gebnis $1"', 'Kunden-Nr; "x"'), '0 3001 0', 'are found again');
SELECT throws_ok($$SELECT pg_temp.run('person', 'a b')$$, '42602', NULL, 'not a name');
CREATE FUNCTION shadow(bigint, bigint) RETURNS boolean LANGUAGE SQL AS 'SELECT true';
CREATE OPERATOR score_test.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = shadow);
DELETE FROM scores WHERE version = 1 AND model = 'score_test' AND id OPERATOR(pg_catalog.<) 11;
SET search_path = score_test, pg_catalog, public;
SELECT is(pg_temp.run('person', 'scores'), '10 2991 0', 'an operator in the search path does not matter');
SET search_path = score_test, public;
DROP OPERATOR score_test.= (bigint, bigint);

--
-- Targets
--
CREATE VIEW a_view AS SELECT * FROM scores;
CREATE TABLE missing (id bigint, model text, version integer, score float8);
CREATE TABLE wrong (id bigint, model text, version integer, score numeric, scored_at timestamptz, UNIQUE (id, model, version));
CREATE TABLE wrong_key (id text, model text, version integer, score float8, scored_at timestamptz, UNIQUE (id, model, version));
CREATE TABLE no_unique (id bigint, model text, version integer, score float8, scored_at timestamptz);
CREATE UNIQUE INDEX ON no_unique (id, model, version) WHERE version > 1;
CREATE UNIQUE INDEX ON no_unique (id, model, version, score);
CREATE UNIQUE INDEX ON no_unique (id, model, (version + 1));
CREATE INDEX ON no_unique (id, model, version);
ALTER TABLE no_unique ADD UNIQUE (id, model, version) DEFERRABLE;
CREATE TABLE no_result (id bigint, model text, version integer, scored_at timestamptz, UNIQUE (id, model, version));
SELECT throws_ok($$SELECT pg_temp.run('person', 'a_view')$$, '42809', NULL, 'a view is no target');
SELECT throws_ok($$SELECT pg_temp.run('person', 'missing')$$, '42703', 'the target score_test.missing has no column "scored_at"', 'a column is missing');
SELECT throws_ok($$SELECT pg_temp.run('person', 'wrong')$$, '42804', 'column "score" of the target score_test.wrong has type numeric, not double precision', 'a wrong type');
SELECT throws_ok($$SELECT pg_temp.run('person', 'wrong_key')$$, '42804', 'column "id" of the target score_test.wrong_key has type text, not bigint', 'a wrong type of the key');
SELECT throws_ok($$SELECT pg_temp.run('person', 'no_unique')$$, '55000', 'the target score_test.no_unique does not keep one score for each key', 'no unique constraint');
SELECT throws_ok($$SELECT pg_temp.run('person', 'no_result')$$, '42703', NULL, 'no column for what the model gives');
CREATE UNIQUE INDEX ON no_unique (version, id, model) INCLUDE (score);
SELECT is(pg_temp.run('person', 'no_unique'), '3001 0 0', 'a unique index in another order');

CREATE TABLE parts (score float8, extra text DEFAULT 'x', id bigint, model varchar(40), version integer, scored_at timestamptz, UNIQUE (id, model, version)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (1000);
CREATE TABLE parts_2 (version integer, model varchar(40), extra text, dropped text, id bigint, scored_at timestamptz, score float8);
ALTER TABLE parts_2 DROP COLUMN dropped;
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM (1000) TO (MAXVALUE);
SELECT is(pg_temp.run('person', 'parts', model => 'score_test/2'), '3001 0 0', 'a partitioned target');
SELECT is(pg_temp.run('person', 'parts', model => 'score_test/2'), '0 3001 0', 'is looked into');
SELECT is((SELECT count(*)::integer FROM parts_2 JOIN person p USING (id) WHERE score = mlops.predict('score_test/2', p) AND extra = 'x'), 2002, 'its rows are where they belong');
SELECT is(pg_temp.run('person', 'pg_temp.temporary'), '3001 0 0', 'a temporary target');
SELECT is(pg_temp.run('person', 'pg_temp.temporary'), '0 3001 0', 'is found again');

CREATE TABLE scores_of AS SELECT id FROM person;
ALTER TABLE scores_of ADD PRIMARY KEY (id);
CREATE TABLE rich (number bigint GENERATED ALWAYS AS IDENTITY, id bigint REFERENCES scores_of (id), model text, version integer,
                   score float8 CHECK (score BETWEEN 0 AND 1), scored_at timestamptz, risky boolean GENERATED ALWAYS AS (score > 0.5) STORED,
                   by_whom name DEFAULT current_user, UNIQUE (id, model, version));
CREATE FUNCTION only_even() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id % 2 = 1 THEN RETURN NULL; END IF; NEW.by_whom := 'a trigger'; RETURN NEW; END $$;
CREATE TRIGGER only_even BEFORE INSERT ON rich FOR EACH ROW EXECUTE FUNCTION only_even();
SELECT is(pg_temp.run('person', 'rich'), '1500 1501 0', 'a trigger can keep rows out, which count as skipped');
SELECT results_eq('SELECT count(*), min(number), bool_and(risky = (score > 0.5)), min(by_whom)::text COLLATE "default" FROM rich',
    $$VALUES (1500::bigint, 2::bigint, true, 'a trigger')$$, 'triggers, identities and generated columns work');
SELECT throws_ok($$SELECT pg_temp.run('person', 'rich', model => 'score_value/1')$$, '23514', NULL, 'so does a check');
SELECT throws_ok($$SELECT pg_temp.run('SELECT id + 10000 AS id, age, amount FROM person', 'rich')$$, '23503', NULL, 'and a foreign key');

-- the target as the source
CREATE TABLE loop (LIKE scores INCLUDING ALL, age integer, amount float8);
INSERT INTO loop SELECT id, 'seed', 0, NULL, NULL, now(), age, amount FROM person;
SELECT is(pg_temp.run('SELECT * FROM loop', 'loop'), '3001 0 0', 'a query that reads its target ends');
SELECT is(pg_temp.run('SELECT id + 5000 AS id, age, amount FROM loop WHERE version = 0', 'loop'), '3001 0 0', 'also one that shifts its keys');

--
-- Rights
--
CREATE ROLE score_test_scorer;
CREATE ROLE score_test_other;
GRANT EXECUTE ON FUNCTION mlops.score(mlops.modelref, text, text, text) TO score_test_scorer;
GRANT USAGE ON SCHEMA score_test TO score_test_scorer, score_test_other;
CREATE FUNCTION whoami() RETURNS text LANGUAGE SQL STABLE AS 'SELECT current_user::text';
CREATE TABLE granted (LIKE scores INCLUDING ALL, by_whom name DEFAULT current_user);
SET ROLE score_test_other;
SELECT throws_ok($$SELECT mlops.score('score_test', 'person', 'granted', 'id')$$, '42501', 'permission denied for function score', 'not everybody may score in batches');
SET ROLE score_test_scorer;
SELECT throws_ok($$SELECT mlops.score('score_test', 'person', 'granted', 'id')$$, '42501', 'permission denied for model "score_test"', 'a privilege on the model');
RESET ROLE;
SELECT mlops.grant_privilege('score', 'score_test', 'score_test_scorer');
SET ROLE score_test_scorer;
SELECT throws_ok($$SELECT mlops.score('score_test', 'SELECT 1::bigint AS id, 2 AS age, 3 AS amount', 'granted', 'id')$$, '42501', 'permission denied for table granted', 'a right on the target');
RESET ROLE;
GRANT INSERT, SELECT ON granted TO score_test_scorer;
SET ROLE score_test_scorer;
SELECT throws_ok($$SELECT mlops.score('score_test', 'person', 'granted', 'id')$$, '42501', 'permission denied for table person', 'and one on the source');
RESET ROLE;
GRANT SELECT ON person TO score_test_scorer;
SET ROLE score_test_scorer;
SELECT throws_ok($$SELECT mlops.score('score_test', 'person', 'new_one', 'id')$$, '42501', 'permission denied for schema score_test', 'and one to create a target');
SELECT results_eq($$SELECT rows_scored, rows_skipped FROM mlops.score('score_test', 'SELECT *, 1 / (whoami() = ''score_test_scorer'')::integer FROM person', 'granted', 'id')$$,
    'VALUES (3001::bigint, 0::bigint)', 'that is all; the query runs as the caller');
RESET ROLE;
SELECT results_eq('SELECT DISTINCT by_whom::text COLLATE "default" FROM granted', $$VALUES ('score_test_scorer')$$, 'and so does what is written');

DELETE FROM granted;
ALTER TABLE person ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON person FOR SELECT TO score_test_scorer USING (id <= 1500);
ALTER TABLE granted ENABLE ROW LEVEL SECURITY;
CREATE POLICY s ON granted FOR SELECT TO score_test_scorer USING (id > 100);
CREATE POLICY i ON granted FOR INSERT TO score_test_scorer WITH CHECK (id <= 1500);
SET ROLE score_test_scorer;
SELECT results_eq($$SELECT rows_scored FROM mlops.score('score_test', 'person', 'granted', 'id')$$, 'VALUES (1500::bigint)', 'policies of the source');
SELECT throws_ok($$SELECT mlops.score('score_test', 'SELECT id + 1500 AS id, age, amount FROM person', 'granted', 'id')$$, '42501',
    'new row violates row-level security policy for table "granted"', 'and of the target');
RESET ROLE;
SELECT is((SELECT count(*)::integer FROM granted), 1500, 'are kept');

--
-- Statistics and progress
--
SELECT mlops.stat_models_reset();
SELECT lives_ok($$SELECT mlops.score('score_test', 'SELECT * FROM person', 'counted', 'id');
    DELETE FROM counted WHERE id <= 10; SELECT mlops.score('score_test', 'SELECT * FROM person', 'counted', 'id')$$, 'two runs');
SELECT throws_ok($$SELECT mlops.score('score_test', 'SELECT id, age FROM person', 'counted', 'id')$$, 'ML020', NULL, 'and a wrong one');
SELECT results_eq($$SELECT calls, rows, errors, null_rows, missing_columns, total_time > 0 FROM mlops.stat_models WHERE model = 'score_test'$$,
    format('VALUES (3::bigint, 3011::bigint, 1::bigint, %s::bigint, 1::bigint, true)', (SELECT count(*) FROM person WHERE age IS NULL OR amount IS NULL)),
    'are in the statistics: of the rows those that were scored');

-- policies and the number for a missing value, as predict has them
SELECT mlops.import_model('score_city', pg_temp.city_model(), pg_temp.city_signature(), missing => 50);
CREATE TABLE odd AS SELECT i AS id, (array['Natal', 'Lima', NULL, 'Recife'])[i % 4 + 1] AS city, i % 3 * 25 AS age FROM generate_series(1, 600) i;
SELECT throws_ok($$SELECT mlops.score('score_city/1', 'odd', 'policy', 'id')$$, 'ML020', NULL, 'a missing column is an error');
SELECT mlops.set_scoring_policy('score_city', 'null', 'other', 'test');
SELECT lives_ok($$SELECT mlops.score('score_city/1', 'odd', 'policy', 'id')$$, 'or NULL, as the policy says');
SELECT is((SELECT count(*)::integer FROM policy s JOIN odd o USING (id) WHERE s.score = mlops.predict('score_city/1', o)), 600, 'the scores are those of predict');
SELECT is((SELECT array_agg(DISTINCT s.score ORDER BY s.score) FROM policy s), '{111,112,121,122,211,221}', 'which knows other categories and missing numbers');

CREATE TABLE watched (LIKE scores INCLUDING ALL, seen text);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.seen := (SELECT concat_ws(' ', kind, model, version, phase, done, expected > 0, unit, role = session_user, started_at <= clock_timestamp())
                 FROM mlops.progress WHERE pid = pg_backend_pid());
    RETURN NEW; END $$;
CREATE TRIGGER watch BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION watch();
SELECT is(pg_temp.run('SELECT * FROM person ORDER BY id', 'watched'), '3001 0 0', 'a run that is watched');
SELECT results_eq('SELECT seen, count(*)::integer FROM watched GROUP BY 1 ORDER BY min(id)',
    $$SELECT format('score score_test 1 scoring %s t rows t t', i * 1024), (ARRAY[1024, 1024, 953])[i + 1] FROM generate_series(0, 2) i$$,
    'is seen, batch by batch');
SELECT is((SELECT count(*)::integer FROM mlops.progress WHERE pid = pg_backend_pid()), 0, 'and is not seen when it is over');
CREATE FUNCTION watch_others() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    NEW.seen := (SELECT count(*) FROM mlops.progress WHERE pid = pg_backend_pid()); RETURN NEW; END $$;
ALTER FUNCTION watch_others() OWNER TO score_test_other;
DROP TRIGGER watch ON watched;
CREATE TRIGGER watch BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION watch_others();
DELETE FROM watched;
SELECT is(pg_temp.run('SELECT * FROM person', 'watched'), '3001 0 0', 'another role watches');
SELECT results_eq('SELECT DISTINCT seen FROM watched', $$VALUES ('0')$$, 'and does not see it');
GRANT pg_read_all_stats TO score_test_other;
DELETE FROM watched;
SELECT is(pg_temp.run('SELECT * FROM person', 'watched'), '3001 0 0', 'again');
SELECT results_eq('SELECT DISTINCT seen FROM watched', $$VALUES ('1')$$, 'but a reader of all statistics does');

-- one run within another, and an error in the inner one
CREATE TABLE outer_one (LIKE scores INCLUDING ALL, seen text);
CREATE FUNCTION inner_run() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id % 1000 = 0 THEN
        BEGIN
            PERFORM mlops.score('score_value/1', 'SELECT * FROM person WHERE id <= 5', 'pg_temp.inner_one', 'id');
            PERFORM mlops.score('score_value/1', 'SELECT 1 / (id - 3), * FROM person', 'pg_temp.inner_two', 'id');
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
        NEW.seen := (SELECT string_agg(model, ' ') FROM mlops.progress WHERE pid = pg_backend_pid());
    END IF;
    RETURN NEW; END $$;
CREATE TRIGGER inner_run BEFORE INSERT ON outer_one FOR EACH ROW EXECUTE FUNCTION inner_run();
SELECT is(pg_temp.run('person', 'outer_one'), '3001 0 0', 'a run within a run');
SELECT results_eq('SELECT seen, count(*)::integer FROM outer_one WHERE seen IS NOT NULL GROUP BY 1', $$VALUES ('score_test', 3)$$,
    'ends, also by an error, without the outer one');

--
-- Transactions
--
SELECT throws_ok($$CALL mlops.score_batches('score_test', 'person', 'x', 'id')$$, '2D000', NULL, 'score_batches commits, which one cannot do here');
SET TRANSACTION READ ONLY;
SELECT throws_ok($$SELECT mlops.score('score_test', 'person', 'x', 'id')$$, '25006', NULL, 'a transaction that cannot write');
SELECT * FROM finish();
ROLLBACK;
