# inbox: the same kind of letter in several encodings, written byte by byte
set -e
umask 022
mkdir inbox
# Windows-1252 with CRLF: e acute, euro sign, curly quotes, en dash
printf 'Caf\351 Rosa\r\nTotal: \20045 \226 \223paid\224\r\n' > inbox/cafe.txt
# UTF-8 without a mark, LF
printf 'Stra\303\237e 12\nPrice: \342\202\254 9\n' > inbox/strasse.txt
# UTF-8 with a mark, CRLF; a second mark inside is text
printf '\357\273\277\303\205ngstr\303\266m\r\nodd:\357\273\277:mark\r\n' > inbox/angstrom.txt
# UTF-16, both byte orders, with marks
printf '\377\376Z\000\374\000r\000i\000c\000h\000\r\000\n\000\254\040\061\000\n\000' > inbox/zurich.txt
printf '\376\377\000\323\000s\000l\000o\000\r\000\n\001\101\000d\001\172' > inbox/oslo.txt
# plain ASCII, mixed line ends, no newline at the end
printf 'one\r\ntwo\nthree' > 'inbox/plain text.txt'
: > inbox/empty.txt
# Windows-1252 again: bytes that would be a broken UTF-8 sequence at the very end
printf 'Pi\361a colada\nna\357ve \205 fin\303' > inbox/late.txt
# not a letter
printf '\377\330\377\340\000\020binary\r\n' > inbox/stamp.bin
