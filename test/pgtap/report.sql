-- Pages of HTML and plots in text.
BEGIN;
SELECT plan(53);
SET LOCAL TimeZone = 'UTC';

CREATE ROLE rp_maker; CREATE ROLE rp_scorer; CREATE ROLE rp_stranger;
GRANT EXECUTE ON FUNCTION mlops.train, mlops.promote(mlops.modelref, text, text, text), mlops.set_card, mlops.create_monitor, mlops.add_check,
    mlops.backfill_monitor TO rp_maker;
CREATE SCHEMA rp;
GRANT USAGE, CREATE ON SCHEMA rp TO rp_maker;
CREATE TABLE rp.loan AS
    SELECT i AS id, timestamptz '2026-01-01 00:00+00' + i * interval '30 minutes' AS decided, ((i * 7919) % 1009)::float8 AS income,
           (ARRAY['<i>a</i>', '"b"', 'c&d'])[1 + i % 3] AS kind, (ARRAY['f', 'm'])[1 + i % 2] AS sex,
           (i::bigint * 104729) % 1013 < (i * 7919) % 1009 AS bad
    FROM generate_series(1, 2400) i;
GRANT SELECT ON rp.loan TO rp_maker, rp_scorer;

CREATE FUNCTION pg_temp.try(role name, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    EXECUTE statement INTO result;
    RESET ROLE;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RESET ROLE;
    RETURN SQLSTATE;
END
$$;
CREATE FUNCTION pg_temp.in_page(page text, what text) RETURNS boolean LANGUAGE SQL AS $$ SELECT strpos(page, what) > 0 $$;

-- A model and a monitor with names that nobody should have.
SET LOCAL ROLE rp_maker;
CREATE TEMPORARY TABLE page (name text PRIMARY KEY, content text);
SELECT ok(version = 1, 'trained') FROM mlops.train('"><script>alert(1)<b>''&', 'SELECT id, income, kind, bad FROM rp.loan', 'bad', key => 'id', rounds => 20, seed => 3,
                                params => '{"max_depth": 3}', description => 'it is <b>bold</b>');
SELECT mlops.promote('"><script>alert(1)<b>''&/1', reason => '<img src=x onerror=alert(2)>', change_ref => '"><x>');
SELECT mlops.set_card('"><script>alert(1)<b>''&', '{"purpose": "</style><script>", "a<b": ["x", "<y>"]}', 'first');
SELECT mlops.create_monitor(E'\u05e9\u05dc\u05d5\u05dd <s>', '"><script>alert(1)<b>''&', 'rp.loan', 'decided', '5 days', key => '{id}', label => 'bad', groups => '{sex}');
SELECT mlops.add_check(E'\u05e9\u05dc\u05d5\u05dd <s>', 'drift'), mlops.add_check(E'\u05e9\u05dc\u05d5\u05dd <s>', 'performance'),
       mlops.add_check(E'\u05e9\u05dc\u05d5\u05dd <s>', 'bias', '{"privileged": ["m"]}');
SELECT mlops.backfill_monitor(E'\u05e9\u05dc\u05d5\u05dd <s>', '2026-01-01', '2026-02-20');
INSERT INTO page VALUES
    ('version', mlops.report_html('"><script>alert(1)<b>''&')),
    ('query', mlops.report_html('"><script>alert(1)<b>''&/1', 'SELECT * FROM rp.loan', 'bad', '{sex}', '{false}')),
    ('monitor', mlops.monitor_html(E'\u05e9\u05dc\u05d5\u05dd <s>'));
RESET ROLE;

SELECT ok(NOT bool_or(content ~* '<script|<img|<b>|<x>|<i>|onerror=[^a]|javascript:|<s>'), 'nothing of the names is markup') FROM page;
SELECT ok(NOT bool_or(content ~* 'https?://'), 'no page has an address') FROM page;
SELECT ok(bool_and(length(content) < 300000), 'each is below 300 kB') FROM page;
SELECT lives_ok(format('SELECT xmlparse(DOCUMENT %L)', regexp_replace(regexp_replace(content, '<!DOCTYPE html>|<meta [^>]*>', '', 'g'), '<br>', '<br/>', 'g')),
                'page ' || name || ' is well-formed') FROM page ORDER BY name;
SELECT ok(pg_temp.in_page(content, '&lt;script&gt;alert(1)&lt;b&gt;&#39;&amp;/1</bdi></h1>'), 'the name is the title') FROM page WHERE name = 'version';
SELECT ok(pg_temp.in_page(content, 'it is &lt;b&gt;bold&lt;/b&gt;'), 'the description') FROM page WHERE name = 'version';
SELECT ok(pg_temp.in_page(content, '&lt;/style&gt;&lt;script&gt;'), 'the card') FROM page WHERE name = 'version';
SELECT ok(pg_temp.in_page(content, '&lt;img src=x onerror=alert(2)&gt;'), 'the reason of the promotion') FROM page WHERE name = 'version';
SELECT ok(pg_temp.in_page(content, (SELECT sha256 FROM mlops.versions WHERE model LIKE '"><script>%')), 'the hash of the file') FROM page WHERE name = 'version';
SELECT ok(pg_temp.in_page(content, 'SELECT id, income, kind, bad FROM rp.loan'), 'the query') FROM page WHERE name = 'version';
SELECT is((SELECT count(*)::integer FROM (VALUES ('Model card'), ('Lineage'), ('Performance on the rows that were held out'), ('What it goes by'),
           ('Promotions'), ('Audit log')) v (title) WHERE pg_temp.in_page(content, '<h2>' || title || '</h2>')), 6, 'all sections are there') FROM page WHERE name = 'version';
SELECT ok(pg_temp.in_page(content, (SELECT format('<bdi>auc</bdi></td><td>%s <small>', trim_scale(round((metrics->>'auc')::numeric, 4))) FROM mlops.versions WHERE model LIKE '"><script>%')),
          'metrics are those of the version, with an interval') FROM page WHERE name = 'version';
SELECT is(regexp_count(content, '<figure>'), 4, 'ROC, precision and recall, calibration and scores; as many as a monitor''s lines are in its own section') FROM
    (SELECT split_part(content, '<h2>Monitor', 1) AS content FROM page WHERE name = 'version') p;
SELECT ok(pg_temp.in_page(content, 'It was not verified'), 'who may not verify the log is told so') FROM page WHERE name = 'version';
SELECT is((SELECT count(*)::integer FROM (VALUES ('What moved the scores'), ('Drift of the rows of the query'), ('Performance on the rows of the query'), ('Groups')) v (title)
           WHERE pg_temp.in_page(content, '<h2>' || title || '</h2>')), 4, 'a query adds its sections') FROM page WHERE name = 'query';
SELECT ok(pg_temp.in_page(content, E'<bdi>\u05e9\u05dc\u05d5\u05dd &lt;s&gt;</bdi></h1>'), 'a name from right to left stays apart') FROM page WHERE name = 'monitor';
SELECT ok(pg_temp.in_page(content, 'psi score<br>') AND pg_temp.in_page(content, 'class="w"'), 'lines of figures, with their thresholds') FROM page WHERE name = 'monitor';
SELECT ok(pg_temp.in_page(content, mlops._figure(r.value)), 'the last figure is in the table')
FROM page, (SELECT value FROM mlops.check_results WHERE metric = 'psi' AND attribute = 'income' ORDER BY id DESC LIMIT 1) r WHERE name = 'monitor';
SELECT ok(pg_temp.in_page(content, 'aria-label="shares by bin'), 'small histograms say what they show') FROM page WHERE name = 'monitor';

-- the curve that training kept is that of the test rows
SELECT is((SELECT (record->'hold_out'->'points'->-1->>1)::integer + (record->'hold_out'->'points'->-1->>2)::integer FROM mlops.runs WHERE model LIKE '"><script>%'),
          (SELECT (metrics->>'n_test')::integer FROM mlops.versions WHERE model LIKE '"><script>%'), 'the last point has all test rows');
SELECT ok((SELECT count(*) BETWEEN 50 AND 101 FROM mlops.runs, jsonb_array_elements(record->'hold_out'->'points') WHERE model LIKE '"><script>%'), 'there are at most 101 points');
SELECT set_eq($$SELECT (p->>1)::bigint AS positives, (p->>2)::bigint AS negatives FROM mlops.runs, jsonb_array_elements(record->'hold_out'->'points') p
                WHERE model LIKE '"><script>%' AND (p->>0)::float8 = (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY (x->>0)::float8)
                      FROM jsonb_array_elements(record->'hold_out'->'points') x)$$,
              $$SELECT count(*) FILTER (WHERE t.bad AND t.score >= m.score) AS positives, count(*) FILTER (WHERE NOT t.bad AND t.score >= m.score) AS negatives
                FROM (SELECT l.bad, mlops.predict('"><script>alert(1)<b>''&/1', l)::float4::text::float8 AS score FROM rp.loan l
                      WHERE mlops.split(l.id, 3, '{"test": 0.3}') = 'test') t,
                     (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY (x->>0)::float8) AS score FROM mlops.runs, jsonb_array_elements(record->'hold_out'->'points') x
                      WHERE model LIKE '"><script>%') m$$, 'a point counts the test rows from its score on');
