"""Checks the bytes that backends received with readers that share nothing with the balancer.

The tests of second_reader.rs save the bytes of each connection, with the requests that they found in them, as
target/tmp/received-*.json. h11 (a reader in Python) and llhttp (the one of Node.js, through httptools) must find the
same requests in the bytes, and no errors.

llhttp accepts only known methods. It stops at an unknown method, and its requests up to there count.

    python -m venv target/readers && target/readers/bin/pip install h11 httptools
    target/readers/bin/python lb/tests/readers.py target/tmp/received-*.json
"""

import json
import sys

import h11
import httptools

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def by_h11(received):
    """The complete requests that h11 finds."""
    connection = h11.Connection(h11.SERVER)
    if received:  # for h11, an empty input is the end
        connection.receive_data(received)
    found, body = [], b""
    while True:
        event = connection.next_event()
        if event in (h11.NEED_DATA, h11.PAUSED):
            return found, False
        if isinstance(event, h11.Request):
            request, body = event, b""
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            found.append([request.method.decode(), request.target.decode(), body.hex()])
            # It continues to read when the request has an answer.
            length = [("Content-Length", "0")]
            connection.send(h11.Response(status_code=200, headers=length))
            connection.send(h11.EndOfMessage())
            if connection.states[h11.CLIENT] is h11.MUST_CLOSE:
                return found, False
            connection.start_next_cycle()


class Listener:
    """Collects the requests that llhttp finds."""

    def __init__(self):
        self.found = []

    def on_message_begin(self):
        self.target, self.body = b"", b""

    def on_url(self, part):
        self.target += part

    def on_body(self, part):
        self.body += part

    def on_message_complete(self):
        self.found.append([self.parser.get_method().decode(), self.target.decode(), self.body.hex()])


def by_llhttp(received):
    """The complete requests that llhttp finds before an unknown method."""
    listener = Listener()
    listener.parser = httptools.HttpRequestParser(listener)
    while received:
        try:
            listener.parser.feed_data(received)
            break
        except httptools.HttpParserUpgrade as switch:
            # It stops where another protocol could begin, but none begins there.
            received = received[switch.args[0] :]
            listener.parser = httptools.HttpRequestParser(listener)
        except httptools.HttpParserInvalidMethodError:
            return listener.found, True
    return listener.found, False


def agree(expected, found, strange_method):
    """Whether two readers agree, up to where the second one stopped."""
    if strange_method:
        come = len(found)
        return expected[:come] == found and come < len(expected) and expected[come][0] not in METHODS
    return expected == found


def main(paths):
    requests = connections = 0
    for path in paths:
        with open(path, encoding="ascii") as file:
            records = json.load(file)
        for record in records:
            received = bytes.fromhex(record["bytes"])
            for reader in (by_h11, by_llhttp):
                try:
                    found, strange_method = reader(received)
                except (h11.RemoteProtocolError, httptools.HttpParserError) as error:
                    found, strange_method = [f"{type(error).__name__}: {error}"], False
                if not agree(record["requests"], found, strange_method):
                    sys.exit(f"{reader.__name__} finds {found}\ninstead of {record['requests']}\nin {received}")
        connections += len(records)
        requests += sum(len(record["requests"]) for record in records)
    if not requests:
        sys.exit("nothing was received: run `cargo test -p lb --test behaviour second_reader` first")
    print(f"h11 and llhttp find the same {requests} requests on {connections} connections")


if __name__ == "__main__":
    main(sys.argv[1:])
