/* SPDX-License-Identifier: MIT */
/* test_tp.h: the suites of the role template-provider, one per file. */
#ifndef TEST_TP_H
#define TEST_TP_H

#include <check.h>

Suite *tp_template_suite(void);
Suite *tp_block_suite(void);
Suite *tp_classes_suite(void);
Suite *tp_provider_suite(void);
Suite *tp_submit_suite(void);
Suite *tp_source_suite(void);
Suite *tp_ipc_suite(void);
Suite *tp_plugin_suite(void);
Suite *tp_remote_suite(void);
Suite *tp_property_suite(void);

#endif
