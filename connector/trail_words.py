"""What a check of the audit trail tells a reader."""

from __future__ import annotations

from collections.abc import Sequence

from connector.trail import Break, Checked
from connector.trail_bundle import CheckedBundle

# Where the chain was rewritten, every entry after that breaks too.
_MOST_SHOWN = 20


def trail_words(checked: Checked, anchors: int) -> str:
    """Of the whole trail.

    Args:
        checked: what was found.
        anchors: how many hashes were noted outside the database.
    """
    facts = f"{checked.entries} entries, {anchors} anchors; the last entry's hash is {checked.head}"
    if not checked.breaks:
        return f"The audit trail holds: {facts}"
    return "\n".join([f"The audit trail is broken: {facts}", *_lines(checked.breaks)])


def bundle_words(checked: CheckedBundle) -> str:
    """Of what was exported of one study."""
    facts = (
        f"study {checked.study_id}, {checked.entries} entries, exported {checked.exported_at}, "
        f"signed by key {checked.signer}"
    )
    if not checked.breaks:
        return f"The export holds: {facts}"
    return "\n".join([f"The export is broken: {facts}", *_lines(checked.breaks)])


def _lines(breaks: Sequence[Break]) -> list[str]:
    lines = [f"  {found.problem}" for found in breaks[:_MOST_SHOWN]]
    if len(breaks) > _MOST_SHOWN:
        lines.append(f"  and {len(breaks) - _MOST_SHOWN} more")
    return lines
