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

if [ ! -f plan.sh ]; then
  fail script "plan.sh is missing"
else
  cp plan.sh "$work/plan.sh"
  mkdir "$work/run" && cd "$work/run"
  for case in example chain all-good self long-ring empty random; do
    cp "$tests/cases/$case.deps" "in put.deps"
    timeout 5 bash "$work/plan.sh" "in put.deps" > "$work/$case.out" 2> "$work/error" < /dev/null
    seen=$?
    want=$(cat "$tests/cases/$case.status")
    check "${case}_status" "status $want expected, $seen seen: $(head -n 1 "$work/error" | cut -c 1-80)" test "$seen" = "$want"
    same "$case" "$tests/cases/$case.out" "$work/$case.out"
  done
  for arguments in '' 'no-such-file' 'a b'; do
    timeout 5 bash "$work/plan.sh" $arguments > "$work/out" 2> /dev/null < /dev/null
    seen=$?
    check "refuses_arguments_${arguments// /_}" "status 2 and no output expected for '$arguments', seen status $seen" test "$seen" = 2 -a ! -s "$work/out"
  done
  made=$(ls -A | grep -v -x 'in put.deps' | head -n 3 | tr '\n' ' ')
  check no_files "the script created: $made" test -z "$made"
fi

echo "$reward" > "$logs/reward.txt"
exit 0
