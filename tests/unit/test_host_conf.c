/* SPDX-License-Identifier: MIT */
/* Configuration: INI files, schemas, manifests, the plan of processes. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <adit/plugin.h>
#include <check.h>

#include "host/conf.h"
#include "host/ini_file.h"
#include "host/manifest.h"
#include "host/rights.h"
#include "host/schema.h"
#include "lib/util/buf.h"
#include "lib/util/nearest.h"
#include "tests/unit/fake_ipc_node.h"

/* --- INI ----------------------------------------------------------------------------------------
 */

struct seen {
	char text[16384];
	size_t size;
};

static void seen_section(void *user, const char *name, unsigned line)
{
	struct seen *s = user;

	s->size +=
	    (size_t)snprintf(s->text + s->size, sizeof(s->text) - s->size, "%u[%s] ", line, name);
}

static void seen_value(void *user, const char *key, const char *value, unsigned line)
{
	struct seen *s = user;

	s->size += (size_t)snprintf(s->text + s->size, sizeof(s->text) - s->size, "%u:%s=%s ", line,
				    key, value);
}

static void parse(struct seen *s, struct problems *p, const char *text, size_t size)
{
	const struct ini_sink sink = {s, seen_section, seen_value};

	memset(s, 0, sizeof(*s));
	memset(p, 0, sizeof(*p));
	ini_file_parse("f", text, size, &sink, p);
}

static void check_ini(const char *text, const char *seen, size_t problems, const char *first)
{
	struct seen s;
	struct problems p;

	parse(&s, &p, text, strlen(text));
	ck_assert_str_eq(s.text, seen);
	ck_assert_msg(p.count == problems, "%zu problems, first: %s", p.count,
		      p.count > 0 ? p.texts[0] : "");
	if (first != NULL)
		ck_assert_str_eq(p.texts[0], first);
	problems_free(&p);
}

START_TEST(test_ini_lines)
{
	check_ini("[a]\nx = 1\n\n# c\n; c\n[b]\ny=2 ; c\n", "1[a] 2:x=1 6[b] 7:y=2 ", 0, NULL);
	check_ini("\xef\xbb\xbf[a]\r\n  x  =  a b  \r\n\tz: 3", "1[a] 2:x=a b 3:z=3 ", 0, NULL);
	/* a section without keys, a value with # and ;, an empty value */
	check_ini("[a]\n[b]\nk = a#b;c\ne =\n", "1[a] 2[b] 3:k=a#b;c 4:e= ", 0, NULL);
	check_ini("", "", 0, NULL);
}
END_TEST

START_TEST(test_ini_problems)
{
	check_ini("x = 1\n[a]\ny\nz = 1\nw\n", "2[a] 4:z=1 ", 3,
		  "f:1: `x` stands before the first [section]");
	check_ini("[a\nx = 1\n", "", 2, "f:1: `]` is missing: [a");
	check_ini("[a]\nx = \x01\n", "1[a] ", 1, "f:2: a control character (byte 1)");
	check_ini("[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n", "", 1,
		  "f:1: the section's name is longer than 48 bytes");
}
END_TEST

START_TEST(test_ini_nul)
{
	struct seen s;
	struct problems p;

	parse(&s, &p, "[a]\nx=1\0y=2\nz=3\n", 16);
	ck_assert_uint_eq(p.count, 1);
	ck_assert_str_eq(s.text, "1[a] 3:z=3 ");
	problems_free(&p);
}
END_TEST

/* inih's own buffer holds 200 bytes: longer values arrive whole all the same, at every length and
 * with every character at the places where they are cut. */
START_TEST(test_ini_long)
{
	const char *fill = "abc def;ghi#jkl ,.=:[]x";

	for (size_t length = 150; length < 1200; length += 7) {
		char text[2048];
		char expected[2048];
		char value[1300];
		struct seen s;
		struct problems p;

		for (size_t i = 0; i < length; i++)
			value[i] = fill[(i + length) % strlen(fill)];
		value[0] = 'v';
		value[length - 1] = 'w';
		value[length] = '\0';
		(void)snprintf(text, sizeof(text), "[a]\nkey = %s\nnext = 1\n", value);
		(void)snprintf(expected, sizeof(expected), "1[a] 2:key=%s 3:next=1 ", value);
		parse(&s, &p, text, strlen(text));
		ck_assert_uint_eq(p.count, 0);
		ck_assert_str_eq(s.text, expected);
		problems_free(&p);
	}
}
END_TEST

START_TEST(test_ini_too_long)
{
	char *text = malloc(6000);
	struct seen s;
	struct problems p;

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', 6000);
	memcpy(text, "[a]\nk=", 6);
	memcpy(text + 5990, "\nb=1\n    \n", 10);
	parse(&s, &p, text, 6000);
	ck_assert_uint_eq(p.count, 1);
	ck_assert_str_eq(p.texts[0], "f:2: the line is longer than 4096 bytes");
	ck_assert_str_eq(s.text, "1[a] 3:b=1 ");
	problems_free(&p);
	free(text);
}
END_TEST

/* --- schema -------------------------------------------------------------------------------------
 */

static const struct schema_place somewhere = {"/base", "regtest"};

/* The value of TEXT under DEFINITION, or "! message". Static. */
static const char *value_of(const char *definition, const char *text)
{
	static char out[2048];
	struct schema s = {0};
	struct error e;
	char *value;

	if (schema_add(&s, "k", definition, 1, &e) != ADIT_OK) {
		(void)snprintf(out, sizeof(out), "!! %s", e.text);
	} else if (schema_value(&s.keys[0], text, &somewhere, &value, &e) != ADIT_OK) {
		(void)snprintf(out, sizeof(out), "! %s", e.text);
	} else {
		(void)snprintf(out, sizeof(out), "%s", value);
		free(value);
	}
	schema_free(&s);
	return out;
}

