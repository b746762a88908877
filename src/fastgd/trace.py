"""What is seen on the way: the state that callbacks get, and recorded paths."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._record import Record

__all__ = ["Iterate", "Trace"]


@dataclass(frozen=True, eq=False)
class Iterate(Record):
    """The state of one problem after an iteration, as callbacks get it."""

    x: Any
    fun: float
    jac: Any
    nit: int
    nfev: int
    problem: Any


@dataclass(frozen=True, eq=False)
class Trace(Record):
    """The path of one problem.

    Attributes
    ----------
    nit : ndarray, shape (n,)
        The iterations that were recorded; 0 is the start. The last one always is.
    nfev : ndarray, shape (n,)
        Points at which the function had been called by then.
    x : ndarray, shape (n, n_dim), or (n,) for a scalar problem
        The points.
    fun : ndarray, shape (n,)
        The values there.
    jac : ndarray, of the shape of x
        The gradients there.
    step : ndarray, shape (n,)
        The length of the step that led there; nan at the start.
    learning_rate : ndarray, shape (n,)
        The learning rate of that step. Of methods that search for their steps it is the length of the step relative to
        that of the gradient before it.
    gradient_norm : ndarray, shape (n,)
        The lengths of the gradients.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.minimize(lambda x: x[0]**2, [1.0], learning_rate=0.25, maxiter=3, trace=1)
    >>> result.trace.x[:, 0], result.trace.gradient_norm, result.trace.step[1:]
    (array([1.   , 0.5  , 0.25 , 0.125]), array([2.  , 1.  , 0.5 , 0.25]), array([0.5  , 0.25 , 0.125]))
    """

    nit: np.ndarray
    nfev: np.ndarray
    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    step: np.ndarray
    learning_rate: np.ndarray

    @property
    def gradient_norm(self):
        """The lengths of the gradients, (n,)."""
        return np.abs(self.jac) if self.jac.ndim == 1 else np.linalg.norm(self.jac, axis=1)

    def to_dict(self):
        """The columns by name, for `pandas.DataFrame`: coordinates of x and jac one by one.

        Returns
        -------
        dict of str to ndarray of shape (n,)

        Examples
        --------
        >>> import fastgd
        >>> result = fastgd.minimize(lambda x: x[0]**2 + x[1]**2, [1.0, 2.0], trace=1)
        >>> list(result.trace.to_dict())
        ['nit', 'nfev', 'x0', 'x1', 'fun', 'jac0', 'jac1', 'gradient_norm', 'step', 'learning_rate']
        """
        columns = {}
        for name in ("nit", "nfev", "x", "fun", "jac", "gradient_norm", "step", "learning_rate"):
            values = getattr(self, name)
            columns |= {name: values} if values.ndim == 1 else {
                f"{name}{i}": values[:, i] for i in range(values.shape[1])}
        return columns

    def save(self, path):
        """Write the fields into a file that `numpy.load` reads, without pickle.

        Parameters
        ----------
        path : str or path
            The file, usually with ``.npz`` at its end.
        """
        with open(path, "wb") as file:  # of a name savez would make another one
            np.savez(file, **{name: self[name] for name in self.keys()})

    def __len__(self):
        return len(self.nit)

    def __repr__(self):
        return f"<Trace of {len(self)} points, iterations {self.nit[0]} to {self.nit[-1]}>" if len(self) else "<Trace>"