SELECT is((SELECT sum(v::integer) FROM mlops.runs, jsonb_array_elements_text(record->'hold_out'->'distribution'->'positive') v WHERE model LIKE '"><script>%'),
          (SELECT (record->'hold_out'->'points'->-1->>1)::bigint FROM mlops.runs WHERE model LIKE '"><script>%'), 'the distribution has every positive row');
SELECT is((SELECT sum((v->>'n')::integer) FROM mlops.runs, jsonb_array_elements(record->'hold_out'->'calibration') v WHERE model LIKE '"><script>%'),
          (SELECT (metrics->>'n_test')::bigint FROM mlops.versions WHERE model LIKE '"><script>%'), 'the calibration every row');
SELECT ok((SELECT (metrics->>'auc')::float8 BETWEEN (record->'hold_out'->'intervals'->'auc'->>0)::float8 AND (record->'hold_out'->'intervals'->'auc'->>1)::float8
           FROM mlops.runs WHERE model LIKE '"><script>%'), 'the interval is around the AUC');
SELECT ok(NOT (mlops.describe('"><script>alert(1)<b>''&/1')->'run') ? 'hold_out', 'describe() leaves the curves out');

-- other tasks
SELECT ok(version = 1, 'trained') FROM mlops.train('rp three', 'SELECT id, income, kind FROM rp.loan', 'kind', key => 'id', rounds => 5);
SELECT ok(pg_temp.in_page(mlops.report_html('rp three/1'), 'Confusion matrix'), 'a model of three classes has its matrix');
SELECT is((SELECT sum(v::integer) FROM mlops.runs, jsonb_array_elements_text(record->'hold_out'->'confusion') v WHERE model = 'rp three'),
          (SELECT (metrics->>'n_test')::bigint FROM mlops.versions WHERE model = 'rp three'), 'with every test row');
