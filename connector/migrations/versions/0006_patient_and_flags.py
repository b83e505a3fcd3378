"""Whose study it is, and how many of its epochs are flagged, for the work list.

Of studies from before, neither is known: nobody who was let in for one patient sees them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("studies", sa.Column("patient", sa.String(255)))
    op.add_column("audits", sa.Column("n_flagged", sa.Integer))
