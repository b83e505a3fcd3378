"""The hash that FHIR R4 defines for Attachment.hash: it detects damage, not forgery."""

from __future__ import annotations

import base64
import hashlib


def attachment_hasher(content: bytes = b"") -> hashlib._Hash:
    """SHA-1 of what is given, to be gone on with."""
    return hashlib.sha1(content, usedforsecurity=False)


def attachment_hash(content: bytes) -> str:
    """As it stands in an Attachment: base64 of the hash."""
    return base64.b64encode(attachment_hasher(content).digest()).decode("ascii")
