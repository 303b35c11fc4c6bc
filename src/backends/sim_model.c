/* SPDX-License-Identifier: MIT */
/* Reads a *.sim.json. Strict: a key that is not known, or a value that is not what it should be, is an error
 * that names the file and the key, because a model that is not what its author meant measures nothing. */
#include "sim_model.h"

#include "sim_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whole numbers up to here survive as JSON numbers, which are doubles. */
#define WHOLE_MOST 9007199254740992.0
/* Longest latency, and longest hang: whoever writes more has mistaken the unit. */
#define MICROSECONDS_MOST 3.6e9
#define WHERE_MOST 128

/* ------------------------------------------------------------------ tensors */

static int read_name(const struct sim_reader *reader, const cJSON *object, const char *where,
                     struct aispipe_tensor_desc *tensor)
{
    const cJSON *name;
    int rc = sim_want_key(reader, object, where, "name", &name);
    if (rc)
        return rc;
    bool printable = cJSON_IsString(name) && name->valuestring[0];
    for (const char *c = printable ? name->valuestring : ""; *c; c++)
        printable = printable && (unsigned char)*c >= ' ' && *c != 0x7f;
    char at[WHERE_MOST];
    (void)snprintf(at, sizeof at, "%s.name", where);
    if (!printable)
        return sim_wrong_value(reader, at, name, "a text that is not empty and has no control characters");
    tensor->name = strdup(name->valuestring);
    if (!tensor->name)
        return sim_refuse(reader, AISPIPE_NO_MEMORY, at, "no memory");
    return 0;
}

static int read_dtype(const struct sim_reader *reader, const cJSON *object, const char *where,
                      struct aispipe_tensor_desc *tensor)
{
    const cJSON *dtype;
    int rc = sim_want_key(reader, object, where, "dtype", &dtype);
    if (rc)
        return rc;
    char known[256] = "one of";
    for (int id = 0; id <= AISPIPE_BFLOAT16; id++) {
        enum aispipe_dtype candidate = (enum aispipe_dtype)id;
        const char *name = aispipe_dtype_name(candidate);
        if (!aispipe_dtype_size(candidate))
            continue;
        if (cJSON_IsString(dtype) && strcmp(dtype->valuestring, name) == 0) {
            tensor->dtype = candidate;
            return 0;
        }
        (void)snprintf(known + strlen(known), sizeof known - strlen(known), " %s", name);
    }
    char at[WHERE_MOST];
    (void)snprintf(at, sizeof at, "%s.dtype", where);
    return sim_wrong_value(reader, at, dtype, known);
}

static int read_dim(const struct sim_reader *reader, const cJSON *dim, const char *where, const char *kind,
                    int axis, struct aispipe_tensor_desc *tensor)
{
    char at[WHERE_MOST];
    (void)snprintf(at, sizeof at, "%s.shape[%d]", where, axis);
    double value = cJSON_IsNumber(dim) ? dim->valuedouble : NAN;
    if (value == -1)
        return aispipe_fail(reader->error, AISPIPE_MODEL,
                            "model '%s': dimension %d of %s '%s' is unknown (%s: -1); give it a fixed size",
                            reader->path, axis, kind, tensor->name, at);
    if (!(value >= 0 && value <= WHOLE_MOST) || value != floor(value)) {
        char found[SIM_SHOWN];
        return sim_refuse(reader, AISPIPE_FORMAT, at,
                          "dimension %d of '%.60s' is %s; a whole number from 0 is wanted", axis,
                          tensor->name, sim_show(dim, found));
    }
    tensor->dims[axis] = (int64_t)value;
    if (__builtin_mul_overflow(tensor->size, (size_t)tensor->dims[axis], &tensor->size))
        return sim_refuse(reader, AISPIPE_MODEL, at, "the size of '%.60s' overflows", tensor->name);
    return 0;
}

static int read_shape(const struct sim_reader *reader, const cJSON *object, const char *where,
                      const char *kind, struct aispipe_tensor_desc *tensor)
{
    const cJSON *shape;
    int rc = sim_want_key(reader, object, where, "shape", &shape);
    if (rc)
        return rc;
    char at[WHERE_MOST];
    (void)snprintf(at, sizeof at, "%s.shape", where);
    if (!cJSON_IsArray(shape))
        return sim_wrong_value(reader, at, shape, "a list of whole numbers");
    int rank = cJSON_GetArraySize(shape);
    if (rank > AISPIPE_MAX_RANK)
        return sim_refuse(reader, AISPIPE_FORMAT, at, "'%.60s' has %d dimensions; at most %d are supported",
                          tensor->name, rank, AISPIPE_MAX_RANK);
    tensor->rank = rank;
    tensor->size = aispipe_dtype_size(tensor->dtype);
    const cJSON *dim = shape->child;
    for (int axis = 0; !rc && axis < rank; axis++, dim = dim->next)
        rc = read_dim(reader, dim, where, kind, axis, tensor);
    return rc;
}

