"""Figures, Axes and animations, and the colours of all pictures."""

import operator

import numpy as np

# Eight colours that remain different for the colour-blind: M. Okabe, K. Ito, "Color universal design", 2008; without
# the yellow, which is too pale for lines.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CURVE = "0.35"  # of functions: a grey, on which coloured paths are seen
VALLEY = ("#ffffff", "#e3e7ec", "#c2cad3", "#97a3b0")  # of heights, the same: white where the function is low


def need_matplotlib():
    """An ImportError that says how to get matplotlib, if it is missing: pictures look for it before `fun` is called."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ImportError("fastgd.plot needs matplotlib: pip install fastgd[plot]") from error


def load_pyplot():
    """matplotlib.pyplot, which looks for a screen: for new figures alone."""
    from matplotlib import pyplot

    return pyplot


def color_of(number):
    """The colour of the path, run or bar of that number."""
    return COLORS[number % len(COLORS)]


def valley_colors():
    """The colours of heights, for matplotlib."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("valley", VALLEY)


def soften(ax):
    """The look of Axes that are made here; those of the user keep their own."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)


def check_axes(ax):
    """What would go wrong with the user's Axes, or without matplotlib, is raised: before `fun` is called."""
    need_matplotlib()
    if ax is not None and not hasattr(ax, "plot"):
        raise TypeError(f"ax must be matplotlib Axes or None, got {type(ax).__name__}")


def axes_or_new(ax):
    """The user's Axes, or those of a new figure, which is made when nothing is left that could raise."""
    if ax is None:
        _, ax = load_pyplot().subplots(layout="compressed")  # constrained, and close around Axes of equal scales
        soften(ax)
    return ax


def check_panels(ax, n_panels):
    """The same as `check_axes` for several Axes, one for each panel."""
    need_matplotlib()
    if ax is None:
        return
    panels = np.ravel(np.asarray(ax, dtype=object))
    if len(panels) != n_panels:
        raise ValueError(f"ax must have {n_panels} Axes, one for each panel, got {len(panels)}")
    for panel in panels:
        check_axes(panel)


def panels_or_new(ax, n_panels, n_columns, size, **options):
    """As many Axes as there are panels, in an array: the user's, or those of a new figure with panels of that size, in
    inches."""
    if ax is not None:
        return np.ravel(np.asarray(ax, dtype=object))
    n_rows = -(-n_panels // n_columns)
    figure, grid = load_pyplot().subplots(n_rows, n_columns, squeeze=False, layout="compressed",
                                          figsize=(size[0] * n_columns, size[1] * n_rows), **options)
    panels = grid.ravel()
    for unused in panels[n_panels:]:
        figure.delaxes(unused)
        # the panel above it is the lowest of its column now
        panels[np.flatnonzero(panels == unused)[0] - n_columns].tick_params(labelbottom=True)
    return panels[:n_panels]


def as_frame(frame, n_frames):
    """The number of a frame, from 0 on, or None for all frames."""
    if frame is None:
        return None
    number = operator.index(frame)
    if not -n_frames <= number < n_frames:
        raise IndexError(f"frame must be below the number of frames, {n_frames}, got {frame}")
    return number % n_frames


def still_or_animation(ax, is_new, draw, n_frames, frame, interval):
    """One frame of a moving picture, as Axes, or all, as an animation.

    `draw` is a function of the frame's number; `is_new` says whether the figure was made here."""
    if frame is not None:
        draw(frame)
        return ax
    from matplotlib.animation import FuncAnimation

    if is_new:  # to make room for the labels again in every frame would take most of the time
        draw(0)
        ax.figure.draw_without_rendering()
        ax.figure.set_layout_engine("none")
    return FuncAnimation(ax.figure, draw, frames=n_frames, interval=interval)
