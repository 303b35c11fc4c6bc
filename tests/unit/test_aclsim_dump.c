/* SPDX-License-Identifier: MIT */
/* The simulated runtime's dumps, by aclInit's file and by aclmdlSetDump. */
#include "unit.h"

#include "aclsim.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>

static const int64_t dims[] = {2, 3};

static const char *model_file(void)
{
    return aclsim_relu("net", OM_STATIC, 2, dims, OM_ND, 0, 0, NULL);
}

/* acl.json with a dump section into <dir>/<place>. */
static const char *configuration(const char *place, const char *more)
{
    static char path[PATH_MAX];
    char text[PATH_MAX + 256];
    (void)snprintf(text, sizeof text, "{\"dump\": {\"dump_path\": \"%s\"%s}}", temp_path(&dir, place), more);
    temp_write(&dir, "acl.json", text, strlen(text));
    (void)snprintf(path, sizeof path, "%s", temp_path(&dir, "acl.json"));
    return path;
}

#define OF(name) ", \"dump_list\": [{\"model_name\": \"" name "\"}]"

static void start(const char *file)
{
    aclsim_load();
    GOOD(aclInit(file));
    GOOD(aclrtSetDevice(0));
    GOOD(aclrtCreateContext(&context, 0));
}

static size_t count(const char *pattern)
{
    glob_t found;
    int code = glob(temp_path(&dir, pattern), 0, NULL, &found);
    size_t n = code ? 0 : found.gl_pathc;
    if (!code)
        globfree(&found);
    return n;
}

static void execute(struct loaded *model, int times)
{
    for (int i = 0; i < times; i++) {
        aclsim_put(model, 6);
        GOOD(aclmdlExecute(model->id, model->in, model->out));
        aclsim_check(model, 6);
    }
}

