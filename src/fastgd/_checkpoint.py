"""Finished problems in a file, so that a run that was cut off goes on where it was."""

import functools
import hashlib
import os
import stat
import types
import zipfile
from collections.abc import ItemsView, KeysView, ValuesView
from contextlib import suppress
from math import prod
from time import monotonic

import numpy as np

from ._compiled import CompiledFunction
from ._objective import is_jitted
from ._signals import uninterrupted
from .result import Status

SECONDS_BETWEEN_SAVES = 5.0
LARGEST_SHARE = 0.1  # of the time of a run may go into saving
DONE, FINGERPRINT = "done", "fingerprint"
PIECE_BYTES = 1 << 22  # that are copied at a time: the answers may be larger than the memory
# What objects of SciPy are made of, where they remember more than that, or memory addresses.
MADE_OF = {"KDTree": ("data", "leafsize", "boxsize"), "cKDTree": ("data", "leafsize", "boxsize"),
           "Delaunay": ("points", "simplices", "furthest_site"),
           "LinearNDInterpolator": ("points", "values", "fill_value"),
           "CloughTocher2DInterpolator": ("points", "values", "fill_value", "grad")}
PLAIN = (str, bytes, int, float, complex, type(None))  # told apart by how they are written


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

    def __init__(self, path, plan, size, observer):
        if not isinstance(path, (str, bytes, os.PathLike)):
            raise TypeError(f"checkpoint must be a path, got {type(path).__name__}")
        self.name = os.fsdecode(path)
        self.path = os.path.realpath(self.name)
        self.fingerprint = np.frombuffer(fingerprint(plan, size, observer), np.uint8)
        self.done = np.zeros(plan.points.n_problems, dtype=bool)
        self.n_dim = plan.points.n_dim
        self.is_saved = True
        self.next_save = monotonic() + SECONDS_BETWEEN_SAVES

    def resume(self, answers, ranges):
        """Reads the answers that are in the file, and returns the ranges that are still to be solved."""
        if os.path.exists(self.path):
            self.read(answers)
        ranges = [chunk for chunk in ranges if not self.done[slice(*chunk)].all()]
        for chunk in ranges:
            self.done[slice(*chunk)] = False  # where a worker died some of a chunk may have been done by themselves
        if ranges:
            with uninterrupted():  # or it would stay
                handle, temporary = self.temporary_file()  # so that it is known at once if none can be written
                os.close(handle)
                os.unlink(temporary)
        return ranges

    def read(self, answers):
        with open(self.path, "rb") as raw:
            try:
                with zipfile.ZipFile(raw) as file:
                    if sorted(file.namelist()) != sorted(f"{name}.npy" for name in (DONE, FINGERPRINT, *answers)):
                        raise ValueError("its names are others")
                    found = np.zeros_like(self.fingerprint)
                    read_array(file, FINGERPRINT, found, np.ones(len(found), bool))
                    is_ours = np.array_equal(found, self.fingerprint)
                    if is_ours:
                        if damaged := file.testzip():  # before it overwrites anything
                            raise ValueError(f"{damaged} is damaged")
                        read_array(file, DONE, self.done, np.ones(len(self.done), bool))
                        for name, values in answers.items():
                            read_array(file, name, values, self.done)
            except Exception as error:  # of any kind, where bytes are damaged
                raise CheckpointError(f"{self.name} is not a checkpoint of fastgd: {error}") from error
        if not is_ours:
            raise ValueError(f"{self.name} is the checkpoint of another run: x0, the data, the function, the method, "
                             "the chunk size or an option differs; delete it or name another file to begin anew")

    def add(self, chunk, answers):
        """A chunk is done, unless the time ran out or its workers died: another run may do better."""
        chunk = slice(*chunk)
        if np.isin(answers["status"][chunk], (Status.MAXTIME, Status.WORKER_LOST)).any():
            return
        self.done[chunk] = True
        self.is_saved = False
        if monotonic() > self.next_save:
            self.save(answers)

    def save(self, answers):
        """Replaces the file by another one: whenever that is interrupted, one of them is there, and whole."""
        if not self.is_saved:
            with uninterrupted():  # Ctrl-C is no reason to lose what is done
                self.replace(answers)

    def replace(self, answers):
        begin = monotonic()
        handle, temporary = self.temporary_file()
        try:
            with os.fdopen(handle, "wb") as file:
                if os.path.exists(self.path):
                    os.chmod(temporary, stat.S_IMODE(os.stat(self.path).st_mode))
                with zipfile.ZipFile(file, "w") as archive:
                    write_array(archive, FINGERPRINT, self.fingerprint, np.ones(len(self.fingerprint), bool))
                    write_array(archive, DONE, self.done, np.ones(len(self.done), bool))
                    for name, values in answers.items():
                        write_array(archive, name, values, self.done)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except BaseException:
            with suppress(FileNotFoundError):  # of what has just been renamed
                os.unlink(temporary)
            raise
        self.is_saved = True
        self.next_save = monotonic() + max(SECONDS_BETWEEN_SAVES, (monotonic() - begin) / LARGEST_SHARE)

    def temporary_file(self):
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"there is no folder for the checkpoint {self.name}")
        temporary = os.path.join(folder, f".fastgd-{os.urandom(8).hex()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        return os.open(temporary, flags, 0o666), temporary  # less what the user's umask takes away


def pieces(values):
    """Slices of its rows."""
    n_rows = max(PIECE_BYTES // max(values[:1].nbytes, 1), 1)
    return (slice(start, start + n_rows) for start in range(0, len(values), n_rows))


def write_array(archive, name, values, chosen):
    """The chosen rows of an array, as a member in NumPy's format."""
    shape = (int(chosen.sum()), *values.shape[1:])
    header = {"descr": np.lib.format.dtype_to_descr(values.dtype), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for rows in pieces(values):
            member.write(values[rows][chosen[rows]].tobytes())


def read_array(archive, name, values, chosen):
    """Reads the chosen rows of an array, if it is as expected: nothing is allocated because a header says so."""
    with archive.open(f"{name}.npy") as member:
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError(f"{name} is of another version")
        header = np.lib.format.read_array_header_1_0(member)
        if header != ((int(chosen.sum()), *values.shape[1:]), False, values.dtype):
            raise ValueError(f"{name} is not as expected, but of (shape, is by columns, dtype) {header}")
        for rows in pieces(values):
            shape = (int(chosen[rows].sum()), *values.shape[1:])
            found = np.frombuffer(member.read(prod(shape) * values.itemsize), values.dtype)
            values[rows][chosen[rows]] = found.reshape(shape)
        if member.read(1):
            raise ValueError(f"{name} is longer than its header says")


def fingerprint(plan, size, observer):
    """A hash of all that the answers depend on, but for the code of the user's functions: after an exception it may be
    mended, and the run go on."""
    watched = () if observer is None else (observer.watched,)  # those whose f is evaluated at every iterate
    starts = hashlib.sha256()
    for rows in pieces(plan.points.rows):
        starts.update(plan.points.rows[rows].astype(np.float64).tobytes())
    return digest_of(("fastgd 7", size, plan.points.shape, starts.digest(), plan.bounds, plan.x_scale,
                      plan.finds_scale, plan.limits, plan.batch_args, plan.noise, plan.fun, plan.args, plan.method,
                      plan.jac, plan.vectorized, plan.unpack, watched, plan.keep_best, plan.maximize,
                      plan.record_errors), {})


def digest_of(thing, known):
    """A hash of a value and of all that it is made of.

    `known` are objects that it may refer back to, by id: their numbers, and they themselves, so that no other gets
    their id. What is reached on many ways, or contains itself, is followed once.
    """
    digest, known, waiting = hashlib.sha256(), dict(known), [thing]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, PLAIN):
            digest.update(f"{thing!r};".encode())
        elif id(thing) in known:
            digest.update(f"again {known[id(thing)][0]};".encode())
        else:
            if not isinstance(thing, (tuple, frozenset, np.generic)):  # equal ones may be a single one elsewhere
                known[id(thing)] = len(known), thing
            if isinstance(thing, (np.ndarray, np.generic)) and not is_of_parts(thing):
                digest.update(repr((thing.shape, thing.dtype.descr)).encode())
                for rows in pieces(thing) if thing.ndim else [()]:
                    digest.update(thing[rows].tobytes())
            else:
                parts = parts_of(thing, known)
                digest.update(repr((type(thing).__qualname__, len(parts))).encode())
                waiting += reversed(parts)
    return digest.digest()


def is_of_parts(array):
    return isinstance(array, np.ma.MaskedArray) or array.dtype.hasobject


def parts_of(thing, known):
    if isinstance(thing, np.ma.MaskedArray):
        return [thing.data, thing.mask]
    if isinstance(thing, np.ndarray):
        return [thing.shape, *thing.ravel().tolist()]
    if isinstance(thing, (set, frozenset)):
        return sorted(digest_of(part, known) for part in thing)
    if isinstance(thing, (dict, types.MappingProxyType)):
        return list(thing.items())
    if isinstance(thing, (tuple, list, KeysView, ValuesView, ItemsView)):
        return list(thing)
    if isinstance(thing, memoryview):
        return [thing.format, thing.shape, thing.tobytes()]
    return data_of(thing)


def data_of(thing):
    """What tells an object from others of its kind, in all processes: of functions their names and the data that they
    bring along, of what cannot be taken apart its class."""
    if isinstance(thing, functools.partial):
        return [thing.func, thing.args, thing.keywords]
    if isinstance(thing, types.MethodType):
        return [thing.__self__, thing.__func__]
    if isinstance(thing, types.FunctionType):
        return [thing.__qualname__, thing.__defaults__, thing.__kwdefaults__, *map(data_in, thing.__closure__ or ())]
    if isinstance(thing, CompiledFunction):  # its address is another one in every process
        return [thing.signature, getattr(thing.owner[0], "__name__", None), thing.symbol]
    if is_jitted(thing):
        return [thing.fun, thing.vectorized, thing.unpack, thing.libm]
    if isinstance(thing, type) or hasattr(thing, "__qualname__"):
        owner = getattr(thing, "__self__", None)  # of a method written in C
        return [thing.__qualname__, getattr(thing, "__wrapped__", None),
                None if isinstance(owner, types.ModuleType) else owner]
    if type(thing).__name__ in MADE_OF and type(thing).__module__.startswith("scipy."):
        return [getattr(thing, name, None) for name in MADE_OF[type(thing).__name__]]
    if thing is np.random.mtrand._rand:  # NumPy's global one, to which SciPy's distributions refer
        return []
    if hasattr(thing, "__dlpack__"):  # an array of another library, whose pickle may tell processes apart
        with suppress(Exception):  # of any kind: it may be on another device
            return [np.asarray(thing.detach() if hasattr(thing, "detach") else thing)]
    try:
        reduced = thing.__reduce_ex__(4)
    except Exception:  # of any kind, from the user's class
        return [getattr(thing, "__dict__", None)]
    if isinstance(reduced, str):
        return [reduced]
    constructor, arguments, state, elements, items = (*reduced[:5], None, None, None)[:5]
    return [constructor, arguments, state, list(elements or ()), list(items or ())]


def data_in(cell):
    """What a function has from around it, but for what may be there to collect something while it runs."""
    try:
        content = cell.cell_contents
    except ValueError:  # it is empty
        return None
    return type(content) if isinstance(content, (list, dict, set)) else content
