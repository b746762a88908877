"""What pictures show: the numbers in them, compared with those of the functions and results that they are of."""

import doctest
import functools
import math
import re
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.animation import FuncAnimation
from matplotlib.colors import to_hex

import fastgd
from fastgd import plot

ROSENBROCK = fastgd.functions.rosenbrock


def parabola(x):
    return x**2 - 4 * x + 5


def bowl(x):
    return 0.2 * x[0] ** 2 + x[1] ** 2


def traced(fun, x0, **options):
    return fastgd.minimize(fun, x0, trace=1, **options)


@pytest.fixture
def bowl_run():
    return traced(bowl, [9.0, -3.0], learning_rate=0.8, maxiter=10)


@pytest.fixture
def parabola_run():
    return traced(parabola, -1.0, learning_rate=0.2, maxiter=10, gtol=0.0)


@pytest.fixture
def image():
    """A fit for each of 4 x 5 pixels, one of which fails."""
    centers = np.random.default_rng(3).uniform(size=(4, 5, 2))
    centers[2, 3] = np.nan
    result = fastgd.minimize(lambda x, c: np.sum((x - c) ** 2, axis=0), np.zeros((4, 5, 2)), vectorized=True,
                             batch_args=(centers,))
    return centers, result


def texts(artists):
    return [artist.get_text() for artist in artists]


def labelled(ax):
    """The lines that have a label, by it."""
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def line_on_its_way(ax, n):
    """The first line of so many points."""
    return next(line for line in ax.lines if len(line.get_xdata()) == n)


# The package


def test_no_library_for_pictures_is_imported_before_the_first_picture():
    script = ("import sys, fastgd, fastgd.plot; fastgd.plot.contour; "
              "print([name for name in ('matplotlib', 'plotly', 'PIL') if name in sys.modules])")
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout == "[]\n"


def uncalled(x):
    pytest.fail("the function was called")


#: Every function that calls the user's, in vain.
DRAWN = {
    "function": lambda run, **options: plot.function(uncalled, 0, 1, **options),
    "contour": lambda run, **options: plot.contour(uncalled, 0, 1, **options),
    "surface": lambda run, **options: plot.surface(uncalled, 0, 1, **options),
    "tangent": lambda run, **options: plot.tangent(uncalled, 0.5, 0, 1, **options),
    "step_size": lambda run, **options: plot.step_size(uncalled, 1.0, **options),
    "descent": lambda run, **options: plot.descent(run, uncalled, **options),
    "animate": lambda run, **options: plot.animate(run, uncalled, **options),
    "compare": lambda run, **options: plot.compare(run, uncalled, **options),
}


@pytest.mark.parametrize("draw", [
    *DRAWN.values(),
    plot.convergence,
    lambda run: plot.batch(fastgd.minimize(bowl, [[1.0, 1.0]])),
    lambda run: plot.waterfall(fastgd.minimize(bowl, [[1.0, 1.0]])),
    lambda run: plot.data_profile({"a": [1.0]}),
], ids=[*DRAWN, "convergence", "batch", "waterfall", "data_profile"])
def test_matplotlib_that_is_missing(draw, bowl_run, monkeypatch):
    """This is said before the function is called."""
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"^fastgd\.plot needs matplotlib: pip install fastgd\[plot\]$"):
        draw(bowl_run)


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_axes_are_checked_before_the_function_is_called(draw, bowl_run):
    with pytest.raises(TypeError, match=r"^ax must be .*, got str$"):
        draw(bowl_run, ax="here")


@pytest.mark.parametrize("draw", [
    lambda run, fun: plot.function(fun, 0, 1),
    lambda run, fun: plot.contour(fun, 0, 1),
    lambda run, fun: plot.surface(fun, 0, 1),
    lambda run, fun: plot.tangent(fun, 0.5, 0, 1),
    lambda run, fun: plot.step_size(fun, 1.0),
    lambda run, fun: plot.descent(run, fun),
    lambda run, fun: plot.descent(run, lower=0),
    lambda run, fun: plot.animate(run, fun),
    lambda run, fun: plot.animate(run, bowl, frame=99),
    lambda run, fun: plot.tangent(parabola, 0.5, 0, 1, frame=1),
    lambda run, fun: plot.compare(run, fun),
    lambda run, fun: plot.contour(lambda x: np.nan, 0, 1),
    lambda run, fun: plot.waterfall(run),
    lambda run, fun: plot.convergence({"a": run, "b": 1.0}),
], ids=range(14))
def test_no_figure_is_left_where_a_picture_raises(draw, bowl_run):
    def broken(x):
        raise ArithmeticError

    with pytest.raises((ArithmeticError, ValueError, TypeError, IndexError)):
        draw(bowl_run, broken)
    assert pyplot.get_fignums() == []


def test_plotly_that_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(ImportError, match=r"^interactive_surface needs plotly: pip install fastgd\[interactive\]$"):
        plot.interactive_surface(bowl, -1, 1, tmp_path / "page.html")


@pytest.mark.parametrize("name", plot.__all__)
def test_public_functions_have_an_example(name):
    function = getattr(plot, name)
    assert any(test.examples for test in doctest.DocTestFinder().find(function, name, globs={}))


def test_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(pyplot, "show", lambda: pytest.fail("a picture was shown"))
    plot.function(parabola, -1.0, 5.0)


# Curves, contours and surfaces


