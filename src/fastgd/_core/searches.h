/* The row loops of line searches, for n lanes side by side. */
#ifndef FASTGD_SEARCHES_H
#define FASTGD_SEARCHES_H
#include "rows.h"

/* Nothing that a loop writes is read in another of its iterations. */
#if defined(__GNUC__) && !defined(__clang__)
#define FASTGD_INDEPENDENT _Pragma("GCC ivdep")
#else
#define FASTGD_INDEPENDENT
#endif

/* The rows of a search's state, with a number for every lane. */
enum {
    FASTGD_STEP,             /* the spectral step; the trial y is the projection of x - FRACTION STEP g */
    FASTGD_FRACTION,
    FASTGD_PROMISED,         /* g (y - x): the fall that the slope promises */
    FASTGD_TRIALS,
    FASTGD_SQUARES,          /* |s|^2 for the last change s of x, */
    FASTGD_PRODUCTS,         /* s r for the change r of g that came with it, */
    FASTGD_CHANGES,          /* and |r|^2 */
    FASTGD_HIGHEST,          /* f in the present block of iterations */
    FASTGD_HIGHEST_BEFORE,   /* in the block before */
    FASTGD_SHORTEST,         /* short step in the present block */
    FASTGD_SHORTEST_BEFORE,
    FASTGD_LONGEST,          /* |s| in the present block */
    FASTGD_LONGEST_BEFORE,
    FASTGD_LEAST_F,
    FASTGD_LEAST_NORM,
    FASTGD_WAITED,           /* iterations since one of the two fell */
    FASTGD_SEARCH_ROWS
};

/* An iterate may be as high as the highest of the last iterates (Grippo, Lampariello, Lucidi, SIAM J. Numer. Anal. 23,
   1986): of those in the present block of so many iterations, a power of two, and in the block before, which takes two
   rows to remember. */
#define FASTGD_BLOCK 4
/* The fall that a step must have, as a fraction of what the slope promises (Birgin et al., section 3). */
#define FASTGD_SUFFICIENT 1e-4
/* The short step is taken where it is below this part of the long one, and then the shortest of those two blocks: on a
   quadratic of condition 1e4 that takes a third of the iterations that long steps alone take. */
#define FASTGD_MUCH_SHORTER 0.8
/* The first step changes a coordinate by 1 at most; later ones by this, or this many times the longest step in those
   two blocks if that was longer than 1. */
#define FASTGD_GROWTH 10.0
/* Iterations without a lower f or a smaller gradient than ever before, after which the search is over. */
#define FASTGD_PATIENCE 200.0
/* Steps, changes of x and slopes, instead of infinity. */
#define FASTGD_LARGEST 1e300
#define FASTGD_EPSILON 0x1p-52

/* How much of a difference between values near f may be rounding. */
static inline double fastgd_rounding_of(double f) {
    return 4.0 * FASTGD_EPSILON * fabs(f);
}

static inline double fastgd_larger(double a, double b) {
    return b > a ? b : a;
}

static inline double fastgd_smaller(double a, double b) {
    return b < a ? b : a;
}

/* With s = x - x_before and r = g - g_before: squares += s^2; products += s * r; changes += r^2 */
FASTGD_ROWS(void, fastgd_add_products,
            (double *restrict squares, double *restrict products, double *restrict changes, const double *restrict x,
             const double *restrict x_before, const double *restrict g, const double *restrict g_before, ptrdiff_t n),
            (squares, products, changes, x, x_before, g, g_before, n)) {
    for (ptrdiff_t j = 0; j < n; j++) {
        double s = x[j] - x_before[j], r = g[j] - g_before[j];
        squares[j] += s * s;
        products[j] += s * r;
        changes[j] += r * r;
    }
}

