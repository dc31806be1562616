"""Puts the fixtures through protocol.py: fixtures.py FOLDER. A line per fixture that fails; then how many were tried.

Those of the optimizer are read, those of the notifier are written: the notifier's side of both.
"""

import base64
import json
import pathlib
import sys

from protocol import ProtocolError, decode, pack


def from_json(value):
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"bytes"}:
        return value["bytes"].encode("utf-8")
    if set(value) == {"base64"}:
        return base64.b64decode(value["base64"])
    return {key: from_json(item) for key, item in value.items()}


def outcome(document, payload, kind):
    """What is wrong, or None."""
    if document["from"] == "notifier":
        written = pack(from_json(document["message"]))
        return None if written == payload else f"written as {written.hex()}"
    try:
        message = decode(payload)
    except ProtocolError as error:
        expected = document.get("code")
        return None if error.code == expected else f"refused with {error.code}: {error}"
    if kind == "refused":
        return f"accepted as {message}"
    expected = from_json(document["message"])
    return None if message == expected else f"read as {message}"


tried = failed = 0
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.json")):
    document = json.loads(path.read_text())
    if document["from"] == "notifier" and path.parent.name in ("accepted", "refused"):
        continue  # what the optimizer accepts of a notifier is none of a notifier's business
    wrong = outcome(document, path.with_suffix(".bin").read_bytes(), path.parent.name)
    tried += 1
    if wrong:
        failed += 1
        print(f"{path}: {wrong}")
print(f"{tried} tried, {failed} failed")
