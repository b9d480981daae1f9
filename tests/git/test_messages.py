"""What git and servers say is passed on clean, with the advice that fits, and no secret in it."""

from __future__ import annotations

import pytest

from git_session.git.messages import ProgressFilter, choose_hint, clean_words

SSH_END = """\
fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
"""


@pytest.mark.parametrize(
    ("stderr", "advice"),
    [
        (
            "fatal: could not read Username for 'http://h': terminal prompts disabled",
            "no terminal to ask in",
        ),
        (
            "fatal: could not read Password for 'http://a@h': No such device or address",
            "no terminal to ask in",
        ),
        ("fatal: Authentication failed for 'http://h/git/r.git/'", "login was refused"),
        (f"git@h: Permission denied (publickey).\n{SSH_END}", "ssh-add"),
        (f"Host key verification failed.\n{SSH_END}", "compare"),
        (f"ssh: Could not resolve hostname nosuch.invalid\n{SSH_END}", "no such host"),
        ("fatal: unable to look up nosuch.invalid (port 9418)", "no such host"),
        (f"ssh: connect to host h port 22: Connection refused\n{SSH_END}", "no answer"),
        ("fatal: unable to access 'http://h/': Failed to connect to h port 1", "no answer"),
        ("fatal: unable to connect to h:\nh: errno=Network is unreachable", "no answer"),
        ("fatal: unable to access 'https://h/': SSL certificate problem: expired", "sslCAInfo"),
        (
            f"fatal: '/srv/r' does not appear to be a git repository\n{SSH_END}",
            "no such repository",
        ),
        ("fatal: repository 'http://h/git/r.git/' not found", "no such repository"),
        ("fatal: remote error: access denied or repository not exported: /r", "no such repository"),
        (
            "fatal: unable to access 'http://h/': The requested URL returned error: 403",
            "may not do",
        ),
        ("[remote rejected] (pre-receive hook declined)\nremote: no", "ask its owner"),
        ("[remote rejected] (deny updating a hidden ref)\n", "hideRefs"),
        ("error: remote unpack failed: unpack-objects abnormal exit", "no room"),
        ("fatal: unable to write loose object file: No space left on device", "no room"),
        ("remote: error: cannot lock ref 'r': Unable to create 'r.lock': File exists.", ".lock"),
        ("fatal: transport 'ext' not allowed", "no such way"),
        ("error: inflate: data stream error (incorrect data check)", "repair --from origin"),
        (f"error: object file .git/objects/{'1' * 40} is empty", "git session repair"),
        (f"fatal: loose object {'1' * 40} (stored in objects/11) is corrupt", "git session repair"),
        (f"fatal: bad object {'1' * 40}\nerror: r did not send all necessary objects", "repair"),
        (f"fatal: bad tree object {'1' * 40}\nerror: remote unpack failed", "repair --from origin"),
        (f"fatal: unable to read {'1' * 40}\nerror: remote unpack failed", "repair --from origin"),
        (f"remote: fatal: loose object {'1' * 40} (stored in objects/11) is corrupt", None),
        ("send-pack: unexpected disconnect while reading sideband packet", "broke off"),
        ("remote: something that nobody has heard of", None),
    ],
)
def test_the_advice_fits_what_was_said(stderr: str, advice: str | None) -> None:
    hint = choose_hint(clean_words(stderr.encode()), "origin", is_configured=True)
    assert hint is None if advice is None else advice in (hint or "")


HOOK = "(pre-receive hook declined)\nremote: "


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("fatal: remote error: access denied or repository not exported: /r", "takes no pushes"),
        ("fatal: remote error: service not enabled: /r", "takes no pushes"),
        ("FATAL: W any hub bob DENIED by fallthru\n(or you mis-spelled the reponame)", "to write"),
        ("ERROR: The key you are authenticating with has been marked as read only.", "to write"),
        ("(hook declined)\nremote: FATAL: W refs/grite/wal hub bob DENIED by x", "this ref"),
        (f"{HOOK}GitLab: You cannot push commits for 'grit@local'.", "session.committer"),
        (f"{HOOK}GitLab: Committer's email 'a@b' does not follow", "session.committer"),
        (f"{HOOK}GitLab: Author's email 'a@b' does not follow", "session.committer"),
        ("(invalid committer)\nremote: ERROR: commit 1: address a@b", "session.committer"),
        (f"{HOOK}Your push exceeds the repository size limit of 1 GB", "no room for this"),
        (f"{HOOK}quota exceeded", "no room for this"),
        ("error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413", "for this"),
        ("(unpacker error)\nremote: fatal: write error: Disk quota exceeded", "or no permission"),
    ],
)
def test_hint_of_a_refused_push_names_the_cause(said: str, advice: str) -> None:
    hint = choose_hint(said, "origin", is_configured=True, is_push=True)
    assert advice in (hint or "")


def test_the_address_of_a_configured_remote_can_be_looked_up() -> None:
    said = "fatal: repository 'x' not found"
    assert "git remote get-url hub" in (choose_hint(said, "hub", is_configured=True) or "")
    assert "get-url" not in (choose_hint(said, "https://h/x", is_configured=False) or "")


def test_progress_blanks_and_what_follows_from_the_rest_are_left_out() -> None:
    stderr = (
        b"Enumerating objects: 5, done.\nWriting objects:  50% (1/2)\rWriting objects: 100% (2/2)\r"
        b"Writing objects: 100% (2/2), 9 bytes | 9.00 KiB/s, done.\nTotal 2 (delta 0), reused 0\n"
        b"remote: Resolving deltas:  10% (1/10)        \rremote: \nremote: no: 3 reasons        \n"
        b"error: failed to push some refs to '/srv/hub.git'\n"
    )
    assert clean_words(stderr) == "remote: no: 3 reasons"


def test_control_characters_and_passwords_are_left_out() -> None:
    stderr = b"remote: \x1b[2J\x07hi\x9b\xff\xe2\x80\xae\nfatal: unable to access 'https://me:s3cr:et@h/x'\r\n"
    assert clean_words(stderr) == (
        "remote: hi\\x9b\\xff\nfatal: unable to access 'https://me:***@h/x'"
    )


def test_of_endless_words_the_last_are_kept() -> None:
    words = clean_words(b"".join(b"line %d\n" % number for number in range(10_000)))
    assert words.endswith("line 9999")
    assert len(words.splitlines()) <= 30
    assert len(clean_words(b"repository " * 100_000)) <= 1024


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_progress_is_shown_whatever_pieces_it_comes_in(size: int) -> None:
    stderr = (
        b"remote: Counting objects: 100% (3/3), done.        \nwarning: not this\n"
        b"Receiving objects:  33% (1/3)\rReceiving objects:  66% (2/3)\r"
    )
    shown: list[str] = []
    with ProgressFilter(shown.append) as progress:
        for start in range(0, len(stderr), size):
            progress.add(stderr[start : start + size])
    assert shown == [
        "remote: Counting objects: 100% (3/3), done.        \n",
        "Receiving objects:  33% (1/3)\r",
        "Receiving objects:  66% (2/3)\r",
        "\n",
    ]


def test_a_stream_without_line_ends_is_not_kept_in_memory() -> None:
    shown: list[str] = []
    progress = ProgressFilter(shown.append)
    for _ in range(1000):
        progress.add(b"x" * 10_000)
    assert len(progress._rest) <= 1024
    assert shown == []
