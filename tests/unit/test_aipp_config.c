/* SPDX-License-Identifier: MIT */
/* The file of --aipp_config: every key at and beyond its bounds, and what is said about the rest. */
#include "unit.h"

#include "backends/acl/aipp_config.h"
#include "files.h"

#define REQUIRED_LINES \
    "[aipp_op]\n input_format : RGB888_U8\n\tsrc_image_size_w : 256\n src_image_size_h : 200\n"

struct warnings {
    unsigned count;
    char last[1024];
};

static void keep_warning(void *context, enum aispipe_log_level level, const char *line)
{
    struct warnings *warnings = context;
    assert_int_equal(level, AISPIPE_LOG_WARNING);
    warnings->count++;
    (void)snprintf(warnings->last, sizeof warnings->last, "%s", line);
}

static int parse(const char *text, struct warnings *warnings, struct aispipe_aipp *config,
                 struct aispipe_error *error)
{
    struct aispipe_log log = {keep_warning, warnings, false};
    *warnings = (struct warnings){0};
    *error = (struct aispipe_error){0};
    return acl_aipp_config_parse(text, strlen(text), "a.config", &log, config, error);
}

static struct aispipe_aipp accepted(const char *text, unsigned wanted_warnings)
{
    struct aispipe_aipp config;
    struct warnings warnings;
    struct aispipe_error error;
    if (parse(text, &warnings, &config, &error))
        fail_msg("%s: %s", text, error.message);
    if (warnings.count != wanted_warnings)
        fail_msg("%s: %u warnings: %s", text, warnings.count, warnings.last);
    return config;
}

static void refused(const char *text, const char *wanted)
{
    struct aispipe_aipp config;
    struct aispipe_aipp before;
    struct warnings warnings;
    struct aispipe_error error;
    memset(&config, 0x5a, sizeof config);
    memcpy(&before, &config, sizeof config);
    int rc = parse(text, &warnings, &config, &error);
    if (rc != AISPIPE_INVALID || error.code != AISPIPE_INVALID)
        fail_msg("%s: status %d", text, rc);
    if (!strstr(error.message, wanted) || !strstr(error.message, "'a.config'") || strchr(error.message, '\n'))
        fail_msg("'%s' is not in: %s", wanted, error.message);
    assert_memory_equal(&config, &before, sizeof config);
}

static void refused_line(const char *line, const char *wanted)
{
    char text[1024];
    (void)snprintf(text, sizeof text, REQUIRED_LINES "%s\n", line);
    refused(text, wanted);
}

static struct aispipe_aipp accepted_lines(const char *lines)
{
    char text[1024];
    (void)snprintf(text, sizeof text, REQUIRED_LINES "var_reci_chn_0 : 1\n%s\n", lines);
    return accepted(text, 0);
}

static void defaults_are_zero(void **state)
{
    (void)state;
    struct aispipe_aipp config = accepted(REQUIRED_LINES, 1);
    struct aispipe_aipp wanted = {.input_format = 3, .src_image_size_w = 256, .src_image_size_h = 200};
    assert_memory_equal(&config, &wanted, sizeof config);
}

