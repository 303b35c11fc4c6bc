/* SPDX-License-Identifier: MIT */
/* The settings as JSON. Strict: a key that is not known, or a value that is not what it should be, is an
 * error that names both, because a model that is not what its author meant proves nothing. */
#include "om_settings.h"

#include "aipp_fields.h"
#include "backends/sim_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whole numbers up to here survive as JSON numbers, which are doubles. */
#define WHOLE_MOST 9007199254740992.0
#define WHERE_MOST 96

static const char *const modes[] = {"static", "dynamic_batch", "dynamic_image_size", "dynamic_dims",
                                    "dynamic_shape"};
static const char *const formats[] = {"NCHW", "NHWC", "ND"};
static const char *const aipp_modes[] = {"none", "static", "dynamic"};
#define COUNT(list) (sizeof(list) / sizeof *(list))

const char *om_mode_name(enum om_mode mode)
{
    return (size_t)mode < COUNT(modes) ? modes[mode] : "unknown";
}

const char *om_format_name(enum om_format format)
{
    return (size_t)format < COUNT(formats) ? formats[format] : "unknown";
}

/* ------------------------------------------------------------------ values */

/* One object while it is read: what it is called in messages, and the file. */
struct place {
    const struct sim_reader *reader;
    const cJSON *object;
    char where[WHERE_MOST];
};

static int want(const struct place *place, const char *key, const cJSON **value)
{
    return sim_want_key(place->reader, place->object, place->where, key, value);
}

static int wrong(const struct place *place, const char *key, const cJSON *value, const char *wanted)
{
    char at[WHERE_MOST + 32];
    (void)snprintf(at, sizeof at, "%s.%s", place->where, key);
    return sim_wrong_value(place->reader, at, value, wanted);
}

static int read_text(const struct place *place, const char *key, char *text, size_t capacity)
{
    const cJSON *value;
    int rc = want(place, key, &value);
    if (rc)
        return rc;
    if (!cJSON_IsString(value) || strlen(value->valuestring) >= capacity)
        return wrong(place, key, value, "a text that is not too long");
    (void)snprintf(text, capacity, "%s", value->valuestring);
    return 0;
}

static int read_choice(const struct place *place, const char *key, const char *const *names, size_t count,
                       int *choice)
{
    const cJSON *value;
    int rc = want(place, key, &value);
    if (rc)
        return rc;
    for (size_t i = 0; cJSON_IsString(value) && i < count; i++)
        if (strcmp(value->valuestring, names[i]) == 0) {
            *choice = (int)i;
            return 0;
        }
    return wrong(place, key, value, "one of the names that simatc writes");
}

/* A null is UNDEFINED. */
static int read_dtype(const struct place *place, const char *key, enum aispipe_dtype *dtype)
{
    const cJSON *value;
    int rc = want(place, key, &value);
    if (rc)
        return rc;
    *dtype = AISPIPE_DTYPE_UNDEFINED;
    if (cJSON_IsNull(value))
        return 0;
    for (int id = 0; cJSON_IsString(value) && id <= AISPIPE_BFLOAT16; id++)
        if (aispipe_dtype_size((enum aispipe_dtype)id) &&
            strcmp(value->valuestring, aispipe_dtype_name((enum aispipe_dtype)id)) == 0) {
            *dtype = (enum aispipe_dtype)id;
            return 0;
        }
    return wrong(place, key, value, "an element type");
}

static bool is_whole(const cJSON *value)
{
    return cJSON_IsNumber(value) && fabs(value->valuedouble) <= WHOLE_MOST &&
           value->valuedouble == floor(value->valuedouble);
}

/* A list of whole numbers, at most `capacity`. */
static int read_list(const struct place *place, const char *key, const cJSON *list, int64_t *numbers,
                     size_t capacity, size_t *count)
{
    if (!cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) > capacity)
        return wrong(place, key, list, "a list of numbers that is not too long");
    *count = 0;
    for (const cJSON *item = list->child; item; item = item->next) {
        if (!is_whole(item))
            return wrong(place, key, item, "a whole number");
        numbers[(*count)++] = (int64_t)item->valuedouble;
    }
    return 0;
}

static int read_dims(const struct place *place, const char *key, int64_t *dims, int *rank)
{
    const cJSON *value;
    size_t count = 0;
    int rc = want(place, key, &value);
    if (!rc)
        rc = read_list(place, key, value, dims, OM_MAX_RANK, &count);
    if (!rc && *rank >= 0 && count != (size_t)*rank)
        rc = wrong(place, key, value, "a number for every dimension");
    *rank = (int)count;
    return rc;
}

