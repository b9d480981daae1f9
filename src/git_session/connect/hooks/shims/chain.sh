# What stood here before comes first, and decides.
kept=${0%/*}/@HOOK@@KEPT@
[ ! -x "$kept" ] || "$kept" "$@" || exit
