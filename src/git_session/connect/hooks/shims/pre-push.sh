head='' known='' remote=$1
tracking=refs/git-session/remotes/$remote/grite/wal
# Of a name that git could take for a pattern nothing is known.
case $remote in *[!A-Za-z0-9._/-]*) tracking=refs/grite/wal ;; esac
refs=$(git for-each-ref --format='%(refname) %(objectname)' refs/grite/wal "$tracking")
while read -r name oid; do
    case $name in refs/grite/wal) head=$oid ;; ?*) known=$oid ;; esac
done <<REFS
$refs
REFS
[ -n "$head" ] && [ "$head" != "$known" ] || exit 0
# Where this push takes the log along itself, one that comes first would make it fail.
[ -n "$pushed" ] || [ -t 0 ] || pushed=$(cat)
case $pushed in *" refs/grite/"*) exit 0 ;; esac
has_program "the log was not sent to $remote" || exit 0
program hook run --called-back pre-push "$@" </dev/null || :
exit 0
