/* SPDX-License-Identifier: MIT */
#include "executor.h"

#include "clock.h"
#include "infer.h"
#include "log.h"
#include "shape.h"
#include "transfers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- making one */

static bool on_host(const struct aispipe_session *session)
{
    return session->backend->caps & AISPIPE_CAP_HOST_MEMORY;
}

/* Room for tensors that are copied: those that are small, where the engine would work in place. */
static int place_own(struct aispipe_session *session, struct executor *e, struct aispipe_error *error)
{
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    size_t n = e->n_inputs + e->n_outputs;
    size_t offsets[2 * AISPIPE_MAX_TENSORS];
    size_t bytes = TENSOR_ALIGNMENT; /* what every other tensor points at until it is bound */
    for (size_t i = 0; i < n; i++) {
        const struct aispipe_tensor_desc *tensor =
            i < e->n_inputs ? &desc->inputs[i] : &desc->outputs[i - e->n_inputs];
        offsets[i] = 0;
        if (!on_host(session) || tensor->size > EXECUTOR_SMALL || shape_is_open(tensor))
            continue;
        offsets[i] = bytes;
        bytes += (tensor->size + TENSOR_ALIGNMENT) & ~(size_t)(TENSOR_ALIGNMENT - 1);
    }
    e->memory = aligned_alloc(TENSOR_ALIGNMENT, bytes);
    if (!e->memory)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to execute model '%s'", session->path);
    memset(e->memory, 0, bytes);
    for (size_t i = 0; i < n; i++) {
        e->own[i] = offsets[i] ? e->memory + offsets[i] : NULL;
        e->host[i] = e->memory + offsets[i];
    }
    return 0;
}

static int create_lanes(struct aispipe_session *session, struct executor *e, struct aispipe_error *error)
{
    const struct aispipe_backend *backend = session->backend;
    int rc = 0;
    if (backend->h2d)
        rc = backend->lane_create(session->model, AISPIPE_LANE_H2D, e->index, &e->lanes[AISPIPE_LANE_H2D],
                                  error);
    if (!rc)
        rc = backend->lane_create(session->model, AISPIPE_LANE_COMPUTE, e->index,
                                  &e->lanes[AISPIPE_LANE_COMPUTE], error);
    if (!rc && backend->d2h)
        rc = backend->lane_create(session->model, AISPIPE_LANE_D2H, e->index, &e->lanes[AISPIPE_LANE_D2H],
                                  error);
    return rc;
}

static int fill(struct aispipe_session *session, struct executor *e, struct aispipe_error *error)
{
    size_t n = e->n_inputs + e->n_outputs;
    e->host = calloc(n, sizeof *e->host);
    e->bound = calloc(n, sizeof *e->bound);
    e->own = calloc(n, sizeof *e->own);
    e->resident = calloc(n, sizeof *e->resident);
    e->staging = calloc(e->n_inputs, sizeof *e->staging);
    e->held = calloc(e->n_outputs, sizeof *e->held);
    if (!e->host || !e->bound || !e->own || !e->staging || !e->resident || !e->held)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to execute model '%s'", session->path);
    int rc = place_own(session, e, error);
    if (rc)
        return rc;
    e->io.inputs = e->host;
    e->io.outputs = e->host + e->n_inputs;
    e->io.resident = e->resident;
    rc = session->backend->io_create ? session->backend->io_create(session->model, &e->io, error) : 0;
    if (rc) {
        e->io.device = NULL;
        return rc;
    }
    return create_lanes(session, e, error);
}

int executor_create(struct aispipe_session *session, unsigned index, struct executor **executor,
                    struct aispipe_error *error)
{
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    struct executor *made = calloc(1, sizeof *made);
    *executor = NULL;
    if (!session->backend->io_bind) {
        free(made);
        return aispipe_fail(error, AISPIPE_UNSUPPORTED, "backend '%s' has no single executions",
                            session->backend->name);
    }
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to execute model '%s'", session->path);
    made->index = index;
    made->n_inputs = desc->n_inputs;
    made->n_outputs = desc->n_outputs;
    int rc = fill(session, made, error);
    if (rc) {
        executor_destroy(session, made);
        return rc;
    }
    *executor = made;
    return 0;
}

