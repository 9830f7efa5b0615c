-- What is said of rows that are not as those of training, of changes, and of
-- policies; and what the audit log keeps of these.
CREATE TABLE features_visit AS
SELECT i AS id, (ARRAY['Recife', 'Natal'])[1 + i % 2] AS city, i % 50 AS age, i % 2 = 0 AND i % 50 < 25 AS yes FROM generate_series(1, 400) i;
SELECT model FROM mlops.train('features_text', 'SELECT * FROM features_visit', 'yes', key => 'id', params => '{"max_depth": 2}', rounds => 5);
SELECT mlops.promote('features_text/1', reason => 'test');

-- policies: error
SELECT mlops.set_scoring_policy('features_text', unseen_categories => 'error', reason => 'new cities are to be looked at');
SELECT mlops.predict('features_text', v) FROM (SELECT 'Lisboa' AS city, 1 AS age) v;
SELECT mlops.predict('features_text', v) FROM (SELECT repeat('ç', 60) AS city, 1 AS age) v;
SELECT mlops.predict('features_text', '{2, 1}'::float8[]);
SELECT mlops.predict('features_text', '{-1e100, 1}'::float8[]);
SELECT mlops.predict('features_text', v) FROM (SELECT 1 AS x) v;
SELECT mlops.predict('features_text', '{"x": 1, "Age": 2}'::jsonb);
SELECT mlops.predict('features_text', v, '{"age": 1}') FROM (SELECT 1 AS x) v;

-- changes
SELECT mlops.predict('features_text', v, '{"Age": 1, "city": "Natal", "town": null}') FROM features_visit v WHERE id = 1;
SELECT mlops.predict('features_text', v, '{"age": "old"}') FROM features_visit v WHERE id = 1;
SELECT mlops.predict('features_text', v, '{"city": 1}') FROM features_visit v WHERE id = 1;
SELECT mlops.predict('features_text', v, '"age"') FROM features_visit v WHERE id = 1;

-- batches
SELECT mlops.predict_batch('features_text', '{1, 2}'::float8[]);
SELECT mlops.predict_batch('features_text', '{{1, 2, 3}}'::float8[]);
SELECT mlops.predict_batch('features_text', ARRAY[ARRAY[v]]) FROM features_visit v WHERE id = 1;
SELECT mlops.predict_batch('features_text', array_agg(v)) FROM (SELECT 'Lisboa'::text AS city, 1 AS age) v;

-- policies: what they cannot be
SELECT mlops.set_scoring_policy('features_text', 'ignore', reason => 'x');
SELECT mlops.set_scoring_policy('features_text', unseen_categories => 'Other', reason => 'x');
SELECT mlops.set_scoring_policy('features_text', 'null');

-- the log: what was set, not what stayed as it was
SELECT mlops.set_scoring_policy('features_text', 'null', 'other', 'the feed has no age on Sundays');
SELECT mlops.set_scoring_policy('features_text', 'null', 'other', 'again');
SELECT action, caller = current_user AS by_caller, reason,
       concat_ws(' ', state_before->>'missing_columns', state_before->>'unseen_categories') AS before,
       concat_ws(' ', state_after->>'missing_columns', state_after->>'unseen_categories') AS after
FROM mlops.audit_log WHERE model = 'features_text' AND action = 'model.scoring_policy' ORDER BY seq;
SELECT mlops.import_model('features_text', mlops.export_model('features_text')::mlops.artifact,
                          (SELECT mlops.describe('features_text')->'features'), missing => -999) AS imported;
SELECT version, state_after->'missing' AS missing FROM mlops.audit_log
WHERE model = 'features_text' AND action = 'version.register' ORDER BY seq;
SELECT status FROM mlops.verify_audit();

DROP TABLE features_visit;
