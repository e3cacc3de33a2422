#!/bin/bash
ls -l delivery.tar
tar -tvf delivery.tar

# setup: the place for the result
dest=$PWD/configs

mkdir "$dest"
tar -xf delivery.tar -C "$dest"
while archive=$(find "$dest" -type f \( -name '*.tar' -o -name '*.tar.gz' -o -name '*.tgz' \) | head -n 1); [ -n "$archive" ]; do
  place=${archive%.tar}
  place=${place%.tar.gz}
  place=${place%.tgz}
  mkdir -p "$place"
  tar -xf "$archive" -C "$place"
  rm "$archive"
done

find "$dest" ! -type d \( ! -type f -o ! -name '*.conf' \) -delete
find "$dest" -mindepth 1 -type d -empty -delete

find "$dest" | sort
test -z "$(find "$dest" -type f ! -name '*.conf')" && test -f "$dest/top.conf"
