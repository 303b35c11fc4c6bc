/* SPDX-License-Identifier: MIT */
/*
 * Memory of the devices, and pinned memory of the host.
 *
 * Every allocation of a device is a file in memory that is mapped twice: once without any rights, at the
 * address the program gets, so that touching it faults; once readable, at an address only the simulator
 * knows. A freed range stays reserved for a while, so that its address comes back neither as other memory nor
 * as the host's.
 */
#include "asim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { KEPT_FREED = 1024, MOST_ACCESSES = 4096 };

static struct {
    struct asim_memory *all; /* newest first; freed ones among them */
    size_t n_freed;
    struct asim_piece accesses[MOST_ACCESSES];
    size_t n_accesses;
} memory;

static size_t page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (size_t)size : 4096;
}

/* ---------------------------------------------------------------- finding */

static struct asim_memory *find(const void *address, bool freed)
{
    const char *at = address;
    for (struct asim_memory *m = memory.all; m; m = m->next)
        if (m->freed == freed && at >= m->address && at < m->address + m->mapped)
            return m;
    return NULL;
}

/** Says why an address is not of a device. */
static int not_of_device(const void *address, const char *what)
{
    const struct asim_memory *freed = find(address, true);
    if (!address)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "%s: the device address is NULL", what);
    if (freed && freed->device >= 0)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "%s: device memory %p was freed before", what,
                           address);
    return asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "%s: host pointer %p where a device pointer is wanted",
                       what, address);
}

static int check_range(const struct asim_memory *m, const void *address, size_t size, const char *what)
{
    size_t offset = (size_t)((const char *)address - m->address);
    if (offset > m->size || size > m->size - offset)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                           "%s: %zu bytes at offset %zu of an allocation of %zu bytes", what, size, offset,
                           m->size);
    return 0;
}

int asim_device_piece(const void *address, size_t size, int device, const char *what,
                      struct asim_piece *piece)
{
    struct asim_memory *m = find(address, false);
    if (!m || m->device < 0)
        return not_of_device(address, what);
    if (m->device != device)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                           "%s: memory %p is of device %d, the context of device %d", what, address,
                           m->device, device);
    int code = check_range(m, address, size, what);
    if (code)
        return code;
    *piece = (struct asim_piece){.data = m->alias + ((const char *)address - m->address),
                                 .size = size,
                                 .memory = m,
                                 .write = piece->write};
    return 0;
}

int asim_host_piece(const void *address, size_t size, const char *what, struct asim_piece *piece)
{
    struct asim_memory *m = find(address, false);
    if (!address)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "%s: the host address is NULL", what);
    if (m && m->device >= 0)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "%s: device pointer %p where a host pointer is wanted",
                           what, address);
    const struct asim_memory *freed = m ? NULL : find(address, true);
    if (freed && freed->device >= 0)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                           "%s: %p where a host pointer is wanted is device memory that was freed", what,
                           address);
    int code = m ? check_range(m, address, size, what) : 0;
    if (code)
        return code;
    *piece = (struct asim_piece){.data = (char *)address, .size = size, .memory = m, .write = piece->write};
    return 0;
}

/* ---------------------------------------------------------------- two at once */

static bool overlap(const struct asim_piece *a, const struct asim_piece *b)
{
    return (a->write || b->write) && a->data < b->data + b->size && b->data < a->data + a->size;
}

int asim_access_begin(const struct asim_piece *pieces, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < memory.n_accesses; k++)
            if (overlap(&pieces[i], &memory.accesses[k]))
                return asim_misuse(
                    ACL_ERROR_RT_PARAM_INVALID,
                    "%s %s memory that other running work %s: nothing makes one wait for the other", what,
                    pieces[i].write ? "writes" : "reads", memory.accesses[k].write ? "writes" : "reads");
    if (n > MOST_ACCESSES - memory.n_accesses)
        return asim_refuse(ACL_ERROR_STORAGE_OVER_LIMIT, "%s: too much work at once for the simulator", what);
    for (size_t i = 0; i < n; i++)
        memory.accesses[memory.n_accesses++] = pieces[i];
    return 0;
}

