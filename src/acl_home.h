/* SPDX-License-Identifier: MIT */
/** @file acl_home.h Where CANN may be installed, for the backend and for the program that looks for its
 * tools. */
#ifndef AISPIPE_ACL_HOME_H
#define AISPIPE_ACL_HOME_H

/** Variables that name a home of CANN, in the order in which they are asked; NULL-ended. */
extern const char *const acl_home_variables[];
/** Where CANN's installers put it unless told otherwise; NULL-ended. */
extern const char *const acl_default_homes[];

#endif
