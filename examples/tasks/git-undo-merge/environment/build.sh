# A published main with a merge that has to go, and good commits on top of it.
set -e
export GIT_AUTHOR_NAME='Dario Pell' GIT_AUTHOR_EMAIL=dario@example.net
export GIT_COMMITTER_NAME='Dario Pell' GIT_COMMITTER_EMAIL=dario@example.net
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
now=1931000000
at() { now=$((now + 1800)); export GIT_AUTHOR_DATE="$now +0000" GIT_COMMITTER_DATE="$now +0000"; }
git init -q -b main press
cd press
git config gc.auto 0
save() { git add -A; at; git commit -q -m "$1"; }
printf 'paper=matte\nink=black\nspeed=40\nfold=none\ntrim=3mm\nstack=200\n' > press.conf
printf 'Load paper.\nStart.\n' > manual.txt; save 'First settings'
git checkout -q -b gloss
printf 'paper=gloss\nink=uv\nspeed=25\nfold=none\ntrim=3mm\nstack=200\n' > press.conf; save 'Try gloss paper'
printf 'lamp=on\n' > uv.conf; save 'UV lamp settings'
git checkout -q main
printf 'paper=matte\nink=black\nspeed=40\nfold=none\ntrim=5mm\nstack=200\n' > press.conf; save 'Trim 5 mm'
at; git merge -q --no-ff -m 'Merge branch gloss' gloss > /dev/null
printf 'Load paper.\nCheck the guard.\nStart.\n' > manual.txt; save 'Manual: check the guard'
sed 's/stack=200/stack=250/' press.conf > t && mv t press.conf; save 'Higher stack'
at; git tag released
git branch -q -D gloss
