#!/bin/bash
# Wrong: one client after the other, line by line: values with line breaks and idle clients break it.
cat > kvd.py <<'EOF'
import os, sys
store = {}
os.chdir(sys.argv[1])
if os.path.exists("hello"):
    os.unlink("hello")
os.mkfifo("hello")
hello = open(os.open("hello", os.O_RDWR), "rb", buffering=0)
print("ready", flush=True)
while True:
    name = hello.readline().decode().rstrip("\n")
    if not os.path.exists(name + ".in") or not os.path.exists(name + ".out"):
        continue
    with open(name + ".in", "rb") as i, open(name + ".out", "wb") as o:
        for line in i:
            w = line.decode().split()
            if w[0] == "SET": store[w[1]] = i.readline().rstrip(b"\n"); o.write(b"OK\n")
            elif w[0] == "GET": o.write(b"VALUE %d\n%s\n" % (len(store[w[1]]), store[w[1]]) if w[1] in store else b"NONE\n")
            elif w[0] == "DEL": o.write(b"OK\n" if store.pop(w[1], None) else b"NONE\n")
            elif w[0] == "COUNT": o.write(b"%d\n" % len(store))
            elif w[0] == "QUIT": o.write(b"BYE\n"); break
            else: o.write(b"ERROR\n")
            o.flush()
EOF
