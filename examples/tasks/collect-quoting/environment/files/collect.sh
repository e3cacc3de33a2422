#!/bin/bash
# collect.sh SRC DEST: copy the .rec files of SRC to DEST and write DEST/INDEX
if [ $# != 2 ]; then
  echo "usage: collect.sh SRC DEST" >&2
  exit 2
fi
src=$1
dest=$2
if [ ! -d $src ]; then
  echo "collect.sh: $src is not a directory" >&2
  exit 1
fi
mkdir -p $dest
rm -f $dest/INDEX
for f in $(ls $src | grep .rec); do
  cp $src/$f $dest
  echo $(wc -c < $src/$f) $f >> $dest/INDEX
done
