#!/bin/bash
cat rotate.sh

cat > rotate.sh <<'EOF'
#!/bin/bash
# rotate.sh FILE KEEP: keep KEEP old generations of FILE
if [ $# != 2 ] || [[ ! $2 =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: rotate.sh FILE KEEP" >&2
  exit 2
fi
file=$1
keep=$2
case $file in /*) ;; *) file=./$file ;; esac
if [ ! -s "$file" ]; then exit 0; fi
mode=$(stat -c %a "$file")
# the numbers of the compressed generations, highest first
numbers=$(for old in "$file".*.gz; do
  n=${old#"$file".}
  n=${n%.gz}
  if [[ $n =~ ^[1-9][0-9]*$ ]] && [ "$n" -gt 1 ]; then echo "$n"; fi
done | sort -rn)
for n in $numbers; do
  if [ "$n" -ge "$keep" ]; then rm -f "$file.$n.gz"; else mv "$file.$n.gz" "$file.$((n + 1)).gz"; fi
done
if [ -e "$file.1" ]; then
  if [ "$keep" -ge 2 ]; then gzip -c "$file.1" > "$file.2.gz"; fi
  rm -f "$file.1"
fi
mv "$file" "$file.1"
: > "$file"
chmod "$mode" "$file"
EOF

mkdir try.tmp
for i in 1 2 3 4; do
  echo "run $i" > 'try.tmp/a log'
  bash rotate.sh 'try.tmp/a log' 3
done
ls try.tmp
zcat 'try.tmp/a log.3.gz'

test "$(zcat 'try.tmp/a log.3.gz')" = 'run 2' && test "$(cat 'try.tmp/a log.1')" = 'run 4' && test ! -e 'try.tmp/a log.4.gz'
rm -r try.tmp
bash -n rotate.sh
