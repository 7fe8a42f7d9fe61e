/* SPDX-License-Identifier: MIT */
/*
 * The pattern becomes a program for a set of threads (Thompson, "Regular expression search
 * algorithm", CACM 1968): each character is shown to all of them, and no two are ever at the same
 * instruction.
 */
#include "config.h"

#include "plugins/miningos/regex.h"

#include <stdlib.h>
#include <string.h>

#define PROGRAM_MAX 2000u
#define REPEAT_MAX 64u
#define DEPTH_MAX 16u

enum op { OP_SET, OP_SPLIT, OP_JUMP, OP_BEGIN, OP_END, OP_MATCH };

struct instruction {
	uint8_t op;
	uint8_t set;     /* of OP_SET: which of the sets */
	uint16_t target; /* of OP_JUMP and OP_SPLIT, which also goes on */
};

/* Bytes that match. Bytes of UTF-8 above 127 are characters like any others. */
struct set {
	uint8_t bits[32];
};

struct mos_regex {
	bool fold; /* flag i */
	bool dots; /* flag s: . matches a newline */
	bool bad;
	uint16_t count;
	uint16_t set_count;
	struct instruction program[PROGRAM_MAX];
	struct set sets[256];
};

/* --- compiler ----------------------------------------------------------------------------------
 */

struct compiler {
	struct mos_regex *re;
	const char *at;
	unsigned depth;
};

static void parse_alternatives(struct compiler *c);

static uint16_t emit(struct compiler *c, enum op op, uint16_t target)
{
	struct mos_regex *re = c->re;

	if (re->count >= PROGRAM_MAX) {
		re->bad = true;
		return 0;
	}
	re->program[re->count] = (struct instruction){.op = (uint8_t)op, .target = target};
	return re->count++;
}

static void set_add(struct set *s, unsigned byte)
{
	s->bits[byte / 8] |= (uint8_t)(1u << (byte % 8));
}

static bool set_has(const struct set *s, unsigned byte)
{
	return ((unsigned)s->bits[byte / 8] >> (byte % 8) & 1u) != 0;
}

static void set_range(struct set *s, unsigned from, unsigned to)
{
	for (unsigned b = from; b <= to; b++)
		set_add(s, b);
}

static void set_invert(struct set *s)
{
	for (size_t i = 0; i < sizeof(s->bits); i++)
		s->bits[i] = (uint8_t)~s->bits[i];
}

static void set_fold(struct set *s)
{
	for (unsigned b = 'a'; b <= 'z'; b++) {
		if (set_has(s, b) || set_has(s, b - 32)) {
			set_add(s, b);
			set_add(s, b - 32);
		}
	}
}

static void emit_set(struct compiler *c, struct set *s)
{
	struct mos_regex *re = c->re;
	uint16_t number;

	if (re->fold)
		set_fold(s);
	for (number = 0; number < re->set_count; number++) {
		if (memcmp(&re->sets[number], s, sizeof(*s)) == 0)
			break;
	}
	if (number == 256) {
		re->bad = true;
		return;
	}
	if (number == re->set_count)
		re->sets[re->set_count++] = *s;
	re->program[emit(c, OP_SET, 0)].set = (uint8_t)number;
}

/* \d and the like; false when CLASS is none. */
static bool class_set(char class, struct set *s)
{
	switch (class) {
	case 'd':
	case 'D':
		set_range(s, '0', '9');
		break;
	case 'w':
	case 'W':
		set_range(s, '0', '9');
		set_range(s, 'a', 'z');
		set_range(s, 'A', 'Z');
		set_add(s, '_');
		break;
	case 's':
	case 'S':
		set_range(s, '\t', '\r');
		set_add(s, ' ');
		break;
	default:
		return false;
	}
	if (class < 'a')
		set_invert(s);
	return true;
}

