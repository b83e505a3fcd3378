"""Runs of studies, the workers that hold them, and the audit trail; audits compressed."""

import gzip

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_REFUSAL = "the audit trail is append-only"


def upgrade() -> None:
    _add_runs()
    op.create_table(
        "workers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("version", sa.String(16), nullable=False),
        sa.Column("beat_s", sa.Float, nullable=False),
        sa.Column("ended_s", sa.Float),
    )
    _compress_audits()
    op.create_table(
        "trail",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("study_id", sa.String(64), index=True),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    head = op.create_table(
        "trail_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": "0" * 64}])
    _make_append_only()


def _add_runs() -> None:
    for column in (
        sa.Column("priority", sa.Integer, nullable=False, server_default="4"),
        sa.Column("run", sa.Integer, nullable=False, server_default="1"),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("version", sa.String(16)),
    ):
        op.add_column("studies", column)


def _compress_audits() -> None:
    """Into a new table: SQLite cannot change a column's type."""
    table = op.create_table(
        "audits_compressed",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hypnogram_id", sa.Integer, sa.ForeignKey("hypnograms.id"), nullable=False),
        sa.Column("evidence_id", sa.Integer, sa.ForeignKey("evidence.id")),
        sa.Column("rulebook_version", sa.String(64), nullable=False),
        sa.Column("rulebook_sha256", sa.String(64), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("report", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    connection = op.get_bind()
    old = sa.Table("audits", sa.MetaData(), autoload_with=connection)
    for audit_id in connection.execute(sa.select(old.c.id).order_by(old.c.id)).scalars().all():
        row = dict(connection.execute(old.select().where(old.c.id == audit_id)).one()._mapping)
        for column in ("document", "report"):
            row[column] = gzip.compress(row[column].encode(), mtime=0)
        connection.execute(table.insert().values(row))
    op.drop_table("audits")
    op.rename_table("audits_compressed", "audits")
    op.create_index("ix_audits_hypnogram_id", "audits", ["hypnogram_id"])
    if connection.dialect.name == "postgresql":
        op.execute("ALTER SEQUENCE audits_compressed_id_seq RENAME TO audits_id_seq")
        op.execute("ALTER INDEX audits_compressed_pkey RENAME TO audits_pkey")
        op.execute("SELECT setval('audits_id_seq', coalesce(max(id), 0) + 1, false) FROM audits")


def _make_append_only() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION somnoaudit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER trail_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trail "
            "FOR EACH STATEMENT EXECUTE FUNCTION somnoaudit_refuse()"
        )
        return
    for what in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER trail_no_{what.lower()} BEFORE {what} ON trail "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        )
