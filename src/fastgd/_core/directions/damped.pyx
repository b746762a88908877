"""Newton's direction, damped: (H + damping D) d = -g.

D. W. Marquardt, "An algorithm for least-squares estimation of nonlinear parameters", Journal of the Society for
Industrial and Applied Mathematics 11, 1963; for Hessians that are not positive definite S. M. Goldfeld, R. E. Quandt,
H. F. Trotter, "Maximization by quadratic hill-climbing", Econometrica 34, 1966. D is the diagonal of |H|, so that the
path does not depend on the units of x (J. J. More, "The Levenberg-Marquardt algorithm", Lecture Notes in Mathematics
630, 1978).
"""
from cython cimport final
from libc.math cimport fabs

from ..memory.lanes cimport nit_of
from ..memory.slab cimport take_integers
from ..objectives.objective cimport GRADIENT, HESSIAN
from .direction cimport state_row

cdef enum:
    SCALE       # 1
    SQUARES     # |s|^2 of the last step s
    DAMPING
    PREDICTED   # the change of f by the quadratic model
    D           # n_dim rows of the direction

cdef double LEAST_DAMPING = 1e-3    # where none was enough
cdef double LARGEST_DAMPING = 1e20
cdef double GROWTH = 4.0            # until the matrix is positive definite
cdef double GROWTH_AFTER_TRIAL = 10.0
cdef double NO_DAMPING = 1e-8       # so little does not count
# An entry of D is at least this part of the largest; a pivot, of the entry that it is made of.
cdef double LEAST_SCALE = 2.0 ** -52
cdef double LEAST_PIVOT = 2.0 ** -40


