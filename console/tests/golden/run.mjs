// node run.mjs MODEL SEQUENCES: each line of the second file has `{name, every, events, views}`.
// Writes each sequence whose views differ, and the number of those that agree.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

import { compare } from "./compare.js";

const [, , file, sequences] = process.argv;
const { Model } = await import(pathToFileURL(file));
let agree = 0;
for await (const line of createInterface({ input: createReadStream(sequences) })) {
  const { name, every, events, views } = JSON.parse(line);
  const told = compare(Model, events, every, views);
  if (told) console.log(`${name}: ${told}`);
  else agree += 1;
}
console.log(`${agree} sequences agree`);
