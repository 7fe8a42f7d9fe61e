/* SPDX-License-Identifier: MIT */
/*
 * replace.c: a process is replaced without a gap: another one with the same listening sockets is
 * started beside it, and when that runs the former one is stopped, which drains it.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "host/host.h"
#include "host/log.h"

static struct process *group_successor(const struct group *group)
{
	for (struct process *p = group->others; p != NULL; p = p->next) {
		if (p->part == PROCESS_SUCCESSOR)
			return p;
	}
	return NULL;
}

const struct process *replace_successor(const struct process *p)
{
	const struct process *s = group_successor(p->group);

	return s != NULL && s->number == p->number ? s : NULL;
}

static void group_others_remove(struct process *p)
{
	struct process **at = &p->group->others;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->next = NULL;
}

static void group_others_add(struct process *p)
{
	p->next = p->group->others;
	p->group->others = p;
}

static struct process *replace_worker(const struct process *p)
{
	return p->group->processes[p->number - 1];
}

/* The attempt to replace worker P is over; the others would fail as it did. */
static void replace_failed(struct process *p, const char *text)
{
	log_line(ADIT_LOG_ERROR, p->name, "what was to replace it %s: process %d runs on", text,
		 (int)p->pid);
	for (size_t i = 0; i < p->group->process_count; i++) {
		struct process *other = p->group->processes[i];

		if (!other->replace)
			continue;
		other->replace = false;
		free(other->replace_error);
		other->replace_error = strdup(text);
	}
}

static void replace_start(struct process *p)
{
	struct process *s = process_new(p->group, p->number);
	struct error e = {.text = "out of memory"};

	if (s == NULL || process_spawn(s, &e) != ADIT_OK) {
		process_free(s);
		replace_failed(p, e.text);
		return;
	}
	s->part = PROCESS_SUCCESSOR;
	group_others_add(s);
	supervisor_send_shares(s->group->host); /* it may write a new ring */
	log_line(ADIT_LOG_DEBUG, p->name, "process %d is started to replace process %d",
		 (int)s->pid, (int)p->pid);
}

/* The former group of the same name is still there: its processes and ours are two of each worker
 * already. */
static bool group_has_predecessor(const struct group *group)
{
	for (const struct group *other = group->host->groups; other != NULL; other = other->next) {
		if (other != group && strcmp(other->name, group->name) == 0)
			return true;
	}
	return false;
}

void replace_begin(struct process *p, const char *why)
{
	free(p->replace_error);
	p->replace_error = NULL;
	if (p->replace)
		return;
	p->replace = true;
	log_line(ADIT_LOG_INFO, p->name, "is replaced %s", why);
	replace_advance(p->group);
}

void replace_advance(struct group *group)
{
	if (group->conf == NULL || group->host->stopping || group_has_predecessor(group))
		return;
	for (size_t i = 0; i < group->process_count && group->others == NULL; i++) {
		struct process *p = group->processes[i];

		/* one that does not run is started anew anyway */
		if (p->replace && p->state == PROCESS_RUNNING)
			replace_start(p);
		else
			p->replace = false;
	}
}

void replace_renew(struct group *group)
{
	struct process *s = group_successor(group);

	if (s != NULL && s->state != PROCESS_STOPPING)
		supervisor_stop_process(s);
}

void replace_cancel(struct group *group)
{
	for (size_t i = 0; i < group->process_count; i++)
		group->processes[i]->replace = false;
	replace_renew(group);
}

/* S takes the place of the worker of its number, which is returned, no longer in the group. */
static struct process *replace_swap(struct process *s)
{
	struct process *old = replace_worker(s);

	group_others_remove(s);
	s->part = PROCESS_WORKER;
	s->group->processes[s->number - 1] = s;
	s->restarts = old->restarts + 1;
	old->replace = false;
	return old;
}

void replace_done(struct process *s)
{
	struct process *old = replace_swap(s);

	s->last_exit = strdup("replaced");
	old->part = PROCESS_LEAVING;
	group_others_add(old);
	supervisor_stop_process(old);
}

bool replace_early(struct process *p, const char *text)
{
	struct process *s = group_successor(p->group);

	if (s == NULL || s->number != p->number || s->state != PROCESS_STARTING)
		return false;
	(void)replace_swap(s);
	s->failures = p->failures + 1;
	s->last_exit = strdup(text);
	log_line(ADIT_LOG_ERROR, s->name, "%s; process %d, which was to replace it, starts already",
		 text, (int)s->pid);
	return true;
}

void replace_exited(struct process *p, pid_t pid, const char *text, bool asked)
{
	struct process *worker = replace_worker(p);

	group_others_remove(p);
	if (p->part == PROCESS_LEAVING)
		log_line(asked ? ADIT_LOG_DEBUG : ADIT_LOG_WARNING, p->name,
			 asked ? "process %d, which was replaced, %s"
			       : "process %d, which was replaced: %s while draining",
			 (int)pid, text);
	else if (p->state != PROCESS_STOPPING)
		replace_failed(worker, text);
	process_free(p);
}
