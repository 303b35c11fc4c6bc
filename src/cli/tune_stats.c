/* SPDX-License-Identifier: MIT */
#include "cli/tune_stats.h"

#include "student_t.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* With so many pairs the best and the worst one are left out. */
#define TRIMMED_FROM 5

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double tune_median(const double *values, size_t n)
{
    double sorted[TUNE_PAIRS_MOST];
    if (!n)
        return 0;
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_size);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
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
    return around(mean, student_t_95(n - 3) * error, n);
}

struct tune_interval tune_interval_of(const double *log_ratios, size_t n)
{
    double values[TUNE_PAIRS_MOST], deviation;
    if (n >= TRIMMED_FROM && n <= TUNE_PAIRS_MOST) {
        memcpy(values, log_ratios, n * sizeof *values);
        return trimmed(values, n);
    }
    double mean = mean_of(log_ratios, n, &deviation);
    if (n < 2)
        return around(mean, INFINITY, n);
    return around(mean, student_t_95(n - 1) * deviation / sqrt((double)n), n);
}
