"""Objectives that are Python functions: of one point, or of a block of points (vectorized NumPy)."""
from cython cimport final
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport INFINITY, NAN
from libc.string cimport memcmp, memcpy, memset

from .argument cimport Argument, present
from .objective cimport ALIASING, GRADIENT, VALUE
from .returned cimport convert_value, copy_gradients, copy_values, split_pair

import numpy as np

cdef extern from "clock.h":
    double fastgd_seconds() noexcept nogil

cdef extern from "Python.h":
    size_t PY_VECTORCALL_ARGUMENTS_OFFSET
    object PyObject_Vectorcall(object function, PyObject **arguments, size_t n_arguments, PyObject *names)
    PyObject *PyFloat_FromDouble(double value)
    void Py_XDECREF(PyObject *thing)

# NumPy objectives run fastest on blocks of about this size: smaller ones pay NumPy's overhead per call, and of larger
# ones the function's temporary arrays leave a cache of 1 or 2 MB (`best_width` in bench/overhead.py). With few columns
# the overhead weighs more: there blocks are up to twice as large.
cdef Py_ssize_t BLOCK_BYTES = 1 << 19
cdef Py_ssize_t FEW_COLUMNS = 1280
# glibc gives every array above a threshold pages of its own, and takes them back when it is freed, which can cost
# more than the function's arithmetic. The threshold starts at 128 KiB and rises with the largest array freed so far.
cdef Py_ssize_t LARGEST_TEMPORARY = 1 << 24
# NumPy may sum a column of width 1 in another order, and may treat the end of a row with other instructions than its
# middle: blocks are filled up to a multiple of 8 columns, the most that a vector register holds, so that a column's
# value never depends on its neighbours.
cdef Py_ssize_t WIDTH_STEP = 8


cdef inline double as_value(object result) except? -1.0:
    """The user's value of one point."""
    return PyFloat_AS_DOUBLE(result) if PyFloat_Check(result) else convert_value(result)


cdef inline bint differ(double a, double b) noexcept:
    """Whether they are not the same number, bit for bit but for the sign of 0."""
    return a != b and not (a != a and b != b)


cdef void fill_nan(const Block *block, Py_ssize_t column, int want, double *f, double *g) noexcept:
    cdef Py_ssize_t i
    if want & VALUE:
        f[column] = NAN
    if want & GRADIENT:
        for i in range(block.n_dim):
            g[i * block.stride + column] = NAN


# The loop holds the GIL for these objectives, but its methods are declared without it. `with gil` would take it once
# more at every call, which costs 20 ns; a function pointer of the right type does not.
ctypedef int (*Evaluation)(PythonObjective, Block *, int, double *, double *) except -1 nogil
# The same, leaving it to the caller to look for the exception: a try statement costs 20 ns.
ctypedef int (*QuietEvaluation)(PythonObjective, Block *, int, double *, double *) noexcept nogil
ctypedef Py_ssize_t (*QuietWalk)(PythonObjective, Block *, double *, double *) noexcept nogil


class OutOfTimeError(Exception):
    """Raised by vectorized functions of our own that look at the time themselves."""


cdef class PythonObjective(Objective):
    """What the two kinds have in common.

    `jac` is None, a function, or True when `fun` returns a pair of value and gradient. `sign` is -1 to maximize.
    """

    def __cinit__(self, fun, Py_ssize_t n_dim, jac=None, tuple args=(), tuple batch_args=(), bint unpack=False,
                  bint maximize=False, bint record_errors=False, bint rows=False):
        self.needs_gil = True
        self.has_gradient = jac is not None
        self.fun = fun
        self.jac = jac
        self.args = args
        self.batch_args = batch_args
        self.unpack = unpack
        self.record_errors = record_errors
        self.sign = -1.0 if maximize else 1.0
        self.n_dim = n_dim
        self.rows = rows


