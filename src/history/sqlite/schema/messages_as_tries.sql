-- What format 2 called messages, as tries of format 3; `json` has what was said under `notice`.
CREATE TEMP VIEW former_tries AS SELECT
    id,
    channel,
    CASE CASE WHEN json_valid(notice) THEN json_extract(notice, '$.action') END
        WHEN 'acknowledge' THEN 'acknowledge'
        WHEN 'resolve' THEN 'end'
        ELSE 'ring'
    END AS what,
    key,
    created_ms AS made_ms,
    CASE WHEN json_valid(notice) THEN json_object('notice', json(notice)) ELSE json_object('notice', notice) END AS json,
    CASE state WHEN 'delivered' THEN 'taken' WHEN 'dead' THEN 'refused' WHEN 'superseded' THEN 'dropped' ELSE 'waiting' END AS state,
    attempts,
    tried_ms,
    error,
    CASE state WHEN 'pending' THEN NULL ELSE coalesce(tried_ms, created_ms) END AS ended_ms
FROM messages;
CREATE TEMP VIEW former_try_incidents AS SELECT incident, id AS try FROM messages;
