/* SPDX-License-Identifier: MIT */
/* How a backend is chosen: by name, by the end of the model's name, and what is said where there is none. */
#include "unit.h"

#include "aispipe/devices.h"

#include <stdio.h>
#include <string.h>

static const struct aispipe_backend *named(const char *name)
{
    const struct aispipe_backend *backend;
    for (size_t i = 0; (backend = aispipe_backend_at(i)); i++)
        if (strcmp(backend->name, name) == 0)
            return backend;
    return NULL;
}

static const struct aispipe_backend *found(const char *name, const char *path)
{
    const struct aispipe_backend *backend = NULL;
    struct aispipe_error error = {0};
    int rc = aispipe_backend_find(name, path, &backend, &error);
    if (rc)
        fail_msg("'%s' for '%s': %s", name ? name : "NULL", path, error.message);
    return backend;
}

static void refused(const char *name, const char *path, int code, const char *const *words)
{
    const struct aispipe_backend *backend = aispipe_backend_at(0);
    struct aispipe_error error = {0};
    assert_int_equal(aispipe_backend_find(name, path, &backend, &error), code);
    assert_int_equal(error.code, code);
    assert_null(backend);
    assert_null(strchr(error.message, '\n'));
    for (; *words; words++)
        if (!strstr(error.message, *words))
            fail_msg("'%s' is not in: %s", *words, error.message);
    assert_int_equal(aispipe_backend_find(name, path, &backend, NULL), code);
}

static void tables_are_complete(void **state)
{
    (void)state;
    const struct aispipe_backend *backend;
    assert_non_null(named("sim"));
    for (size_t i = 0; (backend = aispipe_backend_at(i)); i++) {
        assert_true(backend->name && backend->name[0] && backend->description && backend->model_suffixes);
        assert_ptr_equal(named(backend->name), backend); /* no name twice */
        assert_true(backend->open && backend->close && backend->load && backend->unload &&
                    backend->describe && backend->compute);
        assert_true(!backend->io_create == !backend->io_destroy);
        assert_true(!backend->host_alloc == !backend->host_free);
        assert_true(!backend->lane_create == !backend->lane_destroy);
        bool host_memory = backend->caps & AISPIPE_CAP_HOST_MEMORY;
        assert_true(!backend->h2d == host_memory && !backend->d2h == host_memory);
        for (const char *const *suffix = backend->model_suffixes; *suffix; suffix++)
            for (const char *c = *suffix; *c; c++)
                assert_false(*c >= 'A' && *c <= 'Z');
    }
}

static void a_name_is_taken_unless_the_ending_is_anothers(void **state)
{
    (void)state;
    assert_ptr_equal(found("sim", "model.sim.json"), named("sim"));
    assert_ptr_equal(found("sim", "model.mine"), named("sim"));
    assert_ptr_equal(found("sim", "model"), named("sim"));
#ifdef AISPIPE_HAVE_OPENVINO
    const char *const words[] = {"model.onnx", "openvino", "not sim", NULL};
    refused("sim", "model.onnx", AISPIPE_INVALID, words);
#endif
}

static void auto_goes_by_the_ending(void **state)
{
    (void)state;
    assert_ptr_equal(found("auto", "a/model.sim.json"), named("sim"));
    assert_ptr_equal(found(NULL, "model.sim.json"), named("sim"));
    assert_ptr_equal(found(NULL, "MODEL.Sim.JSON"), named("sim"));
    assert_ptr_equal(found(NULL, ".sim.json"), named("sim"));
    const struct aispipe_backend *openvino = named("openvino");
    for (const char *const *suffix = openvino ? openvino->model_suffixes : NULL; suffix && *suffix;
         suffix++) {
        char path[64];
        (void)snprintf(path, sizeof path, "x%s", *suffix);
        assert_ptr_equal(found(NULL, path), openvino);
    }
}

