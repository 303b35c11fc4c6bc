/* SPDX-License-Identifier: MIT */
/* Simulated offline models: what goes in comes out, and everything else is one clear error. */
#include "unit.h"

#include "aipp_fields.h"
#include "files.h"
#include "om_sample.h"

TEMP_DIR(dir)
static char path[PATH_MAX];

static int setup(void **state)
{
    (void)dir_make(state);
    (void)snprintf(path, sizeof path, "%s", temp_path(&dir, "m.om"));
    return 0;
}

static struct om_file *written_and_read(const struct om_file *om)
{
    struct om_file *back = NULL;
    struct aispipe_error error = {0};
    if (om_write(path, om, &error) || om_read(path, &back, &error))
        fail_msg("%s", error.message);
    return back;
}

static void assert_same_input(const struct om_input *a, const struct om_input *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->format, b->format);
    assert_int_equal(a->rank, b->rank);
    assert_memory_equal(a->dims, b->dims, sizeof a->dims);
    assert_memory_equal(a->low, b->low, sizeof a->low);
    assert_memory_equal(a->high, b->high, sizeof a->high);
    assert_int_equal(a->aipp, b->aipp);
    assert_int_equal(a->aipp_bytes_most, b->aipp_bytes_most);
    assert_int_equal(a->aipp_source.format, b->aipp_source.format);
    for (size_t i = 0; i < aipp_n_fields; i++)
        if (aipp_field_get(&aipp_fields[i], &a->aipp_source, &a->aipp_image) !=
            aipp_field_get(&aipp_fields[i], &b->aipp_source, &b->aipp_image))
            fail_msg("%s differs", aipp_fields[i].key);
}

static void assert_same(const struct om_file *a, const struct om_file *b)
{
    assert_string_equal(a->soc_version, b->soc_version);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->n_inputs, b->n_inputs);
    assert_int_equal(a->n_outputs, b->n_outputs);
    for (size_t i = 0; i < a->n_inputs; i++)
        assert_same_input(&a->inputs[i], &b->inputs[i]);
    for (size_t i = 0; i < a->n_outputs; i++) {
        assert_string_equal(a->outputs[i].name, b->outputs[i].name);
        assert_int_equal(a->outputs[i].dtype, b->outputs[i].dtype);
    }
    assert_int_equal(a->n_gears, b->n_gears);
    assert_int_equal(a->gear_length, b->gear_length);
    if (a->n_gears)
        assert_memory_equal(a->gears, b->gears, a->n_gears * a->gear_length * sizeof *a->gears);
    assert_int_equal(a->onnx_bytes, b->onnx_bytes);
    assert_memory_equal(a->onnx, b->onnx, a->onnx_bytes);
}

static void round_trip(const struct om_file *om)
{
    struct om_file *back = written_and_read(om);
    assert_same(om, back);
    om_free(back);
}

/* ------------------------------------------------------------------ what is accepted */

static void static_model(void **state)
{
    (void)state;
    struct sample made;
    round_trip(sample(&made));
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777 & ~0640, 0);
}

static void every_mode(void **state)
{
    (void)state;
    struct sample made;
    (void)sample(&made);
    dynamic(&made.inputs[0], 0);
    dynamic(&made.inputs[1], 0);
    set_gears(&made, OM_DYNAMIC_BATCH, 3, 1, (const int64_t[]){1, 2, 8});
    round_trip(&made.om);
    (void)sample(&made);
    dynamic(&made.inputs[0], 2);
    dynamic(&made.inputs[0], 3);
    set_gears(&made, OM_DYNAMIC_IMAGE_SIZE, 2, 2, (const int64_t[]){8, 10, 16, 12});
    round_trip(&made.om);
    (void)sample(&made);
    dynamic(&made.inputs[0], 3);
    dynamic(&made.inputs[1], 1);
    set_gears(&made, OM_DYNAMIC_DIMS, 2, 6, (const int64_t[]){2, 3, 8, 10, 2, 5, 2, 3, 8, 99, 2, 7});
    round_trip(&made.om);
    (void)sample(&made);
    made.om.mode = OM_DYNAMIC_SHAPE;
    dynamic(&made.inputs[0], 0);
    made.inputs[0].low[0] = 1;
    made.inputs[0].high[0] = 16;
    round_trip(&made.om);
    for (int mode = OM_STATIC; mode <= OM_DYNAMIC_SHAPE; mode++)
        assert_string_not_equal(om_mode_name((enum om_mode)mode), "unknown");
}

