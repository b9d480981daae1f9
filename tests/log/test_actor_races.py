"""Actors made by many processes at once: one default, whole files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from git_session.log.actors.actors import read_actors
from git_session.log.actors.config import config_path, read_config

RACER = """
import secrets, sys
from pathlib import Path
from git_session.log.actors.actors import create_actor, ensure_actor
directory, how = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
new = secrets.token_hex(16)
if how == "ensure":
    made = ensure_actor(directory, now=1, new_actor_id=new, actor_id=None, environ={})
else:
    made = create_actor(directory, now=1, actor_id=new, make_default=True)
print(made.actor_id)
"""


def race(common_dir: Path, how: str) -> list[str]:
    """Lets eight processes loose at once and gives the id that each came back with."""
    command = [sys.executable, "-c", RACER, str(common_dir), how]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60)[0].strip() for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 8
    return said


def test_eight_processes_on_a_fresh_repository_agree_on_one_actor(tmp_path: Path) -> None:
    ids = race(tmp_path, "ensure")
    assert len(set(ids)) == 1
    assert read_config(tmp_path).default_actor == ids[0]
    assert [actor.actor_id for actor in read_actors(tmp_path)] == [ids[0]]


def test_eight_new_defaults_at_once_leave_eight_actors_and_a_whole_config(tmp_path: Path) -> None:
    config_path(tmp_path).parent.mkdir()
    config_path(tmp_path).write_text('lock_policy = "off"\n')
    ids = race(tmp_path, "create")
    assert [actor.actor_id for actor in read_actors(tmp_path)] == sorted(ids)
    assert read_config(tmp_path).default_actor in ids
    assert read_config(tmp_path).lock_policy == "off"
    assert sorted(path.name for path in (tmp_path / "grite").iterdir()) == ["actors", "config.toml"]
