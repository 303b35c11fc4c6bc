/* SPDX-License-Identifier: MIT */
#include "openvino_library.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef AISPIPE_OPENVINO_BUILD_LIB
#define AISPIPE_OPENVINO_BUILD_LIB ""
#endif

#define LIBRARY_NAME "libopenvino_c.so"
#define REMEDY "install it with `pip install openvino`, or set AISPIPE_OPENVINO_LIB to its " LIBRARY_NAME ".*"

/** How long python3 may take to say where its package is. Normal: 20–60 ms. */
#define PYTHON_TIMEOUT_MS 20000

/** What was tried so far, for the error. */
struct search {
    char text[1400];
    size_t used;
};

AISPIPE_PRINTF(2, 3) static void note(struct search *search, const char *format, ...)
{
    size_t room = sizeof search->text - search->used;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(search->text + search->used, room, format, args);
    va_end(args);
    if (length > 0)
        search->used += (size_t)length < room ? (size_t)length : room - 1;
}

/** dlerror without the file's name in front, which the caller says itself. */
static const char *load_error(const char *name)
{
    const char *text = dlerror();
    if (!text)
        return "unknown reason";
    size_t length = strlen(name);
    if (strncmp(text, name, length) == 0 && strncmp(text + length, ": ", 2) == 0)
        return text + length + 2;
    return text;
}

/** Returns the first function that the library lacks, NULL when it has them all. */
static const char *resolve(struct openvino_library *ov, void *handle)
{
#define X(name)                                                  \
    ov->name = (__typeof__(ov->name))dlsym(handle, "ov_" #name); \
    if (!ov->name)                                               \
        return "ov_" #name;
    OPENVINO_FUNCTIONS(X)
#undef X
    return NULL;
}

/**
 * Whether the library numbers its element types as the headers do. Releases have inserted types in the middle
 * of that enumeration, and a library of another release would then take float32 for float16 without a word.
 * Bytes per element tell: every such shift moves at least one of these to a type of another width.
 */
static bool same_element_types(const struct openvino_library *ov)
{
    static const struct {
        ov_element_type_e type;
        size_t size;
    } types[] = {{BOOLEAN, 1}, {F16, 2}, {F32, 4}, {F64, 8}, {I8, 1},  {I16, 2},
                 {I32, 4},     {I64, 8}, {U8, 1},  {U16, 2}, {U32, 4}, {U64, 8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        ov_tensor_t *tensor = NULL;
        ov_shape_t shape = {.rank = 1, .dims = (int64_t[]){1}};
        size_t size = 0;
        if (ov->tensor_create(types[i].type, shape, &tensor) != OK)
            return false;
        bool same = ov->tensor_get_byte_size(tensor, &size) == OK && size == types[i].size;
        ov->tensor_free(tensor);
        if (!same)
            return false;
    }
    return true;
}

/*
 * Whenever a compiled model is freed, OpenVINO calls malloc_trim, from whatever thread that is. glibc sets up
 * its heap with the first call of its malloc family, without a lock: it counts on that being before there is
 * a second thread. Where another allocator stands in for malloc (a sanitizer's, jemalloc), nothing of glibc's
 * was ever called, two threads that free models at the same time would both set it up, and crash. So it is
 * called here, once, before there are models.
 */
static void set_up_heap(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

/** Makes `ov` usable from an open library. One that is refused stays mapped: it may have started threads. */
static bool adopt(struct openvino_library *ov, void *handle, const char *name, struct search *search)
{
    const char *missing = resolve(ov, handle);
    if (missing) {
        note(search, "%s: has no function %s, OpenVINO 2024.0 or later is needed; ", name, missing);
        return false;
    }
    if (!same_element_types(ov)) {
        note(search, "%s: numbers its element types differently from the headers of this build; ", name);
        return false;
    }
    (void)snprintf(ov->path, sizeof ov->path, "%s", name);
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, set_up_heap);
    return true;
}

static bool try_library(struct openvino_library *ov, const char *name, struct search *search)
{
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle)
        return adopt(ov, handle, name, search);
    note(search, "%s: %s; ", name, load_error(name));
    return false;
}

/* ---------------------------------------------------------------- the linker's path */

/** As try_library, but silent about a name that does not exist: there are too many to list. */
static bool try_linker_name(struct openvino_library *ov, const char *name, struct search *search)
{
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle)
        return adopt(ov, handle, name, search);
    const char *reason = load_error(name);
    if (!strstr(reason, "No such file"))
        note(search, "%s: %s; ", name, reason);
    return false;
}

/**
 * The unversioned name belongs to development packages; OpenVINO 2026.4.1 alone has `.so.2641`. The linker
 * cannot be asked what it knows, so the releases are tried by name, newest first (about 15 µs each).
 */
