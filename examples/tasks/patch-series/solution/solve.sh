#!/bin/bash
cat patches/series
find etc -type f | sort
head -n 12 patches/*.patch

# setup: how patch is called here
options='--force --silent --fuzz=0 --no-backup-if-mismatch --reject-file=-'

grep -v -e '^#' -e '^[[:space:]]*$' patches/series | while read -r name level; do
  level=${level:--p1}
  if patch $options $level --dry-run < "patches/$name" > /dev/null 2>&1; then
    patch $options --remove-empty-files $level < "patches/$name" > /dev/null
    echo "$name applied"
  elif patch $options $level --reverse --dry-run < "patches/$name" > /dev/null 2>&1; then
    echo "$name already"
  else
    echo "$name failed"
  fi
done > report.txt

cat report.txt
find etc -type f | sort
test -z "$(find etc -name '*.orig' -o -name '*.rej')" && test -s report.txt && test -n "$options"