static int read_tensor(const struct sim_reader *reader, const cJSON *object, const char *where,
                       const char *kind, struct aispipe_tensor_desc *tensor)
{
    static const char *const keys[] = {"name", "dtype", "shape", NULL};
    int rc = sim_check_object(reader, object, where, keys);
    if (!rc)
        rc = read_name(reader, object, where, tensor);
    if (!rc)
        rc = read_dtype(reader, object, where, tensor);
    return rc ? rc : read_shape(reader, object, where, kind, tensor);
}

/* Reads a list of tensors to `tensors`, which has AISPIPE_MAX_TENSORS places. */
static int read_tensors(const struct sim_reader *reader, const cJSON *root, const char *key,
                        struct aispipe_tensor_desc *tensors, size_t *count, size_t *bytes)
{
    const cJSON *list;
    int rc = sim_want_key(reader, root, "the model", key, &list);
    if (rc)
        return rc;
    if (!cJSON_IsArray(list))
        return sim_wrong_value(reader, key, list, "a list of tensors");
    int n = cJSON_GetArraySize(list);
    if (n < 1 || n > AISPIPE_MAX_TENSORS)
        return sim_refuse(reader, AISPIPE_FORMAT, key, "%d tensors; 1 to %d are supported", n,
                          AISPIPE_MAX_TENSORS);
    const cJSON *item = list->child;
    for (size_t i = 0; i < (size_t)n; i++, item = item->next) {
        char where[WHERE_MOST / 2]; /* leaves room for the key inside */
        (void)snprintf(where, sizeof where, "%s[%zu]", key, i);
        *count = i + 1;
        rc = read_tensor(reader, item, where, strcmp(key, "inputs") == 0 ? "input" : "output", &tensors[i]);
        if (rc)
            return rc;
        for (size_t k = 0; k < i; k++)
            if (strcmp(tensors[k].name, tensors[i].name) == 0)
                return sim_refuse(reader, AISPIPE_FORMAT, where, "the name '%.60s' is there twice",
                                  tensors[i].name);
        if (__builtin_add_overflow(*bytes, tensors[i].size, bytes))
            return sim_refuse(reader, AISPIPE_MODEL, where, "the size of all %s together overflows", key);
    }
    return 0;
}

/* ------------------------------------------------------------------ stages */

enum { LATENCY_US, BYTES_PER_S, JITTER_US, SEED, FAIL_AT, HANG_AT, HANG_MS, NUMBERS };

static const struct {
    const char *key;
    double most;
    bool whole;
    bool above_zero;
    const char *wanted;
} numbers[NUMBERS] = {
    [LATENCY_US] = {"latency_us", MICROSECONDS_MOST, false, false,
                    "microseconds, from 0 to 3.6e9 (an hour),"},
    [BYTES_PER_S] = {"bytes_per_s", 1e18, false, true, "a number above 0 and up to 1e18"},
    [JITTER_US] = {"jitter_us", MICROSECONDS_MOST, false, false, "microseconds, from 0 to 3.6e9 (an hour),"},
    [SEED] = {"seed", WHOLE_MOST, true, false, "a whole number from 0 to 2^53"},
    [FAIL_AT] = {"fail_at", WHOLE_MOST, true, false, "the number of a batch, counted from 0,"},
    [HANG_AT] = {"hang_at", WHOLE_MOST, true, false, "the number of a batch, counted from 0,"},
    [HANG_MS] = {"hang_ms", MICROSECONDS_MOST / 1e3, false, false,
                 "milliseconds, from 0 to 3.6e6 (an hour),"},
};

/* What is not given is negative afterwards. */
static int read_numbers(const struct sim_reader *reader, const cJSON *object, const char *where,
                        double values[NUMBERS])
{
    for (size_t i = 0; i < NUMBERS; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, numbers[i].key);
        values[i] = -1;
        if (!item)
            continue;
        double value = cJSON_IsNumber(item) ? item->valuedouble : NAN;
        bool fits = value >= 0 && value <= numbers[i].most && (value > 0 || !numbers[i].above_zero);
        if (!fits || (numbers[i].whole && value != floor(value))) {
            char at[WHERE_MOST];
            (void)snprintf(at, sizeof at, "%s.%s", where, numbers[i].key);
            return sim_wrong_value(reader, at, item, numbers[i].wanted);
        }
        values[i] = value;
    }
    return 0;
}

static int read_wait(const struct sim_reader *reader, const cJSON *object, const char *where, bool *spin)
{
    const cJSON *wait = cJSON_GetObjectItemCaseSensitive(object, "wait");
    if (!wait)
        return 0;
    *spin = cJSON_IsString(wait) && strcmp(wait->valuestring, "spin") == 0;
    if (*spin || (cJSON_IsString(wait) && strcmp(wait->valuestring, "sleep") == 0))
        return 0;
    char at[WHERE_MOST];
    (void)snprintf(at, sizeof at, "%s.wait", where);
    return sim_wrong_value(reader, at, wait, "\"sleep\" or \"spin\"");
}

