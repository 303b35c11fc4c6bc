/* SPDX-License-Identifier: MIT */
/* `aispipe compare`: results beside a reference, file by file. */
#include "cli/check.h"
#include "cli/commands.h"
#include "cli/compare_pairs.h"
#include "cli/run.h"
#include "difference.h"
#include "io/npy.h"
#include "io/result_file.h"
#include "json_writer.h"
#include "numbers.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEAST_COSINE 0.999 /* as command_table.c says */
#define BLOCK 1024

/* One pair of files. */
struct verdict {
    bool match;
    bool compared;     /* `difference` and what follows it are set */
    char reason[2304]; /* why they do not match; "" where they do */
    struct difference difference;
    enum aispipe_dtype dtype[2];
};

struct comparison {
    const struct compare_options *options;
    struct json_writer *json; /* NULL: lines */
    size_t match, mismatch;
    size_t only[2];  /* of the mismatches: those that one side lacks */
    size_t compared; /* those that have figures */
    double least_cosine;
    struct difference all;
};

static int refuse(const struct console *console, const char *path, const char *why)
{
    struct aispipe_error error;
    struct shown shown;
    (void)aispipe_fail(&error, AISPIPE_INVALID, "compare: '%s': %s", show(&shown, path), why);
    console_error(console, error.message);
    return EXIT_REFUSED;
}

/* ------------------------------------------------------------------ two files */

static void mismatch(struct verdict *verdict, const char *format, ...) AISPIPE_PRINTF(2, 3);
static void mismatch(struct verdict *verdict, const char *format, ...)
{
    size_t used = strlen(verdict->reason);
    va_list arguments;
    if (used && used + 2 < sizeof verdict->reason) {
        memcpy(verdict->reason + used, ", ", 3);
        used += 2;
    }
    va_start(arguments, format);
    (void)vsnprintf(verdict->reason + used, sizeof verdict->reason - used, format, arguments);
    va_end(arguments);
    verdict->match = false;
}

static enum aispipe_dtype dtype_named(const char *name)
{
    for (int dtype = 0; dtype <= AISPIPE_BFLOAT16; dtype++)
        if (strcmp(aispipe_dtype_name((enum aispipe_dtype)dtype), name) == 0)
            return (enum aispipe_dtype)dtype;
    return AISPIPE_DTYPE_UNDEFINED;
}

/* Raw files say nothing about their type: it is what the user says, or that of the array beside it. */
static void settle_dtype(const struct compare_options *options, struct result_file *file,
                         const struct result_file *other)
{
    if (file->dtype != AISPIPE_DTYPE_UNDEFINED)
        return;
    file->dtype = dtype_named(options->dtype);
    if (file->dtype == AISPIPE_DTYPE_UNDEFINED && other->has_shape)
        file->dtype = other->dtype;
    if (file->dtype == AISPIPE_DTYPE_UNDEFINED)
        file->dtype = AISPIPE_FLOAT32;
}

static bool same_shape(const struct result_file *left, const struct result_file *right)
{
    if (!left->has_shape || !right->has_shape)
        return true;
    return left->rank == right->rank &&
           memcmp(left->dims, right->dims, (size_t)left->rank * sizeof left->dims[0]) == 0;
}

/* Whether values can be put beside values; otherwise why not. */
static bool comparable(const struct result_file files[2], struct verdict *verdict)
{
    size_t counts[2];
    for (int side = 0; side < 2; side++) {
        size_t item = aispipe_dtype_size(files[side].dtype);
        counts[side] = files[side].bytes / item;
        if (files[side].bytes % item) {
            mismatch(verdict, "%zu bytes of %s are no whole number of %s values (--dtype)", files[side].bytes,
                     side ? "B" : "A", aispipe_dtype_name(files[side].dtype));
            return false;
        }
    }
    if (!same_shape(&files[0], &files[1])) {
        char shapes[2][512];
        for (int side = 0; side < 2; side++)
            npy_format_shape(files[side].rank, files[side].dims, shapes[side], sizeof shapes[side]);
        mismatch(verdict, "its shape is %s, the reference's %s", shapes[0], shapes[1]);
        return false;
    }
    if (counts[0] != counts[1])
        mismatch(verdict, "it holds %zu values, the reference %zu", counts[0], counts[1]);
    return counts[0] == counts[1];
}

