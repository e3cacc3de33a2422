#!/bin/bash
# Wrong: greps the words anywhere in a line and forgets days without records.
echo date,errors,warnings > summary.csv
for day in $(cat logs/*.log | cut -c 1-10 | grep '^2031-03-1[0-6]' | sort -u); do
  e=$(cat logs/*.log | grep "^$day" | grep -c ERROR)
  w=$(cat logs/*.log | grep "^$day" | grep -c WARN)
  [ "$e$w" = 00 ] || echo "$day,$e,$w" >> summary.csv
done
