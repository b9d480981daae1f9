"""Targets: git's own files that are read without libgit2, and what git says."""

from __future__ import annotations

import hashlib
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import pygit2

from git_session.core.wire.trailers import parse_mentions, possible_ids
from git_session.git import place
from git_session.git.messages import clean_words
from git_session.git.place import UnclearError
from git_session.git.push_report import parse_push_report
from git_session.git.repository import ref_files
from git_session.git.repository.object_files import decode_loose
from tests.guarantees.fuzz.made import make_folder

_REF: Final = "refs/grite/wal"


def fuzz_ref(data: bytes) -> None:
    """A ref that is read from its file is what libgit2 reads there."""
    folder = make_folder()
    (folder / _REF).write_bytes(data)
    _require_same_ref(folder)


def fuzz_packed_refs(data: bytes) -> None:
    """A packed ref that is read is what libgit2 reads there."""
    folder = make_folder()
    (folder / _REF).unlink(missing_ok=True)
    (folder / "packed-refs").write_bytes(data)
    try:
        _require_same_ref(folder)
        with suppress(UnclearError):
            ref_files.read_ref_files(folder, "refs/grite/")
    finally:
        (folder / "packed-refs").unlink()


def fuzz_git_config(data: bytes) -> None:
    """A setting of git that is read is what libgit2 reads."""
    path = make_folder() / "config.fuzzed"
    path.write_bytes(data)
    try:
        settings = place._read_settings(str(path))
    except UnclearError:
        return
    try:
        theirs = pygit2.Config(str(path))
    except pygit2.GitError:
        # What libgit2 refuses is opened by nobody, and where it matters not read by us either.
        return
    for key in ("core.bare", "core.repositoryformatversion"):
        try:
            value = theirs[key]
        except UnicodeError:
            continue
        except (KeyError, ValueError, pygit2.GitError):
            assert key not in settings, settings
            continue
        if b'"' not in settings[key] and b"\\" not in settings[key]:
            assert settings[key] == ("true" if value is None else value).strip().lower().encode(), (
                value
            )


def fuzz_gitlink(data: bytes) -> None:
    """A `.git` that is a file leads somewhere or nowhere, and raises nothing else."""
    folder = make_folder()
    (folder / "checkout").mkdir(exist_ok=True)
    (folder / "checkout" / ".git").write_bytes(data)
    place.find_place(folder / "checkout", {})


def fuzz_push_report(data: bytes) -> None:
    """What git says of a push is read, and its other words can be shown."""
    parse_push_report(data)
    words = clean_words(data)
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in words)


def _require_same_ref(folder: Path) -> None:
    try:
        ours = ref_files.read_ref_file(folder, _REF)
    except UnclearError:
        return
    repository = _repository()
    try:
        theirs = str(repository.lookup_reference(_REF).target)
    except KeyError:
        assert ours is None, ours
        return
    except (ValueError, pygit2.GitError):
        # Nobody may take a damaged file for one that does not hold the ref.
        assert ours is not None
        return
    assert ours == theirs


@cache
def _repository() -> pygit2.Repository:
    return pygit2.Repository(str(make_folder()))


def fuzz_loose(data: bytes) -> None:
    """An object's file is read as what its id says, or not at all."""
    for file in (data, zlib.compress(data, 1)):
        with suppress(zlib.error):
            content = zlib.decompressobj().decompress(file, 1 << 20)
            oid = hashlib.sha1(content).hexdigest()
            found = decode_loose(file, oid)
            assert found is None or content.endswith(found[1])
        assert decode_loose(file, "0" * 40) is None


def fuzz_trailers(data: bytes) -> None:
    """The lines of a commit's message that name sessions are found, whatever else stands there."""
    text = data.decode(errors="replace")
    for mention in parse_mentions(text, text):
        assert mention.value
        assert possible_ids(mention.value)[0] == mention.value
