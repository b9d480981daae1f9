session=$GIT_SESSION_ID
[ -n "$session" ] || find_session
[ -n "$session" ] || exit 0
has_program "this commit does not name its session" || exit 0
program hook run --called-back prepare-commit-msg "$session" "$@" </dev/null || :
exit 0
