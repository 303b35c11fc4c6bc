/* SPDX-License-Identifier: MIT */
/* Where threads run: what is asked for, what auto decides on machines of several nodes, and that a visit ends
 * where it began. */
#include "unit.h"

#include "files.h"

#include "affinity.h"

#include <pthread.h>

static struct temp_dir sysfs;
static struct cores allowed; /* of this process */
static unsigned first;       /* the lowest of them */

/* A device that is where the test says. */
static bool tell_address(void *device, char *address, size_t capacity)
{
    return device && snprintf(address, capacity, "%s", (const char *)device) < (int)capacity;
}
static const struct aispipe_backend on_bus = {.name = "bus", .pci_address = tell_address};
static const struct aispipe_backend nowhere = {.name = "nowhere"};

static void make_path(const char *name)
{
    char path[256];
    for (const char *slash = name; (slash = strchr(slash, '/')); slash++) {
        (void)snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
        (void)mkdir(temp_path(&sysfs, path), 0750);
    }
}

static void file(const char *name, const char *text)
{
    make_path(name);
    temp_write(&sysfs, name, text, strlen(text));
}

/* Two nodes: the process's own cores are all on node 1; one that it may not use is on node 0. */
static void make_machine(void)
{
    char list[CORES_TEXT + 1];
    temp_make(&sysfs);
    cores_format(&allowed, list, sizeof list - 1);
    (void)strcat(list, "\n");
    file("devices/system/node/has_cpu", "0-1\n");
    file("devices/system/node/online", "0-2\n"); /* node 2 is memory */
    file("devices/system/node/node0/cpulist", "8191\n");
    file("devices/system/node/node1/cpulist", list);
    file("bus/pci/devices/0000:01:00.0/numa_node", "0\n");
    file("bus/pci/devices/0000:c1:00.0/numa_node", "1\n");
    file("bus/pci/devices/0000:c2:00.0/numa_node", "-1\n");
    file("bus/pci/devices/0000:c3:00.0/numa_node", "many\n");
}

static struct affinity settled(const struct aispipe_backend *backend, const char *address)
{
    struct affinity affinity;
    struct aispipe_error error;
    assert_int_equal(affinity_read("auto", &affinity, &error), 0);
    assert_false(affinity.restricts);
    affinity_settle(&affinity, backend, (void *)address, sysfs.path);
    return affinity;
}

static void assert_free(const struct affinity *affinity, const char *why)
{
    assert_false(affinity->restricts);
    assert_true(cores_equal(&affinity->cores, &allowed));
    if (!strstr(affinity->reason, why))
        fail_msg("'%s' is not in: %s", why, affinity->reason);
}

static void auto_takes_the_node_of_the_device(void **state)
{
    (void)state;
    make_machine();
    static const char *const spellings[] = {"0000:c1:00.0", "0000:C1:00.0"};
    for (size_t i = 0; i < 2; i++) {
        struct affinity affinity = settled(&on_bus, spellings[i]);
        assert_true(affinity.restricts);
        assert_true(cores_equal(&affinity.cores, &allowed));
        assert_string_equal(affinity.reason, "NUMA node 1, where device 0000:c1:00.0 is");
    }
    temp_remove(&sysfs);
}

/* In a container, or below taskset: of the node's cores, those that there are. */
static void auto_keeps_within_the_process(void **state)
{
    (void)state;
    make_machine();
    char list[64];
    (void)snprintf(list, sizeof list, "%u,8000-8191\n", first);
    file("devices/system/node/node1/cpulist", list);
    struct affinity affinity = settled(&on_bus, "0000:c1:00.0");
    assert_true(affinity.restricts);
    assert_int_equal(cores_count(&affinity.cores), 1);
    assert_true(cores_has(&affinity.cores, first));
    temp_remove(&sysfs);
}

static void auto_does_nothing_where_it_does_not_know(void **state)
{
    (void)state;
    make_machine();
    struct affinity affinity = settled(&nowhere, NULL);
    assert_free(&affinity, "that of the device is not known");
    affinity = settled(&on_bus, NULL);
    assert_free(&affinity, "that of the device is not known");
    static const char *const unknown[] = {"0000:c2:00.0", "0000:c3:00.0", "0000:ff:00.0", "", "../../../x"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        affinity = settled(&on_bus, unknown[i]);
        assert_free(&affinity, "is not known");
    }
    affinity = settled(&on_bus, "0000:01:00.0");
    assert_free(&affinity, "may use no core of NUMA node 0");
    file("devices/system/node/node1/cpulist", "\n");
    affinity = settled(&on_bus, "0000:c1:00.0");
    assert_free(&affinity, "may use no core of NUMA node 1");
    temp_remove(&sysfs);
}

