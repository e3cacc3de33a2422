#!/bin/bash
# Wrong: skips the bad record instead of stopping at it, and forgets operations from before the snapshot.
last=$(awk 'NR == 1 { print $2 }' snapshot.tsv)
awk -F '|' -v last="$last" '
  NR == FNR { split($0, f, "\t"); if (FNR > 1) stock[f[1]] = f[2]; next }
  NF != 6 || $1 <= last || (7 * $1 + 3 * $2 + $5 + length($3) + length($4)) % 97 != $6 + 0 { next }
  $3 == "ABORT" { delete ops[$2]; dropped = dropped " " $2; next }
  $3 == "COMMIT" { n = split(ops[$2], list, "\n"); applied = applied " " $2; delete ops[$2]
    for (i = 1; i < n; i++) { split(list[i], o, "|")
      if (o[1] == "SET") stock[o[2]] = o[3]; else if (o[1] == "ADD") stock[o[2]] += o[3]; else delete stock[o[2]] }
    next }
  { ops[$2] = ops[$2] $3 "|" $4 "|" $5 "\n" }
  END { for (item in stock) print item "\t" stock[item]
    print "applied:" applied > "report.txt"; print "dropped:" dropped > "report.txt" }' snapshot.tsv journal.log |
  LC_ALL=C sort > stock.tsv
