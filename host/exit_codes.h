/* SPDX-License-Identifier: MIT */
/* exit_codes.h: how aditd and its role processes end; sysexits.h has their like. See aditd(8). */
#ifndef HOST_EXIT_CODES_H
#define HOST_EXIT_CODES_H

enum host_exit {
	HOST_EXIT_OK = 0,      /* was asked to stop */
	HOST_EXIT_USAGE = 64,  /* wrong command line */
	HOST_EXIT_START = 69,  /* role: a plugin could not be loaded, its init or start failed */
	HOST_EXIT_FAILED = 70, /* role: a plugin said that it can't go on */
	HOST_EXIT_SYSTEM = 71, /* the system refused a resource */
	HOST_EXIT_DISCONNECTED = 76, /* role: the host went away */
	HOST_EXIT_CONFIG = 78        /* the configuration can't be used */
};

#endif
