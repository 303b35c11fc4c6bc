/* SPDX-License-Identifier: MIT */
/* Every layer's output of one batch: a second model is made of the file, with all of them as outputs. */
#include "io/fd_io.h"
#include "io/npy.h"
#include "json_writer.h"
#include "log.h"
#include "onnx_outputs.h"
#include "openvino_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Protobuf messages cannot be larger. */
#define MAX_MODEL_BYTES ((uint64_t)INT32_MAX)

/* Longest part of a tensor's name in a file's name. */
#define MAX_NAME 180

struct dump {
    struct openvino_model *model;
    const struct openvino_library *ov;
    const char *directory;
    char *bytes; /* of the model file, and behind them the addition */
    size_t n_bytes;
    struct onnx_outputs outputs;
    ov_model_t *read;
    ov_compiled_model_t *compiled;
    ov_infer_request_t *request;
    struct json_writer json; /* tensors.json */
    size_t written;
    struct aispipe_error *error;
};

int openvino_check_dump(const char *path, struct aispipe_error *error)
{
    size_t length = strlen(path);
    if (length > 5 && strcasecmp(path + length - 5, ".onnx") == 0)
        return 0;
    return aispipe_fail(
        error, AISPIPE_UNSUPPORTED,
        "--dump: model '%s' is not an .onnx file, the only kind whose layers the CPU engine can "
        "give; convert it, or run without --dump",
        path);
}

/* ---------------------------------------------------------------- the second model */

static int cannot_read(const struct dump *dump, int reason)
{
    return aispipe_fail(dump->error, AISPIPE_IO, "model '%s' cannot be read: %s", dump->model->path,
                        strerror(reason));
}

static int read_all(struct dump *dump, int fd)
{
    struct stat status;
    if (fstat(fd, &status))
        return cannot_read(dump, errno);
    if ((uint64_t)status.st_size > MAX_MODEL_BYTES)
        return aispipe_fail(dump->error, AISPIPE_UNSUPPORTED,
                            "--dump: model '%s' is larger than an ONNX file can be", dump->model->path);
    size_t size = (size_t)status.st_size;
    dump->bytes = malloc(size + 1);
    if (!dump->bytes)
        return aispipe_fail(dump->error, AISPIPE_NO_MEMORY, "no memory to read model '%s'",
                            dump->model->path);
    int reason = fd_read_at(fd, dump->bytes, size, 0, &dump->n_bytes);
    return reason ? cannot_read(dump, reason) : 0;
}

