/* The loops of searches that judge their trials by values, for n lanes side by side. */
#ifndef FASTGD_ARMIJO_H
#define FASTGD_ARMIJO_H
#include "memory/lanes.h"

/* The rows of a search's state, with a number for every lane. */
enum {
    FASTGD_FRACTION,         /* of the step that the direction proposes */
    FASTGD_PROMISED,         /* g (y - x): the fall that the slope promises */
    FASTGD_TRIALS,
    FASTGD_HIGHEST,          /* f in the present block of iterations */
    FASTGD_HIGHEST_BEFORE,   /* in the block before */
    FASTGD_LEAST_F,
    FASTGD_LEAST_NORM,
    FASTGD_WAITED,           /* iterations since one of the two fell, */
    FASTGD_WAITED_FOR_F,     /* and since f did */
    FASTGD_CAREFUL,          /* 1 if from now on every iterate is to be lower than the one before */
    FASTGD_SEARCH_ROWS
};

/* An iterate may be as high as the highest of the last iterates (Grippo, Lampariello, Lucidi, SIAM J. Numer. Anal. 23,
   1986): of those in the present block of so many iterations, a power of two, and in the block before, which takes two
   rows to remember. */
#define FASTGD_BLOCK 4
/* The fall that a step must have, as a fraction of what the slope promises (Birgin et al., section 3). */
#define FASTGD_SUFFICIENT 1e-4
/* Iterations without a lower f or a smaller gradient than ever before, after which the search is over; if it is monotone
   few of them are enough. */
#define FASTGD_PATIENCE 200.0
#define FASTGD_PATIENCE_IF_MONOTONE 10.0
/* A monotone search does not trust values to more than this part of f: where less is promised, because gradients are
   still right when values are not (W. W. Hager, H. Zhang, SIAM J. Optim. 16, 2005), a rise by as much is accepted. */
#define FASTGD_TRUSTED 1e-13
/* Steps, changes of x and slopes, instead of infinity. */
#define FASTGD_LARGEST 1e300

/* How much of a difference between values near f may be rounding. */
FASTGD_INLINE double fastgd_rounding_of(const fastgd_lanes *lanes, ptrdiff_t lane, double f) {
    return 4.0 * fastgd_rounding_at(lanes, lane, f);
}

/* How much higher than f a trial may be that is promised to be so much lower. */
FASTGD_INLINE double fastgd_slack_of(const fastgd_lanes *lanes, ptrdiff_t lane, double f, double promised,
                                     ptrdiff_t monotone) {
    double least = FASTGD_TRUSTED * fabs(f), rounding = fastgd_rounding_of(lanes, lane, f);
    return monotone & (-promised < least) & (rounding < least) ? least : rounding;
}

/* Judges the trials: one whose value was wanted is accepted if that is low enough,

       f_y <= highest recent f + SUFFICIENT (what is promised), as far as rounding lets see,

   and then wants `next`; if that is nothing, because the gradient came with the value, it is an iterate. One whose gradient
   was wanted is an iterate unless that has to wait. What fails is rejected. Sets phase, `rejected` and want; returns
   whether any is rejected. */
FASTGD_STAGE(int, fastgd_judge,
             (fastgd_lanes *lanes, const double *state, ptrdiff_t *rejected, ptrdiff_t running, ptrdiff_t value,
              ptrdiff_t next, ptrdiff_t monotone, ptrdiff_t n),
             (lanes, state, rejected, running, value, next, monotone, n)) {
    ptrdiff_t stride = lanes->capacity, gradients_wait = lanes->gradients_wait, wants_more = next != 0;
    ptrdiff_t any_rejected = 0;
    const double *highest = state + FASTGD_HIGHEST * stride, *highest_before = state + FASTGD_HIGHEST_BEFORE * stride;
    const double *promised = state + FASTGD_PROMISED * stride, *f_y = lanes->trial.f;
    const ptrdiff_t *fault = lanes->fault;
    ptrdiff_t *phase = lanes->phase, *want = lanes->want;
    FASTGD_INDEPENDENT
    for (ptrdiff_t j = 0; j < n; j++) {
        double high = fastgd_larger(highest[j], highest_before[j]);
        double most = high + fastgd_slack_of(lanes, j, high, promised[j], monotone)
            + FASTGD_SUFFICIENT * fastgd_larger(promised[j], -FASTGD_LARGEST);
        ptrdiff_t had_value = want[j] == value, is_low = f_y[j] <= most, fails = fault[j] != running;
        ptrdiff_t accepted = had_value & is_low;
        rejected[j] = fails | (had_value & (is_low ^ 1));
        any_rejected |= rejected[j];
        phase[j] = rejected[j] | (had_value ? wants_more : gradients_wait);
        want[j] = accepted & (fails ^ 1) & wants_more ? next : want[j];
    }
    return any_rejected != 0;
}

