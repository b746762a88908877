/* Quasi-Newton directions, for strips of lanes side by side.

   What is remembered of the Hessian stands in strips: number k of a strip is that of its lanes, one behind the other. So
   the passes over it read memory in its order, which takes half the time of rows of all lanes. A lane that does not begin
   a search keeps what it has, whatever the others in its strip do. */
#ifndef FASTGD_QUASI_NEWTON_H
#define FASTGD_QUASI_NEWTON_H
#include "memory/lanes.h"

/* The rows of the state of both directions, with a number for every lane; then n_dim rows of the direction d. */
enum {
    FASTGD_QN_SCALE,    /* of d, for the first trial of a search */
    FASTGD_QN_SQUARES,  /* |s|^2 for the last change s of x */
    FASTGD_QN_FRESH,    /* 1 while no curvature is known, so that d is -g; else 0 */
    FASTGD_QN_STRETCH,  /* how many times as far as usual to go first */
    FASTGD_QN_HEAD,     /* of L-BFGS: the slot of the latest pair */
    FASTGD_QN_D
};

/* A pair of changes s and r is used if s r is more than this part of |s| |r| (D.-H. Li, M. Fukushima, SIAM J. Optim. 11,
   2001, skip such updates likewise). */
#define FASTGD_CAUTIOUS 1e-12
/* Products beyond these have no inverse that is a number. */
#define FASTGD_SMALLEST 1e-300
#define FASTGD_LARGEST 1e300
/* After an update that was skipped, because the function bends down, the next search begins so many times as far. */
#define FASTGD_STRETCH 3.0
#define FASTGD_LONGEST_STRETCH 1e8
/* A direction must lead down by more than this part of |d| max |g|. */
#define FASTGD_DOWNWARDS 1e-14

#if defined(__GNUC__)
typedef double fastgd_pack __attribute__((vector_size(32), aligned(8), may_alias));
#else
typedef double fastgd_pack;
#endif

#define FASTGD_PASS(name) fastgd_##name##_of_8
#define FASTGD_PACK fastgd_pack
#define FASTGD_PACKS ((int)(FASTGD_STRIP * sizeof(double) / sizeof(fastgd_pack)))
#include "directions/passes.h"
#undef FASTGD_PASS
#undef FASTGD_PACK
#undef FASTGD_PACKS
#define FASTGD_PASS(name) fastgd_##name##_of_1
#define FASTGD_PACK double
#define FASTGD_PACKS 1
#include "directions/passes.h"
#undef FASTGD_PASS
#undef FASTGD_PACK
#undef FASTGD_PACKS

/* Calls a pass for strips of w lanes. */
#define FASTGD_CALL_PASS(name, ...) (w == 1 ? fastgd_##name##_of_1(__VA_ARGS__) : fastgd_##name##_of_8(__VA_ARGS__))

/* What is computed of a strip: n_dim numbers for each of its lanes. */
typedef struct {
    double *s, *r, *g, *p, *u;  /* changes of x and g; g; H g; H r */
    double *free;               /* 0 where a bound holds the coordinate, else 1 */
    double *products;           /* of L-BFGS: one for every pair */
} fastgd_strip;

/* The last steps of a strip's lanes. */
typedef struct {
    ptrdiff_t begins[FASTGD_STRIP];  /* a search */
    ptrdiff_t used[FASTGD_STRIP];    /* whether s and r are an update */
    double sr[FASTGD_STRIP], ss[FASTGD_STRIP], rr[FASTGD_STRIP];
} fastgd_pair;

/* s, r and g of a strip that begins at lane `o`, and their products; inside bounds with 0 in the coordinates that a bound
   holds. Marks the pairs that can be used. */
