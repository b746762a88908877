"""Learning rates that change from iteration to iteration. Pass one as ``learning_rate=``.

Iteration 0 is the first step. A schedule is a function of the iteration alone: it gives the same bits whether it is
asked for one iteration or for many, and however often.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from ._inputs import as_choice, as_count, as_float, as_real_array, check_range

__all__ = ["Constant", "CosineDecay", "CosineRestarts", "Cyclical", "ExponentialDecay", "InverseTimeDecay",
           "PolynomialDecay", "Schedule", "StepDecay", "Table", "Warmup"]


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
            rates = self._rates(iterations)
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
class StepDecay(Schedule):
    """The rate is multiplied by a factor every so many steps: ``learning_rate * factor**(k // steps)``.

    Parameters
    ----------
    learning_rate : float
        The rate of the first iteration.
    steps : int
        How many iterations have the same rate.
    factor : float, default 0.1
        What the rate is then multiplied by, between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    Notes
    -----
    The same as ``torch.optim.lr_scheduler.StepLR(step_size=steps, gamma=factor)`` and as Keras'
    ``ExponentialDecay(learning_rate, decay_steps=steps, decay_rate=factor, staircase=True)``.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.StepDecay(0.8, steps=2, factor=0.5)([0, 1, 2, 3, 4])
    array([0.8, 0.8, 0.4, 0.4, 0.2])
    """

    learning_rate: float
    steps: int
    factor: float = 0.1

    def __post_init__(self):
        self._check("learning_rate", as_float, open_below=True)
        self._check("steps", as_count)
        self._check("factor", as_float, below=1.0, open_below=True)

    def _rates(self, k):
        return self.learning_rate * self.factor ** (k // self.steps).astype(np.float64)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """The rate falls by a factor, little by little: ``learning_rate * factor**(k / steps)``.

    Parameters
    ----------
    learning_rate : float
        The rate of the first iteration.
    factor : float
        What the rate is multiplied by in the course of `steps` iterations, between 0 and 1.
    steps : int, default 1
        How many iterations that takes.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    Notes
    -----
    With one step the same as ``torch.optim.lr_scheduler.ExponentialLR(gamma=factor)``; with any number as Keras'
    ``ExponentialDecay(learning_rate, decay_steps=steps, decay_rate=factor)``.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.ExponentialDecay(0.8, factor=0.25, steps=2)([0, 1, 2, 4])
    array([0.8 , 0.4 , 0.2 , 0.05])
    """

    learning_rate: float
    factor: float
    steps: int = 1

    def __post_init__(self):
        self._check("learning_rate", as_float, open_below=True)
        self._check("factor", as_float, below=1.0, open_below=True)
        self._check("steps", as_count)

    def _rates(self, k):
        return self.learning_rate * self.factor ** (k / self.steps)


@dataclass(frozen=True)
class InverseTimeDecay(Schedule):
    """The rate falls like the inverse of time, or a power of it: ``learning_rate / (1 + decay * k / steps)**power``.

    Parameters
    ----------
    learning_rate : float
        The rate of the first iteration.
    decay : float
        How fast it falls: with power 1 it is half of the first after ``steps / decay`` iterations.
    steps : int, default 1
        The unit of time, in iterations.
    power : float, default 1.0
        The exponent. With noisy gradients descent still converges if it is above 0.5 and at most 1 [1]_.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    Notes
    -----
    With power 1 the same as Keras' ``InverseTimeDecay(learning_rate, decay_steps=steps, decay_rate=decay)``.

    References
    ----------
    .. [1] H. Robbins, S. Monro, "A Stochastic Approximation Method", The Annals of Mathematical Statistics 22, 1951,
       pp. 400-407.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.InverseTimeDecay(0.8, decay=1.0, steps=10)([0, 10, 30])
    array([0.8, 0.4, 0.2])
    """

    learning_rate: float
    decay: float
    steps: int = 1
    power: float = 1.0

    def __post_init__(self):
        for name in ("learning_rate", "decay", "power"):
            self._check(name, as_float, open_below=True)
        self._check("steps", as_count)

    def _rates(self, k):
        return self.learning_rate / (1.0 + self.decay * (k / self.steps)) ** self.power


@dataclass(frozen=True)
class PolynomialDecay(Schedule):
    """The rate falls to its final value like a power of the time left, and stays there.

    Parameters
    ----------
    learning_rate : float
        The rate of the first iteration.
    steps : int
        The iteration from which on the rate is the final one.
    final_rate : float, default 0.0
        That rate, at least 0 and below the first one. Where it is 0 nothing moves any more.
    power : float, default 1.0
        The exponent; with 1 the rate falls in a straight line.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    Notes
    -----
    The same as ``torch.optim.lr_scheduler.PolynomialLR(total_iters=steps, power=power)``, which always ends at 0, and
    as Keras' ``PolynomialDecay(learning_rate, decay_steps=steps, end_learning_rate=final_rate, power=power)``.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.PolynomialDecay(1.0, steps=4, final_rate=0.5)([0, 1, 2, 3, 4, 100])
    array([1.   , 0.875, 0.75 , 0.625, 0.5  , 0.5  ])
    """

    learning_rate: float
    steps: int
    final_rate: float = 0.0
    power: float = 1.0

    def __post_init__(self):
        for name in ("learning_rate", "power"):
            self._check(name, as_float, open_below=True)
        self._check("steps", as_count)
        self._check("final_rate", as_float, below=self.learning_rate)

    def _rates(self, k):
        left = 1.0 - np.minimum(k, self.steps) / self.steps
        return between(self.final_rate, self.learning_rate, left**self.power)


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """The rate falls to its final value along half a cosine wave, and stays there.

    Parameters
    ----------
    learning_rate : float
        The rate of the first iteration.
    steps : int
        The iteration from which on the rate is the final one.
    final_rate : float, default 0.0
        That rate, at least 0 and below the first one. Where it is 0 nothing moves any more.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    Notes
    -----
    The same as Keras' ``CosineDecay(learning_rate, decay_steps=steps, alpha=final_rate / learning_rate)``, and, up to
    iteration `steps`, as ``torch.optim.lr_scheduler.CosineAnnealingLR(T_max=steps, eta_min=final_rate)``, which then
    rises again. It is one cycle of SGDR [1]_.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", International Conference
       on Learning Representations, 2017.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.CosineDecay(1.0, steps=10)([0, 5, 10, 100])
    array([1. , 0.5, 0. , 0. ])
    """

    learning_rate: float
    steps: int
    final_rate: float = 0.0

    def __post_init__(self):
        self._check("learning_rate", as_float, open_below=True)
        self._check("steps", as_count)
        self._check("final_rate", as_float, below=self.learning_rate)

    def _rates(self, k):
        progress = np.minimum(k, self.steps) / self.steps
        return between(self.final_rate, self.learning_rate, descending_cosine(progress))


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """The rate falls along half a cosine wave, jumps back to where it began, and falls again.

    Parameters
    ----------
    learning_rate : float
        The rate of the first iteration, and of the first one after every restart.
    steps : int
        The length of the first cycle, in iterations.
    multiplier : int, default 1
        How many times longer every cycle is than the one before it.
    final_rate : float, default 0.0
        Where the rate would be at the moment of the restart, at least 0 and below the first rate.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    Notes
    -----
    The same as ``torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(T_0=steps, T_mult=multiplier,
    eta_min=final_rate)`` and as Keras' ``CosineDecayRestarts(learning_rate, first_decay_steps=steps,
    t_mul=multiplier, m_mul=1.0, alpha=final_rate / learning_rate)``. The schedule is that of SGDR [1]_.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", International Conference
       on Learning Representations, 2017.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.CosineRestarts(1.0, steps=2, multiplier=2)([0, 1, 2, 4, 6])
    array([1. , 0.5, 1. , 0.5, 1. ])
    """

    learning_rate: float
    steps: int
    multiplier: int = 1
    final_rate: float = 0.0

    def __post_init__(self):
        self._check("learning_rate", as_float, open_below=True)
        self._check("steps", as_count)
        self._check("multiplier", as_count)
        self._check("final_rate", as_float, below=self.learning_rate)

    def _rates(self, k):
        since, length = self._in_cycle(k)
        return between(self.final_rate, self.learning_rate, descending_cosine(since / length))

    def _in_cycle(self, k):
        """How many iterations ago the cycle of each iteration began, and how long it is."""
        if self.multiplier == 1:
            return k % self.steps, self.steps
        starts, lengths = [0], [self.steps]  # integers of any size: rounded ones would misplace restarts
        while starts[-1] + lengths[-1] <= k.max(initial=0):
            starts.append(starts[-1] + lengths[-1])
            lengths.append(lengths[-1] * self.multiplier)
        cycle = np.searchsorted(starts, k, side="right") - 1
        return k - np.array(starts)[cycle], np.array(lengths, dtype=np.float64)[cycle]


@dataclass(frozen=True)
class Cyclical(Schedule):
    """The rate rises in a straight line to a peak and falls again, over and over.

    Parameters
    ----------
    learning_rate : float
        The lowest rate, with which every cycle begins.
    peak_rate : float
        The highest rate of the first cycle.
    steps_up : int
        How many iterations the rise takes.
    steps_down : int, optional
        How many iterations the fall takes; by default as many as the rise.
    mode : {"triangular", "triangular2", "exp_range"}, default "triangular"
        What becomes of the peaks, by the names of the paper [1]_: they stay; their height above the lowest rate is
        halved from cycle to cycle; or that height falls by `factor` in every iteration.
    factor : float, optional
        Between 0 and 1; given with "exp_range", and only then.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    Notes
    -----
    The same as ``torch.optim.lr_scheduler.CyclicLR(base_lr=learning_rate, max_lr=peak_rate, step_size_up=steps_up,
    step_size_down=steps_down, mode=mode, gamma=factor)``.

    References
    ----------
    .. [1] L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", IEEE Winter Conference on Applications
       of Computer Vision, 2017, pp. 464-472.

    Examples
    --------
    >>> from fastgd import schedules
    >>> schedules.Cyclical(1.0, 3.0, steps_up=2)([0, 1, 2, 3, 4, 5, 6])
    array([1., 2., 3., 2., 1., 2., 3.])
    >>> schedules.Cyclical(1.0, 3.0, steps_up=2, mode="triangular2")([2, 6, 10])
    array([3. , 2. , 1.5])
    """

    learning_rate: float
    peak_rate: float
    steps_up: int
    steps_down: int | None = None
    mode: str = "triangular"
    factor: float | None = None

    def __post_init__(self):
        self._check("learning_rate", as_float, open_below=True)
        self._check("peak_rate", as_float, minimum=self.learning_rate, open_below=True)
        self._check("steps_up", as_count)
        if self.steps_down is None:
            object.__setattr__(self, "steps_down", self.steps_up)
        self._check("steps_down", as_count)
        as_choice(self.mode, "mode", ("triangular", "triangular2", "exp_range"))
        if (self.factor is not None) != (self.mode == "exp_range"):
            raise ValueError(f"factor goes with mode 'exp_range' and is needed there, got factor = {self.factor} "
                             f"with mode {self.mode!r}")
        if self.factor is not None:
            self._check("factor", as_float, below=1.0, open_below=True)

    def _rates(self, k):
        length = self.steps_up + self.steps_down
        since = k % length
        height = np.where(since < self.steps_up, since / self.steps_up, (length - since) / self.steps_down)
        if self.mode == "triangular2":
            height *= 0.5 ** (k // length).astype(np.float64)
        elif self.mode == "exp_range":
            height *= self.factor ** k.astype(np.float64)
        return between(self.learning_rate, self.peak_rate, height)


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
