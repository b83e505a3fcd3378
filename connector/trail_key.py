"""The key that signs what is exported of the audit trail: Ed25519 (RFC 8032), as PEM files."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from auditor.errors import InputRefused, SettingsRefused, os_reason
from connector.kept_secret import keep_first
from connector.trail import sha256

_SETTING = "SOMNOAUDIT_TRAIL_KEY"


def signing_key(path: Path, *, make: bool) -> Ed25519PrivateKey:
    """The private key in a PEM file; with ``make``, made where there is none.

    Raises:
        SettingsRefused: the file cannot be used.
    """
    try:
        if make and not path.exists():
            _make(path)
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        problem = f"{path} cannot be used ({os_reason(error)})"
        raise SettingsRefused(_SETTING, problem, "check the name and the permissions") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it asks for a password
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsRefused(
            _SETTING,
            f"{path} is no Ed25519 key without a password",
            "make one by: openssl genpkey -algorithm ed25519",
        )
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file, or that of the private key in it.

    Raises:
        InputRefused: it holds none.
    """
    try:
        content = path.read_bytes()
        if b"PRIVATE KEY" in content:
            key = load_pem_private_key(content, None).public_key()
        else:
            key = load_pem_public_key(content)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InputRefused(path, "is no Ed25519 key in PEM", "give the signer's public key")
    return key


def raw(key: Ed25519PublicKey) -> bytes:
    """The 32 bytes of a public key."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def fingerprint(key: Ed25519PublicKey) -> str:
    """By which people compare keys: the start of the SHA-256 of its bytes."""
    return sha256(raw(key))[:32]


def _make(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    keep_first(path, pem)
    kept = load_pem_private_key(path.read_bytes(), None)  # another process's, if it was first
    public = kept.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub.pem").write_bytes(public)
