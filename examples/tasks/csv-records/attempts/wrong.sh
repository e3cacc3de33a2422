#!/bin/bash
# Wrong: splits at line ends, so a quoted field with a line break becomes two broken records.
awk 'function escape(v) { if (v ~ /^".*"$/) { v = substr(v, 2, length(v) - 2); gsub(/""/, "\"", v) } gsub(/\\/, "&&", v); gsub(/\t/, "\\t", v); return v }
  BEGIN { print "id\tcustomer\tamount\tnote" > "records.tsv"; printf "" > "rejected.txt" }
  { sub(/\r$/, "") } $0 == "" { next }
  { n = 0; rest = $0
    while (match(rest, /^("([^"]|"")*"|[^,]*)(,|$)/)) {
      v = substr(rest, 1, RLENGTH); more = v ~ /,$/; sub(/,$/, "", v); f[++n] = v
      rest = substr(rest, RLENGTH + 1); if (!more) break }
    record++
    if (record == 1) { columns = n; next }
    if (n != columns) print "record " record ": " n " fields" > "rejected.txt"
    else print escape(f[2]) "\t" escape(f[4]) "\t" escape(f[3]) "\t" escape(f[1]) > "records.tsv" }' export.csv
