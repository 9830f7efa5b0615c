-- The main job, from an empty database to a champion that was rolled back.
-- Run by demo.sh, which sets the variables
--     model, rows, key, label	names, and the column that numbers the rows
--     positive			the label's positive class, or ''
--     load			a file that creates the table and fills it
--     waiting			a file that creates procedure bank.wait_until
-- What depends on them and should be readable is made by queries that are not
-- shown.
\set ON_ERROR_STOP on
\set SHOW_CONTEXT never

\set ECHO none
SELECT format('SELECT * FROM %s', :'rows') AS query,
       CASE WHEN :'positive' <> '' THEN format(', positive => %L', :'positive') ELSE '' END AS positive_argument,
       :'model' || '/1' AS first,
       :'model' || '/2' AS second
\gset
\set ECHO queries

\echo
\echo '--- 1. The extension, and four roles, none of them a superuser'
\echo
CREATE EXTENSION mlops;
CREATE ROLE modeller LOGIN;
CREATE ROLE checker LOGIN;
CREATE ROLE loan_app LOGIN;
CREATE ROLE auditor LOGIN;
GRANT EXECUTE ON FUNCTION mlops.train, mlops.promote, mlops.rollback, mlops.set_reason, mlops.grant_privilege TO modeller;
GRANT EXECUTE ON FUNCTION mlops.set_policy, mlops.add_gate, mlops.approve TO modeller;
GRANT EXECUTE ON FUNCTION mlops.snapshot, mlops.verify_snapshot, mlops.repeat_run TO modeller;
GRANT EXECUTE ON FUNCTION mlops.schedule, mlops.run_job TO modeller;
GRANT EXECUTE ON PROCEDURE mlops.tune TO modeller;
GRANT EXECUTE ON FUNCTION mlops.create_monitor, mlops.alter_monitor, mlops.add_check, mlops.run_monitor, mlops.acknowledge, mlops.close_alert TO modeller;
GRANT EXECUTE ON FUNCTION mlops.drop_gate, mlops.add_retrain_rule, mlops.drop_retrain_rule, mlops.check_retrain_rules, mlops.perform_retraining TO modeller;
GRANT EXECUTE ON FUNCTION mlops.approve, mlops.ratify TO checker;
GRANT EXECUTE ON FUNCTION mlops.verify_audit TO auditor;
CREATE SCHEMA bank AUTHORIZATION modeller;

\echo
\echo '--- 2. The modeller loads the data'
\echo
\connect - modeller
\ir :load
SELECT count(*) AS rows FROM :rows;

\echo
\echo '--- 3. Train; 30 % of the rows, by a hash of the key, are held out to measure'
\echo
SELECT t.model, m.key AS metric, round(m.value::numeric, 4) AS hold_out
FROM mlops.train(:'model', :'query', label => :'label', key => :'key', split => '{"test": 0.3}',
                 params => '{"max_depth": 3, "eta": 0.1}', rounds => 100, seed => 7:positive_argument) t,
     jsonb_each_text(t.metrics) m
WHERE m.key IN ('auc', 'ks', 'gini', 'accuracy', 'log_loss', 'rmse', 'r2') ORDER BY m.key;

\echo
\echo '--- 4. Nothing is champion by itself: promote it, with a reason and the number of the change'
\echo
SELECT mlops.promote(:'first', reason => 'first model, validated', change_ref => 'CHG-1001');

\echo
\echo '--- 5. Dry run: which column each feature would read'
\echo
SELECT * FROM mlops.bind(:'model', :'rows'::regclass);

\set ECHO none
SELECT CASE task
       WHEN 'binary' THEN format(E'round(mlops.predict(%1$L, l)::numeric, 4) AS probability,\n       mlops.predict_class(%1$L, l) AS predicted', model)
       WHEN 'multiclass' THEN format('mlops.predict_class(%1$L, l) AS predicted', model)
       ELSE format('mlops.predict(%L, l) AS predicted', model)
       END AS scores
FROM mlops.models WHERE model = :'model'
\gset
SELECT format(E'SELECT l.%1$I, l.%2$I, %3$s\nFROM %4$s l ORDER BY l.%1$I LIMIT 5;', :'key', :'label', :'scores', :'rows') AS scoring
\gset
\set ECHO queries

\echo
\echo '--- 6. Score rows'
\echo
:scoring

