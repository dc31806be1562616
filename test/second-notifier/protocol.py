"""The messages between optimizer and notifier, version 1.1: msgpack, frames and checks. Standard library only."""

import struct

VERSION = {"major": 1, "minor": 1}
MAX_PAYLOAD = 1_048_576
MAX_TEXT = 4096
MAX_PATH = 65_536
MAX_COMMAND = 4096
MAX_ENTRIES = 128
MAX_CAPABILITIES = 64
MAX_DEPTH = 100
MAX_INT = 2 ** 53 - 1
MAX_PID = 2 ** 31 - 1
MAX_SMALL = 65_535

COUNTERS = ("read", "merged", "sent", "overflows", "descriptorErrors", "unresolved", "deleted", "ignoredOwn")

# The order in which the fields of each message are written.
ORDER = {
    "hello": ("version", "program", "pid", "capabilities"),
    "mark": ("kind", "path", "rootPid", "reason", "reads"),
    "marked": ("kind", "reason"),
    "started": (),
    "accesses": ("sequence", "entries"),
    "flush": (),
    "flushed": ("counters",),
    "stop": (),
    "stopped": ("counters",),
    "error": ("code", "stage", "message", "errno"),
}
NESTED_ORDER = {"version": ("major", "minor"), "counters": COUNTERS}


