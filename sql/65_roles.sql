-- file: sql/65_roles.sql
-- Roles: a proposed set of them, and who has which duties.

CREATE FUNCTION mlops._setup_roles(prefix text) RETURNS TABLE (role name, created boolean, duties text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    item record;
    present pg_roles;
    named text;
    private_function regprocedure;
BEGIN
    IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = mlops._caller()) THEN
        RAISE EXCEPTION 'permission denied to set up roles'
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'The roles get privileges on all models, which only a superuser can give.';
    END IF;
    IF prefix IS NULL OR prefix LIKE 'pg\_%' OR octet_length(prefix) > 50 THEN
        RAISE EXCEPTION 'invalid prefix for roles: "%"', prefix USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR item IN
        SELECT * FROM (VALUES
            ('trainer', '{}'::text[],
             '{create_model,train,cross_validate,tune,select_features,calibrate,import_model,add_golden_row,promote,request_promotion,withdraw,execute,rollback,drop_alias,suspend,resume,set_policy,set_scoring_policy,add_gate,drop_gate,set_traffic,set_shadow,set_card,record_measurement,grant_privilege,revoke_privilege,set_owner,set_reason}'::text[] ||
             '{snapshot,verify_snapshot,drop_snapshot,leakage_report,create_experiment,add_run,log_run,log_metric,note_run,tag_run,finish_run,repeat_run,choose_threshold,score,score_batches,set_profile,profile_windows}'::text[] ||
             '{create_monitor,alter_monitor,drop_monitor,add_check,drop_check,run_monitor,backfill_monitor,acknowledge,close_alert}'::text[] ||
             '{retrain,queue_retraining,perform_retraining,schedule_training,add_retrain_rule,alter_retrain_rule,drop_retrain_rule,check_retrain_rules}',
             'makes versions of models, which it owns, and asks for promotions'),
            ('validator', '{read}', '{duties_report,evidence}',
             'sees all of every model'),
            ('approver', '{approve,read}', '{approve,reject,ratify,suspend,record_measurement,evidence}',
             'approves or rejects, ratifies, suspends'),
            ('operator', '{manage}', '{promote,request_promotion,withdraw,execute,rollback,drop_alias,suspend,resume,set_scoring_policy,set_traffic,set_shadow,score,score_batches,log_prediction,preload}'::text[] ||
             '{create_monitor,alter_monitor,drop_monitor,add_check,drop_check,run_monitor,backfill_monitor,acknowledge,close_alert,schedule,schedule_scoring,unschedule,alter_job,run_job,cancel_job}',
             'executes what is approved, rolls back, suspends and resumes, runs monitors and jobs'),
            ('auditor', '{read}', '{verify_audit,audit_head,audit_checkpoint,push_checkpoint,duties_report,evidence}',
             'sees all of every model, verifies the audit log')) v (word, model_privileges, functions, duties)
    LOOP
        role := prefix || item.word;
        duties := item.duties;
        SELECT r.* INTO present FROM pg_roles r WHERE r.rolname = role;
        created := NOT FOUND;
        IF created THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        ELSIF present.rolcanlogin OR present.rolsuper OR present.rolcreaterole THEN
            RAISE EXCEPTION 'role "%" exists and is no group', role
                USING ERRCODE = 'duplicate_object',
                      HINT = 'Choose another prefix, such as mlops.setup_roles(''bank_'').';
        END IF;
        FOREACH named IN ARRAY item.functions LOOP
            FOR private_function IN SELECT p.oid FROM pg_proc p
                                    WHERE p.pronamespace = 'mlops'::regnamespace AND p.proname = named LOOP
                EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I', private_function, role);
            END LOOP;
        END LOOP;
        FOREACH named IN ARRAY item.model_privileges LOOP
            PERFORM mlops._change_privilege(true, named, NULL, role);
        END LOOP;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION mlops._setup_roles(text) IS 'Body of mlops.setup_roles().';
REVOKE ALL ON FUNCTION mlops._setup_roles(text) FROM PUBLIC;

CREATE FUNCTION mlops.setup_roles(prefix text DEFAULT 'mlops_',
                                  OUT role name, OUT created boolean, OUT duties text) RETURNS SETOF record
    LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.setup_roles(text) IS
    'Creates the roles trainer, validator, approver, operator and auditor with a prefix, as groups without members, and gives them the functions and the privileges on all models that their duties need; can be repeated; for superusers; errors 42501, 42710 and 22023.';
