"""Rules that look for their step by values of the function.

Spectral projected gradient: E. G. Birgin, J. M. Martinez, M. Raydan, "Nonmonotone spectral projected gradient methods
on convex sets", SIAM Journal on Optimization 10, 2000, algorithm SPG1, with the steps of G. Frassoldati, L. Zanni,
G. Zanghirati, "New adaptive stepsize selections in gradient methods", Journal of Industrial and Management Optimization
4, 2008, algorithm ABBmin1, inside bounds as S. Crisci, V. Ruggiero, L. Zanni, "Steplength selection in gradient
projection methods for box-constrained quadratic programs", Applied Mathematics and Computation 356, 2019, have them.
"""
from cython cimport final
from libc.math cimport INFINITY, fabs, sqrt

from .lanes cimport AGAIN, ITERATE, Lanes, leads_inside, nit_of, set_want
from .objective cimport GRADIENT, VALUE
from .stopping cimport NONFINITE, RUNNING, STALLED

cdef extern from "searches.h":
    void fastgd_add_products(double *squares, double *products, double *changes, const double *x,
                             const double *x_before, const double *g, const double *g_before,
                             Py_ssize_t n) noexcept nogil
    void fastgd_add_products_inside(double *squares, double *products, double *changes, const double *x,
                                    const double *x_before, const double *g, const double *g_before,
                                    const double *lower, const double *upper, Py_ssize_t n) noexcept nogil
    void fastgd_try_step(double *y, double *promised, const double *x, const double *g, const double *step,
                         const double *fraction, Py_ssize_t n) noexcept nogil
    void fastgd_try_step_inside(double *y, double *promised, const double *x, const double *g, const double *step,
                                const double *fraction, const double *lower, const double *upper,
                                Py_ssize_t n) noexcept nogil

# An iterate may be as high as the highest of the last iterates (Grippo, Lampariello, Lucidi, SIAM J. Numer. Anal. 23,
# 1986): of those in the present block of so many iterations and in the block before, which takes two rows to remember.
cdef Py_ssize_t BLOCK = 4
# The fall that a step must have, as a fraction of what the slope promises (Birgin et al., section 3).
cdef double SUFFICIENT = 1e-4
# The short step is taken where it is below this part of the long one, and then the shortest of those two blocks: on a
# quadratic of condition 1e4 that takes a third of the iterations that long steps alone take.
cdef double MUCH_SHORTER = 0.8
# The first step changes a coordinate by 1 at most; later ones by this, or this many times the longest step in those
# two blocks if that was longer than 1.
cdef double GROWTH = 10.0
# Trials of one search. Steps shrink at least by half, so that this is beyond the precision of x.
cdef double MOST_TRIALS = 60.0
# Iterations without a lower f or a smaller gradient than ever before, after which the search is over.
cdef double PATIENCE = 200.0
cdef double LARGEST = 1e300  # steps, changes of x and slopes, instead of infinity
cdef double EPSILON = 2.0 ** -52

cdef enum:
    # Rows of state, with a number for every lane.
    STEP = 0        # the spectral step; the trial y is the projection of x - FRACTION STEP g
    FRACTION = 1
    PROMISED = 2    # g (y - x): the fall that the slope promises
    TRIALS = 3
    SQUARES = 4     # |s|^2 for the last change s of x,
    PRODUCTS = 5    # s r for the change r of g that came with it,
    CHANGES = 6     # and |r|^2
    HIGHEST = 7     # f in the present block of iterations
    HIGHEST_BEFORE = 8
    SHORTEST = 9    # short step in the present block
    SHORTEST_BEFORE = 10
    LONGEST = 11    # |s| in the present block
    LONGEST_BEFORE = 12
    LEAST_F = 13
    LEAST_NORM = 14
    WAITED = 15     # iterations since one of the two fell
    N_ROWS = 16


cdef inline double *row(Lanes lanes, Py_ssize_t which) noexcept nogil:
    return lanes.state + which * lanes.capacity


cdef inline double rounding_of(double f) noexcept nogil:
    """How much of a difference between values near f may be rounding."""
    return 4.0 * EPSILON * fabs(f)


cdef inline double promised(Lanes lanes, Py_ssize_t lane) noexcept nogil:
    return max(row(lanes, PROMISED)[lane], -LARGEST)


