"""Who writes: actors are resolved and made as grite resolves and makes them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from git_session.errors import (
    ConfigError,
    ConflictError,
    NotFoundError,
    ReadOnlyError,
    UsageError,
)
from git_session.log.actors.actors import (
    Actor,
    create_actor,
    ensure_actor,
    read_actor,
    read_actors,
    read_public_keys,
    read_signing_seed,
    resolve_actor,
    use_actor,
)
from git_session.log.actors.config import config_path, read_config
from git_session.log.actors.signing import public_key_of
from tests.conftest import Grite

NOW = 1_795_000_000_000
ONE, TWO, THREE = "1" * 32, "2" * 32, "3" * 32


def make(common_dir: Path, actor_id: str, *, default: bool = False, **more: Any) -> Actor:
    """Creates an actor at NOW."""
    return create_actor(common_dir, now=NOW, actor_id=actor_id, make_default=default, **more)


def write_actor(directory: Path, content: str | bytes) -> Path:
    """Puts a config.toml into an actor's directory."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "config.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def actors_dir(common_dir: Path) -> Path:
    return common_dir / "grite" / "actors"


def resolve(
    common_dir: Path, actor_id: str | None = None, data_dir: Path | None = None, **env: str
) -> str | None:
    """Gives the id of the actor who would write."""
    found = resolve_actor(common_dir, actor_id=actor_id, environ=env, data_dir=data_dir)
    return found.actor_id if found else None


def test_the_order_is_data_dir_home_id_default_first(tmp_path: Path) -> None:
    for actor_id in (TWO, ONE, THREE):
        make(tmp_path, actor_id, default=actor_id == TWO)
    elsewhere = write_actor(tmp_path / "elsewhere", f'actor_id = "{"e" * 32}"')
    home = write_actor(tmp_path / "home", f'actor_id = "{"a" * 32}"')
    assert resolve(tmp_path, ONE, elsewhere, GRITE_HOME=str(home)) == "e" * 32
    assert resolve(tmp_path, ONE, GRITE_HOME=str(home)) == "a" * 32
    assert resolve(tmp_path, THREE) == THREE
    assert resolve(tmp_path) == TWO
    config_path(tmp_path).unlink()
    assert resolve(tmp_path) == ONE


