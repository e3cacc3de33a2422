#!/bin/bash
ls -l inbox
for f in inbox/*.txt; do echo "$f: $(head -c 4 "$f" | od -An -tx1)"; done

# setup: bytes, not characters
export LC_ALL=C
in=inbox out=outbox

mkdir "$out"
for f in "$in"/*.txt; do
  to=$out/${f##*/}
  case $(head -c 2 "$f" | od -An -tx1 | tr -d ' \n') in
    fffe) tail -c +3 "$f" | iconv -f UTF-16LE -t UTF-8 ;;
    feff) tail -c +3 "$f" | iconv -f UTF-16BE -t UTF-8 ;;
    *) if iconv -f UTF-8 -t UTF-8 "$f" > /dev/null 2>&1
       then sed '1s/^\xef\xbb\xbf//' "$f"
       else iconv -f WINDOWS-1252 -t UTF-8 "$f"
       fi ;;
  esac | sed 's/\r$//' > "$to"
  if [ -s "$to" ] && [ "$(tail -c 1 "$to" | od -An -tx1 | tr -d ' ')" != 0a ]; then echo >> "$to"; fi
done

ls -l "$out"
cat "$out"/*.txt
cat "$out"/*.txt | iconv -f UTF-8 -t UTF-8 > /dev/null && ! grep -q "$(printf '\r')" "$out"/*.txt
