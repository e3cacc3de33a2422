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

same report "$tests/duplicates.tsv" duplicates.tsv
while read -r sum path; do
  name=${path//[ \/]/_}
  if [ ! -f "$path" ]; then fail "place:$name" "$path should exist at the end"; continue; fi
  check "place:$name" "$path has other content" test "$(sha256sum < "$path" | cut -d ' ' -f 1)" = "$sum"
done < "$tests/final.sha256"
cut -c 67- "$tests/final.sha256" > "$work/want"
find media trash -type f 2> /dev/null | LC_ALL=C sort > "$work/seen"
same all_files "$work/want" "$work/seen"
check link_kept "media/2031/latest.mov should still be a link to dawn.mov" test "$(readlink media/2031/latest.mov)" = dawn.mov
for d in 'media/2030 trip' media/backup/old media/2031/raw media/.thumbs; do
  check "directory:${d//[ \/]/_}" "$d should still be a directory" test -d "$d"
done

echo "$reward" > "$logs/reward.txt"
exit 0
