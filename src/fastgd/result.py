"""What a run returns."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._core.stopping import Reason, Status
from ._record import Record

__all__ = ["GradientCheck", "Result", "Status"]

# The fields that are arrays of a batch: whether a problem has a row in it, or a number, and of what dtype.
ARRAYS = {"x": (True, np.float64), "jac": (True, np.float64), "fun": (False, np.float64), "nit": (False, np.intp),
          "nfev": (False, np.intp), "njev": (False, np.intp), "status": (False, np.intp),
          # what was seen where a problem ended: a Reason, and two numbers
          "reason": (False, np.intp), "seen": (False, np.float64), "expected": (False, np.float64)}


def evidence(reason, seen, expected, maximized):
    """What a message says besides the status."""
    if reason in (Reason.ABOVE_START, Reason.NO_DIFFERENCE) and maximized:
        seen, expected = -seen, -expected if reason == Reason.ABOVE_START else expected
    if reason == Reason.NO_LOWER and expected < seen:
        return (f" No lower value was found along the direction, although the largest slope is {seen:.6g}, known to "
                f"{expected:.2g}: the function may have a kink here.")
    if reason == Reason.NO_LOWER:
        return f" No lower value was found along the direction, although the largest slope is {seen:.6g}."
    if reason == Reason.CONTRADICTION:
        return (f" Differences with two steps contradict each other: {seen:.6g} and {expected:.6g}. The function may "
                "be noisy or have a jump here.")
    if reason == Reason.JAC:
        return (f" jac contradicts the values: over a short way down it promises a change of {seen:.6g}, and the "
                f"values change by {expected:.6g}.")
    if reason == Reason.ABOVE_START:
        return f" The gradient is small, but the function is {seen:.6g}, worse than {expected:.6g} at the start."
    if reason == Reason.NO_DIFFERENCE:
        return f" No difference is seen in any coordinate: the function is {seen:.6g}, rounded to {expected:.2g}."
    return ""


@dataclass(frozen=True, eq=False, repr=False)
class GradientCheck(Record):
    """What `check_gradient` finds; it is shown as its message.

    Attributes
    ----------
    jac : float or ndarray, of the shape of x
        The gradient to be checked.
    difference : float or ndarray, of the shape of x
        The central differences.
    error : float or ndarray, of the shape of x
        About how far these may be from the slope: how far differences with longer steps are from them, and rounding. It
        is inf between equal bounds.
    ok : bool or ndarray of bool
        Whether at a point no component of the gradient is further from the difference than the errors of both explain.
    worst : int or tuple of int
        The index in `jac` of the component that is furthest from the difference in units of what they explain.
    message : str
        This component in words, and whether its difference can be trusted.
    """

    jac: Any
    difference: Any
    error: Any
    ok: Any
    worst: Any
    message: str

    def __repr__(self):
        return self.message


@dataclass(frozen=True, eq=False, repr=False)
class Result(Record):
    """The minimum of one problem, or of every problem of a batch.

    Fields can be read as attributes (``result.x``) and all but `trace` by key (``result["x"]``), so that
    ``numpy.savez(path, **result)`` writes plain arrays; `save` also keeps the traces. For a batch, ``result[i]`` is the
    result of problem i, and a slice or mask gives a smaller batch, without its traces.

    Attributes
    ----------
    x : float or ndarray, shape (n_dim,) or (..., n_dim)
        The solution, of the shape of x0.
    fun : float or ndarray of the batch's shape
        The value there.
    jac : float or ndarray, of the shape of x
        The gradient there; nan where it was never computed.
    nit : int or ndarray
        Iterations.
    nfev : int or ndarray
        Points at which the function was called.
    njev : int or ndarray
        Gradients, whether by differences or the user's.
    status : Status or ndarray of int
        Why the problem ended.
    success : bool or ndarray of bool
        Whether the status is one of convergence.
    message : str or ndarray of str
        The status in words.
    trace : Trace, dict or None
        The recorded paths: of the single problem, or by problem of a batch.
    best : Result
        The single result with the lowest value; with the highest one from `maximize`, where `maximized` is True.
    is_single : bool
        Whether this is the result of one problem.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.minimize(lambda x: (x[0] - 1)**2, [[0.0], [5.0]], learning_rate=0.4)
    >>> result.success
    array([ True,  True])
    >>> result[1].status
    <Status.GTOL: 0>
    """

    x: Any
    fun: Any
    jac: Any
    nit: Any
    nfev: Any
    njev: Any
    status: Any
    reason: Any = Reason.NONE
    seen: Any = np.nan
    expected: Any = np.nan
    trace: Any = None
    maximized: bool = False

    # What takes the Hessians of the run's problems, and the numbers that those of this result have there, None for all.
    # It is no field: it would take the user's function into pickles.
    _origin = None

    def _with_origin(self, hessians, numbers):
        object.__setattr__(self, "_origin", (hessians, numbers))
        return self

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_origin"}

    @property
    def success(self):
        """Whether the status is one of convergence: bool, or an array of them."""
        return self.status >= 0

    @property
    def message(self):
        """The status in words, and what was seen where a problem ended without success: str, or an array of them."""
        if self.is_single:
            return Status(self.status).message + evidence(self.reason, self.seen, self.expected, self.maximized)
        messages = [
            Status(code).message + evidence(*what, self.maximized)
            for code, *what in zip(self.status.flat, self.reason.flat, self.seen.flat, self.expected.flat, strict=True)]
        return np.array(messages, np.str_).reshape(self.status.shape)

    @property
    def is_single(self):
        """Whether this is the result of one problem."""
        return np.ndim(self.fun) == 0

    @property
    def best(self):
        """The single result with the lowest function value; with the highest one from `maximize`."""
        if self.is_single:
            return self
        if not np.size(self.fun):
            raise ValueError("an empty batch has no best result")
        heights = -self.fun if self.maximized else self.fun
        heights = np.where(np.isnan(heights), np.inf, heights)
        return self[np.unravel_index(int(heights.argmin()), heights.shape)]

    def covariance(self, scale=1.0):
        """Covariance of the parameters x of a fit, from the curvature of f at the answer.

        It is `scale` times the inverse of the Hessian of f (of -f for `maximize`), which is taken now: exact where
        `jit` has traced the function, otherwise by differences, of gradients if `jac` has supplied them. Coordinates
        that are at a bound there are left out, and marked by nan.

        Parameters
        ----------
        scale : float or array_like of the batch's shape, default 1
            1 if f is a negative logarithm of a likelihood, such as chi^2 / 2; 2 if it is chi^2. If it is a sum of
            squares of the residuals of n samples with errors of one unknown size, ``2 * fun / (n - n_dim)``.

        Returns
        -------
        float or ndarray, shape (..., n_dim, n_dim)
            A float if x is one. Where the Hessian is not positive definite, or as good as singular, so that f does not
            determine all parameters, inf on the diagonal and nan elsewhere.

        Raises
        ------
        ValueError
            If the result comes from a pickle or is a copy: it does not know the function then.
        TypeError
            If `scale` is not real numbers.
        Exception
            Whatever the function raises, unless `on_error` was "record".

        Notes
        -----
        The function is called in this process, about ``n_dim * (n_dim + 5) + 3`` times for each problem, which is not
        counted in `nfev`. Arrays in `args` and `batch_args` must still be those of the run.

        References
        ----------
        .. [1] W. H. Press, S. A. Teukolsky, W. T. Vetterling, B. P. Flannery, "Numerical Recipes", 3rd edition,
           Cambridge University Press, 2007, section 15.6.

        Examples
        --------
        The mean of four samples, and the variance of that:

        >>> import fastgd, numpy as np
        >>> samples = np.array([1.0, 2.0, 3.0, 6.0])
        >>> result = fastgd.minimize(lambda x: np.sum((samples - x[0])**2), [0.0])
        >>> variance = result.covariance(2 * result.fun / (4 - 1))
        >>> variance.round(6), bool(np.isclose(variance[0, 0], np.var(samples, ddof=1) / 4))
        (array([[1.166667]]), True)
        """
        from ._inputs import as_real_array

        scale = as_real_array(scale, "scale")
        if self._origin is None:
            raise ValueError("this result does not know its function, because it comes from a pickle or is a copy: the "
                             "covariance can be had from the one that minimize returned")
        if scale.ndim and scale.shape != np.shape(self.fun):
            raise ValueError("scale must be a number or have the batch's shape: expected "
                             f"{np.shape(self.fun)}, got {scale.shape}")
        hessians, numbers = self._origin
        n_dim = np.shape(self.x)[-1] if np.ndim(self.x) else 1
        rows = np.array(self.x, np.float64).reshape(-1, n_dim)
        covariance = inverses(*hessians(numbers, rows), np.broadcast_to(scale, np.shape(self.fun)).reshape(-1))
        return covariance.reshape(*np.shape(self.x), n_dim) if np.ndim(self.x) else covariance.item()

    def save(self, path):
        """Write the result, with its traces, into a file that `fastgd.load_result` reads.

        The file is one of `numpy.savez`, without pickle.

        Parameters
        ----------
        path : str or path
            The file, usually with ``.npz`` at its end.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        from ._saved import save_result

        save_result(self, path)

    def distinct(self, tol=1e-4, *, x_scale=1.0):
        """The distinct minima among the answers of a batch (of `maximize`: maxima), the best first.

        Answers of problems that ended without success count where others have ended with success. Elsewhere only the
        best of all is there too, or all, if none has succeeded anywhere; their `success` is False.

        Parameters
        ----------
        tol : float, default 1e-4
            An answer belongs to a better one if it is not farther from that than ``tol * max(x_scale, abs(x))`` in any
            coordinate, nor worse by more than ``tol * max(1, abs(fun))``.
        x_scale : float or array_like of shape (n_dim,), default 1
            The size of x.

        Returns
        -------
        list of Minimum
            With the fields x, fun, hits (how many problems ended there), share (the same as a part of all problems),
            index (the problem whose answer x is), success, and at_bound (which is not known here: False).

        Raises
        ------
        TypeError, ValueError
            If `tol` or `x_scale` are no positive numbers.

        See Also
        --------
        fastgd.multistart

        Examples
        --------
        >>> import fastgd
        >>> result = fastgd.minimize(lambda x: (x[0]**2 - 4)**2 + x[0], [[-3.0], [-1.0], [2.5]])
        >>> for minimum in result.distinct():
        ...     print(minimum.x.round(3), minimum.hits)
        [-2.031] 2
        [1.968] 1
        """
        from ._inputs import as_float, as_real_array, check_range
        from ._minima import distinct_minima

        sizes = as_real_array(x_scale, "x_scale")
        check_range(sizes, "x_scale", 0.0, np.inf, True)
        if sizes.shape not in ((), np.shape(self.x)[-1:]):
            raise ValueError(f"x_scale must be a number or have shape {np.shape(self.x)[-1:]}, one for each "
                             f"coordinate, got {sizes.shape}")
        return distinct_minima(self, as_float(tol, "tol", open_below=True), sizes)

    def keys(self):
        """The names of the fields."""
        return ["x", "fun", "jac", "nit", "nfev", "njev", "status", "success", "message"]

    def __getitem__(self, key):
        if isinstance(key, str):
            return super().__getitem__(key)
        if self.is_single:
            raise TypeError("the result of a single problem has no problems to index; its fields have names")
        problems = np.arange(self.fun.size).reshape(self.fun.shape)[key]
        rows = {name: getattr(self, name).reshape(-1, self.x.shape[-1])[problems]
                for name, (has_rows, _) in ARRAYS.items() if has_rows}
        numbers = {name: getattr(self, name).reshape(-1)[problems]
                   for name, (has_rows, _) in ARRAYS.items() if not has_rows}
        if np.ndim(problems):
            return self._part(problems, **rows, **numbers, trace=None)
        numbers = {name: value.item() for name, value in numbers.items()}
        numbers["status"] = Status(numbers["status"])
        index = np.unravel_index(int(problems), self.fun.shape)
        trace = (self.trace or {}).get(tuple(map(int, index)) if len(index) > 1 else int(index[0]))
        return self._part(problems, **rows, **numbers, trace=trace)

    def _part(self, problems, **columns):
        """The result of one or some of the problems."""
        part = replace(self, **columns)
        if self._origin is None:
            return part
        hessians, numbers = self._origin
        problems = np.reshape(problems, -1)
        return part._with_origin(hessians, problems if numbers is None else numbers[problems])

    def __repr__(self):
        lines = self._describe_single() if self.is_single else self._describe_batch()
        width = max(map(len, lines))
        with np.printoptions(threshold=12, edgeitems=3, linewidth=100):
            return "\n".join(f"{name:>{width}}: {value}".replace("\n", "\n" + " " * (width + 2))
                             for name, value in lines.items())

    def _describe_single(self):
        return {
            "message": self.message,
            "success": self.success,
            "status": f"{self.status.name} ({self.status:d})",
            "fun": self.fun,
            "x": self.x,
            "jac": self.jac,
            "nit": self.nit,
            "nfev": self.nfev,
            "njev": self.njev,
        }

    def _describe_batch(self):
        lines = {"problems": f"{self.fun.size} of {self.x.shape[-1]} dimensions, batch shape {self.fun.shape}"}
        if not self.fun.size:
            return lines
        lines["success"] = f"{np.count_nonzero(self.success)} of {self.fun.size}"
        codes, counts = np.unique(self.status, return_counts=True)
        for code, count in sorted(zip(codes.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1]):
            lines[Status(code).name] = f"{count}  {Status(code).message}"
        for name in ("fun", "nit", "nfev"):
            known = getattr(self, name)[~np.isnan(self.fun)]
            if known.size:
                with np.errstate(over="ignore", invalid="ignore"):  # halfway from -inf to inf there is nothing
                    median = np.median(known)
                lines[name] = f"{known.min():.6g} to {known.max():.6g}, median {median:.6g}"
        best = self.best
        x = np.array2string(best.x, precision=5, threshold=5, edgeitems=2, max_line_width=np.inf)
        lines["best"] = f"fun = {best.fun:.6g} at x = {x}"
        return lines


def inverses(matrices, apart, rounding, error, scale):
    """scale / H for symmetric matrices H, without the rows and columns that are apart: these are nan.

    `rounding` is an error of the diagonals, and `error` a relative one of all.
    """
    n = matrices.shape[-1]
    diagonal = np.eye(n, dtype=bool)
    outside = apart[:, :, None] | apart[:, None, :]
    matrices = np.where(outside, diagonal, matrices)
    with np.errstate(all="ignore"):
        # what is singular must not depend on the units of x
        units = 1.0 / np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
        scaled = units[:, :, None] * matrices * units[:, None, :]
        definite = np.isfinite(scaled).all(axis=(1, 2))
        scaled[~definite] = diagonal
        values, vectors = np.linalg.eigh(scaled)
        errors = error + np.where(apart, 0.0, units * units * rounding).max(axis=1)
        definite &= (values > n * errors[:, None]).all(axis=1)
        roots = units[:, :, None] * vectors / np.sqrt(values)[:, None, :]
        covariance = scale[:, None, None] * (roots @ roots.swapaxes(1, 2))
    covariance[~definite] = np.where(diagonal, np.inf, np.nan)
    covariance[outside] = np.nan
    return covariance
