#!/bin/bash
# Wrong: puts the files of the first parent back, which also drops the later change to press.conf.
export GIT_AUTHOR_NAME=Operator GIT_AUTHOR_EMAIL=operator@example.net
export GIT_COMMITTER_NAME=Operator GIT_COMMITTER_EMAIL=operator@example.net
cd press
merge=$(git log --merges -1 --format=%H)
git checkout -q "$merge^1" -- press.conf
git rm -q uv.conf
git commit -q -m 'Back out gloss'
