#!/bin/bash
# Wrong: takes everything that is not UTF-16 for Latin-1, keeps the UTF-8 mark.
mkdir outbox
for f in inbox/*.txt; do
  case $(head -c 2 "$f" | od -An -tx1 | tr -d ' ') in
    fffe | feff) iconv -f UTF-16 -t UTF-8 "$f" ;;
    *) iconv -f UTF-8 -t UTF-8 "$f" 2> /dev/null > try.tmp && cat try.tmp || iconv -f LATIN1 -t UTF-8 "$f" ;;
  esac | tr -d '\r' > "outbox/${f##*/}"
done
rm try.tmp
