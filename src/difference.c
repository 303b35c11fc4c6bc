/* SPDX-License-Identifier: MIT */
#include "difference.h"

#include <math.h>

static bool same(double value, double reference)
{
    return value == reference || (isnan(value) && isnan(reference));
}

static void add_pair(struct difference *difference, double value, double reference)
{
    /* The difference of two finite doubles may be infinite: then it is what it is. */
    double off = fabs(value - reference);
    difference->finite++;
    difference->sum_abs += off;
    difference->dot += (long double)value * reference;
    difference->square += (long double)value * value;
    difference->reference_square += (long double)reference * reference;
    if (off > difference->max_abs)
        difference->max_abs = off;
    if (reference != 0 && off / fabs(reference) > difference->max_rel)
        difference->max_rel = off / fabs(reference);
}

void difference_add(struct difference *difference, const double *values, const double *reference,
                    size_t count)
{
    difference->count += count;
    for (size_t i = 0; i < count; i++) {
        if (isfinite(values[i]) && isfinite(reference[i]))
            add_pair(difference, values[i], reference[i]);
        else if (!same(values[i], reference[i]))
            difference->unlike++;
    }
}

void difference_merge(struct difference *into, const struct difference *from)
{
    into->count += from->count;
    into->unlike += from->unlike;
    into->finite += from->finite;
    into->max_abs = fmax(into->max_abs, from->max_abs);
    into->max_rel = fmax(into->max_rel, from->max_rel);
    into->sum_abs += from->sum_abs;
    into->dot += from->dot;
    into->square += from->square;
    into->reference_square += from->reference_square;
}

double difference_cosine(const struct difference *difference)
{
    if (difference->max_abs == 0)
        return 1; /* exactly, whatever the rounding; also of zeros, and of nothing */
    if (difference->square == 0 || difference->reference_square == 0)
        return 0;
    /* Two roots: the product of the squares could leave the range. */
    double cosine =
        (double)(difference->dot / (sqrtl(difference->square) * sqrtl(difference->reference_square)));
    return fmin(1, fmax(-1, cosine));
}

double difference_mean_abs(const struct difference *difference)
{
    return difference->finite ? (double)(difference->sum_abs / (long double)difference->finite) : 0;
}