/* What follows a backslash: its byte, or a class into S (then -1). */
static int parse_escape(struct compiler *c, struct set *s)
{
	char e = *c->at;

	if (e == '\0') {
		c->re->bad = true;
		return -1;
	}
	c->at++;
	if (class_set(e, s))
		return -1;
	switch (e) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	default:
		/* References, borders of words, properties: not offered. */
		if ((e >= '0' && e <= '9') || (e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z'))
			c->re->bad = true;
		return (unsigned char)e;
	}
}

/* One byte, or a class (-1), of a bracket expression. */
static int bracket_part(struct compiler *c, struct set *s)
{
	if (*c->at != '\\')
		return (unsigned char)*c->at++;
	c->at++;
	return parse_escape(c, s);
}

static void parse_bracket(struct compiler *c)
{
	struct set s = {{0}};
	bool inverted = *c->at == '^';

	if (inverted)
		c->at++;
	while (*c->at != ']' && *c->at != '\0' && !c->re->bad) {
		int from = bracket_part(c, &s);
		int to = from;

		if (from >= 0 && c->at[0] == '-' && c->at[1] != ']' && c->at[1] != '\0') {
			c->at++;
			to = bracket_part(c, &s);
		}
		if (to < from || (from < 0) != (to < 0))
			c->re->bad = true;
		else if (from >= 0)
			set_range(&s, (unsigned)from, (unsigned)to);
	}
	if (*c->at != ']') {
		c->re->bad = true;
		return;
	}
	c->at++;
	if (c->re->fold)
		set_fold(&s);
	if (inverted)
		set_invert(&s);
	emit_set(c, &s);
}

static void parse_group(struct compiler *c)
{
	if (c->at[0] == '?') {
		if (c->at[1] != ':')
			c->re->bad = true;
		c->at += c->re->bad ? 0 : 2;
	}
	if (++c->depth > DEPTH_MAX)
		c->re->bad = true;
	if (!c->re->bad)
		parse_alternatives(c);
	c->depth--;
	if (*c->at == ')')
		c->at++;
	else
		c->re->bad = true;
}

static void parse_atom(struct compiler *c)
{
	struct set s = {{0}};
	char first = *c->at++;
	int byte;

	switch (first) {
	case '(':
		parse_group(c);
		return;
	case '[':
		parse_bracket(c);
		return;
	case '^':
		emit(c, OP_BEGIN, 0);
		return;
	case '$':
		emit(c, OP_END, 0);
		return;
	case '.':
		if (!c->re->dots)
			set_add(&s, '\n');
		set_invert(&s);
		break;
	case '*':
	case '+':
	case '?':
	case '{':
		c->re->bad = true;
		return;
	case '\\':
		byte = parse_escape(c, &s);
		if (byte >= 0)
			set_add(&s, (unsigned)byte);
		break;
	default:
		set_add(&s, (unsigned char)first);
	}
	emit_set(c, &s);
}

static bool parse_number(struct compiler *c, unsigned *out)
{
	if (*c->at < '0' || *c->at > '9')
		return false;
	for (*out = 0; *c->at >= '0' && *c->at <= '9'; c->at++) {
		*out = *out * 10 + (unsigned)(*c->at - '0');
		if (*out > REPEAT_MAX)
			return false;
	}
	return true;
}

/* The quantifier at the place where it stands; MOST 0: without bound. False: there is none. */
static bool parse_quantifier(struct compiler *c, unsigned *least, unsigned *most)
{
	*least = *c->at == '+' ? 1 : 0;
	*most = *c->at == '?' ? 1 : 0;
	if (*c->at == '*' || *c->at == '+' || *c->at == '?') {
		c->at++;
	} else if (*c->at == '{') {
		c->at++;
		if (!parse_number(c, least))
			c->re->bad = true;
		*most = *least;
		if (*c->at == ',') {
			c->at++;
			*most = 0;
			if (*c->at != '}' && (!parse_number(c, most) || *most < *least))
				c->re->bad = true;
		}
		if (*c->at != '}' || (*most == 0 && *least == 0 && c->at[-1] != ','))
			c->re->bad = true;
		c->at += c->re->bad ? 0 : 1;
	} else {
		return false;
	}
	if (*c->at == '?') /* lazy: whether something matches is the same */
		c->at++;
	return !c->re->bad;
}

/* Writes instructions BEGIN..END once more at the end. */
static void copy_piece(struct compiler *c, uint16_t begin, uint16_t end)
{
	uint16_t offset = (uint16_t)(c->re->count - begin);

	for (uint16_t i = begin; i < end && !c->re->bad; i++) {
		struct instruction in = c->re->program[i];
		uint16_t at = emit(c, (enum op)in.op, 0);

		in.target = (uint16_t)(in.target + offset);
		c->re->program[at] = in;
	}
}

/* Makes room for one instruction before BEGIN, which the piece's own targets follow. */
static void insert_split(struct compiler *c, uint16_t begin)
{
	struct mos_regex *re = c->re;

	emit(c, OP_SPLIT, 0);
	if (re->bad)
		return;
	memmove(re->program + begin + 1, re->program + begin,
		(size_t)(re->count - 1 - begin) * sizeof(re->program[0]));
	for (uint16_t i = (uint16_t)(begin + 1); i < re->count; i++) {
		if (re->program[i].op == OP_SPLIT || re->program[i].op == OP_JUMP)
			re->program[i].target++;
	}
	re->program[begin] = (struct instruction){.op = OP_SPLIT, .target = re->count};
}

/* The piece from BEGIN on, LEAST to MOST times. */
static void repeat(struct compiler *c, uint16_t begin, unsigned least, unsigned most)
{
	struct mos_regex *re = c->re;
	uint16_t end = re->count;
	uint16_t last = begin;

	for (unsigned i = 1; i < least || (i < most); i++) {
		last = re->count;
		copy_piece(c, begin, end);
		/* x{2,4} is xx(x(x)?)?, but that each ? may as well skip itself alone. */
		if (i >= least)
			insert_split(c, last);
	}
	if (most == 0 && !re->bad) {
		emit(c, OP_SPLIT, 0);
		if (re->bad)
			return;
		/* Round again, or on. */
		re->program[re->count - 1] = (struct instruction){.op = OP_SPLIT, .target = last};
	}
	if (least == 0)
		insert_split(c, begin);
}

static void parse_piece(struct compiler *c)
{
	uint16_t begin = c->re->count;
	unsigned least, most;

	parse_atom(c);
	if (!c->re->bad && parse_quantifier(c, &least, &most))
		repeat(c, begin, least, most);
}

static void parse_alternatives(struct compiler *c)
{
	uint16_t begin = c->re->count;
	uint16_t jumps[64];
	unsigned count = 0;

	for (;;) {
		while (*c->at != '\0' && *c->at != '|' && *c->at != ')' && !c->re->bad)
			parse_piece(c);
		if (*c->at != '|' || c->re->bad)
			break;
		c->at++;
		if (count == 64) {
			c->re->bad = true;
			break;
		}
		insert_split(c, begin);
		jumps[count++] = emit(c, OP_JUMP, 0);
		if (!c->re->bad)
			c->re->program[begin].target = c->re->count;
		begin = c->re->count;
	}
	for (unsigned i = 0; i < count && !c->re->bad; i++)
		c->re->program[jumps[i]].target = c->re->count;
}

struct mos_regex *mos_regex_new(const char *pattern, const char *flags)
{
	struct mos_regex *re;
	struct compiler c;

	if (strlen(pattern) > MOS_REGEX_PATTERN_MAX ||
	    (flags != NULL && strspn(flags, "imsgu") != strlen(flags)))
		return NULL;
	re = calloc(1, sizeof(*re));
	if (re == NULL)
		return NULL;
	re->fold = flags != NULL && strchr(flags, 'i') != NULL;
	re->dots = flags != NULL && strchr(flags, 's') != NULL;
	c = (struct compiler){.re = re, .at = pattern};
	parse_alternatives(&c);
	if (*c.at != '\0')
		re->bad = true;
	emit(&c, OP_MATCH, 0);
	if (re->bad) {
		free(re);
		return NULL;
	}
	return re;
}

void mos_regex_free(struct mos_regex *re)
{
	free(re);
}

/* --- automaton ---------------------------------------------------------------------------------
 */

struct threads {
	uint16_t list[PROGRAM_MAX]; /* instructions of the kind OP_SET */
	uint16_t count;
};

struct run {
	const struct mos_regex *re;
	bool begin, end; /* where in the text it is */
	bool matched;
	uint32_t round;
	int64_t entered;                 /* instructions, in all rounds */
	uint32_t seen[PROGRAM_MAX];      /* in which round an instruction was entered last */
	uint16_t stack[PROGRAM_MAX + 2]; /* each instruction adds one at most to it */
};

/* Enters all that can be reached from AT without a character. */
static void enter(struct run *run, struct threads *to, uint16_t at)
{
	size_t depth = 0;

	run->stack[depth++] = at;
	while (depth > 0) {
		const struct instruction *in;

		at = run->stack[--depth];
		if (run->seen[at] == run->round)
			continue;
		run->seen[at] = run->round;
		run->entered++;
		in = &run->re->program[at];
		if (in->op == OP_MATCH)
			run->matched = true;
		else if (in->op == OP_SET)
			to->list[to->count++] = at;
		if (in->op == OP_SPLIT || in->op == OP_JUMP) {
			if (run->seen[in->target] != run->round)
				run->stack[depth++] = in->target;
		}
		if (in->op == OP_SPLIT || (in->op == OP_BEGIN && run->begin) ||
		    (in->op == OP_END && run->end)) {
			if (run->seen[at + 1] != run->round)
				run->stack[depth++] = (uint16_t)(at + 1);
		}
	}
}

bool mos_regex_match(const struct mos_regex *re, const char *text, size_t size, int64_t *steps)
{
	static struct threads sets[2];
	static struct run run;
	struct threads *now = &sets[0], *next = &sets[1];

	if (size > MOS_REGEX_TEXT_MAX)
		size = MOS_REGEX_TEXT_MAX;
	run.re = re;
	run.matched = false;
	run.entered = 0;
	run.round = 1;
	memset(run.seen, 0, re->count * sizeof(run.seen[0]));
	now->count = 0;
	for (size_t i = 0; i <= size; i++) {
		struct threads *other = now;

		run.begin = i == 0;
		run.end = i == size;
		enter(&run, now, 0); /* a match may begin anywhere */
		if (run.matched || i == size)
			return run.matched;
		*steps -= 1 + now->count + run.entered;
		run.entered = 0;
		if (*steps < 0)
			return false;
		run.round++;
		next->count = 0;
		run.begin = false;
		run.end = i + 1 == size;
		for (uint16_t k = 0; k < now->count; k++) {
			const struct instruction *in = &re->program[now->list[k]];

			if (set_has(&re->sets[in->set], (unsigned char)text[i]))
				enter(&run, next, (uint16_t)(now->list[k] + 1));
		}
		now = next;
		next = other;
	}
	return run.matched;
}
