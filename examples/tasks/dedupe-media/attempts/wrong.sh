#!/bin/bash
# Wrong: compares name and size instead of content, and keeps whatever find lists first.
mkdir trash
find media -type f -printf '%s %f\t%p\n' | sort | awk -F '\t' '$1 == b { print k "\t" $2; next } { b = $1; k = $2 }' > duplicates.tsv
find media -type f -size +0 -printf '%s\t%p\n' | sort | awk -F '\t' '$1 == b { print k "\t" $2; next } { b = $1; k = $2 }' >> duplicates.tsv
cut -f 2 duplicates.tsv | sort -u | while read -r f; do
  mkdir -p "trash/$(dirname "${f#media/}")"
  mv "$f" "trash/${f#media/}"
done
