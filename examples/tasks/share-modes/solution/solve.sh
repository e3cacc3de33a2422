#!/bin/bash
find share -printf '%m %y %p\n' | sort -k 3

# setup: work inside the share
cd share

find . -type d -exec chmod 755 {} +
find . -type f -exec chmod 644 {} +
find in -type f -exec chmod 440 {} +

find tools -type f | while IFS= read -r f; do
  if [ "$(head -c 2 "$f")" = '#!' ]; then chmod 755 "$f"; fi
done

chmod 700 keys
find keys -type f ! -name '*.pub' -exec chmod 600 {} +

find . -printf '%m %y %p\n' | sort -k 3
test "$(stat -c %a keys)" = 700 && test "$(stat -c %a tools/sync)" = 755
