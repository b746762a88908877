/* Normal numbers from counters instead of a state: whoever needs one computes it from what it is for, in any order and
   in any thread. Philox4x64-10 of J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy
   as 1, 2, 3", SC 2011; the generator of numpy.random.Philox. */
#ifndef FASTGD_PHILOX_H
#define FASTGD_PHILOX_H
#include <math.h>
#include <stdint.h>

/* high * 2^64 + low = a * b */
static inline void fastgd_multiply(uint64_t a, uint64_t b, uint64_t *high, uint64_t *low) {
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    *high = (uint64_t)(product >> 64);
    *low = (uint64_t)product;
#else
    uint64_t a0 = a & 0xFFFFFFFFu, a1 = a >> 32, b0 = b & 0xFFFFFFFFu, b1 = b >> 32;
    uint64_t low_part = a0 * b0;
    uint64_t middle = a1 * b0 + (low_part >> 32);               /* at most (2^32 - 1) 2^32: does not overflow */
    uint64_t other = a0 * b1 + (middle & 0xFFFFFFFFu);
    *high = a1 * b1 + (middle >> 32) + (other >> 32);
    *low = (other << 32) | (low_part & 0xFFFFFFFFu);
#endif
}

static inline void fastgd_philox(const uint64_t key[2], const uint64_t counter[4], uint64_t block[4]) {
    uint64_t key0 = key[0], key1 = key[1], high0, low0, high1, low1;
    uint64_t word0 = counter[0], word1 = counter[1], word2 = counter[2], word3 = counter[3];
    for (int round = 0; round < 10; round++) {
        fastgd_multiply(0xD2E7470EE14C6C93u, word0, &high0, &low0);
        fastgd_multiply(0xCA5A826395121157u, word2, &high1, &low1);
        word0 = high1 ^ word1 ^ key0;
        word1 = low1;
        word2 = high0 ^ word3 ^ key1;
        word3 = low0;
        key0 += 0x9E3779B97F4A7C15u;
        key1 += 0xBB67AE8584CAA73Bu;
    }
    block[0] = word0;
    block[1] = word1;
    block[2] = word2;
    block[3] = word3;
}

/* In (0, 1], so that its logarithm is finite. */
static inline double fastgd_uniform(uint64_t word) {
    return (double)((word >> 11) + 1) * 0x1p-53;
}

/* Two normals from two words each: G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates",
   Annals of Mathematical Statistics 29, 1958, pp. 610-611. Unlike rejection it always takes as many words. */
static inline void fastgd_four_normals(const uint64_t key[2], const uint64_t counter[4], double normals[4]) {
    uint64_t block[4];
    fastgd_philox(key, counter, block);
    for (int pair = 0; pair < 4; pair += 2) {
        double radius = sqrt(-2.0 * log(fastgd_uniform(block[pair])));
        double angle = 6.283185307179586 * fastgd_uniform(block[pair + 1]);
        normals[pair] = radius * cos(angle);
        normals[pair + 1] = radius * sin(angle);
    }
}
#endif
