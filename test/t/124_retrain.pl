# Retraining by itself: a rule, its job, the challenger, the request with the
# evidence, and a second person; and what goes wrong on the way.  Jobs of a
# kind, and what mlops.progress shows of jobs.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('retrain');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'mlops'
restart_after_crash = on
TimeZone = 'UTC'
mlops.crash_delay = 0
max_worker_processes = 12
});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub soon { return $node->poll_query_until('postgres', $_[0]) }
# as somebody who logged in; the error, if it was one
sub as
{
	my ($role, $sql) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', $sql, extra_params => ['-U', $role]);
	return $ret == 0 ? $out : $err;
}
sub maker { return as('maker', $_[0]) }

# wait until the last run of a job has ended; its columns
sub ended
{
	my ($job, $columns) = @_;
	soon(qq{SELECT coalesce((SELECT bool_and(finished_at IS NOT NULL AND settled) FROM mlops.job_run WHERE job_name = '$job'), false)});
	return sql(qq{SELECT $columns FROM mlops.job_runs WHERE job = '$job' ORDER BY id DESC LIMIT 1});
}

# ten days, of which the sixth to eighth are shifted
sql(q{
	CREATE EXTENSION mlops;
	CREATE ROLE maker LOGIN; CREATE ROLE leaver LOGIN; CREATE ROLE checker LOGIN; CREATE ROLE stranger LOGIN; CREATE ROLE stats LOGIN;
	GRANT pg_read_all_stats TO stats;
	DO $$ DECLARE f regprocedure; BEGIN
		FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'mlops'::regnamespace AND proname !~ '^_' AND prokind IN ('f', 'p') LOOP
			EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO maker, leaver', f);
		END LOOP; END $$;
	GRANT EXECUTE ON FUNCTION mlops.approve TO checker;
	GRANT CREATE ON SCHEMA public TO maker;
	CREATE TABLE loan AS
	SELECT i AS id, timestamptz '2026-01-05 00:00+00' + (i - 1) * interval '2 minutes 24 seconds' AS at,
	       ((i * 7919) % 1009 / 1009.0)::float8 + CASE WHEN (i - 1) / 600 IN (5, 6, 7) THEN 0.5 ELSE 0 END AS a,
	       ((i * 104729::bigint) % 1013 / 1013.0)::float8 AS b, (i * 7919) % 1009 < 400 + (i * 31) % 200 AS bad
	FROM generate_series(1, 6000) i;
	GRANT SELECT ON loan TO maker, leaver});
is(maker(q{SELECT version FROM mlops.train('risk', 'SELECT * FROM loan WHERE at < ''2026-01-09''', 'bad', key => 'id', rounds => 5, features => '{a,b}');
	SELECT mlops.promote('risk/1', reason => 'first')}), "1\nrisk/1", 'a champion');
sql(q{SELECT mlops.grant_privilege('approve', 'risk', 'checker')});

#
# From drift to a new champion
#
maker(q{
	SELECT mlops.create_monitor('day', 'risk', 'loan', 'at');
	SELECT mlops.add_check('day', 'drift', '{"method": "ks"}');
	SELECT mlops.add_retrain_rule('risk', 'check', '{"check": 1, "times": 2}', schedule => 'every 1 second', reason => 'two days of drift');
	SELECT mlops.schedule('look', 'manual', 'SELECT mlops.run_monitor(''day'', (SELECT coalesce(max(window_end), ''2026-01-10'') + interval ''1 day'' FROM mlops.check_results))')});
maker(q{SELECT mlops.run_job('look')});
is(ended('look', 'status'), 'succeeded', 'one day of drift');
ok(soon(q{SELECT count(*) > 1 FROM mlops.job_runs WHERE job = 'retrain rule 1' AND status = 'succeeded' AND started_at > (SELECT max(finished_at) FROM mlops.job_runs WHERE job = 'look')}), 'the rule is checked');
is(sql(q{SELECT count(*) FROM mlops.retrainings}), '0', 'one is not enough');
maker(q{SELECT mlops.run_job('look')});
is(ended('look', 'status'), 'succeeded', 'a second one');
ok(soon(q{SELECT count(*) = 1 FROM mlops.requests WHERE status = 'open'}), 'a request arrives by itself');
is(sql(q{SELECT model, from_version, version, status, rule, reason, owner, created_by FROM mlops.retrainings}),
	'risk|1|2|open|1|rule 1: check 1 failed for 2 windows in a row|maker|maker', 'of a retraining');
