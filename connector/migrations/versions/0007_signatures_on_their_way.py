"""Who signed, by reference; and why the EHR does not have a signature yet."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("signatures", sa.Column("reference", sa.String(255)))
    op.add_column("signatures", sa.Column("problem", sa.Text, nullable=False, server_default=""))