START_TEST(test_schema_values)
{
	static const char *const good[][3] = {
	    {"int | - | -10..10 | h", "-7", "-7"},
	    {"int | - | - | h", "9223372036854775807", "9223372036854775807"},
	    {"float | 6 | 0.1..1000 | h", "0.1", "0.1"},
	    {"float | - | - | h", "1e-9", "1e-9"},
	    {"bool | - | - | h", "yes", "true"},
	    {"bool | - | - | h", "off", "false"},
	    {"enum | a | a, b ,c | h", "b", "b"},
	    {"list | a | a, b ,c | h", "c", "c"},
	    {"list | a | a, b ,c | h", "c , a", "c,a"},
	    {"list | a,b | a, b ,c | h", "b,,c a,", "b,c,a"},
	    {"path | - | - | h", "x/./y", "/base/x/y"},
	    {"path | - | - | h", "/x//y", "/x/y"},
	    {"duration | 1s | 1ms..1h | h", "1h", "3600000"},
	    {"duration | - | - | h", "1.5s", "1500"},
	    {"duration | - | - | h", "250ms", "250"},
	    {"duration | - | - | h", "0", "0"},
	    {"string | - | 1..3 | h", "abc", "abc"},
	    {"listen | - | - | h", "localhost:1, [::1]:2 ,unix:s",
	     "127.0.0.1:1,[::1]:2,unix:/base/s"},
	    {"listen | - | - | h", "*:3333", "0.0.0.0:3333"},
	    /* BIP173: the P2WPKH example, under the prefix of regtest */
	    {"script | - | - | h", "addr(bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080)",
	     "addr(bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080)"},
	    {"address | - | - | h", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
	     "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"},
	    {"secret  string | - | - | h", "x", "x"},
	    {"connect | - | - | h", "unix:/a/b, pool.example:3333 KEY",
	     "unix:/a/b,pool.example:3333 KEY"},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_str_eq(value_of(good[i][0], good[i][1]), good[i][2]);
}
END_TEST

START_TEST(test_schema_refusals)
{
	static const char *const bad[][3] = {
	    {"int | - | -10..10 | h", "11", "! expected -10..10, not 11"},
	    {"int | - | - | h", "1x", "! expected a whole number, not `1x`"},
	    {"int | - | - | h", "", "! expected a whole number, not ``"},
	    {"int | - | - | h", "9223372036854775808",
	     "! expected a whole number, not `9223372036854775808`"},
	    {"float | - | - | h", "nan", "! expected a number, not `nan`"},
	    {"float | - | - | h", "0x10", "! expected a number, not `0x10`"},
	    {"float | - | 0..1 | h", "1.5", "! expected 0..1, not 1.5"},
	    {"bool | - | - | h", "maybe", "! expected true or false, not `maybe`"},
	    {"enum | - | a,b | h", "c", "! expected one of a,b, not `c`"},
	    {"enum | - | a,b | h", "a,b", "! expected one of a,b, not `a,b`"},
	    {"enum | - | a,b | h", "", "! expected one of a,b, not ``"},
	    {"list | - | a,b | h", "b,c", "! expected some of a,b, not `c`"},
	    {"list | - | a,b | h", "b,a,b", "! b is named twice"},
	    {"list | - | a,b | h", " ,", "! expected some of a,b"},
	    {"duration | - | - | h", "5",
	     "! expected a duration like 500ms, 5s, 2m or 1h, not `5`"},
	    {"duration | - | - | h", "-5s",
	     "! expected a duration like 500ms, 5s, 2m or 1h, not `-5s`"},
	    {"duration | - | 1s..5s | h", "6s", "! expected 1s..5s, not 6s"},
	    {"string | - | 1..3 | h", "abcd", "! expected 1..3 bytes, not 4"},
	    {"listen | - | - | h", "host:1",
	     "! expected a numeric address before the port, not `host:1`"},
	    {"listen | - | - | h", "1.2.3.4:65536",
	     "! expected HOST:PORT, [V6]:PORT or unix:PATH, not `1.2.3.4:65536`"},
	    {"listen | - | - | h", "::1:5",
	     "! expected HOST:PORT, [V6]:PORT or unix:PATH, not `::1:5`"},
	    {"listen | - | - | h", "1.2.3.4:5,,",
	     "! expected a comma-separated list of addresses, not `,`"},
	    {"listen | - | - | h", "unix:", "! expected a path after `unix:`"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_str_eq(value_of(bad[i][0], bad[i][1]), bad[i][2]);
}
END_TEST

START_TEST(test_schema_definitions)
{
	static const char *const bad[] = {
	    "int",
	    "int | 1",
	    "number | 1 | - | h",
	    "int | x | - | h",
	    "int | 5 | 6..7 | h",
	    "int | 5 | 7..6 | h",
	    "int | 5 | 6 | h",
	    "enum | - | - | h",
	    "list | - | - | h",
	    "list | a,a | a,b | h",
	    "bool | - | 0..1x | h",
	    "",
	    " | | | ",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(strncmp(value_of(bad[i], "1"), "!!", 2) == 0, "%s", bad[i]);
}
END_TEST

START_TEST(test_schema_socket_path)
{
	char path[200] = "unix:/";

	memset(path + 6, 'x', 106);
	ck_assert_str_eq(value_of("listen | - | - | h", path), path); /* 107 bytes of path */
	path[6 + 106] = 'x';
	ck_assert_ptr_nonnull(strstr(value_of("listen | - | - | h", path), "at most 107 bytes"));
}
END_TEST

START_TEST(test_nearest_word)
{
	static const char *const words[] = {"payout", "shares_per_minute", "listen"};

	ck_assert_str_eq(nearest_word("payuot", words, 3), "payout");
	ck_assert_str_eq(nearest_word("share_per_minute", words, 3), "shares_per_minute");
	ck_assert_ptr_null(nearest_word("xyz", words, 3));
	ck_assert_ptr_null(nearest_word("completely_different", words, 3));
}
END_TEST

/* --- manifests ----------------------------------------------------------------------------------
 */

#define PLUGIN(name, more)                                                                         \
	"[plugin]\nname = " name "\nversion = 0.1.0\nentry_point = " name                          \
	".so\ndescription = d\nauthor = a\n" more

static struct manifest *manifest_of(const char *text, struct problems *p)
{
	memset(p, 0, sizeof(*p));
	return manifest_parse("m", "/plugins", text, strlen(text), p);
}

START_TEST(test_manifest)
{
	struct problems p;
	struct manifest *m = manifest_of(
	    PLUGIN("pool",
		   "workers = many ; or one\ncapabilities = publish_events, submit_block\n"
		   "aliases = stratum-v2, mining\n"
		   "[dependencies]\nsv2-server = >=0.1\n[optional_dependencies]\nx =\n"
		   "[config_schema]\npayout = string | required | - | who is paid | what\n"),
	    &p);

	ck_assert_ptr_nonnull(m);
	ck_assert_str_eq(m->entry_point, "/plugins/pool.so");
	ck_assert(m->many_workers);
	ck_assert_uint_eq(m->capabilities, CAPABILITY_PUBLISH_EVENTS | CAPABILITY_SUBMIT_BLOCK);
	ck_assert_uint_eq(m->dependency_count, 2);
	ck_assert(!m->dependencies[0].optional && m->dependencies[1].optional);
	ck_assert_str_eq(m->schema.keys[0].help, "who is paid | what");
	ck_assert(m->schema.keys[0].required);
	ck_assert(manifest_has_alias(m, "stratum-v2.7", 10));
	ck_assert(manifest_has_alias(m, "mining", 6));
	ck_assert(!manifest_has_alias(m, "minin", 5));
	ck_assert(!manifest_has_alias(m, "pool", 4));
	manifest_free(m);
}
END_TEST

START_TEST(test_manifest_problems)
{
	static const char *const bad[][2] = {
	    {"", "m: [plugin] name is missing"},
	    {PLUGIN("p", "colour = red\n"),
	     "m:7: colour: unknown key; expected name, version, entry_point, description, author, "
	     "workers, aliases, parts, most_parts or capabilities"},
	    {PLUGIN("p", "aliases = stratum-v2, Pool\n"),
	     "m:7: aliases: expected names of at most 31 of a-z 0-9 - _, not `Pool`"},
	    {PLUGIN("p", "aliases =\n"), "m:7: aliases: expected a value"},
	    {PLUGIN("p", "capabilities = publish_event\n"),
	     "m:7: capabilities: `publish_event` is none; did you mean publish_events"},
	    {PLUGIN("p", "workers = 2\n"), "m:7: workers: expected one or many, not `2`"},
	    {PLUGIN("p", "name = q\n"), "m:7: name: was given before"},
	    {PLUGIN("P", ""), "m:2: name: expected at most 31 of a-z 0-9 - _, not `P`"},
	    {PLUGIN("p", "[dependency]\n"),
	     "m:7: [dependency] is no section of a manifest; did you mean dependencies"},
	    {PLUGIN("p", "[config_schema]\nk = int | x | - | h\n"),
	     "m:8: k: expected a whole number, not `x`"},
	    {PLUGIN("p", "[config_schema]\nK = int | 1 | - | h\n"),
	     "m:8: K: expected a key of a-z 0-9 _, and at most 256 of them"},
	    {"[plugin]\nname = p\nversion = 1\nentry_point = ../p.so\ndescription = d\nauthor = "
	     "a\n",
	     "m:4: entry_point: expected the name of a file beside the manifest"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct problems p;
		struct manifest *m = manifest_of(bad[i][0], &p);

		ck_assert_ptr_null(m);
		ck_assert_str_eq(p.texts[0], bad[i][1]);
		problems_free(&p);
	}
}
END_TEST

START_TEST(test_versions)
{
	ck_assert(manifest_version_meets("0.1.0", ""));
	ck_assert(manifest_version_meets("0.1.0", "*"));
	ck_assert(manifest_version_meets("0.1.0", ">=0.1"));
	ck_assert(manifest_version_meets("0.10", "> 0.9"));
	ck_assert(!manifest_version_meets("0.1.0", ">0.1"));
	ck_assert(!manifest_version_meets("0.1.0", ">=0.1.1"));
	ck_assert(manifest_version_meets("1.2", "<=1.2.0"));
	ck_assert(manifest_version_meets("1.2", "1.2"));
	ck_assert(!manifest_version_meets("1.2", "<1.2"));
}
END_TEST

/* --- whole configurations -----------------------------------------------------------------------
 */

static char directory[64];

static void setup(void)
{
	char path[128];

	(void)snprintf(directory, sizeof(directory), "/tmp/adit-conf-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/conf.d", directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/plugins", directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static void teardown(void)
{
	(void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(const char *name, const char *format, ...)
{
	char path[160];
	va_list args;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	va_start(args, format);
	(void)vfprintf(f, format, args);
	va_end(args);
	ck_assert_int_eq(fclose(f), 0);
}

static const char node_manifest[] =
    "[plugin]\nname = node\nversion = 0.1.0\ndescription = d\nauthor = a\n[config_schema]\n"
    "network = enum | regtest | regtest,main | n\n"
    "backend = enum | embedded | embedded,bitcoin-rpc,bitcoin-ipc | n\n"
    "datadir = path | - | - | n\nipc_socket = path | - | - | n\n"
    "rpc_url = string | - | - | n\nrpc_datadir = path | - | - | n\n"
    "rpc_cookie_file = path | - | - | n\nrpc_user = string | - | - | n\n";

static struct conf *load(struct problems *p, bool *usable)
{
	char path[160];

	memset(p, 0, sizeof(*p));
	(void)snprintf(path, sizeof(path), "%s/adit.conf", directory);
	return conf_load(path, node_manifest, p, usable);
}

/* True when a problem ends with TEXT (what is before it is the place). */
static bool has(const struct problems *p, const char *place, const char *text)
{
	for (size_t i = 0; i < p->count; i++) {
		if (strstr(p->texts[i], place) != NULL && strstr(p->texts[i], text) != NULL)
			return true;
	}
	for (size_t i = 0; i < p->count; i++)
		(void)fprintf(stderr, "%s\n", p->texts[i]);
	return false;
}

static void put_main(const char *more)
{
	put("adit.conf", "[host]\nstate_dir = state\nrun_dir = run\nplugin_dir = plugins\n%s",
	    more);
}

static void put_plugin(const char *name, const char *more)
{
	char file[64];

	(void)snprintf(file, sizeof(file), "plugins/%s.manifest", name);
	put(file,
	    "[plugin]\nname = %s\nversion = 0.1.0\nentry_point = %s.so\ndescription = d\n"
	    "author = a\n%s",
	    name, name, more);
}

START_TEST(test_conf_good)
{
	struct problems p;
	bool usable;
	struct conf *c;
	const struct conf_role *role;
	char path[160];

	put_main("server_id = 7\nwatchdog = 2s\n[node]\nnetwork = main\n");
	put_plugin("a", "[dependencies]\nb =\n");
	put_plugin("b", "workers = many\n[config_schema]\nlisten = listen | - | - | h\n"
			"n = int | 5 | - | h\nd = path | x | - | h\n");
	put("conf.d/10-a.conf", "[a]\nprocess = together\n");
	put("conf.d/20-b.conf",
	    "[b]\nprocess = together\nlisten = unix:s.sock\n[b@two]\nworkers = 3\n");
	put("conf.d/ignored.txt", "rubbish");
	c = load(&p, &usable);
	ck_assert_uint_eq(p.count, 0);
	ck_assert(usable);
	ck_assert_str_eq(c->network, "main");
	ck_assert_int_eq(c->server_id, 7);
	ck_assert_uint_eq(c->watchdog_ms, 2000);
	(void)snprintf(path, sizeof(path), "%s/run/control.sock", directory);
	ck_assert_str_eq(c->control_socket, path);
	ck_assert_uint_eq(c->group_count, 3);
	ck_assert_str_eq(c->groups[0].name, "node");
	ck_assert_str_eq(c->groups[1].name, "together");
	ck_assert_str_eq(c->groups[1].roles[0]->instance, "b"); /* a depends on it */
	ck_assert_str_eq(c->groups[1].roles[1]->instance, "a");
	ck_assert_str_eq(c->groups[2].name, "b.two");
	ck_assert_uint_eq(c->groups[2].workers, 3);
	ck_assert_uint_eq(c->groups[1].after_count, 1); /* node */
	role = conf_find(c, "b");
	(void)snprintf(path, sizeof(path), "unix:%s/state/s.sock", directory);
	ck_assert_str_eq(conf_role_value(role, "listen"), path);
	ck_assert_str_eq(conf_role_value(role, "n"), "5");
	(void)snprintf(path, sizeof(path), "%s/state/x", directory);
	ck_assert_str_eq(conf_role_value(role, "d"), path);
	conf_free(c);
}
END_TEST

#define PARTS_PLUGIN                                                                               \
	"parts = upstream\n[config_schema]\nn = int | 5 | - | h\n"                                 \
	"[part_schema]\naddress = connect | required | - | where the pool is\n"                    \
	"user = string | me | 1..20 | h\nkey_file = secret path | - | - | h\n"

START_TEST(test_conf_parts)
{
	struct problems p;
	bool usable;
	struct conf *c;
	struct conf *again;
	const struct conf_role *role;
	const struct schema *keys;
	struct schema own = {0};

	put_main("");
	put_plugin("jdc", PARTS_PLUGIN);
	put("conf.d/10.conf", "[jdc/second]\naddress = b.example:2\n[jdc]\nn = 6\n"
			      "[jdc/first]\naddress = a.example:1\nuser = you\n");
	put("conf.d/20.conf", "[jdc@east]\n[jdc@east/first]\naddress = c.example:3\n");
	c = load(&p, &usable);
	ck_assert_msg(p.count == 0, "%s", p.count > 0 ? p.texts[0] : "");
	ck_assert(usable);
	role = conf_find(c, "jdc");
	ck_assert_str_eq(conf_role_value(role, "upstream"), "second,first");
	ck_assert_str_eq(conf_role_value(role, "first.address"), "a.example:1");
	ck_assert_str_eq(conf_role_value(role, "first.user"), "you");
	ck_assert_str_eq(conf_role_value(role, "second.user"), "me");
	ck_assert_ptr_null(conf_role_value(role, "second.key_file"));
	role = conf_find(c, "jdc@east");
	ck_assert_str_eq(conf_role_value(role, "upstream"), "first");
	ck_assert_str_eq(conf_role_value(role, "first.address"), "c.example:3");
	ck_assert_ptr_null(conf_find(c, "jdc/first"));
	ck_assert(conf_schemas(c, "jdc@east/first", &own, &keys));
	ck_assert_uint_eq(own.count, 0);
	ck_assert_ptr_nonnull(schema_find(keys, "user"));

	/* the order is a setting, too */
	put("conf.d/10.conf", "[jdc]\nn = 6\n[jdc/first]\naddress = a.example:1\nuser = you\n"
			      "[jdc/second]\naddress = b.example:2\n");
	again = load(&p, &usable);
	ck_assert_int_eq(conf_role_change(conf_find(c, "jdc"), conf_find(again, "jdc")),
			 CONF_SETTINGS);
	ck_assert_int_eq(conf_role_change(role, conf_find(again, "jdc@east")), CONF_SAME);
	conf_free(again);
	conf_free(c);
}
END_TEST

#define GOOD_KEY "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh"
#define BAD_KEY "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXi"

/* Where a pool is and which key it shows is checked before the role is started. */
START_TEST(test_conf_pools)
{
	struct problems p;
	bool usable;
	struct conf *c;

	put_main("");
	put_plugin("jdc", "parts = upstream\nmost_parts = 2\n[config_schema]\n"
			  "tp = connect | unix:t.sock | - | h\n[part_schema]\n"
			  "address = pool | required | key, key_file | h\nkey = key | - | - | h\n"
			  "key_file = path | - | - | h\njds = pool | - | - | h\n");
	put("conf.d/1.conf", "[jdc]\n[jdc/a]\naddress = stratum2+tcp://a.example:1/" GOOD_KEY
			     "\njds = [::1]:2\n[jdc/b]\naddress = b.example:1\nkey = " GOOD_KEY
			     "\n[jdc@two]\n[jdc@two/c]\naddress = c.example:1\nkey_file = k\n");
	c = load(&p, &usable);
	ck_assert_msg(p.count == 0, "%s", p.count > 0 ? p.texts[0] : "");
	ck_assert(usable);
	ck_assert_str_eq(conf_role_value(conf_find(c, "jdc"), "a.address"),
			 "stratum2+tcp://a.example:1/" GOOD_KEY);
	conf_free(c);

	put("conf.d/1.conf", "[jdc]\ntp =\n[jdc/a]\naddress = a.example\njds = 127.0.0.1\n"
			     "[jdc/b]\naddress = a.example:1/" BAD_KEY "\nkey = nonsense\n"
			     "[jdc/c]\naddress = a.example:1\n"
			     "[jdc@two]\n[jdc@two/a]\naddress = a.example:1\njds = http://b:1\n");
	conf_free(load(&p, &usable));
	ck_assert(!usable);
	ck_assert(has(&p, "1.conf:2: ", "tp: expected a comma-separated list of addresses"));
	ck_assert(has(&p, "1.conf:4: ", "address: a.example: expected HOST:PORT"));
	ck_assert(has(&p, "1.conf:5: ", "jds: 127.0.0.1: expected HOST:PORT"));
	ck_assert(has(&p, "1.conf:7: ", "address: authority public key: not Base58Check"));
	ck_assert(has(&p, "1.conf:8: ", "key: authority public key: not Base58Check"));
	ck_assert(has(&p, "1.conf:9: ", "[jdc/c]: more than 2 of them"));
	ck_assert(has(&p, "1.conf:13: ", "address: expected the authority public key that the pool "
					 "shows, here as stratum2+tcp://HOST:PORT/KEY or in one of "
					 "key, key_file"));
	ck_assert(has(&p, "1.conf:14: ", "jds: http://b:1: expected stratum2+tcp://"));
	problems_free(&p);
}
END_TEST

START_TEST(test_conf_parts_problems)
{
	struct problems p;
	bool usable;
	char many[4096] = "[jdc@many]\n";

	put_main("[host/x]\nlog_level = info\n[node]\n[node/y]\nnetwork = main\n");
	put_plugin("jdc", PARTS_PLUGIN);
	put_plugin("pool", "");
	put_plugin("half", "parts = upstream\n");
	put_plugin("most", "parts = upstream\nmost_parts = 65\n[part_schema]\n"
			   "x = int | 5 | - | h\n");
	put_plugin("ears", "parts = ear\n[part_schema]\nlisten = listen | - | - | h\n");
	put_plugin("twice", "parts = n\n[config_schema]\nn = int | 5 | - | h\n"
			    "[part_schema]\nx = int | 5 | - | h\n");
	put("conf.d/1.conf", "[jdc]\n[jdc/a]\nuser = x\n[jdc/b]\naddress = b.example:2\n"
			     "adress = y\n[jdc/NO]\naddress = b.example:2\n[pool]\n[pool/x]\n"
			     "[jdx/a]\n[jdc/a/b]\naddress = b.example:2\n");
	for (int i = 0; i < 65; i++)
		(void)snprintf(many + strlen(many), sizeof(many) - strlen(many),
			       "[jdc@many/n%d]\naddress = x:1\n", i);
	put("conf.d/3.conf", "%s", many);
	put("conf.d/2.conf", "[node@two]\nnetwork = main\n");
	conf_free(load(&p, &usable));
	ck_assert(!usable);
	ck_assert(has(&p, "1.conf:2: ", "address: is required in [jdc/a]: where the pool is"));
	ck_assert(has(&p, "1.conf:6: ", "adress: unknown key in [jdc/b]; did you mean `address`?"));
	ck_assert(has(&p, "1.conf:7: ", "[jdc/NO]: expected [jdc/NAME]"));
	ck_assert(has(&p, "1.conf:10: ", "[pool/x]: the role `pool` has no such sections"));
	ck_assert(has(&p, "1.conf:11: ", "[jdx/a]: there is no section [jdx]"));
	ck_assert(has(&p, "1.conf:12: ", "[jdc/a/b]: expected [jdc/NAME]"));
	ck_assert(has(&p, "3.conf:130: ", "[jdc@many/n64]: more than 64 of them"));
	ck_assert(has(&p, "2.conf:1: ", "[node@two]: there is one node, [node]"));
	ck_assert(has(&p, "adit.conf:", "[host/x]: [host] has no such sections"));
	ck_assert(has(&p, "adit.conf:", "[node/y]: [node] has no such sections"));
	ck_assert(has(&p, "half.manifest", "parts = WORD and a section [part_schema] go together"));
	ck_assert(has(&p, "most.manifest:", "most_parts: expected 1..64, not `65`"));
	ck_assert(has(&p, "ears.manifest:", "listen: a part can't listen"));
	ck_assert(has(&p, "twice.manifest", "`n` is a key of [config_schema], too"));
	problems_free(&p);
}
END_TEST

START_TEST(test_conf_errors_collected)
{
	struct problems p;
	bool usable;

	put_main("log_levle = info\nserver_id = 65536\n[node]\nnetwork = moon\nfoo = 1\n");
	put_plugin("pool", "[config_schema]\npayout = string | required | - | who is paid\n"
			   "shares_per_minute = float | 6 | 0.1..1000 | h\n");
	put("conf.d/10.conf", "[pool]\nenabled = perhaps\nworkers = 65\nprocess = No\n"
			      "share_per_minute = 6\n[host]\nlog_level = debug\n");
	put("conf.d/20.conf", "[pool]\npayout = x\n[pool@UP]\n[pool@x]\npayout = x\npayout = y\n");
	conf_free(load(&p, &usable));
	ck_assert(!usable);
	ck_assert(has(
	    &p, "adit.conf:5: ", "log_levle: unknown key in [host]; did you mean `log_level`?"));
	ck_assert(has(&p, "adit.conf:6: ", "server_id: expected 0..65535, not 65536"));
	ck_assert(has(&p, "adit.conf:8: ", "network: expected one of regtest,main, not `moon`"));
	ck_assert(has(&p, "adit.conf:9: ", "foo: unknown key in [node]"));
	ck_assert(has(&p, "10.conf:2: ", "enabled: expected true or false, not `perhaps`"));
	ck_assert(has(&p, "10.conf:3: ", "workers: expected 1..64, not 65"));
	ck_assert(has(&p, "10.conf:4: ", "process: expected"));
	ck_assert(
	    has(&p, "10.conf:5: ",
		"share_per_minute: unknown key in [pool]; did you mean `shares_per_minute`?"));
	ck_assert(has(&p, "10.conf:1: ", "payout: is required in [pool]: who is paid"));
	ck_assert(has(&p, "10.conf:6: ", "[host] belongs into"));
	ck_assert(has(&p, "20.conf:1: ", "[pool] stands at"));
	ck_assert(has(&p, "20.conf:3: ", "[pool@UP]: expected a role"));
	ck_assert(has(&p, "20.conf:6: ", "payout: was given in line 5, too"));
	problems_free(&p);
}
END_TEST

/* What is wrong with one role stops that role only. */
START_TEST(test_conf_soft)
{
	struct problems p;
	bool usable;
	struct conf *c;

	put_main("");
	put_plugin("a", "[dependencies]\nb =\n");
	put_plugin("b", "[dependencies]\nc = >=2\n");
	put_plugin("c", "");
	put_plugin("x", "[dependencies]\ny =\n");
	put_plugin("y", "[dependencies]\nx =\n");
	put_plugin("bad", "nonsense\n");
	put("conf.d/1.conf", "[a]\n[b]\n[c]\n[x]\n[y]\n[bad]\n[poool]\n[off]\nenabled = no\n");
	c = load(&p, &usable);
	ck_assert(usable);
	ck_assert(has(&p, "bad.manifest:7: ", "neither"));
	ck_assert(has(&p, "1.conf:6: ", "[bad]: no usable plugin `bad`"));
	ck_assert(has(&p, "1.conf:7: ", "[poool]: no usable plugin `poool`"));
	ck_assert(has(&p, "1.conf:2: ", "[b]: needs `c` >=2"));
	ck_assert(has(&p, "1.conf:1: ", "[a]: needs the role `b`"));
	ck_assert(has(&p, "1.conf:", "which depends on it in turn"));
	ck_assert_uint_eq(c->group_count, 2); /* node and c */
	ck_assert_str_eq(c->groups[1].name, "c");
	conf_free(c);
	problems_free(&p);
}
END_TEST

START_TEST(test_conf_conflicts)
{
	struct problems p;
	bool usable;

	put_main("");
	put_plugin("a", "workers = many\n[config_schema]\nlisten = listen | 127.0.0.1:1 | - | h\n");
	put_plugin("one", "");
	put("conf.d/1.conf",
	    "[a]\nprocess = p\nworkers = 2\n[a@b]\nprocess = p\nworkers = 3\n"
	    "listen = 127.0.0.1:1\n[one]\nprocess = p\n[a@c]\nlisten = 127.0.0.1:0\n"
	    "[a@d]\nlisten = 127.0.0.1:0\n");
	conf_free(load(&p, &usable));
	ck_assert(!usable);
	ck_assert(has(&p, "1.conf:6: ", "workers: [a] in the same process `p` says 2"));
	ck_assert(
	    has(&p, "1.conf:", "`one`, which shares the process `p`, can run in one worker only"));
	ck_assert(has(&p, "1.conf:7: ", "listen: 127.0.0.1:1 is taken by [a]"));
	ck_assert_uint_eq(p.count, 3);
	problems_free(&p);
}
END_TEST

START_TEST(test_conf_missing)
{
	struct problems p;
	bool usable;

	conf_free(load(&p, &usable)); /* no adit.conf at all */
	ck_assert(!usable);
	ck_assert(has(&p, "adit.conf: ", "No such file"));
	problems_free(&p);
	put_main("plugin_dir = nowhere\n");
	conf_free(load(&p, &usable));
	ck_assert(!usable);
	problems_free(&p);
}
END_TEST

/* What changes between "[a]" and CONFIGURATION. */
static enum conf_change change_to(const char *main_part, const char *configuration)
{
	struct problems p;
	bool usable;
	enum conf_change change;
	struct conf *a;
	struct conf *b;

	put_main("");
	put("conf.d/1.conf", "[a]\n");
	a = load(&p, &usable);
	put_main(main_part);
	put("conf.d/1.conf", "%s", configuration);
	b = load(&p, &usable);
	ck_assert_uint_eq(p.count, 0);
	change = conf_group_change(a, &a->groups[1], b, &b->groups[1]);
	conf_free(a);
	conf_free(b);
	return change;
}

START_TEST(test_conf_change)
{
	put_plugin("a",
		   "workers = many\n[config_schema]\nn = int | 5 | - | h\ns = string | - | - | h\n"
		   "listen = listen | - | - | h\n");
	ck_assert_int_eq(change_to("", "\n[a]\nn = 5\n"), CONF_SAME);
	ck_assert_int_eq(change_to("log_level = debug\n", "[a]\n"), CONF_SAME);
	ck_assert_int_eq(change_to("", "[a]\nn = 6\n"), CONF_SETTINGS);
	ck_assert_int_eq(change_to("", "[a]\ns = x\n"), CONF_SETTINGS);
	ck_assert_int_eq(change_to("", "[a]\nn = 6\nlisten = unix:x\n"), CONF_OTHER);
	ck_assert_int_eq(change_to("", "[a]\nworkers = 2\n"), CONF_OTHER);
	ck_assert_int_eq(change_to("server_id = 3\n", "[a]\n"), CONF_OTHER);
	ck_assert_int_eq(change_to("", "[a]\n[a@b]\nprocess = a\n"), CONF_OTHER);
}
END_TEST

static void unknown_name(void *user, const char *name, const char *nearest)
{
	unsigned *count = user;

	ck_assert_str_eq(name, "sumbit_block");
	ck_assert_str_eq(nearest, "submit_block");
	(*count)++;
}

START_TEST(test_rights_names)
{
	char text[RIGHTS_NAMES_MAX];
	char small[10];
	uint32_t set = 0;
	unsigned count = 0;

	rights_parse(" publish_events,call_module ,, read_metrics\tsumbit_block", &set,
		     unknown_name, &count);
	ck_assert_uint_eq(count, 1);
	rights_names(set, text, sizeof(text));
	ck_assert_str_eq(text, "publish_events, call_module, read_metrics");
	rights_names(set, small, sizeof(small));
	ck_assert_str_eq(small, "publish_e");
	rights_names(UINT32_MAX, text, sizeof(text));
	ck_assert_uint_lt(strlen(text), sizeof(text) - 1);
	rights_refusal(CAPABILITY_SUBMIT_BLOCK, CAPABILITY_SUBMIT_BLOCK, "do this", text,
		       sizeof(text));
	ck_assert_str_eq(text, "the capability submit_block is not granted; to grant it, do this");
	rights_refusal(CAPABILITY_SUBMIT_BLOCK, 0, "do this", text, sizeof(text));
	ck_assert_str_eq(text, "the capability submit_block is missing in its manifest");
}
END_TEST

/* Whose is a file: it and each folder above count. */
START_TEST(test_rights_root_alone)
{
	char file[200];
	char why[512];

	ck_assert(rights_root_alone("/", why, sizeof(why)));
	ck_assert(rights_root_alone("/dev/null", why, sizeof(why)) == false); /* 0666 */
	(void)snprintf(file, sizeof(file), "%s/plugins/none", directory);
	ck_assert(!rights_root_alone(file, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "No such file"));
	put("plugins/a", "x");
	(void)snprintf(file, sizeof(file), "%s/plugins/a", directory);
	if (geteuid() != 0) {
		ck_assert(!rights_root_alone(file, why, sizeof(why)));
		ck_assert_ptr_nonnull(strstr(why, "does not belong to root"));
		return;
	}
	ck_assert_msg(rights_root_alone(file, why, sizeof(why)), "%s", why);
	ck_assert_int_eq(chmod(file, 0664), 0);
	ck_assert(!rights_root_alone(file, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "/plugins/a can be written by others than root"));
	ck_assert_int_eq(chmod(file, 0644), 0);
	ck_assert_int_eq(chown(file, 1, 0), 0);
	ck_assert(!rights_root_alone(file, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "/plugins/a does not belong to root"));
	ck_assert_int_eq(chown(file, 0, 0), 0);
	ck_assert_int_eq(chmod(directory, 0777), 0);
	ck_assert(!rights_root_alone(file, why, sizeof(why)));
	ck_assert_int_eq(chmod(directory, 01777),
			 0); /* as /tmp: nobody can rename what is root's */
	ck_assert_msg(rights_root_alone(file, why, sizeof(why)), "%s", why);
	ck_assert_int_eq(chmod(directory, 0700), 0);
}
END_TEST

static TCase *make_case(const char *name, const TTest *const *tests, size_t count)
{
	TCase *c = tcase_create(name);

	for (size_t i = 0; i < count; i++)
		tcase_add_test(c, tests[i]);
	return c;
}

/* The setting KEY of INSTANCE. */
static const struct conf_setting *setting(const struct conf *c, const char *instance,
					  const char *key)
{
	const struct conf_role *role = conf_find(c, instance);

	ck_assert_ptr_nonnull(role);
	for (size_t i = 0; i < role->setting_count; i++) {
		if (strcmp(role->settings[i].key, key) == 0)
			return &role->settings[i];
	}
	ck_abort_msg("%s has no %s", instance, key);
}

static void check_origin(const struct conf_setting *s, enum conf_origin origin, const char *value,
			 const char *text, const char *file, unsigned line)
{
	ck_assert_int_eq(s->origin, origin);
	ck_assert_str_eq(s->value, value);
	ck_assert_str_eq(s->text, text);
	ck_assert_uint_eq(s->line, line);
	if (file == NULL) {
		ck_assert_ptr_null(s->file);
		return;
	}
	ck_assert_ptr_nonnull(s->file);
	ck_assert_str_eq(s->file + strlen(directory) + 1, file);
}

static void put_states(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/state", directory);
	ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
}

START_TEST(test_conf_origins)
{
	struct problems p;
	bool usable;
	struct conf *c;

	put_main("[node]\n");
	put_states();
	put_plugin("a", "[config_schema]\nx = int | 1 | 0..9 | h\ny = duration | 2s | - | h\n"
			"z = bool | yes | - | h\nw = secret string | - | - | h\n");
	put("conf.d/a.conf", "[a]\ny = 3s\nx = 3\n[a@two]\n");
	put("state/overrides.conf", "[a]\nx = 5\nw = hush\n[a@two]\nx = 6\n[host]\n"
				    "log_level = trace\n");
	c = load(&p, &usable);
	ck_assert_msg(usable && p.count == 0, "%s", p.count > 0 ? p.texts[0] : "");
	check_origin(setting(c, "a", "x"), CONF_OVERRIDE, "5", "5", "state/overrides.conf", 2);
	check_origin(setting(c, "a", "y"), CONF_FILE, "3000", "3s", "conf.d/a.conf", 2);
	check_origin(setting(c, "a", "z"), CONF_DEFAULT, "true", "yes", NULL, 0);
	check_origin(setting(c, "a", "w"), CONF_OVERRIDE, "hush", "hush", "state/overrides.conf",
		     3);
	ck_assert(setting(c, "a", "w")->secret);
	ck_assert(!setting(c, "a", "x")->secret);
	check_origin(setting(c, "a@two", "x"), CONF_OVERRIDE, "6", "6", "state/overrides.conf", 5);
	check_origin(setting(c, "a@two", "y"), CONF_DEFAULT, "2000", "2s", NULL, 0);
	ck_assert_int_eq(c->log_level, ADIT_LOG_TRACE);
	conf_free(c);
}
END_TEST

START_TEST(test_conf_override_problems)
{
	struct problems p;
	bool usable;
	struct conf *c;

	put_main("");
	put_states();
	put_plugin("a", "[config_schema]\nx = int | 1 | 0..9 | h\n");
	put("conf.d/a.conf", "[a]\n");
	put("state/overrides.conf", "[a]\nx = 99\nxx = 1\nenabled = no\n[gone]\ny = 1\n[host]\n"
				    "state_dir = /elsewhere\n");
	c = load(&p, &usable);
	ck_assert(!usable);
	ck_assert(has(&p, "overrides.conf:2: ", "x: expected 0..9, not 99"));
	ck_assert(has(&p, "overrides.conf:3: ", "xx: unknown key in [a]; did you mean `x`?"));
	ck_assert(has(&p, "overrides.conf:4: ", "enabled: can't be overridden"));
	ck_assert(has(&p, "overrides.conf:5: warning: ", "[gone] is in no other file"));
	ck_assert(has(&p, "overrides.conf:8: ", "state_dir: can't be overridden"));
	ck_assert_uint_eq(p.count, 5);
	ck_assert_uint_eq(p.warnings, 1);
	problems_free(&p);
	conf_free(c);
}
END_TEST

/* A warning alone keeps nothing from starting. */
START_TEST(test_conf_warning)
{
	struct problems p;
	bool usable;
	struct conf *c;

	put_main("");
	put_states();
	put("state/overrides.conf", "[gone]\ny = 1\n");
	c = load(&p, &usable);
	ck_assert(usable);
	ck_assert_uint_eq(p.count, 1);
	ck_assert_uint_eq(problems_errors(&p), 0);
	problems_free(&p);
	conf_free(c);
}
END_TEST

START_TEST(test_conf_override_write)
{
	struct problems p;
	struct error e;
	bool usable;
	struct conf *c;
	char path[160];
	struct stat st;
	struct buf before = {0};

	put_main("");
	put_states();
	put_plugin("a", "[config_schema]\nx = int | 1 | 0..9 | h\ny = string | - | - | h\n");
	put("conf.d/a.conf", "[a]\n");
	c = load(&p, &usable);
	ck_assert(usable);
	ck_assert_int_eq(conf_override_check(c, "a", "x", "4", &e), ADIT_OK);
	ck_assert_int_eq(conf_override_check(c, "a", "x", "10", &e), ADIT_E_INVALID_ARGUMENT);
	ck_assert_str_eq(e.text, "x: expected 0..9, not 10");
	ck_assert_int_eq(conf_override_check(c, "a", "z", "4", &e), ADIT_E_NOT_FOUND);
	ck_assert_int_eq(conf_override_check(c, "b", "x", "4", &e), ADIT_E_NOT_FOUND);
	ck_assert_str_eq(e.text, "there is no section [b]; did you mean `a`?");
	ck_assert_int_eq(conf_override_check(c, "a", "enabled", "no", &e), ADIT_E_UNSUPPORTED);
	ck_assert_int_eq(conf_override_check(c, "host", "run_dir", "/", &e), ADIT_E_UNSUPPORTED);
	ck_assert_int_eq(conf_override_check(c, "a", "y", "1\n[b]", &e), ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(conf_override_check(c, "a", "y", "1 ; 2", &e), ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(conf_override_write(c, "a", "x", NULL, &before, &e), ADIT_E_NOT_FOUND);
	ck_assert_int_eq(conf_override_write(c, "a", "x", "4", &before, &e), ADIT_OK);
	conf_free(c);

	(void)snprintf(path, sizeof(path), "%s/state/overrides.conf", directory);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	c = load(&p, &usable);
	ck_assert_str_eq(conf_role_value(conf_find(c, "a"), "x"), "4");
	ck_assert_int_eq(conf_override_write(c, "a", "y", "#1 [x]", &before, &e), ADIT_OK);
	conf_free(c);
	c = load(&p, &usable);
	ck_assert_str_eq(conf_role_value(conf_find(c, "a"), "x"), "4");
	ck_assert_str_eq(conf_role_value(conf_find(c, "a"), "y"), "#1 [x]");
	ck_assert_int_eq(conf_override_write(c, "a", "x", NULL, &before, &e), ADIT_OK);
	ck_assert_int_eq(conf_override_restore(c, &before, &e), ADIT_OK);
	conf_free(c);
	c = load(&p, &usable);
	ck_assert_str_eq(conf_role_value(conf_find(c, "a"), "x"), "4");
	ck_assert_int_eq(conf_override_write(c, "a", NULL, NULL, &before, &e), ADIT_OK);
	conf_free(c);
	c = load(&p, &usable);
	ck_assert_uint_eq(c->overridden_count, 0);
	/* the file as it is now counts, not as it was read */
	put("state/overrides.conf", "# by hand\n[a]\ny = 1 ; why\n");
	ck_assert_int_eq(conf_override_write(c, "a", "x", "7", &before, &e), ADIT_OK);
	conf_free(c);
	c = load(&p, &usable);
	ck_assert_str_eq(conf_role_value(conf_find(c, "a"), "x"), "7");
	ck_assert_str_eq(conf_role_value(conf_find(c, "a"), "y"), "1");
	ck_assert_int_eq(conf_override_restore(c, &before, &e), ADIT_OK);
	conf_free(c);
	c = load(&p, &usable);
	ck_assert_int_eq(setting(c, "a", "x")->origin, CONF_DEFAULT);
	ck_assert_int_eq(setting(c, "a", "y")->origin, CONF_OVERRIDE);
	/* one that can't be read is not written over */
	put("state/overrides.conf", "[a]\nnonsense\n");
	ck_assert_int_eq(conf_override_write(c, "a", "x", "7", &before, &e), ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(e.text, "overrides.conf:2: neither"));
	ck_assert_ptr_nonnull(strstr(e.text, "mend it first"));
	conf_free(c);
	buf_free(&before);
}
END_TEST

/* What can't be written whole leaves the file as it was, and nothing beside it. */
START_TEST(test_conf_override_disk_full)
{
	struct rlimit before_limit;
	struct rlimit small = {0, 0};
	struct buf before = {0};
	struct problems p;
	struct error e;
	bool usable;
	struct conf *c;
	char path[160];

	put_main("");
	put_states();
	put_plugin("a", "[config_schema]\nx = int | 1 | 0..9 | h\n");
	put("conf.d/a.conf", "[a]\n");
	put("state/overrides.conf", "[a]\nx = 3\n");
	c = load(&p, &usable);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before_limit), 0);
	small.rlim_max = before_limit.rlim_max;
	ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(conf_override_write(c, "a", "x", "4", &before, &e), ADIT_E_IO);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before_limit), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "overrides.conf.new: File too large"));
	conf_free(c);
	(void)snprintf(path, sizeof(path), "%s/state/overrides.conf.new", directory);
	ck_assert_int_ne(access(path, F_OK), 0);
	c = load(&p, &usable);
	ck_assert_str_eq(conf_role_value(conf_find(c, "a"), "x"), "3");
	conf_free(c);
	buf_free(&before);
}
END_TEST

START_TEST(test_conf_override_edit)
{
	static const struct {
		const char *text, *section, *key, *value, *after;
		bool found;
	} cases[] = {
	    {"", "a", "x", "1", "\n[a]\nx = 1\n", false},
	    {"# c\n[b]\ny = 1\n", "a", "x", "1", "# c\n[b]\ny = 1\n\n[a]\nx = 1\n", false},
	    {"[a]\n# c\ny = 1 ; d\n\n# e\n[b]\nx = 3\n", "a", "x", "1",
	     "[a]\n# c\ny = 1 ; d\nx = 1\n\n# e\n[b]\nx = 3\n", false},
	    {"[a] ; d\n  x=2 ; c\n;x = 4\n[b]\nx = 3", "a", "x", "1",
	     "[a] ; d\nx = 1 ; c\n;x = 4\n[b]\nx = 3\n", true},
	    {"[a]\nx = 2\ny = 3\n[b]\nx = 3\n", "a", "x", NULL, "[a]\ny = 3\n[b]\nx = 3\n", true},
	    {"[a]\n# c\nx = 2\n[b]\nx = 3\n", "a", "x", NULL, "# c\n[b]\nx = 3\n", true},
	    {"[a]\nx = 2\n# c\ny = 3\n# d\n[b]\nx = 3\n", "a", NULL, NULL, "# c\n# d\n[b]\nx = 3\n",
	     true},
	    {"[b]\nx = 3\n", "a", NULL, NULL, "[b]\nx = 3\n", false},
	    {"[a]\ny = 3\n", "a", "x", NULL, "[a]\ny = 3\n", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = {0};

		ck_assert(conf_override_edit(cases[i].text, strlen(cases[i].text), cases[i].section,
					     cases[i].key, cases[i].value, &out) == cases[i].found);
		ck_assert(buf_append_u8(&out, 0));
		ck_assert_str_eq((const char *)out.data, cases[i].after);
		buf_free(&out);
	}
}
END_TEST

START_TEST(test_conf_includes)
{
	struct problems p;
	bool usable;
	struct conf *c;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/more", directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	put_main("include = node.inc\ninclude = more/*.conf\ninclude = none/*\n");
	put_plugin("a", "[config_schema]\nx = int | 1 | 0..9 | h\n");
	put("node.inc", "[node]\nnetwork = main\n");
	put("more/1.conf", "[a]\nx = 2\n");
	put("more/2.conf", "[a@b]\nx = 3\n");
	put("conf.d/1.conf", "[a@c]\nx = 4\n");
	c = load(&p, &usable);
	ck_assert_msg(usable && p.count == 0, "%s", p.count > 0 ? p.texts[0] : "");
	ck_assert_str_eq(c->network, "main");
	check_origin(setting(c, "a", "x"), CONF_FILE, "2", "2", "more/1.conf", 2);
	check_origin(setting(c, "a@b", "x"), CONF_FILE, "3", "3", "more/2.conf", 2);
	check_origin(setting(c, "a@c", "x"), CONF_FILE, "4", "4", "conf.d/1.conf", 2);
	conf_free(c);

	put("conf.d/1.conf", "[a]\n");
	put("node.inc", "[host]\nlog_level = info\n");
	put_main("include = node.inc\ninclude = gone.conf\ninclude = more/*.conf\ninclud = x\n");
	c = load(&p, &usable);
	ck_assert(!usable);
	ck_assert(has(&p, "node.inc:1: ", "[host] belongs into"));
	ck_assert(has(&p, "gone.conf: ", "No such file or directory"));
	ck_assert(has(&p, "conf.d/1.conf:1: ", "more/1.conf:1, too"));
	ck_assert(
	    has(&p, "adit.conf:8: ", "includ: unknown key in [host]; did you mean `include`?"));
	problems_free(&p);
	conf_free(c);
}
END_TEST

/* A reward that would be paid on another network. */
START_TEST(test_conf_network)
{
	struct problems p;
	bool usable;
	struct conf *c;

	put_main("[node]\nnetwork = main\n");
	put_plugin("a", "[config_schema]\npay = script | required | - | h\n");
	put("conf.d/a.conf", "[a]\npay = bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\n");
	c = load(&p, &usable);
	ck_assert(!usable);
	ck_assert(has(&p, "a.conf:2: pay: ", "regtest"));
	problems_free(&p);
	conf_free(c);
}
END_TEST

/* --- what the machine says --- */

static void probe(struct problems *p)
{
	bool usable;
	struct conf *c = load(p, &usable);

	ck_assert_msg(usable, "%s", p->count > 0 ? p->texts[0] : "");
	conf_probe(c, p);
	conf_free(c);
}

START_TEST(test_probe_keys)
{
	struct problems p;
	char path[128];
	char own[160];

	put_main("[node]\nnetwork = main\n");
	put_states();
	put_plugin("a",
		   "[config_schema]\nkey = secret path | - | - | h\ntrust = string | - | - | h\n");
	put("conf.d/a.conf", "[a]\nkey = my.key\n");
	put("state/my.key", "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n\n");
	(void)snprintf(path, sizeof(path), "%s/state/my.key", directory);
	ck_assert_int_eq(chmod(path, 0644), 0);
	probe(&p);
	ck_assert(has(&p, "a.conf:2: key: ", "is open to other users (mode 644)"));
	ck_assert(has(&p, "a.conf:2: key: ", "test key"));
	ck_assert_uint_eq(problems_errors(&p), 2);
	problems_free(&p);

	/* for the group is too many, too; and the other form of the key */
	put("state/my.key", "65995eb19631f478a46ffa5cf1e545091efe950eaeac7482ffdc06eb6a89f697\n");
	ck_assert_int_eq(chmod(path, 0640), 0);
	probe(&p);
	ck_assert(has(&p, "a.conf:2: key: ", "is open to other users (mode 640)"));
	ck_assert(has(&p, "a.conf:2: key: ", "test key"));
	ck_assert_uint_eq(problems_errors(&p), 2);
	problems_free(&p);

	/* one that the role has made itself */
	put("conf.d/a.conf", "[a]\n");
	(void)snprintf(own, sizeof(own), "%s/state/a", directory);
	ck_assert_int_eq(mkdir(own, 0700), 0);
	put("state/a/authority.key", "x");
	(void)snprintf(own, sizeof(own), "%s/state/a/authority.key", directory);
	ck_assert_int_eq(chmod(own, 0604), 0);
	probe(&p);
	ck_assert(has(&p, "a.conf:1: ", "authority.key is open to other users (mode 604)"));
	ck_assert_uint_eq(p.count, 1);
	problems_free(&p);
	ck_assert_int_eq(unlink(own), 0);

	/* on another network that is what such keys are for */
	put_main("[node]\nnetwork = regtest\n");
	put("conf.d/a.conf", "[a]\nkey = my.key\n"
			     "trust = 9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72\n");
	ck_assert_int_eq(chmod(path, 0600), 0);
	probe(&p);
	ck_assert_uint_eq(p.count, 0);
	problems_free(&p);
}
END_TEST

/* Payees and keys of examples are refused on main at every start, not by --check alone: the first
 * block's reward would be anyone's. */
START_TEST(test_known_secrets)
{
	struct problems p = {0};
	struct conf *c;
	bool usable;

	put_main("[node]\nnetwork = main\n");
	put_plugin("a", "[config_schema]\npay = script | - | - | h\ntrust = string | - | - | h\n");
	/* BIP173: the P2WPKH example, of the public key whose secret is 1 */
	put("conf.d/a.conf", "[a]\npay = bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\n"
			     "trust = 9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72\n");
	c = load(&p, &usable);
	ck_assert(!usable);
	ck_assert(has(&p, "a.conf:2: pay: ", "everybody knows"));
	ck_assert(has(&p, "a.conf:3: trust: ", "test key"));
	ck_assert_uint_eq(problems_errors(&p), 2);
	problems_free(&p);
	conf_free(c);

	put("conf.d/a.conf", "[a]\nenabled = false\n"
			     "pay = bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\n");
	c = load(&p, &usable);
	ck_assert(usable);
	problems_free(&p);
	conf_free(c);
}
END_TEST

/* A password that stands in a file for everybody. */
START_TEST(test_probe_passwords)
{
	struct problems p;
	char path[128];

	put_main("[node]\nnetwork = regtest\n");
	put_states();
	put_plugin("a", "[config_schema]\nword = secret string | - | - | h\n");
	put("conf.d/a.conf", "[a]\nword = hunter2\n");
	(void)snprintf(path, sizeof(path), "%s/conf.d/a.conf", directory);
	ck_assert_int_eq(chmod(path, 0644), 0);
	probe(&p);
	ck_assert(has(&p, "a.conf:2: warning: word: ", "every user can read this file (mode 644)"));
	ck_assert(!has(&p, "a.conf", "hunter2"));
	ck_assert_uint_eq(p.count, 1);
	problems_free(&p);
	ck_assert_int_eq(chmod(path, 0640), 0);
	probe(&p);
	ck_assert_uint_eq(p.count, 0);
	problems_free(&p);
}
END_TEST

/* Whether --check of [node] with KEYS warns of TEXT; without one, of nothing. */
static void probe_node(const char *keys, const char *text)
{
	struct problems p;
	char more[512];

	(void)snprintf(more, sizeof(more), "[node]\n%s", keys);
	put_main(more);
	probe(&p);
	ck_assert_msg(p.count == (text != NULL), "%s: %zu", keys, p.count);
	ck_assert(text == NULL || has(&p, "adit.conf:5: warning: ", text));
	problems_free(&p);
}

/* A node behind an IPC socket, in a process of its own; PATH gets the socket's. */
static pid_t start_ipc_node(bool test_chain, char path[96])
{
	struct fake_ipc node;
	int pipes[2];
	pid_t pid;

	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		fake_ipc_init(&node, event_base_new());
		node.test_chain = test_chain;
		ck_assert_int_eq(write(pipes[1], node.path, sizeof(node.path)),
				 (ssize_t)sizeof(node.path));
		(void)event_base_dispatch(node.base);
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	(void)close(pipes[1]);
	ck_assert_int_eq(read(pipes[0], path, 96), 96);
	(void)close(pipes[0]);
	return pid;
}

static void end_ipc_node(pid_t pid, char path[96])
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(unlink(path), 0);
	*strrchr(path, '/') = '\0';
	ck_assert_int_eq(rmdir(path), 0);
}

/* It answers, but may be on another network. */
START_TEST(test_probe_ipc)
{
	char path[96], text[300];
	pid_t pid;

	put_states();
	pid = start_ipc_node(true, path);
	(void)snprintf(text, sizeof(text), "backend = bitcoin-ipc\nipc_socket = %s\n", path);
	probe_node(text, NULL);
	(void)snprintf(text, sizeof(text),
		       "network = main\nbackend = bitcoin-ipc\nipc_socket = %s\n", path);
	probe_node(text, " is on a test network, but network = main");
	end_ipc_node(pid, path);
	pid = start_ipc_node(false, path);
	(void)snprintf(text, sizeof(text), "backend = bitcoin-ipc\nipc_socket = %s\n", path);
	probe_node(text, " is on the main network, but network = regtest");
	end_ipc_node(pid, path);
}
END_TEST

/* The template provider's own: it may be another node, on another network. */
START_TEST(test_probe_templates)
{
	static const char schema[] =
	    "[config_schema]\nsource = list | node | bitcoin-ipc,node | s\n"
	    "network = enum | - | main,testnet4,regtest | n\n"
	    "datadir = path | - | - | n\nsocket = path | - | - | n\n";
	static const struct {
		const char *keys;
		const char *end; /* of the socket's path; NULL: no such key */
	} sections[] = {
	    {"source = node\n", ""},
	    {"source = node, bitcoin-ipc\n", ""},
	    {"source = bitcoin-ipc\nnetwork = main\n", ""},
	    {"source = bitcoin-ipc\n", ".not"},
	    {"source = bitcoin-ipc\nnetwork = testnet4\ndatadir = .\n", NULL},
	};
	static const char *const complaints[] = {
	    NULL,
	    NULL,
	    " is on a test network, but network = main",
	    ".not: is the node running with -ipcbind=unix, and are network, datadir and socket",
	    "/testnet4/node.sock: is the node running",
	};
	char path[96], section[300];
	struct problems p;
	pid_t pid;

	put_states();
	put_plugin("template-provider", schema);
	put_main("");
	pid = start_ipc_node(true, path);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		(void)snprintf(section, sizeof(section), "%s%s%s%s\n", sections[i].keys,
			       sections[i].end != NULL ? "socket = " : "",
			       sections[i].end != NULL ? path : "",
			       sections[i].end != NULL ? sections[i].end : "");
		put("conf.d/a.conf", "[template-provider]\n%s", section);
		probe(&p);
		ck_assert_msg(p.count == (complaints[i] != NULL), "%s: %zu", section, p.count);
		ck_assert(complaints[i] == NULL ||
			  has(&p, "a.conf:1: warning: bitcoin-ipc: ", complaints[i]));
		problems_free(&p);
	}
	end_ipc_node(pid, path);
}
END_TEST

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, path);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	return fd;
}

/* A node that is not there, or not where it is said to be. */
START_TEST(test_probe_node)
{
	char path[160];
	int fd;

	put_states();
	(void)snprintf(path, sizeof(path), "%s/state/regtest", directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	probe_node("", NULL);
	probe_node("backend = bitcoin-rpc\nrpc_datadir = gone\n", "/gone: No such file");
	probe_node("backend = bitcoin-rpc\nrpc_datadir = .\n",
		   "/regtest/.cookie: No such file or directory; is the node running");
	probe_node("backend = bitcoin-rpc\ndatadir = .\n", "/regtest/.cookie: No such file");
	probe_node("backend = bitcoin-rpc\nrpc_cookie_file = biscuit\n", "/biscuit: No such file");
	probe_node("backend = bitcoin-rpc\nrpc_datadir = gone\nrpc_user = u\n", NULL);
	put("state/regtest/.cookie", "x");
	probe_node("backend = bitcoin-rpc\nrpc_datadir = .\n", NULL);
	probe_node("backend = bitcoin-ipc\ndatadir = .\n",
		   "/regtest/node.sock: is the node running with -ipcbind=unix, and are network, "
		   "datadir and ipc_socket");
	fd = listen_at("state/regtest/node.sock");
	probe_node("backend = bitcoin-ipc\ndatadir = .\n", "has not answered for 2000 ms");
	(void)close(fd);
	probe_node("backend = bitcoin-ipc\ndatadir = .\nrpc_url = http://127.0.0.1:1/\n",
		   "nobody listens on ");
	probe_node("backend = bitcoin-ipc\nipc_socket = regtest/node.sock\n",
		   "/regtest/node.sock: the node is not running");
	(void)snprintf(path, sizeof(path), "%s/state/regtest/.cookie", directory);
	ck_assert_int_eq(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/state/regtest/node.sock", directory);
	ck_assert_int_eq(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/state/regtest", directory);
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(test_probe_places)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	struct problems p;
	char text[200];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	put_main("");
	put_states();
	put("state/file", "x");
	put_plugin("a", "[config_schema]\nlisten = listen | - | - | h\nup = connect | - | - | h\n");
	put("conf.d/a.conf",
	    "[a]\nlisten = 127.0.0.1:%u\n[a@b]\nlisten = unix:gone/x.sock\n[a@c]\nlisten = "
	    "unix:file\n"
	    "[a@d]\nup = unix:gone/y.sock KEY\n[a@e]\nup = unix:nobody.sock\n"
	    "[a@f]\nup = unix:gone/x.sock\n",
	    ntohs(address.sin_port));
	probe(&p);
	(void)snprintf(text, sizeof(text), "listen: 127.0.0.1:%u is in use by another program",
		       ntohs(address.sin_port));
	ck_assert(has(&p, "a.conf:2: ", text));
	ck_assert(has(&p, "a.conf:4: listen: ", "gone: No such file or directory"));
	ck_assert(has(&p, "a.conf:6: listen: ", "a file that is no socket is in the way"));
	ck_assert(has(&p, "a.conf:8: warning: up: ", "gone/y.sock can't be reached: No such file"));
	ck_assert(has(&p, "a.conf:10: warning: up: ", "nobody.sock can't be reached"));
	ck_assert_uint_eq(p.warnings, 2); /* a@b would be there for a@f */
	ck_assert_uint_eq(problems_errors(&p), 3);
	problems_free(&p);
	(void)close(fd);
	put("conf.d/a.conf", "[a]\nlisten = 127.0.0.1:%u\n", ntohs(address.sin_port));
	probe(&p);
	ck_assert_uint_eq(p.count, 0);
	fd = listen_at("state/taken.sock");
	put("conf.d/a.conf", "[a]\nlisten = unix:taken.sock\n");
	probe(&p);
	ck_assert(has(&p, "a.conf:2: listen: ", "another process listens at"));
	ck_assert_uint_eq(p.count, 1);
	problems_free(&p);
	(void)close(fd); /* what is left of one that has gone is in nobody's way */
	probe(&p);
	ck_assert_uint_eq(p.count, 0);
	put_main("control_socket = state/gone/x.sock\n");
	probe(&p);
	ck_assert(has(&p, "adit.conf:5: control_socket: ", "state/gone: No such file"));
	ck_assert_uint_eq(p.count, 1);
	problems_free(&p);
	put("adit.conf",
	    "[host]\nstate_dir = conf.d/a.conf/x\nrun_dir = run\nplugin_dir = plugins\n");
	probe(&p);
	ck_assert(has(&p, "adit.conf:2: state_dir: ", "Not a directory"));
	problems_free(&p);
}
END_TEST

int main(void)
{
	const TTest *const parts[] = {
	    test_ini_lines,       test_ini_problems,       test_ini_nul,
	    test_ini_long,        test_ini_too_long,       test_schema_values,
	    test_schema_refusals, test_schema_definitions, test_schema_socket_path,
	    test_nearest_word,  test_manifest,           test_manifest_problems,
	    test_versions,
	};
	const TTest *const whole[] = {test_conf_good,          test_conf_errors_collected,
				      test_conf_parts,         test_conf_parts_problems,
				      test_conf_pools,
				      test_conf_soft,          test_conf_conflicts,
				      test_conf_missing,       test_conf_change,
				      test_rights_names,       test_rights_root_alone,
				      test_conf_origins,       test_conf_override_problems,
				      test_conf_warning,       test_conf_override_write,
				      test_conf_override_edit, test_conf_override_disk_full,
				      test_conf_includes,      test_conf_network,
				      test_probe_keys,         test_probe_passwords,
				      test_probe_node,         test_probe_ipc,
				      test_probe_templates,    test_probe_places,
				      test_known_secrets};
	Suite *suite = suite_create("host-conf");
	TCase *c = make_case("whole", whole, sizeof(whole) / sizeof(whole[0]));
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	suite_add_tcase(suite, make_case("parts", parts, sizeof(parts) / sizeof(parts[0])));
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
