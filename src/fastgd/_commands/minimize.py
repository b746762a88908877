"""`fastgd minimize`: a function that is named, from starts that are typed or read."""

import argparse
import json
import math
import re
import sys
import traceback
from contextlib import nullcontext, redirect_stdout
from itertools import islice
from pathlib import Path

import numpy as np

from .._minimize import maximize, minimize
from ..result import Status
from . import WrongInputError, add_command, pictures
from .load import load_function, print_user_traceback

#: The modules that call the user's function.
CALLERS = ("fastgd._core.objectives.pointwise", "fastgd._core.objectives.vectorized")
#: A picture shows no more than so many runs.
MOST_DRAWN = 100

DESCRIPTION = """\
Minimizes a function of yours, from one starting point or from several, and prints the result.

FUNCTION is module:function, where the module is installed or in this folder, or path/to/file.py:function.
It gets a point, a NumPy array, and returns a number. The functions of fastgd.functions can be tried:
fastgd.functions:rosenbrock."""

EPILOG = """\
examples:
  fastgd minimize fastgd.functions:rosenbrock --x0 -1.2,1
  fastgd minimize model.py:misfit --x0 1,2,3 --bounds 0,10 --json
  fastgd minimize model:misfit --x0 1,2 --x0 3,4 --bounds 0,1 --bounds -inf,5 --plot run.png
  fastgd minimize model:misfit --x0 starts.npy --vectorized --method adam --learning-rate 0.1

exit codes:
  0  every problem ended with success
  1  a problem did not (the message says why), or your function raised an exception
  2  wrong input"""


def add_to(commands):
    from ..methods import BY_NAME

    parser = add_command(commands, "minimize", run, "minimize a function of yours", DESCRIPTION, EPILOG)
    parser.add_argument("function", metavar="FUNCTION", help="module:function or path/to/file.py:function")
    parser.add_argument("--x0", metavar="START", action="append", required=True,
                        help="where to start: 1,2,3 for three variables. Repeat it for several starts, or name a file "
                             "of numpy.save, start.npy, whose rows are the starts. A single number makes the function "
                             "one of a float; '2,' is an array with one number")
    parser.add_argument("--method", metavar="NAME", help=f"one of {', '.join(BY_NAME)}; by default bfgs, or lbfgs for "
                                                         "more than 40 variables")
    parser.add_argument("--bounds", metavar="LOW,HIGH", action="append",
                        help="given once, for all variables; otherwise once for each, in their order. inf and -inf "
                             "stand for no bound")
    parser.add_argument("--maxiter", metavar="N", type=int, help="the most iterations of a problem (1000)")
    parser.add_argument("--gtol", metavar="G", type=float,
                        help="stop when no slope is larger (by default 1e-6 times the largest slope at the start)")
    parser.add_argument("--learning-rate", metavar="RATE", type=as_rate,
                        help="for methods that have one; gd measures its steps by 'auto'")
    parser.add_argument("--vectorized", action="store_true",
                        help="the function takes many points in one call, an array (variables, points), and returns a "
                             "value for each")
    parser.add_argument("--maximize", action="store_true", help="look for a maximum")
    pictures.add_option(parser, "draw how the value falls and, for one or two variables, the path on the function, "
                        "which takes some hundred or some ten thousand further evaluations (needs matplotlib)")
    parser.add_argument("--json", action="store_true",
                        help="print JSON, for other programs; NaN, Infinity and -Infinity are strings there, "
                             "and what the function prints goes to stderr")


