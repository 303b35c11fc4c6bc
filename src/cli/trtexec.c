/* SPDX-License-Identifier: MIT */
#include "cli/trtexec.h"

#include "cli/output_dir.h"
#include "cli/run.h"
#include "cli/trtexec_log.h"
#include "io/fd_io.h"
#include "json_writer.h"
#include "log.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "trtexec"
#define SCHEMA "aispipe-trtexec-1"
#define MAX_ARGUMENTS 8

/* One measurement. */
struct measurement {
    const struct options *options;
    struct aispipe_log log;
    char *onnx; /* "--onnx=FILE", as long as the path is */
    char numbers[4][32];
    const char *argv[MAX_ARGUMENTS];
    struct trtexec_figures figures;
    struct output_dir directory;
    int log_fd; /* of trtexec.log; −1: none */
    char log_path[PATH_MAX];
    char last[512]; /* the last line that said something */
    bool began;
};

bool trtexec_wanted(const struct options *options)
{
    return strcmp(options->backend, TRTEXEC_BACKEND) == 0;
}

/* ------------------------------------------------------------------ its command line */

static size_t add_number(struct measurement *m, size_t n, size_t k, const char *name, uint64_t value)
{
    (void)snprintf(m->numbers[k], sizeof m->numbers[k], "--%s=%" PRIu64, name, value);
    m->argv[n] = m->numbers[k];
    return n + 1;
}

/* An option at its default is left out: trtexec's own default then counts. */
static int compose(struct measurement *m, struct aispipe_error *error)
{
    const struct options *o = m->options;
    if (asprintf(&m->onnx, "--onnx=%s", o->model) < 0) {
        m->onnx = NULL;
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to start " PROGRAM);
    }
    size_t n = 0;
    m->argv[n++] = PROGRAM;
    m->argv[n++] = m->onnx;
    m->argv[n++] = "--fp16";
    if (o->loop != 1)
        n = add_number(m, n, 0, "iterations", o->loop);
    if (o->warmup_count != 1)
        n = add_number(m, n, 1, "warmUp", o->warmup_count);
    if (o->device.values[0] != 0)
        n = add_number(m, n, 2, "device", o->device.values[0]);
    if (o->batchsize != 0)
        n = add_number(m, n, 3, "batch", o->batchsize);
    m->argv[n] = NULL;
    return 0;
}

/* ------------------------------------------------------------------ its log */

static int open_log(struct measurement *m, struct aispipe_error *error)
{
    const struct options *o = m->options;
    if (!o->output)
        return 0;
    int rc = output_dir_make(&m->directory, o->output, o->output_dirname, error);
    if (rc)
        return rc;
    log_line(&m->log, AISPIPE_LOG_INFO, "output path:%s", m->directory.path);
    (void)snprintf(m->log_path, sizeof m->log_path, "%.*s/trtexec.log", PATH_MAX - 16, m->directory.path);
    m->log_fd = open(m->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (m->log_fd < 0)
        return aispipe_fail(error, AISPIPE_IO, "cannot create '%s': %s", m->log_path, strerror(errno));
    return 0;
}

static int take_line(void *context, const char *line)
{
    struct measurement *m = context;
    log_line(&m->log, AISPIPE_LOG_INFO, "%s", line);
    trtexec_read_line(&m->figures, line);
    if (line[strspn(line, " \t")])
        (void)snprintf(m->last, sizeof m->last, "%s", line);
    if (m->log_fd < 0)
        return 0;
    struct iovec parts[2] = {{.iov_base = (char *)line, .iov_len = strlen(line)},
                             {.iov_base = "\n", .iov_len = 1}};
    int reason = fd_write_parts(m->log_fd, parts, 2);
    if (!reason)
        return 0;
    log_line(&m->log, AISPIPE_LOG_WARNING, "cannot write '%s': %s; it ends here", m->log_path,
             strerror(reason));
    (void)close(m->log_fd);
    m->log_fd = -1;
    return 0;
}

/* ------------------------------------------------------------------ what it found */

static void print_latency(const struct measurement *m, const char *name,
                          const struct trtexec_latency *latency)
{
    char min[32], max[32], mean[32], median[32], percentile[32];
    format_double(latency->min, min);
    format_double(latency->max, max);
    format_double(latency->mean, mean);
    format_double(latency->median, median);
    format_double(latency->percentile, percentile);
    log_line(&m->log, AISPIPE_LOG_INFO, "%s (ms): min = %s, max = %s, mean = %s, median = %s, %s = %s", name,
             min, max, mean, median, latency->percentile_name, percentile);
}

static void print_figures(const struct measurement *m)
{
    char throughput[32];
    format_double(m->figures.throughput, throughput);
    log_line(&m->log, AISPIPE_LOG_INFO, "-----------------Performance Summary------------------");
    print_latency(m, "H2D_latency", &m->figures.h2d);
    print_latency(m, "NPU_compute_time", &m->figures.compute);
    print_latency(m, "D2H_latency", &m->figures.d2h);
    log_line(&m->log, AISPIPE_LOG_INFO, "throughput: %s", throughput);
    log_line(&m->log, AISPIPE_LOG_INFO, "------------------------------------------------------");
}

static void write_latency(struct json_writer *json, const char *name, const struct trtexec_latency *latency)
{
    const struct {
        const char *key;
        double value;
    } members[] = {{"min", latency->min},
                   {"max", latency->max},
                   {"mean", latency->mean},
                   {"median", latency->median},
                   {latency->percentile_name, latency->percentile}};
    json_member_open(json, name, '{');
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_member_double(json, members[i].key, members[i].value);
    }
    json_close(json, '}');
}

