"""Repositories and refs are found without libgit2 as with it, or it is said to be asked."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from git_session.core.wire import names
from git_session.errors import GitSessionError
from git_session.git.place import UnclearError, find_place
from git_session.git.repository.objects import ObjectStore
from git_session.git.repository.ref_files import read_ref_file, read_ref_files
from tests.conftest import git, run

WAL: Final = names.WAL_REF
TRACKING: Final = names.TRACKING_PREFIX

Found = tuple[Path, Path, Path | None]


def by_libgit2(path: Path) -> Found | None:
    """Finds a repository by libgit2; None where it refuses."""
    try:
        store = ObjectStore.open(path)
    except GitSessionError:
        return None
    return store.git_dir, store.common_dir, store.worktree


def without_libgit2(path: Path) -> Found | None:
    """Finds a repository without libgit2; None where that has to be asked."""
    return find_place(path, os.environ)


def require_same(path: Path) -> Found:
    """Fails the test unless both find the same repository; gives it."""
    found = without_libgit2(path)
    assert found is not None
    assert found == by_libgit2(path)
    return found


def settings(repo: Path, text: str) -> None:
    """Appends to the settings of a repository."""
    with (repo / ".git" / "config").open("a") as file:
        file.write(text)


# -- common repositories are found


@pytest.mark.parametrize("inside", ["", "a", "größer 100% [x]/b c"])
def test_a_checkout_is_found_from_anywhere_in_it(repo: Path, inside: str) -> None:
    (repo / inside).mkdir(parents=True, exist_ok=True)
    assert require_same(repo / inside) == (repo / ".git", repo / ".git", repo)


def test_a_checkout_is_found_by_a_relative_path_and_through_links(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repo / "a").mkdir()
    (repo.parent / "link").symlink_to(repo / "a")
    monkeypatch.chdir(repo / "a")
    for path in (Path(), Path(".."), repo.parent / "link", repo / "code.txt"):
        assert require_same(path) == (repo / ".git", repo / ".git", repo)


def test_a_linked_worktree_is_found(repo: Path, worktree: Path) -> None:
    (worktree / "a").mkdir()
    for path in (worktree, worktree / "a", worktree / ".git"):
        own = repo / ".git" / "worktrees" / "worktree"
        assert require_same(path) == (own, repo / ".git", worktree)


def test_a_bare_repository_and_its_linked_worktrees_are_found(bare: Path) -> None:
    tree = git(bare, "hash-object", "-t", "tree", "-w", os.devnull)
    commit = git(bare, "commit-tree", "-m", "x", tree)
    git(bare, "update-ref", "refs/heads/main", commit)
    linked = bare.parent / "linked"
    git(bare, "worktree", "add", "--quiet", str(linked), "main")
    assert require_same(bare) == require_same(bare / "refs" / "heads") == (bare, bare, None)
    assert require_same(linked) == (bare / "worktrees" / "linked", bare, linked)


def test_a_git_directory_elsewhere_is_found(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--separate-git-dir", "elsewhere", "checkout")
    elsewhere, checkout = tmp_path / "elsewhere", tmp_path / "checkout"
    assert require_same(checkout) == (elsewhere, elsewhere, checkout)


def test_a_checkout_is_found_from_inside_its_git_directory(repo: Path) -> None:
    for path in (repo / ".git", repo / ".git" / "refs" / "heads"):
        assert require_same(path) == (repo / ".git", repo / ".git", repo)


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n; another\n\n",
        '[remote "origin"]\n\turl = "/a b" # where\n\tfetch = +refs/*:refs/x/*\n',
        '[core "other"]\n\tbare = true\n\tworktree = /\n',
        '[alias]\n\tx = "!echo \\"#\\"; true" ; says it\n',
        "[core]\n\tbare = no\n\tignoreCase\n\thooksPath = /a b/c\n",
        "[CORE] BARE = off\n",
        "[core]\r\n\tfileMode = true\r\n",
        "[extensions]\n\tpreciousObjects = true\n\tnoop = 1\n[core]\nrepositoryFormatVersion = 1\n",
        "[extensions]\n\tpartialClone = origin\n[core]\nrepositoryFormatVersion = 1\n",
        "[extensions]\n\tobjectFormat = sha1\n[core]\nrepositoryFormatVersion = 1\n",
        "[extensions]\n\tworktreeConfig = true\n[core]\nrepositoryFormatVersion = 1\n",
    ],
)
def test_harmless_settings_are_understood(repo: Path, worktree: Path, text: str) -> None:
    settings(repo, text)
    require_same(repo)
    require_same(worktree)


def test_settings_of_one_worktree_are_heeded(repo: Path, worktree: Path) -> None:
    git(repo, "config", "extensions.worktreeConfig", "true")
    git(repo, "config", "--worktree", "core.sparseCheckout", "true")
    require_same(repo)
    require_same(worktree)
    git(repo, "config", "--worktree", "core.worktree", str(repo.parent))
    assert without_libgit2(repo) is None
    require_same(worktree)


# -- whatever is uncommon is left to libgit2


@pytest.mark.parametrize(
    "text",
    [
        "[core]\n\tworktree = ../..\n",
        "[core]\n\tworktree\n",
        "[core]\n\trepositoryFormatVersion = 2\n",
        "[core]\n\tbare = perhaps\n",
        '[core]\n\tbare = "true"\n',
        "[extensions]\n\tobjectFormat = sha256\n",
        "[extensions]\n\trefStorage = reftable\n[core]\nrepositoryFormatVersion = 1\n",
        "[extensions]\n\trelativeWorktrees = true\n",
        "[include]\n\tpath = other\n",
        '[includeIf "gitdir:/"]\n\tpath = other\n',
        "[alias]\n\tx = a \\\n[core]\n\tbare = true\n",
        '[alias]\n\tx = "unfinished\n',
        "[alias]\n\tx = \\q\n",
        "[core\n",
        "= 3\n",
    ],
)
def test_uncommon_settings_are_left_to_libgit2(repo: Path, text: str) -> None:
    require_same(repo)
    settings(repo, text)
    assert without_libgit2(repo) is None


@pytest.mark.parametrize(
    "name",
    [
        *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_CEILING_DIRECTORIES"),
        *("GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"),
    ],
)
def test_variables_that_lead_elsewhere_are_left_to_libgit2(repo: Path, name: str) -> None:
    assert find_place(repo, {}) is not None
    assert find_place(repo, {name: ""}) is None


def test_a_submodule_is_left_to_libgit2(repo: Path) -> None:
    other = repo.parent / "other"
    git(repo.parent, "clone", "--quiet", str(repo), str(other))
    allow = ("-c", "protocol.file.allow=always")
    git(repo, *allow, "submodule", "--quiet", "add", str(other), "sub")
    assert without_libgit2(repo / "sub") is None
    assert by_libgit2(repo / "sub") is not None
    require_same(repo)


def _remove_head(repo: Path) -> None:
    (repo / ".git" / "HEAD").unlink()


def _remove_objects(repo: Path) -> None:
    shutil.rmtree(repo / ".git" / "objects")


def _remove_config(repo: Path) -> None:
    (repo / ".git" / "config").unlink()


def _link_git_dir(repo: Path) -> None:
    (repo / ".git").rename(repo.parent / "moved.git")
    (repo / ".git").symlink_to(repo.parent / "moved.git")


def _write_nonsense_link(repo: Path) -> None:
    shutil.rmtree(repo / ".git")
    (repo / ".git").write_text("nonsense\n")


def _write_dangling_link(repo: Path) -> None:
    shutil.rmtree(repo / ".git")
    (repo / ".git").write_text("gitdir: ../gone\n")


def _make_pipe(repo: Path) -> None:
    shutil.rmtree(repo / ".git")
    os.mkfifo(repo / ".git")


def _call_it_bare_elsewhere(repo: Path) -> None:
    (repo / ".git").rename(repo.parent / "moved.git")
    (repo / ".git").write_text(f"gitdir: {repo.parent / 'moved.git'}\n")
    git(repo.parent / "moved.git", "config", "core.bare", "true")


def _remove(repo: Path) -> None:
    shutil.rmtree(repo / ".git")


@pytest.mark.parametrize(
    "spoil",
    [
        *(_remove_head, _remove_objects, _remove_config, _link_git_dir, _write_nonsense_link),
        *(_write_dangling_link, _make_pipe, _call_it_bare_elsewhere, _remove),
    ],
)
def test_an_uncommon_git_directory_is_left_to_libgit2(
    repo: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(repo)
    assert without_libgit2(repo) is None


def test_a_worktree_that_was_moved_or_met_from_inside_is_left_to_libgit2(
    repo: Path, worktree: Path
) -> None:
    own = repo / ".git" / "worktrees" / "worktree"
    assert without_libgit2(own) is None
    worktree.rename(repo.parent / "moved")
    assert without_libgit2(repo.parent / "moved") is None


def test_a_path_that_is_not_there_is_left_to_libgit2(repo: Path) -> None:
    assert without_libgit2(repo / "missing") is None


def test_a_repository_of_another_user_is_left_to_libgit2(repo: Path, worktree: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving a repository away needs root")
    for part in (repo / ".git", repo, worktree, worktree / ".git"):
        os.chown(part, 65534, 65534)
        seen = [(without_libgit2(path), by_libgit2(path)) for path in (repo, worktree)]
        os.chown(part, 0, 0)
        # Whichever libgit2 refuses is not answered here.
        assert (None, None) in seen
        assert all(quick is None or quick == slow for quick, slow in seen)


def test_both_agree_wherever_one_of_them_stands(repo: Path, worktree: Path, bare: Path) -> None:
    """In a wood of repositories within repositories, no path is answered in two ways."""
    git(repo, "init", "--quiet", "inner")
    git(repo, "init", "--quiet", "--bare", "inner/hub.git")
    git(repo, "init", "--quiet", "--separate-git-dir", str(repo / "inner" / "far"), "apart")
    git(repo, "worktree", "add", "--quiet", "--detach", "trees/one")
    (repo / "empty" / ".git").mkdir(parents=True)
    shutil.copytree(repo / ".git", repo / "copied.git")
    folders = [Path(folder) for top in (repo, worktree, bare) for folder, *_ in os.walk(top)]
    answered = 0
    for folder in folders:
        found = without_libgit2(folder)
        if found is not None:
            answered += 1
            assert found == by_libgit2(folder), folder
    assert answered > len(folders) / 2


# -- refs


@pytest.fixture
def commits(repo: Path) -> Iterator[list[str]]:
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    yield [git(repo, "commit-tree", "-m", str(number), tree) for number in range(4)]
    git(repo, "fsck", "--strict")


def test_a_ref_is_read_loose_packed_and_updated_since(repo: Path, commits: list[str]) -> None:
    place = repo / ".git"
    assert read_ref_file(place, WAL) is None
    git(repo, "update-ref", WAL, commits[0])
    assert read_ref_file(place, WAL) == commits[0]
    git(repo, "pack-refs", "--all")
    assert not (place / WAL).exists()
    assert read_ref_file(place, WAL) == commits[0]
    git(repo, "update-ref", WAL, commits[1])
    assert read_ref_file(place, WAL) == commits[1]
    git(repo, "update-ref", "-d", WAL)
    assert read_ref_file(place, WAL) is None


def test_packed_refs_of_similar_names_are_told_apart(repo: Path, commits: list[str]) -> None:
    others = [
        "refs/grite/wal2",
        "refs/grite/wal-a",
        "refs/x/refs/grite/wal",
        "refs/heads/refs/grite",
    ]
    for name in others:
        git(repo, "update-ref", name, commits[1])
    git(repo, "tag", "-a", "-m", "x", "annotated", commits[2])
    git(repo, "pack-refs", "--all")
    assert read_ref_file(repo / ".git", WAL) is None
    git(repo, "update-ref", WAL, commits[0])
    git(repo, "pack-refs", "--all")
    assert read_ref_file(repo / ".git", WAL) == commits[0]
    assert [read_ref_file(repo / ".git", name) for name in others] == [commits[1]] * 4


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"ref: refs/heads/main\n", b"0123\n", b"g" * 40 + b"\n", b"a" * 64 + b"\n"),
        *(b"A" * 40 + b"\n", b"a" * 40 + b"x", b"a" * 40 + b"\n" + b"b" * 2000),
    ],
)
def test_a_ref_that_holds_no_commit_id_is_unclear(repo: Path, content: bytes) -> None:
    (repo / ".git" / WAL).parent.mkdir(parents=True)
    (repo / ".git" / WAL).write_bytes(content)
    with pytest.raises(UnclearError):
        read_ref_file(repo / ".git", WAL)


@pytest.mark.parametrize("line", ["{id}  {ref}", "x{id} {ref}", "{id} {ref}\r", "# {ref}"])
def test_a_damaged_line_of_packed_refs_is_unclear(repo: Path, line: str) -> None:
    text = line.format(id="a" * 40, ref=WAL)
    (repo / ".git" / "packed-refs").write_text(f"# pack-refs with: peeled\n{text}\n", newline="")
    with pytest.raises(UnclearError):
        read_ref_file(repo / ".git", WAL)


def test_packed_refs_that_are_cut_short_are_unclear(repo: Path) -> None:
    (repo / ".git" / "packed-refs").write_text(f"{'a' * 40} {WAL}")
    with pytest.raises(UnclearError):
        read_ref_file(repo / ".git", WAL)


@pytest.mark.parametrize(
    "damage",
    [
        f"{'a' * 40} refs/grite/wa\0l\n",
        f"{'a' * 39} refs/grite/wa\n",
        f"{'a' * 40} refs/heads/main\n^{'b' * 39}\n",
        f"# pack-re\n{'a' * 40} refs/heads/main\n",
        f"{'a' * 40}refs/heads/main\n",
    ],
)
def test_where_a_line_of_packed_refs_is_damaged_nothing_is_said_to_be_missing(
    repo: Path, damage: str
) -> None:
    """The damaged line may have been the one that is looked for."""
    (repo / ".git" / "packed-refs").write_text(damage)
    with pytest.raises(UnclearError):
        read_ref_file(repo / ".git", WAL)


def test_a_link_to_where_no_file_can_be_is_none(repo: Path) -> None:
    shutil.rmtree(repo / ".git")
    (repo / ".git").write_bytes(b"gitdir: /\0\n")
    assert without_libgit2(repo) is None
    assert by_libgit2(repo) is None


def test_settings_with_a_zero_byte_are_unclear(repo: Path) -> None:
    """libgit2 and git read on behind it in ways of their own."""
    settings(repo, "[core]\n\tbare = true\0\n")
    assert without_libgit2(repo) is None


def test_a_link_a_folder_and_a_pipe_in_place_of_a_ref_are_unclear(repo: Path) -> None:
    ref = repo / ".git" / WAL
    ref.parent.mkdir(parents=True)
    for make, unmake in ((Path.mkdir, Path.rmdir), (os.mkfifo, Path.unlink)):
        make(ref)
        with pytest.raises(UnclearError):
            read_ref_file(repo / ".git", WAL)
        unmake(ref)
    ref.symlink_to("../heads/main")
    with pytest.raises(UnclearError):
        read_ref_file(repo / ".git", WAL)


def test_refs_in_a_reftable_or_of_one_worktree_are_unclear(repo: Path) -> None:
    for name in ("HEAD", "refs/bisect/bad", "refs/worktree/x"):
        with pytest.raises(UnclearError):
            read_ref_file(repo / ".git", name)
    (repo / ".git" / "reftable").mkdir()
    with pytest.raises(UnclearError):
        read_ref_file(repo / ".git", WAL)


def test_refs_below_a_prefix_are_read_as_libgit2_reads_them(repo: Path, commits: list[str]) -> None:
    place = repo / ".git"
    assert read_ref_files(place, TRACKING) == {}
    git(repo, "update-ref", f"{TRACKING}origin/grite/wal", commits[0])
    git(repo, "update-ref", f"{TRACKING}größer/a.b/grite/wal", commits[1])
    git(repo, "update-ref", "refs/git-session/remote", commits[3])
    git(repo, "pack-refs", "--all")
    git(repo, "update-ref", f"{TRACKING}origin/grite/wal", commits[2])
    git(repo, "update-ref", f"{TRACKING}origin/grite/snapshots/17", commits[3])
    (place / f"{TRACKING}origin/grite/wal.lock").touch()
    refs = read_ref_files(place, TRACKING)
    assert refs == ObjectStore.open(repo).list_refs(TRACKING)
    assert sorted(refs.values()) == sorted(commits[1:])
    # One that holds something else hides what it was when it was packed, and no other one.
    odd, wal = (place / f"{TRACKING}origin/grite/{name}" for name in ("odd", "wal"))
    odd.write_text("odd\n")
    wal.unlink()
    wal.symlink_to("/nowhere/at/all")
    del refs[f"{TRACKING}origin/grite/wal"]
    assert read_ref_files(place, TRACKING) == refs
    odd.unlink()
    wal.unlink()


def test_a_ref_is_never_missed_while_others_move_and_pack_it(
    repo: Path, commits: list[str]
) -> None:
    """Each value read is one that was written, and no later one was read before it."""
    git(repo, "update-ref", WAL, commits[0])
    git(repo, "update-ref", f"{TRACKING}a/grite/wal", commits[3])
    rounds = 40
    written = [commits[number % 3] for number in range(rounds)]
    is_done = threading.Event()

    def move() -> None:
        try:
            for number, commit in enumerate(written):
                git(repo, "update-ref", WAL, commit)
                if number % 2:
                    git(repo, "pack-refs", "--all")
        finally:
            is_done.set()

    mover = threading.Thread(target=move)
    mover.start()
    seen = []
    while not is_done.is_set():
        seen.append(read_ref_file(repo / ".git", WAL))
        assert read_ref_files(repo / ".git", TRACKING) == {f"{TRACKING}a/grite/wal": commits[3]}
    mover.join()
    changes = [value for before, value in zip([None, *seen], seen, strict=False) if value != before]
    # Read in order, the values seen are a part of the values written.
    rest: Iterator[str | None] = iter([commits[0], *written])
    assert all(value in rest for value in changes)
    assert len(changes) > 2


def test_nothing_of_libgit2_is_loaded(repo: Path) -> None:
    script = (
        "import os, sys, pathlib\n"
        "from git_session.git.place import find_place\n"
        "assert find_place(pathlib.Path('.'), os.environ)\n"
        "print([name for name in ('pygit2', 'subprocess', 'dataclasses') if name in sys.modules])"
    )
    assert run(repo, sys.executable, "-c", script).stdout == "[]\n"
