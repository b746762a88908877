"""Interactive pages: what they draw, and that they need nothing else."""

import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

import fastgd
from fastgd import plot

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def bowl(x):
    return 0.2 * x[0] ** 2 + x[1] ** 2


@pytest.fixture(scope="module")
def run():
    return fastgd.minimize(bowl, [9.0, -3.0], learning_rate=0.8, maxiter=10, trace=1)


@pytest.fixture(scope="module")
def page(tmp_path_factory, run):
    path = tmp_path_factory.mktemp("pages") / "bowl.html"
    assert plot.interactive_surface(bowl, [-10, -4], [10, 4], path, result={"0.8": run}, n_points=12) is path
    return path


@pytest.fixture
def drawn(page, monkeypatch):
    """What the page is told to draw, as JSON."""
    text = page.read_text(encoding="utf-8")
    start = text.index("[", text.rindex("Plotly.newPlot("))
    return json.JSONDecoder().raw_decode(text[start:])[0]


def numbers(stored):
    """Plotly stores arrays as base64."""
    if isinstance(stored, list):
        return np.array(stored, dtype=float)
    found = np.frombuffer(base64.b64decode(stored["bdata"]), dtype=stored["dtype"])
    return found.reshape([int(n) for n in stored["shape"].split(",")]) if "shape" in stored else found


def test_page_needs_nothing_from_elsewhere(page):
    text = page.read_text(encoding="utf-8")
    tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", text[:text.index("<body>")] + text[text.rindex("<div"):])
    assert [tag for tag in tags if "src=" in tag or "href=" in tag] == []
    assert re.findall(r"<script[^>]*\ssrc=", text) == []
    assert len(text) > 1e6  # plotly itself is inside


def test_page_has_the_surface_and_the_path(drawn, run):
    surface, path, end = drawn
    assert (surface["type"], path["type"], end["type"]) == ("surface", "scatter3d", "scatter3d")
    x, y = numbers(surface["x"]), numbers(surface["y"])
    np.testing.assert_array_equal(x, np.linspace(-10, 10, 12))
    np.testing.assert_array_equal(y, np.linspace(-4, 4, 12))
    np.testing.assert_allclose(numbers(surface["z"]), 0.2 * x**2 + y[:, None] ** 2, rtol=1e-15)
    np.testing.assert_array_equal(np.column_stack([numbers(path["x"]), numbers(path["y"])]), run.trace.x)
    np.testing.assert_array_equal(numbers(path["z"]), run.trace.fun)
    assert (path["name"], end["name"]) == ("0.8", "end of 0.8")
    assert [numbers(end[name]).tolist() for name in "xyz"] == [[run.x[0]], [run.x[1]], [run.fun]]


def test_path_is_drawn_as_far_as_it_is_in_the_box(tmp_path, run):
    path = plot.interactive_surface(bowl, [-5, -4], [5, 4], str(tmp_path / "page.html"), result=run, n_points=5)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert path == str(tmp_path / "page.html")
    descent = json.JSONDecoder().raw_decode(text[text.index("[", text.rindex("Plotly.newPlot(")):])[0][1]
    x = numbers(descent["x"])
    assert np.isnan(x).tolist() == (abs(run.trace.x[:, 0]) > 5.0).tolist()


@pytest.mark.parametrize(("options", "message"), [
    ({"result": fastgd.minimize(bowl, [1.0, 1.0])}, "the result has no trace"),
    ({"result": fastgd.minimize(lambda x: x**2, 1.0, trace=1)}, "the result must have two variables, got 1"),
])
def test_results_that_do_not_fit(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        plot.interactive_surface(bowl, -1, 1, tmp_path / "page.html", n_points=5, **options)
    assert list(tmp_path.iterdir()) == []


def test_path_that_is_forgotten(run):
    def untouched(x):
        pytest.fail("the function was called")

    with pytest.raises(TypeError, match="path must be a str or path, that of the file to write; got Result"):
        plot.interactive_surface(untouched, -5, 5, run)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_page_opens_without_errors(page, tmp_path):
    """A browser that has no network draws it, and reports no error."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader",
               "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--virtual-time-budget=8000",
               f"--user-data-dir={tmp_path}", "--dump-dom", page.as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "gl-canvas" in run.stdout or "<canvas" in run.stdout
    console = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    assert [line for line in console if "INFO:CONSOLE" not in line or "Error" in line] == []
