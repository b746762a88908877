"""
Starting points
===============

A function with several minima: which one a descent finds depends on where it starts.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastgd


def wave(x):
    return x * np.cos(x) + 9


def slope(x):
    return np.cos(x) - x * np.sin(x)


# %%
# Ten steps from 12 lead to the lowest minimum of the range, ten from -3 to another one.

runs = {
    f"from {start:g}": fastgd.minimize(wave, start, jac=slope, learning_rate=0.1, maxiter=10, trace=1)
    for start in (12.0, -3.0)
}
fastgd.plot.descent(runs, wave, -5.0, 12.5)

# %%
# From which starts is the lowest minimum found? One run from each of a hundred places, all in one call.

starts = np.linspace(-5, 12, 100)[:, None]
runs = fastgd.minimize(fastgd.functions.x_cos_x, starts, learning_rate=0.1, bounds=(-5, 12), vectorized=True)
best = runs.best
print(f"the lowest minimum: f = {best.fun:.6f} at x = {best.x[0]:.6f}")

finds_it = np.isclose(runs.fun, best.fun)
print(f"found from starts between {starts[finds_it].min():.1f} and {starts[finds_it].max():.1f}")

_, (curve, values) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
fastgd.plot.function(wave, -5.0, 12.0, ax=curve)
curve.plot(starts[finds_it], wave(starts[finds_it]), "o", markersize=4, color="#009E73", label="the lowest minimum")
curve.plot(starts[~finds_it], wave(starts[~finds_it]), "o", markersize=4, color="#D55E00", label="another one")
curve.set_title("what is found from where")
curve.legend(loc="upper left")
fastgd.plot.waterfall(runs, ax=values)

# %%
# How the runs of the batch have ended.

fastgd.plot.batch(runs)

plt.show()