SELECT ok(version = 1, 'trained') FROM mlops.train('rp amount', 'SELECT id, income, kind FROM rp.loan', 'income', key => 'id', rounds => 5);
SELECT ok(pg_temp.in_page(mlops.report_html('rp amount/1'), 'There are no curves'), 'a regression says that it has no curves');
SELECT ok(version = 1, 'trained') FROM mlops.train('rp all', 'SELECT id, income, bad FROM rp.loan', 'bad', key => 'id', rounds => 5, split => '{}');
SELECT ok(pg_temp.in_page(mlops.report_html('rp all/1'), 'There are no curves'), 'and so does a version without test rows');
SELECT ok(pg_temp.in_page(mlops.report_html('rp all/1'), '<h2>Audit log</h2>') AND pg_temp.in_page(mlops.report_html('rp all/1'), '<td>OK</td>'), 'who may verify the log sees what it says');

-- rights
SELECT is(pg_temp.try('rp_stranger', $$SELECT mlops.report_html('rp all/1')$$), '42501', 'a role without privileges sees no model');
SELECT is(pg_temp.try('rp_stranger', format('SELECT mlops.monitor_html(%L)', E'\u05e9\u05dc\u05d5\u05dd <s>')), 'ML057', 'and no monitor');
SELECT mlops.grant_privilege('score', 'rp all', 'rp_scorer');
SELECT is(pg_temp.try('rp_scorer', $$SELECT mlops.report_html('rp all/1')$$), '42501', 'the privilege score is not enough');
SELECT mlops.grant_privilege('read', 'rp all', 'rp_stranger');
SELECT is(pg_temp.try('rp_stranger', $$SELECT mlops.report_html('rp all/1', 'SELECT * FROM rp.loan')$$), '42501', 'a query runs with the rights of the caller');
SELECT is(pg_temp.try('rp_stranger', $$SELECT mlops.report_html('rp all/1') ~ 'rp_stranger'$$), 'true', 'read is, without one; the page says for whom it was made');
SELECT throws_ok($$SELECT mlops.report_html('rp all/1', 'DELETE FROM rp.loan RETURNING *')$$, NULL, NULL, 'a query that writes is refused');

