"""The problems that wait, and the arrays of their answers."""
from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport NAN

import numpy as np

# By the numbers in lanes.h: their names, and the dtypes of their arrays.
LIMITS = {"learning_rate": np.float64, "gtol": np.float64, "xtol": np.float64, "ftol": np.float64,
          "ftarget": np.float64, "noise": np.float64, "maxiter": np.intp, "maxfev": np.intp}


cdef class Source:
    """The problems that wait, a row each. `limits` has an array for every name in LIMITS; its stride may be zero. Users
    know the problems by other numbers, from `first` on, or by their indices in a batch of that shape."""

    def __init__(self, const double[:, :] x0, limits, *, const double[:, :] lower=None,
                 const double[:, :] upper=None, const double[:, :] x_scale=None, Py_ssize_t first=0,
                 tuple batch_shape=()):
        cdef Py_buffer buffer
        self.x0 = x0
        self.n_problems = x0.shape[0]
        self.n_dim = x0.shape[1]
        self.next = 0
        self.first = first
        self.batch_shape = batch_shape
        self.bounded = lower is not None
        self.lower = lower
        self.upper = upper
        self.x_scale = x_scale
        self.arrays = [np.asarray(limits[name], dtype) for name, dtype in LIMITS.items()]
        self.has_common_limits = True
        for which, array in enumerate(self.arrays):
            PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES)
            self.limits[which] = Column(<const char *>buffer.buf, buffer.strides[0])
            PyBuffer_Release(&buffer)
            self.has_common_limits &= self.limits[which].stride == 0


cdef class Sink:
    """The answers, in the order of the problems."""

    def __init__(self, double[:, ::1] x, double[:, ::1] jac, double[::1] fun, Py_ssize_t[::1] nit,
                 Py_ssize_t[::1] nfev, Py_ssize_t[::1] njev, Py_ssize_t[::1] status, Py_ssize_t[::1] reason,
                 double[::1] seen, double[::1] expected):
        self.x = x
        self.jac = jac
        self.fun = fun
        self.nit = nit
        self.nfev = nfev
        self.njev = njev
        self.status = status
        self.reason = reason
        self.seen = seen
        self.expected = expected

    cdef void leave(self, Source source, Py_ssize_t status) noexcept nogil:
        """Answers for the problems that were not begun: x0 and nothing else."""
        cdef Py_ssize_t i, problem
        for problem in range(source.next, source.n_problems):
            for i in range(source.n_dim):
                self.x[problem, i] = source.x0[problem, i]
                self.jac[problem, i] = NAN
            self.fun[problem] = self.seen[problem] = self.expected[problem] = NAN
            self.nit[problem] = self.nfev[problem] = self.njev[problem] = self.reason[problem] = 0
            self.status[problem] = status
        source.next = source.n_problems
