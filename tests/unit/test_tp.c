/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/test_tp.h"

#include <stdlib.h>

int main(void)
{
	SRunner *r = srunner_create(tp_template_suite());
	int failed;

	srunner_add_suite(r, tp_block_suite());
	srunner_add_suite(r, tp_classes_suite());
	srunner_add_suite(r, tp_provider_suite());
	srunner_add_suite(r, tp_submit_suite());
	srunner_add_suite(r, tp_source_suite());
	srunner_add_suite(r, tp_ipc_suite());
	srunner_add_suite(r, tp_plugin_suite());
	srunner_add_suite(r, tp_remote_suite());
	srunner_add_suite(r, tp_property_suite());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
