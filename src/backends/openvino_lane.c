/* SPDX-License-Identifier: MIT */
/*
 * Infer requests of one compute thread. A request must have the tensors of the slot that it executes, and
 * setting them anew costs: 10 µs with the first execution after it, against 22 for a small net
 * (docs/decisions/0011-cpu-engine-settings.md). So slots that come back get requests of their own, whose
 * tensors stay set; what they compute with, weights and memory for activations, belongs to the compiled
 * model.
 */
#include "openvino_lane.h"

#include <stdlib.h>

/*
 * Requests that a lane makes at most; slots beyond share them. They are about 5 KB each. As many as there are
 * slots by default (src/pipeline.c).
 */
#define OWN_REQUESTS 512
/* Making a request takes as long as executing with newly set tensors three times; waiting for more keeps runs
 * that end soon from paying for requests that they hardly use. */
#define PAYS_AFTER 8

static ov_status_e make_request(const struct openvino_lane *lane, ov_infer_request_t **request)
{
    return lane->model->device->ov.compiled_model_create_infer_request(lane->compiled, request);
}

/* Whether slots may have requests of their own. Other devices give memory of theirs to each; the profile is a
 * request's; open shapes are set for each execution anyway. */
static bool many_requests(const struct openvino_model *model)
{
    return model->device->is_cpu && !model->device->profile && !model->open_outputs;
}

int openvino_lane_create(void *loaded, enum aispipe_lane_kind kind, unsigned index, void **result,
                         struct aispipe_error *error)
{
    struct openvino_model *model = loaded;
    *result = NULL;
    if (kind != AISPIPE_LANE_COMPUTE)
        return 0;
    struct openvino_lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a compute thread");
    lane->model = model;
    /* More lanes than were announced share the models: slower, still right. */
    lane->compiled = model->compiled[index % model->n_compiled];
    ov_status_e status = make_request(lane, &lane->shared.request);
    if (status != OK) {
        char reason[OPENVINO_REASON];
        free(lane);
        return aispipe_fail(error, AISPIPE_DEVICE, "no infer request for compute thread %u: %s", index,
                            openvino_reason(&model->device->ov, status, reason));
    }
    if (many_requests(model)) /* without memory for it, all slots share one */
        lane->own = calloc(OWN_REQUESTS, sizeof *lane->own);
    if (index == 0)
        lane->counter.runs = model->trials;
    *result = lane;
    return 0;
}

void openvino_lane_destroy(void *loaded, void *created)
{
    struct openvino_model *model = loaded;
    struct openvino_lane *lane = created;
    if (!lane)
        return;
    const struct openvino_library *ov = &model->device->ov;
    if (model->device->profile)
        openvino_profile_add(&model->profile, ov, lane->shared.request, &lane->counter, model->own_counters);
    for (size_t i = 0; lane->own && i < OWN_REQUESTS; i++)
        if (lane->own[i].bound.request)
            ov->infer_request_free(lane->own[i].bound.request);
    ov->infer_request_free(lane->shared.request);
    free(lane->own);
    free(lane);
}

/* Sets those that came with a change after number `since`; all with ALL_TENSORS. */
#define ALL_TENSORS UINT64_MAX

static ov_status_e set_tensors(const struct openvino_model *model, ov_infer_request_t *request,
                               const struct openvino_io *own, uint64_t since, size_t *failed)
{
    const struct openvino_library *ov = &model->device->ov;
    size_t inputs = model->desc.n_inputs;
    ov_status_e status = OK;
    for (size_t i = 0; status == OK && i < inputs; i++) {
        *failed = i;
        if (own->tensors[i] && (since == ALL_TENSORS || own->changed[i] > since))
            status = ov->infer_request_set_input_tensor_by_index(request, i, own->tensors[i]);
    }
    for (size_t i = 0; status == OK && i < model->desc.n_outputs; i++) {
        *failed = inputs + i;
        bool wanted = since == ALL_TENSORS || own->changed[inputs + i] > since;
        if (wanted && model->handed_through[i] < 0 && own->tensors[inputs + i])
            status = ov->infer_request_set_output_tensor_by_index(request, i, own->tensors[inputs + i]);
    }
    return status;
}

/* The slot's own request, made when the slot has come often enough; the shared one before that, or if the
 * engine makes no more. */
static struct openvino_bound *choose(struct openvino_lane *lane, const struct aispipe_io *io)
{
    const struct openvino_io *slot = io->device;
    if (!lane->own || io->shaped || lane->shared.serial == slot->serial)
        return &lane->shared;
    struct openvino_own *own = &lane->own[(slot->serial - 1) % OWN_REQUESTS];
    if (own->bound.request)
        return &own->bound;
    if (own->seen != slot->serial)
        own->times = 0;
    own->seen = slot->serial;
    if (own->times++ < PAYS_AFTER || make_request(lane, &own->bound.request) == OK)
        return own->bound.request ? &own->bound : &lane->shared;
    own->bound.request = NULL;
    own->times = 0;
    return &lane->shared;
}

int openvino_bind(struct openvino_lane *lane, const struct aispipe_io *io, ov_infer_request_t **request,
                  struct aispipe_error *error)
{
    const struct openvino_io *slot = io->device;
    struct openvino_bound *bound = choose(lane, io);
    *request = bound->request;
    bool same = bound->serial == slot->serial;
    if (same && bound->changes == slot->changes)
        return 0;
    size_t failed = 0;
    bound->serial = 0; /* until all are set */
    ov_status_e status =
        set_tensors(lane->model, bound->request, slot, same ? bound->changes : ALL_TENSORS, &failed);
    char reason[OPENVINO_REASON];
    if (status != OK)
        return aispipe_fail(error, AISPIPE_DEVICE, "the engine did not take tensor '%s': %s",
                            lane->model->tensors[failed].name,
                            openvino_reason(&lane->model->device->ov, status, reason));
    bound->serial = slot->serial;
    bound->changes = slot->changes;
    return 0;
}
