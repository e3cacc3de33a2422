#!/bin/bash
# Wrong: counts all status codes.
awk '{ bytes[$2] += $4; n[$2]++ } END { for (c in bytes) printf "%s %.0f %d\n", c, bytes[c], n[c] }' traffic.log |
  LC_ALL=C sort -k 2,2nr -k 1,1 | head -n 10 > top.txt
