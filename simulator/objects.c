/* SPDX-License-Identifier: MIT */
/* Handles: place in a table and how often that place was used, in one number that is no address. */
#include "asim.h"

#include <stdlib.h>

enum { PLACE_BITS = 20, USE_BITS = 24 };

/** Beyond what a process may map, so that touching a handle faults. */
#define HANDLE_BASE ((uintptr_t)0xac1 << 48)

struct place {
    enum asim_kind kind;
    uint32_t use;
    void *object;
};

static struct {
    struct place *places;
    size_t n, capacity, first_free;
} table;

static const char *const kinds[] = {
    [SIM_NOTHING] = "nothing",    [SIM_CONTEXT_OBJECT] = "context", [SIM_STREAM] = "stream",
    [SIM_EVENT] = "event",        [SIM_DATASET] = "dataset",        [SIM_BUFFER] = "data buffer",
    [SIM_TENSOR] = "tensor desc", [SIM_DESC] = "model desc",        [SIM_AIPP] = "AIPP settings"};

const char *asim_kind_name(enum asim_kind kind)
{
    return kinds[kind];
}

static bool grow(void)
{
    size_t capacity = table.capacity ? table.capacity * 2 : 256;
    if (capacity > (size_t)1 << PLACE_BITS)
        return false;
    struct place *places = realloc(table.places, capacity * sizeof *places);
    if (!places)
        return false;
    table.places = places;
    table.capacity = capacity;
    return true;
}

void *asim_object_add(enum asim_kind kind, void *object)
{
    size_t i = table.first_free;
    while (i < table.n && table.places[i].kind != SIM_NOTHING)
        i++;
    if (i == table.capacity && !grow())
        return NULL;
    if (i == table.n)
        table.places[table.n++] = (struct place){.kind = SIM_NOTHING};
    table.first_free = i + 1;
    struct place *place = &table.places[i];
    place->kind = kind;
    place->use = (place->use + 1) & ((1U << USE_BITS) - 1);
    place->object = object;
    return (void *)(HANDLE_BASE | (uintptr_t)place->use << PLACE_BITS | i);
}

/** The place that a handle names, and whether that is still the same object. NULL: it is no handle. */
static struct place *find(const void *handle, bool *same)
{
    uintptr_t number = (uintptr_t)handle;
    size_t i = number & (((uintptr_t)1 << PLACE_BITS) - 1);
    if ((number & ((uintptr_t)0xffff << 48)) != HANDLE_BASE || i >= table.n)
        return NULL;
    uint32_t use = (uint32_t)(number >> PLACE_BITS) & ((1U << USE_BITS) - 1);
    *same = table.places[i].use == use && table.places[i].kind != SIM_NOTHING;
    return &table.places[i];
}

void *asim_object_find(enum asim_kind kind, const void *handle)
{
    bool same = false;
    const struct place *place = find(handle, &same);
    return place && same && place->kind == kind ? place->object : NULL;
}

void *asim_object_get(enum asim_kind kind, const void *handle)
{
    bool same = false;
    const struct place *place = find(handle, &same);
    if (!handle)
        (void)asim_misuse(ACL_ERROR_INVALID_PARAM, "the %s is NULL", kinds[kind]);
    else if (!place)
        (void)asim_misuse(ACL_ERROR_INVALID_PARAM, "%p is no %s: the runtime never gave it out", handle,
                          kinds[kind]);
    else if (!same)
        (void)asim_misuse(ACL_ERROR_INVALID_PARAM, "%s %p was destroyed before", kinds[kind], handle);
    else if (place->kind != kind)
        (void)asim_misuse(ACL_ERROR_INVALID_PARAM, "%p is a %s, wanted: a %s", handle, kinds[place->kind],
                          kinds[kind]);
    else
        return place->object;
    return NULL;
}

void asim_object_remove(const void *handle)
{
    bool same = false;
    struct place *place = find(handle, &same);
    if (!place || !same)
        return;
    place->kind = SIM_NOTHING;
    place->object = NULL;
    if ((size_t)(place - table.places) < table.first_free)
        table.first_free = (size_t)(place - table.places);
}

void *asim_object_nth(enum asim_kind kind, size_t n)
{
    for (size_t i = 0; i < table.n; i++)
        if (table.places[i].kind == kind && n-- == 0)
            return table.places[i].object;
    return NULL;
}

size_t asim_object_count(enum asim_kind kind)
{
    size_t n = 0;
    while (asim_object_nth(kind, n))
        n++;
    return n;
}

void asim_objects_free(void)
{
    free(table.places);
    table.places = NULL;
    table.n = table.capacity = table.first_free = 0;
}
