#!/bin/bash
# Wrong: rewrites main only, and leaves the old objects behind in tag, branch, stash and reflog.
export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x@example.net GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x@example.net
cd relay
git stash drop -q
git fast-export main > ../s
sed -e 's/^data 62$/data 53/' -e 's/tulip-9917-harbor/REDACTED/' ../s > ../t
git checkout -q --detach
git fast-import --quiet --force < ../t 2> /dev/null
git checkout -q -f main
rm -f ../s ../t