cdef inline double hessian(const Lanes *lanes, Py_ssize_t lane, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """H_ij at the iterate, j <= i."""
    return lanes.here.H[(i * (i + 1) // 2 + j) * lanes.capacity + lane]


@final
cdef class Damped(Pointer):
    """The damping grows until the matrix is positive definite and whenever a trial fails, and falls to 0 while the
    quadratic model predicts the function well. Coordinates that a bound holds stay there."""

    def __cinit__(self):
        self.needs = GRADIENT | HESSIAN

    cdef Py_ssize_t state_rows(self, Py_ssize_t n_dim) noexcept nogil:
        return D + n_dim

    cdef int prepare(self, Lanes *lanes) except -1:
        cdef Py_ssize_t time, n = lanes.n_dim
        self.slab = Slab()
        for time in range(2):
            self.L = self.slab.take(n * n)
            self.scales = self.slab.take(n)
            self.slopes = self.slab.take(n)
            self.is_free = take_integers(self.slab, n)
            if time == 0:
                self.slab.allocate("factors", lanes.capacity, lanes.n_dim)
        return 0

    cdef void start(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        cdef Py_ssize_t i
        state_row(self, lanes, SCALE)[lane] = 1.0
        state_row(self, lanes, DAMPING)[lane] = state_row(self, lanes, PREDICTED)[lane] = 0.0
        for i in range(lanes.n_dim):
            state_row(self, lanes, D + i)[lane] = 0.0

    cdef const double *rows(self, const Lanes *lanes) noexcept nogil:
        return state_row(self, lanes, D)

    cdef const double *scale(self, const Lanes *lanes) noexcept nogil:
        return state_row(self, lanes, SCALE)

    cdef const double *squares(self, const Lanes *lanes) noexcept nogil:
        return state_row(self, lanes, SQUARES)

    cdef bint turn(self, Lanes *lanes, const Py_ssize_t *begins, Py_ssize_t *begins_anew) noexcept nogil:
        cdef Py_ssize_t i, at, lane
        cdef double moved
        for lane in range(lanes.live):
            if not begins[lane]:
                continue
            moved = 0.0
            for i in range(lanes.n_dim):
                at = i * lanes.capacity + lane
                moved += (lanes.here.x[at] - lanes.trial.x[at]) ** 2
            state_row(self, lanes, SQUARES)[lane] = moved
            if nit_of(lanes, lane) > 0:
                self.relax(lanes, lane)
            self.solve(lanes, lane)
        return False

    cdef void relax(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """Adjusts the damping to how well the last change of f was predicted."""
        cdef double *damping = &state_row(self, lanes, DAMPING)[lane]
        cdef double ratio = (lanes.here.f[lane] - lanes.trial.f[lane]) / state_row(self, lanes, PREDICTED)[lane]
        if ratio > 0.75:
            damping[0] *= 0.01 if ratio > 0.9 else 0.1
        elif not ratio > 0.25:
            damping[0] = max(GROWTH * damping[0], LEAST_DAMPING)
        if damping[0] < NO_DAMPING:
            damping[0] = 0.0

    cdef bint damp(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """A trial has failed: sets another direction, of a shorter step; false if none is left."""
        cdef double *damping = &state_row(self, lanes, DAMPING)[lane]
        if damping[0] >= LARGEST_DAMPING:
            return False
        damping[0] = max(GROWTH_AFTER_TRIAL * damping[0], LEAST_DAMPING)
        self.solve(lanes, lane)
        return True

    cdef void set_scales(self, const Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """D and g, and which coordinates are free."""
        cdef Py_ssize_t i, at
        cdef double largest = 0.0, steepest = 0.0
        for i in range(lanes.n_dim):
            at = i * lanes.capacity + lane
            self.slopes[i] = lanes.here.g[at]
            self.is_free[i] = not (lanes.bounded and (
                lanes.here.x[at] <= lanes.lower[at] and self.slopes[i] >= 0.0
                or lanes.here.x[at] >= lanes.upper[at] and self.slopes[i] <= 0.0))
            self.scales[i] = fabs(hessian(lanes, lane, i, i))
            if self.is_free[i]:
                largest = max(largest, self.scales[i])
                steepest = max(steepest, fabs(self.slopes[i]))
        for i in range(lanes.n_dim):
            self.scales[i] = max(self.scales[i], LEAST_SCALE * largest) if largest > 0.0 else steepest

    cdef bint factorize(self, const Lanes *lanes, Py_ssize_t lane, double damping) noexcept nogil:
        """L P L' = H + damping D in the free coordinates, with 1 on the diagonal of L and the pivots P in its place;
        false if that is not positive definite. Without roots, which would make the bits depend on the unit of f."""
        cdef Py_ssize_t i, j, k, n = lanes.n_dim
        cdef double total
        cdef double *row
        for i in range(n):
            if not self.is_free[i]:
                continue
            row = self.L + i * n
            for j in range(i):  # at first L P
                if self.is_free[j]:
                    row[j] = hessian(lanes, lane, i, j)
                    for k in range(j):
                        if self.is_free[k]:
                            row[j] -= row[k] * self.L[j * n + k]
            total = hessian(lanes, lane, i, i) + damping * self.scales[i]
            for j in range(i):
                if self.is_free[j]:
                    total -= row[j] * (row[j] / self.L[j * n + j])
                    row[j] /= self.L[j * n + j]
            if not total > LEAST_PIVOT * (fabs(hessian(lanes, lane, i, i)) + damping * self.scales[i]):
                return False
            row[i] = total
        return True

    cdef void point_down(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """d = -g, so long that a coordinate changes by 1."""
        cdef Py_ssize_t i
        cdef double largest = 0.0, total = 0.0
        for i in range(lanes.n_dim):
            largest = max(largest, fabs(self.slopes[i]) if self.is_free[i] else 0.0)
        for i in range(lanes.n_dim):
            state_row(self, lanes, D + i)[lane] = -self.slopes[i] / largest if self.is_free[i] else 0.0
            total += self.slopes[i] * state_row(self, lanes, D + i)[lane]
        state_row(self, lanes, PREDICTED)[lane] = total

    cdef void solve(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """Sets d, with more damping where it is needed, and what it is predicted to achieve."""
        cdef Py_ssize_t i, j, n = lanes.n_dim, stride = lanes.capacity
        cdef double *damping = &state_row(self, lanes, DAMPING)[lane]
        cdef double *d = state_row(self, lanes, D) + lane
        cdef double total, predicted = 0.0
        self.set_scales(lanes, lane)
        while not self.factorize(lanes, lane, damping[0]):
            if damping[0] >= LARGEST_DAMPING:  # nothing on the diagonal compares to what stands beside it
                self.point_down(lanes, lane)
                return
            damping[0] = max(GROWTH * damping[0], LEAST_DAMPING)
        for i in range(n):
            total = -self.slopes[i]
            for j in range(i):
                if self.is_free[j]:
                    total -= self.L[i * n + j] * d[j * stride]
            d[i * stride] = total if self.is_free[i] else 0.0
        for i in range(n - 1, -1, -1):
            if not self.is_free[i]:
                continue
            total = d[i * stride] / self.L[i * n + i]
            for j in range(i + 1, n):
                if self.is_free[j]:
                    total -= self.L[j * n + i] * d[j * stride]
            d[i * stride] = total
            predicted += 0.5 * (self.slopes[i] - damping[0] * self.scales[i] * total) * total
        state_row(self, lanes, PREDICTED)[lane] = predicted
