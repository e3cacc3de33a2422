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

# run NAME STATUS ARGUMENT...
run() {
  local name=$1 want=$2 seen; shift 2
  timeout 5 bash "$work/rotate.sh" "$@" > "$work/stdout" 2> "$work/stderr" < /dev/null
  seen=$?
  check "${name}_status" "status $want expected, $seen seen: $(head -n 1 "$work/stderr" | cut -c 1-80)" test "$seen" = "$want"
  check "${name}_quiet" "standard output should be empty" test ! -s "$work/stdout"
}
# state NAME DIRECTORY: one line per file, "name: text", compared with the lines on stdin
state() {
  cat > "$work/want"
  (cd "$2" && for f in *; do
    case $f in *.gz) printf '%s: %s\n' "$f" "$(gzip -dc < "$f" 2> /dev/null)" ;; *) printf '%s: %s\n' "$f" "$(cat "$f")" ;; esac
  done) | sort > "$work/seen"
  sort "$work/want" > "$work/want.sorted"
  same "$1" "$work/want.sorted" "$work/seen"
}
zip() { printf '%s\n' "$2" | gzip -n > "$1"; }
if [ ! -f rotate.sh ]; then
  fail script "rotate.sh is missing"
else
  cp rotate.sh "$work/rotate.sh"
  mkdir "$work/run" && cd "$work/run"
  mkdir 'var log'
  for n in 2 3 5 8 9 10; do zip "var log/srv log.$n.gz" "gen $n"; done
  echo new > 'var log/srv log'; chmod 640 'var log/srv log'
  echo 'gen 1' > 'var log/srv log.1'
  echo other > 'var log/srv log.old'; echo tmp > 'var log/srv log.2.gz.tmp'; echo x > 'var log/srv log.1x'
  echo b1 > 'var log/srv.1'; zip 'var log/other.2.gz' b2
  run gaps 0 'var log/srv log' 11
  state gaps_files 'var log' <<'W'
srv log: 
srv log.1: new
srv log.2.gz: gen 1
srv log.3.gz: gen 2
srv log.4.gz: gen 3
srv log.6.gz: gen 5
srv log.9.gz: gen 8
srv log.10.gz: gen 9
srv log.11.gz: gen 10
srv log.old: other
srv log.2.gz.tmp: tmp
srv log.1x: x
srv.1: b1
other.2.gz: b2
W
  modes=$(stat -c %a 'var log/srv log' 'var log/srv log.1' 2> /dev/null | tr '\n' ' ')
  check modes "FILE and FILE.1 should both have mode 640, seen: $modes" test "$modes" = '640 640 '
  run empty 0 'var log/srv log' 3
  check empty_unchanged "an empty FILE must not be rotated" test -e 'var log/srv log.11.gz' -a ! -s 'var log/srv log'
  run missing 0 'var log/none' 3
  check missing_unchanged "a missing FILE must not be created" test ! -e 'var log/none'
  echo newer > 'var log/srv log'
  run shrink 0 'var log/srv log' 3
  state shrink_files 'var log' <<'W'
srv log: 
srv log.1: newer
srv log.2.gz: new
srv log.3.gz: gen 1
srv log.old: other
srv log.2.gz.tmp: tmp
srv log.1x: x
srv.1: b1
other.2.gz: b2
W
  mkdir one; echo first > one/l
  run first 0 one/l 1
  echo second > one/l
  run keep_one 0 one/l 1
  state keep_one_files one <<'W'
l: 
l.1: second
W
  echo third > one/l
  run bad_keep 2 one/l 0
  run bad_word 2 one/l many
  run no_keep 2 one/l
  state bad_unchanged one <<'W'
l: third
l.1: second
W
fi

echo "$reward" > "$logs/reward.txt"
exit 0