void asim_access_end(const struct asim_piece *pieces, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < memory.n_accesses &&
               (memory.accesses[k].data != pieces[i].data || memory.accesses[k].size != pieces[i].size ||
                memory.accesses[k].write != pieces[i].write))
            k++;
        if (k < memory.n_accesses)
            memory.accesses[k] = memory.accesses[--memory.n_accesses];
    }
}

void asim_pieces_hold(const struct asim_piece *pieces, size_t n, int by)
{
    for (size_t i = 0; i < n; i++)
        if (pieces[i].memory)
            pieces[i].memory->in_use += (unsigned)by;
}

/* ---------------------------------------------------------------- getting and giving back */

int asim_memory_account(int device, size_t bytes, const char *what)
{
    struct asim_device *d = &sim.devices[device];
    if (bytes > sim.settings.memory - d->used)
        return asim_refuse(ACL_ERROR_RT_MEMORY_ALLOCATION,
                           "%s needs %zu bytes, device %d has %llu of %llu free", what, bytes, device,
                           (unsigned long long)(sim.settings.memory - d->used),
                           (unsigned long long)sim.settings.memory);
    d->used += bytes;
    return 0;
}

void asim_memory_give_back(int device, size_t bytes)
{
    sim.devices[device].used -= bytes;
}

/** Maps a new file twice. */
static bool map_twice(struct asim_memory *m)
{
    int fd = memfd_create("device memory", MFD_CLOEXEC);
    if (fd < 0)
        return false;
    void *address = MAP_FAILED;
    void *alias = MAP_FAILED;
    if (ftruncate(fd, (off_t)m->mapped) == 0) {
        address = mmap(NULL, m->mapped, PROT_NONE, MAP_SHARED, fd, 0);
        alias = mmap(NULL, m->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    (void)close(fd);
    if (address != MAP_FAILED && alias != MAP_FAILED) {
        m->address = address;
        m->alias = alias;
        return true;
    }
    if (address != MAP_FAILED)
        (void)munmap(address, m->mapped);
    if (alias != MAP_FAILED)
        (void)munmap(alias, m->mapped);
    return false;
}

static void drop(struct asim_memory **link)
{
    struct asim_memory *m = *link;
    *link = m->next;
    if (m->device >= 0) {
        (void)munmap(m->address, m->mapped);
        if (!m->freed)
            (void)munmap(m->alias, m->mapped);
    } else if (!m->freed) {
        free(m->address);
    }
    free(m);
}

/** Addresses of pinned memory come back from the allocator: what was freed there is history. */
static void forget_freed(const struct asim_memory *news)
{
    for (struct asim_memory **link = &memory.all; *link;) {
        struct asim_memory *m = *link;
        if (m->freed && m->address < news->address + news->mapped && news->address < m->address + m->mapped) {
            drop(link);
            memory.n_freed--;
        } else {
            link = &m->next;
        }
    }
}

static struct asim_memory *make(size_t size, int device)
{
    size_t page = page_size();
    struct asim_memory *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->size = size;
    m->mapped = device < 0 ? size : (size + page - 1) / page * page;
    m->device = device;
    bool made = device < 0
                    ? (m->address = m->alias = aligned_alloc(page, (size + page - 1) / page * page)) != NULL
                    : map_twice(m);
    if (!made) {
        free(m);
        return NULL;
    }
    forget_freed(m);
    m->next = memory.all;
    memory.all = m;
    return m;
}

static void keep_few_freed(void)
{
    while (memory.n_freed > KEPT_FREED) {
        struct asim_memory **oldest = NULL;
        for (struct asim_memory **link = &memory.all; *link; link = &(*link)->next)
            if ((*link)->freed)
                oldest = link;
        if (!oldest)
            return;
        drop(oldest);
        memory.n_freed--;
    }
}

static void give_back(struct asim_memory *m)
{
    m->freed = true;
    memory.n_freed++;
    if (m->device < 0) {
        free(m->address);
    } else {
        (void)munmap(m->alias, m->mapped);
        /* In the place of the file nothing: the pages are free, the address stays taken. */
        void *same = mmap(m->address, m->mapped, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
        if (same == MAP_FAILED) /* without memory for it the file's pages stay, as unreadable as before */
            (void)madvise(m->address, m->mapped, MADV_DONTNEED);
        asim_memory_give_back(m->device, m->mapped);
    }
    keep_few_freed();
}

static bool known_policy(aclrtMemMallocPolicy policy)
{
    return ((unsigned)policy & ~0x1100U) <= ACL_MEM_MALLOC_NORMAL_ONLY_P2P;
}

static int allocate(void **address, size_t size, int device)
{
    size_t page = page_size();
    if (!address || size == 0 || size > SIZE_MAX / 2)
        return asim_misuse(ACL_ERROR_INVALID_PARAM, "%zu bytes to %p: wanted: at least one byte, and a place",
                           size, (void *)address);
    *address = NULL;
    int code = device < 0 ? 0 : asim_memory_account(device, (size + page - 1) / page * page, "an allocation");
    if (code)
        return code;
    struct asim_memory *m = make(size, device);
    if (!m) {
        if (device >= 0)
            asim_memory_give_back(device, (size + page - 1) / page * page);
        return asim_refuse(ACL_ERROR_BAD_ALLOC, "this machine has no memory for %zu bytes", size);
    }
    *address = m->address;
    return 0;
}

static int release(void *address, bool of_device)
{
    const char *what = of_device ? "device memory" : "pinned host memory";
    struct asim_memory *m = find(address, false);
    const struct asim_memory *freed = m ? NULL : find(address, true);
    if (!m && freed && (freed->device >= 0) == of_device)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "%s %p was freed before", what, address);
    if (!m || (m->device >= 0) != of_device)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "%p is no %s%s", address, what,
                           m || !address ? "" : ": the runtime never gave it out");
    if (m->address != address)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "%p is %zu bytes inside an allocation, not its start",
                           address, (size_t)((char *)address - m->address));
    if (m->in_use)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                           "%s %p is named by work that is not done: synchronise the stream first", what,
                           address);
    if (m->models)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                           "device memory %p belongs to a loaded model: unload it first", address);
    give_back(m);
    return 0;
}