/* The same inside bounds, where r counts for nothing in coordinates that stay on a bound. */
FASTGD_ROWS(void, fastgd_add_products_inside,
            (double *restrict squares, double *restrict products, double *restrict changes, const double *restrict x,
             const double *restrict x_before, const double *restrict g, const double *restrict g_before,
             const double *restrict lower, const double *restrict upper, ptrdiff_t n),
            (squares, products, changes, x, x_before, g, g_before, lower, upper, n)) {
    for (ptrdiff_t j = 0; j < n; j++) {
        double s = x[j] - x_before[j], r = g[j] - g_before[j];
        int stays = (s == 0.0) & ((x[j] == lower[j]) | (x[j] == upper[j]));
        squares[j] += s * s;
        products[j] += s * r;
        changes[j] += stays ? 0.0 : r * r;
    }
}

/* Judges the trials: one whose value was wanted is accepted if that is low enough,

       f_y <= highest recent f + SUFFICIENT (what the slope promises), as far as rounding lets see,

   and then an iterate if the gradient came with it, which is wanted next if not. One whose gradient was wanted is an
   iterate unless that has to wait. What fails is rejected. Sets phase, `rejected` and want; returns whether any is
   rejected. A phase is 0 for an iterate, and 1 for a lane that is not at one. */
FASTGD_ROWS(int, fastgd_judge,
            (double *state, ptrdiff_t stride, ptrdiff_t *phase, ptrdiff_t *rejected, ptrdiff_t *want,
             const ptrdiff_t *fault, const double *f_y, ptrdiff_t running, ptrdiff_t value, ptrdiff_t gradient,
             ptrdiff_t gradients_wait, ptrdiff_t gradients_came, ptrdiff_t n),
            (state, stride, phase, rejected, want, fault, f_y, running, value, gradient, gradients_wait, gradients_came,
             n)) {
    const double *highest = state + FASTGD_HIGHEST * stride, *highest_before = state + FASTGD_HIGHEST_BEFORE * stride;
    const double *promised = state + FASTGD_PROMISED * stride;
    ptrdiff_t any_rejected = 0;
    FASTGD_INDEPENDENT
    for (ptrdiff_t j = 0; j < n; j++) {
        double high = fastgd_larger(highest[j], highest_before[j]);
        double most = high + fastgd_rounding_of(high)
            + FASTGD_SUFFICIENT * fastgd_larger(promised[j], -FASTGD_LARGEST);
        ptrdiff_t had_value = want[j] == value, is_low = f_y[j] <= most, fails = fault[j] != running;
        ptrdiff_t accepted = had_value & is_low;
        rejected[j] = fails | (had_value & (is_low ^ 1));
        any_rejected |= rejected[j];
        phase[j] = rejected[j] | (had_value ? gradients_came ^ 1 : gradients_wait);
        want[j] = accepted & (fails ^ 1) & (gradients_came ^ 1) ? gradient : want[j];
    }
    return any_rejected != 0;
}

/* Adds to `seen` the lanes whose slope in a coordinate exceeds what rounding does to it, EPSILON |f| / h; returns whether
   all are seen by now. */
FASTGD_ROWS(int, fastgd_see_slopes,
            (ptrdiff_t *restrict seen, const double *restrict x, const double *restrict g, const double *restrict f,
             double least_step, double relative_step, ptrdiff_t n),
            (seen, x, g, f, least_step, relative_step, n)) {
    ptrdiff_t all = 1;
    for (ptrdiff_t j = 0; j < n; j++) {
        double h = fastgd_larger(least_step, relative_step * fabs(x[j]));
        seen[j] |= fabs(g[j]) * h > FASTGD_EPSILON * fabs(f[j]);
        all &= seen[j];
    }
    return all != 0;
}

/* The same of slopes that lead inside the bounds. */
FASTGD_ROWS(int, fastgd_see_slopes_inside,
            (ptrdiff_t *restrict seen, const double *restrict x, const double *restrict g, const double *restrict f,
             const double *restrict lower, const double *restrict upper, double least_step, double relative_step,
             ptrdiff_t n),
            (seen, x, g, f, lower, upper, least_step, relative_step, n)) {
    ptrdiff_t all = 1;
    for (ptrdiff_t j = 0; j < n; j++) {
        double h = fastgd_larger(least_step, relative_step * fabs(x[j])), bound = g[j] > 0.0 ? lower[j] : upper[j];
        seen[j] |= (x[j] != bound) & (fabs(g[j]) * h > FASTGD_EPSILON * fabs(f[j]));
        all &= seen[j];
    }
    return all != 0;
}

