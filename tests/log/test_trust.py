"""Whose signatures count, and what a forger can and cannot do to a log that requires them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from git_session.core.wire.event import Event, build_event
from git_session.errors import ConfigError
from git_session.health.fsck import check_log
from git_session.log.actors import signing
from git_session.log.actors.actors import create_actor, read_signing_seed
from git_session.log.actors.trust import format_key_line, parse_key_list, read_trusted_keys
from git_session.log.index_only import count_quickly, list_quickly
from git_session.log.session_log import SessionLog
from tests.conftest import FIXTURES, git
from tests.support.forge import Forge
from tests.support.stores import WAL

Bundle = Callable[[str], Path]

TOML: Final = (FIXTURES / "signed.actor.toml").read_text()
SIGNER, KEY = (re.findall(rf'{name} = "(\w+)"', TOML)[0] for name in ("actor_id", "public_key"))
LINE: Final = f"{SIGNER} ed25519 {KEY} build box"
STRANGER: Final = "ee" * 16
LIST_REF: Final = "refs/remotes/origin/main"


def set_policy(path: Path, policy: str) -> None:
    """Writes grite's setting in a bare repository."""
    (path / "grite").mkdir(exist_ok=True)
    (path / "grite" / "config.toml").write_text(f'verify_signatures = "{policy}"\n')


def commit_list(path: Path, text: str, ref: str = LIST_REF, name: str = "keys/trusted") -> None:
    """Commits a list of keys to a ref."""
    folder, _, file = name.partition("/")
    blob = git(path, "hash-object", "-w", "--stdin", stdin=text)
    tree = git(path, "mktree", stdin=f"100644 blob {blob}\t{file}\n")
    tree = git(path, "mktree", stdin=f"040000 tree {tree}\t{folder}\n")
    git(path, "update-ref", ref, git(path, "commit-tree", tree, "-m", "keys"))


def read(path: Path) -> tuple[int, list[str]]:
    """Counts the events that are read, and gives the codes of what was left out or doubted."""
    log = SessionLog.open(path, environ={})
    count = log.replay().event_count
    return count, sorted({problem.code for problem in log.problems})


# -- the list


def test_a_list_holds_a_key_a_line_and_may_say_more() -> None:
    text = f"# who may write\n\n  {LINE}\t \n{STRANGER} ed25519 {KEY.upper()}\n"
    keys = parse_key_list(text, "list")
    assert [(key.actor_id, key.label) for key in keys] == [(SIGNER, "build box"), (STRANGER, None)]
    assert {key.public_key.hex() for key in keys} == {KEY}
    assert keys[0].line == LINE


def test_a_label_cannot_end_its_line() -> None:
    line = format_key_line(SIGNER, bytes.fromhex(KEY), f"box\n{STRANGER} ed25519 {'00' * 32}")
    (key,) = parse_key_list(line, "list")
    assert key.actor_id == SIGNER


@pytest.mark.parametrize(
    "line",
    [
        f"{SIGNER} {KEY}",
        f"{SIGNER[:-1]} ed25519 {KEY}",
        f"{SIGNER} ed448 {KEY}",
        f"{SIGNER} ed25519 {KEY}00",
        f"{SIGNER} ed25519 {'٣' * 64}",
        "nothing of the kind",
    ],
)
def test_a_line_that_names_no_key_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(ConfigError, match=r"main:keys, line 2") as caught:
        parse_key_list(f"{LINE}\n{line}\n", "main:keys")
    assert "actor key" in (caught.value.hint or "")


# -- where it comes from


def test_nobody_is_trusted_but_those_who_are_named(bundle: Bundle) -> None:
    path = bundle("signed")
    set_policy(path, "require")
    assert read(path) == (0, ["untrusted"])
    assert check_log(SessionLog.open(path))["errors"] == 8
    git(path, "config", "--add", "session.trustedKey", f"{STRANGER} ed25519 {KEY}")
    assert read(path) == (0, ["untrusted"])
    git(path, "config", "--add", "session.trustedKey", LINE)
    assert read(path) == (8, [])
    report = check_log(SessionLog.open(path))
    assert (report["signatures"]["valid"], report["findings"]) == (8, [])


