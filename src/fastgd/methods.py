"""Methods: how to get from one point to the next. Pass one as ``method=`` to `fastgd.minimize`."""

from dataclasses import dataclass

from ._inputs import as_float

__all__ = ["GradientDescent"]


@dataclass(frozen=True)
class GradientDescent:
    """Gradient descent with a fixed rate: ``x -= learning_rate * gradient``.

    Parameters
    ----------
    learning_rate : float, default 0.01
        The factor of the gradient, in units of x squared per unit of f. On a quadratic it converges if the rate is
        below 2 divided by the largest eigenvalue of the Hessian. There is no rate that suits every function: if the
        status is ``MAXITER`` raise it, if it is ``NONFINITE`` lower it.

    Raises
    ------
    ValueError
        If the rate is not positive and finite.

    References
    ----------
    .. [1] A. Cauchy, "Méthode générale pour la résolution des systèmes d'équations simultanées", Comptes rendus
       hebdomadaires des séances de l'Académie des sciences 25, 1847, pp. 536-538.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.minimize(lambda x: (x[0] - 3)**2, [0.0], method=fastgd.methods.GradientDescent(0.4))
    >>> result.x.round(6)
    array([3.])
    """

    learning_rate: float = 0.01

    def __post_init__(self):
        object.__setattr__(self, "learning_rate", as_float(self.learning_rate, "learning_rate", open_below=True))


#: The methods that can be named.
BY_NAME = {"gd": GradientDescent}