static void aipp(void **state)
{
    (void)state;
    struct sample made;
    (void)sample(&made);
    static_aipp(&made.inputs[0]);
    struct aipp_source *source = &made.inputs[0].aipp_source;
    struct aipp_image *image = &made.inputs[0].aipp_image;
    source->width = 64;
    source->height = 48;
    source->rbuv_swap = source->csc = true;
    source->matrix[1][2] = -32677;
    source->output_bias[1] = 255;
    source->input_bias[2] = 7;
    image->crop = image->padding = true;
    image->crop_x = 2;
    image->crop_y = 4;
    image->crop_width = 7;
    image->crop_height = 5;
    image->top = 1;
    image->bottom = 2;
    image->left = 3;
    image->padding_value = -0.1F;
    image->mean[3] = 255;
    image->min[0] = 0.3F;
    image->reciprocal[2] = 0.0171247538316637F; /* comes back to the last bit */
    round_trip(&made.om);
    (void)sample(&made);
    made.inputs[0].aipp = OM_AIPP_DYNAMIC;
    made.inputs[0].aipp_bytes_most = 752640;
    round_trip(&made.om);
}

static void strange_names(void **state)
{
    (void)state;
    struct sample made;
    (void)sample(&made);
    memset(made.inputs[0].name, 'n', OM_NAME_MOST);
    (void)snprintf(made.inputs[1].name, sizeof made.inputs[1].name, "a\"b\\c:/\xc3\xa4");
    round_trip(&made.om);
}

/* ------------------------------------------------------------------ files */

/* The bytes of a good file; to be freed. */
static uint8_t *good_bytes(size_t *bytes)
{
    struct sample made;
    struct aispipe_error error = {0};
    assert_int_equal(om_write(path, sample(&made), &error), 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    uint8_t *data = malloc(1 << 16);
    assert_non_null(data);
    ssize_t got = read(fd, data, 1 << 16);
    assert_true(got > 0);
    *bytes = (size_t)got;
    assert_int_equal(close(fd), 0);
    return data;
}

static void refused_bytes(const void *data, size_t bytes, const char *wanted)
{
    struct om_file *om = (struct om_file *)(uintptr_t)1;
    struct aispipe_error error = {0};
    int rc = om_parse(data, bytes, "m.om", &om, &error);
    if (rc != AISPIPE_FORMAT || om || !strstr(error.message, wanted) || !strstr(error.message, "m.om"))
        fail_msg("%zu bytes: '%s' is not in: %s", bytes, wanted, error.message);
}

static void cut_and_longer(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *data = good_bytes(&bytes);
    for (size_t i = 0; i < bytes; i++) {
        /* In memory of its own length, so that a read beyond is seen by AddressSanitizer. */
        uint8_t *cut = malloc(i + 1);
        assert_non_null(cut);
        memcpy(cut, data, i);
        refused_bytes(cut, i, i < 8 ? "does not begin with" : "is cut");
        free(cut);
    }
    data[bytes] = 0;
    refused_bytes(data, bytes + 1, "longer than it should be");
    free(data);
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *data = good_bytes(&bytes);
    for (size_t i = 0; i < bytes; i++) {
        data[i] ^= 0x10;
        refused_bytes(data, bytes, "model 'm.om' ");
        data[i] ^= 0x10;
    }
    struct om_file *om;
    struct aispipe_error error = {0};
    assert_int_equal(om_parse(data, bytes, "m.om", &om, &error), 0);
    om_free(om);
    free(data);
}

static void sizes_that_overflow(void **state)
{
    (void)state;
    size_t bytes;
    uint8_t *data = good_bytes(&bytes);
    memset(data + 16, 0xff, 8); /* the settings' size */
    refused_bytes(data, bytes, "impossible sizes");
    memset(data + 24, 0xff, 8);
    refused_bytes(data, bytes, "impossible sizes");
    memset(data + 16, 0, 16);
    refused_bytes(data, bytes, "longer than it should be");
    refused_bytes("IMOD and so on", 14, "is a real offline model");
    free(data);
}

/* A whole file, checksum and all, with other settings. */
static void refused_settings(const char *from, const char *to, const char *wanted)
{
    size_t bytes;
    uint8_t *data = good_bytes(&bytes);
    assert_true(bytes > 43 && bytes < 1 << 15);
    size_t settings = bytes - 40 - 3;
    char *text = calloc(1, settings + 1);
    assert_non_null(text);
    memcpy(text, data + 40, settings);
    char *at = strstr(text, from);
    if (!at)
        fail_msg("'%s' is not in %s", from, text);
    char *changed = NULL;
    int length = asprintf(&changed, "%.*s%s%sonn", (int)(at - text), text, to, at + strlen(from));
    assert_true(length > 0);
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < length; i++)
        sum = (sum ^ (uint8_t)changed[i]) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < 8; i++) {
        data[16 + i] = (uint8_t)((uint64_t)(length - 3) >> (8 * i));
        data[32 + i] = (uint8_t)(sum >> (8 * i));
    }
    memcpy(data + 40, changed, (size_t)length);
    refused_bytes(data, 40 + (size_t)length, wanted);
    free(changed);
    free(text);
    free(data);
}

