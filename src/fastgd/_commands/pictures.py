"""What `--plot` draws, with matplotlib, which is imported for that alone."""

from pathlib import Path

import numpy as np

from .._core.objectives.objective import Objective
from .._minimize import minimize
from . import WrongInputError

#: Points of a contour along each axis.
N_GRID = 100


def add_option(parser, description):
    parser.add_argument("--plot", metavar="FILE", help=f"{description}: FILE ends with .png, .pdf, .svg or such")


def check(path):
    """Raises what would go wrong with `--plot`, before the work begins."""
    if path is None:
        return
    try:
        known = new_figure(1).canvas.get_supported_filetypes()
    except ImportError:
        raise WrongInputError('--plot needs matplotlib: pip install "fastgd[plot]"') from None
    if Path(path).suffix.lstrip(".").lower() not in known:
        raise WrongInputError(f"--plot {path}: the name must end with one of {', '.join(f'.{name}' for name in known)}")
    if not Path(path).absolute().parent.is_dir():
        raise WrongInputError(f"--plot {path}: there is no folder {Path(path).parent}")


def new_figure(n_panels):
    """A figure that no window shows: pyplot would choose a backend, and there may be no screen."""
    from matplotlib.figure import Figure  # type: ignore[import-not-found]

    return Figure(figsize=(6.4 * n_panels, 5.2), layout="constrained")


def save(figure, path):
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise WrongInputError(f"--plot {path}: {error.strerror}") from None


def draw_basins(path, fun, starts, reached, minima):
    """Contours, and the starts in the colour of the minimum that they reach."""
    figure = new_figure(1)
    axes = figure.subplots()
    draw_contours(axes, starts.min(axis=0), starts.max(axis=0), lambda points: fun(points.T))
    for number, minimum in enumerate(minima):
        x, y = starts[reached == number].T
        axes.plot(x, y, ".", color=f"C{number}", label=f"{len(x)} starts reach ({minimum[0]:.2f}, {minimum[1]:.2f})")
        axes.plot(*minimum, "*", color=f"C{number}", markersize=16, markeredgecolor="black")
    axes.set_title("Himmelblau's function: which minimum each start reaches")
    axes.set_xlabel("x[0]")
    axes.set_ylabel("x[1]")
    figure.legend(loc="outside lower center", ncols=2)
    save(figure, path)


def draw_contours(axes, lower, upper, values_at):
    """Lines of equal value, closer to each other near the lowest one."""
    x, y = (np.linspace(low, high, N_GRID) for low, high in zip(lower, upper, strict=True))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    values = np.asarray(values_at(points)).reshape(N_GRID, N_GRID)
    known = values[np.isfinite(values)]
    if known.size and known.min() < known.max():
        levels = known.min() + (known.max() - known.min()) * np.linspace(0.0, 1.0, 25)[1:]**3
        axes.contour(x, y, np.ma.masked_invalid(values), levels=levels, colors="0.6", linewidths=0.7)


def draw_run(path, title, traces, contour):
    """f against the iterations; for two variables also the paths, on contours of f.

    `contour` takes points (n, 2) to values, or is None for other than two variables.
    """
    figure = new_figure(1 if contour is None else 2)
    axes = figure.subplots(1, 1 if contour is None else 2, squeeze=False)[0]
    for trace in traces:
        axes[0].plot(trace.nit, trace.fun, ".-", linewidth=1, markersize=4)
    values = np.array([value for trace in traces for value in trace.fun if np.isfinite(value)])
    if values.size and 0.0 < values.min() < 1e-2 * values.max():
        axes[0].set_yscale("log")
    axes[0].set_title("value by iteration")
    axes[0].set_xlabel("iteration")
    axes[0].xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("f")
    if contour is not None:
        draw_paths(axes[1], traces, contour)
    figure.suptitle(title)
    save(figure, path)


def draw_paths(axes, traces, contour):
    points = np.concatenate([trace.x for trace in traces])
    points = points[np.isfinite(points).all(axis=1)]
    if len(points):
        lower, upper = points.min(axis=0), points.max(axis=0)
        margin = 0.15 * np.where(upper > lower, upper - lower, 1.0)
        draw_contours(axes, lower - margin, upper + margin, contour)
    for trace in traces:
        line, = axes.plot(*trace.x.T, ".-", linewidth=1, markersize=4)
        axes.plot(*trace.x[-1:].T, "*", color=line.get_color(), markersize=12, markeredgecolor="black")
    axes.set_title("path (the star is the answer)" if len(traces) == 1 else "paths (stars are the answers)")
    axes.set_xlabel("x[0]")
    axes.set_ylabel("x[1]")


def values_at(fun, vectorized, bounds, points):
    """The values of a function of any kind at points (n, 2): nan where it raises, and outside the bounds.

    With maxfev=1, fastgd evaluates each start and does nothing else.
    """
    lower, upper = (-np.inf, np.inf) if bounds is None else bounds
    inside = ((points >= lower) & (points <= upper)).all(axis=1)
    values = np.full(len(points), np.nan)
    on_error = "raise" if isinstance(fun, Objective) else "record"  # objectives in Cython are refused with the latter
    values[inside] = minimize(fun, points[inside], maxfev=1, on_error=on_error, vectorized=vectorized).fun
    return values
