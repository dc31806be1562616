#!/usr/bin/env python3
"""A notifier: marks a file system with fanotify and tells the optimizer of the first access of each file.

Usage: notifier.py --fd N | --socket PATH. Python's standard library only; Linux, with CAP_SYS_ADMIN.

The root of this process may change under it when a runtime pivots in its mount namespace. Therefore nothing is
imported after the start, and /proc is kept open.
"""

import argparse
import errno
import os
import resource
import select
import socket
import stat
import sys
import time

sys.dont_write_bytecode = True

import protocol  # noqa: E402
from kernel import FAN_ACCESS, FAN_OPEN, FAN_OPEN_EXEC, FAN_Q_OVERFLOW, Fanotify, Names  # noqa: E402

PROGRAM = "second-notifier 1.0"

OPENED, EXECUTED, READ = 1, 2, 4
CREATE, RUN = 0, 1

# At most so many bytes of an entry in a message are not path or command; of a message not entries.
ENTRY_OVERHEAD = 48
MESSAGE_OVERHEAD = 64


class Failure(Exception):
    """Ends the session with an `error` message."""

    def __init__(self, code, stage, message, number=None):
        super().__init__(message)
        self.code, self.stage, self.number = code, stage, number

    @classmethod
    def of(cls, code, stage, error):
        """For a system call that failed."""
        return cls(code, stage, f"{stage}: {os.strerror(error.errno)}", error.errno)


class Closed(Exception):
    """The other side has closed."""