@pytest.mark.parametrize(("fun", "lower", "options"), [
    (parabola, -1.0, {}),
    (lambda x: math.exp(x), -1.0, {}),  # takes a float alone
    (lambda x: x[0] ** 2, [-1.0], {}),
    (lambda x: x.sum() ** 2, np.array([-1.0]), {}),
    (parabola, -1.0, {"vectorized": True}),
    (parabola, -1.0, {"vectorized": "rows"}),
    (lambda X: X[0] ** 3, [-1.0], {"vectorized": True}),
    (lambda X: X[:, 0] ** 3, [-1.0], {"vectorized": "rows"}),
    (parabola, [-1.0], {"unpack": True}),
    (lambda x, a, b: a * x + b, -1.0, {"args": (2.0, 3.0)}),
    (lambda x, a: a * x, -1.0, {"args": 2.0}),
    ("math:cos", -1.0, {}),
    (fastgd.functions.x_cos_x, -1.0, {}),
    (fastgd.functions.x_cos_x, [-1.0], {}),
], ids=str)
def test_curve_of_every_kind_of_function(fun, lower, options):
    """What is drawn is what minimize finds where it ends at once."""
    ax = plot.function(fun, lower, 5.0, n_points=9, **options)
    x, values = ax.lines[0].get_data()
    np.testing.assert_array_equal(x, np.linspace(-1.0, 5.0, 9))
    expected = [fastgd.minimize(fun, place if np.ndim(lower) == 0 else [place], maxiter=0, **options).fun
                for place in x.tolist()]
    np.testing.assert_array_equal(values, expected)
    assert ax.get_xlim() == (-1.0, 5.0)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "f(x)")


def test_jitted_and_compiled_functions():
    jitted = fastgd.jit(lambda x: x**2)
    np.testing.assert_array_equal(plot.function(jitted, -2.0, 2.0, n_points=5).lines[0].get_ydata(), [4, 1, 0, 1, 4])
    by_python = plot.contour(fastgd.functions.himmelblau, -5, 5, n_points=20)
    by_c = plot.contour(fastgd.functions.himmelblau.compiled, -5, 5, n_points=20)
    np.testing.assert_allclose(by_c.collections[0].levels, by_python.collections[0].levels, rtol=1e-12)


def test_curve_takes_options_of_matplotlib_and_leaves_the_style_of_the_users_axes():
    _, ax = pyplot.subplots()
    assert plot.function(parabola, 0.0, 1.0, ax=ax, color="#123456", label="f") is ax
    assert (ax.lines[0].get_color(), ax.lines[0].get_label()) == ("#123456", "f")
    assert ax.spines["top"].get_visible()


@pytest.mark.parametrize("draw", [
    lambda: plot.function(np.log, -1.0, 1.0),
    lambda: plot.contour(lambda x: np.log(x[0]), -1.0, 1.0),
    lambda: plot.tangent(np.log, [-0.5, 0.5], -1.0, 1.0, frame=1),
    lambda: plot.contour(fastgd.functions.himmelblau, -5, 5, norm="log"),
    lambda: plot.convergence(traced(lambda x: (x - 1)**2, 3.0, learning_rate=10.0)),
    lambda: plot.descent(traced(lambda x: (x - 1)**2, 3.0, learning_rate=10.0), parabola),
], ids=["function", "contour", "tangent", "log", "convergence", "descent"])
def test_pictures_do_not_warn(draw, recwarn):
    """Neither of the function's domain, nor of scales."""
    ax = draw()
    (ax.figure if hasattr(ax, "figure") else ax).canvas.draw()
    assert [str(warning.message) for warning in recwarn] == []


def test_names_of_options_are_those_of_matplotlib():
    line, = plot.function(np.sin, 0, 1, lw=2, c="#ff0000").lines
    assert (line.get_linewidth(), to_hex(line.get_color())) == (2.0, "#ff0000")
    n_faces = [len(plot.surface(bowl, -1, 1, n_points=9, **options).collections[0].get_array())
               for options in ({}, {"rstride": 2, "cstride": 4, "lw": 1.0}, {"rcount": 2, "ccount": 2})]
    assert n_faces == [8 * 8, 4 * 2, 2 * 2]
    faces = plot.surface(bowl, -1, 1, n_points=5, color="#ff0000", linewidths=1.5).collections[0]
    assert faces.get_array() is None
    assert faces.get_linewidth() == 1.5


def test_levels_of_a_logarithmic_norm():
    levels = plot.contour(fastgd.functions.himmelblau, -5, 5, norm="log").collections[0].levels
    np.testing.assert_allclose(levels[1:] / levels[:-1], levels[1] / levels[0])


def test_contour():
    ax = plot.contour(lambda x: x[0] + 10 * x[1], [0, 1], [2, 3], n_points=3)
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_aspect()) == ((0.0, 2.0), (1.0, 3.0), 1.0)
    levels = ax.collections[0].levels
    np.testing.assert_allclose(np.diff(levels), np.diff(levels)[0])
    assert levels[0] <= 10.0
    assert levels[-1] >= 32.0
    bar, = ax.figure.axes[1:]
    assert bar.get_ylabel() == "f(x)"


def test_contour_on_given_axes_has_no_colour_bar():
    figure, ax = pyplot.subplots()
    assert plot.contour(bowl, -1, 1, n_points=5, ax=ax) is ax
    assert figure.axes == [ax]


def test_levels_of_a_function_of_many_orders_of_magnitude():
    """Each level is the same factor further from the lowest value that is drawn."""
    ax = plot.contour(ROSENBROCK, [-2, -1], [2, 3], vectorized=True, filled=False)
    levels = np.asarray(ax.collections[0].levels)
    heights = levels[1:] - levels[0]
    np.testing.assert_allclose(heights[1:] / heights[:-1], heights[1] / heights[0], rtol=1e-6)
    assert heights[-1] / heights[0] > 1e3


