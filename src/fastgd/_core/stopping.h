/* The loops of the tests that end problems. */
#ifndef FASTGD_STOPPING_H
#define FASTGD_STOPPING_H
#include "memory/lanes.h"

enum { FASTGD_NORMS_STRIP = 32 };

/* norm = max(|g|, axis=0), nan ignored, of a strip of lanes; returns whether any(norm <= gtol) of the first n. A loop of
   constant length becomes vector code without a rest, and the maxima stay in registers while the rows pass by. */
FASTGD_INLINE int64_t fastgd_norms_of_strip(double *restrict norm, const double *restrict g,
                                            const double *restrict gtol, ptrdiff_t stride, ptrdiff_t n_dim,
                                            ptrdiff_t n) {
    int64_t small = 0;
    for (int j = 0; j < FASTGD_NORMS_STRIP; j++)
        norm[j] = 0.0;
    for (ptrdiff_t i = 0; i < n_dim; i++)
        for (int j = 0; j < FASTGD_NORMS_STRIP; j++) {
            double size = fabs(g[i * stride + j]);
            norm[j] = size > norm[j] ? size : norm[j];
        }
    for (int j = 0; j < n; j++)
        small |= norm[j] <= gtol[j];
    return small;
}

/* The same of all lanes. The last strip has some of them for the second time, or has columns without a problem behind
   them, whose norms are of whatever stands there and are not read. */
FASTGD_INLINE int fastgd_free_norms(double *restrict norm, const double *restrict g, const double *restrict gtol,
                                    ptrdiff_t stride, ptrdiff_t n_dim, ptrdiff_t n) {
    int64_t small = 0;
    ptrdiff_t j = 0;
    for (; j + FASTGD_NORMS_STRIP <= n; j += FASTGD_NORMS_STRIP)
        small |= fastgd_norms_of_strip(norm + j, g + j, gtol + j, stride, n_dim, FASTGD_NORMS_STRIP);
    if (j < n && stride >= FASTGD_NORMS_STRIP) {
        ptrdiff_t first = n > FASTGD_NORMS_STRIP ? n - FASTGD_NORMS_STRIP : 0;
        small |= fastgd_norms_of_strip(norm + first, g + first, gtol + first, stride, n_dim, n - first);
        return small != 0;
    }
    for (; j < n; j++) {
        double most = 0.0;
        for (ptrdiff_t i = 0; i < n_dim; i++) {
            double size = fabs(g[i * stride + j]);
            most = size > most ? size : most;
        }
        norm[j] = most;
        small |= most <= gtol[j];
    }
    return small != 0;
}

/* The same of projected gradients, in which a slope that leads outside from a bound counts as 0 (Calamai, More,
   Mathematical Programming 39, 1987). */
FASTGD_INLINE int fastgd_projected_norms(double *restrict norm, const double *restrict g, const double *restrict x,
                                         const double *restrict lower, const double *restrict upper,
                                         const double *restrict gtol, ptrdiff_t stride, ptrdiff_t n_dim, ptrdiff_t n) {
    int64_t small = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        norm[j] = 0.0;
    for (ptrdiff_t at = 0; at < n_dim * stride; at += stride)
        for (ptrdiff_t j = 0; j < n; j++) {
            double bound = g[at + j] > 0.0 ? lower[at + j] : upper[at + j];
            double size = x[at + j] != bound ? fabs(g[at + j]) : 0.0;
            norm[j] = size > norm[j] ? size : norm[j];
        }
    for (ptrdiff_t j = 0; j < n; j++)
        small |= norm[j] <= gtol[j];
    return small != 0;
}

/* Leaves max |g / scale| at the iterate of every lane in `size`; returns whether one is at most gtol. */
FASTGD_INLINE int fastgd_measure_in_units(fastgd_lanes *lanes, const double *restrict gtol, ptrdiff_t n) {
    double *restrict size = lanes->size;
    int64_t small = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        size[j] = 0.0;
    for (ptrdiff_t at = 0; at < lanes->n_dim * lanes->capacity; at += lanes->capacity) {
        const double *restrict g = lanes->here.g + at, *restrict x = lanes->here.x + at;
        const double *restrict scale = lanes->trust.scale + at;
        for (ptrdiff_t j = 0; j < n; j++) {
            double slope = fabs(g[j]) * fastgd_from_bits(((uint64_t)2046 << 52) - fastgd_bits(scale[j]));
            if (lanes->bounded)
                slope = x[j] != (g[j] > 0.0 ? lanes->lower[at + j] : lanes->upper[at + j]) ? slope : 0.0;
            size[j] = slope > size[j] ? slope : size[j];
        }
    }
    for (ptrdiff_t j = 0; j < n; j++)
        small |= size[j] <= gtol[j];
    return small != 0;
}

/* Leaves max |g| at the iterate of every lane in `norm`, and in `size` that in the units of gtol; returns whether one is at
   most gtol. */
FASTGD_STAGE(int, fastgd_measure_gradients, (fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    const double *gtol = fastgd_limit(lanes, FASTGD_GTOL);
    int small;
    if (lanes->bounded)
        small = fastgd_projected_norms(lanes->norm, lanes->here.g, lanes->here.x, lanes->lower, lanes->upper, gtol,
                                       lanes->capacity, lanes->n_dim, n);
    else
        small = fastgd_free_norms(lanes->norm, lanes->here.g, gtol, lanes->capacity, lanes->n_dim, n);
    if (lanes->gtol_is_absolute)
        return fastgd_measure_in_units(lanes, gtol, n);
    if (lanes->size != lanes->norm)
        memcpy(lanes->size, lanes->norm, n * sizeof(double));
    return small;
}

/* Lists the lanes whose size <= gtol; without a branch, which would be mispredicted in every lane that ends. */
FASTGD_INLINE ptrdiff_t fastgd_list_small(fastgd_lanes *lanes) {
    const double *restrict size = lanes->size, *restrict gtol = fastgd_limit(lanes, FASTGD_GTOL);
    ptrdiff_t *restrict candidates = lanes->candidates;
    ptrdiff_t count = 0, n = lanes->live;
    for (ptrdiff_t j = 0; j < n; j++) {
        candidates[count] = j;
        count += size[j] <= gtol[j];
    }
    return count;
}

/* min(limits - (counts + of_all)) */
FASTGD_INLINE ptrdiff_t fastgd_least_rest(const ptrdiff_t *restrict limits, const ptrdiff_t *restrict counts,
                                          ptrdiff_t of_all, ptrdiff_t n) {
    ptrdiff_t least = PTRDIFF_MAX;
    for (ptrdiff_t j = 0; j < n; j++) {
        ptrdiff_t rest = limits[j] - (counts[j] + of_all);
        least = rest < least ? rest : least;
    }
    return least;
}

/* Sets rounds_left: in a round a lane makes one iteration and `cost` evaluations at most. */
FASTGD_STAGE(void, fastgd_look_ahead, (fastgd_lanes *lanes, ptrdiff_t n), (lanes, n)) {
    ptrdiff_t iterations = fastgd_least_rest(fastgd_count_limit(lanes, FASTGD_MAXITER), lanes->nit,
                                             lanes->nit_of_all + 1, n);
    ptrdiff_t evaluations = fastgd_least_rest(fastgd_count_limit(lanes, FASTGD_MAXFEV), lanes->nfev,
                                              lanes->nfev_of_all, n) / lanes->cost - 1;
    lanes->rounds_left = iterations < evaluations ? iterations : evaluations;
}
#endif
