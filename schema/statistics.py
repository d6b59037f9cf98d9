"""The planner's statistics, kept in step with bulk loads.

Autovacuum looks once a minute, and a run loads whole tables in less. A planner that still believes
them empty chooses nested loops over millions of rows, so whoever loads or audits asks here first.
"""

from sqlalchemy import Connection, text

# The share at which autovacuum would act too (autovacuum_analyze_scale_factor), without its pause.
STALE = text("""
SELECT relname FROM pg_stat_user_tables
 WHERE schemaname = current_schema()
   AND n_mod_since_analyze > 1000 + 0.1 * n_live_tup
 ORDER BY relname
""")


def refresh_statistics(connection: Connection) -> list[str]:
    """Analyzes the tables that changed a lot since they were last analyzed; returns their names.

    Takes a fraction of a second, as PostgreSQL samples; a table that is locked is left out.

    Args:
        connection: in autocommit, so that no table waits for another.
    """
    stale = list(connection.execute(STALE).scalars())
    for table in stale:
        quoted = connection.dialect.identifier_preparer.quote(table)
        connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {quoted}")
    return stale
