"""Encryption at rest: what is kept is sealed with AES-GCM under a key made from a passphrase (extra `encryption`)."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any, Protocol

from tellapart.errors import TellapartError, require

VARIABLE = "TELLAPART_GALLERY_KEY"
"""The passphrase of a gallery, where nobody can be asked."""

SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 15, 8, 1
"""Cost of guessing: 32 MB and .1 s a guess (RFC 7914 recommends such values for interactive use)."""

NONCE = 12
SALT = 16
CHECK = b"tellapart gallery"


class Cipher(Protocol):
    """Seals what goes to the disk; `context` binds a value to its place, so that rows cannot be exchanged."""

    def seal(self, content: bytes, context: str) -> bytes:
        """Give what may be kept."""
        ...

    def open(self, sealed: bytes, context: str) -> bytes:
        """Give what was sealed."""
        ...

    def tag(self, content: bytes) -> bytes:
        """Give a value that is equal for equal content, to look things up by."""
        ...


class Plain:
    """Keeps everything as it is."""

    def seal(self, content: bytes, context: str) -> bytes:
        """Give the content itself."""
        return content

    def open(self, sealed: bytes, context: str) -> bytes:
        """Give the content itself."""
        return sealed

    def tag(self, content: bytes) -> bytes:
        """Hash the content."""
        return hashlib.blake2b(content, digest_size=16).digest()


class Sealed:
    """AES-256-GCM with a random nonce for each value; tags are keyed hashes."""

    def __init__(self, passphrase: str, salt: bytes) -> None:
        """Make the key, which takes .1 s on purpose."""
        aead: Any = require("cryptography.hazmat.primitives.ciphers.aead", extra="encryption")
        made = hashlib.scrypt(
            passphrase.encode(), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, maxmem=1 << 27, dklen=64
        )
        self._aead, self._tagging = aead.AESGCM(made[:32]), made[32:]

    def seal(self, content: bytes, context: str) -> bytes:
        """Give nonce and ciphertext."""
        nonce = os.urandom(NONCE)
        return bytes(nonce + self._aead.encrypt(nonce, content, context.encode()))

    def open(self, sealed: bytes, context: str) -> bytes:
        """Give what was sealed.

        Raises:
            TellapartError: The key is another, or the bytes were changed.
        """
        try:
            return bytes(self._aead.decrypt(sealed[:NONCE], sealed[NONCE:], context.encode()))
        except Exception as error:  # InvalidTag, or ValueError where it is cut off
            raise TellapartError(
                f"the key does not open the gallery, or it is damaged: set {VARIABLE} to its passphrase"
            ) from error

    def tag(self, content: bytes) -> bytes:
        """Hash the content under the key."""
        return hmac.new(self._tagging, content, "sha256").digest()[:16]