static void auto_does_nothing_on_one_node(void **state)
{
    (void)state;
    make_machine();
    file("devices/system/node/has_cpu", "0\n");
    struct affinity affinity = settled(&on_bus, "0000:c1:00.0");
    assert_free(&affinity, "one NUMA node");
    /* An older kernel has no has_cpu. */
    assert_int_equal(unlink(temp_path(&sysfs, "devices/system/node/has_cpu")), 0);
    affinity = settled(&on_bus, "0000:c1:00.0");
    assert_true(affinity.restricts);
    file("devices/system/node/online", "0\n");
    affinity = settled(&on_bus, "0000:c1:00.0");
    assert_free(&affinity, "one NUMA node");
    /* And none at all. */
    assert_int_equal(unlink(temp_path(&sysfs, "devices/system/node/online")), 0);
    affinity = settled(&on_bus, "0000:c1:00.0");
    assert_free(&affinity, "one NUMA node");
    temp_remove(&sysfs);
}

static void what_is_asked_for_is_read(void **state)
{
    (void)state;
    struct affinity affinity;
    struct aispipe_error error;
    char list[16];
    static const char *const autos[] = {NULL, "auto", "AUTO"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(affinity_read(autos[i], &affinity, &error), 0);
        assert_string_equal(affinity_mode_name(affinity.mode), "auto");
    }
    assert_int_equal(affinity_read("None", &affinity, &error), 0);
    assert_string_equal(affinity_mode_name(affinity.mode), "none");
    assert_false(affinity.restricts);
    (void)snprintf(list, sizeof list, "%u", first);
    assert_int_equal(affinity_read(list, &affinity, &error), 0);
    assert_string_equal(affinity_mode_name(affinity.mode), "list");
    assert_true(affinity.restricts && cores_count(&affinity.cores) == 1);
    make_machine();
    affinity_settle(&affinity, &on_bus, "0000:01:00.0", sysfs.path); /* is for auto */
    assert_true(affinity.restricts && cores_has(&affinity.cores, first));
    temp_remove(&sysfs);
    static const char *const wrong[] = {"", "8191", "0;0", "automatic", "-"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(affinity_read(wrong[i], &affinity, &error), AISPIPE_INVALID);
        assert_non_null(strstr(error.message, "affinity '"));
        assert_non_null(strstr(error.message, "auto and none"));
    }
}

static void *where_am_i(void *result)
{
    assert_true(cores_current(result));
    return NULL;
}

static void a_visit_ends_where_it_began(void **state)
{
    (void)state;
    struct affinity affinity;
    struct affinity_visit visit = {.changed = false};
    struct aispipe_error error;
    struct cores here, there;
    pthread_t thread;
    char list[16];
    (void)snprintf(list, sizeof list, "%u", first);
    assert_int_equal(affinity_read(list, &affinity, &error), 0);
    assert_int_equal(affinity_enter(&affinity, &visit, &error), 0);
    assert_int_equal(affinity_enter(&affinity, &visit, &error), 0); /* again, as after a decision */
    assert_int_equal(pthread_create(&thread, NULL, where_am_i, &there), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(cores_equal(&there, &affinity.cores));
    affinity_leave(&visit);
    assert_true(cores_current(&here) && cores_equal(&here, &allowed));
    /* A visit to nowhere changes nothing. */
    visit = (struct affinity_visit){.changed = false};
    affinity.cores = (struct cores){0};
    assert_int_equal(affinity_enter(&affinity, &visit, &error), AISPIPE_SYSTEM);
    assert_non_null(strstr(error.message, "cannot be restricted"));
    affinity_leave(&visit);
    assert_true(cores_current(&here) && cores_equal(&here, &allowed));
}

static void who_was_moved_comes_back(void **state)
{
    (void)state;
    struct affinity affinity;
    struct aispipe_error error;
    struct cores now;
    char list[16];
    (void)snprintf(list, sizeof list, "%u", first);
    assert_int_equal(affinity_read(list, &affinity, &error), 0);
    if (cores_count(&allowed) > 1) {
        struct cores others = allowed;
        CPU_CLR_S(first, sizeof others.sets, others.sets);
        assert_int_equal(cores_apply(&others), 0);
        assert_false(affinity_return(&affinity)); /* as an engine would have moved us */
    }
    (void)affinity_return(&affinity);
    assert_true(affinity_return(&affinity));
    assert_true(cores_current(&now) && cores_equal(&now, &affinity.cores));
    assert_int_equal(cores_apply(&allowed), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_takes_the_node_of_the_device),
        cmocka_unit_test(auto_keeps_within_the_process),
        cmocka_unit_test(auto_does_nothing_where_it_does_not_know),
        cmocka_unit_test(auto_does_nothing_on_one_node),
        cmocka_unit_test(what_is_asked_for_is_read),
        cmocka_unit_test(a_visit_ends_where_it_began),
        cmocka_unit_test(who_was_moved_comes_back),
    };
    (void)cores_current(&allowed);
    while (!cores_has(&allowed, first))
        first++;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
