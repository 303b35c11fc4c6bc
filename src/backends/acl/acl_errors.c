/* SPDX-License-Identifier: MIT */
/* What the runtime says when a call fails, as one line: the call, the code, its name, the runtime's words. */
#include "acl_internal.h"
#include "log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

/* Room for the runtime's words; they can be pages long. */
#define WORDS 1200

const char *acl_error_name(aclError code)
{
    switch (code) {
#define NAME(number, name) \
    case number:           \
        return #name;
        ACL_ERRORS(NAME)
#undef NAME
    default:
        break;
    }
    switch (code / 1000) {
    case 100:
        return "wrong use of AscendCL";
    case 107:
        return "wrong use of the runtime";
    case 145:
    case 545:
        return "graph engine";
    case 148:
    case 248:
    case 548:
        return "operators";
    case 200:
    case 207:
        return "lack of a resource or a feature";
    case 500:
        return "inside AscendCL";
    case 507:
        return "inside the runtime or the device";
    default:
        return "unknown code";
    }
}

/* The runtime's words without line breaks and runs of blanks. */
static void words(const struct acl_library *acl, char text[WORDS])
{
    const char *said = acl->aclGetRecentErrMsg ? acl->aclGetRecentErrMsg() : NULL;
    size_t used = 0;
    for (; said && *said && used < WORDS - 1; said++) {
        unsigned char byte = (unsigned char)*said;
        if (!iscntrl(byte) && !isspace(byte))
            text[used++] = *said;
        else if (used && text[used - 1] != ' ')
            text[used++] = ' ';
    }
    while (used && (text[used - 1] == ' ' || text[used - 1] == '.'))
        used--;
    text[used] = '\0';
}

/* How the code counts for the caller: what is wrong with the model file is not a fault of the device. */
static int status_of(aclError code)
{
    switch (code) {
    case ACL_ERROR_INVALID_FILE:
    case ACL_ERROR_PARSE_FILE:
    case ACL_ERROR_DESERIALIZE_MODEL:
    case ACL_ERROR_PARSE_MODEL:
    case ACL_ERROR_READ_MODEL_FAILURE:
    case ACL_ERROR_MODEL_MISSING_ATTR:
        return AISPIPE_MODEL;
    default:
        return AISPIPE_FAULT;
    }
}

int acl_check(struct acl_device *device, aclError code, struct aispipe_error *error, const char *format, ...)
{
    if (code == ACL_SUCCESS)
        return 0;
    atomic_store(&device->failed, true);
    char call[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(call, sizeof call, format, args);
    va_end(args);
    char text[WORDS];
    words(&device->acl, text);
    return aispipe_fail(error, status_of(code), "%s failed with %d (%s)%s%s", call, code,
                        acl_error_name(code), *text ? ": " : "", text);
}

int acl_expect(struct acl_device *device, bool ok, struct aispipe_error *error, const char *format, ...)
{
    if (ok)
        return 0;
    atomic_store(&device->failed, true);
    char call[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(call, sizeof call, format, args);
    va_end(args);
    char text[WORDS];
    words(&device->acl, text);
    return aispipe_fail(error, AISPIPE_FAULT, "%s%s%s", call, *text ? ": " : "", text);
}

void acl_released(struct acl_device *device, aclError code, const char *what)
{
    if (code == ACL_SUCCESS)
        return;
    enum aispipe_log_level level =
        atomic_exchange(&device->failed, true) ? AISPIPE_LOG_DEBUG : AISPIPE_LOG_ERROR;
    char text[WORDS];
    words(&device->acl, text);
    log_line(&device->log, level, "device %d: %s failed with %d (%s)%s%s", device->id, what, code,
             acl_error_name(code), *text ? ": " : "", text);
}