/* Adds to `moves` the lanes in which a step is not lost in rounding in a coordinate; returns whether all are there. */
FASTGD_ROWS(int, fastgd_find_moves,
            (ptrdiff_t *restrict moves, const double *restrict x, const double *restrict g, const double *restrict step,
             ptrdiff_t n),
            (moves, x, g, step, n)) {
    ptrdiff_t all = 1;
    for (ptrdiff_t j = 0; j < n; j++) {
        moves[j] |= step[j] * fabs(g[j]) > 0.25 * FASTGD_EPSILON * fabs(x[j]);
        all &= moves[j];
    }
    return all != 0;
}

/* The same in coordinates whose slope leads inside the bounds. */
FASTGD_ROWS(int, fastgd_find_moves_inside,
            (ptrdiff_t *restrict moves, const double *restrict x, const double *restrict g, const double *restrict step,
             const double *restrict lower, const double *restrict upper, ptrdiff_t n),
            (moves, x, g, step, lower, upper, n)) {
    ptrdiff_t all = 1;
    for (ptrdiff_t j = 0; j < n; j++) {
        double bound = g[j] > 0.0 ? lower[j] : upper[j];
        moves[j] |= (x[j] != bound) & (step[j] * fabs(g[j]) > 0.25 * FASTGD_EPSILON * fabs(x[j]));
        all &= moves[j];
    }
    return all != 0;
}

/* What a search remembers, in the lanes that begin one at iteration nit + of_all: the extremes of the last two blocks of
   iterations, and those of all. Returns whether a lane is stuck: its last step moved nothing, nothing has become better
   for long, or no slope is seen. */
FASTGD_ROWS(int, fastgd_remember,
            (double *state, ptrdiff_t stride, ptrdiff_t *stuck, const ptrdiff_t *begins, const ptrdiff_t *seen,
             const double *f, const double *norm, const ptrdiff_t *nit, ptrdiff_t of_all, ptrdiff_t n),
            (state, stride, stuck, begins, seen, f, norm, nit, of_all, n)) {
    double *highest = state + FASTGD_HIGHEST * stride, *highest_before = state + FASTGD_HIGHEST_BEFORE * stride;
    double *shortest = state + FASTGD_SHORTEST * stride, *shortest_before = state + FASTGD_SHORTEST_BEFORE * stride;
    double *longest = state + FASTGD_LONGEST * stride, *longest_before = state + FASTGD_LONGEST_BEFORE * stride;
    double *least_f = state + FASTGD_LEAST_F * stride, *least_norm = state + FASTGD_LEAST_NORM * stride;
    double *waited = state + FASTGD_WAITED * stride;
    const double *squares = state + FASTGD_SQUARES * stride;
    ptrdiff_t any_stuck = 0;
    FASTGD_INDEPENDENT
    for (ptrdiff_t j = 0; j < n; j++) {
        ptrdiff_t iteration = nit[j] + of_all;
        ptrdiff_t turns = begins[j] & ((iteration & (FASTGD_BLOCK - 1)) == 0);
        double high = turns ? -INFINITY : highest[j], distance = turns ? 0.0 : longest[j];
        double farther = fastgd_larger(distance, sqrt(squares[j]));
        highest_before[j] = turns ? highest[j] : highest_before[j];
        shortest_before[j] = turns ? shortest[j] : shortest_before[j];
        longest_before[j] = turns ? longest[j] : longest_before[j];
        shortest[j] = turns ? INFINITY : shortest[j];
        highest[j] = begins[j] ? fastgd_larger(high, f[j]) : high;
        longest[j] = begins[j] & (iteration > 0) ? farther : distance;
    }
    FASTGD_INDEPENDENT
    for (ptrdiff_t j = 0; j < n; j++) {
        ptrdiff_t is_later = nit[j] + of_all > 0, stays = squares[j] == 0.0;
        ptrdiff_t falls = (is_later ^ 1) | (f[j] < least_f[j] - fastgd_rounding_of(least_f[j]));
        ptrdiff_t flattens = norm[j] < least_norm[j], is_better = falls | flattens;
        double wait = waited[j] + 1.0;
        ptrdiff_t waits = wait > FASTGD_PATIENCE;
        least_f[j] = begins[j] & falls ? f[j] : least_f[j];
        least_norm[j] = begins[j] & flattens ? norm[j] : least_norm[j];
        waited[j] = begins[j] ? (is_better ? 0.0 : wait) : waited[j];
        stuck[j] = begins[j] & ((waits & (is_better ^ 1)) | (is_later & stays) | (seen[j] ^ 1));
        any_stuck |= stuck[j];
    }
    return any_stuck != 0;
}

