/* SPDX-License-Identifier: MIT */
#include "cli/energy_meter.h"

#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* npu-smi takes a second on a busy host. One that hangs must not hold the end of a run. */
#define NPU_SMI_TIMEOUT_NS ((uint64_t)10000000000u)

/* ------------------------------------------------------------------ counters */

/* Reads a small file from its start. 0 or an errno. */
static int read_text(int fd, char *text, size_t capacity)
{
    ssize_t got;
    do
        got = pread(fd, text, capacity - 1, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno;
    text[got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return 0;
}

static int read_number(int fd, uint64_t *number)
{
    char text[32];
    int reason = read_text(fd, text, sizeof text);
    if (reason)
        return reason;
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (errno || end == text || *end)
        return EINVAL;
    return 0;
}

static int open_member(int directory, const char *zone, const char *member)
{
    char path[NAME_MAX + 32];
    int n = snprintf(path, sizeof path, "%s/%s", zone, member);
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return openat(directory, path, O_RDONLY | O_CLOEXEC);
}

/* 0 or an errno; `text` is one line of the file. */
static int read_member(int directory, const char *zone, const char *member, char *text, size_t capacity)
{
    int fd = open_member(directory, zone, member);
    if (fd < 0)
        return errno;
    int reason = read_text(fd, text, capacity);
    (void)close(fd);
    return reason;
}

/* Every joule once: packages, and the memory beside them. */
static bool is_wanted(int directory, const char *zone)
{
    char name[64];
    if (strncmp(zone, "intel-rapl:", strlen("intel-rapl:")) != 0 ||
        read_member(directory, zone, "name", name, sizeof name))
        return false;
    return strncmp(name, "package", strlen("package")) == 0 || strcmp(name, "dram") == 0;
}

static int open_zone(struct rapl *rapl, int directory, const char *name)
{
    struct rapl_zone zone = {.range = UINT64_MAX};
    char range[32];
    if (read_member(directory, name, "max_energy_range_uj", range, sizeof range) == 0 && *range)
        zone.range = strtoull(range, NULL, 10);
    zone.fd = open_member(directory, name, "energy_uj");
    if (zone.fd < 0)
        return errno;
    int reason = read_number(zone.fd, &zone.last);
    if (reason) {
        (void)close(zone.fd);
        return reason;
    }
    rapl->zones[rapl->n++] = zone;
    return 0;
}

static int open_zones(struct rapl *rapl, DIR *dir)
{
    int reason = 0;
    int directory = dirfd(dir);
    if (directory < 0)
        return errno;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (rapl->n == RAPL_MAX_ZONES || !is_wanted(directory, entry->d_name))
            continue;
        int failed = open_zone(rapl, directory, entry->d_name);
        reason = failed ? failed : reason;
    }
    return reason;
}

bool rapl_open(struct rapl *rapl, const char *directory, char *reason, size_t capacity)
{
    *rapl = (struct rapl){.n = 0};
    DIR *dir = opendir(directory);
    if (!dir) {
        (void)snprintf(reason, capacity, "%s: %s", directory, strerror(errno));
        return false;
    }
    int failed = open_zones(rapl, dir);
    (void)closedir(dir);
    if (failed) { /* half of a machine's energy would look like all of it */
        rapl_close(rapl);
        (void)snprintf(reason, capacity, "the counters in %s cannot be read: %s%s", directory,
                       strerror(failed), failed == EACCES ? " (most systems let only root read them)" : "");
        return false;
    }
    if (!rapl->n)
        (void)snprintf(reason, capacity, "%s has no energy counters (intel-rapl:*)", directory);
    return rapl->n > 0;
}

uint64_t rapl_difference(uint64_t last, uint64_t now, uint64_t range)
{
    if (now >= last)
        return now - last;
    return range >= last ? range - last + now + 1 : now;
}

int rapl_read(struct rapl *rapl)
{
    for (size_t i = 0; i < rapl->n; i++) {
        struct rapl_zone *zone = &rapl->zones[i];
        uint64_t now;
        int reason = read_number(zone->fd, &now);
        if (reason)
            return reason;
        rapl->microjoules += rapl_difference(zone->last, now, zone->range);
        zone->last = now;
    }
    return 0;
}

void rapl_close(struct rapl *rapl)
{
    for (size_t i = 0; i < rapl->n; i++)
        (void)close(rapl->zones[i].fd);
    rapl->n = 0;
}

/* ------------------------------------------------------------------ watts */

void power_sample(struct power_integral *integral, uint64_t now_ns, double watts)
{
    if (integral->n++ && now_ns > integral->last_ns)
        integral->joules += (integral->last_watts + watts) / 2 * ((double)(now_ns - integral->last_ns) / 1e9);
    if (now_ns > integral->last_ns)
        integral->last_ns = now_ns;
    integral->last_watts = watts;
}

bool npu_smi_watts(const char *line, double *watts)
{
    const char *name = strstr(line, "Power");
    const char *unit = name ? strstr(name, "(W)") : NULL;
    const char *colon = unit ? strchr(unit, ':') : NULL;
    if (!colon)
        return false;
    char *end;
    double value = strtod(colon + 1, &end);
    if (end == colon + 1 || !(value >= 0) || value > 1e6)
        return false;
    *watts = value;
    return true;
}

/* What one answer of npu-smi said. */
struct answer {
    bool found;
    double watts;
    char last[256];
};

static int take_line(void *context, const char *line)
{
    struct answer *answer = context;
    if (line[strspn(line, " \t")])
        (void)snprintf(answer->last, sizeof answer->last, "%s", line + strspn(line, " \t"));
    if (!answer->found)
        answer->found = npu_smi_watts(line, &answer->watts);
    return 0;
}

int npu_smi_ask(unsigned id, double *watts, struct aispipe_error *error)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%u", id);
    struct answer answer = {.found = false};
    const char *argv[] = {"npu-smi", "info", "-t", "power", "-i", number, NULL};
    const struct process_options options = {.argv = argv,
                                            .with_errors = true,
                                            .line = take_line,
                                            .context = &answer,
                                            .timeout_ns = NPU_SMI_TIMEOUT_NS};
    struct process_end end;
    int rc = process_run(&options, &end, error);
    if (rc)
        return rc;
    char words[64];
    if (end.status != 0)
        return aispipe_fail(error, AISPIPE_DEVICE, "`npu-smi info -t power -i %u` %s: '%s'", id,
                            process_end_words(&end, words, sizeof words), answer.last);
    if (!answer.found)
        return aispipe_fail(error, AISPIPE_FORMAT,
                            "`npu-smi info -t power -i %u` has no line with power in W; its last line: '%s'",
                            id, answer.last);
    *watts = answer.watts;
    return 0;
}
