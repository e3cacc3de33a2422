#!/bin/bash
cat PROTOCOL.md

# setup: the server, and a place to try it
export SERVER=kvd.py PLACE=trial.tmp

cat > "$SERVER" <<'EOF'
import os, re, signal, stat, sys, threading
MAX = 1000000
store = {}
def length_of(word):
    if not re.fullmatch(rb"0|[1-9][0-9]{0,6}", word):
        return None
    return int(word) if int(word) <= MAX else None
def is_pipe(fd):
    return stat.S_ISFIFO(os.fstat(fd).st_mode)
def connect(path):
    """Both ends, or None. O_NONBLOCK: an open never waits, and fails if nobody reads the answers."""
    ends = []
    for name, way in ((path + b".in", os.O_RDONLY), (path + b".out", os.O_WRONLY)):
        try:
            ends.append(os.open(name, way | os.O_NONBLOCK))
        except OSError:
            break
    if len(ends) == 2 and all(map(is_pipe, ends)):
        for fd in ends:
            os.set_blocking(fd, True)
        return ends
    for fd in ends:
        os.close(fd)
def serve(requests, answers):
    try:
        for line in requests:
            if line[-1:] != b"\n":
                break
            words = line[:-1].split(b" ")
            answer, close = b"ERROR\n", False
            verb, rest = words[0], words[1:]
            good = all(rest)
            if verb == b"SET" and len(rest) == 2 and good:
                size = length_of(rest[1])
                if size is not None:
                    value = requests.read(size + 1)
                    if len(value) <= size:
                        break
                    if value[-1:] == b"\n":
                        store[rest[0]] = value[:-1]
                        answer = b"OK\n"
                    else:
                        close = True
            elif verb == b"GET" and len(rest) == 1 and good:
                value = store.get(rest[0])
                answer = b"NONE\n" if value is None else b"VALUE %d\n%s\n" % (len(value), value)
            elif verb == b"DEL" and len(rest) == 1 and good:
                answer = b"NONE\n" if store.pop(rest[0], None) is None else b"OK\n"
            elif words == [b"COUNT"]:
                answer = b"%d\n" % len(store)
            elif words == [b"QUIT"]:
                answer, close = b"BYE\n", True
            while answer:
                answer = answer[os.write(answers, answer):]
            if close:
                break
    except OSError:
        pass
    finally:
        requests.close()
        os.close(answers)
place = os.fsencode(sys.argv[1])
hello = os.path.join(place, b"hello")
def stop(*_):
    os.unlink(hello)
    os._exit(0)
if os.path.lexists(hello):
    os.unlink(hello)
os.mkfifo(hello)
# Open for writing, too: otherwise it is at its end whenever no client has it open.
announcements = os.fdopen(os.open(hello, os.O_RDWR), "rb", buffering=0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
pending = b""
while True:
    *lines, pending = (pending + announcements.read(65536)).split(b"\n")
    for name in lines:
        ends = connect(os.path.join(place, name)) if re.fullmatch(rb"[a-z0-9-]{1,40}", name) else None
        if ends:
            threading.Thread(target=serve, args=(os.fdopen(ends[0], "rb"), ends[1]), daemon=True).start()
EOF

mkdir "./$PLACE"
touch "./$PLACE/hello"
python3 "$SERVER" "./$PLACE" > "./$PLACE/ready" &
server=$!
for i in $(seq 50); do grep -q ready "./$PLACE/ready" && break; sleep 0.02; done
mkfifo "./$PLACE/a.in" "./$PLACE/a.out"
exec 3<> "./$PLACE/a.in" 4<> "./$PLACE/a.out"
timeout 2 bash -c 'echo a > "$1"' - "./$PLACE/hello"
printf 'SET a 3\nx\ny\nGET a\nCOUNT\nHUH\nQUIT\n' >&3
timeout 2 head -n 7 <&4 > "./$PLACE/seen"
exec 3>&- 4>&-
kill -TERM $server
wait $server; echo "status $?"

printf '%s\n' OK 'VALUE 3' x y 1 ERROR BYE | diff - "./$PLACE/seen"
test ! -e "./$PLACE/hello" && rm -r "./$PLACE"