@final
cdef class Pointwise(PythonObjective):
    """A Python function of one point: `f(x)`, or `f(*x)` with Python floats when `unpack` is set."""

    def __cinit__(self):
        cdef Py_ssize_t i, n_leading = self.n_dim if self.unpack else 1
        self.width = 1
        self.takes_points = True
        self.problem = -1
        self.n_arguments = n_leading + len(self.args) + len(self.batch_args)
        self.stack = <PyObject **>PyMem_Malloc((self.n_arguments + 1) * sizeof(PyObject *))
        if self.stack == NULL:
            raise MemoryError
        memset(self.stack, 0, (self.n_arguments + 1) * sizeof(PyObject *))
        for i in range(len(self.args)):
            self.stack[1 + n_leading + i] = <PyObject *>self.args[i]

    def __dealloc__(self):
        PyMem_Free(self.stack)

    cdef int select_problem(self, Py_ssize_t problem) except -1:
        cdef Py_ssize_t i, first = 1 + self.n_arguments - len(self.batch_args)
        if problem == self.problem:
            return 0
        self.batch_slices = [values[problem] for values in self.batch_args]
        for i in range(len(self.batch_args)):
            self.stack[first + i] = <PyObject *>self.batch_slices[i]
        self.problem = problem
        return 0

    cdef object call(self, object function, const double *x, Py_ssize_t moved, double coordinate):
        """The function at x, but for the coordinate `moved` (-1: none)."""
        cdef Py_ssize_t i
        cdef PyObject **arguments = self.stack + 1
        cdef size_t n_arguments = <size_t>self.n_arguments | PY_VECTORCALL_ARGUMENTS_OFFSET
        if not self.unpack:
            if self.argument is None or not self.argument.is_untouched():
                self.argument = Argument((self.n_dim,), True)
                arguments[0] = <PyObject *>self.argument.array
            for i in range(self.n_dim):
                self.argument.data[i] = x[i]
            if moved >= 0:
                self.argument.data[moved] = coordinate
            return PyObject_Vectorcall(function, arguments, n_arguments, NULL)
        for i in range(self.n_dim):
            arguments[i] = PyFloat_FromDouble(coordinate if i == moved else x[i])
        try:
            return PyObject_Vectorcall(function, arguments, n_arguments, NULL)
        finally:
            for i in range(self.n_dim):
                Py_XDECREF(arguments[i])

    cdef int evaluate_point(self, Block *block, int want, double *f, double *g) except -1:
        if self.batch_args:
            self.select_problem(block.problems[0])
        self.reached = VALUE | GRADIENT
        if self.jac is True:
            value, gradient = split_pair(self.call(self.fun, block.x, -1, 0.0))
            f[0] = self.sign * as_value(value)
            copy_gradients(gradient, self.sign, False, g, block)
            return VALUE | GRADIENT
        self.reached = VALUE
        if want & VALUE:
            f[0] = self.sign * as_value(self.call(self.fun, block.x, -1, 0.0))
        self.reached = want
        if want & GRADIENT:
            copy_gradients(self.call(self.jac, block.x, -1, 0.0), self.sign, False, g, block)
        return want

    cdef int evaluate(self, Block *block, int want, double *f, double *g) except -1 nogil:
        cdef int supplied = (<QuietEvaluation>evaluate_point)(self, block, want, f, g)
        if supplied < 0:
            return (<Evaluation>note_failure)(self, block, want, f, g)
        return supplied

    cdef Py_ssize_t walk(self, Block *block, double *first, double *second) except -1:
        """`evaluate_pairs` from the point number `reached` on, up to an exception."""
        cdef Py_ssize_t i, point
        cdef double *place
        if self.batch_args:
            self.select_problem(block.problems[0])
        for point in range(self.reached, 2 * self.n_dim):
            if block.deadline[0] < INFINITY and fastgd_seconds() > block.deadline[0]:
                return point
            self.reached = point
            i = point >> 1
            place = (second if point & 1 else first) + i * block.stride
            place[0] = self.sign * as_value(self.call(self.fun, block.x, i, place[0]))
        return 2 * self.n_dim

    cdef Py_ssize_t evaluate_pairs(self, Block *block, double *first, double *second) except -1 nogil:
        cdef Py_ssize_t n_evaluated, failed
        self.reached = 0
        while True:
            n_evaluated = (<QuietWalk>walk_pairs)(self, block, first, second)
            if n_evaluated >= 0:
                return n_evaluated
            failed = self.reached
            (<Evaluation>note_failure)(self, block, VALUE, (second if failed & 1 else first) + (failed >> 1)
                                       * block.stride, NULL)
            self.reached = failed + 1


