/* SPDX-License-Identifier: MIT */
/* Classes of clients, and the store of templates. */
#include "config.h"

#include <check.h>
#include <string.h>

#include "plugins/template-provider/classes.h"
#include "plugins/template-provider/store.h"
#include "tests/unit/test_tp.h"
#include "tests/unit/tp_fixture.h"

START_TEST(constraints_are_rounded_up)
{
	struct tp_classes c = {0};
	struct tp_class *a = tp_classes_join(&c, 1168, 1, false);

	ck_assert_uint_eq(a->weight, 2000);
	ck_assert_uint_eq(a->sigops, 100);
	ck_assert_ptr_eq(tp_classes_join(&c, 2000, 100, false), a);
	ck_assert_uint_eq(a->clients, 2);
	ck_assert_ptr_ne(tp_classes_join(&c, 2001, 100, false), a);
	ck_assert_ptr_ne(tp_classes_join(&c, 2000, 0, false), a);
	ck_assert_uint_eq(tp_classes_join(&c, 2001, 100, false)->weight, 4000);
}
END_TEST

START_TEST(the_last_one_frees_the_slot)
{
	struct tp_classes c = {0};
	struct tp_class *a = tp_classes_join(&c, 2000, 0, false);

	tp_class_leave(a);
	ck_assert_ptr_eq(tp_classes_join(&c, 8000, 0, false), a);
	ck_assert_uint_eq(a->weight, 8000);
	ck_assert_uint_eq(a->clients, 1);
}
END_TEST

/* Four are taken: the fifth joins the smallest that has room for it. */
START_TEST(a_fifth_joins_the_next_larger)
{
	struct tp_classes c = {0};
	struct tp_class *large = tp_classes_join(&c, 20000, 400, false);
	struct tp_class *medium = tp_classes_join(&c, 10000, 400, false);

	tp_classes_join(&c, 2000, 0, false);
	tp_classes_join(&c, 2000, 100, false);
	ck_assert_ptr_eq(tp_classes_join(&c, 6000, 200, false), medium);
	ck_assert_uint_eq(medium->weight, 10000);
	ck_assert_ptr_eq(tp_classes_join(&c, 12000, 400, false), large);
}
END_TEST

START_TEST(no_larger_one_grows_the_nearest)
{
	struct tp_classes c = {0};
	struct tp_template t = {0};
	struct tp_class *nearest;

	tp_classes_join(&c, 2000, 0, false);
	tp_classes_join(&c, 4000, 0, false);
	tp_classes_join(&c, 6000, 0, false);
	nearest = tp_classes_join(&c, 20000, 100, false);
	tp_class_set_current(nearest, &t, 5);
	ck_assert_uint_eq(t.pins, 1);
	ck_assert_ptr_eq(tp_classes_join(&c, 24000, 200, false), nearest);
	ck_assert_uint_eq(nearest->weight, 24000);
	ck_assert_uint_eq(nearest->sigops, 200);
	ck_assert_uint_eq(nearest->clients, 2);
	/* Its template reserves too little for the newcomer. */
	ck_assert_ptr_null(nearest->current);
	ck_assert_uint_eq(t.pins, 0);
}
END_TEST

static struct fixture f;
static struct tp_store store;

static void setup(void)
{
	fixture_init(&f, 1, 2);
	memset(&store, 0, sizeof(store));
}

static void teardown(void)
{
	tp_store_clear(&store);
	fixture_free(&f);
}

static struct tp_template *add(uint64_t id)
{
	struct tp_snapshot *s = fixture_snapshot(&f, 0);
	struct tp_template *t;
	struct error e;

	ck_assert_int_eq(tp_template_new(s, 2000, 0, id, &t, &e), ADIT_OK);
	tp_snapshot_unref(s);
	ck_assert(tp_store_add(&store, t));
	return t;
}

START_TEST(old_tips_last_ten_seconds)
{
	bool old = true;

	add(1);
	ck_assert_uint_eq(tp_store_expire(&store, 1000), 0);
	ck_assert_ptr_nonnull(tp_store_find(&store, 1, &old));
	ck_assert(!old);
	tp_store_retire(&store, 5000);
	add(2);
	ck_assert_ptr_nonnull(tp_store_find(&store, 1, &old));
	ck_assert(old);
	ck_assert_ptr_nonnull(tp_store_find(&store, 2, &old));
	ck_assert(!old);
	/* A second change of tip does not prolong the first. */
	tp_store_retire(&store, 9000);
	ck_assert_uint_eq(tp_store_expire(&store, 14999), 15000);
	ck_assert_uint_eq(tp_store_expire(&store, 15000), 19000);
	ck_assert_ptr_null(tp_store_find(&store, 1, NULL));
	ck_assert_ptr_nonnull(tp_store_find(&store, 2, NULL));
	ck_assert_uint_eq(tp_store_expire(&store, 19000), 0);
	ck_assert_uint_eq(store.count, 0);
}
END_TEST

START_TEST(the_oldest_make_room)
{
	add(1)->pins = 1;
	for (uint64_t id = 2; id <= TP_STORE_MAX + 3; id++)
		add(id);
	ck_assert_uint_eq(store.count, TP_STORE_MAX);
	ck_assert_ptr_nonnull(tp_store_find(&store, 1, NULL));
	ck_assert_ptr_null(tp_store_find(&store, 2, NULL));
	ck_assert_ptr_null(tp_store_find(&store, 4, NULL));
	ck_assert_ptr_nonnull(tp_store_find(&store, 5, NULL));
	ck_assert_ptr_nonnull(tp_store_find(&store, TP_STORE_MAX + 3, NULL));
}
END_TEST

START_TEST(bytes_are_bounded_too)
{
	/* As if each template carried 90 MiB. */
	add(1)->snapshot->data_size = 90u << 20;
	add(2)->snapshot->data_size = 90u << 20;
	ck_assert_uint_eq(store.count, 2);
	add(3)->snapshot->data_size = 90u << 20;
	ck_assert_uint_eq(store.count, 3);
	add(4);
	ck_assert_uint_eq(store.count, 3);
	ck_assert_ptr_null(tp_store_find(&store, 1, NULL));
}
END_TEST

Suite *tp_classes_suite(void)
{
	Suite *s = suite_create("classes and store");
	TCase *c = tcase_create("classes");

	tcase_add_test(c, constraints_are_rounded_up);
	tcase_add_test(c, the_last_one_frees_the_slot);
	tcase_add_test(c, a_fifth_joins_the_next_larger);
	tcase_add_test(c, no_larger_one_grows_the_nearest);
	suite_add_tcase(s, c);
	c = tcase_create("store");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, old_tips_last_ten_seconds);
	tcase_add_test(c, the_oldest_make_room);
	tcase_add_test(c, bytes_are_bounded_too);
	suite_add_tcase(s, c);
	return s;
}
