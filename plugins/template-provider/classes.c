/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/classes.h"

#include <stddef.h>

static uint64_t round_up(uint64_t value, uint64_t step)
{
	return (value + step - 1) / step * step;
}

static struct tp_class *find_exact(struct tp_class *slots, uint64_t weight, uint32_t sigops)
{
	for (int i = 0; i < TP_CLASSES_MAX; i++) {
		struct tp_class *s = &slots[i];

		if (s->clients > 0 && s->weight == weight && s->sigops == sigops)
			return s;
	}
	return NULL;
}

static struct tp_class *find_free(struct tp_class *slots)
{
	for (int i = 0; i < TP_CLASSES_MAX; i++) {
		if (slots[i].clients == 0)
			return &slots[i];
	}
	return NULL;
}

/* What a block loses when the class is the larger of both: weight, and signature operations at the
 * exchange rate that the limits of a block set (4,000,000 to 80,000). */
static uint64_t growth(const struct tp_class *s, uint64_t weight, uint32_t sigops)
{
	uint64_t w = weight > s->weight ? weight - s->weight : 0;
	uint64_t o = sigops > s->sigops ? sigops - s->sigops : 0;

	return w + 50 * o;
}

/* All slots are taken: no growth first, then the smallest, then the least growth. */
static struct tp_class *find_nearest(struct tp_class *slots, uint64_t weight, uint32_t sigops)
{
	struct tp_class *best = &slots[0];

	for (int i = 1; i < TP_CLASSES_MAX; i++) {
		struct tp_class *s = &slots[i];
		uint64_t a = growth(s, weight, sigops);
		uint64_t b = growth(best, weight, sigops);

		if (a < b || (a == b && s->weight < best->weight))
			best = s;
	}
	return best;
}

struct tp_class *tp_classes_join(struct tp_classes *c, uint64_t weight, uint32_t sigops,
				 bool remote)
{
	struct tp_class *slots = c->slots + (remote ? TP_CLASSES_MAX : 0);
	uint64_t w = round_up(weight, TP_CLASS_WEIGHT_STEP);
	uint32_t o = (uint32_t)round_up(sigops, TP_CLASS_SIGOPS_STEP);
	struct tp_class *s = find_exact(slots, w, o);

	if (s == NULL && (s = find_free(slots)) != NULL)
		*s = (struct tp_class){.weight = w, .sigops = o, .remote = remote};
	if (s == NULL) {
		s = find_nearest(slots, w, o);
		if (growth(s, w, o) > 0)
			tp_class_set_current(s, NULL, 0);
		s->weight = w > s->weight ? w : s->weight;
		s->sigops = o > s->sigops ? o : s->sigops;
	}
	s->clients++;
	return s;
}

void tp_class_leave(struct tp_class *class)
{
	if (--class->clients == 0)
		tp_class_set_current(class, NULL, 0);
}

void tp_class_set_current(struct tp_class *class, struct tp_template *t, uint64_t now_ms)
{
	if (class->current != NULL)
		class->current->pins--;
	class->current = t;
	class->sent_ms = now_ms;
	if (t != NULL)
		t->pins++;
}
