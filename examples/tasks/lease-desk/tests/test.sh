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

# session NAME N INPUT ANSWERS: feed the input (printf format) and compare all answers
session() {
  local seen
  printf "$3" > "$work/in"; printf "$4" > "$work/want"
  timeout 5 bash "$work/desk.sh" "$2" < "$work/in" > "$work/seen" 2> /dev/null
  seen=$?
  check "$1_status" "status 0 expected, $seen seen" test "$seen" = 0
  same "$1" "$work/want" "$work/seen"
}
if [ ! -f desk.sh ]; then
  fail script "desk.sh is missing"
else
  cp desk.sh "$work/desk.sh"
  mkdir "$work/run" && cd "$work/run"
  touch x1 x2
  session basic 2 'TAKE ada\nTAKE ben\nTAKE cy\nTAKE ben\nFREE 1\nFREE 1\nTAKE cy\nWHO 1\nWHO 2\nLIST\nQUIT\nTAKE late\n' \
    'OK 1\nOK 2\nFULL\nHELD 2\nOK\nERR not taken\nOK 1\ncy\nben\n1 cy\n2 ben\n.\nBYE\n'
  session empty 3 '' ''
  session last_line 3 'TAKE a\nWHO 1' 'OK 1\na\n'
  session crlf 3 'take a\r\n\r\nwho 1\r\nlist\r\n' 'OK 1\na\n1 a\n.\n'
  session blanks 3 '\n   \n\t\n  TaKe \t a  \n WHO   1\n' 'OK 1\na\n'
  session names 9 'TAKE *\nTAKE Ada\nTAKE ada\nTAKE -n\nTAKE a\\b\nTAKE $HOME\nTAKE %%s\nTAKE 1]\nWHO 1\nWHO 4\nLIST\n' \
    'OK 1\nOK 2\nOK 3\nOK 4\nOK 5\nOK 6\nOK 7\nOK 8\n*\n-n\n1 *\n2 Ada\n3 ada\n4 -n\n5 a\\b\n6 $HOME\n7 %%s\n8 1]\n.\n'
  session usage 3 'TAKE\nTAKE a b\nFREE\nFREE 1 2\nLIST 1\nQUIT now\nWHO\nLIST\n' \
    'ERR usage\nERR usage\nERR usage\nERR usage\nERR usage\nERR usage\nERR usage\n.\n'
  session numbers 12 'WHO 0\nWHO 13\nWHO 01\nWHO +1\nWHO x\nFREE 99\nFREE -1\nWHO 12\nWHO a[1]\nFREE 1+1\nHOLD 1\nTAKEN a\n' \
    'ERR no such locker\nERR no such locker\nERR no such locker\nERR no such locker\nERR no such locker\nERR no such locker\nERR no such locker\n-\nERR no such locker\nERR no such locker\nERR unknown command\nERR unknown command\n'
  many=; answers=; list=
  for i in 1 2 3 4 5 6 7 8 9 10 11 12; do many+="TAKE u$i\n"; answers+="OK $i\n"; [ $i = 3 ] || list+="$i u$i\n"; done
  session order 12 "${many}FREE 3\nLIST\nTAKE u12\nTAKE new\n" "${answers}OK\n${list}.\nHELD 12\nOK 3\n"
  # a client that waits for each answer
  coproc desk { timeout 5 bash "$work/desk.sh" 2 2> /dev/null; }
  seen=
  for line in 'TAKE a' 'TAKE b' 'WHO 2' QUIT; do
    { echo "$line" >&"${desk[1]}"; } 2> /dev/null
    answer='(none)'
    { read -r -t 3 answer <&"${desk[0]}" || answer='(none)'; } 2> /dev/null
    seen+="$answer;"
    [ "$answer" = '(none)' ] && break
  done
  kill "$desk_PID" 2> /dev/null
  check interactive "answers should come at once: expected OK 1;OK 2;b;BYE; seen $seen" test "$seen" = 'OK 1;OK 2;b;BYE;'
  made=$(ls -A | grep -v -x -e x1 -e x2 | head -n 3 | tr '\n' ' ')
  check no_files "the server created: $made" test -z "$made"
fi

echo "$reward" > "$logs/reward.txt"
exit 0