def test_contour_of_ranges_that_are_not_alike():
    assert plot.contour(bowl, [0, 0], [100, 1], n_points=5).get_aspect() == "auto"


def test_contour_takes_levels_and_colours():
    ax = plot.contour(bowl, -1, 1, n_points=9, levels=[0.1, 0.5, 0.9])
    assert ax.collections[0].levels.tolist() == [0.1, 0.5, 0.9]
    ax = plot.contour(bowl, -1, 1, n_points=9, filled=False, colors="#ff0000")
    assert {to_hex(color) for color in ax.collections[0].get_edgecolor()} == {"#ff0000"}


def test_contour_with_values_that_are_not_finite():
    def half(x):
        return x[0] if x[0] > 0 else np.nan

    levels = plot.contour(half, -1, 1, n_points=11).collections[0].levels
    assert np.isfinite(levels).all()
    with pytest.raises(ValueError, match="no finite value between lower = -1 and upper = 1"):
        plot.contour(lambda x: np.inf, -1, 1, n_points=5)


def test_surface():
    ax = plot.surface(bowl, [-4, -2], [4, 2], n_points=20)
    assert ax.name == "3d"
    assert (ax.get_xlim(), ax.get_ylim()) == ((-4.0, 4.0), (-2.0, 2.0))
    # matplotlib colours each of the 19 x 19 faces by the mean of its corners
    x, y = np.linspace(-4, 4, 20), np.linspace(-2, 2, 20)
    z = bowl(np.array(np.meshgrid(x, y)))
    means = (z[1:, 1:] + z[:-1, 1:] + z[1:, :-1] + z[:-1, :-1]) / 4
    np.testing.assert_allclose(np.sort(ax.collections[0].get_array()), np.sort(means.ravel()), atol=1e-6)
    assert plot.surface(bowl, -1, 1, n_points=5, ax=ax) is ax


@pytest.mark.parametrize(("draw", "error", "message"), [
    (lambda: plot.function(parabola, 1.0, -1.0), ValueError, r"lower must be below upper, got lower\[0\] = 1.0, upper"),
    (lambda: plot.function(parabola, 0.0, np.inf), ValueError, "upper must be finite, got inf"),
    (lambda: plot.function(parabola, [0.0, 1.0], 2.0), ValueError, r"lower must be a number or have shape \(1,\)"),
    (lambda: plot.function(parabola, "a", 2.0), TypeError, "lower must be real numbers, got dtype"),
    (lambda: plot.function(3.0, 0.0, 2.0), TypeError, "fun must be callable, got float"),
    (lambda: plot.function(parabola, 0.0, 2.0, n_points=1), ValueError, "n_points must be at least 2, got 1"),
    (lambda: plot.function(parabola, 0.0, 2.0, n_points=2.5), TypeError, "n_points must be an integer, got 2.5"),
    (lambda: plot.function(parabola, 0.0, 2.0, ax="here"), TypeError, "ax must be matplotlib Axes or None, got str"),
    (lambda: plot.contour(bowl, [0, 0, 0], 1), ValueError, r"must .* have shape \(2,\).*got shape \(3,\)"),
    (lambda: plot.surface(bowl, -1, 1, ax=pyplot.subplots()[1]), TypeError, "projection='3d'"),
    (lambda: plot.tangent(parabola, 7.0, -1.0, 5.0), ValueError, "between lower = -1.0 and upper = 5.0, got 7.0"),
    (lambda: plot.tangent(parabola, [[1.0]], -1.0, 5.0), ValueError, r"have shape \(n,\), got shape \(1, 1\)"),
    (lambda: plot.tangent(parabola, [1.0, 2.0], -1.0, 5.0, frame=2), IndexError, "number of frames, 2, got 2"),
])
def test_wrong_arguments_of_functions(draw, error, message):
    with pytest.raises(error, match=message):
        draw()


def test_exception_of_the_function_is_raised():
    def broken(x):
        raise ArithmeticError("from the user")

    with pytest.raises(ArithmeticError, match="from the user"):
        plot.contour(broken, -1, 1, n_points=3)


# Tangents


@pytest.mark.parametrize(("fun", "lower"), [(parabola, -1.0), (lambda x: parabola(x[0]), [-1.0])])
def test_tangent(fun, lower):
    ax = plot.tangent(fun, 4.0, lower, 6.0)
    x, y = ax.lines[1].get_data()
    np.testing.assert_allclose(y, 5.0 + 4.0 * (x - 4.0), rtol=1e-8)
    assert [float(*data) for data in ax.lines[2].get_data()] == [4.0, 5.0]
    assert ax.get_title() == "slope 4 at x = 4"


def test_moving_tangent():
    places = np.linspace(-1.0, 5.0, 7)
    animation = plot.tangent(parabola, places, -2.0, 6.0, interval=50)
    assert isinstance(animation, FuncAnimation)
    assert list(animation.new_frame_seq()) == list(range(7))
    ax, = animation._fig.axes
    ax.figure.canvas.draw()  # it begins
    limits = ax.get_ylim()
    for number in range(7):
        animation._draw_frame(number)
        still = plot.tangent(parabola, places, -2.0, 6.0, frame=number)
        for moving, standing in zip(ax.lines, still.lines, strict=True):
            np.testing.assert_array_equal(moving.get_data(), standing.get_data())
        assert ax.get_title() == f"slope {2 * places[number] - 4:.4g} at x = {places[number]:.4g}"
        assert ax.get_ylim() == still.get_ylim() == limits