void executor_destroy(struct aispipe_session *session, struct executor *e)
{
    const struct aispipe_backend *backend = session->backend;
    for (int i = AISPIPE_LANE_D2H; i >= 0; i--)
        if (e->lanes[i])
            backend->lane_destroy(session->model, e->lanes[i]);
    if (e->io.device)
        backend->io_destroy(session->model, &e->io);
    for (size_t i = 0; e->staging && i < e->n_inputs; i++)
        free(e->staging[i]);
    free(e->staging);
    free(e->host);
    free(e->bound);
    free(e->own);
    free(e->resident);
    free(e->held);
    free(e->memory);
    free(e);
}

/* ---------------------------------------------------------------- binding */

static int bind(struct executor *e, struct aispipe_session *session, size_t at, void *memory,
                struct aispipe_error *error)
{
    if (e->bound[at] == memory)
        return 0;
    bool output = at >= e->n_inputs;
    e->bound[at] = NULL;
    int rc = session->backend->io_bind(session->model, &e->io, output, output ? at - e->n_inputs : at, memory,
                                       error);
    if (!rc)
        e->bound[at] = memory;
    return rc;
}

/* Where device memory is host memory: the engine works at `memory`. */
static int bind_host(struct executor *e, struct aispipe_session *session, size_t at, void *memory,
                     struct aispipe_error *error)
{
    e->host[at] = memory;
    return bind(e, session, at, memory, error);
}

/* ---------------------------------------------------------------- inputs */

static void *feed_data(const struct aispipe_feed *feed)
{
    return feed->tensor ? feed->tensor->data : (void *)feed->data;
}

static size_t feed_size(const struct aispipe_feed *feed)
{
    return feed->tensor ? feed->tensor->desc.size : feed->size;
}

static int check_device(const struct aispipe_session *session, const struct aispipe_tensor *tensor,
                        const char *input, struct aispipe_error *error)
{
    if (tensor->device == AISPIPE_HOST)
        return 0;
    const struct aispipe_backend *backend =
        tensor->memory ? place_backend(place_of(tensor->memory)) : session->backend;
    if (tensor->device == session->device_id && backend == session->backend)
        return 0;
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "input '%s': the tensor is on device %d of %s, the session on device %d of %s; move it to "
        "the host first",
        input, tensor->device, backend->name, session->device_id, session->backend->name);
}

/* A copy of what does not begin at a multiple of its elements' size, which engines expect. */
static int copy_aligned(struct executor *e, size_t at, const void *data, size_t size, void **copy,
                        struct aispipe_error *error)
{
    if (!e->staging[at]) /* as large as the input for as long as the executor lives */
        e->staging[at] =
            aligned_alloc(TENSOR_ALIGNMENT, (size + TENSOR_ALIGNMENT) & ~(size_t)(TENSOR_ALIGNMENT - 1));
    if (!e->staging[at])
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for %zu bytes that are not aligned", size);
    memcpy(e->staging[at], data, size);
    *copy = e->staging[at];
    return 0;
}

static int take_host_input(struct executor *e, struct aispipe_session *session, size_t i, void *data,
                           size_t size, size_t element, struct aispipe_error *error)
{
    if (!on_host(session)) {
        e->host[i] = data;
        e->resident[i] = false;
        return bind(e, session, i, NULL, error);
    }
    if (size > EXECUTOR_SMALL && (uintptr_t)data % element == 0)
        return bind_host(e, session, i, data, error);
    void *copy = e->own[i];
    int rc = 0;
    if (!copy)
        rc = copy_aligned(e, i, data, size, &copy, error);
    else if (size)
        memcpy(copy, data, size);
    return rc ? rc : bind_host(e, session, i, copy, error);
}

static int take_device_input(struct executor *e, struct aispipe_session *session, size_t i,
                             const struct aispipe_tensor *tensor, const char *name,
                             struct aispipe_error *error)
{
    void *address = place_address(tensor->memory);
    if (!address)
        return aispipe_fail(
            error, AISPIPE_CLOSED,
            "input '%s': the tensor was on device %d, which has been finalised: its data is gone", name,
            tensor->device);
    e->resident[i] = true;
    return bind(e, session, i, address, error);
}

