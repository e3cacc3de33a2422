#!/bin/bash
# Wrong: one client after the other, line by line: values with line breaks and idle clients break it.
cat > kvd.py <<'EOF'
import os, socket, sys
store = {}
if os.path.exists(sys.argv[1]):
    os.unlink(sys.argv[1])
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
print("ready", flush=True)
while True:
    c, _ = s.accept()
    f = c.makefile("rwb")
    for line in f:
        w = line.decode().split()
        if w[0] == "SET": store[w[1]] = f.readline().rstrip(b"\n"); f.write(b"OK\n")
        elif w[0] == "GET": f.write(b"VALUE %d\n%s\n" % (len(store[w[1]]), store[w[1]]) if w[1] in store else b"NONE\n")
        elif w[0] == "DEL": f.write(b"OK\n" if store.pop(w[1], None) else b"NONE\n")
        elif w[0] == "COUNT": f.write(b"%d\n" % len(store))
        elif w[0] == "QUIT": f.write(b"BYE\n"); f.flush(); break
        else: f.write(b"ERROR\n")
        f.flush()
    c.close()
EOF
