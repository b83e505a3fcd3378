"""One study's decisions as a signed file that is checked without the database.

It holds the study's entries of the audit trail, the documents that they bind, and of the entries
between them, which are other studies', no more than the hashes by which the chain goes through.
An Ed25519 signature is over all of it as canonical JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError

from auditor.errors import InputRefused, UsageError, os_reason
from connector import trail
from connector.store import Store
from connector.trail import Break, Entry, canonical, chained, sha256
from connector.trail_key import fingerprint, raw

FORMAT = "somnoaudit trail bundle 1"

# Documents of a night of 960 epochs come to some ten megabytes.
_LARGEST_BYTES = 1 << 29


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Whole(_Model):
    """An entry of the study."""

    seq: int
    at: str
    actor: str
    action: str
    study_id: str | None
    details: str
    previous: str
    hash: str


class _Passed(_Model):
    """An entry of another study, without what it says."""

    seq: int
    content_sha256: str
    hash: str


class _Document(_Model):
    kind: str
    id: int
    encoding: Literal["text", "base64"]
    content: str


class _Payload(_Model):
    format: Literal["somnoaudit trail bundle 1"]
    study_id: str
    exported_at: str
    chain: list[_Whole | _Passed]
    documents: list[_Document]


class _Signature(_Model):
    algorithm: Literal["Ed25519"]
    public_key: str
    value: str


class _Bundle(_Model):
    payload: _Payload
    signature: _Signature


@dataclass(frozen=True, slots=True)
class CheckedBundle:
    """What :func:`verify_bundle` found.

    Attributes:
        study_id: whose decisions these are.
        exported_at: when they were exported, as ISO 8601.
        entries: how many entries are the study's.
        signer: the fingerprint of the key that signed.
        breaks: what does not hold; empty where all does.
    """

    study_id: str
    exported_at: str
    entries: int
    signer: str
    breaks: tuple[Break, ...]


def export_bundle(
    store: Store, study_id: str, key: Ed25519PrivateKey, now: datetime
) -> dict[str, Any]:
    """The bundle of a study, as JSON.

    Raises:
        UsageError: the trail has nothing of such a study.
    """
    with store.trail_section(study_id) as section:
        entries = list(section.entries)
        if not entries:
            raise UsageError(f"the audit trail has nothing of a study {study_id}")
        payload = {
            "format": FORMAT,
            "study_id": study_id,
            "exported_at": now.astimezone(UTC).isoformat(timespec="seconds"),
            "chain": [_link(entry, study_id) for entry in entries],
            "documents": [
                _document(bound, section.content_of(bound))
                for entry in entries
                if entry.study_id == study_id and (bound := trail.bound_by(entry))
            ],
        }
    return {
        "payload": payload,
        "signature": {
            "algorithm": "Ed25519",
            "public_key": base64.b64encode(raw(key.public_key())).decode(),
            "value": base64.b64encode(key.sign(canonical(payload).encode())).decode(),
        },
    }


def _link(entry: Entry, study_id: str) -> dict[str, Any]:
    if entry.study_id != study_id:
        return {
            "seq": entry.seq,
            "content_sha256": entry.content_sha256,
            "hash": entry.hash,
        }
    return {name: getattr(entry, name) for name in _Whole.model_fields}


def _document(bound: trail.Bound, content: str | bytes | None) -> dict[str, Any]:
    plain = {"kind": bound.kind, "id": bound.id}
    if isinstance(content, bytes):
        return plain | {"encoding": "base64", "content": base64.b64encode(content).decode()}
    return plain | {"encoding": "text", "content": content or ""}


def verify_bundle(path: Path, expected: Ed25519PublicKey | None = None) -> CheckedBundle:
    """Checks signature, chain and documents of a bundle, with nothing else at hand.

    Args:
        path: the file.
        expected: who must have signed it; any key if None, and the result says which.

    Raises:
        InputRefused: it is no bundle.
    """
    bundle, plain = _read(path)
    payload = bundle.payload
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(bundle.signature.public_key))
        signature = base64.b64decode(bundle.signature.value)
    except ValueError:
        raise _refused(path) from None
    breaks = list(_breaks_of_signature(public, expected, signature, plain["payload"]))
    breaks += _breaks_of_chain(payload.chain)
    own = [_entry(link) for link in payload.chain if isinstance(link, _Whole)]
    breaks += _breaks_of_documents(own, payload.documents)
    breaks += [
        Break(entry.seq, f"entry {entry.seq} is not of study {payload.study_id}")
        for entry in own
        if entry.study_id != payload.study_id
    ]
    return CheckedBundle(
        payload.study_id,
        payload.exported_at,
        len(own),
        fingerprint(public),
        tuple(sorted(breaks, key=lambda found: found.seq)),
    )


def _read(path: Path) -> tuple[_Bundle, dict[str, Any]]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)  # a device has no size, and may have no end
        if len(content) > _LARGEST_BYTES:
            raise _refused(path)
        plain = json.loads(content)
        canonical(plain).encode()  # fails at half of a surrogate pair, which we never write
        return _Bundle.model_validate(plain), plain
    except OSError as error:
        problem = f"cannot be read ({os_reason(error)})"
        raise InputRefused(path, problem, "check the name and the permissions") from None
    except (ValueError, RecursionError, ValidationError):
        raise _refused(path) from None


def _refused(path: Path) -> InputRefused:
    return InputRefused(
        path, "is no bundle of an audit trail", "give what somnoaudit trail export has written"
    )


def _entry(link: _Whole) -> Entry:
    return Entry(**link.model_dump())


def _breaks_of_signature(
    public: Ed25519PublicKey,
    expected: Ed25519PublicKey | None,
    signature: bytes,
    payload: object,
) -> Iterator[Break]:
    try:
        public.verify(signature, canonical(payload).encode())
    except InvalidSignature:
        yield Break(0, "the signature does not fit: the file was altered after it was signed")
    if expected is not None and raw(expected) != raw(public):
        yield Break(0, f"it was signed by another key ({fingerprint(public)})")


def _breaks_of_chain(chain: list[_Whole | _Passed]) -> Iterator[Break]:
    last: _Whole | _Passed | None = None
    for link in chain:
        previous = last.hash if last else link.previous if isinstance(link, _Whole) else ""
        if last and link.seq != last.seq + 1:
            yield Break(link.seq, f"entries between {last.seq} and {link.seq} are missing")
        if isinstance(link, _Whole):
            if not _entry(link).is_whole:
                yield Break(link.seq, f"entry {link.seq} was altered")
            if link.previous != previous:
                yield Break(link.seq, f"entry {link.seq} does not follow the one before it")
        elif chained(previous, link.content_sha256) != link.hash:
            yield Break(link.seq, f"entry {link.seq} does not follow the one before it")
        last = link


def _breaks_of_documents(entries: list[Entry], documents: list[_Document]) -> Iterator[Break]:
    contents = {(each.kind, each.id): each for each in documents}
    for entry in entries:
        bound = trail.bound_by(entry) if entry.is_whole else None
        if bound is None:
            continue
        document = contents.get((bound.kind, bound.id))
        if document is None:
            yield Break(entry.seq, f"the {bound.kind} that entry {entry.seq} binds is missing")
        elif _sha256_of(document) != bound.sha256:
            yield Break(entry.seq, f"the {bound.kind} that entry {entry.seq} binds was altered")


def _sha256_of(document: _Document) -> str:
    if document.encoding == "text":
        return sha256(document.content)
    try:
        return sha256(base64.b64decode(document.content, validate=True))
    except ValueError:
        return ""
