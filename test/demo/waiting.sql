-- Wait, for a minute at most, until a query says true.  Included by demo.sql;
-- what is waited for is done by others.
CREATE PROCEDURE bank.wait_until(query text)
    LANGUAGE plpgsql
AS $$
DECLARE
    done boolean;
BEGIN
    FOR i IN 1 .. 600 LOOP
        EXECUTE query INTO done;
        IF done THEN
            RETURN;
        END IF;
        PERFORM pg_sleep(0.1);
    END LOOP;
    RAISE EXCEPTION 'waited for a minute: %', query;
END
$$;
