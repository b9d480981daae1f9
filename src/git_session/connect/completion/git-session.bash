# Completes `git session` and `git-session` in bash: git session completion install bash
#
# The candidates come a line each: kind, word, what it is. They are data and are never evaluated,
# and each word is made of characters that mean nothing to a shell.

_git_session() {
    local kind word about
    COMPREPLY=()
    # Where nothing is found git's own completion would offer file names.
    compopt +o default +o bashdefault 2>/dev/null
    while IFS=$'\t' read -r kind word about; do
        case $kind in
        plain)
            # Only what follows the last break of the word is replaced.
            [[ $COMP_WORDBREAKS == *=* ]] && word=${word#--*=}
            COMPREPLY+=("$word ")
            ;;
        file) compopt +o nospace -o default 2>/dev/null ;;
        dir) compopt +o nospace -o dirnames 2>/dev/null ;;
        esac
    done < <(command git-session completion candidates -- "${COMP_LINE:0:COMP_POINT}" \
        2>/dev/null </dev/null)
}

complete -o bashdefault -o default -o nospace -F _git_session git-session
