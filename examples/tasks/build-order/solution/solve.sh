#!/bin/bash
cat example.deps example.out

# setup: byte order
export LC_ALL=C

cat > plan.sh <<'EOF'
#!/bin/bash
# plan.sh FILE: build plan of the packages in FILE
export LC_ALL=C
if [ $# != 1 ] || [ ! -r "$1" ] || [ -d "$1" ]; then
  echo "usage: plan.sh FILE" >&2
  exit 2
fi
plan=$(awk '
  { sub(/#.*/, "") }
  !/[^ \t\r]/ { next }
  { at = index($0, ":"); name = substr($0, 1, at - 1); gsub(/[ \t]/, "", name)
    defined[name] = 1
    needs[name] = needs[name] " " substr($0, at + 1) }
  END {
    for (p in defined) {
      n = split(needs[p], need, " ")
      for (i = 1; i <= n; i++) {
        q = need[i]
        if (q ~ /^\?/) { q = substr(q, 2); if (!(q in defined)) continue }
        else if (!(q in defined)) { missing[p] = 1; continue }
        if (!((p, q) in edge)) { edge[p, q] = 1; out[p] = out[p] " " q }
      }
    }
    # waves: repeat until nothing changes
    do {
      changed = 0
      for (p in defined) if (!(p in wave) && !(p in missing)) {
        n = split(out[p], need, " "); w = 1
        for (i = 1; i <= n && w; i++) w = !(need[i] in wave) ? 0 : (wave[need[i]] >= w) ? wave[need[i]] + 1 : w
        if (w) { wave[p] = w; changed = 1 }
      }
    } while (changed)
    for (p in defined) {
      if (p in wave) { print "0 " wave[p] " " p; continue }
      if (p in missing) { print "1 missing " p; continue }
      # does p reach itself?
      split("", seen); todo = out[p]; found = 0
      while (!found && (n = split(todo, queue, " ")) > 0) {
        todo = ""
        for (i = 1; i <= n; i++) {
          if (queue[i] == p) { found = 1; break }
          if (!(queue[i] in seen)) { seen[queue[i]] = 1; todo = todo " " out[queue[i]] }
        }
      }
      print "1 " (found ? "cycle " : "waits ") p
    }
  }' < "$1")
[ -z "$plan" ] || { grep '^0' <<< "$plan" | sort -k 2,2n -k 3,3; grep '^1' <<< "$plan" | sort -k 2,2 -k 3,3; } | cut -c 3-
! grep -q '^1' <<< "$plan"
EOF

bash plan.sh example.deps; echo "status $?"
bash plan.sh example.deps | diff - example.out

printf 'a: b\nb :\n' > try.tmp
test "$(bash plan.sh try.tmp)" = "$(printf '1 b\n2 a')" && bash plan.sh try.tmp > /dev/null
rm try.tmp
bash -n plan.sh