static int read_file(struct dump *dump)
{
    int fd = open(dump->model->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cannot_read(dump, errno);
    int rc = read_all(dump, fd);
    (void)close(fd);
    return rc;
}

/* The names in dump->outputs point into the bytes as they were read: the joined bytes are a copy. */
static int read_model(struct dump *dump)
{
    size_t total = dump->n_bytes + dump->outputs.addition_bytes;
    char *joined = malloc(total + 1);
    if (!joined)
        return aispipe_fail(dump->error, AISPIPE_NO_MEMORY, "no memory to read model '%s' again",
                            dump->model->path);
    memcpy(joined, dump->bytes, dump->n_bytes);
    if (dump->outputs.addition_bytes)
        memcpy(joined + dump->n_bytes, dump->outputs.addition, dump->outputs.addition_bytes);
    ov_status_e status = dump->ov->core_read_model_from_memory_buffer(dump->model->device->core, joined,
                                                                      total, NULL, &dump->read);
    free(joined);
    char reason[OPENVINO_REASON];
    if (status == OK)
        return 0;
    return aispipe_fail(
        dump->error, AISPIPE_MODEL,
        "--dump: model '%s' cannot be read with its layers as outputs (weights in files of their own "
        "are not supported here): %s",
        dump->model->path, openvino_reason(dump->ov, status, reason));
}

static int prepare(struct dump *dump)
{
    int rc = read_file(dump);
    if (!rc)
        rc = onnx_outputs(dump->bytes, dump->n_bytes, dump->model->path, &dump->outputs, dump->error);
    if (!rc)
        rc = read_model(dump);
    if (rc)
        return rc;
    char reason[OPENVINO_REASON];
    ov_status_e status = openvino_compile_once(dump->model->device, dump->read, &dump->compiled);
    if (status == OK)
        status = dump->ov->compiled_model_create_infer_request(dump->compiled, &dump->request);
    if (status != OK)
        return aispipe_fail(dump->error, AISPIPE_MODEL,
                            "--dump: model '%s' cannot be compiled with its layers as "
                            "outputs: %s",
                            dump->model->path, openvino_reason(dump->ov, status, reason));
    return 0;
}

static int execute(struct dump *dump, void *const *inputs)
{
    const struct openvino_model *model = dump->model;
    ov_status_e status = OK;
    for (size_t i = 0; status == OK && i < model->desc.n_inputs; i++) {
        const struct aispipe_tensor_desc *desc = &model->desc.inputs[i];
        ov_shape_t shape = {.rank = desc->rank, .dims = (int64_t *)desc->dims};
        ov_tensor_t *tensor = NULL;
        status = dump->ov->tensor_create_from_host_ptr(model->types[i], shape, inputs[i], &tensor);
        if (status == OK)
            status = dump->ov->infer_request_set_input_tensor_by_index(dump->request, i, tensor);
        if (tensor)
            dump->ov->tensor_free(tensor);
    }
    if (status == OK)
        status = dump->ov->infer_request_infer(dump->request);
    char reason[OPENVINO_REASON];
    return status == OK ? 0
                        : aispipe_fail(dump->error, AISPIPE_DEVICE, "--dump: the engine failed: %s",
                                       openvino_reason(dump->ov, status, reason));
}

/* ---------------------------------------------------------------- its outputs */

/* "0007_conv1_Conv_output_0.npy": the number keeps apart what the cleaned name does not. */
static void name_file(const struct onnx_tensor *tensor, size_t index, char name[MAX_NAME + 32])
{
    size_t used = (size_t)snprintf(name, 32, "%04zu_", index);
    size_t from = 0;
    while (from < tensor->name_length && tensor->name[from] == '/')
        from++;
    for (size_t i = from; i < tensor->name_length && i < from + MAX_NAME; i++) {
        char c = tensor->name[i];
        name[used++] = (char)(isalnum((unsigned char)c) || c == '.' || c == '-' ? c : '_');
    }
    memcpy(name + used, ".npy", sizeof ".npy");
}

static int write_npy(const struct dump *dump, const char *name, const struct aispipe_tensor_desc *desc,
                     const void *data)
{
    char path[PATH_MAX];
    char *header = malloc(NPY_MAX_HEADER);
    int n = snprintf(path, sizeof path, "%s/%s", dump->directory, name);
    int fd = -1;
    int reason = ENOMEM;
    if (n < 0 || (size_t)n >= sizeof path)
        reason = ENAMETOOLONG;
    else if (header)
        reason =
            (fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640)) < 0 ? errno : 0;
    if (!reason) {
        struct iovec parts[2] = {
            {.iov_base = header, .iov_len = npy_format_header(desc->dtype, desc->rank, desc->dims, header)},
            {.iov_base = (void *)data, .iov_len = desc->size}};
        reason = fd_write_parts(fd, parts, 2);
        if (close(fd) && !reason)
            reason = errno;
        if (reason)
            (void)unlink(path);
    }
    free(header);
    return reason ? aispipe_fail(dump->error, AISPIPE_IO, "--dump: cannot write '%s': %s", path,
                                 strerror(reason))
                  : 0;
}

static void describe(struct json_writer *json, const char *file, const struct aispipe_tensor_desc *desc,
                     const char *op)
{
    const char *const members[][2] = {
        {"file", file}, {"name", desc->name}, {"op", op}, {"dtype", aispipe_dtype_name(desc->dtype)}};
    json_open(json, '{');
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        json_member_string(json, members[i][0], members[i][1]);
    json_member_open(json, "shape", '[');
    for (int i = 0; i < desc->rank; i++)
        json_uint(json, (uint64_t)desc->dims[i]);
    json_close(json, ']');
    json_close(json, '}');
}

/* The C interface has no shape for a scalar: one element without a shape is one. */
static bool read_shape(const struct openvino_library *ov, const ov_tensor_t *tensor,
                       struct aispipe_tensor_desc *desc)
{
    ov_shape_t shape = {0};
    if (ov->tensor_get_shape(tensor, &shape) != OK)
        return desc->size == aispipe_dtype_size(desc->dtype);
    bool fits = shape.rank <= AISPIPE_MAX_RANK;
    if (fits) {
        desc->rank = (int)shape.rank;
        memcpy(desc->dims, shape.dims, (size_t)shape.rank * sizeof *desc->dims);
    }
    ov->shape_free(&shape);
    return fits;
}

