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

# value SECTION KEY: the value(s) of a key in a section, without a trailing comment
value() {
  awk -v want="[$1]" -v key="$2" '
    /^[ \t]*\[/ { section = $1; next }
    /^[ \t]*[;#]/ { next }
    section == want { line = $0; sub(/[ \t]*[;#].*/, "", line); at = index(line, "="); if (!at) next
      k = substr(line, 1, at - 1); v = substr(line, at + 1); gsub(/[ \t]/, "", k); gsub(/^[ \t]+|[ \t]+$/, "", v)
      if (k == key) out = out (out == "" ? "" : " ") v }
    END { print out }' service.ini
}
expect() {
  local seen; seen=$(value "$1" "$2")
  check "$1.$2" "[$1] $2 should be $3, is '$seen'" test "$seen" = "$3"
}
if [ ! -f service.ini ]; then
  fail service_ini "service.ini is missing"
else
  expect storage timeout 120
  expect frontend workers 16
  expect frontend timeout 75
  expect mailer retries 5
  expect storage.replica timeout 45
  expect mailer timeout 30
  check comment_kept "the comment behind frontend timeout is gone" grep -Eq '^timeout *= *75[ 	]*; see ticket 4411$' service.ini
  # everything but the four lines, compared as they are
  drop() { awk '/^\[/ { s = $0 } !((s == "[storage]" && /^timeout/) || (s == "[frontend]" && /^(workers|timeout)/) || (s == "[mailer]" && /^retries/))' "$1"; }
  drop "$tests/original.ini" > "$work/a"; drop service.ini > "$work/b"
  check rest_unchanged "other lines were changed: $(diff "$work/a" "$work/b" | head -n 3 | tr '\n' ' ')" cmp -s "$work/a" "$work/b"
  check retries_last "retries is not the last line of [mailer]" test "$(awk 'NF' service.ini | tail -n 1 | cut -c 1-7)" = retries
fi

echo "$reward" > "$logs/reward.txt"
exit 0
