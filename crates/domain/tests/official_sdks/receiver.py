"""Reads lines `<signature> <body>`, does with each body what receivers on the official Python SDK do, and says what it saw."""

import json
import sys

import smartcar

key = sys.argv[1]
said = {"read": 0, "changed": [], "refused": []}

for line in sys.stdin.buffer:
    signature, text = line.rstrip(b"\n").split(b" ", 1)
    body = text.decode()
    said["read"] += 1
    if not smartcar.verify_payload(key, signature.decode(), body):
        if len(said["refused"]) < 3:
            said["refused"].append(body[:2000])

print(json.dumps(said))