def test_a_list_in_a_commit_is_read_from_its_ref(bundle: Bundle) -> None:
    path = bundle("signed")
    set_policy(path, "require")
    git(path, "config", "session.trustedKeysBlob", f"{LIST_REF}:keys/trusted")
    commit_list(path, f"# reviewed\n{LINE}\n")
    assert read(path) == (8, [])
    commit_list(path, "# nobody any more\n")
    assert read(path) == (0, ["untrusted"])


def test_an_actor_may_have_an_old_key_and_a_new_one(bundle: Bundle) -> None:
    path = bundle("signed")
    set_policy(path, "require")
    other = signing.public_key_of(b"\7" * 32)
    for line in (format_key_line(SIGNER, other), LINE):
        git(path, "config", "--add", "session.trustedKey", line)
    assert read(path) == (8, [])


def test_a_tag_of_the_same_short_name_does_not_replace_the_list(bundle: Bundle) -> None:
    """Tags are fetched from whoever offers them, and come first where git resolves a short name."""
    path = bundle("signed")
    set_policy(path, "require")
    git(path, "config", "session.trustedKeysBlob", f"{LIST_REF}:keys/trusted")
    commit_list(path, "# nobody\n")
    for ref in ("refs/tags/origin/main", f"refs/tags/{LIST_REF}", f"refs/heads/{LIST_REF}"):
        commit_list(path, f"{LINE}\n", ref)
    assert read(path) == (0, ["untrusted"])


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("keys/trusted", "full ref name"),
        ("origin/main:keys/trusted", "full ref name"),
        ("HEAD:keys/trusted", "full ref name"),
        (f"{LIST_REF}:", "full ref name"),
        (f"{WAL}:meta.json", "can write"),
        ("refs/git-session/remotes/origin/grite/wal:meta.json", "can write"),
        (f"{LIST_REF}:keys/absent", "cannot be read"),
        (f"{LIST_REF}:keys", "cannot be read"),
        ("refs/remotes/gone/main:keys/trusted", "cannot be read"),
        ("refs/../../../etc/passwd:x", "cannot be read"),
    ],
)
def test_a_list_that_cannot_be_trusted_or_read_stops_the_reading(
    bundle: Bundle, place: str, why: str
) -> None:
    path = bundle("signed")
    commit_list(path, f"{LINE}\n")
    set_policy(path, "require")
    git(path, "config", "session.trustedKeysBlob", place)
    with pytest.raises(ConfigError, match=why) as caught:
        SessionLog.open(path).sessions()
    assert caught.value.exit_code == 5
    set_policy(path, "off")
    assert SessionLog.open(path).sessions(include_exited=True)


def test_the_index_is_of_the_list_that_holds_now(bundle: Bundle) -> None:
    path = bundle("signed")
    set_policy(path, "require")
    for keys, count in (((), 0), ((LINE,), 8), ((LINE, f"{STRANGER} ed25519 {KEY}"), 8), ((), 0)):
        git(path, "config", "--replace-all", "session.trustedKey", "")
        for line in keys:
            git(path, "config", "--add", "session.trustedKey", line)
        assert read(path)[0] == count
        with SessionLog.open(path) as log:
            log.replay()
        assert read(path)[0] == count


@pytest.mark.parametrize("policy", ["off", "warn", "require"])
def test_the_quick_way_never_answers_for_a_policy(bundle: Bundle, policy: str) -> None:
    path = bundle("signed")
    with SessionLog.open(path) as log:
        log.replay()
    assert count_quickly(path, {}, include_exited=True) == 1
    set_policy(path, policy)
    assert count_quickly(path, {}, include_exited=True) is None
    assert list_quickly(path, {}) is None
    with SessionLog.open(path) as log:
        log.replay()
    (path / "grite" / "config.toml").unlink()
    # The index is now of another trust, or of none: it must not be taken for the one of `off`.
    assert count_quickly(path, {}, include_exited=True) == (1 if policy == "off" else None)


