/* SPDX-License-Identifier: MIT */
/* Tests of server.h over real sockets. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

#include "tests/unit/sv2_rig.h"

static void open_channel(struct adit_sv2_conn *conn)
{
	struct adit_sv2_open_standard_mining_channel m = {.request_id = 3,
							  .nominal_hash_rate = 1e9f};

	memset(m.max_target.b, 0xff, sizeof(m.max_target.b));
	ck_assert_int_eq(adit_sv2_send(conn, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL, &m), ADIT_OK);
}

static void conversation(bool plain, bool is_unix)
{
	struct rig rig;
	struct sv2_server_options so = {.authority_secret = plain ? NULL : rig_secret()};
	struct sv2_client_options co = {.plain = plain};

	rig_init(&rig, is_unix);
	rig_serve(&rig, &so);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	open_channel(rig.upstream);
	rig_until(&rig, &rig.client_messages, 1, 2000);
	ck_assert_uint_eq(rig.sum, 7);
	ck_assert_uint_eq(rig.batches, 1);
	rig_fini(&rig);
	ck_assert_uint_eq(rig.client_closed, 1);
}

START_TEST(test_conversation)
{
	conversation(_i & 1, _i & 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sv2-server");
	TCase *tcase = tcase_create("server");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, test_conversation, 0, 4);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
