"""Ending sessions whose client froze in the middle of a statement, with the locks that they hold.

`idle_in_transaction_session_timeout` sees a client that froze between two statements. Between the Parse and the
Bind of one, which asyncpg sends apart, the session counts as active, and `statement_timeout` waits for the
client as well. Nothing of PostgreSQL 15 ends it then.
Source: https://www.postgresql.org/docs/current/protocol-flow.html (extended query)
"""

from omnidesk.db.session import SESSION, Tx

AFTER_S = 15.0


async def end_frozen(tx: Tx) -> int:
    """End sessions of the desk's own that wait so long for the rest of a statement; how many."""
    rows = await tx.driver.fetch(
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND usename = current_user AND application_name = $1
           AND pid <> pg_backend_pid() AND state = 'active' AND wait_event = 'ClientRead'
           AND xact_start IS NOT NULL AND state_change < clock_timestamp() - make_interval(secs => $2)
        """,
        SESSION["application_name"],
        AFTER_S,
    )
    return len(rows)
