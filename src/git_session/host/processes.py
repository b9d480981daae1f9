"""Check this host and its processes: the only module that imports psutil.

On Linux `/proc` is read directly, which a beat can afford; psutil is for other systems.
Source: proc(5), proc_pid_stat(5), namespaces(7), machine-id(5).
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final

from git_session.core.wire.evidence import Evidence

if TYPE_CHECKING:
    import signal

    import psutil

_IS_LINUX: Final = sys.platform == "linux"
_BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
_MACHINE_IDS: Final = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_FIRST_PID_NS: Final = 0xEFFFFFFC
"""The inode of the host's first pid namespace, PROC_PID_INIT_INO in Linux's proc_ns.h."""

_MACHINE_KEY: Final = b"git-session"
_LARGEST_PID: Final = 2**31 - 1

# Fields of /proc/PID/stat, counted from the one behind the command's name.
_STATE: Final = 0
_PARENT: Final = 1
_THREADS: Final = 17
_START: Final = 19
_MOST_ANCESTORS: Final = 12
_ENDED: Final = frozenset({b"Z", b"X", b"x"})


class Seen:
    """Tells what was seen of a pid: whether a process runs under it, and when that began.

    `is_running` is None when it cannot be told, `start` when that cannot. A process that has ended
    and that its parent did not ask about (a zombie) does not run.
    """

    __slots__ = ("is_running", "start")

    def __init__(self, is_running: bool | None, start: int | None = None) -> None:
        self.is_running = is_running
        self.start = start


@cache
def read_here() -> Evidence:
    """Read what tells this host, this boot and this pid namespace, but for the machine's hash.

    Once: a process outlives neither of them.
    """
    return Evidence(
        host=os.uname().nodename or None, boot_id=_read_boot_id(), pid_ns=_read_pid_ns()
    )


def is_in_first_pid_ns() -> bool:
    """Report whether this process sees the host's own pids, not those of a container.

    The number of the first namespace is fixed: process 1 may be another user's, whose namespace
    cannot be read, and in a container it is the container's own.
    """
    return not _IS_LINUX or read_here().pid_ns == _FIRST_PID_NS


def read_host() -> Evidence:
    """Read what names this host, and nothing that a verdict of death could rest on."""
    return Evidence(host=read_here().host, machine=read_machine())


def read_process(pid: int) -> Evidence | None:
    """Read the evidence about a process of this host; None when no such process runs."""
    seen = look_at(pid)
    if not seen.is_running:
        return None
    return read_here()._replace(machine=read_machine(), pid=pid, pid_start=seen.start)


def look_at(pid: int) -> Seen:
    """Check whether a process runs under `pid` now."""
    if not 0 < pid <= _LARGEST_PID:
        return Seen(is_running=None)
    return _look_in_proc(pid) if _IS_LINUX else _look_by_psutil(pid)


def read_machine() -> str | None:
    """Read what tells this machine from others of its name: a keyed hash of its id, or None.

    The id itself is confidential, and a log goes to remotes.
    """
    for path in _MACHINE_IDS:
        with suppress(OSError):
            with open(path, "rb") as file:
                machine_id = file.read(64).strip()
            if len(machine_id) == 32:
                import hashlib  # some ms, for those who start a session

                return hashlib.blake2b(machine_id, digest_size=8, key=_MACHINE_KEY).hexdigest()
    return None


def find_ancestor(name: str) -> int | None:
    """Find the nearest process above this one whose program is called `name`; None without one."""
    pid = os.getppid()
    for _ in range(_MOST_ANCESTORS):
        found = _read_parent(pid)
        if found is None or pid <= 1:
            return None
        called, parent = found
        if called == name:
            return pid
        pid = parent
    return None


def _look_in_proc(pid: int) -> Seen:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of the command stands in parentheses and may hold any byte, such as `) `.
            fields = file.read().rpartition(b") ")[2].split()
        has_ended = fields[_STATE] in _ENDED and int(fields[_THREADS]) <= 1
        return Seen(not has_ended, int(fields[_START]))
    except (FileNotFoundError, ProcessLookupError):
        return Seen(_is_there(pid))
    except (OSError, ValueError, IndexError):
        return Seen(is_running=None)


def _read_parent(pid: int) -> tuple[str, int] | None:
    """Read what a process calls itself, and its parent; None when it is not there."""
    if not _IS_LINUX:
        return _ask_parent(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            head, _, rest = file.read().rpartition(b") ")
        return head.partition(b" (")[2].decode(errors="replace"), int(rest.split()[_PARENT])
    except (OSError, ValueError, IndexError):
        return None


def _ask_parent(pid: int) -> tuple[str, int] | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return process.name(), process.ppid()
    except psutil.Error:
        return None


def _is_there(pid: int) -> bool | None:
    """Ask the kernel itself: /proc can hide the processes of others, or not be mounted."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return None


def _look_by_psutil(pid: int) -> Seen:
    import psutil

    try:
        process = psutil.Process(pid)
        is_running = process.status() != psutil.STATUS_ZOMBIE
        return Seen(is_running, round(process.create_time() * 1000))
    except psutil.NoSuchProcess:
        return Seen(is_running=False)
    except psutil.Error:
        return Seen(is_running=None)


def _read_boot_id() -> str | None:
    if not _IS_LINUX:
        return _read_system_text(b"kern.bootsessionuuid")
    try:
        with open(_BOOT_ID, "rb") as file:
            return file.read(64).decode("ascii", "replace").strip() or None
    except OSError:
        return None


def _read_pid_ns() -> int | None:
    try:
        return os.stat("/proc/self/ns/pid").st_ino if _IS_LINUX else None
    except OSError:
        return None


def _read_system_text(name: bytes) -> str | None:
    """Ask the kernel of macOS for one of its texts."""
    import ctypes

    try:
        library = ctypes.CDLL(None)
        size = ctypes.c_size_t(64)
        text = ctypes.create_string_buffer(size.value)
        failed = library.sysctlbyname(name, text, ctypes.byref(size), None, ctypes.c_size_t(0))
    except (OSError, AttributeError):
        return None
    return None if failed else text.value.decode("ascii", "replace") or None


class Descendant:
    """Stands for one process that another one started, and for no later one with its number."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process

    def is_running(self) -> bool:
        """Return whether it has not ended; one that its parent has not asked about yet has."""
        import psutil

        try:
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process is gone or is not ours."""
        import psutil

        with suppress(psutil.Error):
            self._process.send_signal(number)


def list_descendants(pid: int) -> list[Descendant]:
    """List what a process started, and what that started; nothing when it is gone."""
    import psutil

    try:
        return [Descendant(child) for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def is_descendant(pid: int, ancestor: int) -> bool:
    """Return whether a process was started by another one, or by what that started."""
    import psutil

    try:
        return any(parent.pid == ancestor for parent in psutil.Process(pid).parents())
    except psutil.Error:
        return False


def find_git_parent() -> Descendant | None:
    """Find the `git` that started this process, if it is in our process group."""
    import psutil

    try:
        parent = psutil.Process(os.getppid())
        is_git = parent.name() == "git" and os.getpgid(parent.pid) == os.getpgrp()
    except (psutil.Error, OSError):
        return None
    return Descendant(parent) if is_git else None
