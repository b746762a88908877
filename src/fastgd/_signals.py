"""Ctrl-C, and other signals whose handlers may raise, where that would leave something behind."""

import os
from contextlib import ExitStack, contextmanager

# Which of them there are depends on the system.
NAMES = ("SIGINT", "SIGTERM", "SIGALRM")


@contextmanager
def uninterrupted():
    """Ctrl-C has its effect at the end of this, or when it is pressed again; so do other signals that the program
    handles. In the midst of a pool or a future of the standard library it may leave a lock behind, for which the pool's
    threads wait for ever."""
    import signal  # which imports more than fastgd may take for its own import
    import threading

    if threading.current_thread() is not threading.main_thread():  # which alone gets them
        yield
        return
    process, held = os.getpid(), {}
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    handlers = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}

    def hold(number, frame):
        if number in held or os.getpid() != process:  # a worker that was forked in the meantime
            handlers[number](number, frame)
        else:
            held[number] = frame

    with ExitStack() as at_the_end:  # all of it, whatever one of them raises; what comes first here is done last
        at_the_end.callback(deliver, handlers, held)
        for number, handler in handlers.items():
            at_the_end.callback(signal.signal, number, handler)
        for number in handlers:
            signal.signal(number, hold)
        yield


def deliver(handlers, held):
    with ExitStack() as signals:
        for number, frame in held.items():
            signals.callback(handlers[number], number, frame)
