"""A few figures of the whole desk, from partial indexes of what is open: cheap, whatever is stored."""

from collections.abc import Mapping

from omnidesk.db.session import Tx

MOST = 100_000  # what is counted stops here
MOST_TIMED = 10_000


async def oldest_arrival_s(tx: Tx) -> float:
    """Seconds that the oldest arrival has waited to be read; 0 when none waits."""
    found = await tx.driver.fetchval(
        """
        SELECT extract(epoch FROM clock_timestamp() - min(received_at))::float8
          FROM (SELECT (SELECT received_at FROM arrivals a WHERE a.lane = l.lane AND a.state = 'new'
                         ORDER BY seq LIMIT 1) AS received_at FROM lanes l) AS firsts
        """
    )
    return max(0.0, found or 0.0)


async def lately(tx: Tx) -> Mapping[str, Mapping[str, float]]:
    """How calls to the outside ended within an hour, how long what came within five minutes took to be a ticket,
    and how far those are behind who follow the desk."""
    rows = await tx.driver.fetch(
        f"""
        SELECT 'outbox_ended_in_an_hour' AS name, state AS label, count(*)::float8 AS value FROM (
            SELECT state FROM outbox WHERE state IN ('sent', 'rejected') AND kind <> 'webhook'
               AND done_at > clock_timestamp() - interval '1 hour' LIMIT {MOST}) AS o GROUP BY state
        UNION ALL
        SELECT 'intake_seconds', q.label, coalesce(took[q.n], 0) FROM (
            SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
                       ORDER BY extract(epoch FROM done_at - received_at)::float8) AS took
              FROM (SELECT received_at, done_at FROM arrivals
                     WHERE received_at > clock_timestamp() - interval '5 minutes' AND state IN ('done', 'ignored')
                     ORDER BY received_at DESC LIMIT {MOST_TIMED}) AS newest) AS all_of_them
          CROSS JOIN (VALUES ('0.5', 1), ('0.99', 2)) AS q (label, n)
        UNION ALL
        SELECT 'planner_absent_seconds', '', CASE WHEN isfinite(until)
               THEN greatest(0, extract(epoch FROM clock_timestamp() - until)) ELSE 0 END
          FROM leases WHERE name = 'planner'
        UNION ALL
        SELECT 'search_behind', '', greatest(0, (SELECT max(seq) FROM events) - (value->>'seq')::bigint)
          FROM settings WHERE name = 'search'
        """  # noqa: S608 - our own numbers
    )
    found: dict[str, dict[str, float]] = {"outbox_ended_in_an_hour": dict.fromkeys(("sent", "rejected"), 0.0)}
    for row in rows:
        found.setdefault(row["name"], {})[row["label"]] = row["value"] or 0.0
    return found


async def read(tx: Tx) -> Mapping[str, Mapping[str, float]]:
    """{figure: {label or "": value}}."""
    rows = await tx.driver.fetch(
        f"""
        SELECT 'arrivals' AS name, state AS label, count(*)::float8 AS value
          FROM (SELECT state FROM arrivals WHERE state = 'new' LIMIT {MOST}) AS a GROUP BY state
        UNION ALL
        SELECT 'arrivals', state, count(*) FROM (
            SELECT state FROM arrivals WHERE state IN ('failed', 'unreadable', 'held') LIMIT {MOST}) AS a GROUP BY state
        UNION ALL
        SELECT 'outbox', state, count(*) FROM (
            SELECT state FROM outbox WHERE state IN ('queued', 'claimed', 'calling', 'deferred', 'unknown')
               AND kind <> 'webhook' LIMIT {MOST}) AS o GROUP BY state
        UNION ALL
        SELECT 'outbox_oldest_seconds', '', coalesce(extract(epoch FROM clock_timestamp() - (
            SELECT due_at FROM outbox WHERE state IN ('queued', 'deferred') AND due_at <= clock_timestamp()
               AND kind <> 'webhook' ORDER BY due_at, id LIMIT 1)), 0)
        UNION ALL
        SELECT 'webhook_deliveries', 'waiting', count(*) FROM (
            SELECT 1 FROM webhook_deliveries WHERE state = 'waiting' LIMIT {MOST}) AS d
        UNION ALL
        SELECT 'webhook_deliveries', state || '_in_an_hour', count(*) FROM (
            SELECT state FROM webhook_deliveries
             WHERE state <> 'waiting' AND done_at > clock_timestamp() - interval '1 hour' LIMIT {MOST}) AS d
         GROUP BY state
        UNION ALL
        SELECT 'webhooks_oldest_seconds', '', coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)
          FROM webhook_deliveries WHERE state = 'waiting'
        UNION ALL
        SELECT 'webhooks_behind', '', coalesce((SELECT max(seq) FROM events) - min(c.seq), 0)
          FROM webhook_cursors AS c JOIN webhooks AS w ON w.id = c.webhook_id WHERE w.disabled_at IS NULL
        UNION ALL
        SELECT 'webhooks_failing', '', count(*) FROM webhooks
         WHERE deleted_at IS NULL AND disabled_at IS NULL AND failing_since IS NOT NULL
        UNION ALL
        SELECT 'webhooks_off', '', count(*) FROM webhooks WHERE deleted_at IS NULL AND disabled_reason <> 'by_hand'
        UNION ALL
        SELECT 'jobs', state, count(*) FROM jobs WHERE state IN ('queued', 'running') GROUP BY state
        UNION ALL
        SELECT 'timers_late_seconds', '', greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(due_at)), 0))
          FROM timers
        UNION ALL
        SELECT 'events_unnumbered', '', count(*) FROM (SELECT 1 FROM events WHERE seq IS NULL LIMIT {MOST}) AS e
        UNION ALL
        SELECT 'tickets_unassigned', '', count(*) FROM (
            SELECT 1 FROM tickets WHERE assignee_id IS NULL AND status IN ('new', 'open') LIMIT {MOST}) AS t
        UNION ALL
        SELECT 'agents_online', '', count(*) FROM agents WHERE status = 'online' AND disabled_at IS NULL
        UNION ALL
        SELECT 'inboxes_failing', '', count(*) FROM inboxes WHERE receive_state <> 'ok' OR send_state <> 'ok'
        """  # noqa: S608 - our own number
    )
    found: dict[str, dict[str, float]] = {
        "arrivals": dict.fromkeys(("new", "failed", "unreadable", "held"), 0.0),
        "outbox": dict.fromkeys(("queued", "claimed", "calling", "deferred", "unknown"), 0.0),
        "webhook_deliveries": dict.fromkeys(("waiting", "delivered_in_an_hour", "failed_in_an_hour"), 0.0),
        "jobs": dict.fromkeys(("queued", "running"), 0.0),
        "arrivals_oldest_seconds": {"": await oldest_arrival_s(tx)},
    }
    for row in rows:
        found.setdefault(row["name"], {})[row["label"]] = row["value"]
    return {**found, **await lately(tx)}
