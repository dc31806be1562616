"""The protocol of docs/protocol.md a second time, with nothing of the first: msgpack, frames, and the notifier's messages."""

import struct

FRAME_BYTES_MAX = 1024 * 1024
TEXT_CHARACTERS_MAX = 4096
PATH_BYTES_MAX = 65536
SAFE_INTEGER_MAX = 2**53 - 1


class ProtocolError(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Extension:
    """Stands for any extension type, or a 64-bit integer: refused wherever a field needs something else."""


# --- msgpack ----------------------------------------------------------------------------------------------------


def pack(value):
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return pack_integer(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode("utf-8")
        return header(len(text), (0xA0, 32), (0xD9, 0xDA, 0xDB)) + text
    if isinstance(value, bytes):
        return header(len(value), None, (0xC4, 0xC5, 0xC6)) + value
    if isinstance(value, list):
        return header(len(value), (0x90, 16), (None, 0xDC, 0xDD)) + b"".join(map(pack, value))
    if isinstance(value, dict):
        pairs = b"".join(pack(key) + pack(item) for key, item in value.items())
        return header(len(value), (0x80, 16), (None, 0xDE, 0xDF)) + pairs
    raise TypeError(type(value))


def pack_integer(value):
    if 0 <= value < 128 or -32 <= value < 0:
        return struct.pack(">b" if value < 0 else ">B", value)
    forms = (("d0", ">b", 7), ("d1", ">h", 15), ("d2", ">i", 31)) if value < 0 else (("cc", ">B", 8), ("cd", ">H", 16), ("ce", ">I", 32))
    for code, form, bits in forms:
        if -(2**bits) <= value < 2**bits:
            return bytes.fromhex(code) + struct.pack(form, value)
    return b"\xcb" + struct.pack(">d", float(value))


def header(size, short, codes):
    if short and size < short[1]:
        return bytes([short[0] | size])
    for code, form, limit in zip(codes, (">B", ">H", ">I"), (2**8, 2**16, 2**32)):
        if code is not None and size < limit:
            return bytes([code]) + struct.pack(form, size)
    raise ValueError("too large")


class Unpacker:
    def __init__(self, payload):
        self.bytes, self.at = payload, 0

    def take(self, count):
        if self.at + count > len(self.bytes):
            raise ValueError("it ends too early")
        self.at += count
        return self.bytes[self.at - count : self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self):
        code = self.number(">B")
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 256
        if code < 0x90:
            return self.map(code & 15)
        if code < 0xA0:
            return self.array(code & 15)
        if code < 0xC0:
            return self.text(code & 31)
        return self.by_code(code)

    def by_code(self, code):
        if code in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[code]
        if 0xC4 <= code <= 0xC6:
            return bytes(self.take(self.number((">B", ">H", ">I")[code - 0xC4])))
        if 0xC7 <= code <= 0xC9:
            return self.extension(self.number((">B", ">H", ">I")[code - 0xC7]))
        if code in (0xCA, 0xCB):
            return self.number(">f" if code == 0xCA else ">d")
        if code in (0xCF, 0xD3):
            self.take(8)
            return Extension()
        if 0xCC <= code <= 0xD2:
            return self.number({0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i"}[code])
        if 0xD4 <= code <= 0xD8:
            return self.extension(1 << (code - 0xD4))
        if 0xD9 <= code <= 0xDB:
            return self.text(self.number((">B", ">H", ">I")[code - 0xD9]))
        if code in (0xDC, 0xDD):
            return self.array(self.number(">H" if code == 0xDC else ">I"))
        if code in (0xDE, 0xDF):
            return self.map(self.number(">H" if code == 0xDE else ">I"))
        raise ValueError("there is no code 0xc1")

    def extension(self, count):
        self.take(1 + count)
        return Extension()

    def text(self, count):
        return self.take(count).decode("utf-8", "replace")

    def array(self, count):
        return [self.value() for _ in range(count)]

    def map(self, count):
        result = {}
        for _ in range(count):
            key = self.value()
            result[key if isinstance(key, (str, int, float, bytes)) else repr(key)] = self.value()
        return result


# --- Frames -----------------------------------------------------------------------------------------------------


def frame(message):
    payload = pack(message)
    return struct.pack(">I", len(payload)) + payload


class Frames:
    """Payloads out of pieces of a stream."""

    def __init__(self):
        self.pending = b""

    def push(self, piece):
        self.pending += piece
        while len(self.pending) >= 4:
            size = struct.unpack(">I", self.pending[:4])[0]
            if size == 0:
                raise ProtocolError("FRAME_EMPTY", "a frame announces no bytes")
            if size > FRAME_BYTES_MAX:
                raise ProtocolError("FRAME_TOO_LARGE", f"a frame announces {size} bytes")
            if len(self.pending) < 4 + size:
                return
            payload, self.pending = self.pending[4 : 4 + size], self.pending[4 + size :]
            yield payload

    def end(self):
        if self.pending:
            raise ProtocolError("FRAME_TRUNCATED", "the stream ends inside a frame")


# --- What the optimizer says --------------------------------------------------------------------------------------


def decode(payload):
    """A message of the optimizer, checked; None for one of a type that is not known."""
    unpacker = Unpacker(payload)
    try:
        message = unpacker.value()
        whole = unpacker.at == len(payload)
    except (ValueError, RecursionError, struct.error) as cause:
        raise ProtocolError("MESSAGE_MALFORMED", f"no msgpack: {cause}") from None
    if not whole or not isinstance(message, dict):
        raise ProtocolError("MESSAGE_MALFORMED", "a frame does not hold one msgpack map")
    kind = message.get("type")
    require(isinstance(kind, str), "type")
    check = CHECKS.get(kind)
    return None if check is None else {"type": kind, **check(message)}


def require(good, field):
    if not good:
        raise ProtocolError("MESSAGE_INVALID", f"the field {field} is missing, of the wrong type or out of range")


def text(message, field):
    value = message.get(field)
    # Characters as UTF-16 counts them.
    require(isinstance(value, str) and len(value.encode("utf-16-le", "surrogatepass")) // 2 <= TEXT_CHARACTERS_MAX, field)
    return value


def integer(message, field, least=0, most=SAFE_INTEGER_MAX):
    value = message.get(field)
    if isinstance(value, float) and value.is_integer() and abs(value) <= SAFE_INTEGER_MAX:
        value = int(value)
    require(isinstance(value, int) and not isinstance(value, bool) and least <= value <= most, field)
    return value


def hello(message):
    version, capabilities = message.get("version"), message.get("capabilities")
    require(isinstance(version, dict), "version")
    require(isinstance(capabilities, dict) and len(capabilities) <= 64, "capabilities")
    for value in capabilities.values():
        require(isinstance(value, (str, int, float, bool)), "capabilities")
        require(len(str(value)) <= TEXT_CHARACTERS_MAX, "capabilities")
    return {
        "version": {part: integer(version, part, 0, 65535) for part in ("major", "minor")},
        "program": text(message, "program"),
        "pid": integer(message, "pid"),
        "capabilities": capabilities,
    }


def mark(message):
    kind, reads = message.get("kind"), message.get("reads")
    require(kind in ("filesystem", "mount"), "kind")
    require(reads is None or isinstance(reads, bool), "reads")
    result = {"kind": kind}
    if kind == "mount" and "rootPid" in message:
        result["rootPid"] = integer(message, "rootPid", 1, 2**31 - 1)
    else:
        path = message.get("path")
        require(isinstance(path, bytes) and 1 <= len(path) <= PATH_BYTES_MAX, "path")
        result["path"] = path
    result["reason"] = text(message, "reason")
    return result if reads is None else {**result, "reads": reads}


def error(message):
    result = {field: text(message, field) for field in ("code", "stage", "message")}
    if message.get("errno") is not None:
        result["errno"] = integer(message, "errno", 0, 65535)
    return result


CHECKS = {"hello": hello, "mark": mark, "error": error, **{kind: lambda _: {} for kind in ("started", "flush", "stop")}}
