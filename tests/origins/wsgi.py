"""An origin for gunicorn: see README.md beside it."""

import os
import time

LEDGER = open(os.environ["ORIGIN_LEDGER"], "a", buffering=1)
NUMBER = os.environ["ORIGIN_NUMBER"]


def app(environ, start_response):
    identity = environ.get("HTTP_X_REQUEST_ID", "")
    path = environ["PATH_INFO"]
    if identity:
        LEDGER.write(f"{environ['REQUEST_METHOD']} {path} {identity}\n")
    environ["wsgi.input"].read()
    what, _, rest = path[1:].partition("/")
    if what in ("sleep", "block"):
        time.sleep(int(rest) / 1000)
    body = f"{identity}\n".encode()
    headers = [("X-Backend", NUMBER), ("X-Request-Id", identity), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]
