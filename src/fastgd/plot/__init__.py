"""Pictures of functions, of paths of descent, of batches and of differences.

The functions draw with matplotlib (``pip install "fastgd[plot]"``), which is imported by the first picture, and
`interactive_surface` with plotly (``pip install "fastgd[interactive]"``). They draw into the Axes `ax`, or into a
figure of their own, return the Axes or the animation, and leave ``plt.show()`` to the caller.

Functions are given as to `minimize`, with the same `args`, `vectorized` and `unpack`. If the bounds `lower` and `upper`
are numbers, a function of one variable gets a float, as from a start x0 that is one; otherwise an array.
"""

from .batches import batch, maps, waterfall
from .differences import step_size
from .landscapes import contour, function, surface
from .pages import interactive_surface
from .paths import animate, compare, descent
from .profiles import data_profile
from .runs import convergence
from .tangents import tangent

__all__ = ["animate", "batch", "compare", "contour", "convergence", "data_profile", "descent", "function",
           "interactive_surface", "maps", "step_size", "surface", "tangent", "waterfall"]
