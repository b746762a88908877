"""Noise on the gradient that a method uses."""

from dataclasses import dataclass

from ._inputs import as_float

__all__ = ["GaussianNoise"]


@dataclass(frozen=True)
class GaussianNoise:
    """Gaussian noise that fades: of variance ``scale / (1 + k)**decay`` in iteration k, on every coordinate.

    It helps a descent off saddle points and out of shallow minima, and lets it settle later [1]_.

    Parameters
    ----------
    scale : float, default 0.01
        The variance in iteration 0, in units of the gradient squared; 0.01 is a standard deviation of 0.1.
    decay : float, default 0.55, at least 0
        How fast the variance falls; with 0 it stays.

    Raises
    ------
    TypeError
        If a parameter is not a number.
    ValueError
        If `scale` is not positive and finite, or `decay` negative or not finite.

    Notes
    -----
    The numbers come from a counter-based generator, Philox4x64-10 [2]_. Each depends on the seed, the number of the
    problem in its batch, the iteration and the coordinate, and on nothing else: not on what else is in the batch, nor
    on the order of the work.

    References
    ----------
    .. [1] A. Neelakantan, L. Vilnis, Q. V. Le, I. Sutskever, L. Kaiser, K. Kurach, J. Martens, "Adding gradient noise
       improves learning for very deep networks", arXiv:1511.06807, 2015.
    .. [2] J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
       Proceedings of SC11, ACM, 2011.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.noise.GaussianNoise(scale=0.3)
    GaussianNoise(scale=0.3, decay=0.55)
    """

    scale: float = 0.01
    decay: float = 0.55

    def __post_init__(self):
        object.__setattr__(self, "scale", as_float(self.scale, "scale", open_below=True))
        object.__setattr__(self, "decay", as_float(self.decay, "decay"))
