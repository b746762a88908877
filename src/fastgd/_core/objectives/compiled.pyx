"""Objectives that are C functions: of one point, or of a block of points. They run without the GIL."""
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_GetName, PyCapsule_GetPointer
from cython cimport final
from libc.math cimport NAN
from libc.stdint cimport intptr_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from .objective cimport GRADIENT, HESSIAN, VALUE, Outputs

cdef extern from "memory/loops.h":
    void fastgd_mark_unwritten(double *row, Py_ssize_t n) noexcept nogil

# About as many lanes, and points in a call. Fewer pay more for the calls, more of them leave the first cache; with a
# power of two the rows of different arrays would get into each other's way in it.
cdef Py_ssize_t WIDTH = 96
# Rows end where no vector register is filled in part, so that a value never depends on its neighbours.
cdef Py_ssize_t WIDTH_STEP = 8


def read_capsule(capsule):
    """The address that a capsule holds, its name or None, and its context: 0 if it has none."""
    cdef const char *name = PyCapsule_GetName(capsule)
    address = <uintptr_t>PyCapsule_GetPointer(capsule, name)
    context = <uintptr_t>PyCapsule_GetContext(capsule)
    return address, None if name == NULL else (<bytes>name).decode(errors="replace"), context


@final
cdef class CompiledPoint(Objective):
    """A C function of one point, at an address; `owner` is kept alive, because the function may belong to it.

    Its first calls get copies of the points; if they are left unchanged, later calls share one array.
    """

    def __cinit__(self, uintptr_t address, bint has_user_data, uintptr_t user_data, owner, Py_ssize_t n_dim):
        if has_user_data:
            self.function_with_data = <PointFunctionWithData>address
        else:
            self.function = <PointFunction>address
        self.user_data = <void *>user_data
        self.owner = owner
        self.width = WIDTH
        self.takes_points = True
        self.point = <double *>malloc(n_dim * sizeof(double))
        if self.point == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.point)

    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        cdef Py_ssize_t i, j
        for j in range(block.n_points):
            for i in range(block.n_dim):
                self.point[i] = block.x[i * block.stride + j]
            block.out.f[j] = self.value_at(self.point, block.n_dim)
        return VALUE

    cdef double value_at(self, double *x, Py_ssize_t n_dim) noexcept nogil:
        if self.function_with_data != NULL:
            return self.function_with_data(<int>n_dim, x, self.user_data)
        return self.function(<int>n_dim, x)

    cdef double value_at_copy(self, const double *x, Py_ssize_t n_dim) noexcept nogil:
        cdef double value
        memcpy(self.point, x, n_dim * sizeof(double))
        value = self.value_at(self.point, n_dim)
        self.writes |= memcmp(self.point, x, n_dim * sizeof(double)) != 0
        return value

    cdef Py_ssize_t evaluate_moved_at_copies(self, Block *block, double *coordinates,
                                             Py_ssize_t n_moves) noexcept nogil:
        cdef Py_ssize_t i, k
        cdef double middle
        cdef double *place
        for i in range(block.n_dim):
            middle = block.x[i]
            for k in range(n_moves):
                place = coordinates + (k * block.n_dim + i) * block.stride
                block.x[i] = place[0]
                place[0] = self.value_at_copy(block.x, block.n_dim)
            block.x[i] = middle
        self.is_tested = True
        return n_moves * block.n_dim

    cdef Py_ssize_t evaluate_moved(self, Block *block, double *coordinates, Py_ssize_t n_moves) except -1 nogil:
        cdef Py_ssize_t i, _k, n_dim = block.n_dim, stride = block.stride
        cdef double *x = block.x
        cdef double *place = coordinates
        cdef double middle
        cdef void *user_data = self.user_data
        cdef PointFunction function = self.function
        cdef PointFunctionWithData function_with_data = self.function_with_data
        if self.writes or not self.is_tested:
            return self.evaluate_moved_at_copies(block, coordinates, n_moves)
        memcpy(self.point, x, n_dim * sizeof(double))
        for _k in range(n_moves):
            if function_with_data != NULL:
                for i in range(n_dim):
                    middle = x[i]
                    x[i] = place[i * stride]
                    place[i * stride] = function_with_data(<int>n_dim, x, user_data)
                    x[i] = middle
            else:
                for i in range(n_dim):
                    middle = x[i]
                    x[i] = place[i * stride]
                    place[i * stride] = function(<int>n_dim, x)
                    x[i] = middle
            place += n_dim * stride
        if memcmp(self.point, x, n_dim * sizeof(double)):
            block.culprit = 0
            with gil:
                raise RuntimeError("the compiled function has written into its argument, after it had not at first: it "
                                   "must copy it")
        return n_moves * n_dim


