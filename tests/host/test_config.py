"""grite's config.toml: what is read from it, and how one key is changed in it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_session.errors import ConfigError, ContendedError, UsageError
from git_session.host.files import config_file
from git_session.host.files.config_file import (
    MAX_BYTES,
    config_lock,
    format_text,
    format_with_text,
    parse_table,
    read_small_file,
    replace_file,
)
from git_session.log.actors.config import (
    GriteConfig,
    config_path,
    read_config,
    write_default_actor,
)
from tests.conftest import Grite

ONE = "11111111111111111111111111111111"
TWO = "22222222222222222222222222222222"


def write_config(common_dir: Path, content: str | bytes) -> Path:
    """Puts `content` where grite keeps its settings."""
    path = config_path(common_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def edit(content: str) -> str:
    """Gives `content` with `default_actor` set to TWO."""
    return format_with_text(parse_table(content.encode(), Path("c.toml")), "default_actor", TWO)


def test_a_missing_file_means_grites_defaults(tmp_path: Path) -> None:
    assert read_config(tmp_path) == GriteConfig(None, "warn", "off", 10_000, 7, ())


def test_every_setting_is_read(tmp_path: Path) -> None:
    write_config(
        tmp_path,
        f'default_actor = "{ONE}"\nlock_policy = "REQUIRE"\nverify_signatures = "warn"\n'
        "future = 1.5\n[snapshot]\nmax_events = 0\nmax_age_days = 4294967295\n[other]\nx = 1\n",
    )
    assert read_config(tmp_path) == GriteConfig(ONE, "require", "warn", 0, 2**32 - 1, ())


def test_the_documented_word_reject_means_require(tmp_path: Path) -> None:
    write_config(tmp_path, 'verify_signatures = "Reject"')
    assert read_config(tmp_path).verify_signatures == "require"


def test_a_word_grite_passes_over_counts_as_the_default_and_is_named(tmp_path: Path) -> None:
    write_config(
        tmp_path, 'default_actor = "../../x"\nlock_policy = "reject"\nverify_signatures = "on"\n'
    )
    config = read_config(tmp_path)
    assert (config.default_actor, config.lock_policy, config.verify_signatures) == (
        None,
        "warn",
        "off",
    )
    assert [text.partition(": ")[2].split()[0] for text in config.ignored] == [
        "default_actor",
        "lock_policy",
        "verify_signatures",
    ]
    assert "line 2" in config.ignored[1]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("\ndefault_actor = 3\n", 2),
        ("default_actor = 1.5\n", 1),
        ("x = 1\nlock_policy = true\n", 2),
        ("verify_signatures = []\n", 1),
        ("snapshot = 4\n", 1),
        ("[[snapshot]]\nmax_events = 4\n", None),
        ("[snapshot]\n\nmax_events = -1\n", 3),
        ("[snapshot]\nmax_events = 4294967296\n", 2),
        ("[snapshot]\nmax_age_days = true\n", 2),
        ("[other]\nmax_events = 1\n[snapshot]\nmax_events = '5'\n", 4),
        ("\nsnapshot.max_events = 'x'\n", 2),
        ("\nsnapshot = { max_events = 'x' }\n", 2),
        ("a = 1\nbroken\n", 2),
        ("a = 1\na = 2\n", 2),
        ("default_actor =", 1),
        ("a = '''\n\n", 3),
        (b"a = 1\nb = '\xff'\n", 2),
        (b"\x00\x01\x02", 1),
        ("a = " + "[" * 20_000, None),
        ("a = " + "9" * 10_000, None),
    ],
)
def test_a_file_that_grite_refuses_is_refused_with_file_and_line(
    tmp_path: Path, content: str | bytes, line: int | None
) -> None:
    path = write_config(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    if line is not None:
        assert f", line {line}:" in caught.value.message


def test_a_fifo_a_directory_and_a_huge_file_are_refused_and_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "huge").write_bytes(b"#" * (MAX_BYTES + 1))
    (tmp_path / "loop").symlink_to("loop")
    for name in ("fifo", "folder", "huge", "loop"):
        with pytest.raises(ConfigError):
            read_small_file(tmp_path / name)
    (tmp_path / "full").write_bytes(b"#" * MAX_BYTES)
    assert read_small_file(tmp_path / "full") is not None


def test_a_dangling_symlink_and_a_file_as_parent_count_as_missing(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "file").touch()
    assert read_small_file(tmp_path / "dangling") is None
    assert read_small_file(tmp_path / "file" / "config.toml") is None


EDITS = {
    "empty": ("", f'default_actor = "{TWO}"\n'),
    "as grite writes it": (f'default_actor = "{ONE}"\n', f'default_actor = "{TWO}"\n'),
    "comment behind and above": (
        f"# mine\n  default_actor='{ONE}' # why\nx = nan\n",
        f'# mine\n  default_actor="{TWO}" # why\nx = nan\n',
    ),
    "quoted key": (f'"default_actor" = "{ONE}"\n', f'"default_actor" = "{TWO}"\n'),
    "escapes in the old value": (r'default_actor = "\"\\"', f'default_actor = "{TWO}"'),
    "before the first table": (
        '[snapshot]\ndefault_actor = "x"\n',
        f'default_actor = "{TWO}"\n[snapshot]\ndefault_actor = "x"\n',
    ),
    "not the one in a multi-line string": (
        f"note = '''\ndefault_actor = \"a\"\n'''\ndefault_actor = \"{ONE}\"\n",
        f"note = '''\ndefault_actor = \"a\"\n'''\ndefault_actor = \"{TWO}\"\n",
    ),
    "CRLF": (
        'lock_policy = "off"\r\n[s]\r\n',
        f'default_actor = "{TWO}"\r\nlock_policy = "off"\r\n[s]\r\n',
    ),
    "byte order mark": ("\ufeffx = 1\n", f'\ufeffdefault_actor = "{TWO}"\nx = 1\n'),
}


@pytest.mark.parametrize(("before", "after"), EDITS.values(), ids=EDITS.keys())
def test_one_key_changes_and_every_other_byte_stays(before: str, after: str) -> None:
    assert edit(before) == after


@pytest.mark.parametrize("value", ["3", "'''a\nb'''", '{ a = "b" }'])
def test_a_value_that_cannot_be_edited_safely_is_refused_and_kept(
    tmp_path: Path, value: str
) -> None:
    before = f"x = 1\ndefault_actor = {value}\n"
    path = write_config(tmp_path, before)
    with pytest.raises(ConfigError, match="line 2"):
        write_default_actor(tmp_path, TWO)
    assert path.read_text() == before


def test_a_file_that_is_no_toml_is_never_written_over(tmp_path: Path) -> None:
    path = write_config(tmp_path, "half a li")
    with pytest.raises(ConfigError):
        write_default_actor(tmp_path, TWO)
    assert path.read_text() == "half a li"


KEYS = st.sampled_from(["default_actor", "lock_policy", "a", "snapshot.max_events"])
VALUES = st.sampled_from(
    ['"x"', "'y'", "1", "nan", "[1, 2]", "'''\ndefault_actor = \"z\"\n'''", '"""\\u0041"""']
)
LINES = st.builds("{} = {}".format, KEYS, VALUES) | st.sampled_from(["# c", "", "[t]", "[[u]]"])


@given(lines=st.lists(LINES, max_size=8), newline=st.sampled_from(["\n", "\r\n"]))
def test_an_edit_sets_the_key_and_loses_no_other_or_is_refused(
    lines: list[str], newline: str
) -> None:
    content = newline.join(lines)

    def load(text: str) -> dict[str, object]:
        return tomllib.loads(text, parse_float=lambda number: (number,))

    try:
        before = load(content)
    except tomllib.TOMLDecodeError:
        with pytest.raises(ConfigError):
            edit(content)
        return
    try:
        after = edit(content)
    except ConfigError:
        old = before["default_actor"]
        assert not isinstance(old, str) or "\n" in old or old == "A"
    else:
        assert load(after) == before | {"default_actor": TWO}


@given(st.text())
def test_any_unicode_text_survives_as_a_toml_string(text: str) -> None:
    assert tomllib.loads(f"x = {format_text(text)}") == {"x": text}


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(UsageError):
        format_text("\udcff")


def test_replacing_keeps_a_symlink_and_the_mode_and_leaves_no_other_file(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_text("old")
    real.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to("real.toml")
    replace_file(link, b"new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.toml", "real.toml"]


def test_a_lock_that_somebody_keeps_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_file, "_LOCK_SECONDS", 0.05)
    contended = pytest.raises(ContendedError, match=r"config\.lock")
    with config_lock(tmp_path), contended, config_lock(tmp_path):
        pytest.fail("two hold the lock")
    with config_lock(tmp_path):
        pass


# What grite says of a settings file must be what is said here.
GRITE_CASES = [
    f'default_actor = "{ONE}"\n',
    f'\ufeffdefault_actor = "{ONE}"\r\n',
    f'default_actor = "{ONE}"\nlock_policy = "bogus"\nfuture = 3\n[t]\nx = 1\n',
    f'default_actor = "{ONE}"\nlock_policy = 3\n',
    f'default_actor = "{ONE}"\nverify_signatures = 1.5\n',
    f'default_actor = "{ONE}"\n[snapshot]\nmax_events = -1\n',
    f'default_actor = "{ONE}"\n[snapshot]\nmax_events = 4294967296\n',
    f'default_actor = "{ONE}"\n[snapshot]\nmax_age_days = 4294967295\n',
    f'default_actor = "{ONE}"\nsnapshot = 1\n',
    "default_actor = \n",
    "a = 1\na = 2\n",
    "",
]


@pytest.mark.parametrize("content", GRITE_CASES)
def test_grite_takes_and_refuses_the_same_files(repo: Path, grite: Grite, content: str) -> None:
    grite(repo, "init", "--no-agents-md")
    common_dir = repo / ".git"
    write_config(common_dir, content)
    grite_takes_it = grite.run(repo, "actor", "current").code == 0
    if grite_takes_it:
        read_config(common_dir)
    else:
        with pytest.raises(ConfigError):
            read_config(common_dir)


def test_the_file_of_a_fresh_init_is_grites_own_byte_for_byte(
    repo: Path, grite: Grite, tmp_path: Path
) -> None:
    grite(repo, "init", "--no-agents-md")
    made = config_path(repo / ".git").read_bytes()
    default = read_config(repo / ".git").default_actor
    assert default is not None
    write_default_actor(tmp_path / "other", default)
    assert config_path(tmp_path / "other").read_bytes() == made
