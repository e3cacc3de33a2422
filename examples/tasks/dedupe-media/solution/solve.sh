#!/bin/bash
find media | sort
find media -type f -size +0 -exec sha256sum {} + | sort | uniq -D -w 64

# setup: byte order, and where duplicates go
export LC_ALL=C
trash=$PWD/trash

# checksum, length of the path, path: the first of each checksum is kept
find media -type f -size +0 -exec sha256sum {} + |
  awk '{ path = substr($0, 67); printf "%s\t%d\t%s\n", $1, length(path), path }' |
  sort -t "$(printf '\t')" -k 1,1 -k 2,2n -k 3,3 |
  awk -F '\t' '$1 == before { print kept "\t" $3; next } { before = $1; kept = $3 }' |
  sort -t "$(printf '\t')" -k 2,2 > duplicates.tsv
cat duplicates.tsv

while IFS=$(printf '\t') read -r kept moved; do
  cmp "$kept" "$moved" || continue
  to=$trash/${moved#media/}
  mkdir -p "${to%/*}"
  mv "$moved" "$to"
done < duplicates.tsv

find "$trash" -type f
test "$(find "$trash" -type f | wc -l)" -eq "$(wc -l < duplicates.tsv)" && test -s duplicates.tsv
test -z "$(find media -type f -size +0 -exec sha256sum {} + | sort | uniq -D -w 64)"