/* ---------------------------------------------------------------- at the end */

void asim_memory_report_leaks(void)
{
    for (const struct asim_memory *m = memory.all; m; m = m->next) {
        char text[128];
        if (m->freed)
            continue;
        if (m->device < 0)
            (void)snprintf(text, sizeof text, "%zu bytes of pinned host memory at %p", m->size,
                           (void *)m->address);
        else
            (void)snprintf(text, sizeof text, "%zu bytes of device %d at %p", m->size, m->device,
                           (void *)m->address);
        asim_report("leak", text);
    }
}

void asim_memory_free_all(void)
{
    while (memory.all)
        drop(&memory.all);
    memory.n_freed = 0;
    memory.n_accesses = 0;
}

/* ---------------------------------------------------------------- calls */

aclError aclrtMalloc(void **devPtr, size_t size, aclrtMemMallocPolicy policy)
{
    int code = asim_enter(CALL_aclrtMalloc, SIM_INIT | SIM_CONTEXT);
    if (code)
        return code;
    if (!known_policy(policy))
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "policy %d is not known", (int)policy));
    return asim_leave(allocate(devPtr, size, asim_current()->device));
}

aclError aclrtFree(void *devPtr)
{
    int code = asim_enter(CALL_aclrtFree, SIM_INIT | SIM_ANYWAY);
    return code ? code : asim_leave(release(devPtr, true));
}

aclError aclrtMallocHost(void **hostPtr, size_t size)
{
    int code = asim_enter(CALL_aclrtMallocHost, SIM_INIT | SIM_CONTEXT);
    return code ? code : asim_leave(allocate(hostPtr, size, -1));
}

aclError aclrtFreeHost(void *hostPtr)
{
    int code = asim_enter(CALL_aclrtFreeHost, SIM_INIT | SIM_ANYWAY);
    return code ? code : asim_leave(release(hostPtr, false));
}

aclError aclrtGetMemInfo(aclrtMemAttr attr, size_t *freeSize, size_t *totalSize)
{
    int code = asim_enter(CALL_aclrtGetMemInfo, SIM_INIT | SIM_CONTEXT);
    if (code)
        return code;
    if (!freeSize || !totalSize || (unsigned)attr > 9)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "attribute %d, or a NULL", (int)attr));
    *totalSize = sim.settings.memory;
    *freeSize = sim.settings.memory - sim.devices[asim_current()->device].used;
    return asim_leave(0);
}

