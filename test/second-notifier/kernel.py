"""What the notifier asks of the kernel: fanotify, and names from /proc. Standard library only."""

import ctypes
import errno
import fcntl
import os
import resource
import struct
import termios

FAN_CLOEXEC, FAN_NONBLOCK, FAN_UNLIMITED_QUEUE, FAN_UNLIMITED_MARKS = 0x1, 0x2, 0x10, 0x20
FAN_REPORT_FD_ERROR = 0x2000
FAN_MARK_ADD, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM = 0x1, 0x10, 0x100
FAN_MARK_IGNORED_MASK, FAN_MARK_IGNORED_SURV_MODIFY, FAN_MARK_FLUSH, FAN_MARK_EVICTABLE = 0x20, 0x40, 0x80, 0x200
FAN_ACCESS, FAN_OPEN, FAN_OPEN_EXEC, FAN_Q_OVERFLOW = 0x1, 0x20, 0x1000, 0x4000

# struct fanotify_event_metadata: event_len, vers, reserved, metadata_len, mask, fd, pid
METADATA = struct.Struct("=IBBHQii")
METADATA_VERSION = 3
AT_FDCWD = -100
EVENTS_AT_ONCE = 128
OTHER_DESCRIPTORS = 16
MAX_NAME = 4096
DELETED = b" (deleted)"


class Fanotify:
    """A fanotify group."""

    def __init__(self):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.fanotify_init.argtypes = (ctypes.c_uint, ctypes.c_uint)
        self._libc.fanotify_mark.argtypes = (
            ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p)
        flags = FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS
        # Without O_NONBLOCK the kernel would wait for the other end of a named pipe.
        event_flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_LARGEFILE
        self.descriptor_errors = True
        self.fd = self._libc.fanotify_init(flags | FAN_REPORT_FD_ERROR, event_flags)
        if self.fd < 0 and ctypes.get_errno() == errno.EINVAL:
            self.descriptor_errors = False
            self.fd = self._libc.fanotify_init(flags, event_flags)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "fanotify_init")
        # Each event takes a descriptor until it is handled; some are in use.
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._at_once = max(1, min(EVENTS_AT_ONCE, limit - OTHER_DESCRIPTORS))

    def mark(self, kind, reads, directory, path):
        """Marks the mount or the file system of path, which is relative to the open directory."""
        flags = FAN_MARK_ADD | (FAN_MARK_MOUNT if kind == "mount" else FAN_MARK_FILESYSTEM)
        mask = FAN_OPEN | FAN_OPEN_EXEC | (FAN_ACCESS if reads else 0)
        self._mark(flags, mask, directory, path)

    def ignore(self, fd, mask):
        """Asks the kernel for no more of these events of an open file. It may fail: then they come, and are merged.

        The mark is evictable (Linux 5.19), so that it keeps no inode in memory, nor a removed file on the disk.
        """
        flags = FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY | FAN_MARK_EVICTABLE
        self._libc.fanotify_mark(self.fd, flags, mask, fd, None)

    def ignore_none(self):
        """Takes back every `ignore`."""
        self._mark(FAN_MARK_FLUSH, 0, AT_FDCWD, None)

    def _mark(self, flags, mask, directory, path):
        if self._libc.fanotify_mark(self.fd, flags, mask, directory, path) < 0:
            raise OSError(ctypes.get_errno(), "fanotify_mark")

    def queued(self):
        """How many events the kernel has."""
        size = struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, bytes(4)))[0]
        return size // METADATA.size

    def read(self):
        """The next events as (mask, descriptor, pid); a descriptor below 0 for one that could not be opened."""
        try:
            data = os.read(self.fd, self._at_once * METADATA.size)
        except BlockingIOError:
            return []
        except OSError as error:
            if self.descriptor_errors or error.errno in (errno.EBADF, errno.EFAULT, errno.EINVAL, errno.ENOMEM):
                raise
            # Before Linux 6.13 this is how the first event of a read fails to be opened; it is gone.
            return [(0, -error.errno, 0)]
        events, at = [], 0
        while at < len(data):
            length, version, _, _, mask, fd, pid = METADATA.unpack_from(data, at)
            if version != METADATA_VERSION or length < METADATA.size:
                raise OSError(errno.EPROTO, f"events of version {version}")
            events.append((mask, fd, pid))
            at += length
        return events


class Names:
    """Finds the names of files and processes through /proc, which it keeps open, whatever becomes of the root."""

    def __init__(self):
        self.proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._root = None

    def open_root(self, path=None, pid=None):
        """Opens what is to be marked, without access to it; returns its path relative to `proc`."""
        directory, path = (None, path) if pid is None else (self.proc, b"%d/root" % pid)
        self._root = os.open(path, os.O_PATH | os.O_CLOEXEC, dir_fd=directory)
        return b"self/fd/%d" % self._root

    def _link(self, fd):
        return os.readlink(b"self/fd/%d" % fd, dir_fd=self.proc)

    def path(self, fd, status):
        """(path, whether it is removed) of an open file; OSError if it cannot be read."""
        path = self._link(fd)
        while path.endswith(DELETED):
            if status.st_nlink and self._is_at(path, status):
                return path, False
            again = self._link(fd)
            if again == path:
                return path[:-len(DELETED)], True
            path = again  # it was removed or renamed meanwhile
        return path, False

    def _is_at(self, path, status):
        """Whether the file is there by exactly that name, seen from our root or below the root that was marked."""
        if self._is_same(path, status, None):
            return True
        mount_point = self._link(self._root).rstrip(b"/") + b"/"
        inside = [path] + ([path[len(mount_point) - 1:]] if path.startswith(mount_point) else [])
        return any(self._is_same(name.lstrip(b"/"), status, self._root) for name in inside)

    @staticmethod
    def _is_same(path, status, directory):
        try:
            other = os.stat(path, dir_fd=directory, follow_symlinks=False)
        except OSError:
            return False
        return (other.st_dev, other.st_ino) == (status.st_dev, status.st_ino)

    def command(self, pid):
        """Name of a process; None when it has ended or has no name."""
        if pid <= 0:
            return None
        try:
            fd = os.open(b"%d/comm" % pid, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.proc)
            try:
                name = os.read(fd, MAX_NAME)
            finally:
                os.close(fd)
        except OSError:
            return None
        return name.removesuffix(b"\n") or None
