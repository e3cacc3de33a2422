#!/bin/bash
# Wrong: no dry run, so the half of a failing patch that fits stays in the tree.
grep -v -e '^#' -e '^$' patches/series | while read -r name level; do
  if patch -N -s --no-backup-if-mismatch -r - ${level:--p1} < "patches/$name" > /dev/null 2>&1; then
    echo "$name applied"
  elif patch -R -f -s --dry-run ${level:--p1} < "patches/$name" > /dev/null 2>&1; then
    echo "$name already"
  else
    echo "$name failed"
  fi
done > report.txt
