#!/bin/bash
cat tools/batch.sh
cat tools/example.jobs

# setup: work among the tools
cd tools

cat > batch.sh <<'EOF'
#!/bin/bash
# batch.sh JOBS OUTDIR: add up the numbers of each job
set -u -f
jobs=$1
out=$2
if [ ! -r "$jobs" ] || [ -d "$jobs" ]; then
  echo "batch.sh: cannot read $jobs" >&2
  exit 2
fi
mkdir -p "$out" || exit 2
: > "$out/failed.txt"
ok=0
failed=0
# add NUMBER...: print the sum; status 1 at anything that is not a whole number
add() {
  local total=0 n sign
  for n in "$@"; do
    [[ $n =~ ^-?[0-9]+$ ]] || return 1
    sign=${n%%[0-9]*}
    total=$((total + ${sign}10#${n#-}))
  done
  echo "$total"
}
while read -r name numbers || [ -n "$name" ]; do
  case $name in
    '' | '#'*) continue ;;
  esac
  if total=$(add $numbers); then
    echo "$total" > "$out/$name.sum"
    ok=$((ok + 1))
  else
    echo "$name" >> "$out/failed.txt"
    failed=$((failed + 1))
  fi
done < "$jobs"
echo "done: $ok ok, $failed failed"
[ "$failed" -eq 0 ]
EOF

bash batch.sh example.jobs try.tmp; echo "status $?"
grep . try.tmp/*
rm -r try.tmp

printf 'a 010 -08\nb' > try.jobs
bash batch.sh try.jobs try.tmp && grep -qx 2 try.tmp/a.sum && grep -qx 0 try.tmp/b.sum
rm -r try.tmp try.jobs
bash -n batch.sh
