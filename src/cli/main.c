/* SPDX-License-Identifier: MIT */
#include "cli/ascend.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/msprof.h"
#include "cli/run.h"
#include "cli/trtexec.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Every compute thread may come to own a temporary file: take all descriptors that we may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool reader_went_away(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP));
}

/* What was printed must have arrived, except where the reader went away on purpose. */
static int finish_stdout(const struct console *console, int status)
{
    char message[256];
    errno = 0;
    if (!fflush(stdout) && !ferror(stdout))
        return status;
    int reason = errno; /* 0: an earlier line was lost, and with it the reason */
    if (reason == EPIPE || (!reason && reader_went_away()))
        return status;
    (void)snprintf(message, sizeof message, "cannot write to standard output: %s",
                   reason ? strerror(reason) : "a line was lost; is the disk full?");
    console_error(console, message);
    return status ? status : EXIT_FAILED;
}

/* Whatever was run is closed. After a failure that was told, another one is a consequence, or a detail. */
static int finish_engines(const struct console *console, int status)
{
    struct aispipe_error error;
    if (!aispipe_finalize(&error) || status != EXIT_DONE)
        return status;
    console_error(console, error.message);
    return EXIT_FAILED;
}

static int run(struct options *options, struct console *console, int argc, char *const *argv)
{
    struct ascend ascend;
    struct aispipe_error error;
    if (ascend_prepare(options, console, argc, argv, &ascend, &error)) {
        console_error(console, error.message);
        return EXIT_REFUSED;
    }
    if (ascend.ended)
        return ascend.status;
    /* What the runtime dumps is complete when it has been finalised. */
    int status = finish_engines(console, run_command(options, console, argc, argv));
    return ascend_finish(options, console, status);
}

static int act(struct options *options, struct console *console, int argc, char *const *argv)
{
    if (options->help)
        help_print(stdout);
    else if (options->version)
        help_version(stdout);
    else if (trtexec_wanted(options))
        return trtexec_command(options, console, argc, argv);
    else
        return run(options, console, argc, argv);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    struct console console = {0};
    struct aispipe_log log = console_log(&console, false);
    struct options options;
    struct aispipe_error error;
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that goes away is no reason to lose results */
    /* OpenVINO's thread library looks at the machine's topology; what it does not find in a container is no
     * concern of the user's. */
    (void)setenv("HWLOC_HIDE_ERRORS", "2", 0);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    raise_descriptor_limit();
    if (command_given(argc, argv))
        return finish_stdout(&console, finish_engines(&console, command_run(argc, argv, &console)));
    if (msprof_return(&error) || options_parse(argc, argv, &options, &log, &error)) {
        console_error(&console, error.message);
        return EXIT_REFUSED;
    }
    int status = act(&options, &console, argc, argv);
    options_free(&options);
    return finish_stdout(&console, status);
}
