"""Machine code in files, so that what one process has compiled the next one loads."""

import hashlib
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

# When there are more files, the half that was used longest ago goes.
MOST_FILES = 1000


def folder():
    """Where the files are: beside those of numba, if the user has moved them, or where the system keeps such things."""
    if base := os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "fastgd"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "fastgd"
    return Path.home() / ".cache" / "fastgd"


def key_of(*parts):
    """The name for what is made of these strings."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def read(key):
    """The machine code of that name, or None: a file that is damaged, that was that of another name, or that others
    could have written, is none."""
    path = folder() / key
    try:
        if not is_ours(path.parent) or not is_ours(path):
            return None
        content = path.read_bytes()
        os.utime(path)
    except (OSError, RuntimeError):  # there is none, or no home
        return None
    return content[32:] if digest(key, content[32:]) == content[:32] else None


def digest(key, code):
    return hashlib.sha256(key.encode() + code).digest()


def write(key, code):
    """Keeps the machine code, if it can."""
    with suppress(OSError, RuntimeError):
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_ours(place):
            return
        handle, name = tempfile.mkstemp(dir=place)
        with os.fdopen(handle, "wb") as file:
            file.write(digest(key, code) + code)
        os.replace(name, place / key)
        files = sorted(place.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in files[: len(files) // 2 if len(files) > MOST_FILES else 0]:
            path.unlink(missing_ok=True)


def is_ours(path):
    """Whether nobody else can put code there, where the system tells."""
    if not hasattr(os, "getuid"):
        return True
    status = path.stat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o022
