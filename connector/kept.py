"""What is kept of a study so that it can be audited again: hypnogram and evidence, exactly.

Rules are crisp on the measured value, so that a number must come back as it went in, to the last
digit; the documents that other programs read are rounded. What is written here is the types of
:mod:`auditor.vocabulary`, field by field, as JSON with ``Infinity`` and ``NaN``. It outlives
releases: a field that is renamed or taken away there needs a migration of what is kept.
"""

from __future__ import annotations

import gzip
import json
from typing import TypeVar

from pydantic import TypeAdapter

from auditor.vocabulary import Evidence, Hypnogram

_Kept = TypeVar("_Kept")

_HYPNOGRAM: TypeAdapter[Hypnogram] = TypeAdapter(Hypnogram)
_EVIDENCE: TypeAdapter[Evidence] = TypeAdapter(Evidence)


def keep_hypnogram(hypnogram: Hypnogram) -> str:
    """The hypnogram as text."""
    return _json(_HYPNOGRAM, hypnogram)


def kept_hypnogram(document: str) -> Hypnogram:
    """The hypnogram that :func:`keep_hypnogram` wrote."""
    return _HYPNOGRAM.validate_json(document)


def keep_evidence(evidence: Evidence) -> bytes:
    """The evidence, compressed: some 0.7 MB for a night of 960 epochs and 42,000 events."""
    return gzip.compress(_json(_EVIDENCE, evidence).encode(), mtime=0)


def kept_evidence(document: bytes) -> Evidence:
    """The evidence that :func:`keep_evidence` wrote."""
    return _EVIDENCE.validate_json(gzip.decompress(document))


def _json(adapter: TypeAdapter[_Kept], value: _Kept) -> str:
    # pydantic's own JSON has null for what is not finite, which could not be read back.
    plain = adapter.dump_python(value, mode="json")
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
