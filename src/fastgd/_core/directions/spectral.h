/* Spectral steps, for n lanes side by side. */
#ifndef FASTGD_SPECTRAL_H
#define FASTGD_SPECTRAL_H
#include "memory/lanes.h"

/* The rows of the direction's state, with a number for every lane. */
enum {
    FASTGD_SCALE,            /* the negative of the spectral step */
    FASTGD_STEP,
    FASTGD_SQUARES,          /* |s|^2 for the last change s of x, */
    FASTGD_PRODUCTS,         /* s r for the change r of g that came with it, */
    FASTGD_CHANGES,          /* and |r|^2 */
    FASTGD_SHORTEST,         /* short step in the present block of iterations */
    FASTGD_SHORTEST_BEFORE,  /* in the block before */
    FASTGD_LONGEST,          /* |s| in the present block */
    FASTGD_LONGEST_BEFORE,
    FASTGD_SPECTRAL_ROWS
};

/* Iterations in a block, a power of two. */
#define FASTGD_SPECTRAL_BLOCK 4
/* The short step is taken where it is below this part of the long one, and then the shortest of those two blocks: on a
   quadratic of condition 1e4 that takes a third of the iterations that long steps alone take. */
#define FASTGD_MUCH_SHORTER 0.8
/* The first step changes a coordinate by 1 at most; later ones by this, or this many times the longest step in those
   two blocks if that was longer than 1. */
#define FASTGD_GROWTH 10.0
/* Steps, instead of infinity. */
#define FASTGD_LARGEST_STEP 1e300

/* With s = x - x_before and r = (g - g_before) * level: squares += s^2; products += s * r; changes += r^2 */
FASTGD_INLINE void fastgd_add_products(double *restrict squares, double *restrict products, double *restrict changes,
                                       const double *restrict x, const double *restrict x_before,
                                       const double *restrict g, const double *restrict g_before,
                                       const double *restrict level, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        double s = x[j] - x_before[j], r = (g[j] - g_before[j]) * level[j];
        squares[j] += s * s;
        products[j] += s * r;
        changes[j] += r * r;
    }
}

/* The same inside bounds, where r counts for nothing in coordinates that stay on a bound. */
FASTGD_INLINE void fastgd_add_products_inside(double *restrict squares, double *restrict products,
                                              double *restrict changes, const double *restrict x,
                                              const double *restrict x_before, const double *restrict g,
                                              const double *restrict g_before, const double *restrict level,
                                              const double *restrict lower, const double *restrict upper, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        double s = x[j] - x_before[j], r = (g[j] - g_before[j]) * level[j];
        int stays = (s == 0.0) & ((x[j] == lower[j]) | (x[j] == upper[j]));
        squares[j] += s * s;
        products[j] += s * r;
        changes[j] += stays ? 0.0 : r * r;
    }
}

/* Adds to `moves` the lanes in which a step is not lost in rounding in a coordinate; returns whether all are there. */
FASTGD_INLINE ptrdiff_t fastgd_find_moves(ptrdiff_t *restrict moves, const double *restrict x,
                                          const double *restrict g, const double *restrict step, ptrdiff_t n) {
    ptrdiff_t all = 1;
    for (ptrdiff_t j = 0; j < n; j++) {
        moves[j] |= step[j] * fabs(g[j]) > 0.25 * FASTGD_EPSILON * fabs(x[j]);
        all &= moves[j];
    }
    return all;
}

/* The same in coordinates whose slope leads inside the bounds. */
FASTGD_INLINE ptrdiff_t fastgd_find_moves_inside(ptrdiff_t *restrict moves, const double *restrict x,
                                                 const double *restrict g, const double *restrict step,
                                                 const double *restrict lower, const double *restrict upper,
                                                 ptrdiff_t n) {
    ptrdiff_t all = 1;
    for (ptrdiff_t j = 0; j < n; j++) {
        double bound = g[j] > 0.0 ? lower[j] : upper[j];
        moves[j] |= (x[j] != bound) & (step[j] * fabs(g[j]) > 0.25 * FASTGD_EPSILON * fabs(x[j]));
        all &= moves[j];
    }
    return all;
}

/* SQUARES, PRODUCTS and CHANGES of every lane at an iterate, where `trial` is the one before. */
FASTGD_INLINE void fastgd_measure_steps(const fastgd_lanes *lanes, double *state, ptrdiff_t n) {
    ptrdiff_t stride = lanes->capacity, end = lanes->n_dim * stride;
    double *squares = state + FASTGD_SQUARES * stride, *products = state + FASTGD_PRODUCTS * stride;
    double *changes = state + FASTGD_CHANGES * stride;
    const fastgd_point *here = &lanes->here, *before = &lanes->trial;
    const double *level = lanes->trust.level;
    for (ptrdiff_t j = 0; j < n; j++)
        squares[j] = products[j] = changes[j] = 0.0;
    if (lanes->bounded)
        for (ptrdiff_t at = 0; at < end; at += stride)
            fastgd_add_products_inside(squares, products, changes, here->x + at, before->x + at, here->g + at,
                                       before->g + at, level, lanes->lower + at, lanes->upper + at, n);
    else
        for (ptrdiff_t at = 0; at < end; at += stride)
            fastgd_add_products(squares, products, changes, here->x + at, before->x + at, here->g + at, before->g + at,
                                level, n);
}