/* ------------------------------------------------------------------ AIPP */

static int read_field(const struct place *place, const struct aipp_field *field, struct om_input *input)
{
    const cJSON *value;
    int rc = want(place, field->key, &value);
    if (rc)
        return rc;
    double number = cJSON_IsNumber(value) ? value->valuedouble : NAN;
    if (!(number >= field->least && number <= field->most) ||
        (field->type != AIPP_FLOAT && number != floor(number))) {
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, "a number from %g to %g", field->least, field->most);
        return wrong(place, field->key, value, wanted);
    }
    aipp_field_set(field, &input->aipp_source, &input->aipp_image, number);
    return 0;
}

static int read_static_aipp(const struct place *place, struct om_input *input)
{
    const char *keys[64] = {"mode", "input_format"};
    for (size_t i = 0; i < aipp_n_fields; i++)
        keys[2 + i] = aipp_fields[i].key;
    int rc = sim_check_object(place->reader, place->object, place->where, keys);
    const cJSON *format = NULL;
    if (!rc)
        rc = want(place, "input_format", &format);
    if (rc)
        return rc;
    int number = cJSON_IsString(format) ? aipp_format_find(format->valuestring) : 0;
    if (!number)
        return wrong(place, "input_format", format, "an image format");
    input->aipp_source.format = (enum aipp_format)number;
    for (size_t i = 0; !rc && i < aipp_n_fields; i++)
        rc = read_field(place, &aipp_fields[i], input);
    return rc;
}

static int read_dynamic_aipp(const struct place *place, struct om_input *input)
{
    static const char *const keys[] = {"mode", "max_src_image_size", NULL};
    const cJSON *bytes = NULL;
    int rc = sim_check_object(place->reader, place->object, place->where, keys);
    if (!rc)
        rc = want(place, "max_src_image_size", &bytes);
    if (rc)
        return rc;
    if (!is_whole(bytes) || bytes->valuedouble < 1)
        return wrong(place, "max_src_image_size", bytes, "a number of bytes");
    input->aipp_bytes_most = (uint64_t)bytes->valuedouble;
    return 0;
}

static int read_aipp(const struct place *parent, struct om_input *input)
{
    const cJSON *object;
    int rc = want(parent, "aipp", &object);
    if (rc)
        return rc;
    struct place place = {.reader = parent->reader, .object = object};
    (void)snprintf(place.where, sizeof place.where, "%.80s.aipp", parent->where);
    if (!cJSON_IsObject(object))
        return wrong(parent, "aipp", object, "an object");
    int mode = 0;
    rc = read_choice(&place, "mode", aipp_modes, COUNT(aipp_modes), &mode);
    input->aipp = (enum om_aipp)mode;
    if (!rc && mode == OM_AIPP_STATIC)
        rc = read_static_aipp(&place, input);
    if (!rc && mode == OM_AIPP_DYNAMIC)
        rc = read_dynamic_aipp(&place, input);
    return rc;
}

/* ------------------------------------------------------------------ inputs, outputs, gears */

static int read_input(const struct place *place, struct om_input *input)
{
    static const char *const keys[] = {"name", "dtype", "format", "dims", "low", "high", "aipp", NULL};
    int format = 0;
    input->rank = -1;
    int rc = sim_check_object(place->reader, place->object, place->where, keys);
    if (!rc)
        rc = read_text(place, "name", input->name, sizeof input->name);
    if (!rc)
        rc = read_dtype(place, "dtype", &input->dtype);
    if (!rc)
        rc = read_choice(place, "format", formats, COUNT(formats), &format);
    input->format = (enum om_format)format;
    if (!rc)
        rc = read_dims(place, "dims", input->dims, &input->rank);
    if (!rc)
        rc = read_dims(place, "low", input->low, &input->rank);
    if (!rc)
        rc = read_dims(place, "high", input->high, &input->rank);
    return rc ? rc : read_aipp(place, input);
}

static int read_output(const struct place *place, struct om_output *output)
{
    static const char *const keys[] = {"name", "dtype", NULL};
    int rc = sim_check_object(place->reader, place->object, place->where, keys);
    if (!rc)
        rc = read_text(place, "name", output->name, sizeof output->name);
    return rc ? rc : read_dtype(place, "dtype", &output->dtype);
}

