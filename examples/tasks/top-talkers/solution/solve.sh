#!/bin/bash
head -n 3 traffic.log
wc -l traffic.log
awk '{ print $3 }' traffic.log | sort | uniq -c

# setup: the range of status codes that counts, and byte order
low=200 high=299
export LC_ALL=C

awk -v low="$low" -v high="$high" '$3 >= low + 0 && $3 <= high + 0 { bytes[$2] += $4; n[$2]++ }
     END { for (c in bytes) printf "%s %.0f %d\n", c, bytes[c], n[c] }' traffic.log |
  sort -k 2,2nr -k 1,1 > all.tmp
head -n 10 all.tmp > top.txt
rm all.tmp

cat top.txt
test "$(wc -l < top.txt)" -eq 10 && sort -c -k 2,2nr -k 1,1 top.txt
