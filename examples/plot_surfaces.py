"""
Curves, surfaces, tangents and animations
=========================================

All the ways in which a function and a descent on it can be drawn.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fastgd


def parabola(x):
    return x**2 - 4 * x + 5


def paraboloid(x):
    return x[0] ** 2 + x[1] ** 2


# %%
# A function of one variable is a curve.

fastgd.plot.function(parabola, -2.0, 6.0)

# %%
# Its tangent, as a picture and as an animation. Animations are written to files by ``save``, and shown by
# ``plt.show()`` as long as they are in a variable.

fastgd.plot.tangent(parabola, 3.5, -2.0, 6.0)

places = np.linspace(-1.5, 5.5, 15)
moving_tangent = fastgd.plot.tangent(parabola, places, -2.0, 6.0)
moving_tangent.save("tangent.gif", writer="pillow", dpi=60)

# %%
# One frame of it.

fastgd.plot.tangent(parabola, places, -2.0, 6.0, frame=5)

# %%
# A function of two variables is a surface, or a map of its contours.

fastgd.plot.surface(paraboloid, -6, 6)
fastgd.plot.contour(paraboloid, -6, 6)
fastgd.plot.contour(fastgd.functions.himmelblau, -5, 5, vectorized=True)

# %%
# A descent on the curve, and on the contours.

on_curve = fastgd.minimize(parabola, -1.0, learning_rate=0.2, maxiter=10, trace=1)
fastgd.plot.descent(on_curve, parabola, -2.0, 6.0)

descent = fastgd.minimize(paraboloid, [-5.0, 4.0], learning_rate=0.1, maxiter=25, trace=1)
fastgd.plot.descent(descent, paraboloid, -6, 6)

# %%
# The same as animations, of which one frame is drawn, too.

moving_point = fastgd.plot.animate(on_curve, parabola, -2.0, 6.0)
moving_point.save("descent_on_curve.gif", writer="pillow", dpi=60)

himmelblau = fastgd.functions.himmelblau
start = [-0.5, -1.0]
methods = {
    "learning rate 0.01": fastgd.minimize(himmelblau, start, learning_rate=0.01, maxiter=16, trace=1),
    "momentum": fastgd.minimize(himmelblau, start, method="momentum", learning_rate=0.003, maxiter=16, trace=1),
    "bfgs": fastgd.minimize(himmelblau, start, method="bfgs", maxiter=16, trace=1),
}
moving_points = fastgd.plot.animate(methods, himmelblau, -5, 5, vectorized=True)
moving_points.save("descent.gif", writer="pillow", dpi=60)

fastgd.plot.animate(methods, himmelblau, -5, 5, vectorized=True, frame=12)

# %%
# A page with the surface and the descent, to be turned with the mouse; open it in a browser.

page = fastgd.plot.interactive_surface(paraboloid, -6, 6, Path("paraboloid.html"), result=descent)
print(f"open {page} in a browser")

plt.show()