static void write_words(struct json_writer *json, const char *name, size_t n, const char *const *words)
{
    json_member_open(json, name, '[');
    for (size_t i = 0; i < n; i++)
        json_string(json, words[i]);
    json_close(json, ']');
}

static void write_members(struct json_writer *json, const struct measurement *m, int argc, char *const *argv)
{
    size_t n = 0;
    while (m->argv[n])
        n++;
    json_open(json, '{');
    json_member_string(json, "schema", SCHEMA);
    json_member_uint(json, "pid", (uint64_t)getpid());
    write_words(json, "args", (size_t)argc, (const char *const *)argv);
    json_member_string(json, "backend", TRTEXEC_BACKEND);
    write_words(json, "command", n, m->argv);
    json_member_double(json, "throughput", m->figures.throughput);
    write_latency(json, "NPU_compute_time", &m->figures.compute);
    write_latency(json, "H2D_latency", &m->figures.h2d);
    write_latency(json, "D2H_latency", &m->figures.d2h);
    json_close(json, '}');
}

static int write_summary(const struct measurement *m, int argc, char *const *argv,
                         struct aispipe_error *error)
{
    const struct output_dir *to = &m->directory;
    if (!m->options->output)
        return 0;
    int fd = open(to->summary_temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return aispipe_fail(error, AISPIPE_IO, "cannot create the summary file '%s': %s", to->summary,
                            strerror(errno));
    struct json_writer json;
    json_begin(&json, fd);
    write_members(&json, m, argc, argv);
    int reason = fd_publish(fd, to->summary_temporary, to->summary, json_end(&json));
    if (!reason)
        return 0;
    return aispipe_fail(error, AISPIPE_IO, "cannot write the summary file '%s': %s", to->summary,
                        strerror(reason));
}

/* ------------------------------------------------------------------ run */

static int judge(const struct measurement *m, const struct process_end *end, struct aispipe_error *error)
{
    char words[64];
    if (end->status != 0)
        return aispipe_fail(error, AISPIPE_DEVICE, PROGRAM " %s; the last line of its log: '%s'",
                            process_end_words(end, words, sizeof words), m->last);
    const char *missing = trtexec_missing(&m->figures);
    if (missing)
        return aispipe_fail(error, AISPIPE_FORMAT,
                            PROGRAM
                            " ended well, but its log has no line '%s: …'; aispipe reads the performance "
                            "summary as TensorRT 8 and later print it",
                            missing);
    return 0;
}

static int measure(struct measurement *m, int *stopped_by, struct aispipe_error *error)
{
    if (!process_find(PROGRAM, NULL, 0))
        return aispipe_fail(error, AISPIPE_SYSTEM,
                            "--backend trtexec: there is no program '" PROGRAM
                            "' on PATH; install TensorRT and add "
                            "the directory of its trtexec to PATH");
    int rc = compose(m, error);
    if (!rc)
        rc = open_log(m, error);
    if (rc)
        return rc;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    const struct process_options process = {
        .argv = m->argv, .with_errors = true, .line = take_line, .context = m, .forward = &signals};
    struct process_end end;
    m->began = true;
    rc = process_run(&process, &end, error);
    *stopped_by = end.forwarded;
    if (!rc && !end.forwarded)
        rc = judge(m, &end, error);
    return rc;
}

int trtexec_command(const struct options *options, struct console *console, int argc, char *const *argv)
{
    struct measurement m = {.options = options, .log = console_log(console, options->debug), .log_fd = -1};
    struct aispipe_error error = {0};
    int stopped_by = 0;
    int rc = measure(&m, &stopped_by, &error);
    if (!rc && !stopped_by) {
        print_figures(&m);
        rc = write_summary(&m, argc, argv, &error);
    }
    if (m.log_fd >= 0)
        (void)close(m.log_fd);
    free(m.onnx);
    if (rc) {
        console_error(console, error.message);
        return m.began ? EXIT_FAILED : EXIT_REFUSED;
    }
    return stopped_by ? 128 + stopped_by : EXIT_DONE;
}
