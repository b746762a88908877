"""The examples of README.md and docs/ run as tests, a namespace for each page; what hypothesis makes up is the same in
every run; machine code that is kept in files is gone afterwards, and figures are gone after each test."""

import os
import sys
import tempfile
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from importlib.util import find_spec

import pytest
from hypothesis import settings
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

settings.register_profile("reproducible", deadline=None, derandomize=True)
settings.register_profile("exploring", deadline=None, max_examples=1000)
settings.load_profile("reproducible")

parser = PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE)
pytest_collect_file = Sybil(
    parsers=[parser, SkipParser()],
    patterns=["README.md", "docs/*.md"],
    excludes=["docs/compiled.md"] if os.name == "nt" else [],  # it compiles as one does on Linux and macOS
    setup=lambda namespace: namespace.update(has=lambda module: find_spec(module) is not None),
).pytest()


def pytest_configure(config):
    folder = tempfile.TemporaryDirectory(prefix="fastgd-")
    config.add_cleanup(folder.cleanup)
    os.environ["NUMBA_CACHE_DIR"] = folder.name
    os.environ.setdefault("MPLBACKEND", "Agg")  # no windows


@pytest.fixture(autouse=True)
def no_figures_are_left():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
