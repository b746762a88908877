"""
Central and forward differences
===============================

A derivative from values needs a step h. If that is too large the formula is off, if it is too small the rounding of the
values shows.
"""

import math

import matplotlib.pyplot as plt

import fastgd

# %%
# The errors of both formulas for the derivative of exp(sin(x^2)), the lines of theory, and the steps that it finds
# best. At its best step the central difference has about three digits more.


def composite(x):
    return math.exp(math.sin(x**2))


def slope(x):
    return composite(x) * math.cos(x**2) * 2 * x


fastgd.plot.step_size(composite, 1.1, exact=slope)

# %%
# `fastgd.Difference` says which formula, order and step are used; by itself it finds steps that fit.

differences = {
    "forward, h too large": fastgd.Difference("2-point", step=1e-1),
    "forward, h too small": fastgd.Difference("2-point", step=1e-14),
    "forward": fastgd.Difference("2-point"),
    "central": fastgd.Difference(),
    "central, order 4": fastgd.Difference(order=4),
    "adaptive": fastgd.Difference(adaptive=True),
}
errors = {
    name: abs(fastgd.gradient(composite, 1.1, method=difference) / slope(1.1) - 1)
    for name, difference in differences.items()
}
_, ax = plt.subplots(layout="constrained")
ax.barh(list(errors), list(errors.values()), color="#0072B2", height=0.6)
ax.invert_yaxis()
ax.set(xscale="log", xlabel="relative error of the derivative", xlim=(1e-17, 1))

plt.show()
