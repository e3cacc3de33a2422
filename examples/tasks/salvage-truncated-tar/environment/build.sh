# readings.tar.gz: twelve files of pseudo-random readings, cut off in the middle of one of them.
set -e
umask 022
mkdir src src/readings
awk 'BEGIN {
  seed = 4711
  for (day = 1; day <= 12; day++) {
    file = sprintf("src/readings/day-%02d.csv", day)
    print "minute,level" > file
    for (i = 0; i < 700; i++) { seed = (seed * 16807) % 2147483647; printf "%d,%d\n", i, seed % 100000 > file }
    close(file)
  } }'
cd src
for day in 07 02 11 05 09 01 12 04 08 03 10 06; do
  set -- $(cksum < readings/day-$day.csv)
  echo "readings/day-$day.csv $2 $1"
done > INDEX
tar --format=ustar --owner=0 --group=0 --numeric-owner --mtime=@1930000000 -cf ../r.tar INDEX $(cut -d ' ' -f 1 INDEX)
cd ..
rm -r src
gzip -n -6 < r.tar | head -c 29500 > readings.tar.gz
rm r.tar
