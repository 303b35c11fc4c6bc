/* SPDX-License-Identifier: MIT */
/* The way into every call and out of it, and what is said about failures. */
#include "asim.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct asim_state sim = {.lock = PTHREAD_MUTEX_INITIALIZER, .events = PTHREAD_COND_INITIALIZER};

static const char *const call_names[] = {
#define X(result, name, parameters) #name,
    ACL_FUNCTIONS(X)
#undef X
};

/** What this thread's calls left behind. */
static __thread struct {
    enum asim_call call;
    int fault; /* of a call that releases: reported on the way out */
    bool pending;
    char message[1024];
    char returned[1024];
} mine;

const char *asim_call_name(enum asim_call call)
{
    return call_names[call];
}

void asim_act_as(enum asim_call call)
{
    mine.call = call;
}

struct asim_mark asim_mark(void)
{
    return (struct asim_mark){.call = mine.call, .fault = mine.fault};
}

void asim_return_to(struct asim_mark mark)
{
    mine.call = mark.call;
    mine.fault = mark.fault;
}

void asim_set_message(const char *text)
{
    (void)snprintf(mine.message, sizeof mine.message, "%s", text);
    mine.pending = true;
}

const char *asim_message(void)
{
    if (!mine.pending)
        return NULL;
    mine.pending = false;
    memcpy(mine.returned, mine.message, sizeof mine.returned);
    return mine.returned;
}

static void say(const char *format, va_list args)
{
    char text[900];
    (void)vsnprintf(text, sizeof text, format, args);
    (void)snprintf(mine.message, sizeof mine.message, "%s: %s", call_names[mine.call], text);
    mine.pending = true;
}

int asim_refuse(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    return code;
}

int asim_misuse(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    asim_report("misuse", mine.message);
    return code;
}

/* ---------------------------------------------------------------- in and out */

/** Settings are read with the first call, so that faults and counts hold for aclInit too. */
static int make_ready(void)
{
    char reason[512];
    if (sim.ready)
        return 0;
    if (asim_settings_read(&sim.settings, reason, sizeof reason))
        return asim_refuse(ACL_ERROR_INVALID_PARAM, "the simulator's settings are wrong: %s", reason);
    asim_report_open();
    sim.process = getpid();
    sim.ready = true;
    return 0;
}

static int fault_of(enum asim_call call)
{
    for (size_t i = 0; i < sim.settings.n_faults; i++) {
        const struct asim_fault *fault = &sim.settings.faults[i];
        if (fault->call == (int)call && fault->n == sim.calls[call])
            return fault->code;
    }
    return 0;
}

static int check_needs(unsigned needs)
{
    if ((needs & SIM_INIT) && !sim.initialised)
        return asim_misuse(ACL_ERROR_UNINITIALIZE, "called %s",
                           sim.finalised ? "after aclFinalize" : "before aclInit");
    if ((needs & SIM_CONTEXT) && !asim_current())
        return asim_misuse(
            ACL_ERROR_RT_CONTEXT_NULL,
            "this thread has no current context: aclrtSetCurrentContext (or aclrtSetDevice) first");
    return 0;
}

int asim_enter(enum asim_call call, unsigned needs)
{
    (void)pthread_mutex_lock(&sim.lock);
    mine.call = call;
    mine.fault = 0;
    int code = make_ready();
    if (!code) {
        sim.calls[call]++;
        code = check_needs(needs);
    }
    if (!code)
        mine.fault = fault_of(call);
    if (mine.fault && !(needs & SIM_ANYWAY))
        code = asim_refuse(mine.fault, "call %llu of it fails because the simulator's settings say so",
                           (unsigned long long)sim.calls[call]);
    if (code)
        (void)pthread_mutex_unlock(&sim.lock);
    return code;
}

int asim_leave(int code)
{
    if (!code && mine.fault)
        code = asim_refuse(mine.fault, "call %llu of it fails because the simulator's settings say so",
                           (unsigned long long)sim.calls[mine.call]);
    (void)pthread_mutex_unlock(&sim.lock);
    return code;
}

/* ---------------------------------------------------------------- reports */

static void append(const char *path, const char *text, size_t length)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0 || write(fd, text, length) != (ssize_t)length)
        (void)fprintf(stderr, "aclsim: '%s' cannot be written\n", path);
    if (fd >= 0)
        (void)close(fd);
}

void asim_report_open(void)
{
    if (*sim.settings.report)
        append(sim.settings.report, "", 0);
}

void asim_report(const char *what, const char *text)
{
    char line[1100];
    int length = snprintf(line, sizeof line, "%s: %s\n", what, text);
    if (length < 0)
        return;
    (void)fprintf(stderr, "aclsim: %s", line);
    if (*sim.settings.report) /* one write, so that lines of several processes stay whole */
        append(sim.settings.report, line, strlen(line));
}

void asim_write_init(const char *configuration)
{
    if (!*sim.settings.init)
        return;
    append(sim.settings.init, configuration, strlen(configuration));
    append(sim.settings.init, "\n", 1);
}

void asim_write_calls(void)
{
    if (!*sim.settings.calls)
        return;
    FILE *file = fopen(sim.settings.calls, "we");
    if (!file) {
        (void)fprintf(stderr, "aclsim: '%s' cannot be written\n", sim.settings.calls);
        return;
    }
    for (int call = 0; call < SIM_N_CALLS; call++)
        if (sim.calls[call])
            (void)fprintf(file, "%s %llu\n", call_names[call], (unsigned long long)sim.calls[call]);
    (void)fclose(file);
}
