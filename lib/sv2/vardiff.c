/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/vardiff.h"

#include <math.h>

/* The numbers were found by simulation; tests/unit/test_vardiff.c holds what they achieve. */

/* The mean forgets with this time constant. */
#define MEAN_S 2000.0
/* A claimed hash rate is worth as much as this number of shares. */
#define CLAIM_SHARES 1.0
/* What the tests look for: a miner so many times as fast. Their logarithms, too. */
#define FASTER 1.5
#define LN_FASTER 0.405465108
#define SLOWER 0.6
#define LN_SLOWER (-0.510825624)
/* Where a test is sure, at SURE_RATE shares a minute and below. */
#define SURE_FASTER 5.2
#define SURE_SLOWER 4.6
#define SURE_RATE 6.0
/* Where the estimate is half way between the mean and the test's window. */
#define HALF_FASTER 4.5
#define HALF_SLOWER 0.4
/* Added to a slower miner's window, in shares: a test that is sure while it waits for a share sees
 * fewer than there are. */
#define WAITED_SHARES 1.8
/* Shares that come in bundles, as from a proxy, look like a faster miner at first, and before that
 * like none. So in a shorter time than these only a flood of FLOOD_SHARES and what is due in a
 * minute is believed, up to a factor of FLOOD_STEP. */
#define BUNDLE_S 30.0
#define SILENCE_S 45.0
#define FLOOD_SHARES 32.0
#define FLOOD_STEP 16.0
/* A target is moved to the mean when it is off by more than this part, and by more than so many
 * standard deviations of the mean; to a test's window at once. */
#define OFF_MIN 0.12
#define OFF_SIGMAS 2.0
/* In silence it moves by at least this factor. */
#define SILENT_STEP 2.0
/* A channel's first share is waited for as long as this number should take, but not longer than
 * FIRST_S; then shares are made FIRST_STEP times easier. */
#define FIRST_SHARES 3.0
#define FIRST_S 30.0
#define FIRST_STEP 4.0

static double bounded(const struct vardiff *v, const struct vardiff_options *o, double work)
{
	double fixed = v->fixed_work > 0 ? v->fixed_work : o->fixed_work;

	if (fixed > 0)
		work = fixed;
	else
		work = fmin(fmax(work, o->min_work), o->max_work);
	return fmax(fmax(work, v->least_work), 1.0);
}

static double work_of_hashrate(const struct vardiff_options *o, double hashrate)
{
	return hashrate * 60.0 / o->shares_per_minute;
}

static double window_rate(const struct vardiff_window *w)
{
	return w->hashes / fmax(w->seconds, 0.001);
}

static bool set_work(struct vardiff *v, const struct vardiff_options *o, double work)
{
	double before = v->work;

	v->work = bounded(v, o, work);
	return v->work != before;
}

static void reset_tests(struct vardiff *v)
{
	v->faster = (struct vardiff_window){0};
	v->slower = (struct vardiff_window){0};
}

static void begin(struct vardiff *v, const struct vardiff_options *o, double work,
		  double least_work, uint64_t now_ms)
{
	*v = (struct vardiff){.least_work = least_work, .checked_ms = now_ms};
	v->work = bounded(v, o, work);
	/* A claim out of the bounds can't be tried: the estimate begins with what is tried. */
	v->claimed = (o->fixed_work > 0 ? fmax(work, 1.0) : v->work) * o->shares_per_minute / 60.0;
}

void vardiff_start(struct vardiff *v, const struct vardiff_options *o, double hashrate,
		   double least_work, uint64_t now_ms)
{
	double work = o->start_work > 0 ? o->start_work : work_of_hashrate(o, hashrate);

	begin(v, o, work, least_work, now_ms);
}

bool vardiff_update(struct vardiff *v, const struct vardiff_options *o, double hashrate,
		    double least_work, uint64_t now_ms)
{
	double before = v->work;
	double fixed = v->fixed_work;

	begin(v, o, work_of_hashrate(o, hashrate), least_work, now_ms);
	v->fixed_work = fixed;
	v->work = bounded(v, o, v->work);
	return v->work != before;
}

