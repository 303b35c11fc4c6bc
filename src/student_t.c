/* SPDX-License-Identifier: MIT */
#include "student_t.h"

double student_t_95(size_t freedom)
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
