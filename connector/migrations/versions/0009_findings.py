"""What each audit found, by rule and by flag, so that it can be counted without reading audits."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "read_audits",
        sa.Column("audit_id", sa.Integer, sa.ForeignKey("audits.id"), primary_key=True),
        sa.Column("stages", sa.Text, nullable=False),
    )
    op.create_table(
        "rule_findings",
        sa.Column("audit_id", sa.Integer, sa.ForeignKey("audits.id"), primary_key=True),
        sa.Column("rule", sa.String(64), primary_key=True, index=True),
        sa.Column("cited", sa.Boolean, primary_key=True),
        sa.Column("verdict", sa.String(16), primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("epochs", sa.Text, nullable=False),
    )
    op.create_table(
        "flag_findings",
        sa.Column("audit_id", sa.Integer, sa.ForeignKey("audits.id"), primary_key=True),
        sa.Column("code", sa.String(64), primary_key=True),
        sa.Column("epochs", sa.Text, nullable=False),
    )