/* Keeps the iterates before as the lowest, in the lanes in which f has risen from there for the first time. */
FASTGD_STAGE(void, fastgd_keep_lowest, (fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    const double *f = lanes->here.f, *f_before = lanes->trial.f;
    double *best = lanes->best.f;
    ptrdiff_t stride = lanes->capacity, rises = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        rises |= (lanes->phase[j] == 0) & (f[j] > f_before[j]) & (f_before[j] < best[j]);
    if (!rises)
        return;
    for (ptrdiff_t j = 0; j < n; j++) {
        if (!((lanes->phase[j] == 0) & (f[j] > f_before[j]) & (f_before[j] < best[j])))
            continue;
        best[j] = f_before[j];
        for (ptrdiff_t at = j; at < lanes->n_dim * stride; at += stride) {
            lanes->best.x[at] = lanes->trial.x[at];
            lanes->best.g[at] = lanes->trial.g[at];
        }
    }
}

/* begins = (phase == 0) & (status == running); returns whether any does. */
FASTGD_STAGE(int, fastgd_list_beginnings,
             (const fastgd_lanes *lanes, ptrdiff_t *restrict begins, ptrdiff_t running, ptrdiff_t n),
             (lanes, begins, running, n)) {
    const ptrdiff_t *restrict phase = lanes->phase, *restrict status = lanes->status;
    ptrdiff_t any = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        begins[j] = (phase[j] == 0) & (status[j] == running);
        any |= begins[j];
    }
    return any != 0;
}

/* Marks the lanes in which a slope that leads inside the bounds exceeds what rounding of f does to it. Gradients that do
   not come from differences have no such limit. */
FASTGD_INLINE void fastgd_see_slopes(const fastgd_lanes *lanes, ptrdiff_t *restrict seen, ptrdiff_t n) {
    const double *restrict f = lanes->here.f;
    ptrdiff_t stride = lanes->capacity, all = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        seen[j] = !lanes->doubts_gtol;
    for (ptrdiff_t i = 0; i < lanes->n_dim && !all && lanes->doubts_gtol; i++) {
        const double *restrict x = lanes->here.x + i * stride, *restrict g = lanes->here.g + i * stride;
        all = 1;
        for (ptrdiff_t j = 0; j < n; j++) {
            ptrdiff_t leads = 1, at = i * stride + j;
            if (lanes->bounded)
                leads = x[j] != (g[j] > 0.0 ? lanes->lower[at] : lanes->upper[at]);
            seen[j] |= leads & (fabs(g[j]) * fastgd_step_at(lanes, i, at) > fastgd_rounding_at(lanes, j, f[j]));
            all &= seen[j];
        }
    }
}

/* What a search remembers, in the lanes that begin one: the highest values of the last two blocks of iterations, or if
   it is `monotone` the last value; the least value and norm of all. Marks lanes that are stuck: by 1 where nothing has
   become better for long, or no slope is seen; by 2 where the last step, whose |s|^2 is in `squares`, moved nothing.
   Returns whether there are any. `seen` is scratch. */
