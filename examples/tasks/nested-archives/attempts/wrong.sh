#!/bin/bash
# Wrong: goes only one level down, and keeps links.
mkdir configs tmp.d
tar -xf delivery.tar -C tmp.d
cp tmp.d/top.conf configs
for a in site-a.tar.gz site-b.tar.gz misc/site-c.tgz; do
  place=${a%.tar.gz}; place=configs/${place%.tgz}
  mkdir -p "$place"
  tar -xf "tmp.d/$a" -C "$place" --wildcards '*.conf'
done
rm -r tmp.d
