"""An origin for uvicorn: see README.md beside it."""

import asyncio
import os
import time

LEDGER = open(os.environ["ORIGIN_LEDGER"], "a", buffering=1)
NUMBER = os.environ["ORIGIN_NUMBER"].encode()


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    identity = dict(scope["headers"]).get(b"x-request-id", b"")
    path = scope["path"]
    if identity:
        LEDGER.write(f"{scope['method']} {path} {identity.decode()}\n")
    while (await receive()).get("more_body", False):
        pass
    what, _, rest = path[1:].partition("/")
    if what == "sleep":
        await asyncio.sleep(int(rest) / 1000)
    elif what == "block":
        time.sleep(int(rest) / 1000)
    headers = [(b"x-backend", NUMBER), (b"x-request-id", identity), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": identity + b"\n"})
