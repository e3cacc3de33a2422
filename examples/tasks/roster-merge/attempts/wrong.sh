#!/bin/bash
# Wrong: an inner join, sorted as text instead of by number.
export LC_ALL=C
{ echo badge,name,team,door,expires
  join -t, <(tail -n +2 staff.csv | sort -t, -k1,1) <(tail -n +2 badges.csv | sort -t, -k1,1)
} > merged.csv