static void gather(const struct result_file files[2], struct difference *difference)
{
    double values[2][BLOCK];
    size_t item[2] = {aispipe_dtype_size(files[0].dtype), aispipe_dtype_size(files[1].dtype)};
    size_t count = files[0].bytes / item[0];
    for (size_t at = 0; at < count; at += BLOCK) {
        size_t n = count - at < BLOCK ? count - at : BLOCK;
        for (int side = 0; side < 2; side++)
            numbers_to_double(files[side].dtype, (const char *)files[side].data + at * item[side], n,
                              values[side]);
        difference_add(difference, values[0], values[1], n);
    }
}

static void check_most(struct verdict *verdict, const char *what, double value, double most)
{
    char texts[2][32];
    if (isnan(most) || value <= most)
        return;
    format_double(value, texts[0]);
    format_double(most, texts[1]);
    mismatch(verdict, "%s %s is above %s", what, texts[0], texts[1]);
}

static void judge(const struct compare_options *options, struct verdict *verdict)
{
    const struct difference *difference = &verdict->difference;
    double least = isnan(options->min_cosine) ? LEAST_COSINE : options->min_cosine;
    double cosine = difference_cosine(difference);
    if (difference->unlike)
        mismatch(verdict, "%llu values are NaN or infinite in one of the two only",
                 (unsigned long long)difference->unlike);
    if (cosine < least) {
        char texts[2][32];
        format_double(cosine, texts[0]);
        format_double(least, texts[1]);
        mismatch(verdict, "cosine %s is below %s", texts[0], texts[1]);
    }
    check_most(verdict, "max_abs_error", difference->max_abs, options->max_abs);
    check_most(verdict, "max_rel_error", difference->max_rel, options->max_rel);
    check_most(verdict, "mean_abs_error", difference_mean_abs(difference), options->mean_abs);
}

static void compare_open(const struct compare_options *options, struct result_file files[2],
                         struct verdict *verdict)
{
    settle_dtype(options, &files[0], &files[1]);
    settle_dtype(options, &files[1], &files[0]);
    if (!comparable(files, verdict))
        return;
    verdict->compared = true;
    verdict->dtype[0] = files[0].dtype;
    verdict->dtype[1] = files[1].dtype;
    gather(files, &verdict->difference);
    judge(options, verdict);
}

static void compare_files(const struct compare_options *options, const char *const paths[2],
                          struct verdict *verdict)
{
    struct aispipe_error why;
    struct result_file files[2] = {{.data = NULL}};
    *verdict = (struct verdict){.match = true};
    for (int side = 0; side < 2; side++) {
        if (!result_file_read(paths[side], &files[side], &why))
            continue;
        mismatch(verdict, "%s", why.message);
        files[side].data = NULL;
    }
    if (verdict->match)
        compare_open(options, files, verdict);
    result_file_free(&files[0]);
    result_file_free(&files[1]);
}

/* ------------------------------------------------------------------ printing */

struct figures {
    char cosine[32], max_abs[32], max_rel[32], mean_abs[32];
};

static void format_figures(const struct difference *difference, double cosine, struct figures *figures)
{
    format_double(cosine, figures->cosine);
    format_double(difference->max_abs, figures->max_abs);
    format_double(difference->max_rel, figures->max_rel);
    format_double(difference_mean_abs(difference), figures->mean_abs);
}

static void print_verdict(const char *name, const struct verdict *verdict)
{
    struct shown shown;
    struct figures figures;
    (void)printf("[INFO] %s: %s%s%s", show(&shown, name), verdict->match ? "match" : "mismatch",
                 *verdict->reason ? ": " : "", verdict->reason);
    if (verdict->compared) {
        const char *types[2] = {aispipe_dtype_name(verdict->dtype[0]), aispipe_dtype_name(verdict->dtype[1])};
        bool same = verdict->dtype[0] == verdict->dtype[1];
        format_figures(&verdict->difference, difference_cosine(&verdict->difference), &figures);
        (void)printf("; cosine:%s max_abs_error:%s max_rel_error:%s mean_abs_error:%s values:%llu %s%s%s",
                     figures.cosine, figures.max_abs, figures.max_rel, figures.mean_abs,
                     (unsigned long long)verdict->difference.count, types[0], same ? "" : " against ",
                     same ? "" : types[1]);
    }
    (void)fputc('\n', stdout);
}