@final
cdef class CompiledBlock(Objective):
    """C functions of a block of points, at their addresses: of values, of gradients, or of both at once (`pair`); or
    of values and of differences; perhaps of Hessians, too.

    `params` (n_problems, n_params) are the data of each problem. `owner` is kept alive. Where the functions fail
    `fun(point, problem)` is called: what it returns is the value there, what it raises the failure.
    """

    def __cinit__(self, owner, Py_ssize_t n_dim, *, uintptr_t value=0, uintptr_t gradient=0, uintptr_t pair=0,
                  uintptr_t hessian=0, uintptr_t differences=0, uintptr_t value_data=0, uintptr_t gradient_data=0,
                  const double[:, ::1] params=None, bint record_errors=False, fun=None):
        self.value = <BlockFunction>value
        self.gradient = <BlockFunction>gradient
        self.pair = <PairFunction>pair
        self.value_data = <void *>value_data
        self.gradient_data = <void *>gradient_data
        self.owner = owner
        self.fun = fun
        self.params = params
        self.record_errors = record_errors
        self.width = WIDTH
        if gradient != 0 or pair != 0:
            self.supplies |= GRADIENT
        self.has_pairs = pair != 0
        self.hessian = <BlockFunction>hessian
        if hessian != 0:
            self.supplies |= HESSIAN
        self.differences = <DifferenceFunction>differences
        self.has_differences = differences != 0

    def __dealloc__(self):
        free(self.columns)
        free(self.problems)

    cdef int prepare(self, Block *block) except -1 nogil:
        block.n_points = (block.n_points + WIDTH_STEP - 1) // WIDTH_STEP * WIDTH_STEP
        return 0

    cdef int select_columns(self, Block *block) except -1 nogil:
        """Takes the parameters of the problems in the block, a column each; they stay while the problems do."""
        cdef Py_ssize_t k, j, n = block.n_points, stride = block.stride, n_params = self.params.shape[1]
        if n == self.n_columns and stride == self.stride and not memcmp(self.problems, block.problems,
                                                                        n * sizeof(Py_ssize_t)):
            return 0
        if stride > self.room:
            free(self.columns)
            free(self.problems)
            self.room = 0
            self.columns = <double *>malloc(max(stride * n_params, 1) * sizeof(double))
            self.problems = <Py_ssize_t *>malloc(stride * sizeof(Py_ssize_t))
            if self.columns == NULL or self.problems == NULL:
                with gil:
                    raise MemoryError
            self.room = stride
        memcpy(self.problems, block.problems, n * sizeof(Py_ssize_t))
        self.n_columns = n
        self.stride = stride
        for j in range(n):
            for k in range(n_params):
                self.columns[k * stride + j] = self.params[block.problems[j] - block.first, k]
        return 0

    cdef int call(self, Block *block, int want) except -1 nogil:
        """Whether the user's function failed; its status is kept, and what it has left unwritten is marked."""
        cdef intptr_t n_dim = block.n_dim, n = block.n_points, stride = block.stride, n_params = 0
        cdef Outputs out = block.out
        cdef Py_ssize_t i
        cdef int status = 0
        if self.params is not None:
            self.select_columns(block)
            n_params = self.params.shape[1]
        if want & VALUE:
            fastgd_mark_unwritten(out.f, n)
        if want & GRADIENT:
            for i in range(n_dim):
                fastgd_mark_unwritten(out.g + i * stride, n)
        if self.pair != NULL and want & (VALUE | GRADIENT):
            status = self.pair(n_dim, n_params, n, stride, block.x, self.columns, out.f, out.g, self.value_data)
        else:
            if want & VALUE:
                status = self.value(n_dim, n_params, n, stride, block.x, self.columns, out.f, self.value_data)
            if want & GRADIENT and not status:
                status = self.gradient(n_dim, n_params, n, stride, block.x, self.columns, out.g, self.gradient_data)
        if want & HESSIAN and not status:
            status = self.hessian(n_dim, n_params, n, stride, block.x, self.columns, out.H, self.value_data)
        self.status = status
        return status != 0

    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        if self.pair != NULL and want & (VALUE | GRADIENT):
            want |= VALUE | GRADIENT
        if self.call(block, want):
            self.isolate(block, want)
        return want

    cdef int evaluate_differences(self, Block *block, const double *h) except -1 nogil:
        cdef intptr_t n_params = 0
        cdef int status
        if self.params is not None:
            self.select_columns(block)
            n_params = self.params.shape[1]
        status = self.differences(block.n_dim, n_params, block.n_points, block.stride, block.x, self.columns, h,
                                  block.out.g, self.value_data)
        if status:
            with gil:
                raise RuntimeError(f"the compiled differences returned status {status}")
        return 0

    cdef int isolate(self, Block *block, int want) except -1 nogil:
        """After a failure: calls the function for every column by itself, at the block's own width."""
        cdef Py_ssize_t n = block.n_points, n_dim = block.n_dim, stride = block.stride, i, j, k
        cdef Py_ssize_t n_second = n_dim * (n_dim + 1) // 2 if want & HESSIAN else 0
        cdef double *x = block.x
        cdef Outputs out = block.out
        cdef const Py_ssize_t *problems = block.problems
        cdef double *copies = <double *>malloc(n_dim * stride * sizeof(double))
        cdef Py_ssize_t *numbers = <Py_ssize_t *>malloc(n * sizeof(Py_ssize_t))
        cdef double *values = <double *>malloc(n * sizeof(double))
        cdef double *slopes = <double *>malloc(n_dim * stride * sizeof(double))
        cdef double *second = <double *>malloc(max(n_second, 1) * stride * sizeof(double))
        cdef Py_ssize_t first = -1
        cdef int status = self.status
        cdef bint failed, any_found = False
        if copies != NULL and numbers != NULL and values != NULL and slopes != NULL and second != NULL:
            block.out = Outputs(values, slopes, second)
            block.x = copies
            block.problems = numbers
            for j in range(n):
                for k in range(n):
                    numbers[k] = problems[j]
                    for i in range(n_dim):
                        copies[i * stride + k] = x[i * stride + j]
                failed = self.call(block, want)
                if failed and want == VALUE and self.fun is not None:
                    with gil:
                        failed = not self.finds_value(block, values)
                    any_found |= not failed
                if failed:
                    block.failed[j] = True
                    block.n_failed += 1
                    if first < 0 or problems[j] < problems[first]:
                        first = j
                        status = self.status
                if want & VALUE:
                    out.f[j] = NAN if failed else values[0]
                if want & GRADIENT:
                    for i in range(n_dim):
                        out.g[i * stride + j] = NAN if failed else slopes[i * stride]
                for i in range(n_second):
                    out.H[i * stride + j] = NAN if failed else second[i * stride]
            block.out = out
            block.x = x
            block.problems = problems
        free(copies)
        free(numbers)
        free(values)
        free(slopes)
        free(second)
        if first < 0 and any_found:
            return 0
        if not self.record_errors or first < 0:
            block.culprit = first
            block.n_failed = 0
            for j in range(n):
                block.failed[j] = False
            with gil:
                self.tell(block, first, status)
        return 0

    cdef bint finds_value(self, Block *block, double *value) except -1:
        """Whether `fun` has a value at the first point: arithmetic that a compiled function has raised as an error may
        give infinity in NumPy."""
        try:
            value[0] = self.value_at(block, 0)
            return True
        except Exception:  # of any kind; it comes again, from the lowest problem
            return False

    cdef double value_at(self, Block *block, Py_ssize_t column) except? -1.0:
        cdef Py_ssize_t i
        return self.fun([block.x[i * block.stride + column] for i in range(block.n_dim)],
                        block.problems[column] - block.first)

    cdef int tell(self, Block *block, Py_ssize_t column, int status) except -1:
        """Raises the exception of the function at that point, or one that tells the status."""
        if self.fun is not None and column >= 0:
            self.value_at(block, column)
        raise RuntimeError(f"the compiled function returned status {status}")
