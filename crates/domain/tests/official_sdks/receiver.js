// Reads lines `<signature> <body>`, does with each body what receivers on the official Node SDK do, and says what it saw.
"use strict";

const [sdk, key] = process.argv.slice(2);
const smartcar = require(sdk);

const said = { read: 0, changed: [], refused: [] };

function receive(line) {
  const at = line.indexOf(32);
  const signature = line.subarray(0, at).toString("latin1");
  const text = line.subarray(at + 1).toString("utf8");
  const body = JSON.parse(text);
  said.read += 1;
  if (JSON.stringify(body) !== text) note(said.changed, text);
  if (!smartcar.verifyPayload(key, signature, body)) note(said.refused, text);
}

function note(list, text) {
  if (list.length < 3) list.push(text.slice(0, 2000));
}

// Lines end at a line feed and nowhere else; `readline` would end them at U+2028, too.
let parts = [];
process.stdin.on("data", (chunk) => {
  let start = 0;
  for (let end; (end = chunk.indexOf(10, start)) >= 0; start = end + 1) {
    parts.push(chunk.subarray(start, end));
    receive(parts.length === 1 ? parts[0] : Buffer.concat(parts));
    parts = [];
  }
  if (start < chunk.length) parts.push(chunk.subarray(start));
});
process.stdin.on("end", () => console.log(JSON.stringify(said)));