REVOKE ALL ON FUNCTION mlops.setup_roles(text) FROM PUBLIC;

-- A role can do what any role can of which it is a member, whether or not it
-- inherits the rights.
CREATE FUNCTION mlops._duties_report(model text)
    RETURNS TABLE (of_model text, role name, can_make boolean, can_approve boolean, through text[], finding text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM mlops._require(model, 'read');
    RETURN QUERY
    WITH duty AS (
        SELECT m.id AS model_id, m.name AS model_name, r.oid AS role_oid, r.rolname, r.rolsuper,
               r.rolsuper OR coalesce(bool_or(p.privilege IN ('own', 'manage')), false) AS makes,
               NOT r.rolsuper AND coalesce(bool_or(p.privilege = 'approve'), false) AS approves,
               array_agg(DISTINCT CASE p.role WHEN 0 THEN 'public' ELSE pg_get_userbyid(p.role)::text END)
                   FILTER (WHERE p.role <> r.oid) AS through
        FROM mlops.model m
        CROSS JOIN pg_roles r
        LEFT JOIN mlops.privilege p
            ON (p.model_id = m.id OR p.model_id IS NULL) AND p.privilege IN ('own', 'manage', 'approve')
           AND (p.role = 0 OR p.role IN (SELECT x.oid FROM pg_roles x))
           AND (p.role = 0 OR (NOT r.rolsuper AND pg_has_role(r.oid, p.role, 'MEMBER')) OR p.role = r.oid)
        WHERE r.rolcanlogin AND (_duties_report.model IS NULL OR m.name = _duties_report.model)
          AND mlops._caller_has(m.name, 'read')
        GROUP BY m.id, m.name, r.oid, r.rolname, r.rolsuper
    ), able AS (
        SELECT d.* FROM duty d WHERE d.makes OR d.approves
    )
    SELECT a.model_name, a.rolname, a.makes, a.approves, a.through,
           nullif(concat_ws('; ',
               CASE WHEN a.rolsuper THEN 'superuser: can make, cannot approve, and can act as everybody' END,
               CASE WHEN a.makes AND a.approves THEN 'can make and approve, though not the same change' END,
               'counts as one person with ' || (SELECT string_agg(b.rolname, ', ' ORDER BY b.rolname)
                                                FROM able b
                                                WHERE b.model_id = a.model_id AND b.role_oid <> a.role_oid
                                                  AND mlops._same_person(a.role_oid, b.role_oid))), '')
    FROM able a
    UNION ALL
    SELECT m.name, NULL, false, false, NULL, 'changes need approvals, and no role that can log in has the privilege to approve'
    FROM mlops.model m
    WHERE (_duties_report.model IS NULL OR m.name = _duties_report.model) AND mlops._caller_has(m.name, 'read')
      AND NOT EXISTS (SELECT FROM able a WHERE a.model_id = m.id AND a.approves)
      AND EXISTS (SELECT FROM (SELECT 'champion' AS alias UNION SELECT p.alias FROM mlops.policy p WHERE p.model_id = m.id) x
                  WHERE (mlops._policy_of(m.id, x.alias)->'approvals')::integer > 0)
    ORDER BY 1, 2;
END
$$;
COMMENT ON FUNCTION mlops._duties_report(text) IS 'Body of mlops.duties_report().';
REVOKE ALL ON FUNCTION mlops._duties_report(text) FROM PUBLIC;

CREATE FUNCTION mlops.duties_report(model text DEFAULT NULL, OUT of_model text, OUT role name, OUT can_make boolean,
                                    OUT can_approve boolean, OUT through text[], OUT finding text) RETURNS SETOF record
    LANGUAGE C STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'mlops_private_call';
COMMENT ON FUNCTION mlops.duties_report(text) IS
    'For a model, or for each on which the caller has privilege read: the roles that can log in and make (promote) or approve, through which other roles, and what is noteworthy: both duties in one hand, a superuser, two roles that count as one person, nobody to approve; errors ML001 and 42501.';
REVOKE ALL ON FUNCTION mlops.duties_report(text) FROM PUBLIC;
