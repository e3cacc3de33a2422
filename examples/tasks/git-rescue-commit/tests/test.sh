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

main=9424c7ddd87884d901af6c109d22d9b1aaeda300
lost=df55646e6e0f3f8131812cf5c0f8d9349a0cd944
# read-only git that runs none of the repository's own hooks or helpers
repo() { timeout 10 git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c safe.directory='*' -C field-notes "$@" 2> /dev/null; }
is() { check "$1" "expected '$3', seen '$2'" test "$2" = "$3"; }

is rescue_branch "$(repo rev-parse refs/heads/rescue)" "$lost"
is main_parent "$(repo log -1 --format=%P refs/heads/main)" "$main"
is subject "$(repo log -1 --format=%s refs/heads/main)" 'Bring back chapter 2'
is identity "$(repo log -1 --format='%an <%ae> %cn <%ce>' refs/heads/main)" \
  'Rescue <rescue@example.net> Rescue <rescue@example.net>'
is changes "$(repo diff-tree --no-commit-id --name-status -r "$main" refs/heads/main | tr '\t\n' '  ')" 'A ch2.txt A stones.csv '
is contents "$(repo ls-tree refs/heads/main ch2.txt stones.csv | tr '\n' ';')" "$(repo ls-tree "$lost" ch2.txt stones.csv | tr '\n' ';')"
is refs "$(repo for-each-ref --format='%(refname)' | tr '\n' ' ')" 'refs/heads/main refs/heads/rescue '
is checked_out "$(repo symbolic-ref HEAD)" refs/heads/main
is clean_tree "$(repo status --porcelain | tr '\n' ';')" ''

echo "$reward" > "$logs/reward.txt"
exit 0
