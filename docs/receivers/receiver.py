# Receives webhooks with Python's standard library.
# MILEPOST_MANAGEMENT_TOKEN=… PORT=9000 python3 receiver.py
import hashlib
import hmac
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = os.environ["MILEPOST_MANAGEMENT_TOKEN"].strip().encode()
seen = set()  # in production: a table with a unique key, kept for two days


def sign(message: bytes) -> str:
    return hmac.new(TOKEN, message, hashlib.sha256).hexdigest()


def ids(event: dict) -> list:
    """What a repeated event has in common with its first delivery."""
    payload = event.get("payload", {})
    event_id = event.get("eventId") or payload.get("eventId")
    return [event_id] if event_id else [vehicle["requestId"] for vehicle in payload.get("vehicles", [])]


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        # The signature is over the bytes as they came: check it before anything is parsed.
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not hmac.compare_digest(sign(body), self.headers.get("SC-Signature", "")):
            return self.answer(401, {"error": "wrong signature"})
        event = json.loads(body)
        name = event.get("eventType") or event.get("eventName")
        if name in ("VERIFY", "verify"):
            challenge = (event.get("data") or event["payload"])["challenge"]
            return self.answer(200, {"challenge": sign(challenge.encode())})
        new = [i for i in ids(event) if i not in seen]
        seen.update(new)
        # Put the event into a queue here, and do the work after the answer.
        print(name if new else f"{name} again", flush=True)
        self.answer(200, {})

    def answer(self, status: int, content: dict):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Receiver)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
