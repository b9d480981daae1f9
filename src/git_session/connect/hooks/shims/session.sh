# Whose commit a rebase, cherry-pick or revert carries over is nobody's business here.
for state in rebase-merge rebase-apply CHERRY_PICK_HEAD REVERT_HEAD; do
    [ ! -e "$git_dir/$state" ] || exit 0
done

# Who is in no session says so.
[ "$GIT_SESSION_ID" != none ] || exit 0
GIT_SESSION_ID=${GIT_SESSION_ID##*/}

# Prints the beats of GIT_SESSION_ID, or else of this host, boot and checkout, the newest first:
# issue, session, process, its pid namespace. Of who tells no process only a fresh beat counts, and
# no commit, which may be somebody else's. A beat file has one key a line, escaped as in JSON.
read_beats() {
    LC_ALL=C HERE=$here HOST=$host BOOT=$boot WANTED=$GIT_SESSION_ID NOW=$now awk '
    BEGIN {
        for (i = 1; i < ARGC; i++) {
            split("", value)
            depth = 0
            while ((getline line < ARGV[i]) > 0) {
                if (line ~ /^[]}]/) depth--
                if (depth == 1 && match(line, /^"[a-z_]+": /)) {
                    key = substr(line, 2, RLENGTH - 4)
                    value[key] = decode(substr(line, RLENGTH + 1))
                }
                if (line ~ /[[{]$/) depth++
            }
            close(ARGV[i])
            if (depth == 0 && is_meant()) {
                time[++count] = value["ts"] + 0
                beat[count] = value["grite_issue_id"] " " value["session_id"] " " \
                    digits(value["pid"]) " " digits(value["pid_ns"])
            }
        }
        for (; count > 0; count--) {
            newest = 1
            for (i = 2; i <= count; i++) if (time[i] > time[newest]) newest = i
            print beat[newest]
            time[newest] = time[count]
            beat[newest] = beat[count]
        }
    }
    function digits(text) { return text ~ /^[0-9]+$/ ? text : 0 }
    function is_meant(   issue, session, boot) {
        issue = value["grite_issue_id"]
        session = value["session_id"]
        boot = value["boot_id"]
        if (issue !~ /^[0-9a-f]+$/ || length(issue) != 32 || !digits(value["ts"])) return 0
        if (session !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/) return 0
        if (ENVIRON["WANTED"] != "") return session == ENVIRON["WANTED"]
        if (boot != "" && ENVIRON["BOOT"] != "" && boot != ENVIRON["BOOT"]) return 0
        if (!digits(value["pid"]) && ENVIRON["NOW"] * 1000 - value["ts"] > @QUIET@) return 0
        return value["host"] == ENVIRON["HOST"] && value["worktree"] == ENVIRON["HERE"]
    }
    function decode(text,   plain, mark, code) {
        sub(/,$/, "", text)
        if (text !~ /^"/) return text == "null" ? "" : text
        text = substr(text, 2, length(text) - 2)
        plain = ""
        while ((mark = index(text, "\\")) > 0) {
            plain = plain substr(text, 1, mark - 1)
            code = substr(text, mark + 1, 1)
            text = substr(text, mark + 2)
            if (code != "u") {
                plain = plain (code == "n" ? "\n" : code == "t" ? "\t" : code == "r" ? "\r" : \
                    code == "b" ? "\b" : code == "f" ? "\f" : code)
                continue
            }
            code = number(text)
            text = substr(text, 5)
            if (code >= 55296 && code < 56320 && substr(text, 1, 2) == "\\u") {
                code = 65536 + (code - 55296) * 1024 + number(substr(text, 3)) - 56320
                text = substr(text, 7)
            }
            plain = plain bytes(code)
        }
        return plain text
    }
    function number(text,   i, sum) {
        sum = 0
        for (i = 1; i <= 4; i++) sum = sum * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
        return sum
    }
    # UTF-8; a byte that is none stands in JSON as a lone half of a pair.
    function bytes(code) {
        if (code < 128) return sprintf("%c", code)
        if (code >= 56320 && code < 57344) return sprintf("%c", code - 56320)
        if (code < 2048) return sprintf("%c%c", 192 + int(code / 64), 128 + code % 64)
        if (code < 65536) return sprintf("%c%c%c", 224 + int(code / 4096), \
            128 + int(code / 64) % 64, 128 + code % 64)
        return sprintf("%c%c%c%c", 240 + int(code / 262144), 128 + int(code / 4096) % 64, \
            128 + int(code / 64) % 64, 128 + code % 64)
    }' "$@"
}

# Tells whether a process of this pid namespace is gone.
is_gone() {
    [ "$1" != 0 ] && ! kill -0 "$1" 2>/dev/null && [ ! -e "/proc/$1" ] || return 1
    [ "$2" = 0 ] || [ "$(readlink /proc/self/ns/pid 2>/dev/null)" = "pid:[$2]" ]
}

# Sets `issue` and `session` to those of the newest beat that is meant.
find_session() {
    issue='' session=''
    set --
    for file in "$common"/git-session/beats/*.json; do
        case $file in *.spool.json) continue ;; esac
        [ ! -f "$file" ] || set -- "$@" "$file"
    done
    [ $# -gt 0 ] || return 0
    here=$(cd -P "$top" && pwd)
    IFS= read -r host 2>/dev/null </proc/sys/kernel/hostname || host=$(uname -n)
    IFS= read -r boot 2>/dev/null </proc/sys/kernel/random/boot_id || boot=''
    now=0
    [ -n "$GIT_SESSION_ID" ] || now=$(date +%s)
    beats=$(read_beats "$@" 2>/dev/null)
    while read -r issue session pid pid_ns; do
        if [ -n "$GIT_SESSION_ID" ] || ! is_gone "$pid" "$pid_ns"; then
            break
        fi
        issue='' session=''
    done <<BEATS
$beats
BEATS
}
