/* SPDX-License-Identifier: MIT */
/** @file log.h Formatted lines into a session's log callback. Thread-safe when the callback is. */
#ifndef AISPIPE_LOG_H
#define AISPIPE_LOG_H

#include "aispipe/aispipe.h"

/** Formats one line and hands it to `log`. DEBUG lines are dropped unless log->debug. */
void log_line(const struct aispipe_log *log, enum aispipe_log_level level, const char *format, ...)
    AISPIPE_PRINTF(3, 4);

#endif
