#!/bin/bash
# Wrong: keeps the file that was cut in the middle, and counts it as recovered.
mkdir salvaged
tar -xzf readings.tar.gz -C salvaged 2> /dev/null
while read -r path rest; do
  [ -f "salvaged/$path" ] || echo "$path"
done < salvaged/INDEX > lost.txt
rm salvaged/INDEX
