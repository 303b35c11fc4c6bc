/* SPDX-License-Identifier: MIT */
#include "io/file_list.h"

#include "io/natural_order.h"

#include <stdlib.h>
#include <string.h>

enum {
    SHORT_ENDING = 4,
    ZST_ENDING = 4,
    HANDFUL = 32, /* of names that are looked at together */
};

int file_ending_of(const char *name, size_t length)
{
    int ending = 0;
    if (length >= ZST_ENDING && memcmp(name + length - ZST_ENDING, ".zst", ZST_ENDING) == 0) {
        length -= ZST_ENDING;
        ending = DATASET_NPY_ZST;
    }
    if (length < SHORT_ENDING)
        return -1;
    const char *last = name + length - SHORT_ENDING;
    if (memcmp(last, ".npy", SHORT_ENDING) == 0)
        return ending | DATASET_NPY;
    if (memcmp(last, ".bin", SHORT_ENDING) == 0)
        return ending | DATASET_BIN;
    if (memcmp(last, ".NPY", SHORT_ENDING) == 0)
        return ending | DATASET_NPY | FILE_ENDING_CAPITALS;
    if (memcmp(last, ".BIN", SHORT_ENDING) == 0)
        return ending | DATASET_BIN | FILE_ENDING_CAPITALS;
    return -1;
}

_Static_assert(DATASET_NPY == 0 && DATASET_BIN == 1 && DATASET_NPY_ZST == 2 && DATASET_BIN_ZST == 3,
               "endings are combined from bits");

static int no_memory(struct aispipe_error *error, size_t count)
{
    return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the names of more than %zu input files",
                        count);
}

/*
 * The block, moved if need be, with room for `needed` items; NULL when there is no memory (it is then as it
 * was). Doubles: the allocator remaps large blocks instead of copying them, and room that is not used is
 * not touched.
 */
static void *grown(void *block, size_t *room, size_t needed, size_t item)
{
    if (needed <= *room)
        return block;
    size_t wanted = *room ? *room : 1024;
    while (wanted < needed)
        if (__builtin_mul_overflow(wanted, 2, &wanted))
            return NULL;
    size_t bytes;
    if (__builtin_mul_overflow(wanted, item, &bytes))
        return NULL;
    void *larger = realloc(block, bytes);
    if (larger)
        *room = wanted;
    return larger;
}

int file_list_add(struct file_list *list, const char *name, size_t length, int ending,
                  struct aispipe_error *error)
{
    if (length > FILE_NAME_MAX)
        return aispipe_fail(error, AISPIPE_INVALID, "input path '%.64s…' is longer than %d bytes", name,
                            FILE_NAME_MAX);
    /* Offsets have 48 bits, and the stems' table counts files with 32. */
    if (list->text_used >> 47 || list->count >= UINT32_MAX - 1)
        return aispipe_fail(error, AISPIPE_INVALID, "more than %zu input files are too many for one run",
                            list->count);
    char *text = grown(list->text, &list->text_room, list->text_used + length + 1, 1);
    if (!text)
        return no_memory(error, list->count);
    list->text = text;
    file_ref *refs = grown(list->refs, &list->room, list->count + 1, sizeof *refs);
    if (!refs)
        return no_memory(error, list->count);
    list->refs = refs;
    memcpy(list->text + list->text_used, name, length);
    list->text[list->text_used + length] = '\0';
    list->refs[list->count++] = (file_ref)ending << 61 | (file_ref)length << 48 | list->text_used;
    list->text_used += length + 1;
    return 0;
}

static void *shrunk(void *block, size_t bytes)
{
    void *smaller = bytes ? realloc(block, bytes) : NULL;
    return smaller ? smaller : block;
}

void file_list_trim(struct file_list *list)
{
    list->text = shrunk(list->text, list->text_used);
    list->refs = shrunk(list->refs, list->count * sizeof *list->refs);
    list->text_room = list->text_used;
    list->room = list->count;
}

void file_list_free(struct file_list *list)
{
    free(list->text);
    free(list->refs);
    *list = (struct file_list){0};
}