static void unknown_endings_list_what_there_is(void **state)
{
    (void)state;
    const char *const words[] = {"model.txt", ".sim.json", "sim", "--backend", NULL};
    const char *const paths[] = {"a/model.txt", "model.txt.", "model.txtsim.json", NULL};
    for (const char *const *path = paths; *path; path++)
        refused(NULL, *path, AISPIPE_INVALID, words);
    const char *const some[] = {".sim.json", NULL};
    refused("auto", "", AISPIPE_INVALID, some);
    refused("auto", NULL, AISPIPE_INVALID, some);
    refused("auto", "json", AISPIPE_INVALID, some);
    refused("auto", "model.json", AISPIPE_INVALID, some);
}

static void unknown_names_list_what_there_is(void **state)
{
    (void)state;
    const char *const words[] = {"'abacus'", "auto", "sim", NULL};
    refused("abacus", "model.sim.json", AISPIPE_INVALID, words);
    const char *const some[] = {"auto", "sim", NULL};
    refused("", "model.sim.json", AISPIPE_INVALID, some);
    refused("SIM", "model.sim.json", AISPIPE_INVALID, some);
}

#ifndef AISPIPE_HAVE_OPENVINO
static void openvino_is_there_or_how_to_get_it_is_told(void **state)
{
    (void)state;
    const char *const words[] = {"without OpenVINO", "install", "build again", NULL};
    refused("openvino", "model.onnx", AISPIPE_UNSUPPORTED, words);
    refused("openvino", "model.sim.json", AISPIPE_UNSUPPORTED, words);
    const char *const with_model[] = {"some/net.ONNX", "without OpenVINO", "install", NULL};
    refused(NULL, "some/net.ONNX", AISPIPE_UNSUPPORTED, with_model);
}
#endif

struct found {
    unsigned count;
    char name[64];
};

static void keep(void *context, const struct aispipe_found_device *device)
{
    struct found *found = context;
    found->count++;
    assert_non_null(device->full_name);
    (void)snprintf(found->name, sizeof found->name, "%s", device->name);
}

static void the_simulated_device_is_always_there(void **state)
{
    (void)state;
    const struct aispipe_backend *backend;
    struct found found = {0};
    struct aispipe_error error = {0};
    assert_int_equal(aispipe_backend_find("sim", NULL, &backend, &error), 0);
    assert_int_equal(backend->list(keep, &found, &error), 0);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.name, "0-255");
}

/* A backend is either there, or lacking for a reason. */
static void what_is_lacking_is_told(void **state)
{
    (void)state;
    const char *name;
    struct aispipe_error why;
    const struct aispipe_backend *backend;
    size_t lacking = 0;
    while (aispipe_backend_lacking(lacking, &name, &why)) {
        for (size_t i = 0; (backend = aispipe_backend_at(i)); i++)
            assert_string_not_equal(backend->name, name);
        assert_non_null(strstr(why.message, "install"));
        lacking++;
    }
#ifdef AISPIPE_HAVE_OPENVINO
    for (size_t i = 0; aispipe_backend_lacking(i, &name, &why); i++)
        assert_string_not_equal(name, "openvino");
#else
    assert_true(lacking >= 1);
#endif
}

static void long_paths_do_not_overrun(void **state)
{
    (void)state;
    char path[8192];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    const char *const words[] = {"xxx", NULL};
    refused(NULL, path, AISPIPE_INVALID, words);
    refused(path, path, AISPIPE_INVALID, words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_complete),
        cmocka_unit_test(a_name_is_taken_unless_the_ending_is_anothers),
        cmocka_unit_test(auto_goes_by_the_ending),
        cmocka_unit_test(unknown_endings_list_what_there_is),
        cmocka_unit_test(unknown_names_list_what_there_is),
#ifndef AISPIPE_HAVE_OPENVINO
        cmocka_unit_test(openvino_is_there_or_how_to_get_it_is_told),
#endif
        cmocka_unit_test(the_simulated_device_is_always_there),
        cmocka_unit_test(what_is_lacking_is_told),
        cmocka_unit_test(long_paths_do_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
