"""The function that a user names, and what is shown when it raises."""

import os
import sys
import traceback
from difflib import get_close_matches
from importlib import import_module, util
from operator import attrgetter
from pathlib import Path

from . import WrongInputError


def load_function(name):
    """What "module:function" or "path/to/file.py:function" names.

    Modules are found in the current folder, too, as by `python -m`.
    """
    module_name, _, attribute = name.rpartition(":")
    if not module_name or not attribute:
        raise WrongInputError(f"{name!r} names no function: write module:function, or path/to/file.py:function")
    module = load_file(module_name) if module_name.endswith(".py") else load_module(module_name)
    try:
        return attrgetter(attribute)(module)
    except AttributeError:
        close = get_close_matches(attribute, dir(module), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise WrongInputError(f"{module_name} has no {attribute!r}{hint}") from None


def load_module(name):
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):  # it is the module that lacks another one
            raise
        raise WrongInputError(f"there is no module {error.name!r}, neither installed nor in this folder "
                              f"({os.getcwd()})") from None


def load_file(path):
    """A module from a file, which need not be where modules are looked for; its neighbours are, as by `python file`."""
    if not Path(path).is_file():
        raise WrongInputError(f"there is no file {path}")
    sys.path.insert(0, str(Path(path).absolute().parent))
    name = Path(path).stem
    spec = util.spec_from_file_location(name, path)
    module = util.module_from_spec(spec)
    sys.modules.setdefault(name, module)  # dataclasses look there; not in place of a module that others use
    spec.loader.exec_module(module)
    return module


def print_user_traceback(error):
    """A traceback of the user's own code, which begins where it was called, and returns whether there is one.

    A single line would not tell which call led there; the frames of fastgd and of the import would not help to mend it.
    """
    frames = error.__traceback__
    while frames and frames.tb_frame.f_globals.get("__name__", "").partition(".")[0] in ("fastgd", "importlib"):
        frames = frames.tb_next
    if frames is None and not isinstance(error, SyntaxError):
        return False
    traceback.print_exception(type(error), error, frames)
    return True
