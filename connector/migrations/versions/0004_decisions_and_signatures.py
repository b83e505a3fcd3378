"""What reviewers decide about an audited night, and the signatures under it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "hypnogram_id", sa.Integer, sa.ForeignKey("hypnograms.id"), nullable=False, index=True
        ),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("follows", sa.Integer, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("scored", sa.String(2), nullable=False),
        sa.Column("stage", sa.String(2), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("reviewer", sa.String(255), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("proposed", sa.Boolean, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("hypnogram_id", "epoch", "follows"),
    )
    op.create_table(
        "signatures",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "hypnogram_id", sa.Integer, sa.ForeignKey("hypnograms.id"), nullable=False, index=True
        ),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("signer", sa.String(255), nullable=False),
        sa.Column("meaning", sa.String(64), nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("last_decision", sa.Integer, nullable=False),
        sa.Column("stages", sa.Text, nullable=False),
        sa.Column("changed", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written", sa.Boolean, nullable=False),
        sa.UniqueConstraint("hypnogram_id", "number"),
    )
