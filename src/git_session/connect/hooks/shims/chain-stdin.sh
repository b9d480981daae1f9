# What stood here before comes first, and decides; both need to know what is pushed.
kept=${0%/*}/@HOOK@@KEPT@ pushed=''
if [ -x "$kept" ]; then
    pushed=$(cat && echo .)
    pushed=${pushed%.}
    printf %s "$pushed" 2>/dev/null | "$kept" "$@" || exit
fi