/* JSON has no infinity. */
static void write_number(struct json_writer *json, const char *key, double value)
{
    json_key(json, key);
    if (isfinite(value))
        json_double(json, value);
    else
        json_string(json, "inf");
}

static void write_figures(struct json_writer *json, const struct difference *difference, double cosine)
{
    write_number(json, "cosine", cosine);
    write_number(json, "max_abs_error", difference->max_abs);
    write_number(json, "max_rel_error", difference->max_rel);
    write_number(json, "mean_abs_error", difference_mean_abs(difference));
    json_member_uint(json, "values", difference->count);
}

static void write_match(struct json_writer *json, bool match)
{
    json_member_string(json, "verdict", match ? "match" : "mismatch");
}

static void write_verdict(struct json_writer *json, const char *name, const struct verdict *verdict)
{
    json_open(json, '{');
    json_member_string(json, "name", name);
    write_match(json, verdict->match);
    if (*verdict->reason) {
        json_member_string(json, "reason", verdict->reason);
    }
    if (verdict->compared) {
        write_figures(json, &verdict->difference, difference_cosine(&verdict->difference));
        json_member_string(json, "dtype", aispipe_dtype_name(verdict->dtype[0]));
        json_member_string(json, "reference_dtype", aispipe_dtype_name(verdict->dtype[1]));
    }
    json_close(json, '}');
}

static void settle(struct comparison *comparison, const char *name, const struct verdict *verdict)
{
    if (comparison->json)
        write_verdict(comparison->json, name, verdict);
    else
        print_verdict(name, verdict);
    if (verdict->match)
        comparison->match++;
    else
        comparison->mismatch++;
    if (!verdict->compared)
        return;
    comparison->compared++;
    comparison->least_cosine = fmin(comparison->least_cosine, difference_cosine(&verdict->difference));
    difference_merge(&comparison->all, &verdict->difference);
}

static void print_overall(const struct comparison *comparison)
{
    struct figures figures;
    format_figures(&comparison->all, comparison->least_cosine, &figures);
    (void)printf("[INFO] overall: %s; files:%zu match:%zu mismatch:%zu only_in_A:%zu only_in_B:%zu\n",
                 comparison->mismatch ? "mismatch" : "match", comparison->match + comparison->mismatch,
                 comparison->match, comparison->mismatch, comparison->only[0], comparison->only[1]);
    if (!comparison->compared)
        return;
    (void)printf(
        "[INFO] overall: least cosine:%s max_abs_error:%s max_rel_error:%s mean_abs_error:%s values:%llu\n",
        figures.cosine, figures.max_abs, figures.max_rel, figures.mean_abs,
        (unsigned long long)comparison->all.count);
}

static void write_overall(struct json_writer *json, const struct comparison *comparison)
{
    const char *const keys[] = {"files", "match", "mismatch", "only_in_a", "only_in_b"};
    const size_t values[] = {comparison->match + comparison->mismatch, comparison->match,
                             comparison->mismatch, comparison->only[0], comparison->only[1]};
    json_member_open(json, "overall", '{');
    write_match(json, comparison->mismatch == 0);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        json_member_uint(json, keys[i], values[i]);
    }
    if (comparison->compared)
        write_figures(json, &comparison->all, comparison->least_cosine);
    json_close(json, '}');
}

/* ------------------------------------------------------------------ all files */

static int join(const char *directory, const char *name, char **path)
{
    return asprintf(path, "%s/%s", directory, name) < 0 ? -1 : 0;
}