\echo
\echo '--- 7. A second version with other parameters, and both beside each other'
\echo
SELECT t.model
FROM mlops.train(:'model', :'query', label => :'label', key => :'key', split => '{"test": 0.3}',
                 params => '{"max_depth": 4, "eta": 0.05, "subsample": 0.8, "colsample_bytree": 0.6}',
                 rounds => 150, seed => 7:positive_argument) t;
SELECT m.key AS metric,
       round(max(m.value) FILTER (WHERE v.version = 1), 4) AS version_1,
       round(max(m.value) FILTER (WHERE v.version = 2), 4) AS version_2
FROM mlops.versions v, LATERAL (SELECT key, value::numeric FROM jsonb_each_text(v.metrics)
                                WHERE key IN ('auc', 'ks', 'gini', 'accuracy', 'log_loss', 'rmse', 'r2')) m
WHERE v.model = :'model' GROUP BY m.key ORDER BY m.key;

\echo
\echo '--- 8. Promote it: from now on that needs a second person, and the maker is none; the same query scores with it then, in every session'
\echo
SELECT mlops.set_policy(:'model', approvals => 1, reason => 'in production') AS request;
SELECT mlops.grant_privilege('approve', :'model', r) FROM unnest(ARRAY['modeller', 'checker']) r;
SELECT mlops.promote(:'second', reason => 'other parameters, reviewed', change_ref => 'CHG-1002');
\set ON_ERROR_STOP off
SELECT mlops.approve(1, 'it is mine, and good');
\set ON_ERROR_STOP on
\connect - checker
SELECT model, version, alias, status, created_by, left(package_sha256, 12) AS package_sha256 FROM mlops.requests;
SELECT mlops.approve(1, 'metrics and report 77 seen');
\connect - modeller
:scoring

\echo
\echo '--- 9. Roll back, which one person may at once: the scores are those of the first version again; another person ratifies it'
\echo
SELECT mlops.rollback(:'model', reason => 'complaints in branch 12');
:scoring
\connect - checker
SELECT mlops.ratify(1, 'complaints seen');
SELECT kind, status, created_by, ratified_by FROM mlops.safety_actions;
\connect - modeller

\echo
\echo '--- 10. Rights: the application may not score until it is granted, and then not take the model away'
\echo
GRANT USAGE ON SCHEMA bank TO loan_app;
GRANT SELECT ON :rows TO loan_app;
\connect - loan_app
\set ON_ERROR_STOP off
:scoring
\set ON_ERROR_STOP on
\connect - modeller
SELECT mlops.grant_privilege('score', :'model', 'loan_app');
SELECT mlops.grant_privilege('read', :'model', 'auditor');
\connect - loan_app
:scoring
\set ON_ERROR_STOP off
SELECT mlops.export_model(:'model');
\set ON_ERROR_STOP on

\set ECHO none
SELECT task = 'binary' AS letters, :'positive' <> '' AS loans,
       CASE WHEN :'positive' <> '' THEN 'One refused loan' ELSE 'The row with the highest probability' END AS refusal
FROM mlops.models WHERE model = :'model'
\gset
SELECT format(E'SELECT l.%1$I AS refused FROM %2$s l ORDER BY mlops.predict(%3$L, l) DESC, l.%1$I LIMIT 1', :'key', :'rows', :'model') AS choosing
\gset
\set ECHO queries

\if :letters
\echo
\echo '--- 11.' :refusal: what made its score, for the modeller, and the reasons for its letter, for the application
\echo
\connect - modeller
:choosing
\gset
\set ECHO none
SELECT format(E'SELECT l.%1$I, e.rank, e.feature, e.value, round(e.contribution::numeric, 4) AS contribution, e.reason\nFROM %2$s l, mlops.explain(%3$L, l, top => 6) e\nWHERE l.%1$I = %4$L ORDER BY e.rank;', :'key', :'rows', :'model', :'refused') AS explaining,
       format(E'SELECT l.%1$I, mlops.predict_class(%3$L, l) AS predicted, r.n, r.reason\nFROM %2$s l, unnest(mlops.reason_codes(%3$L, l, n => 4)) WITH ORDINALITY r (reason, n)\nWHERE l.%1$I = %4$L ORDER BY r.n;', :'key', :'rows', :'model', :'refused') AS reasoning
\gset
\set ECHO queries
\if :loans
SELECT count(mlops.set_reason(:'model', r.feature, r.text)) AS reasons
FROM (VALUES ('checking_status', 'Balance of the current account'),
             ('duration', 'Term of the loan is too long'),
             ('credit_amount', 'Amount requested is too high'),
             ('savings_status', 'Savings are too low'),
             ('credit_history', 'Payment history'),
             ('installment_commitment', 'Instalments are too high for the income')) r (feature, text);
