"""Results in files, without pickle."""

from zipfile import BadZipFile

import numpy as np

from .result import ARRAYS, Result, Status
from .trace import Trace

FORMAT = "fastgd result 1"
COLUMNS = ("nit", "nfev", "x", "fun", "jac", "step", "learning_rate")


def save_result(result, path):
    """Arrays by name; those of a path by the number of its problem, too."""
    traces = {} if result.trace is None else {(): result.trace} if result.is_single else result.trace
    arrays = {name: getattr(result, name) for name in ARRAYS}
    arrays |= {"format": FORMAT, "maximized": result.maximized, "has_trace": result.trace is not None,
               "traced": np.array([np.atleast_1d(index) for index in traces], np.intp)}
    for number, trace in enumerate(traces.values()):
        arrays |= {f"trace {number} {name}": getattr(trace, name) for name in COLUMNS}
    with open(path, "wb") as file:  # of a name savez would make another one
        np.savez(file, **arrays)


def load_result(path):
    """Read a result that `Result.save` has written.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Result
        The same, with its traces; it does not know the function any more, so that it has no `covariance`.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no such file.

    Examples
    --------
    >>> import fastgd, os, tempfile
    >>> result = fastgd.minimize(lambda x: x[0]**2, [[1.0], [2.0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result.save(os.path.join(folder, "result.npz"))
    ...     again = fastgd.load_result(os.path.join(folder, "result.npz"))
    >>> bool((again.x == result.x).all()), again.message[0] == result.message[0]
    (True, True)
    """
    try:
        with open(path, "rb") as file:
            arrays = dict(np.load(file, allow_pickle=False))
        if arrays.pop("format", None) != FORMAT:
            raise ValueError("it has another format")
        return as_result(arrays)
    except (ValueError, EOFError, KeyError, TypeError, BadZipFile) as error:  # a bare array makes no dict
        raise ValueError(f"{path} is no result that this version of fastgd has saved: {error}") from error


def as_result(arrays):
    fields = {name: arrays[name] for name in ARRAYS}
    is_single = not fields["fun"].ndim
    if is_single:
        fields = {name: value if value.ndim else value.item() for name, value in fields.items()}
        fields["status"] = Status(fields["status"])
    traces = {}
    for number, index in enumerate(arrays["traced"].tolist()):
        trace = Trace(**{name: arrays[f"trace {number} {name}"] for name in COLUMNS})
        traces[tuple(index) if len(index) != 1 else index[0]] = trace
    trace = None
    if arrays["has_trace"]:
        trace = traces[()] if is_single else traces
    return Result(**fields, trace=trace, maximized=bool(arrays["maximized"]))