class ProtocolError(Exception):
    """The stream or a message breaks the protocol; `code` is one of the protocol's error codes."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


# ---- Writing ----

def _head(length, fixed, fixed_limit, *forms):
    """The head of a value of that length: the fixed form below its limit, else the shortest (format byte, layout)."""
    if length < fixed_limit:
        return bytes((fixed | length,))
    for byte, layout in forms:
        if length < 1 << 8 * struct.calcsize(layout):
            return bytes((byte,)) + struct.pack(layout, length)
    raise ValueError(f"too long for msgpack: {length}")


def _pack_int(value):
    """The shortest form; outside 32 bits a float64."""
    if -32 <= value < 128:
        return struct.pack(">b", value)
    if value >= 0:
        if value <= 0xFF:
            return struct.pack(">BB", 0xCC, value)
        if value <= 0xFFFF:
            return struct.pack(">BH", 0xCD, value)
        if value <= 0xFFFFFFFF:
            return struct.pack(">BI", 0xCE, value)
    else:
        if value >= -0x80:
            return struct.pack(">Bb", 0xD0, value)
        if value >= -0x8000:
            return struct.pack(">Bh", 0xD1, value)
        if value >= -0x80000000:
            return struct.pack(">Bi", 0xD2, value)
    if abs(value) > MAX_INT:
        raise ValueError(f"no exact float64: {value}")
    return struct.pack(">Bd", 0xCB, value)


def _pack_float(value):
    """An integral value as the integer that it is, any other as float64."""
    if value.is_integer() and abs(value) <= MAX_INT and str(value) != "-0.0":
        return _pack_int(int(value))
    return struct.pack(">Bd", 0xCB, value)


def pack(value):
    """The msgpack bytes of None, bool, int, float, str, bytes, list, tuple or dict, each in its shortest form."""
    kind = type(value)
    if kind is bytes:
        return _head(len(value), 0, 0, (0xC4, ">B"), (0xC5, ">H"), (0xC6, ">I")) + value
    if kind is int:
        return _pack_int(value)
    if kind is str:
        raw = value.encode("utf-8")
        return _head(len(raw), 0xA0, 32, (0xD9, ">B"), (0xDA, ">H"), (0xDB, ">I")) + raw
    if kind is list or kind is tuple:
        return _head(len(value), 0x90, 16, (0xDC, ">H"), (0xDD, ">I")) + b"".join(map(pack, value))
    if kind is dict:
        head = _head(len(value), 0x80, 16, (0xDE, ">H"), (0xDF, ">I"))
        return head + b"".join(pack(key) + pack(item) for key, item in value.items())
    if value is None:
        return b"\xc0"
    if kind is bool:
        return b"\xc3" if value else b"\xc2"
    if kind is float:
        return _pack_float(value)
    raise TypeError(f"no msgpack form for {kind.__name__}")


def _ordered(value, names):
    """The same map with the named keys first, in that order."""
    first = {name: value[name] for name in names if name in value}
    return {**first, **{name: item for name, item in value.items() if name not in first}}


def frame(message):
    """One message as a frame: length and payload, keys in the order of the protocol."""
    ordered = _ordered(message, ("type", *ORDER.get(message["type"], ())))
    for name, names in NESTED_ORDER.items():
        if isinstance(ordered.get(name), dict):
            ordered[name] = _ordered(ordered[name], names)
    payload = pack(ordered)
    if len(payload) > MAX_PAYLOAD:
        raise ProtocolError("FRAME_TOO_LARGE", f"a payload of {len(payload)} bytes, at most {MAX_PAYLOAD} are allowed")
    return struct.pack(">I", len(payload)) + payload


# ---- Reading frames ----

class Frames:
    """Cuts the byte stream into payloads: iterate over what `feed` returns; at the end of the stream call `end`."""

    def __init__(self):
        self._buffer = bytearray()

    def feed(self, data):
        """Takes bytes; returns an iterator over the payloads that are complete, which raises at a bad length."""
        self._buffer += data
        return self._payloads()

    def _payloads(self):
        buffer = self._buffer
        while len(buffer) >= 4:
            length = int.from_bytes(buffer[:4], "big")
            if length == 0:
                raise ProtocolError("FRAME_EMPTY", "a frame without payload")
            if length > MAX_PAYLOAD:
                raise ProtocolError("FRAME_TOO_LARGE", f"a frame of {length} bytes, at most {MAX_PAYLOAD} are allowed")
            if len(buffer) < 4 + length:
                return
            payload = bytes(buffer[4:4 + length])
            del buffer[:4 + length]
            yield payload

    def end(self):
        """The stream has ended: raises if that was inside a frame."""
        if self._buffer:
            raise ProtocolError("FRAME_TRUNCATED", f"the stream ended {len(self._buffer)} bytes into a frame")


# ---- Reading msgpack ----

class _Refused:
    """Stands for a value that is well-formed msgpack, but that no field may hold."""

    def __init__(self, what):
        self.what = what


def _malformed(why):
    return ProtocolError("MESSAGE_MALFORMED", f"the payload is not one msgpack map: {why}")


# Format byte -> (what, layout of the number or length that follows).
_LENGTHS = {
    0xC4: ("bin", ">B"), 0xC5: ("bin", ">H"), 0xC6: ("bin", ">I"),
    0xC7: ("ext", ">B"), 0xC8: ("ext", ">H"), 0xC9: ("ext", ">I"),
    0xD9: ("str", ">B"), 0xDA: ("str", ">H"), 0xDB: ("str", ">I"),
    0xDC: ("array", ">H"), 0xDD: ("array", ">I"), 0xDE: ("map", ">H"), 0xDF: ("map", ">I"),
}
_NUMBERS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


class _Reader:
    """Reads msgpack values from bytes."""

    def __init__(self, data):
        self._data = data
        self._at = 0

    def at_end(self):
        return self._at == len(self._data)

    def _take(self, length):
        start, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise _malformed("it ends inside a value")
        return self._data[start:self._at]

    def _number(self, layout):
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def value(self, depth=0):
        """The next value; `_Refused` for forms that the protocol refuses."""
        if depth > MAX_DEPTH:
            raise _malformed("it is nested too deeply")
        byte = self._take(1)[0]
        if byte < 0x80:
            return byte
        if byte >= 0xE0:
            return byte - 256
        if byte < 0x90:
            return self._map(byte & 0x0F, depth)
        if byte < 0xA0:
            return self._array(byte & 0x0F, depth)
        if byte < 0xC0:
            return self._text(byte & 0x1F)
        if byte in _CONSTANTS:
            return _CONSTANTS[byte]
        if byte in _NUMBERS:
            number = self._number(_NUMBERS[byte])
            return _Refused("a 64-bit integer") if byte in (0xCF, 0xD3) else number
        if byte in _LENGTHS:
            what, layout = _LENGTHS[byte]
            return self._sized(what, self._number(layout), depth)
        if 0xD4 <= byte <= 0xD8:
            return self._sized("ext", 1 << (byte - 0xD4), depth)
        raise _malformed(f"0x{byte:02x} is no format")

    def _sized(self, what, length, depth):
        if what == "bin":
            return self._take(length)
        if what == "str":
            return self._text(length)
        if what == "array":
            return self._array(length, depth)
        if what == "map":
            return self._map(length, depth)
        self._take(1 + length)
        return _Refused("an extension type")

    def _text(self, length):
        raw = self._take(length)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return _Refused("text that is not UTF-8")

    def _array(self, length, depth):
        return [self.value(depth + 1) for _ in range(length)]

    def _map(self, length, depth):
        pairs = [(self.value(depth + 1), self.value(depth + 1)) for _ in range(length)]
        if all(type(key) is str for key, _ in pairs):
            return dict(pairs)
        return _Refused("a map with keys that are not text")


# ---- Checking messages ----

def _invalid(name, why):
    return ProtocolError("MESSAGE_INVALID", f"{name}: {why}")


def _checked_text(name, value):
    if type(value) is not str:
        raise _invalid(name, f"{_what(value)} instead of text")
    if len(value) + sum(char > "\uffff" for char in value) > MAX_TEXT:
        raise _invalid(name, f"longer than {MAX_TEXT} characters")
    return value


def _checked_bool(name, value):
    if type(value) is not bool:
        raise _invalid(name, f"{_what(value)} instead of a boolean")
    return value


def _int_check(low=0, high=MAX_INT):
    def check(name, value):
        if type(value) is float and value.is_integer() and abs(value) <= MAX_INT:
            value = int(value)
        if type(value) is not int:
            raise _invalid(name, f"{_what(value)} instead of an int")
        if not low <= value <= high:
            raise _invalid(name, f"{value} is not from {low} to {high}")
        return value
    return check


def _checked_map(name, value):
    if type(value) is not dict:
        raise _invalid(name, f"{_what(value)} instead of a map")
    return value


def _checked_version(name, value):
    check = _int_check(high=MAX_SMALL)
    return _checked_fields(_checked_map(name, value), {"major": check, "minor": check}, f"{name}.")


def _checked_capabilities(name, value):
    if len(_checked_map(name, value)) > MAX_CAPABILITIES:
        raise _invalid(name, f"more than {MAX_CAPABILITIES} keys")
    for key, item in value.items():
        _checked_text(f"{name} (a key)", key)
        if type(item) is str:
            _checked_text(f"{name}.{key[:80]}", item)
        elif type(item) not in (int, float, bool):
            raise _invalid(f"{name}.{key[:80]}", f"{_what(item)} instead of text, a number or a boolean")
    return value


def _checked_kind(name, value):
    if _checked_text(name, value) not in ("filesystem", "mount"):
        raise _invalid(name, "neither filesystem nor mount")
    return value


def _checked_path(name, value):
    if type(value) is not bytes:
        raise _invalid(name, f"{_what(value)} instead of bytes")
    if not 1 <= len(value) <= MAX_PATH:
        raise _invalid(name, f"{len(value)} bytes, not from 1 to {MAX_PATH}")
    if not value.startswith(b"/") or b"\0" in value:
        raise _invalid(name, "not an absolute path")
    return value


def _what(value):
    """Names the type of a value in words."""
    if isinstance(value, _Refused):
        return value.what
    names = {str: "text", bytes: "bytes", int: "an int", float: "a float", bool: "a boolean", list: "an array"}
    return "nil" if value is None else names.get(type(value), "a map")


# What the optimizer may send: field -> check. `path` and `rootPid` exclude each other.
_FIELDS = {
    "hello": {
        "version": _checked_version, "program": _checked_text, "pid": _int_check(),
        "capabilities": _checked_capabilities,
    },
    "mark": {
        "kind": _checked_kind, "path": _checked_path, "rootPid": _int_check(1, MAX_PID), "reason": _checked_text,
        "reads": _checked_bool,
    },
    "started": {},
    "flush": {},
    "stop": {},
    "error": {
        "code": _checked_text, "stage": _checked_text, "message": _checked_text, "errno": _int_check(high=MAX_SMALL),
    },
}
_OPTIONAL = {"mark": ("path", "rootPid", "reads"), "error": ("errno",)}


def _checked_fields(value, checks, prefix="", optional=()):
    """The listed fields of a map, checked; unknown ones are dropped."""
    fields = {}
    for name, check in checks.items():
        if value.get(name) is None and name in optional:
            continue
        if name in value:
            fields[name] = check(prefix + name, value[name])
        else:
            raise _invalid(prefix + name, "missing")
    return fields


def decode(payload):
    """One payload as a checked message of the optimizer; None if its type is not one that the optimizer sends."""
    reader = _Reader(payload)
    value = reader.value()
    if type(value) is not dict:
        raise _malformed(_what(value))
    if not reader.at_end():
        raise _malformed("bytes follow it")
    if "type" not in value:
        raise _invalid("type", "missing")
    kind = _checked_text("type", value["type"])
    if kind not in _FIELDS:
        return None
    message = {"type": kind, **_checked_fields(value, _FIELDS[kind], optional=_OPTIONAL.get(kind, ()))}
    if kind == "mark":
        if message["kind"] != "mount":
            message.pop("rootPid", None)
        if "rootPid" in message:
            message.pop("path", None)
        elif "path" not in message:
            raise _invalid("path", "missing")
    return message