def test_animation_is_written(tmp_path):
    from PIL import Image

    animation = plot.tangent(parabola, [0.0, 1.0, 2.0], -2.0, 6.0)
    animation.save(tmp_path / "tangent.gif", writer="pillow", dpi=30)
    with Image.open(tmp_path / "tangent.gif") as picture:
        assert picture.n_frames == 3


# Descents


def test_descent_on_a_curve(parabola_run):
    ax = plot.descent(parabola_run, parabola, -2.0, 6.0)
    curve, path, start, end = ax.lines
    np.testing.assert_array_equal(curve.get_ydata(), parabola(curve.get_xdata()))
    trace = parabola_run.trace
    assert len(trace) == 11
    np.testing.assert_array_equal(path.get_data(), [trace.x, trace.fun])
    assert [float(*data) for data in start.get_data()] == [-1.0, 10.0]
    np.testing.assert_array_equal(np.ravel(end.get_data()), [parabola_run.x, parabola_run.fun])
    assert texts(ax.get_legend().get_texts()) == ["start", "end"]
    assert len(ax.texts) > 3  # arrows, from each point towards the next
    for k, arrow in enumerate(ax.texts):
        np.testing.assert_array_equal(arrow.xyann, [trace.x[k], trace.fun[k]])
        assert trace.x[k] < arrow.xy[0] < trace.x[k + 1]


def test_descent_on_contours(bowl_run):
    ax = plot.descent(bowl_run, bowl, -10, 10)
    path = line_on_its_way(ax, 11)
    np.testing.assert_array_equal(np.transpose(path.get_data()), bowl_run.trace.x)
    assert len(ax.collections) == 2  # colours, and the lines between them
    assert (ax.get_xlim(), ax.get_ylim()) == ((-10.0, 10.0), (-10.0, 10.0))


def test_descent_on_axes_that_have_the_function(bowl_run):
    ax = plot.contour(bowl, [-3, -4], [10, 4])
    assert plot.descent(bowl_run, ax=ax) is ax
    assert (ax.get_xlim(), ax.get_ylim()) == ((-3.0, 10.0), (-4.0, 4.0))


def test_descent_shows_all_of_its_path_by_default(bowl_run):
    ax = plot.descent(bowl_run, bowl)
    for limits, coordinate in zip((ax.get_xlim(), ax.get_ylim()), bowl_run.trace.x.T, strict=True):
        assert limits[0] < coordinate.min()
        assert coordinate.max() < limits[1]


def test_descents_by_label_have_colours_of_their_own():
    runs = {rate: traced(bowl, [9.0, -3.0], learning_rate=rate, maxiter=5) for rate in (0.2, 0.8)}
    ax = plot.descent(runs, bowl, -10, 10)
    assert texts(ax.get_legend().get_texts()) == ["0.2", "0.8", "start", "end"]
    lines = labelled(ax)
    assert lines["0.2"].get_color() != lines["0.8"].get_color()
    np.testing.assert_array_equal(lines["0.8"].get_xdata(), runs[0.8].trace.x[:, 0])


def test_descents_of_a_batch(bowl_run):
    starts = np.array([[9.0, -3.0], [-5.0, 2.0], [1.0, 8.0]])
    batch = traced(bowl, starts, learning_rate=0.8, maxiter=10)
    ax = plot.descent(batch)
    paths = [line for line in ax.lines if len(line.get_xdata()) == 11]
    np.testing.assert_array_equal([np.transpose(line.get_data()) for line in paths],
                                  [batch.trace[i].x for i in range(3)])
    assert len({line.get_color() for line in paths}) == 3
    ax = plot.descent({"batch": batch, "single": bowl_run})
    assert texts(ax.get_legend().get_texts()) == ["batch", "single", "start", "end"]


def test_path_that_diverges_stays_on_the_curve():
    run = traced(parabola, -1.0, learning_rate=1e3, maxiter=200)
    ax = plot.descent(run, parabola, -2.0, 6.0)
    assert ax.get_xlim() == (-2.0, 6.0)
    assert ax.get_ylim()[1] < 20.0
    assert np.isfinite(ax.lines[1].get_data()).all()
    ax.figure.canvas.draw()


@pytest.mark.parametrize("frame", [0, 4, -1])
def test_frame_of_a_descent(parabola_run, frame):
    ax = plot.animate(parabola_run, parabola, -2.0, 6.0, frame=frame)
    number = frame % 11
    trace = parabola_run.trace
    _, start, path, head = ax.lines
    np.testing.assert_array_equal(path.get_data(), [trace.x[:number + 1], trace.fun[:number + 1]])
    np.testing.assert_array_equal(np.ravel(head.get_data()), [trace.x[number], trace.fun[number]])
    assert float(start.get_xdata()[0]) == -1.0
    assert ax.get_title() == f"iteration {number}, f = {trace.fun[number]:.4g}"


def test_animated_descents():
    """There is a frame for every point of the longest path; the shorter ones wait at their ends."""
    runs = {rate: traced(bowl, [9.0, -3.0], learning_rate=rate, maxiter=n) for rate, n in ((0.2, 3), (0.8, 6))}
    animation = plot.animate(runs, bowl, -10, 10)
    assert list(animation.new_frame_seq()) == list(range(7))
    ax = animation._fig.axes[0]
    ax.figure.canvas.draw()
    animation._draw_frame(5)
    assert [len(line.get_xdata()) for line in labelled(ax).values()] == [4, 6]
    assert ax.get_title() == "iteration 5"
    assert texts(ax.get_legend().get_texts()) == ["0.2", "0.8"]


