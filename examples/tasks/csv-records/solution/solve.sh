#!/bin/bash
cat -A export.csv | head -n 12
wc export.csv

# setup: bytes, not characters; the file to read
export LC_ALL=C
source=export.csv

cat > parse.awk <<'EOF'
function escape(v) {
  gsub(/\\/, "&&", v); gsub(/\t/, "\\t", v); gsub(/\n/, "\\n", v); gsub(/\r/, "\\r", v)
  return v
}
function end_record(   i) {
  field[++n] = value
  record++
  if (record == 1) {
    columns = n
    for (i = 1; i <= n; i++) at[field[i]] = i
    print "id\tcustomer\tamount\tnote" > "records.tsv"
  } else if (n != columns) {
    print "record " record ": " n " fields" > "rejected.txt"
  } else {
    print escape(field[at["id"]]) "\t" escape(field[at["customer"]]) "\t" escape(field[at["amount"]]) "\t" escape(field[at["note"]]) > "records.tsv"
  }
  n = 0; value = ""
}
BEGIN { printf "" > "rejected.txt" }
{
  line = $0
  if (!quoted && (line == "" || line == "\r")) next
  if (!quoted) begin = 1
  for (p = 1; p <= length(line); p++) {
    c = substr(line, p, 1)
    if (quoted) {
      if (c != "\"") value = value c
      else if (substr(line, p + 1, 1) == "\"") { value = value c; p++ }
      else quoted = 0
    } else if (begin && c == "\"") { quoted = 1; begin = 0 }
    else if (c == ",") { field[++n] = value; value = ""; begin = 1 }
    else if (c == "\r" && p == length(line)) break
    else { value = value c; begin = 0 }
  }
  if (quoted) value = value "\n"
  else end_record()
}
EOF
awk -f parse.awk "$source"
rm parse.awk

cat -A records.tsv
cat rejected.txt
awk -F '\t' 'NF != 4 { bad = 1 } END { exit bad }' records.tsv && ! grep -q "$(printf '\r')" records.tsv
