"""`fastgd minimize`, as users call it from a folder of theirs, and by its function where that is enough; pictures."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastgd
from fastgd.__main__ import main
from fastgd._commands import minimize as command
from fastgd._commands import pictures
from fastgd.plot import _figures

from .command_line import error_line, is_png

MODEL = """
import math

import numpy as np


def bowl(x):
    return (x[0] - 1)**2 + 10 * (x[1] + 2)**2


def of_many(x):
    assert x.ndim == 2
    return bowl(x)


def square(x):
    return x[0]**2


def logarithm(x):
    return sum(x * x) + math.log(min(x))  # raises for x <= 0


def cosine(x):
    return math.cos(x)  # of a float: math refuses arrays


def raises(x):
    return helper(x)


def helper(x):
    return {}["of the user"]


def returns_too_much(x):
    return x


root = math.sqrt


def indexed(x):
    return np.asarray(x)[0]


def talks(x):
    print("a word of the user")
    return bowl(x)


def nowhere(x):
    return math.nan


def bottomless(x):
    return -math.inf


def interrupted(x):
    raise KeyboardInterrupt


NUMBER = 3.0
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a module whose name no other test uses."""
    (tmp_path / "users_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delitem(sys.modules, "users_model", raising=False)
    yield tmp_path
    sys.modules.pop("users_model", None)


def as_user(folder, *arguments):
    """The exit code, stdout and stderr of `fastgd`, which does not look for modules in the current folder by itself."""
    script = f"import sys; sys.path[:] = {sys.path!r}; from fastgd.__main__ import main; sys.exit(main())"
    run = subprocess.run([sys.executable, "-P", "-c", script, *arguments], cwd=folder, capture_output=True, text=True)
    return run.returncode, run.stdout, run.stderr


@pytest.mark.parametrize("name", ["users_model:bowl", "users_model.py:bowl"])
def test_minimize_finds_functions_in_the_current_folder(name, folder):
    code, printed, errors = as_user(folder, "minimize", name, "--x0", "0,0")
    assert (code, errors) == (0, "")
    assert printed == f"{fastgd.minimize(lambda x: (x[0] - 1)**2 + 10 * (x[1] + 2)**2, [0.0, 0.0])}\n"


def test_minimize_finds_files_and_their_neighbours_elsewhere(folder, capsys):
    (folder / "deep").mkdir()
    (folder / "deep" / "users_file.py").write_text("from users_neighbour import fun")
    (folder / "deep" / "users_neighbour.py").write_text("def fun(x):\n    return (x[0] - 3)**2")
    assert main(["minimize", "deep/users_file.py:fun", "--x0", "0,", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["x"] == pytest.approx([3.0])


def test_json_of_one_problem(folder, capsys):
    assert main(["minimize", "fastgd.functions:rosenbrock", "--x0", "-1.2,1", "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)
    result = fastgd.minimize(fastgd.functions.rosenbrock, [-1.2, 1.0])
    assert (fields["x"], fields["fun"], fields["jac"]) == (result.x.tolist(), result.fun, result.jac.tolist())
    assert (fields["nit"], fields["nfev"], fields["njev"]) == (result.nit, result.nfev, result.njev)
    assert (fields["status"], fields["success"], fields["message"]) == ("GTOL", True, result.message)


def test_starts_are_typed_or_read(folder, capsys):
    starts = np.array([[1.0, 2.0], [-3.0, 0.5], [0.0, -4.0]])
    np.save("starts.npy", starts)
    texts = [word for start in ("1,2", "-3,.5", "0,-4") for word in ("--x0", start)]
    assert main(["minimize", "fastgd.functions:himmelblau", *texts, "--json"]) == 0
    typed = capsys.readouterr().out
    assert main(["minimize", "fastgd.functions:himmelblau", "--x0", "starts.npy", "--json"]) == 0
    assert capsys.readouterr().out == typed
    result = fastgd.minimize(fastgd.functions.himmelblau, starts)
    assert json.loads(typed)["x"] == result.x.tolist()
    assert json.loads(typed)["status"] == ["GTOL"] * 3


@pytest.mark.parametrize(("start", "expected"), [
    (["2"], 2.0), (["2,"], [2.0]), (["-.5,1e3"], [-0.5, 1e3]), (["2", "3"], [[2.0], [3.0]]),
])
def test_starts_have_the_shapes_that_help_promises(start, expected):
    x0 = command.as_start(start)
    assert (np.shape(x0), np.array(x0).tolist()) == (np.shape(expected), expected)
    assert isinstance(x0, float) == isinstance(expected, float)


def test_function_of_a_float_and_maximum(folder, capsys):
    assert main(["minimize", "users_model:cosine", "--x0", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["x"] == pytest.approx(np.pi)
    assert main(["minimize", "users_model:cosine", "--x0", "2", "--maximize", "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert (fields["x"], fields["fun"]) == (pytest.approx(0.0, abs=1e-6), pytest.approx(1.0))


@pytest.mark.parametrize(("bounds", "expected"), [
    (["-1,0.5"], [0.5, -1.0]),
    (["-inf,inf", "-1,inf"], [1.0, -1.0]),
])
def test_bounds_for_all_or_for_each(bounds, expected, folder, capsys):
    texts = [word for pair in bounds for word in ("--bounds", pair)]
    assert main(["minimize", "users_model:bowl", "--x0", "0,0", *texts, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["x"] == pytest.approx(expected, abs=1e-6)


def test_options_reach_minimize(folder, capsys):
    options = ["--method", "adam", "--learning-rate", "0.25", "--maxiter", "7", "--gtol", "0.125", "--vectorized"]
    assert main(["minimize", "fastgd.functions:himmelblau", "--x0", "1,1", *options, "--json"]) == 1
    result = fastgd.minimize(fastgd.functions.himmelblau, [1.0, 1.0], method="adam", learning_rate=0.25, maxiter=7,
                             gtol=0.125, vectorized=True)
    fields = json.loads(capsys.readouterr().out)
    assert (fields["x"], fields["nit"], fields["status"]) == (result.x.tolist(), 7, "MAXITER")


@pytest.mark.parametrize(("name", "fun", "status"), [
    ("nowhere", "NaN", "NONFINITE"),
    ("bottomless", "-Infinity", "UNBOUNDED"),
])
def test_json_without_success_has_no_nan_and_inf(name, fun, status, folder, capsys):
    assert main(["minimize", f"users_model:{name}", "--x0", "1,1", "--json"]) == 1
    fields = json.loads(capsys.readouterr().out, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert (fields["fun"], fields["status"], fields["success"]) == (fun, status, False)
    assert str(float(fields["fun"])) in ("nan", "-inf")


def test_what_the_function_prints_is_not_in_the_json(folder, capsys):
    assert main(["minimize", "users_model:talks", "--x0", "1,1", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["success"]
    assert "a word of the user" in printed.err
    assert main(["minimize", "users_model:talks", "--x0", "1,1"]) == 0
    assert "a word of the user" in capsys.readouterr().out


def test_one_of_several_without_success(folder, capsys):
    starts = ["--x0", "3,2", "--x0", "-4,4"]
    assert main(["minimize", "fastgd.functions:himmelblau", *starts, "--maxiter", "1"]) == 1
    printed = capsys.readouterr().out
    assert "success: 1 of 2" in printed
    assert "maximum number of iterations" in printed


@pytest.mark.parametrize(("arguments", "said"), [
    (["users_model:bowl", "--x0", "0,a"], "'0,a' is not of the form 1,2,3"),
    (["users_model:bowl", "--x0", "0,nan"], "x0 must be finite"),
    (["users_model:bowl", "--x0", "0,0", "--x0", "1"], "all starts must have as many numbers; got 0,0 and 1"),
    (["users_model:bowl", "--x0", "none.npy"], "none.npy"),
    (["users_model:bowl", "--x0", "broken.npy"], "broken.npy"),
    (["users_model:bowl", "--x0", "broken.npy", "--x0", "0,0"], "cannot be combined"),
    (["users_model:bowl", "--x0", "0,0", "--bounds", "1"], "expected two numbers"),
    (["users_model:bowl", "--x0", "0,0,0", "--bounds", "0,1", "--bounds", "0,1"], "or 3 pairs; got 2"),
    (["users_model:bowl", "--x0", "0,0", "--bounds", "1,2"], "x0 must be inside the bounds"),
    (["users_model:bowl", "--x0", "0,0", "--method", "adamm"], "did you mean 'adam'?"),
    (["users_model:bowl", "--x0", "0,0", "--learning-rate", "-1"], "learning_rate"),
    (["users_model:bowl", "--x0", "0,0", "--maxiter", "-1"], "maxiter"),
    (["users_model:bowll", "--x0", "0,0"], "users_model has no 'bowll'; did you mean 'bowl'?"),
    (["users_modell:bowl", "--x0", "0,0"], "there is no module 'users_modell'"),
    (["users_modell.py:bowl", "--x0", "0,0"], "there is no file users_modell.py"),
    (["bowl", "--x0", "0,0"], "write module:function"),
    (["users_model:NUMBER", "--x0", "0,0"], "fun must be callable, got float"),
    (["users_model:returns_too_much", "--x0", "0,0"], "must return one number"),
    (["fastgd.functions:himmelblau", "--x0", "1,2,3"], "takes points of 2 dimensions"),
])
def test_wrong_input_is_one_line(arguments, said, folder, capsys):
    Path("broken.npy").write_bytes(b"no array")
    assert main(["minimize", *arguments]) == 2
    assert said in error_line(capsys)


def test_learning_rate_that_is_measured(folder, capsys):
    options = ["--method", "gd", "--learning-rate", "auto"]
    assert main(["minimize", "fastgd.functions:himmelblau", "--x0", "1,1", *options, "--json"]) == 0
    result = fastgd.minimize(fastgd.functions.himmelblau, [1.0, 1.0], method="gd", learning_rate="auto")
    assert json.loads(capsys.readouterr().out)["x"] == result.x.tolist()
    with pytest.raises(SystemExit) as exit_:
        main(["minimize", "users_model:bowl", "--x0", "1,1", "--learning-rate", "fast"])
    assert exit_.value.code == 2
    assert "--learning-rate: expected a number or auto, got 'fast'" in error_line(capsys)


@pytest.mark.parametrize(("name", "start", "error", "has_hint"), [
    ("square", "-1", "TypeError", True),
    ("indexed", "1e3", "IndexError", True),
    ("raises", "1", "KeyError", False),
    ("cosine", "1,2", "TypeError", False),
])
def test_functions_of_an_array_that_get_a_float(name, start, error, has_hint, folder, capsys):
    assert main(["minimize", f"users_model:{name}", "--x0", start]) == 1
    *lines, last = capsys.readouterr().err.splitlines()
    assert any(line.startswith(error) for line in lines)
    assert (last == f"fastgd: hint: --x0 {start} makes the function one of a float; --x0 {start}, passes an array with "
                    "one number") == has_hint


def test_exceptions_of_the_import_are_not_explained_by_the_start(folder, capsys):
    Path("users_broken.py").write_text("1.0[0]")
    assert main(["minimize", "users_broken.py:fun", "--x0", "0"]) == 1
    assert "hint" not in capsys.readouterr().err


@pytest.mark.parametrize(("name", "start", "options"), [
    ("users_model:root", "-1", []), ("math:cos", "1,2", []), ("math:cos", "1,2", ["--vectorized"]),
])
def test_exceptions_of_functions_without_frames(name, start, options, folder, capsys):
    """They are the function's, as help says, and no wrong input."""
    assert main(["minimize", name, "--x0", start, *options]) == 1
    assert "raised for problem 0" in error_line(capsys)