bool vardiff_apply(struct vardiff *v, const struct vardiff_options *before,
		   const struct vardiff_options *o)
{
	if (before->fixed_work > 0) /* which stood for nothing */
		return set_work(v, o, work_of_hashrate(o, vardiff_hashrate(v)));
	return set_work(v, o, v->work * before->shares_per_minute / o->shares_per_minute);
}

bool vardiff_fix(struct vardiff *v, const struct vardiff_options *o, double work)
{
	v->fixed_work = work;
	return set_work(v, o, work_of_hashrate(o, vardiff_hashrate(v)));
}

/* --- until the first share -------------------------------------------------------------------- */

/* No share yet. Each step multiplies the exposure, so that a claim that is far too high costs
 * minutes and not days. */
static bool await_first(struct vardiff *v, const struct vardiff_options *o, double seconds)
{
	double patience = fmin(FIRST_SHARES * 60.0 / o->shares_per_minute, FIRST_S);

	v->exposure += seconds / v->work;
	v->waited_s += seconds;
	if (v->waited_s < patience)
		return false;
	v->waited_s = 0;
	return set_work(v, o, v->work / FIRST_STEP);
}

/* The first shares are there. What went before is the exposure in which there were none; the claim
 * counts as CLAIM_SHARES. */
static void begin_mean(struct vardiff *v)
{
	v->mean.hashes = CLAIM_SHARES * v->work;
	v->mean.seconds = (v->exposure + CLAIM_SHARES / v->claimed) * v->work;
	v->claimed = 0;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void window_add(struct vardiff_window *w, const struct vardiff *v)
{
	w->shares += v->shares;
	w->hashes += v->hashes;
}

/* A miner FACTOR times as fast as the mean has, in a time where EXPECTED shares were to come and
 * came N, a log likelihood ratio of n ln(factor) - (factor - 1) expected. */
static void test_faster(struct vardiff *v, double seconds, double expected)
{
	struct vardiff_window *w = &v->faster;

	w->level -= (FASTER - 1.0) * expected;
	w->seconds += seconds;
	if (w->level > 0) {
		w->level += v->full_shares * LN_FASTER;
		window_add(w, v);
		return;
	}
	/* It begins with a share, which is not one of its own: so that the time before it does not
	 * count either. */
	*w = (struct vardiff_window){.level = v->full_shares * LN_FASTER};
	if (v->shares > 1) {
		w->shares = v->shares - 1;
		w->hashes = v->hashes * (v->shares - 1) / v->shares;
	}
}

static void test_slower(struct vardiff *v, double seconds, double expected)
{
	struct vardiff_window *w = &v->slower;

	w->level += (1.0 - SLOWER) * expected;
	w->seconds += seconds;
	w->level += v->full_shares * LN_SLOWER;
	window_add(w, v);
	if (w->level <= 0)
		*w = (struct vardiff_window){0};
}

/* At more shares a minute what is chance comes more often an hour. */
static bool is_sure(const struct vardiff_options *o, double level, double enough)
{
	return level > enough && level > enough + log(fmax(o->shares_per_minute / SURE_RATE, 1.0));
}

/* The miner got slower: what came since counts, and the time. */
static bool adopt_slower(struct vardiff *v)
{
	if (v->slower.shares <= 0 && v->slower.seconds < SILENCE_S)
		return false;
	v->silent = v->slower.shares <= 0;
	v->mean = v->slower;
	v->mean.hashes += WAITED_SHARES * v->work;
	reset_tests(v);
	return true;
}

static bool adopt_faster(struct vardiff *v, const struct vardiff_options *o)
{
	struct vardiff_window *w = &v->faster;

	if (w->seconds < BUNDLE_S) {
		if (w->shares < FLOOD_SHARES + o->shares_per_minute)
			return false;
		w->seconds = fmax(w->seconds, 1.0);
		w->hashes = fmin(w->hashes,
				 v->work * o->shares_per_minute / 60.0 * FLOOD_STEP * w->seconds);
	}
	v->mean = *w;
	reset_tests(v);
	return true;
}

/* --- the target ------------------------------------------------------------------------------- */

static bool move_target(struct vardiff *v, const struct vardiff_options *o, bool changed)
{
	double want = bounded(v, o, work_of_hashrate(o, window_rate(&v->mean)));
	double off = fmax(want / v->work, v->work / want) - 1.0;
	double sigma = sqrt(v->work / fmax(v->mean.hashes, v->work));

	if (v->work != bounded(v, o, v->work)) /* other options since */
		return set_work(v, o, want);
	if (off < OFF_MIN || (v->silent && off < SILENT_STEP - 1.0))
		return false;
	if (!changed && !v->silent && off < OFF_SIGMAS * sigma)
		return false;
	if (!changed && want > v->work && v->mean.seconds < BUNDLE_S)
		return false;
	return set_work(v, o, want);
}

/* Time goes by, shares come in. True when a test is sure. */
static bool account(struct vardiff *v, const struct vardiff_options *o, double seconds)
{
	double expected = window_rate(&v->mean) * seconds / v->work;
	double keep = v->silent ? 1.0 : 1.0 / (1.0 + seconds / MEAN_S);

	v->mean.hashes = v->mean.hashes * keep + v->hashes;
	v->mean.seconds = (v->mean.seconds + seconds) * keep;
	if (v->silent) {
		v->silent = v->shares <= 0;
		return false;
	}
	test_faster(v, seconds, expected);
	test_slower(v, seconds, expected);
	if (is_sure(o, v->slower.level, SURE_SLOWER))
		return adopt_slower(v);
	return is_sure(o, v->faster.level, SURE_FASTER) && adopt_faster(v, o);
}

bool vardiff_check(struct vardiff *v, const struct vardiff_options *o, uint64_t now_ms)
{
	double seconds = now_ms > v->checked_ms ? (double)(now_ms - v->checked_ms) / 1000.0 : 0;
	bool changed;

	v->checked_ms = now_ms;
	if (v->claimed > 0 && v->shares <= 0)
		return await_first(v, o, seconds);
	if (v->claimed > 0)
		begin_mean(v);
	changed = account(v, o, seconds);
	v->shares = v->full_shares = v->hashes = 0;
	return move_target(v, o, changed);
}

/* --- the estimate ----------------------------------------------------------------------------- */

/* How much a test's window is believed before it is sure. */
static double belief(const struct vardiff_window *w, double half)
{
	return 1.0 / (1.0 + exp(half - w->level));
}

/* In the logarithm, PART of the way from FROM to TO. */
static double between(double from, double to, double part)
{
	return from > 0 ? from * pow(to / from, part) : 0;
}

double vardiff_hashrate(const struct vardiff *v)
{
	const struct vardiff_window *faster = &v->faster;
	struct vardiff_window slower = v->slower;
	double mean = window_rate(&v->mean);

	if (v->claimed > 0)
		return 1.0 / (1.0 / v->claimed + v->exposure);
	if (slower.level < faster->level)
		return faster->seconds < BUNDLE_S ? mean
						  : between(mean, fmax(window_rate(faster), mean),
							    belief(faster, HALF_FASTER));
	slower.hashes += WAITED_SHARES * v->work;
	return between(mean, fmin(window_rate(&slower), mean), belief(&slower, HALF_SLOWER));
}

double vardiff_flood_hashrate(const struct vardiff *v, const struct vardiff_options *o)
{
	double rate = vardiff_hashrate(v);

	if (v->claimed > 0)
		rate = 1.0 / (1.0 / fmax(v->claimed, v->work * o->shares_per_minute / 60.0) +
			      v->exposure);
	return rate > 0 ? exp2(ceil(log2(rate))) : 0;
}
