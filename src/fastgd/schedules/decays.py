"""Rates that fall, and stay low."""

from dataclasses import dataclass

import numpy as np

from .._inputs import as_count, as_float
from .schedule import Schedule, between, descending_cosine


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