def test_exceptions_of_the_function_come_with_the_frames_of_the_user(folder):
    code, printed, errors = as_user(folder, "minimize", "users_model:raises", "--x0", "0,0")
    assert (code, printed) == (1, "")
    assert re.findall(r'File "(.*)", line \d+, in (\w+)', errors) == [
        (str(folder / "users_model.py"), "raises"), (str(folder / "users_model.py"), "helper")]
    assert "KeyError: 'of the user'" in errors
    assert "problem 0" in errors


@pytest.mark.parametrize(("text", "expected"), [
    ("import no_such_module", "ModuleNotFoundError"),
    ("def fun(x:\n    pass", "SyntaxError"),
    ("raise RuntimeError('while it is imported')", "while it is imported"),
])
@pytest.mark.parametrize("name", ["users_broken:fun", "users_broken.py:fun"])
def test_exceptions_of_the_import_come_with_the_frames_of_the_user(text, expected, name, folder):
    Path("users_broken.py").write_text(text)
    code, printed, errors = as_user(folder, "minimize", name, "--x0", "0")
    assert (code, printed) == (1, "")
    assert expected in errors
    assert [Path(path).name for path in re.findall('File "(.*)", line', errors)] == ["users_broken.py"]


def test_defects_of_fastgd_are_shown_in_full(folder, monkeypatch):
    def defect(*arguments, **options):
        raise KeyError("ours")

    monkeypatch.setitem(defect.__globals__, "__name__", "fastgd.somewhere")
    monkeypatch.setattr(command, "minimize", defect)
    with pytest.raises(KeyError, match="ours"):
        main(["minimize", "users_model:bowl", "--x0", "0,0"])


