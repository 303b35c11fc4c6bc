/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

void log_line(const struct aispipe_log *log, enum aispipe_log_level level, const char *format, ...)
{
    if (!log || !log->write || (level == AISPIPE_LOG_DEBUG && !log->debug))
        return;
    char line[4608];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log->write(log->context, level, line);
}
