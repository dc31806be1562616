#!/usr/bin/env python3
"""A notifier written to docs/protocol.md, with nothing but Python: notifier.py --fd N

As the text asks: everything is loaded, and every path opened, before hello.
"""

import ctypes
import errno
import os
import platform
import select
import socket
import struct
import sys
import time

from protocol import FRAME_BYTES_MAX, Frames, ProtocolError, decode, frame

OPEN, OPEN_EXEC, ACCESS, OVERFLOW = 0x20, 0x1000, 0x1, 0x4000
INIT_FLAGS = 0x1 | 0x2 | 0x10 | 0x20  # close on exec, non-blocking, no limit of queue and marks
REPORT_FD_ERROR = 0x2000
MARK_ADD, MARK_MOUNT, MARK_FILESYSTEM = 0x1, 0x10, 0x100
METADATA = struct.Struct("=IBBHQii")
EVENTS_AT_ONCE = 16
ENTRIES_MAX = 128
DELETED = b" (deleted)"

libc = ctypes.CDLL(None, use_errno=True)
libc.fanotify_mark.argtypes = [ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p]


class Failure(Exception):
    def __init__(self, code, stage, number):
        super().__init__(f"{stage}: {os.strerror(number)}")
        self.code, self.stage, self.errno = code, stage, number


class Watch:
    """A fanotify group, and the files it has told of."""

    def __init__(self):
        self.group = libc.fanotify_init(INIT_FLAGS | REPORT_FD_ERROR, os.O_RDONLY | os.O_CLOEXEC)
        self.tells_errors = self.group >= 0
        if self.group < 0:
            self.group = libc.fanotify_init(INIT_FLAGS, os.O_RDONLY | os.O_CLOEXEC)
        if self.group < 0:
            raise Failure("FANOTIFY_UNAVAILABLE", "fanotify_init", ctypes.get_errno())
        self.proc = os.open("/proc", os.O_PATH)
        self.own_files = os.open("/proc/self/fd", os.O_PATH)
        self.own_pid = os.getpid()
        self.root, self.root_path = -1, b""
        self.seen = {}
        names = "read merged sent overflows descriptorErrors unresolved deleted ignoredOwn"
        self.counters = dict.fromkeys(names.split(), 0)

    def mark(self, message):
        folder, path = -1, message.get("path")
        if path is None:
            folder, path = self.proc, b"%d/root" % message["rootPid"]
        scope = MARK_FILESYSTEM if message["kind"] == "filesystem" else MARK_MOUNT
        mask = OPEN | OPEN_EXEC | (ACCESS if message.get("reads") else 0)
        try:
            self.root = os.open(path, os.O_PATH, dir_fd=None if folder < 0 else folder)
        except OSError as cause:
            raise Failure("MARK_FAILED", "open", cause.errno) from None
        if libc.fanotify_mark(self.group, MARK_ADD | scope, mask, folder, path) != 0:
            raise Failure("MARK_FAILED", "fanotify_mark", ctypes.get_errno())
        self.root_path = os.readlink(b"%d" % self.root, dir_fd=self.own_files).rstrip(b"/")

    def read(self):
        """Entries without time and phase, of one read; None when nothing is there."""
        try:
            events = os.read(self.group, METADATA.size * EVENTS_AT_ONCE)
        except BlockingIOError:
            return None
        except OSError as cause:
            if cause.errno not in (errno.EMFILE, errno.ENFILE):
                raise Failure("EVENTS_UNREADABLE", "read", cause.errno) from None
            self.counters["read"] += 1
            self.counters["descriptorErrors"] += 1
            return []
        entries, at = [], 0
        while at < len(events):
            size, _, _, _, mask, file, pid = METADATA.unpack_from(events, at)
            at += size
            entry = self.take(mask, file, pid)
            if entry is not None:
                entries.append(entry)
        return entries

    def take(self, mask, file, pid):
        self.counters["read"] += 1
        if mask & OVERFLOW:
            self.counters["overflows"] += 1
        elif file < 0:
            self.counters["descriptorErrors"] += 1
        else:
            try:
                if pid == self.own_pid:
                    self.counters["ignoredOwn"] += 1
                else:
                    return self.access(mask, file, pid)
            except OSError:
                self.counters["unresolved"] += 1
            finally:
                os.close(file)
        return None

    def access(self, mask, file, pid):
        status = os.fstat(file)
        known = self.seen.get((status.st_dev, status.st_ino), 0)
        kinds = (1 if mask & OPEN else 0) | (2 if mask & OPEN_EXEC else 0) | (4 if mask & ACCESS else 0)
        if kinds & ~known == 0:
            self.counters["merged"] += 1
            return None
        path = os.readlink(b"%d" % file, dir_fd=self.own_files)
        if path.endswith(DELETED) and not self.is_there(path, status):
            self.counters["deleted"] += 1
            path = path[: -len(DELETED)]
        self.seen[(status.st_dev, status.st_ino)] = known | kinds
        return [path, kinds & ~known, pid, status.st_size, self.command(pid)]

    def is_there(self, path, status):
        """A file may be called so: then it is there by that name."""
        inside = path[len(self.root_path) :] if path.startswith(self.root_path + b"/") else path
        try:
            named = os.stat(inside.lstrip(b"/"), dir_fd=self.root, follow_symlinks=False)
        except OSError:
            return False
        return (named.st_dev, named.st_ino) == (status.st_dev, status.st_ino)

    def command(self, pid):
        try:
            file = os.open(b"%d/comm" % pid, os.O_RDONLY, dir_fd=self.proc)
        except OSError:
            return None
        try:
            return os.read(file, 64).removesuffix(b"\n") or None
        except OSError:
            return None
        finally:
            os.close(file)


