/* SPDX-License-Identifier: MIT */
/**
 * @file om_file.h
 * The simulated device's `.om`: settings as JSON and an ONNX model, in one file. simatc writes it, the
 * simulator reads it.
 *
 * Layout, integers little-endian: 8 bytes "AISPOM\r\n"; uint32 version (1); uint32 0; uint64 bytes of JSON;
 * uint64 bytes of ONNX; uint64 FNV-1a checksum of all that follows; the JSON; the ONNX. Nothing behind it.
 *
 * The ONNX model is made to fit the settings when the file is written: its inputs have exactly the dims of
 * the settings (−1: unknown), its outputs are those that were asked for, in that order. So a reader compiles
 * it as it is. Objects are plain data: one thread at a time.
 */
#ifndef AISPIPE_SIMULATOR_OM_FILE_H
#define AISPIPE_SIMULATOR_OM_FILE_H

#include "aipp.h"
#include "aispipe/aispipe.h"

#define OM_MAX_RANK 16
#define OM_MAX_TENSORS 64  /**< inputs, and outputs; hidden inputs do not count */
#define OM_MAX_GEARS 100   /**< as atc; AscendCL's lists hold 128 */
#define OM_GEAR_LENGTH 128 /**< most numbers in one gear: AscendCL's aclmdlIODims */
#define OM_NAME_MOST 127   /**< bytes of a name: AscendCL's aclmdlIODims holds 128 with the zero */

enum om_mode {
    OM_STATIC,
    OM_DYNAMIC_BATCH,      /**< a gear is [n]; every −1 of the inputs is a batch */
    OM_DYNAMIC_IMAGE_SIZE, /**< a gear is [h, w] */
    OM_DYNAMIC_DIMS,       /**< a gear is all inputs' dims, one after the other */
    OM_DYNAMIC_SHAPE,      /**< no gears; `low` and `high` of the inputs bound the shape */
};

/** The numbers are AscendCL's `aclFormat`. */
enum om_format { OM_NCHW = 0, OM_NHWC = 1, OM_ND = 2 };

/** The numbers are AscendCL's `aclmdlInputAippType`. */
enum om_aipp { OM_AIPP_NONE = 0, OM_AIPP_STATIC = 1, OM_AIPP_DYNAMIC = 2 };

struct om_input {
    char name[OM_NAME_MOST + 1];
    enum aispipe_dtype dtype; /**< the model's own; a user feeds UINT8 where there is AIPP */
    enum om_format format;
    int rank;
    int64_t dims[OM_MAX_RANK]; /**< as the model takes them, before AIPP; −1: dynamic */
    int64_t low[OM_MAX_RANK];  /**< smallest and largest; both equal dims where that is known */
    int64_t high[OM_MAX_RANK]; /**< −1: no bound */
    enum om_aipp aipp;
    struct aipp_source aipp_source; /**< static AIPP; sizes 0 in the file have been filled in */
    struct aipp_image aipp_image;   /**< static AIPP; the same for every image */
    uint64_t aipp_bytes_most;       /**< dynamic AIPP: max_src_image_size, for the whole batch */
};

struct om_output {
    char name[OM_NAME_MOST +
              1];             /**< "node:0:tensor", as atc names it; what a runtime reports (cut when long) */
    enum aispipe_dtype dtype; /**< what --output_type asks for; UNDEFINED: the model's own */
};

struct om_file {
    char soc_version[64];
    char name[OM_NAME_MOST + 1]; /**< the model's: stem of --output */
    enum om_mode mode;
    size_t n_inputs, n_outputs;
    struct om_input *inputs;   /**< the model's order; hidden inputs are not listed */
    struct om_output *outputs; /**< the order of the ONNX model in the file */
    size_t n_gears, gear_length;
    int64_t *gears; /**< n_gears × gear_length */
    size_t onnx_bytes;
    void *onnx;
};

/** "static", "dynamic_batch", … Static storage. */
const char *om_mode_name(enum om_mode mode);
const char *om_format_name(enum om_format format);

/**
 * Reads and checks a file. On failure `*om` is NULL: AISPIPE_IO when it cannot be read, AISPIPE_FORMAT when
 * it is no simulated model, is cut, damaged or contradicts itself, AISPIPE_NO_MEMORY.
 */
int om_read(const char *path, struct om_file **om, struct aispipe_error *error);
/** The same from memory (which is not kept); `path` is for messages. */
int om_parse(const void *data, size_t bytes, const char *path, struct om_file **om,
             struct aispipe_error *error);
/** Writes `path` whole or not at all: beside it first, then renamed. The settings are checked as a reader
 * does. */
int om_write(const char *path, const struct om_file *om, struct aispipe_error *error);
/** The checks of a reader and a writer: counts, ranks, gears that fit the inputs, names. */
int om_check(const struct om_file *om, const char *path, struct aispipe_error *error);
/** Frees what om_read gave. NULL is allowed. */
void om_free(struct om_file *om);

#endif
