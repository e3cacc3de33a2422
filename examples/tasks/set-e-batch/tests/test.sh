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

# run NAME STATUS STDOUT JOBS: run the repaired script and check what it printed and returned
run() {
  local seen
  timeout 5 bash "$work/batch.sh" "$4" "$work/out/$1" > "$work/stdout" 2> "$work/stderr" < /dev/null
  seen=$?
  check "$1_status" "status $2 expected, $seen seen" test "$seen" = "$2"
  seen=$(tr '\n' '|' < "$work/stdout" | cut -c 1-80)
  check "$1_stdout" "'$3' expected, '$seen' seen" test "$seen" = "$3"
}
# results NAME: all files of an output directory as "file:line" lines
results() { (cd "$work/out/$1" 2> /dev/null && for f in *; do awk -v f="$f" '{ print f ":" $0 }' "$f"; done) > "$work/seen"; }
if [ ! -f tools/batch.sh ]; then
  fail script "tools/batch.sh is missing"
else
  cp tools/batch.sh "$work/batch.sh"
  mkdir "$work/out" "$work/cwd" && cd "$work/cwd"
  touch 1 2
  printf '# list\nred 1 2 3\n  blue   -4   4\n\nnone\n#x 1\ntall 08 -010\nlast 5 6' > ../good.jobs
  run good 0 'done: 5 ok, 0 failed|' ../good.jobs
  results good
  printf '%s\n' blue.sum:0 last.sum:11 none.sum:0 red.sum:6 tall.sum:-2 > "$work/want"
  same good_results "$work/want" "$work/seen"
  check good_failed_list "failed.txt should exist and be empty" test -f "$work/out/good/failed.txt" -a ! -s "$work/out/good/failed.txt"
  printf 'm1 x\nm2 4 4\nm3 1 2.5\nm4 *\nm5 -\nm6 0\nm7 3 y' > ../bad.jobs
  run bad 1 'done: 2 ok, 5 failed|' ../bad.jobs
  results bad
  printf '%s\n' failed.txt:m1 failed.txt:m3 failed.txt:m4 failed.txt:m5 failed.txt:m7 m2.sum:8 m6.sum:0 > "$work/want"
  same bad_results "$work/want" "$work/seen"
  n=$(find "$work/out/bad" -name '*.sum' 2> /dev/null | wc -l)
  check bad_no_leftovers "2 .sum files expected, $n seen" test "$n" = 2
  : > ../empty.jobs
  run empty 0 'done: 0 ok, 0 failed|' ../empty.jobs
  run missing 2 '' ../no-such.jobs
  check missing_no_outdir "OUTDIR was created although JOBS is missing" test ! -e "$work/out/missing"
fi

echo "$reward" > "$logs/reward.txt"
exit 0
