"""The examples in the docstrings of every public module."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import fastgd

MODULES = ["fastgd", *(module.name for module in pkgutil.walk_packages(fastgd.__path__, "fastgd."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module(name):
    """What an example prints is what stands below it."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", fastgd.__all__)
def test_public_names_have_an_example(name):
    """Every public function and class shows how it is used, and its examples run."""
    thing = getattr(fastgd, name)
    if inspect.ismodule(thing):
        assert thing.__doc__
        return
    examples = [test for test in doctest.DocTestFinder().find(thing, name, globs={}) if test.examples]
    assert examples or "::" in thing.__doc__
    runner = doctest.DocTestRunner()
    for test in examples:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