static void every_key_has_its_place(void **state)
{
    (void)state;
    struct aispipe_aipp config = accepted(
        "# of a camera\n[aipp_op]\r\n\tinput_format : YUV420SP_U8\r\n    src_image_size_w:512\n  "
        "src_image_size_h =300 # high\n"
        "rbuv_swap_switch : 1\nax_swap_switch : 1\ncsc_switch : 1\n"
        "matrix_r0c0 : 1\nmatrix_r0c1 : -2\nmatrix_r0c2 : 3\nmatrix_r1c0 : 4\nmatrix_r1c1 : 5\nmatrix_r1c2 : "
        "6\n"
        "matrix_r2c0 : 7\nmatrix_r2c1 : 8\nmatrix_r2c2 : 9\n"
        "output_bias_0 : 10\noutput_bias_1 : 11\noutput_bias_2 : 12\n"
        "input_bias_0 : 13\ninput_bias_1 : 14\ninput_bias_2 : 15\n"
        "crop : 1\nload_start_pos_w : 16\nload_start_pos_h : 17\ncrop_size_w : 224\ncrop_size_h : 220\n"
        "padding : 1\npadding_size_top : 18\npadding_size_bottom : 19\npadding_size_left : 20\n"
        "padding_size_right : 21\n"
        "mean_chn_0 : 22\nmean_chn_1 : 23\nmean_chn_2 : 24\nmean_chn_3 : 25\n"
        "min_chn_0 : 123.675\nmin_chn_1 : 1.5\nmin_chn_2 : 2\nmin_chn_3 : 3.25\n"
        "var_reci_chn_0 : 0.0171247538316637\nvar_reci_chn_1 : -2.5e-1\nvar_reci_chn_2 : .5\nvar_reci_chn_3 "
        ": 4\n",
        0);
    struct aispipe_aipp wanted = {
        .input_format = 1,
        .src_image_size_w = 512,
        .src_image_size_h = 300,
        .rbuv_swap_switch = 1,
        .ax_swap_switch = 1,
        .csc_switch = 1,
        .matrix = {{1, -2, 3}, {4, 5, 6}, {7, 8, 9}},
        .output_bias = {10, 11, 12},
        .input_bias = {13, 14, 15},
        .crop = 1,
        .load_start_pos_w = 16,
        .load_start_pos_h = 17,
        .crop_size_w = 224,
        .crop_size_h = 220,
        .padding = 1,
        .padding_size_top = 18,
        .padding_size_bottom = 19,
        .padding_size_left = 20,
        .padding_size_right = 21,
        .mean_chn = {22, 23, 24, 25},
        .min_chn = {123.675F, 1.5F, 2, 3.25F},
        .var_reci_chn = {0.0171247538316637F, -0.25F, 0.5F, 4},
    };
    assert_memory_equal(&config, &wanted, sizeof config);
}

static void formats_have_the_numbers_of_ascendcl(void **state)
{
    (void)state;
    static const char *const names[] = {"YUV420SP_U8", "XRGB8888_U8", "RGB888_U8", "YUV400_U8"};
    for (int i = 0; i < 4; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, REQUIRED_LINES "var_reci_chn_0 : 1\ninput_format : %s\n", names[i]);
        assert_int_equal(accepted(text, 0).input_format, i + 1);
    }
    refused_line("input_format : RGB888", "input_format is 'RGB888'; YUV420SP_U8, XRGB8888_U8, RGB888_U8 or");
    refused_line("input_format : rgb888_u8", "input_format is 'rgb888_u8'");
    refused_line("input_format :", "input_format is ''");
    refused_line("input_format : 3", "input_format is '3'");
}