class Session:
    def __init__(self, connection):
        self.connection, self.watch = connection, None
        self.marked = self.greeted = self.ended = False
        self.zero = None
        self.held = []
        self.sequence = 0

    def send(self, message):
        self.connection.sendall(frame(message))

    def run(self):
        try:
            self.watch, failure = Watch(), None
        except Failure as error:
            failure = error
        self.send_hello()
        if failure:
            raise failure
        frames, poll = Frames(), select.poll()
        poll.register(self.connection, select.POLLIN)
        poll.register(self.watch.group, select.POLLIN)
        while not self.ended:
            ready = dict(poll.poll())
            if self.watch.group in ready:
                self.read_once()
            if self.connection.fileno() in ready:
                piece = self.connection.recv(65536)
                if not piece:
                    frames.end()
                    return
                for payload in frames.push(piece):
                    self.answer(decode(payload))

    def send_hello(self):
        own_root = os.environ.get("HOTLAYER_ROOT", "").startswith("own")
        capabilities = {"kernel": platform.release(), "reads": True, "ownRoot": own_root}
        if self.watch:
            capabilities["descriptorErrors"] = self.watch.tells_errors
        version = {"major": 1, "minor": 1}
        program = "second notifier 1"
        self.send({"type": "hello", "version": version, "program": program, "pid": os.getpid(), "capabilities": capabilities})

    def answer(self, message):
        if message is None:
            return
        kind = message["type"]
        if not self.greeted and kind != "hello":
            raise ProtocolError("UNEXPECTED_MESSAGE", f"{kind} came before hello")
        getattr(self, "on_" + kind)(message)

    def on_hello(self, message):
        if self.greeted:
            raise ProtocolError("UNEXPECTED_MESSAGE", "hello came twice")
        self.greeted = True
        theirs = message["version"]
        if theirs["major"] != 1:
            both = f"{theirs['major']}.{theirs['minor']} and 1.1"
            raise ProtocolError("VERSION_UNSUPPORTED", f"the versions of the two sides are {both}")

    def on_mark(self, message):
        if self.marked:
            raise ProtocolError("UNEXPECTED_MESSAGE", "mark came twice")
        self.watch.mark(message)
        self.marked = True
        self.send({"type": "marked", "kind": message["kind"], "reason": message["reason"]})

    def on_started(self, _):
        if not self.marked or self.zero is not None:
            raise ProtocolError("UNEXPECTED_MESSAGE", "started came before mark, or late")
        self.drain()
        self.watch.seen.clear()
        self.start()
        self.send({"type": "started"})

    def on_flush(self, _, answer="flushed"):
        self.drain()
        if self.zero is None:
            self.start()
        self.send({"type": answer, "counters": self.watch.counters})

    def on_stop(self, _):
        self.on_flush(_, "stopped")
        self.ended = True

    def on_error(self, _):
        self.ended = True

    def start(self):
        self.zero = time.monotonic_ns() // 1000
        held, self.held = self.held, []
        self.tell(held, 0)

    def drain(self):
        while self.read_once():
            pass

    def read_once(self):
        entries = self.watch.read()
        if entries is None:
            return False
        now = time.monotonic_ns() // 1000
        stamped = [(now, entry) for entry in entries]
        if self.zero is None:
            self.held += stamped
        else:
            self.tell(stamped, 1)
        return True

    def tell(self, stamped, phase):
        entries, size = [], 0
        for now, (path, kinds, pid, file_bytes, command) in stamped:
            if len(entries) == ENTRIES_MAX or size + len(path) > FRAME_BYTES_MAX // 2:
                self.send_accesses(entries)
                entries, size = [], 0
            entries.append([path, kinds, pid, now - self.zero, phase, file_bytes, command])
            size += len(path) + 128
        self.send_accesses(entries)

    def send_accesses(self, entries):
        if not entries:
            return
        self.watch.counters["sent"] += len(entries)
        self.send({"type": "accesses", "sequence": self.sequence, "entries": entries})
        self.sequence += 1


def main(arguments):
    if len(arguments) != 2 or arguments[0] != "--fd":
        sys.exit("usage: notifier.py --fd N")
    connection = socket.socket(fileno=int(arguments[1]))
    session = Session(connection)
    try:
        session.run()
    except (BrokenPipeError, ConnectionResetError):
        return
    except (ProtocolError, Failure) as cause:
        message = {"type": "error", "code": cause.code, "stage": getattr(cause, "stage", "session"), "message": str(cause)}
        number = getattr(cause, "errno", None)
        session.send(message if number is None else {**message, "errno": number})
        sys.exit(f"notifier: {cause}")


if __name__ == "__main__":
    main(sys.argv[1:])
