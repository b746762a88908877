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

/* In which units a problem is solved, and how far its differences can be trusted. Rows of n_dim are (n_dim, capacity),
   the others (capacity,). */
typedef struct {
    double *scale;        /* n_dim powers of two: the lanes hold x / scale and scale * g; NULL if they are 1 */
    double *unit;         /* n_dim numbers: differences have steps of about factor * max(unit, |x|); NULL if they are 1 */
    double *factor;       /* n_dim numbers; NULL where steps are given, or gradients supplied */
    double *rounding;     /* how much of f is rounding: this part of |f|, */
    double *noise;        /* and not less than this */
    double *first_f;      /* at the start; nan while it is not known */
    double *level;        /* a power of two, so that products of gradients times this are numbers */
    double *promised;     /* the fall of f that the last curvatures promise for the next step */
    ptrdiff_t *repairs;   /* how often steps were found to be wrong; -1 before they were looked at */
    ptrdiff_t *reason;    /* a Reason: what was seen where the problem ended, */
    double *seen;         /* and with which numbers */
    double *expected;
} fastgd_trust;

/* The numbers that a user gives for each problem or for all; `LIMITS` in problems.pyx has their names. */
enum {
    FASTGD_LEARNING_RATE, FASTGD_GTOL, FASTGD_XTOL, FASTGD_FTOL, FASTGD_FTARGET, FASTGD_NOISE,
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
    fastgd_trust trust;
    double *lower;              /* (n_dim, capacity) if there are bounds, in the units of x / scale */
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
    int finds_scale;            /* the scales are found at the start, and not given */
    int gtol_is_absolute;       /* some gtol is a number in the user's units */
    double relative_step;       /* h is about this times x, unless in trust.factor or given: */
    const double *steps;        /* (n_dim,) h of differences, if they are given; then NULL in trust.factor */
    int factors_differ;         /* some differences have steps that are not the usual ones */
    int must_be_near;           /* to the root of the gradient, to end with a small one */
    int doubts_gtol;            /* a small gradient is looked at again before the problem ends, */
    int doubts_all;             /* and any other success */
    int any_fresh;              /* some lane may be at its first iterate */
    const double *slopes;       /* the gradients that the Rule descends along: here.g, or those with noise */

    /* What the last evaluation was like */
    int any_fault;
    int any_again;              /* some phase may be 1 */
    int any_iterate;            /* some phase became 0 */
    int gradients_wait;         /* those wanted were not taken, because other lanes wanted values */
    int gradients_came;         /* with the values, from an objective that supplies both at once */

    /* Scratch; each is the business of one room */
    double *norm;               /* stopping: (capacity,) max |projected gradient|, in rounds with an iterate */
    double *size;               /* the same in the units that gtol has: perhaps the user's */
    ptrdiff_t *candidates;      /* stopping */
    ptrdiff_t *finished;        /* the loop: the lanes whose problems have ended since the last turnover, in no order */
    ptrdiff_t n_finished;
    ptrdiff_t *doubtful;        /* the loop: lanes that would succeed if their gradients are right, */
    ptrdiff_t *claims;          /* (capacity,) and with which Status */
    ptrdiff_t n_doubtful;
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

/* What remains of f if it is known no better than its rounding and noise. */
FASTGD_INLINE double fastgd_rounding_at(const fastgd_lanes *lanes, ptrdiff_t lane, double f) {
    return fastgd_larger(lanes->trust.rounding[lane] * fabs(f), lanes->trust.noise[lane]);
}

/* Whether f is above the first value by more than that. */
FASTGD_INLINE int fastgd_rises(const fastgd_lanes *lanes, ptrdiff_t lane, double first_f, double f) {
    return f - first_f > 4.0 * fastgd_rounding_at(lanes, lane, fastgd_larger(fabs(f), fabs(first_f)));
}

/* The step of a difference in coordinate i, in units of x / scale. */
FASTGD_INLINE double fastgd_step_at(const fastgd_lanes *lanes, ptrdiff_t i, ptrdiff_t at) {
    const fastgd_trust *trust = &lanes->trust;
    double scale = trust->scale ? trust->scale[at] : 1.0, unit = trust->unit ? trust->unit[at] : 1.0;
    if (lanes->steps)
        return lanes->steps[i] / scale;
    double factor = trust->factor ? trust->factor[at] : lanes->relative_step;
    return factor * fastgd_larger(unit / scale, fabs(lanes->here.x[at]));
}

FASTGD_INLINE void fastgd_multiply_row(double *restrict row, const double *restrict factor, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++)
        row[j] *= factor[j];
}

/* row /= power, by its exponent */
FASTGD_INLINE void fastgd_divide_row(double *restrict row, const double *restrict power, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++)
        row[j] *= fastgd_from_bits(((uint64_t)2046 << 52) - fastgd_bits(power[j]));
}

/* The trial points, and bounds, in the user's units. All is exact. */
FASTGD_STAGE(void, fastgd_into_units, (fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    for (ptrdiff_t at = 0; at < lanes->n_dim * lanes->capacity; at += lanes->capacity) {
        const double *scale = lanes->trust.scale + at;
        fastgd_multiply_row(lanes->trial.x + at, scale, n);
        if (lanes->bounded) {
            fastgd_multiply_row(lanes->lower + at, scale, n);
            fastgd_multiply_row(lanes->upper + at, scale, n);
        }
    }
}

/* And back. */
FASTGD_STAGE(void, fastgd_out_of_units, (fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    for (ptrdiff_t at = 0; at < lanes->n_dim * lanes->capacity; at += lanes->capacity) {
        const double *scale = lanes->trust.scale + at;
        fastgd_divide_row(lanes->trial.x + at, scale, n);
        if (lanes->bounded) {
            fastgd_divide_row(lanes->lower + at, scale, n);
            fastgd_divide_row(lanes->upper + at, scale, n);
        }
    }
}

/* g /= scale at the trial points */
FASTGD_STAGE(void, fastgd_unscale_gradients, (fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    for (ptrdiff_t at = 0; at < lanes->n_dim * lanes->capacity; at += lanes->capacity)
        fastgd_divide_row(lanes->trial.g + at, lanes->trust.scale + at, n);
}

/* g *= scale at the trial points */
FASTGD_STAGE(void, fastgd_scale_gradients, (fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    for (ptrdiff_t at = 0; at < lanes->n_dim * lanes->capacity; at += lanes->capacity)
        fastgd_multiply_row(lanes->trial.g + at, lanes->trust.scale + at, n);
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
