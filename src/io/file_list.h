/* SPDX-License-Identifier: MIT */
/**
 * @file file_list.h
 * Many file names in little memory: the text of all of them in one block, and 8 bytes for each.
 */
#ifndef AISPIPE_IO_FILE_LIST_H
#define AISPIPE_IO_FILE_LIST_H

#include "io/dataset.h"

/**
 * What a name ends in, and so how its file is read: the low bits are its `enum dataset_format`, the next one
 * is set for capitals (".NPY").
 */
enum file_ending {
    FILE_ENDING_FORMAT = 3,
    FILE_ENDING_CAPITALS = 4,
    FILE_ENDINGS = 8,
};

/** For messages: what file_ending_of accepts. */
#define FILE_ENDINGS_TEXT ".npy .NPY .bin .BIN .npy.zst .NPY.zst .bin.zst .BIN.zst"

/** The `enum file_ending` bits of a name, −1 for a name that ends otherwise. */
int file_ending_of(const char *name, size_t length);

/** One file: where its name is in the list's text (48 bits), its length (13 bits) and its ending (3 bits). */
typedef uint64_t file_ref;

/** Longest name a reference can hold; longer than any path the system takes. */
#define FILE_NAME_MAX 8191

static inline size_t file_ref_offset(file_ref ref)
{
    return (size_t)(ref & ((UINT64_C(1) << 48) - 1));
}

static inline size_t file_ref_length(file_ref ref)
{
    return (size_t)(ref >> 48 & FILE_NAME_MAX);
}

static inline int file_ref_ending(file_ref ref)
{
    return (int)(ref >> 61);
}

/** Names are NUL-terminated in `text`; `refs` are in the order in which they were added, unless sorted. */
struct file_list {
    char *text;
    size_t text_used, text_room;
    file_ref *refs;
    size_t count, room;
};

/** Adds a copy of `name`. */
int file_list_add(struct file_list *list, const char *name, size_t length, int ending,
                  struct aispipe_error *error);
/** Gives back memory that was kept for more names. */
void file_list_trim(struct file_list *list);
void file_list_free(struct file_list *list);

static inline const char *file_list_name(const struct file_list *list, file_ref ref)
{
    return list->text + file_ref_offset(ref);
}

/** Puts the references from `first` on into natural order. */
int file_list_sort(struct file_list *list, size_t first, struct aispipe_error *error);

/** The name without directories and ending; not terminated. */
const char *file_list_stem(const struct file_list *list, file_ref ref, size_t *length);

/**
 * Whether two of the first `count` files have the same stem; if so, `*left` and `*right` are two of them.
 * Returns 1, 0, or a negative status.
 */
int file_list_same_stem(const struct file_list *list, size_t count, size_t *left, size_t *right,
                        struct aispipe_error *error);

#endif
