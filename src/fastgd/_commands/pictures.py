"""What `--plot` draws: pictures of `fastgd.plot`, which is imported for that alone, as is matplotlib."""

from pathlib import Path

import numpy as np

from . import WrongInputError


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
    if Path(path).is_dir():
        raise WrongInputError(f"--plot {path}: this is a folder, not a file")


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
    """Contours of a vectorized function, and the starts in the colour of the minimum that they reach."""
    from .. import plot
    from ..plot._figures import color_of

    figure = new_figure(1)
    axes = figure.subplots()
    plot.contour(fun, starts.min(axis=0), starts.max(axis=0), vectorized=True, ax=axes)
    for number, minimum in enumerate(minima):
        x, y = starts[reached == number].T
        color = color_of(number)
        axes.plot(x, y, ".", color=color, label=f"{len(x)} starts reach ({minimum[0]:.2f}, {minimum[1]:.2f})")
        axes.plot(*minimum, "*", color=color, markersize=16, markeredgecolor="black")
    axes.set_title("Himmelblau's function: which minimum each start reaches")
    figure.legend(loc="outside lower center", ncols=2)
    save(figure, path)


def draw_run(path, title, fun, result, *, vectorized, bounds):
    """How the recorded runs converge; for one or two variables also their paths on the function."""
    from .. import plot
    from ..plot._figures import soften

    traces = [result.trace] if result.is_single else list(result.trace.values())
    has_points = any(len(trace) for trace in traces)  # a function that is nan at the start leaves none
    n_panels = 2 if has_points and n_variables(result) <= 2 else 1
    figure = new_figure(n_panels)
    figure.suptitle(title)
    if has_points:
        panels = figure.subplots(1, n_panels, squeeze=False)[0]
        soften(panels[0])
        plot.convergence(result, ax=panels[0])
        panels[0].xaxis.get_major_locator().set_params(integer=True)
        if n_panels == 2:
            soften(panels[1])
            draw_descent(panels[1], fun, result, vectorized, bounds)
    else:
        figure.text(0.5, 0.5, "no run could start", horizontalalignment="center")
    save(figure, path)


def draw_descent(axes, fun, result, vectorized, bounds):
    """Paths on the function, which is not called outside the bounds."""
    from .. import plot
    from ..plot._paths import box_around, paths_of

    lower, upper = box_around(paths_of(result))
    if bounds is not None:
        lower, upper = np.clip(lower, *bounds), np.clip(upper, *bounds)
    if (lower < upper).all():
        plot.descent(result, fun, lower, upper, vectorized=vectorized, ax=axes)
    else:  # bounds that are equal fix a variable: the function has no curve or contours
        plot.descent(result, ax=axes)
    for line in axes.lines:
        line.set_clip_on(False)  # of a star on a bound, half would be missing


def n_variables(result):
    """Of the function; x without an axis for them is of a function of a float."""
    return 1 if np.ndim(result.x) == np.ndim(result.fun) else np.shape(result.x)[-1]
