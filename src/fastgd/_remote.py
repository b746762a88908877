"""What goes to other processes, and what is done there.

The clocks of machines agree on the time of day alone, so that deadlines are seconds of time.time().
"""

import functools
import os
import pickle
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ._objective import resolved
from ._plan import allocate, as_rates
from ._signals import uninterrupted
from ._spread import values_at
from .result import Status


class Shipment:
    """A plan as bytes: the user's functions, which every worker unpacks once, and any part of the rest."""

    def __init__(self, plan, sample):
        self.functions = pickled((*plan.given, plan.args, plan.method, pickled(rest(sample), "batch_args")),
                                 "the objective")
        self.rest = rest(plan)

    def part(self, chunk):
        return pickled(self.rest.part(*chunk), "batch_args")


@dataclass(frozen=True)
class Loan:
    """Where the functions of a Shipment are to be read; the same as any with the same content."""

    path: str = field(compare=False)
    content: str  # its hash


@contextmanager
def on_loan(functions):
    """A Loan, for processes of this machine."""
    import hashlib
    import tempfile

    with uninterrupted():  # or the file would stay
        handle, path = tempfile.mkstemp(prefix="fastgd-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(functions)
        yield Loan(path, hashlib.sha256(functions).hexdigest())
    finally:
        os.unlink(path)


def rest(plan):
    return replace(plan, fun=None, jac=None, given=None, args=(), method=None, rates=None)


def pickled(thing, what):
    try:
        import cloudpickle as pickler  # type: ignore[import-untyped, import-not-found]
    except ImportError:
        pickler = pickle
    try:
        return pickler.dumps(thing)
    except Exception as error:  # of any kind, from the user's objects
        advice = "" if pickler.__name__ == "cloudpickle" else " (with cloudpickle installed more can)"
        raise TypeError(f"{what} cannot be sent to other processes, because it cannot be pickled{advice}: {error}"
                        ) from error


@functools.lru_cache(maxsize=2)
def unpacked(functions):
    """Once in every worker: a jitted function is compiled there once, a schedule asked once for a rate."""
    if isinstance(functions, Loan):
        with open(functions.path, "rb") as file:
            functions = file.read()
    fun, jac, args, method, sample = pickle.loads(functions)
    plan = {"fun": resolved(fun), "jac": resolved(jac), "args": args, "method": method, "rates": as_rates(method)}
    replace(pickle.loads(sample), **plan).objective()  # a jitted function is checked at the same points everywhere
    return plan


def solve_shipped(functions, task):
    """A part of a plan, solved in another process by some time of day: its answers, or a Failure."""
    try:
        part, deadline = task
        part = replace(pickle.loads(part), **unpacked(functions))
        answers = allocate(part.points)
        seconds = deadline - time.time()
        if seconds > 0.0:
            part.solve(answers, seconds)
        else:
            part.leave(answers, Status.MAXTIME)
        return answers
    except BaseException as error:  # KeyboardInterrupt and SystemExit would end some kinds of workers
        return Failure.of(error)


def values_shipped(functions, task, guarded=lambda fun: fun):
    """The outcomes of some points, computed in another process, and the seconds that it took; or a Failure."""
    try:
        points, *how = task
        plan = unpacked(functions)
        outcomes, seconds = values_at(guarded(plan["fun"]), plan["args"], pickle.loads(points), *how)
        return [outcome if outcome.error is None else outcome._replace(error=Failure.of(outcome.error))
                for outcome in outcomes], seconds
    except BaseException as error:
        return Failure.of(error)


class Evaluator:
    """What stays in another process to evaluate points there, one group after another."""

    def __init__(self, functions):
        self.functions = functions
        self.is_wanted = True

    def values(self, task):
        return values_shipped(self.functions, task, self.guarded)

    def guarded(self, fun):
        def while_wanted(*arguments):
            if not self.is_wanted:
                raise InterruptedError
            return fun(*arguments)

        return while_wanted

    async def stop(self):  # Dask runs it beside `values`, because it is asynchronous
        self.is_wanted = False


class RemoteTraceback(Exception):  # noqa: N818
    """The cause of an exception from another process."""


class Failure(NamedTuple):
    """An exception on its way from another process."""

    content: bytes
    traceback: str

    @classmethod
    def of(cls, error):
        traceback = type(error).__name__
        with suppress(Exception):  # of any kind, here and below, from the user's class
            from traceback import format_exception

            traceback = "".join(format_exception(error))
        try:
            content = pickled(error, "the exception")
            as_exception(pickle.loads(content))
        except Exception:
            content = pickle.dumps(stand_in(error))
        return cls(content, traceback)

    def exception(self):
        try:
            error = as_exception(pickle.loads(self.content))
        except Exception as reason:
            error = RuntimeError(f"an exception of another process cannot be read here: {reason}")
        error.__cause__ = RemoteTraceback(self.traceback)
        return error


def as_exception(thing):
    if not isinstance(thing, BaseException):
        raise TypeError(f"it has become {type(thing).__name__}")
    return thing


def stand_in(error):
    """What can be sent in the place of an exception that cannot, and ends the run as that does."""
    kinds = {KeyboardInterrupt: KeyboardInterrupt, SystemExit: SystemExit, Exception: RuntimeError,
             BaseException: BaseException}
    text = type(error).__name__
    with suppress(Exception):
        text += f": {error}"
    told = next(kind for base, kind in kinds.items() if isinstance(error, base))(text)
    with suppress(Exception):
        for note in error.__notes__:
            told.add_note(str(note))
    return told


def arrived(answer):
    """What `solve_shipped` or `values_shipped` returned, here; raises what ended it."""
    if isinstance(answer, Failure):
        raise answer.exception()
    if isinstance(answer, dict):
        return answer
    outcomes, seconds = answer
    return [outcome if outcome.error is None else outcome._replace(error=outcome.error.exception())
            for outcome in outcomes], seconds
