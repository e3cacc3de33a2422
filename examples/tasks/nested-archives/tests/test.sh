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

if [ ! -d configs ] || [ -L configs ]; then
  fail configs_exists "the directory configs/ is missing"
else
  cut -d '|' -f 1 "$tests/expected.txt" | LC_ALL=C sort > "$work/want"
  find configs ! -type d | LC_ALL=C sort > "$work/seen"
  same file_list "$work/want" "$work/seen"
  while IFS='|' read -r path text; do
    name=${path#configs/}; name=${name//[ \/]/_}
    if [ ! -f "$path" ] || [ -L "$path" ]; then fail "content:$name" "$path is missing or not a regular file"; continue; fi
    seen=$(head -c 100 "$path")
    check "content:$name" "$path should hold '$text', holds '$(head -n 1 <<< "$seen")'" test "$seen" = "$text"
  done < "$tests/expected.txt"
  empty=$(find configs -type d -empty | head -n 3 | tr '\n' ' ')
  check no_empty_directories "directories without files: $empty" test -z "$empty"
  check no_added_newline "configs/site-b/etc/.hidden.conf should have 17 bytes" \
    test "$(wc -c 2> /dev/null < configs/site-b/etc/.hidden.conf)" = 17
fi
ok=no; tar -tf delivery.tar site-b.tar.gz top.conf > /dev/null 2>&1 && ok=yes
check delivery_intact "delivery.tar is missing or damaged" test "$ok" = yes

echo "$reward" > "$logs/reward.txt"
exit 0
