#!/bin/bash
# Wrong: a day must always fit both day fields, and the end of the window is cut at midnight.
day=2031-02-24
expand() { # FIELD LOW HIGH
  local item a b s IFS=,
  set -f
  for item in $1; do
    s=1; case $item in */*) s=${item#*/}; item=${item%/*} ;; esac
    case $item in '*') a=$2 b=$3 ;; *-*) a=${item%-*} b=${item#*-} ;; *) a=$item b=$item ;; esac
    seq "$a" "$s" "$b"
  done 2> /dev/null
}
cp jobs.cron t.tmp
i=0; for n in sun mon tue wed thu fri sat; do sed -i "s/\b$n\b/$i/Ig" t.tmp; i=$((i + 1)); done
sed -i -e 's/\bfeb\b/2/I; s/\bmar\b/3/I; s/@daily/0 0 * * */; s/@weekly/0 0 * * 0/; s/@monthly/0 0 1 * */; /@hourly/d' t.tmp
grep -n -e ' 24 ' -e extra -e '/0' -e day-zero -e Thu/2 jobs.cron | cut -d : -f 1 > invalid.txt
grep -v -e '^#' -e '^$' -e ' 24 ' -e extra -e '/0' -e day-zero -e mixed t.tmp > ok.tmp
set -f
for k in $(seq 0 12); do
  date -d "$day + $k days" '+%F %-d %-m %w'
done > days.tmp
while read -r mi ho dm mo dw name; do
  dms=" $(expand "$dm" 1 31 | tr '\n' ' ')"; mos=" $(expand "$mo" 1 12 | tr '\n' ' ')"; dws=" $(expand "$dw" 0 6 | tr '\n' ' ')"
  times=$(for h in $(expand "$ho" 0 23); do for m in $(expand "$mi" 0 59); do printf '%02d:%02d ' "$h" "$m"; done; done)
  while read -r date d m w; do
    case $dms in *" $d "*) case $mos in *" $m "*) case $dws in *" $w "*) for t in $times; do echo "$date $t $name"; done ;; esac ;; esac ;; esac
  done < days.tmp
done < ok.tmp | LC_ALL=C sort -k 1,2 -k 3 > fires.txt
rm t.tmp ok.tmp days.tmp