struct sort_entry {
    struct natural_key key;
    file_ref ref;
};

static int compare_entries(const void *left, const void *right, void *text)
{
    const struct sort_entry *a = left;
    const struct sort_entry *b = right;
    if (a->key.high != b->key.high)
        return a->key.high < b->key.high ? -1 : 1;
    if (a->key.low != b->key.low)
        return a->key.low < b->key.low ? -1 : 1;
    const char *names = text;
    return natural_compare(names + file_ref_offset(a->ref), names + file_ref_offset(b->ref));
}

/* Runs that are shorter are sorted by comparing: counting them costs more. */
enum { SHORT_RUN = 48, KEY_BYTES = sizeof(struct natural_key) };

static unsigned key_byte(const struct sort_entry *entry, unsigned place)
{
    uint64_t half = place < KEY_BYTES / 2 ? entry->key.high : entry->key.low;
    return half >> (56 - 8 * (place % (KEY_BYTES / 2))) & 0xff;
}

static void insertion_sort(struct sort_entry *entries, size_t count, const char *text)
{
    for (size_t i = 1; i < count; i++) {
        struct sort_entry entry = entries[i];
        size_t at = i;
        for (; at > 0 && compare_entries(&entries[at - 1], &entry, (void *)(uintptr_t)text) > 0; at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

/*
 * Sorts entries that agree in the first `place` bytes of their keys: dealt out by the next byte through
 * `spare`, then each byte's run by itself. Three times as fast as a sort that compares, with the memory that
 * qsort() takes as well.
 */
static void radix_sort(struct sort_entry *entries, struct sort_entry *spare, size_t count, unsigned place,
                       char *text)
{
    size_t ends[256] = {0};
    for (size_t i = 0; i < count; i++)
        ends[key_byte(&entries[i], place)]++;
    size_t end = 0;
    for (unsigned byte = 0; byte < 256; byte++) {
        end += ends[byte];
        ends[byte] = end;
    }
    for (size_t i = count; i-- > 0;)
        spare[--ends[key_byte(&entries[i], place)]] = entries[i];
    memcpy(entries, spare, count * sizeof *entries);
    /* `ends` are now the starts. */
    for (unsigned byte = 0; byte < 256; byte++) {
        size_t start = ends[byte];
        size_t run = (byte < 255 ? ends[byte + 1] : count) - start;
        if (run <= SHORT_RUN)
            insertion_sort(entries + start, run, text);
        else if (place + 1 < KEY_BYTES)
            radix_sort(entries + start, spare, run, place + 1, text);
        else
            qsort_r(entries + start, run, sizeof *entries, compare_entries, text);
    }
}

/*
 * Names in a directory mostly begin alike ("ILSVRC2012_val_"): keys are made from behind what all of them
 * share, so that they hold what tells the names apart.
 */
static size_t common_start(const struct file_list *list, size_t first)
{
    const char *name = file_list_name(list, list->refs[first]);
    size_t common = file_ref_length(list->refs[first]);
    for (size_t i = first + 1; i < list->count && common > 0; i++)
        common = natural_common(name, file_list_name(list, list->refs[i]), common);
    return natural_cut(name, common);
}

/* Makes the keys. Returns whether the names are in order already. */
static bool make_entries(const struct file_list *list, size_t first, struct sort_entry *entries)
{
    size_t start = common_start(list, first);
    bool sorted = true;
    for (size_t i = 0; first + i < list->count; i++) {
        file_ref ref = list->refs[first + i];
        entries[i].ref = ref;
        entries[i].key = natural_key(file_list_name(list, ref) + start);
        sorted = sorted && (i == 0 || compare_entries(&entries[i - 1], &entries[i], list->text) <= 0);
    }
    return sorted;
}

int file_list_sort(struct file_list *list, size_t first, struct aispipe_error *error)
{
    size_t count = list->count - first;
    if (count < 2)
        return 0;
    struct sort_entry *entries = calloc(count, sizeof *entries);
    if (!entries)
        return no_memory(error, list->count);
    if (!make_entries(list, first, entries)) {
        struct sort_entry *spare = calloc(count, sizeof *spare);
        if (!spare) {
            free(entries);
            return no_memory(error, list->count);
        }
        radix_sort(entries, spare, count, 0, list->text);
        free(spare);
    }
    for (size_t i = 0; i < count; i++)
        list->refs[first + i] = entries[i].ref;
    free(entries);
    return 0;
}

const char *file_list_stem(const struct file_list *list, file_ref ref, size_t *length)
{
    const char *name = file_list_name(list, ref);
    size_t end = file_ref_length(ref) - SHORT_ENDING;
    if (file_ref_ending(ref) & DATASET_NPY_ZST)
        end -= ZST_ENDING;
    const char *slash = memrchr(name, '/', end);
    size_t start = slash ? (size_t)(slash - name) + 1 : 0;
    *length = end - start;
    return name + start;
}

/* A slot of the open-addressing table: part of the hash, so that names are looked at only when it agrees. */
struct stem_slot {
    uint32_t hash;
    uint32_t number; /* of the file, plus one; 0: free */
};

static uint64_t hash_stem(const char *stem, size_t length)
{
    const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = length * factor;
    while (length > 0) {
        uint64_t word = 0;
        size_t part = length < sizeof word ? length : sizeof word;
        memcpy(&word, stem, part);
        hash = (hash ^ word) * factor;
        hash ^= hash >> 29;
        stem += part;
        length -= part;
    }
    return hash ^ hash >> 32;
}

struct stem_table {
    struct stem_slot *slots;
    size_t mask;
};

/* Enters a file. Returns the number of one with the same stem that is there already, else `number`. */
static size_t enter_stem(const struct file_list *list, const struct stem_table *table, size_t number,
                         uint64_t hash)
{
    size_t length;
    const char *stem = file_list_stem(list, list->refs[number], &length);
    struct stem_slot *slots = table->slots;
    size_t at = hash & table->mask;
    uint32_t tag = (uint32_t)(hash >> 32);
    for (; slots[at].number; at = (at + 1) & table->mask) {
        if (slots[at].hash != tag)
            continue;
        size_t other_length;
        const char *other = file_list_stem(list, list->refs[slots[at].number - 1], &other_length);
        if (length == other_length && memcmp(stem, other, length) == 0)
            return slots[at].number - 1;
    }
    slots[at] = (struct stem_slot){tag, (uint32_t)number + 1};
    return number;
}

/*
 * Enters the files from `first` on, a handful at a time. Sorted names lie anywhere in the text, and their
 * slots anywhere in the table: asking for all of a handful's memory first lets its cache misses overlap.
 */
static bool enter_handful(const struct file_list *list, const struct stem_table *table, size_t first,
                          size_t count, size_t *left, size_t *right)
{
    uint64_t hashes[HANDFUL];
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(file_list_name(list, list->refs[first + i]));
    for (size_t i = 0; i < count; i++) {
        size_t length;
        const char *stem = file_list_stem(list, list->refs[first + i], &length);
        hashes[i] = hash_stem(stem, length);
        __builtin_prefetch(&table->slots[hashes[i] & table->mask], 1);
    }
    for (size_t i = 0; i < count; i++) {
        *right = first + i;
        *left = enter_stem(list, table, *right, hashes[i]);
        if (*left != *right)
            return true;
    }
    return false;
}

int file_list_same_stem(const struct file_list *list, size_t count, size_t *left, size_t *right,
                        struct aispipe_error *error)
{
    size_t capacity = 16;
    while (capacity < count + count / 2)
        capacity *= 2;
    struct stem_table table = {calloc(capacity, sizeof *table.slots), capacity - 1};
    if (!table.slots)
        return no_memory(error, count);
    int found = 0;
    for (size_t i = 0; i < count && !found; i += HANDFUL)
        found = enter_handful(list, &table, i, count - i < HANDFUL ? count - i : HANDFUL, left, right);
    free(table.slots);
    return found;
}