def test_ctrl_c(folder, capsys):
    assert main(["minimize", "users_model:interrupted", "--x0", "0,0"]) == 130
    assert capsys.readouterr() == ("", "fastgd: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
def test_ctrl_c_from_the_shell(folder):
    Path("users_slow.py").write_text("import time\ndef fun(x):\n    print('begun', flush=True)\n    time.sleep(60)\n")
    process = subprocess.Popen([sys.executable, "-m", "fastgd", "minimize", "users_slow:fun", "--x0", "1"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "fastgd: interrupted\n")


# Pictures


#: Labels of the values, as patterns, and what is drawn then for the answers of all runs.
HEIGHTS = {
    "f": lambda fun: fun,
    r"f \$-\$ \S+ \(the lowest f\)": lambda fun: fun - fun.min(),
    r"\S+ \(the highest f\) \$-\$ f": lambda fun: fun.max() - fun,
}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved. pyplot, which looks for a screen, must not be needed for them."""
    pytest.importorskip("matplotlib")
    figures = []
    save = pictures.save
    monkeypatch.setattr(pictures, "save", lambda figure, path: figures.append(figure) or save(figure, path))
    monkeypatch.setattr(_figures, "load_pyplot", lambda: pytest.fail("pyplot was imported"))
    return figures


def marked(axes, marker):
    """Where the marks are of which paths have one each, "o" at the start and "*" at the end."""
    return np.array([line.get_xydata()[0] for line in axes.lines if line.get_marker() == marker])


@pytest.mark.parametrize(("arguments", "label"), [
    (["users_model:bowl", "--x0", "0,0"], "f"),
    (["users_model:of_many", "--x0", "0,0", "--x0", "3,-4", "--bounds", "-5,5", "--vectorized"], "f"),
    (["fastgd.functions:himmelblau.compiled", "--x0", "0,0"], "f"),
    (["users_model:cosine", "--x0", "2", "--maximize"], r"\S+ \(the highest f\) \$-\$ f"),
    (["users_model:square", "--x0", "2,", "--bounds", "1,3"], r"f \$-\$ \S+ \(the lowest f\)"),
    (["fastgd.functions:rosenbrock", "--x0", "0,0,0"], "f"),
])
def test_minimize_draws(arguments, label, folder, drawn, capsys):
    assert main(["minimize", *arguments, "--plot", "run.png", "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert is_png("run.png")
    [figure] = drawn
    assert figure.get_suptitle() == arguments[0]
    n_dim = np.shape(fields["x"])[-1] if np.ndim(fields["x"]) else 1

    runs = figure.axes[0]
    assert (runs.get_xlabel(), runs.get_yscale()) == ("iterations", "log")
    assert re.fullmatch(label, runs.get_ylabel())
    ends = np.array([line.get_xydata()[-1] for line in runs.lines])
    assert ends[:, 0].tolist() == np.atleast_1d(fields["nit"]).tolist()
    heights = HEIGHTS[label](np.atleast_1d(fields["fun"]))
    np.testing.assert_allclose(np.nan_to_num(ends[:, 1]), heights, atol=1e-12)  # nan: 0 has no logarithm

    assert len(figure.axes) == (2 if n_dim <= 2 else 1)
    if n_dim == 2:
        assert (figure.axes[1].get_xlabel(), figure.axes[1].get_ylabel()) == ("x[0]", "x[1]")
        assert len(figure.axes[1].collections) > 0  # contours
        assert marked(figure.axes[1], "*").tolist() == np.reshape(fields["x"], (-1, 2)).tolist()
    elif n_dim == 1:
        assert (figure.axes[1].get_xlabel(), figure.axes[1].get_ylabel()) == ("x", "f(x)")
        assert len(figure.axes[1].lines[0].get_xdata()) > 100  # the curve
        assert marked(figure.axes[1], "*").tolist() == [[*np.atleast_1d(fields["x"]), fields["fun"]]]


def test_starts_have_a_colour_each_in_both_panels(folder, drawn):
    assert main(["minimize", "users_model:bowl", "--x0", "0,0", "--x0", "3,-4", "--plot", "run.png"]) == 0
    runs, paths = drawn[0].axes
    colors = [line.get_color() for line in runs.lines]
    assert colors == list(_figures.COLORS[:2])
    assert [line.get_color() for line in paths.lines if line.get_marker() == "*"] == colors
    assert marked(paths, "o").tolist() == [[0.0, 0.0], [3.0, -4.0]]
    assert [text.get_text() for text in paths.get_legend().get_texts()] == ["start", "end"]
    assert runs.get_legend() is None


@pytest.mark.parametrize(("arguments", "box"), [
    (["--x0", "1.9,1.8", "--bounds", "0.5,2"], [[0.5, 0.5], [2.0, 2.0]]),
    (["--x0", "1,1.7", "--bounds", "0.5,inf", "--bounds", "0.6,1.75"], [[0.5, 0.6], [None, 1.75]]),
    (["--x0", "0.75,", "--bounds", "0.5,0.8"], [[0.5], [0.8]]),
])
def test_pictures_stay_inside_the_bounds(arguments, box, folder, drawn):
    """The logarithm raises outside of them; the answer is on one, and its star is seen in full."""
    assert main(["minimize", "users_model:logarithm", *arguments, "--plot", "run.png"]) == 0
    axes = drawn[0].axes[1]
    limits = np.transpose([axes.get_xlim(), axes.get_ylim()])
    for found, expected in zip(limits, box, strict=True):
        assert all(bound is None or value == bound for value, bound in zip(found, expected, strict=False))
    assert not any(line.get_clip_on() for line in axes.lines)


def test_a_variable_that_bounds_fix(folder, drawn):
    assert main(["minimize", "users_model:bowl", "--x0", "0,2", "--bounds", "-5,5", "--bounds", "2,2",
                 "--plot", "run.png"]) == 0
    axes = drawn[0].axes[1]
    assert len(axes.collections) == 0  # no contours
    np.testing.assert_allclose(marked(axes, "*"), [[1.0, 2.0]], rtol=1e-5)


def test_functions_that_raise_where_they_are_drawn(folder, capsys):
    pytest.importorskip("matplotlib")
    assert main(["minimize", "users_model:logarithm", "--x0", "0.1,", "--maxiter", "0", "--plot", "run.png"]) == 1
    printed = capsys.readouterr()
    assert "MAXITER" in printed.out
    assert [Path(path).name for path in re.findall('File "(.*)", line', printed.err)] == ["users_model.py"]
    assert "ValueError" in printed.err


def test_runs_that_could_not_start_are_said_to(folder, drawn):
    assert main(["minimize", "users_model:nowhere", "--x0", "0,0", "--plot", "run.png"]) == 1
    assert is_png("run.png")
    assert drawn[0].axes == []
    assert [text.get_text() for text in drawn[0].texts] == ["users_model:nowhere", "no run could start"]


def test_not_more_than_some_runs_are_drawn(folder, drawn):
    np.save("image.npy", np.random.default_rng(0).uniform(-5, 5, (10, 12, 2)))
    assert main(["minimize", "fastgd.functions:himmelblau", "--x0", "image.npy", "--plot", "run.png"]) == 0
    assert drawn[0].get_suptitle() == "fastgd.functions:himmelblau (the first 100 of 120 starts)"
    runs, paths = drawn[0].axes
    assert len(runs.lines) == len(marked(paths, "*")) == 100


@pytest.mark.parametrize(("path", "said"), [
    ("run.xyz", "must end with one of"), ("run", "must end with one of"), ("none/run.png", "there is no folder none"),
    ("folder.png", "--plot folder.png: this is a folder, not a file"),
])
@pytest.mark.parametrize("arguments", [["demo"], ["minimize", "users_model:interrupted", "--x0", "0,0"]])
def test_paths_of_pictures_are_checked_before_the_work(path, said, arguments, folder, capsys):
    pytest.importorskip("matplotlib")
    Path("folder.png").mkdir()
    assert main([*arguments, "--plot", path]) == 2
    assert said in error_line(capsys)


@pytest.mark.parametrize("arguments", [["demo"], ["minimize", "users_model:interrupted", "--x0", "0,0"]])
def test_pictures_need_matplotlib_which_is_said_before_the_work(arguments, folder, monkeypatch, capsys):
    for package in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, package, None)
    assert main([*arguments, "--plot", "x.png"]) == 2
    assert error_line(capsys) == '--plot needs matplotlib: pip install "fastgd[plot]"'


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder that cannot be written to")
def test_picture_that_cannot_be_written(folder, capsys):
    pytest.importorskip("matplotlib")
    (folder / "locked").mkdir(mode=0o500)
    assert main(["minimize", "users_model:bowl", "--x0", "0,0", "--plot", "locked/run.png"]) == 2
    printed = capsys.readouterr()
    assert "success: True" in printed.out
    assert printed.err.startswith("fastgd: error: --plot locked/run.png: ")
