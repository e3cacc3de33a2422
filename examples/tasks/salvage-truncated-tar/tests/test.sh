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

# The first SAVED files of the archive are complete, the next one is cut.
saved=8
head -n "$saved" "$tests/order" | sort > "$work/want"
tail -n +$((saved + 1)) "$tests/order" > "$work/lost"
same lost "$work/lost" lost.txt
if [ -d salvaged ]; then
  (cd salvaged && find . ! -type d | sed 's|^\./||' | sort) > "$work/seen"
  same salvaged_files "$work/want" "$work/seen"
  while read -r path; do
    want=$(grep " $path\$" "$tests/all.sha256" | cut -d ' ' -f 1)
    seen=$([ -f "salvaged/$path" ] && sha256sum < "salvaged/$path" | cut -d ' ' -f 1)
    check "content_${path##*/}" "salvaged/$path is missing or its content is wrong" test "$seen" = "$want"
  done < "$work/want"
else
  fail salvaged_files "the directory salvaged/ is missing"
fi
check archive_intact "readings.tar.gz was changed or removed" test "$(wc -c 2> /dev/null < readings.tar.gz)" = 29500

echo "$reward" > "$logs/reward.txt"
exit 0