static void settings_that_are_wrong(void **state)
{
    (void)state;
    refused_settings("{", "[", "settings are not JSON");
    refused_settings("\"mode\":\"static\"", "\"mode\":\"statical\"", "the model.mode: found \"statical\"");
    refused_settings("\"mode\":\"static\"", "\"mode\":7", "the model.mode: found 7");
    refused_settings("\"gears\":[]", "\"gears\":[],\"more\":1", "key \"more\" is unknown");
    refused_settings("\"gears\":[]", "\"gears\":7", "the model.gears: found 7");
    refused_settings(",\"gears\":[]", "", "key \"gears\" is missing");
    refused_settings("\"gears\":[]", "\"gears\":[[1],[2,3]]", "the model.gears");
    refused_settings("\"gears\":[]", "\"gears\":[[]]", "the model.gears");
    refused_settings("\"dims\":[2,3,8,10]", "\"dims\":[2,3,8,1.5]", "inputs[0].dims: found 1.5");
    refused_settings("\"dims\":[2,3,8,10]", "\"dims\":[2,3,8]", "inputs[0].low");
    refused_settings("\"dims\":[2,3,8,10]", "\"dims\":[2,3,8,1e300]", "inputs[0].dims: found 1");
    refused_settings("\"dtype\":\"float32\"", "\"dtype\":\"float33\"", "inputs[0].dtype: found \"float33\"");
    refused_settings("\"dtype\":\"float32\"", "\"dtype\":null", "no known element type");
    refused_settings("\"format\":\"NCHW\"", "\"format\":\"NCWH\"", "inputs[0].format: found \"NCWH\"");
    refused_settings("\"aipp\":{\"mode\":\"none\"}", "\"aipp\":0", "inputs[0].aipp: found 0");
    refused_settings("\"aipp\":{\"mode\":\"none\"}", "\"aipp\":{\"mode\":\"static\"}", "inputs[0].aipp");
    refused_settings("\"aipp\":{\"mode\":\"none\"}",
                     "\"aipp\":{\"mode\":\"dynamic\",\"max_src_image_size\":0.5}",
                     "inputs[0].aipp.max_src_image_size: found 0.5");
    refused_settings("\"name\":\"z\"", "\"name\":null", "outputs[1].name: found null");
}

static void what_is_refused_is_not_written(void **state)
{
    (void)state;
    struct sample made;
    struct aispipe_error error = {0};
    sample(&made)->inputs[1].dims[1] = 0;
    assert_int_equal(om_write(temp_path(&dir, "wrong.om"), &made.om, &error), AISPIPE_FORMAT);
    assert_non_null(strstr(error.message, "wrong.om': input 'ids': dimension 1 is 0"));
    assert_int_equal(access(temp_path(&dir, "wrong.om"), F_OK), -1);
}

static void files_that_cannot_be_read_or_written(void **state)
{
    (void)state;
    struct om_file *om;
    struct sample made;
    struct aispipe_error error = {0};
    assert_int_equal(om_read(temp_path(&dir, "none.om"), &om, &error), AISPIPE_IO);
    assert_non_null(strstr(error.message, "No such file"));
    assert_int_equal(om_read(dir.path, &om, &error), AISPIPE_IO);
    assert_non_null(strstr(error.message, "is a directory"));
    assert_int_equal(om_write(temp_path(&dir, "none/m.om"), sample(&made), &error), AISPIPE_IO);
    assert_non_null(strstr(error.message, "cannot create"));
    om_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(static_model),
        cmocka_unit_test(every_mode),
        cmocka_unit_test(aipp),
        cmocka_unit_test(strange_names),
        cmocka_unit_test(cut_and_longer),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(sizes_that_overflow),
        cmocka_unit_test(settings_that_are_wrong),
        cmocka_unit_test(what_is_refused_is_not_written),
        cmocka_unit_test(files_that_cannot_be_read_or_written),
    };
    return cmocka_run_group_tests(tests, setup, dir_remove);
}
