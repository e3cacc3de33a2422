#!/bin/bash
cat -n jobs.cron
cat window.txt

# setup: the window, and byte order
export LC_ALL=C
from=$(awk '$1 == "from" { print $2 " " $3 }' window.txt)
to=$(awk '$1 == "to" { print $2 " " $3 }' window.txt)

day=${from% *}
until [[ $day > ${to% *} ]]; do
  date -u -d "$day" '+%F %d %m %w'
  day=$(date -u -d "$day + 1 day" +%F)
done > days.tmp
wc -l days.tmp

cat > expand.awk <<'EOF'
# value WORD FIELD: its number, or -1
function value(w, f,   k) {
  if (w ~ /^[0-9]+$/) return (w + 0 >= low[f] && w + 0 <= high[f]) ? w + 0 : -1
  k = (f == 4) ? index("jan feb mar apr may jun jul aug sep oct nov dec ", tolower(w) " ") : (f == 5) ? index("sun mon tue wed thu fri sat ", tolower(w) " ") : 0
  if (length(w) != 3 || k == 0 || (k - 1) % 4) return -1
  return (k - 1) / 4 + (f == 4)
}
# parse TEXT FIELD: fills fits[f, v]; 0 if the text is not valid
function parse(text, f,   n, i, item, part, step, ends, a, b, v) {
  n = split(text, item, ",")
  if (n == 0) return 0
  for (i = 1; i <= n; i++) {
    step = 1
    if (split(item[i], part, "/") > 2) return 0
    if (item[i] ~ /\//) {
      if (part[2] !~ /^[0-9]+$/ || part[2] + 0 < 1) return 0
      if (part[1] != "*" && part[1] !~ /-/) return 0
      step = part[2] + 0
    }
    if (part[1] == "*") { a = low[f]; b = high[f]; if (f == 5) b = 6 }
    else {
      k = split(part[1], ends, "-")
      if (k < 1 || k > 2) return 0
      a = value(ends[1], f); b = (k == 2) ? value(ends[2], f) : a
      if (a < 0 || b < 0 || a > b) return 0
    }
    for (v = a; v <= b; v += step) fits[f, (f == 5) ? v % 7 : v] = 1
  }
  return 1
}
BEGIN {
  split("0 0 1 1 0", low, " "); split("59 23 31 12 7", high, " ")
  for (f = 1; f <= 5; f++) { low[f] += 0; high[f] += 0 }
  nick["@hourly"] = "0 * * * *"; nick["@daily"] = "0 0 * * *"; nick["@weekly"] = "0 0 * * 0"; nick["@monthly"] = "0 0 1 * *"
  printf "" > "invalid.txt"
}
FNR == NR { date[++days] = $1; dom[days] = $2 + 0; month[days] = $3 + 0; dow[days] = $4 + 0; next }
NF == 0 || $1 ~ /^#/ { next }
{
  hourly = 0
  if ($1 ~ /^@/) {
    if (NF != 2 || !($1 in nick)) { print FNR > "invalid.txt"; next }
    hourly = $1 == "@hourly"
    name = $2; $0 = nick[$1] " " name
  }
  ok = NF == 6
  split("", fits)
  for (f = 1; f <= 5 && ok; f++) ok = parse($f, f)
  if (!ok) { print FNR > "invalid.txt"; next }
  if (hourly) next
  either = $3 !~ /^\*/ && $5 !~ /^\*/
  for (d = 1; d <= days; d++) {
    if (!((4, month[d]) in fits)) continue
    m = (3, dom[d]) in fits; w = (5, dow[d]) in fits
    if (either ? !(m || w) : !(m && w)) continue
    for (h = 0; h < 24; h++) if ((2, h) in fits)
      for (i = 0; i < 60; i++) if ((1, i) in fits) {
        at = sprintf("%s %02d:%02d", date[d], h, i)
        if (at >= from && at <= to) print at " " $6
      }
  }
}
EOF
awk -v from="$from" -v to="$to" -f expand.awk days.tmp jobs.cron | sort -k 1,2 -k 3 > fires.txt
rm expand.awk days.tmp

cat invalid.txt
wc -l fires.txt
head -n 20 fires.txt
sort -c -k 1,2 -k 3 fires.txt && test -s fires.txt && sort -c -n invalid.txt
