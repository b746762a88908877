"""The scripts in examples/: each runs as it is, in an empty folder, and draws its figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("plot_*.py"))

# What they draw is counted where they would show it, and what they write.
RUN = """
import json, os, runpy, sys, warnings
import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot

warnings.simplefilter("error")
n_axes = []
pyplot.show = lambda: n_axes.extend(len(pyplot.figure(number).axes) for number in pyplot.get_fignums())
runpy.run_path(sys.argv[1], run_name="__main__")
print(json.dumps({"axes": n_axes, "files": sorted(os.listdir())}))
"""

# The numbers of Axes in the figures of each, and the files.
EXPECTED = {
    "plot_conditioning": ([2, 1, 1], []),
    "plot_differences": ([1, 1], []),
    "plot_learning_rates": ([4, 2, 2], []),
    "plot_starting_points": ([1, 2, 2], []),
    "plot_surfaces": ([1, 1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1],
                      ["descent.gif", "descent_on_curve.gif", "paraboloid.html", "tangent.gif"]),
}


def test_all_examples_are_expected():
    assert [path.stem for path in EXAMPLES] == sorted(EXPECTED)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path, tmp_path):
    run = subprocess.run([sys.executable, "-c", RUN, path], cwd=tmp_path, capture_output=True, text=True,
                         env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert run.returncode == 0, run.stderr
    drawn = json.loads(run.stdout.splitlines()[-1])
    assert (drawn["axes"], drawn["files"]) == EXPECTED[path.stem]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_has_the_form_of_sphinx_gallery(path):
    """A docstring with a title that is underlined, and blocks of text before those of code."""
    text = path.read_text(encoding="utf-8")
    _, title, underline, *_ = text.splitlines()
    assert set(underline) == {"="}
    assert len(underline) >= len(title)
    assert text.count("\n# %%\n") >= 2
