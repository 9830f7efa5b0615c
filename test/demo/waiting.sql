-- Wait until a query says true, for what jobs do.  A job that fails, and a
-- minute without what was waited for unless more is given, are errors.
-- Included by demo.sql.
CREATE PROCEDURE bank.wait_until(query text, seconds integer DEFAULT 60)
    LANGUAGE plpgsql
AS $$
DECLARE
    done boolean;
    failed record;
BEGIN
    FOR i IN 1 .. seconds * 10 LOOP
        EXECUTE query INTO done;
        IF done THEN
            RETURN;
        END IF;
        SELECT r.job, r.message INTO failed FROM mlops.job_runs r WHERE r.status IN ('failed', 'timeout') LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'job "%": %', failed.job, failed.message;
        END IF;
        PERFORM pg_sleep(0.1);
    END LOOP;
    RAISE EXCEPTION 'waited for % seconds: %', seconds, query;
END
$$;
