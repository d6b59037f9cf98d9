"""The planner's statistics and the GIN indexes, kept in step with bulk loads.

Autovacuum looks once a minute, and a run loads whole tables in less. A planner that still believes
them empty chooses nested loops over millions of rows, and every search reads all of what is not yet
sorted into a GIN index. So whoever loads or audits asks here first.
"""

from sqlalchemy import Connection, text

# The share at which autovacuum would act too (autovacuum_analyze_scale_factor), without its pause.
STALE = text("""
SELECT relname FROM pg_stat_user_tables
 WHERE schemaname = current_schema()
   AND n_mod_since_analyze > 1000 + 0.1 * n_live_tup
 ORDER BY relname
""")

SORT_IN = text("""
SELECT gin_clean_pending_list(i.indexrelid)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
 WHERE a.amname = 'gin' AND i.indisvalid AND i.indrelid = cast(:table AS regclass)
""")


def refresh_statistics(connection: Connection) -> list[str]:
    """Analyzes the tables that changed a lot since they were last analyzed; returns their names.

    Takes about a second: PostgreSQL samples, and what waits for a GIN index is 4 MB at the most
    (`gin_pending_list_limit`). A table that is locked is not analyzed.

    Args:
        connection: in autocommit, so that no table waits for another.
    """
    stale = list(connection.execute(STALE).scalars())
    for table in stale:
        quoted = connection.dialect.identifier_preparer.quote(table)
        connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {quoted}")
        connection.execute(SORT_IN, {"table": quoted})
    return stale
