#!/bin/bash
head -n 4 snapshot.tsv journal.log
tail -n 3 journal.log
wc -l snapshot.tsv journal.log

# setup: the position of the snapshot
export LC_ALL=C
last=$(awk -F '\t' 'NR == 1 { print $2 }' snapshot.tsv)

# the valid part of the journal
awk -F '|' '
  NF != 6 { exit }
  (7 * $1 + 3 * $2 + $5 + length($3) + length($4)) % 97 != $6 + 0 { exit }
  NR > 1 && $1 != before + 1 { exit }
  { before = $1; print }' journal.log > valid.tmp
tail -n 1 valid.tmp

awk -F '|' -v last="$last" '
  NR == FNR { split($0, f, "\t"); if (FNR > 1) stock[f[1]] = f[2]; next }
  $3 == "ABORT" { delete ops[$2]; if ($1 > last) print $2 > "dropped.tmp"; next }
  $3 == "COMMIT" {
    n = split(ops[$2], list, "\n"); delete ops[$2]
    if ($1 <= last) next
    applied = applied " " $2
    for (i = 1; i < n; i++) {
      split(list[i], o, "|")
      if (o[1] == "SET") stock[o[2]] = o[3]
      else if (o[1] == "ADD") stock[o[2]] += o[3]
      else delete stock[o[2]]
    }
    next }
  { ops[$2] = ops[$2] $3 "|" $4 "|" $5 "\n" }
  END {
    for (item in stock) print item "\t" stock[item] > "stock.tmp"
    for (t in ops) if (ops[t] != "") print t > "dropped.tmp"
    print "applied:" applied > "report.txt" }' snapshot.tsv valid.tmp
sort stock.tmp > stock.tsv
echo "dropped: $(sort -n dropped.tmp | paste -s -d ' ')" >> report.txt
rm -f stock.tmp dropped.tmp valid.tmp

cat report.txt stock.tsv
sort -c stock.tsv && test "$(wc -l < report.txt)" -eq 2
