"""The command line: what holds for all commands, and `demo`, `bench` and `info`."""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

import fastgd
from fastgd import __main__
from fastgd.__main__ import main
from fastgd._commands import baselines, bench, demo, info, pictures
from fastgd._commands.timing import print_times, timed
from fastgd.plot._figures import COLORS

from .command_line import error_line, is_png

PYPROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

def python_m_fastgd(folder, *arguments):
    return subprocess.run([sys.executable, "-m", "fastgd", *arguments], cwd=folder, capture_output=True, text=True)


# What holds for all commands


@pytest.mark.parametrize("name", ["demo", "info", "minimize", "bench"])
def test_help_describes_every_command(name, capsys):
    assert main([]) == 0
    assert re.search(rf"^ +{name} +\w", capsys.readouterr().out, re.MULTILINE)
    with pytest.raises(SystemExit) as exit_:
        main([name, "--help"])
    assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert re.search(rf"examples?:\n +fastgd {name}", printed)
    assert all(len(line) <= 120 for line in printed.splitlines())


def test_help_takes_no_heavy_import(tmp_path):
    script = ("import sys; from fastgd.__main__ import main; main([]); main(['info']); "
              "heavy = {'scipy', 'matplotlib', 'numba', 'distributed', 'tqdm'}; print(heavy & set(sys.modules))")
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(("arguments", "named"), [
    (["dmeo"], "dmeo"),
    (["demo", "--plt", "x.png"], "--plt"),
    (["minimize"], "FUNCTION"),
    (["minimize", "a:b"], "--x0"),
    (["minimize", "a:b", "--x0", "1", "--maxiter", "many"], "many"),
])
def test_usage_errors_are_one_line(arguments, named, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert named in error_line(capsys)


@pytest.mark.parametrize(("arguments", "said"), [
    (["--foo"], "--foo (see fastgd --help)"),
    (["demo", "--plt", "x.png"], "--plt x.png; did you mean '--plot'? (see fastgd demo --help)"),
    (["minimize", "a:b", "--x0", "1", "--learning_rate=3"],
     "--learning_rate=3; did you mean '--learning-rate'? (see fastgd minimize --help)"),
    (["minimize", "a:b", "--x0", "1", "2"], "2 (see fastgd minimize --help)"),
])
def test_unknown_arguments_point_to_the_help_of_the_command(arguments, said, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["fastgd"])
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert error_line(capsys) == f"unrecognized arguments: {said}"


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"fastgd {fastgd.__version__}\n"


def test_console_script_is_main():
    module, name = PYPROJECT["scripts"]["fastgd"].split(":")
    assert (module, getattr(__main__, name)) == ("fastgd.__main__", main)


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise")
def test_nobody_reads_on():
    """As in `python -m fastgd demo | head -1`: no traceback."""
    end, start = os.pipe()
    os.close(end)
    with os.fdopen(start, "w") as pipe:
        run = subprocess.run([sys.executable, "-m", "fastgd"], stdout=pipe, stderr=subprocess.PIPE, text=True)
    assert (run.returncode, run.stderr) == (1, "")


# demo and bench


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(demo, "N_PROBLEMS", 20)
    for name, size in {"N_LOCKSTEP": 10, "N_FAST": 6, "N_SLOW": 3, "ROUNDS": 1}.items():
        monkeypatch.setattr(bench, name, size)


def rows_of(printed):
    """(name, time, ratio), for every line of the tables."""
    return re.findall(r"^(\S.*?) {2,}([\d.]+) +([\d.]+)$", printed, re.MULTILINE)


def test_demo_solves_compares_and_reports(small, capsys):
    pytest.importorskip("scipy")
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out
    assert "success: 20 of 20" in printed
    assert "All three agree" in printed
    assert re.search(r"from \d+ of 20 starts SciPy reaches the same", printed)
    rows = rows_of(printed)
    assert [name.split(",")[0] for name, *_ in rows] == [
        "fastgd", "NumPy", "NumPy", "fastgd", "fastgd", "SciPy's minimize in a loop"]
    for first, part in ((rows[0], rows[:3]), (rows[3], rows[3:])):
        for _, milliseconds, ratio in part:
            assert float(ratio) == pytest.approx(float(milliseconds) / float(first[1]), rel=0.2, abs=0.1)


@pytest.mark.parametrize("baseline", [baselines.lockstep, baselines.one_by_one])
def test_demo_ends_if_answers_differ(baseline, small, monkeypatch):
    monkeypatch.setattr(baselines, baseline.__name__, lambda *arguments: baseline(*arguments) + 1e-3)
    with pytest.raises(SystemExit, match=r"the answers differ by 0\.001"):
        main(["demo"])


def test_demo_ends_if_an_answer_is_no_minimum(small, monkeypatch):
    monkeypatch.setattr(baselines, "scipy_loop", lambda fun, x0: x0)
    monkeypatch.setattr(baselines, "scipy_minimize", lambda: True)
    with pytest.raises(SystemExit, match="away from all minima"):
        main(["demo"])


def test_demo_ends_if_a_problem_does_not_converge(small, monkeypatch):
    monkeypatch.setattr(demo, "MAXITER", 1)
    with pytest.raises(SystemExit, match="not every problem has converged"):
        main(["demo"])


def test_demo_runs_in_an_empty_folder(tmp_path):
    process = python_m_fastgd(tmp_path, "demo")
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    assert f"success: {demo.N_PROBLEMS} of {demo.N_PROBLEMS}" in process.stdout
    assert list(tmp_path.iterdir()) == []


def test_demo_draws(small, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    figures = []
    save = pictures.save
    monkeypatch.setattr(pictures, "save", lambda figure, path: figures.append(figure) or save(figure, path))
    assert main(["demo", "--plot", str(tmp_path / "demo.png")]) == 0
    assert is_png(tmp_path / "demo.png")
    [axes] = figures[0].axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x[0]", "x[1]")
    assert len(axes.collections) > 0  # contours
    starts, minima = axes.lines[::2], axes.lines[1::2]
    assert [line.get_color() for line in starts] == [line.get_color() for line in minima] == list(COLORS[:4])
    np.testing.assert_array_equal([line.get_xydata()[0] for line in minima], demo.minima())
    assert sum(len(line.get_xdata()) for line in starts) == demo.N_PROBLEMS
    labels = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert [int(label.split()[0]) for label in labels] == [len(line.get_xdata()) for line in starts]


@pytest.mark.parametrize("name", ["demo", "bench"])
def test_comparisons_without_scipy_and_numba(name, small, monkeypatch, capsys):
    for package in ("scipy", "scipy.optimize", "numba"):
        monkeypatch.setitem(sys.modules, package, None)
    assert main([name]) == 0
    printed = capsys.readouterr().out
    assert "SciPy is not installed" in printed
    assert not re.search("SciPy's|jitted", " ".join(name for name, *_ in rows_of(printed)))
    assert ("numba is not installed" in printed) == (name == "bench")


def test_bench_compares_all_that_is_installed(small, capsys):
    pytest.importorskip("scipy")
    pytest.importorskip("numba")
    assert main(["bench"]) == 0
    printed = capsys.readouterr().out
    assert "not installed" not in printed
    names = [name for name, *_ in rows_of(printed)]
    assert names[:3] == ["fastgd, vectorized function", "NumPy in lock-step", "fastgd, jitted function"]
    both = ["fastgd, vectorized function", "fastgd, jitted function", "fastgd, function of one point",
            "fastgd, the same, a call for each problem", "SciPy's minimize in a loop"]
    assert names[3:] == both * len(bench.DIMENSIONS)
    assert printed.count("No answer") == 1 + len(bench.DIMENSIONS)


def test_bench_ends_if_an_answer_is_wrong(small, monkeypatch):
    monkeypatch.setattr(baselines, "scipy_loop", lambda fun, x0: x0)
    monkeypatch.setattr(baselines, "scipy_minimize", lambda: True)
    with pytest.raises(SystemExit, match="an answer has a slope of"):
        main(["bench"])


def test_slopes_of_rosenbrock_are_those_of_the_function():
    x = np.random.default_rng(0).normal(size=(5, 30))
    expected = fastgd.gradient(bench.rosenbrock, x.T, vectorized=True).T
    np.testing.assert_allclose(bench.rosenbrock_slopes(x), expected, rtol=1e-6, atol=1e-6)


def test_sides_take_turns_and_the_best_time_counts(capsys):
    calls = []

    def side(name, seconds):
        def call():
            calls.append(name)
            time.sleep(seconds if calls.count(name) > 1 else 0.05)
            return name
        return call

    answers, (first, second) = timed(side("a", 0.0), side("b", 0.01), rounds=3)
    assert (answers, calls) == (["a", "b"], ["a", "b"] * 3)
    assert first < second < 0.05
    print_times([("one", 0.002), ("two", 0.003)])
    assert rows_of(capsys.readouterr().out) == [("one", "2.0", "1.00"), ("two", "3.0", "1.50")]


# info


def test_info_is_text_or_json(capsys):
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["fastgd"], facts["numpy"]) == (fastgd.__version__, np.__version__)
    assert re.fullmatch(r"compiled by Cython \d+\.\d+\.\w+", facts["core"])
    assert 1 <= facts["threads"] <= os.cpu_count()
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert all(str(facts[name]) in text for name in ("python", "core", "platform", "instructions"))


def test_info_knows_the_extras():
    extras = PYPROJECT["optional-dependencies"]
    packages = {name: tuple(re.match(r"[\w-]+", package).group() for package in extras[name]) for name in info.EXTRAS}
    assert {name: of_one for name, (_, of_one) in info.EXTRAS.items()} == packages
    assert extras["all"] == [f"fastgd[{','.join(sorted(info.EXTRAS))}]"]


def test_info_tells_how_to_get_what_is_missing(monkeypatch, capsys):
    missing = {"numba", "distributed", "scipy"}
    monkeypatch.setattr(info, "version", lambda package: None if package in missing else "1.0")
    main(["info"])
    printed = capsys.readouterr().out
    remedies = re.findall("pip install (.*)", printed)
    assert remedies == ['"fastgd[jit]"', '"fastgd[dask]"', "scipy"]
    assert "cloudpickle 1.0, distributed missing" in printed


def test_versions_of_packages():
    assert info.version("numpy") == np.__version__
    assert info.version("no-package-has-this-name") is None


@pytest.mark.parametrize(("flags", "expected"), [
    ("", "x86-64 (no AVX2)"),
    ("avx avx2 bmi1 bmi2 f16c fma movbe", "x86-64 (no AVX2)"),  # abm is missing
    ("avx avx2 bmi1 bmi2 f16c fma abm movbe", "x86-64-v3 (AVX2)"),
    ("avx avx2 bmi1 bmi2 f16c fma abm movbe avx512f avx512bw avx512cd avx512dq avx512vl", "x86-64-v4 (AVX-512)"),
])
def test_instructions_by_the_flags_of_the_cpu(flags, expected, monkeypatch):
    if info.instructions().startswith("one version"):
        pytest.skip("this build has one version of each loop")
    monkeypatch.setattr(info, "cpu_flags", lambda: set(flags.split()))
    assert info.instructions() == expected
