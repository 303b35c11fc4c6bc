/* SPDX-License-Identifier: MIT */
/* acl_sessions MODEL…: opens a session for each model, one after the other, and ends without
 * aispipe_finalize, as a program may. */
#include "aispipe/aispipe.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        struct aispipe_session_options options = {.backend = "acl"};
        struct aispipe_session *session = NULL;
        struct aispipe_error error;
        if (aispipe_session_open(argv[i], &options, &session, &error)) {
            (void)fprintf(stderr, "%s\n", error.message);
            failed = 1;
        }
        aispipe_session_close(session);
    }
    return failed;
}
