/* SPDX-License-Identifier: MIT */
/* Settings of dynamic AIPP: a dict with the names of the configuration file. */
#include "ext.h"

#include <string.h>

struct setting {
    const char *name;
    size_t offset;
    bool real; /**< float; else int32_t */
};

#define WHOLE(name)                                       \
    {                                                     \
#name, offsetof(struct aispipe_aipp, name), false \
    }
#define WHOLE_AT(name, member)                             \
    {                                                      \
        name, offsetof(struct aispipe_aipp, member), false \
    }
#define REAL_AT(name, member)                             \
    {                                                     \
        name, offsetof(struct aispipe_aipp, member), true \
    }

static const struct setting settings[] = {
    WHOLE(input_format),
    WHOLE(src_image_size_w),
    WHOLE(src_image_size_h),
    WHOLE(rbuv_swap_switch),
    WHOLE(ax_swap_switch),
    WHOLE(csc_switch),
    WHOLE_AT("matrix_r0c0", matrix[0][0]),
    WHOLE_AT("matrix_r0c1", matrix[0][1]),
    WHOLE_AT("matrix_r0c2", matrix[0][2]),
    WHOLE_AT("matrix_r1c0", matrix[1][0]),
    WHOLE_AT("matrix_r1c1", matrix[1][1]),
    WHOLE_AT("matrix_r1c2", matrix[1][2]),
    WHOLE_AT("matrix_r2c0", matrix[2][0]),
    WHOLE_AT("matrix_r2c1", matrix[2][1]),
    WHOLE_AT("matrix_r2c2", matrix[2][2]),
    WHOLE_AT("output_bias_0", output_bias[0]),
    WHOLE_AT("output_bias_1", output_bias[1]),
    WHOLE_AT("output_bias_2", output_bias[2]),
    WHOLE_AT("input_bias_0", input_bias[0]),
    WHOLE_AT("input_bias_1", input_bias[1]),
    WHOLE_AT("input_bias_2", input_bias[2]),
    WHOLE(crop),
    WHOLE(load_start_pos_w),
    WHOLE(load_start_pos_h),
    WHOLE(crop_size_w),
    WHOLE(crop_size_h),
    WHOLE(padding),
    WHOLE(padding_size_top),
    WHOLE(padding_size_bottom),
    WHOLE(padding_size_left),
    WHOLE(padding_size_right),
    WHOLE_AT("mean_chn_0", mean_chn[0]),
    WHOLE_AT("mean_chn_1", mean_chn[1]),
    WHOLE_AT("mean_chn_2", mean_chn[2]),
    WHOLE_AT("mean_chn_3", mean_chn[3]),
    REAL_AT("min_chn_0", min_chn[0]),
    REAL_AT("min_chn_1", min_chn[1]),
    REAL_AT("min_chn_2", min_chn[2]),
    REAL_AT("min_chn_3", min_chn[3]),
    REAL_AT("var_reci_chn_0", var_reci_chn[0]),
    REAL_AT("var_reci_chn_1", var_reci_chn[1]),
    REAL_AT("var_reci_chn_2", var_reci_chn[2]),
    REAL_AT("var_reci_chn_3", var_reci_chn[3]),
};

#define N_SETTINGS (sizeof settings / sizeof *settings)

static bool take_format(PyObject *value, int32_t *to)
{
    const char *name = py_text(value, "input_format");
    if (!name)
        return false;
    *to = aispipe_aipp_format(name);
    if (*to != 0)
        return true;
    error_set(AISPIPE_INVALID,
              "input_format is '%s'; YUV420SP_U8, XRGB8888_U8, RGB888_U8 and YUV400_U8 are accepted", name);
    return false;
}

static bool take_value(const struct setting *setting, PyObject *value, struct aispipe_aipp *aipp)
{
    void *to = (char *)aipp + setting->offset;
    if (setting->offset == offsetof(struct aispipe_aipp, input_format) && PyUnicode_Check(value))
        return take_format(value, to);
    if (setting->real) {
        double real = PyFloat_AsDouble(value);
        *(float *)to = (float)real;
    } else {
        long long whole = PyLong_AsLongLong(value);
        if (whole < INT32_MIN || whole > INT32_MAX) {
            error_set(AISPIPE_INVALID, "%s is %lld, which is out of range", setting->name, whole);
            return false;
        }
        *(int32_t *)to = (int32_t)whole;
    }
    return !PyErr_Occurred();
}

static bool take(PyObject *dict, struct aispipe_aipp *aipp)
{
    Py_ssize_t position = 0;
    PyObject *key, *value;
    if (!PyDict_Check(dict)) {
        PyErr_Format(PyExc_TypeError, "the settings must be a dict, not %R", (PyObject *)Py_TYPE(dict));
        return false;
    }
    while (PyDict_Next(dict, &position, &key, &value)) {
        const char *name = py_text(key, "the name of a setting");
        size_t i = 0;
        if (!name)
            return false;
        while (i < N_SETTINGS && strcmp(settings[i].name, name) != 0)
            i++;
        if (i == N_SETTINGS) {
            error_set(AISPIPE_INVALID, "'%s' is not a setting of AIPP; docs/ascend.md lists them", name);
            return false;
        }
        if (!take_value(&settings[i], value, aipp))
            return false;
    }
    return true;
}

PyObject *session_set_aipp(PyObject *self, PyObject *dict)
{
    struct aispipe_session *session = session_get((struct session_object *)self);
    struct aispipe_aipp aipp = {.input_format = 0};
    struct aispipe_error error;
    int status;
    if (!session || !take(dict, &aipp))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    status = aispipe_session_set_aipp(session, &aipp, &error);
    Py_END_ALLOW_THREADS;
    if (status)
        return error_raise(&error);
    ((struct session_object *)self)->forms_stale = true;
    Py_RETURN_NONE;
}

PyObject *aipp_check(PyObject *module, PyObject *settings)
{
    (void)module;
    struct aispipe_aipp aipp = {.input_format = 0};
    struct aispipe_error error;
    if (!take(settings, &aipp))
        return NULL;
    if (aispipe_aipp_check(&aipp, &error) != 0)
        return error_raise(&error);
    Py_RETURN_NONE;
}

PyObject *aipp_read(PyObject *module, PyObject *path)
{
    (void)module;
    PyObject *bytes = NULL;
    struct aispipe_aipp aipp;
    struct aispipe_error error;
    if (!PyUnicode_FSConverter(path, &bytes))
        return NULL;
    int status = aispipe_aipp_read(PyBytes_AsString(bytes), NULL, &aipp, &error);
    Py_DECREF(bytes);
    if (status)
        return error_raise(&error);
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < N_SETTINGS; i++) {
        const void *from = (const char *)&aipp + settings[i].offset;
        PyObject *value = settings[i].real ? PyFloat_FromDouble((double)*(const float *)from)
                                           : PyLong_FromLong(*(const int32_t *)from);
        if (!py_put(dict, settings[i].name, value))
            Py_CLEAR(dict);
    }
    return dict;
}
