/* SPDX-License-Identifier: MIT */
#include "cli/console.h"

#include <stdio.h>

static void print(const struct console *console, enum aispipe_log_level level, const char *line)
{
    static const char *const prefixes[] = {
        [AISPIPE_LOG_DEBUG] = "DEBUG",
        [AISPIPE_LOG_INFO] = "INFO",
        [AISPIPE_LOG_WARNING] = "WARNING",
        [AISPIPE_LOG_ERROR] = "ERROR",
    };
    if (console->progress)
        progress_clear(console->progress);
    /* One call, so that lines of different threads are never mixed. */
    (void)fprintf(level < AISPIPE_LOG_WARNING ? stdout : stderr, "[%s] %s\n", prefixes[level], line);
}

/* What the library reports as an error makes the run a failed one; a failed run has one error line. */
static void write_line(void *context, enum aispipe_log_level level, const char *line)
{
    struct console *console = context;
    if (level == AISPIPE_LOG_ERROR && atomic_exchange(&console->failed, true))
        level = AISPIPE_LOG_WARNING;
    print(console, level, line);
}

struct aispipe_log console_log(struct console *console, bool debug)
{
    return (struct aispipe_log){.write = write_line, .context = console, .debug = debug};
}

void console_error(const struct console *console, const char *message)
{
    print(console, AISPIPE_LOG_ERROR, message);
}
