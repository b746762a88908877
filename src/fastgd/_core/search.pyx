"""Rules that look for their step by values of the function.

Spectral projected gradient: E. G. Birgin, J. M. Martinez, M. Raydan, "Nonmonotone spectral projected gradient methods
on convex sets", SIAM Journal on Optimization 10, 2000, algorithm SPG1, with the steps of G. Frassoldati, L. Zanni,
G. Zanghirati, "New adaptive stepsize selections in gradient methods", Journal of Industrial and Management Optimization
4, 2008, algorithm ABBmin1, inside bounds as S. Crisci, V. Ruggiero, L. Zanni, "Steplength selection in gradient
projection methods for box-constrained quadratic programs", Applied Mathematics and Computation 356, 2019, have them.
"""
from cython cimport final
from libc.math cimport INFINITY, fabs

from .lanes cimport ITERATE, Lanes, accept_all, fastgd_unmark, nit_of
from .objective cimport GRADIENT, VALUE
from .stopping cimport NONFINITE, RUNNING, STALLED

cdef extern from "searches.h":
    Py_ssize_t STEP "FASTGD_STEP"
    Py_ssize_t FRACTION "FASTGD_FRACTION"
    Py_ssize_t PROMISED "FASTGD_PROMISED"
    Py_ssize_t TRIALS "FASTGD_TRIALS"
    Py_ssize_t SQUARES "FASTGD_SQUARES"
    Py_ssize_t PRODUCTS "FASTGD_PRODUCTS"
    Py_ssize_t CHANGES "FASTGD_CHANGES"
    Py_ssize_t HIGHEST "FASTGD_HIGHEST"
    Py_ssize_t HIGHEST_BEFORE "FASTGD_HIGHEST_BEFORE"
    Py_ssize_t SHORTEST "FASTGD_SHORTEST"
    Py_ssize_t SHORTEST_BEFORE "FASTGD_SHORTEST_BEFORE"
    Py_ssize_t LONGEST "FASTGD_LONGEST"
    Py_ssize_t LEAST_F "FASTGD_LEAST_F"
    Py_ssize_t LEAST_NORM "FASTGD_LEAST_NORM"
    Py_ssize_t N_ROWS "FASTGD_SEARCH_ROWS"
    double LARGEST "FASTGD_LARGEST"
    double EPSILON "FASTGD_EPSILON"
    void fastgd_fill(double *row, double value, Py_ssize_t n) noexcept nogil
    bint fastgd_judge(double *state, Py_ssize_t stride, Py_ssize_t *phase, Py_ssize_t *rejected, Py_ssize_t *want,
                      const Py_ssize_t *fault, const double *f_y, Py_ssize_t running, Py_ssize_t value,
                      Py_ssize_t gradient, Py_ssize_t gradients_wait, Py_ssize_t gradients_came,
                      Py_ssize_t n) noexcept nogil
    bint fastgd_list_beginnings(Py_ssize_t *begins, const Py_ssize_t *phase, const Py_ssize_t *status,
                                Py_ssize_t iterate, Py_ssize_t running, Py_ssize_t n) noexcept nogil
    bint fastgd_see_slopes(Py_ssize_t *seen, const double *x, const double *g, const double *f, double least_step,
                           double relative_step, Py_ssize_t n) noexcept nogil
    bint fastgd_see_slopes_inside(Py_ssize_t *seen, const double *x, const double *g, const double *f,
                                  const double *lower, const double *upper, double least_step, double relative_step,
                                  Py_ssize_t n) noexcept nogil
    bint fastgd_remember(double *state, Py_ssize_t stride, Py_ssize_t *stuck, const Py_ssize_t *begins,
                         const Py_ssize_t *seen, const double *f, const double *norm, const Py_ssize_t *nit,
                         Py_ssize_t of_all, Py_ssize_t n) noexcept nogil
    void fastgd_spectral_steps(double *state, Py_ssize_t stride, double *limit, const Py_ssize_t *begins,
                               const double *norm, Py_ssize_t n) noexcept nogil
    bint fastgd_find_moves(Py_ssize_t *moves, const double *x, const double *g, const double *step,
                           Py_ssize_t n) noexcept nogil
    bint fastgd_find_moves_inside(Py_ssize_t *moves, const double *x, const double *g, const double *step,
                                  const double *lower, const double *upper, Py_ssize_t n) noexcept nogil
    bint fastgd_limit_steps(double *step, Py_ssize_t *is_first, const double *limit, const double *products,
                            const Py_ssize_t *begins, const Py_ssize_t *moves, const Py_ssize_t *nit,
                            Py_ssize_t of_all, Py_ssize_t n) noexcept nogil
    void fastgd_add_products(double *squares, double *products, double *changes, const double *x,
                             const double *x_before, const double *g, const double *g_before,
                             Py_ssize_t n) noexcept nogil
    void fastgd_add_products_inside(double *squares, double *products, double *changes, const double *x,
                                    const double *x_before, const double *g, const double *g_before,
                                    const double *lower, const double *upper, Py_ssize_t n) noexcept nogil
    Py_ssize_t fastgd_list_wanting(Py_ssize_t *lanes, const Py_ssize_t *want, Py_ssize_t wanted,
                                   Py_ssize_t n) noexcept nogil
    void fastgd_try_steps(double *y, double *promised, const double *x, const double *g, const double *step,
                          const double *fraction, Py_ssize_t n) noexcept nogil
    void fastgd_try_some_steps(double *y, double *promised, const double *x, const double *g, const double *step,
                               const double *fraction, const Py_ssize_t *lanes, Py_ssize_t n) noexcept nogil
    void fastgd_try_steps_inside(double *y, double *promised, const double *x, const double *g, const double *step,
                                 const double *fraction, const double *lower, const double *upper,
                                 Py_ssize_t n) noexcept nogil
    void fastgd_try_some_steps_inside(double *y, double *promised, const double *x, const double *g, const double *step,
                                      const double *fraction, const double *lower, const double *upper,
                                      const Py_ssize_t *lanes, Py_ssize_t n) noexcept nogil

