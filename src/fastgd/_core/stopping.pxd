from .lanes cimport Lanes


cdef enum:
    # Status as the loop keeps it, and RUNNING for a lane that has none yet.
    RUNNING = 100
    GTOL = 0
    XTOL = 1
    FTOL = 2
    FTARGET = 3
    STALLED = -1
    MAXITER = -2
    NONFINITE = -3
    CALLBACK = -4
    MAXFEV = -5
    MAXTIME = -6
    STEP_UNDERFLOW = -7
    EXCEPTION = -8
    UNBOUNDED = -9
    WORKER_LOST = -10


cdef void test(Lanes lanes) noexcept nogil