class Session:
    """One conversation with the optimizer, over a connected socket."""

    def __init__(self, connection):
        self._connection = connection
        self._frames = protocol.Frames()
        self._fanotify = self._names = None
        self._own_pid = os.getpid()
        self._greeted = self._marked = self._started = self._flushed = False
        self._ignored_messages = 0
        self._zero = None  # nanoseconds; None as long as entries are held back
        self._ignoring = True  # the kernel need not tell again of what was told
        self._told = {}  # (device, inode) -> kinds
        self._entries = []  # not sent yet: [path, kinds, pid, nanoseconds, size, command]
        self._sequence = 0
        self._counters = dict.fromkeys(protocol.COUNTERS, 0)

    def run(self):
        """Until `stop` or the end of the stream; returns the exit status."""
        try:
            self._prepare()
            self._loop()
        except Closed:
            return 0
        except protocol.ProtocolError as error:
            return self._fail(Failure(error.code, "session", str(error)))
        except Failure as failure:
            return self._fail(failure)
        return 0

    def _fail(self, failure):
        message = {"type": "error", "code": failure.code, "stage": failure.stage,
                   "message": str(failure)[:protocol.MAX_TEXT // 2]}
        if failure.number is not None:
            message["errno"] = failure.number
        try:
            self._send(message)
        except Closed:
            pass
        print(f"notifier: {failure.code}: {failure}", file=sys.stderr)
        return 1

    def _prepare(self):
        """Opens what the session needs and says hello, in any case."""
        failure = None
        try:
            self._names = Names()
            self._fanotify = Fanotify()
        except OSError as error:
            failure = Failure.of("FANOTIFY_UNAVAILABLE", "fanotify_init" if self._names else "open /proc", error)
        capabilities = {"kernel": os.uname().release, "reads": True}
        if not failure:
            capabilities["descriptorErrors"] = self._fanotify.descriptor_errors
        self._send({"type": "hello", "version": protocol.VERSION, "program": PROGRAM, "pid": self._own_pid,
                    "capabilities": capabilities})
        if failure:
            raise failure

    def _loop(self):
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        poll.register(self._fanotify.fd, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if self._connection.fileno() in ready and self._receive():
                return
            if self._fanotify.fd in ready:
                self._take()

    # ---- Messages ----

    def _send(self, message):
        """Sends, and waits while the socket is full: meanwhile events wait in the kernel."""
        try:
            self._connection.sendall(protocol.frame(message))
        except OSError as error:
            raise Closed from error

    def _receive(self):
        """Handles what has arrived; returns whether the session has ended."""
        try:
            data = self._connection.recv(65_536)
        except OSError as error:
            raise Closed from error
        if not data:
            self._frames.end()
            raise Closed
        return any(self._handle(protocol.decode(payload)) for payload in self._frames.feed(data))

    def _handle(self, message):
        """Handles one message; returns whether it was the last."""
        if message is None:
            self._ignored_messages += 1
            return False
        kind = message["type"]
        if kind == "error":
            raise Closed
        elif kind == "hello" and not self._greeted:
            self._hello(message)
        elif kind == "mark" and self._greeted and not self._marked:
            self._mark(message)
        elif kind == "started" and self._marked and not self._started and not self._flushed:
            self._start()
        elif kind in ("flush", "stop") and self._greeted:
            self._flushed = True
            self._drain()
            self._tell(time.monotonic_ns())
            self._send({"type": "flushed" if kind == "flush" else "stopped", "counters": self._counters})
        else:
            raise Failure("UNEXPECTED_MESSAGE", "session", f"a message {kind} is not expected now")
        return kind == "stop"

    def _hello(self, message):
        theirs, ours = message["version"], protocol.VERSION
        if theirs["major"] != ours["major"]:
            raise Failure("VERSION_UNSUPPORTED", "session",
                          f"the optimizer speaks version {theirs['major']}.{theirs['minor']}, "
                          f"the notifier {ours['major']}.{ours['minor']}")
        self._greeted = True

    def _mark(self, message):
        stage = "open"
        try:
            root = self._names.open_root(message.get("path"), message.get("rootPid"))
            stage = "fanotify_mark"
            self._fanotify.mark(message["kind"], message.get("reads", False), self._names.proc, root)
        except OSError as error:
            raise Failure.of("MARK_FAILED", stage, error) from error
        self._marked = True
        self._send({"type": "marked", "kind": message["kind"], "reason": message["reason"]})

    def _start(self):
        try:
            self._fanotify.ignore_none()
        except OSError as error:
            raise Failure.of("MARK_FAILED", "fanotify_mark", error) from error
        self._ignoring = False  # what is still taken is forgotten at once
        self._drain()
        self._ignoring = True
        self._told.clear()
        self._tell(time.monotonic_ns())
        self._started = True
        self._send({"type": "started"})

    # ---- Events ----

    def _drain(self):
        """Takes all events that the kernel has now; not later ones: a busy system would never let it end."""
        try:
            left = self._fanotify.queued()
        except OSError as error:
            raise Failure.of("EVENTS_UNREADABLE", "ioctl", error) from error
        while left > 0:
            taken = self._take()
            if not taken:
                return
            left -= taken

    def _take(self):
        """Reads events once, and sends the new entries unless they are held back; returns the number of events."""
        try:
            events = self._fanotify.read()
        except OSError as error:
            raise Failure.of("EVENTS_UNREADABLE", "read", error) from error
        now = time.monotonic_ns()
        counters = self._counters
        counters["read"] += len(events)
        commands = {}
        for mask, fd, pid in events:
            if mask & FAN_Q_OVERFLOW:
                counters["overflows"] += 1
            elif fd < 0:
                counters["ignoredOwn" if pid == self._own_pid else "descriptorErrors"] += 1
            else:
                try:
                    self._event(mask, fd, pid, now, commands)
                finally:
                    os.close(fd)
        if self._zero is not None:
            self._tell()
        return len(events)

    def _event(self, mask, fd, pid, now, commands):
        """Makes an entry of an event, if it has kinds that the file had not before."""
        counters = self._counters
        if pid == self._own_pid:
            counters["ignoredOwn"] += 1
            return
        try:
            status = os.fstat(fd)
            identity = status.st_dev, status.st_ino
            before = self._told.get(identity, 0)
            kinds = ((OPENED if mask & FAN_OPEN else 0) | (EXECUTED if mask & FAN_OPEN_EXEC else 0)
                     | (READ if mask & FAN_ACCESS else 0)) & ~before
            if not kinds:
                counters["merged"] += 1
                return
            path, deleted = self._names.path(fd, status)
        except OSError:
            counters["unresolved"] += 1
            return
        if not path:
            counters["unresolved"] += 1
            return
        if pid not in commands:
            commands[pid] = self._names.command(pid)
        self._told[identity] = before | kinds
        if self._ignoring:
            self._fanotify.ignore(fd, mask)
        counters["deleted"] += deleted
        size = min(status.st_size, protocol.MAX_INT)
        self._entries.append((path, kinds, pid, now, size, commands[pid]))

    def _tell(self, moment=None):
        """Sends all entries; the first time, with the moment that is the zero of time."""
        phase = RUN
        if self._zero is None:
            self._zero, phase = moment, CREATE
        batch, size = [], MESSAGE_OVERHEAD
        for path, kinds, pid, now, length, command in self._entries:
            grown = size + len(path) + len(command or b"") + ENTRY_OVERHEAD
            if len(batch) == protocol.MAX_ENTRIES or grown > protocol.MAX_PAYLOAD:
                self._send_entries(batch)
                grown, batch = grown - size + MESSAGE_OVERHEAD, []
            batch.append([path, kinds, pid, (now - self._zero) // 1000, phase, length, command])
            size = grown
        self._entries.clear()
        if batch:
            self._send_entries(batch)

    def _send_entries(self, batch):
        self._counters["sent"] += len(batch)
        self._send({"type": "accesses", "sequence": self._sequence, "entries": batch})
        self._sequence += 1


def connect(path):
    """Connects to a listening socket, whose folder must be ours and not writable by others."""
    folder, name = os.path.split(path)
    fd = os.open(folder or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o022:
            raise PermissionError(errno.EPERM, "must belong to this user and not be writable by others", folder or ".")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(f"/proc/self/fd/{fd}/{name}")
        return connection
    finally:
        os.close(fd)


def close(connection):
    """Closes without a reset: what the other side has still sent is read and dropped."""
    try:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536, socket.MSG_DONTWAIT):
            pass
    except OSError:
        pass
    connection.close()


def main():
    """Returns the exit status: 0 after `stop` or when the other side closed, 1 after an error, 2 for wrong usage."""
    parser = argparse.ArgumentParser(description="Tells of the first access of each file.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int, default=-1, metavar="N", help="descriptor of a connected Unix stream socket")
    where.add_argument("--socket", metavar="PATH", help="listening Unix stream socket to connect to")
    arguments = parser.parse_args()
    try:
        connection = socket.socket(fileno=arguments.fd) if arguments.socket is None else connect(arguments.socket)
        connection.setblocking(True)
        os.set_inheritable(connection.fileno(), False)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        print(f"notifier: {error}", file=sys.stderr)
        return 1
    try:
        return Session(connection).run()
    finally:
        close(connection)


if __name__ == "__main__":
    sys.exit(main())