static void compare_pair(struct comparison *comparison, const struct result_pair *pair)
{
    struct verdict verdict = {.match = true};
    const char *const *roots = comparison->options->path;
    const char *name = pair->name[0] ? pair->name[0] : pair->name[1];
    if (!pair->name[0] || !pair->name[1]) {
        int side = pair->name[0] ? 0 : 1;
        mismatch(&verdict, "it is only in %s", side ? "B" : "A");
        comparison->only[side]++;
        settle(comparison, name, &verdict);
        return;
    }
    char *paths[2] = {NULL, NULL};
    if (join(roots[0], pair->name[0], &paths[0]) == 0 && join(roots[1], pair->name[1], &paths[1]) == 0)
        compare_files(comparison->options, (const char *const *)paths, &verdict);
    else
        mismatch(&verdict, "no memory for its path");
    free(paths[0]);
    free(paths[1]);
    settle(comparison, name, &verdict);
}

static int compare_directories(struct comparison *comparison, const struct console *console)
{
    struct result_pairs pairs;
    struct aispipe_error error;
    int rc = result_pairs_find(comparison->options->path, &pairs, &error);
    for (size_t i = 0; i < pairs.count && !rc; i++)
        compare_pair(comparison, &pairs.pairs[i]);
    bool empty = !pairs.count;
    result_pairs_free(&pairs);
    if (rc) {
        console_error(console, error.message);
        return EXIT_REFUSED;
    }
    if (empty)
        return refuse(
            console, comparison->options->path[0],
            "neither it nor the other directory holds a result: .npy .bin .txt, and with .zst behind it");
    return EXIT_DONE;
}

/* ------------------------------------------------------------------ the command */

/* 1: two directories; 0: two files; −1: refused. */
static int look(const struct compare_options *options, const struct console *console)
{
    struct stat status[2];
    for (int side = 0; side < 2; side++) {
        const char *path = options->path[side];
        if (!*path || stat(path, &status[side])) {
            (void)refuse(console, path, strerror(*path ? errno : ENOENT));
            return -1;
        }
        if (!S_ISDIR(status[side].st_mode) && !result_file_stem(path)) {
            (void)refuse(console, path,
                         "its name does not end as a result's does: .npy .bin .txt, and with .zst behind it");
            return -1;
        }
    }
    bool first = S_ISDIR(status[0].st_mode);
    if (first == S_ISDIR(status[1].st_mode))
        return first;
    (void)refuse(console, options->path[first ? 0 : 1],
                 "it is a directory, and the other one is a file; give two files or two directories");
    return -1;
}

static int compare_all(struct comparison *comparison, const struct console *console, bool directories)
{
    struct verdict verdict;
    if (directories)
        return compare_directories(comparison, console);
    compare_files(comparison->options, comparison->options->path, &verdict);
    settle(comparison, comparison->options->path[0], &verdict);
    return EXIT_DONE;
}

static int finish(const struct comparison *comparison, const struct console *console)
{
    struct aispipe_error error;
    int reason = 0;
    if (comparison->json) {
        json_close(comparison->json, ']');
        write_overall(comparison->json, comparison);
        json_close(comparison->json, '}');
        reason = json_end(comparison->json);
        (void)fputc('\n', stdout);
    } else {
        print_overall(comparison);
    }
    if (reason && reason != EPIPE) { /* a reader that went away did so on purpose */
        (void)aispipe_fail(&error, AISPIPE_IO, "cannot write to standard output: %s", strerror(reason));
        console_error(console, error.message);
        return EXIT_FAILED;
    }
    if (!comparison->mismatch)
        return EXIT_DONE;
    (void)aispipe_fail(&error, AISPIPE_FORMAT, "compare: %zu of %zu results do not match",
                       comparison->mismatch, comparison->match + comparison->mismatch);
    console_error(console, error.message);
    return EXIT_FAILED;
}

int compare_command(const struct compare_options *options, const struct console *console)
{
    struct json_writer json;
    struct comparison comparison = {.options = options, .least_cosine = 1};
    int directories = look(options, console);
    if (directories < 0)
        return EXIT_REFUSED;
    if (options->json) {
        comparison.json = &json;
        json_begin(&json, STDOUT_FILENO);
        json_open(&json, '{');
        json_member_open(&json, "files", '[');
    }
    int status = compare_all(&comparison, console, directories == 1);
    return status ? status : finish(&comparison, console);
}
