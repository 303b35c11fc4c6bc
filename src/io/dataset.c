/* SPDX-License-Identifier: MIT */
#include "io/dataset.h"

#include "io/dir_scan.h"
#include "io/file_list.h"
#include "io/file_text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct directory {
    const char *path; /* in dataset.paths */
    int fd;
};

struct aispipe_dataset {
    size_t n_inputs;
    uint64_t samples;
    uint64_t files_per_input;      /* ≥ samples: what --limit leaves out stays in the list */
    struct file_list files;        /* those of input 0, then those of input 1, … */
    char *paths;                   /* what the user gave, cut at the commas into strings */
    struct directory *directories; /* one per input; NULL for files given one by one */
};

/* ---------------------------------------------------------------- the user's paths */

/* Cuts `paths` at its commas. Returns the number of items, 0 when one of them is empty. */
static size_t cut_paths(char *paths)
{
    size_t items = 1;
    size_t length = 0;
    for (char *at = paths; *at; at++) {
        length++;
        if (*at != ',')
            continue;
        if (length == 1)
            return 0;
        *at = '\0';
        length = 0;
        items++;
    }
    return length ? items : 0;
}

static const char *next_path(const char *path)
{
    return path + strlen(path) + 1;
}

/* Looks at every path. All must be directories (`*directories` is set) or all regular files. */
static int classify(const char *paths, size_t items, bool *directories, struct aispipe_error *error)
{
    const char *path = paths;
    for (size_t i = 0; i < items; i++, path = next_path(path)) {
        struct stat status;
        if (stat(path, &status))
            return aispipe_fail(error, AISPIPE_IO, "input path '%s': %s", path, strerror(errno));
        bool directory = S_ISDIR(status.st_mode);
        if (!directory && !S_ISREG(status.st_mode))
            return aispipe_fail(error, AISPIPE_INVALID, "input path '%s' is neither a file nor a directory",
                                path);
        if (i == 0)
            *directories = directory;
        else if (directory != *directories)
            return aispipe_fail(
                error, AISPIPE_INVALID,
                "input mixes files and directories ('%s' is a %s, '%s' a %s); give only files "
                "or one directory per input of the model",
                paths, *directories ? "directory" : "file", path, directory ? "directory" : "file");
    }
    return 0;
}

/* ---------------------------------------------------------------- directories */

static int open_directory(struct aispipe_dataset *dataset, size_t input, const char *path,
                          struct aispipe_error *error)
{
    struct directory *directory = &dataset->directories[input];
    directory->path = path;
    directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory->fd < 0)
        return aispipe_fail(error, AISPIPE_IO, "cannot open input directory '%s': %s", path, strerror(errno));
    size_t before = dataset->files.count;
    int rc = dir_scan(directory->fd, path, &dataset->files, error);
    if (rc)
        return rc;
    size_t found = dataset->files.count - before;
    if (found == 0)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "input directory '%s' holds no usable file; file names must end in one of %s",
                            path, FILE_ENDINGS_TEXT);
    if (input == 0)
        dataset->files_per_input = found;
    else if (found != dataset->files_per_input)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "input directories '%s' and '%s' hold %llu and %zu usable files; every input "
                            "needs the same number",
                            dataset->directories[0].path, path, (unsigned long long)dataset->files_per_input,
                            found);
    return file_list_sort(&dataset->files, before, error);
}

static int plan_directories(struct aispipe_dataset *dataset, size_t items, struct aispipe_error *error)
{
    if (items != dataset->n_inputs)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "%zu input %s given, but the model has %zu input%s; give one directory per "
                            "input, in the model's order",
                            items, items == 1 ? "directory is" : "directories are", dataset->n_inputs,
                            dataset->n_inputs == 1 ? "" : "s");
    dataset->directories = calloc(items, sizeof *dataset->directories);
    if (!dataset->directories)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for %zu input directories", items);
    for (size_t i = 0; i < items; i++)
        dataset->directories[i].fd = -1;
    const char *path = dataset->paths;
    int rc = 0;
    for (size_t i = 0; i < items && !rc; i++, path = next_path(path))
        rc = open_directory(dataset, i, path, error);
    return rc;
}

/* ---------------------------------------------------------------- files */

static int plan_files(struct aispipe_dataset *dataset, size_t items, struct aispipe_error *error)
{
    if (items % dataset->n_inputs != 0)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "%zu input file%s cannot be shared equally by the model's %zu inputs; give every "
                            "input the same number of files",
                            items, items == 1 ? "" : "s", dataset->n_inputs);
    const char *path = dataset->paths;
    for (size_t i = 0; i < items; i++, path = next_path(path)) {
        size_t length = strlen(path);
        int ending = file_ending_of(path, length);
        if (ending < 0)
            return aispipe_fail(error, AISPIPE_INVALID,
                                "input file '%s' has an unknown ending; file names must end in one of %s",
                                path, FILE_ENDINGS_TEXT);
        int rc = file_list_add(&dataset->files, path, length, ending, error);
        if (rc)
            return rc;
    }
    dataset->files_per_input = items / dataset->n_inputs;
    return 0;
}

/* ---------------------------------------------------------------- names of results */