def test_a_fresh_repository_has_no_actor_and_asking_makes_none(tmp_path: Path) -> None:
    assert resolve(tmp_path) is None
    assert read_actors(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_default_that_is_gone_or_no_id_gives_way_to_the_first(tmp_path: Path) -> None:
    make(tmp_path, TWO)
    for default in (ONE, "../../outside", ""):
        config_path(tmp_path).write_text(f'default_actor = "{default}"')
        assert resolve(tmp_path) == TWO


def test_an_id_from_a_config_or_an_argument_never_leaves_the_actors_directory(
    tmp_path: Path,
) -> None:
    write_actor(tmp_path / "grite" / "outside", f'actor_id = "{ONE}"')
    actors_dir(tmp_path).mkdir()
    config_path(tmp_path).write_text('default_actor = "../outside"')
    assert resolve(tmp_path) is None
    for bad in ("../outside", "/", "", ".", ONE[1:], ONE + "1", "A" * 32, ONE + "\n"):
        with pytest.raises(UsageError):
            resolve(tmp_path, bad)
        with pytest.raises(UsageError):
            make(tmp_path, bad)
        with pytest.raises(UsageError):
            use_actor(tmp_path, bad)


def test_an_actor_asked_for_by_name_must_be_there(tmp_path: Path) -> None:
    make(tmp_path, ONE)
    with pytest.raises(NotFoundError):
        resolve(tmp_path, TWO)
    with pytest.raises(NotFoundError):
        resolve(tmp_path, GRITE_HOME=str(tmp_path / "nowhere"))
    with pytest.raises(NotFoundError):
        use_actor(tmp_path, TWO)


BROKEN = {
    "no TOML": "actor_id",
    "binary": b"\xff\x00",
    "huge": b"#" * 100_000,
    "no id": "label = 'x'",
    "id of a wrong type": "actor_id = 1",
    "id that is a path": "actor_id = '../../../etc'",
    "negative time": f"actor_id = '{TWO}'\ncreated_ts = -1",
    "label of a wrong type": f"actor_id = '{TWO}'\nlabel = 4",
    "key of a wrong type": f"actor_id = '{TWO}'\npublic_key = []",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_actor_hides_no_other_and_fails_only_when_it_is_needed(
    tmp_path: Path, content: str | bytes
) -> None:
    make(tmp_path, THREE)
    broken = write_actor(actors_dir(tmp_path) / TWO, content)
    assert [actor.actor_id for actor in read_actors(tmp_path)] == [THREE]
    assert resolve(tmp_path) == THREE
    with pytest.raises(ConfigError, match=str(broken)):
        resolve(tmp_path, TWO)
    config_path(tmp_path).write_text(f'default_actor = "{TWO}"')
    with pytest.raises(ConfigError, match=str(broken)):
        resolve(tmp_path)


def test_what_is_no_directory_of_an_actor_is_passed_over(tmp_path: Path) -> None:
    make(tmp_path, TWO)
    (actors_dir(tmp_path) / ONE).mkdir()
    (actors_dir(tmp_path) / "file").touch()
    (actors_dir(tmp_path) / "link").symlink_to(write_actor(tmp_path / "x", f"actor_id = '{ONE}'"))
    assert [actor.actor_id for actor in read_actors(tmp_path)] == [TWO]


def test_an_actor_is_stored_with_all_its_fields(tmp_path: Path) -> None:
    made = make(tmp_path, ONE, label='a "b" \\ \n\x7f é', with_key=True)
    assert made == read_actor(actors_dir(tmp_path) / ONE)
    assert (made.label, made.created_ts, made.key_scheme) == ('a "b" \\ \n\x7f é', NOW, "ed25519")
    seed = read_signing_seed(made, tmp_path)
    assert seed is not None
    assert read_public_keys(tmp_path) == {bytes.fromhex(ONE): public_key_of(seed)}
    assert made.public_key == public_key_of(seed).hex()


def test_an_actor_without_a_key_signs_nothing(tmp_path: Path) -> None:
    assert read_signing_seed(make(tmp_path, ONE), tmp_path) is None
    assert read_public_keys(tmp_path) == {}


def test_the_key_under_the_repository_comes_before_the_one_in_grite_home(tmp_path: Path) -> None:
    write_actor(tmp_path / "home", f'actor_id = "{ONE}"')
    (tmp_path / "home" / "signing_key").write_text("11" * 32)
    (tmp_path / "home" / "signing_key").chmod(0o600)
    abroad = read_actor(tmp_path / "home")
    assert read_signing_seed(abroad, tmp_path) == b"\x11" * 32
    made = make(tmp_path, ONE, with_key=True)
    assert read_signing_seed(abroad, tmp_path) == read_signing_seed(made, tmp_path)


def test_an_id_that_is_taken_is_a_conflict_and_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path, ONE, label="first")
    with pytest.raises(ConflictError):
        make(tmp_path, ONE, label="second", default=True)
    assert read_actor(actors_dir(tmp_path) / ONE).label == "first"
    assert read_config(tmp_path).default_actor is None


@pytest.mark.parametrize("label", ["x" * 5000, "\udcff"])
def test_a_label_that_cannot_be_stored_is_refused_before_anything_is_written(
    tmp_path: Path, label: str
) -> None:
    with pytest.raises(UsageError):
        make(tmp_path, ONE, label=label, default=True)
    assert not (actors_dir(tmp_path) / ONE).exists()
    assert not config_path(tmp_path).exists()


def test_a_new_default_keeps_every_other_setting(tmp_path: Path) -> None:
    settings = '# ours\nlock_policy = "require"\nfuture = nan\n[snapshot]\nmax_events = 5\n'
    config_path(tmp_path).parent.mkdir()
    config_path(tmp_path).write_text(settings)
    make(tmp_path, ONE, default=True)
    make(tmp_path, TWO)
    assert read_config(tmp_path).default_actor == ONE
    use_actor(tmp_path, TWO)
    assert config_path(tmp_path).read_text() == f'default_actor = "{TWO}"\n{settings}'


def test_a_place_that_refuses_writing_is_named(tmp_path: Path) -> None:
    (tmp_path / "grite").write_text("a file where the directory goes")
    with pytest.raises(ReadOnlyError, match="grite"):
        make(tmp_path, ONE)


def test_ensuring_makes_an_actor_once_and_only_where_there_is_none(tmp_path: Path) -> None:
    def ensure(new: str, **env: str) -> str:
        found = ensure_actor(tmp_path, now=NOW, new_actor_id=new, actor_id=None, environ=env)
        return found.actor_id

    assert ensure(TWO) == TWO
    assert read_config(tmp_path).default_actor == TWO
    assert ensure(ONE) == TWO
    assert [actor.actor_id for actor in read_actors(tmp_path)] == [TWO]


def test_an_actor_made_here_writes_and_signs_in_grite(repo: Path, grite: Grite) -> None:
    make(repo / ".git", ONE, default=True, with_key=True, label='it\'s "ours"')
    created = grite.json(repo, "issue", "create", "--title", "t", "--body", "b")
    shown = grite.json(repo, "issue", "show", created["issue_id"])
    assert [event["actor"] for event in shown["events"]] == [ONE]
    assert grite.json(repo, "actor", "show", ONE)["actor"]["label"] == 'it\'s "ours"'
    assert grite.json(repo, "actor", "current")["source"] == "repo_default"
    verified = grite.json(repo, "db", "verify")
    assert (verified["events_checked"], verified["signatures_valid"]) == (1, 1)


@pytest.mark.parametrize("label", [None, "work laptop", "it's é", "a\tb\x01", ""])
def test_an_actors_file_is_grites_own_byte_for_byte(
    repo: Path, grite: Grite, tmp_path: Path, label: str | None
) -> None:
    options = [] if label is None else ["--label", label]
    made = grite.json(repo, "actor", "init", *options)
    theirs = Path(made["data_dir"], "config.toml").read_bytes()
    ours = create_actor(
        tmp_path / "other",
        now=tomllib.loads(theirs.decode())["created_ts"],
        actor_id=made["actor_id"],
        label=label,
        make_default=False,
    )
    assert (ours.directory / "config.toml").read_bytes() == theirs


def test_grite_and_we_resolve_the_same_actor(repo: Path, grite: Grite, tmp_path: Path) -> None:
    """Through every step of the order, and after the default's file or the settings are gone."""
    common_dir = repo / ".git"
    grite(repo, "init", "--no-agents-md")
    ids = sorted(grite.json(repo, "actor", "init")["actor_id"] for _ in range(3))
    home = write_actor(tmp_path / "home", f'actor_id = "{"e" * 32}"')

    def current(*options: str) -> str:
        return str(grite.json(repo, *options, "actor", "current")["actor_id"])

    assert resolve(common_dir) == current()
    assert resolve(common_dir, ids[1]) == current("--actor", ids[1]) == ids[1]
    assert resolve(common_dir, ids[1], home) == current("--actor", ids[1], "--data-dir", str(home))
    grite(repo, "actor", "use", ids[2])
    assert resolve(common_dir) == current() == ids[2]
    use_actor(common_dir, ids[0])
    assert resolve(common_dir) == current() == ids[0]
    (actors_dir(common_dir) / ids[0] / "config.toml").unlink()
    assert resolve(common_dir) == current()
    config_path(common_dir).unlink()
    assert resolve(common_dir) == current()
