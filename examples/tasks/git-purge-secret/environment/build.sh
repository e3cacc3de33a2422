# A repository with a password in its history: in a file, in a commit message, on a side branch and behind a tag.
set -e
export GIT_AUTHOR_NAME='Anke Riis' GIT_AUTHOR_EMAIL=anke@example.net
export GIT_COMMITTER_NAME='Anke Riis' GIT_COMMITTER_EMAIL=anke@example.net
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
now=1932000000
at() { now=$((now + 900)); export GIT_AUTHOR_DATE="$now +0000" GIT_COMMITTER_DATE="$now +0000"; }
git init -q -b main relay
cd relay
git config gc.auto 0
save() { git add -A; at; git commit -q -m "$1"; }
printf 'relay station\n' > README; save 'Start'
printf 'host=relay.example.net\nuser=feed\npassword=tulip-9917-harbor\n' > relay.conf; save 'Add relay.conf'
printf '#!/bin/sh\n. ./relay.conf\necho "$host"\n' > run.sh; chmod 755 run.sh; save 'Runner'
at; git tag -a v1 -m 'first release'
git checkout -q -b metrics
printf 'count=1\n' > metrics.conf; save 'Metrics'
printf 'count=1\n# login feed / tulip-9917-harbor works here too\n' > metrics.conf; save 'Metrics: note'
git checkout -q main
printf 'host=relay.example.net\nuser=feed\npassword=from-environment\n' > relay.conf
save 'Do not keep tulip-9917-harbor in the file'
printf 'relay station\nsee run.sh\n' > README; save 'Say where to start'
at; git tag v2
# leftovers of the day: a stash and an amended commit in the reflog
printf 'host=relay.example.net\nuser=feed\npassword=tulip-9917-harbor\ndebug=1\n' > relay.conf
at; git stash -q
