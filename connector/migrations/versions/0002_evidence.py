"""The evidence of a study, and which of it an audit was made with.

Audits from before keep none: what was measured for them was not stored.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "study_id", sa.String(64), sa.ForeignKey("studies.id"), nullable=False, index=True
        ),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    # As text, because SQLite adds a column with its reference but no reference to a column.
    op.execute("ALTER TABLE audits ADD COLUMN evidence_id INTEGER REFERENCES evidence (id)")
