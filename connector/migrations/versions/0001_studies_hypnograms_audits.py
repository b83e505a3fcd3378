"""Studies, their hypnograms and audits.

There is no way down: it would drop audits, which outlive every release.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "studies",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("report", sa.String(255)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "hypnograms",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "study_id", sa.String(64), sa.ForeignKey("studies.id"), nullable=False, index=True
        ),
        sa.Column("stager_name", sa.String(64), nullable=False),
        sa.Column("stager_version", sa.String(64), nullable=False),
        sa.Column("weights_sha256", sa.String(64)),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "audits",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "hypnogram_id",
            sa.Integer,
            sa.ForeignKey("hypnograms.id"),
            nullable=False,
            index=True,
        ),
        sa.Column("rulebook_version", sa.String(64), nullable=False),
        sa.Column("rulebook_sha256", sa.String(64), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