/* Names in one directory are different, and so are their stems when all of them end alike. */
static bool stems_must_differ(const struct aispipe_dataset *dataset)
{
    if (!dataset->directories)
        return false;
    const file_ref *refs = dataset->files.refs;
    for (uint64_t i = 1; i < dataset->samples; i++)
        if (file_ref_ending(refs[i]) != file_ref_ending(refs[0]))
            return false;
    return true;
}

int aispipe_dataset_check_names(const struct aispipe_dataset *dataset, struct aispipe_error *error)
{
    if (stems_must_differ(dataset))
        return 0;
    size_t left = 0;
    size_t right = 0;
    int found = file_list_same_stem(&dataset->files, dataset->samples, &left, &right, error);
    if (found <= 0)
        return found;
    struct file_label one;
    struct file_label other;
    char stem[256];
    aispipe_dataset_stem(dataset, left, stem, sizeof stem);
    file_one_line(stem);
    return aispipe_fail(error, AISPIPE_INVALID,
                        "input files '%s' and '%s' would both have their results saved as '%s_0'; rename one "
                        "of them, or run them separately",
                        dataset_label(&one, dataset, 0, left), dataset_label(&other, dataset, 0, right),
                        stem);
}

/* ---------------------------------------------------------------- the plan */

static int plan(struct aispipe_dataset *dataset, const char *input, uint64_t limit,
                struct aispipe_error *error)
{
    dataset->paths = strdup(input);
    if (!dataset->paths)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the input paths");
    size_t items = cut_paths(dataset->paths);
    if (items == 0)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "input '%s' holds an empty path; give files or directories joined by ','", input);
    bool directories = false;
    int rc = classify(dataset->paths, items, &directories, error);
    if (rc)
        return rc;
    rc = directories ? plan_directories(dataset, items, error) : plan_files(dataset, items, error);
    if (rc)
        return rc;
    file_list_trim(&dataset->files);
    dataset->samples = dataset->files_per_input;
    if (limit > 0 && limit < dataset->samples)
        dataset->samples = limit;
    return 0;
}

int aispipe_dataset_open(const char *input, size_t n_inputs, uint64_t limit, struct aispipe_dataset **dataset,
                         struct aispipe_error *error)
{
    *dataset = NULL;
    if (n_inputs == 0)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "the model has no inputs, so input files cannot be fed to it; leave them out");
    struct aispipe_dataset *made = calloc(1, sizeof *made);
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the list of input files");
    made->n_inputs = n_inputs;
    int rc = plan(made, input, limit, error);
    if (rc) {
        aispipe_dataset_close(made);
        return rc;
    }
    *dataset = made;
    return 0;
}

void aispipe_dataset_close(struct aispipe_dataset *dataset)
{
    if (!dataset)
        return;
    for (size_t i = 0; dataset->directories && i < dataset->n_inputs; i++)
        if (dataset->directories[i].fd >= 0)
            (void)close(dataset->directories[i].fd);
    free(dataset->directories);
    free(dataset->paths);
    file_list_free(&dataset->files);
    free(dataset);
}

/* ---------------------------------------------------------------- reading it */

static file_ref ref_of(const struct aispipe_dataset *dataset, size_t input, uint64_t sample)
{
    return dataset->files.refs[input * dataset->files_per_input + sample];
}

uint64_t aispipe_dataset_samples(const struct aispipe_dataset *dataset)
{
    return dataset->samples;
}

size_t aispipe_dataset_inputs(const struct aispipe_dataset *dataset)
{
    return dataset->n_inputs;
}

enum dataset_format dataset_format_of(const struct aispipe_dataset *dataset, size_t input, uint64_t sample)
{
    return (enum dataset_format)(file_ref_ending(ref_of(dataset, input, sample)) & FILE_ENDING_FORMAT);
}

const char *dataset_file(const struct aispipe_dataset *dataset, size_t input, uint64_t sample,
                         int *directory_fd)
{
    *directory_fd = dataset->directories ? dataset->directories[input].fd : AT_FDCWD;
    return file_list_name(&dataset->files, ref_of(dataset, input, sample));
}

size_t aispipe_dataset_path(const struct aispipe_dataset *dataset, size_t input, uint64_t sample, char *path,
                            size_t capacity)
{
    const char *name = file_list_name(&dataset->files, ref_of(dataset, input, sample));
    if (!dataset->directories)
        return (size_t)snprintf(path, capacity, "%s", name);
    const char *directory = dataset->directories[input].path;
    bool slash = directory[strlen(directory) - 1] == '/';
    return (size_t)snprintf(path, capacity, "%s%s%s", directory, slash ? "" : "/", name);
}

const char *dataset_label(struct file_label *label, const struct aispipe_dataset *dataset, size_t input,
                          uint64_t sample)
{
    char path[FILE_NAME_MAX + PATH_MAX + 2];
    size_t length = aispipe_dataset_path(dataset, input, sample, path, sizeof path);
    return file_label(label, path, length < sizeof path ? length : sizeof path - 1);
}

size_t aispipe_dataset_stem(const struct aispipe_dataset *dataset, uint64_t sample, char *stem,
                            size_t capacity)
{
    size_t length;
    const char *text = file_list_stem(&dataset->files, ref_of(dataset, 0, sample), &length);
    /* Called once per sample on the way to its results: no formatted printing here. */
    if (capacity) {
        size_t kept = length < capacity ? length : capacity - 1;
        memcpy(stem, text, kept);
        stem[kept] = '\0';
    }
    return length;
}
