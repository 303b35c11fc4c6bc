/* SPDX-License-Identifier: MIT */
#include "cli/tune_stats.h"

#include "student_t.h"

#include <math.h>

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
    double half = student_t_95(n - 1) * error;
    return (struct tune_interval){exp(mean), exp(mean - half), exp(mean + half), n};
}
