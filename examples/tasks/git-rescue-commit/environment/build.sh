# A repository where a finished chapter was lost: its branch was deleted and the reflogs expired.
set -e
export GIT_AUTHOR_NAME='Marit Solheim' GIT_AUTHOR_EMAIL=marit@example.net
export GIT_COMMITTER_NAME='Marit Solheim' GIT_COMMITTER_EMAIL=marit@example.net
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
now=1930000000
at() { now=$((now + 3600)); export GIT_AUTHOR_DATE="$now +0000" GIT_COMMITTER_DATE="$now +0000"; }
git init -q -b main field-notes
cd field-notes
git config gc.auto 0
save() { git add -A; at; git commit -q -m "$1"; }
printf 'Field notes\n===========\n' > README; save 'Start the notes'
printf 'Chapter 1: moss\n\nMoss grows on the north side.\n' > ch1.txt; save 'Add chapter 1'
git checkout -q -b lichen
printf 'Chapter 2: lichen\n\nDRAFT outline only\n' > ch2.txt; save 'Chapter 2: outline'
printf 'Chapter 2: lichen\n\nCrust lichen was seen on 14 of 20 stones.\n' > ch2.txt; save 'Chapter 2: count the stones'
printf 'Chapter 2: lichen\n\nCrust lichen was seen on 14 of 20 stones.\nLeaf lichen was seen on 3.\n' > ch2.txt
printf 'stone,crust,leaf\n1,y,n\n2,y,y\n3,n,n\n' > stones.csv; save 'Chapter 2: finished'
# a later try on top of the outline, given up
git checkout -q -b retry HEAD~2
printf 'Chapter 2: lichen\n\nRewrite from scratch, does not work\n' > ch2.txt; save 'Chapter 2: rewrite'
# a stash-like loose end from chapter 1
git checkout -q -b loose main~1
printf 'Chapter 1: mosses\n' > ch1.txt; save 'Chapter 1: other title'
git checkout -q main
git branch -q -D lichen retry loose
printf 'Chapter 3: ferns\n' > ch3.txt; save 'Add chapter 3'
git reflog expire --expire=all --all
rm -f .git/ORIG_HEAD
