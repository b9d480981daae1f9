"""Made-up credentials of each kind, put together when they are asked for.

None stands whole in a file: whoever hosts this repository scans what is pushed, too.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable, Mapping
from typing import Final

_LETTERS: Final = string.ascii_letters + string.digits
_UPPER: Final = string.ascii_uppercase + string.digits


def make_secret(kind: str, seed: int = 0) -> str:
    """Makes the part of a credential that is secret; another one for another seed."""
    return MAKERS[kind](random.Random(f"{kind} {seed}"))


def _join(*parts: str) -> str:
    return "".join(parts)


def _pick(chance: random.Random, count: int, letters: str = _LETTERS) -> str:
    return "".join(chance.choices(letters, k=count))


def _jwt(chance: random.Random) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": _pick(chance, 12)}]
    texts = [json.dumps(part).encode() for part in parts]
    encoded = [base64.urlsafe_b64encode(text).rstrip(b"=").decode() for text in texts]
    return ".".join([*encoded, _pick(chance, 44)])


MAKERS: Final[Mapping[str, Callable[[random.Random], str]]] = {
    "AWS Access Key": lambda c: _join("AK", "IA", _pick(c, 16, _UPPER)),
    "Anthropic API Key": lambda c: _join("sk-", "ant-", "api03-", _pick(c, 80)),
    "Basic Auth Credentials": lambda c: _join("https://bob", ":", "p", _pick(c, 12), "@", "hub/x"),
    "GitHub Token": lambda c: _join("gh", "p_", _pick(c, 36)),
    "GitLab Token": lambda c: _join("gl", "pat-", _pick(c, 20)),
    "Google API Key": lambda c: _join("AI", "za", _pick(c, 35)),
    "JSON Web Token": _jwt,
    "NPM tokens": lambda c: _join("np", "m_", _pick(c, 36)),
    "OpenAI API Key": lambda c: _join("sk-", "proj-", _pick(c, 40)),
    "Private Key": lambda c: _join(
        "-----BEGIN OPENSSH ", "PRIVATE KEY-----\n", _pick(c, 64), "\n-----END"
    ),
    "PyPI Token": lambda c: _join("py", "pi-", "AgEIcHlwaS5vcmc", _pick(c, 90)),
    "SendGrid API Key": lambda c: _join("S", "G.", _pick(c, 22), ".", _pick(c, 43)),
    "Slack Token": lambda c: _join("xo", "xb-", "123456789012-", _pick(c, 24)),
    "Stripe Access Key": lambda c: _join("sk_", "live_", _pick(c, 24)),
    "Twilio API Key": lambda c: _join("S", "K", _pick(c, 32, "0123456789abcdef")),
}
"""By the scanner's word for a kind: what makes one."""
