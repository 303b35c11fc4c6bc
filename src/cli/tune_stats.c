/* SPDX-License-Identifier: MIT */
#include "cli/tune_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* With so many pairs the best and the worst one are left out. */
#define TRIMMED_FROM 5

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

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct tune_interval around(double mean, double half, size_t n)
{
    return (struct tune_interval){exp(mean), exp(mean - half), exp(mean + half), n};
}

/* Mean, and the standard deviation of single values (n > 1). */
static double mean_of(const double *values, size_t n, double *deviation)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    *deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : INFINITY;
    return mean;
}

/* Tukey and McLaughlin: the mean without both ends, and for its error the values with both ends pulled in. */
static struct tune_interval trimmed(double *values, size_t n)
{
    double deviation, unused;
    qsort(values, n, sizeof *values, by_size);
    double mean = mean_of(values + 1, n - 2, &unused);
    values[0] = values[1];
    values[n - 1] = values[n - 2];
    (void)mean_of(values, n, &deviation);
    double error = deviation / ((1 - 2 / (double)n) * sqrt((double)n));
    return around(mean, tune_quantile(n - 3) * error, n);
}

struct tune_interval tune_interval_of(const double *log_ratios, size_t n)
{
    double values[TUNE_MOST_PAIRS], deviation;
    if (n >= TRIMMED_FROM && n <= TUNE_MOST_PAIRS) {
        memcpy(values, log_ratios, n * sizeof *values);
        return trimmed(values, n);
    }
    double mean = mean_of(log_ratios, n, &deviation);
    if (n < 2)
        return around(mean, INFINITY, n);
    return around(mean, tune_quantile(n - 1) * deviation / sqrt((double)n), n);
}
