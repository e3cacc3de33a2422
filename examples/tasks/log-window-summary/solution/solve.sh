#!/bin/bash
ls -l logs
head -n 4 logs/*.log
awk '{ print $2 }' logs/*.log | sort | uniq -c

# setup: the window of days asked for
export first=2031-03-10 last=2031-03-16

day=$first
until [[ $day > $last ]]; do
  echo "$day"
  day=$(date -u -d "$day + 1 day" +%F)
done > days.tmp

awk 'BEGIN { print "date,errors,warnings" }
     NR == FNR { order[++n] = $1; next }
     /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T/ { count[substr($1, 1, 10), $2]++ }
     END { for (i = 1; i <= n; i++) printf "%s,%d,%d\n", order[i], count[order[i], "ERROR"], count[order[i], "WARN"] }
' days.tmp logs/*.log > summary.csv
rm days.tmp

cat summary.csv
test "$(wc -l < summary.csv)" -eq 8 && grep -q "^$first," summary.csv && grep -q "^$last," summary.csv
