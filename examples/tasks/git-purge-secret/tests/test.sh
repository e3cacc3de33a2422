#!/bin/bash
tests=$(cd "$(dirname "$0")" && pwd)
logs=${VERIFIER_LOGS_PATH:-/logs/verifier}
export LC_ALL=C.UTF-8
reward=1
pass() { printf 'PASS %s\n' "$1"; }
fail() { printf 'FAIL %s: %s\n' "$1" "$2"; reward=0; }
# check NAME WHAT COMMAND...: PASS when the command succeeds, else FAIL with WHAT.
check() { local name=$1 what=$2; shift 2; if "$@" 2> /dev/null; then pass "$name"; else fail "$name" "$what"; fi; }
# same NAME EXPECTED SEEN: the two files hold the same text (a missing final newline is forgiven).
same() {
  local at
  if [ ! -f "$3" ]; then fail "$1" "${3##*/} is missing"; return; fi
  at=$(awk 1 "$3" | diff -a "$2" - | head -n 4 | cut -c 1-100 | tr '\n\t' '  ')
  if [ -z "$at" ]; then pass "$1"; else fail "$1" "${3##*/} differs (< expected, > seen): $at"; fi
}
mkdir -p "$logs" && logs=$(cd "$logs" && pwd)
work=$(mktemp -d) || { fail scratch "no scratch directory for the verifier"; echo 0 > "$logs/reward.txt"; exit 0; }
trap 'rm -rf "$work"' EXIT

secret=tulip-9917-harbor
repo() { timeout 10 git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c safe.directory='*' -C relay "$@" 2> /dev/null; }
is() { check "$1" "expected '$3', seen '$2'" test "$2" = "$3"; }

if ! repo rev-parse --git-dir > /dev/null; then
  fail repository "relay/ is not a Git repository"
else
  repo cat-file --batch-all-objects --batch --unordered > "$work/objects"
  check objects_present "no objects can be read" test -s "$work/objects"
  n=$(grep -a -c "$secret" "$work/objects")
  is objects_clean "$n lines with the password" '0 lines with the password'
  found=$(grep -r -a -l "$secret" relay 2> /dev/null | head -n 3 | tr '\n' ' ')
  is files_clean "$found" ''
  is refs "$(repo for-each-ref --format='%(refname) %(objecttype)' | tr '\n' ';')" \
    'refs/heads/main commit;refs/heads/metrics commit;refs/tags/v1 tag;refs/tags/v2 commit;'
  for ref in heads/main heads/metrics tags/v1 tags/v2; do
    # per commit: parents' subjects, message, author, and the files it changes with modes and blob ids
    repo -c log.showRoot=true log --reverse --topo-order --raw --no-abbrev --no-renames \
      --format='commit %H %P%n%an <%ae> %at%n%B' "refs/$ref" | awk '
      next_is_subject { subject[id] = $0; next_is_subject = 0 }
      after_commit { after_commit = 0; next_is_subject = 1 }
      /^commit / { id = $2; after_commit = 1; line = "commit, parents:"
        for (i = 3; i <= NF; i++) line = line " (" subject[$i] ")"
        print line; next }
      NF { print }' > "$work/seen"
    same "history_${ref#*/}" "$tests/history/${ref#*/}" "$work/seen"
  done
  is tag_message "$(repo for-each-ref --format='%(contents:subject)' refs/tags/v1)" 'first release'
  is checked_out "$(repo symbolic-ref HEAD)" refs/heads/main
  is clean_tree "$(repo status --porcelain | tr '\n' ';')" ''
fi

echo "$reward" > "$logs/reward.txt"
exit 0
