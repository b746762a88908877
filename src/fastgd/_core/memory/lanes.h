/* The lanes: the problems in work, a column each, as the loops of all rooms see them. */
#ifndef FASTGD_LANES_H
#define FASTGD_LANES_H
#include "loops.h"

/* What is known at a point of every lane. */
typedef struct {
    double *x;            /* (n_dim, capacity) */
    double *g;            /* (n_dim, capacity) the gradient */
    double *H;            /* (n_dim (n_dim + 1) / 2, capacity) the lower triangle of the Hessian, or NULL */
    double *f;            /* (capacity,) */
    ptrdiff_t *knows_f;   /* (capacity,) whether f is that of x */
} fastgd_point;

/* The numbers that a user gives for each problem or for all; `LIMITS` in problems.pyx has their names. */
enum {
    FASTGD_LEARNING_RATE, FASTGD_GTOL, FASTGD_XTOL, FASTGD_FTOL, FASTGD_FTARGET,
    FASTGD_MAXITER, FASTGD_MAXFEV,  /* integers */
    FASTGD_N_LIMITS
};

typedef struct {
    ptrdiff_t n_dim;
    ptrdiff_t capacity;         /* lanes, and the distance between rows */
    ptrdiff_t live;             /* lanes in use: the first ones */
    int bounded;
    int keep_best;

    /* What travels with a problem: rows of `capacity` numbers, and numbers in strips of FASTGD_STRIP lanes */
    double *rows;
    ptrdiff_t n_rows;
    double *strips;             /* (capacity / strip, n_strip_rows, strip) */
    ptrdiff_t n_strip_rows;
    ptrdiff_t strip;            /* lanes in a strip: 8, or the only one */
    fastgd_point here;          /* the iterate */
    fastgd_point trial;         /* the point that is evaluated next */
    fastgd_point best;          /* the lowest iterate, if it is kept */
    double *lower;              /* (n_dim, capacity) if there are bounds */
    double *upper;
    double *state;              /* what the Rule remembers */
    double *limits;             /* (FASTGD_N_LIMITS, capacity) */
    ptrdiff_t *problem;
    ptrdiff_t *nit;             /* less nit_of_all; with that -1 before the first gradient */
    ptrdiff_t *nfev;            /* less nfev_of_all */
    ptrdiff_t *njev;            /* less njev_of_all */
    ptrdiff_t *want_at_iterate; /* masks of VALUE, GRADIENT and HESSIAN */
    ptrdiff_t *want;            /* at the trial point, now */
    ptrdiff_t *phase;           /* 0: at an iterate; 1: at a trial that is none yet */
    ptrdiff_t *fault;           /* a Status, or RUNNING: what went wrong in the last evaluation */
    ptrdiff_t *status;

    /* What all lanes have done together: theirs are the rows plus these. */
    ptrdiff_t nit_of_all;
    ptrdiff_t nfev_of_all;
    ptrdiff_t njev_of_all;

    /* What is the same for all lanes */
    ptrdiff_t gradient_and_more; /* what the Rule wants at a point to which it goes: GRADIENT, perhaps HESSIAN */
    ptrdiff_t want_of_all;      /* at an iterate, at least */
    ptrdiff_t want_in_common;   /* of all live lanes, now; -1 where it may differ */
    ptrdiff_t cost;             /* the most evaluations of fun for a gradient and the values that go with it */
    int differences_need_f;     /* perhaps: then f costs nothing more where the lane wants it */
    int tests_steps;            /* some lane has a limit that is tested at every iterate */
    /* h of differences is about max(least_step, relative_step |x|). least_step is infinite if the objective supplies
       gradients, which have no rounding error. */
    double least_step;
    double relative_step;
    const double *slopes;       /* the gradients that the Rule descends along: here.g, or those with noise */

    /* What the last evaluation was like */
    int any_fault;
    int any_again;              /* some phase may be 1 */
    int any_iterate;            /* some phase became 0 */
    int gradients_wait;         /* those wanted were not taken, because other lanes wanted values */
    int gradients_came;         /* with the values, from an objective that supplies both at once */

    /* Scratch; each is the business of one room */
    double *norm;               /* stopping: (capacity,) max |projected gradient|, in rounds with an iterate */
    ptrdiff_t *candidates;      /* stopping */
    ptrdiff_t *finished;        /* the loop: the lanes whose problems have ended since the last turnover, in no order */
    ptrdiff_t n_finished;
    ptrdiff_t rounds_left;      /* stopping: tests to come at which no lane can be at its maxiter or maxfev */
    ptrdiff_t *all_lanes;       /* 0, 1, 2, ... */
} fastgd_lanes;

enum { FASTGD_STRIP = 8 };