def test_animated_descents_that_are_recorded_unlike_stay_in_step():
    """A frame is an iteration; each path goes as far as it is recorded by then."""
    runs = {k: fastgd.minimize(bowl, [9.0, -3.0], learning_rate=0.1, maxiter=50, gtol=0.0, trace=k) for k in (1, 5, 20)}
    for frame in (0, 10, 23, -1):
        ax = plot.animate(runs, bowl, -10, 10, frame=frame)
        iteration = frame % 51
        assert ax.get_title() == f"iteration {iteration}"
        for label, line in labelled(ax).items():
            trace = runs[int(label)].trace
            np.testing.assert_array_equal(line.get_xydata(), trace.x[trace.nit <= iteration])
    coarse = {k: runs[k] for k in (5, 20)}
    assert plot.animate(coarse, bowl, -10, 10, frame=2).get_title() == "iteration 10"


def test_titles_count_iterations_where_not_all_are_recorded():
    run = fastgd.minimize(parabola, -1.0, learning_rate=0.2, maxiter=10, gtol=0.0, trace=5)
    assert plot.animate(run, parabola, frame=1).get_title().startswith("iteration 5, ")


@pytest.mark.parametrize("n_runs", [2, 4])
def test_compare(n_runs):
    rates = (0.2, 0.02, 0.8, 1.01)[:n_runs]
    runs = {f"rate {rate}": traced(parabola, -1.0, learning_rate=rate, maxiter=10, gtol=0.0) for rate in rates}
    panels = plot.compare(runs, parabola, -2.0, 6.0)
    assert panels.shape == (n_runs,)
    assert [panel.get_title() for panel in panels] == list(runs)
    for panel, run in zip(panels, runs.values(), strict=True):
        np.testing.assert_array_equal(panel.lines[1].get_data(), [run.trace.x, run.trace.fun])
        assert (panel.get_xlim(), panel.get_ylim()) == (panels[0].get_xlim(), panels[0].get_ylim())


def test_compare_on_given_axes():
    runs = {rate: traced(bowl, [9.0, -3.0], learning_rate=rate, maxiter=5) for rate in (0.2, 0.8)}
    _, axes = pyplot.subplots(2)
    assert plot.compare(runs, bowl, ax=axes).tolist() == axes.tolist()
    assert axes[0].get_xlim() == axes[1].get_xlim()
    with pytest.raises(ValueError, match="ax must have 2 Axes, one for each panel, got 3"):
        plot.compare(runs, ax=pyplot.subplots(3)[1])


@pytest.mark.parametrize("draw", [
    plot.descent, plot.compare, plot.convergence, lambda results: plot.animate(results, bowl),
], ids=["descent", "compare", "convergence", "animate"])
def test_runs_that_could_not_start(draw, bowl_run):
    lost = traced(lambda x: np.nan, [1.0, 1.0])
    with pytest.raises(ValueError, match=r"^the trace of the result 'lost' has no points: the run could not start$"):
        draw({"good": bowl_run, "lost": lost})
    with pytest.raises(ValueError, match=r"^the trace of the result has no points: the run could not start$"):
        draw(lost)


@pytest.mark.parametrize("draw", [plot.descent, plot.compare, functools.partial(plot.animate, frame=0)],
                         ids=["descent", "compare", "animate"])
@pytest.mark.parametrize("start", [3.0, [3.0], [3.0, 2.0]], ids=str)
def test_box_around_a_path_that_diverges(draw, start):
    def fun(x):
        return np.sum((x - 1.0)**4)

    with np.errstate(over="ignore"):
        run = traced(lambda x: np.sum((x - 1.0)**2), start, learning_rate=10.0)
    with pytest.raises(ValueError, match=r"no finite value between .*: give lower and upper if a path has diverged$"):
        draw(run, fun)
    draw(run, fun, -1, 4)


@pytest.mark.parametrize("draw", [plot.descent, plot.convergence, plot.compare])
def test_results_that_cannot_be_drawn(draw, bowl_run):
    without = fastgd.minimize(bowl, [1.0, 1.0])
    with pytest.raises(ValueError, match=r"^the result has no trace: record one by minimize\(\.\.\., trace=1\)$"):
        draw(without)
    with pytest.raises(ValueError, match=r"^the result 'b' has no trace"):
        draw({"a": bowl_run, "b": without})
    with pytest.raises(TypeError, match=r"expected a fastgd\.Result, or a dictionary of them by label, got list"):
        draw([bowl_run])
    with pytest.raises(TypeError, match="got float for 'a'"):
        draw({"a": 1.0})
    with pytest.raises(ValueError, match="no results to draw"):
        draw({})