is(sql(q{SELECT alias, version FROM mlops.aliases ORDER BY alias}), "challenger|2\nchampion|1", 'the new version is the challenger');
is(sql(q{SELECT r.package->'retraining'->'evidence'->'check_results' = (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('id', id, 'metric', metric, 'attribute', attribute, 'value', value, 'threshold', threshold)) ORDER BY id)
		FROM mlops.check_results WHERE verdict = 'fail'),
	r.package->'retraining'->'from_metrics' = (SELECT metrics FROM mlops.versions WHERE version = 1), r.package->'metrics' = (SELECT metrics FROM mlops.versions WHERE version = 2),
	r.created_by FROM mlops.requests r}), 't|t|t|maker', 'the request has the results, and the figures of both versions');
is(ended('retraining 1', 'status, message, rows, owner, cause'), 'succeeded|SELECT 1|1|maker|manual', 'the job was the owner\'s');
is(sql(q{SELECT count(*) FROM mlops.jobs WHERE kind = 'training'}), '1', 'and is gone, the rule\'s is not');
like(maker(q{SELECT mlops.approve(1)}), qr/permission denied/, 'the owner cannot approve');
sql(q{SELECT mlops.grant_privilege('approve', 'risk', 'maker')});
maker(q{SELECT mlops.schedule('self', 'manual', 'SELECT mlops.approve(1)', retries => 0); SELECT mlops.run_job('self')});
is(ended('self', 'status, sqlstate'), 'failed|ML041', 'nor can a job');
is(as('checker', q{SELECT mlops.approve(1)}), 'executed', 'another person can');
is(sql(q{SELECT version FROM mlops.aliases WHERE alias = 'champion'}), '2', 'there is a new champion');
is(sql(q{SELECT status FROM mlops.retrainings}), 'executed', 'the retraining is done');
is(sql(q{SELECT string_agg(action, ' ' ORDER BY seq) FROM mlops.audit_log WHERE action ~ '^(retrain|request|alias)'}),
	'alias.promote retrain_rule.add retraining.open alias.promote retraining.end request.open request.approve alias.promote request.execute', 'all of it is in the log');
is(sql(q{SELECT string_agg(DISTINCT status, ' ') FROM mlops.verify_audit()}), 'OK', 'which is whole');
is(sql(q{SELECT count(*) FROM mlops.retrainings}), '1', 'once');
maker(q{SELECT mlops.drop_retrain_rule(1, 'enough')});
is(sql(q{SELECT count(*) FROM mlops.jobs WHERE kind = 'training'}), '0', 'without the rule there is no job');

#
# What goes wrong
#
sql(q{REVOKE SELECT ON loan FROM maker});
like(maker(q{SELECT mlops.queue_retraining('risk', reason => 'r')}), qr/permission denied for table loan.*trial of what a job will do/s, 'without the right to read it is not queued');
sql(q{GRANT SELECT ON loan TO maker});
maker(q{BEGIN; SELECT mlops.queue_retraining('risk', reason => 'r'); SELECT mlops.alter_job(job, retry_delay => '0') FROM mlops.jobs WHERE job ~ '^retraining'; COMMIT; SELECT 1});
my $job = 'retraining ' . sql('SELECT max(id) FROM mlops.retrainings');
is(ended($job, 'status'), 'succeeded', 'by hand');
is(sql(q{SELECT status, version, rule, reason FROM mlops.retrainings ORDER BY id DESC LIMIT 1}), 'open|3||r', 'is the same');
is(as('checker', q{SELECT mlops.approve(2)}), 'executed', 'approved');
sql(q{REVOKE SELECT ON loan FROM maker});
sql(q{ALTER SYSTEM SET mlops.scheduler = off; SELECT pg_reload_conf()});
sql(q{GRANT SELECT ON loan TO maker});
maker(q{SELECT mlops.queue_retraining('risk', reason => 'later')});
sql(q{REVOKE SELECT ON loan FROM maker; UPDATE mlops.job SET retry_delay = '0' WHERE name ~ '^retraining'});
sql(q{ALTER SYSTEM RESET mlops.scheduler; SELECT pg_reload_conf()});
$job = 'retraining ' . sql('SELECT max(id) FROM mlops.retrainings');
is(ended($job, 'status, sqlstate, message, attempt'), 'failed|42501|permission denied for table loan|2', 'a right that was lost meanwhile');
is(sql(q{SELECT status, version FROM mlops.retrainings ORDER BY id DESC LIMIT 1}), 'failed|', 'makes it fail');
sql(q{GRANT SELECT ON loan TO maker});
maker(qq{SELECT mlops.run_job('$job')});
is(ended($job, 'status, attempt'), 'succeeded|1', 'with it, it can be tried again');
is(sql(q{SELECT status, version FROM mlops.retrainings ORDER BY id DESC LIMIT 1}), 'open|4', 'and succeeds');

