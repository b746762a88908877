"""
Conditioning
============

Where a function is steeper in one direction than in another, the gradient does not point to the minimum.
"""

import matplotlib.pyplot as plt

import fastgd


def bowl(x):
    return 0.2 * x[0] ** 2 + x[1] ** 2


def gradient(x):
    return [0.4 * x[0], 2 * x[1]]


# %%
# At (9, -3) the gradient is (3.6, -6): down is towards the axis of the valley first. With a rate of 0.2 the path bends
# there and then follows the valley; with 0.8 it zig-zags across it, and is sooner at the minimum.

runs = {
    f"learning rate {rate}": fastgd.minimize(bowl, [9.0, -3.0], jac=gradient, learning_rate=rate, maxiter=100, trace=1)
    for rate in (0.2, 0.8)
}
_, axes = plt.subplots(2, 1, figsize=(7, 6.2), layout="constrained", sharex=True)
fastgd.plot.compare(runs, bowl, [-3, -4], [10, 4], ax=axes)

# %%
# The same in numbers: how far f is above its minimum, which is 0.

fastgd.plot.convergence(runs)

# %%
# BFGS learns how steep the function is in each direction, and needs neither a rate nor a bend.

runs = {method: fastgd.minimize(bowl, [9.0, -3.0], jac=gradient, method=method, trace=1) for method in ("bfgs", "gd")}
runs["learning rate 0.2"] = fastgd.minimize(bowl, [9.0, -3.0], jac=gradient, learning_rate=0.2, trace=1)
fastgd.plot.convergence(runs, quantity="gradient")

plt.show()
