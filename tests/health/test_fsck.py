"""Each finding of fsck comes from the one thing it names, and what is sound stays readable.

The logs here are made by hand, from bytes that the program under test never wrote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import cbor2
import pytest

from git_session.core.answers.log import FsckReport
from git_session.core.fold.findings import CODES, ERRORS
from git_session.core.wire.git_object import LARGEST
from git_session.errors import DamagedLogError
from git_session.health.fsck import check_log
from git_session.log.actors import signing
from git_session.log.session_log import SessionLog
from tests.conftest import git
from tests.support.forge import (
    ACTOR,
    ISSUES,
    NOW,
    OTHER,
    SESSION,
    Forge,
    block,
    comment,
    created,
    make_signer,
)
from tests.support.stores import (
    EPOCH,
    LABEL_ADDED,
    WAL,
    Event,
    encode_chunk,
    format_block,
    write_log,
)


@pytest.fixture
def forge(bare: Path) -> Forge:
    return Forge(bare)


def check(path: Path) -> FsckReport:
    """Runs fsck at NOW."""
    return FsckReport.model_validate(check_log(SessionLog.open(path, clock=lambda: NOW)))


def codes_of(path: Path) -> list[str]:
    """Gives the code of each finding, sorted."""
    return sorted(finding.code for finding in check(path).findings)


# -- what each case does to a log; none may have any other effect

Case = Callable[[Forge], object]


def lose_a_commit(forge: Forge) -> None:
    for number in range(3):
        forge.commit(created(number))
    forge.lose(f"{WAL}~1")


def lose_a_second_parent(forge: Forge) -> None:
    base = forge.commit(created())
    side = forge.commit(comment("side"))
    main = forge.commit(comment("main"), parents=[base])
    forge.commit(comment("side"), parents=[main, side])
    forge.lose(side)


def lose_part_of_a_commit(*path: str) -> Case:
    def lose(forge: Forge) -> None:
        for number in range(3):
            forge.commit(created(number))
        names = git(forge.path, "ls-tree", "-r", "--name-only", f"{WAL}~1").splitlines()
        chunk = next(name for name in names if name.endswith(".bin"))
        forge.lose(f"{WAL}~1:{path[0] if path else chunk}")

    return lose


def broken_meta(meta: bytes) -> Case:
    def write(forge: Forge) -> None:
        forge.commit(created())
        forge.commit(comment("x"), meta=meta)
        forge.commit(comment("y"))

    return write


def broken_chunk(chunk: bytes) -> Case:
    def write(forge: Forge) -> None:
        forge.commit(created())
        forge.commit(chunk=chunk)
        forge.commit(comment("y"))

    return write


def add_a_large_file(forge: Forge) -> None:
    broken_chunk(bytes(LARGEST + 1))(forge)


def name_a_chunk_wrongly(forge: Forge) -> None:
    forge.commit(created(), name="0" * 64)


def speak_of_another_chunk(forge: Forge) -> None:
    forge.commit(created(), chunk_hash="0" * 64)


def leave_the_chunk_out(forge: Forge) -> None:
    forge.commit(created())
    forge.commit(comment("x"), has_chunk=False)


def speak_in_events(*events: Event | bytes) -> Case:
    """Puts the events into one commit behind the creation of the first issue."""

    def write(forge: Forge) -> None:
        forge.commit(created())
        forge.commit(*events)

    return write


def sign_wrongly(forge: Forge) -> None:
    make_signer(forge)
    forge.commit(created().encode(b"\1" * 64))


def sign_a_second_copy_wrongly(forge: Forge) -> None:
    seed = make_signer(forge)
    event = created()
    forge.commit(event.encode(b"\1" * 64))
    forge.commit(event.encode(signing.sign(seed, event.id())))


def ask_for_signatures(policy: str, sig: bytes | None) -> Case:
    """Lets the policy ask for what one event, but no other, does not have."""

    def write(forge: Forge) -> None:
        seed = make_signer(forge)
        for event in (created(), created(4), block("spawned", 1, 4), block("ready", 2, 4)):
            forge.commit(event.encode(signing.sign(seed, event.id())))
        for event in (comment("x"), comment("y", 11))[: 1 if policy == "require" else 2]:
            forge.commit(Event(event.issue, OTHER, event.ts, 3, event.payload).encode(sig))
        (forge.path / "grite" / "config.toml").write_text(f'verify_signatures = "{policy}"\n')

    return write


def skip_the_parent(forge: Forge) -> None:
    first = forge.commit(created())
    forge.commit(comment("x"))
    forge.commit(comment("y"), prev_wal=first)


def point_at_nonsense(forge: Forge) -> None:
    forge.commit(created())
    forge.commit(comment("y"), prev_wal="HEAD~1")


def begin_anew_on_a_parent(forge: Forge) -> None:
    forge.commit(created())
    forge.commit(comment("y"), prev_wal=None)


def merge_without_the_other_side(forge: Forge) -> None:
    base = forge.commit(created())
    side = forge.commit(comment("side"))
    main = forge.commit(comment("main"), parents=[base])
    forge.commit(parents=[main, side])


def merge_without_one_of_two(forge: Forge) -> None:
    base = forge.commit(created())
    side = forge.commit(comment("one"))
    side = forge.commit(comment("two"))
    main = forge.commit(comment("main"), parents=[base])
    forge.commit(comment("one"), parents=[main, side])
    forge.commit(comment("on top"))


def change(event: Event, old: bytes, new: bytes) -> bytes:
    """Changes an event's bytes and leaves the id as it was."""
    raw = event.encode()
    assert raw.count(old) == 1
    return raw.replace(old, new)


