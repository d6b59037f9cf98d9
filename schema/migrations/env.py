"""Alembic's entry: runs migrations on the connection that `schema/migrate.py` hands over."""

from alembic import context

from schema.migrate import is_ours
from schema.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_object=is_ours,
    compare_type=True,
    compare_server_default=True,
)
context.run_migrations()