FASTGD_STAGE(int, fastgd_begin_searches,
             (const fastgd_lanes *lanes, double *state, ptrdiff_t *stuck, ptrdiff_t *seen, const ptrdiff_t *begins,
              const double *squares, int monotone, ptrdiff_t n),
             (lanes, state, stuck, seen, begins, squares, monotone, n)) {
    ptrdiff_t stride = lanes->capacity, of_all = lanes->nit_of_all, any_stuck = 0;
    double *highest = state + FASTGD_HIGHEST * stride, *highest_before = state + FASTGD_HIGHEST_BEFORE * stride;
    double *least_f = state + FASTGD_LEAST_F * stride, *least_norm = state + FASTGD_LEAST_NORM * stride;
    double *waited = state + FASTGD_WAITED * stride, *waited_for_f = state + FASTGD_WAITED_FOR_F * stride;
    const double *careful = state + FASTGD_CAREFUL * stride;
    double *fraction = state + FASTGD_FRACTION * stride, *trials = state + FASTGD_TRIALS * stride;
    const double *f = lanes->here.f, *norm = lanes->norm;
    const ptrdiff_t *nit = lanes->nit;
    fastgd_see_slopes(lanes, seen, n);
    FASTGD_INDEPENDENT
    for (ptrdiff_t j = 0; j < n; j++) {
        ptrdiff_t only_down = monotone | (careful[j] != 0.0);
        ptrdiff_t turns = begins[j] & (only_down | (((nit[j] + of_all) & (FASTGD_BLOCK - 1)) == 0));
        double high = turns ? -INFINITY : highest[j];
        highest_before[j] = turns ? (only_down ? -INFINITY : highest[j]) : highest_before[j];
        highest[j] = begins[j] ? fastgd_larger(high, f[j]) : high;
        fraction[j] = begins[j] ? 1.0 : fraction[j];
        trials[j] = begins[j] ? 0.0 : trials[j];
    }
    double patience = monotone ? FASTGD_PATIENCE_IF_MONOTONE : FASTGD_PATIENCE;
    FASTGD_INDEPENDENT
    for (ptrdiff_t j = 0; j < n; j++) {
        /* a run that goes on with other differences begins anew */
        ptrdiff_t is_later = (nit[j] + of_all > 0) & (least_f[j] < INFINITY), stays = squares[j] == 0.0;
        double counts = monotone ? FASTGD_TRUSTED * fabs(least_f[j]) : fastgd_rounding_of(lanes, j, least_f[j]);
        ptrdiff_t falls = (is_later ^ 1) | (f[j] < least_f[j] - counts);
        ptrdiff_t flattens = norm[j] < least_norm[j], is_better = falls | flattens;
        double wait = waited[j] + 1.0;
        ptrdiff_t waits = wait > patience;
        least_f[j] = begins[j] & falls ? f[j] : least_f[j];
        least_norm[j] = begins[j] & flattens ? norm[j] : least_norm[j];
        waited[j] = begins[j] ? (is_better ? 0.0 : wait) : waited[j];
        waited_for_f[j] = begins[j] ? (falls ? 0.0 : waited_for_f[j] + 1.0) : waited_for_f[j];
        stuck[j] = begins[j] & ((waits & (is_better ^ 1)) | (seen[j] ^ 1));
        stuck[j] |= (begins[j] & is_later & stays) << 1;
        any_stuck |= stuck[j];
    }
    return any_stuck != 0;
}

/* m = fraction * scale * d; y = x + m; promised += m * g */
FASTGD_INLINE void fastgd_try(double *y, double *promised, const double *x, const double *g, const double *d,
                              const double *scale, const double *fraction, ptrdiff_t j) {
    double m = fraction[j] * (scale[j] * d[j]);
    y[j] = x[j] + m;
    promised[j] += m * g[j];
}

/* m = clip(x + fraction * scale * d, lower, upper) - x; y = x + m; promised += m * g. What goes as far as a bound ends
   on the bound itself, and bounds at infinity change no bit. */
