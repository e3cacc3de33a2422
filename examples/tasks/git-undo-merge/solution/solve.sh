#!/bin/bash
git -C press log --graph --oneline
git -C press show --stat --format='%h parents: %p' ':/Merge branch gloss'

# setup: an identity for the new commit, inside the repository
export GIT_AUTHOR_NAME=Operator GIT_AUTHOR_EMAIL=operator@example.net
export GIT_COMMITTER_NAME=Operator GIT_COMMITTER_EMAIL=operator@example.net
cd press

merge=$(git log --merges -1 --format=%H --grep='Merge branch gloss')
git diff "$merge^1" "$merge"
git revert --no-commit -m 1 "$merge"
git commit -q -m 'Back out gloss'

cat press.conf
git log --oneline -3
test -z "$(git status --porcelain)" && test ! -e uv.conf
