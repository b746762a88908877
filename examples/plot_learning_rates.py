"""
Learning rates
==============

How a descent with a fixed learning rate depends on that rate: too small and it is slow, too large and it jumps, swings
for ever, or diverges.
"""

import matplotlib.pyplot as plt

import fastgd


def parabola(x):
    return x**2 - 4 * x + 5


def slope(x):
    return 2 * x - 4


# %%
# Ten steps from -1. With 0.2 the run comes close to the minimum at 2, with 0.02 it is on its way; with 0.8 it jumps
# from the left to the right and back, and gets there too; with 1.01 every jump is longer than the one before.

runs = {
    f"learning rate {rate}": fastgd.minimize(parabola, -1.0, jac=slope, learning_rate=rate, maxiter=10, gtol=0.0,
                                             trace=1)
    for rate in (0.2, 0.02, 0.8, 1.01)
}
fastgd.plot.compare(runs, parabola, -2.0, 6.0)

# %%
# With 0.5 a single step ends at the minimum: the rate is the inverse of the second derivative. With 1.0 the run goes
# back and forth between -1 and 5 for ever.

runs = {
    f"learning rate {rate}": fastgd.minimize(parabola, -1.0, jac=slope, learning_rate=rate, maxiter=10, gtol=0.0,
                                             trace=1)
    for rate in (0.5, 1.0)
}
fastgd.plot.compare(runs, parabola, -2.0, 6.0)

# %%
# Convergence, oscillation, and a run that never converges, on another parabola, after as many iterations each.


def square(x):
    return x**2


runs = {
    rate: fastgd.minimize(square, 4.0, learning_rate=rate, maxiter=100, gtol=0.0, trace=1) for rate in (0.01, 0.9, 1.0)
}
_, (on_curve, over_time) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
fastgd.plot.descent(runs, square, -4.5, 4.5, ax=on_curve)
fastgd.plot.convergence(runs, ax=over_time)

plt.show()