/* The list of that name and its length, which is from `least` to `most`. */
static int want_list(const struct place *root, const char *key, size_t least, size_t most, const cJSON **list,
                     size_t *count)
{
    int rc = want(root, key, list);
    if (rc)
        return rc;
    *count = cJSON_IsArray(*list) ? (size_t)cJSON_GetArraySize(*list) : SIZE_MAX;
    if (*count < least || *count > most) {
        char wanted[64];
        *count = 0;
        (void)snprintf(wanted, sizeof wanted, "a list with %zu to %zu members", least, most);
        return wrong(root, key, *list, wanted);
    }
    return 0;
}

static int no_memory(const struct sim_reader *reader)
{
    return aispipe_fail(reader->error, AISPIPE_NO_MEMORY, "no memory to read model '%s'", reader->path);
}

static int read_inputs(const struct place *root, struct om_file *om)
{
    const cJSON *list;
    int rc = want_list(root, "inputs", 1, OM_MAX_TENSORS, &list, &om->n_inputs);
    if (rc)
        return rc;
    om->inputs = calloc(OM_MAX_TENSORS, sizeof *om->inputs);
    if (!om->inputs)
        return no_memory(root->reader);
    const cJSON *item = list->child;
    for (size_t i = 0; !rc && i < om->n_inputs; i++, item = item->next) {
        struct place place = {.reader = root->reader, .object = item};
        (void)snprintf(place.where, sizeof place.where, "inputs[%zu]", i);
        rc = read_input(&place, &om->inputs[i]);
    }
    return rc;
}

static int read_outputs(const struct place *root, struct om_file *om)
{
    const cJSON *list;
    int rc = want_list(root, "outputs", 1, OM_MAX_TENSORS, &list, &om->n_outputs);
    if (rc)
        return rc;
    om->outputs = calloc(OM_MAX_TENSORS, sizeof *om->outputs);
    if (!om->outputs)
        return no_memory(root->reader);
    const cJSON *item = list->child;
    for (size_t i = 0; !rc && i < om->n_outputs; i++, item = item->next) {
        struct place place = {.reader = root->reader, .object = item};
        (void)snprintf(place.where, sizeof place.where, "outputs[%zu]", i);
        rc = read_output(&place, &om->outputs[i]);
    }
    return rc;
}

static int read_gears(const struct place *root, struct om_file *om)
{
    const cJSON *list;
    int rc = want_list(root, "gears", 0, OM_MAX_GEARS, &list, &om->n_gears);
    if (rc || om->n_gears == 0)
        return rc;
    om->gear_length = cJSON_IsArray(list->child) ? (size_t)cJSON_GetArraySize(list->child) : 0;
    if (om->gear_length < 1 || om->gear_length > OM_GEAR_LENGTH)
        return wrong(root, "gears", list->child, "a list of numbers that is not too long");
    om->gears = calloc(om->n_gears * om->gear_length, sizeof *om->gears);
    if (!om->gears)
        return no_memory(root->reader);
    const cJSON *gear = list->child;
    for (size_t i = 0; !rc && i < om->n_gears; i++, gear = gear->next) {
        size_t count = 0;
        rc = read_list(root, "gears", gear, om->gears + i * om->gear_length, om->gear_length, &count);
        if (!rc && count != om->gear_length)
            rc = wrong(root, "gears", gear, "gears of one length");
    }
    return rc;
}

int om_settings_parse(const char *text, size_t bytes, const char *path, struct om_file *om,
                      struct aispipe_error *error)
{
    static const char *const keys[] = {"name", "soc_version", "mode", "inputs", "outputs", "gears", NULL};
    const struct sim_reader reader = {path, error};
    cJSON *tree = cJSON_ParseWithLength(text, bytes);
    if (!tree)
        return aispipe_fail(error, AISPIPE_FORMAT, "model '%s' is damaged: its settings are not JSON", path);
    const struct place root = {.reader = &reader, .object = tree, .where = "the model"};
    int mode = 0;
    int rc = sim_check_object(&reader, tree, root.where, keys);
    if (!rc)
        rc = read_text(&root, "name", om->name, sizeof om->name);
    if (!rc)
        rc = read_text(&root, "soc_version", om->soc_version, sizeof om->soc_version);
    if (!rc)
        rc = read_choice(&root, "mode", modes, COUNT(modes), &mode);
    om->mode = (enum om_mode)mode;
    if (!rc)
        rc = read_inputs(&root, om);
    if (!rc)
        rc = read_outputs(&root, om);
    if (!rc)
        rc = read_gears(&root, om);
    cJSON_Delete(tree);
    return rc;
}

