/* SPDX-License-Identifier: MIT */
#include "process.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* How often the end of a program is looked for once its output has ended. */
#define WAIT_TICK_MS 5

/* A program while it runs. */
struct running {
    const struct process_options *options;
    struct process_end *end;
    pid_t pid;
    int output;  /* the reading end of its pipe; −1: ended, or none */
    int signals; /* signalfd; −1: none are passed on */
    uint64_t deadline_ns;
    int refused; /* what `line` returned */
    size_t fill;
    char text[PROCESS_MAX_LINE + 1];
};

/* ---------------------------------------------------------------- start */

static int add_streams(posix_spawn_file_actions_t *actions, const struct process_options *options, int pipe)
{
    int reason = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!reason && pipe >= 0)
        reason = posix_spawn_file_actions_adddup2(actions, pipe, STDOUT_FILENO);
    if (!reason && options->with_errors)
        reason = posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
    else if (!reason && options->drop_errors)
        reason = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    return reason;
}

/* The masks of this program (signals received by a thread, SIGPIPE ignored) are no business of another. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int reason = posix_spawnattr_setsigmask(attributes, &none);
    if (!reason)
        reason = posix_spawnattr_setsigdefault(attributes, &all);
    if (!reason)
        reason = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return reason;
}

static int spawn(struct running *running, int pipe)
{
    const struct process_options *options = running->options;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int reason = posix_spawn_file_actions_init(&actions);
    if (reason)
        return reason;
    reason = posix_spawnattr_init(&attributes);
    if (!reason) {
        reason = add_streams(&actions, options, pipe);
        if (!reason)
            reason = set_signals(&attributes);
        char *const *environment = options->environment ? (char *const *)options->environment : environ;
        if (!reason)
            reason = posix_spawnp(&running->pid, options->argv[0], &actions, &attributes,
                                  (char *const *)options->argv, environment);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return reason;
}

static int start(struct running *running, struct aispipe_error *error)
{
    const char *name = running->options->argv[0];
    int ends[2] = {-1, -1};
    if (running->options->line && pipe2(ends, O_CLOEXEC))
        return aispipe_fail(error, AISPIPE_SYSTEM, "cannot start '%s': no pipe to it: %s", name,
                            strerror(errno));
    int reason = spawn(running, ends[1]);
    if (ends[1] >= 0)
        (void)close(ends[1]);
    running->output = ends[0];
    if (!reason)
        return 0;
    if (ends[0] >= 0)
        (void)close(ends[0]);
    running->output = -1;
    return aispipe_fail(error, AISPIPE_SYSTEM, "cannot start '%s': %s", name, strerror(reason));
}

/* ---------------------------------------------------------------- lines */

