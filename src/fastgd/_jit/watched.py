"""What Python runs while a function is traced: code that a kernel cannot stand for, though it never looks at a number.

In a kernel arithmetic raises no exceptions and gives no warnings, so what handles them would never run.
"""

import dis
import gc
import itertools
import sys
import types

from .graph import Refusal

# Of SciPy's packages: functions of others take arrays of objects for something else than numbers.
TRACEABLE_SCIPY = ("optimize", "_lib", "_external")
# Packages that handle exceptions of their own.
OF_NO_CONCERN = ("scipy", "fastgd", "importlib", "warnings")


def has_handler(code):
    """Whether there are handlers of exceptions in the code, other than those that `with` brings along."""
    if not code.co_exceptiontable:
        return False
    names = (instruction.opname for instruction in dis.get_instructions(code))
    return any(name == "PUSH_EXC_INFO" and following != "WITH_EXCEPT_START"
               for name, following in itertools.pairwise(names))


def all_within(code):
    """The code, and that of the functions that are defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from all_within(constant)


def module_of(frame):
    """The package, and the rest of the name of the module in it."""
    package, _, rest = (frame.f_globals.get("__name__") or "").partition(".")
    return package, rest


def objection(frame):
    """What is wrong with a function that is called; None where nothing is."""
    code = frame.f_code
    package, rest = module_of(frame)
    if package == "numpy":
        if code.co_name == "nan_to_num":  # which leaves arrays of objects as they are
            return "the function uses nan_to_num"
        if code.co_qualname.startswith(("errstate.", "seterr")) and told_of_errors(frame):
            return "the function has errors of arithmetic raised"
        return None
    if code.co_qualname == "catch_warnings.__enter__" and getattr(frame.f_locals.get("self"), "_record", False):
        return "the function looks at warnings"
    if package == "scipy" and rest.partition(".")[0] not in TRACEABLE_SCIPY:
        return f"the function calls SciPy's {code.co_name}"
    if package == "contextlib" and is_called_by_numpy(frame):  # NumPy before 2.2 enters contexts that it has from there
        return None
    if package not in OF_NO_CONCERN and (has_handler(code) or code.co_name == "__exit__"):
        return f"{code.co_name} handles exceptions"  # an __exit__ may, by what it returns
    return None


def told_of_errors(frame):
    """Whether somebody will be, by an exception or a call: as NumPy's errstate is made, or was made before."""
    made = frame.f_locals.get("self")
    settings = [*frame.f_locals.values(), *(getattr(made, name, None) for name in getattr(made, "__slots__", ())),
                *getattr(made, "__dict__", {}).values()]
    return any(isinstance(setting, str) and setting in ("raise", "call", "log") for setting in settings)


def is_called_by_numpy(frame):
    """Whether NumPy has called a function of the standard library's contextlib."""
    while module_of(frame)[0] == "contextlib":
        frame = frame.f_back
    return module_of(frame)[0] == "numpy"


def call(function, *args):
    """Calls a function; what there is an objection to is refused before it does anything."""
    seen = {}  # by number, because hashes of code take long; kept, so that no other gets the number

    def look(frame, event, argument):
        code = frame.f_code
        if id(code) not in seen:
            seen[id(code)] = code
            if reason := objection(frame):
                raise Refusal(reason)

    before, collects = sys.gettrace(), gc.isenabled()
    gc.disable()  # what the collector calls is not the function's
    sys.settrace(look)
    try:
        return function(*args)
    finally:
        sys.settrace(before)
        if collects:
            gc.enable()
