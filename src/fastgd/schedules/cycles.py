"""Rates that rise again."""

from dataclasses import dataclass

import numpy as np

from .._inputs import as_choice, as_count, as_float
from .schedule import Schedule, between, descending_cosine


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
