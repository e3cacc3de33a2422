"""Drives kvd.py through its socket; prints PASS/FAIL lines and ends with status 0 only if all passed."""
import os, select, signal, socket, subprocess, sys, time

failed = 0


def report(name, what=None):
    global failed
    failed += what is not None
    print(f"PASS {name}" if what is None else f"FAIL {name}: {what}", flush=True)
    if failed == 3:
        raise ConnectionError("stopped after three failed checks")


def expect(name, seen, want):
    show = lambda b: repr(b[:60]) + (f" ({len(b)} bytes)" if len(b) > 60 else "")
    report(name, None if seen == want else f"expected {show(want)}, seen {show(seen)}")


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(2)
    s.connect("s.sock")
    return s


def read(s, n, wait=2):
    """Up to n bytes, or what came until the server closed or fell silent."""
    data = b""
    s.settimeout(wait)
    try:
        while len(data) < n:
            piece = s.recv(65536)
            if not piece:
                break
            data += piece
    except OSError:
        pass
    return data


def ask(s, request, want, name):
    try:
        s.settimeout(2)
        s.sendall(request)
    except OSError as error:
        report(name, f"cannot send: {error}")
        return
    expect(name, read(s, len(want)), want)


def closed(s):
    s.settimeout(2)
    try:
        return s.recv(1) == b""
    except ConnectionError:
        return True
    except OSError:
        return False


def scenario():
    a = connect()
    ask(a, b"COUNT\n", b"0\n", "count_empty")
    ask(a, b"SET k 5\nhello\nGET k\nGET x\n", b"OK\nVALUE 5\nhello\nNONE\n", "pipelined")
    ask(a, b"SET bin 6\n\n\0\xff\nQ\n\nGET bin\n", b"OK\nVALUE 6\n\n\0\xff\nQ\n\n", "binary_value")
    ask(a, b"SET \xfe\xff 0\n\nGET \xfe\xff\n", b"OK\nVALUE 0\n\n", "binary_key_empty_value")
    ask(a, b"DEL \xfe\xff\nDEL \xfe\xff\nCOUNT\n", b"OK\nNONE\n2\n", "delete_empty_value")
    bad = [b"", b"HELLO", b"GET", b"GET a b", b"SET k", b"SET k 01", b"SET k -1", b"SET k 1000001",
           b"SET k 1 2", b"COUNT 1", b"get k", b"DEL", b"SET k 1x", b"QUIT now", b"GET ", b"SET k +1"]
    ask(a, b"\n".join(bad) + b"\nCOUNT\n", b"ERROR\n" * len(bad) + b"2\n", "errors")
    b = connect()
    b.sendall(b"SET slow 4\nab")
    ask(a, b"GET k\n", b"VALUE 5\nhello\n", "half_request_does_not_block")
    c = connect()
    ask(c, b"GET k\n", b"VALUE 5\nhello\n", "shared_between_clients")
    for piece in (b"c", b"d", b"\nGE", b"T sl", b"ow", b"\n"):
        b.sendall(piece)
        time.sleep(0.004)
    expect("in_pieces", read(b, 16), b"OK\nVALUE 4\nabcd\n")
    big = bytes(range(256)) * 1200
    ask(c, b"SET big %d\n" % len(big) + big + b"\nGET big\n",
        b"OK\nVALUE %d\n" % len(big) + big + b"\n", "large_value")
    d = connect()
    ask(d, b"SET t 3\nabcdef\n", b"ERROR\n", "value_without_lf")
    report("value_without_lf_closes", None if closed(d) else "the connection should be closed")
    ask(a, b"GET t\n", b"NONE\n", "value_without_lf_not_stored")
    e = connect()
    e.sendall(b"SET gone 9\nabc")
    e.close()
    f = connect()
    f.sendall(b"GET big\n" * 20)
    f.close()
    ask(a, b"GET gone\nCOUNT\n", b"NONE\n4\n", "vanished_clients")
    ask(c, b"QUIT\n", b"BYE\n", "quit")
    report("quit_closes", None if closed(c) else "the connection should be closed after QUIT")
    g = connect()
    ask(g, b"COUNT\n", b"4\n", "still_serving")
    return [a, b, g]


def main():
    global failed
    open("s.sock", "w").close()
    server = subprocess.Popen([sys.executable, "kvd.py", "s.sock"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        ready, _, _ = select.select([server.stdout], [], [], 4)
        line = os.read(server.stdout.fileno(), 100) if ready else b""
        expect("ready", line, b"ready\n")
        if line:
            try:
                clients = scenario()
            except OSError as error:
                failed = max(failed, 4)
                print(f"FAIL scenario: {error}", flush=True)
            server.send_signal(signal.SIGTERM)
            try:
                status = server.wait(3)
                report("sigterm_status", None if status == 0 else f"status 0 expected, {status} seen")
            except subprocess.TimeoutExpired:
                report("sigterm_status", "still running after SIGTERM")
            report("socket_removed", "the socket file is still there" if os.path.lexists("s.sock") else None)
    finally:
        try:
            os.killpg(server.pid, signal.SIGKILL)
        except OSError:
            pass
    sys.exit(1 if failed else 0)


main()