def test_paths_that_cannot_be_drawn(bowl_run, parabola_run):
    with pytest.raises(ValueError, match="functions of 1 or 2 variables, got 3"):
        plot.descent(traced(lambda x: x @ x, [1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="equally many variables, got 1 and 2"):
        plot.descent({"a": bowl_run, "b": parabola_run})
    with pytest.raises(ValueError, match="they do not go without it"):
        plot.descent(bowl_run, lower=-1, upper=1)
    with pytest.raises(IndexError, match="number of frames, 11, got 11"):
        plot.animate(bowl_run, bowl, frame=11)


# Convergence


def test_convergence_of_values():
    """Values that are positive and span decades are drawn as they are."""
    run = traced(bowl, [9.0, -3.0], learning_rate=0.8, maxiter=30)
    ax = plot.convergence({"0.8": run})
    np.testing.assert_array_equal(labelled(ax)["0.8"].get_data(), [run.trace.nit, run.trace.fun])
    assert (ax.get_yscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "iterations", "f")
    assert texts(ax.get_legend().get_texts()) == ["0.8"]


def test_convergence_towards_the_lowest_of_all_runs():
    runs = {rate: traced(lambda x: bowl(x) - 7.0, [9.0, -3.0], learning_rate=rate, maxiter=30) for rate in (0.2, 0.8)}
    lowest = min(run.trace.fun.min() for run in runs.values())
    ax = plot.convergence(runs)
    assert re.fullmatch(r"f \S+ -7 \(the lowest f\)", ax.get_ylabel())
    np.testing.assert_array_equal(labelled(ax)["0.2"].get_ydata(), runs[0.2].trace.fun - lowest)
    values = labelled(ax)["0.8"].get_ydata()
    assert np.isnan(values[-1])  # of 0 there is no logarithm
    np.testing.assert_array_equal(values[:-1], runs[0.8].trace.fun[:-1] - lowest)


def test_convergence_to_a_maximum():
    run = fastgd.maximize(lambda x: 3.0 - bowl(x), [9.0, -3.0], learning_rate=0.8, maxiter=30, trace=1)
    ax = plot.convergence(run)
    assert ax.get_ylabel().startswith("3 (the highest f)")
    np.testing.assert_array_equal(ax.lines[0].get_ydata()[:-1], (run.trace.fun.max() - run.trace.fun)[:-1])
    assert ax.get_legend() is None


def test_values_of_minimize_and_maximize_are_not_compared(bowl_run):
    up = fastgd.maximize(lambda x: -bowl(x), [9.0, -3.0], learning_rate=0.8, maxiter=10, trace=1)
    with pytest.raises(ValueError, match="the results are those of minimize and of maximize"):
        plot.convergence({"down": bowl_run, "up": up})
    assert len(plot.convergence({"down": bowl_run, "up": up}, quantity="step").lines) == 2
    down = fastgd.minimize(bowl, np.ones((3, 2)))
    up = fastgd.maximize(lambda x: -bowl(x), np.ones((3, 2)))
    with pytest.raises(ValueError, match="the results are those of minimize and of maximize"):
        plot.waterfall({"down": down, "up": up})


def test_convergence_of_a_run_that_diverges():
    run = traced(lambda x: (x - 1)**2, 3.0, learning_rate=10.0)
    assert run.trace.fun[-1] > 1e300
    ax = plot.convergence(run)
    values = ax.lines[0].get_ydata()
    assert np.isnan(values).tolist() == (run.trace.fun > 1e250).tolist()
    assert ax.get_ylim()[0] < np.nanmin(values)
    assert ax.get_ylim()[1] > np.nanmax(values)


def test_convergence_of_one_step_is_a_dot():
    ax = plot.convergence({"dot": traced(lambda x: (x - 1.0)**2, 4.0, learning_rate=0.5, maxiter=1),
                           "line": traced(lambda x: (x - 1.0)**2, 4.0, learning_rate=0.3, maxiter=9)})
    assert np.isfinite(labelled(ax)["dot"].get_ydata()).tolist() == [True, False]
    assert [labelled(ax)[name].get_marker() for name in ("dot", "line")] == ["o", "None"]


def test_convergence_of_gradients_and_steps(bowl_run, parabola_run):
    trace = bowl_run.trace
    gradients = plot.convergence(bowl_run, quantity="gradient").lines[0].get_ydata()
    np.testing.assert_allclose(gradients, np.hypot(*trace.jac.T), rtol=1e-14)
    steps = plot.convergence(bowl_run, quantity="step").lines[0].get_ydata()
    assert np.isnan(steps[0])
    np.testing.assert_allclose(steps[1:], np.hypot(*np.diff(trace.x, axis=0).T), rtol=1e-14)
    scalar = plot.convergence(parabola_run, quantity="gradient").lines[0].get_ydata()
    np.testing.assert_allclose(scalar, abs(parabola_run.trace.jac), rtol=1e-14)


def test_convergence_against_evaluations(bowl_run):
    ax = plot.convergence(bowl_run, against="nfev")
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), bowl_run.trace.nfev)
    assert ax.get_xlabel() == "evaluations"


@pytest.mark.parametrize(("options", "message"), [
    ({"quantity": "jac"}, "quantity must be one of 'fun', 'gradient', 'step'; got 'jac'"),
    ({"against": "time"}, "against must be one of 'nit', 'nfev'; got 'time'"),
])
def test_choices_of_convergence(bowl_run, options, message):
    with pytest.raises(ValueError, match=message):
        plot.convergence(bowl_run, **options)


# Batches


def test_waterfall():
    starts = np.random.default_rng(0).uniform(-5, 12, size=(50, 1))
    result = fastgd.minimize(fastgd.functions.x_cos_x, starts, bounds=(-5, 12))
    ax = plot.waterfall(result)
    ranks, values = ax.lines[0].get_data()
    assert ranks.tolist() == list(range(1, 51))
    np.testing.assert_array_equal(values, np.sort(result.fun))
    assert ax.get_yscale() == "linear"
    assert len(ax.lines) == 2  # no crosses
    assert ax.get_legend() is None


def test_waterfall_of_failures_and_of_many_decades():
    starts = np.random.default_rng(0).uniform(-2, 2, size=(60, 2))
    result = fastgd.minimize(ROSENBROCK, starts, vectorized=True, maxiter=25)
    ax = plot.waterfall({"25 iterations": result})
    assert ax.get_yscale() == "log"
    _, successes, failures = ax.lines
    np.testing.assert_array_equal(successes.get_ydata(), np.sort(result.fun[result.success]))
    np.testing.assert_array_equal(failures.get_ydata(), np.sort(result.fun[~result.success]))
    assert texts(ax.get_legend().get_texts()) == ["25 iterations", "ended without success"]


