/* SPDX-License-Identifier: MIT */
/* crash.h: a fatal signal leaves a line with its reason and a backtrace, then kills as before. */
#ifndef HOST_CRASH_H
#define HOST_CRASH_H

/* NAME ("aditd", "mining.1") is copied. */
void crash_install(const char *name);

#endif
