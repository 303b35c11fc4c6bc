/* SPDX-License-Identifier: MIT */
/**
 * @file openvino_library.h
 * Finds OpenVINO's C library on this machine and makes its functions callable.
 *
 * The library is not linked: one aispipe runs where OpenVINO is missing, and `--help` does not pay the 10–20
 * ms that loading it takes. Headers are needed when aispipe is built, the library when a model is opened.
 */
#ifndef AISPIPE_BACKENDS_OPENVINO_LIBRARY_H
#define AISPIPE_BACKENDS_OPENVINO_LIBRARY_H

#include "aispipe/aispipe.h"

#include <openvino/c/openvino.h>

/** Every function that is used, without its `ov_`. */
#define OPENVINO_FUNCTIONS(X)                   \
    X(get_last_err_msg)                         \
    X(get_error_info)                           \
    X(get_openvino_version)                     \
    X(version_free)                             \
    X(free)                                     \
    X(core_create)                              \
    X(core_free)                                \
    X(core_get_available_devices)               \
    X(available_devices_free)                   \
    X(core_set_property)                        \
    X(core_get_property)                        \
    X(core_read_model)                          \
    X(core_read_model_from_memory_buffer)       \
    X(core_compile_model)                       \
    X(model_free)                               \
    X(model_inputs_size)                        \
    X(model_outputs_size)                       \
    X(model_reshape_by_port_indexes)            \
    X(model_const_input_by_index)               \
    X(model_const_output_by_index)              \
    X(output_const_port_free)                   \
    X(port_get_any_name)                        \
    X(port_get_element_type)                    \
    X(port_get_partial_shape)                   \
    X(partial_shape_free)                       \
    X(partial_shape_to_string)                  \
    X(compiled_model_create_infer_request)      \
    X(compiled_model_free)                      \
    X(infer_request_set_input_tensor_by_index)  \
    X(infer_request_set_output_tensor_by_index) \
    X(infer_request_get_output_tensor_by_index) \
    X(infer_request_infer)                      \
    X(infer_request_get_tensor)                 \
    X(infer_request_get_profiling_info)         \
    X(profiling_info_list_free)                 \
    X(infer_request_free)                       \
    X(tensor_create)                            \
    X(tensor_create_from_host_ptr)              \
    X(tensor_get_byte_size)                     \
    X(tensor_get_element_type)                  \
    X(tensor_get_shape)                         \
    X(tensor_data)                              \
    X(shape_free)                               \
    X(tensor_free)

/** The functions, each with the type that OpenVINO's header gives it: `ov->core_create(&core)`. */
struct openvino_library {
    char path[1024]; /**< what dlopen was given: a file, or a name that the linker looked up */
#define X(name) __typeof__(&ov_##name) name;
    OPENVINO_FUNCTIONS(X)
#undef X
};

/**
 * Fills `ov` from the first usable library of: the file that AISPIPE_OPENVINO_LIB names (nothing else is
 * tried when it is set), the one the build found, the linker's path, the `openvino` package of the python3 on
 * PATH. The error lists every place and what was wrong there. The library is never unloaded: it has threads
 * and exit handlers of its own. Loading it again is cheap and gives the same one.
 */
int openvino_library_open(struct openvino_library *ov, struct aispipe_error *error);

#endif
