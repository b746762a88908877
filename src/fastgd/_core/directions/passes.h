/* The passes over what a strip of lanes remembers, which take nearly all the time of a quasi-Newton direction. Included
   once for each width of strips, with

       FASTGD_PASS(name)   the name of a pass for that width
       FASTGD_PACK         a type of so many numbers side by side,
       FASTGD_PACKS        of which so many make a row of the strip

   because compilers do not find vector code for loops over the 8 lanes of a strip inside others. */

/* p = H g and u = H r, of the packed lower triangle H. */
FASTGD_INLINE void FASTGD_PASS(multiply)(const double *H_rows, const double *g_rows, const double *r_rows,
                                         double *p_rows, double *u_rows, ptrdiff_t n) {
    const FASTGD_PACK *restrict H = (const FASTGD_PACK *)H_rows, *restrict g = (const FASTGD_PACK *)g_rows;
    const FASTGD_PACK *restrict r = (const FASTGD_PACK *)r_rows;
    FASTGD_PACK *restrict p = (FASTGD_PACK *)p_rows, *restrict u = (FASTGD_PACK *)u_rows;
    for (ptrdiff_t i = 0; i < n; i++) {
        FASTGD_PACK sum_p[FASTGD_PACKS], sum_u[FASTGD_PACKS], g_i[FASTGD_PACKS], r_i[FASTGD_PACKS];
        for (int k = 0; k < FASTGD_PACKS; k++) {
            g_i[k] = g[i * FASTGD_PACKS + k];
            r_i[k] = r[i * FASTGD_PACKS + k];
            sum_p[k] = sum_u[k] = g_i[k] - g_i[k];
        }
        for (ptrdiff_t j = 0; j < i; j++, H += FASTGD_PACKS)
            for (int k = 0; k < FASTGD_PACKS; k++) {
                sum_p[k] += H[k] * g[j * FASTGD_PACKS + k];
                p[j * FASTGD_PACKS + k] += H[k] * g_i[k];
                sum_u[k] += H[k] * r[j * FASTGD_PACKS + k];
                u[j * FASTGD_PACKS + k] += H[k] * r_i[k];
            }
        for (int k = 0; k < FASTGD_PACKS; k++) {
            p[i * FASTGD_PACKS + k] = sum_p[k] + H[k] * g_i[k];
            u[i * FASTGD_PACKS + k] = sum_u[k] + H[k] * r_i[k];
        }
        H += FASTGD_PACKS;
    }
}

/* H = tau * H + (s w' + w s') */
FASTGD_INLINE void FASTGD_PASS(update)(double *H_rows, const double *tau_row, const double *s_rows,
                                       const double *w_rows, ptrdiff_t n) {
    FASTGD_PACK *restrict H = (FASTGD_PACK *)H_rows;
    const FASTGD_PACK *restrict s = (const FASTGD_PACK *)s_rows, *restrict w = (const FASTGD_PACK *)w_rows;
    FASTGD_PACK tau[FASTGD_PACKS], s_i[FASTGD_PACKS], w_i[FASTGD_PACKS];
    for (int k = 0; k < FASTGD_PACKS; k++)
        tau[k] = ((const FASTGD_PACK *)tau_row)[k];
    for (ptrdiff_t i = 0; i < n; i++) {
        for (int k = 0; k < FASTGD_PACKS; k++) {
            s_i[k] = s[i * FASTGD_PACKS + k];
            w_i[k] = w[i * FASTGD_PACKS + k];
        }
        for (ptrdiff_t j = 0; j <= i; j++, H += FASTGD_PACKS)
            for (int k = 0; k < FASTGD_PACKS; k++)
                H[k] = tau[k] * H[k] + (s_i[k] * w[j * FASTGD_PACKS + k] + w_i[k] * s[j * FASTGD_PACKS + k]);
    }
}

/* sum = sum(a * b, axis=0) */
FASTGD_INLINE void FASTGD_PASS(dot)(double *sum_row, const double *a_rows, const double *b_rows, ptrdiff_t n) {
    const FASTGD_PACK *restrict a = (const FASTGD_PACK *)a_rows, *restrict b = (const FASTGD_PACK *)b_rows;
    FASTGD_PACK sum[FASTGD_PACKS];
    for (int k = 0; k < FASTGD_PACKS; k++)
        sum[k] = a[k] * b[k];
    for (ptrdiff_t i = 1; i < n; i++)
        for (int k = 0; k < FASTGD_PACKS; k++)
            sum[k] += a[i * FASTGD_PACKS + k] * b[i * FASTGD_PACKS + k];
    for (int k = 0; k < FASTGD_PACKS; k++)
        ((FASTGD_PACK *)sum_row)[k] = sum[k];
}

/* p += factor * a */
FASTGD_INLINE void FASTGD_PASS(add)(double *p_rows, const double *factor_row, const double *a_rows, ptrdiff_t n) {
    FASTGD_PACK *restrict p = (FASTGD_PACK *)p_rows;
    const FASTGD_PACK *restrict a = (const FASTGD_PACK *)a_rows;
    FASTGD_PACK factor[FASTGD_PACKS];
    for (int k = 0; k < FASTGD_PACKS; k++)
        factor[k] = ((const FASTGD_PACK *)factor_row)[k];
    for (ptrdiff_t i = 0; i < n; i++)
        for (int k = 0; k < FASTGD_PACKS; k++)
            p[i * FASTGD_PACKS + k] += factor[k] * a[i * FASTGD_PACKS + k];
}
