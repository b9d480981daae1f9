#!/bin/sh
# git-session's hook @HOOK@, form @FORM@, sum @SUM@; `git session hook uninstall` takes it out.
program() { @PROGRAM@ "$@"; }
has_program() { [ -x @PATH@ ] || say @PATH@ "is gone, so $*: git session hook install mends it"; }
say() { printf '%s\n' "git-session: $*" >&2 && false; }
