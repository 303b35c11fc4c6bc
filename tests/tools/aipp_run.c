/* SPDX-License-Identifier: MIT */
/* Runs AIPP on raw images, so that a reference outside can check it:
 *
 *     aipp_run CONFIG DTYPE LAYOUT BATCH CHANNELS HEIGHT WIDTH IMAGES RESULT
 *
 * CONFIG is a file of static AIPP. One aipp_op is for every image; several are for image 0, 1, … by their
 * related_input_rank. */
#include "aipp_file.h"
#include "read_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_result(const char *path, const void *data, size_t bytes, struct aispipe_error *error)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return aispipe_fail(error, AISPIPE_IO, "cannot create '%s'", path);
    size_t written = fwrite(data, 1, bytes, file);
    if (fclose(file) || written != bytes)
        return aispipe_fail(error, AISPIPE_IO, "cannot write '%s'", path);
    return 0;
}

static int compute(char *const *argv, const struct aipp_file *file, struct aipp_target *target, size_t size,
                   struct aispipe_error *error)
{
    struct aipp_image settings[AIPP_FILE_OPS];
    void *images;
    size_t bytes;
    for (size_t i = 0; i < file->count; i++)
        settings[file->ops[i].input < AIPP_FILE_OPS ? file->ops[i].input : 0] = file->ops[i].image;
    int rc = read_whole_file(argv[8], "images", SIZE_MAX, &images, &bytes, error);
    if (rc)
        return rc;
    rc = aipp_compute(&file->ops[0].source, settings, file->count, images, bytes, target, error);
    free(images);
    return rc ? rc : write_result(argv[9], target->data, size, error);
}

static int run(char *const *argv, struct aispipe_error *error)
{
    struct aipp_file file;
    struct aipp_target target = {
        .dtype = strcmp(argv[2], "float32") == 0   ? AISPIPE_FLOAT32
                 : strcmp(argv[2], "float16") == 0 ? AISPIPE_FLOAT16
                                                   : AISPIPE_UINT8,
        .nhwc = strcmp(argv[3], "NHWC") == 0,
        .batch = strtol(argv[4], NULL, 10),
        .channels = strtol(argv[5], NULL, 10),
        .height = strtol(argv[6], NULL, 10),
        .width = strtol(argv[7], NULL, 10),
    };
    size_t size = (size_t)(target.batch * target.channels * target.height * target.width) *
                  aispipe_dtype_size(target.dtype);
    int rc = aipp_file_read(argv[1], &file, error);
    if (rc)
        return rc;
    target.data = malloc(size + 1);
    if (!target.data)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory");
    rc = compute(argv, &file, &target, size, error);
    free(target.data);
    return rc;
}

int main(int argc, char *argv[])
{
    struct aispipe_error error = {0};
    if (argc != 10) {
        (void)fprintf(stderr, "[ERROR] nine arguments are wanted\n");
        return 2;
    }
    if (!run(argv, &error))
        return 0;
    (void)fprintf(stderr, "[ERROR] %s\n", error.message);
    return 1;
}