static int work_out(const struct sim_reader *reader, const char *where, const double values[NUMBERS],
                    double bytes, struct sim_stage *stage)
{
    double ns = values[LATENCY_US] > 0 ? values[LATENCY_US] * 1e3 : 0;
    if (values[BYTES_PER_S] > 0)
        ns += bytes / values[BYTES_PER_S] * 1e9;
    if (ns > MICROSECONDS_MOST * 1e3)
        return sim_refuse(reader, AISPIPE_FORMAT, where,
                          "%.0f bytes take %.3g s with this \"bytes_per_s\"; at most an hour is wanted",
                          bytes, ns / 1e9);
    if ((values[HANG_AT] >= 0) != (values[HANG_MS] >= 0))
        return sim_refuse(reader, AISPIPE_FORMAT, where, "\"hang_at\" and \"hang_ms\" are wanted together");
    stage->nominal_ns = (uint64_t)llround(ns);
    stage->jitter_ns = values[JITTER_US] > 0 ? values[JITTER_US] * 1e3 : 0;
    stage->seed = values[SEED] > 0 ? (uint64_t)values[SEED] : 0;
    stage->fails = values[FAIL_AT] >= 0;
    stage->fail_at = stage->fails ? (uint64_t)values[FAIL_AT] : 0;
    stage->hangs = values[HANG_AT] >= 0;
    stage->hang_at = stage->hangs ? (uint64_t)values[HANG_AT] : 0;
    stage->hang_ns = stage->hangs ? (uint64_t)llround(values[HANG_MS] * 1e6) : 0;
    return 0;
}

static int read_stage(const struct sim_reader *reader, const cJSON *root, const char *name, double bytes,
                      struct sim_stage *stage)
{
    static const char *const keys[] = {"latency_us", "bytes_per_s", "jitter_us", "seed", "wait",
                                       "fail_at",    "hang_at",     "hang_ms",   NULL};
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(root, name);
    if (!object)
        return 0;
    double values[NUMBERS] = {0};
    int rc = sim_check_object(reader, object, name, keys);
    if (!rc)
        rc = read_numbers(reader, object, name, values);
    if (!rc)
        rc = read_wait(reader, object, name, &stage->spin);
    return rc ? rc : work_out(reader, name, values, bytes, stage);
}

/* ------------------------------------------------------------------ the whole */

const char *sim_stage_name(enum aispipe_lane_kind kind)
{
    static const char *const names[SIM_STAGES] = {
        [AISPIPE_LANE_H2D] = "h2d", [AISPIPE_LANE_COMPUTE] = "compute", [AISPIPE_LANE_D2H] = "d2h"};
    return names[kind];
}

static int read_model(const struct sim_reader *reader, const cJSON *root, struct sim_model *model)
{
    static const char *const keys[] = {"inputs", "outputs", "h2d", "compute", "d2h", NULL};
    struct aispipe_model_desc *desc = &model->desc;
    desc->inputs = model->tensors;
    desc->outputs = model->tensors + AISPIPE_MAX_TENSORS;
    int rc = sim_check_object(reader, root, "the model", keys);
    if (!rc)
        rc = read_tensors(reader, root, "inputs", model->tensors, &desc->n_inputs, &model->input_bytes);
    if (!rc)
        rc = read_tensors(reader, root, "outputs", model->tensors + AISPIPE_MAX_TENSORS, &desc->n_outputs,
                          &model->output_bytes);
    if (rc)
        return rc;
    double in = (double)model->input_bytes;
    double out = (double)model->output_bytes;
    const double bytes[SIM_STAGES] = {
        [AISPIPE_LANE_H2D] = in, [AISPIPE_LANE_COMPUTE] = in + out, [AISPIPE_LANE_D2H] = out};
    for (int k = 0; !rc && k < SIM_STAGES; k++)
        rc = read_stage(reader, root, sim_stage_name((enum aispipe_lane_kind)k), bytes[k], &model->stage[k]);
    return rc;
}

int sim_model_read(const char *path, struct sim_model **model, struct aispipe_error *error)
{
    const struct sim_reader reader = {path, error};
    *model = NULL;
    int rc = 0;
    cJSON *root = sim_parse_file(&reader, &rc);
    if (!root)
        return rc;
    struct sim_model *made = calloc(1, sizeof *made);
    if (made)
        made->tensors = calloc(2 * (size_t)AISPIPE_MAX_TENSORS, sizeof *made->tensors);
    if (!made || !made->tensors)
        rc = aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for model '%s'", path);
    else
        rc = read_model(&reader, root, made);
    cJSON_Delete(root);
    if (rc) {
        sim_model_free(made);
        return rc;
    }
    *model = made;
    return 0;
}

void sim_model_free(struct sim_model *model)
{
    if (!model)
        return;
    for (size_t i = 0; model->tensors && i < 2 * (size_t)AISPIPE_MAX_TENSORS; i++)
        free((void *)model->tensors[i].name);
    free(model->tensors);
    free(model);
}
