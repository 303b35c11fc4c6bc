/* SPDX-License-Identifier: MIT */
#include "cli/tune_stats.h"

#include <math.h>

double tune_quantile(size_t freedom)
{
    static const double table[] = {
        12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139,
        2.200985,  2.178813, 2.160369, 2.144787, 2.131450, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963,
    };
    if (freedom <= sizeof table / sizeof *table)
        return table[freedom - 1];
    /* Cornish and Fisher's expansion around the normal distribution's quantile. */
    const double z = 1.959963985, n = (double)freedom;
    double z3 = z * z * z, z5 = z3 * z * z;
    return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n);
}

struct tune_interval tune_interval_of(const double *log_ratios, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += log_ratios[i];
    double mean = sum / (double)n;
    if (n < 2)
        return (struct tune_interval){exp(mean), 0, INFINITY, n};
    for (size_t i = 0; i < n; i++)
        squares += (log_ratios[i] - mean) * (log_ratios[i] - mean);
    double error = sqrt(squares / (double)(n - 1) / (double)n);
    double half = tune_quantile(n - 1) * error;
    return (struct tune_interval){exp(mean), exp(mean - half), exp(mean + half), n};
}