def share_a_session_id(forge: Forge) -> None:
    forge.commit(created(0), created(1))
    text = format_block("spawned", f"{SESSION}0")
    forge.commit(comment(text, number=0), comment(text, number=1))


def fork_a_chain(forge: Forge) -> None:
    first = block("spawned", 1)
    forge.commit(created(), first)
    forge.commit(block("ready", 2, parent=first), block("running", 3, parent=first))


def two_blocks() -> Event:
    first, second = (format_block("spawned", f"{SESSION}{number}") for number in "01")
    return comment(f"{first}\n\n{second}\n")


HEADER: Final = b"GRITECNK\x01\x00\x07cbor-v1"
SOUND: Final = encode_chunk([comment("sound").encode()])
DEEP: Final = comment("x").encode().replace(b"\x81ax", b"\x81" * 10_000 + b"ax")

CASES: Final[dict[str, tuple[str, Case]]] = {
    "a commit is gone": ("missing_commit", lose_a_commit),
    "a second parent is gone": ("missing_commit", lose_a_second_parent),
    "a chunk is gone": ("missing_object", lose_part_of_a_commit()),
    "a folder is gone": ("missing_object", lose_part_of_a_commit("events/2026")),
    "the whole tree is gone": ("missing_object", lose_part_of_a_commit("")),
    "meta.json's blob is gone": ("missing_object", lose_part_of_a_commit("meta.json")),
    "no meta.json": ("meta", broken_meta(b"")),
    "meta.json is no JSON": ("meta", broken_meta(b"{")),
    "meta.json is no object": ("meta", broken_meta(b"[]")),
    "meta.json says too little": ("meta", broken_meta(b'{"schema_version": 1}')),
    "no chunk": ("chunk", broken_chunk(b"something else")),
    "an empty file": ("chunk", broken_chunk(b"")),
    "a header and no more": ("chunk", broken_chunk(HEADER)),
    "half a chunk": ("chunk", broken_chunk(SOUND[: len(SOUND) // 2])),
    "bytes after the events": ("chunk", broken_chunk(SOUND + b"\0")),
    "a version of tomorrow": ("newer", broken_chunk(SOUND.replace(b"\x01\x00", b"\x02\x00", 1))),
    "a codec of tomorrow": ("newer", broken_chunk(SOUND.replace(b"cbor-v1", b"cbor-v2"))),
    "a version before the first": ("chunk", broken_chunk(SOUND.replace(b"\1\0", b"\0\0", 1))),
    "a codec without a name": ("chunk", broken_chunk(SOUND.replace(b"cbor-v1", b"\x1b[31mx!"))),
    "2^60 events claimed": ("chunk", broken_chunk(HEADER + b"\x9b" + (2**60).to_bytes(8, "big"))),
    "2^60 bytes claimed": (
        "chunk",
        broken_chunk(HEADER + b"\x81\x5b" + (2**60).to_bytes(8, "big")),
    ),
    "arrays 10,000 deep": ("chunk", broken_chunk(HEADER + b"\x81" * 10_000 + b"\x80")),
    "arrays 10,000 deep in an event": ("chunk", speak_in_events(DEEP)),
    "a chunk by a wrong name": ("chunk_hash", name_a_chunk_wrongly),
    "a chunk that meta.json does not know": ("chunk_hash", speak_of_another_chunk),
    "a commit without its chunk": ("missing_object", leave_the_chunk_out),
    "a number among the events": ("event", speak_in_events(comment("x"), b"\x07")),
    "an event of seven items": ("event", speak_in_events(comment("x"), cbor2.dumps([0] * 7))),
    "an event of strange types": ("event", speak_in_events(comment("x"), cbor2.dumps([0] * 8))),
    "an event with another's id": ("event_id", speak_in_events(change(comment("x"), b"ax", b"ay"))),
    "a wrong signature": ("signature", sign_wrongly),
    "a wrong signature on a copy": ("signature", sign_a_second_copy_wrongly),
    "no signature where one is required": ("untrusted", ask_for_signatures("require", None)),
    "a stranger's signature where one is required": (
        "untrusted",
        ask_for_signatures("require", b"\1" * 64),
    ),
    "no signatures where they are looked for": ("unsigned", ask_for_signatures("warn", None)),
    "a stranger's signatures where they are looked for": (
        "unknown_key",
        ask_for_signatures("warn", b"\1" * 64),
    ),
    "prev_wal passes over the parent": ("prev_wal", skip_the_parent),
    "prev_wal denies the parent": ("prev_wal", begin_anew_on_a_parent),
    "prev_wal is no commit id": ("prev_wal", point_at_nonsense),
    "an empty merge": ("merge", merge_without_the_other_side),
    "a merge that lacks one event": ("merge", merge_without_one_of_two),
    "a kind of tomorrow": (
        "unknown_kind",
        speak_in_events(Event(ISSUES[0], ACTOR, EPOCH + 9, 99, ["x"])),
    ),
    "a payload of tomorrow": (
        "unknown_payload",
        speak_in_events(Event(ISSUES[0], ACTOR, EPOCH + 9, 6, ["half-open"])),
    ),
    "a file that is too large": ("too_large", add_a_large_file),
    "a time beyond the year 9999": (
        "beyond_time",
        speak_in_events(Event(ISSUES[0], ACTOR, 253402300800000, 3, ["x"])),
    ),
    "a clock that is an hour ahead": ("future", speak_in_events(comment("x", 3_660_000))),
    "events of no issue": ("no_issue", speak_in_events(comment("x", number=1))),
    "an event before its issue": ("early", speak_in_events(comment("x", -1))),
    "an issue created twice": ("created_again", speak_in_events(created(0, 5))),
    "half a block": ("block", speak_in_events(comment('[session]\nstate = "ready"\n[/session]'))),
    "a block without an end": ("block", speak_in_events(comment('[session]\nstate = "ready"\n'))),
    "two blocks in one comment": ("second_block", speak_in_events(two_blocks())),
    "a step that is left out": (
        "transition",
        speak_in_events(block("spawned", 1), block("running", 2)),
    ),
    "a life that begins late": ("transition", speak_in_events(block("running", 1))),
    "two steps from one block": ("fork", fork_a_chain),
    "one session id on two tasks": ("session_id", share_a_session_id),
    "a label and no session": (
        "label",
        speak_in_events(Event(ISSUES[0], ACTOR, EPOCH + 9, LABEL_ADDED, ["session:running"])),
    ),
}


def test_every_code_has_a_case() -> None:
    assert {code for code, _ in CASES.values()} == set(CODES)


@pytest.mark.parametrize(("code", "make"), CASES.values(), ids=CASES)
def test_a_case_gives_its_one_finding_and_no_other(forge: Forge, code: str, make: Case) -> None:
    make(forge)
    report = check(forge.path)
    assert [finding.code for finding in report.findings] == [code]
    (finding,) = report.findings
    assert finding.severity == ("error" if code in ERRORS else "warning")
    assert (report.errors, report.warnings) == ((1, 0) if code in ERRORS else (0, 1))
    assert finding.message
    # Everything but what is missing altogether can be looked up in git.
    if finding.commit and code != "missing_commit":
        assert git(forge.path, "cat-file", "-t", finding.commit) == "commit"


@pytest.mark.parametrize(("code", "make"), CASES.values(), ids=CASES)
def test_what_is_sound_around_it_is_read(forge: Forge, code: str, make: Case) -> None:
    """Another task's session, recorded before and after the case, is there with both its steps."""
    start, step = block("spawned", 1, 4), block("ready", 2, 4)
    forge.commit(created(4), start)
    make(forge)
    forge.commit(step)
    log = SessionLog.open(forge.path, clock=lambda: NOW)
    if make is lose_a_commit:
        # What lies beyond a missing commit cannot be reached; what came after it can.
        assert [s.to_state for s in log.history(f"{SESSION}4")] == ["ready"]
    else:
        assert [s.to_state for s in log.history(f"{SESSION}4")] == ["ready", "spawned"]
        assert log.task(ISSUES[4].hex()).title == "Issue 4"
    if code in {"missing_object", "chunk", "newer", "event", "event_id"}:
        assert {problem.code for problem in log.problems} == {code}


def test_a_sound_log_gives_no_finding_and_its_counts(forge: Forge) -> None:
    first = block("spawned", 1)
    forge.commit(created())
    forge.commit(first, Event(ISSUES[0], ACTOR, EPOCH + 1, LABEL_ADDED, ["session:spawned"]))
    forge.commit(created(1, 5))
    report = check(forge.path)
    assert report.findings == []
    assert report.head == forge.head
    assert (report.commits, report.chunks, report.events) == (3, 3, 4)
    assert (report.issues, report.sessions) == (2, 1)
    assert report.signatures == {"valid": 0, "wrong": 0, "unknown_key": 0, "unsigned": 4}


def test_no_log_is_no_damage(bare: Path) -> None:
    report = check(bare)
    assert (report.head, report.commits, report.findings) == (None, 0, [])


def test_findings_name_the_place(forge: Forge) -> None:
    forge.commit(created())
    bad = change(comment("x"), b"ax", b"ay")
    commit = forge.commit(bad)
    (finding,) = check(forge.path).findings
    assert finding.commit == commit
    assert finding.path is not None
    assert git(forge.path, "cat-file", "-t", f"{commit}:{finding.path}") == "blob"
    assert finding.event_id == comment("x").id().hex()
    assert finding.issue_id == ISSUES[0].hex()


def test_second_block_is_named_with_the_session_that_counts(forge: Forge) -> None:
    commit = forge.commit(created(), two_blocks())
    (finding,) = check(forge.path).findings
    assert (finding.commit, finding.event_id) == (commit, two_blocks().id().hex())
    assert f"{SESSION}0: only the first session block" in finding.message
    assert [row.session_id for row in SessionLog.open(forge.path).sessions()] == [f"{SESSION}0"]


def test_errors_come_before_warnings(forge: Forge) -> None:
    forge.commit(created())
    forge.commit(comment("x", -1), chunk_hash="0" * 64)
    forge.commit(comment("x", number=1))
    findings = check(forge.path).findings
    assert [f.severity for f in findings] == ["error", "warning", "warning"]


def test_several_cases_are_all_found(forge: Forge) -> None:
    forge.commit(created(), name="0" * 64)
    forge.commit(chunk=b"no chunk")
    forge.commit(change(comment("x"), b"ax", b"ay"))
    forge.commit(block("running"), comment("early", -1))
    assert codes_of(forge.path) == ["chunk", "chunk_hash", "early", "event_id", "transition"]


def test_a_copy_under_a_good_id_replaces_no_bad_one(forge: Forge) -> None:
    """An event is what its id says: a changed copy is named, and the true one is read."""
    forge.commit(created())
    forge.commit(change(comment("true"), b"dtrue", b"dfake"))
    forge.commit(comment("true"))
    forge.commit(change(comment("true"), b"dtrue", b"dlies"))
    assert codes_of(forge.path) == ["event_id", "event_id"]
    (read,) = SessionLog.open(forge.path).task(ISSUES[0].hex()).comments
    assert read.body == "true"


def test_bytes_that_are_no_utf_8_are_read_with_marks_in_their_place(forge: Forge) -> None:
    event = comment("xy")
    raw = event.encode().replace(b"bxy", b"b\xff\xfe")
    head, body = raw[:35], raw[35:-1]  # array header and id, items 1 to 6, no signature
    event_id = hashlib.blake2b(b"\x87\x01" + body, digest_size=32).digest()
    forge.commit(created(), head[:3] + event_id + body + b"\xf6")
    log = SessionLog.open(forge.path)
    (read,) = log.task(ISSUES[0].hex()).comments
    assert read.body == "\ufffd\ufffd"
    assert check(forge.path).errors == 0
    log.start(ISSUES[0].hex())
    assert check(forge.path).events == 6


def test_a_signature_by_an_unknown_key_is_counted_and_no_finding(forge: Forge) -> None:
    forge.commit(created().encode(b"\1" * 64))
    report = check(forge.path)
    assert report.findings == []
    assert report.signatures == {"valid": 0, "wrong": 0, "unknown_key": 1, "unsigned": 0}


@pytest.mark.parametrize("is_newer", [False, True])
def test_of_two_copies_the_well_signed_one_counts(forge: Forge, is_newer: bool) -> None:
    seed = make_signer(forge)
    event = created()
    copies = [event.encode(), event.encode(signing.sign(seed, event.id()))]
    for copy in copies if is_newer else copies[::-1]:
        forge.commit(copy)
    report = check(forge.path)
    assert report.findings == []
    assert report.events == 1
    assert report.signatures == {"valid": 1, "wrong": 0, "unknown_key": 0, "unsigned": 0}


def test_both_lines_are_read_where_prev_wal_and_the_parent_differ(forge: Forge) -> None:
    base = forge.commit(created())
    side = forge.commit(comment("side"))
    forge.commit(comment("main", 11), parents=[base])
    forge.commit(comment("top", 12), prev_wal=side)
    assert codes_of(forge.path) == ["prev_wal"]
    bodies = [c.body for c in SessionLog.open(forge.path).task(ISSUES[0].hex()).comments]
    assert bodies == ["side", "main", "top"]


def test_damage_deep_in_a_long_packed_log_is_found_and_read_around(forge: Forge) -> None:
    """Long logs are read by other ways than short ones."""
    forge.commit(created(), block("spawned", 1))
    forge.head = write_log(
        forge.path, [[comment(f"a{n}", 10 + n)] for n in range(300)], onto=forge.head
    )
    forge.commit(chunk=b"no chunk")
    forge.commit(comment("odd", 400), has_chunk=False)
    forge.commit(comment("x", 401), meta=b"{")
    forge.head = write_log(
        forge.path, [[comment(f"b{n}", 500 + n)] for n in range(400)], onto=forge.head
    )
    forge.commit(block("ready", 1000))
    git(forge.path, "gc", "--quiet", "--prune=now")
    assert codes_of(forge.path) == ["chunk", "meta", "missing_object"]
    log = SessionLog.open(forge.path)
    assert log.session(f"{SESSION}0").state == "ready"
    assert len(log.task(ISSUES[0].hex()).comments) == 703


def test_an_event_that_stands_twice_is_told_once_and_from_where_it_stood_first(
    forge: Forge,
) -> None:
    forge.commit(created())
    first = forge.commit(block("spawned", 1))
    forge.commit(comment("between", 2))
    forge.commit(block("spawned", 1), comment("new", 3))
    log = SessionLog.open(forge.path)
    (step,) = log.history(f"{SESSION}0")
    assert step.commit == log.session(f"{SESSION}0").commit == first
    assert [c.body for c in log.task(ISSUES[0].hex()).comments][1:] == ["between", "new"]
    assert check(forge.path).findings == []
    forge.commit(block("spawned", 1))  # once more, for a log that has read the first already
    assert log.session(f"{SESSION}0").commit == first


# -- merges


def test_a_merge_that_carries_the_other_side_is_sound(forge: Forge) -> None:
    base = forge.commit(created())
    side = forge.commit(comment("side"))
    main = forge.commit(comment("main", 11), parents=[base])
    forge.commit(comment("side"), parents=[main, side])
    report = check(forge.path)
    assert report.findings == []
    assert (report.commits, report.events) == (4, 3)


def test_a_merge_of_unrelated_logs_is_sound_when_it_carries_all(forge: Forge) -> None:
    one = forge.commit(created(0))
    other = forge.commit(created(1), parents=[])
    forge.commit(created(1), parents=[one, other])
    assert check(forge.path).findings == []
    assert check(forge.path).commits == 3


def test_criss_cross_merges_need_carry_nothing_twice(forge: Forge) -> None:
    """What came by an earlier merge is there, though by commits it seems to be lacking."""
    base = forge.commit(created())
    a = forge.commit(comment("a", 1))
    b = forge.commit(comment("b", 2), parents=[base])
    ab = forge.commit(comment("b", 2), parents=[a, b])
    ba = forge.commit(comment("a", 1), parents=[b, a])
    forge.commit(parents=[ab, ba])
    assert check(forge.path).findings == []


def test_a_merge_is_judged_where_it_stands_not_by_what_came_later(forge: Forge) -> None:
    base = forge.commit(created())
    side = forge.commit(comment("side"))
    main = forge.commit(comment("main", 11), parents=[base])
    bad = forge.commit(parents=[main, side])
    forge.commit(comment("side"))
    (finding,) = check(forge.path).findings
    assert (finding.code, finding.commit) == ("merge", bad)


def test_damage_on_the_second_side_of_a_merge_is_found(forge: Forge) -> None:
    base = forge.commit(created())
    side = forge.commit(chunk=b"no chunk")
    main = forge.commit(comment("main"), parents=[base])
    forge.commit(parents=[main, side])
    (finding,) = check(forge.path).findings
    assert (finding.code, finding.commit) == ("chunk", side)


# -- when the head itself cannot be read


def test_a_missing_head_is_an_error_that_names_it(forge: Forge) -> None:
    forge.commit(created())
    forge.commit(comment("x"))
    head = forge.lose(WAL)
    log = SessionLog.open(forge.path)
    for read in (log.sessions, log.tasks, lambda: check_log(log)):
        with pytest.raises(DamagedLogError, match=head) as caught:
            read()
        assert caught.value.exit_code == 1


def test_a_head_that_is_no_commit_is_an_error(forge: Forge) -> None:
    blob = git(forge.path, "hash-object", "-w", "--stdin", stdin="hello")
    wal = forge.path / WAL
    wal.parent.mkdir(parents=True)
    wal.write_text(f"{blob}\n")
    with pytest.raises(DamagedLogError):
        SessionLog.open(forge.path).sessions()


@pytest.mark.parametrize("content", ["no id at all\n", "", "ref: refs/heads/main\n"])
def test_a_ref_that_holds_no_commit_id_is_an_error(forge: Forge, content: str) -> None:
    wal = forge.path / WAL
    wal.parent.mkdir(parents=True)
    wal.write_text(content)
    with pytest.raises(DamagedLogError, match=WAL):
        SessionLog.open(forge.path).sessions()


def test_a_reader_recovers_when_a_broken_head_is_taken_back(forge: Forge) -> None:
    good = forge.commit(created())
    log = SessionLog.open(forge.path)
    assert len(log.tasks()) == 1
    forge.commit(created(1), parents=[])
    forge.lose(WAL)
    with pytest.raises(DamagedLogError):
        log.tasks()
    git(forge.path, "update-ref", WAL, good)
    assert len(log.tasks()) == 1


def test_of_a_shallow_clone_the_part_that_is_there_is_read(forge: Forge, tmp_path: Path) -> None:
    for number in range(4):
        forge.commit(created(number))
    shallow = tmp_path / "shallow.git"
    git(tmp_path, "init", "--quiet", "--bare", str(shallow))
    git(shallow, "fetch", "--quiet", "--depth=2", f"file://{forge.path}", f"+{WAL}:{WAL}")
    log = SessionLog.open(shallow)
    assert [task.title for task in log.tasks()] == ["Issue 2", "Issue 3"]
    assert log.problems
    assert codes_of(shallow) == ["missing_commit"]


def test_of_a_partial_clone_what_is_missing_is_named(forge: Forge, tmp_path: Path) -> None:
    for number in range(3):
        forge.commit(created(number))
    git(forge.path, "config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial.git"
    origin = f"file://{forge.path}"
    git(tmp_path, "clone", "--quiet", "--bare", "--filter=blob:none", origin, str(partial))
    git(partial, "fetch", "--quiet", "--filter=blob:none", "origin", f"+{WAL}:{WAL}")
    forge.path.rename(tmp_path / "away.git")
    log = SessionLog.open(partial)
    assert log.tasks() == []
    assert {problem.code for problem in log.problems} == {"missing_object"}
    assert set(codes_of(partial)) == {"missing_object"}


def test_progress_is_told_commit_by_commit(forge: Forge) -> None:
    for number in range(3):
        forge.commit(created(number))
    told: list[int] = []
    check_log(SessionLog.open(forge.path), told.append)
    assert told == sorted(told)
    assert len(told) == 3
