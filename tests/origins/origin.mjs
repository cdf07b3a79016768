// An origin on node: see README.md beside it.
import { openSync, writeSync } from "node:fs";
import { createServer } from "node:http";

const ledger = openSync(process.env.ORIGIN_LEDGER, "a");
const number = process.env.ORIGIN_NUMBER;

const server = createServer((request, response) => {
  const id = request.headers["x-request-id"] ?? "";
  if (id) {
    writeSync(ledger, `${request.method} ${request.url} ${id}\n`);
  }
  response.setHeader("X-Backend", number);
  response.setHeader("X-Request-Id", id);
  const [, what, rest] = request.url.split("/");
  const answer = () => {
    request.resume();
    request.on("end", () => response.end(`${id}\n`));
  };
  switch (what) {
    case "die":
      request.socket.destroy();
      break;
    case "sleep":
      setTimeout(answer, Number(rest));
      break;
    case "block":
      // The one way to make node wait without doing anything else.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(rest));
      answer();
      break;
    case "events":
      response.setHeader("Content-Type", "text/event-stream");
      response.write(`data: ${id}\n\n`);
      break;
    case "headers":
      for (let i = 0; i < Number(rest); i++) {
        response.setHeader(`X-Filler-${i}`, "x");
      }
      answer();
      break;
    case "twice":
      // Past the server, which would refuse to say such a thing.
      request.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok\n");
      break;
    case "early":
      response.write(`${id}\n`);
      answer();
      break;
    default:
      answer();
  }
});

server.listen(Number(process.env.ORIGIN_PORT), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
