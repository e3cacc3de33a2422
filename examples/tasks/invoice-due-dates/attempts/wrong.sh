#!/bin/bash
# Wrong: no holidays, and the end of the month taken as day 30.
{ echo id,due,late
  tail -n +2 invoices.csv | while IFS=, read -r id issued terms; do
    case $terms in
      net*) due=$(date -u -d "$issued + ${terms#net} days" +%F) ;;
      eom*) n=${terms#eom}; due=$(date -u -d "${issued%-*}-01 + 29 days + ${n:-0} days" +%F) ;;
      bd*) due=$(date -u -d "$issued + ${terms#bd} days" +%F) ;;
    esac
    case $(date -u -d "$due" +%u) in 6) due=$(date -u -d "$due + 2 days" +%F) ;; 7) due=$(date -u -d "$due + 1 day" +%F) ;; esac
    late=$(( ($(date -u -d 2032-03-15 +%s) - $(date -u -d "$due" +%s)) / 86400 ))
    echo "$id,$due,$(( late > 0 ? late : 0 ))"
  done | sort -t , -k 2,2 -k 1,1
} > due.csv