\endif
:explaining
\connect - loan_app
:reasoning
\else
\echo
\echo '--- 11. Reasons for a letter: left out, because the model does not tell two classes apart'
\endif

\set ECHO none
SELECT CASE task WHEN 'binary' THEN 'auc' WHEN 'multiclass' THEN 'accuracy' ELSE 'rmse' END AS metric,
       CASE task WHEN 'regression' THEN 'ASC' ELSE 'DESC' END AS best_first,
       CASE task WHEN 'regression' THEN 'DESC' ELSE 'ASC' END AS worst_first,
       :'model' || '/3' AS third
FROM mlops.models WHERE model = :'model'
\gset
\set ECHO queries

\echo
\echo '--- 12. A gate: no version that is worse than the champion on the same held out rows'
\echo
\connect - modeller
SELECT mlops.add_gate(:'model', kind => 'champion', metric => :'metric', tolerance => 0.01, reason => 'rule 4.3 of the model policy');
SELECT t.model
FROM mlops.train(:'model', :'query', label => :'label', key => :'key', split => '{"test": 0.3}',
                 params => '{"max_depth": 1}', rounds => 1, seed => 7:positive_argument) t;
SELECT * FROM mlops.check_gates(:'third');
\set ON_ERROR_STOP off
SELECT mlops.promote(:'third', reason => 'small and fast', change_ref => 'CHG-1003');
\set ON_ERROR_STOP on

\set ECHO none
SELECT coalesce(max(CASE WHEN :'loans' THEN 'duration > 24'
                         ELSE format('%I > %s', p.name, mlops.quantile(p.sketch, 0.7)) END), '') AS shift,
       count(*) > 0 AS shiftable
FROM (SELECT p.name, p.sketch FROM mlops.profiles p
      WHERE p.model = :'model' AND p.version = 1 AND p.role = 'feature' AND p.kind = 'numeric'
      ORDER BY p.position LIMIT 1) p
\gset
SELECT format('SELECT * FROM %s WHERE %s', :'rows', :'shift') AS shifted,
       format('SELECT * FROM %s WHERE mlops.split(%I, seed => 1) = ''test''', :'rows', :'key') AS sample
\gset
\set ECHO queries

\echo
\echo '--- 13. Drift from the training data: rows drawn at random show none, a slice of them does'
\echo
SELECT d.verdict, count(*) AS comparisons
FROM mlops.drift_report(:'model', :'sample') d GROUP BY d.verdict ORDER BY d.verdict;
\if :shiftable
SELECT d.role, d.feature, d.method, round(d.value::numeric, 4) AS value, d.threshold, d.verdict
FROM mlops.drift_report(:'model', :'shifted') d WHERE d.verdict IN ('warn', 'fail') ORDER BY d.value DESC;
\endif

\if :loans
\echo
\echo '--- 14. Bias, by sex and age: the young are approved less often than the four-fifths rule allows, also those who would have paid; women are not'
\echo
SELECT b.attribute, b."group", b.reference, b.metric, round(b.value::numeric, 3) AS value,
       round(b.lower::numeric, 3) AS lower, round(b.upper::numeric, 3) AS upper, b.verdict
FROM mlops.bias_report($$SELECT CASE WHEN personal_status LIKE 'female%' THEN 'female' ELSE 'male' END AS sex,
                                CASE WHEN age < 26 THEN 'under 26' ELSE 'older' END AS age_band,
                                class = 'good' AS repaid, mlops.predict('credit_risk', l) < 0.3 AS approved
                         FROM bank.loans l$$,
                       label => 'repaid', prediction => 'approved', groups => '{sex,age_band}', privileged => '{male,older}') b
WHERE b.attribute IN ('sex', 'age_band')
  AND b.metric IN ('demographic_parity_difference', 'disparate_impact', 'equal_opportunity_difference');
\else
\echo
\echo '--- 14. Bias: left out, because it must be known which groups of people are to be compared'
\endif

\set ECHO none
SELECT format(E'$$CALL mlops.tune(%L, mlops.snapshot_query(''training_data''), label => %L, key => %L,\n'
              '                                               space => ''{"max_depth": {"low": 1, "high": 6, "int": true}, "eta": {"low": 0.02, "high": 0.5, "log": true}, "colsample_bytree": [0.4, 0.7, 1]}'',\n'
              '                                               trials => 20, metric => %L, seed => 7%s)$$', :'model', :'label', :'key', :'metric', :'positive_argument') AS tuning