FASTGD_INLINE void fastgd_measure_pair(const fastgd_lanes *lanes, double *state, fastgd_strip *strip, fastgd_pair *pair,
                                       const ptrdiff_t *begins, ptrdiff_t o, ptrdiff_t n_lanes, const int w) {
    ptrdiff_t stride = lanes->capacity, n = lanes->n_dim;
    const double *level = lanes->trust.level + o;
    double moved[FASTGD_STRIP];
    for (ptrdiff_t i = 0; i < n; i++) {
        const double *x = lanes->here.x + i * stride + o, *x_before = lanes->trial.x + i * stride + o;
        const double *g = lanes->here.g + i * stride + o, *g_before = lanes->trial.g + i * stride + o;
        double *s = strip->s + i * w, *r = strip->r + i * w, *free_g = strip->g + i * w;
        for (int l = 0; l < w; l++) {
            s[l] = x[l] - x_before[l];
            r[l] = (g[l] - g_before[l]) * level[l];
            free_g[l] = g[l] * level[l];
        }
    }
    FASTGD_CALL_PASS(dot, moved, strip->s, strip->s, n);
    if (lanes->bounded)
        for (ptrdiff_t i = 0; i < n; i++) {
            const double *x = lanes->here.x + i * stride + o, *g = lanes->here.g + i * stride + o;
            double *s = strip->s + i * w, *r = strip->r + i * w, *free_g = strip->g + i * w;
            const double *lower = lanes->lower + i * stride + o, *upper = lanes->upper + i * stride + o;
            for (int l = 0; l < w; l++) {
                int held = ((x[l] <= lower[l]) & (g[l] > 0.0)) | ((x[l] >= upper[l]) & (g[l] < 0.0));
                strip->free[i * w + l] = held ? 0.0 : 1.0;
                s[l] = held ? 0.0 : s[l];
                r[l] = held ? 0.0 : r[l];
                free_g[l] = held ? 0.0 : free_g[l];
            }
        }
    FASTGD_CALL_PASS(dot, pair->sr, strip->s, strip->r, n);
    FASTGD_CALL_PASS(dot, pair->ss, strip->s, strip->s, n);
    FASTGD_CALL_PASS(dot, pair->rr, strip->r, strip->r, n);
    for (int l = 0; l < w; l++) {
        pair->begins[l] = l < n_lanes && begins[o + l];
        pair->used[l] = pair->begins[l] & (lanes->nit[o + l] + lanes->nit_of_all > 0) & (pair->sr[l] > 0.0)
            & (pair->sr[l] > FASTGD_CAUTIOUS * sqrt(pair->ss[l] * pair->rr[l]))
            & (pair->sr[l] > FASTGD_SMALLEST) & (pair->rr[l] > FASTGD_SMALLEST) & (pair->rr[l] < FASTGD_LARGEST);
        if (pair->begins[l])
            state[FASTGD_QN_SQUARES * stride + o + l] = moved[l];
    }
}

/* |g|, whose square may be beyond all numbers, of n numbers that are `stride` apart. */
FASTGD_INLINE double fastgd_length(const double *g, ptrdiff_t n, ptrdiff_t stride) {
    double largest = 0.0, total = 0.0;
    for (ptrdiff_t i = 0; i < n; i++)
        largest = fastgd_larger(largest, fabs(g[i * stride]));
    for (ptrdiff_t i = 0; i < n; i++)
        total += (g[i * stride] / largest) * (g[i * stride] / largest);
    return largest * sqrt(total);
}

/* Stores d = -p where a curvature is known and -g elsewhere; and how far to go first, along -g a length of 1. What does not
   lead down is replaced by -g. */
FASTGD_INLINE void fastgd_set_directions(const fastgd_lanes *lanes, double *state, const fastgd_strip *strip,
                                         const fastgd_pair *pair, ptrdiff_t o, const int w) {
    ptrdiff_t stride = lanes->capacity, n = lanes->n_dim;
    double *scale = state + FASTGD_QN_SCALE * stride + o, *fresh = state + FASTGD_QN_FRESH * stride + o;
    double *stretch = state + FASTGD_QN_STRETCH * stride + o, *d = state + FASTGD_QN_D * stride + o;
    double slope[FASTGD_STRIP], dd[FASTGD_STRIP];
    int64_t down[FASTGD_STRIP];
    if (lanes->bounded)
        for (ptrdiff_t k = 0; k < n * w; k++)
            strip->p[k] = strip->free[k] != 0.0 ? strip->p[k] : 0.0;
    FASTGD_CALL_PASS(dot, slope, strip->p, strip->g, n);
    FASTGD_CALL_PASS(dot, dd, strip->p, strip->p, n);
    for (int l = 0; l < w; l++) {
        int is_start = lanes->nit[o + l] + lanes->nit_of_all == 0;
        int64_t known = pair->used[l] | ((fresh[l] == 0.0) & !is_start);
        down[l] = known & (slope[l] > FASTGD_DOWNWARDS * sqrt(dd[l]) * (lanes->norm[o + l] * lanes->trust.level[o + l]));
        if (!pair->begins[l])
            continue;
        stretch[l] = pair->used[l] | is_start | (known & !down[l]) ? 1.0
            : fastgd_smaller(FASTGD_STRETCH * stretch[l], FASTGD_LONGEST_STRETCH);
        fresh[l] = down[l] ? 0.0 : 1.0;
        scale[l] = stretch[l] * (down[l] ? 1.0 : fastgd_smaller(1.0 / fastgd_length(strip->g + l, n, w), FASTGD_LARGEST));
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        const double *p = strip->p + i * w, *g = strip->g + i * w;
        double *row = d + i * stride;
        for (int l = 0; l < w; l++) {
            double step = down[l] ? p[l] : g[l];
            row[l] = pair->begins[l] ? -step : row[l];
        }
    }
}

