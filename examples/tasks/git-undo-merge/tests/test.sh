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

tip=5b85a35c44117bbf6599735ecc0cab84840599ea
repo() { timeout 10 git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c safe.directory='*' -C press "$@" 2> /dev/null; }
is() { check "$1" "expected '$3', seen '$2'" test "$2" = "$3"; }

is parent_is_old_tip "$(repo log -1 --format=%P refs/heads/main)" "$tip"
is subject "$(repo log -1 --format=%s refs/heads/main)" 'Back out gloss'
is files "$(repo ls-tree -r --name-only refs/heads/main | tr '\n' ' ')" 'manual.txt press.conf '
for f in press.conf manual.txt; do
  repo show "refs/heads/main:$f" > "$work/$f"
  same "content_$f" "$tests/want/$f" "$work/$f"
done
is tag "$(repo rev-parse refs/tags/released)" "$tip"
is checked_out "$(repo symbolic-ref HEAD)" refs/heads/main
is clean_tree "$(repo status --porcelain | tr '\n' ';')" ''

echo "$reward" > "$logs/reward.txt"
exit 0