def test_waterfall_leaves_out_what_is_not_finite(image):
    """And says how much that is."""
    _, result = image
    ax = plot.waterfall(result)
    assert len(ax.lines[0].get_xdata()) == 19
    assert texts(ax.get_legend().get_texts()) == ["1 of 20 not finite"]
    lost = fastgd.minimize(lambda x: np.nan, np.ones((3, 2)))
    ax = plot.waterfall({"image": result, "lost": lost})
    assert texts(ax.get_legend().get_texts()) == ["image, 1 of 20 not finite", "lost, 3 of 3 not finite"]
    with pytest.raises(ValueError, match="no problem has a finite value of f at the end"):
        plot.waterfall({"lost": lost})


def test_pictures_take_what_multistart_returns():
    found = fastgd.multistart(fastgd.functions.himmelblau, ([-5, -5], [5, 5]), n_starts=16, rng=0, trace=1)
    n_runs = found.runs.fun.size
    assert int(plot.batch(found)[0].patches[0].get_width()) == np.bincount(found.runs.status + 20).max()
    assert len(plot.waterfall(found).lines[0].get_xdata()) == n_runs
    assert len(plot.convergence(found).lines) == n_runs
    assert len(plot.descent(found).lines) == len(plot.compare(found)[0].lines) == 3 * n_runs  # with both ends
    assert plot.animate(found, bowl, frame=0).get_title() == "iteration 0"
    with pytest.raises(ValueError, match=rf"maps draws batches of shape \(height, width\), got \({n_runs},\)"):
        plot.maps(found)


def test_batch():
    starts = np.random.default_rng(0).uniform(-2, 2, size=(60, 2))
    result = fastgd.minimize(ROSENBROCK, starts, vectorized=True, maxiter=25)
    statuses, iterations = plot.batch(result)
    lengths = [int(bar.get_width()) for bar in statuses.patches]
    drawn = dict(zip(texts(statuses.get_yticklabels()), lengths, strict=True))
    codes, counts = np.unique(result.status, return_counts=True)
    assert drawn == {fastgd.Status(code).name: count for code, count in zip(codes, counts, strict=True)}
    assert statuses.get_title() == f"{result.success.sum()} of 60 successful"
    edges = np.array([[bar.get_x(), bar.get_x() + bar.get_width()] for bar in iterations.patches])
    heights = np.array([bar.get_height() for bar in iterations.patches])
    n_bins = len(heights) // 2
    for part, success in ((np.s_[:n_bins], result.success), (np.s_[n_bins:], ~result.success)):
        expected = [np.sum((result.nit[success] > low) & (result.nit[success] < high)) for low, high in edges[part]]
        assert heights[part].tolist() == expected
    assert heights.sum() == 60
    assert iterations.get_title() == f"iterations, median {np.median(result.nit):g}"


def test_bins_of_iterations_hold_equally_many_integers():
    result = fastgd.minimize(lambda x, c: c * x[0] ** 2, np.ones((40, 1)), learning_rate=0.01, maxiter=2000,
                             batch_args=(np.linspace(1.0, 9.0, 40),))
    assert np.ptp(result.nit) > 100
    edges = np.array([bar.get_x() for bar in plot.batch(result)[1].patches])
    width = edges[1] - edges[0]
    assert width == round(width) > 1
    assert (edges % 1 == 0.5).all()


def test_maps(image):
    centers, result = image
    panels = plot.maps(result, names=["east", "north"])
    assert [panel.get_title() for panel in panels] == ["east", "north", "status"]
    for i in range(2):
        np.testing.assert_allclose(panels[i].images[0].get_array(), result.x[..., i])
        good = result.x[..., i][result.success]
        np.testing.assert_allclose(panels[i].images[0].get_clim(), np.quantile(good, [0.01, 0.99]))
    status = panels[2].images[0]
    assert texts(panels[2].get_legend().get_texts()) == ["NONFINITE", "GTOL"]
    assert status.get_array().tolist() == (1 - np.isnan(centers[..., 0])).tolist()
    legend = {text.get_text(): to_hex(patch.get_facecolor()) for text, patch in zip(
        panels[2].get_legend().get_texts(), panels[2].get_legend().get_patches(), strict=True)}
    assert to_hex(status.to_rgba(status.get_array())[2, 3]) == legend["NONFINITE"] != legend["GTOL"]


def test_maps_of_errors(image):
    _, result = image
    errors = np.random.default_rng(0).uniform(size=(4, 5, 2))
    panels = plot.maps(result, errors=errors)
    assert [panel.get_title() for panel in panels] == ["x[0]", "x[1]", "status", "error of x[0]", "error of x[1]"]
    np.testing.assert_array_equal(panels[4].images[0].get_array(), errors[..., 1])


