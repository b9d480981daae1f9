"""Starts real counterparts for sync: sshd, lighttpd with git-http-backend, git-daemon, or a path.

Each listens on a free port of 127.0.0.1 and keeps all it has in a folder of the test. A test that
asks for the fixture `hub` runs once for each kind, and skips, saying why, those whose program is
not installed. A test module takes it over with `hub = servers.hub`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import psutil
import pytest

from tests.conftest import git

KINDS: Final = ("path", "ssh", "http", "git")
HOST: Final = "127.0.0.1"
USER: Final = "alice"
PASSWORD: Final = "secret"

_PATIENCE_S: Final = 10.0
_ATTEMPTS: Final = 5
_PLACES: Final = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"

_SSHD: Final = """\
ListenAddress {host}
Port {port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
AcceptEnv GIT_PROTOCOL
SetEnv HOME={folder}
"""
# Without BatchMode: that nothing asks is for the program under test to see to.
_SSH: Final = """\
Host gritebox
HostName {host}
Port {port}
User {user}
IdentityFile {folder}/id_client
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile {folder}/known_hosts
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
"""
_LIGHTTPD: Final = """\
server.modules = ("mod_auth","mod_authn_file","mod_alias","mod_setenv","mod_cgi")
server.document-root = "{folder}"
server.bind = "{host}"
server.port = {port}
server.upload-dirs = ("{folder}")
alias.url = ("/git" => "{backend}")
auth.backend = "plain"
auth.backend.plain.userfile = "{folder}/users"
$HTTP["url"] =~ "^/git/" {{
  cgi.assign = ("" => "")
  setenv.set-environment = (
    "GIT_PROJECT_ROOT" => "{repositories}", "GIT_HTTP_EXPORT_ALL" => "1", "HOME" => "{folder}"
  )
  auth.require = ("" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
}}
"""


@dataclass(slots=True)
class Hub:
    """Stands for a bare repository and the server that clones reach it through.

    `path` is the repository itself, `folder` what the server keeps: keys, users, its log.
    """

    kind: str
    url: str
    path: Path
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def address(self, name: str) -> str:
        """Gives the address of another repository in the same place, there or not."""
        return self.url.removesuffix(self.path.name) + name

    def write_hook(self, name: str, *lines: str) -> None:
        """Writes a hook of the repository, in shell."""
        hook = self.path / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        hook.chmod(0o755)

    def freeze(self) -> None:
        """Stops the server where it is: connections are taken and nobody answers.

        Of a repository by path the server is a child of each push: there a hook never ends.
        """
        if self.process is None:
            self.write_hook("pre-receive", "sleep 600")
        else:
            self.process.send_signal(signal.SIGSTOP)

    def kill_receivers(self) -> None:
        """Kills what takes in a push at this moment, at once; the server stays."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.cwd() == str(self.path):
                    process.kill()

    def stop(self) -> None:
        """Takes the server away; of a repository by path, the repository."""
        if self.process is None:
            self.path.rename(self.path.with_name("gone.git"))
        else:
            _end(self.process)

    def save_login(self, home: Path, password: str | None) -> None:
        """Writes what git's store helper knows: the login with this password, or none.

        For a hub by http; with the others git asks no helper.
        """
        if self.kind != "http":
            return
        (home / ".gitconfig").write_text(
            "[session]\n\tsecrets = off\n[credential]\n\thelper = store\n"
        )
        saved = f"http://{USER}:{password}@{HOST}:{self._port}\n" if password else ""
        (home / ".git-credentials").write_text(saved)

    @property
    def _port(self) -> str:
        return self.url.split("/")[2].rpartition(":")[2]


@pytest.fixture(params=KINDS)
def hub(
    request: pytest.FixtureRequest, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    """Gives an empty repository behind each kind of server, and the client's way to log in."""
    with serve(request.param, tmp_path / "server", home) as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


@pytest.fixture
def path_hub(tmp_path: Path, home: Path) -> Iterator[Hub]:
    """Gives an empty repository by path, for what has nothing to do with a server."""
    with serve("path", tmp_path / "server", home) as served:
        yield served


@contextmanager
def serve(kind: str, folder: Path, home: Path) -> Iterator[Hub]:
    """Serves one empty bare repository; skips the test where the program is missing.

    The client's `home` gets what it needs to log in; `Hub.environment` is for it, too.
    """
    repositories = folder / "repositories"
    repositories.mkdir(parents=True)
    path = repositories / "hub.git"
    git(repositories, "init", "--quiet", "--bare", "--initial-branch=main", str(path))
    if kind == "path":
        yield Hub(kind, str(path), path, folder)
        return
    start = {"ssh": _start_sshd, "http": _start_lighttpd, "git": _start_daemon}[kind]
    hub = start(Hub(kind, "", path, folder))
    try:
        if kind == "http":
            hub.save_login(home, PASSWORD)
        yield hub
    finally:
        assert hub.process is not None
        _end(hub.process)


def find_program(name: str) -> str:
    """Finds a program on PATH or where servers are kept; skips the test without it."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:{_PLACES}")
    if found is None:
        pytest.skip(f"{name} is not installed; .ci/run installs it")
    return found


def free_port() -> int:
    """Gives a port of the loopback device that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _start_sshd(hub: Hub) -> Hub:
    find_program("ssh")
    program, folder = find_program("sshd"), hub.folder
    for key in ("host_key", "id_client"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(command, check=True)
    shutil.copy(folder / "id_client.pub", folder / "authorized_keys")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

    def configure(port: int) -> list[str]:
        user = pwd.getpwuid(os.getuid()).pw_name
        named = {"host": HOST, "port": port, "folder": folder, "user": user}
        (folder / "sshd_config").write_text(_SSHD.format(**named))
        (folder / "ssh_config").write_text(_SSH.format(**named))
        key = (folder / "host_key.pub").read_text()
        (folder / "known_hosts").write_text(f"[{HOST}]:{port} {key}")
        return [program, "-D", "-e", "-f", str(folder / "sshd_config")]

    hub.process, _ = _start(configure, folder)
    hub.url = f"gritebox:{hub.path}"
    # ssh asks the system for the home, not HOME, so that ~/.ssh/config must be named.
    hub.environment["GIT_SSH_COMMAND"] = f"ssh -F {folder / 'ssh_config'}"
    return hub


def _start_lighttpd(hub: Hub) -> Hub:
    program, folder = find_program("lighttpd"), hub.folder
    backend = Path(git(folder, "--exec-path")) / "git-http-backend"
    (folder / "users").write_text(f"{USER}:{PASSWORD}\n")

    def configure(port: int) -> list[str]:
        named = {"host": HOST, "port": port, "folder": folder, "backend": backend}
        text = _LIGHTTPD.format(repositories=hub.path.parent, **named)
        (folder / "lighttpd.conf").write_text(text)
        return [program, "-D", "-f", str(folder / "lighttpd.conf")]

    hub.process, port = _start(configure, folder)
    hub.url = f"http://{HOST}:{port}/git/{hub.path.name}"
    return hub


def _start_daemon(hub: Hub) -> Hub:
    # The program itself and not `git daemon`, whose child would outlive it.
    program = Path(git(hub.folder, "--exec-path")) / "git-daemon"
    if not program.exists():
        pytest.skip("this git came without git-daemon")

    def configure(port: int) -> list[str]:
        limits = ["--reuseaddr", "--export-all", "--enable=receive-pack"]
        place = [f"--base-path={hub.path.parent}", str(hub.path.parent)]
        return [str(program), f"--listen={HOST}", f"--port={port}", *limits, *place]

    hub.process, port = _start(configure, hub.folder)
    hub.url = f"git://{HOST}:{port}/{hub.path.name}"
    return hub


class _Configure(Protocol):
    """Types what makes a server's files for a port and gives its command."""

    def __call__(self, port: int) -> list[str]: ...


def _start(configure: _Configure, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Starts a server on a free port; another one where somebody else was faster to take it."""
    for _ in range(_ATTEMPTS):
        port = free_port()
        process = _spawn(configure(port), folder)
        if _answers(process, port):
            return process, port
        _end(process)
    pytest.fail(f"the server does not start: {(folder / 'log').read_text(errors='replace')}")


def _spawn(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    # Ends with the tests even if these are killed. And a session of its own, as some servers kill
    # their whole process group.
    setpriv = shutil.which("setpriv")
    guard = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [*guard, *command],
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _environment(folder: Path) -> Mapping[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
    }


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError), socket.create_connection((HOST, port), 0.2):
            return True
        time.sleep(0.005)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a server, also one that was frozen; its folder goes with the test's."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_PATIENCE_S)