def with_joined_numbers(arguments):
    """`--x0 -1.2,1` as `--x0=-1.2,1`: argparse would take a value that begins with a minus for another option."""
    joined = []
    for argument in arguments:
        if joined and joined[-1] in ("--x0", "--bounds") and re.match(r"-(\d|\.\d|inf|nan)", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def as_rate(text):
    """The learning rate: a number, or auto."""
    try:
        return text if text == "auto" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number or auto, got {text!r}") from None


def as_numbers(text):
    """1,2,3 as a list; a comma at the end is allowed, as in Python's (2,)."""
    try:
        return [float(word) for word in text.removesuffix(",").split(",")]
    except ValueError:
        raise WrongInputError(f"{text!r} is not of the form 1,2,3") from None


def as_pair(text):
    numbers = as_numbers(text)
    if len(numbers) != 2:
        raise WrongInputError(f"--bounds {text}: expected two numbers, LOW,HIGH")
    return numbers


def as_start(texts):
    """x0 as `minimize` takes it: a float, a point, or rows of points."""
    if any(text.endswith(".npy") for text in texts):
        if len(texts) > 1:
            raise WrongInputError("--x0: a file cannot be combined with other starts")
        return read_start(texts[0])
    starts = [as_numbers(text) for text in texts]
    if len(starts) == 1:
        is_float = "," not in texts[0]
        return starts[0][0] if is_float else np.array(starts[0])
    if len({len(start) for start in starts}) > 1:
        raise WrongInputError(f"--x0: all starts must have as many numbers; got {' and '.join(texts)}")
    return np.array(starts)


def read_start(path):
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise WrongInputError(f"--x0 {path}: {one_line(error)}") from None


def run(options):
    pictures.check(options.plot)
    x0 = as_start(options.x0)
    # what the function prints would make the JSON invalid
    users_output = redirect_stdout(sys.stderr) if options.json else nullcontext()
    try:
        with users_output:
            fun = load_function(options.function)
            result = solve(fun, x0, options)
        print(json.dumps(as_json(result)) if options.json else result, flush=True)
        if options.plot:  # when the result is safe: contours of a slow function take long
            with users_output:
                draw(fun, result, options)
    except WrongInputError:
        raise
    except Exception as error:
        return explain(error, options.x0[0] if isinstance(x0, float) else None)
    return 0 if np.all(result.success) else 1


def solve(fun, x0, options):
    given = {name: getattr(options, name) for name in ("method", "maxiter", "gtol", "learning_rate")}
    given = {name: value for name, value in given.items() if value is not None}
    if options.plot and np.ndim(x0) <= 1:
        given["trace"] = 1
    elif options.plot:
        given["trace"] = 1, list(islice(np.ndindex(np.shape(x0)[:-1]), MOST_DRAWN))
    solver = maximize if options.maximize else minimize
    return solver(fun, x0, vectorized=options.vectorized, bounds=as_bounds(options, x0), **given)


def as_bounds(options, x0):
    """(lower, upper), as `minimize` takes them."""
    if options.bounds is None:
        return None
    n_dim = np.shape(x0)[-1] if np.ndim(x0) else 1
    pairs = [as_pair(text) for text in options.bounds]
    if len(pairs) not in (1, n_dim):
        raise WrongInputError(f"--bounds: expected one pair for all variables, or {n_dim} pairs; got {len(pairs)}")
    lower, upper = (sides if len(sides) > 1 else sides[0] for sides in zip(*pairs, strict=True))
    return lower, upper


def explain(error, number):
    """Prints what went wrong, and returns the exit code. The number is the start as it was typed, if it was one."""
    if print_user_traceback(error):
        is_of_a_point = hasattr(error, "__notes__")  # and not of the import
        if number is not None and is_of_a_point and isinstance(error, TypeError | IndexError | AttributeError):
            print(f"fastgd: hint: --x0 {number} makes the function one of a float; --x0 {number}, passes an array with "
                  "one number", file=sys.stderr)
        return 1
    if not isinstance(error, TypeError | ValueError | RuntimeError | MemoryError | OverflowError):
        raise error  # a defect of fastgd, of which all should be seen
    notes = "".join(f" ({note.removeprefix('fastgd: ')})" for note in getattr(error, "__notes__", ()))
    print(f"fastgd: error: {one_line(error)}{notes}", file=sys.stderr)
    return 2 if isinstance(error, TypeError | ValueError) and not is_users(error) else 1


def is_users(error):
    """Whether a function without frames of its own has raised, such as math.sqrt: the last frame is its caller's."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals["__name__"] in CALLERS


def one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


def as_json(result):
    """The fields of a result: for several starts, lists with an element for each."""
    fields = {name: result[name] for name in result.keys()}  # noqa: SIM118
    names = np.frompyfunc(lambda code: Status(code).name, 1, 1)
    return {name: plain(value) for name, value in (fields | {"status": names(result.status)}).items()}


def plain(value):
    """Numbers and lists of Python's. JSON has no nan and inf: they are strings that float() reads."""
    if isinstance(value, np.ndarray):
        return [plain(element) for element in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def draw(fun, result, options):
    n_problems = np.size(result.fun)
    some = f" (the first {MOST_DRAWN} of {n_problems} starts)" if n_problems > MOST_DRAWN else ""
    pictures.draw_run(options.plot, Path(options.function).name + some, fun, result, vectorized=options.vectorized,
                      bounds=as_bounds(options, result.x))