static int take_input(struct executor *e, struct aispipe_session *session, size_t i,
                      const struct aispipe_tensor_desc *desc, const struct aispipe_feed *feed,
                      struct aispipe_error *error)
{
    size_t size = feed_size(feed);
    if (size != desc->size)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "input %zu, '%s', takes %zu bytes, but %zu were given; give an array of that size", i, desc->name,
            desc->size, size);
    int rc = feed->tensor ? check_device(session, feed->tensor, desc->name, error) : 0;
    if (rc)
        return rc;
    if (feed->tensor && feed->tensor->memory)
        return take_device_input(e, session, i, feed->tensor, desc->name, error);
    void *data = feed_data(feed);
    if (!data && size)
        return aispipe_fail(error, AISPIPE_INVALID, "input %zu, '%s', has no data", i, desc->name);
    return take_host_input(e, session, i, data ? data : e->memory, size, aispipe_dtype_size(desc->dtype),
                           error);
}

/* ---------------------------------------------------------------- outputs */

/* A device writes an output into memory for the largest gear, whichever is set. */
static size_t room_of(const struct aispipe_session *session, size_t i,
                      const struct aispipe_tensor_desc *output)
{
    struct aispipe_tensor_info info;
    session_tensor_info(session, true, i, &info);
    return info.size > output->size ? info.size : output->size;
}

static int make_pool(struct aispipe_session *session, size_t i, bool device, struct tensor_pool **pool,
                     struct aispipe_error *error)
{
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    struct place *place = NULL;
    int rc = 0;
    if (device && !on_host(session))
        rc = place_get(session->backend, session->device_id, &place, error);
    const struct aispipe_tensor_desc *output = &desc->outputs[i];
    return rc ? rc
              : tensor_pool_create(output, room_of(session, i, output), place,
                                   device ? session->device_id : AISPIPE_HOST, pool, error);
}

static int take_tensor(struct aispipe_session *session, size_t i, bool device, struct aispipe_tensor **tensor,
                       struct aispipe_error *error)
{
    struct output_pools *pools = &session->infer->pools;
    struct tensor_pool *_Atomic *at = device ? &pools->device[i] : &pools->host[i];
    /* acquire: with the pointer comes what another thread has made; pairs with the release below */
    struct tensor_pool *pool = atomic_load_explicit(at, memory_order_acquire);
    if (pool)
        return tensor_pool_take(pool, tensor, error);
    pthread_mutex_lock(&pools->mutex);
    pool = atomic_load_explicit(at, memory_order_relaxed); /* relaxed: the mutex orders it */
    int rc = pool ? 0 : make_pool(session, i, device, &pool, error);
    atomic_store_explicit(at, pool, memory_order_release); /* release: see above */
    pthread_mutex_unlock(&pools->mutex);
    return rc ? rc : tensor_pool_take(pool, tensor, error);
}

/* An output that nobody wants: the engine must write it somewhere all the same. */
static int take_unwanted(struct executor *e, struct aispipe_session *session, size_t i,
                         struct aispipe_error *error)
{
    size_t at = e->n_inputs + i;
    if (!on_host(session)) {
        e->resident[at] = true;
        return bind(e, session, at, NULL, error);
    }
    if (e->own[at])
        return bind_host(e, session, at, e->own[at], error);
    int rc = take_tensor(session, i, false, &e->held[i], error);
    return rc ? rc : bind_host(e, session, at, e->held[i]->data, error);
}

static int take_wanted(struct executor *e, struct aispipe_session *session, size_t i, bool device,
                       struct aispipe_error *error)
{
    size_t at = e->n_inputs + i;
    int rc = e->held[i] ? 0 : take_tensor(session, i, device, &e->held[i], error);
    if (rc)
        return rc;
    if (on_host(session))
        return bind_host(e, session, at, e->own[at] ? e->own[at] : e->held[i]->data, error);
    e->resident[at] = device;
    e->host[at] = e->held[i]->data;
    if (!device)
        return bind(e, session, at, NULL, error);
    void *address = place_address(e->held[i]->memory);
    return address ? bind(e, session, at, address, error)
                   : aispipe_fail(error, AISPIPE_CLOSED, "device %d has been finalised", session->device_id);
}

static bool wants(const struct aispipe_infer_options *options, size_t i)
{
    if (!options->outputs)
        return true;
    for (size_t k = 0; k < options->n_outputs; k++)
        if (options->outputs[k] == i)
            return true;
    return false;
}