/* The spectral step of the lanes that begin a search: the inverse of a curvature between the Hessian's least and
   largest. It is the long step |s|^2 / (s r), or, where the short one s r / |r|^2 is much shorter, the shortest of the
   last short ones; without a curvature it is the limit. `moves` and `limit` are scratch. Marks the lanes that take a
   first step instead, because it is their first one, or because a curvature lets nothing move. Returns whether there are
   any. */
FASTGD_STAGE(int, fastgd_spectral_turn,
             (const fastgd_lanes *lanes, double *state, const ptrdiff_t *begins, ptrdiff_t *is_first, ptrdiff_t *moves,
              double *limit, ptrdiff_t n),
             (lanes, state, begins, is_first, moves, limit, n)) {
    ptrdiff_t stride = lanes->capacity, end = lanes->n_dim * stride, of_all = lanes->nit_of_all;
    double *scale = state + FASTGD_SCALE * stride, *step = state + FASTGD_STEP * stride;
    double *shortest = state + FASTGD_SHORTEST * stride, *shortest_before = state + FASTGD_SHORTEST_BEFORE * stride;
    double *longest = state + FASTGD_LONGEST * stride, *longest_before = state + FASTGD_LONGEST_BEFORE * stride;
    const double *squares = state + FASTGD_SQUARES * stride, *products = state + FASTGD_PRODUCTS * stride;
    const double *changes = state + FASTGD_CHANGES * stride, *norm = lanes->norm;
    const double *level = lanes->trust.level;
    const double *x = lanes->here.x, *g = lanes->here.g;
    const ptrdiff_t *nit = lanes->nit;
    ptrdiff_t any_first = 0, all = 0;
    fastgd_measure_steps(lanes, state, n);
    FASTGD_INDEPENDENT
    for (ptrdiff_t j = 0; j < n; j++) {
        ptrdiff_t iteration = nit[j] + of_all;
        ptrdiff_t turns = begins[j] & ((iteration & (FASTGD_SPECTRAL_BLOCK - 1)) == 0);
        double distance = turns ? 0.0 : longest[j], farther = fastgd_larger(distance, sqrt(squares[j]));
        shortest_before[j] = turns ? shortest[j] : shortest_before[j];
        longest_before[j] = turns ? longest[j] : longest_before[j];
        shortest[j] = turns ? INFINITY : shortest[j];
        longest[j] = begins[j] & (iteration > 0) ? farther : distance;
    }
    FASTGD_INDEPENDENT
    for (ptrdiff_t j = 0; j < n; j++) {
        double reach = fastgd_larger(1.0, fastgd_larger(longest[j], longest_before[j]));
        double most = fastgd_smaller(fastgd_smaller(FASTGD_GROWTH * reach, FASTGD_LARGEST_STEP) / norm[j],
                                     FASTGD_LARGEST_STEP);
        double long_step = squares[j] / products[j] * level[j];
        double short_step = products[j] / changes[j] * level[j];
        ptrdiff_t is_curved = products[j] > 0.0;
        /* a short step of 0 is one whose square overflowed */
        double usable = is_curved & (short_step > 0.0) ? short_step : INFINITY;
        double least = begins[j] ? fastgd_smaller(shortest[j], usable) : shortest[j];
        double chosen = usable < FASTGD_MUCH_SHORTER * long_step ? fastgd_smaller(least, shortest_before[j]) : long_step;
        shortest[j] = least;
        step[j] = begins[j] ? (is_curved ? chosen : most) : step[j];
        limit[j] = most;
        moves[j] = 0;
    }
    for (ptrdiff_t at = 0; at < end && !all; at += stride)
        all = lanes->bounded ? fastgd_find_moves_inside(moves, x + at, g + at, step, lanes->lower + at,
                                                        lanes->upper + at, n)
                             : fastgd_find_moves(moves, x + at, g + at, step, n);
    FASTGD_INDEPENDENT
    for (ptrdiff_t j = 0; j < n; j++) {
        step[j] = begins[j] ? fastgd_smaller(step[j], limit[j]) : step[j];
        scale[j] = -step[j];
        is_first[j] = begins[j] & ((nit[j] + of_all == 0) | ((products[j] > 0.0) & !moves[j]));
        any_first |= is_first[j];
    }
    return any_first != 0;
}
#endif
