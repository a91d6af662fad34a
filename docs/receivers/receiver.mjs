// Receives webhooks with Node alone.
// MILEPOST_MANAGEMENT_TOKEN=… PORT=9000 node receiver.mjs
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const token = process.env.MILEPOST_MANAGEMENT_TOKEN.trim();
const seen = new Set(); // in production: a table with a unique key, kept for two days

const sign = (message) => createHmac("sha256", token).update(message).digest("hex");

function isSigned(body, signature = "") {
  const [expected, given] = [Buffer.from(sign(body)), Buffer.from(signature)];
  return expected.length === given.length && timingSafeEqual(expected, given);
}

// What a repeated event has in common with its first delivery.
function ids({ eventId, payload = {} }) {
  const id = eventId ?? payload.eventId;
  return id ? [id] : (payload.vehicles ?? []).map((vehicle) => vehicle.requestId);
}

function receive(body, signature) {
  // The signature is over the bytes as they came: check it before anything is parsed.
  if (!isSigned(body, signature)) return [401, { error: "wrong signature" }];
  const event = JSON.parse(body);
  const name = event.eventType ?? event.eventName;
  if (name === "VERIFY" || name === "verify") {
    return [200, { challenge: sign((event.data ?? event.payload).challenge) }];
  }
  const fresh = ids(event).filter((id) => !seen.has(id));
  fresh.forEach((id) => seen.add(id));
  // Put the event into a queue here, and do the work after the answer.
  console.log(fresh.length ? name : `${name} again`);
  return [200, {}];
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const [status, content] = receive(Buffer.concat(chunks), request.headers["sc-signature"]);
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(content));
});
server.listen(Number(process.env.PORT ?? 9000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
