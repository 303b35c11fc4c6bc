/* SPDX-License-Identifier: MIT */
#include "cli/range.h"

#include "cli/shape_range.h"
#include "json_writer.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INFO AISPIPE_LOG_INFO

struct result {
    size_t index;
    bool ok;
    double throughput;
};

struct comparison {
    struct result *results;
    size_t n;
    size_t succeeded;
    double sum;
    struct aispipe_error first_failure;
};

/* The text of a shape, as long as it may be. NULL: no memory. */
static char *text_of(const struct shape_range *range, size_t index)
{
    size_t length = shape_range_text(range, index, NULL, 0);
    char *text = malloc(length + 1);
    if (text)
        (void)shape_range_text(range, index, text, length + 1);
    return text;
}

static void run_one(const struct range_runner *runner, const char *shape, size_t index,
                    struct comparison *comparison)
{
    struct result *result = &comparison->results[comparison->n++];
    struct aispipe_error why = {0};
    *result = (struct result){.index = index};
    int rc = runner->run(runner->context, index, shape, &result->throughput, &why);
    result->ok = rc == 0;
    if (rc) {
        result->throughput = 0;
        if (!comparison->first_failure.code)
            aispipe_fail(&comparison->first_failure, rc, "%.300s: %.1600s", shape, why.message);
        log_line(runner->log, AISPIPE_LOG_WARNING, "dymshape:%s failed: %s", shape, why.message);
    } else {
        comparison->succeeded++;
        comparison->sum += result->throughput;
    }
    log_line(runner->log, INFO, "dymshape:%s end run result:%s", shape, rc ? "Failed" : "OK");
}

/* Best first; what is equal stays in the order of the runs. */
static int compare(const void *left, const void *right)
{
    const struct result *a = left;
    const struct result *b = right;
    if (a->throughput > b->throughput)
        return -1;
    if (a->throughput < b->throughput)
        return 1;
    return a->index < b->index ? -1 : 1;
}

static void print(const struct comparison *comparison, const struct shape_range *range,
                  const struct aispipe_log *log)
{
    char number[32];
    qsort(comparison->results, comparison->n, sizeof *comparison->results, compare);
    log_line(log, INFO, "-----------------dyshape_range Performance Summary------------------");
    format_double(comparison->succeeded ? comparison->sum / (double)comparison->succeeded : 0, number);
    log_line(log, INFO, "run_count:%zu success_count:%zu avg_throughput:%s", comparison->n,
             comparison->succeeded, number);
    for (size_t i = 0; i < comparison->n; i++) {
        const struct result *result = &comparison->results[i];
        char *shape = text_of(range, result->index);
        format_double(result->throughput, number);
        if (!result->ok)
            (void)snprintf(number, sizeof number, "0");
        log_line(log, INFO, "%zu dymshape:%s  result:%s throughput:%s", i, shape ? shape : "?",
                 result->ok ? "OK" : "Failed", number);
        free(shape);
    }
    log_line(log, INFO, "------------------------------------------------------");
}

static int run_all(const struct shape_range *range, const struct range_runner *runner,
                   struct comparison *comparison, struct aispipe_error *error)
{
    size_t count = shape_range_count(range);
    comparison->results = calloc(count, sizeof *comparison->results);
    if (!comparison->results)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to run %zu shapes", count);
    for (size_t i = 0; i < count && !runner->stopped(runner->context); i++) {
        char *shape = text_of(range, i);
        if (!shape)
            return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to run %zu shapes", count);
        run_one(runner, shape, i, comparison);
        free(shape);
    }
    print(comparison, range, runner->log);
    if (comparison->succeeded == comparison->n)
        return 0;
    return aispipe_fail(error, comparison->first_failure.code, "%zu of %zu shapes failed; the first, %s",
                        comparison->n - comparison->succeeded, comparison->n,
                        comparison->first_failure.message);
}

int range_run(const char *value, const struct range_runner *runner, struct aispipe_error *error)
{
    struct shape_range *range;
    struct comparison comparison = {0};
    int rc = shape_range_read(value, &range, error);
    if (rc)
        return rc;
    rc = run_all(range, runner, &comparison, error);
    free(comparison.results);
    shape_range_free(range);
    return rc;
}
