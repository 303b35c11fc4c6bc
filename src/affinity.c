/* SPDX-License-Identifier: MIT */
#include "affinity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *affinity_mode_name(enum affinity_mode mode)
{
    static const char *const names[] = {
        [AFFINITY_AUTO] = "auto", [AFFINITY_NONE] = "none", [AFFINITY_LIST] = "list"};
    return names[mode];
}

int affinity_read(const char *text, struct affinity *affinity, struct aispipe_error *error)
{
    *affinity = (struct affinity){.mode = AFFINITY_AUTO};
    (void)cores_current(&affinity->cores);
    if (!text || strcasecmp(text, "auto") == 0)
        return 0;
    if (strcasecmp(text, "none") == 0) {
        affinity->mode = AFFINITY_NONE;
        (void)snprintf(affinity->reason, sizeof affinity->reason, "nothing is set");
        return 0;
    }
    struct aispipe_error why = {0};
    affinity->mode = AFFINITY_LIST;
    affinity->restricts = true;
    (void)snprintf(affinity->reason, sizeof affinity->reason, "as given");
    int rc = cores_read(text, SIZE_MAX, &affinity->cores, &why);
    return rc ? aispipe_fail(error, rc, "affinity %.1500s; auto and none are possible too", why.message) : 0;
}

/* ---------------------------------------------------------------- sysfs */

/* The first line of a small file, without its end. False: there is none. */
static bool read_line(const char *root, const char *name, char *line, size_t capacity)
{
    char path[512];
    if (snprintf(path, sizeof path, "%s/%s", root, name) >= (int)sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fgets(line, (int)capacity, file) != NULL;
    fclose(file);
    if (read)
        line[strcspn(line, "\n")] = '\0';
    return read;
}

/* A list of numbers in a file: cores, or nodes, which are written alike. */
static bool read_list(const char *root, const char *name, struct cores *list)
{
    char line[8192];
    return read_line(root, name, line, sizeof line) && cores_parse(line, SIZE_MAX, list);
}

/* How many nodes have cores: there are also some that are only memory. */
static unsigned nodes_with_cores(const char *root)
{
    struct cores nodes;
    if (read_list(root, "devices/system/node/has_cpu", &nodes) ||
        read_list(root, "devices/system/node/online", &nodes))
        return cores_count(&nodes);
    return 1;
}

/* The node of a device on the PCI bus; -1 where the firmware does not say. */
static int node_of(const char *root, const char *address)
{
    char name[128];
    char line[32];
    /* It becomes part of a path. */
    if (!*address || strspn(address, "0123456789abcdef:.") != strlen(address))
        return -1;
    (void)snprintf(name, sizeof name, "bus/pci/devices/%.64s/numa_node", address);
    if (!read_line(root, name, line, sizeof line))
        return -1;
    char *end;
    long node = strtol(line, &end, 10);
    return end != line && !*end && node >= 0 && node < CORES_MOST ? (int)node : -1;
}

/* ---------------------------------------------------------------- auto */

static void lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'F')
            *text = (char)(*text - 'A' + 'a');
}

static void restrict_to_node(struct affinity *affinity, const char *root, int node, const char *address)
{
    char name[64];
    struct cores cores = {0};
    (void)snprintf(name, sizeof name, "devices/system/node/node%d/cpulist", node);
    bool known = read_list(root, name, &cores);
    cores = cores_both(&cores, &affinity->cores);
    if (!known || !cores_count(&cores)) {
        (void)snprintf(affinity->reason, sizeof affinity->reason,
                       "nothing is set: this process may use no core of NUMA node %d, where device %s is",
                       node, address);
        return;
    }
    affinity->cores = cores;
    affinity->restricts = true;
    (void)snprintf(affinity->reason, sizeof affinity->reason, "NUMA node %d, where device %s is", node,
                   address);
}

void affinity_settle(struct affinity *affinity, const struct aispipe_backend *backend, void *device,
                     const char *root)
{
    char address[32] = "";
    if (affinity->mode != AFFINITY_AUTO || affinity->restricts)
        return;
    unsigned nodes = nodes_with_cores(root);
    if (nodes < 2) {
        (void)snprintf(affinity->reason, sizeof affinity->reason,
                       "nothing is set: the machine has one NUMA node");
        return;
    }
    if (!backend->pci_address || !backend->pci_address(device, address, sizeof address)) {
        (void)snprintf(affinity->reason, sizeof affinity->reason,
                       "nothing is set: of %u NUMA nodes, that of the device is not known", nodes);
        return;
    }
    lower(address);
    int node = node_of(root, address);
    if (node >= 0)
        restrict_to_node(affinity, root, node, address);
    else
        (void)snprintf(affinity->reason, sizeof affinity->reason,
                       "nothing is set: of %u NUMA nodes, that of device %s is not known", nodes, address);
}

/* ---------------------------------------------------------------- in force */

int affinity_enter(const struct affinity *affinity, struct affinity_visit *visit, struct aispipe_error *error)
{
    char list[CORES_TEXT];
    if (!affinity->restricts)
        return 0;
    if (!visit->changed && !cores_current(&visit->before))
        return aispipe_fail(error, AISPIPE_SYSTEM, "the kernel does not say on which cores threads may run");
    int reason = cores_apply(&affinity->cores);
    if (reason)
        return aispipe_fail(error, AISPIPE_SYSTEM, "threads cannot be restricted to the cores %s: %s",
                            cores_format(&affinity->cores, list, sizeof list), strerror(reason));
    visit->changed = true;
    return 0;
}

bool affinity_return(const struct affinity *affinity)
{
    int core = sched_getcpu();
    struct cores now;
    bool inside = core < 0 || cores_has(&affinity->cores, (uint64_t)core);
    if (cores_current(&now) && !cores_equal(&now, &affinity->cores))
        (void)cores_apply(&affinity->cores);
    return inside;
}

void affinity_leave(const struct affinity_visit *visit)
{
    if (visit->changed)
        (void)cores_apply(&visit->before);
}
