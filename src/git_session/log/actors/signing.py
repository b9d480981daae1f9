"""Ed25519 signatures of events, and the file that holds an actor's seed.

The only module that imports cryptography, and only when called: the import costs 25 ms.
Source: grite 0.5.3, libgrite-core signing.rs; the grite store format, sections 1 and 3.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from git_session.errors import ConfigError
from git_session.host.files.config_file import cannot_write, read_small_file

KEY_SCHEME: Final = "ed25519"
SEED_BYTES: Final = 32

_KEY_FILE: Final = "signing_key"
_DOCUMENTED_KEY_FILE: Final = Path("keys", "signing.key")
_HEX_KEY: Final = re.compile(r"[0-9A-Fa-f]{64}")
_MAX_KEY_FILE: Final = 4096


def sign(seed: bytes, event_id: bytes) -> bytes:
    """Sign the raw event id; return 64 bytes. Raises ValueError for a seed not of 32 bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).sign(event_id)


def verify(public_key: bytes, event_id: bytes, sig: bytes) -> bool:
    """Return whether `sig` is the signature of `event_id`; False for a malformed key or sig too."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(sig, event_id)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_key_of(seed: bytes) -> bytes:
    """Derive the 32 bytes of the public key. Raises ValueError for a seed not of 32 bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def parse_public_key(text: str | None, scheme: str | None) -> bytes | None:
    """Read a public key from its hex digits; None when absent, malformed or not Ed25519.

    An absent scheme means Ed25519, as grite documents.
    """
    if text is None or scheme not in (None, KEY_SCHEME) or _HEX_KEY.fullmatch(text) is None:
        return None
    return bytes.fromhex(text)


def read_seed(actor_directory: Path) -> bytes | None:
    """Read the seed from `signing_key`, else from `keys/signing.key`; None without either file.

    White space around the hex digits is allowed. Raises ConfigError when the file is unreadable,
    open to other users (as ssh refuses it) or not 64 hex digits; never quotes its content.
    """
    for name in (_KEY_FILE, _DOCUMENTED_KEY_FILE):
        path = actor_directory / name
        found = read_small_file(path, _MAX_KEY_FILE)
        if found is not None:
            data, info = found
            _require_private(path, info)
            return _parse_seed(path, data)
    return None


def create_seed(actor_directory: Path) -> bytes:
    """Write a new random seed to `signing_key` as grite does (hex, mode 0600) and return it.

    Raises ReadOnlyError, also when there is such a file: a key is never overwritten.
    """
    seed = os.urandom(SEED_BYTES)
    path = actor_directory / _KEY_FILE
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(seed.hex().encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error
    return seed


def _require_private(path: Path, info: os.stat_result) -> None:
    if info.st_uid == os.getuid() and stat.S_IMODE(info.st_mode) & 0o077:
        raise ConfigError(f"{path} can be read by other users", f"chmod 600 {path}")


def _parse_seed(path: Path, data: bytes) -> bytes:
    text = data.decode("ascii", "replace").strip()
    if _HEX_KEY.fullmatch(text) is None:
        raise ConfigError(
            f"{path} is not a signing key: it must hold 64 hex digits",
            "restore the file, or make an actor with a new key: grite actor init --generate-key",
        )
    return bytes.fromhex(text)
