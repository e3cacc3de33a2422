"""Drives kvd.py through named pipes; prints PASS/FAIL lines and ends with status 0 only if all passed."""
import os, select, signal, subprocess, sys, time

failed = 0


def report(name, what=None):
    global failed
    failed += what is not None
    print(f"PASS {name}" if what is None else f"FAIL {name}: {what}", flush=True)
    if failed == 3:
        print("stopped after three failed checks", flush=True)
        sys.exit(1)


def show(data):
    return repr(data[:60]) + (f" ({len(data)} bytes)" if len(data) > 60 else "")


def expect(name, seen, want, more=""):
    report(name, None if seen == want else f"expected {show(want)}, seen {show(seen)}{more}")


class Client:
    """Both pipes of one client. No call waits longer than two seconds."""

    def __init__(self, name, announce=True):
        self.name = name
        os.mkfifo(f"d/{name}.in")
        os.mkfifo(f"d/{name}.out")
        self.requests = os.open(f"d/{name}.in", os.O_RDWR | os.O_NONBLOCK)
        self.answers = os.open(f"d/{name}.out", os.O_RDONLY | os.O_NONBLOCK)
        if announce:
            hello(f"{name}\n".encode())

    def send(self, data):
        end = time.monotonic() + 2
        while data:
            if not select.select([], [self.requests], [], max(0, end - time.monotonic()))[1]:
                raise TimeoutError(f"client {self.name} cannot send: {len(data)} bytes are not taken")
            data = data[os.write(self.requests, data[:65536]):]

    def read(self, n, wait=2.0):
        """Up to n bytes, or what came until the server closed or fell silent."""
        data, end = b"", time.monotonic() + wait
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        while len(data) < n and poll.poll(max(0, end - time.monotonic()) * 1000):
            piece = os.read(self.answers, n - len(data))
            if not piece:
                break
            data += piece
        return data

    def closed(self):
        """Whether the server closes its end of the answers, with nothing more in them."""
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        return bool(poll.poll(2000)) and os.read(self.answers, 1) == b""

    def close(self):
        os.close(self.requests)
        os.close(self.answers)


