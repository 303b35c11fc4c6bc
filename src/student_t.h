/* SPDX-License-Identifier: MIT */
/** @file student_t.h How far a mean of few values may be from the truth. */
#ifndef AISPIPE_STUDENT_T_H
#define AISPIPE_STUDENT_T_H

#include <stddef.h>

/** The 97.5 % quantile of Student's t, so that ± it, times the standard error, holds 95 %; `freedom` ≥ 1.
 * Within 0.02 %: a table up to 20, above it the expansion in Abramowitz and Stegun, 26.7.5. */
double student_t_95(size_t freedom);

#endif