/* The update of a strip, for an inverse Hessian that is scaled upwards first, H *= max(1, s r / r H r) (S. S. Oren, D. G.
   Luenberger, Management Science 20, 1974, scale both ways):

       H = H + (s w' + w s'),  w = (r H r / (s r)^2 + 1 / (s r)) / 2 s - H r / (s r)

   and p = H g with the new H, without another pass. */
FASTGD_INLINE void fastgd_bfgs_of_strip(const fastgd_lanes *lanes, double *state, fastgd_strip *strip,
                                        const ptrdiff_t *begins, ptrdiff_t o, ptrdiff_t n_lanes, const int w) {
    ptrdiff_t stride = lanes->capacity, n = lanes->n_dim;
    double *H = fastgd_in_strip(lanes, o, 0), *fresh = state + FASTGD_QN_FRESH * stride + o;
    double *s = strip->s, *r = strip->r, *g = strip->g, *p = strip->p, *u = strip->u;
    fastgd_pair pair;
    double rhr[FASTGD_STRIP], tau[FASTGD_STRIP], inverse[FASTGD_STRIP], half[FASTGD_STRIP], gamma[FASTGD_STRIP];
    double wg[FASTGD_STRIP], sg[FASTGD_STRIP];
    int64_t first[FASTGD_STRIP], any_first = 0;
    fastgd_measure_pair(lanes, state, strip, &pair, begins, o, n_lanes, w);
    for (int l = 0; l < w; l++) {
        first[l] = pair.used[l] & (fresh[l] != 0.0);
        any_first |= first[l];
        gamma[l] = pair.sr[l] / pair.rr[l];
    }
    if (any_first) {
        double *entry = H;
        for (ptrdiff_t i = 0; i < n; i++)
            for (ptrdiff_t j = 0; j <= i; j++, entry += w)
                for (int l = 0; l < w; l++)
                    entry[l] = first[l] ? (i == j ? gamma[l] : 0.0) : entry[l];
    }
    FASTGD_CALL_PASS(multiply, H, g, r, p, u, n);
    FASTGD_CALL_PASS(dot, rhr, r, u, n);
    for (int l = 0; l < w; l++) {
        double ratio = pair.sr[l] / rhr[l];
        tau[l] = pair.used[l] & (ratio > 1.0) & (ratio < 1e100) ? ratio : 1.0;
        inverse[l] = pair.used[l] ? 1.0 / pair.sr[l] : 0.0;
        half[l] = pair.used[l] ? 0.5 * (inverse[l] * inverse[l] * (tau[l] * rhr[l]) + inverse[l]) : 0.0;
    }
    for (ptrdiff_t i = 0; i < n; i++)
        for (int l = 0; l < w; l++) {
            ptrdiff_t k = i * w + l;
            p[k] *= tau[l];
            s[k] = pair.used[l] ? s[k] : 0.0;
            u[k] = pair.used[l] ? half[l] * s[k] - inverse[l] * (tau[l] * u[k]) : 0.0;  /* w */
        }
    FASTGD_CALL_PASS(dot, wg, u, g, n);
    FASTGD_CALL_PASS(dot, sg, s, g, n);
    FASTGD_CALL_PASS(update, H, tau, s, u, n);
    FASTGD_CALL_PASS(add, p, wg, s, n);
    FASTGD_CALL_PASS(add, p, sg, u, n);
    fastgd_set_directions(lanes, state, strip, &pair, o, w);
}