-- plots in text
SELECT is((SELECT array_agg(n) FROM mlops.plot_histogram(ARRAY[0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 'NaN', NULL, 'Infinity']::float8[], 4)), '{2,2,2,4}', 'plot_histogram counts finite values');
SELECT is((SELECT array_agg(length(bar)) FROM mlops.plot_histogram('{0,1,2,3,4,5,6,7,8,8}'::float8[], 4, 10)), '{5,5,5,10}', 'its longest bar has the width');
SELECT is((SELECT count(*)::integer FROM mlops.plot_histogram('{}'::float8[])), 0, 'without values there is none');
SELECT is((SELECT sum(h.n)::integer FROM mlops.profiles p, mlops.plot_histogram(p.sketch, 7) h WHERE p.model = 'rp all' AND p.name = 'income'),
          (SELECT (metrics->>'n_train')::integer FROM mlops.versions WHERE model = 'rp all'), 'a sketch has one, too');
SELECT throws_ok($$SELECT mlops.plot_histogram('{1}'::float8[], 0)$$, '22023', 'bins of a plot must be between 1 and 1000', 'bins have limits');
SELECT is((SELECT count(*)::integer FROM mlops.plot_roc('"><script>alert(1)<b>''&', 30, 12)), 15, 'plot_roc has its height, an axis and two lines of text');
SELECT throws_ok($$SELECT mlops.plot_roc('rp amount/1')$$, '55000', NULL, 'a regression has none');
SELECT is(pg_temp.try('rp_scorer', $$SELECT mlops.plot_roc('rp all/1')$$), '42501', 'and the privilege read is needed');
SELECT is((SELECT count(*)::integer FROM mlops.plot_timeline(E'\u05e9\u05dc\u05d5\u05dd <s>', 'psi', 'income')),
          (SELECT count(DISTINCT window_start)::integer FROM mlops.check_results WHERE model LIKE '"><script>%'), 'plot_timeline has a row per window');
SELECT is(pg_temp.try('rp_scorer', format('SELECT mlops.plot_timeline(%L, %L)', E'\u05e9\u05dc\u05d5\u05dd <s>', 'psi')), 'ML057', 'and needs the privilege read');

SELECT * FROM finish();
ROLLBACK;