FASTGD_INLINE void fastgd_try_inside(double *y, double *promised, const double *x, const double *g, const double *d,
                                     const double *scale, const double *fraction, const double *lower,
                                     const double *upper, ptrdiff_t j) {
    double m = fraction[j] * (scale[j] * d[j]);
    double least = lower[j] - x[j], most = upper[j] - x[j];
    y[j] = m <= least ? lower[j] : m >= most ? upper[j] : x[j] + m;
    m = m <= least ? least : m >= most ? most : m;
    promised[j] += m * g[j];
}

FASTGD_INLINE void fastgd_try_row(double *restrict y, double *restrict promised, const double *restrict x,
                                  const double *restrict g, const double *restrict d, const double *restrict scale,
                                  const double *restrict fraction, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++)
        fastgd_try(y, promised, x, g, d, scale, fraction, j);
}

FASTGD_INLINE void fastgd_try_row_inside(double *restrict y, double *restrict promised, const double *restrict x,
                                         const double *restrict g, const double *restrict d,
                                         const double *restrict scale, const double *restrict fraction,
                                         const double *restrict lower, const double *restrict upper, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++)
        fastgd_try_inside(y, promised, x, g, d, scale, fraction, lower, upper, j);
}

/* Trial points of all lanes along their directions; those whose trial was accepted get the same one again. Returns
   whether the direction of one that begins a search does not lead down. */
FASTGD_STAGE(int, fastgd_try_all,
             (fastgd_lanes *lanes, double *state, const double *d, const double *scale, const ptrdiff_t *begins,
              ptrdiff_t n),
             (lanes, state, d, scale, begins, n)) {
    ptrdiff_t stride = lanes->capacity, end = lanes->n_dim * stride, any_up = 0;
    double *y = lanes->trial.x, *promised = state + FASTGD_PROMISED * stride;
    const double *x = lanes->here.x, *g = lanes->here.g, *fraction = state + FASTGD_FRACTION * stride;
    for (ptrdiff_t j = 0; j < n; j++)
        promised[j] = 0.0;
    if (lanes->bounded)
        for (ptrdiff_t at = 0; at < end; at += stride)
            fastgd_try_row_inside(y + at, promised, x + at, g + at, d + at, scale, fraction, lanes->lower + at,
                                  lanes->upper + at, n);
    else
        for (ptrdiff_t at = 0; at < end; at += stride)
            fastgd_try_row(y + at, promised, x + at, g + at, d + at, scale, fraction, n);
    for (ptrdiff_t j = 0; j < n; j++) {
        any_up |= begins[j] & !(promised[j] < 0.0);
        lanes->trust.promised[j] = begins[j] ? promised[j] : lanes->trust.promised[j];
    }
    return any_up != 0;
}

/* The same of some lanes. */
FASTGD_INLINE void fastgd_try_some(fastgd_lanes *lanes, double *state, const double *d, const double *scale,
                                   const ptrdiff_t *some, ptrdiff_t n_some) {
    ptrdiff_t stride = lanes->capacity, end = lanes->n_dim * stride;
    double *y = lanes->trial.x, *promised = state + FASTGD_PROMISED * stride;
    const double *x = lanes->here.x, *g = lanes->here.g, *fraction = state + FASTGD_FRACTION * stride;
    for (ptrdiff_t k = 0; k < n_some; k++)
        promised[some[k]] = 0.0;
    for (ptrdiff_t at = 0; at < end; at += stride)
        for (ptrdiff_t k = 0; k < n_some; k++)
            if (lanes->bounded)
                fastgd_try_inside(y + at, promised, x + at, g + at, d + at, scale, fraction, lanes->lower + at,
                                  lanes->upper + at, some[k]);
            else
                fastgd_try(y + at, promised, x + at, g + at, d + at, scale, fraction, some[k]);
}

/* Lists the lanes that want a value and nothing else. */
FASTGD_INLINE ptrdiff_t fastgd_list_wanting(const fastgd_lanes *lanes, ptrdiff_t *restrict some, ptrdiff_t value) {
    const ptrdiff_t *restrict want = lanes->want;
    ptrdiff_t count = 0, n = lanes->live;
    for (ptrdiff_t j = 0; j < n; j++) {
        some[count] = j;
        count += want[j] == value;
    }
    return count;
}
#endif
