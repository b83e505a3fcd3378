"""The keys by which somnoaudit proves who it is: read from PEM or JWK, published as JWK Set.

SMART App Launch 2.2, client-confidential-asymmetric: RS384 and ES384, which every server that
follows it must take. The algorithm follows from the key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PrivateKey: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey

# NIST SP 800-57 part 1, table 2: 112 bits of security, the least for new signatures.
_LEAST_RSA_BITS = 2048

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.S)

# RFC 7638, 3.2: the members that make a key what it is.
_ESSENTIAL = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key of ours.

    Attributes:
        key_id: by which the server finds the public one; the thumbprint of RFC 7638 where the
            key brings none.
        algorithm: "RS384" or "ES384".
        public_jwk: what is published of it.
    """

    key_id: str
    algorithm: str
    public_jwk: Mapping[str, Any]
    _private: PrivateKey = field(repr=False, compare=False)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The claims as a signed JWT."""
        headers = {"kid": self.key_id}
        return jwt.encode(dict(claims), self._private, self.algorithm, headers)


def read_keys(text: str) -> tuple[SigningKey, ...]:
    """The private keys in a text: PEM blocks, a JWK, or a JWK Set.

    Raises:
        ValueError: there is none, or one of them is of no use; the text says what to give, and
            quotes nothing.
    """
    found = list(_of_jwk(text) if text.lstrip().startswith("{") else _of_pem(text))
    if not found:
        raise ValueError("give a private key, as PEM or as JSON Web Key")
    return tuple(found)


def public_jwk_set(keys: tuple[SigningKey, ...]) -> dict[str, Any]:
    """What a server needs to check our signatures (RFC 7517, 5)."""
    return {"keys": [dict(key.public_jwk) for key in keys]}


def _of_pem(text: str) -> Iterator[SigningKey]:
    for block in _PEM.findall(text):
        try:
            private = load_pem_private_key(block.encode(), password=None)
        except TypeError:
            raise ValueError("give the private key without a password") from None
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("give a private key in PEM that is whole") from None
        yield _usable(private, None)


def _of_jwk(text: str) -> Iterator[SigningKey]:
    problem = "give a private key as JSON Web Key that is whole"
    try:
        document = json.loads(text)
        for jwk in document.get("keys", [document]):
            from_jwk = {"RSA": RSAAlgorithm.from_jwk, "EC": ECAlgorithm.from_jwk}[jwk["kty"]]
            yield _usable(from_jwk(jwk), jwk.get("kid"))
    except (jwt.InvalidKeyError, KeyError, TypeError, AttributeError, json.JSONDecodeError):
        raise ValueError(problem) from None


def _usable(private: object, key_id: str | None) -> SigningKey:
    if isinstance(private, RSAPrivateKey) and private.key_size >= _LEAST_RSA_BITS:
        algorithm = "RS384"
        jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    elif isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP384R1):
        algorithm = "ES384"
        jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        raise ValueError("give a private key of RSA, 2048 bits or more, or of the curve P-384")
    essential = {name: jwk[name] for name in _ESSENTIAL[jwk["kty"]]}
    known_by = key_id or _thumbprint(essential)
    published = {**essential, "kid": known_by, "alg": algorithm, "use": "sig"}
    return SigningKey(known_by, algorithm, published, private)


def _thumbprint(essential: Mapping[str, str]) -> str:
    text = json.dumps(essential, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
