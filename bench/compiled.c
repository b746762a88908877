/* The sides that bench/compiled.py measures fastgd against, by hand and without a library. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef double PointFunction(int n, double *x);
typedef int BlockKernel(intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride, const double *x,
                        const double *params, double *f, void *user_data);

double rosenbrock(int n, double *x) {
    double sum = 0.0;
    for (int i = 0; i < n - 1; i++) {
        double height = x[i + 1] - x[i] * x[i], along = 1.0 - x[i];
        sum += 100.0 * (height * height) + along * along;
    }
    return sum;
}

/* Nothing but the kernel, on the same block again and again. */
int call_kernel(BlockKernel *kernel, intptr_t n_dim, intptr_t n_points, const double *x, double *f, intptr_t n_calls) {
    int status = 0;
    for (intptr_t k = 0; k < n_calls; k++)
        status |= kernel(n_dim, 0, n_points, n_points, x, NULL, f, NULL);
    return status;
}

/* The power of two nearest to eps^(1/3) max(1, |x|). */
static double rounded_step(double x) {
    double size = fabs(x), step = 0x1.965fea53d6e42p-18 * (size > 1.0 ? size : 1.0);
    uint64_t bits;
    memcpy(&bits, &step, sizeof bits);
    bits = (bits + 0x0008000000000000u) & 0x7FF0000000000000u;
    memcpy(&step, &bits, sizeof step);
    return step;
}

static void gradient(PointFunction *fun, int n, double *x, double *g) {
    for (int i = 0; i < n; i++) {
        double middle = x[i], h = rounded_step(middle);
        x[i] = middle + h;
        double above = fun(n, x);
        x[i] = middle - h;
        double below = fun(n, x);
        x[i] = middle;
        g[i] = (above - below) / (2.0 * h);
    }
}

/* Adam, one problem after another: moves the rows of x (n_problems, n) to where they end, and writes the value and the
   gradient there. */
int adam(PointFunction *fun, int n, intptr_t n_problems, double *all_x, double *values, double *gradients,
         int n_iterations, double rate) {
    const double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
    double *m = malloc(2 * n * sizeof *m), *v = m + n;
    if (m == NULL)
        return 1;
    for (intptr_t problem = 0; problem < n_problems; problem++) {
        double *x = all_x + problem * n, *g = gradients + problem * n;
        double power1 = 1.0, power2 = 1.0;
        memset(m, 0, 2 * n * sizeof *m);
        for (int k = 0; k < n_iterations; k++) {
            gradient(fun, n, x, g);
            power1 *= beta1;
            power2 *= beta2;
            double step = rate / (1.0 - power1), correction = 1.0 / sqrt(1.0 - power2);
            for (int i = 0; i < n; i++) {
                m[i] = m[i] + (1.0 - beta1) * (g[i] - m[i]);
                v[i] = beta2 * v[i] + (1.0 - beta2) * (g[i] * g[i]);
                x[i] = x[i] - step * m[i] / (sqrt(v[i]) * correction + eps);
            }
        }
        gradient(fun, n, x, g);
        values[problem] = fun(n, x);
    }
    free(m);
    return 0;
}
