"""An origin on Python's http.server, with one thread: see README.md beside it."""

import os
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

LEDGER = open(os.environ["ORIGIN_LEDGER"], "a", buffering=1)
NUMBER = os.environ["ORIGIN_NUMBER"]


class Origin(BaseHTTPRequestHandler):
    def answer(self):
        identity = self.headers.get("X-Request-Id", "")
        if identity:
            LEDGER.write(f"{self.command} {self.path} {identity}\n")
        # Only what a POST carries is read: handlers of other methods have no reason to look for a body.
        if self.command == "POST":
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
        what, _, rest = self.path[1:].partition("/")
        if what == "die":
            self.close_connection = True
            return
        if what in ("sleep", "block"):
            time.sleep(int(rest) / 1000)
        body = f"{identity}\n".encode()
        self.send_response(200)
        self.send_header("X-Backend", NUMBER)
        self.send_header("X-Request-Id", identity)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_OPTIONS = answer

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", int(os.environ["ORIGIN_PORT"])), Origin)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