# a gate
maker(q{SELECT mlops.withdraw(max(id)) FROM mlops.requests WHERE status = 'open'});
like(maker(q{SELECT mlops.add_gate('risk', kind => 'metric', metric => 'auc', at_least => 2, reason => 'r'); LISTEN mlops_retraining; SELECT mlops.queue_retraining('risk', reason => 'r')}),
	qr/"mlops_retraining" with payload "\{"model": "risk", "action": "open", "retraining": \d+\}"/, 'who listens is told');
$job = 'retraining ' . sql('SELECT max(id) FROM mlops.retrainings');
is(ended($job, 'status'), 'succeeded', 'a policy that forbids');
is(sql(q{SELECT status, version, request IS NULL, note ~ '^no request: risk/5 does not pass the gates' FROM mlops.retrainings ORDER BY id DESC LIMIT 1}), 'trained|5|t|t', 'leaves a version, and no request');

# an owner who is dropped
as('leaver', q{
	SELECT version FROM mlops.train('left', 'SELECT * FROM loan', 'bad', rounds => 1, features => '{a,b}');
	SELECT mlops.promote('left/1', reason => 'r');
	SELECT mlops.add_retrain_rule('left', 'age', '{"max_age": "1 day"}', schedule => 'every 1 second', reason => 'r')});
is(sql(q{SELECT count(*) FROM mlops.retrain_rules WHERE model = 'left'}), '1', 'a rule of somebody');
sql(q{UPDATE mlops.job SET retries = 0 WHERE name = 'retrain rule 2'; REVOKE ALL ON loan FROM leaver; DROP OWNED BY leaver; DROP ROLE leaver});
ok(soon(q{SELECT count(*) = 1 FROM mlops.jobs WHERE job = 'retrain rule 2' AND NOT enabled AND disabled_reason ~ 'does not exist any more'}), 'who was dropped: its job is disabled');
is(sql(q{SELECT mlops.set_owner('left', 'postgres'); SELECT mlops.drop_retrain_rule(2, 'left'); SELECT count(*) FROM mlops.jobs WHERE job = 'retrain rule 2'}), "\n\n0", 'and whoever owns the model drops the rule');

#
# A crash in the middle
#
like(maker(q{SELECT version FROM mlops.train('slow', 'SELECT * FROM loan', 'bad', key => 'id', rounds => 4000, early_stopping_rounds => 4000, params => '{"eta": 0.001, "max_depth": 5}', features => '{a,b}');
	SELECT mlops.promote('slow/1', reason => 'r')}), qr/slow\/1/, 'a training that takes some time');
maker(q{BEGIN; SELECT mlops.queue_retraining('slow', reason => 'r'); SELECT mlops.alter_job(job, retry_delay => '0') FROM mlops.jobs WHERE job ~ '^retraining'; COMMIT});
$job = 'retraining ' . sql('SELECT max(id) FROM mlops.retrainings');
my $seen = qq{kind = 'train' AND model = 'slow' AND phase = 'boosting' AND done > 3 AND expected = 4000 AND metric ~ 'logloss' AND job = '$job'
	AND run = (SELECT max(id) FROM mlops.job_run WHERE job_name = '$job')};
ok(soon("SELECT count(*) = 1 FROM mlops.progress WHERE $seen"), 'progress shows the round, the metric, the job and its run');
my $pid = sql("SELECT pid FROM mlops.progress WHERE job = '$job'");
kill 9, $pid;
ok(soon(qq{SELECT count(*) = 2 FROM mlops.job_run WHERE job_name = '$job' AND finished_at IS NOT NULL AND settled}), 'killed, it is done again');
is(sql(qq{SELECT string_agg(status, ' ' ORDER BY attempt) FROM mlops.job_runs WHERE job = '$job'}), 'crashed succeeded', 'as is recorded');
is(sql(q{SELECT count(*) FROM mlops.versions WHERE model = 'slow'}), '2', 'there is one new version');
is(sql(q{SELECT status, version FROM mlops.retrainings WHERE model = 'slow'}), 'open|2', 'and a request for it');

