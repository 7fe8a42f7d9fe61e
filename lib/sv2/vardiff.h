/* SPDX-License-Identifier: MIT */
/*
 * vardiff.h: how hard a channel's shares should be, so that they come at a wanted rate. For every
 * role that gives out targets.
 *
 * "Work" is the number of hashes that a share takes on average, 2^256 / (target + 1). A share is
 * credited with the work of the job that it was made for, so the hash rate is estimated rightly
 * while shares for an old target still arrive. Shares of a steady miner are a Poisson process. What
 * is expected of it comes from a mean that forgets slowly; two sequential tests (CUSUM), one for a
 * faster and one for a slower miner, watch what differs from it, and when one is sure its own
 * window, which begins where the change most likely happened, takes the mean's place. So the
 * estimate follows a change in minutes, while the target moves only for what chance does not
 * explain.
 *
 * No time is read and nothing allocated here; a share costs some additions. Times are monotonic
 * milliseconds.
 */
#ifndef SV2_VARDIFF_H
#define SV2_VARDIFF_H

#include <stdbool.h>
#include <stdint.h>

/* The same for all channels of a role; may change at any time. */
struct vardiff_options {
	double shares_per_minute; /* above 0 */
	double min_work;          /* at least 1 */
	double max_work;          /* at least min_work */
	double start_work;        /* of a channel's first target; 0: from the claimed hash rate */
	double fixed_work;        /* all targets, always; 0: none */
};

struct vardiff_window {
	double hashes;
	double seconds;
	double shares;
	double level; /* of the test: log likelihood ratio, nats */
};

struct vardiff {
	double work;        /* that the present target takes */
	double least_work;  /* the device's own bound; wins over the options */
	double fixed_work;  /* this channel's, wins over the options'; 0: none */
	double shares;      /* accepted since the last check ... */
	double full_shares; /* ... those for an easier, earlier target counted as parts */
	double hashes;      /* ... and their work */
	uint64_t checked_ms;
	struct vardiff_window mean; /* level not used */
	struct vardiff_window faster;
	struct vardiff_window slower;
	double claimed;  /* until the first share: hashes a second, 0 after it */
	double exposure; /* until the first share: seconds / work, summed over the targets */
	double waited_s; /* until the first share: since the last step down */
	bool silent;     /* none came for longer than chance explains */
};

/* A channel begins whose client claims HASHRATE hashes a second (0 or more) and takes no target of
 * less work than LEAST_WORK (its max_target). Sets v->work. */
void vardiff_start(struct vardiff *v, const struct vardiff_options *o, double hashrate,
		   double least_work, uint64_t now_ms);
/* The client says that its hash rate or its bound is another one: all begins anew with them, but
 * for what vardiff_fix() said; `start_work` is not used. True when v->work is another one now. */
bool vardiff_update(struct vardiff *v, const struct vardiff_options *o, double hashrate,
		    double least_work, uint64_t now_ms);
/* The options were BEFORE and are O now: v->work for the hash rate that it stood for. True when it
 * is another one now. */
bool vardiff_apply(struct vardiff *v, const struct vardiff_options *before,
		   const struct vardiff_options *o);
/* From now on this channel's shares take WORK, whatever its hash rate; 0: as the options say. True
 * when v->work is another one now. */
bool vardiff_fix(struct vardiff *v, const struct vardiff_options *o, double work);
/* One accepted share of a job whose target takes WORK. To be followed by vardiff_check() when the
 * shares that arrived together were handled. */
static inline void vardiff_share(struct vardiff *v, double work)
{
	v->shares++;
	v->full_shares += work < v->work ? work / v->work : 1.0;
	v->hashes += work;
}
/* After shares, and by a timer (every 5 seconds or so; silence tells something, too). True when
 * v->work was changed: a new target should be set. */
bool vardiff_check(struct vardiff *v, const struct vardiff_options *o, uint64_t now_ms);
/* The estimate, hashes a second, as of the last check. */
double vardiff_hashrate(const struct vardiff *v);
/* What has to be reckoned with when shares are to be easier than v->work: until the first share not
 * less than what the target was chosen for, as far as silence has not refuted it, then the
 * estimate; the next power of two, so that it rarely changes. Hashes a second. */
double vardiff_flood_hashrate(const struct vardiff *v, const struct vardiff_options *o);

#endif
