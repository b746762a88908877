"""Collects the examples of README.md as tests; they share one namespace, as a reader would run them."""

from doctest import ELLIPSIS, NORMALIZE_WHITESPACE

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

parser = PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE)
pytest_collect_file = Sybil(parsers=[parser], patterns=["README.md"]).pytest()
