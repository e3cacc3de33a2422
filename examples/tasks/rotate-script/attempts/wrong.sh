#!/bin/bash
# Wrong: a fixed descending loop from KEEP: generations above KEEP stay, and the mode of FILE is lost.
cat > rotate.sh <<'EOF'
#!/bin/bash
[ $# = 2 ] && [ "$2" -ge 1 ] 2> /dev/null || { echo usage >&2; exit 2; }
[ -s "$1" ]
rm -f "$1.$2.gz"
for ((n = $2 - 1; n >= 2; n--)); do
  [ -e "$1.$n.gz" ] && mv "$1.$n.gz" "$1.$((n + 1)).gz"
done
[ -e "$1.1" ] && gzip -c "$1.1" > "$1.2.gz"
cp "$1" "$1.1"
: > "$1"
exit 0
EOF
