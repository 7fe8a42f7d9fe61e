/* SPDX-License-Identifier: MIT */
/* fake_tdp.h: template providers that do wrong, each a process of its own on a loopback port. */
#ifndef FUNCTIONAL_FAKE_TDP_H
#define FUNCTIONAL_FAKE_TDP_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/noise/keys.h"

enum fake_tdp_fault {
	FAKE_SILENT,          /* takes the connection and says nothing */
	FAKE_NOISE,           /* answers with random bytes */
	FAKE_HANGS_UP,        /* closes what it accepted */
	FAKE_OTHER_KEY,       /* its certificate is of another authority */
	FAKE_MUTE,            /* is set up, and has no template */
	FAKE_GARBAGE,         /* after the constraints: a NewTemplate of random bytes */
	FAKE_NEVER_ACTIVATED, /* future templates, no tip */
	FAKE_UNKNOWN_TIP,     /* SetNewPrevHash for a template that nobody was sent */
	FAKE_HUGE_OUTPUTS,    /* 65,400 bytes of outputs of its own */
	FAKE_FALLING,         /* one tip after the other, of smaller and smaller heights */
	FAKE_WRONG_PATH,      /* a great height, and a merkle path of no block: solutions vanish */
	FAKE_FLOOD            /* a new tip as fast as they are taken */
};

struct fake_tdp {
	pid_t pid;
	uint16_t port;
	char key[NOISE_KEY_TEXT_SIZE]; /* what clients are to be told */
};

/* Starts it; when this returns the port can be connected to. NBITS: of the tips that it sends. */
void fake_tdp_start(struct fake_tdp *f, enum fake_tdp_fault fault, uint32_t nbits);
void fake_tdp_stop(struct fake_tdp *f);

#endif