/** Both ends of a copy, and that they are what the direction says. */
static int copy_pieces(void *dst, size_t most, const void *src, size_t n, aclrtMemcpyKind kind,
                       struct asim_piece pieces[2])
{
    int device = asim_current()->device;
    pieces[0] = (struct asim_piece){.write = true};
    pieces[1] = (struct asim_piece){.write = false};
    if ((unsigned)kind > ACL_MEMCPY_DEVICE_TO_DEVICE)
        return asim_misuse(ACL_ERROR_INVALID_PARAM, "direction %d is not known", (int)kind);
    if (n == 0 || n > most)
        return asim_misuse(ACL_ERROR_INVALID_PARAM, "%zu bytes into room for %zu", n, most);
    bool to_device = kind == ACL_MEMCPY_HOST_TO_DEVICE || kind == ACL_MEMCPY_DEVICE_TO_DEVICE;
    bool from_device = kind == ACL_MEMCPY_DEVICE_TO_HOST || kind == ACL_MEMCPY_DEVICE_TO_DEVICE;
    int code = to_device ? asim_device_piece(dst, most, device, "destination", &pieces[0])
                         : asim_host_piece(dst, most, "destination", &pieces[0]);
    if (!code)
        code = from_device ? asim_device_piece(src, n, device, "source", &pieces[1])
                           : asim_host_piece(src, n, "source", &pieces[1]);
    pieces[0].size = n;
    if (!code && pieces[0].data < pieces[1].data + n && pieces[1].data < pieces[0].data + n)
        return asim_misuse(ACL_ERROR_INVALID_PARAM, "source and destination overlap");
    return code;
}

aclError aclrtMemcpy(void *dst, size_t destMax, const void *src, size_t count, aclrtMemcpyKind kind)
{
    struct asim_piece pieces[2];
    int code = asim_enter(CALL_aclrtMemcpy, SIM_INIT | SIM_CONTEXT);
    if (code)
        return code;
    code = copy_pieces(dst, destMax, src, count, kind, pieces);
    if (code)
        return asim_leave(code);
    asim_pieces_hold(pieces, 2, 1);
    int64_t at = asim_now_ns();
    code = asim_copy(pieces, kind, &at);
    asim_pieces_hold(pieces, 2, -1);
    return asim_leave(code);
}

aclError aclrtMemcpyAsync(void *dst, size_t destMax, const void *src, size_t count, aclrtMemcpyKind kind,
                          aclrtStream stream)
{
    struct asim_task task = {.kind = SIM_TASK_COPY, .direction = kind};
    int code = asim_enter(CALL_aclrtMemcpyAsync, SIM_INIT | SIM_CONTEXT);
    if (code)
        return code;
    struct asim_stream *s = asim_stream_get(stream);
    if (!s)
        return asim_leave(ACL_ERROR_RT_PARAM_INVALID);
    code = copy_pieces(dst, destMax, src, count, kind, task.pieces);
    if (code)
        return asim_leave(code);
    for (int i = 0; i < 2; i++)
        if (!task.pieces[i].memory)
            return asim_leave(asim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                                          "%s %p is ordinary host memory: asynchronous copies want it from "
                                          "aclrtMallocHost",
                                          i ? "source" : "destination", i ? src : dst));
    return asim_leave(asim_stream_put(s, &task));
}

aclError aclrtMemset(void *devPtr, size_t maxCount, int32_t value, size_t count)
{
    struct asim_piece piece = {.write = true};
    int code = asim_enter(CALL_aclrtMemset, SIM_INIT | SIM_CONTEXT);
    if (code)
        return code;
    if (count == 0 || count > maxCount)
        return asim_leave(
            asim_misuse(ACL_ERROR_INVALID_PARAM, "%zu bytes into room for %zu", count, maxCount));
    code = asim_device_piece(devPtr, maxCount, asim_current()->device, "destination", &piece);
    piece.size = count;
    if (!code)
        code = asim_access_begin(&piece, 1, "a memset");
    if (code)
        return asim_leave(code);
    memset(piece.data, value, count); // NOLINT(clang-analyzer-core.NonNullParamChecker): 0 was refused
    asim_access_end(&piece, 1);
    return asim_leave(0);
}
