#!/bin/bash
cat collect.sh
ls sample
bash collect.sh sample out.tmp; cat out.tmp/INDEX; rm -r out.tmp

cat > collect.sh <<'EOF'
#!/bin/bash
# collect.sh SRC DEST: copy the .rec files of SRC to DEST and write DEST/INDEX
export LC_ALL=C
if [ $# != 2 ]; then
  echo "usage: collect.sh SRC DEST" >&2
  exit 2
fi
src=$1
dest=$2
if [ ! -d "$src" ]; then
  echo "collect.sh: $src is not a directory" >&2
  exit 1
fi
# a relative path must not look like an option
case $src in /*) ;; *) src=./$src ;; esac
case $dest in /*) ;; *) dest=./$dest ;; esac
mkdir -p "$dest" || exit 1
: > "$dest/INDEX"
for f in "$src"/*.rec; do
  [ -f "$f" ] && [ ! -L "$f" ] || continue
  cp "$f" "$dest/" || exit 1
  printf '%d %s\n' "$(wc -c < "$f")" "${f##*/}" >> "$dest/INDEX"
done
exit 0
EOF

mkdir 'try 1' && touch 'try 1/a  b.rec' 'try 1/-n.rec' 'try 1/*.rec' 'try 1/direct.txt'
bash collect.sh 'try 1' '-out'
cat ./-out/INDEX
rm -r 'try 1' ./-out

bash collect.sh sample out.tmp && diff sample/tide.rec out.tmp/tide.rec && cat out.tmp/INDEX
rm -r out.tmp
bash -n collect.sh
