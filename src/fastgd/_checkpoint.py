"""Finished problems in a file, so that a run that was cut off goes on where it was."""

import hashlib
import os
import struct
import tempfile
import zipfile
import zlib
from time import monotonic

import numpy as np

SECONDS_BETWEEN_SAVES = 5.0
DONE, FINGERPRINT = "done", "fingerprint"


class CheckpointError(Exception):
    """A file is not a checkpoint, or is damaged; it was left as it is.

    Examples
    --------
    >>> import fastgd, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.npz"
    >>> _ = path.write_text("something else")
    >>> try:
    ...     fastgd.minimize(lambda x: x[0]**2, [[1.0], [2.0]], checkpoint=path)
    ... except fastgd.CheckpointError as error:
    ...     print(str(error).replace(str(path), "run.npz"))
    run.npz is not a checkpoint of fastgd: File is not a zip file
    """


class Checkpoint:
    """The file of a run."""

    def __init__(self, path, plan, size):
        self.path = os.fspath(path)
        self.fingerprint = fingerprint(plan, size)
        self.done = np.zeros(plan.points.n_problems, dtype=bool)
        self.n_dim = plan.points.n_dim
        self.last_save = monotonic()

    def resume(self, answers, ranges):
        """Reads the answers that are in the file, and returns the ranges that are still to be solved."""
        if os.path.exists(self.path):
            saved = self.read()
            self.done = saved[DONE]
            for name, values in answers.items():
                values[self.done] = saved[name]
        return [chunk for chunk in ranges if not self.done[slice(*chunk)].all()]

    def read(self):
        try:
            with zipfile.ZipFile(self.path) as file:
                headers = {name.removesuffix(".npy"): read_header(file, name) for name in file.namelist()}
                if headers.get(FINGERPRINT) != ((32,), np.dtype(np.uint8)):
                    raise ValueError("it has no fingerprint")
                if read_array(file, FINGERPRINT).tobytes() != self.fingerprint:
                    raise OtherRunError
                if headers.get(DONE) != (self.done.shape, np.dtype(bool)):
                    raise ValueError("its problems are not those of this run")
                done = read_array(file, DONE)
                expected = self.layout(int(done.sum()))
                if {name: headers.get(name) for name in expected} != expected:
                    raise ValueError("its arrays are not those of this run")
                return {DONE: done} | {name: read_array(file, name) for name in expected}
        except OtherRunError:
            raise ValueError(f"{self.path} is the checkpoint of another run: x0, the data, the method or an option "
                             "differs") from None
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, struct.error,
                NotImplementedError) as error:
            raise CheckpointError(f"{self.path} is not a checkpoint of fastgd: {error}") from error

    def layout(self, n_done):
        """Shapes and dtypes of the arrays in a file with so many problems."""
        real, whole = np.dtype(np.float64), np.dtype(np.intp)
        return {"x": ((n_done, self.n_dim), real), "jac": ((n_done, self.n_dim), real), "fun": ((n_done,), real),
                **dict.fromkeys(("nit", "nfev", "njev", "status"), ((n_done,), whole))}

    def add(self, chunk, answers):
        """A chunk is done."""
        self.done[slice(*chunk)] = True
        if monotonic() - self.last_save > SECONDS_BETWEEN_SAVES:
            self.save(answers)

    def save(self, answers):
        """Replaces the file by another one: whenever that is interrupted, one of them is there, and whole."""
        arrays = {name: values[self.done] for name, values in answers.items()}
        folder, name = os.path.split(os.path.abspath(self.path))
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, **arrays, **{DONE: self.done, FINGERPRINT: np.frombuffer(self.fingerprint, np.uint8)})
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except BaseException:
            os.unlink(temporary)
            raise
        self.last_save = monotonic()


class OtherRunError(Exception):
    """The fingerprints differ."""


def read_header(file, name):
    """Shape and dtype of an array, before there is memory for it; larger ones than the file holds are refused."""
    with file.open(name) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(member)
        n_bytes = file.getinfo(name).file_size - member.tell()
    if dtype.hasobject or int(np.prod(shape, dtype=object)) * dtype.itemsize != n_bytes:
        raise ValueError(f"{name} is not the array that its header tells of")
    return shape, dtype


def read_array(file, name):
    with file.open(f"{name}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def fingerprint(plan, size):
    """A hash of all that the answers depend on, but for the code of the user's function."""
    digest = hashlib.sha256(b"fastgd 1")
    arrays = [plan.points.rows, *(side for side in plan.bounds if side is not None), *plan.numbers.values(),
              *map(np.asarray, plan.batch_args), *(() if plan.noise is None else map(np.asarray, plan.noise))]
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array))
    options = (size, plan.points.shape, plan.method, plan.jac if not callable(plan.jac) else "function",
               plan.vectorized, plan.unpack, plan.values, plan.keep_best, plan.maximize, plan.record_errors,
               getattr(plan.fun, "__qualname__", type(plan.fun).__qualname__))
    digest.update(repr(options).encode())
    return digest.digest()
