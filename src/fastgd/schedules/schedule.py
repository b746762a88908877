"""What schedules have in common, and those that are made of others or of numbers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from .._inputs import as_count, as_float, as_real_array, check_range


class Schedule(ABC):
    """What the schedules have in common: ``schedule(k)`` is the rate of iteration k.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedule = schedules.StepDecay(1.0, steps=2, factor=0.5)
    >>> schedule(2)
    0.5
    >>> schedule([0, 1, 2, 3, 4])
    array([1.  , 1.  , 0.5 , 0.5 , 0.25])
    """

    def __call__(self, k):
        """The rate of iteration k, or of every iteration in an array.

        Parameters
        ----------
        k : int or array_like of int
            Iterations, at least 0.

        Returns
        -------
        float or ndarray of float64, of the shape of k

        Raises
        ------
        TypeError
            If k is not of an integer type.
        ValueError
            If an iteration is negative or above 2**63 - 1.
        """
        array = as_real_array(k, "k")
        if array.dtype.kind not in "iu":
            raise TypeError(f"k must be an integer or an array of integers, got dtype {array.dtype}")
        if array.size and (array.min() < 0 or array.max() > np.iinfo(np.int64).max):
            raise ValueError(f"k must be at least 0 and below 2**63, got {array.min()} to {array.max()}")
        # always a contiguous vector: NumPy's scalars and strided loops may round powers and cosines differently
        iterations = array.astype(np.int64).ravel()
        with np.errstate(under="ignore", over="ignore"):  # rates may fade to 0, whatever the caller's np.seterr
            rates = np.asarray(self._rates(iterations))
        return rates.reshape(array.shape) if array.ndim else rates.item()

    @abstractmethod
    def _rates(self, k):
        """The rates of a contiguous vector of iterations."""

    def _check(self, name, check, **limits):
        """Stores a parameter as the check returns it."""
        object.__setattr__(self, name, check(getattr(self, name), name, **limits))


def between(start, end, weight):
    """From start, at weight 0, to end, at weight 1; exact at both."""
    return start * (1.0 - weight) + end * weight


def descending_cosine(progress):
    """Half a cosine wave, from 1 at progress 0 to 0 at progress 1."""
    return 0.5 * (1.0 + np.cos(np.pi * progress))


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate in every iteration.

    Parameters
    ----------
    learning_rate : float
        The rate.

    Raises
    ------
    TypeError, ValueError
        If the rate is not a positive and finite number.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.Constant(0.1)([0, 10, 1000])
    array([0.1, 0.1, 0.1])
    """

    learning_rate: float

    def __post_init__(self):
        self._check("learning_rate", as_float, open_below=True)

    def _rates(self, k):
        return np.full(k.shape, self.learning_rate)


@dataclass(frozen=True)
class Warmup(Schedule):
    """The rate rises in a straight line to the first rate of another schedule, which then begins.

    Parameters
    ----------
    steps : int
        How many iterations come before the other schedule begins.
    then : Schedule or float
        That schedule, or the rate that is then kept.
    start_factor : float, optional
        What the first rate is of the one reached, between 0 and 1. By default ``1 / (steps + 1)``: the first rate is
        as large as every further rise.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    Notes
    -----
    The same as ``torch.optim.lr_scheduler.SequentialLR`` of ``LinearLR(start_factor=start_factor,
    total_iters=steps)`` and the other schedule, with the milestone `steps`. Described in [1]_.

    References
    ----------
    .. [1] P. Goyal, P. Dollár, R. Girshick, P. Noordhuis, L. Wesolowski, A. Kyrola, A. Tulloch, Y. Jia, K. He,
       "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", arXiv:1706.02677, 2017.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.Warmup(3, then=1.0)([0, 1, 2, 3, 4])
    array([0.25, 0.5 , 0.75, 1.  , 1.  ])
    >>> schedules.Warmup(3, then=schedules.StepDecay(1.0, steps=1, factor=0.5))([0, 1, 2, 3, 4])
    array([0.25, 0.5 , 0.75, 1.  , 0.5 ])
    """

    steps: int
    then: Schedule | float
    start_factor: float | None = None

    def __post_init__(self):
        self._check("steps", as_count)
        if not isinstance(self.then, Schedule):
            if callable(self.then):
                raise TypeError("then must be a schedule of fastgd.schedules (a Table can hold the rates of any "
                                f"function) or a number, got {type(self.then).__name__}")
            self._check("then", as_float, open_below=True)
            object.__setattr__(self, "then", Constant(self.then))
        if self.start_factor is None:
            object.__setattr__(self, "start_factor", 1.0 / (self.steps + 1))
        self._check("start_factor", as_float, below=1.0, open_below=True)

    def _rates(self, k):
        factor = between(self.start_factor, 1.0, np.minimum(k, self.steps) / self.steps)
        return factor * self.then._rates(np.maximum(k - self.steps, 0))


@dataclass(frozen=True, eq=False)
class Table(Schedule):
    """Rates from an array: of iteration k its element k, and after its end its last element.

    Parameters
    ----------
    rates : array_like, shape (n,)
        The rates, not negative and finite, and not all of them 0. They are copied; the copy cannot be written to.

    Raises
    ------
    TypeError, ValueError
        If the rates are not real numbers, are out of their range, or have the wrong shape.

    Notes
    -----
    Tables are equal if their rates are.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.Table([0.4, 0.2, 0.1])([0, 1, 2, 3, 100])
    array([0.4, 0.2, 0.1, 0.1, 0.1])
    """

    rates: np.ndarray

    def __post_init__(self):
        rates = as_real_array(self.rates, "rates").astype(np.float64) + 0.0  # -0.0, equal to 0.0, gets its bits too
        if rates.ndim != 1 or not rates.size:
            raise ValueError(f"rates must have the shape (n,), with n at least 1, got {rates.shape}")
        check_range(rates, "rates", 0.0, np.inf, False)
        if not rates.any():
            raise ValueError("rates must not all be 0: nothing would move")
        rates.flags.writeable = False
        object.__setattr__(self, "rates", rates)

    def _rates(self, k):
        return self.rates[np.minimum(k, self.rates.size - 1)]

    def __eq__(self, other):
        return np.array_equal(self.rates, other.rates) if isinstance(other, Table) else NotImplemented

    def __hash__(self):
        return hash(self.rates.tobytes())

    def __reduce__(self):
        return Table, (self.rates,)  # an array that was pickled can be written to: this makes it anew