/* Returns the bytes of the one file that the pattern fits. */
static size_t read_one(const char *pattern, char *text, size_t capacity)
{
    glob_t found;
    assert_int_equal(glob(temp_path(&dir, pattern), 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    int fd = open(found.gl_pathv[0], O_RDONLY | O_CLOEXEC);
    globfree(&found);
    ssize_t n = fd < 0 ? -1 : read(fd, text, capacity);
    assert_true(n > 0);
    assert_int_equal(close(fd), 0);
    return (size_t)n;
}

/* The file as a whole: its line of JSON, then tensors of six floats, of which the last is the output. */
static void check_file(const char *pattern, const char *header, size_t n_floats)
{
    char text[1024];
    float values[12];
    size_t length = strlen(header);
    assert_int_equal(read_one(pattern, text, sizeof text), length + n_floats * 4);
    assert_memory_equal(text, header, length);
    memcpy(values, text + length, n_floats * 4);
    for (size_t i = 0; i < n_floats; i++) {
        float x = (float)(i % 6) - 3;
        assert_float_equal(values[i], i >= n_floats - 6 && x < 0 ? 0 : x, 0);
    }
}

#define TENSOR(kind, name)                                     \
    "{\"kind\": \"" kind "\", \"index\": 0, \"name\": \"" name \
    "\", \"dtype\": \"float32\", \"shape\": [2, 3], "          \
    "\"bytes\": 24}"

static void test_by_init(void **state)
{
    (void)state;
    temp_subdir(&dir, "dumps");
    start(configuration("dumps", ", \"dump_mode\": \"all\"" OF("net")));
    struct loaded model = aclsim_load_model(model_file());
    execute(&model, 2);
    assert_int_equal(count("dumps/*"), 1);
    assert_int_equal(count("dumps/*/0/net/1/*"), 2);
    check_file("dumps/*/0/net/1/0/Simulated.net_operator.1.*",
               "[" TENSOR("input", "x") ", " TENSOR("output", "y") "]\n", 12);
    check_file("dumps/*/0/net/1/1/Simulated.net_operator.2.*",
               "[" TENSOR("input", "x") ", " TENSOR("output", "y") "]\n", 12);
    /* Another model, and another load of the same. */
    struct loaded other = aclsim_load_model(aclsim_relu("other", OM_STATIC, 2, dims, OM_ND, 0, 0, NULL));
    struct loaded again = aclsim_load_model(model_file());
    execute(&other, 1);
    execute(&again, 1);
    assert_int_equal(count("dumps/*/*/*/*/*/*"), 3);
    assert_int_equal(count("dumps/*/0/net/3/0/*"), 1);
    aclsim_drop_model(&model);
    aclsim_drop_model(&other);
    aclsim_drop_model(&again);
    MISUSE(aclmdlInitDump(), ACL_ERROR_INVALID_PARAM, "aclInit was told");
    aclsim_stop();
}

static void test_by_calls(void **state)
{
    (void)state;
    temp_subdir(&dir, "dumps");
    aclsim_start();
    struct loaded before = aclsim_load_model(model_file());
    GOOD(aclmdlInitDump());
    GOOD(aclmdlSetDump(configuration("dumps", OF("net"))));
    struct loaded model = aclsim_load_model(model_file());
    execute(&before, 1); /* was loaded too early */
    assert_int_equal(count("dumps/*"), 0);
    execute(&model, 1);
    check_file("dumps/*/0/net/2/0/*", "[" TENSOR("output", "y") "]\n", 6);
    GOOD(aclmdlFinalizeDump());
    execute(&model, 1);
    assert_int_equal(count("dumps/*/0/net/2/*"), 1);
    /* A new beginning does not revive what was loaded for the old one. */
    GOOD(aclmdlInitDump());
    GOOD(aclmdlSetDump(configuration("dumps", OF("net"))));
    execute(&model, 1);
    assert_int_equal(count("dumps/*/0/net/2/*"), 1);
    GOOD(aclmdlFinalizeDump());
    aclsim_drop_model(&before);
    aclsim_drop_model(&model);
    aclsim_stop();
}

static void test_misuse(void **state)
{
    (void)state;
    aclsim_start();
    MISUSE(aclmdlSetDump("x.json"), ACL_ERROR_INVALID_PARAM, "before aclmdlInitDump");
    MISUSE(aclmdlFinalizeDump(), ACL_ERROR_INVALID_PARAM, "before aclmdlInitDump");
    GOOD(aclmdlInitDump());
    MISUSE(aclmdlInitDump(), ACL_ERROR_INVALID_PARAM, "called twice");
    MISUSE(aclmdlSetDump(NULL), ACL_ERROR_INVALID_PARAM, "NULL");
    REFUSED(aclmdlSetDump("/none/x.json"), ACL_ERROR_INVALID_FILE, "/none/x.json");
    temp_write(&dir, "acl.json", "{}", 2);
    REFUSED(aclmdlSetDump(temp_path(&dir, "acl.json")), ACL_ERROR_INVALID_DUMP_CONFIG, "no dump section");
    GOOD(aclmdlFinalizeDump());
    aclsim_stop();
}

static void test_refused_sections(void **state)
{
    (void)state;
    static const struct {
        const char *place, *more, *key;
    } cases[] = {
        {"none", OF("net"), "dump_path"},
        {"dumps", ", \"dump_mode\": \"most\"" OF("net"), "dump_mode"},
        {"dumps", ", \"dump_op_switch\": \"yes\"" OF("net"), "dump_op_switch"},
        {"dumps", "", "dump_list"},
        {"dumps", ", \"dump_op_switch\": \"off\", \"dump_list\": []", "dump_list"},
        {"dumps", ", \"dump_list\": [{\"layer\": []}]", "model_name"},
    };
    temp_subdir(&dir, "dumps");
    aclsim_load();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        REFUSED(aclInit(configuration(cases[i].place, cases[i].more)), ACL_ERROR_INVALID_DUMP_CONFIG,
                cases[i].key);
    GOOD(aclInit(configuration("dumps", ", \"dump_op_switch\": \"on\", \"dump_list\": []")));
    GOOD(aclFinalize());
    aclsim_unload();
}

/* The place goes away after aclInit has looked at it. */
static void test_cannot_write(void **state)
{
    (void)state;
    temp_subdir(&dir, "dumps");
    start(configuration("dumps", OF("net")));
    struct loaded model = aclsim_load_model(model_file());
    assert_int_equal(rmdir(temp_path(&dir, "dumps")), 0);
    temp_write(&dir, "dumps", "", 0);
    aclsim_put(&model, 6);
    REFUSED(aclmdlExecute(model.id, model.in, model.out), ACL_ERROR_GE_FAILURE, strerror(ENOTDIR));
    aclsim_drop_model(&model);
    aclsim_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_by_init, aclsim_setup, aclsim_teardown),
        cmocka_unit_test_setup_teardown(test_by_calls, aclsim_setup, aclsim_teardown),
        cmocka_unit_test_setup_teardown(test_misuse, aclsim_setup, aclsim_teardown),
        cmocka_unit_test_setup_teardown(test_refused_sections, aclsim_setup, aclsim_teardown),
        cmocka_unit_test_setup_teardown(test_cannot_write, aclsim_setup, aclsim_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