/* Calls that function for every strip in which a lane begins a search, with the number of lanes in a strip as a constant. */
#define FASTGD_FOR_EACH_STRIP(of_strip) \
    for (ptrdiff_t o = 0; o < n; o += lanes->strip) { \
        ptrdiff_t any = 0, n_lanes = n - o < lanes->strip ? n - o : lanes->strip; \
        for (ptrdiff_t l = 0; l < n_lanes; l++) \
            any |= begins[o + l]; \
        if (!any) \
            continue; \
        if (lanes->strip == 1) \
            of_strip(lanes, state, strip, begins, o, n_lanes, 1); \
        else \
            of_strip(lanes, state, strip, begins, o, n_lanes, FASTGD_STRIP); \
    }

FASTGD_STAGE(void, fastgd_bfgs_turn,
             (const fastgd_lanes *lanes, double *state, fastgd_strip *strip, const ptrdiff_t *begins, ptrdiff_t n),
             (lanes, state, strip, begins, n)) {
    FASTGD_FOR_EACH_STRIP(fastgd_bfgs_of_strip)
}

/* L-BFGS: the numbers of a lane in the strips are pairs s and r in slots, a ring, then 1 / (s r) for each slot, then the
   factor of the first matrix, s r / |r|^2 of the latest pair. A slot without a pair is all 0. */
FASTGD_INLINE double *fastgd_slot(double *pairs, ptrdiff_t slot, ptrdiff_t n, const int w) {
    return pairs + slot * 2 * n * w;
}

/* The slot of a pair that is `age` pairs older than the latest. */
FASTGD_INLINE ptrdiff_t fastgd_older(ptrdiff_t head, ptrdiff_t age, ptrdiff_t memory) {
    return head >= age ? head - age : head - age + memory;
}

/* Puts the pairs of lanes at an iterate into the next slot of each; pairs that are not used as 0. Lanes whose problems
   end here and those with new ones do the same, so that the lanes of a strip nearly always stay at the same slot. */
FASTGD_INLINE void fastgd_push(const fastgd_lanes *lanes, double *state, const fastgd_strip *strip,
                               const fastgd_pair *pair, ptrdiff_t memory, ptrdiff_t o, ptrdiff_t n_lanes,
                               const int w) {
    ptrdiff_t n = lanes->n_dim, others = 0;
    ptrdiff_t *head = (ptrdiff_t *)(state + FASTGD_QN_HEAD * lanes->capacity) + o;
    double *pairs = fastgd_in_strip(lanes, o, 0), *inverse = fastgd_slot(pairs, memory, n, w);
    double *gamma = inverse + memory * w;
    for (int l = 0; l < w; l++) {
        int at_iterate = l < n_lanes && lanes->phase[o + l] == 0;
        if (at_iterate) {
            head[l] = head[l] + 1 < memory ? head[l] + 1 : 0;
            inverse[head[l] * w + l] = pair->used[l] ? 1.0 / pair->sr[l] : 0.0;
        }
        gamma[l] = pair->used[l] ? pair->sr[l] / pair->rr[l] : gamma[l];
        others |= !at_iterate | (head[l] ^ head[0]);
    }
    if (!others) {
        double *s = fastgd_slot(pairs, head[0], n, w), *r = s + n * w;
        for (ptrdiff_t i = 0; i < n; i++)
            for (int l = 0; l < w; l++) {
                s[i * w + l] = pair->used[l] ? strip->s[i * w + l] : 0.0;
                r[i * w + l] = pair->used[l] ? strip->r[i * w + l] : 0.0;
            }
        return;
    }
    for (int l = 0; l < w; l++) {
        double *s = fastgd_slot(pairs, head[l], n, w) + l, *r = s + n * w;
        if (l < n_lanes && lanes->phase[o + l] == 0)
            for (ptrdiff_t i = 0; i < n; i++) {
                s[i * w] = pair->used[l] ? strip->s[i * w + l] : 0.0;
                r[i * w] = pair->used[l] ? strip->r[i * w + l] : 0.0;
            }
    }
}

/* p = H g by the two loops over the pairs of every lane (J. Nocedal, Mathematics of Computation 35, 1980). With `alike`
   the latest pairs of all lanes are in the same slot. */
