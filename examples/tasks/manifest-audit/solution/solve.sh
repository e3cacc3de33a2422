#!/bin/bash
cat MANIFEST
find store -type f

# setup: byte order, and work from inside the store
export LC_ALL=C
cd store

while read -r sum path; do
  if [ ! -f "$path" ]; then echo "MISSING $path"
  elif [ "$(sha256sum < "$path" | cut -d ' ' -f 1)" = "$sum" ]; then echo "OK $path"
  else echo "CHANGED $path"
  fi
done < ../MANIFEST > ../listed.tmp

find . -type f | sed 's|^\./||' | sort > ../present.tmp
cut -c 67- ../MANIFEST | sort > ../known.tmp
comm -23 ../present.tmp ../known.tmp | sed 's/^/EXTRA /' > ../extra.tmp

sort -k 2 ../listed.tmp ../extra.tmp > ../audit.txt
rm ../listed.tmp ../present.tmp ../known.tmp ../extra.tmp

cat ../audit.txt
test "$(grep -c -v '^EXTRA ' ../audit.txt)" -eq "$(wc -l < ../MANIFEST)"