@pytest.mark.parametrize(("draw", "error", "message"), [
    (lambda image: plot.waterfall(image[0, 0]), ValueError, "waterfall draws the result of a batch, got that of"),
    (lambda image: plot.batch(image[0, 0]), ValueError, "batch draws the result of a batch, got that of a single"),
    (lambda image: plot.batch(image[:0]), ValueError, "got an empty one"),
    (lambda image: plot.batch({"a": image}), TypeError, r"expected a fastgd\.Result, got dict"),
    (lambda image: plot.batch(image, ax=pyplot.subplots()[1]), ValueError, "ax must have 2 Axes, one for each panel"),
    (lambda image: plot.maps(image[0]), ValueError, r"shape \(height, width\), got \(5,\)"),
    (lambda image: plot.maps(image, names="ab"), TypeError, "a sequence of str, one for each of the 2 .* str 'ab'"),
    (lambda image: plot.maps(image, names=["a"]), ValueError, "a name for each of the 2 parameters, got 1"),
    (lambda image: plot.maps(image, errors=np.ones((4, 5))), ValueError, r"the shape of x, \(4, 5, 2\), got \(4, 5\)"),
])
def test_wrong_arguments_of_batches(image, draw, error, message):
    with pytest.raises(error, match=message):
        draw(image[1])


# Differences and profiles


@pytest.mark.parametrize(("x", "fun", "exact"), [
    (1.0, math.sin, math.cos),
    (1.0, math.sin, math.cos(1.0)),
    ([1.0], lambda x: np.sin(x[0]), lambda x: np.cos(x[0])),
    (1.0, math.sin, None),
])
def test_errors_of_differences(x, fun, exact):
    ax = plot.step_size(fun, x, exact)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    forward, best_forward, _, central, best_central, _ = ax.lines
    h = forward.get_xdata()
    slope = math.cos(1.0) if exact is not None else fastgd.gradient(
        math.sin, 1.0, method=fastgd.Difference(adaptive=True))
    above, middle, below = np.sin(1 + h), np.sin(1.0), np.sin(1 - h)
    for line, found in ((forward, (above - middle) / h), (central, (above - below) / (2 * h))):
        errors = abs(found - slope) / slope
        drawn = line.get_ydata()
        large = h > 1e-4  # NumPy and math may round differently
        np.testing.assert_allclose(drawn[large], errors[large], rtol=1e-3)
    # the steps of theory, by the derivatives -sin and -cos
    noise = 2.0**-53 * math.sin(1.0)
    assert best_forward.get_xdata()[0] == pytest.approx(2 * math.sqrt(noise / math.sin(1.0)), rel=1e-3)
    assert best_central.get_xdata()[0] == pytest.approx((3 * noise / math.cos(1.0)) ** (1 / 3), rel=1e-3)
    # the errors that are measured there are no larger than those of theory
    for dots, mark in ((forward, best_forward), (central, best_central)):
        near = abs(np.log10(h / mark.get_xdata()[0])) < 0.1
        assert np.nanmedian(dots.get_ydata()[near]) < 2.0 * mark.get_ydata()[0]


def test_errors_of_differences_without_higher_derivatives():
    """Of a straight line no step is the best one: only rounding counts."""
    ax = plot.step_size(lambda x: 3.0 * x + 1.0, 0.3, exact=3.0)
    assert not any("least error" in line.get_label() for line in ax.lines)


def test_errors_of_differences_near_the_end_of_the_domain():
    """Steps beyond it leave gaps, and do not hide what theory says: log has the derivatives 1 / x, 1 / x^2, 2 / x^3."""
    x = 1e-3
    ax = plot.step_size(np.log, x, exact=1 / x)
    forward, best_forward, _, central, best_central, _ = ax.lines
    assert np.isfinite(forward.get_ydata()[-100:]).all()
    assert np.isnan(central.get_ydata()[central.get_xdata() > x]).all()
    noise = 2.0**-53 * abs(math.log(x))
    assert best_forward.get_xdata()[0] == pytest.approx(2 * math.sqrt(noise) * x, rel=1e-3)
    assert best_central.get_xdata()[0] == pytest.approx((1.5 * noise) ** (1 / 3) * x, rel=1e-3)


@pytest.mark.parametrize(("options", "message"), [
    ({"x": [1.0, 2.0]}, r"x must be a number or have shape \(1,\), got shape \(2,\)"),
    ({"x": 1.0, "exact": np.nan}, r"exact must be a finite number, the derivative at x = 1\.0; got nan"),
    ({"x": 1.0, "exact": [1.0, 2.0]}, "exact must be a finite number"),
    ({"x": np.inf}, "must be finite"),
])
def test_wrong_arguments_of_differences(options, message):
    with pytest.raises(ValueError, match=message):
        plot.step_size(lambda x: x**2, **options)


def test_data_profile():
    needed = {"a": [20.0, 10.0, np.inf, 40.0], "b": [100.0, np.inf, np.inf, 50.0], "c": [np.inf] * 4}
    ax = plot.data_profile(needed)
    lines = labelled(ax)
    assert list(lines) == ["a", "b", "c"]
    for label, counts in needed.items():
        places, shares = lines[label].get_data()
        assert lines[label].get_drawstyle() == "steps-post"
        assert [float(share) for share in shares] == [np.mean(np.array(counts) <= place) for place in places]
        assert places[-1] == 100.0  # all go on to the end of the slowest
    assert (ax.get_xscale(), ax.get_ylim()) == ("log", (0.0, 1.02))


@pytest.mark.parametrize(("evaluations", "error", "message"), [
    ([1.0], TypeError, "must be a dictionary of arrays by label, not empty; got list"),
    ({}, TypeError, "not empty"),
    ({"a": [1.0], "b": [1.0, 2.0]}, ValueError, r"got shapes \(1,\), \(2,\)"),
    ({"a": [0.0]}, ValueError, r"must be positive, got evaluations\['a'\] with 0.0"),
    ({"a": ["x"]}, TypeError, r"evaluations\['a'\] must be real numbers"),
])
def test_wrong_arguments_of_profiles(evaluations, error, message):
    with pytest.raises(error, match=message):
        plot.data_profile(evaluations)
