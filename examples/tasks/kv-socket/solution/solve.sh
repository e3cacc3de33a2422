#!/bin/bash
cat PROTOCOL.md
python3 --version

cat > kvd.py <<'EOF'
import asyncio, os, signal, sys
MAX = 1000000
store = {}
def length_of(word):
    if not word.isdigit() or len(word) > 7 or (word[:1] == b"0" and word != b"0"):
        return None
    return int(word) if int(word) <= MAX else None
async def read_line(reader):
    line = await reader.readuntil(b"\n")
    return line[:-1]
async def serve(reader, writer):
    try:
        while True:
            words = (await read_line(reader)).split(b" ")
            answer, close = b"ERROR\n", False
            verb, rest = words[0], words[1:]
            good = all(rest)
            if verb == b"SET" and len(rest) == 2 and good:
                size = length_of(rest[1])
                if size is not None:
                    value = await reader.readexactly(size + 1)
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
            writer.write(answer)
            await writer.drain()
            if close:
                break
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        pass
    finally:
        writer.close()
async def main(path):
    if os.path.lexists(path):
        os.unlink(path)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await asyncio.start_unix_server(serve, path, limit=2 * MAX)
    print("ready", flush=True)
    await stop.wait()
    os.unlink(path)
    sys.stdout.flush()
    os._exit(0)
asyncio.run(main(sys.argv[1]))
EOF

# setup: a socket path for the trial
export SOCK=try.sock

touch "$SOCK"
python3 kvd.py "$SOCK" > ready.tmp &
server=$!
for i in $(seq 50); do grep -q ready ready.tmp && break; sleep 0.02; done
python3 - "$SOCK" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.sendall(b"SET a 3\nx\ny\nGET a\nCOUNT\nHUH\nQUIT\n")
print(s.makefile("rb").read())
EOF
kill -TERM $server
wait $server; echo "status $?"
rm ready.tmp

test ! -e "$SOCK" && python3 -c 'import ast; ast.parse(open("kvd.py").read())'