\gset
\set QUIET on
\ir :waiting
\set QUIET off
\set ECHO queries

\echo
\echo '--- 15. An experiment: a snapshot of the rows, with their hash; a job that tries 20 sets of parameters on it, watched from here; the winner once more, to the same bits'
\echo
SELECT mlops.snapshot('training_data', :'query', key => :'key', materialize => true, label => :'label');
SELECT snapshot, rows, left(hash, 16) AS hash, classes, copy FROM mlops.snapshots;
SELECT mlops.schedule('tuning', 'manual', :tuning);
SELECT mlops.run_job('tuning') AS run;
CALL bank.wait_until('SELECT count(*) >= 5 FROM mlops.trials', seconds => 3600);
SELECT kind, phase, done, expected, unit, metric FROM mlops.progress;
CALL bank.wait_until($$SELECT status = 'finished' FROM mlops.searches$$, seconds => 3600);
SELECT trial, parameters, round(value::numeric, 4) AS :metric FROM mlops.trials ORDER BY value :best_first LIMIT 3;
SELECT c.name, c."values"[1] AS best, c."values"[2] AS worst
FROM mlops.compare_runs((SELECT run FROM mlops.trials ORDER BY value :best_first LIMIT 1), (SELECT run FROM mlops.trials ORDER BY value :worst_first LIMIT 1)) c
WHERE (c.kind = 'param' OR c.name = :'metric') AND NOT c.same ORDER BY c.kind DESC, c.name;
SELECT s.trials, s.model || '/' || s.version AS winner, round((v.metrics->>:'metric')::numeric, 4) AS :metric,
       r.same_artifact, r.same_data, left(r.recorded_sha256, 16) AS recorded_sha256, left(r.sha256, 16) AS sha256
FROM mlops.searches s JOIN mlops.versions v USING (model, version), mlops.repeat_run(v.run) r;
SELECT source, same, rows FROM mlops.verify_snapshot('training_data');

\echo
\echo '--- 16. The auditor: what there is, what it was at each time, who did what, and whether the log is intact'
\echo
\connect - auditor
SELECT model, version, aliases, left(sha256, 12) AS sha256, created_by, created_at FROM mlops.versions;
SELECT alias, action, previous_version, version, reason, change_ref, changed_by FROM mlops.alias_history ORDER BY id;
SELECT changed_at, mlops.model_at(:'model', changed_at) AS champion FROM mlops.alias_history ORDER BY id;
SELECT seq, action, version, alias, subject, caller, reason, change_ref, left(encode(hash, 'hex'), 12) AS hash
FROM mlops.audit_log ORDER BY seq;
SELECT status, seq, detail FROM mlops.verify_audit() \gx

\echo
\echo '--- 17. A superuser changes one byte behind its back, here with the guards off: it is found'
\echo
\connect - postgres
BEGIN;
ALTER TABLE mlops.audit_event DISABLE TRIGGER ALL;
UPDATE mlops.audit_event SET reason = overlay(reason PLACING 'F' FROM 1 FOR 1)
WHERE seq = (SELECT min(seq) FROM mlops.audit_event WHERE action = 'alias.promote');
SELECT status, seq, detail FROM mlops.verify_audit();
ROLLBACK;
SELECT status, seq FROM mlops.verify_audit();

\if :loans
\echo
\echo '--- 18. By itself: every 2 seconds jobs look for drift and bias in the new loans; these shift, and alerts, retraining and request come without anybody asking'
\echo
\connect - modeller
ALTER TABLE bank.loans ADD decided_at timestamptz;
SELECT mlops.create_monitor('new_loans', 'credit_risk', time_column => 'decided_at', window_length => '2 seconds', schedule => 'every 2 seconds', groups => '{sex}',
                            source => $$SELECT l.*, CASE WHEN personal_status LIKE 'female%' THEN 'female' ELSE 'male' END AS sex,
                                               mlops.predict('credit_risk', l) < 0.3 AS approved
                                        FROM bank.loans l$$) AS monitor;
SELECT mlops.add_check('new_loans', 'drift') AS drift,
       mlops.add_check('new_loans', 'bias', '{"prediction": "approved", "privileged": ["male"], "metrics": ["disparate_impact"]}') AS bias;
