#!/bin/bash
head -n 5 invoices.csv holidays.txt
cut -d , -f 3 invoices.csv | sort | uniq -c

# setup: the day for which lateness is counted
export LC_ALL=C
today=2032-03-15

awk -F , -v today="$today" '
  # days since 1970-01-01, and back
  function number(date,   y, m, d, e, doy) {
    y = substr(date, 1, 4) + 0; m = substr(date, 6, 2) + 0; d = substr(date, 9, 2) + 0
    if (m <= 2) { y--; m += 12 }
    return 365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * (m - 3) + 2) / 5) + d - 1 - 719468
  }
  function date(n,   z, era, doe, yoe, doy, mp, m) {
    z = n + 719468; era = int(z / 146097); doe = z - era * 146097
    yoe = int((doe - int(doe / 1460) + int(doe / 36524) - int(doe / 146096)) / 365)
    doy = doe - (365 * yoe + int(yoe / 4) - int(yoe / 100)); mp = int((5 * doy + 2) / 153)
    m = mp < 10 ? mp + 3 : mp - 9
    return sprintf("%04d-%02d-%02d", yoe + era * 400 + (m <= 2), m, doy - int((153 * mp + 2) / 5) + 1)
  }
  # 1970-01-01 was a Thursday
  function business(n) { return (n + 3) % 7 < 5 && !(n in holiday) }
  FNR == NR { if (/^[0-9]/) holiday[number($0)]; next }
  FNR == 1 { next }
  { issued = number($2)
    if ($3 ~ /^net/) due = issued + substr($3, 4)
    else if ($3 ~ /^eom/) {
      y = substr($2, 1, 4); m = substr($2, 6, 2) + 1
      if (m > 12) { m = 1; y++ }
      due = number(sprintf("%04d-%02d-01", y, m)) - 1 + substr($3, 5) }
    else { due = issued; for (left = substr($3, 3) + 0; left > 0; ) if (business(++due)) left-- }
    while (!business(due)) due++
    late = number(today) - due
    print $1 "," date(due) "," (late > 0 ? late : 0) }' holidays.txt invoices.csv > rows.tmp

{ echo id,due,late; sort -t , -k 2,2 -k 1,1 rows.tmp; } > due.csv
rm rows.tmp

cat due.csv
for day in $(tail -n +2 due.csv | cut -d , -f 2); do date -d "$day" +%a; done | sort | uniq -c
test "$(wc -l < due.csv)" -eq "$(wc -l < invoices.csv)"
