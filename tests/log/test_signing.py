"""Ed25519: signatures made and checked, and the file that holds an actor's seed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from git_session.core.wire.chunk import decode_chunk
from git_session.core.wire.event import Event
from git_session.errors import ConfigError, ReadOnlyError
from git_session.log.actors.actors import read_actor, read_public_keys, read_signing_seed
from git_session.log.actors.signing import (
    create_seed,
    parse_public_key,
    public_key_of,
    read_seed,
    sign,
    verify,
)
from tests.conftest import FIXTURES, Grite, git

# RFC 8032, section 7.1, test 1.
RFC_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
RFC_SIGNATURE = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
    "d25bf5f0595bbe24655141438e7a100b"
)
SEED = bytes(range(32))
EVENT_ID = bytes(range(100, 132))


def read_events(repository: Path) -> list[Event]:
    """Reads every event of a repository's log with plain git."""
    events = []
    for commit in git(repository, "rev-list", "refs/grite/wal").split():
        for path in git(repository, "ls-tree", "-r", "--name-only", commit).split():
            if path.endswith(".bin"):
                shown = ["git", "cat-file", "blob", f"{commit}:{path}"]
                chunk = subprocess.run(shown, cwd=repository, capture_output=True, check=True)
                events += decode_chunk(chunk.stdout)[0]
    return events


def write_key(directory: Path, content: str, mode: int = 0o600, name: str = "signing_key") -> Path:
    """Puts a key file where an actor's is looked for."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return path


def test_signatures_are_those_of_the_rfc() -> None:
    assert public_key_of(RFC_SEED) == RFC_PUBLIC
    assert sign(RFC_SEED, b"") == RFC_SIGNATURE
    assert verify(RFC_PUBLIC, b"", RFC_SIGNATURE)


def test_a_signature_holds_for_its_event_and_key_only() -> None:
    public, sig = public_key_of(SEED), sign(SEED, EVENT_ID)
    assert len(sig) == 64
    assert verify(public, EVENT_ID, sig)
    assert not verify(public, EVENT_ID[::-1], sig)
    assert not verify(RFC_PUBLIC, EVENT_ID, sig)
    assert not verify(public, EVENT_ID, sig[:-1] + bytes([sig[-1] ^ 1]))


@pytest.mark.parametrize(
    ("key", "sig"),
    [(b"", b""), (b"\xff" * 32, b"\0" * 64), (RFC_PUBLIC, b""), (RFC_PUBLIC[:31], RFC_SIGNATURE)],
)
def test_malformed_keys_and_signatures_are_false_and_no_error(key: bytes, sig: bytes) -> None:
    assert not verify(key, b"", sig)


def test_importing_the_module_does_not_import_cryptography() -> None:
    """The import costs 25 ms, which commands that meet no signature must not pay."""
    code = "import sys, git_session.log.actors.actors; print('cryptography' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_the_events_that_grite_signed_verify(bundle: Callable[[str], Path], tmp_path: Path) -> None:
    directory = tmp_path / "signed" / "grite" / "actors" / "2480bf8afe4a04c57656aec24db00a2d"
    directory.mkdir(parents=True)
    (directory / "config.toml").write_bytes((FIXTURES / "signed.actor.toml").read_bytes())
    keys = read_public_keys(tmp_path / "signed")
    events = read_events(bundle("signed"))
    assert len(events) == 8
    for event in events:
        assert event.sig is not None
        assert verify(keys[event.actor], event.event_id, event.sig)
        assert not verify(keys[event.actor], event.issue_id * 2, event.sig)


def test_a_public_key_is_used_only_when_it_is_64_hex_digits_of_ed25519() -> None:
    text = RFC_PUBLIC.hex()
    assert parse_public_key(text.upper(), None) == RFC_PUBLIC
    assert parse_public_key(text, "ed25519") == RFC_PUBLIC
    assert parse_public_key(text, "ed448") is None
    assert parse_public_key(None, "ed25519") is None
    for bad in ("", text[2:], text + "00", "zz" * 32, " " + text[1:], "٣" * 64):
        assert parse_public_key(bad, None) is None


@pytest.mark.parametrize("content", [SEED.hex(), SEED.hex().upper() + "\r\n", f" {SEED.hex()}\n"])
@pytest.mark.parametrize("name", ["signing_key", "keys/signing.key"])
def test_the_seed_is_read_from_either_place(tmp_path: Path, name: str, content: str) -> None:
    write_key(tmp_path, content, name=name)
    assert read_seed(tmp_path) == SEED


def test_the_file_that_grite_writes_comes_before_the_documented_one(tmp_path: Path) -> None:
    assert read_seed(tmp_path) is None
    write_key(tmp_path, RFC_SEED.hex(), name="keys/signing.key")
    write_key(tmp_path, SEED.hex())
    assert read_seed(tmp_path) == SEED


@pytest.mark.parametrize("content", ["", SEED.hex()[2:], "zz" * 32, SEED.hex() * 2, "0" * 5000])
def test_a_key_file_that_holds_no_seed_is_refused_and_never_quoted(
    tmp_path: Path, content: str
) -> None:
    path = write_key(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        read_seed(tmp_path)
    assert str(path) in caught.value.message
    assert not content or content not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_other_users_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = write_key(tmp_path, SEED.hex(), mode)
    with pytest.raises(ConfigError, match="other users") as caught:
        read_seed(tmp_path)
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_new_seed_is_private_and_an_old_one_is_never_overwritten(tmp_path: Path) -> None:
    seed = create_seed(tmp_path)
    path = tmp_path / "signing_key"
    assert path.read_text() == seed.hex()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ReadOnlyError):
        create_seed(tmp_path)
    assert read_seed(tmp_path) == seed


def test_the_key_that_grite_makes_is_ours_too(repo: Path, grite: Grite) -> None:
    """Its seed gives the public key in its config.toml, and our signature is grite's."""
    made = grite.json(repo, "actor", "init", "--generate-key")
    grite(repo, "actor", "use", made["actor_id"])
    grite(repo, "issue", "create", "--title", "Signed", "--body", "b")
    seed = read_signing_seed(read_actor(Path(made["data_dir"])), repo / ".git")
    assert seed is not None
    assert public_key_of(seed).hex() == made["public_key"]
    (event,) = read_events(repo)
    assert event.sig == sign(seed, event.event_id)