# Trials of one search. Steps shrink at least by half, so that this is beyond the precision of x.
cdef double MOST_TRIALS = 60.0


cdef inline double *row(Lanes lanes, Py_ssize_t which) noexcept nogil:
    return lanes.state + which * lanes.capacity


cdef inline void clear(Lanes lanes, Py_ssize_t which) noexcept nogil:
    fastgd_fill(row(lanes, which), 0.0, lanes.live)


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
        if lanes.want_in_common == GRADIENT and not lanes.any_fault:
            self.any_rejected = False
            accept_all(lanes)
        else:
            self.judge(lanes)
            lanes.accept()

    cdef void judge(self, Lanes lanes) noexcept nogil:
        cdef Py_ssize_t lane
        cdef Py_ssize_t *rejected = lanes.columns
        self.any_rejected = fastgd_judge(lanes.state, lanes.capacity, lanes.phase, rejected, lanes.want, lanes.fault,
                                         lanes.f_y, RUNNING, VALUE, GRADIENT, lanes.gradients_wait,
                                         lanes.gradients_came, lanes.live)
        lanes.any_again = True
        lanes.want_in_common = -1
        if self.any_rejected:
            for lane in range(lanes.live):
                if rejected[lane]:
                    self.reject(lanes, lane)

    cdef void reject(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        """Nobody goes to a y that fails; a start that fails is the end."""
        if lanes.fault[lane] == RUNNING or lanes.fault[lane] == NONFINITE and nit_of(lanes, lane) >= 0:
            self.shorten(lanes, lane)
        else:
            lanes.finish(lane, lanes.fault[lane])

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
        if lanes.any_iterate and fastgd_list_beginnings(lanes.columns, lanes.phase, lanes.status, ITERATE, RUNNING,
                                                        lanes.live):
            self.measure_steps(lanes)
            self.begin_searches(lanes, lanes.columns)
            self.set_trial_points(lanes)
        elif self.any_rejected:
            self.set_some_trial_points(lanes)

    cdef void begin_searches(self, Lanes lanes, const Py_ssize_t *begins) noexcept nogil:
        cdef Py_ssize_t lane
        cdef double *limit = lanes.row
        cdef Py_ssize_t *stuck = lanes.value_lanes
        cdef Py_ssize_t *is_first = lanes.value_lanes
        cdef Py_ssize_t *seen = lanes.gradient_lanes
        cdef Py_ssize_t *moves = lanes.gradient_lanes
        self.see_slopes(lanes, seen)
        if fastgd_remember(lanes.state, lanes.capacity, stuck, begins, seen, lanes.f, lanes.norm, lanes.nit,
                           lanes.nit_of_all, lanes.live):
            for lane in range(lanes.live):
                if stuck[lane]:
                    lanes.finish(lane, STALLED)
        fastgd_spectral_steps(lanes.state, lanes.capacity, limit, begins, lanes.norm, lanes.live)
        self.find_moves(lanes, moves)
        if fastgd_limit_steps(row(lanes, STEP), is_first, limit, row(lanes, PRODUCTS), begins, moves, lanes.nit,
                              lanes.nit_of_all, lanes.live):
            for lane in range(lanes.live):
                if is_first[lane]:
                    row(lanes, STEP)[lane] = self.first_step(lanes, lane)
        lanes.ask_marked(begins, VALUE)

    cdef void see_slopes(self, Lanes lanes, Py_ssize_t *seen) noexcept nogil:
        """Marks the lanes in which rounding does not hide every slope that leads inside the bounds."""
        cdef Py_ssize_t i, at
        cdef bint all_seen = False
        fastgd_unmark(seen, lanes.live)
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            if lanes.bounded:
                all_seen = fastgd_see_slopes_inside(seen, lanes.x + at, lanes.g + at, lanes.f, lanes.lower + at,
                                                    lanes.upper + at, lanes.least_step, lanes.relative_step,
                                                    lanes.live)
            else:
                all_seen = fastgd_see_slopes(seen, lanes.x + at, lanes.g + at, lanes.f, lanes.least_step,
                                             lanes.relative_step, lanes.live)
            if all_seen:
                return

    cdef void find_moves(self, Lanes lanes, Py_ssize_t *moves) noexcept nogil:
        """Marks the lanes whose step is not lost in rounding in every coordinate."""
        cdef Py_ssize_t i, at
        cdef bint all_move = False
        fastgd_unmark(moves, lanes.live)
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            if lanes.bounded:
                all_move = fastgd_find_moves_inside(moves, lanes.x + at, lanes.g + at, row(lanes, STEP),
                                                    lanes.lower + at, lanes.upper + at, lanes.live)
            else:
                all_move = fastgd_find_moves(moves, lanes.x + at, lanes.g + at, row(lanes, STEP), lanes.live)
            if all_move:
                return

    cdef double largest_coordinate(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        cdef Py_ssize_t i
        cdef double largest = 0.0
        for i in range(lanes.n_dim):
            largest = max(largest, fabs(lanes.x[i * lanes.capacity + lane]))
        return largest

    cdef double first_step(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        """Without a curvature, or after a fall from a wall, such as r^-12, whose curvature would let nothing move.
        Steps and values before it do not count."""
        row(lanes, HIGHEST)[lane] = lanes.f[lane]
        row(lanes, HIGHEST_BEFORE)[lane] = -INFINITY
        row(lanes, SHORTEST)[lane] = row(lanes, SHORTEST_BEFORE)[lane] = INFINITY
        return min(max(1.0, lanes.relative_step * self.largest_coordinate(lanes, lane)) / lanes.norm[lane], LARGEST)

    cdef void measure_steps(self, Lanes lanes) noexcept nogil:
        """SQUARES, PRODUCTS and CHANGES of every lane at an iterate, where y and g_y are those of the one before."""
        cdef Py_ssize_t i, at
        clear(lanes, SQUARES)
        clear(lanes, PRODUCTS)
        clear(lanes, CHANGES)
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
        cdef Py_ssize_t i, at
        clear(lanes, PROMISED)
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            if lanes.bounded:
                fastgd_try_steps_inside(lanes.y + at, row(lanes, PROMISED), lanes.x + at, lanes.g + at,
                                        row(lanes, STEP), row(lanes, FRACTION), lanes.lower + at, lanes.upper + at,
                                        lanes.live)
            else:
                fastgd_try_steps(lanes.y + at, row(lanes, PROMISED), lanes.x + at, lanes.g + at, row(lanes, STEP),
                                 row(lanes, FRACTION), lanes.live)

    cdef void set_some_trial_points(self, Lanes lanes) noexcept nogil:
        """The same where no search begins: the lanes that want a value, after a trial that was rejected."""
        cdef Py_ssize_t *some = lanes.columns
        cdef Py_ssize_t i, k, at, n = fastgd_list_wanting(some, lanes.want, VALUE, lanes.live)
        for k in range(n):
            row(lanes, PROMISED)[some[k]] = 0.0
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            if lanes.bounded:
                fastgd_try_some_steps_inside(lanes.y + at, row(lanes, PROMISED), lanes.x + at, lanes.g + at,
                                             row(lanes, STEP), row(lanes, FRACTION), lanes.lower + at, lanes.upper + at,
                                             some, n)
            else:
                fastgd_try_some_steps(lanes.y + at, row(lanes, PROMISED), lanes.x + at, lanes.g + at, row(lanes, STEP),
                                      row(lanes, FRACTION), some, n)
