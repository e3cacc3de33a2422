#!/bin/bash
# rotate.sh FILE KEEP: keep KEEP old generations of FILE
file=$1
keep=$2
for old in $(ls $file.* | sort); do
  n=${old##*.}
  mv $old $file.$((n + 1))
done
cp $file $file.1
> $file
gzip $file.2
rm -f $file.$((keep + 1))*
