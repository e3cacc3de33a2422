#!/bin/bash
# Wrong: merges the rescued branch, which makes a merge commit with two parents.
export GIT_AUTHOR_NAME=Rescue GIT_AUTHOR_EMAIL=rescue@example.net
export GIT_COMMITTER_NAME=Rescue GIT_COMMITTER_EMAIL=rescue@example.net
cd field-notes
for c in $(git fsck --no-reflogs --lost-found | awk '$2 == "commit" { print $3 }'); do
  if [ "$(git log -1 --format=%s "$c")" = 'Chapter 2: finished' ]; then git branch rescue "$c"; fi
done
git merge -q -m 'Bring back chapter 2' rescue