/* Type, shape and place of what a request holds. False: this is no array that can be written. */
static bool look_at(const struct dump *dump, const ov_tensor_t *tensor, struct aispipe_tensor_desc *desc,
                    void **data)
{
    const struct openvino_library *ov = dump->ov;
    ov_element_type_e type;
    if (ov->tensor_get_element_type(tensor, &type) != OK)
        return false;
    desc->dtype = openvino_dtype(type);
    if (desc->dtype == AISPIPE_DTYPE_UNDEFINED || ov->tensor_get_byte_size(tensor, &desc->size) != OK ||
        !read_shape(ov, tensor, desc))
        return false;
    return !desc->size || ov->tensor_data(tensor, data) == OK;
}

static int write_tensor(struct dump *dump, size_t index)
{
    const struct onnx_tensor *layer = &dump->outputs.tensors[index];
    struct aispipe_tensor_desc desc = {0};
    void *data = NULL;
    char file[MAX_NAME + 32];
    char *name = strndup(layer->name, layer->name_length);
    char *op = strndup(layer->op, layer->op_length);
    ov_tensor_t *tensor = NULL;
    int rc = 0;
    desc.name = name;
    if (!name || !op) {
        rc = aispipe_fail(dump->error, AISPIPE_NO_MEMORY, "no memory for the layers' outputs");
    } else if (dump->ov->infer_request_get_tensor(dump->request, name, &tensor) != OK ||
               !look_at(dump, tensor, &desc, &data)) {
        log_line(&dump->model->device->log, AISPIPE_LOG_WARNING,
                 "--dump: the engine gives no array for '%s' (%s); it is left out", name, op);
    } else {
        name_file(layer, index, file);
        rc = write_npy(dump, file, &desc, data);
        describe(&dump->json, file, &desc, op);
        dump->written++;
    }
    if (tensor)
        dump->ov->tensor_free(tensor);
    free(name);
    free(op);
    return rc;
}

static int write_all(struct dump *dump)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%.*s/tensors.json", PATH_MAX - 32, dump->directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return aispipe_fail(dump->error, AISPIPE_IO, "--dump: cannot create '%s': %s", path, strerror(errno));
    struct json_writer *json = &dump->json;
    json_begin(json, fd);
    json_open(json, '{');
    json_member_string(json, "schema", "aispipe-dump-1");
    json_member_string(json, "model", dump->model->path);
    json_member_open(json, "tensors", '[');
    int rc = 0;
    for (size_t i = 0; !rc && i < dump->outputs.n; i++)
        rc = write_tensor(dump, i);
    json_close(json, ']');
    json_close(json, '}');
    int reason = json_end(json);
    if (close(fd) && !reason)
        reason = errno;
    if (!rc && reason)
        rc = aispipe_fail(dump->error, AISPIPE_IO, "--dump: cannot write '%s': %s", path, strerror(reason));
    return rc;
}

static void release(struct dump *dump)
{
    if (dump->request)
        dump->ov->infer_request_free(dump->request);
    if (dump->compiled)
        dump->ov->compiled_model_free(dump->compiled);
    if (dump->read)
        dump->ov->model_free(dump->read);
    onnx_outputs_free(&dump->outputs);
    free(dump->bytes);
}

int openvino_dump(void *loaded, void *const *inputs, const char *directory, struct aispipe_error *error)
{
    struct openvino_model *model = loaded;
    struct dump *dump = calloc(1, sizeof *dump);
    if (!dump)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to dump the layers");
    dump->model = model;
    dump->ov = &model->device->ov;
    dump->directory = directory;
    dump->error = error;
    int rc = prepare(dump);
    if (!rc)
        rc = execute(dump, inputs);
    if (!rc)
        rc = write_all(dump);
    if (!rc)
        log_line(&model->device->log, AISPIPE_LOG_INFO, "dump: the outputs of %zu layers are in %s",
                 dump->written, directory);
    release(dump);
    free(dump);
    return rc;
}