#
# Scoring
#
maker(q{SELECT mlops.schedule_scoring('night', 'manual', 'risk', 'loan', 'score', '{id}', 1000); SELECT mlops.run_job('night')});
is(ended('night', 'status, rows, message'), 'succeeded|6000|CALL 6000', 'a job scores');
maker(q{SELECT mlops.run_job('night')});
is(ended('night', 'status, rows'), 'succeeded|0', 'what is scored already is not scored again');
maker(q{CREATE TABLE score2 (LIKE score INCLUDING ALL);
	CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM 1 / (attempt <> 1)::integer FROM mlops.current_run(); RETURN NEW; END';
	CREATE TRIGGER fail_once BEFORE INSERT ON score2 FOR EACH ROW WHEN (NEW.id = 4500) EXECUTE FUNCTION fail_once();
	SELECT mlops.schedule_scoring('broken', 'manual', 'risk', 'loan', 'score2', '{id}', 1000);
	SELECT mlops.alter_job('broken', retry_delay => '0'); SELECT mlops.run_job('broken')});
is(ended('broken', 'status, rows, attempt'), 'succeeded|2000|2', 'one that failed goes on where it was');
is(sql(q{SELECT sqlstate FROM mlops.job_runs WHERE job = 'broken' AND attempt = 1}), '22012', 'after its error');
is(sql(q{SELECT count(*), count(DISTINCT id) FROM score2}), '6000|6000', 'each row once');
is(sql(q{SELECT bool_and(cpu_time > 0 AND peak_memory > 1000000 AND pid > 0) FROM mlops.job_runs WHERE job IN ('night', 'broken')}), 't', 'with the figures of the process');

#
# A monitor in progress
#
sql(q{CREATE FUNCTION hold() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN true; END'});
maker(q{
	SELECT mlops.create_monitor('held', 'risk', 'SELECT * FROM loan WHERE (SELECT hold())', 'at');
	SELECT mlops.add_check('held', 'drift'); SELECT mlops.add_check('held', 'drift', '{"method": "ks"}');
	SELECT mlops.schedule('watch', 'manual', 'SELECT mlops.run_monitor(''held'', ''2026-01-11 00:00Z'')')});
maker(q{SELECT mlops.schedule('hold', 'manual', 'SELECT pg_advisory_lock(42), pg_sleep(600)'); SELECT mlops.run_job('hold')});
ok(soon(q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND granted}), 'rows that have to be waited for');
maker(q{SELECT mlops.run_job('watch')});
$seen = q{SELECT kind, model, version, phase, done, expected, unit, job, monitor, "check" = (SELECT min(id) FROM mlops.monitor_check c WHERE c.monitor_id = (SELECT id FROM mlops.monitor WHERE name = 'held')),
	window_start, window_end FROM mlops.progress WHERE kind = 'monitor'};
ok(soon(q{SELECT count(*) = 1 FROM mlops.progress WHERE kind = 'monitor'}), 'a monitor is in progress');
is(sql($seen), 'monitor|risk|3|checking|0|2|checks|watch|held|t|2026-01-10 00:00:00+00|2026-01-11 00:00:00+00', 'with its check and window');
is(maker(q{SELECT count(*) FROM mlops.progress WHERE kind = 'monitor' AND job = 'watch'}), '1', 'its owner sees it');
is(as('stats', q{SELECT count(*) FROM mlops.progress WHERE kind = 'monitor' AND job = 'watch'}), '1', 'so does who reads all statistics');
is(as('stranger', q{SELECT count(*) FROM mlops.progress}), '0', 'others do not');
maker(q{SELECT mlops.cancel_job('hold')});
is(ended('watch', 'status'), 'succeeded', 'it ends');
is(sql(q{SELECT count(*) FROM mlops.progress}), '0', 'and is not seen any more');

unlike(slurp_file($node->logfile), qr/leak|PANIC|TRAP|still referenced/, 'nothing leaks, nothing panics');
$node->stop;
done_testing();