def hello(data):
    fd = os.open("d/hello", os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def ask(client, request, want, name):
    try:
        client.send(request)
    except OSError as error:
        report(name, error)
        return
    expect(name, client.read(len(want)), want)


def scenario():
    a = Client("a")
    ask(a, b"COUNT\n", b"0\n", "count_empty")
    ask(a, b"SET k 5\nhello\nGET k\nGET x\n", b"OK\nVALUE 5\nhello\nNONE\n", "pipelined")
    ask(a, b"SET bin 6\n\n\0\xff\nQ\n\nGET bin\n", b"OK\nVALUE 6\n\n\0\xff\nQ\n\n", "binary_value")
    ask(a, b"SET \xfe\xff 0\n\nGET \xfe\xff\n", b"OK\nVALUE 0\n\n", "binary_key_empty_value")
    ask(a, b"DEL \xfe\xff\nDEL \xfe\xff\nCOUNT\n", b"OK\nNONE\n2\n", "delete_empty_value")
    bad = [b"", b"HELLO", b"GET", b"GET a b", b"SET k", b"SET k 01", b"SET k -1", b"SET k 1000001",
           b"SET k 1 2", b"COUNT 1", b"get k", b"DEL", b"SET k 1x", b"QUIT now", b"GET ", b"SET k +1"]
    ask(a, b"\n".join(bad) + b"\nCOUNT\n", b"ERROR\n" * len(bad) + b"2\n", "errors")
    b = Client("b")
    b.send(b"SET slow 4\nab")
    ask(a, b"GET k\n", b"VALUE 5\nhello\n", "half_request_does_not_block")
    c = Client("c-2")
    ask(c, b"GET k\n", b"VALUE 5\nhello\n", "shared_between_clients")
    for piece in (b"c", b"d", b"\nGE", b"T sl", b"ow", b"\n"):
        b.send(piece)
        time.sleep(0.004)
    expect("in_pieces", b.read(16), b"OK\nVALUE 4\nabcd\n")
    big = bytes(range(256)) * 1200
    answer = b"VALUE %d\n" % len(big) + big + b"\n"
    ask(c, b"SET big %d\n" % len(big) + big + b"\nGET big\n", b"OK\n" + answer, "large_value")
    slow = Client("slow-reader")
    slow.send(b"GET big\nGET big\nCOUNT\n")
    ask(a, b"COUNT\n", b"4\n", "unread_answers_do_not_block")
    d = Client("d")
    ask(d, b"SET t 3\nabcdef\n", b"ERROR\n", "value_without_lf")
    report("value_without_lf_closes", None if d.closed() else "the connection should be closed")
    ask(a, b"GET t\n", b"NONE\n", "value_without_lf_not_stored")
    # announcements that are to be ignored, each with requests waiting
    odd = [Client(name, announce=False) for name in ("Odd", "x.y", "0" * 41)]
    for client in odd:
        client.send(b"DEL k\n")
    os.mkfifo("d/half.in")
    os.mkfifo("d/nobody.in")
    os.mkfifo("d/nobody.out")
    os.mkfifo("d/file.in")
    with open("d/file.out", "w") as file:
        file.write("as it was")
    for name in ("", "missing", "half", "nobody", "file", "../d/a", "Odd", "x.y", "0" * 41, "\\", "a b"):
        hello(f"{name}\n".encode())
    # two announcements at once
    e, f = (Client(name, announce=False) for name in ("e", "f"))
    hello(b"e\nf\n")
    ask(f, b"GET k\n", b"VALUE 5\nhello\n", "ignored_announcements")
    ask(e, b"COUNT\n", b"4\n", "two_announcements_at_once")
    served = [client.name for client in odd if client.read(1, 0.01)]
    report("only_names_are_served", f"served though no name of a client: {served}" if served else None)
    with open("d/file.out") as file:
        expect("plain_file_untouched", file.read().encode(), b"as it was")
    e.send(b"SET gone 9\nabc")
    e.close()
    f.send(b"GET big\n" * 20)
    f.close()
    ask(a, b"GET gone\nCOUNT\n", b"NONE\n4\n", "vanished_clients")
    expect("slow_reader_gets_all", slow.read(2 * len(answer) + 2), answer * 2 + b"4\n")
    # the requests are over, the answers are still wanted
    os.close(b.requests)
    report("end_of_requests_closes", None if b.closed() else "the connection should be closed after its end")
    g = Client("g", announce=False)
    g.send(b"GET k\nSET half 3\nab")
    hello(b"g\n")
    expect("before_announcement", g.read(14), b"VALUE 5\nhello\n")
    os.close(g.requests)
    report("cut_request_closes", None if g.closed() else "no answer and the end expected after a cut request")
    ask(c, b"QUIT\n", b"BYE\n", "quit")
    report("quit_closes", None if c.closed() else "the connection should be closed after QUIT")
    kept = os.path.exists("d/c-2.in") and os.path.exists("d/c-2.out")
    report("client_pipes_kept", None if kept else "the server removed the pipes of client c-2")
    ask(Client("h"), b"COUNT\n", b"4\n", "still_serving")


def last_line(path):
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 300))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip()[:100] for line in reversed(lines) if line.strip()), "nothing")


def drive(server):
    out, line, end = server.stdout.fileno(), b"", time.monotonic() + 4
    while b"\n" not in line and select.select([out], [], [], max(0, end - time.monotonic()))[0]:
        piece = os.read(out, 100)
        if not piece:
            break
        line += piece
    expect("ready", line, b"ready\n", f"; its last word on standard error: {last_line('errors')}")
    if line != b"ready\n":
        return
    try:
        scenario()
    except OSError as error:
        report("scenario", f"broken off: {error}")
    server.send_signal(signal.SIGTERM)
    try:
        status = server.wait(3)
        report("sigterm_status", None if status == 0 else f"status 0 expected, {status} seen")
    except subprocess.TimeoutExpired:
        report("sigterm_status", "still running after SIGTERM")
    more = os.read(out, 100) if select.select([out], [], [], 0)[0] else b""
    expect("nothing_else_printed", more, b"")
    report("hello_removed", "the pipe hello is still there" if os.path.lexists("d/hello") else None)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.mkdir("d")
    open("d/hello", "w").close()
    with open("errors", "wb") as errors:
        server = subprocess.Popen(["python3", "kvd.py", "d"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=errors, start_new_session=True)
    try:
        drive(server)
    finally:
        try:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(2)
        except (OSError, subprocess.TimeoutExpired):
            pass
    sys.exit(1 if failed else 0)


main()
