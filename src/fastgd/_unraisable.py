"""Exceptions in compiled functions that are Python behind a pointer: their caller, in C, does not learn of them."""

import sys
from _thread import RLock, get_ident
from contextlib import nullcontext

NOTHING = nullcontext()

_watches: list["Watch"] = []  # those of all threads, the innermost last
_lock = RLock()  # a signal's handler may minimize something, too


def unraisable_as_error(functions, clock):
    """A context for a run that calls the functions: what they raise as Python functions becomes a RuntimeError.

    The run goes on behind such an exception with a meaningless number, until it next looks at its clock.
    """
    return Watch(clock) if functions else NOTHING


class Watch:
    """Remembers what a function called on this thread could not raise, the first if there are several; ends the run.

    Runs may be nested, or be on several threads at once: whoever comes first puts a hook before that of the
    interpreter, whoever goes last takes it away.
    """

    def __init__(self, clock):
        self.clock = clock
        self.error = None

    def __enter__(self):
        self.thread = get_ident()
        with _lock:
            if not isinstance(sys.unraisablehook, Hook):
                sys.unraisablehook = Hook(sys.unraisablehook)
            _watches.append(self)

    def __exit__(self, kind, raised, traceback):
        with _lock:
            _watches.remove(self)
            if not _watches and isinstance(sys.unraisablehook, Hook):
                sys.unraisablehook = sys.unraisablehook.previous
        error, self.error = self.error, None
        if error is None or (raised is not None and not isinstance(raised, Exception)):
            return
        try:
            if isinstance(error, Exception):
                raise RuntimeError(f"the compiled function raised {type(error).__name__}, which C cannot pass on: what "
                                   "it returned instead is meaningless") from error
            raise error  # KeyboardInterrupt and SystemExit are not about the function
        finally:
            del error  # its traceback refers to this frame

    def note(self, error):
        if self.error is None or not isinstance(error, Exception):
            self.error = error
        self.clock.cancel()


class Hook:
    """Takes what is from callbacks in a run on its own thread; all else goes to the previous hook.

    Every installation is an object of its own, so that a hook that somebody has put before it meanwhile, and that
    chains to it, never chains to itself.
    """

    def __init__(self, previous):
        self.previous = previous

    def __call__(self, unraisable):
        thread = get_ident()
        watch = next((watch for watch in reversed(_watches.copy()) if watch.thread == thread), None)
        if watch is not None and is_from_callback(unraisable):
            watch.note(unraisable.exc_value)
        else:
            self.previous(unraisable)


def is_from_callback(unraisable):
    """Whether it was raised to C and not, for example, by a finalizer. Each library says so in its own words."""
    message, culprit = unraisable.err_msg or "", unraisable.object
    return ("ctypes callback" in message or "cffi callback" in message
            or (isinstance(culprit, str) and culprit.startswith("<numba.")))