/* Keys with their range, and the lines that let the greatest value in. */
static const struct {
    const char *key, *with;
    int least, most;
} ranges[] = {
    {"src_image_size_w", "", 2, 4096},
    {"src_image_size_h", "", 1, 4096},
    {"rbuv_swap_switch", "", 0, 1},
    {"ax_swap_switch", "", 0, 1},
    {"csc_switch", "", 0, 1},
    {"matrix_r0c0", "csc_switch:1", -32677, 32676},
    {"matrix_r0c1", "csc_switch:1", -32677, 32676},
    {"matrix_r0c2", "csc_switch:1", -32677, 32676},
    {"matrix_r1c0", "csc_switch:1", -32677, 32676},
    {"matrix_r1c1", "csc_switch:1", -32677, 32676},
    {"matrix_r1c2", "csc_switch:0", -32677, 32676},
    {"matrix_r2c0", "csc_switch:1", -32677, 32676},
    {"matrix_r2c1", "csc_switch:1", -32677, 32676},
    {"matrix_r2c2", "csc_switch:1", -32677, 32676},
    {"output_bias_0", "csc_switch:1", 0, 255},
    {"output_bias_1", "csc_switch:1", 0, 255},
    {"output_bias_2", "csc_switch:1", 0, 255},
    {"input_bias_0", "csc_switch:1", 0, 255},
    {"input_bias_1", "csc_switch:1", 0, 255},
    {"input_bias_2", "csc_switch:1", 0, 255},
    {"crop", "crop_size_w:1\ncrop_size_h:1", 0, 1},
    {"load_start_pos_w", "crop:1\ncrop_size_w:1\ncrop_size_h:1\nsrc_image_size_w:4096", 0, 4095},
    {"load_start_pos_h", "crop:1\ncrop_size_w:1\ncrop_size_h:1\nsrc_image_size_h:4096", 0, 4095},
    {"crop_size_w", "crop:1\ncrop_size_h:1\nsrc_image_size_w:4096", 1, 4096},
    {"crop_size_h", "crop:1\ncrop_size_w:1\nsrc_image_size_h:4096", 1, 4096},
    {"padding", "", 0, 1},
    {"padding_size_top", "padding:1", 0, 32},
    {"padding_size_bottom", "padding:1", 0, 32},
    {"padding_size_left", "padding:1", 0, 32},
    {"padding_size_right", "padding:1", 0, 32},
    {"mean_chn_0", "", 0, 255},
    {"mean_chn_1", "", 0, 255},
    {"mean_chn_2", "", 0, 255},
    {"mean_chn_3", "", 0, 255},
    {"min_chn_0", "", 0, 255},
    {"min_chn_1", "", 0, 255},
    {"min_chn_2", "", 0, 255},
    {"min_chn_3", "", 0, 255},
    {"var_reci_chn_0", "", -65504, 65504},
    {"var_reci_chn_1", "", -65504, 65504},
    {"var_reci_chn_2", "", -65504, 65504},
    {"var_reci_chn_3", "", -65504, 65504},
};

static void bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        char lines[256];
        char wanted[128];
        const int inside[] = {ranges[i].least, ranges[i].most};
        const int outside[] = {ranges[i].least - 1, ranges[i].most + 1};
        for (int end = 0; end < 2; end++) {
            (void)snprintf(lines, sizeof lines, "%s\n%s : %d", ranges[i].with, ranges[i].key, inside[end]);
            (void)accepted_lines(lines);
            (void)snprintf(lines, sizeof lines, "%s\n%s : %d", ranges[i].with, ranges[i].key, outside[end]);
            (void)snprintf(wanted, sizeof wanted, "%s is %d; a", ranges[i].key, outside[end]);
            refused_line(lines, wanted);
            (void)snprintf(wanted, sizeof wanted, "number from %d to %d is wanted", ranges[i].least,
                           ranges[i].most);
            refused_line(lines, wanted);
        }
    }
}

static void wrong_types(void **state)
{
    (void)state;
    static const char *const values[] = {"",    "x",    "1x",          "0x1", "1 2", "nan",
                                         "inf", "true", "99999999999", "1e",  "--1"};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            char line[256];
            char wanted[128];
            bool is_float = strncmp(ranges[i].key, "min_", 4) == 0 || strncmp(ranges[i].key, "var_", 4) == 0;
            (void)snprintf(line, sizeof line, "%s : %s", ranges[i].key, values[v]);
            if (is_float && strcmp(values[v], "99999999999") == 0)
                continue; /* a number like any other */
            (void)snprintf(wanted, sizeof wanted, "%s is '%s'", ranges[i].key, values[v]);
            refused_line(line, wanted);
        }
    refused_line("mean_chn_0 : 1.5", "mean_chn_0 is '1.5'; a whole number from 0 to 255 is wanted");
    refused_line("min_chn_0 : 255.01", "min_chn_0 is 255.01");
    refused_line("var_reci_chn_3 : 1e39", "var_reci_chn_3 is '1e39'");
}