FASTGD_INLINE double *fastgd_limit(const fastgd_lanes *lanes, int which) {
    return lanes->limits + which * lanes->capacity;
}

FASTGD_INLINE ptrdiff_t *fastgd_count_limit(const fastgd_lanes *lanes, int which) {
    return (ptrdiff_t *)fastgd_limit(lanes, which);
}

/* Where number `row` of the strips stands for a lane. */
FASTGD_INLINE double *fastgd_in_strip(const fastgd_lanes *lanes, ptrdiff_t lane, ptrdiff_t row) {
    ptrdiff_t strip = lane / lanes->strip;
    return lanes->strips + (strip * lanes->n_strip_rows + row) * lanes->strip + (lane - strip * lanes->strip);
}

/* phase = 0 */
FASTGD_STAGE(void, fastgd_all_at_iterates, (fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    for (ptrdiff_t j = 0; j < n; j++)
        lanes->phase[j] = 0;
}

/* knows_f = 0 at the trial points */
FASTGD_STAGE(void, fastgd_forget_values, (fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    ptrdiff_t *knows_f = lanes->trial.knows_f;
    for (ptrdiff_t j = 0; j < n; j++)
        knows_f[j] = 0;
}

/* want = what is wanted now, and f is not known, where marked */
FASTGD_STAGE(void, fastgd_ask_marked,
             (fastgd_lanes *lanes, const ptrdiff_t *restrict marks, ptrdiff_t wanted, ptrdiff_t n),
             (lanes, marks, wanted, n)) {
    ptrdiff_t *restrict want = lanes->want, *restrict knows_f = lanes->trial.knows_f;
    for (ptrdiff_t j = 0; j < n; j++)
        want[j] = marks[j] ? wanted : want[j];
    for (ptrdiff_t j = 0; j < n; j++)
        knows_f[j] = marks[j] ? 0 : knows_f[j];
}

/* all(want == want[0]) */
FASTGD_STAGE(int, fastgd_want_alike, (const fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    const ptrdiff_t *restrict want = lanes->want;
    ptrdiff_t first = want[0], others = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        others |= want[j] ^ first;
    return !others;
}

/* nit += 1 where phase is 0; returns in how many lanes. */
FASTGD_STAGE(ptrdiff_t, fastgd_count_iterations, (fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    ptrdiff_t *restrict nit = lanes->nit;
    const ptrdiff_t *restrict phase = lanes->phase;
    ptrdiff_t count = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        count += phase[j] == 0;
        nit[j] += phase[j] == 0;
    }
    return count;
}

/* Exchanges a and b where `stays` is 0. */
FASTGD_INLINE void fastgd_exchange_row(double *restrict a, double *restrict b, const ptrdiff_t *restrict stays,
                                       ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        double kept = a[j];
        a[j] = stays[j] ? kept : b[j];
        b[j] = stays[j] ? b[j] : kept;
    }
}

/* The trial points change places with the iterates where phase is 0. */
FASTGD_STAGE(void, fastgd_exchange, (fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    fastgd_point *here = &lanes->here, *trial = &lanes->trial;
    const ptrdiff_t *phase = lanes->phase;
    ptrdiff_t stride = lanes->capacity, end = lanes->n_dim * stride;
    for (ptrdiff_t at = 0; at < end; at += stride) {
        fastgd_exchange_row(here->x + at, trial->x + at, phase, n);
        fastgd_exchange_row(here->g + at, trial->g + at, phase, n);
    }
    if (here->H)
        for (ptrdiff_t at = 0; at < end * (lanes->n_dim + 1) / 2; at += stride)
            fastgd_exchange_row(here->H + at, trial->H + at, phase, n);
    fastgd_exchange_row(here->f, trial->f, phase, n);
    for (ptrdiff_t j = 0; j < n; j++) {
        ptrdiff_t kept = here->knows_f[j];
        here->knows_f[j] = phase[j] ? kept : trial->knows_f[j];
        trial->knows_f[j] = phase[j] ? trial->knows_f[j] : kept;
    }
}

/* x = clip(x, lower, upper) at the trial points; returns whether one is a nan, which stays. */
FASTGD_STAGE(int, fastgd_project, (fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    int64_t any_nan = 0;
    for (ptrdiff_t at = 0; at < lanes->n_dim * lanes->capacity; at += lanes->capacity) {
        double *restrict y = lanes->trial.x + at;
        const double *restrict lower = lanes->lower + at, *restrict upper = lanes->upper + at;
        for (ptrdiff_t j = 0; j < n; j++) {
            double lifted = lower[j] > y[j] ? lower[j] : y[j];
            any_nan |= y[j] != y[j];
            y[j] = upper[j] < lifted ? upper[j] : lifted;
        }
    }
    return any_nan != 0;
}
#endif
