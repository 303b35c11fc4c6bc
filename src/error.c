/* SPDX-License-Identifier: MIT */
#include "aispipe/aispipe.h"

#include <stdarg.h>
#include <stdio.h>

int aispipe_fail(struct aispipe_error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    error->code = code;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    return code;
}
