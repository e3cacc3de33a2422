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

same top "$tests/expected.txt" top.txt
check log_intact "traffic.log was changed" timeout 5 sha256sum --status -c "$tests/inputs.sha256"

echo "$reward" > "$logs/reward.txt"
exit 0
