#!/bin/bash
head -n 3 staff.csv badges.csv
wc -l staff.csv badges.csv

# setup: byte order for sort and join, and the list of output columns
export LC_ALL=C
columns=0,1.2,1.3,2.2,2.3

for f in staff badges; do
  tail -n +2 $f.csv | sort -t, -k1,1 > $f.sorted
done

{ echo badge,name,team,door,expires
  join -t, -a 1 -a 2 -e - -o "$columns" staff.sorted badges.sorted | sort -t, -k1,1n
} > merged.csv
rm staff.sorted badges.sorted

cat merged.csv
awk -F, 'NF != 5 || (NR > 2 && $1 <= last) { bad = 1 } { last = $1 + 0 } END { exit bad }' merged.csv
