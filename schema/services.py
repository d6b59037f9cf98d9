"""What health observed of each service, and since when: so that it can say how long already."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, text

OBSERVE = text("""
INSERT INTO service_states AS s (service, status) VALUES (:service, :status)
ON CONFLICT (service) DO UPDATE
   SET status = excluded.status,
       since = CASE WHEN s.status = excluded.status THEN s.since ELSE now() END
RETURNING since
""")


def observe(connection: Connection, statuses: Mapping[str, str]) -> dict[str, datetime]:
    """Notes the statuses; returns since when each has been observed without a break."""
    return {
        service: connection.execute(OBSERVE, {"service": service, "status": status}).scalar_one()
        for service, status in sorted(statuses.items())
    }
