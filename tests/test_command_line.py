"""The command line."""

import os
import re
import subprocess
import sys

import pytest

import fastgd
from fastgd import _demo
from fastgd.__main__ import main


def python_m_fastgd(folder, *arguments):
    return subprocess.run([sys.executable, "-m", "fastgd", *arguments], cwd=folder, capture_output=True, text=True)


def test_demo_solves_compares_and_reports(capsys):
    _demo.run(n_problems=20)
    printed = capsys.readouterr().out
    assert "success: 20 of 20" in printed
    assert "All three agree" in printed
    rows = re.findall(r"^(fastgd|NumPy, .*?) +([\d.]+) +([\d.]+)$", printed, re.MULTILINE)
    assert [name.split(",")[0] for name, *_ in rows] == ["fastgd", "NumPy", "NumPy"]
    for _, milliseconds, ratio in rows:
        assert float(ratio) == pytest.approx(float(milliseconds) / float(rows[0][1]), rel=0.2, abs=0.1)


@pytest.mark.parametrize("baseline", [_demo.lockstep, _demo.one_by_one])
def test_demo_ends_if_answers_differ(baseline, monkeypatch):
    monkeypatch.setattr(_demo, baseline.__name__, lambda *arguments: baseline(*arguments) + 1e-3)
    with pytest.raises(SystemExit, match=r"the answers differ by 0\.001"):
        _demo.run(n_problems=5)


def test_demo_ends_if_a_problem_does_not_converge(monkeypatch):
    monkeypatch.setattr(_demo, "MAXITER", 1)
    with pytest.raises(SystemExit, match="not every problem has converged"):
        _demo.run(n_problems=5)


def test_demo_runs_in_an_empty_folder(tmp_path):
    process = python_m_fastgd(tmp_path, "demo")
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    assert f"success: {_demo.N_PROBLEMS} of {_demo.N_PROBLEMS}" in process.stdout
    assert list(tmp_path.iterdir()) == []


def test_wrong_command_is_a_usage_error(tmp_path):
    process = python_m_fastgd(tmp_path, "dmeo")
    assert process.returncode == 2
    assert "demo" in process.stderr


def test_no_command_shows_the_commands(capsys):
    main([])
    assert re.search(r"^ +demo +minimize", capsys.readouterr().out, re.MULTILINE)


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"fastgd {fastgd.__version__}\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise")
def test_nobody_reads_on():
    """As in `python -m fastgd demo | head -1`: no traceback."""
    end, start = os.pipe()
    os.close(end)
    with os.fdopen(start, "w") as pipe:
        run = subprocess.run([sys.executable, "-m", "fastgd"], stdout=pipe, stderr=subprocess.PIPE, text=True)
    assert (run.returncode, run.stderr) == (1, "")