static int prepare(struct executor *e, const struct execution *x, const struct aispipe_model_desc *desc,
                   struct aispipe_error *error)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < e->n_inputs; i++)
        rc = take_input(e, x->session, i, &desc->inputs[i], &x->feeds[i], error);
    for (size_t i = 0; !rc && i < e->n_outputs; i++)
        rc = wants(x->options, i) ? take_wanted(e, x->session, i, x->options->on_device, error)
                                  : take_unwanted(e, x->session, i, error);
    return rc;
}

/* What became known with the execution. */
static void take_actual(struct aispipe_tensor *tensor, const struct aispipe_tensor_desc *actual)
{
    tensor->desc.rank = actual->rank;
    tensor->desc.size = actual->size;
    if (actual->rank > 0)
        memcpy(tensor->desc.dims, actual->dims, (size_t)actual->rank * sizeof *actual->dims);
}

static void hand_out(struct executor *e, const struct aispipe_infer_options *options,
                     struct aispipe_tensor **outputs)
{
    for (size_t i = 0; i < e->n_outputs; i++) {
        struct aispipe_tensor *tensor = e->held[i];
        if (!tensor)
            continue;
        if (e->own[e->n_inputs + i] && tensor->desc.size)
            memcpy(tensor->data, e->own[e->n_inputs + i], tensor->desc.size);
        if (e->io.actual)
            take_actual(tensor, &e->io.actual[i]);
    }
    size_t n = options->outputs ? options->n_outputs : e->n_outputs;
    for (size_t k = 0; k < n; k++)
        outputs[k] = aispipe_tensor_retain(e->held[options->outputs ? options->outputs[k] : k]);
}

/* ---------------------------------------------------------------- executing */

static bool any_to_move(const bool *resident, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!resident[i])
            return true;
    return false;
}

typedef int (*lane_fn)(void *lane, struct aispipe_io *io, struct aispipe_error *error);

static int transfer(lane_fn move, void *lane, struct executor *e, enum aispipe_transfer direction,
                    uint64_t *ns, struct aispipe_error *error)
{
    uint64_t start = clock_ns();
    int rc = move(lane, &e->io, error);
    *ns = clock_ns() - start;
    if (!rc)
        transfers_note(direction, *ns);
    return rc;
}

static int compute(struct executor *e, const struct execution *x, struct aispipe_error *error)
{
    int rc = 0;
    e->io.warmup = x->options->untimed;
    for (unsigned i = 0; !rc && i < x->loop; i++) {
        struct aispipe_interval interval = {.start = clock_ns()};
        rc = x->session->backend->compute(e->lanes[AISPIPE_LANE_COMPUTE], &e->io, error);
        interval.end = clock_ns();
        if (!rc && !x->options->untimed)
            rc = infer_note(x->session->infer, interval, error);
        if (!rc && x->session->log.debug)
            log_line(&x->session->log, AISPIPE_LOG_DEBUG, "model aclExec cost : %f",
                     (double)(interval.end - interval.start) / 1e6);
    }
    return rc;
}

static int execute(struct executor *e, struct execution *x, struct aispipe_error *error)
{
    const struct aispipe_backend *backend = x->session->backend;
    int rc = 0;
    if (backend->h2d && any_to_move(e->resident, e->n_inputs))
        rc = transfer(backend->h2d, e->lanes[AISPIPE_LANE_H2D], e, AISPIPE_H2D, &x->h2d_ns, error);
    if (!rc)
        rc = compute(e, x, error);
    if (!rc && backend->d2h && any_to_move(e->resident + e->n_inputs, e->n_outputs))
        rc = transfer(backend->d2h, e->lanes[AISPIPE_LANE_D2H], e, AISPIPE_D2H, &x->d2h_ns, error);
    return rc;
}

int executor_run(struct executor *e, struct execution *x, struct aispipe_tensor **outputs,
                 struct aispipe_error *error)
{
    const struct aispipe_model_desc *desc = x->session->backend->describe(x->session->model);
    int rc = prepare(e, x, desc, error);
    if (!rc)
        rc = execute(e, x, error);
    if (!rc)
        hand_out(e, x->options, outputs);
    for (size_t i = 0; i < e->n_outputs; i++) {
        aispipe_tensor_release(e->held[i]);
        e->held[i] = NULL;
    }
    return rc;
}