static void give_line(struct running *running, char *line, size_t length)
{
    if (running->refused)
        return;
    for (size_t i = 0; i < length; i++)
        if (line[i] == '\0')
            line[i] = '?';
    if (length && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    running->refused = running->options->line(running->options->context, line);
    if (running->refused)
        (void)kill(running->pid, SIGKILL);
}

static void give_lines(struct running *running)
{
    char *from = running->text;
    size_t left = running->fill;
    for (char *newline; (newline = memchr(from, '\n', left)) != NULL;) {
        size_t length = (size_t)(newline - from);
        give_line(running, from, length);
        from += length + 1;
        left -= length + 1;
    }
    if (left == PROCESS_MAX_LINE) {
        give_line(running, from, left);
        left = 0;
    }
    memmove(running->text, from, left);
    running->fill = left;
}

static void read_output(struct running *running)
{
    ssize_t got = read(running->output, running->text + running->fill, PROCESS_MAX_LINE - running->fill);
    if (got < 0 && errno == EINTR)
        return;
    if (got > 0) {
        running->fill += (size_t)got;
        give_lines(running);
        return;
    }
    if (running->fill) /* the last line may lack its newline */
        give_line(running, running->text, running->fill);
    running->fill = 0;
    (void)close(running->output);
    running->output = -1;
}

/* ---------------------------------------------------------------- run */

/* The first signal is passed on as it is; a second one means it. */
static void pass_on(struct running *running)
{
    struct signalfd_siginfo info;
    if (read(running->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    bool first = !running->end->forwarded;
    if (first)
        running->end->forwarded = (int)info.ssi_signo;
    (void)kill(running->pid, first ? (int)info.ssi_signo : SIGKILL);
}

static int milliseconds_left(struct running *running)
{
    if (!running->deadline_ns)
        return -1;
    uint64_t now = clock_ns();
    if (now < running->deadline_ns)
        return (int)((running->deadline_ns - now + 999999) / 1000000);
    running->end->timed_out = true;
    running->deadline_ns = 0;
    (void)kill(running->pid, SIGKILL);
    /* What it left behind may hold the pipe for ever; with the program itself, its output is over. */
    if (running->output >= 0)
        (void)close(running->output);
    running->output = -1;
    return 0;
}

/* Whether the program has ended; `*status` is then what waitpid says. */
static bool has_ended(const struct running *running, int *status)
{
    pid_t got;
    do
        got = waitpid(running->pid, status, WNOHANG);
    while (got < 0 && errno == EINTR);
    return got != 0;
}

static void follow(struct running *running)
{
    int status = 0;
    for (;;) {
        if (running->output < 0 && has_ended(running, &status))
            break;
        struct pollfd ready[2] = {{.fd = running->output, .events = POLLIN},
                                  {.fd = running->signals, .events = POLLIN}};
        int timeout = milliseconds_left(running);
        if (running->output < 0 && (timeout < 0 || timeout > WAIT_TICK_MS))
            timeout = WAIT_TICK_MS;
        if (poll(ready, 2, timeout) <= 0)
            continue;
        if (ready[1].revents)
            pass_on(running);
        if (ready[0].revents && running->output >= 0)
            read_output(running);
    }
    running->end->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    running->end->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int run(struct running *running, struct aispipe_error *error)
{
    const struct process_options *options = running->options;
    if (options->forward) {
        running->signals = signalfd(-1, options->forward, SFD_CLOEXEC | SFD_NONBLOCK);
        if (running->signals < 0)
            return aispipe_fail(error, AISPIPE_SYSTEM, "cannot receive signals for '%s': %s",
                                options->argv[0], strerror(errno));
    }
    int rc = start(running, error);
    if (!rc) {
        if (options->timeout_ns)
            running->deadline_ns = clock_ns() + options->timeout_ns;
        follow(running);
        rc = running->refused;
    }
    if (running->signals >= 0)
        (void)close(running->signals);
    return rc;
}

int process_run(const struct process_options *options, struct process_end *end, struct aispipe_error *error)
{
    *end = (struct process_end){.status = -1};
    struct running *running = malloc(sizeof *running);
    if (!running)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to start '%s'", options->argv[0]);
    *running = (struct running){.options = options, .end = end, .output = -1, .signals = -1};
    int rc = run(running, error);
    free(running);
    return rc;
}

/* ---------------------------------------------------------------- help */

bool process_find(const char *name, char *path, size_t capacity)
{
    const char *places = getenv("PATH");
    for (const char *place = places; place; place = strchr(place, ':'), place += place != NULL) {
        char candidate[PATH_MAX];
        struct stat info;
        int length = (int)strcspn(place, ":");
        /* An empty place is the working directory. */
        int n = snprintf(candidate, sizeof candidate, "%.*s%s%s", length, place, length ? "/" : "./", name);
        if (n < 0 || (size_t)n >= sizeof candidate || stat(candidate, &info) || !S_ISREG(info.st_mode) ||
            faccessat(AT_FDCWD, candidate, X_OK, AT_EACCESS))
            continue;
        if (path)
            (void)snprintf(path, capacity, "%s", candidate);
        return true;
    }
    return false;
}

const char *process_end_words(const struct process_end *end, char *text, size_t capacity)
{
    if (end->timed_out)
        (void)snprintf(text, capacity, "was ended because it took too long");
    else if (end->signal)
        (void)snprintf(text, capacity, "was ended by signal %d", end->signal);
    else
        (void)snprintf(text, capacity, "ended with status %d", end->status);
    return text;
}
