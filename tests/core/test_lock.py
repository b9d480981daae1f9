"""Lease locks: what is read from `lock.json`, and what stands in whose way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.core.wire import names
from git_session.core.wire.lock import (
    GLOBAL_RESOURCE,
    Lock,
    conflicts,
    is_expired,
    issue_resource,
    parse_lock,
)
from git_session.errors import WireError
from tests.conftest import Grite, git

NOW = 1_795_000_000_000
ONE, TWO = "1" * 32, "2" * 32
FIELDS: dict[str, Any] = {
    "owner": ONE,
    "nonce": "3f0c1f0e-0000-4000-8000-000000000000",
    "expires_unix_ms": NOW + 1,
    "resource": "issue:abc",
}


def held(resource: str, owner: str = ONE, expires: int = NOW + 1) -> Lock:
    return Lock(owner, "n", expires, resource)


def stored_locks(repository: Path) -> dict[str, Lock]:
    """Reads each lock of a repository with plain git, by the name of its ref."""
    refs = git(repository, "for-each-ref", "--format=%(refname)", names.LOCK_PREFIX).split()
    return {ref: parse_lock(git(repository, "show", f"{ref}:lock.json").encode()) for ref in refs}


def test_a_lock_is_read_with_all_its_fields_and_unknown_keys_are_ignored() -> None:
    data = json.dumps({**FIELDS, "future": [1.5]}).encode()
    assert parse_lock(data) == Lock(**FIELDS)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        json.dumps(FIELDS).encode("utf-16"),
        b"[" * 100_000,
        b'{"owner": "a", ' + json.dumps(FIELDS).encode()[1:],
        json.dumps({**FIELDS, "x": float("nan")}).encode(),
        json.dumps({**FIELDS, "owner": "\ud800"}).encode(),
        json.dumps(FIELDS).replace(str(NOW + 1), "9" * 5000).encode(),
        json.dumps({**FIELDS, "expires_unix_ms": 2**64}).encode(),
        json.dumps({**FIELDS, "expires_unix_ms": -1}).encode(),
        json.dumps({**FIELDS, "expires_unix_ms": True}).encode(),
        json.dumps({**FIELDS, "expires_unix_ms": 1.0}).encode(),
        json.dumps({**FIELDS, "resource": None}).encode(),
        *(json.dumps({k: v for k, v in FIELDS.items() if k != gone}).encode() for gone in FIELDS),
    ],
)
def test_what_is_no_lock_is_malformed(data: bytes) -> None:
    with pytest.raises(WireError):
        parse_lock(data)


@given(st.binary())
def test_any_bytes_are_a_lock_or_malformed_and_never_another_error(data: bytes) -> None:
    with pytest.raises(WireError):
        parse_lock(data)


CONFLICTS = [
    ("repo:global", "repo:global", True),
    ("repo:global", "path:src", True),
    ("path:src", "repo:global", True),
    ("repo:other", "issue:abc", True),
    ("issue:abc", "issue:abc", True),
    ("issue:abc", "issue:abcd", False),
    ("issue:abc", "path:abc", False),
    ("path:src/", "path:src/main.rs", True),
    ("path:src/main.rs", "path:src", True),
    ("path:src//", "path:src", True),
    ("path:src", "path:src2", False),
    ("path:src/a", "path:src/b", False),
    ("path:", "path:src", False),
    ("path:", "path:/src", True),
    ("path", "path:/src", True),
    ("custom:a", "custom:a", False),
    ("", "issue:abc", False),
]


@pytest.mark.parametrize(("one", "other", "expected"), CONFLICTS)
def test_resources_conflict_both_ways_as_in_grite(one: str, other: str, expected: bool) -> None:
    assert conflicts(held(one), other, actor_id=TWO, now=NOW) is expected
    assert conflicts(held(other), one, actor_id=TWO, now=NOW) is expected


def test_ones_own_lock_never_conflicts() -> None:
    assert not conflicts(held(GLOBAL_RESOURCE), issue_resource("a"), actor_id=ONE, now=NOW)
    assert conflicts(held(GLOBAL_RESOURCE), issue_resource("a"), actor_id=TWO, now=NOW)


def test_a_lease_ends_at_its_own_millisecond() -> None:
    lock = held(GLOBAL_RESOURCE, expires=NOW)
    assert not is_expired(lock, NOW - 1)
    assert conflicts(lock, "issue:a", actor_id=TWO, now=NOW - 1)
    assert is_expired(lock, NOW)
    assert not conflicts(lock, "issue:a", actor_id=TWO, now=NOW)


def test_the_lock_in_grites_store_is_read(bundle: Callable[[str], Path]) -> None:
    locks = stored_locks(bundle("all-kinds"))
    assert len(locks) == 1
    for ref, lock in locks.items():
        assert ref == names.lock_ref(lock.resource)
        assert names.is_actor_id(lock.owner)
        assert not is_expired(lock, lock.expires_unix_ms - 1)


def test_a_lock_acquired_in_grite_is_read_as_grite_reports_it(repo: Path, grite: Grite) -> None:
    grite(repo, "init", "--no-agents-md")
    said = grite.json(repo, "lock", "acquire", "path:src/ä b", "--ttl", "600")
    expected = Lock(**{key: said[key] for key in FIELDS})
    assert stored_locks(repo) == {names.lock_ref("path:src/ä b"): expected}


def test_require_blocks_in_grite_exactly_what_conflicts_here(repo: Path, grite: Grite) -> None:
    grite(repo, "init", "--no-agents-md")
    mine = grite.json(repo, "actor", "current")["actor_id"]
    other = grite.json(repo, "actor", "init")["actor_id"]
    issues = [
        grite.json(repo, "issue", "create", "--title", "t", "--body", "b")["issue_id"]
        for _ in range(2)
    ]
    with (repo / ".git" / "grite" / "config.toml").open("a") as config:
        config.write('lock_policy = "require"\n')
    for resource in (issue_resource(issues[0]), "path:src", GLOBAL_RESOURCE):
        grite(repo, "--actor", other, "lock", "acquire", resource, "--ttl", "600")
        (lock,) = stored_locks(repo).values()
        for issue in issues:
            for actor in (mine, other):
                comment = ("--actor", actor, "issue", "comment", issue, "--body", "x")
                blocked = grite.run(repo, *comment).code == 4
                wanted = issue_resource(issue)
                assert blocked is conflicts(
                    lock, wanted, actor_id=actor, now=lock.expires_unix_ms - 1
                )
        grite(repo, "--actor", other, "lock", "release", resource)
