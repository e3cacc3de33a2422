#!/bin/bash
ls -l readings.tar.gz
gzip -t readings.tar.gz
tar -tzf readings.tar.gz 2>&1 | tail -n 3

# setup: where the salvaged files go
dest=$PWD/salvaged

mkdir -p "$dest"
gzip -dc readings.tar.gz 2> /dev/null > cut.tar
tar -xf cut.tar -C "$dest" 2> /dev/null
mv "$dest/INDEX" INDEX.tmp
rm cut.tar

while read -r path size sum; do
  if [ -f "$dest/$path" ] && [ "$(cksum < "$dest/$path")" = "$sum $size" ]; then continue; fi
  rm -f "$dest/$path"
  echo "$path"
done < INDEX.tmp > lost.txt
rm INDEX.tmp

cat lost.txt
find "$dest" -type f | sort
test -s lost.txt && test -d "$dest/readings"