cdef Py_ssize_t walk_pairs(PythonObjective objective, Block *block, double *first, double *second) except -1:
    return (<Pointwise>objective).walk(block, first, second)


cdef int evaluate_point(PythonObjective objective, Block *block, int want, double *f, double *g) except -1:
    return (<Pointwise>objective).evaluate_point(block, want, f, g)


cdef int pass_on() except -1:
    """Fails with the exception that is set already."""
    return -1


cdef int note_failure(PythonObjective objective, Block *block, int want, double *f, double *g) except -1:
    cdef Pointwise self = <Pointwise>objective
    try:
        pass_on()
    except Exception as error:
        if self.unpack and isinstance(error, (OverflowError, ZeroDivisionError)):
            pass  # how Python's floats say inf or nan
        elif self.record_errors:
            block.failed[0] = True
            block.n_failed = 1
        else:
            block.culprit = 0
            raise
        fill_nan(block, 0, VALUE | GRADIENT if self.has_gradient else VALUE, f, g)
        return VALUE if g == NULL else self.reached


@final
cdef class Vectorized(PythonObjective):
    """A NumPy function of a block of points: `(n_dim, n_points)`, or `(n_points, n_dim)` when `rows` is set.

    The loop writes its points straight into the array that the function gets, which is read-only. A function that
    writes into it all the same (BLAS and LAPACK do not look at that flag) is given copies instead: its first call is
    with one, which shows it.
    """

    def __cinit__(self):
        self.owns_points = True
        self.some_columns = <double *>PyMem_Malloc(3 * self.n_dim * sizeof(double))
        if self.some_columns == NULL:
            raise MemoryError
        np.empty(LARGEST_TEMPORARY, dtype=np.uint8)  # freed at once
        cdef Py_ssize_t width = BLOCK_BYTES // (8 * self.n_dim)
        if width < FEW_COLUMNS:
            width = min(2 * width, FEW_COLUMNS)
        self.width = max(width // WIDTH_STEP, 1) * WIDTH_STEP

    def __dealloc__(self):
        PyMem_Free(self.some_columns)

    cdef int prepare(self, Block *block) except -1 nogil:
        block.n_points = (block.n_points + WIDTH_STEP - 1) // WIDTH_STEP * WIDTH_STEP
        if block.n_points == block.n_dim or block.n_points % ALIASING == 0:
            block.n_points += WIDTH_STEP  # a function that mistakes the axes must fail
        block.stride = block.n_points
        with gil:
            if (self.argument is None or self.argument.array.shape[1] != block.n_points
                    or not self.argument.is_untouched()):
                self.argument = Argument((block.n_dim, block.n_points), False, self.rows, self.unpack)
            block.x = self.argument.data
        return 0

    cdef int select_problems(self, Block *block) except -1:
        """Takes the columns of batch_args that belong to the block."""
        cdef Py_ssize_t[::1] known
        cdef Py_ssize_t size = block.n_points * sizeof(Py_ssize_t)
        if self.problems is None or len(self.problems) != block.n_points:
            self.problems = np.full(block.n_points, -1, dtype=np.intp)
        known = self.problems
        if memcmp(&known[0], block.problems, size):
            chosen = np.empty(block.n_points, dtype=np.intp)
            known = chosen
            memcpy(&known[0], block.problems, size)
            columns = [values[chosen] for values in self.batch_args]
            if not self.rows:
                columns = [np.ascontiguousarray(np.moveaxis(values, 0, -1)) for values in columns]
            for values in columns:
                values.flags.writeable = False
            self.batch_columns = tuple(columns)
            self.problems = chosen
        return 0

    cdef object ask(self, int which, Block *block):
        """What a function, VALUE or GRADIENT, returns for the points, which it gets on loan or as a copy to write into.
        """
        cdef object function = self.jac if which == GRADIENT else self.fun
        cdef object copy = None
        cdef tuple points
        if self.trusted & which:
            if not self.argument.is_untouched():
                self.move_points(block)  # the call before has left its mark, perhaps another shape
            points = self.argument.handed
        else:
            copy = self.argument.array.copy()
            points = present(copy, self.rows, self.unpack)
        points += self.args
        result = function(*(points + self.batch_columns if self.batch_args else points))
        if not self.tested & which:
            self.tested |= which
            self.trusted |= which * (copy.tobytes() == self.argument.array.tobytes())
        return result

    cdef tuple ask_for(self, Block *block, int want):
        """What the functions return, unread: of a pair, of the value, of the gradient."""
        if self.batch_args:
            self.select_problems(block)
        if self.jac is True:
            return self.ask(VALUE, block), None, None
        return (None, self.ask(VALUE, block) if want & VALUE else None,
                self.ask(GRADIENT, block) if want & GRADIENT else None)

    cdef int read(self, tuple returned, Block *block, int want, double *f, double *g) except -1:
        """Copies it to where it belongs; what has the wrong shape or type is wrong for all problems."""
        pair, value, gradient = returned
        if self.jac is True:
            value, gradient = split_pair(pair)
            want = VALUE | GRADIENT
        if want & VALUE:
            copy_values(value, self.sign, f, block.n_points)
        if want & GRADIENT:
            copy_gradients(gradient, self.sign, self.rows, g, block)
        return want

    cdef int evaluate_block(self, Block *block, int want, double *f, double *g) except -1:
        self.copy_some_columns(block, self.some_columns)
        try:
            returned = self.ask_for(block, want)
        except OutOfTimeError:
            return 0
        except Exception as error:
            if self.has_written(block):
                raise
            if not (self.trusted and is_about_writing(error)):
                return self.isolate(block, want, f, g, error)
            self.move_points(block)  # it may have kept the array before it wrote
            self.trusted = 0
            self.tested = VALUE | GRADIENT
            return self.evaluate_block(block, want, f, g)
        if self.has_written(block):
            raise RuntimeError("the function has written into its argument, which is read-only: it must copy it first")
        want = self.read(returned, block, want, f, g)
        if self.trusted and not self.argument.is_untouched():
            self.move_points(block)
        return want

    cdef void copy_some_columns(self, const Block *block, double *columns) noexcept:
        """The first point of a block, a middle one and the last."""
        cdef Py_ssize_t i, j
        cdef const double *row
        for i in range(block.n_dim):
            row = block.x + i * block.stride
            for j in range(3):
                columns[3 * i + j] = row[(block.n_points - 1) * j // 2]

    cdef bint has_written(self, const Block *block) noexcept:
        """Whether the last call has changed the points."""
        cdef Py_ssize_t i, j
        cdef const double *row
        for i in range(block.n_dim):
            row = block.x + i * block.stride
            for j in range(3):
                if differ(self.some_columns[3 * i + j], row[(block.n_points - 1) * j // 2]):
                    return True
        return False

    cdef int move_points(self, Block *block) except -1:
        """Leaves the present array to whoever holds it, and goes on in a new one."""
        cdef Argument replacement = Argument((block.n_dim, block.n_points), False, self.rows, self.unpack)
        memcpy(replacement.data, block.x, block.n_dim * block.n_points * sizeof(double))
        self.argument = replacement
        block.x = replacement.data
        return 0

    cdef int load_columns(self, Block *block, object points, object problems, object columns) except -1:
        """Makes the block consist of the given columns of (n_dim, n) points, and copies of the first."""
        chosen_columns = np.full(block.n_points, columns[0])
        chosen_columns[:len(columns)] = columns
        cdef double[:, ::1] chosen = points.take(chosen_columns, axis=1)
        cdef Py_ssize_t[::1] numbers = problems.take(chosen_columns)
        memcpy(block.x, &chosen[0, 0], block.n_dim * block.n_points * sizeof(double))
        memcpy(<void *>block.problems, &numbers[0], block.n_points * sizeof(Py_ssize_t))
        return 0

    cdef int evaluate(self, Block *block, int want, double *f, double *g) except -1 nogil:
        return (<Evaluation>evaluate_block)(self, block, want, f, g)

    cdef list find_failing(self, Block *block, int want, object points, object problems, list groups):
        """Those of the groups of columns, one for each problem, whose points make the function raise, found by halving
        at the block's own width."""
        if self.record_errors and fastgd_seconds() > block.deadline[0]:
            return []
        self.load_columns(block, points, problems, np.concatenate(groups))
        try:
            self.ask_for(block, want)
            return []
        except Exception:
            if len(groups) == 1:
                return groups
        half = len(groups) // 2
        found = self.find_failing(block, want, points, problems, groups[:half])
        if found and not self.record_errors:
            return found  # the lowest problem is named
        return found + self.find_failing(block, want, points, problems, groups[half:])

    cdef int isolate(self, Block *block, int want, double *f, double *g, object error) except -1:
        """After an error: evaluates what can be evaluated, or raises the error and says which column it was. Returns 0
        if the time is over."""
        cdef Py_ssize_t column
        cdef int trusted = self.trusted, tested = self.tested
        self.move_points(block)
        self.trusted = 0
        self.tested = VALUE | GRADIENT
        points = self.argument.array.copy()
        problems = np.array([block.problems[column] for column in range(block.n_points)], dtype=np.intp)
        by_problem = np.argsort(problems, kind="stable")
        groups = np.split(by_problem, 1 + np.flatnonzero(np.diff(problems[by_problem])))
        groups = self.find_failing(block, want, points, problems, groups)
        if not self.record_errors:
            block.culprit = groups[0][0] if groups else -1
            raise error
        if fastgd_seconds() > block.deadline[0]:
            self.trusted, self.tested = trusted, tested
            return 0
        failing = np.concatenate([np.empty(0, np.intp), *groups])
        columns = np.arange(block.n_points)
        good = np.setdiff1d(columns, failing)
        returned = None
        if good.size:
            columns[failing] = good[0]
            self.load_columns(block, points, problems, columns)
            try:
                returned = self.ask_for(block, want)
            except Exception:  # not what it raised before: nothing here can be relied on
                failing = np.arange(block.n_points)
        if returned is not None:
            want = self.read(returned, block, want, f, g)
        elif self.jac is True:
            want = VALUE | GRADIENT
        for column in failing:
            block.failed[column] = True
            fill_nan(block, column, VALUE | GRADIENT if self.has_gradient else VALUE, f, g)
        block.n_failed = len(failing)
        self.load_columns(block, points, problems, np.arange(block.n_points))
        self.trusted, self.tested = trusted, tested
        return want


cdef int evaluate_block(PythonObjective objective, Block *block, int want, double *f, double *g) except -1:
    return (<Vectorized>objective).evaluate_block(block, want, f, g)


cdef bint is_about_writing(object error):
    """Whether an error complains that an array is read-only: NumPy, Cython and numba say so in their own words."""
    text = str(error)
    return isinstance(error, (ValueError, TypeError)) and any(
        words in text for words in ("read-only", "readonly", "WRITEABLE"))
