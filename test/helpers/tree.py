"""Prints what lies below a folder, as a JSON array sorted by path: one flat object per entry.

    python3 tree.py FOLDER [UNPACKED-SINCE]

Bytes of names are printed as Latin-1. A modification time at or after UNPACKED-SINCE (seconds) was made by the
unpacking itself and is printed as "unpacking".
"""
import hashlib
import json
import os
import stat
import sys

KINDS = {
    stat.S_IFREG: "reg",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def text(name):
    return name.decode("latin-1")


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as content:
        while piece := content.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def facts(path, name, unpacked_since):
    status = os.lstat(path)
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    found = {
        "path": text(name),
        "type": kind,
        "mode": oct(stat.S_IMODE(status.st_mode)),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime": str(status.st_mtime_ns),
    }
    if unpacked_since is not None and status.st_mtime >= unpacked_since:
        found["mtime"] = "unpacking"
    if kind == "reg":
        found["size"] = status.st_size
        found["sha256"] = sha256(path)
    if kind == "symlink":
        found["target"] = text(os.readlink(path))
    if kind in ("char", "block"):
        found["device"] = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    for attribute in sorted(os.listxattr(path, follow_symlinks=False)):
        found[f"xattr {attribute}"] = os.getxattr(path, attribute, follow_symlinks=False).hex()
    return found, (status.st_dev, status.st_ino), kind != "dir" and status.st_nlink > 1


def walk(root, unpacked_since):
    paths = [b"."]
    for folder, folders, files in os.walk(root):
        below = os.path.relpath(folder, root)
        paths += [os.path.normpath(os.path.join(below, name)) for name in folders + files]
    first_names = {}
    for name in sorted(paths):
        found, inode, linked = facts(os.path.join(root, name), name, unpacked_since)
        if linked:
            found["sameFileAs"] = first_names.setdefault(inode, text(name))
        yield found


if __name__ == "__main__":
    since = float(sys.argv[2]) if len(sys.argv) > 2 else None
    json.dump(list(walk(os.fsencode(sys.argv[1]), since)), sys.stdout)
