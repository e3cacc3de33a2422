#!/bin/bash
# Wrong: everything that is left over is called a cycle, and optional needs are dropped altogether.
cat > plan.sh <<'EOF'
#!/bin/bash
[ $# = 1 ] && [ -r "$1" ] || { echo usage >&2; exit 2; }
sed 's/#.*//; s/?[^ ]*//g' "$1" | awk -F: '
  NF > 1 { gsub(/ /, "", $1); d[$1] = 1; need[$1] = need[$1] " " $2 }
  END {
    do { changed = 0
      for (p in d) if (!(p in wave)) {
        n = split(need[p], q, " "); w = 1
        for (i = 1; i <= n; i++) { if (!(q[i] in wave)) { w = 0; break } if (wave[q[i]] >= w) w = wave[q[i]] + 1 }
        if (w) { wave[p] = w; changed = 1 } }
    } while (changed)
    for (p in wave) print wave[p], p | "sort -k 1,1n -k 2,2"
    close("sort -k 1,1n -k 2,2")
    for (p in d) if (!(p in wave)) {
      n = split(need[p], q, " "); r = "cycle"
      for (i = 1; i <= n; i++) if (!(q[i] in d)) r = "missing"
      print r, p | "sort" ; bad = 1 }
    close("sort"); exit bad }'
EOF
