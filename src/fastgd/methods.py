"""Methods: how to get from one point to the next. Pass one, or its name, as ``method=`` to `fastgd.minimize`."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from ._core.directions import first_order, quasi_newton
from ._core.directions.damped import Damped
from ._core.directions.spectral import Spectral
from ._core.searches.armijo import Armijo
from ._core.searches.fixed import FixedRate
from ._core.searches.trust import Trust
from ._inputs import as_count, as_flag, as_float

__all__ = ["BFGS", "BY_NAME", "LBFGS", "Adagrad", "Adam", "AdamW", "FirstOrder", "GradientDescent", "Method", "NAdam",
           "RMSprop"]


class Method(ABC):
    """What the methods have in common: a frozen dataclass of what the user sets, and the core's Rule that obeys it.

    Examples
    --------
    >>> import fastgd
    >>> isinstance(fastgd.methods.Adam(), fastgd.methods.Method)
    True
    """

    @abstractmethod
    def rule(self):
        """A new Rule of the core, for one run: a Search with its Direction."""

    @property
    def fixed_rate(self):
        """The learning rate of its steps, a number or a function of the iteration; None if it searches for them."""
        return None

    @property
    def uses_hessians(self):
        """Whether it asks for second derivatives."""
        return False

    @property
    def most_dimensions(self):
        """How many variables it takes."""
        return math.inf

    def _check(self, **checks):
        """Stores every parameter as its check returns it."""
        for name, check in checks.items():
            object.__setattr__(self, name, check(getattr(self, name), name))


class FirstOrder(Method):
    """Methods whose steps have a fixed form, of the gradient and a learning rate.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.methods.Adam(0.1).fixed_rate
    0.1
    """

    learning_rate: Any

    @property
    def fixed_rate(self):
        return self.learning_rate

    def _check(self, **checks):
        super()._check(learning_rate=as_learning_rate, **checks)


def as_learning_rate(value, name):
    """A positive number, or a function of the iteration (a schedule is one)."""
    if isinstance(value, str):
        raise ValueError(f"{name} must be a number, a schedule or a function, or \"auto\" for gradient descent without "
                         f"momentum; got {value!r}")
    if isinstance(value, type):
        raise TypeError(f"{name} must be a number, a schedule or a function, got the class {value.__name__}")
    return value if callable(value) else positive(value, name)


def positive(value, name):
    return as_float(value, name, open_below=True)


def below_one(value, name):
    return as_float(value, name, below=1.0)


@dataclass(frozen=True)
class GradientDescent(FirstOrder):
    """Gradient descent: ``x -= learning_rate * gradient``, with or without momentum.

    Parameters
    ----------
    learning_rate : "auto", float, schedule or callable, default "auto"
        With "auto" every step is measured: the spectral projected gradient [1]_, whose step is the inverse of a
        curvature seen on the last steps [2]_ and is shortened while the function is above all its recent values [3]_.
        It needs no tuning and respects bounds. It ends with status ``STALLED`` where the search finds no
        lower value, mostly because only rounding is left. Some steps lead up on the way: where the function has kinks,
        and the run ends without convergence, take ``keep_best=True`` for the lowest iterate.

        A float is the fixed factor of the gradient, in units of x squared per unit of f. On a quadratic it converges
        if it is below 2 divided by the largest eigenvalue of the Hessian. If the status is ``MAXITER`` raise it, if it
        is ``NONFINITE`` lower it. A schedule, or any function, gives the rate of iteration k = 0, 1, ...
    momentum : float, default 0.0, below 1
        The share of the last step that is added to the next: ``v = momentum * v + gradient; x -= learning_rate * v``
        [4]_. It needs a rate that is not "auto".
    nesterov : bool, default False
        Look ahead along the momentum [5]_: ``x -= learning_rate * (gradient + momentum * v)``.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    Notes
    -----
    With a fixed rate these are the formulas of ``torch.optim.SGD`` with ``dampening=0``.

    References
    ----------
    .. [1] E. G. Birgin, J. M. Martínez, M. Raydan, "Nonmonotone spectral projected gradient methods on convex sets",
       SIAM Journal on Optimization 10, 2000, pp. 1196-1211.
    .. [2] J. Barzilai, J. M. Borwein, "Two-point step size gradient methods", IMA Journal of Numerical Analysis 8,
       1988, pp. 141-148; G. Frassoldati, L. Zanni, G. Zanghirati, "New adaptive stepsize selections in gradient
       methods", Journal of Industrial and Management Optimization 4, 2008, pp. 299-312.
    .. [3] L. Grippo, F. Lampariello, S. Lucidi, "A nonmonotone line search technique for Newton's method", SIAM Journal
       on Numerical Analysis 23, 1986, pp. 707-716.
    .. [4] B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational
       Mathematics and Mathematical Physics 4, 1964, pp. 1-17.
    .. [5] I. Sutskever, J. Martens, G. Dahl, G. Hinton, "On the importance of initialization and momentum in deep
       learning", Proceedings of the 30th International Conference on Machine Learning, 2013.

    Examples
    --------
    >>> import fastgd
    >>> def valley(x):
    ...     return (x[0] - 3)**2 + 25 * (x[1] + 1)**2
    >>> fastgd.minimize(valley, [0.0, 0.0]).x.round(6)
    array([ 3., -1.])
    >>> heavy = fastgd.methods.GradientDescent(0.02, momentum=0.9)
    >>> fastgd.minimize(valley, [0.0, 0.0], method=heavy).x.round(6)
    array([ 3., -1.])
    """

    learning_rate: Any = "auto"
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self):
        if self.is_automatic:
            object.__setattr__(self, "momentum", below_one(self.momentum, "momentum"))
            if self.momentum or as_flag(self.nesterov, "nesterov"):
                raise ValueError("learning_rate='auto' goes without momentum: give a rate, such as 0.01")
            return
        self._check(momentum=below_one, nesterov=as_flag)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov=True needs a momentum above 0, such as 0.9")

    @property
    def fixed_rate(self):
        return None if self.is_automatic else self.learning_rate

    @property
    def is_automatic(self):
        """Whether the rate is "auto"."""
        return isinstance(self.learning_rate, str) and self.learning_rate == "auto"

    def rule(self):
        if self.is_automatic:
            return Armijo(Spectral())
        return FixedRate(first_order.GradientDescent(self.momentum, self.nesterov))


@dataclass(frozen=True)
class Adagrad(FirstOrder):
    """Adagrad: the rate of a coordinate falls with the sum of its squared gradients.

    ``s += gradient**2; x -= learning_rate * gradient / (sqrt(s) + eps)``, the formula and the defaults of
    ``torch.optim.Adagrad`` [1]_.

    Parameters
    ----------
    learning_rate : float, schedule or callable, default 0.01
        In units of x: the size of the first step.
    initial_accumulator : float, default 0.0
        What s is at the start.
    eps : float, default 1e-10
        Keeps the division finite.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    References
    ----------
    .. [1] J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online learning and stochastic
       optimization", Journal of Machine Learning Research 12, 2011, pp. 2121-2159.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.minimize(lambda x: (x[0] - 3)**2, [0.0], method=fastgd.methods.Adagrad(1.0))
    >>> result.x.round(5)
    array([3.])
    """

    learning_rate: Any = 0.01
    initial_accumulator: float = 0.0
    eps: float = 1e-10

    def __post_init__(self):
        self._check(initial_accumulator=as_float, eps=positive)

    def rule(self):
        return FixedRate(first_order.Adagrad(self.initial_accumulator, self.eps))


@dataclass(frozen=True)
class RMSprop(FirstOrder):
    """RMSprop: gradients are divided by the root of a running mean of their squares.

    ``s = decay * s + (1 - decay) * gradient**2; x -= learning_rate * gradient / (sqrt(s) + eps)``, the formula and the
    defaults of ``torch.optim.RMSprop`` [1]_.

    Parameters
    ----------
    learning_rate : float, schedule or callable, default 0.01
        In units of x: about the size of a step.
    decay : float, default 0.99, below 1
        The share of the past in the running mean (torch's ``alpha``).
    eps : float, default 1e-8
        Keeps the division finite.
    momentum : float, default 0.0, below 1
        The share of the last step that is added to the next.
    centered : bool, default False
        Divide by the standard deviation of the gradient in place of the root mean square [2]_.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    Notes
    -----
    With a fixed rate the steps do not become smaller near a minimum: use a schedule to settle there.

    References
    ----------
    .. [1] T. Tieleman, G. Hinton, "Lecture 6.5: RMSProp, divide the gradient by a running average of its recent
       magnitude", COURSERA: Neural Networks for Machine Learning, 2012.
    .. [2] A. Graves, "Generating sequences with recurrent neural networks", arXiv:1308.0850, 2013.

    Examples
    --------
    >>> import fastgd
    >>> fading = fastgd.schedules.ExponentialDecay(0.1, factor=0.98)
    >>> result = fastgd.minimize(lambda x: (x[0] - 3)**2, [0.0], method=fastgd.methods.RMSprop(fading))
    >>> result.x.round(4)
    array([3.])
    """

    learning_rate: Any = 0.01
    decay: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    centered: bool = False

    def __post_init__(self):
        self._check(decay=below_one, eps=positive, momentum=below_one, centered=as_flag)

    def rule(self):
        return FixedRate(first_order.RMSprop(self.decay, self.eps, self.momentum, self.centered))


@dataclass(frozen=True)
class Adam(FirstOrder):
    """Adam: running means of the gradient and of its square, both corrected for their start at zero.

    The formula and the defaults of ``torch.optim.Adam`` [1]_.

    Parameters
    ----------
    learning_rate : float, schedule or callable, default 0.001
        In units of x: about the size of a step. With the default, and that of `maxiter`, a coordinate moves by about 1
        in all.
    beta1 : float, default 0.9, below 1
        The share of the past in the mean of the gradient.
    beta2 : float, default 0.999, below 1
        The share of the past in the mean of its square.
    eps : float, default 1e-8
        Keeps the division finite.
    amsgrad : bool, default False
        Divide by the root of the largest mean square so far [2]_.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    References
    ----------
    .. [1] D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 3rd International Conference on Learning
       Representations, 2015.
    .. [2] S. J. Reddi, S. Kale, S. Kumar, "On the convergence of Adam and beyond", 6th International Conference on
       Learning Representations, 2018.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.minimize(lambda x: (x[0] - 3)**2, [0.0], method=fastgd.methods.Adam(0.1))
    >>> result.x.round(6)
    array([3.])
    """

    learning_rate: Any = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    amsgrad: bool = False

    def __post_init__(self):
        self._check(beta1=below_one, beta2=below_one, eps=positive, amsgrad=as_flag)

    def rule(self):
        return FixedRate(first_order.Adam(self.beta1, self.beta2, self.eps, self.amsgrad, 0.0))


@dataclass(frozen=True)
class AdamW(FirstOrder):
    """Adam with decoupled weight decay: before each step x shrinks by ``learning_rate * weight_decay * x``.

    The formula and the defaults of ``torch.optim.AdamW`` [1]_. What is found is not a minimum of f alone: the decay
    pulls towards zero.

    Parameters
    ----------
    learning_rate : float, schedule or callable, default 0.001
        In units of x: about the size of a step.
    beta1, beta2, eps, amsgrad
        As for `Adam`.
    weight_decay : float, default 0.01
        How much x shrinks, per unit of the learning rate.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 7th International Conference on Learning
       Representations, 2019.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.minimize(lambda x: (x[0] - 3)**2, [0.0], method=fastgd.methods.AdamW(0.1, weight_decay=0.0))
    >>> result.x.round(6)
    array([3.])
    """

    learning_rate: Any = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    amsgrad: bool = False
    weight_decay: float = 1e-2

    def __post_init__(self):
        self._check(beta1=below_one, beta2=below_one, eps=positive, amsgrad=as_flag, weight_decay=as_float)

    def rule(self):
        return FixedRate(first_order.Adam(self.beta1, self.beta2, self.eps, self.amsgrad, self.weight_decay))


@dataclass(frozen=True)
class NAdam(FirstOrder):
    """NAdam: Adam with Nesterov's look ahead.

    The formula and the defaults of ``torch.optim.NAdam`` [1]_.

    Parameters
    ----------
    learning_rate : float, schedule or callable, default 0.002
        In units of x: about the size of a step.
    beta1, beta2, eps
        As for `Adam`.
    momentum_decay : float, default 0.004
        How fast the share of the past rises to `beta1`: in step t = 1, 2, ... it is
        ``beta1 * (1 - 0.96**(t * momentum_decay) / 2)``.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of its range.

    References
    ----------
    .. [1] T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop, 2016.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.minimize(lambda x: (x[0] - 3)**2, [0.0], method=fastgd.methods.NAdam(0.1))
    >>> result.x.round(6)
    array([3.])
    """

    learning_rate: Any = 2e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    momentum_decay: float = 4e-3

    def __post_init__(self):
        self._check(beta1=below_one, beta2=below_one, eps=positive, momentum_decay=as_float)

    def rule(self):
        return FixedRate(first_order.NAdam(self.beta1, self.beta2, self.eps, self.momentum_decay))


@dataclass(frozen=True)
class BFGS(Method):
    """BFGS: a quasi-Newton method that learns the inverse Hessian H from the changes of the gradient.

    Each step goes along ``-H @ gradient`` as far as the function falls enough (Armijo's rule). H is updated by the
    formula of Broyden, Fletcher, Goldfarb and Shanno [1]_, and scaled upwards before, where the last step has shown
    less curvature than it has [2]_; steps that show no curvature leave it as it is. Inside bounds, coordinates that a
    bound holds are left out [3]_. It has no learning rate. It ends with status ``STALLED`` where the search finds no
    lower value, mostly because only rounding is left, or at a kink of the function.

    Raises
    ------
    ValueError
        By `minimize`, if a learning rate or noise is given.

    Notes
    -----
    It needs fewer evaluations than all other methods here, and ``n_dim * (n_dim + 1) / 2`` numbers for each problem in
    work. An iteration takes time in proportion to ``n_dim**2``: from some 40 dimensions on, `LBFGS` is faster for
    functions that are cheap to evaluate.

    References
    ----------
    .. [1] J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd edition, Springer, 2006, chapter 6.
    .. [2] S. S. Oren, D. G. Luenberger, "Self-scaling variable metric (SSVM) algorithms", Management Science 20, 1974,
       pp. 845-862.
    .. [3] D. P. Bertsekas, "Projected Newton methods for optimization problems with simple constraints", SIAM Journal
       on Control and Optimization 20, 1982, pp. 221-246.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.minimize(fastgd.functions.rosenbrock, [-1.2, 1.0], method=fastgd.methods.BFGS())
    >>> result.x.round(5), result.nit < 50
    (array([1., 1.]), True)
    """

    def rule(self):
        return Armijo(quasi_newton.BFGS(), monotone=True)


@dataclass(frozen=True)
class LBFGS(Method):
    """L-BFGS: `BFGS` with an inverse Hessian that is made of the last steps alone [1]_.

    It needs ``2 * memory * n_dim`` numbers for each problem in work, and an iteration takes time in proportion to them:
    the method for many variables.

    Parameters
    ----------
    memory : int, default 10
        How many steps are remembered. With 5 it is fragile where the function is ill-conditioned.

    Raises
    ------
    TypeError, ValueError
        If `memory` is not a positive integer; by `minimize`, if a learning rate or noise is given.

    References
    ----------
    .. [1] J. Nocedal, "Updating quasi-Newton matrices with limited storage", Mathematics of Computation 35, 1980,
       pp. 773-782; D. C. Liu, J. Nocedal, "On the limited memory BFGS method for large scale optimization",
       Mathematical Programming 45, 1989, pp. 503-528.

    Examples
    --------
    >>> import fastgd
    >>> import numpy as np
    >>> result = fastgd.minimize(fastgd.functions.rosenbrock, np.zeros(100), method="lbfgs")
    >>> bool(np.allclose(result.x, 1.0, atol=1e-5))
    True
    """

    memory: int = 10

    def __post_init__(self):
        self._check(memory=as_count)

    def rule(self):
        return Armijo(quasi_newton.LBFGS(self.memory), monotone=True)


@dataclass(frozen=True)
class Newton(Method):
    """Newton's method: the quadratic function with the gradient and the Hessian at x is minimized in each step.

    The Hessian is exact for functions made by `jit` that can be traced; otherwise it comes from differences: of
    gradients, if `jac` is a function, or of values. Where it is not positive definite, or the function does not fall as
    it predicts, a part of its diagonal is added to it until it is and does (damping) [1]_. It has no learning rate.

    Raises
    ------
    ValueError
        By `minimize`, if there are more than 50 dimensions, or a learning rate or noise is given.

    Notes
    -----
    Near a minimum the number of right digits doubles with every step. A Hessian by differences of values takes
    ``n_dim**2 + n_dim`` evaluations, so that `BFGS` needs fewer of them from about 3 dimensions on: use this method for
    few variables, or with exact Hessians. Its points are about ``1e-4 * max(x_scale, abs(x))`` from x, farther than
    those of gradients (see `fastgd.Difference`): where the function is not finite there, nor is the Hessian.

    References
    ----------
    .. [1] J. E. Dennis, R. B. Schnabel, "Numerical Methods for Unconstrained Optimization and Nonlinear Equations",
       Prentice-Hall, 1983, sections 5.5 and 5.6.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.minimize(lambda x: (x[0] - 3)**2 + 25 * (x[1] + x[0])**2, [0.0, 0.0], method="newton")
    >>> result.x.round(6), result.nit
    (array([ 3., -3.]), 1)
    """

    @property
    def most_dimensions(self):
        return 50  # the time of a step grows with their cube, and its evaluations with their square

    @property
    def uses_hessians(self):
        return True

    def rule(self):
        return Trust(Damped())


# Dimensions up to which BFGS needs fewer evaluations than L-BFGS and hardly more time; beyond, its memory of n_dim**2
# and the time to update it count (`python -m bench.solution` prints both).
MOST_DIMENSIONS_OF_BFGS = 40


def default_method(n_dim):
    """What `fastgd.minimize` uses if nothing is said about the method."""
    return BFGS() if n_dim <= MOST_DIMENSIONS_OF_BFGS else LBFGS()


#: The methods that have a name.
BY_NAME = {
    "gd": GradientDescent(),
    "momentum": GradientDescent(0.01, momentum=0.9),
    "nesterov": GradientDescent(0.01, momentum=0.9, nesterov=True),
    "adagrad": Adagrad(),
    "rmsprop": RMSprop(),
    "adam": Adam(),
    "amsgrad": Adam(amsgrad=True),
    "adamw": AdamW(),
    "nadam": NAdam(),
    "bfgs": BFGS(),
    "lbfgs": LBFGS(),
    "newton": Newton(),
}