static void switches_that_are_off_let_zeros_in(void **state)
{
    (void)state;
    struct aispipe_aipp config = accepted_lines("crop : 0\ncrop_size_w : 0\ncrop_size_h : 0");
    assert_int_equal(config.crop_size_w, 0);
    refused_line("crop : 1", "crop_size_w is 0; a whole number from 1 to 4096 is wanted");
    refused_line("crop : 1\ncrop_size_w : 8", "crop_size_h is 0");
    refused_line("crop : 0\ncrop_size_w : -1", "crop_size_w is -1");
}

static void crop_stays_inside(void **state)
{
    (void)state;
    (void)accepted_lines(
        "crop:1\ncrop_size_w:56\nload_start_pos_w:200\ncrop_size_h:100\nload_start_pos_h:100");
    refused_line("crop:1\ncrop_size_w:57\nload_start_pos_w:200\ncrop_size_h:1",
                 "load_start_pos_w 200 and crop_size_w 57 make 257; at most src_image_size_w, 256,");
    refused_line("crop:1\ncrop_size_w:1\nload_start_pos_h:100\ncrop_size_h:101",
                 "load_start_pos_h 100 and crop_size_h 101 make 201; at most src_image_size_h, 200,");
}

static void what_is_missing(void **state)
{
    (void)state;
    refused("", "the section [aipp_op] is missing");
    refused("# nothing\n\n", "the section [aipp_op] is missing");
    refused("[other]\ninput_format : RGB888_U8\n",
            "line 2: 'input_format : RGB888_U8' stands before the section");
    refused("input_format : RGB888_U8\n[aipp_op]\n",
            "line 1: 'input_format : RGB888_U8' stands before the section");
    refused("[aipp_op]\n", "input_format is missing");
    refused("[aipp_op]\ninput_format:RGB888_U8\nsrc_image_size_h:8\n", "src_image_size_w is missing");
    refused("[aipp_op]\ninput_format:RGB888_U8\nsrc_image_size_w:8\n",
            "src_image_size_h is missing; a whole number from 1 to 4096 is wanted");
}

static void lines_that_are_wrong(void **state)
{
    (void)state;
    refused("[aipp_op\n", "line 1: '[aipp_op' is no section");
    refused_line("mean_chn_0", "line 5: 'mean_chn_0' is not 'key : value'");
    refused_line(": 5", "line 5: ': 5' is not 'key : value'");
    struct aispipe_aipp config;
    struct aispipe_error error = {0};
    static const char zero[] = "[aipp_op]\nmean_chn_0 : \0001\n";
    assert_int_equal(acl_aipp_config_parse(zero, sizeof zero - 1, "a.config", NULL, &config, &error),
                     AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "line 2: there is a zero byte"));
}

static void the_last_value_counts(void **state)
{
    (void)state;
    assert_int_equal(accepted_lines("mean_chn_0 : 1\nmean_chn_0 : 9\nMEAN_CHN_0 : 7").mean_chn[0], 7);
    assert_int_equal(accepted_lines("mean_chn_1 : 1\n[other]\nmean_chn_1 : 2\nnonsense").mean_chn[1], 1);
    assert_int_equal(accepted_lines("mean_chn_2 : 1\n[aipp_op]\nmean_chn_2 : 3").mean_chn[2], 3);
    /* A value out of range that a later one replaces is forgotten. */
    assert_int_equal(accepted_lines("mean_chn_3 : 300\nmean_chn_3 : 30").mean_chn[3], 30);
}

static void comments_and_marks(void **state)
{
    (void)state;
    assert_int_equal(
        accepted_lines("; mean_chn_0 : 1\n  # mean_chn_0 : 2\nmean_chn_0 : 3 ; 4 # 5").mean_chn[0], 3);
    assert_int_equal(accepted("\xef\xbb\xbf" REQUIRED_LINES "var_reci_chn_1:2", 0).src_image_size_w, 256);
}

