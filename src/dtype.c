/* SPDX-License-Identifier: MIT */
#include "aispipe/aispipe.h"

static const struct {
    enum aispipe_dtype dtype;
    size_t size;
    const char *name;
} dtypes[] = {
    {AISPIPE_FLOAT32, 4, "float32"},   {AISPIPE_FLOAT16, 2, "float16"}, {AISPIPE_INT8, 1, "int8"},
    {AISPIPE_INT32, 4, "int32"},       {AISPIPE_UINT8, 1, "uint8"},     {AISPIPE_INT16, 2, "int16"},
    {AISPIPE_UINT16, 2, "uint16"},     {AISPIPE_UINT32, 4, "uint32"},   {AISPIPE_INT64, 8, "int64"},
    {AISPIPE_UINT64, 8, "uint64"},     {AISPIPE_FLOAT64, 8, "float64"}, {AISPIPE_BOOL, 1, "bool"},
    {AISPIPE_BFLOAT16, 2, "bfloat16"},
};

size_t aispipe_dtype_size(enum aispipe_dtype dtype)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (dtypes[i].dtype == dtype)
            return dtypes[i].size;
    return 0;
}

const char *aispipe_dtype_name(enum aispipe_dtype dtype)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (dtypes[i].dtype == dtype)
            return dtypes[i].name;
    return "undefined";
}