FASTGD_INLINE void fastgd_two_loops(const fastgd_lanes *lanes, const ptrdiff_t *head, fastgd_strip *strip,
                                    ptrdiff_t memory, ptrdiff_t o, const int alike, const int w) {
    ptrdiff_t n = lanes->n_dim, at[FASTGD_STRIP];
    double *pairs = fastgd_in_strip(lanes, o, 0), *inverse = fastgd_slot(pairs, memory, n, w);
    double *p = strip->p, *gamma = inverse + memory * w, sum[FASTGD_STRIP];
    for (ptrdiff_t k = 0; k < n * w; k++)
        p[k] = strip->g[k];
    for (ptrdiff_t step = 0; step < 2 * memory; step++) {
        ptrdiff_t age = step < memory ? step : 2 * memory - 1 - step;
        ptrdiff_t first = fastgd_older(head[0], age, memory);
        double *product = strip->products + age * w, any = 0.0;
        if (step == memory)
            for (ptrdiff_t i = 0; i < n; i++)
                for (int l = 0; l < w; l++)
                    p[i * w + l] *= gamma[l];
        for (int l = 0; l < w; l++) {
            ptrdiff_t slot = alike ? first : fastgd_older(head[l], age, memory);
            at[l] = slot * 2 * n * w + l;
            any += inverse[slot * w + l];
        }
        if (any == 0.0)
            continue;  /* no lane has so many pairs */
        double *s = pairs, *r = pairs + n * w;
        if (alike) {
            s += first * 2 * n * w;
            r += first * 2 * n * w;
        }
        const double *dotted = step < memory ? s : r, *added = step < memory ? r : s;
        if (alike)
            FASTGD_CALL_PASS(dot, sum, dotted, p, n);
        else
            for (int l = 0; l < w; l++) {
                sum[l] = dotted[at[l]] * p[l];
                for (ptrdiff_t i = 1; i < n; i++)
                    sum[l] += dotted[at[l] + i * w] * p[i * w + l];
            }
        for (int l = 0; l < w; l++) {
            double by_slot = inverse[(alike ? first : at[l] / (2 * n * w)) * w + l] * sum[l];
            sum[l] = step < memory ? -by_slot : product[l] - by_slot;
            if (step < memory)
                product[l] = by_slot;
        }
        if (alike)
            FASTGD_CALL_PASS(add, p, sum, added, n);
        else
            for (ptrdiff_t i = 0; i < n; i++)
                for (int l = 0; l < w; l++)
                    p[i * w + l] += sum[l] * added[at[l] + i * w];
    }
}

FASTGD_INLINE void fastgd_lbfgs_of_strip(const fastgd_lanes *lanes, double *state, fastgd_strip *strip,
                                         const ptrdiff_t *begins, ptrdiff_t o, ptrdiff_t n_lanes, const int w) {
    ptrdiff_t memory = (lanes->n_strip_rows - 1) / (2 * lanes->n_dim + 1), others = 0;
    const ptrdiff_t *head = (const ptrdiff_t *)(state + FASTGD_QN_HEAD * lanes->capacity) + o;
    fastgd_pair pair;
    double *fresh = state + FASTGD_QN_FRESH * lanes->capacity + o, was_fresh[FASTGD_STRIP];
    for (int l = 0; l < w; l++)
        was_fresh[l] = fresh[l];
    fastgd_measure_pair(lanes, state, strip, &pair, begins, o, n_lanes, w);
    fastgd_push(lanes, state, strip, &pair, memory, o, n_lanes, w);
    for (ptrdiff_t l = 1; l < n_lanes; l++)
        others |= head[l] ^ head[0];
    if (others)
        fastgd_two_loops(lanes, head, strip, memory, o, 0, w);
    else
        fastgd_two_loops(lanes, head, strip, memory, o, 1, w);
    fastgd_set_directions(lanes, state, strip, &pair, o, w);
    for (ptrdiff_t l = 0; l < n_lanes; l++)
        if (pair.begins[l] && fresh[l] != 0.0 && (pair.used[l] || was_fresh[l] == 0.0))
            for (ptrdiff_t row = 0; row < lanes->n_strip_rows; row++)  /* a lane whose pairs did not lead down forgets them */
                *fastgd_in_strip(lanes, o + l, row) = 0.0;
}

FASTGD_STAGE(void, fastgd_lbfgs_turn,
             (const fastgd_lanes *lanes, double *state, fastgd_strip *strip, const ptrdiff_t *begins, ptrdiff_t n),
             (lanes, state, strip, begins, n)) {
    FASTGD_FOR_EACH_STRIP(fastgd_lbfgs_of_strip)
}
#endif