static void warnings(void **state)
{
    (void)state;
    struct aispipe_aipp config;
    struct warnings warnings;
    struct aispipe_error error;
    assert_int_equal(parse(REQUIRED_LINES "var_reci_chn_2:1\nmen_chn_0 : 4\n", &warnings, &config, &error),
                     0);
    assert_int_equal(warnings.count, 1);
    assert_non_null(strstr(warnings.last, "line 6: key 'men_chn_0' is not known"));
    assert_int_equal(parse(REQUIRED_LINES "mean_chn_0:1\n", &warnings, &config, &error), 0);
    assert_int_equal(warnings.count, 1);
    assert_non_null(strstr(warnings.last, "every pixel becomes 0"));
    assert_int_equal(acl_aipp_config_parse(REQUIRED_LINES, strlen(REQUIRED_LINES), "p", NULL, &config, NULL),
                     0);
}

static void check_alone(void **state)
{
    (void)state;
    struct aispipe_aipp config = {.input_format = 3, .src_image_size_w = 2, .src_image_size_h = 1};
    struct aispipe_error error = {0};
    assert_int_equal(acl_aipp_config_check(&config, "here", &error), 0);
    config.input_format = 5;
    assert_int_equal(acl_aipp_config_check(&config, "here", &error), AISPIPE_INVALID);
    assert_string_equal(error.message, "here: input_format is 5; 1 to 4, which are YUV420SP_U8, XRGB8888_U8, "
                                       "RGB888_U8 or YUV400_U8 is wanted");
    config.input_format = 4;
    config.min_chn[2] = 256;
    assert_int_equal(acl_aipp_config_check(&config, "here", &error), AISPIPE_INVALID);
    assert_string_equal(error.message, "here: min_chn_2 is 256; a number from 0 to 255 is wanted");
}

static void files(void **state)
{
    (void)state;
    struct temp_dir dir;
    struct aispipe_aipp config;
    struct aispipe_error error = {0};
    static char text[ACL_AIPP_CONFIG_MOST + 1];
    temp_make(&dir);
    memset(text, '\n', sizeof text);
    for (size_t i = 0; REQUIRED_LINES[i]; i++)
        text[i] = REQUIRED_LINES[i];
    temp_write(&dir, "a.config", text, ACL_AIPP_CONFIG_MOST);
    assert_int_equal(aispipe_aipp_read(temp_path(&dir, "a.config"), NULL, &config, &error), 0);
    assert_int_equal(config.src_image_size_h, 200);
    temp_write(&dir, "a.config", text, ACL_AIPP_CONFIG_MOST + 1);
    assert_int_equal(aispipe_aipp_read(temp_path(&dir, "a.config"), NULL, &config, &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "more than 12800 bytes (12.5 KiB)"));
    assert_int_equal(aispipe_aipp_read(temp_path(&dir, "none.config"), NULL, &config, &error), AISPIPE_IO);
    assert_non_null(strstr(error.message, "No such file"));
    assert_int_equal(aispipe_aipp_read(dir.path, NULL, &config, &error), AISPIPE_IO);
    assert_non_null(strstr(error.message, "is a directory"));
    temp_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_zero),
        cmocka_unit_test(every_key_has_its_place),
        cmocka_unit_test(formats_have_the_numbers_of_ascendcl),
        cmocka_unit_test(bounds),
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(switches_that_are_off_let_zeros_in),
        cmocka_unit_test(crop_stays_inside),
        cmocka_unit_test(what_is_missing),
        cmocka_unit_test(lines_that_are_wrong),
        cmocka_unit_test(the_last_value_counts),
        cmocka_unit_test(comments_and_marks),
        cmocka_unit_test(warnings),
        cmocka_unit_test(check_alone),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
