"""Interactive pages."""

import os

import numpy as np

from ._figures import VALLEY
from ._landscape import Landscape
from ._paths import paths_of


def load_plotly():
    """plotly.graph_objects, or an ImportError that says how to get it."""
    try:
        from plotly import graph_objects  # type: ignore[import-untyped, import-not-found]
    except ModuleNotFoundError as error:
        if error.name != "plotly":
            raise
        raise ImportError("interactive_surface needs plotly: pip install fastgd[interactive]") from error
    return graph_objects


def interactive_surface(fun, lower, upper, path, args=(), *, result=None, n_points=80, vectorized=False, unpack=False):
    """Write an HTML page with a function of two variables as a surface, to be turned and zoomed with the mouse.

    The page has all it needs in itself, some 5 MB, and is opened without a network.

    Parameters
    ----------
    fun : callable, Objective, compiled or jitted function, or str
        The function, as in `fastgd.minimize`.
    lower, upper : float or array_like of shape (2,)
        Corners of the box in which to draw.
    path : str or path
        The file to write.
    args : tuple, optional
        Further arguments of `fun`.
    result : Result, or dict of Results by label, optional
        Recorded with ``trace=1``; the paths are drawn on the surface, as far as they are in the box.
    n_points : int, default 80
        At how many points along each axis.
    vectorized, unpack : optional
        How `fun` is called, as in `fastgd.minimize`.

    Returns
    -------
    str or path
        That of the file, as given.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, or a result has no trace or not two variables.
    OSError
        If the file cannot be written.
    Exception
        Whatever `fun` raises.

    See Also
    --------
    surface

    Examples
    --------
    >>> import fastgd, os, tempfile
    >>> def paraboloid(x):
    ...     return x[0]**2 + x[1]**2
    >>> result = fastgd.minimize(paraboloid, [4.0, -3.0], learning_rate=0.1, trace=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = fastgd.plot.interactive_surface(paraboloid, -5, 5, os.path.join(folder, "page.html"), result=result)
    ...     print(os.path.basename(page), os.path.getsize(page) > 1e6)
    page.html True
    """
    graph_objects = load_plotly()
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a str or path, that of the file to write; got {type(path).__name__}")
    landscape = Landscape(fun, lower, upper, 2, (args, vectorized, unpack))
    first, second, values = landscape.grid(n_points)
    drawn = [graph_objects.Surface(x=first, y=second, z=np.where(np.isfinite(values), values, np.nan),
                                   colorscale=list(zip(np.linspace(0.0, 1.0, len(VALLEY)), VALLEY, strict=True)),
                                   contours={"z": {"show": True, "color": "white", "width": 1}},
                                   colorbar={"title": {"text": "f(x)"}, "len": 0.7}, opacity=0.9)]
    for descended in [] if result is None else paths_of(result):
        drawn += path_on_surface(graph_objects, landscape, descended)
    figure = graph_objects.Figure(drawn)
    figure.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0}, legend={"x": 0.02, "y": 0.98},
                         scene={"xaxis_title": "x[0]", "yaxis_title": "x[1]", "zaxis_title": "f(x)",
                                "camera": {"eye": {"x": 1.1, "y": -1.4, "z": 1.6}}})
    figure.write_html(path, include_plotlyjs=True, default_height="90vh", config={"displaylogo": False})
    return path


def path_on_surface(graph_objects, landscape, path):
    """The path as a line with dots, and its end."""
    if path.x.shape[1] != 2:
        raise ValueError(f"the result must have two variables, got {path.x.shape[1]}")
    inside = ((path.x >= landscape.lower) & (path.x <= landscape.upper)).all(axis=1)
    # gaps where it leaves the box
    x, heights = np.where(inside[:, None], path.x, np.nan), np.where(inside, path.trace.fun, np.nan)
    name = "descent" if path.label is None else str(path.label)
    line = graph_objects.Scatter3d(x=x[:, 0], y=x[:, 1], z=heights, mode="lines+markers", name=name,
                                   line={"color": path.color, "width": 5}, marker={"color": path.color, "size": 3})
    end = graph_objects.Scatter3d(x=x[-1:, 0], y=x[-1:, 1], z=heights[-1:], mode="markers", name=f"end of {name}",
                                  marker={"color": path.color, "size": 7, "symbol": "diamond"})
    return [line, end]