\echo '-- If drift fails, train again, with the new loans, too; the same rows as ever are held out.'
SELECT mlops.add_retrain_rule('credit_risk', 'check', '{"check": 1, "times": 1}', schedule => 'every 2 seconds', reason => 'rule 5.1 of the model policy',
                              query => $$SELECT * FROM bank.loans WHERE decided_at IS NULL OR mlops.split(loan_id, seed => 7) = 'train'$$) AS rule;
\echo '-- The gate of step 12 compares versions that were trained by one query. A limit takes its place, which the checker has to approve.'
SELECT mlops.add_gate('credit_risk', kind => 'metric', metric => 'auc', at_least => 0.78, reason => 'rule 4.4 of the model policy') AS gate;
SELECT mlops.drop_gate(1, reason => 'rule 4.4 instead') AS request;
\connect - checker
SELECT mlops.approve(2, 'rule 4.4 seen');
\connect - modeller
\echo '-- New loans come, made of old ones that are not held out. Women ask for so many times the amount and the term.'
CREATE PROCEDURE bank.new_loans(first bigint, times integer) LANGUAGE SQL AS $$
    INSERT INTO bank.loans
    SELECT n.*
    FROM bank.loans l, jsonb_populate_record(l, jsonb_build_object('loan_id', first + loan_id, 'decided_at', now() + interval '3 seconds')) m,
         jsonb_populate_record(m, CASE WHEN m.personal_status LIKE 'female%'
                                       THEN jsonb_build_object('credit_amount', times * m.credit_amount, 'duration', times * m.duration) END) n
    WHERE l.decided_at IS NULL AND mlops.split(l.loan_id, seed => 7) = 'train'
$$;
LISTEN mlops_alert;
LISTEN mlops_retraining;
CALL bank.new_loans(1000, times => 1);
CALL bank.wait_until($$SELECT EXISTS (SELECT FROM mlops.check_results WHERE kind = 'bias' AND verdict = 'ok')$$);
CALL bank.new_loans(2000, times => 3);
CALL bank.wait_until($$SELECT EXISTS (SELECT FROM mlops.requests WHERE status = 'open')$$);
SELECT dense_rank() OVER (ORDER BY window_start) AS "window", kind, metric, attribute, n, round(value::numeric, 3) AS value, verdict
FROM mlops.check_results
WHERE (attribute IN ('duration', 'credit_amount', 'score') OR kind = 'bias') AND verdict <> 'insufficient' ORDER BY window_start, id;
SELECT mlops.grant_privilege('read', 'credit_risk', 'checker');
\echo '-- The checker sees why, and what came of it.'
\connect - checker
SELECT q.id, q.version, q.alias, q.status, q.created_by, q.reason, e->>'attribute' AS attribute, e->>'metric' AS metric, round((e->>'value')::numeric, 3) AS value,
       round((q.package #>> '{retraining,from_metrics,auc}')::numeric, 4) AS champion_auc, round((q.package #>> '{metrics,auc}')::numeric, 4) AS auc
FROM mlops.requests q, jsonb_array_elements(q.package #> '{retraining,evidence,check_results}') e
WHERE q.status = 'open' \gx
SELECT mlops.approve(3, 'report 78 seen');
\connect - modeller
SELECT mlops.close_alert(id, 'the new champion knows such loans') FROM mlops.alerts WHERE kind = 'drift';
SELECT mlops.acknowledge(id, 'on the agenda of the credit committee') FROM mlops.alerts WHERE kind = 'bias';
SELECT kind, version, status, coalesce(close_comment, comment) AS comment FROM mlops.alerts ORDER BY id;
SELECT DISTINCT job, cause, status FROM mlops.job_runs WHERE duration IS NOT NULL ORDER BY job;
SELECT status, message, jobs, failing, silent, open_alerts FROM mlops.health();
SELECT mlops.alter_monitor('new_loans', schedule => ''), mlops.drop_retrain_rule(1, reason => 'the demo ends');
\connect - auditor
SELECT action, version, alias, caller, reason FROM mlops.audit_log
WHERE seq >= (SELECT min(seq) FROM mlops.audit_log WHERE action = 'alert.open') AND action ~ '^(alert|retraining|version|alias|request)' ORDER BY seq;
SELECT status FROM mlops.verify_audit();
\else
\echo
\echo '--- 18. By itself: left out, because it must be known which rows are new'
\endif
