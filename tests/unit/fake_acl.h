/* SPDX-License-Identifier: MIT */
/**
 * @file fake_acl.h
 * A libascendcl that does next to nothing, for the unit test of the backend: it counts what is alive, notes
 * releases in the wrong order, and lets one call fail. "Devices" are host memory; an execution hands each
 * output the complement of input 0, repeated. What a model is like stands in the first letter of its file:
 * s static, b batch gears, h image size gears, d dimension gears, o open dimensions, a dynamic AIPP, c an
 * output of a type that aispipe lacks.
 */
#ifndef AISPIPE_TESTS_FAKE_ACL_H
#define AISPIPE_TESTS_FAKE_ACL_H

#include <stdbool.h>

struct fake_acl {
    unsigned calls;           /**< so far */
    unsigned fail_at;         /**< this call fails with `code`; 0: none */
    const char *fail_in;      /**< or every call of this function */
    int code;                 /**< 0 counts as 500000 */
    const char *failed_in;    /**< the function in which a call has failed */
    bool initialised_already; /**< aclInit finds that somebody else was first */
    char given[256];          /**< what aclInit was given */
    unsigned inits, finalizes, sets, resets, loads, loads_with_memory;
    int devices, contexts, streams, models, descriptions, datasets, buffers, memory, pinned,
        aipps;              /**< alive */
    const void *weights[8]; /**< that models were loaded with */
    char misuse[256];       /**< the first wrong thing that was done */
};

/** The one of this library; reset it by assignment. */
struct fake_acl *fake_acl(void);

#endif
