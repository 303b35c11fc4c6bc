/* SPDX-License-Identifier: MIT */
/** @file infer_models.h Models for the tests of single executions. Include unit.h first. */
#ifndef AISPIPE_TESTS_INFER_MODELS_H
#define AISPIPE_TESTS_INFER_MODELS_H

#include "ir.h"

#include "aispipe/infer.h"

static struct temp_dir dir;

/** y = x + x, float32, of a shape as "2,?" for OpenVINO. */
static inline const char *model_double(const char *name, const char *shape)
{
    struct ir ir = {.n = 0};
    int x = ir_input(&ir, "x", "f32", shape);
    int y = ir_op(&ir, "type=\"Add\" version=\"opset1\"", "<data auto_broadcast=\"numpy\"/>", x, x, "f32",
                  shape, "y");
    ir_output(&ir, y, "f32", shape);
    return ir_save(&ir, &dir, name, NULL, 0);
}

/** Two inputs and two outputs of 16 bytes on the simulated device, which complements bytes. */
static inline const char *model_sim(const char *name, const char *more)
{
    char file[64];
    char text[1024];
    (void)snprintf(file, sizeof file, "%s.sim.json", name);
    int length = snprintf(text, sizeof text,
                          "{\"inputs\":[{\"name\":\"a\",\"dtype\":\"uint8\",\"shape\":[1,16]},"
                          "{\"name\":\"b\",\"dtype\":\"uint8\",\"shape\":[16]}],"
                          "\"outputs\":[{\"name\":\"na\",\"dtype\":\"uint8\",\"shape\":[1,16]},"
                          "{\"name\":\"nb\",\"dtype\":\"uint8\",\"shape\":[16]}]%s}",
                          more);
    temp_write(&dir, file, text, (size_t)length);
    return temp_path(&dir, file);
}

static inline struct aispipe_session *open_model(const char *path,
                                                 const struct aispipe_session_options *options)
{
    static const struct aispipe_session_options defaults = {.device_id = 0};
    struct aispipe_error error = {.message = ""};
    struct aispipe_session *session = NULL;
    if (aispipe_session_open(path, options ? options : &defaults, &session, &error))
        fail_msg("%s", error.message);
    return session;
}

/** The call succeeds; or it fails with `code` and words in its message. */
#define WELL(call)                         \
    do {                                   \
        error.message[0] = '\0';           \
        if ((call) != 0)                   \
            fail_msg("%s", error.message); \
    } while (0)
#define FAILS(call, code, words)                           \
    do {                                                   \
        error.message[0] = '\0';                           \
        assert_int_equal((call), (code));                  \
        if (!strstr(error.message, (words)))               \
            fail_msg("'%s' in: %s", words, error.message); \
    } while (0)

static inline int models_setup(void **state)
{
    (void)state;
    temp_make(&dir);
    return 0;
}

static inline int models_teardown(void **state)
{
    (void)state;
    temp_remove(&dir);
    return 0;
}

#endif
