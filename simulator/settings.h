/* SPDX-License-Identifier: MIT */
/** @file settings.h How the simulated machine is set up: from a file, then from the environment. */
#ifndef AISPIPE_SIMULATOR_SETTINGS_H
#define AISPIPE_SIMULATOR_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#define SIM_MOST_DEVICES 64
#define SIM_MOST_FAULTS 64
#define SIM_MOST_CALLS 160

/** How long one kind of work takes, at the least. */
struct asim_speed {
    uint64_t latency_us;
    double bytes_per_s; /**< 0: no limit */
};

/** The n-th call (from 1) of a function fails. */
struct asim_fault {
    int call; /**< enum asim_call */
    uint64_t n;
    int code;
};

struct asim_settings {
    uint32_t devices;
    uint64_t memory; /**< bytes of each device */
    struct asim_speed h2d, compute, d2h;
    uint64_t exception; /**< the execution (from 1) in which an operator fails; 0: none */
    size_t n_faults;
    struct asim_fault faults[SIM_MOST_FAULTS];
    char report[1024];
    char calls[1024];
    char pci[1024];  /**< address of each device on the bus, joined by ','; "": they are on none */
    char init[1024]; /**< file that gets what aclInit was given */
};

/** Fills `settings`. Not 0: `reason` says what is wrong with which setting. */
int asim_settings_read(struct asim_settings *settings, char *reason, size_t capacity);

#endif
