"""Ctrl-C, and other signals whose handlers may raise, where that would leave something behind."""

from contextlib import contextmanager

# Which of them there are depends on the system.
NAMES = ("SIGINT", "SIGTERM", "SIGALRM")


@contextmanager
def uninterrupted():
    """Ctrl-C has its effect at the end of this, or when it is pressed again; so do other signals that the program
    handles. In the midst of a pool or a future of the standard library it may leave a lock behind, for which the pool's
    threads wait for ever."""
    import signal  # which imports more than fastgd may take for its own import

    numbers, held = [getattr(signal, name) for name in NAMES if hasattr(signal, name)], []
    handlers = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}

    def hold(number, frame):
        if held:
            handlers[number](number, frame)
        else:
            held.append((number, frame))

    try:
        for number in handlers:
            signal.signal(number, hold)
    except ValueError:  # in any but the main thread, which alone gets them
        handlers = {}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if held:
            number, frame = held[0]
            handlers[number](number, frame)
