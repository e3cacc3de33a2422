#!/bin/bash
# batch.sh JOBS OUTDIR: add up the numbers of each job
set -e

jobs=$1
out=$2
if [ ! -r "$jobs" ]; then
  echo "batch.sh: cannot read $jobs" >&2
  exit 2
fi
mkdir -p "$out"
: > "$out/failed.txt"
ok=0
failed=0

add() {
  local total=0 n
  for n in "$@"; do
    [[ $n =~ ^-?[0-9]+$ ]] || return 1
    total=$((total + n))
  done
  echo "$total"
}

run_job() {
  local name=$1 total=$(add "${@:2}")
  echo "$total" > "$out/$name.sum"
}

cat "$jobs" | while read -r name numbers; do
  case $name in
    '' | '#'*) continue ;;
  esac
  if run_job "$name" $numbers; then
    ((ok++))
  else
    echo "$name" >> "$out/failed.txt"
    ((failed++))
  fi
done

echo "done: $ok ok, $failed failed"
[ $failed -gt 0 ] && exit 1
