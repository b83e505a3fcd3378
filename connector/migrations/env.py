"""Alembic's way in: migrates the connection that the store hands over."""

from alembic import context

from connector.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table="somnoaudit_schema",
)
with context.begin_transaction():
    context.run_migrations()
