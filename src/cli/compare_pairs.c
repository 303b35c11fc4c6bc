/* SPDX-License-Identifier: MIT */
#include "cli/compare_pairs.h"

#include "cli/check.h"
#include "io/natural_order.h"
#include "io/result_file.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct result_name {
    char *path;
    char *stem; /* without the ending */
};

struct list {
    struct result_name *names;
    size_t count, room;
    struct aispipe_error *error;
};

static int no_memory(struct aispipe_error *error)
{
    return aispipe_fail(error, AISPIPE_NO_MEMORY, "compare: no memory for the names of the results");
}

static int cannot_read(const char *path, int reason, struct aispipe_error *error)
{
    struct shown shown;
    return aispipe_fail(error, AISPIPE_IO, "compare: cannot read '%s': %s", show(&shown, path),
                        strerror(reason));
}

/* ------------------------------------------------------------------ order */

/* Names without their endings that are equal are the same result. (natural_compare gives 0 for no others.) */
static int by_stem(const void *left, const void *right)
{
    return natural_compare(((const struct result_name *)left)->stem,
                           ((const struct result_name *)right)->stem);
}

/* ------------------------------------------------------------------ one directory */

static int add(struct list *list, const char *path)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 256;
        struct result_name *larger = reallocarray(list->names, room, sizeof *larger);
        if (!larger)
            return no_memory(list->error);
        list->names = larger;
        list->room = room;
    }
    struct result_name name = {strdup(path), strndup(path, result_file_stem(path))};
    list->names[list->count++] = name;
    return name.path && name.stem ? 0 : no_memory(list->error);
}

/* fts gives a link as it is; a link to a file is a result too. */
static bool is_file(const FTSENT *entry)
{
    struct stat status;
    return entry->fts_info == FTS_F ||
           (entry->fts_info == FTS_SL && stat(entry->fts_accpath, &status) == 0 && S_ISREG(status.st_mode));
}

static int walk(FTS *walk, size_t prefix, struct list *list)
{
    int rc = 0;
    errno = 0;
    for (FTSENT *entry; !rc && (entry = fts_read(walk)); errno = 0) {
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
            rc = cannot_read(entry->fts_path, entry->fts_errno, list->error);
        else if (is_file(entry) && result_file_stem(entry->fts_name))
            rc = add(list, entry->fts_path + prefix);
    }
    return rc || !errno ? rc : cannot_read("the directory", errno, list->error);
}

/* Two formats of one result side by side: which is meant cannot be known. */
static int check_twice(const char *directory, const struct list *list)
{
    struct shown shown, first, second;
    for (size_t i = 1; i < list->count; i++)
        if (strcmp(list->names[i - 1].stem, list->names[i].stem) == 0)
            return aispipe_fail(list->error, AISPIPE_INVALID,
                                "compare: '%s' and '%s' in '%s' are the same result; remove one of them",
                                show(&first, list->names[i - 1].path), show(&second, list->names[i].path),
                                show(&shown, directory));
    return 0;
}

static int list_directory(const char *directory, struct list *list)
{
    char *const roots[] = {(char *)directory, NULL};
    FTS *open = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_COMFOLLOW, NULL);
    if (!open)
        return cannot_read(directory, errno, list->error);
    size_t length = strlen(directory);
    /* fts puts a slash behind the root, unless it ends in one. */
    int rc = walk(open, length + (directory[length - 1] != '/'), list);
    (void)fts_close(open);
    if (rc)
        return rc;
    if (!list->count)
        return 0;
    qsort(list->names, list->count, sizeof *list->names, by_stem);
    return check_twice(directory, list);
}

/* ------------------------------------------------------------------ both */

static int merge(struct result_pairs *pairs, struct aispipe_error *error)
{
    size_t at[2] = {0, 0};
    pairs->pairs = calloc(pairs->n_names[0] + pairs->n_names[1] + 1, sizeof *pairs->pairs);
    if (!pairs->pairs)
        return no_memory(error);
    while (at[0] < pairs->n_names[0] || at[1] < pairs->n_names[1]) {
        struct result_pair *pair = &pairs->pairs[pairs->count++];
        int order = at[0] == pairs->n_names[0] ? 1 : -1;
        if (at[0] < pairs->n_names[0] && at[1] < pairs->n_names[1])
            order = by_stem(&pairs->names[0][at[0]], &pairs->names[1][at[1]]);
        if (order <= 0)
            pair->name[0] = pairs->names[0][at[0]++].path;
        if (order >= 0)
            pair->name[1] = pairs->names[1][at[1]++].path;
    }
    return 0;
}

int result_pairs_find(const char *const directories[2], struct result_pairs *pairs,
                      struct aispipe_error *error)
{
    int rc = 0;
    *pairs = (struct result_pairs){0};
    for (int side = 0; side < 2 && !rc; side++) {
        struct list list = {.error = error};
        rc = list_directory(directories[side], &list);
        pairs->names[side] = list.names;
        pairs->n_names[side] = list.count;
    }
    return rc ? rc : merge(pairs, error);
}

void result_pairs_free(struct result_pairs *pairs)
{
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < pairs->n_names[side]; i++) {
            free(pairs->names[side][i].path);
            free(pairs->names[side][i].stem);
        }
        free(pairs->names[side]);
    }
    free(pairs->pairs);
    *pairs = (struct result_pairs){0};
}
