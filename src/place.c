/* SPDX-License-Identifier: MIT */
#include "place.h"

#include "clock.h"
#include "fork.h"
#include "transfers.h"

#include <pthread.h>
#include <stdlib.h>

struct place {
    struct place *next;
    const struct aispipe_backend *backend;
    int id;
    void *device; /* NULL: not open */
    struct place_memory *memories;
};

struct place_memory {
    struct place *place;
    void *address; /* NULL: gone */
    struct place_memory *next, **from;
    unsigned fork; /* fork_count of the process that allocated it */
};

static struct {
    pthread_once_t once;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    unsigned copies; /* that run now */
    struct place *first;
} places = {.once = PTHREAD_ONCE_INIT, .mutex = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

/* What the parent had open is no device of the child's, and what it locked nobody unlocks. */
static void forget_in_child(void)
{
    pthread_mutex_init(&places.mutex, NULL);
    pthread_cond_init(&places.done, NULL);
    places.copies = 0;
    places.first = NULL;
}

static void watch(void)
{
    fork_watch(forget_in_child);
}

static int open_device(struct place *place, struct aispipe_error *error)
{
    const struct aispipe_backend_config config = {
        .device_id = place->id, .compute_threads = 1, .memory_only = true};
    int rc = place->device ? 0 : place->backend->open(&config, &place->device, error);
    if (rc)
        place->device = NULL;
    return rc;
}

static struct place *find(const struct aispipe_backend *backend, int device_id)
{
    for (struct place *place = places.first; place; place = place->next)
        if (place->backend == backend && place->id == device_id)
            return place;
    struct place *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->backend = backend;
    made->id = device_id;
    made->next = places.first;
    places.first = made;
    return made;
}

int place_get(const struct aispipe_backend *backend, int device_id, struct place **place,
              struct aispipe_error *error)
{
    (void)pthread_once(&places.once, watch);
    pthread_mutex_lock(&places.mutex);
    *place = find(backend, device_id);
    int rc = *place ? open_device(*place, error)
                    : aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the tensors of a device");
    pthread_mutex_unlock(&places.mutex);
    return rc;
}

const struct aispipe_backend *place_backend(const struct place *place)
{
    return place->backend;
}

int place_device(const struct place *place)
{
    return place->id;
}

static void link_memory(struct place_memory *memory)
{
    struct place_memory **head = &memory->place->memories;
    memory->next = *head;
    memory->from = head;
    if (*head)
        (*head)->from = &memory->next;
    *head = memory;
}

static void unlink_memory(struct place_memory *memory)
{
    *memory->from = memory->next;
    if (memory->next)
        memory->next->from = memory->from;
}

int place_alloc(struct place *place, size_t bytes, struct place_memory **memory, struct aispipe_error *error)
{
    struct place_memory *made = calloc(1, sizeof *made);
    *memory = NULL;
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a tensor");
    made->place = place;
    made->fork = fork_count;
    pthread_mutex_lock(&places.mutex);
    int rc = open_device(place, error);
    if (!rc)
        rc = place->backend->memory_alloc(place->device, bytes, &made->address, error);
    if (!rc)
        link_memory(made);
    pthread_mutex_unlock(&places.mutex);
    if (rc) {
        free(made);
        return rc;
    }
    *memory = made;
    return 0;
}

void place_free(struct place_memory *memory)
{
    if (memory->fork == fork_count) {
        pthread_mutex_lock(&places.mutex);
        if (memory->address) {
            unlink_memory(memory);
            memory->place->backend->memory_free(memory->place->device, memory->address);
        }
        pthread_mutex_unlock(&places.mutex);
    }
    free(memory);
}

struct place *place_of(const struct place_memory *memory)
{
    return memory->place;
}

void *place_address(struct place_memory *memory)
{
    if (memory->fork != fork_count)
        return NULL;
    pthread_mutex_lock(&places.mutex);
    void *address = memory->address;
    pthread_mutex_unlock(&places.mutex);
    return address;
}

/* The copy itself needs no lock: copies of several threads run side by side. */
static int begin_copy(struct place_memory *memory, struct aispipe_error *error)
{
    if (memory->fork != fork_count)
        return aispipe_fail(
            error, AISPIPE_CLOSED,
            "the tensor is on a device that was opened before fork; the child has no access to it");
    pthread_mutex_lock(&places.mutex);
    bool gone = !memory->address;
    if (!gone)
        places.copies++;
    pthread_mutex_unlock(&places.mutex);
    if (gone)
        return aispipe_fail(error, AISPIPE_CLOSED,
                            "the tensor was on device %d, which has been finalised: its data is gone",
                            memory->place->id);
    return 0;
}

static void end_copy(void)
{
    pthread_mutex_lock(&places.mutex);
    if (--places.copies == 0)
        pthread_cond_broadcast(&places.done);
    pthread_mutex_unlock(&places.mutex);
}

int place_copy(struct place_memory *memory, void *host, size_t bytes, enum aispipe_transfer direction,
               struct aispipe_error *error)
{
    int rc = begin_copy(memory, error);
    if (rc)
        return rc;
    const struct place *place = memory->place;
    void *to = direction == AISPIPE_H2D ? memory->address : host;
    const void *from = direction == AISPIPE_H2D ? host : memory->address;
    uint64_t start = clock_ns();
    if (bytes)
        rc = place->backend->memory_copy(place->device, to, from, bytes, direction, error);
    if (!rc)
        transfers_note(direction, clock_ns() - start);
    end_copy();
    return rc;
}

static void close_place(struct place *place)
{
    while (place->memories) {
        struct place_memory *memory = place->memories;
        unlink_memory(memory);
        place->backend->memory_free(place->device, memory->address);
        memory->address = NULL;
    }
    if (place->device)
        place->backend->close(place->device);
    place->device = NULL;
}

void places_close(void)
{
    pthread_mutex_lock(&places.mutex);
    while (places.copies)
        pthread_cond_wait(&places.done, &places.mutex);
    for (struct place *place = places.first; place; place = place->next)
        close_place(place);
    pthread_mutex_unlock(&places.mutex);
}
