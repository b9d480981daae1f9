"""Beat files: replaced as a whole, and nothing that lies among them hinders a reader."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import pytest

from git_session.core.wire.evidence import Evidence
from git_session.errors import ReadOnlyError, UsageError
from git_session.host.beats import Beat, Beats

ISSUE: Final = "0f" * 16
SESSION: Final = "s-20261122-4f1b"
NOW: Final = 1_800_000_000_000
COMMIT: Final = "ab" * 20
BEAT: Final = Beat(
    session_id=SESSION,
    grite_issue_id=ISSUE,
    task_id="t-20261122-4f12",
    ts=NOW,
    recorded_ts=NOW - 60_000,
    evidence=Evidence("boxA", "aa", "boot-1", 10, 4711, 9000),
    worktree="/home/größe",
    activity="waiting",
    activity_ts=NOW - 5_000,
    attributes={"tokens": 12, "branch": 'a "b"'},
    interval_ms=900_000,
)


@pytest.fixture
def beats(tmp_path: Path) -> Beats:
    return Beats(tmp_path)


def _put(beats: Beats, name: str, content: bytes) -> Path:
    beats.directory.mkdir(parents=True, exist_ok=True)
    path = beats.directory / name
    path.write_bytes(content)
    return path


def _document(**changes: Any) -> bytes:
    values = {"schema": 1, "session_id": SESSION, "grite_issue_id": ISSUE, "ts": NOW}
    return json.dumps({**values, **changes}).encode()


def test_a_beat_comes_back_as_it_was_written(beats: Beats) -> None:
    beats.write(BEAT)
    assert beats.read(ISSUE, SESSION) == BEAT._replace(others={"schema": 1})
    assert beats.read_all() == [beats.read(ISSUE, SESSION)]
    assert beats.refs() == [(ISSUE, SESSION)]
    assert [path.name for path in beats.directory.iterdir()] == [f"{ISSUE}.{SESSION}.json"]


def test_plain_shell_finds_one_key_a_line_in_ascii(beats: Beats) -> None:
    beats.write(BEAT)
    lines = beats.path(ISSUE, SESSION).read_text("ascii").splitlines()
    assert f'"session_id": "{SESSION}",' in lines
    assert '"worktree": "/home/gr\\u00f6\\u00dfe"' in lines
    keys = [line.split('"')[1] for line in lines if line.startswith('"')]
    assert {"schema", "host", "boot_id", "pid_ns", "pid", "pid_start", "commit"} <= set(keys)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"schema": 1, "session_id": "s-2026',
        b"null",
        b"[1]",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"9" * 5_000,
        b" " * 70_000 + b"{}",
        _document(ts=None),
        _document(ts="1"),
        _document(ts=True),
        _document(schema=None),
        _document(session_id="s-other"),
        _document(grite_issue_id="00" * 16),
    ],
)
def test_a_file_that_tells_nothing_is_as_if_it_were_not_there(beats: Beats, content: bytes) -> None:
    _put(beats, f"{ISSUE}.{SESSION}.json", content)
    assert beats.read(ISSUE, SESSION) is None
    assert beats.read_all() == []
    beats.write(BEAT)
    assert beats.read(ISSUE, SESSION) is not None


def test_values_that_cannot_be_are_not_known_and_the_rest_counts(beats: Beats) -> None:
    wrong: dict[str, Any] = {
        "attributes": {"A": 1, "b": 1.5, "c": True, "d": 4},
        "activity": "sleeping",
    }
    wrong |= {"pid": "7", "host": 1, "worktree": 3, "commit": "zz", "recorded_ts": "x"}
    _put(beats, f"{ISSUE}.{SESSION}.json", _document(**wrong))
    found = beats.read(ISSUE, SESSION)
    assert found is not None
    assert (found.ts, found.task_id, found.recorded_ts) == (NOW, ISSUE, 0)
    assert (found.evidence, found.worktree, found.commit) == (Evidence(), None, None)
    assert (found.attributes, found.activity) == ({"d": 4}, None)


def test_what_a_newer_version_wrote_is_read_and_its_own_keys_stay(beats: Beats) -> None:
    _put(beats, f"{ISSUE}.{SESSION}.json", _document(schema=2, mood=["good"]))
    found = beats.read(ISSUE, SESSION)
    assert found is not None
    beats.write(found._replace(ts=NOW + 1))
    stored = json.loads(beats.path(ISSUE, SESSION).read_bytes())
    assert (stored["schema"], stored["mood"], stored["ts"]) == (2, ["good"], NOW + 1)


@pytest.mark.parametrize(
    "name",
    [
        "README",
        f"{ISSUE}.json",
        f"{ISSUE}..json",
        f"{ISSUE[:-1]}.{SESSION}.json",
        f"{ISSUE.upper()}.{SESSION}.json",
        f"{ISSUE}.{SESSION}.json.12.tmp",
        f"{ISSUE}.-x.json",
        f"{ISSUE}.a b.json",
    ],
)
def test_a_name_from_the_disk_is_checked_before_it_is_used(beats: Beats, name: str) -> None:
    _put(beats, name, _document())
    assert beats.refs() == []
    assert beats.read_all() == []


@pytest.mark.parametrize("session", ["", "../../config", "a/b", ".x", "x.spool", "x" * 129])
def test_no_path_is_made_of_an_id_that_could_lead_elsewhere(beats: Beats, session: str) -> None:
    assert beats.read(ISSUE, session) is None
    for make in (beats.path, beats.commit_path, beats.spool_path):
        with pytest.raises(UsageError):
            make(ISSUE, session)
    with pytest.raises(UsageError):
        beats.write(BEAT._replace(session_id=session))
    beats.remove(ISSUE, session)


def test_a_link_or_a_pipe_in_place_of_a_file_is_not_followed(beats: Beats, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(_document())
    beats.directory.mkdir(parents=True)
    path = beats.path(ISSUE, SESSION)
    path.symlink_to(elsewhere)
    assert beats.read(ISSUE, SESSION) is None
    beats.write(BEAT)
    assert elsewhere.read_bytes() == _document()
    path.unlink()
    os.mkfifo(path)
    assert beats.read(ISSUE, SESSION) is None


def _commit(beats: Beats, line: bytes) -> Beat:
    beats.write(BEAT)
    _put(beats, f"{ISSUE}.{SESSION}.commit", line)
    found = beats.read(ISSUE, SESSION)
    assert found is not None
    return found


def test_a_commit_is_a_sign_of_life_and_of_work(beats: Beats) -> None:
    found = _commit(beats, f"{COMMIT} {NOW // 1000 + 30}\n".encode())
    assert (found.commit, found.ts) == (COMMIT, NOW + 30_000)
    assert (found.activity, found.activity_ts) == ("working", NOW + 30_000)


def test_an_older_commit_makes_no_beat_younger_and_clears_nothing(beats: Beats) -> None:
    found = _commit(beats, f"{COMMIT} {NOW // 1000 - 30}".encode())
    assert (found.commit, found.ts, found.activity) == (COMMIT, NOW, "waiting")


@pytest.mark.parametrize("line", [b"", b"abc 12\n", b"ab" * 20, b"ab" * 20 + b" 1\nmore", b"\0"])
def test_a_torn_commit_line_changes_nothing(beats: Beats, line: bytes) -> None:
    assert _commit(beats, line) == BEAT._replace(others={"schema": 1})


def test_a_spooled_exit_is_no_beat_and_stays_when_the_beat_goes(beats: Beats) -> None:
    _commit(beats, f"{COMMIT} 1\n".encode())
    spool = beats.spool_path(ISSUE, SESSION)
    spool.write_bytes(b"{}")
    _put(beats, f"{ISSUE}.{SESSION}.77.tmp", b"")
    beats.write(BEAT._replace(session_id=SESSION + "2"))
    assert beats.spool_paths() == [spool]
    beats.remove(ISSUE, SESSION)
    assert beats.refs() == [(ISSUE, SESSION + "2")]
    assert sorted(path.name for path in beats.directory.iterdir()) == sorted(
        [spool.name, f"{ISSUE}.{SESSION}2.json"]
    )


def test_a_file_in_place_of_the_folder_is_an_error_with_a_hint(beats: Beats) -> None:
    beats.directory.parent.mkdir(parents=True)
    beats.directory.write_text("")
    assert beats.refs() == []
    with pytest.raises(ReadOnlyError) as caught:
        beats.write(BEAT)
    assert caught.value.hint