/* The spectral step of the lanes that begin a search, and its limit: the inverse of a curvature between the Hessian's
   least and largest. It is the long step |s|^2 / (s r), or, where the short one s r / |r|^2 is much shorter, the shortest
   of the last short ones; without a curvature it is the limit. */
FASTGD_ROWS(void, fastgd_spectral_steps,
            (double *state, ptrdiff_t stride, double *limit, const ptrdiff_t *begins, const double *norm, ptrdiff_t n),
            (state, stride, limit, begins, norm, n)) {
    double *step = state + FASTGD_STEP * stride, *fraction = state + FASTGD_FRACTION * stride;
    double *trials = state + FASTGD_TRIALS * stride, *shortest = state + FASTGD_SHORTEST * stride;
    const double *shortest_before = state + FASTGD_SHORTEST_BEFORE * stride;
    const double *longest = state + FASTGD_LONGEST * stride, *longest_before = state + FASTGD_LONGEST_BEFORE * stride;
    const double *squares = state + FASTGD_SQUARES * stride, *products = state + FASTGD_PRODUCTS * stride;
    const double *changes = state + FASTGD_CHANGES * stride;
    FASTGD_INDEPENDENT
    for (ptrdiff_t j = 0; j < n; j++) {
        double reach = fastgd_larger(1.0, fastgd_larger(longest[j], longest_before[j]));
        double most = fastgd_smaller(fastgd_smaller(FASTGD_GROWTH * reach, FASTGD_LARGEST) / norm[j], FASTGD_LARGEST);
        double long_step = squares[j] / products[j], short_step = products[j] / changes[j];
        ptrdiff_t is_curved = products[j] > 0.0;
        /* a short step of 0 is one whose square overflowed */
        double usable = is_curved & (short_step > 0.0) ? short_step : INFINITY;
        double least = begins[j] ? fastgd_smaller(shortest[j], usable) : shortest[j];
        double chosen = usable < FASTGD_MUCH_SHORTER * long_step ? fastgd_smaller(least, shortest_before[j]) : long_step;
        shortest[j] = least;
        step[j] = begins[j] ? (is_curved ? chosen : most) : step[j];
        fraction[j] = begins[j] ? 1.0 : fraction[j];
        trials[j] = begins[j] ? 0.0 : trials[j];
        limit[j] = most;
    }
}

/* step = min(step, limit) where a search begins; marks the lanes that take a first step instead, because it is their
   first one, or because a curvature lets nothing move. Returns whether there are any. */
FASTGD_ROWS(int, fastgd_limit_steps,
            (double *restrict step, ptrdiff_t *restrict is_first, const double *restrict limit,
             const double *restrict products, const ptrdiff_t *restrict begins, const ptrdiff_t *restrict moves,
             const ptrdiff_t *restrict nit, ptrdiff_t of_all, ptrdiff_t n),
            (step, is_first, limit, products, begins, moves, nit, of_all, n)) {
    ptrdiff_t any_first = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        step[j] = begins[j] ? fastgd_smaller(step[j], limit[j]) : step[j];
        is_first[j] = begins[j] & ((nit[j] + of_all == 0) | ((products[j] > 0.0) & !moves[j]));
        any_first |= is_first[j];
    }
    return any_first != 0;
}

