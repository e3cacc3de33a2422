# media/: clips with copies under other names; contents are made of a repeated word
set -e
umask 022
mkdir -p 'media/2030 trip' media/2031/raw media/backup/old media/.thumbs media/z
clip() { yes "$1" | head -n "$2" > "$3"; }
clip dawn 40 media/2031/dawn.mov
cp media/2031/dawn.mov media/2031/raw/IMG_0001.mov
cp media/2031/dawn.mov 'media/backup/old/dawn copy.mov'
clip lake 60 'media/2030 trip/lake.mov'
cp 'media/2030 trip/lake.mov' media/backup/lake.mov
# the same name and size, other content
clip fall 40 media/backup/dawn.mov
clip lane 60 media/z/lake.mov
# equal length of path: byte order decides
clip gull 25 media/z/b.mov
cp media/z/b.mov media/z/B.mov
cp media/z/b.mov media/z/a.mov
# hidden files count
clip dusk 30 media/.thumbs/t1
cp media/.thumbs/t1 media/2031/dusk-thumb.jpg
# empty files are not duplicates, links are not files
: > media/2031/empty1
: > media/z/empty2
ln -s dawn.mov media/2031/latest.mov
clip reed 12 media/2031/reed.mov