def test_a_doubt_is_said_once_an_actor_and_not_again_after_the_index(bundle: Bundle) -> None:
    path = bundle("signed")
    set_policy(path, "warn")
    assert read(path) == (8, ["unknown_key"])
    with SessionLog.open(path, environ={}) as log:
        assert len(log.replay().problems) == 1
    forge = Forge(path)
    forge.head = git(path, "rev-parse", WAL)
    (task,) = SessionLog.open(path).tasks(include_all=True)
    issue = bytes.fromhex(task.grite_issue_id)
    signed_again = build_event(issue, bytes.fromhex(SIGNER), 2**40, 3, ["x"], sign=lambda _: b"x")
    forge.commit(signed_again.raw)
    log = SessionLog.open(path, environ={})
    assert [problem.code for problem in log.problems] == ["unknown_key"]
    assert "git session" not in log.problems[0].message


# -- what a forger can do who may push to the log


class Attack:
    """Holds a signed log of one session in a repository that requires signatures."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.forge = Forge(path)
        actor = create_actor(
            path, now=0, actor_id="aa" * 16, make_default=True, with_key=True, label=None
        )
        seed = read_signing_seed(actor, path)
        assert seed is not None
        self.seed = seed
        log = SessionLog.open(path, environ={})
        task = log.add_task("Port the lexer").task.task_id
        self.session = log.start(task).session.session_id
        log.advance(self.session, "ready")
        set_policy(path, "require")
        self.forge.head = log.head()
        self.before = self.answers()

    def answers(self) -> Any:
        log = SessionLog.open(self.path, environ={}, clock=lambda: 0)
        return log.session_rows(include_exited=True), log.task_rows(include_all=True)

    def events(self) -> list[Event]:
        replay = SessionLog.open(self.path, environ={}).replay()
        found = (replay.find_event(event_id) for event_id in replay.origin)
        return [event for event in found if event is not None]

    def newest_block(self) -> Event:
        return max((e for e in self.events() if e.kind == 3), key=lambda event: event.ts)


@pytest.fixture
def attack(bare: Path) -> Attack:
    return Attack(bare)


def strip(attack: Attack) -> list[bytes]:
    """Takes the signature off."""
    event = attack.newest_block()
    assert event.sig is not None
    return [event.raw[: -len(event.sig) - 2] + b"\xf6"]


def sign_by_another(attack: Attack) -> list[bytes]:
    """Signs as the actor, with another key."""
    event = attack.newest_block()
    sig = signing.sign(b"\3" * 32, event.event_id)
    assert event.sig is not None
    return [event.raw.replace(event.sig, sig)]


def take_another_signature(attack: Attack) -> list[bytes]:
    """Moves a good signature to an exit that was never written."""
    event = attack.newest_block()
    assert event.payload is not None
    text = event.payload[0].replace('"ready"', '"exit"')
    forged = build_event(event.issue_id, event.actor, event.ts + 1, 3, [text])
    return [build_event(*_items(forged), sign=lambda _: event.sig or b"").raw]


def reattribute(attack: Attack) -> list[bytes]:
    """Gives a signed event another actor: with its old id, and with the one it then has."""
    event = attack.newest_block()
    other = bytes.fromhex(STRANGER)
    assert event.payload is not None
    anew = build_event(
        event.issue_id,
        other,
        event.ts,
        3,
        event.payload,
        event.parent,
        sign=lambda _: event.sig or b"",
    )
    return [event.raw.replace(event.actor, other), anew.raw]


def change(attack: Attack) -> list[bytes]:
    """Changes what a signed event says, and when, under its old id and signature."""
    event = attack.newest_block()
    return [
        event.raw.replace(b'"ready"', b'"spawn"'),
        event.raw.replace(event.ts.to_bytes(8, "big"), (event.ts + 99).to_bytes(8, "big")),
    ]


def write_unsigned(attack: Attack) -> list[bytes]:
    """Ends the session without a signature."""
    event = attack.newest_block()
    assert event.payload is not None
    text = event.payload[0].replace('"ready"', '"exit"')
    return [build_event(event.issue_id, event.actor, event.ts + 1, 3, [text]).raw]


def write_as_a_stranger(attack: Attack) -> list[bytes]:
    """Ends the session with a good signature of an actor that nobody trusts."""
    event = attack.newest_block()
    assert event.payload is not None
    text = event.payload[0].replace('"ready"', '"exit"')
    stranger = bytes.fromhex(STRANGER)
    return [
        build_event(
            *(event.issue_id, stranger, event.ts + 1, 3, [text]),
            sign=lambda event_id: signing.sign(b"\3" * 32, event_id),
        ).raw
    ]


def _items(event: Event) -> tuple[bytes, bytes, int, int, list[Any], bytes | None]:
    assert event.payload is not None
    return event.issue_id, event.actor, event.ts, event.kind, event.payload, event.parent


FORGERIES: Final = {
    "stripped": (strip, {"untrusted"}),
    "signed with another key": (sign_by_another, {"signature"}),
    "another event's signature": (take_another_signature, {"signature"}),
    "reattributed": (reattribute, {"event_id", "untrusted"}),
    "changed": (change, {"event_id"}),
    "not signed": (write_unsigned, {"untrusted"}),
    "signed by a stranger": (write_as_a_stranger, {"untrusted"}),
}


@pytest.mark.parametrize(("forgery", "codes"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_event_changes_nothing_and_is_named(
    attack: Attack, forgery: Callable[[Attack], list[bytes]], codes: set[str]
) -> None:
    forged = forgery(attack)
    commit = attack.forge.commit(*forged)
    assert attack.answers() == attack.before
    log = SessionLog.open(attack.path, environ={})
    assert {(problem.code, problem.commit) for problem in log.problems} == {
        (code, commit) for code in codes
    }
    found = [row for row in check_log(log)["findings"] if row["severity"] == "error"]
    assert {(row["code"], row["commit"]) for row in found} == {(code, commit) for code in codes}
    assert len(found) == len(forged)
    assert all(row["event_id"] for row in found)


def test_a_replayed_event_counts_once(attack: Attack) -> None:
    """It is the same event, in whatever commit it stands, and in whatever order."""
    attack.forge.commit(*(event.raw for event in reversed(attack.events())))
    assert attack.answers() == attack.before
    report = check_log(SessionLog.open(attack.path, environ={}))
    assert (report["errors"], report["warnings"]) == (0, 0)


def test_a_log_rewritten_with_stripped_copies_reads_as_empty_and_never_as_theirs(
    attack: Attack,
) -> None:
    """Whoever can move the ref can take events away, but not put others in their place."""
    stripped = [
        event.raw[: -len(event.sig) - 2] + b"\xf6"
        for event in attack.events()
        if event.sig is not None
    ]
    attack.forge.commit(*stripped, parents=[])
    assert attack.answers() == ([], [])
    codes = {row["code"] for row in check_log(SessionLog.open(attack.path))["findings"]}
    assert codes == {"untrusted"}


def test_without_require_a_stripped_copy_is_read_as_the_event_it_is(attack: Attack) -> None:
    attack.forge.commit(*strip(attack))
    for policy in ("off", "warn"):
        set_policy(attack.path, policy)
        assert attack.answers() == attack.before


def test_keys_of_this_clones_actors_count_beside_the_lists(bundle: Bundle) -> None:
    path = bundle("signed")
    git(path, "config", "session.trustedKey", LINE)
    made = create_actor(path, now=0, actor_id="aa" * 16, make_default=True, with_key=True)
    assert [(key.actor_id, key.source) for key in read_trusted_keys_of(path)] == [
        (made.actor_id, "actor"),
        (SIGNER, "config"),
    ]


def read_trusted_keys_of(path: Path) -> list[Any]:
    """Reads the keys that are trusted in a repository."""
    return [*read_trusted_keys(SessionLog.open(path).store)]
