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

# run STATUS NAME ARGUMENT...: run the repaired script in the scratch directory and check status and stdout
run() {
  local want=$1 name=$2 seen; shift 2
  timeout 5 bash "$script" "$@" > "$work/stdout" 2> "$work/stderr" < /dev/null
  seen=$?
  check "${name}_status" "status $want expected, $seen seen: $(head -n 1 "$work/stderr" | cut -c 1-80)" test "$seen" = "$want"
  check "${name}_quiet" "standard output should be empty" test ! -s "$work/stdout"
}
if [ ! -f collect.sh ]; then
  fail script "collect.sh is missing"
else
  script=$work/collect.sh
  cp collect.sh "$script"
  mkdir "$work/run" && cd "$work/run"
  mkdir -p 'in  put/sub' 'in  put/dir.rec'
  printf 'one' > 'in  put/a  b.rec'; printf 'two two' > 'in  put/-n.rec'; printf '3' > 'in  put/*.rec'
  printf '4444' > 'in  put/$HOME \.rec'; printf '55555' > "in  put/it's \"q\".rec"; : > 'in  put/Z[1]?.rec'
  printf 'x' > 'in  put/direct.txt'; printf 'x' > 'in  put/a.rec.bak'; printf 'x' > 'in  put/.hidden.rec'
  printf 'x' > 'in  put/sub/deep.rec'; printf 'x' > 'in  put/xrec'
  printf '%s\n' '1 *.rec' '7 -n.rec' '0 Z[1]?.rec' '3 a  b.rec' "5 it's \"q\".rec" '4 $HOME \.rec' |
    LC_ALL=C sort -k 2 > "$work/want"
  run 0 odd_names 'in  put' 'out  dir/new'
  same odd_names_index "$work/want" 'out  dir/new/INDEX'
  n=$(find 'out  dir/new' -mindepth 1 2> /dev/null | wc -l)
  check odd_names_files "6 files and INDEX expected in DEST, $n entries seen" test "$n" = 7
  for f in 'a  b' -n '*' '$HOME \' "it's \"q\"" 'Z[1]?'; do
    cmp -s "in  put/$f.rec" "out  dir/new/$f.rec" || { fail copies "$f.rec was not copied"; break; }
  done
  run 0 second_run 'in  put' 'out  dir/new'
  same second_run_index "$work/want" 'out  dir/new/INDEX'
  mkdir ./-src && printf 'abc' > ./-src/k.rec
  run 0 dashes -src -dst
  echo '3 k.rec' > "$work/want"
  same dashes_index "$work/want" ./-dst/INDEX
  mkdir none && touch none/other.txt
  run 0 nothing none out2
  check nothing_index "INDEX should exist and be empty" test -f out2/INDEX -a ! -s out2/INDEX
  run 2 one_argument none
  run 1 no_directory missing out3
fi

echo "$reward" > "$logs/reward.txt"
exit 0