/* begins = (phase == iterate) & (status == running); returns whether any does. */
FASTGD_ROWS(int, fastgd_list_beginnings,
            (ptrdiff_t *restrict begins, const ptrdiff_t *restrict phase, const ptrdiff_t *restrict status,
             ptrdiff_t iterate, ptrdiff_t running, ptrdiff_t n),
            (begins, phase, status, iterate, running, n)) {
    ptrdiff_t any = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        begins[j] = (phase[j] == iterate) & (status[j] == running);
        any |= begins[j];
    }
    return any != 0;
}

/* Lists the lanes that are in want of this and nothing else. */
static inline ptrdiff_t fastgd_list_wanting(ptrdiff_t *restrict lanes, const ptrdiff_t *restrict want,
                                            ptrdiff_t wanted, ptrdiff_t n) {
    ptrdiff_t count = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        lanes[count] = j;
        count += want[j] == wanted;
    }
    return count;
}

/* d = fraction * step * g; y = x - d; promised -= d * g */
static inline void fastgd_try(double *y, double *promised, const double *x, const double *g, const double *step,
                              const double *fraction, ptrdiff_t j) {
    double d = fraction[j] * (step[j] * g[j]);
    y[j] = x[j] - d;
    promised[j] -= d * g[j];
}

FASTGD_ROWS(void, fastgd_try_steps,
            (double *restrict y, double *restrict promised, const double *restrict x, const double *restrict g,
             const double *restrict step, const double *restrict fraction, ptrdiff_t n),
            (y, promised, x, g, step, fraction, n)) {
    for (ptrdiff_t j = 0; j < n; j++)
        fastgd_try(y, promised, x, g, step, fraction, j);
}

/* The same of some lanes. */
static inline void fastgd_try_some_steps(double *y, double *promised, const double *x, const double *g,
                                         const double *step, const double *fraction, const ptrdiff_t *lanes,
                                         ptrdiff_t n) {
    for (ptrdiff_t k = 0; k < n; k++)
        fastgd_try(y, promised, x, g, step, fraction, lanes[k]);
}

/* d = x - clip(x - fraction * step * g, lower, upper); y = x - d; promised -= d * g. What goes as far as a bound ends
   on the bound itself, and bounds at infinity change no bit. */
static inline void fastgd_try_inside(double *y, double *promised, const double *x, const double *g, const double *step,
                                     const double *fraction, const double *lower, const double *upper, ptrdiff_t j) {
    double d = fraction[j] * (step[j] * g[j]);
    double most = x[j] - lower[j], least = x[j] - upper[j];
    y[j] = d >= most ? lower[j] : d <= least ? upper[j] : x[j] - d;
    d = d >= most ? most : d <= least ? least : d;
    promised[j] -= d * g[j];
}

FASTGD_ROWS(void, fastgd_try_steps_inside,
            (double *restrict y, double *restrict promised, const double *restrict x, const double *restrict g,
             const double *restrict step, const double *restrict fraction, const double *restrict lower,
             const double *restrict upper, ptrdiff_t n),
            (y, promised, x, g, step, fraction, lower, upper, n)) {
    for (ptrdiff_t j = 0; j < n; j++)
        fastgd_try_inside(y, promised, x, g, step, fraction, lower, upper, j);
}

static inline void fastgd_try_some_steps_inside(double *y, double *promised, const double *x, const double *g,
                                                const double *step, const double *fraction, const double *lower,
                                                const double *upper, const ptrdiff_t *lanes, ptrdiff_t n) {
    for (ptrdiff_t k = 0; k < n; k++)
        fastgd_try_inside(y, promised, x, g, step, fraction, lower, upper, lanes[k]);
}
#endif
