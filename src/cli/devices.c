/* SPDX-License-Identifier: MIT */
/* `aispipe devices`: what each backend finds on this machine. */
#include "aispipe/devices.h"
#include "cli/commands.h"
#include "cli/run.h"
#include "json_writer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ lines */

struct lines {
    const char *backend;
    size_t count;
};

static void print_line(void *context, const struct aispipe_found_device *device)
{
    struct lines *lines = context;
    (void)printf("%-10s %-10s %s\n", lines->backend, device->name, device->full_name);
    lines->count++;
}

static void print_absent(const char *backend, const char *why)
{
    (void)printf("%-10s %-10s %s\n", backend, "absent", why);
}

static void print_backend(const struct aispipe_backend *backend)
{
    struct lines lines = {.backend = backend->name};
    struct aispipe_error error = {0};
    if (!backend->list)
        (void)printf("%-10s %-10s %s\n", backend->name, "-", backend->description);
    else if (backend->list(print_line, &lines, &error))
        print_absent(backend->name, error.message);
    else if (!lines.count)
        print_absent(backend->name, "it finds no device on this machine");
}

static void print_lines(void)
{
    const struct aispipe_backend *backend;
    const char *name;
    struct aispipe_error why;
    for (size_t i = 0; (backend = aispipe_backend_at(i)); i++)
        print_backend(backend);
    for (size_t i = 0; aispipe_backend_lacking(i, &name, &why); i++)
        print_absent(name, why.message);
}

/* ------------------------------------------------------------------ JSON */

static void write_device(void *context, const struct aispipe_found_device *device)
{
    struct json_writer *json = context;
    json_open(json, '{');
    json_member_string(json, "name", device->name);
    json_member_string(json, "full_name", device->full_name);
    json_close(json, '}');
}

static void write_backend(struct json_writer *json, const char *name, const struct aispipe_backend *backend,
                          const char *absent)
{
    struct aispipe_error error = {0};
    json_open(json, '{');
    json_member_string(json, "backend", name);
    json_member_open(json, "devices", '[');
    if (backend && backend->list && backend->list(write_device, json, &error))
        absent = error.message;
    json_close(json, ']');
    if (absent) {
        json_member_string(json, "absent", absent);
    }
    json_close(json, '}');
}

/* Returns 0 or an errno. */
static int write_json(void)
{
    struct json_writer json;
    const struct aispipe_backend *backend;
    struct aispipe_error why;
    const char *name;
    json_begin(&json, STDOUT_FILENO);
    json_open(&json, '{');
    json_member_open(&json, "backends", '[');
    for (size_t i = 0; (backend = aispipe_backend_at(i)); i++)
        write_backend(&json, backend->name, backend, NULL);
    for (size_t i = 0; aispipe_backend_lacking(i, &name, &why); i++)
        write_backend(&json, name, NULL, why.message);
    json_close(&json, ']');
    json_close(&json, '}');
    return json_end(&json);
}

int devices_command(const struct devices_options *options, const struct console *console)
{
    if (!options->json) {
        print_lines();
        return EXIT_DONE; /* what could not be printed is noticed by main */
    }
    int reason = write_json();
    if (!reason || reason == EPIPE) { /* a reader that went away did so on purpose */
        (void)fputc('\n', stdout);
        return EXIT_DONE;
    }
    struct aispipe_error error;
    (void)aispipe_fail(&error, AISPIPE_IO, "cannot write to standard output: %s", strerror(reason));
    console_error(console, error.message);
    return EXIT_FAILED;
}
