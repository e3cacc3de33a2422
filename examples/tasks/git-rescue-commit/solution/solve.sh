#!/bin/bash
git -C field-notes log --oneline --all
git -C field-notes branch -a

# setup: an identity for new commits, inside the repository
export GIT_AUTHOR_NAME=Rescue GIT_AUTHOR_EMAIL=rescue@example.net
export GIT_COMMITTER_NAME=Rescue GIT_COMMITTER_EMAIL=rescue@example.net
cd field-notes

git fsck --no-reflogs --unreachable --no-progress | awk '$2 == "commit" { print $3 }' |
  xargs git log --no-walk --format='%h %an %ad %s'

lost=$(git fsck --no-reflogs --unreachable --no-progress | awk '$2 == "commit" { print $3 }' |
  xargs git log --no-walk --format='%H %s' | awk '/ Chapter 2: finished$/ { print $1 }')
git branch rescue "$lost"
git show --stat rescue

git checkout -q rescue -- ch2.txt stones.csv
git commit -q -m 'Bring back chapter 2'

git log --oneline --all --graph
git diff --exit-code main rescue -- ch2.txt stones.csv && test -z "$(git status --porcelain)"