static bool try_linker(struct openvino_library *ov, struct search *search)
{
    const char *build_name = strrchr(AISPIPE_OPENVINO_BUILD_LIB, '/');
    if (build_name && try_linker_name(ov, build_name + 1, search))
        return true;
    if (try_linker_name(ov, LIBRARY_NAME, search))
        return true;
    for (int year = 29; year >= 24; year--) {
        for (int release = 69; release >= 0; release--) { /* minor × 10 + patch */
            if (release % 10 > 2)
                continue;
            char name[64];
            (void)snprintf(name, sizeof name, LIBRARY_NAME ".%02d%02d", year, release);
            if (try_linker_name(ov, name, search))
                return true;
        }
    }
    note(search, "%s and its versions: not on the linker's path; ", LIBRARY_NAME);
    return false;
}

/* ---------------------------------------------------------------- the Python package */

/**
 * Prints the package's directory without importing it. The current directory is taken off the module path
 * first: a directory called `openvino` that happens to lie there must not decide which library is loaded.
 */
static const char python_program[] = "import sys\n"
                                     "sys.path[:] = [p for p in sys.path if p]\n"
                                     "import importlib.util, os\n"
                                     "spec = importlib.util.find_spec('openvino')\n"
                                     "where = list(spec.submodule_search_locations or []) if spec else []\n"
                                     "sys.stdout.buffer.write(os.fsencode(where[0]) if where else b'')\n";

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/** Reads what fits until the end or the time is over. Returns the length, −1 when it did not end in time. */
static ssize_t read_answer(int fd, char *text, size_t capacity)
{
    size_t used = 0;
    int64_t deadline = now_ms() + PYTHON_TIMEOUT_MS;
    for (;;) {
        int64_t left = deadline - now_ms();
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int events = left > 0 ? poll(&ready, 1, (int)left) : 0;
        if (events == 0)
            return -1;
        if (events < 0 && errno != EINTR)
            return -1;
        if (events < 0)
            continue;
        ssize_t got = read(fd, text + used, capacity - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || used + (size_t)got == capacity)
            return (ssize_t)used;
        used += (size_t)got;
    }
}

static int spawn_python(int output, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    int result = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (result == 0)
        result = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (result == 0)
        result = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    char *argv[] = {"python3", "-c", (char *)python_program, NULL};
    if (result == 0)
        result = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return result;
}

/** Asks python3 for the directory of its `openvino` package. */
static bool ask_python(char *directory, size_t capacity, struct search *search)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        note(search, "python3: no pipe to it: %s; ", strerror(errno));
        return false;
    }
    pid_t pid = 0;
    int failed = spawn_python(ends[1], &pid);
    (void)close(ends[1]);
    if (failed) {
        (void)close(ends[0]);
        note(search, "python3 on PATH: %s; ", strerror(failed));
        return false;
    }
    ssize_t length = read_answer(ends[0], directory, capacity);
    (void)close(ends[0]);
    if (length < 0)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (length <= 0) {
        note(search, "python3 on PATH: %s; ", length < 0 ? "gave no answer" : "has no package `openvino`");
        return false;
    }
    directory[length] = '\0';
    return true;
}

/** Picks the library of the package: one file, or the newest by name. */
static bool find_in_package(const char *directory, char *path, size_t capacity, struct search *search)
{
    char libs[PATH_MAX];
    int length = snprintf(libs, sizeof libs, "%s/libs", directory);
    DIR *dir = length > 0 && (size_t)length < sizeof libs ? opendir(libs) : NULL;
    if (!dir) {
        note(search, "python3's package %s: no directory libs in it; ", directory);
        return false;
    }
    char best[NAME_MAX + 1] = "";
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (strncmp(entry->d_name, LIBRARY_NAME, strlen(LIBRARY_NAME)) == 0 &&
            strcmp(entry->d_name, best) > 0)
            (void)snprintf(best, sizeof best, "%s", entry->d_name);
    }
    (void)closedir(dir);
    if (!*best) {
        note(search, "%s: no " LIBRARY_NAME ".* in it; ", libs);
        return false;
    }
    length = snprintf(path, capacity, "%s/%s", libs, best);
    return length > 0 && (size_t)length < capacity;
}

static bool try_python(struct openvino_library *ov, struct search *search)
{
    char directory[PATH_MAX];
    char path[sizeof ov->path];
    return ask_python(directory, sizeof directory - 1, search) &&
           find_in_package(directory, path, sizeof path, search) && try_library(ov, path, search);
}

/* ---------------------------------------------------------------- all of them */

int openvino_library_open(struct openvino_library *ov, struct aispipe_error *error)
{
    struct search search = {.used = 0};
    const char *named = getenv("AISPIPE_OPENVINO_LIB");
    if (named && *named) {
        if (try_library(ov, named, &search))
            return 0;
        return aispipe_fail(error, AISPIPE_DEVICE,
                            "OpenVINO cannot be loaded from AISPIPE_OPENVINO_LIB: %sset it to the path of "
                            "OpenVINO's " LIBRARY_NAME ".*, or unset it to search the usual places",
                            search.text);
    }
    if (*AISPIPE_OPENVINO_BUILD_LIB && try_library(ov, AISPIPE_OPENVINO_BUILD_LIB, &search))
        return 0;
    if (try_linker(ov, &search) || try_python(ov, &search))
        return 0;
    return aispipe_fail(error, AISPIPE_DEVICE, "OpenVINO's library was not found. Tried %s" REMEDY,
                        search.text);
}
