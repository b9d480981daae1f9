# Where git's own files are: git tells GIT_DIR where .git is no folder.
git_dir=${GIT_DIR:-.git} top=.
if [ -f "$git_dir" ]; then
    IFS= read -r link <"$git_dir"
    git_dir=${link#gitdir: }
fi
common=${GIT_COMMON_DIR:-$git_dir}
if [ -z "$GIT_COMMON_DIR" ] && [ -f "$git_dir/commondir" ]; then
    IFS= read -r common <"$git_dir/commondir"
    case $common in /*) ;; *) common=$git_dir/$common ;; esac
fi
if [ ! -d "$common/objects" ]; then
    git_dir=$(git rev-parse --absolute-git-dir 2>/dev/null) || exit 0
    common=$(git rev-parse --git-common-dir) || exit 0
    top=$(git rev-parse --show-toplevel 2>/dev/null) || top=.
fi
