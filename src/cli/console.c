/* SPDX-License-Identifier: MIT */
#include "cli/console.h"

#include <stdio.h>

static void print(void *context, enum aispipe_log_level level, const char *line)
{
    static const char *const prefixes[] = {
        [AISPIPE_LOG_DEBUG] = "DEBUG",
        [AISPIPE_LOG_INFO] = "INFO",
        [AISPIPE_LOG_WARNING] = "WARNING",
        [AISPIPE_LOG_ERROR] = "ERROR",
    };
    const struct console *console = context;
    if (console->progress)
        progress_clear(console->progress);
    /* One call, so that lines of different threads are never mixed. */
    (void)fprintf(level < AISPIPE_LOG_WARNING ? stdout : stderr, "[%s] %s\n", prefixes[level], line);
}

struct aispipe_log console_log(struct console *console, bool debug)
{
    return (struct aispipe_log){.write = print, .context = console, .debug = debug};
}

void console_error(const struct console *console, const char *message)
{
    print((void *)console, AISPIPE_LOG_ERROR, message);
}