/* ------------------------------------------------------------------ writing */

/* Adds a list of numbers; `parent` is an array when `key` is NULL. */
static bool add_list(cJSON *parent, const char *key, const int64_t *numbers, size_t count)
{
    cJSON *list = cJSON_CreateArray();
    bool good = list && (key ? cJSON_AddItemToObject(parent, key, list) : cJSON_AddItemToArray(parent, list));
    if (list && !good)
        cJSON_Delete(list);
    for (size_t i = 0; good && i < count; i++) {
        cJSON *number = cJSON_CreateNumber((double)numbers[i]);
        good = number && cJSON_AddItemToArray(list, number);
        if (number && !good)
            cJSON_Delete(number);
    }
    return good;
}

static cJSON *add_object(cJSON *array)
{
    cJSON *object = cJSON_CreateObject();
    if (object && !cJSON_AddItemToArray(array, object)) {
        cJSON_Delete(object);
        object = NULL;
    }
    return object;
}

static bool add_dtype(cJSON *object, enum aispipe_dtype dtype)
{
    if (dtype == AISPIPE_DTYPE_UNDEFINED)
        return cJSON_AddNullToObject(object, "dtype");
    return cJSON_AddStringToObject(object, "dtype", aispipe_dtype_name(dtype));
}

static bool add_aipp(cJSON *parent, const struct om_input *input)
{
    cJSON *aipp = cJSON_AddObjectToObject(parent, "aipp");
    bool good = aipp && cJSON_AddStringToObject(aipp, "mode", aipp_modes[input->aipp]);
    if (input->aipp == OM_AIPP_DYNAMIC)
        return good && cJSON_AddNumberToObject(aipp, "max_src_image_size", (double)input->aipp_bytes_most);
    if (input->aipp == OM_AIPP_NONE)
        return good;
    good = good && cJSON_AddStringToObject(aipp, "input_format", aipp_format_name(input->aipp_source.format));
    for (size_t i = 0; good && i < aipp_n_fields; i++)
        good =
            cJSON_AddNumberToObject(aipp, aipp_fields[i].key,
                                    aipp_field_get(&aipp_fields[i], &input->aipp_source, &input->aipp_image));
    return good;
}

static bool add_input(cJSON *array, const struct om_input *input)
{
    size_t rank = (size_t)input->rank;
    cJSON *object = add_object(array);
    return object && cJSON_AddStringToObject(object, "name", input->name) &&
           add_dtype(object, input->dtype) &&
           cJSON_AddStringToObject(object, "format", formats[input->format]) &&
           add_list(object, "dims", input->dims, rank) && add_list(object, "low", input->low, rank) &&
           add_list(object, "high", input->high, rank) && add_aipp(object, input);
}

static bool add_output(cJSON *array, const struct om_output *output)
{
    cJSON *object = add_object(array);
    return object && cJSON_AddStringToObject(object, "name", output->name) &&
           add_dtype(object, output->dtype);
}

char *om_settings_print(const struct om_file *om)
{
    cJSON *root = cJSON_CreateObject();
    bool good = root && cJSON_AddStringToObject(root, "name", om->name) &&
                cJSON_AddStringToObject(root, "soc_version", om->soc_version) &&
                cJSON_AddStringToObject(root, "mode", modes[om->mode]);
    cJSON *inputs = good ? cJSON_AddArrayToObject(root, "inputs") : NULL;
    cJSON *outputs = good ? cJSON_AddArrayToObject(root, "outputs") : NULL;
    cJSON *gears = good ? cJSON_AddArrayToObject(root, "gears") : NULL;
    good = inputs && outputs && gears;
    for (size_t i = 0; good && i < om->n_inputs; i++)
        good = add_input(inputs, &om->inputs[i]);
    for (size_t i = 0; good && i < om->n_outputs; i++)
        good = add_output(outputs, &om->outputs[i]);
    for (size_t i = 0; good && i < om->n_gears; i++)
        good = add_list(gears, NULL, om->gears + i * om->gear_length, om->gear_length);
    char *text = good ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return text;
}