@final
cdef class SpectralGradient(Rule):
    def __cinit__(self):
        self.needs_values = True

    cdef Py_ssize_t state_rows(self, Py_ssize_t n_dim) noexcept nogil:
        return N_ROWS

    cdef void start(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        lanes.ask(lane, VALUE | GRADIENT)
        row(lanes, LEAST_F)[lane] = row(lanes, LEAST_NORM)[lane] = INFINITY
        row(lanes, HIGHEST)[lane] = -INFINITY
        row(lanes, SHORTEST)[lane] = INFINITY
        row(lanes, LONGEST)[lane] = 0.0
        row(lanes, STEP)[lane] = row(lanes, FRACTION)[lane] = 0.0  # y stays at x while the lane waits for its gradient

    cdef void receive(self, Lanes lanes) noexcept nogil:
        cdef Py_ssize_t lane
        for lane in range(lanes.live):
            lanes.phase[lane] = ITERATE if self.is_iterate(lanes, lane) else AGAIN
        lanes.accept()

    cdef bint is_iterate(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        """Whether y is the next iterate and all is known there; if not, says what comes next."""
        if lanes.fault[lane] != RUNNING:
            if lanes.fault[lane] == NONFINITE and nit_of(lanes, lane) >= 0:
                self.shorten(lanes, lane)
            else:
                lanes.finish(lane, lanes.fault[lane])
            return False
        if lanes.want[lane] == VALUE:
            if not self.accepts(lanes, lane):
                self.shorten(lanes, lane)
                return False
            if not lanes.gradients_came:
                set_want(lanes, lane, GRADIENT)
            return lanes.gradients_came
        return not lanes.gradients_wait

    cdef bint accepts(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        """f(y) <= the highest recent f + SUFFICIENT * (what the slope promises), as far as rounding lets see."""
        cdef double highest = max(row(lanes, HIGHEST)[lane], row(lanes, HIGHEST_BEFORE)[lane])
        return lanes.f_y[lane] <= highest + rounding_of(highest) + SUFFICIENT * promised(lanes, lane)

    cdef void shorten(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        """The next trial of the search: the minimum of a parabola, between a tenth and a half of the step."""
        cdef double fall = promised(lanes, lane)
        cdef bint finite = lanes.fault[lane] == RUNNING
        cdef double best = -0.5 * fall / (lanes.f_y[lane] - lanes.f[lane] - fall) if finite else 0.25
        cdef bint below_rounding = finite and fabs(fall) < EPSILON * fabs(lanes.f[lane])
        row(lanes, TRIALS)[lane] += 1.0
        if below_rounding or row(lanes, TRIALS)[lane] > MOST_TRIALS:
            lanes.finish(lane, STALLED if finite else NONFINITE)
        row(lanes, FRACTION)[lane] *= min(max(best, 0.1), 0.5)
        lanes.ask(lane, VALUE)

    cdef void propose(self, Lanes lanes) noexcept nogil:
        cdef Py_ssize_t lane
        cdef bint any_iterate = False
        for lane in range(lanes.live):
            any_iterate |= lanes.phase[lane] == ITERATE
        if any_iterate:
            self.measure_steps(lanes)
            for lane in range(lanes.live):
                if lanes.phase[lane] == ITERATE and lanes.status[lane] == RUNNING:
                    self.begin_search(lanes, lane)
        self.set_trial_points(lanes)

    cdef void begin_search(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        if nit_of(lanes, lane) % BLOCK == 0:
            row(lanes, HIGHEST_BEFORE)[lane] = row(lanes, HIGHEST)[lane]
            row(lanes, SHORTEST_BEFORE)[lane] = row(lanes, SHORTEST)[lane]
            row(lanes, LONGEST_BEFORE)[lane] = row(lanes, LONGEST)[lane]
            row(lanes, HIGHEST)[lane] = -INFINITY
            row(lanes, SHORTEST)[lane] = INFINITY
            row(lanes, LONGEST)[lane] = 0.0
        row(lanes, HIGHEST)[lane] = max(row(lanes, HIGHEST)[lane], lanes.f[lane])
        if nit_of(lanes, lane) > 0:
            row(lanes, LONGEST)[lane] = max(row(lanes, LONGEST)[lane], sqrt(row(lanes, SQUARES)[lane]))
        if self.is_stuck(lanes, lane):
            lanes.finish(lane, STALLED)
        row(lanes, STEP)[lane] = self.spectral_step(lanes, lane)
        row(lanes, FRACTION)[lane] = 1.0
        row(lanes, TRIALS)[lane] = 0.0
        lanes.ask(lane, VALUE)

    cdef bint is_stuck(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        """Whether the last step moved nothing, nothing has become better for long, or rounding hides the gradient."""
        cdef double *least_f = &row(lanes, LEAST_F)[lane]
        cdef double *least_norm = &row(lanes, LEAST_NORM)[lane]
        cdef double *waited = &row(lanes, WAITED)[lane]
        waited[0] += 1.0
        if nit_of(lanes, lane) == 0 or lanes.f[lane] < least_f[0] - rounding_of(least_f[0]):
            least_f[0] = lanes.f[lane]
            waited[0] = 0.0
        if lanes.norm[lane] < least_norm[0]:
            least_norm[0] = lanes.norm[lane]
            waited[0] = 0.0
        return (waited[0] > PATIENCE or nit_of(lanes, lane) > 0 and row(lanes, SQUARES)[lane] == 0.0
                or self.sees_rounding_alone(lanes, lane))

    cdef bint sees_rounding_alone(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        """Whether no slope that leads inside the bounds exceeds what rounding does to it, EPSILON |f| / h."""
        cdef Py_ssize_t i, at
        cdef double h
        for i in range(lanes.n_dim):
            at = i * lanes.capacity + lane
            h = max(lanes.least_step, lanes.relative_step * fabs(lanes.x[at]))
            if leads_inside(lanes, at) and fabs(lanes.g[at]) * h > EPSILON * fabs(lanes.f[lane]):
                return False
        return True

    cdef double largest_coordinate(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        cdef Py_ssize_t i
        cdef double largest = 0.0
        for i in range(lanes.n_dim):
            largest = max(largest, fabs(lanes.x[i * lanes.capacity + lane]))
        return largest

    cdef bint moves(self, Lanes lanes, Py_ssize_t lane, double step) noexcept nogil:
        """Whether a step is not lost in rounding in every coordinate."""
        cdef Py_ssize_t i, at
        for i in range(lanes.n_dim):
            at = i * lanes.capacity + lane
            if leads_inside(lanes, at) and step * fabs(lanes.g[at]) > 0.25 * EPSILON * fabs(lanes.x[at]):
                return True
        return False

    cdef double first_step(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        """Without a curvature; nor do steps and values before it count."""
        row(lanes, HIGHEST)[lane] = lanes.f[lane]
        row(lanes, HIGHEST_BEFORE)[lane] = -INFINITY
        row(lanes, SHORTEST)[lane] = row(lanes, SHORTEST_BEFORE)[lane] = INFINITY
        return min(max(1.0, lanes.relative_step * self.largest_coordinate(lanes, lane)) / lanes.norm[lane], LARGEST)

    cdef double spectral_step(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        """The inverse of a curvature between the Hessian's least and largest.

        The long step |s|^2 / (s r), or, where the short one s r / |r|^2 is much shorter, the shortest of the last
        short ones. After a fall from a wall, such as r^-12, they are those of its curvature, which would let nothing
        move: then the search begins anew.
        """
        cdef double squares = row(lanes, SQUARES)[lane]
        cdef double products = row(lanes, PRODUCTS)[lane]
        cdef double norm = lanes.norm[lane]
        cdef double step, short_step, longest = max(row(lanes, LONGEST)[lane], row(lanes, LONGEST_BEFORE)[lane])
        cdef double *shortest = &row(lanes, SHORTEST)[lane]
        if nit_of(lanes, lane) == 0:
            return self.first_step(lanes, lane)
        longest = min(min(GROWTH * max(1.0, longest), LARGEST) / norm, LARGEST)
        if not products > 0.0:
            return longest
        step = squares / products
        short_step = products / row(lanes, CHANGES)[lane]
        if short_step > 0.0:  # its square did not overflow
            shortest[0] = min(shortest[0], short_step)
        if 0.0 < short_step < MUCH_SHORTER * step:
            step = min(shortest[0], row(lanes, SHORTEST_BEFORE)[lane])
        if not self.moves(lanes, lane, step):
            return self.first_step(lanes, lane)
        return min(step, longest)

    cdef void measure_steps(self, Lanes lanes) noexcept nogil:
        """SQUARES, PRODUCTS and CHANGES of every lane at an iterate, where y and g_y are those of the one before."""
        cdef Py_ssize_t i, lane, at
        for lane in range(lanes.live):
            row(lanes, SQUARES)[lane] = row(lanes, PRODUCTS)[lane] = row(lanes, CHANGES)[lane] = 0.0
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            if lanes.bounded:
                fastgd_add_products_inside(row(lanes, SQUARES), row(lanes, PRODUCTS), row(lanes, CHANGES),
                                           lanes.x + at, lanes.y + at, lanes.g + at, lanes.g_y + at,
                                           lanes.lower + at, lanes.upper + at, lanes.live)
            else:
                fastgd_add_products(row(lanes, SQUARES), row(lanes, PRODUCTS), row(lanes, CHANGES), lanes.x + at,
                                    lanes.y + at, lanes.g + at, lanes.g_y + at, lanes.live)

    cdef void set_trial_points(self, Lanes lanes) noexcept nogil:
        """y and PROMISED, from x, STEP and FRACTION; lanes whose trial was accepted get the same y again."""
        cdef Py_ssize_t i, lane, at
        for lane in range(lanes.live):
            row(lanes, PROMISED)[lane] = 0.0
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            if lanes.bounded:
                fastgd_try_step_inside(lanes.y + at, row(lanes, PROMISED), lanes.x + at, lanes.g + at, row(lanes, STEP),
                                       row(lanes, FRACTION), lanes.lower + at, lanes.upper + at, lanes.live)
            else:
                fastgd_try_step(lanes.y + at, row(lanes, PROMISED), lanes.x + at, lanes.g + at, row(lanes, STEP),
                                row(lanes, FRACTION), lanes.live)
