# Completes `git session` and `git-session` in fish: git session completion install fish
#
# The candidates come a line each: kind, word, what it is. They are data and are never evaluated,
# and each word is made of characters that mean nothing to a shell.

function __git_session_candidates
    set -l line (commandline --current-process --cut-at-cursor | string collect)
    for found in (command git-session completion candidates -- $line 2>/dev/null </dev/null)
        set -l parts (string split --max 1 \t -- $found)
        switch $parts[1]
            case plain
                printf '%s\n' $parts[2]
            case file
                __fish_complete_path (commandline --current-token --cut-at-cursor)
            case dir
                __fish_complete_directories (commandline --current-token --cut-at-cursor)
        end
    end
end

# Whether git's own options are over, and the command after them is session.
function __git_session_is_called
    set -l words (commandline --tokenize --current-process --cut-at-cursor)
    set -e words[1]
    while set -q words[1]
        switch $words[1]
            case -C -c --git-dir --work-tree --namespace --config-env --attr-source
                set -e words[1]
            case '-*'
            case '*'
                test $words[1] = session
                return
        end
        set -e words[1]
    end
    return 1
end

complete --command git-session --no-files --arguments '(__git_session_candidates)'
complete --command git --condition __git_session_is_called --no-files \
    --arguments '(__git_session_candidates)'
